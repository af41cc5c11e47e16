package queuetest

import (
	"cellpost/queue"
	"cellpost/sms"
)

// sends claims a message for a SIM, and sends all its parts. It returns the
// concatenation reference of the last.
func (e *env) sends(sim string, id sms.ID) uint16 {
	e.Helper()
	c := e.claimID(sim, id)
	for c.Part < len(c.Message.Parts)-1 {
		next, err := e.store.PartSent(e.ctx, c, accepted(byte(c.Attempt)))
		e.ok(err)
		if next.Concat != c.Concat {
			e.Fatalf("part %d has reference %d, part %d has %d", c.Part+1, c.Concat, next.Part+1, next.Concat)
		}
		c = next
	}
	e.settle(c, accepted(byte(c.Attempt)))
	return c.Concat
}

var referenceTests = []test{
	{name: "a SIM counts references for each number", run: func(e *env) {
		const other = sms.Number("447700900124")
		first := e.sends("a", e.add(2))
		strange := e.sends("a", e.add(2, to(other)))
		for i := range uint16(300) { // the eight bits wrap
			if got := e.sends("a", e.add(2)); got != (first+i+1)&255 {
				e.Fatalf("message %d to the number has reference %d, the first has %d", i+2, got, first)
			}
		}
		if got := e.sends("a", e.add(3, to(other))); got != (strange+1)&255 {
			e.Errorf("the other number has reference %d after %d", got, strange)
		}
	}},
	{name: "the rest of a message has the reference of its first parts", run: func(e *env) {
		id := e.add(3)
		c, err := e.store.PartSent(e.ctx, e.claim("a"), accepted(1))
		e.ok(err)
		e.settle(c, notSent)
		e.sends("a", e.add(2, priority(1)))
		if got := e.sends("a", id); got != c.Concat {
			e.Errorf("reference %d, the first part had %d", got, c.Concat)
		}
	}},
	{name: "a repetition has the reference of what may have left", run: func(e *env) {
		id := e.add(2)
		c := e.claim("a")
		e.settle(c, ambiguous)
		e.overdue(unknownWait + escalateAfter)
		again := e.claimID("a", id)
		if again.Concat != c.Concat || !again.Repeat {
			e.Errorf("reference %d, repeat %v; the first had reference %d", again.Concat, again.Repeat, c.Concat)
		}
	}},
	{name: "who starts over has a new reference", rules: routes, run: func(e *env) {
		id := e.add(2, escalate(1))
		c, err := e.store.PartSent(e.ctx, e.claim("a"), accepted(1))
		e.ok(err)
		e.settle(c, notSent)
		e.overdue(escalateAfter)
		if got := e.sends("a", id); got == c.Concat {
			e.Errorf("all parts leave again by %s under the reference %d that the handset has seen", c.By.SIM, got)
		}
	}},
	{name: "a second copy has a new reference", run: func(e *env) {
		id := e.add(2, confirm(""))
		first := e.sends("a", id)
		e.overdue(within)
		c, err := e.store.Claim(e.ctx, queue.By{SIM: "a", Modem: "modem-a", Alone: true})
		e.ok(err)
		if c.Message.ID != id || c.Concat == first {
			e.Errorf("message %s with reference %d; the first copy of %s had %d", c.Message.ID, c.Concat, id, first)
		}
	}},
}

var leaseTests = []test{
	{name: "a line that hangs loses its message", run: func(e *env) {
		id := e.add(1)
		c := e.claim("a")
		at, ok, err := e.store.NextDue(e.ctx)
		e.ok(err)
		now, err := e.store.Now(e.ctx)
		e.ok(err)
		if !ok || at.Sub(now) != lease {
			e.Errorf("next due in %v (%v), want the end of the lease", at.Sub(now), ok)
		}
		e.overdue(lease - 1e6)
		e.want(id, sms.Sending, sms.Sending)
		e.overdue(1e6)
		e.want(id, sms.Unknown, sms.Unknown)
		e.is(e.store.Settle(e.ctx, c, accepted(9)), queue.ErrLost)
		e.ok(e.store.Late(e.ctx, c.Attempt, accepted(9)))
		e.want(id, sms.Sent, sms.Sent)
		e.flagged(id, false)
	}},
	{name: "each part has its lease", run: func(e *env) {
		id := e.add(2)
		c := e.claim("a")
		e.overdue(lease - 1e6)
		_, err := e.store.PartSent(e.ctx, c, accepted(1))
		e.ok(err)
		e.overdue(1e6)
		e.want(id, sms.Sending, sms.Sent, sms.Sending)
		e.overdue(lease)
		e.want(id, sms.Unknown, sms.Sent, sms.Unknown)
	}},
}
