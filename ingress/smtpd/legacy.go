package smtpd

import (
	"bytes"
	"io"
	"strings"
)

// What a listener for old devices puts right: commands that end in LF or CR alone,
// HELO and EHLO without a name, NUL in a command, and in the mail line ends that
// are LF or CR alone. What ends a mail is the same as everywhere.

// commands takes the commands of an old device one by one, so that what follows
// DATA is never taken for a command.
type commands struct {
	pending []byte // read, not yet looked at
	ready   []byte // put right, not yet handed on
	skipLF  bool   // the LF of a CR LF is still to come
	chunked bool   // the peer uses BDAT: it is none of the old ones
}

// read hands on at most one command.
func (c *commands) read(b []byte, receive func([]byte) (int, error), tolerated func(string)) (int, error) {
	for len(c.ready) == 0 {
		if c.chunked {
			return c.rest(b, receive)
		}
		i := bytes.IndexAny(c.pending, "\r\n")
		if i < 0 {
			if err := c.more(receive); err != nil {
				return 0, err
			}
			continue
		}
		line, end := string(c.pending[:i]), c.pending[i]
		switch whole := c.pending[i:]; {
		case end == '\n':
			tolerated("command with bare LF")
		case len(whole) > 1 && whole[1] != '\n':
			tolerated("command with bare CR")
		}
		// A device that sends CR alone waits for its answer: nothing may be waited for.
		c.skipLF = end == '\r'
		c.pending = c.pending[i+1:]
		c.dropLF()
		c.chunked = len(line) >= 4 && strings.EqualFold(line[:4], "BDAT")
		c.ready = []byte(tidy(line, tolerated) + "\r\n")
	}
	n := copy(b, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

// rest hands on what it has as it came, then what comes.
func (c *commands) rest(b []byte, receive func([]byte) (int, error)) (int, error) {
	if len(c.pending) == 0 {
		if err := c.more(receive); err != nil {
			return 0, err
		}
	}
	n := copy(b, c.pending)
	c.pending = c.pending[n:]
	return n, nil
}

func (c *commands) more(receive func([]byte) (int, error)) error {
	b := make([]byte, 4096)
	n, err := receive(b)
	if err != nil {
		return err
	}
	c.pending = append(c.pending, b[:n]...)
	c.dropLF()
	return nil
}

func (c *commands) dropLF() {
	if c.skipLF && len(c.pending) > 0 {
		c.skipLF = false
		c.pending = bytes.TrimPrefix(c.pending, []byte("\n"))
	}
}

// tidy puts a command right.
func tidy(line string, tolerated func(string)) string {
	if clean := strings.ReplaceAll(line, "\x00", ""); clean != line {
		tolerated("NUL in a command")
		line = clean
	}
	if s := strings.TrimSpace(line); strings.EqualFold(s, "HELO") || strings.EqualFold(s, "EHLO") {
		tolerated(strings.ToUpper(s) + " without a name")
		return s + " unknown"
	}
	return line
}

// lineEnds makes every line end of a mail CR LF.
type lineEnds struct {
	cr    bool   // the last octet was CR
	ready []byte // put right, not yet handed on
	err   error  // comes after it
}

func (e *lineEnds) read(b []byte, r io.Reader) (int, error) {
	for len(e.ready) == 0 && e.err == nil {
		in := make([]byte, 4096)
		n, err := r.Read(in)
		e.err = err
		for _, c := range in[:n] {
			switch {
			case c == '\r', c == '\n' && !e.cr:
				e.ready = append(e.ready, '\r', '\n')
			case c != '\n':
				e.ready = append(e.ready, c)
			}
			e.cr = c == '\r'
		}
	}
	n := copy(b, e.ready)
	if e.ready = e.ready[n:]; len(e.ready) > 0 {
		return n, nil
	}
	return n, e.err
}
