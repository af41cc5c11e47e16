package test

import (
	"fmt"
	"math/rand/v2"
	"net/smtp"
	"strings"
	"sync"
	"testing"
	"time"

	"cellpost/modem/sim"
)

// kills is how often the gateway is killed in TestKill, and perRound how many
// mails each of two senders offers it before. It has inHand modems, and thus as
// many messages in hand at most when it dies.
const kills, perRound, inHand = 50, 25, 4

// keptShare bounds what TestKill leaves to the operator: one in so many accepted
// mails, or inHand where a slow machine accepts few.
const keptShare = 200

// TestKill kills the gateway at random moments under load and starts it again.
// The network's ledger judges: what was answered with 250 was sent, and what was
// sent twice says "unknown" in its timeline and is flagged. One that was in hand at
// four deaths is kept for the operator, and says so; there are few of these.
func TestKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{
		modems:  inHand,
		options: sim.Options{AirTime: 30 * time.Millisecond},
		send:    "prompt_timeout = \"1s\"\nresult_timeout = \"2s\"\nunknown_wait = \"300ms\"",
	})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	accepted := map[string]bool{}
	for i := range kills {
		before := len(w.network.Ledger())
		g := w.start()
		load := w.load(fmt.Sprintf("round %d", i))
		if i%2 == 1 { // a slow machine may not get as far by itself
			for range 2 {
				if text, ok := <-load; ok {
					accepted[text] = true
				}
			}
			w.took(before + 1)
		}
		<-time.After(time.Duration(random.IntN(1000)) * time.Millisecond)
		g.kill()
		for text := range load {
			accepted[text] = true
		}
	}
	w.start()
	list := w.settle(1, func(m message) bool { return m.State == "sent" || m.State == "delivered" || m.kept() })
	w.afterKills(list, accepted)
}

// kept reports whether so many gateways died with the message in hand that a
// person has to look: it is unknown for good.
func (m message) kept() bool {
	return m.State == "unknown" && m.Why == "outcome unknown again and again; kept for the operator"
}

// load sends mails until the gateway is gone or has enough of them, and yields
// the texts of those that were accepted.
func (w *world) load(name string) <-chan string {
	accepted := make(chan string, 2*perRound)
	var senders sync.WaitGroup
	for s := range 2 {
		senders.Go(func() {
			for i := range perRound {
				text := fmt.Sprintf("%s sender %d mail %d", name, s, i)
				// One sender writes to one number alone, as alarms do: then
				// neither number nor reference tells its messages apart.
				if !w.offer(fmt.Sprintf("4483112%05d", s*i), text) {
					return
				}
				accepted <- text
			}
		})
	}
	go func() { senders.Wait(); close(accepted) }()
	return accepted
}

// offer sends a mail, and reports whether the answer was 250.
func (w *world) offer(to, text string) bool {
	c, err := smtp.Dial(w.smtp)
	if err != nil {
		return false
	}
	defer c.Close()
	return deliver(c, script("to:"+to, "text:"+text)) == nil
}

func (w *world) afterKills(list []message, accepted map[string]bool) {
	w.t.Helper()
	taken := map[string]int{}
	for _, e := range w.network.Ledger() {
		taken[e.Submit.UserData.Text(e.Submit.DCS)]++
	}
	doubled, doubts := 0, 0
	kept := map[string]bool{}
	for _, m := range w.peruse(list) {
		doubt := strings.Contains(m.events(), "unknown")
		if doubt {
			doubts++
		}
		switch n := taken[m.Text]; {
		case m.kept() && m.Duplicate && m.tries() > 3:
			w.t.Logf("%q is kept for the operator and was taken %d times: %s", m.Text, n, m.events())
			kept[m.Text] = true
		case n == 0:
			w.t.Errorf("%q is %s and was never taken: %s", m.Text, m.State, m.events())
		case n > 1 && !(doubt && m.Duplicate):
			w.t.Errorf("%q was taken %d times in silence: %s", m.Text, n, m.events())
		case n > 1:
			doubled++
		}
	}
	for text := range accepted {
		if taken[text] == 0 && !kept[text] {
			w.t.Errorf("%q was accepted and lost", text)
		}
	}
	w.t.Logf("%d kills: %d accepted, %d stored, %d in doubt, %d sent twice and flagged, %d kept", kills, len(accepted), len(list), doubts, doubled, len(kept))
	if most := max(inHand, len(accepted)/keptShare); len(kept) > most {
		w.t.Errorf("%d are kept for the operator, over %d", len(kept), most)
	}
	if len(accepted) < kills {
		w.t.Errorf("only %d mails were accepted: that is no load", len(accepted))
	}
}
