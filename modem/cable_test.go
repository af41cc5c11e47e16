package modem_test

import (
	"regexp"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/at"
	"cellpost/modem/sim"
)

// TestCable: the port is opened as configured, and the module is told of RTS and
// CTS where the cable has them, and only there: else it would wait for ever.
func TestCable(t *testing.T) {
	for _, tt := range []struct {
		name, profile string
		mode          at.Mode
		opened        string
		told          int    // how often
		command       string // of it
	}{
		{"TC35", "tc35", at.Mode{Baud: 9600, RTSCTS: true}, "opened with {Baud:9600 RTSCTS:true}", 1, `AT\Q3`},
		{"TC35, two wires", "tc35", at.Mode{Baud: 9600}, "opened with {Baud:9600 RTSCTS:false}", 0, `AT\Q3`},
		{"another", "", at.Mode{RTSCTS: true}, "opened with {Baud:0 RTSCTS:true}", 1, "AT+IFC=2,2"},
		{"another, two wires", "", at.Mode{}, "opened with {Baud:0 RTSCTS:false}", 0, "AT+IFC=2,2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, sim.NetworkOptions{}, sim.Options{Profile: tt.profile}, modem.Config{Mode: tt.mode}, func(b *bench) {
				b.run()
				b.readyIn(0, time.Minute)
				if n := b.log.count(tt.command); n != tt.told {
					t.Errorf("%s was sent %d times, want %d", tt.command, n, tt.told)
				}
				if b.log.count(tt.opened) != 1 {
					t.Errorf("not %s", tt.opened)
				}
			})
		})
	}
}

// TestBogusICCID: a SIM or reader that has no number of its own is not known by it.
func TestBogusICCID(t *testing.T) {
	iccid := regexp.MustCompile(`89\d{17,18}F?`)
	bubble(t, sim.NetworkOptions{}, sim.Options{}, modem.Config{}, func(b *bench) {
		b.wire.change(nil, func(s string) string { return iccid.ReplaceAllString(s, "0000000000000000000") })
		b.run()
		b.readyIn(0, time.Minute)
		if f := b.m.Facts(); f.ICCID != "" || f.IMSI == "" {
			t.Errorf("ICCID %q, IMSI %q", f.ICCID, f.IMSI)
		}
	})
}
