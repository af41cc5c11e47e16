package modem_test

import (
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/sim"
)

// spoilOnce changes what passes the first time that a pattern is there.
func spoilOnce(pattern, with string) func(string) string {
	re := regexp.MustCompile(pattern)
	var done atomic.Bool
	return func(s string) string {
		if !re.MatchString(s) || !done.CompareAndSwap(false, true) {
			return s
		}
		return re.ReplaceAllString(s, with)
	}
}

// TestSpoiltAnswer: what comes between the lines of a stored message, or is lost
// of them, neither delays the message nor makes it one that cannot be read.
func TestSpoiltAnswer(t *testing.T) {
	const head = `(\+CMG[LR]: [^\r]*\r\n)`
	for _, tt := range []struct{ name, pattern, with string }{
		{"a line before", head, "^UNHEARDOF: 12\r\n$1"},
		{"a line inside", head, "$1^UNHEARDOF: 12\r\n"},
		{"digits inside", head, "${1}0012\r\n"},
		{"two lines inside", head, "$1^UNHEARDOF: 12\r\n\r\nWHAT ELSE\r\n"},
		{"a line inside the TPDU", head + `([0-9A-F]{20})`, "$1$2^UNHEARDOF: 12\r\n"},
		{"half of the TPDU", head + `([0-9A-F]{30})[0-9A-F]*`, "$1$2"},
		{"the TPDU lost", head + `[0-9A-F]+\r\n`, "$1"},
	} {
		for _, profile := range []string{"sim800l", "e1750"} { // list and index by index
			for _, stored := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, stored before %v", tt.name, profile, stored), func(t *testing.T) {
					t.Parallel()
					bubble(t, sim.NetworkOptions{}, sim.Options{Profile: profile}, short, func(b *bench) {
						if stored {
							b.store("one", "two")
							b.wire.change(nil, spoilOnce(tt.pattern, tt.with))
							b.run()
							b.readyIn(0, time.Minute)
						} else {
							b.run()
							b.readyIn(0, time.Minute)
							b.wire.change(nil, spoilOnce(tt.pattern, tt.with))
							b.store("one", "two")
						}
						time.Sleep(time.Second)
						b.once("received one", "received two")
						if f := b.m.Facts(); f.Stuck > 0 || f.Stalls > 0 {
							t.Errorf("facts: %+v", f)
						}
					})
				})
			}
		}
	}
}

// once looks that lines were written down once each.
func (b *bench) once(lines ...string) {
	b.t.Helper()
	for _, line := range lines {
		if n := b.log.count(line); n != 1 {
			b.t.Errorf("%q is there %d times", line, n)
		}
	}
}

// TestWrongLength: a module that names a length which is not that of the TPDU is
// believed the TPDU.
func TestWrongLength(t *testing.T) {
	for _, profile := range []string{"sim800l", "e1750"} {
		bubble(t, sim.NetworkOptions{}, sim.Options{Profile: profile}, short, func(b *bench) {
			re := regexp.MustCompile(`(\+CMG[LR]: [^\r]*,)\d+\r`)
			b.wire.change(nil, func(s string) string { return re.ReplaceAllString(s, "${1}99\r") })
			b.store("listed")
			b.run()
			b.readyIn(0, time.Minute)
			b.store("announced")
			time.Sleep(time.Second)
			b.once("received listed", "received announced")
		})
	}
}

// TestReportMemory: a stored report is read where the family keeps reports,
// whatever memory its announcement names, and not by way of looking through all.
func TestReportMemory(t *testing.T) {
	for _, tt := range []struct{ profile, said, kept string }{
		{"ec25", "SM", "SR"},
		{"m66-ds", "SR", "SM"},
		{"wavecom", "SM", "SR"},
	} {
		t.Run(tt.profile, func(t *testing.T) {
			t.Parallel()
			bubble(t, sim.NetworkOptions{}, sim.Options{Profile: tt.profile}, short, func(b *bench) {
				announced := regexp.MustCompile(`\+CDSI: .*`)
				directly := regexp.MustCompile(`(\+CNMI=\d,\d,\d),1,\d`)
				b.wire.change(func(s string) string { return directly.ReplaceAllString(s, "$1,9") }, func(s string) string {
					return announced.ReplaceAllString(s, fmt.Sprintf(`+CDSI: %q,1`+"\r", tt.said))
				})
				b.run()
				b.readyIn(0, time.Minute)
				from := b.log.len()
				for i := range 3 {
					b.sentBy(0, fmt.Sprint(i))
					time.Sleep(time.Second)
				}
				got := b.log.from(from)
				b.once("report 1 0", "report 2 0", "report 3 0")
				if i := first(got, "AT+CMGL"); i >= 0 {
					t.Errorf("looked through at %d", i)
				}
				inOrder(t, got, "AT+CMGS", "AT+CMGR=1", "report 1 0", "AT+CMGD=1")
				if other := fmt.Sprintf("AT+CPMS=%q", tt.said); tt.kept == "SR" && first(got, other) >= 0 {
					t.Errorf("%s was looked into", tt.said)
				}
			})
		})
	}
}

// TestOddAnnouncements: whatever the announcement of a stored message or report
// looks like, it is taken in, long before the memories are looked through anyway.
func TestOddAnnouncements(t *testing.T) {
	for _, tt := range []struct {
		where string
		most  time.Duration
	}{
		{`: "SM",1`, time.Second},
		{`:"SM",1`, time.Second},
		{`: SM,1`, time.Second},
		{`: "SM", 1`, time.Second},
		{`: "SM","1"`, time.Second},
		{`: "SM",01`, time.Second},
		{`: "SM",1,"MMS PUSH"`, time.Second},
		{`: "SM",1,2`, time.Second},
		{`: "SM",-1`, time.Second},
		{`: ,-1`, time.Second},
		{`: ,1`, time.Second},
		{`: 1`, time.Second},
		{`: "SM"`, time.Second},
		{`: "SM",`, time.Second},
		{`: "SM",0`, time.Second},
		{`: "SM",one`, time.Second},
		{`: "SM",99999999999999999999`, time.Second},
		{`:`, time.Second},
		{``, time.Second},
		{`: "SM",2`, lookIn},
		{`: "SM",255`, lookIn},
		{`: "SM",65535`, lookIn},
		{`: "XX",1`, lookIn},
		{`: "sm",1`, lookIn},
		{`: "MT",1`, lookIn},
		{`: "SR",1`, lookIn},
	} {
		for _, code := range []string{"+CMTI", "+CDSI"} {
			t.Run(code+tt.where, func(t *testing.T) {
				t.Parallel()
				bubble(t, sim.NetworkOptions{}, sim.Options{Profile: "sim800l"}, short, func(b *bench) { b.announced(code, tt.where, tt.most) })
			})
		}
	}
}

// lookIn is how soon what could not be read is looked for again.
const lookIn = 31 * time.Second

func (b *bench) announced(code, where string, most time.Duration) {
	b.t.Helper()
	direct := regexp.MustCompile(`(\+CNMI=\d,\d,\d),1,\d`)
	announced := regexp.MustCompile(`\+(CMT|CDS)I[^\r]*`)
	b.wire.change(func(s string) string { return direct.ReplaceAllString(s, "$1,2,0") },
		func(s string) string { return announced.ReplaceAllLiteralString(s, code+where) })
	b.run()
	b.readyIn(0, time.Minute)
	b.store("hello")
	want := "received hello"
	b.within(most, "taken in", func(modem.Facts) bool { return b.log.count(want) > 0 })
	time.Sleep(lookIn)
	b.once(want)
	if f := b.m.Facts(); f.State() != modem.Ready || f.Stalls > 0 || strings.Contains(b.log.String(), "level=ERROR") {
		b.t.Errorf("facts: %+v", f)
	}
}
