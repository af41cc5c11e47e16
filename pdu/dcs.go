package pdu

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

// Bits of the general data coding group.
const (
	dcsClass      DCS = 0x10 // the two low bits are a class
	dcsCompressed DCS = 0x20
)

// TextDCS returns the TP-DCS of an uncompressed message in an alphabet; Auto
// counts as GSM7. Class is 0 to 3 (0 is shown at once and not kept, "flash");
// -1, and any other value, means no class.
func TextDCS(a Alphabet, class int) DCS {
	var d DCS
	switch a {
	case Octets:
		d = 0x04
	case UCS2:
		d = 0x08
	}
	if 0 <= class && class <= 3 {
		d |= dcsClass | DCS(class)
	}
	return d
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
	case d>>4 == 0xE: // message waiting, UCS2
		return UCS2
	case d>>4 == 0xF && d&0x04 != 0:
		return Octets
	}
	return GSM7
}

// Class returns the message class, 0 to 3; ok is false when it has none.
func (d DCS) Class() (class int, ok bool) {
	if d.general() && d&dcsClass != 0 || d>>4 == 0xF {
		return int(d & 3), true
	}
	return 0, false
}

// Compressed reports whether the text is compressed as of 3GPP TS 23.042.
func (d DCS) Compressed() bool { return d.general() && d&dcsCompressed != 0 }
