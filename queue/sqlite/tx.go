package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// tx is the writing connection, and what a request may use of it.
type tx struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt // by their text: all texts are constants
	rules    *sms.Rules
	log      *slog.Logger
	now      time.Time // of the request, in UTC and whole milliseconds
	share    share
	clock    clock
	began    time.Time                  // of the transaction, with its monotonic reading
	wall     time.Time                  // what the clock showed then: all requests of a transaction go by one setting of it
	counts   map[counter]int64          // by how much the transaction changes them
	judged   *atomic.Pointer[sms.Clock] // see [Store.Trust]; nil: not judged since it was set
	refusals refusals
	usage    map[string]sms.Usage  // by SIM, as in the database; forgotten when anything is undone
	perSIM   map[string][]sms.Lane // see lanes
}

// background is the context of statements: a transaction that others share is
// not broken off for one of them, and it is short.
var background = context.Background()

func (t *tx) close() error {
	for _, s := range t.prepared {
		s.Close()
	}
	return t.conn.Close()
}

// stmt prepares a statement once for the life of the connection.
func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if s, ok := t.prepared[query]; ok {
		return s, nil
	}
	s, err := t.conn.PrepareContext(background, lasting(query))
	if err != nil {
		return nil, err
	}
	t.prepared[query] = s
	return s, nil
}

// lasting writes a statement so that it is parsed and planned once. Where a column
// is compared with a bare parameter SQLite may plan for the value, and then plans
// anew each time the driver clears the parameters, which takes longer than most
// statements. It does not look behind a unary plus, which changes nothing else.
func lasting(query string) string { return strings.ReplaceAll(query, "= ?", "= +?") }

func (t *tx) run(query string, args ...any) (sql.Result, error) {
	s, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(background, args...)
}

// exec returns how many rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	r, err := t.run(query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// insert returns the key of the new row.
func (t *tx) insert(query string, args ...any) (int64, error) {
	r, err := t.run(query, args...)
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

// row reads one row; [sql.ErrNoRows] when there is none.
func (t *tx) row(query string, args ...any) scanner {
	s, err := t.stmt(query)
	if err != nil {
		return failed{err}
	}
	return s.QueryRowContext(background, args...)
}

// all reads the rows of a query, each by one call of scan.
func all[T any](t *tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	s, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(background, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, scan)
}

func collect[T any](rows *sql.Rows, scan func(scanner) (T, error)) ([]T, error) {
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// commit carries out a batch in one transaction, and what late says has been asked
// meanwhile: a line that ends one hand-over asks for the next at the same moment.
// The outcome of each request is left in its err; an error of commit means that none
// of them was done.
//
// Requests mostly succeed, so they run without guard first. When one fails all
// is taken back, and done again with a savepoint around each.
func (t *tx) commit(batch []*request, late func(most int) []*request) ([]*request, error) {
	batch, err := t.transact(batch, t.bare, late)
	if errors.Is(err, errUndo) {
		batch, err = t.transact(batch, t.guarded, func(int) []*request { return nil })
	}
	return batch, err
}

// errUndo says that a request failed half way, without a savepoint to go back to.
var errUndo = errors.New("undo the transaction")

func (t *tx) transact(batch []*request, carryOut func(*request) error, late func(most int) []*request) ([]*request, error) {
	if _, err := t.exec("BEGIN IMMEDIATE"); err != nil {
		return batch, fmt.Errorf("begin a transaction: %w", err)
	}
	clock, refused := t.clock, maps.Clone(t.refusals)
	back := func(err error) ([]*request, error) {
		t.exec("ROLLBACK") // SQLite may have done it
		t.clock, t.refusals = clock, refused
		clear(t.counts)
		clear(t.usage)
		return batch, err
	}
	t.began = time.Now()
	t.wall = t.began.Round(0)
	if err := t.minded(t.began); err != nil {
		return back(fmt.Errorf("mind the clock: %w", err))
	}
	for i := 0; i < len(batch); i++ {
		if err := carryOut(batch[i]); err != nil {
			return back(err)
		}
		if i == len(batch)-1 {
			batch = append(batch, late(maxBatch-len(batch))...)
		}
	}
	if err := t.writeCounts(); err != nil {
		return back(fmt.Errorf("write the counters: %w", err))
	}
	if _, err := t.exec("COMMIT"); err != nil {
		return back(fmt.Errorf("commit: %w", err))
	}
	return batch, nil
}

// bare carries out one request; [errUndo] if it failed. That there is
// nothing to do is found out before anything is written. Where the file is
// damaged nothing of the batch is done.
func (t *tx) bare(r *request) error {
	if !t.work(r) || r.err == nil || errors.Is(r.err, queue.ErrNothing) {
		return nil
	}
	if IsDamaged(r.err) {
		return r.err
	}
	return errUndo
}

// guarded carries out one request, or nothing of it. It returns an error when
// the transaction is lost: a full disk makes SQLite roll all of it back.
func (t *tx) guarded(r *request) error {
	if _, err := t.exec("SAVEPOINT request"); err != nil {
		return err
	}
	counts, refused := maps.Clone(t.counts), maps.Clone(t.refusals)
	if t.work(r); r.err != nil {
		t.counts, t.refusals = counts, refused
		clear(t.usage)
		if _, err := t.exec("ROLLBACK TO request"); err != nil {
			return r.err
		}
	}
	_, err := t.exec("RELEASE request")
	return err
}

// work runs a request, unless its context has ended before; it says which.
func (t *tx) work(r *request) (ran bool) {
	if r.err = r.ctx.Err(); r.err != nil {
		return false
	}
	t.now = time.UnixMilli(t.wall.Add(time.Since(t.began)).UnixMilli()).UTC()
	r.err = r.work(t)
	return true
}

// scanner is a row, or rows, to be read.
type scanner interface{ Scan(dest ...any) error }

type failed struct{ err error }

func (f failed) Scan(...any) error { return f.err }

// scalar is the scan of a query with one column.
func scalar[T any](r scanner) (v T, err error) {
	err = r.Scan(&v)
	return v, err
}

// millis is a time as the database keeps it: UTC milliseconds, NULL for the
// zero time.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// moment reads what millis wrote.
type moment struct{ t *time.Time }

// Scan implements [sql.Scanner].
func (m moment) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*m.t = time.Time{}
	case int64:
		*m.t = time.UnixMilli(v).UTC()
	default:
		return fmt.Errorf("a time is kept as milliseconds, not as %T", v)
	}
	return nil
}

// span reads a duration that is kept in milliseconds.
type span struct{ d *time.Duration }

// Scan implements [sql.Scanner].
func (s span) Scan(v any) error {
	ms, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a duration is kept as milliseconds, not as %T", v)
	}
	*s.d = time.Duration(ms) * time.Millisecond
	return nil
}

// blob is an ID as the database keeps it: 16 octets, NULL for none.
func blob(id sms.ID) any {
	if id.IsZero() {
		return nil
	}
	return id[:]
}

// ident reads what blob wrote.
type ident struct{ id *sms.ID }

// Scan implements [sql.Scanner].
func (i ident) Scan(v any) error {
	b, ok := v.([]byte)
	if v != nil && (!ok || len(b) != len(i.id)) {
		return fmt.Errorf("an ID is kept as %d octets", len(i.id))
	}
	*i.id = sms.ID{}
	copy(i.id[:], b)
	return nil
}
