package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"cellpost/ingress/httpd"
	"cellpost/modem"
)

type modemVerb struct {
	List    modemListVerb    `cmd:"" help:"List the modems and their states."`
	Show    modemShowVerb    `cmd:"" help:"Show all that is known of one modem."`
	Suspend modemSuspendVerb `cmd:"" help:"Take a modem out of service until it is resumed; its port is closed. Restarts do not change that."`
	Resume  modemResumeVerb  `cmd:"" help:"Bring a suspended modem back into service."`
	Reset   modemResetVerb   `cmd:"" help:"Reset a modem now, the mildest way there is, or the way that is named."`
	USSD    modemUSSDVerb    `cmd:"" name:"ussd" help:"Dial a USSD code, as for the balance, and print what the network says."`
	Trace   modemTraceVerb   `cmd:"" help:"Follow the dialogue with a modem until Ctrl-C. Numbers, texts and secrets are masked."`
}

// modemPath is the path of a modem, or of what belongs to it, in the API.
func modemPath(name, what string) string { return "/v1/modems/" + url.PathEscape(name) + what }

type modemListVerb struct {
	configFlag
	JSON bool `help:"Print one JSON object a line."`
}

func (v modemListVerb) Run(ctx context.Context, s streams) error {
	modems, err := query[[]httpd.Modem](ctx, v.configFlag, http.MethodGet, "/v1/modems", nil)
	if err != nil {
		return err
	}
	if v.JSON {
		return printLines(s.out, modems)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATE\tSIM\tOPERATOR\tSIGNAL\tSENT\tREFUSED\tSTALLS\tPROBLEM")
	for _, m := range modems {
		row := fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s", m.Name, m.State, m.SIM, strings.Map(visible, m.Operator),
			signalText(m.SignalDBm), m.Sent, m.Refused, m.Stalls, strings.Map(visible, cmp.Or(m.Problem, m.Waits)))
		fmt.Fprintln(w, row)
	}
	return w.Flush()
}

func signalText(dBm int) string {
	if dBm == 0 {
		return "-"
	}
	return fmt.Sprintf("%d dBm", dBm)
}

// oneModem is what the verbs on one modem have in common.
type oneModem struct {
	configFlag
	Name string `arg:"" help:"Name of the modem."`
	JSON bool   `help:"Print it as JSON."`
}

// Validate says what the command line lacks. A path of dots leads elsewhere.
func (v oneModem) Validate() error {
	if strings.Trim(v.Name, ".") == "" {
		return errors.New("name a modem: cellpost modem list has the names")
	}
	return nil
}

// say prints one answer, as JSON or in words.
func (v oneModem) say(s streams, answer any, words string) error {
	if v.JSON {
		enc := json.NewEncoder(s.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(answer)
	}
	_, err := fmt.Fprintln(s.out, words)
	return err
}

type modemSuspendVerb struct{ oneModem }

func (v modemSuspendVerb) Run(ctx context.Context, s streams) error {
	return v.change(ctx, s, "/suspend")
}

type modemResumeVerb struct{ oneModem }

func (v modemResumeVerb) Run(ctx context.Context, s streams) error {
	return v.change(ctx, s, "/resume")
}

func (v oneModem) change(ctx context.Context, s streams, what string) error {
	m, err := query[httpd.Modem](ctx, v.configFlag, http.MethodPost, modemPath(v.Name, what), nil)
	if err != nil {
		return err
	}
	return v.say(s, m, m.Name+" is "+m.State)
}

type modemResetVerb struct {
	oneModem
	Step string `help:"What to do; a name that there is not is answered with those there are." placeholder:"NAME"`
}

func (v modemResetVerb) Run(ctx context.Context, s streams) error {
	r, err := query[httpd.ResetResult](ctx, v.configFlag, http.MethodPost, modemPath(v.Name, "/reset"), httpd.ResetRequest{Step: v.Step})
	if err != nil {
		return err
	}
	return v.say(s, r, v.Name+": "+r.Step+" begun, see cellpost modem show "+modem.ShellWord(v.Name))
}

type modemTraceVerb struct {
	oneModem
	Lines int `help:"End after so many lines; default: follow until Ctrl-C." placeholder:"N"`
}

// Run prints what the modem has kept of the dialogue, then what comes.
func (v modemTraceVerb) Run(ctx context.Context, s streams) error {
	if v.Lines < 0 {
		return errors.New("--lines: 1 or more")
	}
	c, err := loadConfig(v.Config)
	if err != nil {
		return err
	}
	lines, err := c.open(ctx, http.MethodGet, modemPath(v.Name, "/trace"), nil)
	if err != nil {
		return err
	}
	defer lines.Close()
	dec := json.NewDecoder(lines)
	for n := 0; v.Lines == 0 || n < v.Lines; n++ {
		var l httpd.TraceLine
		if err := dec.Decode(&l); err != nil {
			return traceEnd(ctx, err)
		}
		words := fmt.Sprintf("%s %s %s", l.At.Local().Format("15:04:05.000"), l.Dir, strings.Map(visible, l.Text))
		if err := v.say(s, l, words); err != nil {
			return err
		}
	}
	return nil
}

// traceEnd: Ctrl-C is how a trace ends well.
func traceEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the gateway has ended the trace: it stops, or this reads too slowly")
	}
	return fmt.Errorf("the trace: %w", err)
}

type modemShowVerb struct{ oneModem }

// modemDetail is a modem as show prints it.
type modemDetail struct {
	httpd.Modem
	History []httpd.Reading `json:"history,omitempty"` // of the last day, oldest first
}

func (v modemShowVerb) Run(ctx context.Context, s streams) error {
	m, err := query[httpd.Modem](ctx, v.configFlag, http.MethodGet, modemPath(v.Name, ""), nil)
	if err != nil {
		return err
	}
	history, err := query[[]httpd.Reading](ctx, v.configFlag, http.MethodGet, modemPath(v.Name, "/history"), nil)
	if err != nil {
		return err
	}
	now := time.Now()
	detail := modemDetail{m, lastDay(history, now)}
	if v.JSON {
		return printLines(s.out, []modemDetail{detail})
	}
	return printModem(s.out, detail, now)
}
