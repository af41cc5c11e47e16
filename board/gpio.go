package board

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/warthog618/go-gpiocdev"
)

// pin is a GPIO line that this process holds as an output. It may float once it
// is closed.
type pin interface {
	SetValue(level int) error // 0: low, 1: high
	Close() error
}

// opener requests a line as an output at a level. The line is driven from then on.
type opener func(l Line, level int) (pin, error)

// output is a line of a slot. It is requested at its first level and held.
type output struct {
	key  string // of the configuration
	line Line
	open opener
	pin  pin // nil: not requested, or lost
}

// set drives the line. A line that could not be had, or is lost, is requested
// anew: the rights to it, or the adapter it is on, may have come in the meantime.
func (o *output) set(active bool) error {
	level := 0
	if active != o.line.Low {
		level = 1
	}
	if o.pin != nil {
		if o.pin.SetValue(level) == nil {
			return nil
		}
		o.close() // what is wrong with it, the new request tells
	}
	p, err := o.open(o.line, level)
	if err != nil {
		return fmt.Errorf("%s line %s: %w", o.key, o.line.place(), err)
	}
	o.pin = p
	return nil
}

func (o *output) close() error {
	if o.pin == nil {
		return nil
	}
	p := o.pin
	o.pin = nil
	return p.Close()
}

// consumer is what gpioinfo shows beside a line of ours.
const consumer = "cellpost"

// openGPIO is the opener of the kernel's GPIO character devices.
func openGPIO(l Line, level int) (pin, error) {
	chip, offset := l.Chip, l.Offset
	if chip == "" {
		var err error
		if chip, offset, err = findLine(l.Name, chips()); err != nil {
			return nil, err
		}
	}
	c, err := gpiocdev.NewChip(chip, gpiocdev.WithConsumer(consumer))
	if err != nil {
		return nil, gpioHint(chip, err)
	}
	defer c.Close()
	line, err := c.RequestLine(offset, gpiocdev.AsOutput(level))
	if errors.Is(err, syscall.EBUSY) {
		info, _ := c.LineInfo(offset) // without a name it is busy all the same
		return nil, curable{fmt.Errorf("%w: held by %q", err, info.Consumer), "end that program, take its overlay out, or use another line"}
	}
	if errors.Is(err, gpiocdev.ErrInvalidOffset) {
		return nil, curable{fmt.Errorf("%s has lines 0 to %d only", chip, c.Lines()-1), "correct it in the configuration: gpioinfo lists them"}
	}
	if err != nil {
		return nil, gpioHint(chip, err)
	}
	return line, nil
}

// gpioHint adds to an error what helps.
func gpioHint(chip string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return curable{err, fmt.Sprintf("put the service's user into the group of /dev/%s, and DeviceAllow=char-gpiochip rw into its unit: docs/board.md", chip)}
	case errors.Is(err, fs.ErrNotExist):
		return curable{fmt.Errorf("no chip %s here: %w", chip, err), "correct it in the configuration: gpiodetect lists them"}
	}
	return fmt.Errorf("%s: %w", chip, err)
}

// chipLines is a GPIO chip and the names of its lines.
type chipLines struct {
	name, label string
	lines       []string
	err         error // why it could not be read
}

// chips reads all chips. Their number and size are the kernel's.
func chips() []chipLines {
	var all []chipLines
	for _, name := range gpiocdev.Chips() {
		c, err := gpiocdev.NewChip(name)
		if err != nil {
			all = append(all, chipLines{name: name, err: err})
			continue
		}
		lines := make([]string, c.Lines())
		for i := range lines {
			info, _ := c.LineInfo(i) // a line that cannot be read has no name
			lines[i] = info.Name
		}
		c.Close()
		all = append(all, chipLines{name: name, label: c.Label, lines: lines})
	}
	return all
}

// numbered matches the number of a Raspberry Pi's GPIO.
var numbered = regexp.MustCompile(`^GPIO(0|[1-9][0-9]?)$`)

// findLine finds a line by its name on the chips. On a Raspberry Pi "GPIO4" is
// offset 4 of the chip in the SoC even where the device tree calls the line
// GPIO_GCLK after its first function.
func findLine(name string, chips []chipLines) (chip string, offset int, err error) {
	var found []string
	for _, c := range chips {
		for i, n := range c.lines {
			if n == name {
				chip, offset = c.name, i
				found = append(found, Line{Chip: c.name, Offset: i}.String())
			}
		}
	}
	switch {
	case len(found) == 1:
		return chip, offset, nil
	case len(found) > 1:
		return "", 0, curable{errors.New("several lines have this name"), "write one of " + strings.Join(found, ", ")}
	case len(chips) == 0:
		return "", 0, curable{errors.New("this machine has no GPIO, or this user may not see it"), "ls /dev/gpiochip*; docs/board.md has the rights"}
	}
	if m := numbered.FindStringSubmatch(name); m != nil {
		n, _ := strconv.Atoi(m[1]) // two digits
		for _, c := range chips {
			soc := strings.HasPrefix(c.label, "pinctrl-bcm2") || c.label == "pinctrl-rp1"
			if soc && n < len(c.lines) {
				return c.name, n, nil
			}
		}
	}
	for _, c := range chips {
		if c.err != nil {
			return "", 0, gpioHint(c.name, c.err)
		}
	}
	return "", 0, curable{errors.New("no line has this name"), "correct it in the configuration: gpioinfo lists them"}
}
