package modem

import (
	"errors"
	"testing"
	"time"

	"cellpost/modem/at"
)

func TestTrouble(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ready := Facts{Present: true, Answering: true, Card: CardReady, SMSC: "+44", Signal: true, Network: NetworkHome, Ready: true}
	for _, tt := range []struct {
		name   string
		change func(*Facts, *slotState)
		after  time.Duration // from when it is trouble; negative: never
	}{
		{"ready", func(*Facts, *slotState) {}, -1},
		{"no SIM", func(f *Facts, _ *slotState) { f.Card = CardAbsent }, cardTrouble},
		{"PIN missing", func(f *Facts, _ *slotState) { f.Card = CardPIN }, cardTrouble},
		{"PIN wrong", func(f *Facts, _ *slotState) { f.Card = CardWrongPIN }, cardTrouble},
		{"blocked", func(f *Facts, _ *slotState) { f.Card = CardPUK }, cardTrouble},
		{"locked out", func(f *Facts, _ *slotState) { f.Card = CardLocked }, cardTrouble},
		{"broken", func(f *Facts, _ *slotState) { f.Card = CardFailed }, cardTrouble},
		{"no service centre", func(f *Facts, _ *slotState) { f.SMSC = "" }, cardTrouble},
		{"denied", func(f *Facts, _ *slotState) { f.Network = NetworkDenied }, deniedTrouble},
		{"limited", func(f *Facts, _ *slotState) { f.Network = NetworkLimited }, networkTrouble},
		{"searching", func(f *Facts, _ *slotState) { f.Network = NetworkSearching }, networkTrouble},
		{"no coverage", func(f *Facts, _ *slotState) { f.Network, f.Signal = NetworkSearching, false }, networkTrouble},
		{"starting", func(f *Facts, _ *slotState) { f.Card = CardUnknown }, -1},
		{"barred, or out of credit", func(_ *Facts, s *slotState) { s.refusals = refusalsMost }, 0},
		{"some refusals", func(_ *Facts, s *slotState) { s.refusals = refusalsMost - 1 }, -1},
		{"cannot be read", func(f *Facts, s *slotState) { f.Card, s.dead = CardUnknown, true }, 0},
		{"stalls", func(_ *Facts, s *slotState) { s.stalls = stallsTrouble }, 0},
		{"one stall", func(_ *Facts, s *slotState) { s.stalls = 1 }, -1},
	} {
		f, s := ready, slotState{}
		tt.change(&f, &s)
		for _, lasts := range []time.Duration{0, time.Second, cardTrouble, deniedTrouble, networkTrouble, time.Hour} {
			f.Since = now.Add(-lasts)
			want := tt.after >= 0 && lasts >= tt.after
			if why := trouble(f, s, now); (why != "") != want {
				t.Errorf("%s for %v: %q", tt.name, lasts, why)
			}
		}
	}
}

func TestChoose(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const hold = 30 * time.Minute
	left := func(ago time.Duration) slotState { return slotState{left: now.Add(-ago), hold: hold} }
	fine, spent := slotState{}, slotState{spent: "has sent 3 today"}
	for _, tt := range []struct {
		name    string
		slots   []slotState
		active  int
		trouble bool
		want    int
	}{
		{"one slot", []slotState{fine}, 0, true, 0},
		{"well", []slotState{fine, fine}, 0, false, 0},
		{"the other one", []slotState{fine, fine}, 0, true, 1},
		{"held", []slotState{left(time.Minute), fine}, 1, false, 1},
		{"given back", []slotState{left(hold), fine}, 1, false, 0},
		{"given back at once when the second has trouble and the hold is over", []slotState{left(time.Hour), fine}, 1, true, 0},
		{"both held: the one that was left first", []slotState{left(2 * time.Minute), fine}, 1, true, 0},
		{"both held, left just now", []slotState{left(time.Minute), fine}, 1, true, 1},
		{"the other cannot be selected", []slotState{fine, {left: now.Add(-slotRest), hold: hold, unusable: "no line"}}, 0, true, 0},
		{"three", []slotState{left(time.Minute), fine, fine}, 1, true, 2},
		{"three, all held", []slotState{left(time.Minute), left(2 * time.Minute), fine}, 2, true, 1},
		{"the clock was set back", []slotState{left(-time.Hour), fine}, 1, false, 0},
		{"spent", []slotState{spent, fine}, 0, false, 1},
		{"spent, and stays so", []slotState{spent, fine}, 1, false, 1},
		{"not spent any more", []slotState{fine, fine}, 1, false, 0},
		{"both spent", []slotState{spent, spent}, 0, false, 0},
		{"spent, and the other is held", []slotState{spent, left(slotRest)}, 0, false, 0},
		{"in trouble, and the other is spent", []slotState{fine, spent}, 0, true, 1},
		{"of three the one that is well", []slotState{fine, spent, fine}, 0, true, 2},
		{"spent is better than held", []slotState{left(5 * time.Minute), fine, spent}, 1, true, 2},
	} {
		why := ""
		if tt.trouble {
			why = "denied"
		}
		if got := choose(tt.slots, tt.active, why, now); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestHold: it grows with each try that comes to nothing, but not with what was
// tried for want of a better one, and ends with a time that was well.
func TestHold(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const first = 30 * time.Minute
	var s slotState
	for i, tt := range []struct {
		rests, works time.Duration // since it was left; since it was taken
		want         time.Duration
	}{
		{0, time.Hour, first}, {first, time.Minute, 2 * first}, {2 * first, time.Minute, 4 * first},
		{slotRest, slotRest, 4 * first}, {4 * first, 0, 8 * first}, {8 * first, 9 * first, first},
		{first, 0, 2 * first}, {2 * first, 0, 4 * first}, {4 * first, 0, 8 * first}, {8 * first, 0, 16 * first},
		{16 * first, 0, 32 * first}, {32 * first, 0, holdMost}, {holdMost, 0, holdMost},
	} {
		now = now.Add(tt.rests)
		s.take(now)
		now = now.Add(tt.works)
		if s.leave("denied", first, now); s.hold != tt.want {
			t.Errorf("leaving %d: %v, want %v", i, s.hold, tt.want)
		}
	}
	s.take(now.Add(holdMost))
	if s.leave("denied", 2*holdMost, now.Add(holdMost)); s.hold != 2*holdMost {
		t.Errorf("configured to be long: %v", s.hold)
	}
	s.imsi = "1"
	if s.insert("2"); s.hold != 0 {
		t.Errorf("another SIM: %v", s.hold)
	}
}

func TestIsBusy(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{&at.CommandError{Set: "CMS", Code: 314}, true},
		{&at.CommandError{Set: "CMS", Code: 515}, true},
		{&at.CommandError{Set: "CME", Code: 14}, true},
		{&at.CommandError{Set: "CME", Code: 10}, false},
		{&at.CommandError{Set: "CMS", Code: 38}, false},
		{&at.CommandError{Code: -1}, false},
		{at.ErrTimeout, false},
		{errors.New("other"), false},
		{nil, false},
	} {
		if got := isBusy(tt.err); got != tt.want {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
}
