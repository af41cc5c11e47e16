package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// Reader reads the file, beside a daemon that writes it or without one. It
// sees what was committed before a method began.
type Reader struct {
	db      *sql.DB
	account *sql.Stmt // of every mail
	damage  damage
}

// OpenReader opens the database at path for reading only. A file that no
// [Open] has made or brought up to date is refused.
func OpenReader(path string) (*Reader, error) {
	r, err := openReader(path)
	if err != nil {
		return nil, fmt.Errorf("read the queue %s: %w", path, explain(err))
	}
	return r, nil
}

func openReader(path string) (*Reader, error) {
	db, err := sql.Open("sqlite3", dsn(path, readerOptions))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	stmt, err := prepareReader(context.Background(), db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Reader{db: db, account: stmt, damage: damage{found: make(chan struct{})}}, nil
}

// damage is what has been seen of it.
type damage struct {
	once  sync.Once
	found chan struct{} // closed when err is set
	err   error
}

// notice returns an error as it is, and remembers one that says the file is damaged.
func (d *damage) notice(err error) error {
	if IsDamaged(err) {
		d.once.Do(func() { d.err = err; close(d.found) })
	}
	return err
}

// known returns the first error that said the file is damaged.
func (d *damage) known() error {
	select {
	case <-d.found:
		return d.err
	default:
		return nil
	}
}

func prepareReader(ctx context.Context, db *sql.DB) (*sql.Stmt, error) {
	files, err := latest()
	if err != nil {
		return nil, err
	}
	have, err := version(ctx, db)
	if err != nil {
		return nil, err
	}
	if err := checkVersion(have, len(files)); err != nil {
		return nil, err
	}
	if have < len(files) {
		return nil, fmt.Errorf("the database has version %d, this program needs %d: start the service once", have, len(files))
	}
	return db.PrepareContext(ctx, accountQuery)
}

// Close closes the file.
func (r *Reader) Close() error {
	return errors.Join(r.account.Close(), r.db.Close())
}

// snapshot runs read on one state of the database, whatever is written beside.
func (r *Reader) snapshot(ctx context.Context, read func(*sql.Tx) error) error {
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return r.damage.notice(explain(err))
	}
	defer tx.Rollback() // nothing was written
	return r.damage.notice(explain(read(tx)))
}

// readAll is all for a transaction of a reader.
func readAll[T any](ctx context.Context, tx *sql.Tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, scan)
}

const partsQuery = `SELECT ` + partColumns + ` FROM part WHERE message = ? ORDER BY n`

// listQuery is the statement of a filter for the live tables, and its arguments.
func listQuery(f queue.Filter) (string, []any) {
	var where []string
	var args []any
	switch f.State {
	case "":
	case sms.Queued, sms.Sending, sms.Sent, sms.Delivered:
		where, args = append(where, "state = ?"), append(args, f.State)
	default: // in words that the index of these states knows
		where = append(where, "state = ? AND state <> 'queued' AND state <> 'sending' AND state <> 'sent' AND state <> 'delivered'")
		args = append(args, f.State)
	}
	if f.Account != "" {
		where, args = append(where, "account = ?"), append(args, f.Account)
	}
	if !f.Batch.IsZero() {
		where = append(where, "seq BETWEEN (SELECT first FROM batch WHERE id = ?) AND (SELECT last FROM batch WHERE id = ?) AND submission = ?")
		args = append(args, f.Batch[:], f.Batch[:], f.Batch[:])
	}
	query := `SELECT seq FROM message`
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	return query + " ORDER BY seq DESC LIMIT ?", append(args, cmp.Or(f.Limit, 50))
}

// List returns messages, see [queue.Store].
func (r *Reader) List(ctx context.Context, f queue.Filter) ([]sms.Message, error) {
	var list []sms.Message
	err := r.snapshot(ctx, func(tx *sql.Tx) error {
		found, err := spots(ctx, tx, f)
		if err != nil {
			return err
		}
		var p packer
		for _, s := range found {
			m, err := p.at(ctx, tx, s)
			if err != nil {
				return err
			}
			list = append(list, m)
		}
		return nil
	})
	return list, err
}

// Show returns one message with all that happened to it, see [queue.Store].
func (r *Reader) Show(ctx context.Context, id sms.ID) (sms.Message, []sms.Entry, error) {
	var m sms.Message
	var timeline []sms.Entry
	err := r.snapshot(ctx, func(tx *sql.Tx) error {
		rec, err := scanMessage(tx.QueryRowContext(ctx, `SELECT `+messageColumns+` FROM message WHERE id = ?`, id[:]))
		if errors.Is(err, sql.ErrNoRows) {
			old, err := showPast(ctx, tx, id)
			m, timeline = old.Message, old.Timeline
			return err
		}
		if err != nil {
			return err
		}
		timeline, err = story(ctx, tx, rec)
		m = rec.msg
		return err
	})
	return m, timeline, err
}

const historyQuery = `SELECT id, part, sim, modem, outcome, coalesce(mr, 0), cause_set, cause_code, detail, started, ended
	FROM attempt WHERE message = ? AND part = ? ORDER BY id`

func scanHistory(s scanner) (a sms.Attempt, err error) {
	o := &a.Outcome
	err = s.Scan(&a.ID, &a.Part, &a.SIM, &a.Modem, &o.Kind, &o.MR, &o.Cause.Set, &o.Cause.Code, &o.Detail,
		moment{&a.Started}, moment{&a.Ended})
	return a, err
}

func scanEntry(s scanner) (e sms.Entry, err error) {
	err = s.Scan(moment{&e.At}, &e.Event, &e.Detail)
	return e, err
}

// NextDue returns when the clerk has to look, as far as the file says: see [Store.NextDue].
func (r *Reader) NextDue(ctx context.Context) (at time.Time, ok bool, err error) {
	for _, query := range []string{nextIntakeQuery, nextDueQuery, nextIncompleteQuery, nextLapseQuery, nextDelayQuery} {
		var due time.Time
		err := r.db.QueryRowContext(ctx, query).Scan(moment{&due})
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return time.Time{}, false, r.damage.notice(explain(err))
		case !ok || due.Before(at):
			at, ok = due, true
		}
	}
	return at, ok, nil
}

const (
	nextDueQuery        = `SELECT review FROM message WHERE review IS NOT NULL AND state <> 'sending' ORDER BY review LIMIT 1`
	nextIncompleteQuery = `SELECT due FROM inbound WHERE due IS NOT NULL ORDER BY due LIMIT 1`
	nextIntakeQuery     = `SELECT 0 FROM intake WHERE accepted IS NOT NULL LIMIT 1` // at once, whatever became of the clock since
	nextLapseQuery      = `SELECT lease FROM attempt WHERE outcome = 'open' ORDER BY lease LIMIT 1`
)

// Told is an event, and how its delivery stands.
type Told struct {
	sms.Event
	State sms.EventState
	Why   string // of the last delivery that failed
}

// Events returns what customers are told, newest first; limit 0 is 50.
func (r *Reader) Events(ctx context.Context, limit int) ([]Told, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT id, door, account, recipient, subject, text, created, tries, state, why, reply_to, generated, parts
		FROM event ORDER BY id DESC LIMIT ?`, cmp.Or(limit, 50))
	if err != nil {
		return nil, err
	}
	return collect(rows, func(s scanner) (e Told, err error) {
		err = s.Scan(&e.ID, &e.Door, &e.Account, &e.To, &e.Subject, &e.Text, moment{&e.Created}, &e.Tries, &e.State, &e.Why, &e.ReplyTo, &e.Generated, document{&e.Parts})
		return e, err
	})
}
