package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"cellpost/board"
	"cellpost/sms"
)

// TestClockTrust: what vouches for the clock, and what the doctor says of it.
func TestClockTrust(t *testing.T) {
	floor := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	now := floor.Add(time.Hour)
	synced, firmware := board.Clock{Synced: true}, board.Clock{Firmware: true}
	battery := func(off time.Duration) board.Clock { return board.Clock{RTC: "rtc0", RTCTime: now.Add(off)} }
	const network = "+CTZE of m0"
	for _, c := range []struct {
		name    string
		c       clockFacts
		trusted bool
		why     string
		told    string // by the doctor
	}{
		{"nothing", clockFacts{now: now, floor: floor}, false, "no NTP, no clock with a battery", "clock-unsure it shows 2026-"},
		{"always", clockFacts{now: floor.Add(-time.Hour), floor: floor, always: true}, true, "the configuration", "clock-wrong it shows 2026-"},
		{"NTP", clockFacts{now: now, floor: floor, Clock: synced}, true, "NTP", "ok 2026-"},
		{"1970 in step", clockFacts{now: time.Unix(60, 0), floor: floor, Clock: synced}, false, "before this program was made", "clock-wrong it shows 1970-"},
		{"1970 in a PC", clockFacts{now: time.Unix(60, 0), floor: floor, Clock: firmware}, false, "before this program was made", "clock-wrong it shows 1970-"},
		{"PC", clockFacts{now: now, floor: floor, Clock: firmware}, true, "while it is off", "ok 2026-"},
		{"battery", clockFacts{now: now, floor: floor, Clock: battery(-time.Minute)}, true, "rtc0, agrees", "ok 2026-"},
		{"battery run down", clockFacts{now: now, floor: floor, Clock: battery(-30 * 365 * 24 * time.Hour)}, false, "rtc0, tells a time 262800h0m0s earlier", "clock-unsure it shows 2026-"},
		{"clock set, and not the one with the battery", clockFacts{now: now, floor: floor, Clock: battery(time.Hour)}, false, "a time 1h0m0s later", "clock-unsure it shows 2026-"},
		{"battery that does not tell", clockFacts{now: now, floor: floor, Clock: board.Clock{RTC: "rtc0"}}, false, "does not tell", "clock-unsure "},
		{"the network agrees", clockFacts{now: now, floor: floor, offset: -time.Minute, source: network}, true, "the mobile network agrees (+CTZE of m0)", "ok 2026-"},
		{"the network, and not the battery", clockFacts{now: now, floor: floor, Clock: battery(time.Hour), source: network}, true, "the mobile network agrees", "ok "},
		{"the network against the battery", clockFacts{now: now, floor: floor, Clock: battery(0), offset: time.Hour, source: network}, false, "tells a time 1h0m0s later (+CTZE of m0)", "clock-wrong it shows 2026-"},
		{"the network against NTP", clockFacts{now: now, floor: floor, Clock: synced, offset: time.Hour, source: network}, true, "NTP", "clock-wrong it shows 2026-"},
		{"kept", clockFacts{now: now, floor: floor, kept: true}, true, "has not been set since", "ok 2026-"},
		{"kept, and the battery was not told", clockFacts{now: now, floor: floor, Clock: battery(time.Hour), kept: true}, true, "has not been set since", "ok "},
		{"kept, against the network", clockFacts{now: now, floor: floor, kept: true, offset: -time.Hour, source: network}, false, "1h0m0s earlier", "clock-wrong "},
		{"date of the program not known", clockFacts{now: time.Unix(0, 0), Clock: synced}, true, "NTP", "ok 19"},
	} {
		trusted, why := c.c.trust()
		if trusted != c.trusted || !strings.Contains(why, c.why) {
			t.Errorf("%s: trusted %v: %s", c.name, trusted, why)
		}
		checkDiagnosis(t, c.name, judgeClock(c.c, trusted, why), c.told)
	}
}

// TestClockKeeper: trust is kept while the clock is not set, and the log tells of it
// once.
func TestClockKeeper(t *testing.T) {
	var log strings.Builder
	var told []bool
	var facts clockFacts
	var broken error
	set := false
	k := newClockKeeper(
		func(found time.Time) clockFacts {
			facts.now = time.Now()
			facts.kept = !found.IsZero() && !set
			return facts
		},
		func(_ context.Context, c sms.Clock) error {
			if broken == nil {
				told = append(told, c.Trusted)
			}
			return broken
		},
		slog.New(slog.NewTextHandler(&log, nil)))
	look := func() {
		t.Helper()
		if err := k.look(t.Context()); !errors.Is(err, broken) {
			t.Fatal(err)
		}
		if k.clock().Judged.IsZero() {
			t.Error("nothing is known")
		}
	}
	look() // nothing vouches for it
	look()
	facts.Synced = true
	look()
	facts.Synced = false // for hours
	look()
	look()
	set = true
	look()
	set = false // it stays as it is
	look()
	facts.Synced = true
	broken = errors.New("the disk is full")
	look()
	if k.clock().Trusted {
		t.Error("what the queue does not know is no trust")
	}
	broken = nil
	look()
	if want := []bool{false, false, true, true, true, false, false, true}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	if no, yes := strings.Count(log.String(), "is not trusted"), strings.Count(log.String(), "is trusted"); no != 2 || yes != 2 {
		t.Errorf("the log tells %d and %d times:\n%s", no, yes, &log)
	}
}

func TestClockWasSet(t *testing.T) {
	now := time.Now()
	if d := wasSet(now, now.Add(time.Hour)); d != 0 {
		t.Errorf("an hour that passes is taken for %v of setting", d)
	}
}

func TestMoment(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]string{
		"2026-07-01 07:30":          "2026-07-01T05:30:00Z",
		"2026-12-01 07:30":          "2026-12-01T06:30:00Z",
		"2026-07-01T07:30:00+01:00": "2026-07-01T06:30:00Z",
		"2026-07-01T07:30:00Z":      "2026-07-01T07:30:00Z",
		"2026-03-29 01:59":          "2026-03-29T00:59:00Z",
		"2026-03-29 02:30":          "", // there is none
		"2026-03-29 03:00":          "2026-03-29T01:00:00Z",
		"2026-10-25 02:30":          "", // there are two
		"2026-10-25T02:30:00+01:00": "2026-10-25T01:30:00Z",
		"2026-10-25 03:00":          "2026-10-25T02:00:00Z",
		"2026-07-01":                "",
		"07:30":                     "",
		"2026-02-30 07:30":          "",
	} {
		got, err := moment(s, zone)
		if (err != nil) != (want == "") || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v; want %s", s, got, err, want)
		}
	}
}
