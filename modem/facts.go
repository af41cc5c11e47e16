package modem

import "time"

// Facts are what is known of a modem. Its state follows from them.
type Facts struct {
	Name   string
	Device string
	USB    string // path on the bus, "1-1.3"; empty: not on USB
	SIM    string // name of the SIM in routes
	Slot   int    // of the SIM, from 0
	Slots  int    // that the configuration names

	Suspended   bool // by a person
	Present     bool // the device could be opened
	Answering   bool // the module answers
	Card        Card
	SMSC        string // service centre; empty: not set
	SMSCRefused bool   // messages are refused for it
	Network     Network
	Signal      bool // the module hears a cell
	Ready       bool // brought up, and a line is given out
	InSend      bool
	Stalled     bool // a hand-over got no answer; recovery has begun
	Recovering  int  // sessions in a row that came to nothing
	Rung        string
	Parked      bool      // all that could be done was, and did not help
	NextReset   time.Time // when the ladder is climbed again; zero: not planned
	Problem     string    // what went wrong last, in words; empty: nothing
	Place       Finding   // what a person should put right about where the modem is; zero: nothing

	IMEI, IMSI, ICCID, MSISDN     string
	Manufacturer, Model, Revision string
	Profile, ProfileTitle         string
	Known                         []Finding // faults of this version of the module
	Aside                         []Finding // SIM slots that are not in use because something is wrong with them
	Operator                      string
	SignalDBm                     int      // -113 to -51; 0: not known
	Reception                     string   // how messages and reports come in: "+CNMI=2,2,0,1,0"
	Setup                         []string // what was agreed with the module, for people
	NoReports                     bool     // the module does not pass status reports on
	Memory                        string   // of messages that is full: "SM 20/20"; empty: none
	Stuck                         int      // messages that the module does not delete, or that cannot be read
	CardWarning                   string   // the SIM has not the name that the configuration gives it
	CardRefused                   int      // messages in a row that were refused to this SIM, whatever the number

	NetworkTime           ClockSample // the last that the module told; zero: none
	Sent, Refused, Stalls int         // hand-overs since the start
	LastSent              time.Time
	Since                 time.Time // of the state
}

// Card is where the SIM stands.
type Card string

// States of a SIM.
const (
	CardUnknown  Card = ""
	CardReady    Card = "ready"
	CardAbsent   Card = "absent"
	CardPIN      Card = "PIN asked for, none configured"
	CardWrongPIN Card = "configured PIN refused, not tried again"
	CardPUK      Card = "blocked, PUK asked for"
	CardLocked   Card = "refused by the module, which is locked to a network"
	CardFailed   Card = "failed"
)

// Network is where the registration stands.
type Network string

// States of registration.
const (
	NetworkUnknown   Network = ""
	NetworkSearching Network = "searching"
	NetworkLimited   Network = "limited"
	NetworkDenied    Network = "denied"
	NetworkHome      Network = "home"
	NetworkRoaming   Network = "roaming"
)

// Registered reports whether messages can be sent.
func (n Network) Registered() bool { return n == NetworkHome || n == NetworkRoaming }

// State of a modem.
type State string

// States of a modem.
const (
	Suspended  State = "suspended"
	Absent     State = "absent"
	Silent     State = "silent"
	NoSIM      State = "no SIM"
	PINMissing State = "PIN missing"
	PINWrong   State = "PIN wrong"
	PUK        State = "PUK"
	Locked     State = "locked to a network"
	SIMFailed  State = "SIM failed"
	NoSMSC     State = "no SMSC"
	NoCoverage State = "no coverage"
	Searching  State = "searching"
	Limited    State = "limited service"
	Denied     State = "denied"
	Starting   State = "starting"
	Ready      State = "ready"
	SIMFull    State = "SIM full" // sends, but may not receive
	Sending    State = "sending"
	Stalled    State = "stalled"
	Recovering State = "recovering"
	Parked     State = "parked"
)

// State follows from the facts alone.
func (f Facts) State() State {
	switch {
	case f.Suspended:
		return Suspended
	case !f.Present:
		return Absent
	case f.Stalled:
		return Stalled
	case f.Parked && (!f.Answering || f.Card == CardUnknown): // else its card or network tells what is wrong
		return Parked
	case f.Recovering > 0 && !f.Answering:
		return Recovering
	case !f.Answering:
		return Silent
	}
	switch f.Card {
	case CardUnknown:
		return Starting
	case CardAbsent:
		return NoSIM
	case CardPIN:
		return PINMissing
	case CardWrongPIN:
		return PINWrong
	case CardPUK:
		return PUK
	case CardLocked:
		return Locked
	case CardFailed:
		return SIMFailed
	}
	if !f.Network.Registered() {
		return f.unregistered()
	}
	switch {
	case f.SMSC == "" || f.SMSCRefused:
		return NoSMSC
	case !f.Ready:
		return Starting
	case f.InSend:
		return Sending
	case f.Memory != "":
		return SIMFull
	}
	return Ready
}

// unregistered is the state without a network that carries messages.
func (f Facts) unregistered() State {
	switch {
	case f.Network == NetworkDenied:
		return Denied
	case f.Network == NetworkLimited && f.Signal:
		return Limited
	case f.Network != NetworkUnknown && !f.Signal:
		return NoCoverage
	}
	return Searching
}
