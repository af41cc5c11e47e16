package sim

import (
	"strings"
	"time"

	"cellpost/pdu"
)

// blackHole is how long the modem is deaf after a command that it hangs on.
const blackHole = 2 * time.Minute

// hole makes a command hang the modem: it hears and says nothing until the time
// is over or [Modem.Thaw].
func hole(next command) command {
	return func(m *Modem, r request) pdu.Cause {
		if r.verb == test {
			return next(m, r)
		}
		m.freeze(Fault{For: blackHole})
		return success
	}
}

// refusing makes a command refuse one value of its first parameter.
func refusing(next command, value string, cause pdu.Cause) command {
	return func(m *Modem, r request) pdu.Cause {
		if r.verb == set && r.fields()[0] == value {
			return cause
		}
		return next(m, r)
	}
}

// textStates is AT+CMGL that knows only the states of text mode, whatever AT+CMGF
// says.
func textStates(m *Modem, r request) pdu.Cause {
	if r.verb == test {
		m.info(`+CMGL: ("REC UNREAD","REC READ","STO UNSENT","STO SENT","ALL")`)
		return success
	}
	return cmsNotSupported
}

// slowly makes the result of a command come after a time.
func slowly(next command, d time.Duration) command {
	return func(m *Modem, r request) pdu.Cause {
		if r.verb == test {
			return next(m, r)
		}
		c := next(m, r)
		m.state = busy
		m.after(d, func() {
			m.state = ready
			m.final(c)
		})
		return success
	}
}

// loses reports whether the next digit of a TPDU is lost, as it came faster than
// the modem empties its buffer and nothing holds the other side: one of 16.
func (m *Modem) loses() bool {
	m.job.typed++
	n := m.profile.buffer
	return n > 0 && m.set.flow != 3 && m.job.typed > n && m.job.typed%16 == 0
}

// discard takes what the network holds while a hand-over is under way, in mode 1
// of those modules that have no room for codes then: messages are stored and
// reports lost, in silence. A message that would be passed on waits.
// 3GPP TS 27.005, 3.4.1.
func (m *Modem) discard() {
	if !m.profile.discards || m.set.cnmi[cnmiMode] != 1 || !m.inService() {
		return
	}
	mt, ds := m.set.cnmi[cnmiMT], m.set.cnmi[cnmiDS]
	kept := m.sim.waiting[:0]
	for _, a := range m.sim.waiting {
		switch {
		case a.report && (ds == 1 || ds == 0 && !m.o.KeepReports):
		case a.report && m.store(a, m.profile.reports, "", false):
		case !a.report && mt < 2 && m.store(a, m.set.mem[2], "", false):
		default:
			kept = append(kept, a)
		}
	}
	clear(m.sim.waiting[len(kept):])
	m.sim.waiting = kept
}

// isFull says once that a memory has no place, where the module does.
func (m *Modem) isFull() {
	if !m.fullSaid && m.profile.full != "" {
		m.note(m.profile.full)
	}
	m.fullSaid = true
}

// fill puts old messages in every free place of the memory that messages go to.
func (m *Modem) fill() {
	old := pdu.Deliver{Originator: telephone("447700900199"), Time: time.Now().Add(-24 * time.Hour)}
	tpdu, err := old.AppendBinary(nil)
	if err != nil {
		return // it is well formed
	}
	to := &m.memories[m.set.mem[2]]
	for {
		if _, ok := to.put(stored{pdu: m.withSMSC(arrival{tpdu: tpdu}), len: len(tpdu), read: true}); !ok {
			break
		}
	}
	m.isFull()
}

// trouble is a fault that lasts for a time.
type trouble struct {
	cause pdu.Cause
	until time.Time
}

func (t trouble) lasts() bool { return time.Now().Before(t.until) }

// lasting makes a trouble that lasts for d, for good when that is zero.
func lasting(cause pdu.Cause, d time.Duration) trouble {
	const forGood = 100 * 365 * 24 * time.Hour
	if d <= 0 {
		d = forGood
	}
	return trouble{cause, time.Now().Add(d)}
}

// bareText takes the CRs out of what is said while that fault lasts.
func (m *Modem) bareText(s string) string {
	if m.bare.until.IsZero() || !m.bare.lasts() {
		return s
	}
	return strings.ReplaceAll(s, "\r", "")
}
