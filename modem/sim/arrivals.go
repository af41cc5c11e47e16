package sim

import (
	"fmt"
	"slices"
	"time"

	"cellpost/pdu"
)

const maxBuffered = 32 // indications that AT+CNMI mode 0 keeps

// Indexes into the parameters of AT+CNMI. 3GPP TS 27.005, 3.4.1.
const (
	cnmiMode = iota
	cnmiMT
	cnmiBM
	cnmiDS
	cnmiBfr
)

// cnmi says where what comes from the network goes. 3GPP TS 27.005, 3.4.1.
func (m *Modem) cnmi(r request) pdu.Cause {
	if c := m.sim.smsCause(); c != success {
		return c
	}
	const most = 3
	p := &m.set.cnmi
	switch r.verb {
	case test:
		m.info(m.profile.shown())
		return success
	case read:
		m.info(fmt.Sprintf("+CNMI: %d,%d,%d,%d,%d", p[0], p[1], p[2], p[3], p[4]))
		return success
	}
	fields, next := r.fields(), *p
	if len(fields) > len(next) {
		return m.profile.cnmiCause
	}
	for i, f := range fields {
		if f == "" {
			continue // omitted: as it was
		}
		n, ok := inRange(f, most)
		if !ok {
			return m.profile.cnmiCause
		}
		next[i] = n
	}
	if !m.profile.takes(next, m.set.csms) {
		return m.profile.cnmiCause
	}
	*p = next
	m.release()
	return success
}

// release says, or forgets, the indications kept in mode 0.
func (m *Modem) release() {
	if m.set.cnmi[cnmiMode] == 0 {
		return
	}
	if m.set.cnmi[cnmiBfr] == 0 {
		m.notes = append(m.notes, m.buffered...)
	}
	m.buffered = nil
}

// indicate says that a message was stored, or keeps that in mode 0.
func (m *Modem) indicate(code, memory string, index int) {
	text := fmt.Sprintf("%s: %q,%d", code, memory, index)
	if code == "+CDSI" && m.profile.cdsi != "" {
		text = m.profile.cdsi
	}
	switch {
	case m.set.cnmi[cnmiMode] != 0:
		m.note(text)
	case len(m.buffered) < maxBuffered:
		m.buffered = append(m.buffered, text)
	}
}

// pump takes what the network holds and says the unsolicited codes that are due,
// between commands.
func (m *Modem) pump() {
	if m.port == nil || m.frozen {
		return
	}
	if m.state != ready {
		m.discard()
		return
	}
	if m.inService() && m.sim.cause() == success {
		m.admit()
	}
	m.flush()
}

// admit takes what the network holds and the modem has a place for.
func (m *Modem) admit() {
	kept := m.sim.waiting[:0]
	for _, a := range m.sim.waiting {
		if !m.route(a) {
			kept = append(kept, a)
		}
	}
	clear(m.sim.waiting[len(kept):])
	m.sim.waiting = kept
}

func (m *Modem) flush() {
	for _, text := range m.notes {
		m.say("\r\n" + text + "\r\n")
	}
	m.notes = m.notes[:0]
}

// route sends a TPDU where AT+CNMI says; false: the network keeps it for now.
// A message that the terminal shall not see is stored, a report is not.
// 3GPP TS 27.005, 3.4.1.
func (m *Modem) route(a arrival) bool {
	mt, ds := m.set.cnmi[cnmiMT], m.set.cnmi[cnmiDS]
	switch {
	case a.report && ds == 0 && m.o.KeepReports:
		return m.store(a, m.profile.reports, "", false)
	case a.report && ds == 0:
		return true
	case a.report && ds == 1:
		return m.pass(m.profile.cds, a)
	case a.report:
		return m.store(a, m.profile.reports, "+CDSI", true)
	case mt == 2 && a.class != pdu.Class2, mt == 3 && a.class == pdu.Class3:
		return m.pass("+CMT: ,%d\r\n%s", a)
	}
	return m.store(a, m.set.mem[2], "+CMTI", mt > 0)
}

// pass hands a TPDU to the terminal. In phase 2+ the terminal has to acknowledge
// it before the next one comes.
func (m *Modem) pass(format string, a arrival) bool {
	if m.set.cnmi[cnmiMode] == 0 || m.unacked != nil {
		return false
	}
	if m.set.csms == 1 && !m.profile.noAck {
		m.unacked = &a
		m.later(m.o.AckTime, func() { m.refuse(&a) })
	}
	m.note(fmt.Sprintf(format, len(a.tpdu), hexOf(m.withSMSC(a))))
	return true
}

// again is when the network delivers once more to a terminal that did not
// acknowledge: networks wait a minute and longer.
const again = time.Minute

// refuse gives a TPDU that was not acknowledged back to the network, which
// delivers it again. Modules that follow 3GPP TS 27.005, 3.4.4 pass nothing on
// any more, until AT+CNMI is set anew.
func (m *Modem) refuse(a *arrival) {
	switch {
	case m.unacked != a:
	case m.profile.unroutes:
		m.unacked = nil
		m.set.cnmi[cnmiMT], m.set.cnmi[cnmiDS] = 0, 0
		m.deliverIn(again, *a)
	default:
		m.giveBack()
	}
}

// deliverIn has the network deliver a TPDU to the card in use once more.
func (m *Modem) deliverIn(d time.Duration, a arrival) {
	s := m.sim
	time.AfterFunc(d, func() { m.net.post(s, a) })
}

func (m *Modem) store(a arrival, mem int, code string, shown bool) bool {
	to := &m.memories[mem]
	i, ok := to.put(stored{pdu: m.withSMSC(a), len: len(a.tpdu)})
	switch {
	case !ok:
		m.isFull()
	case shown:
		m.indicate(code, to.name, i)
	}
	return ok
}

// withSMSC puts the SMSC that delivered it before a TPDU.
func (m *Modem) withSMSC(a arrival) []byte {
	smsc := m.net.smsc
	if a.report {
		smsc = m.net.reportSMSC
	}
	return slices.Concat(smsc, a.tpdu)
}

// cnma acknowledges +CMT or +CDS; 2 refuses it. Acknowledgements with a TPDU are
// not supported. 3GPP TS 27.005, 4.7.
func (m *Modem) cnma(r request) pdu.Cause {
	if r.verb == test {
		m.info("+CNMA: (0-2)")
		return success
	}
	n, ok := inRange(r.args, 2)
	switch {
	case !ok:
		return cmsNotSupported
	case m.set.csms != 1 || m.unacked == nil:
		return noAckExpected
	}
	if n < 2 {
		m.unacked = nil
		return success
	}
	m.deliverIn(m.o.AckTime, *m.unacked)
	m.unacked = nil
	return success
}
