package sqlite

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"cellpost/queue/queuetest"
	"cellpost/sms"
)

func TestStore(t *testing.T) {
	seen := queuetest.Run(t, func(t *testing.T, rules *sms.Rules) queuetest.Store { return openTest(t, rules) })
	seen.Run(t, "what a copy of the database makes of messages", func(t *testing.T) { showRestored(t, seen) })
	seen.Run(t, "what a copy makes of messages that are decided", func(t *testing.T) { showRestoredDecided(t, seen) })
	for _, copied := range []bool{false, true} {
		seen.Run(t, fmt.Sprintf("a batch that is taken back, copied %v", copied), func(t *testing.T) { showTakenBack(t, seen, copied) })
	}
	seen.Check(t, states)
}

// states is the page that says what may happen to a message.
const states = "../../docs/states.md"

func TestMatching(t *testing.T) {
	n := matchingMessages
	if testing.Short() {
		n = 2_000
	}
	path := filepath.Join(t.TempDir(), "queue.db")
	queuetest.Matching(t, n, func(t *testing.T, rules *sms.Rules) (queuetest.Store, func() error) {
		s, err := Open(path, rules, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.tx.exec("PRAGMA synchronous = OFF"); err != nil { // so much would take the disk minutes
			t.Fatal(err)
		}
		return s, s.Close
	})
}

func openTest(t testing.TB, rules *sms.Rules) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "queue.db"), rules)
}

func openAt(t testing.TB, path string, rules *sms.Rules) *Store {
	t.Helper()
	s, err := Open(path, rules, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// serve runs the writer until the test ends, or stop is called.
func serve(t testing.TB, s *Store) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}
