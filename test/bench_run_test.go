package test

import (
	octets "encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cellpost/modem/sim"
)

// run is what is measured in one go.
type run struct {
	modems    int
	air       time.Duration
	stock     *stock // what is queued
	keep      bool   // the run works on the stock itself, not on a copy of it
	startOnly bool   // nothing but the time to be ready
}

// figures are the results of a run.
type figures struct {
	run
	ready             time.Duration // from the start of the process
	rate              float64       // messages a second
	onAir             float64       // share of the time that the modems had a message on the air
	gapMedian, gapP99 time.Duration
	commands          float64       // command lines for a message
	cpu               time.Duration // for a message, of the gateway alone
	written           float64       // octets for a message, in whole pages of the page cache
	wal               float64       // octets of the write-ahead log for a message
	commits           float64       // for a message
	rss               float64       // octets, at the most
}

// heard are the times of the AT+CMGS of one modem.
type heard struct {
	mu    sync.Mutex // guards times
	times []time.Time
}

func (h *heard) add(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.times = append(h.times, at)
}

func (h *heard) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.times)
}

// between returns those of a span of time.
func (h *heard) between(from, to time.Time) []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.times), func(t time.Time) bool { return t.Before(from) || t.After(to) })
}

// warm is how many messages each modem has to hand over before the measuring.
const warm = 3

func (t *table) run(r run) figures {
	b := t.b
	all := make([]heard, r.modems)
	s := setting{modems: r.modems, more: "[store]\nsnapshot = \"0s\"\n", network: sim.NetworkOptions{History: 1000}, options: sim.Options{AirTime: r.air}}
	s.each = func(i int, o *sim.Options) { o.Heard = all[i].add }
	w, done := t.world(s, r)
	defer done()
	f := figures{run: r}
	began := time.Now()
	g := w.start()
	f.ready = time.Since(began)
	if !r.startOnly {
		if !await(5*patience, func() bool {
			return !slices.ContainsFunc(addresses(all), func(h *heard) bool { return h.count() < warm })
		}) {
			b.Fatalf("the modems do not send; log of the gateway:\n%s", g.log)
		}
		f.measure(b, w, g, all, t.measured(r.air))
	}
	g.stop(b)
	return f
}

func addresses[T any](list []T) []*T {
	var all []*T
	for i := range list {
		all = append(all, &list[i])
	}
	return all
}

// measure watches the gateway for a time.
func (f *figures) measure(b *testing.B, w *world, g *gateway, all []heard, during time.Duration) {
	var gapsBefore []int
	commands, handovers := 0, 0
	for _, m := range w.modems {
		c := m.Counters()
		commands, handovers = commands-c.Commands, handovers-c.HandOvers
		gapsBefore = append(gapsBefore, len(m.Gaps()))
	}
	log := watchWAL(b, filepath.Join(w.dir, "data", "cellpost.db-shm"))
	pid := g.Process.Pid
	cpu, written := cpuTime(b, pid), writeBytes(b, pid)
	from := time.Now()
	time.Sleep(during)
	to := time.Now()
	cpu, written = cpuTime(b, pid)-cpu, writeBytes(b, pid)-written
	frames, commits := log.stop()
	var gaps []time.Duration
	for i, m := range w.modems {
		c := m.Counters()
		commands, handovers = commands+c.Commands, handovers+c.HandOvers
		gaps = append(gaps, m.Gaps()[gapsBefore[i]:]...)
	}
	if handovers == 0 || len(gaps) == 0 {
		b.Fatalf("nothing was sent; log of the gateway:\n%s", g.log)
	}
	f.gapMedian, f.gapP99 = quantile(gaps, 0.5), quantile(gaps, 0.99)
	n := float64(handovers)
	f.commands, f.cpu = float64(commands)/n, cpu/time.Duration(handovers)
	f.written, f.wal, f.commits = float64(written)/n, float64(frames)*walFrame/n, float64(commits)/n
	f.rss = peak(b, pid)
	f.pace(all, from, to)
}

// pace computes the rate by whole cycles, from one AT+CMGS to the next: where the
// time begins and ends within a hand-over makes no difference.
func (f *figures) pace(all []heard, from, to time.Time) {
	for i := range all {
		times := all[i].between(from, to)
		if len(times) < 2 {
			continue
		}
		cycles := float64(len(times) - 1)
		span := times[len(times)-1].Sub(times[0]).Seconds()
		f.rate += cycles / span
		f.onAir += cycles * f.air.Seconds() / span / float64(len(all))
	}
}

// cpuTime is what the threads of a process have computed, to the nanosecond.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	var t unix.Timespec
	// CPUCLOCK_SCHED of the process; see clock_getcpuclockid(3).
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// writeBytes is how much a process has caused to be written to disks.
func writeBytes(b *testing.B, pid int) int {
	b.Helper()
	return procNumber(b, pid, "io", "write_bytes:")
}

// peak is the most memory that was resident, in octets.
func peak(b *testing.B, pid int) float64 {
	b.Helper()
	return float64(procNumber(b, pid, "status", "VmHWM:")) * 1024
}

// procNumber reads a number from a file of /proc/PID.
func procNumber(b *testing.B, pid int, file, name string) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n"+name)
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// wal watches the index of a write-ahead log, which begins anew at times: where
// and with what, see "The WAL-Index File Format" of SQLite.
type wal struct {
	b       *testing.B
	file    *os.File
	end     chan struct{}
	done    sync.WaitGroup
	frames  int
	commits uint32
}

const (
	walFrame   = 4096 + 24 // a page and its header
	walLook    = 2 * time.Millisecond
	shmChange  = 8  // counts commits
	shmMaximum = 16 // number of the last frame
)

func watchWAL(b *testing.B, shm string) *wal {
	b.Helper()
	file, err := os.Open(shm)
	if err != nil {
		b.Fatal(err)
	}
	l := &wal{b: b, file: file, end: make(chan struct{})}
	change, last := l.look()
	l.commits = change
	l.done.Go(func() {
		tick := time.NewTicker(walLook)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_, last = l.grown(last)
			case <-l.end:
				change, last = l.grown(last)
				l.commits = change - l.commits
				return
			}
		}
	})
	return l
}

// grown counts the frames that have come since the last look.
func (l *wal) grown(last uint32) (change, now uint32) {
	change, now = l.look()
	if now < last {
		last = 0
	}
	l.frames += int(now - last)
	return change, now
}

func (l *wal) look() (change, last uint32) {
	head := make([]byte, 24)
	if _, err := l.file.ReadAt(head, 0); err != nil {
		l.b.Error(err)
	}
	return octets.NativeEndian.Uint32(head[shmChange:]), octets.NativeEndian.Uint32(head[shmMaximum:])
}

func (l *wal) stop() (frames int, commits uint32) {
	close(l.end)
	l.done.Wait()
	l.file.Close()
	return l.frames, l.commits
}
