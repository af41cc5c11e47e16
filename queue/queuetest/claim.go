package queuetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// routes are two tiers for 44 and one for the rest.
var routes = sms.Rules{Routes: []sms.Route{
	{Prefix: "44", Tiers: [][]string{{"a"}, {"b"}}, Price: sms.Credit},
	{Prefix: "", Tiers: [][]string{{"c"}}, Price: sms.Credit},
}}

func to(n sms.Number) func(*sms.Message) { return func(m *sms.Message) { m.To = n } }

func priority(p int) func(*sms.Message) { return func(m *sms.Message) { m.Priority = p } }

func escalate(level int) func(*sms.Message) { return func(m *sms.Message) { m.Escalate = level } }

func in(d time.Duration) func(*sms.Message) {
	return func(m *sms.Message) { m.Due = time.Now().Add(d) }
}

func validFor(d time.Duration) func(*sms.Message) {
	return func(m *sms.Message) { m.Expires = time.Now().Add(d) }
}

var claimTests = []test{
	{name: "order is priority, due, arrival", run: func(e *env) {
		third := e.add(1, priority(3))
		second := e.add(1, priority(2))
		first := e.add(1, priority(1))
		retried := e.add(1, priority(1))
		for _, id := range []sms.ID{first, retried, second, third} {
			e.settle(e.claimID("a", id), accepted(1))
		}
		e.nothing("a")

		early := e.add(1)
		time.Sleep(time.Second)
		late := e.add(1)
		e.claimID("a", early)
		e.claimID("a", late)
	}},
	{name: "accounts share a queue", run: func(e *env) {
		of := func(account string) func(*sms.Message) { return func(m *sms.Message) { m.Account = account } }
		for _, name := range []string{"big", "small", "late"} {
			e.ok(e.store.AddAccount(e.ctx, sms.Account{Name: name, Credits: credits}))
		}
		next := func(want string) {
			e.Helper()
			c := e.claim("a")
			if c.Message.Account != want {
				e.Fatalf("it is the turn of %s, got %s", want, c.Message.Account)
			}
			e.settle(c, accepted(1))
		}
		for range 20 {
			e.add(1, of("big"))
		}
		next("big")
		next("big")
		for range 3 {
			e.add(1, of("small"))
		}
		urgent := e.add(1, priority(1), of("big"))
		e.settle(e.claimID("a", urgent), accepted(1))
		for range 3 {
			next("small")
			next("big")
		}
		next("big")
		for range 2 {
			e.add(2, of("late")) // of two parts each
		}
		for range 2 {
			c := e.claim("a")
			if c.Message.Account != "late" {
				e.Fatalf("got %s", c.Message.Account)
			}
			sent, err := e.store.PartSent(e.ctx, c, accepted(1))
			e.ok(err)
			e.settle(sent, accepted(2))
			next("big")
			next("big")
		}
	}},
	{name: "due counts across lanes", rules: routes, run: func(e *env) {
		second := e.add(1, in(2*time.Second))
		first := e.add(1, in(time.Second), escalate(1))
		e.overdue(2 * time.Second)
		e.claimID("a", first)
		e.claimID("a", second)
	}},
	{name: "a claim says whether more waits", run: func(e *env) {
		e.add(3)
		e.add(3)
		e.add(1)
		e.add(3, in(time.Hour))
		for i, want := range []bool{true, true, false} {
			if c := e.claim("a"); c.More != want {
				e.Errorf("claim %d: more %v, want %v", i+1, c.More, want)
			}
		}
	}},
	{name: "a claim is whole", run: func(e *env) {
		sent := e.message(2, func(m *sms.Message) {
			m.From, m.ClientID, m.Escalate = "447700900001", "order66", 1
		})
		e.ok(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{sent}}))
		c := e.claim("a")
		m := c.Message
		if c.Part != 0 || c.Attempt == 0 || c.Repeat || c.By != by("a") || c.Reference != byte(c.Attempt) {
			e.Errorf("claim %+v", c)
		}
		if m.State != sms.Sending || len(m.Parts) != 2 || m.Parts[0].State != sms.Sending || m.Parts[1].State != sms.Queued {
			e.Errorf("claimed as %s with parts %v", m.State, m.Parts)
		}
		if !slices.Equal(m.Parts[1].TPDU, sent.Parts[1].TPDU) || m.Parts[1].N != 2 {
			e.Error("the TPDU of part 2 is not what was stored")
		}
		if m.To != sent.To || m.From != sent.From || m.ClientID != sent.ClientID || m.Text != secret || m.Price != sent.Price ||
			m.Submission != sent.Submission || m.Escalate != 1 || !m.Resend || !m.Report ||
			!m.Expires.Equal(sent.Expires) || m.Account != shop || m.Source != sent.Source {
			e.Errorf("claimed %+v, stored %+v", m, sent)
		}
		e.tells(m.ID, "accepted", "sending")
	}},
	{name: "lanes", rules: routes, run: func(e *env) {
		home := e.add(1)
		abroad := e.add(1, to("4915112345678"))
		urgent := e.add(1, priority(1), to("4915112345678"))
		both := e.add(1, escalate(1))
		only := e.add(1, func(m *sms.Message) { m.OnlySIM = "b" })
		e.claimID("b", both)
		e.claimID("b", only)
		e.nothing("b")
		e.claimID("a", home)
		e.nothing("a")
		e.claimID("c", urgent)
		e.claimID("c", abroad)
		e.nothing("nobody")
	}},
	{name: "escalation by time", rules: routes, run: func(e *env) {
		id := e.add(1, escalate(2))
		e.nothing("b")
		if work := e.overdue(escalateAfter); !slices.Equal(work, []queue.Work{{Lane: "44/1", Priority: 3, Count: 1}}) {
			e.Fatalf("work %v", work)
		}
		e.tells(id, "accepted", "queued")
		e.claimID("b", id)
	}},
	{name: "a refused message passes over its SIM", run: func(e *env) {
		first, second := e.add(1), e.add(1)
		e.settle(e.claimID("a", first), notSent)
		e.claimID("a", second) // not hidden behind the first
		e.nothing("a")
		e.claimID("b", first)
		e.tells(first, "accepted", "sending", "queued", "sending")
	}},
	{name: "the avoided SIM may take it in the end", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claimID("a", id), notSent)
		e.nothing("a")
		if work := e.overdue(escalateAfter); len(work) != 1 {
			e.Fatalf("work %v, want that of one lane", work)
		}
		e.claimID("a", id)
	}},
	{name: "alone there is nothing to avoid", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claimID("a", id), notSent)
		alone := by("a")
		alone.Alone = true
		c, err := e.store.Claim(e.ctx, alone)
		e.ok(err)
		if c.Message.ID != id || c.By != alone {
			e.Errorf("claim %+v", c)
		}
	}},
	{name: "scheduled", run: func(e *env) {
		id := e.add(1, in(time.Hour))
		e.want(id, sms.Scheduled)
		e.nothing("a")
		at, ok, err := e.store.NextDue(e.ctx)
		e.ok(err)
		if !ok || !at.Equal(time.Now().Add(time.Hour).Truncate(time.Millisecond)) {
			e.Fatalf("next due %v, %v", at, ok)
		}
		e.overdue(time.Hour - time.Second)
		e.nothing("a")
		if work := e.overdue(time.Second); len(work) != 1 {
			e.Fatalf("work for lanes %v, want one", work)
		}
		e.claimID("a", id)
		e.tells(id, "accepted", "queued", "sending")
	}},
	{name: "expired is not claimed, and is refunded", run: func(e *env) {
		id := e.add(2, validFor(time.Minute))
		e.balance(credits - 2*sms.Credit)
		time.Sleep(time.Minute)
		e.nothing("a")
		e.overdue(0)
		e.want(id, sms.Expired)
		e.balance(credits)
		e.tells(id, "accepted", "expired")
		if at, ok, err := e.store.NextDue(e.ctx); ok || err != nil {
			e.Fatalf("still due at %v, %v", at, err)
		}
	}},
	{name: "what is being sent is not reviewed", run: func(e *env) {
		id := e.add(1, validFor(time.Minute))
		c := e.claim("a")
		e.overdue(2 * time.Minute)
		e.want(id, sms.Sending)
		if at, ok, err := e.store.NextDue(e.ctx); !ok || time.Until(at) != lease-2*time.Minute || err != nil {
			e.Errorf("due at %v, %v; want the end of the lease", at, err)
		}
		e.ok(e.store.GiveBack(e.ctx, c, "the line went out of service"))
		e.overdue(0)
		e.want(id, sms.Expired)
	}},
	{name: "given back", run: func(e *env) {
		first, second := e.add(1), e.add(1)
		c := e.claimID("a", first)
		before, _ := e.show(first)
		e.ok(e.store.GiveBack(e.ctx, c, "the line went out of service"))
		after := e.want(first, sms.Queued, sms.Queued)
		if after.Avoid != "" || after.Tries != 0 || !after.Due.Equal(before.Due) || after.Lane != before.Lane || !after.Review.Equal(before.Review) {
			e.Errorf("came back as %+v", after)
		}
		e.is(e.store.GiveBack(e.ctx, c, "again"), queue.ErrLost)
		e.is(e.store.Settle(e.ctx, c, accepted(1)), queue.ErrLost)
		e.claimID("a", first) // it keeps its place
		e.claimID("a", second)
		e.tells(first, "accepted", "sending", "given back", "sending")
	}},
	{name: "many overdue", run: func(e *env) {
		const n = 450
		var b sms.Batch
		for range n {
			b.Messages = append(b.Messages, e.message(1, in(time.Hour)))
		}
		e.ok(e.store.Add(e.ctx, b))
		time.Sleep(time.Hour)
		for calls := 1; ; calls++ {
			e.overdue(0)
			if at, _, err := e.store.NextDue(e.ctx); err != nil || at.After(time.Now()) {
				e.ok(err)
				break
			}
			if calls > n {
				e.Fatal("the overdue do not get less")
			}
		}
		queued, err := e.store.List(e.ctx, queue.Filter{State: sms.Queued, Limit: 2 * n})
		e.ok(err)
		if len(queued) != n {
			e.Fatalf("%d queued, want %d", len(queued), n)
		}
	}},
}

// concurrent has four doors add 2,000 messages and 16 lines claim and settle
// them: each must be handed over once and end sent.
func concurrent(e *env) {
	const messages, doors, lines = 2000, 4, 16
	e.ok(e.store.AddAccount(e.ctx, sms.Account{Name: "many", Unlimited: true}))
	var wg sync.WaitGroup
	for range doors {
		mine := e.messages(messages/doors, "many")
		wg.Go(func() {
			for _, m := range mine {
				if err := e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{m}}); err != nil {
					e.Error(err)
				}
			}
		})
	}
	wg.Wait()

	claimed := make([][]sms.ID, lines)
	for i := range lines {
		wg.Go(func() { claimed[i] = drain(e, fmt.Sprint("sim", i)) })
	}
	wg.Wait()
	times := map[sms.ID]int{}
	for _, id := range slices.Concat(claimed...) {
		times[id]++
		if times[id] > 1 {
			e.Errorf("%s was claimed %d times", id, times[id])
		}
	}
	sent, err := e.store.List(e.ctx, queue.Filter{State: sms.Sent, Limit: 2 * messages})
	e.ok(err)
	if len(times) != messages || len(sent) != messages {
		e.Errorf("%d claimed, %d sent, want %d of each", len(times), len(sent), messages)
	}
}

func (e *env) messages(n int, account string) []sms.Message {
	list := make([]sms.Message, n)
	for i := range list {
		list[i] = e.message(1, func(m *sms.Message) { m.Account = account })
	}
	return list
}

// drain is a line that has every message accepted, until there is none.
func drain(e *env, sim string) (claimed []sms.ID) {
	for {
		c, err := e.store.Claim(e.ctx, by(sim))
		if errors.Is(err, queue.ErrNothing) {
			return claimed
		}
		if err == nil {
			claimed = append(claimed, c.Message.ID)
			err = e.store.Settle(e.ctx, c, accepted(byte(c.Attempt)))
		}
		if err != nil {
			e.Error(err)
			return claimed
		}
	}
}

// concurrentCredit has many spend the same 1,000 credits: not one more goes
// than there are.
func concurrentCredit(e *env) {
	const spenders, each = 8, 200
	var stored atomic.Int64
	var wg sync.WaitGroup
	for range spenders {
		mine := e.messages(each, shop)
		wg.Go(func() {
			for _, m := range mine {
				err := e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{m}})
				switch {
				case err == nil:
					stored.Add(1)
				case !errors.Is(err, sms.ErrNoCredit):
					e.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := stored.Load(); n != 1000 {
		e.Errorf("%d messages stored for 1,000 credits", n)
	}
	e.balance(0)
}
