package sms

import (
	"fmt"
	"time"
)

// Clock is what is known of the clock of this machine.
type Clock struct {
	Trusted bool      // it shows the time
	Why     string    // what vouches for it, or why nothing does: for people
	Judged  time.Time // when that was found, with its monotonic reading
}

// Waiting is how a message waits for its absolute time: scheduled, or held while
// the clock is not trusted.
func (m Message) Waiting(c Clock) Step {
	at := m.At.UTC().Format(time.RFC3339)
	if !c.Trusted {
		return Step{State: Held, Due: m.At, Lane: m.Lane, Why: fmt.Sprintf("waits for %s, and the clock is not trusted: %s", at, c.Why)}
	}
	return Step{State: Scheduled, Due: m.At, Lane: m.Lane, Why: "waits for " + at}
}

// Timed decides about a message that waits for its absolute time. The clock
// decides when it is released and whether its validity is over by then; from its
// release on, what is left of that is a span like any other.
func (r *Rules) Timed(m Message, c Clock, now time.Time) Step {
	s := m.Waiting(c)
	switch {
	case !c.Trusted || now.Before(m.At):
	case !now.Before(m.Expires):
		s.State, s.Refund = Expired, !mayHaveLeft(m)
		s.Why = fmt.Sprintf("validity over: it was to leave between %s and %s", m.At.UTC().Format(time.RFC3339), m.Expires.UTC().Format(time.RFC3339))
	default:
		// No SIM could take it before now, so the time to escalate begins now.
		s.State, s.Due, s.Why = Queued, now, "its time has come"
		s.Review = r.nextReview(m, s, now)
	}
	return s
}

// Timed reports whether the message waits for an absolute time: no span of it
// counts yet.
func (m Message) Timed() bool {
	return !m.At.IsZero() && (m.State == Scheduled || m.State == Held)
}
