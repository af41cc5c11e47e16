package pdu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Identifiers of the information elements that the product uses.
// 3GPP TS 23.040, 9.2.3.24.
const (
	IEConcat8  byte = 0x00 // concatenated message, 8-bit reference
	IEWaiting  byte = 0x01 // special SMS message indication: message waiting
	IEPorts8   byte = 0x04 // application port addressing, 8 bit
	IEPorts16  byte = 0x05 // application port addressing, 16 bit
	IEConcat16 byte = 0x08 // concatenated message, 16-bit reference
	IESingle   byte = 0x24 // national language single shift
	IELocking  byte = 0x25 // national language locking shift
)

// ieNames are the elements of the standard.
var ieNames = map[byte]string{
	IEConcat8:  "concatenation, 8-bit reference",
	IEWaiting:  "message waiting",
	IEPorts8:   "application ports, 8 bit",
	IEPorts16:  "application ports, 16 bit",
	0x06:       "SMSC control parameters",
	0x07:       "UDH source indicator",
	IEConcat16: "concatenation, 16-bit reference",
	0x09:       "wireless control message protocol",
	0x0A:       "text formatting",
	0x0B:       "predefined sound",
	0x0C:       "user defined sound",
	0x0D:       "predefined animation",
	0x0E:       "large animation",
	0x0F:       "small animation",
	0x10:       "large picture",
	0x11:       "small picture",
	0x12:       "variable picture",
	0x13:       "user prompt",
	0x14:       "extended object",
	0x15:       "reused extended object",
	0x16:       "compression control",
	0x17:       "object distribution",
	0x18:       "standard WVG object",
	0x19:       "character size WVG object",
	0x1A:       "extended object data request",
	0x20:       "RFC 5322 e-mail header",
	0x21:       "hyperlink",
	0x22:       "reply address",
	0x23:       "enhanced voice mail",
	IESingle:   "national language single shift",
	IELocking:  "national language locking shift",
}

// Name returns what the element is, in words.
func (ie IE) Name() string {
	name, known := ieNames[ie.ID]
	switch {
	case known:
		return name
	case 0x70 <= ie.ID && ie.ID <= 0x7F:
		return "SIM toolkit security header"
	case 0x80 <= ie.ID && ie.ID <= 0x9F:
		return "SME to SME specific"
	case 0xC0 <= ie.ID && ie.ID <= 0xDF:
		return "service centre specific"
	}
	return "reserved element"
}

// ParseHeader reads a user data header with its length octet, strictly: it is
// meant for headers that a customer gives. What it returns shares no memory
// with b. The error is a [*DecodeError].
func ParseHeader(b []byte) ([]IE, error) {
	const field = "UDH"
	switch {
	case len(b) == 0:
		return nil, &DecodeError{Field: field, Err: errors.New("empty; it begins with its length")}
	case int(b[0]) != len(b)-1:
		return nil, &DecodeError{Field: field, Err: fmt.Errorf("its length octet says %d, but %d octets follow; it counts the octets after itself", b[0], len(b)-1)}
	}
	header, rest := elements(b[1:])
	if rest > 0 {
		return nil, &DecodeError{Field: field, Offset: len(b) - rest, Err: errors.New("the element that begins here does not fit into the header; its second octet counts its data")}
	}
	return header, nil
}

// elements cuts a header, without its length octet, into its elements; rest is
// how many octets at the end are none.
func elements(b []byte) (header []IE, rest int) {
	b = bytes.Clone(b)
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		end := 2 + int(b[1])
		header = append(header, IE{ID: b[0], Data: b[2:end:end]})
		b = b[end:]
	}
	return header, len(b)
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

// dataSizes are those of the elements that are used here.
var dataSizes = map[byte]int{IEConcat8: 3, IEConcat16: 4, IEWaiting: 2, IEPorts8: 2, IEPorts16: 4, IESingle: 1, IELocking: 1}

// fault returns what is wrong with an element that is used here, nil when
// nothing is.
func (ie IE) fault() error {
	size := dataSizes[ie.ID]
	switch {
	case size == 0:
		return nil
	case len(ie.Data) != size:
		return fmt.Errorf("%d octets of data where %d go", len(ie.Data), size)
	case ie.ID == IEConcat8 || ie.ID == IEConcat16:
		if _, ok := ie.concat(); !ok {
			return fmt.Errorf("part %d of %d", ie.Data[size-1], ie.Data[size-2])
		}
	}
	return nil
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

// Ports are the applications of sender and receiver that a message is for.
// 3GPP TS 23.040, 9.2.3.24.3 and 9.2.3.24.4.
type Ports struct {
	Dest, Src uint16
	Bits      int // 8 or 16
}

// Ports returns the application ports; ok is false when the message has none.
// Of several elements the last counts.
func (u UserData) Ports() (p Ports, ok bool) {
	for _, ie := range slices.Backward(u.Header) {
		switch d := ie.Data; {
		case ie.ID == IEPorts8 && len(d) == 2:
			return Ports{Dest: uint16(d[0]), Src: uint16(d[1]), Bits: 8}, true
		case ie.ID == IEPorts16 && len(d) == 4:
			return Ports{Dest: binary.BigEndian.Uint16(d), Src: binary.BigEndian.Uint16(d[2:]), Bits: 16}, true
		}
	}
	return Ports{}, false
}

// IE returns the information element. The ports have 16 bits when Bits is 16;
// else their low 8 are used.
func (p Ports) IE() IE {
	if p.Bits == 16 {
		return IE{ID: IEPorts16, Data: []byte{byte(p.Dest >> 8), byte(p.Dest), byte(p.Src >> 8), byte(p.Src)}}
	}
	return IE{ID: IEPorts8, Data: []byte{byte(p.Dest), byte(p.Src)}}
}

// Mailbox is what kind of messages wait. 3GPP TS 23.040, 9.2.3.24.2.
type Mailbox byte

// Mailboxes; an information element can name more than a TP-DCS.
const (
	Voicemail    Mailbox = 0
	FaxMailbox   Mailbox = 1
	EmailMailbox Mailbox = 2
	OtherMailbox Mailbox = 3
	VideoMailbox Mailbox = 7
)

// String returns the kind of messages.
func (m Mailbox) String() string {
	switch m {
	case Voicemail:
		return "voicemail"
	case FaxMailbox:
		return "fax"
	case EmailMailbox:
		return "email"
	case OtherMailbox:
		return "other"
	case VideoMailbox:
		return "video"
	}
	return fmt.Sprintf("mailbox %d", byte(m))
}

// Waiting is a message waiting indication: it lights the lamp of a mailbox.
type Waiting struct {
	Mailbox Mailbox // 0 to 31, 0 to 3 in a TP-DCS
	Active  bool    // something waits
	Count   byte    // how many, 255 for more; 0 in a TP-DCS, which has no count
	Store   bool    // the message that brings the indication is kept
}

// String returns the indication in words: "voicemail waiting (3)".
func (w Waiting) String() string {
	words := w.Mailbox.String() + " waiting"
	switch {
	case !w.Active:
		words = "no " + words
	case w.Count > 0:
		words += fmt.Sprintf(" (%d)", w.Count)
	}
	if !w.Store {
		words += ", not kept"
	}
	return words
}

// Waiting returns the message waiting indications: those of the header, or if
// it has none that of d. The message is kept when either says so.
// 3GPP TS 23.040, 9.2.3.24.2.
func (u UserData) Waiting(d DCS) []Waiting {
	coded, ok := d.Waiting()
	var all []Waiting
	for _, ie := range u.Header {
		if ie.ID == IEWaiting && len(ie.Data) == 2 {
			all = append(all, Waiting{
				Mailbox: Mailbox(ie.Data[0] & 0x1F), Active: ie.Data[1] > 0, Count: ie.Data[1],
				Store: ie.Data[0]&0x80 != 0 || ok && coded.Store,
			})
		}
	}
	if ok && len(all) == 0 {
		all = []Waiting{coded}
	}
	return all
}

// IE returns the information element, for subscriber profile 1. An active
// indication without a count says that one message waits. Of Mailbox it has room
// for the five low bits.
func (w Waiting) IE() IE {
	count := w.Count
	switch {
	case !w.Active:
		count = 0
	case count == 0:
		count = 1
	}
	return IE{ID: IEWaiting, Data: []byte{flag(w.Store, 0x80) | byte(w.Mailbox)&0x1F, count}}
}

// Language is a national language identifier. 3GPP TS 23.038, 6.2.1.2.4.
type Language byte

// Languages that have tables of their own.
const (
	NoLanguage Language = 0
	Turkish    Language = 1
	Spanish    Language = 2
	Portuguese Language = 3
	Bengali    Language = 4
	Gujarati   Language = 5
	Hindi      Language = 6
	Kannada    Language = 7
	Malayalam  Language = 8
	Oriya      Language = 9
	Punjabi    Language = 10
	Tamil      Language = 11
	Telugu     Language = 12
	Urdu       Language = 13
)

// Tables are the national tables that stand in for the default alphabet
// (Locking) and for its extension table (Single); NoLanguage keeps either.
type Tables struct{ Locking, Single Language }

// Tables returns the national tables that the header calls for. Of several
// elements of one kind the last counts.
func (u UserData) Tables() (t Tables) {
	for _, ie := range u.Header {
		switch {
		case len(ie.Data) != 1:
		case ie.ID == IESingle:
			t.Single = Language(ie.Data[0])
		case ie.ID == IELocking:
			t.Locking = Language(ie.Data[0])
		}
	}
	return t
}

// elements returns the information elements that call for the tables.
func (t Tables) elements() []IE {
	var header []IE
	if t.Single != NoLanguage {
		header = append(header, IE{ID: IESingle, Data: []byte{byte(t.Single)}})
	}
	if t.Locking != NoLanguage {
		header = append(header, IE{ID: IELocking, Data: []byte{byte(t.Locking)}})
	}
	return header
}
