package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/sms"
)

// crowd are routes that lines share in every way: a tier above the other, alone,
// and overlapping.
var crowd = sms.Rules{Routes: []sms.Route{
	{Prefix: "44", Tiers: [][]string{{"a", "b"}, {"c", "d"}}},
	{Prefix: "49", Tiers: [][]string{{"b", "c"}, {"a"}}},
	{Prefix: "33", Tiers: [][]string{{"d"}}},
}}

var numbers = []sms.Number{"447700900123", "4915112345678", "33612345678"}

// TestNoIdleLine lets anything happen at random, and looks each time that all is
// quiet: no message may wait that a free line could take.
func TestNoIdleLine(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, crowd, nil, func(w *world) {
				d := &day{world: w, random: rand.New(rand.NewPCG(seed, 0)), lines: map[string]*shift{}}
				for i := range 150 {
					d.step(i)
					synctest.Wait()
					d.noneWaits(fmt.Sprint("step ", i))
				}
			})
		})
	}
}

// day is a world in which things happen at random.
type day struct {
	*world
	random *rand.Rand
	lines  map[string]*shift
}

// shift is a line in service.
type shift struct {
	stop func()
	busy atomic.Bool
}

func (d *day) step(i int) {
	switch n := d.random.IntN(10); {
	case n < 4:
		for j := range 1 + d.random.IntN(3) {
			d.addAny(fmt.Sprintf("%d-%d", i, j))
		}
	case n < 6:
		d.comeOrGo([]string{"a", "b", "c", "d"}[d.random.IntN(4)])
	default:
		time.Sleep(time.Duration(d.random.IntN(2_000_000_000)))
	}
}

func (d *day) addAny(text string) {
	d.ok(d.queue.Add(d.ctx, sms.Batch{Messages: []sms.Message{d.message(text, func(m *sms.Message) {
		m.To, m.Priority, m.Escalate = numbers[d.random.IntN(3)], 1+d.random.IntN(3), d.random.IntN(3)
		if d.random.IntN(5) == 0 {
			parts(2 + d.random.IntN(2))(m)
		}
	})}}))
}

// comeOrGo begins the service of a line, or ends it: perhaps with a message on
// the air, whose end nobody waits for here.
func (d *day) comeOrGo(sim string) {
	if s, ok := d.lines[sim]; ok {
		delete(d.lines, sim)
		d.run(func(context.Context) error { s.stop(); return nil })
		return
	}
	s := &shift{}
	d.lines[sim] = s
	random := rand.New(rand.NewPCG(d.random.Uint64(), 0))
	s.stop = d.run(func(ctx context.Context) error {
		return d.queue.Serve(ctx, &line{d.world, sim, func(context.Context, handed) sms.Outcome {
			s.busy.Store(true)
			defer s.busy.Store(false)
			<-time.After(time.Duration(random.Int64N(7_000_000_000)))
			return anyOutcome(random)
		}})
	})
}

func anyOutcome(random *rand.Rand) sms.Outcome {
	switch random.IntN(12) {
	case 0:
		return notSent
	case 1:
		return ambiguous
	case 2:
		return sms.Outcome{Kind: sms.Refused, Cause: pdu.Cause{Set: pdu.CMS, Code: []int{21, 42, 208, 331}[random.IntN(4)]}}
	}
	return sms.Outcome{Kind: sms.Accepted, MR: byte(random.Uint32())}
}

// noneWaits checks every message that could leave now.
func (d *day) noneWaits(when string) {
	d.Helper()
	queued, err := d.store.List(d.ctx, queue.Filter{State: sms.Queued, Limit: 1000})
	d.ok(err)
	sending, err := d.store.List(d.ctx, queue.Filter{State: sms.Sending, Limit: 1000})
	d.ok(err)
	for _, m := range slices.Concat(queued, sending) {
		for sim, s := range d.lines {
			_, fits := d.rules.Rank(m.Lane, sim)
			if !fits || s.busy.Load() || m.Avoid == sim && (m.State == sms.Sending || time.Now().Before(m.AvoidUntil)) {
				continue
			}
			switch {
			case m.State == sms.Queued && !m.Due.After(time.Now()):
				d.Fatalf("%s: %q waits for %s since %v, and %s is free; timeline %v", when, strings.TrimRight(m.Text, "."), m.Lane, time.Since(m.Due), sim, d.timeline(m))
			case m.State == sms.Sending && d.held(m) && time.Since(m.Updated) > holdPatience:
				d.Fatalf("%s: %q is held for %v, and %s is free; timeline %v", when, strings.TrimRight(m.Text, "."), time.Since(m.Updated), sim, d.timeline(m))
			}
		}
	}
}

func (d *day) timeline(m sms.Message) []sms.Entry {
	_, timeline, err := d.store.Show(d.ctx, m.ID)
	d.ok(err)
	return timeline
}

// held reports whether the claim of a message that is being sent has not begun:
// its part has not been on the air since it was claimed.
func (d *day) held(m sms.Message) bool {
	part := slices.IndexFunc(m.Parts, func(p sms.Part) bool { return p.State == sms.Sending })
	if part < 0 {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	label := strings.TrimRight(m.Text, ".")
	for _, told := range slices.Backward(d.air) {
		f := strings.SplitN(told, " ", 3)
		at, err := time.ParseDuration(f[0])
		d.ok(err)
		if d.began.Add(at).Before(m.Updated) {
			return true
		}
		if f[2] == label || len(m.Parts) > 1 && strings.HasSuffix(f[2], fmt.Sprintf("/%d", part+1)) {
			return false // of another message perhaps, when it is a later part
		}
	}
	return true
}

// TestStress is many lines and doors at once on a real clock: everything is sent
// soon, and what was sent twice is flagged.
func TestStress(t *testing.T) {
	const messages, doors = 600, 4
	w := begin(t, sms.Rules{UnknownWait: 20 * time.Millisecond, EscalateAfter: 40 * time.Millisecond}, nil)
	c := &crew{world: w, want: messages, done: make(chan struct{}), taken: map[string]int{}}
	for i := range 10 {
		c.work(fmt.Sprint("sim", i))
	}
	var adding sync.WaitGroup
	for d := range doors {
		var mine []sms.Message // made here: world is not for many at once
		for i := range messages / doors {
			mine = append(mine, w.message(fmt.Sprintf("%d-%d", d, i)))
		}
		random := rand.New(rand.NewPCG(uint64(d), 0))
		adding.Go(func() {
			for _, m := range mine {
				<-time.After(time.Duration(random.IntN(8_000_000)))
				if err := w.queue.Add(w.ctx, sms.Batch{Messages: []sms.Message{m}}); err != nil {
					w.Error(err)
				}
			}
		})
	}
	adding.Wait()
	select {
	case <-c.done:
	case <-time.After(8 * time.Second): // less than a held claim may be kept
		w.Error("not all were taken in time")
	}
	c.stop()
	c.inspect()
}

// crew is lines that come and go, and what their networks have taken.
type crew struct {
	*world
	want  int
	done  chan struct{} // closed when the networks have taken so many
	stops []func()

	mu    sync.Mutex // guards taken
	taken map[string]int
}

// work keeps a line coming into service, for some messages at a time.
func (c *crew) work(sim string) {
	random := rand.New(rand.NewPCG(uint64(len(sim)), uint64(sim[len(sim)-1])))
	c.stops = append(c.stops, c.run(func(ctx context.Context) error {
		for ctx.Err() == nil {
			ctx, leave := context.WithCancel(ctx)
			left := 5 + random.IntN(40)
			err := c.queue.Serve(ctx, &line{c.world, sim, func(_ context.Context, h handed) sms.Outcome {
				if left--; left == 0 {
					leave()
				}
				<-time.After(time.Duration(random.IntN(4_000_000)))
				return c.network(random, h)
			}})
			leave()
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// network takes a message, or does not; the modem may not learn it.
func (c *crew) network(random *rand.Rand, h handed) sms.Outcome {
	n := random.IntN(20)
	if n == 0 {
		return notSent
	}
	if n == 1 {
		return ambiguous // and not taken
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken[h.text]++; c.taken[h.text] == 1 && len(c.taken) == c.want {
		close(c.done)
	}
	if n == 2 {
		return ambiguous
	}
	return sms.Outcome{Kind: sms.Accepted, MR: byte(random.Uint32())}
}

func (c *crew) stop() {
	for _, stop := range c.stops {
		stop()
	}
}

func (c *crew) inspect() {
	list, err := c.store.List(c.ctx, queue.Filter{Limit: 2 * c.want})
	c.ok(err)
	if len(list) != c.want {
		c.Errorf("%d messages are stored, want %d", len(list), c.want)
	}
	for _, m := range list {
		switch n := c.taken[m.Text]; {
		case n == 0:
			c.Errorf("%q is %s and was never taken: %v", m.Text, m.State, m.Why)
		case n > 1 && !m.Duplicate:
			c.Errorf("%q was taken %d times in silence", m.Text, n)
		case m.State == sms.Sending:
			c.Errorf("%q is on the air, and no line is left", m.Text)
		}
	}
}
