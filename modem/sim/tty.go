package sim

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// tty is a PTY with a raw slave. The slave is held open, so that the settings
// stay and nothing is lost while the driver has it closed.
type tty struct {
	master, slave *os.File
	closes        *os.File // inotify: tells when the slave was closed
	stalled       bool     // the last write found no reader
}

func openTTY() (*tty, error) {
	// Not through pty.Open, which leaves the master in blocking mode: a Read that
	// waits could not be ended.
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open a PTY: %w", err)
	}
	t := &tty{master: master}
	if err := t.openSlave(); err != nil {
		t.Close()
		return nil, fmt.Errorf("open a PTY: %w", err)
	}
	return t, nil
}

func (t *tty) openSlave() error {
	var number int
	err := control(t.master, func(fd int) (err error) {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	})
	if err != nil {
		return err
	}
	name := fmt.Sprintf("/dev/pts/%d", number)
	if t.slave, err = os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return err
	}
	if err := control(t.slave, makeRaw); err != nil {
		return err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return err
	}
	t.closes = os.NewFile(uintptr(fd), "inotify")
	_, err = unix.InotifyAddWatch(fd, name, unix.IN_CLOSE)
	return err
}

// control runs f with the descriptor of a file.
func control(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if err := conn.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return err
	}
	return ferr
}

// makeRaw lets octets pass as they are: no echo, no CR and NL mapping; see
// cfmakeraw in termios(3).
func makeRaw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// releaseWhenClosed undoes TIOCEXCL each time the slave was closed: a driver that
// was killed left it behind, and with a real port it would have gone with the
// last descriptor, which here is ours.
func (t *tty) releaseWhenClosed() {
	for t.release() {
	}
}

// release waits until the slave is closed once and reports whether it was.
func (t *tty) release() bool {
	event := make([]byte, 512)
	if _, err := t.closes.Read(event); err != nil {
		return false
	}
	return control(t.slave, func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCNXCL, 0) }) == nil
}

func (t *tty) Read(b []byte) (int, error) { return t.master.Read(b) }

// A driver that reads nothing holds up the first write for patience and those
// after it for impatience. What it did not read then is lost, as on a UART.
const (
	patience   = time.Second
	impatience = time.Millisecond
)

// Write loses what nobody reads in time. Not for concurrent use.
func (t *tty) Write(b []byte) (int, error) {
	wait := patience
	if t.stalled {
		wait = impatience
	}
	if err := t.master.SetWriteDeadline(time.Now().Add(wait)); err != nil {
		return 0, err
	}
	n, err := t.master.Write(b)
	t.stalled = errors.Is(err, os.ErrDeadlineExceeded)
	return n, err
}

// Close takes the PTY away from both sides. Closing again does nothing.
func (t *tty) Close() error {
	for _, f := range []*os.File{t.master, t.slave, t.closes} {
		if f != nil {
			f.Close()
		}
	}
	return nil
}
