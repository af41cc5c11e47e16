package modem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"cellpost/modem/profile"
	"cellpost/modem/usb"
)

// Entry is a modem of the configuration. Of Device, USB and IMEI the first that
// is given says which one is meant.
type Entry struct {
	Name   string
	Device string // path of its serial device, or of a link to it
	USB    string // where it is plugged in, bus and ports of hubs: "1-1.3"
	IMEI   string // digits; those after the 14th do not count
}

// FleetConfig is what a [Fleet] is made of.
type FleetConfig struct {
	Tree     usb.Tree
	Modems   []Entry
	Discover bool // take modems into service that are not in Modems

	// Ports returns what is known of the ports of a USB device; nil: nothing. A
	// device of which all ports are to be ignored is no modem.
	Ports func(profile.ID) (profile.Ports, bool)

	// Make makes a modem: of the entry with this name, or a discovered one, whose
	// name is its IMEI, followed by @ and its USB path when there are two.
	Make func(name string, locate func(context.Context) (Place, error)) *Modem

	Log *slog.Logger
}

// Fleet keeps the modems of one machine: it knows where each is, whatever its
// ports are called today, and discovers others. A module is asked for its IMEI
// once in each plugging in, and only when a configured IMEI or discovery needs
// it. Two modems with one IMEI do not change places.
type Fleet struct {
	c      FleetConfig
	prober prober
	due    chan struct{} // holds a token when there may be something new

	mu      sync.Mutex // guards what follows
	seats   []*seat
	plugs   map[string]*plug // by USB path
	changed chan struct{}    // closed after the next look at the tree
}

// seat is a modem and where it is. What identifies it does not change.
type seat struct {
	Entry
	found bool   // discovered: not in the configuration
	only  string // USB path that a discovered one is bound to, because another has its IMEI

	modem *Modem   // nil while it is being made
	plug  *plug    // nil: not there
	port  usb.Port // that takes its commands
	last  string   // USB path where it was last

	twins []string // devices with another module of its IMEI
	held  error    // who has its port open, another program; nil: nobody
	place Finding  // what its modem was told of its place
}

// plug is one plugging in of a USB device.
type plug struct {
	device  usb.Device
	claimed bool               // by the path of one of its ports
	stop    context.CancelFunc // ends its examination; nil: there is none
	modules []finding          // nil: not examined
	problem error              // why there are none
}

// maxDiscovered bounds what odd devices can bring into service: more than one
// machine's hubs hold, fewer than would be a burden.
const maxDiscovered = 64

// NewFleet makes a fleet with the modems of the configuration.
func NewFleet(c FleetConfig) *Fleet {
	f := &Fleet{
		c: c, prober: prober{tree: c.Tree, ports: c.Ports},
		due: make(chan struct{}, 1), plugs: map[string]*plug{}, changed: make(chan struct{}),
	}
	for _, e := range c.Modems {
		s := &seat{Entry: e}
		s.modem = c.Make(e.Name, f.locator(s))
		f.seats = append(f.seats, s)
	}
	return f
}

// Modems returns the modems of the configuration in its order, then those that
// were discovered, in the order in which they were. None is ever taken out.
func (f *Fleet) Modems() []*Modem {
	f.mu.Lock()
	defer f.mu.Unlock()
	var modems []*Modem
	for _, s := range f.seats {
		if s.modem != nil {
			modems = append(modems, s.modem)
		}
	}
	return modems
}

// Run keeps all modems in service until ctx ends.
func (f *Fleet) Run(ctx context.Context) error {
	var children sync.WaitGroup
	defer children.Wait()
	for _, m := range f.Modems() {
		children.Go(func() { f.serve(ctx, m) })
	}
	children.Go(func() { f.watch(ctx) })
	for {
		select {
		case <-f.due:
			for _, s := range f.look(ctx, &children) {
				m := f.seat(s)
				children.Go(func() { f.serve(ctx, m) })
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *Fleet) serve(ctx context.Context, m *Modem) {
	if err := m.Run(ctx); err != nil {
		f.c.Log.Error("modem given up", "modem", m.Facts().Name, "err", err)
	}
}

// seat makes the modem of a seat that was found.
func (f *Fleet) seat(s *seat) *Modem {
	m := f.c.Make(s.Name, f.locator(s))
	f.mu.Lock()
	defer f.mu.Unlock()
	s.modem = m
	f.tellAll()
	return m
}

// watch looks at each change of the tree. Where it cannot be watched, now and then.
func (f *Fleet) watch(ctx context.Context) {
	for told := false; ; told = true {
		err := f.c.Tree.Watch(ctx, f.lookSoon)
		if ctx.Err() != nil {
			return
		}
		if !told {
			f.c.Log.Warn("changes of USB devices are not told: they are looked for", "every", lookAgain, "err", err)
		}
		f.lookSoon()
		if !wait(ctx, lookAgain) {
			return
		}
	}
}

func (f *Fleet) lookSoon() { poke(f.due) }

// look compares the tree with what was there, and decides where each modem is.
// It returns the seats of modems that were found.
func (f *Fleet) look(ctx context.Context, children *sync.WaitGroup) []*seat {
	devices, err := f.c.Tree.Devices()
	if err != nil {
		f.c.Log.Error("look for USB devices", "err", err)
		return nil
	}
	claimed := f.claims(devices)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.update(devices, claimed)
	found := f.assign()
	f.tellAll()
	for _, p := range f.plugs {
		f.consider(ctx, p, children)
	}
	close(f.changed)
	f.changed = make(chan struct{})
	return found
}

// claims returns the USB paths of devices with a port that the configuration
// names by its path.
func (f *Fleet) claims(devices []usb.Device) map[string]bool {
	claimed := map[string]bool{}
	for _, e := range f.c.Modems {
		if d, ok := around(devices, e.Device); ok {
			claimed[d.Path] = true
		}
	}
	return claimed
}

// around returns the USB device that a serial device belongs to.
func around(devices []usb.Device, path string) (usb.Device, bool) {
	node, err := filepath.EvalSymlinks(path)
	if err != nil {
		return usb.Device{}, false
	}
	for _, d := range devices {
		for _, p := range d.Ports {
			if n, err := filepath.EvalSymlinks(p.Node); err == nil && n == node {
				return d, true
			}
		}
	}
	return usb.Device{}, false
}

// update takes in what is plugged in now.
func (f *Fleet) update(devices []usb.Device, claimed map[string]bool) {
	gone := maps.Clone(f.plugs)
	for _, d := range devices {
		p := f.plugs[d.Path]
		if p != nil && !p.same(d) {
			p.leave()
			p = nil
		}
		if p == nil {
			p = &plug{}
			f.plugs[d.Path] = p
		}
		delete(gone, d.Path)
		p.device, p.claimed = d, claimed[d.Path]
	}
	for path, p := range gone {
		p.leave()
		delete(f.plugs, path)
	}
}

// same reports whether d is the device of this plugging in, and its ports are
// those that were asked.
func (p *plug) same(d usb.Device) bool {
	o := p.device
	if d.Number != o.Number || d.Vendor != o.Vendor || d.Product != o.Product {
		return false
	}
	if p.modules != nil { // ports that come later do not matter
		return !slices.ContainsFunc(p.modules, func(m finding) bool { return !slices.Contains(d.Ports, m.port) })
	}
	return slices.Equal(d.Ports, o.Ports)
}

// leave ends the examination.
func (p *plug) leave() {
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}

// paths returns the USB paths of what is plugged in, in order.
func (f *Fleet) paths() []string { return slices.Sorted(maps.Keys(f.plugs)) }

// assign gives each modem its place, and returns the seats of modems that were found.
func (f *Fleet) assign() (found []*seat) {
	for _, s := range f.seats {
		if p := s.plug; p != nil && (f.plugs[p.device.Path] != p || !slices.Contains(p.device.Ports, s.port)) {
			s.plug = nil
		}
		s.twins = nil
	}
	for _, home := range []bool{true, false} {
		for _, s := range f.seats {
			switch {
			case s.plug != nil || s.Device != "":
			case s.USB != "":
				f.assignUSB(s)
			default:
				f.assignIMEI(s, home)
			}
		}
	}
	for _, path := range f.paths() {
		p := f.plugs[path]
		for _, m := range f.free(p) {
			if s := f.spare(p, m); s != nil {
				found = append(found, s)
			}
		}
	}
	return found
}

func (s *seat) take(p *plug, port usb.Port) { s.plug, s.port, s.last = p, port, p.device.Path }

func (f *Fleet) assignUSB(s *seat) {
	p := f.plugs[s.USB]
	if p == nil {
		return
	}
	if port, ok := f.prober.command(p.device); ok {
		s.take(p, port)
	} else if len(p.modules) > 0 {
		s.take(p, p.modules[0].port)
	}
}

// assignIMEI takes a module where the seat's was last (home), or anywhere.
func (f *Fleet) assignIMEI(s *seat, home bool) {
	if !home && f.awaitsHome(s) {
		return
	}
	for _, path := range f.paths() {
		if home && path != s.last || s.only != "" && path != s.only {
			continue
		}
		for _, m := range f.free(f.plugs[path]) {
			if sameIMEI(m.imei, s.IMEI) {
				s.take(f.plugs[path], m.port)
				return
			}
		}
	}
}

// awaitsHome reports whether the module of a seat may be about to answer where
// it was last: when a hub comes back, twins must not change places.
func (f *Fleet) awaitsHome(s *seat) bool {
	p := f.plugs[s.last]
	return s.plug == nil && p != nil && p.modules == nil && p.problem == nil && f.needs(p)
}

// free returns the modules of a device that have an IMEI, and no seat.
func (f *Fleet) free(p *plug) []finding {
	if p.claimed || f.byUSB(p) != nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(p.modules), func(m finding) bool {
		return m.imei == "" || slices.ContainsFunc(f.seats, func(s *seat) bool { return s.plug == p && s.port == m.port })
	})
}

// byUSB returns the seat that names a device by its USB path.
func (f *Fleet) byUSB(p *plug) *seat {
	for _, s := range f.seats {
		if s.Device == "" && s.USB != "" && s.USB == p.device.Path {
			return s
		}
	}
	return nil
}

// spare decides about a module that no seat has taken: it is the twin of one that
// is configured, or gets a seat of its own, unless the seat of its IMEI may take
// it yet.
func (f *Fleet) spare(p *plug, m finding) *seat {
	for _, s := range f.seats {
		if s.Device != "" || s.USB != "" || s.only != "" || !sameIMEI(s.IMEI, m.imei) {
			continue
		}
		if !s.found {
			s.twins = append(s.twins, p.device.String())
		}
		if !s.found || f.awaitsHome(s) {
			return nil
		}
	}
	if !f.c.Discover || len(f.seats)-len(f.c.Modems) >= maxDiscovered {
		return nil
	}
	s := &seat{Entry: Entry{Name: m.imei, IMEI: m.imei}, found: true}
	if f.named(s.Name) {
		s.only = p.device.Path
		s.Name += "@" + s.only
		if f.named(s.Name) {
			return nil
		}
		f.c.Log.Warn("two modems have one IMEI: name them by usb in the configuration", "modem", s.Name, "usb", s.only)
	}
	f.c.Log.Info("modem discovered", "modem", s.Name, "usb", p.device.String(), "device", m.port.Node)
	s.take(p, m.port)
	f.seats = append(f.seats, s)
	return s
}

func (f *Fleet) named(name string) bool {
	return slices.ContainsFunc(f.seats, func(s *seat) bool { return s.Name == name })
}

// tellAll tells each modem what is wrong with its place.
func (f *Fleet) tellAll() {
	for _, s := range f.seats {
		place := f.trouble(s)
		if place == s.place || s.modem == nil {
			continue
		}
		s.place = place
		s.modem.misplace(place)
		if place.Cause != "" {
			f.c.Log.Warn("modem misplaced", "modem", s.Name, "problem", place.Cause)
		}
	}
}

// trouble is what a person should put right about the place of a modem.
func (f *Fleet) trouble(s *seat) Finding {
	switch twins := f.twinsOf(s); {
	case s.held != nil:
		return Misplaced(s.held)
	case s.Device != "":
		return Finding{}
	case s.plug != nil && len(twins) > 0:
		return Finding{
			Code:  "imei-twice",
			Cause: fmt.Sprintf("two modems have this IMEI: name one by usb: in use at %v, also at %s", s.plug.device, strings.Join(twins, ", ")),
			Step:  fmt.Sprintf("write a [[modem]] with usb = %q into the configuration, or where the other is", s.plug.device.Path),
		}
	case s.plug != nil:
		return Finding{}
	case s.USB != "":
		if p := f.plugs[s.USB]; p != nil {
			return Misplaced(p.problem)
		}
		return Misplaced(fmt.Errorf("no USB device with serial ports at %s: plug the modem in there, or correct usb", s.USB))
	}
	for _, path := range f.paths() {
		if p := f.plugs[path]; p.problem != nil && !p.claimed && f.byUSB(p) == nil {
			return Misplaced(fmt.Errorf("no modem with IMEI %s answers; %v: %w", s.IMEI, p.device, p.problem))
		}
	}
	return Misplaced(fmt.Errorf("no modem with IMEI %s is plugged in: plug it in, or correct imei", s.IMEI))
}

// portHeld is the code of a port that another program has open.
const portHeld = "device-held"

// Misplaced is what a person should put right about a modem that is not there,
// by an error of [Find]; nil: nothing.
func Misplaced(err error) Finding {
	if err == nil {
		return Finding{}
	}
	place := complaints[Absent]
	place.Cause = err.Error()
	if held, ok := errors.AsType[*heldError](err); ok {
		place.Code, place.Step = portHeld, held.cure()
	}
	return place
}

// twinsOf returns the devices with another module of a seat's IMEI: of one that
// is configured those that have no seat, of one that was found those that have.
func (f *Fleet) twinsOf(s *seat) []string {
	if !s.found {
		return s.twins
	}
	var twins []string
	for _, o := range f.seats {
		if o != s && o.plug != nil && sameIMEI(o.IMEI, s.IMEI) {
			twins = append(twins, o.plug.device.String())
		}
	}
	return twins
}

// consider starts the examination of a device, or ends it when nobody needs it
// any more.
func (f *Fleet) consider(ctx context.Context, p *plug, children *sync.WaitGroup) {
	switch needed := f.needs(p); {
	case !needed:
		p.leave()
	case p.stop == nil && p.modules == nil:
		examineCtx, stop := context.WithCancel(ctx)
		p.stop = stop
		d := p.device
		children.Go(func() { f.examine(examineCtx, p, d) })
	}
}

// needs reports whether the modules of a device have to be known.
func (f *Fleet) needs(p *plug) bool {
	if p.claimed {
		return false
	}
	if s := f.byUSB(p); s != nil {
		return s.plug == nil
	}
	if len(candidates(p.device, f.prober.layout(p.device))) == 0 {
		return false // by order of the operator: it is no modem
	}
	return f.c.Discover || slices.ContainsFunc(f.c.Modems, func(e Entry) bool { return e.Device == "" && e.USB == "" })
}

// Waits before a device is asked, and asked again: the ports of a device come
// one by one, and modules need up to 20 s to start, some more.
var examineWaits = [...]time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second}

const (
	examineOften  = time.Minute // for so long they are short
	examineSeldom = time.Minute // and then so long
)

// examineWait is how long to wait before the n-th attempt, from 0, so long after
// the device was plugged in.
func examineWait(n int, since time.Duration) time.Duration {
	if since > examineOften {
		return examineSeldom
	}
	return examineWaits[min(n, len(examineWaits)-1)]
}

// examine asks a device for its modules until it answers.
func (f *Fleet) examine(ctx context.Context, p *plug, d usb.Device) {
	began := time.Now()
	for n := 0; wait(ctx, examineWait(n, time.Since(began))); n++ {
		modules, err := f.prober.probe(ctx, d)
		if f.conclude(ctx, p, modules, err) {
			f.lookSoon()
			return
		}
		f.lookSoon()
	}
}

// conclude notes what came of an examination, and reports whether it is over.
func (f *Fleet) conclude(ctx context.Context, p *plug, modules []finding, err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil { // the device is another one now
		return true
	}
	if err == nil && f.byUSB(p) == nil && modules[0].imei == "" {
		err = errors.New("it takes commands and tells no IMEI: name it by usb")
	}
	if err != nil && (p.problem == nil || p.problem.Error() != err.Error()) {
		f.c.Log.Warn("USB device examined", "usb", p.device.String(), "problem", err)
	}
	if p.problem = err; err != nil {
		return false
	}
	p.leave()
	p.modules = modules
	return true
}

// locator returns what [Config].Locate is for a seat.
func (f *Fleet) locator(s *seat) func(context.Context) (Place, error) {
	if s.Device != "" {
		return func(ctx context.Context) (Place, error) { return f.locateDevice(ctx, s) }
	}
	return func(ctx context.Context) (Place, error) { return f.locate(ctx, s) }
}

// locateDevice waits for a device by its path.
func (f *Fleet) locateDevice(ctx context.Context, s *seat) (Place, error) {
	for ctx.Err() == nil {
		_, err := os.Stat(s.Device)
		switch {
		case err != nil:
			s.modem.away()
			awaitDevice(ctx, s.Device, lookAgain)
		case f.isHeld(s, s.Device):
			s.modem.away()
			<-ctx.Done() // it is looked at again in the next session
		default:
			devices, _ := f.c.Tree.Devices() // it may well not be on USB
			d, _ := around(devices, s.Device)
			return Place{Device: s.Device, USB: d.Path, ID: profile.ID{Vendor: d.Vendor, Product: d.Product}}, nil
		}
	}
	return Place{}, ctx.Err()
}

// isHeld reports whether another program has the port of a modem open, and tells.
// Where the known port is taken without being asked, nobody has looked before.
func (f *Fleet) isHeld(s *seat, node string) bool {
	err := f.prober.held(node)
	f.mu.Lock()
	defer f.mu.Unlock()
	s.held = err
	f.tellAll()
	return err != nil
}

// locate waits for the module of a seat.
func (f *Fleet) locate(ctx context.Context, s *seat) (Place, error) {
	for {
		f.mu.Lock()
		p, port, changed := s.plug, s.port, f.changed
		var d usb.Device
		if p != nil {
			d = p.device
		}
		f.mu.Unlock()
		if p != nil && f.stands(d, port) && !f.isHeld(s, port.Node) {
			return Place{Device: port.Node, USB: d.Path, ID: profile.ID{Vendor: d.Vendor, Product: d.Product}}, nil
		}
		s.modem.away()
		select {
		case <-changed:
		case <-ctx.Done():
			return Place{}, ctx.Err()
		}
	}
}

// stands reports whether a port of a device is still what it was: a change may
// not have been told yet, and its node be another modem's by now.
func (f *Fleet) stands(d usb.Device, port usb.Port) bool {
	devices, err := f.c.Tree.Devices()
	if err != nil {
		return false
	}
	i, ok := slices.BinarySearchFunc(devices, d.Path, func(o usb.Device, path string) int { return cmp.Compare(o.Path, path) })
	if !ok || devices[i].Number != d.Number || !slices.Contains(devices[i].Ports, port) {
		return false
	}
	_, err = os.Stat(port.Node)
	return err == nil
}
