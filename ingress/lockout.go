package ingress

import (
	"sync"
	"time"
)

// Lock-out of an address that guesses passwords, of whatever accounts. The same
// wrong password again is no guess: behind one address there may be a whole site,
// and a device in it with an old password would shut the others out. Who has shown
// the right password since the start of the process is served all the same.
const (
	guessesMax   = 20          // different wrong passwords until an address is locked out
	lockoutFirst = time.Minute // for so long, and with each further guess twice as long
	lockoutMax   = time.Hour
	lockoutRest  = 24 * time.Hour // without a guess, after which all is forgotten
	lockoutsMax  = 4096           // addresses that are kept: what strangers can make it hold
)

// lockouts counts guesses by address. The zero value is ready.
type lockouts struct {
	mu    sync.Mutex
	peers map[string]*lockout
}

type lockout struct {
	guesses map[digest]struct{} // at most guessesMax
	wait    time.Duration       // of the last time that it was locked out
	until   time.Time
	last    time.Time // guess
}

// lockedOut is the refusal of the guess that locks an address out.
type lockedOut struct{ wait time.Duration }

func (*lockedOut) Error() string { return "locked out" }

// locked reports whether an address has to wait.
func (l *lockouts) locked(peer string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.peers[peer]
	return p != nil && now.Before(p.until)
}

// wrong notes a wrong password of an address. It returns for how long the address
// is locked out from now, 0 if it is not.
func (l *lockouts) wrong(peer string, guess digest, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.peers[peer]
	if p == nil || now.Sub(p.last) > lockoutRest {
		l.makeRoom(now)
		p = &lockout{guesses: make(map[digest]struct{})}
		l.peers[peer] = p
	}
	if _, again := p.guesses[guess]; again {
		return 0
	}
	p.last = now
	if len(p.guesses) < guessesMax-1 {
		p.guesses[guess] = struct{}{}
		return 0
	}
	p.wait = min(max(2*p.wait, lockoutFirst), lockoutMax)
	p.until = now.Add(p.wait)
	return p.wait
}

// makeRoom drops who is forgotten, and if nobody is any one.
func (l *lockouts) makeRoom(now time.Time) {
	if l.peers == nil {
		l.peers = make(map[string]*lockout)
	}
	if len(l.peers) < lockoutsMax {
		return
	}
	for peer, p := range l.peers {
		if now.Sub(p.last) > lockoutRest {
			delete(l.peers, peer)
		}
	}
	for peer := range l.peers {
		if len(l.peers) < lockoutsMax {
			return
		}
		delete(l.peers, peer)
	}
}
