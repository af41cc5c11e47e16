package sim

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"cellpost/pdu"
)

// handover is one AT+CMGS dialogue.
type handover struct {
	sim      *SIM   // that is to send it
	want     int    // octets of TPDU announced
	typed    int    // its digits, those that were lost too
	hex      []byte // octets typed
	fault    Fault
	sc       pdu.Address
	tpdu     []byte
	submit   pdu.Submit
	warnings pdu.Warnings // of the TPDU; the network looks at them, the modem doesn't
}

// Octets of an SMS-SUBMIT without and with all that can be in it.
// 3GPP TS 23.040, 9.2.2.2.
const (
	minTPDU = 7
	maxTPDU = 164
)

// cmgs sends a message. 3GPP TS 27.005, 4.3.
func (m *Modem) cmgs(r request) pdu.Cause {
	if r.verb == test {
		return success
	}
	if c := m.sim.smsCause(); c != success {
		return c
	}
	n, err := strconv.Atoi(r.args)
	if err != nil || n < minTPDU || n > maxTPDU {
		return badPDU
	}
	m.counts.HandOvers++
	if m.o.Heard != nil {
		m.o.Heard(m.lineAt)
	}
	if !m.finalAt.IsZero() {
		m.gaps = trim(append(m.gaps, m.lineAt.Sub(m.finalAt)), m.net.o.History)
		m.finalAt = time.Time{}
	}
	m.job = handover{sim: m.sim, want: n, hex: m.job.hex[:0], fault: m.nextFault()}
	return m.prompt()
}

func (m *Modem) prompt() pdu.Cause {
	prompt := "\r\n> "
	switch f := m.job.fault; f.Kind {
	case RefusePrompt:
		return pdu.Cause{Set: pdu.CMS, Code: f.Cause}
	case NoPrompt:
		m.state = typing
	case LatePrompt:
		m.state = busy
		m.after(f.For, func() {
			m.state = typing
			m.say(prompt)
		})
	case PromptNoSpace:
		prompt = "\r\n>"
		fallthrough
	default:
		m.state = typing
		m.say(prompt)
	}
	return success
}

// typed takes an octet after the prompt.
func (m *Modem) typed(c byte) {
	if m.job.fault.Kind == RebootTyping {
		m.restart()
		return
	}
	if m.set.echo {
		m.echo(c)
	}
	switch {
	case c == esc:
		m.state = ready
		m.final(success)
	case c == ctrlZ:
		m.submit()
	case c > ' ' && len(m.job.hex) < maxHex && !m.loses():
		m.job.hex = append(m.job.hex, c)
	}
}

// submit takes the PDU that was typed and puts it on the air.
func (m *Modem) submit() {
	m.state = busy
	if c := m.job.parse(m.sim.smsc); c != success {
		m.done(c)
		return
	}
	m.number()
	if m.job.fault.Kind == None {
		m.job.fault = m.net.fate(m.job.submit.Destination.Digits())
	}
	if f := m.job.fault; f.Kind == HangTyping {
		m.freeze(f)
		return
	}
	m.after(m.o.AirTime, m.land)
}

// parse reads what was typed: the SMSC and an SMS-SUBMIT as long as announced.
func (h *handover) parse(smsc string) pdu.Cause {
	raw := make([]byte, hex.DecodedLen(len(h.hex)))
	if _, err := hex.Decode(raw, h.hex); err != nil {
		return badPDU
	}
	var err error
	if h.sc, h.tpdu, err = pdu.CutSMSC(raw); err != nil || len(h.tpdu) != h.want {
		return badPDU
	}
	if h.sc.Value == "" && smsc == "" {
		return noSCA
	}
	if h.submit, h.warnings, err = pdu.ParseSubmit(h.tpdu); err != nil {
		return badPDU
	}
	return success
}

// number gives the message its TP-MR: the modem's own count, unless it is a copy
// (TP-RD) of one that this SIM sent to the same number.
func (m *Modem) number() {
	s := &m.job.submit
	to := s.Destination.Digits()
	if !s.RejectDuplicates || m.sim.sent[s.Reference] != to {
		m.sim.mr++
		s.Reference = m.sim.mr
		m.job.tpdu[1] = m.sim.mr
	}
	m.sim.sent[s.Reference] = to
}

// land is the end of the air time: the network gets the message, and the
// terminal its result, unless the fault is against it.
func (m *Modem) land() {
	f := m.job.fault
	if !f.Taken && m.spoil(f) {
		return
	}
	switch {
	case !m.inService() || m.job.sim != m.sim:
		m.refused(noNetwork)
		return
	case m.sim.card.Refused != 0:
		m.refused(pdu.Cause{Set: pdu.CMS, Code: m.sim.card.Refused})
		return
	}
	reports, c := m.net.accept(m, m.job)
	if c != success {
		m.refused(c)
		return
	}
	m.receiveReports(reports)
	if f.Kind == EarlyReport {
		m.admit()
		m.flush()
	}
	if f.Taken && m.spoil(f) {
		return
	}
	if f.Kind != LateResult {
		f.For = 0
	}
	m.after(f.For, m.answer)
}

// spoil makes a fault happen at the end of the air time and reports whether that
// was the end of the hand-over.
func (m *Modem) spoil(f Fault) bool {
	switch f.Kind {
	case Refuse:
		m.refused(pdu.Cause{Set: pdu.CMS, Code: f.Cause})
	case TextError:
		m.state = ready
		m.say("\r\n+CMS ERROR: SMS type not supported\r\n")
	case Silence:
		m.state = ready
	case NoNetwork, Denied:
		m.befall(f)
		m.refused(noNetwork)
	case NoSIM:
		m.befall(f)
		m.done(m.sim.smsCause())
	case MemoryFull:
		m.befall(f)
		m.done(memoryFull)
	case SMSDown:
		m.befall(f)
		m.done(m.smsDown.cause)
	default:
		return m.befall(f)
	}
	return true
}

// refused is the end of a hand-over that the network did not take.
func (m *Modem) refused(c pdu.Cause) {
	if m.profile.slowRefuse {
		m.after(m.o.Slow, func() { m.done(slowRefusal) })
		return
	}
	m.done(c)
}

// answer says the result of a message that was taken.
func (m *Modem) answer() {
	f := m.job.fault
	result := fmt.Sprintf("+CMGS: %d", m.job.submit.Reference)
	noise := func(i int) { m.say("\r\n" + m.profile.chat.line(i) + "\r\n") }
	switch f.Kind {
	case Noise:
		noise(18)
	case GluedOK:
		m.say("\r\n" + result + "OK\r\n")
		m.state, m.finalAt = ready, time.Now()
		return
	}
	m.info(result)
	wait := time.Duration(0)
	switch f.Kind {
	case Noise:
		noise(17)
	case ResultOnly:
		m.state = ready
		return
	case DoubleResult:
		m.info(result)
	case LateOK:
		wait = f.For
	}
	m.after(wait, func() { m.done(success) })
}

// done ends the hand-over with its final result.
func (m *Modem) done(c pdu.Cause) {
	m.state = ready
	m.final(c)
	m.finalAt = time.Now()
}
