package sim

import (
	"fmt"
	"slices"
	"time"

	"cellpost/pdu"
)

const (
	defaultRing = 30 * time.Second
	ringEvery   = 5 * time.Second // 3GPP TS 22.001 leaves it to the modem; 4 to 6 s are common
)

// CallEnd is how a call ended.
type CallEnd int

// Ends of a call.
const (
	Missed      CallEnd = iota // the caller gave up
	Rejected                   // the terminal hung up: ATH, AT+CHUP
	Busy                       // another call rang
	Unreachable                // no such modem in service, or not to the end
)

// Call is a voice call that is over.
type Call struct {
	At    time.Time
	From  string // empty: withheld
	To    string // MSISDN
	Card  string // ICCID
	Rings int
	Ended time.Time
	End   CallEnd
}

// call is one that is under way.
type call struct {
	Call
	sim *SIM
}

// Call calls the SIM with the number to (digits, or with +). It returns at once;
// the modem rings until the terminal hangs up or the caller gives up after
// NetworkOptions.Ring. from is digits; empty: withheld.
func (n *Network) Call(to, from string) error {
	s, err := n.find(to)
	if err != nil {
		return fmt.Errorf("call %s: %w", to, err)
	}
	c := &call{Call{At: time.Now(), From: from, To: s.card.MSISDN, Card: s.card.ICCID}, s}
	m := n.home(s)
	if m == nil {
		n.hungUp(c, Unreachable)
		return nil
	}
	m.mu.Lock()
	defer m.leave()
	switch {
	case m.sim != s || m.frozen || !m.inService():
		n.hungUp(c, Unreachable)
	case m.call != nil:
		n.hungUp(c, Busy)
	default:
		m.call = c
		m.ring(c)
	}
	return nil
}

// Calls returns the calls that are over, in the order in which they ended.
func (n *Network) Calls() []Call {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.calls)
}

func (n *Network) hungUp(c *call, end CallEnd) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c.Ended, c.End = time.Now(), end
	n.calls = trim(append(n.calls, c.Call), n.o.History)
	n.wake()
}

// ring rings once, and again in time. 3GPP TS 27.007, 6.11, 7.6.
func (m *Modem) ring(c *call) {
	left := m.net.o.Ring - time.Since(c.At)
	switch {
	case m.call != c:
		return
	case left <= 0:
		m.giveUp()
		return
	}
	c.Rings++
	ring := "RING"
	if m.set.crc == 1 {
		ring = "+CRING: VOICE"
	}
	m.note(ring)
	if m.set.clip == 1 {
		m.note("+CLIP: " + c.line())
	}
	m.later(min(left, ringEvery), func() { m.ring(c) })
}

// line is the caller as AT+CLIP shows it, with the reason why not.
// 3GPP TS 27.007, 7.6.
func (c *call) line() string {
	if c.From == "" {
		return `"",128,,,,1`
	}
	return fmt.Sprintf(`"+%s",145,,,,0`, telephone(c.From).Value)
}

// giveUp is the end of the caller's patience.
func (m *Modem) giveUp() {
	m.note("NO CARRIER")
	if m.o.MissedCall {
		from := telephone(m.call.From).Value
		m.note("MISSED_CALL: " + m.clock.now().Format("03:04PM") + " " + from)
	}
	m.endCall(Missed)
}

func (m *Modem) endCall(end CallEnd) {
	m.net.hungUp(m.call, end)
	m.call = nil
}

// dropCall ends a call that the modem can no longer have.
func (m *Modem) dropCall() {
	if m.call != nil {
		m.endCall(Unreachable)
	}
}

// hook hangs up, if there is a call. 3GPP TS 27.007, 6.5; ITU-T V.250, 6.3.6.
func (m *Modem) hook(r request) pdu.Cause {
	if m.call != nil && r.verb != test {
		m.endCall(Rejected)
	}
	return success
}

// clip serves AT+CLIP; the network always provides the number.
// 3GPP TS 27.007, 7.6.
func (m *Modem) clip(r request) pdu.Cause {
	if r.verb == read {
		m.info(fmt.Sprintf("+CLIP: %d,1", m.set.clip))
		return success
	}
	return m.keep(r, 1, &m.set.clip)
}

// clcc lists the call that rings. 3GPP TS 27.007, 7.18.
func (m *Modem) clcc(r request) pdu.Cause {
	if m.call == nil || r.verb == test {
		return success
	}
	text := "+CLCC: 1,1,4,0,0"
	if m.call.From != "" {
		text += fmt.Sprintf(`,"+%s",145`, telephone(m.call.From).Value)
	}
	m.info(text)
	return success
}
