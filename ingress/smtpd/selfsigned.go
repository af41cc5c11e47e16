package smtpd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Validity of a certificate of our own. It begins in the past, since a board
// without a clock may wake up there, and ends far away: nobody renews it.
var (
	certificateBegin = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	certificateEnd   = time.Date(2049, 12, 31, 0, 0, 0, 0, time.UTC)
)

// SelfSigned returns the certificate that is kept in dir as tls.pem, with its
// key. If there is none it makes one for the hosts, which are names or IP
// addresses, and keeps it, so that clients that have accepted it once need not
// again.
func SelfSigned(dir string, hosts []string) (tls.Certificate, error) {
	path := filepath.Join(dir, "tls.pem")
	kept, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if kept, err = newCertificate(hosts); err != nil {
			return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
		}
		err = keep(path, kept)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("keep a certificate: %w", err)
	}
	cert, err := tls.X509KeyPair(kept, kept)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate in %s: %w; delete the file to have a new one made", path, err)
	}
	return cert, nil
}

// keep writes a file that is whole or not there: a power cut must not leave a
// door without its certificate.
func keep(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tls-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// newCertificate returns a certificate and its key in PEM.
func newCertificate(hosts []string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Cellpost"},
		NotBefore:    certificateBegin,
		NotAfter:     certificateEnd,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}
