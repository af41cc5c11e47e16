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
	if step.State == m.State && step.Lane == m.Lane && step.Why == m.Why {
		m.Apply(step)
		return t.save(r)
	}
	return t.apply(r, step, event, step.Why)
}

// Reroute moves messages out of lanes that no route has any more, see
// [queue.Store]. A message whose number no route carries stays where it is,
// and says so. Batches that were on their way in when the process ended are let in
// before, or taken back.
func (s *Store) Reroute(ctx context.Context) (int, error) {
	for more := true; more; {
		var err error
		more, err = ask(ctx, s, func(t *tx) (more bool, err error) {
			_, more, err = s.intakes(t)
			return more, err
		})
		if err != nil {
			return 0, err
		}
	}
	return ask(ctx, s, func(t *tx) (int, error) {
		lanes, err := t.lanes()
		if err != nil {
			return 0, err
		}
		moved := 0
		for _, lane := range lanes {
			if t.rules.Serves(lane) {
				continue
			}
			n, err := t.leave(lane)
			if err != nil {
				return 0, err
			}
			moved += n
		}
		return moved, nil
	})
}

// Steps from lane to lane: there are few, and a million messages in them.
const (
	queuedLaneQuery  = `SELECT lane FROM message INDEXED BY message_claim WHERE state = 'queued' AND lane > ? ORDER BY lane LIMIT 1`
	waitingLaneQuery = `SELECT lane FROM message INDEXED BY message_waiting
		WHERE state IN ('scheduled', 'held', 'unknown') AND lane > ? ORDER BY lane LIMIT 1`
)

// lanes returns the lanes of the messages that something is still to be sent of,
// each once.
func (t *tx) lanes() ([]sms.Lane, error) {
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

// leave moves all messages out of a lane, and returns how many could.
func (t *tx) leave(lane sms.Lane) (int, error) {
	list, err := all(t, scalar[int64], `SELECT seq FROM message
		WHERE state IN ('queued', 'scheduled', 'held', 'unknown') AND lane = ?`, lane)
	if err != nil {
		return 0, err
	}
	moved := 0
	for _, seq := range list {
		r, err := t.load(seq)
		if err != nil {
			return 0, err
		}
		ok, err := t.reroute(r)
		if err != nil {
			return 0, err
		}
		if ok {
			moved++
		}
	}
	return moved, nil
}

// reroute gives a message the lane that it would get today.
func (t *tx) reroute(r *record) (bool, error) {
	m := &r.msg
	step, err := t.rules.Admit(*m, t.now)
	if err != nil {
		why := fmt.Sprintf("%s, as when it had lane %s: add a route", err, m.Lane)
		if m.Why == why {
			return false, nil
		}
		m.Why, m.Fault = why, sms.FaultRoute
		return false, t.keep(r, string(m.State), why)
	}
	why := fmt.Sprintf("no route has lane %s any more: now for %s", m.Lane, step.Lane)
	m.Lane, m.Fault = step.Lane, ""
	if m.State == sms.Queued {
		m.Review = t.now // what depends on the lane is decided anew
	}
	m.Why = why
	return true, t.keep(r, string(m.State), why)
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
		m := &r.msg
		switch m.State {
		case sms.Queued, sms.Scheduled, sms.Held, sms.Unknown:
		default:
			return queue.ErrState
		}
		left, err := scalar[bool](t.row(leftQuery, r.seq))
		if err != nil {
			return err
		}
		step := sms.Step{State: sms.Cancelled, Due: m.Due, Lane: m.Lane, Refund: !left, Why: "cancelled"}
		return t.apply(r, step, string(sms.Cancelled), "was "+string(m.State))
	})
}
