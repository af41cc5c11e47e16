package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cellpost/modem"
	"cellpost/systemd"
)

// statusEvery is how soon systemctl status shows a change.
const statusEvery = 10 * time.Second

// tellStatus keeps the line that systemctl status shows, until ctx ends.
func (d *daemon) tellStatus(ctx context.Context) error {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for said := ""; ; {
		if now := statusLine(d.allFacts()); now != said {
			said = now
			if err := systemd.Status(now); err != nil {
				d.log.Warn("tell systemd", "err", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// statusLine says how many modems carry messages, and what the others are.
func statusLine(all []modem.Facts) string {
	if len(all) == 0 {
		return "no modem"
	}
	var others []string
	for _, f := range all {
		if !f.Ready {
			others = append(others, f.Name+" "+string(f.State()))
		}
	}
	line := fmt.Sprintf("%d of %d modems in service", len(all)-len(others), len(all))
	if len(others) > 0 {
		line += "; " + strings.Join(others, ", ")
	}
	return line
}
