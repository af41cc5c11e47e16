package sms

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cellpost/pdu"
)

// life is a message that the rules decide about, with what a store would know
// besides: the time, and the hand-over under way.
type life struct {
	*rapid.T
	rules  *Rules
	now    time.Time
	m      Message
	open   int // index of the part on the air, or -1
	sim    string
	repeat bool
}

var (
	causes   = []pdu.Cause{permanent, otherSIM, temporary, duplicate, full, busy, simGone, noSMSC, noService, {}}
	kinds    = []OutcomeKind{Accepted, Accepted, Refused, Ambiguous, NotSent}
	statuses = []pdu.Status{0x00, 0x20, 0x41, 0x61}
)

// TestWayOn lets anything happen to a message, in any order: it is never left
// without a way on, and never comes back from its end except by evidence.
func TestWayOn(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := born(rt, t)
		rt.Repeat(map[string]func(*rapid.T){
			"": l.check,
			"time": func(*rapid.T) {
				l.now = l.now.Add(time.Duration(rapid.Int64Range(1, int64(2*time.Hour)).Draw(rt, "wait")))
			},
			"review":   func(*rapid.T) { l.review() },
			"claim":    func(*rapid.T) { l.claim() },
			"end":      func(*rapid.T) { l.end(l.outcome()) },
			"evidence": func(*rapid.T) { l.evidence() },
			"cancel":   func(*rapid.T) { l.cancel() },
		})
		l.alone()
	})
}

func born(rt *rapid.T, t *testing.T) *life {
	l := &life{T: rt, rules: rapid.SampledFrom([]*Rules{&network, &anywhere, &picky}).Draw(rt, "rules"), now: start, open: -1}
	l.m = Message{
		ID: NewID(start), To: rapid.SampledFrom([]Number{"447700900123", "447012345678", "4915112345678", "60999"}).Draw(rt, "to"),
		Escalate: rapid.IntRange(0, 2).Draw(rt, "escalate"), Resend: rapid.Bool().Draw(rt, "resend"),
		Report: rapid.Bool().Draw(rt, "report"), OnlySIM: rapid.SampledFrom([]string{"", "", "a"}).Draw(rt, "only"),
		Due:     start.Add(time.Duration(rapid.IntRange(0, 2).Draw(rt, "delay")) * time.Hour),
		Expires: start.Add(time.Duration(rapid.IntRange(3, 48).Draw(rt, "validity")) * time.Hour),
	}
	n := rapid.IntRange(1, 4).Draw(rt, "parts")
	for i := range n {
		l.m.Parts = append(l.m.Parts, Part{N: i + 1, State: Queued})
	}
	s, err := l.rules.Admit(l.m, l.now)
	if errors.Is(err, ErrNoRoute) && l.rules == &picky {
		rt.Skip()
	}
	if err != nil {
		rt.Fatal(err)
	}
	l.apply(s)
	return l
}

func (l *life) apply(s Step) {
	if s.Why == "" {
		l.Fatalf("a step without a reason: %+v", s)
	}
	if s.Refund && (mayHaveLeft(l.m) || slices.ContainsFunc(l.m.Parts, func(p Part) bool { return p.State == Unknown })) {
		l.Fatalf("refunded although it may have left: %+v", l.m)
	}
	l.m.Apply(s)
}

// check is what holds at any time.
func (l *life) check(*rapid.T) {
	m := l.m
	switch m.State {
	case Sending:
		if l.open < 0 {
			l.Fatal("sending, and nothing is on the air")
		}
	case Scheduled:
		if m.Review.IsZero() || m.Review.After(m.Due) {
			l.Fatalf("due at %v, looked at %v", m.Due, m.Review)
		}
	case Queued:
		if m.Review.IsZero() || m.Review.After(m.Expires) {
			l.Fatalf("queued until %v, looked at %v", m.Expires, m.Review)
		}
		if !slices.ContainsFunc(m.Parts, func(p Part) bool { return p.State == Queued }) {
			l.Fatal("queued with nothing to send")
		}
		if sim, ok := pinned(m); ok && m.Lane != SIMLane(sim) {
			l.Fatalf("part of it left by %s, the rest is for %s", sim, m.Lane)
		}
	case Unknown:
		if m.Review.IsZero() && m.Resend && l.now.Before(m.Expires) {
			l.Fatal("unknown, and nobody will look")
		}
	}
}

// review is what a clerk does: all that is overdue, and that comes to an end.
func (l *life) review() {
	for range 6 {
		if l.m.State == Sending || l.m.Review.IsZero() || l.m.Review.After(l.now) {
			return
		}
		from := l.m.State
		l.apply(l.rules.Review(l.m, nil, l.now))
		if from.Final() && l.m.State != from {
			l.Fatalf("time made a message that was %s %s", from, l.m.State)
		}
	}
	l.Fatalf("looked at again and again: %+v", l.m)
}

// claim is what a line does: any SIM of the lane, if there is something to send.
func (l *life) claim() {
	m := &l.m
	if m.State != Queued || m.Due.After(l.now) || !m.Expires.After(l.now) {
		return
	}
	l.sim = rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(l.T, "sim")
	if !slices.Contains(l.rules.Lanes(l.sim), m.Lane) {
		return
	}
	l.repeat = m.Duplicate && rapid.Bool().Draw(l.T, "repeat")
	m.State = Sending
	l.take(slices.IndexFunc(m.Parts, func(p Part) bool { return p.State == Queued }))
}

func (l *life) take(part int) {
	l.open = part
	l.m.Parts[part].State = Sending
}

func (l *life) outcome() Outcome {
	kind := rapid.SampledFrom(kinds).Draw(l.T, "kind")
	o := Outcome{Kind: kind, MR: rapid.Byte().Draw(l.T, "mr"), Detail: string(kind)}
	if kind == Refused {
		o.Cause = rapid.SampledFrom(causes).Draw(l.T, "cause")
	}
	return o
}

// end is the end of a hand-over; while parts are accepted the next one follows.
func (l *life) end(o Outcome) {
	if l.open < 0 {
		return
	}
	p := &l.m.Parts[l.open]
	p.ApplyOutcome(o, l.sim, l.repeat)
	next := slices.IndexFunc(l.m.Parts, func(p Part) bool { return p.State == Queued })
	if p.State == Sent && next >= 0 {
		l.take(next)
		return
	}
	l.open = -1
	l.apply(l.rules.After(l.m, l.sim, o, l.repeat, l.now))
	if l.m.State == Sending {
		l.Fatalf("%s ended it as sending", o.Kind)
	}
}

// evidence is a status report about a part that has left, or may have.
func (l *life) evidence() {
	i := rapid.IntRange(0, len(l.m.Parts)-1).Draw(l.T, "part")
	p := &l.m.Parts[i]
	if l.m.State == Sending || p.SIM == "" {
		return
	}
	from, was := l.m.State, p.State
	p.ApplyStatus(rapid.SampledFrom(statuses).Draw(l.T, "status"), p.SIM, p.MR)
	l.apply(l.rules.Progress(l.m, l.now))
	if from.Final() && !l.m.State.Final() {
		l.Fatalf("evidence about a part that was %s made a message that was %s %s", was, from, l.m.State)
	}
}

func (l *life) cancel() {
	switch l.m.State {
	case Queued, Scheduled, Unknown:
		if rapid.IntRange(0, 9).Draw(l.T, "really") == 0 {
			l.apply(Step{State: Cancelled, Due: l.m.Due, Lane: l.m.Lane, Why: "cancelled"})
		}
	}
}

// alone leaves the message to the clock, as if all lines were gone: it comes to
// an end, or to the operator, and on the way it was offered as widely as it may be.
func (l *life) alone() {
	if l.m.State == Sending {
		for l.open >= 0 {
			l.end(Outcome{Kind: NotSent, Detail: "the line is gone"})
		}
	}
	story := ""
	for range 20 {
		story += fmt.Sprintf("\n%v: %s for %s, review %v", l.now.Sub(start), l.m.State, l.m.Lane, l.m.Review.Sub(start))
		if l.m.Review.IsZero() {
			break
		}
		l.now = later(l.now, l.m.Review)
		l.review()
		l.offered(story)
	}
	if !l.m.State.Final() && l.m.State != Unknown {
		l.Fatalf("the clock alone does not end it:%s", story)
	}
}

// offered checks that a message which has waited for long enough is not kept
// from SIMs that it may leave by.
func (l *life) offered(story string) {
	path := l.rules.path(l.m.To)
	if _, begun := pinned(l.m); begun || l.m.OnlySIM != "" || l.m.Escalate == 0 || l.m.State != Queued {
		return
	}
	if l.m.Due.Add(3 * escalateAfter).After(l.now) {
		return
	}
	if last := path[len(path)-1]; l.m.Lane != last {
		l.Fatalf("still for %s, not for %s:%s", l.m.Lane, last, story)
	}
}
