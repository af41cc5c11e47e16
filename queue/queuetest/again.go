package queuetest

import (
	"slices"
	"strings"
	"time"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/sms"
)

// within is how soon a handset has to confirm a message in these tests.
const within = 5 * time.Minute

const spare = sms.Number("447700900999")

// confirm asks that a message goes again that no handset confirms: to a second
// number, or, where that is empty, by another SIM.
func confirm(to sms.Number) func(*sms.Message) {
	return func(m *sms.Message) { m.Again = sms.Again{Within: within, To: to} }
}

var againTests = []test{
	{name: "again: confirmed in time", run: func(e *env) {
		id := e.sent("a", 17, confirm(""))
		e.overdue(within - time.Second)
		e.report("a", 17, string(number), received, true)
		e.overdue(time.Second)
		e.want(id, sms.Delivered)
		e.nothing("b")
		if at, ok, err := e.store.NextDue(e.ctx); ok || err != nil {
			e.Errorf("still due at %v, %v", at, err)
		}
	}},
	{name: "again: by another SIM, once", run: func(e *env) {
		id := e.sent("a", 17, confirm(""))
		e.report("a", 17, string(number), trying, true) // does not put it off
		e.overdue(within - time.Second)
		e.want(id, sms.Sent)
		if work := e.overdue(time.Second); len(work) != 1 {
			e.Fatalf("work %v", work)
		}
		m := e.want(id, sms.Queued, sms.Queued)
		e.flagged(id, true)
		if !strings.Contains(m.Why, "no report from the handset in 5m0s: again, by another SIM than a") {
			e.Errorf("says %q", m.Why)
		}
		e.nothing("a")
		e.settle(e.claimID("b", id), accepted(18))
		e.want(id, sms.Sent, sms.Sent)
		e.overdue(within)
		e.overdue(48 * time.Hour)
		e.want(id, sms.Sent)
		e.nothing("c")
		e.balance(credits - sms.Credit)
		e.tells(id, "accepted", "sending", "sent", "report", "no report", "sending", "sent", "no report")
	}},
	{name: "again: the same SIM, if it alone works", run: func(e *env) {
		id := e.sent("a", 17, confirm(""))
		e.overdue(within)
		c, err := e.store.Claim(e.ctx, queue.By{SIM: "a", Modem: "modem-a", Alone: true})
		e.ok(err)
		if c.Message.ID != id || c.Repeat {
			e.Errorf("claim %+v: the first copy is no reason for TP-RD", c)
		}
	}},
	{name: "again: a late refusal of what was before the first copy", run: func(e *env) {
		id := e.add(1, confirm(""))
		c := e.claimID("a", id)
		e.settle(c, ambiguous)
		e.overdue(unknownWait)
		e.settle(e.claimID("b", id), accepted(18))
		e.overdue(within)
		e.want(id, sms.Queued, sms.Queued)
		e.ok(e.store.Late(e.ctx, c.Attempt, refused(noSuchNumber)))
		e.flagged(id, true) // the network has what b sent
		e.settle(e.claimID("a", id), accepted(19))
		e.flagged(id, true)
	}},
	{name: "again: all parts", run: func(e *env) {
		id := e.add(3, confirm(""))
		c := e.claimID("a", id)
		c, err := e.store.PartSent(e.ctx, c, accepted(1))
		e.ok(err)
		c, err = e.store.PartSent(e.ctx, c, accepted(2))
		e.ok(err)
		e.settle(c, accepted(3))
		e.report("a", 1, string(number), received, true)
		e.overdue(within)
		e.want(id, sms.Queued, sms.Queued, sms.Queued, sms.Queued)
		e.report("a", 2, string(number), received, true)
		e.want(id, sms.Queued, sms.Queued, sms.Queued, sms.Queued)
		e.report("a", 3, string(number), received, true) // now it has the whole first copy
		e.want(id, sms.Delivered, sms.Delivered, sms.Delivered, sms.Delivered)
		e.flagged(id, false)
		e.nothing("b")
	}},
	{name: "again: a report that comes before the second copy has begun", run: func(e *env) {
		id := e.sent("a", 17, confirm(""))
		e.overdue(within)
		e.report("a", 17, string(number), trying, true)
		e.report("a", 17, string(number), noRoute, true)
		e.want(id, sms.Queued) // the second copy is to arrive all the same
		e.report("a", 17, string(number), received, true)
		e.want(id, sms.Delivered)
		e.flagged(id, false)
		e.nothing("b")
		e.balance(credits - sms.Credit)
	}},
	{name: "again: a report on the first copy while the second is under way", run: func(e *env) {
		id := e.sent("a", 17, confirm(""))
		e.overdue(within)
		c := e.claimID("b", id)
		e.report("a", 17, string(number), received, true)
		e.want(id, sms.Sending)
		e.settle(c, refused(congestion))
		e.want(id, sms.Delivered)
		e.flagged(id, true) // it may have been on its way
		e.nothing("c")
	}},
	{name: "again: a report on the first copy after the second", run: func(e *env) {
		id := e.sent("a", 17, confirm(""))
		e.overdue(within)
		e.settle(e.claimID("b", id), accepted(18))
		e.report("a", 17, string(number), received, true)
		e.want(id, sms.Delivered)
		e.flagged(id, true)
		e.report("b", 18, string(number), received, true)
		e.want(id, sms.Delivered)
	}},
	{name: "again: the second copy is refused for good", run: func(e *env) {
		id := e.sent("a", 17, confirm(""))
		e.overdue(within)
		e.settle(e.claimID("b", id), refused(noSuchNumber))
		e.want(id, sms.Failed)
		e.balance(credits - sms.Credit) // the network has the first
		e.report("a", 17, string(number), received, true)
		e.want(id, sms.Delivered)
	}},
	{name: "again: cancelled before the second copy", run: func(e *env) {
		id := e.sent("a", 17, confirm(""))
		e.is(e.store.Cancel(e.ctx, id), queue.ErrState)
		e.overdue(within)
		e.ok(e.store.Cancel(e.ctx, id))
		e.want(id, sms.Cancelled)
		e.nothing("b")
		e.balance(credits - sms.Credit)
	}},
	{name: "again: after the validity", run: func(e *env) {
		id := e.sent("a", 17, confirm(""), validFor(time.Minute))
		e.overdue(within)
		e.claimID("b", id)
	}},
	{name: "again: not where it was not sent", run: func(e *env) {
		id := e.add(1, confirm(spare), validFor(time.Minute))
		e.overdue(within)
		e.want(id, sms.Expired)
		e.elsewhere(0)
		e.balance(credits)
	}},
	{name: "again: to the second number", run: func(e *env) {
		m := e.message(2, confirm(spare), priority(1), func(m *sms.Message) { m.ClientID = "order66" })
		answer := sms.Event{Door: "mail", Account: shop, To: "a@b.example", Subject: "s", Ref: "<1@b>", Text: "ID"}
		e.ok(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{m}, Events: []sms.Event{answer}}))
		e.toldOnce(sms.ID{}, "ID")
		c, err := e.store.PartSent(e.ctx, e.claimID("a", m.ID), accepted(1))
		e.ok(err)
		e.settle(c, accepted(2))
		e.overdue(within)
		second := e.elsewhere(1)[0]
		e.want(m.ID, sms.Sent, sms.Sent, sms.Sent)
		e.flagged(m.ID, false)
		e.balance(credits - 4*sms.Credit)
		if second.Text != secret && second.Text != m.Text || second.ClientID != "order66" || second.Submission != m.Submission || second.Priority != 1 ||
			second.Account != shop || second.Duplicate {
			e.Errorf("second message %+v", second)
		}
		for _, link := range []struct{ at, to sms.ID }{{m.ID, second.ID}, {second.ID, m.ID}} {
			if _, timeline := e.show(link.at); !strings.Contains(story(timeline), link.to.String()) {
				e.Errorf("no link to %s in:\n%s", link.to, story(timeline))
			}
		}
		e.toldOnce(second.ID, second.ID.String())
		if work := e.overdue(0); len(work) != 1 || work[0].Priority != 1 {
			e.Errorf("nobody is called to the second message: %v", work)
		}
		c = e.claimID("a", second.ID)
		s, _, err := pdu.ParseSubmit(c.Message.Parts[0].TPDU)
		e.ok(err)
		if s.Destination.Value != string(spare) {
			e.Errorf("sent to %s", s.Destination.Value)
		}
		c, err = e.store.PartSent(e.ctx, c, accepted(3))
		e.ok(err)
		e.settle(c, accepted(4))
		e.overdue(within) // it does not go further
		e.overdue(72 * time.Hour)
		e.elsewhere(1)
		e.report("a", 1, string(number), received, true) // too late for the second, not for the first
		e.report("a", 2, string(number), received, true)
		e.want(m.ID, sms.Delivered)
		e.want(second.ID, sms.Sent)
	}},
	{name: "again: to the second number at once, when the first fails", run: func(e *env) {
		refusedID := e.add(1, confirm(spare))
		e.settle(e.claimID("a", refusedID), refused(noSuchNumber))
		e.want(refusedID, sms.Failed)
		e.elsewhere(1)
		e.balance(credits - sms.Credit) // the first is given back
		reported := e.add(1, confirm(spare))
		c := e.claim("a")
		for c.Message.ID != reported {
			e.settle(c, accepted(5))
			c = e.claim("a")
		}
		e.settle(c, accepted(17))
		e.report("a", 17, string(number), noRoute, true)
		e.want(reported, sms.Failed)
		e.elsewhere(2)
		e.overdue(within)
		e.elsewhere(2)
	}},
	{name: "again: to the second number, when the outcome stays unknown", run: func(e *env) {
		id := e.add(1, confirm(spare), func(m *sms.Message) { m.Resend = false })
		e.settle(e.claim("a"), ambiguous)
		e.overdue(unknownWait)
		e.want(id, sms.Unknown)
		e.elsewhere(1)
	}},
	{name: "again: to the second number, without the credit", run: func(e *env) {
		m := e.message(1, confirm(spare), func(m *sms.Message) { m.Price = credits })
		answer := sms.Event{Door: "mail", Account: shop, To: "a@b.example", Text: "ID"}
		e.ok(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{m}, Events: []sms.Event{answer}}))
		e.toldOnce(sms.ID{}, "ID")
		e.settle(e.claimID("a", m.ID), accepted(1))
		e.overdue(within)
		second := e.elsewhere(1)[0]
		if second.State != sms.Failed || second.Fault != sms.FaultCredit || second.Price != 0 || second.Parts[0].State != sms.Failed {
			e.Errorf("second message %+v", second)
		}
		if m := e.want(m.ID, sms.Sent); m.Fault != "" {
			e.Errorf("the first has fault %q: it was sent", m.Fault)
		}
		e.balance(0)
		e.toldOnce(second.ID, "could not go to the second number, not enough credit")
		e.nothing("a")
		e.overdue(within)
		e.elsewhere(1)
	}},
	{name: "again: a possible duplicate is told where the submission was answered", run: func(e *env) {
		m := e.message(1)
		answer := sms.Event{Door: "mail", Account: shop, To: "a@b.example", Text: "ID"}
		e.ok(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{m}, Events: []sms.Event{answer}}))
		e.toldOnce(sms.ID{}, "ID")
		e.settle(e.claim("a"), ambiguous)
		e.overdue(unknownWait)
		e.flagged(m.ID, true)
		e.toldOnce(m.ID, "possible duplicate: outcome unknown")
		e.settle(e.claim("b"), ambiguous)
		e.overdue(unknownWait)
		if _, _, err := e.store.ClaimEvent(e.ctx, time.Minute); err != queue.ErrNothing {
			e.Errorf("told again: %v", err)
		}
	}},
	{name: "a SIM that is refused whatever the number", run: func(e *env) {
		var ids []sms.ID
		for i := range 6 {
			id := e.add(1, to(number[:len(number)-1]+sms.Number('0'+rune(i))))
			ids = append(ids, id)
			e.settle(e.claimID("a", id), refused(barred))
		}
		for i, id := range ids[4:] {
			if m := e.want(id, sms.Queued); m.Tries != 0 || m.Avoid != "a" {
				e.Errorf("message %d: %d tries, avoiding %q: it is the SIM", i, m.Tries, m.Avoid)
			}
		}
		e.overdue(2 * time.Minute)
		for range ids { // still barred: none of them fails
			c, err := e.store.Claim(e.ctx, queue.By{SIM: "a", Modem: "modem-a", Alone: true})
			e.ok(err)
			e.settle(c, refused(barred))
			e.want(c.Message.ID, sms.Queued)
		}
		e.overdue(3 * time.Minute)
		for range ids { // and when it has been paid they go
			e.settle(e.claim("a"), accepted(1))
		}
		for _, id := range ids {
			e.want(id, sms.Sent)
		}
		bad := e.add(1)
		e.settle(e.claim("a"), refused(barred))
		e.settle(e.claimID("b", bad), refused(barred))
		e.want(bad, sms.Failed) // it is the number again
	}},
	{name: "a number that is refused time after time says nothing about the SIM", run: func(e *env) {
		for range 7 {
			id := e.add(1)
			e.settle(e.claimID("a", id), refused(barred))
			e.settle(e.claimID("b", id), refused(barred))
			e.want(id, sms.Failed)
		}
	}},
	{name: "the same SIM again is no second opinion, however late", run: func(e *env) {
		id := e.add(1)
		for range 4 {
			e.settle(e.claimID("a", id), refused(barred))
			e.want(id, sms.Queued)
			e.overdue(time.Hour, "a")
		}
		e.settle(e.claimID("a", id), refused(barred))
		e.want(id, sms.Failed)
	}},
	{name: "that an earlier hand-over never left ends no back-off", rules: sms.Rules{SIMs: []string{"a"}}, run: func(e *env) {
		id := e.add(1)
		first := e.claim("a")
		e.settle(first, ambiguous)
		e.overdue(unknownWait)
		e.settle(e.claimID("a", id), refused(congestion))
		before := e.want(id, sms.Queued)
		e.ok(e.store.Late(e.ctx, first.Attempt, notSent))
		if after := e.want(id, sms.Queued); !after.Due.Equal(before.Due) {
			e.Errorf("due at %v, was %v", after.Due, before.Due)
		}
	}},
	{name: "who takes over says from whom", run: func(e *env) {
		id := e.add(1)
		c := e.claim("a")
		time.Sleep(45 * time.Second)
		e.settle(c, ambiguous)
		e.overdue(unknownWait)
		e.settle(e.claimID("b", id), accepted(1))
		_, timeline := e.show(id)
		want := "part 1 of 1 by modem-b (b); taken over from modem-a (a), which stalled for 45s: no result within 60s"
		if told := story(timeline); !strings.Contains(told, want) {
			e.Errorf("no %q in:\n%s", want, told)
		}
	}},
}

// barred is a refusal that may be about the SIM or the number: CMS 21.
const barred = 21

// elsewhere returns the messages to the second number, of which there are so many.
func (e *env) elsewhere(want int) []sms.Message {
	e.Helper()
	list, err := e.store.List(e.ctx, queue.Filter{})
	e.ok(err)
	list = slices.DeleteFunc(list, func(m sms.Message) bool { return m.To != spare })
	if len(list) != want {
		e.Fatalf("%d messages to the second number, want %d", len(list), want)
	}
	return list
}

// toldOnce takes the news that is due, which must be one.
func (e *env) toldOnce(about sms.ID, text string) {
	e.Helper()
	n, _, err := e.store.ClaimEvent(e.ctx, time.Hour)
	e.ok(err)
	if n.Message != about || !strings.Contains(n.Text, text) || n.To != "a@b.example" || n.Door != "mail" {
		e.Errorf("news %+v, want some about %s that says %q", n, about, text)
	}
	e.ok(e.store.EventDone(e.ctx, n.ID, sms.EventDelivered, time.Now(), ""))
}
