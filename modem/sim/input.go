package sim

import (
	"strconv"
	"strings"
	"time"

	"cellpost/pdu"
)

const (
	esc   = 0x1b
	ctrlZ = 0x1a

	maxLine = 556 // octets of a command line, as in common modules
	maxHex  = 600 // octets of a TPDU in hexadecimal; far over what can be sent
)

// input takes octets that came in at a time.
func (m *Modem) input(b []byte, at time.Time) {
	for i, c := range b {
		if m.frozen || m.port == nil || m.state == booting {
			return
		}
		switch m.state {
		case busy:
			rest := b[i:]
			m.held = append(m.held, rest[:min(len(rest), maxHeld-len(m.held))]...)
			return
		case typing:
			m.typed(c)
		default:
			m.keyed(c, at)
		}
	}
}

// keyed takes an octet of a command line.
func (m *Modem) keyed(c byte, at time.Time) {
	if m.set.echo {
		m.echo(c)
	}
	switch {
	case c == '\r':
		m.execute(string(m.line))
		m.line, m.long = m.line[:0], false
	case c == '\b' && len(m.line) > 0:
		m.line = m.line[:len(m.line)-1]
	case c < ' ':
	case len(m.line) == maxLine:
		m.long = true
	default:
		if len(m.line) == 0 {
			m.lineAt = at
		}
		m.line = append(m.line, c)
	}
}

func (m *Modem) echo(c byte) {
	if !m.frozen && len(m.out) <= maxUnwritten {
		m.out = append(m.out, c)
	}
}

// verb is what a command line does with a command.
type verb int

const (
	act  verb = iota // AT+X
	read             // AT+X?
	test             // AT+X=?
	set              // AT+X=...
)

// request is one command of a command line. 3GPP TS 27.007, 4.
type request struct {
	name string // "+CMGS", "E"
	verb verb
	args string
}

// fields returns the parameters, without quotes.
func (r request) fields() []string {
	f := strings.Split(r.args, ",")
	for i, s := range f {
		f[i] = strings.Trim(strings.TrimSpace(s), `"`)
	}
	return f
}

// execute runs the commands of a line and gives the final result, unless one of
// them leaves that for later.
func (m *Modem) execute(line string) {
	i := attention(line)
	if i < 0 {
		return // noise
	}
	m.counts.Commands++
	life, cause := m.life, success
	if m.long {
		cause = incorrect
	}
	for rest := line[i+2:]; rest != "" && cause == success && m.state == ready && m.life == life; {
		var r request
		r, rest = cutRequest(rest)
		cause = m.perform(r)
	}
	if m.state == ready && m.life == life {
		m.final(cause)
	}
}

// attention finds AT, in whichever case, before which a modem does not listen;
// -1: nowhere. ITU-T V.250, 5.2.1.
func attention(line string) int {
	for i := range len(line) - 1 {
		if line[i]|0x20 == 'a' && line[i+1]|0x20 == 't' {
			return i
		}
	}
	return -1
}

// cutRequest takes the first command off a line: a basic one is a letter and
// digits, an extended one ends at a semicolon. ITU-T V.250, 5.2.
func cutRequest(s string) (r request, rest string) {
	s = strings.TrimLeft(s, " ;")
	if s == "" {
		return request{}, ""
	}
	if !strings.ContainsRune("+^$#*", rune(s[0])) {
		return cutBasic(s)
	}
	quoted := false
	end := strings.IndexFunc(s, func(c rune) bool {
		quoted = quoted != (c == '"')
		return c == ';' && !quoted
	})
	if end >= 0 {
		s, rest = s[:end], s[end+1:]
	}
	name, args, given := strings.Cut(strings.TrimSpace(s), "=")
	r.args = strings.TrimSpace(args)
	switch {
	case given && r.args == "?":
		r.verb, r.args = test, ""
	case given:
		r.verb = set
	case strings.HasSuffix(name, "?"):
		r.verb, name = read, strings.TrimSuffix(name, "?")
	}
	r.name = strings.ToUpper(strings.TrimSpace(name))
	return r, rest
}

func cutBasic(s string) (r request, rest string) {
	n := 1
	if (s[0] == '&' || s[0] == '\\') && len(s) > 1 {
		n = 2
	}
	end := n
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	return request{name: strings.ToUpper(s[:n]), verb: set, args: s[n:end]}, s[end:]
}

// info says an information text response. ITU-T V.250, 5.7.1.
func (m *Modem) info(text string) {
	text = m.interrupt(text)
	if m.set.numeric {
		m.say(text + "\r\n")
		return
	}
	m.say("\r\n" + text + "\r\n")
}

// note says an unsolicited code as soon as no command is under way.
func (m *Modem) note(text string) { m.notes = append(m.notes, text) }

// final says the final result code of a command line. The numeric forms are
// those of ATV0.
func (m *Modem) final(c pdu.Cause) {
	switch {
	case c == success && m.set.numeric:
		m.say("0\r")
	case c == success:
		m.say("\r\nOK\r\n")
	case c == unsupported && m.profile.unknown != "":
		m.say("\r\n" + m.profile.unknown + "\r\n")
	case c.Set == pdu.CME && (m.set.cmee == 0 || c == plainError) && m.set.numeric:
		m.say("4\r")
	case c.Set == pdu.CME && (m.set.cmee == 0 || c == plainError):
		m.say("\r\nERROR\r\n")
	default:
		m.say("\r\n" + m.errorText(c) + "\r\n")
	}
}

// errorText is +CMS ERROR or +CME ERROR with the number, or in words with
// AT+CMEE=2. 3GPP TS 27.005, 3.2.5; 27.007, 9.2.
func (m *Modem) errorText(c pdu.Cause) string {
	prefix := "+CMS ERROR: "
	if c.Set == pdu.CME {
		prefix = "+CME ERROR: "
	}
	if _, words, ok := strings.Cut(c.String(), ": "); ok && m.set.cmee == 2 {
		return prefix + words
	}
	return prefix + strconv.Itoa(c.Code)
}
