package smart

import (
	"errors"
	"fmt"
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

// calendarTime is a date or a date and time of a calendar.
type calendarTime struct {
	wall time.Time // what a clock shows there, in UTC whatever the zone
	zone *timeZone // nil: local time of whoever looks, unless utc
	utc  bool
	date bool // no time; it is midnight in wall
}

// maxTimeText is how long a date and time or a duration can be, with blanks
// around it: it is read again for whatever counts from it.
const maxTimeText = 64

// parseCalendarTime reads the value of a property. The zone is that of its TZID.
func parseCalendarTime(value string, zone *timeZone) (calendarTime, error) {
	basic := ""
	if len(value) <= maxTimeText {
		basic = strings.TrimSpace(value)
	}
	if strings.Contains(basic, "-") { // ISO 8601, extended, which vCalendar 1.0 allows
		basic = strings.NewReplacer("-", "", ":", "").Replace(basic)
	}
	s := calendarTime{zone: zone}
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
		return calendarTime{}, fmt.Errorf("%q is no date and time, like 20260314T150000Z", clip(value))
	}
	return s, nil
}

// universal returns s in UTC if it has a zone; else s.
func (s calendarTime) universal() calendarTime {
	if s.zone == nil {
		return s
	}
	return calendarTime{wall: s.wall.Add(-s.zone.offset(s.wall)), utc: true}
}

// text returns s as vCalendar 1.0 has it, with a time: that of a zone in UTC, a
// date as its midnight.
func (s calendarTime) text() string {
	s = s.universal()
	if s.utc {
		return s.wall.Format(utcForm)
	}
	return s.wall.Format(localForm)
}

// endOfDay returns the last minute of the day that s is in. Handsets have no
// dates without a time: those of Sony Ericsson send the whole day as one that
// ends at 23:59.
func (s calendarTime) endOfDay() calendarTime {
	y, m, d := s.wall.Date()
	s.wall = time.Date(y, m, d, 23, 59, 0, 0, time.UTC)
	s.date = false
	return s
}

// add returns the time d after s: its days by the calendar of the zone, the
// rest by the clock. RFC 5545, 3.3.6.
func (s calendarTime) add(d calendarSpan) (calendarTime, error) {
	s.wall = s.wall.AddDate(0, 0, d.days)
	if d.clock != 0 {
		s = s.universal()
		s.wall = s.wall.Add(d.clock)
		s.date = false
	}
	return s, s.check()
}

// check reports whether s is in a year that has four digits in every zone.
func (s calendarTime) check() error {
	if y := s.wall.Year(); y < 2 || y > 9998 {
		return fmt.Errorf("a time in the year %d; it has to be between 2 and 9998", y)
	}
	return nil
}

// calendarSpan is a duration: days, which may have 23 or 25 hours, and time.
type calendarSpan struct {
	days  int
	clock time.Duration
}

// parseCalendarSpan reads a duration. RFC 5545, 3.3.6.
func parseCalendarSpan(value string) (calendarSpan, error) {
	rest, sign := "", 1
	if len(value) <= maxTimeText {
		rest = strings.ToUpper(strings.TrimSpace(value))
	}
	if unsigned, negative := strings.CutPrefix(rest, "-"); negative {
		rest, sign = unsigned, -1
	} else {
		rest = strings.TrimPrefix(rest, "+")
	}
	rest, ok := strings.CutPrefix(rest, "P")
	date, clock, _ := strings.Cut(rest, "T")
	weeks, date := cutUnit(date, "W")
	days, date := cutUnit(date, "D")
	hours, clock := cutUnit(clock, "H")
	minutes, clock := cutUnit(clock, "M")
	seconds, clock := cutUnit(clock, "S")
	if !ok || date+clock != "" {
		return calendarSpan{}, fmt.Errorf("%q is no duration, like PT15M", clip(value))
	}
	ticks := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute + time.Duration(seconds)*time.Second
	return calendarSpan{days: sign * (7*weeks + days), clock: time.Duration(sign) * ticks}, nil
}

// cutUnit takes a number with its unit, as 15M, off a text; it is 0 when the text
// does not start with one. Numbers have five digits at most, 270 years in days,
// which nothing overflows.
func cutUnit(text, unit string) (n int, rest string) {
	after := strings.TrimLeft(text, digits)
	number := text[:len(text)-len(after)]
	rest, ok := strings.CutPrefix(after, unit)
	if !ok || number == "" || len(number) > 5 {
		return 0, text
	}
	n, _ = strconv.Atoi(number)
	return n, rest
}

// maxObservances is how many rules a time zone can have. Those of cities with
// an eventful history have some twenty.
const maxObservances = 64

// timeZone is a VTIMEZONE. RFC 5545, 3.6.5. No other source of zones is asked:
// the machine may have none, and its rules may not be those of the sender.
type timeZone struct{ observances []observance }

// observance is a STANDARD or DAYLIGHT of a zone.
type observance struct {
	start    time.Time   // the first onset, on a clock that shows the offset from
	rule     *recurrence // nil: once, and on dates
	dates    []time.Time
	from, to time.Duration // offsets, east of Greenwich
	standard bool
}

func parseTimeZone(c vComponent, work *ruleWork) (*timeZone, error) {
	if len(c.children) == 0 || len(c.children) > maxObservances {
		return nil, fmt.Errorf("a time zone with %d rules; it has to have 1 to %d", len(c.children), maxObservances)
	}
	z := new(timeZone)
	for _, child := range c.children {
		o, err := parseObservance(child, work)
		if err != nil {
			return nil, err
		}
		z.observances = append(z.observances, o)
	}
	return z, nil
}

func parseObservance(c vComponent, work *ruleWork) (o observance, err error) {
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
			o.rule, err = parseYearly(p.value, work)
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

// parseYearly reads a rule of a time zone, which is followed from year to year.
func parseYearly(value string, work *ruleWork) (*recurrence, error) {
	r, err := parseRecurrence(value, work)
	if err != nil {
		return nil, err
	}
	everyYear := r.freq == "YEARLY" && r.interval == 1 && r.count == 0
	oneMonth := len(r.months) == 1 || len(r.months)+len(r.monthDays)+len(r.yearDays) == 0
	if !everyYear || !oneMonth {
		return nil, errors.New("a rule that is not once a year; a time zone changes by FREQ=YEARLY, in one BYMONTH")
	}
	return r, nil
}

func parseWall(value string) (time.Time, error) {
	s, err := parseCalendarTime(value, nil)
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

// parseOffset reads an offset from UTC. RFC 5545, 3.3.14.
func parseOffset(value string) (time.Duration, error) {
	text := strings.TrimSpace(value)
	if len(text) == len("+0100") {
		text += "00"
	}
	form := hasForm(text, "+000000") || hasForm(text, "-000000")
	n := 0
	if form {
		n, _ = strconv.Atoi(text[1:])
	}
	hours, minutes, seconds := n/10000, n/100%100, n%100
	if !form || minutes > 59 || seconds > 59 {
		return 0, fmt.Errorf("%q is no offset from UTC, like +0100", clip(value))
	}
	offset := time.Duration(3600*hours+60*minutes+seconds) * time.Second
	if text[0] == '-' {
		return -offset, nil
	}
	return offset, nil
}

// offset returns how far a clock that shows wall is ahead of UTC. Times that
// come twice are the first of the two, those that never come count as before
// the change. RFC 5545, 3.3.5. Before all rules it is standard time.
func (z *timeZone) offset(wall time.Time) time.Duration {
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
func (z *timeZone) first() time.Duration {
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
	if o.rule != nil {
		consider(o.ruled(wall))
	}
	return last, ok
}

// ruled returns the last onset by the rule, up to a time; the first onset of all
// when there is none since. It goes back by the year from the time, or from the
// end of the rule if that is before: a rule that has ended still tells which
// change was the last.
func (o *observance) ruled(wall time.Time) time.Time {
	year, month := wall.Year(), o.start.Month()
	if o.rule.until != nil {
		year = min(year, o.rule.until.wall.Year()+1) // in UTC, which local time is ahead of by hours
	}
	if len(o.rule.months) > 0 {
		month = time.Month(o.rule.months[0])
	}
	clock := o.start.Sub(o.start.Truncate(24 * time.Hour))
	for ; year >= o.start.Year() && !o.rule.work.tooMuch(); year-- {
		for day := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC); day.Month() == month; day = day.Add(-24 * time.Hour) {
			t := day.Add(clock)
			if !t.After(wall) && !t.Before(o.start) && o.rule.on(o.start, day) && !o.rule.over(t.Add(-o.from)) {
				return t
			}
		}
	}
	return o.start
}
