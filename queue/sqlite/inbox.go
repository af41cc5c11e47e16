package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cellpost/pdu"
	"cellpost/sms"
)

// Receive stores a message from a handset, or a part of one, see [queue.Store].
func (s *Store) Receive(ctx context.Context, in sms.Inbound) (fresh bool, due time.Time, err error) {
	err = s.write(ctx, func(t *tx) (err error) {
		fresh, due, err = t.receive(in)
		return err
	})
	return fresh && err == nil, due, err
}

func (t *tx) receive(in sms.Inbound) (fresh bool, due time.Time, err error) {
	in.Received = cmp.Or(in.Received, t.now)
	fresh, err = t.ledger(in)
	if err != nil || !fresh {
		return false, time.Time{}, err
	}
	part, ok := in.Fragment()
	if !ok {
		return true, time.Time{}, t.receiveWhole(in)
	}
	return t.receivePart(in, part)
}

// ledger writes down that a TPDU has come; fresh is false when it had before. The
// date of one that comes again, because it cannot be deleted, is that of today.
func (t *tx) ledger(in sms.Inbound) (fresh bool, err error) {
	fingerprint := sms.Fingerprint(in.TPDU)
	d, _, _ := pdu.ParseDeliver(in.TPDU) // no date when it cannot be read
	n, err := t.exec(`INSERT INTO ledger (sim, fingerprint, scts, received) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		in.SIM, fingerprint[:], millis(d.Time), millis(in.Received))
	if err != nil || n > 0 {
		return n > 0, err
	}
	_, err = t.exec(`UPDATE ledger SET received = ?3 WHERE sim = ?1 AND fingerprint = ?2 AND abs(?3 - received) > ?4`,
		in.SIM, fingerprint[:], millis(in.Received), day.Milliseconds())
	return false, err
}

// receiveWhole stores a message that has one part.
func (t *tx) receiveWhole(in sms.Inbound) error {
	id, err := t.insertInbound(in, nil)
	if err != nil {
		return err
	}
	if err := t.insertPart(id, 1, in); err != nil {
		return err
	}
	return t.handOver(id, sms.Read([][]byte{in.TPDU}))
}

// receivePart puts a part to the others of its message.
func (t *tx) receivePart(in sms.Inbound, part pdu.Fragment) (fresh bool, due time.Time, err error) {
	concat := concatKey(part.Key())
	m, err := t.newestWith(in.SIM, concat)
	if err != nil {
		return false, time.Time{}, err
	}
	fit, due := t.rules.Join(part, m.fragments(), t.now)
	if fit == pdu.FitDuplicate {
		return false, time.Time{}, nil
	}
	if m.id == 0 || fit == pdu.FitOther {
		m = joining{waits: true}
		if m.id, err = t.insertInbound(in, concat); err != nil {
			return false, time.Time{}, err
		}
	}
	if err := t.insertPart(m.id, int(part.Concat.Seq), in); err != nil {
		return false, time.Time{}, err
	}
	m.parts = append(m.parts, in)
	if _, err := t.exec(`UPDATE inbound SET received = max(received, ?) WHERE id = ?`, millis(in.Received), m.id); err != nil {
		return false, time.Time{}, err
	}
	reading := sms.Read(m.tpdus())
	if !due.IsZero() && m.waits {
		if _, err := t.exec(`UPDATE inbound SET due = ? WHERE id = ?`, millis(due), m.id); err != nil {
			return false, time.Time{}, err
		}
		return true, due, t.writeReading(m.id, reading)
	}
	return true, time.Time{}, t.handOver(m.id, reading)
}

// concatKey is what the parts of a message on one SIM have in common.
func concatKey(k pdu.FragmentKey) string {
	o := k.Originator
	return fmt.Sprintf("%d/%d of %d, %d/%d %s", k.Reference, k.Bits, k.Total, o.TON, o.NPI, o.Value)
}

// joining is a message as its parts come in.
type joining struct {
	id    int64
	waits bool // it has not been handed over
	parts []sms.Inbound
}

const newestWithQuery = `SELECT id, due IS NOT NULL FROM inbound INDEXED BY inbound_by_concat
	WHERE sim = ? AND concat = ? ORDER BY id DESC LIMIT 1`

// newestWith returns the message that a part may belong to; its id is 0 when
// there is none.
func (t *tx) newestWith(sim, concat string) (m joining, err error) {
	err = t.row(newestWithQuery, sim, concat).Scan(&m.id, &m.waits)
	if errors.Is(err, sql.ErrNoRows) {
		return joining{}, nil
	}
	if err != nil {
		return joining{}, err
	}
	m.parts, err = all(t, func(s scanner) (in sms.Inbound, err error) {
		in.SIM = sim
		err = s.Scan(&in.TPDU, moment{&in.Received})
		return in, err
	}, inboundPartsQuery, m.id)
	return m, err
}

const inboundPartsQuery = `SELECT tpdu, received FROM inbound_part WHERE inbound = ? ORDER BY n`

func (m joining) fragments() []pdu.Fragment {
	var list []pdu.Fragment
	for _, p := range m.parts {
		if f, ok := p.Fragment(); ok {
			list = append(list, f)
		}
	}
	return list
}

func (m joining) tpdus() [][]byte {
	var list [][]byte
	for _, p := range m.parts {
		list = append(list, p.TPDU)
	}
	return list
}

// insertInbound makes a row that a reading is written into before the
// transaction ends. concat is nil for a message of one part.
func (t *tx) insertInbound(in sms.Inbound, concat any) (int64, error) {
	return t.insert(`INSERT INTO inbound (sim, modem, received, concat, sender, text, kind, detail, pid, parts, missing)
		VALUES (?, ?, ?, ?, '', '', 'unreadable', '', 0, 1, '')`, in.SIM, in.Modem, millis(in.Received), concat)
}

func (t *tx) insertPart(id int64, n int, in sms.Inbound) error {
	_, err := t.exec(`INSERT INTO inbound_part (inbound, n, tpdu, received) VALUES (?, ?, ?, ?)`, id, n, in.TPDU, millis(in.Received))
	return err
}

func (t *tx) writeReading(id int64, r sms.Inbound) error {
	missing := strings.Trim(fmt.Sprint(r.Missing), "[]")
	_, err := t.exec(`UPDATE inbound SET sender = ?, text = ?, kind = ?, detail = ?, pid = ?, parts = ?, missing = ?, scts = ? WHERE id = ?`,
		r.From, r.Text, r.Kind, r.Detail, r.PID, r.Parts, missing, millis(r.Sent), id)
	return err
}

// handOver puts a message into the inbox, or what is known of it by now.
func (t *tx) handOver(id int64, r sms.Inbound) error {
	if err := t.writeReading(id, r); err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE inbound SET due = NULL WHERE id = ?`, id); err != nil {
		return err
	}
	if err := t.tellInbound(id, r); err != nil || !r.Replaces() {
		return err
	}
	return t.replace(id, r)
}

const (
	replacedQuery = `UPDATE inbound INDEXED BY inbound_current SET replaced_by = ?
		WHERE sim = ? AND sender = ? AND pid = ? AND pid BETWEEN 65 AND 71 AND replaced_by IS NULL AND due IS NULL AND id <> ?`
	newerQuery = `SELECT id FROM inbound INDEXED BY inbound_current
		WHERE sim = ? AND sender = ? AND pid = ? AND pid BETWEEN 65 AND 71 AND replaced_by IS NULL AND due IS NULL AND scts > ?`
)

// replace lets a message take the place of the earlier one like it; or gives it
// up, where the service centre has sent a newer one, which came first.
func (t *tx) replace(id int64, r sms.Inbound) error {
	sim, err := scalar[string](t.row(`SELECT sim FROM inbound WHERE id = ?`, id))
	if err != nil {
		return err
	}
	newer, err := scalar[int64](t.row(newerQuery, sim, r.From, r.PID, millis(r.Sent)))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		_, err = t.exec(replacedQuery, id, sim, r.From, r.PID, id)
	case err == nil:
		_, err = t.exec(`UPDATE inbound SET replaced_by = ? WHERE id = ?`, newer, id)
	}
	return err
}

const incompleteQuery = `SELECT id FROM inbound INDEXED BY inbound_due WHERE due <= ? ORDER BY due LIMIT ?`

// incomplete hands over messages whose wait for parts is over. Their readings
// name what is missing already.
func (t *tx) incomplete() error {
	list, err := all(t, scalar[int64], incompleteQuery, millis(t.now), maxOverdue)
	if err != nil {
		return err
	}
	for _, id := range list {
		tpdus, err := all(t, scalar[[]byte], `SELECT tpdu FROM inbound_part WHERE inbound = ? ORDER BY n`, id)
		if err != nil {
			return err
		}
		if err := t.handOver(id, sms.Read(tpdus)); err != nil {
			return err
		}
	}
	return nil
}

// adopt takes in the messages of releases before version 3, as if they came
// now, one after the other.
func (s *Store) adopt() error {
	var some bool
	err := s.Reader.db.QueryRow(`SELECT EXISTS (SELECT 1 FROM inbound_before_3)`).Scan(&some)
	if err != nil || !some {
		return err
	}
	return s.write(background, func(t *tx) error {
		old, err := all(t, func(s scanner) (in sms.Inbound, err error) {
			err = s.Scan(&in.SIM, &in.Modem, &in.TPDU, moment{&in.Received})
			return in, err
		}, `SELECT sim, modem, tpdu, received FROM inbound_before_3 ORDER BY id`)
		if err != nil {
			return err
		}
		for _, in := range old {
			if _, _, err := t.receive(in); err != nil {
				return err
			}
		}
		_, err = t.exec(`DELETE FROM inbound_before_3`)
		return err
	})
}

const inboxQuery = `SELECT id, sim, modem, received, sender, text, kind, detail, pid, parts, missing, scts, coalesce(replaced_by, 0),
	(SELECT tpdu FROM inbound_part WHERE inbound = id ORDER BY n LIMIT 1)
	FROM inbound INDEXED BY inbound_by_time WHERE due IS NULL ORDER BY received DESC, id DESC LIMIT ?`

// Inbox returns messages from handsets, newest first; limit 0 is 50. Those that
// still wait for parts are not among them.
func (r *Reader) Inbox(ctx context.Context, limit int) ([]sms.Inbound, error) {
	rows, err := r.db.QueryContext(ctx, inboxQuery, cmp.Or(limit, 50))
	if err != nil {
		return nil, err
	}
	return collect(rows, scanInbound)
}

func scanInbound(s scanner) (in sms.Inbound, err error) {
	var missing string
	err = s.Scan(&in.ID, &in.SIM, &in.Modem, moment{&in.Received}, &in.From, &in.Text, &in.Kind, &in.Detail, &in.PID,
		&in.Parts, &missing, moment{&in.Sent}, &in.ReplacedBy, &in.TPDU)
	if err != nil {
		return in, err
	}
	for _, word := range strings.Fields(missing) {
		n, err := strconv.Atoi(word)
		if err != nil {
			return in, fmt.Errorf("missing parts of message %d: %w", in.ID, err)
		}
		in.Missing = append(in.Missing, n)
	}
	return in, nil
}
