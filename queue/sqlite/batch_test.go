package sqlite

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/queue"
	"cellpost/sms"
)

// TestBatchList: a submission is listed whole, also what has left the live tables, and
// without what others have between its messages.
func TestBatchList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, &sms.Rules{})
		today()
		addShop(t, s)
		b, between := batch(3), batch(2)
		for _, b := range []sms.Batch{b, between} {
			if err := s.Add(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.write(t.Context(), func(x *tx) error { return x.extendBatch(b.Messages[0].Submission) }); err != nil {
			t.Fatal(err)
		}
		for _, m := range []sms.Message{b.Messages[0], b.Messages[2], between.Messages[0]} {
			if err := s.Cancel(t.Context(), m.ID); err != nil {
				t.Fatal(err)
			}
		}
		for range sms.LiveFor/day + 3 {
			time.Sleep(day)
			if _, err := s.Tidy(t.Context(), sms.Retention{Keep: 13}); err != nil {
				t.Fatal(err)
			}
		}
		if months, err := s.months(t.Context()); len(months) == 0 || err != nil {
			t.Fatalf("nothing has left the live tables: %v", err)
		}
		e := sms.Event{List: b.Messages[0].Submission}
		if err := s.listed(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
		for i, m := range b.Messages {
			line := fmt.Sprintf("ID: %s To: %s State: %s\r\n", m.ID, m.To, []sms.State{sms.Cancelled, sms.Queued, sms.Cancelled}[i])
			if before, _, ok := strings.Cut(e.Text, line); !ok || strings.Count(before, "ID: ") != i {
				t.Errorf("no %q at its place in\n%s", line, e.Text)
			}
		}
		if n := strings.Count(e.Text, "ID: "); n != len(b.Messages) {
			t.Errorf("%d messages are listed", n)
		}
		all := []sms.ID{b.Messages[2].ID, b.Messages[1].ID, b.Messages[0].ID}
		for _, tt := range []struct {
			filter queue.Filter
			want   []sms.ID
		}{
			{queue.Filter{}, all},
			{queue.Filter{Limit: 2}, all[:2]},
			{queue.Filter{State: sms.Cancelled}, []sms.ID{all[0], all[2]}},
			{queue.Filter{Account: "nobody"}, nil},
		} {
			tt.filter.Batch = b.Messages[0].Submission
			list, err := s.List(t.Context(), tt.filter)
			var got []sms.ID
			for _, m := range list {
				got = append(got, m.ID)
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%+v: %v, %v; want %v", tt.filter, got, err, tt.want)
			}
		}
	})
}

// TestBatchCancelFar: what came to a submission later, behind many messages of others,
// is cancelled with it.
func TestBatchCancelFar(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	b := batch(3)
	last := b.Messages[2]
	b.Messages = b.Messages[:2]
	if err := s.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for left := cancelWindow + 1; left > 0; left -= queue.LargeBatch {
		if err := s.Add(t.Context(), batch(min(left, queue.LargeBatch))); err != nil {
			t.Fatal(err)
		}
	}
	err := s.write(t.Context(), func(x *tx) error {
		if err := x.addMessage(&last); err != nil {
			return err
		}
		return x.extendBatch(last.Submission)
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.CancelBatch(t.Context(), last.Submission); n != 3 || err != nil {
		t.Errorf("%d cancelled, %v", n, err)
	}
}
