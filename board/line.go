package board

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Line names a GPIO line in the configuration: by its own name ("GPIO17"), or
// by chip and offset ("gpiochip0:17"). A "!" in front means that the line is
// active when it is low.
type Line struct {
	Name   string // empty: Chip and Offset
	Chip   string // "gpiochip0"
	Offset int    // on the chip, from 0
	Low    bool   // active low
}

const (
	// lineNameMax is the longest name that the kernel has for a line, in
	// octets: GPIO_MAX_NAME_SIZE of linux/gpio.h, less the NUL.
	lineNameMax = 31
	// offsetMax is far above any chip; the largest have a few hundred lines.
	offsetMax = 1<<16 - 1
)

var chipName = regexp.MustCompile(`^gpiochip(0|[1-9][0-9]{0,3})$`)

// ParseLine reads the name of a line.
func ParseLine(text string) (Line, error) {
	rest, low := strings.CutPrefix(text, "!")
	fault := func(why string) (Line, error) {
		return Line{}, fmt.Errorf("line %q %s: write \"GPIO17\", \"gpiochip0:17\", or either with ! in front if low is active", text, why)
	}
	if chip, offset, ok := strings.Cut(rest, ":"); ok && strings.HasPrefix(chip, "gpiochip") {
		n, err := strconv.Atoi(offset)
		switch {
		case !chipName.MatchString(chip):
			return fault("has no chip like gpiochip0")
		case err != nil || n < 0 || n > offsetMax || strconv.Itoa(n) != offset:
			return fault(fmt.Sprintf("needs an offset of 0 to %d after the colon", offsetMax))
		}
		return Line{Chip: chip, Offset: n, Low: low}, nil
	}
	switch {
	case rest == "":
		return fault("has no name")
	case len(rest) > lineNameMax:
		return fault(fmt.Sprintf("is longer than %d octets", lineNameMax))
	case strings.Trim(rest, "0123456789") == "":
		return fault("is a bare number, which may mean a pin or an offset")
	case strings.ContainsFunc(rest, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fault("has a character that no line name has")
	case strings.HasPrefix(rest, "!"), strings.HasPrefix(rest, "gpiochip"), strings.HasPrefix(rest, sysfsLED):
		return fault("is no name of a line")
	}
	return Line{Name: rest, Low: low}, nil
}

// String is the name as [ParseLine] reads it.
func (l Line) String() string {
	not := ""
	if l.Low {
		not = "!"
	}
	return not + l.place()
}

// place is the name without the polarity; empty: no line.
func (l Line) place() string {
	if l.Chip != "" {
		return l.Chip + ":" + strconv.Itoa(l.Offset)
	}
	return l.Name
}

// UnmarshalText is [ParseLine].
func (l *Line) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLine(string(text))
	return err
}

// MarshalText is [Line.String].
func (l Line) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// sysfsLED is in front of the name of a LED that the kernel keeps.
const sysfsLED = "sysfs:"

// LED names a lamp: a GPIO line, or with "sysfs:ACT" one of /sys/class/leds.
type LED struct {
	Line  Line
	Sysfs string // name below /sys/class/leds; empty: Line
}

// ledName is what a name in /sys/class/leds may be here; a path it is not.
var ledName = regexp.MustCompile(`^[A-Za-z0-9_+-][A-Za-z0-9_.:+-]{0,63}$`)

// UnmarshalText reads the name of a LED.
func (l *LED) UnmarshalText(text []byte) error {
	name, ok := strings.CutPrefix(string(text), sysfsLED)
	if !ok {
		return l.Line.UnmarshalText(text)
	}
	if !ledName.MatchString(name) {
		return fmt.Errorf("LED %q: write \"sysfs:\" and a name that \"ls /sys/class/leds\" prints", text)
	}
	*l = LED{Sysfs: name}
	return nil
}

// MarshalText is the name as [LED.UnmarshalText] reads it.
func (l LED) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

func (l LED) String() string {
	if l.Sysfs != "" {
		return sysfsLED + l.Sysfs
	}
	return l.Line.String()
}

// Duration is written as "300ms" or "3s". Zero stands for the default.
type Duration time.Duration

// durationMax bounds how long a modem is held in reset or without supply.
const durationMax = time.Minute

// UnmarshalText reads 1 ms to 1 min.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v == 0 || !Duration(v).valid() {
		return fmt.Errorf("%q is no duration from 1ms to 1m: write 300ms or 3s", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText is the duration as [Duration.UnmarshalText] reads it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// valid is what a bare number, which TOML puts in as nanoseconds, is not.
func (d Duration) valid() bool {
	v := time.Duration(d)
	return v == 0 || v >= time.Millisecond && v <= durationMax
}

func (d Duration) or(usual time.Duration) time.Duration { return cmp.Or(time.Duration(d), usual) }
