// Package test runs the real binary against simulated modems behind PTYs, with
// a real mail client before it and a real smarthost behind it.
package test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	smtpserver "github.com/emersion/go-smtp"
	"golang.org/x/crypto/bcrypt"

	"cellpost/modem/sim"
	"cellpost/queue/sqlite"
	"cellpost/sms"
)

// binary is the program under test, and accounts the directory of a database in
// which nothing is but the account acme. TestMain makes both.
var binary, accounts string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

// parallel is how many worlds there are at a time: they wait more than they
// compute.
const parallel = "6"

func testMain(m *testing.M) int {
	flag.Parse()
	flag.Set("test.parallel", parallel)
	// A verb has nothing that goes on after its end; it would wait a second for that.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	dir, err := os.MkdirTemp("", "cellpost-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "cellpost")
	build := exec.Command("go", slices.Concat([]string{"build", "-o", binary}, buildFlags, []string{"cellpost/cmd/cellpost"})...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the binary:", err)
		return 1
	}
	accounts = filepath.Join(dir, "accounts")
	if err := addAccount(dir, accounts); err != nil {
		fmt.Fprintln(os.Stderr, "add the account:", err)
		return 1
	}
	return m.Run()
}

// addAccount adds acme as a person does, but for its password: every gateway that
// starts has to hash it once, so this hash is one that takes no time.
func addAccount(dir, data string) error {
	config := filepath.Join(dir, "accounts.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "data_dir = %q\ncountry_prefix = \"44\"\n", data), 0o600); err != nil {
		return err
	}
	add := exec.Command(binary, "account", "add", "acme", "--config", config, "--api-id", "3456", "--unlimited")
	if out, err := add.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		return err
	}
	store, err := sqlite.Open(filepath.Join(data, "cellpost.db"), &sms.Rules{}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	err = store.SetAccount(context.Background(), "acme", func(a *sms.Account) { a.PasswordHash = string(hash) })
	return errors.Join(err, store.Close())
}

// world is a gateway and what is around it.
type world struct {
	control
	dir     string
	config  string // path of the configuration
	smtp    string // address of the mail door
	network *sim.Network
	modems  []*sim.Modem
	mails   *smarthost
	end     func() // ends the modems; the end of the test does, too
}

// setting is what differs between worlds.
type setting struct {
	modems  int
	options sim.Options // of each modem; its name is set
	network sim.NetworkOptions
	send    string // TOML for the table [send]
	more    string // more TOML, after it

	each func(i int, o *sim.Options) // changes the options of a modem; may be nil
}

// newWorld makes modems, a smarthost, a configuration and the account "acme"
// with password "secret" and api_id 3456. The gateway does not run yet.
func newWorld(t testing.TB, s setting) *world {
	t.Helper()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	w := &world{control: newControl(t, data), dir: dir, network: sim.NewNetwork(s.network), smtp: freeAddress(t), mails: newSmarthost(t)}
	ctx, cancel := context.WithCancel(context.Background())
	var running, linked sync.WaitGroup
	w.end = func() { cancel(); running.Wait() }
	t.Cleanup(w.end)
	var b strings.Builder
	fmt.Fprintf(&b, "data_dir = %q\ncountry_prefix = \"44\"\n[[smtp]]\nlisten = %q\n[mail_out]\nsmarthost = %q\n[send]\n%s\n",
		data, w.smtp, w.mails.address, s.send)
	for i := range s.modems {
		o := s.options
		o.Name = fmt.Sprintf("m%d", i)
		if s.each != nil {
			s.each(i, &o)
		}
		linked.Add(1)
		var once sync.Once
		o.Linked = func(string) { once.Do(linked.Done) }
		m := sim.NewModem(w.network, o)
		w.modems = append(w.modems, m)
		device := filepath.Join(w.dir, o.Name)
		running.Go(func() {
			if err := m.ServePTY(ctx, device); err != nil {
				t.Errorf("modem %s: %v", o.Name, err)
			}
		})
		fmt.Fprintf(&b, "[[modem]]\nname = %q\ndevice = %q\n", o.Name, device)
	}
	linked.Wait()
	w.config = filepath.Join(w.dir, "cellpost.toml")
	if err := os.WriteFile(w.config, []byte(b.String()+s.more), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(data, os.DirFS(accounts)); err != nil {
		t.Fatal(err)
	}
	return w
}

func freeAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// gateway is one process of the binary.
type gateway struct {
	*exec.Cmd
	t   testing.TB
	log *tail

	ready  chan struct{} // closed when it says that it is
	silent chan struct{} // closed when all that it said is in the log
}

// raceExit is the exit status of a program that found a data race.
const raceExit = 66

// resident is the command line of a process that goes on until it is stopped. A
// data race ends it at once: one that is killed in the end could not tell.
func resident(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	return cmd
}

// launch runs the gateway, with more in its environment.
func (w *world) launch(env ...string) *gateway {
	w.t.Helper()
	g := &gateway{
		Cmd: resident("serve", "--config", w.config), t: w.t, log: &tail{},
		ready: make(chan struct{}), silent: make(chan struct{}),
	}
	g.Env = append(g.Env, env...)
	stderr, err := g.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		g.kill()
		if w.t.Failed() {
			w.t.Logf("log of the gateway:\n%s", g.log)
		}
	})
	go func() {
		defer close(g.silent)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			g.log.add(lines.Text())
			if strings.Contains(lines.Text(), "msg=ready") {
				close(g.ready)
			}
		}
	}()
	return g
}

// start is launch, and returns when the gateway says that it is ready.
func (w *world) start() *gateway {
	w.t.Helper()
	g := w.launch()
	select {
	case <-g.ready:
	case <-g.silent:
		w.t.Fatalf("the gateway did not come up:\n%s", g.log)
	case <-time.After(patience):
		w.t.Fatalf("the gateway is not ready:\n%s", g.log)
	}
	return g
}

// stop asks the gateway to end and waits.
func (g *gateway) stop(t testing.TB) {
	t.Helper()
	if err := g.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-g.silent
	if err := g.Wait(); err != nil {
		t.Errorf("the gateway ended with %v:\n%s", err, g.log)
	}
}

// kill ends the gateway, if it still runs, as a power cut would, as far as a
// process can feel it.
func (g *gateway) kill() {
	g.t.Helper()
	g.Process.Kill()
	<-g.silent
	g.Wait()
	if g.ProcessState.ExitCode() == raceExit {
		g.t.Errorf("the gateway has a data race:\n%s", g.log)
	}
}

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

const tailLines = 200

func (l *tail) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines = append(l.lines, line); len(l.lines) > tailLines {
		l.lines = l.lines[1:]
	}
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// cellpost runs a verb and returns what it prints.
func (w *world) cellpost(args ...string) string {
	w.t.Helper()
	out, err := exec.Command(binary, append(args, "--config", w.config)...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("cellpost %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// message is what queue list and queue show print, and the control socket tells.
type message struct {
	ID, To, Account, State, Status, Text, Why string
	Parts                                     []struct {
		N        int
		State    string
		Attempts []struct {
			SIM, Modem, Outcome, Cause string
			MR                         *int
			At                         time.Time
		}
	}
	Timeline []struct {
		At            time.Time
		Event, Detail string
	}
	Duplicate bool `json:"possible_duplicate"`
}

func (m message) events() string {
	var names []string
	for _, e := range m.Timeline {
		names = append(names, e.Event)
	}
	return strings.Join(names, " ")
}

// tries is how often the message was handed over, or meant to be.
func (m message) tries() int {
	return strings.Count(m.events(), "sending") - strings.Count(m.events(), "given back")
}

// took waits until the network has taken n messages.
func (w *world) took(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
	defer cancel()
	if err := w.network.WaitFor(ctx, func(ledger []sim.Entry) bool { return len(ledger) >= n }); err != nil {
		w.t.Fatalf("%d of %d messages were taken; modems: %+v", len(w.network.Ledger()), n, w.present())
	}
}

// script is a mail of the account acme.
func script(lines ...string) string {
	return "user:acme\r\npassword:secret\r\napi_id:3456\r\n" + strings.Join(lines, "\r\n") + "\r\n"
}

// mail sends one mail with the standard library's client, and returns the
// refusal, nil for 250.
func (w *world) mail(body string) error {
	head := "From: me@example.com\r\nTo: sms@messaging.clickatell.com\r\nSubject: test\r\nMessage-ID: <1@example.com>\r\n\r\n"
	return smtp.SendMail(w.smtp, nil, "me@example.com", []string{"sms@messaging.clickatell.com"}, []byte(head+body))
}

// deliver sends one mail over a connection.
func deliver(c *smtp.Client, body string) error {
	if err := c.Mail("me@example.com"); err != nil {
		return err
	}
	if err := c.Rcpt("sms@messaging.clickatell.com"); err != nil {
		return err
	}
	data, err := c.Data()
	if err != nil {
		return err
	}
	fmt.Fprintf(data, "Subject: test\r\n\r\n%s", body)
	return data.Close()
}

// mustMail sends one mail that has to be accepted.
func (w *world) mustMail(lines ...string) {
	w.t.Helper()
	if err := w.mail(script(lines...)); err != nil {
		w.t.Fatalf("mail: %v", err)
	}
}

// smarthost is a mail server that keeps what it gets.
type smarthost struct {
	address string
	got     chan string
}

func newSmarthost(t testing.TB) *smarthost {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &smarthost{address: l.Addr().String(), got: make(chan string, 10_000)}
	srv := smtpserver.NewServer(smtpserver.BackendFunc(func(*smtpserver.Conn) (smtpserver.Session, error) { return &delivery{host: h}, nil }))
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return h
}

// next waits for the next mail: its envelope recipient, then the mail.
func (h *smarthost) next(t testing.TB) string {
	t.Helper()
	select {
	case m := <-h.got:
		return m
	case <-time.After(patience):
		t.Fatal("no mail came")
		return ""
	}
}

type delivery struct {
	host *smarthost
	to   string
}

func (d *delivery) Reset()                                          {}
func (d *delivery) Logout() error                                   { return nil }
func (d *delivery) Mail(string, *smtpserver.MailOptions) error      { return nil }
func (d *delivery) Rcpt(to string, _ *smtpserver.RcptOptions) error { d.to = to; return nil }
func (d *delivery) Data(r io.Reader) error {
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		return err
	}
	d.host.got <- d.to + "\n" + b.String()
	return nil
}
