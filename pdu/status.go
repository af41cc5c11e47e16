package pdu

import "fmt"

// Status is a TP-ST, what became of a short message. 3GPP TS 23.040, 9.2.3.15.
type Status byte

// StatusClass is what a status means for the message.
type StatusClass int

// Classes of a TP-ST.
const (
	StatusDelivered StatusClass = iota // 0x00-0x1F: completed
	StatusTrying                       // 0x20-0x3F: temporary error, the SC is still trying
	StatusFailed                       // 0x40-0x5F: permanent error
	StatusGivenUp                      // 0x60-0x7F: temporary error, the SC is not trying any more
)

// Class returns what the status means for the message. Values that are
// reserved in a class, or the SC's own, have the meaning of the class; those
// beyond all classes count as given up, as the clause wants them read as
// "service rejected".
func (s Status) Class() StatusClass {
	switch {
	case s < 0x20:
		return StatusDelivered
	case s < 0x40:
		return StatusTrying
	case s < 0x60:
		return StatusFailed
	}
	return StatusGivenUp
}

// statusWords are the defined values of a TP-ST.
var statusWords = map[Status]string{
	0x00: "received by the handset",
	0x01: "forwarded to the handset, which could not confirm it",
	0x02: "replaced by a later message",
	0x20: "congestion",
	0x21: "handset busy",
	0x22: "no response from the handset",
	0x23: "service rejected",
	0x24: "quality of service not available",
	0x25: "error in the handset",
	0x40: "remote procedure error",
	0x41: "incompatible destination",
	0x42: "connection rejected by the handset",
	0x43: "number not obtainable",
	0x44: "quality of service not available",
	0x45: "no interworking available",
	0x46: "validity period over",
	0x47: "deleted by the sender",
	0x48: "deleted by the service centre",
	0x49: "not known to the service centre",
	0x60: "congestion",
	0x61: "handset busy",
	0x62: "no response from the handset",
	0x63: "service rejected",
	0x64: "quality of service not available",
	0x65: "error in the handset",
}

// String returns the status in words for a timeline, its class first where the
// words alone do not say it.
func (s Status) String() string {
	words, known := statusWords[s]
	switch {
	case !known && s&0x10 != 0 && s < 0x80:
		words = fmt.Sprintf("the service centre's own status %02X", byte(s))
	case !known:
		words = fmt.Sprintf("reserved status %02X", byte(s))
	}
	switch s.Class() {
	case StatusTrying:
		return words + ", the service centre still tries"
	case StatusFailed:
		return "failed: " + words
	case StatusGivenUp:
		return words + ", the service centre gave up"
	}
	if !known {
		return "delivered: " + words
	}
	return words
}
