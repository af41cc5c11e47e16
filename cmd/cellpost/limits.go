package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"cellpost/ingress/httpd"
	"cellpost/queue/sqlite"
	"cellpost/sms"
)

// held returns what tells, of a message that is due, which SIMs may not send it
// now by their limits, and why; empty: none.
func held(ctx context.Context, rules *sms.Rules, r *sqlite.Reader) (func(sms.Message) string, error) {
	if len(rules.PerSIM) == 0 {
		return func(sms.Message) string { return "" }, nil
	}
	used, err := r.Usage(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return func(m sms.Message) string {
		if m.State != sms.Queued || m.Due.After(now) {
			return ""
		}
		return rules.Held(m, func(sim string) sms.Usage { return used[sim] }, now)
	}, nil
}

// spent says why a modem that has another SIM is not to use this one for now. What
// cannot be read is no reason.
func (d *daemon) spent(ctx context.Context, rules *sms.Rules, sim string) string {
	l := rules.Limits(sim)
	if !l.Any() {
		return ""
	}
	used, err := d.store.Usage(ctx)
	if err != nil {
		d.log.Error("what SIMs have sent", "err", err)
		return ""
	}
	_, why := l.Spent(used[sim], time.Now())
	return why
}

// limitViews tells of modems what the limits of their SIMs mean now.
func (d *daemon) limitViews(ctx context.Context, views []httpd.Modem) {
	rules := d.gate.Rules
	if len(rules.PerSIM) == 0 {
		return
	}
	used, err := d.store.Usage(ctx)
	if err != nil {
		d.log.Error("what SIMs have sent", "err", err)
		return
	}
	now := time.Now()
	for i := range views {
		l, u := rules.Limits(views[i].SIM), used[views[i].SIM]
		views[i].Waits, views[i].WaitsUntil = rests(l, u, now)
		if a, ok := l.Alarm(u, now); ok {
			views[i].Quota = &httpd.Finding{Code: a.Code, Cause: a.Cause, NextStep: a.Step}
		}
	}
}

// rests says why a SIM does not send all that it might now, and until when.
func rests(l sms.Limits, u sms.Usage, now time.Time) (why string, until time.Time) {
	if at, why := l.For(1).Next(u, now); at.After(now) {
		return why, at
	}
	if at, why := l.Next(u, now); at.After(now) {
		return why + "; only queue 1 leaves", at
	}
	return "", time.Time{}
}

// limits looks at the SIMs that have some.
func (d *doctor) limits(ctx context.Context) {
	rules := d.config.rules()
	if len(rules.PerSIM) == 0 {
		return
	}
	if _, err := os.Stat(d.config.database()); errors.Is(err, fs.ErrNotExist) {
		return // the gateway never ran here
	}
	used, err := d.usage(ctx)
	if err != nil {
		d.tell(diagnosis{Subject: "SIMs", Code: "queue-unreadable", Cause: err.Error()})
		return
	}
	for _, e := range d.config.SIM {
		if l := rules.Limits(e.Name); l.Any() {
			d.tell(judgeLimits(l, used[e.Name], time.Now()))
		}
	}
}

func (d *doctor) usage(ctx context.Context) (map[string]sms.Usage, error) {
	store, err := d.config.openReader()
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return store.Usage(ctx)
}

// judgeLimits: a SIM that rests between messages, or at night, does what it is told.
func judgeLimits(l sms.Limits, u sms.Usage, now time.Time) diagnosis {
	f := diagnosis{Subject: "SIM " + l.SIM, Code: allRight, Cause: "within its limits"}
	if a, ok := l.Alarm(u, now); ok {
		f.Code, f.Cause, f.NextStep = a.Code, a.Cause, a.Step
	} else if until, why := l.Spent(u, now); why != "" {
		f.Cause = fmt.Sprintf("%s; but for queue 1 it rests until %s", why, until.Local().Format(clock))
	}
	return f
}
