package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/queue/sqlite"
	"cellpost/sms"
)

const (
	unknownWait   = 30 * time.Second
	escalateAfter = time.Minute
)

var discard = slog.New(slog.DiscardHandler)

// world is a queue on a real store, and the air that its lines send into. Times
// in it count from its beginning.
type world struct {
	*testing.T
	ctx   context.Context
	rules *sms.Rules
	store *store
	queue *queue.Queue
	stop  func() // ends the queue's Run
	began time.Time
	ids   map[string]sms.ID // by text

	mu  sync.Mutex // guards air
	air []string   // "1s a hello": when, by which SIM, what
}

// store is the real one, with the troubles of its disk.
type store struct {
	*sqlite.Store
	down atomic.Bool
	slow atomic.Int64 // how long GiveBack takes, in nanoseconds

	byClock atomic.Int32 // hand-overs whose validity would have changed with the clock

	claimed func() // called when a claim is in the database, and its line does not know; may be nil
}

func (s *store) look(c queue.Claim) {
	if c.Message.Expires == c.Message.Expires.Round(0) { // it has no monotonic reading
		s.byClock.Add(1)
	}
}

var errDown = errors.New("the disk is full")

func (s *store) fails() error {
	if s.down.Load() {
		return errDown
	}
	return nil
}

func (s *store) Claim(ctx context.Context, by queue.By) (queue.Claim, error) {
	if err := s.fails(); err != nil {
		return queue.Claim{}, err
	}
	c, err := s.Store.Claim(ctx, by)
	if err == nil && s.claimed != nil {
		s.claimed()
	}
	return c, err
}

func (s *store) GiveBack(ctx context.Context, c queue.Claim, why string) error {
	if d := s.slow.Load(); d > 0 {
		<-time.After(time.Duration(d))
	}
	return errors.Join(s.fails(), s.unless(func() error { return s.Store.GiveBack(ctx, c, why) }))
}

func (s *store) Settle(ctx context.Context, c queue.Claim, o sms.Outcome) error {
	s.look(c)
	return errors.Join(s.fails(), s.unless(func() error { return s.Store.Settle(ctx, c, o) }))
}

func (s *store) PartSent(ctx context.Context, c queue.Claim, o sms.Outcome) (queue.Claim, error) {
	s.look(c)
	if err := s.fails(); err != nil {
		return queue.Claim{}, err
	}
	return s.Store.PartSent(ctx, c, o)
}

func (s *store) Late(ctx context.Context, attempt int64, o sms.Outcome) error {
	return errors.Join(s.fails(), s.unless(func() error { return s.Store.Late(ctx, attempt, o) }))
}

func (s *store) Overdue(ctx context.Context, serving []string) ([]queue.Work, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.Overdue(ctx, serving)
}

func (s *store) ClaimEvent(ctx context.Context, hold time.Duration) (sms.Event, time.Time, error) {
	if err := s.fails(); err != nil {
		return sms.Event{}, time.Time{}, err
	}
	return s.Store.ClaimEvent(ctx, hold)
}

// unless does it, unless the disk is full.
func (s *store) unless(do func() error) error {
	if s.down.Load() {
		return nil
	}
	return do()
}

// bubble runs a test in a bubble of [testing/synctest]. It ends only when every
// goroutine has.
func bubble(t *testing.T, rules sms.Rules, doors map[string]queue.Notifier, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(begin(t, rules, doors)) })
}

func begin(t *testing.T, rules sms.Rules, doors map[string]queue.Notifier) *world {
	if rules.UnknownWait == 0 {
		rules.UnknownWait, rules.EscalateAfter = unknownWait, escalateAfter
	}
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "queue.db"), &rules, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{T: t, ctx: t.Context(), rules: &rules, store: &store{Store: db}, began: time.Now(), ids: map[string]sms.ID{}}
	w.queue = queue.New(w.store, &rules, doors, discard)
	w.ok(db.AddAccount(w.ctx, sms.Account{Name: "shop", Unlimited: true}))
	w.run(db.Run)
	w.stop = w.run(w.queue.Run)
	w.ok(w.queue.Turn(w.ctx)) // it has begun
	return w
}

// run keeps f running until the test ends, or stop is called. What was begun
// last ends first.
func (w *world) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f(ctx); err != nil {
			w.Error(err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	w.Cleanup(stop)
	return stop
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// handed is one hand-over.
type handed struct {
	sms.Handover
	text string
	part int // from 1
}

// line is a modem whose SIM has its name. How the network answers is up to the test.
type line struct {
	w      *world
	name   string
	answer func(context.Context, handed) sms.Outcome
}

func (l *line) Name() string { return "modem-" + l.name }
func (l *line) SIM() string  { return l.name }

func (l *line) Submit(ctx context.Context, h sms.Handover) sms.Outcome {
	s, _, err := pdu.ParseSubmit(h.TPDU)
	if err != nil {
		l.w.Error(err)
	}
	what := handed{Handover: h, text: strings.TrimRight(s.UserData.Text(s.DCS), "."), part: 1}
	told := what.text
	if c, ok := s.UserData.Concat(); ok {
		what.part = int(c.Seq)
		told += fmt.Sprintf("/%d", c.Seq)
	}
	l.w.mu.Lock()
	l.w.air = append(l.w.air, fmt.Sprintf("%v %s %s", time.Since(l.w.began), l.name, told))
	l.w.mu.Unlock()
	return l.answer(ctx, what)
}

// serve has a line carry messages until the test ends, or stop is called.
func (w *world) serve(name string, answer func(context.Context, handed) sms.Outcome) (stop func()) {
	stop = w.run(func(ctx context.Context) error { return w.queue.Serve(ctx, &line{w, name, answer}) })
	synctest.Wait()
	return stop
}

// takes is a network that accepts everything, after so long on the air.
func takes(air time.Duration) func(context.Context, handed) sms.Outcome {
	return after(air, sms.Outcome{Kind: sms.Accepted, MR: 1})
}

// after is a network that always gives the same answer.
func after(air time.Duration, o sms.Outcome) func(context.Context, handed) sms.Outcome {
	return func(context.Context, handed) sms.Outcome {
		<-time.After(air)
		return o
	}
}

// first is a network that answers o, and from then on like rest.
func first(o sms.Outcome, rest func(context.Context, handed) sms.Outcome) func(context.Context, handed) sms.Outcome {
	done := false // one line, one caller at a time
	return func(ctx context.Context, h handed) sms.Outcome {
		if !done {
			done = true
			return o
		}
		return rest(ctx, h)
	}
}

var (
	ambiguous = sms.Outcome{Kind: sms.Ambiguous, Detail: "no result"}
	notSent   = sms.Outcome{Kind: sms.NotSent, Detail: "no prompt"}
)

// message makes a message to 44 that is known by its text.
func (w *world) message(text string, change ...func(*sms.Message)) sms.Message {
	w.Helper()
	now := time.Now()
	m := sms.Message{
		ID: sms.NewID(now), Submission: sms.NewID(now), Account: "shop", Source: "test", To: "447700900123",
		Text: text, Priority: 3, Resend: true, Expires: now.Add(24 * time.Hour),
	}
	for _, f := range change {
		f(&m)
	}
	seg, err := pdu.Split(m.Text, pdu.SplitOptions{})
	w.ok(err)
	for i, ud := range seg.Parts {
		s := pdu.Submit{Destination: m.To.Address(), DCS: seg.DCS, UserData: ud}
		tpdu, err := s.AppendBinary(nil)
		w.ok(err)
		m.Parts = append(m.Parts, sms.Part{N: i + 1, TPDU: tpdu, State: sms.Queued})
	}
	step, err := w.rules.Admit(m, now)
	w.ok(err)
	m.Apply(step)
	w.ids[text] = m.ID
	return m
}

func parts(n int) func(*sms.Message) {
	return func(m *sms.Message) { m.Text += strings.Repeat(".", 160+153*(n-2)) }
}

func to(n sms.Number) func(*sms.Message)    { return func(m *sms.Message) { m.To = n } }
func escalate(level int) func(*sms.Message) { return func(m *sms.Message) { m.Escalate = level } }

// add stores messages, one transaction each.
func (w *world) add(texts ...string) {
	w.Helper()
	for _, text := range texts {
		w.addOne(text)
	}
}

func (w *world) addOne(text string, change ...func(*sms.Message)) {
	w.Helper()
	w.ok(w.queue.Add(w.ctx, sms.Batch{Messages: []sms.Message{w.message(text, change...)}}))
	synctest.Wait()
}

// addAll stores messages in one transaction.
func (w *world) addAll(texts ...string) {
	w.Helper()
	var b sms.Batch
	for _, text := range texts {
		b.Messages = append(b.Messages, w.message(text))
	}
	w.ok(w.queue.Add(w.ctx, b))
	synctest.Wait()
}

// until lets time pass, to a moment after the beginning.
func (w *world) until(at time.Duration) {
	w.Helper()
	if wait := at - time.Since(w.began); wait >= 0 {
		time.Sleep(wait)
	} else {
		w.Fatalf("%v is past", at)
	}
	synctest.Wait()
}

// heard checks all that was ever on the air, in order.
func (w *world) heard(want ...string) {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.air, want) {
		w.Fatalf("on the air were\n\t%s\nwant\n\t%s", strings.Join(w.air, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// want checks where a message stands.
func (w *world) want(text string, state sms.State, parts ...sms.State) sms.Message {
	w.Helper()
	m, timeline, err := w.store.Show(w.ctx, w.ids[text])
	w.ok(err)
	if m.State != state {
		w.Fatalf("%s is %s, want %s: %v", text, m.State, state, timeline)
	}
	for i, p := range parts {
		if m.Parts[i].State != p {
			w.Fatalf("part %d of %s is %s, want %s: %v", i+1, text, m.Parts[i].State, p, timeline)
		}
	}
	return m
}

// events checks a timeline.
func (w *world) events(text string, want ...string) {
	w.Helper()
	_, timeline, err := w.store.Show(w.ctx, w.ids[text])
	w.ok(err)
	var got []string
	for _, e := range timeline {
		got = append(got, e.Event)
	}
	if !slices.Equal(got, want) {
		w.Fatalf("%s: got %q, want %q: %v", text, got, want, timeline)
	}
}
