package modem

import (
	"fmt"
	"strings"
	"time"
)

// Finding is something that is wrong, with its cause and what to do.
type Finding struct {
	Code  string    // stable: "sim-pin-wrong"
	Cause string    // in words
	Step  string    // what a person can do; empty: only time helps
	Since time.Time // zero: not known
}

// Health is what is wrong with the modem, what keeps it from sending first.
// Nothing wrong: nothing.
func (f Facts) Health() []Finding {
	var all []Finding
	if c, ok := complaints[f.State()]; ok {
		c.Step = f.named(c.Step)
		switch {
		case f.misplaced():
			c = f.Place
		case f.Problem != "" && c.Cause != f.Problem:
			c.Cause += ": " + f.Problem
		}
		c.Since = f.Since
		all = append(all, c)
	}
	if f.Present && f.Place.Code != "" {
		all = append(all, f.Place)
	}
	add := func(found bool, code, cause, step string) {
		if found {
			all = append(all, Finding{Code: code, Cause: cause, Step: step})
		}
	}
	add(f.CardRefused >= refusalsMost, "sim-refused",
		fmt.Sprintf("the network refused the last %d messages to this SIM, whatever the number", f.CardRefused),
		f.named(askOperator))
	add(f.Memory != "" && f.State() != SIMFull, complaints[SIMFull].Code, complaints[SIMFull].Cause, complaints[SIMFull].Step)
	add(f.Stuck > 0, "sim-undeletable", fmt.Sprintf("%d messages in the module cannot be deleted, or not be read; what can be read was taken in", f.Stuck),
		"if the memory fills up, delete them in a telephone or replace the SIM")
	add(f.CardWarning != "", "sim-name", f.CardWarning,
		"nothing if that is as it should be; else put the SIM where it belongs, or correct sim in the configuration: routes use the name")
	add(f.NoReports && f.Ready, "reports-off", "the module passes no status reports on", "replace the module if you need them")
	add(f.SignalDBm != 0 && f.SignalDBm <= weakSignal, "signal-weak", fmt.Sprintf("the signal is weak: %d dBm", f.SignalDBm),
		"move the antenna, or use a better one")
	for _, aside := range f.Aside {
		aside.Cause, aside.Step = oneLine(aside.Cause), f.named(aside.Step)
		all = append(all, aside)
	}
	return append(all, f.Known...)
}

const (
	weakSignal   = -107 // dBm: below it sends begin to fail
	refusalsMost = 5    // in a row: then it is the SIM, not the numbers
)

// complaints are the findings of the states in which a modem does not do all it
// should. NAME in a step stands for that of the modem.
var complaints = map[State]Finding{
	Suspended: {Code: "modem-suspended", Cause: "suspended by a person", Step: "cellpost modem resume NAME"},
	Absent: {Code: "modem-absent", Cause: "the modem is not there",
		Step: "plug the modem in, or correct device, usb or imei for it in the configuration"},
	Silent:     {Code: "modem-silent", Cause: "the modem does not answer", Step: unplug},
	Recovering: {Code: "modem-recovering", Cause: "the modem is being recovered", Step: unplug},
	Parked:     {Code: "modem-parked", Cause: "all that could be done for the modem was done, and did not help", Step: unplug},
	Stalled:    {Code: "modem-stalled", Cause: "a command got no answer", Step: unplug},
	NoSIM:      {Code: "sim-absent", Cause: "there is no SIM, or it has no contact", Step: "insert a SIM, chip towards the contacts"},
	PINMissing: {Code: "sim-pin-missing", Cause: "the SIM asks for its PIN", Step: "write pin for this modem into the configuration, then restart"},
	PINWrong: {Code: "sim-pin-wrong", Cause: "the SIM did not take the configured PIN, or bears only one more try; it is not tried, for the third wrong one locks it",
		Step: "set the right pin for this SIM in the configuration, then restart; if it has one try left, unlock it in a telephone first, and remove the file pins in data_dir"},
	PUK: {Code: "sim-puk", Cause: "the SIM is blocked and asks for its PUK", Step: "unblock the SIM in a telephone with its PUK"},
	Locked: {Code: "modem-locked", Cause: "the module is locked to a network, or to a SIM, and this SIM is another",
		Step: "unlock it with the code of its seller, or use a SIM of that network"},
	SIMFailed:  {Code: "sim-failed", Cause: "the SIM cannot be read", Step: "clean or replace the SIM"},
	NoSMSC:     {Code: "smsc-unset", Cause: "the number of the service centre is not set, or wrong", Step: "write smsc for this modem into the configuration; the operator tells the number"},
	Searching:  {Code: "network-searching", Cause: "the module looks for a network", Step: "check the antenna, and whether the operator covers the place"},
	NoCoverage: {Code: "network-none", Cause: "the module hears no cell", Step: "check the antenna and its plug, and whether the operator covers the place"},
	Limited: {Code: "network-limited", Cause: "only emergency calls are allowed here: no network that this SIM may use is in reach",
		Step: "ask the operator whether the SIM is active, and whether it may use the networks at this place"},
	Denied:  {Code: "network-denied", Cause: "the network refuses this SIM", Step: "ask the operator whether the SIM is active and paid, and whether the module is barred by its IMEI"},
	SIMFull: {Code: "sim-full", Cause: "the memory for messages is full: messages to this SIM wait in the network", Step: "delete messages in a telephone, or replace the SIM"},
}

const askOperator = "ask the operator whether the SIM is barred or out of credit; while it is in use, cellpost modem ussd NAME '*100#' tells the balance in many networks"

const unplug = "if it lasts, unplug the modem for ten seconds"

// NextStep says what a person can do about a state; empty where nothing is
// wrong or only time helps.
func (f Facts) NextStep() string {
	if step := complaints[f.State()].Step; step != "" && !f.misplaced() {
		return f.named(step)
	}
	return f.Place.Step
}

// named writes the name of the modem into a step.
func (f Facts) named(step string) string {
	return strings.ReplaceAll(step, "NAME", ShellWord(f.Name))
}

// ShellWord writes s so that a shell takes it for one word: the name of a modem in
// a command that people are told.
func ShellWord(s string) string {
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("/._-+@", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// misplaced reports whether the modem is absent for a reason that is known.
func (f Facts) misplaced() bool { return f.State() == Absent && f.Place.Code != "" }
