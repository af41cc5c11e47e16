package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// The numbers of what there is are kept in a table and not counted, so that a
// million messages are told in an instant. They are exact after a crash, because they
// change with what they are about: a transaction sums up what its requests change,
// and writes that once before its end.

// counter names a number in the table.
type counter struct {
	total    bool   // it never goes down, and is of all accounts and priorities
	name     string // a state, or what is totalled
	priority int
	account  string
	batch    sms.ID // not zero: of table batch, and name is a column of it
}

func (c counter) compare(o counter) int {
	return cmp.Or(cmp.Compare(c.name, o.name), cmp.Compare(c.priority, o.priority), cmp.Compare(c.account, o.account),
		bytes.Compare(c.batch[:], o.batch[:]))
}

// Names of totals. Messages are totalled by the name of their state.
const (
	totalAccepted  = "accepted"
	totalDuplicate = "possible duplicate"
	totalRetried   = "retried"
	totalCleared   = "hand-over cleared"
)

// totalHandover names the total of hand-overs with an outcome.
func totalHandover(k sms.OutcomeKind) string { return "hand-over " + string(k) }

// kept is the state by whose name a message is counted. One that is being sent is
// counted as queued, so that a claim writes no counter: it is told by its open
// attempt, of which there are a few for each line.
func kept(s sms.State) sms.State {
	if s == sms.Sending {
		return sms.Queued
	}
	return s
}

// stored notes that there are n messages of an account more, or fewer, in a state.
// Whoever inserts or deletes rows of message calls it for them; save does for those
// that it changes.
func (t *tx) stored(account string, priority int, state sms.State, n int64) {
	t.counts[counter{name: string(kept(state)), priority: priority, account: account}] += n
}

// storedNew notes a message that is new.
func (t *tx) storedNew(m *sms.Message) {
	t.stored(m.Account, m.Priority, m.State, 1)
	t.batched(m.Submission, m.State, 1)
	t.total(totalAccepted, 1)
	if m.State == sms.Failed {
		t.total(string(sms.Failed), 1)
	}
	if m.Duplicate {
		t.total(totalDuplicate, 1)
	}
}

// total adds to a total.
func (t *tx) total(name string, n int64) { t.counts[counter{total: true, name: name}] += n }

// standing is what is counted of a message.
type standing struct {
	state     sms.State
	duplicate bool
	over      bool // see [sms.Message.Concluded]
}

// recount notes what has become of a message since it was read.
func (t *tx) recount(r *record) {
	m, was := &r.msg, r.was
	r.was = standing{m.State, m.Duplicate, m.Concluded()}
	if m.Duplicate && !was.duplicate {
		t.total(totalDuplicate, 1)
	}
	if m.State == was.state {
		return
	}
	t.stored(m.Account, m.Priority, was.state, -1)
	t.stored(m.Account, m.Priority, m.State, 1)
	t.batched(m.Submission, was.state, -1)
	t.batched(m.Submission, m.State, 1)
	left := func(s sms.State) bool { return s == sms.Sent || s == sms.Delivered }
	if left(m.State) && !left(was.state) {
		t.total(string(sms.Sent), 1)
	}
	switch m.State {
	case sms.Delivered, sms.Failed, sms.Expired, sms.Cancelled, sms.Unknown:
		t.total(string(m.State), 1)
	}
}

// writeCounts writes what the transaction has changed.
func (t *tx) writeCounts() error {
	for _, c := range slices.SortedFunc(maps.Keys(t.counts), counter.compare) {
		if t.counts[c] == 0 {
			continue
		}
		if err := t.writeCount(c, t.counts[c]); err != nil {
			return err
		}
	}
	clear(t.counts)
	return nil
}

func (t *tx) writeCount(c counter, n int64) error {
	if !c.batch.IsZero() {
		return t.writeBatch(c, n)
	}
	_, err := t.exec(`INSERT INTO counter (total, name, priority, account, n) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET n = n + excluded.n`, c.total, c.name, c.priority, c.account, n)
	return err
}

// recountAll counts all messages anew, for who has changed them by the thousand.
func (t *tx) recountAll() error {
	maps.DeleteFunc(t.counts, func(c counter, _ int64) bool { return !c.total && c.batch.IsZero() })
	if _, err := t.exec(`DELETE FROM counter WHERE NOT total`); err != nil {
		return err
	}
	_, err := t.exec(`INSERT INTO counter (total, name, priority, account, n)
		SELECT 0, CASE state WHEN 'sending' THEN 'queued' ELSE state END, priority, account, count(*) FROM message GROUP BY 2, 3, 4`)
	return err
}

// Stats says what there is, see [queue.Store].
func (r *Reader) Stats(ctx context.Context) (queue.Stats, error) {
	s := queue.Stats{At: time.UnixMilli(time.Now().UnixMilli()).UTC()}
	err := r.snapshot(ctx, func(tx *sql.Tx) (err error) {
		totals, err := readAll(ctx, tx, scanTotal, `SELECT name, n FROM counter WHERE total`)
		if err != nil {
			return err
		}
		s.Totals = totalsOf(totals)
		if s.Stored, err = readStored(ctx, tx); err != nil {
			return err
		}
		if s.Lanes, err = readLanes(ctx, tx); err != nil {
			return err
		}
		return readRate(ctx, tx, &s)
	})
	return s, err
}

// sendingQuery counts the messages that are being sent, which have one open attempt
// each.
const sendingQuery = `SELECT m.account, m.state, m.priority, count(*) FROM attempt a INDEXED BY attempt_open
	JOIN message m ON m.seq = a.message WHERE a.outcome = 'open' GROUP BY 1, 2, 3`

// readStored tells those that are being sent from those that are queued.
func readStored(ctx context.Context, tx *sql.Tx) ([]queue.Count, error) {
	list, err := readAll(ctx, tx, scanCount, `SELECT account, name, priority, n FROM counter WHERE NOT total
		ORDER BY account, name, priority`)
	if err != nil {
		return nil, err
	}
	sending, err := readAll(ctx, tx, scanCount, sendingQuery)
	if err != nil {
		return nil, err
	}
	for _, s := range sending {
		for i := range list {
			if c := &list[i]; c.Account == s.Account && c.Priority == s.Priority && c.State == sms.Queued {
				c.N -= s.N
			}
		}
	}
	return slices.DeleteFunc(append(list, sending...), func(c queue.Count) bool { return c.N <= 0 }), nil
}

type total struct {
	name string
	n    int64
}

func scanTotal(s scanner) (t total, err error) {
	err = s.Scan(&t.name, &t.n)
	return t, err
}

func scanCount(s scanner) (c queue.Count, err error) {
	err = s.Scan(&c.Account, &c.State, &c.Priority, &c.N)
	return c, err
}

func totalsOf(list []total) (t queue.Totals) {
	fields := map[string]*int64{
		totalAccepted: &t.Accepted, string(sms.Sent): &t.Sent, string(sms.Delivered): &t.Delivered,
		string(sms.Failed): &t.Failed, string(sms.Expired): &t.Expired, string(sms.Cancelled): &t.Cancelled,
		string(sms.Unknown): &t.Unknown, totalDuplicate: &t.Duplicates, totalRetried: &t.Retried,
		totalHandover(sms.Accepted): &t.HandedOver, totalHandover(sms.Refused): &t.Refused,
		totalHandover(sms.Ambiguous): &t.InDoubt, totalHandover(sms.NotSent): &t.NotSent, totalCleared: &t.Cleared,
	}
	for _, l := range list {
		if f, ok := fields[l.name]; ok {
			*f = l.n
		}
	}
	return t
}

const (
	foremostQuery = `SELECT id, due FROM message INDEXED BY message_claim
		WHERE state = 'queued' AND lane = ? AND priority = ? AND account = ? ORDER BY due, seq LIMIT 1`
	laneCountQuery = `SELECT count(*) FROM (SELECT 1 FROM message INDEXED BY message_claim WHERE state = 'queued' AND lane = ? LIMIT ?)`
)

// readLanes finds the lanes in which messages wait. Its cost follows their number
// and that of the accounts in them, and not that of messages.
func readLanes(ctx context.Context, tx *sql.Tx) ([]queue.Waiting, error) {
	var list []queue.Waiting
	for lane := ""; ; {
		err := tx.QueryRowContext(ctx, queuedLaneQuery, lane).Scan(&lane)
		if errors.Is(err, sql.ErrNoRows) {
			slices.SortFunc(list, func(a, b queue.Waiting) int { return a.Since.Compare(b.Since) })
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(lane, intakeLane) { // in a moment they are in another
			continue
		}
		w, err := readLane(ctx, tx, lane)
		if err != nil {
			return nil, err
		}
		list = append(list, w)
	}
}

func readLane(ctx context.Context, tx *sql.Tx, lane string) (queue.Waiting, error) {
	w := queue.Waiting{Lane: sms.Lane(lane)}
	for priority := 1; priority <= 3; priority++ {
		for account := ""; ; {
			err := tx.QueryRowContext(ctx, waitingQuery, lane, priority, account).Scan(&account)
			if errors.Is(err, sql.ErrNoRows) {
				break
			}
			if err != nil {
				return w, err
			}
			var first queue.Waiting
			if err := tx.QueryRowContext(ctx, foremostQuery, lane, priority, account).Scan(ident{&first.First}, moment{&first.Since}); err != nil {
				return w, err
			}
			if w.First.IsZero() || first.Since.Before(w.Since) {
				w.First, w.Since = first.First, first.Since
			}
		}
	}
	return w, tx.QueryRowContext(ctx, laneCountQuery, lane, queue.CountMost).Scan(&w.N)
}

// latelyQuery looks at a bounded number of hand-overs.
const latelyQuery = `SELECT count(DISTINCT CASE WHEN outcome = 'accepted' THEN message END), min(started)
	FROM (SELECT message, outcome, started FROM attempt ORDER BY id DESC LIMIT 1000) WHERE started BETWEEN ? AND ?`

// readRate says how fast messages have left lately.
func readRate(ctx context.Context, tx *sql.Tx, s *queue.Stats) error {
	var since time.Time
	err := tx.QueryRowContext(ctx, latelyQuery, millis(s.At.Add(-queue.LatelyMost)), millis(s.At)).Scan(&s.Lately, moment{&since})
	if err == nil && !since.IsZero() {
		s.Against = s.At.Sub(since)
	}
	return err
}
