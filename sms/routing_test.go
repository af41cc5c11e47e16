package sms

import (
	"errors"
	"slices"
	"testing"
	"time"
)

const (
	unknownWait   = 30 * time.Second
	escalateAfter = time.Minute
)

var start = time.Date(2026, 3, 29, 0, 59, 30, 0, time.UTC)

// network has three tiers at home, one for a city in it, one abroad, and a short code.
var network = Rules{UnknownWait: unknownWait, EscalateAfter: escalateAfter, Routes: []Route{
	{Prefix: "44", Tiers: [][]string{{"a", "b"}, {"c"}, {"d", "a"}}, Price: 2 * Credit},
	{Prefix: "4420", Tiers: [][]string{{"b"}}, Price: 3 * Credit},
	{Prefix: "", Tiers: [][]string{{"e"}}, Price: 5 * Credit},
	{Prefix: "60999", Tiers: [][]string{{"f"}}, Price: 7 * Credit},
}}

// homeOnly has no route for most numbers, and one that names no SIM.
var homeOnly = Rules{Routes: []Route{{Prefix: "44", Tiers: [][]string{{"a"}}, Price: Credit}, {Prefix: "33", Price: Credit}}}

// anywhere lets any SIM carry any number.
var anywhere = Rules{UnknownWait: unknownWait, EscalateAfter: escalateAfter}

func TestPrice(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules *Rules
		to    Number
		want  Credits
		err   error
	}{
		{"longest prefix, listed after", &network, "442071234567", 3 * Credit, nil},
		{"shorter prefix", &network, "447700900123", 2 * Credit, nil},
		{"the rest", &network, "4915112345678", 5 * Credit, nil},
		{"short code of its own", &network, "60999", 7 * Credit, nil},
		{"short code: not by a prefix", &network, "44200", 5 * Credit, nil},
		{"longer number that begins like the short code", &network, "609991234567", 7 * Credit, nil},
		{"no routes", &anywhere, "447700900123", DefaultPrice, nil},
		{"no route", &homeOnly, "4915112345678", 0, ErrNoRoute},
		{"short code without a route", &homeOnly, "44123", 0, ErrNoRoute},
	} {
		if got, err := c.rules.Price(c.to); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: got %d, %v; want %d, %v", c.name, got, err, c.want, c.err)
		}
	}
}

func TestLanes(t *testing.T) {
	for _, c := range []struct {
		rules *Rules
		sim   string
		want  []Lane
	}{
		{&network, "a", []Lane{"sim:a", "44/0", "44/1", "44/2"}},
		{&network, "b", []Lane{"sim:b", "44/0", "44/1", "44/2", "4420/0"}},
		{&network, "c", []Lane{"sim:c", "44/1", "44/2"}},
		{&network, "d", []Lane{"sim:d", "44/2"}},
		{&network, "e", []Lane{"sim:e", "/0"}},
		{&network, "nobody", []Lane{"sim:nobody"}},
		{&anywhere, "a", []Lane{"sim:a", "any"}},
	} {
		if got := c.rules.Lanes(c.sim); !slices.Equal(got, c.want) {
			t.Errorf("%s works in %q, want %q", c.sim, got, c.want)
		}
		for _, l := range c.want {
			if _, ok := c.rules.Rank(l, c.sim); !ok || !c.rules.Serves(l) {
				t.Errorf("%s works in %s, but Rank or Serves does not know", c.sim, l)
			}
		}
	}
}

func TestRank(t *testing.T) {
	for _, c := range []struct {
		rules *Rules
		lane  Lane
		sim   string
		want  int
		ok    bool
	}{
		{&network, "44/0", "a", 0, true},
		{&network, "44/2", "a", 0, true}, // the first tier that holds it
		{&network, "44/1", "c", 1, true},
		{&network, "44/2", "c", 1, true},
		{&network, "44/2", "d", 2, true},
		{&network, "44/0", "c", 0, false},
		{&network, "44/1", "d", 0, false},
		{&network, "4420/0", "a", 0, false},
		{&network, "44/3", "a", 0, false},
		{&network, "any", "a", 0, false},
		{&network, "sim:a", "a", 0, true},
		{&network, "sim:a", "b", 0, false},
		{&anywhere, "any", "a", 0, true},
		{&anywhere, "44/0", "a", 0, false},
	} {
		if got, ok := c.rules.Rank(c.lane, c.sim); got != c.want || ok != c.ok {
			t.Errorf("%s in %s: got %d, %v; want %d, %v", c.sim, c.lane, got, ok, c.want, c.ok)
		}
	}
}

func TestServes(t *testing.T) {
	for _, c := range []struct {
		rules *Rules
		lane  Lane
		want  bool
	}{
		{&network, "44/0", true},
		{&network, "44/2", true},
		{&network, "44/3", false},
		{&network, "/0", true},
		{&network, "33/0", false},
		{&network, "any", false}, // of the days before there were routes
		{&network, "sim:x", true},
		{&anywhere, "any", true},
		{&anywhere, "44/0", false},
		{&anywhere, "sim:x", true},
	} {
		if got := c.rules.Serves(c.lane); got != c.want {
			t.Errorf("%s: got %v, want %v", c.lane, got, c.want)
		}
	}
}

func TestAdmit(t *testing.T) {
	expires := start.Add(24 * time.Hour)
	later := start.Add(time.Hour)
	for _, c := range []struct {
		name   string
		rules  *Rules
		change func(*Message)
		want   Step
	}{
		{"now", &network, func(*Message) {}, Step{State: Queued, Due: start, Lane: "44/0", Review: expires}},
		{"due in the past", &network, func(m *Message) { m.Due = start.Add(-time.Hour) },
			Step{State: Queued, Due: start, Lane: "44/0", Review: expires}},
		{"delayed", &network, func(m *Message) { m.Due = later }, Step{State: Scheduled, Due: later, Lane: "44/0", Review: later}},
		{"all tiers at once", &network, func(m *Message) { m.Escalate = 1 }, Step{State: Queued, Due: start, Lane: "44/2", Review: expires}},
		{"tier by tier", &network, func(m *Message) { m.Escalate = 2 },
			Step{State: Queued, Due: start, Lane: "44/0", Review: start.Add(escalateAfter)}},
		{"tier by tier, but there is one", &network, func(m *Message) { m.Escalate, m.To = 2, "4915112345678" },
			Step{State: Queued, Due: start, Lane: "/0", Review: expires}},
		{"delayed, tier by tier", &network, func(m *Message) { m.Due, m.Escalate = later, 2 },
			Step{State: Scheduled, Due: later, Lane: "44/0", Review: later}},
		{"the sender's SIM", &network, func(m *Message) { m.OnlySIM, m.Escalate = "e", 1 },
			Step{State: Queued, Due: start, Lane: "sim:e", Review: expires}},
		{"no routes", &anywhere, func(m *Message) { m.Escalate = 2 }, Step{State: Queued, Due: start, Lane: "any", Review: expires}},
		{"short validity", &network, func(m *Message) { m.Escalate, m.Expires = 2, start.Add(time.Second) },
			Step{State: Queued, Due: start, Lane: "44/0", Review: start.Add(time.Second)}},
	} {
		m := Message{To: "447700900123", Expires: expires}
		c.change(&m)
		got, err := c.rules.Admit(m, start)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		c.want.Why = "for " + string(c.want.Lane)
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
	for _, to := range []Number{"4915112345678", "33612345678", "4422"} {
		if s, err := homeOnly.Admit(Message{To: to}, start); !errors.Is(err, ErrNoRoute) || s != (Step{}) {
			t.Errorf("%s: got %+v, %v; want %v", to, s, err, ErrNoRoute)
		}
	}
}
