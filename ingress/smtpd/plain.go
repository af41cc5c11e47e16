package smtpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"cellpost/ingress"
	"cellpost/ingress/clickatell"
	"cellpost/ingress/mail"
	"cellpost/sms"
)

// DoorOperator keeps mail to postmaster@ and abuse@ where nobody is named for it.
const DoorOperator = "operator"

// plainParts is how many parts the text of a mail to a number may take, if the
// account does not say.
const plainParts = 3

// letterMax is how much of a mail is kept for the operator, in octets.
const letterMax = 64 << 10

// Plain is what a mail to numbers becomes.
type Plain struct {
	Items  []ingress.Item
	Params ingress.Params // of all items
	Cuts   []string       // what was left out, for people
}

// Note is what the history of the messages says of the mail.
func (p Plain) Note() string {
	if len(p.Cuts) == 0 {
		return ""
	}
	return "left out: " + strings.Join(p.Cuts, ", ")
}

// NewPlain says what a mail to numbers becomes: its text, and what is attached if the
// account sends that, to each of them. A [ingress.Refusal] is about a mail that a
// machine has written, or an attachment; an empty text is for the Gate to refuse.
func NewPlain(m mail.Message, a sms.Account, to []mail.Address, ends []string) (Plain, error) {
	e := envelope{payer: a}
	for _, address := range to {
		e.numbers = append(e.numbers, recipient{to: address.Number, options: address.Options})
	}
	return e.plain(m, ends)
}

// Automatic is the refusal of mail that a machine has written.
func automatic(m mail.Message, a sms.Account) error {
	if (m.Automatic || m.Bulk) && !a.Settings.Automatic {
		return ingress.Refuse(ingress.CodeMail, "a machine has written it; allow that with cellpost account set "+a.Name+" --automatic")
	}
	return nil
}

func (e envelope) plain(m mail.Message, ends []string) (Plain, error) {
	if err := automatic(m, e.payer); err != nil {
		return Plain{}, err
	}
	var p Plain
	text, cuts := mail.Text(m, mail.Terms{Template: e.payer.Settings.Template, Ends: ends})
	p.Cuts = cuts
	parts := e.payer.Settings.PlainParts
	if parts == 0 {
		parts = plainParts
	}
	message := ingress.Item{Text: text}
	if fitted, cut := ingress.Fit(e.payer, text, parts); cut {
		message.Text, message.Whole = fitted, text[:min(len(text), letterMax)]
		message.Whole = strings.ToValidUTF8(message.Whole, "")
		p.Cuts = append(p.Cuts, fmt.Sprintf("what is past %d parts", parts))
	}
	objects, err := e.objects(m, &p)
	if err != nil {
		return Plain{}, err
	}
	if blank(m.Text) && len(objects) > 0 {
		message.Text = "" // the subject names the file, or what becomes of it
	}
	for i, r := range e.numbers {
		params := r.params(parts)
		if i == 0 {
			p.Params = params
		}
		item := ingress.Item{To: r.to}
		if params != p.Params {
			item.Params = &params
		}
		if message.Text != "" || len(objects) == 0 {
			item.Text, item.Whole = message.Text, message.Whole
			p.Items = append(p.Items, item)
		}
		for _, o := range objects {
			c, err := o.content(r.options.Picture)
			if err != nil {
				return Plain{}, err
			}
			p.Items = append(p.Items, ingress.Item{To: r.to, Params: item.Params, Content: c})
		}
	}
	return p, nil
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

func (r recipient) params(parts int) ingress.Params {
	p := ingress.Params{Concat: parts, Priority: r.options.Priority, Flash: r.options.Flash, SIM: r.sim}
	if ack := r.options.Ack; ack != nil {
		p.Report, p.NoReport = *ack, !*ack
	}
	return p
}

// object is an attachment that is sent.
type object struct {
	mail.Attachment
	kind string
	made map[string]*ingress.Content // by kind: one for all recipients
}

// objects are the attachments that the account sends; the others are noted.
func (e envelope) objects(m mail.Message, p *Plain) ([]object, error) {
	var objects []object
	var left []string
	for _, a := range m.Attachments {
		kind := mail.Makes(a)
		if !e.payer.Settings.Convert || kind == "" {
			left = append(left, a.String())
			continue
		}
		if kind == mail.Picture {
			kind = pictureOf(m.Subject)
		}
		objects = append(objects, object{a, kind, make(map[string]*ingress.Content)})
	}
	if more := m.Attached - len(m.Attachments); more > 0 {
		left = append(left, fmt.Sprintf("%d more", more))
	}
	if len(left) > 0 {
		p.Cuts = append(p.Cuts, "attached: "+strings.Join(left, ", "))
	}
	return objects, nil
}

// pictureOf is what a subject of one word asks for: "logo" is an operator logo.
func pictureOf(subject string) string {
	switch word := strings.ToLower(strings.TrimSpace(subject)); word {
	case mail.OperatorLogo, mail.CallerLogo:
		return word
	}
	return mail.Picture
}

// content makes the object, as the address asks for it where it is an image.
func (o object) content(asked string) (*ingress.Content, error) {
	kind := o.kind
	if asked != "" && (kind == mail.Picture || kind == mail.OperatorLogo || kind == mail.CallerLogo) {
		kind = asked
	}
	if c := o.made[kind]; c != nil {
		return c, nil
	}
	c, _, err := mail.Convert(o.Attachment, kind)
	if err != nil {
		return nil, ingress.Refuse(ingress.CodeParameter, o.String()+": "+err.Error())
	}
	o.made[kind] = &c
	return &c, nil
}

// deliverPlain takes a mail to numbers, for a person, or for the gateway itself: all
// of it in one transaction. err is of its text.
func (s *session) deliverPlain(ctx context.Context, raw []byte, m mail.Message, err error) error {
	if err != nil && !errors.Is(err, mail.ErrNoText) {
		return s.answer(err)
	}
	m.Automatic = m.Automatic || s.from == ""
	if err := s.checkPlain(m); err != nil {
		return err
	}
	letters, err := s.letters(ctx, m)
	if err != nil {
		return err
	}
	if len(s.to.numbers) == 0 {
		if err := s.door.Gate.Tell(ctx, s.to.payer, letters); err != nil {
			s.door.alarm.raise(slog.LevelError, "mail not stored", s.peer, "err", err)
			return errNoStore
		}
		return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: "OK"}
	}
	if err := s.door.accountRate(s.to.payer.Name, s.peer); err != nil {
		return err
	}
	p, err := s.to.plain(m, s.door.TextEnds)
	if err != nil {
		return s.answer(err)
	}
	letter := s.letter(raw, m, len(p.Items)/len(s.to.numbers))
	receipt, err := s.door.Gate.Submit(ctx, s.to.payer, ingress.Submission{
		Source: "smtp " + s.peer.String(), Note: p.Note(), Items: p.Items, Params: p.Params,
		Events:   func(r ingress.Receipt) []sms.Event { return s.plainEvents(m, letters, r) },
		Audience: func(r ingress.Receipt) []sms.Audience { return LetterAudience(s.to.payer, letter, r) },
	})
	return s.submitted(receipt, err)
}

// letter is what decides who hears of the messages of a mail, of which there are so
// many for each number.
func (s *session) letter(raw []byte, m mail.Message, each int) Letter {
	l := Letter{From: s.from, ID: m.ID, Automatic: m.Automatic, Header: raw, Options: s.options, DelayAfter: s.door.DelayAfter}
	for i, r := range s.to.numbers {
		n := r.notify
		n.Result = i * each
		l.To = append(l.To, n)
	}
	return l
}

// checkPlain refuses what no machine may ask for.
func (s *session) checkPlain(m mail.Message) error {
	answers := s.to.status
	for _, r := range s.to.numbers {
		answers = answers || r.answer
	}
	refused := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "A machine has written this mail, and two machines would answer each other"}
	if answers && (m.Automatic || m.Bulk) {
		return refused
	}
	if len(s.to.numbers) == 0 {
		return nil
	}
	if err, ok := errors.AsType[*ingress.Refusal](automatic(m, s.to.payer)); ok {
		s.door.log().Info("mail refused", "peer", s.peer, "code", err.Code)
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: ascii(err.Error())}
	}
	return nil
}

// letters are the mails that a mail to the operator, or to status@, becomes.
func (s *session) letters(ctx context.Context, m mail.Message) ([]sms.Event, error) {
	var events []sms.Event
	if !s.to.operator && !s.to.status {
		return nil, nil
	}
	if !s.door.letters.Spend(s.peer.String(), time.Now()) {
		return nil, &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "Too many mails to a person from here; try again in a minute"}
	}
	if s.to.operator {
		e := sms.Event{
			Door: Door, To: s.door.Operator, Subject: "Mail for the operator: " + m.Subject, Generated: true,
			Text: "From: " + s.from + "\r\nBy: " + s.peer.String() + "\r\nSubject: " + m.Subject + "\r\n\r\n" +
				strings.ToValidUTF8(m.Text[:min(len(m.Text), letterMax)], ""),
		}
		if e.To == "" {
			e.Door, e.To = DoorOperator, "postmaster"
		}
		s.door.log().Info("mail for the operator", "peer", s.peer, "forwarded", s.door.Operator != "")
		events = append(events, e)
	}
	if s.to.status {
		text, err := s.door.Health(ctx)
		if err != nil {
			s.door.alarm.raise(slog.LevelError, "status not known", s.peer, "err", err)
			return nil, errTryAgain
		}
		events = append(events, sms.Event{Door: Door, To: s.from, Subject: "Status of " + orDefault(s.door.Hostname, "cellpost"), Ref: m.ID, Text: text})
	}
	return events, nil
}

// plainEvents are the mails that are stored with the messages of a mail to numbers.
// Where some numbers were refused at the last moment, the sender hears which: the
// 250 cannot say it.
func (s *session) plainEvents(m mail.Message, letters []sms.Event, r ingress.Receipt) []sms.Event {
	if refusals(r) == 0 || r.Accepted() == 0 || m.Automatic {
		return letters
	}
	var b strings.Builder
	for _, res := range r.Results {
		b.WriteString(clickatell.Line(res) + "\r\n")
	}
	return append(letters, s.notice(sms.Event{To: s.from, Subject: subject(r), Ref: m.ID, Text: b.String()}))
}
