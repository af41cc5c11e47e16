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
	"cellpost/queue"
	"cellpost/sms"
)

// GiveBack ends a claim that never began, see [queue.Store]. A message of
// which parts have left stays with their SIM.
func (s *Store) GiveBack(ctx context.Context, c queue.Claim, why string) error {
	return s.write(ctx, func(t *tx) error {
		a, r, err := t.held(c.Attempt)
		if err != nil {
			return err
		}
		if err := t.end(a, r, sms.Outcome{Kind: sms.NotSent, Detail: why}); err != nil {
			return err
		}
		m := &r.msg
		step := sms.Step{
			State: sms.Queued, Due: m.Due, Review: m.Review, Lane: m.Lane,
			Avoid: m.Avoid, AvoidUntil: m.AvoidUntil, Why: why,
		}
		if slices.ContainsFunc(m.Parts, told) {
			step = t.afterParts(r, a)
		}
		return t.applyAndMatch(r, a, step, "given back", r.hop(a)+": "+why)
	})
}

// applyAndMatch takes the step that follows from the end of an attempt, and looks
// for the reports on it that have come before.
func (t *tx) applyAndMatch(r *record, a attempt, step sms.Step, event, detail string) error {
	if err := t.apply(r, step, event, detail); err != nil {
		return err
	}
	_, err := t.matchKept(a, r)
	return err
}

// PartSent opens the attempt for the next part, see [queue.Store]. An outcome
// that does not mean acceptance, or that of the last part, is for
// [Store.Settle]; it is refused and changes nothing.
func (s *Store) PartSent(ctx context.Context, c queue.Claim, o sms.Outcome) (queue.Claim, error) {
	var wait *queue.Wait
	following, err := ask(ctx, s, func(t *tx) (queue.Claim, error) {
		a, r, err := t.held(c.Attempt)
		if err != nil {
			return queue.Claim{}, err
		}
		o = explained(t.refusals.judge(a.sim, r.msg.To, o))
		if err := t.end(a, r, o); err != nil {
			return queue.Claim{}, err
		}
		next := r.next()
		if !taken(*r.part(a.part)) || next < 0 {
			return queue.Claim{}, fmt.Errorf("%s ended %q: settle the claim", r.hop(a), o.Kind)
		}
		t.total(totalHandover(o.Kind), 1)
		if wait, err = t.hold(a.sim); err != nil {
			return queue.Claim{}, err
		}
		if wait != nil && !wait.Urgent {
			step := t.rules.Rest(r.msg, t.now, wait.Why)
			return queue.Claim{}, t.applyAndMatch(r, a, step, "part sent", r.hop(a)+": "+words(o)+"; the next part waits: "+wait.Why)
		}
		wait = nil
		if err := t.note(r, "part sent", r.hop(a)+": "+words(o)); err != nil {
			return queue.Claim{}, err
		}
		by := c.By
		by.SIM, by.Modem = a.sim, a.modem
		following, err := t.begin(r, next, by)
		if err != nil {
			return queue.Claim{}, err
		}
		r, err = t.matchKept(a, r)
		if err != nil {
			return queue.Claim{}, err
		}
		following.Message = r.msg
		return following, nil
	})
	if err == nil && wait != nil { // all that was done stays
		err = wait
	}
	return following, err
}

// Settle ends a claim, see [queue.Store]. When the part was accepted and
// others have still to go, they are queued for the same SIM.
func (s *Store) Settle(ctx context.Context, c queue.Claim, o sms.Outcome) error {
	return s.write(ctx, func(t *tx) error {
		a, r, err := t.held(c.Attempt)
		if err != nil {
			return err
		}
		o.Alone = c.By.Alone
		return t.settle(a, r, explained(o))
	})
}

func (t *tx) settle(a attempt, r *record, o sms.Outcome) error {
	o = t.refusals.judge(a.sim, r.msg.To, o)
	if err := t.end(a, r, o); err != nil {
		return err
	}
	t.total(totalHandover(o.Kind), 1)
	step := t.afterParts(r, a)
	if !taken(*r.part(a.part)) && step.State != sms.Failed {
		step = t.rules.After(r.msg, a.sim, o, a.repeat, t.now)
	}
	return t.applyAndMatch(r, a, step, string(step.State), r.hop(a)+": "+words(o))
}

// Abandon makes unknown what a dead process had under way, see [queue.Store].
func (s *Store) Abandon(ctx context.Context) (int, error) {
	return ask(ctx, s, func(t *tx) (int, error) {
		open, err := all(t, scanAttempt, openQuery)
		if err != nil {
			return 0, err
		}
		return len(open), t.doubtAll(open, "the process ended while the hand-over was open")
	})
}

// doubtAll settles attempts of which nobody knows how they ended.
func (t *tx) doubtAll(open []attempt, why string) error {
	for _, a := range open {
		r, err := t.load(a.seq)
		if err != nil {
			return err
		}
		if err := t.settle(a, r, sms.Outcome{Kind: sms.Ambiguous, Detail: why}); err != nil {
			return err
		}
	}
	return nil
}

// lapse takes what is open from lines that have said nothing of it in their time:
// a line that hangs keeps no message. What it says later is for [Store.Late].
func (t *tx) lapse() error {
	open, err := all(t, scanAttempt, lapsedQuery, millis(t.now))
	if err != nil {
		return err
	}
	for _, a := range open {
		t.log.Error("a line has said nothing of a hand-over in its time", "modem", a.modem, "sim", a.sim, "attempt", a.id, "started", a.started)
	}
	return t.doubtAll(open, fmt.Sprintf("the line said nothing for %s", t.lease()))
}

// lease is how long a line may keep a hand-over open.
func (t *tx) lease() time.Duration { return cmp.Or(t.rules.Lease, sms.LeaseDefault) }

// Late settles an attempt of unknown outcome, see [queue.Store].
func (s *Store) Late(ctx context.Context, id int64, o sms.Outcome) error {
	return s.write(ctx, func(t *tx) error {
		a, err := scanAttempt(t.row(attemptQuery, id))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err != nil:
			return err
		case a.outcome != sms.Ambiguous && a.outcome != sms.Open, o.Kind == sms.Ambiguous, o.Kind == sms.Open:
			return nil
		}
		r, err := t.load(a.seq)
		if err != nil {
			return err
		}
		if a.outcome == sms.Open { // its line could not say yet that it does not know
			return t.settle(a, r, explained(o))
		}
		return t.late(a, r, explained(o))
	})
}

func (t *tx) late(a attempt, r *record, o sms.Outcome) error {
	if err := t.outcome(a, o); err != nil {
		return err
	}
	t.total(totalCleared, 1)
	certain, err := t.certain(r)
	if err != nil {
		return err
	}
	if err := t.note(r, "late result", r.hop(a)+": "+words(o)+certain); err != nil {
		return err
	}
	if err := t.lateStep(a, r, o); err != nil {
		return err
	}
	_, err = t.matchKept(a, r)
	return err
}

// lateStep draws the conclusion from a late result. Acceptance stops a repeat
// that has not begun, and disproves a failure; a refusal counts when the message still waits and no
// other hand-over of the part is in doubt.
func (t *tx) lateStep(a attempt, r *record, o sms.Outcome) error {
	p := r.part(a.part)
	after := *p
	after.ApplyOutcome(o, a.sim, a.repeat)
	waits := p.State == sms.Unknown || p.State == sms.Queued
	switch {
	case a.obsolete, a.copy > 0:
		return t.save(r)
	case taken(after) && (waits || p.State == sms.Sending || p.State == sms.Failed):
		*p = after
		return t.advance(r, a)
	case taken(after), !waits, r.msg.State != sms.Unknown && r.msg.State != sms.Queued:
		return t.save(r)
	}
	doubt, err := scalar[bool](t.row(`SELECT EXISTS (SELECT 1 FROM attempt
		WHERE message = ? AND part = ? AND outcome = 'unknown' AND NOT obsolete AND copy = 0)`, r.seq, a.part))
	if err != nil {
		return err
	}
	if doubt {
		return t.save(r)
	}
	*p = after
	step := t.rules.After(r.msg, a.sim, o, a.repeat, t.now)
	return t.apply(r, step, string(step.State), step.Why)
}

const (
	attemptQuery = `SELECT ` + attemptColumns + ` FROM attempt WHERE id = ?`
	openQuery    = `SELECT ` + attemptColumns + ` FROM attempt WHERE outcome = 'open' ORDER BY lease, id`
	lapsedQuery  = `SELECT ` + attemptColumns + ` FROM attempt WHERE outcome = 'open' AND lease <= ? ORDER BY lease`
)

// held reads the attempt of a claim, and its message; [queue.ErrLost] when it
// is not open.
func (t *tx) held(id int64) (attempt, *record, error) {
	a, err := scanAttempt(t.row(attemptQuery, id))
	if errors.Is(err, sql.ErrNoRows) || err == nil && a.outcome != sms.Open {
		return attempt{}, nil, queue.ErrLost
	}
	if err != nil {
		return attempt{}, nil, err
	}
	r, err := t.load(a.seq)
	return a, r, err
}

// outcome writes how an attempt ended.
func (t *tx) outcome(a attempt, o sms.Outcome) error {
	var mr any
	if o.Kind == sms.Accepted && !o.NoMR {
		mr = o.MR
	}
	_, err := t.exec(`UPDATE attempt SET outcome = ?, mr = ?, cause_set = ?, cause_code = ?, detail = ?, ended = ? WHERE id = ?`,
		o.Kind, mr, o.Cause.Set, o.Cause.Code, o.Detail, millis(t.now), a.id)
	return err
}

// end gives an open attempt its outcome, and its part what follows from it.
// What news of an earlier attempt has shown of the part meanwhile stands; that it could
// not be delivered counts from now on, unless this one may arrive.
func (t *tx) end(a attempt, r *record, o sms.Outcome) error {
	p := r.part(a.part)
	after := *p
	after.ApplyOutcome(o, a.sim, a.repeat)
	switch {
	case p.State == sms.Sending, p.State == sms.Sent && taken(after):
		*p = after
	case p.State == sms.Sent:
		earlier, err := t.otherStatus(a)
		if err != nil {
			return err
		}
		if earlier.Valid && earlier.V >= failing {
			p.State = sms.Failed
		}
	}
	if o.Kind == sms.NotSent {
		if err := t.unspend(a); err != nil {
			return err
		}
	}
	return t.outcome(a, o)
}

// taken reports whether the network has accepted a part.
func taken(p sms.Part) bool { return p.State == sms.Sent || p.State == sms.Delivered }

// told reports whether the network has said of a part what became of it.
func told(p sms.Part) bool { return taken(p) || p.State == sms.Failed }

// afterParts decides by the parts, when no hand-over of the message is open
// any more: those that are still to go wait for the SIM of the others.
func (t *tx) afterParts(r *record, a attempt) sms.Step {
	step := t.rules.Progress(r.msg, t.now)
	if step.State != sms.Sending { // one that is queued keeps its place, and its back-off
		return step
	}
	return t.rules.Rest(r.msg, t.now, "the other parts are still to go")
}

// advance decides by the parts after news about one of them. While a hand-over
// is open, its end decides.
func (t *tx) advance(r *record, a attempt) error {
	if r.msg.State == sms.Sending {
		return t.save(r)
	}
	step := t.afterParts(r, a)
	if step.State == sms.Queued && r.msg.State == sms.Queued && step.Lane == r.msg.Lane {
		step.Why = r.msg.Why // it waits for what it waited for
	}
	if step.State != r.msg.State || step.Why != r.msg.Why {
		return t.apply(r, step, string(step.State), step.Why)
	}
	r.msg.Apply(step)
	return t.save(r)
}

// certain takes the flag of a possible duplicate from a message, when all its
// attempts have an outcome and no part was accepted, or is under way, twice, nor
// is to leave once more, or goes again because all parts do. It returns words for
// the timeline.
func (t *tx) certain(r *record) (string, error) {
	if !r.msg.Duplicate {
		return "", nil
	}
	doubt, err := scalar[bool](t.row(`SELECT EXISTS (
			SELECT 1 FROM attempt WHERE message = ?1 AND (outcome = 'unknown' OR outcome = 'accepted' AND obsolete)
		) OR EXISTS (
			SELECT 1 FROM attempt WHERE message = ?1 AND outcome IN ('accepted', 'open') GROUP BY part HAVING count(*) > 1
		)`, r.seq))
	if err != nil || doubt {
		return "", err
	}
	earlier, err := all(t, scalar[int], `SELECT DISTINCT part FROM attempt
		WHERE message = ? AND outcome = 'accepted' AND copy > 0`, r.seq)
	if err != nil || slices.ContainsFunc(earlier, func(n int) bool { return r.part(n).State == sms.Queued }) {
		return "", err
	}
	r.msg.Duplicate = false
	return "; no possible duplicate any more", nil
}

// explained gives an outcome its reason in words.
func explained(o sms.Outcome) sms.Outcome {
	if o.Kind != sms.Accepted {
		o.Detail = words(o)
	}
	return o
}

// words say an outcome in the timeline.
func words(o sms.Outcome) string {
	switch {
	case o.Kind == sms.Accepted:
		return fmt.Sprintf("reference %d", o.MR)
	case o.Detail != "":
		return o.Detail
	case o.Cause != pdu.Cause{}:
		return o.Cause.String()
	}
	return string(o.Kind)
}
