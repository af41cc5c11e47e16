package modem

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestPINLog: what a SIM was given is held against it alone, whatever the length
// its ICCID is told in; one that does not tell it may be any.
func TestPINLog(t *testing.T) {
	const a, aCheck, b = "894450000000000001", "8944500000000000017", "894450000000000002"
	path := filepath.Join(t.TempDir(), "pin")
	l := pinLog(path)
	for _, step := range []struct {
		name string
		do   func() error
		has  []bool // of PIN 1111: a, aCheck, b, one that does not tell; of PIN 2222: a
	}{
		{"nothing", func() error { return l.clear(a) }, []bool{false, false, false, false, false}},
		{"given to a", func() error { return l.add("1111", a) }, []bool{true, true, false, true, false}},
		{"again", func() error { return l.add("1111", a) }, []bool{true, true, false, true, false}},
		{"b is ready", func() error { return l.clear(b) }, []bool{true, true, false, true, false}},
		{"another PIN", func() error { return l.add("2222", a) }, []bool{true, true, false, true, true}},
		{"a is ready", func() error { return l.clear(aCheck) }, []bool{false, false, false, false, false}},
		{"given to one that does not tell", func() error { return l.add("1111", "") }, []bool{true, true, true, true, false}},
		{"b is ready, and may be that one", func() error { return l.clear(b) }, []bool{false, false, false, false, false}},
		{"as earlier releases wrote it", func() error { return os.WriteFile(path, []byte(pinDigest("1111")), 0o600) }, []bool{true, true, true, true, false}},
		{"one is ready that does not tell", func() error { return l.clear("") }, []bool{false, false, false, false, false}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		got := []bool{l.has("1111", a), l.has("1111", aCheck), l.has("1111", b), l.has("1111", ""), l.has("2222", a)}
		for i := range got {
			if got[i] != step.has[i] {
				t.Fatalf("%s: %v, want %v", step.name, got, step.has)
			}
		}
	}
	if l.exists() {
		t.Error("something is left")
	}
	for i := range 3 * pinLogMost {
		if err := l.add("1111", fmt.Sprint(b, i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(l.lines()); n > pinLogMost {
		t.Errorf("%d lines", n)
	}
	if none := pinLog(""); none.add("1111", a) != nil || none.has("1111", a) || none.clear(a) != nil {
		t.Error("the empty path")
	}
}
