package sqlite

import (
	"cmp"
	"context"

	"cellpost/sms"
)

// Card names a SIM that is seen in a slot, see [queue.Store].
func (s *Store) Card(ctx context.Context, here sms.Card, busy []string) (name, warning string, err error) {
	err = s.write(ctx, func(t *tx) error {
		here.At = cmp.Or(here.At, t.now)
		known, err := all(t, scanCard, cardsQuery)
		if err != nil {
			return err
		}
		var c sms.Card
		c, warning = sms.NameCard(known, here, busy)
		name = c.Name
		if c.ICCID == "" && c.IMSI == "" {
			return nil
		}
		return t.saveCard(c)
	})
	return name, warning, err
}

// Cards returns the SIMs that have been seen, the first first.
func (r *Reader) Cards(ctx context.Context) ([]sms.Card, error) {
	rows, err := r.db.QueryContext(ctx, cardsQuery)
	if err != nil {
		return nil, err
	}
	return collect(rows, scanCard)
}

const cardsQuery = `SELECT id, iccid, imsi, number, name, makeshift, modem, slot, configured, seen FROM card ORDER BY id`

func scanCard(s scanner) (c sms.Card, err error) {
	err = s.Scan(&c.ID, &c.ICCID, &c.IMSI, &c.Number, &c.Name, &c.Makeshift, &c.Modem, &c.Slot, &c.Configured, moment{&c.At})
	return c, err
}

// saveCard writes where a SIM is and what it is called. Another that was there
// is not any more, and another that was called so is not either.
func (t *tx) saveCard(c sms.Card) error {
	if _, err := t.exec(`UPDATE card SET modem = '' WHERE modem = ? AND slot = ? AND id <> ?`, c.Modem, c.Slot, c.ID); err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE card SET name = '' WHERE name = ? AND id <> ?`, c.Name, c.ID); err != nil {
		return err
	}
	var id any // a new one
	if c.ID != 0 {
		id = c.ID
	}
	_, err := t.exec(`INSERT INTO card (id, iccid, imsi, number, name, makeshift, modem, slot, configured, seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET iccid = excluded.iccid, imsi = excluded.imsi, number = excluded.number, name = excluded.name, makeshift = excluded.makeshift,
		modem = excluded.modem, slot = excluded.slot, configured = excluded.configured, seen = excluded.seen`,
		id, c.ICCID, c.IMSI, c.Number, c.Name, c.Makeshift, c.Modem, c.Slot, c.Configured, millis(c.At))
	return err
}
