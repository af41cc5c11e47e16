package test

import (
	"fmt"
	"net/smtp"
	"slices"
	"sync"
	"testing"
	"time"

	"cellpost/modem/sim"
)

// quantile returns the q-th (0 to 1) of values, which it sorts.
func quantile(values []time.Duration, q float64) time.Duration {
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)]
}

func reportMillis(b *testing.B, values []time.Duration, what string) {
	b.Helper()
	for name, q := range map[string]float64{"median": 0.5, "p99": 0.99} {
		b.ReportMetric(float64(quantile(values, q))/float64(time.Millisecond), what+"-"+name+"-ms")
	}
}

// BenchmarkFirstOctet measures the time from the 250 of a mail to the first
// octet of its AT+CMGS, on a modem that is idle.
func BenchmarkFirstOctet(b *testing.B) {
	heard := make(chan time.Time, 1)
	w := newWorld(b, setting{modems: 1, options: sim.Options{Heard: func(at time.Time) { heard <- at }}})
	w.start()
	w.mustMail("to:448311234567", "text:warm")
	<-heard
	var waits []time.Duration
	for b.Loop() {
		for range 200 {
			w.mustMail("to:448311234567", "text:now")
			answered := time.Now()
			waits = append(waits, max(0, (<-heard).Sub(answered)))
		}
	}
	reportMillis(b, waits, "wait")
}

// BenchmarkAccept measures how many mails a second are accepted durably.
func BenchmarkAccept(b *testing.B) {
	for _, connections := range []int{1, 100} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			w := newWorld(b, setting{})
			w.start()
			const mails = 5000
			for b.Loop() {
				w.pour(connections, mails/connections)
			}
			b.ReportMetric(float64(mails)*float64(b.N)/b.Elapsed().Seconds(), "mails/s")
		})
	}
}

// pour sends n mails over each of some connections at a time.
func (w *world) pour(connections, n int) {
	var senders sync.WaitGroup
	for range connections {
		senders.Go(func() {
			c, err := smtp.Dial(w.smtp)
			if err != nil {
				w.t.Error(err)
				return
			}
			defer c.Close()
			for range n {
				if err := deliver(c, script("to:448311234567", "text:Meet me at home")); err != nil {
					w.t.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
}
