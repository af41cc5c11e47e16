package smtpd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/sms"
)

// dialFrom connects from an address of this machine.
func dialFrom(t *testing.T, addr, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(50 * time.Second))
	return conn
}

func firstLine(conn net.Conn) string {
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return line
}

// One address may take all places; it loses them to others, one by one, down to as
// many as these have.
func TestFairPlaces(t *testing.T) {
	gate, _ := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate, MaxConns: 4})
	for range 4 {
		dial(t, addr)
	}
	if got := firstLine(dialFrom(t, addr, "127.0.0.1")); !strings.HasPrefix(got, "421 4.7.0 ") {
		t.Errorf("a fifth: %q", got)
	}
	for i, want := range []string{"220 ", "220 ", "421 "} {
		if got := firstLine(dialFrom(t, addr, "127.0.0.2")); !strings.HasPrefix(got, want) {
			t.Errorf("place %d of another address: %q", i, got)
		}
	}
}

// What is being transferred at a decent rate, or stored, is not disturbed; what is
// only silent makes room even for its own kind.
func TestMakeRoom(t *testing.T) {
	now := time.Date(2026, 9, 21, 12, 0, 0, 0, time.UTC)
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	long := now.Add(-pressedIdle - time.Second)
	for _, tt := range []struct {
		name string
		conn conn
		want bool
	}{
		{"fresh", conn{answered: now, reading: true}, false},
		{"silent", conn{answered: long, reading: true}, true},
		{"being answered", conn{answered: long}, false},
		{"mail just begun", conn{answered: long, mailBegin: now, mailEnd: now.Add(time.Hour), reading: true}, false},
		{"mail that trickles", conn{answered: long, mailBegin: long, mailEnd: now.Add(time.Hour), unanswered: 11, reading: true}, true},
		{"mail that flows", conn{answered: long, mailBegin: long, mailEnd: now.Add(time.Hour), unanswered: 1 << 20, reading: true}, false},
		{"mail being stored", conn{answered: long, mailBegin: long, mailEnd: now.Add(time.Hour)}, false},
	} {
		for _, peer := range []netip.Addr{here, there} {
			c := tt.conn
			c.Conn, _ = net.Pipe()
			c.peer = here
			l := &listener{max: 1, alarm: newAlarm(slog.New(slog.DiscardHandler)), conns: map[*conn]struct{}{&c: {}}}
			if got := l.makeRoom(peer, now); got != tt.want {
				t.Errorf("%s for %v: %v", tt.name, peer, got)
			}
		}
	}
}

func TestPerPeer(t *testing.T) {
	gate, _ := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate, MaxPerPeer: 1})
	dial(t, addr)
	if got := firstLine(dialFrom(t, addr, "127.0.0.1")); !strings.HasPrefix(got, "421 4.7.0 ") {
		t.Errorf("second of one address: %q", got)
	}
	if got := firstLine(dialFrom(t, addr, "127.0.0.2")); !strings.HasPrefix(got, "220 ") {
		t.Errorf("first of another: %q", got)
	}
}

func TestRates(t *testing.T) {
	for _, s := range []*Server{{PeerMails: 2}, {AccountMails: 2}} {
		gate, stored := testGate(t)
		s.Gate = gate
		addr, _ := serve(t, s)
		p := dial(t, addr)
		for range 2 {
			p.envelope()
			p.write("\r\n" + script + ".\r\n")
			p.expect(250)
		}
		p.write("MAIL FROM:<a@site.lan>\r\nRCPT TO:<sms@gw>\r\n")
		if s.PeerMails > 0 {
			p.expect(451)
			p.expect(502)
		} else {
			p.expect(250)
			p.expect(250)
			p.write("DATA\r\n")
			p.expect(354)
			p.write("\r\n" + script + ".\r\n")
			p.expect(451)
		}
		if m, _ := stored.counts(); m != 2 {
			t.Errorf("%d messages", m)
		}
	}
}

// A command that comes octet by octet does not hold a connection for longer than
// silence does.
func TestSlowCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = time.Minute
		near, far := net.Pipe()
		l := &listener{idle: idle, conns: map[*conn]struct{}{}}
		c := &conn{Conn: near, listener: l, answered: time.Now()}
		begin := time.Now()
		var writer sync.WaitGroup
		defer writer.Wait()
		writer.Go(func() {
			for {
				if _, err := io.WriteString(far, "x"); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		var err error
		for b := make([]byte, 16); err == nil; {
			_, err = c.Read(b)
		}
		near.Close()
		if took := time.Since(begin); took != idle {
			t.Errorf("it took %v", took)
		}
	})
}

// Commands without end do not fill the memory.
func TestEndlessCommand(t *testing.T) {
	gate, _ := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate})
	p := dial(t, addr)
	io.WriteString(p.conn, strings.Repeat("x", lineMax/2)+"\r\nNOOP\r\nQUIT\r\n") // it may have closed by then
	if rest, _ := io.ReadAll(io.LimitReader(p.text.R, 1<<10)); strings.Contains(string(rest), "250 ") {
		t.Errorf("it was read to the end: %q", rest)
	}
}

// DSN parameters are understood. RFC 3461.
func TestDSNParameters(t *testing.T) {
	gate, _ := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate})
	p := dial(t, addr)
	p.write("EHLO test\r\n")
	if got := p.expect(250); !strings.Contains(got, "DSN") {
		t.Errorf("EHLO: %s", got)
	}
	p.write("MAIL FROM:<a@site.lan> RET=HDRS ENVID=QQ314159\r\nRCPT TO:<sms@gw> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;sms@gw\r\nRCPT TO:<sms@gw> NOTIFY=NEVER,DELAY\r\n")
	p.expect(250)
	p.expect(250)
	p.expect(501)
}

// A certificate that was renewed is in use from then on, and a broken one is not.
func TestRenewed(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	at := time.Date(2026, 9, 21, 12, 0, 0, 0, time.UTC)
	put := func(file string, octets []byte) {
		if err := os.WriteFile(file, octets, 0o600); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Second)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	renew := func(name string) (certificate []byte) {
		both, err := newCertificate([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		first, private := pem.Decode(both)
		put(cert, pem.EncodeToMemory(first))
		put(key, private)
		return first.Bytes
	}
	first := renew("first")
	c, err := NewCertificate(cert, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	uses := func(what string, want []byte) {
		t.Helper()
		got, err := c.Get(&tls.ClientHelloInfo{})
		if err != nil || string(got.Certificate[0]) != string(want) {
			t.Errorf("%s: another certificate, %v", what, err)
		}
	}
	uses("at first", first)
	second := renew("second")
	uses("renewed", second)
	put(key, []byte("broken"))
	uses("broken", second)
	uses("mended", renew("third"))

	// Both files with one time, as an archive has them, and a client between the two.
	same := at.Add(time.Hour)
	both, err := newCertificate([]string{"fourth"})
	if err != nil {
		t.Fatal(err)
	}
	fourth, private := pem.Decode(both)
	at = same.Add(-time.Second)
	put(cert, pem.EncodeToMemory(fourth))
	if _, err := c.Get(&tls.ClientHelloInfo{}); err != nil {
		t.Error(err)
	}
	at = same.Add(-time.Second)
	put(key, private)
	uses("with one time", fourth.Bytes)
}

// Whoever looks whether a port is open does not fill the log.
func TestBrokenConnections(t *testing.T) {
	var out bytes.Buffer
	log := errorLog{newAlarm(slog.New(slog.NewTextHandler(&out, nil)))}
	for port := range 100 {
		log.Printf("error handling %v: %s", &net.TCPAddr{IP: net.IPv4(192, 168, 1, 2), Port: 1000 + port}, io.ErrUnexpectedEOF)
	}
	if n := strings.Count(out.String(), "connection broke"); n != 1 {
		t.Errorf("%d lines:\n%s", n, &out)
	}
	log.Printf("panic serving %v: %v\n%s", &net.TCPAddr{}, "nil", "stack")
	if !strings.Contains(out.String(), "panic serving") {
		t.Error("a panic is not told")
	}
}

// AUTH in clear is offered where it is allowed, and nowhere else.
func TestAuthWithoutTLS(t *testing.T) {
	yes, no := true, false
	for _, tt := range []struct {
		allowed *bool
		tls     bool
		want    bool
	}{{nil, false, true}, {nil, true, false}, {&yes, true, true}, {&no, false, false}} {
		gate, _ := testGate(t)
		s := &Server{Gate: gate, AuthWithoutTLS: tt.allowed}
		if tt.tls {
			s.TLS = &tls.Config{}
		}
		addr, _ := serve(t, s)
		p := dial(t, addr)
		p.write("EHLO test\r\n")
		if got := strings.Contains(p.expect(250), "AUTH PLAIN LOGIN"); got != tt.want {
			t.Errorf("%+v: AUTH offered: %v", tt, got)
		}
	}
}

// A door that waits for the store is no reason to cut its sender off.
func TestPressedWhileStoring(t *testing.T) {
	gate, stored := testGate(t)
	inStore, goOn := make(chan struct{}), make(chan struct{})
	queue := gate.Queue
	gate.Queue = addFunc(func(ctx context.Context, b sms.Batch) error {
		close(inStore)
		<-goOn
		return queue.Add(ctx, b)
	})
	addr, _ := serve(t, &Server{Gate: gate, MaxConns: 1})
	p := dial(t, addr)
	p.envelope()
	p.write("\r\n" + script + ".\r\n")
	<-inStore
	if got := firstLine(dialFrom(t, addr, "127.0.0.2")); !strings.HasPrefix(got, "421 ") {
		t.Errorf("%q", got)
	}
	close(goOn)
	p.expect(250)
	if m, _ := stored.counts(); m != 1 {
		t.Errorf("%d messages", m)
	}
}
