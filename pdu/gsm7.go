package pdu

import (
	"fmt"
	"iter"
	"unicode/utf8"
)

// escape makes the septet after it a character of the extension table.
const escape = 0x1B

// none stands in the tables where there is no character; it is in none of them.
const none = '·'

// defaultTable is the default alphabet by septet. 3GPP TS 23.038, 6.2.1.
const defaultTable = "" +
	"@£$¥èéùìòÇ\nØø\rÅå" +
	"Δ_ΦΓΛΩΠΨΣΘΞ·ÆæßÉ" +
	" !\"#¤%&'()*+,-./" +
	"0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNO" +
	"PQRSTUVWXYZÄÖÑÜ§" +
	"¿abcdefghijklmno" +
	"pqrstuvwxyzäöñüà"

// extensionTable are the characters after an escape, by septet.
// 3GPP TS 23.038, 6.2.1.1.
const extensionTable = "" +
	"··········\f·····" +
	"····^···········" +
	"········{}·····\\" +
	"············[~]·" +
	"|···············" +
	"················" +
	"·····€··········" +
	"················"

// entries yields the characters of a table with their septets.
func entries(table string) iter.Seq2[byte, rune] {
	return func(yield func(byte, rune) bool) {
		septet := byte(0)
		for _, r := range table {
			if r != none && !yield(septet, r) {
				return
			}
			septet++
		}
	}
}

// characters returns the characters of a table by septet, and void where it has
// none. An escape that leads to no character reads as a space.
func characters(table string, void rune) *[128]rune {
	c := new([128]rune)
	for i := range c {
		c[i] = void
	}
	for septet, r := range entries(table) {
		c[septet] = r
	}
	c[escape] = ' '
	return c
}

// The characters of the default alphabet.
var unescaped, escaped = characters(defaultTable, ' '), characters(extensionTable, 0)

// coding is how a character is written: a septet, perhaps after the escape.
// The zero coding is that of a character that the alphabet lacks.
type coding uint16

const (
	codingKnown   coding = 0x8000
	codingEscaped coding = 0x4000
)

// slots is how many places a table by character needs: most are below U+0D80,
// behind the scripts of India; two are put at the end.
const slots = 0xD80 + 2

// slot returns the place of a character in a table of slots; 0 when no alphabet
// has it.
func slot(r rune) int {
	switch {
	case r < slots-2:
		return int(r)
	case r == '€':
		return slots - 2
	case r == '∞':
		return slots - 1
	}
	return 0
}

// alphabet is how each character is written.
type alphabet [slots]coding

// newAlphabet returns the alphabet of two tables. What can be written without
// an escape is, and of septets that mean the same the lowest is taken.
func newAlphabet(main, ext string) *alphabet {
	a := new(alphabet)
	a.add(main, codingKnown)
	a.add(ext, codingKnown|codingEscaped)
	return a
}

func (a *alphabet) add(table string, c coding) {
	for septet, r := range entries(table) {
		if s := slot(r); a[s] == 0 {
			a[s] = c | coding(septet)
		}
	}
}

func (a *alphabet) has(r rune) bool { return a[slot(r)] != 0 }

// defaultAlphabet is all that most texts need, so it is made once.
var defaultAlphabet = newAlphabet(defaultTable, extensionTable)

// EncodeGSM7 returns a text in the default alphabet and its extension table, or
// in the national tables that stand in for them, one septet an octet. The error
// is an [*AlphabetError], or about tables that there are not.
func EncodeGSM7(text string, t Tables) ([]byte, error) {
	a, err := t.alphabet()
	if err != nil {
		return nil, err
	}
	return a.encode(text)
}

func (a *alphabet) encode(text string) ([]byte, error) {
	septets := make([]byte, 0, len(text))
	for i, r := range text {
		c := a[slot(r)]
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

// DecodeGSM7 reads septets, one an octet, of the default alphabet, or of the
// national tables that stand in for it. It always succeeds: an escape to a
// character that the extension table lacks gives that of the main table, an
// escape with nothing to follow a space, and so does a septet that means
// nothing. Tables that there are not count as the default.
// 3GPP TS 23.038, 6.2.1.1 and 6.2.1.2.
func DecodeGSM7(septets []byte, t Tables) string {
	main, ext := t.characters()
	text := make([]byte, 0, len(septets)+len(septets)/8)
	for i := 0; i < len(septets); i++ {
		septet := septets[i] & 0x7F
		r := main[septet]
		if septet == escape && i+1 < len(septets) {
			i++
			septet = septets[i] & 0x7F
			r = ext[septet]
			if r == 0 {
				r = main[septet]
			}
		}
		text = utf8.AppendRune(text, r)
	}
	return string(text)
}

// PackUSSD packs septets as USSD has them, which has no count. Where seven bits
// are left over they are a CR, for the receiver could not tell zeros from an "@";
// a CR that ends the text on the boundary of an octet is doubled.
// 3GPP TS 23.038, 6.1.2.3.1.
func PackUSSD(septets []byte) []byte {
	if n := len(septets); n%8 == 7 || n > 0 && n%8 == 0 && septets[n-1] == '\r' {
		septets = append(septets[:n:n], '\r')
	}
	return appendPacked(nil, septets, 0)
}

// UnpackUSSD is the way back: a CR that ends the text on the boundary of an
// octet is padding.
func UnpackUSSD(octets []byte) []byte {
	septets := unpack(octets, 0, len(octets)*8/7)
	if n := len(septets); n > 0 && n%8 == 0 && septets[n-1] == '\r' {
		septets = septets[:n-1]
	}
	return septets
}

// appendPacked appends septets seven bits each, the first after fill bits (0 to
// 6) of zero. 3GPP TS 23.038, 6.1.2.1.
//
// Where seven bits are left over they stay zero, and nobody takes them for an
// "@": TP-UDL counts the septets. The CR that 6.1.2.2.1 and 6.1.2.3.1 put there
// is for cell broadcast and USSD, which have no such count; in a short message
// it would be a character more.
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
