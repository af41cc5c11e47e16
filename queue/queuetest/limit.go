package queuetest

import (
	"errors"
	"strings"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// limited are two SIMs for all numbers, of which a has limits.
func limited(l sms.Limits) sms.Rules {
	return sms.Rules{SIMs: []string{"a", "b"}, PerSIM: map[string]sms.SIM{"a": {Limits: l}}}
}

// waits checks that a SIM is held, until so long from now.
func (e *env) waits(sim string, d time.Duration, urgent bool, why string) {
	e.Helper()
	_, err := e.store.Claim(e.ctx, by(sim))
	e.held(err, d, urgent, why)
}

func (e *env) held(err error, d time.Duration, urgent bool, why string) {
	e.Helper()
	e.is(err, queue.ErrNothing)
	w, ok := errors.AsType[*queue.Wait](err)
	if !ok {
		e.Fatalf("no wait but %v", err)
	}
	if got := time.Until(w.Until).Round(time.Second); got != d || w.Urgent != urgent || !strings.Contains(w.Why, why) {
		e.Fatalf("waits %v, urgent %t, %q; want %v, %t, %q", got, w.Urgent, w.Why, d, urgent, why)
	}
}

// only is a change that has a message go by one SIM.
func only(sim string) func(*sms.Message) { return func(m *sms.Message) { m.OnlySIM = sim } }

// The bubble begins at midnight, UTC.
const untilTomorrow = 24 * time.Hour

var limitTests = []test{
	{name: "a quota that is used holds its SIM, others take what it leaves", rules: limited(sms.Limits{PerDay: 2}), run: func(e *env) {
		for range 2 {
			e.add(1)
			e.settle(e.claim("a"), accepted(1))
		}
		id := e.add(1)
		e.waits("a", untilTomorrow, true, "a has sent 2 today")
		e.claimID("b", id)
	}},
	{name: "a new day", rules: limited(sms.Limits{PerDay: 1}), run: func(e *env) {
		e.add(1)
		e.settle(e.claim("a"), accepted(1))
		id := e.add(1, validFor(2*untilTomorrow))
		e.waits("a", untilTomorrow, true, "today")
		time.Sleep(untilTomorrow)
		e.claimID("a", id)
	}},
	{name: "queue 1 passes a quota, and counts", rules: limited(sms.Limits{PerDay: 2}), run: func(e *env) {
		e.add(1)
		e.settle(e.claim("a"), accepted(1))
		urgent := e.add(1, priority(1))
		e.settle(e.claimID("a", urgent), accepted(2))
		e.add(1)
		e.waits("a", untilTomorrow, true, "a has sent 2 today")
		e.claimID("a", e.add(1, priority(1)))
	}},
	{name: "a gap holds queue 1, too", rules: limited(sms.Limits{Gap: 5 * time.Second}), run: func(e *env) {
		e.add(1, priority(1))
		e.settle(e.claim("a"), accepted(1))
		id := e.add(1, priority(1))
		e.waits("a", 5*time.Second, false, "a rests for 5s")
		time.Sleep(5 * time.Second)
		e.claimID("a", id)
	}},
	{name: "jitter is drawn once", rules: limited(sms.Limits{Gap: time.Second, Jitter: time.Minute}), run: func(e *env) {
		e.add(1)
		e.settle(e.claim("a"), accepted(1))
		id := e.add(1)
		_, err := e.store.Claim(e.ctx, by("a"))
		w, ok := errors.AsType[*queue.Wait](err)
		if !ok {
			e.Fatal(err)
		}
		for range 10 {
			e.waits("a", time.Until(w.Until).Round(time.Second), false, "rests")
		}
		time.Sleep(time.Until(w.Until))
		e.claimID("a", id)
	}},
	{name: "a refused part counts", rules: limited(sms.Limits{PerDay: 1}), run: func(e *env) {
		e.add(1)
		e.settle(e.claim("a"), refused(noSuchNumber))
		e.waits("a", untilTomorrow, true, "a has sent 1 today")
	}},
	{name: "what never left does not count", rules: limited(sms.Limits{PerMinute: 1, PerHour: 1, PerDay: 1, PerMonth: 1, Gap: time.Hour}), run: func(e *env) {
		id := e.add(1)
		e.ok(e.store.GiveBack(e.ctx, e.claimID("a", id), "another line is free"))
		e.settle(e.claimID("a", id), notSent)
		alone := by("a")
		alone.Alone = true
		_, err := e.store.Claim(e.ctx, alone)
		e.ok(err)
	}},
	{name: "a SIM rests between the parts of a message, and finishes it first", rules: limited(sms.Limits{Gap: 10 * time.Second}), run: func(e *env) {
		id := e.add(3)
		time.Sleep(time.Second)
		e.add(1)
		for i := range 2 {
			c := e.claimID("a", id)
			if c.Part != i {
				e.Fatalf("part %d, want %d", c.Part, i)
			}
			_, err := e.store.PartSent(e.ctx, c, accepted(byte(i)))
			e.held(err, 10*time.Second, false, "a rests for 10s")
			m := e.want(id, sms.Queued)
			if m.Parts[i].State != sms.Sent || m.Lane != sms.SIMLane("a") {
				e.Fatalf("%+v", m)
			}
			e.is(e.store.Settle(e.ctx, c, accepted(1)), queue.ErrLost)
			time.Sleep(10 * time.Second)
		}
		e.settle(e.claimID("a", id), accepted(3))
		e.want(id, sms.Sent, sms.Sent, sms.Sent, sms.Sent)
		e.flagged(id, false)
		e.tells(id, "accepted", "sending", "part sent", "sending", "part sent", "sending", "sent")
	}},
	{name: "a SIM rests after a part whose report was there before", rules: limited(sms.Limits{Gap: 10 * time.Second}), run: func(e *env) {
		id := e.add(2)
		c := e.claim("a")
		e.report("a", 17, string(number), noRoute, false)
		_, err := e.store.PartSent(e.ctx, c, accepted(17))
		e.held(err, 10*time.Second, false, "rests")
		e.want(id, sms.Failed, sms.Failed, sms.Failed)
	}},
	{name: "a SIM rests after a part of the second copy, and the first turns out to have arrived", rules: limited(sms.Limits{Gap: 10 * time.Second}), run: func(e *env) {
		id := e.add(2, confirm(""))
		e.settle(e.claim("a"), ambiguous)
		e.overdue(unknownWait)
		e.overdue(escalateAfter)
		for mr := range byte(2) {
			e.settle(e.claimID("a", id), accepted(mr))
			time.Sleep(10 * time.Second)
		}
		e.report("a", 1, string(number), received, true)
		e.overdue(within)
		c, err := e.store.Claim(e.ctx, queue.By{SIM: "a", Modem: "modem-a", Alone: true})
		e.ok(err)
		e.vague(214, id, received, false) // it may be of this part, or of the first hand-over
		_, err = e.store.PartSent(e.ctx, c, accepted(2))
		e.held(err, 10*time.Second, false, "rests")
		e.want(id, sms.Delivered, sms.Delivered, sms.Delivered)
		e.flagged(id, true)
	}},
	{name: "what is more urgent goes between the parts", rules: limited(sms.Limits{Gap: 10 * time.Second}), run: func(e *env) {
		id := e.add(2)
		_, err := e.store.PartSent(e.ctx, e.claimID("a", id), accepted(1))
		e.held(err, 10*time.Second, false, "rests")
		urgent := e.add(1, priority(1))
		time.Sleep(10 * time.Second)
		e.settle(e.claimID("a", urgent), accepted(2))
		time.Sleep(10 * time.Second)
		e.settle(e.claimID("a", id), accepted(3))
	}},
	{name: "a quota does not tear a message", rules: limited(sms.Limits{PerDay: 1, Gap: 10 * time.Second}), run: func(e *env) {
		pinned := e.add(1, only("a"))
		e.settle(e.claimID("a", pinned), accepted(1))
		time.Sleep(untilTomorrow)
		id := e.add(2)
		_, err := e.store.PartSent(e.ctx, e.claimID("a", id), accepted(1))
		e.held(err, 10*time.Second, false, "rests")
		e.add(1, only("a"))
		time.Sleep(10 * time.Second)
		e.settle(e.claimID("a", id), accepted(2))
		e.want(id, sms.Sent)
		time.Sleep(10 * time.Second)
		e.waits("a", untilTomorrow-20*time.Second, true, "a has sent 1 today")
	}},
	{name: "parts without a gap leave at once, whatever the quota", rules: limited(sms.Limits{PerDay: 1}), run: func(e *env) {
		c := e.claimID("a", e.add(3))
		for range 2 {
			var err error
			c, err = e.store.PartSent(e.ctx, c, accepted(1))
			e.ok(err)
		}
		e.settle(c, accepted(1))
	}},
	{name: "outside its hours", rules: limited(sms.Limits{Hours: sms.Hours{From: 8 * time.Hour, Until: 20 * time.Hour}}), run: func(e *env) {
		id := e.add(1, only("a"))
		e.waits("a", 8*time.Hour, true, "a sends from 08:00 to 20:00")
		e.claimID("a", e.add(1, priority(1)))
		time.Sleep(8 * time.Hour)
		e.claimID("a", id)
	}},
	{name: "the timeline says what a message has waited for", rules: limited(sms.Limits{Hours: sms.Hours{From: 8 * time.Hour, Until: 20 * time.Hour}}), run: func(e *env) {
		id := e.add(1, only("a"), validFor(time.Hour))
		e.overdue(time.Hour, "a")
		if m := e.want(id, sms.Expired); !strings.Contains(m.Why, "validity over; a sends from 08:00 to 20:00: not before") {
			e.Errorf("it says %q", m.Why)
		}
	}},
	{name: "who rests for long makes nobody pass over messages", run: func(e *env) {
		id := e.add(1)
		e.settle(e.claimID("a", id), notSent) // to be avoided by a, for there may be others
		e.nothing("a")
		for p, ok := range []bool{false, false, true, true} {
			b := by("a")
			b.OthersRest = true
			if p > 0 && b.AloneFor(p) != ok {
				e.Errorf("queue %d: alone %t", p, !ok)
			}
		}
		rest := by("a")
		rest.OthersRest = true
		_, err := e.store.Claim(e.ctx, rest)
		e.ok(err)
	}},
	{name: "changed lists: another SIM of the route", rules: denying(string(number), "a"), run: func(e *env) {
		e.rules = &routes
		here, there := e.add(1), e.add(1, to("447700900456"))
		e.reroute(1)
		e.claimID("a", there)
		e.nothing("a")
		e.claimID("b", here)
		e.reroute(0)
	}},
	{name: "changed lists: the SIM asked for may not", rules: denying("44", "a"), run: func(e *env) {
		e.rules = &routes
		id := e.add(1, only("a"))
		e.reroute(0)
		e.nothing("a")
		e.nothing("b")
		if m := e.want(id, sms.Queued); !strings.Contains(m.Why, "may not send to this number") {
			e.Errorf("it says %q", m.Why)
		}
	}},
	{name: "changed lists: no SIM of the route may", rules: denying(string(number), "a", "b"), run: func(e *env) {
		e.rules = &routes
		id := e.add(1)
		e.reroute(0)
		e.nothing("a")
		e.overdue(24 * time.Hour)
		e.want(id, sms.Expired)
		e.balance(credits)
	}},
	{name: "changed lists: what has begun is finished", rules: denying(string(number), "a"), run: func(e *env) {
		e.rules = &routes
		id := e.add(2)
		next, err := e.store.PartSent(e.ctx, e.claimID("a", id), accepted(1))
		e.ok(err)
		e.settle(next, refused(congestion))
		e.reroute(0)
		e.overdue(10 * time.Second)
		e.settle(e.claimID("a", id), accepted(2))
	}},
}

// denying are routes under which SIMs may not send to numbers with a prefix.
func denying(prefix string, sims ...string) sms.Rules {
	r := routes
	r.PerSIM = map[string]sms.SIM{}
	for _, sim := range sims {
		r.PerSIM[sim] = sms.SIM{Deny: []string{prefix}}
	}
	return r
}

func (e *env) reroute(want int) {
	e.Helper()
	n, err := e.store.Reroute(e.ctx)
	e.ok(err)
	if n != want {
		e.Fatalf("%d messages moved, want %d", n, want)
	}
}
