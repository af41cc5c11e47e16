package modem

import (
	"context"
	"errors"
	"time"
)

// What a modem can do beside messages: requests to the network, calls, time.

// ErrNotInService is the error of a request to a modem without a session.
var ErrNotInService = errors.New("the modem is not in service: cellpost modem show tells why")

// USSD sends a code like *100# to the network, or the answer to an open menu,
// and returns what the network says. Messages go out meanwhile.
func (m *Modem) USSD(ctx context.Context, code string) (USSDAnswer, error) {
	if code == "" {
		return USSDAnswer{}, errors.New("the code is empty: ask the operator for it, *100# in many networks")
	}
	s, u := m.requester()
	if u == nil {
		return USSDAnswer{}, ErrNotInService
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel)
	defer stop()
	answer, err := u.request(ctx, s.dialogue, code)
	s.stalledBy(err)
	if s.ctx.Err() != nil && err != nil {
		return answer, ErrNotInService
	}
	return answer, err
}

// CancelUSSD ends a menu that the network holds open.
func (m *Modem) CancelUSSD(ctx context.Context) error {
	s, u := m.requester()
	if u == nil {
		return ErrNotInService
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
