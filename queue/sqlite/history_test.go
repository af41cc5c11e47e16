package sqlite

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"cellpost/queue"
	"cellpost/sms"
)

// today lets the clock of a bubble show a year that is believed.
func today() { time.Sleep(time.Until(time.Date(2026, time.November, 22, 10, 0, 0, 0, time.UTC))) }

// TestHistoryProperty: whatever is moved, anonymised and purged when, what is shown
// and listed is what it was, but for what was to go.
func TestHistoryProperty(t *testing.T) {
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		path := filepath.Join(t.TempDir(), fmt.Sprint(n))
		var failure any
		synctest.Test(t, func(t *testing.T) {
			defer func() { failure = recover() }() // of rapid: it is for outside of the bubble
			tidyStories(r, path)
		})
		if failure != nil {
			panic(failure)
		}
	})
}

func tidyStories(r *rapid.T, path string) {
	today()
	s, err := Open(path, &sms.Rules{UnknownWait: time.Minute, EscalateAfter: time.Minute}, slog.New(slog.DiscardHandler))
	if err != nil {
		r.Fatal(err)
	}
	defer s.Close()
	if _, err := s.tx.exec("PRAGMA synchronous = OFF"); err != nil { // power is not what this is about
		r.Fatal(err)
	}
	if err := s.AddAccount(context.Background(), shop); err != nil {
		r.Fatal(err)
	}
	h := &visible{T: r, s: s}
	for range rapid.IntRange(5, 15).Draw(r, "steps") {
		h.step()
	}
}

// visible is a store in a property test.
type visible struct {
	*rapid.T
	s   *Store
	ids []sms.ID
}

func (h *visible) ok(err error) {
	h.Helper()
	if err != nil && !errors.Is(err, queue.ErrNothing) && !errors.Is(err, queue.ErrState) {
		h.Fatal(err)
	}
}

func (h *visible) step() {
	ctx := context.Background()
	switch rapid.SampledFrom([]string{"add", "add", "send", "send", "cancel", "wait", "tidy"}).Draw(h.T, "step") {
	case "add":
		b := batch(rapid.IntRange(1, 5).Draw(h.T, "messages"))
		for i := range b.Messages {
			m := &b.Messages[i]
			m.Report, m.Resend = rapid.Bool().Draw(h.T, "report"), rapid.Bool().Draw(h.T, "resend")
			m.Text = rapid.String().Draw(h.T, "text")
			h.ids = append(h.ids, m.ID)
		}
		h.ok(h.s.Add(ctx, b))
	case "send":
		c, err := h.s.Claim(ctx, queue.By{SIM: "a", Modem: "m"})
		h.ok(err)
		if err == nil {
			kind := rapid.SampledFrom([]sms.OutcomeKind{sms.Accepted, sms.Accepted, sms.Refused, sms.Ambiguous, sms.NotSent}).Draw(h.T, "outcome")
			h.ok(h.s.Settle(ctx, c, sms.Outcome{Kind: kind, MR: byte(c.Attempt), Detail: "by the modem of +447700900123"}))
		}
	case "cancel":
		if len(h.ids) > 0 {
			h.ok(h.s.Cancel(ctx, rapid.SampledFrom(h.ids).Draw(h.T, "id")))
		}
	case "wait":
		time.Sleep(time.Duration(rapid.SampledFrom([]int{1, 30, 24, 240, 900}).Draw(h.T, "hours")) * time.Hour)
		_, err := h.s.Overdue(ctx, []string{"a"})
		h.ok(err)
	case "tidy":
		h.tidy(sms.Retention{
			Keep:      rapid.SampledFrom([]int{0, 1, 13}).Draw(h.T, "keep"),
			Anonymise: time.Duration(rapid.SampledFrom([]int{0, 8, 30}).Draw(h.T, "anonymise")) * day,
		})
	}
}

// tidy checks what tidying leaves of the messages.
func (h *visible) tidy(r sms.Retention) {
	ctx := context.Background()
	type look struct {
		m        sms.Message
		timeline []sms.Entry
	}
	before := map[sms.ID]look{}
	for _, id := range h.ids {
		m, timeline, err := h.s.Show(ctx, id)
		h.ok(err)
		before[id] = look{m, timeline}
	}
	_, err := h.s.Tidy(ctx, r)
	h.ok(err)
	now, left := time.Now(), h.ids[:0]
	for _, id := range h.ids {
		was := before[id]
		m, timeline, err := h.s.Show(ctx, id)
		if errors.Is(err, queue.ErrNoMessage) {
			if age := now.Sub(was.m.Updated); r.Keep == 0 || age < 28*day || was.m.Due.After(now) {
				h.Fatalf("%s is gone after %v, kept are %d months", was.m.State, age, r.Keep)
			}
			continue
		}
		h.ok(err)
		left = append(left, id)
		if m.To != was.m.To && !r.Bygone(m.Updated, now) {
			h.Fatalf("%s is anonymous after %v", m.State, now.Sub(m.Updated))
		}
		if strings.HasPrefix(string(m.To), "*") {
			was.m.Anonymise(was.timeline)
			for i := range m.Parts {
				m.Parts[i].TPDU = nil
			}
		}
		if !reflect.DeepEqual(look{m, timeline}, was) {
			h.Fatalf("now\n%+v, before\n%+v", look{m, timeline}, was)
		}
		h.oncePlaced(id)
	}
	h.ids = left
	h.listed(queue.Filter{Limit: 1000})
	h.listed(queue.Filter{Limit: 1000, Account: shop.Name})
	h.listed(queue.Filter{Limit: 4})
}

// listed checks that a list is what is there, newest first.
func (h *visible) listed(f queue.Filter) {
	list, err := h.s.List(context.Background(), f)
	h.ok(err)
	if len(list) != min(len(h.ids), f.Limit) {
		h.Fatalf("%+v lists %d of %d", f, len(list), len(h.ids))
	}
	for i, m := range list {
		if want := h.ids[len(h.ids)-1-i]; m.ID != want {
			h.Fatalf("%+v: place %d is of %s, want %s", f, i, m.ID, want)
		}
	}
}

// oncePlaced checks that a message is in one place.
func (h *visible) oncePlaced(id sms.ID) {
	months, err := h.s.months(context.Background())
	h.ok(err)
	places := 0
	for _, table := range append(months, "message") {
		n, err := scalar[int](h.s.tx.row(`SELECT count(*) FROM `+table+` WHERE id = ?`, id[:]))
		h.ok(err)
		places += n
	}
	if places != 1 {
		h.Fatalf("%s is in %d places", id, places)
	}
}

// TestHistoryClock: nothing is done on the word of a clock that was lost or set by
// much, until it has been steady for a day.
func TestHistoryClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "queue.db")
		s := openAt(t, path, &sms.Rules{})
		steady := func(want bool, next time.Duration) {
			t.Helper()
			done, err := s.Tidy(t.Context(), sms.Retention{Keep: 1})
			if err != nil || done.Steady != want || time.Until(done.Next) != next {
				t.Fatalf("steady is %v, next in %v, %v; want %v, %v", done.Steady, time.Until(done.Next), err, want, next)
			}
		}
		steady(false, time.Hour) // of the year 2000
		today()
		steady(true, day)
		s.setBy(12 * time.Hour)
		steady(true, day)
		s.setBy(11 * 365 * day)
		steady(false, day)
		time.Sleep(23 * time.Hour)
		steady(false, time.Hour)
		s.setBy(-11 * 365 * day) // and back
		steady(false, day)
		time.Sleep(day)
		steady(true, day)
		for i, run := range []struct {
			off  time.Duration
			want bool
		}{{day, true}, {29 * day, true}, {31 * day, false}, {day, true}} {
			time.Sleep(run.off)
			s = openAt(t, path, &sms.Rules{}) // the next process
			if err := s.Resume(t.Context(), fmt.Sprint(i), 0); err != nil {
				t.Fatal(err)
			}
			steady(run.want, day)
		}
	})
}

// TestHistoryMarks: marks of a clock that was ahead are gone when it is right again,
// and there are no more of them than are looked at.
func TestHistoryMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, &sms.Rules{})
		today()
		if _, err := s.tx.exec(`INSERT INTO mark VALUES (?, 99, 99, 99, 99)`, millis(time.Now().Add(day))); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if _, err := s.Tidy(t.Context(), sms.Retention{Keep: 1}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(day)
		}
		n, err := scalar[int](s.tx.row(`SELECT count(*) FROM mark`))
		wrong, err2 := scalar[int](s.tx.row(`SELECT count(*) FROM mark WHERE message = 99`))
		if n < 28 || n > 33 || wrong != 0 || err != nil || err2 != nil {
			t.Errorf("%d marks, %d of them of the future, %v, %v", n, wrong, err, err2)
		}
	})
}

// TestHistoryRun: the round comes once a day, and not while the clock is not
// trusted.
func TestHistoryRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, &sms.Rules{})
		today()
		addShop(t, s)
		b := batch(2)
		for i := range b.Messages {
			b.Messages[i].State, b.Messages[i].Due = sms.Scheduled, time.Now().Add(time.Hour)
		}
		if err := s.Add(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		for _, m := range b.Messages {
			if err := s.Cancel(t.Context(), m.ID); err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		var trusted atomic.Bool
		done := make(chan error)
		h := &History{Store: s, Trusted: trusted.Load, Log: slog.New(slog.DiscardHandler)}
		go func() { done <- h.Run(ctx) }()
		moved := func(want int) {
			t.Helper()
			synctest.Wait()
			months, err := s.months(t.Context())
			if err != nil || len(months) != want {
				t.Fatalf("months %q, %v, want %d", months, err, want)
			}
		}
		time.Sleep(20 * day)
		moved(0)
		trusted.Store(true)
		time.Sleep(sms.LiveFor)
		moved(0)
		time.Sleep(day)
		moved(1)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestHistoryTouched: a message that something happens to while it is on its way
// stays.
func TestHistoryTouched(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	b := batch(1)
	if err := s.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Cancel(t.Context(), b.Messages[0].ID); err != nil {
		t.Fatal(err)
	}
	err := s.write(t.Context(), func(tx *tx) error {
		r, err := tx.find(b.Messages[0].ID)
		if err != nil {
			return err
		}
		var p packer
		made, err := p.parcel(r, nil, sms.Retention{}, tx.now)
		if err != nil {
			return err
		}
		if err := errors.Join(tx.keep(r, "report", "late"), tx.newMonth(made.month), tx.move(made)); err != nil {
			return err
		}
		_, err = tx.load(r.seq)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// storedBody is one that version 7 of the database has: no migration writes them anew.
const storedBody = "01B4D6B10A02310C06E077F101E46F5A29DEECE2EEEAE020DC7058C1D97797C386CB3589DAC16C85106868BEC6F212840FA130FD122B691F63B94B6D99D7947206F640A0D849ED789DA6B2F2168EB7754E19DC7A54" +
	"BFFF9B5B47BADFA975122AB37F35B60FD3E36163ED40DCE6593818866665E845126A0ABA6C46B56A37A0B7A2088DF3488474221A421C08DB9D04D4ECA681675B45C1D924041F4DAB14CFE7F2CAE48DCECF57000000FFFF"

// TestHistoryReferences: numbers that a reference is kept for go with the others.
func TestHistoryReferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		today()
		s := openTest(t, &sms.Rules{})
		for age := range 40 {
			if _, err := s.tx.exec(`INSERT INTO reference (sim, recipient, last, used) VALUES ('a', ?, 0, ?)`,
				fmt.Sprint(447700900100+age), millis(time.Now().Add(-time.Duration(age)*day))); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			r    sms.Retention
			left int64
		}{{sms.Retention{}, 31}, {sms.Retention{Anonymise: 60 * day}, 31}, {sms.Retention{Anonymise: 8 * day}, 9}} {
			if _, err := s.Tidy(t.Context(), c.r); err != nil {
				t.Fatal(err)
			}
			left, err := scalar[int64](s.tx.row(`SELECT count(*) FROM reference`))
			if err != nil || left != c.left {
				t.Errorf("%+v: %d are left, want %d, %v", c.r, left, c.left, err)
			}
		}
	})
}

// TestHistoryBody reads what is written, and what was written before.
func TestHistoryBody(t *testing.T) {
	stored, err := hex.DecodeString(storedBody)
	if err != nil {
		t.Fatal(err)
	}
	var p packer
	want := past{Message: sms.Message{
		ID: sms.ID{1, 2}, Account: "shop", To: "447700900123", Text: "hello", State: sms.Failed, Price: sms.Credit,
		Created: time.UnixMilli(1_700_000_000_000).UTC(), Updated: time.UnixMilli(1_700_000_001_000).UTC(),
		Parts: []sms.Part{{N: 1, TPDU: []byte{1, 2, 3}, State: sms.Failed, Attempts: []sms.Attempt{{ID: 7, Part: 1, SIM: "a", Modem: "m",
			Outcome: sms.Outcome{Kind: sms.Refused, Detail: "no"}, Started: time.UnixMilli(1_700_000_000_500).UTC()}}}},
	}, Timeline: []sms.Entry{{At: time.UnixMilli(1_700_000_000_000).UTC(), Event: "failed", Detail: "no"}}}
	for range 2 { // the second time with what the first has left
		body, err := p.pack(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.unpack(body)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	got, err := p.unpack(stored)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("of version 7: %+v, %v", got, err)
	}
	for _, body := range [][]byte{nil, {2}, {packed1}, {packed1, 0xFF, 0xFF}, stored[:len(stored)/2]} {
		if _, err := p.unpack(body); err == nil {
			t.Errorf("% X was read", body)
		}
	}
}
