package board

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const (
	slotUSB    = "[[board.slot]]\nname = \"a\"\nusb = \"1-1.3\"\n"
	authorized = devices + "1-1.3/authorized"
	disable    = devices + "1-1:1.0/1-1-port3/disable"
)

func TestReauthorise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.hardware(slotUSB).Slots[0]
		ended := make(chan error)
		go func() { ended <- s.Reauthorise(t.Context()) }()
		synctest.Wait()
		w.has(authorized, "0")
		w.ok(<-ended)
		w.has(authorized, "1")
		if took := time.Since(w.start); took != authorisePause {
			t.Errorf("took %v", took)
		}

		if err := os.RemoveAll(filepath.Join(w.root, devices, "1-1.3")); err != nil {
			t.Fatal(err)
		}
		w.fails(s.Reauthorise(t.Context()), "slot a: no device at USB port 1-1.3")
	})
}

// TestCyclePort switches ports of a hub, of the root hub, and both halves of a
// USB 3 socket.
func TestCyclePort(t *testing.T) {
	for _, tt := range []struct{ usb, file, peer string }{
		{"1-1.3", disable, ""},
		{"1-1.4.2", devices + "1-1.4:1.0/1-1.4-port2/disable", ""},
		{"3-1", devices + "3-0:1.0/usb3-port1/disable", ""},
		{"1-2", devices + "1-0:1.0/usb1-port2/disable", devices + "2-0:1.0/usb2-port2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			write(t, w.root, tt.file, "0\n")
			peer := tt.peer + "/disable"
			if tt.peer != "" {
				write(t, w.root, peer, "0\n")
				link := filepath.Join(w.root, filepath.Dir(tt.file), "peer")
				if err := os.Symlink(filepath.Join(w.root, tt.peer), link); err != nil {
					t.Fatal(err)
				}
			}
			s := w.hardware(strings.Replace(slotUSB, "1-1.3", tt.usb, 1)).Slots[0]
			ended := make(chan error)
			go func() { ended <- s.CyclePort(t.Context()) }()
			synctest.Wait()
			w.has(tt.file, "1")
			if tt.peer != "" {
				w.has(peer, "1")
			}
			w.ok(<-ended)
			w.has(tt.file, "0")
			if tt.peer != "" {
				w.has(peer, "0")
			}
			if took := time.Since(w.start); took != powerOff {
				t.Errorf("%s: took %v", tt.usb, took)
			}
		})
	}
}

// TestCyclePortCannot: each reason has its words.
func TestCyclePortCannot(t *testing.T) {
	for _, tt := range []struct {
		name, remove string
		want         string
		told         bool // before anybody tries
	}{
		{"old kernel", disable, "it needs Linux 6.0 or later", false},
		{"no such port", filepath.Dir(disable), "USB hub 1-1 has no port 3", true},
		{"no hub", devices + "1-1:1.0", "no USB hub 1-1", true},
		{"no USB", "sys", "no USB hub 1-1", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			if err := os.RemoveAll(filepath.Join(w.root, tt.remove)); err != nil {
				t.Fatal(err)
			}
			h := w.hardware(slotUSB)
			if tt.told {
				w.missing(h.Slots[0], tt.want)
			} else {
				w.missing(h.Slots[0])
			}
			w.fails(h.Slots[0].CyclePort(t.Context()), tt.want)
		})
	}
}

// TestHubWithoutSwitch: what is written does not stay.
func TestHubWithoutSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		file := filepath.Join(w.root, disable)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/dev/null", file); err != nil {
			t.Fatal(err)
		}
		w.fails(w.hardware(slotUSB).Slots[0].CyclePort(t.Context()), "this hub cannot switch the port: 1-1.3 stays on")
		if took := time.Since(w.start); took != 0 {
			t.Errorf("waited %v for nothing", took)
		}
	})
}

// TestRestore: what a killed process has left off is on again.
func TestRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		write(t, w.root, authorized, "0\n")
		write(t, w.root, disable, "1\n")
		w.missing(w.hardware(slotUSB).Slots[0])
		w.has(authorized, "1")
		w.has(disable, "0")
	})
}

func TestSysfsLED(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const led = "[[board.slot]]\nname = \"a\"\nled = \"sysfs:ACT\"\n"
		w := newWorld(t)
		w.missing(w.hardware(led).Slots[0], "no LED ACT")
		write(t, w.root, "sys/class/leds/ACT/brightness", "7\n")
		s := w.hardware(led).Slots[0]
		w.has("sys/class/leds/ACT/brightness", "0")
		w.ok(s.SetLED(true))
		w.has("sys/class/leds/ACT/brightness", "1")
		write(t, w.root, "sys/class/leds/ACT/max_brightness", "255\n")
		w.ok(s.SetLED(true))
		w.has("sys/class/leds/ACT/brightness", "255")
		w.ok(s.SetLED(false))
		w.has("sys/class/leds/ACT/brightness", "0")
	})
}

// TestRights: missing rights are told at the start, with what to do.
func TestRights(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{syscall.EROFS, "ReadWritePaths=/sys/devices"},
		{syscall.EACCES, "udev rules in docs/board.md"},
		{syscall.EPERM, "udev rules in docs/board.md"},
	} {
		if err := sysHint(&fs.PathError{Op: "open", Path: "/sys/x", Err: tt.err}); !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v", err)
		}
	}
	if os.Getuid() == 0 {
		t.Skip("root may write everything: the rest is tried as another user")
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := os.Chmod(filepath.Join(w.root, disable), 0o444); err != nil {
			t.Fatal(err)
		}
		h := w.hardware(slotUSB)
		w.missing(h.Slots[0], "udev rules in docs/board.md")
		w.fails(h.Slots[0].CyclePort(t.Context()), "udev rules in docs/board.md")
	})
}
