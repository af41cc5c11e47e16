package modem

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/modem/profile"
)

var noStep = func(context.Context) error { return nil }

func TestRungs(t *testing.T) {
	steps := []Step{{Name: "USB", USB: true, Do: noStep}, {Name: "power", Do: noStep, Settle: time.Second}}
	bears := profile.Profile{Radio: []string{"+CFUN=4", "+CFUN=1"}, Restart: []string{"+CFUN=1,1"}, Back: time.Minute}
	for _, tt := range []struct {
		name    string
		profile profile.Profile
		steps   []Step
		want    []string
	}{
		{"all", bears, steps, []string{"radio", "restart", "USB", "power"}},
		{"a stick that becomes a CD-ROM", profile.Profile{Radio: bears.Radio}, steps, []string{"radio", "USB", "power"}},
		{"does not come back on USB", profile.Profile{NoUSB: true}, steps, []string{"power"}},
		{"bears nothing, sits on nothing", profile.Profile{}, nil, nil},
	} {
		var got []string
		for _, r := range rungs(tt.profile, tt.steps) {
			got = append(got, r.name)
			if r.restarts != (r.name == "restart") || (r.step == nil) != (r.name == "radio" || r.name == "restart") {
				t.Errorf("%s: %+v", tt.name, r)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// climbs lets a ladder fail every wait seconds for so long, and returns the rungs
// taken and when.
func climbs(l *ladder, all []rung, answered bool, from time.Time, long time.Duration) (names []string, at []time.Duration) {
	const session = 5 * time.Second
	for now := from; now.Before(from.Add(long)); {
		take, wait := l.failed(all, answered, now)
		if take != nil {
			names, at = append(names, take.name), append(at, now.Sub(from))
			wait = take.settle
		}
		now = now.Add(session + wait)
	}
	return names, at
}

// TestLadder: from mild to hard, each rung with time to work, and then seldom;
// but the module is looked at every few seconds for ever.
func TestLadder(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	all := rungs(profile.Profile{Radio: []string{"a", "b"}, Restart: []string{"c"}, Back: 20 * time.Second},
		[]Step{{Name: "USB", USB: true, Do: noStep, Settle: 10 * time.Second}, {Name: "power", Do: noStep, Settle: 10 * time.Second}})
	for _, tt := range []struct {
		name     string
		answered bool
		round    []string
	}{
		{"answers", true, []string{"radio", "restart", "USB", "power"}},
		{"silent", false, []string{"USB", "power"}},
	} {
		var l ladder
		names, at := climbs(&l, all, tt.answered, now, time.Hour)
		rounds := len(names) / len(tt.round)
		if rounds < 4 || rounds > 8 {
			t.Errorf("%s: %d rounds in an hour: %q", tt.name, rounds, names)
		}
		for i, name := range names {
			if want := tt.round[i%len(tt.round)]; name != want {
				t.Errorf("%s: rung %d is %s, want %s", tt.name, i, name, want)
			}
			if i == 0 {
				continue
			}
			rest := at[i] - at[i-1]
			if i%len(tt.round) == 0 {
				if round := i / len(tt.round); rest < roundWaits[min(round-1, len(roundWaits)-1)] {
					t.Errorf("%s: round %d begins after %v", tt.name, round, rest)
				}
			} else if rest < rungRest {
				t.Errorf("%s: %s comes %v after the rung before", tt.name, name, rest)
			}
		}
		if at[0] > 15*time.Second {
			t.Errorf("%s: the first rung comes after %v", tt.name, at[0])
		}
	}
}

// TestLadderLooksOn: however long nothing helps, the next look is seconds away.
func TestLadderLooksOn(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var l ladder
	for range 1000 {
		take, wait := l.failed(nil, false, now)
		if take != nil || wait > 5*time.Second {
			t.Fatalf("%v, %v", take, wait)
		}
		now = now.Add(time.Minute)
	}
	if !l.parked() {
		t.Error("it is not parked")
	}
	l.served(now)
	if l.failures != 0 {
		t.Errorf("served: %+v", l)
	}
}

// TestLadderFlaps: what comes into service and fails again at once is not reset
// each time, and success ends the count.
func TestLadderFlaps(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	all := rungs(profile.Profile{Radio: []string{"a", "b"}}, nil)
	taken := 0
	var l ladder
	for range 100 {
		for range 4 {
			if take, _ := l.failed(all, true, now); take != nil {
				taken++
			}
		}
		l.served(now)
		now = now.Add(2 * time.Second)
	}
	if taken > 5 {
		t.Errorf("the radio was switched %d times in 200 s", taken)
	}
	now = now.Add(time.Hour)
	l.served(now)
	if l != (ladder{ended: now}) {
		t.Errorf("after an hour: %+v", l)
	}
}

// TestLadderBrittle: what works for less than five minutes after each reset is
// reset ever more seldom, for days; what works for longer is reset at once.
func TestLadderBrittle(t *testing.T) {
	all := rungs(profile.Profile{}, []Step{{Name: "USB", USB: true, Do: noStep, Settle: 5 * time.Second}, {Name: "power", Do: noStep, Settle: 25 * time.Second}})
	for _, tt := range []struct {
		works       time.Duration
		least, most int // resets in a day
	}{
		{5 * time.Second, 150, 250},
		{20 * time.Second, 150, 250},
		{4 * time.Minute, 120, 250},
		{time.Hour, 20, 30},
	} {
		now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		var l ladder
		var resets []string
		for end := now.AddDate(0, 0, 1); now.Before(end); {
			take, wait := l.failed(all, false, now)
			now = now.Add(wait + 3*time.Second)
			if take != nil { // and each reset helps
				resets = append(resets, take.name)
				now = now.Add(take.settle + 10*time.Second + tt.works)
				l.served(now)
			}
		}
		if len(resets) < tt.least || len(resets) > tt.most {
			t.Errorf("works %v: %d resets in a day", tt.works, len(resets))
		}
		if tt.works > lasting == slices.Contains(resets, "power") {
			t.Errorf("works %v: %q", tt.works, resets)
		}
	}
}

// TestLadderGone: what falls off the bus is reset after a while, and then ever
// more seldom; one that is moved by a hand, not at all; one that is there again
// does not wait for what was put off while it was not.
func TestLadderGone(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	worth := Doubtful
	all := func() []rung {
		of := func(w *Worth) func() Worth { return func() Worth { return *w } }
		pointless := Pointless
		return rungs(profile.Profile{Radio: []string{"a"}}, []Step{
			{Name: "re-authorise", USB: true, Do: noStep, Worth: of(&pointless)},
			{Name: "port", USB: true, Do: noStep, Settle: 25 * time.Second, Worth: of(&worth)},
			{Name: "power", Do: noStep, Settle: 25 * time.Second, Worth: of(&worth)},
		})
	}
	var l ladder
	if _, at := climbs(&l, all(), false, start, 25*time.Second); len(at) > 0 {
		t.Errorf("reset after %v already", at)
	}
	l = ladder{}
	names, at := climbs(&l, all(), false, start, 10*24*time.Hour)
	if len(at) < 20 || len(at) > 30 || slices.Contains(names, "re-authorise") || slices.Contains(names, "radio") {
		t.Fatalf("in ten days %q at %v", names, at)
	}
	for i, want := range []time.Duration{goneRest, 6 * time.Minute, 67 * time.Minute, 25 * time.Hour} {
		if late := at[2*i] - want; names[2*i] != "port" || names[2*i+1] != "power" || late < 0 || late > 10*time.Minute {
			t.Errorf("round %d: %s after %v, want %v", i, names[2*i], at[2*i], want)
		}
	}
	worth = Worthwhile
	if _, at := climbs(&l, all(), false, start.AddDate(0, 0, 10), time.Hour); len(at) < 4 || at[0] > 16*time.Minute {
		t.Errorf("plugged in again: reset after %v", at)
	}
}

// TestLadderMoment: what is on the bus for a moment after each reset is reset ever
// more seldom, too, and by all there is.
func TestLadderMoment(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	worth := Doubtful
	steps := []Step{{Name: "port", Do: noStep, Settle: 25 * time.Second}, {Name: "power", Do: noStep, Settle: 25 * time.Second}}
	for i := range steps {
		steps[i].Worth = func() Worth { return worth }
	}
	var l ladder
	taken := map[string]int{}
	for end := now.AddDate(0, 0, 1); now.Before(end); now = now.Add(5 * time.Second) {
		if take, _ := l.failed(rungs(profile.Profile{}, steps), false, now); take != nil {
			taken[take.name]++
			worth, now = Worthwhile, now.Add(take.settle)
			l.failed(rungs(profile.Profile{}, steps), false, now)
			worth = Doubtful
		}
	}
	if taken["port"] != taken["power"] || taken["port"] < 3 || taken["port"] > 10 {
		t.Errorf("in a day: %v", taken)
	}
}

// TestAbsent: the driver climbs so with a modem that is nowhere, and goes on
// looking for it.
func TestAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var steps, looks int
		began := time.Now()
		c := Config{Name: "m"}
		c.Locate = func(ctx context.Context) (Place, error) {
			looks++
			<-ctx.Done()
			return Place{}, ctx.Err()
		}
		c.Steps = []Step{{
			Name: "port", Settle: 25 * time.Second, Worth: func() Worth { return Doubtful },
			Do: func(context.Context) error {
				if steps++; steps == 1 && time.Since(began) < goneRest {
					t.Errorf("the first step after %v", time.Since(began))
				}
				return nil
			},
		}}
		m := New(c, nil, nil, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithTimeout(t.Context(), 23*time.Hour)
		defer cancel()
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
		if steps != 3 || looks < 23*3600/6 {
			t.Errorf("%d steps, and it was looked for %d times", steps, looks)
		}
		if f := m.Facts(); f.State() != Absent {
			t.Errorf("state %s", f.State())
		}
	})
}

// TestLadderClock: a clock set back does not keep the ladder from being climbed.
func TestLadderClock(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	all := rungs(profile.Profile{Radio: []string{"a", "b"}, Restart: []string{"c"}}, nil)
	var l ladder
	for range reopenings + 1 {
		l.failed(all, true, now)
	}
	if take, _ := l.failed(all, true, now.AddDate(-50, 0, 0)); take == nil || take.name != "restart" {
		t.Errorf("got %+v", take)
	}
}
