package sim

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
)

// TestFaults hands one message over under each fault. What is said later comes
// after a time.
func TestFaults(t *testing.T) {
	const sent = "+CMGS: 1|OK"
	banner := "RDY|+CFUN: 1|+CPIN: READY|SMS Ready"
	tests := []struct {
		name   string
		fault  Fault
		prompt string
		want   string // after Ctrl-Z
		at     string // what AT gets then
		after  time.Duration
		late   string
		taken  bool
	}{
		{"none", Fault{}, "> ", sent, "OK", 0, "", true},
		{"refused prompt", Fault{Kind: RefusePrompt, Cause: 500}, "+CMS ERROR: 500", "", "OK", 0, "", false},
		{"no prompt", Fault{Kind: NoPrompt}, "", sent, "OK", 0, "", true},
		{"late prompt", Fault{Kind: LatePrompt, For: time.Minute}, "", "", "", time.Minute, "> |" + sent + "|OK", true},
		{"restart while typing", Fault{Kind: RebootTyping}, "> ", banner, "OK", 0, "", false},
		{"refused", Fault{Kind: Refuse, Cause: 38}, "> ", "+CMS ERROR: 38", "OK", 0, "", false},
		{"refused though taken", Fault{Kind: Refuse, Cause: 38, Taken: true}, "> ", "+CMS ERROR: 38", "OK", 0, "", true},
		{"silence", Fault{Kind: Silence}, "> ", "", "OK", 0, "", false},
		{"answer lost", Fault{Kind: Silence, Taken: true}, "> ", "", "OK", 0, "", true},
		{"late result", Fault{Kind: LateResult, For: time.Minute}, "> ", "", "", time.Minute, sent + "|OK", true},
		{"late OK", Fault{Kind: LateOK, For: time.Minute}, "> ", "+CMGS: 1", "", time.Minute, "OK|OK", true},
		{"double result", Fault{Kind: DoubleResult}, "> ", "+CMGS: 1|" + sent, "OK", 0, "", true},
		{"noise", Fault{Kind: Noise}, "> ", "^RSSI:18|+CMGS: 1|^RSSI:17|OK", "OK", 0, "", true},
		{"storm", Fault{Kind: Storm, Count: 2}, "> ", "^RSSI:0|^RSSI:1|" + sent, "OK", 0, "", true},
		{"freeze", Fault{Kind: Freeze, For: time.Minute}, "> ", "", "", time.Minute, "", false},
		{"freeze after", Fault{Kind: Freeze, For: time.Minute, Taken: true}, "> ", "", "", time.Minute, "", true},
		{"restart", Fault{Kind: Reboot}, "> ", banner, "OK", 0, "", false},
		{"restart after", Fault{Kind: Reboot, Taken: true}, "> ", banner, "OK", 0, "", true},
		{"network lost", Fault{Kind: NoNetwork}, "> ", "+CMS ERROR: 331", "OK", 0, "", false},
		{"denied", Fault{Kind: Denied}, "> ", "+CMS ERROR: 331", "OK", 0, "", false},
		{"no SIM", Fault{Kind: NoSIM}, "> ", "+CMS ERROR: 310|+CPIN: NOT READY", "OK", 0, "", false},
		{"echo", Fault{Kind: EchoOn}, "> ", sent, "AT|OK", 0, "", true},
		{"hang after the PDU", Fault{Kind: HangTyping, For: time.Minute}, "> ", "", "", time.Minute, "", false},
		{"no OK", Fault{Kind: ResultOnly}, "> ", "+CMGS: 1", "OK", 0, "", true},
		{"glued OK", Fault{Kind: GluedOK}, "> ", "+CMGS: 1OK", "OK", 0, "", true},
		{"refused in words", Fault{Kind: TextError}, "> ", "+CMS ERROR: SMS type not supported", "OK", 0, "", false},
		{"prompt without a space", Fault{Kind: PromptNoSpace}, ">", sent, "OK", 0, "", true},
		{"brown-out", Fault{Kind: BrownOut}, "> ", "SMS Ready", "OK", 0, "", false},
		{"brown-out after", Fault{Kind: BrownOut, Taken: true}, "> ", "SMS Ready", "OK", 0, "", true},
		{"memory full", Fault{Kind: MemoryFull}, "> ", "+CMS ERROR: 322", "OK", 0, "", false},
		{"service down", Fault{Kind: SMSDown, Cause: 512}, "> ", "+CMS ERROR: 512", "OK", 0, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(NetworkOptions{})
				m := NewModem(n, quiet)
				x := connect(t, m)
				m.Inject(tt.fault)
				command, data := cmgs(t, submission(t, handset, "hi"))
				x.expect(command, tt.prompt)
				if tt.fault.Kind != RefusePrompt {
					x.expect(data, tt.want)
				}
				x.expect("AT\r", tt.at)
				x.passes(tt.after, tt.late)
				if got := len(n.Ledger()) == 1; got != tt.taken {
					t.Errorf("taken %v, want %v", got, tt.taken)
				}
				x.expect("\x1bATE0\r", map[bool]string{false: "OK", true: "\x1bATE0|OK"}[tt.fault.Kind == EchoOn])
			})
		})
	}
}

func TestInjectedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewModem(NewNetwork(NetworkOptions{}), quiet)
		x := connect(t, m)
		m.Inject(Fault{Kind: Refuse, Cause: 38, Times: 2})
		m.Inject(Fault{})
		m.Inject(Fault{Kind: Refuse, Cause: 42})
		for _, want := range []string{"+CMS ERROR: 38", "+CMS ERROR: 38", "+CMGS: 3|OK", "+CMS ERROR: 42", "+CMGS: 5|OK"} {
			x.hands(submission(t, handset, "hi"), want)
		}
	})
}

func TestThaw(t *testing.T) {
	for _, kind := range []FaultKind{Freeze, Jam} {
		synctest.Test(t, func(t *testing.T) {
			m := NewModem(NewNetwork(NetworkOptions{}), quiet)
			x := connect(t, m)
			m.Strike(Fault{Kind: kind})
			x.expect("AT\r", "")
			blocked := true
			x.wg.Go(func() {
				x.rw.Write([]byte("AT+CMEE?\r"))
				blocked = false
			})
			synctest.Wait()
			if blocked != (kind == Jam) {
				t.Errorf("kind %d: writing blocks: %v", kind, blocked)
			}
			x.passes(time.Hour, "")
			m.Thaw()
			x.passes(0, map[FaultKind]string{Jam: "+CMEE: 0|OK"}[kind])
			x.expect("AT\r", "OK")
		})
	}
}

func TestHangUp(t *testing.T) {
	for _, tt := range []struct {
		fault Fault
		to    string
		taken bool
	}{
		{Fault{Kind: HangUp}, handset, false},
		{Fault{Kind: HangUp, Taken: true}, handset, true},
		{Fault{}, "9991005", false},
		{Fault{}, "9991006", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := NewNetwork(NetworkOptions{})
			m := NewModem(n, Options{NoEcho: true, PIN: "1"})
			x := connect(t, m)
			x.expect("AT+CMEE=1;+CPIN=1\r", "OK")
			m.Inject(tt.fault)
			x.hands(submission(t, tt.to, "hi"), "")
			x.wg.Wait() // Serve has returned
			if got := len(n.Ledger()) == 1; got != tt.taken {
				t.Errorf("%+v: taken %v, want %v", tt, got, tt.taken)
			}
			y := connect(t, m)
			y.expect("AT+CPIN?;+CMEE?\r", "+CPIN: SIM PIN|+CMEE: 0|OK")
		})
	}
}

// TestMagic hands over twice to each number of the table.
func TestMagic(t *testing.T) {
	const one, two = "+CMGS: 1|OK", "+CMGS: 2|OK"
	banner := "RDY|+CFUN: 1|+CPIN: READY|SMS Ready"
	tests := []struct {
		number, first, second string
		between               time.Duration
	}{
		{"99900028", "+CMS ERROR: 28", "+CMS ERROR: 28", 0},
		{"99901038", "+CMS ERROR: 38", two, 0},
		{"9990103855", "+CMS ERROR: 38", two, 0},
		{"9991000", "", two, 0},
		{"9991001", "", two, 0},
		{"9991002", "", two, 90 * time.Second},
		{"9991003", "^RSSI:18|+CMGS: 1|^RSSI:17|OK", two, 0},
		{"9991004", "+CMGS: 1|" + one, two, 0},
		{"9991007", banner, two, 0},
		{"9991008", banner, two, 0},
		{"9991009", "", two, 2 * time.Minute},
		{"9991010", "", two, 2 * time.Minute},
		{"9991011", "+CMS ERROR: 331", two, 30 * time.Second},
		{"9991012", "+CMS ERROR: 331", two, time.Minute},
		{"9991013", "+CMS ERROR: 310|+CPIN: NOT READY", two, time.Minute},
		{"9991016", "+CMGS: 1", two, 10 * time.Second},
		{"9991017", "", two, 2 * time.Minute},
		{"9991018", "+CMS ERROR: 322", two, 0},
		{"9991019", "+CMS ERROR: 500", two, time.Minute},
		{"9991020", "+CMGS: 1", two, 0},
		{"9991021", "+CMS ERROR: SMS type not supported", two, 0},
		{"9991022", "+CMGS: 1OK", two, 0},
		{"9991023", "SMS Ready", two, 0},
		{"9991024", "SMS Ready", two, 0},
		{"9992000", one, two, 0},
		{"9992001", one, two, 0},
		{"9992002", one, two, 0},
		{"9992003", one, two, 0},
		{"999", one, two, 0},
		{"9990012", one, two, 0},
		{"9997777777", one, two, 0},
		{"448311234567", one, two, 0},
	}
	for _, tt := range tests {
		t.Run(tt.number, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := connect(t, NewModem(NewNetwork(NetworkOptions{}), quiet))
				x.hands(submission(t, tt.number, "hi"), tt.first)
				time.Sleep(tt.between)
				x.heard()
				x.hands(submission(t, tt.number, "hi"), tt.second)
			})
		})
	}
}

// TestReports: which reports come when, and whether the handset shows the message.
func TestReports(t *testing.T) {
	type heard struct {
		after  time.Duration
		status pdu.Status
	}
	tests := []struct {
		name    string
		fault   Fault
		reports []heard
		shown   int
	}{
		{"delivered", Fault{}, []heard{{time.Minute, 0}}, 1},
		{"handset off", Fault{Kind: HandsetOff, For: time.Hour}, []heard{{time.Minute, 0x22}, {time.Minute + time.Hour, 0}}, 1},
		{"failed", Fault{Kind: ReportFailed}, []heard{{time.Minute, 0x43}}, 0},
		{"given up", Fault{Kind: ReportFailed, Status: 0x63}, []heard{{time.Minute, 0x63}}, 0},
		{"none", Fault{Kind: NoReport}, nil, 1},
		{"early", Fault{Kind: EarlyReport}, []heard{{0, 0}}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(NetworkOptions{ReportDelay: time.Minute, National: "44"})
				m := NewModem(n, quiet)
				x := connect(t, m)
				x.expect("AT+CNMI=2,1,0,1\r", "OK")
				m.Inject(tt.fault)
				command, data := cmgs(t, submission(t, handset, "hi"))
				x.expect(command, "> ")
				got := x.say(data)
				for _, want := range tt.reports {
					time.Sleep(want.after)
					got += x.heard()
					got = x.report(got, want.status)
				}
				if want := "+CMGS: 1|OK"; got != want {
					t.Errorf("left over %q, want %q", got, want)
				}
				x.passes(24*time.Hour, "")
				if shown := len(n.Screens()); shown != tt.shown {
					t.Errorf("%d screens, want %d", shown, tt.shown)
				}
			})
		})
	}
}

// TestLastingFaults: those that stay until their time is over or the modem is
// restarted.
func TestLastingFaults(t *testing.T) {
	command, data := cmgs(t, submission(t, handset, "hi"))
	restart := says("AT+CFUN=1,1;E0\r", "OK|RDY|+CFUN: 1|+CPIN: READY|SMS Ready")
	tests := []struct {
		name    string
		profile string
		steps   func(t *testing.T) []step
	}{
		{"service down", "", func(*testing.T) []step {
			return []step{
				strikes(Fault{Kind: SMSDown, For: time.Minute}, ""),
				says(command, "+CMS ERROR: 500"),
				says("AT+CMGL=4\r", "+CMS ERROR: 500"),
				says("AT+CPMS?\r", "+CMS ERROR: 500"),
				says("AT+CREG?\r", "+CREG: 0,1|OK"),
				waits(time.Minute, ""),
				says("AT+CMGL=4\r", "OK"),
				strikes(Fault{Kind: SMSDown, Cause: 515}, ""),
				waits(time.Hour, ""),
				says("AT+CMGL=4\r", "+CMS ERROR: 515"),
				restart,
				says("AT+CMGL=4\r", "OK"),
			}
		}},
		{"no deletion", "", func(t *testing.T) []step {
			return []step{
				says("AT+CNMI=2,1\r", "OK"),
				gets(t, `+CMTI: "SM",1`),
				strikes(Fault{Kind: DeleteFails}, ""),
				says("AT+CMGD=1\r", "+CMS ERROR: 321"),
				says("AT+CMGD=1,4\r", "+CMS ERROR: 321"),
				restart,
				says("AT+CMGD=1\r", "+CMS ERROR: 321"),
				strikes(Fault{Kind: DeleteFails, Cause: 500, For: time.Second}, ""),
				says("AT+CMGD=1\r", "+CMS ERROR: 500"),
				waits(time.Second, ""),
				says("AT+CPMS?\r", `+CPMS: "SM",1,20,"SM",1,20,"SM",1,20|OK`),
				says("AT+CMGD=1;+CPMS?\r", `+CPMS: "SM",0,20,"SM",0,20,"SM",0,20|OK`),
			}
		}},
		{"memory full", "", func(t *testing.T) []step {
			return []step{
				says("AT+CNMI=2,1\r", "OK"),
				strikes(Fault{Kind: MemoryFull}, ""),
				says("AT+CPMS?\r", `+CPMS: "SM",20,20,"SM",20,20,"SM",20,20|OK`),
				gets(t, ""),
				says(command, "> "),
				says(data, "+CMGS: 1|OK"),
				says("AT+CMGD=7\r", `OK|+CMTI: "SM",7`),
			}
		}},
		{"memory full, e1750", "e1750", func(t *testing.T) []step {
			return []step{
				says("AT^CURC=0;+CNMI=2,1\r", "OK"),
				strikes(Fault{Kind: MemoryFull}, `^SMMEMFULL:"SM"`),
				gets(t, ""),
				says("AT+CMGD=7\r", `OK|+CMTI: "SM",7`),
				gets(t, `^SMMEMFULL:"SM"`),
			}
		}},
		{"memory full, sim7600", "sim7600", func(t *testing.T) []step {
			return []step{says("AT+CNMI=2,1\r", "OK"), strikes(Fault{Kind: MemoryFull}, "+CMTI: ,-1")}
		}},
		{"memory full, tc35", "tc35", func(t *testing.T) []step {
			return []step{says("AT+CNMI=2,1\r", "OK"), strikes(Fault{Kind: MemoryFull}, "^SMGO: 2")}
		}},
		{"memory full, sara-r4", "sara-r4", func(t *testing.T) []step {
			return []step{says("AT+CNMI=2,1\r", "OK"), strikes(Fault{Kind: MemoryFull}, "+CIEV: 8,1")}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(NetworkOptions{})
				m := NewModem(n, on(tt.profile))
				connect(t, m).plays(n, m, tt.steps(t))
			})
		})
	}
}

// TestNoCR: lines end in LF alone, until the time is over.
func TestNoCR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewModem(NewNetwork(NetworkOptions{}), quiet)
		x := connect(t, m)
		m.Inject(Fault{Kind: NoCR, For: time.Second})
		command, data := cmgs(t, submission(t, handset, "hi"))
		for _, s := range []string{command, data, "AT\r"} {
			io.WriteString(x.rw, s)
			synctest.Wait()
		}
		time.Sleep(time.Second)
		io.WriteString(x.rw, "AT\r")
		synctest.Wait()
		x.mu.Lock()
		defer x.mu.Unlock()
		want := "\r\n> " + "\n+CMGS: 1\n\nOK\n" + "\nOK\n" + "\r\nOK\r\n"
		if got := x.got.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestReferences: TP-MR goes on from where it was, and wraps.
func TestReferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := connect(t, NewModem(NewNetwork(NetworkOptions{}), Options{NoEcho: true, MR: 254}))
		for _, want := range []string{"+CMGS: 255|OK", "+CMGS: 0|OK", "+CMGS: 1|OK"} {
			x.hands(submission(t, handset, "hi"), want)
		}
	})
}

// TestFrozenStart: a modem that freezes while it starts does so anew when it thaws.
func TestFrozenStart(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault Fault
		thaw  bool
	}{
		{"for a time", Fault{Kind: Freeze, For: time.Minute}, false},
		{"until it thaws", Fault{Kind: Freeze}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewModem(NewNetwork(NetworkOptions{}), Options{NoEcho: true, Boot: 2 * time.Second})
				x := connect(t, m)
				m.Reboot()
				x.passes(time.Second, "")
				m.Strike(tt.fault)
				x.passes(time.Minute-1, "")
				time.Sleep(time.Nanosecond)
				if tt.thaw {
					m.Thaw()
				}
				x.passes(2*time.Second, "RDY|+CFUN: 1|+CPIN: READY|SMS Ready")
				x.expect("AT+CREG?\r", "+CREG: 0,1|OK")
				x.passes(time.Hour, "")
			})
		})
	}
}
