package smtpd

import (
	"bytes"
	"io"
	"strings"

	"github.com/emersion/go-smtp"
)

// Only <CRLF>.<CRLF> ends a mail, on every listener: RFC 5321, 4.1.1.4. go-smtp
// keeps to that. A mail with a line "." between other line ends is refused, too: it
// was written for two servers that do not agree where a mail ends, and what comes
// after the line is commands, not text. Other lines with a bare LF or CR are kept
// as they are, since programs send them that mean no harm.

// errLineEnds is the reply to a mail with something like its end in the middle.
var errLineEnds = &smtp.SMTPError{
	Code: 550, EnhancedCode: smtp.EnhancedCode{5, 5, 2},
	Message: `A line "." without CR LF before and after it is no end of a mail; end all lines with CR LF`,
}

// lineRFC is how long a line may be, CR LF left out. RFC 5321, 4.5.3.1.6.
const lineRFC = 998

// endings looks at how lines end. The zero value is at the beginning of a line.
type endings struct {
	bareLF, bareCR bool // were seen
	fakeEnd        bool // a line "." was seen with NUL in it, or with another end than CR LF on either side
	long           bool // a line over lineRFC was seen

	cr      bool // the last octet was CR
	odd     bool // the line before ended otherwise than with CR LF
	nul     bool // NUL was in the line
	length  int
	content lineContent
}

type lineContent int

const (
	lineEmpty lineContent = iota
	lineDot
	lineOther
)

func (e *endings) scan(b []byte) {
	for len(b) > 0 {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		for {
			text, more, cr := bytes.Cut(line, []byte("\r"))
			e.text(text)
			if !cr {
				break
			}
			e.bare()
			e.cr, line = true, more
		}
		if ended {
			e.bareLF = e.bareLF || !e.cr
			e.end(!e.cr)
			e.cr = false
		}
		b = rest
	}
}

// bare is where the CR before, if there was one, turns out to be alone.
func (e *endings) bare() {
	if e.cr {
		e.bareCR = true
		e.end(true)
		e.cr = false
	}
}

// text is what stands in a line, or a piece of it.
func (e *endings) text(b []byte) {
	if len(b) == 0 {
		return
	}
	e.bare()
	nul := bytes.Count(b, []byte{0})
	e.nul = e.nul || nul > 0
	e.length += len(b) - nul
	switch {
	case len(b) == nul:
	case e.content == lineEmpty && len(b) == nul+1 && bytes.IndexByte(b, '.') >= 0:
		e.content = lineDot
	default:
		e.content = lineOther
	}
}

// end is at the end of a line.
func (e *endings) end(odd bool) {
	e.fakeEnd = e.fakeEnd || e.content == lineDot && (odd || e.odd || e.nul)
	e.long = e.long || e.length > lineRFC
	e.odd, e.nul, e.length, e.content = odd, false, 0, lineEmpty
}

// clear forgets what was seen, not where in a line it is.
func (e *endings) clear() { e.bareLF, e.bareCR, e.fakeEnd, e.long = false, false, false, false }

// transfer is what go-smtp makes of a mail on its way. On a connection with TLS
// only that can be looked at, in which it has taken a dot from the beginning of a
// line: there "." after CR LF is kept as text.
type transfer struct {
	io.Reader
	session *session
	seen    *endings
	own     bool // seen is only of this mail
	ends    lineEnds
}

// transfer looks at a mail while it is read. The chunks of BDAT have no such end.
func (s *session) transfer(r io.Reader) io.Reader {
	if _, chunks := r.(*io.PipeReader); chunks {
		return r
	}
	s.conn.dotted = true
	// What came with the command DATA has been read already.
	s.conn.returns = returns{line: s.conn.endings.content, ready: s.conn.returns.ready}
	t := &transfer{Reader: r, session: s, seen: &s.conn.endings, own: s.conn.sealed}
	if t.own {
		t.seen = new(endings)
	}
	return t
}

func (t *transfer) Read(b []byte) (n int, err error) {
	if t.session.conn.listener.legacy {
		n, err = t.ends.read(b, t.Reader)
	} else {
		n, err = t.Reader.Read(b)
	}
	if t.own {
		t.seen.scan(b[:n])
	}
	if err != io.EOF {
		return n, err
	}
	seen := *t.seen
	t.seen.clear()
	alarm, peer := t.session.door.alarm, t.session.peer
	if seen.fakeEnd {
		alarm.tolerated("a line \".\" that is no end of a mail; the mail was refused", peer)
		return n, errLineEnds
	}
	if t.session.conn.listener.legacy {
		for what, was := range map[string]bool{
			"mail with bare LF": seen.bareLF, "mail with bare CR": seen.bareCR, "mail with a line over 998 octets": seen.long,
		} {
			if was {
				alarm.tolerated(what, peer)
			}
		}
	}
	return n, err
}

// returns makes CR CR LF one CR LF. The CR before it is too much, yet CR LF it is,
// and go-smtp would wait for the end of a mail that has come. Behind a line "." it is
// left alone: that would become an end.
type returns struct {
	line  lineContent // so far
	held  int         // CRs that may be followed by an LF
	ready []byte      // not yet handed on
}

// returnsMax bounds the CRs that are held.
const returnsMax = 64

func (r *returns) read(b []byte, receive func([]byte) (int, error)) (int, error) {
	for len(r.ready) == 0 {
		n, err := receive(b)
		if err != nil {
			return 0, err
		}
		if in := b[:n]; r.held == 0 && !bytes.HasSuffix(in, []byte("\r")) && !bytes.Contains(in, []byte("\r\r")) {
			r.pass(in)
			return n, nil
		}
		for _, c := range bytes.Clone(b[:n]) {
			r.octet(c)
		}
	}
	n := copy(b, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// pass is for octets that are handed on as they are.
func (r *returns) pass(b []byte) {
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
		r.line, b = lineEmpty, b[i+1:]
	}
	switch {
	case len(b) == 0:
	case r.line == lineEmpty && len(b) == 1 && b[0] == '.':
		r.line = lineDot
	default:
		r.line = lineOther
	}
}

func (r *returns) octet(c byte) {
	if c == '\r' && r.held < returnsMax {
		r.held++
		return
	}
	if c == '\n' && r.held > 0 && r.line != lineDot {
		r.held = 1
	}
	for ; r.held > 0; r.held-- {
		r.ready = append(r.ready, '\r')
		r.line = lineOther
	}
	r.ready = append(r.ready, c)
	r.pass([]byte{c})
}

// bareDomain is what bareMaster puts behind a mailbox that has no domain.
const bareDomain = "@."

// bareMaster rewrites RCPT TO:<postmaster> in its place: go-smtp does not take an
// address without a domain, and this one it has to. RFC 5321, 4.5.1. What comes
// after DATA or BDAT is left alone, and chunked says that it was BDAT.
func bareMaster(commands []byte) (chunked bool) {
	const verb, path = "RCPT TO:", "<postmaster>"
	for line := range bytes.Lines(commands) {
		switch {
		case begins(line, "DATA"):
			return false
		case begins(line, "BDAT"):
			return true
		case !begins(line, verb):
			continue
		}
		if argument := bytes.TrimLeft(line[len(verb):], " "); begins(argument, path) {
			copy(argument, argument[1:len(path)-1])
			copy(argument[len(path)-len(bareDomain):], bareDomain)
		}
	}
	return false
}

// begins reports whether a line begins with something, in letters of any size.
func begins(line []byte, with string) bool {
	return len(line) >= len(with) && strings.EqualFold(string(line[:len(with)]), with)
}

// receivedMax is how many servers a mail may have passed. RFC 5321, 6.3 asks for at
// least 100, for mail between strangers; behind a gateway there are few, and each
// turn of a loop is a message that costs.
const receivedMax = 25

// errLoop is the reply to a mail that goes round.
var errLoop = &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 4, 6}, Message: "Too many hops: this mail goes round in circles"}

// headMax bounds the header of a mail, in octets: nobody needs more, and a parser
// has all of it in pieces in memory.
const headMax = 2 << 20

// checkHead returns the refusal of a mail whose header tells of a loop, or is out of
// all bounds.
func checkHead(raw []byte) error {
	received := []byte("received:")
	hops, size := 0, 0
	for line := range bytes.Lines(raw) {
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		if size += len(line); size > headMax {
			return tooLarge("the header of a mail has 2 MiB at most")
		}
		if len(line) >= len(received) && bytes.EqualFold(line[:len(received)], received) {
			hops++
		}
	}
	if hops > receivedMax {
		return errLoop
	}
	return nil
}
