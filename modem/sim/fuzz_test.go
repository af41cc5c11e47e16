package sim

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzModem: whatever octets come, in two pieces, the modem lives and after a
// while, in which every fault of a magic number passes, answers a command. A cut
// below 0 chooses a profile.
func FuzzModem(f *testing.F) {
	command, data := cmgs(f, submission(f, handset, "hi"))
	for _, seed := range []string{
		"AT\r", "ATE0V0&F\r", command + data, command + "\x1b", command + "00\x1a", command[:len(command)-1],
		"AT+CNMI=2,2,0,1,0;+CSMS=1;+CNMA\r", "AT+CPMS=\"SR\";+CMGL=4;+CMGR=1;+CMGD=1,4\r",
		"AT+CFUN=1,1\r", "AT+CPIN=\"1\";+CUSD=1,\"*100#\",15\r", "AT+CSUS=1;+CPIN=1\r", "AT+CUSD=1,\"AA180C3602\",15;+CCLK=\"26/11/22,16:03:05+04\";+CTZR=2;+CLIP=1;H\r", "A\bAT+CSCA=\"+44\"\r", ";;=?\r", "AT;+=?\r", "AT+\r", "AT&\r",
	} {
		f.Add([]byte(seed), len(seed)/2)
	}
	for i := range Profiles() {
		f.Add([]byte("AT&F;+CSMS=1;+CNMI=2,2,0,1,0;+CMGL=4;+CNMA\rAT\\Q3;+CFUN=1,1\r"+command+data), -i-1)
	}
	f.Fuzz(func(t *testing.T, octets []byte, cut int) {
		synctest.Test(t, func(t *testing.T) {
			n := NewNetwork(NetworkOptions{})
			o := Options{SlotCommand: "+CSUS", USSD: ussdPacked}
			if names := Profiles(); cut < 0 {
				o = Options{Profile: names[uint(-(cut+1))%uint(len(names))]}
			}
			o.Cards = make([]Card, 2)
			m := NewModem(n, o)
			if err := n.Send(own, handset, strings.Repeat("inbound ", 50)); err != nil {
				t.Fatal(err)
			}
			x := connect(t, m)
			cut = min(max(cut, 0), len(octets))
			x.rw.Write(octets[:cut]) // fails when they unplug the modem
			x.rw.Write(octets[cut:])
			time.Sleep(time.Hour)
			x.rw.Write([]byte("\r\x1b")) // ends a line, ends a prompt
			time.Sleep(time.Hour)
			x.close()
			if o.Profile == "e3372" {
				m.Replug() // it may be a CD-ROM
			}
			y := connect(t, m)
			y.say("\r\x1bATV1\r")
			got := y.say("ATE0+CGSN\r")
			if _, rest, ok := strings.Cut(got, m.Options().IMEI+"|"); !ok || !strings.HasSuffix(rest, "OK") {
				t.Errorf("got %q, want the IMEI and OK", got)
			}
		})
	})
}
