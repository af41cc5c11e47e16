package test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/smtp"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cellpost/modem/sim"
	"cellpost/queue"
)

const (
	bounded = 20 // crashes, unless the environment variable CRASHES says how many
	perAct  = 50 // crashes of one gateway, before it is judged
	acts    = 3  // at a time
)

// TestCrash kills the gateway again and again under load, or cuts its power, which
// leaves on the disk only what was made durable (see [disk]). Then the network and
// the handsets judge: what was answered with 250 was sent, or waits for a person and
// says so; what was sent twice is flagged; what was acknowledged to the network is
// stored, once.
func TestCrash(t *testing.T) {
	t.Parallel()
	crashes := bounded
	if s := os.Getenv("CRASHES"); s != "" {
		var err error
		if crashes, err = strconv.Atoi(s); err != nil || crashes < 1 {
			t.Fatalf("CRASHES=%s is no number of crashes", s)
		}
	}
	seed := uint64(time.Now().UnixNano())
	lib, began := recorder(t), time.Now()
	var mu sync.Mutex // guards all
	all := tally{}
	places := make(chan struct{}, acts)
	t.Run("acts", func(t *testing.T) {
		for first := 0; first < crashes; first += perAct {
			t.Run(strconv.Itoa(first), func(t *testing.T) {
				t.Parallel()
				places <- struct{}{}
				defer func() { <-places }()
				a := newAct(t, lib, rand.New(rand.NewPCG(seed, uint64(first))))
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					all.add(a.tally)
				}()
				for i := range min(perAct, crashes-first) {
					a.crash(i)
				}
				a.judge()
			})
		}
	})
	t.Logf("seed %d, %s\n%s", seed, time.Since(began).Round(time.Second), all)
	if all["power cuts"] > 1 && all["fsyncs before them"] == 0 {
		t.Error("no fsync was recorded: is the binary statically linked?")
	}
	if all[accepted] < crashes {
		t.Errorf("only %d messages were accepted: that is no load", all[accepted])
	}
}

// act is one gateway with its network, in all its crashes.
type act struct {
	*world
	lib    string
	random *rand.Rand // of whoever crashes the gateway
	steps  int        // on the disk, that one process made: the most so far
	tally  tally

	mu        sync.Mutex      // guards the rest
	told      map[copied]bool // that it was accepted
	cancelled map[string]bool // by ID: the gateway confirmed it
	inbound   []string        // texts that handsets sent
}

// copied is what is sent to one number.
type copied struct{ tag, to string }

func newAct(t *testing.T, lib string, random *rand.Rand) *act {
	return &act{
		world: newWorld(t, setting{
			modems:  4,
			options: sim.Options{AirTime: 30 * time.Millisecond, Boot: 100 * time.Millisecond, KeepReports: true},
			send:    "prompt_timeout = \"1s\"\nresult_timeout = \"2s\"\nunknown_wait = \"300ms\"",
		}),
		lib: lib, random: random, steps: 300, tally: tally{},
		told: map[copied]bool{}, cancelled: map[string]bool{},
	}
}

// crash lets the gateway run for a while and ends it.
func (a *act) crash(i int) {
	a.t.Helper()
	if i%2 == 0 {
		a.run(i)
		a.tally["kills"]++
		return
	}
	d, err := newDisk(filepath.Join(a.dir, "data", "cellpost.db"), filepath.Join(a.dir, "disk"))
	if err != nil {
		a.t.Fatal(err)
	}
	at := 0
	if a.random.IntN(2) == 0 { // every write and fsync is a moment, too
		at = 1 + a.random.IntN(a.steps)
	}
	a.run(i, d.environment(a.lib, at)...)
	f := fate(a.random.IntN(int(fates)))
	if err := d.cut(f, a.random); err != nil {
		a.t.Fatalf("power cut: %v", err)
	}
	a.steps = max(a.steps, d.steps)
	a.tally["fsyncs before them"] += d.syncs
	a.tally["power cuts"]++
	a.tally[cutName(f)]++
	if a.random.IntN(4) == 0 { // some boards feed their modems
		for _, m := range a.modems {
			m.Reboot()
		}
	}
}

// run starts the gateway, loads it and kills it at some moment.
func (a *act) run(i int, env ...string) {
	a.t.Helper()
	g := a.launch(env...)
	var load sync.WaitGroup
	for s := range 2 {
		random := a.another()
		load.Go(func() { a.mails(g, i, s, random) })
	}
	handsets, cancels := a.another(), a.another()
	load.Go(func() { a.handsets(g, i, handsets) })
	load.Go(func() { a.cancels(g, cancels) })
	stopped := a.moment(g)
	g.kill()
	load.Wait()
	if killed := g.ProcessState.Sys().(syscall.WaitStatus).Signaled(); !killed && !(stopped && g.ProcessState.Success()) {
		a.t.Fatalf("the gateway ended by itself (%s):\n%s", g.ProcessState, g.log)
	}
}

// another is chance for somebody else.
func (a *act) another() *rand.Rand {
	return rand.New(rand.NewPCG(a.random.Uint64(), a.random.Uint64()))
}

// moment returns when the gateway is to be killed, or is gone. It has perhaps been
// asked to stop.
func (a *act) moment(g *gateway) (stopped bool) {
	a.t.Helper()
	kind := a.random.IntN(6)
	if kind == 0 { // while it starts
		g.wait(a.upTo(500 * time.Millisecond))
		return false
	}
	if !g.isReady() {
		return false
	}
	switch kind {
	case 1: // while it stops
		g.wait(a.upTo(500 * time.Millisecond))
		g.Process.Signal(os.Interrupt)
		g.wait(a.upTo(200 * time.Millisecond))
		return true
	case 2, 3: // with a modem at work: a slow machine may not get as far by itself
		before := len(a.network.Ledger())
		for len(a.network.Ledger()) == before && g.wait(10*time.Millisecond) {
		}
	}
	g.wait(a.upTo(time.Second))
	return false
}

func (a *act) upTo(d time.Duration) time.Duration { return time.Duration(a.random.Int64N(int64(d))) }

// isReady waits until the gateway is ready; false: it is gone.
func (g *gateway) isReady() bool {
	g.t.Helper()
	select {
	case <-g.ready:
		return true
	case <-g.silent:
	case <-time.After(2 * patience):
		g.t.Errorf("the gateway is not ready:\n%s", g.log)
	}
	return false
}

// wait waits for a time; false: the gateway is gone.
func (g *gateway) wait(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-g.silent:
		return false
	}
}

// perRound is how many mails each sender offers, and mostly fewer.
const perRound = 20

// mails offers mails until the gateway is gone or has enough, and notes what was
// accepted.
func (a *act) mails(g *gateway, round, sender int, random *rand.Rand) {
	if !g.isReady() {
		return
	}
	c, err := smtp.Dial(a.smtp)
	if err != nil {
		return
	}
	defer c.Close()
	for i := range perRound {
		tag := fmt.Sprintf("#%d.%d.%d#", round, sender, i)
		// One sender writes to one number alone, as alarms do: then neither number
		// nor reference tells its messages apart.
		to, lines := []string{fmt.Sprintf("4483112%05d", sender*i)}, []string{"text:" + tag}
		switch random.IntN(12) {
		case 0:
			to = append(to, "447700900001")
		case 1:
			lines = []string{"text:" + strings.Repeat(tag+" ", 30), "concat:3"}
		case 2:
			lines = append(lines, "deliv_time:600")
		case 3:
			to = []string{refused + "001"}
		}
		if round%25 == sender && i == 0 { // more than the store takes in at a time
			for n := range queue.LargeBatch {
				to = append(to, fmt.Sprintf("4483113%05d", n))
			}
		}
		for _, number := range to {
			lines = append(lines, "to:"+number)
		}
		if deliver(c, script(lines...)) != nil {
			return
		}
		a.mu.Lock()
		for _, number := range to {
			a.told[copied{tag, number}] = true
		}
		a.mu.Unlock()
		if !g.wait(time.Duration(random.IntN(60)) * time.Millisecond) {
			return
		}
	}
}

// refused is how numbers begin that the network refuses for good: see package sim.
const refused = "99900028"

// handsets sends messages to the SIMs, some while there is no gateway.
func (a *act) handsets(g *gateway, round int, random *rand.Rand) {
	for i := range 3 {
		text := fmt.Sprintf("in %d.%d.", round, i)
		if random.IntN(4) == 0 {
			text = strings.Repeat(text, 20) // two parts
		}
		to := a.modems[random.IntN(len(a.modems))].Options().Cards[0].MSISDN
		if err := a.network.Send(to, fmt.Sprintf("4479110000%02d", i), text); err != nil {
			a.t.Error(err)
			return
		}
		a.mu.Lock()
		a.inbound = append(a.inbound, text)
		a.mu.Unlock()
		g.wait(time.Duration(random.IntN(500)) * time.Millisecond)
	}
}

// cancels cancels messages, as a person does who picks one from a list.
func (a *act) cancels(g *gateway, random *rand.Rand) {
	if !g.isReady() {
		return
	}
	for g.wait(time.Duration(random.IntN(300)) * time.Millisecond) {
		state := []string{"scheduled", "queued", "unknown"}[random.IntN(3)]
		var list []message
		resp, err := a.client.Get("http://cellpost/v1/messages?limit=20&state=" + state)
		if !answered(resp, err, &list) || len(list) == 0 {
			continue
		}
		var m message
		resp, err = a.client.Post("http://cellpost/v1/messages/"+list[random.IntN(len(list))].ID+"/cancel", "", http.NoBody)
		if answered(resp, err, &m) && m.State == "cancelled" {
			a.mu.Lock()
			a.cancelled[m.ID] = true
			a.mu.Unlock()
		}
	}
}

// answered reads an answer of a gateway that may die meanwhile; false: it is none, or
// a no.
func answered(resp *http.Response, err error, answer any) bool {
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(answer) == nil
}
