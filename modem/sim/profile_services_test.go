package sim

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestProfileOptions: the options that profiles have values for; what is given
// goes before.
func TestProfileOptions(t *testing.T) {
	type values struct {
		slotCommand, ussd, timeCode string
		missedCall                  bool
		cards                       int
	}
	want := map[string]values{
		"sim900":    {missedCall: true},
		"sim800l":   {missedCall: true},
		"sim7600":   {timeCode: psuttz, missedCall: true},
		"e220":      {timeCode: nwtime},
		"e3372":     {ussd: ussdPacked, timeCode: nwtime},
		"e1750":     {ussd: ussdPacked, timeCode: nwtime},
		"m66-ds":    {slotCommand: "+QDSIM", cards: 2},
		"dual-csus": {slotCommand: "+CSUS", cards: 2},
	}
	for _, name := range Profiles() {
		w := want[name]
		w.cards = max(w.cards, 1)
		o := NewModem(NewNetwork(NetworkOptions{}), on(name)).Options()
		if got := (values{o.SlotCommand, o.USSD, o.TimeCode, o.MissedCall, len(o.Cards)}); got != w {
			t.Errorf("%s: got %+v, want %+v", name, got, w)
		}
	}
	o := NewModem(NewNetwork(NetworkOptions{}), on("m66-ds", func(o *Options) {
		o.SlotCommand, o.USSD, o.TimeCode, o.Cards = "+CSUS", ussdHex, nwtime, make([]Card, 1)
	})).Options()
	if got, want := (values{o.SlotCommand, o.USSD, o.TimeCode, o.MissedCall, len(o.Cards)}), (values{"+CSUS", ussdHex, nwtime, false, 1}); got != want {
		t.Errorf("given: got %+v, want %+v", got, want)
	}
}

// TestProfileServices: cards, USSD, calls and the time of the network in the way
// of the profile.
func TestProfileServices(t *testing.T) {
	command, data := cmgs(t, submission(t, handset, "hi"))
	const s = 5 * time.Second
	calls := func(want string) step {
		return does(func(n *Network, _ *Modem) {
			if err := n.Call(own, handset); err != nil {
				t.Error(err)
			}
		}, want)
	}
	tells := func(want string) step { return does(func(n *Network, _ *Modem) { n.TellTime() }, want) }
	repairs := func(trouble Trouble, want string) step {
		return does(func(_ *Network, m *Modem) { m.SetTrouble(0, trouble) }, want)
	}
	tests := []struct {
		name  string
		o     Options
		steps func(t *testing.T) []step
	}{
		{"m66-ds", on("m66-ds", boots(s), func(o *Options) { o.SlotSettle = s }), func(*testing.T) []step {
			return []step{
				says("AT+CMEE=1;+QDSIM?\r", "+QDSIM: 0|OK"),
				says("AT+QDSIM=1\r", "OK|+CPIN: NOT READY"),
				says("AT+CPMS?\r", "+CMS ERROR: 302"),
				says("AT+CPIN?\r", "+CME ERROR: 14"),
				waits(s, "+CPIN: READY"),
				says("AT+CREG?\r", "+CREG: 0,1|OK"),
				says(command, "+CMS ERROR: 302"),
				says("AT+QDSIM=0\r", "OK|+CPIN: NOT READY"),
				waits(s, "+CPIN: READY"), // and nothing of the other SIM
				waits(s, "Call Ready|SMS Ready"),
				says(command, "> "),
				says(data, "+CMGS: 1|OK"),
			}
		}},
		{"a card with a PIN", on("dual-csus", func(o *Options) { o.Cards = []Card{{}, {PIN: "1"}} }), func(*testing.T) []step {
			return []step{
				says("AT+CSUS=1\r", "OK|+CPIN: NOT READY|+CPIN: SIM PIN"),
				says("AT+CPIN=1\r", "OK|SMS Ready"),
				says("AT+CSUS=0\r", "OK|+CPIN: NOT READY|+CPIN: READY|SMS Ready"),
			}
		}},
		{"count of TP-MR", on("dual-csus", func(o *Options) { o.MR = 7 }), func(*testing.T) []step {
			return []step{
				says(command, "> "),
				says(data, "+CMGS: 8|OK"),
				says("AT+CSUS=1\r", "OK|+CPIN: NOT READY|+CPIN: READY|SMS Ready"),
				says(command, "> "),
				says(data, "+CMGS: 1|OK"),
			}
		}},
		{"indexes of a card that came", on("e1750"), func(t *testing.T) []step {
			return []step{
				says("AT^CURC=0;+CNMI=2,1\r", "OK"),
				gets(t, `+CMTI: "SM",0`),
				does(func(_ *Network, m *Modem) { m.Swap(0, m.Swap(0, nil)) }, "+CPIN: NOT READY|+CPIN: NOT READY|+CPIN: READY|^NWTIME: 00/01/01,00:00:00+00,00"),
				says("AT+CNMI=2,1\r", "OK"),
				gets(t, `+CMTI: "SM",1`),
				says("AT+CPMS=\"ME\",\"ME\",\"ME\"\r", "+CPMS: 0,20,0,20,0,20|OK"),
				gets(t, `+CMTI: "ME",0`),
			}
		}},
		{"a card that was mended", on("sim900", func(o *Options) { o.Cards = []Card{{Trouble: Trouble{Failure: 13}}} }), func(*testing.T) []step {
			return []step{
				repairs(Trouble{Busy: true}, ""),
				repairs(Trouble{}, "Call Ready|SMS Ready"),
				repairs(Trouble{PUK: true}, ""),
				says("AT+CFUN=1,1\r", "OK|RDY|+CFUN: 1|+CPIN: SIM PUK"),
				repairs(Trouble{}, "Call Ready|SMS Ready"),
			}
		}},
		{"late refusal by a card", on("eg06", func(o *Options) { o.Slow = s; o.Cards = []Card{{Trouble: Trouble{Refused: 21}}} }), func(*testing.T) []step {
			return []step{
				says(command, "> "),
				says(data, ""),
				waits(s, "+CMS ERROR: 350"),
			}
		}},
		{"roaming", on("sara-r4"), func(t *testing.T) []step {
			return []step{
				does(func(_ *Network, m *Modem) { m.SetService(Roaming) }, ""),
				says("AT+CNMI=1,1,0,1,0\r", "OK"),
				says(command, "> "),
				gets(t, ""),
				says("\x1b", "OK"),
				says("AT+CPMS?\r", `+CPMS: "SM",1,20,"SM",1,20,"SM",1,20|OK`),
			}
		}},
		{"e3372", on("e3372"), func(*testing.T) []step {
			return []step{
				says("AT^CURC=0;+CUSD=1,\"AA180C3602\",15\r", `OK|+CUSD: 0,"C2303BEC1E97416F338846BBDD60B01C0C0683C174A098CC35A301",15`),
				tells("^NWTIME: 00/01/01,00:00:00+00,00"),
			}
		}},
		{"e220", on("e220"), func(*testing.T) []step {
			return []step{says("AT+CUSD=1,\"*100#\",15\r", `OK|+CUSD: 0,"Balance of 447700900000: 12.34",15`)}
		}},
		{"msm", on("msm"), func(*testing.T) []step {
			return []step{
				says("AT+CMEE=1;+CUSD=1,\"*123#\",15\r", `OK|+CUSD: 1,"1 Balance|2 Bundles|0 End",15`),
				says("AT+CUSD=2\r", "+CME ERROR: 3"),
				says("AT+CUSD=1,\"0\",15\r", `OK|+CUSD: 2,"Goodbye",15`),
			}
		}},
		{"sim7600", on("sim7600"), func(*testing.T) []step {
			return []step{
				tells(`*PSUTTZ: 2000,1,1,0,0,0,"+0",0`),
				calls("RING"),
				waits(s, "RING"),
				waits(2*time.Second, "NO CARRIER|MISSED_CALL: 12:00AM 447700900123"),
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(NetworkOptions{Ring: 7 * time.Second, Clock: func() time.Time { return time.Now().UTC() }})
				m := NewModem(n, tt.o)
				connect(t, m).plays(n, m, tt.steps(t))
			})
		})
	}
}
