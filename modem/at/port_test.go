package at

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// openPTY opens the slave of a new PTY as a modem's port.
func openPTY(t testing.TB) (port io.ReadWriteCloser, master *os.File, path string) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	path = slave.Name()
	port, err = Open(path, Mode{})
	if err != nil {
		t.Fatal(err)
	}
	slave.Close()
	master = pollable(t, master)
	t.Cleanup(func() {
		port.Close()
		master.Close()
	})
	return port, master, path
}

// pollable returns the file with its Read in the poller, so that Close frees
// it: pty.Open leaves the master in blocking mode.
func pollable(t testing.TB, f *os.File) *os.File {
	t.Helper()
	defer f.Close()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), f.Name())
}

// serve is the plainest modem: it takes any command, and any data after +CMGS.
func serve(rw io.ReadWriter) {
	r := bufio.NewReader(rw)
	for {
		cmd, err := r.ReadString('\r')
		if err != nil {
			return
		}
		if strings.HasPrefix(cmd, "AT+CMGS") {
			io.WriteString(rw, "\r\n> ")
			if _, err := r.ReadString('\x1a'); err != nil {
				return
			}
			io.WriteString(rw, "\r\n+CMGS: 17\r\n\r\nOK\r\n")
			continue
		}
		io.WriteString(rw, "\r\nOK\r\n")
	}
}

func TestPTY(t *testing.T) {
	port, master, _ := openPTY(t)
	d := New(port, Config{})
	ended := make(chan error, 1)
	go func() { ended <- d.Run(context.Background()) }()
	go serve(master)
	check(t, "hand-over", d.Submit(t.Context(), submit, data, Timeouts{}), Result{Info: []string{"+CMGS: 17"}, Written: true})
	_, err := d.Command(t.Context(), "+CSQ", time.Minute)
	check(t, "command", err, nil)

	master.Close() // the modem is pulled out
	if err := <-ended; err == nil {
		t.Error("Run returned nil")
	}
	_, err = d.Command(t.Context(), "", time.Minute)
	check(t, "command", err, ErrGone)
}

func TestPTYRunEnds(t *testing.T) {
	port, master, _ := openPTY(t)
	ctx, cancel := context.WithCancel(t.Context())
	d := New(port, Config{})
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	go serve(master)
	_, err := d.Command(t.Context(), "", time.Minute)
	check(t, "command", err, nil)
	cancel()
	check(t, "Run", <-ended, context.Canceled)
}

func TestCloseFreesWrite(t *testing.T) {
	port, master, _ := openPTY(t)
	freed := make(chan error, 1)
	go func() {
		_, err := port.Write(make([]byte, 1<<20)) // more than the kernel keeps
		freed <- err
	}()
	if _, err := master.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	port.Close()
	if err := <-freed; !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, want os.ErrClosed", err)
	}
}

// The next file that is opened gets the descriptors of the port.
func TestWriteAfterClose(t *testing.T) {
	port, _, _ := openPTY(t)
	port.Close()
	var recycled []*os.File
	for range 4 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		recycled = append(recycled, r, w)
	}
	if n, err := port.Write([]byte("AT\r")); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close: %d, %v", n, err)
	}
	if n, err := port.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read after Close: %d, %v", n, err)
	}
	for _, f := range recycled {
		f.Close()
	}
}

func TestOpenLocks(t *testing.T) {
	port, _, path := openPTY(t)
	_, err := Open(path, Mode{})
	if err == nil || !strings.Contains(err.Error(), "ModemManager") {
		t.Errorf("the second Open: %v, want what to do", err)
	}
	port.Close()
	again, err := Open(path, Mode{})
	if err != nil {
		t.Fatalf("Open after Close: %v", err)
	}
	again.Close()
}

func TestOpenErrors(t *testing.T) {
	for _, tt := range []struct{ name, path, want string }{
		{"missing", "/dev/ttyNone", "plug the modem in"},
		{"no serial port", os.DevNull, "serial port"},
	} {
		if _, err := Open(tt.path, Mode{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", tt.name, err, tt.want)
		}
	}
}

func BenchmarkSubmit(b *testing.B) {
	bench := func(b *testing.B, port io.ReadWriteCloser, modem io.ReadWriteCloser) {
		ctx, cancel := context.WithCancel(context.Background())
		d := New(port, Config{})
		var running sync.WaitGroup
		running.Go(func() { d.Run(ctx) })
		running.Go(func() { serve(modem) })
		pdu := strings.Repeat("00", 176)
		for b.Loop() {
			if r := d.Submit(ctx, submit, pdu, Timeouts{}); r.Err != nil {
				b.Fatal(r.Err)
			}
		}
		cancel()
		modem.Close()
		running.Wait()
	}
	b.Run("pipe", func(b *testing.B) {
		near, far := net.Pipe()
		bench(b, near, far)
	})
	b.Run("pty", func(b *testing.B) {
		port, master, _ := openPTY(b)
		bench(b, port, master)
	})
}

// TestOpenNoPort: what is no serial port is told apart from what is not there.
func TestOpenNoPort(t *testing.T) {
	dir := t.TempDir()
	file, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), unix.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{dir: true, file: true, pipe: true, "/dev/null": true, "/dev/zero": true, dir + "/none": false} {
		if _, err := Open(path, Mode{}); err == nil || errors.Is(err, ErrNoPort) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestOpenMode: a port has the rate and the flow control that were asked for,
// whatever it had before.
func TestOpenMode(t *testing.T) {
	first, master, path := openPTY(t)
	first.Close()
	for _, tt := range []struct {
		mode Mode
		want uint32 // of the rate and CRTSCTS
	}{
		{Mode{}, unix.B115200},
		{Mode{Baud: 9600, RTSCTS: true}, unix.B9600 | unix.CRTSCTS},
		{Mode{Baud: 19200}, unix.B19200},
		{Mode{Baud: 460800, RTSCTS: true}, unix.B460800 | unix.CRTSCTS},
		{Mode{RTSCTS: true}, unix.B115200 | unix.CRTSCTS},
	} {
		port, err := Open(path, tt.mode)
		if err != nil {
			t.Fatalf("%+v: %v", tt.mode, err)
		}
		raw, err := master.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var set *unix.Termios
		controlled := raw.Control(func(fd uintptr) { set, err = unix.IoctlGetTermios(int(fd), unix.TCGETS) })
		if err := errors.Join(controlled, err); err != nil {
			t.Fatal(err)
		}
		if got := set.Cflag & (unix.CBAUD | unix.CRTSCTS); got != tt.want {
			t.Errorf("%+v: %#o, want %#o", tt.mode, got, tt.want)
		}
		port.Close()
	}
}
