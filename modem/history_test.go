package modem

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHistory(t *testing.T) {
	type look struct {
		at       time.Duration
		operator string
		network  Network
		dBm      int
	}
	for _, tt := range []struct {
		name  string
		looks []look
		want  string // at: operator, registration, signal (weakest)
	}{
		{"one", []look{{0, "A", NetworkHome, -77}}, "0s: A home -77 (-77)"},
		{"every five minutes, with the weakest", []look{
			{0, "A", NetworkHome, -77}, {time.Minute, "A", NetworkHome, -101}, {4 * time.Minute, "A", NetworkHome, 0}, {5 * time.Minute, "A", NetworkHome, -80},
			{6 * time.Minute, "A", NetworkHome, -79}, {11 * time.Minute, "A", NetworkHome, -78},
		}, "0s: A home -77 (-77)|5m0s: A home -80 (-101)|11m0s: A home -78 (-79)"},
		{"changes at once", []look{
			{0, "A", NetworkHome, -77}, {time.Second, "", NetworkSearching, 0}, {2 * time.Second, "B", NetworkRoaming, -90}, {3 * time.Second, "C", NetworkRoaming, -91}, {4 * time.Second, "C", NetworkRoaming, -92},
		}, "0s: A home -77 (-77)|1s:  searching 0 (0)|2s: B roaming -90 (-90)|3s: C roaming -91 (-91)"},
		{"a week", []look{{0, "A", NetworkHome, -77}, {time.Hour, "A", NetworkHome, -78}, {historyFor + time.Minute, "A", NetworkHome, -79}},
			"1h0m0s: A home -78 (-78)|168h1m0s: A home -79 (-79)"},
	} {
		var h history
		for _, l := range tt.looks {
			h.add(callsBegin.Add(l.at), l.operator, l.network, l.dBm)
		}
		var got []string
		for _, r := range h.list() {
			got = append(got, fmt.Sprintf("%v: %s %s %d (%d)", r.At.Sub(callsBegin), r.Operator, r.Network, r.SignalDBm, r.MinDBm))
		}
		if got := strings.Join(got, "|"); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestHistoryBounds: whatever happens, the list is in order, of a week at most,
// and short; the last change is in it.
func TestHistoryBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h history
		now, operator := callsBegin, ""
		for range rapid.IntRange(1, 40).Draw(t, "looks") {
			for range rapid.SampledFrom([]int{1, 1, 1, 300}).Draw(t, "times") {
				now = now.Add(time.Duration(rapid.IntRange(0, 12*60*60).Draw(t, "seconds")) * time.Second)
				operator = rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "operator")
				h.add(now, operator, NetworkHome, -rapid.IntRange(51, 113).Draw(t, "signal"))
			}
		}
		got := h.list()
		if len(got) == 0 || len(got) > maxReadings || now.Sub(got[0].At) > historyFor+readEvery || got[len(got)-1].Operator != operator {
			t.Fatalf("%d readings, the first %+v", len(got), got[0])
		}
		if !slices.IsSortedFunc(got, func(a, b Reading) int { return a.At.Compare(b.At) }) {
			t.Fatal("out of order")
		}
		if slices.ContainsFunc(got, func(r Reading) bool { return r.MinDBm > r.SignalDBm }) {
			t.Fatal("a signal weaker than the weakest")
		}
	})
}

func TestHistoryFlapping(t *testing.T) {
	var h history
	for i := range maxReadings + 9 {
		h.add(callsBegin.Add(time.Duration(i)*time.Second), fmt.Sprint(i%2), NetworkHome, -70)
	}
	if got := h.list(); len(got) != maxReadings || got[maxReadings-1].At.Sub(callsBegin) != time.Duration(maxReadings+8)*time.Second {
		t.Errorf("%d readings", len(got))
	}
}
