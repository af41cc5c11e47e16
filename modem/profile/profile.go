// Package profile knows what the families of GSM modules want to be asked, and
// how: initialisation, routing of messages and reports, memories, ready signals,
// SIM slots, ways to restart them, and which of their ports takes commands. It
// is data: one table that people can read and an operator can correct without a
// new release (profiles.toml).
package profile

import (
	"regexp"
	"time"
)

// Profile is what is known of one family of modules. Commands stand without the
// AT before them. The zero value is a module that follows the standards.
//
// Profiles are shared: whoever gets one changes none of its slices.
type Profile struct {
	Name  string // what `profile` in the configuration names: "huawei"
	Title string // in words: "Huawei sticks"
	Match Match

	// Bring-up.
	Init    []string      // sent once the module answers; a refusal is no error
	Flow    []string      // makes it use RTS and CTS; sent after Init where the operator says that the cable has them
	Ready   []string      // unsolicited lines after a start, all of which have to come before messages are sent, the surest sign last: "SMS DONE"
	ReadyIn time.Duration // the longest wait for them; a module that had started before says nothing
	Started []string      // lines that are said by a module that has just started, or goes off: "RDY", "^SHUTDOWN"
	Noise   []string      // further unsolicited lines of this family; Table.Noise has those of all
	Full    []string      // lines that say that a memory for messages has no room

	// Messages and reports.
	CNMI         []string // parameters of AT+CNMI, in order of preference: "2,1,0,2,0"; none: composed from what AT+CNMI=? offers
	NoAck        bool     // AT+CSMS=1 and AT+CNMA are not to be used
	Store        string   // memory that messages are stored in: "SM"; empty: SM where offered, else ME
	Sweep        []string // memories that may hold messages and reports; empty: SM, ME and SR
	ReportMemory string   // where +CDSI means, whatever memory it names; empty: the one it names
	IndexBase    int      // first index of a memory: 0 or 1
	ListEach     bool     // AT+CMGL hangs or lies: read index by index
	NoLink       bool     // AT+CMMS is not to be used
	KeepSMSC     bool     // forgets the service centre: it is set again from what was read before

	// ResultIn is how late the result of a hand-over may come, from Ctrl-Z. The
	// hand-over does not wait for it, but the module is not taken for hung before.
	ResultIn time.Duration

	// Requests.
	USSD USSD // how AT+CUSD takes and gives its text

	// Recovery.
	Radio    []string      // switches the radio off and on: "+CFUN=4", "+CFUN=1"; none: that does harm
	Restart  []string      // restarts the module: "+CFUN=1,1"; none: that does harm
	Back     time.Duration // from a restart to the port being usable again
	NoUSB    bool          // does not come back from being re-authorised on USB
	BlindSIM bool          // finds a SIM that was put in later only after power was off

	Slots *Slots  // nil: one SIM, or none that can be chosen by command
	Known []Known // see KnownFaults
}

// Match tells a family by what its modules say of themselves. Empty matches
// anything; a profile matches when all do. Of several the one that was listed
// first counts.
type Match struct {
	Manufacturer *regexp.Regexp // AT+CGMI
	Model        *regexp.Regexp // AT+CGMM
	Revision     *regexp.Regexp // AT+CGMR
	USB          []ID           // any of these
}

// ID is a USB vendor and product. A product of 0 is any.
type ID struct{ Vendor, Product uint16 }

// USSD is a form of the text in AT+CUSD.
type USSD string

// Forms of USSD text.
const (
	USSDText   USSD = ""       // as it is, in the alphabet of AT+CSCS
	USSDPacked USSD = "packed" // GSM 7-bit, packed, as hexadecimal digits
	USSDGSM    USSD = "gsm"    // octets of the GSM alphabet, one a character
	USSDUCS2   USSD = "ucs2"   // UCS2 as hexadecimal digits
)

// Slots is how a module with several SIM slots is told which to use.
type Slots struct {
	Query  string         // "+QDSIM?"; empty: the module cannot tell
	Answer *regexp.Regexp // finds the slot in the answer to Query: its first group is one of Names
	Names  []string       // what the answer calls the slots, in order: "0", "1"
	Select []string       // chooses a slot, in order: "+QDSIM=0", "+QDSIM=1"
	First  []string       // sent before the first choice after each start
	Settle time.Duration  // until the module has noticed; then AT+CPIN? tells
}

// Known is a version with a fault that nothing here can mend.
type Known struct {
	Revision *regexp.Regexp // of AT+CGMR
	Fault    string         // what is wrong, for people
	Step     string         // what to do about it
}

// Ports says which interface of a USB device takes AT commands.
type Ports struct {
	USB     []ID
	Command int           // bInterfaceNumber; -1: by Class, and where there is none, not known
	Second  int           // another that takes them; -1: none is known
	Ignore  []int         // that are not to be opened: they take no commands, or are best left alone
	Class   *Class        // instead of Command: the interface with this class
	Also    []Class       // classes to look for, in order, when no interface has Class
	Delay   time.Duration // from plugging in to the first answer, at most
}

// Class is the class of a USB interface, as the kernel shows it. A Subclass of 0
// is any.
type Class struct{ Class, Subclass, Protocol byte }

// Module is what a module says of itself.
type Module struct {
	Manufacturer, Model, Revision string
	USB                           ID // zero: not on USB
}
