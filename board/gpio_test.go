package board

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/warthog618/go-gpiosim"
)

// pi3 has the first names that bcm2837-rpi-3-b-plus.dts gives to its lines, and
// the first of the chip behind the firmware.
func pi3() []chipLines {
	return []chipLines{
		{name: "gpiochip0", label: "pinctrl-bcm2835", lines: []string{
			"ID_SDA", "ID_SCL", "SDA1", "SCL1", "GPIO_GCLK", "GPIO5", "GPIO6", "SPI_CE1_N", "SPI_CE0_N", "",
		}},
		{name: "gpiochip1", label: "raspberrypi-exp-gpio", lines: []string{"BT_ON", "WL_ON", "", "SDA1"}},
	}
}

func TestFindLine(t *testing.T) {
	denied := chipLines{name: "gpiochip0", err: &fs.PathError{Op: "open", Path: "/dev/gpiochip0", Err: fs.ErrPermission}}
	for _, tt := range []struct {
		name  string
		chips []chipLines
		want  string // or a part of the error
	}{
		{"GPIO5", pi3(), "gpiochip0:5"},
		{"WL_ON", pi3(), "gpiochip1:1"},
		{"GPIO4", pi3(), "gpiochip0:4"}, // by number: its name is GPIO_GCLK
		{"GPIO8", pi3(), "gpiochip0:8"},
		{"GPIO10", pi3(), "no line has this name"}, // the chip ends before
		{"GPIO08", pi3(), "no line has this name"},
		{"gpio4", pi3(), "no line has this name"},
		{"GPIO4", pi3()[1:], "no line has this name"}, // not the chip of a Raspberry Pi's SoC
		{"SDA1", pi3(), "write one of gpiochip0:2, gpiochip1:3"},
		{"GPIO5", nil, "no GPIO"},
		{"GPIO5", []chipLines{denied}, "DeviceAllow=char-gpiochip rw"},
		{"WL_ON", append(pi3(), denied), "gpiochip1:1"},
	} {
		chip, offset, err := findLine(tt.name, tt.chips)
		got := fmt.Sprintf("%s:%d", chip, offset)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestNoGPIO: a chip that this machine cannot have.
func TestNoGPIO(t *testing.T) {
	p, err := openGPIO(Line{Chip: "gpiochip9999", Offset: 1}, 0)
	if p != nil || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "gpiodetect") {
		t.Errorf("%v, %v", p, err)
	}
}

// TestGPIOSim drives lines of the kernel's own simulator.
func TestGPIOSim(t *testing.T) {
	sim, err := gpiosim.NewSim(
		gpiosim.WithName("cellpost_board"),
		gpiosim.WithBank(gpiosim.NewBank("slots", 8,
			gpiosim.WithNamedLine(2, "CELLPOST_RESET"),
			gpiosim.WithNamedLine(3, "CELLPOST_POWER"),
			gpiosim.WithHoggedLine(4, "somebody", gpiosim.HogDirectionInput),
		)),
	)
	if err != nil {
		t.Skipf("this kernel has no gpio-sim (CONFIG_GPIO_SIM, as root: modprobe gpio-sim): %v", err)
	}
	defer sim.Close()
	chip := &sim.Chips[0]
	level := func(offset, want int) {
		t.Helper()
		if got, err := chip.Level(offset); err != nil || got != want {
			t.Errorf("line %d: level %d, %v, want %d", offset, got, err, want)
		}
	}
	c := Config{Type: none, Slot: []SlotConfig{{
		Name: "a", Reset: &Line{Name: "CELLPOST_RESET", Low: true}, Power: &Line{Name: "CELLPOST_POWER"},
		LED: &LED{Line: Line{Chip: chip.ChipName(), Offset: 5}}, ResetPulse: Duration(1e6),
	}}}
	h, err := Open(c, "/")
	if err != nil {
		t.Fatal(err)
	}
	if p := h.Slots[0].Problems(t.Context()); p != nil {
		t.Fatal(p)
	}
	level(2, 1)
	level(3, 0)
	if err := h.Slots[0].Reset(t.Context()); err != nil {
		t.Error(err)
	}
	level(2, 1)
	if err := h.Slots[0].SetLED(true); err != nil {
		t.Error(err)
	}
	level(5, 1)
	for offset, want := range map[int]string{2: `held by "cellpost"`, 4: `held by "somebody"`, 8: "has lines 0 to 7 only"} {
		if _, err := openGPIO(Line{Chip: chip.ChipName(), Offset: offset}, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("line %d: %v, want %s", offset, err, want)
		}
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	p, err := openGPIO(Line{Name: "CELLPOST_RESET"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
}
