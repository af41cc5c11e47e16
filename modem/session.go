package modem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"syscall"
	"time"

	"cellpost/modem/at"
)

// session is the time from opening the device to losing it.
type session struct {
	m        *Modem
	ctx      context.Context
	dialogue *at.Dialogue
	follow   chan func(context.Context) // commands that unsolicited codes ask for, in order
	setup    setup

	mu       sync.Mutex // guards what follows
	attempt  int64      // hand-over under way or unknown, whose late result would settle it; 0: none
	lastSend time.Time
}

var (
	errAbsent   = errors.New("device is not there")
	errRebooted = errors.New("the module started anew by itself")
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
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENODEV) {
		return false, errAbsent
	}
	if err != nil {
		return false, err
	}
	m.learn(func(f *Facts) { f.Present = true })

	ctx, cancel := context.WithCancelCause(ctx)
	s := &session{m: m, ctx: ctx, follow: make(chan func(context.Context), followUps)}
	s.dialogue = at.New(port, at.Config{Unsolicited: codes, Handler: func(l []string) { s.unsolicited(l, cancel) }, Late: s.late})
	// The port outlives ctx until the hand-over under way has its result.
	portCtx, closePort := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { cancel(fmt.Errorf("lost the device: %w", s.dialogue.Run(portCtx))) })
	wg.Go(func() { s.followUp(portCtx) })
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
		if err := s.awaitReady(ctx); err != nil {
			return served, cause(ctx, err)
		}
		served = true
		s.inService(ctx)
		if ctx.Err() != nil {
			return served, cause(ctx, ctx.Err())
		}
		if !s.m.Facts().Stalled {
			continue
		}
		if err := s.resync(ctx); err != nil {
			return false, cause(ctx, fmt.Errorf("stalled, and no answer to the resync: %w", err))
		}
		s.m.log.Info("modem is back in step")
		s.m.learn(func(f *Facts) { f.Stalled = false })
	}
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
// it is asked, too, for modules that forget to.
func (s *session) awaitReady(ctx context.Context) error {
	ask := time.NewTicker(searchEvery)
	defer ask.Stop()
	for !s.sendable() {
		select {
		case <-s.m.changed:
		case <-ask.C:
			if err := s.readNetwork(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
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
