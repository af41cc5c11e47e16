package mail

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Mails as programs in the wild write them to a number.
func TestPeople(t *testing.T) {
	quote, original := "a quote", "the mail that it answers"
	tests := []struct {
		file, text string
		cuts       []string
	}{
		{"outlook-reply.eml", "Please restart pump 4, it is at 95 °C.", []string{original}},
		{"outlook-german.eml", "Tür ist zu.", []string{original}},
		{"outlook-html-only.eml", "The key is at the front desk.\n\nMap: here (https://site.lan/map)", nil},
		{"gmail-reply.eml", "Yes, I am on my way 😀", []string{quote}},
		{"apple-inline.eml", "There is a leak.", nil},
		{"thunderbird-flowed.eml", "Ich komme, in einer halben Stunde bin ich da.", []string{"a signature", quote}},
		{"nagios.eml", "***** Nagios *****\n\nNotification Type: PROBLEM\n\nService: Disk\nHost: db1\nAddress: 192.168.1.20\nState: CRITICAL\n\nInfo:\n\n> 95 % used: /var", nil},
		{"ups-card.eml", "UPS: On battery power in response to an input power problem.", nil},
		{"backup-report.eml", "Job Nightly\nState Failed\n\n- vm1: Success\n- vm2: Error", nil},
		{"disclaimer.eml", "Gate 3 is open.", []string{"a disclaimer"}},
		{"forwarded.eml", "---------- Forwarded message ---------\nFrom: Pforte <pforte@site.lan>\nDate: Mon, 2 Mar 2026 08:01\nSubject: Code\nTo: Anna <anna@site.lan>\n\nThe code is 4711.", nil},
		{"french.eml", "Oui, à midi.", []string{quote}},
	}
	for _, tt := range tests {
		m, err := Parse(readMail(t, filepath.Join("people", tt.file)))
		if err != nil && !errors.Is(err, ErrNoText) {
			t.Errorf("%s: %v", tt.file, err)
			continue
		}
		text, cuts := Text(m, Terms{Ends: []string{"this e-mail is confidential"}})
		if text != tt.text || !slices.Equal(cuts, tt.cuts) {
			t.Errorf("%s: %q, %q", tt.file, text, cuts)
		}
	}
	if all, err := filepath.Glob("testdata/people/*.eml"); err != nil || len(all) != len(tests) {
		t.Errorf("%d files, %d tests", len(all), len(tests))
	}
}

func TestText(t *testing.T) {
	m := Message{From: "anna@site.lan", Subject: "Pump", Text: "Hot.\r\n\r\n\r\n\r\nVery.\r\n"}
	tests := []struct {
		name string
		m    Message
		t    Terms
		want string
	}{
		{"body", m, Terms{}, "Hot.\n\nVery."},
		{"subject", Message{Subject: "Pump", Text: " \r\n"}, Terms{}, "Pump"},
		{"template", m, Terms{Template: "{from}: {subject}: {body}"}, "anna@site.lan: Pump: Hot.\n\nVery."},
		{"template in a text", Message{Subject: "{body}", Text: "x"}, Terms{Template: "{subject} {body}"}, "{body} x"},
		{"template for nothing", Message{From: "a@b", Text: "\r\n"}, Terms{Template: "{subject}: {body} / {from}"}, ""},
		{"template that asks for nothing", Message{From: "a@b"}, Terms{Template: "alarm of {from}"}, "alarm of a@b"},
		{"unseen", Message{Text: "\ufeffA\u00a0b\tc\u200bd\x07e\u2028f\u2009g\r\n"}, Terms{}, "A b cde\nf g"},
		{"seen", Message{Text: "👨\u200d👩 “x”\u3000é"}, Terms{}, "👨\u200d👩 “x”\u3000é"},
		{"signature alone", Message{Subject: "Pump", Text: "-- \r\nAnna"}, Terms{}, "Pump"},
		{"quote alone", Message{Subject: "Yes", Text: "> Come?\n", Answers: true}, Terms{}, "Yes"},
		{"greater than", Message{Text: "> 5 V\n"}, Terms{}, "> 5 V"},
		{"between quotes", Message{Text: "> a\nyes\n> b\nno\n", Answers: true}, Terms{}, "yes\nno"},
		{"empty end", Message{Text: "a\nb"}, Terms{Ends: []string{""}}, "a\nb"},
		{"not an attribution", Message{Text: "On the 2nd floor:\nfire"}, Terms{}, "On the 2nd floor:\nfire"},
	}
	for _, tt := range tests {
		if got, _ := Text(tt.m, tt.t); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for _, line := range []string{
		"On Mon, Mar 2, 2026 at 8:01 AM A <a@b> wrote:", "Am 02.03.26 um 08:01 schrieb A:", "Le 2 mars 2026 à 08:01, A a écrit :",
		"El lun, 2 mar 2026 a las 8:01, A (<a@b>) escribió:", "Il giorno lun 2 mar 2026 alle ore 08:01 A ha scritto:",
		"W dniu 2.03.2026 o 08:01, A pisze:", "pon., 2 mar 2026 o 08:01 A <a@b> napisał(a):", "Op ma 2 mrt 2026 om 08:01 schreef A:",
		"Em seg., 2 de mar. de 2026 às 08:01, A escreveu:", "Den 2026-03-02 kl. 08:01, skrev A:", "2 марта 2026 г. 08:01 пользователь A написал:",
	} {
		if got, _ := Text(Message{Text: "yes\n\n" + line + "\n> no\n"}, Terms{}); got != "yes" {
			t.Errorf("%s: %q", line, got)
		}
	}
	for _, line := range []string{"Anna wrote:", "2026-03-02 8:01 GMT+01:00 A <a@b>:", "пн, 2 мар. 2026 г. в 08:01, A <a@b>:"} {
		m := Message{Text: "yes\n\n" + line + "\n\n> no\n", Answers: true}
		if got, _ := Text(m, Terms{}); got != "yes" {
			t.Errorf("%s: %q", line, got)
		}
		m.Text = "yes\n\n" + line + "\nno\n"
		if got, _ := Text(m, Terms{}); !strings.HasSuffix(got, line+"\nno") {
			t.Errorf("%s, and no quote: %q", line, got)
		}
	}
}

// What is said of a text, and what it is.
func TestCharsets(t *testing.T) {
	for _, tt := range []struct{ charset, octets, want string }{
		{"koi8-r", "\xd0\xd2\xc9", "при"},
		{"Shift_JIS", "\x82\xb1", "こ"},
		{"gb18030", "\xc4\xe3", "你"},
		{"iso-8859-15", "\xa4", "€"},
		{"iso-8859-1", "\xe9", "é"},
		{"iso-8859-1", "\x93hi\x94 \x80", "“hi” €"},
		{"iso-8859-1", "Grüße", "Grüße"},
		{"us-ascii", "Gr\xfc\xdfe", "Grüße"},
		{"utf-8", "Gr\xfc\xdfe", "Grüße"},
		{"nowhere", "Gr\xfc\xdfe", "Grüße"},
		{"utf-7", "Gr+APwA3w-e +IKw +2D3eAA!", "Grüße € 😀!"},
		{"utf-7", "1 +- 1 + 2 +AP", "1 + 1 + 2 "},
		{"utf-7", "+/v8-user:x", "\ufeffuser:x"},
	} {
		m, err := Parse([]byte("Content-Type: text/plain; charset=" + tt.charset + "\r\n\r\n" + tt.octets))
		if err != nil || m.Text != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.charset, m.Text, err, tt.want)
		}
	}
}

// Which parts of a mail are its text.
func TestMixed(t *testing.T) {
	plain := func(s string) string { return "Content-Type: text/plain\r\n\r\n" + s }
	html := func(s string) string { return "Content-Type: text/html\r\n\r\n" + s }
	of := func(kind, boundary string, parts ...string) string {
		s := "Content-Type: multipart/" + kind + "; boundary=" + boundary + "\r\n\r\n"
		for _, p := range parts {
			s += "--" + boundary + "\r\n" + p + "\r\n"
		}
		return s + "--" + boundary + "--\r\n"
	}
	const named = "Content-Type: text/plain; name=a.txt\r\nContent-Disposition: inline\r\n\r\nfile"
	const image = "Content-Type: image/png\r\nContent-Disposition: inline\r\n\r\nx"
	for _, tt := range []struct{ mail, want string }{
		{of("mixed", "a", plain("one"), image, plain("two")), "one\r\ntwo"},
		{of("mixed", "a", plain(" "), plain("one"), image), "one"},
		{of("mixed", "a", plain("one"), named), "one"},
		{of("mixed", "a", named, image), "file"},
		{of("mixed", "a", html("<p>one"), image, html("<p>two")), "one\n\ntwo"},
		{of("mixed", "a", plain("one"), html("<p>one")), "one"},
		{of("mixed", "a", html("<p>one"), plain("checked for viruses")), "one"},
		{of("mixed", "a", of("alternative", "b", plain("one"), html("<p>1")), image, plain("two")), "one\r\ntwo"},
		{of("mixed", "a", of("alternative", "b", html("<p>one")), image), "one"},
		{of("alternative", "a", plain("one"), of("mixed", "b", html("<p>1"), image, html("<p>2"))), "one"},
		{of("alternative", "a", html("<p>one"), plain("two")), "two"},
		{of("mixed", "a", of("mixed", "b", plain("one"), plain("two")), plain("three")), "one\r\ntwo\r\nthree"},
	} {
		m, err := Parse([]byte(tt.mail))
		if err != nil || m.Text != tt.want {
			t.Errorf("%q: %q, %v, want %q", tt.mail, m.Text, err, tt.want)
		}
	}
}

func TestHeaders(t *testing.T) {
	for header, want := range map[string]string{
		"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=":              "Grüße",
		"=?ISO-8859-2?B?v/O/dw==?=":                "żóżw",
		"=?utf-8?B?w?= =?utf-8?B?w7zDvA==?=":       "üü",
		"=?utf-8?Q?a=C3?= =?utf-8?Q?=BC?=":         "aü",
		"a =?utf-8?Q?b?= c":                        "a b c",
		"=?utf-8?Q?two words?=":                    "two words",
		"=?utf-8?Q?broken":                         "=?utf-8?Q?broken",
		"=?nowhere?Q?x=E9?=":                       "xé",
		"caf\xe9":                                  "café",
		"=?utf-8*en?Q?x?=":                         "x",
		"=?utf-8?Q?a_b?=\r\n =?iso-8859-1?Q?=E9?=": "a bé",
	} {
		m, err := Parse([]byte("Subject: " + header + "\r\n\r\nx\r\n"))
		if err != nil || m.Subject != want {
			t.Errorf("%q: %q, %v, want %q", header, m.Subject, err, want)
		}
	}
	for header, want := range map[string]bool{
		"Precedence: bulk": true, "List-Id: <x>": true, "X-Auto-Response-Suppress: DR, AutoReply": true, "X-Auto-Response-Suppress: DR": false, "X: y": false,
	} {
		if m, err := Parse([]byte(header + "\r\n\r\nx\r\n")); err != nil || m.Bulk != want || m.Automatic {
			t.Errorf("%s: %+v, %v", header, m, err)
		}
	}
	m, err := Parse([]byte("From: Anna <a@b>\r\nTo: x@y, Z <z@y>\r\nCc: w@y\r\nReceived: 1\r\nReceived: 2\r\n\r\nx"))
	if err != nil || m.From != "a@b" || strings.Join(m.To, " ") != "x@y z@y w@y" || m.Received != 2 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestAttachments(t *testing.T) {
	m, err := Parse(readMail(t, "people/disclaimer.eml"))
	if err != nil || m.Attached != 2 || m.Attachments[0].Name != "Pläne.pdf" || m.Attachments[0].Type != "application/pdf" || string(m.Attachments[0].Data) != "%PDF" {
		t.Errorf("%+v, %v", m, err)
	}
	for header, want := range map[string]string{
		`attachment; filename="a b.txt"`:                "a b.txt",
		`attachment; filename*=iso-8859-2''%bf.txt`:     "ż.txt",
		`attachment; filename*=utf-8''%C5%BC.txt`:       "ż.txt",
		`attachment; filename="=?utf-8?Q?=C5=BC.txt?="`: "ż.txt",
		`attachment; filename="C:\Users\anna\x.txt"`:    "x.txt",
		`attachment; filename="../../etc/passwd"`:       "passwd",
		`attachment`: "",
	} {
		m, err := Parse([]byte("Content-Disposition: " + header + "\r\n\r\nx"))
		if !errors.Is(err, ErrNoText) || m.Attached != 1 || m.Attachments[0].Name != want {
			t.Errorf("%s: %+v, %v, want %s", header, m.Attachments, err, want)
		}
	}
}

func TestTransfer(t *testing.T) {
	for _, tt := range []struct {
		encoding, in, want string
		ok                 bool
	}{
		{"base64", "TWVldA==", "Meet", true},
		{"base64", "TWVl\r\ndA", "Meet", true},
		{"BASE64 ", "TWVldA==\r\nTWVldA==", "MeetMeet", true},
		{"base64", "TWVldA==\r\n-- \r\nscanned", "Meet", true},
		{"base64", "to: 448311234567", "to: 448311234567", true},
		{"base64", "TWVl*dA", "", false},
		{"quoted-printable", "a=3Db=\r\nc= \r\nd", "a=bcd", true},
		{"quoted-printable", "1=1 and =zz and =", "1=1 and =zz and =", true},
		{"8bit", "x", "x", true},
	} {
		got, ok := transfer([]byte(tt.in), tt.encoding)
		if ok != tt.ok || ok && string(got) != tt.want {
			t.Errorf("%s of %q: %q, %v", tt.encoding, tt.in, got, ok)
		}
	}
}
