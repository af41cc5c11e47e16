package modem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// What a modem can do beside messages: requests to the network, calls, time.

// ErrNotInService is in the error of a request to a modem without a session.
var ErrNotInService = errors.New("the modem is not in service")

func (m *Modem) notInService() error {
	return fmt.Errorf("%w: cellpost modem show %s tells why", ErrNotInService, ShellWord(m.cfg.Name))
}

// USSD sends a code like *100# to the network, or the answer to an open menu,
// and returns what the network says. Messages go out meanwhile.
func (m *Modem) USSD(ctx context.Context, code string) (USSDAnswer, error) {
	if code == "" {
		return USSDAnswer{}, errors.New("the code is empty: ask the operator for it, *100# in many networks")
	}
	s, u := m.requester()
	if u == nil {
		return USSDAnswer{}, m.notInService()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel)
	defer stop()
	answer, err := u.request(ctx, s.dialogue, code)
	s.stalledBy(err)
	if s.ctx.Err() != nil && err != nil {
		return answer, m.notInService()
	}
	return answer, err
}

// CancelUSSD ends a menu that the network holds open.
func (m *Modem) CancelUSSD(ctx context.Context) error {
	s, u := m.requester()
	if u == nil {
		return m.notInService()
	}
	u.cancel(ctx, s.dialogue)
	return nil
}

// requester is the session that requests go through; nil where there is none.
func (m *Modem) requester() (*session, *ussdSession) {
	m.mu.Lock()
	s := m.current
	m.mu.Unlock()
	if s == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s, s.ussd
}

// stalledBy sends the session into recovery when a command has got no answer.
func (s *session) stalledBy(err error) {
	if stalls(err) && s.ctx.Err() == nil {
		s.m.learn(func(f *Facts) { f.stall(err.Error()) })
	}
}

// stall notes a stall, once until the modem is back in step.
func (f *Facts) stall(problem string) {
	if !f.Stalled {
		f.Stalls++
	}
	f.Stalled, f.Problem = true, problem
}

func (s *session) heardUSSD(lines []string) {
	s.mu.Lock()
	u := s.ussd
	s.mu.Unlock()
	if u != nil {
		u.heard(lines)
	}
}

// Notice is what the network said over USSD though nobody had asked: "your credit
// is low".
type Notice struct {
	At   time.Time
	Text string
}

const (
	maxNotices = 10  // that are kept
	maxNotice  = 182 // characters of one that are kept. 3GPP TS 23.038, 5: what 160 octets hold
)

// noticeLog is the list of the last notices. The zero value is ready.
type noticeLog struct {
	mu      sync.Mutex // guards notices
	notices []Notice   // the last one is the newest
}

func (l *noticeLog) add(n Notice) {
	if utf8.RuneCountInString(n.Text) > maxNotice {
		n.Text = string([]rune(n.Text)[:maxNotice])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.notices) == maxNotices {
		l.notices = slices.Delete(l.notices, 0, 1)
	}
	l.notices = append(l.notices, n)
}

// list returns the notices, the newest first.
func (l *noticeLog) list() []Notice {
	l.mu.Lock()
	defer l.mu.Unlock()
	notices := slices.Clone(l.notices)
	slices.Reverse(notices)
	return notices
}

// noticed keeps what the network said unasked. Its text is not for the log.
func (m *Modem) noticed(a USSDAnswer) {
	m.log.Info("USSD from the network", "characters", utf8.RuneCountInString(a.Text))
	m.notices.add(Notice{At: time.Now(), Text: a.Text})
}

// Notices lists what the network said unasked of late, the newest first.
func (m *Modem) Notices() []Notice { return m.notices.list() }

// called hangs up on who calls, if that is wanted.
func (s *session) called() {
	s.m.log.Info("incoming call")
	if !s.m.cfg.RejectCalls {
		return
	}
	s.later(func(ctx context.Context) { s.informed(s.m.calls.reject(ctx, s.dialogue)) })
}

// Calls lists the last incoming calls, the newest first.
func (m *Modem) Calls() []Call { return m.calls.list() }

// History lists what was read of the radio in the last days, the oldest first.
func (m *Modem) History() []Reading { return m.history.list() }

// Trace is the dialogue with the modem, with numbers and contents masked.
func (m *Modem) Trace() *Trace { return &m.trace }

// readClock asks the module for its time.
func (s *session) readClock(ctx context.Context) {
	for _, line := range s.try(ctx, "+CCLK?", commandTimeout) {
		s.m.learnTime(parseClock(line, time.Now()))
	}
}

// learnTime takes a time that the network told.
func (m *Modem) learnTime(sample ClockSample, ok bool) {
	if !ok {
		return
	}
	sample.Modem = m.cfg.Name
	m.learn(func(f *Facts) { f.NetworkTime = sample })
	if m.cfg.Clock != nil {
		m.cfg.Clock(sample)
	}
}
