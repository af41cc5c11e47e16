package board

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Config is [board] of the configuration file.
type Config struct {
	Type string       `toml:"type"` // auto (or empty), none, or a model: "Raspberry Pi 4B"
	Slot []SlotConfig `toml:"slot"`
}

// SlotConfig is a [[board.slot]]: what a modem sits in. Every key but the name
// may be left out. A line is active while it does what its key says: power
// while the supply is cut, reset while the module is held in reset.
type SlotConfig struct {
	Name       string   `toml:"name"`
	Modem      string   `toml:"modem"`      // name of the modem that sits in it
	USB        string   `toml:"usb"`        // its port: "1-1.3"
	Power      *Line    `toml:"power"`      // cuts the supply
	Reset      *Line    `toml:"reset"`      // holds the module in reset
	SIMSelect  []Line   `toml:"sim_select"` // number of the SIM in binary, lowest bit first
	LED        *LED     `toml:"led"`
	ResetPulse Duration `toml:"reset_pulse"` // how long reset is active; default 300ms
	PowerOff   Duration `toml:"power_off"`   // how long supply or port is off; default 3s
}

// Defaults of the durations. Modules ask for a reset of some 100 to 500 ms (an
// EC25 for 150 to 460 ms); 3 s let the capacitors of a stick run empty.
const (
	resetPulse = 300 * time.Millisecond
	powerOff   = 3 * time.Second
)

// simLinesMax allows 16 SIMs in a slot, more than any multiplexer has.
const simLinesMax = 4

// Fault is what is wrong with a configuration, and what to write instead.
type Fault struct {
	Slot int    // index of the slot; -1: [board] itself
	Key  string // the key it is about; empty: the slot as a whole
	Text string
}

func (f *Fault) Error() string { return f.Text }

// usbPort is a port by the kernel's name: bus, and the ports of at most six
// hubs (USB 2.0, 4.1.1: seven tiers).
var usbPort = regexp.MustCompile(`^[1-9][0-9]{0,2}-[1-9][0-9]{0,2}(\.[1-9][0-9]{0,2}){0,5}$`)

// Check returns the first fault as a [*Fault].
func (c Config) Check() error {
	if _, ok := named(c.Type); !ok && c.Type != "" && c.Type != "auto" && c.Type != none {
		return &Fault{-1, "type", fmt.Sprintf("board type %q: auto, none, or one of %s", c.Type, strings.Join(names(), ", "))}
	}
	for i, s := range c.Slot {
		if f := s.check(); f != nil {
			f.Slot = i
			return f
		}
		for _, o := range c.Slot[:i] {
			if f := s.clash(o); f != nil {
				f.Slot = i
				return f
			}
		}
	}
	return nil
}

// names lists the models, each once.
func names() []string {
	var all []string
	for _, m := range models() {
		if len(all) == 0 || all[len(all)-1] != m.name {
			all = append(all, m.name)
		}
	}
	return all
}

// check looks at the slot alone.
func (s SlotConfig) check() *Fault {
	fault := func(key, format string, args ...any) *Fault {
		return &Fault{Key: key, Text: fmt.Sprintf(format, args...)}
	}
	switch {
	case s.Name == "":
		return fault("name", "this slot has no name: write name = \"left\"")
	case s.USB != "" && !usbPort.MatchString(s.USB):
		return fault("usb", "usb %q is no port: write it as the kernel names it, like 1-1.3 (ls /sys/bus/usb/devices)", s.USB)
	case len(s.SIMSelect) > simLinesMax:
		return fault("sim_select", "sim_select has %d lines: at most %d", len(s.SIMSelect), simLinesMax)
	case !s.ResetPulse.valid():
		return fault("reset_pulse", "reset_pulse: write it with its unit, like \"300ms\"")
	case !s.PowerOff.valid():
		return fault("power_off", "power_off: write it with its unit, like \"3s\"")
	case s.USB == "" && len(s.lines()) == 0:
		return fault("", "slot %s has nothing in it: write usb, power, reset, sim_select or led, or take it out", s.Name)
	}
	seen := map[string]string{}
	for _, l := range s.lines() {
		if other, ok := seen[l.place]; ok {
			return fault(l.key, "%s is %s of slot %s already: take another line", l.place, other, s.Name)
		}
		seen[l.place] = l.key
	}
	return nil
}

// use is a line or LED, and the key that takes it.
type use struct{ key, place string }

func (s SlotConfig) lines() []use {
	var all []use
	if s.Power != nil {
		all = append(all, use{"power", s.Power.place()})
	}
	if s.Reset != nil {
		all = append(all, use{"reset", s.Reset.place()})
	}
	for _, l := range s.SIMSelect {
		all = append(all, use{"sim_select", l.place()})
	}
	if s.LED != nil {
		place := s.LED.Line.place()
		if s.LED.Sysfs != "" {
			place = s.LED.String()
		}
		all = append(all, use{"led", place})
	}
	return all
}

// clash finds what two slots cannot share.
func (s SlotConfig) clash(o SlotConfig) *Fault {
	switch {
	case s.Name == o.Name:
		return &Fault{Key: "name", Text: fmt.Sprintf("slot name %q is taken: give each slot a name of its own", s.Name)}
	case s.Modem != "" && s.Modem == o.Modem:
		return &Fault{Key: "modem", Text: fmt.Sprintf("modem %s sits in slot %s already: name it once", s.Modem, o.Name)}
	case s.USB != "" && s.USB == o.USB:
		return &Fault{Key: "usb", Text: fmt.Sprintf("usb port %s is that of slot %s", s.USB, o.Name)}
	case below(s.USB, o.USB) || below(o.USB, s.USB):
		return &Fault{Key: "usb", Text: fmt.Sprintf("usb ports %s and %s of slot %s: one is behind the other, and off with it; name the port of the modem, not of its hub", s.USB, o.USB, o.Name)}
	}
	for _, l := range s.lines() {
		for _, other := range o.lines() {
			if l.place == other.place {
				return &Fault{Key: l.key, Text: fmt.Sprintf("%s is %s of slot %s already: take another line", l.place, other.key, o.Name)}
			}
		}
	}
	return nil
}

// below reports whether port a is of a hub at port b.
func below(a, b string) bool { return b != "" && strings.HasPrefix(a, b+".") }
