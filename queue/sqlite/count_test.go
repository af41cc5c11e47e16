package sqlite

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/sms"
)

// miscounted returns the counters that are not what there is.
func miscounted(t testing.TB, s *Store) []string {
	t.Helper()
	const kept, counted = `SELECT name, priority, account, n FROM counter WHERE NOT total AND n <> 0`,
		`SELECT CASE state WHEN 'sending' THEN 'queued' ELSE state END, priority, account, count(*) FROM message GROUP BY 1, 2, 3`
	rows, err := s.Reader.db.QueryContext(context.Background(), `SELECT 'kept', * FROM (`+kept+` EXCEPT `+counted+`)
		UNION ALL SELECT 'counted', * FROM (`+counted+` EXCEPT `+kept+`)`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := collect(rows, func(s scanner) (string, error) {
		var which, state, account string
		var priority, n int
		err := s.Scan(&which, &state, &priority, &account, &n)
		return fmt.Sprintf("%s: %d %s of %s in queue %d", which, n, state, account, priority), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// workload is a store that anything happens to.
type workload struct {
	*rapid.T
	t      *testing.T
	path   string
	s      *Store
	ids    []sms.ID
	claims []queue.Claim
	totals queue.Totals
	moved  int64 // into the history
}

// TestCounters: whatever happens, what is kept is what would be counted.
func TestCounters(t *testing.T) {
	if checks := flag.Lookup("rapid.checks").Value; checks.String() == "100" { // nobody asked for more than the default
		checks.Set("25")
		defer checks.Set("100")
	}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		w := &workload{T: rt, path: filepath.Join(t.TempDir(), fmt.Sprint(n))}
		var failure any
		synctest.Test(t, func(t *testing.T) { // one for each: rapid ends early where a day has passed
			defer func() { failure = recover() }() // of rapid: it is for outside of the bubble
			w.t = t
			w.live()
		})
		if failure != nil {
			panic(failure)
		}
	})
}

func (w *workload) live() {
	today()
	w.open()
	defer func() { w.s.Close() }()
	w.must(w.s.AddAccount(w.t.Context(), shop))
	w.must(w.s.AddAccount(w.t.Context(), sms.Account{Name: "poor", Credits: 3}))
	w.Repeat(map[string]func(*rapid.T){
		"": w.check, "add": func(*rapid.T) { w.add() }, "claim": func(*rapid.T) { w.claim() }, "end": func(*rapid.T) { w.end() },
		"late": func(*rapid.T) { w.late() }, "change": func(*rapid.T) { w.change() }, "together": func(*rapid.T) { w.together() },
		"time": func(*rapid.T) { w.time() }, "tidy": func(*rapid.T) { w.tidy() }, "large": func(*rapid.T) { w.large() },
		"restart": func(*rapid.T) { w.restart() },
	})
}

func (w *workload) open() {
	s, err := open(w.path, &sms.Rules{UnknownWait: time.Minute, EscalateAfter: time.Minute}, slog.New(slog.DiscardHandler))
	w.must(err)
	if _, err := s.tx.exec("PRAGMA synchronous = OFF"); err != nil {
		w.Fatal(err)
	}
	w.s = s
}

// must fails for any error but those that a store gives by design.
func (w *workload) must(err error, may ...error) {
	for _, m := range may {
		if errors.Is(err, m) {
			return
		}
	}
	if err != nil {
		w.Fatal(err)
	}
}

func (w *workload) batch() sms.Batch {
	var b sms.Batch
	tpdu, err := pdu.Submit{Destination: sms.Number("447700900123").Address(), UserData: pdu.UserData{Data: []byte("x")}}.AppendBinary(nil)
	w.must(err)
	for range rapid.IntRange(1, 3).Draw(w.T, "messages") {
		m := message("any")
		m.Account = rapid.SampledFrom([]string{"shop", "shop", "poor"}).Draw(w.T, "account")
		m.Price, m.Priority = 1, rapid.IntRange(1, 3).Draw(w.T, "priority")
		m.Resend, m.Report = rapid.Bool().Draw(w.T, "resend"), true
		m.Again = rapid.SampledFrom([]sms.Again{{}, {Within: time.Hour}, {Within: time.Hour, To: "447700900999"}}).Draw(w.T, "again")
		m.Parts = nil
		for n := range rapid.IntRange(1, 2).Draw(w.T, "parts") {
			m.Parts = append(m.Parts, sms.Part{N: n + 1, TPDU: tpdu})
		}
		if rapid.Bool().Draw(w.T, "later") {
			m.State, m.Due = sms.Scheduled, m.Due.Add(time.Hour)
			m.Review = m.Due
		}
		w.ids = append(w.ids, m.ID)
		if len(b.Messages) > 0 {
			m.Submission = b.Messages[0].Submission
		}
		b.Messages = append(b.Messages, m)
	}
	return b
}

func (w *workload) add() { w.must(w.s.Add(w.t.Context(), w.batch()), sms.ErrNoCredit) }

func (w *workload) claim() {
	c, err := w.s.Claim(w.t.Context(), queue.By{SIM: rapid.SampledFrom([]string{"a", "b"}).Draw(w.T, "sim"), Modem: "m", Alone: true})
	w.must(err, queue.ErrNothing)
	if err == nil {
		w.claims = append(w.claims, c)
	}
}

func (w *workload) some() (queue.Claim, bool) {
	if len(w.claims) == 0 {
		return queue.Claim{}, false
	}
	return rapid.SampledFrom(w.claims).Draw(w.T, "claim"), true
}

func (w *workload) outcome() sms.Outcome {
	return rapid.SampledFrom([]sms.Outcome{
		{Kind: sms.Accepted, MR: 1}, {Kind: sms.Ambiguous}, {Kind: sms.NotSent},
		{Kind: sms.Refused, Cause: pdu.Cause{Set: pdu.CMS, Code: 1}}, {Kind: sms.Refused, Cause: pdu.Cause{Set: pdu.CMS, Code: 42}},
	}).Draw(w.T, "outcome")
}

func (w *workload) end() {
	c, ok := w.some()
	if !ok {
		return
	}
	ctx, o := w.t.Context(), w.outcome()
	switch {
	case rapid.IntRange(0, 4).Draw(w.T, "back") == 0:
		w.must(w.s.GiveBack(ctx, c, "not begun"), queue.ErrLost)
	case o.Kind == sms.Accepted && c.Part+1 < len(c.Message.Parts):
		next, err := w.s.PartSent(ctx, c, o)
		w.must(err, queue.ErrLost)
		if err == nil {
			w.claims = append(w.claims, next)
		}
	default:
		w.must(w.s.Settle(ctx, c, o), queue.ErrLost)
	}
}

func (w *workload) late() {
	c, ok := w.some()
	if ok && rapid.Bool().Draw(w.T, "result") {
		w.must(w.s.Late(w.t.Context(), c.Attempt, w.outcome()))
		return
	}
	tpdu, err := pdu.StatusReport{
		Reference: 1, Recipient: sms.Number("447700900123").Address(), Time: time.Now(), Discharge: time.Now(),
		Status: rapid.SampledFrom([]pdu.Status{0x00, 0x20, 0x46}).Draw(w.T, "status"),
	}.AppendBinary(nil)
	w.must(err)
	_, err = w.s.Report(w.t.Context(), sms.Report{SIM: "a", Modem: "m", TPDU: tpdu, Received: time.Now()})
	w.must(err)
}

func (w *workload) change() {
	if len(w.ids) == 0 {
		return
	}
	id := rapid.SampledFrom(w.ids).Draw(w.T, "id")
	if rapid.Bool().Draw(w.T, "cancel") {
		w.must(w.s.Cancel(w.t.Context(), id), queue.ErrState, queue.ErrNoMessage)
		return
	}
	_, err := w.s.Retry(w.t.Context(), id)
	w.must(err, sms.ErrNoRetry, sms.ErrNoCredit, queue.ErrNoMessage, queue.ErrState)
}

// together has requests share a transaction; one of them fails half way.
func (w *workload) together() {
	bad := w.batch()
	bad.Messages = append(bad.Messages, message("any"))
	bad.Messages[len(bad.Messages)-1].Priority = 4
	good := []sms.Batch{w.batch(), w.batch()}
	w.s.enter(served) // by the flush below
	var wg sync.WaitGroup
	wg.Go(func() { w.s.Add(w.t.Context(), good[0]) })
	wg.Go(func() { w.s.Add(w.t.Context(), bad) })
	wg.Go(func() { w.s.Add(w.t.Context(), good[1]) })
	synctest.Wait()
	w.s.flush()
	wg.Wait()
	w.s.enter(direct)
}

func (w *workload) time() {
	time.Sleep(rapid.SampledFrom([]time.Duration{time.Second, 2 * time.Minute, 2 * time.Hour, 25 * time.Hour}).Draw(w.T, "wait"))
	_, err := w.s.Overdue(w.t.Context(), nil)
	w.must(err)
}

// tidy lets the time pass after which messages go into the history.
func (w *workload) tidy() {
	for range 2 {
		done, err := w.s.Tidy(w.t.Context(), sms.Retention{Anonymise: 10 * day})
		w.must(err)
		w.moved += int64(done.Moved)
		time.Sleep(rapid.SampledFrom([]time.Duration{time.Hour, 9 * day, 31 * day}).Draw(w.T, "wait"))
		_, err = w.s.Overdue(w.t.Context(), nil)
		w.must(err)
	}
}

// large is a batch that comes in by more than one transaction, some of it in vain.
func (w *workload) large() {
	if rapid.IntRange(0, 29).Draw(w.T, "rarely") > 0 {
		return
	}
	b := batch(queue.LargeBatch + 1)
	last := &b.Messages[queue.LargeBatch]
	if rapid.Bool().Draw(w.T, "in vain") {
		last.Account, last.Price = "poor", 99
	}
	w.must(w.s.Add(w.t.Context(), b), sms.ErrNoCredit)
	w.ids = append(w.ids, b.Messages[0].ID, last.ID)
}

// restart is that of a process, or of one that finds the database of a snapshot.
func (w *workload) restart() {
	w.must(w.s.Close())
	w.open()
	if rapid.Bool().Draw(w.T, "restored") {
		_, err := w.s.doubt(w.t.Context(), time.Now())
		w.must(err)
	}
	_, err := w.s.Abandon(w.t.Context())
	w.must(err)
	_, err = w.s.Reroute(w.t.Context())
	w.must(err)
}

// miscountedBatches returns the batches whose numbers are not those of their messages. Of
// those in the history only what waits can be counted.
func (w *workload) miscountedBatches() []string {
	w.t.Helper()
	states := []string{"waiting"}
	if w.moved == 0 {
		states = append(states, "sent", "delivered", "unknown", "failed", "expired", "cancelled")
	}
	var wrong []string
	for _, state := range states {
		are := "state = '" + state + "'"
		if state == "waiting" {
			are = "state IN ('scheduled', 'held', 'queued', 'sending')"
		}
		rows, err := w.s.Reader.db.QueryContext(w.t.Context(), `SELECT hex(id), `+state+`, (SELECT count(*) FROM message WHERE submission = batch.id AND `+are+`) AS n
			FROM batch WHERE n <> `+state)
		w.must(err)
		list, err := collect(rows, func(s scanner) (string, error) {
			var id string
			var kept, counted int
			err := s.Scan(&id, &kept, &counted)
			return fmt.Sprintf("batch %s: %d %s, counted %d", id, kept, state, counted), err
		})
		w.must(err)
		wrong = append(wrong, list...)
	}
	return wrong
}

func (w *workload) check(*rapid.T) {
	if wrong := w.miscountedBatches(); len(wrong) > 0 {
		w.Fatalf("%q", wrong)
	}
	if wrong := miscounted(w.t, w.s); len(wrong) > 0 {
		w.Fatalf("%q", wrong)
	}
	s, err := w.s.Stats(w.t.Context())
	w.must(err)
	var stored, sending int64
	for _, c := range s.Stored {
		stored += c.N
		if c.State == sms.Sending {
			sending += c.N
		}
	}
	if list, err := w.s.List(w.t.Context(), queue.Filter{State: sms.Sending, Limit: 1000}); err != nil || int64(len(list)) != sending {
		w.Fatalf("%d are being sent, %d counted, %v", len(list), sending, err)
	}
	if s.Totals.Accepted != stored+w.moved {
		w.Fatalf("%d accepted, %d stored, %d moved", s.Totals.Accepted, stored, w.moved)
	}
	for i, pair := range [][2]int64{
		{w.totals.Sent, s.Totals.Sent}, {w.totals.Delivered, s.Totals.Delivered}, {w.totals.Failed, s.Totals.Failed},
		{w.totals.Expired, s.Totals.Expired}, {w.totals.Cancelled, s.Totals.Cancelled}, {w.totals.Unknown, s.Totals.Unknown},
		{w.totals.Duplicates, s.Totals.Duplicates}, {w.totals.HandedOver, s.Totals.HandedOver}, {s.Totals.Cleared, s.Totals.InDoubt},
	} {
		if pair[0] > pair[1] {
			w.Fatalf("total %d went down from %d to %d", i, pair[0], pair[1])
		}
	}
	w.totals = s.Totals
}

// TestCountersBefore: what earlier releases stored is counted once.
func TestCountersBefore(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	b := batch(5)
	b.Messages[0].Priority = 1
	if err := s.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, code := range []int{1, 2} {
		c, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"})
		if err != nil {
			t.Fatal(err)
		}
		o := sms.Outcome{Kind: sms.Accepted, MR: 1}
		if code == 1 {
			o = sms.Outcome{Kind: sms.Refused, Cause: pdu.Cause{Set: pdu.CMS, Code: code}}
		}
		if err := s.Settle(t.Context(), c, o); err != nil {
			t.Fatal(err)
		}
	}
	before, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := migrations.ReadFile("migrations/0009_counter.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"DROP TABLE counter", "ALTER TABLE message DROP COLUMN refunded", string(text)} {
		if _, err := s.tx.conn.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	if wrong := miscounted(t, s); len(wrong) > 0 {
		t.Errorf("%q", wrong)
	}
	after, err := s.Stats(t.Context())
	if err != nil || after.Totals != before.Totals {
		t.Errorf("totals %+v, %v\nwant %+v", after.Totals, err, before.Totals)
	}
	refunded, err := scalar[int](s.tx.row(`SELECT count(*) FROM message WHERE refunded AND state = 'failed'`))
	if err != nil || refunded != 1 {
		t.Errorf("%d messages are refunded, %v; want 1", refunded, err)
	}
}
