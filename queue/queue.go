// Package queue moves messages from the store to the lines, and news from the
// lines to the doors. It promises that what [Store.Add] took is handed over
// once, or visibly more often, and never lost.
package queue

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"cellpost/sms"
)

// Line is a registered modem with its SIM. It exists only while both are in service.
type Line interface {
	// Name is the modem, SIM the name of its SIM in routes.
	Name() string
	SIM() string

	// Submit hands one TPDU to the network and returns within the deadlines of
	// the line, whatever the modem does. ctx does not cut a hand-over short; it
	// only keeps one from beginning. One caller at a time.
	Submit(ctx context.Context, h sms.Handover) sms.Outcome
}

// Notifier is a door that delivers events.
type Notifier interface {
	// Notify delivers one event, at least once. An [sms.Undeliverable] error is
	// final; after any other it is called again later.
	Notify(ctx context.Context, e sms.Event) error
}

// Queue is the scheduler: idle lines pull what they may carry, a clerk wakes
// what has come due, and events are delivered until their door has them.
type Queue struct {
	store Store
	rules *sms.Rules
	doors map[string]Notifier
	log   *slog.Logger

	roster roster
	alarm  alarm         // for the clerk
	debts  debts         // that the clerk pays
	turn   chan struct{} // unbuffered: somebody sees the clerk come round
	news   chan struct{} // holds a token when there may be events to deliver
}

// New returns a queue on a store. doors deliver events, by [sms.Event.Door].
func New(store Store, rules *sms.Rules, doors map[string]Notifier, log *slog.Logger) *Queue {
	return &Queue{
		store: store, rules: rules, doors: doors, log: log,
		alarm: alarm{changed: make(chan struct{}, 1)},
		turn:  make(chan struct{}),
		news:  make(chan struct{}, 1),
	}
}

// Recover settles what an earlier process left behind. Call it once, before
// Run and before any line is served.
func (q *Queue) Recover(ctx context.Context) error {
	open, err := q.store.Abandon(ctx)
	if err != nil {
		return err
	}
	moved, err := q.store.Reroute(ctx)
	if err != nil {
		return err
	}
	if open > 0 || moved > 0 {
		q.log.Warn("recovered from an earlier run", "unknown", open, "rerouted", moved)
	}
	return nil
}

// Run does what time demands (delays, expiry, unknown outcomes) and delivers
// events, until ctx ends. Lines are served apart, by [Queue.Serve].
func (q *Queue) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { q.clerk(ctx) })
	for range newsWorkers {
		wg.Go(func() { q.deliver(ctx) })
	}
	wg.Wait()
	return nil
}

// Add stores a batch and wakes the lines that may carry it.
func (q *Queue) Add(ctx context.Context, b sms.Batch) error {
	if err := q.store.Add(ctx, b); err != nil {
		return err
	}
	for _, a := range b.Audience {
		if a.Notify.Delay > 0 {
			q.alarm.notLater(time.Now().Add(a.Notify.Delay))
		}
	}
	if Large(b) { // its messages come to the lines by the clerk
		q.alarm.notLater(time.Now())
		b.Messages = nil
	}
	var work []Work
	for _, m := range b.Messages {
		if m.State == sms.Queued {
			work = AddWork(work, m)
		}
		q.alarm.notLater(m.Review)
		if !m.At.IsZero() {
			q.alarm.notLater(time.Now()) // the store decides about it by its clock
		}
	}
	q.roster.wake(work)
	if len(b.Events) > 0 {
		poke(q.news)
	}
	return nil
}

// Report takes a status report off a modem; the modem may acknowledge it when
// Report returns nil.
func (q *Queue) Report(ctx context.Context, r sms.Report) error {
	matched, err := q.store.Report(ctx, r)
	if err != nil {
		return err
	}
	if matched {
		q.stir() // the rest of its message may have waited for it
	} else {
		q.log.Debug("status report kept, matches nothing yet", "modem", r.Modem, "sim", r.SIM)
	}
	poke(q.news)
	return nil
}

// Receive takes a message from a handset off a modem; the modem may
// acknowledge it when Receive returns nil.
func (q *Queue) Receive(ctx context.Context, in sms.Inbound) error {
	fresh, due, err := q.store.Receive(ctx, in)
	if err != nil {
		return err
	}
	if !fresh {
		q.log.Debug("message from a handset is stored already", "modem", in.Modem, "sim", in.SIM)
	}
	q.alarm.notLater(due)
	poke(q.news)
	return nil
}

// Trust takes what is known of the clock, and has everything done that follows
// from it. Call it before Run, again whenever the clock was set or the judgement
// about it changed, and now and then.
func (q *Queue) Trust(ctx context.Context, c sms.Clock) error {
	if err := q.store.Trust(ctx, c); err != nil {
		return fmt.Errorf("judge the clock: %w", err)
	}
	q.alarm.notLater(time.Now())
	return nil
}

// Late takes the result of a hand-over that had ended unknown. The modem tells it
// once: while the store fails it is owed, so that the error is nil for now.
func (q *Queue) Late(ctx context.Context, attempt int64, o sms.Outcome) error {
	late := func() error { return q.store.Late(context.WithoutCancel(ctx), attempt, o) }
	if err := late(); err != nil {
		q.log.Error("late result not recorded yet", "attempt", attempt, "err", err)
		q.debts.add(late)
	}
	q.stir()
	poke(q.news)
	return nil
}

// Cancel stops a message; see [Store.Cancel].
func (q *Queue) Cancel(ctx context.Context, id sms.ID) error {
	defer poke(q.news)
	return q.store.Cancel(ctx, id)
}

// CancelBatch stops what has not left of a submission; see [Store.CancelBatch].
func (q *Queue) CancelBatch(ctx context.Context, submission sms.ID) (int, error) {
	defer poke(q.news)
	return q.store.CancelBatch(ctx, submission)
}

// Retry sends a message again; see [Store.Retry].
func (q *Queue) Retry(ctx context.Context, id sms.ID) error {
	m, err := q.store.Retry(ctx, id)
	if err != nil {
		return err
	}
	q.alarm.notLater(m.Review)
	q.roster.wake(AddWork(nil, m))
	return nil
}

// RetryEvent has an event tried once more that was given up; see [Store.RetryEvent].
func (q *Queue) RetryEvent(ctx context.Context, id int64) error {
	defer poke(q.news)
	return q.store.RetryEvent(ctx, id)
}

// Serving returns the SIMs in service.
func (q *Queue) Serving() []string { return q.roster.serving() }

// stir makes everybody look again, after something that may have changed what
// is to be sent, or by whom.
func (q *Queue) stir() {
	q.alarm.notLater(time.Now())
	q.roster.wakeAll()
}

// poke leaves a token in a channel of one, unless one is there.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// drain takes the token out of a channel of one, and reports whether one was there.
func drain(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
