package sms

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cellpost/pdu"
)

func TestApply(t *testing.T) {
	now := start.Add(time.Minute)
	for _, c := range []struct {
		name  string
		parts []State
		step  Step
		want  []State
	}{
		{"queued: what is unknown is to go again", []State{Sent, Unknown, Queued}, Step{State: Queued}, []State{Sent, Queued, Queued}},
		{"unknown stays", []State{Sent, Unknown}, Step{State: Unknown}, []State{Sent, Unknown}},
		{"failed: what has left has left", []State{Delivered, Sent, Unknown, Queued}, Step{State: Failed}, []State{Delivered, Sent, Failed, Failed}},
		{"expired", []State{Sent, Queued}, Step{State: Expired}, []State{Sent, Queued}},
		{"cancelled", []State{Unknown}, Step{State: Cancelled}, []State{Unknown}},
	} {
		m := message(c.parts...)
		m.Apply(c.step)
		var got []State
		for _, p := range m.Parts {
			got = append(got, p.State)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: parts are %q, want %q", c.name, got, c.want)
		}
	}

	m := message(Queued)
	s := Step{
		State: Queued, Due: now, Review: now.Add(1), Lane: "x", Avoid: "a", AvoidUntil: now.Add(2),
		Tried: true, Duplicate: true, Refund: true, Why: "because",
	}
	for range 2 {
		m.Apply(s)
	}
	if m.Due != s.Due || m.Review != s.Review || m.Lane != "x" || m.Avoid != "a" || m.AvoidUntil != s.AvoidUntil ||
		m.Tries != 2 || !m.Duplicate || m.Why != "because" {
		t.Errorf("%+v", m)
	}
	if m.Apply(Step{State: Sent}); !m.Duplicate || m.Tries != 2 {
		t.Error("a step without them takes the flag or the tries away")
	}
}

func TestStartOver(t *testing.T) {
	m := message(Delivered, Sent, Queued)
	for i := range m.Parts {
		m.Parts[i].MR = 9
	}
	m.Apply(Step{State: Queued, StartOver: true})
	for i, p := range m.Parts {
		if p.State != Queued || p.SIM != "" || p.MR != 0 || p.N != i+1 {
			t.Errorf("part %+v", p)
		}
	}
}

func TestApplyOutcome(t *testing.T) {
	refused := func(c pdu.Cause) Outcome { return Outcome{Kind: Refused, Cause: c} }
	for _, c := range []struct {
		name    string
		outcome Outcome
		repeat  bool
		want    Part
	}{
		{"accepted", Outcome{Kind: Accepted, MR: 7}, false, Part{State: Sent, SIM: "a", MR: 7}},
		{"ambiguous", Outcome{Kind: Ambiguous}, false, Part{State: Unknown, SIM: "a"}},
		{"not sent", Outcome{Kind: NotSent}, false, Part{State: Queued}},
		{"refused", refused(temporary), false, Part{State: Queued}},
		{"refused for good: the step decides", refused(permanent), false, Part{State: Queued}},
		{"duplicate of a repetition", refused(duplicate), true, Part{State: Sent, SIM: "a"}},
		{"duplicate of what?", refused(duplicate), false, Part{State: Queued}},
		{"a repetition refused otherwise", refused(temporary), true, Part{State: Queued}},
	} {
		p := Part{State: Sending}
		p.ApplyOutcome(c.outcome, "a", c.repeat)
		if p.State != c.want.State || p.SIM != c.want.SIM || p.MR != c.want.MR {
			t.Errorf("%s: got %+v, want %+v", c.name, p, c.want)
		}
	}
}

func TestApplyStatus(t *testing.T) {
	for _, c := range []struct {
		from   State
		status pdu.Status
		want   State
	}{
		{Sent, 0x00, Delivered},
		{Unknown, 0x1F, Delivered},
		{Failed, 0x00, Delivered},
		{Sent, 0x20, Sent},
		{Queued, 0x30, Sent},
		{Delivered, 0x20, Delivered},
		{Sent, 0x40, Failed},
		{Sent, 0x60, Failed},
		{Sent, 0x80, Failed},
	} {
		p := Part{State: c.from, SIM: "a", MR: 3}
		sim, mr := "b", byte(4)
		if c.from == Sent { // the other parts have left by the SIM that it was sent again by
			sim, mr = "a", 3
		}
		p.ApplyStatus(c.status, "b", 4)
		if p.State != c.want || p.SIM != sim || p.MR != mr {
			t.Errorf("%s with status %02X became %+v, want %s", c.from, byte(c.status), p, c.want)
		}
	}
}

func TestFinal(t *testing.T) {
	for s, want := range map[State]bool{
		Queued: false, Scheduled: false, Held: false, Sending: false, Unknown: false,
		Sent: true, Delivered: true, Failed: true, Expired: true, Cancelled: true,
	} {
		if s.Final() != want {
			t.Errorf("%s: %v", s, !want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		number Number
		digits string
		want   bool
	}{
		{"447700900123", "447700900123", true},
		{"447700900123", "+447700900123", true},
		{"447700900123", "00447700900123", true},
		{"447700900123", "07700900123", true},
		{"447700900123", "7700900123", true},
		{"447700900123", "0900123", false}, // six digits could be anybody's
		{"447700900123", "0900124", false},
		{"447700900123", "447700900124", false},
		{"447700900123", "447700900123000", false},
		{"447700900123", "", false},
		{"447700900123", "0", false},
		{"447700900123", "1447700900123", true}, // a prefix of the network's own
		{"60999", "60999", true},
		{"60999", "060999", false},
		{"60999", "447700960999", false},
	} {
		if got := c.number.Matches(c.digits); got != c.want {
			t.Errorf("%s and %s: %v", c.number, c.digits, got)
		}
	}
}

func TestAddress(t *testing.T) {
	for n, want := range map[Number]pdu.TON{"447700900123": pdu.TONInternational, "123456": pdu.TONUnknown, "1234567": pdu.TONInternational} {
		got := n.Address()
		if got != (pdu.Address{TON: want, NPI: pdu.NPITelephone, Value: string(n)}) {
			t.Errorf("%s: %+v", n, got)
		}
		if n.IsShortCode() != (want == pdu.TONUnknown) {
			t.Errorf("%s: a short code: %v", n, n.IsShortCode())
		}
	}
}

func TestID(t *testing.T) {
	first, second := NewID(start), NewID(start.Add(time.Millisecond))
	if got, err := ParseID(first.String()); err != nil || got != first {
		t.Errorf("%s read back as %s, %v", first, got, err)
	}
	if s := first.String(); len(s) != 32 || strings.ToLower(s) != s || s >= second.String() {
		t.Errorf("%s, a millisecond later %s: want 32 digits that grow", s, second)
	}
	if first == NewID(start) {
		t.Error("two IDs of one millisecond are the same")
	}
	if !(ID{}).IsZero() || first.IsZero() {
		t.Error("IsZero")
	}
	for _, bad := range []string{"", "00", first.String() + "0", first.String()[:31] + "g", strings.Repeat(" ", 32)} {
		if id, err := ParseID(bad); err == nil || !id.IsZero() {
			t.Errorf("%q was read as %s", bad, id)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(NewID(start).String())
	f.Add("0123456789ABCDEF0123456789abcdef")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseID(s); err == nil && id.String() != strings.ToLower(s) {
			t.Errorf("%q prints as %s", s, id)
		}
	})
}
