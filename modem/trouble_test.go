package modem_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/sim"
)

// TestTroubles: each reason for not being in service is a state of its own, with a
// code and a next step. It is entered in the middle of work or from the start, and
// left by itself when the reason is gone.
func TestTroubles(t *testing.T) {
	t.Parallel()
	card := func(tr sim.Trouble) func(*bench) { return func(b *bench) { b.sim.SetTrouble(0, tr) } }
	service := func(s sim.Service) func(*bench) { return func(b *bench) { b.sim.SetService(s) } }
	strike := func(f sim.Fault) func(*bench) { return func(b *bench) { b.sim.Strike(f) } }
	otherCard := func(b *bench) { b.sim.Swap(0, nil); b.sim.Swap(0, b.net.Issue(sim.Card{})) }
	thaw := func(b *bench) { b.sim.Thaw() }
	var drawer *sim.SIM
	for _, tt := range []struct {
		name  string
		o     sim.Options
		pin   string
		early bool // it is so from the start
		begin func(b *bench)
		want  modem.State
		code  string
		end   func(b *bench)
	}{
		{name: "PIN missing", o: sim.Options{PIN: "1234"}, early: true, want: modem.PINMissing, code: "sim-pin-missing", end: otherCard},
		{name: "PIN wrong", o: sim.Options{PIN: "1234"}, pin: "1111", early: true, want: modem.PINWrong, code: "sim-pin-wrong", end: otherCard},
		{name: "PUK", begin: card(sim.Trouble{PUK: true}), want: modem.PUK, code: "sim-puk", end: card(sim.Trouble{})},
		{name: "PUK, from the start", early: true, begin: card(sim.Trouble{PUK: true}), pin: "1234", want: modem.PUK, code: "sim-puk", end: card(sim.Trouble{})},
		{name: "no SIM", begin: func(b *bench) { drawer = b.sim.Swap(0, nil) }, want: modem.NoSIM, code: "sim-absent", end: func(b *bench) { b.sim.Swap(0, drawer) }},
		{name: "locked to a network", begin: networkLock, want: modem.Locked, code: "modem-locked", end: (*bench).staysOn},
		{name: "SIM failed", begin: card(sim.Trouble{Failure: 13}), want: modem.SIMFailed, code: "sim-failed", end: card(sim.Trouble{})},
		{name: "SIM full", begin: fullForGood, want: modem.SIMFull, code: "sim-full", end: emptied},
		{name: "denied", begin: card(sim.Trouble{Denied: true}), want: modem.Denied, code: "network-denied", end: card(sim.Trouble{})},
		{name: "limited service", begin: service(sim.LimitedService), want: modem.Limited, code: "network-limited", end: service(sim.FullService)},
		{name: "emergency calls only", begin: service(sim.EmergencyOnly), want: modem.Limited, code: "network-limited", end: service(sim.Roaming)},
		{name: "no coverage", begin: service(sim.NoCoverage), want: modem.NoCoverage, code: "network-none", end: service(sim.FullService)},
		{name: "no SMSC", begin: noSMSC, want: modem.NoSMSC, code: "smsc-unset", end: func(b *bench) { b.wire.change(nil, nil) }},
		{name: "suspended", begin: func(b *bench) { b.m.Suspend() }, want: modem.Suspended, code: "modem-suspended", end: func(b *bench) { b.m.Resume() }},
		{name: "absent", begin: strike(sim.Fault{Kind: sim.HangUp, For: time.Hour}), want: modem.Absent, code: "modem-absent", end: func(b *bench) { b.sim.Replug() }},
		{name: "silent", early: true, begin: strike(sim.Fault{Kind: sim.Freeze}), want: modem.Silent, code: "modem-silent", end: thaw},
		{name: "recovering", early: true, begin: strike(sim.Fault{Kind: sim.Freeze}), want: modem.Recovering, code: "modem-recovering", end: thaw},
		{name: "stalled", begin: func(b *bench) { b.sim.Strike(sim.Fault{Kind: sim.Freeze}); b.send(1, "lost") }, want: modem.Stalled, code: "modem-stalled", end: thaw},
		{name: "parked", begin: (*bench).fallsOff, want: modem.Parked, code: "modem-parked", end: (*bench).staysOn},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := short
			c.PIN = tt.pin
			b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), tt.o, c)
			if !tt.early {
				b.run()
				b.awaitState(modem.Ready)
			}
			if tt.begin != nil {
				tt.begin(b)
			}
			if tt.early {
				b.run()
			}
			began := time.Now()
			f := b.awaitState(tt.want)
			entered := time.Since(began)
			if h := f.Health(); len(h) == 0 || h[0].Code != tt.code || h[0].Cause == "" || h[0].Step == "" || h[0].Step != f.NextStep() {
				t.Errorf("health: %+v", h)
			}
			tt.end(b)
			began = time.Now()
			f = b.awaitState(modem.Ready)
			t.Logf("%s: entered after %v, left after %v", tt.code, entered.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
			if h := f.Health(); len(h) > 0 {
				t.Errorf("health when it is over: %+v", h)
			}
			b.sendUntilSent(2, "two")
		})
	}
}

// networkLock is a stick that was sold by another operator.
func networkLock(b *bench) {
	b.wire.change(nil, replace("+CPIN: READY", "+CPIN: PH-NET PIN"))
	b.wire.inject("\r\n+CPIN: PH-NET PIN\r\n")
}

// TestNetworkLock: a lock is no fault of the module, and no reset is tried.
func TestNetworkLock(t *testing.T) {
	for _, answer := range []string{"+CPIN: PH-NET PIN\r\n\r\nOK", "+CME ERROR: 40"} {
		c := short
		c.Steps = []modem.Step{{Name: "power", Do: func(context.Context) error { t.Error("power"); return nil }}}
		bubble(t, sim.NetworkOptions{}, sim.Options{Profile: "tc35"}, c, func(b *bench) {
			b.wire.change(nil, replace("+CPIN: READY\r\n\r\nOK", answer))
			b.run()
			b.within(time.Minute, "locked", func(f modem.Facts) bool { return f.State() == modem.Locked })
			time.Sleep(3 * time.Hour)
			if f := b.m.Facts(); f.State() != modem.Locked || strings.Contains(b.log.String(), "msg=recovery") {
				t.Errorf("%s, %+v", f.State(), f)
			}
			b.wire.change(nil, nil)
			b.readyIn(0, time.Minute)
		})
	}
}

// fullForGood fills the memory with messages that cannot be deleted.
func fullForGood(b *bench) {
	b.sim.Strike(sim.Fault{Kind: sim.DeleteFails})
	b.sim.Strike(sim.Fault{Kind: sim.MemoryFull})
	b.wire.inject("\r\n^SMMEMFULL: \"SM\"\r\n")
}

// emptied lets them be deleted; the module tells once more that it is full.
func emptied(b *bench) {
	b.sim.Strike(sim.Fault{Kind: sim.DeleteFails, For: time.Nanosecond})
	b.wire.inject("\r\n^SMMEMFULL: \"SM\"\r\n")
}

// noSMSC is a module that has lost its service centre and does not take it back.
func noSMSC(b *bench) {
	b.wire.change(nil, replace(`+CSCA: "+447785016005",145`, `+CSCA: "",129`))
	b.sim.Inject(sim.Fault{Kind: sim.RefusePrompt, Cause: 330})
	b.send(1, "refused")
}

// TestPINGivenOnce: a wrong PIN is given once: not after the port was away, not
// after a restart, not by a rung of the ladder, and not by the next process. Another
// card that is ready does not end that.
func TestPINGivenOnce(t *testing.T) {
	t.Parallel()
	c := short
	pins := filepath.Join(t.TempDir(), "pins")
	c.PIN, c.PINs = "1111", modem.NewPINs(pins)
	b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{PIN: "1234", Boot: boot}, c)
	b.run()
	b.awaitState(modem.PINWrong)
	for _, again := range []struct {
		name string
		do   func()
	}{
		{"unplugged", func() { b.sim.Strike(sim.Fault{Kind: sim.HangUp}) }},
		{"restarted", b.sim.Reboot},
		{"radio", func() {
			if _, err := b.m.Reset("radio"); err != nil {
				t.Error(err)
			}
		}},
		{"the next process", func() {
			b.stop()
			c.Name, c.Device, c.Profiles = "m", b.m.Facts().Device, families(t)
			b.m = modem.New(c, b.in, b.serve, b.logger())
			b.run()
		}},
	} {
		asked := b.log.count("AT+CPIN?")
		again.do()
		b.log.wait(t, "AT+CPIN?", asked+2)
		b.awaitState(modem.PINWrong)
		if got := b.log.count("AT+CPIN="); got != 1 {
			t.Fatalf("%s: the PIN was given %d times", again.name, got)
		}
	}
	b.sim.Swap(0, nil)
	b.sim.Swap(0, b.net.Issue(sim.Card{}))
	b.awaitState(modem.Ready)
	b.sendUntilSent(1, "one")
	if _, err := os.Stat(pins); err != nil {
		t.Errorf("the file that remembers what the first SIM was given: %v", err)
	}
}
