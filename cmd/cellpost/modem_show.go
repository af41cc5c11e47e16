package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"cellpost/ingress/httpd"
)

// sheet is a table of names and values. What has no value is left out.
type sheet struct{ *tabwriter.Writer }

func (s sheet) row(name, value string) {
	if value = strings.TrimSpace(value); value != "" {
		fmt.Fprintf(s, "%s\t%s\n", name, strings.Map(visible, value))
	}
}

// lines is row for a text of several lines.
func (s sheet) lines(name, text string) {
	for line := range strings.Lines(text) {
		s.row(name, line)
		name = ""
	}
}

func (s sheet) time(name string, t time.Time) {
	if !t.IsZero() {
		s.row(name, t.Local().Format(clock))
	}
}

func printModem(out io.Writer, m modemDetail, now time.Time) error {
	w := sheet{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	w.row("name", m.Name)
	w.row("state", m.State+since(m.Since))
	w.row("problem", m.Problem)
	w.row("next step", m.NextStep)
	w.health(m)
	w.row("rests", m.Waits)
	w.time("until", m.WaitsUntil)
	if m.Quota != nil {
		w.row("quota", m.Quota.Code+": "+m.Quota.Cause)
		w.row("", m.Quota.NextStep)
	}
	w.row("recovery", m.Rung)
	w.time("next reset", m.NextReset)
	w.row("device", m.Device)
	w.row("USB", m.USB)
	w.row("module", m.Manufacturer+" "+m.Model+" "+m.Revision)
	w.row("profile", profileText(m.Modem))
	w.row("IMEI", m.IMEI)
	w.row("SIM", m.SIM)
	if m.Slots > 1 {
		w.row("slot", fmt.Sprintf("%d of %d", m.Slot, m.Slots))
	}
	w.row("IMSI", m.IMSI)
	w.row("ICCID", m.ICCID)
	w.row("number", m.MSISDN)
	w.row("service centre", m.SMSC)
	w.row("network", m.Operator+" "+m.Network)
	w.row("signal", signalText(m.SignalDBm))
	w.row("reception", m.Reception)
	w.row("set up", strings.Join(m.Setup, ", "))
	w.row("hand-overs", fmt.Sprintf("%d accepted, %d refused, %d stalled", m.Sent, m.Refused, m.Stalls))
	w.time("last accepted", m.LastSent)
	if !m.NetworkTime.IsZero() {
		w.row("network time", m.NetworkTime.Local().Format(clock)+", by "+m.ClockSource)
	}
	for _, c := range m.Calls {
		w.row("call", c.At.Local().Format(clock)+" "+caller(c.From)+rejected(c))
	}
	for _, n := range m.Notices {
		w.lines("network said", n.At.Local().Format(clock)+" "+n.Text)
	}
	w.history(m.History, now)
	return w.Flush()
}

func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + t.Local().Format(clock)
}

func rejected(c httpd.Call) string {
	if c.Rejected {
		return ", rejected"
	}
	return ""
}

func caller(from string) string {
	if from == "" {
		return "from a number withheld"
	}
	return "from " + from
}

func profileText(m httpd.Modem) string {
	if m.ProfileTitle == "" {
		return m.Profile
	}
	return fmt.Sprintf("%s (%s)", m.Profile, m.ProfileTitle)
}

// health lists what is wrong beyond the first line: the problem and its next
// step stand above.
func (s sheet) health(m modemDetail) {
	for _, f := range m.Health {
		s.row("health", f.Code+": "+f.Cause+since(f.Since))
		if f.NextStep != m.NextStep {
			s.row("", f.NextStep)
		}
	}
}

// day is how far back show looks, step what a character of its curve stands for.
const (
	day  = 24 * time.Hour
	step = 30 * time.Minute
)

// lastDay cuts a history.
func lastDay(history []httpd.Reading, now time.Time) []httpd.Reading {
	return slices.DeleteFunc(history, func(r httpd.Reading) bool { return now.Sub(r.At) >= day })
}

// history draws the signal of the last day, and lists what changed with it.
func (s sheet) history(readings []httpd.Reading, now time.Time) {
	if len(readings) == 0 {
		return
	}
	low, high := readings[0].SignalDBm, readings[0].SignalDBm
	for _, r := range readings {
		if r.SignalDBm != 0 {
			low, high = weaker(low, r.SignalDBm), stronger(high, r.SignalDBm)
		}
	}
	s.row("last 24 h", fmt.Sprintf("%s %s to %s", curve(readings, now), signalText(low), signalText(high)))
	var last httpd.Reading
	for _, r := range readings {
		if r.Network != last.Network || r.Operator != last.Operator {
			s.row("", r.At.Local().Format(clock)+" "+strings.TrimSpace(r.Operator+" "+r.Network))
		}
		last = r
	}
}

func weaker(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func stronger(a, b int) int {
	if a == 0 || b != 0 && b > a {
		return b
	}
	return a
}

// levels of a curve, by 8 dB from -113 up; noSignal stands where nothing was read.
const (
	levels   = "▁▂▃▄▅▆▇█"
	noSignal = "·"
)

// curve draws the weakest signal of each half hour, oldest first.
func curve(readings []httpd.Reading, now time.Time) string {
	var weakest [day / step]int
	for _, r := range readings {
		if i := len(weakest) - 1 - int(now.Sub(r.At)/step); i >= 0 && i < len(weakest) {
			weakest[i] = weaker(weaker(weakest[i], r.SignalDBm), r.MinDBm)
		}
	}
	var b strings.Builder
	for _, dBm := range weakest {
		if dBm == 0 {
			b.WriteString(noSignal)
			continue
		}
		level := []rune(levels)
		b.WriteRune(level[min(max((dBm+113)/8, 0), len(level)-1)])
	}
	return b.String()
}
