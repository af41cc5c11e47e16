package sms

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cellpost/pdu"
)

// confirmed is a sent message of two parts whose report is overdue now.
func unconfirmed(now time.Time) Message {
	m := message(Sent, Delivered)
	m.State, m.Report, m.Review, m.Again = Sent, true, now, Again{Within: 5 * time.Minute}
	return m
}

func TestReviewUnconfirmed(t *testing.T) {
	now := start.Add(6 * time.Minute)
	expires := start.Add(24 * time.Hour)
	avoidUntil := now.Add(5 * time.Minute)
	again := Step{State: Queued, Due: now, Lane: "44/0", Review: avoidUntil, Avoid: "a", AvoidUntil: avoidUntil,
		Duplicate: true, StartOver: true, Again: true, Expires: now.Add(24 * time.Hour)}
	alone := Step{State: Queued, Due: now, Lane: "sim:a", Review: again.Expires,
		Duplicate: true, StartOver: true, Again: true, Expires: again.Expires}
	tiers := network
	tiers.Routes = []Route{{Prefix: "44", Tiers: [][]string{{"a"}, {"b"}}}}
	beyond := again
	beyond.Lane = "44/1"
	short := again
	short.Expires = now.Add(5 * time.Minute)
	short.Review = short.Expires
	stays := Step{State: Sent, Due: start, Lane: "44/0", Review: expires.Add(ReportGrace), Again: true}
	noRoute := stays
	noRoute.Fault = FaultRoute
	none := func(*Message) {}
	for _, c := range []struct {
		name  string
		rules *Rules
		edit  func(*Message)
		want  Step
		why   string
	}{
		{"by another SIM", &network, none, again, "no report from the handset in 5m0s: again, by another SIM than a"},
		{"by the next tier, whatever its level", &tiers, none, beyond, "another SIM than a"},
		{"its SIM is asked for", &network, func(m *Message) { m.OnlySIM = "a" }, alone, "again by a, no other SIM may send it"},
		{"validity over meanwhile", &network, func(m *Message) { m.Expires = start.Add(time.Minute) }, short, "another SIM"},
		{"no route any more", &Rules{Routes: []Route{{Prefix: "49", Tiers: [][]string{{"a"}}}}}, none, noRoute, "does not go again"},
		{"to a second number", &network, func(m *Message) { m.Again.To = "447700900999" }, stays, "no report from the handset in 5m0s"},
		{"it went again", &network, func(m *Message) { m.WentAgain = true }, Step{State: Sent, Due: start, Lane: "44/0"}, "no report came"},
		{"nobody asked", &network, func(m *Message) { m.Again = Again{} }, Step{State: Sent, Due: start, Lane: "44/0"}, "no report came"},
	} {
		m := unconfirmed(now)
		c.edit(&m)
		got := c.rules.Review(m, nil, now)
		same(t, c.name, got, c.want)
		if !strings.Contains(got.Why, c.why) {
			t.Errorf("%s: says %q, want %q", c.name, got.Why, c.why)
		}
	}
}

// TestReportDue: T counts from when the network took the last part, whatever is
// reported after it.
func TestReportDue(t *testing.T) {
	m := message(Sent)
	m.State, m.Report, m.Again = Sending, true, Again{Within: time.Minute}
	first := network.Progress(m, start)
	if want := start.Add(time.Minute); !first.Review.Equal(want) {
		t.Fatalf("reviewed at %v, want %v", first.Review, want)
	}
	m.Apply(first)
	if s := network.Progress(m, start.Add(30*time.Second)); !s.Review.Equal(first.Review) {
		t.Errorf("moved to %v by a report that says \"still trying\"", s.Review)
	}
	m.Parts[0].State = Failed
	m.Again.To = "447700900999"
	if s := network.Progress(m, start); s.State != Failed || !s.Again {
		t.Errorf("reported as undeliverable: %+v, want that it goes to the second number at once", s)
	}
}

func TestSecond(t *testing.T) {
	now := start.Add(time.Hour)
	to := Number("447700900999")
	priced := network
	priced.Routes = []Route{{Prefix: "44", Tiers: [][]string{{"a", "b"}}, Price: 3 * Credit}}
	m := unconfirmed(now)
	m.Again.To, m.Priority, m.Escalate, m.ClientID, m.Text, m.Expires = to, 1, 2, "order66", "alarm", start.Add(2*time.Hour)
	for i := range m.Parts {
		ud := pdu.UserData{Data: []byte("x")}
		tpdu, err := pdu.Submit{Destination: m.To.Address(), DCS: 4, UserData: ud}.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		m.Parts[i].TPDU = tpdu
	}
	got, err := priced.Second(m, ID{1}, now)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != (ID{1}) || got.To != to || got.Price != 6*Credit || got.State != Queued || got.Priority != 1 || got.Escalate != 2 ||
		got.ClientID != "order66" || got.Text != "alarm" || !got.Report || got.GoesAgain() || !got.Expires.Equal(now.Add(2*time.Hour)) {
		t.Errorf("second message %+v", got)
	}
	for _, p := range got.Parts {
		s, _, err := pdu.ParseSubmit(p.TPDU)
		if err != nil || s.Destination.Value != string(to) || !s.StatusReport || p.State != Queued {
			t.Errorf("part %+v, %v", s, err)
		}
	}
	priced.Routes[0].Prefix = "4477009001"
	got, err = priced.Second(m, ID{1}, now)
	if err != nil || got.State != Failed || got.Fault != FaultRoute || got.Price != 0 || got.Why == "" {
		t.Errorf("without a route: %+v, %v", got, err)
	}
	if parts := []State{got.Parts[0].State, got.Parts[1].State}; !slices.Equal(parts, []State{Failed, Failed}) {
		t.Errorf("its parts are %v", parts)
	}
}
