package sms

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests, on any machine

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func at(t testing.TB, z *time.Location, text string) time.Time {
	t.Helper()
	when, err := time.ParseInLocation("2006-01-02 15:04:05", text, z)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// sent is the usage after n parts, evenly from one time to another.
func (l Limits) sent(n int, from, to time.Time) Usage {
	var u Usage
	for i := range n {
		u = l.Count(u, from.Add(to.Sub(from)/time.Duration(max(n-1, 1))*time.Duration(i)), nil)
	}
	return u
}

func TestNext(t *testing.T) {
	london := zone(t, "Europe/London")
	weekdays := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	office := Hours{From: 8 * time.Hour, Until: 20 * time.Hour, Days: weekdays}
	night := Hours{From: 22 * time.Hour, Until: 6 * time.Hour, Days: []time.Weekday{time.Friday}}
	for _, c := range []struct {
		name     string
		limits   Limits
		n        int // parts from From to To
		from, to string
		now      string
		want     string // empty: now
		why      string
	}{
		{"no limits", Limits{}, 1000, "2026-06-01 12:00:00", "2026-06-01 12:00:10", "2026-06-01 12:00:10", "", ""},
		{"a new SIM", Limits{PerMinute: 1, PerHour: 1, PerDay: 1, PerMonth: 1, Gap: time.Hour}, 0, "", "", "2026-06-01 12:00:00", "", ""},
		{"gap", Limits{Gap: 2 * time.Second}, 1, "2026-06-01 12:00:00", "2026-06-01 12:00:00", "2026-06-01 12:00:01", "2026-06-01 12:00:02", "a rests for 2s between two parts"},
		{"gap is over", Limits{Gap: 2 * time.Second}, 1, "2026-06-01 12:00:00", "2026-06-01 12:00:00", "2026-06-01 12:00:02", "", ""},
		{"gap, clock set back", Limits{Gap: 2 * time.Second}, 1, "2026-06-01 13:00:00", "2026-06-01 13:00:00", "2026-06-01 12:00:02", "", ""},
		{"minute, one less", Limits{PerMinute: 8}, 7, "2026-06-01 12:00:00", "2026-06-01 12:00:20", "2026-06-01 12:00:21", "", ""},
		{"minute", Limits{PerMinute: 8}, 8, "2026-06-01 12:00:00", "2026-06-01 12:00:14", "2026-06-01 12:00:21", "2026-06-01 12:01:05", "a has sent 8 in the last minute"},
		{"minute, not by the clock", Limits{PerMinute: 8}, 8, "2026-06-01 11:59:50", "2026-06-01 11:59:59", "2026-06-01 12:00:00", "2026-06-01 12:00:55", "a has sent 8 in the last minute"},
		{"hour", Limits{PerHour: 200}, 200, "2026-06-01 12:00:00", "2026-06-01 12:30:00", "2026-06-01 12:30:00", "2026-06-01 13:05:00", "a has sent 200 in the last hour"},
		{"hour, clock set back by a minute", Limits{PerHour: 2}, 2, "2026-06-01 12:00:00", "2026-06-01 12:00:01", "2026-06-01 11:59:00", "2026-06-01 13:05:00", "a has sent 2 in the last hour"},
		{"hour, clock set back by two", Limits{PerHour: 2}, 2, "2026-06-01 12:00:00", "2026-06-01 12:00:01", "2026-06-01 10:00:00", "", ""},
		{"day", Limits{PerDay: 3}, 3, "2026-06-01 12:00:00", "2026-06-01 14:00:00", "2026-06-01 15:00:00", "2026-06-02 00:00:00", "a has sent 3 today"},
		{"the day before", Limits{PerDay: 3}, 3, "2026-05-31 12:00:00", "2026-05-31 14:00:00", "2026-06-01 00:00:00", "", ""},
		{"day of summer time", Limits{PerDay: 1}, 1, "2026-03-29 00:30:00", "2026-03-29 00:30:00", "2026-03-29 03:00:00", "2026-03-30 00:00:00", "a has sent 1 today"},
		{"month", Limits{PerMonth: 3}, 3, "2026-02-01 00:00:00", "2026-02-20 00:00:00", "2026-02-28 23:59:59", "2026-03-01 00:00:00", "a has sent 3 this month"},
		{"month from the 15th", Limits{PerMonth: 3, QuotaDay: 15}, 3, "2026-12-15 00:00:00", "2026-12-31 00:00:00", "2026-12-31 23:00:00", "2027-01-15 00:00:00", "a has sent 3 this month"},
		{"month from the last", Limits{PerMonth: 3, QuotaDay: 31}, 3, "2027-01-31 00:00:00", "2027-02-20 00:00:00", "2027-02-27 23:00:00", "2027-02-28 00:00:00", "a has sent 3 this month"},
		{"before the hours", Limits{Hours: office}, 0, "", "", "2026-06-01 07:00:00", "2026-06-01 08:00:00", "a sends from 08:00 to 20:00 on Monday, Tuesday, Wednesday, Thursday, Friday"},
		{"in the hours", Limits{Hours: office}, 0, "", "", "2026-06-01 19:59:59", "", ""},
		{"after the hours, on Friday", Limits{Hours: office}, 0, "", "", "2026-06-05 20:00:00", "2026-06-08 08:00:00", "a sends from 08:00 to 20:00 on Monday, Tuesday, Wednesday, Thursday, Friday"},
		{"days alone", Limits{Hours: Hours{Days: weekdays}}, 0, "", "", "2026-06-06 20:00:00", "2026-06-08 00:00:00", "a sends all day on Monday, Tuesday, Wednesday, Thursday, Friday"},
		{"the night of Friday", Limits{Hours: night}, 0, "", "", "2026-06-06 05:59:59", "", ""},
		{"the morning of Friday", Limits{Hours: night}, 0, "", "", "2026-06-05 05:59:59", "2026-06-05 22:00:00", "a sends from 22:00 to 06:00 on Friday"},
		{"hours that the clock leaves out", Limits{Hours: Hours{From: 90 * time.Minute, Until: 5 * time.Hour}}, 0, "", "", "2026-03-29 00:30:00", "2026-03-29 02:00:00", "a sends from 01:30 to 05:00"},
		{"the day is used, and then it is night", Limits{PerDay: 1, Hours: office}, 1, "2026-06-01 12:00:00", "2026-06-01 12:00:00", "2026-06-01 15:00:00", "2026-06-02 08:00:00", "a has sent 1 today"},
	} {
		c.limits.SIM, c.limits.Zone = "a", london
		var u Usage
		if c.n > 0 {
			u = c.limits.sent(c.n, at(t, london, c.from), at(t, london, c.to))
		}
		now := at(t, london, c.now)
		want := now
		if c.want != "" {
			want = at(t, london, c.want)
		}
		if got, why := c.limits.Next(u, now); !got.Equal(want) || why != c.why {
			t.Errorf("%s: %v, %q; want %v, %q", c.name, got, why, want, c.why)
		}
	}
}

func TestGapAndJitter(t *testing.T) {
	l := Limits{SIM: "a", Gap: 2 * time.Second, Jitter: time.Second}
	for _, c := range []struct {
		random float64
		want   time.Duration
	}{{0, 2 * time.Second}, {0.5, 2500 * time.Millisecond}, {0.999, 2999 * time.Millisecond}} {
		u := l.Count(Usage{}, start, func() float64 { return c.random })
		got, why := l.Next(u, start.Add(time.Second))
		if got.Sub(start) != c.want || why != fmt.Sprintf("a rests for %s between two parts", c.want) {
			t.Errorf("%v: %v, %q", c.random, got.Sub(start), why)
		}
	}
}

// TestUrgent: an alarm waits for what protects the SIM alone, and counts.
func TestUrgent(t *testing.T) {
	l := Limits{PerMinute: 2, PerHour: 1, PerDay: 1, PerMonth: 1, Gap: time.Second, Hours: Hours{From: time.Hour, Until: 2 * time.Hour}}
	noon := start.Truncate(24 * time.Hour).Add(12 * time.Hour)
	u := l.Count(Usage{}, noon, nil)
	for _, c := range []struct {
		priority int
		want     time.Duration
	}{{1, time.Second}, {2, 61 * time.Hour}, {3, 61 * time.Hour}} { // the month ends, and then it is night
		if got, _ := l.For(c.priority).Next(u, noon); !got.Equal(noon.Add(c.want)) {
			t.Errorf("queue %d waits %v", c.priority, got.Sub(noon))
		}
	}
	u = l.For(1).Count(u, noon.Add(time.Second), nil)
	if got, why := l.For(1).Next(u, noon.Add(2*time.Second)); !strings.Contains(why, "2 in the last minute") || got.Sub(noon) > 2*time.Minute {
		t.Errorf("%v, %q", got.Sub(noon), why)
	}
	if u.Month[0].Parts != 2 {
		t.Errorf("counted %+v", u)
	}
}

func TestAlarm(t *testing.T) {
	l := Limits{SIM: "a", PerDay: 10, PerMonth: 100, Zone: zone(t, "Europe/London")}
	now := at(t, l.Zone, "2026-06-10 12:00:00")
	yesterday := now.Add(-24 * time.Hour)
	for _, c := range []struct {
		before, today int
		code, cause   string
	}{
		{0, 0, "", ""},
		{0, 7, "", ""},
		{0, 8, "quota-near", "a has sent 8 of 10 parts today"},
		{0, 10, "quota-used", "a has sent 10 of 10 parts today; but for queue 1 it rests until 2026-06-11 00:00 BST"},
		{0, 12, "quota-used", "a has sent 12 of 10 parts today; but for queue 1 it rests until 2026-06-11 00:00 BST"},
		{79, 0, "", ""},
		{78, 2, "quota-near", "a has sent 80 of 100 parts this month"},
		{85, 9, "quota-near", "a has sent 94 of 100 parts this month"},
		{85, 10, "quota-used", "a has sent 10 of 10 parts today; but for queue 1 it rests until 2026-06-11 00:00 BST"},
		{95, 10, "quota-used", "a has sent 105 of 100 parts this month; but for queue 1 it rests until 2026-07-01 00:00 BST"},
	} {
		u := l.sent(c.before, yesterday, yesterday)
		for range c.today {
			u = l.Count(u, now, nil)
		}
		got, ok := l.Alarm(u, now)
		if ok != (c.code != "") || got.Code != c.code || got.Cause != c.cause || ok != (got.Step != "") {
			t.Errorf("%d and %d: %+v, %t", c.before, c.today, got, ok)
		}
	}
	if a, ok := (Limits{}).Alarm(l.sent(5, now, now), now); ok {
		t.Errorf("no quota: %+v", a)
	}
}

// TestClockAstray: a start in 1970, and a time that was never there, cost no count.
func TestClockAstray(t *testing.T) {
	l := Limits{PerDay: 4, PerMonth: 100}
	u := l.sent(3, start.Add(-time.Minute), start)
	for _, wrong := range []time.Time{time.Unix(100, 0), start.Add(10 * 365 * 24 * time.Hour)} {
		if got, _ := l.Next(u, wrong); !got.Equal(wrong) {
			t.Errorf("at %v it waits until %v", wrong, got)
		}
		strayed := l.Count(l.Count(l.Count(u, wrong, nil), wrong, nil), start, nil)
		if got, _ := l.Next(strayed, start); !got.After(start) {
			t.Errorf("after %v the parts of today are forgotten: %+v", wrong, strayed.Day)
		}
	}
}

// TestUncount: a part that never left is as if it had not been counted.
func TestUncount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limits{PerMinute: 5, PerHour: 5, PerDay: 5, PerMonth: 5, Zone: zoneOf(t)}
		now := drawTime(t, l.Zone)
		var u Usage
		for range rapid.IntRange(0, 5).Draw(t, "parts") {
			u = l.Count(u, now, nil)
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*time.Hour)).Draw(t, "wait")))
		}
		undone := l.Uncount(l.Count(u, now, nil), now)
		for _, d := range []time.Duration{0, time.Minute, time.Hour} {
			want, _ := l.Next(u, now.Add(d))
			if got, why := l.Next(undone, now.Add(d)); !got.Equal(want) {
				t.Fatalf("after %v: %v, %s; want %v", d, got, why, want)
			}
		}
	})
}

// TestReadmit: what waits keeps its tier, less the SIMs that may not.
func TestReadmit(t *testing.T) {
	r := Rules{
		Routes: []Route{{Prefix: "44", Tiers: [][]string{{"a"}, {"b"}}}, {Prefix: "49", Tiers: [][]string{{"c"}}}},
		PerSIM: map[string]SIM{"a": {Deny: []string{"4420"}}, "c": {Deny: []string{"49"}}},
	}
	begun := []Part{{State: Sent, SIM: "a"}, {State: Queued}}
	for _, c := range []struct {
		m    Message
		want Lane
		err  error
	}{
		{Message{To: "447700900123", Lane: "44/0"}, "44/0", nil},
		{Message{To: "447700900123", Lane: "44/1"}, "44/1", nil},
		{Message{To: "442079460000", Lane: "44/0"}, "44/1!a", nil},
		{Message{To: "442079460000", Lane: "44/1"}, "44/1!a", nil},
		{Message{To: "447700900123", Lane: "44/1!a"}, "44/1", nil},
		{Message{To: "447700900123", Lane: "any"}, "44/0", nil},
		{Message{To: "447700900123", Lane: "44/0", Escalate: 1}, "44/1", nil},
		{Message{To: "442079460000", Lane: "sim:a", OnlySIM: "a"}, "sim:a!a", ErrBarred},
		{Message{To: "447700900123", Lane: "sim:a!a", OnlySIM: "a"}, "sim:a", nil},
		{Message{To: "442079460000", Lane: "sim:a", Parts: begun}, "sim:a", nil},
		{Message{To: "4915112345678", Lane: "49/0"}, "49/0!c", ErrNoRoute},
		{Message{To: "33123456789", Lane: "33/0"}, "33/0", ErrNoRoute},
	} {
		got, err := r.Readmit(c.m)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s in %s: %s, %v; want %s", c.m.To, c.m.Lane, got, err, c.want)
		}
		for _, sim := range []string{"a", "b", "c"} {
			if _, works := r.Rank(got, sim); works && (err != nil || !r.May(sim, c.m.To)) && c.m.Parts == nil {
				t.Errorf("%s works in %s", sim, got)
			}
		}
	}
}

func TestUsageIsSmall(t *testing.T) {
	u := Limits{}.sent(5000, start, start.Add(20*time.Hour))
	text, err := json.Marshal(u)
	if err != nil || len(text) > 600 {
		t.Errorf("%d octets, %v: %s", len(text), err, text)
	}
	var back Usage
	if err := json.Unmarshal(text, &back); err != nil || fmt.Sprint(back) != fmt.Sprint(u) {
		t.Errorf("%v: %+v", err, back)
	}
}

// zones change their clocks at two, at midnight, by half an hour, for Ramadan,
// and by a day.
var zones = []string{
	"UTC", "Europe/London", "America/Havana", "America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "Australia/Lord_Howe",
	"Africa/Casablanca", "Pacific/Apia", "Asia/Kathmandu", "Asia/Amman",
}

func drawTime(t *rapid.T, z *time.Location) time.Time {
	from, to := time.Date(2005, 1, 1, 0, 0, 0, 0, z), time.Date(2030, 1, 1, 0, 0, 0, 0, z)
	when := time.Unix(rapid.Int64Range(from.Unix(), to.Unix()).Draw(t, "time"), 0).In(z)
	if begin, _ := when.ZoneBounds(); rapid.Bool().Draw(t, "at a change") && begin.After(from) {
		when = begin.Add(time.Duration(rapid.Int64Range(-100_000, 100_000).Draw(t, "off")) * time.Second)
	}
	return when
}

// TestSpans: each time is in one day and one month, which begin with the first
// moment of their day.
func TestSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z := zoneOf(t)
		now := drawTime(t, z)
		l := Limits{Zone: z, QuotaDay: rapid.IntRange(0, 31).Draw(t, "quota day")}
		for name, of := range map[string]func(time.Time) span{"day": l.dayOf, "month": l.monthOf} {
			s := of(now)
			if now.Before(s.begin) || !now.Before(s.end) {
				t.Fatalf("%v is not in its %s, %v to %v", now, name, s.begin, s.end)
			}
			first, before := s.begin.In(z), s.begin.In(z).Add(-1)
			if first.Format(time.DateOnly) == before.Format(time.DateOnly) {
				t.Fatalf("the %s of %v begins at %v, within a day", name, now, first)
			}
			if next := of(s.end); !next.begin.Equal(s.end) {
				t.Fatalf("the %s of %v ends at %v, and the next begins at %v", name, now, s.end, next.begin)
			}
		}
		if first := l.monthOf(now).begin.In(z); first.Day() != l.quotaDay(first.Year(), first.Month()) && z.String() != "Pacific/Apia" {
			t.Fatalf("a month from the %d begins at %v", l.QuotaDay, first)
		}
	})
}

func zoneOf(t *rapid.T) *time.Location {
	z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func drawHours(t *rapid.T) Hours {
	if rapid.IntRange(0, 3).Draw(t, "hours") == 0 {
		return Hours{}
	}
	minute := rapid.IntRange(0, 24*60-1)
	return Hours{
		From: time.Duration(minute.Draw(t, "from")) * time.Minute, Until: time.Duration(1+minute.Draw(t, "until")) * time.Minute,
		Days: rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) time.Weekday { return time.Weekday(rapid.IntRange(0, 6).Draw(t, "day")) }), 0, 3, rapid.ID).Draw(t, "days"),
	}
}

// sends is [Hours.hold] by what a clock on the wall would show.
func (h Hours) sends(t time.Time) bool {
	clock := func(d time.Duration) string { return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60) }
	now, from, until := t.Format("15:04"), clock(h.From), clock(h.Until)
	day, before := t.Weekday(), time.Date(t.Year(), t.Month(), t.Day()-1, 0, 0, 0, 0, time.UTC).Weekday()
	on := func(d time.Weekday) bool { return len(h.Days) == 0 || slices.Contains(h.Days, d) }
	switch {
	case from == until:
		return on(day)
	case from < until:
		return on(day) && now >= from && now < until
	}
	return on(day) && now >= from || on(before) && now < until
}

// TestHours compares with a look at the clock every minute.
func TestHours(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limits{Hours: drawHours(t), Zone: zoneOf(t)}
		now := drawTime(t, l.Zone).Truncate(time.Minute)
		got := l.open(now)
		want := now
		for !l.Hours.sends(want.In(l.Zone)) {
			want = want.Add(time.Minute)
		}
		if !got.Equal(want) {
			t.Fatalf("%s, at %v: from %v on, and not from %v", l.Hours, now, got.In(l.Zone), want.In(l.Zone))
		}
	})
}

// site is a SIM at work, and a list of all that it has sent.
type site struct {
	*rapid.T
	Limits
	now  time.Time
	u    Usage
	sent []time.Time
}

// held says why a part may not start at a time, by the list; slack is by how
// much minute and hour may be longer than they are.
func (s *site) held(t time.Time, slack bool) string {
	minute, hour, day, month := 0, 0, 0, 0
	extra := map[bool]time.Duration{true: 1}[slack]
	for _, p := range s.sent {
		age := t.Sub(p)
		if age < time.Minute+extra*minuteSlot {
			minute++
		}
		if age < time.Hour+extra*hourSlot {
			hour++
		}
		if p.In(s.Zone).Format(time.DateOnly) == t.In(s.Zone).Format(time.DateOnly) {
			day++
		}
		if s.bill(p) == s.bill(t) {
			month++
		}
	}
	switch {
	case len(s.sent) > 0 && t.Sub(s.sent[len(s.sent)-1]) < s.Gap:
		return "gap"
	case s.PerMinute > 0 && minute >= s.PerMinute:
		return "minute"
	case s.PerHour > 0 && hour >= s.PerHour:
		return "hour"
	case s.PerDay > 0 && day >= s.PerDay:
		return "day"
	case s.PerMonth > 0 && month >= s.PerMonth:
		return "month"
	case !s.Hours.sends(t.In(s.Zone)):
		return "hours"
	}
	return ""
}

// bill is the month that a part is billed in: that of the last day, up to its own,
// which is a day of the quota, or the last of a month that is too short for it.
func (s *site) bill(t time.Time) string {
	y, m, d := t.In(s.Zone).Date()
	for {
		day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		tomorrow := day.AddDate(0, 0, 1)
		if day.Day() == max(s.QuotaDay, 1) || day.Day() < s.QuotaDay && tomorrow.Day() == 1 {
			return day.Format(time.DateOnly)
		}
		d--
	}
}

// TestAgainstTheList compares Next with a list of all parts: it never lets one too
// many go, and has none wait without need.
func TestAgainstTheList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		few := rapid.IntRange(0, 5)
		s := &site{T: t, Limits: Limits{
			SIM: "a", PerMinute: few.Draw(t, "minute"), PerHour: few.Draw(t, "hour"), PerDay: few.Draw(t, "day"), PerMonth: 2 * few.Draw(t, "month"),
			QuotaDay: rapid.IntRange(0, 31).Draw(t, "quota day"), Gap: time.Duration(few.Draw(t, "gap")) * time.Second,
			Hours: drawHours(t), Zone: zoneOf(t),
		}}
		s.now = drawTime(t, s.Zone)
		steps := []time.Duration{time.Millisecond, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, 3 * time.Hour, 20 * 24 * time.Hour}
		for range rapid.IntRange(1, 40).Draw(t, "parts") {
			s.now = s.now.Add(time.Duration(rapid.Float64Range(0, 1).Draw(t, "wait") * float64(rapid.SampledFrom(steps).Draw(t, "up to"))))
			s.next()
		}
	})
}

func (s *site) next() {
	at, why := s.Next(s.u, s.now)
	wait := at.Sub(s.now)
	if wait < 0 || wait > 50*24*time.Hour || (wait > 0) != (why != "") {
		s.Fatalf("at %v it waits %v, %q", s.now, wait, why)
	}
	if again, why := s.Next(s.u, at); !again.Equal(at) || why != "" {
		s.Fatalf("told to come at %v it is told %v, %q", at, again, why)
	}
	if by := s.held(at, false); by != "" {
		s.Fatalf("it may send at %v, but not by the %s", at.In(s.Zone), by)
	}
	for _, share := range []float64{0, rapid.Float64Range(0, 1).Draw(s.T, "share"), 1} {
		early := s.now.Add(time.Duration(share * float64(wait-1)))
		if wait > 0 && s.held(early, true) == "" {
			s.Fatalf("it waits until %v, %q, and could at %v", at.In(s.Zone), why, early.In(s.Zone))
		}
	}
	s.now, s.u = at, s.Count(s.u, at, nil)
	s.sent = append(s.sent, at)
}

// TestNoEndlessWait: the clock may jump as it likes.
func TestNoEndlessWait(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		few := rapid.IntRange(0, 3)
		l := Limits{
			PerMinute: few.Draw(t, "minute"), PerHour: few.Draw(t, "hour"), PerDay: few.Draw(t, "day"), PerMonth: few.Draw(t, "month"),
			QuotaDay: rapid.IntRange(0, 31).Draw(t, "quota day"), Gap: time.Duration(few.Draw(t, "gap")) * time.Minute,
			Hours: drawHours(t), Zone: zoneOf(t),
		}
		now := drawTime(t, l.Zone)
		var u Usage
		for range 30 {
			if rapid.IntRange(0, 2).Draw(t, "jump") == 0 {
				now = now.Add(time.Duration(rapid.Int64Range(int64(-80*24*time.Hour), int64(80*24*time.Hour)).Draw(t, "by")))
			}
			at, why := l.Next(u, now)
			if at.Before(now) || at.Sub(now) > 100*24*time.Hour {
				t.Fatalf("at %v it waits until %v: %s", now, at, why)
			}
			if again, _ := l.Next(u, at); !again.Equal(at) {
				t.Fatalf("told to come at %v it is told %v", at, again)
			}
			u, now = l.Count(u, at, nil), at
		}
	})
}
