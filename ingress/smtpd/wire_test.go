package smtpd

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What one server takes for the end of a mail and another does not can smuggle a
// second mail in: only CR LF "." CR LF ends one, on every listener.
func TestSmuggling(t *testing.T) {
	smuggled := strings.Replace(script, "to:448311234567", "to:448399999999", 1)
	for _, legacy := range []bool{false, true} {
		gate, stored := testGate(t)
		addr, _ := serve(t, &Server{Gate: gate, Legacy: legacy})
		for _, end := range []string{
			"\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r.\n", "\n.\r", "\r\n.\r", "\r\n.\n", "\r\n.\r\r",
			"\r\n\x00.\r\n", "\r\n.\x00\r\n", "\r\n.\r\x00\n", "\n\x00.\n", "\r\n.\n\r\n",
			"\r\n.\r\r\n", "\r\r\n.\r\r\n", "\r\n." + strings.Repeat("\r", returnsMax) + "\n", "\r\n." + strings.Repeat("\r", returnsMax+1) + "\n",
		} {
			for _, newline := range []string{"\r\n", "\n", "\r"} {
				p := dial(t, addr)
				p.envelope()
				p.write("\r\n" + script + "text:x" + end)
				second := strings.Join([]string{"MAIL FROM:<evil@site.lan>", "RCPT TO:<sms@gw>", "DATA", "Subject: x", ""}, newline)
				p.write(second + newline + strings.ReplaceAll(smuggled, "\r\n", newline) + "\r\n.\r\n")
				p.expect(550)
				p.write("QUIT\r\n")
				p.expect(221)
				p.expectEnd()
			}
			if m, e := stored.counts(); m != 0 || e != 0 {
				t.Fatalf("%q, legacy %v: %d messages, %d events", end, legacy, m, e)
			}
		}
	}
}

// The same under TLS, where go-smtp has taken a dot away before it is looked at: a
// mail may be taken there, but it is one.
func TestSmugglingTLS(t *testing.T) {
	for end, want := range map[string]int{
		"\n.\n": 550, "\n.\r\n": 550, "\r.\r": 550, "\r.\r\n": 550, "\r\n.\n": 250, "\r\n.\rx": 250,
	} {
		gate, stored := testGate(t)
		addr, config := tlsServer(t, &Server{Gate: gate, Implicit: true})
		conn, err := tls.Dial("tcp", addr, config)
		if err != nil {
			t.Fatal(err)
		}
		p := greeted(t, conn)
		p.write("EHLO test\r\nMAIL FROM:<a@site.lan>\r\nRCPT TO:<sms@gw>\r\nDATA\r\n")
		p.expect(250)
		p.expect(250)
		p.expect(250)
		p.expect(354)
		p.write("\r\n" + script + end + "MAIL FROM:<evil@site.lan>\r\nRCPT TO:<sms@gw>\r\nDATA\r\nx\r\n.\r\n")
		p.expect(want)
		p.write("QUIT\r\n")
		p.expect(221)
		p.expectEnd()
		if m, _ := stored.counts(); m != (550-want)/300 {
			t.Errorf("%q: %d messages", end, m)
		}
	}
}

// The end of a mail may come in pieces, the first of them with the command DATA.
func TestEndInPieces(t *testing.T) {
	for _, ends := range [][2]string{{"\r\n.", "\r\r\n"}, {"\r\n.\r", "\r\n"}, {"\r\n", ".\r\r\n"}} {
		gate, stored := testGate(t)
		addr, _ := serve(t, &Server{Gate: gate})
		p := dial(t, addr)
		p.write("EHLO test\r\n")
		p.expect(250)
		p.write("MAIL FROM:<a@site.lan>\r\nRCPT TO:<sms@gw>\r\nDATA\r\n\r\n" + script + ends[0])
		p.expect(250)
		p.expect(250)
		p.expect(354)
		p.write(ends[1] + "MAIL FROM:<evil@site.lan>\r\n.\r\n")
		p.expect(550)
		p.write("QUIT\r\n")
		p.expect(221)
		if m, _ := stored.counts(); m != 0 {
			t.Errorf("%q: %d messages", ends, m)
		}
	}
}

// A mail does not answer for what stood in commands, or in the chunks of another.
func TestOthersLineEnds(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		gate, _ := testGate(t)
		addr, _ := serve(t, &Server{Gate: gate, Legacy: legacy})
		p := dial(t, addr)
		p.write("EHLO test\r\n")
		p.expect(250)
		p.write(".\n")
		p.expect(501)
		chunk := "\n" + strings.ReplaceAll(script, "\r\n", "\n") + "text:x\n.\n"
		p.write("MAIL FROM:<a@site.lan>\r\nRCPT TO:<sms@gw>\r\nBDAT " + fmt.Sprint(len(chunk)) + " LAST\r\n" + chunk)
		for range 3 {
			p.expect(250)
		}
		p.write("MAIL FROM:<a@site.lan>\r\nRCPT TO:<sms@gw>\r\nDATA\r\n")
		p.expect(250)
		p.expect(250)
		p.expect(354)
		p.write("\r\n" + script + ".\r\n")
		p.expect(250)
	}
}

// octet is scan as one reads it, for one octet.
func (e *endings) octet(c byte) {
	switch {
	case c == '\n':
		e.bareLF = e.bareLF || !e.cr
		e.end(!e.cr)
		e.cr = false
		return
	case e.cr:
		e.bareCR = true
		e.end(true)
	}
	e.cr = c == '\r'
	e.nul = e.nul || c == 0
	if e.cr || c == 0 {
		return
	}
	e.length++
	if c == '.' && e.content == lineEmpty {
		e.content = lineDot
	} else {
		e.content = lineOther
	}
}

func TestScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var got, want endings
		for _, piece := range rapid.SliceOf(rapid.SliceOf(rapid.SampledFrom([]byte("\r\r\n\n..\x00x")))).Draw(t, "pieces") {
			got.scan(piece)
			for _, c := range piece {
				want.octet(c)
			}
			if got != want {
				t.Fatalf("%q: %+v, want %+v", piece, got, want)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	for name, line := range map[string]string{"lines": strings.Repeat("x", 76) + "\r\n", "bare CR": "x\r", "NUL": "\x00"} {
		chunk := []byte(strings.Repeat(line, 4096/len(line)))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(chunk)))
			var e endings
			for b.Loop() {
				e.scan(chunk)
			}
		})
	}
}

// Mails with odd line ends that mean no harm are taken, and so are dots.
func TestLineEnds(t *testing.T) {
	for _, tt := range []struct {
		name, mail string
		legacy     bool
		text       string
	}{
		{"bare LF", strings.ReplaceAll("\r\n"+script, "\r\n", "\n") + "\r\n.\r\n", false, "Meet me at home"},
		{"bare LF", strings.ReplaceAll("\r\n"+script, "\r\n", "\n") + "\r\n.\r\n", true, "Meet me at home"},
		{"bare CR", strings.ReplaceAll("\r\n"+script, "\r\n", "\r") + "\r\n.\r\n", true, "Meet me at home"},
		{"CR CR LF", strings.ReplaceAll("\r\n"+script, "\r\n", "\r\r\n") + ".\r\n", false, "Meet me at home"},
		{"dots", "\r\n" + script + "text:..\r\n..\r\n.\r\n", false, "Meet me at home\r\n.."},
		{"dots", "\r\n" + script + "text:..\r\n..\r\n.\r\n", true, "Meet me at home\r\n.."},
	} {
		t.Run(fmt.Sprint(tt.name, " ", tt.legacy), func(t *testing.T) {
			gate, stored := testGate(t)
			addr, _ := serve(t, &Server{Gate: gate, Legacy: tt.legacy})
			p := dial(t, addr)
			p.envelope()
			p.write(tt.mail)
			p.expect(250)
			if m := stored.messages; len(m) != 1 || m[0].Text != tt.text {
				t.Errorf("stored %+v", m)
			}
		})
	}
}

// An old device is understood, whatever pieces its commands come in, and what
// follows DATA is never taken for a command.
func TestLegacyCommands(t *testing.T) {
	for _, newline := range []string{"\r\n", "\n", "\r"} {
		for _, piece := range []int{1, 7, 4096} {
			gate, stored := testGate(t)
			addr, _ := serve(t, &Server{Gate: gate, Legacy: true})
			p := dial(t, addr)
			commands := strings.Join([]string{"HELO", "MAIL FROM:<a@site.lan>", "RCPT TO:<sms@gw>", "DATA", ""}, newline)
			body := newline + strings.ReplaceAll(script, "\r\n", newline) + "\r\n.\r\n"
			for all := commands + body; all != ""; all = all[min(piece, len(all)):] {
				p.write(all[:min(piece, len(all))])
			}
			for _, code := range []int{250, 250, 250, 354, 250} {
				p.expect(code)
			}
			if m, _ := stored.counts(); m != 1 {
				t.Errorf("%q in pieces of %d: %d messages", newline, piece, m)
			}
		}
	}
	gate, _ := testGate(t)
	addr, _ := serve(t, &Server{Gate: gate})
	p := dial(t, addr)
	p.write("HELO\r\n")
	p.expect(501)
}

func TestLoop(t *testing.T) {
	for n, want := range map[int]int{receivedMax: 250, receivedMax + 1: 554} {
		gate, stored := testGate(t)
		addr, _ := serve(t, &Server{Gate: gate})
		p := dial(t, addr)
		p.envelope()
		p.write(strings.Repeat("received: from a by b\r\n\tfor c; today\r\n", n) + "\r\n" + strings.Repeat("Received: no header\r\n", 30) + script + ".\r\n")
		if text := p.expect(want); want == 554 && !strings.HasPrefix(text, "5.4.6 ") {
			t.Error(text)
		}
		if m, _ := stored.counts(); m != (554-want)/300 && n > receivedMax {
			t.Errorf("%d: %d messages", n, m)
		}
	}
}
