package smart

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const vcalendarName = "VCALENDAR"

// maxEntries is how many appointments and tasks a calendar can have. As many
// take some forty short messages, if they say little.
const maxEntries = 50

// VCalendar turns appointments and tasks, one vCalendar 1.0 or iCalendar (RFC
// 5545), into the vCalendar 1.0 that handsets take. Of a vCalendar 1.0 every
// line that is kept stays as it is; line ends become CRLF.
//
// VEVENT and VTODO keep SUMMARY, DESCRIPTION, LOCATION, CATEGORIES, DTSTART,
// DTEND, DUE, COMPLETED, PRIORITY, STATUS, RRULE, DALARM and AALARM, the last
// two made of VALARM; a DURATION becomes DTEND or DUE. The remarks name
// whatever else there was, and what vCalendar 1.0 cannot say; they also come
// with the error that nothing is left to send.
//
// Times of a zone become UTC by the VTIMEZONE in the text; where that is missing
// or cannot be read they go out as the local time of the handset, with a remark.
// Local times stay local. Days without times last from 00:00 to 23:59. An entry
// that is cancelled is left out, for handsets would take it for a new one; so is
// one whose start cannot be read, and an event without a start.
func VCalendar(text []byte) (Object, []Remark, error) {
	c, version, err := readVObject(text, vcalendarName, "1.0", "2.0")
	if err != nil {
		return Object{}, nil, err
	}
	if method, ok := c.first("METHOD"); ok && strings.EqualFold(method.value, "CANCEL") {
		return Object{}, nil, errors.New("the calendar cancels what it holds, which handsets do not know; send a text instead")
	}
	cal := calendarWriter{versit: versit(version), zones: make(map[string]*timeZone), work: new(ruleWork)}
	cal.line("BEGIN:" + vcalendarName)
	cal.line("VERSION:1.0")
	for _, p := range c.properties {
		if p.name != "VERSION" {
			cal.leftOut(p, "handsets do not need it")
		}
	}
	cal.readZones(c)
	entries := 0
	for _, child := range c.children {
		if cal.component(child) {
			entries++
		}
		switch {
		case cal.work.tooMuch():
			return Object{}, nil, fmt.Errorf("line %d: the rules of the calendar take too long to follow; send its entries in several messages, or take rules out", child.begin.line)
		case entries > maxEntries:
			return Object{}, nil, fmt.Errorf("line %d: more than %d entries; send them in several messages", child.begin.line, maxEntries)
		}
	}
	if entries == 0 {
		return Object{}, cal.remarks, cal.nothingToSend()
	}
	cal.line("END:" + vcalendarName)
	return Object{Port: PortVCalendar, Data: []byte(cal.String())}, cal.remarks, nil
}

// nothingToSend is the error of a calendar whose entries are all left out; it
// says why the first one is.
func (c *calendarWriter) nothingToSend() error {
	const nothing = "the calendar holds no appointment (VEVENT) and no task (VTODO) that could be sent"
	for _, r := range c.remarks {
		if r.Name == "VEVENT" || r.Name == "VTODO" {
			return fmt.Errorf("%s; %s", nothing, r)
		}
	}
	return errors.New(nothing)
}

// calendarWriter is a vCalendar 1.0 in the making.
type calendarWriter struct {
	versitWriter
	remarks
	versit bool // the source is vCalendar 1.0
	zones  map[string]*timeZone
	work   *ruleWork // of its rules and those of its zones
}

// readZones reads every VTIMEZONE, wherever it stands. One that cannot be read
// is as good as missing.
func (c *calendarWriter) readZones(source vComponent) {
	for _, child := range source.children {
		if child.begin.name != "VTIMEZONE" {
			continue
		}
		z, err := parseTimeZone(child, c.work)
		if err != nil {
			c.leftOut(child.begin, "%v", err)
			continue
		}
		if id, ok := child.first("TZID"); ok {
			c.zones[id.value] = z
		}
	}
}

// component writes a component of the calendar; ok is false if it is no entry.
func (c *calendarWriter) component(source vComponent) (ok bool) {
	switch source.begin.name {
	case "VTIMEZONE":
		return false
	case "VEVENT", "VTODO":
	default:
		c.leftOut(source.begin, "handsets take appointments (VEVENT) and tasks (VTODO)")
		return false
	}
	if status, found := source.first("STATUS"); found && strings.EqualFold(status.value, "CANCELLED") {
		c.leftOut(source.begin, "it is cancelled, and handsets would enter it")
		return false
	}
	e := entryWriter{calendarWriter: c, source: source, seen: make(map[string]bool)}
	if err := e.checkStart(); err != nil {
		c.leftOut(source.begin, "%v", err)
		return false
	}
	e.line("BEGIN:" + source.begin.name)
	for _, p := range source.properties {
		e.property(p)
	}
	e.wholeDay()
	for _, child := range source.children {
		e.alarm(child)
	}
	e.line("END:" + source.begin.name)
	return true
}

// entryWriter is a VEVENT or VTODO in the making.
type entryWriter struct {
	*calendarWriter
	source vComponent
	seen   map[string]bool // properties that are written
}

// checkStart reports what is wrong with the start of an entry. A task can do
// without; an event cannot be entered in a calendar then.
func (e *entryWriter) checkStart() error {
	p, ok := e.source.first("DTSTART")
	if !ok {
		if e.source.begin.name == "VTODO" {
			return nil
		}
		return errors.New("it has no DTSTART; give it the time at which it starts")
	}
	_, err := e.readTime(p)
	if err == nil {
		_, err = p.text()
	}
	if err != nil {
		return fmt.Errorf("its DTSTART in line %d: %w", p.line, err)
	}
	return nil
}

// entryProperties are what an entry keeps, each once.
var entryProperties = []string{"SUMMARY", "DESCRIPTION", "LOCATION", "CATEGORIES", "DTSTART", "DTEND", "DUE",
	"COMPLETED", "PRIORITY", "STATUS", "RRULE", "DALARM", "AALARM"}

// property writes a property, or remarks why not.
func (e *entryWriter) property(p vProperty) {
	name := p.name
	if name == "DURATION" {
		name = e.end()
	}
	switch {
	case p.value == "":
		return
	case !slices.Contains(entryProperties, name):
		e.leftOut(p, "%s", whyNotShown(name))
		return
	case e.seen[name]:
		e.leftOut(p, "the entry has one before it")
		return
	}
	text, err := p.text()
	value := ""
	if err == nil {
		value, err = e.convert(p, text)
	}
	switch {
	case err != nil:
		e.leftOut(p, "%v", err)
		return
	case value == "":
		return // says nothing
	case e.versit && value == text && p.clean(nil):
		e.line(p.source)
	default:
		e.text(name, nil, value)
	}
	e.seen[name] = true
}

func whyNotShown(name string) string {
	switch name {
	case "EXDATE", "EXRULE":
		return "handsets show the occurrences that it takes out"
	case "RECURRENCE-ID":
		return "handsets show the entry besides the occurrence that it replaces"
	}
	return "handsets do not show it"
}

// end returns the name of what ends an entry.
func (e *entryWriter) end() string {
	if e.source.begin.name == "VTODO" {
		return "DUE"
	}
	return "DTEND"
}

// convert returns the value of a property, whose text it is given, for
// vCalendar 1.0; "" when it says nothing.
func (e *entryWriter) convert(p vProperty, text string) (string, error) {
	switch p.name {
	case "DTSTART", "DTEND", "DUE", "COMPLETED":
		return e.time(p)
	case "DURATION":
		return e.duration(p)
	case "PRIORITY":
		return priority(text)
	case "STATUS":
		return e.status(text)
	case "RRULE":
		return e.rule(text)
	case "DALARM", "AALARM":
		return alarmTime(text)
	}
	switch {
	case e.versit:
		return text, nil
	case p.name == "CATEGORIES":
		return categories(text), nil
	}
	return unescape(text), nil
}

// categories turns a list with commas into one with semicolons.
func categories(value string) string {
	parts := splitEscaped(value, ',')
	for i, part := range parts {
		parts[i] = strings.TrimSpace(unescape(part))
	}
	return joinVersit(parts)
}

// priority returns a priority, "" for 0, which is none.
func priority(value string) (string, error) {
	value = strings.TrimSpace(value)
	if len(value) != 1 || value < "0" || value > "9" {
		return "", fmt.Errorf("%q is no priority; it goes from 1, the highest, to 9", clip(value))
	}
	return strings.TrimPrefix(value, "0"), nil
}

// statuses are what both formats have. vCalendar 1.0, 2.4.
var statuses = []string{"NEEDS ACTION", "COMPLETED", "CONFIRMED", "TENTATIVE"}

// versitStatuses are what vCalendar 1.0 has besides.
var versitStatuses = []string{"ACCEPTED", "SENT", "DECLINED", "DELEGATED"}

func (e *entryWriter) status(value string) (string, error) {
	value = strings.ToUpper(strings.TrimSpace(value))
	if !e.versit {
		value = strings.ReplaceAll(value, "-", " ")
	}
	if slices.Contains(statuses, value) || e.versit && slices.Contains(versitStatuses, value) {
		return value, nil
	}
	return "", fmt.Errorf("handsets have no status %q", clip(value))
}

// readTime reads a time of the entry.
func (e *entryWriter) readTime(p vProperty) (calendarTime, error) {
	id := p.param("TZID")
	s, err := parseCalendarTime(p.value, e.zones[id])
	if err == nil {
		err = s.check()
	}
	if e.foreign(p, s) && slices.Contains([]string{"UTC", "GMT", "ETC/UTC"}, strings.ToUpper(id)) {
		s.utc = true
	}
	return s, err
}

// foreign reports whether a time is of a zone that the text lacks.
func (e *entryWriter) foreign(p vProperty, s calendarTime) bool {
	return p.param("TZID") != "" && s.zone == nil && !s.utc && !s.date
}

// time returns a time for vCalendar 1.0. A day without a time, when it is an
// end, is the end of that day.
func (e *entryWriter) time(p vProperty) (string, error) {
	s, err := e.readTime(p)
	switch {
	case err != nil:
		return "", err
	case e.foreign(p, s):
		e.say(p, "sent as the local time of the handset: the text lacks the VTIMEZONE of %q", clip(p.param("TZID")))
	case s.date && e.versit:
		return s.wall.Format(dateForm), nil
	case s.date && p.name == "DTEND":
		s, err = e.lastDay(s)
	case s.date && p.name == "DUE":
		s = s.endOfDay()
	}
	return s.text(), err
}

// lastDay returns the end of the day before an end, for in iCalendar that is
// the first day that the event does not have. Programs that do not know this
// say that it ends on the day on which it starts.
func (e *entryWriter) lastDay(end calendarTime) (calendarTime, error) {
	if start, err := e.start(); err == nil && !end.wall.After(start.wall) {
		return start.endOfDay(), nil
	}
	end, err := end.add(calendarSpan{days: -1})
	return end.endOfDay(), err
}

// duration returns the end that a DURATION gives.
func (e *entryWriter) duration(p vProperty) (string, error) {
	end, err := e.after(p)
	if err == nil && end.date {
		end, err = e.lastDay(end)
	}
	return end.text(), err
}

// after returns the time a duration after the start of the entry.
func (e *entryWriter) after(duration vProperty) (calendarTime, error) {
	d, err := parseCalendarSpan(duration.value)
	if err != nil {
		return calendarTime{}, err
	}
	start, err := e.start()
	if err != nil {
		return calendarTime{}, err
	}
	return start.add(d)
}

// start returns DTSTART.
func (e *entryWriter) start() (calendarTime, error) {
	p, ok := e.source.first("DTSTART")
	if !ok {
		return calendarTime{}, errors.New("the entry has no DTSTART to count from")
	}
	return e.readTime(p)
}

// wholeDay writes the end of an event that is a day and says no end.
func (e *entryWriter) wholeDay() {
	start, err := e.start()
	if err == nil && start.date && !e.versit && e.end() == "DTEND" && !e.seen["DTEND"] {
		e.line("DTEND:" + start.endOfDay().text())
	}
}

func (e *entryWriter) rule(value string) (string, error) {
	if !strings.Contains(strings.ToUpper(value), "FREQ=") {
		return parseVersitRule(value)
	}
	r, err := parseRecurrence(value, e.work)
	if err != nil {
		return "", err
	}
	start, err := e.start()
	if err != nil {
		return "", err
	}
	return r.versit(start)
}

// alarmTime checks an alarm of vCalendar 1.0, which starts with its time.
func alarmTime(value string) (string, error) {
	at, _, _ := strings.Cut(value, ";")
	_, err := parseCalendarTime(at, nil)
	return value, err
}

// alarm writes a VALARM: DALARM shows something, AALARM sounds. Handsets send
// the time alone, and so do we.
func (e *entryWriter) alarm(source vComponent) {
	action, _ := source.first("ACTION")
	name, ok := map[string]string{"DISPLAY": "DALARM", "AUDIO": "AALARM"}[strings.ToUpper(action.value)]
	if source.begin.name != "VALARM" || !ok {
		e.leftOut(source.begin, "handsets have alarms with ACTION:DISPLAY and ACTION:AUDIO")
		return
	}
	if e.seen[name] {
		e.leftOut(source.begin, "the entry has an alarm before it")
		return
	}
	at, err := e.trigger(source)
	if err != nil {
		e.leftOut(source.begin, "%v", err)
		return
	}
	e.line(name + ":" + at.text())
	e.seen[name] = true
	if repeat, ok := source.first("REPEAT"); ok {
		e.leftOut(repeat, "the alarm comes once")
	}
}

// trigger returns when an alarm goes off. RFC 5545, 3.8.6.3.
func (e *entryWriter) trigger(source vComponent) (calendarTime, error) {
	p, ok := source.first("TRIGGER")
	if !ok {
		return calendarTime{}, errors.New("it has no TRIGGER")
	}
	if strings.EqualFold(p.param("VALUE"), "DATE-TIME") {
		return e.readTime(p)
	}
	d, err := parseCalendarSpan(p.value)
	if err != nil {
		return calendarTime{}, err
	}
	base, err := e.start()
	if strings.EqualFold(p.param("RELATED"), "END") || err != nil && e.source.begin.name == "VTODO" {
		base, err = e.finish()
	}
	if err != nil {
		return calendarTime{}, err
	}
	return base.add(d)
}

// finish returns when the entry ends or is due.
func (e *entryWriter) finish() (calendarTime, error) {
	for _, name := range []string{"DTEND", "DUE"} {
		if p, ok := e.source.first(name); ok {
			return e.readTime(p)
		}
	}
	if p, ok := e.source.first("DURATION"); ok {
		return e.after(p)
	}
	return e.start()
}
