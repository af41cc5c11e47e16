package smtpd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	netsmtp "net/smtp"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"golang.org/x/crypto/bcrypt"

	"cellpost/ingress"
	"cellpost/ingress/clickatell"
	"cellpost/ingress/mail"
	"cellpost/sms"
)

// addFunc is a Queue.
type addFunc func(context.Context, sms.Batch) error

func (f addFunc) Add(ctx context.Context, b sms.Batch) error { return f(ctx, b) }

// stored is what the gate of a test has stored.
type stored struct {
	mu       sync.Mutex
	messages []sms.Message
	events   []sms.Event
}

func (s *stored) add(_ context.Context, b sms.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, b.Messages...)
	s.events = append(s.events, b.Events...)
	return nil
}

func (s *stored) counts() (messages, events int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.messages), len(s.events)
}

// testGate knows the account anna, password "secret", api_id 7.
func testGate(t *testing.T) (*ingress.Gate, *stored) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	s := new(stored)
	return &ingress.Gate{
		Queue: addFunc(s.add),
		Accounts: func(_ context.Context, name string) (sms.Account, error) {
			if name != "anna" {
				return sms.Account{}, sms.ErrNoAccount
			}
			return sms.Account{Name: "anna", PasswordHash: string(hash), APIID: 7, Unlimited: true}, nil
		},
		Rules:  &sms.Rules{Resend: true},
		Sender: func(n string) (string, bool) { return "a", n == "447700900001" },
	}, s
}

// serve runs a server until the test ends, or stop is called, which returns
// what Serve returned.
func serve(t *testing.T, s *Server) (addr string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String(), stop
}

// peer speaks SMTP by hand.
type peer struct {
	t    *testing.T
	conn net.Conn
	text *textproto.Conn
}

// dial connects and hears the greeting.
func dial(t *testing.T, addr string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return greeted(t, conn)
}

func greeted(t *testing.T, conn net.Conn) *peer {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second)) // a test that hangs fails
	p := &peer{t: t, conn: conn, text: textproto.NewConn(conn)}
	p.expect(220)
	return p
}

func (p *peer) write(octets string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, octets); err != nil {
		p.t.Fatal(err)
	}
}

// expect reads a reply with a code and returns its text.
func (p *peer) expect(code int) string {
	p.t.Helper()
	got, text, err := p.text.ReadResponse(code)
	if err != nil {
		p.t.Fatalf("want %d, got %d %s (%v)", code, got, text, err)
	}
	return text
}

// expectEnd reads the end of the connection, and no reply before it.
func (p *peer) expectEnd() {
	p.t.Helper()
	rest, err := io.ReadAll(p.text.R)
	if len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatalf("want the end, got %q, %v", rest, err)
	}
}

// envelope brings the dialogue to the mail itself.
func (p *peer) envelope() {
	p.t.Helper()
	p.write("EHLO test\r\nMAIL FROM:<a@site.lan>\r\nRCPT TO:<sms@gw>\r\nDATA\r\n") // pipelined
	p.expect(250)
	p.expect(250)
	p.expect(250)
	p.expect(354)
}

const script = "user:anna\r\npassword:secret\r\napi_id:7\r\nto:448311234567\r\nreply:anna@site.lan\r\ntext:Meet me at home\r\n"

// The seed's mail, by an ordinary client.
func TestMail(t *testing.T) {
	gate, stored := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate, Hostname: "gw.site.lan"})
	mail := "Message-ID: <42@site.lan>\r\nSubject: x\r\n\r\n" + script
	if err := netsmtp.SendMail(addr, nil, "anna@site.lan", []string{"sms@messaging.clickatell.com"}, []byte(mail)); err != nil {
		t.Fatal(err)
	}
	m := stored.messages[0]
	if len(stored.messages) != 1 || m.To != "448311234567" || m.Text != "Meet me at home" || m.Source != "smtp 127.0.0.1" || m.Account != "anna" {
		t.Errorf("stored %+v", stored.messages)
	}
	e := stored.events[0]
	want := "ID: " + m.ID.String() + " To: 448311234567\r\n"
	if len(stored.events) != 1 || e.Door != Door || e.To != "anna@site.lan" || e.Ref != "<42@site.lan>" || e.Text != want || e.Subject != "SMS: 1 accepted" || e.Account != "anna" {
		t.Errorf("events %+v", stored.events)
	}
}

// What the sender is told, and that only what is accepted is stored.
func TestAnswers(t *testing.T) {
	with := func(old, new string) string { return "Subject: x\r\n\r\n" + strings.Replace(script, old, new, 1) }
	long := "text:" + strings.Repeat("x", 161)
	tests := []struct {
		name   string
		mail   string
		want   string // start of the reply
		reply  string // start of the reply mail; empty: none
		stored int
	}{
		{"accepted", with("", ""), "250 2.0.0 OK: ID: ", "ID: ", 1},
		{"several", with("to:448311234567", "to:448311234567\r\nto:letters,448311234568"), "250 2.0.0 OK: ID: ", "ID: ", 2},
		{"wrong password", with("secret", "Secret"), "554 5.7.8 ERR: 001, Authentication failed\n", "", 0},
		{"unknown user", with("anna", "bert"), "554 5.7.8 ERR: 001, Authentication failed\n", "", 0},
		{"unknown api_id", with("api_id:7", "api_id:8"), "554 5.7.8 ERR: 108, Invalid or missing API ID\n", "ERR: 108, Invalid or missing API ID\r\n", 0},
		{"letters in to", with("448311234567", "Anna"), "554 5.6.0 ERR: 105, Invalid destination address\n", "ERR: 105, Invalid destination address To: Anna\r\n", 0},
		{"empty text", with("text:Meet me at home", "text:"), "554 5.6.0 ERR: 107, Empty message\n", "ERR: 107, Empty message To: 448311234567\r\n", 0},
		{"no text", with("text:Meet me at home\r\n", ""), "554 5.6.0 ERR: 107, Empty message\n", "ERR: 107, Empty message To: 448311234567\r\n", 0},
		{"two parts with concat 1", with("text:Meet me at home", "concat:1\r\n"+long), "554 5.6.0 ERR: 113, Maximum message parts exceeded (2 parts needed, concat is 1)\n", "ERR: 113,", 0},
		{"two parts with concat 2", with("text:Meet me at home", "concat:2\r\n"+long), "250 2.0.0 OK: ID: ", "ID: ", 1},
		{"type", with("text:", "msg_type:SMS_NOKIA_CLEANED\r\ntext:"), "554 5.6.0 ERR: 112,", "ERR: 112,", 0},
		{"HTML only", "Subject: x\r\nContent-Type: text/html\r\n\r\n" + strings.ReplaceAll(script, "\r\n", "<br>\r\n"), "250 2.0.0 OK: ID: ", "ID: ", 1},
		{"garbage", "Subject: x\r\n\r\nHello Anna\r\n", "554 5.6.0 ERR: 110, Error with email message", "", 0},
		{"binary garbage", "\x00\xff\xfe\r\n\r\n\x80", "554 5.6.0 ERR: 110, Error with email message", "", 0},
		{"empty", "", "554 5.6.0 ERR: 110, Error with email message", "", 0},
		{"automatic", "Auto-Submitted: auto-generated\r\n" + with("", ""), "250 2.0.0 OK: ID: ", "", 1},
		{"a long line", with("text:", strings.Repeat("x", 100_000)+"\r\ntext:"), "250 2.0.0 OK: ID: ", "ID: ", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gate, stored := testGate(t)
			addr, _ := serve(t, &Server{Gate: gate})
			p := dial(t, addr)
			p.envelope()
			p.write(tt.mail + "\r\n.\r\n")
			code, text, _ := p.text.ReadResponse(0)
			if got := fmt.Sprintf("%d %s\n", code, text); !strings.HasPrefix(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if len(stored.messages) != tt.stored {
				t.Errorf("%d messages stored, want %d", len(stored.messages), tt.stored)
			}
			switch {
			case tt.reply == "" && len(stored.events) > 0:
				t.Errorf("reply %+v, want none", stored.events)
			case tt.reply != "" && (len(stored.events) != 1 || !strings.HasPrefix(stored.events[0].Text, tt.reply)):
				t.Errorf("reply %+v, want %q", stored.events, tt.reply)
			}
		})
	}
}

func TestNoReplyToNullSender(t *testing.T) {
	gate, stored := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate})
	p := dial(t, addr)
	p.write("HELO test\r\nMAIL FROM:<>\r\nRCPT TO:<sms@gw>\r\nDATA\r\n")
	p.expect(250)
	p.expect(250)
	p.expect(250)
	p.expect(354)
	p.write("\r\n" + script + ".\r\n")
	p.expect(250)
	if m, e := stored.counts(); m != 1 || e != 0 {
		t.Errorf("%d messages, %d events", m, e)
	}
}

// A large mail has longer to be stored: the disk of a small board takes minutes for
// what may be in one.
func TestStorePatience(t *testing.T) {
	for _, n := range []int{1, 10_000} {
		gate, _ := testGate(t)
		var patience time.Duration
		gate.Queue = addFunc(func(ctx context.Context, b sms.Batch) error {
			until, _ := ctx.Deadline()
			patience = time.Until(until)
			return nil
		})
		addr, _ := serve(t, &Server{Gate: gate})
		p := dial(t, addr)
		p.envelope()
		p.write("\r\n" + script)
		for i := range n - 1 {
			p.write(fmt.Sprintf("to:4477009%05d\r\n", i))
		}
		p.write(".\r\n")
		p.expect(250)
		if each := time.Duration(n) * storeEach; patience <= each || patience > storeTimeout+each {
			t.Errorf("%d messages have %v to be stored", n, patience)
		}
	}
}

// 250 only when it is stored; what passes is 4xx, so that the sender keeps it.
func TestStoreAway(t *testing.T) {
	gate, _ := testGate(t)
	gate.Queue = addFunc(func(context.Context, sms.Batch) error { return io.ErrShortWrite })
	addr, _ := serve(t, &Server{Gate: gate})
	p := dial(t, addr)
	p.envelope()
	p.write("\r\n" + script + ".\r\n")
	if got := p.expect(452); !strings.HasPrefix(got, "4.3.1 ") {
		t.Error(got)
	}
	gate.Accounts = func(context.Context, string) (sms.Account, error) { return sms.Account{}, io.ErrShortWrite }
	p.envelope()
	p.write("\r\n" + script + ".\r\n")
	if got := p.expect(452); !strings.HasPrefix(got, "4.3.1 ") {
		t.Error(got)
	}
}

// Each address is answered on its own: a person may get a copy.
func TestRecipients(t *testing.T) {
	gate, stored := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate, Domains: []string{"gw.lan", "messaging.clickatell.com"}})
	p := dial(t, addr)
	p.write("EHLO test\r\nMAIL FROM:<a@site.lan>\r\n")
	p.expect(250)
	p.expect(250)
	for _, tt := range []struct {
		to   string
		want int
		text string
	}{
		{"SMS@GW.lan", 250, ""},
		{"human@gw.lan", 550, "5.1.1 "},
		{"human@site.lan", 550, "5.7.1 "},
		{"sms@site.lan", 550, "5.7.1 "},
		{"sms%site.lan@gw.lan", 550, "5.1.1 "},
		{"sms@messaging.clickatell.com", 250, ""},
	} {
		p.write("RCPT TO:<" + tt.to + ">\r\n")
		if got := p.expect(tt.want); tt.text != "" && !strings.HasPrefix(got, tt.text) {
			t.Errorf("%s: %s", tt.to, got)
		}
	}
	p.write("DATA\r\n")
	p.expect(354)
	p.write("\r\n" + script + ".\r\n")
	p.expect(250)
	if m, _ := stored.counts(); m != 1 {
		t.Errorf("%d messages from one mail", m)
	}
}

// A mail may come in chunks. RFC 3030.
func TestChunks(t *testing.T) {
	gate, stored := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate})
	p := dial(t, addr)
	first, last := "\r\n"+script[:20], script[20:]
	p.write("EHLO test\r\nMAIL FROM:<a@site.lan>\r\nRCPT TO:<sms@gw>\r\n")
	p.write(fmt.Sprintf("BDAT %d\r\n%sBDAT %d LAST\r\n%s", len(first), first, len(last), last))
	for range 5 {
		p.expect(250)
	}
	if m, _ := stored.counts(); m != 1 {
		t.Errorf("%d messages stored", m)
	}
}

func TestRequireAuth(t *testing.T) {
	gate, stored := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate, RequireAuth: true})
	p := dial(t, addr)
	p.write("EHLO test\r\nMAIL FROM:<a@site.lan>\r\n")
	if got := p.expect(250); !strings.Contains(got, "AUTH PLAIN LOGIN") {
		t.Error(got)
	}
	if got := p.expect(530); !strings.HasPrefix(got, "5.7.0 ") {
		t.Error(got)
	}
	for _, auth := range []sasl.Client{sasl.NewPlainClient("", "anna", "secret"), sasl.NewLoginClient("anna", "secret")} {
		c, err := smtp.Dial(addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Auth(auth); err != nil {
			t.Fatal(err)
		}
		if err := c.SendMail("a@site.lan", []string{"sms@gw"}, strings.NewReader("\r\n"+script)); err != nil {
			t.Error(err)
		}
	}
	if m, _ := stored.counts(); m != 2 {
		t.Errorf("%d messages stored", m)
	}
}

// The dialogues of AUTH, with and without an initial response.
func TestAuth(t *testing.T) {
	gate, _ := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate})
	for _, tt := range []struct {
		name   string
		writes []string
		want   []int
	}{
		{"PLAIN", []string{"AUTH PLAIN AGFubmEAc2VjcmV0"}, []int{235}},
		{"PLAIN in two", []string{"AUTH PLAIN", "AGFubmEAc2VjcmV0"}, []int{334, 235}},
		{"LOGIN", []string{"AUTH LOGIN", "YW5uYQ==", "c2VjcmV0"}, []int{334, 334, 235}},
		{"LOGIN with the name", []string{"AUTH LOGIN YW5uYQ==", "c2VjcmV0"}, []int{334, 235}},
		{"wrong", []string{"AUTH LOGIN YW5uYQ==", "U2VjcmV0"}, []int{334, 535}},
		{"wrong PLAIN", []string{"AUTH PLAIN AGFubmEAU2VjcmV0"}, []int{535}},
		{"given up", []string{"AUTH LOGIN", "*"}, []int{334, 501}},
		{"unknown", []string{"AUTH CRAM-MD5"}, []int{504}},
	} {
		p := dial(t, addr)
		p.write("EHLO test\r\n")
		p.expect(250)
		for i, w := range tt.writes {
			p.write(w + "\r\n")
			if got, text, _ := p.text.ReadResponse(0); got != tt.want[i] {
				t.Errorf("%s: %d %s, want %d", tt.name, got, text, tt.want[i])
			}
		}
	}
}

// Passwords cannot be tried without end, by AUTH or by script.
func TestAuthThrottle(t *testing.T) {
	gate, _ := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate})
	p := dial(t, addr)
	p.write("EHLO test\r\n")
	p.expect(250)
	code := 0
	for i := 0; code != 454; i++ {
		if i > 20 {
			t.Fatal("20 wrong passwords taken")
		}
		p.write("AUTH PLAIN AGFubmEAU2VjcmV0\r\n")
		code, _, _ = p.text.ReadResponse(0)
	}
	p.envelope()
	p.write("\r\n" + strings.Replace(script, "secret", "guess", 1) + ".\r\n")
	if got := p.expect(451); !strings.HasPrefix(got, "4.7.0 ") {
		t.Error(got)
	}
}

// A mail of the largest size is taken, one octet more is not, and the
// connection goes on.
func TestMailSize(t *testing.T) {
	const size = 100_000
	gate, stored := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate, MaxMail: size})
	p := dial(t, addr)
	filler := strings.Repeat(strings.Repeat("x", 998)+"\r\n", size/1000)
	head := "\r\n" + script
	fit := head + filler[:size-len(head)-2] + "\r\n"
	p.envelope()
	p.write(fit + ".\r\n")
	p.expect(250)
	p.envelope()
	p.write(fit[:len(fit)-2] + "x\r\n.\r\n")
	if got := p.expect(552); !strings.HasPrefix(got, "5.3.4 ERR: 101, ") {
		t.Error(got)
	}
	p.write("NOOP\r\n")
	p.expect(250)
	if m, _ := stored.counts(); m != 1 {
		t.Errorf("%d messages stored", m)
	}
	for announced, want := range map[int]int{size: 250, size + 1: 552} {
		p.write(fmt.Sprintf("RSET\r\nMAIL FROM:<a@site.lan> SIZE=%d\r\n", announced))
		p.expect(250)
		p.expect(want)
	}
}

// Few large mails are in memory at a time; who comes then tries again.
func TestLargeMails(t *testing.T) {
	gate, _ := testGate(t)
	inStore, goOn := make(chan struct{}, largeAtOnce), make(chan struct{})
	gate.Queue = addFunc(func(context.Context, sms.Batch) error {
		inStore <- struct{}{}
		<-goOn
		return nil
	})
	addr, _ := serve(t, &Server{Gate: gate})
	mail := "\r\n" + script + strings.Repeat(strings.Repeat("x", 998)+"\r\n", largeMail/1000+1) + ".\r\n"
	var waiting []*peer
	for range largeAtOnce {
		p := dial(t, addr)
		p.envelope()
		p.write(mail)
		waiting = append(waiting, p)
	}
	for range largeAtOnce {
		<-inStore
	}
	p := dial(t, addr)
	p.envelope()
	p.write(mail)
	if got := p.expect(452); !strings.HasPrefix(got, "4.3.1 ") {
		t.Error(got)
	}
	close(goOn)
	for _, p := range waiting {
		p.expect(250)
	}
}

func TestLineTooLong(t *testing.T) {
	gate, stored := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate})
	p := dial(t, addr)
	p.envelope()
	p.write("\r\n" + script)
	go io.WriteString(p.conn, strings.Repeat("x", lineMax+1)+"\r\n.\r\n")
	if got := p.expect(552); !strings.HasPrefix(got, "5.3.4 ERR: 101, ") {
		t.Error(got)
	}
	if m, _ := stored.counts(); m != 0 {
		t.Error("it was submitted")
	}
}

// Secrets, numbers and texts stay out of the log.
func TestLogKeepsSecrets(t *testing.T) {
	gate, _ := testGate(t)
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	gate.Log = logger
	addr, stop := serve(t, &Server{Gate: gate, Log: logger})
	p := dial(t, addr)
	for _, body := range []string{script, strings.Replace(script, "secret", "seecret", 1), strings.Replace(script, "to:44", "to:x", 1)} {
		p.envelope()
		p.write("\r\n" + body + ".\r\n")
		p.text.ReadResponse(0)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if log.Len() == 0 {
		t.Error("nothing logged")
	}
	for _, secret := range []string{"secret", "seecret", "8311234567", "Meet", "anna@site.lan"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, log.String())
		}
	}
}

// Many clients at once.
func TestConcurrentMails(t *testing.T) {
	gate, stored := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate})
	const clients, mails = 20, 20
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			c, err := smtp.Dial(addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for range mails {
				if err := c.SendMail("a@site.lan", []string{"sms@gw"}, strings.NewReader("\r\n"+script)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if m, e := stored.counts(); m != clients*mails || e != m {
		t.Errorf("%d messages, %d events", m, e)
	}
}

func BenchmarkMails(b *testing.B) {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		b.Fatal(err)
	}
	gate := &ingress.Gate{
		Queue: addFunc(func(context.Context, sms.Batch) error { return nil }),
		Rules: &sms.Rules{},
		Accounts: func(context.Context, string) (sms.Account, error) {
			return sms.Account{Name: "anna", PasswordHash: string(hash), APIID: 7, Unlimited: true}, nil
		},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&Server{Gate: gate}).Serve(ctx, l) }()
	defer func() { cancel(); <-done }()
	c, err := smtp.Dial(l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for b.Loop() {
		if err := c.SendMail("a@site.lan", []string{"sms@gw"}, strings.NewReader("\r\n"+script)); err != nil {
			b.Fatal(err)
		}
	}
}

// A loop of replies to one address comes to an end, and says so once.
func TestReplyThrottle(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	d := &door{
		Server:  &Server{Log: logger},
		replies: ingress.Throttle{Burst: 2, Every: time.Hour},
		alarm:   newAlarm(logger),
	}
	s := &session{door: d, peer: netip.MustParseAddr("192.168.1.9")}
	sent, surplus := 0, 0
	for range 5 {
		r := ingress.Receipt{Results: []ingress.Result{{To: "448311234567"}}}
		for _, e := range s.replies(mail.Message{}, clickatell.Script{Reply: []string{"Anna@site.lan", "anna@site.lan"}}, r) {
			if e.Surplus {
				surplus++
			} else {
				sent++
			}
		}
	}
	if sent != 2 || surplus != 8 {
		t.Errorf("%d replies, want 2; %d are summed up, want 8", sent, surplus)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines logged:\n%s", n, log.String())
	}
}
