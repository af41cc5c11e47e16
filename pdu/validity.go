package pdu

// Validity is a TP-VP with its format; the zero value means that the field is
// absent. 3GPP TS 23.040, 9.2.3.12.
type Validity struct {
	format byte // TP-VPF
	octets [7]byte
}
