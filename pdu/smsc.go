package pdu

import "errors"

// AppendSMSC appends the address of a service centre as a modem wants it in
// front of a TPDU (3GPP TS 27.005, 3.1, <pdu>): its length in octets, its type,
// its digits. The zero Address is the single octet 00 and makes the modem use
// the address that it holds. The error says what is wrong with the address.
func AppendSMSC(b []byte, a Address) ([]byte, error) {
	if a == (Address{}) {
		return append(b, 0), nil
	}
	if a.TON == TONAlphanumeric || a.Value == "" {
		return nil, errors.New("SC address: it is no number; leave it out to use that of the SIM")
	}
	b = append(b, byte(1+(len(a.Value)+1)/2))
	b, err := appendNumber(b, a)
	if err != nil {
		return nil, wrap("SC address", err)
	}
	return b, nil
}

// CutSMSC takes the address of the service centre off the front of what a modem
// printed; rest is the TPDU and shares b's memory. The error is a
// [*DecodeError]: b ends inside the address.
func CutSMSC(b []byte) (sc Address, rest []byte, err error) {
	s := scanner{b: b}
	const field = "SC address"
	n := int(s.octet(field))
	value := s.take(field, n)
	switch {
	case s.err != nil:
		return Address{}, nil, s.err
	case n == 0:
		return Address{}, s.b[s.pos:], nil
	}
	sc = Address{TON: TON(value[0] >> 4 & 7), NPI: NPI(value[0] & 15)}
	sc.Value = decodeDigits(value[1:], 2*(n-1))
	return sc, s.b[s.pos:], nil
}
