package modem

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"cellpost/sms"
)

// shelf is an inbox that takes what there is room for.
type shelf struct {
	room, asked int
	took        []byte // the last octet of each TPDU
}

func (s *shelf) Receive(_ context.Context, in sms.Inbound) error {
	s.asked++
	if s.room == 0 {
		return errors.New("the disk is full")
	}
	s.room--
	s.took = append(s.took, in.TPDU[len(in.TPDU)-1])
	return nil
}

func (s *shelf) Report(context.Context, sms.Report) error       { return nil }
func (s *shelf) Late(context.Context, int64, sms.Outcome) error { return nil }

// onShelf is a session whose module takes no acknowledgement, with what it logs.
func onShelf(t *testing.T, room int) (*session, *shelf, *bytes.Buffer) {
	s, in, log := idle(t, Config{}), &shelf{room: room}, &bytes.Buffer{}
	s.m.inbox, s.m.log, s.sim = in, slog.New(slog.NewTextHandler(log, nil)), "a"
	return s, in, log
}

// TestUnkept: what the store does not take is kept in memory and tried again one
// by one; what there is no room for is told once, and what is lost at the end.
func TestUnkept(t *testing.T) {
	s, in, log := onShelf(t, 0)
	spilt := func() int { return strings.Count(log.String(), "dropped") }
	for i := range unkeptMost {
		s.take([]byte{0, byte(i)})
	}
	if spilt() != 0 {
		t.Error("told too early")
	}
	for range 3 {
		s.take([]byte{0, 0xff})
	}
	if spilt() != 1 {
		t.Errorf("told %d times that there is no room, want 1", spilt())
	}
	in.asked = 0
	s.m.keepLeft(t.Context())
	if in.asked != 1 {
		t.Errorf("a store that fails was asked %d times in a row", in.asked)
	}
	in.room = 100
	s.m.keepLeft(t.Context())
	in.room = unkeptMost
	s.m.keepLeft(t.Context())
	if len(in.took) != unkeptMost {
		t.Fatalf("%d stored, want %d", len(in.took), unkeptMost)
	}
	for i, b := range in.took {
		if b != byte(i) {
			t.Fatalf("number %d was stored in place %d", b, i)
		}
	}
	in.room = 0
	for range unkeptMost + 1 {
		s.take([]byte{0, 0})
	}
	if spilt() != 2 {
		t.Errorf("the second burst: told %d times", spilt())
	}
	in.room = 1
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.m.keepLast(ctx)
	if !strings.Contains(log.String(), "lost=255") {
		t.Errorf("the last of it: %s", log.String()[max(0, log.Len()-200):])
	}
}

// TestRunKeepsLast: what is left is stored before Run ends.
func TestRunKeepsLast(t *testing.T) {
	s, in, log := onShelf(t, 0)
	s.take([]byte{0, 1})
	in.room = 1
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.m.Run(ctx); err != nil || len(in.took) != 1 || strings.Contains(log.String(), "lost=") {
		t.Errorf("%v, stored %v: %s", err, in.took, log)
	}
}

// TestEarlySpilt: what came too early, and too much of it, is told once.
func TestEarlySpilt(t *testing.T) {
	s, in, log := onShelf(t, earlyMost)
	for burst := range 2 {
		s.sim, in.room = "", earlyMost
		for range earlyMost + 10 {
			s.received([]string{"+CMT: ,2", "000001"})
		}
		if told := strings.Count(log.String(), "dropped"); told != burst+1 {
			t.Errorf("burst %d: told %d times", burst+1, told)
		}
		s.takeEarly("a")
	}
	if len(in.took) != 2*earlyMost {
		t.Errorf("%d stored, want %d", len(in.took), 2*earlyMost)
	}
}

// TestNetworkStorm: however often a registration is announced, one look waits; the
// next announcement after it has begun asks for another.
func TestNetworkStorm(t *testing.T) {
	s := idle(t, Config{})
	for range followUps / 2 {
		s.registered("+CREG: 2")
		s.registered("+CEREG: 3")
	}
	if n := len(s.follow); n != 1 {
		t.Errorf("%d looks wait, want 1", n)
	}
	<-s.follow
	s.looks.Store(false) // as it does when it begins
	s.registered("+CREG: 2")
	if n := len(s.follow); n != 1 {
		t.Errorf("%d looks wait after the first, want 1", n)
	}
}
