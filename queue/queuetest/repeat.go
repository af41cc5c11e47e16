package queuetest

import (
	"time"

	"cellpost/queue"
)

// repeatTests are about asking a service centre to reject a duplicate. It
// compares TP-MR and number alone (3GPP TS 23.040, 9.2.3.25), so nobody may ask
// where the SIM has handed over anything else for the number while a service
// centre could still hold it.
var repeatTests = []test{
	{name: "repeat: nothing else went there", run: func(e *env) { e.repeats(true, func() {}, func() {}) }},
	{name: "repeat: another message before", run: func(e *env) {
		e.repeats(false, func() { e.sent("a", 1) }, func() {})
	}},
	{name: "repeat: another message between", run: func(e *env) {
		e.repeats(false, func() {}, func() { e.sent("a", 1) })
	}},
	{name: "repeat: another message that may have arrived", run: func(e *env) {
		e.repeats(false, func() { e.doubt("a") }, func() {})
	}},
	{name: "repeat: another message that was refused", run: func(e *env) {
		e.repeats(true, func() { e.settle(e.claimID("a", e.add(1)), refused(noSuchNumber)) }, func() {})
	}},
	{name: "repeat: another message by another SIM", run: func(e *env) {
		e.repeats(true, func() { e.sent("b", 1) }, func() { e.sent("b", 2) })
	}},
	{name: "repeat: another number", run: func(e *env) {
		e.repeats(true, func() { e.sent("a", 1, to("447700900999")) }, func() { e.sent("a", 2, to("447700900999")) })
	}},
	{name: "repeat: another message almost seven days before", run: func(e *env) {
		e.repeats(false, func() { e.sent("a", 1); time.Sleep(7*24*time.Hour - time.Hour) }, func() {})
	}},
	{name: "repeat: another message on its way", run: func(e *env) {
		e.repeats(false, func() {}, func() { e.claimID("a", e.add(1)) })
	}},
	{name: "repeat: another message seven days before", run: func(e *env) {
		e.repeats(true, func() { e.sent("a", 1); time.Sleep(7 * 24 * time.Hour) }, func() {})
	}},
	{name: "repeat: another part of the same message", run: func(e *env) {
		id := e.add(2)
		c, err := e.store.PartSent(e.ctx, e.claimID("a", id), accepted(1))
		e.ok(err)
		e.settle(c, ambiguous)
		e.overdue(unknownWait)
		if c := e.claimID("a", id); c.Part != 1 || c.Repeat || c.Reference != byte(c.Attempt) {
			e.Errorf("claim %+v: want part 2 under a reference of its own", c)
		}
	}},
}

// repeats checks whether a message of unknown outcome is sent again by its SIM
// as a repetition, when other things happen before its first hand-over and
// between the two.
func (e *env) repeats(want bool, before, between func()) {
	e.Helper()
	before()
	first := e.doubt("a")
	between()
	e.overdue(unknownWait)
	e.overdue(escalateAfter)
	for { // what before left in doubt comes first
		c := e.claim("a")
		if c.Message.ID != first.Message.ID {
			continue
		}
		reference := byte(c.Attempt)
		if want {
			reference = first.Reference
		}
		if c.Repeat != want || c.Reference != reference {
			e.Errorf("repeat %v with reference %d, want %v with %d", c.Repeat, c.Reference, want, reference)
		}
		return
	}
}

// doubt stores a message and has its outcome unknown.
func (e *env) doubt(sim string) queue.Claim {
	e.Helper()
	c := e.claimID(sim, e.add(1))
	e.settle(c, ambiguous)
	return c
}
