package modem_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/sim"
	"cellpost/pdu"
	"cellpost/sms"
)

func cms(code int) pdu.Cause { return pdu.Cause{Set: pdu.CMS, Code: code} }

// TestHandOver: whatever goes wrong, what is said of a hand-over is true, and
// the modem takes the next message without anybody's help.
func TestHandOver(t *testing.T) {
	t.Parallel()
	const late = 900 * time.Millisecond
	for _, tt := range []struct {
		name  string
		fault sim.Fault
		want  sms.OutcomeKind
		cause pdu.Cause
		taken bool            // the network has it
		late  sms.OutcomeKind // what Inbox.Late gets; empty: nothing
		lasts time.Duration   // how long the modem goes on misbehaving
	}{
		{name: "well", want: sms.Accepted, taken: true},
		{name: "refused before the prompt", fault: sim.Fault{Kind: sim.RefusePrompt, Cause: 302}, want: sms.Refused, cause: cms(302)},
		{name: "refused by the network", fault: sim.Fault{Kind: sim.Refuse, Cause: 28}, want: sms.Refused, cause: cms(28)},
		{name: "refused for now", fault: sim.Fault{Kind: sim.Refuse, Cause: 42}, want: sms.Refused, cause: cms(42)},
		{name: "no prompt", fault: sim.Fault{Kind: sim.NoPrompt}, want: sms.NotSent},
		{name: "late prompt", fault: sim.Fault{Kind: sim.LatePrompt, For: late}, want: sms.NotSent},
		{name: "silence, not taken", fault: sim.Fault{Kind: sim.Silence}, want: sms.Ambiguous},
		{name: "silence, taken", fault: sim.Fault{Kind: sim.Silence, Taken: true}, want: sms.Ambiguous, taken: true},
		{name: "late result", fault: sim.Fault{Kind: sim.LateResult, For: late}, want: sms.Ambiguous, taken: true, late: sms.Accepted, lasts: late},
		{name: "late OK", fault: sim.Fault{Kind: sim.LateOK, For: late}, want: sms.Accepted, taken: true, late: sms.Accepted, lasts: late},
		{name: "two results", fault: sim.Fault{Kind: sim.DoubleResult}, want: sms.Accepted, taken: true},
		{name: "noise in the answer", fault: sim.Fault{Kind: sim.Noise}, want: sms.Accepted, taken: true},
		{name: "200 lines before the answer", fault: sim.Fault{Kind: sim.Storm, Count: 200}, want: sms.Accepted, taken: true},
		{name: "the echo comes on", fault: sim.Fault{Kind: sim.EchoOn}, want: sms.Accepted, taken: true},
		{name: "report before the result", fault: sim.Fault{Kind: sim.EarlyReport}, want: sms.Accepted, taken: true},
		{name: "unplugged after the PDU, not taken", fault: sim.Fault{Kind: sim.HangUp, For: late}, want: sms.Ambiguous, lasts: late},
		{name: "unplugged after the PDU, taken", fault: sim.Fault{Kind: sim.HangUp, For: late, Taken: true}, want: sms.Ambiguous, taken: true, lasts: late},
		{name: "restart while typing", fault: sim.Fault{Kind: sim.RebootTyping}, want: sms.Ambiguous, lasts: boot},
		{name: "restart, not taken", fault: sim.Fault{Kind: sim.Reboot}, want: sms.Ambiguous, lasts: boot},
		{name: "restart, taken", fault: sim.Fault{Kind: sim.Reboot, Taken: true}, want: sms.Ambiguous, taken: true, lasts: boot},
		{name: "freeze, not taken", fault: sim.Fault{Kind: sim.Freeze, For: late}, want: sms.Ambiguous, lasts: late},
		{name: "freeze, taken", fault: sim.Fault{Kind: sim.Freeze, For: late, Taken: true}, want: sms.Ambiguous, taken: true, lasts: late},
		{name: "jam", fault: sim.Fault{Kind: sim.Jam, For: late}, want: sms.Ambiguous, lasts: late},
		{name: "freeze beyond the resync", fault: sim.Fault{Kind: sim.Freeze, For: 22 * time.Second}, want: sms.Ambiguous, lasts: 22 * time.Second},
		{name: "jam beyond the resync", fault: sim.Fault{Kind: sim.Jam, For: 22 * time.Second}, want: sms.Ambiguous, lasts: 22 * time.Second},
		{name: "network lost", fault: sim.Fault{Kind: sim.NoNetwork, For: late}, want: sms.Refused, cause: cms(331), lasts: late},
		{name: "denied", fault: sim.Fault{Kind: sim.Denied, For: late}, want: sms.Refused, cause: cms(331), lasts: late},
		{name: "SIM out", fault: sim.Fault{Kind: sim.NoSIM, For: late}, want: sms.Refused, cause: cms(310), lasts: late},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := short
			c.PIN = "1234"
			b := prepare(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{PIN: c.PIN, Boot: boot}, c)
			bringUp := b.bringUp()
			b.sim.Inject(tt.fault)

			begun := time.Now()
			o := b.send(1, "first")
			if o.Kind != tt.want || o.Cause != tt.cause {
				t.Errorf("got %+v, want %s %v", o, tt.want, tt.cause)
			}
			b.soon(time.Since(begun), c.PromptTimeout+c.ResultTimeout+time.Second, bringUp)
			behaves := begun.Add(tt.lasts)
			b.sendUntilSent(2, "second")
			back := time.Since(behaves)
			t.Logf("%v from when it behaved to the next message", back.Round(time.Millisecond))
			b.soon(back, backIn, bringUp)

			b.checkTaken("first", tt.taken, o)
			if got := len(b.taken("second")); got != 1 {
				t.Errorf("the second message is %d times in the ledger", got)
			}
			b.stop()
			want := 0
			if tt.late != "" {
				want = b.log.count(fmt.Sprintf("late 1 %s %d", tt.late, b.taken("first")[0].MR))
				if want != 1 {
					t.Error("the late result did not settle the attempt")
				}
			}
			if got := b.log.count("late"); got != want {
				t.Errorf("%d late results, want %d", got, want)
			}
			if strings.Contains(b.log.String(), "first") || strings.Contains(b.log.String(), handset) {
				t.Error("the log holds the text or the number")
			}
		})
	}
}

const boot = 300 * time.Millisecond

// checkTaken compares what was said of a hand-over with the ledger.
func (b *bench) checkTaken(text string, want bool, o sms.Outcome) {
	b.t.Helper()
	entries := b.taken(text)
	if got := len(entries) > 0; got != want || len(entries) > 1 {
		b.t.Errorf("%q is %d times in the ledger, want %v", text, len(entries), want)
	}
	if o.Kind == sms.Accepted && (len(entries) != 1 || o.MR != entries[0].MR) {
		b.t.Errorf("accepted with reference %d, and the ledger has %+v", o.MR, entries)
	}
}

// TestRestartEndsWait: a module that says that it started anew is not waited
// for until the deadline.
func TestRestartEndsWait(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{Boot: boot}, modem.Config{ResultTimeout: 2 * patience})
	b.awaitState(modem.Ready)
	b.sim.Inject(sim.Fault{Kind: sim.RebootTyping})
	if o := b.send(1, "first"); o.Kind != sms.Ambiguous {
		t.Errorf("got %+v", o)
	}
	b.sendUntilSent(2, "second")
}

// TestUnpluggedBeforePrompt: nothing has left, and that is known.
func TestUnpluggedBeforePrompt(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, short)
	b.awaitState(modem.Ready)
	b.wire.change(func(s string) string {
		if strings.Contains(s, "+CMGS") {
			b.wire.change(nil, nil)
			b.sim.Strike(sim.Fault{Kind: sim.HangUp, For: boot})
		}
		return s
	}, nil)
	if o := b.send(1, "first"); o.Kind != sms.NotSent {
		t.Errorf("got %+v", o)
	}
	b.sendUntilSent(2, "second")
	b.checkTaken("first", false, sms.Outcome{})
}

// TestLateResultFindsItsAttempt: the next message is tried at once, as a worker
// does; the late result is still that of the first.
func TestLateResultFindsItsAttempt(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, short)
	b.awaitState(modem.Ready)
	b.sim.Inject(sim.Fault{Kind: sim.LateResult, For: 600 * time.Millisecond})
	first, second := b.submit(message(t, 1, "first")), b.submit(message(t, 2, "second"))
	if o := b.outcome(first); o.Kind != sms.Ambiguous {
		t.Errorf("got %+v", o)
	}
	b.log.wait(t, "late 1 accepted 1", 1)
	b.checkTaken("second", b.outcome(second).Kind == sms.Accepted, sms.Outcome{})
}

// TestLateResultBehindSlowInbox: the late result of one hand-over is told when
// the next is under way, because the store was slow. It is not taken for the
// result of that.
func TestLateResultBehindSlowInbox(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{AckTime: time.Minute}, short)
	b.awaitState(modem.Ready)
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(open) // else a failure would wait for ever
	b.in.set(0, gate)
	b.sendUntilSent(1, "reported")
	b.log.wait(t, "waiting report", 1)
	b.sim.Inject(sim.Fault{Kind: sim.LateResult, For: 600 * time.Millisecond})
	if o := b.send(2, "late"); o.Kind != sms.Ambiguous {
		t.Fatalf("got %+v", o)
	}
	b.await("back", func(f modem.Facts) bool { return f.Stalls == 1 && f.State() == modem.Ready })
	b.sim.Inject(sim.Fault{Kind: sim.Silence})
	if o := b.send(3, "lost"); o.Kind != sms.Ambiguous {
		t.Fatalf("got %+v", o)
	}
	open()
	b.log.wait(t, "late", 1)
	b.stop()
	if b.log.count("late 2 accepted 2") != 1 || b.log.count("late") != 1 {
		t.Error("the late result went astray")
	}
}

// TestResultAfterResync: a result that comes when the dialogue is in step again
// belongs to nobody.
func TestResultAfterResync(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, short)
	b.awaitState(modem.Ready)
	b.sim.Inject(sim.Fault{Kind: sim.Silence})
	if o := b.send(1, "first"); o.Kind != sms.Ambiguous {
		t.Fatalf("got %+v", o)
	}
	b.await("back", func(f modem.Facts) bool { return f.Stalls == 1 && f.State() == modem.Ready })
	b.wire.inject("\r\n+CMGS: 99\r\n\r\nOK\r\n")
	b.net.Send(b.sim.Options().MSISDN, handset, "after it") // comes behind it on the wire
	b.log.wait(t, "received after it", 1)
	o := b.send(2, "second")
	b.checkTaken("second", true, o)
	b.stop()
	if b.log.count("late") != 0 {
		t.Error("it was taken for a late result")
	}
}

// TestKeepsLink: the radio link is kept for a run of messages, once, and never
// for a single one.
func TestKeepsLink(t *testing.T) {
	t.Parallel()
	b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{}, modem.Config{})
	var done []<-chan sms.Outcome
	for i := range 6 {
		h := message(t, int64(i), fmt.Sprint(i))
		h.More = i >= 2 && i < 5 // 0 and 1 are alone, 2 to 5 are a run
		done = append(done, b.submit(h))
	}
	for _, d := range done {
		if o := b.outcome(d); o.Kind != sms.Accepted {
			t.Errorf("got %+v", o)
		}
	}
	if got := b.log.count("AT+CMMS"); got != 1 {
		t.Errorf("AT+CMMS %d times, want once", got)
	}
	if at, run := b.log.index("AT+CMMS=1", 1), b.log.index("AT+CMGS", 3); at < b.log.index("AT+CMGS", 2) || at > run {
		t.Errorf("AT+CMMS at %d, the run at %d", at, run)
	}
}

// TestTwoModems: one that is dead does not disturb the other.
func TestTwoModems(t *testing.T) {
	t.Parallel()
	n := sim.NewNetwork(sim.NetworkOptions{})
	dead := start(t, n, sim.Options{}, short)
	dead.awaitState(modem.Ready)
	well := start(t, n, sim.Options{}, modem.Config{}) // whose time-outs no pause of the machine reaches
	well.awaitState(modem.Ready)
	dead.sim.Inject(sim.Fault{Kind: sim.Jam})
	if o := dead.send(1, "lost"); o.Kind != sms.Ambiguous {
		t.Errorf("got %+v", o)
	}
	for i := range 50 {
		if o := well.send(int64(i), fmt.Sprint("well ", i)); o.Kind != sms.Accepted {
			t.Fatalf("got %+v", o)
		}
	}
	if f := well.m.Facts(); f.Sent != 50 || f.Stalls != 0 || f.State() != modem.Ready {
		t.Errorf("facts of the well one: %+v", f)
	}
	if f := dead.m.Facts(); f.State() != modem.Stalled || f.Stalls != 1 {
		t.Errorf("facts of the dead one: %+v", f)
	}
}

// TestResultAfterReopening: a module that is busy with a hand-over for longer than
// it is called has told its result all the same.
func TestResultAfterReopening(t *testing.T) {
	bubble(t, sim.NetworkOptions{}, sim.Options{}, modem.Config{}, func(b *bench) {
		b.run()
		b.readyIn(0, time.Minute)
		b.sim.Inject(sim.Fault{Kind: sim.LateResult, For: 90 * time.Second})
		if o := <-b.submit(message(t, 1, "first")); o.Kind != sms.Ambiguous {
			t.Errorf("got %+v", o)
		}
		b.readyIn(0, time.Minute)
		if b.log.count("late 1 accepted 1") != 1 || b.log.count("late") != 1 {
			t.Error("the result went astray")
		}
		b.sim.Inject(sim.Fault{Kind: sim.Freeze, For: 100 * time.Second})
		if o := <-b.submit(message(t, 2, "second")); o.Kind != sms.Ambiguous {
			t.Errorf("got %+v", o)
		}
		b.readyIn(0, 2*time.Minute)
		time.Sleep(time.Minute)
		if b.log.count("late") != 1 {
			t.Error("something else was taken for a late result")
		}
	})
}
