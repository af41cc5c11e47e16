package sim

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"cellpost/pdu"
)

// Alphabets of AT+CSCS: texts, such as the name of the operator, are in one of
// them. 3GPP TS 27.007, 5.5.
const (
	alphabetGSM  = "GSM"  // the default alphabet, one octet a character
	alphabetIRA  = "IRA"  // ASCII; a question mark stands for what it lacks
	alphabetUCS2 = "UCS2" // in hexadecimal
)

// cscs chooses the alphabet. The names of alphabets are in ASCII in each.
func (m *Modem) cscs(r request) pdu.Cause {
	alphabets := []string{alphabetGSM, alphabetIRA, alphabetUCS2}
	switch r.verb {
	case test:
		m.info(fmt.Sprintf(`+CSCS: ("%s")`, strings.Join(alphabets, `","`)))
		return success
	case read:
		m.info(fmt.Sprintf("+CSCS: %q", m.set.cscs))
		return success
	}
	name := r.fields()[0]
	if !slices.Contains(alphabets, name) {
		return notAllowed
	}
	m.set.cscs = name
	return success
}

// text is a text in the alphabet of the terminal.
func (m *Modem) text(s string) string { return toAlphabet(m.set.cscs, s) }

func toAlphabet(alphabet, s string) string {
	switch alphabet {
	case alphabetGSM:
		if septets, err := pdu.EncodeGSM7(s, pdu.Tables{}); err == nil {
			return string(septets)
		}
	case alphabetUCS2:
		b, _ := pdu.EncodeUCS2(s) // empty when it is no UTF-8
		return hexOf(b)
	}
	return strings.Map(ascii, s)
}

// ascii is what a terminal with the alphabet IRA gets of a character.
func ascii(r rune) rune {
	if r > '~' {
		return '?'
	}
	return r
}

// fromAlphabet is the reverse; not ok: it is no text in that alphabet.
func fromAlphabet(alphabet, s string) (text string, ok bool) {
	switch alphabet {
	case alphabetGSM:
		return pdu.DecodeGSM7([]byte(s), pdu.Tables{}), true
	case alphabetUCS2:
		b, err := hex.DecodeString(s)
		text, bad := pdu.DecodeUCS2(b)
		return text, err == nil && bad < 0
	}
	return s, true
}
