package smtpd

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"cellpost/ingress"
	"cellpost/sms"
)

// A report is of the type that mail programs know: RFC 6522, 3; RFC 3464, 2.
func TestNotifyReport(t *testing.T) {
	var s sink
	m := Mailer{Smarthost: s.listen(t), From: "sms@cellpost.local", Hostname: "gw.site.lan"}
	e := testEvent
	e.Generated, e.Text = true, "It failed.\r\n"
	e.Parts = []sms.EventPart{
		{Type: "message/delivery-status", Data: []byte("\r\nFinal-Recipient: x-sms; 1\r\nAction: failed\r\n")},
		{Type: "text/rfc822-headers", Data: []byte("Subject: x\r\n")},
	}
	if err := m.Notify(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	got := parts(t, s.content, "multipart/report")
	want := []string{"It failed.\r\n", "Reporting-MTA: dns; gw.site.lan\r\n\r\nFinal-Recipient: x-sms; 1\r\nAction: failed\r\n", "Subject: x\r\n"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if !strings.Contains(s.content, "Auto-Submitted: auto-generated\r\n") || strings.Contains(s.content, "In-Reply-To") {
		t.Errorf("it is an answer:\n%s", s.content)
	}
}

// What is attached comes out as it was, and so does its name.
func TestNotifyAttachment(t *testing.T) {
	var s sink
	m := Mailer{Smarthost: s.listen(t), From: "sms@cellpost.local", ReplyDomain: "gw.site.lan"}
	e := testEvent
	table := strings.Repeat("id,to,Grüße\r\n", 1000)
	e.ReplyTo = "reply+token"
	e.Parts = []sms.EventPart{{Type: "text/csv; charset=utf-8", Name: "Übersicht.csv", Data: []byte(table)}}
	if err := m.Notify(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if got := parts(t, s.content, "multipart/mixed"); len(got) != 2 || got[1] != table {
		t.Errorf("%d parts: %.300q", len(got), got)
	}
	for _, want := range []string{"filename*=utf-8''%C3%9Cbersicht.csv", "Reply-To: <reply+token@gw.site.lan>\r\n"} {
		if !strings.Contains(s.content, want) {
			t.Errorf("no %s in\n%.1500s", want, s.content)
		}
	}
}

// parts takes a mail apart.
func parts(t *testing.T, content, kind string) (list []string) {
	t.Helper()
	msg, err := netmail.ReadMessage(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	got, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || got != kind {
		t.Fatalf("it is %s, %v", got, err)
	}
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(p)
		if err == nil {
			text, err = decoded(p.Header.Get("Content-Transfer-Encoding"), text)
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(text))
	}
}

// guarded is a smarthost that wants a login under TLS.
type guarded struct {
	*sink
	mechanisms []string
	user       string
}

func (g *guarded) AuthMechanisms() []string { return g.mechanisms }

func (g *guarded) Auth(mechanism string) (sasl.Server, error) {
	login := func(user, password string) error {
		if g.user = user; password != "secret" {
			return smtp.ErrAuthFailed
		}
		return nil
	}
	if mechanism == sasl.Login {
		return &loginServer{login: login}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return login(user, password) }), nil
}

func TestNotifyTLS(t *testing.T) {
	cert, err := SelfSigned(t.TempDir(), []string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	trusted := &tls.Config{RootCAs: roots}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name       string
		mechanisms []string
		mailer     Mailer
		ok         bool
	}{
		{"STARTTLS, PLAIN", []string{sasl.Plain, sasl.Login}, Mailer{TLS: trusted, User: "gw", Password: "secret"}, true},
		{"STARTTLS, LOGIN", []string{sasl.Login}, Mailer{TLS: trusted, User: "gw", PasswordFile: file}, true},
		{"implicit", []string{sasl.Plain}, Mailer{TLS: trusted, Implicit: true, User: "gw", Password: "secret"}, true},
		{"not checked", []string{sasl.Plain}, Mailer{TLS: &tls.Config{InsecureSkipVerify: true}}, true},
		{"wrong password", []string{sasl.Plain}, Mailer{TLS: trusted, User: "gw", Password: "no"}, false},
		{"not trusted", []string{sasl.Plain}, Mailer{TLS: &tls.Config{}}, false},
		{"login in clear", []string{sasl.Plain}, Mailer{User: "gw", Password: "secret"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := &guarded{sink: &sink{}, mechanisms: tt.mechanisms}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			m := tt.mailer
			m.Smarthost, m.From = l.Addr().String(), "sms@cellpost.local"
			srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return g, nil }))
			srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
			if m.Implicit {
				l = tls.NewListener(l, srv.TLSConfig)
			}
			done := make(chan error, 1)
			go func() { done <- srv.Serve(l) }()
			err = m.Notify(t.Context(), testEvent)
			srv.Close()
			<-done
			if _, final := errors.AsType[*sms.Undeliverable](err); final || (err == nil) != tt.ok || (g.content != "") != tt.ok {
				t.Errorf("%v, %d octets taken; want ok %v, and no mail is given up", err, len(g.content), tt.ok)
			}
			if tt.ok && m.User != g.user {
				t.Errorf("logged in as %q", g.user)
			}
		})
	}
}

// An address beyond ASCII needs a smarthost that takes it.
func TestNotifyUTF8(t *testing.T) {
	e := testEvent
	e.To = "grüße@site.lan"
	for _, able := range []bool{true, false} {
		var s sink
		m := Mailer{Smarthost: s.listenUTF8(t, able), From: "sms@cellpost.local"}
		err := m.Notify(t.Context(), e)
		if _, final := errors.AsType[*sms.Undeliverable](err); final == able || able && s.to != e.To {
			t.Errorf("able %v: %v, to %q", able, err, s.to)
		}
	}
}

func (s *sink) listenUTF8(t *testing.T, able bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return s, nil }))
	srv.EnableSMTPUTF8 = able
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return l.Addr().String()
}

// Who hears of a mail to numbers.
func TestLetterAudience(t *testing.T) {
	r := ingress.Receipt{Results: []ingress.Result{{ID: sms.ID{1}}, {Refusal: ingress.Refuse(ingress.CodeRoute, "")}, {ID: sms.ID{3}}}}
	to := func(notify ...smtp.DSNNotify) []Notify {
		o := &smtp.RcptOptions{Notify: notify, OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: "x@y"}
		return []Notify{{"1@gw", 0, o}, {"2@gw", 1, o}, {"3@gw", 2, o}}
	}
	all := sms.Notify{Success: true, Failure: true}
	tests := []struct {
		name     string
		settings sms.Settings
		letter   Letter
		forms    []sms.Form
		notify   sms.Notify // of the last
	}{
		{"default", sms.Settings{}, Letter{From: "a@b", To: to()}, []sms.Form{sms.InboundOnly, sms.PerDSN, sms.PerDSN}, sms.Notify{Failure: true, Delay: sms.DelayDefault}},
		{"delay", sms.Settings{}, Letter{From: "a@b", To: to(smtp.DSNNotifyDelayed), DelayAfter: time.Hour}, []sms.Form{sms.InboundOnly, sms.PerDSN, sms.PerDSN}, sms.Notify{Delay: time.Hour}},
		{"never", sms.Settings{}, Letter{From: "a@b", To: to(smtp.DSNNotifyNever)}, []sms.Form{sms.InboundOnly}, sms.Notify{}},
		{"success", sms.Settings{}, Letter{From: "a@b", To: to(smtp.DSNNotifySuccess)}, []sms.Form{sms.InboundOnly, sms.PerDSN, sms.PerDSN}, sms.Notify{Success: true}},
		{"null path", sms.Settings{}, Letter{To: to(smtp.DSNNotifySuccess)}, nil, sms.Notify{}},
		{"automatic", sms.Settings{Reports: "dsn"}, Letter{From: "a@b", Automatic: true, To: to()}, nil, sms.Notify{}},
		{"automatic, to others", sms.Settings{Reports: "dsn", ReportsTo: []string{"o@b"}}, Letter{From: "a@b", Automatic: true, To: to()}, []sms.Form{sms.PerDSN}, all},
		{"dsn", sms.Settings{Reports: "dsn"}, Letter{From: "a@b", To: to()}, []sms.Form{sms.InboundOnly, sms.PerDSN, sms.PerDSN}, sms.Notify{Success: true, Failure: true, Delay: sms.DelayDefault}},
		{"dsn, to others", sms.Settings{Reports: "dsn", ReportsTo: []string{"o@b"}}, Letter{From: "a@b", To: to()},
			[]sms.Form{sms.InboundOnly, sms.PerDSN, sms.PerDSN, sms.PerDSN}, sms.Notify{Failure: true, Delay: sms.DelayDefault}},
		{"message", sms.Settings{Reports: "message"}, Letter{From: "a@b", To: to()}, []sms.Form{sms.InboundOnly, sms.PerMessage}, all},
		{"submission, to others", sms.Settings{Reports: "submission", ReportsTo: []string{"o@b"}}, Letter{From: "a@b", To: to()},
			[]sms.Form{sms.InboundOnly, sms.PerSubmission, sms.PerDSN, sms.PerDSN}, sms.Notify{Failure: true, Delay: sms.DelayDefault}},
	}
	for _, tt := range tests {
		got := LetterAudience(sms.Account{Name: "shop", Settings: tt.settings}, tt.letter, r)
		var forms []sms.Form
		for _, a := range got {
			forms = append(forms, a.Form)
		}
		if !slices.Equal(forms, tt.forms) || len(got) > 0 && got[len(got)-1].Notify != tt.notify {
			t.Errorf("%s: %+v, want %v and %v", tt.name, got, tt.forms, tt.notify)
		}
	}
}

// The header that a report returns has whole fields, and an end.
func TestHeader(t *testing.T) {
	long := "X: " + strings.Repeat("a", 900) + "\r\n"
	folded := "Y: b\r\n" + strings.Repeat(" "+strings.Repeat("c", 900)+"\r\n", 3)
	for _, tt := range []struct{ raw, want string }{
		{"A: b\r\n\r\nbody", "A: b\r\n"},
		{"A: b\nC: d\n e\n", "A: b\r\nC: d\r\n e\r\n"},
		{"Subject: ü\r\n", "Subject: U+00FC\r\n"},
		{strings.Repeat(long, 7) + folded + "Z: d\r\n", strings.Repeat(long, 7)},
		{strings.Repeat(long, 20), strings.Repeat(long, 9)},
		{"Subject: " + strings.Repeat("ü", sms.HeaderMost/2-5), ""},
	} {
		if got := string(header([]byte(tt.raw))); got != tt.want {
			t.Errorf("%.40q: %q, want %q", tt.raw, got, tt.want)
		}
	}
}

func decoded(encoding string, text []byte) ([]byte, error) {
	switch encoding {
	case "base64":
		return base64.StdEncoding.DecodeString(strings.ReplaceAll(string(text), "\r\n", ""))
	case "quoted-printable":
		return io.ReadAll(quotedprintable.NewReader(bytes.NewReader(text)))
	}
	return text, nil
}
