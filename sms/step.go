package sms

import (
	"time"

	"cellpost/pdu"
)

// Step is a decision about a message: the state that it goes to, and why.
type Step struct {
	State      State
	Due        time.Time
	Review     time.Time
	Lane       Lane
	Avoid      string
	AvoidUntil time.Time
	Tried      bool // the hand-over counts as a try
	Doubt      bool // the outcome of the hand-over is not known
	Duplicate  bool // from now on the handset may show it twice
	StartOver  bool // all parts leave again, under a new concatenation reference
	Refund     bool // nothing was sent: the account gets its price back
	Charge     bool // the account pays again what it got back
	Again      bool // it goes again, as [Message.Again] says
	Fault      Fault
	Why        string // for the timeline, in words

	// Expires, unless zero, is a new end of validity: the message begins anew, and
	// what went wrong before does not count.
	Expires time.Time
}

// Apply takes a step, for the message and the parts that follow from it. Credit
// is left to the store.
func (m *Message) Apply(s Step) {
	m.State, m.Due, m.Review, m.Lane = s.State, s.Due, s.Review, s.Lane
	m.Avoid, m.AvoidUntil, m.Why = s.Avoid, s.AvoidUntil, s.Why
	m.Duplicate = m.Duplicate || s.Duplicate
	m.WentAgain, m.Fault = m.WentAgain || s.Again, s.Fault
	if s.Tried {
		m.Tries++
	}
	if s.Doubt {
		m.Doubts++
	}
	if !s.Expires.IsZero() {
		m.Expires, m.Tries, m.Doubts = s.Expires, 0, 0
	}
	for i := range m.Parts {
		p := &m.Parts[i]
		switch {
		case s.StartOver:
			p.State, p.SIM, p.MR = Queued, "", 0
		case s.State == Queued && p.State == Unknown:
			p.State = Queued
		case s.State == Failed && p.State != Sent && p.State != Delivered:
			p.State = Failed
		}
	}
}

// ApplyOutcome is what the end of a hand-over makes of a part. repeat says that
// the hand-over asked the SC to reject a duplicate: then "duplicate" means that
// the first one had arrived.
func (p *Part) ApplyOutcome(o Outcome, sim string, repeat bool) {
	switch {
	case o.Kind == Accepted:
		p.State, p.SIM, p.MR = Sent, sim, o.MR
	case o.Kind == Ambiguous:
		p.State, p.SIM = Unknown, sim
	case o.Kind == Refused && repeat && o.Cause.Class() == pdu.CauseDuplicate:
		p.State, p.SIM = Sent, sim
	default:
		p.State = Queued
	}
}

// ApplyStatus is what a status report makes of a part that left by sim. A part
// that another SIM has sent again stays with that one, where the other parts are.
func (p *Part) ApplyStatus(st pdu.Status, sim string, mr byte) {
	if p.State != Sent {
		p.SIM, p.MR = sim, mr
	}
	switch st.Class() {
	case pdu.StatusDelivered:
		p.State = Delivered
	case pdu.StatusTrying:
		if p.State != Delivered {
			p.State = Sent
		}
	default:
		p.State = Failed
	}
}
