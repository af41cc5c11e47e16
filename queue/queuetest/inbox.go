package queuetest

import (
	"fmt"
	"slices"
	"time"

	"cellpost/pdu"
	"cellpost/sms"
)

// partsWait is how long messages from handsets wait for parts.
const partsWait = 10 * time.Minute

// deliver makes the TPDU of a text.
func (e *env) deliver(text string, change ...func(*pdu.Deliver)) []byte {
	e.Helper()
	d := pdu.Deliver{
		Originator: number.Address(), Time: time.Now(), UserData: pdu.UserData{Data: []byte(text)},
	}
	for _, f := range change {
		f(&d)
	}
	tpdu, err := d.AppendBinary(nil)
	e.ok(err)
	return tpdu
}

// part makes it a part of a message.
func part(reference uint16, seq, total byte) func(*pdu.Deliver) {
	return func(d *pdu.Deliver) {
		d.UserData.Header = []pdu.IE{pdu.Concat{Reference: reference, Total: total, Seq: seq, Bits: 8}.IE()}
	}
}

func replaceType(pid pdu.PID) func(*pdu.Deliver) { return func(d *pdu.Deliver) { d.PID = pid } }

// earlier has the service centre stamp it before now.
func earlier(by time.Duration) func(*pdu.Deliver) {
	return func(d *pdu.Deliver) { d.Time = d.Time.Add(-by) }
}

// receive brings a TPDU, and checks whether it is new and when it is due.
func (e *env) receive(sim string, tpdu []byte, fresh bool, wait time.Duration) {
	e.Helper()
	got, due, err := e.store.Receive(e.ctx, sms.Inbound{SIM: sim, Modem: "modem-" + sim, TPDU: tpdu, Received: time.Now()})
	e.ok(err)
	if got != fresh {
		e.Fatalf("fresh is %v, want %v", got, fresh)
	}
	var want time.Time
	if wait > 0 {
		want = time.Now().Add(wait)
	}
	if !due.Equal(want) {
		e.Fatalf("due at %v, want %v", due, want)
	}
}

// inbox checks the texts of the inbox, newest first, and returns it.
func (e *env) inbox(texts ...string) []sms.Inbound {
	e.Helper()
	list, err := e.store.Inbox(e.ctx, 100)
	e.ok(err)
	var got []string
	for _, in := range list {
		got = append(got, in.Text)
	}
	if !slices.Equal(got, texts) {
		e.Fatalf("the inbox has %q, want %q", got, texts)
	}
	return list
}

// due checks when the clerk has to look.
func (e *env) due(want time.Time) {
	e.Helper()
	at, ok, err := e.store.NextDue(e.ctx)
	e.ok(err)
	if ok != !want.IsZero() || !at.Equal(want) {
		e.Fatalf("due at %v, %v, want %v", at, ok, want)
	}
}

// inboxTests are about messages from handsets.
var inboxTests = []test{
	{name: "inbox: a text", run: func(e *env) {
		tpdu := e.deliver("hello")
		e.receive("a", tpdu, true, 0)
		in := e.inbox("hello")[0]
		if in.SIM != "a" || in.Modem != "modem-a" || in.From != "+447700900123" || in.Kind != sms.KindText || in.Parts != 1 ||
			!in.Received.Equal(time.Now()) || !in.Sent.Equal(time.Now()) || !slices.Equal(in.TPDU, tpdu) {
			e.Errorf("%+v", in)
		}
		e.due(time.Time{})
	}},
	{name: "inbox: never twice", run: func(e *env) {
		tpdu := e.deliver("hello")
		e.receive("a", tpdu, true, 0)
		time.Sleep(30 * 24 * time.Hour)
		e.receive("a", tpdu, false, 0)
		e.receive("a", sms.Twin(tpdu), false, 0) // more messages wait by now
		e.inbox("hello")
		e.receive("b", tpdu, true, 0)
		e.receive("a", e.deliver("hello"), true, 0) // sent at another time
		e.inbox("hello", "hello", "hello")
	}},
	{name: "inbox: what cannot be read is kept", run: func(e *env) {
		for _, tpdu := range [][]byte{{}, {0x04}, {0x01, 0x02, 0x03}, {0x00, 0xFF, 0x91}} {
			e.receive("a", tpdu, true, 0)
			e.receive("a", tpdu, false, 0)
			time.Sleep(time.Second)
		}
		for _, in := range e.inbox("00FF91", "010203", "04", "") {
			if in.Kind != sms.KindUnreadable || in.Detail == "" || in.Text != fmt.Sprintf("%X", in.TPDU) {
				e.Errorf("%+v", in)
			}
		}
	}},
	{name: "inbox: parts in any order", run: func(e *env) {
		for _, order := range [][]byte{{1, 2, 3}, {3, 1, 2}, {2, 3, 1}} {
			for i, seq := range order {
				wait := partsWait
				if i == 2 {
					wait = 0
				}
				e.receive("a", e.deliver(fmt.Sprint(seq), part(uint16(order[0]), seq, 3)), true, wait)
				time.Sleep(5 * time.Minute) // and no longer
			}
			e.due(time.Time{})
		}
		for _, in := range e.inbox("123", "123", "123") {
			if in.Parts != 3 || in.Missing != nil {
				e.Errorf("%+v", in)
			}
		}
	}},
	{name: "inbox: of other SIMs and senders", run: func(e *env) {
		other := func(d *pdu.Deliver) { d.Originator.Value = "447700900999" }
		e.receive("a", e.deliver("1", part(7, 1, 2)), true, partsWait)
		e.receive("b", e.deliver("2", part(7, 2, 2)), true, partsWait)
		e.receive("a", e.deliver("2", part(7, 2, 2), other), true, partsWait)
		e.receive("a", e.deliver("2", part(7, 2, 3)), true, partsWait)
		e.receive("a", e.deliver("2", part(8, 2, 2)), true, partsWait)
		e.inbox()
	}},
	{name: "inbox: incomplete", run: func(e *env) {
		e.receive("a", e.deliver("1", part(7, 1, 3)), true, partsWait)
		time.Sleep(partsWait - time.Second)
		e.receive("a", e.deliver("3", part(7, 3, 3)), true, partsWait)
		e.due(time.Now().Add(partsWait))
		e.overdue(partsWait - time.Second)
		e.inbox()
		e.overdue(time.Second)
		e.due(time.Time{})
		in := e.inbox("1[part 2 of 3 is missing]3")[0]
		if in.Parts != 3 || !slices.Equal(in.Missing, []int{2}) {
			e.Errorf("%+v", in)
		}
		time.Sleep(2 * time.Hour)
		e.receive("a", e.deliver("2", part(7, 2, 3)), true, 0)
		late := e.inbox("123")[0]
		if late.ID != in.ID || late.Missing != nil || !late.Received.Equal(time.Now()) {
			e.Errorf("%+v", late)
		}
	}},
	{name: "inbox: one of two that are missing comes later", run: func(e *env) {
		e.receive("a", e.deliver("1", part(7, 1, 3)), true, partsWait)
		e.overdue(partsWait)
		e.receive("a", e.deliver("3", part(7, 3, 3)), true, 0)
		e.inbox("1[part 2 of 3 is missing]3")
		e.due(time.Time{})
	}},
	{name: "inbox: a part that the service centre held back for days", run: func(e *env) {
		e.receive("a", e.deliver("1", part(7, 1, 2)), true, partsWait)
		e.overdue(partsWait)
		time.Sleep(3 * 24 * time.Hour)
		e.receive("a", e.deliver("2", part(7, 2, 2), earlier(3*24*time.Hour)), true, 0)
		e.inbox("12")
	}},
	{name: "inbox: a part comes again", run: func(e *env) {
		first := e.deliver("1", part(7, 1, 2))
		e.receive("a", first, true, partsWait)
		time.Sleep(time.Minute)
		e.receive("a", first, false, 0)
		e.receive("a", e.deliver("1", part(7, 1, 2)), false, 0) // the sender repeats it
		e.due(time.Now().Add(partsWait - time.Minute))
		e.receive("a", e.deliver("2", part(7, 2, 2)), true, 0)
		e.inbox("12")
	}},
	{name: "inbox: a reference comes round", run: func(e *env) {
		e.receive("a", e.deliver("1", part(7, 1, 2)), true, partsWait)
		e.receive("a", e.deliver("2", part(7, 2, 2)), true, 0)
		time.Sleep(time.Minute)
		e.receive("a", e.deliver("2", part(7, 2, 2)), true, partsWait) // of a whole one, sent at another time
		time.Sleep(time.Minute)
		e.receive("a", e.deliver("I", part(7, 1, 2)), true, 0)
		e.inbox("I2", "12")
		time.Sleep(25 * time.Hour)
		e.receive("a", e.deliver("one", part(8, 1, 2)), true, partsWait)
		e.overdue(partsWait)
		time.Sleep(25 * time.Hour)
		e.receive("a", e.deliver("two", part(8, 2, 2)), true, partsWait)
		e.overdue(partsWait)
		e.inbox("[part 1 of 2 is missing]two", "one[part 2 of 2 is missing]", "I2", "12")
	}},
	{name: "inbox: another message takes the number of a part", run: func(e *env) {
		e.receive("a", e.deliver("1", part(7, 1, 2)), true, partsWait)
		e.receive("a", e.deliver("I", part(7, 1, 2)), true, partsWait)
		e.receive("a", e.deliver("II", part(7, 2, 2)), true, 0)
		e.overdue(partsWait)
		e.inbox("III", "1[part 2 of 2 is missing]")
	}},
	{name: "inbox: one part of one", run: func(e *env) {
		e.receive("a", e.deliver("x", part(7, 1, 1)), true, 0)
		e.receive("a", e.deliver("y", part(7, 1, 1)), true, 0)
		e.inbox("y", "x")
	}},
	{name: "inbox: replaced", run: func(e *env) {
		send := func(sim, text string, change ...func(*pdu.Deliver)) {
			e.receive(sim, e.deliver(text, change...), true, 0)
			time.Sleep(time.Second)
		}
		send("a", "first", replaceType(0x41))
		send("a", "other type", replaceType(0x42))
		send("b", "other SIM", replaceType(0x41))
		send("a", "no replacement")
		send("a", "second", replaceType(0x41))
		send("a", "third", replaceType(0x41))
		send("a", "late", replaceType(0x41), earlier(time.Minute))
		list := e.inbox("late", "third", "second", "no replacement", "other SIM", "other type", "first")
		third, second := list[1].ID, list[2].ID
		for i, want := range []int64{third, 0, third, 0, 0, 0, second} {
			if list[i].ReplacedBy != want {
				e.Errorf("%q is replaced by %d, want %d", list[i].Text, list[i].ReplacedBy, want)
			}
		}
	}},
	{name: "inbox: many that wait in vain", run: func(e *env) {
		const n = 250
		for i := range n {
			e.receive("a", e.deliver("x", part(uint16(i), 1, 2)), true, partsWait)
		}
		e.overdue(partsWait)
		for range 10 {
			e.overdue(0)
		}
		e.due(time.Time{})
		if list, err := e.store.Inbox(e.ctx, 2*n); len(list) != n || err != nil {
			e.Errorf("%d are handed over, want %d; %v", len(list), n, err)
		}
	}},
}

// cardTests are about the names of SIMs; how they are found is tested with
// [sms.NameCard].
var cardTests = []test{
	{name: "card: swapped", run: func(e *env) {
		e.card("1", "m1", "a", "a", false)
		e.card("2", "m2", "b", "b", false)
		e.card("2", "m1", "a", "b", false, "a")
		e.card("1", "m2", "b", "a", false, "b")
	}},
	{name: "card: a new one where the old one has moved on", run: func(e *env) {
		e.card("1", "m1", "a", "a", false)
		e.card("1", "m2", "b", "a", false)
		e.card("3", "m1", "a", "a-0003", true, "a")
		e.card("3", "m1", "a", "a-0003", true) // as long as nothing else was seen in m2
		e.card("2", "m2", "b", "b", false)
		e.card("3", "m1", "a", "a", true) // the warning says that it changed
		e.card("3", "m1", "a", "a", false)
	}},
	{name: "card: a new one for a dead one", run: func(e *env) {
		e.card("1", "m1", "a", "a", false)
		e.card("2", "m1", "a", "a", true)
		e.card("2", "m1", "a", "a", false)
		e.card("1", "m2", "b", "b", false)
	}},
	{name: "card: the number is kept when the SIM does not tell it again", run: func(e *env) {
		c := sms.Card{ICCID: "8944500000000000001", IMSI: "234500000000001", Number: "447700900001", Modem: "m1", Configured: "a", At: time.Now()}
		for _, told := range []string{c.Number, "", "447700900002", ""} {
			c.Number = told
			_, _, err := e.store.Card(e.ctx, c, nil)
			e.ok(err)
		}
		list, err := e.store.Cards(e.ctx)
		e.ok(err)
		if len(list) != 1 || list[0].Number != "447700900002" || list[0].Name != "a" || list[0].Modem != "m1" {
			e.Errorf("cards: %+v", list)
		}
	}},
}

// card has a SIM seen in a modem, and checks its name and whether there is a
// warning.
func (e *env) card(last, modem, configured, want string, warns bool, busy ...string) {
	e.Helper()
	c := sms.Card{ICCID: "894450000000000000" + fmt.Sprintf("%04s", last), IMSI: "23450000000000" + last, Modem: modem, Configured: configured, At: time.Now()}
	name, warning, err := e.store.Card(e.ctx, c, busy)
	e.ok(err)
	if name != want || (warning != "") != warns {
		e.Fatalf("SIM %s in %s is called %q with warning %q, want %q, %v", last, modem, name, warning, want, warns)
	}
}
