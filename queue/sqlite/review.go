package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"cellpost/queue"
	"cellpost/sms"
)

// maxOverdue bounds the messages of one Overdue (twice: those that wait for the
// clock are counted apart), and so how long claims wait for it.
const maxOverdue = 200

const overdueQuery = `SELECT seq FROM message
	WHERE review <= ? AND review IS NOT NULL AND state <> 'sending' ORDER BY review LIMIT ?`

// Overdue reviews messages, see [queue.Store]. A message that is being sent
// keeps its Review for when the hand-over has ended.
func (s *Store) Overdue(ctx context.Context, serving []string) ([]queue.Work, error) {
	return ask(ctx, s, func(t *tx) ([]queue.Work, error) {
		if err := t.incomplete(); err != nil {
			return nil, err
		}
		if err := t.lapse(); err != nil {
			return nil, err
		}
		if err := t.delays(); err != nil {
			return nil, err
		}
		work, _, err := s.intakes(t)
		if err != nil {
			return nil, err
		}
		timed, err := t.timed()
		if err != nil {
			return nil, err
		}
		list, err := all(t, scalar[int64], overdueQuery, millis(t.now), maxOverdue)
		if err != nil {
			return nil, err
		}
		list = append(timed, list...)
		for _, seq := range list {
			r, err := t.load(seq)
			if err != nil {
				return nil, err
			}
			if err := t.review(r, serving); err != nil {
				return nil, err
			}
			if r.msg.State == sms.Queued {
				work = queue.AddWork(work, r.msg)
			}
		}
		return work, nil
	})
}

func (t *tx) review(r *record, serving []string) error {
	m := &r.msg
	intake, lane := onItsWay(m.Lane)
	m.Lane = lane // the rules know no other
	var step sms.Step
	if m.Timed() {
		step = t.rules.Timed(*m, t.clockNow(), t.now)
	} else {
		step = t.rules.Review(*m, serving, t.now)
	}
	event := string(step.State)
	if step.State == sms.Sent || step.Again {
		event = "no report"
	}
	if m.State == sms.Queued && (step.State != m.State || step.Lane != m.Lane) {
		held, err := t.heldBack(*m)
		if err != nil {
			return err
		}
		if held != "" {
			step.Why += "; " + held
		}
	}
	same := step.State == m.State && step.Lane == m.Lane && step.Why == m.Why
	step.Lane = sms.Lane(intake) + step.Lane
	if same {
		m.Apply(step)
		return t.save(r)
	}
	return t.apply(r, step, event, step.Why)
}

// Reroute gives today's lanes to what waits, see [queue.Store]. Under the rules of
// the last start there is nothing to do. Else batches that were on their way in when
// the process ended are let in before, or taken back.
func (s *Store) Reroute(ctx context.Context) (int, error) {
	same, err := ask(ctx, s, (*tx).sameRouting)
	if err != nil || same {
		return 0, err
	}
	if err := s.endIntakes(ctx); err != nil {
		return 0, err
	}
	lanes, err := ask(ctx, s, (*tx).waitingLanes)
	if err != nil {
		return 0, err
	}
	moved := 0
	for _, lane := range slices.DeleteFunc(lanes, s.rules.Settled) {
		n, err := s.readmitLane(ctx, lane)
		if moved += n; err != nil {
			return moved, err
		}
	}
	return moved, s.write(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO routing (id, rules) VALUES (1, ?)`, t.rules.Routing())
		return err
	})
}

// sameRouting reports whether the messages are in lanes of today's rules. Until they
// have been looked at they are in lanes of different ones, and the database says so
// by naming none.
func (t *tx) sameRouting() (bool, error) {
	before, err := scalar[string](t.row(`SELECT rules FROM routing`))
	if err != nil && !errors.Is(err, sql.ErrNoRows) || err == nil && before == t.rules.Routing() {
		return err == nil, err
	}
	_, err = t.exec(`DELETE FROM routing`)
	return false, err
}

// endIntakes waits for all that is on its way in.
func (s *Store) endIntakes(ctx context.Context) error {
	for more := true; more; {
		var err error
		more, err = ask(ctx, s, func(t *tx) (more bool, err error) {
			_, more, err = s.intakes(t)
			return more, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Steps from lane to lane: there are few, and a million messages in them.
const (
	queuedLaneQuery  = `SELECT lane FROM message INDEXED BY message_claim WHERE state = 'queued' AND lane > ? ORDER BY lane LIMIT 1`
	waitingLaneQuery = `SELECT lane FROM message INDEXED BY message_waiting
		WHERE (state = 'scheduled' OR state = 'held' OR state = 'unknown') AND lane > ? ORDER BY lane LIMIT 1`
)

// waitingLanes returns the lanes of the messages that something is still to be sent of,
// each once.
func (t *tx) waitingLanes() ([]sms.Lane, error) {
	var lanes []sms.Lane
	for _, query := range []string{queuedLaneQuery, waitingLaneQuery} {
		for last := sms.Lane(""); ; lanes = append(lanes, last) {
			err := t.row(query, last).Scan(&last)
			if errors.Is(err, sql.ErrNoRows) {
				break
			}
			if err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(lanes)
	return slices.Compact(lanes), nil
}

// readmitMost bounds how many messages are in memory, and in a transaction, at a time.
const readmitMost = 5000

// waiting is what decides about the lane of a message, in most cases.
type waiting struct {
	seq int64
	msg sms.Message
}

func scanWaiting(s scanner) (w waiting, err error) {
	err = s.Scan(&w.seq, &w.msg.To, &w.msg.OnlySIM, &w.msg.Escalate, &w.msg.Lane)
	return w, err
}

// readmitLane looks at all messages of a lane, and returns how many have left it.
func (s *Store) readmitLane(ctx context.Context, lane sms.Lane) (moved int, err error) {
	for after := int64(-1); ; {
		some, err := ask(ctx, s, func(t *tx) (readmitted, error) { return t.readmitSome(lane, after) })
		moved += some.moved
		if err != nil || some.n < readmitMost {
			return moved, err
		}
		after = some.last
	}
}

// readmitted is what a transaction has looked at.
type readmitted struct {
	n, moved int   // messages
	last     int64 // seq
}

// readmitSome looks at the messages of a lane after one of them.
func (t *tx) readmitSome(lane sms.Lane, after int64) (some readmitted, err error) {
	list, err := all(t, scanWaiting, `SELECT seq, recipient, only_sim, escalate, lane FROM message
		WHERE seq > ? AND state IN ('queued', 'scheduled', 'held', 'unknown') AND lane = ? ORDER BY seq LIMIT ?`, after, lane, readmitMost)
	some.n = len(list)
	for _, w := range list {
		some.last = w.seq
		if today, err := t.rules.Readmit(w.msg); err == nil && today == lane {
			continue
		}
		ok, err := t.readmit(w.seq)
		if err != nil {
			return some, err
		}
		if ok {
			some.moved++
		}
	}
	return some, err
}

// readmit gives a message its lane of today, and reports whether it has another
// one that some SIM works in. One that nobody may send any more waits where no SIM
// finds it, and says so.
func (t *tx) readmit(seq int64) (bool, error) {
	r, err := t.load(seq)
	if err != nil {
		return false, err
	}
	m := &r.msg
	lane, refusal := t.rules.Readmit(*m)
	m.Fault = ""
	why := fmt.Sprintf("the routes have changed: now for %s, no more for %s", lane, m.Lane)
	if refusal != nil {
		m.Fault = sms.FaultRoute
		why = fmt.Sprintf("%s, as when it was accepted: it waits for its end of validity, or until you change that", refusal)
	}
	if lane == m.Lane && (refusal == nil || m.Why == why) {
		return false, nil
	}
	if m.Lane = lane; m.State == sms.Queued {
		m.Review = t.now // what depends on the lane is decided anew
	}
	m.Why = why
	return refusal == nil, t.keep(r, string(m.State), why)
}

// leftQuery asks whether the network has something of a message, or may have.
const leftQuery = `SELECT EXISTS (SELECT 1 FROM attempt WHERE message = ? AND outcome IN ('accepted', 'unknown'))`

// Retry queues a message again, see [queue.Store].
func (s *Store) Retry(ctx context.Context, id sms.ID) (sms.Message, error) {
	return ask(ctx, s, func(t *tx) (sms.Message, error) {
		r, err := t.find(id)
		if err != nil {
			return sms.Message{}, err
		}
		if intake, _ := onItsWay(r.msg.Lane); intake != "" { // it may still be taken back with its batch
			return sms.Message{}, fmt.Errorf("%w: its submission is coming in; try it again in a minute", sms.ErrNoRetry)
		}
		left, err := scalar[bool](t.row(leftQuery, r.seq))
		if err != nil {
			return sms.Message{}, err
		}
		refunded, err := scalar[bool](t.row(`SELECT refunded FROM message WHERE seq = ?`, r.seq))
		if err != nil {
			return sms.Message{}, err
		}
		step, err := t.rules.Retry(r.msg, left, refunded, t.now)
		if err != nil {
			return sms.Message{}, err
		}
		detail := fmt.Sprintf("by the operator: was %s, %s", r.msg.State, r.msg.Why)
		if left {
			detail += "; possible duplicate"
		}
		t.total(totalRetried, 1)
		err = t.apply(r, step, "retried", detail)
		return r.msg, err
	})
}

// Cancel stops a message, see [queue.Store]. Its price is given back when
// nothing of it can have left.
func (s *Store) Cancel(ctx context.Context, id sms.ID) error {
	return s.write(ctx, func(t *tx) error {
		r, err := t.find(id)
		if err != nil {
			return err
		}
		switch r.msg.State {
		case sms.Queued, sms.Scheduled, sms.Held, sms.Unknown:
			return t.cancel(r)
		}
		return queue.ErrState
	})
}

// cancel stops a message that is not being sent.
func (t *tx) cancel(r *record) error {
	m := &r.msg
	left, err := scalar[bool](t.row(leftQuery, r.seq))
	if err != nil {
		return err
	}
	step := sms.Step{State: sms.Cancelled, Due: m.Due, Lane: m.Lane, Refund: !left, Why: "cancelled"}
	return t.apply(r, step, string(sms.Cancelled), "was "+string(m.State))
}
