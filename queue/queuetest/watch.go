package queuetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// Watched is a store that notes what it does to messages, see [Watch].
type Watched struct {
	store    Store // not embedded: no method that is new goes unwatched
	seen     *Seen
	states   map[sms.ID]sms.State // as they were left; nil: not known
	messages map[int64]sms.ID     // by attempt
	blind    bool                 // there are too many
}

// Watch returns a store that notes in seen what it does to messages, for one
// caller at a time.
func Watch(s Store, seen *Seen) *Watched {
	return &Watched{store: s, seen: seen, messages: map[int64]sms.ID{}}
}

// watchMost is how many messages are watched: to look at all of them after each call is dear.
// A test with more is about how many there are, and the rest of it goes unwatched.
const watchMost = 60

// look returns the states of all messages.
func (w *Watched) look(ctx context.Context) (map[sms.ID]sms.State, error) {
	list, err := w.store.List(ctx, queue.Filter{Limit: watchMost + 1})
	if err != nil {
		return nil, err
	}
	w.blind = len(list) > watchMost
	states := map[sms.ID]sms.State{}
	for _, m := range list {
		states[m.ID] = m.State
	}
	return states, nil
}

// Names of events, as docs/states.md has them, beyond the outcomes of a hand-over.
const (
	admitted  = "admitted"
	instead   = "in place of another"
	takenBack = "taken back"
	purged    = "purged"
	reported  = "report"
	overdue   = "time"
)

// During does something to the store that docs/states.md calls by this event, and
// notes what became of the messages.
func (w *Watched) During(ctx context.Context, event string, do func() error) error {
	return w.during(ctx, event, 0, do)
}

// during is During for what is about the message of one attempt, unless that is 0.
func (w *Watched) during(ctx context.Context, event string, attempt int64, do func() error) (err error) {
	if w.states == nil {
		if w.states, err = w.look(ctx); err != nil {
			return err
		}
	}
	failed := do()
	if w.blind {
		return failed
	}
	before := w.states
	if w.states, err = w.look(ctx); err != nil || w.blind {
		return errors.Join(failed, err)
	}
	for id, to := range w.states {
		w.note(id, before[id], event, attempt, to)
	}
	for id, from := range before {
		if _, ok := w.states[id]; !ok {
			w.note(id, from, event, attempt, Nothing)
		}
	}
	return failed
}

// note notes a change of a state, if it is one. What came of the event but is not
// meant by it has a name of its own.
func (w *Watched) note(id sms.ID, from sms.State, event string, attempt int64, to sms.State) {
	if to == sms.Expired && (from == sms.Sending || from == sms.Unknown) {
		w.note(id, from, event, attempt, sms.Queued) // in between, in one call: parts had still to go
		from = sms.Queued
	}
	about, single := w.messages[attempt]
	switch {
	case from == to:
		return
	case from == "":
		from = Nothing
		if event != admitted {
			event = instead
		}
	case to == Nothing:
		if event != purged {
			event = takenBack
		}
	case single && about != id, !single && endsSome(event) && from != sms.Sending && isNews(to):
		event = reported // of one that was kept until a hand-over had ended
	}
	w.seen.note(Transition{from, event, to})
}

// endsSome reports whether an event may be the end of hand-overs that it does not name.
func endsSome(event string) bool { return event == overdue || event == string(sms.Ambiguous) }

// isNews reports whether only news from the network leads to a state.
func isNews(s sms.State) bool {
	return slices.Contains([]sms.State{sms.Sent, sms.Delivered, sms.Failed}, s)
}

// about notes which message an attempt is of.
func (w *Watched) about(c queue.Claim, err error) {
	if err == nil {
		w.messages[c.Attempt] = c.Message.ID
	}
}

// Add is [queue.Store.Add], watched.
func (w *Watched) Add(ctx context.Context, b sms.Batch) error {
	return w.During(ctx, admitted, func() error { return w.store.Add(ctx, b) })
}

// Claim is [queue.Store.Claim], watched.
func (w *Watched) Claim(ctx context.Context, by queue.By) (c queue.Claim, err error) {
	err = w.During(ctx, "claimed", func() (err error) { c, err = w.store.Claim(ctx, by); return err })
	w.about(c, err)
	return c, err
}

// GiveBack is [queue.Store.GiveBack], watched.
func (w *Watched) GiveBack(ctx context.Context, c queue.Claim, why string) error {
	return w.during(ctx, "given back", c.Attempt, func() error { return w.store.GiveBack(ctx, c, why) })
}

// PartSent is [queue.Store.PartSent], watched.
func (w *Watched) PartSent(ctx context.Context, c queue.Claim, o sms.Outcome) (next queue.Claim, err error) {
	err = w.during(ctx, "part sent", c.Attempt, func() (err error) { next, err = w.store.PartSent(ctx, c, o); return err })
	w.about(next, err)
	return next, err
}

// Settle is [queue.Store.Settle], watched.
func (w *Watched) Settle(ctx context.Context, c queue.Claim, o sms.Outcome) error {
	return w.during(ctx, string(o.Kind), c.Attempt, func() error { return w.store.Settle(ctx, c, o) })
}

// Abandon is [queue.Store.Abandon], watched.
func (w *Watched) Abandon(ctx context.Context) (n int, err error) {
	err = w.During(ctx, string(sms.Ambiguous), func() (err error) { n, err = w.store.Abandon(ctx); return err })
	return n, err
}

// Late is [queue.Store.Late], watched.
func (w *Watched) Late(ctx context.Context, attempt int64, o sms.Outcome) error {
	return w.during(ctx, "late: "+string(o.Kind), attempt, func() error { return w.store.Late(ctx, attempt, o) })
}

// Overdue is [queue.Store.Overdue], watched.
func (w *Watched) Overdue(ctx context.Context, serving []string) (work []queue.Work, err error) {
	err = w.During(ctx, overdue, func() (err error) { work, err = w.store.Overdue(ctx, serving); return err })
	return work, err
}

// Report is [queue.Store.Report], watched.
func (w *Watched) Report(ctx context.Context, r sms.Report) (matched bool, err error) {
	err = w.During(ctx, reported, func() (err error) { matched, err = w.store.Report(ctx, r); return err })
	return matched, err
}

// Cancel is [queue.Store.Cancel], watched.
func (w *Watched) Cancel(ctx context.Context, id sms.ID) error {
	return w.During(ctx, "cancelled", func() error { return w.store.Cancel(ctx, id) })
}

// CancelBatch is [queue.Store.CancelBatch], watched.
func (w *Watched) CancelBatch(ctx context.Context, id sms.ID) (n int, err error) {
	err = w.During(ctx, "cancelled", func() (err error) { n, err = w.store.CancelBatch(ctx, id); return err })
	return n, err
}

// Retry is [queue.Store.Retry], watched.
func (w *Watched) Retry(ctx context.Context, id sms.ID) (m sms.Message, err error) {
	err = w.During(ctx, "retried", func() (err error) { m, err = w.store.Retry(ctx, id); return err })
	return m, err
}

// Tidy is [Store.Tidy], watched.
func (w *Watched) Tidy(ctx context.Context, r sms.Retention) (done queue.Tidied, err error) {
	err = w.During(ctx, purged, func() (err error) { done, err = w.store.Tidy(ctx, r); return err })
	return done, err
}

// What follows has no event on the page: it changes no state, but that Reroute may
// take back what had come to nothing.

// Reroute is [queue.Store.Reroute], watched.
func (w *Watched) Reroute(ctx context.Context) (n int, err error) {
	err = w.During(ctx, "Reroute", func() (err error) { n, err = w.store.Reroute(ctx); return err })
	return n, err
}

// Trust is [queue.Store.Trust], watched.
func (w *Watched) Trust(ctx context.Context, c sms.Clock) error {
	return w.During(ctx, "Trust", func() error { return w.store.Trust(ctx, c) })
}

// Receive is [queue.Store.Receive], watched.
func (w *Watched) Receive(ctx context.Context, in sms.Inbound) (fresh bool, due time.Time, err error) {
	err = w.During(ctx, "Receive", func() (err error) { fresh, due, err = w.store.Receive(ctx, in); return err })
	return fresh, due, err
}

// Card is [queue.Store.Card], watched.
func (w *Watched) Card(ctx context.Context, here sms.Card, busy []string) (name, warning string, err error) {
	err = w.During(ctx, "Card", func() (err error) { name, warning, err = w.store.Card(ctx, here, busy); return err })
	return name, warning, err
}

// ClaimEvent is [queue.Store.ClaimEvent], watched.
func (w *Watched) ClaimEvent(ctx context.Context, hold time.Duration) (e sms.Event, next time.Time, err error) {
	err = w.During(ctx, "ClaimEvent", func() (err error) { e, next, err = w.store.ClaimEvent(ctx, hold); return err })
	return e, next, err
}

// EventDone is [queue.Store.EventDone], watched.
func (w *Watched) EventDone(ctx context.Context, id int64, s sms.EventState, due time.Time, why string) error {
	return w.During(ctx, "EventDone", func() error { return w.store.EventDone(ctx, id, s, due, why) })
}

// RetryEvent is [queue.Store.RetryEvent], watched.
func (w *Watched) RetryEvent(ctx context.Context, id int64) error {
	return w.During(ctx, "RetryEvent", func() error { return w.store.RetryEvent(ctx, id) })
}

// AddAccount is [Store.AddAccount], watched.
func (w *Watched) AddAccount(ctx context.Context, a sms.Account) error {
	return w.During(ctx, "AddAccount", func() error { return w.store.AddAccount(ctx, a) })
}

// Now is [queue.Store.Now], watched: the store sees by it that the clock was set.
func (w *Watched) Now(ctx context.Context) (now time.Time, err error) {
	err = w.During(ctx, "Now", func() (err error) { now, err = w.store.Now(ctx); return err })
	return now, err
}

// What follows only reads.

// Show is [queue.Store.Show]; what the timeline tells is noted.
func (w *Watched) Show(ctx context.Context, id sms.ID) (sms.Message, []sms.Entry, error) {
	m, timeline, err := w.store.Show(ctx, id)
	w.seen.told(timeline)
	return m, timeline, err
}

// List is [queue.Store.List].
func (w *Watched) List(ctx context.Context, f queue.Filter) ([]sms.Message, error) {
	return w.store.List(ctx, f)
}

// Stats is [queue.Store.Stats].
func (w *Watched) Stats(ctx context.Context) (queue.Stats, error) { return w.store.Stats(ctx) }

// NextDue is [queue.Store.NextDue].
func (w *Watched) NextDue(ctx context.Context) (time.Time, bool, error) { return w.store.NextDue(ctx) }

// Cards is [queue.Store.Cards].
func (w *Watched) Cards(ctx context.Context) ([]sms.Card, error) { return w.store.Cards(ctx) }

// Account is [Store.Account].
func (w *Watched) Account(ctx context.Context, name string) (sms.Account, error) {
	return w.store.Account(ctx, name)
}

// Inbox is [Store.Inbox].
func (w *Watched) Inbox(ctx context.Context, limit int) ([]sms.Inbound, error) {
	return w.store.Inbox(ctx, limit)
}
