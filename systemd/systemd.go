// Package systemd knows what the service manager and the daemon tell each
// other: readiness, the watchdog, a line of status; and, in the files beside
// the code, how the service is run, which devices it may open and who owns its
// files. Where systemd did not start the process, nothing happens and
// no error is returned.
package systemd

import (
	"fmt"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready says that every door listens: units that wait for the service start
// now, and so does the clock of the watchdog.
func Ready() error { return notify(daemon.SdNotifyReady) }

// Stopping says that the service is closing down. Say it first, whatever the
// reason to stop: from here on systemd waits TimeoutStopSec and no longer
// minds the watchdog, which would bite while the last parts leave.
func Stopping() error { return notify(daemon.SdNotifyStopping) }

// Status shows text in the output of systemctl status. A line end becomes a
// space, since another line would be another message to systemd.
func Status(text string) error {
	return notify("STATUS=" + strings.Join(strings.FieldsFunc(text, isLineEnd), " "))
}

func isLineEnd(r rune) bool { return r == '\n' || r == '\r' }

func notify(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify systemd: %w: check NOTIFY_SOCKET and that the unit has Type=notify", err)
	}
	return nil
}
