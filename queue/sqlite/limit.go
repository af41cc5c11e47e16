package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

const (
	usageQuery    = `SELECT used FROM usage WHERE sim = ?`
	allUsageQuery = `SELECT sim, used FROM usage`
)

// used returns what a SIM has sent. It is read once: nobody else writes it.
func (t *tx) used(sim string) (sms.Usage, error) {
	if u, ok := t.usage[sim]; ok {
		return u, nil
	}
	var u sms.Usage
	text, err := scalar[[]byte](t.row(usageQuery, sim))
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return u, err
	default:
		if err := json.Unmarshal(text, &u); err != nil {
			return u, fmt.Errorf("what SIM %s has sent: %w", sim, err)
		}
	}
	t.usage[sim] = u
	return u, nil
}

func (t *tx) saveUsage(sim string, u sms.Usage) error {
	text, err := json.Marshal(u)
	if err != nil {
		return err
	}
	if _, err := t.exec(`INSERT INTO usage (sim, used) VALUES (?1, ?2) ON CONFLICT (sim) DO UPDATE SET used = ?2`, sim, string(text)); err != nil {
		return err
	}
	t.usage[sim] = u
	return nil
}

// hold says that a SIM may not send now, or only what is urgent; nil: it may.
func (t *tx) hold(sim string) (*queue.Wait, error) {
	l := t.rules.Limits(sim)
	if !l.Any() {
		return nil, nil
	}
	u, err := t.used(sim)
	if err != nil {
		return nil, err
	}
	if at, why := l.For(1).Next(u, t.now); at.After(t.now) {
		return &queue.Wait{Until: wholeMillis(at), Why: why}, nil
	}
	if at, why := l.Next(u, t.now); at.After(t.now) {
		return &queue.Wait{Until: wholeMillis(at), Urgent: true, Why: why}, nil
	}
	return nil, nil
}

// wholeMillis is the first time of the store's clock that is not before t.
func wholeMillis(t time.Time) time.Time {
	return t.Add(time.Millisecond - time.Nanosecond).Truncate(time.Millisecond)
}

// spend counts a part that a SIM begins with, and warns of quotas that are nearly
// used up by it.
func (t *tx) spend(sim string) error {
	l := t.rules.Limits(sim)
	if !l.Any() {
		return nil
	}
	u, err := t.used(sim)
	if err != nil {
		return err
	}
	u = l.Count(u, t.now, rand.Float64)
	for _, a := range l.Reached(u, t.now) {
		t.log.Warn("quota of a SIM", "sim", sim, "code", a.Code, "cause", a.Cause, "next_step", a.Step)
	}
	return t.saveUsage(sim, u)
}

// unspend takes back a part that has not left.
func (t *tx) unspend(a attempt) error {
	l := t.rules.Limits(a.sim)
	if !l.Any() {
		return nil
	}
	u, err := t.used(a.sim)
	if err != nil {
		return err
	}
	return t.saveUsage(a.sim, l.Uncount(u, a.started))
}

// shiftUsage moves what SIMs have sent lately when the clock was set.
func (t *tx) shiftUsage(step time.Duration) error {
	sims, err := all(t, scalar[string], `SELECT sim FROM usage`)
	if err != nil {
		return err
	}
	for _, sim := range sims {
		u, err := t.used(sim)
		if err != nil {
			return err
		}
		if err := t.saveUsage(sim, u.Shift(step)); err != nil {
			return err
		}
	}
	return nil
}

// heldBack says which SIMs a message has waited for because of their limits; empty:
// none.
func (t *tx) heldBack(m sms.Message) (words string, err error) {
	words = t.rules.Held(m, func(sim string) sms.Usage {
		u, failed := t.used(sim)
		err = errors.Join(err, failed)
		return u
	}, t.now)
	return words, err
}

// lanes are those that a SIM works in. They follow from the rules.
func (t *tx) lanes(sim string) []sms.Lane {
	l, ok := t.perSIM[sim]
	if !ok {
		l = t.rules.Lanes(sim)
		t.perSIM[sim] = l
	}
	return l
}

// Usage returns what the SIMs with limits have sent, by name.
func (r *Reader) Usage(ctx context.Context) (map[string]sms.Usage, error) {
	used := map[string]sms.Usage{}
	err := r.snapshot(ctx, func(tx *sql.Tx) error {
		_, err := readAll(ctx, tx, func(s scanner) (sim string, err error) {
			var text []byte
			if err := s.Scan(&sim, &text); err != nil {
				return "", err
			}
			var u sms.Usage
			err = json.Unmarshal(text, &u)
			used[sim] = u
			return sim, err
		}, allUsageQuery)
		return err
	})
	return used, err
}
