package sqlite

import (
	"errors"
	"path/filepath"
	"testing"

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
			if _, err := s.Reroute(t.Context()); err != nil {
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
