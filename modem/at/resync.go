package at

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	quietFor  = 300 * time.Millisecond // without a line: nothing more is coming
	quietMost = 3 * time.Second        // to wait for that: some modems are never quiet
	probeIn   = 2 * time.Second        // for an answer to a probe
	maxAnswer = 256                    // lines that are kept of an answer while out of step

	// query is known to every modem, needs no SIM, and its answer never comes
	// unasked (27.007, 9.1).
	query       = "+CMEE?"
	queryAnswer = "+CMEE:"
)

// late takes a line that comes while the dialogue is out of step. The caller
// holds the mutex.
func (d *Dialogue) late(line string) {
	info, final := d.parse(line, d.owed)
	d.keep(info)
	d.keep(final)
	if final == "" {
		return
	}
	answer := d.answer
	d.answer = nil
	if d.owed != nil && (d.probe == nil || d.owed.settledBy(answer)) {
		if d.owed.written {
			d.post(d.owed.late, answer)
		}
		d.owed = nil
	}
}

func (d *Dialogue) keep(line string) {
	if line == "" {
		return
	}
	if len(d.answer) == maxAnswer {
		d.answer = d.answer[1:]
	}
	d.answer = append(d.answer, line)
	select {
	case d.probe <- line: // never, while it is nil
	default: // Resync has more than it can use
	}
}

// settledBy tells whether an answer is certainly that to the command, though
// others were sent after it: neither AT nor the query gets a +CMS ERROR.
func (x *exchange) settledBy(answer []string) bool {
	final := answer[len(answer)-1]
	return strings.HasPrefix(final, "+CMS ERROR") || slices.ContainsFunc(answer, x.names)
}

// Resync finds the step again: it escapes from a prompt, waits until the line
// is quiet, and sends AT and a query until each has had its own answer, in two
// rounds running. Modems answer in order, so that nothing else is owed then.
// A modem that does not know the query is in step when both rounds end alike.
//
// It tries until ctx ends, and returns [ErrHung] when the modem takes no more.
// A modem in good step may be resynced too, to see that it is alive.
func (d *Dialogue) Resync(ctx context.Context) error {
	if err := d.await(ctx); err != nil {
		return err
	}
	defer d.release()
	p := &prober{d: d, lines: make(chan string, maxAnswer)}
	d.setProbe(p.lines)
	defer d.setProbe(nil)
	var last verdict
	for {
		v, err := p.round(ctx)
		if err != nil {
			return err
		}
		if v != failed && v == last {
			break
		}
		last = v
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outOfStep, d.owed, d.answer = false, nil, nil
	return nil
}

func (d *Dialogue) setProbe(lines chan string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.probe = lines
	if lines != nil {
		d.outOfStep = true
		d.verbose = false // a modem that restarted may have forgotten V1
	}
}

// verdict on a round.
type verdict int

const (
	failed  verdict = iota
	named           // the answer to the query began as it must
	refused         // the modem does not know the query
	bare            // it says OK to anything
)

// prober is a Resync at work.
type prober struct {
	d     *Dialogue
	lines chan string
}

// round asks once. AT comes first, because its answer differs from that to the
// query: an answer to the command before shows.
func (p *prober) round(ctx context.Context) (verdict, error) {
	if err := p.send(escape); err != nil {
		return failed, err
	}
	if err := p.quiet(ctx); err != nil {
		return failed, err
	}
	first, err := p.ask(ctx, "")
	if err != nil || !slices.Contains(first, "OK") || slices.ContainsFunc(first, isQueryAnswer) {
		return failed, err
	}
	second, err := p.ask(ctx, query)
	switch {
	case err != nil || len(second) == 0:
		return failed, err
	case slices.ContainsFunc(second, isQueryAnswer) && slices.Contains(second, "OK"):
		return named, nil
	case !slices.Contains(second, "OK"):
		return refused, nil
	}
	return bare, nil
}

func isQueryAnswer(line string) bool { return strings.HasPrefix(line, queryAnswer) }

func (p *prober) send(s string) error {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	return p.d.queue([]byte(s))
}

// quiet waits until no line has come for a while.
func (p *prober) quiet(ctx context.Context) error {
	most := time.NewTimer(quietMost)
	defer most.Stop()
	for {
		line, err := p.next(ctx, most.C, quietFor)
		if line == "" || err != nil {
			return err
		}
	}
}

// ask sends a command and returns the lines up to its final result; none when
// that does not come in time.
func (p *prober) ask(ctx context.Context, cmd string) ([]string, error) {
	if err := p.send("AT" + cmd + "\r"); err != nil {
		return nil, err
	}
	most := time.NewTimer(probeIn)
	defer most.Stop()
	var answer []string
	for {
		line, err := p.next(ctx, most.C, probeIn)
		if line == "" || err != nil {
			return nil, err
		}
		answer = append(answer, line)
		if normal(line) != "" {
			return answer, nil
		}
	}
}

// next waits for a line; it is empty when none comes in time.
func (p *prober) next(ctx context.Context, most <-chan time.Time, within time.Duration) (string, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case line := <-p.lines:
		return line, nil
	case <-timer.C:
		return "", nil
	case <-most:
		return "", nil
	case <-p.d.gone:
		return "", ErrGone
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %w", ErrOutOfStep, ctx.Err())
	}
}
