package pdu

// TON is a type of number. 3GPP TS 23.040, 9.1.2.5.
type TON byte

// Types of number.
const (
	TONUnknown       TON = 0
	TONInternational TON = 1
	TONNational      TON = 2
	TONNetwork       TON = 3
	TONSubscriber    TON = 4
	TONAlphanumeric  TON = 5
	TONAbbreviated   TON = 6
)

// NPI is a numbering plan. 3GPP TS 23.040, 9.1.2.5.
type NPI byte

// Numbering plans.
const (
	NPIUnknown   NPI = 0
	NPITelephone NPI = 1 // E.164
)

// Address is a TP-DA, TP-OA, TP-RA or the address of an SMSC.
// 3GPP TS 23.040, 9.1.2.5.
type Address struct {
	TON   TON
	NPI   NPI
	Value string // digits and *#abc; the text when TON is alphanumeric
}
