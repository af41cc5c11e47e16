package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"cellpost/pdu"
	"cellpost/sms"
)

// Report stores and matches a status report, see [queue.Store]. One that is
// stored already (same SIM, same TPDU) is taken as done; one that cannot be
// read is kept, unmatched.
func (s *Store) Report(ctx context.Context, in sms.Report) (matched bool, err error) {
	return ask(ctx, s, func(t *tx) (bool, error) {
		report, _, err := pdu.ParseStatusReport(in.TPDU)
		readable := err == nil
		var mr any
		if readable {
			mr = report.Reference
		}
		id, err := scalar[int64](t.row(`INSERT INTO report (sim, modem, tpdu, mr, received) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (sim, tpdu) DO NOTHING RETURNING id`, in.SIM, in.Modem, in.TPDU, mr, millis(in.Received)))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return scalar[bool](t.row(`SELECT attempt IS NOT NULL FROM report WHERE sim = ? AND tpdu = ?`, in.SIM, in.TPDU))
		case err != nil:
			return false, err
		case !readable:
			t.log.Warn("status report cannot be read, kept as it came", "modem", in.Modem, "sim", in.SIM)
			return false, nil
		}
		return t.match(id, in.SIM, report)
	})
}

// candidate is an attempt that a report may be about, by the number that it
// went to.
type candidate struct {
	id    int64
	to    sms.Number
	ended int64
}

func scanCandidate(s scanner) (c candidate, err error) {
	err = s.Scan(&c.id, &c.to, &c.ended)
	return c, err
}

// The candidates of a report, newest first. Both look back over a bounded
// number of attempts: 200 with one TP-MR are 51,200 hand-overs by that SIM.
const (
	sentQuery = `SELECT a.id, m.recipient, a.ended FROM (
			SELECT id, message, part, ended FROM attempt INDEXED BY attempt_by_reference
			WHERE sim = ? AND mr = ? AND outcome = 'accepted' AND NOT obsolete ORDER BY id DESC LIMIT 200
		) a JOIN part p ON p.message = a.message AND p.n = a.part JOIN message m ON m.seq = a.message
		WHERE p.state = 'sent' ORDER BY a.id DESC`
	unknownQuery = `SELECT a.id, m.recipient, a.ended FROM (
			SELECT id, message, ended FROM attempt INDEXED BY attempt_unknown
			WHERE sim = ? AND outcome = 'unknown' AND NOT obsolete ORDER BY id DESC LIMIT 1000
		) a JOIN message m ON m.seq = a.message ORDER BY a.id DESC`
)

// match finds the attempt that a report is about, and lets it count.
func (t *tx) match(id int64, sim string, report pdu.StatusReport) (bool, error) {
	if report.ForCommand {
		return false, nil
	}
	list, err := all(t, scanCandidate, sentQuery, sim, report.Reference)
	if err != nil {
		return false, err
	}
	for _, c := range list {
		if c.to.Matches(report.Recipient.Value) {
			return true, t.matched(id, c.id, report)
		}
	}
	unknown, err := all(t, scanCandidate, unknownQuery, sim)
	if err != nil {
		return false, err
	}
	unknown = slices.DeleteFunc(unknown, func(c candidate) bool { return !c.to.Matches(report.Recipient.Value) })
	if c, ok := certainOf(unknown); ok {
		return true, t.matched(id, c.id, report)
	}
	return false, nil
}

// certainOf says which of several attempts of unknown outcome, newest first, a
// report must be about; ok is false where it may be one as well as another. Of
// those that one end of a process left open, a line had handed over the oldest
// first, and went on only when that was accepted.
func certainOf(unknown []candidate) (c candidate, ok bool) {
	if len(unknown) == 0 {
		return candidate{}, false
	}
	newest, oldest := unknown[0], unknown[len(unknown)-1]
	return oldest, newest.ended == oldest.ended
}

func (t *tx) matched(id, attempt int64, report pdu.StatusReport) error {
	a, err := scanAttempt(t.row(attemptQuery, attempt))
	if err != nil {
		return err
	}
	r, err := t.load(a.seq)
	if err != nil {
		return err
	}
	var found string
	if a.outcome == sms.Ambiguous {
		if found, err = t.foundAccepted(a, r, report.Reference); err != nil {
			return err
		}
	}
	return t.count(id, a, r, report, found)
}

// foundAccepted settles an attempt of unknown outcome by a report on it: the
// network has it. The part follows from the status.
func (t *tx) foundAccepted(a attempt, r *record, mr byte) (string, error) {
	_, err := t.exec(`UPDATE attempt SET outcome = 'accepted', mr = ?, detail = 'shown by a status report', ended = ? WHERE id = ?`,
		mr, millis(t.now), a.id)
	if err != nil {
		return "", err
	}
	certain, err := t.certain(r)
	return "; so the network had accepted it" + certain, err
}

// count lets a report on an attempt count for its part and message.
func (t *tx) count(id int64, a attempt, r *record, report pdu.StatusReport, found string) error {
	if _, err := t.exec(`UPDATE report SET attempt = ? WHERE id = ?`, a.id, id); err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE attempt SET status = ? WHERE id = ?`, report.Status, a.id); err != nil {
		return err
	}
	detail := fmt.Sprintf("%s: reference %d: %s%s", r.hop(a), report.Reference, report.Status, found)
	if err := t.note(r, "report", detail); err != nil {
		return err
	}
	p := r.part(a.part)
	decides, err := t.decides(a, p, report.Status)
	if err != nil {
		return err
	}
	if !decides {
		return t.save(r)
	}
	p.ApplyStatus(report.Status, a.sim, report.Reference)
	return t.advance(r, a)
}

// decides reports whether the status of one attempt says what became of the
// part, which may have left more than once.
func (t *tx) decides(a attempt, p *sms.Part, st pdu.Status) (bool, error) {
	switch {
	case p.State == sms.Delivered:
		return false, nil
	case st.Class() == pdu.StatusDelivered:
		return true, nil
	case p.State == sms.Failed:
		return false, nil
	case st.Class() == pdu.StatusTrying:
		return p.State != sms.Sent, nil
	}
	// A failure is that of the part when no other copy may still arrive.
	other, err := scalar[bool](t.row(`SELECT EXISTS (SELECT 1 FROM attempt WHERE message = ? AND part = ? AND id <> ?
		AND NOT obsolete AND (outcome = 'open' OR outcome = 'accepted' AND coalesce(status, 0) < 0x40))`,
		a.seq, a.part, a.id))
	return !other, err
}

// overtaking is how much earlier than its hand-over, by the clock, a report
// can have come: the two are stamped in different places.
const overtaking = 5 * time.Second

const keptQuery = `SELECT id, tpdu FROM report INDEXED BY report_unmatched
	WHERE attempt IS NULL AND sim = ? AND mr = ? AND received >= ? ORDER BY received, id`

// matchKept looks for reports that came before the TP-MR of their part was
// known.
func (t *tx) matchKept(a attempt, r *record, o sms.Outcome) error {
	if o.Kind != sms.Accepted || a.obsolete {
		return nil
	}
	kept, err := all(t, scanKept, keptQuery, a.sim, o.MR, millis(a.started.Add(-overtaking)))
	if err != nil {
		return err
	}
	for _, k := range kept {
		report, _, err := pdu.ParseStatusReport(k.tpdu)
		if err != nil || report.ForCommand || !r.msg.To.Matches(report.Recipient.Value) {
			continue
		}
		if err := t.count(k.id, a, r, report, ""); err != nil {
			return err
		}
	}
	return nil
}

type keptReport struct {
	id   int64
	tpdu []byte
}

func scanKept(s scanner) (k keptReport, err error) {
	err = s.Scan(&k.id, &k.tpdu)
	return k, err
}

// Receive stores a message from a handset, see [queue.Store].
func (s *Store) Receive(ctx context.Context, in sms.Inbound) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO inbound (sim, modem, tpdu, sender, text, received) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (sim, tpdu) DO NOTHING`, in.SIM, in.Modem, in.TPDU, in.From, in.Text, millis(in.Received))
		return err
	})
}
