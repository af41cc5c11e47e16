package sms

import (
	"errors"
	"fmt"
	"time"
)

// ErrNoRetry is the refusal to send a message again; it comes with the reason.
var ErrNoRetry = errors.New("not sent again")

// RetryValidity is how long a message is valid that an operator sends again:
// as long as a new one that says nothing of it.
const RetryValidity = 24 * time.Hour

// Retry decides about a message that an operator wants to be sent again, now.
// left says that the network has something of it, or may have; refunded that its
// price was given back. [ErrNoRetry] where it is under way, where the network
// still tries, and where the handset has it; [ErrNoRoute] where no SIM may send to
// the number today.
func (r *Rules) Retry(m Message, left, refunded bool, now time.Time) (Step, error) {
	if why := noRetry(m, now); why != "" {
		return Step{}, fmt.Errorf("%w: %s", ErrNoRetry, why)
	}
	lane, err := r.firstLane(m)
	if err != nil {
		return Step{}, err
	}
	s := Step{
		State: Queued, Due: now, Lane: lane, Expires: now.Add(RetryValidity),
		Duplicate: left, Charge: refunded, Why: "sent again by the operator",
	}
	if sim, begun := pinned(m); m.State == Unknown && begun {
		s.Lane = SIMLane(sim) // the rest of it, as when the rules send it again
	} else {
		// What a handset has of it is too old to be joined with the rest.
		s.StartOver = begun || m.State == Failed
	}
	m.Expires = s.Expires
	s.Review = r.nextReview(m, s, now)
	return s, nil
}

// noRetry says why a message may not be sent again; empty: it may.
func noRetry(m Message, now time.Time) string {
	if m.To == Number(MaskNumber(string(m.To))) {
		return "its number and text have been taken out"
	}
	switch m.State {
	case Failed:
		if m.Price == 0 && (m.Fault == FaultRoute || m.Fault == FaultCredit) {
			return "it was refused from the beginning, and nobody pays for it: submit it anew"
		}
		return ""
	case Expired, Cancelled:
		return ""
	case Unknown:
		if !m.Review.IsZero() {
			return "it is not known yet whether the network has it; the gateway decides in " + wait(m.Review.Sub(now))
		}
		return ""
	case Sent:
		if now.Before(m.Expires) {
			return "the network has it, and goes on trying for " + wait(m.Expires.Sub(now))
		}
		return ""
	case Delivered:
		return "the handset has it"
	}
	return fmt.Sprintf("it is %s, and goes by itself", m.State)
}

// wait is a span in words, in whole seconds or, from an hour on, minutes.
func wait(d time.Duration) string {
	unit := time.Second
	if d >= time.Hour {
		unit = time.Minute
	}
	return max(d.Round(unit), unit).String()
}
