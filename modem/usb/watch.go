package usb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Groups of NETLINK_KOBJECT_UEVENT. The kernel tells of a device when it has
// made the node, udev when it has set owner, mode and links. Both are heard:
// where udev does not run, or not yet, the kernel's has to do.
const (
	kernelGroup = 1 << 0
	udevGroup   = 1 << 1
)

// maxEvent is more than an event of the kernel (2 KiB of properties) or of udev
// (some 8 KiB) has; a longer one is cut, which does no harm.
const maxEvent = 32 << 10

// Watch calls changed once as soon as nothing can be missed any more, and then
// at least once after each change of serial ports, until ctx ends. There is one
// call at a time; all that happens during one is told by the next. Where the
// kernel's events are out of reach, as in a container, the directory of nodes
// alone is watched. The error is that of ctx, or why nothing can be watched.
func (t Tree) Watch(ctx context.Context, changed func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	nodes, err := WatchDir(t.dev())
	if err != nil {
		return fmt.Errorf("watch %s: %w", t.dev(), err)
	}
	sources := []source{{nodes, anything}}
	if events, err := listen(); err == nil {
		sources = append(sources, source{events, ofTTY})
	}

	due := make(chan struct{}, 1)
	due <- struct{}{}
	var readers sync.WaitGroup
	defer readers.Wait()
	for _, s := range sources {
		defer s.file.Close()
		stop := context.AfterFunc(ctx, func() { s.file.SetReadDeadline(time.Now()) })
		defer stop()
		readers.Go(func() { cancel(s.read(due)) })
	}
	defer cancel(nil) // before the readers are waited for
	for {
		select {
		case <-due:
			changed()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// source tells of changes, one a read.
type source struct {
	file     *os.File
	concerns func(event []byte) bool
}

// read leaves a token in due for each event of concern, until the file fails.
func (s source) read(due chan<- struct{}) error {
	b := make([]byte, maxEvent)
	for {
		n, err := s.file.Read(b)
		switch {
		case errors.Is(err, unix.ENOBUFS): // events were lost
		case err != nil:
			return fmt.Errorf("watch serial ports: %w", err)
		case !s.concerns(b[:n]):
			continue
		}
		select {
		case due <- struct{}{}:
		default:
		}
	}
}

func anything([]byte) bool { return true }

// ofTTY reports whether an event of the kernel or of udev is about a serial
// port. Both have their properties as strings that end in NUL, after headers
// that differ and do not matter here.
func ofTTY(event []byte) bool { return bytes.Contains(event, []byte("\x00SUBSYSTEM=tty\x00")) }

// listen returns a socket that brings one event a read.
func listen() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup | udevGroup}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "uevents"), nil
}

// WatchDir returns a file from which a read returns when an entry of dir is
// made, moved, removed, or has its owner or mode changed. What it reads is of no
// use. The caller closes it.
func WatchDir(dir string) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVE|unix.IN_ATTRIB|unix.IN_ONLYDIR); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "inotify"), nil
}
