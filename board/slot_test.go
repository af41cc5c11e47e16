package board

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// wires stands for the GPIO lines: it writes down what is done to them, and when.
type wires struct {
	start time.Time

	mu     sync.Mutex
	done   []string         // "300ms GPIO17=0"
	fail   map[string]error // of requests, by line
	broken map[string]error // of the next change, by line
}

func (w *wires) note(l Line, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = append(w.done, fmt.Sprintf("%v %s%s", time.Since(w.start), l.place(), what))
}

// since returns what was done after the last call.
func (w *wires) since() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	done := w.done
	w.done = nil
	return done
}

func (w *wires) open(l Line, level int) (pin, error) {
	w.mu.Lock()
	err := w.fail[l.place()]
	w.mu.Unlock()
	if err != nil {
		return nil, err
	}
	w.note(l, fmt.Sprintf(":=%d", level))
	return &wire{w, l}, nil
}

type wire struct {
	w *wires
	l Line
}

func (p *wire) SetValue(level int) error {
	p.w.mu.Lock()
	err := p.w.broken[p.l.place()]
	delete(p.w.broken, p.l.place())
	p.w.mu.Unlock()
	if err != nil {
		return err
	}
	p.w.note(p.l, fmt.Sprintf("=%d", level))
	return nil
}

func (p *wire) Close() error { p.w.note(p.l, " closed"); return nil }

// world is a machine with wires and a made-up /sys.
type world struct {
	*testing.T
	*wires
	root string
}

const devices = "sys/bus/usb/devices/"

// newWorld is to be called inside a bubble. It has hub 1-1 with a device at port 3.
func newWorld(t *testing.T) *world {
	w := &world{t, &wires{start: time.Now(), fail: map[string]error{}, broken: map[string]error{}}, t.TempDir()}
	write(t, w.root, devices+"1-1.3/authorized", "1\n")
	write(t, w.root, devices+"1-1:1.0/1-1-port3/disable", "0\n")
	return w
}

func (w *world) hardware(text string) *Hardware {
	w.Helper()
	c, err := decode(text)
	if err != nil {
		w.Fatal(err)
	}
	h, err := open(c, w.root, w.wires.open)
	if err != nil {
		w.Fatal(err)
	}
	return h
}

func (w *world) wired(want ...string) {
	w.Helper()
	if got := w.since(); !slices.Equal(got, want) {
		w.Errorf("the lines saw %q\nwant %q", got, want)
	}
}

func (w *world) has(name, want string) {
	w.Helper()
	b, err := os.ReadFile(filepath.Join(w.root, name))
	if got := strings.TrimSpace(string(b)); err != nil || got != want {
		w.Errorf("%s has %q, %v, want %q", name, got, err, want)
	}
}

func (w *world) fails(err error, want string) {
	w.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		w.Errorf("error %v, want %q", err, want)
	}
}

// missing looks that a slot has problems with these words in them, and no others.
func (w *world) missing(s *Slot, want ...string) {
	w.Helper()
	got := s.Problems(w.Context())
	if len(got) != len(want) {
		w.Fatalf("problems %q, want %q", got, want)
	}
	for i, p := range got {
		if !strings.Contains(p.String(), want[i]) {
			w.Errorf("problem %q, want %q", p, want[i])
		}
	}
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Error(err)
	}
}

const lines = `
[[board.slot]]
name = "a"
modem = "m0"
reset = "!GPIO27"
power = "GPIO17"
sim_select = ["GPIO22", "!GPIO23"]
led = "!GPIO5"
`

func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hardware(lines)
		s := h.Slot("m0")
		w.wired("0s GPIO27:=1", "0s GPIO17:=0", "0s GPIO22:=0", "0s GPIO23:=1", "0s GPIO5:=1")

		w.ok(s.Reset(t.Context()))
		w.wired("0s GPIO27=0", "300ms GPIO27=1")
		w.ok(s.PowerCycle(t.Context()))
		w.wired("300ms GPIO17=1", "3.3s GPIO17=0")

		if s.SIMs() != 4 {
			t.Errorf("%d SIMs", s.SIMs())
		}
		for n, want := range []string{"GPIO22=0 GPIO23=1", "GPIO22=1 GPIO23=1", "GPIO22=0 GPIO23=0", "GPIO22=1 GPIO23=0"} {
			w.ok(s.SelectSIM(t.Context(), n))
			first, second, _ := strings.Cut(want, " ")
			w.wired("3.3s "+first, "3.3s "+second)
		}
		w.fails(s.SelectSIM(t.Context(), 4), "no SIM 4: its 2 lines choose 0 to 3")
		w.fails(s.SelectSIM(t.Context(), -1), "no SIM -1")

		w.ok(s.SetLED(true))
		w.ok(s.SetLED(false))
		w.wired("3.3s GPIO5=0", "3.3s GPIO5=1")

		w.ok(h.Close())
		w.wired("3.3s GPIO27 closed", "3.3s GPIO17 closed", "3.3s GPIO22 closed", "3.3s GPIO23 closed", "3.3s GPIO5 closed")
		for _, err := range []error{s.Reset(t.Context()), s.SelectSIM(t.Context(), 0), s.SetLED(true)} {
			if !errors.Is(err, errClosed) {
				t.Errorf("after the end: %v", err)
			}
		}
		w.ok(h.Close())
		w.wired()
	})
}

// TestCancel: whatever is cancelled leaves the modem in service, at once.
func TestCancel(t *testing.T) {
	for _, tt := range []struct {
		name     string
		do       func(*Slot, context.Context) error
		off, end []string // what the lines see until the end, and at it
		file     string   // that changes
		is, was  string
	}{
		{"reset", (*Slot).Reset, []string{"0s GPIO27=0"}, []string{"100ms GPIO27=1"}, "", "", ""},
		{"power", (*Slot).PowerCycle, []string{"0s GPIO17=1"}, []string{"100ms GPIO17=0"}, "", "", ""},
		{"authorise", (*Slot).Reauthorise, nil, nil, devices + "1-1.3/authorized", "0", "1"},
		{"port", (*Slot).CyclePort, nil, nil, devices + "1-1:1.0/1-1-port3/disable", "1", "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s := w.hardware(lines + "usb = \"1-1.3\"").Slots[0]
				w.since()
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				ended := make(chan error)
				go func() { ended <- tt.do(s, ctx) }()
				synctest.Wait()
				w.wired(tt.off...)
				if tt.file != "" {
					w.has(tt.file, tt.is)
				}
				if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("ended with %v", err)
				}
				w.wired(tt.end...)
				if tt.file != "" {
					w.has(tt.file, tt.was)
				}
				if err := tt.do(s, ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("begun after its end: %v", err)
				}
				w.wired()
			})
		})
	}
}

// TestOneAtATime: a second operation waits for the first, or for its own end.
// The lamp waits for neither, the end of the hardware for both.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hardware(lines)
		s := h.Slots[0]
		w.since()
		var all sync.WaitGroup
		all.Go(func() { w.ok(s.PowerCycle(t.Context())) })
		synctest.Wait()
		all.Go(func() { w.ok(s.Reset(t.Context())) })
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := s.SelectSIM(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the impatient one: %v", err)
			}
		})
		w.ok(s.SetLED(true))
		all.Wait()
		w.wired("0s GPIO17=1", "0s GPIO5=0", "3s GPIO17=0", "3s GPIO27=0", "3.3s GPIO27=1")

		all.Go(func() { w.ok(s.Reset(t.Context())) })
		synctest.Wait()
		w.ok(h.Close())
		all.Wait()
		if got := w.since(); len(got) < 3 || got[1] != "3.6s GPIO27=1" || got[2] != "3.6s GPIO27 closed" {
			t.Errorf("%q", got)
		}
	})
}

// TestLineTrouble: a line that fails is told, tried again, and no other suffers.
func TestLineTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fail["GPIO27"] = &fs.PathError{Op: "open", Path: "/dev/gpiochip0", Err: syscall.EACCES}
		h := w.hardware(lines)
		s := h.Slots[0]
		w.missing(s, "reset line GPIO27: open /dev/gpiochip0: permission denied")
		w.since()
		w.fails(s.Reset(t.Context()), "permission denied")
		w.ok(s.PowerCycle(t.Context()))
		w.wired("0s GPIO17=1", "3s GPIO17=0")

		delete(w.fail, "GPIO27") // udev was late
		w.ok(s.Reset(t.Context()))
		w.wired("3s GPIO27:=0", "3.3s GPIO27=1")

		w.broken["GPIO17"] = syscall.ENODEV // the adapter was replugged
		w.ok(s.PowerCycle(t.Context()))
		w.wired("3.3s GPIO17 closed", "3.3s GPIO17:=1", "6.3s GPIO17=0")

		w.broken["GPIO27"], w.fail["GPIO27"] = syscall.ENODEV, fs.ErrNotExist
		w.fails(s.Reset(t.Context()), "slot a: reset line GPIO27: file does not exist")
		w.wired("6.3s GPIO27 closed")

		w.ok(s.SelectSIM(t.Context(), 1))
		w.since()
		w.broken["GPIO23"], w.fail["GPIO23"] = syscall.ENODEV, fs.ErrNotExist
		w.fails(s.SelectSIM(t.Context(), 2), "sim_select line GPIO23")
		w.wired("6.3s GPIO22=0", "6.3s GPIO23 closed", "6.3s GPIO22=1") // back to SIM 1

		w.ok(s.SetLED(true))
		w.since()
		w.missing(s, "reset line GPIO27: file does not exist", "sim_select line GPIO23: file does not exist")
		w.wired("6.3s GPIO17=0", "6.3s GPIO22=1", "6.3s GPIO5=0") // SIM and lamp stay
		clear(w.fail)
		w.missing(s)
		w.wired("6.3s GPIO27:=1", "6.3s GPIO17=0", "6.3s GPIO22=1", "6.3s GPIO23:=1", "6.3s GPIO5=0")
	})
}

// TestStuck: it is told when a modem is not back in service.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.hardware(lines).Slots[0]
		ended := make(chan error)
		go func() { ended <- s.Reset(t.Context()) }()
		synctest.Wait()
		w.mu.Lock()
		w.broken["GPIO27"], w.fail["GPIO27"] = syscall.EIO, fs.ErrNotExist
		w.mu.Unlock()
		w.fails(<-ended, "slot a: the modem could not be returned to service: reset line GPIO27")
	})
}

// TestLacks: a slot says which key would give it what it has not.
func TestLacks(t *testing.T) {
	s := newSlot(SlotConfig{Name: "a"}, t.TempDir(), nil)
	for _, tt := range []struct {
		err  error
		want string
	}{
		{s.Reset(t.Context()), `slot a has no reset line: write reset = "GPIO17" into its [[board.slot]]`},
		{s.PowerCycle(t.Context()), `write power = `},
		{s.Reauthorise(t.Context()), `write usb = `},
		{s.CyclePort(t.Context()), `write usb = `},
		{s.SelectSIM(t.Context(), 0), `write sim_select = `},
		{s.SetLED(true), `write led = `},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%v, want %s", tt.err, tt.want)
		}
	}
	if s.SIMs() != 0 || len(s.Resets()) != 0 {
		t.Errorf("%d SIMs, %v", s.SIMs(), s.Resets())
	}
}

// TestResets: the ladder of a slot, and of one whose port feeds the others.
func TestResets(t *testing.T) {
	const second = "[[board.slot]]\nname = \"b\"\nusb = \"1-1.3\"\n"
	for _, tt := range []struct {
		name, text string
		want       string
	}{
		{"all", lines + `usb = "1-1.3"`, "USB re-authorise, USB port off and on, reset line, power line"},
		{"lines", lines, "reset line, power line"},
		{"alone on the master port", "[board]\ntype = \"3B\"\n[[board.slot]]\nname = \"a\"\nusb = \"1-1.2\"", "USB re-authorise, USB port off and on"},
		{"master port", "[board]\ntype = \"3B+\"\n[[board.slot]]\nname = \"a\"\nusb = \"1-1.2\"\n" + second, "USB re-authorise"},
		{"same port of a 4B", "[board]\ntype = \"4B\"\n[[board.slot]]\nname = \"a\"\nusb = \"1-1.2\"\n" + second, "USB re-authorise, USB port off and on"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			write(t, w.root, devices+"1-1:1.0/1-1-port2/disable", "0\n")
			write(t, w.root, devices+"1-1.2/authorized", "1\n")
			s := w.hardware(tt.text).Slots[0]
			var names []string
			for _, step := range s.Resets() {
				names = append(names, step.Name)
				if err := step.Do(t.Context()); err != nil || step.Settle < time.Second {
					t.Errorf("%s: %s: %v, %v", tt.name, step.Name, err, step.Settle)
				}
			}
			if got := strings.Join(names, ", "); got != tt.want {
				t.Errorf("%s: %s", tt.name, got)
			}
			if tt.name == "master port" {
				w.fails(s.CyclePort(t.Context()), "switches the supply of all its ports")
				w.has(devices+"1-1:1.0/1-1-port2/disable", "0")
			}
		})
	}
}

// TestStepKinds: what a step acts on is not read out of its name.
func TestStepKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var kinds []Kind
		var usb []bool
		for _, step := range w.hardware(lines + `usb = "1-1.3"`).Slots[0].Resets() {
			kinds, usb = append(kinds, step.Kind), append(usb, step.Kind.USB())
		}
		if !slices.Equal(kinds, []Kind{KindDevice, KindPort, KindReset, KindPower}) || !slices.Equal(usb, []bool{true, true, false, false}) {
			t.Errorf("%v, on USB %v", kinds, usb)
		}
	})
}

// TestPlugged: the kernel shows a device at a port while it has one, authorised
// or not.
func TestPlugged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.hardware(slotUSB).Slots[0]
		if !s.Plugged() || s.USB() != "1-1.3" {
			t.Errorf("it is not at %q", s.USB())
		}
		if err := os.RemoveAll(filepath.Join(w.root, devices, "1-1.3")); err != nil {
			t.Fatal(err)
		}
		if s.Plugged() {
			t.Error("it is still there")
		}
		if s := w.hardware(lines).Slots[0]; s.Plugged() || s.USB() != "" || s.Holds("") {
			t.Errorf("a slot without a port: %q", s.USB())
		}
	})
}

// TestHalves: a device is in the slot whichever half of a USB 3 socket it is at.
func TestHalves(t *testing.T) {
	for _, tt := range []struct{ usb, peer, half string }{
		{"1-1.3", "", ""},
		{"1-1.3", "2-1:1.0/2-1-port3", "2-1.3"},
		{"2-1.4.2", "1-1.4:1.0/1-1.4-port2", "1-1.4.2"},
		{"1-2", "2-0:1.0/usb2-port1", "2-1"},
		{"1-1.3", "nonsense", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			s := w.hardware(strings.Replace(slotUSB, "1-1.3", tt.usb, 1)).Slots[0]
			dirs := map[string]string{"1-1.3": "1-1:1.0/1-1-port3", "2-1.4.2": "2-1.4:1.0/2-1.4-port2", "1-2": "1-0:1.0/usb1-port2"}
			write(t, w.root, devices+dirs[tt.usb]+"/disable", "0\n")
			if tt.peer != "" {
				if err := os.Symlink("../../"+tt.peer, filepath.Join(w.root, devices, dirs[tt.usb], "peer")); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.RemoveAll(filepath.Join(w.root, devices, "1-1.3")); err != nil {
				t.Fatal(err)
			}
			if !s.Holds(tt.usb) || s.Holds("1-9") || s.Plugged() {
				t.Errorf("%s: itself %v, plugged %v", tt.usb, s.Holds(tt.usb), s.Plugged())
			}
			if tt.half == "" {
				return
			}
			write(t, w.root, devices+tt.half+"/authorized", "1\n")
			if !s.Holds(tt.half) || !s.Plugged() {
				t.Errorf("%s at %s: held %v, plugged %v", tt.usb, tt.half, s.Holds(tt.half), s.Plugged())
			}
		})
	}
}

// TestSlotFacts: what a slot can do is told, and apart from it what is missing,
// with its cure.
func TestSlotFacts(t *testing.T) {
	const master = "[board]\ntype = \"3B\"\n[[board.slot]]\nname = \"a\"\nusb = \"1-1.2\"\n[[board.slot]]\nname = \"b\"\nusb = \"1-1.3\"\nmodem = \"m1\""
	for _, tt := range []struct{ name, text, facts string }{
		{"all", lines + `usb = "1-1.3"`, "USB re-authorise, USB port off and on, reset line, power line, 4 SIMs, LED !GPIO5; modem m0"},
		{"master port, no modem", master, "USB re-authorise; names no modem, so nothing uses it; port 1-1.2 of this board switches the supply of all its ports, so it is not switched for one modem: use another port, or a hub with switched ports"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			if got := strings.Join(w.hardware(tt.text).Slots[0].Facts(), "; "); got != tt.facts {
				t.Errorf("%s: %s", tt.name, got)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fail["GPIO17"] = curable{errors.New("no line has this name"), "gpioinfo lists them"}
		h := w.hardware("[board]\ntype = \"none\"\n" + lines + "usb = \"1-2.3\"")
		want := []Problem{
			{"power line GPIO17: no line has this name", "gpioinfo lists them"},
			{"no USB hub 1-2", "check usb in the configuration and the plug of the hub"},
		}
		if got := h.Slots[0].Problems(t.Context()); !slices.Equal(got, want) || h.Problems() != nil {
			t.Errorf("%+v, %+v", got, h.Problems())
		}
		if h.Slot("m1") != nil || h.Slot("") != nil || h.Slot("m0").Name() != "a" || h.Slots[0].Modem() != "m0" {
			t.Error("the wrong slot")
		}
	})
}

// TestProblemsMeanwhile: who looks waits for the operation under way, and not for
// ever.
func TestProblemsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.hardware(lines).Slots[0]
		var all sync.WaitGroup
		all.Go(func() { w.ok(s.PowerCycle(t.Context())) })
		synctest.Wait()
		w.since()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := s.Problems(ctx); len(got) != 1 || got[0].Cure == "" {
			t.Errorf("%+v", got)
		}
		w.wired()
		w.missing(s)
		all.Wait()
		if got := w.since(); len(got) == 0 || got[0] != "3s GPIO17=0" {
			t.Errorf("%q", got)
		}
	})
}
