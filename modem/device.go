package modem

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lookAgain is how often a device is looked for where the kernel cannot tell
// (its directory is missing too).
const lookAgain = 5 * time.Second

// awaitDevice returns when there is a device at path; if there was one already,
// when something has happened to it (it was unplugged, it has new owners). It
// returns after most, too, and when ctx has ended. The directory is watched, so
// that a modem is taken at once when it is plugged in.
func awaitDevice(ctx context.Context, path string, there bool, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	watch, err := watchDir(filepath.Dir(path))
	if err != nil {
		<-ctx.Done()
		return
	}
	stop := context.AfterFunc(ctx, func() { watch.SetReadDeadline(time.Now()) })
	defer watch.Close()
	defer stop()
	buf := make([]byte, 16<<10)
	for {
		if _, err := os.Stat(path); err == nil && !there {
			return
		}
		n, err := watch.Read(buf)
		if err != nil || there && bytes.Contains(buf[:n], []byte(filepath.Base(path)+"\x00")) {
			return
		}
	}
}

// watchDir returns a file from which a read returns when an entry of dir is
// made, moved in, removed, or has its owner or mode changed.
func watchDir(dir string) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVED_TO|unix.IN_ATTRIB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
