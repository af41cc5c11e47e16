package modem_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/sim"
	"cellpost/sms"
)

// twoSlots is a modem with two SIMs, of which the first is preferred.
func twoSlots() (sim.Options, modem.Config) {
	o := sim.Options{Profile: "dual-csus", Register: 5 * time.Second, SlotSettle: 3 * time.Second, Cards: []sim.Card{
		{MSISDN: "447700900001", SMSC: "+447785000001"},
		{MSISDN: "447700900002", SMSC: "+447785000002"},
	}}
	c := modem.Config{SIM: "sim-a", SlotHold: 30 * time.Minute, Slots: []modem.Slot{{SIM: "sim-b"}}, ResultTimeout: 10 * time.Second}
	return o, c
}

// isCard checks that all that is known is of the card in a slot, and nothing of
// the other.
func (b *bench) isCard(slot int) {
	b.t.Helper()
	f, card := b.m.Facts(), b.sim.Cards()[slot]
	got := fmt.Sprint(f.SIM, f.IMSI, f.ICCID, f.MSISDN, f.SMSC)
	want := fmt.Sprint([]string{"sim-a", "sim-b"}[slot], card.IMSI, card.ICCID, card.MSISDN, card.SMSC)
	if f.Slot != slot || f.Slots != 2 || got != want {
		b.t.Errorf("in slot %d of %d: %s, want %s", f.Slot, f.Slots, got, want)
	}
}

// sentBy sends a text and checks that the network has it by the card in a slot.
func (b *bench) sentBy(slot int, text string) {
	b.t.Helper()
	o := b.send(1, text)
	b.checkTaken(text, true, o)
	if e := b.taken(text); len(e) == 1 && e[0].Card != b.sim.Cards()[slot].ICCID {
		b.t.Errorf("%q went by %s", text, e[0].Card)
	}
}

// TestSecondSIM: each trouble of the first SIM makes the modem take the second
// in time, with nothing left of what it knew; after the hold the first is tried
// again, and kept when it is well.
func TestSecondSIM(t *testing.T) {
	refuse := func(b *bench, cause int) {
		b.sim.SetTrouble(0, sim.Trouble{Refused: cause})
		time.Sleep(20 * time.Second) // it is searched for anew
		for i := range 5 {
			if o := b.send(int64(i), "refused"); o.Kind != sms.Refused || o.Cause != cms(cause) {
				b.t.Errorf("got %+v", o)
			}
		}
	}
	set := func(tr sim.Trouble) func(*bench) { return func(b *bench) { b.sim.SetTrouble(0, tr) } }
	for _, tt := range []struct {
		name   string
		strike func(b *bench) // the first SIM gets into trouble
		after  time.Duration  // from when the modem may give it up
		mend   func(b *bench)
	}{
		{"denied", set(sim.Trouble{Denied: true}), 30 * time.Second, nil},
		{"PUK", func(b *bench) {
			b.sim.SetTrouble(0, sim.Trouble{PUK: true})
			b.sim.Reboot()
		}, 15 * time.Second, nil},
		{"absent", func(b *bench) { b.sim.Strike(sim.Fault{Kind: sim.NoSIM}) }, 15 * time.Second, func(b *bench) {
			b.sim.Swap(0, b.sim.Swap(0, nil))
		}},
		{"broken", set(sim.Trouble{Failure: 13}), 15 * time.Second, nil},
		{"wrong SIM", set(sim.Trouble{Failure: 15}), 15 * time.Second, nil},
		{"barred", func(b *bench) { refuse(b, 10) }, 0, nil},
		{"out of credit", func(b *bench) { refuse(b, 21) }, 0, nil},
		{"sends stall", func(b *bench) {
			b.sim.Inject(sim.Fault{Kind: sim.Silence, Times: 2})
			for unknown := 0; unknown < 2; {
				if o := b.send(1, "stalls"); o.Kind == sms.Ambiguous {
					unknown++
				} else if o.Kind != sms.NotSent {
					b.t.Fatalf("got %+v", o)
				}
				if unknown == 1 && b.m.Facts().Slot != 0 {
					b.t.Fatal("given up after one")
				}
			}
		}, 0, nil},
	} {
		for _, family := range []string{"dual-csus", "m66-ds"} {
			t.Run(tt.name+", "+family, func(t *testing.T) {
				t.Parallel()
				o, c := twoSlots()
				o.Profile, o.Ready, o.Boot = family, 2*time.Second, 2*time.Second
				bubble(t, sim.NetworkOptions{}, o, c, func(b *bench) {
					b.run()
					b.readyIn(0, time.Minute)
					b.isCard(0)
					b.sentBy(0, "first")
					began := time.Now()
					tt.strike(b)
					b.readyIn(1, tt.after+2*time.Minute)
					if took := time.Since(began); took < tt.after {
						b.t.Errorf("the first SIM was given up after %v", took)
					}
					b.isCard(1)
					b.sentBy(1, "second")
					if b.m.Facts().CardRefused != 0 {
						b.t.Error("what was refused to the first SIM is held against the second")
					}
					b.sim.SetTrouble(0, sim.Trouble{})
					if tt.mend != nil {
						tt.mend(b)
					}
					back := b.readyIn(0, c.SlotHold+2*time.Minute)
					if held := time.Since(began); held < c.SlotHold {
						b.t.Errorf("given back after %v, %v in service", held, back)
					}
					b.isCard(0)
					b.sentBy(0, "third")
					time.Sleep(3 * c.SlotHold)
					b.isCard(0)
					if got := selected(b); got != 2 {
						b.t.Errorf("the slot was changed %d times", got)
					}
				})
			})
		}
	}
}

// selected counts the commands that change the slot.
func selected(b *bench) int {
	return b.log.count("AT+CSUS=") + b.log.count("AT+QDSIM=")
}

// TestSlotsAllBad: with no SIM that works, the modem goes from one to the other
// now and then, asks little of the network, and is in service when one is well.
func TestSlotsAllBad(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second sim.Trouble
	}{
		{"both denied", sim.Trouble{Denied: true}, sim.Trouble{Denied: true}},
		{"both broken", sim.Trouble{Failure: 13}, sim.Trouble{Failure: 13}},
		{"denied and blocked", sim.Trouble{Denied: true}, sim.Trouble{PUK: true}},
		{"busy for ever", sim.Trouble{Busy: true}, sim.Trouble{Busy: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o, c := twoSlots()
			o.Cards[0].Trouble, o.Cards[1].Trouble = tt.first, tt.second
			bubble(t, sim.NetworkOptions{}, o, c, func(b *bench) {
				b.run()
				const hours = 1
				time.Sleep(hours * time.Hour)
				changes, commands := selected(b), b.sim.Counters().Commands
				b.t.Logf("in %d h: %d changes, %d commands", hours, changes, commands)
				if changes < 2*hours || changes > 40*hours {
					b.t.Errorf("the slot was changed %d times in %d h", changes, hours)
				}
				if most := hours * 3600 * 2; commands > most {
					b.t.Errorf("%d commands in %d h, want %d at most", commands, hours, most)
				}
				b.sim.SetTrouble(1, sim.Trouble{})
				b.t.Logf("in service after %v", b.readyIn(1, 10*time.Minute))
				b.sentBy(1, "at last")
			})
		})
	}
}

// TestFlappingRegistration: a SIM that is denied, searches, and is denied again
// is given up although no state of it lasts.
func TestFlappingRegistration(t *testing.T) {
	o, c := twoSlots()
	bubble(t, sim.NetworkOptions{}, o, c, func(b *bench) {
		b.run()
		b.readyIn(0, time.Minute)
		for began := time.Now(); b.m.Facts().Slot == 0; time.Sleep(20 * time.Second) {
			if time.Since(began) > 5*time.Minute {
				b.t.Fatal("the second SIM is not taken")
			}
			b.sim.SetTrouble(0, sim.Trouble{Denied: true})
		}
		b.readyIn(1, time.Minute)
	})
}

// TestKeepsSecondWhileSending: the first SIM is not taken again in the middle of
// what leaves by the second, however long each message takes.
func TestKeepsSecondWhileSending(t *testing.T) {
	o, c := twoSlots()
	o.AirTime, c.ResultTimeout = 40*time.Second, time.Minute
	bubble(t, sim.NetworkOptions{}, o, c, func(b *bench) {
		b.sim.SetTrouble(0, sim.Trouble{Denied: true})
		b.run()
		b.readyIn(1, 2*time.Minute)
		b.sim.SetTrouble(0, sim.Trouble{})
		time.Sleep(c.SlotHold - time.Minute)
		var parts []<-chan sms.Outcome
		for i := range 6 {
			h := message(t, int64(i), fmt.Sprint("part ", i))
			h.More = i < 5
			parts = append(parts, b.submit(h))
		}
		for i, p := range parts {
			if o := <-p; o.Kind != sms.Accepted {
				b.t.Errorf("part %d: %+v", i, o)
			}
		}
		ended := time.Now()
		for _, e := range b.net.Ledger() {
			if e.Card != b.sim.Cards()[1].ICCID {
				b.t.Errorf("%s went by the first SIM", e.Submit.UserData.Text(e.Submit.DCS))
			}
		}
		b.readyIn(0, 2*time.Minute)
		if time.Since(ended) < 15*time.Second {
			b.t.Error("the SIM was changed at once")
		}
	})
}

// TestReportOfOtherSIM: reports and messages for a SIM that is not in use wait
// in the network, and are told apart by the SIM that they come to.
func TestReportOfOtherSIM(t *testing.T) {
	o, c := twoSlots()
	bubble(t, sim.NetworkOptions{ReportDelay: 10 * time.Minute}, o, c, func(b *bench) {
		b.run()
		b.readyIn(0, time.Minute)
		b.sentBy(0, "first")
		b.sim.SetTrouble(0, sim.Trouble{Denied: true})
		b.readyIn(1, 2*time.Minute)
		b.sentBy(1, "second")
		for _, card := range b.sim.Cards() {
			if err := b.net.Send(card.MSISDN, handset, "to "+card.MSISDN); err != nil {
				b.t.Fatal(err)
			}
		}
		b.sim.SetTrouble(0, sim.Trouble{})
		time.Sleep(20 * time.Minute)
		if b.log.count("report by sim-b") != 1 || b.log.count("message by sim-b") != 1 || b.log.count("report by")+b.log.count("message by") != 2 {
			b.t.Error("by the second SIM came what is not its own")
		}
		b.readyIn(0, c.SlotHold)
		time.Sleep(time.Minute)
		if b.log.count("report by sim-a") != 1 || b.log.count("message by sim-a") != 1 || b.log.count("received to 447700900001") != 1 {
			b.t.Error("what waited for the first SIM did not come by it")
		}
	})
}

// TestPINPerSlot: each SIM gets its own PIN, the wrong one once for ever, and
// the one that is well works on.
func TestPINPerSlot(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second string // PINs of the cards; the configuration has 1111 and 2222
	}{
		{"both right", "1111", "2222"},
		{"the second wrong", "1111", "9999"},
		{"the first wrong", "9999", "2222"},
		{"both wrong", "9999", "9999"},
		{"exchanged", "2222", "1111"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o, c := twoSlots()
			o.Cards[0].PIN, o.Cards[1].PIN = tt.first, tt.second
			pins := t.TempDir() + "/pins"
			c.PIN, c.PINs, c.SlotHold = "1111", modem.NewPINs(pins), 5*time.Minute
			c.Slots[0].PIN = "2222"
			right := []bool{tt.first == c.PIN, tt.second == c.Slots[0].PIN}
			bubble(t, sim.NetworkOptions{}, o, c, func(b *bench) {
				b.run()
				time.Sleep(20 * time.Minute)
				for i, well := range right {
					b.sim.SetTrouble(1-i, sim.Trouble{Denied: true})
					if well {
						b.readyIn(i, 10*time.Minute)
						b.sendUntilSent(1, fmt.Sprint("by ", i))
					}
					time.Sleep(10 * time.Minute)
					b.sim.SetTrouble(1-i, sim.Trouble{})
				}
				for i, pin := range []string{c.PIN, c.Slots[0].PIN} {
					given := b.log.count(`AT+CPIN="` + pin + `"`)
					if right[i] && given == 0 || !right[i] && given != 1 {
						b.t.Errorf("the PIN of slot %d was given %d times", i, given)
					}
				}
				if _, err := os.Stat(pins); (err == nil) == (right[0] && right[1]) {
					b.t.Errorf("memory of the PINs: %v", err)
				}
			})
		})
	}
}

// mux is a multiplexer in front of a module's only slot.
type mux struct {
	b     *bench
	other *sim.SIM
	in    int
	fails int   // how many more times it fails; negative: never again
	dead  []int // slots that it cannot select
}

func (m *mux) selectSIM(_ context.Context, slot int) error {
	m.b.log.add(fmt.Sprint("board ", slot))
	if m.fails--; m.fails >= 0 || slices.Contains(m.dead, slot) {
		return errors.New("line 7 is taken by another program")
	}
	if slot != m.in {
		m.other, m.in = m.b.sim.Swap(0, m.other), slot
	}
	return nil
}

// multiplexed is a bubble with a modem behind a multiplexer of two SIMs.
func multiplexed(t *testing.T, family string, m *mux, f func(b *bench)) {
	o, c := twoSlots()
	o.Profile, o.Cards, c.SelectSIM = family, o.Cards[:1], m.selectSIM
	bubble(t, sim.NetworkOptions{}, o, c, func(b *bench) {
		m.b, m.other = b, b.net.Issue(sim.Card{MSISDN: "447700900002"})
		b.run()
		f(b)
	})
}

// byNumber waits until the modem is ready with a SIM.
func (b *bench) byNumber(number string, most time.Duration) {
	b.t.Helper()
	b.within(most, "ready with "+number, func(f modem.Facts) bool { return f.State() == modem.Ready && f.MSISDN == number })
}

// TestSIMMultiplexer: a board that switches the SIM does so while the radio is
// off, once for each change. A slot that cannot be selected is tried again, later.
func TestSIMMultiplexer(t *testing.T) {
	m := &mux{fails: 1}
	multiplexed(t, "", m, func(b *bench) {
		b.byNumber("447700900002", time.Minute)
		b.byNumber("447700900001", 3*time.Minute)
		b.sim.Reboot() // the next session needs no other SIM
		time.Sleep(2 * time.Minute)
		m.fails = 1
		b.sim.SetTrouble(0, sim.Trouble{Denied: true})
		b.within(2*time.Minute, "told", func(f modem.Facts) bool { return has(f, "slot-unusable") })
		b.byNumber("447700900002", 5*time.Minute)
		if f := b.m.Facts(); f.Slot != 1 || f.SIM != "sim-b" || !has(f, "sim-held") || has(f, "slot-unusable") {
			b.t.Errorf("facts: %+v", f)
		}
		var seen []string
		for line := range strings.Lines(b.log.String()) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "AT+CFUN=") {
				seen = append(seen, line[8:])
			} else if n, ok := strings.CutPrefix(line, "board "); ok {
				seen = append(seen, "->"+n)
			}
		}
		if got, want := strings.Join(seen, ""), "0->01"+"0->11"+"0->01"+"0->11"+"0->01"+"0->11"; got != want {
			b.t.Errorf("radio and board: %s, want %s", got, want)
		}
	})
}

func has(f modem.Facts, code string) bool {
	return slices.ContainsFunc(f.Health(), func(x modem.Finding) bool { return x.Code == code && x.Step != "" })
}

// TestSlotUnusable: a slot that cannot be selected, for what the board, the family
// or the configuration lacks, keeps no other SIM out of service, and is told. It is
// tried seldom.
func TestSlotUnusable(t *testing.T) {
	t.Run("the second of a multiplexer", func(t *testing.T) {
		m := &mux{dead: []int{1}}
		multiplexed(t, "", m, func(b *bench) {
			b.byNumber("447700900001", time.Minute)
			b.sim.SetTrouble(0, sim.Trouble{Denied: true})
			time.Sleep(2 * time.Hour)
			b.sim.SetTrouble(0, sim.Trouble{})
			b.byNumber("447700900001", 3*time.Minute)
			if n := b.log.count("board 1"); n < 2 || n > 8 {
				b.t.Errorf("it was tried %d times", n)
			}
		})
	})
	t.Run("a multiplexer that is not there", func(t *testing.T) {
		m := &mux{dead: []int{0, 1}}
		multiplexed(t, "", m, func(b *bench) {
			b.byNumber("447700900001", time.Minute)
			b.sentBy(0, "one")
			time.Sleep(24 * time.Hour)
			if n := b.log.count("AT+CFUN="); !has(b.m.Facts(), "slot-unusable") || n > 8 {
				b.t.Errorf("the radio was switched %d times, %+v", n, b.m.Facts().Health())
			}
		})
	})
	t.Run("a family whose radio is not to be switched", func(t *testing.T) {
		m := &mux{}
		multiplexed(t, "tc35", m, func(b *bench) {
			b.byNumber("447700900001", time.Minute)
			if b.log.count("board") > 0 || strings.Contains(b.log.String(), "msg=recovery") {
				b.t.Error("something was done")
			}
		})
	})
	t.Run("a family without slots", func(t *testing.T) {
		o, c := twoSlots()
		o.Profile, o.Cards = "", o.Cards[:1]
		bubble(t, sim.NetworkOptions{}, o, c, func(b *bench) {
			b.run()
			b.byNumber("447700900001", time.Minute)
			b.sentBy(0, "one")
			time.Sleep(24 * time.Hour)
			f := b.m.Facts()
			if errors := strings.Count(b.log.String(), "SIM slot not taken"); f.Slot != 0 || f.SIM != "sim-a" || !has(f, "slot-unusable") || errors > 4 {
				b.t.Errorf("%d errors, %+v", errors, f.Health())
			}
		})
	})
}

// TestEarlyOfOtherSIM: what comes while a multiplexer is about to switch is that of
// the SIM that goes, and is not taken for the other's.
func TestEarlyOfOtherSIM(t *testing.T) {
	m := &mux{}
	multiplexed(t, "", m, func(b *bench) {
		b.byNumber("447700900001", time.Minute)
		b.sim.SetTrouble(0, sim.Trouble{Refused: 21})
		time.Sleep(20 * time.Second) // it is searched for anew
		b.byNumber("447700900001", time.Minute)
		for i := range 5 {
			b.send(int64(i), "refused")
		}
		b.within(time.Minute, "leaving", func(modem.Facts) bool { return strings.Contains(b.log.String(), "other SIM slot") })
		if err := b.net.Send("447700900001", handset, "for A only"); err != nil {
			b.t.Fatal(err)
		}
		b.sim.SetTrouble(0, sim.Trouble{})
		b.byNumber("447700900002", time.Minute)
		time.Sleep(5 * time.Minute)
		if b.log.count("message by sim-b") != 0 {
			b.t.Error("it was taken for the other's")
		}
		b.byNumber("447700900001", time.Hour)
		time.Sleep(15 * time.Minute)
		if b.log.count("message by sim-a") == 0 { // twice, if it came just before the port was closed
			b.t.Error("it did not come by its own")
		}
	})
}

// TestMultiplexerLeft: what comes from the SIM that an earlier process chose is
// not taken for that of the one which is chosen now.
func TestMultiplexerLeft(t *testing.T) {
	o, c := twoSlots()
	m := &mux{in: 1}
	o.Profile, o.Cards, o.Register, c.SelectSIM = "", o.Cards[:1], 0, m.selectSIM
	bubble(t, sim.NetworkOptions{}, o, c, func(b *bench) {
		m.b, m.other = b, b.sim.Swap(0, b.net.Issue(sim.Card{MSISDN: "447700900002"}))
		var once sync.Once
		b.wire.change(func(s string) string {
			if strings.Contains(s, "+CGMR") {
				once.Do(func() { b.net.Send("447700900002", handset, "for the second") })
			}
			return strings.ReplaceAll(s, "+CMEE=1", "+CSMS=1;+CNMI=2,2,0,1,0;+CMEE=1")
		}, nil)
		time.Sleep(10 * time.Second) // the SIM gets ready
		b.run()
		b.readyIn(0, time.Minute)
		b.sim.SetTrouble(0, sim.Trouble{Denied: true})
		b.readyIn(1, 5*time.Minute)
		time.Sleep(time.Minute)
		if b.log.count("message by sim-a") != 0 || b.log.count("message by sim-b") == 0 {
			t.Error("the message was taken for one to the first SIM, or is lost")
		}
	})
}
