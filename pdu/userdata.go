package pdu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Sizes of a TP-UD. 3GPP TS 23.040, 9.2.3.24.
const (
	maxOctets  = 140
	maxSeptets = 160
)

// Text returns the short message for people. Messages that were cut in two are
// to be read in one: join Data first, for an escape or a surrogate pair may
// have been cut through. 8-bit data is shown as ISO 8859-1, which at least
// loses nothing. National language tables (IESingle, IELocking) are not
// applied.
func (u UserData) Text(d DCS) string {
	switch d.Alphabet() {
	case UCS2:
		return decodeUCS2(u.Data)
	case Octets:
		return decodeLatin1(u.Data)
	default:
		return DecodeGSM7(u.Data)
	}
}

func decodeLatin1(b []byte) string {
	text := make([]byte, 0, len(b))
	for _, c := range b {
		text = utf8.AppendRune(text, rune(c))
	}
	return string(text)
}

// Concat returns which part of a concatenated message this is; ok is false when
// it is none, or when the element makes no sense (part 3 of 2) and has to be
// ignored. Of several elements the last counts. 3GPP TS 23.040, 9.2.3.24.
func (u UserData) Concat() (c Concat, ok bool) {
	for _, ie := range slices.Backward(u.Header) {
		if c, ok := ie.concat(); ok {
			return c, true
		}
	}
	return Concat{}, false
}

func (ie IE) concat() (c Concat, ok bool) {
	switch {
	case ie.ID == IEConcat8 && len(ie.Data) == 3:
		c = Concat{Reference: uint16(ie.Data[0]), Total: ie.Data[1], Seq: ie.Data[2], Bits: 8}
	case ie.ID == IEConcat16 && len(ie.Data) == 4:
		c = Concat{Reference: binary.BigEndian.Uint16(ie.Data), Total: ie.Data[2], Seq: ie.Data[3], Bits: 16}
	}
	return c, 1 <= c.Seq && c.Seq <= c.Total
}

// IE returns the information element. The reference has 16 bits when Bits is
// 16; else its low 8 are used.
func (c Concat) IE() IE {
	if c.Bits == 16 {
		return IE{ID: IEConcat16, Data: []byte{byte(c.Reference >> 8), byte(c.Reference), c.Total, c.Seq}}
	}
	return IE{ID: IEConcat8, Data: []byte{byte(c.Reference), c.Total, c.Seq}}
}

// withReference returns a copy of the header with another reference in its
// concatenation elements; ok is false when it has none.
func withReference(header []IE, ref uint16) (changed []IE, ok bool) {
	changed = slices.Clone(header)
	for i, ie := range changed {
		if c, isConcat := ie.concat(); isConcat {
			c.Reference = ref
			changed[i] = c.IE()
			ok = true
		}
	}
	return changed, ok
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
	b = appendHeader(b, u.Header, size)
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
	b = appendHeader(b, u.Header, size)
	return appendPacked(b, u.Data, headerSeptets(size)*7-size*8), nil
}

// appendHeader appends a user data header of size octets.
func appendHeader(b []byte, header []IE, size int) []byte {
	if size == 0 {
		return b
	}
	b = append(b, byte(size-1))
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
		s.warn("TP-UD", s.pos, "%d octets follow it", have-size)
	}
	at = s.pos
	b := s.take("TP-UD", size)
	var u UserData
	skip := 0
	if header {
		u.Header, skip = s.header(b, at)
	}
	if septets {
		from := headerSeptets(skip)
		u.Data = unpack(b, from, max(from, min(udl, len(b)*8/7)))
		return u
	}
	u.Data = bytes.Clone(b[skip:])
	if d.Alphabet() == UCS2 && len(u.Data)%2 != 0 {
		s.warn("TP-UD", at, "an odd number of octets; UCS2 takes two a character")
	}
	return u
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
	rest := bytes.Clone(b[1:size])
	for len(rest) > 0 {
		if len(rest) < 2 || len(rest) < 2+int(rest[1]) {
			s.warn("TP-UD", at, "the last element does not fit into the header; header ignored")
			return nil, size
		}
		end := 2 + int(rest[1])
		header = append(header, IE{ID: rest[0], Data: rest[2:end:end]})
		rest = rest[end:]
	}
	return header, size
}
