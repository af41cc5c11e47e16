package smtpd

import (
	"fmt"
	"strings"

	"github.com/emersion/go-smtp"

	"cellpost/ingress"
)

// refused is the SMTP reply for a refusal.
//
// This is the one table of codes. All are 554, so that the sending server
// bounces the mail; the enhanced code (RFC 3463) tells a question of rights
// from one of content.
func refused(r *ingress.Refusal) *smtp.SMTPError {
	enhanced := smtp.EnhancedCode{5, 6, 0}
	switch r.Code {
	case ingress.CodeAuthentication, ingress.CodeAPIID:
		enhanced = smtp.EnhancedCode{5, 7, 8}
	case ingress.CodeNetwork:
		enhanced = smtp.EnhancedCode{5, 7, 1}
	}
	return &smtp.SMTPError{Code: 554, EnhancedCode: enhanced, Message: ascii(r.Error())}
}

// ascii returns a text as a reply can have it: RFC 5321, 4.2 allows ASCII only,
// and words of the mail may be in the text.
func ascii(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "U+%04X", r)
		}
	}
	return b.String()
}

// tooLarge is the reply to what goes past a limit of the door.
func tooLarge(limit string) *smtp.SMTPError {
	return &smtp.SMTPError{
		Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4},
		Message: ingress.Refuse(ingress.CodeParameter, limit).Error(),
	}
}

// errBrokenOff is the reply to a mail whose end did not come, where there is
// still somebody to hear it.
var errBrokenOff = &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 4, 2}, Message: "The mail broke off"}

// errNoStore is the reply while the store cannot be read or written, whatever the
// reason: the sender keeps the mail and comes again. RFC 3463, 3.4 has X.3.1 for
// a store that is full.
var errNoStore = &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "Cannot store it now; try again later"}

// accepted is the reply to a mail that is stored: go-smtp sends what Data
// returns, whatever its class.
func accepted(r ingress.Receipt) *smtp.SMTPError {
	text := "OK:"
	for _, res := range r.Results {
		if res.Refusal == nil {
			text = "OK: ID: " + res.ID.String()
			break
		}
	}
	if n := r.Accepted(); n > 1 {
		text += fmt.Sprintf(" and %d more", n-1)
	}
	if n := refusals(r); n > 0 {
		text += fmt.Sprintf(", %d refused", n)
	}
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: text}
}

// subject says how a submission went, and nothing of what was in it.
func subject(r ingress.Receipt) string {
	accepted, refused := r.Accepted(), refusals(r)
	switch {
	case refused == 0:
		return fmt.Sprintf("SMS: %d accepted", accepted)
	case refused == len(r.Results): // else some was submitted before
		return fmt.Sprintf("SMS: refused, ERR: %03d", r.Refusal().Code)
	}
	return fmt.Sprintf("SMS: %d accepted, %d refused", accepted, refused)
}

func refusals(r ingress.Receipt) int {
	n := 0
	for _, res := range r.Results {
		if res.Refusal != nil {
			n++
		}
	}
	return n
}
