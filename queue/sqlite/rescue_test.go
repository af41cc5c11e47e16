package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/sms"
)

// spoilOpen spoils the pages of a database that a store has open, and makes the store
// forget what it has read of them.
func spoilOpen(t testing.TB, s *Store, path string) {
	t.Helper()
	if _, err := s.tx.conn.ExecContext(background, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	spoil(t, path)
	if _, err := s.tx.conn.ExecContext(background, "PRAGMA shrink_memory"); err != nil {
		t.Fatal(err)
	}
}

// spoil writes rubbish into every page but the first, which says that the file is
// a database.
func spoil(t testing.TB, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for at := int64(4096); at < info.Size(); at += 4096 {
		if _, err := f.WriteAt([]byte(strings.Repeat("\xa5\x00\x5a", 100)), at); err != nil {
			t.Fatal(err)
		}
	}
}

// scene is a directory with a database that knows the shop.
type scene struct {
	t      *testing.T
	rescue *Rescue
}

func newScene(t *testing.T) *scene {
	dir := t.TempDir()
	s := &scene{t, &Rescue{
		Database: filepath.Join(dir, "queue.db"), Snapshots: filepath.Join(dir, "snapshots"),
		Rules: &sms.Rules{Resend: true, UnknownWait: time.Minute}, Log: quiet,
	}}
	store := s.open()
	addShop(t, store)
	s.must(store.Close())
	return s
}

func (s *scene) open() *Store {
	s.t.Helper()
	store, err := s.rescue.Open(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}

// add adds messages to the database; snapshot makes a snapshot of it.
func (s *scene) add(n int) {
	s.t.Helper()
	store := s.open()
	b := batch(n)
	for i := range b.Messages {
		b.Messages[i].Resend = true
	}
	if err := errors.Join(store.Add(s.t.Context(), b), store.Close()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) snapshot() {
	s.t.Helper()
	if err := snapshotNow(s.t.Context(), s.rescue); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) newest() string {
	s.t.Helper()
	list, err := ListSnapshots(s.rescue.Snapshots)
	if err != nil || len(list) == 0 {
		s.t.Fatalf("snapshots %v, %v", list, err)
	}
	return list[0].Path
}

// have checks how many messages there are, and how many of them are marked.
func (s *scene) have(messages, marked int) {
	s.t.Helper()
	store := s.open()
	list, err := store.List(s.t.Context(), queue.Filter{Limit: 1000})
	if err := errors.Join(err, store.Close()); err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, m := range list {
		if m.Duplicate && m.State == sms.Unknown && m.Doubts > 0 {
			n++
		}
	}
	if len(list) != messages || n != marked {
		s.t.Errorf("%d messages, %d of them marked; want %d and %d", len(list), n, messages, marked)
	}
}

func (s *scene) rescued() []Rescued {
	s.t.Helper()
	list, err := ListRescued(s.rescue.Database)
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestRescue: two messages are in the older snapshot, three in the newer, four in
// the database, to which something happens.
func TestRescue(t *testing.T) {
	for _, c := range []struct {
		name     string
		happens  func(s *scene)
		messages int
		marked   int
		rescued  int
	}{
		{"nothing", func(*scene) {}, 4, 0, 0},
		{"no database", func(s *scene) {
			s.must(os.WriteFile(s.rescue.Database, []byte(strings.Repeat("rubbish\n", 1000)), 0o600))
		}, 3, 3, 1},
		{"cut short", func(s *scene) { s.must(os.Truncate(s.rescue.Database, 10_000)) }, 3, 3, 1},
		{"empty", func(s *scene) { s.must(os.Truncate(s.rescue.Database, 0)) }, 3, 3, 1},
		{"gone", func(s *scene) { s.must(os.Remove(s.rescue.Database)) }, 3, 3, 1},
		{"found damaged", func(s *scene) {
			spoil(s.t, s.rescue.Database)
			s.must(Suspect(s.rescue.Database, errUnsound))
		}, 3, 3, 1},
		{"found damaged, and sound", func(s *scene) { s.must(Suspect(s.rescue.Database, errUnsound)) }, 4, 0, 0},
		{"the newer snapshot as well", func(s *scene) {
			spoil(s.t, s.newest())
			s.must(os.Remove(s.rescue.Database))
		}, 2, 2, 1},
		{"the newer snapshot is no database", func(s *scene) {
			s.must(os.WriteFile(s.newest(), []byte("rubbish"), 0o600))
			s.must(os.Remove(s.rescue.Database))
		}, 2, 2, 1},
		{"all snapshots as well", func(s *scene) {
			list, err := ListSnapshots(s.rescue.Snapshots)
			s.must(err)
			for _, f := range list {
				spoil(s.t, f.Path)
			}
			s.must(os.Remove(s.rescue.Database))
		}, 0, 0, 1},
		{"no snapshots", func(s *scene) {
			s.must(os.RemoveAll(s.rescue.Snapshots))
			s.must(os.Truncate(s.rescue.Database, 10_000))
		}, 0, 0, 1},
		{"no snapshots, no database: it is new", func(s *scene) {
			s.must(os.RemoveAll(s.rescue.Snapshots))
			s.must(os.Remove(s.rescue.Database))
		}, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			s.add(2)
			s.snapshot()
			s.add(1)
			s.snapshot()
			s.add(1)
			c.happens(s)
			s.have(c.messages, c.marked)
			list := s.rescued()
			if len(list) != c.rescued {
				t.Fatalf("rescued: %+v", list)
			}
			for _, r := range list {
				if r.Why == "" || time.Since(r.At) > time.Minute || r.Snapshot.IsZero() != (c.messages == 0) || r.Unfinished != c.marked {
					t.Errorf("note %+v", r)
				}
			}
			s.have(c.messages, c.marked) // and not again
			left, err := beside(s.rescue.Database, ".")
			s.must(err)
			left = slices.DeleteFunc(left, func(name string) bool { return strings.Contains(name, ".corrupt-") })
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestRescueAgain: a database that is damaged again and again fills no disk, and
// its messages are doubted more each time: the fourth time they stay.
func TestRescueAgain(t *testing.T) {
	s := newScene(t)
	s.add(1)
	s.snapshot()
	for i := range damagedKept + 1 {
		s.must(os.WriteFile(s.rescue.Database, []byte("rubbish"), 0o600))
		store := s.open()
		list, err := store.List(t.Context(), queue.Filter{})
		s.must(err)
		if len(list) != 1 || list[0].Doubts != i+1 {
			t.Fatalf("rescue %d: %+v", i+1, list)
		}
		_, err = store.Overdue(t.Context(), nil)
		s.must(err)
		m, timeline, err := store.Show(t.Context(), list[0].ID)
		s.must(errors.Join(err, store.Close()))
		if want := map[bool]sms.State{true: sms.Queued, false: sms.Unknown}[i < 3]; m.State != want || !m.Duplicate {
			t.Errorf("rescue %d: %s, %q, %+v", i+1, m.State, m.Why, timeline)
		}
	}
	names, err := beside(s.rescue.Database, "."+corruptName)
	s.must(err)
	if len(s.rescued()) != damagedKept || len(names) != 2*damagedKept {
		t.Errorf("kept: %v", names)
	}
}

// TestPowerCut: a replacement that was cut short at any step is completed; nobody
// makes an empty database meanwhile.
func TestPowerCut(t *testing.T) {
	const name = corruptName + "20261122T120000.000Z"
	steps := []struct{ from, to string }{{noteName + name, "." + name + noteEnd}, {"", "." + name}, {"-wal", "." + name + "-wal"}, {"-shm", "." + name + "-shm"}}
	for done := range len(steps) + 1 {
		path := filepath.Join(t.TempDir(), "queue.db")
		for file, text := range map[string]string{"": "old", "-wal": "log", "-shm": "index", noteName + name: `{"why":"x"}`, nextName + name: "new"} {
			if err := os.WriteFile(path+file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range steps[:done] {
			if err := os.Rename(path+s.from, path+s.to); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Open(path, &sms.Rules{}, quiet); err == nil || !strings.Contains(err.Error(), "start the service once") {
			t.Errorf("after %d steps: opened with %v", done, err)
		}
		if err := complete(path); err != nil {
			t.Fatal(err)
		}
		for file, want := range map[string]string{"": "new", "." + name: "old", "." + name + "-wal": "log", "." + name + "-shm": "index"} {
			if got, err := os.ReadFile(path + file); string(got) != want {
				t.Errorf("after %d steps: %s holds %q, %v", done, file, got, err)
			}
		}
		if list, err := ListRescued(path); err != nil || len(list) != 1 || list[0].Why != "x" {
			t.Errorf("after %d steps: %+v, %v", done, list, err)
		}
	}
}

// TestDamageAtWork: once somebody has found the file damaged nothing is stored in
// it any more, not even in the transaction that found it.
func TestDamageAtWork(t *testing.T) {
	for _, c := range []struct {
		name string
		find func(t *testing.T, s *Store)
	}{
		{"a reader", func(t *testing.T, s *Store) {
			if _, err := s.List(t.Context(), queue.Filter{}); !IsDamaged(err) {
				t.Errorf("list: %v", err)
			}
		}},
		{"the clerk", func(t *testing.T, s *Store) {
			if _, _, err := s.NextDue(t.Context()); !IsDamaged(err) {
				t.Errorf("next due: %v", err)
			}
		}},
		{"a writer", func(t *testing.T, s *Store) {
			if _, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"}); !IsDamaged(err) {
				t.Errorf("claim: %v", err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "queue.db")
			s, err := Open(path, &sms.Rules{}, quiet)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close() // whatever it says
			addShop(t, s)
			if err := s.Add(t.Context(), batch(300)); err != nil {
				t.Fatal(err)
			}
			spoilOpen(t, s, path)
			ended := make(chan error, 1)
			go func() { ended <- s.Run(t.Context()) }()
			c.find(t, s)
			if err := <-ended; !IsDamaged(err) {
				t.Errorf("the writer ended with %v", err)
			}
			if _, err := s.Now(t.Context()); err == nil {
				t.Error("the store still takes something")
			}
		})
	}
}

// TestDamagedBatch: of requests that came together none is done when one finds the
// file damaged.
func TestDamagedBatch(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	requests := []*request{
		{ctx: t.Context(), work: func(x *tx) error { b := batch(1); return x.addMessage(&b.Messages[0]) }, done: make(chan struct{})},
		{ctx: t.Context(), work: func(*tx) error { return errUnsound }, done: make(chan struct{})},
	}
	s.mu.Lock()
	s.waiting = append(s.waiting, requests...)
	s.mu.Unlock()
	s.flush()
	for _, r := range requests {
		if !IsDamaged(r.err) {
			t.Errorf("answer %v", r.err)
		}
	}
	if list, err := s.List(t.Context(), queue.Filter{}); err != nil || len(list) != 0 {
		t.Errorf("stored: %+v, %v", list, err)
	}
	if _, err := s.Now(t.Context()); !IsDamaged(err) {
		t.Errorf("the next request: %v", err)
	}
}

// TestDoubt: what a message becomes when it comes back from a copy.
func TestDoubt(t *testing.T) {
	now := time.Now()
	line := queue.By{SIM: "a", Modem: "m", Alone: true}
	claim := func(s *Store, t *testing.T) queue.Claim {
		c, err := s.Claim(t.Context(), line)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	settle := func(o sms.Outcome) func(s *Store, t *testing.T) {
		return func(s *Store, t *testing.T) {
			if err := s.Settle(t.Context(), claim(s, t), o); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		change func(m *sms.Message)
		before func(s *Store, t *testing.T)
		state  sms.State
		marked bool
		then   sms.State // when its time comes
	}{
		{"queued", nil, nil, sms.Unknown, true, sms.Queued},
		{"queued, to be held when in doubt", func(m *sms.Message) { m.Resend = false }, nil, sms.Unknown, true, sms.Unknown},
		{"queued, validity over", func(m *sms.Message) { m.Expires = now.Add(-time.Second) }, nil, sms.Unknown, true, sms.Unknown},
		{"scheduled for later", func(m *sms.Message) { m.State, m.Due, m.Review = sms.Scheduled, now.Add(time.Hour), now.Add(time.Hour) }, nil, sms.Scheduled, true, sms.Scheduled},
		{"scheduled, and due since", func(m *sms.Message) { m.State, m.Due = sms.Scheduled, now.Add(-time.Minute) }, nil, sms.Unknown, true, sms.Queued},
		{"sending", nil, func(s *Store, t *testing.T) { claim(s, t) }, sms.Unknown, true, sms.Queued},
		{"unknown", nil, settle(sms.Outcome{Kind: sms.Ambiguous}), sms.Unknown, true, sms.Queued},
		{"sent", nil, settle(sms.Outcome{Kind: sms.Accepted, MR: 7}), sms.Sent, false, sms.Sent},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openTest(t, &sms.Rules{Resend: true, UnknownWait: time.Hour})
			addShop(t, s)
			b := batch(1)
			b.Events = []sms.Event{{Door: "mail", Account: shop.Name, To: "shop@example.com"}}
			m := &b.Messages[0]
			m.Resend = true
			m.To = "447700900123"
			if c.change != nil {
				c.change(m)
			}
			if err := s.Add(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if c.before != nil {
				c.before(s, t)
			}
			n, err := s.doubt(t.Context(), now)
			if err != nil || (n == 1) != c.marked {
				t.Errorf("%d marked, %v", n, err)
			}
			got, timeline, err := s.Show(t.Context(), m.ID)
			if err != nil || got.State != c.state || got.Duplicate != c.marked {
				t.Errorf("%s, possible duplicate %v, %v", got.State, got.Duplicate, err)
			}
			if last := timeline[len(timeline)-1]; (last.Event == "restored") != c.marked {
				t.Errorf("timeline ends %+v", last)
			}
			if _, err := s.Overdue(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if got, _, _ = s.Show(t.Context(), m.ID); got.State != c.then {
				t.Errorf("then %s (%s), want %s", got.State, got.Why, c.then)
			}
			told, err := s.Events(t.Context(), 0)
			if news := len(told) - 1; err != nil || (news == 1) != (got.State == sms.Queued) || news == 1 && !strings.Contains(told[0].Text, m.ID.String()) {
				t.Errorf("%s, and the customer is told %+v, %v", got.State, told, err)
			}
			if got.State != sms.Queued {
				return
			}
			// Sent and reported, it is still a possible duplicate, and the network was
			// not asked to refuse it.
			again := claim(s, t)
			if again.Repeat {
				t.Error("it asks for the refusal of a duplicate")
			}
			if err := s.Settle(t.Context(), again, sms.Outcome{Kind: sms.Accepted, MR: 9}); err != nil {
				t.Fatal(err)
			}
			if got, _, _ = s.Show(t.Context(), m.ID); got.State != sms.Sent || !got.Duplicate {
				t.Errorf("sent: %s, possible duplicate %v", got.State, got.Duplicate)
			}
			err = s.write(t.Context(), func(x *tx) error {
				r, err := x.find(m.ID)
				if err != nil {
					return err
				}
				words, err := x.certain(r)
				if words != "" {
					t.Errorf("evidence: %s", words)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDoubtAboutCopies: what nobody has confirmed may have gone again since the copy of the
// database was made. No report on the first copy makes it certain that it had not.
func TestDoubtAboutCopies(t *testing.T) {
	for _, to := range []sms.Number{"", "447700900999"} {
		t.Run(string(to), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { checkDoubtAboutCopies(t, to) }) })
	}
}

func checkDoubtAboutCopies(t *testing.T, to sms.Number) {
	s := openTest(t, &sms.Rules{Resend: true, UnknownWait: time.Minute, EscalateAfter: time.Minute})
	addShop(t, s)
	b := batch(1)
	m := &b.Messages[0]
	m.Again = sms.Again{Within: 5 * time.Minute, To: to}
	tpdu, err := pdu.Submit{Destination: m.To.Address(), UserData: pdu.UserData{Data: []byte("x")}}.AppendBinary(nil)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(err)
	m.Parts[0].TPDU = tpdu
	ok(s.Add(t.Context(), b))
	c, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"})
	ok(err)
	ok(s.Settle(t.Context(), c, sms.Outcome{Kind: sms.Accepted, MR: 7}))
	_, err = s.doubt(t.Context(), time.Now())
	ok(err)
	before, err := s.Stats(t.Context())
	ok(err)
	time.Sleep(5 * time.Minute)
	_, err = s.Overdue(t.Context(), nil)
	ok(err)
	ok(s.write(t.Context(), func(x *tx) error {
		r, err := x.find(m.ID)
		if err != nil {
			return err
		}
		words, err := x.certain(r)
		if words != "" || !r.msg.Duplicate {
			t.Errorf("possible duplicate %v%s", r.msg.Duplicate, words)
		}
		return err
	}))
	list, err := s.List(t.Context(), queue.Filter{})
	ok(err)
	after, err := s.Stats(t.Context())
	ok(err)
	if n := int64(len(list)); before.Totals.Duplicates != 1 || after.Totals.Duplicates != n {
		t.Errorf("%d possible duplicates counted, then %d; there are %d", before.Totals.Duplicates, after.Totals.Duplicates, n)
	}
}

// TestDoubtReferences: what was given since the copy of the database was made is not
// given again.
func TestDoubtReferences(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	b := batch(12)
	for i := range b.Messages {
		b.Messages[i].Parts = append(b.Messages[i].Parts, sms.Part{N: 2, TPDU: make([]byte, 40)})
	}
	if err := s.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	next := func() uint16 {
		c, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m", Alone: true})
		if err != nil {
			t.Fatal(err)
		}
		return c.Concat
	}
	next()
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := s.Copy(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	given := map[uint16]bool{}
	for range 5 {
		given[next()] = true
	}
	s = openAt(t, copied, &sms.Rules{})
	if _, err := s.doubt(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.Add(t.Context(), sms.Batch{Messages: func() []sms.Message {
		m := b.Messages[0]
		m.ID = sms.NewID(time.Now())
		return []sms.Message{m}
	}()}); err != nil {
		t.Fatal(err)
	}
	if ref := next(); given[ref] {
		t.Errorf("reference %d is given again", ref)
	}
}

// TestReferenceAge: how old a reference is does not change because the clock was set.
func TestReferenceAge(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	if err := s.write(t.Context(), func(x *tx) error {
		m := message("any")
		m.Parts = make([]sms.Part, 2)
		_, err := x.reference(&record{seq: 200, msg: m}, "a")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s.setBy(56 * 365 * 24 * time.Hour)
	if err := s.write(t.Context(), func(x *tx) error {
		used, err := scalar[int64](x.row(`SELECT used FROM reference`))
		if off := time.Until(time.UnixMilli(used)); off < 50*365*24*time.Hour {
			t.Errorf("the clock was set, and the reference was used %v from now", off)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestRestore: a copy takes the place of a database, which is kept, or of none.
func TestRestore(t *testing.T) {
	s := newScene(t)
	s.add(2)
	s.snapshot()
	copied := s.rescue.Database + ".restoring"
	take := func() {
		r, err := OpenReader(s.rescue.Database)
		s.must(err)
		s.must(errors.Join(r.Copy(t.Context(), copied), r.Close()))
	}
	take()
	s.add(1)
	at := time.Now().Add(-time.Hour)
	done, err := Restore(t.Context(), s.rescue, copied, at)
	if err != nil || done.Unfinished != 2 || !strings.Contains(done.Aside, ".replaced-") {
		t.Fatalf("%+v, %v", done, err)
	}
	s.have(2, 2)
	if r, err := OpenReader(done.Aside); err != nil {
		t.Error(err)
	} else {
		r.Close()
	}
	if list := s.rescued(); len(list) != 0 {
		t.Errorf("an alarm: %+v", list)
	}
	// The newest snapshot is of what is there now.
	s.must(os.Remove(s.rescue.Database))
	s.have(2, 2)

	take()
	s.must(os.Remove(s.rescue.Database))
	if done, err = Restore(t.Context(), s.rescue, copied, at); err != nil || done.Aside != "" {
		t.Errorf("where there is none: %+v, %v", done, err)
	}
	s.must(os.WriteFile(copied, []byte("rubbish"), 0o600))
	if _, err = Restore(t.Context(), s.rescue, copied, at); !IsDamaged(err) {
		t.Errorf("rubbish: %v", err)
	}
	s.have(2, 2)
}
