package sms

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cellpost/pdu"
)

// Rules are what the operator has set: where messages may go, how long to wait
// for what, and what to do then. They are not changed after start.
type Rules struct {
	Routes        []Route       // longest prefix wins; none: any SIM carries any number
	SIMs          []string      // all there are; none: not known
	UnknownWait   time.Duration // how long evidence about an unknown outcome is awaited
	EscalateAfter time.Duration // how long a message waits for the SIMs it prefers
	Resend        bool          // unknown outcomes are sent again, unless the account says otherwise
	PartsWait     time.Duration // how long a message from a handset waits for its next part; 0: 10 min
}

// Route says which SIMs carry messages to numbers with a prefix.
type Route struct {
	Prefix string     // digits; empty: every number
	Tiers  [][]string // names of SIMs; the second tier is for messages that may escalate
	Price  Credits    // per part
}

// Lane names the set of SIMs that may take a message: "44/0" is the first tier
// of the route 44, "44/1" its first two, "sim:a" one SIM alone, "any" all.
type Lane string

const (
	laneAny    Lane   = "any"
	lanePinned string = "sim:"
)

// SIMLane is the lane of one SIM alone.
func SIMLane(sim string) Lane { return Lane(lanePinned + sim) }

func (r Route) lane(tier int) Lane { return Lane(r.Prefix + "/" + strconv.Itoa(tier)) }

// tierOf returns the first tier that holds the SIM, or -1.
func (r Route) tierOf(sim string) int {
	return slices.IndexFunc(r.Tiers, func(t []string) bool { return slices.Contains(t, sim) })
}

// ErrNoRoute is the refusal of a number that no route carries.
var ErrNoRoute = errors.New("no route carries this number")

// DefaultPrice is what a part costs where no route says otherwise.
const DefaultPrice = Credit

// route finds the route of a number; ok is false when there is none. Short
// codes belong to a network, so no country's prefix carries them.
func (r *Rules) route(to Number) (best Route, ok bool) {
	for _, t := range r.Routes {
		match := strings.HasPrefix(string(to), t.Prefix)
		if to.IsShortCode() {
			match = t.Prefix == "" || t.Prefix == string(to)
		}
		if match && (!ok || len(t.Prefix) > len(best.Prefix)) {
			best, ok = t, true
		}
	}
	return best, ok
}

// Price is what one part to a number costs. [ErrNoRoute] when nothing carries it.
func (r *Rules) Price(to Number) (Credits, error) {
	if len(r.Routes) == 0 {
		return DefaultPrice, nil
	}
	t, ok := r.route(to)
	if !ok {
		return 0, ErrNoRoute
	}
	return t.Price, nil
}

// Lanes are the lanes that a SIM works in.
func (r *Rules) Lanes(sim string) []Lane {
	lanes := []Lane{SIMLane(sim)}
	if len(r.Routes) == 0 {
		return append(lanes, laneAny)
	}
	for _, t := range r.Routes {
		first := t.tierOf(sim)
		for tier := first; first >= 0 && tier < len(t.Tiers); tier++ {
			lanes = append(lanes, t.lane(tier))
		}
	}
	return lanes
}

// Rank says how well a SIM suits a lane: 0 for the first tier, then 1, 2; ok is
// false when it does not work there.
func (r *Rules) Rank(l Lane, sim string) (rank int, ok bool) {
	if l == SIMLane(sim) || len(r.Routes) == 0 && l == laneAny {
		return 0, true
	}
	for _, t := range r.Routes {
		for tier := range t.Tiers {
			if first := t.tierOf(sim); t.lane(tier) == l && first >= 0 && first <= tier {
				return first, true
			}
		}
	}
	return 0, false
}

// shared reports whether a lane may have more SIMs than one.
func (r *Rules) shared(l Lane) bool {
	if l == laneAny {
		return len(r.SIMs) != 1
	}
	for _, t := range r.Routes {
		n := 0
		for tier := range t.Tiers {
			if n += len(t.Tiers[tier]); t.lane(tier) == l {
				return n > 1
			}
		}
	}
	return false
}

// Serves reports whether the rules know the lane.
func (r *Rules) Serves(l Lane) bool {
	if len(r.Routes) == 0 {
		return l == laneAny || strings.HasPrefix(string(l), lanePinned)
	}
	return strings.HasPrefix(string(l), lanePinned) || slices.ContainsFunc(r.Routes, func(t Route) bool {
		for tier := range t.Tiers {
			if t.lane(tier) == l {
				return true
			}
		}
		return false
	})
}

// Admit gives a new message its state and lane. Its Due is when it may leave at
// the earliest. [ErrNoRoute] refuses it.
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

// firstLane is where a message begins: level 1 of escalation opens all tiers at
// once (the first is still preferred), the others begin in the first.
func (r *Rules) firstLane(m Message) (Lane, error) {
	if m.OnlySIM != "" {
		return SIMLane(m.OnlySIM), nil
	}
	if len(r.Routes) == 0 {
		return laneAny, nil
	}
	t, ok := r.route(m.To)
	if !ok || len(t.Tiers) == 0 {
		return "", ErrNoRoute
	}
	if m.Escalate == 1 {
		return t.lane(len(t.Tiers) - 1), nil
	}
	return t.lane(0), nil
}

// escalation is where a message of level 2 goes next, and when, if its lane has
// not taken it by then; ok is false when it goes no further.
func (r *Rules) escalation(m Message, l Lane) (next Lane, at time.Time, ok bool) {
	t, ok := r.route(m.To)
	if !ok || m.Escalate != 2 {
		return "", time.Time{}, false
	}
	for tier := range len(t.Tiers) - 1 {
		if t.lane(tier) == l {
			return t.lane(tier + 1), m.Due.Add(time.Duration(tier+1) * r.EscalateAfter), true
		}
	}
	return "", time.Time{}, false
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
	return lane, m.Due.Add(r.EscalateAfter), err == nil && r.shared(lane)
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
		s.Why = "no report came"
	}
	return s
}

func (r *Rules) reviewQueued(m Message, serving []string, now time.Time, s *Step) {
	if !now.Before(m.Expires) {
		s.State, s.Refund, s.Why = Expired, !mayHaveLeft(m), "validity over"
		return
	}
	if !now.Before(m.AvoidUntil) {
		s.Avoid, s.AvoidUntil = "", time.Time{}
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
	switch {
	case !m.Resend:
		s.Why = "outcome unknown; kept for the operator"
	case !now.Before(m.Expires):
		s.Why = "outcome unknown; validity over"
	case m.Doubts > resendMost:
		s.Why = "outcome unknown again and again; kept for the operator"
	default:
		s.State, s.Duplicate = Queued, true
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
		if r.shared(m.Lane) {
			s.Avoid, s.AvoidUntil = sim, now.Add(r.UnknownWait+r.EscalateAfter)
		}
		return s
	case NotSent:
		if !r.shared(m.Lane) {
			m.Due = now // behind the others: it may be what the only modem stumbles over
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

// refused decides by the class of the cause.
func (r *Rules) refused(m Message, sim string, o Outcome, repeat bool, now time.Time) Step {
	wait := backOff[min(m.Tries, len(backOff)-1)]
	wait += wait / 4 * time.Duration(m.ID[15]) / 256 // so that many do not come back as one
	var s Step
	switch class := o.Cause.Class(); {
	case class == pdu.CauseDuplicate && repeat:
		return r.Progress(m, now)
	case class == pdu.CausePermanent, class == pdu.CauseOtherSIM && m.Tries > 0:
		return Step{State: Failed, Lane: m.Lane, Refund: !mayHaveLeft(m), Tried: true, Why: o.Detail}
	case class == pdu.CauseRadio, class == pdu.CauseSIM:
		return r.again(m, sim, now, waitRadio, avoidRadio, o.Detail)
	case class == pdu.CauseFull && m.Tries == 0:
		s = r.again(m, "", now, 0, 0, o.Detail) // the modem makes room
	case class == pdu.CauseModem && m.Tries == 0:
		s = r.again(m, "", now, 2*time.Second, 0, o.Detail)
	default:
		s = r.again(m, sim, now, wait, wait+r.EscalateAfter, o.Detail)
	}
	s.Tried = true
	return s
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
	} else if sim != "" && r.shared(m.Lane) {
		s.Avoid, s.AvoidUntil = sim, now.Add(avoid)
	}
	s.Review = r.nextReview(m, s, now)
	return s
}

// ReportGrace is how long after the end of validity a report is still expected.
const ReportGrace = 24 * time.Hour

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
	case count[Delivered] == n:
		s.State, s.Why = Delivered, "received by the handset"
	case count[Delivered]+count[Sent] == n:
		s.State, s.Why = Sent, "accepted by the network"
		if m.Report {
			s.Review = m.Expires.Add(ReportGrace)
		}
	case count[Unknown] == 0 && (m.State == Unknown || m.State == Queued):
		return r.again(m, "", now, 0, 0, "earlier parts are settled")
	default: // other parts are still to go: as it was
		s.Review, s.Avoid, s.AvoidUntil, s.Why = m.Review, m.Avoid, m.AvoidUntil, m.Why
	}
	return s
}
