package modem

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// mask hides in the lines of a dialogue what is said, by whom and to whom, and
// what opens a SIM. What is left shows how the modem behaves: codes, lengths,
// results, and so much of a number that its owner knows it again.
//
// It knows the lines that hold such things. Of others it hides what may be one:
// see unknownLine. The zero value is ready.
type mask struct {
	body bool     // the lines after this one are a message
	text []string // of a +CUSD whose text goes on
}

// line masks a line that the modem said ('<') or was told ('>').
func (m *mask) line(dir byte, line string) string {
	line = strings.Map(visible, strings.ToValidUTF8(line, "?"))
	switch {
	case dir == '>' && strings.HasPrefix(line, "AT"):
		return maskLine(line)
	case dir == '>' && strings.Trim(line, "^") == "":
		return line // an escape
	case dir == '>':
		return maskData(line)
	case m.text != nil:
		m.keepText(line)
		return characters(line)
	case m.body && !isHead(line):
		m.body = !isHex(line) // a TPDU is one line; a text may have more
		return maskData(line)
	}
	m.body = messageHead.MatchString(line) || m.body && !finalHead.MatchString(line)
	if strings.HasPrefix(line, cusdPrefix) {
		m.keepText(line)
	}
	return maskLine(line)
}

// visible replaces control characters, as terminals show them: an escape is ^.
func visible(r rune) rune {
	if r < ' ' || r == 0x7F {
		return '^'
	}
	return r
}

// keepText notes whether the text of a +CUSD goes on in the next line.
func (m *mask) keepText(line string) {
	if m.text = append(m.text, line); cusdWhole(m.text) {
		m.text = nil
	}
}

var (
	messageHead = regexp.MustCompile(`^\+(?:CMT|CDS|CBM|CMGR|CMGL):`)
	anyHead     = regexp.MustCompile(`^(?:[+^*#$%&][A-Z][A-Z0-9]*(?: ERROR)?:|OK$|ERROR$|RING$)`)
	finalHead   = regexp.MustCompile(`^(?:OK|ERROR|\+CM[SE] ERROR)`)
	onlyHex     = regexp.MustCompile(`^(?:[0-9A-Fa-f]{2})+$`)

	secrets    = regexp.MustCompile(`(?i)([+^]C(?:PIN2?|PWD|LCK|ARDLOCK))=[^?].*`)
	ussdHead   = regexp.MustCompile(`^(?:AT)?\+CUSD[=:]\s*\d+\s*,\s*`)
	identities = regexp.MustCompile(`^([+^*#$%][A-Z]+:\s*)?("?)(\d{14,22})[Ff]?("?)$`)
	people     = regexp.MustCompile(`^\+(?:CLIP|CCWA|CLCC|COLP|CNUM|CPB[RF]|CMT|CDS|CBM|CMGR|CMGL):|^MISSED_CALL:`)

	quotes    = regexp.MustCompile(`"[^"]*"?`)
	longHex   = regexp.MustCompile(`[0-9A-Fa-f]{16,}`)
	someDigit = regexp.MustCompile(`\+?\d{6,}`)
	manyDigit = regexp.MustCompile(`\+?\d{10,}`)
	dialled   = regexp.MustCompile(`[+*#]?\d[\d*#]{2,}`)
	dateStart = regexp.MustCompile(`^(?:\d\d)?\d\d/\d\d/\d\d`)
)

// isHead tells a line that begins something from one of a message.
func isHead(line string) bool { return anyHead.MatchString(line) }

func isHex(line string) bool { return onlyHex.MatchString(line) }

// maskData hides all of a message.
func maskData(line string) string {
	if isHex(line) {
		return fmt.Sprintf("[TPDU, %d octets]", len(line)/2)
	}
	return characters(line)
}

func characters(s string) string { return fmt.Sprintf("[%d characters]", utf8.RuneCountInString(s)) }

// maskLine masks a command, a code or an answer of one line.
func maskLine(line string) string {
	if secrets.MatchString(line) {
		return secrets.ReplaceAllString(line, "$1=****")
	}
	if head := ussdHead.FindString(line); head != "" {
		return head + maskUSSD(line[len(head):])
	}
	if p := identities.FindStringSubmatch(line); p != nil {
		return p[1] + p[2] + maskIdentity(p[3]) + p[4]
	}
	if people.MatchString(line) {
		return maskPeople(line)
	}
	return unknownLine(line)
}

// maskUSSD hides a text with its quotes, and leaves the DCS after it.
func maskUSSD(s string) string {
	if tail := cusdTail.FindStringIndex(s); tail != nil && tail[0] > 0 && s[0] == '"' {
		return `"` + characters(s[1:tail[0]]) + s[tail[0]:]
	}
	return characters(s)
}

// maskIdentity keeps of an IMSI, IMEI or ICCID what tells the operator or the
// maker, and two digits to know it by.
func maskIdentity(digits string) string {
	head := 5
	if len(digits) > 16 { // an ICCID
		head = 6
	}
	return digits[:head] + strings.Repeat("*", len(digits)-head-2) + digits[len(digits)-2:]
}

// maskPeople masks each number and each name in a line that has them: names and
// dates are in quotes, numbers mostly.
func maskPeople(line string) string {
	head, body, _ := strings.Cut(line, ":")
	body = longHex.ReplaceAllStringFunc(body, octets)
	body = quotes.ReplaceAllStringFunc(body, func(quoted string) string {
		s := strings.Trim(quoted, `"`)
		switch {
		case s == "" || dateStart.MatchString(s):
			return quoted
		case strings.Trim(s, "+*#0123456789") == "":
			return `"` + maskNumber(s) + `"`
		}
		return `"` + characters(s) + `"`
	})
	return head + ":" + dialled.ReplaceAllStringFunc(body, func(s string) string {
		if len(s) <= 3 {
			return s // a type of address, a length
		}
		return maskNumber(s)
	})
}

// unknownLine hides what may be a number or a message: six digits running in
// quotes, ten anywhere, sixteen that are hexadecimal.
func unknownLine(line string) string {
	line = longHex.ReplaceAllStringFunc(line, octets)
	if !strings.HasPrefix(line, "+COPS:") { // an operator may be six digits
		line = quotes.ReplaceAllStringFunc(line, func(s string) string {
			return someDigit.ReplaceAllStringFunc(s, maskNumber)
		})
	}
	return manyDigit.ReplaceAllStringFunc(line, maskNumber)
}

func octets(digits string) string { return fmt.Sprintf("[%d octets]", (len(digits)+1)/2) }

// maskNumber keeps the country code of a number and its last two digits.
func maskNumber(s string) string {
	head := 0
	if digits, ok := strings.CutPrefix(s, "+"); ok {
		head = 1 + countryCode(digits)
	}
	tail := 2
	if len(s) < head+3*tail {
		head, tail = min(head, 1), 0 // so short that two digits would be much of it
	}
	return s[:head] + strings.Repeat("*", len(s)-head-tail) + s[len(s)-tail:]
}

// countryCode is the length of the country code that a number begins with.
// ITU-T E.164: 1 and 7 are whole zones, these have two digits, others three.
func countryCode(digits string) int {
	const two = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 " +
		"60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98"
	switch {
	case len(digits) < 3:
		return 0
	case digits[0] == '1' || digits[0] == '7':
		return 1
	case strings.Contains(two, digits[:2]):
		return 2
	}
	return 3
}
