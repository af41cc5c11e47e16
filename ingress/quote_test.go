package ingress

import (
	"strings"
	"testing"

	"cellpost/pdu"
	"cellpost/sms"
)

// TestQuote: a quote and a submission say the same, and a quote stores nothing.
func TestQuote(t *testing.T) {
	a := sms.Account{Name: "shop", Credits: 8 * sms.Credit}
	rules := &sms.Rules{Routes: []sms.Route{{Prefix: "44", Tiers: [][]string{{"a"}, {"b"}}, Price: 2 * sms.Credit}}}
	item := func(to ...string) (list []Item) {
		for _, n := range to {
			list = append(list, Item{To: n, Text: "hello"})
		}
		return list
	}
	for _, c := range []struct {
		name string
		s    Submission
	}{
		{"one", Submission{Items: item("447700900123")}},
		{"all that can be paid", Submission{Items: item("447700900121", "447700900122", "447700900123", "447700900124", "447700900125")}},
		{"one twice", Submission{Items: item("447700900123", "+44 7700 900123")}},
		{"no route, no number", Submission{Items: item("4915112345678", "12", "447700900123")}},
		{"two parts", Submission{Items: []Item{{To: "447700900123", Text: strings.Repeat("ł", 71)}}, Params: Params{Concat: 2}}},
		{"too many parts", Submission{Items: []Item{{To: "447700900123", Text: strings.Repeat("x", 161)}}}},
		{"nothing to say", Submission{Items: []Item{{To: "447700900123", Text: " "}}}},
		{"nobody", Submission{}},
		{"a wrong parameter", Submission{Items: item("447700900123"), Params: Params{Priority: 4}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, batches := testGate(t, a)
			g.Rules = rules
			quotes := g.Quote(a, c.s)
			if len(*batches) != 0 {
				t.Fatal("a quote was stored")
			}
			receipt, _ := g.Submit(t.Context(), a, c.s)
			if len(quotes) != len(receipt.Results) {
				t.Fatalf("%d quotes, %d results", len(quotes), len(receipt.Results))
			}
			var stored []sms.Message
			if len(*batches) > 0 {
				stored = (*batches)[0].Messages
			}
			left := a.Credits
			for i, res := range receipt.Results {
				q := quotes[i]
				if q.To != res.To || q.Same != res.Same || (q.Refusal == nil) != (res.Refusal == nil) || q.Refusal != nil && *q.Refusal != *res.Refusal {
					t.Errorf("quote %+v, result %+v", q, res)
				}
				if res.Refusal == nil && !res.Same {
					m := stored[0]
					stored = stored[1:]
					left -= m.Price
					submit, _, err := pdu.ParseSubmit(m.Parts[0].TPDU)
					if err != nil || q.Price != m.Price || q.Parts != len(m.Parts) || q.Alphabet != submit.DCS.Alphabet() ||
						q.Way.Price*sms.Credits(q.Parts) != m.Price || len(q.Way.Tiers) != 2 {
						t.Errorf("quote %+v of %+v", q, m)
					}
				}
				if q.Left != left {
					t.Errorf("%d left, want %d", q.Left, left)
				}
			}
		})
	}
}
