package sms

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cellpost/pdu"
)

// Rules are what the operator has set: where messages may go, how long to wait
// for what, and what to do then. They are not changed after start.
type Rules struct {
	Routes        []Route        // longest prefix wins; none: any SIM carries any number
	SIMs          []string       // all there are; none: not known
	PerSIM        map[string]SIM // by name; a SIM that is not here may send to every number, at any time
	UnknownWait   time.Duration  // how long evidence about an unknown outcome is awaited
	EscalateAfter time.Duration  // how long a message waits for the SIMs it prefers
	Resend        bool           // unknown outcomes are sent again, unless the account says otherwise
	PartsWait     time.Duration  // how long a message from a handset waits for its next part; 0: 10 min
	Lease         time.Duration  // how long a line may keep a hand-over to itself; 0: LeaseDefault
	CountryPrefix string         // of handsets that send with a national number; empty: it is taken as it is
	InboundTo     []string       // mail addresses that get what handsets send, where it belongs to no account
}

// LeaseDefault is longer than any hand-over takes by itself.
const LeaseDefault = 10 * time.Minute

// Admit gives a new message its state and lane. Its Due is when it may leave at
// the earliest. [ErrNoRoute] and [ErrBarred], which is one, refuse it.
func (r *Rules) Admit(m Message, now time.Time) (Step, error) {
	lane, err := r.firstLane(m)
	if err != nil {
		return Step{}, err
	}
	s := Step{State: Queued, Due: now, Lane: lane, Why: "for " + string(lane)}
	if m.Due.After(now) {
		s.State, s.Due, s.Review = Scheduled, m.Due, m.Due
		return s, nil
	}
	s.Review = r.nextReview(m, s, now)
	return s, nil
}

// pinned returns the SIM by which parts of the message have left: the handset
// joins the rest only if it comes from there.
func pinned(m Message) (sim string, ok bool) {
	for _, p := range m.Parts {
		if p.State == Sent || p.State == Delivered {
			return p.SIM, true
		}
	}
	return "", false
}

// mayHaveLeft reports whether the network has something of the message, or may
// have: then it is paid for.
func mayHaveLeft(m Message) bool {
	_, begun := pinned(m)
	return begun || m.Duplicate
}

// startOver says when a message that waits for the SIM of its first parts is to
// leave by others instead; ok is false where it may not.
func (r *Rules) startOver(m Message, l Lane) (lane Lane, at time.Time, ok bool) {
	sim, ok := pinned(m)
	if !ok || l != SIMLane(sim) {
		return "", time.Time{}, false
	}
	lane, err := r.firstLane(m)
	return lane, m.Due.Add(r.EscalateAfter), err == nil && r.others(lane, sim)
}

// comes reports whether the SIM of the first parts is only busy with what is more
// urgent: it has refused nothing of the message.
func comes(m Message, serving []string) bool {
	sim, _ := pinned(m)
	return m.Tries == 0 && slices.Contains(serving, sim)
}

// nextReview is when a message that step s queues has to be looked at again: at
// once, if it comes back after the time to go up a tier. For the SIM of its
// first parts it waits from now on, however old its place in the queue is.
func (r *Rules) nextReview(m Message, s Step, now time.Time) time.Time {
	at := m.Expires
	sooner := func(t time.Time, ok bool) {
		if ok && t.Before(at) {
			at = t
		}
	}
	sooner(s.Due, s.Due.After(now))
	sooner(s.AvoidUntil, s.Avoid != "" && s.AvoidUntil.After(now))
	m.Due = s.Due
	_, up, ok := r.escalation(m, s.Lane)
	sooner(later(up, now), ok)
	m.Due = later(s.Due, now)
	_, over, ok := r.startOver(m, s.Lane)
	sooner(over, ok)
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Review decides about a message whose Review has come. serving are the SIMs in
// service.
func (r *Rules) Review(m Message, serving []string, now time.Time) Step {
	s := Step{State: m.State, Due: m.Due, Lane: m.Lane, Avoid: m.Avoid, AvoidUntil: m.AvoidUntil, Why: m.Why}
	switch m.State {
	case Scheduled:
		s.State, s.Why = Queued, "its time has come"
		s.Review = r.nextReview(m, s, now)
	case Queued:
		r.reviewQueued(m, serving, now, &s)
	case Unknown:
		r.reviewUnknown(m, now, &s)
	case Sent:
		r.reviewSent(m, now, &s)
	}
	return s
}

func (r *Rules) reviewQueued(m Message, serving []string, now time.Time, s *Step) {
	if !now.Before(m.Expires) {
		s.State, s.Refund, s.Why = Expired, !mayHaveLeft(m), "validity over"
		return
	}
	if lane, at, ok := r.escalation(m, m.Lane); ok && !now.Before(at) {
		s.Lane, s.Why = lane, fmt.Sprintf("no SIM of %s took it in %s: now for %s", m.Lane, r.EscalateAfter, lane)
	}
	if lane, at, ok := r.startOver(m, m.Lane); ok && !now.Before(at) && !comes(m, serving) {
		s.Lane, s.StartOver, s.Duplicate = lane, true, true
		s.Why = fmt.Sprintf("%s did not take the rest in %s: all parts again for %s", m.Lane, r.EscalateAfter, lane)
	}
	s.Review = r.nextReview(m, *s, now)
}

// resendMost is how often a message is sent again because its outcome is not
// known: a modem that never answers must not fill a handset.
const resendMost = 3

func (r *Rules) reviewUnknown(m Message, now time.Time, s *Step) {
	s.Again = m.goesElsewhere()
	switch {
	case !m.Resend:
		s.Why = "outcome unknown; kept for the operator"
	case !now.Before(m.Expires):
		s.Why = "outcome unknown; validity over"
	case m.Doubts > resendMost:
		s.Why = "outcome unknown again and again; kept for the operator"
	default:
		s.State, s.Duplicate, s.Again = Queued, true, false
		s.Why = "outcome unknown and no evidence came: sent again, possible duplicate"
		if sim, ok := pinned(m); ok {
			s.Lane, s.Avoid, s.AvoidUntil = SIMLane(sim), "", time.Time{}
		}
		s.Review = r.nextReview(m, *s, now)
	}
}

// After decides what becomes of a message when a hand-over of its last open
// part has ended. m has the outcome written into its parts; repeat says that
// the hand-over asked the SC to reject a duplicate.
func (r *Rules) After(m Message, sim string, o Outcome, repeat bool, now time.Time) Step {
	switch o.Kind {
	case Accepted:
		return r.Progress(m, now)
	case Ambiguous:
		s := Step{State: Unknown, Due: m.Due, Review: now.Add(r.UnknownWait), Lane: m.Lane, Doubt: true, Why: o.Detail}
		if r.others(m.Lane, sim) {
			s.Avoid, s.AvoidUntil = sim, now.Add(r.UnknownWait+r.EscalateAfter)
		}
		return s
	case NotSent:
		if !r.others(m.Lane, sim) {
			m.Due = later(m.Due, now) // behind the others: it may be what the only modem stumbles over
		}
		return r.again(m, sim, now, 0, r.EscalateAfter, o.Detail)
	default:
		return r.refused(m, sim, o, repeat, now)
	}
}

// Back-off of refusals that may pass, by tries so far.
var backOff = [...]time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute}

// How long a message waits when a SIM has lost its network, and how long it
// keeps off that SIM. The modem leaves service by itself when the loss lasts.
const (
	waitRadio  = 5 * time.Second
	avoidRadio = 15 * time.Second
)

// waitSIM is how long a message waits that a SIM refused like all others, for it to
// be paid or let in again. Other SIMs have it at once.
const waitSIM = time.Minute

// refused decides by the class of the cause.
func (r *Rules) refused(m Message, sim string, o Outcome, repeat bool, now time.Time) Step {
	wait := m.jitter(backOff[min(m.Tries, len(backOff)-1)])
	var s Step
	switch class := o.Cause.Class(); {
	case class == pdu.CauseDuplicate && repeat:
		return r.Progress(m, now)
	case class == pdu.CauseOtherSIM && o.OfSIM:
		return r.again(m, sim, now, r.elsewhereIn(m, sim, o, m.jitter(waitSIM), now), waitSIM+r.EscalateAfter,
			o.Detail+"; so is every number: it is the SIM")
	case class == pdu.CausePermanent, class == pdu.CauseOtherSIM && r.failsBy(m, sim):
		return m.elsewhere(Step{State: Failed, Lane: m.Lane, Refund: !mayHaveLeft(m), Tried: true, Fault: o.fault(), Why: o.Detail})
	case class == pdu.CauseRadio, class == pdu.CauseSIM:
		return r.again(m, sim, now, r.elsewhereIn(m, sim, o, m.jitter(waitRadio), now), avoidRadio, o.Detail)
	case class == pdu.CauseFull && m.Tries == 0:
		s = r.again(m, "", now, 0, 0, o.Detail) // the modem makes room
	case class == pdu.CauseModem && m.Tries == 0:
		s = r.again(m, "", now, 2*time.Second, 0, o.Detail)
	case class == pdu.CauseOtherSIM:
		s = r.again(m, sim, now, r.elsewhereIn(m, sim, o, wait, now), wait+r.EscalateAfter, o.Detail)
	default:
		s = r.again(m, sim, now, wait, wait+r.EscalateAfter, o.Detail)
	}
	s.Tried = true
	return s
}

// elsewhereIn is how long a message waits that is sound, and has met a SIM that is
// not: others may have it at once, or soon, if none is in service just now: a modem
// may be changing its SIM. If none of them would do, or the SIM has it again, it
// waits, for nothing would slow it down.
func (r *Rules) elsewhereIn(m Message, sim string, o Outcome, wait time.Duration, now time.Time) time.Duration {
	_, begun := pinned(m)
	switch {
	case begun, !r.others(m.Lane, sim), now.Before(m.AvoidUntil):
		return wait
	case o.Alone:
		return min(wait, m.jitter(waitRadio))
	}
	return 0
}

// failsBy reports whether a refusal that may be the SIM's is the number's after all:
// another SIM was refused as well, or none is there that would say otherwise, or
// none has come for as long as there are tries.
func (r *Rules) failsBy(m Message, sim string) bool {
	again := m.Avoid == sim && r.others(m.Lane, sim)
	return m.Tries > 0 && !again || m.Tries >= len(backOff)
}

// again queues a message after wait, and keeps it off a SIM for avoid, so that
// another may take it first.
func (r *Rules) again(m Message, sim string, now time.Time, wait, avoid time.Duration, why string) Step {
	s := Step{State: Queued, Due: now.Add(wait), Lane: m.Lane, Why: why}
	if wait == 0 && (m.Due.Before(now) || m.State == Queued) {
		s.Due = m.Due // it keeps its place, and its back-off
	}
	if p, ok := pinned(m); ok {
		s.Lane = SIMLane(p)
	} else if sim != "" && r.others(m.Lane, sim) {
		s.Avoid, s.AvoidUntil = sim, now.Add(avoid)
	}
	s.Review = r.nextReview(m, s, now)
	return s
}

// Rest queues what is left of a message of which parts have left, for the SIM of
// those and in its place.
func (r *Rules) Rest(m Message, now time.Time, why string) Step {
	return r.again(m, "", now, 0, 0, why)
}

// Held says which SIMs of a message's lane may not send it now, until when, and
// why; empty: none is known to be held. usage returns what a SIM has sent.
func (r *Rules) Held(m Message, usage func(sim string) Usage, now time.Time) string {
	priority := m.Priority
	if _, begun := pinned(m); begun {
		priority = 1
	}
	var words []string
	for _, sim := range r.known() {
		l := r.Limits(sim).For(priority)
		if _, works := r.Rank(m.Lane, sim); !works || !l.Any() {
			continue
		}
		if at, why := l.Next(usage(sim), now); at.After(now) {
			words = append(words, why+": not before "+at.In(l.zone()).Format("2006-01-02 15:04:05 MST"))
		}
	}
	return strings.Join(words, "; ")
}

// ReportGrace is how long after the end of validity a report is still expected.
const ReportGrace = 24 * time.Hour

// reportDue is when a message that the network has now, if it had not before, is
// looked at for want of a report; zero: none is asked for.
func (m Message) reportDue(now time.Time) time.Time {
	switch {
	case m.State == Sent:
		return m.Review
	case m.GoesAgain():
		return now.Add(m.Again.Within)
	case m.Report:
		return m.Expires.Add(ReportGrace)
	}
	return time.Time{}
}

// Progress decides by the parts alone: what a message has become when one of
// them was accepted, reported on, or settled late.
func (r *Rules) Progress(m Message, now time.Time) Step {
	s := Step{State: m.State, Due: m.Due, Lane: m.Lane}
	count := map[State]int{}
	for _, p := range m.Parts {
		count[p.State]++
	}
	n := len(m.Parts)
	switch {
	case count[Failed] > 0:
		s.State, s.Why = Failed, "the network could not deliver it"
		s = m.elsewhere(s)
	case count[Delivered] == n:
		s.State, s.Why = Delivered, "received by the handset"
	case count[Delivered]+count[Sent] == n:
		s.State, s.Why = Sent, "accepted by the network"
		s.Review = m.reportDue(now)
	case count[Unknown] == 0 && (m.State == Unknown || m.State == Queued):
		return r.again(m, "", now, 0, 0, "earlier parts are settled")
	default: // other parts are still to go: as it was
		s.Review, s.Avoid, s.AvoidUntil, s.Why = m.Review, m.Avoid, m.AvoidUntil, m.Why
	}
	return s
}
