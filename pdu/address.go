package pdu

import (
	"errors"
	"fmt"
	"strings"
)

// TON is a type of number. 3GPP TS 23.040, 9.1.2.5.
type TON byte

// Types of number.
const (
	TONUnknown       TON = 0
	TONInternational TON = 1
	TONNational      TON = 2
	TONNetwork       TON = 3
	TONSubscriber    TON = 4
	TONAlphanumeric  TON = 5
	TONAbbreviated   TON = 6
)

// String returns the type in words.
func (t TON) String() string {
	return [...]string{"unknown", "international", "national", "network specific", "subscriber", "alphanumeric", "abbreviated", "reserved"}[t&7]
}

// NPI is a numbering plan. 3GPP TS 23.040, 9.1.2.5.
type NPI byte

// Numbering plans.
const (
	NPIUnknown   NPI = 0
	NPITelephone NPI = 1 // E.164
)

// npiNames are the numbering plans of the standard.
var npiNames = map[NPI]string{
	NPIUnknown: "unknown", NPITelephone: "telephone", 3: "data", 4: "telex", 5: "service centre", 6: "service centre",
	8: "national", 9: "private", 10: "ERMES",
}

// String returns the plan in words.
func (n NPI) String() string {
	if name, known := npiNames[n]; known {
		return name
	}
	return "reserved"
}

// Address is a TP-DA, TP-OA, TP-RA or the address of an SMSC.
// 3GPP TS 23.040, 9.1.2.5.
type Address struct {
	TON   TON
	NPI   NPI
	Value string // digits and *#abc; the text when TON is alphanumeric
}

// Limits of an address.
const (
	maxDigits   = 20 // semi-octets
	maxNameSize = 11 // septets of an alphanumeric address: what 20 semi-octets hold
)

// semiOctets are the characters that a semi-octet stands for; 0xF fills up.
// 3GPP TS 23.040, 9.1.2.3.
const semiOctets = "0123456789*#abc"

const fillNibble = 0xF

// String returns the address for people: "+447700900123" when it is
// international, else its digits or its text as they stand.
func (a Address) String() string {
	if a.TON == TONInternational && a.Value != "" {
		return "+" + a.Value
	}
	return a.Value
}

// Digits returns the number without any mark of its type, and nothing for an
// alphanumeric address.
func (a Address) Digits() string {
	if a.TON == TONAlphanumeric {
		return ""
	}
	return a.Value
}

// appendAddress appends an address field: its length, its type, its value. Any
// length up to the limits will do; a TP-DA has narrower ones.
func appendAddress(b []byte, a Address) ([]byte, error) {
	if a.TON == TONAlphanumeric {
		return appendName(b, a)
	}
	b = append(b, byte(len(a.Value)))
	return appendNumber(b, a)
}

// appendNumber appends the type and the digits of a, two to an octet.
func appendNumber(b []byte, a Address) ([]byte, error) {
	if len(a.Value) > maxDigits {
		return nil, fmt.Errorf("%d digits; an address has %d at most", len(a.Value), maxDigits)
	}
	typ, err := a.typeOctet()
	if err != nil {
		return nil, err
	}
	b = append(b, typ)
	for i := 0; i < len(a.Value); i += 2 {
		low, high := semiOctet(a.Value[i]), fillNibble
		if i+1 < len(a.Value) {
			high = semiOctet(a.Value[i+1])
		}
		if low < 0 || high < 0 {
			return nil, errors.New("a number is made of 0 to 9, *, #, a, b and c only; put its + into TON")
		}
		b = append(b, byte(high<<4|low))
	}
	return b, nil
}

// semiOctet returns the semi-octet of a character, -1 when it has none.
func semiOctet(c byte) int {
	if '0' <= c && c <= '9' {
		return int(c - '0')
	}
	return strings.IndexByte(semiOctets, c)
}

// appendName appends an alphanumeric address, whose length counts the
// semi-octets that its septets need.
func appendName(b []byte, a Address) ([]byte, error) {
	typ, err := a.typeOctet()
	if err != nil {
		return nil, err
	}
	septets, err := EncodeGSM7(a.Value, Tables{})
	if err != nil {
		return nil, err
	}
	if len(septets) > maxNameSize {
		return nil, fmt.Errorf("%d septets; an alphanumeric address has %d at most", len(septets), maxNameSize)
	}
	b = append(b, byte((len(septets)*7+3)/4), typ)
	return appendPacked(b, septets, 0), nil
}

// typeOctet returns the second octet of an address field.
func (a Address) typeOctet() (byte, error) {
	if a.TON > 7 || a.NPI > 15 {
		return 0, fmt.Errorf("TON %d, NPI %d; they have 3 and 4 bits", a.TON, a.NPI)
	}
	return 0x80 | byte(a.TON)<<4 | byte(a.NPI), nil
}

// address takes an address field.
func (s *scanner) address(field string) Address {
	at := s.pos
	n := int(s.octet(field))
	typ := s.octet(field)
	value := s.take(field, (n+1)/2)
	if s.err != nil {
		return Address{}
	}
	if n > maxDigits {
		s.warn(field, at, "%d semi-octets; an address has %d at most", n, maxDigits)
	}
	a := Address{TON: TON(typ >> 4 & 7), NPI: NPI(typ & 15)}
	if a.TON == TONAlphanumeric {
		a.Value = DecodeGSM7(unpack(value, 0, n*4/7), Tables{})
		return a
	}
	a.Value = decodeDigits(value, n)
	if len(a.Value) < n {
		s.warn(field, at, "%d fill digits inside the number", n-len(a.Value))
	}
	return a
}

// decodeDigits reads n semi-octets and leaves out those that only fill up.
func decodeDigits(b []byte, n int) string {
	digits := make([]byte, 0, n)
	for i := range n {
		d := b[i/2] >> (4 * (i % 2)) & 15
		if d != fillNibble {
			digits = append(digits, semiOctets[d])
		}
	}
	return string(digits)
}

// ParseAddress reads a number as a destination is written: with a + in front it
// is international, else its type is unknown, which leaves it to the network (as
// national numbers and short codes want it). It has 1 to 20 characters out of
// 0 to 9, *, #, a, b and c, a digit among them. The error says what is wrong and
// where.
func ParseAddress(number string) (Address, error) {
	a := Address{TON: TONUnknown, NPI: NPITelephone, Value: number}
	if digits, ok := strings.CutPrefix(number, "+"); ok {
		a.TON, a.Value = TONInternational, digits
	}
	start := len(number) - len(a.Value)
	for i, r := range a.Value {
		if !strings.ContainsRune(semiOctets, r) {
			return Address{}, fmt.Errorf("%q at octet %d of the number; it is made of digits, * and #, after a + or none", r, start+i)
		}
	}
	switch {
	case len(a.Value) > maxDigits:
		return Address{}, fmt.Errorf("%d digits in the number; there is room for %d", len(a.Value), maxDigits)
	case !strings.ContainsAny(a.Value, "0123456789"):
		return Address{}, errors.New("no digit in the number; give 1 to 20")
	}
	return a, nil
}
