package test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"cellpost/modem/sim"
)

// parsed is a mail that the smarthost got, with its parts by their media types.
type parsed struct {
	to     string // of the envelope
	header mail.Header
	text   string
	parts  map[string]string
}

// nextMail waits for a mail and takes it apart.
func (w *world) nextMail() parsed {
	w.t.Helper()
	to, raw, _ := strings.Cut(w.mails.next(w.t), "\n")
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		w.t.Fatalf("%v in\n%s", err, raw)
	}
	p := parsed{to: to, header: m.Header, parts: map[string]string{}}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		w.t.Fatalf("%v in\n%s", err, raw)
	}
	if !strings.HasPrefix(kind, "multipart/") {
		body, err := io.ReadAll(m.Body)
		if err != nil {
			w.t.Fatal(err)
		}
		p.text = string(body)
		return p
	}
	for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := parts.NextPart()
		if err == io.EOF {
			return p
		}
		if err != nil {
			w.t.Fatalf("%v in\n%s", err, raw)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			w.t.Fatal(err)
		}
		name, _, _ := strings.Cut(part.Header.Get("Content-Type"), ";")
		p.parts[name] = string(body)
	}
}

// letter sends a mail to one address as a mail program with DSN does.
func (w *world) letter(from, to, body string, o *smtp.RcptOptions) error {
	w.t.Helper()
	c, err := smtp.Dial(w.smtp)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail(from, &smtp.MailOptions{EnvelopeID: "QQ314159", Return: smtp.DSNReturnHeaders}); err != nil {
		return err
	}
	if err := c.Rcpt(to, o); err != nil {
		return err
	}
	data, err := c.Data()
	if err != nil {
		return err
	}
	fmt.Fprintf(data, "From: %s\r\nTo: %s\r\nSubject: Pump 3\r\nMessage-ID: <pump.3@site.lan>\r\n\r\n%s\r\n", from, to, body)
	return data.Close()
}

const anna = "anna@site.lan"

// plainWorld has modems and takes mail to numbers from anna.
func plainWorld(t *testing.T, o sim.Options, n sim.NetworkOptions) *world {
	w := newWorld(t, setting{modems: 1, options: o, network: n})
	w.cellpost("account", "set", "acme", "--sender", anna, "--network", "127.0.0.0/8")
	return w
}

// TestReported: who mails to a number hears in the terms of his mail program what
// became of it, as he has asked.
func TestReported(t *testing.T) {
	t.Parallel()
	w := plainWorld(t, sim.Options{}, sim.NetworkOptions{ReportDelay: 100 * time.Millisecond})
	w.start()
	for _, tt := range []struct {
		to     string
		notify []smtp.DSNNotify
		want   []string // lines of the report
	}{
		{"+448311234567@gw.lan", []smtp.DSNNotify{smtp.DSNNotifySuccess, smtp.DSNNotifyFailure}, []string{
			"Original-Envelope-Id: QQ314159", "Final-Recipient: rfc822; +448311234567@gw.lan", "Original-Recipient: rfc822; anna@phones.lan",
			"Action: delivered", "Status: 2.1.5",
		}},
		{"9990000101@gw.lan", nil, []string{"Action: failed", "Status: 5.", "Diagnostic-Code: x-sms; "}},
	} {
		o := &smtp.RcptOptions{Notify: tt.notify, OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: "anna@phones.lan"}
		if err := w.letter(anna, tt.to, "Pump 3 stands still", o); err != nil {
			t.Fatal(err)
		}
		m := w.nextMail()
		status := m.parts["message/delivery-status"]
		for _, line := range tt.want {
			if !strings.Contains("\r\n"+status, "\r\n"+line) {
				t.Errorf("%s: no %q in\n%s", tt.to, line, status)
			}
		}
		if m.to != anna || m.header.Get("Auto-Submitted") != "auto-generated" || !strings.HasPrefix(m.header.Get("Content-Type"), "multipart/report; ") ||
			!strings.Contains(m.parts["text/rfc822-headers"], "Message-ID: <pump.3@site.lan>\r\n") || strings.Contains(m.parts["text/rfc822-headers"], "stands") {
			t.Errorf("%s: %+v", tt.to, m)
		}
	}
	// Nobody hears of what he has not asked for: the next mail is of the one after.
	for to, notify := range map[string][]smtp.DSNNotify{"448311234568@gw.lan": nil, "9990000102@gw.lan": {smtp.DSNNotifyNever}} {
		if err := w.letter(anna, to, "Pump 4", &smtp.RcptOptions{Notify: notify}); err != nil {
			t.Fatal(err)
		}
	}
	w.settle(4, func(m message) bool { return m.State == "delivered" || m.State == "failed" })
	if err := w.letter(anna, "448311234569@gw.lan", "Pump 5", &smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifySuccess}}); err != nil {
		t.Fatal(err)
	}
	if m := w.nextMail(); !strings.Contains(m.parts["message/delivery-status"], "448311234569@gw.lan") {
		t.Errorf("%+v", m)
	}
}

// TestConversation: what a handset sends comes as mail to who wrote to it last, and
// an answer to that mail reaches the handset.
func TestConversation(t *testing.T) {
	t.Parallel()
	w := plainWorld(t, sim.Options{MSISDN: "447700900001"}, sim.NetworkOptions{})
	w.start()
	if err := w.letter(anna, "+447700900123@gw.lan", "Pump 3 stands still", nil); err != nil {
		t.Fatal(err)
	}
	w.took(1)
	if err := w.network.Send("447700900001", "447700900123", "On my way"); err != nil {
		t.Fatal(err)
	}
	m := w.nextMail()
	reply := strings.Trim(m.header.Get("Reply-To"), "<>")
	if m.to != anna || m.header.Get("Subject") != "SMS from +447700900123" || !strings.HasPrefix(m.text, "On my way\r\n") || !strings.HasPrefix(reply, "reply+") {
		t.Fatalf("%+v", m)
	}
	answer := "Take the spare key.\r\n\r\nOn Monday +447700900123 wrote:\r\n> On my way"
	if err := w.letter("bob@site.lan", "reply+nonsense"+reply[strings.IndexByte(reply, '@'):], answer, nil); err == nil {
		t.Error("an address that nobody has is taken")
	}
	if err := w.letter("bob@site.lan", reply, answer, nil); err != nil {
		t.Fatal(err)
	}
	w.took(2)
	sent := w.network.Screens()
	if len(sent) != 2 || sent[1].To != "447700900123" || sent[1].Text != "Take the spare key." {
		t.Errorf("the handset shows %+v", sent)
	}
	if list := w.list(); len(list) != 2 || list[0].Account != "acme" {
		t.Errorf("%+v", list)
	}
}

// TestRetriedMail: a mail that was given up, since no smarthost was named, is sent
// when the operator says so, once there is one.
func TestRetriedMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{})
	whole, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	without := strings.Replace(string(whole), fmt.Sprintf("smarthost = %q\n", w.mails.address), "", 1)
	if err := os.WriteFile(w.config, []byte(without), 0o600); err != nil {
		t.Fatal(err)
	}
	g := w.start()
	w.mustMail("to:448311234567", "text:x", "reply:"+anna)
	if !await(patience, func() bool { return strings.Contains(w.cellpost("replies"), ": dead ") }) {
		t.Fatalf("the answer is not given up:\n%s", w.cellpost("replies"))
	}
	g.stop(t)
	if err := os.WriteFile(w.config, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.says(w.cellpostFails("replies", "retry", "99", "1"), "1 is tried now", "99: no such event")
	if m := w.nextMail(); m.to != anna || !strings.HasPrefix(m.text, "ID: ") {
		t.Errorf("%+v", m)
	}
}
