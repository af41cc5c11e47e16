package pdu

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
