package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"cellpost/sms"
)

// Gate is where every door's submissions pass. Its methods may be called
// concurrently; its fields are set before the first call and not changed after.
type Gate struct {
	Queue    Queue
	Accounts func(ctx context.Context, name string) (sms.Account, error) // [sms.ErrNoAccount] for none
	Rules    *sms.Rules

	CountryPrefix string                                    // digits, for national numbers; empty: they are refused
	Sender        func(msisdn string) (sim string, ok bool) // finds the installed SIM with a number, digits; nil: none
	Now           func() time.Time                          // nil: time.Now
	Trusted       func() bool                               // whether Now is the time; nil: it is
	Log           *slog.Logger                              // nil: none

	logins logins
}

// Limits of a submission, from the HTTP API specification of Clickatell where
// the product does not go beyond it.
const (
	ConcatMax       = 35
	ValidityMin     = time.Minute
	ValidityMax     = 7 * 24 * time.Hour
	ValidityDefault = 24 * time.Hour
	DelayMax        = 7 * 24 * time.Hour
	PriorityDefault = 3
	EscalateMax     = 2
	ClientIDMax     = 32 // letters and digits
)

// Years of absolute times. What is outside is no time of a message, but milliseconds
// taken for seconds, or a clock that was lost; and only these are written as RFC 3339.
const (
	atFirst = 2000
	atLast  = 2099
)

// Submit checks a submission of an account that [Gate.Authenticate] returned,
// and stores what is accepted of it, all in one transaction. When Submit returns
// nil the messages are durable; the receipt says item by item what became of
// them. When nothing was accepted the error is the first [Refusal]. Any other
// error is temporary, and then nothing was stored.
func (g *Gate) Submit(ctx context.Context, a sms.Account, s Submission) (Receipt, error) {
	now := g.now()
	b := &builder{gate: g, account: a, submission: s, now: now, id: sms.NewID(now)}
	batch, receipt := b.build()
	if len(batch.Messages) == 0 {
		return receipt, g.refused(ctx, a, s, receipt)
	}
	if s.Events != nil {
		batch.Events = g.stamp(a, s.Events(receipt))
	}
	err := g.Queue.Add(ctx, batch)
	if errors.Is(err, sms.ErrNoCredit) {
		// Somebody else spent it since the account was read.
		receipt = receipt.withdraw(Refuse(CodeCredit, ""))
		return receipt, g.refused(ctx, a, s, receipt)
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("store a submission: %w", err)
	}
	g.log().Debug("submission accepted", "account", a.Name, "submission", b.id, "source", s.Source,
		"messages", len(batch.Messages), "refused", len(receipt.Results)-receipt.Accepted())
	return receipt, nil
}

// Tell stores news for a client whose submission was refused before it came to
// Submit.
func (g *Gate) Tell(ctx context.Context, a sms.Account, events []sms.Event) error {
	if len(events) == 0 {
		return nil
	}
	if err := g.Queue.Add(ctx, sms.Batch{Events: g.stamp(a, events)}); err != nil {
		return fmt.Errorf("store the answer to a submission: %w", err)
	}
	return nil
}

// refused ends a submission of which nothing is left.
func (g *Gate) refused(ctx context.Context, a sms.Account, s Submission, r Receipt) error {
	refusal := r.Refusal()
	g.log().Debug("submission refused", "account", a.Name, "source", s.Source, "code", refusal.Code)
	if s.Events != nil {
		if err := g.Tell(ctx, a, s.Events(r)); err != nil {
			return err
		}
	}
	return refusal
}

// stamp says whose the events are, and of when.
func (g *Gate) stamp(a sms.Account, events []sms.Event) []sms.Event {
	now := g.now()
	for i := range events {
		events[i].Account, events[i].Created = a.Name, now
	}
	return events
}

// withdraw makes refusals of what had been accepted.
func (r Receipt) withdraw(refusal *Refusal) Receipt {
	for i := range r.Results {
		if res := &r.Results[i]; res.Refusal == nil {
			res.ID, res.Refusal = sms.ID{}, refusal
		}
	}
	return r
}

// check returns the refusal of parameters that hold for every item, nil when
// they are all right. sim is the SIM that From asks for.
func (g *Gate) check(p Params) (sim string, refusal *Refusal) {
	switch {
	case p.Concat < 0:
		return "", Refuse(CodeParameter, "concat")
	case p.Priority < 0 || p.Priority > 3:
		return "", Refuse(CodeParameter, "queue: 1 to 3")
	case p.Escalate < 0 || p.Escalate > EscalateMax:
		return "", Refuse(CodeParameter, "escalate: 0 to 2")
	case p.Validity != 0 && (p.Validity < ValidityMin || p.Validity > ValidityMax):
		return "", Refuse(CodeParameter, "validity: 1 to 10080 minutes")
	case len(p.ClientID) > ClientIDMax || !alphanumeric(p.ClientID):
		return "", Refuse(CodeParameter, "climsgid: up to 32 letters and digits")
	case p.Delay < 0 || p.Delay > DelayMax:
		return "", Refuse(CodeDelay, "0 to 10080 minutes")
	case p.Delay > 0 && !p.At.IsZero():
		return "", Refuse(CodeDelay, "a delay or a time, not both")
	case !p.At.IsZero() && (p.At.Year() < atFirst || p.At.Year() > atLast):
		return "", Refuse(CodeDelay, fmt.Sprintf("a time from %d to %d", atFirst, atLast))
	case !p.FarIsNow && g.far(p.At, g.now()):
		return "", Refuse(CodeDelay, "a time up to 7 days ahead")
	case p.Concat > ConcatMax:
		return "", Refuse(CodeParts, "concat: 1 to 35")
	}
	return g.sender(p.From)
}

// at is the absolute time that a message has to wait for; zero: none. While the
// clock is not trusted only the wait tells whether it is past, or far.
func (g *Gate) at(p Params, now time.Time) time.Time {
	if p.At.IsZero() || g.trusted() && !p.At.After(now) || g.far(p.At, now) {
		return time.Time{}
	}
	return p.At.UTC()
}

// far reports whether a time is further ahead than a message may wait.
func (g *Gate) far(at, now time.Time) bool {
	return g.trusted() && at.After(now.Add(DelayMax))
}

func (g *Gate) trusted() bool { return g.Trusted == nil || g.Trusted() }

// sender finds the SIM that shows a number as its own. A GSM network lets
// nobody send under another.
func (g *Gate) sender(from string) (sim string, refusal *Refusal) {
	if from == "" {
		return "", nil
	}
	n, err := ParseNumber(from, g.CountryPrefix, true)
	if err != nil {
		if len(from) > 11 || strings.ContainsFunc(from, func(r rune) bool { return r < ' ' || r > '~' }) {
			return "", Refuse(CodeSource, "")
		}
		return "", Refuse(CodeSender, "from: a name cannot be shown")
	}
	if g.Sender != nil {
		if sim, ok := g.Sender(string(n)); ok {
			return sim, nil
		}
	}
	return "", Refuse(CodeSender, "from: not the number of a SIM in this gateway")
}

func (g *Gate) now() time.Time {
	if g.Now == nil {
		return time.Now()
	}
	return g.Now()
}

func (g *Gate) log() *slog.Logger {
	if g.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return g.Log
}

func alphanumeric(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}
