package modem_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/modem"
	"cellpost/modem/profile"
	"cellpost/modem/sim"
	"cellpost/sms"
)

// dial asks the network in a dialogue of its own: a code, then answers.
func (b *bench) dial(said ...string) (a modem.USSDAnswer, err error) {
	for _, code := range said {
		if a, err = b.m.USSD(context.Background(), code); err != nil {
			break
		}
	}
	return a, err
}

// TestUSSDByFamily: what the network says is read in the form of each family,
// and what goes wrong says what to do; the next code works.
func TestUSSDByFamily(t *testing.T) {
	const balance = "Balance of 447700900001: 12.34"
	for _, family := range []struct {
		name, profile, form string
		euro                string        // what is left of the sign
		between             time.Duration // two requests
	}{
		{"plain", "", "", "?", 5 * time.Second},
		{"text", "e220", "", "?", 5 * time.Second},
		{"packed", "e3372", "packed", "€", 5 * time.Second},
		{"no cancel", "msm", "", "?", 3 * time.Minute}, // the network has to give up by itself
		{"GSM octets", "", "gsm", "", 5 * time.Second}, // the escape of [ and € does not come through
		{"UCS2", "", "ucs2", "€", 5 * time.Second},
	} {
		t.Run(family.name, func(t *testing.T) {
			t.Parallel()
			c := short
			if family.profile == "" && family.form != "" {
				table, err := profile.Load("test", fmt.Appendf(nil, "[[profile]]\nname = \"generic\"\nussd = %q\n", family.form))
				if err != nil {
					t.Fatal(err)
				}
				c.Profiles = table
			}
			o := sim.Options{Profile: family.profile, USSD: family.form, MSISDN: "447700900001"}
			bubble(t, sim.NetworkOptions{}, o, c, func(b *bench) {
				if _, err := b.dial("*100#"); !errors.Is(err, modem.ErrNotInService) {
					b.t.Errorf("without a session: %v", err)
				}
				b.run()
				b.readyIn(0, time.Minute)
				day := "1 Day [1" + family.euro + "]\n2 Week [5" + family.euro + "]"
				for _, tt := range []struct {
					said []string
					want string
					open bool
					err  string
				}{
					{[]string{"*100#"}, balance, false, ""},
					{[]string{"*123#"}, "1 Balance\n2 Bundles\n0 End", true, ""},
					{[]string{"*100#"}, balance, false, ""}, // the menu is left first
					{[]string{"*123#", "1"}, balance, false, ""},
					{[]string{"*123#", "2"}, day, true, ""},
					{[]string{"*123#", "2", "1"}, "Booked.", false, ""},
					{[]string{"*123#", "0"}, "Goodbye", false, ""},
					{[]string{"*127#"}, "Баланс: 12,34 €", false, ""},
					{[]string{"*124#"}, "", false, "no answer within 1m0s: check the code"},
					{[]string{"*125#"}, "", false, "dial the code again"},
					{[]string{"*128#"}, "", false, "+CME ERROR: 100"},
					{[]string{"*129#"}, "", false, "try again"},
					{[]string{"*999#"}, "", false, "ask the operator for the right one"},
					{[]string{""}, "", false, "ask the operator for it"},
					{[]string{"*100#"}, balance, false, ""},
				} {
					if time.Sleep(family.between); tt.want == day && family.euro == "" {
						continue
					}
					a, err := b.dial(tt.said...)
					if a.Text != tt.want || a.Open != tt.open || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
						b.t.Errorf("%q: %+v, %v", tt.said, a, err)
					}
				}
				b.sim.SetService(sim.NoCoverage)
				time.Sleep(time.Second)
				if _, err := b.dial("*100#"); err == nil {
					b.t.Error("an answer without a network")
				}
				if log := b.log.String(); strings.Contains(log, "12.34\n") || strings.Contains(log, "msg="+balance) {
					b.t.Error("the log holds the answer")
				}
				if f := b.m.Facts(); f.Stalls != 0 {
					b.t.Errorf("facts: %+v", f)
				}
			})
		})
	}
}

// TestUSSDWhileSending: a request that the network takes half a minute for delays
// no message, and a hand-over under way delays the request alone.
func TestUSSDWhileSending(t *testing.T) {
	n := sim.NetworkOptions{USSD: func(sim.Card, []string) sim.USSDAnswer {
		return sim.USSDAnswer{Text: "later", After: 30 * time.Second}
	}}
	bubble(t, n, sim.Options{AirTime: time.Second}, modem.Config{}, func(b *bench) {
		b.run()
		b.readyIn(0, time.Minute)
		var done []<-chan sms.Outcome
		began := time.Now()
		for i := range 60 {
			done = append(done, b.submit(message(b.t, int64(i), fmt.Sprint(i))))
		}
		time.Sleep(1500 * time.Millisecond)
		if a, err := b.dial("*1#"); err != nil || a.Text != "later" {
			b.t.Errorf("%+v, %v", a, err)
		}
		if took := time.Since(began); took < 31*time.Second || took > 33*time.Second {
			b.t.Errorf("answered after %v", took)
		}
		for _, d := range done {
			if o := <-d; o.Kind != sms.Accepted {
				b.t.Errorf("got %+v", o)
			}
		}
		if took := time.Since(began); took != 60*time.Second {
			b.t.Errorf("60 messages of a second took %v", took)
		}
	})
}

// TestUSSDFromNetwork: what the network says unasked is noted without its text,
// and an open question of it may be answered.
func TestUSSDFromNetwork(t *testing.T) {
	n := sim.NetworkOptions{USSD: func(_ sim.Card, said []string) sim.USSDAnswer {
		return sim.USSDAnswer{Text: "heard " + strings.Join(said, ",")}
	}}
	bubble(t, n, sim.Options{MSISDN: "447700900001"}, short, func(b *bench) {
		b.run()
		b.readyIn(0, time.Minute)
		if _, err := b.dial("*1#"); err != nil { // before it no module shows what comes
			b.t.Fatal(err)
		}
		for _, a := range []sim.USSDAnswer{{Text: "secret offer"}, {Status: 1, Text: "secret question\n1 yes"}} {
			if err := b.net.SendUSSD("447700900001", a); err != nil {
				b.t.Fatal(err)
			}
			synctest.Wait()
		}
		if a, err := b.dial("1"); err != nil || a.Text != "heard 1" {
			b.t.Errorf("%+v, %v", a, err)
		}
		if got := strings.Count(b.log.String(), "USSD from the network"); got != 2 || strings.Contains(b.log.String(), "secret") {
			b.t.Errorf("noted %d times", got)
		}
		kept := b.m.Notices()
		if len(kept) != 2 || kept[0].Text != "secret question\n1 yes" || kept[1].Text != "secret offer" || kept[1].At.IsZero() {
			b.t.Errorf("kept %+v", kept)
		}
		for _, l := range b.m.Trace().Lines() {
			if strings.Contains(l.Text, "secret") {
				b.t.Errorf("trace: %q", l.Text)
			}
		}
	})
}

// TestIncomingCalls: calls are noted, and rejected only where that is wanted.
func TestIncomingCalls(t *testing.T) {
	for _, tt := range []struct {
		name, profile, from, want string
		air                       time.Duration // a message is being sent for so long when it rings
	}{
		{"plain", "", "447700900123", "+447700900123", 0},
		{"withheld", "", "", "", 0},
		{"MISSED_CALL", "sim900", "447700900123", "+447700900123", 0},
		{"MISSED_CALL and noise", "sim7600", "447700900123", "+447700900123", 0},
		{"storm", "e220", "447700900123", "+447700900123", 0},
		{"while sending", "", "447700900123", "+447700900123", 8 * time.Second},
	} {
		for _, reject := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, rejected %v", tt.name, reject), func(t *testing.T) {
				t.Parallel()
				o := sim.Options{Profile: tt.profile, MSISDN: "447700900001", AirTime: tt.air}
				bubble(t, sim.NetworkOptions{}, o, modem.Config{RejectCalls: reject}, func(b *bench) {
					b.run()
					b.readyIn(0, time.Minute)
					done := b.submit(message(b.t, 1, "meanwhile"))
					time.Sleep(tt.air / 2)
					for range 2 {
						if err := b.net.Call("447700900001", tt.from); err != nil {
							b.t.Fatal(err)
						}
						time.Sleep(time.Minute)
					}
					if o := <-done; o.Kind != sms.Accepted {
						b.t.Errorf("the message: %+v", o)
					}
					end := map[bool]sim.CallEnd{false: sim.Missed, true: sim.Rejected}[reject]
					if got := b.net.Calls(); len(got) != 2 || got[0].End != end || got[1].End != end {
						b.t.Errorf("the network: %+v", got)
					}
					got := b.m.Calls()
					if len(got) != 2 {
						b.t.Fatalf("calls: %+v", got)
					}
					for _, c := range got {
						if c.From != tt.want || c.Rejected != reject || reject != (c.Rings < 3) {
							b.t.Errorf("call: %+v", c)
						}
					}
					if !got[0].At.After(got[1].At) {
						b.t.Error("the newest is not the first")
					}
					if strings.Contains(b.log.String(), "msg=\"incoming call\" number") || strings.Contains(b.log.String(), "900123 ") {
						b.t.Error("the log holds the number")
					}
				})
			})
		}
	}
}

// TestNetworkTime: what modules tell of the time, in each form, leads to the time
// of the network in time; a clock that was never set never does.
func TestNetworkTime(t *testing.T) {
	const ahead = 26*365*24*time.Hour + 5*time.Hour // of the clock of this machine
	never := time.Date(1980, time.January, 6, 0, 0, 0, 0, time.UTC)
	kathmandu := time.FixedZone("", int((5*time.Hour + 45*time.Minute).Seconds()))
	for _, tt := range []struct {
		name, profile string
		noTime        bool
		inject        string        // a line in the module's own words, with the layout of time.Format in braces
		messages      time.Duration // apart; zero: none comes
		source        string        // of the offer; empty: there is none
	}{
		{"the clock of one module", "", false, "", 0, ""},
		{"the clock and a message", "", false, "", time.Second, "+CCLK of m0, TP-SCTS of m0"},
		{"*PSUTTZ", "sim7600", false, "", 0, "*PSUTTZ of m0, *PSUTTZ of m0"},
		{"^NWTIME", "e3372", false, "", 0, "^NWTIME of m0, ^NWTIME of m0"},
		{"+CTZE", "", false, `+CTZE: "+23",0,"{2006/01/02,15:04:05}"`, 0, "+CTZE of m0, +CCLK of m0"},
		{"+NITZ", "", true, `+NITZ: {06/01/02,15:04:05}+23,0`, time.Second, "+NITZ of m0, TP-SCTS of m0"},
		{"never set", "", true, "", 0, ""},
		{"never set, and a message", "", true, "", time.Second, ""},
		{"never set, and messages", "", true, "", 20 * time.Minute, "TP-SCTS of m0, TP-SCTS of m0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			truth := func() time.Time { return time.Now().Add(ahead).In(kathmandu) }
			c := short
			var watch *modem.ClockWatch
			c.Clock = func(s modem.ClockSample) { watch.Add(s) }
			n := sim.NetworkOptions{Clock: truth, NoTime: tt.noTime}
			o := sim.Options{Profile: tt.profile, MSISDN: "447700900001", PowerOn: never, Register: time.Second}
			bubble(t, n, o, c, func(b *bench) {
				watch = modem.NewClockWatch(truth().AddDate(-1, 0, 0))
				b.run()
				b.readyIn(0, time.Minute)
				time.Sleep(11 * time.Minute) // the clock is read again
				b.net.TellTime()
				if tt.inject != "" {
					stamp := regexp.MustCompile(`{(.*)}`)
					b.wire.inject("\r\n" + stamp.ReplaceAllStringFunc(tt.inject, func(l string) string {
						return truth().Format(strings.Trim(l, "{}"))
					}) + "\r\n")
				}
				for range 2 {
					if tt.messages > 0 {
						if err := b.net.Send("447700900001", handset, "hello"); err != nil {
							b.t.Fatal(err)
						}
						time.Sleep(tt.messages)
					}
				}
				time.Sleep(time.Second)
				offer, ok := watch.Offer(time.Now())
				if offer.Source != tt.source || ok && (offer.Offset-ahead).Abs() > 2*time.Second {
					b.t.Errorf("offer %+v: off by %v", offer, offer.Offset-ahead)
				}
				if f := b.m.Facts(); f.NetworkTime.Modem != "m0" {
					b.t.Errorf("facts: %+v", f.NetworkTime)
				}
			})
		})
	}
}

// TestRadioHistory: signal, operator and registration as they were, for days.
func TestRadioHistory(t *testing.T) {
	bubble(t, sim.NetworkOptions{}, sim.Options{Operator: "Elsewhere"}, short, func(b *bench) {
		b.run()
		b.readyIn(0, time.Minute)
		time.Sleep(time.Hour)
		b.sim.SetSignal(2)
		time.Sleep(time.Minute) // between two readings that are kept
		if f := b.m.Facts(); f.SignalDBm != -109 || f.Operator != "Elsewhere" || len(f.Health()) != 1 || f.Health()[0].Code != "signal-weak" {
			b.t.Errorf("facts: %+v, %+v", f, f.Health())
		}
		b.sim.SetSignal(31)
		time.Sleep(10 * time.Minute)
		b.sim.SetService(sim.Roaming)
		time.Sleep(46 * time.Minute)
		b.sim.SetService(sim.NoCoverage)
		time.Sleep(14 * time.Minute) // not so long that its radio is switched off and on, which a reading may show
		b.sim.SetService(sim.FullService)
		time.Sleep(10 * time.Minute)
		h := b.m.History()
		var changes []string
		weakest, last := 0, modem.NetworkUnknown
		for _, r := range h {
			weakest = min(weakest, r.MinDBm)
			if r.Network != last {
				changes = append(changes, string(r.Network))
			}
			last = r.Network
		}
		if got := strings.Join(changes, " "); weakest != -109 || got != "home roaming searching home" || len(h) < 28 || len(h) > 40 {
			b.t.Errorf("%d readings, the weakest %d: %s", len(h), weakest, got)
		}
	})
}

// TestLooks: an idle modem is looked at every 30 s, one that sends is not, and
// what announces nothing is found by the sweep.
func TestLooks(t *testing.T) {
	bubble(t, sim.NetworkOptions{}, sim.Options{AirTime: time.Second}, modem.Config{}, func(b *bench) {
		b.run()
		b.readyIn(0, time.Minute)
		looks := func(during func()) int {
			before := b.log.count("AT+CSQ")
			during()
			return b.log.count("AT+CSQ") - before
		}
		if got := looks(func() { time.Sleep(10 * time.Minute) }); got < 19 || got > 21 {
			b.t.Errorf("%d looks in 10 idle minutes", got)
		}
		if got := looks(func() {
			for i := range 300 {
				b.sendUntilSent(int64(i), fmt.Sprint(i))
			}
		}); got > 1 {
			b.t.Errorf("%d looks while sending", got)
		}
	})
}

// lose makes a change of what the module says that takes lines with a prefix out.
func lose(prefix string) func(string) string {
	line := regexp.MustCompile(`\r\n` + regexp.QuoteMeta(prefix) + `[^\r]*\r\n`)
	return func(s string) string { return line.ReplaceAllString(s, "") }
}

// TestSweeps: a message whose announcement was lost is found within ten minutes;
// one that could not be kept is taken in soon; one that cannot be deleted is
// tried again at each sweep, no more often.
func TestSweeps(t *testing.T) {
	stored := sim.Options{Profile: "sim800l", MSISDN: "447700900001"} // announces what it stores
	send := func(b *bench) {
		if err := b.net.Send("447700900001", handset, "hello"); err != nil {
			b.t.Fatal(err)
		}
	}
	ready := func(b *bench) {
		b.run()
		b.readyIn(0, time.Minute)
	}
	t.Run("announcement lost", func(t *testing.T) {
		bubble(t, sim.NetworkOptions{}, stored, short, func(b *bench) {
			ready(b)
			b.wire.change(nil, lose("+CMTI"))
			send(b)
			time.Sleep(10*time.Minute + 10*time.Second)
			if got := b.log.count("received hello"); got != 1 {
				b.t.Errorf("received %d times", got)
			}
			time.Sleep(time.Hour)
			if got := b.log.count("received hello"); got != 1 {
				b.t.Errorf("received %d times after an hour", got)
			}
		})
	})
	t.Run("not kept", func(t *testing.T) {
		bubble(t, sim.NetworkOptions{}, stored, short, func(b *bench) {
			ready(b)
			b.in.set(3, nil)
			send(b)
			time.Sleep(3 * time.Minute)
			if failed, got := b.log.count("failed received"), b.log.count("received hello"); failed != 3 || got != 1 || b.log.count("AT+CMGD") != 1 {
				b.t.Errorf("failed %d times, received %d times, deleted %d times", failed, got, b.log.count("AT+CMGD"))
			}
		})
	})
	t.Run("not deleted", func(t *testing.T) {
		bubble(t, sim.NetworkOptions{}, stored, short, func(b *bench) {
			ready(b)
			b.sim.Strike(sim.Fault{Kind: sim.DeleteFails})
			send(b)
			time.Sleep(61 * time.Minute)
			if got := b.log.count("AT+CMGD"); got < 6 || got > 8 {
				b.t.Errorf("deleted %d times in an hour", got)
			}
			if f := b.m.Facts(); f.Stuck != 1 || len(f.Health()) != 1 || f.Health()[0].Code != "sim-undeletable" || f.State() != modem.Ready {
				b.t.Errorf("facts: %+v", f)
			}
			b.sim.Strike(sim.Fault{Kind: sim.DeleteFails, For: time.Second})
			time.Sleep(11 * time.Minute)
			got := b.log.count("AT+CMGD")
			time.Sleep(time.Hour)
			if f := b.m.Facts(); f.Stuck != 0 || b.log.count("AT+CMGD") != got {
				b.t.Errorf("it goes on: %+v", f)
			}
		})
	})
}

// TestPolled: a module that does not announce all is looked through every 15 s.
func TestPolled(t *testing.T) {
	for _, tt := range []struct {
		family, profile string
		cnmi            string // all that may be tried
		polled          bool
	}{
		{"tc35", "siemens-tc35", "2,0,0,2,1", true}, // messages are stored in silence
		{"wavecom", "wavecom", "2,1,0,0,0", true},   // reports are, in SR
		{"wavecom", "wavecom", "2,1,0,2,0", false},  // all is announced
		{"", "generic", "0,1,0,2,0", true},          // codes are kept back
		{"sim800l", "sim800", "2,1,0,0,0", false},   // reports are not stored at all
		{"sim800l", "sim800", "2,1,0,1,0", false},
	} {
		t.Run(tt.family+" "+tt.cnmi, func(t *testing.T) {
			table, err := profile.Load("own.toml", fmt.Appendf(nil, "[[profile]]\nname = \"own\"\nlike = %q\nmatch = { model = 'own' }\ncnmi = [%q]\n", tt.profile, tt.cnmi))
			if err != nil {
				t.Fatal(err)
			}
			c := short
			c.Profiles, c.Profile = table, "own"
			bubble(t, sim.NetworkOptions{}, sim.Options{Profile: tt.family, MSISDN: "447700900001"}, c, func(b *bench) {
				b.run()
				b.readyIn(0, time.Minute)
				f, before := b.m.Facts(), b.log.count("AT+CMGL")
				if f.Reception != "+CNMI="+tt.cnmi || strings.Contains(strings.Join(f.Setup, ";"), "asked every 15s") != tt.polled {
					b.t.Errorf("%s, %q", f.Reception, f.Setup)
				}
				if err := b.net.Send("447700900001", handset, "hello"); err != nil {
					b.t.Fatal(err)
				}
				time.Sleep(20 * time.Second)
				if got := b.log.count("received hello"); got != 1 {
					b.t.Errorf("received %d times", got)
				}
				time.Sleep(9 * time.Minute)
				if got := b.log.count("AT+CMGL") - before; (got > 30) != tt.polled || !tt.polled && got > 1 {
					b.t.Errorf("looked through %d times in 9 minutes", got)
				}
			})
		})
	}
}

// TestService: who is told begins and ends with the messages that the modem carries.
func TestService(t *testing.T) {
	told := make(chan bool, 100)
	c := short
	c.Service = func(ready bool) { told <- ready }
	bubble(t, sim.NetworkOptions{}, sim.Options{}, c, func(b *bench) {
		for name, do := range map[string]struct{ begin, end func() }{
			"network":   {func() { b.sim.Strike(sim.Fault{Kind: sim.Denied}) }, func() { b.sim.Strike(sim.Fault{Kind: sim.Denied, For: time.Second}) }},
			"suspended": {b.m.Suspend, b.m.Resume},
			"unplugged": {func() { b.sim.Strike(sim.Fault{Kind: sim.HangUp}) }, func() {}},
			"frozen":    {func() { b.sim.Strike(sim.Fault{Kind: sim.Freeze}) }, b.sim.Thaw},
		} {
			if len(told) == 0 && !b.m.Facts().Ready {
				b.run()
				b.readyIn(0, time.Minute)
				if !<-told {
					b.t.Error("it began with the end")
				}
			}
			do.begin()
			time.Sleep(2 * time.Minute)
			do.end()
			b.readyIn(0, 5*time.Minute)
			b.sendUntilSent(1, name)
			if len(told) != 2 || <-told || !<-told {
				b.t.Errorf("%s: %d times", name, len(told))
			}
		}
		b.stop()
		if len(told) != 1 || <-told {
			b.t.Errorf("at the end: %d times", len(told))
		}
	})
}

// TestParkedForHours: a module that nothing wakes is called every half minute,
// reset ever more seldom, and in service soon after it has come to itself.
func TestParkedForHours(t *testing.T) {
	c := short
	var began time.Time
	var resets []time.Duration
	c.Steps = []modem.Step{{Name: "power", Settle: 5 * time.Second, Do: func(context.Context) error {
		resets = append(resets, time.Since(began).Round(time.Minute))
		return nil
	}}}
	bubble(t, sim.NetworkOptions{}, sim.Options{}, c, func(b *bench) {
		b.run()
		b.readyIn(0, time.Minute)
		began = time.Now()
		b.sim.Strike(sim.Fault{Kind: sim.Freeze})
		parked := b.within(10*time.Minute, "parked", func(f modem.Facts) bool { return f.State() == modem.Parked })
		time.Sleep(3*time.Hour - parked)
		f := b.m.Facts()
		if f.NextReset.Before(time.Now()) || f.NextReset.After(time.Now().Add(15*time.Minute)) || f.NextStep() == "" {
			b.t.Errorf("facts: %+v", f)
		}
		b.t.Logf("parked after %v; reset after %v", parked, resets)
		if len(resets) < 10 || len(resets) > 18 {
			b.t.Errorf("%d resets in 3 hours", len(resets))
		}
		b.sim.Thaw()
		if took := b.readyIn(0, time.Minute); took > 10*time.Second {
			b.t.Errorf("in service %v after it came to itself", took)
		}
		b.sentBy(0, "again")
	})
}
