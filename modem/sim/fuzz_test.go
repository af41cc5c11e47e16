package sim

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzModem: whatever octets come, in two pieces, the modem lives and after a
// while, in which every fault of a magic number passes, answers a command.
func FuzzModem(f *testing.F) {
	command, data := cmgs(f, submission(f, handset, "hi"))
	for _, seed := range []string{
		"AT\r", "ATE0V0&F\r", command + data, command + "\x1b", command + "00\x1a", command[:len(command)-1],
		"AT+CNMI=2,2,0,1,0;+CSMS=1;+CNMA\r", "AT+CPMS=\"SR\";+CMGL=4;+CMGR=1;+CMGD=1,4\r",
		"AT+CFUN=1,1\r", "AT+CPIN=\"1\";+CUSD=1,\"*100#\",15\r", "A\bAT+CSCA=\"+44\"\r", ";;=?\r", "AT;+=?\r", "AT+\r", "AT&\r",
	} {
		f.Add([]byte(seed), len(seed)/2)
	}
	f.Fuzz(func(t *testing.T, octets []byte, cut int) {
		synctest.Test(t, func(t *testing.T) {
			n := NewNetwork(NetworkOptions{})
			m := NewModem(n, Options{})
			if err := n.Send(own, handset, strings.Repeat("inbound ", 50)); err != nil {
				t.Fatal(err)
			}
			x := connect(t, m)
			cut = min(max(cut, 0), len(octets))
			x.rw.Write(octets[:cut]) // fails when they unplug the modem
			x.rw.Write(octets[cut:])
			time.Sleep(time.Hour)
			x.close()
			y := connect(t, m)
			y.say("\r\x1bATV1\r") // ends a line, ends a prompt
			if got, want := y.say("ATE0+CGSN\r"), m.Options().IMEI+"|OK"; !strings.Contains(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	})
}
