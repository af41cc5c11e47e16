package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"iter"
	"slices"

	"cellpost/queue"
	"cellpost/sms"
)

// months lists the tables of the history, newest first.
func (s *Store) months(ctx context.Context) (list []string, err error) {
	err = s.snapshot(ctx, func(tx *sql.Tx) (err error) {
		list, err = readAll(ctx, tx, scalar[string], monthsQuery)
		return err
	})
	return list, err
}

// spot is where a message is: its number, and the table of the history; empty for
// the live ones.
type spot struct {
	seq   int64
	month string
}

// bygoneStates are those of messages in the history.
var bygoneStates = [...]sms.State{sms.Sent, sms.Delivered, sms.Unknown, sms.Failed, sms.Expired, sms.Cancelled}

// pastQuery is the statement of a filter for a table of the history; it takes what
// listArgs returns. Each state has its own walk down an index.
func pastQuery(month string, f queue.Filter) string {
	q := `SELECT seq FROM ` + month
	switch {
	case f.Account != "":
		q += ` INDEXED BY ` + month + `_account WHERE account = ? AND state = ?`
	case f.State != "":
		q += ` INDEXED BY ` + month + `_state WHERE state = ?`
	default:
		q += ` WHERE 1`
	}
	return q + ` AND seq > ? ORDER BY seq DESC LIMIT ?`
}

// spots finds the newest messages of a filter, newest first.
func spots(ctx context.Context, tx *sql.Tx, f queue.Filter) ([]spot, error) {
	f.Limit = cmp.Or(f.Limit, 50)
	query, args := listQuery(f)
	list, err := readAll(ctx, tx, scanSpot(""), query, args...)
	if err != nil {
		return nil, err
	}
	months, err := readAll(ctx, tx, scalar[string], monthsQuery)
	if err != nil {
		return nil, err
	}
	if !f.Batch.IsZero() {
		return batchSpots(ctx, tx, list, months, f)
	}
	states := bygoneStates[:]
	switch {
	case f.State != "":
		i := slices.Index(states, f.State)
		if i < 0 {
			return list, nil
		}
		states = states[i : i+1]
	case f.Account == "":
		states = []sms.State{""} // one walk for all
	}
	for _, month := range months {
		for _, state := range states {
			if list, err = merge(ctx, tx, list, month, queue.Filter{State: state, Account: f.Account, Limit: f.Limit}); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// batchSpots adds what the months have of a submission.
func batchSpots(ctx context.Context, tx *sql.Tx, list []spot, months []string, f queue.Filter) ([]spot, error) {
	for _, month := range months {
		for old, err := range pastBatch(ctx, tx, month, f.Batch) {
			if err != nil {
				return nil, err
			}
			if m := &old.Message; (f.State == "" || m.State == f.State) && (f.Account == "" || m.Account == f.Account) {
				list = append(list, spot{old.seq, month})
			}
		}
	}
	slices.SortFunc(list, func(a, b spot) int { return cmp.Compare(b.seq, a.seq) })
	return list[:min(len(list), f.Limit)], nil
}

// batchPast is a message of a submission in the history.
type batchPast struct {
	past
	seq int64
}

// pastBatch has what a month has of a submission, among whose numbers may be those
// of others.
func pastBatch(ctx context.Context, tx *sql.Tx, month string, batch sms.ID) iter.Seq2[batchPast, error] {
	return func(yield func(batchPast, error) bool) {
		rows, err := tx.QueryContext(ctx, `SELECT seq, body FROM `+month+`
			WHERE seq BETWEEN (SELECT first FROM batch WHERE id = ?1) AND (SELECT last FROM batch WHERE id = ?1)`, batch[:])
		if err != nil {
			yield(batchPast{}, err)
			return
		}
		defer rows.Close()
		var p packer
		for rows.Next() {
			var m batchPast
			var body []byte
			if err = rows.Scan(&m.seq, &body); err == nil {
				m.past, err = p.unpack(body)
			}
			if (err != nil || m.Message.Submission == batch) && !yield(m, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(batchPast{}, err)
		}
	}
}

// merge adds what a month has that belongs among the newest.
func merge(ctx context.Context, tx *sql.Tx, list []spot, month string, f queue.Filter) ([]spot, error) {
	var args []any
	if f.Account != "" {
		args = append(args, f.Account)
	}
	if f.State != "" {
		args = append(args, f.State)
	}
	newer := int64(0)
	if len(list) == f.Limit {
		newer = list[len(list)-1].seq
	}
	more, err := readAll(ctx, tx, scanSpot(month), pastQuery(month, f), append(args, newer, f.Limit)...)
	if err != nil || len(more) == 0 {
		return list, err
	}
	list = append(list, more...)
	slices.SortFunc(list, func(a, b spot) int { return cmp.Compare(b.seq, a.seq) })
	return list[:min(len(list), f.Limit)], nil
}

func scanSpot(month string) func(scanner) (spot, error) {
	return func(s scanner) (spot, error) {
		seq, err := scalar[int64](s)
		return spot{seq, month}, err
	}
}

// at reads the message at a spot, with its parts and without attempts.
func (p *packer) at(ctx context.Context, tx *sql.Tx, s spot) (sms.Message, error) {
	if s.month == "" {
		rec, err := scanMessage(tx.QueryRowContext(ctx, `SELECT `+messageColumns+` FROM message WHERE seq = ?`, s.seq))
		if err != nil {
			return sms.Message{}, err
		}
		rec.msg.Parts, err = readAll(ctx, tx, scanPart, partsQuery, s.seq)
		return rec.msg, err
	}
	m, err := p.row(tx.QueryRowContext(ctx, `SELECT body FROM `+s.month+` WHERE seq = ?`, s.seq))
	for i := range m.Message.Parts {
		m.Message.Parts[i].Attempts = nil
	}
	return m.Message, err
}

func (p *packer) row(r scanner) (past, error) {
	body, err := scalar[[]byte](r)
	if err != nil {
		return past{}, err
	}
	return p.unpack(body)
}

// story reads all that happened to a live message: its parts with their attempts,
// which it puts into the record, and the timeline.
func story(ctx context.Context, tx *sql.Tx, rec *record) (timeline []sms.Entry, err error) {
	if rec.msg.Parts, err = readAll(ctx, tx, scanPart, partsQuery, rec.seq); err != nil {
		return nil, err
	}
	for i := range rec.msg.Parts {
		p := &rec.msg.Parts[i]
		if p.Attempts, err = readAll(ctx, tx, scanHistory, historyQuery, rec.seq, p.N); err != nil {
			return nil, err
		}
	}
	return readAll(ctx, tx, scanEntry, `SELECT at, event, detail FROM timeline WHERE message = ? ORDER BY n`, rec.seq)
}

// showPast finds a message in the history; [queue.ErrNoMessage] when it is not
// there.
func showPast(ctx context.Context, tx *sql.Tx, id sms.ID) (past, error) {
	months, err := readAll(ctx, tx, scalar[string], monthsQuery)
	if err != nil {
		return past{}, err
	}
	var p packer
	for _, month := range months {
		m, err := p.row(tx.QueryRowContext(ctx, `SELECT body FROM `+month+` WHERE id = ?`, id[:]))
		if !errors.Is(err, sql.ErrNoRows) {
			return m, err
		}
	}
	return past{}, queue.ErrNoMessage
}

// isPast reports whether a message is in the history.
func (t *tx) isPast(id sms.ID) (bool, error) {
	months, err := all(t, scalar[string], monthsQuery)
	if err != nil {
		return false, err
	}
	for _, month := range months {
		found, err := scalar[bool](t.row(`SELECT EXISTS (SELECT 1 FROM `+month+` WHERE id = ?)`, id[:]))
		if err != nil || found {
			return found, err
		}
	}
	return false, nil
}
