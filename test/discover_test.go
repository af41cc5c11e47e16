package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cellpost/ingress/httpd"
	"cellpost/modem/sim"
)

const (
	ec25    = "2c7c:0125" // takes commands at interface 2; 0 and 1 are to be ignored
	unknown = "4242:0001"

	imeiA, imeiB, imeiC, imeiD = "358912000000017", "358912000000025", "358912000000033", "358912000000041"
)

// site is a world whose modems are on USB.
type site struct {
	*world
	usb *usbTree
}

// newSite makes a machine without modems and a gateway for it that does not run
// yet. The configuration is made of what is given, after [modems].
func newSite(t *testing.T, discover bool, network sim.NetworkOptions, config string) *site {
	t.Helper()
	u := newUSBTree(t)
	config = u.config(discover) + strings.ReplaceAll(config, "DEV", u.dev)
	return &site{newWorld(t, setting{network: network, more: config}), u}
}

// modem makes a modem and its SIM; name is that in the network's ledger.
func (s *site) modem(name, imei, msisdn string) *sim.Modem {
	return sim.NewModem(s.network, sim.Options{Name: name, IMEI: imei, MSISDN: msisdn, KeepReports: true})
}

// with is a modem alone at interface 0 of an unknown device.
func with(tty string, m *sim.Modem) port { return port{number: 0, tty: tty, modem: m} }

// sent waits until the network has a text, and returns by what modem and SIM.
func (s *site) sent(text string) sim.Entry {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var found sim.Entry
	err := s.network.WaitFor(ctx, func(ledger []sim.Entry) bool {
		i := slices.IndexFunc(ledger, func(e sim.Entry) bool { return e.Submit.UserData.Text(e.Submit.DCS) == text })
		if i >= 0 {
			found = ledger[i]
		}
		return i >= 0
	})
	if err != nil {
		s.t.Fatalf("%q was not sent:\n%s", text, s.cellpost("modem", "list"))
	}
	return found
}

// leaves mails a text, and checks by what modem and SIM it leaves.
func (s *site) leaves(by *sim.Modem, iccid, text string, lines ...string) {
	s.t.Helper()
	s.mustMail(append(lines, "to:448311234567", "text:"+text)...)
	s.left(by, iccid, text)
}

// left checks by what modem and SIM a text leaves.
func (s *site) left(by *sim.Modem, iccid, text string) {
	s.t.Helper()
	if e := s.sent(text); e.SIM != by.Options().Name || e.Card != iccid {
		s.t.Errorf("%q left by modem %s and SIM %s, not by %s and %s", text, e.SIM, e.Card, by.Options().Name, iccid)
	}
}

// delivered waits for the report of a text, and returns its message.
func (s *site) delivered(text string) message {
	s.t.Helper()
	for _, m := range s.settle(1, func(m message) bool { return m.Text != text || m.State == "delivered" }) {
		if m.Text == text {
			return s.show(m.ID)
		}
	}
	s.t.Fatalf("%q is not in the queue", text)
	return message{}
}

// by checks that the story of a message has one hand-over, by a SIM in a modem.
func (s *site) by(m message, sim, modem string) {
	s.t.Helper()
	if a := m.Parts[0].Attempts; len(a) != 1 || a[0].SIM != sim || a[0].Modem != modem || a[0].Outcome != "accepted" {
		s.t.Errorf("%q: attempts %+v, want one by %s in %s", m.Text, a, sim, modem)
	}
}

// TestDiscoverFinds: a modem is found by each way to name it, at the right port,
// and ports that have nothing to do with it stay closed.
func TestDiscoverFinds(t *testing.T) {
	t.Parallel()
	s := newSite(t, false, sim.NetworkOptions{}, `
[[modem]]
name = "by-usb"
usb = "1-1.1"
[[modem]]
name = "by-usb-unknown"
usb = "1-1.2"
[[modem]]
name = "by-imei"
imei = "`+imeiC+`"
[[modem]]
name = "by-imei-unknown"
imei = "`+imeiD+`"
[[modem]]
name = "by-device"
device = "DEV/serial-by-id"
`)
	var closed []*dead // ports that must not be opened
	shut := func() *dead {
		closed = append(closed, &dead{})
		return closed[len(closed)-1]
	}
	a, b := s.modem("A", imeiA, "447700900001"), s.modem("B", imeiB, "447700900002")
	c, d := s.modem("C", imeiC, "447700900003"), s.modem("D", imeiD, "447700900004")
	e, ignored := s.modem("E", "358912000000058", "447700900005"), s.modem("ignored", imeiA, "447700900006")
	s.usb.plug("1-1.1", ec25,
		port{0, "ttyUSB0", nil, shut()}, port{1, "ttyUSB1", ignored, nil}, port{2, "ttyUSB2", a, nil}, port{3, "ttyUSB3", nil, shut()})
	s.usb.plug("1-1.2", unknown, port{0, "ttyUSB4", nil, nil}, port{1, "ttyUSB5", b, nil})
	s.usb.plug("1-1.3", ec25,
		port{0, "ttyUSB9", nil, shut()}, port{1, "ttyUSB8", nil, shut()}, port{2, "ttyUSB7", c, nil}, port{3, "ttyUSB6", nil, shut()})
	s.usb.plug("1-1.4", unknown, port{0, "ttyUSB10", nil, nil}, port{4, "ttyUSB11", d, nil}, port{5, "ttyUSB12", nil, nil})
	s.usb.plug("1-2", unknown, port{0, "ttyACM0", nil, shut()}, port{1, "ttyACM1", e, nil})
	if err := os.Symlink("ttyACM1", s.usb.node("serial-by-id")); err != nil {
		t.Fatal(err)
	}
	s.start()
	for _, want := range []struct {
		name, tty, usb string
		modem          *sim.Modem
	}{
		{"by-usb", "ttyUSB2", "1-1.1", a}, {"by-usb-unknown", "ttyUSB5", "1-1.2", b},
		{"by-imei", "ttyUSB7", "1-1.3", c}, {"by-imei-unknown", "ttyUSB11", "1-1.4", d}, {"by-device", "serial-by-id", "1-2", e},
	} {
		m := s.ready(want.name, want.name)
		if m.Device != s.usb.node(want.tty) || m.USB != want.usb || m.IMEI != want.modem.Options().IMEI {
			t.Errorf("%s: device %s, USB %s, IMEI %s", m.Name, m.Device, m.USB, m.IMEI)
		}
		s.leaves(want.modem, want.modem.Options().ICCID, "by "+want.name, "from:"+want.modem.Options().MSISDN)
		s.by(s.delivered("by "+want.name), want.name, want.name)
	}
	for i, d := range closed {
		if d.opened() {
			t.Errorf("port %d that was to stay closed was opened", i)
		}
	}
	if n := ignored.Counters().Commands; n != 0 {
		t.Errorf("a port that is to be ignored was asked %d times", n)
	}
	if got := s.present(); len(got) != 5 {
		t.Errorf("modems: %+v", got)
	}
}

// TestDiscoverRenumbered: the ports of two modems have changed their names, and
// each [[modem]] has the module, the SIM, the queue and the history that it had.
func TestDiscoverRenumbered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, a, b string // how the modems are configured
	}{
		{"imei", `imei = "` + imeiA + `"`, `imei = "` + imeiB + `"`},
		{"usb", `usb = "1-1"`, `usb = "1-2"`},
		{"device", `device = "DEV/by-id-a"`, `device = "DEV/by-id-b"`},
		{"mixed", `imei = "` + imeiA + `"`, `usb = "1-2"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, false, sim.NetworkOptions{}, fmt.Sprintf("[[modem]]\nname = \"a\"\nsim = \"sim-a\"\n%s\n[[modem]]\nname = \"b\"\nsim = \"sim-b\"\n%s\n", tt.a, tt.b))
			a, b := s.modem("A", imeiA, "447700900001"), s.modem("B", imeiB, "447700900002")
			plug := func(ttyA, ttyB string) {
				os.Remove(s.usb.node("by-id-a"))
				os.Remove(s.usb.node("by-id-b"))
				s.usb.plug("1-1", unknown, with(ttyA, a))
				s.usb.plug("1-2", unknown, with(ttyB, b))
				s.usb.must(os.Symlink(ttyA, s.usb.node("by-id-a")))
				s.usb.must(os.Symlink(ttyB, s.usb.node("by-id-b")))
			}
			plug("ttyUSB0", "ttyUSB1")
			s.start()
			s.ready("a", "sim-a")
			s.ready("b", "sim-b")
			s.leaves(a, a.Options().ICCID, "first by a", "from:447700900001")
			s.leaves(b, b.Options().ICCID, "first by b", "from:447700900002")
			s.by(s.delivered("first by a"), "sim-a", "a")
			s.by(s.delivered("first by b"), "sim-b", "b")

			s.usb.unplug("1-1")
			s.usb.unplug("1-2")
			s.away("a")
			s.away("b")
			s.mustMail("from:447700900001", "to:448311234567", "text:waits for a")
			s.mustMail("from:447700900002", "to:448311234567", "text:waits for b")
			plug("ttyUSB1", "ttyUSB0")
			for _, want := range []struct {
				name  string
				modem *sim.Modem
			}{{"a", a}, {"b", b}} {
				if m := s.ready(want.name, "sim-"+want.name); m.IMEI != want.modem.Options().IMEI || m.Problem != "" {
					t.Errorf("%s: IMEI %s, problem %q", m.Name, m.IMEI, m.Problem)
				}
				s.left(want.modem, want.modem.Options().ICCID, "waits for "+want.name)
				for _, text := range []string{"waits for ", "first by "} {
					s.by(s.delivered(text+want.name), "sim-"+want.name, want.name)
				}
			}
		})
	}
}

// TestDiscoverTwins: two modems with one IMEI both work, and a person is told.
func TestDiscoverTwins(t *testing.T) {
	t.Parallel()
	t.Run("discovered", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, true, sim.NetworkOptions{}, "")
		a, b := s.modem("A", imeiA, "447700900001"), s.modem("B", imeiA, "447700900002")
		s.usb.plug("1-2", unknown, with("ttyUSB0", a))
		s.start()
		s.ready(imeiA, imeiA)
		s.usb.plug("1-1", unknown, with("ttyUSB1", b))
		second := imeiA + "@1-1"
		s.ready(second, second)
		s.leaves(a, a.Options().ICCID, "by the first", "from:447700900001")
		s.leaves(b, b.Options().ICCID, "by the second", "from:447700900002")
		s.by(s.delivered("by the first"), imeiA, imeiA)
		s.by(s.delivered("by the second"), second, second)
		s.says(s.cellpost("modem", "show", second), "two modems have this IMEI", "usb")
		s.says(s.doctor(), "WRONG  modem "+second+": two modems have this IMEI", "usb")
	})
	t.Run("configured", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, true, sim.NetworkOptions{}, "[[modem]]\nname = \"a\"\nimei = \""+imeiA+"\"\n")
		a, b := s.modem("A", imeiA, "447700900001"), s.modem("B", imeiA, "447700900002")
		s.usb.plug("1-2", unknown, with("ttyUSB0", a))
		s.start()
		s.ready("a", "a")
		s.usb.plug("1-1", unknown, with("ttyUSB1", b))
		s.awaitModem("a", "told of its twin", func(m httpd.Modem) bool { return strings.Contains(m.Problem, "two modems have this IMEI") })
		s.leaves(a, a.Options().ICCID, "by the first")
		s.says(s.cellpost("modem", "show", "a"), "two modems have this IMEI", "also at 1-1")
		s.says(s.doctor(), "WRONG  modem a: two modems have this IMEI", "name one by usb")
		s.usb.unplug("1-2") // the other takes its place
		s.awaitModem("a", "at 1-1 and well", func(m httpd.Modem) bool { return m.State == "ready" && m.USB == "1-1" && m.Problem == "" })
		s.leaves(b, b.Options().ICCID, "by the second")
	})
}

// TestDiscoverTwinsRestart: twins keep their names over a restart, whichever is
// there first, and what is remembered by name is of the right one.
func TestDiscoverTwinsRestart(t *testing.T) {
	t.Parallel()
	s := newSite(t, true, sim.NetworkOptions{}, "")
	a, b := s.modem("A", imeiA, "447700900001"), s.modem("B", imeiA, "447700900002")
	second := imeiA + "@1-2"
	s.usb.plug("1-1", unknown, with("ttyUSB0", a))
	g := s.start()
	s.ready(imeiA, imeiA)
	s.usb.plug("1-2", unknown, with("ttyUSB1", b))
	s.ready(second, second)
	s.cellpost("modem", "suspend", imeiA)
	s.awaitModem(imeiA, "suspended", func(m httpd.Modem) bool { return m.State == "suspended" })
	g.stop(t)

	s.usb.unplug("1-1")
	s.start()
	s.ready(second, second)
	s.leaves(b, b.Options().ICCID, "by the second alone")
	s.usb.plug("1-1", unknown, with("ttyUSB0", a))
	s.awaitModem(imeiA, "suspended", func(m httpd.Modem) bool { return m.State == "suspended" })
	s.ready(second, second)
	s.cellpost("modem", "resume", imeiA)
	s.ready(imeiA, imeiA)
	s.leaves(a, a.Options().ICCID, "by the first", "from:447700900001")
	s.leaves(b, b.Options().ICCID, "by the second", "from:447700900002")
	s.by(s.delivered("by the first"), imeiA, imeiA)
	s.by(s.delivered("by the second"), second, second)
}

// twoSIMs is the configuration of two modems and a route for each SIM.
const twoSIMs = `
[[modem]]
name = "a"
imei = "` + imeiA + `"
sim = "sim-a"
[[modem]]
name = "b"
imei = "` + imeiB + `"
sim = "sim-b"
[[route]]
prefix = "44"
tiers = [["sim-a", "sim-b"]]
[[route]]
prefix = "491"
tiers = [["sim-a"]]
[[route]]
prefix = "492"
tiers = [["sim-b"]]
`

// pair is a site with two modems in service, of which each has sent a message
// whose report is still to come.
type pair struct {
	*site
	a, b         *sim.Modem
	cardA, cardB string // ICCIDs of sim-a and sim-b
}

const reportDelay = 3 * time.Second

func newPair(t *testing.T, config string) *pair {
	t.Helper()
	s := newSite(t, false, sim.NetworkOptions{ReportDelay: reportDelay}, config)
	p := &pair{site: s, a: s.modem("A", imeiA, "447700900001"), b: s.modem("B", imeiB, "447700900002")}
	p.cardA, p.cardB = p.a.Options().ICCID, p.b.Options().ICCID
	p.plug()
	s.start()
	s.ready("a", "sim-a")
	s.ready("b", "sim-b")
	s.leaves(p.a, p.cardA, "before, sim-a", "from:447700900001")
	s.leaves(p.b, p.cardB, "before, sim-b", "from:447700900002")
	return p
}

func (p *pair) plug() {
	p.usb.plug("1-1", unknown, with("ttyUSB0", p.a))
	p.usb.plug("1-2", unknown, with("ttyUSB1", p.b))
}

func (p *pair) unplug() {
	p.usb.unplug("1-1")
	p.usb.unplug("1-2")
}

// exchange makes two cards change places.
func (p *pair) exchange() {
	a := p.a.Swap(0, nil)
	p.a.Swap(0, p.b.Swap(0, a))
}

// exchanged checks that everything follows the SIMs to the other modems.
func (p *pair) exchanged(t *testing.T) {
	t.Helper()
	p.ready("a", "sim-b")
	p.ready("b", "sim-a")
	p.says(p.cellpost("modem", "list"), "a     ready  sim-b", "b     ready  sim-a")
	p.leaves(p.b, p.cardA, "after, sim-a", "from:447700900001")
	p.leaves(p.a, p.cardB, "after, sim-b", "from:447700900002")
	p.mustMail("to:491701234567", "text:routed to sim-a")
	p.mustMail("to:492701234567", "text:routed to sim-b")
	p.left(p.b, p.cardA, "routed to sim-a")
	p.left(p.a, p.cardB, "routed to sim-b")
	for _, want := range []struct{ text, sim, modem string }{
		{"before, sim-a", "sim-a", "a"}, {"before, sim-b", "sim-b", "b"}, // what was, remains
		{"after, sim-a", "sim-a", "b"}, {"after, sim-b", "sim-b", "a"},
		{"routed to sim-a", "sim-a", "b"}, {"routed to sim-b", "sim-b", "a"},
	} {
		p.by(p.delivered(want.text), want.sim, want.modem)
	}
}

// TestCardsExchanged: two SIMs change places.
func TestCardsExchanged(t *testing.T) {
	t.Parallel()
	t.Run("while unplugged", func(t *testing.T) {
		t.Parallel()
		p := newPair(t, twoSIMs)
		p.unplug()
		p.away("a")
		p.away("b")
		p.mustMail("from:447700900001", "to:448311234567", "text:waits for sim-a")
		p.exchange()
		p.plug()
		p.left(p.b, p.cardA, "waits for sim-a")
		p.exchanged(t)
	})
	t.Run("in service", func(t *testing.T) {
		t.Parallel()
		p := newPair(t, twoSIMs)
		p.exchange()
		p.exchanged(t)
	})
	t.Run("while the gateway is down", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, false, sim.NetworkOptions{ReportDelay: reportDelay}, twoSIMs)
		p := &pair{site: s, a: s.modem("A", imeiA, "447700900001"), b: s.modem("B", imeiB, "447700900002")}
		p.cardA, p.cardB = p.a.Options().ICCID, p.b.Options().ICCID
		p.plug()
		g := p.start()
		p.ready("a", "sim-a")
		p.ready("b", "sim-b")
		p.leaves(p.a, p.cardA, "before, sim-a", "from:447700900001")
		p.leaves(p.b, p.cardB, "before, sim-b", "from:447700900002")
		p.settle(2, func(m message) bool { return m.State == "sent" })
		g.stop(t)
		p.exchange()
		p.start()
		p.exchanged(t)
	})
	// SIMs that do not tell their number: the configuration does, and means the
	// SIM, not the slot.
	t.Run("numbers configured", func(t *testing.T) {
		t.Parallel()
		config := strings.Replace(twoSIMs, `sim = "sim-a"`, "sim = \"sim-a\"\nmsisdn = \"447700900001\"", 1)
		config = strings.Replace(config, `sim = "sim-b"`, "sim = \"sim-b\"\nmsisdn = \"447700900002\"", 1)
		p := newPair(t, config)
		p.unplug()
		p.exchange()
		p.plug()
		p.exchanged(t)
	})
}

// TestCardMoved: a SIM goes to a modem of its own choice, and the other modem has
// none, until a new one comes.
func TestCardMoved(t *testing.T) {
	t.Parallel()
	p := newPair(t, twoSIMs)
	p.unplug()
	p.b.Swap(0, nil)
	p.b.Swap(0, p.a.Swap(0, nil)) // sim-b lies in a drawer
	p.plug()
	p.ready("b", "sim-a")
	p.awaitModem("a", "without a SIM", func(m httpd.Modem) bool { return m.State == "no SIM" })
	p.leaves(p.b, p.cardA, "after, sim-a", "from:447700900001")
	p.by(p.delivered("before, sim-a"), "sim-a", "a")
	p.by(p.delivered("after, sim-a"), "sim-a", "b")

	// The new one cannot have the name that is in service next door.
	fresh := p.network.Issue(sim.Card{ICCID: "8944150000123456789", MSISDN: "447700900003"})
	p.a.Swap(0, fresh)
	m := p.ready("a", "sim-a-6789")
	if !slices.ContainsFunc(m.Health, func(f httpd.Finding) bool { return f.Code == "sim-name" }) {
		t.Errorf("health: %+v", m.Health)
	}
	p.says(p.cellpost("modem", "show", "a"), `the SIM ...6789 is called "sim-a-6789", not "sim-a"`)
	p.says(p.doctor(), `the SIM ...6789 is called "sim-a-6789", not "sim-a"`)
	p.leaves(p.a, "8944150000123456789", "by the new one", "from:447700900003")
	p.by(p.delivered("by the new one"), "sim-a-6789", "a")
}

// TestCardReplaced: a new SIM in place of an old one takes over its name, and
// what waits for it.
func TestCardReplaced(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"while unplugged", "in service"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, twoSIMs)
			p.delivered("before, sim-a")
			fresh := p.network.Issue(sim.Card{ICCID: "8944150000123456789", MSISDN: "447700900003"})
			if name == "in service" {
				p.a.Swap(0, fresh)
			} else {
				p.usb.unplug("1-1")
				p.away("a")
				p.mustMail("to:491701234567", "text:waits for sim-a")
				p.a.Swap(0, fresh)
				p.usb.plug("1-1", unknown, with("ttyUSB5", p.a))
				p.left(p.a, "8944150000123456789", "waits for sim-a")
			}
			p.awaitModem("a", "ready with the new SIM", func(m httpd.Modem) bool { return m.State == "ready" && m.ICCID == "8944150000123456789" })
			p.ready("a", "sim-a")
			takeover := fmt.Sprintf(`the SIM ...6789 takes over the name "sim-a" from the SIM ...%s`, p.cardA[len(p.cardA)-4:])
			p.says(p.cellpost("modem", "show", "a"), takeover)
			p.says(p.doctor(), takeover)
			p.leaves(p.a, "8944150000123456789", "by its new number", "from:447700900003")
			p.leaves(p.b, p.cardB, "the other is as it was", "from:447700900002")
			p.by(p.delivered("by its new number"), "sim-a", "a")
		})
	}
}

// TestPortHeld: who holds a port is named, with the cure, however the modem is
// found; and when it has let go the modem comes into service.
func TestPortHeld(t *testing.T) {
	t.Parallel()
	s := newSite(t, false, sim.NetworkOptions{}, `
[[modem]]
name = "by-imei"
imei = "`+imeiA+`"
[[modem]]
name = "by-usb"
usb = "1-2"
[[modem]]
name = "by-device"
device = "DEV/ttyUSB2"
`)
	a, b, c := s.modem("A", imeiA, ""), s.modem("B", imeiB, ""), s.modem("C", imeiC, "")
	s.usb.plug("1-1", unknown, with("ttyUSB0", a))
	s.usb.plug("1-2", ec25, port{2, "ttyUSB1", b, nil})
	s.usb.plug("1-3", unknown, with("ttyUSB2", c))
	manager := s.usb.hold("ttyUSB0", "ttyUSB1", "ttyUSB2")
	held, cure := fmt.Sprintf("held by ModemManager (pid %d)", manager.Pid), "what to do: systemctl disable --now ModemManager"

	nodes := map[string]string{"by-imei": "ttyUSB0", "by-usb": "ttyUSB1", "by-device": "ttyUSB2"}
	doctored := func() {
		t.Helper()
		told := s.doctor()
		for name, tty := range nodes {
			_, told, _ := strings.Cut(told, "WRONG  modem "+name+": ")
			told, _, _ = strings.Cut(told, "WRONG")
			s.says(told, s.usb.node(tty), held, "[device-held]", cure)
		}
	}
	doctored() // without a gateway it looks for itself
	s.start()
	for name, tty := range nodes {
		s.awaitModem(name, "held", func(m httpd.Modem) bool { return strings.Contains(m.Problem, held) })
		s.says(s.cellpost("modem", "show", name), s.usb.node(tty), held, "next step   systemctl disable --now ModemManager", "device-held")
	}
	doctored() // it asks
	for _, m := range []*sim.Modem{a, b, c} {
		if n := m.Counters().Commands; n != 0 {
			t.Errorf("%s was asked %d times", m.Options().Name, n)
		}
	}
	if err := manager.Kill(); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*sim.Modem{"by-imei": a, "by-usb": b, "by-device": c} {
		if got := s.ready(name, name); got.IMEI != m.Options().IMEI || got.Problem != "" {
			t.Errorf("%s: IMEI %s, problem %q", name, got.IMEI, got.Problem)
		}
	}
}

// TestDiscoverComesAndGoes: with discover, modems come and go while the gateway
// runs, and a message waits for the next one.
func TestDiscoverComesAndGoes(t *testing.T) {
	t.Parallel()
	s := newSite(t, true, sim.NetworkOptions{}, "")
	a, b := s.modem("A", imeiA, "447700900001"), s.modem("B", imeiB, "447700900002")
	g := s.start()
	s.says(s.doctor(), "no modem was found")
	s.mustMail("to:448311234567", "text:before any modem")
	if list := s.list(); len(list) != 1 || list[0].State != "queued" {
		t.Errorf("without a modem: %+v", list)
	}
	s.usb.plug("1-1", unknown, with("ttyUSB0", a))
	s.left(a, a.Options().ICCID, "before any modem")
	s.by(s.delivered("before any modem"), imeiA, imeiA)

	s.usb.unplug("1-1")
	s.away(imeiA)
	s.mustMail("to:448311234567", "text:between two")
	s.usb.plug("1-2", ec25, port{2, "ttyUSB0", b, nil})
	s.left(b, b.Options().ICCID, "between two")
	s.by(s.delivered("between two"), imeiB, imeiB)

	s.usb.plug("1-3", unknown, with("ttyUSB1", a)) // in another socket
	if m := s.ready(imeiA, imeiA); m.USB != "1-3" || m.Device != filepath.Join(s.usb.dev, "ttyUSB1") {
		t.Errorf("%s at %s, %s", m.Name, m.USB, m.Device)
	}
	s.leaves(a, a.Options().ICCID, "by the first again", "from:447700900001")
	s.by(s.delivered("by the first again"), imeiA, imeiA)
	if got := s.present(); len(got) != 2 {
		t.Errorf("modems: %+v", got)
	}

	// What is discovered has its name and its queue after a restart, too.
	s.usb.unplug("1-2")
	s.usb.unplug("1-3")
	g.stop(t)
	s.start()
	s.usb.plug("1-1", unknown, with("ttyUSB0", b))
	s.usb.plug("1-2", unknown, with("ttyUSB1", a))
	s.ready(imeiA, imeiA)
	s.ready(imeiB, imeiB)
	s.leaves(a, a.Options().ICCID, "after a restart", "from:447700900001")
	s.by(s.delivered("after a restart"), imeiA, imeiA)
}
