package sim

import (
	"time"

	"cellpost/pdu"
)

// FaultKind is what goes wrong.
type FaultKind int

// Kinds of fault. Those marked "at once too" are for [Modem.Strike] as well.
const (
	None          FaultKind = iota
	RefusePrompt            // +CMS ERROR: Cause instead of the prompt
	NoPrompt                // the prompt is lost; the modem waits for the PDU
	LatePrompt              // the prompt comes after For
	RebootTyping            // the modem restarts at the first octet of the PDU
	Refuse                  // +CMS ERROR: Cause after the air time
	Silence                 // no result; the modem is ready for the next command
	LateResult              // the network takes it, the result comes For late
	LateOK                  // +CMGS in time, OK after For
	DoubleResult            // +CMGS twice
	Noise                   // unsolicited lines, of the profile or ^RSSI, before +CMGS, and between it and OK
	EarlyReport             // the report comes before +CMGS, whatever the report delay
	HandsetOff              // the report is temporary (0x22) first, delivered another delay and For later
	ReportFailed            // the report has Status; the handset shows nothing
	NoReport                // no report; the handset shows the message
	Freeze                  // hears and says nothing for For, or until Thaw; at once too
	Jam                     // the same, and reads nothing, so that writing blocks; at once too
	HangUp                  // unplugged and without power; back after For; at once too
	Reboot                  // restarts; at once too
	NoNetwork               // loses the network for For (zero: for good); at once too
	Denied                  // is denied registration for For (zero: for good); at once too
	NoSIM                   // the SIM is out for For (zero: for good); at once too
	EchoOn                  // the echo comes on; at once too
	Storm                   // Count unsolicited lines, of the profile or ^RSSI; at once too
	PromptNoSpace           // the prompt is > without a space
	HangTyping              // takes the PDU and then is as in Freeze; the network never gets it
	ResultOnly              // +CMGS, and never OK
	GluedOK                 // OK in the line of +CMGS: "+CMGS: 1OK"
	TextError               // "+CMS ERROR: SMS type not supported"
	NoCR                    // lines end in LF alone for For (zero: until a restart); at once too
	BrownOut                // restarts, and the last line of its start, if it has one, is all that is said; at once too
	MemoryFull              // old messages fill the memory; a hand-over gets +CMS ERROR: 322; at once too
	SMSDown                 // +CMS ERROR: Cause (zero: 500) to each command for messages, for For (zero: until a restart); at once too
	DeleteFails             // AT+CMGD keeps the message and gets +CMS ERROR: Cause (zero: 321) for For (zero: for good); at once too
)

// Fault is one thing that goes wrong. Fields that a kind does not name are not
// looked at.
type Fault struct {
	Kind   FaultKind
	Taken  bool          // the network takes the message first: for Refuse, Silence and those of Strike
	Cause  int           // number of +CMS ERROR
	For    time.Duration // how late, or how long
	Status pdu.Status    // TP-ST of ReportFailed; zero: 0x43, not obtainable
	Count  int           // lines of a Storm; zero: 100
	Times  int           // hand-overs in a row that it befalls; zero: one
}

const defaultStorm = 100

// Inject makes the next hand-overs that have no fault yet go wrong; None is one
// that goes well. A fault is used up by AT+CMGS, even if that is aborted.
func (m *Modem) Inject(f Fault) {
	m.mu.Lock()
	defer m.leave()
	for range max(f.Times, 1) {
		m.faults = append(m.faults, f)
	}
}

func (m *Modem) nextFault() Fault {
	if len(m.faults) == 0 {
		return Fault{}
	}
	f := m.faults[0]
	m.faults = m.faults[1:]
	return f
}

// Strike makes a fault of a kind marked "at once too" happen now, whatever the
// modem does; others do nothing.
func (m *Modem) Strike(f Fault) {
	m.mu.Lock()
	defer m.leave()
	m.befall(f)
}

// befall makes a fault happen and reports whether it ends a hand-over.
func (m *Modem) befall(f Fault) bool {
	switch f.Kind {
	case Freeze, Jam:
		m.freeze(f)
	case HangUp:
		m.hangUp(f.For)
	case Reboot:
		m.restart()
	case NoNetwork:
		m.lose(searching, f.For)
		return false
	case Denied:
		m.lose(denied, f.For)
		return false
	case NoSIM:
		m.pullSIM(f.For)
		return false
	case EchoOn:
		m.set.echo = true
		return false
	case Storm:
		m.storm(f.Count)
		return false
	case BrownOut:
		m.brownOut()
	default:
		m.spoilService(f)
		return false
	}
	return true
}

// spoilService makes a fault happen that has to do with messages only.
func (m *Modem) spoilService(f Fault) {
	cause := func(def pdu.Cause) pdu.Cause {
		if f.Cause != 0 {
			def.Code = f.Cause
		}
		return def
	}
	switch f.Kind {
	case NoCR:
		m.bare = lasting(success, f.For)
	case MemoryFull:
		m.fill()
	case SMSDown:
		m.smsDown = lasting(cause(unknownFailure), f.For)
	case DeleteFails:
		m.undeletable = lasting(cause(noSuchIndex), f.For)
	}
}

// brownOut is a restart of a module whose supply gave way: the settings are gone,
// and all that tells is the line that is said when messages are taken. Before the
// PIN not even that is said, nor by modules that have no such line.
func (m *Modem) brownOut() {
	m.startAnew(func() {
		ready := m.profile.ready
		m.open(ready[max(0, len(ready)-1):]...)
	})
}

func (m *Modem) storm(lines int) {
	if lines == 0 {
		lines = defaultStorm
	}
	for i := range lines {
		m.say("\r\n" + m.profile.chat.line(i%10) + "\r\n")
	}
}

// freeze drops what is under way. A start begins anew after it.
func (m *Modem) freeze(f Fault) {
	m.thaw()
	m.life++
	m.unstarted = m.unstarted || m.state == booting
	m.frozen, m.state = true, ready
	m.line, m.held = m.line[:0], nil
	if f.Kind == Jam {
		m.jam = make(chan struct{})
	}
	if f.For <= 0 {
		return
	}
	life := m.life
	m.later(f.For, func() {
		if m.life == life {
			m.wake()
		}
	})
}

// Thaw ends a Freeze or a Jam.
func (m *Modem) Thaw() {
	m.mu.Lock()
	defer m.leave()
	m.wake()
}

// wake ends a freeze, and what that has interrupted goes on.
func (m *Modem) wake() {
	m.thaw()
	if m.unstarted {
		m.restart()
	}
}

func (m *Modem) thaw() {
	m.frozen = false
	if m.jam != nil {
		close(m.jam)
		m.jam = nil
	}
}

// hangUp takes the port away, and the power with it.
func (m *Modem) hangUp(d time.Duration) {
	m.forget()
	m.cold = true
	select {
	case <-m.back: // nobody waited for it
	default:
	}
	m.away, m.out = d, m.out[:0]
	if m.port != nil {
		m.port.Close()
		m.port = nil
	}
	m.search()
}
