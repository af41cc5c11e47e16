package smtpd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"github.com/emersion/go-smtp"

	"cellpost/ingress"
	"cellpost/ingress/mail"
	"cellpost/sms"
)

// mailbox is the local part that takes scripts.
const mailbox = "sms"

// envelope is whom a mail is for.
type envelope struct {
	script   bool        // the body says all; then nothing else is
	payer    sms.Account // of the numbers; no name: there are none
	numbers  []recipient
	status   bool // the sender asks how the gateway is
	operator bool // a person is to read it
}

// recipient is a number that a mail is for.
type recipient struct {
	to      string
	sim     string // that it must leave by; empty: any
	answer  bool   // it answers a message from a handset
	options mail.Options
	notify  Notify // what the client asks to hear of it
}

// badAddress is the reply to an address that stands for nothing.
func badAddress(a mail.Address, err error) error {
	if errors.Is(err, mail.ErrNumber) {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 3}, Message: "Not a number: " + ascii(a.Local) + "; write +448311234567@ with .flash, .q1 to .q3, .ack or .noack behind it"}
	}
	return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 1, 3}, Message: "Not an address"}
}

// isLocal reports whether a domain is the address that the client has connected to,
// as user@[192.168.1.9] has it.
func (s *session) isLocal(domain string) bool {
	literal, ok := strings.CutPrefix(domain, "[")
	literal = strings.TrimSuffix(literal, "]")
	if len(literal) > 5 && strings.EqualFold(literal[:5], "IPv6:") {
		literal = literal[5:]
	}
	ip, err := netip.ParseAddr(literal)
	here, isTCP := s.conn.LocalAddr().(*net.TCPAddr)
	return ok && err == nil && isTCP && here.AddrPort().Addr().Unmap() == ip.Unmap()
}

// recipient takes an address into the envelope, or says why not.
func (s *session) recipient(ctx context.Context, a mail.Address) error {
	e := &s.to
	if a.Kind == mail.Nobody {
		return noMailbox(a)
	}
	if e.script && a.Kind != mail.Script || a.Kind == mail.Script && (len(e.numbers) > 0 || e.status || e.operator) {
		// The text of one is the passwords of the other.
		return errOwnMail
	}
	switch a.Kind {
	case mail.Script:
		e.script = true
	case mail.Operator:
		e.operator = true
	case mail.Number:
		return s.number(ctx, a)
	case mail.Reply:
		return s.reply(ctx, a.Token)
	case mail.Status:
		if _, err := s.payer(ctx); err != nil {
			return err
		}
		if s.door.Health == nil {
			return noMailbox(a)
		}
		e.status = true
	}
	return nil
}

// errOwnMail is the reply to a recipient that cannot share a mail with those before
// it: the client sends it again.
var errOwnMail = &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 5, 3}, Message: "Send this recipient a mail of its own"}

func noMailbox(a mail.Address) error {
	return &smtp.SMTPError{
		Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1},
		Message: "No such mailbox; write to NUMBER@" + ascii(a.Domain) + ", or send scripts to " + mailbox + "@" + ascii(a.Domain),
	}
}

// payer is the account that mail of this session to numbers is booked to: that of
// the login, of the listener, or of the sender. The error is a reply.
func (s *session) payer(ctx context.Context) (sms.Account, error) {
	if s.authenticated {
		return s.known(s.door.Gate.Accounts(ctx, s.account.Name)) // its credit has changed
	}
	if s.door.Account != "" {
		return s.known(s.door.Gate.Accounts(ctx, s.door.Account))
	}
	return s.known(s.door.Gate.BySender(ctx, s.from, s.peer))
}

// known makes a reply of the error of an account that was looked for.
func (s *session) known(a sms.Account, err error) (sms.Account, error) {
	switch {
	case err == nil:
		return a, nil
	case errors.Is(err, sms.ErrNoAccount):
		return a, &smtp.SMTPError{
			Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1},
			Message: "No account pays for this: log in with AUTH, or have the operator run cellpost account set NAME --sender ADDRESS --network YOURS",
		}
	}
	s.door.alarm.raise(slog.LevelError, "accounts out of reach", s.peer, "err", err)
	return a, errTryAgain
}

var errTryAgain = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Cannot look that up now; try again later"}

// number takes a number, if there is a way for a message to it.
func (s *session) number(ctx context.Context, a mail.Address) error {
	payer, err := s.payer(ctx)
	if err != nil {
		return err
	}
	return s.add(payer, recipient{to: a.Number, options: a.Options})
}

// reply takes an answer to a message from a handset.
func (s *session) reply(ctx context.Context, token string) error {
	gone := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such conversation, or it is too old; write to the number itself"}
	if s.door.Reply == nil {
		return gone
	}
	r, err := s.door.Reply(ctx, token)
	if errors.Is(err, ErrNoReply) {
		return gone
	}
	if err != nil {
		s.door.alarm.raise(slog.LevelError, "conversations out of reach", s.peer, "err", err)
		return errTryAgain
	}
	payer, err := s.known(s.door.Gate.Accounts(ctx, r.Account))
	if err != nil {
		return err
	}
	return s.add(payer, recipient{to: string(r.To), sim: r.SIM, answer: true})
}

// add asks the Gate what it would say of the shortest message to a number.
func (s *session) add(payer sms.Account, r recipient) error {
	if s.to.payer.Name != "" && s.to.payer.Name != payer.Name {
		return errOwnMail
	}
	quotes := s.door.Gate.Quote(payer, ingress.Submission{Items: []ingress.Item{{To: r.to, Text: "."}}, Params: ingress.Params{SIM: r.sim}})
	if refusal := quotes[0].Refusal; refusal != nil {
		s.door.log().Info("recipient refused", "peer", s.peer, "code", refusal.Code)
		enhanced := smtp.EnhancedCode{5, 7, 1}
		switch refusal.Code {
		case ingress.CodeDestination:
			enhanced = smtp.EnhancedCode{5, 1, 3}
		case ingress.CodeRoute:
			enhanced = smtp.EnhancedCode{5, 4, 4}
		}
		return &smtp.SMTPError{Code: 550, EnhancedCode: enhanced, Message: ascii(refusal.Error())}
	}
	s.to.payer = payer
	s.to.numbers = append(s.to.numbers, r)
	return nil
}
