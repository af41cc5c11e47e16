package modem_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/profile"
	"cellpost/modem/sim"
	"cellpost/pdu"
	"cellpost/sms"
)

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "64") // they wait more than they compute
	code := m.Run()
	if left := leftovers(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// leftovers returns the goroutines in code of modems that do not end.
func leftovers() string {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var left string
	for range 200 {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		left = ""
		for g := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(g, "cellpost/modem.") || strings.Contains(g, "cellpost/modem/at.") {
				left += g + "\n\n"
			}
		}
		if left == "" {
			break
		}
		<-tick.C
	}
	return left
}

// patience is how long anything may take that is sure to happen.
const patience = 50 * time.Second

// short makes the deadlines of a hand-over fit for a test.
var short = modem.Config{PromptTimeout: 300 * time.Millisecond, ResultTimeout: 300 * time.Millisecond}

const handset = "447700900123"

// bench is a simulated modem, the driver that works with it, and all that is
// seen between them.
type bench struct {
	t    *testing.T
	net  *sim.Network
	sim  *sim.Modem
	m    *modem.Modem
	wire *wire
	log  *journal
	in   *inbox
	jobs chan job
	stop func() // ends Run and waits for it; may be called twice

	again func(modem.Config) // in a bubble: makes the driver of the next process
}

type job struct {
	h    sms.Handover
	done chan<- sms.Outcome
}

// prepare makes a bench whose driver does not run yet. The link of the device
// is there.
func prepare(t *testing.T, n *sim.Network, o sim.Options, c modem.Config) *bench {
	t.Helper()
	b := &bench{t: t, net: n, log: newJournal(), jobs: make(chan job, 100), stop: func() {}}
	b.in = &inbox{log: b.log}
	b.wire = &wire{log: b.log}
	linked := make(chan string, 1)
	o.Wrap = b.wire.wrap
	o.Linked = func(link string) {
		select {
		case linked <- link:
		default:
		}
	}
	b.sim = sim.NewModem(n, o)
	if c.Name == "" {
		c.Name = b.sim.Options().Name
	}
	if c.Device == "" {
		c.Device = filepath.Join(t.TempDir(), "modem")
	}
	c.Profiles = families(t)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.sim.ServePTY(ctx, c.Device); err != nil {
			t.Errorf("ServePTY: %v", err)
			o.Linked("") // there will be none
		}
	})
	t.Cleanup(func() {
		b.stop()
		cancel()
		wg.Wait()
		if t.Failed() {
			t.Logf("facts: %+v\n%s", b.m.Facts(), b.log)
		}
	})
	<-linked
	b.m = modem.New(c, b.in, b.serve, b.logger())
	return b
}

// families is the table that comes with the program.
func families(t *testing.T) *profile.Table {
	t.Helper()
	table, err := loadFamilies()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

var loadFamilies = sync.OnceValues(func() (*profile.Table, error) { return profile.Load("", nil) })

func (b *bench) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// start is prepare with a driver that runs.
func start(t *testing.T, n *sim.Network, o sim.Options, c modem.Config) *bench {
	t.Helper()
	b := prepare(t, n, o, c)
	b.run()
	return b
}

func (b *bench) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.m.Run(ctx); err != nil {
			b.t.Errorf("Run: %v", err)
		}
	}()
	b.stop = func() {
		cancel()
		<-done
	}
}

// serve hands over what the test sends, as a worker of the queue does: the next
// message without a pause.
func (b *bench) serve(ctx context.Context, l *modem.Line) error {
	b.log.add("line")
	defer b.log.add("line ended")
	for {
		select {
		case j := <-b.jobs:
			j.done <- l.Submit(ctx, j.h)
		case <-ctx.Done():
			return nil
		}
	}
}

// submit begins a hand-over.
func (b *bench) submit(h sms.Handover) <-chan sms.Outcome {
	done := make(chan sms.Outcome, 1)
	b.jobs <- job{h, done}
	return done
}

// send waits for the outcome of a hand-over.
func (b *bench) send(attempt int64, text string) sms.Outcome {
	b.t.Helper()
	return b.outcome(b.submit(message(b.t, attempt, text)))
}

func (b *bench) outcome(done <-chan sms.Outcome) sms.Outcome {
	b.t.Helper()
	select {
	case o := <-done:
		return o
	case <-time.After(patience):
		b.t.Fatal("no outcome")
		return sms.Outcome{}
	}
}

// sendUntilSent tries until the network takes the message, as the queue does
// with one that was not sent or was refused for lack of a network or a SIM.
func (b *bench) sendUntilSent(attempt int64, text string) {
	b.t.Helper()
	o := b.send(attempt, text)
	for end := time.Now().Add(patience); o.Kind == sms.NotSent || o.Kind == sms.Refused; o = b.send(attempt, text) {
		if time.Now().After(end) {
			break
		}
	}
	if o.Kind != sms.Accepted {
		b.t.Fatalf("%q: %+v", text, o)
	}
}

// await waits until the facts are as wanted.
func (b *bench) await(what string, want func(modem.Facts) bool) modem.Facts {
	b.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if f := b.m.Facts(); want(f) {
			return f
		}
	}
	b.t.Fatalf("it is not %s: %+v", what, b.m.Facts())
	return modem.Facts{}
}

func (b *bench) awaitState(want modem.State) modem.Facts {
	b.t.Helper()
	return b.await(string(want), func(f modem.Facts) bool { return f.State() == want })
}

// taken returns what the network holds of a text.
func (b *bench) taken(text string) []sim.Entry {
	return slices.DeleteFunc(b.net.Ledger(), func(e sim.Entry) bool {
		return e.Submit.UserData.Text(e.Submit.DCS) != text
	})
}

func message(t testing.TB, attempt int64, text string) sms.Handover {
	t.Helper()
	parts, err := pdu.Split(text, pdu.SplitOptions{})
	if err != nil || len(parts.Parts) != 1 {
		t.Fatalf("%q: %d parts, %v", text, len(parts.Parts), err)
	}
	tpdu, err := pdu.Submit{
		StatusReport: true, Destination: sms.Number(handset).Address(), DCS: parts.DCS, UserData: parts.Parts[0],
	}.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return sms.Handover{Attempt: attempt, TPDU: tpdu}
}

// inbox writes down what it is given.
type inbox struct {
	log *journal

	mu    sync.Mutex
	sim   string        // by which the last message came
	fails int           // how many more times it fails
	gate  chan struct{} // not nil: Report waits until it is closed
}

func (in *inbox) set(fails int, gate chan struct{}) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.fails, in.gate = fails, gate
}

func (in *inbox) store(what string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.fails > 0 {
		in.fails--
		in.log.add("failed " + what)
		return errors.New("the disk is full: make room")
	}
	in.log.add(what)
	return nil
}

func (in *inbox) Report(_ context.Context, r sms.Report) error {
	in.mu.Lock()
	gate := in.gate
	in.mu.Unlock()
	if gate != nil {
		in.log.add("waiting report")
		<-gate
	}
	s, _, err := pdu.ParseStatusReport(r.TPDU)
	if err != nil {
		return err
	}
	return in.store(fmt.Sprintf("report %d %d", s.Reference, s.Status))
}

func (in *inbox) Receive(_ context.Context, m sms.Inbound) error {
	in.mu.Lock()
	in.sim = m.SIM
	in.mu.Unlock()
	d, _, err := pdu.ParseDeliver(m.TPDU)
	if err != nil {
		return in.store(fmt.Sprintf("received unreadable %X", m.TPDU))
	}
	return in.store("received " + d.UserData.Text(d.DCS))
}

func (in *inbox) Late(_ context.Context, attempt int64, o sms.Outcome) error {
	return in.store(fmt.Sprintf("late %d %s %d", attempt, o.Kind, o.MR))
}

// journal holds what happened, in order: commands that reached the modem, what
// the inbox got, and the log.
type journal struct {
	mu      sync.Mutex
	lines   []string
	changed chan struct{} // closed at the next line
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
	close(j.changed)
	j.changed = make(chan struct{})
}

// Write takes a line of the log.
func (j *journal) Write(b []byte) (int, error) {
	j.add("log " + strings.TrimSpace(string(b)))
	return len(b), nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n")
}

// index returns where the n-th line (from 1) with a prefix is; -1: nowhere.
func (j *journal) index(prefix string, n int) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, line := range j.lines {
		if !strings.HasPrefix(line, prefix) {
			continue
		}
		if n--; n == 0 {
			return i
		}
	}
	return -1
}

func (j *journal) count(prefix string) int {
	n := 0
	for j.index(prefix, n+1) >= 0 {
		n++
	}
	return n
}

// wait waits for the n-th line with a prefix and returns where it is.
func (j *journal) wait(t *testing.T, prefix string, n int) int {
	t.Helper()
	end := time.After(patience)
	for {
		j.mu.Lock()
		changed := j.changed
		j.mu.Unlock()
		if i := j.index(prefix, n); i >= 0 {
			return i
		}
		select {
		case <-changed:
		case <-end:
			t.Fatalf("%q did not come %d times", prefix, n)
		}
	}
}

// waitOrder waits for lines that have to come in this order, with others
// between them.
func (j *journal) waitOrder(t *testing.T, prefixes ...string) {
	t.Helper()
	last := -1
	for _, p := range prefixes {
		i := j.wait(t, p, 1)
		if i < last {
			t.Errorf("%q came too early, at %d", p, i)
		}
		last = i
	}
}

// wire is between the simulated modem and its port. It writes down each
// command line, and may change what passes: a module with answers of its own.
type wire struct {
	log *journal

	mu      sync.Mutex // guards what follows, and writing
	port    io.ReadWriteCloser
	hear    func(string) string // changes what the modem hears; may be nil
	say     func(string) string // changes what it says; may be nil
	command []byte
}

func (w *wire) wrap(port io.ReadWriteCloser) io.ReadWriteCloser {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.port, w.command = port, nil
	return tap{port, w}
}

func (w *wire) change(hear, say func(string) string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hear, w.say = hear, say
}

// inject says something that the modem did not.
func (w *wire) inject(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.port.Write([]byte(s))
}

// unplug takes the port away, and nothing else.
func (w *wire) unplug() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.port.Close()
}

func (w *wire) heard(b []byte) []byte {
	w.mu.Lock()
	hear := w.hear
	for _, c := range b {
		switch c {
		case '\r':
			w.log.add(string(w.command))
			w.command = nil
		case 0x1a, 0x1b:
			w.log.add(map[byte]string{0x1a: "ctrl-Z", 0x1b: "escape"}[c])
			w.command = nil
		default:
			w.command = append(w.command, c)
		}
	}
	w.mu.Unlock()
	if hear == nil {
		return b
	}
	return []byte(hear(string(b))) // without the lock: it may strike the modem
}

type tap struct {
	io.ReadWriteCloser
	w *wire
}

func (p tap) Read(b []byte) (int, error) {
	n, err := p.ReadWriteCloser.Read(b)
	return copy(b, p.w.heard(bytes.Clone(b[:n]))), err
}

func (p tap) Write(b []byte) (int, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	said := string(b)
	if p.w.say != nil {
		said = p.w.say(said)
	}
	if _, err := p.ReadWriteCloser.Write([]byte(said)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// replace makes a change of what passes.
func replace(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }
