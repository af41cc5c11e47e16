package sqlite

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// setBy makes it look as if the system clock had been set since the last
// transaction.
func (s *Store) setBy(d time.Duration) { s.tx.clock.off -= d }

// TestClockSet: whoever waits, waits as long as he would have, and nothing expires
// for it.
func TestClockSet(t *testing.T) {
	for _, step := range []time.Duration{-time.Hour, time.Hour, 56 * 365 * 24 * time.Hour, -56 * 365 * 24 * time.Hour, 11 * time.Second} {
		t.Run(step.String(), func(t *testing.T) {
			rules := &sms.Rules{UnknownWait: time.Minute, EscalateAfter: time.Minute}
			s := openTest(t, rules)
			addShop(t, s)
			b := batch(3)
			waiting, now := &b.Messages[1], time.Now()
			waiting.State, waiting.Due, waiting.Review = sms.Scheduled, now.Add(30*time.Minute), now.Add(30*time.Minute)
			if err := s.Add(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			c, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Settle(t.Context(), c, sms.Outcome{Kind: sms.Ambiguous}); err != nil {
				t.Fatal(err)
			}
			before := map[sms.ID]sms.Message{}
			for i := range b.Messages {
				m, _, err := s.Show(t.Context(), b.Messages[i].ID)
				if err != nil {
					t.Fatal(err)
				}
				before[m.ID] = m
			}
			s.setBy(step)
			if _, err := s.Now(t.Context()); err != nil {
				t.Fatal(err)
			}
			for id, was := range before {
				m, _, err := s.Show(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				// The system clock itself was not set here, so that all is off by step.
				for what, moved := range map[string][2]time.Time{"due": {was.Due, m.Due}, "review": {was.Review, m.Review}, "expires": {was.Expires, m.Expires}} {
					if off := moved[1].Sub(moved[0]) - step; off.Abs() > time.Millisecond {
						t.Errorf("%s: %s moved by %v", m.State, what, moved[1].Sub(moved[0]))
					}
				}
			}
			attempts, _, err := s.Show(t.Context(), c.Message.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got := attempts.Parts[0].Attempts[0].Started; got.Sub(now) < step-time.Minute || got.Sub(now) > step+time.Minute {
				t.Errorf("the attempt began at %v", got)
			}
		})
	}
}

// TestClockSetInTransaction: a transaction goes by the clock of its begin, for the times
// of what waits have not been moved yet.
func TestClockSetInTransaction(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	judgement := func() sms.Clock { return sms.Clock{Trusted: true, Judged: time.Now()} }
	for _, c := range []struct {
		set  time.Duration
		want bool
	}{{0, true}, {time.Hour, false}} {
		s.judged.Store(nil)
		var before, now time.Time
		list := []*request{
			{ctx: t.Context(), work: func(x *tx) error {
				x.wall = x.wall.Add(-c.set) // as if it had been set forward since
				before = x.wall
				return nil
			}},
			{ctx: t.Context(), work: func(x *tx) error { now = x.now; return nil }},
		}
		s.enter(served) // by the flush below
		done := make(chan error, 1)
		s.waiting = list
		for _, r := range list {
			r.done = make(chan struct{})
		}
		go func() { done <- s.Trust(t.Context(), judgement()) }()
		<-s.wake
		s.flush()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if off := now.Sub(before); off < -time.Second || off > time.Minute {
			t.Errorf("set by %v: a later request goes by a time that is off by %v", c.set, off)
		}
		if s.ClockTrusted() != c.want {
			t.Errorf("set by %v: the judgement counts: %v", c.set, s.ClockTrusted())
		}
	}
}

// TestClockSetRepeat: what a service centre may hold is not forgotten because the
// clock was set, so that it is not asked to refuse what it could take for that.
func TestClockSetRepeat(t *testing.T) {
	s := openTest(t, &sms.Rules{Resend: true})
	addShop(t, s)
	b := batch(2)
	b.Messages[1].Resend = true
	if err := s.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	line := queue.By{SIM: "a", Modem: "m", Alone: true}
	handOver := func(o sms.Outcome) queue.Claim {
		c, err := s.Claim(t.Context(), line)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Settle(t.Context(), c, o); err != nil {
			t.Fatal(err)
		}
		return c
	}
	handOver(sms.Outcome{Kind: sms.Accepted, MR: 7}) // no report is asked for
	s.setBy(30 * day)
	if _, err := s.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	// That the clock was not set here makes it look as if it had been set back.
	if _, err := s.tx.exec(`UPDATE attempt SET started = started - ?`, (30 * day).Milliseconds()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tx.exec(`UPDATE message SET due = due - ?1, expires = expires - ?1 WHERE state = 'queued'`, (30 * day).Milliseconds()); err != nil {
		t.Fatal(err)
	}
	handOver(sms.Outcome{Kind: sms.Ambiguous})
	if _, err := s.Overdue(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if again := handOver(sms.Outcome{Kind: sms.Ambiguous}); again.Repeat {
		t.Error("the service centre is asked to refuse what it may take for another message")
	}
}

// TestClockSetBetween: however the clock is set, a service centre is not asked to
// drop a second copy where it may hold another message for that number.
func TestClockSetBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, &sms.Rules{UnknownWait: time.Minute, EscalateAfter: time.Minute})
		addShop(t, s)
		b := batch(2)
		for i := range b.Messages {
			b.Messages[i].Resend, b.Messages[i].To = true, b.Messages[0].To
		}
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		ok(s.Add(t.Context(), b))
		by := queue.By{SIM: "a", Modem: "m", Alone: true}
		for _, o := range []sms.Outcome{{Kind: sms.Accepted, MR: 1}, {Kind: sms.Ambiguous}} {
			c, err := s.Claim(t.Context(), by)
			ok(err)
			ok(s.Settle(t.Context(), c, o))
		}
		const month = 30 * 24 * time.Hour
		time.Sleep(month) // to the store the clock was set
		s.setBy(month)
		_, err := s.Now(t.Context())
		ok(err)
		time.Sleep(time.Minute)
		_, err = s.Overdue(t.Context(), nil)
		ok(err)
		c, err := s.Claim(t.Context(), by)
		ok(err)
		if c.Repeat {
			t.Error("the SIM has sent another message to that number a minute ago")
		}
	})
}

// TestClockSlewed: what is slewed changes nothing until it adds up.
func TestClockSlewed(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	b := batch(1)
	if err := s.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i, want := range []time.Duration{0, 0, 12 * time.Second, 12 * time.Second} {
		s.setBy(4 * time.Second)
		if _, err := s.Now(t.Context()); err != nil {
			t.Fatal(err)
		}
		m, _, err := s.Show(t.Context(), b.Messages[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Expires.Sub(b.Messages[0].Expires).Round(time.Second); got != want {
			t.Errorf("after %d small steps: moved by %v, want %v", i+1, got, want)
		}
	}
}

func TestSetMeanwhile(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	lost := time.Unix(1000, 0)
	for _, tt := range []struct {
		name        string
		before, now time.Time
		sameBoot    bool
		passed      time.Duration
		want        time.Duration
	}{
		{"the service was restarted", now, now.Add(time.Minute), true, time.Minute, 0},
		{"it was set meanwhile", now, now.Add(time.Hour), true, time.Minute, 59 * time.Minute},
		{"it was set back meanwhile", now, now.Add(-time.Hour), true, time.Minute, -61 * time.Minute},
		{"the machine was off", now, now.Add(72 * time.Hour), false, 0, 0},
		{"it was off and has lost its clock", now, lost, false, 0, lost.Sub(now)},
		{"it has found it again", lost, now, false, 0, now.Sub(lost)},
		{"lost twice", lost, lost.Add(time.Hour), false, 0, 0},
		{"lost twice, and begins earlier", lost.Add(time.Hour), lost, false, 0, -time.Hour},
	} {
		if got := setMeanwhile(tt.before, tt.now, tt.sameBoot, tt.passed); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestResume: the next process sees that the clock was set while none ran.
func TestResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	b := batch(1)
	for i, run := range []struct {
		boot string
		up   time.Duration
		want time.Duration // by which the message has been moved so far
	}{
		{"1", time.Hour, 0}, {"1", time.Hour, 0},
		{"1", 3 * time.Hour, -2 * time.Hour}, // it was up for two hours, and the clock shows none of them
		{"2", 0, -2 * time.Hour},
	} {
		s := openAt(t, path, &sms.Rules{})
		if err := s.Resume(t.Context(), run.boot, run.up); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			addShop(t, s)
		}
		if err := s.Add(t.Context(), b); err != nil { // the first time
			t.Fatal(err)
		}
		m, _, err := s.Show(t.Context(), b.Messages[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Expires.Sub(b.Messages[0].Expires).Round(time.Second); got != run.want {
			t.Errorf("run %d: moved by %v, want %v", i+1, got, run.want)
		}
	}
}
