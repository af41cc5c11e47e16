package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"cellpost/sms"
)

// Messages that wait for a time of the clock follow the clock, not the shift of
// [tx.shift], and only while it is trusted. From a step of the clock to the next
// judgement about it nothing becomes of them: a person who mistypes the year must
// not send, or lose, all that is scheduled.

// Trust takes a judgement about the clock, see [queue.Store]. One from before the
// clock was set does not count, nor one from after a setting that the transaction
// has not seen.
func (s *Store) Trust(ctx context.Context, c sms.Clock) error {
	return s.write(ctx, func(t *tx) error {
		if off := t.wall.Sub(c.Judged.Round(0)) - t.began.Sub(c.Judged); off.Abs() < stepLeast {
			t.judged.Store(&c)
		}
		return nil
	})
}

// ClockTrusted reports whether the clock shows the time, as far as is known.
func (s *Store) ClockTrusted() bool {
	c := s.judged.Load()
	return c != nil && c.Trusted
}

// clockNow is what is known of the clock.
func (t *tx) clockNow() sms.Clock {
	if c := t.judged.Load(); c != nil {
		return *c
	}
	return sms.Clock{Why: "it has just been set"}
}

// awaiting returns a new message as it waits for the clock, and its reasons
// together. The caller's message is left as it is.
func (t *tx) awaiting(m *sms.Message) (*sms.Message, string) {
	waiting := *m
	s := m.Waiting(t.clockNow())
	waiting.State, waiting.Due, waiting.Review, waiting.Why = s.State, s.Due, s.Review, s.Why
	return &waiting, m.Why + "; " + s.Why
}

const (
	timedQuery = `SELECT seq FROM message INDEXED BY message_timed
		WHERE state = 'scheduled' AND at IS NOT NULL AND at <= ? ORDER BY at LIMIT ?`
	heldQuery = `SELECT seq FROM message INDEXED BY message_timed
		WHERE state = 'held' AND at IS NOT NULL ORDER BY at LIMIT ?`
	nextTimedQuery = `SELECT at FROM message INDEXED BY message_timed
		WHERE state = 'scheduled' AND at IS NOT NULL ORDER BY at LIMIT 1`
	someHeldQuery = `SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_timed WHERE state = 'held' AND at IS NOT NULL)`
)

// timed lists the messages that the clock, or what is thought of it, changes
// something for.
func (t *tx) timed() ([]int64, error) {
	c := t.judged.Load()
	switch {
	case c == nil:
		return nil, nil
	case !c.Trusted:
		return all(t, scalar[int64], timedQuery, int64(math.MaxInt64), maxOverdue)
	}
	held, err := all(t, scalar[int64], heldQuery, maxOverdue)
	if err != nil {
		return nil, err
	}
	due, err := all(t, scalar[int64], timedQuery, millis(t.now), maxOverdue-len(held))
	return append(held, due...), err
}

// NextDue returns when the clerk has to look, see [queue.Store].
func (s *Store) NextDue(ctx context.Context) (at time.Time, ok bool, err error) {
	if abandoned, err := s.abandoned(ctx); err != nil || abandoned {
		return time.UnixMilli(0).UTC(), abandoned, err
	}
	at, ok, err = s.Reader.NextDue(ctx)
	if err != nil {
		return at, ok, err
	}
	timed, some, err := s.nextTimed(ctx)
	if some && (!ok || timed.Before(at)) {
		at, ok = timed, true
	}
	return at, ok, s.damage.notice(explain(err))
}

func (s *Store) nextTimed(ctx context.Context) (at time.Time, ok bool, err error) {
	c := s.judged.Load()
	if c == nil {
		return time.Time{}, false, nil
	}
	err = s.Reader.db.QueryRowContext(ctx, nextTimedQuery).Scan(moment{&at})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, false, err
	}
	scheduled := err == nil
	if !c.Trusted { // they are to be held
		return time.Now(), scheduled, nil
	}
	held, err := scalar[bool](s.Reader.db.QueryRowContext(ctx, someHeldQuery))
	if held {
		return time.Now(), true, nil
	}
	return at, scheduled, err
}
