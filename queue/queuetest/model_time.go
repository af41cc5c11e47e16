package queuetest

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"cellpost/sms"
)

func (r *ride) time() {
	most := rapid.SampledFrom([]time.Duration{10 * time.Second, 2 * time.Minute, 2 * time.Minute, 3 * time.Hour, 3 * 24 * time.Hour}).Draw(r.T, "most")
	d := time.Duration(rapid.Int64Range(1, most.Milliseconds()).Draw(r.T, "milliseconds")) * time.Millisecond
	var serving []string
	for _, sim := range r.rules.sims {
		if rapid.Bool().Draw(r.T, sim+" serves") {
			serving = append(serving, sim)
		}
	}
	until := time.Now().Add(d)
	r.clerk(serving)
	for asleep := rapid.IntRange(0, 3).Draw(r.T, "asleep") == 0; !asleep; {
		next, ok, err := r.store.NextDue(r.t.Context())
		r.ok(err)
		if !ok || next.After(until) {
			break
		}
		time.Sleep(time.Until(next))
		r.clerk(serving)
	}
	time.Sleep(time.Until(until))
	r.clerk(serving)
	r.tell("%v later, %v serving", d, serving)
}

// turnsMost bounds how often one moment is looked at.
const turnsMost = 100

// clerk has the store look until nothing is due any more, and the model too.
func (r *ride) clerk(serving []string) {
	for turn := 0; ; turn++ {
		_, err := r.store.Overdue(r.t.Context(), serving)
		r.ok(err)
		next, ok, err := r.store.NextDue(r.t.Context())
		r.ok(err)
		if !ok || next.After(time.Now()) {
			break
		}
		if turn > turnsMost {
			r.failf("still due at %v", next)
		}
	}
	r.lapse()
	for _, m := range r.list() {
		l := r.letter(m.ID)
		r.tick(l, serving)
		r.mayLag(l, m)
		r.mayStartOver(l, m, serving)
	}
}

// lapse ends the hand-overs whose lines have said nothing in their time.
func (r *ride) lapse() {
	for _, c := range r.claims {
		if h := c.hand; h.outcome == sms.Open && !h.started.Add(lease).After(r.now()) {
			r.tell("the lease of attempt %d of %x runs out", h.id, h.letter.ID[14:])
			r.settle(h, ambiguous)
			r.matchKept(h)
		}
	}
}

// mayLag follows a message that is in a narrower lane than the rules of today
// allow: a tier that the operator has put behind its last one is not opened for it.
func (r *ride) mayLag(l *letter, m sms.Message) {
	if l.state != sms.Queued || !l.rerouted || l.lane.only != "" {
		return
	}
	for _, lane := range r.rules.path(l.To) {
		if lane.name() == m.Lane && lane.tier < l.lane.tier {
			l.lane = lane
			return
		}
	}
}

// mayStartOver follows the store where it starts over, and says when it should not
// have, or should.
func (r *ride) mayStartOver(l *letter, m sms.Message, serving []string) {
	if l.state != sms.Queued || l.over.from.IsZero() {
		return
	}
	now, comes := r.now(), l.tries == 0 && slices.Contains(serving, l.pinned())
	if m.State == sms.Queued && m.Lane != l.lane.name() && !l.over.from.After(now) && !comes {
		r.startedOver(l)
		return
	}
	if l.over.to.After(now) {
		return
	}
	// It is looked at again soon, because its SIM comes, or the clerk was late.
	again := r.model(m.Review)
	if !again.After(now) || again.After(now.Add(escalateAfter)) && !l.rerouted {
		r.failf("%s waits for %s since %v, and is looked at again at %v", l, l.pinned(), l.over.to, again)
	}
	l.over.to = again
}

func (r *ride) letter(id sms.ID) *letter {
	i := slices.IndexFunc(r.letters, func(l *letter) bool { return l.ID == id })
	if i < 0 {
		r.failf("nobody added %s", id)
	}
	return r.letters[i]
}

// Steps of the clock: an hour for daylight saving, years for a lost battery.
var clockSteps = []time.Duration{20 * time.Second, time.Minute, time.Hour, 30 * 24 * time.Hour, 20 * 365 * 24 * time.Hour}

// wallSet is what the model makes of a clock that was set. A clock that goes
// forward is one for which time seems to pass, a clock that goes back one for
// which time has passed without a trace.
func (r *ride) wallSet(d time.Duration) {
	r.set += d
	for _, l := range r.letters {
		l.set = l.set || l.state.Final()
	}
}

func (r *ride) drawStep() time.Duration {
	d := rapid.SampledFrom(clockSteps).Draw(r.T, "step")
	if d <= time.Hour && rapid.Bool().Draw(r.T, "back") {
		return -d
	}
	return d
}

func (r *ride) setClock() {
	if rapid.IntRange(0, 3).Draw(r.T, "small") == 0 && r.small < smallSteps {
		d := time.Duration(-rapid.IntRange(1, 2).Draw(r.T, "seconds")) * time.Second
		r.machine.SetClock(d)
		r.small, r.pending = r.small+1, r.pending+d
		return
	}
	d := r.drawStep()
	if d > 0 {
		time.Sleep(d)
	}
	r.machine.SetClock(d)
	_, err := r.store.Now(r.t.Context())
	r.ok(err)
	r.wallSet(d + r.pending)
	r.pending = 0
	r.tell("the clock is set by %v", d)
}

func (r *ride) restart() {
	r.ok(r.machine.Close())
	r.forget()
	time.Sleep(time.Duration(rapid.IntRange(0, 100).Draw(r.T, "down")) * time.Second)
	switch rapid.IntRange(0, 3).Draw(r.T, "clock") {
	case 0:
		d := r.drawStep()
		if d > 0 {
			time.Sleep(d)
		}
		r.booted = r.booted.Add(d)
		defer r.tell("the clock was set by %v meanwhile", d)
		r.wallSet(d)
	case 1:
		r.boot++
		r.booted = time.Now()
	}
	if r.rules.deny == nil {
		r.rules = rapid.SampledFrom([]*country{mainland, changed, open}).Draw(r.T, "rules")
	}
	r.open()
	r.tell("restart with the rules of %s", r.rules.name)
	n, err := r.store.Abandon(r.t.Context())
	r.ok(err)
	for _, c := range r.claims {
		if c.hand.outcome != sms.Open {
			continue
		}
		n--
		r.settle(c.hand, ambiguous)
		r.matchKept(c.hand)
	}
	if n != 0 {
		r.failf("%d attempts too many were open", n)
	}
	_, err = r.store.Reroute(r.t.Context())
	r.ok(err)
	for _, l := range r.letters {
		if !l.state.Final() && !r.rules.serves(l.lane) && len(r.rules.path(l.To)) > 0 {
			l.lane = r.first(l)
		}
		l.rerouted = true
		if l.state == sms.Queued {
			over := l.over
			if r.startOverFrom(l); over.from.IsZero() || l.over.from.IsZero() {
				continue
			}
			l.over.from = over.from
		}
	}
}
