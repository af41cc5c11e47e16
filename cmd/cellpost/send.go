package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"cellpost/ingress/httpd"
)

type sendVerb struct {
	configFlag
	To      []string `help:"Number to send to, with --mail an address; repeat it for more." placeholder:"NUMBER"`
	Text    *string  `help:"What to send; default: what standard input holds."`
	Account string   `help:"Account to book it to; default: the operator's own."`
	Queue   int      `help:"1 (urgent) to 3." default:"3"`
	Flash   bool     `help:"Show it at once, do not keep it."`
	At      string   `help:"When to send it, up to 7 days ahead: '2030-12-31 07:30' in the time zone of the configuration, or with a zone, 2030-12-31T07:30:00+01:00." placeholder:"TIME"`
	Mail    string   `help:"File with a mail, - for standard input: send what it becomes, as if it had come by SMTP." placeholder:"FILE"`
	From    string   `help:"With --mail: who sent it; default: as the mail says. It goes to whom the mail says, unless --to is given." placeholder:"ADDRESS"`
	DryRun  bool     `help:"With --mail: show what it would become; nothing is stored or sent, and no daemon is needed."`
	JSON    bool     `help:"Print one JSON object a line."`
}

// Validate looks at which flags go together.
func (v sendVerb) Validate() error {
	switch {
	case v.Mail != "" && (v.Text != nil || v.Flash || v.At != ""):
		return errors.New("--mail: the mail says what is sent, and how; leave out --text, --flash and --at")
	case v.Mail == "" && (v.DryRun || v.From != ""):
		return errors.New("--dry-run and --from go with --mail FILE (cellpost price tells the price of a text)")
	case v.Mail == "" && len(v.To) == 0:
		return errors.New("missing flags: --to=NUMBER")
	}
	return nil
}

func (v sendVerb) Run(ctx context.Context, s streams) error {
	c, err := loadConfig(v.Config)
	if err != nil {
		return err
	}
	if v.Mail != "" {
		return v.runMail(ctx, c, s)
	}
	text, err := v.text(s.in)
	if err != nil {
		return err
	}
	var results []httpd.SendResult
	var at time.Time
	if v.At != "" {
		if at, err = moment(v.At, c.zone()); err != nil {
			return fmt.Errorf("--at: %w", err)
		}
	}
	err = c.call(ctx, http.MethodPost, "/v1/messages", httpd.SendRequest{
		Account: v.Account, To: v.To, Text: text, Priority: v.Queue, Flash: v.Flash, At: at,
	}, &results)
	if err != nil {
		return err
	}
	return v.print(s.out, results)
}

func (v sendVerb) print(out io.Writer, results []httpd.SendResult) error {
	refused := false
	for _, r := range results {
		refused = refused || r.Code != 0
		switch {
		case v.JSON:
			if err := json.NewEncoder(out).Encode(r); err != nil {
				return err
			}
		case r.Code != 0:
			fmt.Fprintf(out, "ERR: %03d, %s To: %s\n", r.Code, r.Error, r.To)
		default:
			fmt.Fprintf(out, "ID: %s To: %s\n", r.ID, r.To)
		}
	}
	if refused {
		return errors.New("not every number was accepted")
	}
	return nil
}

// moment reads a time as a person writes it. One that comes twice, or never, because
// the clocks change that night is refused.
func moment(s string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	const minute = "2006-01-02 15:04"
	t, err := time.ParseInLocation(minute, s, zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q: write it like '2030-12-31 07:30' or 2030-12-31T07:30:00+01:00", s)
	}
	same := t.Format(minute) == s
	for _, change := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} { // by which clocks change, somewhere
		same = same && t.Add(change).Format(minute) != s && t.Add(-change).Format(minute) != s
	}
	if !same {
		return time.Time{}, fmt.Errorf("%q: the clocks of %s change then; write it with its offset, like %s", s, zone, t.Format(time.RFC3339))
	}
	return t.UTC(), nil
}

// text is what to send. The line end of echo is not part of it.
func (v sendVerb) text(in io.Reader) (string, error) {
	if v.Text != nil {
		return *v.Text, nil
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return "", fmt.Errorf("read the text: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
