package test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// BenchmarkLargeMail measures mails of as many csv lines as a mail may have, from the
// first octet to 250, and the memory of the gateway: of one, and of two at a time, while
// a modem sends.
func BenchmarkLargeMail(b *testing.B) {
	var lines strings.Builder
	for i := range oneSubmission {
		fmt.Fprintf(&lines, "csv:4477%08d,anna%d,%08d\r\n", 1_000_000+i, i, i)
	}
	body := script("text:Hello #field1#, parcel #field2# comes at nine tomorrow", "reply:ops@example.com", lines.String())
	var rows [][]string
	for _, at := range []int{1, 2} {
		b.Run(fmt.Sprintf("at=%d", at), func(b *testing.B) {
			for b.Loop() {
				took, rss := pourLarge(b, body, at)
				b.ReportMetric(took.Seconds(), "s")
				b.ReportMetric(rss/(1<<20), "MiB")
				rows = append(rows, []string{fmt.Sprint(at), fmt.Sprintf("%.1f", took.Seconds()), fmt.Sprintf("%.0f", rss/(1<<20)), "< 128"})
			}
		})
	}
	show(fmt.Sprintf("Mails of %d csv lines", oneSubmission), []string{"at a time", "s to 250", "peak RSS MiB", "aim"}, rows)
}

// pourLarge sends a mail so many times at once to a new gateway, and returns what that
// took of time and, in octets, of memory, once the answers have left.
func pourLarge(b *testing.B, body string, at int) (time.Duration, float64) {
	w := newWorld(b, setting{modems: 1})
	g := w.start()
	began := time.Now()
	errs := make(chan error, at)
	for range at {
		go func() { errs <- w.mail(body) }()
	}
	for range at {
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(began)
	for range at {
		w.mails.next(b)
	}
	rss := peak(b, g.Process.Pid)
	g.stop(b)
	w.end()
	return took, rss
}
