package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"cellpost/pdu"
	"cellpost/sms"
)

// beforeOnceQuery finds what may be an earlier submission of a message, which is
// never older than what the history takes.
const beforeOnceQuery = `SELECT seq, id, lane FROM message INDEXED BY message_by_client
	WHERE account = ? AND client_id = ? AND client_id <> '' AND recipient = ? AND text = ? AND created >= ? ORDER BY seq`

// earlier is a message that was stored before.
type earlier struct {
	seq  int64
	id   sms.ID
	lane sms.Lane
}

// once refuses messages of a batch that were submitted before, with an
// [sms.Repeated] that names them all.
func (t *tx) once(messages []sms.Message) error {
	first := map[sms.ID]sms.ID{}
	for i := range messages {
		m := &messages[i]
		if m.ClientID == "" {
			continue
		}
		id, err := t.submittedBefore(m)
		if err != nil {
			return err
		}
		if !id.IsZero() {
			first[m.ID] = id
		}
	}
	if len(first) > 0 {
		return &sms.Repeated{First: first}
	}
	return nil
}

// submittedBefore returns the first message that is the same; zero when there is
// none.
func (t *tx) submittedBefore(m *sms.Message) (sms.ID, error) {
	list, err := all(t, func(s scanner) (e earlier, err error) {
		err = s.Scan(&e.seq, ident{&e.id}, &e.lane)
		return e, err
	}, beforeOnceQuery, m.Account, m.ClientID, m.To, m.Text, millis(t.now.Add(-sms.OnceWithin)))
	if err != nil {
		return sms.ID{}, err
	}
	for _, e := range list {
		same, err := t.sameData(m, e.seq)
		if err != nil {
			return sms.ID{}, err
		}
		if same {
			return e.id, t.accepted(e)
		}
	}
	return sms.ID{}, nil
}

// sameData compares what is no text: of data the words may be the same that is not.
func (t *tx) sameData(m *sms.Message, seq int64) (bool, error) {
	if s, _, err := pdu.ParseSubmit(m.Parts[0].TPDU); err != nil || s.DCS.Alphabet() != pdu.Octets {
		return true, nil
	}
	parts, err := all(t, func(s scanner) (tpdu []byte, err error) {
		err = s.Scan(&tpdu)
		return tpdu, err
	}, `SELECT tpdu FROM part WHERE message = ? ORDER BY n`, seq)
	return err == nil && slices.EqualFunc(parts, m.Parts, func(tpdu []byte, p sms.Part) bool { return bytes.Equal(tpdu, p.TPDU) }), err
}

// accepted is nil for a message that nothing can take back any more: whoever repeats
// it is to hear of no other.
func (t *tx) accepted(e earlier) error {
	before, _ := onItsWay(e.lane)
	if before == "" {
		return nil
	}
	var id int64
	if _, err := fmt.Sscanf(before, intakeLane+"%d ", &id); err != nil {
		return fmt.Errorf("lane %q: %w", e.lane, err)
	}
	accepted, err := scalar[bool](t.row(`SELECT accepted IS NOT NULL FROM intake WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) || err == nil && !accepted {
		return fmt.Errorf("message %s, which is the same, is on its way in: send it again in a minute", e.id)
	}
	return err
}

// checkOnce looks at a large batch before any of it is stored, so that what was
// submitted before is named at once.
func (s *Store) checkOnce(messages iter.Seq2[sms.Message, error]) error {
	first := map[sms.ID]sms.ID{}
	for chunk, err := range chunks(messages) {
		if err == nil {
			err = s.write(background, func(t *tx) error { return t.once(chunk) })
		}
		if repeated, ok := errors.AsType[*sms.Repeated](err); ok {
			maps.Copy(first, repeated.First)
		} else if err != nil {
			return err
		}
	}
	if len(first) > 0 {
		return &sms.Repeated{First: first}
	}
	return nil
}
