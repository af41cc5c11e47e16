package modem

import (
	"context"
	"time"

	"cellpost/modem/profile"
)

// Step is a way to get a module back that needs more than its commands.
type Step struct {
	Name   string                          // for people: "USB re-authorisation"
	USB    bool                            // it makes the module leave the bus and come back, which some never do
	Do     func(ctx context.Context) error // returns when the step is taken, or cannot be
	Settle time.Duration                   // until the module may be opened again
}

// rung is a step of the ladder: commands for a module that answers, or a Step.
type rung struct {
	name     string
	commands []string
	restarts bool // after the commands the module starts anew
	step     func(ctx context.Context) error
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
		if !s.USB || !p.NoUSB {
			r = append(r, rung{name: s.Name, step: s.Do, settle: s.Settle})
		}
	}
	return r
}

// ladder counts the sessions in a row that came to nothing, and says what is to
// be done before the next one. The resync, inside a session, is below it.
type ladder struct {
	failures int
	next     int // index of the rung to be taken next
	rounds   int // how often all were taken and nothing helped
	rest     time.Time
	restFor  time.Duration
}

const (
	reopenings = 2                // sessions with no more than a new opening of the device, before the first rung
	rungRest   = 15 * time.Second // after a rung, beyond its own time: two or three sessions
)

// Waits before the next session, by failures so far; and between two rounds of
// the rungs. The waits stay short for ever: a module that is well again is found
// in seconds, and looking costs nothing. What is hard on it comes seldom.
var (
	soonWaits  = [...]time.Duration{0, 0, time.Second, 2 * time.Second, 5 * time.Second}
	roundWaits = [...]time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute}
)

// failed takes note of a session that came to nothing, and returns the rung to
// be taken, nil for none, and how long to wait otherwise. answered says that the
// module answers commands.
func (l *ladder) failed(all []rung, answered bool, now time.Time) (take *rung, wait time.Duration) {
	wait = l.again()
	if l.failures <= reopenings || l.resting(now) {
		return nil, wait
	}
	for l.next < len(all) {
		r := &all[l.next]
		l.next++
		if r.step != nil || answered {
			l.restUntil(now, r.settle+rungRest)
			return r, 0
		}
	}
	l.next = 0
	l.restUntil(now, roundWaits[min(l.rounds, len(roundWaits)-1)])
	l.rounds++
	return nil, wait
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
func (l *ladder) parked() bool { return l.rounds > 0 && l.next == 0 }

// served takes note of a session that came into service. The rounds are not
// begun anew before the rest after the last rung is over: what comes up and
// fails again at once is not to be reset each time.
func (l *ladder) served(now time.Time) {
	if l.resting(now) {
		l.failures = 0
		return
	}
	*l = ladder{}
}
