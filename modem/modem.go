// Package modem keeps a GSM modem in service: it finds the device, brings the
// module up as its family wants, watches the registration, hands over messages,
// takes in reports and messages from handsets, chooses the SIM slot, and gets the
// module back when it stalls or goes away. It promises that the process never
// ends for a modem, and that the outcome of a hand-over is never guessed.
package modem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"cellpost/modem/at"
	"cellpost/modem/profile"
	"cellpost/sms"
)

// Config is what the operator says about a modem.
type Config struct {
	Name   string
	Device string  // path of its serial device, where Locate is nil
	Mode   at.Mode // of its serial device

	// Locate finds the modem before each session, and blocks until it is there;
	// nil: it is at Device.
	Locate func(ctx context.Context) (Place, error)

	Profiles *profile.Table // nil: every module is taken for one that follows the standards
	Profile  string         // name of its profile; empty or "auto": as the module says

	SIM    string // name of the SIM in routes; empty: Name
	PIN    string // of the SIM; empty: none is tried
	PINs   *PINs  // what was given before; nil: nothing is remembered beyond the process
	MSISDN string // of the SIM, digits; empty: as the SIM says
	SMSC   string // service centre, "+" and digits; empty: as the SIM says

	Slots     []Slot                                                                 // further SIM slots, the preferred first
	SIMs      []Slot                                                                 // what is known of SIMs by their names, for one that belongs into another modem
	SelectSIM func(ctx context.Context, slot int) error                              // switches to a slot, from 0, outside the module; nil: by its commands
	SlotHold  time.Duration                                                          // how long a SIM that was left is left alone; 0: 30 min
	Spent     func(ctx context.Context, sim string) string                           // why a SIM is not to be used for now (quota, hours); empty: it is; nil: none has limits
	NameCard  func(ctx context.Context, c Plugged) (name, warning string, err error) // gives a SIM its name in routes; nil: that of its slot

	Steps []Step // ways to get the module back beyond its commands, the mildest first

	RejectCalls bool              // hang up on who calls
	Clock       func(ClockSample) // gets each time that the network tells; may be nil, and must not block
	Service     func(ready bool)  // told when the modem begins and ends to carry messages; may be nil, and must not block

	PromptTimeout time.Duration // AT+CMGS to the prompt; 0: 10 s
	ResultTimeout time.Duration // Ctrl-Z to the final result; 0: 60 s
}

// Slot is a SIM slot beyond the first, as in Config.
type Slot struct {
	SIM, PIN, MSISDN, SMSC string
}

// Place is where a modem is to be found.
type Place struct {
	Device string     // path of the port that takes commands
	USB    string     // path on the bus, "1-1.3"; empty: not on USB
	ID     profile.ID // of the USB device
}

// Plugged is a SIM that a modem has found in one of its slots.
type Plugged struct {
	ICCID, IMSI, MSISDN string // empty: it did not tell; of one that is locked only the ICCID may be known
	Modem               string
	Slot                int    // from 0
	Configured          string // name of that slot's SIM in the configuration
}

// Inbox keeps what comes from the network. The modem acknowledges or deletes it
// when the method has returned nil, and not before.
type Inbox interface {
	Report(ctx context.Context, r sms.Report) error
	Receive(ctx context.Context, in sms.Inbound) error

	// Late takes the result of a hand-over that had ended unknown.
	Late(ctx context.Context, attempt int64, o sms.Outcome) error
}

// Modem is one modem, present or not.
type Modem struct {
	cfg   Config
	inbox Inbox
	serve func(context.Context, *Line) error
	log   *slog.Logger
	open  func(path string, mode at.Mode) (io.ReadWriteCloser, error)

	trace   Trace
	calls   callLog
	notices noticeLog
	history history

	outside int    // slot that SelectSIM has chosen; -1: none yet. Of Run alone
	cnmi    string // agreed with the module last; empty: nothing. Of Run alone

	changed chan struct{} // holds a token when what decides about the session may have changed
	wake    chan struct{} // holds a token when a person wants something

	heard map[string]bool // ready signals for the next session; of Run alone

	mu        sync.Mutex // guards what follows
	facts     Facts
	slots     []slotState
	slot      int                 // index of the slot in use
	profile   profile.Profile     // of the module that was met last
	current   *session            // nil between sessions
	wanted    *rung               // that a person has asked for
	deaf      map[string]deafness // by command
	unkept    []unkept            // when the store had failed and the network thinks them delivered
	spills    bool                // there was no room for more of them, which was told
	stalls    int                 // hand-overs in a row that stalled without an outcome, whatever the slot
	lonely    int                 // rungs that were taken for want of a network, and did not bring one
	owed      int64               // attempt whose result the module may tell yet; 0: none
	place     Finding             // what a person should put right about where it is; zero: nothing
	suspended bool
}

// New returns a modem out of service. serve is called with a [Line] whenever
// the modem comes into service; it carries messages over it and returns when
// its context ends, which is when the modem leaves service.
func New(c Config, inbox Inbox, serve func(context.Context, *Line) error, log *slog.Logger) *Modem {
	c.SIM = cmp.Or(c.SIM, c.Name)
	c.SlotHold = cmp.Or(c.SlotHold, 30*time.Minute)
	c.PromptTimeout = cmp.Or(c.PromptTimeout, 10*time.Second)
	c.ResultTimeout = cmp.Or(c.ResultTimeout, time.Minute)
	m := &Modem{
		cfg: c, inbox: inbox, serve: serve, log: log.With("modem", c.Name), open: at.Open,
		changed: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		outside: -1, deaf: map[string]deafness{},
	}
	for _, s := range append([]Slot{{c.SIM, c.PIN, c.MSISDN, c.SMSC}}, c.Slots...) {
		m.slots = append(m.slots, slotState{Slot: s, key: s})
	}
	m.facts = m.blank(Facts{Device: c.Device})
	return m
}

// Facts returns what is known of the modem now. What its slices hold is not to
// be changed.
func (m *Modem) Facts() Facts {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.facts
	f.Place, f.Aside = m.place, m.aside(time.Now())
	if m.place.Cause != "" && (!f.Present || f.Problem == "") {
		f.Problem = m.place.Cause
	}
	return f
}

// away notes that the modem is looked for and not there.
func (m *Modem) away() {
	m.learn(func(f *Facts) { f.Present, f.Problem = false, errAbsent.Error() })
}

// misplace sets what a person should put right about where the modem is.
func (m *Modem) misplace(f Finding) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f.Cause = oneLine(f.Cause)
	m.place = f
}

// opened returns the path of the port that the modem has open; empty: none.
func (m *Modem) opened() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil {
		return ""
	}
	return m.current.place.Device
}

// oneLine writes errors that were joined as people are told of them.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }

// learn changes facts; when the state changes by it, it logs, and tells the
// session. Run alone changes Ready, so that Service hears of it in order.
func (m *Modem) learn(change func(*Facts)) {
	m.mu.Lock()
	before, was := steady(m.facts.State()), m.facts.Ready
	change(&m.facts)
	m.facts.Problem = oneLine(m.facts.Problem)
	now, problem := steady(m.facts.State()), m.facts.Problem
	ready := m.facts.Ready
	if now != before {
		m.facts.Since = time.Now()
		m.slots[m.slot].served(now, m.facts.Since)
	}
	m.mu.Unlock()
	if ready != was && m.cfg.Service != nil {
		m.cfg.Service(ready)
	}
	if now == before {
		return
	}
	m.log.Info("modem state", "from", before, "to", now, "problem", problem)
	poke(m.changed)
}

// poke leaves a token in a channel of one, unless one is there.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// steady takes the sending out of a state, which changes with every message.
func steady(s State) State {
	if s == Sending {
		return Ready
	}
	return s
}

// blank is what is known when a session has ended. The caller holds mu, or is
// the only one to know m.
func (m *Modem) blank(f Facts) Facts {
	slot := m.slots[m.slot]
	if slot.card == "" {
		slot.card, slot.number = slot.SIM, slot.MSISDN
	}
	return Facts{
		Name: m.cfg.Name, Device: f.Device, USB: f.USB, SIM: slot.card, MSISDN: slot.number, Slot: m.slot, Slots: len(m.slots),
		IMEI: f.IMEI, Profile: f.Profile, ProfileTitle: f.ProfileTitle,
		Sent: f.Sent, Refused: f.Refused, Stalls: f.Stalls, LastSent: f.LastSent, Since: f.Since,
		Present: f.Present, Suspended: m.suspended, NetworkTime: f.NetworkTime,
	}
}

// Run keeps the modem in service until ctx ends.
func (m *Modem) Run(ctx context.Context) error {
	var l ladder
	var take *rung
	fresh := false // the module has started since it was heard last
	for ctx.Err() == nil {
		select {
		case <-m.wake: // what it is about is seen below
		default:
		}
		if r := m.takeWanted(); r != nil {
			take = r
			l.restUntil(time.Now(), r.settle+rungRest) // what it brings back is not to be reset at once
		}
		if take != nil && take.step != nil {
			m.climb(ctx, take)
			take, fresh = nil, true
		}
		m.awaitResumed(ctx)
		began := time.Now()
		served, err := m.runSession(ctx, take, fresh)
		if ctx.Err() != nil {
			break
		}
		fresh = startsAnew(err)
		waited := m.cfg.Locate != nil && errors.Is(err, errAbsent) && time.Since(began) > lookAgain/2
		var wait time.Duration
		if take, wait = m.afterSession(&l, served, err); take == nil && !waited {
			m.pause(ctx, wait, errors.Is(err, errAbsent))
		}
	}
	m.keepLast(ctx)
	m.learn(func(f *Facts) { f.Ready, f.Problem = false, "stopped" })
	return nil
}

// startsAnew reports whether a module is at its start when it is met again,
// after the session that ended with err.
func startsAnew(err error) bool {
	return errors.Is(err, errAbsent) || errors.Is(err, errLost) || errors.Is(err, errRebooted) || errors.Is(err, errForgot) || errors.Is(err, errRestarting)
}

// afterSession notes how a session ended, and returns the rung of the ladder that
// is to be taken next, nil for none, and how long to wait otherwise.
func (m *Modem) afterSession(l *ladder, served bool, err error) (take *rung, wait time.Duration) {
	planned := errors.Is(err, errAsked) || errors.Is(err, errSlot)
	unfit := errors.Is(err, errConfused) || errors.Is(err, errStalling) || errors.Is(err, errNoNetwork)
	_, elsewhere := errors.AsType[elsewhereError](err)
	elsewhere = elsewhere || errors.Is(err, errAbsent) && m.Facts().Place.barred()
	switch {
	case planned:
	case errors.Is(err, errRestarting):
		wait = m.restartTakes()
	case served && !unfit:
		l.served(time.Now())
	case elsewhere:
		wait = l.again()
	default:
		if unfit {
			l.failures = max(l.failures, reopenings) // it needs more than a new opening
		}
		take, wait = l.failed(m.rungs(), m.Facts().Answering, time.Now())
	}
	m.learn(func(f *Facts) {
		*f = m.blank(*f)
		f.Present = !errors.Is(err, errAbsent) && !errors.Is(err, at.ErrNoPort)
		if f.Problem = err.Error(); planned {
			f.Problem = ""
		}
		f.Recovering, f.Parked, f.NextReset = l.failures, l.parked(), time.Time{}
		if take != nil {
			f.Rung = take.name
		} else if l.failures > reopenings {
			f.NextReset = l.rest
		}
	})
	return take, wait
}

// rungs are what may be done for the module, as far as it is known.
func (m *Modem) rungs() []rung {
	return rungs(m.knownProfile(), m.cfg.Steps)
}

// knownProfile is the profile of the module that was met last.
func (m *Modem) knownProfile() profile.Profile {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.profile
}

// restartTakes is from the command for a restart to when the module is called
// again: not before it is off, and before it says that it is ready. Until it
// answers the session waits, or the next one.
func (m *Modem) restartTakes() time.Duration { return min(restartOff, m.knownProfile().Back) }

const restartOff = 8 * time.Second

// climb takes a step that does not need the module's help.
func (m *Modem) climb(ctx context.Context, r *rung) {
	m.log.Warn("recovery", "rung", r.name)
	m.learn(func(f *Facts) { f.Rung = r.name })
	if err := r.step(ctx); err != nil {
		m.log.Error("recovery", "rung", r.name, "err", err)
		m.learn(func(f *Facts) { f.Problem = fmt.Sprintf("%s: %v", r.name, err) })
		return
	}
	m.pause(ctx, r.settle, false)
}

// pause waits until the next session is worth trying. What a person wants ends it.
func (m *Modem) pause(ctx context.Context, wait time.Duration, absent bool) {
	if wait == 0 && !absent {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var woken sync.WaitGroup
	defer woken.Wait()
	defer cancel()
	woken.Go(func() {
		select {
		case <-m.wake:
			cancel()
		case <-ctx.Done():
		}
	})
	if absent && m.cfg.Locate == nil {
		awaitDevice(ctx, m.cfg.Device, lookAgain)
		return
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
}

// Suspend takes the modem out of service until [Modem.Resume]: its port is
// closed once the hand-over under way has its result.
func (m *Modem) Suspend() { m.setSuspended(true) }

// Resume ends [Modem.Suspend].
func (m *Modem) Resume() { m.setSuspended(false) }

func (m *Modem) setSuspended(s bool) {
	m.mu.Lock()
	m.suspended = s
	current := m.current
	m.mu.Unlock()
	m.learn(func(f *Facts) { f.Suspended = m.suspended })
	poke(m.wake)
	if s && current != nil {
		current.end(errAsked)
	}
}

func (m *Modem) isSuspended() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.suspended
}

// awaitResumed returns when the modem is not suspended, or ctx has ended.
func (m *Modem) awaitResumed(ctx context.Context) {
	for m.isSuspended() {
		select {
		case <-m.wake:
		case <-ctx.Done():
			return
		}
	}
}

// Reset takes a rung of the recovery ladder now: the one with a name, or the
// mildest. It returns the name at once; Facts tell what comes of it. A modem
// that is suspended is not reset.
func (m *Modem) Reset(name string) (string, error) {
	if m.isSuspended() {
		return "", fmt.Errorf("the modem is suspended: cellpost modem resume %s", ShellWord(m.cfg.Name))
	}
	all := m.rungs()
	if len(all) == 0 {
		return "", errors.New("nothing can reset this modem: its family bears no reset by command, and [board] names no slot for it")
	}
	i := 0
	if name != "" {
		i = slices.IndexFunc(all, func(r rung) bool { return r.name == name })
	}
	if i < 0 {
		var names []string
		for _, r := range all {
			names = append(names, r.name)
		}
		return "", fmt.Errorf("no reset called %q: choose one of %s", name, strings.Join(names, ", "))
	}
	m.mu.Lock()
	m.wanted = &all[i]
	current := m.current
	m.mu.Unlock()
	poke(m.wake)
	if current != nil {
		current.end(errAsked)
	}
	return all[i].name, nil
}

func (m *Modem) takeWanted() *rung {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.wanted
	m.wanted = nil
	return r
}
