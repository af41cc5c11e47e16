package modem_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/at"
	"cellpost/modem/sim"
	"cellpost/sms"
)

// backIn is how soon a modem takes messages again once it behaves.
const backIn = 10 * time.Second

// hang is a way in which a modem stops working, and starts again.
type hang struct {
	name string
	o    sim.Options
	open bool // its SIM asks for no PIN

	// begin makes it happen, and returns when the modem behaves again, which may
	// lie ahead. The driver does not run yet where early is set.
	begin func(b *bench) time.Time
	early bool

	over func(b *bench, text string) // what the modem does when it is well; nil: it sends
}

const (
	blink = time.Second      // shorter than any deadline
	long  = 23 * time.Second // longer than a module is called before its port is opened anew
)

// atOnce is how many modems hang at the same time: each has a watch of the
// kernel, of which a user has 128.
const atOnce = 12

// hangs are the ways, those that take longest first.
func hangs() []hang {
	all := []hang{
		{name: "freeze, idle, long", begin: strikes(sim.Fault{Kind: sim.Freeze, For: long})},
		{name: "freeze after Ctrl-Z, long", begin: sends(sim.Fault{Kind: sim.Freeze, For: long})},
		{name: "jam, idle, long", begin: strikes(sim.Fault{Kind: sim.Jam, For: long})},
		{name: "freeze, idle", begin: strikes(sim.Fault{Kind: sim.Freeze, For: blink})},
		{name: "freeze before the prompt", begin: sending("AT+CMGS", sim.Fault{Kind: sim.Freeze, For: blink})},
		{name: "freeze after Ctrl-Z", begin: sends(sim.Fault{Kind: sim.Freeze, For: blink})},
		{name: "jam, idle", begin: strikes(sim.Fault{Kind: sim.Jam, For: blink})},
		{name: "jam before the prompt", begin: sending("AT+CMGS", sim.Fault{Kind: sim.Jam, For: blink})},
		{name: "jam after Ctrl-Z", begin: sends(sim.Fault{Kind: sim.Jam, For: blink})},
		{name: "prompt lost", begin: sends(sim.Fault{Kind: sim.NoPrompt})},
		{name: "prompt late", begin: sends(sim.Fault{Kind: sim.LatePrompt, For: blink})},
		{name: "hang with the PDU", begin: sends(sim.Fault{Kind: sim.HangTyping, For: blink})},
		{name: "no result", begin: sends(sim.Fault{Kind: sim.Silence})},
		{name: "+CMGS without OK", begin: sends(sim.Fault{Kind: sim.ResultOnly})},
		{name: "result late", begin: sends(sim.Fault{Kind: sim.LateResult, For: 2 * time.Second})},
		{name: "unplugged, idle", begin: strikes(sim.Fault{Kind: sim.HangUp, For: blink})},
		{name: "unplugged before the prompt", begin: sending("AT+CMGS", sim.Fault{Kind: sim.HangUp, For: blink})},
		{name: "unplugged after Ctrl-Z", begin: sends(sim.Fault{Kind: sim.HangUp, For: blink})},
		{name: "unplugged during the bring-up", early: true, begin: bringingUp("AT+CPMS=", sim.Fault{Kind: sim.HangUp, For: blink})},
		{name: "restart, idle", begin: restarts(sim.Fault{Kind: sim.Reboot})},
		{name: "restart with the PDU", begin: sends(sim.Fault{Kind: sim.RebootTyping})},
		{name: "restart during the bring-up", early: true, begin: bringingUp("AT+CNMI=", sim.Fault{Kind: sim.Reboot, For: boot})},
		{name: "restart, unsaid", begin: mute(strikes(sim.Fault{Kind: sim.Reboot, For: boot}))},
		{name: "restart, unsaid, in numbers", open: true, begin: inNumbers},
		{name: "brown-out", begin: restarts(sim.Fault{Kind: sim.BrownOut})},
		{name: "brown-out, SIM800L", o: sim.Options{Profile: "sim800l"}, open: true, begin: startsAndBrownsOut},
		{name: "restart, SIM7600", o: sim.Options{Profile: "sim7600", Ready: blink}, begin: restarts(sim.Fault{Kind: sim.Reboot, For: blink})},
		{name: "message service down", begin: strikes(sim.Fault{Kind: sim.SMSDown, For: 3 * time.Second})},
		{name: "message service down, not for want of time", begin: strikes(sim.Fault{Kind: sim.SMSDown, Cause: 301, For: 3 * time.Second})},
		{name: "memory full", begin: sends(sim.Fault{Kind: sim.MemoryFull})},
		{name: "freeze during USSD", begin: asksUSSD},
		{name: "freeze while acknowledging", begin: receives, over: (*bench).receiveAgain},
		{name: "hangs from AT+CMGL each time", early: true, begin: deafFrom("AT+CMGL", 2*time.Second)},
		{name: "lines without end", begin: storms},
		{name: "lines without end, no result", begin: func(b *bench) time.Time {
			storms(b)
			return sends(sim.Fault{Kind: sim.Silence})(b)
		}},
		{name: "lines without CR", begin: strikes(sim.Fault{Kind: sim.NoCR, For: blink})},
		{name: "echo on", begin: strikes(sim.Fault{Kind: sim.EchoOn})},
		{name: "network lost", begin: strikes(sim.Fault{Kind: sim.NoNetwork, For: 2 * time.Second})},
		{name: "denied", begin: strikes(sim.Fault{Kind: sim.Denied, For: 2 * time.Second})},
		{name: "SIM out", begin: strikes(sim.Fault{Kind: sim.NoSIM, For: 2 * time.Second})},
		{name: "service centre lost", begin: hears(`AT+CSCA=""`, "\r\nOK\r\n")},
	}
	for _, command := range []string{"AT+CGMI", "AT+CPIN?", "AT+CIMI", "AT+CNUM", "AT+CPMS=", "AT+CSCA?", "AT+CNMI=", "AT+CREG?", "AT+CMGL"} {
		all = append(all, hang{name: "freeze during the bring-up at " + command, early: true,
			begin: bringingUp(command, sim.Fault{Kind: sim.Freeze, For: blink})})
	}
	return all
}

// TestHangs: however a modem hangs, soon after it behaves again it sends, without
// anybody's help; and another modem never notices.
func TestHangs(t *testing.T) {
	t.Parallel()
	n := sim.NewNetwork(sim.NetworkOptions{})
	// With short time-outs a pause of the whole machine would be a stall of this one, too.
	well := prepare(t, n, sim.Options{AirTime: 20 * time.Millisecond}, modem.Config{})
	bringUp := well.bringUp()
	alone := well.sendOn(50, nil)

	all := hangs()
	took := make([]time.Duration, len(all))
	over := make(chan struct{})
	var beside []time.Duration
	var neighbour sync.WaitGroup
	neighbour.Go(func() { beside = well.sendOn(1<<30, over) })
	room := make(chan struct{}, atOnce)
	t.Run("each", func(t *testing.T) {
		for i, h := range all {
			t.Run(h.name, func(t *testing.T) {
				t.Parallel()
				room <- struct{}{}
				defer func() { <-room }()
				took[i] = h.happen(t, n, bringUp)
			})
		}
	})
	close(over)
	neighbour.Wait()

	for i, h := range all {
		t.Logf("%-45s %6.2f s", h.name, took[i].Seconds())
	}
	t.Logf("bring-up %v; the other modem: %d messages, median %v, longest %v; alone %v, %v", bringUp.Round(time.Millisecond),
		len(beside), median(beside), slices.Max(beside), median(alone), slices.Max(alone))
	if f := well.m.Facts(); f.Sent != len(alone)+len(beside) || f.Refused+f.Stalls > 0 {
		t.Errorf("the other modem was disturbed: %+v", f)
	}
	if most := 5*median(alone) + 200*time.Millisecond; median(beside) > most {
		t.Errorf("the other modem took %v for a message, alone %v", median(beside), median(alone))
	}
}

// happen lets a modem hang and returns how long it takes from when it behaves
// again to the next message.
func (h hang) happen(t *testing.T, n *sim.Network, bringUp time.Duration) time.Duration {
	c := short
	if h.o.Boot = boot; !h.open {
		c.PIN, h.o.PIN = "1234", "1234"
	}
	b := prepare(t, n, h.o, c)
	if !h.early {
		bringUp = max(bringUp, b.bringUp())
	}
	behaves := h.begin(b)
	text := b.sim.Options().Name + " is back"
	if h.over == nil {
		h.over = (*bench).sendAgain
	}
	h.over(b, text)
	back := max(0, time.Since(behaves))
	b.soon(back, backIn, bringUp)
	for _, e := range b.taken(text) {
		b.log.wait(t, fmt.Sprintf("report %d 0", e.Submit.Reference), 1)
	}
	return back
}

// bringUp has the driver run, and returns how long it takes to be ready.
func (b *bench) bringUp() time.Duration {
	b.t.Helper()
	began := time.Now()
	b.run()
	b.awaitState(modem.Ready)
	return time.Since(began)
}

// soon looks whether something took no longer than it may. A bring-up of the same
// run, which is short, says how loaded the machine is.
func (b *bench) soon(took, most, bringUp time.Duration) {
	b.t.Helper()
	if took > most+5*bringUp {
		b.t.Errorf("it took %v, a bring-up %v", took, bringUp)
	}
}

// sendAgain sends two messages: the first may be what shows that the modem hangs.
func (b *bench) sendAgain(text string) {
	for end := time.Now().Add(patience); ; {
		o := b.send(2, text+", perhaps")
		if o.Kind == sms.Accepted || o.Kind == sms.Ambiguous || time.Now().After(end) {
			break // an outcome that is not known is one that the queue sees to
		}
	}
	b.sendUntilSent(3, text)
	if got := len(b.taken(text)); got != 1 {
		b.t.Errorf("the network has %q %d times", text, got)
	}
}

// sendOn sends one message after the other, most or until over, and returns how
// long each took. One that is not accepted shows in the facts.
func (b *bench) sendOn(most int64, over <-chan struct{}) (took []time.Duration) {
	for i := range most {
		select {
		case <-over:
			return took
		default:
		}
		began := time.Now()
		<-b.submit(message(b.t, i, "well"))
		took = append(took, time.Since(began))
	}
	return took
}

func median(d []time.Duration) time.Duration { return slices.Sorted(slices.Values(d))[len(d)/2] }

// strikes makes a fault happen to a modem that is idle.
func strikes(f sim.Fault) func(*bench) time.Time {
	return func(b *bench) time.Time {
		b.sim.Strike(f)
		return time.Now().Add(f.For)
	}
}

// restarts is strikes for a restart that is told: the driver notices by itself.
func restarts(f sim.Fault) func(*bench) time.Time {
	return func(b *bench) time.Time {
		b.sim.Strike(f)
		return time.Now().Add(boot + f.For)
	}
}

// sends makes a fault happen to a hand-over.
func sends(f sim.Fault) func(*bench) time.Time {
	return func(b *bench) time.Time {
		b.sim.Inject(f)
		began := time.Now()
		b.send(1, b.sim.Options().Name+" hangs")
		return began.Add(f.For)
	}
}

// at makes a fault happen as the modem hears a command, the first time. The
// channel brings the time.
func (b *bench) at(command string, f sim.Fault) <-chan time.Time {
	when := make(chan time.Time, 1)
	var once sync.Once
	b.wire.change(func(s string) string {
		if strings.Contains(s, command) {
			once.Do(func() {
				b.sim.Strike(f)
				when <- time.Now()
			})
		}
		return s
	}, nil)
	return when
}

// sending is sends for faults at a command.
func sending(command string, f sim.Fault) func(*bench) time.Time {
	return func(b *bench) time.Time {
		when := b.at(command, f)
		b.send(1, b.sim.Options().Name+" hangs")
		return (<-when).Add(f.For)
	}
}

// bringingUp makes a fault happen at a command of the bring-up.
func bringingUp(command string, f sim.Fault) func(*bench) time.Time {
	return func(b *bench) time.Time {
		when := b.at(command, f)
		b.run()
		return b.moment(when).Add(f.For)
	}
}

func (b *bench) moment(when <-chan time.Time) time.Time {
	b.t.Helper()
	select {
	case at := <-when:
		return at
	case <-time.After(patience):
		b.t.Fatal("the command did not come")
		return time.Time{}
	}
}

// mute keeps to itself what a module says when it starts.
func mute(begin func(*bench) time.Time) func(*bench) time.Time {
	return func(b *bench) time.Time {
		b.wire.change(nil, replace("RDY", "", "SMS Ready", ""))
		return begin(b)
	}
}

// hears makes the modem hear a command that the driver did not send, and keeps
// its answer to itself: a module that forgets, or changes its mind.
func hears(command, answer string) func(*bench) time.Time {
	return func(b *bench) time.Time {
		var said atomic.Bool
		b.wire.change(func(s string) string {
			if !said.Load() { // it may be starting yet
				return command + "\r" + s
			}
			return s
		}, func(s string) string {
			if strings.Contains(s, answer) && said.CompareAndSwap(false, true) {
				return strings.Replace(s, answer, "", 1)
			}
			return s
		})
		return time.Now()
	}
}

// inNumbers is a restart that nothing tells of, to a module that speaks in
// numbers from then on.
func inNumbers(b *bench) time.Time {
	mute(strikes(sim.Fault{Kind: sim.BrownOut}))(b)
	return hears("ATV0", "0\r")(b)
}

// startsAndBrownsOut is a start in the middle of work, with one line to tell of
// it, which was said before.
func startsAndBrownsOut(b *bench) time.Time {
	b.sim.Strike(sim.Fault{Kind: sim.HangUp, For: blink})
	b.awaitState(modem.Absent)
	b.awaitState(modem.Ready)
	b.sim.Strike(sim.Fault{Kind: sim.BrownOut})
	return time.Now()
}

// asksUSSD is a freeze at a request to the network.
func asksUSSD(b *bench) time.Time {
	when := b.at("AT+CUSD", sim.Fault{Kind: sim.Freeze, For: blink})
	ctx, cancel := context.WithCancel(context.Background())
	var asked sync.WaitGroup
	asked.Go(func() { _, _ = b.m.USSD(ctx, "*100#") }) // it comes to nothing
	b.t.Cleanup(func() { cancel(); asked.Wait() })
	return b.moment(when).Add(blink)
}

// receives is a freeze at the acknowledgement of a message.
func receives(b *bench) time.Time {
	when := b.at("AT+CNMA", sim.Fault{Kind: sim.Freeze, For: blink})
	if err := b.net.Send(b.sim.Options().MSISDN, handset, "hello"); err != nil {
		b.t.Error(err)
	}
	return b.moment(when).Add(blink)
}

// receiveAgain waits for another message, with nothing sent meanwhile.
func (b *bench) receiveAgain(text string) {
	if err := b.net.Send(b.sim.Options().MSISDN, handset, text); err != nil {
		b.t.Error(err)
	}
	b.log.wait(b.t, "received "+text, 1)
}

// deafFrom freezes the modem for a time each time that it hears a command.
func deafFrom(command string, lasts time.Duration) func(*bench) time.Time {
	return func(b *bench) time.Time {
		when := make(chan time.Time, 1)
		b.wire.change(func(s string) string {
			if strings.Contains(s, command) {
				b.sim.Strike(sim.Fault{Kind: sim.Freeze, For: lasts})
				select {
				case when <- time.Now():
				default:
				}
			}
			return s
		}, nil)
		b.run()
		return b.moment(when).Add(lasts)
	}
}

// storms makes the modem say lines until the test ends.
func storms(b *bench) time.Time {
	tick := time.NewTicker(20 * time.Millisecond)
	over := make(chan struct{})
	var storm sync.WaitGroup
	storm.Go(func() {
		for {
			select {
			case <-tick.C:
				b.sim.Strike(sim.Fault{Kind: sim.Storm, Count: 5})
			case <-over:
				return
			}
		}
	})
	b.t.Cleanup(func() {
		tick.Stop()
		close(over)
		storm.Wait()
	})
	return time.Now()
}

// TestUnnoticedRestart: a module that started anew and says nothing of it sends as
// before, but reports nothing. It is found out when the network is asked for.
func TestUnnoticedRestart(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
	b.awaitState(modem.Ready)
	mute(strikes(sim.Fault{Kind: sim.Reboot}))(b)
	began := time.Now()
	b.log.wait(t, "AT+CNMI=2,2,0,1,0", 2)
	t.Logf("found out after %v", time.Since(began).Round(time.Millisecond))
	b.sendUntilSent(1, "one")
	b.log.wait(t, "report 1 0", 1)
}

// step is a way to get the module back that a test may look into.
func (b *bench) step(name string, usb bool, do func()) modem.Step {
	return modem.Step{Name: name, USB: usb, Do: func(context.Context) error {
		b.log.add("step " + name)
		if port, err := at.Open(b.m.Facts().Device, at.Mode{}); err == nil {
			port.Close()
		} else if !errors.Is(err, fs.ErrNotExist) {
			b.log.add(fmt.Sprintf("the port is in use: %v", err))
		}
		if do != nil {
			do()
		}
		return nil
	}}
}

// TestLadderClimbed: what a module gets that does not come into service by itself,
// in which order, and how soon it works once that has helped.
func TestLadderClimbed(t *testing.T) {
	t.Parallel()
	powerCut := func(b *bench) { b.sim.Strike(sim.Fault{Kind: sim.HangUp}) }
	noService := func(b *bench) { b.sim.Strike(sim.Fault{Kind: sim.SMSDown, Cause: 301}) }
	for _, tt := range []struct {
		name   string
		family string
		ails   func(b *bench)
		usb    func(b *bench) // what the steps do; nil: nothing
		power  func(b *bench)
		want   []string // commands and steps, in order
		never  string   // a command
	}{
		{"no message service, and the power helps", "", noService, nil, powerCut,
			[]string{"AT+CFUN=0", "AT+CFUN=1", "step USB", "step power"}, "AT+CFUN=1,1"},
		{"a restart helps", "sim900", noService, nil, nil,
			[]string{"AT+CFUN=4", "AT+CFUN=1", "AT+CFUN=1,1"}, "step"},
		{"a stick that would become a CD-ROM", "e3372", noService, nil, powerCut,
			[]string{"AT+CFUN=0", "AT+CFUN=1", "step USB", "step power"}, "AT+CFUN=1,1"},
		{"falls off the bus when it is spoken to", "", (*bench).fallsOff, nil, (*bench).staysOn,
			[]string{"step USB", "step power"}, "AT+CFUN="},
		{"says nothing, and USB helps", "", func(b *bench) { b.sim.Strike(sim.Fault{Kind: sim.Freeze}) }, func(b *bench) { b.sim.Thaw() }, nil,
			[]string{"step USB"}, "AT+CFUN=0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{Profile: tt.family}, short)
			do := func(f func(*bench)) func() {
				if f == nil {
					return nil
				}
				return func() { f(b) }
			}
			c := short
			c.Name, c.Device, c.Profiles = "m", b.m.Facts().Device, families(t)
			c.Steps = []modem.Step{b.step("USB", true, do(tt.usb)), b.step("power", false, do(tt.power))}
			b.m = modem.New(c, b.in, b.serve, b.logger())
			tt.ails(b)
			b.run()
			began := time.Now()
			b.await("called in vain", func(f modem.Facts) bool { return f.Recovering >= 2 })
			last := tt.want[len(tt.want)-1]
			b.log.waitOrder(t, tt.want...)
			climbed := time.Since(began)
			b.awaitState(modem.Ready)
			t.Logf("%s after %v, in service %v later", last, climbed.Round(time.Millisecond), (time.Since(began) - climbed).Round(time.Millisecond))
			b.sendUntilSent(1, "one")
			b.stop()
			if b.log.count(tt.never) > 0 || b.log.count("the port is in use") > 0 {
				t.Errorf("%q was sent, or a port was in use", tt.never)
			}
			if f := b.m.Facts(); f.Recovering != 0 || f.Parked {
				t.Errorf("facts: %+v", f)
			}
		})
	}
}

// fallsOff makes the modem leave the bus, and come back, each time it hears something.
func (b *bench) fallsOff() {
	b.wire.change(func(s string) string {
		b.sim.Strike(sim.Fault{Kind: sim.HangUp})
		return s
	}, nil)
}

func (b *bench) staysOn() { b.wire.change(nil, nil) }

// TestResetNotLeftOut: a reset that the module does not answer is tried again the
// next time.
func TestResetNotLeftOut(t *testing.T) {
	bubble(t, sim.NetworkOptions{}, sim.Options{Profile: "tc35"}, modem.Config{}, func(b *bench) {
		b.wire.change(func(s string) string {
			if strings.Contains(s, "+CFUN=1,1") {
				b.sim.Reboot()
				return ""
			}
			return s
		}, nil)
		b.run()
		const times = 4
		for range times {
			b.readyIn(0, 5*time.Minute)
			time.Sleep(5 * time.Minute)
			if _, err := b.m.Reset("restart"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
		}
		if got := b.log.count("AT+CFUN=1,1"); got != times {
			t.Errorf("it was sent %d times, asked for %d times", got, times)
		}
	})
}

// TestStartUnheard: a module of any family that starts anew, and of which no more
// is heard than the last line, if it has one, is noticed and set up again soon
// after it could send by itself, whatever the driver does at that moment, and the
// first message goes by it.
func TestStartUnheard(t *testing.T) {
	for _, family := range append(sim.Profiles(), "") {
		for _, pin := range []string{"", "1234"} {
			t.Run(family+" PIN "+pin, func(t *testing.T) {
				t.Parallel()
				for _, after := range []time.Duration{4500 * time.Millisecond, 103500 * time.Millisecond} {
					o := sim.Options{Profile: family, PIN: pin, Boot: blink, Ready: blink}
					bubble(t, sim.NetworkOptions{}, o, modem.Config{PIN: pin}, func(b *bench) { b.startsUnheard(after) })
				}
			})
		}
	}
}

func (b *bench) startsUnheard(after time.Duration) {
	b.t.Helper()
	b.run()
	b.readyIn(0, time.Minute)
	time.Sleep(after)
	b.sim.Strike(sim.Fault{Kind: sim.BrownOut})
	from, lines := b.log.len(), b.log.count("line")
	time.Sleep(blink + blink) // it boots, and would be ready
	back := b.within(time.Minute, "set up again", func(modem.Facts) bool { return b.log.count("line") >= lines+2 })
	if back > backIn {
		b.t.Errorf("%v after it was in service it is lost, and back %v after it is ready", after, back)
	}
	if o := b.send(1, "back"); o.Kind != sms.Accepted {
		b.t.Errorf("the first message: %+v", o)
	}
	if err := b.net.Send(b.sim.Options().MSISDN, handset, "hello"); err != nil {
		b.t.Fatal(err)
	}
	time.Sleep(blink)
	if got := b.log.from(from); first(got, "received hello") < 0 || first(got, "report ") < 0 {
		b.t.Errorf("the report is at %d, the message at %d", first(got, "report "), first(got, "received hello"))
	}
}
