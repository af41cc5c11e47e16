package main

import (
	"crypto/tls"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"time"

	"cellpost/ingress/smtpd"
)

// smtpConfig is a listener for mail.
type smtpConfig struct {
	Listen      string    `toml:"listen"` // host:port
	TLS         string    `toml:"tls"`    // off, starttls or implicit
	Cert        string    `toml:"cert"`   // PEM files; without them a certificate is made
	Key         string    `toml:"key"`
	RequireAuth bool      `toml:"require_auth"`     // mail only after AUTH
	ClearAuth   *bool     `toml:"auth_without_tls"` // AUTH before TLS, or without; default: only where tls is off
	Networks    []network `toml:"networks"`         // clients; none: loopback only
	Domains     []string  `toml:"domains"`          // of recipients; "*" or none: any
	Account     string    `toml:"account"`          // that pays for mail to numbers, if nobody has logged in
	Legacy      bool      `toml:"legacy"`           // old devices are understood

	MaxConnections    int      `toml:"max_connections"`
	MaxPerPeer        int      `toml:"max_connections_per_peer"` // 0: no such limit
	MaxRecipients     int      `toml:"max_recipients"`
	MailsPerMinute    int      `toml:"mails_per_minute"`         // of one address; 0: no limit
	AccountsPerMinute int      `toml:"account_mails_per_minute"` // 0: no limit
	IdleTimeout       duration `toml:"idle_timeout"`
	MailTimeout       duration `toml:"mail_timeout"` // for the transfer of one
}

// fill puts defaults where nothing stands.
func (l *smtpConfig) fill() {
	if l.TLS == "" {
		l.TLS = "off"
	}
	if l.ClearAuth == nil {
		off := l.TLS == "off"
		l.ClearAuth = &off
	}
	if len(l.Networks) == 0 {
		l.Networks = []network{{netip.MustParsePrefix("127.0.0.0/8")}, {netip.MustParsePrefix("::1/128")}}
	}
	if l.MaxConnections == 0 {
		l.MaxConnections = 512
	}
	if l.MaxRecipients == 0 {
		l.MaxRecipients = 100
	}
	if l.IdleTimeout == 0 {
		l.IdleTimeout = duration(5 * time.Minute)
	}
	if l.MailTimeout == 0 {
		l.MailTimeout = duration(10 * time.Minute)
	}
}

func (c *config) checkSMTP(s source) error {
	for i := range c.SMTP {
		l := &c.SMTP[i]
		l.fill()
		switch {
		case !isAddress(l.Listen):
			return s.at("smtp", i, "listen", "listen %q: write host:port, like 127.0.0.1:2525", l.Listen)
		case !slices.Contains([]string{"off", "starttls", "implicit"}, l.TLS):
			return s.at("smtp", i, "tls", "tls %q: off, starttls or implicit", l.TLS)
		case (l.Cert == "") != (l.Key == ""):
			return s.at("smtp", i, "cert", "cert and key go together: name both files, or neither")
		case l.Legacy && l.TLS != "off":
			return s.at("smtp", i, "legacy", "legacy goes with tls = \"off\" alone: devices that know TLS need no listener for old ones")
		case l.RequireAuth && l.TLS == "off" && !*l.ClearAuth:
			return s.at("smtp", i, "auth_without_tls", "nobody can log in here: set auth_without_tls = true, or tls")
		}
		for _, n := range []struct {
			key        string
			value, min int
		}{
			{"max_connections", l.MaxConnections, 1}, {"max_connections_per_peer", l.MaxPerPeer, 0}, {"max_recipients", l.MaxRecipients, 1},
			{"mails_per_minute", l.MailsPerMinute, 0}, {"account_mails_per_minute", l.AccountsPerMinute, 0},
		} {
			if n.value < n.min || n.value > math.MaxInt32 {
				return s.at("smtp", i, n.key, "%s: %d or more", n.key, n.min)
			}
		}
		for key, d := range map[string]duration{"idle_timeout": l.IdleTimeout, "mail_timeout": l.MailTimeout} {
			if d < duration(time.Second) { // a bare number is read as nanoseconds
				return s.at("smtp", i, key, "%s: at least 1s, written with its unit: \"5m\"", key)
			}
		}
	}
	return nil
}

func (d *daemon) mailDoor(c smtpConfig) (*smtpd.Server, error) {
	s := &smtpd.Server{
		Gate: d.gate, Implicit: c.TLS == "implicit", RequireAuth: c.RequireAuth, AuthWithoutTLS: c.ClearAuth,
		Networks: prefixes(c.Networks), Domains: c.Domains, Account: c.Account, Legacy: c.Legacy,
		MaxConns: c.MaxConnections, MaxPerPeer: c.MaxPerPeer, MaxRecipients: c.MaxRecipients,
		PeerMails: c.MailsPerMinute, AccountMails: c.AccountsPerMinute,
		IdleTimeout: time.Duration(c.IdleTimeout), MailTimeout: time.Duration(c.MailTimeout), Log: d.log,
		Operator: d.config.MailOut.Operator, TextEnds: d.config.MailIn.TextEnds, DelayAfter: time.Duration(d.config.MailOut.DelayAfter), Health: d.health, Reply: d.reply,
	}
	s.Hostname, _ = os.Hostname()
	if c.TLS == "off" {
		return s, nil
	}
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if c.Cert != "" {
		var given *smtpd.Certificate
		given, err = smtpd.NewCertificate(c.Cert, c.Key, d.log)
		s.TLS.GetCertificate = given.Get
	} else {
		var made tls.Certificate
		made, err = smtpd.SelfSigned(d.config.DataDir, hosts(c.Listen, s.Hostname))
		s.TLS.Certificates = []tls.Certificate{made}
	}
	if err != nil {
		return nil, fmt.Errorf("certificate for %s: %w", c.Listen, err)
	}
	return s, nil
}
