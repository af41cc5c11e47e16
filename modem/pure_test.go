package modem

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cellpost/modem/at"
	"cellpost/pdu"
	"cellpost/sms"
)

func TestState(t *testing.T) {
	ready := Facts{Present: true, Answering: true, Card: CardReady, SMSC: "+44", Signal: true, Network: NetworkHome, Ready: true}
	for _, tt := range []struct {
		want   State
		change func(*Facts)
	}{
		{Ready, func(*Facts) {}},
		{Ready, func(f *Facts) { f.Network = NetworkRoaming }},
		{Ready, func(f *Facts) { f.Recovering = 2 }},
		{Sending, func(f *Facts) { f.InSend = true }},
		{Starting, func(f *Facts) { f.Ready = false }},
		{Starting, func(f *Facts) { f.Card = CardUnknown }},
		{NoSMSC, func(f *Facts) { f.SMSC = "" }},
		{NoSMSC, func(f *Facts) { f.SMSCRefused = true }},
		{SIMFull, func(f *Facts) { f.Memory = "SM 20/20" }},
		{Sending, func(f *Facts) { f.Memory, f.InSend = "SM 20/20", true }},
		{Searching, func(f *Facts) { f.Network, f.SMSC = NetworkSearching, "" }},
		{NoCoverage, func(f *Facts) { f.Network, f.Signal = NetworkSearching, false }},
		{NoCoverage, func(f *Facts) { f.Network, f.Signal = NetworkLimited, false }},
		{Limited, func(f *Facts) { f.Network = NetworkLimited }},
		{Suspended, func(f *Facts) { f.Suspended, f.Present, f.Stalled = true, false, true }},
		{Searching, func(f *Facts) { f.Network = NetworkUnknown }},
		{Denied, func(f *Facts) { f.Network = NetworkDenied }},
		{NoSIM, func(f *Facts) { f.Card, f.Network = CardAbsent, NetworkDenied }},
		{PINMissing, func(f *Facts) { f.Card = CardPIN }},
		{PINWrong, func(f *Facts) { f.Card = CardWrongPIN }},
		{PUK, func(f *Facts) { f.Card = CardPUK }},
		{Locked, func(f *Facts) { f.Card = CardLocked }},
		{SIMFailed, func(f *Facts) { f.Card = CardFailed }},
		{Silent, func(f *Facts) { f.Answering, f.Card = false, CardAbsent }},
		{Recovering, func(f *Facts) { f.Answering, f.Recovering = false, 1 }},
		{Parked, func(f *Facts) { f.Answering, f.Recovering, f.Parked = false, 31, true }},
		{Stalled, func(f *Facts) { f.Stalled, f.InSend = true, true }},
		{Absent, func(f *Facts) { f.Present, f.Stalled, f.Parked = false, true, true }},
	} {
		f := ready
		tt.change(&f)
		if got := f.State(); got != tt.want {
			t.Errorf("%+v: %s, want %s", f, got, tt.want)
		}
		helped := f.NextStep() != ""
		if calm := slices.Contains([]State{Ready, Sending, Starting}, tt.want); helped == calm {
			t.Errorf("%s: next step %q", tt.want, f.NextStep())
		}
	}
}

func TestCardState(t *testing.T) {
	refused := func(set string, code int) error { return &at.CommandError{Set: set, Code: code} }
	for _, tt := range []struct {
		answer string
		err    error
		want   Card
	}{
		{"READY", nil, CardReady},
		{"SIM PIN", nil, CardPIN},
		{"SIM PUK", nil, CardPUK},
		{"SIM PIN2", nil, CardReady},
		{"SIM PUK2", nil, CardReady},
		{"NOT INSERTED", nil, CardAbsent},
		{"NOT READY", nil, CardUnknown},
		{"PH-NET PIN", nil, CardLocked},
		{"PH-NETSUB PIN", nil, CardLocked},
		{"PH-SP PUK", nil, CardLocked},
		{"PH-CORP PIN", nil, CardLocked},
		{"PH-SIM PIN", nil, CardLocked},
		{"", refused("CME", 5), CardLocked},
		{"", refused("CME", 40), CardLocked},
		{"", refused("CME", 47), CardLocked},
		{"", refused("CMS", 312), CardLocked},
		{"", nil, CardFailed},
		{"", refused("CME", 10), CardAbsent},
		{"", refused("CMS", 310), CardAbsent},
		{"", refused("CME", 11), CardPIN},
		{"", refused("CMS", 316), CardPUK},
		{"", refused("CME", 13), CardFailed},
		{"", refused("CME", 15), CardFailed},
		{"", refused("CMS", 313), CardFailed},
		{"", refused("CME", 14), CardUnknown},
		{"", refused("CMS", 314), CardUnknown},
		{"", refused("CME", 515), CardUnknown},
		{"", refused("", -1), CardFailed},
	} {
		if got := cardState(tt.answer, tt.err); got != tt.want {
			t.Errorf("%q, %v: %q, want %q", tt.answer, tt.err, got, tt.want)
		}
	}
}

func TestRegistration(t *testing.T) {
	for stat, want := range map[string]Network{
		"0": NetworkLimited, "1": NetworkHome, "2": NetworkSearching, "3": NetworkDenied, "4": NetworkSearching,
		"5": NetworkRoaming, "6": NetworkHome, "7": NetworkRoaming, "8": NetworkLimited, "": NetworkUnknown, "11": NetworkLimited, "12": NetworkUnknown,
	} {
		if got := registration(stat); got != want {
			t.Errorf("%q: %q, want %q", stat, got, want)
		}
	}
	rising := []Network{NetworkUnknown, NetworkLimited, NetworkSearching, NetworkDenied, NetworkRoaming, NetworkHome}
	for i, a := range rising {
		for j, b := range rising {
			if got := better(a, b); got != rising[max(i, j)] {
				t.Errorf("better of %q and %q: %q", a, b, got)
			}
		}
	}
}

func TestDBm(t *testing.T) {
	for rssi, want := range map[string]int{"0": -113, "18": -77, "31": -51, "32": 0, "99": 0, "-1": 0, "": 0, "x": 0} {
		if got := dBm(rssi); got != want {
			t.Errorf("%q: %d, want %d", rssi, got, want)
		}
	}
}

func TestOutcome(t *testing.T) {
	cms := func(code int, text string) error { return &at.CommandError{Set: "CMS", Code: code, Text: text} }
	for _, tt := range []struct {
		name   string
		result at.Result
		want   sms.Outcome // without Detail
	}{
		{"accepted", at.Result{Info: []string{"+CMGS: 255"}, Written: true}, sms.Outcome{Kind: sms.Accepted, MR: 255}},
		{"accepted, no reference", at.Result{Written: true}, sms.Outcome{Kind: sms.Accepted, NoMR: true}},
		{"CMS", at.Result{Written: true, Err: cms(28, "28")}, sms.Outcome{Kind: sms.Refused, Cause: pdu.Cause{Set: pdu.CMS, Code: 28}}},
		{"CMS in words", at.Result{Written: true, Err: cms(-1, "SIM busy")}, sms.Outcome{Kind: sms.Refused}},
		{"CME", at.Result{Err: &at.CommandError{Set: "CME", Code: 10}}, sms.Outcome{Kind: sms.Refused, Cause: pdu.Cause{Set: pdu.CME, Code: 10}}},
		{"ERROR", at.Result{Written: true, Err: &at.CommandError{Code: -1}}, sms.Outcome{Kind: sms.Refused}},
		{"no prompt", at.Result{Err: at.ErrTimeout}, sms.Outcome{Kind: sms.NotSent}},
		{"no result", at.Result{Written: true, Err: at.ErrTimeout}, sms.Outcome{Kind: sms.Ambiguous}},
		{"no OK after the reference", at.Result{Info: []string{"+CMGS: 1"}, Written: true, Err: at.ErrTimeout}, sms.Outcome{Kind: sms.Accepted, MR: 1}},
		{"gone before", at.Result{Err: at.ErrGone}, sms.Outcome{Kind: sms.NotSent}},
		{"gone after", at.Result{Written: true, Err: at.ErrGone}, sms.Outcome{Kind: sms.Ambiguous}},
		{"hung", at.Result{Err: at.ErrHung}, sms.Outcome{Kind: sms.NotSent}},
	} {
		got := outcome(tt.result)
		if got.Detail == "" && (got.Kind != sms.Accepted || got.MR == 0) {
			t.Errorf("%s: no detail", tt.name)
		}
		if got.Detail = ""; got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestRefusals: every code of both sets reaches the rules as it is, before the
// prompt and after it.
func TestRefusals(t *testing.T) {
	for set, name := range map[pdu.CauseSet]string{pdu.CMS: "CMS", pdu.CME: "CME"} {
		for code := range 1000 {
			want := pdu.Cause{Set: set, Code: code}
			for _, written := range []bool{false, true} {
				err := at.Final(fmt.Sprintf("+%s ERROR: %d", name, code))
				got := outcome(at.Result{Written: written, Err: err})
				if got.Kind != sms.Refused || got.Cause != want || got.Detail != want.String() {
					t.Errorf("%v: %+v", want, got)
				}
			}
		}
	}
}

func TestLateOutcome(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		want  sms.OutcomeKind // empty: it says nothing
	}{
		{[]string{"+CMGS: 17", "OK"}, sms.Accepted},
		{[]string{"^RSSI:1", "+CMGS: 17", "OK"}, sms.Accepted},
		{[]string{"+CMS ERROR: 38"}, sms.Refused},
		{[]string{"+CME ERROR: 100"}, ""},
		{[]string{"OK"}, ""},
		{[]string{"ERROR"}, ""},
		{[]string{"+CMGS: ", "OK"}, ""},
	} {
		o, ok := lateOutcome(tt.lines)
		if ok != (tt.want != "") || o.Kind != tt.want {
			t.Errorf("%q: %+v, %v, want %q", tt.lines, o, ok, tt.want)
		}
	}
}

func TestStalls(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, at.ErrTimeout: true, at.ErrOutOfStep: true, at.ErrHung: true, at.ErrGone: false,
		errors.ErrUnsupported: false,
	} {
		if got := stalls(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

var answers = []string{
	"", "OK", "+CMGS: 17", "+CMGS:255,\"26/11/22\"", "+CMGS: 256", "+CMGS: -1", "+CMGS: ", "+CSQ: 18,99", `+COPS: 0,0,"a,b",7`,
	`+CPMS: ("SM","ME"),("SM"),("SM","ME")`, `+CNUM: ,"+447700900123",145`, "+CNMI: (0-2),(0,1,3),(0),(0-2),(0,1)", `+COPS: 0,0,"a`,
	"+CNMI: 0-2),(0,1),(0", ":\" 0", "+X: ((1,2),(3)),4", "+X:,,",
}

func FuzzFields(f *testing.F) {
	for _, a := range answers {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got := fields([]string{line})
		_, body, found := strings.Cut(line, ":")
		if !found {
			if got != nil {
				t.Fatalf("%q without a colon: %q", line, got)
			}
			return
		}
		if len(got) == 0 || len(got) > strings.Count(body, ",")+1 {
			t.Fatalf("%q: %q", line, got)
		}
		if !strings.ContainsAny(body, `"()`) && len(got) != strings.Count(body, ",")+1 {
			t.Fatalf("%q: %q", line, got)
		}
		for _, g := range got {
			if !strings.Contains(body, g) || strings.TrimSpace(g) != g && !strings.Contains(body, `"`) {
				t.Fatalf("%q: %q", line, g)
			}
		}
		// Written again, each in quotes, they are the same.
		again := `+X: "` + strings.Join(got, `","`) + `"`
		if !strings.Contains(strings.Join(got, ""), `"`) && !slices.Equal(fields([]string{again}), got) {
			t.Fatalf("%q: %q, then %q", line, got, fields([]string{again}))
		}
	})
}

func TestFields(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
	}{
		{"OK", nil},
		{"+CSQ: 18,99", []string{"18", "99"}},
		{"+CSQ:18, 99", []string{"18", "99"}},
		{`+COPS: 0,0,"a,b (c",7`, []string{"0", "0", "a,b (c", "7"}},
		{"+COPS: 0,0,a),7", []string{"0", "0", "a)", "7"}},
		{"+CNMI: (0-2),(0,1,3),(0)", []string{"(0-2)", "(0,1,3)", "(0)"}},
		{`+CPMS: (("SM","ME"),("SM")),4`, []string{`(("SM","ME"),("SM"))`, "4"}},
		{"+CMTI: ,-1", []string{"", "-1"}},
		{"+X:", []string{""}},
	} {
		if got := fields([]string{tt.line}); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.line, got, tt.want)
		}
	}
}

func FuzzOffered(f *testing.F) {
	most := strconv.Itoa(math.MaxInt)
	for _, offer := range []string{
		"", "(0-2)", "(0,1,3)", "3", "(0,1-2)", "(2-0)", "(-1)", "(1-)", "(x,1)", "((0,1))",
		"(" + strconv.Itoa(math.MaxInt-9) + "-" + most + ")", "(0-" + most + ")",
	} {
		f.Add(offer)
	}
	f.Fuzz(func(t *testing.T, offer string) {
		want := []int{2, 1, 3, 0}
		got := offered(want, offer)[0]
		if got < 0 || got > 255 {
			t.Fatalf("%q: %d", offer, got)
		}
		if again := offered(want, "("+strconv.Itoa(got)+")")[0]; again != got {
			t.Fatalf("%q: %d, then %d", offer, got, again)
		}
	})
}

func TestOffered(t *testing.T) {
	for _, tt := range []struct {
		offer string
		want  int
	}{
		{"(0-2)", 2}, {"(0-1)", 1}, {"(0,3)", 3}, {"(0)", 0}, {"0", 0}, {"", 2}, {"()", 2}, {"(x)", 2}, {"(7)", 7}, {"(2-0)", 2}, {"( 0 , 1 )", 1}, {"(0,1-3)", 2},
	} {
		if got := offered([]int{2, 1, 3, 0}, tt.offer)[0]; got != tt.want {
			t.Errorf("%q: %d, want %d", tt.offer, got, tt.want)
		}
	}
}

func FuzzReference(f *testing.F) {
	for _, a := range answers {
		f.Add(a, "+CMGS: 3")
		f.Add("+CMGS: 3", a)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if !strings.HasPrefix(a, "+CMGS:") && !strings.HasPrefix(b, "+CMGS:") {
			if mr, ok := reference([]string{a, b}); ok {
				t.Fatalf("%q, %q: %d", a, b, mr)
			}
		}
		mr, ok := reference([]string{a, b})
		one, okA := reference([]string{a})
		two, okB := reference([]string{b})
		if ok != (okA || okB) || okB && mr != two || okA && !okB && mr != one {
			t.Fatalf("%q, %q: %d %v", a, b, mr, ok)
		}
		if again, _ := reference([]string{"+CMGS: " + strconv.Itoa(int(mr))}); again != mr {
			t.Fatalf("%d, then %d", mr, again)
		}
	})
}

// TestLongest: an announcement that came with the answer is not the answer.
func TestLongest(t *testing.T) {
	for want, info := range map[string][]string{
		"1,1":     {"+CREG: 2", "+CREG: 1,1"},
		"1,5":     {"+CREG: 1,5", "+CREG: 5"},
		"0,0,one": {`+COPS: 0,0,"one"`},
		"2,1,A,B": {`+CREG: 2,1,"A","B"`},
	} {
		if got := strings.Join(longest(info, info[0][:min(5, len(info[0]))]), ","); got != want {
			t.Errorf("%q: %q, want %q", info, got, want)
		}
	}
	if got := longest([]string{"^NOISE: 1,2,3"}, "+CREG"); got != nil {
		t.Errorf("noise: %q", got)
	}
}
