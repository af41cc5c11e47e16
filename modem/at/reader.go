package at

import (
	"fmt"
	"iter"
	"strings"
	"time"
)

const (
	maxLine   = 4 << 10         // octets; a longer line is noise
	lineApart = 1 * time.Second // within which the lines of one unsolicited code come
)

// read takes what the port brings until it fails. Serial ports have no end
// that a dialogue could outlive: every error means that the port is gone.
func (d *Dialogue) read() error {
	var b [4096]byte
	for {
		n, err := d.port.Read(b[:])
		if n > 0 {
			d.receive(b[:n])
		}
		if err != nil {
			return fmt.Errorf("read from the port: %w", err)
		}
	}
}

func (d *Dialogue) receive(b []byte) {
	d.mu.Lock()
	d.unanswered = 0
	d.mu.Unlock()
	for line := range d.in.push(b) {
		if line = d.tidy(line); line != "" {
			d.trace('<', line)
			d.take(line)
		}
	}
	// The prompt has no line end (27.005, 3.5.1).
	if rest, ok := d.prompt(plain(d.in.rest())); ok {
		d.trace('<', "> ")
		d.in.reset(rest)
	}
	d.passPrompt()
}

// passPrompt lets the library have the prompt that has come, unless what came with it
// refuses the command: then the modem is past waiting for data, and would take them
// for commands.
func (d *Dialogue) passPrompt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if x := d.current; x != nil && x.phase == prompted && !x.passed {
		x.passed = true
		d.feed.add(">")
	}
}

// splitter cuts a stream into lines. CR and LF both end one: some modems send
// only one of them. Control octets are no part of any line, but those after a
// quote may be characters.
type splitter struct {
	line   []byte
	long   bool // the line is over maxLine: skip to its end
	cr     bool // the last octet was CR
	quoted bool // a quote has come, or text
	text   bool // set by the reader: the next line goes on with a quoted text
}

// push yields the lines that b ends, without those that are empty.
func (s *splitter) push(b []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, c := range b {
			pair := s.cr && c == '\n'
			s.cr = c == '\r'
			switch {
			case pair:
			case s.cr || c == '\n':
				if !s.end(yield) {
					return
				}
			case control(c) && !s.quoted || s.long:
			case len(s.line) == maxLine:
				s.line, s.long = s.line[:0], true
			default:
				s.quoted = s.quoted || c == '"'
				s.line = append(s.line, c)
			}
		}
	}
}

// end ends a line. An empty one of a text stands as LF before the next.
func (s *splitter) end(yield func(string) bool) bool {
	if s.text && strings.Trim(string(s.line), "\n") == "" && len(s.line) < maxLine {
		s.line = append(s.line, '\n')
		return true
	}
	line := string(s.line)
	s.line, s.long = s.line[:0], false
	goesOn := line == "" || yield(line)
	s.quoted = s.text
	return goesOn
}

// rest is what has come of a line that has not ended.
func (s *splitter) rest() string { return string(s.line) }

func (s *splitter) reset(rest string) { s.line = append(s.line[:0], rest...) }

func control(c byte) bool { return c < ' ' || c == 0x7f }

// plain is a line without control octets, and blanks around it.
func plain(line string) string {
	b := make([]byte, 0, len(line))
	for i := range len(line) {
		if c := line[i]; !control(c) {
			b = append(b, c)
		}
	}
	return strings.TrimSpace(string(b))
}

// tidy takes off a line what is no part of it. In the quotes of a code with Until
// all stays: in the GSM alphabet @ is 0x00, _ is 0x11 and à is 0x7F.
func (d *Dialogue) tidy(line string) string {
	short := plain(line)
	if d.in.text = d.inText(short); !d.in.text {
		d.text = unsolicited{}
		return short
	}
	if d.text.lines == nil {
		line = strings.TrimLeft(line, " ")
	}
	quote := strings.LastIndexByte(line, '"')
	closed := line[:quote+1] + plain(line[quote+1:])
	d.text.lines = append(d.text.lines, closed)
	if d.text.whole() {
		d.in.text, d.text = false, unsolicited{}
		return closed
	}
	d.text.lines[len(d.text.lines)-1] = line
	return line
}

// inText tells whether a line begins a code with Until, or goes on with it. One
// whose closing quote is lost does so for a moment, and to the next line that is
// not its own.
func (d *Dialogue) inText(line string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	code, found := d.code(line, nil)
	if found && code.Until != nil {
		d.text = unsolicited{code: code, since: time.Now()}
		return true
	}
	return !found && d.text.lines != nil && time.Since(d.text.since) <= lineApart && !d.answers(line, d.current)
}

// prompt takes the prompt that an exchange waits for off the start of a line.
// An echo of the command may stand before it.
func (d *Dialogue) prompt(line string) (rest string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.current
	if x == nil || x.phase != waitPrompt {
		return line, false
	}
	rest = strings.TrimLeft(line, " ")
	rest = strings.TrimLeft(strings.TrimPrefix(rest, "AT"+x.cmd), " ")
	if rest, ok = strings.CutPrefix(rest, ">"); !ok {
		return line, false
	}
	x.phase = prompted
	return strings.TrimLeft(rest, " "), true
}

// take decides what a line is, and whose.
func (d *Dialogue) take(line string) {
	line, _ = d.prompt(line)
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.current
	if x != nil && x.phase == begun {
		x = nil // not sent yet: nothing that comes can answer it
	}
	line = strip(line, x, d.outOfStep)
	switch {
	case line == "" || d.unsolicited(line, x):
	case x != nil:
		d.answered(x, line)
	case d.outOfStep:
		d.late(line)
	}
}

// strip takes echoes off a line, and prompts that nobody waits for.
func strip(line string, x *exchange, outOfStep bool) string {
	switch {
	case x != nil && line == "AT"+x.cmd:
		return ""
	case x != nil && x.written:
		line = strings.TrimPrefix(strings.TrimLeft(line, "> "), x.data)
		return strings.TrimLeft(line, "> ")
	case outOfStep:
		return strings.TrimLeft(line, "> ")
	}
	return line
}

// answered takes a line of the answer to the current command.
func (d *Dialogue) answered(x *exchange, line string) {
	info, final := d.parse(line, x)
	if info != "" {
		x.info = append(x.info, info)
	}
	if final == "" || final == "OK" && x.handOver && !x.written {
		return // an OK that comes before the data is of no use, and not for this command
	}
	x.final = final
	d.current = nil
	d.feed.add(final + "\r\n")
}

// parse tells information from a final result, and gives that its normal form.
// Numbers count as results until the modem has used words.
func (d *Dialogue) parse(line string, x *exchange) (info, final string) {
	if final = normal(line); final != "" {
		d.verbose = true
		return "", final
	}
	if final = numeric(line); final != "" && !d.verbose {
		return "", final
	}
	if head, ok := glued(line, x); ok {
		return head, "OK"
	}
	return line, ""
}

// unsolicited is a code that has begun.
type unsolicited struct {
	lines []string // nil when none has
	code  Code
	since time.Time
	late  *time.Timer // of a code with Until
}

// whole tells whether all lines of the code have come.
func (u *unsolicited) whole() bool {
	if u.code.Until != nil {
		return u.code.Until(u.lines)
	}
	return len(u.lines) > u.code.Lines
}

// unsolicited takes a line that is, or belongs to, an unsolicited code.
func (d *Dialogue) unsolicited(line string, x *exchange) bool {
	if x == nil {
		x = d.owed
	}
	code, found := d.code(line, x)
	if d.partial.lines != nil {
		if !found && d.follows(line, x) {
			d.partial.lines = append(d.partial.lines, line)
			if d.partial.whole() {
				d.endPartial()
			}
			return true
		}
		d.endPartial()
	}
	if !found {
		return false
	}
	d.partial = unsolicited{lines: []string{line}, code: code, since: time.Now()}
	if d.partial.whole() {
		d.endPartial()
	} else if code.Until != nil {
		d.partial.late = time.AfterFunc(lineApart, d.expirePartial)
	}
	return true
}

// endPartial gives the code that has begun to the handler, even if lines are
// missing: a module that waits for an acknowledgement of it is not to be left so.
func (d *Dialogue) endPartial() {
	p := d.partial
	d.partial = unsolicited{}
	if p.late != nil {
		p.late.Stop()
	}
	d.post(d.config.Handler, p.lines)
}

// expirePartial ends a code whose last lines do not come.
func (d *Dialogue) expirePartial() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ended && d.partial.late != nil && time.Since(d.partial.since) >= lineApart {
		d.endPartial()
	}
}

// follows tells whether a line can be one of those after the first of a code.
// A code that lost them must not swallow the answer to a command.
func (d *Dialogue) follows(line string, x *exchange) bool {
	return time.Since(d.partial.since) <= lineApart && !d.answers(line, x)
}

// answers tells whether a line is of the answer to a command, and nothing else.
func (d *Dialogue) answers(line string, x *exchange) bool {
	return (x != nil || d.outOfStep) && normal(line) != "" || x != nil && x.names(line)
}

// code finds the unsolicited code that a line begins, the most particular one.
func (d *Dialogue) code(line string, x *exchange) (found Code, ok bool) {
	for _, c := range d.config.Unsolicited {
		rest, has := strings.CutPrefix(line, c.Prefix)
		switch {
		case !has || c.Prefix == "" || inWord(c.Prefix, rest):
		case (c.Lines == 0 || c.Until != nil) && x != nil && x.names(line):
		case !ok || len(c.Prefix) > len(found.Prefix):
			found, ok = c, true
		}
	}
	return found, ok
}

// inWord tells whether the cut between a prefix and the rest is inside a word,
// as that of "+CMT" in "+CMTI: 1" is.
func inWord(prefix, rest string) bool {
	return rest != "" && alphanumeric(prefix[len(prefix)-1]) && alphanumeric(rest[0])
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// post queues a call of a handler. The reader never waits for one, because the
// handler may wait for an answer that the reader must bring.
func (d *Dialogue) post(call func([]string), lines []string) {
	if call == nil {
		return
	}
	select {
	case d.events <- event{call, lines}:
	default:
		d.fail(ErrStuck)
	}
}
