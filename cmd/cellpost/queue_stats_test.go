package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// TestPrintStats: what people read, of a store with something of everything.
func TestPrintStats(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	rules := &sms.Rules{Routes: []sms.Route{{Prefix: "44", Tiers: [][]string{{"a"}, {"b"}}}}}
	s := queue.Stats{
		At: at, Lately: 20, Against: 10 * time.Minute,
		Stored: []queue.Count{{Account: "shop", State: sms.Queued, Priority: 1, N: 2}, {Account: "shop", State: sms.Scheduled, Priority: 3, N: 5}, {Account: "shop", State: sms.Sent, Priority: 3, N: 9}},
		Lanes: []queue.Waiting{
			{Lane: "44/1", N: 2, First: sms.ID{15: 1}, Since: at.Add(-90 * time.Second)},
			{Lane: "sim:z", N: queue.CountMost, First: sms.ID{15: 2}, Since: at.Add(time.Minute)},
		},
		Totals: queue.Totals{Accepted: 16, Sent: 9, InDoubt: 3, Cleared: 1},
	}
	for i := range accountsShown {
		s.Stored = append(s.Stored, queue.Count{Account: fmt.Sprintf("customer %02d", i), State: sms.Unknown, Priority: 2, N: 1})
	}
	v := viewStats(s, rules)
	if v.Rate != 2 || v.Queued != 2 || len(v.Accounts) != accountsShown || v.More != 1 || v.Oldest.Seconds != 90 {
		t.Errorf("%+v", v)
	}
	v.Running, v.Serving, v.EmptyIn = true, []string{"a"}, 60
	v.Lanes[1].Unserved = true
	var out strings.Builder
	if err := printStats(&out, v); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"STATE       QUEUE 1   QUEUE 2   QUEUE 3       ALL\n", "scheduled         0         0         5         5\n", "unknown           0        20         0        20\n",
		"ACCOUNT        QUEUED     LATER   SENDING   UNKNOWN\nshop                2         5         0         0\n",
		"further accounts: 1\n", "SIMs in service: a\n", "due for longest: 00000000000000000000000000000001, 1m30s\n",
		"2.0 messages a minute left lately: the 2 that are queued take about 1m0s more\n",
		"at least 10000 wait for z: none is in service (see cellpost doctor)\n",
		"16 accepted, 9 sent,", "3 unknown (1 cleared up)",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
