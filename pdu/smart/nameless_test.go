package smart

import (
	"bytes"
	"testing"

	"cellpost/pdu"
)

func TestHomeNetwork(t *testing.T) {
	for _, tt := range []struct {
		imsi   string
		digits int
		want   string // empty: none
	}{
		{"262011234567890", 2, "262-01"}, {"262011234567890", 3, "262-011"}, {"262011234567890", 0, "262-01"},
		{"310260123456789", 0, "310-260"}, {"310260123456789", 2, "310-26"}, {"310260123456789", 9, "310-260"},
		{"", 2, ""}, {"26201", 2, ""}, {"2620x1234567890", 2, ""},
	} {
		n, ok := HomeNetwork(tt.imsi, tt.digits)
		if ok != (tt.want != "") || ok && n.String() != tt.want {
			t.Errorf("%s with %d digits: %v, %v; want %s", tt.imsi, tt.digits, n, ok, tt.want)
		}
	}
}

// TestSetNetwork: only the first part of a logo that lacks its network gets one.
func TestSetNetwork(t *testing.T) {
	bitmap, _ := NewBitmap(200, 40, func(x, y int) bool { return true })
	ota, _ := bitmap.AppendBinary(nil)
	seg, err := Nameless(ota).Split(pdu.SplitOptions{})
	if err != nil || len(seg.Parts) < 2 {
		t.Fatalf("%d parts, %v", len(seg.Parts), err)
	}
	for i, ud := range seg.Parts {
		s := pdu.Submit{DCS: seg.DCS, UserData: ud}
		if LacksNetwork(s) != (i == 0) {
			t.Errorf("part %d lacks a network: %v", i+1, LacksNetwork(s))
		}
	}
	s := pdu.Submit{DCS: seg.DCS, UserData: seg.Parts[0]}
	if err := SetNetwork(&s, Network{"262", "01"}); err != nil || LacksNetwork(s) {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(s.UserData.Data, []byte{0x62, 0xF2, 0x10, 0}) || len(s.UserData.Data) != len(seg.Parts[0].Data) || seg.Parts[0].Data[0] != 0xFF {
		t.Errorf("% X, and of the old % X", s.UserData.Data, seg.Parts[0].Data)
	}
	if err := SetNetwork(&s, Network{"262", "1"}); err == nil {
		t.Error("262-1 is a network")
	}
}
