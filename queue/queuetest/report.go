package queuetest

import (
	"time"

	"cellpost/pdu"
	"cellpost/sms"
)

// Values of TP-ST. 3GPP TS 23.040, 9.2.3.15.
const (
	received pdu.Status = 0x00
	trying   pdu.Status = 0x20
	noRoute  pdu.Status = 0x41
)

func (e *env) reportTPDU(mr byte, recipient string, st pdu.Status) []byte {
	e.Helper()
	r := pdu.StatusReport{
		Reference: mr, Recipient: pdu.Address{TON: pdu.TONUnknown, NPI: pdu.NPITelephone, Value: recipient},
		Time: time.Now(), Discharge: time.Now(), Status: st,
	}
	tpdu, err := r.AppendBinary(nil)
	e.ok(err)
	return tpdu
}

// report brings a status report, and checks whether it matched.
func (e *env) report(sim string, mr byte, recipient string, st pdu.Status, want bool) {
	e.Helper()
	e.bring(sms.Report{SIM: sim, Modem: "modem-" + sim, TPDU: e.reportTPDU(mr, recipient, st), Received: time.Now()}, want)
}

func (e *env) bring(r sms.Report, want bool) {
	e.Helper()
	matched, err := e.store.Report(e.ctx, r)
	e.ok(err)
	if matched != want {
		e.Fatalf("matched is %v, want %v", matched, want)
	}
}

// sent stores a message and has it accepted.
func (e *env) sent(sim string, mr byte, change ...func(*sms.Message)) sms.ID {
	e.Helper()
	id := e.add(1, change...)
	e.settle(e.claimID(sim, id), accepted(mr))
	return id
}

var reportTests = []test{
	{name: "delivered", run: func(e *env) {
		id := e.sent("a", 17)
		e.report("a", 17, string(number), received, true)
		e.want(id, sms.Delivered, sms.Delivered)
		e.tells(id, "accepted", "sending", "sent", "report", "delivered")
		if at, ok, err := e.store.NextDue(e.ctx); ok || err != nil {
			e.Errorf("still due at %v, %v", at, err)
		}
	}},
	{name: "recipient as the network likes it", run: func(e *env) {
		for i, written := range []string{"447700900123", "07700900123", "7700900123", "00447700900123"} {
			id := e.sent("a", byte(i))
			e.report("a", byte(i), written, received, true)
			e.want(id, sms.Delivered)
		}
	}},
	{name: "what does not match", run: func(e *env) {
		id := e.sent("a", 17)
		e.report("a", 18, string(number), received, false)
		e.report("b", 17, string(number), received, false)
		e.report("a", 17, "447700900999", received, false)
		e.bring(sms.Report{SIM: "a", TPDU: []byte{2}, Received: time.Now()}, false)
		e.want(id, sms.Sent)
		e.report("a", 17, string(number), received, true)
	}},
	{name: "trying, then failed", run: func(e *env) {
		id := e.sent("a", 17)
		e.report("a", 17, string(number), trying, true)
		e.want(id, sms.Sent, sms.Sent)
		e.report("a", 17, string(number), noRoute, true)
		e.want(id, sms.Failed, sms.Failed)
		e.tells(id, "accepted", "sending", "sent", "report", "report", "failed")
		e.balance(credits - sms.Credit)
	}},
	{name: "parts", run: func(e *env) {
		id := e.add(2)
		c, err := e.store.PartSent(e.ctx, e.claim("a"), accepted(1))
		e.ok(err)
		e.report("a", 1, string(number), received, true) // while part 2 is on the air
		e.want(id, sms.Sending, sms.Delivered, sms.Sending)
		e.settle(c, accepted(2))
		e.want(id, sms.Sent, sms.Delivered, sms.Sent)
		e.report("a", 2, string(number), received, true)
		e.want(id, sms.Delivered)
	}},
	{name: "a part fails while another is open", run: func(e *env) {
		id := e.add(2)
		c, err := e.store.PartSent(e.ctx, e.claim("a"), accepted(1))
		e.ok(err)
		e.report("a", 1, string(number), noRoute, true)
		e.want(id, sms.Sending, sms.Failed, sms.Sending)
		e.settle(c, refused(congestion))
		e.want(id, sms.Failed, sms.Failed, sms.Failed)
		e.balance(credits - 2*sms.Credit)
	}},
	{name: "the same report again", run: func(e *env) {
		old := e.sent("a", 17)
		r := sms.Report{SIM: "a", TPDU: e.reportTPDU(17, string(number), received), Received: time.Now()}
		e.bring(r, true)
		id := e.sent("a", 17) // the reference comes round
		e.bring(r, true)
		e.want(old, sms.Delivered)
		e.want(id, sms.Sent)
	}},
	{name: "overtakes the answer", run: func(e *env) {
		id := e.add(1)
		c := e.claim("a")
		e.report("a", 17, string(number), trying, false)
		e.report("a", 17, string(number), received, false)
		e.settle(c, accepted(17))
		e.want(id, sms.Delivered, sms.Delivered)
		e.tells(id, "accepted", "sending", "sent", "report", "report", "delivered")
	}},
	{name: "overtakes, but for somebody else", run: func(e *env) {
		e.report("a", 17, "447700900999", received, false)
		id := e.sent("a", 17)
		e.want(id, sms.Sent)
	}},
	{name: "overtakes the answer of a part", run: func(e *env) {
		id := e.add(2)
		c := e.claim("a")
		e.report("a", 17, string(number), received, false)
		_, err := e.store.PartSent(e.ctx, c, accepted(17))
		e.ok(err)
		e.want(id, sms.Sending, sms.Delivered, sms.Sending)
	}},
	{name: "overtakes a late result", run: func(e *env) {
		id := e.add(1)
		c := e.claim("a")
		e.settle(c, notSent)
		c = e.claimID("b", id)
		e.report("b", 17, string(number), received, false)
		e.settle(c, ambiguous)
		e.ok(e.store.Late(e.ctx, c.Attempt, accepted(17)))
		e.want(id, sms.Delivered, sms.Delivered)
	}},
	{name: "an old report is not for a new message", run: func(e *env) {
		e.report("a", 17, string(number), received, false)
		time.Sleep(time.Minute)
		id := e.sent("a", 17)
		e.want(id, sms.Sent)
	}},
	{name: "a reference used twice, the newest has it", run: func(e *env) {
		old, young := e.sent("a", 17), e.sent("a", 17)
		other := e.sent("a", 17, to("447700900999"))
		e.report("a", 17, string(number), received, true)
		e.want(old, sms.Sent)
		e.want(young, sms.Delivered)
		e.want(other, sms.Sent)
		time.Sleep(time.Second) // or it would be the same report
		e.report("a", 17, string(number), received, true)
		e.want(old, sms.Delivered)
	}},
	{name: "settles an unknown outcome", run: func(e *env) {
		other := e.add(1, to("447700900999"))
		e.settle(e.claimID("a", other), ambiguous)
		id := e.add(1)
		e.settle(e.claimID("a", id), ambiguous)
		e.report("a", 17, string(number), received, true)
		m := e.want(id, sms.Delivered, sms.Delivered)
		if a := m.Parts[0].Attempts[0]; a.Outcome.Kind != sms.Accepted || a.Outcome.MR != 17 || m.Parts[0].MR != 17 {
			e.Errorf("attempt %+v of part %+v", a, m.Parts[0])
		}
		e.want(other, sms.Unknown)
		e.overdue(unknownWait)
		e.claimID("b", other)
		e.nothing("b")
	}},
	{name: "could be about either of two unknown outcomes", run: func(e *env) {
		first := e.doubt("a")
		time.Sleep(time.Second)
		second := e.doubt("a")
		e.report("a", 17, string(number), received, false)
		e.want(first.Message.ID, sms.Unknown, sms.Unknown)
		e.want(second.Message.ID, sms.Unknown, sms.Unknown)
		e.ok(e.store.Late(e.ctx, second.Attempt, accepted(17))) // the report was kept
		e.want(first.Message.ID, sms.Unknown, sms.Unknown)
		e.want(second.Message.ID, sms.Delivered, sms.Delivered)
		time.Sleep(time.Second)
		e.report("a", 18, string(number), received, true) // one is left
		e.want(first.Message.ID, sms.Delivered, sms.Delivered)
	}},
	{name: "could be about either that one end of a process left open", run: func(e *env) {
		begun, held := e.add(1), e.add(1)
		first := e.claimID("a", begun)
		e.claimID("a", held)
		_, err := e.store.Abandon(e.ctx)
		e.ok(err)
		e.report("a", 17, string(number), received, false)
		e.want(begun, sms.Unknown, sms.Unknown)
		e.want(held, sms.Unknown, sms.Unknown)
		e.ok(e.store.Late(e.ctx, first.Attempt, accepted(17)))
		e.want(begun, sms.Delivered, sms.Delivered)
	}},
	{name: "waits for the end of what is under way to the number", run: func(e *env) {
		doubtful := e.doubt("a")
		second := e.add(1)
		c := e.claimID("a", second)
		e.report("a", 9, string(number), received, false) // overtakes its result
		e.want(doubtful.Message.ID, sms.Unknown)
		e.settle(c, accepted(9))
		e.want(second, sms.Delivered)
		e.want(doubtful.Message.ID, sms.Unknown)
	}},
	{name: "a second report is about what the first was", run: func(e *env) {
		id := e.sent("a", 17)
		e.report("a", 17, string(number), received, true)
		e.want(id, sms.Delivered)
		doubtful := e.doubt("a")
		time.Sleep(time.Second)
		e.report("a", 17, string(number), received, true)
		e.want(doubtful.Message.ID, sms.Unknown)
	}},
	{name: "an outcome that was never known is out of the question in time", run: func(e *env) {
		e.doubt("a")
		time.Sleep(9 * 24 * time.Hour)
		second := e.doubt("a")
		e.report("a", 17, string(number), received, true)
		e.want(second.Message.ID, sms.Delivered)
	}},
	{name: "cannot name a part whose modem gave no reference", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claimID("a", id), sms.Outcome{Kind: sms.Accepted, NoMR: true})
		e.report("a", 0, string(number), received, false)
		e.want(id, sms.Sent)
	}},
	{name: "tells the truth about a cancelled message", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claim("a"), ambiguous)
		e.ok(e.store.Cancel(e.ctx, id))
		e.report("a", 17, string(number), received, true)
		e.want(id, sms.Delivered, sms.Delivered)
	}},
	{name: "a part sent comes before one of unknown outcome", run: func(e *env) {
		id := e.sent("a", 17)
		doubtful := e.add(1)
		e.settle(e.claimID("a", doubtful), ambiguous)
		e.report("a", 17, string(number), received, true)
		e.want(id, sms.Delivered)
		e.want(doubtful, sms.Unknown)
	}},
	{name: "stops a resend that waits", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claim("a"), ambiguous)
		e.overdue(unknownWait)
		e.report("a", 17, string(number), trying, true)
		e.want(id, sms.Sent, sms.Sent)
		e.flagged(id, false)
		e.nothing("b")
	}},
	{name: "of the first copy while the second is open", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claim("a"), ambiguous)
		e.overdue(unknownWait)
		c := e.claimID("b", id)
		e.report("a", 17, string(number), received, true)
		e.settle(c, accepted(3))
		e.want(id, sms.Delivered, sms.Delivered)
		e.flagged(id, true)
	}},
	{name: "one of two copies fails", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claim("a"), ambiguous)
		e.overdue(unknownWait)
		e.settle(e.claimID("b", id), accepted(3))
		e.report("a", 17, string(number), noRoute, true)
		e.want(id, sms.Sent, sms.Sent) // the other may arrive
		e.report("b", 3, string(number), noRoute, true)
		e.want(id, sms.Failed, sms.Failed)
	}},
	{name: "of the first copy, the rest stays with the second", run: func(e *env) {
		id := e.add(3)
		e.settle(e.claim("a"), ambiguous)
		e.overdue(unknownWait)
		c, err := e.store.PartSent(e.ctx, e.claimID("b", id), accepted(3))
		e.ok(err)
		c, err = e.store.PartSent(e.ctx, c, accepted(4))
		e.ok(err)
		e.report("a", 17, string(number), received, true)
		e.settle(c, refused(congestion))
		m := e.want(id, sms.Queued, sms.Delivered, sms.Sent, sms.Queued)
		e.overdue(time.Until(m.Due))
		e.nothing("a") // the handset would join neither
		e.claimID("b", id)
	}},
	{name: "on one part does not cut the back-off of the next short", run: func(e *env) {
		id := e.add(3)
		e.settle(e.claim("a"), accepted(17))
		c := e.claimID("a", id)
		e.settle(c, refused(congestion))
		before := e.want(id, sms.Queued)
		e.report("a", 17, string(number), received, true)
		after := e.want(id, sms.Queued, sms.Delivered, sms.Queued)
		if !after.Due.Equal(before.Due) || after.Why != before.Why {
			e.Errorf("due at %v (%s), was due at %v (%s)", after.Due, after.Why, before.Due, before.Why)
		}
	}},
	{name: "none comes", run: func(e *env) {
		id := e.sent("a", 17, validFor(time.Hour))
		e.overdue(time.Hour)
		e.tells(id, "accepted", "sending", "sent")
		e.overdue(24 * time.Hour)
		e.want(id, sms.Sent)
		e.tells(id, "accepted", "sending", "sent", "no report")
		e.report("a", 17, string(number), received, true) // after all
		e.want(id, sms.Delivered)
	}},
}
