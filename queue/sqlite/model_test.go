package sqlite

import (
	"context"
	"flag"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"cellpost/queue/queuetest"
	"cellpost/sms"
)

// machine is a computer with the store on its disk.
type machine struct {
	path  string
	store *Store
}

func (m *machine) Open(rules *sms.Rules, boot string, up time.Duration) (queuetest.Store, error) {
	s, err := Open(m.path, rules, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	m.store = s
	if _, err := s.tx.exec("PRAGMA synchronous = OFF"); err != nil { // so much would take the disk minutes
		return nil, err
	}
	return s, s.Resume(context.Background(), boot, up)
}

func (m *machine) SetClock(by time.Duration) { m.store.setBy(by) }

func (m *machine) Close() error {
	s := m.store
	if m.store = nil; s == nil {
		return nil
	}
	return s.Close()
}

// modelChecks are the runs of a normal test: each takes a fifth of a second, or
// several times that with the race detector.
const modelChecks = "25"

// TestModel lets anything happen to the store, and compares it with a model of
// docs/states.md: -rapid.checks=10000 for a long run.
func TestModel(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	if checks.Value.String() == checks.DefValue {
		if err := flag.Set("rapid.checks", modelChecks); err != nil {
			t.Fatal(err)
		}
		defer flag.Set("rapid.checks", checks.DefValue)
	}
	seen := queuetest.Model(t, func(t *testing.T) queuetest.Machine {
		return &machine{path: filepath.Join(t.TempDir(), "queue.db")}
	})
	seen.Check(t, states)
}
