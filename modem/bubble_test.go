package modem_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/modem"
	"cellpost/modem/at"
	"cellpost/modem/sim"
	"cellpost/sms"
)

// bubble is prepare in fake time: the modem is on a pipe, an idle hour takes a
// moment, and f may sleep. The driver does not run before b.run.
func bubble(t *testing.T, n sim.NetworkOptions, o sim.Options, c modem.Config, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, net: sim.NewNetwork(n), log: newJournal(), jobs: make(chan job, 100), stop: func() {}}
		b.in = &inbox{log: b.log}
		b.wire = &wire{log: b.log}
		b.sim = sim.NewModem(b.net, o)
		ctx, cancel := context.WithCancel(context.Background())
		var ports sync.WaitGroup
		open := func(_ string, mode at.Mode) (io.ReadWriteCloser, error) {
			b.log.add(fmt.Sprintf("opened with %+v", mode))
			near, far := net.Pipe()
			ports.Wait() // a modem has one
			ports.Go(func() {
				if err := b.sim.Serve(ctx, b.wire.wrap(far)); err != nil {
					t.Error(err)
				}
			})
			return near, nil
		}
		b.again = func(c modem.Config) {
			c.Name = b.sim.Options().Name
			if c.Profiles == nil {
				c.Profiles = families(t)
			}
			c.Locate = func(context.Context) (modem.Place, error) { return modem.Place{Device: "pipe"}, nil }
			b.m = modem.New(c, named{b.in}, b.serve, b.logger())
			b.m.SetOpen(open)
		}
		b.again(c)
		t.Cleanup(func() {
			b.stop()
			cancel() // one that hangs does not see that its port was closed
			ports.Wait()
			if t.Failed() {
				lines := strings.Split(b.log.String(), "\n")
				t.Logf("facts: %+v\n%s", b.m.Facts(), strings.Join(lines[max(0, len(lines)-logged):], "\n"))
			}
		})
		f(b)
	})
}

const logged = 300 // lines of a day, when a test has failed

// within waits in a bubble until the facts are as wanted, and returns how long
// that took.
func (b *bench) within(most time.Duration, what string, want func(modem.Facts) bool) time.Duration {
	b.t.Helper()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		took := time.Since(began)
		if want(b.m.Facts()) {
			return took
		}
		if took > most {
			b.t.Fatalf("it is not %s within %v: %s, %+v", what, most, b.m.Facts().State(), b.m.Facts())
		}
	}
}

// readyIn waits in a bubble until the modem sends by the SIM in a slot.
func (b *bench) readyIn(slot int, most time.Duration) time.Duration {
	b.t.Helper()
	return b.within(most, "ready", func(f modem.Facts) bool { return f.Slot == slot && f.State() == modem.Ready })
}

// named is an inbox that writes down by which SIM something came.
type named struct{ *inbox }

func (n named) Report(ctx context.Context, r sms.Report) error {
	n.log.add("report by " + r.SIM)
	return n.inbox.Report(ctx, r)
}

func (n named) Receive(ctx context.Context, in sms.Inbound) error {
	n.log.add("message by " + in.SIM)
	return n.inbox.Receive(ctx, in)
}
