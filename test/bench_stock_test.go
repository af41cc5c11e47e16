package test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"

	"cellpost/ingress"
	"cellpost/queue"
	"cellpost/queue/sqlite"
	"cellpost/sms"
)

// stock is a data directory with messages that wait.
type stock struct {
	dir    string
	queued int
}

// benchRules are those of a gateway with nothing but modems in its configuration.
func benchRules() *sms.Rules { return &sms.Rules{} }

// collector is a queue that only keeps what it gets.
type collector struct{ batch sms.Batch }

func (c *collector) Add(_ context.Context, b sms.Batch) error {
	c.batch = b
	return nil
}

// messages makes messages to different numbers as the gate makes them of a mail.
func (t *table) messages(n int, reports bool) []sms.Message {
	var kept collector
	gate := &ingress.Gate{Queue: &kept, Rules: benchRules(), CountryPrefix: "44"}
	s := ingress.Submission{Source: "smtp 127.0.0.1", Items: make([]ingress.Item, n), Params: ingress.Params{Report: reports}}
	for i := range s.Items {
		s.Items[i] = ingress.Item{To: fmt.Sprintf("4483%08d", i), Text: "Your parcel will be delivered between 9 and 12 tomorrow."}
	}
	_, err := gate.Submit(context.Background(), sms.Account{Name: "acme", Unlimited: true, Concat: 3}, s)
	t.must(err)
	return kept.batch.Messages
}

// fillBatch is how many messages of a stock are stored at a time: a larger batch
// would still be on its way in when the store is closed.
const fillBatch = queue.LargeBatch

// fill makes a stock, the way that the gateway stores messages.
func (t *table) fill(what string, n int, reports bool) *stock {
	t.progress("%s: %d messages", what, n)
	s := &stock{dir: t.b.TempDir(), queued: n}
	t.must(os.CopyFS(s.dir, os.DirFS(accounts)))
	store := t.open(s.dir)
	for left, told := n, time.Now(); left > 0; left -= fillBatch {
		t.must(store.Add(context.Background(), sms.Batch{Messages: t.messages(min(left, fillBatch), reports)}))
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			t.progress("  %d to go", left)
		}
	}
	t.must(store.Close())
	return s
}

func (t *table) open(dir string) *sqlite.Store {
	store, err := sqlite.Open(filepath.Join(dir, "cellpost.db"), benchRules(), slog.New(slog.DiscardHandler))
	t.must(err)
	return store
}

// world makes a world with the stock of a run. done ends its modems, and takes the
// stock back if the run works on it.
func (t *table) world(s setting, r run) (w *world, done func()) {
	w = newWorld(t.b, s)
	data := filepath.Join(w.dir, "data")
	t.must(os.RemoveAll(data))
	if !r.keep {
		t.must(os.CopyFS(data, os.DirFS(r.stock.dir)))
		return w, func() { w.end(); t.must(os.RemoveAll(data)) }
	}
	t.must(os.Rename(r.stock.dir, data))
	return w, func() { w.end(); t.must(os.Rename(data, r.stock.dir)) }
}

// must ends the benchmark after an error.
func (t *table) must(err error) {
	t.b.Helper()
	if err != nil {
		t.b.Fatal(err)
	}
}

// chill takes the files of a stock out of the page cache.
func (s *stock) chill(t *table) {
	entries, err := os.ReadDir(s.dir)
	t.must(err)
	for _, e := range entries {
		f, err := os.Open(filepath.Join(s.dir, e.Name()))
		t.must(err)
		t.must(f.Sync())
		t.must(unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
		t.must(f.Close())
	}
}

// rowRoom is what a message takes on the disk, with the log of its making.
const rowRoom = 4 << 10

// room reports whether the disk has room for the long queue.
func (t *table) room() bool {
	var s unix.Statfs_t
	t.must(unix.Statfs(os.TempDir(), &s))
	free, need := int64(s.Bavail)*s.Bsize, int64(t.rows)*rowRoom
	if free < need {
		t.progress("the long queue is left out: %d MiB are free in %s, it may need %d (TMPDIR=... names another place)", free>>20, os.TempDir(), need>>20)
	}
	return free >= need
}

// timed is how long something took, and the database that it left.
type timed struct {
	took time.Duration
	file string
}

// add has the queue take all messages in one batch.
func (t *table) add(messages []sms.Message) timed {
	dir := t.b.TempDir()
	t.must(os.CopyFS(dir, os.DirFS(accounts)))
	store := t.open(dir)
	q := queue.New(store, benchRules(), nil, slog.New(slog.DiscardHandler))
	began := time.Now()
	t.must(q.Add(context.Background(), sms.Batch{Messages: messages}))
	took := time.Since(began)
	t.must(store.Close())
	return timed{took, filepath.Join(dir, "cellpost.db")}
}

// bare inserts the rows of a database into another with the same schema, in one
// transaction, a prepared statement for each table.
func (t *table) bare(file string) time.Duration {
	dir := t.b.TempDir()
	t.must(os.CopyFS(dir, os.DirFS(accounts)))
	t.must(t.open(dir).Close())
	from, to := t.raw(file), t.raw(filepath.Join(dir, "cellpost.db"))
	defer from.Close()
	defer to.Close()
	tables := []string{"message", "part", "timeline"}
	var rows [][][]any
	for _, name := range tables {
		rows = append(rows, t.rowsOf(from, name))
	}
	began := time.Now()
	tx, err := to.Begin()
	t.must(err)
	for i, name := range tables {
		insert, err := tx.Prepare("INSERT INTO " + name + " VALUES (?" + strings.Repeat(", ?", len(rows[i][0])-1) + ")")
		t.must(err)
		for _, row := range rows[i] {
			_, err := insert.Exec(row...)
			t.must(err)
		}
	}
	t.must(tx.Commit())
	return time.Since(began)
}

// raw opens a database as the store does, and without it.
func (t *table) raw(file string) *sql.DB {
	db, err := sql.Open("sqlite3", "file:"+file+"?_journal_mode=WAL&_synchronous=FULL&_foreign_keys=on&_cache_size=-2000")
	t.must(err)
	return db
}

// rowsOf reads a whole table.
func (t *table) rowsOf(db *sql.DB, name string) [][]any {
	rows, err := db.Query("SELECT * FROM " + name)
	t.must(err)
	defer rows.Close()
	columns, err := rows.Columns()
	t.must(err)
	var all [][]any
	for rows.Next() {
		row := make([]any, len(columns))
		t.must(rows.Scan(pointers(row)...))
		all = append(all, row)
	}
	t.must(rows.Err())
	return all
}

// pointers are where to scan a row to.
func pointers(row []any) []any {
	all := make([]any, len(row))
	for i := range row {
		all[i] = &row[i]
	}
	return all
}
