package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"cellpost/ingress/httpd"
)

type modemUSSDVerb struct {
	oneModem
	Code    string   `arg:"" help:"What one would dial: *100#."`
	Answers []string `arg:"" optional:"" name:"answer" help:"Answers to the menus of the network, one after the other."`
}

// Run dials, and answers while the network asks: from the command line, then
// from a terminal. A dialogue that is left open would keep the next one out, so
// it is ended.
func (v modemUSSDVerb) Run(ctx context.Context, s streams) error {
	d := ussdDialogue{v: v, s: s}
	if err := d.dial(ctx, v.Code); err != nil {
		return err
	}
	for i, answer := range v.Answers {
		if !d.open {
			return fmt.Errorf("the network ended the dialogue before the answer %q: leave out the last %d", answer, len(v.Answers)-i)
		}
		if err := d.dial(ctx, answer); err != nil {
			return err
		}
	}
	if !d.open {
		return nil
	}
	if !v.JSON && isTerminal(s.in) {
		return d.converse(ctx)
	}
	fmt.Fprintln(s.err, "cellpost: the network waits for an answer: write it after the code; the dialogue is ended")
	return d.hangUp(ctx)
}

// ussdDialogue is a dialogue with the network, as far as it has come.
type ussdDialogue struct {
	v    modemUSSDVerb
	s    streams
	open bool // the network waits for an answer
}

func (d *ussdDialogue) path() string { return modemPath(d.v.Name, "/ussd") }

// dial sends a code or an answer, and prints what the network says.
func (d *ussdDialogue) dial(ctx context.Context, code string) error {
	a, err := slowQuery[httpd.USSDAnswer](ctx, httpd.SlowTime, d.v.configFlag, http.MethodPost, d.path(), httpd.USSDRequest{Code: code})
	if err != nil {
		return err
	}
	d.open = a.Open
	return d.v.say(d.s, a, visibleLines(a.Text))
}

// visibleLines keeps a text from moving the cursor but for its line breaks.
func visibleLines(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Map(visible, strings.TrimRight(line, "\r\n")))
	}
	return strings.Join(lines, "\n")
}

// converse takes answers from a person until the network or the person ends it.
func (d *ussdDialogue) converse(ctx context.Context) error {
	lines := readLines(d.s)
	for d.open {
		fmt.Fprint(d.s.err, "answer (empty: end): ")
		var answer string
		select {
		case answer = <-lines:
		case <-ctx.Done():
		}
		if answer == "" {
			return d.hangUp(context.WithoutCancel(ctx))
		}
		if err := d.dial(ctx, answer); err != nil {
			return err
		}
	}
	return nil
}

// readLines reads lines from a terminal. Nothing ends a read that waits, so it
// lasts as long as the process.
func readLines(s streams) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(s.in); in.Scan(); {
			lines <- strings.TrimSpace(in.Text())
		}
	}()
	return lines
}

func (d *ussdDialogue) hangUp(ctx context.Context) error {
	_, err := slowQuery[httpd.USSDAnswer](ctx, httpd.SlowTime, d.v.configFlag, http.MethodDelete, d.path(), nil)
	return err
}

// isTerminal reports whether a person sits at the other end.
func isTerminal(in any) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	var asked error
	err = raw.Control(func(fd uintptr) { _, asked = unix.IoctlGetTermios(int(fd), unix.TCGETS) })
	return errors.Join(err, asked) == nil
}
