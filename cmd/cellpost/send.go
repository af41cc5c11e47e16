package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"cellpost/ingress/httpd"
)

type sendVerb struct {
	configFlag
	To      []string `help:"Number to send to; repeat it for more." required:"" placeholder:"NUMBER"`
	Text    *string  `help:"What to send; default: what standard input holds."`
	Account string   `help:"Account to book it to; default: the operator's own."`
	Queue   int      `help:"1 (urgent) to 3." default:"3"`
	Flash   bool     `help:"Show it at once, do not keep it."`
	JSON    bool     `help:"Print one JSON object a line."`
}

func (v sendVerb) Run(ctx context.Context, s streams) error {
	c, err := loadConfig(v.Config)
	if err != nil {
		return err
	}
	text, err := v.text(s.in)
	if err != nil {
		return err
	}
	var results []httpd.SendResult
	err = c.call(ctx, http.MethodPost, "/v1/messages", httpd.SendRequest{
		Account: v.Account, To: v.To, Text: text, Priority: v.Queue, Flash: v.Flash,
	}, &results)
	if err != nil {
		return err
	}
	refused := false
	for _, r := range results {
		refused = refused || r.Code != 0
		switch {
		case v.JSON:
			if err := json.NewEncoder(s.out).Encode(r); err != nil {
				return err
			}
		case r.Code != 0:
			fmt.Fprintf(s.out, "ERR: %03d, %s To: %s\n", r.Code, r.Error, r.To)
		default:
			fmt.Fprintf(s.out, "ID: %s To: %s\n", r.ID, r.To)
		}
	}
	if refused {
		return errors.New("not every number was accepted")
	}
	return nil
}

// text is what to send. The line end of echo is not part of it.
func (v sendVerb) text(in io.Reader) (string, error) {
	if v.Text != nil {
		return *v.Text, nil
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return "", fmt.Errorf("read the text: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
