package board

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"
	"pgregory.net/rapid"
)

// file is a configuration file around Config.
type file struct {
	Board Config `toml:"board"`
}

func decode(text string) (Config, error) {
	var f file
	dec := toml.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	err := dec.Decode(&f)
	return f.Board, err
}

const full = `
[board]
type = "Raspberry Pi 4B"

[[board.slot]]
name = "left"
modem = "m0"
usb = "1-1.3"
power = "!GPIO17"
reset = "gpiochip0:27"
sim_select = ["GPIO22", "!GPIO23"]
led = "sysfs:ACT"
reset_pulse = "200ms"
power_off = "5s"

[[board.slot]]
name = "right"
usb = "1-1.31"
led = "GPIO5"
`

func TestConfig(t *testing.T) {
	c, err := decode(full)
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	left, right := c.Slot[0], c.Slot[1]
	if *left.Power != (Line{Name: "GPIO17", Low: true}) || *left.Reset != (Line{Chip: "gpiochip0", Offset: 27}) {
		t.Errorf("%v, %v", left.Power, left.Reset)
	}
	if left.SIMSelect[1].String() != "!GPIO23" || left.LED.Sysfs != "ACT" || right.LED.Line.Name != "GPIO5" || right.Power != nil {
		t.Errorf("%+v", c.Slot)
	}
	if left.ResetPulse.or(resetPulse) != 200*time.Millisecond || right.PowerOff.or(powerOff) != 3*time.Second {
		t.Errorf("%v, %v", left.ResetPulse, right.PowerOff)
	}
	again, err := toml.Marshal(file{c})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`'!GPIO17'`, `'gpiochip0:27'`, `'sysfs:ACT'`, `'200ms'`} {
		if !strings.Contains(string(again), want) {
			t.Errorf("%s is not in\n%s", want, again)
		}
	}
}

// TestConfigFaults: each fault says what to write.
func TestConfigFaults(t *testing.T) {
	slot := func(lines string) string { return "[[board.slot]]\nname = \"a\"\n" + lines + "\n" }
	two := func(first, second string) string {
		return slot(first) + "[[board.slot]]\nname = \"b\"\n" + second + "\n"
	}
	for _, tt := range []struct {
		text string
		slot int // -2: found when it is decoded
		key  string
		want string
	}{
		{"[board]\ntype = \"Raspberry Pi 9\"", -1, "type", "auto, none, or one of Raspberry Pi 3B, Raspberry Pi 3B+,"},
		{"[[board.slot]]\nusb = \"1-1\"", 0, "name", `write name = "left"`},
		{slot(""), 0, "", "write usb, power, reset"},
		{slot(`usb = "../1-1"`), 0, "usb", "like 1-1.3"},
		{slot(`usb = "1-1.0"`), 0, "usb", "like 1-1.3"},
		{slot(`usb = "1-1.1.1.1.1.1.1"`), 0, "usb", "like 1-1.3"},
		{slot(`sim_select = ["GPIO1", "GPIO2", "GPIO3", "GPIO4", "GPIO5"]`), 0, "sim_select", "at most 4"},
		{slot("power = \"GPIO17\"\nreset = \"!GPIO17\""), 0, "reset", "GPIO17 is power of slot a already"},
		{slot(`sim_select = ["GPIO1", "GPIO1"]`), 0, "sim_select", "take another line"},
		{two(`led = "GPIO5"`, `reset = "GPIO5"`), 1, "reset", "GPIO5 is led of slot a already"},
		{two(`led = "sysfs:ACT"`, `led = "sysfs:ACT"`), 1, "led", "sysfs:ACT is led of slot a already"},
		{two(`usb = "1-1"`, `usb = "1-1"`), 1, "usb", "is that of slot a"},
		{two(`usb = "1-1.3"`, `usb = "1-1"`), 1, "usb", "one is behind the other"},
		{two(`usb = "1-1"`, `usb = "1-1.3.1"`), 1, "usb", "one is behind the other"},
		{two("usb = \"1-1\"\nmodem = \"m\"", "usb = \"1-2\"\nmodem = \"m\""), 1, "modem", "name it once"},
		{slot(`usb = "1-1"`) + slot(`usb = "1-2"`), 1, "name", "a name of its own"},
		{slot("usb = \"1-1\"\nreset_pulse = 300"), 0, "reset_pulse", `"300ms"`},
		{slot("usb = \"1-1\"\npower_off = -3"), 0, "power_off", `"3s"`},
		{slot(`power = "17"`), -2, "", `write "GPIO17"`},
		{slot(`power = ""`), -2, "", "has no name"},
		{slot(`power = "!!GPIO17"`), -2, "", "is no name"},
		{slot(`power = "sysfs:ACT"`), -2, "", "is no name"},
		{slot(`power = "GPIO 17"`), -2, "", "a character"},
		{slot(`power = "a-name-that-is-far-too-long-for-a-line"`), -2, "", "longer than 31"},
		{slot(`power = "gpiochip0"`), -2, "", "is no name"},
		{slot(`power = "gpiochip0:"`), -2, "", "offset of 0 to 65535"},
		{slot(`power = "gpiochip0:017"`), -2, "", "offset of 0 to 65535"},
		{slot(`power = "gpiochip0:65536"`), -2, "", "offset of 0 to 65535"},
		{slot(`power = "gpiochip0:-0"`), -2, "", "offset of 0 to 65535"},
		{slot(`power = "gpiochip:1"`), -2, "", "no chip like gpiochip0"},
		{slot(`power = "gpiochip../0:1"`), -2, "", "no chip like gpiochip0"},
		{slot(`led = "sysfs:../../x"`), -2, "", "ls /sys/class/leds"},
		{slot(`led = "sysfs:."`), -2, "", "ls /sys/class/leds"},
		{slot(`led = "sysfs:"`), -2, "", "ls /sys/class/leds"},
		{slot("reset_pulse = \"0s\""), -2, "", "1ms to 1m"},
		{slot("power_off = \"3\""), -2, "", "write 300ms or 3s"},
		{slot("power_off = \"2m\""), -2, "", "1ms to 1m"},
	} {
		c, err := decode(tt.text)
		if (err != nil) != (tt.slot == -2) {
			t.Errorf("%s: decoded with %v", tt.text, err)
			continue
		}
		if err == nil {
			err = c.Check()
			f, _ := errors.AsType[*Fault](err)
			if f == nil || f.Slot != tt.slot || f.Key != tt.key {
				t.Errorf("%s: %+v, want slot %d, key %q", tt.text, f, tt.slot, tt.key)
				continue
			}
			if _, opened := Open(c, t.TempDir()); opened == nil {
				t.Errorf("%s: opened", tt.text)
			}
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q, want %q", tt.text, err, tt.want)
		}
	}
}

func TestLineRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Line{Low: rapid.Bool().Draw(t, "low")}
		if rapid.Bool().Draw(t, "by chip") {
			l.Chip = "gpiochip" + rapid.StringMatching(`0|[1-9][0-9]{0,3}`).Draw(t, "chip")
			l.Offset = rapid.IntRange(0, offsetMax).Draw(t, "offset")
		} else {
			l.Name = rapid.StringMatching(`[A-Z_\[][!-~]{1,30}`).Draw(t, "name")
		}
		got, err := ParseLine(l.String())
		if err != nil || got != l {
			t.Fatalf("%q: %+v, %v, want %+v", l, got, err, l)
		}
	})
}

// FuzzLine: what is read is written as it was, for lines and for LEDs.
func FuzzLine(f *testing.F) {
	for _, text := range []string{"GPIO17", "!GPIO17", "gpiochip0:17", "!gpiochip512:0", "gpiochip00:1", "17", "", "!", "sysfs:ACT", "sysfs:usb::status", "[SD_CLK]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if l, err := ParseLine(text); err == nil && l.String() != text {
			t.Errorf("line %q: %q", text, l)
		}
		var led LED
		if err := led.UnmarshalText([]byte(text)); err == nil && led.String() != text {
			t.Errorf("LED %q: %q", text, led)
		}
	})
}
