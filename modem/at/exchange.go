package at

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	escape = "\x1b"
	ctrlZ  = "\x1a"
)

// phase of an exchange: whom we wait for.
type phase int

const (
	anyPhase   phase = iota
	begun            // the library, to send the command
	waitPrompt       // the modem, for the prompt
	prompted         // the library, to send the data
	waitResult       // the modem, for the final result
)

// exchange is one command and what came of it. What changes is under the mutex
// of the dialogue until the library has returned.
type exchange struct {
	cmd      string
	handOver bool // it has a prompt, and data
	data     string
	promptIn time.Duration
	resultIn time.Duration
	late     func(lines []string) // of a hand-over; may be nil

	phase   phase
	timer   *time.Timer
	passed  bool // the library has the prompt
	written bool
	info    []string
	final   string // as normalised
	given   error  // why it was given up
}

func newHandOver(cmd, data string, t Timeouts) *exchange {
	return &exchange{
		cmd:      cmd,
		handOver: true,
		data:     data,
		promptIn: cmp.Or(t.Prompt, defaultPrompt),
		resultIn: cmp.Or(t.Result, defaultResult),
		late:     t.Late,
	}
}

// check refuses what would be more than one command, or could not be told from
// a modem that is hung.
func (x *exchange) check() error {
	switch {
	case strings.ContainsAny(x.cmd, "\r\n"+escape+ctrlZ):
		return errors.New("a line end or an escape in a command: send one command at a time")
	case strings.ContainsAny(x.data, escape+ctrlZ):
		return errors.New("an escape or Ctrl-Z in the data: encode it")
	case len("AT\r")+len(x.cmd) > maxUnanswered || len(x.data)+len(ctrlZ) > maxUnanswered:
		return fmt.Errorf("more than %d octets: split them", maxUnanswered)
	}
	return nil
}

// names tells whether a line begins as an answer to the command does: with
// "+CSQ:" for AT+CSQ (V.250, 5.7.1).
func (x *exchange) names(line string) bool {
	for cmd := range strings.SplitSeq(x.cmd, ";") {
		if i := strings.IndexAny(cmd, "=?"); i >= 0 {
			cmd = cmd[:i]
		}
		if rest, ok := strings.CutPrefix(line, cmd); ok && cmd != "" && strings.HasPrefix(rest, ":") {
			return true
		}
	}
	return false
}

// link is the modem as the library sees it. It reads nothing but what it has
// to act upon: one prompt, and exactly one final result for each command.
// Information goes round it, for it drops lines that resemble an echo, and
// takes a > at the start of any line for a prompt.
type link struct{ d *Dialogue }

func (l link) Read(b []byte) (int, error) { return l.d.feed.Read(b) }

// Write queues a command or the data of the current exchange. It never fails:
// the library would return before it has read the final result that it is owed.
func (l link) Write(b []byte) (int, error) {
	d := l.d
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.current
	if x == nil { // given up, or refused together with the prompt: nothing may follow
		return len(b), nil
	}
	if x.given != nil {
		d.giveUp(x, x.given)
		return len(b), nil
	}
	// The LF after a command could abort it (V.250, 5.6.1).
	if err := d.queue(bytes.TrimSuffix(b, []byte("\n"))); err != nil {
		d.giveUp(x, err)
		return len(b), nil
	}
	switch {
	case x.phase == prompted:
		x.written = true
		d.enter(x, waitResult, x.resultIn)
	case x.handOver:
		d.enter(x, waitPrompt, x.promptIn)
	default:
		d.enter(x, waitResult, x.resultIn)
	}
	return len(b), nil
}

// queue hands octets to the writer. The caller holds the mutex.
func (d *Dialogue) queue(b []byte) error {
	if d.ended {
		return ErrGone
	}
	if max(d.unanswered, d.unwritten)+len(b) > maxUnanswered {
		return ErrHung
	}
	d.writes <- bytes.Clone(b) // has room, for each holds an octet at least
	d.unanswered += len(b)
	d.unwritten += len(b)
	return nil
}

// enter begins a phase that must end in time. The caller holds the mutex.
func (d *Dialogue) enter(x *exchange, p phase, within time.Duration) {
	if x.timer != nil {
		x.timer.Stop()
	}
	x.phase = p
	x.timer = time.AfterFunc(within, func() { d.cut(x, p, ErrTimeout) })
}

// cut gives an exchange up if it is still current and in the phase.
func (d *Dialogue) cut(x *exchange, p phase, why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.current != x || p != anyPhase && p != x.phase:
	case x.phase == begun:
		x.given = why // the library does not listen before it has written
	default:
		d.giveUp(x, why)
	}
}

// giveUp lets the library return, and remembers that the modem may answer yet.
// The caller holds the mutex.
func (d *Dialogue) giveUp(x *exchange, why error) {
	x.given = why
	d.current = nil
	d.feed.add("ERROR\r\n")
	if x.phase == begun {
		return // nothing was sent
	}
	if x.handOver && !x.written {
		d.queue([]byte(escape)) // if there is no room for it, Resync sends one
	}
	d.outOfStep = true
	d.owed = x
	d.answer = slices.Clone(x.info)
}

// feed is what the library reads: a pipe whose writer never waits.
type feed struct {
	mu     sync.Mutex
	filled *sync.Cond
	buf    bytes.Buffer
	closed bool
}

func newFeed() *feed {
	f := new(feed)
	f.filled = sync.NewCond(&f.mu)
	return f
}

func (f *feed) add(s string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buf.WriteString(s)
	f.filled.Signal()
}

// close lets the reader have what is left, and then io.EOF.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.filled.Signal()
}

func (f *feed) Read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.buf.Len() == 0 && !f.closed {
		f.filled.Wait()
	}
	return f.buf.Read(b)
}
