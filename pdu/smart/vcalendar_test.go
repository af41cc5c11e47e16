package smart_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	goical "github.com/emersion/go-ical"
	"github.com/teambition/rrule-go"
	"pgregory.net/rapid"

	"cellpost/pdu/smart"
)

// berlin is Europe/Berlin as programs write it.
const berlin = `BEGIN:VTIMEZONE
TZID:Berlin
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
DTSTART:19810329T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
DTSTART:19961027T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
END:VTIMEZONE
`

// oneEntry returns a calendar with an entry of some lines, which "|" separates:
// an event, or a task if it has no start, which an event has to have.
func oneEntry(version, before, lines string) []byte {
	kind := "VEVENT"
	if !strings.Contains(lines, "DTSTART") {
		kind = "VTODO"
	}
	return []byte("BEGIN:VCALENDAR\nVERSION:" + version + "\n" + before + "BEGIN:" + kind + "\n" +
		strings.ReplaceAll(lines, "|", "\n") + "\nEND:" + kind + "\nEND:VCALENDAR\n")
}

// entryLines returns the lines of the one entry in a calendar.
func entryLines(t testing.TB, data []byte) string {
	t.Helper()
	lines, ok := strings.CutPrefix(string(data), "BEGIN:VCALENDAR\r\nVERSION:1.0\r\nBEGIN:")
	lines, end := strings.CutSuffix(lines, "\r\nEND:VCALENDAR\r\n")
	kind, lines, _ := strings.Cut(lines, "\r\n")
	lines, whole := strings.CutSuffix(lines, "END:"+kind)
	if !ok || !end || !whole || strings.Contains(lines, "BEGIN:") {
		t.Fatalf("not one entry: %q", data)
	}
	return strings.ReplaceAll(strings.TrimSuffix(lines, "\r\n"), "\r\n", "|")
}

// TestVCalendarProperties turns lines of an entry into what the handset gets.
func TestVCalendarProperties(t *testing.T) {
	for _, c := range []struct{ name, version, in, want, remark string }{
		{"escapes", "2.0", `SUMMARY:a\, b\; c`, "SUMMARY:a, b; c", ""},
		{"text", "1.0", `SUMMARY;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=C3=BC=|=C3=BC`, `SUMMARY;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=C3=BC=|=C3=BC`, ""},
		{"categories", "2.0", `CATEGORIES:A\,B, C;D`, `CATEGORIES:A,B;C\;D`, ""},
		{"categories", "1.0", "CATEGORIES:A;B", "CATEGORIES:A;B", ""},
		{"UTC", "2.0", "DTSTART:20260314T150000Z", "DTSTART:20260314T150000Z", ""},
		{"local", "2.0", "DTSTART:20260314T150000", "DTSTART:20260314T150000", ""},
		{"extended", "1.0", "DTSTART:2026-03-14T15:00:00Z", "DTSTART:20260314T150000Z", ""},
		{"a zone by another name", "2.0", "DTSTART;TZID=Etc/UTC:20260314T150000", "DTSTART:20260314T150000Z", ""},
		{"no such zone", "2.0", "DTSTART;TZID=Bonn:20260314T150000", "DTSTART:20260314T150000", `line 31: DTSTART sent as the local time of the handset: the text lacks the VTIMEZONE of "Bonn"`},
		{"no time", "2.0", "DTEND:tomorrow", "", `line 31: DTEND left out: "tomorrow" is no date and time, like 20260314T150000Z`},
		{"no such day", "2.0", "DTEND:20260230T150000", "", `line 31: DTEND left out: "20260230T150000" is no date and time, like 20260314T150000Z`},
		{"the year 1", "2.0", "DUE:00010101T000000Z", "", "line 31: DUE left out: a time in the year 1; it has to be between 2 and 9998"},
		{"a day", "2.0", "DTSTART;VALUE=DATE:20260314", "DTSTART:20260314T000000|DTEND:20260314T235900", ""},
		{"two days", "2.0", "DTSTART;VALUE=DATE:20260314|DTEND;VALUE=DATE:20260316", "DTSTART:20260314T000000|DTEND:20260315T235900", ""},
		{"a day that ends on itself", "2.0", "DTEND;VALUE=DATE:20260314|DTSTART;VALUE=DATE:20260314", "DTEND:20260314T235900|DTSTART:20260314T000000", ""},
		{"days by duration", "2.0", "DTSTART;VALUE=DATE:20260314|DURATION:P2D", "DTSTART:20260314T000000|DTEND:20260315T235900", ""},
		{"a day, versit", "1.0", "DTSTART:20260314", "DTSTART:20260314", ""},
		{"duration", "2.0", "DTSTART:20260314T233000Z|DURATION:PT1H30M", "DTSTART:20260314T233000Z|DTEND:20260315T010000Z", ""},
		{"duration over the change of time", "2.0", "DTSTART;TZID=Berlin:20260328T120000|DURATION:P1DT1H", "DTSTART:20260328T110000Z|DTEND:20260329T110000Z", ""},
		{"no duration", "2.0", "DTSTART:20260314T233000Z|DURATION:1h", "DTSTART:20260314T233000Z", `line 32: DURATION left out: "1h" is no duration, like PT15M`},
		{"duration of weeks and seconds", "2.0", "DTSTART:20260314T233000Z|DURATION:+P1W2DT5S", "DTSTART:20260314T233000Z|DTEND:20260323T233005Z", ""},
		{"no duration, in this order", "2.0", "DTSTART:20260314T233000Z|DURATION:PT5M1H", "DTSTART:20260314T233000Z", `line 32: DURATION left out: "PT5M1H" is no duration, like PT15M`},
		{"no duration, in six digits", "2.0", "DTSTART:20260314T233000Z|DURATION:P123456D", "DTSTART:20260314T233000Z", `line 32: DURATION left out: "P123456D" is no duration, like PT15M`},
		{"duration without a start", "2.0", "DURATION:PT1H", "", "line 31: DURATION left out: the entry has no DTSTART to count from"},
		{"duration beside an end", "2.0", "DTSTART:20260314T233000Z|DTEND:20260315T000000Z|DURATION:PT1H", "DTSTART:20260314T233000Z|DTEND:20260315T000000Z", "line 33: DURATION left out: the entry has one before it"},
		{"priority", "2.0", "PRIORITY:1", "PRIORITY:1", ""},
		{"no priority", "2.0", "PRIORITY:0", "", ""},
		{"priority of a word", "2.0", "PRIORITY:HIGH", "", `line 31: PRIORITY left out: "HIGH" is no priority; it goes from 1, the highest, to 9`},
		{"status", "2.0", "STATUS:NEEDS-ACTION", "STATUS:NEEDS ACTION", ""},
		{"status that versit lacks", "2.0", "STATUS:IN-PROCESS", "", `line 31: STATUS left out: handsets have no status "IN PROCESS"`},
		{"status that only versit has", "1.0", "STATUS:DELEGATED", "STATUS:DELEGATED", ""},
		{"exceptions", "2.0", "EXDATE:20260314T150000Z", "", "line 31: EXDATE left out: handsets show the occurrences that it takes out"},
		{"alarm before", "2.0", "DTSTART;TZID=Berlin:20260314T150000|BEGIN:VALARM|ACTION:DISPLAY|TRIGGER:-PT15M|END:VALARM", "DTSTART:20260314T140000Z|DALARM:20260314T134500Z", ""},
		{"alarm the day before", "2.0", "DTSTART;TZID=Berlin:20260329T120000|BEGIN:VALARM|ACTION:AUDIO|TRIGGER:-P1D|END:VALARM", "DTSTART:20260329T100000Z|AALARM:20260328T110000Z", ""},
		{"alarm at the end", "2.0", "DTSTART:20260314T150000|DURATION:PT1H|BEGIN:VALARM|ACTION:DISPLAY|TRIGGER;RELATED=END:PT0S|END:VALARM", "DTSTART:20260314T150000|DTEND:20260314T160000|DALARM:20260314T160000", ""},
		{"alarm of a day", "2.0", "DTSTART;VALUE=DATE:20260314|BEGIN:VALARM|ACTION:DISPLAY|TRIGGER:-PT15H|END:VALARM", "DTSTART:20260314T000000|DTEND:20260314T235900|DALARM:20260313T090000", ""},
		{"alarm at a time", "2.0", "BEGIN:VALARM|ACTION:DISPLAY|TRIGGER;VALUE=DATE-TIME:20260314T090000Z|END:VALARM", "DALARM:20260314T090000Z", ""},
		{"alarm of no duration", "2.0", "BEGIN:VALARM|ACTION:DISPLAY|TRIGGER:soon|END:VALARM", "", `line 31: VALARM left out: "soon" is no duration, like PT15M`},
		{"alarm at an end", "2.0", "DTSTART:20260314T150000Z|DTEND:20260314T160000Z|BEGIN:VALARM|ACTION:DISPLAY|TRIGGER;RELATED=END:-PT5M|END:VALARM", "DTSTART:20260314T150000Z|DTEND:20260314T160000Z|DALARM:20260314T155500Z", ""},
		{"alarm at an end that is the start", "2.0", "DTSTART:20260314T150000Z|BEGIN:VALARM|ACTION:DISPLAY|TRIGGER;RELATED=END:-PT5M|END:VALARM", "DTSTART:20260314T150000Z|DALARM:20260314T145500Z", ""},
		{"rule without a start", "2.0", "RRULE:FREQ=DAILY", "", "line 31: RRULE left out: the entry has no DTSTART to count from"},
		{"an exception", "2.0", "RECURRENCE-ID:20260314T150000Z", "", "line 31: RECURRENCE-ID left out: handsets show the entry besides the occurrence that it replaces"},
		{"alarm by mail", "2.0", "BEGIN:VALARM|ACTION:EMAIL|TRIGGER:PT0S|END:VALARM", "", "line 31: VALARM left out: handsets have alarms with ACTION:DISPLAY and ACTION:AUDIO"},
		{"alarm of nothing", "2.0", "BEGIN:VALARM|ACTION:AUDIO|TRIGGER:PT0S|END:VALARM", "", "line 31: VALARM left out: the entry has no DTSTART to count from"},
		{"alarm without a trigger", "2.0", "BEGIN:VALARM|ACTION:AUDIO|END:VALARM", "", "line 31: VALARM left out: it has no TRIGGER"},
		{"second alarm", "2.0", "DTSTART:20260314T150000|BEGIN:VALARM|ACTION:AUDIO|TRIGGER:PT0S|END:VALARM|BEGIN:VALARM|ACTION:AUDIO|TRIGGER:PT1S|END:VALARM", "DTSTART:20260314T150000|AALARM:20260314T150000", "line 36: VALARM left out: the entry has an alarm before it"},
		{"end after one that is none", "2.0", "DTSTART:20260314T150000Z|DTEND:tomorrow|DTEND:20260314T160000Z", "DTSTART:20260314T150000Z|DTEND:20260314T160000Z", `line 32: DTEND left out: "tomorrow" is no date and time, like 20260314T150000Z`},
		{"duration after an end that is none", "2.0", "DTSTART:20260314T150000Z|DTEND:tomorrow|DURATION:PT1H", "DTSTART:20260314T150000Z|DTEND:20260314T160000Z", `line 32: DTEND left out: "tomorrow" is no date and time, like 20260314T150000Z`},
		{"a day with an end that is none", "2.0", "DTSTART;VALUE=DATE:20260314|DTEND:tomorrow", "DTSTART:20260314T000000|DTEND:20260314T235900", `line 32: DTEND left out: "tomorrow" is no date and time, like 20260314T150000Z`},
		{"priority after none", "2.0", "PRIORITY:0|PRIORITY:1", "PRIORITY:1", ""},
		{"rule after one that handsets lack", "2.0", "DTSTART:20260314T150000Z|RRULE:FREQ=YEARLY;BYWEEKNO=11|RRULE:FREQ=YEARLY", "DTSTART:20260314T150000Z|RRULE:YM1 #0", "line 32: RRULE left out: BYWEEKNO: such rules are not followed"},
		{"alarm after one that is none", "2.0", "DTSTART:20260314T150000|BEGIN:VALARM|ACTION:AUDIO|END:VALARM|BEGIN:VALARM|ACTION:AUDIO|TRIGGER:PT1S|END:VALARM", "DTSTART:20260314T150000|AALARM:20260314T150001", "line 32: VALARM left out: it has no TRIGGER"},
		{"a time of much text", "2.0", "DUE:2026-03-14" + strings.Repeat("-", 60), "", `line 31: DUE left out: "2026-03-14------------------------------..." is no date and time, like 20260314T150000Z`},
		{"alarm, versit", "1.0", "DALARM:20260314T150000Z;PT5M;2;Your Taxes Are Due !!!", "DALARM:20260314T150000Z;PT5M;2;Your Taxes Are Due !!!", ""},
		{"alarm, versit, of nothing", "1.0", "DALARM:;PT5M", "", `line 31: DALARM left out: "" is no date and time, like 20260314T150000Z`},
	} {
		t.Run(c.name, func(t *testing.T) {
			filler := strings.Repeat("\n", 27-strings.Count(berlin, "\n")) + berlin // the entry starts at line 30
			text := oneEntry(c.version, filler, c.in)
			object, remarks, err := smart.VCalendar(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := entryLines(t, object.Data); got != c.want || strings.TrimSpace(listed(remarks)) != c.remark {
				t.Errorf("got %s, %v", got, remarks)
			}
			if object.Port != 0x23F5 {
				t.Errorf("port %X", object.Port)
			}
			checkConversion(t, text, smart.VCalendar)
		})
	}
}

func TestVCalendarRefusals(t *testing.T) {
	const nothing = "the calendar holds no appointment (VEVENT) and no task (VTODO) that could be sent"
	for _, c := range []struct{ name, before, event, want string }{
		{"cancelled", "METHOD:CANCEL\n", "SUMMARY:x", "the calendar cancels what it holds, which handsets do not know; send a text instead"},
		{"one that is cancelled", "", "STATUS:CANCELLED", nothing + "; line 3: VTODO left out: it is cancelled, and handsets would enter it"},
		{"entries without end", strings.Repeat("BEGIN:VTODO\nEND:VTODO\n", 50), "SUMMARY:x", "line 103: more than 50 entries; send them in several messages"},
		{"a start that is none", "", "DTSTART:soon", nothing + `; line 3: VEVENT left out: its DTSTART in line 4: "soon" is no date and time, like 20260314T150000Z`},
		{"a start in no character set", "", "DTSTART;CHARSET=x-y:20260314T150000Z", nothing + `; line 3: VEVENT left out: its DTSTART in line 4: character set "x-y" is not known`},
		{"no start", "BEGIN:VEVENT\nSUMMARY:x\nEND:VEVENT\nBEGIN:VJOURNAL\nEND:VJOURNAL\n", "STATUS:CANCELLED", nothing + "; line 3: VEVENT left out: it has no DTSTART; give it the time at which it starts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := smart.VCalendar(oneEntry("2.0", c.before, c.event)); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// TestVCalendarZoneLeftOut is about time zones that cannot be read. The rest of
// the calendar goes out, with their times as those of the handset.
func TestVCalendarZoneLeftOut(t *testing.T) {
	zone := func(lines string) string { return "BEGIN:VTIMEZONE\nTZID:x\n" + lines + "END:VTIMEZONE\n" }
	standard := func(rule string) string {
		return zone("BEGIN:STANDARD\nDTSTART:20000101T000000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\n" + rule + "\nEND:STANDARD\n")
	}
	const yearly = "a rule that is not once a year; a time zone changes by FREQ=YEARLY, in one BYMONTH"
	for _, c := range []struct{ name, zone, want string }{
		{"date", zone("BEGIN:STANDARD\nRDATE:19700101T000000,soon\nEND:STANDARD\n"), `line 6: RDATE "19700101T000000,soon"`},
		{"rule without a frequency", zone("BEGIN:STANDARD\nRRULE:COUNT=3\nEND:STANDARD\n"), "line 6: FREQ is missing"},
		{"empty zone", zone(""), "a time zone with 0 rules; it has to have 1 to 64"},
		{"rules without end", zone(strings.Repeat("BEGIN:STANDARD\nEND:STANDARD\n", 65)), "a time zone with 65 rules; it has to have 1 to 64"},
		{"rule without a start", zone("BEGIN:STANDARD\nTZOFFSETTO:+0100\nEND:STANDARD\n"), "line 5: a rule without DTSTART or TZOFFSETTO"},
		{"offset", zone("BEGIN:STANDARD\nTZOFFSETTO:CET\nEND:STANDARD\n"), `line 6: "CET" is no offset from UTC, like +0100`},
		{"rule", zone("BEGIN:STANDARD\nRRULE:FREQ=NEVER\nEND:STANDARD\n"), `line 6: FREQ: "NEVER" is none of DAILY, WEEKLY, MONTHLY, YEARLY`},
		{"minutes of an offset", zone("BEGIN:STANDARD\nTZOFFSETTO:+0160\nEND:STANDARD\n"), `line 6: "+0160" is no offset from UTC, like +0100`},
		{"a rule by the day", standard("RRULE:FREQ=DAILY"), "line 9: " + yearly},
		{"a rule that ends by a number", standard("RRULE:FREQ=YEARLY;COUNT=3"), "line 9: " + yearly},
		{"a rule for every other year", standard("RRULE:FREQ=YEARLY;INTERVAL=2"), "line 9: " + yearly},
		{"a rule for two months", standard("RRULE:FREQ=YEARLY;BYMONTH=3,10;BYDAY=1SU"), "line 9: " + yearly},
		{"a rule for each month", standard("RRULE:FREQ=YEARLY;BYMONTHDAY=1"), "line 9: " + yearly},
		{"a rule by weeks", standard("RRULE:FREQ=YEARLY;BYWEEKNO=11"), "line 9: BYWEEKNO: such rules are not followed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := oneEntry("2.0", c.zone, "DTSTART;TZID=x:20260314T150000")
			object, remarks, err := smart.VCalendar(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := entryLines(t, object.Data); got != "DTSTART:20260314T150000" || len(remarks) != 2 ||
				remarks[0].String() != "line 3: VTIMEZONE left out: "+c.want || !strings.Contains(remarks[1].Text, "the local time of the handset") {
				t.Errorf("got %s, %v", got, remarks)
			}
			checkConversion(t, text, smart.VCalendar)
		})
	}
}

// TestVCalendarZone is about the days around a change. Times that a clock shows
// twice are the first, those that it skips go by the offset before.
// RFC 5545, 3.3.5.
func TestVCalendarZone(t *testing.T) {
	for _, c := range []struct{ local, want string }{
		{"20260115T120000", "20260115T110000Z"},
		{"20260715T120000", "20260715T100000Z"},
		{"20260329T015959", "20260329T005959Z"},
		{"20260329T020000", "20260329T010000Z"}, // never shown
		{"20260329T025959", "20260329T015959Z"}, // never shown
		{"20260329T030000", "20260329T010000Z"},
		{"20261025T015959", "20261024T235959Z"},
		{"20261025T020000", "20261025T000000Z"}, // shown twice
		{"20261025T025959", "20261025T005959Z"}, // shown twice
		{"20261025T030000", "20261025T020000Z"},
		{"19700715T120000", "19700715T110000Z"}, // before the rules
		{"20260101T003000", "20251231T233000Z"},
	} {
		object, _, err := smart.VCalendar(oneEntry("2.0", berlin, "DTSTART;TZID=Berlin:"+c.local))
		if err != nil {
			t.Fatal(err)
		}
		if got := entryLines(t, object.Data); got != "DTSTART:"+c.want {
			t.Errorf("%s is %s, want %s", c.local, got, c.want)
		}
	}
}

// TestVCalendarZoneEnded is about a zone whose rules have ended, America/Sao_Paulo
// as libical exports it: without a change since February 2019.
func TestVCalendarZoneEnded(t *testing.T) {
	const saoPaulo = `BEGIN:VTIMEZONE
TZID:Sao Paulo
BEGIN:DAYLIGHT
TZOFFSETFROM:-0300
TZOFFSETTO:-0200
DTSTART:20081019T000000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=3SU;UNTIL=20171015T030000Z
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:-0200
TZOFFSETTO:-0300
DTSTART:20160221T000000
RRULE:FREQ=YEARLY;BYMONTH=2;BYDAY=3SU;UNTIL=20190217T020000Z
END:STANDARD
BEGIN:DAYLIGHT
TZOFFSETFROM:-0300
TZOFFSETTO:-0200
DTSTART:20181104T000000
END:DAYLIGHT
END:VTIMEZONE
`
	for _, c := range []struct{ local, want string }{
		{"20171122T120000", "20171122T140000Z"},
		{"20180722T120000", "20180722T150000Z"},
		{"20181122T120000", "20181122T140000Z"},
		{"20190216T120000", "20190216T140000Z"},
		{"20190217T120000", "20190217T150000Z"},
		{"20261122T120000", "20261122T150000Z"},
	} {
		object, _, err := smart.VCalendar(oneEntry("2.0", saoPaulo, "DTSTART;TZID=Sao Paulo:"+c.local))
		if err != nil {
			t.Fatal(err)
		}
		if got := entryLines(t, object.Data); got != "DTSTART:"+c.want {
			t.Errorf("%s is %s, want %s", c.local, got, c.want)
		}
	}
}

// longRules is a small calendar with rules that have to be followed for all the
// years there are.
func longRules() []byte {
	event := "BEGIN:VEVENT\nDTSTART:20260302T090000\nRRULE:FREQ=MONTHLY;COUNT=9999;BYDAY=5MO" + strings.Repeat(",5MO", 365) + "\nEND:VEVENT\n"
	return []byte("BEGIN:VCALENDAR\nVERSION:2.0\n" + strings.Repeat(event, 50) + "END:VCALENDAR\n")
}

// zoneRules is a calendar with as many rules in its time zone as can be, each
// with a long list, and entries that ask for the time there.
func zoneRules() []byte {
	rule := "BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0000\nTZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=31" +
		strings.Repeat(",31", 365) + ";BYDAY=-5SU\nEND:STANDARD\n"
	event := "BEGIN:VEVENT\nDTSTART;TZID=x:20260302T090000\nDTEND;TZID=x:20260302T100000\nEND:VEVENT\n"
	return []byte("BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VTIMEZONE\nTZID:x\n" + strings.Repeat(rule, 64) + "END:VTIMEZONE\n" +
		strings.Repeat(event, 50) + "END:VCALENDAR\n")
}

// TestVCalendarWork asks for more work than any calendar of people does: for more
// days than rules are tried on.
func TestVCalendarWork(t *testing.T) {
	const tooMuch = ": the rules of the calendar take too long to follow; send its entries in several messages, or take rules out"
	rule := "|RRULE:FREQ=MONTHLY;COUNT=9999;BYDAY=5MO"
	for _, c := range []struct {
		name string
		text []byte
		want string
	}{
		{"a rule", oneEntry("2.0", "", "DTSTART:20260302T090000"+rule), "<nil>"},
		{"rules of fifty entries", longRules(), "line 111" + tooMuch},
		{"fifty rules of an entry", oneEntry("2.0", "", "DTSTART:20260302T090000"+strings.Repeat(rule, 50)), "line 3" + tooMuch},
		{"rules of a zone", zoneRules(), "line 398" + tooMuch},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := smart.VCalendar(c.text); fmt.Sprint(err) != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// BenchmarkVCalendar converts the calendars that take the most work.
func BenchmarkVCalendar(b *testing.B) {
	for _, c := range []struct {
		name string
		text []byte
	}{
		{"rules", longRules()},
		{"zone", zoneRules()},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				smart.VCalendar(c.text)
			}
		})
	}
}

// TestVCalendarRules has the examples of RFC 5545, 3.8.5.3, whose times are
// local here, and what programs write.
func TestVCalendarRules(t *testing.T) {
	const none = "handsets have no such rule"
	for _, c := range []struct{ start, rule, want string }{
		{"19970902T090000", "FREQ=DAILY;COUNT=10", "D1 #10"},
		{"19970902T090000", "FREQ=DAILY;UNTIL=19971224T000000Z", "D1 19971223T235900"},
		{"19970902T090000", "FREQ=DAILY;INTERVAL=2", "D2 #0"},
		{"19970902T090000", "FREQ=DAILY;INTERVAL=10;COUNT=5", "D10 #5"},
		{"19980101T090000", "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", none},
		{"19970902T090000", "FREQ=WEEKLY;COUNT=10", "W1 #10"},
		{"19970902T090000", "FREQ=WEEKLY;UNTIL=19971224T000000Z", "W1 19971223T235900"},
		{"19970902T090000", "FREQ=WEEKLY;INTERVAL=2;WKST=SU", "W2 #0"},
		{"19970902T090000", "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "W1 TU TH 19971002T235900"},
		{"19970901T090000", "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR", "W2 MO WE FR 19971222T235900"},
		{"19970902T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "W2 TU TH 19971016T235900"},
		{"19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "W2 TU SU 19970824T235900"},
		{"19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "W2 TU SU 19970831T235900"},
		{"19970905T090000", "FREQ=MONTHLY;COUNT=10;BYDAY=1FR", "MP1 1+ FR #10"},
		{"19970905T090000", "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", "MP1 1+ FR 19971205T235900"},
		{"19970907T090000", "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU", "MP2 1+ SU 1- SU 19980531T235900"},
		{"19970922T090000", "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "MP1 2- MO #6"},
		{"19970928T090000", "FREQ=MONTHLY;BYMONTHDAY=-3", "MD1 3- #0"},
		{"19970902T090000", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15", "MD1 2 15 19980115T235900"},
		{"19970930T090000", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1", "MD1 1 1- 19980201T235900"},
		{"19970910T090000", "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15", "MD18 10 11 12 13 14 15 19990313T235900"},
		{"19970902T090000", "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", none},
		{"19970610T090000", "FREQ=YEARLY;COUNT=10;BYMONTH=6,7", "YM1 6 7 20010710T235900"},
		{"19970310T090000", "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3", "YM2 1 2 3 20030310T235900"},
		{"19970101T090000", "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", "YD3 1 100 200 20060101T235900"},
		{"19970519T090000", "FREQ=YEARLY;BYDAY=20MO", `BYDAY: "20" is not in -5 to 5`},
		{"19970512T090000", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "BYWEEKNO: such rules are not followed"},
		{"19970313T090000", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH", none},
		{"19970902T090000", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", none},
		{"19970904T090000", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "BYSETPOS: such rules are not followed"},
		{"19970902T090000", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z", `FREQ: "HOURLY" is none of DAILY, WEEKLY, MONTHLY, YEARLY`},
		{"20261109T090000", "FREQ=MONTHLY;INTERVAL=1;BYDAY=MO;BYSETPOS=2", "MP1 2+ MO #0"}, // Outlook
		{"20261126T090000", "FREQ=YEARLY;BYDAY=4TH;BYMONTH=11", "MP12 4+ TH #0"},
		{"20261126T090000", "FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=26", "YM1 11 #0"},
		{"20261126T090000", "FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=25", none},
		{"20261126T090000", "FREQ=YEARLY;COUNT=3", "YM1 #3"},
		{"20240229T090000", "FREQ=YEARLY;COUNT=3", "YM1 20320229T235900"},
		{"20260131T090000", "FREQ=MONTHLY;COUNT=3", "MD1 20260531T235900"},
		{"20260302T090000", "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "W1 MO TU WE TH FR #0"},
		{"20260302", "FREQ=WEEKLY;UNTIL=20260316", "W1 20260316T235900"},
		{"20260302T090000", "FREQ=WEEKLY;UNTIL=20260316", "W1 20260316T235900"},
		{"20260302T090000Z", "FREQ=WEEKLY;UNTIL=20260316T085959Z", "W1 20260309T235900Z"},
		{"20260302T090000", "freq=weekly;byday=mo", "W1 MO #0"},
		{"20260302T090000", "FREQ=DAILY;INTERVAL=900;COUNT=9000", "D900 #9000"},
		{"20260302T090000", "FREQ=MONTHLY;BYMONTHDAY=2,3;COUNT=9000", "it goes on for more than 50 years"},
		{"20260302T090000", "FREQ=WEEKLY;BYDAY=X", `BYDAY: "X" is no weekday`},
		{"20260302T090000", "FREQ=WEEKLY;BYDAY=XX", `BYDAY: "XX" is no weekday`},
		{"20260302T090000", "FREQ=YEARLY;BYYEARDAY=1" + strings.Repeat(",1", 366), "BYYEARDAY: too long a list"},
		{"20260302T090000", "FREQ=DAILY;INTERVAL=0", `INTERVAL: "0" is not in 1 to 999`},
		{"20260302T090000", "INTERVAL=1;COUNT=3;FREQ=", `FREQ: "" is none of DAILY, WEEKLY, MONTHLY, YEARLY`},
		{"20260330T090000", "FREQ=MONTHLY;BYDAY=5MO,-1MO,5MO", "MP1 5+ MO 1- MO #0"},
		{"20260302T090000", "FREQ=YEARLY;BYMONTH=3,3;BYMONTHDAY=2,2", "YM1 3 #0"},
		{"20260302T090000", "W1 MO #10", "W1 MO #10"},
		{"20260302T090000", "YM1  6$ 7- LD 20260302T090000Z MD12 1+$ FR$ #3", "YM1  6$ 7- LD 20260302T090000Z MD12 1+$ FR$ #3"},
		{"20260302T090000", "W12345", `"W12345" is no rule of vCalendar 1.0, like W1 MO #10`},
		{"20260302T090000", "W1 MON", `"W1 MON" is no rule of vCalendar 1.0, like W1 MO #10`},
		{"20260302T090000", "W1 #", `"W1 #" is no rule of vCalendar 1.0, like W1 MO #10`},
		{"20260302T090000", "MP6 1+ SU MO 1200 2+ TU WE 1300 #4", "MP6 1+ SU MO 1200 2+ TU WE 1300 #4"},
		{"20260302T090000", "weekly", `"WEEKLY" is no rule of vCalendar 1.0, like W1 MO #10`},
		// Nights that are another day in UTC.
		{";TZID=Berlin:20260302T003000", "FREQ=WEEKLY;BYDAY=MO", "W1 #0"},
		{";TZID=Berlin:20260302T003000", "FREQ=WEEKLY;BYDAY=MO;COUNT=5", "W1 #5"},
		{";TZID=Berlin:20260302T003000", "FREQ=WEEKLY;BYDAY=MO,TU", "its days are those of another time zone, and in UTC they are others"},
		{";TZID=Berlin:20260302T003000", "FREQ=MONTHLY;BYDAY=1MO", "its days are those of another time zone, and in UTC they are others"},
		{";TZID=Berlin:20260302T003000", "FREQ=WEEKLY;UNTIL=20260330T000000Z", "W1 20260330T215900Z"},
	} {
		start := c.start
		if start[0] != ';' {
			start = ":" + start
		}
		object, remarks, err := smart.VCalendar(oneEntry("2.0", berlin, "DTSTART"+start+"|RRULE:"+c.rule))
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		if _, rest, ok := strings.Cut(string(object.Data), "RRULE:"); ok {
			got, _, _ = strings.Cut(rest, "\r\n")
		} else if len(remarks) == 1 {
			got = strings.TrimPrefix(remarks[0].Text, "left out: ")
		}
		if got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.start, c.rule, got, c.want)
		}
	}
}

// TestVCalendarOracleRule has another implementation follow a rule to its last
// occurrence.
func TestVCalendarOracleRule(t *testing.T) {
	lists := map[string][]string{
		"WEEKLY":  {"BYDAY=MO,WE", "BYDAY=SU,TU,SA;WKST=SU", "BYDAY=FR,SA,SU,MO"},
		"MONTHLY": {"BYMONTHDAY=1,15", "BYMONTHDAY=31", "BYMONTHDAY=-1,10", "BYDAY=1MO,-1FR", "BYDAY=5WE", "BYDAY=-2SU,2SU"},
		"YEARLY":  {"BYMONTH=2,5,11", "BYYEARDAY=60,366", "BYYEARDAY=1,100,200"},
	}
	rapid.Check(t, func(t *rapid.T) {
		freq := rapid.SampledFrom([]string{"WEEKLY", "MONTHLY", "YEARLY"}).Draw(t, "freq")
		rule := fmt.Sprintf("FREQ=%s;INTERVAL=%d;COUNT=%d;%s", freq, rapid.IntRange(1, 3).Draw(t, "interval"),
			rapid.IntRange(2, 12).Draw(t, "count"), rapid.SampledFrom(lists[freq]).Draw(t, "list"))
		start := time.Date(2026, 1, rapid.IntRange(1, 800).Draw(t, "day"), 10, 0, 0, 0, time.UTC)
		option, err := rrule.StrToROption(rule)
		if err != nil {
			t.Fatal(err)
		}
		option.Dtstart = start
		follow, err := rrule.NewRRule(*option)
		if err != nil {
			t.Fatal(err)
		}
		all := follow.All()
		last := all[len(all)-1]
		object, remarks, err := smart.VCalendar(oneEntry("2.0", "", "DTSTART:"+start.Format("20060102T150405")+"|RRULE:"+rule))
		if err != nil {
			t.Fatal(err)
		}
		if last.After(start.AddDate(50, 0, 0)) {
			if len(remarks) != 1 {
				t.Fatalf("%s from %s: %s", rule, start, object.Data)
			}
			return
		}
		if want := " " + last.Format("20060102") + "T235900\r\n"; !strings.Contains(string(object.Data), want) {
			t.Fatalf("%s from %s: no %q in %s, %v", rule, start, want, object.Data, remarks)
		}
	})
}

// TestVCalendarOracle has another implementation write the calendar.
func TestVCalendarOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		summary := rapid.StringMatching(`[A-Za-z ,;\\äöüЖ=:"]{1,60}[a-z]`).Draw(t, "summary")
		start := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "start"), 0).UTC()
		event := goical.NewEvent()
		event.Props.SetText("UID", "x")
		event.Props.SetDateTime("DTSTAMP", start)
		event.Props.SetText("SUMMARY", summary)
		event.Props.SetDateTime("DTSTART", start)
		length := time.Duration(rapid.IntRange(1, 99999).Draw(t, "length")) * time.Second
		duration := goical.NewProp("DURATION")
		duration.SetDuration(length)
		event.Props.Set(duration)
		source := goical.NewCalendar()
		source.Props.SetText("VERSION", "2.0")
		source.Props.SetText("PRODID", "x")
		source.Children = append(source.Children, event.Component)
		var text bytes.Buffer
		if err := goical.NewEncoder(&text).Encode(source); err != nil {
			t.Fatal(err)
		}
		object, _, err := smart.VCalendar(text.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		described, err := smart.DescribeVObject(object.Data)
		if err != nil {
			t.Fatal(err)
		}
		const form = "20060102T150405Z"
		for _, want := range []string{"SUMMARY: " + summary, "DTSTART: " + start.Format(form), "DTEND: " + start.Add(length).Format(form)} {
			if !strings.Contains("\n"+strings.Join(described, "\n")+"\n", "\n"+want+"\n") {
				t.Fatalf("no %q in %q, made of %q", want, described, &text)
			}
		}
	})
}
