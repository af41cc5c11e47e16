package modem_test

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/sim"
	"cellpost/sms"
)

// TestStallsClimb: a module that answers all but hand-overs is reset, though
// each resync succeeds.
func TestStallsClimb(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, short)
	b.awaitState(modem.Ready)
	b.sim.Inject(sim.Fault{Kind: sim.NoPrompt, Times: 8})
	for i := range int64(8) {
		if b.log.count("AT+CFUN=0") > 0 {
			break
		}
		if o := b.send(i, "one"); o.Kind != sms.NotSent {
			t.Fatalf("got %+v", o)
		}
	}
	b.log.wait(t, "AT+CFUN=0", 1)
	b.sendUntilSent(9, "two")
}

// TestManyCodesBeforeTheName: a module that was alone for a night says all at
// once what has come. The bring-up does not wait for itself.
func TestManyCodesBeforeTheName(t *testing.T) {
	t.Parallel()
	c := short
	ask, known := make(chan struct{}, 1), make(chan struct{})
	c.NameCard = func(context.Context, modem.Plugged) (string, string, error) {
		ask <- struct{}{}
		<-known
		return "a", "", nil
	}
	b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, c)
	name := sync.OnceFunc(func() { close(known) })
	t.Cleanup(name) // else a failure would wait for ever
	b.run()
	<-ask
	b.wire.inject("\r\n+CMT: ,23\r\n0791448720003023240DD0E474D81C0EBB010000111011315214000BE474D81C0EBB5DE3771B\r\n" +
		strings.Repeat("\r\n+CMTI: \"SM\",9\r\n", 60) + "\r\n+CLIP: \"+447700900123\",145\r\n" +
		strings.Repeat("\r\n+CMTI: \"SM\",9\r\n", 40))
	b.await("called", func(modem.Facts) bool { return len(b.m.Calls()) == 1 })
	name()
	b.awaitState(modem.Ready)
	b.log.wait(t, "received diafaan.com", 1)
	if b.log.count("AT+CNMA") > 0 {
		t.Error("something was acknowledged that may have been another")
	}
}

// TestRadioOff: a module that was left with its radio off gets it on.
func TestRadioOff(t *testing.T) {
	t.Parallel()
	b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
	var once atomic.Bool
	b.wire.change(func(s string) string {
		if strings.Contains(s, "ATE0\r") && once.CompareAndSwap(false, true) {
			return "AT+CFUN=4\r"
		}
		return s
	}, nil)
	b.run()
	b.awaitState(modem.Ready)
}

// TestResetSuspended: a modem that is suspended is left alone until it is resumed.
func TestResetSuspended(t *testing.T) {
	t.Parallel()
	cut := make(chan struct{}, 1)
	c := short
	c.Steps = []modem.Step{{Name: "power", Do: func(context.Context) error { cut <- struct{}{}; return nil }}}
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, c)
	b.awaitState(modem.Ready)
	b.m.Suspend()
	b.await("closed", func(f modem.Facts) bool { return f.State() == modem.Suspended && !f.Answering })
	if _, err := b.m.Reset("power"); err == nil || !strings.Contains(err.Error(), "the modem is suspended: cellpost modem resume ") {
		t.Errorf("suspended: %v", err)
	}
	b.m.Resume()
	if _, err := b.m.Reset("power"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-cut:
	case <-time.After(patience):
		t.Fatal("it was not reset")
	}
	b.awaitState(modem.Ready)
}

// TestResetSettles: the module that a person has reset gets its time to start.
func TestResetSettles(t *testing.T) {
	t.Parallel()
	const settle = 4 * time.Second
	cut := make(chan time.Time, 1)
	c := short
	c.Steps = []modem.Step{{Name: "power", Do: func(context.Context) error { cut <- time.Now(); return nil }, Settle: settle}}
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, c)
	b.awaitState(modem.Ready)
	if _, err := b.m.Reset("power"); err != nil {
		t.Fatal(err)
	}
	at := <-cut
	b.log.wait(t, "AT+CGSN", 2)
	if took := time.Since(at); took < settle {
		t.Errorf("it was opened %v after the reset, want %v", took, settle)
	}
}

// TestServiceCentreRefused: a modem whose messages are refused for the service
// centre does not come and go every few seconds.
func TestServiceCentreRefused(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
	b.awaitState(modem.Ready)
	b.sim.Inject(sim.Fault{Kind: sim.Refuse, Cause: 330, Times: 2})
	b.send(1, "one")
	b.send(2, "two")
	b.awaitState(modem.NoSMSC)
	b.log.wait(t, "AT+COPS?", b.log.count("AT+COPS?")+2)
	if f := b.m.Facts(); f.State() != modem.NoSMSC {
		t.Errorf("it is %s", f.State())
	}
}

// TestUnreadableStored: what cannot be read is told, stays, and is no reason to
// look again and again.
func TestUnreadableStored(t *testing.T) {
	t.Parallel()
	b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, short)
	if err := b.net.Send(b.sim.Options().MSISDN, handset, "hello"); err != nil {
		t.Fatal(err)
	}
	tpdu := regexp.MustCompile(`(\+CMG[LR]: [^\r]*\r\n)[0-9A-F]+`)
	b.wire.change(nil, func(s string) string { return tpdu.ReplaceAllString(s, "${1}nonsense") })
	b.run()
	b.await("ready, with something stuck", func(f modem.Facts) bool { return f.State() == modem.Ready && f.Stuck == 1 })
	if b.log.count("AT+CMGD") != 0 {
		t.Error("it was deleted")
	}
	b.wire.change(nil, nil)
	b.wire.inject("\r\n^SMMEMFULL: \"SM\"\r\n")
	b.log.wait(t, "received hello", 1)
}

// TestDeafLink: a module that goes deaf from AT+CMMS sends long messages all the
// same.
func TestDeafLink(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, short)
	b.awaitState(modem.Ready)
	b.wire.change(func(s string) string {
		if strings.Contains(s, "+CMMS") {
			return ""
		}
		return s
	}, nil)
	h := message(t, 1, "one")
	h.More = true
	for range 4 {
		if o := b.outcome(b.submit(h)); o.Kind == sms.Accepted {
			return
		}
		b.awaitState(modem.Ready)
	}
	t.Error("it is never sent")
}

// TestSlowServiceCentre: what a module cannot do without is asked for however
// often it got no answer.
func TestSlowServiceCentre(t *testing.T) {
	t.Parallel()
	b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
	var asked atomic.Int32
	b.wire.change(func(s string) string {
		if strings.Contains(s, "+CSCA?") && asked.Add(1) <= 2 {
			return ""
		}
		return s
	}, nil)
	b.run()
	b.awaitState(modem.Ready)
}

// TestSIMPulled: a module says that its SIM is out, and not that the network is
// gone by it.
func TestSIMPulled(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
	b.awaitState(modem.Ready)
	b.wire.change(nil, replace("+CPIN: READY\r\n\r\nOK", "+CME ERROR: 10"))
	b.wire.inject("\r\n+CPIN: NOT INSERTED\r\n")
	b.awaitState(modem.NoSIM)
	b.wire.change(nil, nil)
	b.awaitState(modem.Ready)
}
