package at

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// defaultBaud is for ports that have no rate of their own to speak of, as those
// on USB.
const defaultBaud = 115200

// ErrNoPort means that a path leads to something else than a serial port.
var ErrNoPort = errors.New("no serial port: correct device")

// Mode is how octets go over a serial port, beyond 8 data bits, no parity and 1
// stop bit.
type Mode struct {
	Baud int // octets take ten bits each; 0: 115,200

	// RTSCTS has either side wait for the other by RTS and CTS. Over a cable
	// without these two nothing is ever written: Write blocks until Close.
	RTSCTS bool
}

// Open opens a serial port, raises DTR and RTS, and locks it against other
// programs that lock. Close frees a Read and a Write that block. The error wraps
// [ErrNoPort] where that is why.
func Open(path string, m Mode) (io.ReadWriteCloser, error) {
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, explain(err)
	}
	if !isTerminal(file) {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, ErrNoPort)
	}
	if err := lock(file); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, explain(err))
	}
	mode, err := serial.Open(path, &serial.Mode{BaudRate: cmp.Or(m.Baud, defaultBaud), DataBits: 8})
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("set up %s as a serial port: %w", path, err)
	}
	p := &port{file: file, mode: mode}
	if err := p.raise(); err != nil {
		p.Close()
		return nil, fmt.Errorf("raise DTR and RTS of %s: %w", path, err)
	}
	if err := p.flow(m.RTSCTS); err != nil {
		p.Close()
		return nil, fmt.Errorf("use RTS and CTS of %s: %w: take flow out of the configuration if it has none", path, err)
	}
	return p, nil
}

func explain(err error) error {
	switch {
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EWOULDBLOCK):
		return fmt.Errorf("%w: another program uses it: stop ModemManager or what else fuser -v shows", err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: add the user to the group dialout", err)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w: plug the modem in", err)
	case errors.Is(err, unix.EISDIR):
		return fmt.Errorf("%w: %w", err, ErrNoPort)
	}
	return err
}

// isTerminal reports whether a file has the modes of a terminal, as serial ports
// do. One that has just gone may have.
func isTerminal(file *os.File) bool {
	raw, err := file.SyscallConn()
	if err != nil {
		return true
	}
	var got error
	err = raw.Control(func(fd uintptr) { _, got = unix.IoctlGetTermios(int(fd), unix.TCGETS) })
	return err != nil || !errors.Is(got, unix.ENOTTY)
}

// lock locks the device for as long as the file is open. TIOCEXCL, which the
// serial library sets too, does not bind root.
func lock(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var locked error
	err = raw.Control(func(fd uintptr) {
		locked = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB)
	})
	return errors.Join(err, locked)
}

// port reads and writes by a descriptor of its own, and leaves the mode to the
// library. A Write of the library after its Close goes to whatever owns the
// descriptor by then, perhaps another modem, and nothing ends one that blocks.
// An os.File counts who uses it, and Close frees them.
type port struct {
	file *os.File
	mode serial.Port
}

func (p *port) Read(b []byte) (int, error)  { return p.file.Read(b) }
func (p *port) Write(b []byte) (int, error) { return p.file.Write(b) }

// Close drops what a modem that does not read has left: the kernel would wait
// for it for half a minute.
func (p *port) Close() error {
	p.mode.ResetOutputBuffer()
	return errors.Join(p.file.Close(), p.mode.Close())
}

// raise sets DTR and RTS. A PTY has neither.
func (p *port) raise() error {
	for _, set := range []func(bool) error{p.mode.SetDTR, p.mode.SetRTS} {
		err := set(true)
		if err != nil && !errors.Is(err, unix.ENOTTY) && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	return nil
}

// flow has the kernel heed RTS and CTS. The library switches that off.
func (p *port) flow(rtscts bool) error {
	if !rtscts {
		return nil
	}
	raw, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		var t *unix.Termios
		if t, set = unix.IoctlGetTermios(int(fd), unix.TCGETS); set == nil {
			t.Cflag |= unix.CRTSCTS
			set = unix.IoctlSetTermios(int(fd), unix.TCSETS, t)
		}
	})
	return errors.Join(err, set)
}
