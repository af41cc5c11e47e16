package sim

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"cellpost/pdu"
)

// USSDAnswer is what the network says in a USSD dialogue.
type USSDAnswer struct {
	// Status is <m> of 3GPP TS 27.007, 7.15: 0 the dialogue is over, 1 it goes on,
	// 2 ended by the network, 3 answered by another terminal, 4 not supported, 5
	// time out.
	Status int
	Text   string
	UCS2   bool          // in UCS2 even if the default alphabet has the text
	After  time.Duration // that it takes the network
	Silent bool          // it never comes
	Cause  int           // not zero: +CME ERROR with this number, instead
}

// Forms of the text in AT+CUSD: Options.USSD. UCS2 from the network (coding 72) is in
// hexadecimal in each form.
const (
	ussdPacked = "packed" // GSM 7-bit, packed, in hexadecimal
	ussdGSM    = "gsm"    // GSM 7-bit, one octet a character
	ussdHex    = "ucs2"   // UCS2 in hexadecimal
)

const defaultUSSDTime = 2 * time.Minute

// TP-DCS-like codes of USSD: default alphabet, language unspecified; UCS2.
// 3GPP TS 23.038, 5.
const (
	codingGSM7 = 15
	codingUCS2 = 72
)

// defaultUSSD is the network of the package comment.
func defaultUSSD(card Card, said []string) USSDAnswer {
	switch said[0] {
	case "*100#":
		return USSDAnswer{Text: fmt.Sprintf("Balance of %s: 12.34", card.MSISDN)}
	case "*123#":
		return ussdMenu(card, said[1:])
	case "*124#":
		return USSDAnswer{Silent: true}
	case "*125#":
		return USSDAnswer{Status: 2}
	case "*127#":
		return USSDAnswer{Text: "Баланс: 12,34 €"}
	case "*128#":
		return USSDAnswer{Cause: 100}
	case "*129#":
		return USSDAnswer{Status: 5, After: 30 * time.Second}
	}
	return USSDAnswer{Status: 4}
}

// ussdMenu is what *123# leads to.
func ussdMenu(card Card, chosen []string) USSDAnswer {
	switch strings.Join(chosen, " ") {
	case "":
		return USSDAnswer{Status: 1, Text: "1 Balance\n2 Bundles\n0 End"}
	case "1":
		return defaultUSSD(card, []string{"*100#"})
	case "2":
		return USSDAnswer{Status: 1, Text: "1 Day [1€]\n2 Week [5€]"}
	case "2 1", "2 2":
		return USSDAnswer{Text: "Booked."}
	case "0":
		return USSDAnswer{Status: 2, Text: "Goodbye"}
	}
	return USSDAnswer{Status: 2, Text: "No such choice"}
}

// ussdSession is a dialogue that is open.
type ussdSession struct {
	said  []string
	waits bool // for the network
}

// cusd serves AT+CUSD. 3GPP TS 27.007, 7.15.
func (m *Modem) cusd(r request) pdu.Cause {
	if r.verb != set {
		return m.keep(r, 2, &m.set.cusd)
	}
	f := r.fields()
	n, ok := inRange(f[0], 2)
	switch {
	case !ok:
		return incorrect
	case n == 2:
		m.ussd = nil
		return success
	}
	m.set.cusd = n
	if len(f) == 1 || f[1] == "" {
		return success
	}
	if c := m.sim.cause(); c != success {
		return c
	}
	text, ok := m.ussdHeard(f[1])
	switch {
	case !ok:
		return incorrect
	case !m.inService():
		return pdu.Cause{Set: pdu.CME, Code: 30}
	case m.ussd != nil && m.ussd.waits:
		return notAllowed
	}
	return m.ussdSay(text)
}

// ussdSay says something to the network, in the dialogue that is open if any.
func (m *Modem) ussdSay(text string) pdu.Cause {
	s := &ussdSession{waits: true}
	if m.ussd != nil {
		s.said = slices.Clone(m.ussd.said)
	}
	s.said = append(s.said, text)
	a := m.net.answer(m.sim.card, s.said)
	if a.Cause != 0 {
		m.ussd = nil
		return pdu.Cause{Set: pdu.CME, Code: a.Cause}
	}
	m.ussd = s
	if a.Silent {
		m.expire(s)
		return success
	}
	m.soon(a.After, func() {
		if m.ussd == s {
			m.ussdShow(a, s.said)
		}
	})
	return success
}

// answer asks the network.
func (n *Network) answer(card Card, said []string) USSDAnswer {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.o.USSD(card, said)
}

// ussdShow brings what the network says to the terminal and keeps the dialogue
// open, or ends it. Out of reach of the network it ends in silence.
func (m *Modem) ussdShow(a USSDAnswer, said []string) {
	m.ussd = nil
	if !m.inService() {
		return
	}
	if a.Status == 1 {
		m.ussd = &ussdSession{said: said}
		m.expire(m.ussd)
	}
	if m.set.cusd != 1 {
		return
	}
	line := fmt.Sprintf("+CUSD: %d", a.Status)
	if a.Text != "" {
		line += "," + m.ussdForm(a)
	}
	m.note(line)
}

// expire ends a dialogue in which nobody says anything. One that waits for the
// terminal is ended aloud.
func (m *Modem) expire(s *ussdSession) {
	m.later(m.net.o.USSDTime, func() {
		if m.ussd != s {
			return
		}
		m.ussd = nil
		if !s.waits && m.set.cusd == 1 {
			m.note("+CUSD: 2")
		}
	})
}

// SendUSSD makes the network begin a dialogue with the SIM with the number to.
// A modem that is out of reach, or in a dialogue, does not notice.
func (n *Network) SendUSSD(to string, a USSDAnswer) error {
	s, err := n.find(to)
	if err != nil {
		return fmt.Errorf("send USSD to %s: %w", to, err)
	}
	m := n.home(s)
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.leave()
	if m.sim == s && m.inService() && m.ussd == nil {
		m.ussdShow(a, nil)
	}
	return nil
}

// ussdAlphabet is that of Options.USSD, or else what AT+CSCS chose.
func (m *Modem) ussdAlphabet() string {
	switch m.o.USSD {
	case ussdGSM:
		return alphabetGSM
	case ussdHex:
		return alphabetUCS2
	}
	return m.set.cscs
}

// ussdForm is a text as AT+CUSD gives it: in quotes, with its coding.
func (m *Modem) ussdForm(a USSDAnswer) string {
	septets, err := pdu.EncodeGSM7(a.Text, pdu.Tables{})
	dcs, text := codingGSM7, ""
	switch {
	case err != nil || a.UCS2:
		dcs, text = codingUCS2, toAlphabet(alphabetUCS2, a.Text)
	case m.o.USSD == ussdPacked:
		text = hexOf(pdu.PackUSSD(septets))
	default:
		text = toAlphabet(m.ussdAlphabet(), a.Text)
	}
	return fmt.Sprintf(`"%s",%d`, text, dcs)
}

// ussdHeard reads a text from AT+CUSD in the form of the modem.
func (m *Modem) ussdHeard(s string) (text string, ok bool) {
	if m.o.USSD != ussdPacked {
		return fromAlphabet(m.ussdAlphabet(), s)
	}
	b, err := hex.DecodeString(s)
	return pdu.DecodeGSM7(pdu.UnpackUSSD(b), pdu.Tables{}), err == nil
}
