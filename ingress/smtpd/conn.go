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
	idle     time.Duration // a peer may be silent for
	mail     time.Duration // one mail may take
	plain    bool          // a stranger may be told why he is sent away
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
		c := &conn{Conn: nc, listener: l}
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
	peer := address(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.ContainsFunc(l.networks, func(n netip.Prefix) bool { return n.Contains(peer) }) {
		l.alarm.raise(slog.LevelWarn, "connection from outside the networks of the listener", peer)
		return "554 5.7.1 your address may not send here; the operator can add it to networks"
	}
	if len(l.conns) >= l.max {
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

	// Guarded by the lock of the listener.
	mailEnd time.Time // when the mail under way must be done; zero: none is
	dead    bool      // timed out
}

// Read fails for good after a timeout. When the listener is closing it times out
// at once between mails; go-smtp then says 421 and hangs up. Within a mail every
// end is an error of its own, for BDAT: there go-smtp would take the end of the
// connection for the end of the mail, and answer a timeout with 554.
func (c *conn) Read(b []byte) (int, error) {
	err := c.setReadDeadline()
	n := 0
	if err == nil {
		n, err = c.Conn.Read(b)
	}
	if err == nil {
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

func (c *conn) setReadDeadline() error {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	if c.dead || c.listener.closing && c.mailEnd.IsZero() {
		return os.ErrDeadlineExceeded
	}
	deadline := time.Now().Add(c.listener.idle)
	if !c.mailEnd.IsZero() && c.mailEnd.Before(deadline) {
		deadline = c.mailEnd
	}
	return c.Conn.SetReadDeadline(deadline)
}

// Write gives a peer that does not read as long as one that does not write.
func (c *conn) Write(b []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.listener.idle)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
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
	c.mailEnd = time.Now().Add(c.listener.mail)
}

func (c *conn) endMail() {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.mailEnd = time.Time{}
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
