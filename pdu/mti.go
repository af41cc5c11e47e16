package pdu

import "errors"

// MTI is a TP-MTI: which kind of TPDU this is, once its direction is known.
// 3GPP TS 23.040, 9.2.3.1.
type MTI byte

// Message types. From the SC to the handset the value 1 is an
// SMS-SUBMIT-REPORT, and from the handset to the SC 0 is an
// SMS-DELIVER-REPORT and 2 an SMS-COMMAND.
const (
	MTIDeliver      MTI = 0 // SC to handset
	MTISubmit       MTI = 1 // handset to SC
	MTIStatusReport MTI = 2 // SC to handset

	mtiReserved MTI = 3
)

// Bits of the first octet of a TPDU. Some mean one thing or another by the
// kind of TPDU. 3GPP TS 23.040, 9.2.2.
const (
	mtiMask = 0x03
	bitMMS  = 0x04 // TP-MMS: 0 when more messages wait
	bitRD   = 0x04 // TP-RD
	bitLP   = 0x08 // TP-LP
	bitSRR  = 0x20 // TP-SRR
	bitSRI  = 0x20 // TP-SRI
	bitSRQ  = 0x20 // TP-SRQ
	bitUDHI = 0x40 // TP-UDHI
	bitRP   = 0x80 // TP-RP

	shiftVPF = 3 // TP-VPF
)

// MessageType returns the type of a TPDU that came from the SC. The reserved
// type 3 counts as an SMS-DELIVER, as 3GPP TS 23.040, 9.2.3.1 wants it. The
// error is a [*DecodeError]: there is no octet.
func MessageType(tpdu []byte) (MTI, error) {
	if len(tpdu) == 0 {
		return 0, &DecodeError{Field: "TP-MTI", Err: errors.New("an empty TPDU")}
	}
	mti := MTI(tpdu[0] & mtiMask)
	if mti == mtiReserved {
		mti = MTIDeliver
	}
	return mti, nil
}

// flag returns bit when on.
func flag(on bool, bit byte) byte {
	if on {
		return bit
	}
	return 0
}
