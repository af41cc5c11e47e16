package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"cellpost/ingress/httpd"
)

type modemVerb struct {
	List modemListVerb `cmd:"" help:"List the modems and their states."`
	Show modemShowVerb `cmd:"" help:"Show all that is known of one modem."`
}

type modemListVerb struct {
	configFlag
	JSON bool `help:"Print one JSON object a line."`
}

func (v modemListVerb) Run(ctx context.Context, s streams) error {
	c, err := loadConfig(v.Config)
	if err != nil {
		return err
	}
	var modems []httpd.Modem
	if err := c.call(ctx, http.MethodGet, "/v1/modems", nil, &modems); err != nil {
		return err
	}
	if v.JSON {
		return printLines(s.out, modems)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATE\tSIM\tOPERATOR\tSIGNAL\tSENT\tREFUSED\tSTALLS\tPROBLEM")
	for _, m := range modems {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", m.Name, m.State, m.SIM, m.Operator, signalText(m), m.Sent, m.Refused, m.Stalls, m.Problem)
	}
	return w.Flush()
}

func signalText(m httpd.Modem) string {
	if m.SignalDBm == 0 {
		return "-"
	}
	return fmt.Sprintf("%d dBm", m.SignalDBm)
}

type modemShowVerb struct {
	configFlag
	Name string `arg:"" help:"Name of the modem."`
	JSON bool   `help:"Print it as JSON."`
}

func (v modemShowVerb) Run(ctx context.Context, s streams) error {
	c, err := loadConfig(v.Config)
	if err != nil {
		return err
	}
	var m httpd.Modem
	if err := c.call(ctx, http.MethodGet, "/v1/modems/"+url.PathEscape(v.Name), nil, &m); err != nil {
		return err
	}
	if v.JSON {
		return printLines(s.out, []httpd.Modem{m})
	}
	return printModem(s.out, m)
}

func printModem(out io.Writer, m httpd.Modem) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value = strings.TrimSpace(value); value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	row("name", m.Name)
	since := ""
	if !m.Since.IsZero() {
		since = " since " + m.Since.Local().Format(clock)
	}
	row("state", m.State+since)
	row("problem", m.Problem)
	row("next step", m.NextStep)
	row("device", m.Device)
	row("module", m.Manufacturer+" "+m.Model+" "+m.Revision)
	row("IMEI", m.IMEI)
	row("SIM", m.SIM)
	row("IMSI", m.IMSI)
	row("ICCID", m.ICCID)
	row("number", m.MSISDN)
	row("service centre", m.SMSC)
	row("network", m.Operator+" "+m.Network)
	row("signal", signalText(m))
	row("reception", m.Reception)
	row("hand-overs", fmt.Sprintf("%d accepted, %d refused, %d stalled", m.Sent, m.Refused, m.Stalls))
	if !m.LastSent.IsZero() {
		row("last accepted", m.LastSent.Local().Format(clock))
	}
	return w.Flush()
}
