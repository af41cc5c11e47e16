package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cellpost/modem/sim"
)

// flowing is how many messages are on their way in TestHang, and strikes how often
// one of two modems is struck meanwhile.
const flowing, strikes = 60, 12

// TestHang strikes two of three modems again and again while messages flow. Each
// message is sent once, or flagged; the third modem is not disturbed; and all are
// ready again without help.
func TestHang(t *testing.T) {
	w := newWorld(t, setting{
		modems:  3,
		options: sim.Options{AirTime: 400 * time.Millisecond, Boot: 200 * time.Millisecond},
		send:    "prompt_timeout = \"1s\"\nresult_timeout = \"1s\"\nunknown_wait = \"300ms\"",
	})
	w.start()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range flowing {
		w.mustMail(fmt.Sprintf("to:4483112%05d", i), fmt.Sprintf("text:message %d", i))
	}
	kinds := w.strike(random)
	list := w.settle(flowing, func(m message) bool { return m.State == "sent" || m.State == "delivered" })
	if len(list) != flowing {
		t.Errorf("%d messages, want %d", len(list), flowing)
	}
	w.onceOrFlagged(list)
	stalls := 0
	for i := range w.modems {
		name := fmt.Sprintf("m%d", i)
		m := w.ready(name, name)
		t.Logf("%s: %d sent, %d refused, %d stalls", m.Name, m.Sent, m.Refused, m.Stalls)
		if stalls += m.Stalls; m.Name == "m2" && (m.Stalls > 0 || m.Refused > 0 || m.Sent == 0) {
			t.Errorf("the third modem was disturbed: %+v", m)
		}
	}
	if stalls == 0 {
		t.Errorf("no stall was counted; struck with %v", kinds)
	}
}

// strike makes m0 and m1 hang in many ways, each when some more messages were
// taken, and returns the kinds of fault.
func (w *world) strike(random *rand.Rand) (kinds []sim.FaultKind) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	begins := []sim.Fault{ // of the next hand-over
		{Kind: sim.Silence}, {Kind: sim.Silence, Taken: true}, {Kind: sim.NoPrompt}, {Kind: sim.HangTyping, For: time.Second},
		{Kind: sim.LateResult, For: 2 * time.Second}, {Kind: sim.ResultOnly}, {Kind: sim.RebootTyping},
		{Kind: sim.Freeze, For: time.Second, Taken: true}, {Kind: sim.HangUp, For: time.Second, Taken: true},
	}
	now := []sim.Fault{
		{Kind: sim.Freeze, For: 2 * time.Second}, {Kind: sim.Jam, For: 2 * time.Second}, {Kind: sim.HangUp, For: time.Second},
		{Kind: sim.Reboot}, {Kind: sim.BrownOut}, {Kind: sim.NoNetwork, For: time.Second}, {Kind: sim.NoSIM, For: time.Second},
		{Kind: sim.SMSDown, For: time.Second}, {Kind: sim.EchoOn}, {Kind: sim.Storm},
	}
	w.modems[0].Inject(begins[0]) // one stall is sure
	for n := range strikes {
		some := n * flowing / strikes * 3 / 4
		if err := w.network.WaitFor(ctx, func(ledger []sim.Entry) bool { return len(ledger) >= some }); err != nil {
			w.t.Fatalf("no message passes: %v; modems:\n%s", err, w.cellpost("modem", "list"))
		}
		m := w.modems[random.IntN(2)]
		if i := random.IntN(len(begins) + len(now)); i < len(begins) {
			m.Inject(begins[i])
			kinds = append(kinds, begins[i].Kind)
		} else {
			m.Strike(now[i-len(begins)])
			kinds = append(kinds, now[i-len(begins)].Kind)
		}
	}
	return kinds
}

// onceOrFlagged compares the messages with what the network took.
func (w *world) onceOrFlagged(list []message) {
	w.t.Helper()
	taken := map[string]int{}
	for _, e := range w.network.Ledger() {
		taken[e.Submit.UserData.Text(e.Submit.DCS)]++
	}
	flagged, twice := 0, 0
	for _, m := range w.peruse(list) {
		if m.Duplicate {
			flagged++
		}
		switch n := taken[m.Text]; {
		case n == 0:
			w.t.Errorf("%q is %s and was never taken: %s", m.Text, m.State, m.events())
		case n > 1 && !(m.Duplicate && strings.Contains(m.events(), "unknown")):
			w.t.Errorf("%q was taken %d times in silence: %s", m.Text, n, m.events())
		case n > 1:
			twice++
		}
	}
	w.t.Logf("%d messages, %d flagged as possible duplicates, %d of them sent twice", len(list), flagged, twice)
}
