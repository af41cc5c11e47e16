package systemd

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// manager stands in for systemd: it reads what the process tells it.
type manager struct{ conn *net.UnixConn }

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{conn}
}

// told returns what has arrived, without waiting for more: a goroutine that
// waits for a socket would stop the clock of synctest.
func (m *manager) told(t *testing.T) []string {
	t.Helper()
	raw, err := m.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var messages []string
	buf := make([]byte, 4096)
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, _, err := syscall.Recvfrom(int(fd), buf, syscall.MSG_DONTWAIT)
			if err != nil {
				return true
			}
			messages = append(messages, string(buf[:n]))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

var notifications = []struct {
	name string
	say  func() error
	want string
}{
	{"ready", Ready, "READY=1"},
	{"stopping", Stopping, "STOPPING=1"},
	{"status", func() error { return Status("3 modems ready - queue 4") }, "STATUS=3 modems ready - queue 4"},
	{"status cannot say ready", func() error { return Status("one\r\nREADY=1\n") }, "STATUS=one READY=1"},
}

func TestNotify(t *testing.T) {
	for _, tc := range notifications {
		t.Run(tc.name, func(t *testing.T) {
			m := newManager(t)
			if err := tc.say(); err != nil {
				t.Fatal(err)
			}
			if got := m.told(t); !slices.Equal(got, []string{tc.want}) {
				t.Errorf("systemd was told %q, want %q", got, tc.want)
			}
		})
	}
}

func TestNotifyNobody(t *testing.T) {
	for _, tc := range notifications {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("NOTIFY_SOCKET", "")
			if err := tc.say(); err != nil {
				t.Errorf("not under systemd: %v", err)
			}
			t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
			if err := tc.say(); err == nil {
				t.Error("no error for a socket that is not there")
			}
		})
	}
}

// inherit makes this test binary run the test once more, as a process with
// files from descriptor 3 on and their names.
func inherit(t *testing.T, names string, files ...*os.File) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES="+names, "SYSTEMD_CHILD=1")
	cmd.ExtraFiles = files
	cmd.Stderr = os.Stderr
	return cmd
}

// inherited reports whether this is that process, now that LISTEN_PID, which
// only it knows, is set.
func inherited(t *testing.T) bool {
	if os.Getenv("SYSTEMD_CHILD") == "" {
		return false
	}
	t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	return true
}

func TestListeners(t *testing.T) {
	if inherited(t) {
		serveInherited(t)
		return
	}
	var files []*os.File
	var addrs []string
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		l.Close() // f keeps the socket
		files, addrs = append(files, f), append(addrs, l.Addr().String())
	}
	cmd := inherit(t, "smtp:http:smtp", files...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		f.Close() // a child that dies takes the sockets along, and the dials below fail
	}
	for _, want := range []struct{ addr, greeting string }{
		{addrs[1], "http 0"}, {addrs[0], "smtp 0"}, {addrs[2], "smtp 1"},
	} {
		if got := greeting(t, want.addr); got != want.greeting {
			t.Errorf("the socket at %s is %q, want %q", want.addr, got, want.greeting)
		}
	}
	rest, _ := io.ReadAll(out)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("child: %v\n%s", err, rest)
	}
}

// serveInherited greets one caller on every inherited socket with its name and
// place, in the order of the names.
func serveInherited(t *testing.T) {
	byName, err := Listeners()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Listeners(); err != nil || len(again) != 0 {
		t.Errorf("the second call gave %v, %v, want nothing", again, err)
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		for i, l := range byName[name] {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(c, "%s %d\n", name, i)
			c.Close()
			l.Close()
		}
	}
}

func greeting(t *testing.T, addr string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func TestListenersRefuseDatagrams(t *testing.T) {
	if inherited(t) {
		if byName, err := Listeners(); err == nil || !strings.Contains(err.Error(), "syslog") || byName != nil {
			t.Errorf("got %v, %v, want an error that names the socket", byName, err)
		}
		return
	}
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if out, err := inherit(t, "syslog", f).Output(); err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
}

func TestListenersNone(t *testing.T) {
	t.Setenv("LISTEN_PID", "")
	if byName, err := Listeners(); err != nil || len(byName) != 0 {
		t.Errorf("not under systemd: %v, %v", byName, err)
	}
}
