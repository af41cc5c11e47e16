package queuetest

import (
	"errors"
	"fmt"
	"time"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/sms"
)

// stateTests show what else may happen to a message: docs/states.md has a row for
// each change of a state, and each row is seen.
var stateTests = []test{
	{name: "a message that is dearer than it may be fails at once", run: func(e *env) {
		m := e.message(1)
		m.Price = 0
		m.Refuse(sms.FaultRoute, "too dear")
		e.ok(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{m}}))
		e.want(m.ID, sms.Failed, sms.Failed)
		e.balance(credits)
		e.nothing("a")
	}},
	{name: "the end of a hand-over, when news of an earlier copy came meanwhile", run: func(e *env) {
		for _, end := range ends {
			for _, news := range []sms.State{sms.Sent, sms.Delivered} {
				id, first, second := e.sentAgain()
				if news == sms.Sent {
					e.ok(e.store.Late(e.ctx, first.Attempt, accepted(200)))
				} else {
					e.report("a", 200, e.to(id), received, true)
				}
				e.want(id, sms.Sending)
				end.do(e, second)
				e.want(id, news)
			}
		}
	}},
	{name: "the end of a hand-over, when another part could not be delivered", run: func(e *env) {
		for _, end := range ends {
			id := e.add(2, e.other())
			c, err := e.store.PartSent(e.ctx, e.claimID("a", id), accepted(201))
			e.ok(err)
			e.report("a", 201, e.to(id), noRoute, true)
			end.do(e, c)
			e.want(id, sms.Failed)
		}
	}},
	{name: "the end of a hand-over, when the copy before it could not be delivered", run: func(e *env) {
		for _, end := range ends {
			id, first, second := e.sentAgain()
			e.ok(e.store.Late(e.ctx, first.Attempt, accepted(216)))
			e.report("a", 216, e.to(id), noRoute, true)
			e.want(id, sms.Sending) // the second may arrive
			end.do(e, second)
			if end.outcome.Kind == sms.Accepted {
				e.want(id, sms.Sent)
				continue
			}
			e.want(id, sms.Failed)
		}
	}},
	{name: "the end of a hand-over, when nothing else is known", run: func(e *env) {
		for _, end := range ends {
			id := e.add(2, e.other())
			c := e.claimID("a", id)
			if end.outcome.Kind == sms.Ambiguous {
				e.vague(202, id, trying, false) // that is counted in the end
			}
			end.do(e, c)
			e.want(id, sms.Queued)
			e.ok(e.store.Cancel(e.ctx, id))
		}
	}},
	{name: "the end of a lease, when another part has left and the validity is over", run: func(e *env) {
		id := e.add(2, e.other(), validFor(unknownWait+lease))
		first := e.claimID("a", id)
		e.settle(first, ambiguous)
		e.overdue(unknownWait)
		e.claimID("b", id)
		e.ok(e.store.Late(e.ctx, first.Attempt, accepted(212)))
		e.want(id, sms.Sending)
		e.overdue(lease)
		e.want(id, sms.Expired, sms.Sent)
		e.balance(credits - 2*sms.Credit)
	}},
	{name: "evidence about one of several hand-overs", run: func(e *env) {
		for _, from := range []sms.State{sms.Unknown, sms.Queued, sms.Sent, sms.Cancelled, sms.Expired, sms.Failed} {
			for _, st := range []pdu.Status{trying, received, noRoute} {
				for _, late := range []sms.Outcome{accepted(203), refused(congestion), notSent} {
					e.evidence(from, st, late)
				}
			}
		}
	}},
	{name: "a repetition that is refused late shows that the first arrived", run: func(e *env) {
		for _, from := range []sms.State{sms.Unknown, sms.Queued, sms.Cancelled, sms.Expired, sms.Failed} {
			id, repeat := e.repeated(from)
			e.ok(e.store.Late(e.ctx, repeat.Attempt, refused(duplicate)))
			e.want(id, sms.Sent)
		}
	}},
	{name: "a report that was kept, of a message that the refusal of a repetition has shown to be sent", run: func(e *env) {
		for _, late := range []sms.Outcome{accepted(213), refused(congestion), notSent} {
			id, second := e.repeated(sms.Unknown)
			e.vague(213, id, noRoute, false)
			e.overdue(unknownWait)
			e.overdue(escalateAfter)
			e.settle(e.only("a", id), refused(duplicate))
			e.want(id, sms.Sent)
			e.ok(e.store.Late(e.ctx, second.Attempt, late))
			e.want(id, sms.Failed)
		}
	}},
	{name: "a late acceptance counts for a message that was refused later", run: func(e *env) {
		id, first, second := e.sentAgain()
		e.settle(second, refused(noSuchNumber))
		e.want(id, sms.Failed)
		e.ok(e.store.Late(e.ctx, first.Attempt, accepted(9)))
		e.want(id, sms.Sent, sms.Sent)
	}},
	{name: "a part that had failed arrives after all", run: func(e *env) {
		id := e.add(2, e.other())
		c, err := e.store.PartSent(e.ctx, e.claimID("a", id), accepted(208))
		e.ok(err)
		e.settle(c, accepted(209))
		e.report("a", 209, e.to(id), noRoute, true)
		e.want(id, sms.Failed, sms.Sent, sms.Failed)
		e.report("a", 209, e.to(id), received, true)
		e.want(id, sms.Sent, sms.Sent, sms.Delivered)
	}},
	{name: "a report that was kept tells of a part that was refused later", run: func(e *env) {
		id := e.add(2, e.other())
		c, err := e.store.PartSent(e.ctx, e.claimID("a", id), accepted(210))
		e.ok(err)
		e.settle(c, ambiguous)
		e.overdue(unknownWait)
		second := e.claimID("a", id)
		e.settle(second, ambiguous)
		e.vague(211, id, received, false)
		e.overdue(unknownWait)
		e.settle(e.claimID("a", id), refused(noSuchNumber))
		e.want(id, sms.Failed, sms.Sent, sms.Failed)
		e.ok(e.store.Late(e.ctx, second.Attempt, notSent))
		e.want(id, sms.Sent, sms.Sent, sms.Delivered)
	}},
	{name: "evidence about one part of a message that is over changes no state", run: func(e *env) {
		for _, over := range []sms.State{sms.Cancelled, sms.Expired, sms.Failed} {
			id := e.add(2, e.other(), validFor(5*time.Minute))
			c := e.only("a", id)
			e.settle(c, ambiguous)
			e.bringTo(id, over)
			e.ok(e.store.Late(e.ctx, c.Attempt, accepted(215)))
			e.want(id, over, sms.Sent)
			e.report("a", 215, e.to(id), received, true)
			e.want(id, over, sms.Delivered)
		}
	}},
	{name: "late refusals of an unknown outcome", run: func(e *env) {
		for _, o := range []sms.Outcome{refused(congestion), refused(noSuchNumber), notSent} {
			id := e.add(1, e.other())
			c := e.claimID("a", id)
			e.settle(c, ambiguous)
			e.ok(e.store.Late(e.ctx, c.Attempt, o))
			if o.Cause.Class() == pdu.CausePermanent {
				e.want(id, sms.Failed)
				continue
			}
			e.want(id, sms.Queued)
			e.ok(e.store.Cancel(e.ctx, id))
		}
	}},
	{name: "a report on one part of unknown outcome, the rest goes by its SIM", run: func(e *env) {
		id := e.add(2)
		e.settle(e.claimID("a", id), ambiguous)
		e.report("a", 204, string(number), trying, true)
		e.want(id, sms.Queued, sms.Sent, sms.Queued)
		e.nothing("b")
		e.claimID("a", id)
	}},
	{name: "a report on an unknown outcome", run: func(e *env) {
		for _, from := range []sms.State{sms.Unknown, sms.Queued, sms.Cancelled, sms.Expired, sms.Failed} {
			for st, want := range map[pdu.Status]sms.State{trying: sms.Sent, received: sms.Delivered, noRoute: sms.Failed} {
				id, _ := e.doubtful(from)
				e.vague(205, id, st, true)
				if from == sms.Failed && st != received {
					want = sms.Failed
				}
				e.want(id, want)
			}
		}
	}},
}

// ending is one way in which a hand-over ends.
type ending struct {
	name    string
	outcome sms.Outcome
	do      func(*env, queue.Claim)
}

var ends = func() []ending {
	list := []ending{{"given back", notSent, func(e *env, c queue.Claim) { e.ok(e.store.GiveBack(e.ctx, c, "the line is gone")) }}}
	for _, o := range []sms.Outcome{accepted(206), refused(congestion), ambiguous, notSent} {
		list = append(list, ending{string(o.Kind), o, func(e *env, c queue.Claim) { e.settle(c, o) }})
		if o.Kind != sms.Ambiguous {
			list = append(list, ending{"late: " + string(o.Kind), o, func(e *env, c queue.Claim) { e.ok(e.store.Late(e.ctx, c.Attempt, o)) }})
		}
	}
	return append(list, ending{"time", ambiguous, func(e *env, _ queue.Claim) { e.overdue(lease) }})
}()

// other gives a message a number of its own, a different one each time.
func (e *env) other() func(*sms.Message) {
	list, err := e.store.List(e.ctx, queue.Filter{Limit: 10_000})
	e.ok(err)
	return to(sms.Number(fmt.Sprintf("4477001%05d", len(list))))
}

func (e *env) to(id sms.ID) string {
	m, _ := e.show(id)
	return string(m.To)
}

// vague brings a report by SIM a that does not say when the service centre took
// the message.
func (e *env) vague(mr byte, id sms.ID, st pdu.Status, want bool) {
	e.Helper()
	r := pdu.StatusReport{Reference: mr, Recipient: sms.Number(e.to(id)).Address(), Discharge: time.Now(), Status: st}
	tpdu, err := r.AppendBinary(nil)
	e.ok(err)
	e.bring(sms.Report{SIM: "a", Modem: "modem-a", TPDU: tpdu, Received: time.Now()}, want)
}

// only has a SIM claim this message, and takes what else it finds as refused.
func (e *env) only(sim string, id sms.ID) queue.Claim {
	e.Helper()
	for {
		c, err := e.store.Claim(e.ctx, by(sim))
		if errors.Is(err, queue.ErrNothing) {
			e.Fatalf("%s finds no %s", sim, id)
		}
		e.ok(err)
		if c.Message.ID == id {
			return c
		}
		e.settle(c, refused(noSuchNumber))
	}
}

// sentAgain is a message of unknown outcome by SIM a that is on the air again by b.
func (e *env) sentAgain() (id sms.ID, first, second queue.Claim) {
	e.Helper()
	id = e.add(1, e.other())
	first = e.only("a", id)
	e.settle(first, ambiguous)
	e.overdue(unknownWait)
	return id, first, e.only("b", id)
}

// doubtful is a message with one hand-over of unknown outcome, by SIM a.
func (e *env) doubtful(state sms.State) (id sms.ID, c queue.Claim) {
	e.Helper()
	id = e.add(1, e.other(), validFor(5*time.Minute))
	c = e.only("a", id)
	e.settle(c, ambiguous)
	e.bringTo(id, state)
	return id, c
}

// repeated is a message with two, the second a repetition of the first.
func (e *env) repeated(state sms.State) (id sms.ID, second queue.Claim) {
	e.Helper()
	id = e.add(1, e.other(), validFor(5*time.Minute))
	e.settle(e.only("a", id), ambiguous)
	e.overdue(unknownWait)
	e.overdue(escalateAfter)
	second = e.only("a", id)
	if !second.Repeat {
		e.Fatal("no repetition")
	}
	e.settle(second, ambiguous)
	e.bringTo(id, state)
	return id, second
}

// bringTo brings a message from unknown to another state.
func (e *env) bringTo(id sms.ID, state sms.State) {
	e.Helper()
	switch state {
	case sms.Cancelled:
		e.ok(e.store.Cancel(e.ctx, id))
	case sms.Queued, sms.Expired, sms.Failed, sms.Sent:
		e.overdue(unknownWait)
	}
	switch state {
	case sms.Expired:
		e.overdue(5 * time.Minute)
	case sms.Failed:
		e.settle(e.only("b", id), refused(noSuchNumber))
	case sms.Sent:
		e.settle(e.only("b", id), accepted(207))
	}
	e.want(id, state)
}

// evidence brings a report that can be about either of two hand-overs, and then
// the late result of one: if it was accepted the report is about it, else about
// the other.
func (e *env) evidence(from sms.State, st pdu.Status, late sms.Outcome) {
	e.Helper()
	id := e.add(1, e.other(), validFor(5*time.Minute))
	e.settle(e.only("a", id), ambiguous)
	e.overdue(unknownWait)
	e.overdue(escalateAfter)
	second := e.only("a", id)
	e.settle(second, ambiguous)
	e.vague(203, id, st, false)
	e.bringTo(id, from)
	e.ok(e.store.Late(e.ctx, second.Attempt, late))
	want := map[pdu.Status]sms.State{trying: sms.Sent, received: sms.Delivered, noRoute: sms.Failed}[st]
	switch {
	case from == sms.Sent && st == noRoute: // the copy by b may still arrive
		want = sms.Sent
	case from == sms.Failed && st == trying && late.Kind != sms.Accepted:
		want = sms.Failed
	}
	e.want(id, want)
}
