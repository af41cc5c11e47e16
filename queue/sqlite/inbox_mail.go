package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// Messages from one number that are told by mail, within postWithin: two machines
// that answer each other, one by mail, come to rest.
const numberMost = 30

// correspondentWithin is how long after a message what comes back from its number
// is taken for an answer to it.
const correspondentWithin = 7 * day

// correspondent is who may have written to a number.
type correspondent struct {
	account    string
	submission sms.ID
	same       bool // by the SIM in question
}

const correspondentQuery = `SELECT account, submission, EXISTS (SELECT 1 FROM part p WHERE p.message = m.seq AND p.sim = ?)
	FROM message m INDEXED BY message_by_recipient
	WHERE m.recipient = ? AND m.created > ? AND m.state <> 'scheduled' AND m.state <> 'held' ORDER BY m.seq DESC LIMIT 20`

// tellInbound has those hear of a message from a handset whom it belongs to, once more
// when a part came late, and when that has made it whole.
func (t *tx) tellInbound(id int64, r sms.Inbound) error {
	var told int
	err := t.row(`SELECT told, sim, modem, received FROM inbound WHERE id = ?`, id).Scan(&told, &r.SIM, &r.Modem, moment{&r.Received})
	if err != nil || told > 1 && len(r.Missing) > 0 {
		return err
	}
	number := t.correspondentNumber(r.From)
	account, to, err := t.inboundTo(r.SIM, number)
	if err != nil || len(to) == 0 {
		return err
	}
	if _, err := t.exec(`UPDATE inbound SET told = min(told + 1, 2) WHERE id = ?`, id); err != nil {
		return err
	}
	e := sms.Event{
		Door: "mail", Account: account, Subject: "SMS from " + visibleFrom(r), Text: r.MailText(), Generated: true,
	}
	if told > 0 {
		e.Subject += " (a late part has come)"
	}
	post := t.post
	if number != "" {
		n, err := scalar[int](t.row(`SELECT count(*) FROM conversation INDEXED BY conversation_by_number WHERE number = ? AND created > ?`,
			number, millis(t.now.Add(-postWithin))))
		if err != nil {
			return err
		}
		if n >= numberMost {
			post = t.leaveOut
		} else if e.ReplyTo, err = t.converse(sms.Conversation{Account: account, To: number, SIM: r.SIM, Inbound: id}); err != nil {
			return err
		}
	}
	for _, e.To = range to {
		if err := post(&e); err != nil {
			return err
		}
	}
	return nil
}

// inboundTo says whom a message belongs to: the account that wrote to the number
// last, by the same SIM if there is one, and else nobody's.
func (t *tx) inboundTo(sim string, number sms.Number) (account string, to []string, err error) {
	var list []correspondent
	if number != "" {
		list, err = all(t, func(s scanner) (c correspondent, err error) {
			err = s.Scan(&c.account, ident{&c.submission}, &c.same)
			return c, err
		}, correspondentQuery, sim, number, millis(t.now.Add(-correspondentWithin)))
		if err != nil {
			return "", nil, err
		}
	}
	if len(list) == 0 {
		return "", t.rules.InboundTo, nil
	}
	last := list[0]
	for _, c := range list {
		if c.same {
			last = c
			break
		}
	}
	a, err := oneAccount(t.row(accountQuery, last.account))
	switch {
	case errors.Is(err, sms.ErrNoAccount):
		return "", t.rules.InboundTo, nil
	case err != nil:
		return "", nil, err
	}
	if to = a.Settings.Inbound; len(to) == 0 {
		to, err = all(t, scalar[string], `SELECT recipient FROM audience INDEXED BY audience_by_submission
			WHERE submission = ? AND form = 'inbound' ORDER BY id`, last.submission[:])
	}
	if err == nil && len(to) == 0 {
		return "", t.rules.InboundTo, nil
	}
	return a.Name, to, err
}

// correspondentNumber is the number to answer to; empty where the sender is a name.
func (t *tx) correspondentNumber(from string) sms.Number {
	digits, plus := strings.CutPrefix(from, "+")
	if !plus {
		digits = sms.International(digits, t.rules.CountryPrefix)
	}
	if len(digits) < 3 || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	return sms.Number(digits)
}

func visibleFrom(r sms.Inbound) string {
	if r.From == "" {
		return "an unknown sender"
	}
	return r.From
}

// conversationPurge removes what cannot be answered any more.
const conversationPurge = `DELETE FROM conversation WHERE token IN (SELECT token FROM conversation INDEXED BY conversation_by_time WHERE created < ? LIMIT 10)`

// converse keeps how a message can be answered, and returns the local part of the
// address for it: 130 bits that nobody guesses.
func (t *tx) converse(c sms.Conversation) (address string, err error) {
	token := strings.ToLower(rand.Text())
	_, err = t.exec(`INSERT INTO conversation (token, account, number, sim, inbound, created) VALUES (?, ?, ?, ?, ?, ?)`,
		token, c.Account, c.To, c.SIM, c.Inbound, millis(t.now))
	return "reply+" + token, err
}

// Conversation finds what a mail to "reply+token" answers. [queue.ErrNoMessage] for a
// token that there is not, or not any more.
func (r *Reader) Conversation(ctx context.Context, token string) (sms.Conversation, error) {
	var c sms.Conversation
	var created time.Time
	err := r.db.QueryRowContext(ctx, `SELECT account, number, sim, inbound, created FROM conversation WHERE token = ?`, strings.ToLower(token)).
		Scan(&c.Account, &c.To, &c.SIM, &c.Inbound, moment{&created})
	c.Expires = created.Add(sms.ConversationLife)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && time.Now().After(c.Expires):
		return sms.Conversation{}, fmt.Errorf("no message from a handset has this address for answers, or it came more than %d days ago: %w",
			int(sms.ConversationLife.Hours()/24), queue.ErrNoMessage)
	case err != nil:
		return sms.Conversation{}, r.damage.notice(explain(err))
	}
	return c, nil
}
