package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cellpost/modem/at"
	"cellpost/modem/sim"
)

// worldsAtOnce is how many worlds of one modem run at a time: each waits more
// than it computes.
const worldsAtOnce = 6

// TestProfiles: each family of modules sends, reports, receives, and is unplugged
// in the middle of a hand-over.
func TestProfiles(t *testing.T) {
	for name, profile := range families {
		if !strings.Contains(strings.Join(sim.Profiles(), " "), name) {
			t.Errorf("%s (%s) is not simulated", name, profile.name)
		}
	}
	var worlds sync.WaitGroup
	defer worlds.Wait()
	seats := make(chan struct{}, worldsAtOnce)
	for _, name := range sim.Profiles() {
		seats <- struct{}{}
		worlds.Go(func() {
			defer func() { <-seats }()
			t.Run(name, func(t *testing.T) { liveWith(t, name) })
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
	w.allDelivered(n)
	w.once(n)
	w.checkSetup(families[name])

	text := strings.TrimSpace(strings.Repeat("pump 3 has stopped and nobody knows why. ", 10)) // 3 parts
	if err := w.network.Send("447700900001", "447700900123", text); err != nil {
		t.Fatal(err)
	}
	w.received(text)

	for i, taken := range []bool{true, false} {
		w.modems[0].Inject(sim.Fault{Kind: sim.HangUp, For: time.Second, Taken: taken})
		w.submit(n+i, n+i+1)
		w.allDelivered(n + i + 1)
	}
	w.submit(n+2, n+3)
	w.checkMatched(w.allDelivered(n + 3))
	w.received(text)
	w.checkSetup(families[name])
}

// took waits until the network has taken n messages.
func (w *world) took(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.network.WaitFor(ctx, func(ledger []sim.Entry) bool { return len(ledger) >= n }); err != nil {
		w.t.Fatalf("%d of %d messages were taken; modems:\n%s", len(w.network.Ledger()), n, w.cellpost("modem", "show", "m0"))
	}
}

// allDelivered waits until n messages are delivered, and returns all there are. It
// asks the control socket itself: a verb for each look would keep the machine busy.
func (w *world) allDelivered(n int) []message {
	w.t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", filepath.Join(w.dir, "data", "control.sock"))
	}}}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		resp, err := client.Get("http://cellpost/v1/messages?limit=1000")
		if err != nil {
			w.t.Fatal(err)
		}
		var list []message
		err = json.NewDecoder(resp.Body).Decode(&list)
		resp.Body.Close()
		if err != nil {
			w.t.Fatal(err)
		}
		if len(list) >= n && !slices.ContainsFunc(list, func(m message) bool { return !delivered(m) }) {
			return list
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not %d messages are delivered: %+v\n%s", n, list, w.cellpost("modem", "show", "m0"))
		}
	}
}

// checkSetup looks what modem show says of the module.
func (w *world) checkSetup(want family) {
	w.t.Helper()
	var got struct {
		Profile, Reception string
		Setup              []string
	}
	if err := json.Unmarshal([]byte(w.cellpost("modem", "show", "m0", "--json")), &got); err != nil {
		w.t.Fatal(err)
	}
	setup := strings.Join(got.Setup, ", ")
	if got.Profile != want.name || got.Reception != want.reception || setup != want.reception+want.setup {
		w.t.Errorf("modem show: %s, %s, set up: %s\nwant %s, %s, %s", got.Profile, got.Reception, setup, want.name, want.reception, want.reception+want.setup)
	}
}

// received waits until the inbox holds a text, whole, and looks that it holds
// nothing else.
func (w *world) received(text string) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		var in []struct {
			Text    string
			Parts   int
			Missing []int
		}
		for dec := json.NewDecoder(strings.NewReader(w.cellpost("inbox", "--json"))); ; {
			var m struct {
				Text    string
				Parts   int
				Missing []int
			}
			if err := dec.Decode(&m); err == io.EOF {
				break
			} else if err != nil {
				w.t.Fatal(err)
			}
			in = append(in, m)
		}
		if len(in) == 1 && in[0].Text == text && in[0].Parts == 3 && len(in[0].Missing) == 0 {
			return
		}
		if len(in) > 1 || time.Now().After(deadline) {
			w.t.Fatalf("inbox: %+v", in)
		}
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
			const n, delay = 12, 3 * time.Second
			w := newWorld(t, setting{
				modems: 1, options: tt.options,
				network: sim.NetworkOptions{ReportDelay: delay, ReportFrom: "447802000332", National: "44"},
			})
			g := w.start()
			w.submit(0, n)
			w.took(n)
			sent := func(m message) bool { return m.State == "sent" || m.State == "delivered" }
			w.settle(sent)
			g.stop(t)
			if tt.replug {
				w.modems[0].Replug()
			}
			w.stored(n)
			for _, m := range w.list() {
				if m.State != "sent" {
					t.Fatalf("%q is %s: the test is too slow", m.Text, m.State)
				}
			}

			w.start()
			w.checkMatched(w.allDelivered(n))
			w.submit(n, n+2) // the memory has room again, and is watched
			w.checkMatched(w.allDelivered(n + 2))
			w.once(n + 2)
		})
	}
}

// stored waits until the module keeps n reports that nobody has read. It asks the
// module, as nobody else does.
func (w *world) stored(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	port, err := at.Open(w.dir+"/m0", 115200)
	for ; errors.Is(err, fs.ErrNotExist) && ctx.Err() == nil; port, err = at.Open(w.dir+"/m0", 115200) {
		<-tick.C // it is being plugged in
	}
	if err != nil {
		w.t.Fatal(err)
	}
	d := at.New(port, at.Config{})
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { d.Run(ctx) })
	if err := d.Resync(ctx); err != nil {
		w.t.Fatal(err)
	}
	for {
		info, err := d.Command(ctx, `+CPMS="SR"`, patience)
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.Contains(strings.Join(info, "\n"), fmt.Sprintf("+CPMS: %d,", n)) {
			return
		}
	}
}
