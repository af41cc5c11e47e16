package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"
)

const (
	// copyPages is how much of a copy is written, and brought to the disk, at a
	// time: 4 MiB hold an fsync of the writer up for half a second on an SD card.
	copyPages = 1024
	// copyRest is the least time between two such steps; else a copy rests for as
	// long as it wrote.
	copyRest = 10 * time.Millisecond

	// snapshotsKept is how many snapshots there are: if the newest is damaged, too,
	// there is one more.
	snapshotsKept = 2
	// copyRoom is how often the size of the database has to be free: a copy takes it
	// once, and leaves the queue as much.
	copyRoom = 2

	checkMost = 10 // faults that a check tells
)

// errUnsound is the result of a check that found the database damaged.
var errUnsound = errors.New("the database is damaged")

// errRoom says that a copy would fill the disk.
var errRoom = errors.New("not enough room")

// Copy writes a copy of the database to a new file, as it is at one moment,
// whatever is written meanwhile, and brings it to the disk. It holds up no
// writer; until it ends the log beside the database grows. Twice the size of the
// database has to be free where the copy goes. The copy has been checked; [IsDamaged] tells that it, and so the database, is unsound.
func (r *Reader) Copy(ctx context.Context, to string) error {
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := begin(ctx, conn); err != nil {
		return err
	}
	defer conn.ExecContext(background, "ROLLBACK")
	if err := roomFor(ctx, conn, filepath.Dir(to), freeRoom); err != nil {
		return err
	}
	return copyDatabase(ctx, conn, to)
}

// begin fixes the state of the database that a connection sees.
func begin(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	_, err := version(ctx, conn)
	if err != nil {
		conn.ExecContext(background, "ROLLBACK")
	}
	return err
}

// copyDatabase copies what a connection sees in the transaction that it is in.
func copyDatabase(ctx context.Context, from *sql.Conn, to string) (err error) {
	f, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			os.Remove(to)
		}
	}()
	// A copy that breaks off is thrown away: it needs no journal.
	db, err := sql.Open("sqlite3", dsn(to, "_journal_mode=OFF&_synchronous=OFF"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	dest, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	err = dest.Raw(func(d any) error {
		return from.Raw(func(s any) error {
			return copySteps(ctx, d.(*sqlite3.SQLiteConn), s.(*sqlite3.SQLiteConn), f)
		})
	})
	if err := errors.Join(err, dest.Close()); err != nil {
		return err
	}
	return checkFile(ctx, to)
}

func copySteps(ctx context.Context, dest, src *sqlite3.SQLiteConn, f *os.File) (err error) {
	b, err := dest.Backup("main", src, "main")
	if err != nil {
		return err
	}
	defer func() { // which repeats the error of a step
		if ended := b.Finish(); err == nil {
			err = ended
		}
	}()
	for {
		began := time.Now()
		done, err := b.Step(copyPages)
		if err != nil {
			return err
		}
		if err := f.Sync(); err != nil || done {
			return err
		}
		select {
		case <-time.After(max(copyRest, time.Since(began))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// checkFile looks whether a file that nobody writes to is sound.
func checkFile(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite3", dsn(path, "mode=ro&immutable=1"))
	if err != nil {
		return err
	}
	return errors.Join(check(ctx, db, "quick_check"), db.Close())
}

// check runs PRAGMA quick_check, or integrity_check, which compares the indices
// with their tables as well and takes several times as long.
func check(ctx context.Context, db *sql.DB, pragma string) error {
	rows, err := db.QueryContext(ctx, fmt.Sprintf("PRAGMA %s(%d)", pragma, checkMost))
	if err != nil {
		return err
	}
	faults, err := collect(rows, scalar[string])
	if err != nil {
		return err
	}
	if len(faults) == 1 && faults[0] == "ok" {
		return nil
	}
	return fmt.Errorf("%w: %q", errUnsound, faults)
}

// Snapshot is a copy of the database that a service made.
type Snapshot struct {
	Path string
	At   time.Time // of its making, by the clock of then, in whole seconds
	n    int       // they are counted: the clock may have been set back
}

const snapshotTime = "20060102T150405Z"

var snapshotName = regexp.MustCompile(`^(\d{6,18})-(\d{8}T\d{6}Z)\.db$`)

// ListSnapshots returns the snapshots in a directory, newest first. There are
// none where there is no directory.
func ListSnapshots(dir string) ([]Snapshot, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var list []Snapshot
	for _, e := range entries {
		m := snapshotName.FindStringSubmatch(e.Name())
		if m == nil || !e.Type().IsRegular() {
			continue
		}
		s := Snapshot{Path: filepath.Join(dir, e.Name())}
		if s.At, err = time.Parse(snapshotTime, m[2]); err != nil {
			continue // nothing of ours
		}
		s.n, _ = strconv.Atoi(m[1]) // 18 digits fit
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Snapshot) int { return cmp.Compare(b.n, a.n) })
	return list, nil
}

// Snapshots makes a copy of the database again and again, and keeps the newest
// two. Each copy is checked, so damage to the database is found with it.
type Snapshots struct {
	Database string
	Dir      string        // made if it is not there, for its owner only
	Every    time.Duration // at least a second
	Log      *slog.Logger

	free func(dir string) (int64, error) // octets; tests set it
}

// Run makes snapshots until ctx ends. The first is due when the newest that is
// there has its age, by the clock, or is of the future. What keeps one from being
// made is logged, and the next tried when it is due; only damage to the database
// ends Run, see [IsDamaged].
func (s *Snapshots) Run(ctx context.Context) error {
	return s.reading(ctx, func(conn *sql.Conn) error { return s.keep(ctx, conn) })
}

// reading has a connection to the database used.
func (s *Snapshots) reading(ctx context.Context, use func(*sql.Conn) error) error {
	r, err := OpenReader(s.Database)
	if err != nil {
		return err
	}
	defer r.Close()
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return use(conn)
}

func (s *Snapshots) keep(ctx context.Context, conn *sql.Conn) (err error) {
	taken := int64(-1) // what data_version was at the last one
	for wait := s.first(time.Now()); ; wait = s.Every {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
		taken, err = s.take(ctx, conn, taken)
		switch {
		case ctx.Err() != nil:
			return nil
		case IsDamaged(err):
			return fmt.Errorf("snapshot: %w", explain(err))
		case err != nil:
			s.Log.Warn("no snapshot of the queue was made", "next", s.Every, "err", explain(err))
		}
	}
}

// first is how long the first snapshot has to wait.
func (s *Snapshots) first(now time.Time) time.Duration {
	list, err := ListSnapshots(s.Dir)
	if err != nil || len(list) == 0 || list[0].At.After(now) {
		return 0
	}
	return max(0, s.Every-now.Sub(list[0].At))
}

// take makes a snapshot, unless nothing was written since data_version was as
// given. It returns the data_version of the newest.
func (s *Snapshots) take(ctx context.Context, conn *sql.Conn, taken int64) (int64, error) {
	if err := begin(ctx, conn); err != nil {
		return taken, err
	}
	defer conn.ExecContext(background, "ROLLBACK")
	// It belongs to the connection, and changes with every commit of another.
	data, err := pragma(ctx, conn, "data_version")
	if err != nil || data == taken {
		return taken, err
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return taken, err
	}
	list, err := ListSnapshots(s.Dir)
	if err != nil {
		return taken, err
	}
	making := filepath.Join(s.Dir, "making")
	if err := removeDatabase(making); err != nil { // a power cut left it
		return taken, err
	}
	free := s.free
	if free == nil {
		free = freeRoom
	}
	if err := roomFor(ctx, conn, s.Dir, free); err != nil {
		return taken, err
	}
	if err := copyDatabase(ctx, conn, making); err != nil {
		return taken, err
	}
	n := 1
	if len(list) > 0 {
		n = list[0].n + 1
	}
	name := fmt.Sprintf("%06d-%s.db", n, time.Now().UTC().Format(snapshotTime))
	if err := rename(making, filepath.Join(s.Dir, name)); err != nil {
		return taken, err
	}
	s.Log.Debug("snapshot of the queue", "file", name)
	for _, old := range list[min(len(list), snapshotsKept-1):] {
		if err := removeDatabase(old.Path); err != nil {
			return data, err
		}
	}
	return data, nil
}

// roomFor returns [errRoom] where a copy of a database would fill the disk.
func roomFor(ctx context.Context, q querier, dir string, free func(dir string) (int64, error)) error {
	pages, err := pragma(ctx, q, "page_count")
	if err != nil {
		return err
	}
	page, err := pragma(ctx, q, "page_size")
	if err != nil {
		return err
	}
	have, err := free(dir)
	if err != nil {
		return err
	}
	if need := copyRoom * pages * page; have < need {
		return fmt.Errorf("%w in %s: %d octets are free, and %d are needed: delete what is not needed", errRoom, dir, have, need)
	}
	return nil
}

// freeRoom returns the octets that this user may still write.
func freeRoom(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("%s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

func pragma(ctx context.Context, q querier, name string) (n int64, err error) {
	err = q.QueryRowContext(ctx, "PRAGMA "+name).Scan(&n)
	return n, err
}

// besides are the files of a database: its own, the log, and the index of the log.
var besides = [...]string{"", "-wal", "-shm"}

// removeDatabase removes a database, if it is there, with what is beside it.
func removeDatabase(path string) error {
	for _, b := range besides {
		if err := os.Remove(path + b); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// rename gives a file another name in its directory, for good.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// syncDir brings the names in a directory to the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
