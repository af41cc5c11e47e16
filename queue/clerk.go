package queue

import (
	"context"
	"errors"
	"sync"
	"time"
)

// alarm is when the clerk has to look at the store next.
type alarm struct {
	changed chan struct{} // holds a token when at was moved forward

	mu sync.Mutex // guards at
	at time.Time  // zero: never. With a monotonic reading: the clock may be set meanwhile
}

// unset gives a time of the store a monotonic reading.
func unset(t time.Time) time.Time {
	now := time.Now()
	return now.Add(t.Sub(now))
}

// notLater makes the alarm ring at t or before.
func (a *alarm) notLater(t time.Time) {
	if t.IsZero() {
		return
	}
	t = unset(t)
	a.mu.Lock()
	sooner := a.at.IsZero() || t.Before(a.at)
	if sooner {
		a.at = t
	}
	a.mu.Unlock()
	if sooner {
		poke(a.changed)
	}
}

func (a *alarm) set(t time.Time) {
	a.mu.Lock()
	a.at = t
	a.mu.Unlock()
}

// wait returns when the alarm rings; false when ctx ended. Whoever asks for a
// turn meanwhile gets one.
func (a *alarm) wait(ctx context.Context, turn <-chan struct{}) bool {
	for {
		a.mu.Lock()
		at := a.at
		a.mu.Unlock()
		var ring <-chan time.Time
		if !at.IsZero() {
			ring = time.After(time.Until(at))
		}
		select {
		case <-ring:
			return true
		case <-a.changed:
		case <-turn:
		case <-ctx.Done():
			return false
		}
	}
}

// debts are transitions that the store has not taken from a line that is gone, or
// does not wait.
type debts struct {
	mu   sync.Mutex // guards list
	list []func() error
}

func (d *debts) add(transition func() error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, transition)
}

func (d *debts) first() (transition func() error, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == 0 {
		return nil, false
	}
	return d.list[0], true
}

// pay has the store take them, oldest first, and reports whether there were any.
// One caller at a time.
func (d *debts) pay() (some bool, err error) {
	for {
		transition, ok := d.first()
		if !ok {
			return some, nil
		}
		if err := transition(); err != nil && !errors.Is(err, ErrLost) {
			return some, err
		}
		some = true
		d.mu.Lock()
		d.list = d.list[1:]
		d.mu.Unlock()
	}
}

// clerkRetry is how long the clerk waits when the store fails.
const clerkRetry = time.Second

// clerk lets the rules decide about every message whose time has come.
func (q *Queue) clerk(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		err := q.review(ctx)
		if (err != nil) != failing && ctx.Err() == nil {
			failing = err != nil
			q.log.Error("time-driven decisions", "failing", failing, "err", err)
		}
		if err != nil {
			q.alarm.set(time.Now().Add(clerkRetry))
		}
		if !q.alarm.wait(ctx, q.turn) {
			break
		}
	}
	// The lines have ended by now: what they still owe is tried once more.
	if _, err := q.debts.pay(); err != nil {
		q.log.Error("outcomes not recorded; the next start finds them open", "err", err)
	}
}

// review empties what is owed and overdue, and sets the alarm to what comes next.
func (q *Queue) review(ctx context.Context) error {
	for {
		// Whatever comes in from here on moves the alarm again.
		q.alarm.set(time.Time{})
		paid, err := q.debts.pay()
		if paid {
			q.roster.wakeAll()
		}
		if err != nil {
			return err
		}
		work, err := q.store.Overdue(ctx, q.roster.serving())
		if err != nil {
			return err
		}
		if len(work) > 0 {
			q.roster.wakeAll()
			q.roster.urge(work)
		}
		poke(q.news) // what is over somebody may have to hear of
		at, ok, err := q.store.NextDue(ctx)
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		if at.After(time.Now()) {
			q.alarm.notLater(at)
			return nil
		}
	}
}

// Turn returns when the clerk has come round, which shows that it and the store
// are alive.
func (q *Queue) Turn(ctx context.Context) error {
	select {
	case q.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
