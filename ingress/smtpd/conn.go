package smtpd

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

// listener hands connections to go-smtp and keeps hold of them, since go-smtp
// can neither limit them nor end those that are idle.
type listener struct {
	net.Listener
	networks []netip.Prefix
	max      int           // connections at a time
	perPeer  int           // of them from one address; 0: no such limit
	idle     time.Duration // a peer may be silent for
	mail     time.Duration // one mail may take
	plain    bool          // a stranger may be told why he is sent away
	legacy   bool          // commands of old devices are put right
	alarm    *alarm

	mu      sync.Mutex
	conns   map[*conn]struct{}
	closing bool
}

// Accept returns the next connection of a peer that may submit here. Strangers
// are sent away before they cost anything.
func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: nc, listener: l, peer: address(nc), answered: time.Now()}
		switch refusal := l.admit(c); {
		case refusal == "":
			return c, nil
		case l.plain:
			nc.SetWriteDeadline(time.Now().Add(time.Second))
			io.WriteString(nc, refusal+"\r\n")
		}
		nc.Close()
	}
}

// admit takes hold of a connection, or returns the greeting that turns it away.
// RFC 5321, 3.1 and 4.2.
func (l *listener) admit(c *conn) (refusal string) {
	peer := c.peer
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.ContainsFunc(l.networks, func(n netip.Prefix) bool { return n.Contains(peer) }) {
		l.alarm.raise(slog.LevelWarn, "connection from outside the networks of the listener", peer)
		return "554 5.7.1 your address may not send here; the operator can add it to networks"
	}
	if l.perPeer > 0 && l.count(peer) >= l.perPeer {
		l.alarm.raise(slog.LevelWarn, "too many connections from one address", peer, "max", l.perPeer)
		return "421 4.7.0 too many connections from your address; try again later"
	}
	if len(l.conns) >= l.max && !l.makeRoom(peer, time.Now()) {
		l.alarm.raise(slog.LevelWarn, "too many connections", peer, "max", l.max)
		return "421 4.7.0 too many connections; try again later"
	}
	l.conns[c] = struct{}{}
	return ""
}

// drain ends connections that are between mails, now; the others when their
// mail is done.
func (l *listener) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	for c := range l.conns {
		if c.mailEnd.IsZero() {
			c.SetReadDeadline(time.Unix(1, 0)) // the Read under way returns
		}
	}
}

// cut ends all connections.
func (l *listener) cut() {
	l.mu.Lock()
	conns := l.conns
	l.conns = make(map[*conn]struct{})
	l.mu.Unlock()
	for c := range conns {
		c.Conn.Close()
	}
}

// conn is a connection that keeps its own time. Once it has timed out it reads
// nothing more: go-smtp would take the rest of a mail for commands, and a mail
// can hold any.
type conn struct {
	net.Conn
	listener *listener
	peer     netip.Addr

	// Of the goroutine that reads.
	sealed   bool     // what is read is TLS
	endings  endings  // of the lines read
	commands commands // of an old device
	dotted   bool     // a mail is being read that ends with a dot
	chunked  bool     // the peer uses BDAT: what is read may be a mail at any time
	returns  returns  // in it

	// Guarded by the lock of the listener.
	mailEnd    time.Time // when the mail under way must be done; zero: none is
	mailBegin  time.Time // when it began
	answered   time.Time // when the peer last heard of us; its next command is counted from here
	unanswered int       // octets read since then, or since the mail began
	reading    bool      // nothing is being done but waiting for the peer
	dead       bool      // timed out, or made room for another
}

// commandMax bounds what a peer may send without waiting for an answer, in octets:
// a window of pipelined commands, of which go-smtp takes lines as long as those of
// a mail.
const commandMax = 64 << 10

// Read fails for good after a timeout. When the listener is closing it times out
// at once between mails; go-smtp then says 421 and hangs up. Within a mail every
// end is an error of its own, for BDAT: there go-smtp would take the end of the
// connection for the end of the mail, and answer a timeout with 554.
func (c *conn) Read(b []byte) (int, error) {
	source := c.receive
	switch {
	case !c.listener.legacy:
	case c.inMail():
		source = func(b []byte) (int, error) { return c.commands.rest(b, c.receive) }
	default:
		source = func(b []byte) (int, error) { return c.commands.read(b, c.receive, c.tolerated) }
	}
	n, err := 0, error(nil)
	if !c.sealed && (c.dotted || len(c.returns.ready) > 0) {
		n, err = c.returns.read(b, source)
	} else {
		n, err = source(b)
	}
	if err == nil {
		if !c.sealed && !c.chunked && !c.inMail() {
			c.chunked = bareMaster(b[:n])
		}
		return n, nil
	}
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	if !c.mailEnd.IsZero() {
		c.dead = true
		return n, errBrokenOff
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.dead = true
	}
	return n, err
}

func (c *conn) tolerated(what string) { c.listener.alarm.tolerated(what, c.peer) }

// receive reads from the socket, and looks at the lines.
func (c *conn) receive(b []byte) (int, error) {
	if err := c.beginRead(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	if !c.sealed {
		if !c.dotted {
			c.endings.clear() // what came before were commands, or chunks
		}
		c.endings.scan(b[:n])
	}
	if end := c.endRead(n); err == nil {
		err = end
	}
	return n, err
}

// beginRead sets the deadline. A command has to be whole in the time that a peer
// may be silent: one that sends an octet now and then is silent, too.
func (c *conn) beginRead() error {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	if c.dead || c.listener.closing && c.mailEnd.IsZero() {
		return os.ErrDeadlineExceeded
	}
	deadline := c.answered.Add(c.listener.idle)
	if !c.mailEnd.IsZero() {
		deadline = time.Now().Add(c.listener.idle)
		if c.mailEnd.Before(deadline) {
			deadline = c.mailEnd
		}
	}
	c.reading = true
	return c.Conn.SetReadDeadline(deadline)
}

func (c *conn) endRead(n int) error {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.reading = false
	c.unanswered += n
	if c.mailEnd.IsZero() && c.unanswered > commandMax {
		c.dead = true
		return errors.New("commands without end")
	}
	return nil
}

func (c *conn) inMail() bool {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	return !c.mailEnd.IsZero()
}

// Write gives a peer that does not read as long as one that does not write.
func (c *conn) Write(b []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.listener.idle)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.answered = time.Now()
	if c.mailEnd.IsZero() {
		c.unanswered = 0
	}
	return n, err
}

func (c *conn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// beginMail and endMail bracket the transfer of a mail, which shutdown leaves
// time for, and which may not go on for ever.
func (c *conn) beginMail() {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	if c.mailEnd.IsZero() {
		c.mailBegin, c.unanswered = time.Now(), 0
		c.mailEnd = c.mailBegin.Add(c.listener.mail)
	}
}

func (c *conn) endMail() {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.mailEnd, c.unanswered = time.Time{}, 0
	c.dotted = false
}

// address is the peer's; the zero Addr for a socket that has none.
func address(c net.Conn) netip.Addr {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// trackedConn finds the conn below what go-smtp has made of it.
func trackedConn(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return c.(*conn)
}
