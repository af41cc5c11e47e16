package sim

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
)

// report takes one +CDS out of what was heard and checks it; the rest is
// returned.
func (x *terminal) report(heard string, want pdu.Status) string {
	x.t.Helper()
	before, after, ok := strings.Cut(heard, "+CDS: 2")
	if !ok {
		x.t.Fatalf("no report in %q", heard)
	}
	_, after, _ = strings.Cut(after, "|")
	raw, rest, _ := strings.Cut(after, "|")
	raw, tail, glued := strings.Cut(raw, "+") // the line after may follow without |
	if glued {
		rest = "+" + tail
	}
	r, warnings, err := pdu.ParseStatusReport(unhex(x.t, raw))
	if err != nil || len(warnings) > 0 {
		x.t.Fatalf("report %q: %v, %v", raw, warnings, err)
	}
	if r.Status != want || r.Reference != 1 || r.Recipient.Value != "07700900123" {
		x.t.Errorf("report %+v, want status %#x", r, want)
	}
	return before + rest
}

func TestLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []Entry
		var screens []Screen
		n := NewNetwork(NetworkOptions{
			Seen:   func(e Entry) { seen = append(seen, e) },
			Screen: func(s Screen) { screens = append(screens, s) },
		})
		a := connect(t, NewModem(n, quiet))
		b := connect(t, NewModem(n, Options{NoEcho: true, Name: "second", MSISDN: "447700900777"}))
		a.hands(submission(t, handset, "one"), "+CMGS: 1|OK")
		b.hands(submission(t, handset, "one", func(s *pdu.Submit) { s.Validity = pdu.RelativeValidity(time.Hour) }), "+CMGS: 1|OK")
		a.hands(submission(t, handset, "two", func(s *pdu.Submit) { s.DCS = pdu.TextDCS(pdu.GSM7, pdu.Class0) }), "+CMGS: 2|OK")
		want := []string{"m0 1 one false", "second 1 one true", "m0 2 two false"}
		for i, e := range n.Ledger() {
			if g := fmt.Sprintf("%s %d %s %v", e.SIM, e.TPDU[1], e.Submit.UserData.Text(e.Submit.DCS), e.Duplicate); g != want[i] {
				t.Errorf("entry %d: got %q, want %q", i, g, want[i])
			}
		}
		if len(seen) != 3 || len(screens) != 3 || len(n.Screens()) != 3 {
			t.Fatalf("saw %d entries, %d and %d screens", len(seen), len(screens), len(n.Screens()))
		}
		if s := screens[2]; !s.Flash || s.Text != "two" || s.To != handset || s.From != own || s.Parts != 1 {
			t.Errorf("screen %+v", s)
		}
	})
}

// TestRejectDuplicates: TP-RD and TP-MR of a copy.
func TestRejectDuplicates(t *testing.T) {
	copyOf := func(mr byte) func(*pdu.Submit) {
		return func(s *pdu.Submit) { s.RejectDuplicates, s.Reference = true, mr }
	}
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		m := NewModem(n, quiet)
		x := connect(t, m)
		hour := func(s *pdu.Submit) { s.Validity = pdu.RelativeValidity(time.Hour) }
		x.hands(submission(t, handset, "kept", hour), "+CMGS: 1|OK")
		x.hands(submission(t, handset, "kept", copyOf(1)), "+CMS ERROR: 197")
		x.hands(submission(t, "447700900456", "another number", copyOf(1)), "+CMGS: 2|OK")
		m.Inject(Fault{Kind: Silence})
		x.hands(submission(t, handset, "never came"), "")
		x.hands(submission(t, handset, "never came", copyOf(3)), "+CMGS: 3|OK")
		x.hands(submission(t, handset, "never sent", copyOf(200)), "+CMGS: 4|OK")
		time.Sleep(time.Hour)
		x.hands(submission(t, handset, "forgotten", copyOf(1)), "+CMGS: 1|OK")
		if l := n.Ledger(); len(l) != 5 {
			t.Errorf("ledger has %d entries, want 5", len(l))
		}
	})
}

func TestReferenceWraps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := connect(t, NewModem(NewNetwork(NetworkOptions{}), quiet))
		for i := range 258 {
			x.hands(submission(t, handset, "hi"), fmt.Sprintf("+CMGS: %d|OK", (i+1)%256))
		}
	})
}

func TestRefusedByNetwork(t *testing.T) {
	command, data := cmgs(t, submission(t, handset, "hi"))
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		x := connect(t, NewModem(n, quiet))
		for _, tt := range []struct{ name, announced, pdu, want string }{
			{"no number", "AT+CMGS=9\r", "0021000081000002E834", "+CMS ERROR: 96"},
			{"a name for a number", "AT+CMGS=11\r", "00210004D0C834000002E834", "+CMS ERROR: 96"},
			{"not an SMS-SUBMIT", command, "0022" + data[4:], "+CMS ERROR: 304"},
			{"TP-UDL lies", command, strings.Replace(data, "02E834", "03E834", 1), "+CMS ERROR: 96"},
			{"cut short", "AT+CMGS=7\r", "0021000C914477", "+CMS ERROR: 304"},
		} {
			x.expect(tt.announced, "> ")
			x.expect(strings.TrimSuffix(tt.pdu, "\x1a")+"\x1a", tt.want)
		}
		if l := n.Ledger(); len(l) != 0 {
			t.Errorf("ledger has %d entries", len(l))
		}
	})
}

// parts are a text cut in parts, as one SIM sends them.
func parts(t *testing.T, text string, ref uint16) []pdu.Submit {
	segments, err := pdu.Split(text, pdu.SplitOptions{Reference: ref})
	if err != nil {
		t.Fatal(err)
	}
	var all []pdu.Submit
	for _, ud := range segments.Parts {
		all = append(all, pdu.Submit{Destination: telephone(handset), DCS: segments.DCS, UserData: ud})
	}
	return all
}

func TestJoining(t *testing.T) {
	text := strings.Repeat("Zażółć gęślą jaźń. ", 10)
	tests := []struct {
		name  string
		order []int
		split bool // the last part leaves by another SIM
		want  int
	}{
		{"in order", []int{0, 1, 2}, false, 1},
		{"backwards", []int{2, 1, 0}, false, 1},
		{"a part twice", []int{0, 1, 1, 2}, false, 1},
		{"a part missing", []int{0, 2}, false, 0},
		{"all twice", []int{0, 1, 2, 2, 1, 0}, false, 2},
		{"over two SIMs", []int{0, 1, 2}, true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(NetworkOptions{})
				x, y := connect(t, NewModem(n, quiet)), connect(t, NewModem(n, quiet))
				all := parts(t, text, 7)
				for i, k := range tt.order {
					by, mr := x, i+1
					if tt.split && i == len(tt.order)-1 {
						by, mr = y, 1
					}
					by.hands(all[k], fmt.Sprintf("+CMGS: %d|OK", mr))
				}
				screens := n.Screens()
				if len(screens) != tt.want {
					t.Fatalf("%d screens, want %d", len(screens), tt.want)
				}
				for _, s := range screens {
					if s.Text != text || s.Parts != 3 || s.Flash {
						t.Errorf("screen %+v", s)
					}
				}
			})
		})
	}
}

// TestSentInParts: a long text to a SIM comes in parts that join again.
func TestSentInParts(t *testing.T) {
	text := strings.Repeat("0123456789", 40)
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		x := connect(t, NewModem(n, quiet))
		x.expect("AT+CNMI=2,2\r", "OK")
		if err := n.Send(own, "Bank", text); err != nil {
			t.Fatal(err)
		}
		var joined string
		for i, line := range strings.Split(x.heard(), "|") {
			if i%2 == 0 {
				continue
			}
			d, warnings, err := pdu.ParseDeliver(unhex(t, line))
			c, ok := d.UserData.Concat()
			if err != nil || len(warnings) > 0 || !ok || int(c.Seq) != i/2+1 || d.Originator.String() != "Bank" || d.MoreMessages != (c.Seq < 3) {
				t.Fatalf("part %d: %+v, %v, %v", i/2+1, d, warnings, err)
			}
			joined += d.UserData.Text(d.DCS)
		}
		if joined != text {
			t.Errorf("got %q", joined)
		}
	})
}

func TestWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		x := connect(t, NewModem(n, quiet))
		var wg sync.WaitGroup
		count := 0
		wg.Go(func() {
			if err := n.WaitFor(t.Context(), func(l []Entry) bool { count = len(l); return len(l) == 2 }); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := n.WaitForScreens(t.Context(), func(s []Screen) bool { return len(s) == 2 }); err != nil {
				t.Error(err)
			}
		})
		for i := range 2 {
			synctest.Wait()
			if count != i {
				t.Errorf("the condition saw %d entries, want %d", count, i)
			}
			x.hands(submission(t, handset, "hi"), fmt.Sprintf("+CMGS: %d|OK", i+1))
		}
		wg.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := n.WaitFor(ctx, func([]Entry) bool { return false }); err != context.Canceled {
			t.Errorf("got %v", err)
		}
	})
}

// TestHistory: what a network and its modem keep is bounded, and copies of what
// they keep are still known.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const kept = 10
		n := NewNetwork(NetworkOptions{History: kept})
		m := NewModem(n, quiet)
		x := connect(t, m)
		for i := range 10 * kept {
			command, data := cmgs(t, submission(t, handset, fmt.Sprint(i)))
			x.expect(command, "> ")
			x.expect(data, fmt.Sprintf("+CMGS: %d|OK", i+1))
			time.Sleep(time.Hour)
		}
		for what, length := range map[string]int{
			"entries": len(n.Ledger()), "screens": len(n.Screens()), "gaps": len(m.Gaps()), "copies": len(n.copies),
		} {
			if length < kept || length >= 2*kept {
				t.Errorf("%d %s are kept", length, what)
			}
		}
		if len(n.held) > 3*kept {
			t.Errorf("%d messages are held for TP-RD", len(n.held))
		}
		last := n.Ledger()[len(n.Ledger())-1]
		n.mu.Lock()
		defer n.mu.Unlock()
		if !n.copies[identity(last.Submit)] {
			t.Error("a copy of the last one is not known")
		}
	})
}
