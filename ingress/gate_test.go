package ingress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"cellpost/pdu"
	"cellpost/sms"
)

// addFunc is a Queue.
type addFunc func(sms.Batch) error

func (f addFunc) Add(_ context.Context, b sms.Batch) error { return f(b) }

var (
	testNow  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	testPeer = netip.MustParseAddr("192.168.1.9")
)

// testGate returns a gate that stores into batches.
func testGate(t *testing.T, accounts ...sms.Account) (g *Gate, batches *[]sms.Batch) {
	t.Helper()
	batches = new([]sms.Batch)
	return &Gate{
		Queue: addFunc(func(b sms.Batch) error { *batches = append(*batches, b); return nil }),
		Accounts: func(_ context.Context, name string) (sms.Account, error) {
			i := slices.IndexFunc(accounts, func(a sms.Account) bool { return a.Name == name })
			if i < 0 {
				return sms.Account{}, sms.ErrNoAccount
			}
			return accounts[i], nil
		},
		Rules: &sms.Rules{
			Routes: []sms.Route{
				{Prefix: "44", Tiers: [][]string{{"a"}, {"b"}}, Price: sms.Credit},
				{Prefix: "49", Tiers: [][]string{{"a"}}, Price: 2 * sms.Credit},
				{Prefix: "12345", Tiers: [][]string{{"a"}}, Price: sms.Credit},
			},
			PerSIM: map[string]sms.SIM{"b": {Deny: []string{"4415"}}},
			Resend: true,
		},
		CountryPrefix: "44",
		Blocked:       []string{"4490", "3389"},
		Sender:        func(n string) (string, bool) { return "b", n == "447700900001" },
		Now:           func() time.Time { return testNow },
	}, batches
}

func quickHash(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

func code(err error) int {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Code
	}
	return 0
}

// TestSubmitAt: a time of the clock is kept as such unless it is now, or past; what
// that is nobody knows while the clock is not trusted.
func TestSubmitAt(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name    string
		in      time.Duration
		far     bool // is taken for now
		trusted bool
		kept    bool
	}{
		{"later", time.Hour, false, true, true},
		{"seven days", 7 * day, false, true, true},
		{"now", 0, false, true, false},
		{"past", -time.Hour, false, true, false},
		{"far", 8 * day, true, true, false},
		{"later, it seems", time.Hour, false, false, true},
		{"past, it seems", -time.Hour, false, false, true},
		{"far, it seems", 56 * 365 * day, true, false, true},
		{"too far, it seems", 56 * 365 * day, false, false, true},
	} {
		g, batches := testGate(t)
		g.Trusted = func() bool { return tt.trusted }
		at := testNow.Add(tt.in)
		_, err := g.Submit(t.Context(), sms.Account{Unlimited: true}, Submission{
			Items: []Item{{To: "447700900123", Text: "x"}}, Params: Params{At: at.In(time.FixedZone("", 3600)), FarIsNow: tt.far, Validity: 2 * time.Hour},
		})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		m := (*batches)[0].Messages[0]
		want := sms.Message{Due: testNow, Expires: testNow.Add(2 * time.Hour)}
		if tt.kept {
			want = sms.Message{At: at, Due: at, Expires: at.Add(2 * time.Hour)}
		}
		if m.At != want.At || m.Expires != want.Expires || !tt.kept && (m.State != sms.Queued || m.Due != want.Due) {
			t.Errorf("%s: %s at %v, due %v, until %v; want %+v", tt.name, m.State, m.At, m.Due, m.Expires, want)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	g, _ := testGate(t,
		sms.Account{Name: "anna", PasswordHash: quickHash(t, "secret"), APIID: 7},
		sms.Account{Name: "lan", PasswordHash: quickHash(t, "secret"), APIID: 7,
			Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		sms.Account{Name: "nohash", APIID: 7},
		sms.Account{Name: "long", PasswordHash: quickHash(t, strings.Repeat("x", 72)), APIID: 7})
	tests := []struct {
		name string
		c    Credentials
		peer string
		want int // code of the refusal
	}{
		{"right", Credentials{"anna", "secret", "7"}, "192.168.1.9", 0},
		{"right again", Credentials{"anna", "secret", "7"}, "192.168.1.9", 0},
		{"wrong password", Credentials{"anna", "Secret", "7"}, "192.168.1.9", 1},
		{"no password", Credentials{"anna", "", "7"}, "192.168.1.9", 1},
		{"unknown user", Credentials{"bert", "secret", "7"}, "192.168.1.9", 1},
		{"account without a hash", Credentials{"nohash", "", "7"}, "192.168.1.9", 1},
		{"72 octets", Credentials{"long", strings.Repeat("x", 72), "7"}, "192.168.1.9", 0},
		{"bcrypt would take the first 72", Credentials{"long", strings.Repeat("x", 73), "7"}, "192.168.1.9", 1},
		{"network comes before api_id", Credentials{"lan", "secret", "8"}, "192.168.1.9", 7},
		{"password comes before network", Credentials{"lan", "x", "7"}, "192.168.1.9", 1},
		{"in the network", Credentials{"lan", "secret", "7"}, "10.1.2.3", 0},
		{"in the network, mapped", Credentials{"lan", "secret", "7"}, "::ffff:10.1.2.3", 0},
		{"wrong api_id", Credentials{"anna", "secret", "8"}, "192.168.1.9", 108},
		{"no api_id", Credentials{"anna", "secret", ""}, "192.168.1.9", 108},
		{"api_id of letters", Credentials{"anna", "secret", "seven"}, "192.168.1.9", 108},
	}
	for _, tt := range tests {
		a, err := g.Authenticate(t.Context(), tt.c, netip.MustParseAddr(tt.peer))
		if code(err) != tt.want || (err == nil) != (tt.want == 0) {
			t.Errorf("%s: %v, want code %d", tt.name, err, tt.want)
		}
		if err == nil && a.Name != tt.c.User {
			t.Errorf("%s: account %q", tt.name, a.Name)
		}
	}
	if len(g.logins.known) != 3 {
		t.Errorf("%d logins remembered, want those of anna, lan and long", len(g.logins.known))
	}
}

func TestAuthenticateAccountsAway(t *testing.T) {
	g, _ := testGate(t)
	g.Accounts = func(context.Context, string) (sms.Account, error) { return sms.Account{}, io.ErrClosedPipe }
	_, err := g.Authenticate(t.Context(), Credentials{"anna", "x", "7"}, testPeer)
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v, want the error of the store, which passes", err)
	}
}

// A changed password shuts the old one out at once, verified hash or not.
func TestAuthenticateAfterChange(t *testing.T) {
	account := sms.Account{Name: "anna", PasswordHash: quickHash(t, "old"), APIID: 7}
	g, _ := testGate(t)
	g.Accounts = func(context.Context, string) (sms.Account, error) { return account, nil }
	if _, err := g.Authenticate(t.Context(), Credentials{"anna", "old", "7"}, testPeer); err != nil {
		t.Fatal(err)
	}
	account.PasswordHash = quickHash(t, "new")
	if _, err := g.Authenticate(t.Context(), Credentials{"anna", "old", "7"}, testPeer); code(err) != 1 {
		t.Errorf("the old password: %v, want code 001", err)
	}
	if _, err := g.Authenticate(t.Context(), Credentials{"anna", "new", "7"}, testPeer); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

// A hundred first mails of one account cost a few hashes: those who wait for
// their turn find what the first has found.
func TestAuthenticateManyAtOnce(t *testing.T) {
	const endless = "$2a$31$" // a hash that takes hours: nobody may compute it
	account := sms.Account{Name: "anna", PasswordHash: endless + dummyHash[7:], APIID: 7}
	synctest.Test(t, func(t *testing.T) {
		g, _ := testGate(t, account)
		l := &g.logins
		l.once.Do(l.setUp)
		for range hashesAtOnce {
			l.slots <- struct{}{}
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := g.Authenticate(t.Context(), Credentials{"anna", "secret", "7"}, testPeer); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // all of them wait
		l.remember(l.digest(account, "secret"))
		<-l.slots
		wg.Wait()
	})
}

func TestLoginsAreBounded(t *testing.T) {
	var l logins
	l.once.Do(l.setUp)
	for i := range 2 * knownMax {
		l.remember(l.digest(sms.Account{Name: fmt.Sprint(i)}, "x"))
	}
	if len(l.known) > knownMax {
		t.Errorf("%d logins remembered, want %d at most", len(l.known), knownMax)
	}
}

func TestTooManyLogins(t *testing.T) {
	now := testNow
	g, _ := testGate(t,
		sms.Account{Name: "anna", PasswordHash: quickHash(t, "secret"), APIID: 7},
		sms.Account{Name: "bert", PasswordHash: quickHash(t, "secret"), APIID: 7})
	g.Now = func() time.Time { return now }
	login := func(user, password, peer string) error {
		_, err := g.Login(t.Context(), user, password, netip.MustParseAddr(peer))
		return err
	}
	if err := login("anna", "secret", "2001:db8::1"); err != nil {
		t.Fatal(err)
	}
	for i := range wrongAtOnce {
		// A host has all of its /64.
		if err := login("anna", fmt.Sprint(i), fmt.Sprintf("2001:db8::%x", i)); code(err) != 1 {
			t.Fatalf("wrong password %d: %v", i, err)
		}
	}
	if err := login("anna", "x", "2001:db8::99"); !errors.Is(err, ErrTooManyLogins) {
		t.Errorf("after %d wrong passwords: %v", wrongAtOnce, err)
	}
	if err := login("bert", "secret", "2001:db8::99"); err != nil {
		t.Errorf("another account behind the same address: %v", err)
	}
	if err := login("anna", "secret", "2001:db8::99"); err != nil {
		t.Errorf("a password that was right before: %v", err)
	}
	if err := login("anna", "x", "2001:db8:0:1::1"); code(err) != 1 {
		t.Errorf("another network: %v", err)
	}
	if now = now.Add(wrongInterval); login("anna", "x", "2001:db8::1") == nil {
		t.Error("a wrong password was right")
	} else if err := login("anna", "y", "2001:db8::1"); !errors.Is(err, ErrTooManyLogins) {
		t.Errorf("one more try came with time, and was used: %v", err)
	}
}

func TestDummyHash(t *testing.T) {
	cost, err := bcrypt.Cost([]byte(dummyHash))
	if err != nil || cost != bcrypt.DefaultCost {
		t.Errorf("cost %d, %v: an unknown name would be told by the time it takes", cost, err)
	}
}

func TestHashPassword(t *testing.T) {
	for _, bad := range []string{"", strings.Repeat("x", 73), " x", "x ", "a\nb"} {
		if _, err := HashPassword(bad); err == nil {
			t.Errorf("HashPassword(%q) took it", bad)
		}
	}
	hash, err := HashPassword("päss word")
	if err != nil || !matches(hash, "päss word") || matches(hash, "x") {
		t.Errorf("HashPassword: %q, %v", hash, err)
	}
}

var rich = sms.Account{Name: "anna", Credits: 1000 * sms.Credit}

func TestSubmit(t *testing.T) {
	g, batches := testGate(t)
	receipt, err := g.Submit(t.Context(), rich, Submission{
		Source: "smtp 192.168.1.9",
		Note:   "2 lines ignored",
		Items:  []Item{{To: "07700 900123", Text: "Meet me at home"}, {To: "letters", Text: "Meet me at home"}, {To: "+49 171 1234567", Text: "Meet me at home"}},
		Params: Params{ClientID: "abc123", Report: true, Priority: 1},
		Events: func(r Receipt) []sms.Event {
			return []sms.Event{{Door: "mail", Text: fmt.Sprint(r.Accepted(), r.Refusal())}}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(*batches) != 1 || len((*batches)[0].Messages) != 2 {
		t.Fatalf("batches %+v", *batches)
	}
	b := (*batches)[0]
	m := b.Messages[0]
	if r := receipt.Results; r[0].ID != m.ID || r[0].To != "447700900123" || code(r[1].Refusal) != 105 || r[1].To != "letters" || r[2].ID != b.Messages[1].ID {
		t.Errorf("receipt %+v", r)
	}
	if m.Submission != receipt.Submission || m.Account != "anna" || m.Source != "smtp 192.168.1.9" || m.To != "447700900123" ||
		m.ClientID != "abc123" || m.Text != "Meet me at home" || m.Priority != 1 || !m.Report || !m.Resend ||
		m.State != sms.Queued || m.Lane != "44/0" || m.Price != sms.Credit || !strings.HasSuffix(m.Why, "; 2 lines ignored") ||
		!m.Due.Equal(testNow) || !m.Expires.Equal(testNow.Add(24*time.Hour)) || !m.Created.Equal(testNow) {
		t.Errorf("message %+v", m)
	}
	if b.Messages[1].Price != 2*sms.Credit {
		t.Errorf("price %d, want that of the route", b.Messages[1].Price)
	}
	submit, _, err := pdu.ParseSubmit(m.Parts[0].TPDU)
	if err != nil || len(m.Parts) != 1 || m.Parts[0].N != 1 || m.Parts[0].State != sms.Queued {
		t.Fatalf("parts %+v, %v", m.Parts, err)
	}
	if !submit.StatusReport || submit.Reference != 0 || submit.Validity != (pdu.Validity{}) ||
		submit.Destination.Value != "447700900123" || submit.UserData.Text(submit.DCS) != "Meet me at home" {
		t.Errorf("TPDU %+v", submit)
	}
	want := sms.Event{Door: "mail", Account: "anna", Created: testNow, Text: "2 ERR: 105, Invalid destination address"}
	if len(b.Events) != 1 || !reflect.DeepEqual(b.Events[0], want) {
		t.Errorf("events %+v", b.Events)
	}
}

// What is refused is not stored, and says why in the words of the interface.
func TestSubmitRefused(t *testing.T) {
	poor := sms.Account{Name: "anna", Credits: sms.Credit}
	items := func(text string, to ...string) []Item {
		var all []Item
		for _, n := range to {
			all = append(all, Item{To: n, Text: text})
		}
		return all
	}
	one := items("x", "447700900123")
	long := strings.Repeat("x", 161)
	tests := []struct {
		name    string
		account sms.Account
		items   []Item
		params  Params
		want    string
	}{
		{"no items", rich, nil, Params{}, "ERR: 101, Invalid or missing parameters (to is missing)"},
		{"empty text", rich, items("", "447700900123"), Params{}, "ERR: 107, Empty message"},
		{"blank text, and letters", rich, items(" \r\n", "letters"), Params{}, "ERR: 107, Empty message"},
		{"letters", rich, items("x", "letters"), Params{}, "ERR: 105, Invalid destination address"},
		{"short code", rich, items("x", "12345"), Params{}, "ERR: 105, Invalid destination address"},
		{"no route, and too long", rich, items(long, "33700900123"), Params{}, "ERR: 114, Cannot route message"},
		{"the SIM of this sender may not", rich, items("x", "441511234567"), Params{From: "447700900001"},
			"ERR: 114, Cannot route message (the SIM of this sender may not send to this number)"},
		{"two parts", rich, items(long, "447700900123"), Params{}, "ERR: 113, Maximum message parts exceeded (2 parts needed, concat is 1)"},
		{"not in gsm7, which is all the account takes", sms.Account{Unlimited: true, NonGSM: "reject"}, items("aы", "447700900123"), Params{},
			"ERR: 101, Invalid or missing parameters (character 'ы' at octet 1 is not in the alphabet gsm7; leave it out or allow ucs2)"},
		{"no credit", poor, items(long, "447700900123"), Params{Concat: 2}, "ERR: 301, No Credit Left"},
		{"concat 36", rich, one, Params{Concat: 36}, "ERR: 113, Maximum message parts exceeded (concat: 1 to 35)"},
		{"concat negative", rich, one, Params{Concat: -1}, "ERR: 101, Invalid or missing parameters (concat)"},
		{"queue 4", rich, one, Params{Priority: 4}, "ERR: 101, Invalid or missing parameters (queue: 1 to 3)"},
		{"escalate 3", rich, one, Params{Escalate: 3}, "ERR: 101, Invalid or missing parameters (escalate: 0 to 2)"},
		{"validity", rich, one, Params{Validity: time.Second}, "ERR: 101, Invalid or missing parameters (validity: 1 to 10080 minutes)"},
		{"validity 8 days", rich, one, Params{Validity: 8 * 24 * time.Hour}, "ERR: 101, Invalid or missing parameters (validity: 1 to 10080 minutes)"},
		{"delay 8 days", rich, one, Params{Delay: 8 * 24 * time.Hour}, "ERR: 120, Invalid delivery time (0 to 10080 minutes)"},
		{"delay negative", rich, one, Params{Delay: -1}, "ERR: 120, Invalid delivery time (0 to 10080 minutes)"},
		{"time 8 days ahead", rich, one, Params{At: testNow.Add(8 * 24 * time.Hour)}, "ERR: 120, Invalid delivery time (a time up to 7 days ahead)"},
		{"time and delay", rich, one, Params{At: testNow.Add(time.Hour), Delay: time.Minute}, "ERR: 120, Invalid delivery time (a delay or a time, not both)"},
		{"time in milliseconds", rich, one, Params{At: time.Unix(testNow.UnixMilli(), 0), FarIsNow: true}, "ERR: 120, Invalid delivery time (a time from 2000 to 2099)"},
		{"client ID", rich, one, Params{ClientID: "a b"}, "ERR: 101, Invalid or missing parameters (climsgid: up to 32 letters and digits)"},
		{"long client ID", rich, one, Params{ClientID: strings.Repeat("a", 33)}, "ERR: 101, Invalid or missing parameters (climsgid: up to 32 letters and digits)"},
		{"from a name", rich, one, Params{From: "MyShop"}, "ERR: 123, Invalid Sender ID (from: a name cannot be shown)"},
		{"from a long name", rich, one, Params{From: "MyLittleShop"}, "ERR: 106, Invalid source address"},
		{"blocked, and no route", rich, items("x", "338990900123"), Params{}, "ERR: 121, Destination mobile number blocked"},
		{"letters come before blocked", rich, items("x", "3389letters"), Params{}, "ERR: 105, Invalid destination address"},
		{"from a stranger", rich, one, Params{From: "+447700900002"}, "ERR: 123, Invalid Sender ID (from: not the number of a SIM in this gateway)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, batches := testGate(t)
			told := 0
			receipt, err := g.Submit(t.Context(), tt.account, Submission{Items: tt.items, Params: tt.params, Events: func(r Receipt) []sms.Event {
				told = r.Refusal().Code
				return []sms.Event{{Door: "mail"}}
			}})
			if err == nil || err.Error() != tt.want {
				t.Fatalf("%v, want %s", err, tt.want)
			}
			if receipt.Accepted() != 0 || len(receipt.Results) != max(len(tt.items), 1) {
				t.Errorf("receipt %+v", receipt)
			}
			if len(*batches) != 1 || len((*batches)[0].Messages) != 0 || len((*batches)[0].Events) != 1 || told != code(err) {
				t.Errorf("stored %+v, told %d", *batches, told)
			}
		})
	}
}

func TestSubmitParams(t *testing.T) {
	tests := []struct {
		name    string
		account sms.Account
		params  Params
		text    string
		check   func(m sms.Message, s pdu.Submit) bool
	}{
		{"flash", rich, Params{Flash: true}, "x", func(_ sms.Message, s pdu.Submit) bool {
			return s.DCS.Class() == pdu.Class0 && s.DCS.Alphabet() == pdu.GSM7
		}},
		{"unicode", rich, Params{Unicode: true}, "x", func(_ sms.Message, s pdu.Submit) bool {
			return s.DCS.Alphabet() == pdu.UCS2 && s.UserData.Text(s.DCS) == "x"
		}},
		{"unicode by itself", rich, Params{}, "Ω пример", func(_ sms.Message, s pdu.Submit) bool {
			return s.DCS.Alphabet() == pdu.UCS2 && s.UserData.Text(s.DCS) == "Ω пример"
		}},
		{"no report", rich, Params{}, "x", func(m sms.Message, s pdu.Submit) bool { return !m.Report && !s.StatusReport }},
		{"the account asks for reports", sms.Account{Name: "r", Unlimited: true, Report: true}, Params{}, "x", func(m sms.Message, s pdu.Submit) bool { return m.Report && s.StatusReport }},
		{"delay", rich, Params{Delay: time.Hour, Validity: 2 * time.Hour}, "x", func(m sms.Message, _ pdu.Submit) bool {
			return m.State == sms.Scheduled && m.Due.Equal(testNow.Add(time.Hour)) && m.Expires.Equal(testNow.Add(3*time.Hour))
		}},
		{"escalate", rich, Params{Escalate: 1}, "x", func(m sms.Message, _ pdu.Submit) bool { return m.Lane == "44/1" && m.Escalate == 1 }},
		{"from selects the SIM", rich, Params{From: "07700 900001"}, "x", func(m sms.Message, _ pdu.Submit) bool {
			return m.OnlySIM == "b" && m.Lane == sms.SIMLane("b")
		}},
		{"priority", rich, Params{}, "x", func(m sms.Message, _ pdu.Submit) bool { return m.Priority == 3 }},
		{"account holds unknowns", sms.Account{Unlimited: true, OnUnknown: "hold"}, Params{}, "x", func(m sms.Message, _ pdu.Submit) bool { return !m.Resend }},
		{"account's concat", sms.Account{Unlimited: true, Concat: 2}, Params{}, strings.Repeat("x", 161), func(m sms.Message, s pdu.Submit) bool {
			c, ok := s.UserData.Concat()
			return len(m.Parts) == 2 && m.Price == 2*sms.Credit && ok && c.Total == 2 && c.Seq == 1 && c.Bits == 8
		}},
		{"national tables, allowed", sms.Account{Unlimited: true, Languages: []pdu.Language{pdu.Turkish}}, Params{}, strings.Repeat("ışık ", 20), func(m sms.Message, s pdu.Submit) bool {
			return s.DCS.Alphabet() == pdu.GSM7 && s.UserData.Tables() != pdu.Tables{} && s.UserData.Text(s.DCS) == strings.Repeat("ışık ", 20)
		}},
		{"transliterated", sms.Account{Unlimited: true, NonGSM: "transliterate"}, Params{}, "“ê”", func(m sms.Message, s pdu.Submit) bool {
			return s.DCS.Alphabet() == pdu.GSM7 && s.UserData.Text(s.DCS) == `"e"` && m.Text == "“ê”"
		}},
		{"unicode, asked for", sms.Account{Unlimited: true, NonGSM: "reject"}, Params{Unicode: true}, "ы", func(_ sms.Message, s pdu.Submit) bool {
			return s.DCS.Alphabet() == pdu.UCS2
		}},
	}
	for _, tt := range tests {
		g, batches := testGate(t)
		_, err := g.Submit(t.Context(), tt.account, Submission{Items: []Item{{To: "447700900123", Text: tt.text}}, Params: tt.params})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		m := (*batches)[0].Messages[0]
		submit, _, err := pdu.ParseSubmit(m.Parts[0].TPDU)
		if err != nil || !tt.check(m, submit) {
			t.Errorf("%s: message %+v, TPDU %+v, %v", tt.name, m, submit, err)
		}
	}
}

func TestSubmitDuplicates(t *testing.T) {
	g, batches := testGate(t)
	receipt, err := g.Submit(t.Context(), rich, Submission{Items: []Item{
		{To: "447700900123", Text: "x"}, {To: "07700 900123", Text: "x"}, {To: "447700900123", Text: "y"}, {To: "bad", Text: "x"}, {To: "447700900123", Text: "x"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := receipt.Results
	if len((*batches)[0].Messages) != 2 || receipt.Accepted() != 2 {
		t.Errorf("%d messages, %d accepted; want 2", len((*batches)[0].Messages), receipt.Accepted())
	}
	if r[0].Same || !r[1].Same || r[2].Same || !r[4].Same || r[1].ID != r[0].ID || r[4].ID != r[0].ID || r[2].ID == r[0].ID {
		t.Errorf("results %+v", r)
	}
}

// Credit ends in the middle of a list: those before it are sent.
func TestSubmitCreditEnds(t *testing.T) {
	g, batches := testGate(t)
	a := sms.Account{Name: "anna", Credits: 3 * sms.Credit}
	receipt, err := g.Submit(t.Context(), a, Submission{Items: []Item{
		{To: "447700900123", Text: "x"}, {To: "491711234567", Text: "x"}, {To: "447700900124", Text: "x"},
	}})
	if err != nil || len((*batches)[0].Messages) != 2 || code(receipt.Results[2].Refusal) != 301 {
		t.Errorf("%+v, %v", receipt, err)
	}
	a.Unlimited = true
	if receipt, err = g.Submit(t.Context(), a, Submission{Items: []Item{{To: "447700900123", Text: "x"}, {To: "491711234567", Text: "x"}, {To: "447700900124", Text: "x"}}}); err != nil || receipt.Accepted() != 3 {
		t.Errorf("unlimited: %+v, %v", receipt, err)
	}
}

// The store has the last word on credit; whatever else it says passes.
func TestSubmitStoreRefuses(t *testing.T) {
	g, _ := testGate(t)
	var stored []sms.Batch
	answer := sms.ErrNoCredit
	g.Queue = addFunc(func(b sms.Batch) error {
		if len(b.Messages) > 0 {
			return fmt.Errorf("add: %w", answer)
		}
		stored = append(stored, b)
		return nil
	})
	s := Submission{Items: []Item{{To: "447700900123", Text: "x"}}, Events: func(r Receipt) []sms.Event {
		return []sms.Event{{Text: fmt.Sprint(r.Refusal())}}
	}}
	receipt, err := g.Submit(t.Context(), rich, s)
	if code(err) != 301 || receipt.Accepted() != 0 || !receipt.Results[0].ID.IsZero() || len(stored) != 1 || stored[0].Events[0].Text != "ERR: 301, No Credit Left" {
		t.Errorf("%+v, %v, stored %+v", receipt, err, stored)
	}
	answer, s.Events = io.ErrShortWrite, nil
	if _, err = g.Submit(t.Context(), rich, s); code(err) != 0 || !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%v, want the error of the store and no refusal", err)
	}
}

func BenchmarkSubmit(b *testing.B) {
	g := &Gate{Queue: addFunc(func(sms.Batch) error { return nil }), Rules: &sms.Rules{}}
	s := Submission{Source: "bench", Items: []Item{{To: "447700900123", Text: "Meet me at home"}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Submit(b.Context(), sms.Account{Unlimited: true}, s); err != nil {
			b.Fatal(err)
		}
	}
}
