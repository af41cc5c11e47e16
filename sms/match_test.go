package sms

import (
	"testing"
	"time"
)

func TestMatchReport(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	at := func(c Candidate, from, to time.Duration) Candidate {
		c.Started, c.Ended = noon.Add(from), noon.Add(to)
		return c
	}
	named, awaited := Candidate{Named: true}, Candidate{Named: true, Waits: true}
	unknown, open := Candidate{Waits: true}, Candidate{Waits: true, Open: true}
	sure := ServiceCentre{Sure: true}
	const s, m, h = time.Second, time.Minute, time.Hour
	for _, c := range []struct {
		name string
		list []Candidate // newest first
		sent time.Duration
		sc   ServiceCentre
		want int
	}{
		{"nothing", nil, 0, sure, -1},
		{"the only one", []Candidate{at(awaited, -5*s, 0)}, 0, sure, 0},
		{"of two with the reference, by time", []Candidate{at(awaited, 30*m, 30*m), at(awaited, 0, 0)}, 2 * s, sure, 1},
		{"even if it is reported on", []Candidate{at(awaited, 30*m, 30*m), at(named, 0, 0)}, 2 * s, sure, 1},
		{"of two at one time, that which waits", []Candidate{at(named, 0, 0), at(awaited, 0, 0)}, s, sure, 1},
		{"of two at one time, the newest", []Candidate{at(awaited, 0, 0), at(awaited, 0, 0)}, s, sure, 0},
		{"by a clock that is an hour fast", []Candidate{at(awaited, h, h), at(awaited, 0, 0)}, h, ServiceCentre{Ahead: h, Sure: true}, 1},
		{"overtakes the result", []Candidate{at(open, 0, 3*s), at(awaited, -h, -h)}, 2 * s, sure, -1},
		{"while another is under way", []Candidate{at(open, 0, 3*s), at(awaited, -h, -h)}, -h, sure, 1},
		{"of an unknown outcome", []Candidate{at(unknown, 0, m), at(awaited, -h, -h)}, 20 * s, sure, 0},
		{"of an unknown outcome, while another is under way", []Candidate{at(open, h, h+3*s), at(unknown, 0, m)}, 20 * s, sure, 1},
		{"of the first of two unknown outcomes", []Candidate{at(unknown, 2*m, 3*m), at(unknown, 0, m)}, 20 * s, sure, 1},
		{"of either of two unknown outcomes", []Candidate{at(unknown, m, 2*m), at(unknown, 0, m)}, 58 * s, sure, -1},
		{"with the reference, beside an unknown outcome", []Candidate{at(unknown, 3*s, m), at(awaited, 0, 2*s)}, 3 * s, sure, 1},
		{"no time fits, one waits", []Candidate{at(awaited, 0, 0)}, 5 * h, sure, 0},
		{"no time fits, two have the reference", []Candidate{at(awaited, h, h), at(awaited, 0, 0)}, 5 * h, sure, -1},
		{"no time fits, the outcome is unknown", []Candidate{at(unknown, 0, 0)}, 5 * h, sure, -1},
		{"no time fits, the clock is not known", []Candidate{at(awaited, h, h), at(awaited, 0, 0)}, 5 * h, ServiceCentre{}, 0},
		{"no time fits, the clock and the outcome are not known", []Candidate{at(unknown, 0, 0)}, 5 * h, ServiceCentre{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := MatchReport(c.list, noon.Add(c.sent), c.sc); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
	for _, c := range []struct {
		name string
		list []Candidate
		want int
	}{
		{"undated: the newest that waits", []Candidate{named, unknown, awaited, awaited}, 2},
		{"undated: the newest", []Candidate{unknown, named, named}, 1},
		{"undated: the only unknown outcome", []Candidate{unknown}, 0},
		{"undated: one of two", []Candidate{unknown, unknown}, -1},
		{"undated: under way", []Candidate{open}, -1},
		{"undated: under way, or unknown", []Candidate{open, unknown}, -1},
	} {
		if got := MatchReport(c.list, time.Time{}, sure); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func TestServiceCentre(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		later []time.Duration
		want  ServiceCentre
	}{
		{nil, ServiceCentre{}},
		{[]time.Duration{37 * s}, ServiceCentre{Ahead: 37 * s}},
		{[]time.Duration{37 * s, -9000 * s, 36 * s, 38 * s, 9000 * s}, ServiceCentre{Ahead: 37 * s, Sure: true}},
	} {
		if got := NewServiceCentre(c.later); got != c.want {
			t.Errorf("%v: got %+v, want %+v", c.later, got, c.want)
		}
	}
}
