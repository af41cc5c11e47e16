package at

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// station is the far end of a dialogue, and what its handlers heard.
type station struct {
	t      *testing.T
	stream net.Conn
	script sync.WaitGroup

	mu    sync.Mutex
	heard [][]string
	late  [][]string
}

// dial starts a dialogue with a station. Call it in a bubble.
func dial(t *testing.T, c Config) (*Dialogue, *station) {
	t.Helper()
	near, far := net.Pipe()
	s := &station{t: t, stream: far}
	if c.Handler == nil {
		c.Handler = func(lines []string) { s.note(&s.heard, lines) }
	}
	d := New(near, c)
	run(t, d)
	t.Cleanup(func() { far.Close() })
	return d, s
}

// run runs a dialogue until the test ends.
func run(t *testing.T, d *Dialogue) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

// noting are Timeouts whose late results the station notes.
func (s *station) noting(t Timeouts) Timeouts {
	t.Late = func(lines []string) { s.note(&s.late, lines) }
	return t
}

func (s *station) note(to *[][]string, lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*to = append(*to, lines)
}

// play lets the station act: "> " and octets that must come, "< " and octets
// that it says in one piece, "~ " and a time that passes.
func (s *station) play(script ...string) {
	s.script.Go(func() {
		for _, step := range script {
			what, text := step[:2], step[2:]
			switch what {
			case "> ":
				got := make([]byte, len(text))
				n, err := io.ReadFull(s.stream, got)
				if string(got[:n]) != text {
					s.t.Errorf("the modem got %q (%v), want %q", got[:n], err, text)
					return
				}
			case "< ":
				s.stream.Write([]byte(text))
			case "~ ":
				wait, err := time.ParseDuration(text)
				if err != nil {
					panic(err)
				}
				<-time.After(wait)
			}
		}
	})
}

// settle waits until the script is over and all that it caused has happened.
func (s *station) settle() {
	s.script.Wait()
	synctest.Wait()
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

// inStep is the script of a Resync that succeeds at once.
var inStep = []string{
	"> \x1b", "> AT\r", "< \r\nOK\r\n", "> AT+CMEE?\r", "< \r\n+CMEE: 1\r\n\r\nOK\r\n",
	"> \x1b", "> AT\r", "< \r\nOK\r\n", "> AT+CMEE?\r", "< \r\n+CMEE: 1\r\n\r\nOK\r\n",
}

const (
	submit = "+CMGS=20"
	data   = "0011000B914407"
)

// quoted ends a code whose quotes are closed.
func quoted(lines []string) bool { return strings.Count(strings.Join(lines, ""), `"`)%2 == 0 }

var codes = []Code{
	{Prefix: "+CUSD", Until: quoted},
	{Prefix: "+CMT", Lines: 1}, {Prefix: "+CDS", Lines: 1}, {Prefix: "+CMTI"}, {Prefix: "+CREG"},
	{Prefix: "^RSSI"}, {Prefix: "^BOOT"}, {Prefix: "RING"}, {Prefix: "+CIEV"}, {Prefix: "+CIEV: 7", Lines: 1},
}

func TestSubmit(t *testing.T) {
	const prompt = "< \r\n> "
	cms := func(code int, text string) error { return &CommandError{Set: "CMS", Code: code, Text: text} }
	tests := []struct {
		name   string
		script []string // from the prompt on; "data" is what must come
		want   Result
		heard  [][]string
	}{
		{"plain", []string{prompt, "data", "< \r\n+CMGS: 17\r\n\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"octet by octet", append([]string{prompt, "data"}, strings.Split("< \r|< \n|< +|< CMGS: 17|< \r|< \n|< O|< K|< \r", "|")...), Result{Info: []string{"+CMGS: 17"}}, nil},
		{"no carriage returns", []string{"< \n> ", "data", "< +CMGS: 17\nOK\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"no line feeds", []string{"< \r> ", "data", "< +CMGS: 17\rOK\r"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"OK and two carriage returns", []string{prompt, "data", "< \r\n+CMGS: 17\r\r\nOK\r\r\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"NUL before OK", []string{"< \r\n\x00> ", "data", "< \r\n+CMGS: 17\r\n\x00\x00OK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"OK glued to the reference", []string{prompt, "data", "< \r\n+CMGS: 17OK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"numbers for results", []string{prompt, "data", "< +CMGS: 17\r\n0\r"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"number for an error", []string{prompt, "data", "< 4\r"}, Result{Err: &CommandError{Code: -1, Text: "ERROR"}}, nil},
		{"reference twice", []string{prompt, "data", "< \r\n+CMGS: 17\r\n\r\n+CMGS: 18\r\n\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17", "+CMGS: 18"}}, nil},
		{"OK long after the reference", []string{prompt, "data", "< \r\n+CMGS: 17\r\n", "~ 10s", "< \r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"result after 149 s", []string{"~ 9s", prompt, "data", "~ 149s", "< \r\n+CMGS: 17\r\n\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},

		{"prompt without a space", []string{"< \r\n>", "data", "< \r\n+CMGS: 17\r\n\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"prompt on a line of its own", []string{"< \r\n> \r\n", "data", "< \r\n+CMGS: 17\r\n\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"prompt twice", []string{"< \r\n> \r\n> ", "data", "< \r\n> ", "< \r\n+CMGS: 17\r\n\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"second prompt before the reference", []string{prompt, "data", "< > +CMGS: 17\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"echo", []string{"< AT+CMGS=20\r", prompt, "data", "< " + data + "\x1a", "< \r\n+CMGS: 17\r\n\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"echo mixed with the prompt", []string{"< AT+CMGS=20> ", "data", "< " + data + "\x1a+CMGS: 17\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},
		{"OK before the prompt", []string{"< \r\nOK\r\n", prompt, "data", "< \r\n+CMGS: 17\r\n\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, nil},

		{"error after the data", []string{prompt, "data", "< \r\n+CMS ERROR: 38\r\n"}, Result{Err: cms(38, "38")}, nil},
		{"error in words", []string{prompt, "data", "< \r\n+CMS ERROR: SMS type not supported\r\n"}, Result{Err: cms(-1, "SMS type not supported")}, nil},
		{"error for the prompt", []string{"< \r\n+CMS ERROR: 310\r\n"}, Result{Err: cms(310, "310")}, nil},
		{"error together with the prompt", []string{"< \r\n> \r\n+CMS ERROR: 500\r\n"}, Result{Err: cms(500, "500")}, nil},
		{"error for the prompt, no colon", []string{"< \r\n+CME ERROR 10\r\n"}, Result{Err: &CommandError{Set: "CME", Code: 10, Text: "10"}}, nil},
		{"COMMAND NOT SUPPORT", []string{"< \r\nCOMMAND NOT SUPPORT\r\n"}, Result{Err: &CommandError{Code: -1, Text: "ERROR"}}, nil},
		{"TOO MANY PARAMETERS", []string{"< \r\nTOO MANY PARAMETERS\r\n"}, Result{Err: &CommandError{Code: -1, Text: "ERROR"}}, nil},

		{
			"codes inside the answer",
			[]string{"< \r\nRING\r\n", "< \r\n> +CMTI: \"SM\",3\r\n", "data", "< \r\n^RSSI:20\r\n\r\n+CMGS: 17\r\n\r\n+CDS: 25\r\n0006AA\r\n\r\n^RSSI:21\r\n\r\nOK\r\n"},
			Result{Info: []string{"+CMGS: 17"}},
			[][]string{{"RING"}, {`+CMTI: "SM",3`}, {"^RSSI:20"}, {"+CDS: 25", "0006AA"}, {"^RSSI:21"}},
		},
		{"the more particular code", []string{prompt, "data", "< +CIEV: 7\r\n+X\r\n+CIEV: 1\r\n+CMGS: 17\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, [][]string{{"+CIEV: 7", "+X"}, {"+CIEV: 1"}}},
		{"code without its second line", []string{prompt, "data", "< \r\n+CMGS: 17\r\n\r\n+CMT: ,24\r\n\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, [][]string{{"+CMT: ,24"}}},
		{"code without its second line, then another", []string{prompt, "data", "< +CMT: ,24\r\n+CMTI: \"SM\",3\r\n+CMT: ,9\r\n+CMGS: 17\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, [][]string{{"+CMT: ,24"}, {`+CMTI: "SM",3`}, {"+CMT: ,9"}}},
		{"reports that crowd round the prompt", []string{"< \r\n+CDS: 25\r\n", "< 0006AA\r\n> ", "data", "< \r\n+CMGS: 17\r\n\r\nOK\r\n"}, Result{Info: []string{"+CMGS: 17"}}, [][]string{{"+CDS: 25", "0006AA"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := dial(t, Config{Unsolicited: codes})
				script := append([]string{"> AT" + submit + "\r"}, tt.script...)
				want := tt.want
				for i, step := range script {
					if step == "data" {
						script[i] = "> " + data + "\x1a"
						want.Written = true
					}
				}
				s.play(script...)
				check(t, "result", d.Submit(t.Context(), submit, data, Timeouts{}), want)
				s.settle()
				check(t, "heard", s.heard, tt.heard)

				// Nothing is left over: the next command gets its own answer.
				s.play("> AT+CSQ\r", "< \r\n+CSQ: 15,99\r\n\r\nOK\r\n")
				info, err := d.Command(t.Context(), "+CSQ", time.Second)
				check(t, "next command", info, []string{"+CSQ: 15,99"})
				check(t, "its error", err, nil)
				s.settle()
			})
		})
	}
}

func TestCommand(t *testing.T) {
	tests := []struct {
		name, cmd, answer string
		info              []string
		err               error
		heard             [][]string
	}{
		{"plain", "+CSQ", "\r\n+CSQ: 15,99\r\n\r\nOK\r\n", []string{"+CSQ: 15,99"}, nil, nil},
		{"AT alone", "", "OK\r", nil, nil, nil},
		{"echo", "I", "ATI\r\r\nATtiny modem\r\n> 9 < 10\r\n\r\nOK\r\n", []string{"ATtiny modem", "> 9 < 10"}, nil, nil},
		{"the answer looks unsolicited", "+CREG?", "\r\n+CREG: 0,1\r\n\r\nOK\r\n", []string{"+CREG: 0,1"}, nil, nil},
		{"two commands on a line", "+CSQ;+CREG?", "\r\n+CSQ: 9,0\r\n\r\n+CREG: 0,1\r\n\r\nOK\r\n", []string{"+CSQ: 9,0", "+CREG: 0,1"}, nil, nil},
		{"unsolicited inside another answer", "+CSQ", "\r\n+CREG: 2\r\n+CSQ: 9,0\r\nOK\r\n", []string{"+CSQ: 9,0"}, nil, [][]string{{"+CREG: 2"}}},
		{"unsolicited between the lines of an answer", "+CMGR=1", "\r\n+CMGR: 0,,24\r\n^BOOT:1,0\r\n07914407\r\n\r\nOK\r\n", []string{"+CMGR: 0,,24", "07914407"}, nil, [][]string{{"^BOOT:1,0"}}},
		{"a message inside a message", "+CMGR=1", "\r\n+CMGR: 0,,24\r\n+CMT: ,30\r\n07AA\r\n07BB\r\nOK\r\n", []string{"+CMGR: 0,,24", "07BB"}, nil, [][]string{{"+CMT: ,30", "07AA"}}},
		{"a code within a longer word", "+CSQ", "\r\n+CREGX: 1\r\n^RSSILVL:9\r\n+CSQ: 9,0\r\nOK\r\n", []string{"+CREGX: 1", "^RSSILVL:9", "+CSQ: 9,0"}, nil, nil},
		{"OK glued to a PDU", "+CMGR=1", "+CMGR: 0,,24\r\n07914407OK\r\n", []string{"+CMGR: 0,,24", "07914407"}, nil, nil},
		{"OK that is a part of the line", "+COPS?", "\r\n+COPS: 0,0,\"BOOK\"\r\n+COPS: 0,0,BOOK\r\nSNOOK\r\n\r\nOK\r\n", []string{`+COPS: 0,0,"BOOK"`, "+COPS: 0,0,BOOK", "SNOOK"}, nil, nil},
		{"number that is no result", "+XNUM", "\r\nOK\r\n", nil, nil, nil},
		{"CME", "+CPIN?", "\r\n+CME ERROR: 10\r\n", nil, &CommandError{Set: "CME", Code: 10, Text: "10"}, nil},
		{"CME without a colon", "+CPIN?", "\r\n+CME ERROR 10\r\n", nil, &CommandError{Set: "CME", Code: 10, Text: "10"}, nil},
		{"CME in words", "+CPIN?", "\r\n+CME ERROR: SIM not inserted\r\n", nil, &CommandError{Set: "CME", Code: -1, Text: "SIM not inserted"}, nil},
		{"ERROR after information", "+CLAC", "\r\n+CLAC: 1\r\nERROR\r\n", []string{"+CLAC: 1"}, &CommandError{Code: -1, Text: "ERROR"}, nil},
		{"64 KiB of noise without a line end", "+CSQ", strings.Repeat("~", 65<<10) + "\r\n+CSQ: 9,0\r\nOK\r\n", []string{"+CSQ: 9,0"}, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := dial(t, Config{Unsolicited: codes})
				s.play("> AT"+tt.cmd+"\r", "< "+tt.answer)
				info, err := d.Command(t.Context(), tt.cmd, time.Second)
				check(t, "info", info, tt.info)
				check(t, "error", err, tt.err)
				s.settle()
				check(t, "heard", s.heard, tt.heard)
			})
		})
	}
}

func TestNumbersAreInformationOnceWordsWereUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := dial(t, Config{})
		s.play("> ATV1\r", "< \r\nOK\r\n", "> AT+XNUM\r", "< \r\n0\r\n4\r\nOK\r\n")
		_, err := d.Command(t.Context(), "V1", time.Second)
		check(t, "error", err, nil)
		info, err := d.Command(t.Context(), "+XNUM", time.Second)
		check(t, "info", info, []string{"0", "4"})
		check(t, "error", err, nil)
	})
}

// What comes while no command is under way answers none.
func TestStrayLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := dial(t, Config{Unsolicited: codes})
		s.play("< \r\nOK\r\n+CMGS: 16\r\n> \r\n+CMS ERROR: 1\r\n+CMT: ,24\r\n07AA\r\n+CREG: 1\r\nOK\r\n")
		s.settle()
		check(t, "heard", s.heard, [][]string{{"+CMT: ,24", "07AA"}, {"+CREG: 1"}})
		s.play("> AT+CSQ\r", "< \r\n+CSQ: 9,0\r\nOK\r\n")
		info, err := d.Command(t.Context(), "+CSQ", time.Second)
		check(t, "info", info, []string{"+CSQ: 9,0"})
		check(t, "error", err, nil)
	})
}

func TestSecondLineExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := dial(t, Config{Unsolicited: codes})
		s.play("< +CMT: ,24\r\n", "~ 1001ms", "< 07AA\r\n", "< +CDS: 25\r\n", "~ 900ms", "< 0006\r\n")
		s.settle()
		check(t, "heard", s.heard, [][]string{{"+CMT: ,24"}, {"+CDS: 25", "0006"}})
	})
}

// TestUntil: a code whose lines are not counted ends where it says so, where
// something else begins, or when nothing more comes; what there is of it is heard.
func TestUntil(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script []string
		want   [][]string
	}{
		{"one line", []string{"< +CUSD: 0,\"a\",15\r\n"}, [][]string{{`+CUSD: 0,"a",15`}}},
		{"three lines", []string{"< +CUSD: 1,\"a\r\nb\r\n", "< c\",15\r\n"}, [][]string{{`+CUSD: 1,"a`, "b", `c",15`}}},
		{"another code", []string{"< +CUSD: 1,\"a\r\nb\r\n+CREG: 1\r\n"}, [][]string{{`+CUSD: 1,"a`, "b"}, {"+CREG: 1"}}},
		{"never ends", []string{"< +CUSD: 1,\"a\r\n", "~ 1001ms"}, [][]string{{`+CUSD: 1,"a`}}},
		{"twice", []string{"< +CUSD: 1,\"a\r\n+CUSD: 0,\"b\",15\r\n", "~ 1001ms"}, [][]string{{`+CUSD: 1,"a`}, {`+CUSD: 0,"b",15`}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, s := dial(t, Config{Unsolicited: codes})
				s.play(tt.script...)
				s.settle()
				check(t, "heard", s.heard, tt.want)
			})
		})
	}
}

// TestUntilInAnAnswer: it takes nothing from a command under way.
func TestUntilInAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := dial(t, Config{Unsolicited: codes})
		s.play("> AT+CSQ\r", "< +CUSD: 0,\"a\r\nb\",15\r\n+CUSD: 0,\"c\r\n+CSQ: 9,0\r\nOK\r\n")
		info, err := d.Command(t.Context(), "+CSQ", time.Second)
		check(t, "info", info, []string{"+CSQ: 9,0"})
		check(t, "error", err, nil)
		s.settle()
		check(t, "heard", s.heard, [][]string{{`+CUSD: 0,"a`, `b",15`}, {`+CUSD: 0,"c`}})
	})
}

func TestHandlerOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2000
		_, s := dial(t, Config{Unsolicited: codes})
		var storm strings.Builder
		var want [][]string
		for i := range n {
			line := "^RSSI:" + strconv.Itoa(i)
			storm.WriteString("\r\n" + line + "\r\n")
			want = append(want, []string{line})
		}
		s.play("< " + storm.String())
		s.settle()
		check(t, "heard", s.heard, want)
	})
}

// The handler may use the dialogue, also while a hand-over is under way.
func TestHandlerCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		acknowledged := make(chan error, 1)
		var d *Dialogue
		d, s := dial(t, Config{Unsolicited: codes, Handler: func([]string) {
			_, err := d.Command(t.Context(), "+CNMA", time.Second)
			acknowledged <- err
		}})
		s.play("> AT"+submit+"\r", "< \r\n+CMT: ,24\r\n07AA\r\n> ", "> "+data+"\x1a", "< \r\n+CMGS: 17\r\nOK\r\n",
			"> AT+CNMA\r", "< \r\nOK\r\n")
		check(t, "result", d.Submit(t.Context(), submit, data, Timeouts{}), Result{Info: []string{"+CMGS: 17"}, Written: true})
		check(t, "acknowledgement", <-acknowledged, nil)
	})
}

func TestHandlerThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		free := make(chan struct{})
		d := New(near, Config{Unsolicited: codes, Handler: func([]string) { <-free }})
		ended := make(chan error, 1)
		go func() { ended <- d.Run(t.Context()) }()
		far.Write([]byte(strings.Repeat("RING\r\n", maxEvents+2)))
		synctest.Wait()
		close(free)
		if err := <-ended; !errors.Is(err, ErrStuck) {
			t.Errorf("Run returned %v, want ErrStuck", err)
		}
	})
}

func TestTimeouts(t *testing.T) {
	limits := Timeouts{Prompt: 5 * time.Second, Result: 60 * time.Second}
	tests := []struct {
		name   string
		script []string
		want   Result
		took   time.Duration
	}{
		{"no prompt", []string{"> AT" + submit + "\r", "> \x1b"}, Result{Err: ErrTimeout}, limits.Prompt},
		{"no result", []string{"> AT" + submit + "\r", "< \r\n> ", "> " + data + "\x1a"}, Result{Written: true, Err: ErrTimeout}, limits.Result},
		{"reference and no OK", []string{"> AT" + submit + "\r", "~ 4s", "< \r\n> ", "> " + data + "\x1a", "< \r\n+CMGS: 17\r\n"}, Result{Info: []string{"+CMGS: 17"}, Written: true, Err: ErrTimeout}, 4*time.Second + limits.Result},
		{"the modem reads nothing", nil, Result{Err: ErrTimeout}, limits.Prompt},
		{"the modem reads no data", []string{"> AT" + submit + "\r", "< \r\n> "}, Result{Written: true, Err: ErrTimeout}, limits.Result},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := dial(t, Config{})
				s.play(tt.script...)
				start := time.Now()
				check(t, "result", d.Submit(t.Context(), submit, data, limits), tt.want)
				check(t, "time", time.Since(start), tt.took)
				_, err := d.Command(t.Context(), "", time.Second)
				check(t, "next command", err, ErrOutOfStep)
				check(t, "next hand-over", d.Submit(t.Context(), submit, data, limits), Result{Err: ErrOutOfStep})
				check(t, "time", time.Since(start), tt.took)
				s.settle()
			})
		})
	}
}

func TestContext(t *testing.T) {
	t.Run("ended before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, _ := dial(t, Config{})
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			synctest.Wait()
			for range 100 { // the turn is free, and either may win
				_, err := d.Command(ctx, "", time.Second)
				check(t, "command", err, context.Canceled)
				check(t, "hand-over", d.Submit(ctx, submit, data, Timeouts{}), Result{Err: context.Canceled})
			}
			check(t, "resync", d.Resync(ctx), context.Canceled)
			check(t, "out of step", d.inStep(), nil)
		})
	})
	t.Run("ends during a command", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, s := dial(t, Config{})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s.play("> AT+COPS=?\r")
			_, err := d.Command(ctx, "+COPS=?", time.Minute)
			check(t, "error", err, context.DeadlineExceeded)
			_, err = d.Command(t.Context(), "", time.Second)
			check(t, "next", err, ErrOutOfStep)
		})
	})
	t.Run("ends during a hand-over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, s := dial(t, Config{})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s.play("> AT"+submit+"\r", "~ 2s", "< \r\n> ", "> "+data+"\x1a", "< \r\n+CMGS: 17\r\nOK\r\n")
			check(t, "result", d.Submit(ctx, submit, data, Timeouts{}), Result{Info: []string{"+CMGS: 17"}, Written: true})
		})
	})
}

// Callers are served in order, and one that waits can leave.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := dial(t, Config{})
		s.play("> AT"+submit+"\r", "~ 3s", "< > ", "> "+data+"\x1a", "< OK\r\n", "> AT+A\r", "< OK\r\n", "> AT+B\r", "< OK\r\n")
		var callers sync.WaitGroup
		callers.Go(func() { check(t, "hand-over", d.Submit(t.Context(), submit, data, Timeouts{}).Err, nil) })
		synctest.Wait()
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		callers.Go(func() {
			check(t, "impatient", d.Submit(impatient, submit, data, Timeouts{}), Result{Err: context.DeadlineExceeded})
		})
		for _, cmd := range []string{"+A", "+B"} {
			callers.Go(func() {
				_, err := d.Command(t.Context(), cmd, time.Second) // runs from when it is sent
				check(t, cmd, err, nil)
			})
			synctest.Wait()
		}
		callers.Wait()
		s.settle()
	})
}

func TestRefusedBeforeTheyAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := dial(t, Config{})
		tests := []struct{ name, cmd, data string }{
			{"two commands", "+CSQ\r+CREG?", ""},
			{"line feed", "+CSQ\n", ""},
			{"escape in the data", submit, "00\x1b11"},
			{"Ctrl-Z in the data", submit, "00\x1aAT"},
			{"command too long", strings.Repeat("+", maxUnanswered), ""},
			{"data too long", submit, strings.Repeat("0", maxUnanswered)},
		}
		for _, tt := range tests {
			if r := d.Submit(t.Context(), tt.cmd, tt.data, Timeouts{}); r.Err == nil || r.Written {
				t.Errorf("%s: got %v", tt.name, r)
			}
		}
		s.play("> AT\r", "< OK\r\n")
		_, err := d.Command(t.Context(), "", time.Second)
		check(t, "next command", err, nil)
	})
}

// What other goroutines may do between the steps of an exchange.
func TestInterleavings(t *testing.T) {
	start := func(p phase) (*Dialogue, *exchange) {
		d, x := New(nil, Config{}), &exchange{cmd: "+CSQ", resultIn: time.Minute, phase: p}
		d.current = x
		return d, x
	}
	t.Run("given up before it is sent", func(t *testing.T) {
		d, x := start(begun)
		d.cut(x, anyPhase, context.Canceled)
		check(t, "fed while the library does not listen", d.feed.buf.String(), "")
		link{d}.Write([]byte("AT+CSQ\r\n"))
		check(t, "fed", d.feed.buf.String(), "ERROR\r\n")
		check(t, "given up for", x.given, context.Canceled)
		check(t, "writes", len(d.writes), 0)
		check(t, "in step", d.inStep(), nil)
	})
	t.Run("a result before it is sent", func(t *testing.T) {
		d, x := start(begun)
		d.take("OK")
		check(t, "final", x.final, "")
		check(t, "fed", d.feed.buf.String(), "")
	})
	t.Run("the deadline of the prompt after the data", func(t *testing.T) {
		d, x := start(waitResult)
		d.cut(x, waitPrompt, ErrTimeout)
		check(t, "given up for", x.given, nil)
	})
	t.Run("the deadline of a command that is over", func(t *testing.T) {
		d, x := start(waitResult)
		d.take("OK")
		d.cut(x, waitResult, ErrTimeout)
		check(t, "given up for", x.given, nil)
		check(t, "fed", d.feed.buf.String(), "OK\r\n")
	})
}

func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var got []string
		d, s := dial(t, Config{Trace: func(dir byte, line string) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, string(dir)+line)
		}})
		s.play("> AT"+submit+"\r", "< \r\n> ", "> "+data+"\x1a", "< \r\n+CMGS: 17\r\nOK\r\n")
		d.Submit(t.Context(), submit, data, Timeouts{})
		s.settle()
		mu.Lock()
		defer mu.Unlock()
		check(t, "trace", got, []string{">AT" + submit, "<> ", ">" + data, "<+CMGS: 17", "<OK"})
	})
}

// emptyReads returns nothing, without an error, a hundred times before each
// Read that does: what a read timeout of the serial library looks like.
type emptyReads struct {
	net.Conn
	left int
}

func (r *emptyReads) Read(b []byte) (int, error) {
	if r.left++; r.left%101 != 0 {
		return 0, nil
	}
	return r.Conn.Read(b)
}

func TestEmptyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		d := New(&emptyReads{Conn: near}, Config{})
		run(t, d)
		s := &station{t: t, stream: far}
		for range 3 {
			s.play("> AT\r", "< OK\r\n")
			_, err := d.Command(t.Context(), "", time.Second)
			check(t, "error", err, nil)
			s.settle()
		}
	})
}

func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		d := New(near, Config{})
		ended := make(chan error, 1)
		go func() { ended <- d.Run(context.Background()) }()
		s := &station{t: t, stream: far}
		s.play("> AT"+submit+"\r", "< \r\n> ", "> "+data+"\x1a")
		results := make(chan Result, 2)
		go func() { results <- d.Submit(t.Context(), submit, data, Timeouts{}) }()
		s.settle()
		go func() { results <- d.Submit(t.Context(), submit, data, Timeouts{}) }()
		synctest.Wait()
		far.Close()
		if err := <-ended; !errors.Is(err, io.EOF) {
			t.Errorf("Run returned %v, want EOF", err)
		}
		got := []Result{<-results, <-results}
		slices.SortFunc(got, func(a, b Result) int {
			return strings.Compare(strconv.FormatBool(b.Written), strconv.FormatBool(a.Written))
		})
		check(t, "under way and waiting", got, []Result{{Written: true, Err: ErrGone}, {Err: ErrGone}})
		_, err := d.Command(t.Context(), "", time.Second)
		check(t, "command", err, ErrGone)
		check(t, "resync", d.Resync(t.Context()), ErrGone)
	})
}

// Run with a context that ends closes the port and leaves nothing behind; the
// bubble sees to that. What was reported before is still handled.
func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		heard := 0
		d := New(near, Config{Unsolicited: codes, Handler: func([]string) {
			<-ctx.Done()
			heard++
		}})
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		far.Write([]byte("RING\r\nRING\r\nRING\r\n"))
		synctest.Wait()
		cancel()
		check(t, "Run", <-ended, context.Canceled)
		check(t, "heard", heard, 3)
		_, err := far.Write([]byte("x"))
		check(t, "the port", err, io.ErrClosedPipe)
	})
}

// TestTextKept: what stands in the quotes of a code with Until comes through,
// whether it is news or an answer, and noise elsewhere does not.
func TestTextKept(t *testing.T) {
	for _, tt := range []struct {
		name, said string
		want       []string // nil: as said
	}{
		{"characters below the blank", "+CUSD: 1,\"\x00\x01\x10\x11\x13\x1a\x1be\x7f\",15", nil},
		{"blanks at the ends", "+CUSD: 1,\"\t a \",15", nil},
		{"lines", "+CUSD: 1,\" a \n\x0b\r\n b \r\",15", []string{"+CUSD: 1,\" a ", "\x0b", " b ", "\",15"}},
		{"empty lines", "+CUSD: 1,\"a\n\nb\r\n\r\n\r\nc\",15", []string{"+CUSD: 1,\"a", "\nb", "\n\nc\",15"}},
		{"quotes within", "+CUSD: 1,\"a \"\x05\" \x06\n\x07\",15", []string{"+CUSD: 1,\"a \"\x05\" \x06", "\x07\",15"}},
		{"noise around", "\x00 +CU\x00SD: 1,\"\x00\"\x11,\x0015 \x13", []string{"+CUSD: 1,\"\x00\",15"}},
		{"no text", "+CU\x00SD: 2", []string{"+CUSD: 2"}},
		{"another code", "+CREG: \"\x00\" ", []string{"+CREG: \"\""}},
	} {
		want := tt.want
		if want == nil {
			want = []string{tt.said}
		}
		t.Run(tt.name, func(t *testing.T) {
			for _, piece := range []int{1, 3, len(tt.said)} {
				synctest.Test(t, func(t *testing.T) {
					d, s := dial(t, Config{Unsolicited: codes})
					for piece := range slices.Chunk([]byte("\r\n"+tt.said+"\r\n\x00\r\n"), piece) {
						s.play("< " + string(piece))
						s.settle()
					}
					check(t, "heard", s.heard, [][]string{want})
					s.play("> AT+CUSD=1;+CREG?\r", "< \r\n"+tt.said+"\r\n\r\n\x00OK\x11\r\n")
					info, err := d.Command(t.Context(), "+CUSD=1;+CREG?", time.Second)
					check(t, "error", err, nil)
					check(t, "answer", info, want)
				})
			}
		})
	}
}

// TestTextWithoutEnd: a text whose closing quote is lost ends at the next line
// that is not its own, and soon.
func TestTextWithoutEnd(t *testing.T) {
	const lost = "< \r\n+CUSD: 1,\"\x00a\r\n"
	text := []string{"+CUSD: 1,\"\x00a"}
	for _, tt := range []struct {
		name   string
		script []string
		want   [][]string
	}{
		{"a code", []string{lost, "< \r\n\x00+CMTI: 1\r\n"}, [][]string{text, {"+CMTI: 1"}}},
		{"the answer", []string{lost, "< \r\n\x00+CSQ: 1\r\n\r\n\x00OK\r\n"}, [][]string{text}},
		{"time", []string{lost, "~ 1.1s", "< \r\n\x00+CSQ: 1\r\n\x00x\r\n\r\nOK\r\n"}, [][]string{text}},
		{"no end of line", []string{"< \r\n+CUSD: 1,\"" + strings.Repeat("\x00", 2*maxLine) + "\r\n", "< \r\n\x00+CMTI: 1\r\n"}, [][]string{{"+CMTI: 1"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := dial(t, Config{Unsolicited: codes})
				s.play(append([]string{"> AT+CSQ\r"}, tt.script...)...)
				s.play("~ 2s", "< \r\nOK\r\n")
				_, err := d.Command(t.Context(), "+CSQ", time.Minute)
				check(t, "error", err, nil)
				s.settle()
				check(t, "heard", s.heard, tt.want)
			})
		})
	}
}

// TestPromptRefused: of a prompt that comes together with a refusal the library learns
// nothing. It would send the data, and the modem take them for commands.
func TestPromptRefused(t *testing.T) {
	for _, c := range []struct{ came, want string }{
		{"\r\n> ", ">"},
		{"\r\n> \r\n", ">"},
		{"\r\n> \r\n+CMS ERROR: 500\r\n", "\r\n+CMS ERROR: 500\r\n"},
	} {
		near, far := net.Pipe()
		d := New(near, Config{})
		d.current = newHandOver(submit, data, Timeouts{})
		d.current.phase = waitPrompt
		d.receive([]byte(c.came))
		if got := d.feed.buf.String(); strings.TrimSpace(got) != strings.TrimSpace(c.want) {
			t.Errorf("%q: the library reads %q, want %q", c.came, got, c.want)
		}
		far.Close()
	}
}
