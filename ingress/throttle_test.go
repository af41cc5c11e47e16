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
	if now = now.Add(time.Second); !th.Spend("a", now) || th.Spend("a", now) {
		t.Error("a second later there should be one use, and only one")
	}
	if now = now.Add(time.Hour); !th.Spend("a", now) || !th.Spend("a", now) || !th.Spend("a", now) || th.Spend("a", now) {
		t.Error("an hour later there should be three uses, and not more")
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
