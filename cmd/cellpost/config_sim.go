package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a small system may have no zones of its own

	"cellpost/sms"
)

// simEntry is what one SIM may send. docs/routes.md.
type simEntry struct {
	Name      string       `toml:"name"`       // as in routes
	Allow     []string     `toml:"allow"`      // prefixes of numbers; none: every number
	Deny      []string     `toml:"deny"`       // the longest prefix of both decides
	PerMinute *int         `toml:"per_minute"` // parts
	PerHour   *int         `toml:"per_hour"`
	PerDay    *int         `toml:"per_day"`
	PerMonth  *int         `toml:"per_month"`
	QuotaDay  *int         `toml:"quota_day"` // on which a month begins; default 1
	Gap       duration     `toml:"gap"`       // from the start of a part to that of the next, at least
	Jitter    duration     `toml:"jitter"`    // added to gap, at random
	Hours     hours        `toml:"hours"`     // "08:00-20:00"; default: always
	Days      []simWeekday `toml:"days"`      // mon to sun; none: every day
}

// hours are written as "08:00-20:00", or "22:00-06:00" over midnight.
type hours struct{ from, until time.Duration }

var hoursForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])$`)

func (h *hours) UnmarshalText(text []byte) error {
	// A day that ends at 24:00 ends when the next begins.
	m := hoursForm.FindSubmatch([]byte(strings.Replace(string(text), "-24:00", "-00:00", 1)))
	if m == nil {
		return fmt.Errorf("%q are no hours: write 08:00-20:00, or 22:00-06:00 over midnight", text)
	}
	var clock [2]time.Duration
	for i := range clock {
		at, err := time.Parse("15:04", string(m[1+2*i])+":"+string(m[2+2*i]))
		if err != nil {
			return err
		}
		clock[i] = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	}
	if h.from, h.until = clock[0], clock[1]; h.from == h.until && h.from != 0 {
		return fmt.Errorf("hours %q begin when they end: leave them out to send all day", text)
	}
	return nil
}

// simWeekday is written as "mon".
type simWeekday time.Weekday

func (d *simWeekday) UnmarshalText(text []byte) error {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if strings.ToLower(day.String()[:3]) == string(text) {
			*d = simWeekday(day)
			return nil
		}
	}
	return fmt.Errorf("%q is no day: mon, tue, wed, thu, fri, sat or sun", text)
}

// partsMost is more than a SIM can send in a month.
const partsMost = 10_000_000

// gapMost: what is to wait for longer is better done by per_hour.
const gapMost = duration(time.Hour)

// prefixesMost is more than a person keeps in mind; each is looked at for every
// message.
const prefixesMost = 200

// lanesMost bounds what the lists of SIMs may add to the lanes that a line looks
// into for each message.
const lanesMost = 64

// discoveredName is that of a modem that was discovered, and perhaps of a further
// SIM that was seen in it.
var discoveredName = regexp.MustCompile(`^[0-9]{14,16}([@-].+)?$`)

// checkSIMs: each SIM is known, for one whose name is misspelt would send without
// limits, and nobody would notice.
func (c *config) checkSIMs(s source) error {
	if _, err := time.LoadLocation(c.TimeZone); err != nil {
		return s.at("", 0, "time_zone", "time_zone %q: write it like Europe/London, or UTC", c.TimeZone)
	}
	number := map[string]int{} // of a SIM, from 1
	for i, e := range c.SIM {
		switch {
		case e.Name == "":
			return s.at("sim", i, "name", "this SIM has no name: write that which its modem has for it (sim, or else the modem's name)")
		case number[e.Name] > 0:
			return s.at("sim", i, "name", "SIM %q has limits in [[sim]] number %d: write them all there", e.Name, number[e.Name])
		case slices.Contains(c.sims(), e.Name), c.isMakeshift(e.Name):
		case !c.Modems.Discover:
			return s.at("sim", i, "name", "no modem has a SIM named %q", e.Name)
		case !discoveredName.MatchString(e.Name):
			return s.at("sim", i, "name", "no modem has a SIM named %q: one that is discovered has the name of its IMEI", e.Name)
		}
		number[e.Name] = i + 1
		if err := e.check(s, i); err != nil {
			return err
		}
	}
	return c.checkReach(s)
}

// isMakeshift reports whether a name is of those that are made up for a SIM in the
// place of another, see [sms.NameCard].
func (c *config) isMakeshift(name string) bool {
	return slices.ContainsFunc(c.sims(), func(sim string) bool {
		digits, ok := strings.CutPrefix(name, sim+"-")
		return ok && (makeshiftDigits.MatchString(digits) || slices.ContainsFunc(c.Modem, func(m modemEntry) bool { return m.Name == digits }))
	})
}

// makeshiftDigits are the last of the SIM's number.
var makeshiftDigits = regexp.MustCompile(`^[0-9]{4,22}(-[0-9]+)?$`)

// check looks at one SIM.
func (e simEntry) check(s source, i int) error {
	for _, l := range []struct {
		key      string
		prefixes []string
	}{{"allow", e.Allow}, {"deny", e.Deny}} {
		if len(l.prefixes) > prefixesMost {
			return s.at("sim", i, l.key, "%s: up to %d prefixes; a shorter one stands for all that begin with it", l.key, prefixesMost)
		}
		for _, p := range l.prefixes {
			if strings.Trim(p, "0123456789") != "" || len(p) > 15 {
				return s.at("sim", i, l.key, "%s %q: digits only, without + or 00", l.key, p)
			}
		}
	}
	for _, p := range e.Allow {
		if slices.Contains(e.Deny, p) {
			return s.at("sim", i, "deny", "prefix %q is in allow and in deny: take it out of one", p)
		}
	}
	return e.checkLimits(s, i)
}

func (e simEntry) checkLimits(s source, i int) error {
	for _, n := range []struct {
		key   string
		value *int
		most  int
		hint  string
	}{
		{"per_minute", e.PerMinute, partsMost, "leave it out for no limit"},
		{"per_hour", e.PerHour, partsMost, "leave it out for no limit"},
		{"per_day", e.PerDay, partsMost, "leave it out for no limit"},
		{"per_month", e.PerMonth, partsMost, "leave it out for no limit"},
		{"quota_day", e.QuotaDay, 31, "the day on which a month of the contract begins"},
	} {
		if n.value != nil && (*n.value < 1 || *n.value > n.most) {
			return s.at("sim", i, n.key, "%s: 1 to %d; %s", n.key, n.most, n.hint)
		}
	}
	for _, d := range []struct {
		key   string
		value duration
	}{{"gap", e.Gap}, {"jitter", e.Jitter}} {
		switch {
		case d.value != 0 && d.value < duration(time.Millisecond): // a bare number is read as nanoseconds
			return s.at("sim", i, d.key, "%s: write it with its unit: \"2s\" or \"500ms\"", d.key)
		case d.value > gapMost:
			return s.at("sim", i, d.key, "%s: up to 1h; to send less than that, set per_hour or per_day", d.key)
		}
	}
	return nil
}

// checkReach: the lists leave someone to send in each route, and do not have a
// line look for its work in too many places.
func (c *config) checkReach(s source) error {
	if len(c.SIM) == 0 {
		return nil
	}
	rules := c.rules()
	for i, r := range c.Route {
		carried := slices.ContainsFunc(slices.Concat(r.Tiers...), func(sim string) bool {
			return slices.ContainsFunc(rules.Lanes(sim), func(l sms.Lane) bool { return strings.HasPrefix(string(l), r.Prefix+"/") })
		})
		if !carried {
			return s.at("route", i, "tiers", "none of these SIMs may send to a number of this route: correct allow and deny of their [[sim]], or take the route out")
		}
	}
	for _, sim := range append(c.sims(), c.strangers()...) {
		lanes := slices.DeleteFunc(rules.Lanes(sim), func(l sms.Lane) bool { return !strings.Contains(string(l), "!") })
		if len(lanes) > lanesMost {
			return s.at("sim", len(c.SIM)-1, "", "with this the numbers fall into %d kinds by the SIMs that may send to them, and %d are the most: give SIMs the same allow and deny, or routes of their own", len(lanes), lanesMost)
		}
	}
	return nil
}

// zone is where days begin and hours are told.
func (c config) zone() *time.Location {
	if c.TimeZone == "" {
		return time.Local
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil { // checkSIMs has loaded it
		return time.UTC
	}
	return zone
}

// perSIM are the rules for single SIMs.
func (c config) perSIM() map[string]sms.SIM {
	if len(c.SIM) == 0 {
		return nil
	}
	all := map[string]sms.SIM{}
	for _, e := range c.SIM {
		all[e.Name] = sms.SIM{Allow: e.Allow, Deny: e.Deny, Limits: e.limits(c.zone())}
	}
	return all
}

func (e simEntry) limits(zone *time.Location) sms.Limits {
	number := func(n *int) int {
		if n == nil {
			return 0
		}
		return *n
	}
	h := sms.Hours{From: e.Hours.from, Until: e.Hours.until}
	for _, d := range e.Days {
		h.Days = append(h.Days, time.Weekday(d))
	}
	return sms.Limits{
		PerMinute: number(e.PerMinute), PerHour: number(e.PerHour), PerDay: number(e.PerDay), PerMonth: number(e.PerMonth),
		QuotaDay: number(e.QuotaDay), Gap: time.Duration(e.Gap), Jitter: time.Duration(e.Jitter), Hours: h, Zone: zone,
	}
}
