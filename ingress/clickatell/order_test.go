package clickatell_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"cellpost/ingress"
	"cellpost/ingress/clickatell"
	"cellpost/sms"
)

// nowhere is a Queue that takes everything.
type nowhere struct{}

func (nowhere) Add(context.Context, sms.Batch) error { return nil }

// answer is what the submitter of a body hears, as the mail door asks: the mail, the
// account, the parameters, and then the Gate.
func answer(t *testing.T, body string) (string, ingress.Receipt) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	gate := &ingress.Gate{
		Queue: nowhere{}, Blocked: []string{"4490"},
		Rules: &sms.Rules{Routes: []sms.Route{{Prefix: "44", Tiers: [][]string{{"a"}}, Price: sms.Credit}}},
		Accounts: func(_ context.Context, name string) (sms.Account, error) {
			a := sms.Account{Name: name, PasswordHash: string(hash), APIID: 7, Credits: sms.Credit}
			switch name {
			case "anna":
			case "lan":
				a.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
			default:
				return sms.Account{}, sms.ErrNoAccount
			}
			return a, nil
		},
	}
	script, scriptErr := clickatell.Parse(body)
	if r, ok := errors.AsType[*ingress.Refusal](scriptErr); ok && r.Code == ingress.CodeMail {
		return scriptErr.Error(), ingress.Receipt{}
	}
	account, err := gate.Authenticate(t.Context(), script.Credentials, netip.MustParseAddr("192.168.1.9"))
	if err == nil {
		err = scriptErr
	}
	if err != nil {
		return err.Error(), ingress.Receipt{}
	}
	receipt, err := gate.Submit(t.Context(), account, ingress.Submission{Rest: script.All(), Params: script.Params})
	if err != nil {
		return err.Error(), receipt
	}
	return "", receipt
}

// TestOrderOfChecks: a mail that is wrong in every way hears of the first; when that
// is mended, of the next.
func TestOrderOfChecks(t *testing.T) {
	lines := map[string]string{}
	body := func() string {
		var b strings.Builder
		for _, key := range slices.Sorted(maps.Keys(lines)) {
			fmt.Fprintf(&b, "%s:%s\n", key, lines[key])
		}
		return b.String()
	}
	for _, step := range []struct {
		mend string // "key:value key:value"; a value of - takes the key out
		want string
	}{
		{"", "ERR: 110, Error with email message (no script: a line like user:name is missing)"},
		{"user:bert password:x api_id:8 reply:nobody queue:9 msg_type:x udh:zz deliv_time:x from:MyLittleShop climsgid:a-b", "ERR: 001, Authentication failed"},
		{"user:lan", "ERR: 001, Authentication failed"},
		{"password:secret", "ERR: 007, IP Lockdown violation"},
		{"user:anna", "ERR: 108, Invalid or missing API ID"},
		{"api_id:7", "ERR: 101, Invalid or missing parameters (reply: an address is not right)"},
		{"reply:a@b.c", "ERR: 101, Invalid or missing parameters (to is missing)"},
		{"to:letters", "ERR: 101, Invalid or missing parameters (queue: 1 to 3)"},
		{"queue:1", "ERR: 101, Invalid or missing parameters (climsgid: up to 32 letters and digits)"},
		{"climsgid:id1", "ERR: 112, Invalid message type (msg_type: there is no such type, see SMS_TEXT, SMS_FLASH and the SMS_NOKIA_ ones)"},
		{"msg_type:- data:00 text:00", "ERR: 101, Invalid or missing parameters (text and data: 8-bit content is in one of them)"},
		{"data:- text:-", "ERR: 102, Invalid user data header (these are no hexadecimal digits)"},
		{"udh:- unicode:1 text:zz", "ERR: 116, Invalid Unicode data (text: with unicode:1 it is four hexadecimal digits a character)"},
		{"unicode:- text:-", "ERR: 120, Invalid delivery time (deliv_time: 0 to 10080 minutes)"},
		{"deliv_time:-", "ERR: 106, Invalid source address"},
		{"from:MyShop", "ERR: 123, Invalid Sender ID (from: a name cannot be shown)"},
		{"from:-", "ERR: 107, Empty message"},
		{"text:" + strings.Repeat("x", 161), "ERR: 105, Invalid destination address"},
		{"to:449012345678", "ERR: 121, Destination mobile number blocked"},
		{"to:33700900123", "ERR: 114, Cannot route message"},
		{"to:447700900123", "ERR: 113, Maximum message parts exceeded (2 parts needed, concat is 1)"},
		{"concat:2", "ERR: 301, No Credit Left"},
		{"text:x", ""},
	} {
		for change := range strings.FieldsSeq(step.mend) {
			key, value, _ := strings.Cut(change, ":")
			if lines[key] = value; value == "-" {
				delete(lines, key)
			}
		}
		if got, _ := answer(t, body()); got != step.want {
			t.Errorf("%s: %s\nwant %s", step.mend, got, step.want)
		}
	}
}

// TestLines: one bad recipient is one line of the answer.
func TestLines(t *testing.T) {
	_, receipt := answer(t, "user:anna\npassword:secret\napi_id:7\ntext:#field1#\nto:447700900100\ncsv:447700900123,x\ncsv:12 ab,x\ncsv:447700900124\ncsv:449012345678,y\ncsv:33700900123,z\ncsv:447700900125,too dear\n")
	var got []string
	for _, r := range receipt.Results {
		got = append(got, strings.TrimPrefix(clickatell.Line(r), "ID: "+r.ID.String()))
	}
	want := []string{
		"ERR: 101, Invalid or missing parameters (to: the text has a #field#; give the number in a csv line) To: 447700900100",
		" To: 447700900123",
		"ERR: 105, Invalid destination address To: 12 ab",
		"ERR: 101, Invalid or missing parameters (csv: the column of #field1# is missing) To: 447700900124",
		"ERR: 121, Destination mobile number blocked To: 449012345678",
		"ERR: 114, Cannot route message To: 33700900123",
		"ERR: 301, No Credit Left To: 447700900125",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestReference: docs/script.md has a row for every key, and for no other.
func TestReference(t *testing.T) {
	text, err := os.ReadFile("../../docs/script.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		got = append(got, m[1])
	}
	slices.Sort(got)
	if want := clickatell.Keys(); !slices.Equal(got, want) {
		t.Errorf("rows %q\nkeys %q", got, want)
	}
}
