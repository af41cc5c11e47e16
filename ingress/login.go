package ingress

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"cellpost/sms"
)

// Credentials are what a client shows to submit.
type Credentials struct {
	User     string
	Password string
	APIID    string // as written; decimal
}

// ErrTooManyLogins is the answer to an address with too many wrong passwords, for
// one account or for several. It is no [Refusal], since it passes by itself.
var ErrTooManyLogins = errors.New("too many wrong passwords from this address; try again later")

// Authenticate returns the account that the credentials open from the address
// of a peer. A [Refusal] has, in this order, code 001 for the user or the
// password, 007 for the network, 108 for the api_id; the account comes with the
// last, since its owner may hear of it. Any other error is temporary.
func (g *Gate) Authenticate(ctx context.Context, c Credentials, peer netip.Addr) (sms.Account, error) {
	a, err := g.Login(ctx, c.User, c.Password, peer)
	if err != nil {
		return sms.Account{}, err
	}
	if id, err := strconv.ParseInt(c.APIID, 10, 64); err != nil || id != a.APIID {
		return a, Refuse(CodeAPIID, "")
	}
	return a, nil
}

// Login is Authenticate for the places that have no room for an api_id, like
// SMTP AUTH.
func (g *Gate) Login(ctx context.Context, user, password string, peer netip.Addr) (sms.Account, error) {
	a, err := g.Accounts(ctx, user)
	if errors.Is(err, sms.ErrNoAccount) {
		a = sms.Account{Name: user}
	} else if err != nil {
		return sms.Account{}, err
	}
	if err := g.logins.verify(ctx, a, password, peer, g.now()); err != nil {
		if lock, ok := errors.AsType[*lockedOut](err); ok {
			g.log().Warn("address locked out after many different wrong passwords", "peer", peer, "for", lock.wait)
			err = Refuse(CodeAuthentication, "")
		}
		return sms.Account{}, err
	}
	if len(a.Networks) > 0 && !within(a.Networks, peer) {
		return sms.Account{}, Refuse(CodeNetwork, "")
	}
	return a, nil
}

// BySender returns the account that mail from an address is booked to when nobody
// has logged in, for devices that cannot: the account has the address, or its
// domain, in its settings, and names a network that the peer is in. An address
// anybody can write, so an account without networks is never it. Of several the one
// with the whole address is taken, then the first by name. [sms.ErrNoAccount] for
// none; any other error is temporary.
func (g *Gate) BySender(ctx context.Context, address string, peer netip.Addr) (sms.Account, error) {
	if g.Senders == nil || !strings.Contains(address, "@") {
		return sms.Account{}, sms.ErrNoAccount
	}
	accounts, err := g.Senders(ctx)
	if err != nil {
		return sms.Account{}, err
	}
	slices.SortFunc(accounts, func(a, b sms.Account) int { return strings.Compare(a.Name, b.Name) })
	return SenderOf(slices.DeleteFunc(accounts, func(a sms.Account) bool { return !within(a.Networks, peer) }), address)
}

// SenderOf returns the first account that mail from an address belongs to: one that
// names the address goes before one that names its domain. [sms.ErrNoAccount] when
// there is none.
func SenderOf(accounts []sms.Account, address string) (sms.Account, error) {
	domain := address[max(strings.LastIndexByte(address, '@'), 0):]
	for _, wanted := range []string{address, domain} {
		for _, a := range accounts {
			named := slices.ContainsFunc(a.Settings.Senders, func(s string) bool { return strings.EqualFold(s, wanted) })
			if named && address != "" {
				return a, nil
			}
		}
	}
	return sms.Account{}, sms.ErrNoAccount
}

func within(networks []netip.Prefix, peer netip.Addr) bool {
	peer = peer.Unmap()
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(peer) })
}

// passwordMax is the most that bcrypt looks at, in octets.
const passwordMax = 72

// HashPassword returns what an account keeps of its password. The password has
// 1 to 72 octets and no blank at either end or line break: a mail could not
// carry it.
func HashPassword(password string) (string, error) {
	switch {
	case password == "":
		return "", errors.New("the password is empty; choose one")
	case len(password) > passwordMax:
		return "", errors.New("the password is longer than 72 octets; choose a shorter one")
	case strings.TrimSpace(password) != password || strings.ContainsAny(password, "\r\n"):
		return "", errors.New("the password has a blank at an end, or a line break; leave them out")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	return string(hash), err
}

// logins checks passwords. A hash is slow on purpose, so one that was verified
// is remembered, and only few are computed at a time; the zero value is ready.
type logins struct {
	once  sync.Once
	key   [32]byte      // of the digests in known
	slots chan struct{} // a hash takes one

	mu    sync.Mutex
	known map[digest]struct{}

	wrong Throttle // wrong passwords, by address and account
	locks lockouts // of addresses
}

// digest stands for a name, a hash and the password that opened it. It is keyed,
// so that a dump of the memory gives nobody a fast way to try passwords, and has
// the hash in it, so that a new password shuts the old one out.
type digest [sha256.Size]byte

const (
	knownMax      = 256 // logins remembered
	hashesAtOnce  = 2   // a Pi has four cores, and modems to serve
	wrongAtOnce   = 10  // wrong passwords of one address for one account before it has to wait
	wrongInterval = time.Minute / 10
)

// dummyHash is compared where there is no account: an answer that came faster
// would tell names from passwords. It is of bcrypt.DefaultCost, and of nothing
// that anybody kept.
const dummyHash = "$2a$10$oZZNd/k5WzBSZT1DiSINo.abhtme9vnsEr9roq7CBpaI2sC8OAdtC"

func (l *logins) setUp() {
	rand.Read(l.key[:])
	l.slots = make(chan struct{}, hashesAtOnce)
	l.known = make(map[digest]struct{})
	l.wrong = Throttle{Burst: wrongAtOnce, Every: wrongInterval}
}

// verify returns nil when the password is the account's. An account without a
// hash has no password.
func (l *logins) verify(ctx context.Context, a sms.Account, password string, peer netip.Addr, now time.Time) error {
	l.once.Do(l.setUp)
	d := l.digest(a, password)
	if l.knows(d) {
		return nil
	}
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// A hundred first mails of one account wait here for the first of them.
	if l.knows(d) {
		return nil
	}
	// By account, too: behind a relay many clients have one address, and one with
	// an old password must not shut the others out.
	who := network(peer) + " " + a.Name
	if !l.wrong.Ready(who, now) || l.locks.locked(network(peer), now) {
		return ErrTooManyLogins
	}
	if !matches(a.PasswordHash, password) {
		l.wrong.Spend(who, now)
		if wait := l.locks.wrong(network(peer), d, now); wait > 0 {
			return &lockedOut{wait}
		}
		return Refuse(CodeAuthentication, "")
	}
	l.remember(d)
	return nil
}

func (l *logins) digest(a sms.Account, password string) (d digest) {
	mac := hmac.New(sha256.New, l.key[:])
	for _, s := range []string{a.Name, a.PasswordHash, password} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		mac.Write([]byte(s))
	}
	mac.Sum(d[:0])
	return d
}

func (l *logins) knows(d digest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.known[d]
	return ok
}

func (l *logins) remember(d digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for old := range l.known {
		if len(l.known) < knownMax {
			break
		}
		delete(l.known, old)
	}
	l.known[d] = struct{}{}
}

// matches compares at the same cost whether there is a hash or not.
func matches(hash, password string) bool {
	possible := hash != "" && len(password) <= passwordMax
	if !possible {
		hash = dummyHash
	}
	err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password[:min(len(password), passwordMax)]))
	return err == nil && possible
}

// network is what counts as one address: all of an IPv4 address, but the first
// 64 bits of an IPv6 address, since a host picks the others as it likes.
func network(peer netip.Addr) string {
	peer = peer.Unmap()
	if peer.Is4() {
		return peer.String()
	}
	p, err := peer.Prefix(64)
	if err != nil {
		return "" // no address: a socket without one
	}
	return p.String()
}
