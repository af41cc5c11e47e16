package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
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
	copy     int  // of which whole copy, if the message has gone again since; else 0
	started  time.Time
}

const attemptColumns = `id, message, part, sim, modem, outcome, repeat, obsolete, started, copy`

func scanAttempt(s scanner) (a attempt, err error) {
	err = s.Scan(&a.id, &a.seq, &a.part, &a.sim, &a.modem, &a.outcome, &a.repeat, &a.obsolete, moment{&a.started}, &a.copy)
	return a, err
}

// Claim opens an attempt for the most urgent message, see [queue.Store].
func (s *Store) Claim(ctx context.Context, by queue.By) (queue.Claim, error) {
	return ask(ctx, s, func(t *tx) (queue.Claim, error) {
		p, more, err := t.mostUrgent(by)
		if err != nil {
			return queue.Claim{}, err
		}
		r, err := t.load(p.seq)
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

// claimable are the rows of one lane, priority and account that a line may take.
// To find the first is one step down the index, however many wait behind it or are
// due later. Rows that avoid the SIM or have expired are walked over without
// leaving the index. The first are as many as the SIM could try lately, a few
// hundred; the others are gone with the next Overdue. The index is named so that
// SQLite does not plan anew for other values.
const claimable = `message INDEXED BY message_claim
	WHERE state = 'queued' AND lane = ?1 AND priority = ?2 AND account = ?6 AND due <= ?3 AND expires > ?3
		AND (?4 OR avoid <> ?5 OR avoid_until <= ?3)
	ORDER BY due, seq LIMIT 1`

const (
	claimQuery = `SELECT due, seq FROM ` + claimable
	moreQuery  = `SELECT EXISTS (SELECT 1 FROM ` + claimable + ` OFFSET 1)`

	begunQuery = `SELECT EXISTS (SELECT 1 FROM part WHERE message = ? AND state IN ('sent', 'delivered'))`

	// waitingQuery is one step from account to account. A recursive query would
	// take all of them, and for most lanes, which are empty, fifty times as long.
	waitingQuery = `SELECT account FROM message INDEXED BY message_claim
		WHERE state = 'queued' AND lane = ? AND priority = ? AND account > ? ORDER BY account LIMIT 1`
)

// place is where a message stands in its priority.
type place struct {
	begun    bool  // parts of it have left; looked for where the SIM has limits
	turn     int64 // of its account
	due, seq int64
	lane     sms.Lane
	account  string
}

func (p place) compare(o place) int {
	if p.begun != o.begun { // a SIM that rests between parts finishes a message before the next
		if p.begun {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(p.turn, o.turn), cmp.Compare(p.due, o.due), cmp.Compare(p.seq, o.seq))
}

// mostUrgent returns the message that a line is to take, and whether others of
// its priority wait behind it; [queue.ErrNothing] when there is none, or the
// [queue.Wait] of a SIM that is not to take what there is.
func (t *tx) mostUrgent(by queue.By) (p place, more bool, err error) {
	wait, err := t.hold(by.SIM)
	if err != nil {
		return place{}, false, err
	}
	if wait != nil && !wait.Urgent {
		return place{}, false, wait
	}
	lanes := t.lanes(by.SIM)
	for priority := 1; priority <= 3; priority++ {
		if wait != nil && priority > 1 {
			lanes = []sms.Lane{sms.SIMLane(by.SIM)}
		}
		first, err := t.foremost(lanes, priority, by)
		if err != nil {
			return place{}, false, err
		}
		if wait != nil && priority > 1 {
			first = slices.DeleteFunc(first, func(p place) bool { return !p.begun })
		}
		if len(first) == 0 {
			continue
		}
		best := slices.MinFunc(first, place.compare)
		if len(first) > 1 {
			return best, true, nil
		}
		more, err = scalar[bool](t.row(moreQuery, best.lane, priority, millis(t.now), by.AloneFor(priority), by.SIM, best.account))
		return best, more, err
	}
	if wait != nil {
		return place{}, false, wait
	}
	return place{}, false, queue.ErrNothing
}

// foremost returns the first message of each account in each lane.
func (t *tx) foremost(lanes []sms.Lane, priority int, by queue.By) ([]place, error) {
	var first []place
	limited := t.rules.Limits(by.SIM).Any()
	for _, lane := range lanes {
		accounts, err := t.waiting(lane, priority)
		if err != nil {
			return nil, err
		}
		for _, account := range accounts {
			p := place{turn: t.share.turn(priority, account), lane: lane, account: account}
			err := t.row(claimQuery, lane, priority, millis(t.now), by.AloneFor(priority), by.SIM, account).Scan(&p.due, &p.seq)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err == nil && limited && lane == sms.SIMLane(by.SIM) {
				p.begun, err = scalar[bool](t.row(begunQuery, p.seq))
			}
			if err != nil {
				return nil, err
			}
			first = append(first, p)
		}
	}
	return first, nil
}

// waiting returns the accounts that have something queued in a lane.
func (t *tx) waiting(lane sms.Lane, priority int) (accounts []string, err error) {
	for last := ""; ; accounts = append(accounts, last) {
		last, err = scalar[string](t.row(waitingQuery, lane, priority, last))
		if errors.Is(err, sql.ErrNoRows) {
			return accounts, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// begin opens the attempt for the part at index i.
func (t *tx) begin(r *record, i int, by queue.By) (queue.Claim, error) {
	p := &r.msg.Parts[i]
	asked, repeat, err := t.earlierReference(r, p.N, by.SIM)
	if err != nil {
		return queue.Claim{}, err
	}
	concat, err := t.reference(r, by.SIM)
	if err != nil {
		return queue.Claim{}, err
	}
	from, err := t.takenOver(r, p.N, by.SIM, by.Modem)
	if err != nil {
		return queue.Claim{}, err
	}
	id, err := t.insert(`INSERT INTO attempt (message, part, sim, modem, repeat, asked, outcome, cause_set, cause_code, detail, obsolete, started, concat, lease)
		VALUES (?, ?, ?, ?, ?, ?, 'open', 0, 0, '', 0, ?, ?, ?)`, r.seq, p.N, by.SIM, by.Modem, repeat, asked, millis(t.now),
		concat, millis(t.now.Add(t.lease())))
	if err != nil {
		return queue.Claim{}, err
	}
	if !repeat {
		asked = byte(id)
	}
	if err := t.spend(by.SIM); err != nil {
		return queue.Claim{}, err
	}
	t.share.took(r.msg.Priority, r.msg.Account, 1)
	p.State, p.SIM, p.MR = sms.Sending, "", 0
	r.msg.State = sms.Sending
	detail := r.hop(attempt{part: p.N, sim: by.SIM, modem: by.Modem}) + from
	if repeat {
		detail += "; the network is asked to drop a second copy"
	}
	if err := t.keep(r, string(sms.Sending), detail); err != nil {
		return queue.Claim{}, err
	}
	return queue.Claim{Message: r.msg, Part: i, Attempt: id, Repeat: repeat, Reference: asked, Concat: concat.V, By: by}, nil
}

const earlierQuery = `SELECT CASE WHEN repeat THEN asked ELSE id & 255 END FROM attempt
	WHERE message = ? AND part = ? AND sim = ? AND outcome = 'unknown' AND NOT obsolete AND copy = 0 ORDER BY id DESC LIMIT 1`

// confusableQuery finds anything else that the SIM may have handed over for the
// same number while a service centre could still hold it.
const confusableQuery = `SELECT EXISTS (
	SELECT 1 FROM message m JOIN attempt a ON a.message = m.seq
	WHERE m.recipient = ? AND a.sim = ? AND a.outcome IN ('accepted', 'unknown', 'open') AND a.started >= ?
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
