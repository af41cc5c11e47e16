package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"text/tabwriter"
	"time"

	"cellpost/ingress/httpd"
	"cellpost/queue"
	"cellpost/queue/sqlite"
	"cellpost/sms"
)

// queueBatchVerb shows submissions of several messages as the one thing that they are
// to whoever sent them.
type queueBatchVerb struct {
	configFlag
	ID    string `arg:"" optional:"" help:"Only this one: 32 hexadecimal digits."`
	Limit int    `help:"How many, 1 to 10000." default:"50"`
	JSON  bool   `help:"Print one JSON object a line."`
}

func (v queueBatchVerb) Run(ctx context.Context, s streams) error {
	list, err := limited(ctx, v.configFlag, v.Limit, v.batches)
	if err != nil {
		return err
	}
	if v.JSON {
		return printLines(s.out, list)
	}
	return printBatches(s.out, list)
}

// batches asks the daemon, or reads the files when there is none.
func (v queueBatchVerb) batches(ctx context.Context, c config) (list []httpd.Batch, err error) {
	if v.ID == "" {
		err = c.call(ctx, http.MethodGet, "/v1/batches?limit="+strconv.Itoa(v.Limit), nil, &list)
		if !errors.Is(err, errNoDaemon) {
			return list, err
		}
	}
	store, err := c.openReader()
	if err != nil {
		return nil, err
	}
	defer store.Close()
	b := batchViews(store)
	if v.ID == "" {
		return b.List(ctx, v.Limit)
	}
	id, err := sms.ParseID(v.ID)
	if err != nil {
		return nil, err
	}
	one, err := b.Show(ctx, id)
	if errors.Is(err, queue.ErrNoMessage) {
		err = errors.New("no such batch (see cellpost queue batch; a message that came alone is none)")
	}
	return []httpd.Batch{one}, err
}

// batchViews are what there is to know about batches, as the API has it.
func batchViews(store *sqlite.Reader) httpd.Batches {
	return httpd.Batches{
		List: func(ctx context.Context, limit int) (views []httpd.Batch, err error) {
			list, err := store.Batches(ctx, limit)
			for _, b := range list {
				views = append(views, viewBatch(b))
			}
			return views, err
		},
		Show: func(ctx context.Context, id sms.ID) (httpd.Batch, error) {
			b, err := store.Batch(ctx, id)
			return viewBatch(b), err
		},
	}
}

func viewBatch(b queue.Batch) httpd.Batch {
	return httpd.Batch{
		ID: b.ID.String(), Account: b.Account, Source: b.Source, Created: b.Created, Coming: b.Coming, Total: b.Total(),
		Waiting: b.Waiting, Sent: b.Sent, Delivered: b.Delivered, Unknown: b.Unknown, Failed: b.Failed, Expired: b.Expired, Cancelled: b.Cancelled,
	}
}

func printBatches(out io.Writer, list []httpd.Batch) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tCREATED\tACCOUNT\tTOTAL\tWAITING\tSENT\tDELIVERED\tUNKNOWN\tFAILED\tEXPIRED\tCANCELLED\tSOURCE")
	for _, b := range list {
		source := b.Source
		if b.Coming {
			source += " (coming in)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", b.ID, b.Created.Local().Format(time.DateTime+" MST"), b.Account,
			b.Total, b.Waiting, b.Sent, b.Delivered, b.Unknown, b.Failed, b.Expired, b.Cancelled, source)
	}
	return w.Flush()
}

// cancelBatch stops what has not left of a batch.
func (v queueCancelVerb) cancelBatch(ctx context.Context, s streams, id sms.ID) error {
	n, err := slowQuery[httpd.Cancelled](ctx, httpd.LargeTime, v.configFlag, http.MethodPost, "/v1/batches/"+id.String()+"/cancel", nil)
	if err != nil {
		return err
	}
	if v.JSON {
		return printLines(s.out, []httpd.Cancelled{n})
	}
	fmt.Fprintf(s.out, "%d messages cancelled\n", n.Messages)
	return nil
}
