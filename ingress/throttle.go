package ingress

import (
	"sync"
	"time"
)

// Throttle lets each of many keys do something a number of times at once, and
// then at a rate. It forgets keys that are at rest, and holds at most
// throttleKeys of them. It may be used concurrently.
type Throttle struct {
	Burst int           // times at once
	Every time.Duration // and one more each

	mu    sync.Mutex
	spent map[string]time.Time // when the key has all its burst back
}

// throttleKeys bounds the memory that strangers can make a Throttle take.
const throttleKeys = 4096

// Ready reports whether the key has a time left.
func (t *Throttle) Ready(key string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ready(key, now)
}

// Spend takes one of the key's times, and reports whether it had one left.
func (t *Throttle) Spend(key string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ready(key, now) {
		return false
	}
	if t.spent == nil {
		t.spent = make(map[string]time.Time)
	}
	full, ok := t.spent[key]
	if !ok && len(t.spent) >= throttleKeys {
		t.forget(now)
	}
	if full.Before(now) {
		full = now
	}
	t.spent[key] = full.Add(t.Every)
	return true
}

func (t *Throttle) ready(key string, now time.Time) bool {
	return t.spent[key].Sub(now) <= time.Duration(t.Burst-1)*t.Every
}

// forget makes room: by the keys at rest, and if there are none by any one.
func (t *Throttle) forget(now time.Time) {
	for key, full := range t.spent {
		if !full.After(now) {
			delete(t.spent, key)
		}
	}
	for key := range t.spent {
		if len(t.spent) < throttleKeys {
			return
		}
		delete(t.spent, key)
	}
}
