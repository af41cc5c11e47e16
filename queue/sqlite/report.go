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
	id   int64
	to   sms.Number
	open bool // its part waits for a report
}

func scanCandidate(s scanner) (c candidate, err error) {
	err = s.Scan(&c.id, &c.to, &c.open)
	return c, err
}

// The candidates of a report, newest first. All look back over a bounded number
// of attempts: 200 with one TP-MR are 51,200 hand-overs by that SIM.
const (
	// referenceQuery finds those that got the TP-MR.
	referenceQuery = `SELECT a.id, m.recipient, p.state = 'sent' FROM (
			SELECT id, message, part FROM attempt INDEXED BY attempt_by_reference
			WHERE sim = ? AND mr = ? AND outcome = 'accepted' AND NOT obsolete ORDER BY id DESC LIMIT 200
		) a JOIN part p ON p.message = a.message AND p.n = a.part JOIN message m ON m.seq = a.message
		WHERE p.state = 'sent' OR m.expires > ? ORDER BY a.id DESC`
	// unknownQuery finds those whose TP-MR is not known, as long as a report on
	// them may come.
	unknownQuery = `SELECT a.id, m.recipient, 1 FROM (
			SELECT id, message FROM attempt INDEXED BY attempt_unknown
			WHERE sim = ? AND outcome = 'unknown' AND NOT obsolete ORDER BY id DESC LIMIT 1000
		) a JOIN message m ON m.seq = a.message WHERE m.expires > ? ORDER BY a.id DESC`
	// underWayQuery finds those that the SIM is about to get its TP-MR for.
	underWayQuery = `SELECT a.id, m.recipient, 1 FROM attempt a INDEXED BY attempt_open
		JOIN message m ON m.seq = a.message WHERE a.outcome = 'open' AND a.sim = ?`
)

// match finds the attempt that a report is about, and lets it count. What has
// the TP-MR and the number is meant. Else it is about one whose TP-MR is not
// known, but only if nothing else can be meant: taken for the wrong one, a report
// would lose a message. What is under way may be meant as well, for reports
// overtake results; then its end decides.
func (t *tx) match(id int64, sim string, report pdu.StatusReport) (bool, error) {
	if report.ForCommand {
		return false, nil
	}
	to := func(query string, args ...any) ([]candidate, error) {
		list, err := all(t, scanCandidate, query, args...)
		return slices.DeleteFunc(list, func(c candidate) bool { return !c.to.Matches(report.Recipient.Value) }), err
	}
	reportable := millis(t.now.Add(-sms.ReportGrace))
	named, err := to(referenceQuery, sim, report.Reference, reportable)
	if err != nil {
		return false, err
	}
	if len(named) > 0 {
		i := max(0, slices.IndexFunc(named, func(c candidate) bool { return c.open }))
		return true, t.matched(id, named[i].id, report)
	}
	unknown, err := to(unknownQuery, sim, reportable)
	if err != nil {
		return false, err
	}
	underWay, err := to(underWayQuery, sim)
	if err != nil || len(unknown) != 1 || len(underWay) > 0 {
		return false, err
	}
	return true, t.matched(id, unknown[0].id, report)
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

const (
	keptQuery = `SELECT id, tpdu FROM report INDEXED BY report_unmatched
		WHERE attempt IS NULL AND sim = ? AND mr = ? AND received >= ? ORDER BY received, id`
	keptByAnyQuery = `SELECT id, tpdu FROM report INDEXED BY report_unmatched
		WHERE attempt IS NULL AND sim = ? AND received >= ?`
)

// matchKept looks for reports that came before it was known how their hand-over
// ended: with a TP-MR, or not at all.
func (t *tx) matchKept(a attempt, r *record, o sms.Outcome) error {
	if a.obsolete {
		return nil
	}
	since := millis(a.started.Add(-overtaking))
	switch {
	case o.Kind == sms.Accepted && !o.NoMR:
		return t.eachKept(r, func(id int64, report pdu.StatusReport) error {
			return t.count(id, a, r, report, "")
		}, keptQuery, a.sim, o.MR, since)
	case o.Kind == sms.Ambiguous:
		return t.eachKept(r, func(id int64, report pdu.StatusReport) error {
			_, err := t.match(id, a.sim, report)
			return err
		}, keptByAnyQuery, a.sim, since)
	}
	return nil
}

// eachKept goes through the kept reports of a query that are about the number of
// a message.
func (t *tx) eachKept(r *record, f func(id int64, report pdu.StatusReport) error, query string, args ...any) error {
	kept, err := all(t, scanKept, query, args...)
	if err != nil {
		return err
	}
	for _, k := range kept {
		report, _, err := pdu.ParseStatusReport(k.tpdu)
		if err != nil || report.ForCommand || !r.msg.To.Matches(report.Recipient.Value) {
			continue
		}
		if err := f(k.id, report); err != nil {
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
