package modem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cellpost/modem/profile"
	"cellpost/modem/usb"
)

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
			f.setBar(s, nil)
			s.modem.away()
			awaitDevice(ctx, s.Device, lookAgain)
		case f.isBarred(s, s.Device):
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

// isBarred reports whether the port of a modem must not be opened, and tells why.
// Where the known port is taken without being asked, nobody has looked before.
func (f *Fleet) isBarred(s *seat, node string) bool {
	err := f.prober.bar(node)
	if o := f.openedBy(s, node); o != "" && err == nil {
		err = sharedBy(node, o)
	}
	f.setBar(s, err)
	return err != nil
}

// openedBy returns the name of another modem that has a port open; empty: none has.
func (f *Fleet) openedBy(s *seat, node string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.seats {
		if o != s && o.modem != nil && sameNode(o.modem.opened(), node) {
			return o.Name
		}
	}
	return ""
}

// sameNode reports whether two paths lead to one node.
func sameNode(a, b string) bool {
	nodeA, errA := filepath.EvalSymlinks(a)
	nodeB, errB := filepath.EvalSymlinks(b)
	return errA == nil && errB == nil && nodeA == nodeB
}

func (f *Fleet) setBar(s *seat, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.bar = err
	f.tell(s)
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
		switch {
		case p == nil || !f.stands(d, port):
			f.setBar(s, nil)
		case !f.isBarred(s, port.Node):
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

// tellAll tells each modem what is wrong with its place.
func (f *Fleet) tellAll() {
	for _, s := range f.seats {
		f.tell(s)
	}
}

func (f *Fleet) tell(s *seat) {
	place := f.trouble(s)
	if place == s.place || s.modem == nil {
		return
	}
	s.place = place
	s.modem.misplace(place)
	if place.Cause != "" {
		f.c.Log.Warn("modem misplaced", "modem", s.Name, "problem", place.Cause)
	}
}

// trouble is what a person should put right about the place of a modem.
func (f *Fleet) trouble(s *seat) Finding {
	switch twins := f.twinsOf(s); {
	case s.bar != nil:
		return Misplaced(s.bar)
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
		return Misplaced(f.missingUSB(s))
	}
	return Misplaced(f.missingIMEI(s))
}

// missingUSB is why there is no module for a seat with a USB path.
func (f *Fleet) missingUSB(s *seat) error {
	switch p := f.plugs[s.USB]; {
	case p == nil:
		return fmt.Errorf("no USB device with serial ports at %s: plug the modem in there, or correct usb", s.USB)
	case p.claimed != "":
		return sharedBy("what is plugged in at "+s.USB, p.claimed)
	default:
		return p.problem
	}
}

// missingIMEI is why there is no module for a seat with an IMEI.
func (f *Fleet) missingIMEI(s *seat) error {
	for _, o := range f.seats {
		if o == s || o.modem == nil || o.Device == "" && o.USB == "" {
			continue
		}
		if facts := o.modem.Facts(); facts.Present && sameIMEI(facts.IMEI, s.IMEI) {
			return sharedBy("the modem with IMEI "+s.IMEI, o.Name)
		}
	}
	if s.only != "" {
		return fmt.Errorf("no modem with IMEI %s is plugged in at %s: there were two with this IMEI, so plug it in there, or name them by usb in the configuration", s.IMEI, s.only)
	}
	for _, path := range f.paths() {
		if p := f.plugs[path]; p.problem != nil && p.claimed == "" && f.byUSB(p) == nil {
			return fmt.Errorf("no modem with IMEI %s answers; %v: %w", s.IMEI, p.device, p.problem)
		}
	}
	return fmt.Errorf("no modem with IMEI %s is plugged in: plug it in, or correct imei", s.IMEI)
}

// Misplaced is what a person should put right about a modem that is not there,
// by an error of [Find]; nil: nothing.
func Misplaced(err error) Finding {
	if err == nil {
		return Finding{}
	}
	place := complaints[Absent]
	place.Cause = err.Error()
	if barred, ok := errors.AsType[*barredError](err); ok {
		place.Code, place.Step = barred.code, barred.step
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
