package queue_test

import (
	"context"
	"testing"
	"time"

	"cellpost/sms"
)

// held are two SIMs for 44 in one tier, a of which has limits, and a alone for 49.
func held(l sms.Limits) sms.Rules {
	r := shared
	r.PerSIM = map[string]sms.SIM{"a": {Limits: l}}
	return r
}

var office = sms.Hours{From: 8 * time.Hour, Until: 20 * time.Hour} // the bubble begins at midnight

// TestLimits: lines rest by the clock, and whoever may send takes what they leave.
func TestLimits(t *testing.T) {
	priority := func(p int) func(*sms.Message) { return func(m *sms.Message) { m.Priority = p } }
	for _, c := range []struct {
		name  string
		rules sms.Rules
		run   func(*world)
	}{
		{"a gap from start to start", held(sms.Limits{Gap: 10 * time.Second}), func(w *world) {
			w.serve("a", takes(3*time.Second))
			w.add("1", "2", "3")
			w.until(time.Minute)
			w.heard("0s a 1", "10s a 2", "20s a 3")
		}},
		{"a gap that is shorter than the time on the air", held(sms.Limits{Gap: 2 * time.Second}), func(w *world) {
			w.serve("a", takes(3*time.Second))
			w.add("1", "2", "3")
			w.until(time.Minute)
			w.heard("0s a 1", "3s a 2", "6s a 3")
		}},
		{"a short part after a long one", held(sms.Limits{Gap: 2 * time.Second}), func(w *world) {
			air := 5 * time.Second
			w.serve("a", func(ctx context.Context, h handed) sms.Outcome {
				o := takes(air)(ctx, h)
				air = 0
				return o
			})
			w.add("1", "2", "3")
			w.until(time.Minute)
			w.heard("0s a 1", "5s a 2", "7s a 3")
		}},
		{"a gap between the parts of a message", held(sms.Limits{Gap: 10 * time.Second}), func(w *world) {
			w.serve("a", takes(time.Second))
			w.addOne("1", parts(3))
			w.add("2")
			w.serve("b", takes(time.Second))
			w.until(time.Minute)
			w.heard("0s a 1/1", "0s b 2", "10s a /2", "20s a /3")
			w.want("1", sms.Sent)
		}},
		{"an alarm goes between the parts", held(sms.Limits{Gap: 10 * time.Second}), func(w *world) {
			w.serve("a", takes(time.Second))
			w.addOne("1", parts(2))
			w.until(5 * time.Second)
			w.addOne("alarm", priority(1))
			w.until(time.Minute)
			w.heard("0s a 1/1", "10s a alarm", "20s a /2")
		}},
		{"an alarm goes between the parts where there is no rest", held(sms.Limits{PerMinute: 60}), func(w *world) {
			w.serve("a", takes(5*time.Second))
			w.addOne("1", parts(3))
			w.until(time.Second)
			w.addOne("alarm", priority(1))
			w.until(time.Minute)
			w.heard("0s a 1/1", "5s a alarm", "10s a /2", "15s a /3")
		}},
		{"hours begin", held(sms.Limits{Hours: office}), func(w *world) {
			w.serve("a", takes(time.Second))
			w.add("1", "2")
			w.until(9 * time.Hour)
			w.heard("8h0m0s a 1", "8h0m1s a 2")
		}},
		{"an alarm at night", held(sms.Limits{Hours: office}), func(w *world) {
			w.serve("a", takes(time.Second))
			w.add("1")
			w.until(time.Hour)
			w.addOne("alarm", priority(1))
			w.until(2 * time.Hour)
			w.heard("1h0m0s a alarm")
		}},
		{"a quota moves what comes to the other SIM", held(sms.Limits{PerDay: 2}), func(w *world) {
			w.serve("a", takes(time.Second))
			w.add("1", "2")
			w.until(5 * time.Second)
			w.serve("b", takes(time.Second))
			for i, text := range []string{"3", "4", "5"} {
				w.until(time.Duration(i+1) * 10 * time.Second)
				w.add(text)
			}
			w.addOne("of a alone", to("4915112345678"))
			w.until(time.Hour)
			w.heard("0s a 1", "1s a 2", "10s b 3", "20s b 4", "30s b 5")
			w.until(24*time.Hour - time.Second)
			w.want("of a alone", sms.Queued)
		}},
		{"who is held is not waited for", held(sms.Limits{Hours: office}), func(w *world) {
			w.serve("a", takes(time.Second))
			w.serve("b", first(notSent, takes(time.Second)))
			w.add("1") // b is to avoid it, for a might take it
			w.until(time.Second)
			w.heard("0s b 1", "0s b 1")
		}},
		{"who is held gives nobody's claim an outlet", held(sms.Limits{Hours: office}), func(w *world) {
			w.serve("a", takes(time.Second))
			w.serve("b", takes(time.Minute))
			w.add("1", "2")
			w.until(time.Second)
			w.heard("0s b 1")
			w.events("2", "accepted", "sending")
		}},
		{"the second tier takes over when its time has come", func() sms.Rules {
			r := tiers
			r.PerSIM = map[string]sms.SIM{"a": {Limits: sms.Limits{PerDay: 1}}}
			return r
		}(), func(w *world) {
			w.serve("a", takes(time.Second))
			w.serve("b", takes(time.Second))
			w.addOne("1", escalate(2))
			w.addOne("2", escalate(2))
			w.addOne("3", escalate(1))
			w.until(time.Hour)
			w.heard("0s a 1", "0s b 3", "1m0s b 2")
		}},
	} {
		t.Run(c.name, func(t *testing.T) { bubble(t, c.rules, nil, c.run) })
	}
}
