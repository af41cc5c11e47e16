package queuetest

import (
	"slices"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// newsTests are about submissions, listings and events.
var newsTests = []test{
	{name: "add again is done", run: func(e *env) {
		b := sms.Batch{Messages: []sms.Message{e.message(1), e.message(1)}, Events: []sms.Event{{Door: "mail"}}}
		e.ok(e.store.Add(e.ctx, b))
		e.ok(e.store.Add(e.ctx, b))
		e.balance(credits - 2*sms.Credit)
		e.settle(e.claimID("a", b.Messages[0].ID), accepted(1))
		e.ok(e.store.Add(e.ctx, b)) // whatever became of it
		e.claimID("a", b.Messages[1].ID)
		e.nothing("a")
		e.event()
		e.noEvent()
	}},
	{name: "no credit", run: func(e *env) {
		dear := func(m *sms.Message) { m.Price = 600 * sms.Credit }
		b := sms.Batch{Messages: []sms.Message{e.message(1, dear), e.message(1, dear)}, Events: []sms.Event{{Door: "mail"}}}
		e.is(e.store.Add(e.ctx, b), sms.ErrNoCredit)
		e.balance(credits)
		e.nothing("a")
		e.noEvent()
		b.Messages = b.Messages[:1]
		e.ok(e.store.Add(e.ctx, b))
		e.balance(400 * sms.Credit)
	}},
	{name: "unlimited", run: func(e *env) {
		e.ok(e.store.AddAccount(e.ctx, sms.Account{Name: "rich", Unlimited: true}))
		e.add(1, func(m *sms.Message) { m.Account = "rich" })
		a, err := e.store.Account(e.ctx, "rich")
		e.ok(err)
		if a.Credits != -sms.Credit {
			e.Errorf("%d millionths are counted, want %d", a.Credits, -sms.Credit)
		}
	}},
	{name: "no account", run: func(e *env) {
		m := e.message(1, func(m *sms.Message) { m.Account = "nobody" })
		e.is(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{e.message(1), m}}), sms.ErrNoAccount)
		e.balance(credits)
		e.nothing("a")
	}},
	{name: "an event that was given up", run: func(e *env) {
		e.ok(e.store.Add(e.ctx, sms.Batch{Events: []sms.Event{{Door: "mail", Text: "x"}}}))
		ev := e.event()
		e.is(e.store.RetryEvent(e.ctx, ev.ID), queue.ErrNoEvent)
		e.ok(e.store.EventDone(e.ctx, ev.ID, sms.EventDead, time.Now(), "no such user"))
		e.noEvent()
		e.is(e.store.RetryEvent(e.ctx, ev.ID+1), queue.ErrNoEvent)
		e.ok(e.store.RetryEvent(e.ctx, ev.ID))
		if again := e.event(); again.ID != ev.ID || again.Tries != 0 || again.Text != "x" {
			e.Errorf("%+v", again)
		}
		e.ok(e.store.EventDone(e.ctx, ev.ID, sms.EventDelivered, time.Now(), ""))
		e.is(e.store.RetryEvent(e.ctx, ev.ID), queue.ErrNoEvent)
	}},
	{name: "list", run: func(e *env) {
		e.ok(e.store.AddAccount(e.ctx, sms.Account{Name: "other", Unlimited: true}))
		first := e.sent("a", 1)
		second := e.add(2)
		third := e.add(1, func(m *sms.Message) { m.Account = "other" })
		for _, c := range []struct {
			filter queue.Filter
			want   []sms.ID
		}{
			{queue.Filter{}, []sms.ID{third, second, first}},
			{queue.Filter{Limit: 2}, []sms.ID{third, second}},
			{queue.Filter{State: sms.Queued}, []sms.ID{third, second}},
			{queue.Filter{State: sms.Failed}, nil},
			{queue.Filter{Account: shop}, []sms.ID{second, first}},
			{queue.Filter{Account: shop, State: sms.Queued}, []sms.ID{second}},
		} {
			list, err := e.store.List(e.ctx, c.filter)
			e.ok(err)
			var got []sms.ID
			for _, m := range list {
				got = append(got, m.ID)
			}
			if !slices.Equal(got, c.want) {
				e.Errorf("%+v lists %v, want %v", c.filter, got, c.want)
			}
			if len(list) > 1 && c.filter.Account == "" && len(list[1].Parts) != 2 {
				e.Errorf("%+v lists %d parts, want 2", c.filter, len(list[1].Parts))
			}
		}
	}},
	{name: "list is bounded", run: func(e *env) {
		for range 60 {
			e.add(1)
		}
		list, err := e.store.List(e.ctx, queue.Filter{})
		e.ok(err)
		if len(list) != 50 {
			e.Errorf("%d messages listed, want 50", len(list))
		}
	}},
	{name: "show nothing", run: func(e *env) {
		_, _, err := e.store.Show(e.ctx, sms.NewID(time.Now()))
		e.is(err, queue.ErrNoMessage)
	}},
	{name: "reroute", rules: routes, run: func(e *env) {
		stale := func(m *sms.Message) sms.Message { m.Lane = "33/0"; return *m }
		queued, scheduled := e.message(1, escalate(2)), e.message(1, in(time.Hour))
		served := e.message(1)
		e.ok(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{stale(&queued), stale(&scheduled), e.message(1), served}}))
		e.settle(e.claim("a"), accepted(1)) // that of a lane that is served
		n, err := e.store.Reroute(e.ctx)
		e.ok(err)
		if n != 2 {
			e.Fatalf("%d messages rerouted, want 2", n)
		}
		if m := e.want(queued.ID, sms.Queued); m.Lane != "44/0" {
			e.Errorf("lane %s", m.Lane)
		}
		if at, _, err := e.store.NextDue(e.ctx); err != nil || at.After(time.Now()) {
			e.Errorf("escalation is not looked at before %v, %v", at, err)
		}
		e.want(scheduled.ID, sms.Scheduled)
		e.claimID("a", queued.ID)
		e.overdue(time.Hour)
		e.claimID("a", served.ID)
		e.claimID("a", scheduled.ID)
	}},
	{name: "events in order, held and delivered", run: func(e *env) {
		m := e.message(1)
		e.ok(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{m}, Events: []sms.Event{
			{Door: "mail", Account: shop, Message: m.ID, To: "reply@example.com", Subject: "s", Ref: "<1@x>", Text: "ID: 1"},
			{Door: "mail", To: "second@example.com"},
		}}))
		first := e.event()
		if first.Door != "mail" || first.Account != shop || first.Message != m.ID || first.To != "reply@example.com" ||
			first.Subject != "s" || first.Ref != "<1@x>" || first.Text != "ID: 1" || first.Created.IsZero() || first.Tries != 0 {
			e.Errorf("event %+v", first)
		}
		second := e.event()
		if second.To != "second@example.com" || !second.Message.IsZero() {
			e.Errorf("event %+v", second)
		}
		if next := e.noEvent(); time.Until(next).Round(time.Second) != hold {
			e.Errorf("ask again in %v, want %v", time.Until(next), hold)
		}
		e.ok(e.store.EventDone(e.ctx, first.ID, sms.EventDelivered, time.Time{}, ""))
		time.Sleep(hold)
		if again := e.event(); again.ID != second.ID || again.Tries != 0 {
			e.Errorf("event %+v, want that which was held", again)
		}
		e.ok(e.store.EventDone(e.ctx, second.ID, sms.EventDead, time.Time{}, "no such mailbox"))
		time.Sleep(hold)
		if next := e.noEvent(); !next.IsZero() {
			e.Errorf("ask again at %v, want never", next)
		}
	}},
	{name: "an event waits its time", run: func(e *env) {
		e.ok(e.store.Add(e.ctx, sms.Batch{Events: []sms.Event{{Door: "mail"}}}))
		ev := e.event()
		e.ok(e.store.EventDone(e.ctx, ev.ID, sms.EventWaiting, time.Now().Add(10*time.Minute), "connection refused"))
		time.Sleep(9 * time.Minute)
		e.noEvent()
		time.Sleep(time.Minute)
		if again := e.event(); again.ID != ev.ID || again.Tries != 1 {
			e.Errorf("event %+v", again)
		}
		if err := e.store.EventDone(e.ctx, ev.ID+99, sms.EventDead, time.Time{}, ""); err == nil {
			e.Error("an event that is not there was done")
		}
	}},
	{name: "the clock", run: func(e *env) {
		now, err := e.store.Now(e.ctx)
		e.ok(err)
		if d := time.Since(now); d < 0 || d > time.Millisecond {
			e.Errorf("the store is %v behind", d)
		}
	}},
}

const hold = time.Minute

func (e *env) event() sms.Event {
	e.Helper()
	ev, _, err := e.store.ClaimEvent(e.ctx, hold)
	e.ok(err)
	return ev
}

func (e *env) noEvent() (next time.Time) {
	e.Helper()
	_, next, err := e.store.ClaimEvent(e.ctx, hold)
	e.is(err, queue.ErrNothing)
	return next
}
