package modem_test

import (
	"context"
	"errors"
	"fmt"
	"os"
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
			log := t.TempDir() + "/pin"
			c.PIN, c.PINLog, c.SlotHold = "1111", log, 5*time.Minute
			c.Slots[0].PIN, c.Slots[0].PINLog = "2222", log+",2"
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
					if _, err := os.Stat([]string{log, log + ",2"}[i]); (err == nil) == right[i] {
						b.t.Errorf("memory of the PIN of slot %d: %v", i, err)
					}
				}
			})
		})
	}
}

// TestSIMMultiplexer: a board that switches the SIM does so while the radio is
// off, once for each change, and again when that went wrong.
func TestSIMMultiplexer(t *testing.T) {
	o, c := twoSlots()
	o.Profile, o.Cards = "", o.Cards[:1]
	var b *bench
	var other *sim.SIM
	in, fails := 0, 1
	c.SelectSIM = func(_ context.Context, slot int) error {
		b.log.add(fmt.Sprint("board ", slot))
		if fails--; fails >= 0 {
			return errors.New("line 7 is taken by another program")
		}
		if slot != in {
			other, in = b.sim.Swap(0, other), slot
		}
		return nil
	}
	bubble(t, sim.NetworkOptions{}, o, c, func(bench *bench) {
		b = bench
		other = b.net.Issue(sim.Card{MSISDN: "447700900002"})
		b.run()
		b.within(time.Minute, "ready", func(f modem.Facts) bool { return f.State() == modem.Ready && f.MSISDN == "447700900001" })
		b.sim.Reboot() // the next session needs no other SIM
		time.Sleep(2 * time.Minute)
		fails = 1
		b.sim.SetTrouble(0, sim.Trouble{Denied: true})
		b.within(5*time.Minute, "ready", func(f modem.Facts) bool { return f.State() == modem.Ready && f.MSISDN == "447700900002" })
		if f := b.m.Facts(); f.Slot != 1 || f.SIM != "sim-b" {
			b.t.Errorf("facts: %+v", f)
		}
		var seen []string
		for line := range strings.Lines(b.log.String()) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "AT+CFUN=") || strings.HasPrefix(line, "board") {
				seen = append(seen, line)
			}
		}
		want := "AT+CFUN=0 board 0 AT+CFUN=1 AT+CFUN=0 board 0 AT+CFUN=1 AT+CFUN=0 board 1 AT+CFUN=1 AT+CFUN=0 board 1 AT+CFUN=1"
		if got := strings.Join(seen, " "); got != want {
			b.t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// TestMultiplexerLeft: what comes from the SIM that an earlier process chose is
// not taken for that of the one which is chosen now.
func TestMultiplexerLeft(t *testing.T) {
	o, c := twoSlots()
	o.Profile, o.Cards, o.Register = "", o.Cards[:1], 0
	var b *bench
	var other *sim.SIM
	in := 1
	c.SelectSIM = func(_ context.Context, slot int) error {
		if slot != in {
			other, in = b.sim.Swap(0, other), slot
		}
		return nil
	}
	bubble(t, sim.NetworkOptions{}, o, c, func(bench *bench) {
		b = bench
		other = b.sim.Swap(0, b.net.Issue(sim.Card{MSISDN: "447700900002"}))
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
