package modem_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/sim"
	"cellpost/sms"
)

// TestDeviceWatched: where its directory is there to be watched, a device is
// taken because it came, not because time went by.
func TestDeviceWatched(t *testing.T) {
	t.Parallel()
	device := filepath.Join(t.TempDir(), "usb0")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	taken := make(chan error)
	go func() {
		modem.AwaitDevice(ctx, device, time.Hour)
		taken <- ctx.Err()
	}()
	if err := os.WriteFile(device, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err != nil {
		t.Errorf("it was not seen: %v", err)
	}
}

// TestDeviceAppears: a modem is taken when it is plugged in, whether its directory
// is there to be watched or not, and not before.
func TestDeviceAppears(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		dir  string // of the device, made with it
	}{
		{"watched", "."},
		{"without its directory", "serial"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := short
			device := filepath.Join(t.TempDir(), tt.dir, "usb0")
			b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, c)
			here := b.m.Facts().Device
			b.m = modem.New(modem.Config{Name: "late", Device: device}, b.in, b.serve, b.logger())
			b.run()
			if f := b.await("looked for", func(f modem.Facts) bool { return f.Problem != "" }); f.State() != modem.Absent || f.NextStep() == "" {
				t.Errorf("facts: %+v", f)
			}
			if err := os.MkdirAll(filepath.Dir(device), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(here, device); err != nil {
				t.Fatal(err)
			}
			b.awaitState(modem.Ready)
			b.sendUntilSent(1, "one")
		})
	}
}

// TestUnplugged: the modem is absent while it is, and its line has ended.
func TestUnplugged(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
	b.awaitState(modem.Ready)
	b.sim.Strike(sim.Fault{Kind: sim.HangUp, For: time.Second})
	f := b.awaitState(modem.Absent)
	if f.Ready || f.Answering || f.IMEI == "" || f.IMSI != "" {
		t.Errorf("facts: %+v", f)
	}
	b.log.wait(t, "line ended", 1)
	begun := time.Now()
	b.awaitState(modem.Ready)
	t.Logf("back after %v, 1s of it away", time.Since(begun).Round(time.Millisecond))
}

// TestEnd: Run returns soon, whatever the modem is at, and after the hand-over
// under way.
func TestEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault sim.Fault
		want  modem.State
	}{
		{"ready", sim.Fault{}, modem.Ready},
		{"silent", sim.Fault{Kind: sim.Freeze}, modem.Silent},
		{"hung", sim.Fault{Kind: sim.Jam}, modem.Silent},
		{"no SIM", sim.Fault{Kind: sim.NoSIM}, modem.NoSIM},
		{"no coverage", sim.Fault{Kind: sim.NoNetwork}, modem.NoCoverage},
		{"denied", sim.Fault{Kind: sim.Denied}, modem.Denied},
		{"absent", sim.Fault{Kind: sim.HangUp, For: time.Hour}, modem.Absent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, sim.NetworkOptions{}, sim.Options{}, short, func(b *bench) {
				b.sim.Strike(tt.fault)
				b.run()
				b.awaitState(tt.want)
				b.endsWithin(time.Second)
			})
		})
	}
	t.Run("sending", func(t *testing.T) {
		t.Parallel()
		bubble(t, sim.NetworkOptions{}, sim.Options{AirTime: time.Second}, modem.Config{}, func(b *bench) {
			b.run()
			b.awaitState(modem.Ready)
			done := b.submit(message(t, 1, "one"))
			b.log.wait(b.t, "ctrl-Z", 1)
			b.endsWithin(2 * time.Second)
			b.checkTaken("one", true, b.outcome(done))
		})
	})
	t.Run("sending, unplugged", func(t *testing.T) {
		t.Parallel()
		bubble(t, sim.NetworkOptions{}, sim.Options{AirTime: time.Hour}, modem.Config{ResultTimeout: 2 * patience}, func(b *bench) {
			b.run()
			b.awaitState(modem.Ready)
			done := b.submit(message(t, 1, "one"))
			b.log.wait(b.t, "ctrl-Z", 1)
			b.sim.Strike(sim.Fault{Kind: sim.HangUp, For: time.Hour})
			b.endsWithin(time.Second)
			if o := b.outcome(done); o.Kind != sms.Ambiguous {
				t.Errorf("got %+v", o)
			}
		})
	})
	t.Run("stalled", func(t *testing.T) {
		t.Parallel()
		bubble(t, sim.NetworkOptions{}, sim.Options{}, short, func(b *bench) {
			b.run()
			b.awaitState(modem.Ready)
			b.sim.Inject(sim.Fault{Kind: sim.Freeze})
			b.send(1, "one")
			b.awaitState(modem.Stalled)
			b.endsWithin(time.Second)
		})
	})
	t.Run("at once", func(t *testing.T) {
		t.Parallel()
		b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, short)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.m.Run(ctx); err != nil || b.log.count("escape") != 0 {
			t.Errorf("Run: %v\n%s", err, b.log)
		}
	})
}

// endsWithin stops the driver, in a bubble, and looks how long that takes.
func (b *bench) endsWithin(most time.Duration) {
	b.t.Helper()
	begun := time.Now()
	b.stop()
	if took := time.Since(begun); took > most {
		b.t.Errorf("it took %v to end", took)
	}
}
