package queuetest

import (
	"fmt"
	"slices"
	"time"

	"cellpost/sms"
)

// lane is a set of SIMs by the tiers of a route, as docs/decisions/0002-lanes.md
// has it.
type lane struct {
	only   string // one SIM alone; else
	prefix string
	tier   int
	any    bool // there are no routes
	barred string
}

func (l lane) name() sms.Lane {
	switch {
	case l.only != "":
		return sms.SIMLane(l.only)
	case l.any:
		return sms.Lane("any" + l.barred)
	}
	return sms.Lane(fmt.Sprintf("%s/%d%s", l.prefix, l.tier, l.barred))
}

// country is a set of rules as the model knows them.
type country struct {
	name   string
	routes []sms.Route
	sims   []string
	deny   map[string]string // by SIM: the prefix that it may not send to
}

func (c *country) rules() *sms.Rules {
	r := &sms.Rules{Routes: c.routes, SIMs: c.sims, UnknownWait: unknownWait, EscalateAfter: escalateAfter, PartsWait: partsWait, Lease: lease}
	for sim, prefix := range c.deny {
		if r.PerSIM == nil {
			r.PerSIM = map[string]sms.SIM{}
		}
		r.PerSIM[sim] = sms.SIM{Deny: []string{prefix}}
	}
	return r
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func begins(number sms.Number, prefix string) bool {
	return len(number) >= len(prefix) && string(number[:len(prefix)]) == prefix
}

func (c *country) may(sim string, to sms.Number) bool {
	prefix, ok := c.deny[sim]
	return !ok || !begins(to, prefix)
}

// path are the lanes of a number, each wider than the one before.
func (c *country) path(to sms.Number) []lane {
	if len(c.routes) == 0 {
		l := lane{any: true}
		for _, sim := range c.sims {
			if !c.may(sim, to) {
				l.barred += "!" + sim
			}
		}
		return []lane{l}
	}
	best := -1
	for i, r := range c.routes {
		if begins(to, r.Prefix) && (best < 0 || len(r.Prefix) > len(c.routes[best].Prefix)) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	var path []lane
	last := 0
	for tier := range c.routes[best].Tiers {
		l := lane{prefix: c.routes[best].Prefix, tier: tier}
		n := 0
		for _, sim := range c.members(l) {
			if c.may(sim, to) {
				n++
			} else {
				l.barred += "!" + sim
			}
		}
		if n > last {
			path, last = append(path, l), n
		}
	}
	return path
}

// members are the SIMs of a lane, those that it bars too, sorted.
func (c *country) members(l lane) []string {
	switch {
	case l.only != "":
		return []string{l.only}
	case l.any:
		if len(c.routes) > 0 {
			return nil
		}
		return c.sims
	}
	var all []string
	for _, r := range c.routes {
		if r.Prefix == l.prefix && l.tier < len(r.Tiers) {
			all = slices.Concat(r.Tiers[:l.tier+1]...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// works reports whether a SIM may take what is in a lane.
func (c *country) works(l lane, sim string) bool {
	return slices.Contains(c.members(l), sim) && !slices.Contains(barredOf(l), sim)
}

func barredOf(l lane) []string {
	var list []string
	for _, c := range l.barred {
		if c != '!' {
			list = append(list, string(c))
		}
	}
	return list
}

// others reports whether a lane has another SIM than one.
func (c *country) others(l lane, sim string) bool {
	return slices.ContainsFunc(c.members(l), func(o string) bool { return o != sim && c.works(l, o) })
}

// serves reports whether there is such a lane. No country of the model bars by
// number where the rules change.
func (c *country) serves(l lane) bool {
	return l.only != "" || len(c.members(l)) > 0
}
