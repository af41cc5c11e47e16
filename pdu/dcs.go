package pdu

import (
	"errors"
	"fmt"
)

// DCS is a TP-DCS. 3GPP TS 23.038, clause 4.
type DCS byte

// Alphabet is how the octets of a short message are to be read.
type Alphabet int

// Alphabets. GSM7 is the default alphabet with its extension table.
const (
	Auto   Alphabet = iota // GSM7 where it holds the text, else UCS2; never decoded
	GSM7                   // septets
	Octets                 // 8-bit data
	UCS2                   // UTF-16, big-endian
)

// String returns the name of the alphabet in lower case.
func (a Alphabet) String() string {
	switch a {
	case Auto:
		return "auto"
	case GSM7:
		return "gsm7"
	case Octets:
		return "octets"
	case UCS2:
		return "ucs2"
	}
	return "no alphabet"
}

// Class is a message class: where the handset puts the message.
// 3GPP TS 23.038, clause 4.
type Class byte

// Message classes.
const (
	NoClass Class = iota
	Class0        // shown at once, not kept: "flash"
	Class1        // kept in the handset
	Class2        // kept on the SIM
	Class3        // handed to the equipment behind the handset
)

// String returns the class in words.
func (c Class) String() string {
	if c == NoClass || c > Class3 {
		return "no class"
	}
	return "class " + string('0'+c-Class0)
}

// Bits of the general data coding group.
const (
	dcsClass      DCS = 0x10 // the two low bits are a class
	dcsCompressed DCS = 0x20
)

// Coding groups of message waiting: the four high bits. In each the two low
// bits are the mailbox, and bit 3 says that something waits.
const (
	dcsDiscard   DCS = 0xC0 // GSM7, the message is not kept
	dcsStore     DCS = 0xD0 // GSM7
	dcsStoreUCS2 DCS = 0xE0
	dcsActive    DCS = 0x08
)

// TextDCS returns the TP-DCS of an uncompressed message in an alphabet; Auto
// counts as GSM7, and what is no class as none.
func TextDCS(a Alphabet, c Class) DCS {
	var d DCS
	switch a {
	case Octets:
		d = 0x04
	case UCS2:
		d = 0x08
	}
	if Class0 <= c && c <= Class3 {
		d |= dcsClass | DCS(c-Class0)
	}
	return d
}

// WaitingDCS returns the TP-DCS of a text that comes with a message waiting
// indication; the text may be empty. Auto counts as GSM7. The error says which
// pair of alphabet and indication has no code.
func WaitingDCS(a Alphabet, w Waiting) (DCS, error) {
	d := dcsDiscard
	switch {
	case w.Mailbox > OtherMailbox:
		return 0, fmt.Errorf("mailbox %d; TP-DCS knows 0 to 3, use an information element", w.Mailbox)
	case a == Octets:
		return 0, errors.New("message waiting with 8-bit data has no TP-DCS; use an information element")
	case a == UCS2 && !w.Store:
		return 0, errors.New("UCS2 text with message waiting is always kept; ask for that (store), or use gsm7")
	case a == UCS2:
		d = dcsStoreUCS2
	case w.Store:
		d = dcsStore
	}
	return d | DCS(flag(w.Active, byte(dcsActive))) | DCS(w.Mailbox), nil
}

// Waiting returns the message waiting indication; ok is false when there is
// none. 3GPP TS 23.038, clause 4.
func (d DCS) Waiting() (w Waiting, ok bool) {
	switch d & 0xF0 {
	case dcsDiscard, dcsStore, dcsStoreUCS2:
		return Waiting{Mailbox: Mailbox(d & 3), Active: d&dcsActive != 0, Store: d&0xF0 != dcsDiscard}, true
	}
	return Waiting{}, false
}

// general reports whether the DCS is of the general data coding group, or of
// its twin for messages that are marked for automatic deletion.
func (d DCS) general() bool { return d < 0x80 }

// Alphabet returns GSM7, Octets or UCS2. Reserved codings are GSM7, as the
// clause wants them taken; compressed text is Octets, for that is all that can
// be made of it here, and it is how TP-UDL counts it.
func (d DCS) Alphabet() Alphabet {
	switch {
	case d.Compressed():
		return Octets
	case d.general():
		return [...]Alphabet{GSM7, Octets, UCS2, GSM7}[d>>2&3]
	case d&0xF0 == dcsStoreUCS2:
		return UCS2
	case d>>4 == 0xF && d&0x04 != 0:
		return Octets
	}
	return GSM7
}

// Class returns the message class.
func (d DCS) Class() Class {
	if d.general() && d&dcsClass != 0 || d>>4 == 0xF {
		return Class0 + Class(d&3)
	}
	return NoClass
}

// Compressed reports whether the text is compressed as of 3GPP TS 23.042.
func (d DCS) Compressed() bool { return d.general() && d&dcsCompressed != 0 }

// String returns the coding in words: "ucs2, class 0".
func (d DCS) String() string {
	words := d.Alphabet().String()
	if d.Compressed() {
		words = [...]string{"gsm7", "octets", "ucs2", "gsm7"}[d>>2&3] + ", compressed"
	}
	if c := d.Class(); c != NoClass {
		words += ", " + c.String()
	}
	if w, ok := d.Waiting(); ok {
		words += ", " + w.String()
	}
	switch {
	case d&0xC0 == 0x40:
		words += ", marked for deletion"
	case d&0xC0 == 0x80, d.general() && d&0x0C == 0x0C, d>>4 == 0xF && d&0x08 != 0:
		words += " (a reserved coding)"
	}
	return words
}
