package queuetest

import (
	"errors"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// large is a batch of more messages than a store takes in at a time, of an account
// that has so many credits.
func (e *env) large(account string, credits sms.Credits) sms.Batch {
	e.Helper()
	e.ok(e.store.AddAccount(e.ctx, sms.Account{Name: account, Credits: credits}))
	return sms.Batch{Messages: e.messages(2*queue.LargeBatch+1, account), Events: []sms.Event{{Door: "mail", Account: account, Text: "ok"}}}
}

// drawn is a batch of which all but the first message are made as they are drawn, up
// to an error where there is one.
func drawn(b sms.Batch, err error) sms.Batch {
	rest := b.Messages[1:]
	b.Messages, b.Beyond = b.Messages[:1], len(rest)
	b.Rest = func(yield func(sms.Message, error) bool) {
		for _, m := range rest {
			if !yield(m, nil) {
				return
			}
		}
		if err != nil {
			yield(sms.Message{}, err)
		}
	}
	return b
}

// letIn has the clerk do what there is to do now.
func (e *env) letIn() (work []queue.Work) {
	for {
		at, ok, err := e.store.NextDue(e.ctx)
		e.ok(err)
		if !ok || at.After(time.Now()) {
			return work
		}
		for _, w := range e.overdue(0) {
			for range w.Count {
				work = queue.AddWork(work, sms.Message{Lane: w.Lane, Priority: w.Priority})
			}
		}
	}
}

var largeTests = []test{
	{name: "a large batch", run: func(e *env) {
		b := e.large("bulk", 2*credits)
		e.ok(e.store.Add(e.ctx, b))
		e.has("bulk", 2*credits-sms.Credits(len(b.Messages))*sms.Credit)
		e.event()
		if err := e.store.Cancel(e.ctx, b.Messages[1].ID); err != nil { // it is known at once
			e.Fatal(err)
		}
		work := e.letIn()
		if len(work) != 1 || work[0].Lane != b.Messages[0].Lane || work[0].Count < len(b.Messages)-1 {
			e.Errorf("work %+v for %d messages in lane %s", work, len(b.Messages), b.Messages[0].Lane)
		}
		for i, m := range b.Messages {
			if i != 1 {
				e.claimID("a", m.ID)
			}
		}
		e.nothing("a")
	}},
	{name: "a large batch that is drawn", run: func(e *env) {
		b := e.large("bulk", 2*credits)
		e.ok(e.store.Add(e.ctx, drawn(b, nil)))
		e.has("bulk", 2*credits-sms.Credits(len(b.Messages))*sms.Credit)
		e.event()
		e.letIn()
		for _, m := range b.Messages {
			e.claimID("a", m.ID)
		}
		e.nothing("a")
	}},
	{name: "a large batch whose drawing ends in an error", run: func(e *env) {
		b := e.large("bulk", 2*credits)
		broken := errors.New("broken")
		e.is(e.store.Add(e.ctx, drawn(b, broken)), broken)
		e.letIn()
		e.has("bulk", 2*credits)
		e.noEvent()
		e.nothing("a")
	}},
	{name: "a large batch again", run: func(e *env) {
		b := e.large("bulk", 2*credits)
		e.ok(e.store.Add(e.ctx, b))
		e.letIn()
		e.ok(e.store.Add(e.ctx, b))
		e.has("bulk", 2*credits-sms.Credits(len(b.Messages))*sms.Credit)
	}},
	{name: "a large batch beyond the credit is refused as a whole", run: func(e *env) {
		enough := sms.Credits(queue.LargeBatch) * sms.Credit // for the first messages
		b := e.large("poor", enough)
		e.is(e.store.Add(e.ctx, b), sms.ErrNoCredit)
		e.letIn()
		list, err := e.store.List(e.ctx, queue.Filter{Account: "poor"})
		e.ok(err)
		if len(list) != 0 {
			e.Errorf("%d messages are left", len(list))
		}
		e.has("poor", enough)
		e.noEvent()
		e.nothing("a")
	}},
	{name: "a large batch is in nobody's way", run: func(e *env) {
		urgent := e.add(1, priority(1))
		e.ok(e.store.Add(e.ctx, e.large("bulk", 2*credits)))
		e.claimID("a", urgent)
	}},
}
