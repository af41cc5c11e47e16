package sms

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits say how often, and when, a SIM may send. A part counts when its
// hand-over starts, whatever comes of it: that is what the network sees. The
// minute and the hour slide, for they keep a network from blocking the SIM; day
// and month are those of the calendar, for that is how a contract counts.
//
// [Limits.For] has what holds messages of queue 1.
type Limits struct {
	SIM       string // whose limits they are, for the words
	PerMinute int    // parts in any 60 s; 0 in this and the next three: as many as it can
	PerHour   int    // parts in any 60 min
	PerDay    int
	PerMonth  int
	QuotaDay  int            // day on which a month begins, 1 to 31, or the last of a shorter month; 0: 1
	Gap       time.Duration  // least time from the start of a part to that of the next
	Jitter    time.Duration  // added to Gap at random, up to this
	Hours     Hours          // when it sends; the zero value: always
	Zone      *time.Location // of days and hours; nil: UTC
}

// Limits are those of a SIM.
func (r *Rules) Limits(sim string) Limits {
	l := r.PerSIM[sim].Limits
	l.SIM = sim
	return l
}

// Any reports whether there is any limit: without one nothing has to be counted.
func (l Limits) Any() bool {
	return l.Paced() || l.PerHour > 0 || l.PerDay > 0 || l.PerMonth > 0 || l.Hours.limited()
}

// Paced reports whether the time of each part counts, so that none is to be
// claimed before it can start.
func (l Limits) Paced() bool { return l.Gap > 0 || l.Jitter > 0 || l.PerMinute > 0 }

func (h Hours) limited() bool { return h.From != h.Until || len(h.Days) > 0 }

// Hours are a span of the day, by the clock on the wall, on some days.
type Hours struct {
	From, Until time.Duration  // since midnight; both 0: all day; Until before From: over midnight
	Days        []time.Weekday // on which the span begins; none: every day
}

// Usage is what a SIM has sent, as far as limits depend on it. It is small and
// of bounded size, to be kept with the messages; the zero value is a new SIM.
type Usage struct {
	Last   time.Time     // start of the latest part
	Rest   time.Duration // drawn when it started: what is added to Gap, up to Jitter
	Minute Recent
	Hour   Recent
	Day    [2]Tally // the one counted last first
	Month  [2]Tally
}

// Recent counts what has started lately, in slots of a twelfth of the time. It
// counts all of the oldest slot, so that no span of that time has ever more than
// the limit, and a wait is too long by a slot at most.
type Recent struct {
	Slot   time.Time      // begin of the newest slot
	Counts [slots + 1]int // newest first
}

const (
	slots      = 12
	minuteSlot = time.Minute / slots
	hourSlot   = time.Hour / slots
)

// Tally counts the parts of a day or a month. Two are kept, so that a clock that
// is wrong for a while (a board boots in 1970) does not make the true one forgotten.
type Tally struct {
	Begin time.Time
	Parts int
}

// For returns the limits that hold messages of a priority. Queue 1 is for alarms:
// nothing holds them for longer than a minute, so what is left is what keeps the
// network from blocking the SIM, Gap and PerMinute. Its parts count all the same,
// and others wait for them. The same holds for the rest of a message that has
// begun, which its handset waits for.
func (l Limits) For(priority int) Limits {
	if priority == 1 {
		l.PerHour, l.PerDay, l.PerMonth, l.Hours = 0, 0, 0, Hours{}
	}
	return l
}

// Count returns the usage with one more part, which starts now. random returns 0
// to 1, for the jitter; nil adds none.
func (l Limits) Count(u Usage, now time.Time, random func() float64) Usage {
	u.Last, u.Rest = now, 0
	if random != nil {
		u.Rest = time.Duration(random() * float64(l.Jitter)).Truncate(time.Millisecond)
	}
	u.Minute.count(now, minuteSlot)
	u.Hour.count(now, hourSlot)
	count(&u.Day, l.dayOf(now))
	count(&u.Month, l.monthOf(now))
	return u
}

// Uncount takes back a part that was to start at a time, and has not left. It was
// the latest where there is a gap; what it had waited for is over.
func (l Limits) Uncount(u Usage, at time.Time) Usage {
	if u.Last.Equal(at) {
		u.Last, u.Rest = time.Time{}, 0
	}
	u.Minute.uncount(at, minuteSlot)
	u.Hour.uncount(at, hourSlot)
	uncount(&u.Day, l.dayOf(at))
	uncount(&u.Month, l.monthOf(at))
	return u
}

// Shift is the usage after the clock was set by step: what lies back so long still
// does. Days and months are those that the clock shows.
func (u Usage) Shift(step time.Duration) Usage {
	if !u.Last.IsZero() {
		u.Last = u.Last.Add(step)
	}
	u.Minute.shift(step, minuteSlot)
	u.Hour.shift(step, hourSlot)
	return u
}

// Next is when the SIM may start its next part: now, or later, and then why says
// what holds it. At that time Next agrees, unless a part has started meanwhile.
//
// Where nobody has seen that the clock was set (see [Usage.Shift]), one that went
// back by more than a minute or an hour has the SIM forget what it sent in the last
// of them, and one that goes back at all the gap: nobody waits for a time that was
// never there.
func (l Limits) Next(u Usage, now time.Time) (at time.Time, why string) {
	gap := l.Gap + min(u.Rest, l.Jitter)
	holds := []struct {
		free func(time.Time) time.Time
		why  string
		of   any
	}{
		{func(t time.Time) time.Time { return afterGap(u.Last, gap, t) }, "rests for %s between two parts", gap.Round(time.Millisecond)},
		{func(t time.Time) time.Time { return u.Minute.free(l.PerMinute, t, minuteSlot) }, "has sent %d in the last minute", l.PerMinute},
		{func(t time.Time) time.Time { return u.Hour.free(l.PerHour, t, hourSlot) }, "has sent %d in the last hour", l.PerHour},
		{func(t time.Time) time.Time { return free(u.Day, l.PerDay, t, l.dayOf) }, "has sent %d today", l.PerDay},
		{func(t time.Time) time.Time { return free(u.Month, l.PerMonth, t, l.monthOf) }, "has sent %d this month", l.PerMonth},
		{l.open, "sends %s", l.Hours},
	}
	at = now
	longest := now // that one of them alone would wait
	for _, h := range holds {
		if t := h.free(now); t.After(longest) {
			longest, why = t, l.SIM+" "+fmt.Sprintf(h.why, h.of)
		}
	}
	for range slots { // the end of one wait may lie in another: twice round is enough, unless the clock went astray
		before := at
		for _, h := range holds {
			at = h.free(at)
		}
		if at.Equal(before) {
			break
		}
	}
	return at, why
}

// afterGap is when the gap after a part is over. A part in the future was before
// the clock went back.
func afterGap(last time.Time, gap time.Duration, now time.Time) time.Time {
	if last.After(now) {
		return now
	}
	return later(now, last.Add(gap))
}

// age is by how many slots a time is after the newest; less than 0: before it.
func (r Recent) age(now time.Time, slot time.Duration) int {
	return int(now.Truncate(slot).Sub(r.Slot) / slot)
}

// within are the parts that may have started in the time up to now.
func (r Recent) within(now time.Time, slot time.Duration) int {
	age, n := r.age(now, slot), 0
	if age < -slots {
		return 0
	}
	for i, parts := range r.Counts {
		if i+max(age, 0) <= slots {
			n += parts
		}
	}
	return n
}

func (r *Recent) count(now time.Time, slot time.Duration) {
	age := r.age(now, slot)
	if age > slots || age < -slots {
		*r, age = Recent{Slot: now.Truncate(slot)}, 0
	}
	if age > 0 {
		var moved [slots + 1]int
		copy(moved[age:], r.Counts[:])
		r.Slot, r.Counts = now.Truncate(slot), moved
	}
	r.Counts[0]++
}

func (r *Recent) uncount(at time.Time, slot time.Duration) {
	if age := -r.age(at, slot); age >= 0 && age <= slots && r.Counts[age] > 0 {
		r.Counts[age]--
	}
}

// shift moves the slots, up to one too far: their begins stay what they are.
func (r *Recent) shift(step time.Duration, slot time.Duration) {
	if r.Slot.IsZero() {
		return
	}
	to := r.Slot.Add(step)
	if r.Slot = to.Truncate(slot); r.Slot.Before(to) {
		r.Slot = r.Slot.Add(slot)
	}
}

// free is when there are fewer than limit.
func (r Recent) free(limit int, now time.Time, slot time.Duration) time.Time {
	for limit > 0 && r.within(now, slot) >= limit {
		now = now.Truncate(slot).Add(slot)
	}
	return now
}

// span is a day or a month: from its begin to that of the next.
type span struct{ begin, end time.Time }

func (s span) parts(kept [2]Tally) int {
	for _, t := range kept {
		if t.Begin.Equal(s.begin) {
			return t.Parts
		}
	}
	return 0
}

func count(kept *[2]Tally, s span) {
	switch {
	case kept[0].Begin.Equal(s.begin):
	case kept[1].Begin.Equal(s.begin):
		kept[0], kept[1] = kept[1], kept[0]
	default:
		kept[0], kept[1] = Tally{Begin: s.begin}, kept[0]
	}
	kept[0].Parts++
}

func uncount(kept *[2]Tally, s span) {
	for i := range kept {
		if kept[i].Begin.Equal(s.begin) && kept[i].Parts > 0 {
			kept[i].Parts--
		}
	}
}

// free is when the span has fewer than limit: at most two are known to be full.
func free(kept [2]Tally, limit int, now time.Time, of func(time.Time) span) time.Time {
	for limit > 0 && of(now).parts(kept) >= limit {
		now = of(now).end
	}
	return now
}

func (l Limits) zone() *time.Location { return cmp.Or(l.Zone, time.UTC) }

func (l Limits) dayOf(t time.Time) span {
	y, m, d := t.In(l.zone()).Date()
	return span{midnight(y, m, d, l.zone()), midnight(y, m, d+1, l.zone())}
}

func (l Limits) monthOf(t time.Time) span {
	y, m, d := t.In(l.zone()).Date()
	if d < l.quotaDay(y, m) {
		m--
	}
	begin := func(m time.Month) time.Time { return midnight(y, m, l.quotaDay(y, m), l.zone()) }
	return span{begin(m), begin(m + 1)}
}

// quotaDay is the day of a month on which a month of the contract begins.
func (l Limits) quotaDay(y int, m time.Month) int {
	last := time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return min(max(l.QuotaDay, 1), last)
}

// midnight is when a day begins. Some zones change to summer time at midnight,
// and back at one: then the day has no 00:00, or two. Some have crossed the date
// line and left a day out: it begins, and ends, with the next.
func midnight(y int, m time.Month, d int, zone *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	begin, end := t.ZoneBounds()
	if wall(t).Before(time.Date(y, m, d, 0, 0, 0, 0, time.UTC)) {
		return end
	}
	if !begin.IsZero() {
		_, before := begin.Add(-1).Zone()
		_, here := t.Zone()
		if first := t.Add(time.Duration(here-before) * time.Second); first.Before(begin) {
			return first
		}
	}
	return t
}

// wall is what the clock on the wall shows, as if it were UTC.
func wall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// open is when the SIM sends: now, or when its hours begin.
func (l Limits) open(now time.Time) time.Time {
	t := now.In(l.zone())
	for range 2 * week { // more changes of the clock than a week has
		if l.Hours.hold(t) {
			break
		}
		_, offset := t.Zone()
		next := l.Hours.next(t.In(time.FixedZone("", offset)))
		if _, change := t.ZoneBounds(); !change.IsZero() && change.Before(next) {
			next = change
		}
		t = next.In(l.zone())
	}
	return t.In(now.Location())
}

const week = 7

func (h Hours) on(d time.Weekday) bool { return len(h.Days) == 0 || slices.Contains(h.Days, d) }

// hold reports whether a time is in the hours.
func (h Hours) hold(t time.Time) bool {
	at, today := wall(t).Sub(wall(t).Truncate(24*time.Hour)), t.Weekday()
	switch {
	case h.From == h.Until:
		return h.on(today)
	case h.From < h.Until:
		return h.on(today) && h.From <= at && at < h.Until
	}
	return h.on(today) && h.From <= at || h.on((today+week-1)%week) && at < h.Until
}

// next is when the hours begin after a time, in a zone that keeps its offset.
func (h Hours) next(t time.Time) time.Time {
	y, m, d := t.Date()
	for i := range week + 1 {
		begin := time.Date(y, m, d+i, 0, 0, 0, 0, t.Location())
		if h.From != h.Until {
			begin = begin.Add(h.From)
		}
		if begin.After(t) && h.on(begin.Weekday()) {
			return begin
		}
	}
	return t // there are no such days
}

func (h Hours) String() string {
	text := "all day"
	if h.From != h.Until {
		clock := func(d time.Duration) string { return fmt.Sprintf("%02d:%02d", d/time.Hour, d%time.Hour/time.Minute) }
		text = "from " + clock(h.From) + " to " + clock(h.Until)
	}
	var days []string
	for _, d := range h.Days {
		days = append(days, d.String())
	}
	if days != nil {
		text += " on " + strings.Join(days, ", ")
	}
	return text
}

// Spent tells that a SIM sends nothing but queue 1 until a time for a reason that
// lasts: its day or month is used up, or it is outside its hours. why is empty when
// it does not.
func (l Limits) Spent(u Usage, now time.Time) (until time.Time, why string) {
	return Limits{
		SIM: l.SIM, PerDay: l.PerDay, PerMonth: l.PerMonth, QuotaDay: l.QuotaDay, Hours: l.Hours, Zone: l.Zone,
	}.Next(u, now)
}

// Alarm is what the operator should know of a quota.
type Alarm struct {
	Code  string // stable: "quota-near", "quota-used"
	Cause string
	Step  string // what a person can do
}

// near is from how many percent of a quota on it is an alarm.
const near = 80

// quota is how much of a day or a month is used.
type quota struct {
	key, what string // in the configuration, and in words
	parts     int
	limit     int // 0: none
	end       time.Time
}

func (l Limits) quotas(u Usage, now time.Time) [2]quota {
	month, day := l.monthOf(now), l.dayOf(now)
	return [2]quota{
		{"per_month", "this month", month.parts(u.Month), l.PerMonth, month.end},
		{"per_day", "today", day.parts(u.Day), l.PerDay, day.end},
	}
}

// level is 0, near or 100 percent.
func (q quota) level(parts int) int {
	for _, percent := range []int{100, near} {
		if q.limit > 0 && int64(parts)*100 >= int64(q.limit)*int64(percent) {
			return percent
		}
	}
	return 0
}

func (l Limits) alarm(q quota) Alarm {
	a := Alarm{
		Code:  "quota-near",
		Cause: fmt.Sprintf("%s has sent %d of %d parts %s", l.SIM, q.parts, q.limit, q.what),
		Step:  fmt.Sprintf("have another SIM ready in its tier or the next, or raise %s if the contract allows", q.key),
	}
	if q.level(q.parts) == 100 {
		a.Code = "quota-used"
		a.Cause += "; but for queue 1 it rests until " + q.end.In(l.zone()).Format("2006-01-02 15:04 MST")
	}
	return a
}

// Alarm tells that a quota of the day or the month is used up, or nearly; of
// several the gravest, and the month before the day.
func (l Limits) Alarm(u Usage, now time.Time) (a Alarm, ok bool) {
	gravest := 0
	for _, q := range l.quotas(u, now) {
		if level := q.level(q.parts); level > gravest {
			a, ok, gravest = l.alarm(q), true, level
		}
	}
	return a, ok
}

// Reached are the alarms that the part counted last, at now, has set off.
func (l Limits) Reached(u Usage, now time.Time) []Alarm {
	var all []Alarm
	for _, q := range l.quotas(u, now) {
		if q.level(q.parts) > q.level(q.parts-1) {
			all = append(all, l.alarm(q))
		}
	}
	return all
}
