package pdu

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// encodeUCS2 returns a text as UTF-16, big-endian: what handsets make of UCS2.
// The error is an [*AlphabetError], about octets that are no UTF-8.
func encodeUCS2(text string) ([]byte, error) {
	b := make([]byte, 0, 2*len(text))
	for i, r := range text {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return nil, alphabetError(text, i, UCS2)
			}
		}
		if r > 0xFFFF {
			high, low := utf16.EncodeRune(r)
			b = append(b, byte(high>>8), byte(high))
			r = low
		}
		b = append(b, byte(r>>8), byte(r))
	}
	return b, nil
}

// decodeUCS2 reads UTF-16, big-endian. Half a surrogate pair, and an octet left
// over at the end, become U+FFFD.
func decodeUCS2(b []byte) string {
	text := make([]byte, 0, len(b))
	for len(b) >= 2 {
		r := rune(binary.BigEndian.Uint16(b))
		b = b[2:]
		if utf16.IsSurrogate(r) {
			low := rune(0)
			if len(b) >= 2 {
				low = rune(binary.BigEndian.Uint16(b))
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				b = b[2:]
			}
		}
		text = utf8.AppendRune(text, r)
	}
	if len(b) > 0 {
		text = utf8.AppendRune(text, utf8.RuneError)
	}
	return string(text)
}
