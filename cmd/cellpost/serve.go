package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cellpost/board"
	"cellpost/ingress"
	"cellpost/ingress/smtpd"
	"cellpost/modem"
	"cellpost/modem/profile"
	"cellpost/queue"
	"cellpost/queue/sqlite"
	"cellpost/sms"
	"cellpost/systemd"
)

type configFlag struct {
	Config string `help:"Configuration file; default: ${config}." default:"${config}" env:"CELLPOST_CONFIG" placeholder:"FILE"`
}

type serveVerb struct {
	configFlag
	LogLevel slog.Level `help:"debug, info, warn or error." default:"info"`
}

func (v serveVerb) Run(ctx context.Context, s streams) error {
	c, err := loadConfig(v.Config)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: v.LogLevel}))
	return (&daemon{config: c, log: log}).run(ctx)
}

// memoryAim is from where on the runtime collects garbage more often, in octets: it
// would let the heap of two large mails at a time grow to twice of what is in use.
// GOMEMLIMIT overrides it.
const memoryAim = 64 << 20

// daemon is the gateway at work.
type daemon struct {
	config config
	log    *slog.Logger
	ready  func() // called when every door listens; may be nil

	store *sqlite.Store
	queue *queue.Queue
	gate  *ingress.Gate

	hardware *board.Hardware
	fleet    *modem.Fleet
	time     *modem.ClockWatch // what the networks say of it
	clock    *clockKeeper      // whether this machine's shows it
	pins     *modem.PINs       // that were given to SIMs
	cards    []sms.Card        // that had been seen when the process started
}

// run starts what there is in order, and stops it in reverse. A part that
// ends by itself ends the rest: the supervisor starts all anew.
func (d *daemon) run(ctx context.Context) (err error) {
	d.logConfig()
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryAim)
	}
	if err := os.MkdirAll(d.config.DataDir, 0o750); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	// Before all else: Recover would call in doubt what another process has on
	// the air.
	claimed, err := claim(d.config.DataDir)
	if err != nil {
		return err
	}
	defer claimed.Close()
	// The store is first and last: everything else writes to it until its end.
	rules := d.config.rules()
	if err := d.openStore(ctx); err != nil {
		return err
	}
	defer func() { err = d.closeStore(err) }()
	boot, up := sinceBoot()
	if err := d.store.Resume(ctx, boot, up); err != nil {
		return err
	}
	if err := d.operatorAccount(ctx); err != nil {
		return err
	}
	store := start(ctx, d.store.Run)
	defer store.stop()

	doors := map[string]queue.Notifier{}
	if d.config.MailOut.Smarthost != "" {
		if doors[smtpd.Door], err = d.config.MailOut.mailer(); err != nil {
			return err
		}
	}
	d.queue = queue.New(d.store, rules, doors, d.log)
	// What was on the air when the last process ended is unknown before the
	// first new hand-over.
	if err := d.queue.Recover(ctx); err != nil {
		return err
	}
	// Nothing that waits for a time of the clock leaves by a wrong one.
	d.time = modem.NewClockWatch(clockFloor())
	d.clock = newClockKeeper(d.clockFacts, d.queue.Trust, d.log)
	if err := d.clock.look(ctx); err != nil {
		return err
	}
	clerk := start(ctx, d.queue.Run)
	defer clerk.stop()
	clock := start(ctx, d.clock.run)
	defer clock.stop()

	// The lines of the board do not float while a modem hangs on them.
	if d.hardware, err = d.openBoard(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.hardware.Close()) }()
	table, err := d.config.profiles()
	if err != nil {
		return err
	}
	// Without a modem the gateway still takes messages.
	if d.cards, err = d.store.Cards(ctx); err != nil {
		return err
	}
	d.pins = modem.NewPINs(d.config.pins())
	d.fleet = d.newFleet(table)
	modems := start(ctx, d.fleet.Run)
	defer modems.stop()

	d.gate = &ingress.Gate{
		Queue: d.queue, Accounts: d.account, Senders: d.store.Accounts, Rules: rules,
		CountryPrefix: d.config.CountryPrefix, Blocked: d.config.Blocked, Sender: d.sender, Trusted: func() bool { return d.clock.clock().Trusted }, Log: d.log,
	}
	open, err := d.openDoors()
	if err != nil {
		return err
	}
	in := start(ctx, func(ctx context.Context) error { return together(ctx, open) })
	defer in.stop()

	d.announce()
	dog := start(ctx, d.feedWatchdog)
	defer dog.stop()
	status := start(ctx, d.tellStatus)
	defer status.stop()
	snapshots := start(ctx, d.keepSnapshots)
	defer snapshots.stop()
	past := start(ctx, d.keepHistory)
	defer past.stop()

	var ended error
	select {
	case <-ctx.Done():
		d.log.Info("stopping")
	case err := <-store.ended:
		ended = fmt.Errorf("the store ended: %w", err)
	case err := <-clerk.ended:
		ended = fmt.Errorf("the queue ended: %w", err)
	case err := <-modems.ended:
		ended = fmt.Errorf("the modems ended: %w", err)
	case err := <-in.ended:
		ended = fmt.Errorf("a door ended: %w", err)
	case err := <-snapshots.ended:
		ended = fmt.Errorf("the snapshots ended: %w", err)
	}
	// From here on systemd minds the time to stop, not the watchdog.
	if err := systemd.Stopping(); err != nil {
		d.log.Warn("tell systemd", "err", err)
	}
	return ended
}

// sinceBoot names the start of this machine, and says how long ago it was.
func sinceBoot() (boot string, up time.Duration) {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return "", 0
	}
	return strings.TrimSpace(string(id)), time.Duration(t.Nano())
}

// part is something that runs until it is stopped.
type part struct {
	stop  func()     // ends it and waits
	ended chan error // holds the result of one that ended by itself
}

// start runs f in the background. It does not end with ctx, but when it is
// stopped: what was started first has to end last.
func start(ctx context.Context, f func(context.Context) error) part {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := part{ended: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.ended <- f(ctx)
	}()
	p.stop = func() {
		cancel()
		<-done
	}
	return p
}

// announce says that every door listens.
func (d *daemon) announce() {
	d.log.Info("ready", "version", version())
	if err := systemd.Ready(); err != nil {
		d.log.Warn("tell systemd", "err", err)
	}
	if d.ready != nil {
		d.ready()
	}
}

// feedWatchdog shows systemd that the store writes and the clerk comes round.
func (d *daemon) feedWatchdog(ctx context.Context) error {
	err := systemd.Watchdog(ctx, d.log,
		systemd.Check{Name: "store", Turn: func(ctx context.Context) error { _, err := d.store.Now(ctx); return err }},
		systemd.Check{Name: "queue", Turn: d.queue.Turn})
	if err != nil {
		d.log.Error("watchdog", "err", err)
	}
	return nil
}

// logConfig prints what is in force, without secrets.
func (d *daemon) logConfig() {
	c := d.config
	d.log.Info("configuration", "data_dir", c.DataDir, "country_prefix", c.CountryPrefix, "smarthost", c.MailOut.Smarthost,
		"routes", len(c.Route), "prompt_timeout", c.Send.PromptTimeout, "result_timeout", c.Send.ResultTimeout,
		"unknown_wait", c.Send.UnknownWait, "escalate_after", c.Send.EscalateAfter, "on_unknown", c.Send.OnUnknown,
		"snapshot", c.Store.Snapshot, "clock_trust", c.Clock.Trust, "keep", c.History.Keep, "anonymise_after", c.History.AnonymiseAfter)
	for _, l := range c.SMTP {
		d.log.Info("configuration", "smtp", l.Listen, "tls", l.TLS, "require_auth", l.RequireAuth, "auth_without_tls", *l.ClearAuth,
			"networks", l.Networks, "domains", l.Domains, "account", l.Account, "legacy", l.Legacy,
			"max_connections", l.MaxConnections, "max_connections_per_peer", l.MaxPerPeer, "max_recipients", l.MaxRecipients,
			"mails_per_minute", l.MailsPerMinute, "account_mails_per_minute", l.AccountsPerMinute,
			"idle_timeout", l.IdleTimeout, "mail_timeout", l.MailTimeout)
	}
	for _, m := range c.Modem {
		d.log.Info("configuration", "modem", m.Name, "device", m.Device, "imei", m.IMEI, "usb", m.USB, "profile", m.Profile,
			"sim", m.SIM, "pin", m.PIN != "", "slots", len(m.slots()))
	}
}

// sender finds the SIM with a number: as the SIM tells, as configured, or as the
// SIM told an earlier process.
func (d *daemon) sender(msisdn string) (sim string, ok bool) {
	for _, m := range d.fleet.Modems() {
		if f := m.Facts(); f.MSISDN == msisdn {
			return f.SIM, true
		}
	}
	return d.config.sender(msisdn, d.cards)
}

// sender finds the SIM with a number where no modem has told of it: as configured, or
// among the cards that had been seen.
func (c config) sender(msisdn string, cards []sms.Card) (sim string, ok bool) {
	for _, slot := range c.simSlots() {
		if slot.MSISDN == msisdn {
			return slot.SIM, true
		}
	}
	for _, card := range cards {
		if card.Number == msisdn && card.Name != "" && card.Modem != "" {
			return card.Name, true
		}
	}
	return "", false
}

// newFleet makes the modems of the configuration; others are discovered if that
// is wanted.
func (d *daemon) newFleet(table *profile.Table) *modem.Fleet {
	entries := map[string]modemEntry{}
	c := modem.FleetConfig{
		Tree: d.config.Modems.tree(), Discover: d.config.Modems.Discover, Names: d.config.discovered(),
		Ports: table.Ports, Log: d.log,
	}
	for _, e := range d.config.Modem {
		entries[e.Name] = e
		c.Modems = append(c.Modems, modem.Entry{Name: e.Name, Device: e.Device, USB: e.USB, IMEI: e.IMEI})
	}
	c.Make = func(name string, locate func(context.Context) (modem.Place, error)) *modem.Modem {
		e, configured := entries[name]
		if !configured {
			e = modemEntry{Name: name, SIM: name, SlotHold: defaultSlotHold}
		}
		return d.newModem(e, table, locate)
	}
	return modem.NewFleet(c)
}

// newModem makes a modem with what the board can do for it, out of service if a
// person has suspended it.
func (d *daemon) newModem(e modemEntry, table *profile.Table, locate func(context.Context) (modem.Place, error)) *modem.Modem {
	serve := func(ctx context.Context, l *modem.Line) error { return d.queue.Serve(ctx, l) }
	c := d.equip(d.config.modem(e, table))
	c.PINs = d.pins
	if rules := d.config.rules(); len(rules.PerSIM) > 0 {
		c.Spent = func(ctx context.Context, sim string) string { return d.spent(ctx, rules, sim) }
	}
	c.Locate, c.NameCard, c.Clock, c.SIMs = locate, d.nameCard, d.hearTime, d.config.simSlots()
	m := modem.New(c, d.queue, serve, d.log)
	if d.config.suspended(e.Name) {
		m.Suspend()
	}
	return m
}

// clockFloor is a time that has passed: no network is believed that tells an
// earlier one.
func clockFloor() time.Time {
	floor := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	if built := builtAt(); built.After(floor) {
		return built
	}
	return floor
}

// nameCard finds the name of a SIM in routes. The names of SIMs that are in
// service elsewhere are taken.
func (d *daemon) nameCard(ctx context.Context, p modem.Plugged) (name, warning string, err error) {
	var busy []string
	for _, m := range d.fleet.Modems() {
		if f := m.Facts(); f.Name != p.Modem && f.Card == modem.CardReady {
			busy = append(busy, f.SIM)
		}
	}
	return d.store.Card(ctx, sms.Card{ICCID: p.ICCID, IMSI: p.IMSI, Number: p.MSISDN, Modem: p.Modem, Slot: p.Slot, Configured: p.Configured}, busy)
}

// openBoard takes the hardware that the modems sit on into use. What is missing
// of it is told, and keeps nothing from working.
func (d *daemon) openBoard(ctx context.Context) (*board.Hardware, error) {
	h, err := board.Open(d.config.Board, d.config.Modems.boardRoot())
	if err != nil {
		return nil, err
	}
	d.log.Info("board", "model", h.Board.String(), "slots", len(h.Slots))
	for _, p := range h.Problems() {
		d.log.Warn("board", "problem", p)
	}
	for _, s := range h.Slots {
		for _, p := range s.Problems(ctx) {
			d.log.Warn("board", "slot", s.Name(), "problem", p)
		}
	}
	return h, nil
}

// equip gives a modem what the board can do for it.
func (d *daemon) equip(c modem.Config) modem.Config {
	slot := d.hardware.Slot(c.Name)
	if slot == nil {
		return c
	}
	name := c.Name
	for _, s := range slot.Resets() {
		c.Steps = append(c.Steps, modem.Step{
			Name: s.Name, USB: s.Kind.USB(), Settle: s.Settle,
			Do: func(ctx context.Context) error {
				if err := seated(name, slot, d.allFacts()); err != nil {
					return err
				}
				return s.Do(ctx)
			},
			Worth: func() modem.Worth { return worth(s.Kind, name, slot, d.allFacts()) },
		})
	}
	if slot.SIMs() > 1 {
		c.SelectSIM = slot.SelectSIM
	}
	if slot.LED() {
		c.Service = light(slot.SetLED, d.log.With("modem", name))
	}
	return c
}

func (d *daemon) allFacts() []modem.Facts {
	var all []modem.Facts
	for _, m := range d.fleet.Modems() {
		all = append(all, m.Facts())
	}
	return all
}

// worth says what to expect of a step of a modem's slot. Where the slot names no
// USB port, the modem tells whether it is there.
func worth(k board.Kind, name string, slot *board.Slot, all []modem.Facts) modem.Worth {
	plugged := slot.Plugged()
	if slot.USB() == "" {
		plugged = slices.ContainsFunc(all, func(f modem.Facts) bool { return f.Name == name && f.Present })
	}
	switch {
	case seated(name, slot, all) != nil, !plugged && k == board.KindDevice:
		return modem.Pointless
	case !plugged:
		return modem.Doubtful
	}
	return modem.Worthwhile
}

// seated returns an error if a modem is not in its slot at a USB port: modems
// found by their IMEI may have changed places, and a step would hit the wrong one.
func seated(name string, slot *board.Slot, all []modem.Facts) error {
	for _, f := range all {
		if slot.USB() == "" || f.USB == "" || !f.Present || f.Suspended {
			continue
		}
		if mine := f.Name == name; mine != slot.Holds(f.USB) {
			return fmt.Errorf("modem %s is at USB port %s, and slot %s of modem %s at %s: put it back, or correct usb in [[board.slot]]",
				f.Name, f.USB, slot.Name(), name, slot.USB())
		}
	}
	return nil
}

// openDoors listens on every door; what it returns serves them.
func (d *daemon) openDoors() (serve []func(context.Context) error, err error) {
	var listeners []net.Listener
	defer func() {
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
		}
	}()
	for _, c := range d.config.SMTP {
		door, err := d.mailDoor(c)
		if err != nil {
			return nil, err
		}
		l, err := net.Listen("tcp", c.Listen)
		if err != nil {
			return nil, fmt.Errorf("smtp door: %w (correct listen for it, or stop who has that port)", err)
		}
		d.log.Info("listening", "door", "smtp", "address", l.Addr().String())
		listeners = append(listeners, l)
		serve = append(serve, func(ctx context.Context) error { return door.Serve(ctx, l) })
	}
	l, err := listenControl(d.config.controlSocket())
	if err != nil {
		return nil, err
	}
	return append(serve, func(ctx context.Context) error { return d.serveControl(ctx, l) }), nil
}

// together runs all until ctx ends; the first that breaks ends the rest.
func together(ctx context.Context, all []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, f := range all {
		wg.Go(func() {
			errs[i] = f(ctx)
			cancel()
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// hosts are the names that a made certificate is for.
func hosts(listen, hostname string) []string {
	names := []string{hostname, "localhost"}
	if host, _, _ := net.SplitHostPort(listen); strings.Trim(host, "[]:.0") != "" {
		names = append(names, host)
	}
	return names
}
