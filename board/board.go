// Package board knows the hardware that the modems sit on: which board this is,
// and for each slot the lines and ports that reset its modem, cut its supply,
// choose its SIM and light its lamp. It promises that a modem is left powered,
// authorised and out of reset, whatever becomes of an operation, and that
// hardware which is not there is told in words and stops nothing.
package board

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Ports says what switches the supply of the USB ports of a board.
type Ports string

// Supplies of USB ports.
const (
	PortsUnknown Ports = ""        // the board is not in the table
	PortsFixed   Ports = "fixed"   // always on
	PortsGanged  Ports = "ganged"  // all ports together
	PortsCarrier Ports = "carrier" // as the board under the module has it
)

// Board is what is known of the board.
type Board struct {
	Model    string // "Raspberry Pi 4B"; of a board not in the table its own words; "none"
	Text     string // what the device tree calls it; empty: there is no device tree
	Ports    Ports
	Master   string // the port that switches all ports, "1-1.2"; empty: none does alone
	GPIO     int    // lines on the header that a slot may use; 0: not known
	Watchdog string // the hardware watchdog in use by the kernel; empty: none
	Image    bool   // the flashable image runs on it

	known bool // in the table
}

// none is the Model of a board that says nothing of itself.
const none = "none"

// model is a line of the table of boards.
type model struct {
	name       string
	text       string // in the device tree, as plain shortens it
	compatible string // first of the board's compatible strings
	ports      Ports
	master     string
	gpio       int
	image      bool
}

// models returns the table. Sources: names and compatible strings from Linux'
// Documentation/devicetree/bindings/arm/bcm/bcm2835.yaml and the files it
// covers, texts as the boards' firmware writes them; the supply of the ports
// from the README of uhubctl (Raspberry Pi B+, 2B, 3B, 3B+, 4B, 5); boards that
// it does not list have their socket on the supply of the board. On a 4B all
// four ports of the VL805 must be off before the supply goes; a 400 has the
// same controller, its keyboard on one of the ports. GPIO: a header has GPIO0
// to GPIO27, of which 0 and 1 belong to the memory of a HAT; a Compute Module 3
// brings out GPIO0 to GPIO45 (bcm2837-rpi-cm3-io3.dts). The boards with a
// BCM2712 (5, 500, CM5) need a driver for its RP1 that the image's kernel does
// not have; those but the 5 are in Raspberry Pi's own tree of Linux only.
func models() []model {
	return []model{
		{"Raspberry Pi 3B", "Raspberry Pi 3 Model B", "raspberrypi,3-model-b", PortsGanged, "1-1.2", 26, true},
		{"Raspberry Pi 3B+", "Raspberry Pi 3 Model B+", "raspberrypi,3-model-b-plus", PortsGanged, "1-1.2", 26, true},
		{"Raspberry Pi 3A+", "Raspberry Pi 3 Model A+", "raspberrypi,3-model-a-plus", PortsFixed, "", 26, true},
		{"Raspberry Pi CM3", "Raspberry Pi Compute Module 3", "raspberrypi,3-compute-module", PortsCarrier, "", 46, true},
		{"Raspberry Pi CM3", "Raspberry Pi Compute Module 3+", "raspberrypi,3-compute-module-lite", PortsCarrier, "", 46, true},
		{"Raspberry Pi 4B", "Raspberry Pi 4 Model B", "raspberrypi,4-model-b", PortsGanged, "", 26, true},
		{"Raspberry Pi 400", "Raspberry Pi 400", "raspberrypi,400", PortsGanged, "", 26, true},
		{"Raspberry Pi CM4", "Raspberry Pi Compute Module 4", "raspberrypi,4-compute-module", PortsCarrier, "", 26, true},
		{"Raspberry Pi Zero 2 W", "Raspberry Pi Zero 2 W", "raspberrypi,model-zero-2-w", PortsFixed, "", 26, true},
		{"Raspberry Pi 5", "Raspberry Pi 5 Model B", "raspberrypi,5-model-b", PortsGanged, "", 26, false},
		{"Raspberry Pi 500", "Raspberry Pi 500", "raspberrypi,500", PortsGanged, "", 26, false},
		{"Raspberry Pi CM5", "Raspberry Pi Compute Module 5", "raspberrypi,5-compute-module", PortsCarrier, "", 26, false},
	}
}

func (m model) board(text string) Board {
	return Board{
		Model: m.name, Text: text, Ports: m.ports, Master: m.master, GPIO: m.gpio, Image: m.image,
		known: true,
	}
}

// Detect tells which board this is from the device tree that the kernel shows
// below root ("/"). A machine without one is the board "none", and so is, with
// an error, one whose device tree cannot be read.
func Detect(root string) (Board, error) {
	text, err := treeStrings(root, "model")
	if err != nil {
		return Board{Model: none}, unread(err)
	}
	compatible, err := treeStrings(root, "compatible")
	if err != nil {
		return Board{Model: none}, unread(err)
	}
	b := identify(text, compatible)
	b.Watchdog = watchdog(root)
	return b, nil
}

func unread(err error) error {
	return curable{err, `write what it is into [board], like type = "Raspberry Pi 4B"`}
}

// identify finds a board in the table: by its text, which the firmware writes,
// before its compatible strings, because a 3A+ may run on the tree of a 3B+.
func identify(text, compatible []string) Board {
	said := slices.Concat(text, compatible)
	if len(said) == 0 {
		return Board{Model: none}
	}
	for _, m := range models() {
		if plain(said[0]) == m.text {
			return m.board(said[0])
		}
	}
	for _, m := range models() {
		if slices.Contains(compatible, m.compatible) {
			return m.board(said[0])
		}
	}
	return Board{Model: said[0], Text: said[0]}
}

// plain shortens a board's text: "Raspberry Pi 3 Model B Plus Rev 1.3" is
// "Raspberry Pi 3 Model B+".
func plain(text string) string {
	text, _, _ = strings.Cut(text, " Rev ")
	return strings.Replace(text, " Plus", "+", 1)
}

// treeMax is the most that is read of a property, in octets. Real ones have
// less than 100.
const treeMax = 4096

// treeStrings reads a property that is a list of strings, each with a NUL
// behind it. No such property is no strings.
func treeStrings(root, property string) ([]string, error) {
	for _, dir := range []string{"proc/device-tree", "sys/firmware/devicetree/base"} {
		value, err := readSome(filepath.Join(root, dir, property), treeMax)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("device tree: %w", err)
		}
		return strings.FieldsFunc(strings.ToValidUTF8(value, "?"), func(r rune) bool { return r < ' ' }), nil
	}
	return nil, nil
}

// readSome reads at most most octets of a file, without the blanks around them.
func readSome(name string, most int64) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most))
	return strings.TrimSpace(string(b)), err
}

// softdog is what the kernel's watchdog without hardware calls itself.
const softdog = "Software Watchdog"

// watchdog returns the name of the first hardware watchdog.
func watchdog(root string) string {
	names, _ := filepath.Glob(filepath.Join(root, "sys/class/watchdog/watchdog*/identity")) // the pattern is good
	for _, name := range names {
		if id, err := readSome(name, 256); err == nil && id != "" && id != softdog {
			return id
		}
	}
	return ""
}

// named returns the board of a name in the table: "Raspberry Pi 4B" or "4B",
// in letters of any case.
func named(name string) (Board, bool) {
	for _, m := range models() {
		if strings.EqualFold(name, m.name) || strings.EqualFold("Raspberry Pi "+name, m.name) {
			return m.board(""), true
		}
	}
	return Board{}, false
}

func (b Board) String() string {
	if b.Model == none {
		return "no board known (a PC, a virtual machine or a container)"
	}
	if b.Text != "" && b.Text != b.Model {
		return fmt.Sprintf("%s (%s)", b.Model, b.Text)
	}
	return b.Model
}

// Facts says which board it is, and in sentences what it has and has not.
func (b Board) Facts() []string {
	facts := []string{b.String()}
	if b.known && !b.Image {
		facts = append(facts, "image: the flashable image does not run on this board")
	}
	facts = append(facts, "USB ports: "+b.ports())
	if b.GPIO > 0 {
		facts = append(facts, fmt.Sprintf("GPIO: %d lines for slots", b.GPIO))
	} else {
		facts = append(facts, "GPIO: lines not known, gpioinfo lists them if there are any")
	}
	switch {
	case b.Watchdog != "":
		facts = append(facts, "watchdog: "+b.Watchdog)
	case b.known: // every chip from the BCM2835 to the BCM2712 has it
		facts = append(facts, "watchdog: the chip has one, and the kernel shows none: load bcm2835_wdt")
	default:
		facts = append(facts, "watchdog: the kernel shows none in hardware")
	}
	return facts
}

// ports says what switching a port does.
func (b Board) ports() string {
	switch {
	case b.Ports == PortsFixed:
		return "their supply is always on; a hub that switches each port helps"
	case b.Ports == PortsCarrier:
		return "their supply is switched as the carrier board does it"
	case b.Master != "":
		return fmt.Sprintf("one supply for all, which port %s switches; a hub that switches each port helps", b.Master)
	case b.Ports == PortsGanged:
		return "one supply for all, on until every port is off; a hub that switches each port helps"
	}
	return "not known whether their supply is switched"
}
