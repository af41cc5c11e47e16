package smart

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Forms of a date and time. RFC 5545, 3.3.4 and 3.3.5; vCalendar 1.0, 2.2.
const (
	dateForm  = "20060102"
	localForm = "20060102T150405"
	utcForm   = localForm + "Z"
)

// stamp is a date or a date and time of a calendar.
type stamp struct {
	wall time.Time // what a clock shows there, in UTC whatever the zone
	zone *zone     // nil: local time of whoever looks, unless utc
	utc  bool
	date bool // no time; it is midnight in wall
}

// parseStamp reads the value of a property. The zone is that of its TZID.
func parseStamp(value string, zone *zone) (stamp, error) {
	basic := strings.TrimSpace(value)
	if strings.Contains(basic, "-") { // ISO 8601, extended, which vCalendar 1.0 allows
		basic = strings.NewReplacer("-", "", ":", "").Replace(basic)
	}
	s := stamp{zone: zone}
	var err error
	switch len(basic) {
	case len(dateForm):
		s.date, s.zone = true, nil
		s.wall, err = time.Parse(dateForm, basic)
	case len(localForm):
		s.wall, err = time.Parse(localForm, basic)
	case len(utcForm):
		s.utc, s.zone = true, nil
		s.wall, err = time.Parse(utcForm, basic)
	default:
		err = errors.New("length")
	}
	if err != nil {
		return stamp{}, fmt.Errorf("%q is no date and time, like 20260314T150000Z", clip(value))
	}
	return s, nil
}

// universal returns s in UTC if it has a zone; else s.
func (s stamp) universal() stamp {
	if s.zone == nil {
		return s
	}
	return stamp{wall: s.wall.Add(-s.zone.offset(s.wall)), utc: true}
}

// text returns s as vCalendar 1.0 has it, with a time: that of a zone in UTC, a
// date as its midnight.
func (s stamp) text() string {
	s = s.universal()
	if s.utc {
		return s.wall.Format(utcForm)
	}
	return s.wall.Format(localForm)
}

// endOfDay returns the last minute of the day that s is in. Handsets have no
// dates without a time: those of Sony Ericsson send the whole day as one that
// ends at 23:59.
func (s stamp) endOfDay() stamp {
	y, m, d := s.wall.Date()
	s.wall = time.Date(y, m, d, 23, 59, 0, 0, time.UTC)
	s.date = false
	return s
}

// add returns the time d after s: its days by the calendar of the zone, the
// rest by the clock. RFC 5545, 3.3.6.
func (s stamp) add(d span) (stamp, error) {
	s.wall = s.wall.AddDate(0, 0, d.days)
	if d.clock != 0 {
		s = s.universal()
		s.wall = s.wall.Add(d.clock)
		s.date = false
	}
	return s, s.check()
}

// check reports whether s is in a year that has four digits in every zone.
func (s stamp) check() error {
	if y := s.wall.Year(); y < 2 || y > 9998 {
		return fmt.Errorf("a time in the year %d; it has to be between 2 and 9998", y)
	}
	return nil
}

// span is a duration: days, which may have 23 or 25 hours, and time.
type span struct {
	days  int
	clock time.Duration
}

// spanForm is that of a duration. RFC 5545, 3.3.6. Its numbers have five digits
// at most, 270 years in days, which nothing overflows.
var spanForm = regexp.MustCompile(`^([+-]?)P(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,5})M)?(?:(\d{1,5})S)?)?$`)

func parseSpan(value string) (span, error) {
	m := spanForm.FindStringSubmatch(strings.ToUpper(strings.TrimSpace(value)))
	if m == nil {
		return span{}, fmt.Errorf("%q is no duration, like PT15M", clip(value))
	}
	var n [5]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+2]) // absent: 0
		if m[1] == "-" {
			n[i] = -n[i]
		}
	}
	clock := time.Duration(n[2])*time.Hour + time.Duration(n[3])*time.Minute + time.Duration(n[4])*time.Second
	return span{days: 7*n[0] + n[1], clock: clock}, nil
}

// maxObservances is how many rules a time zone can have. Those of cities with
// an eventful history have some twenty.
const maxObservances = 64

// zone is a VTIMEZONE. RFC 5545, 3.6.5. No other source of zones is asked: the
// machine may have none, and its rules may not be those of the sender.
type zone struct{ observances []observance }

// observance is a STANDARD or DAYLIGHT of a zone.
type observance struct {
	start    time.Time // the first onset, on a clock that shows the offset from
	rule     *rule     // nil: once, and on dates
	dates    []time.Time
	from, to time.Duration // offsets, east of Greenwich
	standard bool
}

func parseZone(c component) (*zone, error) {
	if len(c.children) == 0 || len(c.children) > maxObservances {
		return nil, fmt.Errorf("a time zone with %d rules; it has to have 1 to %d", len(c.children), maxObservances)
	}
	z := new(zone)
	for _, child := range c.children {
		o, err := parseObservance(child)
		if err != nil {
			return nil, err
		}
		z.observances = append(z.observances, o)
	}
	return z, nil
}

func parseObservance(c component) (o observance, err error) {
	o.standard = c.begin.name == "STANDARD"
	var started, offset bool
	for _, p := range c.properties {
		switch p.name {
		case "DTSTART":
			o.start, err = parseWall(p.value)
			started = true
		case "TZOFFSETFROM":
			o.from, err = parseOffset(p.value)
		case "TZOFFSETTO":
			o.to, err = parseOffset(p.value)
			offset = true
		case "RRULE":
			o.rule, err = parseRule(p.value)
		case "RDATE":
			err = o.parseDates(p.value)
		}
		if err != nil {
			return o, fmt.Errorf("line %d: %w", p.line, err)
		}
	}
	if !started || !offset {
		return o, fmt.Errorf("line %d: a rule without DTSTART or TZOFFSETTO", c.begin.line)
	}
	return o, nil
}

func parseWall(value string) (time.Time, error) {
	s, err := parseStamp(value, nil)
	return s.wall, err
}

func (o *observance) parseDates(value string) error {
	for date := range strings.SplitSeq(value, ",") {
		t, err := parseWall(date)
		if err != nil || len(o.dates) == maxObservances {
			return fmt.Errorf("RDATE %q", clip(value))
		}
		o.dates = append(o.dates, t)
	}
	return nil
}

// offsetForm is that of an offset from UTC. RFC 5545, 3.3.14.
var offsetForm = regexp.MustCompile(`^([+-])(\d\d)([0-5]\d)([0-5]\d)?$`)

func parseOffset(value string) (time.Duration, error) {
	m := offsetForm.FindStringSubmatch(strings.TrimSpace(value))
	if m == nil {
		return 0, fmt.Errorf("%q is no offset from UTC, like +0100", clip(value))
	}
	s, err := parseSpan(m[1] + "PT" + m[2] + "H" + m[3] + "M" + "0" + m[4] + "S")
	return s.clock, err
}

// offset returns how far a clock that shows wall is ahead of UTC. Times that
// come twice are the first of the two, those that never come count as before
// the change. RFC 5545, 3.3.5. Before all rules it is standard time.
func (z *zone) offset(wall time.Time) time.Duration {
	var last time.Time
	var now *observance
	for i := range z.observances {
		o := &z.observances[i]
		if onset, ok := o.onset(wall); ok && (now == nil || onset.After(last)) {
			last, now = onset, o
		}
	}
	switch {
	case now == nil:
		return z.first()
	case wall.Sub(last) < now.to-now.from:
		return now.from
	}
	return now.to
}

// first returns the offset of the first standard time, or of what there is.
func (z *zone) first() time.Duration {
	first := &z.observances[0]
	for i := range z.observances {
		o := &z.observances[i]
		if o.standard != first.standard && o.standard || o.standard == first.standard && o.start.Before(first.start) {
			first = o
		}
	}
	return first.to
}

// onset returns when o last came into force, up to a time.
func (o *observance) onset(wall time.Time) (last time.Time, ok bool) {
	consider := func(t time.Time) {
		if !t.After(wall) && (!ok || t.After(last)) {
			last, ok = t, true
		}
	}
	consider(o.start)
	for _, t := range o.dates {
		consider(t)
	}
	if o.rule == nil || !ok {
		return last, ok
	}
	for year := wall.Year(); year >= wall.Year()-1; year-- {
		month := o.start.Month()
		if len(o.rule.months) > 0 {
			month = time.Month(o.rule.months[0]) // one, as all zones have
		}
		clock := o.start.Sub(o.start.Truncate(24 * time.Hour))
		for day := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC); day.Month() == month; day = day.AddDate(0, 0, 1) {
			if t := day.Add(clock); !t.Before(o.start) && o.rule.on(o.start, day) && !o.rule.over(t.Add(-o.from)) {
				consider(t)
			}
		}
	}
	return last, ok
}
