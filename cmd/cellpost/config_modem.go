package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/renameio/v2"

	"cellpost/board"
	"cellpost/modem"
	"cellpost/modem/at"
	"cellpost/modem/profile"
	"cellpost/modem/usb"
)

// modemsConfig is what all modems have in common.
type modemsConfig struct {
	Discover bool   `toml:"discover"` // take every modem that is plugged in
	Profiles string `toml:"profiles"` // file that corrects what is known of families of modules
	Sys      string `toml:"sys"`      // where the kernel shows devices, for containers and tests: /sys
	Dev      string `toml:"dev"`      // where their nodes are: /dev
}

// tree is where modems on USB are looked for.
func (m modemsConfig) tree() usb.Tree { return usb.Tree{Sys: m.Sys, Dev: m.Dev} }

// modemEntry is one modem. It is found by one of Device, IMEI and USB.
type modemEntry struct {
	Name        string      `toml:"name"`
	Device      string      `toml:"device"`  // path of its serial device
	IMEI        string      `toml:"imei"`    // of the module, wherever it is plugged in
	USB         string      `toml:"usb"`     // what is plugged in there: "1-1.3"
	Baud        int         `toml:"baud"`    // of the serial device
	Flow        string      `toml:"flow"`    // none, or rtscts
	Profile     string      `toml:"profile"` // auto, or the name of a family
	PIN         string      `toml:"pin"`
	MSISDN      string      `toml:"msisdn"` // the SIM's own number, when the SIM does not tell
	SMSC        string      `toml:"smsc"`   // service centre, when the SIM has it not or wrong
	SIM         string      `toml:"sim"`    // its name in routes; default: the modem's
	RejectCalls bool        `toml:"reject_calls"`
	SlotHold    duration    `toml:"slot_hold"` // how long a SIM that was given up is left alone
	Slot        []slotEntry `toml:"slot"`      // SIM slots after the first
}

// slotEntry is a further SIM slot of a modem.
type slotEntry struct {
	SIM    string `toml:"sim"`
	PIN    string `toml:"pin"`
	MSISDN string `toml:"msisdn"`
	SMSC   string `toml:"smsc"`
}

// slots are all SIM slots of a modem.
func (m modemEntry) slots() []slotEntry {
	return slices.Concat([]slotEntry{{m.SIM, m.PIN, m.MSISDN, m.SMSC}}, m.Slot)
}

const defaultSlotHold = duration(30 * time.Minute)

// autoProfile is the profile of a module that is known by what it says of itself.
const autoProfile = "auto"

// bauds are the rates that the kernel has. At less than 9600 the answers of a module
// would take longer than they are waited for.
var bauds = []int{
	9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000, 576000, 921600,
	1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
}

const defaultBaud = 115200

// What flow says of the cable: a modem whose cable lacks RTS and CTS would take
// nothing at all with the second.
const (
	noFlow     = "none"
	rtsctsFlow = "rtscts"
)

// smscNumber is the number of a service centre. 3GPP TS 23.040, 9.1.2.5: at most
// 20 digits.
var smscNumber = regexp.MustCompile(`^\+[0-9]{3,20}$`)

// usbPath is how the kernel names a port of a hub: bus, root port, ports of hubs.
var usbPath = regexp.MustCompile(`^[0-9]+-[0-9]+(\.[0-9]+)*$`)

func (c *config) checkModems(s source) error {
	table, err := c.profiles()
	if err != nil {
		return s.at("modems", 0, "profiles", "profiles: %v", err)
	}
	for i := range c.Modem {
		m := &c.Modem[i]
		m.SIM = cmp.Or(m.SIM, m.Name)
		m.Baud, m.Flow = cmp.Or(m.Baud, defaultBaud), cmp.Or(m.Flow, noFlow)
		m.SlotHold = cmp.Or(m.SlotHold, defaultSlotHold)
		if err := m.checkPlace(s, i); err != nil {
			return err
		}
		if err := m.checkCable(s, i); err != nil {
			return err
		}
		if err := c.checkTaken(s, i); err != nil {
			return err
		}
		if _, known := table.Named(m.Profile); m.Profile != "" && m.Profile != autoProfile && !known {
			return s.at("modem", i, "profile", "profile %q: auto, or one of %s", m.Profile, strings.Join(table.Names(), ", "))
		}
		if m.SlotHold < duration(time.Second) { // a bare number is read as nanoseconds
			return s.at("modem", i, "slot_hold", "slot_hold: write it with its unit: \"30m\" or \"90s\"")
		}
	}
	return c.checkSlots(s, table)
}

// checkPlace: it has a name, and one way to be found.
func (m modemEntry) checkPlace(s source, i int) error {
	switch { // it is part of commands and of paths of the API
	case m.Name == "":
		return s.at("modem", i, "name", "this modem has no name")
	case strings.Trim(m.Name, ".") == "", strings.ContainsFunc(m.Name, func(r rune) bool { return r == '/' || unicode.IsControl(r) }):
		return s.at("modem", i, "name", "name %q: choose one without / and control characters, and not of dots alone", m.Name)
	}
	var given []string
	for _, k := range []struct{ key, value string }{{"device", m.Device}, {"imei", m.IMEI}, {"usb", m.USB}} {
		if k.value != "" {
			given = append(given, k.key)
		}
	}
	switch {
	case len(given) == 0:
		return s.at("modem", i, "device", "modem %s has no device: write the path of its serial device, or imei, or usb", m.Name)
	case len(given) > 1:
		return s.at("modem", i, given[1], "modem %s has %s: one of them says where it is, take the others out", m.Name, strings.Join(given, " and "))
	case m.IMEI != "" && (strings.Trim(m.IMEI, "0123456789") != "" || len(m.IMEI) < 14 || len(m.IMEI) > 16):
		return s.at("modem", i, "imei", "imei %q: 15 digits, as AT+CGSN or the label says", m.IMEI)
	case m.USB != "" && !usbPath.MatchString(m.USB):
		return s.at("modem", i, "usb", "usb %q: write the path on the bus, like 1-1.3 (cellpost doctor lists them)", m.USB)
	}
	return nil
}

// checkCable: its serial device can be set up as the cable and the module want it.
func (m modemEntry) checkCable(s source, i int) error {
	switch {
	case !slices.Contains(bauds, m.Baud):
		return s.at("modem", i, "baud", "baud %d: one of %s", m.Baud, strings.Trim(fmt.Sprint(bauds), "[]"))
	case m.Baud != defaultBaud && m.Device == "":
		return s.at("modem", i, "baud", "baud %d: modem %s is looked for at %d; write device instead, like /dev/serial/by-id/...", m.Baud, m.Name, defaultBaud)
	case m.Flow != noFlow && m.Flow != rtsctsFlow:
		return s.at("modem", i, "flow", "flow %q: %s, or %s where the cable has RTS and CTS", m.Flow, noFlow, rtsctsFlow)
	}
	return nil
}

// checkTaken: no earlier modem has its name or its place.
func (c *config) checkTaken(s source, i int) error {
	m := c.Modem[i]
	for j, o := range c.Modem[:i] {
		switch {
		case o.Name == m.Name:
			return s.at("modem", i, "name", "name %q is taken by modem number %d", m.Name, j+1)
		case m.Device != "" && o.Device == m.Device:
			return s.at("modem", i, "device", "device %q is that of modem %s", m.Device, o.Name)
		case m.IMEI != "" && o.IMEI != "" && o.IMEI[:14] == m.IMEI[:14]: // what follows is a check digit or a version
			return s.at("modem", i, "imei", "imei %s is that of modem %s", m.IMEI, o.Name)
		case m.USB != "" && o.USB == m.USB:
			return s.at("modem", i, "usb", "usb %q is that of modem %s", m.USB, o.Name)
		}
	}
	return nil
}

// portNotes are what is odd about serial devices as they are now. It may be
// another way after the next plugging in, so the gateway starts all the same.
func (c config) portNotes() []string {
	var notes []string
	owner := map[string]string{} // by node
	for _, m := range c.Modem {
		node, err := filepath.EvalSymlinks(m.Device)
		if m.Device == "" || err != nil { // not there
			continue
		}
		if o := owner[node]; o != "" {
			notes = append(notes, fmt.Sprintf("modem %s: device %s leads to %s, as that of modem %s does: take one of the two out, or correct device", m.Name, m.Device, node, o))
		}
		if c.Modems.tree().NoPort(node) {
			notes = append(notes, fmt.Sprintf("modem %s: device %s is no serial port: correct device", m.Name, m.Device))
		}
		owner[node] = m.Name
	}
	return notes
}

// checkSlots: each SIM is sound, and has a name of its own, for reports are
// matched by SIM and reference.
func (c *config) checkSlots(s source, table *profile.Table) error {
	owner := map[string]string{}
	further := 0 // slots after the first, of the modems so far
	for i, m := range c.Modem {
		for j, slot := range m.slots() {
			where, n := "modem", i
			if j > 0 {
				where, n = "modem.slot", further
				further++
			}
			o, taken := owner[slot.SIM]
			beyond := c.outOfReach(m, j, table)
			switch {
			case slot.SIM == "":
				return s.at(where, n, "sim", "slot %d of modem %s has no sim: give its SIM a name for routes", j+1, m.Name)
			case taken:
				return s.at(where, n, "sim", "SIM %q is in modem %s: give each SIM a name of its own", slot.SIM, o)
			case beyond != "":
				return s.at(where, n, "sim", "slot %d of modem %s: %s", j+1, m.Name, beyond)
			case strings.Trim(slot.MSISDN, "0123456789") != "":
				return s.at(where, n, "msisdn", "msisdn %q: digits only, international", slot.MSISDN)
			case slot.SMSC != "" && !smscNumber.MatchString(slot.SMSC):
				return s.at(where, n, "smsc", "smsc %q: write it as the operator does, like +447785016005", slot.SMSC)
			case slot.PIN != "" && (strings.Trim(slot.PIN, "0123456789") != "" || len(slot.PIN) < 4 || len(slot.PIN) > 8):
				return s.at(where, n, "pin", "pin: four to eight digits")
			}
			owner[slot.SIM] = m.Name
		}
	}
	return nil
}

// outOfReach says why the j-th slot of a modem, from 0, can never be chosen, and
// what to do; empty: it may be.
func (c *config) outOfReach(m modemEntry, j int, table *profile.Table) string {
	p, named := table.Named(m.Profile)
	named = named && m.Profile != autoProfile
	lines := 0 // of the multiplexer
	for _, slot := range c.Board.Slot {
		if slot.Modem == m.Name {
			lines = min(len(slot.SIMSelect), 8) // the board takes fewer
		}
	}
	switch {
	case j == 0:
	case lines > 0 && j >= 1<<lines:
		return fmt.Sprintf("sim_select in its [[board.slot]] chooses among %d SIMs: write a further line there, or take this slot out", 1<<lines)
	case lines > 0 && named && len(p.Radio) == 0:
		return fmt.Sprintf("the radio of profile %q is not switched, so that no module of it would notice another SIM: take this slot out, or sim_select", p.Name)
	case lines == 0 && named && p.Slots == nil:
		return fmt.Sprintf("profile %q has no commands for SIM slots: take this slot out, or write sim_select into its [[board.slot]] if the board switches SIMs", p.Name)
	case lines == 0 && named && j >= len(p.Slots.Select):
		return fmt.Sprintf("profile %q has commands for %d SIM slots: take this one out", p.Name, len(p.Slots.Select))
	}
	return ""
}

// sims are the names of all SIMs that are configured.
func (c config) sims() []string {
	var names []string
	for _, m := range c.Modem {
		for _, slot := range m.slots() {
			names = append(names, slot.SIM)
		}
	}
	return names
}

// simSlots is what the configuration says of each SIM.
func (c config) simSlots() []modem.Slot {
	var all []modem.Slot
	for _, m := range c.Modem {
		all = append(all, m.modemSlots()...)
	}
	return all
}

// modemSlots is what package modem has to know of the SIM slots of a modem.
func (e modemEntry) modemSlots() []modem.Slot {
	var all []modem.Slot
	for _, slot := range e.slots() {
		all = append(all, modem.Slot(slot))
	}
	return all
}

// checkBoard: the board is sound, and its slots hold modems that there are.
func (c *config) checkBoard(s source) error {
	if fault, ok := errors.AsType[*board.Fault](c.Board.Check()); ok {
		if fault.Slot < 0 {
			return s.at("board", 0, fault.Key, "%s", fault.Text)
		}
		return s.at("board.slot", fault.Slot, fault.Key, "%s", fault.Text)
	}
	for i, slot := range c.Board.Slot {
		known := slices.ContainsFunc(c.Modem, func(m modemEntry) bool { return m.Name == slot.Modem })
		if slot.Modem != "" && !known && !c.Modems.Discover {
			return s.at("board.slot", i, "modem", "no modem is named %q", slot.Modem)
		}
	}
	return nil
}

// checkDigit reports whether an IMEI ends in the digit that the others demand.
// 3GPP TS 23.003, annex B. Without one there is nothing to say against it.
func checkDigit(imei string) bool {
	if len(imei) != 15 {
		return true
	}
	sum := 0
	for i, r := range imei {
		d := int(r - '0')
		if i%2 == 1 {
			d = d*2/10 + d*2%10
		}
		sum += d
	}
	return sum%10 == 0
}

// profiles is what is known of families of modules, with the operator's
// corrections.
func (c config) profiles() (*profile.Table, error) {
	var override []byte
	if c.Modems.Profiles != "" {
		var err error
		if override, err = os.ReadFile(c.Modems.Profiles); err != nil {
			return nil, err
		}
	}
	return profile.Load(c.Modems.Profiles, override)
}

// boardRoot is where the board is looked for: its sys is that of the modems.
func (m modemsConfig) boardRoot() string { return filepath.Dir(cmp.Or(m.Sys, "/sys")) }

// modem is what package modem has to know of an entry.
func (c config) modem(e modemEntry, table *profile.Table) modem.Config {
	slots := e.modemSlots()
	first := slots[0]
	return modem.Config{
		Name: e.Name, Device: e.Device, Mode: at.Mode{Baud: e.Baud, RTSCTS: e.Flow == rtsctsFlow}, Profiles: table, Profile: e.Profile,
		SIM: first.SIM, PIN: first.PIN, MSISDN: first.MSISDN, SMSC: first.SMSC,
		Slots: slots[1:], SlotHold: time.Duration(e.SlotHold), RejectCalls: e.RejectCalls,
		PromptTimeout: time.Duration(c.Send.PromptTimeout),
		ResultTimeout: time.Duration(c.Send.ResultTimeout),
	}
}

// pins is a file in data_dir that remembers which PINs were given and not taken.
func (c config) pins() string { return filepath.Join(c.DataDir, "pins") }

// discovered is a file in data_dir that remembers the names of discovered modems.
func (c config) discovered() string { return filepath.Join(c.DataDir, "discovered") }

// note is a file in data_dir that remembers something of a modem.
func (c config) note(what, modem string) string {
	return filepath.Join(c.DataDir, what+"-"+url.PathEscape(modem))
}

// suspended reports whether a modem was taken out of service, perhaps by an
// earlier process.
func (c config) suspended(modem string) bool {
	_, err := os.Stat(c.note("suspended", modem))
	return err == nil
}

// setSuspended remembers whether a modem is out of service.
func (c config) setSuspended(modem string, on bool) error {
	file := c.note("suspended", modem)
	if on {
		return renameio.WriteFile(file, nil, 0o640)
	}
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
