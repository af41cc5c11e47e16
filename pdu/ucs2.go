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
	for at := 0; at < len(b); {
		r, size := decodeUTF16(b[at:])
		if r < 0 {
			r = utf8.RuneError
			if bad < 0 {
				bad = at
			}
		}
		decoded = utf8.AppendRune(decoded, r)
		at += size
	}
	return string(decoded), bad
}

// badUTF16 returns the bad of [DecodeUCS2] without making a text.
func badUTF16(b []byte) int {
	for at := 0; at < len(b); {
		r, size := decodeUTF16(b[at:])
		if r < 0 {
			return at
		}
		at += size
	}
	return -1
}

// decodeUTF16 returns the first character of b and how many octets it takes;
// the character is -1 where there is but half of one.
func decodeUTF16(b []byte) (r rune, size int) {
	if len(b) < 2 {
		return -1, len(b)
	}
	r = rune(b[0])<<8 | rune(b[1])
	if !utf16.IsSurrogate(r) {
		return r, 2
	}
	if len(b) >= 4 {
		if pair := utf16.DecodeRune(r, rune(b[2])<<8|rune(b[3])); pair != utf8.RuneError {
			return pair, 4
		}
	}
	return -1, 2
}

// DecodeLatin1 reads ISO 8859-1.
func DecodeLatin1(b []byte) string {
	text := make([]byte, 0, len(b))
	for _, c := range b {
		text = utf8.AppendRune(text, rune(c))
	}
	return string(text)
}
