package sms

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Route says which SIMs carry messages to numbers with a prefix.
type Route struct {
	Prefix string     // digits; empty: every number
	Tiers  [][]string // names of SIMs; the second tier is for messages that may escalate
	Price  Credits    // per part
}

// SIM is what the operator has set for one SIM.
type SIM struct {
	Allow  []string // prefixes of the numbers that it may send to; none: every number
	Deny   []string // prefixes of those that it may not; the longest prefix of both lists decides
	Limits Limits
}

// Lane names the set of SIMs that may take a message: "44/0" is the first tier
// of the route 44, "44/1" its first two, "44/1!a!b" those without the SIMs a and
// b, which may not send to the number; "sim:a" one SIM alone, "any" all.
type Lane string

const (
	laneAny    Lane   = "any"
	lanePinned string = "sim:"
)

// SIMLane is the lane of one SIM alone.
func SIMLane(sim string) Lane { return Lane(lanePinned + sim) }

func (r Route) lane(tier int) Lane { return Lane(r.Prefix + "/" + strconv.Itoa(tier)) }

// without is a lane less some of its SIMs. Each set has one name.
func (l Lane) without(sims []string) Lane {
	for _, sim := range slices.Sorted(slices.Values(sims)) {
		l += "!" + Lane(laneEscape.Replace(sim))
	}
	return l
}

// laneEscape keeps the name of a SIM apart from the sign before it.
var laneEscape = strings.NewReplacer("%", "%25", "!", "%21")

// lacks reports whether a lane is without a SIM that would be in it.
func (l Lane) lacks(sim string) bool {
	_, barred, _ := strings.Cut(string(l), "!")
	return barred != "" && slices.Contains(strings.Split(barred, "!"), laneEscape.Replace(sim))
}

// all is the lane with the SIMs that it is without.
func (l Lane) all() Lane {
	base, _, _ := strings.Cut(string(l), "!")
	return Lane(base)
}

// tierOf returns the first tier that holds the SIM, or -1.
func (r Route) tierOf(sim string) int {
	return slices.IndexFunc(r.Tiers, func(t []string) bool { return slices.Contains(t, sim) })
}

// upTo are the SIMs of the tiers up to one, each once.
func (r Route) upTo(tier int) []string {
	return distinct(slices.Concat(r.Tiers[:tier+1]...))
}

func distinct[S ~string](list []S) []S {
	slices.Sort(list)
	return slices.Compact(list)
}

// Errors of a number.
var (
	// ErrNoRoute is the refusal of a number that no route carries, or that none
	// of the SIMs of its route may send to.
	ErrNoRoute = errors.New("no route carries this number")
	// ErrBarred is the refusal of a number that the SIM which the sender asks for
	// may not send to. The sender is sound, it may send elsewhere, so this is an
	// [ErrNoRoute].
	ErrBarred = fmt.Errorf("the SIM of this sender may not send to this number: %w", ErrNoRoute)
)

// DefaultPrice is what a part costs where no route says otherwise.
const DefaultPrice = Credit

// covers reports whether a number is one of those with a prefix. Short codes
// belong to a network, so no country's prefix covers them: the empty prefix
// does, and the whole code.
func covers(prefix string, to Number) bool {
	if to.IsShortCode() {
		return prefix == "" || prefix == string(to)
	}
	return strings.HasPrefix(string(to), prefix)
}

// route finds the route of a number; ok is false when there is none.
func (r *Rules) route(to Number) (best Route, ok bool) {
	for _, t := range r.Routes {
		if covers(t.Prefix, to) && (!ok || len(t.Prefix) > len(best.Prefix)) {
			best, ok = t, true
		}
	}
	return best, ok
}

// longest is the length of the longest prefix of a list that covers a number, or -1.
func longest(prefixes []string, to Number) int {
	n := -1
	for _, p := range prefixes {
		if len(p) > n && covers(p, to) {
			n = len(p)
		}
	}
	return n
}

// May reports whether a SIM may send to a number. A number that no prefix of the
// SIM covers is allowed if nothing is allowed by name.
func (r *Rules) May(sim string, to Number) bool {
	s := r.PerSIM[sim]
	allow, deny := longest(s.Allow, to), longest(s.Deny, to)
	return allow > deny || deny < 0 && len(s.Allow) == 0
}

// barred are those of some SIMs that may not send to a number.
func (r *Rules) barred(sims []string, to Number) []string {
	var no []string
	for _, sim := range sims {
		if !r.May(sim, to) {
			no = append(no, sim)
		}
	}
	return no
}

// Price is what one part to a number costs. [ErrNoRoute] when nothing carries it.
func (r *Rules) Price(to Number) (Credits, error) {
	if len(r.Routes) == 0 {
		return DefaultPrice, nil
	}
	t, ok := r.route(to)
	if !ok {
		return 0, ErrNoRoute
	}
	return t.Price, nil
}

// path are the lanes of a number, from the first tier on: each has all SIMs of
// the one before. None: no SIM carries the number.
func (r *Rules) path(to Number) []Lane {
	if len(r.Routes) == 0 {
		return r.through(Route{}, to)
	}
	t, ok := r.route(to)
	if !ok {
		return nil
	}
	return r.through(t, to)
}

// through is the path of a number whose route is known. A tier that adds no SIM
// which may send to the number is left out, as if it were not written.
func (r *Rules) through(t Route, to Number) []Lane {
	if len(r.Routes) == 0 {
		if len(r.SIMs) > 0 && len(r.barred(r.SIMs, to)) == len(r.SIMs) {
			return nil
		}
		return []Lane{laneAny.without(r.barred(slices.Collect(maps.Keys(r.PerSIM)), to))}
	}
	var lanes []Lane
	may := 0 // SIMs so far
	for tier := range t.Tiers {
		sims := t.upTo(tier)
		no := r.barred(sims, to)
		if n := len(sims) - len(no); n > may {
			lanes, may = append(lanes, t.lane(tier).without(no)), n
		}
	}
	return lanes
}

// served are the lanes that messages of a route may be in, besides those of one
// SIM. They follow from the rules alone: at most two for each prefix of its
// numbers that its SIMs allow or deny, and two more, in each tier; and no more
// in a tier than there are sets of the SIMs that have such prefixes.
func (r *Rules) served(t Route) []Lane {
	var lanes []Lane
	for _, to := range r.samples(t) {
		for _, l := range r.through(t, to) {
			if !slices.Contains(lanes, l) {
				lanes = append(lanes, l)
			}
		}
	}
	return lanes
}

// samples are numbers of a route, one at least of each kind that its SIMs tell
// apart. Which prefixes cover a number depends on the longest of them alone, and
// for a short code on whether it is written out as a whole. So these are all there
// are: for each prefix a number that goes on with what no prefix has, and the
// prefix as a short code.
func (r *Rules) samples(t Route) []Number {
	const other = "x" // no digit
	long := func(prefix string) Number { return Number(prefix + strings.Repeat(other, ShortCodeMax+1)) }
	prefixes := []string{t.Prefix}
	for sim, s := range r.PerSIM {
		if len(r.Routes) == 0 || t.tierOf(sim) >= 0 {
			prefixes = slices.Concat(prefixes, s.Allow, s.Deny)
		}
	}
	if len(prefixes) == 1 {
		return []Number{long(t.Prefix)}
	}
	var numbers []Number
	for _, p := range distinct(prefixes) {
		short := Number(cmp.Or(p, other))
		for _, to := range []Number{long(p), short} {
			own, ok := r.route(to)
			if len(r.Routes) == 0 || ok && own.Prefix == t.Prefix {
				numbers = append(numbers, to)
			}
		}
	}
	return numbers
}

// routes are the routes; where there are none, the one that any number has.
func (r *Rules) routes() []Route {
	if len(r.Routes) == 0 {
		return []Route{{}}
	}
	return r.Routes
}

// Lanes are the lanes that a SIM works in.
func (r *Rules) Lanes(sim string) []Lane {
	lanes := []Lane{SIMLane(sim)}
	for _, t := range r.routes() {
		if len(r.Routes) > 0 && t.tierOf(sim) < 0 {
			continue
		}
		for _, l := range r.served(t) {
			if _, ok := r.Rank(l, sim); ok {
				lanes = append(lanes, l)
			}
		}
	}
	return lanes
}

// Rank says how well a SIM suits a lane that the rules know: 0 for the first
// tier, then 1, 2; ok is false when it does not work there.
func (r *Rules) Rank(l Lane, sim string) (rank int, ok bool) {
	if l == SIMLane(sim) {
		return 0, true
	}
	if l.lacks(sim) {
		return 0, false
	}
	l = l.all()
	if len(r.Routes) == 0 {
		return 0, l == laneAny
	}
	for _, t := range r.Routes {
		for tier := range t.Tiers {
			if first := t.tierOf(sim); t.lane(tier) == l && first >= 0 && first <= tier {
				return first, true
			}
		}
	}
	return 0, false
}

// known are the SIMs that the rules have by name.
func (r *Rules) known() []string {
	sims := slices.Concat(r.SIMs, slices.Collect(maps.Keys(r.PerSIM)))
	for _, t := range r.Routes {
		sims = slices.Concat(sims, slices.Concat(t.Tiers...))
	}
	return distinct(sims)
}

// others reports whether a lane may have other SIMs than one.
func (r *Rules) others(l Lane, sim string) bool {
	if l.all() == laneAny && len(r.SIMs) == 0 {
		return true
	}
	return slices.ContainsFunc(r.known(), func(o string) bool {
		_, ok := r.Rank(l, o)
		return ok && o != sim && l != SIMLane(o)
	})
}

// Serves reports whether the rules know the lane.
func (r *Rules) Serves(l Lane) bool {
	return strings.HasPrefix(string(l), lanePinned) || slices.ContainsFunc(r.routes(), func(t Route) bool {
		return slices.Contains(r.served(t), l)
	})
}

// Settled reports whether all messages of a lane may stay in it, whatever their
// numbers are. Of the others [Rules.Readmit] decides.
func (r *Rules) Settled(l Lane) bool {
	picky := func(sim string) bool { return len(r.PerSIM[sim].Allow)+len(r.PerSIM[sim].Deny) > 0 }
	if strings.HasPrefix(string(l), lanePinned) {
		return !strings.Contains(string(l), "!") && !slices.ContainsFunc(r.known(), picky)
	}
	return r.Serves(l) && !slices.ContainsFunc(r.known(), func(sim string) bool {
		_, works := r.Rank(l.all(), sim)
		return works && picky(sim)
	})
}

// Routing is the same for rules that give every number the same lanes.
func (r *Rules) Routing() string {
	type lists struct{ Allow, Deny []string }
	perSIM := map[string]lists{}
	for name, s := range r.PerSIM {
		perSIM[name] = lists{s.Allow, s.Deny}
	}
	// Of strings and numbers alone; maps are written in the order of their keys.
	text, _ := json.Marshal(struct {
		Routes []Route
		SIMs   []string
		PerSIM map[string]lists
	}{r.Routes, r.SIMs, perSIM})
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// Readmit is the lane of a message that waits, when the rules are others than those
// it was admitted by: its tier, if its route still has that, less the SIMs that may
// not send to the number. The rest of a message that has begun stays with its SIM,
// for a handset joins it from there alone. With [ErrNoRoute] or [ErrBarred] comes a
// lane in which no SIM works.
func (r *Rules) Readmit(m Message) (Lane, error) {
	if sim, ok := pinned(m); ok && m.Lane == SIMLane(sim) {
		return m.Lane, nil
	}
	first, err := r.firstLane(m)
	switch {
	case err != nil && m.OnlySIM != "":
		return SIMLane(m.OnlySIM).without([]string{m.OnlySIM}), err
	case err != nil:
		all := m.Lane.all()
		return all.without(slices.DeleteFunc(r.known(), func(sim string) bool {
			_, works := r.Rank(all, sim)
			return !works
		})), err
	case m.OnlySIM != "" || m.Escalate == 1:
		return first, nil
	}
	path := r.path(m.To)
	if i := slices.IndexFunc(path, func(p Lane) bool { return p.all() == m.Lane.all() }); i >= 0 {
		return path[i], nil
	}
	return first, nil
}

// firstLane is where a message begins: level 1 of escalation opens all tiers at
// once (the first is still preferred), the others begin in the first.
func (r *Rules) firstLane(m Message) (Lane, error) {
	if m.OnlySIM != "" {
		if !r.May(m.OnlySIM, m.To) {
			return "", ErrBarred
		}
		return SIMLane(m.OnlySIM), nil
	}
	path := r.path(m.To)
	switch {
	case len(path) == 0:
		return "", ErrNoRoute
	case m.Escalate == 1:
		return path[len(path)-1], nil
	}
	return path[0], nil
}

// escalation is where a message of level 2 goes next, and when, if its lane has
// not taken it by then; ok is false when it goes no further.
func (r *Rules) escalation(m Message, l Lane) (next Lane, at time.Time, ok bool) {
	if m.Escalate != 2 {
		return "", time.Time{}, false
	}
	path := r.path(m.To)
	// By the tier: who may send to the number may have changed since it got its lane.
	i := slices.IndexFunc(path, func(p Lane) bool { return p.all() == l.all() })
	if i < 0 || i+1 == len(path) {
		return "", time.Time{}, false
	}
	return path[i+1], m.Due.Add(time.Duration(i+1) * r.EscalateAfter), true
}
