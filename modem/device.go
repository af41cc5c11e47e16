package modem

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"cellpost/modem/usb"
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
	watch, err := usb.WatchDir(filepath.Dir(path))
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
