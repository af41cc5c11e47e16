package board

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is what the kernel knows of the clock of this machine.
type Clock struct {
	Synced   bool      // something keeps it in step: NTP, most likely
	RTC      string    // the clock that runs without power, and that the kernel set this one by at its start: "rtc0"; empty: none
	RTCTime  time.Time // what that shows; zero: it does not tell
	Firmware bool      // no such clock is shown, but the kernel of this kind of machine sets its clock at its start all the same
}

// ReadClock asks the kernel; root ("/") is where it shows devices. What cannot be
// read vouches for nothing.
func ReadClock(root string) Clock {
	var c Clock
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err == nil {
		c.Synced = t.Status&unix.STA_UNSYNC == 0
	}
	clocks, _ := filepath.Glob(filepath.Join(root, "sys/class/rtc/rtc*")) // the pattern is good
	for _, dir := range clocks {
		// "1" when the kernel set its clock by it: not when the clock showed no date.
		if set, err := readSome(filepath.Join(dir, "hctosys"), 16); err != nil || set != "1" {
			continue
		}
		c.RTC = filepath.Base(dir)
		text, err := readSome(filepath.Join(dir, "since_epoch"), 32)
		if seconds, bad := strconv.ParseInt(text, 10, 64); err == nil && bad == nil {
			c.RTCTime = time.Unix(seconds, 0)
		}
		break
	}
	// A PC has a clock with a battery, a virtual one the clock of its host, and Linux
	// reads that early, whether or not a driver shows it later. A board with a device
	// tree has what the tree says.
	pc := runtime.GOARCH == "amd64" || runtime.GOARCH == "386"
	c.Firmware = pc && len(clocks) == 0 && !hasTree(root)
	return c
}

func hasTree(root string) bool {
	text, err := treeStrings(root, "compatible")
	return err != nil || len(text) > 0
}

// clockAlarm is how far ahead the timer is set that tells of clocks that are set. It
// is never meant to ring; in the year when it does, that is taken for a set clock.
const clockAlarm = 365 * 24 * time.Hour

// WatchClock calls set whenever somebody sets the clock of this machine, until ctx
// ends. The kernel tells by a timer that it cancels then (timerfd_create(2)). An
// error says that it cannot tell.
func WatchClock(ctx context.Context, set func()) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch the clock: %w", err)
	}
	timer := os.NewFile(uintptr(fd), "timerfd")
	stop := context.AfterFunc(ctx, func() { timer.Close() })
	defer func() {
		stop()
		timer.Close()
	}()
	for {
		err := wind(timer)
		if err == nil {
			_, err = timer.Read(make([]byte, 8))
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, unix.ECANCELED):
			return fmt.Errorf("watch the clock: %w", err)
		}
		set()
	}
}

// wind sets the timer; [unix.ECANCELED] tells that it was cancelled already.
func wind(timer *os.File) error {
	at, err := unix.TimeToTimespec(time.Now().Add(clockAlarm))
	if err != nil {
		return err
	}
	raw, err := timer.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &unix.ItimerSpec{Value: at}, nil)
	})
	return errors.Join(err, failed)
}
