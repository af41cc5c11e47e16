package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// What is over leaves the tables that the scheduler works on, which so stay as
// small as a week is. It goes to tables of its own, one for each month, as one
// row for each message; after a while the row has no number and no text any more,
// and in the end the month is gone. The inbox, events and what else would grow is
// kept for as long.
//
// How old something is, is told by marks: once a day the numbers are written down
// that rows have by then. Rows have times as well, but these may be of a clock
// that was lost, or set wrongly for a while.

const (
	day = 24 * time.Hour

	// steadyFor is how long the clock has to be steady before anything is done on
	// its word.
	steadyFor = day
	// offMost is how long a machine may have been off for its clock to be believed
	// at once.
	offMost = 30 * day
	// ledgerFor is how long a TPDU that was not seen again is known: a SIM that it
	// could not be deleted from may lie in a drawer meanwhile.
	ledgerFor = 2 * 365 * day
)

// The writer is held for holdBusy at a time, or for as long as one piece takes; for
// up to holdMost while nobody else asks for it, which spares the disk. pieceMost
// bounds the pieces where time tells nothing.
const (
	holdBusy  = 2 * time.Millisecond
	holdMost  = 25 * time.Millisecond
	pieceMost = 500
)

// Tidy moves what is over into the history, and takes out of it, of the inbox and
// of the events what r does not want kept. It does a little at a time, and rests
// in between for as long. It may be broken off at any point, and called again.
// The clock has to be right.
func (s *Store) Tidy(ctx context.Context, r sms.Retention) (queue.Tidied, error) {
	h, err := s.horizons(ctx, r)
	done := queue.Tidied{Steady: h.steady, Next: h.next}
	if err != nil || !h.steady {
		return done, err
	}
	var p packer
	if done.Moved, err = s.retire(ctx, h, r, &p); err != nil {
		return done, err
	}
	if done.Purged, err = s.purge(ctx, h, r); err != nil {
		return done, err
	}
	done.Anonymised, err = s.anonymise(ctx, h, r, &p)
	return done, err
}

// numbers are those given until a time.
type numbers struct{ message, attempt, inbound, event int64 }

// horizons are the marks that say what is how old; zero where nothing is.
type horizons struct {
	now       time.Time
	steady    bool
	next      time.Time // when the next mark is due
	live      numbers   // nothing before it is needed by the scheduler
	keep      numbers   // nothing before it is kept
	anonymise numbers   // nothing before it is named
}

// horizons sets the mark of the day, and looks the others up.
func (s *Store) horizons(ctx context.Context, r sms.Retention) (horizons, error) {
	return ask(ctx, s, func(t *tx) (horizons, error) {
		h := horizons{now: t.now}
		var err error
		if h.steady, h.next, err = t.steady(); err != nil || !h.steady {
			return h, err
		}
		if h.next, err = t.setMark(); err != nil {
			return h, err
		}
		oldest := t.now.Add(-sms.LiveFor)
		if h.live, err = t.markAt(oldest); err != nil {
			return h, err
		}
		for _, x := range []struct {
			wanted bool
			at     time.Time
			to     *numbers
		}{
			{r.Keep > 0, t.now.AddDate(0, -r.Keep, 0), &h.keep},
			{r.Anonymise > 0, t.now.Add(-max(r.Anonymise, sms.LiveFor)), &h.anonymise},
		} {
			if !x.wanted {
				continue
			}
			if *x.to, err = t.markAt(x.at); err != nil {
				return h, err
			}
			if x.at.Before(oldest) {
				oldest = x.at
			}
		}
		_, err = t.exec(`DELETE FROM mark WHERE at < (SELECT max(at) FROM mark WHERE at <= ?)`, millis(oldest))
		return h, err
	})
}

// unsteady notes that the clock was set by much, or may have been.
func (t *tx) unsteady() error {
	_, err := t.exec(`INSERT INTO steady (id, since) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET since = ?1`, time.Now().UnixMilli())
	return err
}

// steady reports whether the clock may be believed, else when to ask again.
func (t *tx) steady() (ok bool, again time.Time, err error) {
	if t.now.Before(soundSince) {
		return false, t.now.Add(time.Hour), nil
	}
	var since time.Time
	err = t.row(`SELECT since FROM steady`).Scan(moment{&since})
	if errors.Is(err, sql.ErrNoRows) {
		return true, time.Time{}, nil
	}
	if err == nil && since.After(t.now) {
		since, err = t.now, t.unsteady()
	}
	again = since.Add(steadyFor)
	return !again.After(t.now), again, err
}

// setMark writes down the numbers of the day, and returns when the next are due.
// Marks of the future are of a clock that was wrong.
func (t *tx) setMark() (next time.Time, err error) {
	if _, err := t.exec(`DELETE FROM mark WHERE at > ?`, millis(t.now)); err != nil {
		return time.Time{}, err
	}
	last, err := scalar[int64](t.row(`SELECT coalesce(max(at), 0) FROM mark`))
	if next = time.UnixMilli(last).Add(day); err != nil || next.After(t.now) {
		return next, err
	}
	_, err = t.exec(`INSERT INTO mark (at, message, attempt, inbound, event)
		SELECT ?, coalesce((SELECT max(seq) FROM message), 0), coalesce((SELECT max(id) FROM attempt), 0),
			coalesce((SELECT max(id) FROM inbound), 0), coalesce((SELECT max(id) FROM event), 0)`, millis(t.now))
	return t.now.Add(day), err
}

// markAt returns the newest mark that is so old.
func (t *tx) markAt(at time.Time) (m numbers, err error) {
	err = t.row(`SELECT message, attempt, inbound, event FROM mark WHERE at <= ? ORDER BY at DESC LIMIT 1`, millis(at)).
		Scan(&m.message, &m.attempt, &m.inbound, &m.event)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return m, err
}

// nibble has work done in small pieces: do does one, given how many were done
// before it, and returns how many more that makes, 0 when there is nothing left.
// Other requests come in between.
func (s *Store) nibble(ctx context.Context, do func(t *tx, done int) (int, error)) (done int, err error) {
	for {
		began := time.Now()
		b, err := ask(ctx, s, func(t *tx) (bite, error) { return s.bite(t, done, do) })
		done += b.n
		if err != nil || b.last {
			return done, err
		}
		select {
		case <-time.After(time.Since(began)):
		case <-ctx.Done():
			return done, ctx.Err()
		}
	}
}

// bite is what one transaction does of the work.
type bite struct {
	n    int
	last bool
}

func (s *Store) bite(t *tx, done int, do func(t *tx, done int) (int, error)) (b bite, err error) {
	began := time.Now()
	for {
		n, err := do(t, done+b.n)
		b.n += n
		b.last = n == 0
		held := time.Since(began)
		if err != nil || b.last || b.n >= pieceMost || held > holdMost || held > holdBusy && s.asked() {
			return b, err
		}
	}
}

// asked reports whether somebody waits for the writer.
func (s *Store) asked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) > 0
}

// History keeps a store tidy.
type History struct {
	Store     *Store
	Retention sms.Retention
	Trusted   func() bool // false: the clock cannot be believed, whatever the store thinks of it; nil: it can
	Log       *slog.Logger
}

// tryAgain is how long History waits after a failure, or for the clock.
const tryAgain = time.Hour

// Run tidies the store once a day, until ctx ends. What goes wrong is logged, and
// tried again in an hour.
func (h *History) Run(ctx context.Context) error {
	for {
		wait := tryAgain
		if h.Trusted == nil || h.Trusted() {
			wait = h.tidy(ctx)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// tidy does what is to be done now, and returns how long there is nothing to do.
func (h *History) tidy(ctx context.Context) time.Duration {
	done, err := h.Store.Tidy(ctx, h.Retention)
	if ctx.Err() != nil {
		return 0
	}
	if done.Moved+done.Anonymised+done.Purged > 0 {
		h.Log.Info("history", "moved", done.Moved, "anonymised", done.Anonymised, "purged", done.Purged)
	}
	if err != nil {
		h.Log.Error("history", "next", tryAgain, "err", err)
		return tryAgain
	}
	if !done.Steady {
		h.Log.Debug("history waits until the clock is steady", "next", done.Next)
	}
	return max(time.Until(done.Next), time.Second)
}
