package modem_test

import (
	"bytes"
	"strings"
	"testing"

	"cellpost/modem"
	"cellpost/modem/sim"
	"cellpost/pdu"
	"cellpost/pdu/smart"
	"cellpost/sms"
)

// TestLogoNetwork: an operator logo without a network gets that of the SIM, by as
// many digits as the SIM says, and nothing else is touched.
func TestLogoNetwork(t *testing.T) {
	t.Parallel()
	bitmap, err := smart.NewBitmap(72, 14, func(x, y int) bool { return true }) // of FF, like the room for a network
	if err != nil {
		t.Fatal(err)
	}
	ota, _ := bitmap.AppendBinary(nil)
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{IMSI: "234151200000001"}, modem.Config{})
	b.awaitState(modem.Ready)
	send := func(o smart.Object) []byte {
		t.Helper()
		seg, err := o.Split(pdu.SplitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		tpdu, err := pdu.Submit{Destination: sms.Number(handset).Address(), DCS: seg.DCS, UserData: seg.Parts[0]}.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if out := b.outcome(b.submit(sms.Handover{Attempt: 1, TPDU: tpdu})); out.Kind != sms.Accepted {
			t.Fatalf("%+v", out)
		}
		ledger := b.net.Ledger()
		s, _, err := pdu.ParseSubmit(ledger[len(ledger)-1].TPDU)
		if err != nil {
			t.Fatal(err)
		}
		return s.UserData.Data
	}
	if got := send(smart.Nameless(ota)); !bytes.Equal(got, append([]byte{0x32, 0xF4, 0x51}, ota...)) {
		t.Errorf("the SIM does not tell how long its MNC is: % X", got)
	}
	group := smart.Object{Port: smart.PortCLILogo, Data: smart.Nameless(ota).Data}
	if got := send(group); !bytes.Equal(got, group.Data) {
		t.Errorf("of another port: % X", got)
	}
	// The answer to another question stands in for EF_AD, which this SIM lacks.
	b.wire.change(replace("+CRSM=176,28589,0,0,4", "+CNUM"), func(s string) string {
		if strings.HasPrefix(strings.TrimSpace(s), "+CNUM:") {
			return "\r\n+CRSM: 144,0,\"00000003\"\r\n\r\nOK\r\n"
		}
		return s
	})
	if got := send(smart.Nameless(ota)); !bytes.Equal(got, append([]byte{0x32, 0x14, 0x51}, ota...)) {
		t.Errorf("its MNC has three digits: % X", got)
	}
}

// TestLogoWithoutNetwork: what cannot be for any network fails, and says what to do.
func TestLogoWithoutNetwork(t *testing.T) {
	t.Parallel()
	b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
	b.wire.change(replace("+CIMI", "+XIMI"), nil) // the SIM does not tell who it is
	b.run()
	b.awaitState(modem.Ready)
	seg, err := smart.Nameless([]byte{0, 8, 1, 1, 0xFF}).Split(pdu.SplitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tpdu, err := pdu.Submit{Destination: sms.Number(handset).Address(), DCS: seg.DCS, UserData: seg.Parts[0]}.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := b.outcome(b.submit(sms.Handover{Attempt: 1, TPDU: tpdu}))
	if o.Kind != sms.Refused || o.Cause != cms(304) || !strings.Contains(o.Detail, "set logo-network of the account") {
		t.Errorf("%+v", o)
	}
	b.sendUntilSent(2, "the next")
	if n := len(b.net.Ledger()); n != 1 {
		t.Errorf("%d messages left", n)
	}
}
