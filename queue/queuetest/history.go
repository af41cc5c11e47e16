package queuetest

import (
	"reflect"
	"slices"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// historyTests are about what becomes of messages that are over: they look the
// same from outside, until they are anonymised or purged.
var historyTests = []test{
	{name: "history: looks the same", run: func(e *env) {
		e.today()
		ids := e.overs()
		before := e.look(ids)
		e.days(7, sms.Retention{})
		if moved := e.days(5, sms.Retention{}); moved != len(ids)-2 {
			e.Errorf("%d of %d moved, want all but the unknown and the newest", moved, len(ids))
		}
		if moved := e.days(30, sms.Retention{}); moved != 1 {
			e.Errorf("%d moved, want the unknown one", moved)
		}
		e.same(ids, before)
		for _, id := range ids[:len(ids)-1] {
			e.is(e.store.Cancel(e.ctx, id), queue.ErrState)
		}
		e.is(e.store.Cancel(e.ctx, sms.NewID(time.Now())), queue.ErrNoMessage)
	}},
	{name: "history: an ID is known again", run: func(e *env) {
		e.today()
		m := e.message(1)
		e.ok(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{m}}))
		e.settle(e.claim("a"), accepted(1))
		e.report("a", 1, string(number), received, true)
		e.add(1)
		e.days(40, sms.Retention{})
		e.ok(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{m}}))
		e.want(m.ID, sms.Delivered)
		e.balance(credits - sms.Credit) // the other has expired
	}},
	{name: "history: a report may come for eight days", run: func(e *env) {
		e.today()
		id := e.sent("a", 17, func(m *sms.Message) { m.Expires = m.Expires.Add(6 * 24 * time.Hour) })
		e.days(7, sms.Retention{Keep: 1, Anonymise: sms.LiveFor})
		time.Sleep(23 * time.Hour)
		e.report("a", 17, string(number), received, true)
		e.want(id, sms.Delivered)
	}},
	{name: "history: nothing is confusable for less than seven days", run: func(e *env) {
		e.today()
		e.repeats(false, func() { e.sent("a", 1); e.days(6, sms.Retention{Keep: 1, Anonymise: sms.LiveFor}) }, func() {})
	}},
	{name: "history: the clock of a service centre is remembered", run: func(e *env) {
		e.today()
		for range 5 {
			e.sent("a", 7)
			e.report("a", 7, string(number), received, true)
			time.Sleep(time.Minute)
		}
		old := e.reportTPDU(9, string(number), received)
		e.days(20, sms.Retention{})
		// The same reference again, and its report: the stray one is not taken for it.
		id := e.sent("a", 9)
		e.bring(sms.Report{SIM: "a", TPDU: old, Received: time.Now()}, false)
		e.want(id, sms.Sent)
		e.report("a", 9, string(number), received, true)
	}},
	{name: "history: purged", run: func(e *env) {
		e.today()
		ids := e.overs()
		e.days(80, sms.Retention{Keep: 1})
		for _, id := range ids[:len(ids)-1] {
			_, _, err := e.store.Show(e.ctx, id)
			e.is(err, queue.ErrNoMessage)
		}
		newest := e.add(1)
		list, err := e.store.List(e.ctx, queue.Filter{})
		e.ok(err)
		if len(list) != 2 || list[0].ID != newest || list[1].ID != ids[len(ids)-1] {
			e.Errorf("the list has %d messages, want the new one before the newest of then", len(list))
		}
	}},
	{name: "history: anonymised", run: func(e *env) {
		e.today()
		ids := e.overs()
		before := e.look(ids)
		r := sms.Retention{Anonymise: 15 * 24 * time.Hour}
		e.days(14, r)
		e.same(ids, before)
		e.days(26, r) // the unknown one is not over for 30 days
		for i, id := range ids {
			m, timeline := e.show(id)
			was := before.shown[i]
			if m.To != "*23" || m.Text != "" || len(m.Parts[0].TPDU) > 0 {
				e.Errorf("%s: to %q, text %q", was.State, m.To, m.Text)
			}
			if m.State != was.State || m.Account != was.Account || !m.Created.Equal(was.Created) || len(timeline) != len(before.timelines[i]) {
				e.Errorf("%s: more is gone than number and text: %+v", was.State, m)
			}
		}
	}},
	{name: "history: anonymised so long after the end", run: func(e *env) {
		e.today()
		id := e.add(1, func(m *sms.Message) { m.Expires = m.Expires.Add(19 * 24 * time.Hour) })
		r := sms.Retention{Anonymise: 15 * 24 * time.Hour}
		e.days(30, r) // it has ended ten days ago
		if m := e.want(id, sms.Expired); m.To != number || m.Text != secret {
			e.Errorf("to %q, text %q", m.To, m.Text)
		}
		e.days(10, r)
		if m := e.want(id, sms.Expired); m.To != "*23" || m.Text != "" {
			e.Errorf("to %q, text %q", m.To, m.Text)
		}
	}},
	{name: "history: inbox and news", run: func(e *env) {
		e.today()
		stuck := e.deliver("cannot be deleted")
		e.receive("a", stuck, true, 0)
		e.receive("a", e.deliver("something else"), true, 0)
		e.ok(e.store.Add(e.ctx, sms.Batch{Events: []sms.Event{{Door: "mail", To: "me@example.com", Subject: "to 447700900123", Text: secret}}}))
		e.ok(e.store.EventDone(e.ctx, e.event().ID, sms.EventDelivered, time.Time{}, ""))
		r := sms.Retention{Keep: 1, Anonymise: 10 * 24 * time.Hour}
		e.days(12, r)
		for _, in := range e.inbox("", "") {
			if in.From[0] != '*' || len(in.TPDU) > 0 {
				e.Errorf("from %q, %x", in.From, in.TPDU)
			}
		}
		for range 40 {
			e.days(30, r)
			e.receive("a", stuck, false, 0) // for years
		}
		e.inbox("")
	}},
	{name: "history: not by a clock that was lost", run: func(e *env) {
		// It is the year 2000. What ends by that clock is as old as a message of today.
		ids := e.overs()
		before := e.look(ids)
		e.today()
		r := sms.Retention{Keep: 1, Anonymise: sms.LiveFor}
		if moved := e.days(7, r); moved != 0 {
			e.Errorf("%d moved", moved)
		}
		e.same(ids, before)
		if moved := e.days(2, r); moved == 0 {
			e.Error("nothing moved")
		}
		e.days(20, r)
		for i, id := range ids {
			if m, _ := e.show(id); m.State != before.shown[i].State {
				e.Errorf("%s became %s", before.shown[i].State, m.State)
			}
		}
	}},
}

// today lets the bubble's clock, which begins in the year 2000, show a year that a
// store believes.
func (e *env) today() {
	time.Sleep(time.Until(time.Date(2026, time.November, 22, 10, 0, 0, 0, time.UTC)))
}

// overs makes a message for each way in which one can end, the newest last.
func (e *env) overs() (ids []sms.ID) {
	e.Helper()
	held := func(m *sms.Message) { m.Resend = false }
	ids = append(ids, e.sent("a", 1, func(m *sms.Message) { m.Report = false }), e.sent("a", 2))
	delivered := e.add(3)
	c := e.claimID("b", delivered)
	for mr := range byte(2) {
		var err error
		c, err = e.store.PartSent(e.ctx, c, accepted(3+mr))
		e.ok(err)
	}
	e.settle(c, accepted(5))
	for mr := range byte(3) {
		e.report("b", 3+mr, string(number), received, true)
	}
	failed, unknown := e.add(1), sms.ID{}
	e.settle(e.claimID("a", failed), refused(noSuchNumber))
	unknown = e.add(1, held)
	e.settle(e.claimID("a", unknown), ambiguous)
	cancelled := e.add(1)
	e.ok(e.store.Cancel(e.ctx, cancelled))
	expired := e.add(1)
	e.overdue(24 * time.Hour)
	newest := e.sent("a", 9, func(m *sms.Message) { m.Report = false })
	e.overdue(25 * time.Hour)
	return append(ids, delivered, failed, unknown, cancelled, expired, newest)
}

// days lets days pass, and has the store tidied each day. It returns how many
// messages were moved.
func (e *env) days(n int, r sms.Retention) (moved int) {
	e.Helper()
	for range n {
		done, err := e.store.Tidy(e.ctx, r)
		e.ok(err)
		if !done.Steady || time.Until(done.Next) > 24*time.Hour || !done.Next.After(time.Now()) {
			e.Fatalf("steady is %v, next %v", done.Steady, done.Next)
		}
		moved += done.Moved
		e.overdue(24 * time.Hour)
	}
	return moved
}

// looks is what can be seen of messages.
type looks struct {
	shown     []sms.Message
	timelines [][]sms.Entry
	lists     map[queue.Filter][]sms.Message
}

func (e *env) look(ids []sms.ID) looks {
	e.Helper()
	l := looks{lists: map[queue.Filter][]sms.Message{}}
	for _, id := range ids {
		m, timeline := e.show(id)
		l.shown, l.timelines = append(l.shown, m), append(l.timelines, timeline)
	}
	for _, f := range []queue.Filter{
		{}, {Limit: 3}, {Limit: 5, Account: shop}, {Account: "another"}, {State: sms.Sent}, {State: sms.Queued},
		{State: sms.Failed, Account: shop}, {State: sms.Unknown, Limit: 1}, {State: sms.Sent, Account: shop, Limit: 2},
	} {
		list, err := e.store.List(e.ctx, f)
		e.ok(err)
		l.lists[f] = list
	}
	return l
}

// same checks that messages look as they did.
func (e *env) same(ids []sms.ID, before looks) {
	e.Helper()
	now := e.look(ids)
	for i := range ids {
		if !reflect.DeepEqual(now.shown[i], before.shown[i]) {
			e.Errorf("shown\n%+v, before\n%+v", now.shown[i], before.shown[i])
		}
		if !slices.Equal(now.timelines[i], before.timelines[i]) {
			e.Errorf("timeline\n%s, before\n%s", story(now.timelines[i]), story(before.timelines[i]))
		}
	}
	for f, list := range before.lists {
		if !reflect.DeepEqual(now.lists[f], list) {
			e.Errorf("%+v lists %d\n%+v, before %d\n%+v", f, len(now.lists[f]), now.lists[f], len(list), list)
		}
	}
}
