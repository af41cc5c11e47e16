package sim

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
	"cellpost/pdu/wap"
)

// listed are the messages in a memory, as AT+CMGL=4 lists them.
func (x *terminal) listed() (messages []pdu.Deliver) {
	x.t.Helper()
	for line := range strings.SplitSeq(x.say("AT+CMGL=4\r"), "|") {
		if line == "OK" || strings.HasPrefix(line, "+CMGL") {
			continue
		}
		d, warnings, err := pdu.ParseDeliver(unhex(x.t, line))
		if err != nil || len(warnings) > 0 {
			x.t.Fatalf("message %q: %v, %v", line, warnings, err)
		}
		messages = append(messages, d)
	}
	return messages
}

func TestSendMessage(t *testing.T) {
	tests := []struct {
		name string
		m    Message
		want string // TP-PID TP-DCS, elements of the header, text
	}{
		{"plain", Message{Text: "hi"}, "00 00 [] hi"},
		{"flash", Message{Text: "hi", Class: pdu.Class0}, "00 10 [] hi"},
		{"type 0", Message{PID: pdu.PIDType0}, "40 00 [] "},
		{"replace type 3", Message{Text: "newer", PID: pdu.PIDReplace1 + 2}, "43 00 [] newer"},
		{"for the SIM", Message{Text: "\x01", PID: pdu.PIDSIMData, Class: pdu.Class2, Port: 1}, "7f 16 [{05 00010001}] \x01"},
		{"voice mail", Message{Text: "call 121", Waiting: &pdu.Waiting{Active: true, Store: true}}, "00 d8 [] call 121"},
		{"no voice mail", Message{Waiting: &pdu.Waiting{}}, "00 c0 [] "},
		{"two faxes", Message{Waiting: &pdu.Waiting{Mailbox: 1, Active: true, Count: 2}}, "00 00 [{01 0102}] "},
		{"a video", Message{Text: "Żó", Waiting: &pdu.Waiting{Mailbox: 4, Active: true}}, "00 08 [{01 0401}] Żó"},
		{"WAP push", Message{Text: "\x01\x06\x00", Port: wap.PortPush}, "00 04 [{05 0B840B84}] \x01\x06\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(NetworkOptions{})
				x := connect(t, NewModem(n, quiet))
				tt.m.From = handset
				if err := n.SendMessage(own, tt.m); err != nil {
					t.Fatal(err)
				}
				for _, d := range x.listed() {
					var header []string
					for _, ie := range d.UserData.Header {
						header = append(header, fmt.Sprintf("{%02x %X}", ie.ID, ie.Data))
					}
					got := fmt.Sprintf("%02x %02x %v %s", byte(d.PID), byte(d.DCS), header, d.UserData.Text(d.DCS))
					if got != tt.want {
						t.Errorf("got %q, want %q", got, tt.want)
					}
				}
			})
		})
	}
}

// notification is a push with m-notification_1.ind of mms-engine of Sailfish OS.
const notification = "010603BEAF848C82986D31306C396D377530336D6374326A62633132406D6D732E6265656C696E652E7275008D908918802B3739" +
	"3035303030303030302F545950453D504C4D4E008A808E0261C78805810303F47F83687474703A2F2F6D6D7372352F3F6D65737361" +
	"67652D69643D6D31306C396D377530336D6374326A6263313200"

// TestSendPush: an MMS notification comes in parts that join again.
func TestSendPush(t *testing.T) {
	long := strings.Replace(notification, "8A80", "96"+hexOf([]byte("Pictures of the mast"))+"008A80", 1)
	push, err := hex.DecodeString(long)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		x := connect(t, NewModem(n, quiet))
		if err := n.SendMessage(own, Message{From: handset, Text: string(push), Port: wap.PortPush}); err != nil {
			t.Fatal(err)
		}
		var fragments []pdu.Fragment
		for _, d := range x.listed() {
			f, ok := d.Fragment(own, time.Now())
			if p, ported := d.UserData.Ports(); !ok || !ported || p.Dest != wap.PortPush {
				t.Fatalf("part %+v", d)
			}
			fragments = append(fragments, f)
		}
		joined := pdu.Join(fragments)
		p, warnings, err := wap.Parse(joined.Data)
		if err != nil || len(warnings) > 0 {
			t.Fatalf("%v, %v", warnings, err)
		}
		if mms, ok := p.Content.(wap.MMSNotification); !ok || mms.Size != 25031 || mms.Subject != "Pictures of the mast" || len(fragments) != 2 {
			t.Errorf("%d parts, %v", len(fragments), p)
		}
	})
}

func TestSendFlash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		x := connect(t, NewModem(n, quiet))
		if err := n.SendFlash(own, handset, "look"); err != nil {
			t.Fatal(err)
		}
		if l := x.listed(); len(l) != 1 || l[0].DCS.Class() != pdu.Class0 {
			t.Errorf("got %+v", l)
		}
	})
}

// TestReportsFromElsewhere: another SMSC in front, the number in national form.
func TestReportsFromElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{ReportDelay: time.Second, ReportFrom: "447785016099", National: "44"})
		x := connect(t, NewModem(n, quiet))
		x.expect("AT+CNMI=2,1,0,1\r", "OK")
		x.hands(submission(t, handset, "hi"), "+CMGS: 1|OK")
		x.passes(time.Second, "+CDS: 25|07914477581006990601"+"0B817007900021F3"+"00101000000000"+"00101000001000"+"00")
		if err := n.Send(own, handset, "hi"); err != nil {
			t.Fatal(err)
		}
		x.passes(0, `+CMTI: "SM",1`)
		x.listed() // from the SMSC of the network
	})
}

// TestReportsKept: reports that come while nobody listens are found in SR.
func TestReportsKept(t *testing.T) {
	for _, kept := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := NewNetwork(NetworkOptions{ReportDelay: time.Minute})
			m := NewModem(n, Options{NoEcho: true, KeepReports: kept})
			x := connect(t, m)
			x.expect("AT+CNMI=2,1,0,1\r", "OK")
			x.hands(submission(t, handset, "hi"), "+CMGS: 1|OK")
			m.Strike(Fault{Kind: HangUp})
			x.close()
			time.Sleep(time.Minute)
			y := connect(t, m)
			y.passes(0, "")
			y.expect("AT+CNMI=2,1,0,2;+CPMS=\"SR\"\r", map[bool]string{true: "+CPMS: 1,20,0,20,0,20|OK", false: "+CPMS: 0,20,0,20,0,20|OK"}[kept])
			if kept {
				y.expect("AT+CMGR=1\r", reportOf(t, n, "+CMGR: 0,,", 0)+"|OK")
			}
		})
	}
}
