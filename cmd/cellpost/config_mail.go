package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"cellpost/ingress/smtpd"
)

// check looks at how the smarthost is to be talked to.
func (m mailConfig) check(s source) error {
	at := func(key, format string, args ...any) error { return s.at("mail_out", 0, key, format, args...) }
	switch {
	case !slices.Contains([]string{"off", "starttls", "implicit"}, m.TLS):
		return at("tls", "tls %q: off, starttls or implicit", m.TLS)
	case strings.ContainsAny(m.ReplyDomain, "@ "):
		return at("reply_domain", "reply_domain %q: write a domain, like sms.example.org", m.ReplyDomain)
	case m.DelayAfter < duration(time.Minute): // a bare number is read as nanoseconds
		return at("delay_after", "delay_after: a minute at least, like \"4h\"")
	case m.CA != "" && m.Insecure:
		return at("ca", "ca and insecure contradict each other: remove one")
	case m.TLS == "off" && m.CA != "":
		return at("ca", "ca is for TLS: set tls to starttls or implicit, or remove it")
	case m.TLS == "off" && m.Insecure:
		return at("insecure", "insecure is for TLS: set tls to starttls or implicit, or remove it")
	case m.Password != "" && m.PasswordFile != "":
		return at("password", "password and password_file: remove one")
	case (m.User == "") != (m.Password == "" && m.PasswordFile == ""):
		return at("user", "user goes with password or password_file: set both, or neither")
	}
	return nil
}

// mailer is what sends mail as the configuration says.
func (m mailConfig) mailer() (*smtpd.Mailer, error) {
	out := &smtpd.Mailer{
		Smarthost: m.Smarthost, From: m.From, ReplyDomain: m.ReplyDomain, Implicit: m.TLS == "implicit",
		User: m.User, Password: m.Password, PasswordFile: m.PasswordFile,
	}
	if m.TLS == "off" {
		return out, nil
	}
	out.TLS = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: m.Insecure}
	if m.CA == "" {
		return out, nil
	}
	text, err := os.ReadFile(m.CA)
	if err != nil {
		return nil, fmt.Errorf("mail_out: ca: %w", err)
	}
	out.TLS.RootCAs = x509.NewCertPool()
	if !out.TLS.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("mail_out: ca: %s has no PEM certificate", m.CA)
	}
	return out, nil
}
