// Package sqlite keeps the queue in one SQLite file. It promises that what a
// method of [Store] reported done is on the disk, whole.
//
// One connection writes: requests that come in together share a transaction
// and its fsync. A few others read, and wait for nobody.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mattn/go-sqlite3"

	"cellpost/queue"
	"cellpost/sms"
)

// Store is a [queue.Store] on one file, with the accounts.
//
// A context given to a method keeps it from beginning. A write that has begun
// is waited for, so that no caller is left in doubt about it.
type Store struct {
	*Reader
	rules *sms.Rules
	log   *slog.Logger
	db    *sql.DB
	wake  chan struct{} // tells Run that requests wait; holds one

	mu      sync.Mutex
	waiting []*request
	phase   phase

	incoming []sms.ID // batches on their way in, see intake

	chunk chan struct{} // holds a token while a chunk of one is stored: many must not share a transaction

	writing sync.Mutex // whoever holds it uses tx
	tx      *tx
	judged  *atomic.Pointer[sms.Clock] // the clock; nil: not judged since it was set
}

var _ queue.Store = (*Store)(nil)

// phase says who carries out requests.
type phase int

const (
	direct  phase = iota // whoever asks: Run has not begun
	served               // Run
	stopped              // nobody any more
)

// request is one transition on its way to the writer.
type request struct {
	ctx  context.Context
	work func(*tx) error
	err  error
	done chan struct{} // closed after the commit; err is set then
}

var errStopped = errors.New("the store has stopped and takes nothing more: start the service again")

// Open opens the database at path and brings its schema up to date; a file
// that is not there is made, readable by its owner only. It starts nothing:
// until [Store.Run] does, every writer commits for itself. A service opens with
// [Rescue.Open], which mends what is damaged.
func Open(path string, rules *sms.Rules, log *slog.Logger) (*Store, error) {
	s, err := openPlaced(path, rules, log)
	if err != nil {
		return nil, fmt.Errorf("open the queue %s: %w", path, explain(err))
	}
	return s, nil
}

// openPlaced refuses to make an empty database where another is about to be.
func openPlaced(path string, rules *sms.Rules, log *slog.Logger) (*Store, error) {
	waits, err := pending(path)
	if err != nil {
		return nil, err
	}
	if waits != "" {
		return nil, fmt.Errorf("%s waits to take its place: start the service once", waits)
	}
	return open(path, rules, log)
}

func open(path string, rules *sms.Rules, log *slog.Logger) (*Store, error) {
	if err := create(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite3", dsn(path, writerOptions))
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := migrate(ctx, conn, log); err != nil {
		return nil, errors.Join(err, conn.Close(), db.Close())
	}
	r, err := openReader(path)
	if err != nil {
		return nil, errors.Join(err, conn.Close(), db.Close())
	}
	s := &Store{
		Reader: r, rules: rules, log: log, db: db, wake: make(chan struct{}, 1),
		judged: &atomic.Pointer[sms.Clock]{}, chunk: make(chan struct{}, 1),
	}
	s.tx = &tx{
		conn: conn, rules: rules, log: log, prepared: map[string]*sql.Stmt{}, counts: map[counter]int64{}, judged: s.judged,
		refusals: refusals{}, usage: map[string]sms.Usage{}, perSIM: map[string][]sms.Lane{},
	}
	if err := s.adopt(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes the file. Call it when Run has returned and nobody uses the
// store any more.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return errors.Join(s.Reader.Close(), s.tx.close(), s.db.Close())
}

// Run carries out the writes of all callers until ctx ends. It finishes what
// was asked by then; later writes are refused. It ends before, with an error that
// [IsDamaged] knows, when somebody found the file damaged: what would still be
// written to it would be lost with it, so it is refused.
func (s *Store) Run(ctx context.Context) error {
	s.enter(served)
	for {
		select {
		case <-s.wake:
			s.flush()
		case <-s.damage.found:
			s.enter(stopped)
			s.flush() // refuses what waits
			return s.damage.err
		case <-ctx.Done():
			s.enter(stopped)
			s.flush()
			return nil
		}
	}
}

func (s *Store) enter(p phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = p
}

// write has work carried out in a transaction, and returns after the commit.
// work may run long after other requests of the same transaction, but never
// beside one.
func (s *Store) write(ctx context.Context, work func(*tx) error) error {
	r := &request{ctx: ctx, work: work, done: make(chan struct{})}
	s.mu.Lock()
	phase := s.phase
	if phase != stopped {
		s.waiting = append(s.waiting, r)
	}
	s.mu.Unlock()

	switch phase {
	case stopped:
		return errStopped
	case direct:
		s.flush()
	case served:
		select {
		case s.wake <- struct{}{}:
		default: // it has been told
		}
	}
	<-r.done
	return r.err
}

// ask is a write that has an answer.
func ask[T any](ctx context.Context, s *Store, work func(*tx) (T, error)) (T, error) {
	var answer T
	err := s.write(ctx, func(t *tx) (err error) {
		answer, err = work(t)
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return answer, nil
}

// maxBatch bounds the requests of one transaction, and so how long the first
// of them waits for its answer.
const maxBatch = 500

func (s *Store) take(most int) []*request {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.waiting), most)
	batch := slices.Clone(s.waiting[:n])
	s.waiting = slices.Delete(s.waiting, 0, n) // and forget their messages
	return batch
}

// flush carries out all that waits, or refuses it where the file is damaged.
func (s *Store) flush() {
	s.writing.Lock()
	defer s.writing.Unlock()
	for batch := s.take(maxBatch); len(batch) > 0; batch = s.take(maxBatch) {
		err := s.damage.known()
		if err == nil {
			batch, err = s.tx.commit(batch, s.take)
		}
		for _, r := range batch {
			if err != nil { // even a plain no may have come of what is undone now
				r.err = err
			}
			r.err = s.damage.notice(explain(r.err))
			close(r.done)
		}
	}
}

// Now returns the clock that the store writes by, in UTC. It takes the way of
// a write, so an answer shows that the store works.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	return ask(ctx, s, func(t *tx) (time.Time, error) { return t.now, nil })
}

// IsDamaged reports whether an error says that the file is damaged. Every other
// error of the disk (full, read-only, not readable just now, held by another
// program) may pass: what was asked was not done, and may be asked again.
func IsDamaged(err error) bool {
	if e, ok := errors.AsType[sqlite3.Error](err); ok && (e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB) {
		return true
	}
	return errors.Is(err, errUnsound)
}

// explain adds to an error of SQLite what the operator can do about it.
func explain(err error) error {
	switch {
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission): // of a file that SQLite has not opened yet
		return fmt.Errorf("%w: make the file and its folder writable for this user", err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: make room on the disk", err)
	}
	e, ok := errors.AsType[sqlite3.Error](err)
	if !ok {
		return err
	}
	switch e.Code {
	case sqlite3.ErrFull:
		return fmt.Errorf("%w: make room on the disk", err)
	case sqlite3.ErrReadonly, sqlite3.ErrCantOpen, sqlite3.ErrPerm:
		return fmt.Errorf("%w: make the file and its folder writable for this user", err)
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return fmt.Errorf("%w: another program holds the queue, let it finish", err)
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return fmt.Errorf("%w: the file is damaged; when the service starts it restores the newest snapshot", err)
	case sqlite3.ErrIoErr:
		return fmt.Errorf("%w: check the disk", err)
	}
	return err
}
