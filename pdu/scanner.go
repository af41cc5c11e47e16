package pdu

import (
	"errors"
	"fmt"
)

// errShort says that a TPDU ends inside a field that it cannot do without.
var errShort = errors.New("the TPDU ends here; it was cut short on its way")

// scanner takes the fields of a TPDU in order. After its first error it
// returns zeros, so that only the end of a parser looks at err.
type scanner struct {
	b        []byte
	pos      int
	warnings Warnings
	err      *DecodeError

	layout bool // note where the fields stand
	spans  []Span
}

// rest is how many octets have not been taken.
func (s *scanner) rest() int { return len(s.b) - s.pos }

// take returns the next n octets, which belong to the caller of the parser:
// what is kept of them has to be copied. It is nil after an error.
func (s *scanner) take(field string, n int) []byte {
	if s.err == nil && n > s.rest() {
		s.fail(field, s.pos, errShort)
	}
	if s.err != nil {
		return nil
	}
	b := s.b[s.pos : s.pos+n]
	s.span(field, s.pos, n)
	s.pos += n
	return b
}

// span notes where a field stands, or the part of it that was read.
func (s *scanner) span(field string, at, n int) {
	if !s.layout || n == 0 {
		return
	}
	if last := len(s.spans) - 1; last >= 0 && s.spans[last].Field == field {
		s.spans[last].Size += n
		return
	}
	s.spans = append(s.spans, Span{Field: field, Offset: at, Size: n})
}

func (s *scanner) octet(field string) byte {
	if b := s.take(field, 1); b != nil {
		return b[0]
	}
	return 0
}

// firstOctet takes the octet that starts every TPDU and checks its TP-MTI.
func (s *scanner) firstOctet(want MTI) byte {
	fo := s.octet("TP-MTI")
	if got := MTI(fo & mtiMask); s.err == nil && got != want {
		s.fail("TP-MTI", 0, fmt.Errorf("type %d where %d was expected; this is another kind of TPDU", got, want))
	}
	return fo
}

// fail stops the scan for a fault at octet at.
func (s *scanner) fail(field string, at int, err error) {
	s.err = &DecodeError{Field: field, Offset: at, Err: err}
}

// warn notes a fault at octet at that the scan gets past.
func (s *scanner) warn(field string, at int, format string, args ...any) {
	s.warnings = append(s.warnings, &DecodeError{Field: field, Offset: at, Err: fmt.Errorf(format, args...)})
}
