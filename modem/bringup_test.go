package modem_test

import (
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/profile"
	"cellpost/modem/sim"
	"cellpost/sms"
)

// TestFacts: what is known of a plain modem.
func TestFacts(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
	b.sendUntilSent(1, "one")
	b.sim.Inject(sim.Fault{Kind: sim.Refuse, Cause: 21})
	b.send(2, "two")
	got, o := b.m.Facts(), b.sim.Options()
	if got.Since.IsZero() || got.LastSent.IsZero() {
		t.Error("times are missing")
	}
	want := modem.Facts{
		Name: "m0", Device: got.Device, SIM: "m0", Slots: 1, Signal: true,
		Present: true, Answering: true, Card: modem.CardReady, SMSC: "+447785016005", Network: modem.NetworkHome, Ready: true,
		Problem: "CMS 21: short message transfer rejected",
		IMEI:    o.IMEI, IMSI: o.IMSI, ICCID: o.ICCID, MSISDN: o.MSISDN,
		Manufacturer: o.Manufacturer, Model: o.Model, Revision: "Revision: 1",
		Operator: "Simulated", SignalDBm: -77, Reception: "+CNMI=2,2,0,1,0", Setup: got.Setup, CardRefused: 1,
		Profile: "generic", ProfileTitle: got.ProfileTitle, NetworkTime: got.NetworkTime,
		Sent: 1, Refused: 1, LastSent: got.LastSent, Since: got.Since,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.State() != modem.Ready || got.NextStep() != "" {
		t.Errorf("state %s, next step %q", got.State(), got.NextStep())
	}
	b.stop()
	if f := b.m.Facts(); f.Ready || f.Problem != "stopped" {
		t.Errorf("stopped: %+v", f)
	}
}

// stat makes the modem tell another registration, in answers and unasked.
func stat(n string) func(string) string {
	asked, unasked := regexp.MustCompile(`(\+C(?:|G|E)REG: \d,)1`), regexp.MustCompile(`(\+C(?:|G|E)REG: )1\r`)
	return func(s string) string {
		return unasked.ReplaceAllString(asked.ReplaceAllString(s, "${1}"+n), "${1}"+n+"\r")
	}
}

// TestOutOfService: why a modem is not ready is told, with what to do, and it
// gets ready by itself once the reason is gone.
func TestOutOfService(t *testing.T) {
	t.Parallel()
	roaming := stat("5")
	for _, tt := range []struct {
		name  string
		o     sim.Options
		pin   string
		say   func(string) string // what the modem says instead
		fault sim.Fault           // it has from the start
		want  modem.State         // first; empty: not looked at
		hint  string              // part of the next step
		after string              // command that ends it when it came twice; empty: it ends by itself
		check func(f modem.Facts) bool
	}{
		{name: "no echo", o: sim.Options{NoEcho: true}},
		{name: "PIN", o: sim.Options{PIN: "1234"}, pin: "1234"},
		{name: "busy after the PIN", o: sim.Options{PIN: "1234", SIMBusy: 1200 * time.Millisecond}, pin: "1234", want: modem.Starting},
		{name: "busy", say: replace("+CPIN: READY\r\n\r\nOK", "+CME ERROR: 14"), want: modem.Starting, after: "AT+CPIN?"},
		{name: "not ready yet", say: replace("+CPIN: READY", "+CPIN: NOT READY"), want: modem.Starting, after: "AT+CPIN?"},
		{name: "PUK", say: replace("+CPIN: READY", "+CPIN: SIM PUK"), pin: "1234", want: modem.PUK, hint: "PUK", after: "AT+CPIN?"},
		{name: "no SIM", fault: sim.Fault{Kind: sim.NoSIM, For: 6 * time.Second}, want: modem.NoSIM, hint: "insert"},
		{name: "another SIM with a PIN", o: sim.Options{PIN: "1234"}, pin: "1234", fault: sim.Fault{Kind: sim.NoSIM, For: 6 * time.Second}, want: modem.NoSIM},
		{name: "broken SIM", say: replace("+CPIN: READY\r\n\r\nOK", "+CME ERROR: 13"), want: modem.SIMFailed, hint: "clean", after: "AT+CPIN?"},
		{name: "searching", o: sim.Options{Register: 1500 * time.Millisecond}, want: modem.Searching, hint: "antenna"},
		{name: "searching, and not told of the end", say: stat("2"), want: modem.Searching, after: "AT+COPS?"},
		{name: "denied", fault: sim.Fault{Kind: sim.Denied, For: 6 * time.Second}, want: modem.Denied, hint: "operator"},
		{name: "roaming", say: roaming, check: func(f modem.Facts) bool { return f.Network == modem.NetworkRoaming }},
		{name: "registered in LTE only", say: replace("+CREG: 1,1", "+CREG: 1,3", "+CGREG: 1,1", "+CGREG: 1,2")},
		{name: "registered for messages only", say: stat("6"), check: func(f modem.Facts) bool { return f.Network == modem.NetworkHome }},
		{name: "no SMSC", say: replace(`+CSCA: "+447785016005",145`, `+CSCA: "",129`), want: modem.NoSMSC, hint: "smsc", after: "AT+CSCA?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := short
			c.PIN = tt.pin
			b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), tt.o, c)
			b.wire.change(nil, tt.say)
			b.sim.Strike(tt.fault)
			b.run()
			if tt.want != "" {
				if f := b.awaitState(tt.want); !strings.Contains(f.NextStep(), tt.hint) {
					t.Errorf("next step %q", f.NextStep())
				}
			}
			if tt.after != "" {
				b.log.wait(t, tt.after, 2)
				b.wire.change(nil, nil)
			}
			begun := time.Now()
			f := b.awaitState(modem.Ready)
			t.Logf("ready after %v", time.Since(begun).Round(time.Millisecond))
			if tt.check != nil && !tt.check(f) {
				t.Errorf("facts: %+v", f)
			}
			if f.IMSI == "" || f.ICCID == "" || f.MSISDN == "" || f.SMSC == "" || f.Problem != "" {
				t.Errorf("facts: %+v", f)
			}
			b.sendUntilSent(1, "one")
		})
	}
}

// TestWrongPIN: it is given once, however often the modem comes and goes. The
// third time would lock the SIM.
func TestWrongPIN(t *testing.T) {
	t.Parallel()
	c := short
	c.PIN = "1111"
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{PIN: "1234"}, c)
	for i := range 4 {
		f := b.await("locked", func(f modem.Facts) bool { return f.Card == modem.CardWrongPIN })
		if f.State() != modem.PINWrong || !strings.Contains(f.NextStep(), "pin") {
			t.Errorf("%s, %q", f.State(), f.NextStep())
		}
		b.sim.Strike(sim.Fault{Kind: sim.HangUp})
		b.log.wait(t, "AT+CPIN?", b.log.count("AT+CPIN?")+1)
		if got := b.log.count("AT+CPIN="); got != 1 {
			t.Fatalf("session %d: the PIN was given %d times", i, got)
		}
	}
}

// TestWrongPINRemembered: the next process does not give it either, unless the
// configuration has another.
func TestWrongPINRemembered(t *testing.T) {
	t.Parallel()
	c := short
	c.PINs = modem.NewPINs(filepath.Join(t.TempDir(), "pins"))
	for _, next := range []struct {
		pin   string
		given int // times in this process
		want  modem.Card
	}{{"1111", 1, modem.CardWrongPIN}, {"1111", 0, modem.CardWrongPIN}, {"1234", 1, modem.CardReady}, {"1234", 1, modem.CardReady}} {
		c.PIN = next.pin
		b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{PIN: "1234"}, c)
		b.await(string(next.want), func(f modem.Facts) bool { return f.Card == next.want })
		if got := b.log.count("AT+CPIN="); got != next.given {
			t.Errorf("PIN %s was given %d times, want %d", next.pin, got, next.given)
		}
		b.stop()
	}
}

// TestPINUnanswered: nobody knows what the SIM thought of it, so that it is not
// given again; once the SIM is ready by other means it was right.
func TestPINUnanswered(t *testing.T) {
	t.Parallel()
	c := short
	c.PIN = "1111"
	b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{PIN: "1234"}, c)
	b.wire.change(func(s string) string {
		if strings.Contains(s, "+CPIN=") {
			b.sim.Strike(sim.Fault{Kind: sim.HangUp})
		}
		return s
	}, nil)
	b.run()
	b.await("locked", func(f modem.Facts) bool { return f.Card == modem.CardWrongPIN })
	if got := b.log.count("AT+CPIN="); got != 1 {
		t.Errorf("the PIN was given %d times", got)
	}
	b.wire.change(nil, replace("+CPIN: SIM PIN", "+CPIN: READY"))
	b.log.wait(t, "AT+CIMI", 1)
}

// TestPINBusy: a SIM that was busy has not looked at the PIN.
func TestPINBusy(t *testing.T) {
	t.Parallel()
	c := short
	c.PIN = "1234"
	b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{PIN: c.PIN}, c)
	var once atomic.Bool
	b.wire.change(func(s string) string {
		if strings.Contains(s, "+CPIN=") && once.CompareAndSwap(false, true) {
			b.wire.change(nil, replace("+CME ERROR: 16", "+CME ERROR: 14"))
			return strings.Replace(s, c.PIN, "0000", 1) // to be refused
		}
		return s
	}, nil)
	b.run()
	b.awaitState(modem.Ready)
	if got := b.log.count("AT+CPIN="); got != 2 {
		t.Errorf("the PIN was given %d times", got)
	}
}

// TestPINMissing: without a PIN none is tried.
func TestPINMissing(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{PIN: "1234"}, modem.Config{})
	f := b.awaitState(modem.PINMissing)
	if f.Card != modem.CardPIN || b.log.count("AT+CPIN=") != 0 {
		t.Errorf("facts: %+v", f)
	}
}

// TestRestartOutOfService: a module that starts anew while it searches has
// forgotten its PIN and all settings. It is brought up again.
func TestRestartOutOfService(t *testing.T) {
	t.Parallel()
	c := short
	c.PIN = "1234"
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{PIN: c.PIN, Boot: boot}, c)
	b.awaitState(modem.Ready)
	b.sim.Strike(sim.Fault{Kind: sim.NoNetwork})
	b.awaitState(modem.NoCoverage)
	b.sim.Reboot()
	b.awaitState(modem.Ready)
	b.sendUntilSent(1, "one")
}

// TestRestartUnheard: a module that starts anew and says nothing of it. The
// recovery after the stall makes the settings again.
func TestRestartUnheard(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{Boot: boot}, short)
	b.awaitState(modem.Ready)
	b.wire.change(nil, replace("RDY", "", "SMS Ready", ""))
	b.sim.Inject(sim.Fault{Kind: sim.Reboot})
	b.send(1, "lost")
	b.sendUntilSent(2, "reported")
	b.log.waitOrder(t, "report 2 0", "AT+CNMA")
}

// TestReception: how messages and reports come in is chosen from what the
// module offers.
func TestReception(t *testing.T) {
	t.Parallel()
	const plain = "+CNMI: (0-2),(0-3),(0,2,3),(0-2),(0,1)"
	for _, tt := range []struct{ name, offer, service, want string }{
		{"plain", plain, "+CSMS=1", "+CNMI=2,2,0,1,0"},
		{"phase 2", plain, "+XSMS=1", "+CNMI=2,1,0,2,0"},
		{"no +CDSI", "+CNMI: (0,1,2),(0,1,2,3),(0,2),(0,1),(0,1)", "+XSMS=1", "+CNMI=2,1,0,1,0"},
		{"no reports", "+CNMI: (0-2),(0-3),(0),(0),(0,1)", "+CSMS=1", "+CNMI=2,2,0,0,0"},
		{"TC35", "+CNMI: (0-3),(0,1),(0,2,3),(0,2),(1)", "+CSMS=1", "+CNMI=2,1,0,2,1"},
		{"mode 3 alone", "+CNMI: (3),(0-3),(0),(0-2),(0,1)", "+CSMS=1", "+CNMI=3,2,0,1,0"},
		{"short", "+CNMI: (0-2),(0,1)", "+CSMS=1", "+CNMI=2,1,0,1,0"},
		{"nothing said", "", "+CSMS=1", "+CNMI=2,2,0,1,0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
			b.wire.change(replace("+CSMS=1", tt.service, "+CNMI=3", "+CNMI=2"), replace(plain, tt.offer))
			b.run()
			if f := b.awaitState(modem.Ready); f.Reception != tt.want {
				t.Errorf("got %s, want %s", f.Reception, tt.want)
			}
			b.log.wait(t, "AT"+tt.want, 1)
		})
	}
}

// TestPhaseLeft: a module that another program has left waiting for
// acknowledgements, and that is to get none, passes all reports on.
func TestPhaseLeft(t *testing.T) {
	table, err := profile.Load("own.toml", []byte("[[profile]]\nname = \"generic\"\nno_ack = true\ncnmi = [\"2,1,0,1,0\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, sim.NetworkOptions{}, sim.Options{}, modem.Config{Profiles: table}, func(b *bench) {
		b.wire.change(replace("+CMEE=1", "+CSMS=1;+CMEE=1"), nil)
		b.run()
		b.readyIn(0, time.Minute)
		for i := range 20 {
			if o := <-b.submit(message(t, int64(i), "first")); o.Kind != sms.Accepted {
				t.Fatalf("got %+v", o)
			}
		}
		time.Sleep(time.Second)
		if got := b.log.count("report by"); got != 20 {
			t.Errorf("%d reports of 20", got)
		}
	})
}
