package clickatell

import (
	"strings"

	"cellpost/ingress"
	"cellpost/sms"
)

// Answer is what the reply addresses of a script are told: a line for each
// recipient, as the HTTP API answers, and then in words what was not sent and
// what was ignored.
func (s Script) Answer(r ingress.Receipt) string {
	var b strings.Builder
	same, repeats := 0, 0
	for _, res := range r.Results {
		b.WriteString(Line(res) + "\r\n")
		if res.Same {
			same++
		}
		if res.Repeat {
			repeats++
		}
	}
	if same > 0 {
		b.WriteString("\r\n" + count(same, "number") + " given more than once: sent once\r\n")
	}
	if repeats > 0 {
		b.WriteString("\r\n" + count(repeats, "message") + " submitted before: not sent again\r\n")
	}
	if s.Ignored > 0 {
		b.WriteString("\r\n" + count(s.Ignored, "line") + " ignored:\r\n")
		for _, line := range s.Quoted {
			b.WriteString("  " + line + "\r\n")
		}
	}
	if len(s.Remarks) > 0 {
		b.WriteString("\r\n" + strings.Join(s.Remarks, "\r\n") + "\r\n")
	}
	return b.String()
}

// Line answers one recipient: "ID: <32 digits> To: 448311234567" or
// "ERR: 105, Invalid destination address To: 12345".
func Line(r ingress.Result) string {
	line := "ID: " + r.ID.String()
	if r.Refusal != nil {
		line = r.Refusal.Error()
	}
	if r.To == "" {
		return line
	}
	return line + " To: " + r.To
}

// Status is the three-digit message status of their Appendix B.
func Status(m sms.Message) string {
	switch m.Fault {
	case sms.FaultContent:
		return "005" // error with message
	case sms.FaultRoute:
		return "009" // routing error
	case sms.FaultCredit:
		return "012" // out of credit
	}
	switch m.State {
	case sms.Scheduled, sms.Held:
		return "011" // queued for later delivery
	case sms.Sent:
		return "003" // delivered to gateway: the network has it
	case sms.Delivered:
		return "004" // received by recipient
	case sms.Cancelled:
		return "006" // user cancelled
	case sms.Failed:
		return "007" // error delivering
	case sms.Expired:
		return "010" // expired before it was sent
	}
	// Queued, sending or unknown.
	if m.Tries > 0 || m.State == sms.Unknown || m.WentAgain {
		return "002" // queued for another try
	}
	return "008" // received by the gateway
}
