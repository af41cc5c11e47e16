package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"cellpost/board"
	"cellpost/sms"
)

// clockConfig says when the clock of this machine is believed.
type clockConfig struct {
	Trust string `toml:"trust"` // auto or always
}

const (
	trustAuto   = "auto"
	trustAlways = "always"
)

func (c *config) checkClock(s source) error {
	if t := c.Clock.Trust; t != trustAuto && t != trustAlways {
		return s.at("clock", 0, "trust", "trust %q: auto or always", t)
	}
	return nil
}

// clockFacts are what speaks for the time, and against it.
type clockFacts struct {
	board.Clock
	now    time.Time
	floor  time.Time // a time that has passed; zero: not known
	always bool      // the operator says that it is right
	kept   bool      // it was found right, and has not been set since

	offset time.Duration // from this clock to that of the mobile networks
	source string        // who says so; empty: nobody has yet
}

// clockOff is how far the clock may be from the networks', or from the one with a
// battery, before it is wrong: a message that tells the time is up to a minute and
// a half late.
const clockOff = 3 * time.Minute

// contradicted reports whether the mobile networks tell another time.
func (c clockFacts) contradicted() bool { return c.source != "" && c.offset.Abs() > clockOff }

// trust says whether the clock shows the time, and why, or why not: the reasons in
// order of their weight. docs/decisions/0009-clock.md has the reasons for that.
func (c clockFacts) trust() (trusted bool, why string) {
	switch {
	case c.always:
		return true, "the configuration says that it is right"
	case c.now.Before(c.floor):
		return false, "it shows a time before this program was made"
	case c.Synced:
		return true, "NTP keeps it in step"
	case c.contradicted():
		return false, fmt.Sprintf("the mobile network tells a time %s (%s)", away(c.offset), c.source)
	case c.source != "":
		return true, "the mobile network agrees (" + c.source + ")"
	case c.Firmware:
		return true, "the machine keeps the time while it is off"
	}
	if trusted, why = c.battery(); !trusted && c.kept {
		return true, "it was found right, and has not been set since"
	}
	return trusted, why
}

// battery asks the clock that runs without power. It may have run down, and the
// system have gone on from the time that it was shut down at.
func (c clockFacts) battery() (trusted bool, why string) {
	switch off := c.RTCTime.Sub(c.now); {
	case c.RTC == "":
		return false, "no NTP, no clock with a battery and no mobile network vouches for it"
	case c.RTCTime.IsZero():
		return false, "the clock with a battery, " + c.RTC + ", does not tell its time"
	case off.Abs() > clockOff:
		return false, fmt.Sprintf("the clock with a battery, %s, tells a time %s", c.RTC, away(off))
	}
	return true, "the clock with a battery, " + c.RTC + ", agrees"
}

// away says how far another clock is from this one.
func away(d time.Duration) string {
	if d < 0 {
		return d.Abs().Round(time.Second).String() + " earlier"
	}
	return d.Round(time.Second).String() + " later"
}

// clockFacts are what can be known without asking the networks.
func (c config) clockFacts() clockFacts {
	f := clockFacts{now: time.Now(), floor: clockFloor(), always: c.Clock.Trust == trustAlways}
	f.Clock = board.ReadClock(c.Modems.boardRoot()) // after now: what is set from then on shows
	return f
}

// clockKeeper judges the clock of this machine whenever something about it may have
// changed, and tells the queue. Make it with newClockKeeper.
type clockKeeper struct {
	facts   func(found time.Time) clockFacts // as of now; found is when the clock was last found right, zero: it was not
	tell    func(ctx context.Context, c sms.Clock) error
	log     *slog.Logger
	changed chan struct{} // holds a token when something may have

	found time.Time // see facts, with its monotonic reading; for look alone

	mu   sync.Mutex // guards last
	last sms.Clock
}

func newClockKeeper(facts func(found time.Time) clockFacts, tell func(context.Context, sms.Clock) error, log *slog.Logger) *clockKeeper {
	return &clockKeeper{facts: facts, tell: tell, log: log, changed: make(chan struct{}, 1)}
}

// clockLook is how soon a change is seen that nothing tells of: whether NTP keeps
// the clock in step the kernel tells only who asks, and a message whose time has come
// may well wait so long after hours without the time.
const clockLook = time.Minute

// run looks until ctx ends.
func (k *clockKeeper) run(ctx context.Context) error {
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := board.WatchClock(ctx, k.poke); err != nil {
			k.log.Warn("that the clock is set shows only once a minute", "err", err)
		}
	})
	defer watching.Wait()
	tick := time.NewTicker(clockLook)
	defer tick.Stop()
	for failing := false; ; {
		select {
		case <-k.changed:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		err := k.look(ctx)
		if (err != nil) != failing && ctx.Err() == nil {
			failing = err != nil
			k.log.Error("the queue and the clock", "failing", failing, "err", err)
		}
	}
}

// poke has the clock judged soon.
func (k *clockKeeper) poke() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// look judges the clock now. One caller at a time.
func (k *clockKeeper) look(ctx context.Context) error {
	facts := k.facts(k.found)
	c := sms.Clock{Judged: facts.now}
	c.Trusted, c.Why = facts.trust()
	switch {
	case !c.Trusted:
		k.found = time.Time{}
	case !facts.kept:
		k.found = facts.now
	}
	if err := k.tell(ctx, c); err != nil {
		return err
	}
	before := k.clock()
	k.mu.Lock()
	k.last = c
	k.mu.Unlock()
	switch {
	case before.Trusted == c.Trusted && !before.Judged.IsZero():
	case c.Trusted:
		k.log.Info("the clock is trusted", "why", c.Why)
	default:
		k.log.Warn("the clock is not trusted: messages that wait for a time of the clock are held", "why", c.Why)
	}
	return nil
}

// clock is what was found last.
func (k *clockKeeper) clock() sms.Clock {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last
}

// clockSetLeast is how far a clock may be set and be taken for the same: NTP and a
// person correct it by a few seconds.
const clockSetLeast = 10 * time.Second

// wasSet is by how much the clock was set between two readings.
func wasSet(before, now time.Time) time.Duration {
	return (now.Round(0).Sub(before.Round(0)) - now.Sub(before)).Abs()
}
