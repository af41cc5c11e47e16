package smtpd

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
)

// Certificate is a certificate and its key in PEM files, read again when they have
// changed: whoever renews it need not restart the gateway. Make one with
// [NewCertificate].
type Certificate struct {
	cert, key string // files
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	read    [2]version // of the two files, as last read
}

// NewCertificate reads the files. Later faults are logged, and the certificate
// stays what it was.
func NewCertificate(cert, key string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key, log: log, read: [2]version{versionOf(cert), versionOf(key)}}
	current, err := tls.LoadX509KeyPair(cert, key)
	c.current = &current
	return c, err
}

// Get is for GetCertificate of a [tls.Config].
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := [2]version{versionOf(c.cert), versionOf(c.key)}
	if now == c.read {
		return c.current, nil
	}
	c.read = now // a pair that does not fit is tried again when the other file comes
	current, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		c.log.Warn("new certificate not taken into use; the old one is", "cert", c.cert, "err", err)
		return c.current, nil
	}
	c.log.Info("new certificate in use", "cert", c.cert)
	c.current = &current
	return c.current, nil
}

// version tells what a file holds from what it held before. The times alone do not:
// both files can have the same, and an older pair can be put back.
type version struct {
	written int64 // Unix time, ns
	octets  int64
}

// versionOf is zero if the file is not there.
func versionOf(file string) version {
	info, err := os.Stat(file)
	if err != nil {
		return version{}
	}
	return version{info.ModTime().UnixNano(), info.Size()}
}
