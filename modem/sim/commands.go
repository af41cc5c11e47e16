package sim

import (
	"fmt"
	"strconv"

	"cellpost/pdu"
)

// success is the cause of nothing: the command did what it should.
var success pdu.Cause

// Errors of 3GPP TS 27.007, 9.2 and 27.005, 3.2.5.
var (
	notAllowed    = pdu.Cause{Set: pdu.CME, Code: 3}
	unsupported   = pdu.Cause{Set: pdu.CME, Code: 4}
	incorrect     = pdu.Cause{Set: pdu.CME, Code: 50}
	plainError    = pdu.Cause{Set: pdu.CME, Code: -1} // ERROR, whatever AT+CMEE says
	wrongPassword = pdu.Cause{Set: pdu.CME, Code: 16}

	notReady        = pdu.Cause{Set: pdu.CMS, Code: 302}
	cmsNotSupported = pdu.Cause{Set: pdu.CMS, Code: 303}
	badPDU          = pdu.Cause{Set: pdu.CMS, Code: 304}
	noSuchIndex     = pdu.Cause{Set: pdu.CMS, Code: 321}
	memoryFull      = pdu.Cause{Set: pdu.CMS, Code: 322}
	noSCA           = pdu.Cause{Set: pdu.CMS, Code: 330}
	noNetwork       = pdu.Cause{Set: pdu.CMS, Code: 331}
	noAckExpected   = pdu.Cause{Set: pdu.CMS, Code: 340}
	slowRefusal     = pdu.Cause{Set: pdu.CMS, Code: 350} // Quectel EG06
	unknownFailure  = pdu.Cause{Set: pdu.CMS, Code: 500}
)

// command runs one command of a line; the zero Cause lets the line go on.
type command func(*Modem, request) pdu.Cause

// commandTable is what the modem knows, by name. It is no variable because the
// commands lead back to it.
func commandTable() map[string]command {
	return map[string]command{
		"E":  (*Modem).atE,
		"V":  (*Modem).atV,
		"Z":  (*Modem).atZ,
		"&F": (*Modem).atZ,
		"I":  tell(func(m *Modem) string { return m.o.Manufacturer + " " + m.o.Model }),

		"+CGMI":  tell(func(m *Modem) string { return m.o.Manufacturer }),
		"+CGMM":  tell(func(m *Modem) string { return m.o.Model }),
		"+CGMR":  tell(func(m *Modem) string { return m.profile.revision }),
		"+CGSN":  tell(func(m *Modem) string { return m.o.IMEI }),
		"+GSN":   tell(func(m *Modem) string { return m.o.IMEI }),
		"+CIMI":  fromSIM(func(m *Modem) string { return m.sim.card.IMSI }),
		"+CCID":  fromLocked(func(m *Modem) string { return "+CCID: " + m.sim.card.ICCID }),
		"+ICCID": fromLocked(func(m *Modem) string { return "+ICCID: " + m.sim.card.ICCID }),
		"+CNUM": fromSIM(func(m *Modem) string {
			return fmt.Sprintf(`+CNUM: "","+%s",145`, m.sim.card.MSISDN)
		}),

		"+CSCS":  (*Modem).cscs,
		"+CMEE":  number(2, func(m *Modem) *int { return &m.set.cmee }),
		"+CREG":  (*Modem).creg,
		"+CGREG": (*Modem).creg,
		"+CEREG": (*Modem).creg,
		"+CSQ":   (*Modem).csq,
		"+COPS":  (*Modem).cops,
		"+CGATT": (*Modem).cgatt,
		"+CPIN":  (*Modem).cpin,
		"+CFUN":  (*Modem).cfun,
		"+CCLK":  (*Modem).cclk,
		"+CTZU":  number(1, func(m *Modem) *int { return &m.ctzu }),
		"+CTZR":  number(3, func(m *Modem) *int { return &m.set.ctzr }),
		"+CUSD":  (*Modem).cusd,
		"+CLIP":  (*Modem).clip,
		"+CRC":   number(1, func(m *Modem) *int { return &m.set.crc }),
		"+CLCC":  (*Modem).clcc,
		"+CHUP":  (*Modem).hook,
		"H":      (*Modem).hook,

		"+CSMS": (*Modem).csms,
		"+CMGF": number(0, func(m *Modem) *int { return &m.set.format }),
		"+CMMS": number(2, func(m *Modem) *int { return &m.set.cmms }),
		"+CSCA": (*Modem).csca,
		"+CPMS": (*Modem).cpms,
		"+CNMI": (*Modem).cnmi,
		"+CNMA": (*Modem).cnma,
		"+CMGL": (*Modem).cmgl,
		"+CMGR": (*Modem).cmgr,
		"+CMGD": (*Modem).cmgd,
		"+CMGS": (*Modem).cmgs,
	}
}

func (m *Modem) perform(r request) pdu.Cause {
	if r.name == "" {
		return success
	}
	if c := m.refusal(r); c != success {
		return c
	}
	if f, ok := m.commands[r.name]; ok {
		return f(m, r)
	}
	return unsupported
}

// tell makes a command that answers with a text.
func tell(text func(*Modem) string) command {
	return func(m *Modem, r request) pdu.Cause {
		if r.verb != test {
			m.info(text(m))
		}
		return success
	}
}

// fromSIM makes a command that answers with a text that the SIM holds.
func fromSIM(text func(*Modem) string) command {
	answer := tell(text)
	return func(m *Modem, r request) pdu.Cause {
		if c := m.sim.cause(); c != success {
			return c
		}
		return answer(m, r)
	}
}

// fromLocked is fromSIM for what a SIM tells before it is unlocked, too. 3GPP TS
// 31.102, 4.2.1 and TS 51.011, 10.1.1: EF-ICCID may always be read.
func fromLocked(text func(*Modem) string) command {
	answer := tell(text)
	return func(m *Modem, r request) pdu.Cause {
		if c := m.sim.cause(); c != success && !m.sim.locked && !m.sim.needsPUK() {
			return c
		}
		return answer(m, r)
	}
}

// number makes a command that keeps a number from 0 to most.
func number(most int, value func(*Modem) *int) command {
	return func(m *Modem, r request) pdu.Cause {
		return m.keep(r, most, value(m))
	}
}

func (m *Modem) keep(r request, most int, value *int) pdu.Cause {
	switch r.verb {
	case test:
		m.info(fmt.Sprintf("%s: (0-%d)", r.name, most))
	case read:
		m.info(fmt.Sprintf("%s: %d", r.name, *value))
	default:
		n, ok := inRange(r.args, most)
		if !ok {
			return incorrect
		}
		*value = n
	}
	return success
}

// inRange reads a number from 0 to most; nothing is 0.
func inRange(s string, most int) (int, bool) {
	if s == "" {
		return 0, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && 0 <= n && n <= most
}

func (m *Modem) atE(r request) pdu.Cause {
	n, ok := inRange(r.args, 1)
	if !ok {
		return incorrect
	}
	m.set.echo = n == 1
	return success
}

func (m *Modem) atV(r request) pdu.Cause {
	n, ok := inRange(r.args, 1)
	if !ok {
		return incorrect
	}
	m.set.numeric = n == 0
	return success
}

func (m *Modem) atZ(request) pdu.Cause {
	m.set = m.defaults()
	return success
}

func (m *Modem) csq(r request) pdu.Cause {
	switch {
	case r.verb == test:
		m.info("+CSQ: (0-31,99),(0-7,99)")
	case m.radio == 1 && m.stat != searching && m.rssi != noSignal:
		m.info(fmt.Sprintf("+CSQ: %d,0", m.rssi))
	default:
		m.info(fmt.Sprintf("+CSQ: %d,99", noSignal))
	}
	return success
}

// cops tells the operator in the form that AT+COPS=3 chose: its long name, its
// short name, which is the same, or its code. 3GPP TS 27.007, 7.3.
func (m *Modem) cops(r request) pdu.Cause {
	const code, numeric = "00101", 2
	operator := m.text(m.o.Operator)
	switch {
	case r.verb == test:
		m.info(fmt.Sprintf(`+COPS: (2,"%s","%s",%q),,(0,3),(0-2)`, operator, operator, code))
	case r.verb == read && !m.inService():
		m.info("+COPS: 0")
	case r.verb == read && m.set.cops == numeric:
		m.info(fmt.Sprintf("+COPS: 0,%d,%q", numeric, code))
	case r.verb == read:
		m.info(fmt.Sprintf(`+COPS: 0,%d,"%s"`, m.set.cops, operator))
	case r.args == "0":
		m.search()
	case r.args == "3,0" || r.args == "3,1" || r.args == "3,2":
		m.set.cops = int(r.args[2] - '0')
	default:
		return notAllowed
	}
	return success
}

// cgatt says whether packet service is attached: as long as the modem is in
// service. 3GPP TS 27.007, 10.1.9.
func (m *Modem) cgatt(r request) pdu.Cause {
	switch {
	case r.verb == test:
		m.info("+CGATT: (0,1)")
	case r.verb == set:
		return notAllowed // nothing here uses it
	case m.inService():
		m.info("+CGATT: 1")
	default:
		m.info("+CGATT: 0")
	}
	return success
}
