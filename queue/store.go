package queue

import (
	"context"
	"errors"
	"slices"
	"time"

	"cellpost/sms"
)

// Store keeps messages. Its methods are transitions, not rows: each is one
// transaction that checks what it changes, decides by the [sms.Rules] that the
// store was opened with, writes the timeline, and is durable when it returns.
// All may be called concurrently. A context keeps a transition from beginning, and
// cuts none short.
type Store interface {
	// Add takes a batch: every message queued or scheduled as its State says (one
	// that has an absolute time as [sms.Message.Waiting] says), its price debited. [sms.ErrNoCredit] and [sms.ErrNoAccount] refuse the
	// whole batch, and so does an [*sms.Repeated] where it is to be taken once. One that
	// has failed by itself is stored as it is, at no price. A batch whose messages are stored already, by ID, is taken
	// as done. The messages of one that is larger than [LargeBatch] come to the
	// lines little by little, so that they are in nobody's way: Overdue lets them in.
	Add(ctx context.Context, b sms.Batch) error

	// Claim hands to a line the most urgent message that it may take (lowest
	// Priority, then Due, then arrival): State becomes sending and an attempt is
	// opened for the first part that is not sent, which counts for the limits of the
	// SIM. [ErrNothing] when there is none; that is a [Wait] where the SIM may not
	// send now.
	Claim(ctx context.Context, by By) (Claim, error)

	// GiveBack returns a claim whose attempt never began; the message is queued
	// as it was, and the SIM has sent nothing. why is for the timeline.
	GiveBack(ctx context.Context, c Claim, why string) error

	// PartSent records that the part under way was accepted, and opens the
	// attempt for the next one, which the returned claim names. It is for every
	// part but the last. With a [Wait] it has recorded the part, and the claim is at
	// its end: the SIM has to rest, and the message is queued for it.
	PartSent(ctx context.Context, c Claim, o sms.Outcome) (Claim, error)

	// Settle ends a claim with the outcome of its last hand-over, and lets
	// [sms.Rules.After] decide what comes next; c.By says who is in service by now.
	// [ErrLost] when the attempt is no longer open.
	Settle(ctx context.Context, c Claim, o sms.Outcome) error

	// Abandon makes unknown every attempt that is open: those of a process that
	// is no more. It returns how many there were. Call it before the first Claim.
	Abandon(ctx context.Context) (int, error)

	// Reroute gives a lane of today's rules to the unfinished messages whose
	// lane no route has any more, or has a SIM that may not send to their number. It
	// takes bounded transactions; one that was cut short is done again by the next.
	Reroute(ctx context.Context) (int, error)

	// Late settles an attempt that had ended unknown, when its result comes
	// after all. A result for any other attempt changes nothing.
	Late(ctx context.Context, attempt int64, o sms.Outcome) error

	// NextDue is when Overdue has something to do; ok is false when nothing waits.
	NextDue(ctx context.Context) (at time.Time, ok bool, err error)

	// Overdue lets [sms.Rules.Review] decide about messages whose Review has
	// come, and hands over messages from handsets whose wait for parts is over, a
	// bounded number at a time. An attempt that its line has said nothing of for the
	// time of [sms.Rules.Lease] becomes unknown, and what the line says later is for
	// Late. serving are the SIMs in service. It returns what there is to do now.
	Overdue(ctx context.Context, serving []string) ([]Work, error)

	// Trust tells what is known of the clock. From then on [sms.Rules.Timed] decides
	// by it about messages that wait for an absolute time, at the next Overdue.
	// Before the first call, and from a step of the clock by ten seconds or more to
	// the next, nothing becomes of them; new ones are held.
	Trust(ctx context.Context, c sms.Clock) error

	// Report stores a status report and matches it by SIM, recipient, TP-MR and
	// time, as [sms.MatchReport] says. A report that matches nothing is kept, and
	// looked at when a hand-over by that SIM to that recipient ends. matched tells.
	Report(ctx context.Context, r sms.Report) (matched bool, err error)

	// Receive stores a message from a handset, whatever it is: once it returns nil
	// the modem may delete it. It is in the inbox at once, or when its parts are
	// there as [sms.Rules.Join] puts them together, or at due without those that
	// are missing; they may still come. fresh is false for one that is stored
	// already, by [sms.Fingerprint] on the same SIM, even if it was deleted since.
	Receive(ctx context.Context, in sms.Inbound) (fresh bool, due time.Time, err error)

	// Card says what the SIM in a slot is called, and keeps it, see [sms.NameCard].
	Card(ctx context.Context, here sms.Card, busy []string) (name, warning string, err error)

	// Cards returns the SIMs that have been seen.
	Cards(ctx context.Context) ([]sms.Card, error)

	// Cancel stops a message that is queued, scheduled, held or unknown.
	// [ErrState] when it is too late, [ErrNoMessage] when there is none.
	Cancel(ctx context.Context, id sms.ID) error

	// CancelBatch stops what is queued, scheduled or held of a submission of several
	// messages, and says how much that was. [sms.ErrTooEarly] while it is coming in,
	// [ErrNoMessage] when there is none.
	CancelBatch(ctx context.Context, submission sms.ID) (int, error)

	// Retry queues a message again for an operator, as [sms.Rules.Retry] says, and
	// returns it. Where its price was given back it is debited again:
	// [sms.ErrNoCredit], [sms.ErrNoAccount]. [ErrNoMessage] when there is none.
	Retry(ctx context.Context, id sms.ID) (sms.Message, error)

	// Stats says what there is, without counting it.
	Stats(ctx context.Context) (Stats, error)

	// ClaimEvent hands out the event that is due first, and hides it for the
	// time of hold: who does not call EventDone gets it again. [ErrNothing]
	// when none is due; then next is when to ask again, zero for never.
	ClaimEvent(ctx context.Context, hold time.Duration) (e sms.Event, next time.Time, err error)

	// EventDone records a delivery: delivered, dead, or waiting until due.
	EventDone(ctx context.Context, id int64, s sms.EventState, due time.Time, why string) error

	// RetryEvent has an event that was given up tried once more, now. [ErrNoEvent] when
	// there is none, or it was not given up.
	RetryEvent(ctx context.Context, id int64) error

	// List returns messages, newest first, with their parts and without attempts.
	List(ctx context.Context, f Filter) ([]sms.Message, error)

	// Show returns one message with its attempts, and its timeline, oldest
	// first. [ErrNoMessage] when there is none.
	Show(ctx context.Context, id sms.ID) (sms.Message, []sms.Entry, error)

	// Now is the clock that the store writes by.
	Now(ctx context.Context) (time.Time, error)
}

// LargeBatch is how many messages a store takes in, or lets in, at a time: some ten
// milliseconds of work, as long as others wait for it.
const LargeBatch = 500

// Large reports whether a batch is taken in by chunks.
func Large(b sms.Batch) bool { return b.Rest != nil || len(b.Messages) > LargeBatch }

// Errors of a store.
var (
	ErrNothing   = errors.New("nothing to do")
	ErrLost      = errors.New("the attempt is not open any more")
	ErrNoMessage = sms.ErrNoMessage
	ErrNoEvent   = sms.ErrNoEvent
	ErrState     = sms.ErrTooLate
)

// Wait is the [ErrNothing] of a SIM that is held by its limits.
type Wait struct {
	Until  time.Time // by the clock of the store: when to ask again
	Urgent bool      // queue 1 it may take even now, and the rest of what it has begun
	Why    string
}

func (w *Wait) Error() string { return w.Why }

// Is makes it an [ErrNothing].
func (w *Wait) Is(err error) bool { return err == ErrNothing }

// By is who claims.
type By struct {
	SIM        string
	Modem      string
	Alone      bool // no other line is in service: messages that would rather avoid this SIM are taken too
	OthersRest bool // the others take nothing but queue 1 for now: so for the other queues it is alone
}

// AloneFor reports whether no other line is there for messages of a priority.
func (b By) AloneFor(priority int) bool { return b.Alone || b.OthersRest && priority > 1 }

// Tidied is what a store has done to keep itself small: what is over is moved out
// of the scheduler's way, and anonymised and purged as [sms.Retention] says.
type Tidied struct {
	Steady     bool      // false: the clock is not believed yet, and nothing was done
	Moved      int       // messages that went into the history
	Anonymised int       // messages, those from handsets, and events
	Purged     int       // the same
	Next       time.Time // when there is something to do again
}

// Work is messages that wait in a lane from now on.
type Work struct {
	Lane     sms.Lane
	Priority int // of all of them
	Count    int
}

// AddWork counts a queued message in.
func AddWork(list []Work, m sms.Message) []Work {
	i := slices.IndexFunc(list, func(w Work) bool { return w.Lane == m.Lane && w.Priority == m.Priority })
	if i < 0 {
		return append(list, Work{m.Lane, m.Priority, 1})
	}
	list[i].Count++
	return list
}

// Claim is a message in the hands of one line, with one attempt open.
type Claim struct {
	Message   sms.Message // with its parts; the store's own copy does not share memory
	Part      int         // index into Message.Parts of the part under way
	Attempt   int64
	Repeat    bool   // an earlier attempt of this part by this SIM ended unknown, and it sent the number nothing else: ask the SC to reject a duplicate
	Reference byte   // TP-MR to ask for: the low octet of Attempt, or of the earlier one when Repeat
	Concat    uint16 // concatenation reference of a message of several parts, the same for all that leave by this SIM
	More      bool   // another message of its priority waited behind it
	By        By
}

// Filter selects messages; zero values select all.
type Filter struct {
	State   sms.State
	Account string
	Batch   sms.ID // submission of several messages; then without those in the history
	Limit   int    // 0: 50
}
