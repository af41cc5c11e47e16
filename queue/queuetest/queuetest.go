// Package queuetest says what every [queue.Store] must do, as tests.
package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/sms"
)

// Store is a store under test: the suite makes its own accounts in it. When it
// has a method Run(context.Context) error, the suite calls that, too.
type Store interface {
	queue.Store
	AddAccount(ctx context.Context, a sms.Account) error
	Account(ctx context.Context, name string) (sms.Account, error)
	Inbox(ctx context.Context, limit int) ([]sms.Inbound, error)
	Tidy(ctx context.Context, r sms.Retention) (queue.Tidied, error)
}

// Run tests a store. open returns an empty one that decides by the rules given
// and is closed by the cleanup of t. Most tests run in a bubble of
// [testing/synctest]. It returns what the store was seen to do to messages.
func Run(t *testing.T, open func(t *testing.T, rules *sms.Rules) Store) *Seen {
	seen := NewSeen()
	for _, group := range [][]test{claimTests, onceTests, limitTests, outcomeTests, doubtTests, repeatTests, largeTests, batchTests, referenceTests, leaseTests, reportTests, newsTests, inboxTests, cardTests, retryTests, statsTests, timedTests, againTests, historyTests, stateTests} {
		for _, c := range group {
			seen.Run(t, c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := begin(t, open, c.rules)
					e.store = Watch(e.store, seen)
					c.run(e)
					e.lookBack()
				})
			})
		}
	}
	t.Run("concurrent callers", func(t *testing.T) { concurrent(begin(t, open, sms.Rules{})) })
	t.Run("concurrent credit", func(t *testing.T) { concurrentCredit(begin(t, open, sms.Rules{})) })
	return seen
}

// test is one property of a store.
type test struct {
	name  string
	rules sms.Rules // the times of waiting are set by begin
	run   func(*env)
}

// env is a store with an account of 1,000 credits, and what tests do with it.
type env struct {
	*testing.T
	ctx   context.Context
	store Store
	rules *sms.Rules
}

const (
	shop    = "shop"
	credits = 1000 * sms.Credit
	secret  = "meet me at noon" // the text of messages: not for timelines
	number  = sms.Number("447700900123")

	unknownWait   = 30 * time.Second
	escalateAfter = time.Minute
	lease         = 5 * time.Minute
)

func begin(t *testing.T, open func(*testing.T, *sms.Rules) Store, rules sms.Rules) *env {
	rules.UnknownWait, rules.EscalateAfter, rules.PartsWait, rules.Lease = unknownWait, escalateAfter, partsWait, lease
	e := &env{T: t, ctx: t.Context(), store: open(t, &rules), rules: &rules}
	if s, ok := e.store.(interface{ Run(context.Context) error }); ok {
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			e.ok(<-done)
		})
	}
	e.ok(e.store.AddAccount(e.ctx, sms.Account{Name: shop, Credits: credits}))
	return e
}

func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *env) is(err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("got error %v, want %v", err, want)
	}
}

// message makes a message of so many parts as the Gate would.
func (e *env) message(parts int, change ...func(*sms.Message)) sms.Message {
	e.Helper()
	now := time.Now()
	m := sms.Message{
		ID: sms.NewID(now), Submission: sms.NewID(now), Account: shop, Source: "smtp 192.0.2.1", To: number,
		Text: secret, Priority: 3, Resend: true, Report: true, Expires: now.Add(24 * time.Hour),
		Price: sms.Credits(parts) * sms.Credit,
	}
	for _, f := range change {
		f(&m)
	}
	m.Parts = e.parts(m.To, secret+strings.Repeat(".", (parts-1)*153))
	step, err := e.rules.Admit(m, now)
	e.ok(err)
	m.Apply(step)
	return m
}

func (e *env) parts(to sms.Number, text string) []sms.Part {
	e.Helper()
	seg, err := pdu.Split(text, pdu.SplitOptions{Reference: 7})
	e.ok(err)
	var parts []sms.Part
	for i, ud := range seg.Parts {
		s := pdu.Submit{StatusReport: true, Destination: to.Address(), DCS: seg.DCS, UserData: ud}
		tpdu, err := s.AppendBinary(nil)
		e.ok(err)
		parts = append(parts, sms.Part{N: i + 1, TPDU: tpdu, State: sms.Queued})
	}
	return parts
}

// add stores a message and returns its ID.
func (e *env) add(parts int, change ...func(*sms.Message)) sms.ID {
	e.Helper()
	m := e.message(parts, change...)
	e.ok(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{m}}))
	return m.ID
}

func by(sim string) queue.By { return queue.By{SIM: sim, Modem: "modem-" + sim} }

// claim takes a message, which must be there.
func (e *env) claim(sim string) queue.Claim {
	e.Helper()
	c, err := e.store.Claim(e.ctx, by(sim))
	e.ok(err)
	return c
}

// claimID is claim of this message and no other.
func (e *env) claimID(sim string, id sms.ID) queue.Claim {
	e.Helper()
	c := e.claim(sim)
	if c.Message.ID != id {
		e.Fatalf("%s claimed %s, want %s", sim, c.Message.ID, id)
	}
	return c
}

// nothing checks that a SIM finds nothing to do.
func (e *env) nothing(sim string) {
	e.Helper()
	_, err := e.store.Claim(e.ctx, by(sim))
	e.is(err, queue.ErrNothing)
}

func (e *env) settle(c queue.Claim, o sms.Outcome) {
	e.Helper()
	e.ok(e.store.Settle(e.ctx, c, o))
}

// Outcomes of hand-overs.

func accepted(mr byte) sms.Outcome { return sms.Outcome{Kind: sms.Accepted, MR: mr} }

func refused(code int) sms.Outcome {
	return sms.Outcome{Kind: sms.Refused, Cause: pdu.Cause{Set: pdu.CMS, Code: code}}
}

var (
	ambiguous = sms.Outcome{Kind: sms.Ambiguous, Detail: "no result within 60s"}
	notSent   = sms.Outcome{Kind: sms.NotSent, Detail: "no prompt within 10s"}
)

// Causes of 3GPP TS 24.011 and 23.040.
const (
	noSuchNumber = 1   // permanent
	congestion   = 42  // temporary
	duplicate    = 197 // the SC holds this message already
)

// overdue lets time pass, and then the rules decide about all whose Review has
// come.
func (e *env) overdue(wait time.Duration, serving ...string) []queue.Work {
	e.Helper()
	time.Sleep(wait)
	work, err := e.store.Overdue(e.ctx, serving)
	e.ok(err)
	return work
}

func (e *env) show(id sms.ID) (sms.Message, []sms.Entry) {
	e.Helper()
	m, timeline, err := e.store.Show(e.ctx, id)
	e.ok(err)
	return m, timeline
}

// want checks where a message stands, and returns it.
func (e *env) want(id sms.ID, state sms.State, parts ...sms.State) sms.Message {
	e.Helper()
	m, timeline := e.show(id)
	if m.State != state {
		e.Fatalf("state %s (%s), want %s; timeline:\n%s", m.State, m.Why, state, story(timeline))
	}
	for i, p := range parts {
		if m.Parts[i].State != p {
			e.Fatalf("part %d is %s, want %s; timeline:\n%s", i+1, m.Parts[i].State, p, story(timeline))
		}
	}
	return m
}

// flagged checks the flag of a possible duplicate.
func (e *env) flagged(id sms.ID, want bool) {
	e.Helper()
	if m, timeline := e.show(id); m.Duplicate != want {
		e.Fatalf("possible duplicate is %v, want %v; timeline:\n%s", m.Duplicate, want, story(timeline))
	}
}

// tells checks the events of a timeline, in order.
func (e *env) tells(id sms.ID, events ...string) {
	e.Helper()
	_, timeline := e.show(id)
	var got []string
	for _, entry := range timeline {
		got = append(got, entry.Event)
	}
	if !slices.Equal(got, events) {
		e.Fatalf("timeline tells %q, want %q:\n%s", got, events, story(timeline))
	}
}

func story(timeline []sms.Entry) string {
	var b strings.Builder
	for _, e := range timeline {
		fmt.Fprintf(&b, "%s %s: %s\n", e.At.Format(time.TimeOnly), e.Event, e.Detail)
	}
	return b.String()
}

// balance checks what the account has left.
func (e *env) balance(want sms.Credits) {
	e.Helper()
	e.has(shop, want)
}

func (e *env) has(account string, want sms.Credits) {
	e.Helper()
	a, err := e.store.Account(e.ctx, account)
	e.ok(err)
	if a.Credits != want {
		e.Fatalf("%s has %d millionths left, want %d", account, a.Credits, want)
	}
}
