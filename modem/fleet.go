package modem

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
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

	// Names is a file that remembers the names of discovered modems, and where each
	// was last; empty: they are forgotten when the process ends.
	Names string

	// Ports returns what is known of the ports of a USB device; nil: nothing. A
	// device of which all ports are to be ignored is no modem.
	Ports func(profile.ID) (profile.Ports, bool)

	// Make makes a modem: of the entry with this name, or a discovered one, whose
	// name is its IMEI, followed by @ and its USB path when there were two.
	Make func(name string, locate func(context.Context) (Place, error)) *Modem

	Log *slog.Logger
}

// Fleet keeps the modems of one machine: it knows where each is, whatever its
// ports are called today, and discovers others. A module is asked for its IMEI
// once in each plugging in, and only when a configured IMEI or discovery needs
// it. Two modems with one IMEI do not change places, nor names.
type Fleet struct {
	c      FleetConfig
	prober prober
	roster roster        // of Run alone
	due    chan struct{} // holds a token when there may be something new

	mu      sync.Mutex // guards what follows
	seats   []*seat
	plugs   map[string]*plug // by USB path
	changed chan struct{}    // closed after the next look at the tree
}

// seat is a modem and where it is. What identifies it does not change.
type seat struct {
	Entry
	found bool   // discovered, perhaps by an earlier process: not in the configuration
	only  string // USB path that a discovered one is bound to, because another has its IMEI

	modem *Modem   // nil until it is found, and while it is being made
	plug  *plug    // nil: not there
	port  usb.Port // that takes its commands
	last  string   // USB path where it was last

	twins []string // devices with another module of its IMEI
	bar   error    // why its port must not be opened; nil: nothing is against it
	place Finding  // what its modem was told of its place
}

// plug is one plugging in of a USB device.
type plug struct {
	device  usb.Device
	claimed string             // name of the modem that is configured by the path of one of its ports; empty: none
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
		c: c, prober: prober{tree: c.Tree, ports: c.Ports}, roster: roster{file: c.Names},
		due: make(chan struct{}, 1), plugs: map[string]*plug{}, changed: make(chan struct{}),
	}
	for _, e := range c.Modems {
		s := &seat{Entry: e}
		s.modem = c.Make(e.Name, f.locator(s))
		f.seats = append(f.seats, s)
	}
	if c.Discover {
		f.remember()
	}
	return f
}

// remember makes a seat for each modem that an earlier process discovered, unless
// the configuration has it by now.
func (f *Fleet) remember() {
	all, err := f.roster.load()
	if err != nil {
		f.c.Log.Warn("the names of discovered modems are forgotten", "file", f.c.Names, "err", err)
	}
	for _, b := range all {
		configured := slices.ContainsFunc(f.c.Modems, func(e Entry) bool {
			return e.Name == b.name || e.Device == "" && e.USB == "" && sameIMEI(e.IMEI, b.imei())
		})
		if !configured {
			f.seats = append(f.seats, &seat{Entry: Entry{Name: b.name, IMEI: b.imei()}, found: true, last: b.path})
			f.bind(b.imei())
		}
	}
}

// bind keeps discovered modems apart that have one IMEI: once there are two, each
// has its name where it was last. One alone keeps it wherever it goes.
func (f *Fleet) bind(imei string) {
	var same []*seat
	for _, s := range f.seats {
		if s.found && sameIMEI(s.IMEI, imei) {
			same = append(same, s)
		}
	}
	for _, s := range same {
		if len(same) > 1 {
			s.only = s.last
		}
	}
}

// berths are the discovered modems that are to be remembered.
func (f *Fleet) berths() (all []berth) {
	for _, s := range f.seats {
		if b := (berth{s.Name, s.last}); s.found && b.valid() {
			all = append(all, b)
		}
	}
	return all
}

// Modems returns the modems of the configuration in its order, then those that
// were discovered, in the order in which they first were. None is ever taken out.
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
			found := f.look(ctx, &children)
			f.keepNames()
			for _, s := range found {
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

// keepNames remembers the modems that are discovered, before they do anything.
func (f *Fleet) keepNames() {
	if !f.c.Discover {
		return
	}
	f.mu.Lock()
	all := f.berths()
	f.mu.Unlock()
	if err := f.roster.save(all); err != nil {
		f.c.Log.Error("remember the names of discovered modems", "err", err)
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
// names by its path, and the names of those modems.
func (f *Fleet) claims(devices []usb.Device) map[string]string {
	claimed := map[string]string{}
	for _, e := range f.c.Modems {
		if d, ok := around(devices, e.Device); ok {
			claimed[d.Path] = e.Name
		}
	}
	return claimed
}

// around returns the USB device that a serial device belongs to.
func around(devices []usb.Device, path string) (usb.Device, bool) {
	i := slices.IndexFunc(devices, func(d usb.Device) bool {
		return slices.ContainsFunc(d.Ports, func(p usb.Port) bool { return sameNode(p.Node, path) })
	})
	if i < 0 {
		return usb.Device{}, false
	}
	return devices[i], true
}

// update takes in what is plugged in now.
func (f *Fleet) update(devices []usb.Device, claimed map[string]string) {
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
			f.spare(p, m)
		}
	}
	for _, s := range f.seats {
		if s.found && s.modem == nil && s.plug != nil {
			f.discovered(s)
			found = append(found, s)
		}
	}
	return found
}

func (f *Fleet) discovered(s *seat) {
	if s.only != "" {
		f.c.Log.Warn("two modems have one IMEI: name them by usb in the configuration", "modem", s.Name, "usb", s.only)
	}
	f.c.Log.Info("modem discovered", "modem", s.Name, "usb", s.plug.device.String(), "device", s.port.Node)
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
	if p.claimed != "" || f.byUSB(p) != nil {
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
func (f *Fleet) spare(p *plug, m finding) {
	for _, s := range f.seats {
		if s.Device != "" || s.USB != "" || s.only != "" || !sameIMEI(s.IMEI, m.imei) {
			continue
		}
		if !s.found {
			s.twins = append(s.twins, p.device.String())
		}
		if !s.found || f.awaitsHome(s) {
			return
		}
	}
	name := m.imei
	if f.named(name) {
		name += "@" + p.device.Path
	}
	if !f.c.Discover || f.named(name) || !f.hasRoom() {
		return
	}
	s := &seat{Entry: Entry{Name: name, IMEI: m.imei}, found: true}
	s.take(p, m.port)
	f.seats = append(f.seats, s)
	f.bind(s.IMEI)
}

func (f *Fleet) named(name string) bool {
	return slices.ContainsFunc(f.seats, func(s *seat) bool { return s.Name == name })
}

// hasRoom reports whether one more modem may be discovered. When there are too
// many, the first that is only remembered is forgotten.
func (f *Fleet) hasRoom() bool {
	if len(f.seats)-len(f.c.Modems) < maxDiscovered {
		return true
	}
	i := slices.IndexFunc(f.seats, func(s *seat) bool { return s.found && s.modem == nil && s.plug == nil })
	if i < 0 {
		return false
	}
	f.seats = slices.Delete(f.seats, i, i+1)
	return true
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
	if p.claimed != "" {
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

// examineOften is for how long they are short.
const examineOften = time.Minute

// examineSeldom are the waits after that; the last is for ever. What never answers
// is no modem, and some boards start anew each time their port is opened.
var examineSeldom = [...]time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}

// examineWait is how long to wait before the n-th attempt, from 0, so long after
// the device was plugged in. What is likely to be a modem, or was not opened, is
// asked every minute.
func examineWait(n int, since time.Duration, likely bool) time.Duration {
	if since <= examineOften {
		return examineWaits[min(n, len(examineWaits)-1)]
	}
	end := examineOften
	for _, wait := range examineSeldom {
		if end += wait; likely || since <= end {
			return wait
		}
	}
	return examineSeldom[len(examineSeldom)-1]
}

// examine asks a device for its modules until it answers.
func (f *Fleet) examine(ctx context.Context, p *plug, d usb.Device) {
	began, likely := time.Now(), false
	for n := 0; wait(ctx, examineWait(n, time.Since(began), likely)); n++ {
		modules, err := f.prober.probe(ctx, d)
		over := f.conclude(ctx, p, modules, err)
		f.lookSoon()
		if over {
			return
		}
		likely = isBarred(err) || f.isHome(d.Path)
	}
}

// isHome reports whether a modem that is missing was there last.
func (f *Fleet) isHome(path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.seats, func(s *seat) bool { return s.plug == nil && s.last == path })
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
