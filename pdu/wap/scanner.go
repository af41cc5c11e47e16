package wap

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cellpost/pdu"
)

var (
	errShort         = errors.New("the push ends here; it was cut short on its way")
	errNoContentType = errors.New("there is none; this is no push, or a part of it is missing")
)

// scanner takes the fields of a push in order. After its first error it returns
// zeros, so that only the end of a parser looks at err.
type scanner struct {
	b        []byte
	base     int // where b starts in the push
	pos      int
	warnings *pdu.Warnings // of the whole push
	err      *pdu.DecodeError
}

// offset is where in the push the next octet is.
func (s *scanner) offset() int { return s.base + s.pos }

// left is how many octets have not been taken; none after an error.
func (s *scanner) left() int {
	if s.err != nil {
		return 0
	}
	return len(s.b) - s.pos
}

// peek is the next octet; there has to be one.
func (s *scanner) peek() byte { return s.b[s.pos] }

// fail stops the scan for a fault at octet at of the push.
func (s *scanner) fail(field string, at int, err error) {
	if s.err == nil {
		s.err = &pdu.DecodeError{Field: field, Offset: at, Err: err}
	}
}

// warn notes a fault at octet at of the push that the scan gets past.
func (s *scanner) warn(field string, at int, format string, args ...any) {
	s.note(&pdu.DecodeError{Field: field, Offset: at, Err: fmt.Errorf(format, args...)})
}

func (s *scanner) note(e *pdu.DecodeError) {
	if len(*s.warnings) < maxWarnings {
		*s.warnings = append(*s.warnings, e)
	}
}

// forgive makes a warning of what stopped the scan of a part.
func (s *scanner) forgive() {
	if s.err != nil {
		s.note(s.err)
	}
}

func (s *scanner) octet(field string) byte {
	if s.left() == 0 {
		s.fail(field, s.offset(), errShort)
		return 0
	}
	s.pos++
	return s.b[s.pos-1]
}

// part takes the next n octets as a scanner of their own; fewer, with a
// warning, when there are not so many.
func (s *scanner) part(field string, n uint64) scanner {
	at := s.offset()
	if left := uint64(s.left()); s.err == nil && n > left {
		s.warn(field, at, "%d of %d octets; it was cut short on its way", left, n)
		n = left
	}
	sub := scanner{base: at, warnings: s.warnings, err: s.err}
	if s.err == nil {
		sub.b = s.b[s.pos : s.pos+int(n)]
		s.pos += int(n)
	}
	return sub
}

// rest takes all octets that are left.
func (s *scanner) rest() []byte {
	b := s.b[len(s.b)-s.left():]
	s.pos = len(s.b)
	return b
}

// line takes the octets before a terminator of width zeros, and the terminator.
// Where there is none it takes the rest, with a warning.
func (s *scanner) line(field string, width int) []byte {
	at := s.offset()
	for i := s.pos; i+width <= s.pos+s.left(); i += width {
		if s.b[i] == 0 && s.b[i+width-1] == 0 {
			b := s.b[s.pos:i]
			s.pos = i + width
			return b
		}
	}
	if s.err == nil {
		s.warn(field, at, "a text without an end; it was cut short on its way")
	}
	return s.rest()
}

// uintvar takes an integer of 7 bits an octet, 32 bits in all.
// WAP-230-WSP, 8.1.2.
func (s *scanner) uintvar(field string) uint64 {
	at, n := s.offset(), uint64(0)
	for {
		c := s.octet(field)
		n = n<<7 | uint64(c&0x7F)
		switch {
		case n > 1<<32-1:
			s.fail(field, at, errors.New("a number of more than 32 bits; this is no push, or it was garbled"))
			return 0
		case c < 0x80:
			return n
		}
	}
}

// value is the value of a header or of a field of an MMS, which tells its own
// length. WAP-230-WSP, 8.4.1.2.
type value struct {
	kind   valueKind
	at     int     // its octet of the push
	number byte    // kindShort: 0 to 127
	text   []byte  // kindText: without its end
	data   scanner // kindData
}

type valueKind int

const (
	kindShort valueKind = iota // a number in one octet
	kindText                   // a text that ends in a zero
	kindData                   // octets with their length before them
)

func (s *scanner) value(field string) value {
	const longest, lengthQuote, quote = 30, 31, 0x7F
	at := s.offset()
	c := s.octet(field)
	switch {
	case c >= 0x80:
		return value{kind: kindShort, at: at, number: c & 0x7F}
	case c == lengthQuote:
		return value{kind: kindData, at: at, data: s.part(field, s.uintvar(field))}
	case c <= longest:
		return value{kind: kindData, at: at, data: s.part(field, uint64(c))}
	case c != quote: // which is there only to go before an octet over 0x7F
		s.pos--
	}
	return value{kind: kindText, at: at, text: s.line(field, 1)}
}

// integer returns a short or long integer. WAP-230-WSP, 8.4.2.3.
func (v value) integer() (n uint64, ok bool) {
	switch {
	case v.kind == kindShort:
		return uint64(v.number), true
	case v.kind == kindText || len(v.data.b) == 0 || len(v.data.b) > 8:
		return 0, false
	}
	for _, c := range v.data.b {
		n = n<<8 | uint64(c)
	}
	return n, true
}

// String shows a value whose meaning is not known.
func (v value) String() string {
	if n, ok := v.integer(); ok {
		return strconv.FormatUint(n, 10)
	}
	if v.kind == kindText {
		return strings.TrimPrefix(toText(v.text), `"`) // a quoted string has no quote at its end
	}
	return fmt.Sprintf("%X", v.data.b)
}

// lastSecond is the end of the year 9999, after which RFC 3339 has no dates.
const lastSecond = 253402300799

// date reads a date, in seconds since 1970; zero, with a warning, if it is none.
// WAP-230-WSP, 8.4.2.3.
func (s *scanner) date(field string, v value) time.Time {
	n, ok := v.integer()
	if !ok || n > lastSecond {
		s.warn(field, v.at, "%s is no date", v)
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}

func formatTime(t time.Time) string { return t.Format(time.RFC3339) }

// encodedString reads a text that may name its character set.
// OMA-MMS-ENC, 7.3.
func (s *scanner) encodedString(field string, v value) string {
	if v.kind != kindData || len(v.data.b) == 0 {
		return toText(v.text)
	}
	charset, known := v.data.value(field).integer()
	if !known {
		s.warn(field, v.at, "no character set where there should be one")
	}
	width := widthOf(charset)
	if v.data.left() > 0 && width == 1 && v.data.peek() == 0x7F {
		v.data.octet(field)
	}
	text := s.decode(field, v.data.line(field, width), charset)
	v.data.forgive()
	return text
}

// Character sets by their MIBenum in the registry of IANA.
const (
	usASCII  = 3
	latin1   = 4
	utf8MIB  = 106
	ucs2MIB  = 1000
	utf16MIB = 1015
)

var charsets = map[uint64]string{
	usASCII: "US-ASCII", latin1: "ISO-8859-1", utf8MIB: "UTF-8", ucs2MIB: "ISO-10646-UCS-2", utf16MIB: "UTF-16",
}

// widthOf is how many octets end a text.
func widthOf(charset uint64) int {
	if charset == ucs2MIB || charset == utf16MIB {
		return 2
	}
	return 1
}

// decode reads a text in a character set. 0 stands for none named; another
// that is not known here is guessed, with a warning.
func (s *scanner) decode(field string, b []byte, charset uint64) string {
	switch charset {
	case utf8MIB:
		return string(bytes.ToValidUTF8(b, []byte("\uFFFD")))
	case latin1:
		return pdu.DecodeLatin1(b)
	case ucs2MIB, utf16MIB:
		return fromUTF16(b)
	case 0, usASCII:
	default:
		s.warn(field, s.offset(), "character set %d is not known here; the text is guessed", charset)
	}
	return toText(b)
}

// toText reads a text without a known character set: UTF-8 when it is, else
// ISO 8859-1, which at least loses nothing.
func toText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return pdu.DecodeLatin1(b)
}

// fromUTF16 reads UTF-16 in the order that its mark says, else big-endian.
func fromUTF16(b []byte) string {
	if bytes.HasPrefix(b, []byte{0xFF, 0xFE}) {
		swapped := make([]byte, 0, len(b))
		for ; len(b) >= 2; b = b[2:] {
			swapped = append(swapped, b[1], b[0])
		}
		b = swapped
	}
	text, _ := pdu.DecodeUCS2(b)
	return strings.TrimPrefix(text, "\uFEFF")
}
