package smtpd

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"image"
	"image/png"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"cellpost/ingress/mail"
	"cellpost/pdu"
	"cellpost/sms"
)

// plainServer knows anna, whose mail comes from loopback, and bert, who has to log in.
func plainServer(t *testing.T, change func(*sms.Account)) (*Server, *stored) {
	t.Helper()
	gate, stored := testGate(t)
	anna := sms.Account{
		Name: "anna", APIID: 7, Unlimited: true, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Settings: sms.Settings{Senders: []string{"@site.lan"}},
	}
	if change != nil {
		change(&anna)
	}
	gate.CountryPrefix = "44"
	gate.Rules = &sms.Rules{Resend: true, SIMs: []string{"a"}, Routes: []sms.Route{
		{Prefix: "44", Tiers: [][]string{{"a"}}, Price: sms.Credit}, {Prefix: "48", Tiers: [][]string{{"a"}}, Price: sms.Credit},
	}}
	known := gate.Accounts
	gate.Accounts = func(ctx context.Context, name string) (sms.Account, error) {
		if name == "anna" {
			a, err := known(ctx, name)
			anna.PasswordHash = a.PasswordHash
			return anna, err
		}
		return known(ctx, name)
	}
	gate.Senders = func(context.Context) ([]sms.Account, error) { return []sms.Account{anna}, nil }
	return &Server{
		Gate: gate, Hostname: "gw",
		Reply: func(_ context.Context, token string) (Reply, error) {
			if token != "good" {
				return Reply{}, ErrNoReply
			}
			return Reply{Account: "anna", To: "447700900123", SIM: "a"}, nil
		},
		Health: func(context.Context) (string, error) { return "all is well", nil },
	}, stored
}

// rcpt begins a mail.
func (p *peer) rcpt(from string, to ...string) (codes []int) {
	p.t.Helper()
	p.write("EHLO test\r\nMAIL FROM:<" + from + ">\r\n")
	p.expect(250)
	p.expect(250)
	for _, to := range to {
		p.write("RCPT TO:<" + to + ">\r\n")
		code, _, _ := p.text.ReadResponse(0)
		codes = append(codes, code)
	}
	return codes
}

// data sends the rest of it.
func (p *peer) data(mail string) (code int, text string) {
	p.t.Helper()
	p.write("DATA\r\n")
	p.expect(354)
	p.write(mail + "\r\n.\r\n")
	code, text, _ = p.text.ReadResponse(0)
	return code, text
}

// Each recipient is answered by itself.
func TestPlainRecipients(t *testing.T) {
	server, _ := plainServer(t, nil)
	tests := []struct {
		from, to string
		want     int
		text     string
	}{
		{"ups@site.lan", "447700900123@gw", 250, ""},
		{"UPS@Site.LAN", "07700900123.flash.q1@[127.0.0.1]", 250, ""},
		{"ups@site.lan", "4477009@gw", 250, ""},
		{"ups@site.lan", "12@gw", 550, "5.1.3 ERR: 105"},
		{"ups@site.lan", "447700900123.loud@gw", 550, "5.1.3 Not a number"},
		{"ups@site.lan", "33123456789@gw", 550, "5.4.4 ERR: 114"},
		{"ups@site.lan", "bob@gw", 550, "5.1.1 "},
		{"ups@else.lan", "447700900123@gw", 550, "5.7.1 No account"},
		{"", "447700900123@gw", 550, "5.7.1 No account"},
		{"ups@else.lan", "reply+good@gw", 250, ""},
		{"ups@site.lan", "reply+bad@gw", 550, "5.1.1 No such conversation"},
		{"ups@site.lan", "status@gw", 250, ""},
		{"ups@else.lan", "status@gw", 550, "5.7.1 "},
		{"", "postmaster@gw", 250, ""},
		{"", "Postmaster", 250, ""},
		{"", "abuse", 501, ""},
		{"", "abuse@gw", 250, ""},
	}
	addr, _ := serve(t, server)
	for _, tt := range tests {
		p := dial(t, addr)
		p.rcpt(tt.from)
		p.write("RCPT TO:<" + tt.to + ">\r\n")
		code, text, _ := p.text.ReadResponse(0)
		if code != tt.want || !strings.HasPrefix(text, tt.text) {
			t.Errorf("%s to %s: %d %s", tt.from, tt.to, code, text)
		}
	}
	p := dial(t, addr)
	if got := p.rcpt("ups@site.lan", "447700900123@gw", "sms@gw", "bob@gw", "postmaster@gw"); !slices.Equal(got, []int{250, 452, 550, 250}) {
		t.Errorf("a number, a script, a name and a person: %v", got)
	}
}

// RFC 5321, 4.5.1: postmaster needs no domain. What looks the same in a mail is text.
func TestPostmaster(t *testing.T) {
	const line = "RCPT TO:<postmaster>"
	for _, legacy := range []bool{false, true} {
		server, stored := plainServer(t, nil)
		server.Legacy, server.Domains = legacy, []string{"gw"}
		addr, _ := serve(t, server)
		p := dial(t, addr)
		p.write("EHLO test\r\nMAIL FROM:<ups@site.lan>\r\nRcpt To: <POSTMASTER> NOTIFY=NEVER\r\n" + line + "\r\nRCPT TO:<447700900123@gw>\r\nDATA\r\n\r\n" + line + "\r\n" + line + "\r\n.\r\n")
		for _, code := range []int{250, 250, 250, 250, 250, 354, 250} {
			p.expect(code)
		}
		if m, e := stored.counts(); m != 1 || e == 0 || stored.messages[0].Text != line+"\n"+line {
			t.Errorf("legacy %v: %d messages, %d events, %+v", legacy, m, e, stored.messages)
		}
		p.write("MAIL FROM:<ups@site.lan>\r\nRCPT TO:<447700900123@gw>\r\n")
		p.expect(250)
		p.expect(250)
		chunk := "\r\n" + line + "\r\n"
		p.write(fmt.Sprintf("BDAT %d LAST\r\n%s", len(chunk), chunk))
		p.expect(250)
		if m, _ := stored.counts(); m != 2 || stored.messages[1].Text != line {
			t.Errorf("legacy %v, in a chunk: %+v", legacy, stored.messages)
		}
	}
}

// What becomes of mails to numbers.
func TestPlain(t *testing.T) {
	png := "Subject: x\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte("no image"))
	tests := []struct {
		name   string
		change func(*sms.Account)
		from   string // empty: ups@site.lan
		to     []string
		mail   string
		want   string // start of the answer
		text   string
		check  func(sms.Message) bool
		stored int
	}{
		{"text", nil, "", []string{"447700900123@gw"}, "Subject: Pump\r\n\r\nHot.\r\n", "250 2.0.0 OK: ID", "Hot.", nil, 1},
		{"subject", nil, "", []string{"447700900123@gw"}, "Subject: Pump\r\n\r\n", "250", "Pump", nil, 1},
		{"template", func(a *sms.Account) { a.Settings.Template = "{subject}: {body}" }, "", []string{"447700900123@gw"}, "Subject: Pump\r\n\r\nHot.\r\n", "250", "Pump: Hot.", nil, 1},
		{"several", nil, "", []string{"447700900123@gw", "48600100200.q1@gw", "+447700900123@gw"}, "Subject: Pump\r\n\r\nHot.\r\n", "250 2.0.0 OK: ID", "Hot.", nil, 2},
		{"flash, q1, report", nil, "", []string{"447700900123.q1.flash.ack@gw"}, "\r\nHot.\r\n", "250", "Hot.", func(m sms.Message) bool { return m.Priority == 1 && m.Report }, 1},
		{"no report", func(a *sms.Account) { a.Report = true }, "", []string{"447700900123.noack@gw"}, "\r\nHot.\r\n", "250", "Hot.", func(m sms.Message) bool { return !m.Report }, 1},
		{"three parts, whole text kept", nil, "", []string{"447700900123@gw"}, "\r\n" + strings.Repeat("word ", 200), "250", strings.TrimSpace(strings.Repeat("word ", 200)), func(m sms.Message) bool { return len(m.Parts) == 3 }, 1},
		{"one part", func(a *sms.Account) { a.Settings.PlainParts = 1 }, "", []string{"447700900123@gw"}, "\r\n" + strings.Repeat("word ", 200), "250", strings.TrimSpace(strings.Repeat("word ", 200)), func(m sms.Message) bool { return len(m.Parts) == 1 }, 1},
		{"empty", nil, "", []string{"447700900123@gw"}, "X: y\r\n\r\n", "554 5.6.0 ERR: 107", "", nil, 0},
		{"a machine", nil, "", []string{"447700900123@gw"}, "Auto-Submitted: auto-generated\r\n\r\nHot.", "550 5.7.1 ", "", nil, 0},
		{"bulk", nil, "", []string{"447700900123@gw"}, "Precedence: bulk\r\n\r\nHot.", "550 5.7.1 ", "", nil, 0},
		{"a machine that may", func(a *sms.Account) { a.Settings.Automatic = true }, "", []string{"447700900123@gw"}, "Auto-Submitted: auto-generated\r\n\r\nHot.", "250", "Hot.", nil, 1},
		{"reply", nil, "anna@home.lan", []string{"reply+good@gw"}, "Subject: Re: SMS\r\nIn-Reply-To: <1@gw>\r\n\r\nYes.\r\n\r\nOn 2 Mar 2026 gw wrote:\r\n> Come?\r\n", "250", "Yes.", func(m sms.Message) bool { return m.To == "447700900123" && m.OnlySIM == "a" }, 1},
		{"reply of a machine", func(a *sms.Account) { a.Settings.Automatic = true }, "anna@home.lan", []string{"reply+good@gw"}, "Auto-Submitted: auto-replied\r\n\r\nAway.", "550 5.7.1 ", "", nil, 0},
		{"attached, not sent", nil, "", []string{"447700900123@gw"}, png, "250", "x", func(m sms.Message) bool { return strings.Contains(m.Why, "attached: image/png") }, 1},
		{"attached, no image", func(a *sms.Account) { a.Settings.Convert = true }, "", []string{"447700900123@gw"}, png, "554 5.6.0 ERR: 101", "", nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server, stored := plainServer(t, tt.change)
			addr, _ := serve(t, server)
			p := dial(t, addr)
			from := tt.from
			if from == "" {
				from = "ups@site.lan"
			}
			p.rcpt(from, tt.to...)
			code, text := p.data(tt.mail)
			if got := strings.Join([]string{itoa(code), text}, " "); !strings.HasPrefix(got, tt.want) {
				t.Errorf("answer %s", got)
			}
			if n, _ := stored.counts(); n != tt.stored {
				t.Fatalf("%d stored", n)
			}
			for _, m := range stored.messages {
				if m.Text != tt.text || m.Account != "anna" || tt.check != nil && !tt.check(m) {
					t.Errorf("%+v", m)
				}
			}
		})
	}
}

func itoa(n int) string {
	return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
}

// Mail to a person, and to the gateway itself.
func TestLetters(t *testing.T) {
	for _, operator := range []string{"", "ops@site.lan"} {
		server, stored := plainServer(t, nil)
		server.Operator = operator
		addr, _ := serve(t, server)
		p := dial(t, addr)
		p.rcpt("ups@site.lan", "postmaster@gw", "status@gw")
		if code, text := p.data("Message-ID: <1@b>\r\nSubject: Help\r\n\r\nIt is hot."); code != 250 {
			t.Errorf("%d %s", code, text)
		}
		if len(stored.events) != 2 {
			t.Fatalf("%+v", stored.events)
		}
		letter, status := stored.events[0], stored.events[1]
		door, to := Door, operator
		if operator == "" {
			door, to = DoorOperator, "postmaster"
		}
		if letter.Door != door || letter.To != to || !strings.Contains(letter.Text, "From: ups@site.lan\r\n") || !strings.HasSuffix(letter.Text, "It is hot.\r\n") {
			t.Errorf("%+v", letter)
		}
		if status.To != "ups@site.lan" || status.Text != "all is well" || status.Ref != "<1@b>" {
			t.Errorf("%+v", status)
		}
		p = dial(t, addr)
		p.rcpt("ups@site.lan", "status@gw")
		if code, text := p.data("Auto-Submitted: auto-replied\r\n\r\nx"); code != 550 {
			t.Errorf("an automatic mail to status@: %d %s", code, text)
		}
	}
}

// Who writes to a person again and again is told to wait.
func TestLettersLimit(t *testing.T) {
	server, stored := plainServer(t, nil)
	addr, _ := serve(t, server)
	p := dial(t, addr)
	for i := range letterBurst + 1 {
		p.rcpt("", "abuse@gw")
		code, text := p.data("\r\nx")
		if want := 250 + 201*(i/letterBurst); code != want {
			t.Errorf("mail %d: %d %s, want %d", i, code, text, want)
		}
	}
	if _, n := stored.counts(); n != letterBurst {
		t.Errorf("%d kept", n)
	}
}

// A script with an object that is a file: the first that is of its kind.
func TestScriptAttached(t *testing.T) {
	file := func(kind, name, content string) string {
		return "--b\r\nContent-Type: " + kind + "\r\nContent-Disposition: attachment; filename=" + name + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			base64.StdEncoding.EncodeToString([]byte(content)) + "\r\n"
	}
	var dots bytes.Buffer
	if err := png.Encode(&dots, image.NewGray(image.Rect(0, 0, 72, 28))); err != nil {
		t.Fatal(err)
	}
	picture := file("image/png", "a.png", dots.String())
	card := file("text/vcard", "a.vcf", "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Anna\r\nN:;Anna;;;\r\nTEL:+447700900123\r\nEND:VCARD\r\n")
	date := file("text/calendar", "a.ics", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nSUMMARY:Pump\r\nDTSTART:20300301T133000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
	tune := file("application/octet-stream", "a.rtttl", "tune:d=4,o=5,b=120:c,d,e")
	for _, tt := range []struct {
		script, files string
		want          string // start of the text, or of the answer
		first         string // octets of the first part behind its header, in hexadecimal digits
	}{
		{"msg_type:SMS_NOKIA_OLOGO", picture, "operator logo, 72 x 14 dots", "ffffff00480e01"},
		{"msg_type:SMS_NOKIA_GLOGO", picture, "logo of a caller group, 72 x 14 dots", "00480e01"},
		{"msg_type:SMS_NOKIA_PICTURE", picture, "picture message, 72 x 28 dots", "3002010000481c01"},
		{"msg_type:SMS_NOKIA_RTTL", tune, `ringtone "tune"`, "024a3a"},
		{"msg_type:SMS_NOKIA_VCARD", picture + card, "business card", hex.EncodeToString([]byte("BEGIN:VCARD"))},
		{"msg_type:SMS_NOKIA_VCAL", date, "appointment", hex.EncodeToString([]byte("BEGIN:VCALENDAR"))},
		{"msg_type:SMS_NOKIA_RTTL\r\ntext:own:d=4:c", tune, `ringtone "own"`, "024a3a"},
		{"text:Hello", picture, "Hello", ""},
		{"msg_type:SMS_NOKIA_OLOGO", card, "5.6.0 ERR: 101, Invalid or missing parameters (a.vcf: ", ""},
		{"msg_type:SMS_NOKIA_OLOGO", "", "5.6.0 ERR: 107, Empty message", ""},
	} {
		gate, stored := testGate(t)
		addr, _ := serve(t, &Server{Gate: gate})
		p := dial(t, addr)
		p.rcpt("a@site.lan", "sms@gw")
		code, got := p.data("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nuser:anna\r\npassword:secret\r\napi_id:7\r\nto:447700900123\r\n" + tt.script + "\r\n" + tt.files + "--b--")
		if code == 250 {
			got = stored.messages[0].Text
		}
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %d %s", tt.script, code, got)
		}
		if code != 250 || tt.first == "" {
			continue
		}
		submit, _, err := pdu.ParseSubmit(stored.messages[0].Parts[0].TPDU)
		if data := hex.EncodeToString(submit.UserData.Data); err != nil || !strings.HasPrefix(data, tt.first) {
			t.Errorf("%s: %s, %v", tt.script, data, err)
		}
	}
}

// Objects go to the Gate as they are, once for each number.
func TestNewPlainObjects(t *testing.T) {
	m := mail.Message{Subject: "logo", Attached: 2, Attachments: []mail.Attachment{
		{Name: "tune.txt", Type: "text/plain", Data: []byte("T:d=4,o=5,b=120:c,d,e")}, {Name: "a.pdf", Type: "application/pdf", Data: []byte("%PDF")},
	}}
	to := []mail.Address{{Number: "447700900123"}, {Number: "447700900124", Options: mail.Options{Flash: true}}}
	p, err := NewPlain(m, sms.Account{Settings: sms.Settings{Convert: true}}, to, nil)
	if err != nil || len(p.Items) != 2 || p.Items[0].Content == nil || p.Items[0].Text != "" || p.Items[0].Content != p.Items[1].Content {
		t.Fatalf("%+v, %v", p, err)
	}
	if p.Items[0].Params != nil || p.Items[1].Params == nil || !p.Items[1].Params.Flash || p.Note() != "left out: attached: a.pdf" {
		t.Errorf("%+v", p)
	}
	if p, err = NewPlain(m, sms.Account{}, to, nil); err != nil || p.Items[0].Content != nil || p.Items[0].Text != "logo" {
		t.Errorf("an account that does not convert: %+v, %v", p, err)
	}
}
