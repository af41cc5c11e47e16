package pdu

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// Sizes of a TP-UD. 3GPP TS 23.040, 9.2.3.24.
const (
	maxOctets  = 140
	maxSeptets = 160
)

// Text returns the short message for people. Messages that were cut in two are
// to be read in one: join Data first, for an escape or a surrogate pair may
// have been cut through. 8-bit data is shown as ISO 8859-1, which at least
// loses nothing.
func (u UserData) Text(d DCS) string {
	switch d.Alphabet() {
	case UCS2:
		text, _ := DecodeUCS2(u.Data)
		return text
	case Octets:
		return DecodeLatin1(u.Data)
	default:
		return DecodeGSM7(u.Data, u.Tables())
	}
}

// Room returns how much more Data fits: septets where d is GSM7, else octets.
// It is negative when there is too much already.
func (u UserData) Room(d DCS) int {
	return room(d.Alphabet(), u.Header) - len(u.Data)
}

// headerSize returns how many octets a header takes, its length octet included.
func headerSize(header []IE) int {
	if len(header) == 0 {
		return 0
	}
	n := 1
	for _, ie := range header {
		n += 2 + len(ie.Data)
	}
	return n
}

// headerSeptets returns how many septets a header of so many octets takes, with
// the bits that fill up the last.
func headerSeptets(size int) int { return (size*8 + 6) / 7 }

// appendUserData appends TP-UDL and TP-UD.
func appendUserData(b []byte, u UserData, d DCS) ([]byte, error) {
	size := headerSize(u.Header)
	switch d.Alphabet() {
	case GSM7:
		return appendSeptets(b, u, size)
	case UCS2:
		if len(u.Data)%2 != 0 {
			return nil, errors.New("TP-UD: an odd number of octets; UCS2 takes two a character")
		}
	}
	if size+len(u.Data) > maxOctets {
		return nil, fmt.Errorf("TP-UD: %d octets; split the text, there is room for %d", size+len(u.Data), maxOctets)
	}
	b = append(b, byte(size+len(u.Data)))
	b = AppendHeader(b, u.Header)
	return append(b, u.Data...), nil
}

// appendSeptets appends TP-UDL and TP-UD in GSM7; size is that of the header.
func appendSeptets(b []byte, u UserData, size int) ([]byte, error) {
	udl := headerSeptets(size) + len(u.Data)
	if udl > maxSeptets {
		return nil, fmt.Errorf("TP-UD: %d septets; split the text, there is room for %d", udl, maxSeptets)
	}
	if slices.ContainsFunc(u.Data, func(c byte) bool { return c > 0x7F }) {
		return nil, errors.New("TP-UD: an octet over 7F; encode the text with EncodeGSM7, or say in TP-DCS what it is")
	}
	b = append(b, byte(udl))
	b = AppendHeader(b, u.Header)
	return appendPacked(b, u.Data, headerSeptets(size)*7-size*8), nil
}

// AppendHeader appends a user data header with its length octet, as
// [ParseHeader] reads it: nothing where it has no elements. A header has 255
// octets at most; UserData holds no more than 139.
func AppendHeader(b []byte, header []IE) []byte {
	if len(header) == 0 {
		return b
	}
	b = append(b, byte(headerSize(header)-1))
	for _, ie := range header {
		b = append(b, ie.ID, byte(len(ie.Data)))
		b = append(b, ie.Data...)
	}
	return b
}

// userData takes TP-UDL and TP-UD. Of user data cut short it returns what there
// is, with a warning. The header flag is TP-UDHI.
func (s *scanner) userData(d DCS, header bool) UserData {
	at := s.pos
	udl := int(s.octet("TP-UDL"))
	if s.err != nil {
		return UserData{}
	}
	septets := d.Alphabet() == GSM7
	limit, size := maxOctets, udl
	if septets {
		limit, size = maxSeptets, (udl*7+7)/8
	}
	if udl > limit {
		s.warn("TP-UDL", at, "%d; it is %d at most", udl, limit)
	}
	switch have := s.rest(); {
	case have < size:
		s.warn("TP-UD", s.pos, "%d of %d octets; it was cut short on its way", have, size)
		size = have
	case have > size:
		s.warn("TP-UD", s.pos+size, "%d octets follow it", have-size)
	}
	at = s.pos
	b := s.b[at : at+size]
	s.pos += size
	var u UserData
	skip := 0
	if header {
		u.Header, skip = s.header(b, at)
	}
	s.span("TP-UD", at+skip, size-skip)
	s.span("after TP-UD", s.pos, s.rest())
	if septets {
		from := headerSeptets(skip)
		u.Data = unpack(b, from, max(from, min(udl, len(b)*8/7)))
		return u
	}
	u.Data = bytes.Clone(b[skip:])
	if d.Alphabet() == UCS2 {
		s.checkUCS2(u, at+skip)
	}
	return u
}

// checkUCS2 warns about what is no character. Between two parts of a message
// senders cut through surrogate pairs: those become whole again.
func (s *scanner) checkUCS2(u UserData, at int) {
	bad := badUTF16(u.Data)
	_, part := u.Concat()
	switch {
	case len(u.Data)%2 != 0:
		s.warn("TP-UD", at, "an odd number of octets; UCS2 takes two a character")
	case bad >= 0 && !part:
		s.warn("TP-UD", at+bad, "half a surrogate pair; shown as U+FFFD")
	}
}

// header reads the user data header that b starts with, at octet at of the
// TPDU, and returns how many octets it takes. An ill-formed header is ignored,
// as 3GPP TS 23.040, 9.2.3.24 wants it; where not even its end can be told,
// all is taken for text.
func (s *scanner) header(b []byte, at int) (header []IE, size int) {
	if len(b) == 0 || int(b[0]) >= len(b) {
		s.warn("TP-UDHI", at, "the header does not fit into the user data; taken for text")
		return nil, 0
	}
	size = 1 + int(b[0])
	s.span("TP-UDHL", at, 1)
	header, rest := elements(b[1:size])
	next := at + 1
	for _, ie := range header {
		if s.layout {
			s.spans = append(s.spans, Span{Field: ieField(ie.ID), Offset: next, Size: 2 + len(ie.Data)})
		}
		if fault := ie.fault(); fault != nil {
			s.warn(ieField(ie.ID), next, "%w; element ignored", fault)
		}
		next += 2 + len(ie.Data)
	}
	if rest > 0 {
		s.span("UDH", at+size-rest, rest)
		s.warn("TP-UD", at+size-rest, "the last element does not fit into the header; header ignored")
		return nil, size
	}
	return header, size
}
