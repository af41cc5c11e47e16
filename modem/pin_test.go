package modem_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/sim"
)

// TestPINFollowsSIM: a SIM that was moved to another modem gets its own PIN there,
// and that of the slot is not tried on it.
func TestPINFollowsSIM(t *testing.T) {
	for _, tt := range []struct {
		name  string // that the SIM is known by
		given string // PIN
	}{
		{"sim-b", "2222"},
		{"sim-c", "1111"}, // it is not in the configuration
		{"sim-d", "1111"}, // it is, without a PIN
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := modem.Config{SIM: "sim-a", PIN: "1111", SIMs: []modem.Slot{{SIM: "sim-a", PIN: "1111"}, {SIM: "sim-b", PIN: "2222"}, {SIM: "sim-d"}}}
			c.NameCard = func(_ context.Context, p modem.Plugged) (string, string, error) {
				if p.ICCID == "" || p.Configured != "sim-a" {
					t.Errorf("asked for the name of %+v", p)
				}
				return tt.name, "", nil
			}
			bubble(t, sim.NetworkOptions{}, sim.Options{PIN: tt.given}, c, func(b *bench) {
				b.run()
				b.within(time.Minute, "ready", func(f modem.Facts) bool { return f.State() == modem.Ready && f.SIM == tt.name })
				if all, own := b.log.count("AT+CPIN="), b.log.count(`AT+CPIN="`+tt.given+`"`); all != 1 || own != 1 {
					b.t.Errorf("of %d PINs given %d were its own", all, own)
				}
			})
		})
	}
}

// TestPINAfterExchange: another SIM in the slot gets its chance, and the one that
// did not take the PIN gets no second one, though others were ready meanwhile; nor
// from the next process.
func TestPINAfterExchange(t *testing.T) {
	pins := filepath.Join(t.TempDir(), "pins")
	c := modem.Config{PIN: "1111", PINs: modem.NewPINs(pins)}
	bubble(t, sim.NetworkOptions{}, sim.Options{PIN: "9999"}, c, func(b *bench) {
		is := func(step string, state modem.State, given int) {
			b.t.Helper()
			b.within(2*time.Minute, string(state), func(f modem.Facts) bool { return f.State() == state })
			if got := b.log.count("AT+CPIN="); got != given {
				b.t.Fatalf("%s: %d PINs were given, want %d", step, got, given)
			}
		}
		swap := func(in *sim.SIM) (out *sim.SIM) {
			out = b.sim.Swap(0, nil)
			time.Sleep(20 * time.Second)
			b.sim.Swap(0, in)
			time.Sleep(20 * time.Second)
			return out
		}
		b.run()
		is("a foreign SIM", modem.PINWrong, 1)
		foreign := swap(b.net.Issue(sim.Card{PIN: "1111"}))
		is("the right one", modem.Ready, 2)
		swap(foreign)
		is("the foreign one again", modem.PINWrong, 2)
		b.stop()
		b.again(c)
		b.run()
		is("the next process", modem.PINWrong, 2)
		if info, err := os.Stat(pins); err != nil || info.Size() > 120 {
			b.t.Errorf("what is remembered: %v, %v", info, err)
		}
		swap(b.net.Issue(sim.Card{}))
		is("one without a PIN", modem.Ready, 2)
	})
}

// TestLastTryLeft: the last try is left to a person, even with a PIN that was
// never given.
func TestLastTryLeft(t *testing.T) {
	for left, want := range map[string]modem.State{"1": modem.PINWrong, "2": modem.Ready} {
		t.Run(left, func(t *testing.T) {
			t.Parallel()
			bubble(t, sim.NetworkOptions{}, sim.Options{PIN: "1111"}, modem.Config{PIN: "1111"}, func(b *bench) {
				// The simulator lacks AT+CPINR: another question stands in for it.
				b.wire.change(replace(`AT+CPINR="SIM PIN"`, "AT+CRC?"), replace("+CRC: 0", "+CPINR: SIM PIN,"+left+",3"))
				b.run()
				b.within(time.Minute, string(want), func(f modem.Facts) bool { return f.State() == want })
				if given := b.log.count("AT+CPIN="); (given > 0) != (want == modem.Ready) {
					b.t.Errorf("the PIN was given %d times", given)
				}
			})
		})
	}
}
