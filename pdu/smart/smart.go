// Package smart turns what people have - RTTTL melodies, images, business
// cards, appointments - into the objects of Nokia Smart Messaging 3.0, and
// reads such objects back. An object travels as 8-bit data to a port of the
// handset. Nothing here does I/O or reads a clock.
package smart

import "cellpost/pdu"

// Ports of the applications in a handset. Smart Messaging Specification 3.0,
// appendix; the last two are in the registry of IANA.
const (
	PortRingtone     uint16 = 0x1581
	PortOperatorLogo uint16 = 0x1582
	PortCLILogo      uint16 = 0x1583
	PortPicture      uint16 = 0x158A
	PortVCard        uint16 = 0x23F4
	PortVCalendar    uint16 = 0x23F5
)

// Object is what one application of a handset takes.
type Object struct {
	Port uint16
	Data []byte
}

// Split cuts the object into parts that can be sent, each with the port in its
// header. The errors are those of [pdu.Split].
func (o Object) Split(options pdu.SplitOptions) (pdu.Segments, error) {
	options.Alphabet = pdu.Octets
	options.Header = append([]pdu.IE{pdu.Ports{Dest: o.Port, Bits: 16}.IE()}, options.Header...)
	return pdu.Split(string(o.Data), options)
}
