package queuetest

import (
	"strings"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// retry has the operator send a message again, and checks what it is then.
func (e *env) retry(id sms.ID) sms.Message {
	e.Helper()
	m, err := e.store.Retry(e.ctx, id)
	e.ok(err)
	if m.ID != id || m.State != sms.Queued || m.Review.IsZero() || m.Tries != 0 || m.Doubts != 0 {
		e.Errorf("retried: %+v", m)
	}
	got := e.want(id, sms.Queued)
	if !got.Due.Equal(m.Due) || !got.Expires.Equal(m.Due.Add(sms.RetryValidity)) || got.Why != "sent again by the operator" {
		e.Errorf("due %v, expires %v, because %q", got.Due, got.Expires, got.Why)
	}
	for _, p := range got.Parts {
		if p.State == sms.Failed || p.State == sms.Unknown {
			e.Errorf("part %d is %s", p.N, p.State)
		}
	}
	return got
}

var retryTests = []test{
	{name: "retry what was refused", run: func(e *env) {
		id := e.add(2)
		e.settle(e.claim("a"), refused(noSuchNumber))
		e.balance(credits)
		e.retry(id)
		e.flagged(id, false)
		e.balance(credits - 2*sms.Credit)
		e.tells(id, "accepted", "sending", "failed", "retried")
		c, err := e.store.PartSent(e.ctx, e.claimID("a", id), accepted(1))
		e.ok(err)
		e.settle(c, accepted(2))
		e.want(id, sms.Sent, sms.Sent, sms.Sent)
		time.Sleep(sms.RetryValidity)
		e.retry(id)
		e.balance(credits - 2*sms.Credit) // paid once
	}},
	{name: "retry again and again", run: func(e *env) {
		id := e.add(1)
		for range 3 {
			e.settle(e.claimID("a", id), refused(noSuchNumber))
			e.balance(credits)
			e.retry(id)
			e.balance(credits - sms.Credit)
		}
	}},
	{name: "retry what expired or was cancelled", run: func(e *env) {
		expired, cancelled := e.add(1), e.add(1)
		e.ok(e.store.Cancel(e.ctx, cancelled))
		e.overdue(24 * time.Hour)
		e.want(expired, sms.Expired)
		e.balance(credits)
		for _, id := range []sms.ID{expired, cancelled} {
			e.retry(id)
			e.flagged(id, false)
			e.settle(e.claimID("a", id), accepted(1))
		}
		e.balance(credits - 2*sms.Credit)
	}},
	{name: "retry of what is kept as unknown", run: func(e *env) {
		id := e.add(1, func(m *sms.Message) { m.Resend = false })
		e.settle(e.claim("a"), ambiguous)
		_, err := e.store.Retry(e.ctx, id)
		e.is(err, sms.ErrNoRetry) // evidence may come
		e.overdue(unknownWait)
		e.want(id, sms.Unknown, sms.Unknown)
		e.retry(id)
		e.flagged(id, true)
		e.balance(credits - sms.Credit) // it was paid
		e.claimID("a", id)
	}},
	{name: "evidence stops a retry", run: func(e *env) {
		id := e.add(1, func(m *sms.Message) { m.Resend = false })
		c := e.claim("a")
		e.settle(c, ambiguous)
		e.overdue(unknownWait)
		e.retry(id)
		e.ok(e.store.Late(e.ctx, c.Attempt, accepted(3)))
		e.want(id, sms.Sent, sms.Sent)
		e.nothing("a")
	}},
	{name: "retry of parts starts over", run: func(e *env) {
		id := e.add(2)
		c, err := e.store.PartSent(e.ctx, e.claim("a"), accepted(1))
		e.ok(err)
		e.settle(c, refused(noSuchNumber))
		e.want(id, sms.Failed, sms.Sent, sms.Failed)
		e.balance(credits - 2*sms.Credit)
		e.retry(id)
		e.flagged(id, true)
		e.balance(credits - 2*sms.Credit)
		if again := e.claimID("a", id); again.Part != 0 || again.Concat == c.Concat {
			e.Errorf("part index %d, want 0; reference %d after %d", again.Part, again.Concat, c.Concat)
		}
	}},
	{name: "retry of what was sent, and when", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claim("a"), accepted(1))
		_, err := e.store.Retry(e.ctx, id)
		e.is(err, sms.ErrNoRetry) // the network still tries
		time.Sleep(24 * time.Hour)
		e.retry(id)
		e.flagged(id, true)
		e.settle(e.claimID("a", id), accepted(2))
		e.balance(credits - sms.Credit)
		e.report("a", 2, string(number), received, true)
		e.want(id, sms.Delivered)
		_, err = e.store.Retry(e.ctx, id)
		e.is(err, sms.ErrNoRetry)
	}},
	{name: "no retry", run: func(e *env) {
		queued, scheduled := e.add(1), e.add(1, in(time.Hour))
		for _, id := range []sms.ID{queued, scheduled} {
			_, err := e.store.Retry(e.ctx, id)
			e.is(err, sms.ErrNoRetry)
		}
		_, err := e.store.Retry(e.ctx, sms.NewID(time.Now()))
		e.is(err, queue.ErrNoMessage)
		e.claimID("a", queued)
		_, err = e.store.Retry(e.ctx, queued)
		e.is(err, sms.ErrNoRetry)
	}},
	{name: "no retry without credit", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claim("a"), refused(noSuchNumber))
		e.add(1, func(m *sms.Message) { m.Price = credits })
		_, err := e.store.Retry(e.ctx, id)
		e.is(err, sms.ErrNoCredit)
		e.want(id, sms.Failed, sms.Failed)
		e.tells(id, "accepted", "sending", "failed")
		e.balance(0)
	}},
	{name: "who sends again and why is told", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claim("a"), refused(noSuchNumber))
		e.retry(id)
		_, timeline := e.show(id)
		told := story(timeline)
		for _, want := range []string{"by the operator", "was failed", "CMS 1:", "price taken again"} {
			if !strings.Contains(told, want) {
				e.Errorf("no %q in:\n%s", want, told)
			}
		}
		if strings.Contains(told, secret) || strings.Contains(told, string(number)) {
			e.Errorf("text or number in:\n%s", told)
		}
	}},
}

// stats checks that the numbers kept are those of the messages that there are.
func (e *env) stats() queue.Stats {
	e.Helper()
	s, err := e.store.Stats(e.ctx)
	e.ok(err)
	list, err := e.store.List(e.ctx, queue.Filter{Limit: 10_000})
	e.ok(err)
	type kind struct {
		account  string
		state    sms.State
		priority int
	}
	counted := map[kind]int64{}
	for _, m := range list {
		counted[kind{m.Account, m.State, m.Priority}]++
	}
	for _, c := range s.Stored {
		k := kind{c.Account, c.State, c.Priority}
		if counted[k] != c.N || c.N == 0 {
			e.Errorf("%+v: %d kept, %d counted", k, c.N, counted[k])
		}
		delete(counted, k)
	}
	for k, n := range counted {
		e.Errorf("%+v: nothing kept, %d counted", k, n)
	}
	return s
}

// totals checks the totals.
func (e *env) totals(want queue.Totals) {
	e.Helper()
	if got := e.stats().Totals; got != want {
		e.Errorf("totals %+v\nwant %+v", got, want)
	}
}

var statsTests = []test{
	{name: "stats of nothing", run: func(e *env) {
		if s := e.stats(); len(s.Lanes) != 0 || len(s.Stored) != 0 || s.Lately != 0 {
			e.Errorf("%+v", s)
		}
		e.totals(queue.Totals{})
	}},
	{name: "totals", run: func(e *env) {
		for _, o := range []sms.Outcome{accepted(1), refused(noSuchNumber), ambiguous} {
			e.add(1, func(m *sms.Message) { m.Resend = false })
			e.settle(e.claim("a"), o)
		}
		e.report("a", 1, string(number), received, true)
		e.totals(queue.Totals{Accepted: 3, Sent: 1, Delivered: 1, Failed: 1, Unknown: 1, HandedOver: 1, Refused: 1, InDoubt: 1})
		e.overdue(unknownWait)
		cancelled := e.add(1, in(time.Hour))
		e.ok(e.store.Cancel(e.ctx, cancelled))
		e.retry(cancelled)
		c := e.claim("a")
		e.ok(e.store.GiveBack(e.ctx, c, "not begun")) // no hand-over
		c = e.claim("a")
		e.settle(c, notSent)
		e.overdue(24 * time.Hour)
		e.totals(queue.Totals{
			Accepted: 4, Sent: 1, Delivered: 1, Failed: 1, Expired: 1, Cancelled: 1, Unknown: 1, Retried: 1,
			HandedOver: 1, Refused: 1, InDoubt: 1, NotSent: 1,
		})
	}},
	{name: "totals of doubt", run: func(e *env) {
		e.add(1)
		c := e.claim("a")
		e.settle(c, ambiguous)
		e.overdue(unknownWait)
		e.totals(queue.Totals{Accepted: 1, Unknown: 1, InDoubt: 1, Duplicates: 1})
		e.ok(e.store.Late(e.ctx, c.Attempt, accepted(1)))
		e.totals(queue.Totals{Accepted: 1, Sent: 1, Unknown: 1, InDoubt: 1, Cleared: 1, Duplicates: 1})
	}},
	{name: "what is refused is not counted", run: func(e *env) {
		good, bad := e.message(1), e.message(1, func(m *sms.Message) { m.Account = "nobody" })
		e.is(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{good, bad}}), sms.ErrNoAccount)
		e.totals(queue.Totals{})
		e.ok(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{good}}))
		e.ok(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{good}}))
		e.totals(queue.Totals{Accepted: 1})
	}},
	{name: "what waits in lanes", rules: routes, run: func(e *env) {
		start := time.Now()
		first := e.add(1)
		time.Sleep(time.Minute)
		e.add(1, priority(1))
		e.add(1, in(time.Hour)) // waits for its time, not for a SIM
		wide := e.add(1, escalate(1))
		lanes := e.stats().Lanes
		if len(lanes) != 2 || lanes[0].N != 2 || lanes[0].First != first || !lanes[0].Since.Equal(start) ||
			lanes[1].N != 1 || lanes[1].First != wide {
			e.Errorf("lanes %+v", lanes)
		}
	}},
	{name: "how fast it goes", run: func(e *env) {
		for range 3 {
			e.add(2)
			c, err := e.store.PartSent(e.ctx, e.claim("a"), accepted(1))
			e.ok(err)
			time.Sleep(20 * time.Second)
			e.settle(c, accepted(2))
		}
		if s := e.stats(); s.Lately != 3 || s.Against != time.Minute {
			e.Errorf("%d messages in %v", s.Lately, s.Against)
		}
		time.Sleep(queue.LatelyMost)
		if s := e.stats(); s.Lately != 0 {
			e.Errorf("%d messages lately", s.Lately)
		}
	}},
}
