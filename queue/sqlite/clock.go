package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Delays, validities and waits are spans of time, but are kept as times of the
// clock. A board without a battery starts in 1970 or where it stopped, and is set
// by the network an hour later; people set clocks back. So when the clock is set,
// the times of all that waits are moved with it: nothing leaves, and nothing
// expires, sooner or later for it.

// stepLeast is the least change that counts: what is slewed or a few seconds off
// harms no delay, which are minutes.
const stepLeast = 10 * time.Second

// soundSince is a time that has passed: a clock that shows an earlier one was lost.
var soundSince = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// clock watches the system clock by the monotonic one.
type clock struct {
	seen time.Time     // with its monotonic reading; zero: it was not looked at yet
	off  time.Duration // of the system clock from what that makes it

	boot  string        // see [Store.Resume]; empty: not called
	up    time.Duration // at began
	began time.Time
	kept  time.Time // when the table was written last
}

// stepped returns by how much the clock was set since it was looked at last.
func (c *clock) stepped(now time.Time) time.Duration {
	if c.seen.IsZero() {
		c.seen = now
	}
	off := now.Round(0).Sub(c.seen.Round(0)) - now.Sub(c.seen)
	step := off - c.off
	if step.Abs() < stepLeast {
		return 0 // small steps add up
	}
	c.off = off
	return step
}

// keepEvery is how old the clocks in the table may be.
const keepEvery = time.Minute

// minded moves times if the clock was set, and notes the clocks now and then. It is
// part of every transaction.
func (t *tx) minded(now time.Time) error {
	if step := t.clock.stepped(now); step != 0 {
		t.judged.Store(nil) // what vouched for it may be past
		if err := t.shift(step); err != nil {
			return err
		}
		t.clock.kept = time.Time{}
	}
	if t.clock.boot == "" || now.Sub(t.clock.kept) < keepEvery {
		return nil
	}
	t.clock.kept = now
	_, err := t.exec(`INSERT INTO clock (id, boot, up, wall) VALUES (1, ?1, ?2, ?3)
		ON CONFLICT (id) DO UPDATE SET boot = ?1, up = ?2, wall = ?3`,
		t.clock.boot, (t.clock.up + now.Sub(t.clock.began)).Milliseconds(), now.UnixMilli())
	return err
}

// Resume moves the times of all that waits if the clock was set while no process
// watched it. boot names the start of the machine, up is the time since then. Call
// it before anything else is asked of the store.
func (s *Store) Resume(ctx context.Context, boot string, up time.Duration) error {
	return s.write(ctx, func(t *tx) error {
		now := time.Now()
		var bootBefore string
		var upBefore, wallBefore int64
		err := t.row(`SELECT boot, up, wall FROM clock`).Scan(&bootBefore, &upBefore, &wallBefore)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err == nil {
			before := time.UnixMilli(wallBefore)
			passed := up - time.Duration(upBefore)*time.Millisecond
			if boot != bootBefore && now.Sub(before) > offMost {
				if err := t.unsteady(); err != nil {
					return err
				}
			}
			if step := setMeanwhile(before, now, boot == bootBefore, passed); step != 0 {
				if err := t.shift(step); err != nil {
					return err
				}
			}
		}
		t.clock.boot, t.clock.up, t.clock.began = boot, up, now
		return nil
	})
}

// setMeanwhile says by how much the clock was set between two looks. How long a
// machine was off nobody knows: it counts as nothing if the clock was lost, or
// found again, meanwhile.
func setMeanwhile(before, now time.Time, sameBoot bool, passed time.Duration) time.Duration {
	step := now.Sub(before)
	if sameBoot {
		step -= passed
	} else if step >= 0 && !(before.Before(soundSince) && !now.Before(soundSince)) {
		return 0
	}
	if step.Abs() < stepLeast {
		return 0
	}
	return step
}

// waits are the messages that something is still to happen to.
// One that waits for a time of the clock keeps it, see [sms.Message].At.
const waits = `(state IN ('queued', 'sending', 'unknown') OR state = 'scheduled' AND at IS NULL OR state = 'sent' AND review IS NOT NULL)`

// forgottenQuery finds the newest attempt from before a time: attempts begin in the
// order of their keys, so that only later ones are read.
const forgottenQuery = `SELECT coalesce((SELECT id FROM attempt WHERE started < ? ORDER BY id DESC LIMIT 1), 0)`

// shift moves the times of what waits. Attempts move with their messages, because
// reports are matched by them, and so do all that a service centre may hold still,
// because TP-RD depends on them; the timeline keeps what the clock showed.
func (t *tx) shift(step time.Duration) error {
	t.log.Warn("the clock was set: the times of all that waits are moved with it", "by", step.Round(time.Second))
	if step.Abs() > day {
		if err := t.unsteady(); err != nil {
			return err
		}
	}
	forgotten, err := scalar[int64](t.row(forgottenQuery, millis(time.Now().Add(-step-heldMost))))
	if err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE attempt SET started = started + ?1, ended = ended + ?1, lease = lease + ?1
		WHERE id > ?2 OR message IN (SELECT seq FROM message WHERE `+waits+`)`, step.Milliseconds(), forgotten); err != nil {
		return err
	}
	for _, query := range []string{
		`UPDATE message SET due = due + ?1, review = review + ?1, expires = expires + ?1, avoid_until = avoid_until + ?1 WHERE ` + waits,
		`UPDATE event SET due = due + ?1 WHERE state = 'waiting'`,
		`UPDATE inbound SET due = due + ?1 WHERE due IS NOT NULL`,
		`UPDATE report SET received = received + ?1 WHERE attempt IS NULL`,
		`UPDATE centre SET ahead = ahead - ?1`,
		`UPDATE reference SET used = used + ?1`,
	} {
		if _, err := t.exec(query, step.Milliseconds()); err != nil {
			return err
		}
	}
	return t.shiftUsage(step)
}
