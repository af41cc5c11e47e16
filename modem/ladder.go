package modem

import (
	"context"
	"slices"
	"time"

	"cellpost/modem/profile"
)

// Step is a way to get a module back that needs more than its commands.
type Step struct {
	Name   string                          // for people: "USB re-authorisation"
	USB    bool                            // it makes the module leave the bus and come back, which some never do
	Do     func(ctx context.Context) error // returns when the step is taken, or cannot be
	Settle time.Duration                   // until the module may be opened again
	Worth  func() Worth                    // of the step at the moment; nil: it is always worthwhile
}

// Worth is what there is to expect of a Step.
type Worth int

// Worths of steps.
const (
	Worthwhile Worth = iota
	Doubtful         // nothing is plugged in: it helps a module that fell off the bus, not one that a person took
	Pointless        // there is nothing that it could act on, or it would hit another modem
)

// rung is a step of the ladder: commands for a module that answers, or a Step.
type rung struct {
	name     string
	commands []string
	restarts bool // after the commands the module starts anew
	step     func(ctx context.Context) error
	worth    Worth
	settle   time.Duration
}

// rungs are what may be done for a module of a family, the mildest first.
func rungs(p profile.Profile, steps []Step) []rung {
	var r []rung
	if len(p.Radio) > 0 {
		r = append(r, rung{name: "radio", commands: p.Radio})
	}
	if len(p.Restart) > 0 {
		r = append(r, rung{name: "restart", commands: p.Restart, restarts: true, settle: p.Back})
	}
	for _, s := range steps {
		if s.USB && p.NoUSB {
			continue
		}
		worth := Worthwhile
		if s.Worth != nil {
			worth = s.Worth()
		}
		r = append(r, rung{name: s.Name, step: s.Do, worth: worth, settle: s.Settle})
	}
	return r
}

// unplugged reports whether nothing is plugged in where the module sits.
func unplugged(all []rung) bool {
	return slices.ContainsFunc(all, func(r rung) bool { return r.worth == Doubtful })
}

// ladder counts the sessions in a row that came to nothing, and says what is to
// be done before the next one. The resync, inside a session, is below it.
type ladder struct {
	failures int
	next     int // index of the rung to be taken next
	rounds   int // how often all were taken and nothing helped
	rest     time.Time
	restFor  time.Duration
	gone     bool      // nothing is plugged in
	ended    time.Time // when the last session did; zero: there was none
}

const (
	reopenings = 2                // sessions with no more than a new opening of the device, before the first rung
	rungRest   = 15 * time.Second // after a rung, beyond its own time: two or three sessions

	// lasting is how long a session in service lasts that is a success. A message
	// accepted is none: what breaks down by sending would be reset with each.
	lasting = 5 * time.Minute

	// goneRest is for the hand that moves a stick to another port.
	goneRest = 30 * time.Second
)

// Waits before the next session, by failures so far; and between two rounds of
// the rungs, with the module there and with nothing plugged in. The waits stay
// short for ever: a module that is well again is found in seconds, and looking
// costs nothing. What is hard on it, or on what shares a hub with it, comes
// seldom. But it does come: what is too hot at noon comes back at night.
var (
	soonWaits  = [...]time.Duration{0, 0, time.Second, 2 * time.Second, 5 * time.Second}
	roundWaits = [...]time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute}
	goneWaits  = [...]time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour}
)

// failed takes note of a session that came to nothing, and returns the rung to
// be taken, nil for none, and how long to wait otherwise. answered says that the
// module answers commands.
func (l *ladder) failed(all []rung, answered bool, now time.Time) (take *rung, wait time.Duration) {
	l.ended = now
	l.heed(unplugged(all), now)
	wait = l.again()
	if l.failures <= reopenings || l.resting(now) {
		return nil, wait
	}
	for l.next < len(all) {
		r := &all[l.next]
		l.next++
		if r.step == nil && answered || r.step != nil && r.worth != Pointless {
			l.restUntil(now, r.settle+rungRest)
			return r, 0
		}
	}
	l.next = 0
	l.restUntil(now, l.roundWait())
	l.rounds++
	return nil, wait
}

// roundWait is the rest before the next round.
func (l *ladder) roundWait() time.Duration {
	if l.gone {
		return goneWaits[min(l.rounds, len(goneWaits)-1)]
	}
	return roundWaits[min(l.rounds, len(roundWaits)-1)]
}

// heed takes note of whether something is plugged in. What is unplugged is left
// alone for a while; what is there again does not wait as long as what is not.
// Neither begins the rounds anew: a module may be there for a moment only.
func (l *ladder) heed(gone bool, now time.Time) {
	if gone == l.gone {
		return
	}
	l.gone = gone
	var left time.Duration
	if l.resting(now) {
		left = l.rest.Sub(now)
	}
	if gone {
		l.restUntil(now, max(left, goneRest))
	} else {
		l.restUntil(now, min(left, l.roundWait()))
	}
}

// again takes note of a session that came to nothing, and returns how long to
// wait for the next.
func (l *ladder) again() time.Duration {
	l.failures++
	return soonWaits[min(l.failures, len(soonWaits)-1)]
}

func (l *ladder) restUntil(now time.Time, d time.Duration) { l.rest, l.restFor = now.Add(d), d }

// resting reports whether no rung is to be taken yet. A clock that was set back
// does not prolong the rest.
func (l *ladder) resting(now time.Time) bool {
	return now.Before(l.rest) && l.rest.Sub(now) <= l.restFor
}

// parked reports whether nothing has helped and the next round has to wait.
func (l *ladder) parked() bool { return l.rounds > 0 && l.next == 0 && l.failures > 0 }

// served takes note of a session that came into service. If it lasted, the ladder
// begins anew. What fails again soon goes on where it was: each time from the
// beginning, it would be reset as often, for ever.
func (l *ladder) served(now time.Time) {
	if now.Sub(l.ended) >= lasting {
		*l = ladder{}
	}
	l.failures, l.ended = 0, now
}
