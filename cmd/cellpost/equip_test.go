package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cellpost/board"
	"cellpost/modem"
)

// TestEquip: a modem gets the steps of its slot, and none that would hit another.
func TestEquip(t *testing.T) {
	root := t.TempDir()
	device := filepath.Join(root, "sys/bus/usb/devices/1-1.3")
	if err := os.MkdirAll(device, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(device, "authorized"), []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	hardware, err := board.Open(board.Config{Type: "none", Slot: []board.SlotConfig{
		{Name: "left", Modem: "m0", USB: "1-1.3", Reset: &board.Line{Chip: "gpiochip9999"}},
	}}, root)
	if err != nil {
		t.Fatal(err)
	}
	defer hardware.Close()
	d := &daemon{hardware: hardware, fleet: modem.NewFleet(modem.FleetConfig{Log: slog.New(slog.DiscardHandler)})}
	if c := d.equip(modem.Config{Name: "m1"}); c.Steps != nil || c.SelectSIM != nil {
		t.Errorf("a modem without a slot: %+v", c)
	}
	check := func(want ...modem.Worth) {
		t.Helper()
		steps := d.equip(modem.Config{Name: "m0"}).Steps
		if len(steps) != 3 || !steps[0].USB || !steps[1].USB || steps[2].USB {
			t.Fatalf("steps: %+v", steps)
		}
		for i, s := range steps {
			if got := s.Worth(); got != want[i] {
				t.Errorf("%s: worth %d, want %d", s.Name, got, want[i])
			}
		}
	}
	check(modem.Worthwhile, modem.Worthwhile, modem.Worthwhile)
	err = d.equip(modem.Config{Name: "m0"}).Steps[2].Do(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no chip gpiochip9999") {
		t.Errorf("the reset line: %v", err)
	}
	if err := os.RemoveAll(device); err != nil {
		t.Fatal(err)
	}
	check(modem.Pointless, modem.Doubtful, modem.Doubtful)
}

// TestLight: the LED of a slot shines while its modem carries messages; that it
// cannot is told once, and once more when it could in between.
func TestLight(t *testing.T) {
	root := t.TempDir()
	lamp := filepath.Join(root, "sys/class/leds/left")
	plug := func(text string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(lamp, 0o755), os.WriteFile(filepath.Join(lamp, "brightness"), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	plug("7")
	hardware, err := board.Open(board.Config{Type: "none", Slot: []board.SlotConfig{
		{Name: "left", Modem: "m0", LED: &board.LED{Sysfs: "left"}},
		{Name: "right", Modem: "m1", USB: "1-1.3"},
	}}, root)
	if err != nil {
		t.Fatal(err)
	}
	defer hardware.Close()
	var log bytes.Buffer
	d := &daemon{hardware: hardware, log: slog.New(slog.NewTextHandler(&log, nil))}
	if d.equip(modem.Config{Name: "m1"}).Service != nil {
		t.Error("a slot without a LED")
	}
	tell := d.equip(modem.Config{Name: "m0"}).Service
	shows := func(want string) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(lamp, "brightness"))
		if string(b) != want || err != nil {
			t.Errorf("the LED shows %q, %v; want %s", b, err, want)
		}
	}
	shows("0")
	tell(true)
	shows("1")
	tell(false)
	shows("0")
	for round := 1; round <= 2; round++ {
		if err := os.RemoveAll(lamp); err != nil {
			t.Fatal(err)
		}
		for _, ready := range []bool{true, false, true} {
			tell(ready)
		}
		if n := strings.Count(log.String(), "no LED left"); n != round || strings.Count(log.String(), "\n") != round || !strings.Contains(log.String(), "modem=m0") {
			t.Errorf("round %d: told\n%s", round, &log)
		}
		plug("0")
		tell(true)
		shows("1")
	}
}

// TestWorth: modems may sit elsewhere than the configuration says.
func TestWorth(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "sys/bus/usb/devices/1-1.3"), 0o755); err != nil {
		t.Fatal(err)
	}
	line := &board.Line{Chip: "gpiochip9999"}
	hardware, err := board.Open(board.Config{Type: "none", Slot: []board.SlotConfig{
		{Name: "left", Modem: "m0", USB: "1-1.3", Power: line},
		{Name: "right", Modem: "m1", Power: &board.Line{Chip: "gpiochip9999", Offset: 1}},
	}}, root)
	if err != nil {
		t.Fatal(err)
	}
	defer hardware.Close()
	for _, tt := range []struct {
		name, modem string
		facts       []modem.Facts
		want        modem.Worth
	}{
		{"in its slot", "m0", []modem.Facts{{Name: "m0", Present: true, USB: "1-1.3"}, {Name: "m1", Present: true, USB: "1-1.4"}}, modem.Worthwhile},
		{"nobody knows where", "m0", []modem.Facts{{Name: "m0"}}, modem.Worthwhile},
		{"a device at its port does not answer", "m0", []modem.Facts{{Name: "m0", USB: "1-1.3"}}, modem.Worthwhile},
		{"found at another port", "m0", []modem.Facts{{Name: "m0", Present: true, USB: "1-1.4"}}, modem.Pointless},
		{"another in its slot", "m0", []modem.Facts{{Name: "m0", USB: "1-1.4"}, {Name: "m1", Present: true, USB: "1-1.3"}}, modem.Pointless},
		{"the other was suspended and pulled out", "m0", []modem.Facts{{Name: "m0"}, {Name: "m1", Present: true, Suspended: true, USB: "1-1.3"}}, modem.Worthwhile},
		{"not on USB", "m1", []modem.Facts{{Name: "m1", Present: true}}, modem.Worthwhile},
		{"no port is named, and it is there", "m1", []modem.Facts{{Name: "m1", Present: true, USB: "1-1.4"}}, modem.Worthwhile},
		{"no port is named, and it is not there", "m1", []modem.Facts{{Name: "m0", Present: true}, {Name: "m1"}}, modem.Doubtful},
	} {
		if got := worth(board.KindPower, tt.modem, hardware.Slot(tt.modem), tt.facts); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	err = seated("m0", hardware.Slot("m0"), []modem.Facts{{Name: "m1", Present: true, USB: "1-1.3"}})
	if err == nil || !strings.Contains(err.Error(), "modem m1 is at USB port 1-1.3") {
		t.Errorf("%v", err)
	}
}
