package modem

import (
	"context"
	"sync"
	"time"
)

// traceKept is how many lines of a dialogue are kept: a bring-up and a few
// messages.
const traceKept = 200

// TraceLine is a line of a dialogue with numbers and contents masked.
type TraceLine struct {
	At   time.Time
	Sent bool // to the modem, not from it
	Text string
}

// Trace keeps the last 200 lines of a dialogue and shows them to who follows it.
// Lines are masked before they are kept. Safe for concurrent use.
type Trace struct {
	mu      sync.Mutex // guards what follows
	mask    mask
	ring    [traceKept]TraceLine
	count   int64         // lines so far; line n is at n % traceKept
	changed chan struct{} // not nil: somebody waits, and it is closed at the next line
}

// add takes a line as the Trace of an at.Config gets it. It waits for nobody.
func (t *Trace) add(dir byte, line string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ring[t.count%traceKept] = TraceLine{At: now, Sent: dir == '>', Text: t.mask.line(dir, line)}
	t.count++
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// Lines returns the last lines, the oldest first.
func (t *Trace) Lines() []TraceLine {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines, _ := t.from(0)
	return lines
}

// from returns the lines from number n on, and how many of them are lost. The
// caller holds the mutex.
func (t *Trace) from(n int64) (lines []TraceLine, lost int64) {
	first := max(n, t.count-traceKept)
	for i := first; i < t.count; i++ {
		lines = append(lines, t.ring[i%traceKept])
	}
	return lines, first - n
}

// Follow shows the lines that are kept and those to come, in order, until ctx
// ends or show fails; it returns why. The dialogue does not wait for show: lost
// is how many lines are missing before this one, because show took too long.
func (t *Trace) Follow(ctx context.Context, show func(line TraceLine, lost int64) error) error {
	t.mu.Lock()
	next := max(0, t.count-traceKept)
	t.mu.Unlock()
	for {
		lines, lost, changed := t.await(next)
		for _, line := range lines {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := show(line, lost); err != nil {
				return err
			}
			next += lost + 1
			lost = 0
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// await is from, with what tells that there is more.
func (t *Trace) await(n int64) (lines []TraceLine, lost int64, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	lines, lost = t.from(n)
	return lines, lost, t.changed
}
