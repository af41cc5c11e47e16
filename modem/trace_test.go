package modem

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func (t *Trace) addLines(from, to int) {
	for i := from; i < to; i++ {
		t.add('<', fmt.Sprint(i), time.Now())
	}
}

func TestTraceLines(t *testing.T) {
	for _, n := range []int{0, 1, traceKept, traceKept + 1, 3 * traceKept} {
		var trace Trace
		trace.addLines(0, n)
		lines := trace.Lines()
		if len(lines) != min(n, traceKept) {
			t.Errorf("of %d lines %d are kept", n, len(lines))
		}
		for i, line := range lines {
			if line.Text != fmt.Sprint(n-len(lines)+i) || line.Sent || line.At.IsZero() {
				t.Fatalf("line %d of %d: %+v", i, n, line)
			}
		}
	}
}

// TestFollow: a follower gets what is kept and what comes, in order. One that is
// slow is told how much it missed, and nobody waits for it.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var trace Trace
		trace.addLines(0, 3)
		ctx, cancel := context.WithCancel(t.Context())
		type shown struct {
			text string
			lost int64
		}
		var quick, slow []shown
		stuck := make(chan struct{})
		var running sync.WaitGroup
		running.Go(func() {
			err := trace.Follow(ctx, func(line TraceLine, lost int64) error {
				quick = append(quick, shown{line.Text, lost})
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		running.Go(func() {
			trace.Follow(ctx, func(line TraceLine, lost int64) error {
				slow = append(slow, shown{line.Text, lost})
				if line.Text == "4" {
					<-stuck
				}
				return nil
			})
		})
		synctest.Wait()
		for i := 3; i < 500; i++ {
			trace.addLines(i, i+1)
			synctest.Wait()
		}
		close(stuck)
		synctest.Wait()
		cancel()
		running.Wait()
		for i, s := range quick {
			if s != (shown{fmt.Sprint(i), 0}) {
				t.Fatalf("quick: %d: %+v", i, s)
			}
		}
		if len(quick) != 500 || len(slow) != 5+traceKept {
			t.Fatalf("%d and %d lines", len(quick), len(slow))
		}
		if slow[4] != (shown{"4", 0}) || slow[5] != (shown{fmt.Sprint(500 - traceKept), 500 - traceKept - 5}) || slow[6].lost != 0 {
			t.Errorf("slow: %+v", slow[4:7])
		}
	})
}

func TestFollowerFails(t *testing.T) {
	var trace Trace
	trace.addLines(0, 3)
	gone := errors.New("the browser is gone")
	n := 0
	err := trace.Follow(t.Context(), func(TraceLine, int64) error {
		n++
		return gone
	})
	if !errors.Is(err, gone) || n != 1 {
		t.Errorf("%v after %d", err, n)
	}
}
