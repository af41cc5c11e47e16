package mail

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"cellpost/ingress"
	"cellpost/ingress/clickatell"
)

// readMail returns a mail of testdata as it comes over the wire.
func readMail(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte("\r")) {
		raw = bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
	}
	return raw
}

// The numbered mails are those of clients in the wild.
func TestParse(t *testing.T) {
	tests := []struct {
		file    string
		to      []string // nil: 447700900123
		text    string   // empty: Meet me at home
		ignored int
		user    string // empty: anna
	}{
		{file: "seed.eml", to: []string{"448311234567"}, user: "xxxxx"},
		{file: "01-capitals.eml", text: "BTC is at 100: sell"},
		{file: "02-glued-headers.eml", to: []string{"447700900123", "447700900124"}, text: "Meet me", ignored: 1},
		{file: "03-no-message-id.eml"},
		{file: "04-no-content-type.eml"},
		{file: "05-lf-cr.eml", to: []string{"447700900123", "447700900124", "447700900125"}, text: "Grüße"},
		{file: "06-tabs.eml", text: "See http://site.lan:8080/status"},
		{file: "07-continuation.eml", ignored: 1},
		{file: "08-alternative.eml"},
		{file: "09-utf8-plus.eml", to: []string{"+447700900123"}, text: "€ 5"},
		{file: "10-shell.eml"},
		{file: "latin1-undeclared.eml", text: "café € 5"},
		{file: "flowed.eml", text: "a line that is long enough for the mailer to break it", ignored: 2},
		{file: "no-header.eml"},
		{file: "broken-header.eml"},
		{file: "not-quoted-printable.eml", text: "x=1, y=zz"},
		{file: "unknown-charset.eml"},
		{file: "last-boundary-missing.eml"},
		{file: "nested.eml"},
		{file: "html-only.eml"},
	}
	for _, tt := range tests {
		m, err := Parse(readMail(t, tt.file))
		if err != nil {
			t.Errorf("%s: %v", tt.file, err)
			continue
		}
		s, err := clickatell.Parse(m.Text)
		if err != nil {
			t.Errorf("%s: %v of %q", tt.file, err, m.Text)
			continue
		}
		to := tt.to
		if to == nil {
			to = []string{"447700900123"}
		}
		if s.Credentials.User != cmp.Or(tt.user, "anna") || !slices.Equal(s.To, to) ||
			s.Text != cmp.Or(tt.text, "Meet me at home") || s.Ignored != tt.ignored {
			t.Errorf("%s: %+v", tt.file, s)
		}
	}
}

func TestParseRefused(t *testing.T) {
	for file, want := range map[string]string{
		"picture-only.eml":  "ERR: 110, Error with email message (it has no text)",
		"no-boundary.eml":   "ERR: 110, Error with email message (its encoding is broken)",
		"broken-base64.eml": "ERR: 110, Error with email message (its encoding is broken)",
		"too-deep.eml":      "ERR: 110, Error with email message (its encoding is broken)",
	} {
		if _, err := Parse(readMail(t, file)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
	}
}

func TestMailHeader(t *testing.T) {
	tests := []struct {
		header    string
		id        string
		automatic bool
	}{
		{"Message-ID: <a@b>\r\n", "<a@b>", false},
		{"message-id:  <a@b> \r\n", "<a@b>", false},
		{"Message-ID: <>\r\n", "", false},
		{"Message-ID: <a@b>\r\nAuto-Submitted: no\r\n", "<a@b>", false},
		{"Auto-Submitted: auto-replied\r\n", "", true},
		{"Auto-Submitted: Auto-Generated; x=y\r\n", "", true},
		{"Message-ID: <a b@c>\r\n", "", false},
		{"Message-ID: a@b\r\n", "", false},
		{"Message-ID: <a@b>\r\n X: y\r\n", "", false},
	}
	for _, tt := range tests {
		m, err := Parse([]byte(tt.header + "\r\ntext:x\r\n"))
		if err != nil || m.ID != tt.id || m.Automatic != tt.automatic {
			t.Errorf("%q: %+v, %v", tt.header, m, err)
		}
	}
}

func TestUnflow(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		delsp    bool
	}{
		{in: "a \r\nb\r\n", want: "a b\r\n"},
		{in: "a \nb \nc", want: "a b c"},
		{in: "a \r\nb", want: "ab", delsp: true},
		{in: "  a\n b\n", want: " a\nb\n"},
		{in: "a\n-- \nb\n", want: "a\n-- \nb\n"},
		{in: "", want: ""},
	} {
		if got := unflow(tt.in, tt.delsp); got != tt.want {
			t.Errorf("unflow(%q, %v) = %q, want %q", tt.in, tt.delsp, got, tt.want)
		}
	}
}

// Whatever a mail holds, there is a text in UTF-8 or a refusal with code 110,
// and a mail that says nothing about itself is its body.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		f.Add(readMail(f, filepath.Base(file)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(raw)
		if r, ok := errors.AsType[*ingress.Refusal](err); err != nil && (!ok || r.Code != ingress.CodeMail) {
			t.Fatal(err)
		}
		if !utf8.ValidString(m.Text) || strings.ContainsAny(m.ID, "\r\n ") || m.LongestLine > len(m.Text) {
			t.Errorf("%+v", m)
		}
		plain, err := Parse(append([]byte("Subject: x\r\n\r\n"), raw...))
		if err != nil && !errors.Is(err, ErrNoText) || plain.Text != decode(raw, "") {
			t.Errorf("as a plain body: %q, %v", plain.Text, err)
		}
	})
}
