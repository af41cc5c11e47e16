package modem

import "time"

// Facts are what is known of a modem. Its state follows from them.
type Facts struct {
	Name   string
	Device string
	SIM    string // name of the SIM in routes

	Present    bool // the device could be opened
	Answering  bool // the module answers
	Card       Card
	SMSC       string // service centre; empty: not set
	Network    Network
	Ready      bool // brought up, and a line is given out
	InSend     bool
	Stalled    bool // a hand-over got no answer; recovery has begun
	Recovering int  // sessions in a row that came to nothing
	Parked     bool
	Problem    string // what went wrong last, in words; empty: nothing

	IMEI, IMSI, ICCID, MSISDN     string
	Manufacturer, Model, Revision string
	Operator                      string
	SignalDBm                     int    // -113 to -51; 0: not known
	Reception                     string // how messages and reports come in: "+CNMI=2,2,0,1,0"

	Sent, Refused, Stalls int // hand-overs since the start
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
	CardFailed   Card = "failed"
)

// Network is where the registration stands.
type Network string

// States of registration.
const (
	NetworkUnknown   Network = ""
	NetworkSearching Network = "searching"
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
	Absent     State = "absent"
	Silent     State = "silent"
	NoSIM      State = "no SIM"
	Locked     State = "locked"
	SIMFailed  State = "SIM failed"
	NoSMSC     State = "no SMSC"
	Searching  State = "searching"
	Denied     State = "denied"
	Starting   State = "starting"
	Ready      State = "ready"
	Sending    State = "sending"
	Stalled    State = "stalled"
	Recovering State = "recovering"
	Parked     State = "parked"
)

// State follows from the facts alone.
func (f Facts) State() State {
	switch {
	case !f.Present:
		return Absent
	case f.Stalled:
		return Stalled
	case f.Parked:
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
	case CardPIN, CardWrongPIN, CardPUK:
		return Locked
	case CardFailed:
		return SIMFailed
	}
	switch {
	case f.Network == NetworkDenied:
		return Denied
	case !f.Network.Registered():
		return Searching
	case f.SMSC == "":
		return NoSMSC
	case !f.Ready:
		return Starting
	case f.InSend:
		return Sending
	}
	return Ready
}

// NextStep says what a person can do about a state; empty where nothing is
// wrong or only time helps.
func (f Facts) NextStep() string {
	switch f.State() {
	case Absent:
		return "plug the modem in, or correct device for it in the configuration"
	case Silent, Recovering, Parked, Stalled:
		return "if it lasts, unplug the modem for ten seconds"
	case NoSIM:
		return "insert a SIM, chip towards the contacts"
	case Locked:
		if f.Card == CardPUK {
			return "unblock the SIM in a telephone with its PUK"
		}
		return "set the right pin for this modem in the configuration, then restart (after a change of SIM with the same PIN, remove the file pin-NAME in data_dir)"
	case SIMFailed:
		return "clean or replace the SIM"
	case NoSMSC:
		return "set the service centre in a telephone, or ask the operator for its number"
	case Searching:
		return "check the antenna, and whether the operator covers the place"
	case Denied:
		return "the network refuses this SIM: ask the operator whether it is active and paid"
	}
	return ""
}
