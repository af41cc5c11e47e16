package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"cellpost/ingress/httpd"
	"cellpost/sms"
)

type inboxVerb struct {
	configFlag
	Limit int  `help:"How many." default:"50"`
	JSON  bool `help:"Print one JSON object a line."`
}

func (v inboxVerb) Run(ctx context.Context, s streams) error {
	in, err := query[[]httpd.Inbound](ctx, v.configFlag, http.MethodGet, "/v1/inbox?limit="+strconv.Itoa(v.Limit), nil)
	if err != nil {
		return err
	}
	if v.JSON {
		return printLines(s.out, in)
	}
	for _, m := range in {
		fmt.Fprintf(s.out, "%s from %s by %s: %s%q\n", m.Received.Local().Format(clock), strings.Map(visible, m.From), m.SIM, remarks(m), m.Text)
	}
	return nil
}

// remarks says what a message is, if it is more than a text.
func remarks(m httpd.Inbound) string {
	var words []string
	if m.Kind != sms.KindText {
		words = append(words, string(m.Kind))
	}
	if m.Detail != "" {
		words = append(words, strings.Map(visible, m.Detail))
	}
	if len(m.Missing) > 0 {
		words = append(words, fmt.Sprintf("%d of %d parts", m.Parts-len(m.Missing), m.Parts))
	}
	if m.ReplacedBy != 0 {
		words = append(words, "replaced by a later one")
	}
	if len(words) == 0 {
		return ""
	}
	return "[" + strings.Join(words, ", ") + "] "
}
