package pdu_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cellpost/pdu"
)

// received is when the parts of these tests come.
var received = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// fragment is part seq of total with a reference, from one handset.
func fragment(ref uint16, seq, total byte, data string) pdu.Fragment {
	return pdu.Fragment{
		SIM: "sim", Originator: pdu.Address{TON: pdu.TONInternational, NPI: 1, Value: "447700900123"},
		Concat:   pdu.Concat{Reference: ref, Total: total, Seq: seq, Bits: 8},
		UserData: pdu.UserData{Data: []byte(data)}, Sent: received, At: received,
	}
}

func at(f pdu.Fragment, later time.Duration) pdu.Fragment {
	f.At = f.At.Add(later)
	return f
}

// sent is a part sent later; with -1 its time stamp is no date.
func sent(f pdu.Fragment, later time.Duration) pdu.Fragment {
	if f.Sent = f.Sent.Add(later); later < 0 {
		f.Sent = time.Time{}
	}
	return f
}

func received0(f pdu.Fragment) pdu.Fragment {
	f.At = time.Time{}
	return f
}

func TestFit(t *testing.T) {
	const timeout = time.Hour
	one, two, three := fragment(1, 1, 3, "a"), fragment(1, 2, 3, "b"), fragment(1, 3, 3, "c")
	flash := two
	flash.DCS = 0x10
	tests := []struct {
		name string
		kept []pdu.Fragment
		f    pdu.Fragment
		want pdu.Fit
	}{
		{"the first to come", nil, two, pdu.FitWaits},
		{"the second to come", []pdu.Fragment{two}, one, pdu.FitWaits},
		{"the last to come", []pdu.Fragment{two, one}, three, pdu.FitCompletes},
		{"a message of one part", nil, fragment(1, 1, 1, "a"), pdu.FitCompletes},
		{"the same again", []pdu.Fragment{one, two}, two, pdu.FitDuplicate},
		{"the same again, all being there", []pdu.Fragment{one, two, three}, two, pdu.FitDuplicate},
		{"a duplicate that was kept does not count", []pdu.Fragment{two, two}, one, pdu.FitWaits},
		{"number taken by another text", []pdu.Fragment{one, two}, fragment(1, 2, 3, "x"), pdu.FitOther},
		{"number taken by another class", []pdu.Fragment{one, two}, flash, pdu.FitOther},
		{"whole, and the reference is used anew", []pdu.Fragment{one, two, three}, fragment(1, 1, 3, "x"), pdu.FitOther},
		{"in time", []pdu.Fragment{one}, at(two, timeout), pdu.FitWaits},
		{"in time after the newest", []pdu.Fragment{at(one, timeout), three}, at(two, 2*timeout), pdu.FitCompletes},
		{"the same again, sent once more while others are missing", []pdu.Fragment{one}, sent(one, time.Minute), pdu.FitDuplicate},
		{"the same again, sent once more after all came", []pdu.Fragment{one, two, three}, sent(one, time.Minute), pdu.FitOther},
		{"the same again, time stamp unreadable", []pdu.Fragment{one, two, three}, sent(one, -1), pdu.FitDuplicate},
		{"received nobody knows when", []pdu.Fragment{one}, received0(two), pdu.FitWaits},
		{"kept since nobody knows when", []pdu.Fragment{received0(one)}, at(two, 5*timeout), pdu.FitWaits},
		{"too late", []pdu.Fragment{one}, at(two, timeout+1), pdu.FitOther},
		{"the same, too late", []pdu.Fragment{one}, at(one, timeout+1), pdu.FitOther},
		{"the clock was set back", []pdu.Fragment{one}, at(two, -5*timeout), pdu.FitWaits},
	}
	for _, tt := range tests {
		if got := tt.f.Fit(tt.kept, timeout); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestFragmentKey: what tells messages from each other.
func TestFragmentKey(t *testing.T) {
	base := fragment(7, 1, 2, "a")
	same := fragment(7, 2, 2, "b")
	same.DCS = 0x08
	if base.Key() != same.Key() {
		t.Error("two parts of one message have different keys")
	}
	for name, change := range map[string]func(*pdu.Fragment){
		"SIM":        func(f *pdu.Fragment) { f.SIM = "other" },
		"originator": func(f *pdu.Fragment) { f.Originator.Value = "447700900124" },
		"type":       func(f *pdu.Fragment) { f.Originator.TON = pdu.TONNational },
		"kind":       func(f *pdu.Fragment) { f.Concat.Bits = 16 },
		"reference":  func(f *pdu.Fragment) { f.Concat.Reference = 8 },
		"total":      func(f *pdu.Fragment) { f.Concat.Total = 3 },
	} {
		f := base
		if change(&f); f.Key() == base.Key() {
			t.Errorf("another %s, and the same key", name)
		}
	}
}

func TestJoin(t *testing.T) {
	ucs2 := func(seq, total byte, data string) pdu.Fragment {
		f := fragment(1, seq, total, data)
		f.DCS = 0x08
		return f
	}
	octets := func(seq, total byte, data string) pdu.Fragment {
		f := fragment(1, seq, total, data)
		f.DCS = 0x04
		f.UserData.Header = []pdu.IE{f.Concat.IE(), pdu.Ports{Dest: 0x1581, Bits: 16}.IE()}
		return f
	}
	tests := []struct {
		name    string
		parts   []pdu.Fragment
		text    string
		missing []byte
	}{
		{"nothing", nil, "", nil},
		{"any order", []pdu.Fragment{fragment(1, 2, 3, "b"), fragment(1, 3, 3, "c"), fragment(1, 1, 3, "a")}, "abc", nil},
		{"twice", []pdu.Fragment{fragment(1, 2, 2, "b"), fragment(1, 2, 2, "x"), fragment(1, 1, 2, "a")}, "ab", nil},
		{"an escape cut through", []pdu.Fragment{fragment(1, 1, 2, "5 \x1b"), fragment(1, 2, 2, "\x65 off")}, "5 € off", nil},
		{"a surrogate pair cut through", []pdu.Fragment{ucs2(1, 2, "\xd8\x3d"), ucs2(2, 2, "\xde\x00")}, "😀", nil},
		{"a character cut through", []pdu.Fragment{ucs2(1, 2, "\x04"), ucs2(2, 2, "\x4b")}, "ы", nil},
		{"alphabets of their own", []pdu.Fragment{fragment(1, 1, 3, "a\x1b"), ucs2(2, 3, "\x04\x4b"), fragment(1, 3, 3, "e")}, "a ыe", nil},
		{"one is missing", []pdu.Fragment{fragment(1, 1, 3, "a\x1b"), fragment(1, 3, 3, "e")}, "a [part 2 of 3 is missing]e", []byte{2}},
		{"the first and the last are missing", []pdu.Fragment{fragment(1, 2, 3, "b")},
			"[part 1 of 3 is missing]b[part 3 of 3 is missing]", []byte{1, 3}},
		{"8-bit data", []pdu.Fragment{octets(2, 2, "\xe9"), octets(1, 2, "A")}, "Aé", nil},
	}
	for _, tt := range tests {
		j := pdu.Join(tt.parts)
		if j.Text != tt.text || !slices.Equal(j.Missing, tt.missing) {
			t.Errorf("%s: got %q, missing %v; want %q, %v", tt.name, j.Text, j.Missing, tt.text, tt.missing)
		}
	}
	j := pdu.Join(tests[len(tests)-1].parts)
	if string(j.Data) != "A\xe9" || j.DCS != 0x04 || len(j.Header) != 1 || j.Header[0].ID != pdu.IEPorts16 {
		t.Errorf("8-bit data: got %+v", j)
	}
}

// TestJoinSplit: what Split cuts, Fit and Join put together again, in any order
// and with every part coming twice.
func TestJoinSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Repeat(rapid.SampledFrom([]string{"abc€", "ы😀", "[]{}é"}).Draw(t, "letters"), rapid.IntRange(60, 400).Draw(t, "n"))
		seg, err := pdu.Split(text, pdu.SplitOptions{Reference: 77, Wide: rapid.Bool().Draw(t, "wide")})
		if err != nil {
			t.Fatal(err)
		}
		coming := slices.Concat(seg.Parts, seg.Parts)
		var kept []pdu.Fragment
		for _, i := range rapid.Permutation(indices(len(coming))).Draw(t, "order") {
			f, ok := pdu.Deliver{DCS: seg.DCS, UserData: coming[i]}.Fragment("sim", received)
			if !ok {
				t.Fatalf("part %d has no concatenation element", i)
			}
			switch f.Fit(kept, time.Minute) {
			case pdu.FitWaits:
				kept = append(kept, f)
			case pdu.FitCompletes:
				kept = append(kept, f)
				if got := pdu.Join(kept).Text; got != text {
					t.Fatalf("got %q, want %q", got, text)
				}
			case pdu.FitOther:
				t.Fatalf("part %d is taken for one of another message", i)
			}
		}
		if len(kept) != len(seg.Parts) {
			t.Fatalf("%d of %d parts kept", len(kept), len(seg.Parts))
		}
	})
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// FuzzJoin: whatever parts come, nothing panics, no part is kept twice, and a
// whole message has no gap.
func FuzzJoin(f *testing.F) {
	f.Add([]byte{1, 1, 2, 0, 'a', 1, 2, 2, 8, 'b'})
	f.Add([]byte{1, 1, 3, 0x1b, 'a', 1, 3, 3, 4, 'b', 1, 3, 3, 4, 'c'})
	f.Fuzz(func(t *testing.T, b []byte) {
		var kept []pdu.Fragment
		for ; len(b) >= 5; b = b[5:] {
			f := fragment(uint16(b[0]&1), b[1], b[2], string(b[3:5]))
			f.DCS = pdu.DCS(b[3])
			f.At = f.At.Add(time.Duration(b[4]) * time.Second)
			if f.Concat.Seq < 1 || f.Concat.Seq > f.Concat.Total {
				continue // Deliver.Fragment gives none of these
			}
			if len(kept) > 0 && f.Key() != kept[0].Key() {
				continue
			}
			switch fit := f.Fit(kept, time.Minute); fit {
			case pdu.FitWaits, pdu.FitCompletes:
				kept = append(kept, f)
				if j := pdu.Join(kept); (len(j.Missing) == 0) != (fit == pdu.FitCompletes) || len(kept)+len(j.Missing) != int(f.Concat.Total) {
					t.Fatalf("fit %d, kept %d of %d, missing %v", fit, len(kept), f.Concat.Total, j.Missing)
				}
			case pdu.FitOther:
				kept = nil
			}
		}
	})
}
