package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"cellpost/pdu"
	"cellpost/sms"
)

// second sends a message to the second number in place of one, in its transaction:
// so it happens once, whatever crashes. It returns words for the timeline of the
// first. Where it cannot be sent there is a message all the same, which says why.
func (t *tx) second(r *record) (string, error) {
	m := &r.msg
	second, err := t.rules.Second(*m, sms.NewID(t.now), t.now)
	if err != nil { // the clerk is not to stumble over it for ever
		t.log.Error("a message cannot go to the second number", "account", m.Account, "message", m.ID, "err", err)
		return "; could not go to the second number: " + err.Error(), nil
	}
	if second.State != sms.Failed {
		err = t.debit([]sms.Message{second})
		if errors.Is(err, sms.ErrNoCredit) || errors.Is(err, sms.ErrNoAccount) {
			second.Refuse(sms.FaultCredit, err.Error())
		} else if err != nil {
			return "", err
		}
	}
	words, event := "went again to the second number: ", "accepted"
	if second.State == sms.Failed {
		words, event = "could not go to the second number, "+second.Why+": ", string(sms.Failed)
		t.log.Warn("a message without a report cannot go to the second number: look at the account and the routes",
			"account", m.Account, "message", m.ID, "why", second.Why)
	}
	words += second.ID.String()
	detail := fmt.Sprintf("in place of %s, which no handset confirmed: %s, %s", m.ID, second.State, second.Why)
	if second.State == sms.Queued {
		second.Review = t.now // the clerk finds it, and calls a line
	}
	if err := t.opened(&second); err != nil {
		return "", err
	}
	if err := t.insertMessage(&second, event, detail); err != nil {
		return "", err
	}
	if err := t.extendBatch(second.Submission); err != nil {
		return "", err
	}
	return "; " + words, t.tell(m, second.ID, words)
}

const answeredQuery = `SELECT DISTINCT door, account, recipient, subject, ref FROM event INDEXED BY event_by_submission
	WHERE submission = ? AND message IS NULL LIMIT 20`

// tell has the customer hear of a message, where its submission was answered: at
// no other place, and nobody where no answer was asked for. about is what the news
// is about.
func (t *tx) tell(m *sms.Message, about sms.ID, why string) error {
	list, err := all(t, func(s scanner) (e sms.Event, err error) {
		err = s.Scan(&e.Door, &e.Account, &e.To, &e.Subject, &e.Ref)
		return e, err
	}, answeredQuery, m.Submission[:])
	if err != nil {
		return err
	}
	for _, e := range list {
		e.Message, e.Text = about, m.News(why)
		if err := t.post(&e); err != nil {
			return err
		}
	}
	return nil
}

// flagged tells the customer that the handset may show a message twice.
func (t *tx) flagged(m *sms.Message, why string) error {
	return t.tell(m, m.ID, "possible duplicate: "+why)
}

// countCopy lets a report on a copy that the message has started over from count: if
// all parts of that copy have arrived, the message has. It changes nothing else, for
// the copy after it is to arrive all the same.
func (t *tx) countCopy(a attempt, r *record, report pdu.StatusReport) error {
	arrived, err := scalar[int](t.row(`SELECT count(DISTINCT part) FROM attempt
		WHERE message = ? AND copy = ? AND outcome = 'accepted' AND status < 0x20`, a.seq, a.copy))
	if err != nil {
		return err
	}
	if arrived < len(r.msg.Parts) {
		return t.save(r)
	}
	for i := range r.msg.Parts {
		if p := &r.msg.Parts[i]; p.State != sms.Delivered {
			p.ApplyStatus(report.Status, a.sim, report.Reference)
		}
	}
	certain, err := t.certain(r)
	if err != nil {
		return err
	}
	if err := t.note(r, "confirmed", "an earlier copy arrived"+certain); err != nil {
		return err
	}
	return t.advance(r, a)
}

const beforeQuery = `SELECT sim, modem, outcome, detail, started, ended FROM attempt
	WHERE message = ? AND part = ? AND sim <> '' ORDER BY id DESC LIMIT 1`

// takenOver says from which line a part comes, how long that one had it, and why it
// has not any more; nothing if it comes from none, or from the same.
func (t *tx) takenOver(r *record, part int, sim, modem string) (string, error) {
	if r.notes <= 1 {
		return "", nil // nothing has happened to it but that it came
	}
	var a sms.Attempt
	err := t.row(beforeQuery, r.seq, part).Scan(&a.SIM, &a.Modem, &a.Outcome.Kind, &a.Outcome.Detail,
		moment{&a.Started}, moment{&a.Ended})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", nil
	case err != nil:
		return "", err
	case a.SIM == sim && a.Modem == modem, a.Outcome.Kind == sms.Accepted:
		return "", nil
	}
	return "; taken over from " + a.History(), nil
}
