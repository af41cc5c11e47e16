package smart

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxRuleYears is how far a rule is followed to find the last of so many
// occurrences. Handsets of the time end in 2037 or 2099.
const maxRuleYears = 50

// maxRuleDays is how many days the rules of a calendar are tried on in all,
// those of its time zones among them. Fifty rules of ten years in a zone with an
// eventful history need 300,000; the rules of people need some thousands.
const maxRuleDays = 500_000

// ruleWork counts the days that the rules of a calendar were tried on.
type ruleWork struct{ days int }

func (w *ruleWork) tooMuch() bool { return w.days > maxRuleDays }

// recurrence is a recurrence rule of iCalendar that goes by days. RFC 5545,
// 3.3.10. It has its lists twice: as written, each item once, and as sets, so that
// a day costs the same however long they are.
type recurrence struct {
	freq      string
	interval  int
	count     int              // 0: no COUNT
	until     *calendarTime    // nil: no UNTIL
	days      []weekdayOfMonth // BYDAY
	monthDays []int            // BYMONTHDAY
	yearDays  []int            // BYYEARDAY
	months    []int            // BYMONTH
	position  int              // BYSETPOS, one; 0: none
	weekStart time.Weekday

	daySet, monthDaySet, yearDaySet, monthSet bitSet
	work                                      *ruleWork // of the calendar
}

// weekdayOfMonth is a weekday, n of which counts in a month: -1 is the last, 0
// every one.
type weekdayOfMonth struct {
	n   int
	day time.Weekday
}

var weekdays = []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}

var frequencies = []string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}

// errNotFollowed is about parts of a rule that neither handsets have nor time
// zones need.
var errNotFollowed = errors.New("such rules are not followed")

func parseRecurrence(value string, work *ruleWork) (*recurrence, error) {
	r := &recurrence{work: work, interval: 1, weekStart: time.Monday}
	for part := range strings.SplitSeq(strings.ToUpper(strings.TrimSpace(value)), ";") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if err := r.part(name, value); err != nil {
			return nil, fmt.Errorf("%s: %w", clip(name), err)
		}
	}
	if r.position != 0 {
		if len(r.days) != 1 || r.days[0].n != 0 || r.freq != "MONTHLY" && r.freq != "YEARLY" {
			return nil, fmt.Errorf("BYSETPOS: %w", errNotFollowed)
		}
		r.days[0].n = r.position
	}
	if r.freq == "" {
		return nil, errors.New("FREQ is missing")
	}
	r.fillSets()
	return r, nil
}

func (r *recurrence) fillSets() {
	for _, w := range r.days {
		r.daySet.add(w.index())
	}
	for _, n := range r.monthDays {
		r.monthDaySet.add(monthDayIndex(n))
	}
	for _, n := range r.yearDays {
		r.yearDaySet.add(n)
	}
	for _, n := range r.months {
		r.monthSet.add(n)
	}
}

// bitSet is a set of numbers from 0 to 383, as many as the days of a year need.
type bitSet [6]uint64

func (s *bitSet) add(n int) { s[n/64] |= 1 << (n % 64) }

func (s *bitSet) has(n int) bool { return s[n/64]&(1<<(n%64)) != 0 }

// index returns the place of a weekday, the fifth from the end to the fifth, in
// a set.
func (w weekdayOfMonth) index() int { return 7*(w.n+5) + int(w.day) }

// monthDayIndex returns the place of a day of the month, -31 to 31, in a set.
func monthDayIndex(n int) int { return n + 31 }

func (r *recurrence) part(name, value string) (err error) {
	switch name {
	case "FREQ":
		r.freq = value
		if !slices.Contains(frequencies, value) {
			return fmt.Errorf("%q is none of %s", clip(value), strings.Join(frequencies, ", "))
		}
	case "INTERVAL":
		r.interval, err = parseInt(value, 1, 999)
	case "COUNT":
		r.count, err = parseInt(value, 1, 9999)
	case "UNTIL":
		var until calendarTime
		until, err = parseCalendarTime(value, nil)
		r.until = &until
	case "BYDAY":
		r.days, err = parseList(value, parseWeekdayOfMonth)
	case "BYMONTHDAY":
		r.monthDays, err = parseList(value, func(s string) (int, error) { return parseInt(s, -31, 31) })
	case "BYYEARDAY":
		r.yearDays, err = parseList(value, func(s string) (int, error) { return parseInt(s, 1, 366) })
	case "BYMONTH":
		r.months, err = parseList(value, func(s string) (int, error) { return parseInt(s, 1, 12) })
	case "BYSETPOS":
		r.position, err = parseInt(value, -5, 5)
	case "WKST":
		var first weekdayOfMonth
		first, err = parseWeekdayOfMonth(value)
		r.weekStart = first.day
	default:
		return errNotFollowed
	}
	return err
}

// parseInt reads a number, which is not 0.
func parseInt(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high || n == 0 {
		return 0, fmt.Errorf("%q is not in %d to %d", clip(s), low, high)
	}
	return n, nil
}

// parseList reads a list, which is no longer than the days of a year. Items that
// come again are dropped.
func parseList[T comparable](value string, parse func(string) (T, error)) (list []T, err error) {
	if strings.Count(value, ",") >= 366 {
		return nil, errors.New("too long a list")
	}
	for s := range strings.SplitSeq(value, ",") {
		item, err := parse(s)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	return list, nil
}

func parseWeekdayOfMonth(s string) (weekdayOfMonth, error) {
	if len(s) < 2 {
		return weekdayOfMonth{}, fmt.Errorf("%q is no weekday", clip(s))
	}
	number, name := s[:len(s)-2], s[len(s)-2:]
	day := slices.Index(weekdays, name)
	if day < 0 {
		return weekdayOfMonth{}, fmt.Errorf("%q is no weekday", clip(s))
	}
	w := weekdayOfMonth{day: time.Weekday(day)}
	if number == "" {
		return w, nil
	}
	var err error
	w.n, err = parseInt(number, -5, 5)
	return w, err
}

// over reports whether a time in UTC is past UNTIL.
func (r *recurrence) over(t time.Time) bool {
	if r.until != nil && r.until.date {
		t = t.Truncate(24 * time.Hour)
	}
	return r.until != nil && t.After(r.until.wall)
}

// on reports whether a rule that starts at a time has an occurrence on a day,
// COUNT and UNTIL aside. It counts as work.
func (r *recurrence) on(start, day time.Time) bool {
	r.work.days++
	start = start.Truncate(24 * time.Hour)
	fits := false
	switch r.freq {
	case "DAILY":
		fits = int(day.Sub(start).Hours()/24)%r.interval == 0
	case "WEEKLY":
		fits = int(r.week(day).Sub(r.week(start)).Hours()/168)%r.interval == 0
	case "MONTHLY":
		fits = (12*(day.Year()-start.Year())+int(day.Month()-start.Month()))%r.interval == 0
	case "YEARLY":
		fits = (day.Year()-start.Year())%r.interval == 0
	}
	if len(r.months) > 0 {
		fits = fits && r.monthSet.has(int(day.Month()))
	} else if r.freq == "YEARLY" && len(r.monthDays)+len(r.yearDays) == 0 {
		fits = fits && day.Month() == start.Month()
	}
	return fits && r.onDay(start, day)
}

// onDay reports whether the parts of a rule about days allow a day.
func (r *recurrence) onDay(start, day time.Time) bool {
	if len(r.days)+len(r.monthDays)+len(r.yearDays) == 0 {
		return r.freq == "DAILY" || r.freq == "WEEKLY" && day.Weekday() == start.Weekday() ||
			r.freq != "WEEKLY" && day.Day() == start.Day()
	}
	last := time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	date, weekday := day.Day(), day.Weekday()
	return (len(r.monthDays) == 0 || r.monthDaySet.has(monthDayIndex(date)) || r.monthDaySet.has(monthDayIndex(date-last-1))) &&
		(len(r.yearDays) == 0 || r.yearDaySet.has(day.YearDay())) &&
		(len(r.days) == 0 || r.daySet.has(weekdayOfMonth{0, weekday}.index()) ||
			r.daySet.has(weekdayOfMonth{(date-1)/7 + 1, weekday}.index()) ||
			r.daySet.has(weekdayOfMonth{-(last-date)/7 - 1, weekday}.index()))
}

// week returns the first day of the week that a day is in.
func (r *recurrence) week(day time.Time) time.Time {
	return day.AddDate(0, 0, -(int(day.Weekday())-int(r.weekStart)+7)%7)
}

// versit returns the rule in the grammar of vCalendar 1.0, 2.4.1 (RRULE), for an
// entry that starts at a time.
func (r *recurrence) versit(start calendarTime) (string, error) {
	pattern, listed, err := r.pattern(start.wall)
	if err != nil {
		return "", err
	}
	if listed && start.universal().wall.Day() != start.wall.Day() {
		if !r.asStart(start.wall) {
			return "", errors.New("its days are those of another time zone, and in UTC they are others")
		}
		pattern, _, _ = strings.Cut(pattern, " ")
	}
	end, err := r.end(start)
	return pattern + " " + end, err
}

// asStart reports whether the lists of a rule only repeat the day or weekday
// and the month that it starts with, and so can be left out.
func (r *recurrence) asStart(start time.Time) bool {
	return max(len(r.days), len(r.monthDays), len(r.months)) <= 1 && len(r.yearDays) == 0 &&
		(len(r.days) == 0 || r.every()) && (len(r.monthDays) == 0 || r.monthDays[0] > 0) &&
		r.on(start, start.Truncate(24*time.Hour))
}

var errNoRule = errors.New("handsets have no such rule")

// pattern returns the rule without its end. Its days and months are listed
// when the rule lists them; else the start says them.
func (r *recurrence) pattern(start time.Time) (pattern string, listed bool, err error) {
	var words []string
	switch {
	case r.freq == "DAILY" && r.only(0):
		words = []string{"D"}
	case (r.freq == "WEEKLY" || r.freq == "DAILY" && r.interval == 1) && r.only(len(r.days)) && r.every():
		words = []string{"W"}
		for _, w := range r.days {
			words = append(words, weekdays[w.day])
		}
	case r.freq == "MONTHLY" && r.only(len(r.monthDays)):
		words = append([]string{"MD"}, ordinals(r.monthDays, "")...)
	case r.freq == "MONTHLY" && r.only(len(r.days)) && !r.every():
		words = append([]string{"MP"}, positions(r.days)...)
	case r.freq == "YEARLY" && r.only(len(r.yearDays)) && len(r.yearDays) > 0:
		words = append([]string{"YD"}, ordinals(r.yearDays, "")...)
	case r.freq == "YEARLY" && r.only(len(r.months)+len(r.monthDays)) && r.sameDay(start):
		words = append([]string{"YM"}, ordinals(r.months, "")...)
	case r.freq == "YEARLY" && r.only(1+len(r.days)) && r.sameMonth(start) && !r.every():
		months := *r // the third Monday of every twelfth month
		months.freq, months.interval, months.months = "MONTHLY", 12*r.interval, nil
		return months.pattern(start)
	default:
		return "", false, errNoRule
	}
	words[0] += strconv.Itoa(r.interval)
	return strings.Join(words, " "), len(words) > 1, nil
}

// only reports whether the lists of the rule have n items in all.
func (r *recurrence) only(n int) bool {
	return len(r.days)+len(r.monthDays)+len(r.yearDays)+len(r.months) == n
}

// every reports whether a weekday without a number is among the days, or no day.
func (r *recurrence) every() bool {
	return len(r.days) == 0 || slices.ContainsFunc(r.days, func(w weekdayOfMonth) bool { return w.n == 0 })
}

// sameDay reports whether the rule, about months, has the day of its start.
func (r *recurrence) sameDay(start time.Time) bool {
	return len(r.monthDays) == 0 || len(r.months) > 0 && len(r.monthDays) == 1 && r.monthDays[0] == start.Day()
}

func (r *recurrence) sameMonth(start time.Time) bool {
	return len(r.months) == 1 && r.months[0] == int(start.Month())
}

// ordinals writes numbers; those that count from the end as "1-".
func ordinals(numbers []int, plus string) (words []string) {
	for _, n := range numbers {
		word := strconv.Itoa(n) + plus
		if n < 0 {
			word = strconv.Itoa(-n) + "-"
		}
		words = append(words, word)
	}
	return words
}

// positions writes weekdays of a month: "1+ MO 1- FR".
func positions(days []weekdayOfMonth) (words []string) {
	for _, w := range days {
		words = append(words, ordinals([]int{w.n}, "+")[0], weekdays[w.day])
	}
	return words
}

// end returns how a rule ends: "#0" never, "#5" after five occurrences, or
// after a day. Whether a number counts days or weeks and months is read in two
// ways where one of these has several days, and whether an end is still part of
// the rule likewise: such rules end with the last minute of their last day.
func (r *recurrence) end(start calendarTime) (string, error) {
	if r.until == nil && r.count == 0 {
		return "#0", nil
	}
	if r.until == nil && r.evenly(start.wall) {
		return "#" + strconv.Itoa(r.count), nil
	}
	last, err := r.last(start)
	if err != nil {
		return "", err
	}
	start.wall = last
	return start.endOfDay().text(), start.check()
}

// evenly reports whether the rule has one occurrence in each of its periods.
func (r *recurrence) evenly(start time.Time) bool {
	switch {
	case !r.on(start, start.Truncate(24*time.Hour)) || len(r.days)+len(r.monthDays)+len(r.yearDays) > 1 || len(r.months) > 1:
		return false
	case r.freq == "MONTHLY" || r.freq == "YEARLY":
		// Not every month has a 29th, a fifth Monday, or a fifth from the end.
		return start.Day() <= 28 && (len(r.monthDays) == 0 || r.monthDays[0] >= -28) && (len(r.days) == 0 || r.days[0].n > -5)
	}
	return r.freq == "WEEKLY" || len(r.days) == 0
}

// last returns the day of the last occurrence.
func (r *recurrence) last(start calendarTime) (last time.Time, err error) {
	first := start.wall.Truncate(24 * time.Hour)
	clock := start.wall.Sub(first)
	limit := first.AddDate(maxRuleYears, 0, 0)
	last = first
	for day, n := first, 0; day.Before(limit) && !r.work.tooMuch(); day = day.Add(24 * time.Hour) {
		if r.until != nil && r.past(start, day.Add(clock)) || r.count > 0 && n == r.count {
			return last, nil
		}
		if r.on(first, day) {
			last = day
			n++
		}
	}
	return last, fmt.Errorf("it goes on for more than %d years", maxRuleYears)
}

// past reports whether an occurrence of an entry is after UNTIL, which is in
// UTC, in local time or a date. The zone is only asked where it matters.
func (r *recurrence) past(start calendarTime, wall time.Time) bool {
	const far = 48 * time.Hour
	switch {
	case r.until.date:
		return wall.Truncate(24 * time.Hour).After(r.until.wall)
	case r.until.utc && wall.Sub(r.until.wall).Abs() < far:
		start.wall = wall
		wall = start.universal().wall
	}
	return wall.After(r.until.wall)
}

// versitPeriods are what a rule of vCalendar 1.0 goes by. M, a minute, is of its
// extended grammar.
var versitPeriods = []string{"D", "W", "MP", "MD", "YM", "YD", "M"}

// parseVersitRule checks a rule of vCalendar 1.0, as far as single words go.
func parseVersitRule(value string) (string, error) {
	value = strings.ToUpper(strings.TrimSpace(value))
	words := strings.Split(value, " ")
	if len(value) > 256 || !isVersitPeriod(words[0]) || slices.ContainsFunc(words, func(word string) bool { return !isVersitWord(word) }) {
		return "", fmt.Errorf("%q is no rule of vCalendar 1.0, like W1 MO #10", clip(value))
	}
	return value, nil
}

// isVersitPeriod reports whether a word starts a rule: W1.
func isVersitPeriod(word string) bool {
	letters := strings.TrimRight(word, digits)
	return slices.Contains(versitPeriods, letters) && isShortNumber(word[len(letters):])
}

// isVersitWord reports whether a word can be in a rule: a period, a time, a
// count as #10, or a weekday, day, month or hour as MO, 1, 1+ or 1-, which a $
// ends, or the last day of a month. Between two blanks is the empty word.
func isVersitWord(word string) bool {
	if count, ok := strings.CutPrefix(word, "#"); ok {
		return isShortNumber(count)
	}
	if word == "" || word == "LD" || isVersitPeriod(word) || hasForm(strings.TrimSuffix(word, "Z"), "00000000T000000") {
		return true
	}
	word = strings.TrimSuffix(word, "$")
	if slices.Contains(weekdays, word) {
		return true
	}
	if n := len(word); n > 0 && strings.ContainsRune("+-", rune(word[n-1])) {
		word = word[:n-1]
	}
	return isShortNumber(word)
}

// isShortNumber reports whether a word is a number of one to four digits.
func isShortNumber(word string) bool { return len(word) <= 4 && madeOf(word, digits) }
