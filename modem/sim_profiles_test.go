package modem_test

import (
	"testing"

	"cellpost/modem"
	"cellpost/modem/sim"
)

// TestSimulatedFamilies: what each simulated module says of itself leads to the
// family that is meant, past all that it says besides, and the two agree on USSD
// and on the command for slots.
func TestSimulatedFamilies(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"sim900":    "sim800",
		"e220":      "huawei-e220",
		"e3372":     "huawei-e3372",
		"mf190":     "zte",
		"sim800l":   "sim800",
		"sim7600":   "sim7600",
		"ec25":      "quectel-ec25",
		"eg06":      "quectel-eg06",
		"tc35":      "siemens-tc35",
		"wavecom":   "wavecom",
		"sara-r4":   "ublox-sara-r4",
		"msm":       "qualcomm",
		"e1750":     "huawei-e1750",
		"m66-ds":    "quectel-m66-ds",
		"dual-csus": "dual-csus",
	}
	if got := len(sim.Profiles()); got != len(want) {
		t.Errorf("%d profiles, want %d", got, len(want))
	}
	for _, name := range sim.Profiles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, sim.NewNetwork(sim.NetworkOptions{}), sim.Options{Profile: name}, modem.Config{})
			f := b.await("known", func(f modem.Facts) bool { return f.Profile != "" })
			if f.Profile != want[name] {
				t.Errorf("%q %q %q is taken for %s, want %s", f.Manufacturer, f.Model, f.Revision, f.Profile, want[name])
			}
			family, _ := families(t).Named(want[name])
			o := b.sim.Options()
			if string(family.USSD) != o.USSD {
				t.Errorf("the family wants USSD as %q, the module as %q", family.USSD, o.USSD)
			}
			if o.SlotCommand != "" && (family.Slots == nil || family.Slots.Query != o.SlotCommand+"?") {
				t.Errorf("the family has slots %+v, the module %s", family.Slots, o.SlotCommand)
			}
		})
	}
}
