package smtpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"cellpost/ingress"
	"cellpost/ingress/clickatell"
	"cellpost/ingress/mail"
	"cellpost/sms"
)

// mailbox is the local part that takes scripts.
const mailbox = "sms"

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
	from          string // reverse path of the mail under way
}

var _ smtp.AuthSession = (*session)(nil)

// AuthMechanisms are offered where go-smtp allows AUTH at all.
func (s *session) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login} }

// Auth checks an account. It opens the listener, no more: the script still
// names the account that pays.
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
	_, err := s.door.Gate.Login(ctx, user, password, s.peer)
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
	s.authenticated = true
	return nil
}

// Mail begins a mail.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.door.RequireAuth && !s.authenticated {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	if err := s.door.peerRate(s.peer); err != nil {
		return err
	}
	s.from = from
	return nil
}

// Rcpt takes or refuses one address, whatever the others are: people send a
// copy to a person, too.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	i := strings.LastIndexByte(to, '@')
	local, domain := to[:max(i, 0)], to[i+1:]
	switch {
	case !s.door.takes(domain):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "Relaying denied: this is not a mail server for " + ascii(domain)}
	case !strings.EqualFold(local, mailbox):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such mailbox; send scripts to " + mailbox + "@" + domain}
	}
	return nil
}

// Reset ends a mail, done or not; go-smtp calls it after the answer has left.
func (s *session) Reset() {
	s.from = ""
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
	items := script.Items()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout+time.Duration(len(items))*storeEach)
	defer cancel()
	receipt, err := s.door.Gate.Submit(ctx, account, ingress.Submission{
		Source: "smtp " + s.peer.String(),
		Note:   script.Note(),
		Items:  items,
		Params: script.Params,
		Events: func(r ingress.Receipt) []sms.Event { return s.replies(m, script, r) },
		Audience: func(ingress.Receipt) []sms.Audience {
			return scriptAudience(account, m.Automatic, script.Reply, m.ID)
		},
	})
	if _, ok := errors.AsType[*ingress.Refusal](err); err != nil && !ok {
		s.door.alarm.raise(slog.LevelError, "mail not stored", s.peer, "err", err)
		return errNoStore
	}
	if err != nil {
		return s.answer(err)
	}
	return accepted(receipt)
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
	text := script.Answer(r)
	var events []sms.Event
	for _, to := range script.Reply {
		if !s.door.replies.Spend(strings.ToLower(to), time.Now()) {
			s.door.alarm.raise(slog.LevelWarn, "too many replies to one address; left out", s.peer)
			continue
		}
		events = append(events, sms.Event{Door: Door, To: to, Subject: subject(r), Ref: m.ID, Text: text})
	}
	return events
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
