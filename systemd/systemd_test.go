package systemd

import (
	"net"
	"path/filepath"
	"slices"
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
