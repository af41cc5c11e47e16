package pdu

// Cause is why a hand-over to the network, or a command to a modem, failed.
// The zero Cause says nothing.
type Cause struct {
	Set  CauseSet
	Code int // as printed by the modem
}

// CauseSet tells +CMS ERROR numbers from +CME ERROR numbers.
type CauseSet byte

// The two sets of numbers. CMS: 0-127 RP-causes of 3GPP TS 24.011 Annex E,
// 128-255 TP-FCS of 3GPP TS 23.040 9.2.3.22, 300 up 3GPP TS 27.005 3.2.5.
// CME: 3GPP TS 27.007 9.2.
const (
	CMS CauseSet = 1
	CME CauseSet = 2
)

// CauseClass is what a cause asks for.
type CauseClass int

// Classes of a cause.
const (
	CauseTemporary CauseClass = iota // the network cannot now: wait, then try another modem
	CausePermanent                   // this number or this message will never do
	CauseOtherSIM                    // refused to this SIM or subscription; one more try on another
	CauseDuplicate                   // the SC already holds this message
	CauseRadio                       // not registered, no service
	CauseSIM                         // SIM missing, locked or broken
	CauseModem                       // the modem is busy or confused
	CauseFull                        // message memory is full
	CauseSMSC                        // service centre address not set
)
