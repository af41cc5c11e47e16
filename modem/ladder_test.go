package modem

import (
	"context"
	"slices"
	"testing"
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
	if l != (ladder{}) {
		t.Errorf("after an hour: %+v", l)
	}
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
