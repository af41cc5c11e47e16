// Package smart turns what people have - RTTTL melodies, images, business
// cards, appointments - into the objects of Nokia Smart Messaging 3.0, and
// reads such objects back. An object travels as 8-bit data to a port of the
// handset. Nothing here does I/O or reads a clock.
package smart

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"cellpost/pdu"
)

// Ports of the applications in a handset. Smart Messaging Specification 3.0,
// appendix; the last two are in the registry of IANA.
const (
	PortRingtone     uint16 = 0x1581
	PortOperatorLogo uint16 = 0x1582
	PortCLILogo      uint16 = 0x1583
	PortPicture      uint16 = 0x158A
	PortVCard        uint16 = 0x23F4
	PortVCalendar    uint16 = 0x23F5
)

// Object is what one application of a handset takes.
type Object struct {
	Port uint16
	Data []byte
}

// Split cuts the object into parts that can be sent, each with the port in its
// header. The errors are those of [pdu.Split].
func (o Object) Split(options pdu.SplitOptions) (pdu.Segments, error) {
	options.Alphabet = pdu.Octets
	options.Header = append([]pdu.IE{pdu.Ports{Dest: o.Port, Bits: 16}.IE()}, options.Header...)
	return pdu.Split(string(o.Data), options)
}

// maxObject is the most octets of an object that is read: what the 255 parts of
// a concatenated message hold at most. 3GPP TS 23.040, 9.2.3.24.1.
const maxObject = 255 * 140

// checkObject refuses what did not come by SMS and cannot go by it.
func checkObject(data []byte) error {
	if len(data) > maxObject {
		return octetFault("object", 0, "%d octets; make it smaller, 255 short messages hold %d", len(data), maxObject)
	}
	return nil
}

// readOctets returns octets that people have, in memory of their own: as they
// are, or what hexadecimal digits stand for, white space among them left out.
// No object that can be read consists of the characters of such digits.
func readOctets(content []byte) ([]byte, error) {
	const digits, blanks = "0123456789abcdefABCDEF", " \t\r\n"
	if len(bytes.TrimLeft(content, digits+blanks)) > 0 {
		if err := checkObject(content); err != nil {
			return nil, err
		}
		return bytes.Clone(content), nil
	}
	text := bytes.Map(func(r rune) rune {
		if strings.ContainsRune(blanks, r) {
			return -1
		}
		return r
	}, content)
	octets, err := hex.AppendDecode(nil, text)
	if err != nil {
		return nil, fmt.Errorf("%d hexadecimal digits; an octet takes two, add the one that is missing", len(text))
	}
	return octets, checkObject(octets)
}

// maxWarnings bounds what is said about one object; more would tell nothing
// new.
const maxWarnings = 32

// appendWarnings appends what there is room for.
func appendWarnings(w pdu.Warnings, more ...*pdu.DecodeError) pdu.Warnings {
	return append(w, more[:min(len(more), maxWarnings-len(w))]...)
}

// octetFault is what is wrong at an octet of an object.
func octetFault(field string, at int, format string, args ...any) *pdu.DecodeError {
	return &pdu.DecodeError{Field: field, Offset: at, Err: fmt.Errorf(format, args...)}
}
