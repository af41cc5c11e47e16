package ingress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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

	// Senders returns the accounts that mail may be booked to by its sender; nil: none.
	Senders func(ctx context.Context) ([]sms.Account, error)

	CountryPrefix string                                    // digits, for national numbers of accounts without their own; empty: they are refused
	Blocked       []string                                  // beginnings of numbers that nobody may send to, digits
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
// error is temporary, and then nothing was stored. What an idempotent account had
// submitted before is not stored again, and is no refusal.
func (g *Gate) Submit(ctx context.Context, a sms.Account, s Submission) (Receipt, error) {
	now := g.now()
	b := &builder{gate: g, account: a, submission: s, now: now, id: sms.NewID(now), onceFree: a.Settings.Idempotent}
	batch, receipt := b.build()
	if len(batch.Messages) == 0 {
		return receipt, g.refused(ctx, a, s, receipt)
	}
	return g.add(ctx, a, s, batch, receipt)
}

// add stores what was accepted.
func (g *Gate) add(ctx context.Context, a sms.Account, s Submission, batch sms.Batch, receipt Receipt) (Receipt, error) {
	if s.Events != nil {
		batch.Events = g.stamp(a, s.Events(receipt))
	}
	if s.Audience != nil {
		batch.Audience = s.Audience(receipt)
	}
	err := g.Queue.Add(ctx, batch)
	before := receipt.Accepted()
	if repeated, ok := errors.AsType[*sms.Repeated](err); ok {
		return g.addRest(ctx, a, s, batch, receipt.repeat(repeated), before)
	}
	if errors.Is(err, sms.ErrNoCredit) {
		receipt, err = receipt.afford(batch, a.Credits)
		if left := receipt.Accepted(); err == nil && 0 < left && left < before {
			return g.addRest(ctx, a, s, batch, receipt, before)
		}
		// Somebody else spent it since the account was read.
		receipt = receipt.withdraw(Refuse(CodeCredit, ""))
		return receipt, g.end(ctx, a, s, receipt)
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("store a submission: %w", err)
	}
	g.log().Debug("submission accepted", "account", a.Name, "submission", receipt.Submission, "source", s.Source,
		"messages", before, "refused", len(receipt.Results)-before)
	return receipt, nil
}

// addRest stores what is left of a batch by the receipt; before says of how many.
// Each time round there is less of it, so it comes to an end.
func (g *Gate) addRest(ctx context.Context, a sms.Account, s Submission, batch sms.Batch, receipt Receipt, before int) (Receipt, error) {
	switch receipt.Accepted() {
	case before:
		return Receipt{}, errors.New("store a submission: what was submitted before is not of it")
	case 0:
		receipt.Price = 0
		return receipt, g.end(ctx, a, s, receipt)
	}
	batch, price, err := receipt.left(batch)
	if err != nil {
		return Receipt{}, fmt.Errorf("store a submission: %w", err)
	}
	receipt.Price = price
	return g.add(ctx, a, s, batch, receipt)
}

// end answers a submission of which nothing is left to store: with a refusal, unless
// some of it had been stored before.
func (g *Gate) end(ctx context.Context, a sms.Account, s Submission, r Receipt) error {
	if !slices.ContainsFunc(r.Results, func(res Result) bool { return res.Refusal == nil }) {
		return g.refused(ctx, a, s, r)
	}
	if s.Events == nil {
		return nil
	}
	return g.Tell(ctx, a, s.Events(r))
}

// afford refuses the messages of a batch that are beyond a credit.
func (r Receipt) afford(batch sms.Batch, credit sms.Credits) (Receipt, error) {
	beyond := make(map[sms.ID]bool)
	for m, err := range batch.All() {
		if err != nil {
			return r, err
		}
		if m.Price > credit {
			beyond[m.ID] = true
			continue
		}
		credit -= m.Price
	}
	for i := range r.Results {
		if res := &r.Results[i]; res.Refusal == nil && beyond[res.ID] {
			res.ID, res.Refusal = sms.ID{}, Refuse(CodeCredit, "")
		}
	}
	return r, nil
}

// repeat gives what was submitted before the IDs of then.
func (r Receipt) repeat(repeated *sms.Repeated) Receipt {
	for i := range r.Results {
		res := &r.Results[i]
		if first, ok := repeated.First[res.ID]; ok && res.Refusal == nil {
			res.ID, res.Repeat = first, true
		}
	}
	return r
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
		if res := &r.Results[i]; res.Refusal == nil && !res.Repeat {
			res.ID, res.Refusal = sms.ID{}, refusal
		}
	}
	r.Price = 0
	return r
}

// terms are the parameters of a message as an account may have them.
type terms struct {
	Params
	sim     string // that From asks for
	prefix  string // of the text, instead of a From that cannot be shown
	note    string // for the timeline
	refusal *Refusal
}

// terms looks at parameters. Their refusal is nil when they are all right.
func (g *Gate) terms(a sms.Account, p Params) terms {
	t := terms{Params: p}
	if t.refusal = g.check(p); t.refusal == nil {
		g.sender(a, &t)
	}
	return t
}

// check returns the refusal of parameters that are out of their ranges.
func (g *Gate) check(p Params) *Refusal {
	switch {
	case p.Concat < 0:
		return Refuse(CodeParameter, "concat")
	case p.Priority < 0 || p.Priority > 3:
		return Refuse(CodeParameter, "queue: 1 to 3")
	case p.Escalate < 0 || p.Escalate > EscalateMax:
		return Refuse(CodeParameter, "escalate: 0 to 2")
	case p.Validity != 0 && (p.Validity < ValidityMin || p.Validity > ValidityMax):
		return Refuse(CodeParameter, "validity: 1 to 10080 minutes")
	case !IsClientID(p.ClientID):
		return Refuse(CodeParameter, "climsgid: up to 32 letters and digits")
	case p.Delay < 0 || p.Delay > DelayMax:
		return Refuse(CodeDelay, "0 to 10080 minutes")
	case p.Delay > 0 && !p.At.IsZero():
		return Refuse(CodeDelay, "a delay or a time, not both")
	case !p.At.IsZero() && (p.At.Year() < atFirst || p.At.Year() > atLast):
		return Refuse(CodeDelay, fmt.Sprintf("a time from %d to %d", atFirst, atLast))
	case !p.FarIsNow && g.far(p.At, g.now()):
		return Refuse(CodeDelay, "a time up to 7 days ahead")
	case p.Concat > ConcatMax:
		return Refuse(CodeParts, "concat: 1 to 35")
	}
	return nil
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

// sender finds the SIM that shows the number of From as its own. A GSM network lets
// nobody send under another; what becomes of one the account says.
func (g *Gate) sender(a sms.Account, t *terms) {
	if t.From == "" {
		return
	}
	n, err := ParseNumber(t.From, g.countryPrefix(a), true)
	if err != nil && (len(t.From) > 11 || strings.ContainsFunc(t.From, func(r rune) bool { return r < ' ' || r > '~' })) {
		t.refusal = Refuse(CodeSource, "")
		return
	}
	if err == nil && g.Sender != nil {
		if sim, ok := g.Sender(string(n)); ok {
			t.sim = sim
			return
		}
	}
	switch {
	case a.Settings.ForeignSender == "ignore":
		t.note = "from " + t.From + " cannot be shown, and is ignored"
	case a.Settings.ForeignSender == "prefix":
		t.prefix = t.From + ": "
	case err != nil:
		t.refusal = Refuse(CodeSender, "from: a name cannot be shown")
	default:
		t.refusal = Refuse(CodeSender, "from: not the number of a SIM in this gateway")
	}
}

// countryPrefix is that of the national numbers of an account.
func (g *Gate) countryPrefix(a sms.Account) string {
	return cmp.Or(a.Settings.CountryPrefix, g.CountryPrefix)
}

// blocked reports whether nobody may send to a number.
func (g *Gate) blocked(to sms.Number) bool {
	return slices.ContainsFunc(g.Blocked, func(prefix string) bool { return strings.HasPrefix(string(to), prefix) })
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

// IsClientID reports whether a client may call its message so; it need not.
func IsClientID(s string) bool {
	return len(s) <= ClientIDMax && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}
