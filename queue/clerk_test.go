package queue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

func TestClerk(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(*world)
	}{
		{"a delayed message leaves on time", func(w *world) {
			w.serve("a", takes(time.Second))
			w.addOne("1", func(m *sms.Message) { m.Due = time.Now().Add(time.Hour) })
			w.addOne("2", func(m *sms.Message) { m.Due = time.Now().Add(time.Minute) }) // sooner, and stored later
			w.until(2 * time.Hour)
			w.heard("1m0s a 2", "1h0m0s a 1")
		}},
		{"a message leaves at its time, and not before the clock is trusted", func(w *world) {
			trust := func(yes bool) { w.ok(w.queue.Trust(w.ctx, sms.Clock{Trusted: yes, Judged: time.Now()})) }
			at := func(d time.Duration) func(*sms.Message) {
				return func(m *sms.Message) { m.At = w.began.Add(d); m.Due = m.At }
			}
			w.serve("a", takes(time.Second))
			trust(false)
			w.addOne("1", at(time.Hour))
			w.addOne("2", at(3*time.Hour))
			w.until(2 * time.Hour)
			w.want("2", sms.Held)
			trust(true)
			w.until(2*time.Hour + time.Minute)
			w.addOne("3", at(150*time.Minute))
			w.addOne("4", at(2*time.Hour)) // past
			w.until(4 * time.Hour)
			w.heard("2h0m0s a 1", "2h1m0s a 4", "2h30m0s a 3", "3h0m0s a 2")
		}},
		{"a message that no line takes expires", func(w *world) {
			w.addOne("1", func(m *sms.Message) { m.Expires = time.Now().Add(time.Minute) })
			w.until(time.Minute)
			w.want("1", sms.Expired)
			w.serve("a", takes(time.Second))
			w.until(time.Hour)
			w.heard()
		}},
		{"a message refused for now leaves again on time", func(w *world) {
			w.serve("a", first(sms.Outcome{Kind: sms.Refused, Detail: "ERROR"}, takes(time.Second)))
			m := w.message("1")
			m.ID[6], m.ID[7] = 0, 0 // no jitter
			w.ids["1"] = m.ID
			w.ok(w.queue.Add(w.ctx, sms.Batch{Messages: []sms.Message{m}}))
			w.until(time.Minute)
			w.heard("0s a 1", "5s a 1")
		}},
		{"cancelled", func(w *world) {
			w.add("1")
			w.ok(w.queue.Cancel(w.ctx, w.ids["1"]))
			w.serve("a", takes(time.Second))
			w.heard()
			w.want("1", sms.Cancelled)
			if err := w.queue.Cancel(w.ctx, w.ids["1"]); !errors.Is(err, queue.ErrState) {
				w.Errorf("a second time: %v", err)
			}
		}},
		{"turns, also while it has nothing to do and while the store fails", func(w *world) {
			w.ok(w.queue.Turn(w.ctx))
			w.store.down.Store(true)
			w.add("1")
			w.until(time.Minute)
			w.ok(w.queue.Turn(w.ctx))
		}},
		{"does not turn when it has ended", func(w *world) {
			w.stop()
			ctx, cancel := context.WithTimeout(w.ctx, time.Second)
			defer cancel()
			if err := w.queue.Turn(ctx); !errors.Is(err, context.DeadlineExceeded) {
				w.Errorf("got %v", err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) { bubble(t, sms.Rules{}, nil, c.run) })
	}
}

// TestRecover starts a queue on what another one left behind.
func TestRecover(t *testing.T) {
	bubble(t, sms.Rules{}, nil, func(w *world) {
		w.add("open", "moved")
		if _, err := w.store.Claim(w.ctx, queue.By{SIM: "a", Modem: "m"}); err != nil {
			w.Fatal(err)
		}
		w.stop()
		w.rules.Routes = []sms.Route{{Tiers: [][]string{{"b"}}}} // the operator's, since
		q := queue.New(w.store, w.rules, nil, discard)
		w.ok(q.Recover(w.ctx))
		w.want("open", sms.Unknown)
		if m := w.want("moved", sms.Queued); m.Lane != "/0" {
			w.Errorf("still for %s", m.Lane)
		}
		w.queue = q
		w.run(q.Run)
		w.serve("b", takes(time.Second))
		w.until(time.Minute)
		w.heard("0s b moved", "30s b open")
		if m := w.want("open", sms.Sent); !m.Duplicate {
			w.Error("not flagged as a possible duplicate")
		}
	})
}

func TestAddFails(t *testing.T) {
	bubble(t, sms.Rules{}, nil, func(w *world) {
		m := w.message("1")
		m.Account = "nobody"
		if err := w.queue.Add(w.ctx, sms.Batch{Messages: []sms.Message{m}}); !errors.Is(err, sms.ErrNoAccount) {
			w.Errorf("got %v, want %v", err, sms.ErrNoAccount)
		}
	})
}
