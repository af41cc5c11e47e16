package modem

import (
	"slices"
	"sync"
	"time"
)

// Reading is how the radio of a modem stood at a time.
type Reading struct {
	At        time.Time
	Operator  string // empty: none, or not told
	Network   Network
	SignalDBm int // as it was last; 0: not known
	MinDBm    int // the weakest since the reading before; 0: not known
}

const (
	readEvery   = 5 * time.Minute
	historyFor  = 7 * 24 * time.Hour
	maxReadings = 2 * int(historyFor/readEvery) // so many changes as readings by the clock; a week of flapping keeps less than a week
)

// history is what was read of the radio in the last seven days: every five
// minutes, and at each change of operator or registration. The zero value is
// ready.
type history struct {
	mu       sync.Mutex // guards what follows
	readings []Reading  // the newest last
	weakest  int        // since the last of them
}

// add takes what was just read. It need not come at regular times.
func (h *history) add(now time.Time, operator string, n Network, dBm int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.weakest = weaker(h.weakest, dBm)
	if last := len(h.readings) - 1; last >= 0 {
		r := h.readings[last]
		if r.Operator == operator && r.Network == n && now.Sub(r.At) < readEvery {
			return
		}
	}
	old := 0
	for old < len(h.readings) && (len(h.readings)-old >= maxReadings || now.Sub(h.readings[old].At) > historyFor) {
		old++
	}
	h.readings = append(slices.Delete(h.readings, 0, old), Reading{now, operator, n, dBm, h.weakest})
	h.weakest = 0
}

// list returns the readings, the oldest first.
func (h *history) list() []Reading {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.readings)
}

// weaker is the weaker of two signals that are known.
func weaker(a, b int) int {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}
