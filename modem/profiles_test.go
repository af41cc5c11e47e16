package modem_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/sim"
	"cellpost/pdu"
	"cellpost/sms"
)

// starting is how long a simulated module takes from its first word to messages.
const starting = 700 * time.Millisecond

// quirk is a bench with a module of a family, whose words are written down with
// "said " before them.
func quirk(t *testing.T, profile string, change ...func(*sim.Options, *modem.Config)) *bench {
	t.Helper()
	o, c := sim.Options{Profile: profile, Ready: starting, Boot: boot}, short
	for _, f := range change {
		f(&o, &c)
	}
	b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), o, c)
	b.hear(nil)
	return b
}

// hear changes what the module hears; what it says is written down.
func (b *bench) hear(change func(string) string) {
	b.wire.change(change, func(s string) string {
		for line := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '\r' || r == '\n' }) {
			b.log.add("said " + line)
		}
		return s
	})
}

// replug takes the module out for a moment, and returns what was written down
// from then until it is in service again.
func (b *bench) replug() []string {
	b.t.Helper()
	return b.interrupt(sim.Fault{Kind: sim.HangUp, For: boot})
}

// interrupt strikes a module in service with what ends its session, and returns
// what was written down from then until it is in service again.
func (b *bench) interrupt(f sim.Fault) []string {
	b.t.Helper()
	ended := b.log.count("line ended")
	b.log.wait(b.t, "line", 2*ended+1) // "line" and "line ended" take turns
	from := b.log.len()
	b.sim.Strike(f)
	b.log.wait(b.t, "line", 2*ended+3)
	return b.log.from(from)
}

func (j *journal) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.lines)
}

func (j *journal) from(n int) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines[n:])
}

// first is where the first line with one of the prefixes is; -1: nowhere.
func first(lines []string, prefixes ...string) int {
	return slices.IndexFunc(lines, func(line string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(line, p) })
	})
}

// inOrder looks that the lines with these prefixes are there, the first ones in
// this order.
func inOrder(t *testing.T, lines []string, prefixes ...string) {
	t.Helper()
	last := -1
	for _, p := range prefixes {
		i := first(lines, p)
		if i < 0 || i < last {
			t.Errorf("%q is at %d, after %d", p, i, last)
		}
		last = i
	}
}

// messaging are the commands of the message service.
var messaging = []string{"AT+CMGS", "AT+CMGL", "AT+CMGR", "AT+CMGD", "AT+CPMS", "AT+CSCA", "AT+CNMI", "AT+CNMA"}

// reported sends a message and waits for its report.
func (b *bench) reported(attempt int64, text string) {
	b.t.Helper()
	b.sendUntilSent(attempt, text)
	b.log.wait(b.t, fmt.Sprintf("report %d 0", b.taken(text)[0].MR), 1)
}

// receive sends a text to the SIM and waits until it is taken in.
func (b *bench) receive(text string) {
	b.t.Helper()
	if err := b.net.Send(b.sim.Options().MSISDN, handset, text); err != nil {
		b.t.Fatal(err)
	}
	b.log.wait(b.t, "received "+text, 1)
}

// never looks that a command was not sent.
func (b *bench) never(commands ...string) {
	b.t.Helper()
	for _, c := range commands {
		if n := b.log.count(c); n != 0 {
			b.t.Errorf("%s was sent %d times", c, n)
		}
	}
}

// TestQuirks: what the driver does because of what is special in a module, and
// that messages, reports and what comes in go by it.
func TestQuirks(t *testing.T) {
	t.Parallel()
	seats := make(chan struct{}, 8) // each module takes inotify instances, of which a user has 128
	for name, test := range map[string]func(*testing.T){
		"sim900: no message before Call Ready": func(t *testing.T) {
			b := quirk(t, "sim900")
			b.run()
			got := b.replug()
			said, asked := first(got, "said Call Ready"), first(got, messaging...)
			if said < 0 || asked < said || first(got, "said +CMS ERROR") >= 0 {
				t.Errorf("Call Ready at %d, the message service at %d, an error at %d", said, asked, first(got, "said +CMS ERROR"))
			}
			b.reported(1, "one")
		},
		"sim900: found while it starts": func(t *testing.T) {
			b := quirk(t, "sim900", lateReady)
			b.sim.Strike(sim.Fault{Kind: sim.Reboot})
			b.run()
			f := b.awaitState(modem.Ready)
			if !slices.Contains(f.Setup, "looked through: SM, ME") {
				t.Errorf("set up: %q", f.Setup)
			}
			b.reported(1, "one")
		},
		"e220: storm, and the service centre": func(t *testing.T) {
			b := quirk(t, "e220")
			b.run()
			want := b.awaitState(modem.Ready).SMSC
			b.reported(1, "one")
			inOrder(t, b.replug(), "AT+CSCA?", "AT+CSCA=")
			if f := b.m.Facts(); f.SMSC != want || want == "" {
				t.Errorf("service centre %q, before %q", f.SMSC, want)
			}
			b.reported(2, "two")
			b.receive("hello")
			if n := b.log.count("said ^RSSI"); n == 0 {
				t.Error("there was no storm")
			}
		},
		"e220: started with the gateway": func(t *testing.T) {
			b := quirk(t, "e220", func(_ *sim.Options, c *modem.Config) { c.SMSC = "+447785016005" })
			b.sim.Strike(sim.Fault{Kind: sim.Reboot})
			b.run()
			b.awaitState(modem.Ready)
			b.reported(1, "one")
		},
		"e3372: indexes from 0": func(t *testing.T) {
			b := quirk(t, "e3372")
			b.run()
			b.awaitState(modem.Ready)
			b.reported(1, "one")
			b.receive("hello")
			if _, err := b.m.Reset("restart"); err == nil || !strings.Contains(err.Error(), "radio") {
				t.Errorf("a restart: %v", err)
			}
			if name, err := b.m.Reset(""); err != nil || name != "radio" {
				t.Errorf("the mildest: %q, %v", name, err)
			}
			b.log.waitOrder(t, "AT+CFUN=0", "AT+CFUN=1")
			b.reported(2, "two")
			b.never("AT+CFUN=1,1", "AT^RESET")
		},
		"e3372: nothing helps": func(t *testing.T) {
			b := quirk(t, "e3372")
			b.run()
			b.awaitState(modem.Ready)
			b.sim.Strike(sim.Fault{Kind: sim.SMSDown, Cause: 303}) // until a restart, which nobody dares
			for i := range 3 {
				b.send(int64(i), "refused")
			}
			b.awaitState(modem.Parked)
			b.log.waitOrder(t, "AT+CFUN=0", "AT+CFUN=1")
			b.never("AT+CFUN=1,1", "AT^RESET")
			b.sim.Replug() // what the operator is told to do
			b.reported(2, "two")
		},
		"mf190: an empty field in +CDS": func(t *testing.T) {
			b := quirk(t, "mf190")
			b.run()
			if f := b.awaitState(modem.Ready); f.Reception != "+CNMI=1,1,0,1,0" {
				t.Errorf("reception: %s", f.Reception)
			}
			b.reported(1, "one")
			b.log.wait(t, "said +CDS: ,", 1)
			b.never("AT+CNMI=2")
			b.receive("hello")
		},
		"sim800l: reports 0 and 1 only, no acknowledgement": func(t *testing.T) {
			b := quirk(t, "sim800l")
			b.run()
			b.awaitState(modem.Ready)
			b.reported(1, "one")
			b.receive("hello")
			b.never("AT+CNMI=2,1,0,2", "AT+CSMS=1", "AT+CNMA")
		},
		"sim7600: AT&F and SMS DONE before the first message": func(t *testing.T) {
			b := quirk(t, "sim7600")
			b.run()
			b.awaitState(modem.Ready)
			b.reported(1, "one")
			from := b.log.len()
			b.replug()
			b.reported(2, "two")
			inOrder(t, b.log.from(from), "AT&F", "AT+CMGS")
			inOrder(t, b.log.from(from), "said SMS DONE", "AT+CMGS")
			b.receive("hello")
			if f := b.m.Facts(); f.Refused != 0 {
				t.Errorf("%d refused", f.Refused)
			}
		},
		"sim7600: found while it starts": func(t *testing.T) {
			b := quirk(t, "sim7600", lateReady)
			b.sim.Strike(sim.Fault{Kind: sim.Reboot})
			b.run()
			b.reported(1, "one")
		},
		"ec25: reports come directly": func(t *testing.T) {
			b := quirk(t, "ec25")
			b.run()
			b.awaitState(modem.Ready)
			from := b.log.len()
			for i := range 3 {
				b.reported(int64(i), fmt.Sprint(i))
			}
			if got := b.log.from(from); first(got, "said +CDS: ") < 0 || first(got, "AT+CPMS", "AT+CMG") != first(got, "AT+CMGS") {
				t.Errorf("they came another way: %q", got)
			}
		},
		"ec25: a stored report is announced in another memory": func(t *testing.T) {
			b := quirk(t, "ec25")
			b.hear(replace("+CNMI=2,1,0,1,0", "+CNMI=9"))
			b.run()
			if f := b.awaitState(modem.Ready); f.Reception != "+CNMI=2,1,0,2,0" {
				t.Errorf("reception: %s", f.Reception)
			}
			for i := range 3 {
				b.reported(int64(i), fmt.Sprint(i))
			}
			b.log.wait(t, `said +CDSI: "SM",0`, 3)
		},
		"eg06: a late refusal": func(t *testing.T) {
			b := quirk(t, "eg06", func(o *sim.Options, c *modem.Config) { o.Slow = starting })
			b.run()
			b.awaitState(modem.Ready)
			b.sim.Inject(sim.Fault{Kind: sim.Refuse, Cause: 28})
			if o := b.send(1, "late"); o.Kind != sms.Ambiguous {
				t.Errorf("got %+v", o)
			}
			b.log.wait(t, "late 1 refused", 1)
			b.reported(2, "two")
			b.checkTaken("late", false, sms.Outcome{})
		},
		"eg06: as late as it is known to be": func(t *testing.T) {
			c := modem.Config{ResultTimeout: 30 * time.Second, Steps: []modem.Step{{Name: "power", Do: func(context.Context) error { return errors.New("not wanted") }}}}
			bubble(t, sim.NetworkOptions{}, sim.Options{Profile: "eg06"}, c, func(b *bench) {
				b.run()
				b.readyIn(0, 2*time.Minute)
				b.sim.Inject(sim.Fault{Kind: sim.Refuse, Cause: 28})
				if o := b.send(1, "late"); o.Kind != sms.Ambiguous {
					b.t.Errorf("got %+v", o)
				}
				if late := b.readyIn(0, 2*time.Minute); late < time.Minute || b.log.count("late 1 refused") != 1 {
					b.t.Errorf("back after %v, and %d late results", late, b.log.count("late 1 refused"))
				}
				b.sentBy(0, "two")
				if strings.Contains(b.log.String(), "msg=recovery") {
					b.t.Error("it was reset")
				}
			})
		},
		"eg06: a refusal in time": func(t *testing.T) {
			b := quirk(t, "eg06", func(o *sim.Options, c *modem.Config) { o.Slow, c.ResultTimeout = starting, patience })
			b.run()
			b.awaitState(modem.Ready)
			b.sim.Inject(sim.Fault{Kind: sim.Refuse, Cause: 28})
			if o := b.send(1, "one"); o.Kind != sms.Refused || o.Cause != cms(350) {
				t.Errorf("got %+v", o)
			}
			b.reported(2, "two")
		},
		"eg06: no list": func(t *testing.T) {
			b := quirk(t, "eg06")
			b.store("a", "b")
			b.run()
			b.awaitState(modem.Ready)
			b.log.waitOrder(t, "AT+CMGL=4", "AT+CMGR=1", "received a", "AT+CMGD=1", "AT+CMGR=2", "received b", "AT+CMGD=2")
			b.reported(1, "one")
		},
		"tc35: flow control, and one way to hear of anything": func(t *testing.T) {
			b := quirk(t, "tc35", func(_ *sim.Options, c *modem.Config) { c.Mode.RTSCTS = true })
			b.run()
			if f := b.awaitState(modem.Ready); f.Reception != "+CNMI=3,2,0,1,1" {
				t.Errorf("reception: %s", f.Reception)
			}
			b.reported(1, strings.Repeat("long ", 32))
			b.receive("hello")
			inOrder(t, b.replug(), `AT\Q3`, "AT+CSMS=1", "AT+CNMI=3,2,0,1,1")
			b.reported(2, strings.Repeat("also ", 32))
		},
		"wavecom: reports are read from SR and deleted": func(t *testing.T) {
			b := quirk(t, "wavecom")
			b.run()
			b.awaitState(modem.Ready)
			b.reported(1, "one")
			b.log.wait(t, `said +CDSI: "SR",1`, 1)
			b.log.waitOrder(t, `AT+CPMS="SM"`, `AT+CPMS="SR"`, "AT+CMGR=1", "report 1 0", "AT+CMGD=1")
			b.receive("hello") // stored in SM, which is to be read again
			for i := range 30 {
				b.reported(int64(i+2), fmt.Sprint(i)) // more than SR has room for
			}
		},
		"sara-r4: nothing is lost during a hand-over": func(t *testing.T) {
			b := quirk(t, "sara-r4", func(o *sim.Options, c *modem.Config) { o.AirTime = 20 * time.Millisecond })
			b.run()
			if f := b.awaitState(modem.Ready); f.Reception != "+CNMI=2,1,0,1,0" {
				t.Errorf("reception: %s", f.Reception)
			}
			var done []<-chan sms.Outcome
			for i := range 10 {
				done = append(done, b.submit(message(t, int64(i), fmt.Sprint(i))))
			}
			for _, d := range done {
				if o := b.outcome(d); o.Kind != sms.Accepted {
					t.Errorf("got %+v", o)
				}
			}
			for i := range 10 {
				b.log.wait(t, fmt.Sprintf("report %d 0", i+1), 1)
			}
		},
		"msm: mode 1": func(t *testing.T) {
			b := quirk(t, "msm")
			b.run()
			if f := b.awaitState(modem.Ready); f.Reception != "+CNMI=1,1,0,1,0" {
				t.Errorf("reception: %s", f.Reception)
			}
			b.reported(1, "one")
			b.receive("hello")
		},
		"msm: mode 2 is offered and refused": func(t *testing.T) {
			b := quirk(t, "msm", func(_ *sim.Options, c *modem.Config) { c.Profile = "generic" })
			b.run()
			if f := b.awaitState(modem.Ready); f.Reception != "+CNMI=1,2,0,1,0" {
				t.Errorf("reception: %s", f.Reception)
			}
			b.log.waitOrder(t, "AT+CNMI=2,2,0,1,0", "AT+CNMI=1,2,0,1,0")
			b.reported(1, "one")
			b.receive("hello")
		},
		"e1750: no list": func(t *testing.T) {
			b := quirk(t, "e1750")
			b.store("a", "b")
			b.run()
			b.awaitState(modem.Ready)
			b.log.waitOrder(t, "AT+CMGR=0", "received a", "AT+CMGD=0", "AT+CMGR=1", "received b", "AT+CMGD=1")
			b.reported(1, "one")
			b.receive("hello")
			b.never("AT+CMGL")
		},
		"m66-ds: asked for its slot":    func(t *testing.T) { slotAsked(t, "m66-ds", "AT+QDSIM?") },
		"dual-csus: asked for its slot": func(t *testing.T) { slotAsked(t, "dual-csus", "AT+CSUS?") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seats <- struct{}{}
			t.Cleanup(func() { <-seats }) // when the modules are gone
			test(t)
		})
	}
}

// TestFullMemory: a memory that is full is emptied as soon as the module says so, in
// the words of its family.
func TestFullMemory(t *testing.T) {
	for _, tt := range []struct{ profile, says, because string }{
		{"e3372", "^SMMEMFULL", "AT^CURC=0"},
		{"tc35", "^SMGO: 2", "AT^SMGO=1"},
		{"sara-r4", "+CIEV: 8,1", "AT+CMER=2,0,0,2,1"},
		{"sim7600", "+CMTI: ,-1", "AT+CNMI=2,1"},
	} {
		t.Run(tt.profile, func(t *testing.T) {
			bubble(t, sim.NetworkOptions{}, sim.Options{Profile: tt.profile}, short, func(b *bench) {
				b.hear(nil)
				b.run()
				b.readyIn(0, 2*time.Minute)
				from := b.log.len()
				b.sim.Strike(sim.Fault{Kind: sim.MemoryFull})
				time.Sleep(20 * time.Second)
				if n := first(b.log.from(from), "said "+tt.says); n < 0 {
					b.t.Errorf("it did not say %s", tt.says)
				}
				if n := first(b.log.from(from), "AT+CMGD="); n < 0 {
					b.t.Error("it was not emptied")
				}
				if f := b.m.Facts(); f.Memory != "" || f.State() != modem.Ready {
					b.t.Errorf("%s, memory %q", f.State(), f.Memory)
				}
				if b.log.count(tt.because) == 0 {
					b.t.Errorf("%s was not sent", tt.because)
				}
			})
		})
	}
}

// TestInitAfterPIN: what a module refuses while its SIM is locked is sent again
// once the PIN was given; without one nothing is sent twice.
func TestInitAfterPIN(t *testing.T) {
	for _, pin := range []string{"", "1234"} {
		t.Run("PIN "+pin, func(t *testing.T) {
			c := short
			c.PIN = pin
			bubble(t, sim.NetworkOptions{}, sim.Options{Profile: "tc35", PIN: pin}, c, func(b *bench) {
				locked := pin != ""
				b.wire.change(func(s string) string {
					if strings.Contains(s, "+CPIN=") {
						locked = false
					}
					if locked {
						return strings.Replace(s, "^SMGO=1", "^SMGO=7", 1) // to be refused
					}
					return s
				}, nil)
				b.run()
				b.readyIn(0, 2*time.Minute)
				want := 1
				if pin != "" {
					want = 2
					b.log.waitOrder(t, "AT^SMGO=1", "AT+CPIN=", "AT+CIMI", "AT+CSMS=1")
				}
				if got := b.log.count("AT^SMGO=1"); got != want {
					b.t.Errorf("it was sent %d times, want %d", got, want)
				}
				b.sim.Strike(sim.Fault{Kind: sim.MemoryFull})
				time.Sleep(20 * time.Second)
				if b.log.count("AT+CMGD=") == 0 {
					b.t.Error("it did not say that its memory is full")
				}
			})
		})
	}
}

// store has the module keep messages before anybody listens.
func (b *bench) store(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		if err := b.net.Send(b.sim.Options().MSISDN, handset, text); err != nil {
			b.t.Fatal(err)
		}
	}
}

// lateReady makes a module take longer than a bring-up.
func lateReady(o *sim.Options, _ *modem.Config) { o.Ready = 4 * time.Second }

func slotAsked(t *testing.T, profile, query string) {
	b := quirk(t, profile, func(_ *sim.Options, c *modem.Config) { c.Slots = []modem.Slot{{SIM: "other"}} })
	b.run()
	b.awaitState(modem.Ready)
	b.reported(1, "one")
	b.receive("hello")
	b.replug()
	b.reported(2, "two")
	b.log.wait(t, query, 2)
	b.never(strings.TrimSuffix(query, "?") + "=")
	if b.sim.Slot() != 0 {
		t.Error("it is in the other slot")
	}
}

// TestBrownOut: a module that restarts without a word but its last one is noticed,
// and set up again at once.
func TestBrownOut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		replug bool // it was heard to start before
		fault  sim.Fault
	}{
		{name: "after a start", replug: true},
		{name: "after a long life"},
		{name: "in a hand-over, not taken", fault: sim.Fault{Kind: sim.BrownOut}},
		{name: "in a hand-over, taken", fault: sim.Fault{Kind: sim.BrownOut, Taken: true}},
		{name: "in a hand-over, after a start", replug: true, fault: sim.Fault{Kind: sim.BrownOut, Taken: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := quirk(t, "sim800l")
			bringUp := b.bringUp()
			if tt.replug {
				b.replug()
			}
			from := b.log.len()
			begun := time.Now()
			if tt.fault.Kind == sim.None {
				b.sim.Strike(sim.Fault{Kind: sim.BrownOut})
			} else {
				b.sim.Inject(tt.fault)
				if o := b.send(1, "first"); o.Kind != sms.Ambiguous {
					t.Errorf("got %+v", o)
				}
				b.checkTaken("first", tt.fault.Taken, sms.Outcome{})
			}
			b.awaitFrom(from, "AT+CNMI=")
			b.reported(2, "second")
			took := time.Since(begun)
			t.Logf("%v", took.Round(time.Millisecond))
			b.soon(took, backIn, bringUp)
		})
	}
}

// awaitFrom waits for a line with a prefix after the first n.
func (b *bench) awaitFrom(n int, prefix string) {
	b.t.Helper()
	before := 0
	for _, line := range b.log.from(0)[:n] {
		if strings.HasPrefix(line, prefix) {
			before++
		}
	}
	b.log.wait(b.t, prefix, before+1)
}

// TestSpoiltHandOver is TestHandOver for what families of modules do to it.
func TestSpoiltHandOver(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault sim.Fault
		want  sms.OutcomeKind
		cause pdu.Cause
		taken bool
	}{
		{name: "hangs after the PDU", fault: sim.Fault{Kind: sim.HangTyping, For: time.Second}, want: sms.Ambiguous},
		{name: "a result without OK", fault: sim.Fault{Kind: sim.ResultOnly}, want: sms.Accepted, taken: true},
		{name: "OK in the line of the result", fault: sim.Fault{Kind: sim.GluedOK}, want: sms.Accepted, taken: true},
		{name: "refused in words", fault: sim.Fault{Kind: sim.TextError}, want: sms.Refused},
		{name: "no space in the prompt", fault: sim.Fault{Kind: sim.PromptNoSpace}, want: sms.Accepted, taken: true},
		{name: "memory full", fault: sim.Fault{Kind: sim.MemoryFull}, want: sms.Refused, cause: cms(322)},
		{name: "message service down", fault: sim.Fault{Kind: sim.SMSDown, For: time.Second}, want: sms.Refused, cause: cms(500)},
		{name: "brown-out", fault: sim.Fault{Kind: sim.BrownOut}, want: sms.Ambiguous},
		{name: "brown-out, taken", fault: sim.Fault{Kind: sim.BrownOut, Taken: true}, want: sms.Ambiguous, taken: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{Boot: boot}, short)
			bringUp := b.bringUp()
			b.sim.Inject(tt.fault)
			o := b.send(1, "first")
			if o.Kind != tt.want || o.Cause != tt.cause {
				t.Errorf("got %+v, want %s %v", o, tt.want, tt.cause)
			}
			b.checkTaken("first", tt.taken, o)
			behaves := time.Now().Add(tt.fault.For)
			b.reported(2, "second")
			back := time.Since(behaves)
			t.Logf("%v from when it behaved to the next message and its report", back.Round(time.Millisecond))
			b.soon(back, backIn, bringUp)
			b.receive("hello")
			if got := len(b.taken("second")); got != 1 {
				t.Errorf("the second message is %d times in the ledger", got)
			}
		})
	}
}

// TestLinesWithoutCR: a module may end its lines with LF alone, from the start or
// all of a sudden.
func TestLinesWithoutCR(t *testing.T) {
	t.Parallel()
	b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, short)
	b.sim.Strike(sim.Fault{Kind: sim.NoCR, For: 2 * patience})
	b.run()
	b.awaitState(modem.Ready)
	b.reported(1, "one")
	b.receive("hello")
	b.interrupt(sim.Fault{Kind: sim.Reboot}) // CR is back
	b.reported(2, "two")
	b.sim.Strike(sim.Fault{Kind: sim.NoCR, For: 2 * patience})
	b.reported(3, "three")
	if f := b.m.Facts(); f.Stalls != 0 || f.Refused != 0 {
		t.Errorf("facts: %+v", f)
	}
}

// TestUndeletable: a message that the module keeps is taken in, told, and stops
// nothing.
func TestUndeletable(t *testing.T) {
	t.Parallel()
	b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
	b.store("stuck")
	b.sim.Strike(sim.Fault{Kind: sim.DeleteFails})
	b.run()
	f := b.await("told", func(f modem.Facts) bool { return f.Stuck == 1 && f.State() == modem.Ready })
	if len(f.Health()) != 1 || f.Health()[0].Code != "sim-undeletable" {
		t.Errorf("health: %+v", f.Health())
	}
	b.log.wait(t, "received stuck", 1)
	b.reported(1, "one")
	b.receive("hello")
	if got := b.log.count("received stuck"); got != 1 {
		t.Errorf("taken in %d times", got)
	}
}

// TestReferenceWraps: TP-MR has eight bits.
func TestReferenceWraps(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{MR: 253}, modem.Config{})
	b.awaitState(modem.Ready)
	for i, want := range []byte{254, 255, 0, 1} {
		if o := b.send(int64(i), fmt.Sprint(i)); o.Kind != sms.Accepted || o.NoMR || o.MR != want {
			t.Errorf("got %+v, want reference %d", o, want)
		}
		b.log.wait(t, fmt.Sprintf("report %d 0", want), 1)
	}
}

// TestPortGone: a module whose port went away for a moment, and which did not
// start anew, is not waited for as one that did.
func TestPortGone(t *testing.T) {
	for _, family := range []string{"sim7600", "sim900"} {
		t.Run(family, func(t *testing.T) {
			bubble(t, sim.NetworkOptions{}, sim.Options{Profile: family}, modem.Config{}, func(b *bench) {
				b.run()
				b.readyIn(0, time.Minute)
				b.wire.unplug()
				b.within(time.Second, "away", func(f modem.Facts) bool { return !f.Ready })
				if took := b.readyIn(0, time.Minute); took > backIn {
					t.Errorf("it was back after %v", took)
				}
			})
		})
	}
}
