package modem

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cellpost/modem/at"
	"cellpost/pdu"
	"cellpost/sms"
)

// idle is a session of a modem with two SIM slots, without a module behind it.
func idle(t *testing.T, c Config) *session {
	t.Helper()
	c.Slots = []Slot{{SIM: "b"}}
	m := New(c, nil, nil, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancelCause(t.Context())
	return &session{m: m, ctx: ctx, end: cancel, follow: make(chan func(context.Context), followUps)}
}

// TestStallCountedOnce: the hand-over that a worker tries before it is told of
// the stall does not count against the SIM, nor the modem.
func TestStallCountedOnce(t *testing.T) {
	s := idle(t, Config{})
	s.ended(sms.Outcome{Kind: sms.Ambiguous}, at.ErrTimeout)
	s.ended(sms.Outcome{Kind: sms.NotSent}, at.ErrOutOfStep)
	if f := s.m.Facts(); f.Stalls != 1 || !f.Stalled || s.slotInUse().stalls != 1 {
		t.Errorf("facts %+v, slot %+v", f, s.slotInUse())
	}
}

// TestConfused: three refusals in a row, not three among many messages that the
// network takes.
func TestConfused(t *testing.T) {
	s := idle(t, Config{})
	refused := sms.Outcome{Kind: sms.Refused, Cause: pdu.Cause{Set: pdu.CMS, Code: 500}}
	refuse := func() { s.ended(refused, &at.CommandError{Set: "CMS", Code: 500}) }
	for range 2 * confusedMost {
		refuse()
		s.ended(sms.Outcome{Kind: sms.Accepted}, nil)
	}
	if s.ctx.Err() != nil {
		t.Error("ended by refusals apart from one another")
	}
	for range confusedMost {
		refuse()
	}
	if !errors.Is(context.Cause(s.ctx), errConfused) {
		t.Errorf("ended by %v", context.Cause(s.ctx))
	}
}

// TestPINNotNoted: a PIN that could not be noted is not given, and not taken for
// refused.
func TestPINNotNoted(t *testing.T) {
	dir := t.TempDir()
	s := idle(t, Config{PIN: "1234", PINs: NewPINs(filepath.Join(dir, "away", "pins"))})
	_, elsewhere := errors.AsType[elsewhereError](s.givePIN(t.Context()))
	if !elsewhere || s.slotInUse().triedPIN {
		t.Errorf("elsewhere %v, slot %+v", elsewhere, s.slotInUse())
	}
	if err := s.provedPIN(t.Context()); err != nil {
		t.Errorf("nothing was noted: %v", err)
	}
}

// TestQuiet: the slot is not changed while a message is on the air, however long.
func TestQuiet(t *testing.T) {
	s := idle(t, Config{})
	if !s.quiet() {
		t.Error("nothing was sent, and it is not quiet")
	}
	s.m.learn(func(f *Facts) { f.InSend = true })
	if s.quiet() {
		t.Error("quiet in the middle of a hand-over")
	}
}

// TestNoResetForOthers: what is not the module's fault does not reset it.
func TestNoResetForOthers(t *testing.T) {
	s := idle(t, Config{Steps: []Step{{Name: "power", Do: noStep}}})
	var l ladder
	for range 10 {
		if take, wait := s.m.afterSession(&l, false, elsewhereError{errors.New("port in use")}); take != nil || wait > 5*time.Second {
			t.Fatalf("%+v, %v", take, wait)
		}
	}
	if f := s.m.Facts(); f.Parked || !f.NextReset.IsZero() || f.Problem != "port in use" {
		t.Errorf("facts: %+v", f)
	}
	take, _ := s.m.afterSession(&l, false, errors.New("no answer"))
	if take == nil {
		t.Error("a module that is silent then is not reset")
	}
}

// TestInsert: another SIM has another service centre, and a clean record.
func TestInsert(t *testing.T) {
	var s slotState
	s.insert("1")
	s.smsc, s.refusals = "+44", 5
	s.insert("1")
	s.insert("") // not told
	if s.smsc != "+44" || s.refusals != 5 {
		t.Errorf("the same: %+v", s)
	}
	s.insert("2")
	if s.smsc != "" || s.refusals != 0 {
		t.Errorf("another: %+v", s)
	}
}

// TestNotKeptDirectly: a module that was not answered has stopped reporting, and
// is told again how to.
func TestNotKeptDirectly(t *testing.T) {
	s := idle(t, Config{})
	s.received([]string{"+CMT: ,24", "nonsense"})
	s.sweepLeft()
	if got := len(s.follow); got != 2 {
		t.Errorf("%d commands to follow, want the announcement and the sweep", got)
	}
}

// TestNotices: what the network says unasked is kept for a person, the last of it.
func TestNotices(t *testing.T) {
	s := idle(t, Config{})
	for i := range maxNotices + 2 {
		s.m.noticed(USSDAnswer{Text: strings.Repeat("é", 180+i)})
	}
	kept := s.m.Notices()
	if len(kept) != maxNotices || kept[0].Text != strings.Repeat("é", maxNotice) || kept[maxNotices-1].Text != strings.Repeat("é", 182) {
		t.Errorf("%d kept: %+v", len(kept), kept)
	}
}

// TestOneLine: what is wrong is told in a line, for tables.
func TestOneLine(t *testing.T) {
	two := errors.Join(errors.New("first"), errors.New("second"))
	s := idle(t, Config{})
	s.m.learn(func(f *Facts) { f.Problem = two.Error() })
	if p := s.m.Facts().Problem; p != "first; second" {
		t.Errorf("problem %q", p)
	}
	s.m.misplace(Misplaced(two))
	f := s.m.Facts()
	f.Aside = []Finding{{Code: "slot-unusable", Cause: two.Error()}}
	for _, h := range f.Health() {
		if strings.Contains(h.Cause, "\n") {
			t.Errorf("%s: %q", h.Code, h.Cause)
		}
	}
}

// TestStepsNameTheModem: a command of a next step can be typed as it stands.
func TestStepsNameTheModem(t *testing.T) {
	for _, f := range []Facts{
		{Name: "m0", Suspended: true},
		{Name: "m0", Present: true, Answering: true, CardRefused: refusalsMost},
		{Name: "m0", Aside: []Finding{{Step: askOperator}}},
		{Name: "it's m0", Suspended: true},
	} {
		var steps string
		for _, h := range f.Health() {
			steps += h.Step + "\n"
		}
		if !strings.Contains(steps, " "+ShellWord(f.Name)) || strings.Contains(steps, "NAME") || strings.Contains(f.NextStep(), "NAME") {
			t.Errorf("steps %q, next %q", steps, f.NextStep())
		}
	}
}

func TestShellWord(t *testing.T) {
	for s, want := range map[string]string{
		"m0": "m0", "490154203237518@1-2": "490154203237518@1-2", "left m0": "'left m0'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "": "''",
	} {
		if got := ShellWord(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}
