package pdu

import "fmt"

// PID is a TP-PID, what the service centre or the handset is to do with a
// message beyond passing it on. 3GPP TS 23.040, 9.2.3.9.
type PID byte

// Protocol identifiers. Type 0 is acknowledged by the handset and not shown.
// A message of one of the seven replace types takes the place of the last one
// of the same type from the same originator.
const (
	PIDNone       PID = 0x00
	PIDType0      PID = 0x40
	PIDReplace1   PID = 0x41
	PIDReplace7   PID = 0x47
	PIDReturnCall PID = 0x5F
	PIDSIMData    PID = 0x7F
)

// pidNames are the single values of the standard.
var pidNames = map[PID]string{
	PIDNone:       "none",
	PIDType0:      "type 0, not shown",
	0x48:          "device triggering",
	0x5E:          "enhanced message service, obsolete",
	PIDReturnCall: "return call",
	0x7C:          "ANSI-136 R-DATA",
	0x7D:          "handset data download",
	0x7E:          "handset de-personalisation",
	PIDSIMData:    "SIM data download",
}

// telematics are the devices of the interworking group, by the five low bits.
var telematics = [32]string{
	0x00: "implicit", 0x01: "telex", 0x02: "fax group 3", 0x03: "fax group 4", 0x04: "voice telephone", 0x05: "ERMES",
	0x06: "paging system", 0x07: "videotex", 0x08: "teletex", 0x09: "teletex, PSPDN", 0x0A: "teletex, CSPDN",
	0x0B: "teletex, PSTN", 0x0C: "teletex, ISDN", 0x0D: "UCI", 0x10: "message handling facility",
	0x11: "X.400", 0x12: "internet mail", 0x18: "specific to the service centre", 0x19: "specific to the service centre",
	0x1A: "specific to the service centre", 0x1B: "specific to the service centre", 0x1C: "specific to the service centre",
	0x1D: "specific to the service centre", 0x1E: "specific to the service centre", 0x1F: "GSM or UMTS handset",
}

// String returns the identifier in words.
func (p PID) String() string {
	name, known := pidNames[p]
	switch {
	case known:
		return name
	case PIDReplace1 <= p && p <= PIDReplace7:
		return fmt.Sprintf("replace type %d", p-PIDType0)
	case p < 0x20:
		return fmt.Sprintf("short message protocol %d", p)
	case p < 0x40 && telematics[p&0x1F] != "":
		return "telematic: " + telematics[p&0x1F]
	case p >= 0xC0:
		return "specific to the service centre"
	}
	return "reserved"
}
