package sqlite

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// record is a message as a transaction works on it.
type record struct {
	seq   int64
	notes int // lines of its timeline; save writes it
	msg   sms.Message
	saved []sms.Part // as they are in the database
	was   standing   // likewise
}

// part returns part n, counted from 1. The schema holds attempts to parts that
// there are.
func (r *record) part(n int) *sms.Part {
	i := slices.IndexFunc(r.msg.Parts, func(p sms.Part) bool { return p.N == n })
	return &r.msg.Parts[i]
}

// next returns the index of the first part that waits to be sent, or -1.
func (r *record) next() int {
	return slices.IndexFunc(r.msg.Parts, func(p sms.Part) bool { return p.State == sms.Queued })
}

const messageColumns = `seq, id, submission, account, source, recipient, sender, client_id, only_sim, text,
	priority, escalate, resend, report, state, due, review, expires, lane, avoid, avoid_until,
	tries, price, why, duplicate, created, updated, notes, doubts, at,
	report_within, report_then, again, fault`

func scanMessage(s scanner) (*record, error) {
	var r record
	m := &r.msg
	return &r, s.Scan(&r.seq, ident{&m.ID}, ident{&m.Submission}, &m.Account, &m.Source, &m.To, &m.From, &m.ClientID,
		&m.OnlySIM, &m.Text, &m.Priority, &m.Escalate, &m.Resend, &m.Report, &m.State, moment{&m.Due},
		moment{&m.Review}, moment{&m.Expires}, &m.Lane, &m.Avoid, moment{&m.AvoidUntil}, &m.Tries, &m.Price,
		&m.Why, &m.Duplicate, moment{&m.Created}, moment{&m.Updated}, &r.notes, &m.Doubts, moment{&m.At},
		span{&m.Again.Within}, &m.Again.To, &m.WentAgain, &m.Fault)
}

const partColumns = `n, tpdu, state, sim, mr`

func scanPart(s scanner) (p sms.Part, err error) {
	err = s.Scan(&p.N, &p.TPDU, &p.State, &p.SIM, &p.MR)
	return p, err
}

// load reads a message with its parts.
func (t *tx) load(seq int64) (*record, error) {
	r, err := scanMessage(t.row(`SELECT `+messageColumns+` FROM message WHERE seq = ?`, seq))
	if err != nil {
		return nil, err
	}
	r.msg.Parts, err = all(t, scanPart, partsQuery, seq)
	r.saved = slices.Clone(r.msg.Parts)
	r.was = standing{r.msg.State, r.msg.Duplicate, r.msg.Concluded()}
	return r, err
}

// find is load by ID; [queue.ErrNoMessage] when there is none, and [queue.ErrState]
// when it is in the history.
func (t *tx) find(id sms.ID) (*record, error) {
	seq, err := scalar[int64](t.row(`SELECT seq FROM message WHERE id = ?`, id[:]))
	if errors.Is(err, sql.ErrNoRows) {
		past, err := t.isPast(id)
		if err == nil && past {
			err = queue.ErrState
		}
		return nil, cmp.Or(err, queue.ErrNoMessage)
	}
	if err != nil {
		return nil, err
	}
	return t.load(seq)
}

// save writes what a transition may change: where the message stands, and the
// parts that differ from what is stored.
func (t *tx) save(r *record) error {
	m := &r.msg
	m.Updated = t.now
	_, err := t.exec(`UPDATE message SET state = ?, due = ?, review = ?, lane = ?, avoid = ?, avoid_until = ?,
		tries = ?, why = ?, duplicate = ?, updated = ?, notes = ?, doubts = ?,
		expires = ?, again = ?, fault = ? WHERE seq = ?`,
		m.State, millis(m.Due), millis(m.Review), m.Lane, m.Avoid, millis(m.AvoidUntil),
		m.Tries, m.Why, m.Duplicate, millis(m.Updated), r.notes, m.Doubts,
		millis(m.Expires), m.WentAgain, m.Fault, r.seq)
	if err != nil {
		return err
	}
	before := r.was
	t.recount(r)
	for i, p := range m.Parts {
		if err := t.savePart(r, i, p); err != nil {
			return err
		}
	}
	return t.conclude(r, before)
}

func (t *tx) savePart(r *record, i int, p sms.Part) error {
	old := &r.saved[i]
	if p.State == old.State && p.SIM == old.SIM && p.MR == old.MR && slices.Equal(p.TPDU, old.TPDU) {
		return nil
	}
	*old = p
	_, err := t.exec(`UPDATE part SET tpdu = ?, state = ?, sim = ?, mr = ? WHERE message = ? AND n = ?`,
		p.TPDU, p.State, p.SIM, p.MR, r.seq, p.N)
	return err
}

// note adds a line to the timeline; the record has to be saved after it. Neither
// numbers nor texts belong there.
func (t *tx) note(r *record, event, detail string) error {
	r.notes++
	_, err := t.exec(`INSERT INTO timeline (message, n, at, event, detail) VALUES (?, ?, ?, ?, ?)`,
		r.seq, r.notes, millis(t.now), event, detail)
	return err
}

// apply takes a step with all that follows: parts, credit, what earlier
// attempts still mean. It writes the message, and event and detail to the
// timeline.
func (t *tx) apply(r *record, s sms.Step, event, detail string) error {
	// A restored database has marked its messages, and told nobody.
	flagged := s.Duplicate && (!r.msg.Duplicate || strings.HasPrefix(r.msg.Why, restoredAsOf))
	r.msg.Apply(s)
	if s.StartOver {
		if err := t.startOver(r, s.Again); err != nil {
			return err
		}
	}
	if s.Refund {
		if err := t.refund(r); err != nil {
			return err
		}
	}
	if s.Charge {
		if err := t.charge(r); err != nil {
			return err
		}
	}
	if s.Again && !s.StartOver {
		link, err := t.second(r)
		if err != nil {
			return err
		}
		detail += link
	}
	if flagged {
		if err := t.flagged(&r.msg, s.Why); err != nil {
			return err
		}
	}
	return t.keep(r, event, detail+t.prospect(s))
}

// startOver says what the attempts so far mean when all parts leave anew: those of a
// whole copy can still be confirmed, those of one that came to a stop on the way
// are obsolete.
func (t *tx) startOver(r *record, whole bool) error {
	query := `UPDATE attempt SET obsolete = 1 WHERE message = ?`
	if whole {
		query = `UPDATE attempt SET copy = (SELECT max(copy) + 1 FROM attempt WHERE message = ?1) WHERE message = ?1 AND copy = 0`
	}
	_, err := t.exec(query, r.seq)
	return err
}

// keep saves a message with a line for its timeline.
func (t *tx) keep(r *record, event, detail string) error {
	if err := t.note(r, event, detail); err != nil {
		return err
	}
	return t.save(r)
}

// refund gives the price back. The account may be gone by now.
func (t *tx) refund(r *record) error {
	if err := t.credit(&r.msg); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE message SET refunded = 1 WHERE seq = ?`, r.seq)
	return err
}

// credit adds the price of a message to its account.
func (t *tx) credit(m *sms.Message) error {
	_, err := t.exec(`UPDATE account SET credits = credits + ? WHERE name = ?`, m.Price, m.Account)
	return err
}

// charge takes the price again that was given back.
func (t *tx) charge(r *record) error {
	if err := t.debit([]sms.Message{r.msg}); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE message SET refunded = 0 WHERE seq = ?`, r.seq)
	return err
}

// prospect says what a step means for the times to come.
func (t *tx) prospect(s sms.Step) string {
	var b strings.Builder
	if s.State == sms.Queued && s.Due.After(t.now) {
		fmt.Fprintf(&b, "; again in %s", s.Due.Sub(t.now).Round(time.Second))
	}
	if s.State == sms.Queued && s.Avoid != "" && s.AvoidUntil.After(t.now) {
		fmt.Fprintf(&b, "; %s only after %s", s.Avoid, s.AvoidUntil.Sub(t.now).Round(time.Second))
	}
	if s.Refund {
		b.WriteString("; price given back")
	}
	if s.Charge {
		b.WriteString("; price taken again")
	}
	return b.String()
}
