package smtpd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"cellpost/sms"
)

// go-smtp would execute what comes after a timeout as commands.
func TestTimeoutInMail(t *testing.T) {
	for _, begin := range []string{"DATA\r\n", "BDAT 100000\r\n"} {
		gate, stored := testGate(t)
		addr, _ := serve(t, &Server{Gate: gate, IdleTimeout: 50 * time.Millisecond})
		p := dial(t, addr)
		p.write("EHLO test\r\nMAIL FROM:<a@site.lan>\r\nRCPT TO:<sms@gw>\r\n" + begin)
		p.expect(250)
		p.expect(250)
		p.expect(250)
		if begin == "DATA\r\n" {
			p.expect(354)
		}
		p.write("\r\n" + script)
		p.expect(421)
		// The rest of the body: the server may have closed by now.
		io.WriteString(p.conn, "NOOP\r\nMAIL FROM:<evil@site.lan>\r\n.\r\n")
		rest, _ := io.ReadAll(p.text.R)
		if strings.Contains(string(rest), "250") {
			t.Errorf("%q: the body was executed: %q", begin, rest)
		}
		if m, _ := stored.counts(); m != 0 {
			t.Errorf("%q: half a mail was submitted", begin)
		}
	}
}

// A peer that sends an octet now and then does not hold a connection for ever.
func TestSlowMail(t *testing.T) {
	gate, _ := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate, MailTimeout: 50 * time.Millisecond})
	p := dial(t, addr)
	p.envelope()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := io.WriteString(p.conn, "x"); err != nil {
					return
				}
			}
		}
	})
	p.expect(421)
	close(stop)
	wg.Wait()
}

func TestIdleTimeout(t *testing.T) {
	gate, _ := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate, IdleTimeout: 50 * time.Millisecond})
	p := dial(t, addr)
	p.expect(421)
	p.expectEnd()
}

// A mail that breaks off is not submitted. go-smtp would take the end of the
// connection for the end of the last chunk.
func TestBrokenOff(t *testing.T) {
	for _, begin := range []string{"DATA\r\n", "BDAT 100000 LAST\r\n"} {
		gate, stored := testGate(t)
		addr, stop := serve(t, &Server{Gate: gate})
		p := dial(t, addr)
		p.write("EHLO test\r\nMAIL FROM:<a@site.lan>\r\nRCPT TO:<sms@gw>\r\n" + begin + "\r\n" + script)
		p.conn.(*net.TCPConn).CloseWrite()
		p.expect(250)
		p.expect(250)
		p.expect(250)
		if begin == "DATA\r\n" {
			p.expect(354)
		}
		p.expect(421)
		if err := stop(); err != nil { // and with it every session
			t.Fatal(err)
		}
		if m, _ := stored.counts(); m != 0 {
			t.Errorf("%q: half a mail was submitted", begin)
		}
	}
}

// Serve ends although clients are idle, which Shutdown of go-smtp would wait for.
func TestStopIdle(t *testing.T) {
	gate, _ := testGate(t)
	addr, stop := serve(t, &Server{Gate: gate, Grace: time.Hour})
	silent, between := dial(t, addr), dial(t, addr)
	between.write("EHLO test\r\nMAIL FROM:<a@site.lan>\r\n")
	between.expect(250)
	between.expect(250)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*peer{silent, between} {
		p.expect(421)
		p.expectEnd()
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("it still listens")
	}
}

// A mail under way is finished, and answered.
func TestStopInMail(t *testing.T) {
	gate, stored := testGate(t)
	inStore, goOn := make(chan struct{}), make(chan struct{})
	gate.Queue = addFunc(func(ctx context.Context, b sms.Batch) error {
		close(inStore)
		<-goOn
		return errors.Join(ctx.Err(), stored.add(ctx, b))
	})
	addr, stop := serve(t, &Server{Gate: gate, Grace: time.Hour})
	idle, p := dial(t, addr), dial(t, addr)
	p.envelope()
	p.write("\r\n" + script + ".\r\n")
	<-inStore
	done := make(chan error, 1)
	go func() { done <- stop() }()
	idle.expect(421) // it is stopping
	close(goOn)
	p.expect(250)
	p.expect(421)
	p.expectEnd()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if m, _ := stored.counts(); m != 1 {
		t.Errorf("%d messages stored", m)
	}
}

// The rest of a mail may still come while Serve is ending.
func TestStopInTransfer(t *testing.T) {
	gate, stored := testGate(t)
	addr, stop := serve(t, &Server{Gate: gate, Grace: time.Hour})
	idle, p := dial(t, addr), dial(t, addr)
	p.envelope() // 354: it is in DATA
	done := make(chan error, 1)
	go func() { done <- stop() }()
	idle.expect(421)
	p.write("\r\n" + script + ".\r\n")
	p.expect(250)
	p.expect(421)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if m, _ := stored.counts(); m != 1 {
		t.Errorf("%d messages stored", m)
	}
}

// But not for ever.
func TestStopAfterGrace(t *testing.T) {
	gate, stored := testGate(t)
	addr, stop := serve(t, &Server{Gate: gate, Grace: 50 * time.Millisecond})
	p := dial(t, addr)
	p.envelope()
	p.write("\r\n" + script)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if m, _ := stored.counts(); m != 0 {
		t.Error("half a mail was submitted")
	}
}

func TestListenerBreaks(t *testing.T) {
	gate, _ := testGate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := (&Server{Gate: gate}).Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
}

func TestConnectionLimit(t *testing.T) {
	gate, _ := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate, MaxConns: 2})
	first := dial(t, addr)
	dial(t, addr)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.HasPrefix(line, "421 4.7.0 ") {
		t.Errorf("third connection: %q, %v", line, err)
	}
	first.write("QUIT\r\n")
	first.expect(221)
	first.expectEnd() // then its place is free
	dial(t, addr)
}

func TestNetworks(t *testing.T) {
	gate, _ := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate, Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.HasPrefix(line, "554 5.7.1 ") {
		t.Errorf("%q, %v", line, err)
	}
	addr, _ = serve(t, &Server{Gate: gate, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	dial(t, addr)
}
