package smtpd

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// tlsServer has a certificate of its own, which roots trusts.
func tlsServer(t *testing.T, s *Server) (addr string, client *tls.Config) {
	t.Helper()
	cert, err := SelfSigned(t.TempDir(), []string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	addr, _ = serve(t, s)
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	return addr, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

func TestSTARTTLS(t *testing.T) {
	gate, stored := testGate(t)
	addr, config := tlsServer(t, &Server{Gate: gate})
	p := dial(t, addr)
	p.write("EHLO test\r\n")
	if got := p.expect(250); strings.Contains(got, "AUTH") || !strings.Contains(got, "STARTTLS") {
		t.Errorf("before TLS: %s", got)
	}
	p.write("AUTH PLAIN AGFubmEAc2VjcmV0\r\n")
	p.expect(523)

	c, err := smtp.DialStartTLS(addr, config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", "anna", "secret")); err != nil {
		t.Fatal(err)
	}
	if err := c.SendMail("a@site.lan", []string{"sms@gw"}, strings.NewReader("\r\n"+script)); err != nil {
		t.Fatal(err)
	}
	if m, _ := stored.counts(); m != 1 {
		t.Errorf("%d messages stored", m)
	}
}

// Commands that came in clear together with STARTTLS are not executed inside.
func TestSTARTTLSInjection(t *testing.T) {
	gate, _ := testGate(t)
	addr, config := tlsServer(t, &Server{Gate: gate})
	p := dial(t, addr)
	p.write("EHLO test\r\n")
	p.expect(250)
	p.write("STARTTLS\r\nNOOP\r\n")
	p.expect(220)
	inside := tls.Client(p.conn, config)
	if _, err := io.WriteString(inside, "QUIT\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(inside)
	if !bytes.HasPrefix(answer, []byte("221 ")) {
		t.Errorf("first answer inside: %q", answer)
	}
}

func TestImplicitTLS(t *testing.T) {
	gate, stored := testGate(t)
	addr, config := tlsServer(t, &Server{Gate: gate, Implicit: true})
	c, err := smtp.DialTLS(addr, config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SendMail("a@site.lan", []string{"sms@gw"}, strings.NewReader("\r\n"+script)); err != nil {
		t.Fatal(err)
	}
	if m, _ := stored.counts(); m != 1 {
		t.Errorf("%d messages stored", m)
	}
}

func TestStopIdleTLS(t *testing.T) {
	gate, _ := testGate(t)
	cert, err := SelfSigned(t.TempDir(), []string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	addr, stop := serve(t, &Server{Gate: gate, Implicit: true, Grace: time.Hour, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	p := greeted(t, conn)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	p.expect(421)
}

// The certificate is made once, and kept where nobody else reads it.
func TestSelfSigned(t *testing.T) {
	dir := t.TempDir()
	first, err := SelfSigned(dir, []string{"gw.lan", "192.168.1.2"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := SelfSigned(dir, nil)
	if err != nil || !bytes.Equal(again.Certificate[0], first.Certificate[0]) {
		t.Errorf("the second time another certificate: %v", err)
	}
	if err := first.Leaf.VerifyHostname("gw.lan"); err != nil {
		t.Error(err)
	}
	if err := first.Leaf.VerifyHostname("192.168.1.2"); err != nil {
		t.Error(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	if info, err := files[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, files[0].Name()), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := SelfSigned(dir, nil); err == nil || !strings.Contains(err.Error(), "delete the file") {
		t.Errorf("a broken file: %v", err)
	}
}
