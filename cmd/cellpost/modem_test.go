package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/creack/pty"

	"cellpost/ingress/httpd"
	"cellpost/modem"
)

// fakeDaemon answers on the control socket of a new configuration, with a modem
// m0 whose network knows *100# and a menu behind *123#.
type fakeDaemon struct {
	config  string // its file
	open    bool   // the menu waits for an answer
	hangUps atomic.Int32
}

func newFakeDaemon(t *testing.T) *fakeDaemon {
	d := &fakeDaemon{}
	conf := config{DataDir: t.TempDir()}
	d.config = write(t, fmt.Sprintf("data_dir = %q\n", conf.DataDir))
	l, err := listenControl(conf.controlSocket())
	if err != nil {
		t.Fatal(err)
	}
	api := &httpd.API{
		Modems: func() []httpd.Modem {
			return []httpd.Modem{{Name: "m0", State: "ready", Operator: "A\x1bB", Problem: "one\ntwo"}}
		},
		Control: func(name string) (httpd.ModemControl, bool) { return d.control(), name == "m0" },
		Log:     slog.New(slog.DiscardHandler),
	}
	srv := &http.Server{Handler: api.Handler()}
	done := make(chan error)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return d
}

func (d *fakeDaemon) control() httpd.ModemControl {
	return httpd.ModemControl{
		USSD: func(_ context.Context, code string) (httpd.USSDAnswer, error) {
			switch {
			case code == "*123#" || d.open && code == "0":
				d.open = true
				return httpd.USSDAnswer{Text: "1 Balance\r\n\x1b[2J", Open: true}, nil
			case code == "*100#" || d.open && code == "1":
				d.open = false
				return httpd.USSDAnswer{Text: "12.34"}, nil
			}
			return httpd.USSDAnswer{}, errors.New("the network does not know " + code)
		},
		CancelUSSD: func(context.Context) error { d.hangUps.Add(1); return nil },
		Trace: func(_ context.Context, f func(httpd.TraceLine)) {
			for _, text := range []string{"AT+CMGS=23", "[TPDU, 23 octets]\x1b"} {
				f(httpd.TraceLine{At: time.Now(), Dir: ">", Text: text})
			}
		},
		Reset: func(step string) (string, error) { return "radio", nil },
	}
}

func TestUSSDVerb(t *testing.T) {
	for _, c := range []struct {
		args    string
		exit    int
		out     string
		err     string // part of it
		hangUps int32
	}{
		{"*100#", 0, "12.34\n", "", 0},
		{"*100# --json", 0, `{"text":"12.34","open":false}` + "\n", "", 0},
		{"*123# 0 1", 0, "1 Balance\n·[2J\n1 Balance\n·[2J\n12.34\n", "", 0},
		{"*123#", 0, "1 Balance\n·[2J\n", "the network waits for an answer", 1},
		{"*100# 1", 1, "12.34\n", `the network ended the dialogue before the answer "1"`, 0},
		{"*123# 9", 1, "1 Balance\n·[2J\n", "the network does not know 9", 0},
		{"*9#", 1, "", "the network does not know *9#", 0},
	} {
		t.Run(c.args, func(t *testing.T) {
			d := newFakeDaemon(t)
			var out, err bytes.Buffer
			args := append([]string{"modem", "ussd", "--config", d.config, "m0"}, strings.Fields(c.args)...)
			exit := run(t.Context(), args, streams{strings.NewReader(""), &out, &err})
			if exit != c.exit || out.String() != c.out || !strings.Contains(err.String(), c.err) || c.err == "" && err.Len() > 0 {
				t.Errorf("exit %d, out %q, err %q", exit, &out, &err)
			}
			if n := d.hangUps.Load(); n != c.hangUps {
				t.Errorf("%d times hung up, want %d", n, c.hangUps)
			}
		})
	}
}

// TestUSSDTerminal: a person answers the menu, and may end it.
func TestUSSDTerminal(t *testing.T) {
	for _, c := range []struct {
		typed   string
		out     string
		hangUps int32
	}{
		{"0\n1\n", "1 Balance\n·[2J\n1 Balance\n·[2J\n12.34\n", 0},
		{"\n", "1 Balance\n·[2J\n", 1},
		{"\x04", "1 Balance\n·[2J\n", 1}, // end of file
	} {
		d := newFakeDaemon(t)
		master, slave, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := master.WriteString(c.typed); err != nil {
			t.Fatal(err)
		}
		var out, asked bytes.Buffer
		exit := run(t.Context(), []string{"modem", "ussd", "--config", d.config, "m0", "*123#"}, streams{slave, &out, &asked})
		if exit != 0 || out.String() != c.out || !strings.HasPrefix(asked.String(), "answer (empty: end): ") || d.hangUps.Load() != c.hangUps {
			t.Errorf("typed %q: exit %d, out %q, err %q, hung up %d", c.typed, exit, &out, &asked, d.hangUps.Load())
		}
		master.Close()
		slave.Close()
	}
}

func TestTraceVerb(t *testing.T) {
	for _, c := range []struct {
		args string
		exit int
		out  string // what follows the time, or JSON
		err  string
	}{
		{"--lines 1", 0, " > AT+CMGS=23\n", ""},
		{"--lines 2", 0, " > [TPDU, 23 octets]·\n", ""},
		{"--lines 1 --json", 0, `,"dir":">","text":"AT+CMGS=23"}` + "\n", ""},
		{"", 1, "octets]·\n", "the gateway has ended the trace"},
		{"--lines=-1", 1, "", "--lines: 1 or more"},
	} {
		d := newFakeDaemon(t)
		var out, err bytes.Buffer
		args := append([]string{"modem", "trace", "--config", d.config, "m0"}, strings.Fields(c.args)...)
		exit := run(t.Context(), args, streams{strings.NewReader(""), &out, &err})
		if exit != c.exit || !strings.HasSuffix(out.String(), c.out) || !strings.Contains(err.String(), c.err) {
			t.Errorf("%s: exit %d, out %q, err %q", c.args, exit, &out, &err)
		}
	}
}

// TestModemList: a modem is one line, whatever the network calls itself.
func TestModemList(t *testing.T) {
	var out, err bytes.Buffer
	t.Setenv("CELLPOST_CONFIG", newFakeDaemon(t).config)
	exit := run(t.Context(), []string{"modem", "list"}, streams{strings.NewReader(""), &out, &err})
	want := "NAME  STATE  SIM  OPERATOR  SIGNAL  SENT  REFUSED  STALLS  PROBLEM\nm0    ready       A·B       -       0     0        0       one·two\n"
	if exit != 0 || out.String() != want {
		t.Errorf("exit %d, %q\n%s", exit, &err, &out)
	}
}

func TestPrintModem(t *testing.T) {
	now := time.Date(2026, 7, 2, 12, 0, 0, 0, time.Local)
	at := func(ago time.Duration) time.Time { return now.Add(-ago) }
	m := modemDetail{Modem: httpd.Modem{
		Name: "m0", Device: "/dev/ttyUSB2", State: "SIM full", Since: at(time.Hour), NextStep: "delete messages",
		Profile: "simcom", ProfileTitle: "SIMCom LTE", USB: "1-1.3", Slot: 2, Slots: 2, Setup: []string{"+CNMI=2,1,0,1,0", "memories SM"},
		Rung: "radio", NextReset: at(-time.Minute), SIM: "a", NetworkTime: at(0), ClockSource: "+CTZE",
		Health: []httpd.Finding{{Code: "sim-full", Cause: "the memory is full", NextStep: "delete messages"}, {Code: "signal-weak", Cause: "-109 dBm", NextStep: "move the antenna", Since: at(time.Hour)}},
		Calls:  []httpd.Call{{At: at(2 * time.Hour), From: "447700900123"}, {At: at(time.Hour)}}, SignalDBm: -109,
		Notices: []httpd.Notice{{At: at(0), Text: "Your credit\r\nis \x1blow"}},
	}}
	m.History = lastDay([]httpd.Reading{
		{At: at(25 * time.Hour), SignalDBm: -51, Network: "denied"},
		{At: at(24*time.Hour - time.Minute), SignalDBm: -113, Network: "searching"},
		{At: at(3 * time.Hour), SignalDBm: -51, Network: "home", Operator: "Test"},
		{At: at(20 * time.Minute), SignalDBm: -73, Network: "home", Operator: "Test"},
		{At: at(10 * time.Minute), Network: "home", Operator: "Test"},
		{At: at(0), SignalDBm: -109, Network: "home", Operator: "Test"},
	}, now)
	var out strings.Builder
	if err := printModem(&out, m, now); err != nil {
		t.Fatal(err)
	}
	stamp := func(ago time.Duration) string { return at(ago).Format(clock) }
	want := strings.Join([]string{
		"name          m0",
		"state         SIM full since " + stamp(time.Hour),
		"next step     delete messages",
		"health        sim-full: the memory is full",
		"health        signal-weak: -109 dBm since " + stamp(time.Hour),
		"              move the antenna",
		"recovery      radio",
		"next reset    " + stamp(-time.Minute),
		"device        /dev/ttyUSB2",
		"USB           1-1.3",
		"profile       simcom (SIMCom LTE)",
		"SIM           a",
		"slot          2 of 2",
		"signal        -109 dBm",
		"set up        +CNMI=2,1,0,1,0, memories SM",
		"hand-overs    0 accepted, 0 refused, 0 stalled",
		"network time  " + stamp(0) + ", by +CTZE",
		"call          " + stamp(2*time.Hour) + " from 447700900123",
		"call          " + stamp(time.Hour) + " from a number withheld",
		"network said  " + stamp(0) + " Your credit",
		"              is ·low",
		"last 24 h     ▁" + strings.Repeat("·", 40) + "█" + strings.Repeat("·", 5) + "▁ -113 dBm to -51 dBm",
		"              " + stamp(24*time.Hour-time.Minute) + " searching",
		"              " + stamp(3*time.Hour) + " Test home", "",
	}, "\n")
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

// TestModemView: what the network said unasked is shown to programs too.
func TestModemView(t *testing.T) {
	noon := time.Date(2026, 7, 2, 12, 0, 0, 0, time.UTC)
	view := modemView(modem.Facts{Name: "m0"}, []modem.Call{{At: noon, From: "447700900123"}}, []modem.Notice{{At: noon, Text: "Your credit is low"}})
	text, err := json.Marshal(view)
	for _, want := range []string{
		`"calls":[{"at":"2026-07-02T12:00:00Z","from":"447700900123"}]`, `"notices":[{"at":"2026-07-02T12:00:00Z","text":"Your credit is low"}]`,
	} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s, %v: no %s", text, err, want)
		}
	}
}

func TestNotATerminal(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if isTerminal(f) || isTerminal(strings.NewReader("")) {
		t.Error("nobody sits there")
	}
}
