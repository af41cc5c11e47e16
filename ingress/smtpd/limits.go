package smtpd

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/emersion/go-smtp"

	"cellpost/ingress"
)

// When a listener is full, a connection that does nothing gives its place to one
// that comes.
const (
	pressedIdle = 10 * time.Second // silence that is too long while others wait
	pressedRate = 128              // octets a second of a mail that is too slow then
)

// count is how many connections a peer has. The lock is held.
func (l *listener) count(peer netip.Addr) int {
	n := 0
	for c := range l.conns {
		if c.peer == peer {
			n++
		}
	}
	return n
}

// makeRoom ends a connection for one of a peer that comes, and reports whether it
// could. There is no limit for an address by itself, since behind one there may be
// a whole site: it may have all places, and loses one when another address has
// fewer, or when a connection of its own has long been silent. What is being
// stored or answered is not touched. The lock is held.
func (l *listener) makeRoom(peer netip.Addr, now time.Time) bool {
	held := make(map[netip.Addr]int)
	for c := range l.conns {
		held[c.peer]++
	}
	var victim *conn
	for c := range l.conns {
		gives := c.slow(now) || c.mailEnd.IsZero() && held[c.peer] > held[peer]+1
		if !c.reading || !gives {
			continue
		}
		if victim == nil || held[c.peer] > held[victim.peer] ||
			held[c.peer] == held[victim.peer] && c.answered.Before(victim.answered) {
			victim = c
		}
	}
	if victim == nil {
		return false
	}
	l.alarm.raise(slog.LevelWarn, "all connections are taken; one that does nothing makes room", victim.peer, "max", l.max)
	victim.dead = true
	victim.Conn.SetReadDeadline(time.Unix(1, 0)) // the Read under way returns, and go-smtp says 421
	delete(l.conns, victim)
	return true
}

// slow reports whether others are kept waiting for nothing. The lock of the
// listener is held.
func (c *conn) slow(now time.Time) bool {
	if c.mailEnd.IsZero() {
		return now.Sub(c.answered) > pressedIdle
	}
	d := now.Sub(c.mailBegin)
	return d > pressedIdle && float64(c.unanswered) < pressedRate*d.Seconds()
}

// rates limit mails by peer and by account; nil: no limit.
type rates struct{ peers, accounts *ingress.Throttle }

func newRates(peer, account int) rates {
	return rates{perMinute(peer), perMinute(account)}
}

func perMinute(n int) *ingress.Throttle {
	if n == 0 {
		return nil
	}
	return &ingress.Throttle{Burst: n, Every: time.Minute / time.Duration(n)}
}

// peerRate is the refusal of a mail that comes too soon after others of its peer.
func (d *door) peerRate(peer netip.Addr) error {
	if d.rates.peers == nil || d.rates.peers.Spend(peer.String(), time.Now()) {
		return nil
	}
	d.alarm.raise(slog.LevelWarn, "too many mails from one address", peer, "per_minute", d.PeerMails)
	return tooFast("your address")
}

// accountRate is the refusal of a mail that comes too soon after others of its
// account, wherever they came from.
func (d *door) accountRate(account string, peer netip.Addr) error {
	if d.rates.accounts == nil || d.rates.accounts.Spend(account, time.Now()) {
		return nil
	}
	d.alarm.raise(slog.LevelWarn, "too many mails for one account", peer, "account", account, "per_minute", d.AccountMails)
	return tooFast("this account")
}

func tooFast(what string) error {
	return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "Too many mails for " + what + "; try again later"}
}
