package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/sms"
)

// mails takes the events that are due, in order.
func mails(t *testing.T, s *Store) (list []sms.Event) {
	t.Helper()
	for {
		e, _, err := s.ClaimEvent(t.Context(), time.Hour)
		if errors.Is(err, queue.ErrNothing) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
}

// handOver has the next message end with an outcome.
func handOver(t *testing.T, s *Store, o sms.Outcome) {
	t.Helper()
	c, err := s.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"})
	if err == nil {
		err = s.Settle(t.Context(), c, o)
	}
	if err != nil {
		t.Fatal(err)
	}
}

var (
	accepted = sms.Outcome{Kind: sms.Accepted, MR: 7}
	refused  = sms.Outcome{Kind: sms.Refused, Cause: pdu.Cause{Set: pdu.CMS, Code: 1}}
)

// What becomes of a message is told once, in the form and for the outcomes that were
// asked for.
func TestAudience(t *testing.T) {
	all := sms.Notify{Success: true, Failure: true}
	tests := []struct {
		name    string
		who     sms.Audience
		outcome sms.Outcome
		want    []string // a piece of each mail
	}{
		{"sent", sms.Audience{Form: sms.PerMessage, Notify: all}, accepted, []string{"accepted the message"}},
		{"failed", sms.Audience{Form: sms.PerMessage, Notify: all}, refused, []string{"State: failed"}},
		{"only failures", sms.Audience{Form: sms.PerMessage, Notify: sms.Notify{Failure: true}}, accepted, nil},
		{"never", sms.Audience{Form: sms.PerDSN}, refused, nil},
		{"another message", sms.Audience{Form: sms.PerDSN, Notify: all, Message: sms.NewID(time.Now())}, refused, nil},
		{"relayed", sms.Audience{Form: sms.PerDSN, Notify: all, Envelope: "Q1"}, accepted, []string{"Original-Envelope-Id: Q1\r\n"}},
		{"failed, DSN", sms.Audience{Form: sms.PerDSN, Notify: all, Recipient: "rfc822; 1@gw"}, refused, []string{"Final-Recipient: rfc822; 1@gw\r\nAction: failed\r\nStatus: 5."}},
		{"a submission of one", sms.Audience{Form: sms.PerSubmission, Notify: all}, refused, []string{"State: failed"}},
		{"answers only", sms.Audience{Form: sms.InboundOnly}, refused, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, &sms.Rules{})
			serve(t, s)
			addShop(t, s)
			b := batch(1)
			tt.who.To = "anna@site.lan"
			b.Audience = []sms.Audience{tt.who}
			if err := s.Add(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if early := mails(t, s); len(early) > 0 {
				t.Errorf("told before anything happened: %+v", early)
			}
			handOver(t, s, tt.outcome)
			got := mails(t, s)
			if len(got) != len(tt.want) {
				t.Fatalf("told %+v, want %d mails", got, len(tt.want))
			}
			for i, e := range got {
				text := e.Text
				for _, p := range e.Parts {
					text += string(p.Data)
				}
				if !strings.Contains(text, tt.want[i]) || e.To != "anna@site.lan" || !e.Generated {
					t.Errorf("told %+v\n%s, want %q", e, text, tt.want[i])
				}
			}
		})
	}
}

// A submission is told of when the last of its messages is over, also a large one.
func TestAudienceOfSubmission(t *testing.T) {
	for _, n := range []int{3, listMost + 1} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := openTest(t, &sms.Rules{})
			serve(t, s)
			addShop(t, s)
			b := batch(n)
			b.Audience = []sms.Audience{{To: "anna@site.lan", Form: sms.PerSubmission}}
			if n > queue.LargeBatch {
				last := b.Messages[n-1]
				b.Messages, b.Beyond = b.Messages[:n-1], 1
				b.Rest = func(yield func(sms.Message, error) bool) { yield(last, nil) }
			}
			if err := s.Add(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			for range n/queue.LargeBatch + 1 { // a large one is let in by chunks
				if _, err := s.Overdue(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
			}
			for i := range n {
				if early := mails(t, s); len(early) > 0 {
					t.Fatalf("told after %d: %+v", i, early)
				}
				if i == 0 {
					handOver(t, s, refused)
				} else {
					handOver(t, s, accepted)
				}
			}
			got := mails(t, s)
			if len(got) != 1 || !strings.Contains(got[0].Text, fmt.Sprintf("sent: %d\r\n  failed: 1\r\n", n-1)) {
				t.Fatalf("told %+v", got)
			}
			list, line := got[0].Text, "ID: "
			if n > listMost {
				list, line = string(got[0].Parts[0].Data), "447700900123,sent,"
			}
			if lines := strings.Count(list, line); lines < n-1 || lines > n {
				t.Errorf("%d messages are listed", lines)
			}
		})
	}
}

// What is sent again before the mail about its submission leaves is not at its end.
func TestAudienceSentAgain(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	serve(t, s)
	addShop(t, s)
	b := batch(2)
	b.Audience = []sms.Audience{{To: "anna@site.lan", Form: sms.PerSubmission}}
	if err := s.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for range b.Messages {
		handOver(t, s, refused)
	}
	if _, err := s.Retry(t.Context(), b.Messages[0].ID); err != nil {
		t.Fatal(err)
	}
	got := mails(t, s)
	if len(got) != 1 || !strings.Contains(got[0].Text, " 1 are sent again; the others are at their end:\r\n  failed: 1\r\n") {
		t.Errorf("told %+v", got)
	}
}

// Of a large batch that is taken back nobody hears, and of what is left of it, which
// comes again, once.
func TestAudienceTakenBack(t *testing.T) {
	for _, n := range []int{0, queue.LargeBatch} { // messages before it breaks
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := openTest(t, &sms.Rules{})
			addShop(t, s)
			b := batch(queue.LargeBatch + 1)
			b.Messages[0].State, b.Messages[0].Review = sms.Failed, time.Time{}
			b.Audience = []sms.Audience{{To: "anna@site.lan", Form: sms.PerMessage, Notify: sms.Notify{Success: true, Failure: true}}}
			broken := b
			broken.Messages, broken.Beyond = b.Messages[:n/2+1], len(b.Messages)-n/2-1
			broken.Rest = func(yield func(sms.Message, error) bool) {
				for _, m := range b.Messages[n/2+1 : max(n, n/2+1)] {
					if !yield(m, nil) {
						return
					}
				}
				yield(sms.Message{}, errors.New("broken"))
			}
			if err := s.Add(t.Context(), broken); err == nil {
				t.Fatal("it was taken")
			}
			if got := mails(t, s); len(got) > 0 {
				t.Errorf("told of what was taken back: %+v", got)
			}
			if err := s.Add(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			letIn(t, s)
			if err := s.Cancel(t.Context(), b.Messages[1].ID); err != nil {
				t.Fatal(err)
			}
			got := mails(t, s)
			if len(got) != 2 || got[0].Message != b.Messages[0].ID || got[1].Message != b.Messages[1].ID {
				t.Errorf("told %d times: %+v", len(got), got)
			}
		})
	}
}

// arrive has a text come from a handset.
func arrive(t *testing.T, s *Store, from pdu.Address, text string, change func(*pdu.Deliver)) {
	t.Helper()
	d := pdu.Deliver{Originator: from, Time: time.Now(), UserData: pdu.UserData{Data: []byte(text)}}
	if change != nil {
		change(&d)
	}
	tpdu, err := d.AppendBinary(nil)
	if err == nil {
		_, _, err = s.Receive(context.Background(), sms.Inbound{SIM: "a", Modem: "m", TPDU: tpdu, Received: time.Now()})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A message from a handset goes to whom it belongs to, and can be answered.
func TestInboundMail(t *testing.T) {
	handset := sms.Number("447700900123").Address()
	national := pdu.Address{NPI: pdu.NPITelephone, Value: "07700900123"}
	name := pdu.Address{TON: pdu.TONAlphanumeric, Value: "Bank"}
	tests := []struct {
		name     string
		inbound  []string // setting of the account
		audience []sms.Audience
		from     pdu.Address
		to       string
		account  string
	}{
		{"setting", []string{"desk@site.lan"}, nil, handset, "desk@site.lan", "shop"},
		{"sender", nil, []sms.Audience{{To: "anna@site.lan", Form: sms.InboundOnly}}, handset, "anna@site.lan", "shop"},
		{"national number", []string{"desk@site.lan"}, nil, national, "desk@site.lan", "shop"},
		{"nobody's number", []string{"desk@site.lan"}, nil, sms.Number("447700900999").Address(), "ops@site.lan", ""},
		{"no address", nil, nil, handset, "ops@site.lan", ""},
		{"a name", nil, nil, name, "ops@site.lan", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, &sms.Rules{InboundTo: []string{"ops@site.lan"}, CountryPrefix: "44"})
			serve(t, s)
			a := shop
			a.Settings.Inbound = tt.inbound
			if err := s.AddAccount(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			b := batch(1)
			b.Audience = tt.audience
			if err := s.Add(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			arrive(t, s, tt.from, "yes", nil)
			got := mails(t, s)
			if len(got) != 1 || got[0].To != tt.to || got[0].Account != tt.account || !strings.HasPrefix(got[0].Text, "yes\r\n") {
				t.Fatalf("told %+v", got)
			}
			token, ok := strings.CutPrefix(got[0].ReplyTo, "reply+")
			if ok != (tt.name != "a name") {
				t.Fatalf("answers go to %q", got[0].ReplyTo)
			}
			if !ok {
				return
			}
			c, err := s.Conversation(t.Context(), strings.ToUpper(token))
			if err != nil || !c.To.Matches(tt.from.Value) || c.To[0] == '0' || c.SIM != "a" || c.Account != tt.account {
				t.Errorf("%+v, %v", c, err)
			}
			if _, err := s.Conversation(t.Context(), token[1:]); !errors.Is(err, queue.ErrNoMessage) {
				t.Errorf("another token: %v", err)
			}
		})
	}
}

// Two machines that answer each other come to rest, and somebody hears of it.
func TestInboundMailLoop(t *testing.T) {
	s := openTest(t, &sms.Rules{InboundTo: []string{"ops@site.lan"}})
	serve(t, s)
	for i := range numberMost + 5 {
		arrive(t, s, sms.Number("447700900123").Address(), fmt.Sprint("I am away ", i), nil)
	}
	if got := mails(t, s); len(got) != numberMost {
		t.Errorf("%d mails", len(got))
	}
	list, err := s.Events(t.Context(), 1)
	if err != nil || len(list) != 1 || !strings.HasPrefix(list[0].Text, "5 more mails") {
		t.Errorf("%+v, %v", list, err)
	}
}

// The first part that comes after the message was told of is told of, and the last.
func TestInboundMailLate(t *testing.T) {
	s := openTest(t, &sms.Rules{InboundTo: []string{"ops@site.lan"}, PartsWait: time.Nanosecond})
	serve(t, s)
	for seq := range byte(4) {
		arrive(t, s, sms.Number("447700900123").Address(), fmt.Sprint("part ", seq+1), func(d *pdu.Deliver) {
			d.UserData.Header = []pdu.IE{pdu.Concat{Reference: 9, Bits: 8, Total: 4, Seq: seq + 1}.IE()}
		})
		if _, err := s.Overdue(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	got := mails(t, s)
	if len(got) != 3 || !strings.Contains(got[0].Text, "Parts missing: 2 3 4 of 4") || !strings.Contains(got[1].Subject, "late part") ||
		strings.Contains(got[2].Text, "missing") {
		t.Errorf("told %+v", got)
	}
}

// Tokens and addresses are not kept for ever, and not beyond what is anonymised.
func TestAnswersPurged(t *testing.T) {
	for _, tt := range []struct {
		age  time.Duration
		keep sms.Retention
		want int
	}{
		{20 * day, sms.Retention{}, 1}, {31 * day, sms.Retention{}, 0}, {20 * day, sms.Retention{Anonymise: 10 * day}, 0},
	} {
		s := openTest(t, &sms.Rules{InboundTo: []string{"ops@site.lan"}})
		serve(t, s)
		addShop(t, s)
		b := batch(1)
		b.Audience = []sms.Audience{{To: "anna@site.lan", Form: sms.PerDSN}}
		if err := s.Add(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		arrive(t, s, sms.Number("447700900999").Address(), "yes", nil)
		if _, err := s.purge(t.Context(), horizons{now: time.Now().Add(tt.age)}, tt.keep); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"audience", "conversation"} {
			var n int
			if err := s.Reader.db.QueryRow(`SELECT count(*) FROM ` + table).Scan(&n); err != nil || n != tt.want {
				t.Errorf("after %s, %+v: %d rows of %s, %v", tt.age, tt.keep, n, table, err)
			}
		}
	}
}

// A delay is told once, to who asked for it, and never of what has left or is to wait.
func TestDelay(t *testing.T) {
	const delay = 4 * time.Hour
	for _, tt := range []struct {
		name   string
		notify sms.Notify
		sent   bool
		wait   time.Duration // before it is due
		want   int
	}{
		{"asked for", sms.Notify{Delay: delay}, false, 0, 1},
		{"not asked for", sms.Notify{Failure: true}, false, 0, 0},
		{"sent before", sms.Notify{Delay: delay}, true, 0, 0},
		{"to be sent tomorrow", sms.Notify{Delay: delay}, false, 20 * time.Hour, 0},
		{"to have been sent", sms.Notify{Delay: delay}, false, 12 * time.Hour, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openTest(t, &sms.Rules{})
				serve(t, s)
				addShop(t, s)
				b := batch(1)
				m := &b.Messages[0]
				b.Audience = []sms.Audience{{To: "anna@site.lan", Form: sms.PerDSN, Notify: tt.notify, Message: m.ID}}
				if tt.wait > 0 {
					m.State, m.Due = sms.Scheduled, time.Now().Add(tt.wait)
					m.Review, m.Expires = m.Due, m.Due.Add(24*time.Hour)
				}
				if err := s.Add(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if tt.sent {
					handOver(t, s, accepted)
				}
				got := map[int64]sms.Event{}
				for began := time.Now(); time.Since(began) < 20*time.Hour; {
					at, ok, err := s.NextDue(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if !ok || time.Until(at) > 20*time.Hour {
						break
					}
					time.Sleep(max(time.Until(at), time.Second))
					if _, err := s.Overdue(t.Context(), nil); err != nil {
						t.Fatal(err)
					}
					for _, e := range mails(t, s) {
						got[e.ID] = e
						if !strings.Contains(string(e.Parts[0].Data), "Action: delayed\r\nStatus: 4.4.7\r\n") {
							t.Errorf("told %s", e.Parts[0].Data)
						}
					}
				}
				if len(got) != tt.want {
					t.Errorf("told %+v, want %d mails", got, tt.want)
				}
			})
		})
	}
}

// What a network or a modem wrote breaks no table, and no spreadsheet carries it out.
func TestTable(t *testing.T) {
	got := string(table([]fate{{to: "447700900123", state: sms.Failed, why: `=1+1 "b", c`}}))
	if !strings.HasSuffix(got, ",447700900123,failed,,\"'=1+1 \"\"b\"\", c\"\r\n") {
		t.Errorf("%q", got)
	}
}

// Answers beyond the rate of their address are summed up.
func TestAnswerSurplus(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	for range 3 {
		if err := s.Add(t.Context(), sms.Batch{Events: []sms.Event{{Door: "mail", To: "anna@site.lan", Text: "ID", Surplus: true}}}); err != nil {
			t.Fatal(err)
		}
	}
	if early := mails(t, s); len(early) > 0 {
		t.Errorf("told %+v", early)
	}
	list, err := s.Events(t.Context(), 5)
	if err != nil || len(list) != 1 || list[0].To != "anna@site.lan" || !strings.HasPrefix(list[0].Text, "3 more mails") {
		t.Errorf("%+v, %v", list, err)
	}
}

// Answers do not count for the rate of what nobody has asked for just now, and what is
// told beyond them does.
func TestAnswersBesideNews(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	b := batch(1)
	for range postMost {
		b.Events = append(b.Events, sms.Event{Door: "mail", To: "anna@site.lan", Text: "ID"})
	}
	if err := s.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	answers := len(mails(t, s))
	for range postMost + 1 {
		if err := s.write(t.Context(), func(tx *tx) error { return tx.flagged(&b.Messages[0], "sent again") }); err != nil {
			t.Fatal(err)
		}
	}
	if told := len(mails(t, s)); answers != postMost || told != postMost {
		t.Errorf("%d answers, and %d other mails at once; want %d of each", answers, told, postMost)
	}
}
