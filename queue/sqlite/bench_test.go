package sqlite

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// BenchmarkAdd stores one message a call: alone each pays its fsync, together
// they share one.
func BenchmarkAdd(b *testing.B) {
	for _, producers := range []int{1, 100} {
		b.Run(fmt.Sprintf("producers=%d", producers), func(b *testing.B) {
			s := openTest(b, &sms.Rules{})
			serve(b, s)
			addShop(b, s)
			b.SetParallelism(max(1, producers/runtime.GOMAXPROCS(0)))
			if producers == 1 {
				for b.Loop() {
					if err := s.Add(b.Context(), batch(1)); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.Add(b.Context(), batch(1)); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkAddBatch stores one submission of 10,000 messages a call.
func BenchmarkAddBatch(b *testing.B) {
	s := openTest(b, &sms.Rules{})
	addShop(b, s)
	for b.Loop() {
		if err := s.Add(b.Context(), batch(10_000)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/message")
}

// BenchmarkClaimSettle is one hand-over by one line: two commits. It must not
// depend on how many messages wait, and hardly on what limits the SIM has.
func BenchmarkClaimSettle(b *testing.B) {
	limits := sms.Limits{PerMinute: 1e7, PerHour: 1e7, PerDay: 1e7, PerMonth: 1e7, Hours: sms.Hours{Until: 24 * time.Hour}}
	limited := &sms.Rules{PerSIM: map[string]sms.SIM{"a": {Limits: limits}}}
	for _, c := range []struct {
		name   string
		queued int
		rules  *sms.Rules
	}{
		{"queued=1000", 1_000, &sms.Rules{}},
		{"queued=1000,limits", 1_000, limited},
		{"queued=1000000", 1_000_000, &sms.Rules{}},
	} {
		b.Run(c.name, func(b *testing.B) { claimSettle(b, c.queued, c.rules) })
	}
}

func claimSettle(b *testing.B, queued int, rules *sms.Rules) {
	s := openTest(b, rules)
	serve(b, s)
	addShop(b, s)
	for left := queued; left > 0; left -= queue.LargeBatch {
		if err := s.Add(b.Context(), batch(queue.LargeBatch)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		c, err := s.Claim(b.Context(), queue.By{SIM: "a", Modem: "m"})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Settle(b.Context(), c, sms.Outcome{Kind: sms.Accepted, MR: byte(c.Attempt)}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer() // the queue stays as long as it was
		if err := s.Add(b.Context(), batch(1)); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
