package systemd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// turns is a loop that comes round after each of the times in turn, the last
// for ever; a negative one fails at once.
func turns(after ...time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		d := after[0]
		if len(after) > 1 {
			after = after[1:]
		}
		if d < 0 {
			return errors.New("disk full")
		}
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// deaf is a loop that hangs for d and does not hear that it has to stop.
func deaf(d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		<-time.After(d)
		return nil
	}
}

const fails, hangs = -1, time.Hour

func TestWatchdog(t *testing.T) {
	for _, tc := range []struct {
		name   string
		checks []Check
		fed    []int // the seconds in which WATCHDOG=1 arrived, of 130
		log    []string
	}{
		{name: "no checks", fed: []int{0, 30, 60, 90, 120}},
		{name: "all turn",
			checks: []Check{{"store", turns(0)}, {"queue", turns(time.Second)}},
			fed:    []int{1, 31, 61, 91, 121}},
		{name: "side by side",
			checks: []Check{{"store", turns(20 * time.Second)}, {"queue", turns(20 * time.Second)}},
			fed:    []int{20, 50, 80, 110}},
		{name: "one fails",
			checks: []Check{{"store", turns(fails)}, {"queue", turns(0)}},
			log:    []string{"ERROR store"}},
		{name: "one hangs",
			checks: []Check{{"store", turns(0)}, {"queue", turns(hangs)}},
			log:    []string{"ERROR queue"}},
		{name: "one is deaf",
			checks: []Check{{"store", turns(0)}, {"queue", deaf(hangs)}},
			log:    []string{"ERROR queue"}},
		{name: "fails, then turns",
			checks: []Check{{"store", turns(0, fails, fails, 0)}},
			fed:    []int{0, 90, 120},
			log:    []string{"ERROR store", "INFO store"}},
		{name: "late, then in time",
			checks: []Check{{"store", turns(40*time.Second, 0)}},
			fed:    []int{30, 60, 90, 120},
			log:    []string{"ERROR store", "INFO store"}},
		{name: "always a little late",
			checks: []Check{{"store", deaf(31 * time.Second)}},
			log:    []string{"ERROR store"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newManager(t)
			setWatchdog(t, time.Minute)
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				stop := startWatchdog(t, &log, tc.checks...)
				if fed := fedWithin(t, m, 130); !slices.Equal(fed, tc.fed) {
					t.Errorf("fed in seconds %v, want %v", fed, tc.fed)
				}
				stop()
				if got := logged(log.String()); !slices.Equal(got, tc.log) {
					t.Errorf("logged %q, want %q", got, tc.log)
				}
			})
		})
	}
}

// fedWithin returns the seconds, from now on, in which the dog was fed.
func fedWithin(t *testing.T, m *manager, seconds int) []int {
	t.Helper()
	var fed []int
	for s := range seconds {
		synctest.Wait()
		for _, message := range m.told(t) {
			if message != "WATCHDOG=1" {
				t.Errorf("systemd was told %q", message)
			}
			fed = append(fed, s)
		}
		<-time.After(time.Second)
	}
	return fed
}

// startWatchdog runs Watchdog until the function it returns is called.
func startWatchdog(t *testing.T, log *bytes.Buffer, checks ...Check) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- Watchdog(ctx, slog.New(slog.NewTextHandler(log, nil)), checks...) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

var logLine = regexp.MustCompile(`level=(\w+) .* check=(\w+)`)

// logged returns level and check of every line.
func logged(text string) []string {
	var lines []string
	for _, m := range logLine.FindAllStringSubmatch(text, -1) {
		lines = append(lines, m[1]+" "+m[2])
	}
	return lines
}

func setWatchdog(t *testing.T, d time.Duration) {
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt(d.Microseconds(), 10))
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
}

func TestWatchdogStopsWhileTurning(t *testing.T) {
	newManager(t)
	setWatchdog(t, time.Minute)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		begun, returned := time.Now(), false
		stop := startWatchdog(t, &log, Check{"store", turns(hangs)},
			Check{"queue", func(context.Context) error {
				<-time.After(20 * time.Second)
				returned = true
				return nil
			}})
		<-time.After(10 * time.Second)
		stop()
		if !returned || time.Since(begun) != 20*time.Second {
			t.Errorf("returned after %v, before its last check: %v", time.Since(begun), !returned)
		}
		if log.Len() != 0 {
			t.Errorf("logged of a check that was told to stop: %s", &log)
		}
	})
}

func TestWatchdogSystemdGone(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", t.TempDir()+"/gone")
	setWatchdog(t, time.Minute)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		stop := startWatchdog(t, &log)
		<-time.After(5 * time.Minute)
		stop()
		if got := logged(log.String()); !slices.Equal(got, []string{"ERROR notify"}) {
			t.Errorf("logged %q, want one line about notify", got)
		}
	})
}

func TestWatchdogUnset(t *testing.T) {
	for _, tc := range []struct {
		name, usec, pid string
		wrong           bool
	}{
		{name: "not under systemd"},
		{name: "of another process", usec: "60000000", pid: "1"},
		{name: "not a number", usec: "soon", wrong: true},
		{name: "no time at all", usec: "0", wrong: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newManager(t)
			t.Setenv("WATCHDOG_USEC", tc.usec)
			t.Setenv("WATCHDOG_PID", tc.pid)
			err := Watchdog(t.Context(), slog.Default(), Check{"store", func(context.Context) error {
				t.Error("checked without a watchdog")
				return nil
			}})
			if (err != nil) != tc.wrong {
				t.Errorf("error %v, want one: %v", err, tc.wrong)
			}
			if told := m.told(t); told != nil {
				t.Errorf("systemd was told %q", told)
			}
		})
	}
}
