package board

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// port is a port of a USB hub: "1-1.3" is port 3 of hub 1-1.
type port struct {
	devices string // <root>/sys/bus/usb/devices
	path    string
}

// attributeMax is the most that is read of a file below /sys, in octets: it has
// a digit or a number.
const attributeMax = 64

// halves returns the names of the port: a USB 3 hub shows a socket as two ports,
// and a device is at one of them, the slower one if its cable is bad.
func (p port) halves() []string {
	dir, err := p.dir()
	if err != nil {
		return []string{p.path}
	}
	peer, err := os.Readlink(filepath.Join(dir, "peer"))
	hub, number, ok := strings.Cut(filepath.Base(peer), "-port")
	if err != nil || !ok {
		return []string{p.path}
	}
	if bus, ok := strings.CutPrefix(hub, "usb"); ok {
		return []string{p.path, bus + "-" + number}
	}
	return []string{p.path, hub + "." + number}
}

// plugged reports whether the kernel has a device at the port, authorised or not.
func (p port) plugged() bool {
	return slices.ContainsFunc(p.halves(), func(path string) bool { return exists(filepath.Join(p.devices, path)) })
}

// authorise lets the kernel drop the device at the port (false) or take it anew
// (true): Linux' Documentation/usb/authorization.rst.
func (p port) authorise(on bool) error {
	err := writeSys(filepath.Join(p.devices, p.path, "authorized"), digit(on))
	if errors.Is(err, fs.ErrNotExist) {
		return curable{fmt.Errorf("no device at USB port %s", p.path), "check usb in the configuration and the plug"}
	}
	return err
}

// enable switches the port on or off, and with it its supply where the hub can:
// Linux' Documentation/ABI/testing/sysfs-bus-usb, port<X>/disable, since 6.0.
// A USB 3 hub shows a socket as two ports; its supply goes when both are off.
func (p port) enable(on bool) error {
	dir, err := p.dir()
	switch {
	case err != nil:
		return err
	case !exists(filepath.Join(dir, "disable")):
		return curable{fmt.Errorf("this kernel cannot switch the port %s", p.path), "it needs Linux 6.0 or later"}
	}
	both := []string{dir}
	if peer := filepath.Join(dir, "peer"); exists(peer) {
		both = append(both, peer)
		if on { // USB 3 first, or the device comes up as USB 2
			both[0], both[1] = peer, dir
		}
	}
	var failed error
	for _, d := range both {
		failed = errors.Join(failed, p.enableOne(filepath.Join(d, "disable"), on))
	}
	return failed
}

func (p port) enableOne(file string, on bool) error {
	if err := writeSys(file, digit(!on)); err != nil {
		return err
	}
	if on {
		return nil
	}
	// The kernel asks the hub. A hub without switches is to say off too, and
	// leaves the supply on (USB 2.0, 11.11): the device comes anew all the same.
	if state, err := readSome(file, attributeMax); err != nil || state != digit(true) {
		return curable{errors.Join(fmt.Errorf("this hub cannot switch the port: %s stays on", p.path), err), "use a hub with switched ports, or a power line"}
	}
	return nil
}

// dir finds the directory of the port: 1-1:1.0/1-1-port3 below its hub, or
// 1-0:1.0/usb1-port1 below the root hub.
func (p port) dir() (string, error) {
	hub, number := p.path, ""
	if i := strings.LastIndexAny(p.path, "-."); i > 0 {
		hub, number = p.path[:i], p.path[i+1:]
	}
	face := hub + ":1.0"
	if !strings.Contains(hub, "-") {
		face, hub = hub+"-0:1.0", "usb"+hub
	}
	face = filepath.Join(p.devices, face)
	dir := filepath.Join(face, hub+"-port"+number)
	switch {
	case !exists(face):
		return "", curable{fmt.Errorf("no USB hub %s", hub), "check usb in the configuration and the plug of the hub"}
	case !exists(dir):
		return "", curable{fmt.Errorf("USB hub %s has no port %s", hub, number), "check usb in the configuration"}
	}
	return dir, nil
}

// restore undoes what a process that was killed has left: a device not
// authorised, a port off. What is not there needs no restoring.
func (p port) restore() error {
	var failed error
	if dir, err := p.dir(); err == nil {
		if state, err := readSome(filepath.Join(dir, "disable"), attributeMax); err == nil && state == digit(true) {
			failed = p.enable(true)
		}
	}
	if state, err := readSome(filepath.Join(p.devices, p.path, "authorized"), attributeMax); err == nil && state == digit(false) {
		failed = errors.Join(failed, p.authorise(true))
	}
	return failed
}

// missing tells now what an operation would stumble over: a hub that is not
// there, rights. A device that is not there is told of the modem, and a kernel
// without the switch has other steps.
func (p port) missing() error {
	dir, err := p.dir()
	if err != nil {
		return err
	}
	for _, file := range []string{filepath.Join(p.devices, p.path, "authorized"), filepath.Join(dir, "disable")} {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err == nil {
			f.Close()
		} else if !errors.Is(err, fs.ErrNotExist) {
			return sysHint(err)
		}
	}
	return nil
}

// lamp is a LED that the kernel keeps.
type lamp struct {
	dir string // <root>/sys/class/leds/NAME
}

// set lights the lamp or not. The 0 before it ends what the kernel shows with it
// (Linux' Documentation/ABI/testing/sysfs-class-led, brightness).
func (l lamp) set(on bool) error {
	file := filepath.Join(l.dir, "brightness")
	err := writeSys(file, "0")
	if err == nil && on {
		bright := "1"
		if most, err := readSome(filepath.Join(l.dir, "max_brightness"), attributeMax); err == nil {
			if n, err := strconv.Atoi(most); err == nil && n > 0 {
				bright = most
			}
		}
		err = writeSys(file, bright)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return curable{fmt.Errorf("no LED %s", filepath.Base(l.dir)), `correct led in the configuration: "ls /sys/class/leds" lists them`}
	}
	return err
}

// writeSys writes an attribute below /sys. The kernel acts before it returns;
// a USB hub may take seconds.
func writeSys(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return sysHint(err)
	}
	_, err = f.WriteString(value)
	return sysHint(errors.Join(err, f.Close()))
}

// sysHint adds to an error what helps.
func sysHint(err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return curable{err, "add ReadWritePaths=/sys/devices to the service's unit: docs/board.md"}
	case errors.Is(err, fs.ErrPermission):
		return curable{err, "the udev rules in docs/board.md let the service's user write it"}
	}
	return err
}

func digit(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
