package queuetest

import (
	"errors"
	"strings"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

var outcomeTests = []test{
	{name: "sent", run: func(e *env) {
		id := e.add(1)
		c := e.claim("a")
		time.Sleep(2 * time.Second)
		e.settle(c, accepted(17))
		m := e.want(id, sms.Sent, sms.Sent)
		p := m.Parts[0]
		if p.SIM != "a" || p.MR != 17 {
			e.Errorf("part taken by %s with reference %d", p.SIM, p.MR)
		}
		if len(p.Attempts) != 1 {
			e.Fatalf("%d attempts, want 1", len(p.Attempts))
		}
		a := p.Attempts[0]
		if a.ID != c.Attempt || a.SIM != "a" || a.Modem != "modem-a" || a.Outcome.Kind != sms.Accepted || a.Outcome.MR != 17 ||
			a.Ended.Sub(a.Started) != 2*time.Second {
			e.Errorf("attempt %+v", a)
		}
		e.tells(id, "accepted", "sending", "sent")
		e.is(e.store.Settle(e.ctx, c, accepted(18)), queue.ErrLost)
		e.balance(credits - sms.Credit)
		e.nothing("a")
	}},
	{name: "a timeline has who and why, never the text or the number", run: func(e *env) {
		id := e.add(2)
		c, err := e.store.PartSent(e.ctx, e.claim("a"), accepted(17))
		e.ok(err)
		e.settle(c, refused(congestion))
		_, timeline := e.show(id)
		told := story(timeline)
		for _, want := range []string{"smtp 192.0.2.1", "modem-a", "(a)", "part 1 of 2", "reference 17", "CMS 42: congestion"} {
			if !strings.Contains(told, want) {
				e.Errorf("no %q in:\n%s", want, told)
			}
		}
		for _, never := range []string{secret, string(number)} {
			if strings.Contains(told, never) {
				e.Errorf("%q is in:\n%s", never, told)
			}
		}
	}},
	{name: "refused for good", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claim("a"), refused(noSuchNumber))
		m := e.want(id, sms.Failed, sms.Failed)
		if m.Tries != 1 || m.Why == "" {
			e.Errorf("failed after %d tries because of %q", m.Tries, m.Why)
		}
		e.balance(credits)
		e.tells(id, "accepted", "sending", "failed")
		e.nothing("b")
	}},
	{name: "refused for now", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claim("a"), refused(congestion))
		m := e.want(id, sms.Queued, sms.Queued)
		if m.Tries != 1 || m.Avoid != "a" || !m.Due.After(time.Now()) {
			e.Errorf("queued after %d tries, avoiding %q until %v", m.Tries, m.Avoid, m.Due)
		}
		e.nothing("b") // not before its time
		e.overdue(time.Until(m.Due))
		c := e.claimID("b", id)
		if c.Repeat {
			e.Error("a refusal is no reason for TP-RD")
		}
	}},
	{name: "not sent costs no try", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claim("a"), notSent)
		if m := e.want(id, sms.Queued, sms.Queued); m.Tries != 0 {
			e.Errorf("%d tries", m.Tries)
		}
		e.settle(e.claimID("b", id), accepted(1))
		e.want(id, sms.Sent)
	}},
	{name: "parts stay with their SIM", run: func(e *env) {
		id := e.add(3)
		c := e.claim("a")
		second, err := e.store.PartSent(e.ctx, c, accepted(1))
		e.ok(err)
		if second.Part != 1 || second.Attempt == c.Attempt || second.Message.Parts[0].State != sms.Sent || second.Message.Parts[1].State != sms.Sending {
			e.Fatalf("second claim %+v", second)
		}
		_, err = e.store.PartSent(e.ctx, c, accepted(1))
		e.is(err, queue.ErrLost)
		e.settle(second, refused(congestion))
		m := e.want(id, sms.Queued, sms.Sent, sms.Queued, sms.Queued)
		e.overdue(time.Until(m.Due))
		e.nothing("b")
		second = e.claimID("a", id)
		if second.Part != 1 {
			e.Fatalf("claimed part index %d, want 1", second.Part)
		}
		third, err := e.store.PartSent(e.ctx, second, accepted(2))
		e.ok(err)
		e.settle(third, accepted(3))
		e.want(id, sms.Sent, sms.Sent, sms.Sent, sms.Sent)
		e.tells(id, "accepted", "sending", "part sent", "sending", "queued", "sending", "part sent", "sending", "sent")
	}},
	{name: "the last part is not for PartSent", run: func(e *env) {
		id := e.add(1)
		c := e.claim("a")
		if _, err := e.store.PartSent(e.ctx, c, accepted(1)); err == nil {
			e.Fatal("PartSent of the last part passed")
		}
		e.settle(c, accepted(1)) // the attempt is still open
		e.want(id, sms.Sent)
	}},
	{name: "given back between parts", run: func(e *env) {
		id := e.add(2)
		c, err := e.store.PartSent(e.ctx, e.claim("a"), accepted(1))
		e.ok(err)
		e.ok(e.store.GiveBack(e.ctx, c, "going down"))
		e.want(id, sms.Queued, sms.Sent, sms.Queued)
		e.nothing("b")
		e.settle(e.claimID("a", id), accepted(2))
		e.want(id, sms.Sent, sms.Sent, sms.Sent)
	}},
	{name: "given back when a part could not be delivered", run: func(e *env) {
		id := e.add(2)
		c, err := e.store.PartSent(e.ctx, e.claim("a"), accepted(1))
		e.ok(err)
		e.report("a", 1, string(number), noRoute, true)
		e.ok(e.store.GiveBack(e.ctx, c, "going down"))
		e.want(id, sms.Failed, sms.Failed, sms.Failed)
		e.nothing("a")
	}},
	{name: "settled between parts", run: func(e *env) {
		id := e.add(2)
		e.settle(e.claim("a"), accepted(1))
		e.want(id, sms.Queued, sms.Sent, sms.Queued)
		e.nothing("b")
		e.settle(e.claimID("a", id), accepted(2))
		e.want(id, sms.Sent, sms.Sent, sms.Sent)
	}},
	{name: "starting over", rules: routes, run: func(e *env) {
		id := e.add(2, escalate(1))
		c, err := e.store.PartSent(e.ctx, e.claim("a"), accepted(1))
		e.ok(err)
		e.settle(c, notSent)
		e.nothing("b")
		e.overdue(escalateAfter)
		e.want(id, sms.Queued, sms.Queued, sms.Queued)
		e.is(e.store.Late(e.ctx, c.Attempt, accepted(2)), nil) // it was not unknown
		c, err = e.store.PartSent(e.ctx, e.claimID("b", id), accepted(5))
		e.ok(err)
		if c.Part != 1 {
			e.Errorf("part index %d, want 1", c.Part)
		}
		e.settle(c, accepted(6))
		e.want(id, sms.Sent, sms.Sent, sms.Sent)
		e.report("a", 1, string(number), received, false) // of the copy that does not count
		e.want(id, sms.Sent, sms.Sent, sms.Sent)
	}},
	{name: "abandoned", run: func(e *env) {
		alone, parts, quiet := e.add(1), e.add(2), e.add(1)
		e.claimID("a", alone)
		_, err := e.store.PartSent(e.ctx, e.claimID("b", parts), accepted(1))
		e.ok(err)
		n, err := e.store.Abandon(e.ctx)
		e.ok(err)
		if n != 2 {
			e.Fatalf("%d attempts abandoned, want 2", n)
		}
		e.want(alone, sms.Unknown, sms.Unknown)
		e.want(parts, sms.Unknown, sms.Sent, sms.Unknown)
		e.want(quiet, sms.Queued)
		e.tells(alone, "accepted", "sending", "unknown")
		n, err = e.store.Abandon(e.ctx)
		e.ok(err)
		if n != 0 {
			e.Fatalf("%d attempts abandoned twice", n)
		}
		e.overdue(unknownWait)
		e.flagged(alone, true)
		e.claimID("b", alone)
		if c := e.claimID("b", parts); c.Part != 1 || c.Repeat {
			e.Errorf("claim %+v: want part 2 again", c)
		}
	}},
	{name: "cancel", run: func(e *env) {
		queued, scheduled := e.add(1), e.add(1, in(time.Hour))
		e.ok(e.store.Cancel(e.ctx, queued))
		e.ok(e.store.Cancel(e.ctx, scheduled))
		e.want(queued, sms.Cancelled)
		e.want(scheduled, sms.Cancelled)
		e.tells(queued, "accepted", "cancelled")
		e.balance(credits)
		e.nothing("a")
		e.is(e.store.Cancel(e.ctx, queued), queue.ErrState)
		e.is(e.store.Cancel(e.ctx, sms.NewID(time.Now())), queue.ErrNoMessage)
		if work := e.overdue(time.Hour); len(work) != 0 {
			e.Errorf("cancelled messages give work to %v", work)
		}
	}},
	{name: "cancel too late", run: func(e *env) {
		id := e.add(1)
		c := e.claim("a")
		e.is(e.store.Cancel(e.ctx, id), queue.ErrState)
		e.settle(c, accepted(1))
		e.is(e.store.Cancel(e.ctx, id), queue.ErrState)
		e.balance(credits - sms.Credit)
	}},
	{name: "cancel an unknown one costs its price", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claim("a"), ambiguous)
		e.ok(e.store.Cancel(e.ctx, id))
		e.want(id, sms.Cancelled)
		e.balance(credits - sms.Credit)
		if work := e.overdue(unknownWait); len(work) != 0 {
			e.Errorf("it is sent again by %v", work)
		}
	}},
	{name: "cancel between parts costs the price", run: func(e *env) {
		id := e.add(2)
		e.settle(e.claim("a"), accepted(1))
		e.ok(e.store.Cancel(e.ctx, id))
		e.want(id, sms.Cancelled)
		e.balance(credits - 2*sms.Credit)
	}},
}

// doubtTests are about outcomes that are not known.
var doubtTests = []test{
	{name: "unknown is sent again and flagged", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claim("a"), ambiguous)
		e.want(id, sms.Unknown, sms.Unknown)
		e.flagged(id, false)
		e.nothing("b")
		if work := e.overdue(unknownWait); len(work) != 1 {
			e.Fatalf("work for lanes %v, want one", work)
		}
		e.want(id, sms.Queued, sms.Queued)
		e.flagged(id, true)
		e.nothing("a") // others first
		c := e.claimID("b", id)
		if c.Repeat {
			e.Error("TP-RD does nothing at another SIM")
		}
		e.settle(c, accepted(2))
		e.want(id, sms.Sent, sms.Sent)
		e.flagged(id, true)
		e.tells(id, "accepted", "sending", "unknown", "queued", "sending", "sent")
	}},
	{name: "unknown at the same SIM asks for no second copy", run: func(e *env) {
		id := e.add(1)
		first := e.claim("a")
		e.settle(first, ambiguous)
		e.overdue(unknownWait)
		e.overdue(escalateAfter)
		second := e.claimID("a", id)
		if !second.Repeat || second.Reference != first.Reference {
			e.Errorf("repeat %v, reference %d, want that of the first: %d", second.Repeat, second.Reference, first.Reference)
		}
		e.settle(second, ambiguous)
		e.overdue(unknownWait)
		e.overdue(escalateAfter)
		third := e.claimID("a", id)
		if !third.Repeat || third.Reference != first.Reference {
			e.Errorf("repeat %v, reference %d, want that of the first: %d", third.Repeat, third.Reference, first.Reference)
		}
		e.settle(third, refused(duplicate)) // so the first had arrived
		e.want(id, sms.Sent, sms.Sent)
	}},
	{name: "unknown is held where the account says so", run: func(e *env) {
		id := e.add(1, func(m *sms.Message) { m.Resend = false })
		e.settle(e.claim("a"), ambiguous)
		if work := e.overdue(unknownWait); len(work) != 0 {
			e.Fatalf("work for lanes %v", work)
		}
		e.want(id, sms.Unknown, sms.Unknown)
		e.nothing("b")
		e.tells(id, "accepted", "sending", "unknown", "unknown")
		if at, ok, err := e.store.NextDue(e.ctx); ok || err != nil {
			e.Errorf("still due at %v, %v", at, err)
		}
	}},
	{name: "late acceptance before the resend", run: func(e *env) {
		id := e.add(1)
		c := e.claim("a")
		e.settle(c, ambiguous)
		e.ok(e.store.Late(e.ctx, c.Attempt, accepted(9)))
		if m := e.want(id, sms.Sent, sms.Sent); m.Parts[0].MR != 9 || m.Parts[0].SIM != "a" {
			e.Errorf("part %+v", m.Parts[0])
		}
		e.overdue(unknownWait)
		e.nothing("b")
		e.flagged(id, false)
		e.tells(id, "accepted", "sending", "unknown", "late result", "sent")
	}},
	{name: "late acceptance of a resend that waits", run: func(e *env) {
		id := e.add(1)
		c := e.claim("a")
		e.settle(c, ambiguous)
		e.overdue(unknownWait)
		e.flagged(id, true)
		e.ok(e.store.Late(e.ctx, c.Attempt, accepted(9)))
		e.want(id, sms.Sent, sms.Sent)
		e.nothing("b")
		e.flagged(id, false)
	}},
	{name: "a late result does not make a message certain that starts over", rules: routes, run: func(e *env) {
		for _, late := range []sms.Outcome{accepted(9), refused(noSuchNumber), refused(congestion), notSent} {
			id := e.add(2, escalate(1))
			c, err := e.store.PartSent(e.ctx, e.claimID("a", id), accepted(1))
			e.ok(err)
			e.settle(c, ambiguous)
			e.overdue(unknownWait)
			e.overdue(escalateAfter)
			e.want(id, sms.Queued, sms.Queued, sms.Queued)
			e.ok(e.store.Late(e.ctx, c.Attempt, late))
			e.flagged(id, true) // part 1 is to leave again
			e.sends("b", id)
			e.flagged(id, true)
		}
	}},
	{name: "late acceptance while the resend is open", run: func(e *env) {
		id := e.add(1)
		first := e.claim("a")
		e.settle(first, ambiguous)
		e.overdue(unknownWait)
		second := e.claimID("b", id)
		e.ok(e.store.Late(e.ctx, first.Attempt, accepted(9)))
		e.want(id, sms.Sending)
		e.settle(second, refused(congestion)) // no third copy
		e.want(id, sms.Sent, sms.Sent)
		e.nothing("c")
		e.report("a", 9, string(number), received, true)
		e.want(id, sms.Delivered)
	}},
	{name: "late acceptance after the resend", run: func(e *env) {
		id := e.add(1)
		first := e.claim("a")
		e.settle(first, ambiguous)
		e.overdue(unknownWait)
		e.settle(e.claimID("b", id), accepted(3))
		e.ok(e.store.Late(e.ctx, first.Attempt, accepted(9)))
		if m := e.want(id, sms.Sent, sms.Sent); m.Parts[0].SIM != "b" || m.Parts[0].MR != 3 {
			e.Errorf("part %+v", m.Parts[0])
		}
		e.flagged(id, true) // now it is certain
		e.tells(id, "accepted", "sending", "unknown", "queued", "sending", "sent", "late result")
	}},
	{name: "a late refusal clears the flag", run: func(e *env) {
		id := e.add(1)
		first := e.claim("a")
		e.settle(first, ambiguous)
		e.overdue(unknownWait)
		e.settle(e.claimID("b", id), accepted(3))
		e.flagged(id, true)
		e.ok(e.store.Late(e.ctx, first.Attempt, refused(congestion)))
		e.want(id, sms.Sent, sms.Sent)
		e.flagged(id, false)
	}},
	{name: "a late refusal before the resend", run: func(e *env) {
		id := e.add(1)
		c := e.claim("a")
		e.settle(c, ambiguous)
		e.ok(e.store.Late(e.ctx, c.Attempt, refused(noSuchNumber)))
		e.want(id, sms.Failed, sms.Failed)
		e.flagged(id, false)
		e.balance(credits)
	}},
	{name: "a late refusal of one of two in doubt", run: func(e *env) {
		id := e.add(1)
		first := e.claim("a")
		e.settle(first, ambiguous)
		e.overdue(unknownWait)
		e.settle(e.claimID("b", id), ambiguous)
		e.ok(e.store.Late(e.ctx, first.Attempt, refused(congestion)))
		e.want(id, sms.Unknown, sms.Unknown)
		e.flagged(id, true)
	}},
	{name: "a late result after the cancel", run: func(e *env) {
		late := func(o sms.Outcome) sms.ID {
			id := e.add(1)
			c := e.claimID("a", id)
			e.settle(c, ambiguous)
			e.ok(e.store.Cancel(e.ctx, id))
			e.ok(e.store.Late(e.ctx, c.Attempt, o))
			return id
		}
		e.want(late(accepted(1)), sms.Sent)
		e.want(late(refused(congestion)), sms.Cancelled)
		e.nothing("b")
	}},
	{name: "a late result that comes before its line gave up settles the attempt", run: func(e *env) {
		id := e.add(1)
		c := e.claim("a")
		e.ok(e.store.Late(e.ctx, c.Attempt, accepted(7)))
		e.want(id, sms.Sent, sms.Sent)
		if err := e.store.Settle(e.ctx, c, ambiguous); !errors.Is(err, queue.ErrLost) {
			e.Errorf("settle afterwards: %v", err)
		}
		e.want(id, sms.Sent, sms.Sent)
	}},
	{name: "a late result for another attempt changes nothing", run: func(e *env) {
		id := e.add(1)
		c := e.claim("a")
		e.ok(e.store.Late(e.ctx, c.Attempt+99, accepted(1)))
		e.want(id, sms.Sending, sms.Sending)
		e.settle(c, accepted(2))
		e.ok(e.store.Late(e.ctx, c.Attempt, refused(noSuchNumber)))
		e.want(id, sms.Sent, sms.Sent)
		e.tells(id, "accepted", "sending", "sent")
	}},
	{name: "late for one part whose resend waits, the rest goes by its SIM", run: func(e *env) {
		id := e.add(2)
		c := e.claim("a")
		e.settle(c, ambiguous)
		e.overdue(unknownWait)
		e.ok(e.store.Late(e.ctx, c.Attempt, accepted(1)))
		e.want(id, sms.Queued, sms.Sent, sms.Queued)
		e.nothing("b")
		if c := e.claimID("a", id); c.Part != 1 || c.Repeat {
			e.Errorf("claim %+v", c)
		}
	}},
	{name: "late for one part, the rest goes by its SIM", run: func(e *env) {
		id := e.add(2)
		c := e.claim("a")
		e.settle(c, ambiguous)
		e.ok(e.store.Late(e.ctx, c.Attempt, accepted(1)))
		e.want(id, sms.Queued, sms.Sent, sms.Queued)
		e.nothing("b")
		if c := e.claimID("a", id); c.Part != 1 || c.Repeat {
			e.Errorf("claim %+v", c)
		}
	}},
}
