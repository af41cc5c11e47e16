// Package usb knows the USB devices with serial ports that the kernel shows,
// and when they change. It promises to open none of the ports, and that a device
// is known by where it is plugged in, whatever number its ports have now.
package usb

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Tree is where the kernel shows devices. The zero value is this machine's.
type Tree struct {
	Sys  string // empty: /sys
	Dev  string // empty: /dev
	Proc string // empty: /proc
}

func (t Tree) sys() string  { return cmp.Or(t.Sys, "/sys") }
func (t Tree) dev() string  { return cmp.Or(t.Dev, "/dev") }
func (t Tree) proc() string { return cmp.Or(t.Proc, "/proc") }

// Device is a USB device with at least one serial port.
type Device struct {
	Path            string // bus and ports of hubs, the same in each plugging in: "1-1.3"
	Number          int    // on its bus, another in each plugging in; 0: not known
	Vendor, Product uint16

	Manufacturer, Name, Serial string // as the device says, made fit to print; may be empty

	Ports []Port // by interface, then by node
}

// String names the device for people: "1-1.3 (Quectel EG25-G)".
func (d Device) String() string {
	name := d.Name
	if name == "" {
		name = fmt.Sprintf("%04x:%04x", d.Vendor, d.Product)
	}
	if d.Manufacturer != "" {
		name = d.Manufacturer + " " + name
	}
	return d.Path + " (" + name + ")"
}

// Port is a serial port of a device.
type Port struct {
	Node      string // "/dev/ttyUSB2"; changes with each plugging in
	Interface int    // bInterfaceNumber
	Driver    string // of the interface: "option"; empty: not known

	Class, Subclass, Protocol byte // of the interface
}

// Devices returns the devices with serial ports by path. One that is going away
// while it is read is left out. Without USB there are none, which is no error.
func (t Tree) Devices() ([]Device, error) {
	ttys, err := os.ReadDir(filepath.Join(t.sys(), "class/tty"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list serial ports: %w", err)
	}
	ports := map[string][]Port{} // by directory of the device
	for _, tty := range ttys {
		if dir, p, ok := t.port(tty.Name()); ok {
			ports[dir] = append(ports[dir], p)
		}
	}
	var devices []Device
	for dir, p := range ports {
		if d, ok := readDevice(dir); ok {
			slices.SortFunc(p, func(a, b Port) int {
				return cmp.Or(cmp.Compare(a.Interface, b.Interface), cmp.Compare(len(a.Node), len(b.Node)), cmp.Compare(a.Node, b.Node))
			})
			d.Ports = p
			devices = append(devices, d)
		}
	}
	slices.SortFunc(devices, func(a, b Device) int { return cmp.Compare(a.Path, b.Path) })
	return devices, nil
}

// port reads the port of a tty, when it is on USB, and finds the directory of
// its device, which is above that of the interface.
func (t Tree) port(tty string) (device string, p Port, ok bool) {
	dir, err := filepath.EvalSymlinks(filepath.Join(t.sys(), "class/tty", tty, "device"))
	if err != nil {
		return "", Port{}, false
	}
	// Drivers of usb-serial put a directory for the port between the interface
	// and the tty; cdc-acm puts none.
	if _, err := os.Lstat(filepath.Join(dir, "bInterfaceNumber")); err != nil {
		dir = filepath.Dir(dir)
	}
	a := attributes{dir: dir}
	p = Port{
		Node:      filepath.Join(t.dev(), tty),
		Interface: int(a.hex("bInterfaceNumber", 8)),
		Class:     byte(a.hex("bInterfaceClass", 8)),
		Subclass:  byte(a.hex("bInterfaceSubClass", 8)),
		Protocol:  byte(a.hex("bInterfaceProtocol", 8)),
	}
	if driver, err := os.Readlink(filepath.Join(dir, "driver")); err == nil {
		p.Driver = filepath.Base(driver)
	}
	return filepath.Dir(dir), p, !a.failed
}

// readDevice reads a device without its ports.
func readDevice(dir string) (Device, bool) {
	a := attributes{dir: dir}
	d := Device{
		Path:    filepath.Base(dir),
		Vendor:  uint16(a.hex("idVendor", 16)),
		Product: uint16(a.hex("idProduct", 16)),
	}
	d.Number = a.decimal("devnum")
	d.Manufacturer, d.Name, d.Serial = a.text("manufacturer"), a.text("product"), a.text("serial")
	return d, !a.failed
}

// NoPort reports whether a path is known to lead to no serial port: to no
// character device, or to one of another class. It does not open it, which would
// start a watchdog. What the kernel does not show,
// as a pseudo terminal, may be one, and so may what is not there.
func (t Tree) NoPort(path string) bool {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return false
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFCHR {
		return true
	}
	number := fmt.Sprintf("%d:%d", unix.Major(uint64(stat.Rdev)), unix.Minor(uint64(stat.Rdev)))
	class, err := os.Readlink(filepath.Join(t.sys(), "dev/char", number, "subsystem"))
	return err == nil && !slices.Contains([]string{"tty", "wwan"}, filepath.Base(class))
}
