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
