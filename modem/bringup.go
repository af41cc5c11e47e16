package modem

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cellpost/modem/profile"
)

// bringUp takes a module from any condition to where it can register and send,
// by way of a rung of the ladder if there is one to be taken.
func (s *session) bringUp(ctx context.Context, take *rung) error {
	if err := s.resync(ctx, resyncFor); err != nil {
		return fmt.Errorf("the module does not answer: %w", err)
	}
	s.m.learn(func(f *Facts) { f.Answering = true })
	climb := func(ctx context.Context) error { return s.climb(ctx, take) }
	return inOrder(ctx, s.stayedOn, s.dialect, s.identify, climb, s.prepare, s.radioOn, s.selectSlot, s.unlock, s.prepareAgain, s.awaitStarted, s.readCard, s.agree)
}

// agree makes the settings that a module forgets when it starts anew, and takes
// in what it stored. One that was up and has started anew needs more than that:
// the session ends. followUp must not run meanwhile.
func (s *session) agree(ctx context.Context) error {
	return inOrder(ctx, s.dialect, s.remembers, s.alphabet, s.messageService, s.acknowledgeOwed, s.reception, s.watch, s.readNetwork, s.sweep)
}

// inOrder takes the steps one after the other, up to the first error.
func inOrder(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// must sends a command that has to succeed.
func (s *session) must(ctx context.Context, cmd string, timeout time.Duration) ([]string, error) {
	info, err := s.dialogue.Command(ctx, cmd, timeout)
	if err != nil {
		return nil, fmt.Errorf("AT%s: %w", cmd, err)
	}
	return info, nil
}

// try sends a command that a module may lack: it returns nothing then. What
// only informs is asked this way; a dialogue out of step shows in the next must.
// A command that the module went deaf from again and again is not sent any more.
func (s *session) try(ctx context.Context, cmd string, timeout time.Duration) []string {
	name := strings.SplitN(cmd, "=", 2)[0]
	if s.m.shunned(name) {
		return nil
	}
	info, err := s.dialogue.Command(ctx, cmd, timeout)
	s.m.blame(name, err, 1)
	if err != nil {
		s.m.log.Debug("optional command", "cmd", name, "err", err)
		return nil
	}
	return info
}

// order sends a command that a module may refuse, but that is not left out for
// having made it deaf: there is no service without what it does.
func (s *session) order(ctx context.Context, cmd string, timeout time.Duration) {
	if _, err := s.dialogue.Command(ctx, cmd, timeout); err != nil {
		s.m.log.Debug("command", "cmd", strings.SplitN(cmd, "=", 2)[0], "err", err)
	}
}

// How often, and how long, a command is repeated to a module that says that it
// will be ready soon.
const (
	busyAgain    = 500 * time.Millisecond
	busyPatience = 40 * time.Second
)

// patiently is must for a module that may be busy yet.
func (s *session) patiently(ctx context.Context, cmd string, timeout time.Duration) ([]string, error) {
	for began := time.Now(); ; {
		info, err := s.dialogue.Command(ctx, cmd, timeout)
		if err == nil {
			return info, nil
		}
		if !isBusy(err) || time.Since(began) > busyPatience {
			return nil, fmt.Errorf("AT%s: %w", cmd, err)
		}
		if err := s.settle(ctx, busyAgain); err != nil {
			return nil, err
		}
	}
}

// dialect: no echo, verbose results, numeric errors.
func (s *session) dialect(ctx context.Context) error {
	for _, cmd := range []string{"E0", "V1"} {
		if _, err := s.must(ctx, cmd, commandTimeout); err != nil {
			return err
		}
	}
	s.try(ctx, "+CMEE=1", commandTimeout)
	return nil
}

// alphabet sets that of texts in quotes, which another program may have left at
// one that nobody here reads. 3GPP TS 27.007, 5.5.
func (s *session) alphabet(ctx context.Context) error {
	alphabet := "IRA"
	switch s.profile.USSD {
	case profile.USSDUCS2:
		alphabet = "UCS2"
	case profile.USSDGSM:
		alphabet = "GSM"
	}
	s.try(ctx, "+CSCS="+strconv.Quote(alphabet), commandTimeout)
	return nil
}

func (s *session) identify(ctx context.Context) error {
	manufacturer := answer(s.try(ctx, "+CGMI", commandTimeout))
	model := answer(s.try(ctx, "+CGMM", commandTimeout))
	revision := answer(s.try(ctx, "+CGMR", commandTimeout))
	imei := answer(s.try(ctx, "+CGSN", commandTimeout))
	if imei == "" {
		imei = answer(s.try(ctx, "+GSN", commandTimeout))
	}
	if was := s.m.Facts().IMEI; was != "" && was != digits(imei) {
		s.m.hears()
	}
	s.profile = s.m.wired(s.m.profileOf(profile.Module{Manufacturer: manufacturer, Model: model, Revision: revision, USB: s.place.ID}))
	s.m.mu.Lock()
	s.m.profile = s.profile
	s.m.mu.Unlock()
	s.mu.Lock()
	s.starts = startsOf(s.profile)
	s.ussd = newUSSDSession(s.profile.USSD, s.m.noticed)
	s.mu.Unlock()
	s.m.learn(func(f *Facts) {
		f.Manufacturer, f.Model, f.Revision = manufacturer, model, revision
		f.IMEI = digits(imei)
		f.Profile, f.ProfileTitle, f.Known = s.profile.Name, s.profile.Title, nil
		for _, k := range s.profile.KnownFaults(revision) {
			f.Known = append(f.Known, Finding{Code: "module-fault", Cause: k.Fault, Step: k.Step})
		}
	})
	return nil
}

// profileOf returns what is known of a module: as configured, or as it says.
func (m *Modem) profileOf(module profile.Module) profile.Profile {
	if m.cfg.Profiles == nil {
		return profile.Profile{Radio: []string{"+CFUN=0", "+CFUN=1"}}
	}
	if m.cfg.Profile != "" && m.cfg.Profile != "auto" {
		if p, ok := m.cfg.Profiles.Named(m.cfg.Profile); ok {
			return p
		}
	}
	return m.cfg.Profiles.Match(module)
}

// wired is a profile for a cable as it was configured: of RTS and CTS the module is
// told after all that may put its settings back.
func (m *Modem) wired(p profile.Profile) profile.Profile {
	if m.cfg.Mode.RTSCTS {
		p.Init = slices.Concat(p.Init, p.Flow)
	}
	return p
}

// climb takes a rung of the ladder that needs the module's help.
func (s *session) climb(ctx context.Context, take *rung) error {
	if take == nil {
		return nil
	}
	s.m.log.Warn("recovery", "rung", take.name)
	if take.restarts {
		s.startsAgain()
	}
	for _, cmd := range take.commands {
		s.order(ctx, cmd, slowTimeout)
	}
	if take.restarts {
		return errRestarting
	}
	return nil
}

// startsAgain makes the ready signals count for the next session.
func (s *session) startsAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restarted, s.heard = true, map[string]bool{}
}

// prepare sends what the family wants first. It may put the dialect back.
func (s *session) prepare(ctx context.Context) error {
	if len(s.profile.Init) == 0 {
		return nil
	}
	for _, cmd := range s.profile.Init {
		s.try(ctx, cmd, cardTimeout)
	}
	return s.dialect(ctx)
}

// prepareAgain is prepare for a module that may have refused some of it while its
// SIM was locked, as Cinterion's do.
func (s *session) prepareAgain(ctx context.Context) error {
	if s.unlocked.IsZero() {
		return nil
	}
	return s.prepare(ctx)
}

// radioOn switches on the radio of a module that was left with it off, perhaps by
// another program: it remembers that.
func (s *session) radioOn(ctx context.Context) error {
	state := fields(s.try(ctx, "+CFUN?", commandTimeout))
	if len(state) == 0 || state[0] != "0" && state[0] != "4" { // 3GPP TS 27.007, 8.2
		return nil
	}
	on := "+CFUN=1"
	if _, own := s.radio(); own != "" {
		on = own
	}
	s.m.log.Warn("the radio was off: it is switched on", "was", state[0])
	s.order(ctx, on, slowTimeout)
	return nil
}

// stayedOn finds out whether a module has started anew at all, or its port only
// went away for a moment: then what it says when it starts does not come.
func (s *session) stayedOn(ctx context.Context) error {
	if !s.fresh {
		return nil
	}
	network := fields(s.try(ctx, domains[0]+"?", commandTimeout))
	format := fields(s.try(ctx, "+CMGF?", commandTimeout))
	forgot := len(network) < 2 || network[0] == "0" || len(format) == 0 || format[0] == textMode
	s.fresh = forgot
	return nil
}

// awaitStarted waits for the signals that a module of this family gives when it
// is ready for messages, if it has just started, or was given its PIN: before that
// they do not come.
func (s *session) awaitStarted(ctx context.Context) error {
	signals, since := s.profile.Ready, s.began
	if !s.unlocked.IsZero() {
		since = s.unlocked
	}
	if len(signals) == 0 || !s.fresh && s.unlocked.IsZero() {
		return nil
	}
	over := since.Add(s.profile.ReadyIn)
	for last := s.started; !s.heardAll(signals); {
		if last = last || s.heardBut(signals[:len(signals)-1]); last {
			over = earlier(over, time.Now().Add(restReadyIn))
		}
		select {
		case <-s.said:
		case <-time.After(time.Until(over)):
			s.m.log.Info("the module did not say that it is ready", "awaited", signals, "for", s.profile.ReadyIn)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// restReadyIn is how long the other ready signals are awaited when one was heard
// before the session, for they may have come while the port was closed; or when
// the last one was heard, for it may be all that is said of a start.
const restReadyIn = 5 * time.Second

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// heardBut reports whether a ready signal was heard that is none of these: the
// last of the family, or one of another.
func (s *session) heardBut(these []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for signal := range s.heard {
		if !slices.Contains(these, signal) {
			return true
		}
	}
	return false
}

func (s *session) heardAll(signals []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, signal := range signals {
		if !s.heard[signal] {
			return false
		}
	}
	return true
}

// watch asks the module to announce what changes: registration, network time,
// and who calls.
func (s *session) watch(ctx context.Context) error {
	for _, d := range domains {
		s.try(ctx, d+"=1", commandTimeout)
	}
	for _, cmd := range []string{"+CTZU=1", "+CTZR=1", "+CLIP=1"} {
		s.try(ctx, cmd, cardTimeout)
	}
	s.readClock(ctx)
	return nil
}
