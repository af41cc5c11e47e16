package test

import (
	"errors"
	"fmt"
	"net/smtp"
	"net/textproto"
	"regexp"
	"strings"
	"testing"
	"time"

	"cellpost/ingress/httpd"
	"cellpost/modem/sim"
)

func delivered(m message) bool { return m.State == "delivered" }

// TestMainJob: the six lines of the documentation, from the mail to the report
// and back to the customer.
func TestMainJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{modems: 2})
	g := w.start()
	w.mustMail("to: 448311234567", "reply:me@example.com", "text:Meet me at home")

	reply := w.mails.next(t)
	if !strings.HasPrefix(reply, "me@example.com\n") || !regexp.MustCompile(`(?m)^ID: [0-9a-f]{32} To: 448311234567\r?$`).MatchString(reply) {
		t.Errorf("reply mail:\n%s", reply)
	}
	list := w.settle(1, delivered)
	if len(list) != 1 {
		t.Fatalf("%d messages", len(list))
	}
	m := w.show(list[0].ID)
	if got, want := m.events(), "accepted sending sent report delivered"; got != want {
		t.Errorf("timeline %q, want %q", got, want)
	}
	if a := m.Parts[0].Attempts; len(a) != 1 || a[0].Outcome != "accepted" || a[0].MR == nil {
		t.Errorf("attempts %+v", a)
	}
	if m.Status != "004" || m.Duplicate {
		t.Errorf("status %s, possible duplicate %v", m.Status, m.Duplicate)
	}
	screens := w.network.Screens()
	if len(screens) != 1 || screens[0].Text != "Meet me at home" || screens[0].To != "448311234567" {
		t.Errorf("handsets show %+v", screens)
	}
	g.stop(t)
	// Without a daemon the verbs read the files.
	if shown := w.cellpost("queue", "show", list[0].ID); !strings.Contains(shown, "\nstate delivered, status 004\n") {
		t.Errorf("after the end:\n%s", shown)
	}
}

// TestInbound: a message from a handset is kept.
func TestInbound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{modems: 1, options: sim.Options{MSISDN: "447700900001"}})
	w.start()
	w.mustMail("to: 448311234567", "text:wake up")
	w.settle(1, delivered) // the modem is in service
	if err := w.network.Send("447700900001", "447700900123", "Pump 3 acknowledged"); err != nil {
		t.Fatal(err)
	}
	w.received("Pump 3 acknowledged", 1)
	w.says(w.cellpost("inbox"), `from +447700900123 by m0: "Pump 3 acknowledged"`)
}

// received waits until the inbox holds a text, whole, and looks that it holds
// nothing else.
func (w *world) received(text string, parts int) {
	w.t.Helper()
	var inbox []httpd.Inbound
	ok := await(patience, func() bool {
		inbox = ask[[]httpd.Inbound](w.control, "/v1/inbox")
		return len(inbox) > 1 || len(inbox) == 1 && len(inbox[0].Missing) == 0
	})
	if !ok || len(inbox) > 1 || inbox[0].Text != text || inbox[0].Parts != parts {
		w.t.Fatalf("inbox: %+v", inbox)
	}
}

// TestRefusals: what cannot be sent gets its code in the dialogue, and nothing
// is queued.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{modems: 1})
	w.start()
	long := strings.Repeat("x", 161)
	for _, c := range []struct{ name, mail, want string }{
		{"wrong password", "user:acme\r\npassword:wrong\r\napi_id:3456\r\nto:448311234567\r\ntext:x\r\n", "5.7.8 ERR: 001, Authentication failed"},
		{"unknown user", "user:nobody\r\npassword:secret\r\napi_id:3456\r\nto:448311234567\r\ntext:x\r\n", "5.7.8 ERR: 001, Authentication failed"},
		{"unknown api_id", "user:acme\r\npassword:secret\r\napi_id:99\r\nto:448311234567\r\ntext:x\r\n", "ERR: 108, Invalid or missing API ID"},
		{"letters in to", script("to:44831CALLME", "text:x"), "ERR: 105, Invalid destination address"},
		{"empty text", script("to:448311234567", "text:"), "ERR: 107, Empty message"},
		{"two parts, concat 1", script("to:448311234567", "concat:1", "text:"+long), "ERR: 113, Maximum message parts exceeded"},
		{"garbage", "\x00\xff\xfe lorem ipsum\r\n", "ERR: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := w.mail(c.mail)
			smtpErr, ok := errors.AsType[*textproto.Error](err)
			if !ok || smtpErr.Code != 554 || !strings.Contains(smtpErr.Msg, c.want) {
				t.Errorf("answer %v, want 554 with %q", err, c.want)
			}
		})
	}
	if list := w.list(); len(list) != 0 {
		t.Errorf("queued: %+v", list)
	}
	if n := len(w.network.Ledger()); n != 0 {
		t.Errorf("%d messages sent", n)
	}
}

// submit sends messages of one recipient each, numbered from a up to b.
func (w *world) submit(a, b int) {
	w.t.Helper()
	c, err := smtp.Dial(w.smtp)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	for i := a; i < b; i++ {
		if err := deliver(c, script(fmt.Sprintf("to: 4483112%05d", i), fmt.Sprintf("text:message %d", i))); err != nil {
			w.t.Fatalf("mail: %v", err)
		}
	}
}

// once checks that the network took each message once, and returns how many
// left by each SIM.
func (w *world) once(n int) map[string]int {
	w.t.Helper()
	copies, bySIM := map[string]int{}, map[string]int{}
	for _, e := range w.network.Ledger() {
		copies[e.Submit.UserData.Text(e.Submit.DCS)]++
		bySIM[e.SIM]++
	}
	for text, c := range copies {
		if c != 1 {
			w.t.Errorf("%q was sent %d times", text, c)
		}
	}
	if len(copies) != n {
		w.t.Errorf("%d different messages were sent, want %d", len(copies), n)
	}
	return bySIM
}

// TestThousand: a thousand messages over four modems, each once, spread evenly.
func TestThousand(t *testing.T) {
	t.Parallel()
	const n, modems = 1000, 4
	w := newWorld(t, setting{modems: modems, options: sim.Options{AirTime: 50 * time.Millisecond}})
	w.start()
	w.submit(0, n)
	w.took(n)
	w.settle(n, delivered)
	for sim, sent := range w.once(n) {
		if sent < n/modems*9/10 || sent > n/modems*11/10 {
			t.Errorf("%s sent %d of %d", sim, sent, n)
		}
	}
}

// TestStalled: a modem that stalls holds nothing up. What it had is sent by
// another in time, and is called a possible duplicate where the network may have
// taken it, and nowhere else.
func TestStalled(t *testing.T) {
	const n, prompt, result, unknown = 1000, time.Second, 2 * time.Second, time.Second
	for _, c := range []struct {
		name   string
		fault  sim.Fault
		in     time.Duration // until another modem has it
		copies int
		doubt  bool
	}{
		{"no prompt", sim.Fault{Kind: sim.NoPrompt}, prompt + time.Second, 1, false},
		{"frozen, not taken", sim.Fault{Kind: sim.Freeze, For: 10 * time.Second}, result + unknown + time.Second, 1, true},
		{"frozen, taken", sim.Fault{Kind: sim.Freeze, For: 10 * time.Second, Taken: true}, result + unknown + time.Second, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setting{
				modems: 4, options: sim.Options{AirTime: 20 * time.Millisecond},
				send: fmt.Sprintf("prompt_timeout = %q\nresult_timeout = %q\nunknown_wait = %q", prompt, result, unknown),
			})
			w.start()
			w.submit(0, n/2)
			w.modems[1].Inject(c.fault)
			w.submit(n/2, n)
			w.took(n)
			stalled := w.judge(w.settle(n, delivered), c.copies)
			if len(stalled) != 1 {
				t.Fatalf("%d messages were sent by two modems, want 1", len(stalled))
			}
			m := stalled[0]
			attempts := m.Parts[0].Attempts
			if took := attempts[len(attempts)-1].At.Sub(attempts[0].At); took > c.in {
				t.Errorf("another modem had it after %v, want %v", took, c.in)
			}
			if m.Duplicate != c.doubt || strings.Contains(m.events(), "unknown") != c.doubt {
				t.Errorf("possible duplicate %v, timeline %s", m.Duplicate, m.events())
			}
		})
	}
}

// judge compares the network's ledger with the messages: each was taken once, but
// for those that two modems handed over, which it returns; they were taken as
// often as copies says.
func (w *world) judge(list []message, copies int) (twice []message) {
	w.t.Helper()
	taken := map[string]int{}
	for _, e := range w.network.Ledger() {
		taken[e.Submit.UserData.Text(e.Submit.DCS)]++
	}
	for _, m := range w.peruse(list) {
		want := 1
		if m.tries() > 1 {
			twice, want = append(twice, m), copies
		}
		if taken[m.Text] != want {
			w.t.Errorf("%q was taken %d times, want %d: %s", m.Text, taken[m.Text], want, m.events())
		}
	}
	return twice
}
