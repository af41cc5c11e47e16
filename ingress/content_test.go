package ingress

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cellpost/pdu"
	"cellpost/pdu/smart"
	"cellpost/sms"
)

// parts decodes the parts of a message.
func parts(t testing.TB, m sms.Message) (all []pdu.Submit) {
	t.Helper()
	for _, p := range m.Parts {
		s, warnings, err := pdu.ParseSubmit(p.TPDU)
		if err != nil || len(warnings) > 0 {
			t.Fatalf("%v, %v", err, warnings)
		}
		all = append(all, s)
	}
	return all
}

func bitmap(t testing.TB) []byte {
	t.Helper()
	b, err := smart.NewBitmap(72, 14, func(x, y int) bool { return x%2 == 0 })
	if err != nil {
		t.Fatal(err)
	}
	ota, err := b.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return ota
}

func TestSubmitContent(t *testing.T) {
	ota := bitmap(t)
	part1of2 := []pdu.IE{pdu.Concat{Reference: 9, Total: 2, Seq: 1, Bits: 8}.IE()}
	wide := []pdu.IE{{ID: 0x70, Data: make([]byte, 136)}}
	for _, tt := range []struct {
		name    string
		account sms.Account
		content Content
		params  Params
		want    string // refusal
		parts   int
		data    []byte // of all parts; nil: that of content
		text    string
	}{
		{name: "data", account: rich, content: Content{Data: []byte{0, 1, 2}}, parts: 1, text: "3 octets of 8-bit data: 000102"},
		{name: "one part, whole", account: rich, content: NewContent(smart.Object{Port: 1, Data: make([]byte, 133)}), parts: 1, text: "133 octets of 8-bit data for port 1: " + strings.Repeat("00", 40) + "..."},
		{name: "in parts, whatever concat says", account: rich, content: NewContent(smart.Object{Port: 1, Data: make([]byte, 134)}), params: Params{Concat: 1}, parts: 2},
		{name: "35 parts", account: rich, content: NewContent(smart.Object{Port: 1, Data: make([]byte, 35*128)}), parts: 35},
		{name: "36 parts", account: rich, content: NewContent(smart.Object{Port: 1, Data: make([]byte, 35*128+1)}), want: "ERR: 113, Maximum message parts exceeded (36 parts needed, 35 are allowed)"},
		{name: "nothing", account: rich, content: NewContent(smart.Object{Port: 1}), want: "ERR: 107, Empty message"},
		{name: "a part by its own header", account: rich, content: Content{Header: part1of2, Data: make([]byte, 134)}, parts: 1},
		{name: "too much for a part", account: rich, content: Content{Header: part1of2, Data: make([]byte, 135)}, want: "ERR: 113, Maximum message parts exceeded (udh makes it one part of several, and it is too long for one)"},
		{name: "a header that leaves no room", account: rich, content: Content{Header: wide, Data: make([]byte, 9)}, want: "ERR: 102, Invalid user data header (the header leaves no room for text; shorten it)"},
		{name: "logo", account: rich, content: NewLogo(ota), parts: 1, data: slices.Concat([]byte{0xFF, 0xFF, 0xFF}, ota), text: "operator logo, 72 x 14 dots"},
		{name: "logo of the account's network", account: sms.Account{Unlimited: true, Settings: sms.Settings{LogoNetwork: "26201"}}, content: NewLogo(ota), parts: 1, data: slices.Concat([]byte{0x62, 0xF2, 0x10}, ota)},
		{name: "flash", account: rich, content: Content{Data: []byte{0}}, params: Params{Flash: true}, parts: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, batches := testGate(t)
			_, err := g.Submit(t.Context(), tt.account, Submission{Items: []Item{{To: "447700900123", Content: &tt.content}}, Params: tt.params})
			if tt.want != "" {
				if err == nil || err.Error() != tt.want {
					t.Fatalf("%v, want %s", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m := (*batches)[0].Messages[0]
			var data []byte
			for i, s := range parts(t, m) {
				data = append(data, s.UserData.Data...)
				c, several := s.UserData.Concat()
				own := slices.ContainsFunc(tt.content.Header, func(ie pdu.IE) bool { return ie.ID == 0 })
				if s.DCS.Alphabet() != pdu.Octets || (s.DCS.Class() == pdu.Class0) != tt.params.Flash || several != (tt.parts > 1 || own) || several && !own && int(c.Seq) != i+1 {
					t.Errorf("part %d: %+v", i+1, s)
				}
			}
			if want := tt.data; want == nil && !bytes.Equal(data, tt.content.Data) || want != nil && !bytes.Equal(data, want) {
				t.Errorf("% X", data)
			}
			if len(m.Parts) != tt.parts || m.Price != sms.Credits(tt.parts)*sms.Credit || tt.text != "" && m.Text != tt.text {
				t.Errorf("%d parts for %d: %q", len(m.Parts), m.Price, m.Text)
			}
		})
	}
}

// Items may have their own parameters, and what is wrong with them concerns nobody
// else.
func TestSubmitOwnParams(t *testing.T) {
	g, batches := testGate(t)
	long := strings.Repeat("x", 161)
	receipt, err := g.Submit(t.Context(), rich, Submission{
		Items: []Item{
			{To: "447700900101", Text: "x"},
			{To: "447700900102", Text: "x", Params: &Params{Priority: 1, ClientID: "id1", Flash: true}},
			{To: "447700900103", Text: "x", Params: &Params{Priority: 4}},
			{To: "447700900104", Text: long, Params: &Params{Concat: 2}},
			{To: "447700900105", Text: long},
			{To: "447700900106", Text: "", Refusal: Refuse(CodeParameter, "csv")},
			{To: "447700900107", Text: "x", Params: &Params{From: "447700900001"}},
		},
		Params: Params{Priority: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	var codes []int
	for _, r := range receipt.Results {
		c := 0
		if r.Refusal != nil {
			c = r.Refusal.Code
		}
		codes = append(codes, c)
	}
	if !slices.Equal(codes, []int{0, 0, 101, 0, 113, 101, 0}) {
		t.Errorf("codes %v", codes)
	}
	m := (*batches)[0].Messages
	if len(m) != 4 || m[0].Priority != 2 || m[1].Priority != 1 || m[1].ClientID != "id1" || parts(t, m[0])[0].DCS.Class() == pdu.Class0 ||
		parts(t, m[1])[0].DCS.Class() != pdu.Class0 || len(m[2].Parts) != 2 || m[3].OnlySIM != "b" {
		t.Errorf("%+v", m)
	}
}

// TestForeignSender: what becomes of a from that no SIM has.
func TestForeignSender(t *testing.T) {
	for _, tt := range []struct {
		setting, from, text string
		code                int
		sim, note           string
	}{
		{"", "MyShop", "", 123, "", ""},
		{"reject", "MyShop", "", 123, "", ""},
		{"reject", "447700900001", "x", 0, "b", ""},
		{"ignore", "MyShop", "x", 0, "", "; from MyShop cannot be shown, and is ignored"},
		{"ignore", "447700900002", "x", 0, "", "; from 447700900002 cannot be shown, and is ignored"},
		{"ignore", "447700900001", "x", 0, "b", ""},
		{"ignore", "MyLittleShop", "", 106, "", ""},
		{"prefix", "MyShop", "MyShop: x", 0, "", ""},
		{"prefix", "447700900001", "x", 0, "b", ""},
		{"prefix", "My\x01Shop", "", 106, "", ""},
	} {
		g, batches := testGate(t)
		a := sms.Account{Name: "anna", Unlimited: true, Settings: sms.Settings{ForeignSender: tt.setting}}
		_, err := g.Submit(t.Context(), a, Submission{Items: []Item{{To: "447700900123", Text: "x"}}, Params: Params{From: tt.from}})
		if code(err) != tt.code || (err == nil) != (tt.code == 0) {
			t.Errorf("%+v: %v", tt, err)
		}
		if err != nil {
			continue
		}
		m := (*batches)[0].Messages[0]
		if s := parts(t, m)[0]; m.Text != tt.text || s.UserData.Text(s.DCS) != tt.text || m.OnlySIM != tt.sim || m.From != tt.from || !strings.HasSuffix(m.Why, tt.note) {
			t.Errorf("%+v: %q by %q, %s", tt, m.Text, m.OnlySIM, m.Why)
		}
	}
}

// TestMaxPrice: what costs more than it may gets an ID, has failed, and is free.
func TestMaxPrice(t *testing.T) {
	g, batches := testGate(t)
	s := Submission{Source: "x", Params: Params{MaxPrice: sms.Credit + sms.Credit/2}, Items: []Item{
		{To: "447700900123", Text: "x"}, {To: "491711234567", Text: "x"}, {To: "447700900124", Text: "x"},
	}}
	poor := sms.Account{Name: "anna", Credits: 2 * sms.Credit}
	receipt, err := g.Submit(t.Context(), poor, s)
	if err != nil || receipt.Accepted() != 3 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	m := (*batches)[0].Messages[1]
	if m.State != sms.Failed || m.Fault != sms.FaultRoute || m.Price != 0 || m.ID != receipt.Results[1].ID || m.Why != "it costs 2 credits, and max_credits is 1.5" {
		t.Errorf("%+v", m)
	}
	if q := g.Quote(poor, s); q[1].Refusal != nil || q[1].Fails != m.Why || q[1].Price != 0 || q[0].Fails != "" || q[2].Left != 0 {
		t.Errorf("%+v", q)
	}
}

// onceQueue knows messages by ClientID and number, as the store does; other adds
// what somebody else submits in between.
type onceQueue struct {
	known  map[string]sms.ID
	other  func(known map[string]sms.ID)
	stored []sms.Batch
}

func (q *onceQueue) Add(_ context.Context, b sms.Batch) error {
	err := q.repeated(b)
	if q.other != nil {
		q.other(q.known)
		q.other = nil
	}
	if err != nil {
		return fmt.Errorf("add: %w", err)
	}
	for m := range b.All() {
		q.known[m.ClientID+string(m.To)] = m.ID
	}
	q.stored = append(q.stored, b)
	return nil
}

func (q *onceQueue) repeated(b sms.Batch) error {
	first := map[sms.ID]sms.ID{}
	for m := range b.All() {
		if id, ok := q.known[m.ClientID+string(m.To)]; ok && b.Once {
			first[m.ID] = id
		}
	}
	if len(first) > 0 {
		return &sms.Repeated{First: first}
	}
	return nil
}

// TestIdempotent: a repetition gets the IDs of the first time, even of one that
// comes in at the same moment, and the rest of it is taken.
func TestIdempotent(t *testing.T) {
	g, _ := testGate(t)
	early, late := sms.NewID(testNow), sms.NewID(testNow)
	q := &onceQueue{known: map[string]sms.ID{"id1447700900101": early}}
	q.other = func(known map[string]sms.ID) { known["id1447700900102"] = late }
	g.Queue = q
	a := sms.Account{Name: "anna", Unlimited: true, Settings: sms.Settings{Idempotent: true}}
	var told []int
	s := Submission{
		Params: Params{ClientID: "id1"},
		Items:  []Item{{To: "447700900101", Text: "x"}, {To: "447700900102", Text: "x"}, {To: "447700900101", Text: "x"}, {To: "bad", Text: "x"}, {To: "447700900103", Text: "x"}},
		Events: func(r Receipt) []sms.Event {
			told = append(told, r.Accepted())
			return []sms.Event{{Text: fmt.Sprint(r.Accepted())}}
		},
	}
	receipt, err := g.Submit(t.Context(), a, s)
	if err != nil {
		t.Fatal(err)
	}
	r := receipt.Results
	if r[0].ID != early || !r[0].Repeat || r[1].ID != late || !r[1].Repeat || r[2].ID != early || !r[2].Same || code(r[3].Refusal) != 105 || r[4].Repeat || receipt.Accepted() != 1 {
		t.Errorf("%+v", r)
	}
	if len(q.stored) != 1 || len(q.stored[0].Messages) != 1 || q.stored[0].Events[0].Text != "1" {
		t.Errorf("%+v", q.stored)
	}
	before := maps.Clone(q.known)
	receipt, err = g.Submit(t.Context(), a, s)
	if err != nil || receipt.Accepted() != 0 || receipt.Price != 0 || receipt.Results[4].ID != r[4].ID || !maps.Equal(before, q.known) {
		t.Errorf("all of it again: %+v, %v", receipt, err)
	}
	if len(q.stored) != 2 || len(q.stored[1].Messages) != 0 || len(q.stored[1].Events) != 1 {
		t.Errorf("the answer is stored alone: %+v", q.stored)
	}
	a.Settings.Idempotent = false
	if receipt, err = g.Submit(t.Context(), a, s); err != nil || receipt.Accepted() != 3 {
		t.Errorf("an account that does not ask: %+v, %v", receipt, err)
	}
}

// TestIdempotentCredit: a repetition is known when there is no credit left, and what
// is new is sent as far as the credit goes.
func TestIdempotentCredit(t *testing.T) {
	g, _ := testGate(t)
	early := sms.NewID(testNow)
	q := &onceQueue{known: map[string]sms.ID{"id1447700900101": early}}
	left := sms.Credits(0)
	g.Queue = addFunc(func(b sms.Batch) error {
		var price sms.Credits
		for _, m := range b.Messages {
			price += m.Price
		}
		if _, repeated := q.known[b.Messages[0].ClientID+string(b.Messages[0].To)]; !repeated && price > left {
			return sms.ErrNoCredit
		}
		return q.Add(t.Context(), b)
	})
	for _, tt := range []struct {
		credit sms.Credits
		to     []string
		want   []int // codes
		err    int
	}{
		{0, []string{"447700900101"}, []int{0}, 0},
		{0, []string{"447700900101", "447700900102"}, []int{0, 301}, 0},
		{1, []string{"447700900101", "447700900103", "447700900104"}, []int{0, 0, 301}, 0},
		{0, []string{"447700900105"}, []int{301}, 301},
		{1, []string{"447700900106", "447700900107"}, []int{0, 301}, 0},
	} {
		left = tt.credit * sms.Credit
		a := sms.Account{Name: "anna", Credits: left, Settings: sms.Settings{Idempotent: true}}
		s := Submission{Params: Params{ClientID: "id1"}}
		for _, to := range tt.to {
			s.Items = append(s.Items, Item{To: to, Text: "x"})
		}
		receipt, err := g.Submit(t.Context(), a, s)
		var codes []int
		for _, r := range receipt.Results {
			c := 0
			if r.Refusal != nil {
				c = r.Refusal.Code
			}
			codes = append(codes, c)
		}
		if code(err) != tt.err || (err == nil) != (tt.err == 0) || !slices.Equal(codes, tt.want) {
			t.Errorf("%v: %v, %v; want %v", tt.to, codes, err, tt.want)
		}
		if q := g.Quote(a, s); tt.credit == 0 && (q[0].Refusal == nil || q[0].Refusal.Code != 301) {
			t.Errorf("a quote does not know: %+v", q[0])
		}
	}
}

// TestContentProperty: what a handset joins of the parts is the data, whatever its
// length and header.
func TestContentProperty(t *testing.T) {
	g, batches := testGate(t)
	rapid.Check(t, func(rt *rapid.T) {
		c := Content{Data: rapid.SliceOfN(rapid.Byte(), 1, 3000).Draw(rt, "data")}
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 20), 0, 3).Draw(rt, "header") {
			c.Header = append(c.Header, pdu.IE{ID: 0x70, Data: make([]byte, n)})
		}
		*batches = nil
		if _, err := g.Submit(t.Context(), sms.Account{Unlimited: true}, Submission{Items: []Item{{To: "447700900123", Content: &c}}}); err != nil {
			if code(err) == 0 || len(c.Data) <= 70 {
				rt.Fatalf("%v", err)
			}
			return
		}
		var data []byte
		for _, s := range parts(t, (*batches)[0].Messages[0]) {
			data = append(data, s.UserData.Data...)
		}
		if !bytes.Equal(data, c.Data) {
			rt.Errorf("%X", data)
		}
	})
}
