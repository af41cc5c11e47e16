package sim

import (
	"testing"
	"testing/synctest"
	"time"
)

// In a bubble it is midnight, 1 January 2000; the network is eight hours ahead,
// and a minute on.
func networkTime() time.Time {
	return time.Now().Add(time.Minute).In(time.FixedZone("", 8*3600))
}

func TestClock(t *testing.T) {
	gps := time.Date(1980, 1, 6, 0, 0, 0, 0, time.UTC)
	type step struct {
		send string // nothing: the network tells the time, after a second
		want string
	}
	tests := []struct {
		name  string
		o     Options
		none  bool
		steps []step
	}{
		{"kept by a battery", Options{}, false, []step{{"AT+CCLK?", `+CCLK: "00/01/01,00:01:00+00"|OK`}}},
		{"nobody told it", Options{PowerOn: gps}, false, []step{
			{"AT+CCLK?", `+CCLK: "80/01/06,00:00:00+00"|OK`},
			{"", ""},
			{"AT+CCLK?", `+CCLK: "80/01/06,00:00:01+00"|OK`},
		}},
		{"told by the network", Options{PowerOn: gps}, false, []step{
			{"AT+CTZU=1", "OK"},
			{"AT+CCLK?", `+CCLK: "80/01/06,00:00:00+00"|OK`},
			{"", ""},
			{"AT+CCLK?", `+CCLK: "00/01/01,08:01:01+32"|OK`},
		}},
		{"told at registration", Options{PowerOn: gps}, false, []step{
			{"AT+CTZU=1;+CTZR=1", "OK"},
			{"AT+CFUN=4;+CFUN=1", "OK|+CTZV: +32"},
			{"AT+CCLK?", `+CCLK: "00/01/01,08:01:00+32"|OK`},
			{"AT+CFUN=1,1", "OK|RDY|+CFUN: 1|+CPIN: READY|SMS Ready"},
			{"AT+CCLK?;+CTZU?", `+CCLK: "00/01/01,08:01:00+32"|+CTZU: 1|OK`},
		}},
		{"power lost", Options{PowerOn: gps}, true, []step{
			{"AT+CCLK=\"26/11/22,16:03:05+04\"", "OK"},
			{"", ""},
			{"AT+CCLK?", `+CCLK: "26/11/22,16:03:06+04"|OK`},
			{"AT+CFUN=1,1", "OK|RDY|+CFUN: 1|+CPIN: READY|SMS Ready"},
			{"AT+CCLK?", `+CCLK: "80/01/06,00:00:00+00"|OK`},
		}},
		{"zone and time", Options{}, false, []step{
			{"AT+CTZR=2", "OK"}, {"", `+CTZE: +32,0,"2000/01/01,08:01:01"`},
			{"AT+CTZR=3", "OK"}, {"", `+CTZEU: +32,0,"2000/01/01,00:01:02"`},
			{"AT+CTZR=0", "OK"}, {"", ""},
			{"AT+CTZR=?;+CTZR?", "+CTZR: (0-3)|+CTZR: 0|OK"},
		}},
		{"SIMCom", Options{TimeCode: "*PSUTTZ"}, false, []step{{"", `*PSUTTZ: 2000,1,1,0,1,1,"+32",0`}}},
		{"Huawei", Options{TimeCode: "^NWTIME"}, false, []step{{"", "^NWTIME: 00/01/01,08:01:01+32,00"}}},
		{"a network that tells none", Options{TimeCode: "^NWTIME"}, true, []step{{"AT+CTZR=1", "OK"}, {"", ""}}},
		{"set by the terminal", Options{}, false, []step{
			{"AT+CCLK=\"04/01/01,12:00:00-14\"", "OK"},
			{"AT+CCLK?", `+CCLK: "04/01/01,12:00:00-14"|OK`},
			{"AT+CCLK=\"04/13/01,12:00:00+00\"", "ERROR"},
			{"AT+CCLK=\"04/01/01,12:00:00\"", "ERROR"},
			{"AT+CCLK=\"04/01/01,12:00:00+99\"", "ERROR"},
			{"AT+CCLK=\"04/01/01,12:00:00zzz\"", "ERROR"},
			{"AT+CCLK=", "ERROR"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(NetworkOptions{Clock: networkTime, NoTime: tt.none})
				tt.o.NoEcho = true
				x := connect(t, NewModem(n, tt.o))
				for _, s := range tt.steps {
					if s.send != "" {
						x.expect(s.send+"\r", s.want)
						continue
					}
					time.Sleep(time.Second)
					n.TellTime()
					x.passes(0, s.want)
				}
			})
		})
	}
}

// TestClockOfMessages: TP-SCTS is the time of the network.
func TestClockOfMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{Clock: networkTime})
		m := NewModem(n, quiet)
		x := connect(t, m)
		if err := n.Send(own, handset, "hi"); err != nil {
			t.Fatal(err)
		}
		x.expect("AT+CMGR=1\r", inboundAt(t, "+CMGR: 0,,", "hi", networkTime())+"|OK")
	})
}
