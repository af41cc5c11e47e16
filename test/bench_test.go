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

// BenchmarkAccept measures how many mails a second are accepted durably, by the
// gateway and by a Postfix that keeps the same mails on the same disk, in turn.
func BenchmarkAccept(b *testing.B) {
	const mails, rounds = 5000, 3
	var rows [][]string
	for _, connections := range []int{1, 100} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			w := newWorld(b, setting{})
			w.start()
			p := newPostfix(b, holds)
			pour(b, w.smtp, connections, 2) // neither starts cold
			pour(b, p.address, connections, 2)
			var ours, theirs []float64
			for b.Loop() {
				for range rounds {
					ours = append(ours, mailsPerSecond(b, w.smtp, connections, mails))
					theirs = append(theirs, mailsPerSecond(b, p.address, connections, mails))
				}
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			mine, other := ours[len(ours)/2], theirs[len(theirs)/2]
			b.ReportMetric(mine, "mails/s")
			b.ReportMetric(mine/other, "times-postfix")
			rows = append(rows, []string{fmt.Sprint(connections), fmt.Sprintf("%.0f", mine), fmt.Sprintf("%.0f", other), fmt.Sprintf("%.1f", mine/other)})
		})
	}
	show("Mails accepted durably, a second", []string{"connections", "cellpost", "Postfix", "ratio"}, rows)
}

func mailsPerSecond(b *testing.B, address string, connections, mails int) float64 {
	b.Helper()
	begin := time.Now()
	pour(b, address, connections, mails/connections)
	return float64(mails) / time.Since(begin).Seconds()
}

// pour sends n mails over each of some connections at a time.
func pour(t testing.TB, address string, connections, n int) {
	var senders sync.WaitGroup
	for range connections {
		senders.Go(func() {
			c, err := smtp.Dial(address)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for range n {
				if err := deliver(c, script("to:448311234567", "text:Meet me at home")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
}
