package at

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// giveUp brings a dialogue out of step by a hand-over without a result.
func giveUp(t *testing.T, d *Dialogue, s *station) {
	t.Helper()
	s.play("> ATV1\r", "< \r\nOK\r\n", "> AT"+submit+"\r", "< \r\n> ", "> "+data+"\x1a")
	_, err := d.Command(t.Context(), "V1", time.Second)
	check(t, "command", err, nil)
	check(t, "hand-over", d.Submit(t.Context(), submit, data, s.noting(Timeouts{Result: time.Minute})), Result{Written: true, Err: ErrTimeout})
	s.settle()
}

func TestResync(t *testing.T) {
	round := func(at, query string) []string {
		return []string{"> \x1b", "> AT\r", "< " + at, "> AT+CMEE?\r", "< " + query}
	}
	twice := func(at, query string) []string {
		return slices.Concat(round(at, query), round(at, query))
	}
	tests := []struct {
		name   string
		script []string
		late   [][]string
	}{
		{"in step", inStep, nil},
		{
			"late result before",
			append([]string{"< \r\n+CMGS: 17\r\n\r\nOK\r\n"}, inStep...),
			[][]string{{"+CMGS: 17", "OK"}},
		},
		{
			"late result behind a prompt",
			append([]string{"< \r\n> +CMGS: 17\r\n\r\nOK\r\n"}, inStep...),
			[][]string{{"+CMGS: 17", "OK"}},
		},
		{
			"answers late by one",
			slices.Concat([]string{"> \x1b", "> AT\r", "< OK\r\n", "> AT+CMEE?\r", "< OK\r\n", "> \x1b", "> AT\r", "< +CMEE: 1\r\nOK\r\n"}, inStep),
			nil,
		},
		{
			"late refusal before",
			append([]string{"< \r\nERROR\r\n"}, inStep...),
			[][]string{{"ERROR"}},
		},
		{
			"late result while the line is not quiet",
			append([]string{"> \x1b", "~ 200ms", "< \r\n+CMGS: 17\r\n", "~ 200ms", "< \r\nOK\r\n"}, inStep[1:]...),
			[][]string{{"+CMGS: 17", "OK"}},
		},
		{
			"late result in place of the answer to AT",
			slices.Concat([]string{"> \x1b", "> AT\r", "< \r\n+CMGS: 17\r\nOK\r\n", "> AT+CMEE?\r", "< \r\nOK\r\n\r\n+CMEE: 1\r\nOK\r\n"}, inStep),
			[][]string{{"+CMGS: 17", "OK"}},
		},
		{
			"late refusal in place of the answer to AT",
			slices.Concat([]string{"> \x1b", "> AT\r", "< \r\n+CMS ERROR: 38\r\n", "~ 100ms", "< \r\nOK\r\n"}, inStep),
			[][]string{{"+CMS ERROR: 38"}},
		},
		{
			"an ERROR that may be anybody's",
			slices.Concat([]string{"> \x1b", "> AT\r", "< \r\nERROR\r\n"}, inStep),
			nil,
		},
		{
			"no answer for a while",
			slices.Concat([]string{"> \x1b", "> AT\r", "> \x1b", "> AT\r", "~ 1900ms", "< \r\nOK\r\nOK\r\n+CMGS: 17\r\nOK\r\n", "> AT+CMEE?\r", "< \r\nOK\r\n"}, inStep),
			[][]string{{"+CMGS: 17", "OK"}},
		},
		{"late prompt", append([]string{"< \r\n> "}, inStep...), nil},
		{"query unknown", twice("\r\nOK\r\n", "\r\nERROR\r\n"), nil},
		{"OK to anything", twice("\r\nOK\r\n", "\r\nOK\r\n"), nil},
		{"numbers for results", twice("0\r", "+CMEE: 0\r\n0\r"), nil},
		{"echo", twice("AT\r\r\nOK\r\n", "AT+CMEE?\r\r\n+CMEE: 1\r\n\r\nOK\r\n"), nil},
		{
			"first alike, then not",
			slices.Concat(round("OK\r\n", "ERROR\r\n"), round("OK\r\n", "+CMEE: 1\r\nOK\r\n"), round("OK\r\n", "+CMEE: 1\r\nOK\r\n")),
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := dial(t, Config{Unsolicited: codes})
				giveUp(t, d, s)
				said := slices.IndexFunc(tt.script, func(step string) bool { return strings.HasPrefix(step, "> ") })
				s.play(tt.script[:said]...)
				s.settle()
				s.play(tt.script[said:]...)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				check(t, "resync", d.Resync(ctx), nil)
				s.settle()
				check(t, "late", s.late, tt.late)

				s.play("> AT"+submit+"\r", "< \r\n> ", "> "+data+"\x1a", "< \r\n+CMGS: 18\r\n\r\nOK\r\n")
				check(t, "next hand-over", d.Submit(t.Context(), submit, data, Timeouts{}), Result{Info: []string{"+CMGS: 18"}, Written: true})
			})
		})
	}
}

// The late answer to a command that looks unsolicited is no news.
func TestLateAnswerThatLooksUnsolicited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := dial(t, Config{Unsolicited: codes})
		s.play("> AT+CREG?\r")
		_, err := d.Command(t.Context(), "+CREG?", time.Second)
		check(t, "error", err, ErrTimeout)
		s.settle()
		s.play("< \r\n+CREG: 0,1\r\n\r\nOK\r\n\r\n+CREG: 5\r\n")
		s.settle()
		check(t, "heard", s.heard, [][]string{{"+CREG: 5"}})
	})
	synctest.Test(t, func(t *testing.T) {
		d, s := dial(t, Config{Unsolicited: codes})
		s.play(append([]string{"> AT+CREG?\r"}, inStep...)...)
		_, err := d.Command(t.Context(), "+CREG?", time.Second)
		check(t, "error", err, ErrTimeout)
		check(t, "resync", d.Resync(t.Context()), nil)
		s.play("< \r\n+CREG: 5\r\n")
		s.settle()
		check(t, "heard", s.heard, [][]string{{"+CREG: 5"}})
	})
}

func TestLateKeepsWhatCameInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := dial(t, Config{})
		s.play("> AT"+submit+"\r", "< \r\n> ", "> "+data+"\x1a", "< \r\n+CMGS: 17\r\n", "~ 2m", "< \r\nOK\r\n")
		r := d.Submit(t.Context(), submit, data, s.noting(Timeouts{Result: time.Minute}))
		check(t, "result", r, Result{Info: []string{"+CMGS: 17"}, Written: true, Err: ErrTimeout})
		s.settle()
		check(t, "late", s.late, [][]string{{"+CMGS: 17", "OK"}})
	})
}

func TestResyncNoise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := dial(t, Config{})
		quit := make(chan struct{})
		s.script.Go(func() {
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					s.stream.Write([]byte("\r\n*NOISE: 1\r\n"))
				case <-quit:
					return
				}
			}
		})
		s.play(inStep...)
		check(t, "resync", d.Resync(t.Context()), nil)
		close(quit)
		s.settle()
	})
}

func TestResyncInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := dial(t, Config{})
		giveUp(t, d, s)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		if err := d.Resync(ctx); !errors.Is(err, ErrOutOfStep) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want ErrOutOfStep and the error of ctx", err)
		}
		check(t, "time", time.Since(start), 10*time.Second)

		// Without an end of its own it stops when the modem takes no more.
		check(t, "hung", d.Resync(t.Context()), ErrHung)
		_, err := d.Command(t.Context(), "", time.Second)
		check(t, "command", err, ErrOutOfStep)
	})
}

// A modem that reads and never answers is hung.
func TestHungThoughItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := dial(t, Config{})
		s.script.Go(func() { io.Copy(io.Discard, s.stream) })
		check(t, "resync", d.Resync(t.Context()), ErrHung)
		s.stream.Close()
		s.settle()
	})
}

// A modem that talks and does not read is hung too.
func TestHungThoughItTalks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := dial(t, Config{Unsolicited: codes})
		quit := make(chan struct{})
		s.script.Go(func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					s.stream.Write([]byte("\r\n^RSSI:9\r\n"))
				case <-quit:
					return
				}
			}
		})
		check(t, "resync", d.Resync(t.Context()), ErrHung)
		close(quit)
		s.settle()
	})
}

// The late result of a hand-over goes to whom that named, unless the data never
// left.
func TestLateOfHandOver(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script []string
		line   string
		late   [][]string
	}{
		{"after the data", []string{"> AT" + submit + "\r", "< \r\n> ", "> " + data + "\x1a"}, "+CMGS: 17\r\n\r\nOK", [][]string{{"+CMGS: 17", "OK"}}},
		{"without a prompt", []string{"> AT" + submit + "\r", "> \x1b"}, "+CMS ERROR: 500", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := dial(t, Config{})
				s.play(tt.script...)
				r := d.Submit(t.Context(), submit, data, s.noting(Timeouts{}))
				check(t, "error", r.Err, ErrTimeout)
				s.settle()
				s.play("< \r\n" + tt.line + "\r\n")
				s.settle()
				check(t, "late", s.late, tt.late)
			})
		})
	}
}
