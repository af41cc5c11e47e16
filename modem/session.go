package modem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"cellpost/modem/at"
	"cellpost/modem/profile"
)

// session is the time from opening the device to losing it.
type session struct {
	m        *Modem
	place    Place
	slot     int  // index of its SIM slot
	fresh    bool // the module has just started: its ready signals are still to come
	started  bool // some of them were heard by the session before
	began    time.Time
	unlocked time.Time // when the PIN was given, after which they come, too; zero: it was not
	ctx      context.Context
	end      context.CancelCauseFunc
	dialogue *at.Dialogue
	follow   chan func(context.Context) // commands that unsolicited codes ask for, in order
	profile  profile.Profile            // from identify on
	setup    setup                      // not changed while followUp runs
	up       atomic.Bool                // the module was brought up: it has no reason to start anew
	told     atomic.Bool                // the module was told in this session how to report

	acknowledges atomic.Bool // what comes directly waits for AT+CNMA

	looks atomic.Bool // followUp is to look for the network: once is enough

	smscRefused atomic.Int32 // messages in a row that were refused for the service centre

	mu        sync.Mutex  // guards what follows
	sim       string      // name of the SIM in routes; empty until it is known
	early     []earlyTPDU // that came before it was
	unsaid    time.Time   // when that came which is still to be acknowledged; zero: nothing is. Of the dialogue's owner
	spilt     bool        // there was no room for more of them
	starts    startLines
	heard     map[string]bool // ready signals; from restarted on, those since then
	lately    map[string]bool // those since the module was last found not to have started anew
	said      chan struct{}   // holds a token when there is another
	lastSend  time.Time
	lastHeard time.Time    // when the module was last found as it should be
	left      time.Time    // when something that the module brought, or stores, could not be kept; zero: nothing
	confused  []time.Time  // when the module refused a message for reasons of its own
	ussd      *ussdSession // nil until the module is known

	restarted bool               // the module said that it started anew
	announces [len(domains)]bool // it announces changes of registration
}

var (
	errAbsent     = errors.New("device is not there")
	errLost       = errors.New("lost the device")
	errRebooted   = errors.New("the module started anew by itself")
	errForgot     = errors.New("the module has forgotten what was agreed: it started anew and said nothing of it")
	errRestarting = errors.New("the module is starting anew, as it was told")
	errCardLost   = errors.New("the SIM is out, asks for its PIN again, or is another one")
	errSlot       = errors.New("another SIM slot is taken")
	errUnreadable = errors.New("the SIM cannot be read")
	errConfused   = errors.New("the module refused message after message for reasons of its own")
	errNoNetwork  = errors.New("no network for hours, though the radio was switched off and on")
	errStalling   = errors.New("the module answers, but no hand-over comes to an end")
	errAsked      = errors.New("a person asked for it")
)

// elsewhereError is why a session came to nothing that is no fault of the
// module: no reset would help.
type elsewhereError struct{ error }

func (e elsewhereError) Unwrap() error { return e.error }

const (
	commandTimeout = 5 * time.Second
	cardTimeout    = 7 * time.Second  // commands that wait for the SIM: one that is lost costs no more than that
	slowTimeout    = 30 * time.Second // those that switch the radio or the SIM, or list a memory that is full
	followUps      = 64               // before the reader of unsolicited codes waits
)

// runSession finds and opens the device, and works with it until it fails or
// ctx ends. take, when not nil, is the rung of the ladder to be taken on the way.
// served tells whether the modem came into service.
func (m *Modem) runSession(ctx context.Context, take *rung, fresh bool) (served bool, err error) {
	heard := m.takeHeard()
	place, err := m.find(ctx)
	if err != nil {
		return false, err
	}
	port, err := m.open(place.Device, m.cfg.Mode)
	if errors.Is(err, fs.ErrNotExist) {
		return false, errAbsent
	}
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrPermission) || errors.Is(err, at.ErrNoPort) {
		return false, elsewhereError{err}
	}
	if err != nil {
		return false, err
	}
	m.learn(func(f *Facts) { f.Device, f.USB, f.Present = place.Device, place.USB, true })

	ctx, cancel := context.WithCancelCause(ctx)
	s := &session{
		m: m, place: place, fresh: fresh, began: time.Now(), ctx: ctx, end: cancel, follow: make(chan func(context.Context), followUps),
		heard: heard, lately: map[string]bool{}, started: len(heard) > 0, said: make(chan struct{}, 1),
	}
	m.mu.Lock()
	s.slot, s.starts = m.slot, startsOf(m.profile)
	m.mu.Unlock()
	// The port outlives ctx until the hand-over under way has its result. A
	// module that started anew has forgotten it: nothing is worth waiting for.
	portCtx, closePort := context.WithCancel(context.WithoutCancel(ctx))
	rebooted := func() {
		cancel(errRebooted)
		closePort()
	}
	s.dialogue = at.New(port, at.Config{
		Unsolicited: codes(m.cfg.Profiles),
		Owed:        s.owed(),
		Handler:     func(l []string) { s.unsolicited(l, rebooted) },
		Trace:       func(dir byte, line string) { m.trace.add(dir, line, time.Now()) },
	})
	var wg sync.WaitGroup
	wg.Go(func() { cancel(fmt.Errorf("%w: %w", errLost, s.dialogue.Run(portCtx))) })
	m.setCurrent(s)
	served, err = s.work(ctx, take)
	m.setCurrent(nil)
	m.history.add(time.Now(), "", NetworkUnknown, 0)
	cancel(nil)
	closePort()
	wg.Wait()
	if s.restarted {
		m.heard = s.heard
	} else if errors.Is(err, errForgot) {
		m.heard = s.lately
	}
	return served, err
}

// takeHeard returns the ready signals that the last session heard after the
// module had started anew: they do not come again.
func (m *Modem) takeHeard() map[string]bool {
	heard := m.heard
	m.heard = nil
	if heard == nil {
		heard = map[string]bool{}
	}
	return heard
}

// find says where the modem is. It waits for a modem that has to be looked for,
// but not for ever: what it was found by may be a device that hangs.
func (m *Modem) find(ctx context.Context) (Place, error) {
	if m.cfg.Locate == nil {
		return Place{Device: m.cfg.Device}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookAgain)
	defer cancel()
	place, err := m.cfg.Locate(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Place{}, errAbsent
	}
	if err != nil {
		return Place{}, fmt.Errorf("%w: %w", errAbsent, err)
	}
	return place, nil
}

func (m *Modem) setCurrent(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current = s
	if s != nil && (m.suspended || m.wanted != nil) {
		s.end(errAsked)
	}
}

// work brings the module up and gives out lines, one after the other.
func (s *session) work(ctx context.Context, take *rung) (served bool, err error) {
	if err := s.bringUp(ctx, take); err != nil {
		return false, cause(ctx, err)
	}
	for {
		s.up.Store(true)
		if err := s.inStep(ctx, &served); err != nil {
			return served, cause(ctx, err)
		}
		if err := s.resync(ctx, max(resyncFor, s.profile.ResultIn-s.m.cfg.ResultTimeout)); err != nil {
			return served, cause(ctx, fmt.Errorf("stalled, and no answer to the resync: %w", err))
		}
		if s.m.stalling() {
			return served, errStalling
		}
		// It may have started anew, or stopped reporting because nothing was
		// acknowledged (3GPP TS 27.005, 3.4.4).
		if err := s.agree(ctx); err != nil {
			return served, cause(ctx, err)
		}
		s.m.log.Info("modem is back in step")
		s.m.learn(func(f *Facts) { f.Stalled = false })
		if s.m.reviewSlot(time.Now(), false) {
			return served, errSlot
		}
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
		if err := s.inService(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// resyncFor is how long a module is called before its device is opened anew.
const resyncFor = 20 * time.Second

func (s *session) resync(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := s.dialogue.Resync(ctx)
	if err == nil {
		s.m.owe(0) // it has told all
	}
	return err
}

// cause is why ctx ended if it did, else err.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

// inService gives out a line until the modem cannot send any more. An error
// ends the session.
func (s *session) inService(ctx context.Context) error {
	s.m.learn(func(f *Facts) {
		f.Ready, f.Recovering, f.Rung, f.Parked, f.NextReset, f.Problem = true, 0, "", false, time.Time{}, ""
	})
	defer s.m.learn(func(f *Facts) { f.Ready, f.InSend = false, false })
	s.m.metNetwork()
	lineCtx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.m.serve(lineCtx, &Line{s: s, sim: s.simName()}); err != nil {
			s.m.log.Error("serve line", "err", err)
		}
		cancel()
	})
	defer wg.Wait()
	defer cancel()
	glance, look := time.NewTicker(glanceEvery), time.NewTicker(lookEvery)
	defer glance.Stop()
	defer look.Stop()
	sweep, care := time.NewTicker(s.setup.sweepEvery()), time.NewTicker(sweepEvery)
	defer sweep.Stop()
	defer care.Stop()
	for s.sendable() {
		select {
		case <-s.m.changed:
		case <-glance.C:
			s.glance(ctx)
		case <-look.C:
			s.look(ctx)
			s.m.keepLeft(ctx)
			s.sweepLeft()
		case <-sweep.C:
			s.later(s.sweepNow)
		case <-care.C:
			s.later(s.announceAgain) // it may wait for the acknowledgement of what never reached us
			s.later(s.readClock)
			s.networkSoon() // where messages flow all the time nothing else asks
		case <-lineCtx.Done():
			return nil
		}
		if s.m.reviewSlot(time.Now(), s.quiet()) {
			return errSlot
		}
	}
	return nil
}

// sendable reports whether the facts allow a line.
func (s *session) sendable() bool {
	f := s.m.Facts()
	return f.Card == CardReady && f.Network.Registered() && f.SMSC != "" && !f.SMSCRefused && !f.Stalled
}

// lookEvery is how often signal, operator and registration are read while no
// message is sent. It also finds a module that has gone silent.
const lookEvery = 30 * time.Second

// awaitReady waits until the facts allow a line. The network says so by itself;
// it is asked, too, for modules that forget to, and so is the SIM: without one
// there is no network.
func (s *session) awaitReady(ctx context.Context) error {
	if s.sendable() {
		return nil
	}
	ask := time.NewTicker(searchEvery)
	defer ask.Stop()
	searches := 0
	for since := time.Now(); !s.sendable(); {
		select {
		case <-s.m.changed:
		case <-ask.C:
			if err := s.readAgain(ctx); err != nil {
				return err
			}
			if time.Since(since) < searchMost || s.m.Facts().Network.Registered() {
				break
			}
			if searches++; searches >= s.m.searches() {
				s.m.missNetwork()
				return errNoNetwork
			}
			s.radioAnew(ctx, "no network")
			since = time.Now()
		case <-ctx.Done():
			return ctx.Err()
		}
		if s.m.reviewSlot(time.Now(), true) {
			return errSlot
		}
	}
	return s.sameCard(ctx) // it may have lost the network because it was exchanged
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
	f := s.m.Facts()
	if f.SMSCRefused && time.Since(f.Since) >= smscRest {
		s.smscRefused.Store(0)
		s.m.learn(func(f *Facts) { f.SMSCRefused = false })
	}
	if f.SMSC == "" || f.SMSCRefused {
		s.serviceCentre(ctx)
	}
	return s.readNetwork(ctx)
}

const (
	searchEvery = 5 * time.Second
	searchMost  = 15 * time.Minute // after it the radio is switched off and on: some modules give up searching
)

// radioAnew makes the module look for a network, and a SIM, from the beginning,
// where its family bears that.
func (s *session) radioAnew(ctx context.Context, why string) {
	off, on := s.radio()
	if off == "" {
		return
	}
	s.m.log.Warn("the radio is switched off and on", "why", why, "for", searchMost)
	s.order(ctx, off, slowTimeout)
	s.order(ctx, on, slowTimeout)
	s.announceAgain(ctx) // some forget it by that
}

// searches is after how many of searchMost in vain the module takes a rung of the
// ladder: an hour, and twice as long each time until it had a network.
func (m *Modem) searches() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return 4 << min(m.lonely, 4)
}

func (m *Modem) missNetwork() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lonely++
}

func (m *Modem) metNetwork() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lonely = 0
}

// glanceEvery is how often a module that sends nothing is asked whether it has
// started anew: many say nothing of that, and forget how to report.
const glanceEvery = 5 * time.Second

func (s *session) glance(ctx context.Context) {
	if s.idle(glanceEvery) {
		s.stalledBy(s.remembers(ctx))
	}
}

// remembers asks for what a module forgets that starts anew. The session ends when
// it has forgotten it; any other error means that the dialogue is out of step.
func (s *session) remembers(ctx context.Context) error {
	s.mu.Lock()
	domain := slices.Index(s.announces[:], true)
	s.mu.Unlock()
	if domain < 0 {
		return nil // not brought up yet, or there is nothing that tells
	}
	f, err := s.ask(ctx, domains[domain]+"?")
	if err != nil {
		return err
	}
	if len(f) > 1 {
		s.watched(domain, f[0] != "0")
	}
	return s.ctx.Err()
}

// quiet reports whether no message is being sent, nor was for a while.
func (s *session) quiet() bool { return s.idle(lookEvery / 2) }

func (s *session) idle(d time.Duration) bool {
	sending := s.m.Facts().InSend
	s.mu.Lock()
	defer s.mu.Unlock()
	return !sending && time.Since(s.lastSend) >= d
}

// look reads what may have changed, unless messages are flowing: their results
// say that the module is well.
func (s *session) look(ctx context.Context) {
	if !s.quiet() {
		return
	}
	s.stalledBy(s.readNetwork(ctx))
	s.cardAgain(ctx)
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

func (s *session) later(f func(context.Context)) {
	select {
	case s.follow <- f:
	case <-s.ctx.Done():
	}
}
