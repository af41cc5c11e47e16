package modem

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"cellpost/modem/at"
	"cellpost/modem/profile"
	"cellpost/modem/sim"
	"cellpost/pdu"
)

func TestEncodeUSSD(t *testing.T) {
	for _, tt := range []struct {
		code string
		form profile.USSD
		want string // empty: an error
		dcs  int
	}{
		{"*100#", profile.USSDText, "*100#", 15},
		{"*100#", profile.USSDPacked, "AA180C3602", 15},
		{"*101#", profile.USSDPacked, "AA182C3602", 15}, // as scripts for Huawei sticks have it
		{"*100#", profile.USSDGSM, "*100#", 15},
		{"*100#", profile.USSDUCS2, "002A0031003000300023", 15},
		{"hellohello", profile.USSDPacked, "E8329BFD4697D9EC37", 15}, // the example of every PDU tutorial
		{"1234567", profile.USSDPacked, "31D98C56B3DD1A", 15},        // 7 spare bits: CR
		{"ж", profile.USSDText, "0436", 72},
		{"ж", profile.USSDPacked, "0436", 72},
		{`a"b`, profile.USSDText, "006100220062", 72},
		{"a@b", profile.USSDText, "006100400062", 72}, // @ is another octet in each alphabet
		{"", profile.USSDText, "", 0},
		{"*1\xff#", profile.USSDText, "", 0},
		{strings.Repeat("1", 183), profile.USSDPacked, "", 0},
		{strings.Repeat("ж", 81), profile.USSDText, "", 0},
		{strings.Repeat("@", 81), profile.USSDGSM, "", 0},
	} {
		got, dcs, err := encodeUSSD(tt.code, tt.form)
		if got != tt.want || dcs != tt.dcs || (err == nil) != (tt.want != "") {
			t.Errorf("%q as %q: %q, %d, %v; want %q, %d", tt.code, tt.form, got, dcs, err, tt.want, tt.dcs)
		}
	}
}

func TestDecodeUSSD(t *testing.T) {
	const russian = "041204300448002004310430043B0430043D0441003A00200032002E003200320020044004430431002E" // as MegaFon sends it
	for _, tt := range []struct {
		name, text string
		dcs        int
		form       profile.USSD
		want       string
	}{
		{"plain", "Balance: 12.34", 15, profile.USSDText, "Balance: 12.34"},
		{"plain from one that packs", "Balance: 12.34", 15, profile.USSDPacked, "Balance: 12.34"},
		{"packed", "C8329BFD06", 15, profile.USSDPacked, "Hello"},
		{"packed, not expected", "C8329BFD06", 15, profile.USSDText, "Hello"},
		{"packed with padding", "31D98C56B3DD1A", 15, profile.USSDPacked, "1234567"},
		{"packed, no DCS", "AA180C3602", 0, profile.USSDPacked, "*100#"},
		{"UCS2 by DCS", russian, 72, profile.USSDText, "Ваш баланс: 2.22 руб."},
		{"UCS2 by DCS from one that packs", russian, 72, profile.USSDPacked, "Ваш баланс: 2.22 руб."},
		{"UCS2 with class", russian, 0x58, profile.USSDText, "Ваш баланс: 2.22 руб."},
		{"UCS2, DCS says GSM", "00480065006C006C006F", 15, profile.USSDText, "Hello"},
		{"UCS2, DCS says GSM, one that packs", "00480065006C006C006F", 15, profile.USSDPacked, "Hello"},
		{"UCS2 expected", "00480065006C006C006F", 15, profile.USSDUCS2, "Hello"},
		{"packed where UCS2 is expected", "C8329BFD06", 15, profile.USSDUCS2, "Hello"},
		{"UCS2 with a language", "6537041204300448", 17, profile.USSDText, "Ваш"},
		{"UCS2 without its language", "041204300448", 17, profile.USSDText, "Ваш"},
		{"GSM with a language", "en\nHello", 16, profile.USSDText, "Hello"},
		{"packed with a language", upperHex(pdu.PackUSSD([]byte("en\rHello"))), 16, profile.USSDPacked, "Hello"},
		{"septets in hex", "48656C6C6F", 15, profile.USSDText, "Hello"},
		{"octets", "48656C6C6FE9", 0x44, profile.USSDText, "Helloé"},
		{"a number", "1234567890123456", 15, profile.USSDText, "1234567890123456"},
		{"a word of hex", "CAFE", 15, profile.USSDText, "CAFE"},
		{"an odd number of digits", "C8329BFD0", 15, profile.USSDPacked, "C8329BFD0"},
		{"plain though UCS2", "Ваш баланс", 72, profile.USSDText, "Ваш баланс"},
		{"Latin-1", "Cr\xe9dito", 15, profile.USSDText, "Crédito"},
		{"GSM octets", "Cr\x05dito", 15, profile.USSDGSM, "Crédito"},
		{"half a surrogate pair", "D83D", 72, profile.USSDText, "D83D"},
		{"CR LF", "a\r\nb\rc", 15, profile.USSDText, "a\nb\nc"},
		{"what a terminal would heed", "a\x1b[2J\tb\x07", 15, profile.USSDText, "a[2J\tb"},
		{"the same in UCS2", "0061001B005B0032004A", 72, profile.USSDPacked, "a[2J"},
		{"nothing", "", 15, profile.USSDPacked, ""},
	} {
		if got := decodeUSSD(tt.text, tt.dcs, tt.form); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestUSSDForms: what is encoded in a form is read back from it.
func TestUSSDForms(t *testing.T) {
	usual := rapid.StringOfN(rapid.RuneFrom([]rune("abcXYZ0189*#+ .,:éÄñΩ€")), 1, 70, -1)
	any := rapid.StringOfN(rapid.RuneFrom([]rune("aZ5*#жш✓漢😀")), 1, 35, -1)
	for _, form := range []profile.USSD{profile.USSDText, profile.USSDPacked, profile.USSDGSM, profile.USSDUCS2} {
		t.Run("form "+string(form), rapid.MakeCheck(func(t *rapid.T) {
			text := rapid.OneOf(usual, any).Draw(t, "text")
			if (form == profile.USSDText || form == profile.USSDGSM) && isHex(text) {
				t.Skip("digits that may be octets")
			}
			coded, dcs, err := encodeUSSD(text, form)
			if err != nil {
				t.Fatal(err)
			}
			if got := decodeUSSD(coded, dcs, form); got != text {
				t.Fatalf("%q as %q, %d: %q", text, coded, dcs, got)
			}
		}))
	}
}

func TestParseCUSD(t *testing.T) {
	for _, tt := range []struct {
		lines string // joined by LF
		want  cusd
		ok    bool
	}{
		{`+CUSD: 0,"Balance: 1,50",15`, cusd{0, "Balance: 1,50", 15}, true},
		{`+CUSD:1,"1 Balance` + "\n" + `2 Offers",72`, cusd{1, "1 Balance\n2 Offers", 72}, true},
		{`+CUSD: 0,"Your "Super" plan",15`, cusd{0, `Your "Super" plan`, 15}, true},
		{`+CUSD: 0,"Your "Super" plan"`, cusd{0, `Your "Super" plan`, 15}, true},
		{`+CUSD: 0, "C8329BFD06", 0`, cusd{0, "C8329BFD06", 0}, true},
		{`+CUSD: 0,"no end`, cusd{0, "no end", 15}, true},
		{`+CUSD: 0,"x",`, cusd{0, "x", 15}, true},
		{`+CUSD: 0,"x",999`, cusd{0, "x", 15}, true},
		{`+CUSD: 2`, cusd{2, "", 15}, true},
		{`+CUSD: 0,`, cusd{0, "", 15}, true},
		{`+CUSD: 0,"",15`, cusd{0, "", 15}, true},
		{`+CUSD: 0,Balance 1,50 EUR,15`, cusd{0, "Balance 1,50 EUR", 15}, true},
		{`+CUSD: 0,Balance`, cusd{0, "Balance", 15}, true},
		{`+CUSD: `, cusd{}, false},
		{`+CUSD: "x",15`, cusd{}, false},
		{`+CSQ: 1`, cusd{}, false},
	} {
		got, ok := parseCUSD(strings.Split(tt.lines, "\n"))
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: %+v, %v; want %+v, %v", tt.lines, got, ok, tt.want, tt.ok)
		}
	}
}

func TestCUSDLines(t *testing.T) {
	for _, tt := range []struct {
		info []string
		want int // lines of the code
	}{
		{[]string{`+CUSD: 0,"a",15`, "^RSSI:1"}, 1},
		{[]string{"^RSSI:1", `+CUSD: 1,"a`, "b", `c",15`, "^RSSI:1"}, 3},
		{[]string{`+CUSD: 1,"`, "b", `"`, "x"}, 3},
		{[]string{`+CUSD: 1,"a`, "b"}, 2},
		{[]string{"+CUSD: 2", "x"}, 1},
		{[]string{"x"}, 0},
		{slices.Repeat([]string{`+CUSD: 1,"a`}, 99), maxCUSDLines},
	} {
		if got := cusdLines(tt.info); len(got) != tt.want {
			t.Errorf("%q: %q", tt.info, got)
		}
	}
}

// FuzzUSSD: whatever comes, something is made of it, and once more the same of
// a text in plain characters.
func FuzzUSSD(f *testing.F) {
	for _, line := range []string{
		`+CUSD: 0,"C8329BFD06",15`, "+CUSD: 1,\"a\nb\",72", `+CUSD: 2`, `+CUSD: 0,"041204300448",17`, `+CUSD: 0,"6537",17`, `+CUSD: 0,"00",16`, `+CUSD:9,",`,
	} {
		f.Add(line, uint8(0))
		f.Add(line, uint8(1))
	}
	forms := []profile.USSD{profile.USSDText, profile.USSDPacked, profile.USSDGSM, profile.USSDUCS2}
	f.Fuzz(func(t *testing.T, line string, form uint8) {
		lines := strings.Split(line, "\n")
		cusdLines(lines)
		c, ok := parseCUSD(lines)
		if !ok {
			return
		}
		if c.m < 0 || c.m > 255 || c.dcs < 0 || c.dcs > 255 || !strings.Contains(line, c.text) {
			t.Fatalf("%q: %+v", line, c)
		}
		again, ok := parseCUSD([]string{fmt.Sprintf(`+CUSD: %d,"%s",%d`, c.m, c.text, c.dcs)})
		if !ok || again != c {
			t.Fatalf("%q: %+v, then %+v", line, c, again)
		}
		a, err := c.answer(forms[int(form)%len(forms)])
		if err == nil && strings.Contains(a.Text, "\r") {
			t.Fatalf("%q: %q", line, a.Text)
		}
	})
}

// counterpart is a module that answers as a test says.
type counterpart struct {
	conn     net.Conn
	mu       sync.Mutex
	commands []string
}

// dial starts a dialogue with a counterpart in a bubble. answer gets each
// command and returns what the module says, line ends included.
func dial(t *testing.T, c at.Config, answer func(cmd string) string) (*at.Dialogue, *counterpart) {
	near, far := net.Pipe()
	d := at.New(near, c)
	p := &counterpart{conn: far}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	running.Go(func() {
		in := bufio.NewReader(far)
		for {
			cmd, err := in.ReadString('\r')
			if err != nil {
				return
			}
			p.mu.Lock()
			p.commands = append(p.commands, strings.TrimSuffix(cmd, "\r"))
			p.mu.Unlock()
			p.say(answer(strings.TrimSuffix(cmd, "\r")))
		}
	})
	t.Cleanup(func() {
		cancel()
		far.Close()
		running.Wait()
	})
	return d, p
}

func (p *counterpart) say(s string) { p.conn.Write([]byte(s)) }

func (p *counterpart) heard() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.commands)
}

// askUSSD makes a dialogue whose +CUSD codes go to a session of requests.
func askUSSD(t *testing.T, note func(USSDAnswer), answer func(cmd string) string) (*ussdSession, *at.Dialogue, *counterpart) {
	u := newUSSDSession(profile.USSDText, note)
	d, p := dial(t, at.Config{Unsolicited: []at.Code{{Prefix: "+CUSD"}}, Handler: u.heard}, answer)
	return u, d, p
}

func TestUSSDRequest(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply string // to AT+CUSD=1
		want  USSDAnswer
		err   string // in the error
		sent  int    // commands
	}{
		{"answer after OK", "\r\nOK\r\n\r\n+CUSD: 0,\"Balance 5\",15\r\n", USSDAnswer{"Balance 5", false}, "", 1},
		{"answer before OK", "\r\n+CUSD: 0,\"Balance 5\",15\r\n\r\nOK\r\n", USSDAnswer{"Balance 5", false}, "", 1},
		{"two lines before OK", "\r\n+CUSD: 1,\"1 a\r\n2 b\",15\r\n\r\nOK\r\n", USSDAnswer{"1 a\n2 b", true}, "", 1},
		{"menu", "\r\nOK\r\n+CUSD: 1,\"1 a\",15\r\n", USSDAnswer{"1 a", true}, "", 1},
		{"with good-bye", "\r\nOK\r\n+CUSD: 2,\"Balance 5\"\r\n", USSDAnswer{"Balance 5", false}, "", 1},
		{"ended", "\r\nOK\r\n+CUSD: 2\r\n", USSDAnswer{}, "dial the code again", 1},
		{"another program", "\r\nOK\r\n+CUSD: 3\r\n", USSDAnswer{}, "stop what else uses", 1},
		{"not supported", "\r\nOK\r\n+CUSD: 4\r\n", USSDAnswer{}, "ask the operator", 1},
		{"network timeout", "\r\nOK\r\n+CUSD: 5\r\n", USSDAnswer{}, "try again", 1},
		{"refused", "\r\n+CME ERROR: 30\r\n", USSDAnswer{}, "+CME ERROR: 30", 1},
		{"silence", "\r\nOK\r\n", USSDAnswer{}, "no answer within 1m0s", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u, d, p := askUSSD(t, func(a USSDAnswer) { t.Errorf("noted %+v", a) }, func(cmd string) string {
					if strings.HasPrefix(cmd, "AT+CUSD=1") {
						return tt.reply
					}
					return "\r\nOK\r\n"
				})
				got, err := u.request(t.Context(), d, "*100#")
				if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("%+v, %v", got, err)
				}
				if sent := p.heard(); len(sent) != tt.sent || sent[0] != `AT+CUSD=1,"*100#",15` || tt.sent > 1 && sent[1] != "AT+CUSD=2" {
					t.Errorf("sent %q", sent)
				}
			})
		})
	}
}

// TestUSSDMenu: an answer goes into the open dialogue, a new code ends it first,
// and what the network says unasked is noted.
func TestUSSDMenu(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var noted []USSDAnswer
		u, d, p := askUSSD(t, func(a USSDAnswer) { noted = append(noted, a) }, func(cmd string) string {
			switch {
			case strings.Contains(cmd, "*123#"), strings.Contains(cmd, `"1"`):
				return "\r\nOK\r\n+CUSD: 1,\"menu\",15\r\n"
			case strings.Contains(cmd, "*100#"):
				return "\r\nOK\r\n+CUSD: 2\r\n+CUSD: 0,\"Balance 5\",15\r\n" // the cancel shows late
			}
			return "\r\nOK\r\n"
		})
		for _, code := range []string{"*123#", "1", "*100#"} {
			if _, err := u.request(t.Context(), d, code); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{`AT+CUSD=1,"*123#",15`, `AT+CUSD=1,"1",15`, "AT+CUSD=2", `AT+CUSD=1,"*100#",15`}
		if got := p.heard(); !slices.Equal(got, want) {
			t.Errorf("sent %q", got)
		}
		p.say("+CUSD: 2\r\n+CUSD: 0,\"Top up!\",15\r\n+CUSD: what\r\n")
		synctest.Wait()
		if want := []USSDAnswer{{"Top up!", false}}; !slices.Equal(noted, want) {
			t.Errorf("noted %+v", noted)
		}
		u.heard([]string{`+CUSD: 1,"1 yes`, `2 no",15`})
		if !u.isOpen() || len(noted) != 2 || noted[1].Text != "1 yes\n2 no" {
			t.Errorf("noted %+v", noted)
		}
	})
}

// TestUSSDTurns: requests follow one another, commands go out between, and a
// request that is given up ends the dialogue with the network.
func TestUSSDTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, d, p := askUSSD(t, func(a USSDAnswer) { t.Errorf("noted %+v", a) }, func(string) string { return "\r\nOK\r\n" })
		ctx, giveUp := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { _, err := u.request(ctx, d, "*1#"); first <- err }()
		synctest.Wait()
		go func() { _, err := u.request(t.Context(), d, "*2#"); second <- err }()
		synctest.Wait()
		if _, err := d.Command(t.Context(), "+CSQ", time.Second); err != nil {
			t.Error(err)
		}
		giveUp()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		p.say("+CUSD: 0,\"b\",15\r\n")
		if err := <-second; err != nil {
			t.Error(err)
		}
		want := []string{`AT+CUSD=1,"*1#",15`, "AT+CSQ", "AT+CUSD=2", `AT+CUSD=1,"*2#",15`}
		if got := p.heard(); !slices.Equal(got, want) {
			t.Errorf("sent %q", got)
		}
	})
}

// TestUSSDOnModem: the simulated module answers as a real one does.
func TestUSSDOnModem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sim.NewModem(sim.NewNetwork(sim.NetworkOptions{}), sim.Options{})
		u := newUSSDSession(profile.USSDText, func(USSDAnswer) {})
		d := serveSim(t, m, at.Config{Unsolicited: []at.Code{{Prefix: "+CUSD"}}, Handler: u.heard})
		a, err := u.request(t.Context(), d, "*100#")
		if err != nil || a.Open || !strings.Contains(a.Text, "12.34") {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

// TestUSSDOctets: every character of the GSM alphabet comes through from a module
// that gives its octets.
func TestUSSDOctets(t *testing.T) {
	const text = "@£$¥èéùìòÇ\nØø\n\nÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !#¤%&'()*+,-./0:;<=>?¡AZÄÖÑÜ§¿azäöñüà^{}\\[~]|€ \"@\"\n @\n"
	synctest.Test(t, func(t *testing.T) {
		n := sim.NewNetwork(sim.NetworkOptions{USSD: func(sim.Card, []string) sim.USSDAnswer { return sim.USSDAnswer{Text: text} }})
		m := sim.NewModem(n, sim.Options{USSD: string(profile.USSDGSM)})
		u := newUSSDSession(profile.USSDGSM, func(USSDAnswer) {})
		d := serveSim(t, m, at.Config{Unsolicited: codes(nil), Handler: u.heard})
		if a, err := u.request(t.Context(), d, "*100#"); err != nil || a.Text != text {
			t.Errorf("%q, %v", a.Text, err)
		}
	})
}

// serveSim starts a dialogue with a simulated module in a bubble.
func serveSim(t *testing.T, m *sim.Modem, c at.Config) *at.Dialogue {
	near, far := net.Pipe()
	d := at.New(near, c)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { m.Serve(ctx, far) })
	running.Go(func() { d.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return d
}
