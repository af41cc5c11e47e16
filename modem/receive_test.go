package modem_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/sim"
	"cellpost/sms"
)

// phase1 makes a module without acknowledgements: what comes is stored in it
// and announced.
var phase1 = replace("+CSMS=1", "+XSMS=1")

// TestReports: a status report is kept before it is acknowledged or deleted.
func TestReports(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		hear  func(string) string
		fault sim.FaultKind
		order []string
	}{
		{"acknowledged", nil, sim.None, []string{"report 1 0", "AT+CNMA"}},
		{"before the result", nil, sim.EarlyReport, []string{"report 1 0", "AT+CNMA"}},
		{"stored", phase1, sim.None, []string{`AT+CPMS="SR"`, "AT+CMGR=1", "report 1 0", "AT+CMGD=1"}},
		{"stored, before the result", phase1, sim.EarlyReport, []string{`AT+CPMS="SR"`, "AT+CMGR=1", "report 1 0", "AT+CMGD=1"}},
		{"failed", nil, sim.ReportFailed, []string{"report 1 67", "AT+CNMA"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
			b.wire.change(tt.hear, nil)
			b.run()
			b.awaitState(modem.Ready)
			b.sim.Inject(sim.Fault{Kind: tt.fault})
			if o := b.send(1, "one"); o.Kind != sms.Accepted || o.MR != 1 {
				t.Errorf("got %+v", o)
			}
			b.log.waitOrder(t, tt.order...)
			b.sendUntilSent(2, "two") // the memory is the usual one again
			b.log.wait(t, "report 2 0", 1)
		})
	}
}

// TestReportNotKept: it is not acknowledged, comes again, and is acknowledged
// then.
func TestReportNotKept(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{AckTime: 300 * time.Millisecond}, modem.Config{})
	b.awaitState(modem.Ready)
	b.in.set(2, nil)
	b.sendUntilSent(1, "one")
	b.log.wait(t, "failed report 1 0", 2)
	b.log.waitOrder(t, "failed report 1 0", "report 1 0", "AT+CNMA")
	if got := b.log.count("AT+CNMA"); got != 1 {
		t.Errorf("AT+CNMA %d times", got)
	}
}

// TestInbound: a message is kept before it is acknowledged or deleted.
func TestInbound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		hear  func(string) string
		order []string
	}{
		{"direct", nil, []string{"received hello", "AT+CNMA"}},
		{"stored", phase1, []string{"AT+CMGR=1", "received hello", "AT+CMGD=1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
			b.wire.change(tt.hear, nil)
			b.run()
			b.awaitState(modem.Ready)
			if err := b.net.Send(b.sim.Options().MSISDN, handset, "hello"); err != nil {
				t.Fatal(err)
			}
			b.log.waitOrder(t, tt.order...)
		})
	}
}

// TestInboundNotKept: what could not be kept is neither acknowledged nor
// deleted, and is taken in when the store works again.
func TestInboundNotKept(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		hear   func(string) string
		answer string // what must wait
	}{
		{"direct", nil, "AT+CNMA"},
		{"stored", phase1, "AT+CMGD"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{AckTime: 300 * time.Millisecond}, modem.Config{})
			b.wire.change(tt.hear, nil)
			b.run()
			b.awaitState(modem.Ready)
			b.in.set(1, nil)
			if err := b.net.Send(b.sim.Options().MSISDN, handset, "hello"); err != nil {
				t.Fatal(err)
			}
			b.log.waitOrder(t, "failed received hello", "received hello", tt.answer)
			if got := b.log.count("received hello"); got != 1 {
				t.Errorf("kept %d times", got)
			}
		})
	}
}

// TestSweep: what the module stored while nobody listened is taken in at the
// start; what makes room then follows. A draft stays where it is.
func TestSweep(t *testing.T) {
	t.Parallel()
	b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{Slots: 3}, short)
	for _, text := range []string{"a", "b", "draft", "c"} {
		if err := b.net.Send(b.sim.Options().MSISDN, handset, text); err != nil {
			t.Fatal(err)
		}
	}
	b.wire.change(nil, replace("+CMGL: 3,0", "+CMGL: 3,2"))
	b.run()
	b.awaitState(modem.Ready)
	b.log.waitOrder(t, "AT+CMGL=4", "received a", "AT+CMGD=1", "received b", "AT+CMGD=2")
	b.log.wait(t, "received c", 1)
	if b.log.count("received draft") != 0 || b.log.count("AT+CMGD=3") != 0 {
		t.Error("the draft was taken in")
	}
}

// TestReportsGoOnAfterStall: nothing was acknowledged during a stall, so that
// the module may have stopped to report.
func TestReportsGoOnAfterStall(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, short)
	b.awaitState(modem.Ready)
	b.wire.change(func(s string) string {
		if strings.Contains(s, "\x1b") { // as the module itself would do: 3GPP TS 27.005, 3.4.4
			b.wire.change(nil, nil)
			return "\x1bAT+CNMI=2,0,0,0\r"
		}
		return s
	}, nil)
	b.sim.Inject(sim.Fault{Kind: sim.Silence})
	b.send(1, "lost")
	b.sendUntilSent(2, "reported")
	b.log.wait(t, "report 2 0", 1)
}

// TestNoiseFromAir: codes that carry no TPDU, or none that can be read, are
// neither acknowledged nor do they stop what comes after them.
func TestNoiseFromAir(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
	b.awaitState(modem.Ready)
	b.wire.inject("\r\n+CMT: ,24\r\nnonsense\r\n\r\n+CDS: 25\r\n07\r\n\r\n+CMTI: ,-1\r\n\r\n+CDSI:\r\n")
	if err := b.net.Send(b.sim.Options().MSISDN, handset, "hello"); err != nil {
		t.Fatal(err)
	}
	b.log.waitOrder(t, "received hello", "AT+CNMA")
	if got := b.log.count("AT+CNMA"); got != 1 {
		t.Errorf("AT+CNMA %d times", got)
	}
	b.sendUntilSent(1, "one")
}

// TestMemories: a module that refuses SM, has only MT, or finds no room on the
// SIM comes into service, and stores where there is room.
func TestMemories(t *testing.T) {
	const all, one = `("SM","ME","SR"),("SM","ME"),("SM","ME")`, `("MT"),("MT"),("MT")`
	inNames := strings.NewReplacer(`"MT"`, `"ME"`, `"SM"`, `"XX"`, `"ME"`, `"XX"`).Replace
	noSM := strings.NewReplacer(`+CPMS="SM"`, `+CPMS="XX"`).Replace
	for _, tt := range []struct {
		name      string
		hear, say func(string) string
		want      string
	}{
		{"SM refused", noSM, nil, "ME"},
		{"MT alone", inNames, replace(all, one, `"ME"`, `"MT"`, `"SM"`, `"MT"`), "MT"},
		{"no room in SM", nil, replace("+CPMS: 1,1,1,1,1,1", "+CPMS: 0,0,0,0,0,0", `"SM",1,1`, `"SM",0,0`), "ME"},
		{"room in SM", nil, nil, "SM"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := sim.Options{Cards: []sim.Card{{MSISDN: "447700900001", Capacity: 1}}}
			bubble(t, sim.NetworkOptions{}, o, modem.Config{Profile: "telit"}, func(b *bench) {
				if tt.say != nil && tt.hear == nil {
					b.sim.Strike(sim.Fault{Kind: sim.MemoryFull})
					b.sim.Strike(sim.Fault{Kind: sim.DeleteFails, For: time.Minute})
				}
				b.wire.change(tt.hear, tt.say)
				b.run()
				b.readyIn(0, time.Minute)
				if got := b.m.Facts().Setup; !slices.Contains(got, "messages stored in "+tt.want) {
					t.Errorf("agreed: %q", got)
				}
				b.net.Send("447700900001", handset, "hello there")
				time.Sleep(time.Minute)
				if b.log.count("received hello there") != 1 {
					t.Error("the message did not come")
				}
			})
		})
	}
}
