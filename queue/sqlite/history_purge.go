package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"cellpost/sms"
)

// purge removes what is not kept any more. It returns how many messages, messages
// from handsets and events that were.
func (s *Store) purge(ctx context.Context, h horizons, r sms.Retention) (purged int, err error) {
	if purged, err = s.purgeMonths(ctx, r, h.now); err != nil {
		return purged, err
	}
	// The newest row stays: SQLite numbers on from it.
	for _, c := range []struct {
		query string
		args  []any
		count bool
	}{
		{`DELETE FROM inbound WHERE id IN (SELECT id FROM inbound WHERE id <= ? AND id < (SELECT max(id) FROM inbound) AND due IS NULL LIMIT 10)`,
			[]any{h.keep.inbound}, true},
		{`DELETE FROM event WHERE id IN (SELECT id FROM event WHERE id <= ? AND id < (SELECT max(id) FROM event) AND state <> 'waiting' LIMIT 10)`,
			[]any{h.keep.event}, true},
		{`DELETE FROM batch WHERE id IN (SELECT id FROM batch WHERE last BETWEEN 1 AND ? LIMIT 10)`, []any{h.keep.message}, false},
		// A report that nothing was found for is about nothing that is still to come.
		{keptPurge, []any{millis(h.now.Add(-sms.LiveFor)), millis(h.now.Add(day))}, false},
		{conversationPurge, []any{millis(h.now.Add(-keptFor(sms.ConversationLife, r)))}, false},
		{audiencePurge, []any{millis(h.now.Add(-keptFor(audienceLife, r)))}, false},
		{`DELETE FROM leftout WHERE recipient IN (SELECT recipient FROM leftout WHERE due < ? LIMIT 10)`, []any{millis(h.now.Add(-day))}, false},
		{referencePurge, []any{millis(h.now.Add(-keptFor(referenceLife, r)))}, false},
		{`UPDATE ledger SET received = ?1 WHERE (sim, fingerprint) IN (SELECT sim, fingerprint FROM ledger INDEXED BY ledger_by_time
			WHERE received < ?2 LIMIT 10)`, []any{millis(h.now), millis(soundSince)}, false},
		{`UPDATE ledger SET received = ?1 WHERE (sim, fingerprint) IN (SELECT sim, fingerprint FROM ledger INDEXED BY ledger_by_time
			WHERE received > ?2 LIMIT 10)`, []any{millis(h.now), millis(h.now.Add(day))}, false},
		{`DELETE FROM ledger WHERE (sim, fingerprint) IN (SELECT sim, fingerprint FROM ledger INDEXED BY ledger_by_time
			WHERE received < ? LIMIT 10)`, []any{millis(h.now.Add(-ledgerFor))}, false},
	} {
		n, err := s.nibble(ctx, func(t *tx, _ int) (int, error) {
			n, err := t.exec(c.query, c.args...)
			return int(n), err
		})
		if err != nil {
			return purged, err
		}
		if c.count {
			purged += n
		}
	}
	return purged, nil
}

// referencePurge removes references by their age: with them are the numbers that
// they were given for.
const referencePurge = `DELETE FROM reference WHERE (sim, recipient) IN
	(SELECT sim, recipient FROM reference INDEXED BY reference_by_age WHERE used < ? LIMIT 10)`

// audiencePurge removes the addresses of those who hear.
const audiencePurge = `DELETE FROM audience WHERE id IN (SELECT id FROM audience INDEXED BY audience_by_time WHERE created < ? LIMIT 10)`

// audienceLife is longer than any message waits and is waited for.
const audienceLife = 30 * day

// keptFor is how long what has a number or an address is kept, at most.
func keptFor(life time.Duration, r sms.Retention) time.Duration {
	if r.Anonymise > 0 {
		return min(life, max(r.Anonymise, sms.LiveFor))
	}
	return life
}

// keptPurge removes kept reports SIM by SIM, in the order of their index.
const keptPurge = `DELETE FROM report WHERE id IN (SELECT id FROM report INDEXED BY report_kept
	WHERE attempt IS NULL AND (received <= ? OR received > ?) LIMIT 10)`

// purgeMonths removes the months that are not kept any more. DROP TABLE reads all
// of a table before it is done, so the rows go before, a few at a time.
func (s *Store) purgeMonths(ctx context.Context, r sms.Retention, now time.Time) (purged int, err error) {
	months, err := s.months(ctx)
	if err != nil {
		return 0, err
	}
	for _, month := range months {
		begins, err := time.Parse(monthLayout, month)
		if err != nil || !r.Purged(begins, now) {
			continue // history_2026_13 is none of ours
		}
		n, err := s.nibble(ctx, func(t *tx, _ int) (int, error) {
			n, err := t.exec(`DELETE FROM ` + month + ` WHERE seq IN (SELECT seq FROM ` + month + ` ORDER BY seq LIMIT 50)`)
			return int(n), err
		})
		purged += n
		if err != nil {
			return purged, err
		}
		if err := s.write(ctx, func(t *tx) error {
			t.forget(month)
			_, err := t.conn.ExecContext(background, `DROP TABLE `+month)
			return err
		}); err != nil {
			return purged, err
		}
	}
	return purged, nil
}

// anonymise takes numbers and texts out of what is old enough, and returns of how
// many messages, messages from handsets and events.
func (s *Store) anonymise(ctx context.Context, h horizons, r sms.Retention, p *packer) (done int, err error) {
	if r.Anonymise == 0 {
		return 0, nil
	}
	months, err := s.months(ctx)
	if err != nil {
		return 0, err
	}
	for _, month := range months {
		n, err := s.anonymiseMonth(ctx, month, h, r, p)
		if done += n; err != nil {
			return done, err
		}
	}
	live := func(t *tx, h horizons) (int, error) { return t.anonymiseLive(h, r) }
	for _, do := range []func(*tx, horizons) (int, error){live, (*tx).anonymiseInbound, (*tx).anonymiseEvent} {
		n, err := s.nibble(ctx, func(t *tx, _ int) (int, error) { return do(t, h) })
		if done += n; err != nil {
			return done, err
		}
	}
	return done, nil
}

// row is a message of the history that is to have another body.
type row struct {
	seq  int64
	body []byte
}

func scanRow(s scanner) (r row, err error) {
	err = s.Scan(&r.seq, &r.body)
	return r, err
}

// namedQuery finds what is still named in a month and ended before a time, or by
// a clock that was ahead.
func namedQuery(month string) string {
	return `SELECT seq, body FROM ` + month + ` INDEXED BY ` + month + `_named
		WHERE named AND seq > ? AND seq <= ? AND (ended <= ? OR ended > ?) ORDER BY seq LIMIT ?`
}

func (s *Store) anonymiseMonth(ctx context.Context, month string, h horizons, r sms.Retention, p *packer) (done int, err error) {
	for after := int64(0); ; {
		var list []row
		err := s.snapshot(ctx, func(tx *sql.Tx) (err error) {
			list, err = readAll(ctx, tx, scanRow, namedQuery(month), after, h.anonymise.message,
				millis(h.now.Add(-r.Anonymise)), millis(h.now), readMost)
			return err
		})
		if err != nil || len(list) == 0 {
			return done, err
		}
		for i := range list {
			after = list[i].seq
			m, err := p.unpack(list[i].body)
			if err != nil {
				return done, err
			}
			m.Message.Anonymise(m.Timeline)
			if list[i].body, err = p.pack(m); err != nil {
				return done, err
			}
		}
		n, err := s.nibble(ctx, func(t *tx, done int) (int, error) {
			if done == len(list) {
				return 0, nil
			}
			_, err := t.exec(`UPDATE `+month+` SET body = ?, named = 0 WHERE seq = ?`, list[done].body, list[done].seq)
			return 1, err
		})
		if done += n; err != nil {
			return done, err
		}
	}
}

// namedLiveQuery finds what is over and stays all the same, see [Store.retire].
const namedLiveQuery = `SELECT ` + messageColumns + ` FROM message WHERE seq <= ? AND review IS NULL
	AND state IN ('sent', 'delivered', 'failed', 'expired', 'cancelled') AND recipient NOT LIKE '*%' ORDER BY seq LIMIT ?`

// anonymiseLive does so with a message that is over and not in the history.
func (t *tx) anonymiseLive(h horizons, r sms.Retention) (int, error) {
	list, err := all(t, scanMessage, namedLiveQuery, h.anonymise.message, readMost)
	if err != nil {
		return 0, err
	}
	for _, rec := range list {
		if rec.msg.Over(h.now) && r.Bygone(rec.msg.Updated, h.now) {
			return 1, t.anonymiseMessage(rec)
		}
	}
	return 0, nil
}

func (t *tx) anonymiseMessage(r *record) error {
	m := &r.msg
	m.Anonymise(nil)
	for _, c := range []struct {
		query string
		args  []any
	}{
		{`UPDATE message SET recipient = ?, text = ?, why = ?, report_then = ? WHERE seq = ?`, []any{m.To, m.Text, m.Why, m.Again.To, r.seq}},
		{`UPDATE part SET tpdu = x'' WHERE message = ?`, []any{r.seq}},
		{`DELETE FROM report WHERE attempt IN (SELECT id FROM attempt WHERE message = ?)`, []any{r.seq}},
	} {
		if _, err := t.exec(c.query, c.args...); err != nil {
			return err
		}
	}
	for _, c := range [][2]string{
		{`SELECT n, detail FROM timeline WHERE message = ?`, `UPDATE timeline SET detail = ? WHERE message = ? AND n = ?`},
		{`SELECT id, detail FROM attempt WHERE message = ?`, `UPDATE attempt SET detail = ? WHERE message = ? AND id = ?`},
	} {
		details, err := all(t, scanDetail, c[0], r.seq)
		if err != nil {
			return err
		}
		for _, d := range details {
			if _, err := t.exec(c[1], sms.Scrub(d.text), r.seq, d.id); err != nil {
				return err
			}
		}
	}
	return nil
}

type detail struct {
	id   int64
	text string
}

func scanDetail(s scanner) (d detail, err error) {
	err = s.Scan(&d.id, &d.text)
	return d, err
}

const (
	namedInboundQuery = `SELECT id, sender, detail FROM inbound INDEXED BY inbound_named WHERE named AND due IS NULL AND id <= ? ORDER BY id LIMIT 1`
	namedEventQuery   = `SELECT id, recipient, why FROM event INDEXED BY event_named WHERE named AND state <> 'waiting' AND id <= ? ORDER BY id LIMIT 1`
)

// anonymiseInbound does so with a message from a handset. A part that came later
// would find nothing to be joined to.
func (t *tx) anonymiseInbound(h horizons) (int, error) {
	var id int64
	var sender, words string
	err := t.row(namedInboundQuery, h.anonymise.inbound).Scan(&id, &sender, &words)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if _, err := t.exec(`UPDATE inbound_part SET tpdu = x'' WHERE inbound = ?`, id); err != nil {
		return 0, err
	}
	_, err = t.exec(`UPDATE inbound SET sender = ?, text = '', detail = ?, concat = NULL, named = 0 WHERE id = ?`,
		sms.MaskNumber(sender), sms.Scrub(words), id)
	return 1, err
}

// anonymiseEvent does so with news that was told, or given up.
func (t *tx) anonymiseEvent(h horizons) (int, error) {
	var id int64
	var to, why string
	err := t.row(namedEventQuery, h.anonymise.event).Scan(&id, &to, &why)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	_, err = t.exec(`UPDATE event SET recipient = ?, subject = '', text = '', reply_to = '', parts = NULL, why = ?, named = 0 WHERE id = ?`,
		sms.Scrub(to), sms.Scrub(why), id)
	return 1, err
}
