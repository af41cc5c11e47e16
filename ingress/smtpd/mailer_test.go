package smtpd

import (
	"context"
	"errors"
	"io"
	"net"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"cellpost/ingress/mail"
	"cellpost/sms"
)

// sink is a smarthost that keeps what it takes.
type sink struct {
	from, to string
	content  string
	rcptErr  error
	dataErr  error
}

func (s *sink) Reset()        {}
func (s *sink) Logout() error { return nil }

func (s *sink) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *sink) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return s.rcptErr
}

func (s *sink) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	s.content = string(content)
	return errors.Join(err, s.dataErr)
}

// listen starts the smarthost.
func (s *sink) listen(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return s, nil }))
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return l.Addr().String()
}

var testEvent = sms.Event{
	ID: 42, Door: Door, To: "anna@site.lan", Subject: "SMS: 1 accepted", Ref: "<1@site.lan>",
	Text:    "ID: 01000000000000000000000000000000 To: 448311234567\r\n\r\n1 line ignored:\r\n  Grüße\r\n.\r\n",
	Created: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
}

func TestNotify(t *testing.T) {
	var s sink
	m := Mailer{Smarthost: s.listen(t), From: "sms@cellpost.local"}
	if err := m.Notify(t.Context(), testEvent); err != nil {
		t.Fatal(err)
	}
	if s.from != "" || s.to != "anna@site.lan" {
		t.Errorf("from %q to %q, want the null reverse path", s.from, s.to)
	}
	msg, err := netmail.ReadMessage(strings.NewReader(s.content))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"From": "<sms@cellpost.local>", "To": "<anna@site.lan>", "Subject": "SMS: 1 accepted",
		"In-Reply-To": "<1@site.lan>", "References": "<1@site.lan>", "Auto-Submitted": "auto-replied",
		"Date": "Sun, 01 Mar 2026 12:00:00 +0000", "Message-Id": "<event.42.1772366400000@cellpost.local>",
		"Content-Type": "text/plain; charset=utf-8", "Mime-Version": "1.0",
	} {
		if got := msg.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(s.content, "\r\n\r\nID: 01000000000000000000000000000000 To: 448311234567\r\n") {
		t.Errorf("a program that looks for the ID does not find it:\n%s", s.content)
	}
	if got, err := mail.Parse([]byte(s.content)); err != nil || got.Text != testEvent.Text || !got.Automatic {
		t.Errorf("%+v, %v", got, err)
	}
}

// What was asked for cannot break out of its header field.
func TestNotifyInjection(t *testing.T) {
	var s sink
	m := Mailer{Smarthost: s.listen(t), From: "sms@cellpost.local"}
	e := testEvent
	e.Ref, e.Subject = "<a@b>\r\nBcc: c@d", "x\r\nBcc: c@d"
	if err := m.Notify(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if msg, err := netmail.ReadMessage(strings.NewReader(s.content)); err != nil || msg.Header.Get("Bcc") != "" || msg.Header.Get("In-Reply-To") != "" {
		t.Errorf("%v\n%s", err, s.content)
	}
}

func TestNotifyErrors(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	unknown := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	later := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later"}
	tests := []struct {
		name  string
		host  string
		to    string
		final bool
	}{
		{"refused address", (&sink{rcptErr: unknown}).listen(t), "anna@site.lan", true},
		{"address for later", (&sink{rcptErr: later}).listen(t), "anna@site.lan", false},
		{"refused mail", (&sink{dataErr: io.ErrShortWrite}).listen(t), "anna@site.lan", true}, // go-smtp makes 554 of it
		{"no smarthost", "", "anna@site.lan", true},
		{"no address", (&sink{}).listen(t), "anna", true},
		{"two addresses", (&sink{}).listen(t), "a@b, c@d", true},
		{"smarthost away", nobody.Addr().String(), "anna@site.lan", false},
		{"smarthost does not want us", greeter(t, "554 go away\r\n"), "anna@site.lan", false},
		{"smarthost hangs up", greeter(t, ""), "anna@site.lan", false},
	}
	for _, tt := range tests {
		e := testEvent
		e.To = tt.to
		err := (&Mailer{Smarthost: tt.host, From: "sms@cellpost.local"}).Notify(t.Context(), e)
		if _, final := errors.AsType[*sms.Undeliverable](err); err == nil || final != tt.final {
			t.Errorf("%s: %v, want final %v", tt.name, err, tt.final)
		}
	}
}

// greeter is a smarthost that says one thing and hangs up.
func greeter(t *testing.T, words string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, words)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// A smarthost that says nothing, or stops reading in the middle of a mail, does
// not keep the news of others waiting for ever.
func TestNotifyHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts: the kernel does
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m := Mailer{Smarthost: l.Addr().String(), From: "sms@cellpost.local", Timeout: 20 * time.Millisecond}
	if err := m.Notify(t.Context(), testEvent); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the deadline", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m.Timeout = time.Hour
	done := make(chan error, 1)
	go func() { done <- m.Notify(ctx, testEvent) }()
	c, err := l.Accept() // the first, of the first Notify
	if err == nil {
		c.Close()
		c, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was cancelled", err)
	}
}
