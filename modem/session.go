package modem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"cellpost/modem/at"
)

// session is the time from opening the device to losing it.
type session struct {
	m        *Modem
	ctx      context.Context
	dialogue *at.Dialogue
	follow   chan func(context.Context) // commands that unsolicited codes ask for, in order
	setup    setup                      // not changed while followUp runs
	up       atomic.Bool                // the module was brought up: it has no reason to start anew
	owes     atomic.Bool                // an acknowledgement that a stall has swallowed

	mu       sync.Mutex // guards what follows
	lastSend time.Time
	left     bool // a message in the module's memory could not be kept
}

var (
	errAbsent   = errors.New("device is not there")
	errRebooted = errors.New("the module started anew by itself")
	errCardLost = errors.New("the SIM is out, or asks for its PIN again")
)

const (
	commandTimeout = 5 * time.Second
	slowTimeout    = 30 * time.Second // commands that wait for the SIM or the network
	followUps      = 64               // before the reader of unsolicited codes waits
)

// session opens the device and works with it until it fails or ctx ends.
// served tells whether it came into service.
func (m *Modem) session(ctx context.Context, cfun bool) (served bool, err error) {
	port, err := at.Open(m.cfg.Device, m.cfg.Baud)
	if errors.Is(err, fs.ErrNotExist) {
		return false, errAbsent
	}
	if err != nil {
		return false, err
	}
	m.learn(func(f *Facts) { f.Present = true })

	ctx, cancel := context.WithCancelCause(ctx)
	s := &session{m: m, ctx: ctx, follow: make(chan func(context.Context), followUps)}
	// The port outlives ctx until the hand-over under way has its result. A
	// module that started anew has forgotten it: nothing is worth waiting for.
	portCtx, closePort := context.WithCancel(context.WithoutCancel(ctx))
	rebooted := func() {
		cancel(errRebooted)
		closePort()
	}
	s.dialogue = at.New(port, at.Config{Unsolicited: codes, Handler: func(l []string) { s.unsolicited(l, rebooted) }})
	var wg sync.WaitGroup
	wg.Go(func() { cancel(fmt.Errorf("lost the device: %w", s.dialogue.Run(portCtx))) })
	served, err = s.work(ctx, cfun)
	cancel(nil)
	closePort()
	wg.Wait()
	return served, err
}

// work brings the module up and gives out lines, one after the other.
func (s *session) work(ctx context.Context, cfun bool) (served bool, err error) {
	if err := s.bringUp(ctx, cfun); err != nil {
		return false, cause(ctx, err)
	}
	for {
		s.up.Store(true)
		if err := s.inStep(ctx, &served); err != nil {
			return served, cause(ctx, err)
		}
		if err := s.resync(ctx); err != nil {
			return served, cause(ctx, fmt.Errorf("stalled, and no answer to the resync: %w", err))
		}
		// It may have started anew, or stopped reporting because nothing was
		// acknowledged (3GPP TS 27.005, 3.4.4).
		if err := s.agree(ctx); err != nil {
			return served, cause(ctx, err)
		}
		s.m.log.Info("modem is back in step")
		s.m.learn(func(f *Facts) { f.Stalled = false })
	}
}

// inStep gives out lines until the modem stalls. An error ends the session.
func (s *session) inStep(ctx context.Context, served *bool) error {
	followCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { s.followUp(followCtx) })
	for !s.m.Facts().Stalled {
		if err := s.awaitReady(ctx); err != nil {
			return err
		}
		*served = true
		s.inService(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// resyncFor is how long a module is called before its device is opened anew.
const resyncFor = 20 * time.Second

func (s *session) resync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, resyncFor)
	defer cancel()
	return s.dialogue.Resync(ctx)
}

// cause is why ctx ended if it did, else err.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

// inService gives out a line until the modem cannot send any more.
func (s *session) inService(ctx context.Context) {
	s.m.learn(func(f *Facts) { f.Ready, f.Recovering, f.Problem = true, 0, "" })
	defer s.m.learn(func(f *Facts) { f.Ready, f.InSend = false, false })
	lineCtx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.m.serve(lineCtx, &Line{s: s}); err != nil {
			s.m.log.Error("serve line", "err", err)
		}
		cancel()
	})
	defer wg.Wait()
	defer cancel()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for s.sendable() {
		select {
		case <-s.m.changed:
		case <-look.C:
			s.look(ctx)
			s.sweepAgain()
		case <-lineCtx.Done():
			return
		}
	}
}

// sendable reports whether the facts allow a line.
func (s *session) sendable() bool {
	f := s.m.Facts()
	return f.Card == CardReady && f.Network.Registered() && f.SMSC != "" && !f.Stalled
}

// lookEvery is how often signal, operator and registration are read while no
// message is sent. It also finds a module that has gone silent.
const lookEvery = 30 * time.Second

// awaitReady waits until the facts allow a line. The network says so by itself;
// it is asked, too, for modules that forget to, and so is the SIM: without one
// there is no network.
func (s *session) awaitReady(ctx context.Context) error {
	ask := time.NewTicker(searchEvery)
	defer ask.Stop()
	for !s.sendable() {
		select {
		case <-s.m.changed:
		case <-ask.C:
			if err := s.readAgain(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// readAgain asks for what keeps the modem out of service. An error ends the
// session: the dialogue is out of step, or the SIM needs a new start.
func (s *session) readAgain(ctx context.Context) error {
	card, err := s.readPIN(ctx)
	if err != nil {
		return err
	}
	if card != CardReady {
		return errCardLost
	}
	if s.m.Facts().SMSC == "" {
		s.readSMSC(ctx)
	}
	return s.readNetwork(ctx)
}

const searchEvery = 5 * time.Second

// look reads what may have changed, unless messages are flowing: their results
// say that the module is well.
func (s *session) look(ctx context.Context) {
	s.mu.Lock()
	quiet := time.Since(s.lastSend) > lookEvery/2
	s.mu.Unlock()
	if !quiet {
		return
	}
	err := s.readNetwork(ctx)
	if stalls(err) {
		s.m.learn(func(f *Facts) { f.Stalled, f.Stalls, f.Problem = true, f.Stalls+1, err.Error() })
	}
}

// followUp carries out what unsolicited codes ask for, between hand-overs.
func (s *session) followUp(ctx context.Context) {
	for {
		select {
		case f := <-s.follow:
			f(ctx)
		case <-ctx.Done():
			return
		}
	}
}
