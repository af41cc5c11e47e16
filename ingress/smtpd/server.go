// Package smtpd is the mail door: an SMTP server for mails that hold a
// Clickatell script, and the mailer that answers them. It says 250 only when
// what it took is on disk.
package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"cellpost/ingress"
	"cellpost/sms"
)

// Limits of the door.
const (
	lineMax      = 1 << 20 // octets of a line, raw and decoded
	recipientMax = 100     // addresses of a mail, where MaxRecipients says nothing
)

// Server is one listener's door. Its fields are set before Serve and not
// changed after; zero values are the defaults.
type Server struct {
	Gate     *ingress.Gate
	Hostname string // says who it is in the greeting; empty: "cellpost"

	TLS      *tls.Config // nil: no TLS, and AUTH is offered without; else STARTTLS
	Implicit bool        // TLS from the first octet (port 465)

	AuthWithoutTLS *bool // whether AUTH is offered before TLS; nil: only where there is no TLS

	Account     string         // that mail to numbers is booked to, if nobody has logged in; empty: none
	RequireAuth bool           // no mail before AUTH
	Legacy      bool           // dialogues of old devices are put right, see legacy.go; not with TLS
	Networks    []netip.Prefix // that may connect; none: all
	Domains     []string       // of addresses that are taken; none, or "*": all

	MaxConns      int // at a time; 0: 512
	MaxPerPeer    int // of them from one address; 0: as many as there are
	MaxRecipients int // of a mail; 0: 100
	PeerMails     int // a minute from one address; 0: as many as come
	AccountMails  int // a minute for one account; 0: as many as come

	MaxMail     int64         // octets of a mail; 0: 32 MiB
	IdleTimeout time.Duration // 0: 5 minutes, RFC 5321, 4.5.3.2.7
	MailTimeout time.Duration // for the transfer of one mail; 0: 10 minutes
	Grace       time.Duration // for mails under way when Serve is told to end; 0: 10 seconds

	Operator   string        // address that gets the mail to postmaster@ and abuse@; empty: it is kept
	TextEnds   []string      // beginnings of lines at which the text of a mail to a number ends
	DelayAfter time.Duration // when a sender hears that a message has not left; 0: [sms.DelayDefault]

	// Reply finds whom an answer to reply+TOKEN@ is for. [ErrNoReply] for a token that
	// is unknown or too old; nil: there are none.
	Reply func(ctx context.Context, token string) (Reply, error)
	// Health says how the gateway is, for mail to status@; nil: nothing is told.
	Health func(ctx context.Context) (string, error)

	Log *slog.Logger // nil: none
}

// Reply is whom the answer to a message from a handset is for.
type Reply struct {
	Account string // that pays for it
	To      sms.Number
	SIM     string // that the message came to; empty: it is gone, and any will do
}

// ErrNoReply is the error of Server.Reply for a token that stands for nothing now.
var ErrNoReply = errors.New("no such conversation")

// door is a Server at work on one listener.
type door struct {
	*Server
	ctx     context.Context  // of Serve
	work    sync.WaitGroup   // mails being read or stored
	replies ingress.Throttle // mails to one reply address
	rates   rates            // mails from each peer, and for each account
	letters ingress.Throttle // mails to the operator from one peer
	large   chan struct{}    // mails over largeMail that are in memory
	alarm   *alarm
}

// Mails over largeMail octets are taken largeAtOnce at a time, for the board has
// little memory; who comes then is asked to try again.
const (
	largeMail   = 1 << 20
	largeAtOnce = 2
)

// Replies to one address: enough for a system that sends an alert storm, and
// not for a loop.
const (
	replyBurst    = 1000
	replyInterval = 100 * time.Millisecond
)

// Mail to the operator, and mail that asks for the status, from one peer: nobody
// has to log in for it, and it is kept.
const (
	letterBurst    = 20
	letterInterval = time.Minute
)

// Serve takes mail from a listener until ctx ends or the listener breaks, and
// closes it. At the end connections between mails are told 421; a mail under way
// has the time of Grace, and is answered. A mail is either stored and answered
// with 250 or, when the sender hears anything else or nothing, perhaps stored:
// that much SMTP leaves open.
func (s *Server) Serve(ctx context.Context, nl net.Listener) error {
	d := &door{
		Server:  s,
		ctx:     ctx,
		replies: ingress.Throttle{Burst: replyBurst, Every: replyInterval},
		rates:   newRates(s.PeerMails, s.AccountMails),
		letters: ingress.Throttle{Burst: letterBurst, Every: letterInterval},
		large:   make(chan struct{}, largeAtOnce),
		alarm:   newAlarm(s.log()),
	}
	l := d.listener(nl)
	srv := d.protocol()

	served := make(chan error, 1)
	go func() {
		if s.Implicit {
			served <- srv.Serve(tls.NewListener(l, s.TLS))
		} else {
			served <- srv.Serve(l)
		}
	}()
	var err error
	select {
	case err = <-served:
		err = fmt.Errorf("accept mail at %s: %w", nl.Addr(), err)
		nl.Close()
	case <-ctx.Done():
		nl.Close()
		<-served // then no connection is new
	}
	l.drain()
	cut := time.AfterFunc(orDefault(s.Grace, 10*time.Second), l.cut)
	defer cut.Stop()
	// It waits for the sessions. Its error is that nl is closed.
	srv.Shutdown(context.Background())
	d.work.Wait()
	return err
}

func (d *door) listener(nl net.Listener) *listener {
	networks := d.Networks
	if len(networks) == 0 {
		networks = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	return &listener{
		Listener: nl,
		networks: networks,
		max:      orDefault(d.MaxConns, 512),
		perPeer:  d.MaxPerPeer,
		idle:     orDefault(d.IdleTimeout, 5*time.Minute),
		mail:     orDefault(d.MailTimeout, 10*time.Minute),
		plain:    !d.Implicit,
		legacy:   d.Legacy && d.TLS == nil,
		alarm:    d.alarm,
		conns:    make(map[*conn]struct{}),
	}
}

// protocol sets go-smtp up. Deadlines are those of conn, not its own.
func (d *door) protocol() *smtp.Server {
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		conn := trackedConn(c.Conn())
		_, conn.sealed = c.TLSConnectionState()
		return &session{door: d, conn: conn, peer: address(conn)}, nil
	}))
	srv.Domain = orDefault(d.Hostname, "cellpost")
	srv.MaxRecipients = orDefault(d.MaxRecipients, recipientMax)
	srv.MaxMessageBytes = d.maxMail() + 1 // go-smtp refuses a mail of just this size
	srv.MaxLineLength = lineMax
	srv.TLSConfig = d.TLS
	srv.AllowInsecureAuth = d.TLS == nil
	if d.AuthWithoutTLS != nil {
		srv.AllowInsecureAuth = *d.AuthWithoutTLS
	}
	srv.EnableSMTPUTF8 = true
	srv.EnableDSN = true
	srv.ErrorLog = errorLog{d.alarm}
	return srv
}

func (s *Server) maxMail() int64 { return orDefault(s.MaxMail, 32<<20) }

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// takes reports whether mail for a domain is taken.
func (s *Server) takes(domain string) bool {
	if len(s.Domains) == 0 {
		return true
	}
	for _, d := range s.Domains {
		if d == "*" || strings.EqualFold(d, domain) {
			return true
		}
	}
	return false
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// alarm logs what goes wrong again and again: the same of the same peer once a
// minute.
type alarm struct {
	log    *slog.Logger
	logged ingress.Throttle
	hourly ingress.Throttle
}

func newAlarm(log *slog.Logger) *alarm {
	return &alarm{
		log:    log,
		logged: ingress.Throttle{Burst: 1, Every: time.Minute},
		hourly: ingress.Throttle{Burst: 1, Every: time.Hour},
	}
}

func (a *alarm) raise(level slog.Level, what string, peer netip.Addr, args ...any) {
	if a.logged.Spend(what+" "+peer.String(), time.Now()) {
		a.log.Log(context.Background(), level, what, append([]any{"peer", peer}, args...)...)
	}
}

// tolerated logs what a peer does wrong and is served nevertheless: once an hour.
func (a *alarm) tolerated(what string, peer netip.Addr) {
	if a.hourly.Spend(what+" "+peer.String(), time.Now()) {
		a.log.Info("tolerated", "peer", peer, "what", what)
	}
}

// errorLog is what go-smtp complains to: about connections that broke, which whoever
// looks whether the port is open leaves behind, and about our panics.
type errorLog struct{ alarm *alarm }

func (l errorLog) Printf(format string, args ...any) {
	if strings.HasPrefix(format, "error handling ") {
		if peer, err := netip.ParseAddrPort(fmt.Sprint(args[0])); err == nil {
			l.alarm.raise(slog.LevelWarn, "connection broke", peer.Addr().Unmap(), "err", args[1])
			return
		}
	}
	l.alarm.log.Warn("smtp: " + fmt.Sprintf(format, args...))
}

func (l errorLog) Println(args ...any) { l.alarm.log.Warn("smtp: " + fmt.Sprint(args...)) }
