package mail_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cellpost/ingress"
	"cellpost/ingress/clickatell"
	"cellpost/ingress/mail"
	"cellpost/pdu"
	"cellpost/sms"
)

// kept is a Queue that keeps what it gets.
type kept []sms.Message

func (k *kept) Add(_ context.Context, b sms.Batch) error {
	*k = append(*k, b.Messages...)
	return nil
}

// submit has a mail of testdata go its whole way to the queue.
func submit(t *testing.T, file string) ([]sms.Message, ingress.Receipt) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte("\r")) {
		raw = bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
	}
	m, err := mail.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	script, err := clickatell.Parse(m.Text)
	if err != nil {
		t.Fatal(err)
	}
	if want := (ingress.Credentials{User: "anna", Password: "secret", APIID: "7"}); script.Credentials != want {
		t.Errorf("credentials %+v", script.Credentials)
	}
	var queue kept
	gate := &ingress.Gate{
		Queue: &queue, Rules: &sms.Rules{}, Now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) },
		Sender: func(n string) (string, bool) { return "a", n == "447700900001" },
	}
	receipt, err := gate.Submit(t.Context(), sms.Account{Name: "anna", Unlimited: true}, ingress.Submission{
		Note: script.Note(), Rest: script.All(), Params: script.Params,
	})
	if err != nil {
		t.Fatal(err)
	}
	return queue, receipt
}

// onAir writes what leaves for a message: number, SIM where one is asked for,
// whether a report is, coding, and the text of each part.
func onAir(t *testing.T, m sms.Message) string {
	t.Helper()
	s := string(m.To)
	if m.OnlySIM != "" {
		s += " by " + m.OnlySIM
	}
	for i, p := range m.Parts {
		submit, warnings, err := pdu.ParseSubmit(p.TPDU)
		if err != nil || len(warnings) > 0 || submit.Destination.Value != string(m.To) || submit.StatusReport != m.Report {
			t.Fatalf("%+v, %v, %v", submit, warnings, err)
		}
		if i == 0 && m.Report {
			s += " report"
		}
		s += fmt.Sprintf(" %s %q", submit.DCS.Alphabet(), submit.UserData.Text(submit.DCS))
	}
	return s
}

// TestClients: the mails that clients in the wild wrote come out as the short
// messages that they meant.
func TestClients(t *testing.T) {
	const home = `447700900123 gsm7 "Meet me at home"`
	for _, tt := range []struct {
		file    string
		want    []string
		refused []string
	}{
		{file: "01-capitals.eml", want: []string{`447700900123 gsm7 "BTC is at 100: sell"`}},
		{file: "02-glued-headers.eml", want: []string{`447700900123 report gsm7 "Meet me"`, `447700900124 report gsm7 "Meet me"`}},
		{file: "03-no-message-id.eml", want: []string{`447700900123 by a gsm7 "Meet me at home"`}},
		{file: "04-no-content-type.eml", want: []string{home}},
		{file: "05-lf-cr.eml", want: []string{`447700900123 gsm7 "Grüße"`, `447700900124 gsm7 "Grüße"`, `447700900125 gsm7 "Grüße"`}},
		{file: "06-tabs.eml", want: []string{`447700900123 gsm7 "See http://site.lan:8080/status"`}},
		{file: "07-continuation.eml", want: []string{home}},
		{file: "08-alternative.eml", want: []string{home}},
		{file: "09-utf8-plus.eml", want: []string{`447700900123 gsm7 "€ 5"`}},
		{file: "10-shell.eml", want: []string{home}},
		{file: "11-csv.eml", want: []string{
			`447700900123 by a gsm7 "Please arrive 10 minutes before 10:15, and bring your card: http://site.lan/a,b"`,
			`447700900124 by a gsm7 "Your appointment is on Tuesday, 1pm."`,
		}, refused: []string{
			"ERR: 105, Invalid destination address To: letters",
			"ERR: 101, Invalid or missing parameters (csv: the column of #field1# is missing) To: 447700900125",
		}},
		{file: "12-product.eml", want: []string{`447700900123 by a report ucs2 "Votre facture n° 17 est prête."`}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			messages, receipt := submit(t, filepath.Join("testdata", tt.file))
			var got, refused []string
			for _, m := range messages {
				got = append(got, onAir(t, m))
			}
			for _, res := range receipt.Results {
				if res.Refusal != nil {
					refused = append(refused, clickatell.Line(res))
				}
			}
			if !slices.Equal(got, tt.want) || !slices.Equal(refused, tt.refused) {
				t.Errorf("%s\nrefused %s", strings.Join(got, "\n"), strings.Join(refused, "\n"))
			}
		})
	}
	files, err := filepath.Glob("testdata/[01][0-9]-*.eml")
	if err != nil || len(files) != 12 {
		t.Errorf("%d mails, %v", len(files), err)
	}
}
