package sim

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestUSSD(t *testing.T) {
	const (
		menu  = "+CUSD: 1,\"1 Balance|2 Bundles|0 End\",15"
		bal   = `+CUSD: 0,"Balance of 447700900000: 12.34",15`
		busy  = "+CME ERROR: 3"
		wrong = "+CME ERROR: 50"
	)
	say := func(s string) string { return "AT+CUSD=1,\"" + s + "\",15\r" }
	type step struct {
		send  string // nothing: time passes
		after time.Duration
		want  string
	}
	tests := []struct {
		name  string
		form  string
		steps []step
	}{
		{"balance", "", []step{{say("*100#"), 0, "OK|" + bal}, {"AT+CUSD?\r", 0, "+CUSD: 1|OK"}}},
		{"without coding", "", []step{{"AT+CUSD=1,*100#\r", 0, "OK|" + bal}}},
		{"not shown", "", []step{{"AT+CUSD=0,\"*100#\"\r", 0, "OK"}, {"AT+CUSD=?\r", 0, "+CUSD: (0-2)|OK"}}},
		{"wrong", "", []step{{"AT+CUSD=3\r", 0, wrong}}},
		{"menu", "", []step{{say("*123#"), 0, "OK|" + menu}, {say("1"), 0, "OK|" + bal}, {say("1"), 0, "OK|+CUSD: 4"}}},
		{"two menus", "", []step{
			{say("*123#"), 0, "OK|" + menu},
			{say("2"), 0, `OK|+CUSD: 1,"1 Day [1?]|2 Week [5?]",15`},
			{say("2"), 0, `OK|+CUSD: 0,"Booked.",15`},
		}},
		{"ended by choice", "", []step{{say("*123#"), 0, "OK|" + menu}, {say("0"), 0, `OK|+CUSD: 2,"Goodbye",15`}}},
		{"wrong choice", "", []step{{say("*123#"), 0, "OK|" + menu}, {say("9"), 0, `OK|+CUSD: 2,"No such choice",15`}}},
		{"cancelled", "", []step{{say("*123#"), 0, "OK|" + menu}, {"AT+CUSD=2\r", 0, "OK"}, {say("1"), 0, "OK|+CUSD: 4"}, {"", time.Hour, ""}}},
		{"nobody chooses", "", []step{{say("*123#"), 0, "OK|" + menu}, {"", defaultUSSDTime, "+CUSD: 2"}, {say("1"), 0, "OK|+CUSD: 4"}}},
		{"each choice has its time", "", []step{
			{say("*123#"), 0, "OK|" + menu},
			{"", time.Minute, ""},
			{say("2"), 0, `OK|+CUSD: 1,"1 Day [1?]|2 Week [5?]",15`},
			{"", 2*time.Minute - 1, ""},
			{"", 1, "+CUSD: 2"},
		}},
		{"no answer", "", []step{
			{say("*124#"), 0, "OK"}, {say("*100#"), 0, busy},
			{"", defaultUSSDTime, ""}, {say("*100#"), 0, "OK|" + bal},
			{say("*124#"), 0, "OK"}, {"AT+CUSD=2\r", 0, "OK"}, {say("*100#"), 0, "OK|" + bal},
		}},
		{"ended", "", []step{{say("*125#"), 0, "OK|+CUSD: 2"}}},
		{"not supported", "", []step{{say("*126#"), 0, "OK|+CUSD: 4"}}},
		{"UCS2", "", []step{{say("*127#"), 0, `OK|+CUSD: 0,"04110430043B0430043D0441003A002000310032002C00330034002020AC",72`}}},
		{"error", "", []step{{say("*128#"), 0, "+CME ERROR: 100"}, {say("*100#"), 0, "OK|" + bal}}},
		{"late", "", []step{{say("*129#"), 0, "OK"}, {say("*100#"), 0, busy}, {"", 30 * time.Second, "+CUSD: 5"}}},
		{"packed", "packed", []step{
			{say("AA180C3602"), 0, `OK|+CUSD: 0,"C2303BEC1E974131180C",15`},
			{say("*100#"), 0, wrong},
		}},
		{"GSM octets", "gsm", []step{
			{say("*123#"), 0, "OK|" + menu},
			{say("2"), 0, "OK|+CUSD: 1,\"1 Day \x1b<1\x1be\x1b>|2 Week \x1b<5\x1be\x1b>\",15"},
		}},
		{"in the alphabet of AT+CSCS", "", []step{
			{"AT+CSCS=\"UCS2\"\r", 0, "OK"},
			{say("002A0031003200330023"), 0, `OK|+CUSD: 1,"` + ucs2("1 Balance\n2 Bundles\n0 End") + `",15`},
			{"AT+CSCS=\"GSM\"\r", 0, "OK"},
			{say("2"), 0, "OK|+CUSD: 1,\"1 Day \x1b<1\x1be\x1b>|2 Week \x1b<5\x1be\x1b>\",15"},
		}},
		{"UCS2 both ways", "ucs2", []step{
			{say("002A0031003200330023"), 0, `OK|+CUSD: 1,"` + ucs2("1 Balance\n2 Bundles\n0 End") + `",15`},
			{say("1"), 0, wrong},
			{say("0030"), 0, `OK|+CUSD: 2,"` + ucs2("Goodbye") + `",15`},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := Options{NoEcho: true, USSD: tt.form}
				n := NetworkOptions{}
				if tt.form == "packed" {
					n.USSD = func(_ Card, said []string) USSDAnswer { return USSDAnswer{Text: "Balance " + said[0][1:4]} }
				}
				x := connect(t, NewModem(NewNetwork(n), o))
				x.expect("AT+CMEE=1\r", "OK")
				for _, s := range tt.steps {
					if s.send == "" {
						x.passes(s.after, s.want)
						continue
					}
					x.expect(s.send, s.want)
				}
			})
		})
	}
}

func ucs2(ascii string) string {
	var b []byte
	for i := range len(ascii) {
		b = append(b, 0, ascii[i])
	}
	return hexOf(b)
}

// TestUSSDLost: what ends a dialogue besides the network and the terminal.
func TestUSSDLost(t *testing.T) {
	late := func(_ Card, said []string) USSDAnswer { return USSDAnswer{Text: said[0], After: time.Minute} }
	tests := []struct {
		name string
		end  func(*Modem)
		want string
	}{
		{"nothing", func(*Modem) {}, `+CUSD: 0,"*1#",15`},
		{"no coverage", func(m *Modem) { m.SetService(NoCoverage) }, ""},
		{"restart", (*Modem).Reboot, "RDY|+CFUN: 1|+CPIN: READY|SMS Ready"},
		{"another card", func(m *Modem) { m.Swap(0, nil) }, "+CPIN: NOT READY"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewModem(NewNetwork(NetworkOptions{USSD: late}), quiet)
				x := connect(t, m)
				x.expect("AT+CUSD=1,\"*1#\",15\r", "OK")
				tt.end(m)
				x.passes(time.Hour, tt.want)
			})
		})
	}
}

func TestUSSDRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewModem(NewNetwork(NetworkOptions{}), quiet)
		x := connect(t, m)
		x.expect("AT+CMEE=1\r", "OK")
		m.SetService(LimitedService)
		x.expect("AT+CUSD=1,\"*100#\",15\r", "+CME ERROR: 30")
		m.Strike(Fault{Kind: NoSIM})
		x.passes(0, "+CPIN: NOT READY")
		x.expect("AT+CUSD=1,\"*100#\",15\r", "+CME ERROR: 10")
	})
}

func TestSendUSSD(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{USSD: func(_ Card, said []string) USSDAnswer { return USSDAnswer{Text: "you said " + said[0]} }})
		m := NewModem(n, quiet)
		x := connect(t, m)
		send := func(a USSDAnswer) {
			if err := n.SendUSSD(own, a); err != nil {
				t.Fatal(err)
			}
		}
		send(USSDAnswer{Text: "unseen"})
		x.passes(0, "")
		x.expect("AT+CUSD=1\r", "OK")
		send(USSDAnswer{Text: "news"})
		x.passes(0, `+CUSD: 0,"news",15`)
		send(USSDAnswer{Status: 1, Text: "yes?"})
		x.passes(0, `+CUSD: 1,"yes?",15`)
		x.expect("AT+CUSD=1,\"no\",15\r", `OK|+CUSD: 0,"you said no",15`)
		if n.SendUSSD("1", USSDAnswer{}) == nil {
			t.Error("sent to no SIM")
		}
		m.Swap(0, nil)
		send(USSDAnswer{Text: "to a drawer"})
		x.passes(0, "+CPIN: NOT READY")
	})
}
