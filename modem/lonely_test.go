package modem_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/sim"
)

// TestNoNetworkForHours: a module that finds no network climbs the ladder, also one
// whose radio is not to be switched, and ever more seldom.
func TestNoNetworkForHours(t *testing.T) {
	registered := regexp.MustCompile(`(\+C[EG]?REG: (?:\d,)?)[15]\r`)
	for _, family := range []string{"", "tc35"} {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			c := short
			power := 0
			c.Steps = []modem.Step{{Name: "power", Do: func(context.Context) error { power++; return nil }, Settle: 5 * time.Second}}
			bubble(t, sim.NetworkOptions{}, sim.Options{Profile: family}, c, func(b *bench) {
				b.run()
				b.readyIn(0, time.Minute)
				b.wire.change(nil, func(s string) string { return registered.ReplaceAllString(s, "${1}2\r") })
				b.sim.Reboot()
				time.Sleep(6 * time.Hour) // after one, and after two more
				rungs := strings.Count(b.log.String(), "msg=recovery")
				if rungs != 2 || power != 1 {
					t.Errorf("%d rungs, power cut %d times", rungs, power)
				}
				if state := b.m.Facts().State(); state != modem.Searching {
					t.Errorf("%s", state)
				}
				b.wire.change(nil, nil)
				b.readyIn(0, time.Minute)
			})
		})
	}
}

// TestNoSIMForHours: a module that finds a SIM which is put in late only when its
// radio comes on gets that chance now and then.
func TestNoSIMForHours(t *testing.T) {
	bubble(t, sim.NetworkOptions{}, sim.Options{Profile: "sim800l"}, short, func(b *bench) {
		b.sim.Strike(sim.Fault{Kind: sim.NoSIM})
		b.run()
		time.Sleep(2 * time.Hour)
		if n := b.log.count("AT+CFUN="); n < 8 || n > 18 || b.m.Facts().State() != modem.NoSIM {
			t.Errorf("the radio was switched %d times; %s", n, b.m.Facts().State())
		}
	})
}

// TestNotLeftOut: what there is no service without is sent again, though the module
// did not answer it twice.
func TestNotLeftOut(t *testing.T) {
	c := short
	c.SMSC = "+447785016005"
	bubble(t, sim.NetworkOptions{}, sim.Options{Profile: "e220", Cards: []sim.Card{{SMSC: "+447785000001"}}}, c, func(b *bench) {
		lost := 0
		b.wire.change(func(s string) string {
			if strings.Contains(s, "AT+CSCA=") && lost < 3 {
				lost++
				return ""
			}
			return s
		}, nil)
		b.run()
		b.readyIn(0, 5*time.Minute)
		if lost != 3 {
			t.Errorf("%d were lost", lost)
		}
	})
}
