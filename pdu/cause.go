package pdu

import (
	"fmt"
	"strconv"
	"strings"
)

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

// String returns the name of the set, empty for neither.
func (s CauseSet) String() string {
	switch s {
	case CMS:
		return "CMS"
	case CME:
		return "CME"
	}
	return ""
}

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

// Class returns what to do about the cause. What no table lists, an SC's own
// code or a maker's, is temporary: to wait and try elsewhere loses no message,
// and the count of tries bounds what it costs.
func (c Cause) Class() CauseClass { return c.row().class }

// String returns the cause in words, "CMS 38: network out of order", and
// nothing for the zero Cause.
func (c Cause) String() string {
	if c.Set.String() == "" {
		return ""
	}
	words := c.row().words
	switch {
	case words != "":
	case c.Set == CMS && 224 <= c.Code && c.Code <= 254:
		words = "the service centre's own"
	default:
		words = "not listed; see the manual of the modem"
	}
	return fmt.Sprintf("%v %d: %s", c.Set, c.Code, words)
}

// ParseCause reads what [Cause.String] returned, with its words, whatever they
// are, or without: "CMS 38". An error says that s is no cause.
func ParseCause(s string) (Cause, error) {
	if s == "" {
		return Cause{}, nil
	}
	short, _, _ := strings.Cut(s, ":")
	set, number, _ := strings.Cut(short, " ")
	code, err := strconv.ParseUint(number, 10, 16)
	if err == nil {
		switch set {
		case CMS.String():
			return Cause{Set: CMS, Code: int(code)}, nil
		case CME.String():
			return Cause{Set: CME, Code: int(code)}, nil
		}
	}
	return Cause{}, fmt.Errorf("%q is no cause; write CMS or CME and a number: \"CMS 38\"", s)
}

// causeRow is what is known about one code.
type causeRow struct {
	class CauseClass
	words string
}

// row returns what is known about the cause; the zero row when nothing is.
func (c Cause) row() causeRow {
	switch c.Set {
	case CMS:
		return cmsCauses[c.Code]
	case CME:
		return cmeCauses[c.Code]
	}
	return causeRow{}
}
