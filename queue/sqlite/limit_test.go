package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

func limitedRules(l sms.Limits) *sms.Rules {
	return &sms.Rules{SIMs: []string{"a"}, PerSIM: map[string]sms.SIM{"a": {Limits: l}}}
}

// send has SIM a hand over as many messages of one part as it may, up to n, and
// returns how many and why no more.
func send(t *testing.T, s *Store, n int) (sent int, wait *queue.Wait) {
	t.Helper()
	if err := s.Add(t.Context(), batch(n)); err != nil {
		t.Fatal(err)
	}
	for range n {
		c, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"})
		if wait, ok := errors.AsType[*queue.Wait](err); ok {
			return sent, wait
		}
		if err == nil {
			err = s.Settle(t.Context(), c, sms.Outcome{Kind: sms.Accepted})
		}
		if err != nil {
			t.Fatal(err)
		}
		sent++
	}
	return sent, nil
}

// TestUsageStays: the next process knows what was sent, and so does who reads beside it.
func TestUsageStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	rules := limitedRules(sms.Limits{PerMonth: 5, QuotaDay: time.Now().UTC().Day()})
	for i, want := range []int{3, 2, 0} {
		s := openAt(t, path, rules)
		if i == 0 {
			addShop(t, s)
		}
		if n, _ := send(t, s, 3); n != want {
			t.Fatalf("process %d sent %d, want %d", i+1, n, want)
		}
		used, err := s.Usage(t.Context())
		if err != nil || used["a"].Month[0].Parts != min(3*(i+1), 5) {
			t.Fatalf("%v: %+v", err, used)
		}
	}
}

// TestUsageUndone: what is rolled back was not sent.
func TestUsageUndone(t *testing.T) { synctest.Test(t, checkUsageUndone) }

func checkUsageUndone(t *testing.T) {
	s := openTest(t, limitedRules(sms.Limits{PerDay: 1}))
	addShop(t, s)
	if err := s.Add(t.Context(), batch(2)); err != nil {
		t.Fatal(err)
	}
	fault := errors.New("no")
	err := s.write(t.Context(), func(t *tx) error {
		p, _, err := t.mostUrgent(queue.By{SIM: "a"})
		if err != nil {
			return err
		}
		r, err := t.load(p.seq)
		if err != nil {
			return err
		}
		if _, err := t.begin(r, 0, queue.By{SIM: "a", Modem: "m"}); err != nil {
			return err
		}
		return fault
	})
	if !errors.Is(err, fault) {
		t.Fatal(err)
	}
	if n, _ := send(t, s, 2); n != 1 {
		t.Errorf("sent %d, want 1", n)
	}
}

// TestNoLimitsNoUsage: a SIM without limits costs no row.
func TestNoLimitsNoUsage(t *testing.T) {
	s := openTest(t, &sms.Rules{PerSIM: map[string]sms.SIM{"a": {Deny: []string{"49"}}}})
	addShop(t, s)
	send(t, s, 3)
	if used, err := s.Usage(t.Context()); err != nil || len(used) > 0 {
		t.Errorf("%v: %+v", err, used)
	}
}

// TestUsageWhenClockSet: the last hour is that of the world, the day that of the
// clock on the wall.
func TestUsageWhenClockSet(t *testing.T) {
	for _, step := range []time.Duration{-25 * time.Hour, -59 * time.Second, 40 * time.Minute, 25 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := openTest(t, limitedRules(sms.Limits{PerHour: 2}))
			addShop(t, s)
			if n, _ := send(t, s, 3); n != 2 {
				t.Fatalf("sent %d", n)
			}
			err := s.write(t.Context(), func(t *tx) error {
				if err := t.shift(step); err != nil {
					return err
				}
				l, u := t.rules.Limits("a"), t.usage["a"]
				now := t.now.Add(step)
				at, _ := l.Next(u, now)
				if wait := at.Sub(now); wait < time.Hour || wait > time.Hour+10*time.Minute {
					return errors.New(wait.String())
				}
				return nil
			})
			if err != nil {
				t.Errorf("set by %v: %v", step, err)
			}
		})
	}
}

// TestQuotaIsTold: once when it is near, and once when it is used.
func TestQuotaIsTold(t *testing.T) { synctest.Test(t, checkQuotaIsTold) }

func checkQuotaIsTold(t *testing.T) {
	var log bytes.Buffer
	s := openTest(t, limitedRules(sms.Limits{PerDay: 10}))
	s.tx.log = slog.New(slog.NewTextHandler(&log, nil))
	addShop(t, s)
	send(t, s, 12)
	for code, want := range map[string]int{"quota-near": 1, "quota-used": 1} {
		if n := strings.Count(log.String(), code); n != want {
			t.Errorf("%s was told %d times:\n%s", code, n, log.String())
		}
	}
}

// TestRerouteBack: what waited in vain goes when its SIM may send again.
func TestRerouteBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	b := batch(1)
	b.Messages[0].OnlySIM, b.Messages[0].Lane = "a", "sim:a"
	for i, c := range []struct {
		deny  []string
		lane  sms.Lane
		moved int
	}{{nil, "sim:a", 0}, {[]string{""}, "sim:a!a", 0}, {[]string{""}, "sim:a!a", 0}, {nil, "sim:a", 1}} {
		s := openAt(t, path, &sms.Rules{SIMs: []string{"a", "b"}, PerSIM: map[string]sms.SIM{"a": {Deny: c.deny}}})
		if i == 0 {
			addShop(t, s)
			if err := s.Add(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		n, err := s.Reroute(t.Context())
		if err != nil || n != c.moved {
			t.Fatalf("start %d: %d moved, %v", i+1, n, err)
		}
		m, timeline, err := s.Show(t.Context(), b.Messages[0].ID)
		if err != nil || m.Lane != c.lane {
			t.Fatalf("start %d: lane %s, %v: %v", i+1, m.Lane, err, timeline)
		}
	}
}

// TestRerouteCutShort: the routes change, and change back before what waits has got its
// lanes by them.
func TestRerouteCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	rules := func(tiers ...[]string) *sms.Rules { return &sms.Rules{Routes: []sms.Route{{Tiers: tiers}}} }
	b := batch(3)
	for i := range b.Messages {
		b.Messages[i].Lane = []sms.Lane{"/0", "/1", "/1"}[i]
		b.Messages[i].Escalate = 2
	}
	s := openAt(t, path, rules([]string{"a"}, []string{"b"}))
	addShop(t, s)
	if err := s.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reroute(t.Context()); err != nil {
		t.Fatal(err)
	}

	s = openAt(t, path, &sms.Rules{Routes: []sms.Route{{Prefix: "44", Tiers: [][]string{{"a"}}}}})
	if err := s.write(t.Context(), func(tx *tx) error { // the process ends in the middle of Reroute
		same, err := tx.sameRouting()
		if err != nil || same {
			return fmt.Errorf("the routes are the same: %v, %w", same, err)
		}
		lanes, err := tx.waitingLanes()
		if err != nil || len(lanes) != 2 {
			return fmt.Errorf("lanes %v, %w", lanes, err)
		}
		_, err = tx.readmitSome(lanes[0], -1)
		return err
	}); err != nil {
		t.Fatal(err)
	}

	s = openAt(t, path, rules([]string{"a"}, []string{"b"}))
	if n, err := s.Reroute(t.Context()); n != 1 || err != nil {
		t.Errorf("%d moved, %v", n, err)
	}
	for range b.Messages {
		if _, err := s.Claim(t.Context(), queue.By{SIM: "b", Modem: "m"}); err != nil {
			if _, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"}); err != nil {
				t.Error(err)
			}
		}
	}
}
