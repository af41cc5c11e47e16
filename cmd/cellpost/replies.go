package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"cellpost/queue/sqlite"
)

type repliesVerb struct {
	List  repliesListVerb  `cmd:"" default:"withargs" help:"List them, newest first."`
	Retry repliesRetryVerb `cmd:"" help:"Try mails once more, now, that were given up (dead)."`
}

type repliesRetryVerb struct {
	configFlag
	ID []int64 `arg:"" help:"As the list shows them."`
}

func (v repliesRetryVerb) Run(ctx context.Context, s streams) error {
	var failed []error
	for _, id := range v.ID {
		if _, err := query[struct{}](ctx, v.configFlag, http.MethodPost, fmt.Sprintf("/v1/replies/%d/retry", id), nil); err != nil {
			failed = append(failed, fmt.Errorf("%d: %w", id, err))
			continue
		}
		fmt.Fprintf(s.out, "%d is tried now\n", id)
	}
	return errors.Join(failed...)
}

// repliesListVerb shows what customers are told: all of it where no smarthost takes it.
type repliesListVerb struct {
	configFlag
	Limit int  `help:"How many." default:"50"`
	JSON  bool `help:"Print one JSON object a line."`
}

// replyView is a reply as the verb prints it.
type replyView struct {
	ID    int64  `json:"id"`
	At    string `json:"at"`
	To    string `json:"to"`
	State string `json:"state"` // waiting, delivered or dead
	Tries int    `json:"tries"`
	Why   string `json:"why,omitempty"`
	Text  string `json:"text"`
}

// Run reads the files: nothing has to be asked of the daemon.
func (v repliesListVerb) Run(ctx context.Context, s streams) error {
	var views []replyView
	err := v.withReader(func(store *sqlite.Reader) error {
		events, err := store.Events(ctx, v.Limit)
		for _, e := range events {
			views = append(views, replyView{e.ID, e.Created.Local().Format(clock), e.To, string(e.State), e.Tries, e.Why, e.Text})
		}
		return err
	})
	if err != nil {
		return err
	}
	if v.JSON {
		return printLines(s.out, views)
	}
	for _, r := range views {
		fmt.Fprintf(s.out, "%d %s to %s: %s %s\n", r.ID, r.At, strings.Map(visible, r.To), r.State, strings.Map(visible, r.Why))
		for line := range strings.Lines(strings.TrimRight(r.Text, "\r\n")) {
			fmt.Fprintf(s.out, "  %s\n", strings.Map(visible, strings.TrimRight(line, "\r\n")))
		}
	}
	return nil
}
