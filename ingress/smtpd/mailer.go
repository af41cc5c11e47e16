package smtpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"os"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"cellpost/sms"
)

// Door is the name under which events wait for a [Mailer].
const Door = "mail"

// Mailer delivers events as mail, through one smarthost: it asks no DNS where mail
// goes. Its fields are not changed after the first Notify.
type Mailer struct {
	Smarthost   string        // host:port; empty: mail is kept, not sent
	From        string        // address in the From field: "sms@cellpost.local"
	ReplyDomain string        // of answers to messages from handsets; empty: the domain of From
	Hostname    string        // for EHLO and in reports; empty: the domain of From
	Timeout     time.Duration // for one mail; 0: 2 minutes

	TLS      *tls.Config // of the connection; nil: none
	Implicit bool        // TLS from the first octet (port 465), else STARTTLS
	User     string      // for AUTH; empty: none
	Password string      // with it; unused where PasswordFile is set
	// PasswordFile has the password in its first line. It is read for each mail, so
	// that a new one needs no restart.
	PasswordFile string
}

// Notify sends an event. An [sms.Undeliverable] error says that this mail will
// never be taken: the address is wrong, or the smarthost refused the address or
// the mail with a 5xx. A smarthost that is away, does not want to talk to us
// at all, or refuses our login, is a temporary error. The reverse path is null, so that a mail which
// cannot be delivered comes back to nobody. RFC 3834, 3.3.
func (m *Mailer) Notify(ctx context.Context, e sms.Event) error {
	if m.Smarthost == "" {
		return &sms.Undeliverable{Reason: "no smarthost is configured; set it in mail_out"}
	}
	to, err := netmail.ParseAddress(e.To)
	if err != nil {
		return &sms.Undeliverable{Reason: "the address is not right: " + err.Error()}
	}
	content, err := m.compose(e, to.Address)
	if err != nil {
		return &sms.Undeliverable{Reason: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, orDefault(m.Timeout, 2*time.Minute))
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", m.Smarthost)
	if err != nil {
		return fmt.Errorf("reach the smarthost: %w", err)
	}
	// go-smtp has no deadline for the mail itself; closing ends any wait.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	err = m.deliver(conn, to.Address, content)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("hand a mail to the smarthost: %w", ctx.Err())
	}
	return err
}

// deliver hands over one mail on a new connection.
func (m *Mailer) deliver(conn net.Conn, to string, content []byte) error {
	client, err := m.client(conn)
	if err != nil {
		return fmt.Errorf("agree with the smarthost on TLS: %w", err)
	}
	if err := client.Hello(orDefault(m.Hostname, m.domain())); err != nil {
		return fmt.Errorf("greet the smarthost: %w", err)
	}
	if err := m.authenticate(client); err != nil {
		return fmt.Errorf("log in to the smarthost: %w", err)
	}
	if err := hand(client, to, content); err != nil {
		if e, ok := errors.AsType[*smtp.SMTPError](err); ok && !e.Temporary() {
			return &sms.Undeliverable{Reason: fmt.Sprintf("the smarthost answered %d %s", e.Code, e.Message)}
		}
		return fmt.Errorf("hand a mail to the smarthost: %w", err)
	}
	// The mail is taken; how the connection ends changes nothing.
	_ = client.Quit()
	return nil
}

// client begins the dialogue, under TLS where that is wanted: never without it then.
func (m *Mailer) client(conn net.Conn) (*smtp.Client, error) {
	switch {
	case m.TLS == nil:
		return smtp.NewClient(conn), nil
	case !m.Implicit:
		return smtp.NewClientStartTLS(conn, m.tls())
	}
	sealed := tls.Client(conn, m.tls())
	if err := sealed.Handshake(); err != nil {
		return nil, err
	}
	return smtp.NewClient(sealed), nil
}

// tls is the configuration with the name of the smarthost, unless it has one.
func (m *Mailer) tls() *tls.Config {
	c := m.TLS.Clone()
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(m.Smarthost)
	}
	return c
}

// authenticate logs in by PLAIN, or by LOGIN where the smarthost knows no other.
func (m *Mailer) authenticate(client *smtp.Client) error {
	if m.User == "" {
		return nil
	}
	password := m.Password
	if m.PasswordFile != "" {
		text, err := os.ReadFile(m.PasswordFile)
		if err != nil {
			return err
		}
		password, _, _ = strings.Cut(string(text), "\n")
		password = strings.TrimSuffix(password, "\r")
	}
	switch {
	case client.SupportsAuth(sasl.Plain):
		return client.Auth(sasl.NewPlainClient("", m.User, password))
	case client.SupportsAuth(sasl.Login):
		return client.Auth(sasl.NewLoginClient(m.User, password))
	}
	return errors.New("it offers neither AUTH PLAIN nor AUTH LOGIN (before TLS many do not: set tls in mail_out)")
}

// hand gives the smarthost a mail. An address that is not ASCII needs one which
// knows RFC 6531.
func hand(client *smtp.Client, to string, content []byte) error {
	utf8 := false
	if ascii(to) != to {
		if utf8, _ = client.Extension("SMTPUTF8"); !utf8 {
			return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 6, 7}, Message: "has no SMTPUTF8, which this address needs"}
		}
	}
	if err := client.Mail("", &smtp.MailOptions{UTF8: utf8}); err != nil {
		return err
	}
	if err := client.Rcpt(to, nil); err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := bytes.NewReader(content).WriteTo(w); err != nil {
		return err
	}
	return w.Close()
}

func (m *Mailer) domain() string {
	_, domain, ok := strings.Cut(m.From, "@")
	if !ok {
		return "localhost"
	}
	return domain
}
