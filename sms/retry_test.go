package sms

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestRetry: what an operator may send again, when, and how.
func TestRetry(t *testing.T) {
	one := []Part{{N: 1, State: Queued}}
	left := []Part{{N: 1, State: Sent, SIM: "a"}, {N: 2, State: Unknown}}
	hour := start.Add(time.Hour)
	for _, c := range []struct {
		name  string
		m     Message
		left  bool
		no    string // why not
		lane  Lane
		again bool // all parts start over
	}{
		{"failed", Message{State: Failed, Parts: one}, false, "", "44/0", true},
		{"failed after one part", Message{State: Failed, Parts: left}, true, "", "44/0", true},
		{"dearer than it may be", Message{State: Failed, Fault: FaultRoute, Parts: one}, false, "submit it anew", "", false},
		{"never paid", Message{State: Failed, Fault: FaultCredit, Parts: one}, false, "submit it anew", "", false},
		{"its route is gone", Message{State: Failed, Fault: FaultRoute, Price: Credit, Parts: one}, false, "", "44/0", true},
		{"expired", Message{State: Expired, Parts: one}, false, "", "44/0", false},
		{"expired after one part", Message{State: Expired, Parts: left}, true, "", "44/0", true},
		{"cancelled", Message{State: Cancelled, Parts: one}, false, "", "44/0", false},
		{"unknown and kept", Message{State: Unknown, Parts: one}, true, "", "44/0", false},
		{"unknown and kept after one part", Message{State: Unknown, Parts: left}, true, "", "sim:a", false},
		{"unknown and waiting", Message{State: Unknown, Parts: one, Review: start.Add(20 * time.Second)}, true, "the gateway decides in 20s", "", false},
		{"sent and valid", Message{State: Sent, Expires: hour, Parts: left[:1]}, true, "goes on trying for 1h0m0s", "", false},
		{"sent and over", Message{State: Sent, Expires: start, Parts: left[:1]}, true, "", "44/0", true},
		{"delivered", Message{State: Delivered, Parts: one}, true, "the handset has it", "", false},
		{"queued", Message{State: Queued, Parts: one}, false, "it is queued", "", false},
		{"scheduled", Message{State: Scheduled, Parts: one}, false, "it is scheduled", "", false},
		{"held", Message{State: Held, Parts: one}, false, "it is held", "", false},
		{"sending", Message{State: Sending, Parts: one}, false, "it is sending", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.m.To = "447700900123"
			s, err := network.Retry(c.m, c.left, !c.left, start)
			if c.no != "" {
				if !errors.Is(err, ErrNoRetry) || !strings.Contains(err.Error(), c.no) {
					t.Fatalf("got %v, want %q", err, c.no)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.State != Queued || !s.Due.Equal(start) || !s.Expires.Equal(start.Add(RetryValidity)) || s.Lane != c.lane ||
				s.StartOver != c.again || s.Duplicate != c.left || s.Charge == c.left || s.Why == "" || s.Review.IsZero() || s.Review.After(s.Expires) {
				t.Errorf("step %+v", s)
			}
		})
	}
	if _, err := network.Retry(Message{State: Failed, To: "*23"}, false, false, start); !errors.Is(err, ErrNoRetry) {
		t.Errorf("a number that was taken out: %v", err)
	}
	if _, err := homeOnly.Retry(Message{State: Failed, To: "4915112345678"}, false, false, start); !errors.Is(err, ErrNoRoute) {
		t.Errorf("a number that has no route any more: %v", err)
	}
}

// TestRetryBeginsAnew: what went wrong before does not count.
func TestRetryBeginsAnew(t *testing.T) {
	m := Message{State: Failed, To: "447700900123", Tries: 4, Doubts: 3, Parts: []Part{{N: 1, State: Failed}}}
	s, err := network.Retry(m, false, true, start)
	m.Apply(s)
	if err != nil || m.Tries != 0 || m.Doubts != 0 || m.Parts[0].State != Queued || !m.Expires.Equal(start.Add(RetryValidity)) {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestWay: the tiers of a number, less the SIMs that may not send to it.
func TestWay(t *testing.T) {
	rules := &Rules{
		Routes: []Route{{Prefix: "44", Tiers: [][]string{{"b", "a"}, {"c", "a"}}, Price: 2 * Credit}, {Prefix: "", Tiers: [][]string{{"c"}}, Price: Credit}},
		PerSIM: map[string]SIM{"a": {Deny: []string{"447"}}},
	}
	none := &Rules{SIMs: []string{"x", "y"}}
	for _, c := range []struct {
		name  string
		rules *Rules
		m     Message
		want  Way
	}{
		{"two tiers", rules, Message{To: "448311234567"}, Way{"44", true, [][]string{{"a", "b"}, {"c"}}, 2 * Credit}},
		{"a SIM is barred", rules, Message{To: "447700900123"}, Way{"44", true, [][]string{{"b"}, {"c"}}, 2 * Credit}},
		{"all others", rules, Message{To: "4915112345678"}, Way{"", true, [][]string{{"c"}}, Credit}},
		{"by its sender", rules, Message{To: "448311234567", OnlySIM: "z"}, Way{"", false, [][]string{{"z"}}, 2 * Credit}},
		{"no routes", none, Message{To: "448311234567"}, Way{"", false, [][]string{{"x", "y"}}, DefaultPrice}},
		{"nothing known", &Rules{}, Message{To: "448311234567"}, Way{"", false, [][]string{nil}, DefaultPrice}},
		{"sender without a route", &Rules{Routes: rules.Routes[:1]}, Message{To: "4915112345678", OnlySIM: "z"}, Way{"", false, [][]string{{"z"}}, DefaultPrice}},
	} {
		if got, err := c.rules.Way(c.m); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v\nwant %+v", c.name, got, err, c.want)
		}
	}
	if _, err := (&Rules{Routes: rules.Routes[:1]}).Way(Message{To: "4915112345678"}); !errors.Is(err, ErrNoRoute) {
		t.Errorf("no route: %v", err)
	}
}
