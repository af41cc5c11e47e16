package sim

import (
	"fmt"
	"slices"
	"time"

	"cellpost/pdu"
)

// Registration states. 3GPP TS 27.007, 7.2.
const (
	unregistered = 0
	registered   = 1
	searching    = 2
	denied       = 3
)

const pinTries = 3

// simCard is what the SIM allows.
type simCard struct {
	out       bool
	locked    bool
	smsc      string // AT+CSCA; kept in the SIM
	tries     int    // left for the PIN; none: the PUK is asked for
	busyUntil time.Time
}

// lock is what switching on does to a SIM with a PIN. The tries left are kept in
// the SIM.
func (s *simCard) lock(pin string) {
	if pin == "" {
		return
	}
	if !s.locked {
		s.tries = pinTries
	}
	s.locked = true
}

// cause says why the SIM cannot be used, as +CME ERROR. 3GPP TS 27.007, 9.2.
func (s *simCard) cause() pdu.Cause {
	switch {
	case s.out:
		return pdu.Cause{Set: pdu.CME, Code: 10}
	case s.locked && s.tries == 0:
		return pdu.Cause{Set: pdu.CME, Code: 12}
	case s.locked:
		return pdu.Cause{Set: pdu.CME, Code: 11}
	case time.Now().Before(s.busyUntil):
		return pdu.Cause{Set: pdu.CME, Code: 14}
	}
	return success
}

// smsCause is the same as +CMS ERROR. 3GPP TS 27.005, 3.2.5.
func (s *simCard) smsCause() pdu.Cause {
	c := s.cause()
	if c == success {
		return c
	}
	return pdu.Cause{Set: pdu.CMS, Code: map[int]int{10: 310, 11: 311, 12: 316, 14: 314}[c.Code]}
}

// pinState is the answer of AT+CPIN?.
func (s *simCard) pinState() string {
	switch {
	case s.locked && s.tries == 0:
		return "+CPIN: SIM PUK"
	case s.locked:
		return "+CPIN: SIM PIN"
	}
	return "+CPIN: READY"
}

func (m *Modem) cpin(r request) pdu.Cause {
	switch {
	case r.verb == test:
		return success
	case m.sim.out:
		return m.sim.cause()
	case r.verb == read:
		m.info(m.sim.pinState())
		return success
	case !m.sim.locked:
		return notAllowed
	case m.sim.tries == 0:
		return m.sim.cause()
	}
	return m.unlockSIM(r.fields()[0])
}

func (m *Modem) unlockSIM(pin string) pdu.Cause {
	if pin != m.o.PIN {
		m.sim.tries--
		return wrongPassword
	}
	m.sim.locked, m.sim.tries = false, pinTries
	m.sim.busyUntil = time.Now().Add(m.o.SIMBusy)
	m.search()
	return success
}

// cfun switches the radio, or with a second parameter the modem.
// 3GPP TS 27.007, 8.2.
func (m *Modem) cfun(r request) pdu.Cause {
	switch {
	case r.verb == test:
		m.info("+CFUN: (0,1,4),(0,1)")
	case r.verb == read:
		m.info(fmt.Sprintf("+CFUN: %d", m.radio))
	case r.args == "1,1":
		m.final(success)
		m.restart()
	case r.args == "0" || r.args == "4":
		m.radio = int(r.args[0] - '0')
		m.search()
	case r.args == "1" || r.args == "1,0":
		if m.radio != 1 {
			m.radio = 1
			m.search()
		}
	default:
		return incorrect
	}
	return success
}

// creg serves AT+CREG, AT+CGREG and AT+CEREG: one registration for all.
// 3GPP TS 27.007, 7.2, 10.1.20, 10.1.22.
func (m *Modem) creg(r request) pdu.Cause {
	n := &m.set.creg[cregIndex(r.name)]
	if r.verb == read {
		m.info(fmt.Sprintf("%s: %d,%d%s", r.name, *n, m.stat, m.cell(*n)))
		return success
	}
	return m.keep(r, 2, n)
}

var cregNames = [3]string{"+CREG", "+CGREG", "+CEREG"}

func cregIndex(name string) int {
	return max(0, slices.Index(cregNames[:], name))
}

// cell is the location that n=2 adds.
func (m *Modem) cell(n int) string {
	if n < 2 || m.stat != registered {
		return ""
	}
	return `,"0001","00000001"`
}

// search looks for the network, if the SIM and the radio allow it.
func (m *Modem) search() {
	m.searches++
	switch {
	case m.radio != 1 || m.sim.out || m.sim.locked:
		m.setStat(unregistered)
	case m.o.Register <= 0:
		m.setStat(registered)
	default:
		m.setStat(searching)
		m.unlessSearched(m.o.Register, func() { m.setStat(registered) })
	}
}

// lose is the loss of the network for a time, for good when d is zero.
func (m *Modem) lose(stat int, d time.Duration) {
	m.searches++
	m.setStat(stat)
	if d > 0 {
		m.unlessSearched(d, m.search)
	}
}

// unlessSearched runs f after d unless a newer search or loss came first.
func (m *Modem) unlessSearched(d time.Duration, f func()) {
	search := m.searches
	m.later(d, func() {
		if m.searches == search {
			f()
		}
	})
}

func (m *Modem) setStat(stat int) {
	if m.stat == stat {
		return
	}
	m.stat = stat
	for i, n := range m.set.creg {
		if n > 0 {
			m.note(fmt.Sprintf("%s: %d%s", cregNames[i], stat, m.cell(n)))
		}
	}
}

// pullSIM takes the SIM out for a time, for good when d is zero.
func (m *Modem) pullSIM(d time.Duration) {
	m.sim.out = true
	m.search()
	m.note("+CPIN: NOT READY")
	if d <= 0 {
		return
	}
	m.later(d, func() {
		m.sim.out = false
		m.sim.lock(m.o.PIN)
		m.search()
		m.note(m.sim.pinState())
	})
}

// forget is what power loss does: memories, the count of TP-MR and what the SIM
// holds are all that stays.
func (m *Modem) forget() {
	m.life++
	m.thaw()
	m.set = m.defaults()
	m.state, m.radio, m.stat = ready, 1, unregistered
	m.line, m.held, m.notes = m.line[:0], nil, nil
	m.job, m.finalAt = handover{}, time.Time{}
	m.sim.lock(m.o.PIN)
	if m.unacked != nil {
		m.waiting = append(m.waiting, *m.unacked)
		m.unacked = nil
	}
}

// restart forgets, and says the banner when the modem is up again.
func (m *Modem) restart() {
	m.forget()
	m.searches++
	m.state = booting
	m.after(m.o.Boot, func() {
		m.state = ready
		m.note("RDY")
		m.note("+CFUN: 1")
		if !m.sim.out {
			m.note(m.sim.pinState())
		}
		if m.sim.cause() == success {
			m.note("SMS Ready")
		}
		m.search()
	})
}

// Reboot restarts the modem: the settings, the PIN and the registration are
// gone, and after the boot time comes the banner.
func (m *Modem) Reboot() { m.Strike(Fault{Kind: Reboot}) }
