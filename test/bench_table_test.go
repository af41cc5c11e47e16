package test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"text/tabwriter"
	"time"
)

// BenchmarkTable prints what docs/bench.md explains: the gateway as a process of
// its own with simulated modems on PTYs, with a short queue and with a very long one.
func BenchmarkTable(b *testing.B) {
	for b.Loop() {
		t := &table{b: b, began: time.Now(), seconds: number("BENCH_SECONDS", 10), rows: number("BENCH_ROWS", 1_000_000)}
		t.short = t.fill("a queue for the short runs", shortQueue, false)
		t.modems()
		t.reports()
		t.submission()
		t.million()
	}
}

// number is a number from the environment.
func number(name string, standard int) int {
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil || n <= 0 {
		return standard
	}
	return n
}

const (
	// shortQueue is how many messages wait at the start of a run with a short
	// queue: more than 32 modems send meanwhile.
	shortQueue = 30_000
	// oneSubmission is what a client sends in one go.
	oneSubmission = 100_000
)

// table is one run of the benchmark.
type table struct {
	b       *testing.B
	began   time.Time
	seconds int // how long a run is measured that has no air time
	rows    int // of the very long queue
	short   *stock
}

// progress says what is going on: the whole takes minutes.
func (t *table) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.0f s  %s\n", time.Since(t.began).Seconds(), fmt.Sprintf(format, args...))
}

// show prints a title, and rows in columns.
func show(title string, head []string, rows [][]string) {
	fmt.Printf("\n%s\n\n", title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range append([][]string{head}, rows...) {
		for _, cell := range row {
			fmt.Fprintf(w, "%s\t", cell)
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}

// measured is how long a run is measured: several hand-overs of each modem.
func (t *table) measured(air time.Duration) time.Duration {
	return max(time.Duration(t.seconds)*time.Second, 7*air)
}

// Aims of the columns, and what other gateways need: measured with 8 modems of the
// same kind.
var (
	columns = []string{"air", "modems", "msg/s", "on air %", "gap ms", "p99 ms", "AT/msg", "CPU s/1000", "disk KB/msg", "WAL KB/msg", "commits/msg", "RSS MiB"}
	aims    = [][]string{
		{"200ms", "aim", "", ">= 98.5", "", "", "<= 1.1", "< 0.5", "", "", "", "< 32 (8)"},
		{"3s", "aim", "", ">= 99.9", "", "", "<= 1.1", "< 0.5", "", "", "", "< 32 (8)"},
	}
	peers = [][]string{
		{"200ms / 3s", "SMS Server Tools, 8", "", "48 / 92", "", "", "", "0.3 - 3.4", "", "", "", "27 - 96"},
		{"200ms / 3s", "gammu-smsd, 8", "", "25 / 82", "", "", "", "", "", "", "", ""},
		{"200ms / 3s", "Kannel, 8", "", "10 / 65", "", "", "", "", "", "", "", ""},
	}
)

func (f figures) row() []string {
	onAir := "-"
	if f.air > 0 {
		onAir = fmt.Sprintf("%.2f", 100*f.onAir)
	}
	return []string{
		f.air.String(), strconv.Itoa(f.modems), fmt.Sprintf("%.1f", f.rate), onAir,
		fmt.Sprintf("%.2f", milliseconds(f.gapMedian)), fmt.Sprintf("%.2f", milliseconds(f.gapP99)),
		fmt.Sprintf("%.2f", f.commands), fmt.Sprintf("%.2f", f.cpu.Seconds()*1000),
		fmt.Sprintf("%.1f", f.written/1024), fmt.Sprintf("%.1f", f.wal/1024), fmt.Sprintf("%.2f", f.commits),
		fmt.Sprintf("%.1f", f.rss/(1<<20)),
	}
}

// modems measures the hand-over by numbers of modems and by air times.
func (t *table) modems() {
	rows := append([][]string{}, aims...)
	rows = append(rows, peers...)
	for _, air := range airTimes {
		for _, modems := range []int{1, 4, 8, 32} {
			t.progress("%d modems at %s", modems, air)
			rows = append(rows, t.run(run{modems: modems, air: air, stock: t.short}).row())
		}
	}
	show("Hand-over, no status reports", columns, rows)
}

var airTimes = []time.Duration{0, 200 * time.Millisecond, 3 * time.Second}

// reports measures what status reports cost: each is stored, matched and
// acknowledged with one more command.
func (t *table) reports() {
	stock := t.fill("a queue with reports", shortQueue, true)
	var rows [][]string
	for _, air := range airTimes[:2] {
		t.progress("8 modems at %s, with reports", air)
		rows = append(rows, t.run(run{modems: 8, air: air, stock: stock}).row())
	}
	show("Hand-over, a status report for each message", columns, rows)
}

// submission compares a submission of many messages with bare inserts of the same rows.
func (t *table) submission() {
	t.progress("one submission of %d messages", oneSubmission)
	messages := t.messages(oneSubmission, false)
	var rows [][]string
	for range 2 { // in turn, for machines are noisy
		add := t.add(messages)
		bare := t.bare(add.file)
		ratio := bare.Seconds() / add.took.Seconds()
		rows = append(rows, []string{
			fmt.Sprint(len(messages)), fmt.Sprintf("%.2f", add.took.Seconds()), fmt.Sprintf("%.2f", bare.Seconds()),
			fmt.Sprintf("%.2f", ratio), ">= 0.5",
		})
	}
	show("One submission against bare inserts of the same rows in one transaction",
		[]string{"messages", "Add s", "bare s", "rate/bare", "aim"}, rows)
}

// million compares the very long queue with the short one, and measures the start.
func (t *table) million() {
	if !t.room() {
		return
	}
	long := t.fill("the long queue", t.rows, false)
	var rows, starts [][]string
	start := func(s *stock, cache string, f figures) {
		starts = append(starts, []string{fmt.Sprint(s.queued), cache, fmt.Sprintf("%.2f", f.ready.Seconds()), "< 1"})
	}
	for _, air := range []time.Duration{200 * time.Millisecond, 0} {
		var rates [2][]float64
		for range 2 {
			for i, s := range []*stock{t.short, long} {
				t.progress("8 modems at %s, %d queued", air, s.queued)
				f := t.run(run{modems: 8, air: air, stock: s, keep: true})
				rates[i] = append(rates[i], f.rate)
				rows = append(rows, append([]string{fmt.Sprint(s.queued)}, f.row()...))
				start(s, "warm", f)
			}
		}
		ratio := (rates[1][0] + rates[1][1]) / (rates[0][0] + rates[0][1])
		rows = append(rows, []string{"long/short", air.String(), "", fmt.Sprintf("%.3f", ratio), ">= 0.9"})
	}
	show("Short and long queue in turn", append([]string{"queued"}, columns...), rows)
	for range 2 {
		t.progress("a start with a cold cache")
		long.chill(t)
		start(long, "cold", t.run(run{modems: 8, stock: long, keep: true, startOnly: true}))
	}
	show("From the start of the process to ready", []string{"queued", "cache", "s", "aim"}, starts)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
