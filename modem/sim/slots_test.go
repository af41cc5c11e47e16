package sim

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
)

// pair is a modem with two cards; the second has a PIN.
func pair(command string) Options {
	return Options{NoEcho: true, SlotCommand: command, Cards: []Card{
		{IMSI: "234150000000001", MSISDN: "447700900001"},
		{IMSI: "234150000000002", MSISDN: "447700900002", PIN: "1234", SMSC: "+447785016999"},
	}}
}

func TestSlotCommands(t *testing.T) {
	for _, tt := range []struct{ command, one, other, choices string }{
		{"+CSUS", "0", "1", "(0-1)"},
		{"+QDSIM", "0", "1", "(0-1)"},
		{"+GTDUALSIM", "0", "1", "(0-1)"},
		{"+QUIMSLOT", "1", "2", "(1-2)"},
		{"^SIMSLOT", "1", "2", "(1-2)"},
	} {
		t.Run(tt.command, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := pair(tt.command)
				o.SlotSettle, o.Register = 5*time.Second, time.Second
				m := NewModem(NewNetwork(NetworkOptions{}), o)
				x := connect(t, m)
				x.passes(time.Second, "")
				at := "AT" + tt.command
				x.expect(at+"=?\r", tt.command+": "+tt.choices+"|OK")
				x.expect(at+"?\r", tt.command+": "+tt.one+"|OK")
				x.expect("AT+CMEE=1;+CREG=1;+CNMI=2,1,0,1;+CPMS=\"ME\"\r", "+CPMS: 0,20,0,20,0,20|OK")
				x.expect(at+"="+tt.one+"\r", "OK")
				x.expect(at+"="+tt.other+"\r", "OK|+CREG: 0|+CPIN: NOT READY")
				x.expect("AT+CPIN?\r", "+CME ERROR: 14")
				x.expect("AT+CIMI\r", "+CME ERROR: 14")
				x.expect("AT+CNMI?\r", "+CMS ERROR: 314")
				x.passes(5*time.Second, "+CPIN: SIM PIN")
				x.expect("AT+CPIN=1234\r", "OK|+CREG: 2")
				x.passes(time.Second, "+CREG: 1")
				x.expect(at+"?;+CIMI\r", tt.command+": "+tt.other+"|234150000000002|OK")
				x.expect("AT+CNMI?;+CPMS?\r", `+CNMI: 0,0,0,0,0|+CPMS: "SM",0,20,"SM",0,20,"SM",0,20|OK`)
				x.expect("AT+CMEE?;+CREG?\r", "+CMEE: 1|+CREG: 1,1|OK")
				for _, bad := range []string{"=3", "=-1", "=x", ""} {
					x.expect(at+bad+"\r", "+CME ERROR: 50")
				}
				if m.Slot() != 1 {
					t.Errorf("slot %d", m.Slot())
				}
			})
		})
	}
}

func TestNoSlotCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := connect(t, NewModem(NewNetwork(NetworkOptions{}), quiet))
		x.expect("AT+CSUS?\r", "ERROR")
	})
}

func TestNoSuchOption(t *testing.T) {
	for _, tt := range []struct {
		o     Options
		names string
	}{
		{Options{SlotCommand: "+FOO"}, "+QUIMSLOT"},
		{Options{USSD: "hex"}, "packed"},
		{Options{TimeCode: "+NITZ"}, "^NWTIME"},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.names) {
					t.Errorf("%+v: panic %q does not name %s", tt.o, got, tt.names)
				}
			}()
			NewModem(NewNetwork(NetworkOptions{}), tt.o)
		}()
	}
}

// TestCardKeeps: what goes with the card, and what comes for the other one.
func TestCardKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{ReportDelay: time.Minute})
		o := pair("+CSUS")
		o.Cards[1].PIN, o.KeepReports = "", true
		m := NewModem(n, o)
		x := connect(t, m)
		other := func(slot int) {
			x.expect(fmt.Sprintf("AT+CSUS=%d\r", slot), "OK|+CPIN: NOT READY|+CPIN: READY")
		}
		for _, to := range []string{"447700900001", "447700900002"} {
			if err := n.Send(to, handset, "to "+to); err != nil {
				t.Fatal(err)
			}
		}
		x.expect("AT+CPMS?\r", `+CPMS: "SM",1,20,"SM",1,20,"SM",1,20|OK`)
		x.hands(submission(t, handset, "one"), "+CMGS: 1|OK")
		time.Sleep(time.Second)
		x.hands(submission(t, handset, "two"), "+CMGS: 2|OK")
		other(1)
		x.expect("AT+CSCA?\r", `+CSCA: "+447785016999",145|OK`)
		x.expect("AT+CMGR=1\r", inboundAt(t, "+CMGR: 0,,", "to 447700900002", time.Now().Add(-time.Second))+"|OK")
		x.hands(submission(t, handset, "three"), "+CMGS: 1|OK")
		x.expect("AT+CNMI=2,1,0,1\r", "OK")
		x.passes(time.Minute, reportOf(t, n, "+CDS: ", 2))
		x.expect("AT+CPMS=\"SR\"\r", "+CPMS: 0,20,1,20,1,20|OK")
		other(0)
		x.expect("AT+CPMS=\"SR\"\r", "+CPMS: 2,20,1,20,1,20|OK")
		x.expect("AT+CMGL=4\r", reportOf(t, n, "+CMGL: 1,0,,", 0)+"|"+reportOf(t, n, "+CMGL: 2,0,,", 1)+"|OK")
		x.expect("AT+CPMS=\"SM\"\r", "+CPMS: 1,20,1,20,1,20|OK")
		x.expect("AT+CMGR=1\r", inboundAt(t, "+CMGR: 0,,", "to 447700900001", time.Now().Add(-time.Minute-time.Second))+"|OK")
		x.hands(submission(t, handset, "four"), "+CMGS: 3|OK")
		var got []string
		for _, e := range n.Ledger() {
			got = append(got, fmt.Sprintf("%s %s %d", e.SIM, e.Card, e.MR))
		}
		a, b := m.Options().Cards[0].ICCID, m.Options().Cards[1].ICCID
		want := fmt.Sprintf("m0 %s 1,m0 %s 2,m0 %s 1,m0 %s 3", a, a, b, a)
		if s := strings.Join(got, ","); s != want || a == b {
			t.Errorf("ledger %s, want %s", s, want)
		}
	})
}

// reportOf is the report for the k-th entry of the ledger, one minute later, after
// the given code.
func reportOf(t *testing.T, n *Network, code string, k int) string {
	e := n.Ledger()[k]
	r := pdu.StatusReport{Reference: e.MR, Recipient: e.Submit.Destination, Time: e.At, Discharge: e.At.Add(time.Minute)}
	tpdu, err := r.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s%d|%s", code, len(tpdu), hexOf(append(n.reportSMSC[:8:8], tpdu...)))
}

// TestUnacknowledgedCard: what was not acknowledged goes back to its own card.
func TestUnacknowledgedCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		o := pair("+CSUS")
		m := NewModem(n, o)
		x := connect(t, m)
		x.expect("AT+CSMS=1;+CNMI=2,2\r", "+CSMS: 1,1,1|OK")
		if err := n.Send("447700900001", handset, "one"); err != nil {
			t.Fatal(err)
		}
		x.passes(0, inbound(t, "+CMT: ,", "one"))
		x.expect("AT+CSUS=1\r", "OK|+CPIN: NOT READY|+CPIN: SIM PIN")
		x.passes(time.Hour, "")
		x.expect("AT+CPIN=1234;+CPMS?\r", `+CPMS: "SM",0,20,"SM",0,20,"SM",0,20|OK`)
		x.expect("AT+CSUS=0\r", "OK|+CPIN: NOT READY|+CPIN: READY")
		x.expect("AT+CMGR=1\r", inboundAt(t, "+CMGR: 0,,", "one", time.Now().Add(-time.Hour))+"|OK")
		x.expect("AT+CSUS=1;+CPIN?\r", "+CPIN: SIM PIN|OK|+CPIN: NOT READY|+CPIN: SIM PIN") // it lost power
	})
}

func TestSwitchUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := pair("+CSUS")
		o.SlotSettle = 10 * time.Second
		m := NewModem(NewNetwork(NetworkOptions{}), o)
		x := connect(t, m)
		x.expect("AT+CSUS=1\r", "OK|+CPIN: NOT READY")
		x.passes(5*time.Second, "")
		x.expect("AT+CSUS=0\r", "OK|+CPIN: NOT READY")
		x.passes(5*time.Second, "")
		x.passes(5*time.Second, "+CPIN: READY")
		x.expect("AT+CSUS=1\r", "OK|+CPIN: NOT READY")
		m.Reboot()
		x.passes(0, "RDY|+CFUN: 1|+CPIN: SIM PIN")
		x.passes(time.Minute, "")
		x.expect("AT+CSUS?\r", "+CSUS: 1|OK")
	})
}

// TestSwap: two modems exchange their cards.
func TestSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		one, other := NewModem(n, quiet), NewModem(n, Options{NoEcho: true, Name: "other", PIN: "1", AirTime: time.Second})
		x, y := connect(t, one), connect(t, other)
		y.expect("AT+CPIN=1\r", "OK")
		x.hands(submission(t, handset, "hi"), "+CMGS: 1|OK")
		command, data := cmgs(t, submission(t, handset, "hi"))
		y.expect(command, "> ")
		y.expect(data, "") // on the air
		a, b := one.Swap(0, nil), other.Swap(0, nil)
		x.passes(0, "+CPIN: NOT READY")
		x.expect("AT+CMEE=1;+CPIN?\r", "+CME ERROR: 10")
		if got := one.Cards()[0]; got != (Card{}) {
			t.Errorf("card %+v in an empty slot", got)
		}
		for _, to := range []string{"447700900000", "447700900001"} {
			if err := n.Send(to, handset, "to nobody"); err != nil {
				t.Fatal(err)
			}
		}
		if one.Swap(0, b) != nil || other.Swap(0, a) != nil {
			t.Error("an empty slot had a card")
		}
		x.passes(0, "+CPIN: NOT READY|+CPIN: SIM PIN")
		y.passes(0, "")
		y.passes(time.Second, "+CMS ERROR: 331|+CPIN: NOT READY|+CPIN: NOT READY|+CPIN: READY")
		x.expect("AT+CPIN=1;+CNUM\r", `+CNUM: "","+447700900001",145|OK`)
		y.expect("AT+CNUM\r", `+CNUM: "","+447700900000",145|OK`)
		y.expect(command, "> ")
		y.expect(data, "")
		y.passes(time.Second, "+CMGS: 2|OK")
		x.expect("AT+CPMS?\r", `+CPMS: "SM",1,20,"SM",1,20,"SM",1,20|OK`)
		y.expect("AT+CPMS?\r", `+CPMS: "SM",1,20,"SM",1,20,"SM",1,20|OK`)
		l := n.Ledger()
		if len(l) != 2 || l[0].Card != l[1].Card || l[0].SIM == l[1].SIM {
			t.Errorf("ledger %+v", l)
		}
	})
}

// TestSwapWhileSending: what comes for a card on its way is not lost.
func TestSwapWhileSending(t *testing.T) {
	const messages = 200
	n := NewNetwork(NetworkOptions{})
	modems := []*Modem{NewModem(n, quiet), NewModem(n, quiet)}
	card := modems[0].sim
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range messages / 2 {
				if err := n.Send(own, handset, "hi"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range messages {
		modems[(i+1)%2].Swap(0, modems[i%2].Swap(0, nil))
	}
	wg.Wait()
	if got := len(card.waiting) + card.sm.used(); got != messages || card.home != modems[0] {
		t.Errorf("the card has %d messages, want %d", got, messages)
	}
}

// TestPulledUnseen: a SIM that comes back in a slot that is not in use.
func TestPulledUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewModem(NewNetwork(NetworkOptions{}), pair("+CSUS"))
		x := connect(t, m)
		m.Strike(Fault{Kind: NoSIM, For: time.Minute})
		x.passes(0, "+CPIN: NOT READY")
		x.expect("AT+CSUS=1\r", "OK|+CPIN: NOT READY|+CPIN: SIM PIN")
		x.passes(time.Minute, "")
		x.expect("AT+CSUS=0\r", "OK|+CPIN: NOT READY|+CPIN: READY")
	})
}

// TestIssue: a new card for an old number.
func TestIssue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		m := NewModem(n, quiet)
		x := connect(t, m)
		next := n.Issue(Card{MSISDN: own, Capacity: 1})
		if was := m.Swap(0, next); was == nil {
			t.Error("no card came out")
		}
		x.passes(0, "+CPIN: NOT READY|+CPIN: READY")
		for range 2 {
			if err := n.Send(own, handset, "hi"); err != nil {
				t.Fatal(err)
			}
		}
		x.expect("AT+CPMS?;+CNUM\r", `+CPMS: "SM",1,1,"SM",1,1,"SM",1,1|+CNUM: "","+447700900000",145|OK`)
		if a, b := m.Cards()[0], m.Options().Cards[0]; a.ICCID == b.ICCID || a.IMSI == b.IMSI {
			t.Errorf("cards %+v and %+v", a, b)
		}
		defer func() {
			if got := fmt.Sprint(recover()); !strings.Contains(got, "take it out first") {
				t.Errorf("panic %q", got)
			}
		}()
		NewModem(n, quiet).Swap(0, next)
	})
}

func TestTrouble(t *testing.T) {
	tests := []struct {
		name            string
		trouble         Trouble
		cpin, csca, reg string
		sends           string // after the prompt; empty: refused as csca
	}{
		{"none", Trouble{}, "+CPIN: READY|OK", "", "1", "+CMGS: 1|OK"},
		{"denied", Trouble{Denied: true}, "+CPIN: READY|OK", "", "3", "+CMS ERROR: 331"},
		{"barred", Trouble{Refused: 10}, "+CPIN: READY|OK", "", "1", "+CMS ERROR: 10"},
		{"no credit", Trouble{Refused: 21}, "+CPIN: READY|OK", "", "1", "+CMS ERROR: 21"},
		{"PUK", Trouble{PUK: true}, "+CPIN: SIM PUK|OK", "+CMS ERROR: 316", "0", ""},
		{"failure", Trouble{Failure: 13}, "+CME ERROR: 13", "+CMS ERROR: 313", "0", ""},
		{"wrong", Trouble{Failure: 15}, "+CME ERROR: 15", "+CMS ERROR: 315", "0", ""},
		{"busy", Trouble{Busy: true}, "+CME ERROR: 14", "+CMS ERROR: 314", "1", ""},
	}
	for _, tt := range tests {
		for _, later := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, later %v", tt.name, later), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := Options{NoEcho: true, Cards: []Card{{Trouble: tt.trouble}}}
					if later {
						o.Cards = nil
					}
					n := NewNetwork(NetworkOptions{})
					m := NewModem(n, o)
					m.SetTrouble(0, tt.trouble)
					x := connect(t, m)
					x.expect("AT+CMEE=1;+CREG?\r", "+CREG: 0,"+tt.reg+"|OK")
					x.expect("AT+CPIN?\r", tt.cpin)
					if tt.csca != "" {
						x.expect("AT+CSCA?\r", tt.csca)
					}
					command, _ := cmgs(t, submission(t, handset, "hi"))
					if tt.sends == "" {
						x.expect(command, tt.csca)
					} else {
						x.hands(submission(t, handset, "hi"), tt.sends)
					}
					if got, want := len(n.Ledger()), strings.Count(tt.sends, "+CMGS"); got != want {
						t.Errorf("ledger has %d entries, want %d", got, want)
					}
					m.SetTrouble(0, Trouble{})
					x.expect("AT+CREG?;+CPIN?\r", "+CREG: 0,1|+CPIN: READY|OK")
				})
			})
		}
	}
}

func TestService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewModem(NewNetwork(NetworkOptions{}), Options{NoEcho: true, Operator: "Cell One"})
		x := connect(t, m)
		x.expect("AT+CREG=1\r", "OK")
		tests := []struct {
			service     Service
			creg, state string
			sends       string
		}{
			{Roaming, "+CREG: 5", `+CSQ: 7,0|+COPS: 0,0,"Cell One"|OK`, "+CMGS: 1|OK"},
			{LimitedService, "+CREG: 0", "+CSQ: 7,0|+COPS: 0|OK", "+CMS ERROR: 331"},
			{EmergencyOnly, "+CREG: 8", "+CSQ: 7,0|+COPS: 0|OK", "+CMS ERROR: 331"},
			{NoCoverage, "+CREG: 2", "+CSQ: 99,99|+COPS: 0|OK", "+CMS ERROR: 331"},
			{FullService, "+CREG: 1", `+CSQ: 7,0|+COPS: 0,0,"Cell One"|OK`, "+CMGS: 5|OK"},
		}
		m.SetSignal(7)
		for _, tt := range tests {
			m.SetService(tt.service)
			x.passes(0, tt.creg)
			x.expect("AT+CSQ;+COPS?\r", tt.state)
			x.hands(submission(t, handset, "hi"), tt.sends)
		}
		m.SetSignal(99)
		x.expect("AT+CSQ\r", "+CSQ: 99,99|OK")
		m.SetService(NoCoverage)
		m.SetTrouble(0, Trouble{Denied: true})
		x.passes(0, "+CREG: 2")
		m.SetService(FullService)
		x.passes(0, "+CREG: 3")
	})
}
