package sms

import (
	"testing"
	"time"
)

// message is one of so many parts at home, that came in at start.
func message(parts ...State) Message {
	m := Message{
		ID: ID{15: 0}, To: "447700900123", State: Queued, Due: start, Lane: "44/0",
		Expires: start.Add(24 * time.Hour), Resend: true, Why: "before",
	}
	for i, s := range parts {
		p := Part{N: i + 1, State: s}
		if s == Sent || s == Delivered || s == Unknown {
			p.SIM = "a"
		}
		m.Parts = append(m.Parts, p)
	}
	return m
}

// same compares two steps, but not their reasons: it wants one, that is all.
func same(t *testing.T, name string, got, want Step) {
	t.Helper()
	if got.Why == "" {
		t.Errorf("%s: no reason given", name)
	}
	got.Why, want.Why = "", ""
	if got != want {
		t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
	}
}

func TestReview(t *testing.T) {
	now := start.Add(10 * time.Minute)
	expires := start.Add(24 * time.Hour)
	old := now.Add(-time.Nanosecond)
	for _, c := range []struct {
		name  string
		rules *Rules
		msg   Message
		edit  func(*Message)
		want  Step
	}{
		{"scheduled, its time has come", &network, message(Queued), func(m *Message) { m.State, m.Due, m.Escalate = Scheduled, now, 2 },
			Step{State: Queued, Due: now, Lane: "44/0", Review: now.Add(escalateAfter)}},
		{"nothing new", &network, message(Queued), func(m *Message) { m.Due = now.Add(time.Minute) },
			Step{State: Queued, Due: now.Add(time.Minute), Lane: "44/0", Review: now.Add(time.Minute)}},
		{"expired", &network, message(Queued), func(m *Message) { m.Expires = now },
			Step{State: Expired, Due: start, Lane: "44/0", Refund: true}},
		{"expired, part of it left", &network, message(Sent, Queued), func(m *Message) { m.Expires, m.Lane = now, "sim:a" },
			Step{State: Expired, Due: start, Lane: "sim:a"}},
		{"expired, part of it arrived", &network, message(Delivered, Queued), func(m *Message) { m.Expires, m.Lane = old, "sim:a" },
			Step{State: Expired, Due: start, Lane: "sim:a"}},
		{"expired, may have left", &network, message(Queued), func(m *Message) { m.Expires, m.Duplicate = now, true },
			Step{State: Expired, Due: start, Lane: "44/0"}},
		{"still avoiding", &network, message(Queued), func(m *Message) { m.Avoid, m.AvoidUntil = "a", now.Add(time.Second) },
			Step{State: Queued, Due: start, Lane: "44/0", Avoid: "a", AvoidUntil: now.Add(time.Second), Review: now.Add(time.Second)}},
		{"avoided long enough: who refused it last stays known", &network, message(Queued), func(m *Message) { m.Avoid, m.AvoidUntil = "a", now },
			Step{State: Queued, Due: start, Lane: "44/0", Avoid: "a", AvoidUntil: now, Review: expires}},
		{"to the second tier", &network, message(Queued), func(m *Message) { m.Escalate, m.Due = 2, now.Add(-escalateAfter) },
			Step{State: Queued, Due: now.Add(-escalateAfter), Lane: "44/1", Review: now.Add(escalateAfter)}},
		{"not yet to the second tier", &network, message(Queued), func(m *Message) { m.Escalate, m.Due = 2, now.Add(-escalateAfter+1) },
			Step{State: Queued, Due: now.Add(-escalateAfter + 1), Lane: "44/0", Review: now.Add(1)}},
		{"to the last tier", &network, message(Queued), func(m *Message) { m.Escalate, m.Due, m.Lane = 2, now.Add(-2*escalateAfter), "44/1" },
			Step{State: Queued, Due: now.Add(-2 * escalateAfter), Lane: "44/2", Review: expires}},
		{"beyond the last tier", &network, message(Queued), func(m *Message) { m.Escalate, m.Lane = 2, "44/2" },
			Step{State: Queued, Due: start, Lane: "44/2", Review: expires}},
		{"late for two tiers", &network, message(Queued), func(m *Message) { m.Escalate = 2 },
			Step{State: Queued, Due: start, Lane: "44/1", Review: now}},
		{"may not escalate", &network, message(Queued), func(*Message) {},
			Step{State: Queued, Due: start, Lane: "44/0", Review: expires}},
		{"the rest waits for its SIM", &network, message(Sent, Queued), func(m *Message) { m.Due, m.Lane = now, "sim:a" },
			Step{State: Queued, Due: now, Lane: "sim:a", Review: now.Add(escalateAfter)}},
		{"its SIM does not come", &network, message(Sent, Queued), func(m *Message) { m.Due, m.Lane = now.Add(-escalateAfter), "sim:a" },
			Step{State: Queued, Due: now.Add(-escalateAfter), Lane: "44/0", Review: expires, StartOver: true, Duplicate: true}},
		{"its SIM does not come, no routes", &anywhere, message(Sent, Queued), func(m *Message) { m.Lane = "sim:a" },
			Step{State: Queued, Due: start, Lane: "any", Review: expires, StartOver: true, Duplicate: true}},
		{"it must be this SIM", &network, message(Sent, Queued), func(m *Message) { m.Lane, m.OnlySIM = "sim:a", "a" },
			Step{State: Queued, Due: start, Lane: "sim:a", Review: expires}},
		{"no route is left", &homeOnly, message(Sent, Queued), func(m *Message) { m.Lane, m.To = "sim:a", "4915112345678" },
			Step{State: Queued, Due: start, Lane: "sim:a", Review: expires}},
		{"unknown, sent again", &network, message(Unknown), func(m *Message) {
			m.State, m.Avoid, m.AvoidUntil = Unknown, "a", now.Add(escalateAfter)
		}, Step{
			State: Queued, Due: start, Lane: "44/0", Avoid: "a", AvoidUntil: now.Add(escalateAfter),
			Review: now.Add(escalateAfter), Duplicate: true,
		}},
		{"unknown, the rest goes by its SIM", &network, message(Sent, Unknown), func(m *Message) {
			m.State, m.Avoid, m.AvoidUntil = Unknown, "a", now.Add(escalateAfter)
		}, Step{State: Queued, Due: start, Lane: "sim:a", Review: now.Add(escalateAfter), Duplicate: true}},
		{"unknown, held", &network, message(Unknown), func(m *Message) { m.State, m.Resend = Unknown, false },
			Step{State: Unknown, Due: start, Lane: "44/0"}},
		{"unknown too often", &network, message(Unknown), func(m *Message) { m.State, m.Doubts = Unknown, resendMost+1 },
			Step{State: Unknown, Due: start, Lane: "44/0"}},
		{"unknown, validity over", &network, message(Unknown), func(m *Message) { m.State, m.Expires = Unknown, now },
			Step{State: Unknown, Due: start, Lane: "44/0"}},
		{"no report came", &network, message(Sent), func(m *Message) { m.State, m.Review = Sent, now },
			Step{State: Sent, Due: start, Lane: "44/0"}},
	} {
		c.edit(&c.msg)
		same(t, c.name, c.rules.Review(c.msg, nil, now), c.want)
	}
}

// TestStartOverOnlyWithoutSIM: the rest of a message does not leave its SIM while
// that is in service and takes it, however busy it is.
func TestStartOverOnlyWithoutSIM(t *testing.T) {
	now := start.Add(time.Hour)
	for _, c := range []struct {
		name    string
		tries   int
		serving []string
		want    bool
	}{
		{"busy", 0, []string{"b", "a"}, false},
		{"out of service", 0, []string{"b"}, true},
		{"it refuses the rest", 1, []string{"a"}, true},
	} {
		m := message(Sent, Queued)
		m.Lane, m.Tries = "sim:a", c.tries
		s := network.Review(m, c.serving, now)
		if s.StartOver != c.want || !c.want && !s.Review.Equal(now.Add(escalateAfter)) {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

// TestStartOverWaits shows that the rest of a message waits its time for the SIM
// of the first part, however long the message had been in the queue before.
func TestStartOverWaits(t *testing.T) {
	now := start.Add(time.Hour)
	m := message(Sent, Queued)
	m.State = Sending
	s := network.After(m, "a", Outcome{Kind: NotSent, Detail: "no prompt"}, false, now)
	same(t, "queued", s, Step{State: Queued, Due: start, Lane: "sim:a", Review: now.Add(escalateAfter)})
	m.Apply(s)
	if s = network.Review(m, nil, m.Review); !s.StartOver || s.Lane != "44/0" {
		t.Errorf("it does not start over: %+v", s)
	}
}

// TestEscalationAfterRefusal shows that a message which comes back to the queue
// after the time for its second tier is not left in the first.
func TestEscalationAfterRefusal(t *testing.T) {
	now := start.Add(time.Hour)
	m := message(Queued)
	m.State, m.Escalate = Sending, 2
	full := Outcome{Kind: Refused, Cause: cms(208), Detail: "memory full"}
	m.Apply(network.After(m, "a", full, false, now))
	for range 2 {
		if m.Review.After(now) {
			t.Fatalf("in lane %s it is not looked at before %v", m.Lane, m.Review.Sub(now))
		}
		m.Apply(network.Review(m, nil, now))
	}
	if m.Lane != "44/2" || !m.Review.Equal(m.Expires) {
		t.Errorf("lane %s, review %v", m.Lane, m.Review)
	}
}

// TestNoRefundAfterStart shows that a message which has started over is paid for,
// even if nothing of its second copy leaves.
func TestNoRefundAfterStart(t *testing.T) {
	m := message(Sent, Queued)
	m.Lane = "sim:a"
	m.Apply(network.Review(m, nil, start.Add(escalateAfter)))
	if s := network.Review(m, nil, m.Expires); s.State != Expired || s.Refund {
		t.Errorf("%+v", s)
	}
}
