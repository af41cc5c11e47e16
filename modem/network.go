package modem

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"cellpost/modem/at"
)

// domains are the registrations that let messages through: circuit switched,
// packet switched, and EPS. One is enough.
var domains = [...]string{"+CREG", "+CGREG", "+CEREG"}

// readNetwork asks for registration, signal and operator. An error means that
// the dialogue is out of step.
func (s *session) readNetwork(ctx context.Context) error {
	best := NetworkUnknown
	for i, d := range domains {
		f, err := s.ask(ctx, d+"?")
		if err != nil {
			return err
		}
		if len(f) > 1 {
			best = better(best, registration(f[1]))
			s.watched(i, f[0] != "0")
		}
	}
	signal, err := s.ask(ctx, "+CSQ")
	if err != nil {
		return err
	}
	operator, err := s.ask(ctx, "+COPS?")
	if err != nil {
		return err
	}
	s.m.learn(func(f *Facts) {
		f.Network = best
		if len(signal) > 0 {
			f.SignalDBm = dBm(signal[0])
		}
		f.Signal = f.SignalDBm != 0 || len(signal) == 0
		if f.Operator = ""; len(operator) > 2 {
			f.Operator = operator[2]
		}
	})
	s.heardNow()
	f := s.m.Facts()
	s.m.history.add(time.Now(), f.Operator, f.Network, f.SignalDBm)
	return nil
}

// watched takes note of whether the module announces the changes of a domain. One
// that did, and does not any more, has started anew and said nothing of it.
func (s *session) watched(domain int, now bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case now:
		clear(s.lately)
	case s.announces[domain] && s.up.Load():
		s.end(errForgot)
	}
	s.announces[domain] = now
}

// ask returns the fields of an answer; none when the module refuses to tell.
func (s *session) ask(ctx context.Context, cmd string) ([]string, error) {
	if s.m.shunned(cmd) {
		return nil, nil
	}
	info, err := s.dialogue.Command(ctx, cmd, commandTimeout)
	if cmd != domains[0]+"?" { // without this one nothing is known
		s.m.blame(cmd, err, 1)
	}
	if _, refused := errors.AsType[*at.CommandError](err); refused {
		return nil, nil
	}
	return longest(info, strings.TrimSuffix(cmd, "?")), err
}

// longest returns the fields of the line of an answer that tells most, the last
// of several: an unsolicited code that begins like the answer and came with it
// tells less.
func longest(info []string, prefix string) []string {
	var most []string
	for i, line := range info {
		if f := fields(info[i : i+1]); strings.HasPrefix(line, prefix) && len(f) >= len(most) {
			most = f
		}
	}
	return most
}

// registration reads a <stat>. 3GPP TS 27.007, 7.2; 6 and 7 are registrations
// for messages only.
func registration(stat string) Network {
	switch stat {
	case "1", "6":
		return NetworkHome
	case "5", "7":
		return NetworkRoaming
	case "3":
		return NetworkDenied
	case "0", "8", "11": // not searching: no network in reach is for this SIM
		return NetworkLimited
	case "2", "4":
		return NetworkSearching
	}
	return NetworkUnknown
}

// better is the registration that says more: a module may be denied or
// searching in one domain and registered in another.
func better(a, b Network) Network {
	order := map[Network]int{NetworkUnknown: 0, NetworkLimited: 1, NetworkSearching: 2, NetworkDenied: 3, NetworkRoaming: 4, NetworkHome: 5}
	if order[b] > order[a] {
		return b
	}
	return a
}

// dBm converts <rssi> of AT+CSQ; 0 when the module does not know it.
// 3GPP TS 27.007, 8.5.
func dBm(rssi string) int {
	n, err := strconv.Atoi(rssi)
	if err != nil || n < 0 || n > 31 {
		return 0
	}
	return -113 + 2*n
}

// registered takes an announcement like "+CREG: 1" or "+CREG: 5,"1F2A","00C3"".
func (s *session) registered(line string) {
	_, rest, _ := strings.Cut(line, ":")
	stat, _, _ := strings.Cut(strings.TrimSpace(rest), ",")
	n := registration(stat)
	if n.Registered() {
		before := s.m.Facts().Network
		s.m.learn(func(f *Facts) { f.Network = n })
		if n == before {
			return
		}
	}
	// Signal and operator are others now. Lost in one domain, the others may
	// still do.
	s.networkSoon()
}
