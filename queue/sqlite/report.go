package sqlite

import (
	"cmp"
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
// stored already (same SIM, same TPDU but for TP-MMS) is taken as done; one that
// cannot be read is kept, unmatched.
func (s *Store) Report(ctx context.Context, in sms.Report) (matched bool, err error) {
	return ask(ctx, s, func(t *tx) (bool, error) {
		report, _, err := pdu.ParseStatusReport(in.TPDU)
		readable := err == nil
		var mr any
		if readable {
			mr = report.Reference
		}
		matched, err := scalar[bool](t.row(storedQuery, in.SIM, in.TPDU, sms.Twin(in.TPDU)))
		if !errors.Is(err, sql.ErrNoRows) {
			return matched, err
		}
		id, err := t.insert(`INSERT INTO report (sim, modem, tpdu, mr, received) VALUES (?, ?, ?, ?, ?)`,
			in.SIM, in.Modem, in.TPDU, mr, millis(in.Received))
		if err != nil {
			return false, err
		}
		if !readable {
			t.log.Warn("status report cannot be read, kept as it came", "modem", in.Modem, "sim", in.SIM)
			return false, nil
		}
		return t.match(id, in.SIM, report)
	})
}

const storedQuery = `SELECT attempt IS NOT NULL FROM report WHERE sim = ?1 AND tpdu = ?2
	UNION ALL SELECT attempt IS NOT NULL FROM report WHERE sim = ?1 AND tpdu = ?3`

// candidate is an attempt that a report may be about, by the number that it
// went to.
type candidate struct {
	id int64
	to sms.Number
	sms.Candidate
}

func scanCandidate(s scanner) (c candidate, err error) {
	err = s.Scan(&c.id, &c.to, &c.Named, &c.Open, &c.Waits, moment{&c.Started}, moment{&c.Ended})
	return c, err
}

// The candidates of a report, newest first. All look back over a bounded number
// of attempts: 200 with one TP-MR are 51,200 hand-overs by that SIM.
const (
	// referenceQuery finds those that got the TP-MR.
	referenceQuery = `SELECT a.id, m.recipient, 1, 0, p.state = 'sent' AND a.copy = 0 OR a.waits, a.started, a.ended FROM (
			SELECT id, message, part, started, ended, copy, copy > 0 AND coalesce(status, 0x20) BETWEEN 0x20 AND 0x3F AS waits FROM attempt INDEXED BY attempt_by_reference
			WHERE sim = ? AND mr = ? AND outcome = 'accepted' AND NOT obsolete ORDER BY id DESC LIMIT 200
		) a JOIN part p ON p.message = a.message AND p.n = a.part JOIN message m ON m.seq = a.message
		WHERE p.state = 'sent' OR a.waits OR m.expires > ? ORDER BY a.id DESC`
	// unknownQuery finds those whose TP-MR is not known, as long as a report on
	// them may come.
	unknownQuery = `SELECT a.id, m.recipient, 0, 0, 1, a.started, a.ended FROM (
			SELECT id, message, started, ended FROM attempt INDEXED BY attempt_unknown
			WHERE sim = ? AND outcome = 'unknown' AND NOT obsolete ORDER BY id DESC LIMIT 1000
		) a JOIN message m ON m.seq = a.message WHERE m.expires > ? ORDER BY a.id DESC`
	// underWayQuery finds those that the SIM is about to get its TP-MR for.
	underWayQuery = `SELECT a.id, m.recipient, 0, 1, 1, a.started, ? FROM attempt a INDEXED BY attempt_open
		JOIN message m ON m.seq = a.message WHERE a.outcome = 'open' AND a.sim = ?`
)

// match finds the attempt that a report is about, by [sms.MatchReport], and lets
// it count.
func (t *tx) match(id int64, sim string, report pdu.StatusReport) (bool, error) {
	if report.ForCommand {
		return false, nil
	}
	list, err := t.candidates(sim, report)
	if err != nil || len(list) == 0 {
		return false, err
	}
	sc, err := t.serviceCentre(sim)
	if err != nil {
		return false, err
	}
	if sc.Sure && !report.Time.IsZero() && report.Time.Add(-sc.Ahead).Before(t.now.Add(-sms.LiveFor)) {
		return false, nil // what it is about is in the history
	}
	may := make([]sms.Candidate, len(list))
	for i, c := range list {
		may[i] = c.Candidate
	}
	i := sms.MatchReport(may, report.Time, sc)
	if i < 0 {
		return false, nil
	}
	return true, t.matched(id, list[i].id, report)
}

func (t *tx) candidates(sim string, report pdu.StatusReport) ([]candidate, error) {
	reportable := millis(t.now.Add(-sms.ReportGrace))
	named, err := all(t, scanCandidate, referenceQuery, sim, report.Reference, reportable)
	if err != nil {
		return nil, err
	}
	unknown, err := all(t, scanCandidate, unknownQuery, sim, reportable)
	if err != nil {
		return nil, err
	}
	underWay, err := all(t, scanCandidate, underWayQuery, millis(t.now), sim)
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(slices.Concat(named, unknown, underWay), func(c candidate) bool {
		return !c.to.Matches(report.Recipient.Value)
	})
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Compare(b.id, a.id) })
	return list, nil
}

const (
	clockReports = 9
	clockQuery   = `SELECT r.tpdu, a.ended FROM report r INDEXED BY report_matched JOIN attempt a ON a.id = r.attempt
		WHERE r.sim = ? AND r.attempt IS NOT NULL ORDER BY r.id DESC LIMIT ?`
)

// serviceCentre returns the clock of a SIM's service centre, as the newest
// reports that matched show it; too few, and it is as earlier ones had shown.
func (t *tx) serviceCentre(sim string) (sms.ServiceCentre, error) {
	list, err := all(t, scanStamp, clockQuery, sim, clockReports)
	if err != nil {
		return sms.ServiceCentre{}, err
	}
	var later []time.Duration
	for _, s := range list {
		if report, _, err := pdu.ParseStatusReport(s.tpdu); err == nil && !report.Time.IsZero() {
			later = append(later, report.Time.Sub(s.ended))
		}
	}
	if sc := sms.NewServiceCentre(later); sc.Sure {
		return sc, nil
	}
	ahead, err := scalar[int64](t.row(`SELECT ahead FROM centre WHERE sim = ?`, sim))
	if errors.Is(err, sql.ErrNoRows) {
		return sms.NewServiceCentre(later), nil
	}
	return sms.ServiceCentre{Ahead: time.Duration(ahead) * time.Millisecond, Sure: true}, err
}

// stamp is a report with the end of the hand-over that it was about.
type stamp struct {
	tpdu  []byte
	ended time.Time
}

func scanStamp(s scanner) (st stamp, err error) {
	err = s.Scan(&st.tpdu, moment{&st.ended})
	return st, err
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
	_, err := t.exec(`UPDATE attempt SET outcome = 'accepted', mr = ?, detail = 'shown by a status report' WHERE id = ?`, mr, a.id)
	if err != nil {
		return "", err
	}
	t.total(totalCleared, 1)
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
	if a.copy > 0 {
		return t.countCopy(a, r, report)
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
	hope, err := t.otherStatus(a)
	return !hope.Valid || hope.V >= failing, err
}

// failing is the least TP-ST that says a part will not arrive. 3GPP TS 23.040, 9.2.3.15.
const failing = 0x40

// otherStatus is the least TP-ST of the other hand-overs of a part that may have arrived, or
// may yet: 0 where no report on one has come, nothing where there is none. A failure is
// that of the part when no other copy may still arrive.
func (t *tx) otherStatus(a attempt) (sql.Null[int64], error) {
	return scalar[sql.Null[int64]](t.row(`SELECT min(coalesce(status, 0)) FROM attempt
		WHERE message = ? AND part = ? AND id <> ? AND NOT obsolete AND outcome IN ('open', 'accepted')`, a.seq, a.part, a.id))
}

// overtaking is how much earlier than its hand-over, by the clock, a report
// can have come: the two are stamped in different places.
const overtaking = 5 * time.Second

const keptQuery = `SELECT id, tpdu FROM report INDEXED BY report_kept
	WHERE attempt IS NULL AND sim = ? AND received >= ? ORDER BY received, id`

// matchKept looks again at the reports that came before it was known how a
// hand-over ended. It returns the message anew, for they may have changed it;
// the caller has saved it.
func (t *tx) matchKept(a attempt, r *record) (*record, error) {
	kept, err := all(t, scanKept, keptQuery, a.sim, millis(a.started.Add(-overtaking)))
	if err != nil {
		return nil, err
	}
	some := false
	for _, k := range kept {
		report, _, err := pdu.ParseStatusReport(k.tpdu)
		if err != nil || !r.msg.To.Matches(report.Recipient.Value) {
			continue
		}
		matched, err := t.match(k.id, a.sim, report)
		if err != nil {
			return nil, err
		}
		some = some || matched
	}
	if !some {
		return r, nil
	}
	return t.load(r.seq)
}

type keptReport struct {
	id   int64
	tpdu []byte
}

func scanKept(s scanner) (k keptReport, err error) {
	err = s.Scan(&k.id, &k.tpdu)
	return k, err
}
