package ingress

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"cellpost/sms"
)

// TestSubmitLarge: of a large submission the messages that are drawn are those of the
// receipt, in its order, however often they are drawn, and only the first are kept.
func TestSubmitLarge(t *testing.T) {
	const n = 3*keptMost + 7
	for _, c := range []struct {
		name    string
		credits int // what the account has left; 0: without limit
		want    int
	}{
		{"paid", 0, n - n/10 - n/7},
		{"credit for some of it", keptMost + 11, keptMost + 11},
		{"credit for what is kept", keptMost, keptMost},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, batches := testGate(t)
			var items []Item
			want := 0
			for i := range n {
				item := Item{To: fmt.Sprintf("0770%07d", i), Text: fmt.Sprintf("to %d", i)}
				switch {
				case i%10 == 9:
					item.To = "bad"
				case i%7 == 6:
					item = items[0]
				default:
					want++
				}
				items = append(items, item)
			}
			if c.credits > 0 {
				want = c.credits
			}
			a := sms.Account{Name: "acme", Unlimited: c.credits == 0, Credits: sms.Credits(c.credits) * sms.Credit}
			r, err := g.Submit(t.Context(), a, Submission{Items: items[:5], Rest: slices.Values(items[5:])})
			if err != nil || r.Accepted() != want || len(r.Results) != n || r.Price != sms.Credits(want)*sms.Credit {
				t.Fatalf("%d of %d accepted, want %d; price %d: %v", r.Accepted(), len(r.Results), want, r.Price, err)
			}
			b := (*batches)[0]
			if len(b.Messages) != keptMost || (b.Rest != nil) != (want > keptMost) || b.Len() != want {
				t.Fatalf("%d messages are kept, the rest %t", len(b.Messages), b.Rest != nil)
			}
			for range 2 {
				drawn := slices.Collect(messages(t, b))
				for i, res := range r.Results {
					if res.Refusal != nil || res.Same {
						continue
					}
					if len(drawn) == 0 || drawn[0].ID != res.ID || string(drawn[0].To) != res.To || drawn[0].Text != items[i].Text || len(drawn[0].Parts) == 0 {
						t.Fatalf("item %d is %+v", i, drawn)
					}
					drawn = drawn[1:]
				}
				if len(drawn) != 0 {
					t.Fatalf("%d messages more than the receipt has", len(drawn))
				}
			}
		})
	}
}

// TestSubmitLargeChanged: what comes out otherwise when it is drawn is an error.
func TestSubmitLargeChanged(t *testing.T) {
	g, batches := testGate(t)
	var items []Item
	for i := range keptMost + 1 {
		items = append(items, Item{To: fmt.Sprintf("0770%07d", i), Text: "x"})
	}
	if _, err := g.Submit(t.Context(), sms.Account{Name: "acme", Unlimited: true}, Submission{Rest: slices.Values(items)}); err != nil {
		t.Fatal(err)
	}
	items[keptMost].To = "bad"
	var last error
	for _, err := range (*batches)[0].All() {
		last = err
	}
	if !errors.Is(last, errChanged) {
		t.Errorf("got %v", last)
	}
}

// TestSubmitLargeAgain: of a large submission what was submitted before is left out,
// the messages that are kept, too, and what is left is as the receipt says; and then
// what the credit does not reach.
func TestSubmitLargeAgain(t *testing.T) {
	const n = 3*keptMost + 7
	g, _ := testGate(t)
	q := &onceQueue{known: make(map[string]sms.ID)}
	var items []Item
	for i := range n {
		items = append(items, Item{To: fmt.Sprintf("4477%08d", i), Text: fmt.Sprintf("to %d", i)})
		if i < keptMost || i%3 == 0 {
			q.known["id1"+items[i].To] = sms.NewID(testNow)
		}
	}
	fresh := n - len(q.known)
	left := keptMost + 1
	if fresh <= left {
		t.Fatalf("%d are fresh", fresh)
	}
	short := false
	g.Queue = addFunc(func(b sms.Batch) error {
		if err := q.repeated(b); err != nil {
			return err
		}
		if b.Len() > left {
			short = true
			return sms.ErrNoCredit
		}
		return q.Add(t.Context(), b)
	})
	a := sms.Account{Name: "anna", Credits: sms.Credits(left) * sms.Credit, Settings: sms.Settings{Idempotent: true}}
	r, err := g.Submit(t.Context(), a, Submission{Params: Params{ClientID: "id1"}, Rest: slices.Values(items)})
	if err != nil || r.Accepted() != left || r.Price != sms.Credits(left)*sms.Credit || !short {
		t.Fatalf("%d accepted for %d, want %d: %v", r.Accepted(), r.Price, left, err)
	}
	b := q.stored[0]
	if len(b.Messages) != keptMost || b.Len() != left {
		t.Errorf("%d messages, %d of them kept", b.Len(), len(b.Messages))
	}
	all := slices.Collect(messages(t, b))
	for i, res := range r.Results {
		switch {
		case res.Repeat && (i < keptMost || i%3 == 0):
		case res.Refusal != nil && res.Refusal.Code == CodeCredit && len(all) == 0:
		case res.taken() && len(all) > 0 && all[0].ID == res.ID && all[0].Text == items[i].Text:
			all = all[1:]
		default:
			t.Fatalf("item %d is %+v", i, res)
		}
	}
	if len(all) != 0 {
		t.Errorf("%d messages more than the receipt has", len(all))
	}
}

// messages are those of a batch.
func messages(t *testing.T, b sms.Batch) iter.Seq[sms.Message] {
	return func(yield func(sms.Message) bool) {
		for m, err := range b.All() {
			if err != nil {
				t.Fatal(err)
			}
			if !yield(m) {
				return
			}
		}
	}
}
