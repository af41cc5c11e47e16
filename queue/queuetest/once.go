package queuetest

import (
	"errors"
	"fmt"
	"time"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/sms"
)

// named gives a message a ClientID.
func named(id string) func(*sms.Message) { return func(m *sms.Message) { m.ClientID = id } }

// once stores messages that are to be taken once, and returns what of them had been
// submitted before.
func (e *env) once(messages ...sms.Message) map[sms.ID]sms.ID {
	e.Helper()
	err := e.store.Add(e.ctx, sms.Batch{Messages: messages, Once: true})
	if repeated, ok := errors.AsType[*sms.Repeated](err); ok {
		return repeated.First
	}
	e.ok(err)
	return nil
}

// again checks that a batch is refused for one message of it.
func (e *env) again(first sms.ID, m sms.Message, rest ...sms.Message) {
	e.Helper()
	if got := e.once(append(rest, m)...); len(got) != 1 || got[m.ID] != first {
		e.Fatalf("submitted before: %v, want %s in place of %s", got, first, m.ID)
	}
}

// binary makes the message one of 8-bit data.
func (e *env) binary(m sms.Message, data byte) sms.Message {
	e.Helper()
	s := pdu.Submit{Destination: m.To.Address(), DCS: pdu.TextDCS(pdu.Octets, pdu.NoClass), UserData: pdu.UserData{Data: []byte{data}}}
	tpdu, err := s.AppendBinary(nil)
	e.ok(err)
	m.Parts = []sms.Part{{N: 1, TPDU: tpdu, State: sms.Queued}}
	return m
}

var onceTests = []test{
	{name: "once: the same again is refused with all that came with it", run: func(e *env) {
		m := e.message(1, named("id1"))
		if got := e.once(m); got != nil {
			e.Fatalf("%v", got)
		}
		e.again(m.ID, e.message(1, named("id1")), e.message(1, named("id2")))
		e.balance(credits - sms.Credit)
		e.claimID("a", m.ID)
		e.nothing("a")
		e.once(e.message(1, named("id2"))) // it was not stored
	}},
	{name: "once: what differs is taken", run: func(e *env) {
		e.once(e.message(1, named("id1")))
		for name, change := range map[string]func(*sms.Message){
			"climsgid": named("ID1"),
			"number":   func(m *sms.Message) { m.ClientID, m.To = "id1", "447700900124" },
			"text":     func(m *sms.Message) { m.ClientID, m.Text = "id1", "another" },
			"no name":  func(m *sms.Message) {},
		} {
			if got := e.once(e.message(1, change)); got != nil {
				e.Errorf("%s: %v", name, got)
			}
		}
		if got := e.once(e.message(1)); got != nil {
			e.Errorf("no name, again: %v", got)
		}
		e.ok(e.store.AddAccount(e.ctx, sms.Account{Name: "other", Unlimited: true}))
		if got := e.once(e.message(1, named("id1"), func(m *sms.Message) { m.Account = "other" })); got != nil {
			e.Errorf("another account: %v", got)
		}
	}},
	{name: "once: data is compared, not its words", run: func(e *env) {
		m := e.binary(e.message(1, named("id1")), 1)
		e.once(m)
		if got := e.once(e.binary(e.message(1, named("id1")), 2)); got != nil {
			e.Errorf("%v", got)
		}
		e.again(m.ID, e.binary(e.message(1, named("id1")), 1))
	}},
	{name: "once: where it was not asked for, the same is taken again", run: func(e *env) {
		e.add(1, named("id1"))
		e.add(1, named("id1"))
		e.balance(credits - 2*sms.Credit)
	}},
	{name: "once: whatever became of the first, for a day", run: func(e *env) {
		m := e.message(1, named("id1"))
		e.once(m)
		e.ok(e.store.Cancel(e.ctx, m.ID))
		time.Sleep(24*time.Hour - time.Second)
		e.again(m.ID, e.message(1, named("id1")))
		time.Sleep(2 * time.Second)
		if got := e.once(e.message(1, named("id1"))); got != nil {
			e.Errorf("after a day: %v", got)
		}
	}},
	{name: "once: a large batch", run: func(e *env) {
		b := e.large("bulk", 10*credits)
		b.Once = true
		for i := range b.Messages {
			b.Messages[i].ClientID, b.Messages[i].Text = "id1", fmt.Sprint(i)
		}
		e.ok(e.store.Add(e.ctx, b))
		same := e.large("more", credits)
		for i := range same.Messages {
			same.Messages[i].Account, same.Messages[i].ClientID, same.Messages[i].Text = "bulk", "id1", fmt.Sprint(i)
		}
		same.Messages[3].Text = "new" // and all the others are not
		got := e.once(same.Messages...)
		if len(got) != len(b.Messages)-1 || got[same.Messages[4].ID] != b.Messages[4].ID {
			e.Fatalf("%d of %d were submitted before", len(got), len(b.Messages))
		}
		e.letIn()
		if list, err := e.store.List(e.ctx, queue.Filter{Account: "bulk", Limit: 2 * len(b.Messages)}); err != nil || len(list) != len(b.Messages) {
			e.Errorf("%d messages, %v", len(list), err)
		}
	}},
	{name: "a message that has failed by itself is stored, and costs nothing", run: func(e *env) {
		m := e.message(1)
		m.Refuse(sms.FaultRoute, "it costs too much")
		ok := e.message(1)
		e.ok(e.store.Add(e.ctx, sms.Batch{Messages: []sms.Message{m, ok}}))
		e.balance(credits - sms.Credit)
		got, timeline := e.show(m.ID)
		if got.State != sms.Failed || got.Fault != sms.FaultRoute || got.Price != 0 || len(timeline) != 1 ||
			timeline[0].Event != "failed" || timeline[0].Detail != "smtp 192.0.2.1: failed, it costs too much" {
			e.Errorf("%+v, %+v", got, timeline)
		}
		e.claimID("a", ok.ID)
		e.nothing("a")
	}},
}
