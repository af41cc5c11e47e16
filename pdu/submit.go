package pdu

import (
	"errors"
	"fmt"
)

// tpduSize is room enough for any TPDU that is built here.
const tpduSize = 180

// AppendBinary appends the TPDU to b. The error names the field that cannot be
// sent, and says what to do about it.
func (s Submit) AppendBinary(b []byte) ([]byte, error) {
	if s.Destination.TON == TONAlphanumeric || s.Destination.Value == "" {
		return nil, errors.New("TP-DA: it is no number; messages go to 1 to 20 digits")
	}
	if b == nil {
		b = make([]byte, 0, tpduSize)
	}
	b = append(b, s.firstOctet(), s.Reference)
	b, err := appendAddress(b, s.Destination)
	if err != nil {
		return nil, wrap("TP-DA", err)
	}
	b = append(b, byte(s.PID), byte(s.DCS))
	b = append(b, s.Validity.octets[:s.Validity.size()]...)
	return appendUserData(b, s.UserData, s.DCS)
}

func (s Submit) firstOctet() byte {
	return byte(MTISubmit) |
		flag(s.RejectDuplicates, bitRD) |
		s.Validity.format<<shiftVPF |
		flag(s.StatusReport, bitSRR) |
		flag(len(s.UserData.Header) > 0, bitUDHI) |
		flag(s.ReplyPath, bitRP)
}

// ParseSubmit reads an SMS-SUBMIT. What it returns shares no memory with tpdu.
// The error is a [*DecodeError]: the TPDU is of another type, or ends before
// its user data. User data cut short, and octets after it, are warnings.
func ParseSubmit(tpdu []byte) (Submit, Warnings, error) {
	sc := scanner{b: tpdu}
	s := sc.submit()
	if sc.err != nil {
		return Submit{}, nil, sc.err
	}
	return s, sc.warnings, nil
}

func (sc *scanner) submit() Submit {
	fo := sc.firstOctet(MTISubmit)
	s := Submit{
		RejectDuplicates: fo&bitRD != 0,
		ReplyPath:        fo&bitRP != 0,
		StatusReport:     fo&bitSRR != 0,
		Reference:        sc.octet("TP-MR"),
		Destination:      sc.address("TP-DA"),
		PID:              PID(sc.octet("TP-PID")),
		DCS:              DCS(sc.octet("TP-DCS")),
		Validity:         sc.validity(fo >> shiftVPF & 3),
	}
	s.UserData = sc.userData(s.DCS, fo&bitUDHI != 0)
	if n := s.Destination; sc.err == nil && (n.TON == TONAlphanumeric || n.Value == "") {
		sc.warn("TP-DA", 2, "it is no number")
	}
	return s
}

// SetConcatReference gives a part of a concatenated message another reference,
// of which an 8-bit one takes the low octet: a message that starts over on
// another SIM must not be joined with what the first one sent. It is false when
// the message is no part. The old header is left as it was.
func (s *Submit) SetConcatReference(ref uint16) bool {
	header, ok := withReference(s.UserData.Header, ref)
	if ok {
		s.UserData.Header = header
	}
	return ok
}

// wrap puts the name of a field before what is wrong with it.
func wrap(field string, err error) error { return fmt.Errorf("%s: %w", field, err) }
