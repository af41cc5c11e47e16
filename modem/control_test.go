package modem_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/sim"
	"cellpost/sms"
)

// TestSuspend: a suspended modem is left alone after the hand-over under way,
// and works again when it is resumed.
func TestSuspend(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{AirTime: time.Second}, modem.Config{})
	b.awaitState(modem.Ready)
	done := b.submit(message(t, 1, "one"))
	b.log.wait(t, "ctrl-Z", 1)
	b.m.Suspend()
	if o := b.outcome(done); o.Kind != sms.Accepted {
		t.Errorf("the hand-over under way: %+v", o)
	}
	f := b.awaitState(modem.Suspended)
	resume := "cellpost modem resume " + f.Name
	if f.NextStep() != resume || len(f.Health()) != 1 || f.Health()[0].Code != "modem-suspended" || f.Health()[0].Step != resume {
		t.Errorf("health: %+v", f.Health())
	}
	b.await("closed", func(f modem.Facts) bool { return !f.Answering })
	before := b.log.count("AT")
	b.sim.Strike(sim.Fault{Kind: sim.HangUp})
	b.m.Suspend() // again: nothing
	b.m.Resume()
	b.awaitState(modem.Ready)
	if b.log.count("AT") == before {
		t.Error("nothing was asked of the modem")
	}
	b.sendUntilSent(2, "two")
}

// TestReset: a person may take a rung of the ladder by its name.
func TestReset(t *testing.T) {
	t.Parallel()
	var cut atomic.Int32
	c := short
	c.Steps = []modem.Step{
		{Name: "power", Do: func(context.Context) error { cut.Add(1); return nil }},
		{Name: "broken", Do: func(context.Context) error { return errors.New("no such line: name it in [board]") }},
	}
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, c)
	b.awaitState(modem.Ready)
	if name, err := b.m.Reset(""); err != nil || name != "radio" {
		t.Errorf("the mildest: %q, %v", name, err)
	}
	b.log.waitOrder(t, "AT+CFUN=0", "AT+CFUN=1")
	b.awaitState(modem.Ready)
	if name, err := b.m.Reset("power"); err != nil || name != "power" {
		t.Errorf("by its name: %q, %v", name, err)
	}
	b.await("reset", func(modem.Facts) bool { return cut.Load() == 1 })
	b.sendUntilSent(1, "one")
	if _, err := b.m.Reset("broken"); err != nil {
		t.Error(err)
	}
	b.log.wait(t, `log time=`, 1)
	b.sendUntilSent(2, "two")
	if !strings.Contains(b.log.String(), "no such line") {
		t.Error("what went wrong is not told")
	}
	if _, err := b.m.Reset("hammer"); err == nil || !strings.Contains(err.Error(), "radio, power, broken") {
		t.Errorf("a rung that there is not: %v", err)
	}
}

// TestNamedCard: what comes in belongs to the SIM, whatever modem it is in.
// What comes before the SIM is known waits for it.
func TestNamedCard(t *testing.T) {
	t.Parallel()
	c := short
	ask := make(chan modem.Plugged, 1)
	known := make(chan struct{})
	c.NameCard = func(_ context.Context, p modem.Plugged) (string, string, error) {
		ask <- p
		<-known
		return "sim-b", "sim-b is in another modem than the configuration says", nil
	}
	n := sim.NewNetwork(sim.NetworkOptions{})
	b := prepare(t, n, sim.Options{}, c)
	b.run()
	p := <-ask
	if o := b.sim.Options(); p != (modem.Plugged{ICCID: o.ICCID, IMSI: o.IMSI, MSISDN: o.MSISDN, Modem: "m0", Configured: "m0"}) {
		t.Errorf("asked for %+v", p)
	}
	b.wire.inject("\r\n+CMT: ,23\r\n0791448720003023240DD0E474D81C0EBB010000111011315214000BE474D81C0EBB5DE3771B\r\n")
	b.log.add("named")
	close(known)
	f := b.awaitState(modem.Ready)
	if f.SIM != "sim-b" || len(f.Health()) != 1 || f.Health()[0].Code != "sim-name" {
		t.Errorf("facts: %+v", f)
	}
	b.log.waitOrder(t, "named", "received diafaan.com")
	b.in.mu.Lock()
	defer b.in.mu.Unlock()
	if b.in.sim != "sim-b" {
		t.Errorf("it came by %q", b.in.sim)
	}
}

// TestDeafCommand: what the module goes deaf from is left out after the second
// time; after the first, where there is another way.
func TestDeafCommand(t *testing.T) {
	t.Parallel()
	for command, times := range map[string]int{"AT+CNUM": 2, "AT+CMGL=4": 1} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, short)
			if err := b.net.Send(b.sim.Options().MSISDN, handset, "hello"); err != nil {
				t.Fatal(err)
			}
			b.wire.change(func(s string) string {
				if strings.Contains(s, command) {
					return "" // the module never answers it
				}
				return s
			}, nil)
			b.run()
			b.await("ready", func(f modem.Facts) bool { return f.State() == modem.Ready })
			if got := b.log.count(command); got != times {
				t.Errorf("it was sent %d times", got)
			}
			b.log.wait(t, "received hello", 1)
		})
	}
}

// TestMemoryFull: a full memory is told, and emptied.
func TestMemoryFull(t *testing.T) {
	t.Parallel()
	b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{Slots: 2}, modem.Config{})
	for _, text := range []string{"a", "b", "c"} {
		if err := b.net.Send(b.sim.Options().MSISDN, handset, text); err != nil {
			t.Fatal(err)
		}
	}
	b.wire.change(replace("+CMGD=", "+XMGD="), nil) // nothing is deleted
	b.run()
	f := b.awaitState(modem.SIMFull)
	if f.Memory != "SM 2/2" || f.Stuck != 2 || len(f.Health()) != 2 {
		t.Errorf("facts: %+v, health: %+v", f, f.Health())
	}
	b.sendUntilSent(1, "it sends all the same")
	b.wire.change(nil, nil)
	b.wire.inject("\r\n^SMMEMFULL: \"SM\"\r\n")
	b.awaitState(modem.Ready)
	for _, text := range []string{"a", "b", "c"} {
		b.log.wait(t, "received "+text, 1)
	}
}
