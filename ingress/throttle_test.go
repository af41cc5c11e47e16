package ingress

import (
	"strconv"
	"testing"
	"time"
)

func TestThrottle(t *testing.T) {
	now := time.Unix(1000, 0)
	th := Throttle{Burst: 3, Every: time.Second}
	for i := range 3 {
		if !th.Ready("a", now) || !th.Spend("a", now) {
			t.Fatalf("use %d of 3 refused", i+1)
		}
	}
	if th.Ready("a", now) || th.Spend("a", now) {
		t.Error("a fourth use was allowed")
	}
	if !th.Spend("b", now) {
		t.Error("one key's uses count for another")
	}
	for later, want := range map[time.Duration]int{time.Second: 1, time.Hour: 3} {
		th := Throttle{Burst: 3, Every: time.Second}
		for th.Spend("a", now) {
		}
		got := 0
		for th.Spend("a", now.Add(later)) {
			got++
		}
		if got != want {
			t.Errorf("%v later there are %d uses, want %d", later, got, want)
		}
	}
}

func TestThrottleIsBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	th := Throttle{Burst: 1, Every: time.Hour}
	for i := range 3 * throttleKeys {
		th.Spend(strconv.Itoa(i), now)
		if len(th.spent) > throttleKeys {
			t.Fatalf("%d keys held", len(th.spent))
		}
	}
	th.Spend("after a rest", now.Add(2*time.Hour))
	if len(th.spent) != 1 {
		t.Errorf("%d keys held, want only the one that is not at rest", len(th.spent))
	}
}
