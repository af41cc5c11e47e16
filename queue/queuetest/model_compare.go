package queuetest

import (
	"slices"

	"cellpost/queue"
	"cellpost/sms"
)

// list returns all messages as the store has them, oldest first.
func (r *ride) list() []sms.Message {
	list, err := r.store.List(r.t.Context(), queue.Filter{Limit: 10_000})
	r.ok(err)
	slices.Reverse(list)
	if len(list) != len(r.letters) {
		r.failf("%d messages are there, want %d", len(list), len(r.letters))
	}
	return list
}

// balance is what an account has left: what it had, less the messages whose price
// it has not got back.
func (r *ride) balance(name string) sms.Credits {
	left := credit[name]
	for _, l := range r.letters {
		if l.Account == name && !l.refunded {
			left -= l.Price
		}
	}
	return left
}

// compare holds the store against the model.
func (r *ride) compare() {
	for _, m := range r.list() {
		r.compareOne(r.letter(m.ID), m)
	}
	for _, name := range accounts {
		a, err := r.store.Account(r.t.Context(), name)
		r.ok(err)
		if want := r.balance(name); a.Credits != want {
			r.failf("%s has %d millionths left, want %d", name, a.Credits, want)
		}
	}
	r.compareDue()
}

func (r *ride) compareOne(l *letter, m sms.Message) {
	if m.State != l.state || m.Tries != l.tries || m.Doubts != l.doubts {
		r.failf("%x is %s (%s) after %d tries and %d doubts, want %s after %d and %d", l.ID[14:], m.State, m.Why, m.Tries, m.Doubts, l.state, l.tries, l.doubts)
	}
	for i, p := range m.Parts {
		if want := l.parts[i]; p.State != want.state || l.taken(i) && p.SIM != want.sim {
			r.failf("part %d of %x is %s by %q, want %s by %q", i+1, l.ID[14:], p.State, p.SIM, want.state, want.sim)
		}
	}
	switch {
	case l.mustFlag() && !m.Duplicate:
		r.failf("%x is no possible duplicate, but a part of it may have left, and leaves again", l.ID[14:])
	case m.Duplicate && !l.everDup:
		r.failf("%x is a possible duplicate, and nothing of it was sent again", l.ID[14:])
	}
	if !l.state.Final() {
		r.compareWaiting(l, m)
	}
	if was, ok := r.shown[l.ID]; !ok || !was.Updated.Equal(m.Updated) || was.State != m.State {
		r.compareAttempts(l)
	}
	r.shown[l.ID] = m
}

func (r *ride) compareWaiting(l *letter, m sms.Message) {
	if m.Lane != l.lane.name() {
		r.failf("%x waits for %s, want %s", l.ID[14:], m.Lane, l.lane.name())
	}
	if l.state == sms.Sending {
		return
	}
	if due := r.model(m.Due); !l.due.has(due) {
		r.failf("%x is due at %v, want from %v to %v", l.ID[14:], due, l.due.from, l.due.to)
	} else {
		l.due = moment(due)
	}
	if !l.Expires.Equal(r.model(m.Expires)) {
		r.failf("%x expires at %v, want %v", l.ID[14:], r.model(m.Expires), l.Expires)
	}
	r.compareAvoid(l, m)
}

// compareAvoid checks which SIM is to pass a message over, and until when.
func (r *ride) compareAvoid(l *letter, m sms.Message) {
	until := r.model(m.AvoidUntil)
	switch {
	case l.avoid != "" && m.Avoid == l.avoid && l.until.has(until):
		l.until = moment(until)
	case l.avoid == "" && m.Avoid == "":
	default:
		r.failf("%x keeps off %q until %v, want %q from %v to %v", l.ID[14:], m.Avoid, until, l.avoid, l.until.from, l.until.to)
	}
}

// compareAttempts holds the hand-overs of a message against those of the model.
func (r *ride) compareAttempts(l *letter) {
	m, _, err := r.store.Show(r.t.Context(), l.ID)
	r.ok(err)
	n := 0
	for i, p := range m.Parts {
		for _, a := range p.Attempts {
			n++
			j := slices.IndexFunc(l.hands, func(h *hand) bool { return h.id == a.ID })
			if j < 0 {
				r.failf("nobody made attempt %d of %x", a.ID, l.ID[14:])
			}
			h := l.hands[j]
			if h.part != i || h.sim != a.SIM || h.outcome != a.Outcome.Kind || h.mr >= 0 && byte(h.mr) != a.Outcome.MR {
				r.failf("attempt %d of %x is %+v, want %s with reference %d", a.ID, l.ID[14:], a, h.outcome, h.mr)
			}
		}
	}
	if n != len(l.hands) {
		r.failf("%d attempts of %x, want %d", n, l.ID[14:], len(l.hands))
	}
	r.oneSIM(l)
}

// oneSIM checks that there is one SIM by which every part that was accepted has
// left, or nobody's handset could join them.
func (r *ride) oneSIM(l *letter) {
	if slices.ContainsFunc(r.rules.sims, func(sim string) bool {
		for i := range l.parts {
			if l.taken(i) && !slices.ContainsFunc(l.hands, func(h *hand) bool {
				return h.part == i && h.sim == sim && !h.obsolete && h.outcome != sms.NotSent
			}) {
				return false
			}
		}
		return true
	}) {
		return
	}
	r.failf("no SIM has sent all parts of %s", l)
}

// compareDue checks that whatever waits is looked at in time.
func (r *ride) compareDue() {
	next, ok, err := r.store.NextDue(r.t.Context())
	r.ok(err)
	for _, l := range r.letters {
		if at, waits := r.wakes(l); waits && (!ok || r.model(next).After(later(at, r.now()))) {
			r.failf("%s has to be looked at until %v; next due is %v, %v", l, at, r.model(next), ok)
		}
	}
}
