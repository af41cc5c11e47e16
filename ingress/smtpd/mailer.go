package smtpd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"cellpost/ingress/mail"
	"cellpost/sms"
)

// Door is the name under which events wait for a [Mailer].
const Door = "mail"

// Mailer delivers events as mail, through one smarthost. Its fields are not
// changed after the first Notify.
type Mailer struct {
	Smarthost string        // host:port; empty: mail is kept, not sent
	From      string        // address in the From field: "sms@cellpost.local"
	Hostname  string        // for EHLO; empty: the domain of From
	Timeout   time.Duration // for one mail; 0: 2 minutes
}

// Notify sends an event. An [sms.Undeliverable] error says that this mail will
// never be taken: the address is wrong, or the smarthost refused the address or
// the mail with a 5xx. A smarthost that is away, or does not want to talk to us
// at all, is a temporary error. The reverse path is null, so that a mail which
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
	client := smtp.NewClient(conn)
	defer client.Close()
	err = send(client, orDefault(m.Hostname, m.domain()), to.Address, content)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("hand a mail to the smarthost: %w", ctx.Err())
	}
	return err
}

// send hands over one mail.
func send(client *smtp.Client, hostname, to string, content []byte) error {
	if err := client.Hello(hostname); err != nil {
		return fmt.Errorf("greet the smarthost: %w", err)
	}
	if err := client.SendMail("", []string{to}, bytes.NewReader(content)); err != nil {
		if e, ok := errors.AsType[*smtp.SMTPError](err); ok && !e.Temporary() {
			return &sms.Undeliverable{Reason: fmt.Sprintf("the smarthost answered %d %s", e.Code, e.Message)}
		}
		return fmt.Errorf("hand a mail to the smarthost: %w", err)
	}
	// The mail is taken; how the connection ends changes nothing.
	_ = client.Quit()
	return nil
}

// compose writes the mail of an event. Its Message-ID is always the same for
// one event: who gets it twice can tell.
func (m *Mailer) compose(e sms.Event, to string) ([]byte, error) {
	var b bytes.Buffer
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	field("From", (&netmail.Address{Address: m.From}).String())
	field("To", (&netmail.Address{Address: to}).String())
	field("Subject", mime.QEncoding.Encode("utf-8", e.Subject))
	field("Date", e.Created.Format(time.RFC1123Z))
	field("Message-ID", fmt.Sprintf("<event.%d.%d@%s>", e.ID, e.Created.UnixMilli(), m.domain()))
	if ref := mail.MessageID(e.Ref); ref != "" {
		field("In-Reply-To", ref)
		field("References", ref)
	}
	field("Auto-Submitted", "auto-replied")
	field("MIME-Version", "1.0")
	field("Content-Type", "text/plain; charset=utf-8")
	if plain(e.Text) { // programs read it, and some do not decode
		field("Content-Transfer-Encoding", "7bit")
		b.WriteString("\r\n" + e.Text)
		return b.Bytes(), nil
	}
	field("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	if _, err := w.Write([]byte(e.Text)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// lineMost is how long a line of mail may be, in octets. RFC 5322, 2.1.1.
const lineMost = 998

// plain reports whether a text can stand in a mail as it is: ASCII in lines of
// CRLF that are not too long. RFC 2045, 2.7.
func plain(text string) bool {
	for line := range strings.SplitSeq(text, "\r\n") {
		if len(line) > lineMost || strings.ContainsFunc(line, func(r rune) bool { return r > '~' || r < ' ' && r != '\t' }) {
			return false
		}
	}
	return true
}

func (m *Mailer) domain() string {
	_, domain, ok := strings.Cut(m.From, "@")
	if !ok {
		return "localhost"
	}
	return domain
}
