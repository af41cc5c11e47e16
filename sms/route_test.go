package sms

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// picky has SIMs that may not send everywhere.
var picky = Rules{
	UnknownWait: unknownWait, EscalateAfter: escalateAfter,
	Routes: []Route{
		{Prefix: "44", Tiers: [][]string{{"a", "b"}, {"c"}, {"b", "d"}}},
		{Prefix: "", Tiers: [][]string{{"a"}, {"c"}}},
	},
	PerSIM: map[string]SIM{
		"a": {Allow: []string{"44"}, Deny: []string{"4470", "449"}},
		"b": {Deny: []string{"4470", "60999"}},
		"c": {Allow: []string{"44", "4470", "60998"}, Deny: []string{"44701"}},
		"e": {Deny: []string{""}},
	},
}

func TestMay(t *testing.T) {
	for _, c := range []struct {
		sim  string
		to   Number
		want bool
	}{
		{"a", "447912345678", true},
		{"a", "4915112345678", false}, // not allowed by name
		{"a", "447012345678", false},  // the longer prefix denies
		{"a", "44999", false},         // a short code is not in the country
		{"b", "4915112345678", true},
		{"b", "60999", false},
		{"b", "60998", true},
		{"b", "44701", true}, // a short code
		{"c", "447012345678", false},
		{"c", "447022345678", true}, // the longer prefix allows
		{"c", "60998", true},
		{"c", "6099", false},
		{"e", "447912345678", false}, // it is for receiving
		{"e", "60999", false},
		{"nobody", "447012345678", true},
	} {
		if got := picky.May(c.sim, c.to); got != c.want {
			t.Errorf("%s to %s: %t", c.sim, c.to, got)
		}
	}
	both := Rules{PerSIM: map[string]SIM{"a": {Allow: []string{"44"}, Deny: []string{"44"}}}}
	if both.May("a", "447912345678") {
		t.Error("allowed and denied is allowed")
	}
}

// TestPath follows messages of level 2 through their lanes.
func TestPath(t *testing.T) {
	open := Rules{PerSIM: map[string]SIM{"a": {Deny: []string{"44"}}, "b": {Deny: []string{"4"}}}}
	known := open
	known.SIMs = []string{"a", "b"}
	marks := Rules{PerSIM: map[string]SIM{"b!a": {Deny: []string{"4"}}, "%": {Deny: []string{"4"}}}}
	for _, c := range []struct {
		name  string
		rules *Rules
		to    Number
		want  []Lane
	}{
		{"all may", &picky, "447912345678", []Lane{"44/0", "44/1", "44/2"}},
		{"one may not", &picky, "449112345678", []Lane{"44/0!a", "44/1!a", "44/2!a"}},
		{"nobody of the first tier may", &picky, "447022345678", []Lane{"44/1!a!b", "44/2!a!b"}},
		{"nobody of the first two may", &picky, "447012345678", []Lane{"44/2!a!b!c"}},
		{"nobody may", &picky, "4915112345678", nil},
		{"a short code that only one may", &picky, "60998", []Lane{"/1!a"}},
		{"a short code that nobody may", &picky, "60997", nil},
		{"no routes, other SIMs may come", &open, "447912345678", []Lane{"any!a!b"}},
		{"no routes, one may not", &open, "4915112345678", []Lane{"any!b"}},
		{"no routes, all may", &open, "15112345678", []Lane{"any"}},
		{"no routes, nobody else", &known, "447912345678", nil},
		{"names with the mark in them", &marks, "447912345678", []Lane{"any!%25!b%21a"}},
		{"a tier of SIMs that were there before", &Rules{Routes: []Route{{Tiers: [][]string{{"a"}, {"a"}, {"b", "a"}}}}}, "15112345678", []Lane{"/0", "/2"}},
	} {
		m := Message{To: c.to, Escalate: 2, Expires: start.Add(24 * time.Hour)}
		var got []Lane
		for l, err := c.rules.firstLane(m); err == nil; {
			got = append(got, l)
			next, _, ok := c.rules.escalation(m, l)
			if !ok {
				break
			}
			l = next
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestBarred(t *testing.T) {
	m := Message{To: "447012345678", OnlySIM: "a", Expires: start.Add(time.Hour)}
	if _, err := picky.Admit(m, start); !errors.Is(err, ErrBarred) || !errors.Is(err, ErrNoRoute) {
		t.Errorf("error %v", err)
	}
	m.To = "447912345678"
	if s, err := picky.Admit(m, start); err != nil || s.Lane != "sim:a" {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestStartOverElsewhere: parts that have left by a SIM of a later tier do not keep
// a message from the only SIM of the first.
func TestStartOverElsewhere(t *testing.T) {
	r := Rules{EscalateAfter: escalateAfter, Routes: []Route{{Tiers: [][]string{{"b"}, {"a"}}}}}
	m := message(Sent, Queued)
	m.Lane, m.Escalate = "sim:a", 2
	if s := r.Review(m, nil, start.Add(escalateAfter)); !s.StartOver || s.Lane != "/0" {
		t.Errorf("%+v", s)
	}
}

// TestLaneChanged: a message in a lane of other days still goes up.
func TestLaneChanged(t *testing.T) {
	m := message(Queued)
	m.To, m.Lane, m.Escalate = "449112345678", "44/0", 2
	if s := picky.Review(m, nil, start.Add(escalateAfter)); s.Lane != "44/1!a" {
		t.Errorf("%+v", s)
	}
}

// ground is random rules, with what the tests know of them in another way.
type ground struct {
	Rules
	all []string // SIMs that are in service
}

var somePrefixes = []string{"", "4", "44", "447", "4470", "44701", "49", "609", "60999"}

func drawGround(t *rapid.T) ground {
	g := ground{all: []string{"a", "b", "c", "a!b", "%21"}}
	g.EscalateAfter = escalateAfter
	list := rapid.SliceOfN(rapid.SampledFrom(somePrefixes), 0, 4)
	g.PerSIM = map[string]SIM{}
	for _, sim := range rapid.SliceOfDistinct(rapid.SampledFrom(g.all), rapid.ID).Draw(t, "restricted") {
		g.PerSIM[sim] = SIM{Allow: list.Draw(t, "allow"), Deny: list.Draw(t, "deny")}
	}
	tier := rapid.SliceOfN(rapid.SampledFrom(g.all), 1, 3)
	for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(somePrefixes), 0, 4, rapid.ID).Draw(t, "routes") {
		g.Routes = append(g.Routes, Route{Prefix: p, Tiers: rapid.SliceOfN(tier, 1, 3).Draw(t, "tiers")})
	}
	if rapid.Bool().Draw(t, "known") {
		g.SIMs = g.all
	}
	return g
}

// may is [Rules.May] by trying prefixes, from the longest on.
func (g ground) may(sim string, to Number) bool {
	s, restricted := g.PerSIM[sim]
	for n := len(to); restricted && n >= 0; n-- {
		p := string(to[:n])
		if len(to) <= ShortCodeMax && n != 0 && n != len(to) {
			continue
		}
		if slices.Contains(s.Deny, p) {
			return false
		}
		if slices.Contains(s.Allow, p) {
			return true
		}
	}
	return len(s.Allow) == 0
}

// tiers are the SIMs of a number, tier by tier, each with those before, without
// tiers that add none.
func (g ground) tiers(to Number) [][]string {
	written := [][]string{g.all}
	if len(g.Routes) > 0 {
		written = nil
		for n := len(to); n >= 0 && written == nil; n-- {
			for _, r := range g.Routes {
				if r.Prefix == string(to[:n]) && (len(to) > ShortCodeMax || n == 0 || n == len(to)) {
					written = r.Tiers
				}
			}
		}
	}
	var tiers [][]string
	var so []string
	for _, w := range written {
		before := len(so)
		for _, sim := range w {
			if g.may(sim, to) && !slices.Contains(so, sim) {
				so = append(so, sim)
			}
		}
		if len(so) > before {
			tiers = append(tiers, slices.Sorted(slices.Values(so)))
		}
	}
	return tiers
}

// claiming are the SIMs that claim from a lane. All that has to do with lanes agrees.
func (g ground) claiming(t *rapid.T, l Lane) []string {
	var sims []string
	for _, sim := range g.all {
		_, ok := g.Rank(l, sim)
		if ok != slices.Contains(g.Lanes(sim), l) {
			t.Fatalf("%s in %s: Rank says %t, Lanes %q", sim, l, ok, g.Lanes(sim))
		}
		if ok {
			sims = append(sims, sim)
		}
	}
	for _, sim := range g.all {
		others := len(g.SIMs) == 0 && len(g.Routes) == 0 || slices.ContainsFunc(sims, func(o string) bool { return o != sim })
		if got := g.others(l, sim); got != others {
			t.Fatalf("others than %s in %s: %t", sim, l, got)
		}
	}
	if !g.Serves(l) {
		t.Fatalf("%s is not served", l)
	}
	return slices.Sorted(slices.Values(sims))
}

// TestLanesOfNumber: the SIMs that claim a message are those of its tiers that may
// send to its number, whatever the rules are.
func TestLanesOfNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGround(t)
		to := Number(rapid.SampledFrom(somePrefixes).Draw(t, "begins") + rapid.StringMatching(`[0-9]{0,9}`).Draw(t, "goes on"))
		if len(to) < 3 {
			t.Skip()
		}
		want := g.tiers(to)
		m := Message{To: to, Due: start, Expires: start.Add(24 * time.Hour), Escalate: rapid.IntRange(0, 2).Draw(t, "level")}
		l, err := g.firstLane(m)
		if len(want) == 0 && (len(g.Routes) > 0 || len(g.SIMs) > 0) {
			if !errors.Is(err, ErrNoRoute) {
				t.Fatalf("%s for %s, error %v", l, to, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case len(want) == 0: // perhaps one that is not known yet
			want = [][]string{nil}
		case m.Escalate == 1:
			want = want[len(want)-1:]
		case m.Escalate == 0:
			want = want[:1]
		}
		for i, sims := range want {
			if got := g.claiming(t, l); !slices.Equal(got, sims) {
				t.Fatalf("%s to %s is for %q, want %q", l, to, got, sims)
			}
			next, at, ok := g.escalation(m, l)
			if ok != (i+1 < len(want)) || ok && !at.Equal(start.Add(time.Duration(i+1)*escalateAfter)) {
				t.Fatalf("from %s to %s at %v: %t", l, next, at, ok)
			}
			if ok {
				l = next
			}
		}
		g.startsOver(t, m, want[0])
	})
}

// startsOver: the rest of a message leaves its SIM where another may take it.
func (g ground) startsOver(t *rapid.T, m Message, first []string) {
	sim := rapid.SampledFrom(g.all).Draw(t, "left by")
	m.Parts = []Part{{N: 1, State: Sent, SIM: sim}, {N: 2, State: Queued}}
	lane, _, ok := g.startOver(m, SIMLane(sim))
	want := len(g.Routes)+len(g.SIMs) == 0 || slices.ContainsFunc(first, func(o string) bool { return o != sim })
	if ok != want {
		t.Fatalf("%s left by %s starts over in %s: %t", m.To, sim, lane, ok)
	}
	m.OnlySIM = sim
	if lane, _, ok := g.startOver(m, SIMLane(sim)); ok {
		t.Fatalf("it must be %s, and starts over in %s", sim, lane)
	}
	if _, err := g.firstLane(m); errors.Is(err, ErrBarred) == g.may(sim, m.To) {
		t.Fatalf("%s to %s: %v", sim, m.To, err)
	}
}

// TestFewLanes: there are no more than the rules have prefixes.
func TestFewLanes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGround(t)
		prefixes := map[string]bool{}
		for _, s := range g.PerSIM {
			for _, p := range slices.Concat(s.Allow, s.Deny) {
				prefixes[p] = true
			}
		}
		for _, r := range g.routes() {
			n, tiers := 0, max(1, len(r.Tiers))
			for p := range prefixes {
				if strings.HasPrefix(p, r.Prefix) {
					n++
				}
			}
			if got, most := len(g.served(r)), min(2*(n+1), 1<<len(g.PerSIM))*tiers; got > most {
				t.Fatalf("route %q has %d lanes, more than %d: %q", r.Prefix, got, most, g.served(r))
			}
		}
		for _, sim := range g.all {
			lanes := g.Lanes(sim)
			if unique := distinct(slices.Clone(lanes)); len(unique) != len(lanes) {
				t.Fatalf("%s: %q", sim, lanes)
			}
		}
	})
}

func BenchmarkLanes(b *testing.B) {
	r := Rules{PerSIM: map[string]SIM{}}
	var tier []string
	for i := range 32 {
		sim := "sim-" + string(rune('a'+i))
		tier = append(tier, sim)
		r.PerSIM[sim] = SIM{Allow: []string{"44"}, Deny: []string{"4470", "449"}}
	}
	r.Routes = []Route{{Prefix: "44", Tiers: [][]string{tier[:16], tier[16:]}}, {Prefix: "49", Tiers: [][]string{tier}}}
	for b.Loop() {
		r.Lanes("sim-a")
	}
}
