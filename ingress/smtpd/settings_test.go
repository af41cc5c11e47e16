package smtpd

import (
	"context"
	"strings"
	"testing"

	"cellpost/sms"
)

// TestScriptSettings: a script is read as its account wants it, and one that asks for
// too much is refused with its csv lines counted.
func TestScriptSettings(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings sms.Settings
		body     string
		want     string // code
		text     string
	}{
		{"as it is", sms.Settings{}, script + "text:or there\r\nor nowhere\r\n", "250", "Meet me at home\r\nor there"},
		{"LF", sms.Settings{LF: true}, script + "text:or there\r\nor nowhere\r\n", "250", "Meet me at home\nor there"},
		{"append", sms.Settings{Append: true}, script + "text:or there\r\nor nowhere\r\n", "250", "Meet me at home\r\nor there\r\nor nowhere"},
		{"too many lines", sms.Settings{}, script + strings.Repeat("csv:1\r\n", 100_000), "552", ""},
	} {
		gate, stored := testGate(t)
		accounts := gate.Accounts
		gate.Accounts = func(ctx context.Context, name string) (sms.Account, error) {
			a, err := accounts(ctx, name)
			a.Settings = tt.settings
			return a, err
		}
		addr, _ := serve(t, &Server{Gate: gate})
		p := dial(t, addr)
		p.envelope()
		p.write("Subject: x\r\n\r\n" + tt.body + "\r\n.\r\n")
		if line, err := p.text.ReadLine(); err != nil || !strings.HasPrefix(line, tt.want) {
			t.Errorf("%s: %s, %v", tt.name, line, err)
		}
		if n, _ := stored.counts(); n != 0 != (tt.text != "") || n > 0 && stored.messages[0].Text != tt.text {
			t.Errorf("%s: %+v", tt.name, stored.messages)
		}
	}
}
