package queuetest

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/sms"
)

// Machine is a computer with a store on it, for [Model].
type Machine interface {
	// Open opens the store, the same each time, after a start of the machine that
	// boot names, and that was so long ago by its monotonic clock.
	Open(rules *sms.Rules, boot string, up time.Duration) (Store, error)
	// SetClock makes it look to the store as if the clock had been set.
	SetClock(by time.Duration)
	// Close closes the store, if it is open.
	Close() error
}

// Model drives a store with whatever can happen to it, in any order, and
// compares what it says with a model of docs/states.md. [rapid.Check] says how
// often: -rapid.checks=10000 for a long run. It returns what was seen. It leaves out
// escalation by report, absolute times, limits of SIMs, batches that come in little by
// little, copies of the database and the history.
func Model(t *testing.T, build func(t *testing.T) Machine) *Seen {
	seen := NewSeen()
	seen.tests-- // chance does not show every row
	rapid.Check(t, func(rt *rapid.T) {
		var failed any
		synctest.Test(t, func(t *testing.T) {
			defer func() { // what rapid fails by has to reach it, outside of the bubble
				if failed = recover(); failed != nil {
					if _, ok := failed.(runtime.Error); ok {
						failed = fmt.Sprintf("%v\n%s", failed, debug.Stack())
					}
				}
			}()
			r := &ride{opinion: &opinion{T: rt}, t: t, machine: build(t), seen: seen}
			defer func() {
				if err := r.machine.Close(); err != nil {
					t.Error(err)
				}
			}()
			r.begin()
			rt.Repeat(r.commands())
			r.toTheEnd()
		})
		switch {
		case failed == nil:
		case fmt.Sprintf("%T", failed) == "rapid.invalidData": // rapid tells failures apart by where they come from
			rt.Skip(failed)
		default:
			panic(failed)
		}
	})
	return seen
}

// ride is a store on its way through one run of random commands.
type ride struct {
	*opinion
	t         *testing.T
	machine   Machine
	seen      *Seen
	store     Store
	boot      int
	booted    time.Time
	claims    []*held
	mood      mood
	mr        map[string]byte
	concat    map[string]uint16 // the newest concatenation reference, by number and SIM
	kept      []*note
	stored    map[string]bool // reports, by SIM and TPDU
	shown     map[sms.ID]sms.Message
	story     []string
	discharge time.Time     // of the last report
	small     int           // steps of the clock too small to count, since the start
	pending   time.Duration // and what they come to: the next step that counts takes it along
}

// held is a claim in the hands of a line.
type held struct {
	queue.Claim
	hand *hand
}

// note is a status report that was kept unmatched.
type note struct {
	sim      string
	to       sms.Number
	mr       byte
	status   pdu.Status
	received time.Time
}

var (
	mainland = &country{name: "mainland", sims: []string{"a", "b", "c"}, routes: []sms.Route{
		{Prefix: "44", Tiers: [][]string{{"a"}, {"b"}}, Price: sms.Credit},
		{Prefix: "49", Tiers: [][]string{{"b", "c"}, {"a"}}, Price: sms.Credit},
		{Prefix: "", Tiers: [][]string{{"c"}}, Price: sms.Credit},
	}}
	changed = &country{name: "changed", sims: []string{"a", "b", "c"}, routes: []sms.Route{
		{Prefix: "44", Tiers: [][]string{{"b"}, {"c"}, {"a"}}, Price: sms.Credit},
		{Prefix: "", Tiers: [][]string{{"a", "c"}}, Price: sms.Credit},
	}}
	open     = &country{name: "open", sims: []string{"a", "b", "c"}}
	denied   = &country{name: "denied", sims: []string{"a", "b", "c"}, routes: mainland.routes, deny: map[string]string{"a": "447", "b": "4915"}}
	accounts = []string{"big", "late", shop}
	credit   = map[string]sms.Credits{shop: 20 * sms.Credit} // the others are unlimited
)

const smallSteps = 3

func (r *ride) begin() {
	time.Sleep(time.Until(time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)))
	r.rules = rapid.SampledFrom([]*country{mainland, open, denied}).Draw(r.T, "rules")
	r.mood = moods[rapid.IntRange(0, len(moods)-1).Draw(r.T, "mood")]
	r.booted, r.discharge = time.Now(), time.Now()
	r.mr, r.concat, r.stored, r.shown = map[string]byte{}, map[string]uint16{}, map[string]bool{}, map[sms.ID]sms.Message{}
	r.forget()
	r.open()
	for _, name := range accounts {
		r.ok(r.store.AddAccount(r.t.Context(), sms.Account{Name: name, Credits: credit[name], Unlimited: name != shop}))
	}
}

// forget is what a process forgets that ends.
func (r *ride) forget() {
	r.small, r.pending = 0, 0
	r.share, r.refused = map[int]*turns{}, map[string]map[sms.Number]bool{}
}

func (r *ride) open() {
	r.Helper()
	s, err := r.machine.Open(r.rules.rules(), fmt.Sprint("boot ", r.boot), time.Since(r.booted))
	r.ok(err)
	r.store = Watch(s, r.seen)
}

func (r *ride) commands() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"":            func(*rapid.T) { r.compare() },
		"add":         func(*rapid.T) { r.add() },
		"claim":       func(*rapid.T) { r.claim() },
		"rounds":      func(*rapid.T) { r.rounds() },
		"claim more":  func(*rapid.T) { r.claim() },
		"part sent":   func(*rapid.T) { r.partSent() },
		"settle":      func(*rapid.T) { r.settleAny() },
		"settle more": func(*rapid.T) { r.settleAny() },
		"give back":   func(*rapid.T) { r.giveBack() },
		"late":        func(*rapid.T) { r.lateResult() },
		"report":      func(*rapid.T) { r.report() },
		"cancel":      func(*rapid.T) { r.cancel() },
		"retry":       func(*rapid.T) { r.retry() },
		"time":        func(*rapid.T) { r.time() },
		"time more":   func(*rapid.T) { r.time() },
		"set clock":   func(*rapid.T) { r.setClock() },
		"restart":     func(*rapid.T) { r.restart() },
	}
}

func (r *ride) ok(err error) {
	r.Helper()
	if err != nil {
		r.failf("%v", err)
	}
}

func (r *ride) tell(format string, args ...any) {
	r.story = append(r.story, r.now().Format("02 15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// failf fails with what was done so far.
func (r *ride) failf(format string, args ...any) {
	r.Helper()
	r.Fatalf("%s\nby the rules of %s:\n%s", fmt.Sprintf(format, args...), r.rules.name, strings.Join(r.story, "\n"))
}

// one draws one of a list; it skips the command when there is none.
func one[T any](r *ride, list []T, what string) T {
	if len(list) == 0 {
		r.Skip("no " + what)
	}
	return list[rapid.IntRange(0, len(list)-1).Draw(r.T, what)]
}

func (r *ride) sim() string { return rapid.SampledFrom(r.rules.sims).Draw(r.T, "sim") }

// lettersMost bounds the messages of a run: much happens to few.
const lettersMost = 12

func (r *ride) add() {
	if len(r.letters) >= lettersMost {
		r.Skip("enough")
	}
	var b sms.Batch
	var letters []*letter
	cost := map[string]sms.Credits{}
	account := rapid.SampledFrom(accounts).Draw(r.T, "account")
	for range rapid.IntRange(1, 3).Draw(r.T, "messages") {
		l, m := r.draw(account, len(r.letters)+len(letters))
		if l == nil {
			continue
		}
		b.Messages, letters = append(b.Messages, m), append(letters, l)
		cost[account] += m.Price
	}
	if len(letters) == 0 {
		r.Skip("no route")
	}
	err := r.store.Add(r.t.Context(), b)
	if left := r.balance(shop); account == shop && cost[shop] > left {
		if !errors.Is(err, sms.ErrNoCredit) {
			r.failf("%d millionths for messages of %d: %v", left, cost[shop], err)
		}
		return
	}
	r.ok(err)
	r.letters = append(r.letters, letters...)
	for _, l := range letters {
		r.tell("add %s", l)
	}
	if rapid.IntRange(0, 9).Draw(r.T, "again") == 0 { // the acknowledgement was lost
		r.ok(r.store.Add(r.t.Context(), b))
	}
}

// draw makes a message, and what the model knows of it; nil when no SIM may send
// to the number.
func (r *ride) draw(account string, arrival int) (*letter, sms.Message) {
	now := time.Now()
	prefix := rapid.SampledFrom([]string{"4477009", "4480009", "4915112", "3361234"}).Draw(r.T, "country")
	delay := rapid.SampledFrom([]time.Duration{0, 0, 0, time.Minute, 3 * time.Hour}).Draw(r.T, "delay")
	parts := rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(r.T, "parts")
	id := sms.ID{14: byte(arrival), 15: rapid.Byte().Draw(r.T, "id")}
	m := sms.Message{
		ID: id, Submission: id, Account: account, Source: "test", Text: secret,
		To:       sms.Number(fmt.Sprintf("%s%05d", prefix, rapid.IntRange(0, 3).Draw(r.T, "number"))),
		Priority: rapid.IntRange(1, 3).Draw(r.T, "priority"), Escalate: rapid.IntRange(0, 2).Draw(r.T, "escalate"),
		Resend: rapid.IntRange(0, 3).Draw(r.T, "resend") > 0, Report: rapid.Bool().Draw(r.T, "report"),
		OnlySIM: rapid.SampledFrom([]string{"", "", "", "", "b"}).Draw(r.T, "only"),
		Due:     now.Add(delay),
		Price:   sms.Credits(parts) * sms.Credit,
	}
	m.Expires = m.Due.Add(rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}).Draw(r.T, "validity"))
	rules := r.rules.rules()
	step, err := rules.Admit(m, now)
	if len(r.rules.path(m.To)) == 0 || m.OnlySIM != "" && !r.rules.may(m.OnlySIM, m.To) {
		if !errors.Is(err, sms.ErrNoRoute) {
			r.failf("no SIM may send to %s, but %v", m.To, err)
		}
		return nil, m
	}
	r.ok(err)
	m.Parts = (&env{T: r.t}).parts(m.To, secret+strings.Repeat(".", (parts-1)*153))
	m.Apply(step)
	l := &letter{Message: m, arrival: arrival, state: sms.Queued, due: moment(r.model(m.Due)), parts: make([]sheet, parts)}
	l.Expires = r.model(m.Expires)
	if delay > 0 {
		l.state = sms.Scheduled
	}
	for i := range l.parts {
		l.parts[i].state = sms.Queued
	}
	l.lane = r.first(l)
	return l, m
}

func (l *letter) String() string {
	return fmt.Sprintf("%x to %s in %s, queue %d of %s, escalate %d, %d parts, resend %v, valid until %s: %s",
		l.ID[14:], l.To, l.lane.name(), l.Priority, l.Account, l.Escalate, len(l.parts), l.Resend, l.Expires.Format("02 15:04:05"), l.state)
}

// open claims of a SIM: one on the air, one ahead.
const claimsMost = 2

func (r *ride) claim() {
	r.claimBy(r.sim(), rapid.IntRange(0, 3).Draw(r.T, "alone") == 0)
}

// pauseMost is how long a line of [ride.rounds] waits for something to do.
const pauseMost = 10 * time.Minute

// rounds is one line alone, which takes what it may, again and again.
func (r *ride) rounds() {
	sim := r.sim()
	for range rapid.IntRange(1, 16).Draw(r.T, "rounds") {
		if r.claimBy(sim, true) {
			c := r.claims[len(r.claims)-1]
			c.By.Alone = true
			r.settleBy(c, r.outcome(c.hand))
			r.compare()
			continue
		}
		next, ok, err := r.store.NextDue(r.t.Context())
		r.ok(err)
		if !ok || time.Until(next) > pauseMost {
			return
		}
		time.Sleep(time.Until(next))
		r.clerk([]string{sim})
		r.tell("%s waited", sim)
		r.compare()
	}
}

// claimBy reports whether there was something to claim.
func (r *ride) claimBy(sim string, alone bool) bool {
	n := 0
	for _, c := range r.claims {
		if c.By.SIM == sim && c.hand.outcome == sms.Open {
			n++
		}
	}
	if n >= claimsMost {
		r.Skip("busy")
	}
	who := by(sim)
	who.Alone = alone
	want := r.claimable(sim, alone)
	c, err := r.store.Claim(r.t.Context(), who)
	if len(want) == 0 {
		if !errors.Is(err, queue.ErrNothing) {
			r.failf("%s claims %x (%s), want nothing: %v", sim, c.Message.ID[14:], c.Message.Lane, err)
		}
		return false
	}
	if err != nil {
		r.failf("%s claims nothing, want %s: %v", sim, want[0], err)
	}
	l := want[0]
	if c.Message.ID != l.ID {
		r.failf("%s claims %x, want %s", sim, c.Message.ID[14:], l)
	}
	if more := len(want) > 1 && want[1].Priority == l.Priority; c.More != more {
		r.failf("%s claims %s: more is %v", sim, l, c.More)
	}
	r.tell("%s claims %x, attempt %d", sim, l.ID[14:], c.Attempt)
	r.took(c, l)
	return true
}

// took opens the hand-over of a claim in the model.
func (r *ride) took(c queue.Claim, l *letter) {
	i := slices.IndexFunc(l.parts, func(p sheet) bool { return p.state == sms.Queued })
	if c.Part != i {
		r.failf("attempt %d is for part %d, want %d", c.Attempt, c.Part+1, i+1)
	}
	if open := l.openHand(); open != nil {
		r.failf("attempt %d is opened beside %d", c.Attempt, open.id)
	}
	h := &hand{id: c.Attempt, letter: l, part: i, sim: c.By.SIM, outcome: sms.Open, mr: -1, asked: byte(c.Attempt), status: -1, started: r.now()}
	if earlier := r.repeats(l, i, c.By.SIM); earlier != nil {
		h.repeat, h.asked = true, earlier.asked
	}
	if c.Repeat != h.repeat || c.Reference != h.asked {
		r.failf("attempt %d: repeat is %v with %d, want %v with %d", c.Attempt, c.Repeat, c.Reference, h.repeat, h.asked)
	}
	r.served(l)
	r.joins(h, c.Concat)
	l.state, l.parts[i] = sms.Sending, sheet{state: sms.Sending}
	l.hands = append(l.hands, h)
	r.claims = append(r.claims, &held{c, h})
}

// joins checks the reference by which a handset joins the parts of a message: the same
// for all that leave by one SIM, and another than the SIM's last to that number.
func (r *ride) joins(h *hand, concat uint16) {
	h.concat = concat
	if len(h.letter.parts) == 1 {
		return
	}
	to := string(h.letter.To) + " by " + h.sim
	want, given := r.concat[to]
	for _, o := range h.letter.hands {
		if o.sim == h.sim && !o.obsolete {
			want, given = o.concat-1, true
		}
	}
	if want = (want + 1) & 0xFF; given && concat != want {
		r.failf("attempt %d has the concatenation reference %d, want %d", h.id, concat, want)
	}
	if last, some := r.concat[to]; !some || concat == (last+1)&0xFF {
		r.concat[to] = concat
	}
}

// next is the TP-MR that a SIM gives next.
func (r *ride) next(sim string) byte { return r.mr[sim] + 1 }

func (r *ride) accepted(h *hand) sms.Outcome {
	r.mr[h.sim]++
	return sms.Outcome{Kind: sms.Accepted, MR: r.mr[h.sim]}
}

// drop forgets a claim, and reports whether its hand-over was still open: if it
// is not, the store has to say so.
func (r *ride) drop(c *held, end func() error) (open bool) {
	open = c.hand.outcome == sms.Open
	r.claims = slices.DeleteFunc(r.claims, func(o *held) bool { return o == c })
	err := end()
	if !open {
		if !errors.Is(err, queue.ErrLost) {
			r.failf("attempt %d is not open: %v", c.Attempt, err)
		}
		return false
	}
	r.ok(err)
	return true
}

func (r *ride) partSent() {
	c := one(r, slices.DeleteFunc(slices.Clone(r.claims), func(c *held) bool {
		return c.hand.outcome == sms.Open && c.hand.letter.count(sms.Queued) == 0
	}), "claim")
	l, out := c.hand.letter, r.accepted(c.hand)
	var next queue.Claim
	if !r.drop(c, func() (err error) { next, err = r.store.PartSent(r.t.Context(), c.Claim, out); return err }) {
		return
	}
	r.tell("attempt %d of %x: part sent, reference %d", c.Attempt, l.ID[14:], out.MR)
	h := c.hand
	h.outcome, h.mr = sms.Accepted, int(out.MR)
	r.ofSIM(h, out)
	if p := &l.parts[h.part]; p.state == sms.Sending || p.state == sms.Sent {
		*p = sheet{sms.Sent, h.sim}
	}
	r.took(next, l)
	r.matchKept(h)
}

var modelCauses = []pdu.Cause{
	{Set: pdu.CMS, Code: 1}, {Set: pdu.CMS, Code: 21}, {Set: pdu.CMS, Code: 42}, {Set: pdu.CMS, Code: duplicate},
	{Set: pdu.CMS, Code: 331}, {Set: pdu.CMS, Code: 310}, {Set: pdu.CMS, Code: 314}, {Set: pdu.CMS, Code: 322}, {Set: pdu.CMS, Code: 330}, {},
}

// mood is how the network is in a run: what is worse than chance is deep in the tables.
type mood struct {
	kinds  []sms.OutcomeKind
	causes []pdu.Cause
}

var (
	anyKind = []sms.OutcomeKind{sms.Accepted, sms.Accepted, sms.Refused, sms.Refused, sms.Ambiguous, sms.Ambiguous, sms.NotSent}
	moods   = []mood{
		{anyKind, modelCauses},
		{[]sms.OutcomeKind{sms.Refused, sms.Refused, sms.Refused, sms.Refused, sms.NotSent, sms.Ambiguous}, modelCauses[1:2]},
		{[]sms.OutcomeKind{sms.Refused, sms.Refused, sms.Refused, sms.Accepted, sms.Ambiguous}, modelCauses[1:]},
		{[]sms.OutcomeKind{sms.Ambiguous, sms.Ambiguous, sms.Ambiguous, sms.Accepted, sms.Refused}, modelCauses},
	}
)

func (r *ride) outcome(h *hand) sms.Outcome {
	switch rapid.SampledFrom(r.mood.kinds).Draw(r.T, "outcome") {
	case sms.Accepted:
		out := r.accepted(h)
		out.NoMR = rapid.IntRange(0, 9).Draw(r.T, "no reference") == 0
		return out
	case sms.Refused:
		return sms.Outcome{Kind: sms.Refused, Cause: rapid.SampledFrom(r.mood.causes).Draw(r.T, "cause")}
	case sms.Ambiguous:
		return ambiguous
	}
	return notSent
}

func (r *ride) settleAny() {
	c := one(r, r.claims, "claim")
	c.By.Alone = rapid.IntRange(0, 3).Draw(r.T, "alone by now") == 0
	r.settleBy(c, r.outcome(c.hand))
}

func (r *ride) settleBy(c *held, out sms.Outcome) {
	if r.drop(c, func() error { return r.store.Settle(r.t.Context(), c.Claim, out) }) {
		r.tell("attempt %d of %x: %s %s, reference %d", c.Attempt, c.hand.letter.ID[14:], out.Kind, out.Cause, out.MR)
		out.Alone = c.By.Alone
		r.settle(c.hand, out)
		r.matchKept(c.hand)
	}
}

func (r *ride) giveBack() {
	c := one(r, r.claims, "claim")
	if r.drop(c, func() error { return r.store.GiveBack(r.t.Context(), c.Claim, "the line is gone") }) {
		r.tell("attempt %d of %x: given back", c.Attempt, c.hand.letter.ID[14:])
		r.givenBack(c.hand)
		r.matchKept(c.hand)
	}
}

// hands are the hand-overs of messages that the clock has not left behind.
func (r *ride) hands(which func(*hand) bool) []*hand {
	var list []*hand
	for _, l := range r.letters {
		for _, h := range l.hands {
			if which(h) && !r.leftBehind(l.To) {
				list = append(list, h)
			}
		}
	}
	return list
}

// leftBehind reports whether the clock was set when nothing more was to happen to
// a message to a number: its times have not been moved.
func (r *ride) leftBehind(to sms.Number) bool {
	return slices.ContainsFunc(r.letters, func(l *letter) bool { return l.To == to && l.set })
}

func (r *ride) lateResult() {
	h := one(r, r.hands(func(h *hand) bool { return h.outcome == sms.Ambiguous || h.outcome == sms.Open || h.id%4 == 0 }), "hand-over")
	out := r.outcome(h)
	r.ok(r.store.Late(r.t.Context(), h.id, out))
	r.tell("late result of attempt %d of %x, which was %s: %s %s, reference %d", h.id, h.letter.ID[14:], h.outcome, out.Kind, out.Cause, out.MR)
	if h.outcome != sms.Ambiguous && h.outcome != sms.Open || out.Kind == sms.Ambiguous {
		return
	}
	r.late(h, out)
	r.matchKept(h)
}

func (r *ride) cancel() {
	l := one(r, r.letters, "message")
	err := r.store.Cancel(r.t.Context(), l.ID)
	switch l.state {
	case sms.Queued, sms.Scheduled, sms.Unknown:
		r.ok(err)
		r.tell("cancel %x", l.ID[14:])
		l.state, l.refunded = sms.Cancelled, l.maybeGone(-1) == 0
	default:
		if !errors.Is(err, queue.ErrState) {
			r.failf("cancel %s: %v", l, err)
		}
	}
}

// retry is the operator's.
func (r *ride) retry() {
	l := one(r, slices.DeleteFunc(slices.Clone(r.letters), func(l *letter) bool { return l.set }), "message")
	_, err := r.store.Retry(r.t.Context(), l.ID)
	switch {
	case !r.mayRetry(l):
		if !errors.Is(err, sms.ErrNoRetry) {
			r.failf("retry %s: %v", l, err)
		}
	case l.refunded && l.Account == shop && l.Price > r.balance(shop):
		if !errors.Is(err, sms.ErrNoCredit) {
			r.failf("retry %s, without credit: %v", l, err)
		}
	default:
		r.ok(err)
		r.tell("retry %x", l.ID[14:])
		r.retried(l)
	}
}

// roundsMost bounds how long the lines take for the rest.
const roundsMost = 2000

// toTheEnd has every SIM send with success, and time pass: all comes to an end.
func (r *ride) toTheEnd() {
	for len(r.claims) > 0 {
		r.settleBy(r.claims[0], notSent)
	}
	r.compare()
	for range roundsMost {
		for _, sim := range r.rules.sims {
			for r.claimBy(sim, false) {
				c := r.claims[len(r.claims)-1]
				r.settleBy(c, r.accepted(c.hand))
				r.compare()
			}
		}
		r.compare()
		waiting := slices.ContainsFunc(r.letters, func(l *letter) bool {
			_, waits := r.wakes(l)
			return waits
		})
		if !waiting {
			return
		}
		next, ok, err := r.store.NextDue(r.t.Context())
		r.ok(err)
		at := next
		for _, l := range r.letters { // that the lines can take by then
			if due := l.due.to.Add(r.set); l.state == sms.Queued && due.After(time.Now()) && due.Before(at) {
				at = due
			}
		}
		if !ok {
			r.failf("nothing is due, and not all has ended")
		}
		time.Sleep(time.Until(at))
		r.clerk(r.rules.sims)
	}
	for _, l := range r.letters {
		if !l.state.Final() {
			r.failf("%s has not ended", l)
		}
	}
}
