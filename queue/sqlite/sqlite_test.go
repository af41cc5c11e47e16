package sqlite

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"cellpost/queue/queuetest"
	"cellpost/sms"
)

func TestStore(t *testing.T) {
	queuetest.Run(t, func(t *testing.T, rules *sms.Rules) queuetest.Store { return openTest(t, rules) })
}

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
