package pdu

import (
	"fmt"
	"unicode/utf8"
)

// escape makes the septet after it a character of the extension table.
const escape = 0x1B

// unescaped are the characters of the default alphabet by septet. The escape
// reads as a space where nothing follows it. 3GPP TS 23.038, 6.2.1.
var unescaped = [128]rune([]rune("" +
	"@£$¥èéùìòÇ\nØø\rÅå" +
	"Δ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ" +
	" !\"#¤%&'()*+,-./" +
	"0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNO" +
	"PQRSTUVWXYZÄÖÑÜ§" +
	"¿abcdefghijklmno" +
	"pqrstuvwxyzäöñüà"))

// escaped are the characters of the extension table by septet; 0 where it has
// none. 3GPP TS 23.038, 6.2.1.1.
var escaped = [128]rune{
	0x0A:   '\f',
	0x14:   '^',
	escape: ' ', // would lead to yet another table
	0x28:   '{',
	0x29:   '}',
	0x2F:   '\\',
	0x3C:   '[',
	0x3D:   '~',
	0x3E:   ']',
	0x40:   '|',
	0x65:   '€',
}

// coding is how a character is written: a septet, perhaps after the escape.
// The zero coding is that of a character that the alphabet lacks.
type coding uint16

const (
	codingKnown   coding = 0x8000
	codingEscaped coding = 0x4000
)

// codings holds the coding of every character below its length; the euro sign
// is the only one beyond.
var codings = func() (c [0x400]coding) {
	for septet, r := range escaped {
		if int(r) < len(c) {
			c[r] = codingKnown | codingEscaped | coding(septet)
		}
	}
	for septet, r := range unescaped {
		if septet != escape {
			c[r] = codingKnown | coding(septet)
		}
	}
	c[0] = 0
	return c
}()

func codingOf(r rune) coding {
	switch {
	case r < rune(len(codings)):
		return codings[r]
	case r == '€':
		return codingKnown | codingEscaped | 0x65
	}
	return 0
}

// EncodeGSM7 returns a text in the default alphabet and its extension table,
// one septet an octet. The error is an [*AlphabetError].
func EncodeGSM7(text string, t Tables) ([]byte, error) {
	septets := make([]byte, 0, len(text))
	for i, r := range text {
		c := codingOf(r)
		if c == 0 {
			return nil, alphabetError(text, i, GSM7)
		}
		if c&codingEscaped != 0 {
			septets = append(septets, escape)
		}
		septets = append(septets, byte(c&0x7F))
	}
	return septets, nil
}

// DecodeGSM7 reads septets, one an octet, of the default alphabet. It always
// succeeds: an escape to a character that the extension table lacks gives that
// of the default table, and an escape with nothing to follow a space.
// 3GPP TS 23.038, 6.2.1.1.
func DecodeGSM7(septets []byte, t Tables) string {
	text := make([]byte, 0, len(septets)+len(septets)/8)
	for i := 0; i < len(septets); i++ {
		septet := septets[i] & 0x7F
		r := unescaped[septet]
		if septet == escape && i+1 < len(septets) {
			i++
			septet = septets[i] & 0x7F
			r = escaped[septet]
			if r == 0 {
				r = unescaped[septet]
			}
		}
		text = utf8.AppendRune(text, r)
	}
	return string(text)
}

// appendPacked appends septets seven bits each, the first after fill bits (0 to
// 6) of zero. 3GPP TS 23.038, 6.1.2.1.
func appendPacked(b, septets []byte, fill int) []byte {
	acc, bits := uint(0), fill
	for _, septet := range septets {
		acc |= uint(septet) << bits
		bits += 7
		if bits >= 8 {
			b = append(b, byte(acc))
			acc >>= 8
			bits -= 8
		}
	}
	if bits > 0 {
		b = append(b, byte(acc))
	}
	return b
}

// unpack returns the septets from number from up to number to, of which octets
// must hold all bits.
func unpack(octets []byte, from, to int) []byte {
	septets := make([]byte, to-from)
	for i := range septets {
		at, shift := (from+i)*7/8, (from+i)*7%8
		septet := octets[at] >> shift
		if shift > 1 {
			septet |= octets[at+1] << (8 - shift)
		}
		septets[i] = septet & 0x7F
	}
	return septets
}

// AlphabetError is a character that cannot be written in an alphabet, or a
// piece of a text that is no UTF-8 and so no character at all.
type AlphabetError struct {
	Alphabet Alphabet
	Rune     rune // -1: no UTF-8
	Offset   int  // octets into the text
}

func (e *AlphabetError) Error() string {
	if e.Rune < 0 {
		return fmt.Sprintf("octet %d of the text is no UTF-8; say which character set the text is in", e.Offset)
	}
	return fmt.Sprintf("character %q at octet %d is not in the alphabet %s; leave it out or allow ucs2", e.Rune, e.Offset, e.Alphabet)
}

// alphabetError tells a character that a lacks from octets that are none.
func alphabetError(text string, at int, a Alphabet) error {
	r, size := utf8.DecodeRuneInString(text[at:])
	if r == utf8.RuneError && size == 1 {
		r = -1
	}
	return &AlphabetError{Alphabet: a, Rune: r, Offset: at}
}
