package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cellpost/queue/sqlite"
	"cellpost/sms"
)

// history says how long what is over is kept.
type history struct {
	Keep           months `toml:"keep"`            // messages, inbox and replies; "0": for ever
	AnonymiseAfter days   `toml:"anonymise_after"` // numbers and texts are taken out; "0": never
}

// defaultKeep lets a year be compared with the one before.
const defaultKeep months = 13

// The bounds of what may be asked for. A century is for ever, and keeps dates within what they can be.
const (
	monthsMost = 1200
	daysMost   = 36500
)

// months is a number of calendar months, written "13mo", or "0".
type months int

func (m *months) UnmarshalText(text []byte) error {
	n, ok := countOf(string(text), "mo", monthsMost)
	if !ok {
		return fmt.Errorf("%q is no number of months: write 13mo, or 0 for ever", text)
	}
	*m = months(n)
	return nil
}

func (m months) String() string { return strconv.Itoa(int(m)) + "mo" }

// days is a number of days, written "30d", or "0".
type days int

func (d *days) UnmarshalText(text []byte) error {
	n, ok := countOf(string(text), "d", daysMost)
	if !ok {
		return fmt.Errorf("%q is no number of days: write 30d, or 0 for never", text)
	}
	*d = days(n)
	return nil
}

func (d days) String() string { return strconv.Itoa(int(d)) + "d" }

// countOf reads a number with its unit. Zero needs none.
func countOf(text, unit string, most int) (n int, ok bool) {
	if text == "0" {
		return 0, true
	}
	number, ok := strings.CutSuffix(text, unit)
	n, err := strconv.Atoi(number)
	return n, ok && err == nil && 0 <= n && n <= most
}

func (c *config) checkHistory(s source) error {
	h := c.History
	if h.Keep < 0 || h.Keep > monthsMost { // a bare number
		return s.at("history", 0, "keep", "keep: write it with its unit (\"13mo\"), or \"0\" for ever")
	}
	least := days(sms.LiveFor / (24 * time.Hour))
	if d := h.AnonymiseAfter; d != 0 && (d < least || d > daysMost) {
		return s.at("history", 0, "anonymise_after", "anonymise_after: %s at least (until then a report may come, which is found by the number), or \"0\" for never", least)
	}
	return nil
}

func (h history) retention() sms.Retention {
	return sms.Retention{Keep: int(h.Keep), Anonymise: time.Duration(h.AnonymiseAfter) * 24 * time.Hour}
}

// keepHistory moves what is over out of the scheduler's way, and purges it.
func (d *daemon) keepHistory(ctx context.Context) error {
	h := &sqlite.History{Store: d.store, Retention: d.config.History.retention(), Trusted: d.store.ClockTrusted, Log: d.log}
	return h.Run(ctx)
}
