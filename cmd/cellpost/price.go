package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"cellpost/ingress"
	"cellpost/sms"
)

// priceVerb works on the configuration and the database, whether the daemon
// runs or not.
type priceVerb struct {
	configFlag
	Account string   `help:"Account to book it to." required:"" placeholder:"NAME"`
	To      []string `help:"Number to send to; repeat it for more." required:"" placeholder:"NUMBER"`
	Text    *string  `help:"What to send; default: what standard input holds."`
	Concat  int      `help:"Parts that the text may take, 1 to 35; default: as the account has it."`
	JSON    bool     `help:"Print one JSON object a line."`
}

func (v priceVerb) Run(ctx context.Context, s streams) error {
	c, err := loadConfig(v.Config)
	if err != nil {
		return err
	}
	text, err := sendVerb{Text: v.Text}.text(s.in)
	if err != nil {
		return err
	}
	a, err := c.accountOf(ctx, v.Account)
	if err != nil {
		return err
	}
	sub := ingress.Submission{Source: operator, Params: ingress.Params{Concat: v.Concat}}
	for _, to := range v.To {
		sub.Items = append(sub.Items, ingress.Item{To: to, Text: text})
	}
	gate := &ingress.Gate{Rules: c.rules(), CountryPrefix: c.CountryPrefix, Blocked: c.Blocked}
	quotes := gate.Quote(a, sub)
	if v.JSON {
		err = printPricesJSON(s.out, a, quotes)
	} else {
		err = printPrices(s.out, a, quotes)
	}
	if err == nil && slices.ContainsFunc(quotes, func(q ingress.Quote) bool { return q.Refusal != nil }) {
		err = errors.New("not every number would be accepted")
	}
	return err
}

// accountOf reads an account, beside a daemon or without one.
func (c config) accountOf(ctx context.Context, name string) (a sms.Account, err error) {
	store, err := c.openReader()
	if err != nil {
		return a, err
	}
	defer store.Close()
	if a, err = store.Account(ctx, name); errors.Is(err, sms.ErrNoAccount) {
		err = fmt.Errorf("%w (see cellpost account list)", err)
	}
	return a, err
}

// priceView is a quote as programs read it.
type priceView struct {
	To        string     `json:"to"`
	Code      int        `json:"code,omitempty"`
	Error     string     `json:"error,omitempty"`
	Same      bool       `json:"same,omitempty"` // as a number before: nothing would be sent for it
	Parts     int        `json:"parts,omitempty"`
	Alphabet  string     `json:"alphabet,omitempty"`
	PartPrice float64    `json:"price_per_part"`
	Price     float64    `json:"price"`
	Fails     string     `json:"fails,omitempty"` // why it gets an ID and is not sent, free of charge
	Route     *string    `json:"route,omitempty"` // its prefix
	Tiers     [][]string `json:"tiers,omitempty"` // none in a tier: any SIM
	Left      float64    `json:"credits_left"`
	Unlimited bool       `json:"unlimited"`
}

func inCredits(c sms.Credits) float64 { return float64(c) / float64(sms.Credit) }

func viewPrice(a sms.Account, q ingress.Quote) priceView {
	v := priceView{To: q.To, Same: q.Same, Left: inCredits(q.Left), Unlimited: a.Unlimited}
	if q.Refusal != nil {
		v.Code, v.Error = q.Refusal.Code, q.Refusal.Text
		return v
	}
	if q.Same {
		return v
	}
	v.Parts, v.Alphabet = q.Parts, q.Alphabet.String()
	v.PartPrice, v.Price, v.Fails = inCredits(q.Way.Price), inCredits(q.Price), q.Fails
	if q.Way.Routed {
		v.Route = &q.Way.Prefix
	}
	for _, tier := range q.Way.Tiers {
		v.Tiers = append(v.Tiers, append([]string{}, tier...))
	}
	return v
}

func printPricesJSON(w io.Writer, a sms.Account, quotes []ingress.Quote) error {
	enc := json.NewEncoder(w)
	for _, q := range quotes {
		if err := enc.Encode(viewPrice(a, q)); err != nil {
			return err
		}
	}
	return nil
}

func printPrices(out io.Writer, a sms.Account, quotes []ingress.Quote) error {
	for i, q := range quotes {
		if i > 0 {
			fmt.Fprintln(out)
		}
		switch {
		case q.Refusal != nil:
			fmt.Fprintf(out, "%s To: %s\n", q.Refusal.Error(), q.To)
			continue
		case q.Same:
			fmt.Fprintf(out, "%s: named before, sent once\n", q.To)
			continue
		}
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "to\t%s\n", q.To)
		fmt.Fprintf(w, "parts\t%d, in %s\n", q.Parts, strings.ToUpper(q.Alphabet.String()))
		fmt.Fprintf(w, "price\t%s (%s a part)\n", amount(q.Price), amount(q.Way.Price))
		fmt.Fprintf(w, "route\t%s\n", routeWords(q.Way))
		fmt.Fprintf(w, "SIMs\t%s\n", tierWords(q.Way.Tiers))
		left := amount(q.Left)
		if a.Unlimited {
			left += ", unlimited"
		}
		fmt.Fprintf(w, "credits left\t%s\n", left)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func amount(c sms.Credits) string { return strconv.FormatFloat(inCredits(c), 'f', -1, 64) }

func routeWords(w sms.Way) string {
	switch {
	case !w.Routed:
		return "none is configured"
	case w.Prefix == "":
		return "of all other numbers"
	}
	return w.Prefix
}

// tierWords are the SIMs of each tier; what may escalate goes on to the next.
func tierWords(tiers [][]string) string {
	var words []string
	for _, tier := range tiers {
		if len(tier) == 0 {
			tier = []string{"any"}
		}
		words = append(words, strings.Join(tier, ", "))
	}
	return strings.Join(words, "; then ")
}
