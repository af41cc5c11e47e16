// Package at holds a dialogue of AT commands with a modem (3GPP TS 27.007,
// ITU-T V.250) over any stream. It promises that what the caller of a command
// is told is true, whatever the modem does and whenever: a result belongs to
// the command that it is returned for, a code that nobody asked for is never
// part of an answer, and a caller has control again at its deadline.
//
// The commands are driven by warthog618/modem/at. What that library must not
// see stands between it and the port: see link for what goes out, and take for
// what comes in.
package at

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	wat "github.com/warthog618/modem/at"
)

// Errors of a dialogue.
var (
	// ErrTimeout means that the modem did not answer in time and may do so
	// yet. The dialogue is out of step: call [Dialogue.Resync].
	ErrTimeout = errors.New("the modem did not answer in time: resync the dialogue")
	// ErrOutOfStep means that an earlier command may be answered yet, so that
	// nothing was sent. Call [Dialogue.Resync].
	ErrOutOfStep = errors.New("an earlier command is unanswered: resync the dialogue")
	// ErrHung means that more than 1 KiB would have gone out without an octet
	// coming back, or that the port takes no more.
	ErrHung = errors.New("the modem neither reads nor answers: reset it")
	// ErrGone means that the dialogue has ended, and its port with it.
	ErrGone = errors.New("the port is gone: open it again")
)

// ErrStuck ends a [Dialogue.Run] whose handler is 4,096 calls behind. Nothing
// that was reported is dropped in silence: what was not acknowledged comes again.
var ErrStuck = errors.New("the handler of unsolicited codes does not return: see what it waits for")

const (
	maxUnanswered = 1 << 10 // octets out without an octet back
	maxEvents     = 4096    // calls of Handler and Late that wait
)

// Defaults of [Timeouts]. Networks take up to two minutes to refuse a message.
const (
	defaultPrompt = 10 * time.Second
	defaultResult = 150 * time.Second
)

// Config of a dialogue. The zero value takes no unsolicited codes out.
type Config struct {
	// Unsolicited lists the codes to take out of the stream. A code of one
	// line that is also the answer to the command under way (+CREG) is taken
	// as the answer.
	Unsolicited []Code

	// Handler gets the lines of each unsolicited code, one call at a time and
	// in order. It may send commands, and it must return: Run waits for it.
	Handler func(lines []string)

	// Owed gets the result, as [Timeouts.Late] does, of a hand-over that an earlier
	// dialogue with this modem gave up, when it comes before the first Resync has
	// returned; nil: there is none.
	Owed func(lines []string)

	// Trace sees each line: '<' from the modem, '>' to it. Two goroutines call
	// it. The lines hold numbers and texts of messages.
	Trace func(dir byte, line string)
}

// Code is an unsolicited result code.
type Code struct {
	Prefix string // what its first line begins with, up to the end of a word: "+CMT", "RING"
	Lines  int    // lines that follow the first: 1 for +CMT and +CDS in PDU mode; fewer when some were lost

	// Until, when set, takes the place of Lines: it tells whether the lines so far
	// are all. A code whose last lines do not come is given to the handler as it is.
	// Its lines keep all that stands in quotes, control octets too: they may be
	// characters. An empty line is an LF before the next.
	Until func(lines []string) bool
}

// Timeouts of [Dialogue.Submit]. A zero is the default.
type Timeouts struct {
	Prompt time.Duration // from the command to the prompt: 10 s
	Result time.Duration // from the data to the final result: 150 s

	// Late, when set, gets the result of a hand-over that was given up when the
	// data was written: the lines of information, those that had come in time
	// included, and the final result, which [Final] reads. It is called as Handler
	// is, in order with it, at most once, and before Resync returns or never.
	//
	// While Resync is at work its own answers may be mistaken for the result,
	// so that only lines that name the command, or a +CMS ERROR, count then.
	// An OK without information may be the modem's answer to the escape.
	Late func(lines []string)
}

// Result is what came of a hand-over.
type Result struct {
	Info    []string // lines of information, also when Err is not nil
	Written bool     // the data was handed to the port: at least one octet may have reached the modem

	// Err is nil when the modem said OK after the data, and a [*CommandError]
	// when it refused. With any other error and Written, the outcome is unknown.
	Err error
}

// Dialogue with one modem. Its methods may be called concurrently; commands
// are served first come, first served.
type Dialogue struct {
	port   io.ReadWriteCloser
	config Config
	in     splitter      // of the reader alone
	text   unsolicited   // a code with Until that is being read; of the reader alone
	turn   chan struct{} // holds one token while no command is under way and Run runs
	gone   chan struct{} // closed when the dialogue has ended
	writes chan []byte
	events chan event
	feed   *feed
	modem  *wat.AT                 // set by Run before the first turn
	fail   context.CancelCauseFunc // likewise

	mu         sync.Mutex
	ended      bool
	current    *exchange
	unanswered int         // octets out since the last octet in
	unwritten  int         // octets in writes, or in a Write of the port
	verbose    bool        // the modem speaks result codes in words: V1
	partial    unsolicited // a code whose lines have not all come
	outOfStep  bool        // from an exchange given up until Resync succeeds
	owed       *exchange   // given up, and not answered yet
	answer     []string    // lines since the last final result, while out of step
	probe      chan string // those lines go to Resync as well, while it is at work
}

// event is a call of Handler or Late.
type event struct {
	call  func([]string)
	lines []string
}

// New makes a dialogue over a port, which from now on belongs to it. Commands
// wait until [Dialogue.Run] runs.
func New(port io.ReadWriteCloser, c Config) *Dialogue {
	d := &Dialogue{
		port:   port,
		config: c,
		turn:   make(chan struct{}, 1),
		gone:   make(chan struct{}),
		writes: make(chan []byte, maxUnanswered),
		events: make(chan event, maxEvents),
		feed:   newFeed(),
	}
	if c.Owed != nil {
		d.outOfStep, d.owed = true, &exchange{cmd: "+CMGS", handOver: true, written: true, late: c.Owed}
	}
	return d
}

// Run holds the dialogue until the port fails or ctx ends, and returns which.
// It closes the port, and all that it started has returned when it does, calls
// of Handler included. Commands fail with [ErrGone] from then on. Call it once.
func (d *Dialogue) Run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	d.fail = fail
	d.modem = wat.New(link{d}, wat.WithTimeout(-1)) // deadlines are ours: see cut
	var children sync.WaitGroup
	children.Go(d.write)
	children.Go(d.dispatch)
	children.Go(func() {
		<-ctx.Done()
		d.port.Close()
	})
	d.turn <- struct{}{}
	fail(d.read())
	d.end()
	children.Wait()
	<-d.modem.Closed()
	return context.Cause(ctx)
}

// end lets everything that waits know that nothing will come any more.
func (d *Dialogue) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	d.current = nil
	close(d.gone)
	close(d.writes)
	close(d.events)
	d.feed.close()
}

// write hands to the port what was queued. It has a goroutine of its own,
// because a modem that stops reading blocks it.
func (d *Dialogue) write() {
	for b := range d.writes {
		d.trace('>', strings.TrimRight(string(b), "\r\x1a"))
		_, err := d.port.Write(b)
		if err != nil {
			d.fail(fmt.Errorf("write to the port: %w", err))
			return
		}
		d.mu.Lock()
		d.unwritten -= len(b)
		d.mu.Unlock()
	}
}

func (d *Dialogue) dispatch() {
	for e := range d.events {
		e.call(e.lines)
	}
}

func (d *Dialogue) trace(dir byte, line string) {
	if d.config.Trace != nil {
		d.config.Trace(dir, line)
	}
}

// Command sends AT and cmd, and returns the lines of information that came
// before OK. The timeout, which must be positive, runs from when the command
// is sent. The error is a [*CommandError] when the modem refused, the error of
// ctx when that ended first, or one of this package's.
func (d *Dialogue) Command(ctx context.Context, cmd string, timeout time.Duration) ([]string, error) {
	x := &exchange{cmd: cmd, resultIn: timeout}
	if err := d.begin(ctx, x); err != nil {
		return nil, err
	}
	defer d.release()
	stop := context.AfterFunc(ctx, func() { d.cut(x, anyPhase, ctx.Err()) })
	defer stop()
	_, err := d.modem.Command(cmd)
	err = d.finish(x, err)
	return x.info, err
}

// Submit sends AT and cmd, awaits the prompt, and sends data and Ctrl-Z
// (3GPP TS 27.005, 3.5.1). When ctx ends before the command is sent nothing
// is; a hand-over that has begun is not cut short by it. A modem that does not
// prompt in time gets an escape.
func (d *Dialogue) Submit(ctx context.Context, cmd, data string, t Timeouts) Result {
	x := newHandOver(cmd, data, t)
	if err := d.begin(ctx, x); err != nil {
		return Result{Err: err}
	}
	defer d.release()
	_, err := d.modem.SMSCommand(cmd, data)
	err = d.finish(x, err)
	return Result{Info: x.info, Written: x.written, Err: err}
}

// begin waits for the turn of an exchange and makes it the current one.
func (d *Dialogue) begin(ctx context.Context, x *exchange) error {
	if err := x.check(); err != nil {
		return err
	}
	if err := d.inStep(); err != nil {
		return err
	}
	if err := d.await(ctx); err != nil {
		return err
	}
	if err := d.inStep(); err != nil { // the exchange before may have been given up
		d.release()
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	x.phase = begun
	d.current = x
	return nil
}

func (d *Dialogue) inStep() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.ended:
		return ErrGone
	case d.outOfStep:
		return ErrOutOfStep
	}
	return nil
}

// await takes the turn. Receivers of a channel are served in order.
func (d *Dialogue) await(ctx context.Context) error {
	select {
	case <-d.turn:
	case <-d.gone:
		return ErrGone
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		d.release()
		return err
	}
	return nil
}

func (d *Dialogue) release() { d.turn <- struct{}{} }

// finish says what came of an exchange that the library has returned from.
func (d *Dialogue) finish(x *exchange, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if x.timer != nil {
		x.timer.Stop()
	}
	switch {
	case x.given != nil:
		return x.given
	case errors.Is(err, wat.ErrClosed):
		return ErrGone
	}
	return Final(x.final)
}
