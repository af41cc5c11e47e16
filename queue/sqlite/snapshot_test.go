package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mattn/go-sqlite3"

	"cellpost/queue"
	"cellpost/sms"
)

var quiet = slog.New(slog.DiscardHandler)

// TestErrorClasses: of all that SQLite may say only two mean that the file is
// damaged; all that is the disk's tells what to do.
func TestErrorClasses(t *testing.T) {
	damaged := []sqlite3.ErrNo{sqlite3.ErrCorrupt, sqlite3.ErrNotADB}
	passing := []sqlite3.ErrNo{
		sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrReadonly, sqlite3.ErrCantOpen, sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrPerm,
	}
	for code := sqlite3.ErrNo(1); code <= 28; code++ {
		bare := sqlite3.Error{Code: code}
		err := explain(fmt.Errorf("commit: %w", bare))
		if got, want := IsDamaged(err), slices.Contains(damaged, code); got != want {
			t.Errorf("%v: damaged %v", err, got)
		}
		told := err.Error() != "commit: "+bare.Error()
		if want := slices.Contains(slices.Concat(damaged, passing), code); told != want {
			t.Errorf("%v: says what to do: %v, want %v", err, told, want)
		}
	}
	if IsDamaged(nil) || IsDamaged(errRoom) || !IsDamaged(fmt.Errorf("x: %w", errGone)) {
		t.Error("errors of our own")
	}
}

// TestCopy: a copy that is made while others write is whole, and holds what was
// there when it began.
func TestCopy(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	serve(t, s)
	addShop(t, s)
	const before = 500
	many := batch(before)
	for i := range many.Messages {
		many.Messages[i].Text = strings.Repeat("x", 10_000) // so that it takes more than one step
	}
	if err := s.Add(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	writers.Go(func() {
		for ctx.Err() == nil {
			if err := s.Add(context.Background(), batch(1)); err != nil {
				t.Error(err)
			}
		}
	})
	to := filepath.Join(t.TempDir(), "copy.db")
	err := s.Copy(t.Context(), to)
	cancel()
	writers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(to)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() <= copyPages*4096 {
		t.Errorf("%v, %v", info, err)
	}
	c := openAt(t, to, &sms.Rules{})
	list, err := c.List(t.Context(), queue.Filter{Limit: 1_000_000})
	if err != nil || len(list) < before || len(list) > before+2000 {
		t.Errorf("%d messages, %v", len(list), err)
	}
	if err := s.Copy(t.Context(), to); !errors.Is(err, os.ErrExist) {
		t.Errorf("over another file: %v", err)
	}
	if err := s.Copy(ctx, to+"2"); !errors.Is(err, context.Canceled) {
		t.Errorf("told not to: %v", err)
	}
	if _, err := os.Stat(to + "2"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a copy that broke off is there: %v", err)
	}
}

// keeper makes snapshots of a store one at a time.
type keeper struct {
	Snapshots
	take func() error
}

func keep(t *testing.T, s *Store, path string) *keeper {
	k := &keeper{Snapshots: Snapshots{Database: path, Dir: filepath.Join(filepath.Dir(path), "snapshots"), Every: time.Hour, Log: quiet}}
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := r.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); r.Close() })
	taken := int64(-1)
	k.take = func() (err error) {
		taken, err = k.Snapshots.take(t.Context(), conn, taken)
		return err
	}
	return k
}

func (k *keeper) names(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(k.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "-")
		names = append(names, number)
	}
	return names
}

// TestSnapshots: the newest two are kept, none is made of what has one, and none
// where it would fill the disk.
func TestSnapshots(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	s := openAt(t, path, &sms.Rules{})
	addShop(t, s)
	k := keep(t, s, path)
	is := func(want ...string) {
		t.Helper()
		if got := k.names(t); !slices.Equal(got, want) {
			t.Fatalf("snapshots %v, want %v", got, want)
		}
	}
	take := func(want error) {
		t.Helper()
		if err := k.take(); !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
	}
	add := func() {
		t.Helper()
		if err := s.Add(t.Context(), batch(1)); err != nil {
			t.Fatal(err)
		}
	}
	take(nil)
	is("000001")
	take(nil) // nothing was written
	is("000001")
	for _, name := range []string{"making", "making-wal"} { // a power cut
		if err := os.WriteFile(filepath.Join(k.Dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	add()
	take(nil)
	is("000001", "000002")
	add()
	take(nil)
	is("000002", "000003")

	pages, err := scalar[int64](s.tx.row("PRAGMA page_count"))
	if err != nil {
		t.Fatal(err)
	}
	free := pages*4096*2 - 1
	k.free = func(string) (int64, error) { return free, nil }
	add()
	take(errRoom)
	is("000002", "000003")
	free++
	take(nil)
	is("000003", "000004")

	info, err := os.Stat(k.Dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory %v, %v", info.Mode(), err)
	}
	list, err := ListSnapshots(k.Dir)
	if err != nil || len(list) != 2 || list[0].n != 4 || time.Since(list[0].At) > time.Minute {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestSnapshotsFirst: a service that starts often makes no more snapshots than one
// that runs on, and no fewer; whatever the clock did.
func TestSnapshotsFirst(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		file string
		want time.Duration
	}{
		{"none", "", 0},
		{"fresh", "000001-20261122T120000Z.db", time.Hour},
		{"of a while ago", "000001-20261122T112000Z.db", 20 * time.Minute},
		{"just due", "000001-20261122T110000Z.db", 0},
		{"old", "000001-19700101T000000Z.db", 0},
		{"of the future", "000001-20261122T120001Z.db", 0},
		{"nothing of ours", "000001-20261399T120001Z.db", 0},
	} {
		dir := t.TempDir()
		if c.file != "" {
			if err := os.WriteFile(filepath.Join(dir, c.file), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := &Snapshots{Dir: dir, Every: time.Hour}
		if got := s.first(now); got != c.want {
			t.Errorf("%s: waits %v, want %v", c.name, got, c.want)
		}
	}
}

// TestSnapshotsRun: they come at their time, and end with damage to the database.
func TestSnapshotsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "queue.db")
		s := openAt(t, path, &sms.Rules{})
		addShop(t, s)
		k := keep(t, s, path)
		ended := make(chan error, 1)
		go func() { ended <- k.Run(t.Context()) }()
		for range 3 {
			if err := s.Add(t.Context(), batch(1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(k.Every + time.Second)
		}
		if names := k.names(t); len(names) != 2 {
			t.Fatalf("snapshots %v", names)
		}
		if err := s.Add(t.Context(), batch(200)); err != nil {
			t.Fatal(err)
		}
		spoilOpen(t, s, path)
		if err := <-ended; !IsDamaged(err) {
			t.Errorf("ended with %v", err)
		}
		if names := k.names(t); len(names) != 2 {
			t.Errorf("snapshots %v", names)
		}
	})
}
