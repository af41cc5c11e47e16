package sim

import (
	"fmt"
	"slices"
	"time"

	"cellpost/pdu"
)

// Registration states. 3GPP TS 27.007, 7.2.
const (
	unregistered  = 0
	registered    = 1
	searching     = 2
	denied        = 3
	roaming       = 5
	emergencyOnly = 8
)

// Service is what the network offers where the modem stands.
type Service int

// Services, with what AT+CREG? says once the search is over.
const (
	FullService    Service = iota // +CREG 1
	Roaming                       // +CREG 5
	LimitedService                // +CREG 0, with a signal
	EmergencyOnly                 // +CREG 8
	NoCoverage                    // +CREG 2 for ever, and no signal
)

// stat is what a search ends with.
func (s Service) stat() int {
	switch s {
	case Roaming:
		return roaming
	case LimitedService:
		return unregistered
	case EmergencyOnly:
		return emergencyOnly
	case NoCoverage:
		return searching
	}
	return registered
}

// Signal strengths as AT+CSQ says them. 3GPP TS 27.007, 8.5.
const (
	defaultSignal = 18 // -77 dBm
	noSignal      = 99
)

// SetService changes what the network offers: the modem searches anew.
func (m *Modem) SetService(s Service) {
	m.mu.Lock()
	defer m.leave()
	m.service = s
	m.search()
}

// SetSignal changes what AT+CSQ says while there is a network: 0 to 31, or 99
// for not known.
func (m *Modem) SetSignal(rssi int) {
	m.mu.Lock()
	defer m.leave()
	m.rssi = rssi
}

const pinTries = 3

func (m *Modem) cpin(r request) pdu.Cause {
	if r.verb == test {
		return success
	}
	state, ok := m.sim.pinState()
	switch {
	case !ok:
		return m.sim.cause()
	case r.verb == read:
		m.info(state)
		return success
	case m.sim.needsPUK():
		return m.sim.cause()
	case !m.sim.locked:
		return notAllowed
	}
	return m.unlockSIM(r.fields()[0])
}

// notePIN says the state of a SIM that answers.
func (m *Modem) notePIN() {
	if state, ok := m.sim.pinState(); ok {
		m.note(state)
	}
}

func (m *Modem) unlockSIM(pin string) pdu.Cause {
	if pin != m.sim.card.PIN {
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
	if n < 2 || !m.inService() {
		return ""
	}
	return `,"0001","00000001"`
}

// inService reports whether the modem is registered.
func (m *Modem) inService() bool { return m.stat == registered || m.stat == roaming }

// search looks for the network, if the SIM and the radio allow it.
func (m *Modem) search() {
	m.searches++
	switch {
	case m.cold || m.radio != 1 || m.sim.shut():
		m.setStat(unregistered)
	case m.o.Register <= 0:
		m.setStat(m.found())
	default:
		m.setStat(searching)
		m.unlessSearched(m.o.Register, func() { m.setStat(m.found()) })
	}
}

// shut reports whether the SIM cannot be used to register.
func (s *SIM) shut() bool {
	return s.out || s.starting || s.card.Failure != 0 || s.locked || s.needsPUK()
}

// found is what a search ends with.
func (m *Modem) found() int {
	if stat := m.service.stat(); !m.sim.card.Denied || stat == searching {
		return stat
	}
	return denied
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
	was := m.inService()
	m.stat = stat
	for i, n := range m.set.creg {
		if n > 0 {
			m.note(fmt.Sprintf("%s: %d%s", cregNames[i], stat, m.cell(n)))
		}
	}
	switch is := m.inService(); {
	case was && !is:
		m.dropCall()
	case is && !was:
		m.hearTime()
	}
}

// pullSIM takes the SIM out for a time, for good when d is zero.
func (m *Modem) pullSIM(d time.Duration) {
	s := m.sim
	s.out = true
	m.search()
	m.note("+CPIN: NOT READY")
	if d <= 0 {
		return
	}
	m.later(d, func() {
		if s.missing() || !slices.Contains(m.slots, s) || !s.out {
			return
		}
		s.out = false
		s.lock()
		if s != m.sim {
			return
		}
		m.search()
		m.notePIN()
		m.resume()
	})
}

// forget is what power loss does: memories and what the SIM holds are all that
// stays, and the clock where a battery keeps it.
func (m *Modem) forget() {
	m.letGo()
	m.life++
	m.started++
	m.heal()
	m.thaw()
	m.unstarted = false
	m.set = m.defaults()
	m.state, m.radio, m.stat = ready, 1, unregistered
	m.line, m.held, m.notes = m.line[:0], nil, nil
	m.job, m.finalAt = handover{}, time.Time{}
	m.startClock()
	for _, s := range m.slots {
		s.starting = false
		s.lock()
	}
}

// restart forgets, and says the banner when the modem is up again.
func (m *Modem) restart() { m.startAnew(m.greet) }

// Reboot restarts the modem: the settings, the PIN and the registration are
// gone, and after the boot time comes the banner.
func (m *Modem) Reboot() { m.Strike(Fault{Kind: Reboot}) }
