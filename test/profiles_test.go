package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"cellpost/ingress/httpd"
	"cellpost/modem/at"
	"cellpost/modem/sim"
)

// TestProfiles: each family of modules sends, reports, receives, and is unplugged
// in the middle of a hand-over.
func TestProfiles(t *testing.T) {
	t.Parallel()
	for name, profile := range families {
		if !strings.Contains(strings.Join(sim.Profiles(), " "), name) {
			t.Errorf("%s (%s) is not simulated", name, profile.name)
		}
	}
	for _, name := range sim.Profiles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			liveWith(t, name)
		})
	}
}

// family is what the gateway makes of a simulated module: its profile, and what
// it agrees on with it.
type family struct{ name, reception, setup string }

const (
	acknowledged = ", acknowledged with AT+CNMA"
	onlySM       = ", messages stored in SM, looked through: SM"
	withME       = onlySM + ", ME"
	withAll      = withME + ", SR"
)

// families are the profiles of the simulated modules.
var families = map[string]family{
	"sim900":    {"sim800", "+CNMI=2,1,0,1,0", withME},
	"e220":      {"huawei-e220", "+CNMI=2,1,0,2,0", withME + acknowledged},
	"e3372":     {"huawei-e3372", "+CNMI=2,1,0,2,0", withME + acknowledged},
	"mf190":     {"zte", "+CNMI=1,1,0,1,0", withME + acknowledged},
	"sim800l":   {"sim800", "+CNMI=2,1,0,1,0", withME},
	"sim7600":   {"sim7600", "+CNMI=2,1,0,1,0", withAll + acknowledged},
	"ec25":      {"quectel-ec25", "+CNMI=2,1,0,1,0", withAll + acknowledged},
	"eg06":      {"quectel-eg06", "+CNMI=2,1,0,1,0", withAll + acknowledged},
	"tc35":      {"siemens-tc35", "+CNMI=3,2,0,1,1", withME + acknowledged},
	"wavecom":   {"wavecom", "+CNMI=2,1,0,2,0", onlySM + ", SR" + acknowledged},
	"sara-r4":   {"ublox-sara-r4", "+CNMI=2,1,0,1,0", withAll + acknowledged},
	"msm":       {"qualcomm", "+CNMI=1,1,0,1,0", withAll + acknowledged},
	"e1750":     {"huawei-e1750", "+CNMI=2,1,0,2,0", withME + acknowledged},
	"m66-ds":    {"quectel-m66-ds", "+CNMI=2,2,0,1,0", withME + acknowledged},
	"dual-csus": {"dual-csus", "+CNMI=2,2,0,1,0", withAll + acknowledged},
}

// liveWith runs a gateway with one module of a family.
func liveWith(t *testing.T, name string) {
	const n = 20
	w := newWorld(t, setting{
		modems: 1,
		options: sim.Options{
			Profile: name, MSISDN: "447700900001", AirTime: 20 * time.Millisecond, Slow: 500 * time.Millisecond,
			Ready: time.Second, Register: 2 * time.Second, KeepReports: true, // should it be registered before it is told what to do with them
		},
		send: "prompt_timeout = \"2s\"\nresult_timeout = \"3s\"\nunknown_wait = \"2s\"",
	})
	w.start()
	w.submit(0, n)
	w.took(n)
	w.settle(n, delivered)
	w.once(n)
	w.checkSetup(families[name])

	text := strings.TrimSpace(strings.Repeat("pump 3 has stopped and nobody knows why. ", 10)) // 3 parts
	if err := w.network.Send("447700900001", "447700900123", text); err != nil {
		t.Fatal(err)
	}
	w.received(text, 3)

	for i, taken := range []bool{true, false} {
		w.modems[0].Inject(sim.Fault{Kind: sim.HangUp, For: time.Second, Taken: taken})
		w.submit(n+i, n+i+1)
		w.settle(n+i+1, delivered)
	}
	w.submit(n+2, n+3)
	w.checkMatched(w.settle(n+3, delivered))
	w.received(text, 3)
	w.checkSetup(families[name])
}

// checkSetup looks what the gateway says of the module.
func (w *world) checkSetup(want family) {
	w.t.Helper()
	got := ask[httpd.Modem](w.control, "/v1/modems/m0")
	setup := strings.Join(got.Setup, ", ")
	if got.Profile != want.name || got.Reception != want.reception || setup != want.reception+want.setup {
		w.t.Errorf("modem m0: %s, %s, set up: %s\nwant %s, %s, %s", got.Profile, got.Reception, setup, want.name, want.reception, want.reception+want.setup)
	}
}

// checkMatched looks that messages were reported, and that each was taken once,
// or is called a possible duplicate.
func (w *world) checkMatched(list []message) {
	w.t.Helper()
	taken := map[string]int{}
	for _, e := range w.network.Ledger() {
		taken[e.Submit.UserData.Text(e.Submit.DCS)]++
	}
	for _, m := range w.peruse(list) {
		if m.Status != "004" || !strings.Contains(m.events(), "report") {
			w.t.Errorf("%q: status %s, timeline %s", m.Text, m.Status, m.events())
		}
		switch c := taken[m.Text]; {
		case c == 0, c > 1 && !m.Duplicate, c > 2:
			w.t.Errorf("%q was taken %d times, possible duplicate %v: %s", m.Text, c, m.Duplicate, m.events())
		case m.tries() > 1 || m.Duplicate:
			w.t.Logf("%q was taken %d times, possible duplicate %v: %s", m.Text, c, m.Duplicate, m.events())
		}
	}
}

// TestStoredReports: reports that came while the gateway was down, and lie in the
// memory of the module, are matched after its start. So are those that come after
// it. They come from another service centre, and name their numbers as one dials
// them at home.
func TestStoredReports(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		options sim.Options
		replug  bool // while the gateway is down: what the module was told is gone
	}{
		{name: "announced", options: sim.Options{Profile: "wavecom"}},
		{name: "unsaid", options: sim.Options{KeepReports: true}, replug: true},
		{name: "unsaid, listed one by one", options: sim.Options{KeepReports: true, Profile: "eg06"}, replug: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const n, delay = 12, 5 * time.Second
			w := newWorld(t, setting{
				modems: 1, options: tt.options,
				network: sim.NetworkOptions{ReportDelay: delay, ReportFrom: "447802000332", National: "44"},
			})
			g := w.start()
			w.submit(0, n)
			w.took(n)
			sent := func(m message) bool { return m.State == "sent" || m.State == "delivered" }
			w.settle(n, sent)
			g.stop(t)
			if tt.replug {
				w.modems[0].Replug()
			}
			w.stored(n)
			if sent := strings.Count(w.cellpost("queue", "list", "--json", "--state", "sent"), "\n"); sent != n {
				t.Fatalf("%d messages are sent: the test is too slow", sent)
			}

			w.start()
			w.checkMatched(w.settle(n, delivered))
			w.submit(n, n+2) // the memory has room again, and is watched
			w.checkMatched(w.settle(n+2, delivered))
			w.once(n + 2)
		})
	}
}

// stored waits until the module keeps n reports that nobody has read. It asks the
// module, as nobody else does.
func (w *world) stored(n int) {
	w.t.Helper()
	var port io.ReadWriteCloser
	var err error
	await(patience, func() bool {
		port, err = at.Open(w.dir+"/m0", at.Mode{})
		return !errors.Is(err, fs.ErrNotExist) // it is being plugged in
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	d := at.New(port, at.Config{})
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { d.Run(ctx) })
	if err := d.Resync(ctx); err != nil {
		w.t.Fatal(err)
	}
	var info []string
	ok := await(patience, func() bool {
		info, err = d.Command(ctx, `+CPMS="SR"`, patience)
		return err != nil || strings.Contains(strings.Join(info, "\n"), fmt.Sprintf("+CPMS: %d,", n))
	})
	if err != nil || !ok {
		w.t.Fatalf("the module keeps %q: %v", info, err)
	}
}
