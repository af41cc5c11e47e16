package sqlite

import (
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// TestIntakeAfterDeath: what had been accepted of a large batch when the process died
// is let in by the next; what had not is gone, and costs nothing.
func TestIntakeAfterDeath(t *testing.T) {
	const n = 2*queue.LargeBatch + 1
	for _, c := range []struct {
		name string
		stop int // messages of which the last is not stored; 0: none
		want int
	}{
		{"accepted", 0, n},
		{"begun", queue.LargeBatch + 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "queue.db")
			s := openAt(t, path, &sms.Rules{})
			addShop(t, s)
			before, err := s.Account(t.Context(), "shop")
			if err != nil {
				t.Fatal(err)
			}
			b := batch(n)
			b.Messages[0].Price = sms.Credit
			if c.stop > 0 {
				b.Messages[c.stop-1].Parts = nil // an error that nothing is undone for
			}
			s.begins(b.Messages[0].ID)
			in := intake{batch: b.Messages[0].ID}
			if err := s.write(t.Context(), func(tx *tx) (err error) {
				in.id, err = tx.insert(`INSERT INTO intake (batch, first, last) VALUES (?, 1, 0)`, in.batch[:])
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if err := s.fill(t.Context(), in, b); (err != nil) != (c.stop > 0) {
				t.Fatal(err)
			}
			if _, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"}); !errors.Is(err, queue.ErrNothing) {
				t.Fatalf("a line got a message on its way in: %v", err)
			}

			s = openAt(t, path, &sms.Rules{})
			if _, err := s.Reroute(t.Context()); err != nil { // the first one of this database
				t.Fatal(err)
			}
			list, err := s.List(t.Context(), queue.Filter{Limit: 2 * n})
			if err != nil {
				t.Fatal(err)
			}
			after, err := s.Account(t.Context(), "shop")
			if err != nil {
				t.Fatal(err)
			}
			if len(list) != c.want || (after.Credits == before.Credits) != (c.want == 0) {
				t.Errorf("%d messages, want %d; credits %d, were %d", len(list), c.want, after.Credits, before.Credits)
			}
			for range c.want {
				if _, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"}); err != nil {
					t.Fatal(err)
				}
			}
			if rest, err := all(s.tx, scanIntake, intakesQuery); len(rest) != 0 || err != nil {
				t.Errorf("left over: %+v, %v", rest, err)
			}
		})
	}
}

// TestIntakeAtStart: a start waits for what was on its way in only where the rules have
// changed, for then it may be in lanes that nobody works in.
func TestIntakeAtStart(t *testing.T) {
	const n = 3 * queue.LargeBatch
	path := filepath.Join(t.TempDir(), "queue.db")
	s := openAt(t, path, &sms.Rules{})
	addShop(t, s)
	if _, err := s.Reroute(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Add(t.Context(), batch(n)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rules *sms.Rules
		waits bool
	}{
		{&sms.Rules{}, true},
		{&sms.Rules{SIMs: []string{"a"}, Routes: []sms.Route{{Tiers: [][]string{{"a"}}}}}, false},
	} {
		s = openAt(t, path, c.rules)
		if _, err := s.Reroute(t.Context()); err != nil {
			t.Fatal(err)
		}
		rest, err := all(s.tx, scanIntake, intakesQuery)
		if waits := len(rest) > 0; err != nil || waits != c.waits {
			t.Errorf("still on its way in: %+v, %v", rest, err)
		}
	}
	for range n {
		if _, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestIntakeBegun: what a process had begun to bring when it died is taken back by the
// next one, without anything else to do for it.
func TestIntakeBegun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	s := openAt(t, path, &sms.Rules{})
	if _, err := s.Reroute(t.Context()); err != nil {
		t.Fatal(err)
	}
	addShop(t, s)
	b := batch(2*queue.LargeBatch + 1)
	in := intake{batch: b.Messages[0].ID}
	s.begins(in.batch)
	if err := s.write(t.Context(), func(tx *tx) (err error) {
		in.id, err = tx.insert(`INSERT INTO intake (batch, first, last) VALUES (?, 1, 0)`, in.batch[:])
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for chunk := range slices.Chunk(b.Messages, queue.LargeBatch) {
		if err := s.fillChunk(t.Context(), in, b, chunk, &chunk[0] == &b.Messages[0]); err != nil {
			t.Fatal(err)
		}
	}
	if at, _, err := s.NextDue(t.Context()); at.Equal(time.UnixMilli(0)) || err != nil {
		t.Fatalf("it is looked at while it comes in: %v", err)
	}
	s = openAt(t, path, &sms.Rules{})
	if _, err := s.Reroute(t.Context()); err != nil {
		t.Fatal(err)
	}
	for turns := 0; ; turns++ {
		at, ok, err := s.NextDue(t.Context())
		if err != nil || turns > 10 {
			t.Fatalf("after %d turns: %v", turns, err)
		}
		if !ok || at.After(time.Now()) {
			break
		}
		if _, err := s.Overdue(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.List(t.Context(), queue.Filter{}); len(list) > 0 || err != nil {
		t.Errorf("%d messages are left, %v", len(list), err)
	}
}

// stage stores a large batch as far as the chunks of it go; nothing is accepted, and
// the process that stores it is at work.
func stage(t *testing.T, s *Store, b sms.Batch) intake {
	t.Helper()
	addShop(t, s)
	s.begins(b.Messages[0].ID)
	in := intake{batch: b.Messages[0].ID}
	if err := s.write(t.Context(), func(tx *tx) (err error) {
		in.id, err = tx.insert(`INSERT INTO intake (batch, first, last) VALUES (?, 1, 0)`, in.batch[:])
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.fill(t.Context(), in, b); err != nil {
		t.Fatal(err)
	}
	return in
}

// acceptAt has what is coming in accepted at a time, in milliseconds; nil: it is not.
func acceptAt(t *testing.T, s *Store, at any) {
	t.Helper()
	if err := s.write(t.Context(), func(tx *tx) error {
		_, err := tx.exec(`UPDATE intake SET accepted = ?`, at)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// letIn has the clerk do all that NextDue tells it to.
func letIn(t *testing.T, s *Store) {
	t.Helper()
	for {
		at, ok, err := s.NextDue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !ok || at.After(time.Now()) {
			return
		}
		if _, err := s.Overdue(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestIntakeEscalates: the time to go up a tier may come while a message is on its way
// in. It is not forgotten.
func TestIntakeEscalates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := &sms.Rules{Routes: []sms.Route{{Prefix: "44", Tiers: [][]string{{"a"}, {"b"}}}}, EscalateAfter: time.Minute}
		s := openTest(t, rules)
		b := batch(1)
		m := &b.Messages[0]
		m.Escalate = 2
		step, err := rules.Admit(*m, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		m.Apply(step)
		stage(t, s, b)
		acceptAt(t, s, nil) // others are still coming
		time.Sleep(time.Minute)
		letIn(t, s)
		acceptAt(t, s, millis(time.Now()))
		letIn(t, s)
		if _, err := s.Claim(t.Context(), queue.By{SIM: "b", Modem: "m"}); err != nil {
			t.Errorf("the second tier does not get it: %v", err)
		}
	})
}

// TestIntakeRetry: what may still be taken back is not sent again on its own.
func TestIntakeRetry(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	b := batch(2)
	stage(t, s, b)
	id := b.Messages[0].ID
	if err := s.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Retry(t.Context(), id); !errors.Is(err, sms.ErrNoRetry) {
		t.Errorf("on its way in: %v", err)
	}
	letIn(t, s)
	if _, err := s.Retry(t.Context(), id); err != nil {
		t.Errorf("when it is in: %v", err)
	}
}

// TestIntakeClockSet: a clock that is set back keeps nothing on its way in.
func TestIntakeClockSet(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	stage(t, s, batch(2))
	acceptAt(t, s, millis(time.Now().Add(time.Hour))) // the clock showed that then
	letIn(t, s)
	if _, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"}); err != nil {
		t.Error(err)
	}
}

// TestIntakeShared: many large batches at once take no more of the writer at a time
// than one.
func TestIntakeShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, &sms.Rules{})
		addShop(t, s)
		const batches = 3
		s.enter(served) // by the transactions below
		var wg sync.WaitGroup
		for range batches {
			b := batch(queue.LargeBatch + 1)
			wg.Go(func() {
				if err := s.Add(t.Context(), b); err != nil {
					t.Error(err)
				}
			})
		}
		before := 0
		for accepted := 0; accepted < batches; {
			synctest.Wait()
			requests, err := s.tx.commit(s.take(maxBatch), func(int) []*request { return nil })
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range requests {
				close(r.done)
			}
			var now int
			if err := s.Reader.db.QueryRow(`SELECT count(*), (SELECT count(*) FROM intake WHERE accepted IS NOT NULL) FROM message`).Scan(&now, &accepted); err != nil {
				t.Fatal(err)
			}
			if now-before > queue.LargeBatch {
				t.Fatalf("%d messages came in at once", now-before)
			}
			before = now
		}
		wg.Wait()
		s.enter(direct)
		work, err := s.Overdue(t.Context(), nil)
		if err != nil || len(work) != 1 || work[0].Count > queue.LargeBatch {
			t.Errorf("let in at once: %v, %v", work, err)
		}
		letIn(t, s)
		if rest, err := all(s.tx, scanIntake, intakesQuery); len(rest) != 0 || err != nil {
			t.Errorf("left over: %+v, %v", rest, err)
		}
	})
}

// TestIntakeBesideUndone: while a large batch begins, one whose process died is taken
// back, and its numbers are given again. What comes in is let in whole all the same, or
// taken back.
func TestIntakeBesideUndone(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error // of the drawing of the second batch
		want int
	}{
		{"accepted", nil, queue.LargeBatch + 2},
		{"broken", errors.New("broken"), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openTest(t, &sms.Rules{})
			addShop(t, s)
			dead := batch(queue.LargeBatch)
			in := intake{batch: dead.Messages[0].ID}
			if err := s.write(t.Context(), func(tx *tx) (err error) {
				in.id, err = tx.insert(`INSERT INTO intake (batch, first, last) VALUES (?, 0, 0)`, in.batch[:])
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if err := s.fillChunk(t.Context(), in, dead, dead.Messages, true); err != nil {
				t.Fatal(err)
			}
			b := batch(queue.LargeBatch + 2)
			rest := b.Messages[1:]
			b.Messages, b.Beyond = b.Messages[:1], len(rest)
			b.Rest = func(yield func(sms.Message, error) bool) {
				letIn(t, s)
				if _, err := s.CancelBatch(t.Context(), dead.Messages[0].Submission); !errors.Is(err, queue.ErrNoMessage) {
					t.Errorf("cancel of what is taken back: %v", err)
				}
				for i, m := range rest {
					if i == queue.LargeBatch {
						if _, err := s.CancelBatch(t.Context(), m.Submission); !errors.Is(err, sms.ErrTooEarly) {
							t.Errorf("cancel of what comes in: %v", err)
						}
					}
					if !yield(m, nil) {
						return
					}
				}
				if c.err != nil {
					yield(sms.Message{}, c.err)
				}
			}
			if err := s.Add(t.Context(), b); !errors.Is(err, c.err) {
				t.Fatal(err)
			}
			letIn(t, s)
			list, err := s.List(t.Context(), queue.Filter{Limit: 3 * queue.LargeBatch})
			if err != nil || len(list) != c.want {
				t.Errorf("%d messages, %v; want %d", len(list), err, c.want)
			}
			for range c.want {
				if _, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"}); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
