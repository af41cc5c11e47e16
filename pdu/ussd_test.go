package pdu_test

import (
	"encoding/hex"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"cellpost/pdu"
)

func TestPackUSSD(t *testing.T) {
	for _, tt := range []struct{ septets, packed string }{
		{"", ""},
		{"*100#", "aa180c3602"},                                // as dialled on Huawei sticks
		{"1234567", "31d98c56b3dd1a"},                          // 7 septets: CR fills up
		{"12345678", "31d98c56b3dd70"},                         // 8: nothing to fill
		{"1234567\r", "31d98c56b3dd1a0d"},                      // ends with CR: another one
		{"12345678123456\x0d", "31d98c56b3dd7031d98c56b3351a"}, // 15: CR is its own
	} {
		if got := hex.EncodeToString(pdu.PackUSSD([]byte(tt.septets))); got != tt.packed {
			t.Errorf("pack %q: got %s, want %s", tt.septets, got, tt.packed)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		septets := rapid.SliceOfN(rapid.ByteMax(0x7f), 0, 182).Draw(t, "septets")
		got := pdu.UnpackUSSD(pdu.PackUSSD(septets))
		// A CR at the boundary of an octet is doubled: to print, the same.
		if n := len(septets); n > 0 && n%8 == 0 && septets[n-1] == '\r' {
			septets = append(septets, '\r')
		}
		if !slices.Equal(got, septets) {
			t.Fatalf("%x, then %x", septets, got)
		}
	})
}
