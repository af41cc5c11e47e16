package queue

import (
	"context"
	"errors"
	"sync"
	"time"

	"cellpost/pdu"
	"cellpost/sms"
)

// worker keeps one line busy. Its fetcher claims the next message while its
// sender has one on the air, and its settler records the outcome of the last:
// between two hand-overs the modem waits for neither.
type worker struct {
	q    *Queue
	line Line
	by   By

	work  chan struct{} // holds a token when there may be something to claim
	yield chan struct{} // holds a token when the claim held is wanted elsewhere
	urge  chan struct{} // holds a token when something more urgent than that waits
	ready chan Claim    // fetcher to sender, unbuffered: the claim is held, not begun
	done  chan ending   // sender to settler

	ranks map[sms.Lane]int // how well the SIM suits the lanes that it works in
	paced bool             // each part counts when it starts, so that none is claimed ahead
	want  chan struct{}    // of a paced line: holds a token when it asks for a message

	status
	claim sms.Message // that is held, while yielding; roster.mu guards it
}

// ending is the end of a claim.
type ending struct {
	claim   Claim
	outcome sms.Outcome
}

// Serve carries messages over a line until ctx ends; the part under way is
// finished first, and what was claimed but not begun is given back.
func (q *Queue) Serve(ctx context.Context, line Line) error {
	w := &worker{
		q: q, line: line, by: By{SIM: line.SIM(), Modem: line.Name()},
		work:  make(chan struct{}, 1),
		yield: make(chan struct{}, 1),
		urge:  make(chan struct{}, 1),
		ready: make(chan Claim),
		done:  make(chan ending, 1),
		ranks: map[sms.Lane]int{},
		paced: q.rules.Limits(line.SIM()).Paced(),
		want:  make(chan struct{}, 1),
	}
	for _, l := range q.rules.Lanes(w.by.SIM) {
		w.ranks[l], _ = q.rules.Rank(l, w.by.SIM)
	}
	q.roster.add(w)
	var wg sync.WaitGroup
	wg.Go(func() { w.fetch(ctx) })
	wg.Go(func() { w.settle(ctx) })
	w.send(ctx)
	close(w.done)
	q.roster.remove(w)
	wg.Wait()
	q.roster.wakeAll() // what this line was preferred for is for others now
	return nil
}

// fetch claims and holds, one message at a time.
func (w *worker) fetch(ctx context.Context) {
	for failing := false; w.wanted(ctx); {
		c, err := w.fetchOne(ctx)
		if err != nil {
			poke(w.want)
		}
		failed := failing
		failing = err != nil && !errors.Is(err, ErrNothing)
		switch {
		case err == nil:
			w.hold(ctx, c)
		case errors.Is(err, ErrNothing):
			w.rest(ctx, err)
		case ctx.Err() == nil:
			if !failed {
				w.q.log.Error("claim", "modem", w.by.Modem, "err", err)
			}
			w.pause(ctx, clerkRetry)
		}
	}
}

// wanted waits until a claim can be of use; false when ctx has ended.
func (w *worker) wanted(ctx context.Context) bool {
	if w.paced {
		select {
		case <-w.want:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// fetchOne asks the store for work. When ctx has ended none is begun, and what was
// begun is waited for: an attempt that is opened has to be known here.
func (w *worker) fetchOne(ctx context.Context) (Claim, error) {
	by := w.by
	by.Alone, by.OthersRest = w.q.roster.alone(w)
	w.q.roster.update(func() { w.missed = 0 })
	c, err := w.q.store.Claim(ctx, by)
	return c.lasting(), err
}

// lasting has what is left of a claim's validity a span: the clock may be set before
// it is on the air.
func (c Claim) lasting() Claim {
	c.Message.Expires = unset(c.Message.Expires)
	return c
}

// rest waits for work. Before it does, a worker with a free line asks for what
// a busy one is sitting on. One that its limits hold asks again when they do not.
func (w *worker) rest(ctx context.Context, nothing error) {
	if wait, ok := errors.AsType[*Wait](nothing); ok {
		until := unset(wait.Until)
		w.q.roster.update(func() { w.until, w.urgent = until, wait.Urgent })
		again := time.AfterFunc(min(time.Until(until), waitMost), func() { poke(w.work) })
		defer again.Stop()
	}
	select {
	case <-w.work: // something came while the store was asked
		return
	default:
	}
	if w.hunger() {
		w.q.roster.recall(w)
	}
	w.await(ctx)
}

// waitMost is how long a line rests without asking the store whether it still has
// to: hours and days are those of a clock that may be set meanwhile, of which only
// the store takes note.
const waitMost = time.Minute

// hunger lets the roster call the worker, and reports whether its line is free.
// A line that gets free from now on calls it, too.
func (w *worker) hunger() (free bool) {
	w.q.roster.update(func() { w.hungry, free = true, w.idle })
	return free
}

// await returns when there may be something to claim.
func (w *worker) await(ctx context.Context) {
	select {
	case <-w.work:
	case <-ctx.Done():
	}
	w.q.roster.update(func() { w.hungry = false })
}

func (w *worker) pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

const (
	// holdPatience is how long a claim waits for its busy line before another
	// line that is free may have it.
	holdPatience = 200 * time.Millisecond
	// holdMost is how long it waits at all: by then the line is in trouble.
	holdMost = 10 * time.Second
)

// hold offers a claim to the sender. While the sender is busy the claim can be
// given back, to a line that is free.
func (w *worker) hold(ctx context.Context, c Claim) {
	select {
	case w.ready <- c:
		return
	default:
	}
	w.q.roster.update(func() {
		w.held = c.Message.Priority
		if 0 < w.missed && w.missed < w.held { // it came while this was claimed
			w.held = 0
			poke(w.urge)
		}
	})
	patience := time.NewTimer(holdPatience)
	defer patience.Stop()
	most := time.NewTimer(holdMost)
	defer most.Stop()
	for {
		select {
		case w.ready <- c:
			w.keep()
			return
		case <-patience.C:
			w.q.roster.update(func() { w.yielding, w.claim = true, c.Message })
			if w.q.roster.idleFor(c.Message, w) {
				w.giveBack(ctx, c, "another line is free")
				return
			}
		case <-w.yield:
			w.giveBack(ctx, c, "another line is free")
			return
		case <-w.urge:
			w.surrender(ctx, c, "something more urgent came")
			return
		case <-most.C:
			w.giveBack(ctx, c, w.by.Modem+" is slow")
			return
		case <-ctx.Done():
			w.leave(ctx, c)
			return
		}
	}
}

// keep ends the hold of a claim that went to its own line. Who asked for it at
// that moment has to ask another.
func (w *worker) keep() {
	w.q.roster.update(func() { w.yielding, w.held = false, 0 })
	drain(w.urge) // its fetcher looks for the next by itself
	if drain(w.yield) {
		w.q.roster.recallAll()
	}
}

// giveBack returns a claim that was not begun, and leaves the field to others
// until its own line is free again or there is more.
func (w *worker) giveBack(ctx context.Context, c Claim, why string) {
	w.surrender(ctx, c, why)
	drain(w.work) // while its line is busy, what was there is for others
	if w.hunger() {
		poke(w.work) // its line has got free meanwhile
	}
	w.await(ctx)
}

// surrender returns a claim that was not begun to the queue, for others to take.
func (w *worker) surrender(ctx context.Context, c Claim, why string) {
	w.q.roster.update(func() { w.yielding, w.held = false, 0 })
	w.record(ctx, "give back", func() error {
		err := w.q.store.GiveBack(context.WithoutCancel(ctx), c, why)
		if errors.Is(err, ErrLost) { // its lease is over, but there is no doubt about it
			return w.q.store.Late(context.WithoutCancel(ctx), c.Attempt, sms.Outcome{Kind: sms.NotSent, Detail: why})
		}
		return err
	})
	drain(w.yield)
	drain(w.urge)
	poke(w.want)                   // its line has not got it
	w.q.alarm.notLater(time.Now()) // the clerk does not see the Review of a claim
	w.q.roster.pass(c.Message, w)
}

// leave returns a claim because the line has ended.
func (w *worker) leave(ctx context.Context, c Claim) {
	w.surrender(ctx, c, w.by.Modem+" left service")
}

// send hands over what the fetcher holds, as soon as the line is free.
func (w *worker) send(ctx context.Context) {
	for {
		w.free()
		select {
		case c := <-w.ready:
			w.q.roster.update(func() { w.idle = false })
			w.carry(ctx, c)
		case <-ctx.Done():
			return
		}
	}
}

// free marks the line as free. A fetcher that waits may now have what it left
// to others, or what others hold.
func (w *worker) free() {
	w.q.roster.update(func() {
		w.idle, w.rests = true, time.Now()
		poke(w.want)
		if w.hungry {
			poke(w.work)
		}
	})
}

// invalidPDU is the cause of a TPDU that cannot be encoded: no modem will take it.
var invalidPDU = pdu.Cause{Set: pdu.CMS, Code: 304}

// carry hands over the parts of a message that have not left yet.
func (w *worker) carry(ctx context.Context, c Claim) {
	for {
		h, err := handover(c, time.Now())
		if err != nil {
			w.end(ctx, ending{c, sms.Outcome{Kind: sms.Refused, Cause: invalidPDU, Detail: err.Error()}})
			return
		}
		w.q.roster.update(func() { w.busy = time.Now() })
		o := w.line.Submit(ctx, h)
		if o.Kind == sms.NotSent && ctx.Err() != nil {
			w.leave(ctx, c)
			return
		}
		if o.Kind != sms.Accepted || !c.more() || w.outranked(c) {
			w.end(ctx, ending{c, o})
			return
		}
		sent := c
		err = w.insist(ctx, "record part", func() (err error) {
			c, err = w.q.store.PartSent(context.WithoutCancel(ctx), sent, o)
			c = c.lasting()
			return err
		})
		if errors.Is(err, ErrNothing) { // it rests before the next part
			w.q.alarm.notLater(time.Now()) // the clerk does not see the Review of a claim
			return
		}
		if err != nil {
			w.end(ctx, ending{sent, o})
			return
		}
		if ctx.Err() != nil {
			w.leave(ctx, c)
			return
		}
	}
}

// outranked reports whether something more urgent is to go before the rest of the
// message: the fetcher holds it, or that of a paced line, which claims nothing ahead,
// is to get it.
func (w *worker) outranked(c Claim) (yes bool) {
	w.q.roster.update(func() {
		next := w.held
		if w.paced {
			next = w.missed
		}
		yes = next > 0 && next < c.Message.Priority
	})
	return yes
}

// more reports whether parts remain after the one under way.
func (c Claim) more() bool {
	for _, p := range c.Message.Parts[c.Part+1:] {
		if p.State == sms.Queued {
			return true
		}
	}
	return false
}

// handover encodes the part under way: with what is left of the validity, and
// as a repetition if the SIM may have sent it before. TP-MR follows from the
// attempt, for modems that keep the one they are given. The concatenation reference
// is the one by which the handset knows the parts that this SIM sends it.
func handover(c Claim, now time.Time) (sms.Handover, error) {
	s, _, err := pdu.ParseSubmit(c.Message.Parts[c.Part].TPDU)
	if err != nil {
		return sms.Handover{}, err
	}
	s.RejectDuplicates = c.Repeat
	s.Reference = c.Reference
	if len(c.Message.Parts) > 1 {
		s.SetConcatReference(c.Concat)
	}
	s.Validity = pdu.RelativeValidity(c.Message.Expires.Sub(now))
	tpdu, err := s.AppendBinary(nil)
	return sms.Handover{Attempt: c.Attempt, TPDU: tpdu, More: c.More || c.more()}, err
}

// end has the end of a claim recorded. The next hand-over waits for that unless
// this one was accepted: a line that fails does not run ahead of what is known
// of it.
func (w *worker) end(ctx context.Context, e ending) {
	if e.outcome.Kind == sms.Accepted {
		w.done <- e
		return
	}
	e.claim.By.Alone, e.claim.By.OthersRest = w.q.roster.alone(w) // by now
	w.settled(ctx, e)
	w.q.stir()
	w.q.roster.urge([]Work{{e.claim.Message.Lane, e.claim.Message.Priority, 1}}) // another may take it now
}

// settle records hand-overs that were accepted.
func (w *worker) settle(ctx context.Context) {
	for e := range w.done {
		w.settled(ctx, e)
		w.q.alarm.notLater(e.claim.Message.Expires) // from then on it may be looked at again
		if e.claim.Message.GoesAgain() {
			w.q.alarm.notLater(time.Now()) // or sooner: the store knows when
		}
	}
}

func (w *worker) settled(ctx context.Context, e ending) {
	w.record(ctx, "settle", func() error {
		err := w.q.store.Settle(context.WithoutCancel(ctx), e.claim, e.outcome)
		if errors.Is(err, ErrLost) { // its lease is over: the message is in doubt since
			return w.q.store.Late(context.WithoutCancel(ctx), e.claim.Attempt, e.outcome)
		}
		return err
	})
}

// record has the store take a transition. If the line ends before it does, the
// clerk sees to it; if the process ends, the next start finds the attempt open.
func (w *worker) record(ctx context.Context, what string, transition func() error) {
	if err := w.insist(ctx, what, transition); err != nil && !errors.Is(err, ErrLost) {
		w.q.debts.add(transition)
		w.q.alarm.notLater(time.Now())
	}
	poke(w.q.news) // somebody may have to hear of it
}

// insist repeats a transition until the store has it: what happened on the air
// cannot be taken back. It gives up when the attempt is not ours any more, or
// when ctx has ended.
func (w *worker) insist(ctx context.Context, what string, transition func() error) error {
	for first := true; ; first = false {
		err := transition()
		if err == nil || errors.Is(err, ErrNothing) {
			return err
		}
		if first {
			w.q.log.Error(what, "modem", w.by.Modem, "err", err)
		}
		if errors.Is(err, ErrLost) || ctx.Err() != nil {
			return err
		}
		w.pause(ctx, clerkRetry)
	}
}
