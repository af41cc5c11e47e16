package sqlite

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mattn/go-sqlite3"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/sms"
)

var shop = sms.Account{Name: "shop", Unlimited: true}

func addShop(t testing.TB, s *Store) {
	t.Helper()
	if err := s.AddAccount(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
}

// message makes a message that a line may take now.
func message(lane sms.Lane) sms.Message {
	now := time.Now()
	return sms.Message{
		ID: sms.NewID(now), Submission: sms.NewID(now), Account: shop.Name, Source: "test", To: "447700900123",
		Text: "hello", Priority: 3, State: sms.Queued, Lane: lane, Due: now, Expires: now.Add(24 * time.Hour),
		Review: now.Add(24 * time.Hour), Parts: []sms.Part{{N: 1, TPDU: make([]byte, 40)}},
	}
}

func batch(n int) sms.Batch {
	var b sms.Batch
	for range n {
		m := message("any")
		if len(b.Messages) > 0 {
			m.Submission = b.Messages[0].Submission
		}
		b.Messages = append(b.Messages, m)
	}
	return b
}

func TestAccounts(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	ctx := t.Context()
	want := sms.Account{
		Name: "shop", PasswordHash: "$2a$x", APIID: 1234567, Credits: 5 * sms.Credit, Report: true, ShortCodes: true, Concat: 3,
		Networks:  []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		OnUnknown: "hold", NonGSM: "transliterate", Languages: []pdu.Language{pdu.Turkish, pdu.Urdu}, Created: time.UnixMilli(1_700_000_000_000).UTC(),
		Again: sms.Again{Within: 5 * time.Minute, To: "447700900999"},
	}
	check := func(err, wanted error) {
		t.Helper()
		if !errors.Is(err, wanted) {
			t.Fatalf("got error %v, want %v", err, wanted)
		}
	}
	same := func() {
		t.Helper()
		got, err := s.Account(ctx, "shop")
		check(err, nil)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	check(s.AddAccount(ctx, want), nil)
	check(s.AddAccount(ctx, want), sms.ErrAccountExists)
	same()
	check(s.TopUp(ctx, "shop", 2*sms.Credit), nil)
	want.Credits += 2 * sms.Credit
	same()
	check(s.SetAccount(ctx, "shop", func(a *sms.Account) {
		a.Name = "renamed"
		a.PasswordHash, a.APIID, a.Unlimited, a.Networks, a.Report, a.ShortCodes, a.Concat, a.OnUnknown = "h", 2, true, nil, false, false, 1, ""
		a.NonGSM, a.Languages = "reject", nil
	}), nil)
	want.PasswordHash, want.APIID, want.Unlimited, want.Networks, want.Report, want.ShortCodes, want.Concat, want.OnUnknown = "h", 2, true, nil, false, false, 1, ""
	want.NonGSM, want.Languages = "reject", nil
	same()

	check(s.AddAccount(ctx, sms.Account{Name: "another"}), nil)
	list, err := s.Accounts(ctx)
	check(err, nil)
	if len(list) != 2 || list[0].Name != "another" || !reflect.DeepEqual(list[1], want) {
		t.Errorf("accounts %+v", list)
	}
	check(s.RemoveAccount(ctx, "another"), nil)
	for _, err := range []error{
		s.RemoveAccount(ctx, "another"), s.TopUp(ctx, "another", 1), s.SetAccount(ctx, "another", func(*sms.Account) {}),
	} {
		check(err, sms.ErrNoAccount)
	}
	_, err = s.Account(ctx, "another")
	check(err, sms.ErrNoAccount)
	if err := s.AddAccount(ctx, sms.Account{}); err == nil {
		t.Error("an account without a name was made")
	}
}

func TestInbox(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	now := time.UnixMilli(time.Now().UnixMilli()).UTC()
	deliver, err := pdu.Deliver{
		Originator: pdu.Address{TON: pdu.TONInternational, NPI: pdu.NPITelephone, Value: "447700900123"},
		Time:       now, UserData: pdu.UserData{Data: []byte("hello")},
	}.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	first := sms.Inbound{
		ID: 1, SIM: "a", Modem: "m", TPDU: deliver, Received: now,
		From: "+447700900123", Text: "hello", Kind: sms.KindText, Parts: 1, Sent: now.Truncate(time.Second),
	}
	second := first
	second.ID, second.SIM = 2, "b"
	for i, in := range []sms.Inbound{first, first, second} {
		fresh, due, err := s.Receive(t.Context(), sms.Inbound{SIM: in.SIM, Modem: in.Modem, TPDU: in.TPDU, Received: in.Received})
		if err != nil || fresh != (i != 1) || !due.IsZero() {
			t.Fatalf("fresh is %v, due %v, %v", fresh, due, err)
		}
	}
	for limit, want := range map[int][]sms.Inbound{0: {second, first}, 1: {second}} {
		got, err := s.Inbox(t.Context(), limit)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("limit %d: got %v, %v", limit, got, err)
		}
	}
}

// TestReceiveAnything has the store take in what networks have sent, whatever
// the schema says of it: what is not stored cannot be deleted from a SIM.
func TestReceiveAnything(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	files, err := filepath.Glob("../../pdu/testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "\npdu: ")
		digits, _, _ := strings.Cut(rest, "\n")
		octets, err := hex.DecodeString(digits)
		if err != nil {
			continue
		}
		tpdu := octets
		if _, cut, err := pdu.CutSMSC(octets); err == nil {
			tpdu = cut
		}
		if _, _, err := s.Receive(t.Context(), sms.Inbound{SIM: "a", TPDU: tpdu}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTwoProcesses has a second store, as the CLI opens, write beside a
// running one.
func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue 100% safe?.db")
	daemon := openAt(t, path, &sms.Rules{})
	serve(t, daemon)
	tool := openAt(t, path, &sms.Rules{})
	addShop(t, tool)
	var wg sync.WaitGroup
	for _, s := range []*Store{daemon, tool} {
		wg.Go(func() {
			for range 20 {
				if err := s.TopUp(t.Context(), "shop", sms.Credit); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if a, err := r.Account(t.Context(), "shop"); err != nil || a.Credits != 40*sms.Credit {
		t.Errorf("credits %d, %v; want 40", a.Credits, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
}

// TestReopen shows that what was reported done is in the file.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	s := openAt(t, path, &sms.Rules{})
	stop := serve(t, s)
	addShop(t, s)
	b := batch(3)
	if err := s.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	c, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	s = openAt(t, path, &sms.Rules{UnknownWait: time.Minute})
	if n, err := s.Abandon(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d abandoned, %v; want 1", n, err)
	}
	m, _, err := s.Show(t.Context(), c.Message.ID)
	if err != nil || m.State != sms.Unknown {
		t.Errorf("the claimed message is %s, %v", m.State, err)
	}
	if list, err := s.List(t.Context(), queue.Filter{State: sms.Queued}); len(list) != 2 || err != nil {
		t.Errorf("%d messages are queued, %v; want 2", len(list), err)
	}
}

// TestStopped tells the writer to stop while requests wait in line.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, &sms.Rules{})
		addShop(t, s)
		s.enter(served) // by nobody yet
		var wg sync.WaitGroup
		errs := make([]error, 5)
		for i := range errs {
			wg.Go(func() { errs[i] = s.Add(t.Context(), batch(1)) })
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				t.Errorf("a request before the end: %v", err)
			}
		}
		if err := s.Add(t.Context(), batch(1)); !errors.Is(err, errStopped) {
			t.Errorf("a request after the end: %v", err)
		}
		if list, err := s.List(t.Context(), queue.Filter{}); len(list) != len(errs) || err != nil {
			t.Errorf("%d messages are stored, %v; want %d", len(list), err, len(errs))
		}
	})
}

func TestContextEnded(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Add(ctx, batch(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if list, err := s.List(t.Context(), queue.Filter{}); len(list) != 0 || err != nil {
		t.Errorf("%d messages are stored, %v", len(list), err)
	}
}

// TestSharedTransaction puts requests of all kinds of outcome into one
// transaction.
func TestSharedTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, &sms.Rules{})
		addShop(t, s)
		good, bad := batch(2), batch(2)
		bad.Messages[1].Priority = 4
		work := []struct {
			name string
			do   func() error
			want string
		}{
			{"good", func() error { return s.Add(t.Context(), good) }, ""},
			{"second row breaks the schema", func() error { return s.Add(t.Context(), bad) }, "CHECK constraint failed"},
			{"lost", func() error { return s.Settle(t.Context(), queue.Claim{Attempt: 99}, sms.Outcome{}) }, queue.ErrLost.Error()},
			{"account", func() error { return s.TopUp(t.Context(), "shop", 1) }, ""},
		}
		s.enter(served) // by the flush below
		var wg sync.WaitGroup
		got := make([]error, len(work))
		for i, w := range work {
			wg.Go(func() { got[i] = w.do() })
		}
		synctest.Wait()
		s.flush()
		wg.Wait()
		for i, w := range work {
			if text := fmt.Sprint(got[i]); w.want == "" && got[i] != nil || !strings.Contains(text, w.want) {
				t.Errorf("%s: got %v, want %q", w.name, got[i], w.want)
			}
		}
		if list, err := s.List(t.Context(), queue.Filter{}); len(list) != len(good.Messages) || err != nil {
			t.Errorf("%d messages are stored, %v; want %d", len(list), err, len(good.Messages))
		}
	})
}

// TestRefusalsUndone: what a SIM was refused is forgotten with the transaction that says
// so, and counts once when that is done again.
func TestRefusalsUndone(t *testing.T) {
	s := openTest(t, &sms.Rules{SIMs: []string{"a"}, EscalateAfter: time.Minute})
	addShop(t, s)
	b := batch(refusalsMost + 1)
	for i := range b.Messages {
		b.Messages[i].To = sms.Number(fmt.Sprintf("44770090012%d", i))
	}
	if err := s.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var claims []queue.Claim
	for range b.Messages {
		c, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m", Alone: true})
		if err != nil {
			t.Fatal(err)
		}
		claims = append(claims, c)
	}
	refused := sms.Outcome{Kind: sms.Refused, Cause: pdu.Cause{Set: pdu.CMS, Code: 21}}
	for _, c := range claims[:refusalsMost-1] {
		if err := s.Settle(t.Context(), c, refused); err != nil {
			t.Fatal(err)
		}
	}
	last, taken := claims[refusalsMost-1], claims[refusalsMost]
	list := []*request{}
	for _, work := range []func(*tx) error{
		func(x *tx) error {
			a, r, err := x.held(last.Attempt)
			if err != nil {
				return err
			}
			return x.settle(a, r, refused)
		},
		func(x *tx) error {
			a, r, err := x.held(taken.Attempt)
			if err != nil {
				return err
			}
			return x.settle(a, r, sms.Outcome{Kind: sms.Accepted})
		},
		func(*tx) error { return errors.New("all of it is done again") },
	} {
		list = append(list, &request{ctx: t.Context(), work: work, done: make(chan struct{})})
	}
	s.waiting = list
	s.flush()
	m, _, err := s.Show(t.Context(), last.Message.ID)
	if err != nil || m.Tries != 0 {
		t.Errorf("the fifth refusal in a row counts as a try of the message: %d, %q, %v", m.Tries, m.Why, err)
	}
	if len(s.tx.refusals) != 0 {
		t.Errorf("the SIM has sent since: %v", s.tx.refusals)
	}
}

func TestDiskFull(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	serve(t, s)
	addShop(t, s)
	setPages := func(n int) {
		s.writing.Lock()
		defer s.writing.Unlock()
		if _, err := s.tx.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	setPages(1) // means: no more than there are
	var full error
	stored := 0
	for full == nil && stored < 10_000 {
		if full = s.Add(t.Context(), batch(20)); full == nil {
			stored += 20
		}
	}
	if e, ok := errors.AsType[sqlite3.Error](full); !ok || e.Code != sqlite3.ErrFull || !strings.Contains(full.Error(), "make room") {
		t.Fatalf("got %v, want that the disk is full and what to do", full)
	}
	setPages(1 << 20)
	if err := s.Add(t.Context(), batch(20)); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	stored += 20
	list, err := s.List(t.Context(), queue.Filter{Limit: 2 * stored})
	if len(list) != stored || err != nil {
		t.Errorf("%d messages are stored, %v; want %d", len(list), err, stored)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	noise := filepath.Join(dir, "noise")
	if err := os.WriteFile(noise, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		noise:                              "restores the newest snapshot",
		filepath.Join(dir, "none", "q.db"): "no such file or directory",
	} {
		s, err := Open(path, &sms.Rules{}, nil)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open %s: got %v, want %q", path, err, want)
		}
	}
	if _, err := OpenReader(filepath.Join(dir, "none.db")); err == nil {
		t.Error("a reader made a file")
	}
}

// TestPlannedOnce has each statement of a hand-over parsed and planned once, not
// each time: that takes longer than most statements.
func TestPlannedOnce(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	handOver := func() {
		t.Helper()
		if err := s.Add(t.Context(), batch(2)); err != nil {
			t.Fatal(err)
		}
		c, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Settle(t.Context(), c, sms.Outcome{Kind: sms.Accepted, MR: byte(c.Attempt)}); err != nil {
			t.Fatal(err)
		}
		var report [25]byte // matches nothing
		if _, err := s.Report(t.Context(), sms.Report{SIM: "a", Modem: "m", TPDU: binary.BigEndian.AppendUint64(report[:], uint64(c.Attempt)), Received: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	var planned []string
	err := s.tx.conn.Raw(func(driver any) error {
		driver.(*sqlite3.SQLiteConn).RegisterAuthorizer(func(_ int, what, column, _ string) int {
			planned = append(planned, what+"."+column)
			return sqlite3.SQLITE_OK
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	handOver()
	handOver() // what was planned before there was anything to bind
	planned = nil
	handOver()
	if len(planned) > 0 {
		t.Errorf("planned again: %q", planned)
	}
	for query := range s.tx.prepared {
		if steps := program(t, s, query); slices.Contains(steps, "OpenEphemeral") {
			t.Errorf("a table is made for it each time: %s", query)
		}
	}
}

// program are the steps of a statement, by the names of SQLite.
func program(t *testing.T, s *Store, query string) []string {
	t.Helper()
	rows, err := s.Reader.db.QueryContext(t.Context(), "EXPLAIN "+lasting(query), make([]any, strings.Count(query, "?"))...)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := collect(rows, func(r scanner) (step string, err error) {
		var address, p1, p2, p3, p5 int
		var p4, comment any
		err = r.Scan(&address, &step, &p1, &p2, &p3, &p4, &p5, &comment)
		return step, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// TestJoins has what is asked for while a transaction is at work carried out in the
// same one, and tells each request its own outcome.
func TestJoins(t *testing.T) {
	refusal := errors.New("no")
	for _, want := range []error{nil, refusal} {
		s := openTest(t, &sms.Rules{})
		addShop(t, s)
		commits := 0
		if err := s.tx.conn.Raw(func(driver any) error {
			driver.(*sqlite3.SQLiteConn).RegisterCommitHook(func() int { commits++; return 0 })
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		waiting := func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.waiting)
		}
		credit := func(t *tx) error {
			_, err := t.exec(`UPDATE account SET credits = credits + 1`)
			return err
		}
		var late sync.WaitGroup
		var got error
		var ask sync.Once
		ctx := t.Context()
		err := s.write(ctx, func(t *tx) error {
			ask.Do(func() {
				late.Go(func() {
					got = s.write(ctx, func(t *tx) error { return errors.Join(credit(t), want) })
				})
				for waiting() == 0 {
					runtime.Gosched()
				}
			})
			return credit(t)
		})
		late.Wait()
		if err != nil || !errors.Is(got, want) || commits != 1 {
			t.Errorf("got %v, %v in %d commits, want nil, %v in 1", err, got, commits, want)
		}
		a, err := s.Account(t.Context(), shop.Name)
		if credits := map[error]sms.Credits{nil: 2, refusal: 1}[want]; err != nil || a.Credits != credits {
			t.Errorf("got %d credits, %v, want %d", a.Credits, err, credits)
		}
	}
}
