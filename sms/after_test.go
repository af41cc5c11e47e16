package sms

import (
	"testing"
	"time"

	"cellpost/pdu"
)

func cms(code int) pdu.Cause { return pdu.Cause{Set: pdu.CMS, Code: code} }

// Causes, one of each class.
var (
	permanent = cms(1)
	otherSIM  = cms(21)
	temporary = cms(42)
	duplicate = cms(197)
	full      = cms(208)
	busy      = cms(314)
	simGone   = cms(310)
	noSMSC    = cms(330)
	noService = cms(331)
)

func TestCauses(t *testing.T) {
	for cause, want := range map[pdu.Cause]pdu.CauseClass{
		permanent: pdu.CausePermanent, otherSIM: pdu.CauseOtherSIM, temporary: pdu.CauseTemporary, duplicate: pdu.CauseDuplicate,
		full: pdu.CauseFull, busy: pdu.CauseModem, simGone: pdu.CauseSIM, noSMSC: pdu.CauseSMSC, noService: pdu.CauseRadio,
	} {
		if got := cause.Class(); got != want {
			t.Errorf("%s is of class %d: the tests here want %d", cause, got, want)
		}
	}
}

// ended is a message whose only hand-over has just ended with o.
func ended(o Outcome, repeat bool) Message {
	m := message(Sending)
	m.State = Sending
	m.Parts[0].ApplyOutcome(o, "a", repeat)
	return m
}

func TestAfter(t *testing.T) {
	now := start.Add(time.Second)
	expires := start.Add(24 * time.Hour)
	refused := func(c pdu.Cause) Outcome { return Outcome{Kind: Refused, Cause: c, Detail: c.String()} }
	none := func(*Message) {}
	tries := func(n int) func(*Message) { return func(m *Message) { m.Tries = n } }
	// later is a temporary refusal: the wait, then the avoidance.
	later := func(wait time.Duration) Step {
		return Step{
			State: Queued, Due: now.Add(wait), Lane: "44/0", Review: now.Add(wait),
			Avoid: "a", AvoidUntil: now.Add(wait + escalateAfter), Tried: true,
		}
	}
	radio := Step{
		State: Queued, Due: now.Add(waitRadio), Lane: "44/0", Review: now.Add(waitRadio),
		Avoid: "a", AvoidUntil: now.Add(avoidRadio),
	}
	// elsewhere is at once by others, at its place.
	elsewhere := func(s Step) Step { s.Due, s.Review = start, s.AvoidUntil; return s }
	avoiding := func(m *Message) { m.Avoid, m.AvoidUntil = "b", now.Add(time.Second) }
	ofSIM := func(avoid time.Duration) Step {
		return Step{State: Queued, Due: start, Lane: "44/0", Review: now.Add(avoid), Avoid: "a", AvoidUntil: now.Add(avoid)}
	}
	sameAgain := func(n int) func(*Message) {
		return func(m *Message) { m.Tries, m.Avoid, m.AvoidUntil = n, "a", now.Add(time.Second) }
	}
	soon := ofSIM(waitSIM + escalateAfter)
	soon.Due, soon.Review = now.Add(waitRadio), now.Add(waitRadio)
	failed := Step{State: Failed, Lane: "44/0", Refund: true, Tried: true}
	second := failed
	second.Again = true
	for _, c := range []struct {
		name    string
		outcome Outcome
		repeat  bool
		edit    func(*Message)
		want    Step
	}{
		{"accepted", Outcome{Kind: Accepted, MR: 3}, false, none, Step{State: Sent, Due: start, Lane: "44/0"}},
		{"accepted, report asked for", Outcome{Kind: Accepted}, false, func(m *Message) { m.Report = true },
			Step{State: Sent, Due: start, Lane: "44/0", Review: expires.Add(ReportGrace)}},
		{"ambiguous", Outcome{Kind: Ambiguous, Detail: "no result"}, false, none, Step{
			State: Unknown, Due: start, Lane: "44/0", Review: now.Add(unknownWait),
			Avoid: "a", AvoidUntil: now.Add(unknownWait + escalateAfter), Doubt: true,
		}},
		{"not sent", Outcome{Kind: NotSent, Detail: "no prompt"}, false, none, Step{
			State: Queued, Due: start, Lane: "44/0", Review: now.Add(escalateAfter),
			Avoid: "a", AvoidUntil: now.Add(escalateAfter),
		}},
		{"permanent", refused(permanent), false, none, failed},
		{"permanent, but a copy may have left", refused(permanent), false, func(m *Message) { m.Duplicate = true },
			Step{State: Failed, Lane: "44/0", Tried: true}},
		{"to this SIM", refused(otherSIM), false, none, elsewhere(later(5 * time.Second))},
		{"to this SIM, and the other was no better", refused(otherSIM), false, avoiding, later(5 * time.Second)},
		{"to this SIM, nobody else there", Outcome{Kind: Refused, Cause: otherSIM, Alone: true, Detail: "21"}, false, none, later(5 * time.Second)},
		{"to the same SIM again", refused(otherSIM), false, sameAgain(1), later(15 * time.Second)},
		{"to the same SIM for ever", refused(otherSIM), false, sameAgain(4), failed},
		{"to this SIM like all, nobody else there", Outcome{Kind: Refused, Cause: otherSIM, OfSIM: true, Alone: true}, false, none, soon},
		{"to this SIM like all", Outcome{Kind: Refused, Cause: otherSIM, OfSIM: true}, false, tries(1), ofSIM(waitSIM + escalateAfter)},
		{"what it carries", refused(pdu.Cause{Set: pdu.CMS, Code: 144}), false, none,
			Step{State: Failed, Lane: "44/0", Refund: true, Tried: true, Fault: FaultContent}},
		{"permanent, with a second number", refused(permanent), false,
			func(m *Message) { m.Again = Again{Within: time.Minute, To: "447700900999"} }, second},
		{"permanent, and it has gone there", refused(permanent), false,
			func(m *Message) { m.Again, m.WentAgain = Again{Within: time.Minute, To: "447700900999"}, true }, failed},
		{"permanent, to go by another SIM", refused(permanent), false, func(m *Message) { m.Again.Within = time.Minute }, failed},
		{"accepted, wanted confirmed", Outcome{Kind: Accepted}, false, func(m *Message) { m.Again.Within, m.Report = time.Minute, true },
			Step{State: Sent, Due: start, Lane: "44/0", Review: now.Add(time.Minute)}},
		{"to the other SIM, too", refused(otherSIM), false, tries(1), failed},
		{"radio", refused(noService), false, none, elsewhere(radio)},
		{"radio, however often", refused(noService), false, tries(9), elsewhere(radio)},
		{"radio, and the other had none", refused(noService), false, avoiding, radio},
		{"SIM", refused(simGone), false, none, elsewhere(radio)},
		{"full", refused(full), false, none, Step{State: Queued, Due: start, Lane: "44/0", Review: expires, Tried: true}},
		{"still full", refused(full), false, tries(1), later(15 * time.Second)},
		{"modem", refused(busy), false, none, Step{
			State: Queued, Due: now.Add(2 * time.Second), Lane: "44/0", Review: now.Add(2 * time.Second), Tried: true,
		}},
		{"modem, still", refused(busy), false, tries(1), later(15 * time.Second)},
		{"no service centre", refused(noSMSC), false, none, later(5 * time.Second)},
		{"no cause", Outcome{Kind: Refused, Detail: "ERROR"}, false, none, later(5 * time.Second)},
		{"temporary", refused(temporary), false, none, later(5 * time.Second)},
		{"temporary, second", refused(temporary), false, tries(1), later(15 * time.Second)},
		{"temporary, third", refused(temporary), false, tries(2), later(time.Minute)},
		{"temporary, fourth", refused(temporary), false, tries(3), later(5 * time.Minute)},
		{"temporary, as often as it takes", refused(temporary), false, tries(40), later(5 * time.Minute)},
		{"duplicate of a repetition", refused(duplicate), true, none, Step{State: Sent, Due: start, Lane: "44/0"}},
		{"duplicate of what?", refused(duplicate), false, none, later(5 * time.Second)},
		{"expires before the wait is over", refused(temporary), false, func(m *Message) { m.Expires = now.Add(time.Second) }, Step{
			State: Queued, Due: now.Add(5 * time.Second), Lane: "44/0", Review: now.Add(time.Second),
			Avoid: "a", AvoidUntil: now.Add(5*time.Second + escalateAfter), Tried: true,
		}},
		{"tier by tier, counted from when it may leave again", refused(busy), false, func(m *Message) { m.Escalate = 2 }, Step{
			State: Queued, Due: now.Add(2 * time.Second), Lane: "44/0", Review: now.Add(2 * time.Second), Tried: true,
		}},
	} {
		m := ended(c.outcome, c.repeat)
		c.edit(&m)
		same(t, c.name, network.After(m, "a", c.outcome, c.repeat, now), c.want)
	}
}

// TestAfterPart is about a message of which a part has left by SIM a.
func TestAfterPart(t *testing.T) {
	now := start.Add(time.Second)
	over := now.Add(escalateAfter)
	for _, c := range []struct {
		name    string
		outcome Outcome
		want    Step
	}{
		{"accepted", Outcome{Kind: Accepted}, Step{State: Sent, Due: start, Lane: "sim:a"}},
		{"not sent", Outcome{Kind: NotSent, Detail: "x"}, Step{State: Queued, Due: now, Lane: "sim:a", Review: over}},
		{"temporary", Outcome{Kind: Refused, Cause: temporary, Detail: "x"},
			Step{State: Queued, Due: now.Add(5 * time.Second), Lane: "sim:a", Review: now.Add(5 * time.Second), Tried: true}},
		{"radio", Outcome{Kind: Refused, Cause: noService, Detail: "x"},
			Step{State: Queued, Due: now.Add(waitRadio), Lane: "sim:a", Review: now.Add(waitRadio)}},
		{"permanent", Outcome{Kind: Refused, Cause: permanent, Detail: "x"}, Step{State: Failed, Lane: "sim:a", Tried: true}},
		{"ambiguous", Outcome{Kind: Ambiguous, Detail: "x"}, Step{
			State: Unknown, Due: start, Lane: "sim:a", Review: now.Add(unknownWait), Doubt: true,
		}},
	} {
		m := message(Sent, Sending)
		m.State, m.Lane = Sending, "sim:a"
		m.Parts[1].ApplyOutcome(c.outcome, "a", false)
		same(t, c.name, network.After(m, "a", c.outcome, false, now), c.want)
	}
}

// TestJitter spreads the back-off by the ID, by less than a quarter. Two messages
// that come back together once do not do so again.
func TestJitter(t *testing.T) {
	refusal := Outcome{Kind: Refused, Cause: temporary, Detail: "x"}
	for tries, least := range []time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
		var last time.Duration
		for octet := range 256 {
			m := message(Queued)
			m.State, m.Tries, m.ID[6+2*min(tries, 4)] = Sending, tries, byte(octet)
			s := network.After(m, "a", refusal, false, start)
			wait := s.Due.Sub(start)
			if wait < least || wait >= least*5/4 || octet > 0 && wait <= last {
				t.Fatalf("try %d, octet %d: waits %v after %v", tries, octet, wait, last)
			}
			if got := s.AvoidUntil.Sub(s.Due); got != escalateAfter {
				t.Fatalf("try %d: off the SIM for %v more", tries, got)
			}
			last = wait
			if m.Tries++; tries < 4 && network.After(m, "a", refusal, false, start).Due.Sub(start) != backOff[min(m.Tries, 3)] {
				t.Fatalf("try %d: the octets of the try before count again", tries+1)
			}
		}
	}
}

func TestProgress(t *testing.T) {
	now := start.Add(time.Minute)
	expires := start.Add(24 * time.Hour)
	for _, c := range []struct {
		name string
		from State
		msg  Message
		edit func(*Message)
		want Step
	}{
		{"all sent", Sending, message(Sent, Sent), nil, Step{State: Sent, Due: start, Lane: "44/0"}},
		{"all sent, by evidence", Unknown, message(Sent), func(m *Message) { m.Report = true },
			Step{State: Sent, Due: start, Lane: "44/0", Review: expires.Add(ReportGrace)}},
		{"sent and delivered", Sent, message(Delivered, Sent), nil, Step{State: Sent, Due: start, Lane: "44/0"}},
		{"all delivered", Sent, message(Delivered, Delivered), nil, Step{State: Delivered, Due: start, Lane: "44/0"}},
		{"one failed", Sent, message(Delivered, Failed), nil, Step{State: Failed, Due: start, Lane: "44/0"}},
		{"one failed, another is still to go", Queued, message(Failed, Queued), nil, Step{State: Failed, Due: start, Lane: "44/0"}},
		{"cancelled, and then shown to be sent", Cancelled, message(Sent), nil, Step{State: Sent, Due: start, Lane: "44/0"}},
		{"cancelled between parts", Cancelled, message(Delivered, Queued), nil, Step{State: Cancelled, Due: start, Lane: "44/0"}},
		{"expired between parts", Expired, message(Delivered, Queued), nil, Step{State: Expired, Due: start, Lane: "44/0"}},
		{"the first part is known, the rest goes by its SIM", Unknown, message(Sent, Queued), nil,
			Step{State: Queued, Due: start, Lane: "sim:a", Review: now.Add(escalateAfter)}},
		{"another part is unknown", Unknown, message(Delivered, Unknown),
			func(m *Message) { m.Review, m.Avoid, m.AvoidUntil = expires, "a", expires },
			Step{State: Unknown, Due: start, Lane: "44/0", Review: expires, Avoid: "a", AvoidUntil: expires}},
		{"another part is on the air", Sending, message(Delivered, Sending), func(m *Message) { m.Review = expires },
			Step{State: Sending, Due: start, Lane: "44/0", Review: expires}},
		{"a report does not shorten a back-off", Queued, message(Delivered, Queued), func(m *Message) { m.Due = now.Add(time.Hour) },
			Step{State: Queued, Due: now.Add(time.Hour), Lane: "sim:a", Review: now.Add(time.Hour)}},
	} {
		c.msg.State = c.from
		if c.edit != nil {
			c.edit(&c.msg)
		}
		same(t, c.name, network.Progress(c.msg, now), c.want)
	}
}
