package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"

	"cellpost/queue"
	"cellpost/sms"
)

// progress is the column of table batch that counts the messages in a state.
func progress(s sms.State) string {
	switch s {
	case sms.Sent, sms.Delivered, sms.Unknown, sms.Failed, sms.Expired, sms.Cancelled:
		return string(s)
	}
	return "waiting"
}

// beginBatch notes a submission of several messages, of which this is the first, and
// about to be stored.
func (t *tx) beginBatch(m *sms.Message) error {
	_, err := t.exec(`INSERT INTO batch (id, account, source, created, first, last)
		SELECT ?, ?, ?, ?, coalesce(max(seq), 0) + 1, 0 FROM message`, m.Submission[:], m.Account, m.Source, millis(t.now))
	return err
}

// endBatch notes that all of its messages are stored.
func (t *tx) endBatch(id sms.ID) error {
	_, err := t.exec(`UPDATE batch SET last = (SELECT max(seq) FROM message) WHERE id = ?`, id[:])
	return err
}

// extendBatch notes that a message has come to a submission later.
func (t *tx) extendBatch(id sms.ID) error {
	_, err := t.exec(`UPDATE batch SET last = (SELECT max(seq) FROM message) WHERE id = ? AND last > 0`, id[:])
	return err
}

// batched notes that n messages of a submission more, or fewer, are in a state. Those
// that came alone are no batch, and nothing is written for them.
func (t *tx) batched(id sms.ID, state sms.State, n int64) {
	t.counts[counter{batch: id, name: progress(state)}] += n
}

// writeBatch writes what a transaction has changed in a batch.
func (t *tx) writeBatch(c counter, n int64) error {
	_, err := t.exec(batchUpdates[c.name], n, c.batch[:])
	return err
}

// batchUpdates are by column.
var batchUpdates = map[string]string{
	"waiting":             `UPDATE batch SET waiting = waiting + ? WHERE id = ?`,
	string(sms.Sent):      `UPDATE batch SET sent = sent + ? WHERE id = ?`,
	string(sms.Delivered): `UPDATE batch SET delivered = delivered + ? WHERE id = ?`,
	string(sms.Unknown):   `UPDATE batch SET unknown = unknown + ? WHERE id = ?`,
	string(sms.Failed):    `UPDATE batch SET failed = failed + ? WHERE id = ?`,
	string(sms.Expired):   `UPDATE batch SET expired = expired + ? WHERE id = ?`,
	string(sms.Cancelled): `UPDATE batch SET cancelled = cancelled + ? WHERE id = ?`,
}

// doubtBatches counts anew what waited before all of it became unknown, or stayed: the
// others are where they were.
const doubtBatches = `UPDATE batch SET waiting = n, unknown = unknown + waiting - n FROM (
		SELECT b.id AS of, coalesce(m.n, 0) AS n FROM batch b
		LEFT JOIN (SELECT submission, count(*) AS n FROM message WHERE state IN ('scheduled', 'held', 'queued', 'sending')
			GROUP BY submission) m ON m.submission = b.id
		WHERE b.waiting > 0) WHERE id = of`

const batchColumns = `id, account, source, created, last = 0, waiting, sent, delivered, unknown, failed, expired, cancelled`

func scanBatch(s scanner) (b queue.Batch, err error) {
	err = s.Scan(ident{&b.ID}, &b.Account, &b.Source, moment{&b.Created}, &b.Coming,
		&b.Waiting, &b.Sent, &b.Delivered, &b.Unknown, &b.Failed, &b.Expired, &b.Cancelled)
	return b, err
}

// Batches returns submissions of more than one message, newest first; limit 0 is 50.
func (r *Reader) Batches(ctx context.Context, limit int) ([]queue.Batch, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT `+batchColumns+` FROM batch ORDER BY created DESC LIMIT ?`, cmp.Or(limit, 50))
	if err != nil {
		return nil, r.damage.notice(explain(err))
	}
	list, err := collect(rows, scanBatch)
	return list, r.damage.notice(explain(err))
}

// Batch returns one; [queue.ErrNoMessage] when there is none.
func (r *Reader) Batch(ctx context.Context, id sms.ID) (queue.Batch, error) {
	b, err := scanBatch(r.db.QueryRowContext(ctx, `SELECT `+batchColumns+` FROM batch WHERE id = ?`, id[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return b, queue.ErrNoMessage
	}
	return b, r.damage.notice(explain(err))
}

const cancelBatchQuery = `SELECT seq FROM message WHERE seq BETWEEN ? AND ? AND submission = ?
	AND state IN ('scheduled', 'held', 'queued') ORDER BY seq LIMIT ?`

// cancelWindow is how many messages, of whatever submission, a transaction looks at:
// one that went to a second number later is far behind the others.
const cancelWindow = 20 * queue.LargeBatch

// CancelBatch stops what has not left of a submission, see [queue.Store]: by chunks,
// so that what goes on meanwhile does not wait for it.
func (s *Store) CancelBatch(ctx context.Context, id sms.ID) (cancelled int, err error) {
	for after, done := int64(0), false; !done; {
		n := 0
		after, err = ask(ctx, s, func(t *tx) (last int64, err error) {
			last, n, done, err = t.cancelSome(id, after)
			return last, err
		})
		if cancelled += n; err != nil {
			return cancelled, err
		}
	}
	return cancelled, nil
}

// cancelSome cancels a chunk of a batch, from behind a message on. last is up to where
// it has looked.
func (t *tx) cancelSome(id sms.ID, after int64) (last int64, n int, done bool, err error) {
	var first, end int64
	err = t.row(`SELECT first, last FROM batch WHERE id = ?`, id[:]).Scan(&first, &end)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, 0, true, queue.ErrNoMessage
	case err == nil && end == 0:
		return 0, 0, true, sms.ErrTooEarly // it can be taken back, as long as it is not accepted
	case err != nil:
		return 0, 0, true, err
	}
	first = max(first, after+1)
	last = min(end, first+cancelWindow)
	list, err := all(t, scalar[int64], cancelBatchQuery, first, last, id[:], queue.LargeBatch)
	if err != nil {
		return 0, 0, true, err
	}
	for _, seq := range list {
		r, err := t.load(seq)
		if err != nil {
			return 0, 0, true, err
		}
		if err := t.cancel(r); err != nil {
			return 0, 0, true, err
		}
	}
	if len(list) == queue.LargeBatch {
		last = list[len(list)-1]
	}
	return last, len(list), last == end, nil
}
