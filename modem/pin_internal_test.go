package modem

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

// TestPINs: what a SIM was given is held against it alone, wherever it is plugged
// and whatever the length its ICCID is told in; one that does not tell it is known
// by its place.
func TestPINs(t *testing.T) {
	const aID, aLong, bID = "894450000000000001", "8944500000000000017", "894450000000000002"
	a, aElsewhere, b := lockedSIM{aID, "m0,1"}, lockedSIM{aLong, "m1,2"}, lockedSIM{bID, "m0,1"}
	mute, muteElsewhere := lockedSIM{"", "m0,1"}, lockedSIM{"", "m1,1"}
	p := NewPINs(filepath.Join(t.TempDir(), "pins"))
	for _, step := range []struct {
		name string
		do   func() error
		has  []bool // of PIN 1111: a, a elsewhere, b, mute, mute elsewhere; of PIN 2222: a
	}{
		{"nothing", func() error { return p.clear(a) }, []bool{false, false, false, false, false, false}},
		{"given to a", func() error { return p.add("1111", a) }, []bool{true, true, false, true, false, false}},
		{"b is ready", func() error { return p.clear(b) }, []bool{true, true, false, true, false, false}},
		{"another PIN", func() error { return p.add("2222", aElsewhere) }, []bool{true, true, false, true, false, true}},
		{"a is ready", func() error { return p.clear(aElsewhere) }, []bool{false, false, false, false, false, false}},
		{"given to one that does not tell", func() error { return p.add("1111", mute) }, []bool{true, false, true, true, false, false}},
		{"one elsewhere is ready", func() error { return p.clear(muteElsewhere) }, []bool{true, false, true, true, false, false}},
		{"b is ready, and may be that one", func() error { return p.clear(b) }, []bool{false, false, false, false, false, false}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		got := []bool{p.has("1111", a), p.has("1111", aElsewhere), p.has("1111", b), p.has("1111", mute), p.has("1111", muteElsewhere), p.has("2222", a)}
		if !slices.Equal(got, step.has) {
			t.Fatalf("%s: %v, want %v", step.name, got, step.has)
		}
	}
	if p.any() {
		t.Error("something is left")
	}
	for i := range 3 * pinsMost {
		if err := p.add("1111", lockedSIM{fmt.Sprint(bID, i), "m0,1"}); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := p.read(); len(all) != pinsMost || err != nil {
		t.Errorf("%d lines, %v", len(all), err)
	}
	if n := p.tried(lockedSIM{fmt.Sprint(bID, 3*pinsMost-1), "m1,1"}); n != 1 {
		t.Errorf("%d PINs were tried", n)
	}
	if broken := NewPINs(t.TempDir()); !broken.has("1111", a) || broken.add("1111", a) == nil { // a directory cannot be read
		t.Error("what cannot be read counts as nothing")
	}
	var none *PINs
	if none.add("1111", a) != nil || none.has("1111", a) || none.any() || none.clear(a) != nil {
		t.Error("nil remembers")
	}
}
