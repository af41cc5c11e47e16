package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// addEvent stores news that has to be told from now on. submission is what it
// answers, zero for none.
func (t *tx) addEvent(e *sms.Event, submission sms.ID) error {
	_, err := t.insertEvent(e, submission, t.now)
	return err
}

// answer stores news for who has just submitted something.
func (t *tx) answer(e *sms.Event, submission sms.ID) error {
	if e.Surplus {
		return t.leaveOut(e)
	}
	return t.addEvent(e, submission)
}

// insertEvent stores news that has to be told from a time on.
func (t *tx) insertEvent(e *sms.Event, submission sms.ID, due time.Time) (int64, error) {
	return t.insert(`INSERT INTO event (door, account, message, recipient, subject, ref, text, state, due, tries, why, created, submission, reply_to, generated, parts, list)
		VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', ?, 0, '', ?, ?, ?, ?, ?, ?)`,
		e.Door, e.Account, blob(e.Message), e.To, e.Subject, e.Ref, e.Text, millis(due), millis(cmp.Or(e.Created, t.now)), blob(submission),
		e.ReplyTo, e.Generated, further(e.Parts), blob(e.List))
}

// further are the parts of an event as the database keeps them: NULL for none.
func further(parts []sms.EventPart) any {
	if len(parts) == 0 {
		return nil
	}
	return document{parts}
}

// news is an event, or when to ask for one.
type news struct {
	event sms.Event // its ID is 0 when none is due
	next  time.Time
}

const dueEventQuery = `SELECT id, door, account, message, recipient, subject, ref, text, created, tries, due, reply_to, generated, parts, list
	FROM event WHERE state = 'waiting' ORDER BY due, id LIMIT 1`

// ClaimEvent hands out the event that is due first, see [queue.Store].
func (s *Store) ClaimEvent(ctx context.Context, hold time.Duration) (sms.Event, time.Time, error) {
	n, err := ask(ctx, s, func(t *tx) (news, error) {
		var e sms.Event
		var due time.Time
		err := t.row(dueEventQuery).Scan(&e.ID, &e.Door, &e.Account, ident{&e.Message}, &e.To, &e.Subject, &e.Ref,
			&e.Text, moment{&e.Created}, &e.Tries, moment{&due}, &e.ReplyTo, &e.Generated, document{&e.Parts}, ident{&e.List})
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return news{}, nil
		case err != nil:
			return news{}, err
		case due.After(t.now):
			return news{next: due}, nil
		}
		_, err = t.exec(`UPDATE event SET due = ? WHERE id = ?`, millis(t.now.Add(hold)), e.ID)
		return news{event: e}, err
	})
	if err == nil && n.event.ID == 0 {
		err = queue.ErrNothing
	}
	if err == nil && !n.event.List.IsZero() {
		err = s.Reader.listed(ctx, &n.event) // where it cannot, the event is due again soon
	}
	return n.event, n.next, err
}

// EventDone records a delivery, see [queue.Store]. due counts for a waiting
// event only.
func (s *Store) EventDone(ctx context.Context, id int64, state sms.EventState, due time.Time, why string) error {
	return s.write(ctx, func(t *tx) error {
		until, failed := any(nil), 1
		switch state {
		case sms.EventWaiting:
			until = millis(due)
		case sms.EventDelivered:
			failed = 0
		}
		n, err := t.exec(`UPDATE event SET state = ?, due = ?, tries = tries + ?, why = ? WHERE id = ?`,
			state, until, failed, why, id)
		if err == nil && n == 0 {
			err = fmt.Errorf("there is no event %d", id)
		}
		return err
	})
}

// RetryEvent has an event tried that was given up, see [queue.Store]. It stays as old as
// it is, and its mail the same to who got it after all.
func (s *Store) RetryEvent(ctx context.Context, id int64) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.exec(`UPDATE event SET state = 'waiting', due = ?, tries = 0, why = '' WHERE id = ? AND state = 'dead' AND named`,
			millis(t.now), id)
		if err == nil && n == 0 {
			err = queue.ErrNoEvent
		}
		return err
	})
}
