package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
)

func TestProfileNames(t *testing.T) {
	want := []string{
		"sim900", "e220", "e3372", "mf190", "sim800l", "sim7600", "ec25", "eg06", "tc35", "wavecom", "sara-r4", "msm", "e1750",
		"m66-ds", "dual-csus",
	}
	if got := Profiles(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, `"sim9000"`) || !strings.Contains(said, "dual-csus") {
			t.Errorf("an unknown profile: %s", said)
		}
	}()
	NewModem(NewNetwork(NetworkOptions{}), Options{Profile: "sim9000"})
}

// on makes a modem with a profile, without echo.
func on(profile string, change ...func(*Options)) Options {
	o := Options{Profile: profile, NoEcho: true}
	for _, f := range change {
		f(&o)
	}
	return o
}

func boots(after time.Duration) func(*Options) { return func(o *Options) { o.Ready = after } }

// step is something that is said or done to a modem, and what comes of it.
type step struct {
	send string // octets; or what follows
	want string

	after time.Duration // time goes by instead
	do    func(*Network, *Modem)
}

func says(send, want string) step                 { return step{send: send, want: want} }
func waits(after time.Duration, want string) step { return step{after: after, want: want} }
func does(f func(*Network, *Modem), want string) step {
	return step{do: f, want: want}
}

func strikes(f Fault, want string) step {
	return does(func(_ *Network, m *Modem) { m.Strike(f) }, want)
}

// gets is a message "in" for the SIM.
func gets(t *testing.T, want string) step {
	return does(func(n *Network, _ *Modem) {
		if err := n.Send(own, handset, "in"); err != nil {
			t.Error(err)
		}
	}, want)
}

func (x *terminal) plays(n *Network, m *Modem, steps []step) {
	x.t.Helper()
	for i, s := range steps {
		what := fmt.Sprintf("step %d, %q", i, s.send)
		var got string
		switch {
		case s.do != nil:
			s.do(n, m)
			got = x.heard()
		case s.send != "":
			got = x.say(s.send)
		default:
			time.Sleep(s.after)
			got = x.heard()
		}
		if got != s.want {
			x.t.Errorf("%s: got %q, want %q", what, got, s.want)
		}
	}
}

// TestIdentity: what the modules say of themselves.
func TestIdentity(t *testing.T) {
	tests := map[string]string{
		"sim900":    "SIMCOM_Ltd|SIMCOM_SIM900|Revision:1137B11SIM900M64_ST",
		"e3372":     "huawei|E3372|21.200.07.00.00",
		"mf190":     "ZTE CORPORATION|MF190|BD_MF190V1.0.0B02",
		"sim800l":   "SIMCOM_Ltd|SIMCOM_SIM800L|Revision:1418B05SIM800L24",
		"sim7600":   "SIMCOM INCORPORATED|SIMCOM_SIM7600E-H|+CGMR: LE20B04SIM7600M22",
		"ec25":      "Quectel|EC25|EC25EFAR06A03M4G",
		"eg06":      "Quectel|EG06|EG06ELAR04A04M4G",
		"tc35":      "SIEMENS|TC35i|REVISION 03.01",
		"wavecom":   " WAVECOM MODEM| MULTIBAND  900E  1800 |641b09gg.Q2403A 1320676 061804 14:38",
		"sara-r4":   "u-blox|SARA-R410M-02B|L0.0.00.00.05.06 [Feb 03 2018 13:00:41]",
		"msm":       "QUALCOMM INCORPORATED|HSUPA MODEM|MSM6290-1.0.0",
		"e1750":     "huawei|E1750|11.126.10.00.00",
		"m66-ds":    "Quectel_Ltd|Quectel_M66-DS|Revision: M66DSFAR01A02",
		"dual-csus": "Cellpost|Simulated dual-SIM modem|Revision: 1",
		"e220":      "huawei|^RSSI:18|E220|^RSSI:18|11.117.09.04.00|^RSSI:18",
	}
	for _, name := range Profiles() {
		synctest.Test(t, func(t *testing.T) {
			x := connect(t, NewModem(NewNetwork(NetworkOptions{}), on(name)))
			x.expect("AT+CGMI;+CGMM;+CGMR\r", tests[name]+"|OK")
		})
	}
}

// TestStarts: what is said after a restart, and what works when.
func TestStarts(t *testing.T) {
	command, data := cmgs(t, submission(t, handset, "hi"))
	const sent = "+CMGS: 1|OK"
	const s = 5 * time.Second
	simcom := []step{
		says("AT+CFUN=1,1\r", "OK|RDY|+CFUN: 1|+CPIN: READY"),
		says(command, "+CMS ERROR: 302"),
		says("AT+CPMS?\r", "+CMS ERROR: 302"),
		says("AT+CREG?\r", "+CREG: 0,1|OK"),
		waits(s, "Call Ready|SMS Ready"),
		says(command, "> "),
		says(data, sent),
	}
	tests := []struct {
		name  string
		o     Options
		steps []step
	}{
		{"plain", on("", boots(s)), []step{
			says("AT+CFUN=1,1\r", "OK|RDY|+CFUN: 1|+CPIN: READY"), says(command, "> "), says(data, sent), waits(s, "SMS Ready"),
		}},
		{"sim900", on("sim900", boots(s)), simcom},
		{"sim800l", on("sim800l", boots(s)), simcom},
		{"m66-ds", on("m66-ds", boots(s)), simcom},
		{"PIN", on("sim900", boots(s), func(o *Options) { o.PIN, o.SIMBusy = "1", 2*s }), []step{
			says("AT+CPIN=1\r", "OK"),
			waits(s, ""),
			says("AT+CSCA?\r", "+CMS ERROR: 302"),
			waits(s, "Call Ready|SMS Ready"),
			says("AT+CSCA?\r", `+CSCA: "+447785016005",145|OK`),
		}},
		{"SIM put in later", on("sim900"), []step{
			strikes(Fault{Kind: NoSIM, For: time.Minute}, "+CPIN: NOT READY"),
			does(func(_ *Network, m *Modem) { m.Reboot() }, "RDY|+CFUN: 1"),
			waits(time.Minute, "+CPIN: READY|Call Ready|SMS Ready"),
		}},
		{"sim7600", on("sim7600", boots(s)), []step{
			says(command, "ERROR"),
			says("AT&F\r", "OK"),
			says("ATE0+CMEE=1\r", "OK"),
			says(command, "> "),
			says(data, sent),
			says("AT+CFUN=1,1\r", "OK|RDY|+CFUN: 1|+CPIN: READY|PB DONE"),
			says("AT&FE0+CMEE=1\r", "OK"),
			says(command, "ERROR"),
			waits(s, "SMS DONE"),
			says(command, "> "),
			says(data, "+CMGS: 2|OK"),
			waits(s, "+CNSMOD: 8"),
			says("AT+CFUN=1,1\r", "OK|RDY|+CFUN: 1|+CPIN: READY|PB DONE"),
			waits(s, "SMS DONE"),
			says(command, "ERROR"),
		}},
		{"e220", on("e220"), []step{
			does(func(_ *Network, m *Modem) { m.Reboot() }, "^BOOT:26417135,0,0,0,20|^SIMST:1|^SRVST:2"),
			says("AT+CSCA?\r", `+CSCA: "",145|^RSSI:18|OK`),
			says(command, "> "),
			says(data, "+CMS ERROR: 330"),
			says("AT+CSCA=\"+447785016005\"\r", "OK"),
			says(command, "> "),
			says(data, "+CMGS: 1|^RSSI:18|OK"),
		}},
		{"ec25", on("ec25", boots(s)), []step{
			says("AT+CFUN=1,1\r", "OK|RDY|+CFUN: 1|+CPIN: READY|+QUSIM: 1"),
			waits(s, "+QIND: SMS DONE|+QIND: PB DONE"),
			waits(s, `+QIND: "csq",20,99`),
			says("AT+QINDCFG=\"all\",0\r", "OK"),
			waits(10*time.Second, ""),
		}},
		{"tc35", on("tc35"), []step{says("AT+CFUN=1,1\r", "OK|^SYSSTART")}},
		{"wavecom", on("wavecom"), []step{
			says("AT+CFUN=1,1\r", "OK|+WIND: 1|+WIND: 3|+WIND: 7|+WIND: 4"),
			waits(10*time.Second, "+WIND: 7"),
			says("AT+WIND=0\r", "OK"),
			waits(time.Hour, ""),
		}},
		{"sara-r4", on("sara-r4", boots(s)), []step{says("AT+CFUN=1,1\r", "OK|+PACSP1"), waits(s, "+PBREADY")}},
		{"mf190", on("mf190"), []step{
			says("AT+CFUN=1,1\r", `OK|+ZUSIMR:2|+ZDONR: "Not Found"|+ZPASR: "Limited Service"`),
			waits(4*time.Second, `+ZUSIMR:2|+ZPASR: "GPRS"`),
		}},
		{"e1750", on("e1750"), []step{
			says("AT+CFUN=1,1\r", "OK|^BOOT:26417135,0,0,0,20|^SIMST:1|^SRVST:2"),
			waits(10*time.Second, "^RSSI:18|^MODE:5,4"),
			says("AT^CURC=0\r", "OK"),
			waits(time.Hour, ""),
		}},
		{"frozen and restarted meanwhile", on("sim900", boots(s), func(o *Options) { o.Boot = s }), []step{
			does(func(_ *Network, m *Modem) { m.Reboot() }, ""),
			waits(s, "RDY|+CFUN: 1|+CPIN: READY"),
			waits(s/2, ""),
			does(func(_ *Network, m *Modem) { m.Reboot() }, ""),
			waits(s, "RDY|+CFUN: 1|+CPIN: READY"),
			strikes(Fault{Kind: Freeze, For: time.Minute}, ""),
			waits(time.Minute, "Call Ready|SMS Ready"),
			says("ATE0+CPMS?\r", `+CPMS: "SM",0,20,"SM",0,20,"SM",0,20|OK`),
		}},
		{"brown-out", on("sim800l"), []step{
			says("AT+CMEE=1\r", "OK"),
			strikes(Fault{Kind: BrownOut}, "SMS Ready"),
			says("AT+CMEE?\r", "+CMEE: 0|OK"),
		}},
		{"brown-out, a slow start", on("sim7600", boots(s/2), func(o *Options) { o.Boot = s }), []step{
			says("AT&FE0+CMEE=1\r", "OK"),
			strikes(Fault{Kind: BrownOut}, ""),
			says("AT\r", ""),
			waits(s, ""),
			says("AT&F+CMEE=1\r", "OK"),
			says(command, "ERROR"),
			waits(s/2, "SMS DONE"),
			says(command, "> "),
			says(data, sent),
		}},
		{"brown-out, no last line", on("tc35"), []step{
			says("AT+CMEE=1\r", "OK"),
			strikes(Fault{Kind: BrownOut}, ""),
			says("AT+CMEE?\r", "+CMEE: 0|OK"),
		}},
		{"PB DONE after the PIN", on("sim7600", boots(s), func(o *Options) { o.PIN = "1" }), []step{
			does(func(_ *Network, m *Modem) { m.Reboot() }, "RDY|+CFUN: 1|+CPIN: SIM PIN"),
			says("AT+CPIN=1\r", "OK|PB DONE"),
			waits(s, "SMS DONE"),
		}},
		{"brown-out before the PIN", on("sim800l", func(o *Options) { o.PIN = "1" }), []step{
			says("AT+CPIN=1\r", "OK|Call Ready|SMS Ready"),
			strikes(Fault{Kind: BrownOut}, ""),
			says("AT+CPIN?\r", "+CPIN: SIM PIN|OK"),
			says("AT+CPIN=1\r", "OK|Call Ready|SMS Ready"),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(NetworkOptions{NoTime: true})
				m := NewModem(n, tt.o)
				connect(t, m).plays(n, m, tt.steps)
			})
		})
	}
}

// TestQuirks: what differs once the module is up. Reports come a second late.
func TestQuirks(t *testing.T) {
	command, data := cmgs(t, submission(t, handset, "hi"))
	longCommand, longData := cmgs(t, submission(t, handset, strings.Repeat("long ", 30)))
	const sent = "+CMGS: 1|OK"
	report := func(code string) string {
		r := pdu.StatusReport{Reference: 1, Recipient: telephone(handset), Time: time.Now(), Discharge: time.Now().Add(time.Second)}
		tpdu, err := r.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s%d|%s", code, len(tpdu), hexOf(append([]byte{0x07, 0x91, 0x44, 0x77, 0x58, 0x10, 0x06, 0x50}, tpdu...)))
	}
	tests := []struct {
		profile string
		steps   func(t *testing.T) []step
	}{
		{"e220", func(t *testing.T) []step {
			header, octets, _ := strings.Cut(inbound(t, "+CMGR: 0,,", "in"), "|")
			listed := inbound(t, "+CMGL: 0,1,,", "in")
			listed = strings.Replace(listed, "|", "|^RSSI:18|", 1) + "|^RSSI:17|OK"
			return []step{
				says("AT+FOO\r", "COMMAND NOT SUPPORT"),
				says("AT^CURC=0\r", "COMMAND NOT SUPPORT"),
				says("AT+CNMI=2,1\r", "OK"),
				gets(t, `+CMTI: "SM",0`),
				says("AT+CMGR=0\r", header+"|^RSSI:18|"+octets+"|^RSSI:17|OK"),
				says("AT+CMGL=4\r", listed),
				says("AT+CMGD=?\r", "+CMGD: (0-19),(0-4)|^RSSI:18|OK"),
				says("AT+CMGD=0\r", "OK"),
				says("AT+CMGR=0\r", "+CMS ERROR: 321"),
				says("AT+CSMS=1\r", "+CSMS: 1,1,1|^RSSI:18|OK"),
				says("AT+CSMS?\r", "+CSMS: ,1,1,1|^RSSI:18|OK"),
				waits(900*time.Millisecond, "^RSSI:18|^RSSI:17|^BOOT:26417135,0,0,0,20"),
				says(command, "> "), // and goes on while a TPDU is typed
				waits(300*time.Millisecond, "^MODE:5,4"),
				says(data, "+CMGS: 1|^RSSI:18|OK"),
				strikes(Fault{Kind: Storm, Count: 2}, "^RSSI:18|^RSSI:17"),
			}
		}},
		{"mf190", func(t *testing.T) []step {
			return []step{
				says("AT+CNMI=?\r", "+CNMI: (0-2),(0-3),(0,2,3),(0-2),(0,1)|OK"),
				says("AT+CMEE=1;+CNMI=2,1,0,1,0\r", "ERROR"),
				says("AT+CNMI=1,1,0,1,0\r", "OK"),
				says(command, "> "),
				says(data, sent),
				waits(time.Second, report("+CDS: ,")),
			}
		}},
		{"sim800l", func(t *testing.T) []step {
			return []step{
				says("AT+CNMI=?\r", "+CNMI: (0-2),(0-3),(0,2,3),(0,1),(0,1)|OK"),
				says("AT+CNMI=2,1,0,2,0\r", "+CMS ERROR: 303"),
				says("AT+CSMS=1;+CNMI=2,2,0,1,0\r", "+CSMS: 1,1,1|OK"),
				gets(t, inbound(t, "+CMT: ,", "in")),
				says("AT+CNMA\r", "+CMS ERROR: 340"),
				gets(t, inbound(t, "+CMT: ,", "in")),
				waits(time.Hour, ""), // neither comes again
			}
		}},
		{"ec25", func(t *testing.T) []step {
			return []step{
				says("AT+CNMI=2,2,0,1,0;+CSMS=1;+QINDCFG=0\r", "+CSMS: 1,1,1|OK"),
				gets(t, inbound(t, "+CMT: ,", "in")),
				says("AT+CNMA\r", ""),
				waits(299*time.Millisecond, ""),
				waits(time.Millisecond, "OK"),
				says("AT+CNMA\rAT\r", ""),
				waits(300*time.Millisecond, "+CMS ERROR: 340|OK"),
				says("AT+CNMI=2,1,0,2,0\r", "OK"),
				says(command, "> "),
				says(data, sent),
				waits(time.Second, `+CDSI: "SM",0`),
				says("AT+CMGL=4\r", "OK"),
				says("AT+CPMS=\"SR\"\r", "+CPMS: 1,20,0,20,0,20|OK"),
				says("AT+CMGR=1\r", report("+CMGR: 0,,")+"|OK"),
			}
		}},
		{"eg06", func(t *testing.T) []step {
			return []step{
				says("AT+QINDCFG=0\r", "OK"),
				does(func(_ *Network, m *Modem) { m.Inject(Fault{Kind: Refuse, Cause: 38}) }, ""),
				says(command, "> "),
				says(data, ""),
				waits(defaultSlow-1, ""),
				waits(1, "+CMS ERROR: 350"),
				says("AT+CMGL=4\r", "+CMS ERROR: 303"),
				says("AT+CMGL=?\r", `+CMGL: ("REC UNREAD","REC READ","STO UNSENT","STO SENT","ALL")|OK`),
			}
		}},
		{"tc35", func(t *testing.T) []step {
			return []step{
				says("AT+CNMI?\r", "+CNMI: 0,0,0,0,1|OK"),
				says("AT+CNMI=?\r", "+CNMI: (0-3),(0-3),(0),(0-2),(1)|OK"),
				says("AT+CNMI=3,2,0,1,1\r", "+CMS ERROR: 303"),
				says("AT+CNMI=2,1,0,2,1\r", "OK"),
				says("AT+CSMS=1;+CNMI=2,2,0,1,1\r", "+CSMS: 1,1,1|+CMS ERROR: 303"),
				says("AT+CNMI=3,2,0,1,0\r", "+CMS ERROR: 303"),
				says("AT+CNMI=3,2,0,1,1\r", "OK"),
				says(command, "> "), // short: it fits
				says(data, sent),
				waits(time.Second, report("+CDS: ")),
				says("AT+CNMA\r", "OK"),
				says(longCommand, "> "),
				says(longData, "+CMS ERROR: 304"),
				says("AT\\Q3\r", "OK"),
				says(longCommand, "> "),
				says(longData, "+CMGS: 2|OK"),
			}
		}},
		{"wavecom", func(t *testing.T) []step {
			return []step{
				says("AT+WIND=0;+CNMI=2,1,0,2,0\r", "OK"),
				says("AT+CPMS=?\r", `+CPMS: (("SM","SR"),("SM"))|OK`),
				says("AT+CPMS=\"SM\",\"SM\"\r", "+CPMS: 0,20,0,20|OK"),
				says("AT+CPMS=\"SM\",\"SM\",\"SM\"\r", "ERROR"),
				says(command, "> "),
				says(data, sent),
				waits(time.Second, `+CDSI: "SR",1`),
				says("AT+CPMS=\"SR\"\r", "+CPMS: 1,20,0,20|OK"),
				says("AT+CPMS?\r", `+CPMS: "SR",1,20,"SM",0,20|OK`),
				says("AT+CMGR=1\r", report("+CMGR: 0,,")+"|OK"),
				says("AT+CMGD=1\r", "OK"),
			}
		}},
		{"sara-r4", func(t *testing.T) []step {
			return []step{
				says("AT+CNMI?\r", "+CNMI: 1,0,0,0,0|OK"),
				says("AT+CNMI=1,2,0,1,0\r", "OK"),
				says(command, "> "),
				gets(t, ""),
				says("\x1b", "OK|"+inbound(t, "+CMT: ,", "in")),
				says("AT+CNMI=1,1,0,1,0\r", "OK"),
				gets(t, `+CMTI: "SM",1`),
				says(command, "> "),
				gets(t, ""),
				says(data, sent),
				says("AT+CPMS?\r", `+CPMS: "SM",2,20,"SM",2,20,"SM",2,20|OK`),
				says(command, "> "),
				waits(time.Second, ""), // the report of the first
				says("\x1b", "OK"),
				says("AT+CNMI=2,1,0,1,0\r", "OK"),
				says(command, "> "),
				gets(t, ""),
				says("\x1b", `OK|+CMTI: "SM",3`),
			}
		}},
		{"msm", func(t *testing.T) []step {
			return []step{
				says("AT+CNMI=?\r", "+CNMI: (0-2),(0-3),(0,2,3),(0-2),(0,1)|OK"),
				says("AT+CNMI=2,1,0,1,0\r", "+CMS ERROR: 303"),
				says("AT+CNMI=1,1,0,1,0\r", "OK"),
				gets(t, `+CMTI: "ME",1`),
				says("AT+CPMS?\r", `+CPMS: "ME",1,20,"ME",1,20,"ME",1,20|OK`),
				says("AT+CMEE=1;+CUSD=2\r", "+CME ERROR: 3"),
				says("AT+CUSD=1\r", "OK"),
			}
		}},
		{"e1750", func(t *testing.T) []step {
			return []step{
				says("AT^CURC=0;+CNMI=2,1\r", "OK"),
				gets(t, `+CMTI: "SM",0`),
				says("AT+CMGL=?\r", "+CMGL: (0-4)|OK"),
				says("AT+CMGL=4\r", ""),
				says("\x1bAT\r", ""),
				waits(blackHole-1, ""),
				says("AT\r", ""),
				waits(1, ""),
				says("AT\r", "OK"),
				says("AT+CMGR=0\r", inbound(t, "+CMGR: 0,,", "in")+"|OK"),
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(NetworkOptions{ReportDelay: time.Second})
				m := NewModem(n, on(tt.profile))
				connect(t, m).plays(n, m, tt.steps(t))
			})
		})
	}
}

// TestZeroCD: a restart by command leaves a CD-ROM.
func TestZeroCD(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{Clock: func() time.Time { return time.Now().UTC() }})
		m := NewModem(n, on("e3372"))
		x := connect(t, m)
		x.expect("AT^U2DIAG=0;+CFUN=0\r", "OK")
		x.expect("AT+CFUN=1,1\r", "OK")
		x.expect("AT\r", "")
		time.Sleep(vanish)
		x.wg.Wait() // Serve has returned
		if err := m.Serve(t.Context(), x.rw); err == nil || !strings.Contains(err.Error(), "Replug") {
			t.Errorf("a CD-ROM has a port: %v", err)
		}
		m.Replug()
		y := connect(t, m)
		y.passes(0, "^BOOT:26417135,0,0,0,20|^SIMST:1|^SRVST:2|^NWTIME: 00/01/01,00:00:01+00,00")
		y.expect("AT\r", "OK")
		m.Strike(Fault{Kind: HangUp})
		y.wg.Wait()
		connect(t, m).expect("AT+CFUN?\r", "^BOOT:26417135,0,0,0,20|^SIMST:1|^SRVST:2|^NWTIME: 00/01/01,00:00:01+00,00|+CFUN: 1|OK")
	})
}

// TestEveryProfile: each sends, gets its reports and a message, in the way that
// suits it.
func TestEveryProfile(t *testing.T) {
	cnmi := map[string]string{"mf190": "1,1,0,1,0", "msm": "1,1,0,1,0", "tc35": "3,2,0,1,1"}
	for _, name := range Profiles() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(NetworkOptions{})
				x := connect(t, NewModem(n, on(name)))
				set := cnmi[name]
				if set == "" {
					set = "2,1,0,1,0"
				}
				x.say("AT&FE0\r")
				for _, c := range []string{`AT\Q3`, "AT+CSMS=1", "AT+CNMI=" + set} {
					x.say(c + "\r")
				}
				command, data := cmgs(t, submission(t, handset, "hi"))
				for i := range 20 {
					x.expect(command, "> ")
					got := x.say(data)
					for _, want := range []string{fmt.Sprintf("+CMGS: %d|", i+1), "OK|", "+CDS: "} {
						if !strings.Contains(got, want) {
							t.Fatalf("got %q, want %q in it", got, want)
						}
					}
					x.say("AT+CNMA\r")
					time.Sleep(time.Second)
					x.heard()
				}
				if err := n.Send(own, handset, "in"); err != nil {
					t.Fatal(err)
				}
				if got := x.heard(); !strings.Contains(got, "+CMT") {
					t.Errorf("no message: %q", got)
				}
				if l := n.Ledger(); len(l) != 20 {
					t.Errorf("%d in the ledger", len(l))
				}
			})
		})
	}
}
