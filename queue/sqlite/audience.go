package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// addAudience stores who hears of the messages of a batch, of which none is stored yet.
func (t *tx) addAudience(b sms.Batch) error {
	for i := range b.Audience {
		a := &b.Audience[i]
		id := submission(b)
		if _, err := t.exec(`INSERT INTO audience (submission, account, recipient, form, message, open, body, late, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			id[:], a.Account, a.To, a.Form, blob(a.Message), b.Len(), document{a}, millis(t.delayTime(a)), millis(t.now)); err != nil {
			return err
		}
	}
	return nil
}

// delayTime is when somebody hears of a delay; zero: never.
func (t *tx) delayTime(a *sms.Audience) time.Time {
	if a.Notify.Delay == 0 || a.Message.IsZero() {
		return time.Time{}
	}
	return t.now.Add(a.Notify.Delay)
}

// listener is somebody who hears.
type listener struct {
	id int64
	sms.Audience
}

func scanListener(s scanner) (l listener, err error) {
	err = s.Scan(&l.id, document{&l.Audience})
	return l, err
}

const audienceQuery = `SELECT id, body FROM audience INDEXED BY audience_by_submission WHERE submission = ? ORDER BY id`

// conclude tells who wants to hear it what has become of a message since it was as
// before: in the transaction that changes it, so that nobody is told of what did not
// happen, and nothing happens that is not told.
func (t *tx) conclude(r *record, before standing) error {
	m := &r.msg
	if intake, _ := onItsWay(m.Lane); intake != "" {
		return nil // it may still be taken back with its batch: release tells
	}
	over := m.Concluded()
	if over == before.over && (!over || m.State == before.state) {
		return nil
	}
	list, err := all(t, scanListener, audienceQuery, m.Submission[:])
	if err != nil {
		return err
	}
	for _, l := range list {
		switch {
		case l.Form == sms.PerSubmission && over != before.over:
			err = t.concludeOne(l, r, over)
		case over && l.Hears(*m):
			e := l.Report(*m, t.now)
			err = t.post(&e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// opened notes that a message has come to those of its submission.
func (t *tx) opened(m *sms.Message) error {
	_, err := t.exec(`UPDATE audience SET open = open + 1 WHERE submission = ?`, m.Submission[:])
	return err
}

// concludeOne notes for who hears of a whole submission that a message of it is over,
// or is not any more. After the last one he does.
func (t *tx) concludeOne(l listener, r *record, over bool) error {
	by := int64(1)
	if over {
		by = -1
	}
	open, err := scalar[int64](t.row(`UPDATE audience SET open = max(open + ?, 0) WHERE id = ? RETURNING open`, by, l.id))
	if err != nil || open > 0 || !over {
		return err
	}
	e, err := t.summary(l, r)
	if err != nil {
		return err
	}
	return t.post(&e)
}

// Mails to one address, answers to what it sent apart: so many in the time of
// postWithin, and one that says how many more there were. A mistake in a loop, or a
// batch with a report for each message, is not to fill a mailbox.
const (
	postMost   = 300
	postWithin = time.Hour
)

const postedQuery = `SELECT count(*) FROM (SELECT 1 FROM event INDEXED BY event_by_recipient WHERE recipient = ? AND created > ?
	AND (generated OR message IS NOT NULL) LIMIT ?)`

// post stores news that nobody has asked for just now, unless its address gets too
// much: then it is counted.
func (t *tx) post(e *sms.Event) error {
	n, err := scalar[int](t.row(postedQuery, e.To, millis(t.now.Add(-postWithin)), postMost))
	if err != nil {
		return err
	}
	if n >= postMost {
		return t.leaveOut(e)
	}
	return t.addEvent(e, sms.ID{})
}

const leftOutQuery = `SELECT l.event, l.n FROM leftout l JOIN event e ON e.id = l.event
	WHERE l.recipient = ? AND e.state = 'waiting' AND e.tries = 0 AND e.due = l.due`

// leaveOut counts a mail that does not leave. The mail that says how many there were
// is stored with the first, and waits for the others.
func (t *tx) leaveOut(e *sms.Event) error {
	var id int64
	var n int
	err := t.row(leftOutQuery, e.To).Scan(&id, &n)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err == nil {
		if _, err := t.exec(`UPDATE event SET text = ? WHERE id = ?`, leftOutWords(n+1), id); err != nil {
			return err
		}
		_, err = t.exec(`UPDATE leftout SET n = n + 1 WHERE recipient = ?`, e.To)
		return err
	}
	t.log.Warn("too many mails to one address; the rest of this hour is summed up", "account", e.Account)
	due := t.now.Add(postWithin)
	id, err = t.insertEvent(&sms.Event{
		Door: e.Door, Account: e.Account, To: e.To, Subject: "SMS: mails left out", Text: leftOutWords(1), Generated: true,
	}, sms.ID{}, due)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT OR REPLACE INTO leftout (recipient, event, due, n) VALUES (?, ?, ?, 1)`, e.To, id, millis(due))
	return err
}

func leftOutWords(n int) string {
	return fmt.Sprintf("%d more mails to this address were left out within an hour.\r\n"+
		"Nothing else was lost: the gateway keeps the messages, see \"cellpost queue list\" and \"cellpost inbox\".\r\n", n)
}

const (
	delayQuery     = `SELECT id, body FROM audience INDEXED BY audience_by_late WHERE late <= ? ORDER BY late LIMIT ?`
	nextDelayQuery = `SELECT late FROM audience INDEXED BY audience_by_late WHERE late IS NOT NULL ORDER BY late LIMIT 1`
)

// delays tells who wants to hear it, once, that a message has not left.
func (t *tx) delays() error {
	list, err := all(t, scanListener, delayQuery, millis(t.now), maxOverdue)
	if err != nil {
		return err
	}
	for _, l := range list {
		if err := t.delayed(l); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) delayed(l listener) error {
	var next time.Time
	r, err := t.find(l.Message)
	switch {
	case errors.Is(err, queue.ErrNoMessage), errors.Is(err, queue.ErrState): // it is gone, or in the history
	case err != nil:
		return err
	case r.msg.State == sms.Scheduled: // it is to wait
		next = t.now.Add(max(r.msg.Due.Sub(t.now), 0) + l.Notify.Delay)
	case r.msg.Unsent():
		e := l.Delayed(r.msg, t.now)
		if err := t.post(&e); err != nil {
			return err
		}
	}
	_, err = t.exec(`UPDATE audience SET late = ? WHERE id = ?`, millis(next), l.id)
	return err
}

// wipeAudience removes who hears of a submission that was not accepted after all.
func (t *tx) wipeAudience(submission sms.ID) error {
	_, err := t.exec(`DELETE FROM audience WHERE submission = ?`, submission[:])
	return err
}
