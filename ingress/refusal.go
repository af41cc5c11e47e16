package ingress

import "fmt"

// Refusal says no in the terms of the Clickatell interfaces, which every door
// translates into its own.
type Refusal struct {
	Code int    // 1 to 999, clause 8.2 of their HTTP API specification
	Text string // the description that goes with the code, perhaps with a detail
}

func (r *Refusal) Error() string { return fmt.Sprintf("ERR: %03d, %s", r.Code, r.Text) }

// Codes of refusals, from the HTTP API specification 2.3.8 of Clickatell.
const (
	CodeAuthentication = 1
	CodeNetwork        = 7
	CodeParameter      = 101
	CodeHeader         = 102
	CodeDestination    = 105
	CodeSource         = 106
	CodeEmpty          = 107
	CodeAPIID          = 108
	CodeMail           = 110
	CodeType           = 112
	CodeParts          = 113
	CodeRoute          = 114
	CodeUnicode        = 116
	CodeDelay          = 120
	CodeBlocked        = 121
	CodeSender         = 123
	CodeCredit         = 301
)

// Refuse is the refusal with a code, in the words of the specification. detail,
// unless empty, is put behind them in parentheses, on one line.
func Refuse(code int, detail string) *Refusal {
	text := description(code)
	if detail != "" {
		text += " (" + detail + ")"
	}
	return &Refusal{Code: code, Text: text}
}

// description has the words that go with a code. Clients compare them.
func description(code int) string {
	switch code {
	case CodeAuthentication:
		return "Authentication failed"
	case CodeNetwork:
		return "IP Lockdown violation"
	case CodeHeader:
		return "Invalid user data header"
	case CodeDestination:
		return "Invalid destination address"
	case CodeSource:
		return "Invalid source address"
	case CodeEmpty:
		return "Empty message"
	case CodeAPIID:
		return "Invalid or missing API ID"
	case CodeMail:
		return "Error with email message"
	case CodeType:
		return "Invalid message type"
	case CodeParts:
		return "Maximum message parts exceeded"
	case CodeRoute:
		return "Cannot route message"
	case CodeUnicode:
		return "Invalid Unicode data"
	case CodeDelay:
		return "Invalid delivery time"
	case CodeBlocked:
		return "Destination mobile number blocked"
	case CodeSender:
		return "Invalid Sender ID"
	case CodeCredit:
		return "No Credit Left" // capitals as on the wire
	}
	return "Invalid or missing parameters"
}
