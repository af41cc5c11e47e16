package test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// talk sends octets to a mail door from an address of this machine and returns the
// first octets of each answer: to the greeting, to the envelope, and to the mail.
func talk(from, to string, mail func(io.Writer) error) (answer string, err error) {
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}).Dial("tcp", to)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(3 * patience))
	r := bufio.NewReader(c)
	io.WriteString(c, "HELO x\r\nMAIL FROM:<me@example.com>\r\nRCPT TO:<sms@gw>\r\nDATA\r\n")
	for range 5 {
		if answer, err = r.ReadString('\n'); err != nil {
			return answer, err
		}
	}
	if !strings.HasPrefix(answer, "354") {
		return answer, fmt.Errorf("no mail is taken: %s", answer)
	}
	b := bufio.NewWriterSize(c, 1<<16)
	mail(b)
	io.WriteString(b, "\r\n.\r\n")
	b.Flush() // where it fails the answer tells why
	return r.ReadString('\n')
}

// repeated writes a text many times without having it in memory.
func repeated(n int, text func(i int) string) func(io.Writer) error {
	return func(w io.Writer) error {
		for i := range n {
			if _, err := io.WriteString(w, text(i)); err != nil {
				return err
			}
		}
		return nil
	}
}

func same(text string) func(int) string { return func(int) string { return text } }

// both writes one thing after another.
func both(all ...func(io.Writer) error) func(io.Writer) error {
	return func(w io.Writer) error {
		for _, f := range all {
			if err := f(w); err != nil {
				return err
			}
		}
		return nil
	}
}

func text(s string) func(io.Writer) error { return repeated(1, same(s)) }

// evil is a script that must not be taken.
var evil = script("to:448399999999", "text:evil")

// hostile are mails that are refused, or put off, and of which nothing is queued.
func hostile() map[string]func(io.Writer) error {
	multipart := func(i int) string {
		return fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	return map[string]func(io.Writer) error{
		"over 32 MiB":            both(text("Subject: x\r\n\r\n"+evil), repeated(33<<10, same(strings.Repeat("x", 1022)+"\r\n"))),
		"a header of 30 MiB":     both(text("Subject: "), repeated(30<<10, same(strings.Repeat("x", 1022)+"\r\n ")), text("\r\n\r\n"+evil)),
		"a line over 1 MiB":      both(text("Subject: x\r\n\r\n"+evil), repeated(2<<10, same(strings.Repeat("x", 1024)))),
		"deep MIME":              both(text("MIME-Version: 1.0\r\n"), repeated(10_000, multipart), text("\r\n"+evil)),
		"100,000 parts":          both(text("Content-Type: multipart/mixed; boundary=b\r\n\r\n"), repeated(100_000, same("--b\r\nContent-Type: text/html\r\n\r\n<p>x\r\n"))),
		"RFC 2231 bomb":          both(text("Content-Type: text/html"), repeated(100_000, func(i int) string { return fmt.Sprintf(";\r\n name*%d*=utf-8''%%41", i) }), text("\r\n\r\n"+evil)),
		"NUL":                    repeated(1<<10, same(strings.Repeat("\x00", 1024)+"\r\n")),
		"bare CR":                repeated(1<<10, same(strings.Repeat("x\r", 512))),
		"bare LF and a fake end": text("Subject: x\n\n" + evil + "\n.\nMAIL FROM:<x@y>\nRCPT TO:<sms@gw>\nDATA\n" + evil),
		"26 hops":                both(repeated(26, same("Received: by x\r\n")), text("\r\n"+evil)),
	}
}

// stalls are connections that never come to an end by themselves.
var stalls = map[string]string{
	"greeting": "", "half a command": "EHL", "after EHLO": "EHLO x\r\n", "after MAIL": "EHLO x\r\nMAIL FROM:<a@b>\r\n",
	"in AUTH": "EHLO x\r\nAUTH LOGIN\r\n", "in DATA": "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<sms@gw>\r\nDATA\r\nSubject: x",
	"in BDAT": "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<sms@gw>\r\nBDAT 1000\r\nx", "in STARTTLS": "EHLO x\r\nSTARTTLS\r\n\x16\x03\x01",
	"garbage": strings.Repeat("\xff\x00\n", 1000),
}

// idleConnections are opened and left alone; descriptors of this process and of the
// gateway are what bounds them.
const idleConnections = 10_000

// TestHostile: after all that can be thrown at the mail door others are served, the
// memory is bounded, and nothing was queued that should not be.
func TestHostile(t *testing.T) {
	implicit := freeAddress(t)
	w := newWorld(t, setting{more: fmt.Sprintf("[[smtp]]\nlisten = %q\ntls = \"implicit\"\n", implicit)})
	g := w.start()
	w.mustMail("to:448311234567", "text:before")
	for name, mail := range hostile() {
		answer, err := talk("127.0.0.1", w.smtp, mail)
		if !strings.HasPrefix(answer, "5") && !strings.HasPrefix(answer, "452") {
			t.Errorf("%s: %q, %v", name, answer, err)
		}
	}
	for name, mail := range map[string]func(io.Writer) error{
		"100,000 headers": both(repeated(100_000, func(i int) string { return fmt.Sprintf("X-%d: x\r\n", i) }), text("\r\n"+script("to:448311234567", "text:many headers"))),
		"1 MiB lines":     both(text("\r\n"), repeated(4, same(strings.Repeat("x", 1<<20-100)+"\r\n")), text(script("to:448311234567", "text:long lines"))),
	} {
		if answer, err := talk("127.0.0.1", w.smtp, mail); !strings.HasPrefix(answer, "250") {
			t.Errorf("%s: %q, %v", name, answer, err)
		}
	}
	alone := w.answerTime("127.0.0.3")
	end := w.siege(implicit)
	during := w.answerTime("127.0.0.3")
	w.mustMail("to:448311234567", "text:from where the siege is")
	end()
	t.Logf("50 mails: %v alone, %v in the siege; resident at most %d MiB", alone, during, w.peak(g)>>10)
	if during > 20*alone { // every one has to take a place first
		t.Errorf("50 mails took %v in the siege, %v without", during, alone)
	}
	if peak := w.peak(g); peak > memoryMax {
		t.Errorf("resident: %d KiB", peak)
	}
	count := w.queued()
	for text, want := range map[string]int{"evil": 0, "before": 1, "many headers": 1, "long lines": 1, "served": 100, "from where the siege is": 1} {
		if count[text] != want {
			t.Errorf("%q: %d messages, want %d", text, count[text], want)
		}
		delete(count, text)
	}
	if len(count) > 0 {
		t.Errorf("queued, too: %v", count)
	}
}

// memoryMax bounds what is resident, in KiB: two large mails at a time, and what the
// parser and the race detector take.
const memoryMax = 512 << 10 * raceFactor

// answerTime is how long 50 mails take, a connection each.
func (w *world) answerTime(from string) time.Duration {
	w.t.Helper()
	begin := time.Now()
	for range 50 {
		answer, err := talk(from, w.smtp, text("\r\n"+script("to:448311234567", "text:served")))
		if !strings.HasPrefix(answer, "250") {
			w.t.Errorf("%q, %v", answer, err)
		}
	}
	return time.Since(begin)
}

// peak is the most memory that a gateway has had resident, in KiB.
func (w *world) peak(g *gateway) int {
	w.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.Process.Pid))
	if err != nil {
		w.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// siege fills the doors with connections that stall, each in its way, send an octet
// now and then, or do nothing. All come from two addresses.
func (w *world) siege(implicit string) (end func()) {
	w.t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		w.t.Fatal(err)
	}
	most := idleConnections
	if room := int(limit.Cur) - 1000; room < most {
		w.t.Logf("only %d connections: this process may have no more files open", room)
		most = room
	}
	var conns []net.Conn
	open := func(from, to, begin string) {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", to)
		if err != nil {
			w.t.Fatal(err)
		}
		io.WriteString(c, begin)
		conns = append(conns, c)
	}
	for _, begin := range stalls {
		for range 20 {
			open("127.0.0.2", w.smtp, begin)
			open("127.0.0.2", implicit, begin[:min(1, len(begin))])
		}
	}
	slow := conns
	for len(conns) < most {
		open("127.0.0.1", w.smtp, "")
	}
	done := make(chan struct{})
	var loris sync.WaitGroup
	loris.Go(func() { // an octet a second on each
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				for _, c := range slow {
					c.SetWriteDeadline(time.Now().Add(time.Second))
					io.WriteString(c, "x")
				}
			}
		}
	})
	return func() {
		close(done)
		loris.Wait()
		for _, c := range conns {
			c.Close()
		}
	}
}

// TestTLSStall: handshakes that never end keep nobody from TLS.
func TestTLSStall(t *testing.T) {
	t.Parallel()
	implicit := freeAddress(t)
	w := newWorld(t, setting{more: fmt.Sprintf("[[smtp]]\nlisten = %q\ntls = \"implicit\"\nmax_connections = 50\n", implicit)})
	w.start()
	for range 60 {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}}).Dial("tcp", implicit)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "\x16\x03\x01\x02\x00\x01")
	}
	conn, err := tls.Dial("tcp", implicit, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	c, err := smtp.NewClient(conn, "gw")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := deliver(c, script("to:448311234567", "text:in time")); err != nil {
		t.Fatal(err)
	}
}
