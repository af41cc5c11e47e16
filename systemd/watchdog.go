package systemd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Check is proof that one critical loop still turns.
type Check struct {
	// Name stands in the log when the check fails.
	Name string
	// Turn goes once round the loop and returns nil when it came back. It
	// returns soon after ctx has ended; one that does not keeps the watchdog
	// from being fed, which is its purpose, and Watchdog from returning.
	Turn func(ctx context.Context) error
}

// errLate is what a check that outlived its interval has to show for itself.
var errLate = errors.New("no answer in time")

// Watchdog feeds the watchdog of systemd until ctx ends, then returns nil once
// every check has returned. It returns nil at once when this process has no
// watchdog (WATCHDOG_USEC, WATCHDOG_PID), and an error when what systemd
// says of it makes no sense.
//
// Every half of the watchdog's time, the first time at once, all checks turn
// side by side, each with that half as its deadline. Only when all have
// returned nil in time is the watchdog fed. A check that fails or is late is
// logged by name when it begins, and its end once.
func Watchdog(ctx context.Context, log *slog.Logger, checks ...Check) error {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("watchdog: %w: set WatchdogSec= in the unit", err)
	}
	if limit == 0 {
		return nil
	}
	d := dog{interval: limit / 2, feed: loop{log: log, name: "notify"}}
	for _, c := range checks {
		d.loops = append(d.loops, &loop{log: log, name: c.Name, turn: c.Turn})
	}
	d.run(ctx)
	return nil
}

// dog is the watchdog seen from here: it bites after two intervals unfed.
type dog struct {
	interval time.Duration
	loops    []*loop
	feed     loop // the message to systemd may fail as well
}

func (d *dog) run(ctx context.Context) {
	tick := time.NewTicker(d.interval)
	defer tick.Stop()
	for ctx.Err() == nil {
		if d.allTurn(ctx) {
			d.feed.note(notify(daemon.SdNotifyWatchdog))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// allTurn reports whether every loop came round in time. It waits for each:
// while one hangs the watchdog must starve, and a second turn of it would only
// hang beside the first.
func (d *dog) allTurn(ctx context.Context) bool {
	came := make([]bool, len(d.loops))
	var turns sync.WaitGroup
	for i, l := range d.loops {
		turns.Go(func() { came[i] = l.came(ctx, d.interval) })
	}
	turns.Wait()
	return !slices.Contains(came, false)
}

// loop is one check and how it last went.
type loop struct {
	log  *slog.Logger
	name string
	turn func(context.Context) error
	bad  bool
}

// came reports whether the loop went round within limit.
func (l *loop) came(ctx context.Context, limit time.Duration) bool {
	turning, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- l.turn(turning) }()
	var err error
	select {
	case err = <-result:
	case <-turning.Done():
		err = errLate
		defer func() { <-result }()
	}
	if ctx.Err() != nil {
		return false // told to stop: whatever it said, nothing is wrong
	}
	l.note(err)
	return err == nil
}

// note logs err when the loop begins to fail, and when it turns again.
func (l *loop) note(err error) {
	switch {
	case err != nil && !l.bad:
		l.log.Error("watchdog not fed: systemd restarts the service unless this check turns", "check", l.name, "err", err)
	case err == nil && l.bad:
		l.log.Info("watchdog check turns again", "check", l.name)
	}
	l.bad = err != nil
}
