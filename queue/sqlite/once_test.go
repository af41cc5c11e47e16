package sqlite

import (
	"errors"
	"testing"

	"cellpost/sms"
)

// TestOnceOnItsWay: nobody hears of a message that may still be taken back.
func TestOnceOnItsWay(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	first, again := batch(2), batch(1)
	again.Once = true
	for _, b := range []sms.Batch{first, again} {
		for i := range b.Messages {
			b.Messages[i].ClientID, b.Messages[i].Text = "id1", "x"
		}
	}
	in := intake{batch: first.Messages[0].ID}
	if err := s.write(t.Context(), func(tx *tx) (err error) {
		in.id, err = tx.insert(`INSERT INTO intake (batch, first, last) VALUES (?, 1, 0)`, in.batch[:])
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.fillChunk(t.Context(), in, sms.Batch{}, first.Messages[:1], false); err != nil {
		t.Fatal(err)
	}
	err := s.Add(t.Context(), again)
	if _, ok := errors.AsType[*sms.Repeated](err); ok || err == nil {
		t.Errorf("while it is on its way: %v", err)
	}
	if err := s.fill(t.Context(), in, sms.Batch{}); err != nil { // the last of it
		t.Fatal(err)
	}
	err = s.Add(t.Context(), again)
	repeated, ok := errors.AsType[*sms.Repeated](err)
	if !ok || repeated.First[again.Messages[0].ID] != first.Messages[0].ID {
		t.Errorf("when it is accepted: %v", err)
	}
}
