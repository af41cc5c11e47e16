package pdu

import "fmt"

// Span is where a field of a TPDU stands.
type Span struct {
	Field        string // as in a [DecodeError]; an information element is "UDH" and its identifier, octets of a header that are none "UDH"
	Offset, Size int    // octets into the TPDU; Size is 1 at least
}

// Layout returns where the fields of a TPDU stand, in their order and without
// gaps, as far as the parser of its type gets. Types are told apart as if the
// direction were known from them: 0 is an SMS-DELIVER, 1 an SMS-SUBMIT, 2 an
// SMS-STATUS-REPORT.
func Layout(tpdu []byte) []Span {
	s := scanner{b: tpdu, layout: true}
	if len(tpdu) == 0 {
		return nil
	}
	switch MTI(tpdu[0] & mtiMask) {
	case MTISubmit:
		s.submit()
	case MTIStatusReport:
		s.report()
	default:
		s.deliver()
	}
	return s.spans
}

// ieField is the name of an information element as a field.
func ieField(id byte) string { return fmt.Sprintf("UDH %02X", id) }
