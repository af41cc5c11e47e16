package modem

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lookAgain is how often a device is looked for where the kernel cannot tell
// (its directory is missing too).
const lookAgain = 5 * time.Second

// awaitDevice returns when there is a device at path, after most, or when ctx
// has ended. The directory is watched, so that a modem is taken at once when it
// is plugged in.
func awaitDevice(ctx context.Context, path string, most time.Duration) {
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
		if _, err := os.Stat(path); err == nil {
			return
		}
		if _, err := watch.Read(buf); err != nil {
			return
		}
	}
}

// watchDir returns a file from which a read returns when an entry of dir is
// made or moved in.
func watchDir(dir string) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
