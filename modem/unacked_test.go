package modem_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/sim"
)

// TestUnacknowledged: a module that got no acknowledgement in time passes nothing
// on any more (3GPP TS 27.005, 3.4.4). It is told to do so again by itself.
func TestUnacknowledged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		since time.Duration // the last look at the module; the next is 30 s after it, the module waits for 15 s
		begin func(b *bench)
		lost  int // reports
	}{
		{"not kept, looked at after that", 10 * time.Second, func(b *bench) { b.in.set(1, nil) }, 0},
		{"not kept, looked at before that", 20 * time.Second, func(b *bench) { b.in.set(1, nil) }, 0},
		{"code lost", 10 * time.Second, func(b *bench) { b.sayOnce("+CDS:", "XXX:") }, 11}, // until the next sweep
		{"AT+CNMA lost", 10 * time.Second, func(b *bench) { b.hearOnce("+CNMA\r", "") }, 0},
		{"TPDU lost", 10 * time.Second, func(b *bench) { b.sayOnce("\r\n07", "\r\nxx") }, 0},
		{"line lost", 10 * time.Second, func(b *bench) { b.sayOnce("\r\n07", " ") }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, sim.NetworkOptions{}, sim.Options{Profile: "tc35"}, modem.Config{}, func(b *bench) {
				b.run()
				b.within(time.Minute, "ready", func(f modem.Facts) bool { return f.State() == modem.Ready })
				time.Sleep(tt.since)
				tt.begin(b)
				const sent = 30
				for i := range sent {
					b.sendUntilSent(int64(i), fmt.Sprint(i))
					time.Sleep(time.Minute)
				}
				got := 0
				for mr := range sent {
					got += min(1, b.log.count(fmt.Sprintf("report %d 0", mr+1)))
				}
				if lost := sent - got; lost > tt.lost {
					t.Errorf("%d reports of %d are lost", lost, sent)
				}
				if b.log.count(fmt.Sprintf("report %d 0", sent)) != 1 {
					t.Error("the last one is")
				}
			})
		})
	}
}

// hearOnce changes what the module hears, the first time that it has that in it.
func (b *bench) hearOnce(from, to string) { b.wire.change(once(from, to), nil) }

// sayOnce is hearOnce for what it says.
func (b *bench) sayOnce(from, to string) { b.wire.change(nil, once(from, to)) }

func once(from, to string) func(string) string {
	done := false
	return func(s string) string {
		if done || !strings.Contains(s, from) {
			return s
		}
		done = true
		return strings.Replace(s, from, to, 1)
	}
}
