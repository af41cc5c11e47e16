package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"cellpost/queue"
	"cellpost/sms"
)

// intake is a batch on its way in. One of 100,000 in one transaction would keep
// every modem, and every other submission, waiting for seconds. So it comes in by
// chunks. Until the last its messages are in lanes that no SIM works in, and are
// nobody's; one more transaction accepts them all; then they are let into their
// own lanes by chunks, too. Whatever is not accepted is taken back.
type intake struct {
	id          int64
	batch       sms.ID
	first, last int64 // seq
	accepted    sql.Null[int64]
}

// intakeLane is how the lanes of messages begin that are on their way in.
const intakeLane = "intake "

// lane is what stands before a lane while its messages are on their way in.
func (i intake) lane() string { return fmt.Sprintf(intakeLane+"%d ", i.id) }

const intakesQuery = `SELECT id, batch, first, last, accepted FROM intake ORDER BY id`

func scanIntake(s scanner) (i intake, err error) {
	err = s.Scan(&i.id, ident{&i.batch}, &i.first, &i.last, &i.accepted)
	return i, err
}

// onItsWay splits a lane into what stands before it while a message of an intake is
// on its way in, and the lane that it is to have.
func onItsWay(l sms.Lane) (before string, lane sms.Lane) {
	rest, ok := strings.CutPrefix(string(l), intakeLane)
	if !ok {
		return "", l
	}
	id, rest, _ := strings.Cut(rest, " ")
	return intakeLane + id + " ", sms.Lane(rest)
}

// takeIn stores a batch that is too large for one transaction.
func (s *Store) takeIn(ctx context.Context, b sms.Batch) error {
	key := b.Messages[0].ID
	if !s.begins(key) {
		return fmt.Errorf("submission %s is coming in already: wait for it", b.Messages[0].Submission)
	}
	defer s.ends(key)
	in, err := ask(ctx, s, func(t *tx) (intake, error) {
		if done, err := t.isStored(b); done || err != nil {
			return intake{}, err
		}
		id, err := t.insert(`INSERT INTO intake (batch, first, last) VALUES (?, 0, 0)`, key[:])
		return intake{id: id, batch: key}, err
	})
	if err != nil || in.id == 0 {
		return err
	}
	if err := s.fill(ctx, in, b); err != nil {
		return errors.Join(err, s.takeBack(in))
	}
	return nil
}

// begins notes that a batch is coming in, unless it is already.
func (s *Store) begins(batch sms.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.incoming, batch) {
		return false
	}
	s.incoming = append(s.incoming, batch)
	return true
}

func (s *Store) ends(batch sms.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.incoming = slices.DeleteFunc(s.incoming, func(id sms.ID) bool { return id == batch })
}

func (s *Store) comesIn(batch sms.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.incoming, batch)
}

// fill stores the messages of a batch, and accepts it.
func (s *Store) fill(ctx context.Context, in intake, b sms.Batch) error {
	if b.Once {
		if err := s.checkOnce(b.All()); err != nil {
			return err
		}
	}
	begun := false
	for chunk, err := range chunks(b.All()) {
		if err == nil {
			err = s.fillChunk(ctx, in, b, chunk, !begun)
		}
		if err != nil {
			return err
		}
		begun = true
	}
	return s.write(ctx, func(t *tx) error {
		for i := range b.Events {
			if err := t.answer(&b.Events[i], submission(b)); err != nil {
				return err
			}
		}
		if _, err := t.exec(`UPDATE intake SET accepted = ? WHERE id = ?`, millis(t.now), in.id); err != nil {
			return err
		}
		return t.endBatch(submission(b))
	})
}

// chunks draws messages by as many as a transaction takes. A chunk is over when the
// next is drawn.
func chunks(all iter.Seq2[sms.Message, error]) iter.Seq2[[]sms.Message, error] {
	return func(yield func([]sms.Message, error) bool) {
		chunk := make([]sms.Message, 0, queue.LargeBatch)
		for m, err := range all {
			if err != nil {
				yield(nil, err)
				return
			}
			if chunk = append(chunk, m); len(chunk) < queue.LargeBatch {
				continue
			}
			if !yield(chunk, nil) {
				return
			}
			clear(chunk)
			chunk = chunk[:0]
		}
		if len(chunk) > 0 {
			yield(chunk, nil)
		}
	}
}

func (s *Store) fillChunk(ctx context.Context, in intake, b sms.Batch, chunk []sms.Message, first bool) error {
	select {
	case s.chunk <- struct{}{}:
		defer func() { <-s.chunk }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.write(ctx, func(t *tx) error {
		if b.Once { // again: two may come in at once
			if err := t.once(chunk); err != nil {
				return err
			}
		}
		if err := t.debit(chunk); err != nil {
			return err
		}
		if first {
			if err := t.beginBatch(&chunk[0]); err != nil {
				return err
			}
			// Not before: what is taken back is found by its messages.
			if err := t.addAudience(b); err != nil {
				return err
			}
			// Not before: while others are taken back, the numbers that they had are given again.
			if _, err := t.exec(`UPDATE intake SET first = (SELECT coalesce(max(seq), 0) + 1 FROM message) WHERE id = ?`, in.id); err != nil {
				return err
			}
		}
		for i := range chunk {
			m := chunk[i]
			m.Lane = sms.Lane(in.lane()) + m.Lane
			if err := t.addMessage(&m); err != nil {
				return err
			}
		}
		_, err := t.exec(`UPDATE intake SET last = (SELECT max(seq) FROM message) WHERE id = ?`, in.id)
		return err
	})
}

// takeBack undoes what has come in of a batch that is not accepted. Where it
// cannot, the next Overdue does.
func (s *Store) takeBack(in intake) error {
	for done := false; !done; {
		var err error
		done, err = ask(background, s, func(t *tx) (bool, error) {
			now, err := scanIntake(t.row(`SELECT id, batch, first, last, accepted FROM intake WHERE id = ?`, in.id))
			if errors.Is(err, sql.ErrNoRows) {
				return true, nil
			}
			if err != nil {
				return false, err
			}
			return t.undo(now, queue.LargeBatch)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// intakes carries on with batches that are accepted, and with those that came to
// nothing, by a chunk that they share. more says that there is more to do.
func (s *Store) intakes(t *tx) (work []queue.Work, more bool, err error) {
	list, err := all(t, scanIntake, intakesQuery)
	if err != nil {
		return nil, false, err
	}
	for _, in := range list {
		most := max(queue.LargeBatch/len(list), 1)
		var done bool
		switch {
		case in.accepted.Valid:
			work, done, err = t.release(in, most, work)
		case s.comesIn(in.batch):
			continue
		default:
			done, err = t.undo(in, most)
		}
		if err != nil {
			return nil, false, err
		}
		more = more || !done
	}
	return work, more, nil
}

// abandoned reports whether there is a batch to be taken back that nobody brings any
// more.
func (s *Store) abandoned(ctx context.Context) (bool, error) {
	rows, err := s.Reader.db.QueryContext(ctx, `SELECT batch FROM intake WHERE accepted IS NULL`)
	if err != nil {
		return false, s.damage.notice(explain(err))
	}
	begun, err := collect(rows, func(r scanner) (id sms.ID, err error) {
		err = r.Scan(ident{&id})
		return id, err
	})
	return slices.ContainsFunc(begun, func(id sms.ID) bool { return !s.comesIn(id) }), s.damage.notice(explain(err))
}

// within selects the messages of an intake, a chunk of them.
const within = ` FROM message WHERE seq BETWEEN ?1 AND ?2 AND substr(lane, 1, length(?3)) = ?3 ORDER BY seq LIMIT ?4`

const (
	releaseQuery = `UPDATE message SET lane = substr(lane, length(?3) + 1) WHERE seq IN (SELECT seq` + within + `)
		RETURNING seq, lane, priority, state`
	undoQuery = `DELETE FROM message WHERE seq IN (SELECT seq` + within + `) RETURNING seq, submission, account, price, state, priority`
)

// staged is a message of an intake.
type staged struct {
	seq     int64
	message sms.Message
}

// release lets up to so many messages into their lanes.
func (t *tx) release(in intake, most int, work []queue.Work) (_ []queue.Work, done bool, err error) {
	list, err := all(t, func(s scanner) (r staged, err error) {
		err = s.Scan(&r.seq, &r.message.Lane, &r.message.Priority, &r.message.State)
		return r, err
	}, releaseQuery, in.first, in.last, in.lane(), most)
	if err != nil {
		return nil, false, err
	}
	for _, r := range list {
		in.first = max(in.first, r.seq+1)
		switch {
		case r.message.State == sms.Queued:
			work = queue.AddWork(work, r.message)
		case r.message.State.Final(): // while it could still be taken back nobody was told
			ended, err := t.load(r.seq)
			if err == nil {
				err = t.conclude(ended, standing{})
			}
			if err != nil {
				return nil, false, err
			}
		}
	}
	done, err = t.advanceIntake(in, len(list) < most)
	return work, done, err
}

// undo deletes up to so many, and gives back what they cost.
func (t *tx) undo(in intake, most int) (done bool, err error) {
	list, err := all(t, func(s scanner) (r staged, err error) {
		err = s.Scan(&r.seq, ident{&r.message.Submission}, &r.message.Account, &r.message.Price, &r.message.State, &r.message.Priority)
		return r, err
	}, undoQuery, in.first, in.last, in.lane(), most)
	if err != nil {
		return false, err
	}
	if len(list) > 0 { // all of one submission
		if _, err := t.exec(`DELETE FROM batch WHERE id = ?`, list[0].message.Submission[:]); err != nil {
			return false, err
		}
	}
	for _, r := range list {
		m := &r.message
		if err := t.wipeAudience(m.Submission); err != nil {
			return false, err
		}
		in.first = max(in.first, r.seq+1)
		t.stored(m.Account, m.Priority, m.State, -1)
		t.total(totalAccepted, -1)
		if m.State.Final() { // somebody cancelled it, or it has expired: that was done
			continue
		}
		if err := t.credit(m); err != nil {
			return false, err
		}
	}
	return t.advanceIntake(in, len(list) < most)
}

// advanceIntake notes how far an intake has come; it is gone when that was the last
// of it.
func (t *tx) advanceIntake(in intake, last bool) (done bool, err error) {
	if last {
		_, err := t.exec(`DELETE FROM intake WHERE id = ?`, in.id)
		return true, err
	}
	_, err = t.exec(`UPDATE intake SET first = ? WHERE id = ?`, in.first, in.id)
	return false, err
}
