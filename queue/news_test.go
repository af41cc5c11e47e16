package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/sms"
)

// door delivers events as answer says, and notes when it was asked to.
type door struct {
	answer func(ctx context.Context, e sms.Event) error

	mu    sync.Mutex // guards calls
	calls []string   // "30s hello": since the year 2000, where bubbles begin
}

func (d *door) Notify(ctx context.Context, e sms.Event) error {
	d.mu.Lock()
	d.calls = append(d.calls, fmt.Sprintf("%v %s", time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), e.Text))
	d.mu.Unlock()
	return d.answer(ctx, e)
}

var errBusy = errors.New("451 try again later")

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(context.Context, sms.Event) error
		events int
		during time.Duration
		want   []string // calls; nil: they are too many to tell
		dead   bool     // nothing is left to be delivered after during
	}{
		{"delivered once", func(context.Context, sms.Event) error { return nil }, 1, 30 * 24 * time.Hour, []string{"0s 0"}, true},
		{"retried with back-off", func(context.Context, sms.Event) error { return errBusy }, 1, 3 * time.Hour, []string{
			"0s 0", "30s 0", "1m30s 0", "3m30s 0", "7m30s 0", "15m30s 0", "31m30s 0", "1h3m30s 0", "2h3m30s 0",
		}, false},
		{"never deliverable", func(context.Context, sms.Event) error {
			return fmt.Errorf("mail: %w", &sms.Undeliverable{Reason: "no such mailbox"})
		}, 1, 30 * 24 * time.Hour, []string{"0s 0"}, true},
		{"given up after three days", func(context.Context, sms.Event) error { return errBusy }, 1, 3*24*time.Hour + 2*time.Hour, nil, true},
		{"not given up before", func(context.Context, sms.Event) error { return errBusy }, 1, 3*24*time.Hour - 2*time.Hour, nil, false},
		{"one that hangs delays no other", func(ctx context.Context, e sms.Event) error {
			if e.Text == "0" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}, 6, 80 * time.Second, []string{"0s 0", "0s 1", "0s 2", "0s 3", "0s 4", "0s 5"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &door{answer: c.answer}
			bubble(t, sms.Rules{}, map[string]queue.Notifier{"mail": d}, func(w *world) {
				w.news("mail", c.events)
				w.until(c.during)
				d.mu.Lock()
				slices.Sort(d.calls[:min(c.events, len(d.calls))]) // those of one moment come in any order
				if c.want != nil && !slices.Equal(d.calls, c.want) {
					t.Errorf("calls were %q, want %q", d.calls, c.want)
				}
				d.mu.Unlock()
				if w.newsEnded() != c.dead {
					t.Errorf("nothing is left to deliver: %v, want %v; %d calls", !c.dead, c.dead, len(d.calls))
				}
			})
		})
	}
}

// news stores events, in one transaction.
func (w *world) news(door string, n int) {
	w.Helper()
	var b sms.Batch
	for i := range n {
		b.Events = append(b.Events, sms.Event{Door: door, Text: fmt.Sprint(i)})
	}
	w.ok(w.queue.Add(w.ctx, b))
	synctest.Wait()
}

// newsEnded reports whether no event will ever be handed out again.
func (w *world) newsEnded() bool {
	w.Helper()
	_, next, err := w.store.ClaimEvent(w.ctx, time.Minute)
	if !errors.Is(err, queue.ErrNothing) {
		w.Fatalf("an event is due that nobody delivers: %v", err)
	}
	return next.IsZero()
}

func TestEventWithoutDoor(t *testing.T) {
	d := &door{answer: func(context.Context, sms.Event) error { return nil }}
	bubble(t, sms.Rules{}, map[string]queue.Notifier{"mail": d}, func(w *world) {
		w.news("pigeon", 1)
		w.until(time.Second)
		if !w.newsEnded() || len(d.calls) != 0 {
			w.Errorf("an event that no door delivers is still waiting, or went by %q", d.calls)
		}
	})
}

// TestEventAtTheEnd stops the queue while a delivery is under way: it is
// finished and recorded.
func TestEventAtTheEnd(t *testing.T) {
	d := &door{answer: func(ctx context.Context, _ sms.Event) error {
		select {
		case <-time.After(39 * time.Second): // 9 s after the end
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	bubble(t, sms.Rules{}, nil, func(w *world) {
		q := queue.New(w.store, w.rules, map[string]queue.Notifier{"mail": d}, discard)
		w.stop() // the queue of the world has no door for it
		w.ok(w.store.Add(w.ctx, sms.Batch{Events: []sms.Event{{Door: "mail", Text: "0"}}}))
		stop := w.run(q.Run)
		w.until(30 * time.Second)
		stop()
		if d.calls == nil || !w.newsEnded() {
			w.Errorf("calls were %q, or the event is still waiting", d.calls)
		}
	})
}

func TestEventsWhenTheStoreIsBack(t *testing.T) {
	d := &door{answer: func(context.Context, sms.Event) error { return nil }}
	bubble(t, sms.Rules{}, map[string]queue.Notifier{"mail": d}, func(w *world) {
		w.store.down.Store(true)
		w.news("mail", 5)
		w.until(10500 * time.Millisecond)
		w.store.down.Store(false)
		w.until(12 * time.Second)
		if len(d.calls) != 5 || !w.newsEnded() {
			w.Errorf("calls were %q", d.calls)
		}
	})
}

// TestReceive shows that the clerk hands over what waits for parts in vain.
func TestReceive(t *testing.T) {
	bubble(t, sms.Rules{PartsWait: time.Minute}, nil, func(w *world) {
		receive := func(seq byte) {
			d := pdu.Deliver{
				Originator: pdu.Address{TON: pdu.TONAlphanumeric, Value: "Pump"}, Time: time.Now(),
				UserData: pdu.UserData{Header: []pdu.IE{pdu.Concat{Reference: 1, Total: 2, Seq: seq, Bits: 8}.IE()}, Data: []byte("hello")},
			}
			tpdu, err := d.AppendBinary(nil)
			w.ok(err)
			w.ok(w.queue.Receive(w.ctx, sms.Inbound{SIM: "a", Modem: "m", TPDU: tpdu, Received: time.Now()}))
		}
		inbox := func(want ...string) {
			list, err := w.store.Inbox(w.ctx, 0)
			w.ok(err)
			var got []string
			for _, in := range list {
				got = append(got, in.Text)
			}
			if !slices.Equal(got, want) {
				w.Errorf("the inbox has %q, want %q", got, want)
			}
		}
		receive(1)
		w.until(59 * time.Second)
		inbox()
		w.until(61 * time.Second)
		inbox("hello[part 2 of 2 is missing]")
		receive(2)
		inbox("hellohello")
	})
}
