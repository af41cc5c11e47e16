package pdu

import (
	"unicode/utf16"
	"unicode/utf8"
)

// EncodeUCS2 returns a text as UTF-16, big-endian: what handsets make of UCS2.
// The error is an [*AlphabetError], about octets that are no UTF-8.
func EncodeUCS2(text string) ([]byte, error) {
	b := make([]byte, 0, 2*utf8.RuneCountInString(text))
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

// DecodeUCS2 reads UTF-16, big-endian. Half a surrogate pair, and an octet left
// over at the end, become U+FFFD; bad is the offset of the first of them, in
// octets, or -1.
func DecodeUCS2(b []byte) (text string, bad int) {
	decoded := make([]byte, 0, len(b))
	bad = -1
	for at := 0; at < len(b); at += 2 {
		r := utf16Unit(b, at)
		if utf16.IsSurrogate(r) {
			if r = utf16.DecodeRune(r, utf16Unit(b, at+2)); r == utf8.RuneError {
				r = -1
			} else {
				at += 2
			}
		}
		if r < 0 {
			r = utf8.RuneError
			if bad < 0 {
				bad = at
			}
		}
		decoded = utf8.AppendRune(decoded, r)
	}
	return string(decoded), bad
}

// utf16Unit returns the UTF-16 unit at an offset, -1 when it is not whole.
func utf16Unit(b []byte, at int) rune {
	if at+2 > len(b) {
		return -1
	}
	return rune(b[at])<<8 | rune(b[at+1])
}

// DecodeLatin1 reads ISO 8859-1.
func DecodeLatin1(b []byte) string {
	text := make([]byte, 0, len(b))
	for _, c := range b {
		text = utf8.AppendRune(text, rune(c))
	}
	return string(text)
}
