package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"cellpost/queue"
	"cellpost/sms"
)

// Add takes a batch, see [queue.Store]. A batch is known again by its first
// message, so one that has only events is stored as often as it comes. Zero
// times of creation become the time of now.
func (s *Store) Add(ctx context.Context, b sms.Batch) error {
	if queue.Large(b) {
		return s.takeIn(ctx, b)
	}
	return s.write(ctx, func(t *tx) error {
		if done, err := t.isStored(b); done || err != nil {
			return err
		}
		if b.Once {
			if err := t.once(b.Messages); err != nil {
				return err
			}
		}
		if err := t.debit(b.Messages); err != nil {
			return err
		}
		if err := t.addAudience(b); err != nil {
			return err
		}
		if err := t.addMessages(b); err != nil {
			return err
		}
		for i := range b.Events {
			if err := t.answer(&b.Events[i], submission(b)); err != nil {
				return err
			}
		}
		return nil
	})
}

// addMessages stores the messages of a batch that is not large.
func (t *tx) addMessages(b sms.Batch) error {
	several := len(b.Messages) > 1
	if several {
		if err := t.beginBatch(&b.Messages[0]); err != nil {
			return err
		}
	}
	for i := range b.Messages {
		if err := t.addMessage(&b.Messages[i]); err != nil {
			return err
		}
	}
	if several {
		return t.endBatch(submission(b))
	}
	return nil
}

// submission is what a batch came in with; zero where it has only news.
func submission(b sms.Batch) sms.ID {
	if len(b.Messages) == 0 {
		return sms.ID{}
	}
	return b.Messages[0].Submission
}

func (t *tx) isStored(b sms.Batch) (bool, error) {
	if len(b.Messages) == 0 {
		return false, nil
	}
	id := b.Messages[0].ID
	live, err := scalar[bool](t.row(`SELECT EXISTS (SELECT 1 FROM message WHERE id = ?)`, id[:]))
	if err == nil && live {
		return true, t.notUndone(b)
	}
	if made := id.Time(); err != nil || made.After(t.now.Add(-sms.LiveFor)) && !made.After(t.now) {
		return false, err // one so young is not in the history
	}
	return t.isPast(id)
}

// notUndone refuses a batch of which an earlier try is still being taken back.
func (t *tx) notUndone(b sms.Batch) error {
	undone, err := scalar[bool](t.row(`SELECT EXISTS (SELECT 1 FROM intake WHERE batch = ? AND accepted IS NULL)`, b.Messages[0].ID[:]))
	if err == nil && undone {
		err = fmt.Errorf("submission %s is being taken back: send it again in a minute", b.Messages[0].Submission)
	}
	return err
}

// debit takes the prices from the accounts.
func (t *tx) debit(messages []sms.Message) error {
	prices := map[string]sms.Credits{}
	for i := range messages {
		prices[messages[i].Account] += messages[i].Price
	}
	for _, name := range slices.Sorted(maps.Keys(prices)) {
		n, err := t.exec(`UPDATE account SET credits = credits - ?1 WHERE name = ?2 AND (unlimited OR credits >= ?1)`,
			prices[name], name)
		if err != nil {
			return err
		}
		if n == 0 {
			return t.noDebit(name)
		}
	}
	return nil
}

// noDebit says why an account could not be debited.
func (t *tx) noDebit(name string) error {
	_, err := scalar[bool](t.row(`SELECT unlimited FROM account WHERE name = ?`, name))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return sms.ErrNoAccount
	case err != nil:
		return err
	}
	return sms.ErrNoCredit
}

// addMessage stores a message that came in.
func (t *tx) addMessage(m *sms.Message) error {
	failed := m.State == sms.Failed && m.Price == 0 // for a reason that is its own
	if m.State != sms.Queued && m.State != sms.Scheduled && !failed || len(m.Parts) == 0 {
		return fmt.Errorf("message %s cannot begin %q with %d parts: let the rules admit it first", m.ID, m.State, len(m.Parts))
	}
	why := m.Why
	if !m.At.IsZero() && !failed {
		m, why = t.awaiting(m)
	}
	event := "accepted"
	if failed {
		event = string(sms.Failed)
	}
	return t.insertMessage(m, event, fmt.Sprintf("%s: %s, %s", m.Source, m.State, why))
}

// insertMessage writes a message whose timeline begins with event and detail.
func (t *tx) insertMessage(m *sms.Message, event, detail string) error {
	seq, err := t.insert(`INSERT INTO message (id, submission, account, source, recipient, sender, client_id, only_sim,
			text, priority, escalate, resend, report, state, due, review, expires, lane, avoid, avoid_until,
			tries, price, why, duplicate, created, updated, notes, doubts, at, report_within, report_then, again, fault)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, 1, 0, ?, ?, ?, 0, ?)`,
		m.ID[:], m.Submission[:], m.Account, m.Source, m.To, m.From, m.ClientID, m.OnlySIM,
		m.Text, m.Priority, m.Escalate, m.Resend, m.Report, m.State, millis(m.Due), millis(m.Review), millis(m.Expires),
		m.Lane, m.Avoid, millis(m.AvoidUntil), m.Price, m.Why,
		m.Duplicate, millis(cmp.Or(m.Created, t.now)), millis(t.now), millis(m.At), m.Again.Within.Milliseconds(), m.Again.To, m.Fault)
	if err != nil {
		return err
	}
	t.storedNew(m)
	state := sms.Queued
	if m.State == sms.Failed {
		state = sms.Failed
	}
	for i := range m.Parts {
		if _, err := t.exec(`INSERT INTO part (message, n, tpdu, state, sim, mr) VALUES (?, ?, ?, ?, '', 0)`,
			seq, i+1, m.Parts[i].TPDU, state); err != nil {
			return err
		}
	}
	r := &record{seq: seq, msg: *m}
	if err := t.note(r, event, detail); err != nil {
		return err
	}
	return t.conclude(r, standing{})
}
