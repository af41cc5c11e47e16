package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// attempt is a hand-over as a transaction works on it.
type attempt struct {
	id, seq  int64 // its own, and that of its message
	part     int   // N of the part
	sim      string
	modem    string
	outcome  sms.OutcomeKind
	repeat   bool
	obsolete bool // the message has started over since
	started  time.Time
}

const attemptColumns = `id, message, part, sim, modem, outcome, repeat, obsolete, started`

func scanAttempt(s scanner) (a attempt, err error) {
	err = s.Scan(&a.id, &a.seq, &a.part, &a.sim, &a.modem, &a.outcome, &a.repeat, &a.obsolete, moment{&a.started})
	return a, err
}

// Claim opens an attempt for the most urgent message, see [queue.Store].
func (s *Store) Claim(ctx context.Context, by queue.By) (queue.Claim, error) {
	return ask(ctx, s, func(t *tx) (queue.Claim, error) {
		seq, more, err := t.mostUrgent(by)
		if err != nil {
			return queue.Claim{}, err
		}
		r, err := t.load(seq)
		if err != nil {
			return queue.Claim{}, err
		}
		i := r.next()
		if i < 0 {
			return queue.Claim{}, fmt.Errorf("message %s is queued without a part to send: cancel it", r.msg.ID)
		}
		c, err := t.begin(r, i, by)
		c.More = more
		return c, err
	})
}

// laneQuery looks into one lane at one priority: one step down the index,
// however many rows wait behind or are due later. It walks over rows that
// avoid the SIM or have expired without leaving the index. The first are as
// many as the SIM could try lately, a few hundred; the others are gone with
// the next Overdue. The second row tells whether there is more. ?1 is now, ?2
// whether the line is alone, ?3 its SIM.
const laneQuery = `SELECT * FROM (SELECT %[1]d AS priority, due, seq FROM message
	WHERE state = 'queued' AND lane = ?%[2]d AND priority = %[1]d AND due <= ?1 AND expires > ?1
		AND (?2 OR avoid <> ?3 OR avoid_until <= ?1)
	ORDER BY due, seq LIMIT 2)`

// lanesAtOnce keeps a query below SQLite's limit of 500 joined SELECTs.
const lanesAtOnce = 100

// claimQuery looks into n lanes at each priority, and finds the first of each.
func claimQuery(n int) string {
	var terms []string
	for priority := 1; priority <= 3; priority++ {
		for lane := range n {
			terms = append(terms, fmt.Sprintf(laneQuery, priority, 4+lane))
		}
	}
	return strings.Join(terms, " UNION ALL ")
}

// place is where a message stands in the order of claims.
type place struct {
	priority int
	due, seq int64
}

func scanPlace(s scanner) (p place, err error) {
	err = s.Scan(&p.priority, &p.due, &p.seq)
	return p, err
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.priority, o.priority), cmp.Compare(p.due, o.due), cmp.Compare(p.seq, o.seq))
}

// mostUrgent returns the message that a line is to take, and whether there are
// others; [queue.ErrNothing] when there is none.
func (t *tx) mostUrgent(by queue.By) (seq int64, more bool, err error) {
	var first []place
	for lanes := range slices.Chunk(t.rules.Lanes(by.SIM), lanesAtOnce) {
		n := len(lanes)
		if t.claims[n] == "" {
			t.claims[n] = claimQuery(n)
		}
		args := []any{millis(t.now), by.Alone, by.SIM}
		for _, lane := range lanes {
			args = append(args, lane)
		}
		found, err := all(t, scanPlace, t.claims[n], args...)
		if err != nil {
			return 0, false, err
		}
		first = append(first, found...)
	}
	if len(first) == 0 {
		return 0, false, queue.ErrNothing
	}
	return slices.MinFunc(first, place.compare).seq, len(first) > 1, nil
}

// begin opens the attempt for the part at index i.
func (t *tx) begin(r *record, i int, by queue.By) (queue.Claim, error) {
	p := &r.msg.Parts[i]
	asked, repeat, err := t.earlierReference(r, p.N, by.SIM)
	if err != nil {
		return queue.Claim{}, err
	}
	id, err := t.insert(`INSERT INTO attempt (message, part, sim, modem, repeat, asked, outcome, cause_set, cause_code, detail, obsolete, started)
		VALUES (?, ?, ?, ?, ?, ?, 'open', 0, 0, '', 0, ?)`, r.seq, p.N, by.SIM, by.Modem, repeat, asked, millis(t.now))
	if err != nil {
		return queue.Claim{}, err
	}
	if !repeat {
		asked = byte(id)
	}
	p.State, p.SIM, p.MR = sms.Sending, "", 0
	r.msg.State = sms.Sending
	detail := r.hop(attempt{part: p.N, sim: by.SIM, modem: by.Modem})
	if repeat {
		detail += "; the network is asked to drop a second copy"
	}
	if err := t.keep(r, string(sms.Sending), detail); err != nil {
		return queue.Claim{}, err
	}
	return queue.Claim{Message: r.msg, Part: i, Attempt: id, Repeat: repeat, Reference: asked, By: by}, nil
}

const earlierQuery = `SELECT CASE WHEN repeat THEN asked ELSE id & 255 END FROM attempt
	WHERE message = ? AND part = ? AND sim = ? AND outcome = 'unknown' AND NOT obsolete ORDER BY id DESC LIMIT 1`

// confusableQuery finds anything else that the SIM may have handed over for the
// same number while a service centre could still hold it.
const confusableQuery = `SELECT EXISTS (
	SELECT 1 FROM message m JOIN attempt a ON a.message = m.seq
	WHERE m.recipient = ? AND a.sim = ? AND a.outcome IN ('accepted', 'unknown') AND a.started >= ?
		AND NOT (a.message = ? AND a.part = ?))`

// heldMost is how long a service centre may hold a message: its longest validity.
const heldMost = 7 * 24 * time.Hour

// earlierReference returns the TP-MR that was asked for when this SIM last
// handed the part over with unknown outcome, if a service centre can be asked to
// refuse it as a duplicate. It compares TP-MR and number alone (3GPP TS 23.040,
// 9.2.3.25), and most modems put a TP-MR of their own, so a refusal would prove
// nothing, and lose the message, where the SIM has sent the number anything else.
func (t *tx) earlierReference(r *record, part int, sim string) (mr byte, ok bool, err error) {
	mr, err = scalar[byte](t.row(earlierQuery, r.seq, part, sim))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	confusable, err := scalar[bool](t.row(confusableQuery, r.msg.To, sim, millis(t.now.Add(-heldMost)), r.seq, part))
	return mr, err == nil && !confusable, err
}

// hop names a hand-over in the timeline.
func (r *record) hop(a attempt) string {
	return fmt.Sprintf("part %d of %d by %s (%s)", a.part, len(r.msg.Parts), a.modem, a.sim)
}
