package sim

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"cellpost/pdu"
)

// messageService are the commands that need the message service. 3GPP TS 27.005.
var messageService = []string{"+CMGS", "+CMGL", "+CMGR", "+CMGD", "+CPMS", "+CSCA", "+CNMI", "+CNMA"}

// chatter is what a module says unasked.
type chatter struct {
	lines  []string      // in turn; none: ^RSSI
	every  time.Duration // while it has a port; zero: never by itself
	inside bool          // between the lines of an answer, too
	off    string        // command that ends it with 0; empty: none
}

// line is the i-th line.
func (c chatter) line(i int) string {
	if len(c.lines) == 0 {
		return fmt.Sprintf("^RSSI:%d", i)
	}
	return c.lines[i%len(c.lines)]
}

// chat says a line, whatever the modem does, and goes on while p is its port.
func (m *Modem) chat(p *port) {
	c := m.profile.chat
	if c.every <= 0 {
		return
	}
	m.later(c.every, func() {
		if m.port != p {
			return
		}
		if m.state != booting && !m.set.hushed {
			m.say("\r\n" + c.line(m.said) + "\r\n")
			m.said++
		}
		m.chat(p)
	})
}

// hush is the command that ends the chatter, until AT&F.
func hush(m *Modem, r request) pdu.Cause {
	if f := r.fields(); r.verb == set {
		m.set.hushed = f[len(f)-1] == "0"
	}
	return success
}

// interrupt puts a line of chatter after each line of an answer.
func (m *Modem) interrupt(text string) string {
	if !m.profile.chat.inside {
		return text
	}
	lines := strings.Split(text, "\r\n")
	for i := range lines {
		lines[i] += "\r\n\r\n" + m.profile.chat.line(i)
	}
	return strings.Join(lines, "\r\n")
}

// startAnew forgets, and says something when the modem is up again.
func (m *Modem) startAnew(say func()) {
	m.forget()
	m.searches++
	m.state = booting
	m.after(m.o.Boot, func() {
		m.state = ready
		say()
		m.search()
	})
}

// greet says the first lines of a start: up to the state of the SIM, where that is
// said.
func (m *Modem) greet() {
	first, _, tellsPIN := m.profile.starts()
	for _, text := range first {
		m.note(text)
	}
	if tellsPIN {
		m.notePIN()
	}
	m.settle()
}

// starts cuts the first lines of a start at the state of the SIM: what comes after
// that needs one that can be used.
func (p *profile) starts() (first, after []string, tellsPIN bool) {
	i := slices.Index(p.start, cpin)
	if i < 0 {
		return p.start, nil, false
	}
	return p.start[:i], p.start[i+1:], true
}

// powerUp is the start of a modem that is plugged in again. A plain one is up
// before anybody can hear it.
func (m *Modem) powerUp() {
	m.cold, m.notes = false, nil
	if m.profile.name != "" {
		m.greet()
	}
	m.search()
}

// heal ends what power loss ends besides.
func (m *Modem) heal() {
	m.starts++
	m.reset, m.smsDown, m.bare = false, trouble{}, trouble{}
	if m.profile.forgetful {
		m.sim.smsc = ""
	}
}

// settle says what comes after the state of the SIM, and later the last lines of a
// start; nothing of it before the SIM can be used.
func (m *Modem) settle() {
	if _, after, _ := m.profile.starts(); m.sim.usable() {
		m.notes = append(m.notes, after...)
	}
	m.open(m.profile.ready...)
}

func (s *SIM) usable() bool { return !s.shut() && !s.card.Busy }

// open says the last lines of a start, once the SIM can be used; until then the
// gate is shut.
func (m *Modem) open(last ...string) {
	m.starts++
	m.gated = true
	if !m.sim.usable() {
		return
	}
	wait := max(m.o.Ready, time.Until(m.sim.busyUntil))
	open := func() {
		m.gated = false
		m.notes = append(m.notes, last...)
	}
	if wait <= 0 {
		open()
		return
	}
	start := m.starts
	m.later(wait, func() {
		if m.starts == start {
			open()
		}
	})
}

// resume settles if that could not be when the modem started, as the SIM was not
// to be used.
func (m *Modem) resume() {
	if m.gated {
		m.settle()
	}
}

// settles makes the last lines of a start follow the PIN.
func settles(cpin command) command {
	return func(m *Modem, r request) pdu.Cause {
		locked := m.sim.locked
		c := cpin(m, r)
		if locked && !m.sim.locked {
			m.settle()
		}
		return c
	}
}

// refusal is why a command is not even looked at: a fault, or a start that is not
// over.
func (m *Modem) refusal(r request) pdu.Cause {
	p := &m.profile
	switch {
	case m.smsDown.lasts() && slices.Contains(messageService, r.name):
		return m.smsDown.cause
	case m.undeletable.lasts() && r.name == "+CMGD" && r.verb != test:
		return m.undeletable.cause
	case m.gated && slices.Contains(p.gated, r.name):
		return p.gate
	case p.factory && !m.reset && r.name == "+CMGS":
		return plainError
	}
	return success
}

// factoryReset notes that AT&F was sent.
func factoryReset(atF command) command {
	return func(m *Modem, r request) pdu.Cause {
		m.reset = true
		return atF(m, r)
	}
}

// forever is how long a stick that has become a CD-ROM stays away.
const forever = time.Duration(math.MaxInt64)

// vanish is from AT+CFUN=1,1 to the port being gone.
const vanish = time.Second

// zeroCD makes AT+CFUN=1,1 turn the stick into the CD-ROM that its software came
// on: it comes back without its ports, until [Modem.Replug].
func zeroCD(cfun command) command {
	return func(m *Modem, r request) pdu.Cause {
		if r.verb != set || r.args != "1,1" {
			return cfun(m, r)
		}
		m.final(success)
		m.state = booting
		life := m.life
		m.later(vanish, func() {
			if m.life == life {
				m.hangUp(forever)
				m.cdrom = true
			}
		})
		return success
	}
}

// Replug takes the modem out of its socket and puts it back. It ends a [HangUp],
// and what turned a stick into a CD-ROM.
func (m *Modem) Replug() {
	m.mu.Lock()
	defer m.leave()
	m.hangUp(0)
	m.cdrom = false
	m.back <- struct{}{} // hangUp has made room
}
