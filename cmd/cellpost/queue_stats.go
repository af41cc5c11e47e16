package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cellpost/ingress/httpd"
	"cellpost/queue"
	"cellpost/sms"
)

type queueStatsVerb struct {
	configFlag
	JSON bool `help:"Print it as one JSON object."`
}

func (v queueStatsVerb) Run(ctx context.Context, s streams) error {
	c, err := loadConfig(v.Config)
	if err != nil {
		return err
	}
	stats, err := c.stats(ctx)
	if err != nil {
		return err
	}
	if v.JSON {
		return printLines(s.out, []httpd.QueueStats{stats})
	}
	return printStats(s.out, stats)
}

// stats asks the daemon, or reads the files when there is none.
func (c config) stats(ctx context.Context) (stats httpd.QueueStats, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/queue", nil, &stats)
	if !errors.Is(err, errNoDaemon) {
		return stats, err
	}
	store, err := c.openReader()
	if err != nil {
		return stats, err
	}
	defer store.Close()
	s, err := store.Stats(ctx)
	return viewStats(s, c.rules()), err
}

// stats says what the daemon has to do, and who does it.
func (d *daemon) stats(ctx context.Context) (httpd.QueueStats, error) {
	s, err := d.store.Stats(ctx)
	if err != nil {
		return httpd.QueueStats{}, err
	}
	rules := d.config.rules()
	v := viewStats(s, rules)
	v.Running, v.Serving = true, slices.Sorted(slices.Values(d.queue.Serving()))
	for i := range v.Lanes {
		l := &v.Lanes[i]
		l.Unserved = !slices.ContainsFunc(v.Serving, func(sim string) bool {
			_, ok := rules.Rank(sms.Lane(l.Lane), sim)
			return ok
		})
	}
	if v.Rate > 0 && v.Queued > 0 && len(v.Serving) > 0 {
		v.EmptyIn = (time.Duration(float64(v.Queued) / v.Rate * float64(time.Minute)).Round(time.Second)).Seconds()
	}
	return v, nil
}

// statesInOrder are the states in the order of a message's life.
var statesInOrder = [...]sms.State{
	sms.Scheduled, sms.Held, sms.Queued, sms.Sending, sms.Unknown, sms.Sent, sms.Delivered, sms.Failed, sms.Expired, sms.Cancelled,
}

// accountsShown is how many accounts are told.
const accountsShown = 20

func viewStats(s queue.Stats, rules *sms.Rules) httpd.QueueStats {
	v := httpd.QueueStats{At: s.At, Totals: viewTotals(s.Totals), Lanes: []httpd.LaneCount{}}
	for _, state := range statesInOrder {
		c := stateCount(s, state)
		v.States = append(v.States, c)
		if state == sms.Queued {
			v.Queued = c.All
		}
	}
	v.Accounts, v.More = accountCounts(s)
	for _, w := range s.Lanes {
		v.Lanes = append(v.Lanes, httpd.LaneCount{
			Lane: string(w.Lane), SIMs: rules.Members(w.Lane), Queued: w.N, AtLeast: w.N == queue.CountMost, Due: w.Since,
		})
		if v.Oldest == nil && !w.Since.After(s.At) { // the longest wait comes first
			v.Oldest = &httpd.Oldest{ID: w.First.String(), Due: w.Since, Seconds: s.At.Sub(w.Since).Seconds()}
		}
	}
	if s.Lately > 0 && s.Against > 0 {
		v.Rate = float64(s.Lately) / s.Against.Minutes()
	}
	return v
}

func viewTotals(t queue.Totals) httpd.QueueTotals {
	return httpd.QueueTotals{
		Accepted: t.Accepted, Sent: t.Sent, Delivered: t.Delivered, Failed: t.Failed, Expired: t.Expired, Cancelled: t.Cancelled,
		Unknown: t.Unknown, Duplicates: t.Duplicates, Retried: t.Retried,
		Handovers: httpd.HandoverTotals{Accepted: t.HandedOver, Refused: t.Refused, Unknown: t.InDoubt, NotSent: t.NotSent, Cleared: t.Cleared},
	}
}

func stateCount(s queue.Stats, state sms.State) httpd.StateCount {
	c := httpd.StateCount{State: state}
	for _, k := range s.Stored {
		if k.State != state {
			continue
		}
		c.All += k.N
		switch k.Priority {
		case 1:
			c.Queue1 += k.N
		case 2:
			c.Queue2 += k.N
		case 3:
			c.Queue3 += k.N
		}
	}
	return c
}

// accountCounts returns the accounts that something is unfinished of, those that
// most waits for first, and how many more there are.
func accountCounts(s queue.Stats) (list []httpd.AccountCount, more int) {
	by := map[string]*httpd.AccountCount{}
	for _, k := range s.Stored {
		if k.State.Final() {
			continue
		}
		a := by[k.Account]
		if a == nil {
			a = &httpd.AccountCount{Account: k.Account}
			by[k.Account] = a
		}
		switch k.State {
		case sms.Queued:
			a.Queued += k.N
		case sms.Scheduled, sms.Held:
			a.Later += k.N
		case sms.Sending:
			a.Sending += k.N
		case sms.Unknown:
			a.Unknown += k.N
		}
	}
	list = []httpd.AccountCount{}
	for _, a := range by {
		list = append(list, *a)
	}
	slices.SortFunc(list, func(a, b httpd.AccountCount) int {
		return cmp.Or(cmp.Compare(b.Queued+b.Later+b.Sending, a.Queued+a.Later+a.Sending), cmp.Compare(a.Account, b.Account))
	})
	n := min(len(list), accountsShown)
	return list[:n], len(list) - n
}

// row is a line of a table: a name, and numbers under four headings.
type row struct {
	name    string
	numbers [4]int64
}

// printTable prints names to the left and numbers to the right.
func printTable(out io.Writer, head [5]string, rows []row) {
	width := utf8.RuneCountInString(head[0])
	for _, r := range rows {
		width = max(width, utf8.RuneCountInString(r.name))
	}
	fmt.Fprintf(out, "%-*s %9s %9s %9s %9s\n", width, head[0], head[1], head[2], head[3], head[4])
	for _, r := range rows {
		n := r.numbers
		fmt.Fprintf(out, "%-*s %9d %9d %9d %9d\n", width, r.name, n[0], n[1], n[2], n[3])
	}
}

func printStats(out io.Writer, v httpd.QueueStats) error {
	var states, accounts []row
	for _, c := range v.States {
		states = append(states, row{string(c.State), [4]int64{c.Queue1, c.Queue2, c.Queue3, c.All}})
	}
	for _, a := range v.Accounts {
		accounts = append(accounts, row{a.Account, [4]int64{a.Queued, a.Later, a.Sending, a.Unknown}})
	}
	printTable(out, [5]string{"STATE", "QUEUE 1", "QUEUE 2", "QUEUE 3", "ALL"}, states)
	fmt.Fprintln(out)
	if len(accounts) > 0 {
		printTable(out, [5]string{"ACCOUNT", "QUEUED", "LATER", "SENDING", "UNKNOWN"}, accounts)
		if v.More > 0 {
			fmt.Fprintf(out, "further accounts: %d\n", v.More)
		}
		fmt.Fprintln(out)
	}
	printWaits(out, v)
	t, h := v.Totals, v.Totals.Handovers
	fmt.Fprintf(out, "\nsince the beginning: %d accepted, %d sent, %d delivered, %d failed, %d expired, %d cancelled,\n"+
		"  %d unknown, %d possible duplicates, %d sent again by the operator\n",
		t.Accepted, t.Sent, t.Delivered, t.Failed, t.Expired, t.Cancelled, t.Unknown, t.Duplicates, t.Retried)
	_, err := fmt.Fprintf(out, "hand-overs of parts: %d accepted, %d refused, %d unknown (%d cleared up), %d not sent\n",
		h.Accepted, h.Refused, h.Unknown, h.Cleared, h.NotSent)
	return err
}

// printWaits says what waits for what, and for how long.
func printWaits(out io.Writer, v httpd.QueueStats) {
	switch {
	case !v.Running:
		fmt.Fprintln(out, "the gateway is not running: nothing is sent (start it: cellpost serve --config FILE)")
	case len(v.Serving) == 0:
		fmt.Fprintln(out, "no SIM is in service: nothing is sent (see cellpost doctor)")
	default:
		fmt.Fprintf(out, "SIMs in service: %s\n", strings.Join(v.Serving, ", "))
	}
	if v.Oldest != nil {
		fmt.Fprintf(out, "due for longest: %s, %s\n", v.Oldest.ID, seconds(v.Oldest.Seconds))
	}
	if v.EmptyIn > 0 {
		fmt.Fprintf(out, "%.1f messages a minute left lately: the %d that are queued take about %s more\n", v.Rate, v.Queued, seconds(v.EmptyIn))
	}
	for _, l := range v.Lanes {
		if !l.Unserved {
			continue
		}
		n := fmt.Sprint(l.Queued)
		if l.AtLeast {
			n = "at least " + n
		}
		fmt.Fprintf(out, "%s wait for %s: none is in service (see cellpost doctor)\n", n, cmp.Or(strings.Join(l.SIMs, ", "), "any SIM"))
	}
}

// seconds is a span in words.
func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}
