package queuetest

import (
	"strings"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// at asks for a time of the clock, in so long, with an hour of validity.
func at(d time.Duration) func(*sms.Message) {
	return func(m *sms.Message) {
		m.At = time.Now().Add(d)
		m.Due, m.Expires = m.At, m.At.Add(time.Hour)
	}
}

// trust tells the store what to think of the clock, and has it do what follows.
func (e *env) trust(yes bool) []queue.Work {
	e.Helper()
	e.ok(e.store.Trust(e.ctx, sms.Clock{Trusted: yes, Why: "nothing vouches for it", Judged: time.Now()}))
	return e.overdue(0)
}

// next checks when the store has something to do; 0: never.
func (e *env) next(in time.Duration) {
	e.Helper()
	due, ok, err := e.store.NextDue(e.ctx)
	e.ok(err)
	switch {
	case ok != (in != 0):
		e.Fatalf("next due %v, %v; want it in %v", due, ok, in)
	case ok && time.Until(due).Round(time.Second) != in:
		e.Fatalf("next due in %v, want %v", time.Until(due), in)
	}
}

// timedTests are about messages that wait for a time of the clock.
var timedTests = []test{
	{name: "timed: on time", run: func(e *env) {
		e.trust(true)
		id := e.add(1, at(2*time.Hour))
		m := e.want(id, sms.Scheduled, sms.Queued)
		if !m.At.Equal(time.Now().Add(2 * time.Hour).Truncate(time.Millisecond)) {
			e.Errorf("for %v", m.At)
		}
		e.next(2 * time.Hour)
		e.overdue(2*time.Hour - time.Second)
		e.nothing("a")
		if work := e.overdue(time.Second); len(work) != 1 || work[0].Count != 1 {
			e.Errorf("work %v", work)
		}
		e.next(time.Hour) // the end of its validity
		e.settle(e.claimID("a", id), accepted(1))
		e.tells(id, "accepted", "queued", "sending", "sent")
	}},
	{name: "timed: held until the clock is trusted", run: func(e *env) {
		e.trust(false)
		later, past := e.add(1, at(2*time.Hour)), e.add(1, at(-time.Minute))
		over := e.add(1, at(-time.Hour))
		plain, delayed := e.add(1), e.add(1, in(time.Hour))
		for _, id := range []sms.ID{later, past, over} {
			if m := e.want(id, sms.Held); !strings.Contains(m.Why, "the clock is not trusted: nothing vouches for it") {
				e.Errorf("why: %s", m.Why)
			}
		}
		e.settle(e.claimID("a", plain), accepted(1)) // no time is needed for this
		e.nothing("a")
		e.next(time.Hour)
		e.overdue(time.Hour)
		e.settle(e.claimID("a", delayed), accepted(2))
		e.nothing("a")
		e.overdue(0) // nothing changes for them
		e.tells(past, "accepted")
		e.trust(true)
		e.want(later, sms.Scheduled)
		e.want(over, sms.Expired)
		e.want(past, sms.Expired)
		e.tells(later, "accepted", "scheduled")
		e.tells(over, "accepted", "expired")
		e.balance(credits - 3*sms.Credit)
		e.overdue(time.Hour)
		e.claimID("a", later)
		e.tells(later, "accepted", "scheduled", "queued", "sending")
	}},
	{name: "timed: released as soon as the clock is trusted", rules: routes, run: func(e *env) {
		e.trust(false)
		id := e.add(1, at(time.Minute), escalate(2))
		time.Sleep(30 * time.Minute)
		if work := e.trust(true); len(work) != 1 {
			e.Errorf("work %v", work)
		}
		e.overdue(escalateAfter - time.Second)
		e.nothing("b") // the first tier has its time all the same
		e.claimID("a", id)
		e.tells(id, "accepted", "queued", "sending")
	}},
	{name: "timed: held again", run: func(e *env) {
		e.trust(true)
		waits, released := e.add(1, at(2*time.Hour)), e.add(1, at(time.Hour))
		e.overdue(time.Hour)
		due := e.add(1, at(time.Minute))
		time.Sleep(2 * time.Minute) // nobody has looked yet
		e.trust(false)
		e.want(due, sms.Held)
		e.want(waits, sms.Held)
		e.want(released, sms.Queued)
		e.claimID("a", released)
		e.next(lease)
		e.overdue(5 * time.Hour)
		e.want(waits, sms.Held)
		e.tells(waits, "accepted", "held")
	}},
	{name: "timed: nobody has looked before its validity was over", run: func(e *env) {
		e.trust(true)
		id := e.add(1, at(time.Minute))
		e.overdue(2 * time.Hour)
		e.want(id, sms.Expired)
		e.balance(credits)
		e.tells(id, "accepted", "expired")
	}},
	{name: "timed: a held message is cancelled", run: func(e *env) {
		e.trust(false)
		id := e.add(1, at(time.Hour))
		e.want(id, sms.Held)
		e.nothing("a")
		e.ok(e.store.Cancel(e.ctx, id))
		e.trust(true)
		e.want(id, sms.Cancelled)
		e.balance(credits)
	}},
	{name: "timed: the clock has not been judged", run: func(e *env) {
		id := e.add(1, at(time.Hour))
		e.want(id, sms.Held)
		e.next(0)
		e.overdue(2 * time.Hour)
		e.want(id, sms.Held)
		e.trust(true)
		e.want(id, sms.Expired)
	}},
	{name: "timed: past when it comes in", run: func(e *env) {
		e.trust(true)
		id := e.add(1, at(-time.Minute))
		e.overdue(0)
		e.claimID("a", id)
	}},
}
