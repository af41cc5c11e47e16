package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"cellpost/ingress/httpd"
	"cellpost/queue"
	"cellpost/queue/sqlite"
	"cellpost/sms"
)

type queueVerb struct {
	List   queueListVerb   `cmd:"" help:"List messages, newest first."`
	Show   queueShowVerb   `cmd:"" help:"Show one message with its timeline."`
	Batch  queueBatchVerb  `cmd:"" help:"Show how far submissions of several messages have come."`
	Cancel queueCancelVerb `cmd:"" help:"Stop a message that has not left, or what has not left of a batch."`
	Retry  queueRetryVerb  `cmd:"" help:"Send a message again, now: one that failed, expired, was cancelled, is kept as unknown, or was sent and came to nothing."`
	Stats  queueStatsVerb  `cmd:"" help:"Show how much waits, for whom and for what, and what there was altogether."`
}

// clock is how times are shown: local, with the zone.
const clock = "2006-01-02 15:04:05.000 MST"

type queueListVerb struct {
	configFlag
	Limit   int    `help:"How many, 1 to 10000." default:"50"`
	State   string `help:"Only these." enum:",queued,scheduled,held,sending,sent,delivered,unknown,failed,expired,cancelled" default:""`
	Account string `help:"Only of this account."`
	Batch   string `help:"Only of this batch." placeholder:"ID"`
	JSON    bool   `help:"Print one JSON object a line."`
}

func (v queueListVerb) Run(ctx context.Context, s streams) error {
	messages, err := limited(ctx, v.configFlag, v.Limit, v.messages)
	if err != nil {
		return err
	}
	if v.JSON {
		return printLines(s.out, messages)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tCREATED\tTO\tACCOUNT\tSTATE\tPARTS\tWHY")
	for _, m := range messages {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", m.ID, m.Created.Local().Format(time.DateTime+" MST"), m.To, m.Account, state(m), len(m.Parts), cmp.Or(m.Waits, m.Why))
	}
	return w.Flush()
}

// limited lists what a verb lists, if its limit is one that the daemon knows.
func limited[T any](ctx context.Context, f configFlag, limit int, list func(context.Context, config) ([]T, error)) ([]T, error) {
	if limit < 1 || limit > httpd.LimitMost {
		return nil, fmt.Errorf("--limit: 1 to %d", httpd.LimitMost)
	}
	c, err := loadConfig(f.Config)
	if err != nil {
		return nil, err
	}
	return list(ctx, c)
}

// messages asks the daemon, or reads the files when there is none.
func (v queueListVerb) messages(ctx context.Context, c config) ([]httpd.Message, error) {
	var views []httpd.Message
	q := url.Values{"limit": {strconv.Itoa(v.Limit)}, "state": {v.State}, "account": {v.Account}, "batch": {v.Batch}}
	err := c.call(ctx, http.MethodGet, "/v1/messages?"+q.Encode(), nil, &views)
	if !errors.Is(err, errNoDaemon) {
		return views, err
	}
	store, err := c.openReader()
	if err != nil {
		return nil, err
	}
	defer store.Close()
	f := queue.Filter{State: sms.State(v.State), Account: v.Account, Limit: v.Limit}
	if v.Batch != "" {
		if f.Batch, err = sms.ParseID(v.Batch); err != nil {
			return nil, err
		}
	}
	messages, err := store.List(ctx, f)
	if err != nil {
		return nil, err
	}
	waits, err := held(ctx, c.rules(), store)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		view := httpd.View(m, nil)
		view.Waits = waits(m)
		views = append(views, view)
	}
	return views, nil
}

// openReader opens the queue's file beside or without a daemon.
func (c config) openReader() (*sqlite.Reader, error) {
	if _, err := os.Stat(c.database()); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not there yet (start the gateway: cellpost serve --config FILE)", c.database())
	}
	return sqlite.OpenReader(c.database())
}

func state(m httpd.Message) string {
	if m.Duplicate {
		return string(m.State) + " (possible duplicate)"
	}
	return string(m.State)
}

// printLines prints one JSON object a line.
func printLines[T any](w io.Writer, values []T) error {
	enc := json.NewEncoder(w)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

type queueShowVerb struct {
	configFlag
	ID   string `arg:"" help:"32 hexadecimal digits."`
	JSON bool   `help:"Print it as JSON."`
}

func (v queueShowVerb) Run(ctx context.Context, s streams) error {
	c, err := loadConfig(v.Config)
	if err != nil {
		return err
	}
	m, err := v.message(ctx, c)
	if err != nil {
		return err
	}
	if v.JSON {
		return printLines(s.out, []httpd.Message{m})
	}
	printMessage(s.out, m)
	return nil
}

// message asks the daemon, or reads the files when there is none.
func (v queueShowVerb) message(ctx context.Context, c config) (httpd.Message, error) {
	id, err := sms.ParseID(v.ID)
	if err != nil {
		return httpd.Message{}, err
	}
	var view httpd.Message
	err = c.call(ctx, http.MethodGet, "/v1/messages/"+id.String(), nil, &view)
	if !errors.Is(err, errNoDaemon) {
		return view, err
	}
	store, err := c.openReader()
	if err != nil {
		return view, err
	}
	defer store.Close()
	m, timeline, err := store.Show(ctx, id)
	if err != nil {
		return view, err
	}
	waits, err := held(ctx, c.rules(), store)
	if err != nil {
		return view, err
	}
	view = httpd.View(m, timeline)
	view.Waits = waits(m)
	return view, nil
}

func printMessage(w io.Writer, m httpd.Message) {
	fmt.Fprintf(w, "%s to %s, account %s, queue %d\nstate %s, status %s\n", m.ID, m.To, m.Account, m.Queue, state(m), m.Status)
	if m.Waits != "" {
		fmt.Fprintf(w, "waits: %s\n", m.Waits)
	}
	fmt.Fprintf(w, "text %q\n\n", m.Text)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range m.Timeline {
		fmt.Fprintf(t, "%s\t%s\t%s\n", e.At.Local().Format(clock), e.Event, e.Detail)
	}
	t.Flush()
}

type queueCancelVerb struct{ oneMessage }

// Run tries a message first, then a batch: an ID is of one of them.
func (v queueCancelVerb) Run(ctx context.Context, s streams) error {
	err := v.change(ctx, s, "/cancel")
	if !errors.Is(err, sms.ErrNoMessage) {
		return err
	}
	id, err := sms.ParseID(v.ID)
	if err != nil {
		return err
	}
	return v.cancelBatch(ctx, s, id)
}

type queueRetryVerb struct{ oneMessage }

func (v queueRetryVerb) Run(ctx context.Context, s streams) error { return v.change(ctx, s, "/retry") }

// oneMessage is what the verbs that change one message have in common.
type oneMessage struct {
	configFlag
	ID   string `arg:"" help:"32 hexadecimal digits."`
	JSON bool   `help:"Print the message as JSON."`
}

func (v oneMessage) change(ctx context.Context, s streams, what string) error {
	id, err := sms.ParseID(v.ID)
	if err != nil {
		return err
	}
	m, err := query[httpd.Message](ctx, v.configFlag, http.MethodPost, "/v1/messages/"+id.String()+what, nil)
	if err != nil {
		return err
	}
	if v.JSON {
		return printLines(s.out, []httpd.Message{m})
	}
	fmt.Fprintf(s.out, "%s %s\n", m.ID, state(m))
	return nil
}
