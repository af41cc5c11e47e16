package modem_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"cellpost/modem"
	"cellpost/modem/profile"
	"cellpost/modem/sim"
	"cellpost/modem/usb"
)

// machine is a made-up machine with USB devices whose ports are PTYs.
type machine struct {
	t       *testing.T
	net     *sim.Network
	tree    usb.Tree
	plugged map[string]func() // unplugs a device, by path
	numbers int               // of devices so far
	fleet   *modem.Fleet
	halt    func() // ends the fleet
	log     *journal
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	root := t.TempDir()
	m := &machine{
		t: t, net: sim.NewNetwork(sim.NetworkOptions{}), plugged: map[string]func(){}, log: newJournal(),
		tree: usb.Tree{Sys: filepath.Join(root, "sys"), Dev: filepath.Join(root, "dev")},
	}
	m.makeDir(filepath.Join(m.tree.Sys, "class/tty"))
	m.makeDir(m.tree.Dev)
	t.Cleanup(func() {
		for _, unplug := range m.plugged {
			unplug()
		}
		if t.Failed() {
			t.Log(m.log)
		}
	})
	return m
}

func (m *machine) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) check2(_ int, err error) {
	m.t.Helper()
	m.check(err)
}

func (m *machine) makeDir(dir string) {
	m.t.Helper()
	m.check(os.MkdirAll(dir, 0o755))
}

// port is one of a device: with a modem behind it, or dead.
type port struct {
	tty   string
	modem *sim.Modem
}

// plug makes a device with ports by interface, and their nodes.
func (m *machine) plug(path string, id profile.ID, ports map[int]port) {
	m.t.Helper()
	m.numbers++
	dir := filepath.Join(m.tree.Sys, "devices/usb1", path)
	m.file(dir, "idVendor", fmt.Sprintf("%04x", id.Vendor))
	m.file(dir, "idProduct", fmt.Sprintf("%04x", id.Product))
	m.file(dir, "devnum", fmt.Sprint(m.numbers))
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	var links []string
	for number, p := range ports {
		links = append(links, m.function(dir, number, p.tty))
		node := filepath.Join(m.tree.Dev, p.tty)
		if p.modem == nil {
			m.dead(ctx, node, &serving)
			continue
		}
		serving.Go(func() {
			if err := p.modem.ServePTY(ctx, node); err != nil {
				m.t.Errorf("ServePTY: %v", err)
			}
		})
	}
	m.plugged[path] = func() {
		for _, l := range links {
			os.Remove(l)
		}
		os.RemoveAll(dir)
		cancel()
		serving.Wait()
	}
}

func (m *machine) file(dir, name, content string) {
	m.t.Helper()
	m.makeDir(dir)
	m.check(os.WriteFile(filepath.Join(dir, name), []byte(content+"\n"), 0o644))
}

// function makes an interface of usb-serial and returns the link to its tty.
func (m *machine) function(device string, number int, tty string) string {
	m.t.Helper()
	dir := filepath.Join(device, fmt.Sprintf("%s:1.%d", filepath.Base(device), number))
	m.file(dir, "bInterfaceNumber", fmt.Sprintf("%02x", number))
	m.file(dir, "bInterfaceClass", "ff")
	m.file(dir, "bInterfaceSubClass", "01")
	m.file(dir, "bInterfaceProtocol", fmt.Sprintf("%02x", number)) // so that tests can choose by it
	target := filepath.Join(dir, tty, "tty", tty)
	m.makeDir(target)
	m.check(os.Symlink(filepath.Join(dir, tty), filepath.Join(target, "device")))
	link := filepath.Join(m.tree.Sys, "class/tty", tty)
	m.check(os.Symlink(target, link))
	return link
}

// dead makes a node at which nobody answers, until ctx ends.
func (m *machine) dead(ctx context.Context, node string, serving *sync.WaitGroup) {
	m.t.Helper()
	master, slave, err := pty.Open()
	m.check(err)
	m.check(os.Symlink(slave.Name(), node))
	serving.Go(func() {
		<-ctx.Done()
		os.Remove(node)
		master.Close()
		slave.Close()
	})
}

func (m *machine) unplug(path string) {
	m.plugged[path]()
	delete(m.plugged, path)
}

// run starts a fleet, which ends with the test at the latest.
func (m *machine) run(c modem.FleetConfig) {
	m.t.Helper()
	c.Tree = m.tree
	c.Log = slog.New(slog.NewTextHandler(m.log, nil))
	c.Make = func(name string, locate func(context.Context) (modem.Place, error)) *modem.Modem {
		cfg := short
		cfg.Name, cfg.Locate = name, locate
		serve := func(ctx context.Context, _ *modem.Line) error { <-ctx.Done(); return nil }
		return modem.New(cfg, &inbox{log: m.log}, serve, c.Log)
	}
	m.fleet = modem.NewFleet(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.fleet.Run(ctx) }()
	m.halt = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			m.t.Errorf("Run: %v", err)
		}
	})
	m.t.Cleanup(m.halt)
}

func (m *machine) names() (names []string) {
	for _, o := range m.fleet.Modems() {
		names = append(names, o.Facts().Name)
	}
	return names
}

// await waits until a modem of the fleet is as wanted.
func (m *machine) await(name, what string, want func(modem.Facts) bool) modem.Facts {
	m.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		for _, o := range m.fleet.Modems() {
			if f := o.Facts(); f.Name == name && want(f) {
				return f
			}
		}
	}
	for _, o := range m.fleet.Modems() {
		m.t.Logf("%+v", o.Facts())
	}
	m.t.Fatalf("%s is not %s", name, what)
	return modem.Facts{}
}

// ready waits until a modem is in service at a port.
func (m *machine) ready(name, tty, imei string) {
	m.t.Helper()
	m.await(name, "ready at "+tty, func(f modem.Facts) bool {
		return f.State() == modem.Ready && filepath.Base(f.Device) == tty && f.IMEI == imei
	})
}

// logged waits until the log has a text.
func (m *machine) logged(text string) {
	m.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !strings.Contains(m.log.String(), text); <-tick.C {
		if time.Now().After(end) {
			m.t.Fatalf("%q is not logged", text)
		}
	}
}

func (m *machine) problem(name, part string) {
	m.t.Helper()
	m.await(name, "told of "+part, func(f modem.Facts) bool { return strings.Contains(f.Problem, part) })
}

func (m *machine) modem(imei string) *sim.Modem {
	return sim.NewModem(m.net, sim.Options{IMEI: imei})
}

const (
	imeiA = "358912000000017"
	imeiB = "358912000000025"
)

var unknownID = profile.ID{Vendor: 0x4242, Product: 1}

// layouts is the knowledge of ports that these tests work with.
func layouts(id profile.ID) (profile.Ports, bool) {
	p, ok := map[profile.ID]profile.Ports{
		{Vendor: 0x2c7c, Product: 0x0125}: {Command: 2, Second: 3, Ignore: []int{0}},
		{Vendor: 0x12d1, Product: 0x1506}: {Command: -1, Second: -1, Class: &profile.Class{Class: 0xff, Protocol: 2}},
	}[id]
	return p, ok
}

// TestFleetFinds: a modem is found by each way to name it, at the right port.
func TestFleetFinds(t *testing.T) {
	t.Parallel()
	ec25, stick := profile.ID{Vendor: 0x2c7c, Product: 0x0125}, profile.ID{Vendor: 0x12d1, Product: 0x1506}
	for _, tt := range []struct {
		name  string
		entry modem.Entry
		id    profile.ID
		live  []int // interfaces with a modem behind them
		alone bool  // there are no others, which are dead
		want  int
		quiet []int // interfaces that must not be opened
	}{
		{"usb, known port", modem.Entry{USB: "1-1.3"}, ec25, []int{0, 2, 3}, true, 2, []int{0, 3}},
		{"usb, by class", modem.Entry{USB: "1-1.3"}, stick, []int{0, 1, 2}, true, 2, []int{0, 1}},
		{"usb, known port is missing", modem.Entry{USB: "1-1.3"}, ec25, []int{0, 1, 3}, true, 3, []int{0}},
		{"usb, unknown device", modem.Entry{USB: "1-1.3"}, unknownID, []int{3}, false, 3, nil},
		{"imei, known port", modem.Entry{IMEI: imeiA}, ec25, []int{0, 2, 3}, true, 2, []int{0, 3}},
		{"imei, unknown device", modem.Entry{IMEI: imeiA}, unknownID, []int{1}, false, 1, nil},
		{"imei, several ports", modem.Entry{IMEI: imeiA[:14] + "0"}, unknownID, []int{1, 2}, false, 1, nil},
		{"device", modem.Entry{Device: "ttyUSB1"}, unknownID, []int{1, 2}, true, 1, []int{2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			ports, sims := map[int]port{}, map[int]*sim.Modem{}
			for i := range 4 {
				p := port{tty: fmt.Sprintf("ttyUSB%d", i)}
				if slices.Contains(tt.live, i) {
					sims[i] = m.modem(imeiA)
					p.modem = sims[i]
				}
				ports[i] = p
				if tt.alone && p.modem == nil {
					delete(ports, i)
				}
			}
			m.plug("1-1.3", tt.id, ports)
			if tt.entry.Device != "" {
				tt.entry.Device = filepath.Join(m.tree.Dev, tt.entry.Device)
			}
			tt.entry.Name = "m1"
			m.run(modem.FleetConfig{Modems: []modem.Entry{tt.entry}, Ports: layouts})
			m.ready("m1", fmt.Sprintf("ttyUSB%d", tt.want), imeiA)
			for _, i := range tt.quiet {
				if n := sims[i].Counters().Commands; n != 0 {
					t.Errorf("interface %d was asked %d times", i, n)
				}
			}
			if got := m.names(); len(got) != 1 {
				t.Errorf("modems: %v", got)
			}
		})
	}
}

// TestFleetRenumbered: a modem that was unplugged is found where its ports are
// now, even where another has taken their names.
func TestFleetRenumbered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		a, b modem.Entry
	}{
		{"usb", modem.Entry{USB: "1-1.3"}, modem.Entry{USB: "1-1.4"}},
		{"imei", modem.Entry{IMEI: imeiA}, modem.Entry{IMEI: imeiB}},
		{"discovered", modem.Entry{}, modem.Entry{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			a, b := m.modem(imeiA), m.modem(imeiB)
			m.plug("1-1.3", unknownID, map[int]port{0: {tty: "ttyUSB0"}, 2: {"ttyUSB2", a}})
			m.plug("1-1.4", unknownID, map[int]port{0: {tty: "ttyUSB3"}, 2: {"ttyUSB5", b}})
			c := modem.FleetConfig{Discover: tt.a == modem.Entry{}}
			nameA, nameB := imeiA, imeiB
			if !c.Discover {
				nameA, nameB = "a", "b"
				tt.a.Name, tt.b.Name = nameA, nameB
				c.Modems = []modem.Entry{tt.a, tt.b}
			}
			m.run(c)
			m.ready(nameA, "ttyUSB2", imeiA)
			m.ready(nameB, "ttyUSB5", imeiB)
			m.unplug("1-1.3")
			m.unplug("1-1.4")
			m.await(nameA, "absent", func(f modem.Facts) bool { return f.State() == modem.Absent && f.Problem != "" })
			m.await(nameB, "absent", func(f modem.Facts) bool { return f.State() == modem.Absent })
			m.plug("1-1.4", unknownID, map[int]port{0: {tty: "ttyUSB0"}, 2: {"ttyUSB2", b}})
			m.plug("1-1.3", unknownID, map[int]port{0: {tty: "ttyUSB3"}, 2: {"ttyUSB5", a}})
			m.ready(nameA, "ttyUSB5", imeiA)
			m.ready(nameB, "ttyUSB2", imeiB)
			if got := m.names(); len(got) != 2 {
				t.Errorf("modems: %v", got)
			}
		})
	}
}

// TestFleetMoved: by its IMEI a modem is found in another socket.
func TestFleetMoved(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.run(modem.FleetConfig{Modems: []modem.Entry{{Name: "a", IMEI: imeiA}, {Name: "u", USB: "1-9"}}})
	m.problem("a", "plug it in, or correct imei")
	m.problem("u", "no USB device with serial ports at 1-9")
	a := m.modem(imeiA)
	m.plug("1-1", unknownID, map[int]port{0: {"ttyACM0", a}})
	m.ready("a", "ttyACM0", imeiA)
	m.unplug("1-1")
	m.plug("1-2", unknownID, map[int]port{0: {"ttyACM1", a}})
	m.ready("a", "ttyACM1", imeiA)
}

// TestFleetUnwatched: where changes cannot be watched, modems are found all the same.
func TestFleetUnwatched(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.check(os.Remove(m.tree.Dev))
	m.run(modem.FleetConfig{Discover: true})
	m.logged("changes of USB devices are not told")
	m.makeDir(m.tree.Dev)
	m.plug("1-1", unknownID, map[int]port{0: {"ttyACM0", m.modem(imeiA)}})
	m.ready(imeiA, "ttyACM0", imeiA)
}

// TestFleetIgnored: a device of which no port may be opened is left alone.
func TestFleetIgnored(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	ignored, a := m.modem(imeiB), m.modem(imeiA)
	ports := func(id profile.ID) (profile.Ports, bool) {
		return profile.Ports{Command: -1, Second: -1, Ignore: []int{0}}, id.Vendor == 0x2341
	}
	m.plug("1-1", profile.ID{Vendor: 0x2341, Product: 0x43}, map[int]port{0: {"ttyACM0", ignored}})
	m.plug("1-2", unknownID, map[int]port{0: {"ttyACM1", a}})
	m.run(modem.FleetConfig{Discover: true, Ports: ports})
	m.ready(imeiA, "ttyACM1", imeiA)
	if n := ignored.Counters().Commands; n != 0 || strings.Contains(m.log.String(), "1-1") {
		t.Errorf("it was asked %d times, or told of", n)
	}
}

// TestFleetDiscovers: what is not configured comes into service under its IMEI,
// and only that, and only if it is wanted.
func TestFleetDiscovers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		discover bool
		want     []string
	}{
		{"on", true, []string{"dev", "usb", imeiA, imeiB}},
		{"off", false, []string{"dev", "usb"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			dev, byUSB, a, b := m.modem("358912000000031"), m.modem("358912000000049"), m.modem(imeiA), m.modem(imeiB)
			other := m.modem("358912000000031") // behind another port of a modem that is configured
			m.plug("1-1", unknownID, map[int]port{0: {"ttyUSB0", dev}, 1: {"ttyUSB5", other}})
			m.plug("1-2", unknownID, map[int]port{0: {"ttyUSB1", byUSB}})
			// An adapter with a modem at each port.
			m.plug("1-3", unknownID, map[int]port{0: {"ttyUSB2", a}, 1: {"ttyUSB3", b}, 2: {tty: "ttyUSB4"}})
			link := filepath.Join(t.TempDir(), "serial-by-id")
			m.check(os.Symlink(filepath.Join(m.tree.Dev, "ttyUSB0"), link))
			m.run(modem.FleetConfig{Discover: tt.discover, Modems: []modem.Entry{{Name: "dev", Device: link}, {Name: "usb", USB: "1-2"}}})
			m.ready("dev", "serial-by-id", "358912000000031")
			m.ready("usb", "ttyUSB1", "358912000000049")
			if tt.discover {
				m.ready(imeiA, "ttyUSB2", imeiA)
				m.ready(imeiB, "ttyUSB3", imeiB)
			} else if n := a.Counters().Commands; n != 0 {
				t.Errorf("a device that nobody wants was asked %d times", n)
			}
			if n := other.Counters().Commands; n != 0 {
				t.Errorf("a port of a configured modem was asked %d times", n)
			}
			if got := m.names(); !slices.Equal(got, tt.want) {
				t.Errorf("modems: %v, want %v", got, tt.want)
			}
		})
	}
}

// TestFleetTwins: two modules with one IMEI never change places.
func TestFleetTwins(t *testing.T) {
	t.Parallel()
	t.Run("configured", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t)
		first, second := m.modem(imeiA), m.modem(imeiA)
		m.plug("1-2", unknownID, map[int]port{0: {"ttyUSB0", first}})
		m.run(modem.FleetConfig{Discover: true, Modems: []modem.Entry{{Name: "a", IMEI: imeiA}}})
		m.ready("a", "ttyUSB0", imeiA)
		m.plug("1-1", unknownID, map[int]port{0: {"ttyUSB1", second}})
		m.problem("a", "two modems have this IMEI: name one by usb")
		m.ready("a", "ttyUSB0", imeiA)
		m.unplug("1-2") // the other takes its place
		m.ready("a", "ttyUSB1", imeiA)
		m.await("a", "well", func(f modem.Facts) bool { return f.Problem == "" })
		if got := m.names(); len(got) != 1 {
			t.Errorf("modems: %v", got)
		}
	})
	t.Run("discovered", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t)
		first, second := m.modem(imeiA), m.modem(imeiA)
		m.plug("1-2", unknownID, map[int]port{0: {"ttyUSB0", first}})
		m.run(modem.FleetConfig{Discover: true})
		m.ready(imeiA, "ttyUSB0", imeiA)
		m.plug("1-1", unknownID, map[int]port{0: {"ttyUSB1", second}})
		m.ready(imeiA+"@1-1", "ttyUSB1", imeiA)
		m.unplug("1-2")
		m.await(imeiA, "absent", func(f modem.Facts) bool { return f.State() == modem.Absent })
		m.ready(imeiA+"@1-1", "ttyUSB1", imeiA)
		m.plug("1-2", unknownID, map[int]port{0: {"ttyUSB7", first}})
		m.ready(imeiA, "ttyUSB7", imeiA)
		m.logged("two modems have one IMEI")

		m.unplug("1-1")
		m.unplug("1-2")
		m.await(imeiA, "absent", func(f modem.Facts) bool { return f.State() == modem.Absent })
		m.await(imeiA+"@1-1", "absent", func(f modem.Facts) bool { return f.State() == modem.Absent })
		m.plug("1-1", unknownID, map[int]port{0: {"ttyUSB8", second}})
		m.ready(imeiA+"@1-1", "ttyUSB8", imeiA)
		m.plug("1-2", unknownID, map[int]port{0: {"ttyUSB9", first}})
		m.ready(imeiA, "ttyUSB9", imeiA)
		if got := m.names(); len(got) != 2 {
			t.Errorf("modems: %v", got)
		}
	})
}

// TestFleetNames: discovered twins have the names that they had before a restart,
// whichever is there first.
func TestFleetNames(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	c := modem.FleetConfig{Discover: true, Names: filepath.Join(t.TempDir(), "discovered")}
	first, second := m.modem(imeiA), m.modem(imeiA)
	m.plug("1-1", unknownID, map[int]port{0: {"ttyUSB0", first}})
	m.run(c)
	m.ready(imeiA, "ttyUSB0", imeiA)
	m.plug("1-2", unknownID, map[int]port{0: {"ttyUSB1", second}})
	m.ready(imeiA+"@1-2", "ttyUSB1", imeiA)
	m.halt()

	m.unplug("1-1")
	m.run(c)
	m.ready(imeiA+"@1-2", "ttyUSB1", imeiA)
	m.plug("1-1", unknownID, map[int]port{0: {"ttyUSB2", first}})
	m.ready(imeiA, "ttyUSB2", imeiA)
	m.ready(imeiA+"@1-2", "ttyUSB1", imeiA)
	m.halt()

	m.check(os.WriteFile(c.Names, []byte("garbage\n"), 0o640))
	m.unplug("1-2") // which one is found first is chance
	m.run(c)
	m.logged("the names of discovered modems are forgotten")
	m.ready(imeiA, "ttyUSB2", imeiA)
	m.plug("1-2", unknownID, map[int]port{0: {"ttyUSB1", second}})
	m.ready(imeiA+"@1-2", "ttyUSB1", imeiA)
	if text, err := os.ReadFile(c.Names); err != nil || string(text) != imeiA+" 1-1\n"+imeiA+"@1-2 1-2\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// TestFleetShared: of two modems of the configuration that are one, the second is
// told which the first is.
func TestFleetShared(t *testing.T) {
	t.Parallel()
	ec25 := profile.ID{Vendor: 0x2c7c, Product: 0x0125}
	for _, tt := range []struct {
		name          string
		first, second modem.Entry
		id            profile.ID
	}{
		{"imei of a usb", modem.Entry{USB: "1-1"}, modem.Entry{IMEI: imeiA}, ec25},
		{"imei of an unknown usb", modem.Entry{USB: "1-1"}, modem.Entry{IMEI: imeiA}, unknownID},
		{"imei of a device", modem.Entry{Device: "ttyUSB2"}, modem.Entry{IMEI: imeiA}, unknownID},
		{"link to a device", modem.Entry{Device: "ttyUSB2"}, modem.Entry{Device: "by-id"}, unknownID},
		{"link to a usb", modem.Entry{USB: "1-1"}, modem.Entry{Device: "by-id"}, ec25},
		{"usb of a device", modem.Entry{Device: "ttyUSB2"}, modem.Entry{USB: "1-1"}, unknownID},
		{"known usb of a device", modem.Entry{Device: "ttyUSB2"}, modem.Entry{USB: "1-1"}, ec25},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			a := m.modem(imeiA)
			plug := func() { m.plug("1-1", tt.id, map[int]port{2: {"ttyUSB2", a}}) }
			link := func() { m.check(os.Symlink("ttyUSB2", filepath.Join(m.tree.Dev, "by-id"))) }
			tt.first.Name, tt.second.Name = "a", "b"
			for _, e := range []*modem.Entry{&tt.first, &tt.second} {
				if e.Device != "" {
					e.Device = filepath.Join(m.tree.Dev, e.Device)
				}
			}
			plug()
			m.run(modem.FleetConfig{Modems: []modem.Entry{tt.first, tt.second}, Ports: layouts})
			if strings.HasSuffix(tt.second.Device, "by-id") { // else it might be the first
				m.ready("a", "ttyUSB2", imeiA)
				link()
			}
			const told = " is that of modem a: take one of the two out of the configuration"
			if tt.name != "known usb of a device" { // either may be the first
				m.problem("b", told)
				m.ready("a", "ttyUSB2", imeiA)
				return
			}
			m.await("a", "told, or b is", func(modem.Facts) bool {
				return slices.ContainsFunc(m.fleet.Modems(), func(o *modem.Modem) bool { return o.Facts().Place.Code == "device-shared" })
			})
		})
	}
}

// TestFleetUnfit: what is no serial port is named as such, and nothing is done to
// the module; when it is put right the modem comes into service.
func TestFleetUnfit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		make func(m *machine, path string)
	}{
		{"directory", func(m *machine, path string) { m.check(os.Mkdir(path, 0o755)) }},
		{"file", func(m *machine, path string) { m.check(os.WriteFile(path, nil, 0o644)) }},
		{"pipe", func(m *machine, path string) { m.check(unix.Mkfifo(path, 0o644)) }},
		{"null", func(m *machine, path string) {
			m.makeDir(filepath.Join(m.tree.Sys, "dev/char/1:3"))
			m.check(os.Symlink("../../../class/mem", filepath.Join(m.tree.Sys, "dev/char/1:3/subsystem")))
			m.check(os.Symlink("/dev/null", path))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			device := filepath.Join(m.tree.Dev, "ttyS7")
			tt.make(m, device)
			m.run(modem.FleetConfig{Modems: []modem.Entry{{Name: "a", Device: device}}})
			m.problem("a", device+" is no serial port: correct device")
			if f := m.fleet.Modems()[0].Facts(); f.State() != modem.Absent || f.Place.Code != "device-unfit" || f.NextStep() != "correct device" {
				t.Errorf("%s, %+v", f.State(), f.Place)
			}
			m.check(os.Remove(device))
			m.problem("a", "device is not there")
			m.plug("1-1", unknownID, map[int]port{0: {"ttyS7", m.modem(imeiA)}})
			m.ready("a", "ttyS7", imeiA)
		})
	}
}

// TestFleetHeld: who holds a port is told, with the cure, and when it has let go
// the modem comes into service.
func TestFleetHeld(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a := m.modem(imeiA)
	m.plug("1-1", unknownID, map[int]port{0: {"ttyUSB0", a}})
	node := filepath.Join(m.tree.Dev, "ttyUSB0")
	file := m.open(node)
	manager := filepath.Join(t.TempDir(), "ModemManager")
	sleep, err := exec.LookPath("sleep")
	m.check(err)
	m.copyFile(sleep, manager)
	holder := exec.Command(manager, "1000")
	holder.ExtraFiles = []*os.File{file}
	m.check(holder.Start())
	file.Close()
	defer holder.Wait()
	defer holder.Process.Kill()

	m.run(modem.FleetConfig{Modems: []modem.Entry{{Name: "a", IMEI: imeiA}, {Name: "u", USB: "1-2"}}})
	m.problem("a", fmt.Sprintf("held by ModemManager (pid %d): systemctl disable --now ModemManager", holder.Process.Pid))
	if n := a.Counters().Commands; n != 0 {
		t.Errorf("it was asked %d times", n)
	}
	m.check(holder.Process.Kill())
	m.ready("a", "ttyUSB0", imeiA)
}

// open opens a node as soon as it is there.
func (m *machine) open(node string) *os.File {
	m.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if f, err := os.OpenFile(node, os.O_RDWR, 0); err == nil {
			return f
		}
	}
	m.t.Fatalf("%s is not there", node)
	return nil
}

// copyFile makes a program with another name.
func (m *machine) copyFile(from, to string) {
	m.t.Helper()
	b, err := os.ReadFile(from)
	m.check(err)
	m.check(os.WriteFile(to, b, 0o755))
}

// TestFleetQuietPort: of several ports that answer, the one without noise is taken.
func TestFleetQuietPort(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	noisy := sim.NewModem(m.net, sim.Options{IMEI: imeiA, Wrap: func(p io.ReadWriteCloser) io.ReadWriteCloser { return noise{p} }})
	m.plug("1-1", unknownID, map[int]port{0: {"ttyUSB0", noisy}, 3: {"ttyUSB3", m.modem(imeiA)}})
	m.run(modem.FleetConfig{Discover: true})
	m.ready(imeiA, "ttyUSB3", imeiA)
}

// noise says something unasked with each answer.
type noise struct{ io.ReadWriteCloser }

func (n noise) Write(b []byte) (int, error) {
	if _, err := n.ReadWriteCloser.Write(append([]byte("\r\n^RSSI: 12\r\n"), b...)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// TestFleetSlow: a module that starts slowly, or that waits for the rest of a
// message, is asked until it answers.
func TestFleetSlow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		make func(*machine) *sim.Modem
	}{
		{"starting", func(m *machine) *sim.Modem {
			s := sim.NewModem(m.net, sim.Options{IMEI: imeiA, Boot: 8 * time.Second})
			s.Strike(sim.Fault{Kind: sim.Reboot})
			return s
		}},
		{"in the middle of a message", func(m *machine) *sim.Modem {
			s := m.modem(imeiA)
			driver, served := net.Pipe()
			ctx, cancel := context.WithCancel(m.t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- s.Serve(ctx, served) }()
			m.check2(io.WriteString(driver, "AT+CMGS=20\r"))
			m.check2(io.ReadFull(driver, make([]byte, len("AT+CMGS=20\r\r\n> "))))
			driver.Close()
			m.check(<-done)
			return s
		}},
		{"frozen for a while", func(m *machine) *sim.Modem {
			s := m.modem(imeiA)
			s.Strike(sim.Fault{Kind: sim.Freeze, For: 4 * time.Second})
			return s
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.plug("1-1", unknownID, map[int]port{0: {"ttyUSB0", tt.make(m)}})
			m.run(modem.FleetConfig{Modems: []modem.Entry{{Name: "a", IMEI: imeiA}}})
			m.ready("a", "ttyUSB0", imeiA)
		})
	}
}
