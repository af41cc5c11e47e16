package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"cellpost/modem/sim"
)

// usbTree is a made-up machine: directories that the gateway takes for /sys and
// /dev, with USB devices whose ports are PTYs.
type usbTree struct {
	t        testing.TB
	sys, dev string
	devices  int // so far: the kernel numbers each plugging in
	plugged  map[string]*plugged
}

// plugged is one plugging in of a device.
type plugged struct {
	dir     string   // in sys
	ttys    []string // their entries in sys/class/tty
	remove  context.CancelFunc
	serving sync.WaitGroup
}

// port is an interface with a tty. Behind it is a modem, or nothing that answers.
type port struct {
	number int    // of the interface
	tty    string // "ttyUSB2"
	modem  *sim.Modem
	dead   *dead // instead of modem; nil: one that nobody looks at
}

func newUSBTree(t testing.TB) *usbTree {
	root := t.TempDir()
	u := &usbTree{t: t, sys: filepath.Join(root, "sys"), dev: filepath.Join(root, "dev"), plugged: map[string]*plugged{}}
	u.must(os.MkdirAll(filepath.Join(u.sys, "class/tty"), 0o755))
	u.must(os.MkdirAll(u.dev, 0o755))
	t.Cleanup(func() {
		for path := range u.plugged {
			u.unplug(path)
		}
	})
	return u
}

func (u *usbTree) must(err error) {
	u.t.Helper()
	if err != nil {
		u.t.Fatal(err)
	}
}

// config is the table [modems].
func (u *usbTree) config(discover bool) string {
	return fmt.Sprintf("[modems]\nsys = %q\ndev = %q\ndiscover = %t\n", u.sys, u.dev, discover)
}

// node is the path of a port.
func (u *usbTree) node(tty string) string { return filepath.Join(u.dev, tty) }

// plug makes a device as the kernel does: first in sys, then its nodes. id is
// "2c7c:0125".
func (u *usbTree) plug(path, id string, ports ...port) {
	u.t.Helper()
	u.devices++
	ctx, cancel := context.WithCancel(context.Background())
	p := &plugged{dir: filepath.Join(u.sys, "devices/usb1", path), remove: cancel}
	vendor, product, _ := strings.Cut(id, ":")
	u.attributes(p.dir, map[string]string{"idVendor": vendor, "idProduct": product, "devnum": fmt.Sprint(u.devices)})
	for _, o := range ports {
		u.function(p, o)
	}
	u.plugged[path] = p
	for _, o := range ports {
		node := u.node(o.tty)
		if o.modem == nil {
			u.bury(ctx, p, node, o.dead)
			continue
		}
		p.serving.Go(func() {
			if err := o.modem.ServePTY(ctx, node); err != nil {
				u.t.Errorf("%s: %v", node, err)
			}
		})
	}
}

func (u *usbTree) attributes(dir string, content map[string]string) {
	u.t.Helper()
	u.must(os.MkdirAll(dir, 0o755))
	for name, s := range content {
		u.must(os.WriteFile(filepath.Join(dir, name), []byte(s+"\n"), 0o644))
	}
}

// function makes an interface that the driver option serves, with its tty.
func (u *usbTree) function(p *plugged, o port) {
	u.t.Helper()
	dir := filepath.Join(p.dir, fmt.Sprintf("%s:1.%d", filepath.Base(p.dir), o.number))
	u.attributes(dir, map[string]string{
		"bInterfaceNumber": fmt.Sprintf("%02x", o.number), "bInterfaceClass": "ff", "bInterfaceSubClass": "00", "bInterfaceProtocol": "00",
	})
	tty := filepath.Join(dir, o.tty, "tty", o.tty)
	u.attributes(tty, nil)
	u.must(os.Symlink(filepath.Join(dir, o.tty), filepath.Join(tty, "device")))
	link := filepath.Join(u.sys, "class/tty", o.tty)
	u.must(os.Symlink(tty, link))
	p.ttys = append(p.ttys, link)
}

// bury makes a node at which nobody answers.
func (u *usbTree) bury(ctx context.Context, p *plugged, node string, d *dead) {
	u.t.Helper()
	master, slave, err := pty.Open()
	u.must(err)
	if d != nil {
		u.must(d.watch(slave.Name()))
		u.t.Cleanup(func() { d.opens.Close() })
	}
	u.must(os.Symlink(slave.Name(), node))
	p.serving.Go(func() {
		<-ctx.Done()
		os.Remove(node)
		master.Close()
		slave.Close()
	})
}

func (u *usbTree) unplug(path string) {
	u.t.Helper()
	p := u.plugged[path]
	delete(u.plugged, path)
	for _, tty := range p.ttys {
		u.must(os.Remove(tty))
	}
	u.must(os.RemoveAll(p.dir))
	p.remove()
	p.serving.Wait()
}

// dead is a port that notes who opens it.
type dead struct{ opens *os.File } // inotify

func (d *dead) watch(name string) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return err
	}
	d.opens = os.NewFile(uintptr(fd), "inotify")
	_, err = unix.InotifyAddWatch(fd, name, unix.IN_OPEN)
	return err
}

// opened reports whether the port was opened since it was plugged in.
func (d *dead) opened() bool {
	d.opens.SetReadDeadline(time.Now())
	n, err := d.opens.Read(make([]byte, 512))
	return n > 0 || !errors.Is(err, os.ErrDeadlineExceeded)
}

// hold starts a program called ModemManager that has ports open, and returns it.
func (u *usbTree) hold(ttys ...string) *os.Process {
	u.t.Helper()
	sleep, err := exec.LookPath("sleep")
	u.must(err)
	program, err := os.ReadFile(sleep)
	u.must(err)
	manager := filepath.Join(u.t.TempDir(), "ModemManager")
	u.must(os.WriteFile(manager, program, 0o755))
	holder := exec.Command(manager, "1000")
	for _, tty := range ttys {
		file := u.open(u.node(tty))
		defer file.Close()
		holder.ExtraFiles = append(holder.ExtraFiles, file)
	}
	u.must(holder.Start())
	u.t.Cleanup(func() {
		holder.Process.Kill()
		holder.Wait()
	})
	return holder.Process
}

// open opens a node as soon as it is there.
func (u *usbTree) open(node string) *os.File {
	u.t.Helper()
	var file *os.File
	var err error
	await(patience, func() bool {
		file, err = os.OpenFile(node, os.O_RDWR|unix.O_NOCTTY, 0)
		return err == nil
	})
	u.must(err)
	return file
}

// doctor runs the verb, which ends with 1 when something is wrong.
func (w *world) doctor() string {
	w.t.Helper()
	out, err := exec.Command(binary, "doctor", "--config", w.config).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) {
		w.t.Fatalf("doctor: %v\n%s", err, out)
	}
	return string(out)
}

// says checks that a verb has printed each of some texts.
func (w *world) says(printed string, texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		if !strings.Contains(printed, text) {
			w.t.Errorf("%q is not in:\n%s", text, printed)
		}
	}
}
