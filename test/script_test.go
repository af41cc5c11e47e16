package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cellpost/modem/sim"
)

// TestScripts runs testdata/script/*.txtar: the verbs as people type them, in a
// world of simulated modems. Beside the commands of testscript there are:
//
//	world N [air=D] [report=D]   makes N modems, a smarthost, the account acme and
//	                             $CONFIG; send.toml is its table [send], more.toml
//	                             stands at its end
//	serve, halt                  starts and stops the gateway
//	cellpost ARG...              runs a verb on $CONFIG; with ! it has to end with status 1
//	misuse ARG...                runs a command line that has to end with status 2
//	mail FILE                    mails the lines of a script; prints the refusal with !
//	await STATE TO               waits until the messages to a number are in a state;
//	                             $ID becomes the newest of them
//	screen                       waits for the next text on a handset, and prints it
//	                             as a Go string
//	reply                        waits for the next mail at the smarthost, and prints it
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Values[stage{}] = &play{t: e.T().(testing.TB)}
			e.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+e.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"world": onStage((*play).cmdWorld), "serve": onStage((*play).cmdServe), "halt": onStage((*play).cmdHalt),
			"cellpost": onStage((*play).cmdCellpost), "misuse": onStage((*play).cmdMisuse),
			"mail": onStage((*play).cmdMail), "await": onStage((*play).cmdAwait),
			"screen": onStage((*play).cmdScreen), "reply": onStage((*play).cmdReply),
		},
	})
}

// stage is the key of a script's play.
type stage struct{}

// play is what one script does.
type play struct {
	t       testing.TB
	world   *world
	gateway *gateway
	screens int // seen so far
}

// command is a command of a script. It reports whether it succeeded; an error
// ends the script.
type command func(p *play, ts *testscript.TestScript, args []string) (ok bool, err error)

func onStage(c command) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		ok, err := c(ts.Value(stage{}).(*play), ts, args)
		ts.Check(err)
		if ok == neg {
			ts.Fatalf("this should have ended otherwise")
		}
	}
}

func (p *play) cmdWorld(ts *testscript.TestScript, args []string) (bool, error) {
	if len(args) == 0 {
		return false, errors.New("usage: world N [air=D] [report=D]")
	}
	n, err := strconv.Atoi(args[0])
	s := setting{modems: n}
	for _, arg := range args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		d, badDuration := time.ParseDuration(value)
		err = errors.Join(err, badDuration)
		switch name {
		case "air":
			s.options.AirTime = d
		case "report":
			s.network.ReportDelay = d
		default:
			return false, fmt.Errorf("world has no option %s", name)
		}
	}
	if err != nil {
		return false, err
	}
	s.send, s.more = optional(ts, "send.toml"), optional(ts, "more.toml")
	p.world = newWorld(p.t, s)
	ts.Setenv("CONFIG", p.world.config)
	ts.Setenv("DATA", filepath.Join(p.world.dir, "data"))
	return true, nil
}

// optional reads a file of the script, if it has it.
func optional(ts *testscript.TestScript, name string) string {
	if _, err := os.Stat(ts.MkAbs(name)); err != nil {
		return ""
	}
	return ts.ReadFile(name)
}

func (p *play) cmdServe(*testscript.TestScript, []string) (bool, error) {
	p.gateway = p.world.start()
	return true, nil
}

func (p *play) cmdHalt(*testscript.TestScript, []string) (bool, error) {
	p.gateway.stop(p.t)
	return true, nil
}

// status runs the binary and returns its exit status.
func status(ts *testscript.TestScript, args []string) (int, error) {
	err := ts.Exec(binary, args...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), nil
	}
	return 0, err
}

func (p *play) cmdCellpost(ts *testscript.TestScript, args []string) (bool, error) {
	if p.world != nil {
		end := slices.Index(args, "--")
		if end < 0 {
			end = len(args)
		}
		args = slices.Insert(slices.Clone(args), end, "--config", p.world.config)
	}
	code, err := status(ts, args)
	if err == nil && code != 0 && code != 1 {
		err = fmt.Errorf("exit status %d", code)
	}
	return code == 0, err
}

func (p *play) cmdMisuse(ts *testscript.TestScript, args []string) (bool, error) {
	code, err := status(ts, args)
	return code == 2, err
}

func (p *play) cmdMail(ts *testscript.TestScript, args []string) (bool, error) {
	if len(args) != 1 {
		return false, errors.New("usage: mail FILE")
	}
	err := p.world.mail(strings.ReplaceAll(ts.ReadFile(args[0]), "\n", "\r\n"))
	if err != nil {
		fmt.Fprintln(ts.Stdout(), err)
	}
	return err == nil, nil
}

func (p *play) cmdAwait(ts *testscript.TestScript, args []string) (bool, error) {
	if len(args) != 2 {
		return false, errors.New("usage: await STATE TO")
	}
	list := p.world.settle(func(m message) bool { return m.To != args[1] || m.State == args[0] })
	i := slices.IndexFunc(list, func(m message) bool { return m.To == args[1] })
	if i < 0 {
		return false, nil
	}
	ts.Setenv("ID", list[i].ID)
	return true, nil
}

func (p *play) cmdScreen(ts *testscript.TestScript, _ []string) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var next sim.Screen
	err := p.world.network.WaitForScreens(ctx, func(all []sim.Screen) bool {
		if len(all) <= p.screens {
			return false
		}
		next = all[p.screens]
		return true
	})
	p.screens++
	fmt.Fprintf(ts.Stdout(), "to %s, flash %t, parts %d\n%q\n", next.To, next.Flash, max(next.Parts, 1), next.Text)
	return true, err
}

func (p *play) cmdReply(ts *testscript.TestScript, _ []string) (bool, error) {
	fmt.Fprint(ts.Stdout(), strings.ReplaceAll(p.world.mails.next(p.t), "\r\n", "\n"))
	return true, nil
}
