package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"cellpost/modem/sim"
)

// TestScripts runs testdata/script/*.txtar: the verbs as people type them, in a
// world of simulated modems. Beside the commands of testscript there are:
//
//	world N [air=D] [report=D] [ring=D] [register=D] [settle=D] [clock=D] [no-time]
//	                             [profile=NAME] [pin=PIN] [power-on=TIME]
//	                             makes N modems, a smarthost, the account acme and
//	                             $CONFIG; send.toml is its table [send], more.toml
//	                             stands at its end, first within the last modem;
//	                             profiles.toml corrects the families; clock is how far
//	                             the network's is ahead, no-time keeps it to itself,
//	                             power-on is what the modems' clocks start at
//	serve, halt                  starts and stops the gateway
//	cellpost ARG...              runs a verb on $CONFIG; with ! it has to end with status 1
//	misuse ARG...                runs a command line that has to end with status 2
//	mail FILE                    mails the lines of a script; prints the refusal with !
//	await STATE TO               waits until the messages to a number are in a state;
//	                             $ID becomes the newest of them
//	screen                       waits for the next text on a handset, and prints it
//	                             as a Go string
//	reply                        waits for the next mail at the smarthost, and prints it
//	modem NAME PATTERN           waits until modem show prints a line like that
//	sim NAME VERB ARG...         acts on a simulated modem: see simVerbs
//
// and the condition synced: NTP keeps the clock of this machine in step.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Values[stage{}] = &play{t: e.T().(testing.TB)}
			e.Setenv("GORACE", os.Getenv("GORACE"))
			e.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+e.Getenv("PATH"))
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "synced" {
				return false, fmt.Errorf("no condition is called %q", name)
			}
			var t unix.Timex
			_, err := unix.Adjtimex(&t)
			return t.Status&unix.STA_UNSYNC == 0, err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"world": onStage((*play).cmdWorld), "serve": onStage((*play).cmdServe), "halt": onStage((*play).cmdHalt),
			"cellpost": onStage((*play).cmdCellpost), "misuse": onStage((*play).cmdMisuse),
			"mail": onStage((*play).cmdMail), "await": onStage((*play).cmdAwait), "newest": onStage((*play).cmdNewest),
			"screen": onStage((*play).cmdScreen), "reply": onStage((*play).cmdReply),
			"modem": onStage((*play).cmdModem), "sim": onStage((*play).cmdSim),
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
		err = errors.Join(err, s.choose(arg))
	}
	if err != nil {
		return false, err
	}
	s.send, s.more = optional(ts, "send.toml"), optional(ts, "more.toml")
	if optional(ts, "profiles.toml") != "" {
		s.more += fmt.Sprintf("\n[modems]\nprofiles = %q\n", ts.MkAbs("profiles.toml"))
	}
	p.world = newWorld(p.t, s)
	ts.Setenv("CONFIG", p.world.config)
	ts.Setenv("DATA", filepath.Join(p.world.dir, "data"))
	return true, nil
}

// choose takes an option of the command world.
func (s *setting) choose(arg string) error {
	name, value, isPair := strings.Cut(arg, "=")
	switch name {
	case "no-time":
		s.network.NoTime = !isPair
		return nil
	case "profile":
		s.options.Profile = value
		return nil
	case "pin":
		s.options.PIN = value
		return nil
	case "power-on":
		t, err := time.Parse(time.RFC3339, value)
		s.options.PowerOn = t
		return err
	}
	d, err := time.ParseDuration(value)
	switch name {
	case "air":
		s.options.AirTime = d
	case "report":
		s.network.ReportDelay = d
	case "register":
		s.options.Register = d
	case "settle":
		s.options.SlotSettle = d
	case "ring":
		s.network.Ring = d
	case "clock":
		s.network.Clock = func() time.Time { return time.Now().Add(d) }
	default:
		err = fmt.Errorf("world has no option %s", name)
	}
	return err
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
	list := p.world.settle(0, func(m message) bool { return m.To != args[1] || m.State == args[0] })
	i := slices.IndexFunc(list, func(m message) bool { return m.To == args[1] })
	if i < 0 {
		return false, nil
	}
	ts.Setenv("ID", list[i].ID)
	return true, nil
}

// cmdNewest sets $BATCH to the submission of several messages that came last.
func (p *play) cmdNewest(ts *testscript.TestScript, _ []string) (bool, error) {
	var b struct{ ID string }
	if err := json.Unmarshal([]byte(p.world.cellpost("queue", "batch", "--json", "--limit", "1")), &b); err != nil {
		return false, err
	}
	ts.Setenv("BATCH", b.ID)
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

func (p *play) cmdModem(ts *testscript.TestScript, args []string) (bool, error) {
	if len(args) != 2 {
		return false, errors.New("usage: modem NAME PATTERN")
	}
	re, err := regexp.Compile("(?m)" + args[1])
	if err != nil {
		return false, err
	}
	var told, shown string
	ok := await(patience, func() bool {
		// The verb prints something else only when the gateway tells something else.
		path := "/v1/modems/" + args[0]
		before := told
		told = string(ask[json.RawMessage](p.world.control, path)) + string(ask[json.RawMessage](p.world.control, path+"/history"))
		if told != before {
			shown = p.world.cellpost("modem", "show", args[0])
		}
		return re.MatchString(shown)
	})
	if !ok {
		fmt.Fprint(ts.Stdout(), shown)
	}
	return ok, nil
}

func (p *play) cmdSim(ts *testscript.TestScript, args []string) (bool, error) {
	if len(args) < 2 {
		return false, errors.New("usage: sim NAME VERB ARG...")
	}
	i := slices.IndexFunc(p.world.modems, func(m *sim.Modem) bool { return m.Options().Name == args[0] })
	act, known := simVerbs[args[1]]
	if i < 0 || !known {
		return false, fmt.Errorf("there is no modem %s, or no verb %s", args[0], args[1])
	}
	out, err := act(p.world.network, p.world.modems[i], args[2:])
	fmt.Fprint(ts.Stdout(), out)
	return err == nil, err
}

// simVerbs are what the command sim does; what they return is printed.
var simVerbs = map[string]func(*sim.Network, *sim.Modem, []string) (string, error){
	// send FROM TEXT: a message to the SIM in the first slot
	"send": func(n *sim.Network, m *sim.Modem, args []string) (string, error) {
		return "", n.Send(m.Options().MSISDN, args[0], args[1])
	},
	// call FROM: a call to it, to its end; prints that
	"call": func(n *sim.Network, m *sim.Modem, args []string) (string, error) {
		before := len(n.Calls())
		if err := n.Call(m.Options().MSISDN, args[0]); err != nil {
			return "", err
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err := n.WaitForCalls(ctx, func(all []sim.Call) bool { return len(all) > before })
		all := n.Calls()
		return map[sim.CallEnd]string{sim.Missed: "missed", sim.Rejected: "rejected"}[all[len(all)-1].End] + "\n", err
	},
	// refuse CAUSE...: the next hand-overs get these +CMS ERRORs; 0 is none
	"refuse": func(_ *sim.Network, m *sim.Modem, args []string) (string, error) {
		for _, arg := range args {
			cause, err := strconv.Atoi(arg)
			if err != nil {
				return "", err
			}
			f := sim.Fault{Kind: sim.Refuse, Cause: cause}
			if cause == 0 {
				f = sim.Fault{}
			}
			m.Inject(f)
		}
		return "", nil
	},
	// signal N: as in AT+CSQ
	"signal": func(_ *sim.Network, m *sim.Modem, args []string) (string, error) {
		rssi, err := strconv.Atoi(args[0])
		m.SetSignal(rssi)
		return "", err
	},
	// service full|roaming|none
	"service": func(_ *sim.Network, m *sim.Modem, args []string) (string, error) {
		m.SetService(map[string]sim.Service{"full": sim.FullService, "roaming": sim.Roaming, "none": sim.NoCoverage}[args[0]])
		return "", nil
	},
	// time: the network tells every modem the time
	"time": func(n *sim.Network, _ *sim.Modem, _ []string) (string, error) {
		n.TellTime()
		return "", nil
	},
	// slot: prints the slot in use, from 0, and the numbers by which messages left
	"slot": func(n *sim.Network, m *sim.Modem, _ []string) (string, error) {
		out := fmt.Sprintln("slot", m.Slot())
		for _, s := range n.Screens() {
			slot := slices.IndexFunc(m.Cards(), func(c sim.Card) bool { return c.MSISDN == s.From })
			out += fmt.Sprintf("%s by %d in %d\n", s.To, slot, s.Parts)
		}
		return out, nil
	},
}
