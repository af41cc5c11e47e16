package modem

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"cellpost/modem/profile"
	"cellpost/pdu"
)

// Data codings of USSD: those of cell broadcast, not of messages.
// 3GPP TS 23.038, 5.
const (
	dcsGSM          = 0x0F // language unspecified
	dcsUCS2         = 0x48
	dcsGSMLanguage  = 0x10 // the text begins with its language: two letters and CR
	dcsUCS2Language = 0x11 // the same: two letters packed in two octets
)

// maxUSSD is the most octets of a USSD string: maxUSSD-StringLength of
// 3GPP TS 29.002.
const maxUSSD = 160

// encodeUSSD gives a code the form that a module wants in AT+CUSD, and its DCS.
// What that form cannot hold goes as UCS2, in hexadecimal digits.
func encodeUSSD(code string, form profile.USSD) (text string, dcs int, err error) {
	if code == "" {
		return "", 0, errors.New("it is empty: give one like *100#")
	}
	ucs2, err := pdu.EncodeUCS2(code)
	if err != nil {
		return "", 0, err
	}
	septets, err := pdu.EncodeGSM7(code, pdu.Tables{})
	inGSM := err == nil
	if inGSM && len(septets) > maxUSSD*8/7 || !inGSM && len(ucs2) > maxUSSD {
		return "", 0, fmt.Errorf("it is longer than %d octets: shorten it", maxUSSD)
	}
	switch {
	case inGSM && form == profile.USSDPacked:
		return upperHex(pdu.PackUSSD(septets)), dcsGSM, nil
	case inGSM && form == profile.USSDUCS2:
		return upperHex(ucs2), dcsGSM, nil // the module translates from AT+CSCS="UCS2"
	case inGSM && form == profile.USSDGSM && passesAT(septets):
		return string(septets), dcsGSM, nil
	case inGSM && form == profile.USSDText && passesAT(septets) && string(septets) == code:
		return code, dcsGSM, nil // the same in all alphabets of AT+CSCS
	case len(ucs2) > maxUSSD:
		return "", 0, fmt.Errorf("it is longer than the %d characters that this modem can pass on: shorten it", maxUSSD/2)
	}
	return upperHex(ucs2), dcsUCS2, nil
}

// passesAT reports whether octets can stand in the quotes of a command.
func passesAT(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == '"' || c >= 0x7F {
			return false
		}
	}
	return true
}

func upperHex(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

// decodeUSSD reads the text of a +CUSD code; lines end in LF. The form is what
// the module is known to use, but a text that is evidently of another is read
// as that. It always gives something: in the end the text as it stands.
func decodeUSSD(text string, dcs int, form profile.USSD) string {
	s := plainUSSD(text, form)
	if octets, err := hex.DecodeString(text); err == nil && len(octets) > 0 {
		for _, read := range readings(text, dcs, form) {
			if t, ok := read(octets); ok {
				s = t
				break
			}
		}
	}
	s = strings.ReplaceAll(strings.ReplaceAll(strings.Map(printable, s), "\r\n", "\n"), "\r", "\n")
	if dcs == dcsGSMLanguage && len(s) > 2 && letters(s[0], s[1]) && s[2] == '\n' {
		s = s[3:]
	}
	return s
}

// plainUSSD reads a text that is not in hexadecimal digits.
func plainUSSD(text string, form profile.USSD) string {
	switch {
	case form == profile.USSDGSM && !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }):
		return pdu.DecodeGSM7([]byte(text), pdu.Tables{})
	case !utf8.ValidString(text):
		return pdu.DecodeLatin1([]byte(text))
	}
	return text
}

// printable drops control characters other than tabs and line ends: nobody but a
// terminal would heed them.
func printable(r rune) rune {
	if unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) {
		return -1
	}
	return r
}

// reading makes a text of octets; ok is false when they do not look like one.
type reading func(octets []byte) (text string, ok bool)

// readings are the ways to take hexadecimal digits, the likeliest first; none
// for what may as well be a number.
func readings(digits string, dcs int, form profile.USSD) []reading {
	number := strings.Trim(digits, "0123456789") == ""
	switch {
	case isUCS2(dcs):
		return []reading{ucs2Reading(dcs), likely(packedReading)}
	case isOctets(dcs):
		return []reading{latin1Reading}
	case form == profile.USSDPacked:
		return []reading{wideReading, packedReading}
	case form == profile.USSDUCS2:
		return []reading{wideReading, likely(packedReading), ucs2Reading(dcs)}
	case len(digits) < 8: // too little to tell by
		return nil
	case number:
		return []reading{wideReading}
	}
	return []reading{wideReading, likely(octetReading), likely(packedReading)}
}

// isUCS2 and isOctets read the alphabet of a DCS; any other is the GSM one.
func isUCS2(dcs int) bool {
	return dcs == dcsUCS2Language || (dcs&0xC0 == 0x40 || dcs&0xF0 == 0x90) && dcs&0x0C == 0x08
}

func isOctets(dcs int) bool {
	return (dcs&0xC0 == 0x40 || dcs&0xF0 == 0x90) && dcs&0x0C == 0x04 || dcs&0xF4 == 0xF4
}

func packedReading(octets []byte) (string, bool) {
	return pdu.DecodeGSM7(pdu.UnpackUSSD(octets), pdu.Tables{}), true
}

// octetReading takes septets that were not packed: AT+CSCS="HEX".
func octetReading(octets []byte) (string, bool) {
	for _, c := range octets {
		if c >= 0x80 {
			return "", false
		}
	}
	return pdu.DecodeGSM7(octets, pdu.Tables{}), true
}

func latin1Reading(octets []byte) (string, bool) { return pdu.DecodeLatin1(octets), true }

func ucs2Reading(dcs int) reading {
	return func(octets []byte) (string, bool) {
		if dcs == dcsUCS2Language && len(octets) > 2 {
			if l := pdu.UnpackUSSD(octets[:2]); letters(l[0], l[1]) && octets[1]&0xC0 == 0 {
				octets = octets[2:]
			}
		}
		text, bad := pdu.DecodeUCS2(octets)
		return text, bad < 0
	}
}

// wideReading takes UCS2 where the DCS says GSM: modules that were told
// AT+CSCS="UCS2" write every text so. Only characters that the network could
// have sent count.
func wideReading(octets []byte) (string, bool) {
	text, bad := pdu.DecodeUCS2(octets)
	_, err := pdu.EncodeGSM7(text, pdu.Tables{})
	return text, bad < 0 && err == nil
}

// likely lets a reading count when most of what it gives is what texts are
// usually made of: seven characters of eight.
func likely(read reading) reading {
	return func(octets []byte) (string, bool) {
		text, ok := read(octets)
		usual, all := 0, 0
		for _, r := range text {
			all++
			if r < utf8.RuneSelf && (letters(byte(r)) || '0' <= r && r <= '9' || strings.ContainsRune(" \n\r.,:;!?'()*#+-/%=", r)) {
				usual++
			}
		}
		return text, ok && 8*usual >= 7*all
	}
}

func letters(s ...byte) bool {
	for _, c := range s {
		if c |= 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}
