package board

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// authorisePause is between dropping a device and taking it anew: time for
// whoever has its ports open to notice and close them.
const authorisePause = time.Second

// Settle times, after which a modem that does not answer needs the next step.
// Modules take up to 20 s from power to their first answer (u-blox TOBY-L4).
const (
	settleUSB   = 5 * time.Second // the module keeps running, its ports come anew
	settleStart = 25 * time.Second
)

// errClosed is the end of operations that come after [Hardware.Close].
var errClosed = errors.New("the board is closed")

// Slot is where a modem sits. Its methods block until the operation is over,
// and one operation at a time is under way: others wait for it or for the end
// of their context. An operation whose context ends returns the modem to
// service at once, and the context's error.
type Slot struct {
	cfg   SlotConfig
	usb   port
	gang  string // why its port is not switched; empty: it is
	power *output
	reset *output
	sim   []*output

	busy   chan struct{} // holds a token while an operation is under way
	closed bool          // guarded by busy
	chosen int           // the SIM; guarded by busy

	ledMu   sync.Mutex // guards what follows: a lamp waits for no reset
	led     func(on bool) error
	lit     bool
	ledLine *output // if it is one
}

// Kind is what a step acts on.
type Kind int

// Kinds of steps, mildest first.
const (
	KindDevice Kind = iota // the USB device, which has to be there
	KindPort               // the USB port
	KindReset              // the reset line
	KindPower              // the power line
)

// USB reports whether the module leaves the bus by such a step and comes back,
// powered or not.
func (k Kind) USB() bool { return k == KindDevice || k == KindPort }

// Step is one way to bring a modem back.
type Step struct {
	Name   string // "USB re-authorise", for the log
	Kind   Kind
	Do     func(context.Context) error
	Settle time.Duration // how long the modem may then take to answer
}

func newSlot(c SlotConfig, root string, open opener) *Slot {
	s := &Slot{
		cfg: c, busy: make(chan struct{}, 1),
		usb: port{filepath.Join(root, "sys/bus/usb/devices"), c.USB},
	}
	line := func(key string, l *Line) *output {
		if l == nil {
			return nil
		}
		return &output{key: key, line: *l, open: open}
	}
	s.power, s.reset = line("power", c.Power), line("reset", c.Reset)
	for _, l := range c.SIMSelect {
		s.sim = append(s.sim, line("sim_select", &l))
	}
	switch {
	case c.LED == nil:
	case c.LED.Sysfs != "":
		s.led = lamp{filepath.Join(root, "sys/class/leds", c.LED.Sysfs)}.set
	default:
		s.ledLine = line("led", &c.LED.Line)
		s.led = s.ledLine.set
	}
	return s
}

// outputs lists the lines that decide over the modem.
func (s *Slot) outputs() []*output {
	var all []*output
	for _, o := range append([]*output{s.reset, s.power}, s.sim...) {
		if o != nil {
			all = append(all, o)
		}
	}
	return all
}

// look takes the lines that are not held, undoes what a killed process has left,
// and returns what is missing. Lines that are held stay as they are. The caller
// holds busy, or is the only one to know s.
func (s *Slot) look() (missing []Problem) {
	note := func(err error) {
		if err != nil {
			missing = append(missing, problem(err))
		}
	}
	for _, o := range []*output{s.reset, s.power} {
		if o != nil {
			note(o.set(false))
		}
	}
	for i, o := range s.sim {
		note(o.set(bit(s.chosen, i)))
	}
	if s.cfg.USB != "" {
		err := s.usb.restore()
		if err == nil {
			err = s.usb.missing()
		}
		note(err)
	}
	s.ledMu.Lock()
	defer s.ledMu.Unlock()
	if s.led != nil {
		note(s.led(s.lit))
	}
	return missing
}

// bit is what line i shows for SIM n.
func bit(n, i int) bool { return n>>i&1 == 1 }

// Problems looks for what the slot has in the configuration and not in truth, and
// takes into use what has come in the meantime. It waits for the operation under
// way.
func (s *Slot) Problems(ctx context.Context) []Problem {
	if err := s.hold(ctx); err != nil {
		return []Problem{{"it cannot be looked at: its modem is being reset", "ask again in a minute"}}
	}
	defer s.release()
	return s.look()
}

// Name returns the slot's name.
func (s *Slot) Name() string { return s.cfg.Name }

// Modem returns the name of the modem that sits in it; empty: nobody said.
func (s *Slot) Modem() string { return s.cfg.Modem }

// USB returns the port of the slot, "1-1.3"; empty: none is configured.
func (s *Slot) USB() string { return s.cfg.USB }

// Holds reports whether a USB device at a path, "1-1.3", is in the slot. A slot
// without a port holds none.
func (s *Slot) Holds(path string) bool {
	return s.cfg.USB != "" && slices.Contains(s.usb.halves(), path)
}

// Plugged reports whether the bus has a device at the slot's port. One that has
// crashed may be gone from the bus just as one that was pulled out.
func (s *Slot) Plugged() bool { return s.cfg.USB != "" && s.usb.plugged() }

// SIMs returns how many SIMs the slot's multiplexer can choose from; 0: none.
func (s *Slot) SIMs() int {
	if len(s.sim) == 0 {
		return 0
	}
	return 1 << len(s.sim)
}

// Reset holds the module in reset for reset_pulse.
func (s *Slot) Reset(ctx context.Context) error {
	if s.reset == nil {
		return s.lacks("reset line", `reset = "GPIO17"`)
	}
	return s.pulse(ctx, s.reset.set, s.cfg.ResetPulse.or(resetPulse))
}

// PowerCycle cuts the supply for power_off.
func (s *Slot) PowerCycle(ctx context.Context) error {
	if s.power == nil {
		return s.lacks("power line", `power = "GPIO17"`)
	}
	return s.pulse(ctx, s.power.set, s.cfg.PowerOff.or(powerOff))
}

// Reauthorise has the kernel drop the USB device and take it anew, as if it had
// been replugged. The module keeps running.
func (s *Slot) Reauthorise(ctx context.Context) error {
	if s.cfg.USB == "" {
		return s.lacks("USB port", `usb = "1-1.3"`)
	}
	drop := func(active bool) error { return s.usb.authorise(!active) }
	return s.pulse(ctx, drop, authorisePause)
}

// CyclePort switches the USB port off for power_off. Whether that cuts the
// supply is up to the hub; the device comes anew in any case. It refuses the
// port that switches other modems' supply too.
func (s *Slot) CyclePort(ctx context.Context) error {
	switch {
	case s.cfg.USB == "":
		return s.lacks("USB port", `usb = "1-1.3"`)
	case s.gang != "":
		return s.wrap(errors.New(s.gang))
	}
	off := func(active bool) error { return s.usb.enable(!active) }
	return s.pulse(ctx, off, s.cfg.PowerOff.or(powerOff))
}

// SelectSIM connects SIM n, from 0, to the modem. The lines change one after
// the other: the module's radio and SIM are to be off (AT+CFUN=0) by now, and
// it reads the new SIM when they are on again. Open chooses SIM 0.
func (s *Slot) SelectSIM(ctx context.Context, n int) error {
	if len(s.sim) == 0 {
		return s.lacks("SIM multiplexer", `sim_select = ["GPIO22"]`)
	}
	if n < 0 || n >= s.SIMs() {
		return s.wrap(fmt.Errorf("no SIM %d: its %d lines choose 0 to %d", n, len(s.sim), s.SIMs()-1))
	}
	if err := s.hold(ctx); err != nil {
		return err
	}
	defer s.release()
	if err := s.choose(n); err != nil {
		return s.wrap(errors.Join(err, s.choose(s.chosen)))
	}
	s.chosen = n
	return nil
}

// choose drives all lines, also where one fails.
func (s *Slot) choose(n int) error {
	var failed error
	for i, o := range s.sim {
		failed = errors.Join(failed, o.set(bit(n, i)))
	}
	return failed
}

// LED reports whether the slot has one.
func (s *Slot) LED() bool { return s.cfg.LED != nil }

// SetLED lights the slot's lamp or puts it out. It waits for no operation.
func (s *Slot) SetLED(on bool) error {
	if s.cfg.LED == nil {
		return s.lacks("LED", `led = "GPIO5" or "sysfs:ACT"`)
	}
	s.ledMu.Lock()
	defer s.ledMu.Unlock()
	s.lit = on
	return s.wrap(s.led(on))
}

// Resets lists what the slot can do for a modem that has stopped answering,
// mildest first.
func (s *Slot) Resets() []Step {
	var steps []Step
	if s.cfg.USB != "" {
		steps = append(steps, Step{"USB re-authorise", KindDevice, s.Reauthorise, settleUSB})
		if s.gang == "" {
			steps = append(steps, Step{"USB port off and on", KindPort, s.CyclePort, settleStart})
		}
	}
	if s.reset != nil {
		steps = append(steps, Step{"reset line", KindReset, s.Reset, settleStart})
	}
	if s.power != nil {
		steps = append(steps, Step{"power line", KindPower, s.PowerCycle, settleStart})
	}
	return steps
}

// Facts says what the slot can do, whom it does it for, and what it cannot.
func (s *Slot) Facts() []string {
	var can []string
	for _, step := range s.Resets() {
		can = append(can, step.Name)
	}
	if n := s.SIMs(); n > 0 {
		can = append(can, fmt.Sprintf("%d SIMs", n))
	}
	if s.cfg.LED != nil {
		can = append(can, "LED "+s.cfg.LED.String())
	}
	facts := []string{strings.Join(can, ", ")}
	if s.cfg.Modem != "" {
		facts = append(facts, "modem "+s.cfg.Modem)
	} else {
		facts = append(facts, "names no modem, so nothing uses it")
	}
	if s.gang != "" {
		facts = append(facts, s.gang)
	}
	return facts
}

// pulse makes something active for a time. However it ends, the thing is
// inactive afterwards, or the error says that it is not.
func (s *Slot) pulse(ctx context.Context, set func(active bool) error, length time.Duration) error {
	if err := s.hold(ctx); err != nil {
		return err
	}
	defer s.release()
	if err := set(true); err != nil {
		set(false) // it may have been done by half; what hindered it is told already
		return s.wrap(err)
	}
	waited := pause(ctx, length)
	if err := set(false); err != nil {
		return s.wrap(fmt.Errorf("the modem could not be returned to service: %w", err))
	}
	return waited
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hold waits until no other operation is under way.
func (s *Slot) hold(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.busy <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.closed {
		s.release()
		return s.wrap(errClosed)
	}
	return nil
}

func (s *Slot) release() { <-s.busy }

// close gives the lines back after the operation under way.
func (s *Slot) close() error {
	s.busy <- struct{}{}
	defer s.release()
	s.closed = true
	var failed error
	for _, o := range s.outputs() {
		failed = errors.Join(failed, o.close())
	}
	s.ledMu.Lock()
	defer s.ledMu.Unlock()
	s.led = func(bool) error { return errClosed }
	if s.ledLine != nil {
		failed = errors.Join(failed, s.ledLine.close())
	}
	return failed
}

// lacks says which line of the configuration would give the slot what it has not.
func (s *Slot) lacks(what, line string) error {
	return fmt.Errorf("slot %s has no %s: write %s into its [[board.slot]] if it is wired", s.cfg.Name, what, line)
}

func (s *Slot) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("slot %s: %w", s.cfg.Name, err)
}
