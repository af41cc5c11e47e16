// Package pdu turns short messages into TPDUs and back: SMS-SUBMIT,
// SMS-DELIVER and SMS-STATUS-REPORT of 3GPP TS 23.040, with the alphabets of
// 3GPP TS 23.038.
//
// What we send is encoded strictly: a value that cannot be sent is an error.
// What the air brings is decoded leniently: a value, and warnings for whatever
// the sender got wrong. Nothing here does I/O or reads a clock.
package pdu

import (
	"fmt"
	"time"
)

// Submit is an SMS-SUBMIT, a short message on its way to the network.
// 3GPP TS 23.040, 9.2.2.2.
type Submit struct {
	RejectDuplicates bool     // TP-RD: the network refuses a second copy (same TP-MR and TP-DA, still held by the SC)
	ReplyPath        bool     // TP-RP
	StatusReport     bool     // TP-SRR: a status report is asked for
	Reference        byte     // TP-MR; most modems put their own count here
	Destination      Address  // TP-DA, 1 to 20 digits
	PID              PID      // TP-PID
	DCS              DCS      // TP-DCS
	Validity         Validity // TP-VP; the zero value leaves the field out
	UserData         UserData // TP-UD, with its length and header
}

// Deliver is an SMS-DELIVER, a short message from the network.
// 3GPP TS 23.040, 9.2.2.1.
type Deliver struct {
	MoreMessages bool      // TP-MMS, not inverted: true when more wait in the SC
	ReplyPath    bool      // TP-RP
	StatusReport bool      // TP-SRI: the sender asked for a report
	Looping      bool      // TP-LP: forwarded or spawned, and not to be forwarded again
	Originator   Address   // TP-OA
	PID          PID       // TP-PID
	DCS          DCS       // TP-DCS
	Time         time.Time // TP-SCTS with the zone of the SC; zero when it is no date
	UserData     UserData  // TP-UD
}

// StatusReport is an SMS-STATUS-REPORT, what became of an SMS-SUBMIT.
// 3GPP TS 23.040, 9.2.2.3.
type StatusReport struct {
	MoreMessages bool      // TP-MMS, not inverted
	ForCommand   bool      // TP-SRQ: about an SMS-COMMAND, not an SMS-SUBMIT
	Looping      bool      // TP-LP, as in Deliver
	Reference    byte      // TP-MR of the message reported on
	Recipient    Address   // TP-RA; networks may write it otherwise than the TP-DA was
	Time         time.Time // TP-SCTS: when the SC took the message
	Discharge    time.Time // TP-DT: when the outcome came about
	Status       Status    // TP-ST
	PID          PID       // TP-PID; 0 when absent
	DCS          DCS       // TP-DCS; 0 when absent
	UserData     UserData  // TP-UD; empty when absent
}

// UserData is a TP-UD: a header of information elements and the short message
// itself. 3GPP TS 23.040, 9.2.3.24.
type UserData struct {
	Header []IE   // in the order they stand; none: no TP-UDHI
	Data   []byte // GSM 7-bit: one septet an octet, unpacked; else the octets as sent
}

// IE is an information element of a user data header.
// 3GPP TS 23.040, 9.2.3.24.
type IE struct {
	ID   byte
	Data []byte
}

// Concat says which part of a concatenated message a short message is.
// 3GPP TS 23.040, 9.2.3.24.1 and 9.2.3.24.8.
type Concat struct {
	Reference uint16
	Total     byte // 1 to 255
	Seq       byte // 1 to Total
	Bits      int  // width of the reference: 8 or 16
}

// DecodeError is a field, of a TPDU or of what a TPDU carries, that breaks the
// format. Returned as an error it means that nothing could be made of the whole;
// in [Warnings], that the rest could.
type DecodeError struct {
	Field  string // as the standard names it: "TP-DA"
	Offset int    // octets into what was read
	Err    error
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("%s at octet %d: %v", e.Field, e.Offset, e.Err)
}

// Unwrap returns what is wrong with the field.
func (e *DecodeError) Unwrap() error { return e.Err }

// Warnings are faults that decoding got past.
type Warnings []*DecodeError
