package sim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// onPTY serves a modem behind a PTY until the test ends; linked gets the link
// each time it stands.
func onPTY(t testing.TB, n *Network, o Options) (m *Modem, linked <-chan string) {
	links := make(chan string, 10)
	o.Linked = func(link string) { links <- link }
	m = NewModem(n, o)
	link := filepath.Join(t.TempDir(), "modem")
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := m.ServePTY(ctx, link); err != nil {
			t.Errorf("ServePTY: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if _, err := os.Lstat(link); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the link is still there: %v", err)
		}
	})
	return m, links
}

// device is the driver's end of a PTY.
type device struct {
	*os.File
	r *bufio.Reader
}

func openDevice(t testing.TB, link string) device {
	f, err := os.OpenFile(link, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return device{f, bufio.NewReader(f)}
}

// ask writes and reads up to the end given.
func (d device) ask(t testing.TB, send, end string) string {
	if _, err := d.WriteString(send); err != nil {
		t.Fatalf("write %q: %v", send, err)
	}
	var got []byte
	for !strings.HasSuffix(string(got), end) {
		c, err := d.r.ReadByte()
		if err != nil {
			t.Fatalf("%q: got %q, then %v", send, got, err)
		}
		got = append(got, c)
	}
	return string(got)
}

func TestPTY(t *testing.T) {
	n := NewNetwork(NetworkOptions{})
	m, linked := onPTY(t, n, quiet)
	link := <-linked
	command, data := cmgs(t, submission(t, handset, "hi"))

	d := openDevice(t, link)
	if got := d.ask(t, "AT+CMEE=1;+CMEE?\r", "OK\r\n"); got != "\r\n+CMEE: 1\r\n\r\nOK\r\n" {
		t.Errorf("got %q: the slave is not raw", got)
	}
	d.ask(t, command, "> ")
	d.ask(t, data, "+CMGS: 1\r\n\r\nOK\r\n")
	d.Close()

	d = openDevice(t, link)
	d.ask(t, "AT+CMEE?\r", "+CMEE: 1\r\n\r\nOK\r\n")
	m.Inject(Fault{Kind: HangUp, Taken: true})
	d.ask(t, command, "> ")
	if _, err := d.WriteString(data); err != nil {
		t.Fatal(err)
	}
	if c, err := d.r.ReadByte(); err == nil {
		t.Errorf("read %q from a modem that is gone", c)
	}
	d.Close()
	if l := n.Ledger(); len(l) != 2 {
		t.Errorf("ledger has %d entries, want 2", len(l))
	}

	d = openDevice(t, <-linked)
	d.ask(t, "AT+CMEE?\r", "+CMEE: 0\r\n\r\nOK\r\n")
	d.Close()
}

// TestPTYAway: while the modem is unplugged nobody finds its link.
func TestPTYAway(t *testing.T) {
	m, linked := onPTY(t, NewNetwork(NetworkOptions{}), quiet)
	link := <-linked
	d := openDevice(t, link)
	defer d.Close()
	m.Strike(Fault{Kind: HangUp, For: time.Hour})
	if _, err := d.r.ReadByte(); err == nil {
		t.Error("the PTY is still there")
	}
	if _, err := os.Lstat(link); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the link is still there: %v", err)
	}
}

// TestPTYExclusive: what a killed driver leaves behind does not lock out the
// next one.
func TestPTYExclusive(t *testing.T) {
	tty, err := openTTY()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	d := openDevice(t, tty.slave.Name())
	if err := control(d.File, func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCEXCL, 0) }); err != nil {
		t.Fatal(err)
	}
	d.Close()
	tty.release()
	var exclusive int
	if err := control(tty.slave, func(fd int) (err error) { exclusive, err = unix.IoctlGetInt(fd, unix.TIOCGEXCL); return }); err != nil {
		t.Fatal(err)
	}
	if exclusive != 0 {
		t.Error("the slave is still exclusive")
	}
}

// TestPTYUnread: a driver that reads nothing does not stop the modem.
func TestPTYUnread(t *testing.T) {
	n := NewNetwork(NetworkOptions{})
	m, linked := onPTY(t, n, quiet)
	d := openDevice(t, <-linked)
	defer d.Close()
	for range 20 {
		m.Strike(Fault{Kind: Storm, Count: 1000})
	}
	command, data := cmgs(t, submission(t, handset, "hi"))
	if _, err := d.WriteString(command + data); err != nil {
		t.Fatal(err)
	}
	if err := n.WaitFor(t.Context(), func(l []Entry) bool { return len(l) == 1 }); err != nil {
		t.Fatal(err)
	}
}

func TestPTYTaken(t *testing.T) {
	link := filepath.Join(t.TempDir(), "modem")
	if err := os.WriteFile(link, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := NewModem(NewNetwork(NetworkOptions{}), Options{})
	if err := m.ServePTY(t.Context(), link); err == nil {
		t.Error("a file was replaced by a link")
	}
	stale := filepath.Join(t.TempDir(), "stale")
	if err := os.Symlink("/nowhere", stale); err != nil {
		t.Fatal(err)
	}
	if err := symlink("/dev/null", stale); err != nil {
		t.Errorf("a stale link: %v", err)
	}
}

// TestMany: several modems in parallel, in one ledger.
func TestMany(t *testing.T) {
	const modems, each = 4, 50
	n := NewNetwork(NetworkOptions{})
	var wg sync.WaitGroup
	for i := range modems {
		_, linked := onPTY(t, n, quiet)
		d := openDevice(t, <-linked)
		defer d.Close()
		wg.Go(func() {
			d.ask(t, "AT+CNMI=2,1,0,1\r", "OK\r\n")
			for k := range each {
				command, data := cmgs(t, submission(t, handset, fmt.Sprintf("%d from %d", k, i)))
				d.ask(t, command, "> ")
				d.ask(t, data, "OK\r\n")
			}
		})
	}
	wg.Wait()
	ledger := n.Ledger()
	if len(ledger) != modems*each || len(n.Screens()) != modems*each {
		t.Fatalf("%d entries, %d screens", len(ledger), len(n.Screens()))
	}
	next := map[string]byte{}
	for _, e := range ledger {
		if next[e.SIM]++; e.MR != next[e.SIM] || e.Duplicate {
			t.Errorf("entry %s %d, duplicate %v: out of order", e.SIM, e.MR, e.Duplicate)
		}
	}
}

// BenchmarkHandOver is what the simulated modem adds to a measurement: a whole
// hand-over over a PTY.
func BenchmarkHandOver(b *testing.B) {
	_, linked := onPTY(b, NewNetwork(NetworkOptions{}), quiet)
	d := openDevice(b, <-linked)
	defer d.Close()
	command, data := cmgs(b, submission(b, handset, "hi"))
	b.ReportAllocs()
	for b.Loop() {
		d.ask(b, command, "> ")
		d.ask(b, data, "OK\r\n")
	}
}

// TestPTYCDROM: a stick that became a CD-ROM has no port until it is plugged in
// again.
func TestPTYCDROM(t *testing.T) {
	m, linked := onPTY(t, NewNetwork(NetworkOptions{}), Options{NoEcho: true, Profile: "e3372"})
	d := openDevice(t, <-linked)
	defer d.Close()
	d.ask(t, "AT^CURC=0\r", "OK\r\n")
	d.ask(t, "AT+CFUN=1,1\r", "OK\r\n")
	if _, err := d.r.ReadByte(); err == nil {
		t.Error("the PTY is still there")
	}
	m.Replug()
	d = openDevice(t, <-linked)
	defer d.Close()
	d.ask(t, "AT\r", "\r\nOK\r\n")
}
