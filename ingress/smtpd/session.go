package smtpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"cellpost/ingress"
	"cellpost/ingress/clickatell"
	"cellpost/ingress/mail"
	"cellpost/sms"
)

// storeTimeout bounds the wait for the store while a sender waits for 250, with
// storeEach for each message: 100,000 take a slow disk minutes, and a sender waits
// for ten. RFC 5321, 4.5.3.2.6.
const (
	storeTimeout = 30 * time.Second
	storeEach    = 5 * time.Millisecond
)

// session is a connection's dialogue, as go-smtp calls it.
type session struct {
	door *door
	conn *conn
	peer netip.Addr

	authenticated bool
	account       sms.Account // of who has logged in

	// Of the mail under way.
	from    string            // reverse path
	options *smtp.MailOptions // that came with it; nil: none
	to      envelope
}

var _ smtp.AuthSession = (*session)(nil)

// AuthMechanisms are offered where go-smtp allows AUTH at all.
func (s *session) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login} }

// Auth checks an account. It opens the listener, and pays for mail to numbers; a
// script still names the account that pays.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return s.login(user, password) }), nil
	case sasl.Login:
		return &loginServer{login: s.login}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (s *session) login(user, password string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.door.ctx), storeTimeout)
	defer cancel()
	account, err := s.door.Gate.Login(ctx, user, password, s.peer)
	if refusal, ok := errors.AsType[*ingress.Refusal](err); ok {
		s.door.log().Info("login refused", "peer", s.peer, "code", refusal.Code)
		return smtp.ErrAuthFailed
	}
	if errors.Is(err, ingress.ErrTooManyLogins) {
		s.door.alarm.raise(slog.LevelWarn, "too many wrong passwords", s.peer)
		return &smtp.SMTPError{Code: 454, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: err.Error()}
	}
	if err != nil {
		s.door.alarm.raise(slog.LevelError, "accounts out of reach", s.peer, "err", err)
		return &smtp.SMTPError{Code: 454, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "try again later"}
	}
	s.authenticated, s.account = true, account
	return nil
}

// Mail begins a mail.
func (s *session) Mail(from string, options *smtp.MailOptions) error {
	if s.door.RequireAuth && !s.authenticated {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	if options != nil && options.Size > s.door.maxMail() {
		return tooLarge(fmt.Sprintf("a mail has %d octets at most", s.door.maxMail()))
	}
	if err := s.door.peerRate(s.peer); err != nil {
		return err
	}
	s.from, s.options = from, options
	return nil
}

// Rcpt takes or refuses one address, whatever the others are: people send a
// copy to a person, too.
func (s *session) Rcpt(to string, options *smtp.RcptOptions) error {
	to = strings.TrimSuffix(to, bareDomain)
	address, err := mail.ParseAddress(to)
	if !s.door.takes(address.Domain) && !s.isLocal(address.Domain) && address.Domain != "" {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "Relaying denied: this is not a mail server for " + ascii(address.Domain)}
	}
	if err != nil {
		return badAddress(address, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.door.ctx), storeTimeout)
	defer cancel()
	n := len(s.to.numbers)
	if err := s.recipient(ctx, address); err != nil {
		return err
	}
	if len(s.to.numbers) > n {
		s.to.numbers[n].notify = Notify{Address: to, Options: options}
	}
	return nil
}

// Reset ends a mail, done or not; go-smtp calls it after the answer has left.
func (s *session) Reset() {
	s.from, s.options, s.to = "", nil, envelope{}
	s.conn.endMail()
}

// Logout ends the session; there is nothing to free.
func (s *session) Logout() error { return nil }

// Data takes a mail. Its error is the answer, the good one too.
func (s *session) Data(r io.Reader) error {
	s.door.work.Add(1)
	defer s.door.work.Done()
	s.conn.beginMail()
	raw, release, err := s.read(s.transfer(r))
	if err != nil {
		return err
	}
	defer release()
	if err := checkHead(raw); err != nil {
		return err
	}
	// The sender's wait is what counts, not the end of Serve: a mail under way
	// is finished.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.door.ctx), storeTimeout)
	defer cancel()
	return s.deliver(ctx, raw)
}

// read takes the octets of a mail. release is to be called when they are no
// longer needed.
func (s *session) read(r io.Reader) (raw []byte, release func(), err error) {
	raw, err = io.ReadAll(io.LimitReader(r, largeMail))
	release = func() {}
	if err == nil && len(raw) == largeMail {
		select {
		case s.door.large <- struct{}{}:
			release = func() { <-s.door.large }
		default:
			return nil, nil, &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "Busy with other large mails; try again later"}
		}
		var rest []byte
		rest, err = io.ReadAll(r)
		raw = append(raw, rest...)
	}
	switch {
	case errors.Is(err, smtp.ErrDataTooLarge):
		err = tooLarge(fmt.Sprintf("a mail has %d octets at most", s.door.maxMail()))
	case errors.Is(err, errLineEnds):
	case errors.Is(err, smtp.ErrTooLongLine):
		err = tooLarge("a line has 1 MiB at most")
	case err != nil:
		err = errBrokenOff // or go-smtp's own, when RSET ends a BDAT
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return raw, release, nil
}

// deliver submits what a mail asks for, in the order of checks that clients
// see: unreadable, account, parameters, and then the Gate's.
func (s *session) deliver(ctx context.Context, raw []byte) error {
	m, err := mail.Parse(raw)
	if !s.to.script {
		return s.deliverPlain(ctx, raw, m, err)
	}
	if err != nil {
		return s.answer(err)
	}
	m.Automatic = m.Automatic || s.from == ""
	script, scriptErr := clickatell.Parse(m.Text)
	if refusal, ok := errors.AsType[*ingress.Refusal](scriptErr); ok && refusal.Code == ingress.CodeMail {
		return s.answer(scriptErr)
	}
	account, err := s.door.Gate.Authenticate(ctx, script.Credentials, s.peer)
	if refusal, ok := errors.AsType[*ingress.Refusal](err); ok && refusal.Code == ingress.CodeAPIID {
		return s.refuse(ctx, account, m, script, err)
	}
	if err != nil {
		// No reply mail: whoever has no account could have us write to anybody.
		return s.answer(err)
	}
	if err := s.door.accountRate(account.Name, s.peer); err != nil {
		return err
	}
	if account.Settings.LF || account.Settings.Append {
		script, scriptErr = clickatell.ParseFor(m.Text, account.Settings)
	}
	switch {
	case scriptErr != nil:
		return s.refuse(ctx, account, m, script, scriptErr)
	case script.Len() > clickatell.RecipientsMax:
		return tooLarge(fmt.Sprintf("a mail has %d numbers and csv lines at most", clickatell.RecipientsMax))
	case m.LongestLine > lineMax:
		return tooLarge("a line has 1 MiB at most")
	}
	if err := Attach(&script, m); err != nil {
		return s.refuse(ctx, account, m, script, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout+time.Duration(script.Len())*storeEach)
	defer cancel()
	receipt, err := s.door.Gate.Submit(ctx, account, ingress.Submission{
		Source: "smtp " + s.peer.String(),
		Note:   script.Note(),
		Rest:   script.All(),
		Params: script.Params,
		Events: func(r ingress.Receipt) []sms.Event { return s.replies(m, script, r) },
		Audience: func(ingress.Receipt) []sms.Audience {
			return scriptAudience(account, m.Automatic, script.Reply, m.ID)
		},
	})
	return s.submitted(receipt, err)
}

// submitted is the reply to a mail that came to the Gate.
func (s *session) submitted(receipt ingress.Receipt, err error) error {
	if _, ok := errors.AsType[*ingress.Refusal](err); err != nil && !ok {
		s.door.alarm.raise(slog.LevelError, "mail not stored", s.peer, "err", err)
		return errNoStore
	}
	if err != nil {
		return s.answer(err)
	}
	return accepted(receipt)
}

// objectKinds are what the kinds of msg_type are made of where a file is attached.
var objectKinds = map[string]string{
	"SMS_NOKIA_RINGTONE": mail.Ringtone, "SMS_NOKIA_RTTL": mail.Ringtone, "SMS_NOKIA_RTTTL": mail.Ringtone,
	"SMS_NOKIA_OLOGO": mail.OperatorLogo, "SMS_NOKIA_GLOGO": mail.CallerLogo, "SMS_NOKIA_PICTURE": mail.Picture,
	"SMS_NOKIA_VCARD": mail.Card, "SMS_NOKIA_VCAL": mail.Appointment,
}

// Attach gives a script the object that its msg_type announces, where that is a file
// of the mail: the first of its kind, for a signature may have an image, too.
func Attach(script *clickatell.Script, m mail.Message) error {
	kind, ok := objectKinds[script.Type]
	if !ok || !script.Wants() || len(m.Attachments) == 0 {
		return nil
	}
	makes := kind
	if kind == mail.OperatorLogo || kind == mail.CallerLogo {
		makes = mail.Picture
	}
	i := slices.IndexFunc(m.Attachments, func(a mail.Attachment) bool { return mail.Makes(a) == makes })
	a := m.Attachments[max(i, 0)]
	c, remarks, err := mail.Convert(a, kind)
	if err != nil {
		return ingress.Refuse(ingress.CodeParameter, a.String()+": "+err.Error())
	}
	script.Attach(c)
	script.Remarks = append(script.Remarks, remarks)
	return nil
}

// refuse answers a mail that does not come to the Gate, and lets its reply
// addresses know. That the answer could not be stored changes nothing: the
// sender hears it.
func (s *session) refuse(ctx context.Context, a sms.Account, m mail.Message, script clickatell.Script, err error) error {
	if refusal, ok := errors.AsType[*ingress.Refusal](err); ok {
		receipt := ingress.Receipt{Results: []ingress.Result{{Refusal: refusal}}}
		if err := s.door.Gate.Tell(ctx, a, s.replies(m, script, receipt)); err != nil {
			s.door.alarm.raise(slog.LevelError, "reply not stored", s.peer, "err", err)
		}
	}
	return s.answer(err)
}

// replies are the mails that tell the reply addresses of a script.
func (s *session) replies(m mail.Message, script clickatell.Script, r ingress.Receipt) []sms.Event {
	if m.Automatic {
		return nil // two machines would answer each other
	}
	text, parts := script.Tell(r)
	var events []sms.Event
	for _, to := range script.Reply {
		events = append(events, s.notice(sms.Event{To: to, Subject: subject(r), Ref: m.ID, Text: text, Parts: parts}))
	}
	return events
}

// notice is a mail to an address that may have had too many by now.
func (s *session) notice(e sms.Event) sms.Event {
	e.Door = Door
	if e.Surplus = !s.door.replies.Spend(strings.ToLower(e.To), time.Now()); e.Surplus {
		s.door.alarm.raise(slog.LevelWarn, "too many replies to one address; summed up", s.peer)
	}
	return e
}

// answer turns an error into what the sender is told.
func (s *session) answer(err error) error {
	refusal, ok := errors.AsType[*ingress.Refusal](err)
	switch {
	case ok:
		s.door.log().Info("mail refused", "peer", s.peer, "code", refusal.Code)
		return refused(refusal)
	case errors.Is(err, ingress.ErrTooManyLogins):
		s.door.alarm.raise(slog.LevelWarn, "too many wrong passwords", s.peer)
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: err.Error()}
	}
	s.door.alarm.raise(slog.LevelError, "accounts out of reach", s.peer, "err", err)
	return errNoStore
}
