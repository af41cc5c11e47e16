package sim

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
)

const own = "447700900000" // MSISDN of the first modem

// inbound is an SMS-DELIVER as the network makes it, after the given code.
func inbound(t *testing.T, code, text string) string { return inboundAt(t, code, text, time.Now()) }

// inboundAt is inbound for a message that was sent at a time.
func inboundAt(t *testing.T, code, text string, at time.Time) string {
	d := pdu.Deliver{Originator: telephone(handset), Time: at, UserData: submission(t, handset, text).UserData}
	tpdu, err := d.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s%d|%s", code, len(tpdu), hexOf(append([]byte{0x07, 0x91, 0x44, 0x77, 0x58, 0x10, 0x06, 0x50}, tpdu...)))
}

// TestRouting: where AT+CNMI lets messages and reports go.
func TestRouting(t *testing.T) {
	tests := []struct {
		name, setup string
		class       pdu.Class
		report      bool
		want        string // what is said by itself
		sm, sr      int    // messages stored
	}{
		{"stored in silence", "AT+CNMI=2,0\r", pdu.NoClass, false, "", 1, 0},
		{"stored and said", "AT+CNMI=2,1\r", pdu.NoClass, false, `+CMTI: "SM",1`, 1, 0},
		{"stored elsewhere", "AT+CNMI=2,1;+CPMS=\"SM\",\"SM\",\"ME\"\r", pdu.NoClass, false, `+CMTI: "ME",1`, 0, 0},
		{"passed on", "AT+CNMI=2,2\r", pdu.NoClass, false, "+CMT: ,", 0, 0},
		{"mode 1", "AT+CNMI=1,2\r", pdu.NoClass, false, "+CMT: ,", 0, 0},
		{"passed on, class 0", "AT+CNMI=2,2\r", pdu.Class0, false, "+CMT: ,", 0, 0},
		{"class 2 belongs in the SIM", "AT+CNMI=2,2\r", pdu.Class2, false, `+CMTI: "SM",1`, 1, 0},
		{"class 3 only", "AT+CNMI=2,3\r", pdu.Class3, false, "+CMT: ,", 0, 0},
		{"not of class 3", "AT+CNMI=2,3\r", pdu.NoClass, false, `+CMTI: "SM",1`, 1, 0},
		{"mode 0 keeps the code", "AT+CNMI=0,1\r", pdu.NoClass, false, "", 1, 0},
		{"mode 0 leaves it to the network", "AT+CNMI=0,2\r", pdu.NoClass, false, "", 0, 0},
		{"no reports", "AT+CNMI=2,1,0,0\r", pdu.NoClass, true, "", 0, 0},
		{"reports passed on", "AT+CNMI=2,1,0,1\r", pdu.NoClass, true, "+CDS: ", 0, 0},
		{"reports stored", "AT+CNMI=2,1,0,2\r", pdu.NoClass, true, `+CDSI: "SR",1`, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(NetworkOptions{ReportDelay: time.Second})
				m := NewModem(n, quiet)
				x := connect(t, m)
				x.say(tt.setup)
				if tt.report {
					x.hands(submission(t, handset, "hi"), "+CMGS: 1|OK")
					time.Sleep(time.Second)
				} else if err := n.Deliver("+"+own, pdu.Deliver{Originator: telephone(handset), DCS: pdu.TextDCS(pdu.GSM7, tt.class)}); err != nil {
					t.Fatal(err)
				}
				if got := x.heard(); !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if sm, sr := m.memories[memSM].used(), m.memories[memSR].used(); sm != tt.sm || sr != tt.sr {
					t.Errorf("stored %d and %d, want %d and %d", sm, sr, tt.sm, tt.sr)
				}
			})
		})
	}
}

func TestBufferedIndications(t *testing.T) {
	for bfr, want := range []string{`OK|+CMTI: "SM",1`, "OK"} {
		synctest.Test(t, func(t *testing.T) {
			n := NewNetwork(NetworkOptions{})
			x := connect(t, NewModem(n, quiet))
			x.expect("AT+CNMI=0,1\r", "OK")
			if err := n.Send(own, handset, "hi"); err != nil {
				t.Fatal(err)
			}
			x.expect(fmt.Sprintf("AT+CNMI=2,1,0,0,%d\r", bfr), want)
		})
	}
}

// TestAcknowledgement: in phase 2+ one TPDU waits for AT+CNMA, the next for it.
func TestAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		x := connect(t, NewModem(n, quiet))
		x.expect("AT+CSMS=1;+CNMI=2,2,0,1\r", "+CSMS: 1,1,1|OK")
		one, two := inbound(t, "+CMT: ,", "one"), inbound(t, "+CMT: ,", "two")
		for _, text := range []string{"one", "two"} {
			if err := n.Send(own, handset, text); err != nil {
				t.Fatal(err)
			}
		}
		x.passes(0, one)
		x.expect("AT+CNMA\r", "OK|"+two)
		x.passes(defaultAckTime-1, "")
		x.passes(1, two)
		x.expect("AT+CNMA=2\r", "OK")
		x.expect("AT+CNMA=0\r", "+CMS ERROR: 340")
		x.passes(defaultAckTime, two)
		x.expect("AT+CNMA=1\r", "OK")
		x.passes(time.Hour, "")
	})
}

// TestUnrouted: modules that follow the standard pass nothing on after a TPDU that
// was not acknowledged, and the network is slow to deliver it again.
func TestUnrouted(t *testing.T) {
	for profile, cnmi := range map[string][3]string{
		"tc35":  {"3,2,0,1,1", "3,0,0,0,1"},
		"e3372": {"2,2,0,1,0", "2,0,0,0,0"},
	} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(NetworkOptions{})
				o := quiet
				o.Profile = profile
				x := connect(t, NewModem(n, o))
				if profile == "e3372" {
					x.expect("AT^CURC=0\r", "OK")
				}
				x.say("AT+CSMS=1;+CNMI=" + cnmi[0] + "\r")
				one := inbound(t, "+CMT: ,", "one")
				if err := n.Send(own, handset, "one"); err != nil {
					t.Fatal(err)
				}
				x.passes(0, one)
				x.passes(defaultAckTime, "")
				two := inbound(t, "+CMT: ,", "two")
				x.expect("AT+CNMI?\r", "+CNMI: "+cnmi[1]+"|OK")
				x.expect("AT+CNMI="+cnmi[0]+"\r", "OK")
				if err := n.Send(own, handset, "two"); err != nil {
					t.Fatal(err)
				}
				x.passes(0, two)
				x.expect("AT+CNMA\r", "OK")
				x.passes(again-1, "")
				x.passes(1, one)
				x.expect("AT+CNMA\r", "OK")
			})
		})
	}
}

// TestUnacknowledged: a TPDU that nobody acknowledged outlasts a restart.
func TestUnacknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		m := NewModem(n, quiet)
		x := connect(t, m)
		x.expect("AT+CSMS=1;+CNMI=2,2\r", "+CSMS: 1,1,1|OK")
		one := inbound(t, "+CMT: ,", "one")
		if err := n.Send(own, handset, "one"); err != nil {
			t.Fatal(err)
		}
		x.passes(0, one)
		stored := inbound(t, "+CMGR: 0,,", "one")
		m.Strike(Fault{Kind: HangUp})
		x.close()
		y := connect(t, m)
		y.expect("AT+CMGR=1\r", stored+"|OK") // as AT+CNMI is 0,0 again
	})
}

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		x := connect(t, NewModem(n, Options{NoEcho: true, Slots: 2}))
		x.expect("AT+CNMI=2,1\r", "OK")
		for _, text := range []string{"one", "two", "three"} {
			if err := n.Send(own, handset, text); err != nil {
				t.Fatal(err)
			}
		}
		x.passes(0, `+CMTI: "SM",1|+CMTI: "SM",2`)
		x.expect("AT+CPMS?\r", `+CPMS: "SM",2,2,"SM",2,2,"SM",2,2|OK`)
		x.expect("AT+CMGR=1\r", inbound(t, "+CMGR: 0,,", "one")+"|OK")
		x.expect("AT+CMGR=1\r", inbound(t, "+CMGR: 1,,", "one")+"|OK")
		x.expect("AT+CMGL=0\r", inbound(t, "+CMGL: 2,0,,", "two")+"|OK")
		x.expect("AT+CMGL=4\r", inbound(t, "+CMGL: 1,1,,", "one")+"|"+inbound(t, "+CMGL: 2,1,,", "two")+"|OK")
		x.expect("AT+CMGL\r", "OK")
		x.expect("AT+CMGL=9\r", "+CMS ERROR: 304")
		x.expect("AT+CMGD=2\r", `OK|+CMTI: "SM",2`)
		x.expect("AT+CMGR=2\r", inbound(t, "+CMGR: 0,,", "three")+"|OK")
		x.expect("AT+CMGR=3\r", "+CMS ERROR: 321")
		x.expect("AT+CMGD=3\r", "+CMS ERROR: 321")
		x.expect("AT+CMGD=0,1\r", "OK")
		x.expect("AT+CMGR=1\r", "+CMS ERROR: 321")
		x.expect("AT+CMGD=1\r", "OK")
		x.expect("AT+CMGD=?\r", "+CMGD: (1-2),(0-4)|OK")
	})
}

func TestSendRefused(t *testing.T) {
	n := NewNetwork(NetworkOptions{})
	NewModem(n, Options{})
	for _, tt := range []struct{ to, from, text string }{
		{"447700900999", handset, "no such SIM"},
		{own, handset, "\xff"},
		{own, "a name that is too long", "hi"},
	} {
		if err := n.Send(tt.to, tt.from, tt.text); err == nil {
			t.Errorf("Send(%q, %q, %q) succeeded", tt.to, tt.from, tt.text)
		}
	}
}
