package smtpd

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certificate is a certificate and its key in PEM files, read again when they have
// changed: whoever renews it need not restart the gateway. Make one with
// [NewCertificate].
type Certificate struct {
	cert, key string // files
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	changed time.Time // the newer of the two files, as last read
}

// NewCertificate reads the files. Later faults are logged, and the certificate
// stays what it was.
func NewCertificate(cert, key string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key, log: log, changed: newer(cert, key)}
	current, err := tls.LoadX509KeyPair(cert, key)
	c.current = &current
	return c, err
}

// Get is for GetCertificate of a [tls.Config].
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := newer(c.cert, c.key)
	if changed.Equal(c.changed) {
		return c.current, nil
	}
	c.changed = changed // a pair that does not fit is tried again when the other file comes
	current, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		c.log.Warn("new certificate not taken into use; the old one is", "cert", c.cert, "err", err)
		return c.current, nil
	}
	c.log.Info("new certificate in use", "cert", c.cert)
	c.current = &current
	return c.current, nil
}

// newer is when the later of two files was written; zero if none is there.
func newer(files ...string) (t time.Time) {
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.ModTime().After(t) {
			t = info.ModTime()
		}
	}
	return t
}
