package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cellpost/ingress/httpd"
	"cellpost/modem"
)

func (d *daemon) modemViews() []httpd.Modem {
	modems := d.fleet.Modems()
	views := make([]httpd.Modem, len(modems))
	for i, m := range modems {
		views[i] = modemView(m.Facts(), m.Calls(), m.Notices())
	}
	d.limitViews(context.Background(), views)
	return views
}

func modemView(f modem.Facts, calls []modem.Call, notices []modem.Notice) httpd.Modem {
	view := httpd.Modem{
		Name: f.Name, Device: f.Device, State: string(f.State()), Since: f.Since, Problem: f.Problem, NextStep: f.NextStep(),
		SIM: f.SIM, IMEI: f.IMEI, IMSI: f.IMSI, ICCID: f.ICCID, MSISDN: f.MSISDN, SMSC: f.SMSC,
		Manufacturer: f.Manufacturer, Model: f.Model, Revision: f.Revision,
		Operator: f.Operator, Network: string(f.Network), SignalDBm: f.SignalDBm, Reception: f.Reception,
		Profile: f.Profile, ProfileTitle: f.ProfileTitle, USB: f.USB, Setup: f.Setup, Rung: f.Rung, NextReset: f.NextReset,
		Suspended: f.Suspended, NetworkTime: f.NetworkTime.Time, ClockSource: f.NetworkTime.Source,
		Sent: f.Sent, Refused: f.Refused, Stalls: f.Stalls, LastSent: f.LastSent,
	}
	if f.Slots > 1 {
		view.Slot, view.Slots = f.Slot+1, f.Slots
	}
	for _, h := range f.Health() {
		view.Health = append(view.Health, httpd.Finding{Code: h.Code, Cause: h.Cause, NextStep: h.Step, Since: h.Since})
	}
	for _, c := range calls {
		view.Calls = append(view.Calls, httpd.Call{At: c.At, From: c.From, Rejected: c.Rejected})
	}
	for _, n := range notices {
		view.Notices = append(view.Notices, httpd.Notice{At: n.At, Text: n.Text})
	}
	return view
}

// clockView is what is known of the clock.
func (d *daemon) clockView() httpd.Clock {
	c := d.clock.clock()
	v := httpd.Clock{Trusted: c.Trusted, Why: c.Why}
	if o, ok := d.time.Offer(time.Now()); ok {
		v.Offset, v.Source = o.Offset.Seconds(), o.Source
	}
	return v
}

// clockFacts are what speaks for the time, with what the networks tell. found is
// when the clock was last found right.
func (d *daemon) clockFacts(found time.Time) clockFacts {
	f := d.config.clockFacts()
	f.kept = !found.IsZero() && wasSet(found, f.now) < clockSetLeast
	if o, ok := d.time.Offer(f.now); ok {
		f.offset, f.source = o.Offset, o.Source
	}
	return f
}

// hearTime takes a time that came over a modem.
func (d *daemon) hearTime(s modem.ClockSample) {
	d.time.Add(s)
	d.clock.poke()
}

// control is what an operator may do with a modem. What waits for it ends when
// ctx does: the door is being closed.
func (d *daemon) control(ctx context.Context, name string) (httpd.ModemControl, bool) {
	modems := d.fleet.Modems()
	i := slices.IndexFunc(modems, func(m *modem.Modem) bool { return m.Facts().Name == name })
	if i < 0 {
		return httpd.ModemControl{}, false
	}
	m := modems[i]
	return httpd.ModemControl{
		Suspend: func() error { return d.suspend(m, true) },
		Resume:  func() error { return d.suspend(m, false) },
		Reset: func(step string) (string, error) {
			d.log.Info("reset by the operator", "modem", name, "step", step)
			return m.Reset(step)
		},
		USSD: func(request context.Context, code string) (httpd.USSDAnswer, error) {
			request, cancel := either(request, ctx)
			defer cancel()
			a, err := m.USSD(request, code)
			return httpd.USSDAnswer{Text: a.Text, Open: a.Open}, err
		},
		CancelUSSD: m.CancelUSSD,
		Trace: func(request context.Context, f func(httpd.TraceLine)) {
			request, cancel := either(request, ctx)
			defer cancel()
			// Its error is that of the context.
			_ = m.Trace().Follow(request, func(l modem.TraceLine, lost int64) error {
				if lost > 0 {
					f(httpd.TraceLine{At: l.At, Dir: " ", Text: fmt.Sprintf("[%d lines came faster than they were read]", lost)})
				}
				f(traceLine(l))
				return nil
			})
		},
		History: func() []httpd.Reading { return readings(m.History()) },
	}, true
}

func traceLine(l modem.TraceLine) httpd.TraceLine {
	dir := "<"
	if l.Sent {
		dir = ">"
	}
	return httpd.TraceLine{At: l.At, Dir: dir, Text: l.Text}
}

// either ends with the first of two contexts.
func either(a, b context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(a)
	stop := context.AfterFunc(b, func() { cancel(context.Cause(b)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

func readings(history []modem.Reading) []httpd.Reading {
	views := make([]httpd.Reading, len(history))
	for i, r := range history {
		views[i] = httpd.Reading{At: r.At, SignalDBm: r.SignalDBm, MinDBm: r.MinDBm, Network: string(r.Network), Operator: r.Operator}
	}
	return views
}

// suspend takes a modem out of service or back. It is noted first, for what is
// on shall be off after a restart, too.
func (d *daemon) suspend(m *modem.Modem, on bool) error {
	name := m.Facts().Name
	if err := d.config.setSuspended(name, on); err != nil {
		return err
	}
	if on {
		d.log.Info("suspended by the operator", "modem", name)
		m.Suspend()
	} else {
		d.log.Info("resumed by the operator", "modem", name)
		m.Resume()
	}
	return nil
}
