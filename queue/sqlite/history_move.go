package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"cellpost/sms"
)

// readMost is how many messages are read at a time to be moved or anonymised:
// half a megabyte of them.
const readMost = 300

// parcel is a message on its way into the history.
type parcel struct {
	record
	month string // table that it goes to
	named bool
	body  []byte
}

// retire moves the messages that are over into the history, and returns how many.
// The newest message stays, and that of the newest attempt: SQLite numbers on
// from them.
func (s *Store) retire(ctx context.Context, h horizons, r sms.Retention, p *packer) (moved int, err error) {
	if err := s.write(ctx, (*tx).keepCentres); err != nil {
		return 0, err
	}
	for after := int64(0); ; {
		list, last, err := s.parcels(ctx, after, h, r, p)
		if err != nil || last == 0 {
			return moved, err
		}
		after = last
		if err := s.makeMonths(ctx, list); err != nil {
			return moved, err
		}
		n, err := s.nibble(ctx, func(t *tx, done int) (int, error) {
			if done == len(list) {
				return 0, nil
			}
			return 1, t.move(list[done])
		})
		if moved += n; err != nil {
			return moved, err
		}
	}
}

// makeMonths makes the tables that messages go to.
func (s *Store) makeMonths(ctx context.Context, list []parcel) error {
	have, err := s.months(ctx)
	if err != nil {
		return err
	}
	for _, p := range list {
		if slices.Contains(have, p.month) {
			continue
		}
		if err := s.write(ctx, func(t *tx) error { return t.newMonth(p.month) }); err != nil {
			return err
		}
		have = append(have, p.month)
	}
	return nil
}

const overQuery = `SELECT ` + messageColumns + ` FROM message WHERE seq > ? AND seq <= ? AND seq < (SELECT max(seq) FROM message)
	AND review IS NULL AND state IN ('sent', 'delivered', 'unknown', 'failed', 'expired', 'cancelled') ORDER BY seq LIMIT ?`

// parcels makes up the next messages that are over, beside the writer. last is the
// last one that was looked at, 0 when there is none.
func (s *Store) parcels(ctx context.Context, after int64, h horizons, r sms.Retention, p *packer) (list []parcel, last int64, err error) {
	err = s.snapshot(ctx, func(tx *sql.Tx) error {
		var newest int64
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM attempt`).Scan(&newest); err != nil {
			return err
		}
		records, err := readAll(ctx, tx, scanMessage, overQuery, after, h.live.message, readMost)
		if err != nil {
			return err
		}
		for _, rec := range records {
			last = rec.seq
			if !rec.msg.Over(h.now) {
				continue
			}
			timeline, err := story(ctx, tx, rec)
			if err != nil {
				return err
			}
			if a := lastAttempt(rec.msg); a > h.live.attempt || a != 0 && a >= newest {
				continue
			}
			made, err := p.parcel(rec, timeline, r, h.now)
			if err != nil {
				return err
			}
			list = append(list, made)
		}
		return nil
	})
	return list, last, err
}

// lastAttempt is 0 where there was none.
func lastAttempt(m sms.Message) (id int64) {
	for _, p := range m.Parts {
		for _, a := range p.Attempts {
			id = max(id, a.ID)
		}
	}
	return id
}

// parcel makes up one message. One that ended by a clock that was wrong goes to the
// month of now: it is kept too long rather than too short.
func (p *packer) parcel(rec *record, timeline []sms.Entry, r sms.Retention, now time.Time) (made parcel, err error) {
	ended := rec.msg.Updated
	if ended.Before(soundSince) || ended.After(now) {
		ended = now
	}
	m := past{rec.msg, timeline}
	made = parcel{record: *rec, month: monthOf(ended), named: !r.Bygone(ended, now)}
	if !made.named {
		m.Message.Parts = slices.Clone(m.Message.Parts)
		m.Message.Anonymise(m.Timeline)
	}
	made.body, err = p.pack(m)
	return made, err
}

const monthLayout = "history_2006_01"

func monthOf(t time.Time) string { return t.UTC().Format(monthLayout) }

// move puts a message into the history, and takes it out of the live tables. It
// stays if something has happened to it since it was read.
func (t *tx) move(p parcel) error {
	m := &p.msg
	same := []any{p.seq, p.notes, millis(m.Updated), m.State}
	if _, err := t.exec(`DELETE FROM report WHERE attempt IN (SELECT a.id FROM message m JOIN attempt a ON a.message = m.seq
		WHERE m.seq = ? AND m.notes = ? AND m.updated = ? AND m.state = ?)`, same...); err != nil {
		return err
	}
	n, err := t.exec(`DELETE FROM message WHERE seq = ? AND notes = ? AND updated = ? AND state = ?`, same...)
	if err != nil || n == 0 {
		return err
	}
	t.stored(m.Account, m.Priority, m.State, -1)
	_, err = t.exec(`INSERT INTO `+p.month+` (seq, id, account, state, ended, named, body) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		p.seq, m.ID[:], m.Account, m.State, millis(m.Updated), p.named, p.body)
	return err
}

// keepCentres writes down what the reports that are there tell of the clocks of
// service centres: the reports go with their messages.
func (t *tx) keepCentres() error {
	for sim, ok := "", true; ; {
		err := t.row(`SELECT coalesce(min(sim), ''), count(*) > 0 FROM (SELECT sim FROM report INDEXED BY report_matched
			WHERE attempt IS NOT NULL AND sim > ? ORDER BY sim LIMIT 1)`, sim).Scan(&sim, &ok)
		if err != nil || !ok {
			return err
		}
		sc, err := t.serviceCentre(sim)
		if err != nil {
			return err
		}
		if !sc.Sure {
			continue
		}
		if _, err := t.exec(`INSERT INTO centre (sim, ahead) VALUES (?1, ?2) ON CONFLICT (sim) DO UPDATE SET ahead = ?2`,
			sim, sc.Ahead.Milliseconds()); err != nil {
			return err
		}
	}
}

// forget closes the statements on a table that is gone.
func (t *tx) forget(table string) {
	for text, stmt := range t.prepared {
		if strings.Contains(text, table) {
			stmt.Close()
			delete(t.prepared, text)
		}
	}
}
