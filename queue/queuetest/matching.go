package queuetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/sms"
)

// What Matching makes of n messages.
const (
	matchingSIMs    = 3
	matchingNumbers = 300
	matchedAtLeast  = 0.999
)

// Matching sends n messages through a network that does with status reports
// what networks do: they overtake the result, come late and out of order, come
// twice, write the number their way, and are stamped by another clock. TP-MR
// wraps in each SIM many times, some outcomes stay unknown, and half-way the
// process dies. Every report has to be counted for its own message, 99.9 % at
// least, and none for another. open opens the same store each time, and returns
// what closes it.
func Matching(t *testing.T, n int, open func(t *testing.T, rules *sms.Rules) (Store, func() error)) {
	synctest.Test(t, func(t *testing.T) {
		net := &network{env: &env{T: t, ctx: t.Context(), rules: &sms.Rules{}}, own: map[sms.ID][]*onAir{}}
		net.open(open)
		e := net.env
		e.ok(e.store.AddAccount(e.ctx, sms.Account{Name: shop, Unlimited: true}))
		net.submit(n)
		net.sendAll(n / 2)
		net.close() // with an attempt of every SIM open
		net.open(open)
		lost, err := e.store.Abandon(e.ctx)
		e.ok(err)
		if lost != matchingSIMs {
			e.Errorf("%d attempts were open, want %d", lost, matchingSIMs)
		}
		net.sendAll(math.MaxInt)
		net.reports.Wait()
		net.check()
		net.close()
	})
}

// network is what the messages of a test go through.
type network struct {
	*env
	stop    func()
	reports sync.WaitGroup

	mu    sync.Mutex // guards what follows, and store while it is changed
	own   map[sms.ID][]*onAir
	count int // hand-overs
}

// onAir is a part that the network has.
type onAir struct {
	part     int
	sim      string
	to       sms.Number
	mr       byte
	sent     time.Time // TP-SCTS
	status   pdu.Status
	reported bool
}

// open opens the store, and begins its Run.
func (n *network) open(open func(*testing.T, *sms.Rules) (Store, func() error)) {
	store, end := open(n.T, n.rules)
	n.mu.Lock()
	n.store, n.stop = store, func() { n.ok(end()) }
	n.mu.Unlock()
	if s, ok := store.(interface{ Run(context.Context) error }); ok {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		n.stop = func() {
			cancel()
			n.ok(<-done)
			n.ok(end())
		}
	}
}

func (n *network) close() { n.stop() }

// submit stores messages of one part and of two.
func (n *network) submit(count int) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for sent := 0; sent < count; {
		var b sms.Batch
		for ; len(b.Messages) < 500 && sent < count; sent++ {
			parts := 1
			if rnd.IntN(10) == 0 {
				parts = 2
			}
			number := sms.Number(fmt.Sprintf("4477009%05d", rnd.IntN(matchingNumbers)))
			b.Messages = append(b.Messages, n.message(parts, to(number), func(m *sms.Message) { m.Expires = m.Expires.Add(48 * time.Hour) }))
		}
		n.ok(n.store.Add(n.ctx, b))
	}
}

// sendAll has all SIMs send until so many hand-overs have begun, or nothing is
// left. In the first case each leaves an attempt open.
func (n *network) sendAll(most int) {
	var wg sync.WaitGroup
	for i := range matchingSIMs {
		s := &sim{network: n, name: string(rune('a' + i)), rnd: rand.New(rand.NewPCG(uint64(i), uint64(most)))}
		s.mr = byte(s.rnd.Uint32())
		wg.Go(func() { s.sendAll(most) })
	}
	wg.Wait()
}

// sim is a SIM with its line.
type sim struct {
	*network
	name string
	mr   byte
	rnd  *rand.Rand
}

func (s *sim) sendAll(most int) {
	for {
		c, err := s.store.Claim(s.ctx, by(s.name))
		if errors.Is(err, queue.ErrNothing) {
			return
		}
		s.ok(err)
		for more := true; more; {
			s.mu.Lock()
			s.count++
			last := s.count > most
			s.mu.Unlock()
			if last {
				s.accept(c, s.between(time.Second, 2*time.Second), 0) // nobody hears the result
				return
			}
			c, more = s.handOver(c)
		}
	}
}

// handOver hands one part over; more is false when the claim has ended.
func (s *sim) handOver(c queue.Claim) (next queue.Claim, more bool) {
	took := s.between(time.Second, 5*time.Second)
	switch p := s.rnd.IntN(1000); {
	case p < 15: // the modem falls silent, and the network has it
		s.accept(c, took, time.Minute)
		s.settle(c, ambiguous)
		return c, false
	case p < 20: // it has not
		time.Sleep(time.Minute)
		s.settle(c, ambiguous)
		return c, false
	case p < 25:
		time.Sleep(took)
		s.settle(c, refused(congestion))
		return c, false
	}
	mr := s.accept(c, took, took+s.between(0, 2*time.Second))
	if c.Part+1 < len(c.Message.Parts) {
		next, err := s.store.PartSent(s.ctx, c, accepted(mr))
		s.ok(err)
		return next, true
	}
	s.settle(c, accepted(mr))
	return c, false
}

// accept has the network take a part after a time, and the result come after
// another, both from now; it returns its TP-MR.
func (s *sim) accept(c queue.Claim, taken, result time.Duration) byte {
	time.Sleep(taken)
	s.mr++
	stamp := time.Now().Add(37 * time.Second).In(time.FixedZone("", 3600)) // its clock is fast
	on := &onAir{
		part: c.Message.Parts[c.Part].N, sim: s.name, to: c.Message.To, mr: s.mr, sent: stamp,
		status: statuses[s.rnd.IntN(len(statuses))],
	}
	s.mu.Lock()
	s.own[c.Message.ID] = append(s.own[c.Message.ID], on)
	s.mu.Unlock()
	s.plan(on, max(0, result-taken))
	time.Sleep(max(0, result-taken))
	return s.mr
}

// statuses of final reports. 3GPP TS 23.040, 9.2.3.15.
var statuses = []pdu.Status{0x00, 0x01, 0x02, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x60, 0x61, 0x62, 0x63, 0x64, 0x65}

// plan decides when the report on a part comes; the result comes in a while.
func (s *sim) plan(on *onAir, result time.Duration) {
	var after time.Duration
	switch p := s.rnd.IntN(100); {
	case p < 3:
		return // never
	case p < 13: // before the result
		after = time.Duration(s.rnd.Int64N(int64(result) + 1))
	case p < 60:
		after = result + s.between(0, 20*time.Second)
	case p < 85:
		after = result + s.between(0, 10*time.Minute)
	default: // TP-MR has wrapped
		after = result + s.between(10*time.Minute, 6*time.Hour)
	}
	on.reported = true
	again := s.rnd.IntN(20) == 0
	wait := s.between(0, 2*time.Hour)
	s.reports.Go(func() {
		time.Sleep(after)
		tpdu := s.tpdu(on)
		s.bring(on, tpdu)
		if again {
			time.Sleep(wait)
			if wait%2 == 0 {
				tpdu = sms.Twin(tpdu)
			}
			s.bring(on, tpdu)
		}
	})
}

func (s *sim) between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.rnd.Int64N(int64(most-least)))
}

// tpdu is the report on a part, with the number as the network writes it.
func (n *network) tpdu(on *onAir) []byte {
	ra := pdu.Address{TON: pdu.TONNational, NPI: pdu.NPITelephone, Value: "0" + strings.TrimPrefix(string(on.to), "44")}
	switch on.mr % 3 {
	case 0:
		ra.Value = strings.TrimPrefix(ra.Value, "0")
	case 1:
		ra = on.to.Address()
	}
	r := pdu.StatusReport{Reference: on.mr, Recipient: ra, Time: on.sent, Discharge: on.sent.Add(time.Second), Status: on.status}
	tpdu, err := r.AppendBinary(nil)
	n.ok(err)
	return tpdu
}

// bring brings a report, again and again until it is stored: it is not
// acknowledged before.
func (n *network) bring(on *onAir, tpdu []byte) {
	for range 10 {
		n.mu.Lock()
		store := n.store
		n.mu.Unlock()
		_, err := store.Report(n.ctx, sms.Report{SIM: on.sim, Modem: "modem-" + on.sim, TPDU: tpdu, Received: time.Now()})
		if err == nil {
			return
		}
		time.Sleep(time.Second)
	}
	n.Errorf("the store takes no report by %s", on.sim)
}

// check compares the timelines with what the network has reported.
func (n *network) check() {
	reported, matched, wrong := 0, 0, 0
	for id, parts := range n.own {
		_, timeline := n.show(id)
		var told []string
		for _, entry := range timeline {
			if entry.Event == "report" {
				told = append(told, entry.Detail)
			}
		}
		for _, on := range parts {
			if !on.reported {
				continue
			}
			reported++
			prefix := fmt.Sprintf("part %d of ", on.part)
			words := fmt.Sprintf(" by modem-%s (%s): reference %d: %s", on.sim, on.sim, on.mr, on.status)
			i := slices.IndexFunc(told, func(d string) bool { return strings.HasPrefix(d, prefix) && strings.Contains(d, words) })
			if i >= 0 {
				matched++
				told = slices.Delete(told, i, i+1)
			}
		}
		for _, detail := range told {
			wrong++
			n.Errorf("%s has a report that is of another: %s\n%s", id, detail, story(timeline))
		}
	}
	n.Logf("%d hand-overs, %d reported on, %d matched, %d wrong", n.count, reported, matched, wrong)
	if float64(matched) < matchedAtLeast*float64(reported) {
		n.Errorf("%d of %d reports matched", matched, reported)
	}
}
