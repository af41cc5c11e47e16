package sms

import (
	"testing"
	"time"
)

func TestScrub(t *testing.T) {
	for words, want := range map[string]string{
		"":                                     "",
		"part 1 of 1 by m0 (m0): reference 17": "part 1 of 1 by m0 (m0): reference 17",
		"went again to +447700900123: 01a2":    "went again to *23: 01a2",
		"447700900123, 07700900124":            "*23, *24",
		"01a205944928f21684cf1b757214f060":     "01a205944928f21684cf1b757214f060", // an ID
	} {
		if got := Scrub(words); got != want || Scrub(got) != want {
			t.Errorf("%q became %q, want %q", words, got, want)
		}
	}
	for number, want := range map[string]string{"447700900123": "*23", "+447700900123": "*23", "5": "*5", "": "", "*23": "*23", "Vodafone": "Vodafone"} {
		if got := MaskNumber(number); got != want {
			t.Errorf("%q became %q, want %q", number, got, want)
		}
	}
}

func TestOver(t *testing.T) {
	now := time.Date(2026, time.November, 22, 10, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		state  State
		ago    time.Duration
		review bool
		want   bool
	}{
		{Delivered, LiveFor, false, true},
		{Delivered, LiveFor - time.Second, false, false},
		{Delivered, -time.Hour, false, true}, // of a clock that was ahead
		{Sent, LiveFor, true, false},
		{Sent, LiveFor, false, true},
		{Unknown, LiveFor, false, false},
		{Unknown, heldFor, false, true},
		{Queued, heldFor, false, false},
		{Scheduled, heldFor, false, false},
		{Held, heldFor, false, false},
		{Sending, heldFor, false, false},
	} {
		m := Message{State: tt.state, Updated: now.Add(-tt.ago)}
		if tt.review {
			m.Review = now
		}
		if got := m.Over(now); got != tt.want {
			t.Errorf("%s for %v: over is %v", tt.state, tt.ago, got)
		}
	}
}
