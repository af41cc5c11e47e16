package usb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const patience = 50 * time.Second

// watching runs Watch, and returns a channel with a token for each call.
func watching(t *testing.T, tree Tree, during func()) <-chan struct{} {
	t.Helper()
	calls := make(chan struct{}, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- tree.Watch(ctx, func() {
			during()
			calls <- struct{}{}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
	})
	return calls
}

func await(t *testing.T, calls <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-calls:
	case <-time.After(patience):
		t.Fatalf("%s: not told", what)
	}
}

func TestWatch(t *testing.T) {
	tree := fake(t)
	calls := watching(t, tree, func() {})
	await(t, calls, "start")
	node := filepath.Join(tree.Dev, "ttyUSB0")
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"plugged in", func() error { return os.WriteFile(node, nil, 0o600) }},
		{"other rights", func() error { return os.Chmod(node, 0o660) }},
		{"renamed", func() error { return os.Rename(node, node+"0") }},
		{"unplugged", func() error { return os.Remove(node + "0") }},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		await(t, calls, step.what)
		for len(calls) > 0 { // two events of one step
			<-calls
		}
	}
}

// TestWatchBurst: all that happens during a call is told by one more.
func TestWatchBurst(t *testing.T) {
	tree := fake(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	var n atomic.Int32
	calls := watching(t, tree, func() {
		if n.Add(1) == 1 {
			close(entered)
			<-leave
		}
	})
	<-entered
	for i := range 100 {
		if err := os.WriteFile(filepath.Join(tree.Dev, "tty"+string(rune('A'+i%26))+string(rune('a'+i/26))), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	close(leave)
	await(t, calls, "start")
	await(t, calls, "burst")
	last := filepath.Join(tree.Dev, "last")
	if err := os.WriteFile(last, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, calls, "after the burst")
	// Events that the reader had not read yet when the call ended make a few.
	if n.Load() > 50 {
		t.Errorf("%d calls for 102 events", n.Load())
	}
}

func TestWatchNothing(t *testing.T) {
	if err := (Tree{Dev: "/nonexistent"}).Watch(t.Context(), func() { t.Error("called") }); !errors.Is(err, unix.ENOENT) {
		t.Errorf("got %v", err)
	}
}

// TestOfTTY: only events about serial ports count.
func TestOfTTY(t *testing.T) {
	for _, tt := range []struct {
		name, event string
		want        bool
	}{
		{"kernel", "add@/devices/usb1/1-1/1-1:1.2/ttyUSB2/tty/ttyUSB2\x00ACTION=add\x00SUBSYSTEM=tty\x00MAJOR=188\x00", true},
		{"udev", "libudev\x00\xfe\xed\xca\xfe\x28\x00\x00\x00ACTION=add\x00SUBSYSTEM=tty\x00ID_MODEL=x\x00", true},
		{"disk", "add@/devices/x/block/sda\x00ACTION=add\x00SUBSYSTEM=block\x00", false},
		{"another property", "add@/x\x00OLD_SUBSYSTEM=tty\x00SUBSYSTEM=ttyprintk\x00", false},
		{"cut", "add@/x\x00SUBSYSTEM=tt", false},
		{"empty", "", false},
	} {
		if got := ofTTY([]byte(tt.event)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// TestRead: each event of concern leaves a token, until the file ends.
func TestRead(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	due := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() { ended <- source{r, ofTTY}.read(due) }()
	w.WriteString("SUBSYSTEM=block\x00")
	w.WriteString("add@/x\x00SUBSYSTEM=tty\x00")
	await(t, due, "event")
	w.Close()
	if err := <-ended; err == nil {
		t.Error("no error at the end of the file")
	}
	r.Close()
}
