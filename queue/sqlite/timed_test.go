package sqlite

import (
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// desk is a store in a bubble, with a message for a time of the clock and one with
// a delay: both are due in two hours, and valid for an hour from then.
type desk struct {
	*testing.T
	path  string
	store *Store
	close func()

	timed, delayed sms.ID
}

const (
	deskWait  = 2 * time.Hour
	deskValid = time.Hour
	deskFunds = 10 * sms.Credit
)

func (d *desk) ok(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// open begins a process, on a machine that has been up for so long.
func (d *desk) open(boot string, up time.Duration) {
	d.Helper()
	s, err := Open(d.path, &sms.Rules{UnknownWait: time.Minute, EscalateAfter: time.Minute}, slog.New(slog.DiscardHandler))
	d.ok(err)
	d.store, d.close = s, func() { d.ok(s.Close()) }
	d.ok(s.Resume(d.Context(), boot, up))
}

func (d *desk) trust(yes bool) {
	d.Helper()
	d.ok(d.store.Trust(d.Context(), sms.Clock{Trusted: yes, Why: "the test says so", Judged: time.Now()}))
	d.clerk()
}

// clerk does what is due, as the queue's clerk would.
func (d *desk) clerk() {
	d.Helper()
	for range 10 {
		_, err := d.store.Overdue(d.Context(), []string{"a"})
		d.ok(err)
		at, ok, err := d.store.NextDue(d.Context())
		d.ok(err)
		if !ok || at.After(time.Now()) {
			return
		}
	}
	d.Fatal("the clerk never has done")
}

// wait lets time pass.
func (d *desk) wait(t time.Duration) {
	d.Helper()
	time.Sleep(t)
	d.clerk()
}

// set sets the clock. Nobody sets the clock of a bubble, so what is stored is moved
// the other way afterwards, as seen from the new time.
func (d *desk) set(step time.Duration) {
	d.Helper()
	d.store.setBy(step)
	_, err := d.store.Now(d.Context())
	d.ok(err)
	d.move(-step)
	d.clerk()
}

func (d *desk) move(by time.Duration) {
	d.Helper()
	d.ok(d.store.write(d.Context(), func(t *tx) error {
		_, err := t.exec(`UPDATE message SET at = at + ?1, due = due + ?1, review = review + ?1, expires = expires + ?1, avoid_until = avoid_until + ?1`, by.Milliseconds())
		return err
	}))
}

// off is a machine without power for so long, that starts with another time than
// has passed. The process that wakes knows no more than what it finds.
func (d *desk) off(passed, step time.Duration, boot string) {
	d.Helper()
	d.close()
	time.Sleep(passed)
	d.open("", 0) // to move what is stored
	d.move(-step)
	d.ok(d.store.write(d.Context(), func(t *tx) error {
		_, err := t.exec(`UPDATE clock SET wall = wall - ?`, step.Milliseconds())
		return err
	}))
	d.close()
	d.open(boot, time.Minute)
}

// add stores the two; ahead is by how much the time of the timed one is further off, as
// the clock shows it.
func (d *desk) add(ahead time.Duration) {
	d.Helper()
	now := time.Now()
	timed, delayed := message("any"), message("any")
	for _, m := range []*sms.Message{&timed, &delayed} {
		m.State, m.Due, m.Review, m.Price = sms.Scheduled, now.Add(deskWait), now.Add(deskWait), sms.Credit
		m.Expires = m.Due.Add(deskValid)
	}
	timed.At = now.Add(ahead + deskWait)
	timed.Expires = timed.At.Add(deskValid)
	d.timed, d.delayed = timed.ID, delayed.ID
	d.ok(d.store.Add(d.Context(), sms.Batch{Messages: []sms.Message{timed, delayed}}))
	d.clerk()
}

// addTrusted stores the two while the clock is trusted.
func (d *desk) addTrusted() {
	d.Helper()
	d.trust(true)
	d.add(0)
}

// is checks where the two stand.
func (d *desk) is(timed, delayed sms.State) {
	d.Helper()
	for id, want := range map[sms.ID]sms.State{d.timed: timed, d.delayed: delayed} {
		m, timeline, err := d.store.Show(d.Context(), id)
		d.ok(err)
		if m.State != want {
			d.Errorf("at %v, timed %v: %s (%s), want %s; %v", time.Now(), id == d.timed, m.State, m.Why, want, timeline)
		}
	}
}

// TestTimed: what is meant for a time of the clock leaves at that time of the clock,
// if it can be trusted; what has a delay leaves after it, whatever the clock shows.
func TestTimed(t *testing.T) {
	const years = 56 * 365 * 24 * time.Hour
	for _, tt := range []struct {
		name string
		run  func(*desk)
	}{
		{"set back an hour", func(d *desk) {
			d.addTrusted()
			d.set(-time.Hour)
			d.trust(true)
			d.wait(2 * time.Hour)
			d.is(sms.Scheduled, sms.Queued)
			d.wait(time.Hour)
			d.is(sms.Queued, sms.Expired)
		}},
		{"set forward an hour", func(d *desk) {
			d.addTrusted()
			d.set(time.Hour)
			d.trust(true)
			d.is(sms.Scheduled, sms.Scheduled)
			d.wait(time.Hour)
			d.is(sms.Queued, sms.Scheduled)
			d.wait(time.Hour)
			d.is(sms.Expired, sms.Queued)
		}},
		{"set forward to its time", func(d *desk) {
			d.addTrusted()
			d.set(2*time.Hour + time.Minute)
			d.trust(true)
			d.is(sms.Queued, sms.Scheduled)
		}},
		{"set forward beyond its validity", func(d *desk) {
			d.addTrusted()
			d.set(3 * time.Hour)
			d.trust(true)
			d.is(sms.Expired, sms.Scheduled)
		}},
		{"summer time: a zone changes, the clock does not; nor for a leap second", func(d *desk) {
			d.addTrusted()
			d.set(-time.Second)
			if !d.store.ClockTrusted() {
				d.Error("trust is lost")
			}
			d.wait(2*time.Hour - time.Minute)
			d.is(sms.Scheduled, sms.Scheduled)
			d.wait(2 * time.Minute)
			d.is(sms.Queued, sms.Queued)
		}},
		{"nothing is decided between the setting and the judgement", func(d *desk) {
			d.addTrusted()
			d.set(years)
			d.is(sms.Scheduled, sms.Scheduled)
			d.wait(time.Minute)
			d.is(sms.Scheduled, sms.Scheduled)
			d.set(-years)
			d.trust(true)
			d.is(sms.Scheduled, sms.Scheduled)
			d.wait(2 * time.Hour)
			d.is(sms.Queued, sms.Queued)
		}},
		{"a year mistyped, and corrected", func(d *desk) {
			d.addTrusted()
			d.set(years)
			d.trust(false)
			d.is(sms.Held, sms.Scheduled)
			d.wait(30 * time.Minute)
			d.is(sms.Held, sms.Scheduled)
			d.set(-years)
			d.trust(true)
			d.is(sms.Scheduled, sms.Scheduled)
			d.wait(90 * time.Minute)
			d.is(sms.Queued, sms.Queued)
		}},
		{"1970 at the start, and the time later", func(d *desk) {
			d.trust(false)
			d.add(years) // the time of day that its sender knows
			d.is(sms.Held, sms.Scheduled)
			d.wait(time.Hour)
			d.is(sms.Held, sms.Scheduled)
			d.set(years)
			d.trust(true)
			d.is(sms.Scheduled, sms.Scheduled)
			d.wait(time.Hour)
			d.is(sms.Queued, sms.Queued)
		}},
		{"the battery is lost over a restart", func(d *desk) {
			d.addTrusted()
			d.wait(time.Minute)
			d.off(50*time.Minute, -years, "2")
			d.is(sms.Scheduled, sms.Scheduled)
			d.trust(false)
			d.is(sms.Held, sms.Scheduled)
			d.wait(119 * time.Minute) // the time without power counts as none
			d.is(sms.Held, sms.Queued)
			d.set(years)
			d.trust(true) // ten minutes before the end of its validity
			d.is(sms.Queued, sms.Queued)
			d.wait(time.Minute)
			d.is(sms.Queued, sms.Queued)
		}},
		{"the time comes too late", func(d *desk) {
			d.trust(false)
			d.add(0)
			d.wait(3 * time.Hour)
			d.is(sms.Held, sms.Expired)
			d.trust(true)
			d.is(sms.Expired, sms.Expired)
		}},
		{"switched off over its time", func(d *desk) {
			d.addTrusted()
			d.off(150*time.Minute, 0, "2")
			d.is(sms.Scheduled, sms.Scheduled)
			d.trust(true)
			d.is(sms.Queued, sms.Queued)
			d.off(time.Hour, 0, "3")
			d.trust(true)
			d.is(sms.Expired, sms.Expired)
		}},
		{"once released, what is left of its validity is a span", func(d *desk) {
			d.addTrusted()
			d.wait(2*time.Hour + time.Minute)
			d.is(sms.Queued, sms.Queued)
			for _, step := range []time.Duration{years, -2 * years, years} {
				d.set(step)
				d.trust(step != years)
				d.is(sms.Queued, sms.Queued)
			}
			d.wait(58 * time.Minute)
			d.is(sms.Queued, sms.Queued)
			d.wait(time.Minute)
			d.is(sms.Expired, sms.Expired)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &desk{T: t, path: filepath.Join(t.TempDir(), "queue.db")}
				d.open("1", time.Minute)
				defer func() { d.close() }()
				d.ok(d.store.AddAccount(t.Context(), sms.Account{Name: shop.Name, Credits: deskFunds}))
				tt.run(d)
				d.balance()
			})
		})
	}
}

// balance checks that what has expired is paid back, and nothing else.
func (d *desk) balance() {
	d.Helper()
	a, err := d.store.Account(d.Context(), shop.Name)
	d.ok(err)
	want := deskFunds
	for _, id := range []sms.ID{d.timed, d.delayed} {
		if m, _, err := d.store.Show(d.Context(), id); err != nil {
			d.Fatal(err)
		} else if m.State != sms.Expired {
			want -= sms.Credit
		}
	}
	if a.Credits != want {
		d.Errorf("the account has %d, want %d", a.Credits, want)
	}
}

// TestTimedMany: who waits for the clock is looked at in bounded numbers, and
// keeps nothing else waiting.
func TestTimedMany(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	b := batch(3*maxOverdue + 1)
	for i := range b.Messages {
		b.Messages[i].At = time.Now().Add(-time.Second)
	}
	other := message("any")
	other.State, other.Due, other.Review = sms.Scheduled, time.Now(), time.Now()
	b.Messages = append(b.Messages, other)
	if err := s.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Trust(t.Context(), sms.Clock{Trusted: true, Judged: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for round, want := range []int{maxOverdue + 1, 2*maxOverdue + 1, 3*maxOverdue + 1, 3*maxOverdue + 2} {
		if at, ok, err := s.NextDue(t.Context()); err != nil || !ok || at.After(time.Now()) {
			t.Fatalf("round %d: next due %v, %v, %v", round+1, at, ok, err)
		}
		if _, err := s.Overdue(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		list, err := s.List(t.Context(), queue.Filter{State: sms.Queued, Limit: 4 * maxOverdue})
		if err != nil || len(list) != want {
			t.Fatalf("round %d: %d queued, %v; want %d", round+1, len(list), err, want)
		}
	}
}
