package sqlite

import (
	"database/sql"
	"errors"
	"time"
)

// referenceLife is how long it is kept which reference a number got last: longer
// than a handset waits for parts, and than a service centre holds them.
const referenceLife = 30 * 24 * time.Hour

// referenceSkip is how many references a number may have got since a copy of the
// database was made, for none of them to come again too soon: a fifth of all there are,
// for the same copy may be restored several times.
const referenceSkip = 51

const (
	givenQuery = `SELECT concat FROM attempt
		WHERE message = ? AND sim = ? AND NOT obsolete AND copy = 0 AND concat IS NOT NULL LIMIT 1`
	// forgetQuery has two that are old make room for one that is new.
	forgetQuery = `DELETE FROM reference WHERE (sim, recipient) IN
		(SELECT sim, recipient FROM reference INDEXED BY reference_by_age WHERE used < ? ORDER BY used LIMIT 2)`
	nextQuery = `INSERT INTO reference (sim, recipient, last, used) VALUES (?, ?, ? & 255, ?)
		ON CONFLICT (sim, recipient) DO UPDATE SET last = last + 1 & 255, used = excluded.used RETURNING last`
)

// reference returns the concatenation reference that a message of several parts
// leaves with by a SIM: the one that it has there already, or the SIM's next for
// the number. A message of one part has none.
func (t *tx) reference(r *record, sim string) (ref sql.Null[uint16], err error) {
	if len(r.msg.Parts) == 1 {
		return ref, nil
	}
	ref, err = scalar[sql.Null[uint16]](t.row(givenQuery, r.seq, sim))
	if !errors.Is(err, sql.ErrNoRows) {
		return ref, err
	}
	if _, err := t.exec(forgetQuery, millis(t.now.Add(-referenceLife))); err != nil {
		return ref, err
	}
	return scalar[sql.Null[uint16]](t.row(nextQuery, sim, r.msg.To, r.seq, millis(t.now)))
}
