package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-smtp"

	"cellpost/ingress"
	"cellpost/modem"
	"cellpost/modem/sim"
	"cellpost/queue/sqlite"
	"cellpost/sms"
)

type demoVerb struct {
	Dir         string        `help:"Where to keep the files; default: a new directory that is removed at the end." placeholder:"DIR"`
	Modems      int           `help:"How many modems to simulate, 1 to 32." default:"2"`
	Profile     []string      `help:"Families of modems to simulate, in turn, like sim900,e3372; a name that there is not is answered with those there are." default:"plain" placeholder:"NAME"`
	SMTP        string        `name:"smtp" help:"Address of the mail door." default:"127.0.0.1:2525"`
	Smarthost   string        `help:"Where replies go by mail, host:port; default: they are shown here." placeholder:"ADDR"`
	AirTime     time.Duration `help:"How long the simulated network takes for a message." default:"2s"`
	ReportDelay time.Duration `help:"How long a handset takes to confirm." default:"3s"`
	LogLevel    slog.Level    `help:"debug, info, warn or error." default:"warn"`
}

// plainProfile is a modem that follows the standards.
const plainProfile = "plain"

// profile is what the i-th modem is a simulation of, as package sim names it.
func (v demoVerb) profile(i int) string {
	p := v.Profile[i%len(v.Profile)]
	if p == plainProfile {
		return ""
	}
	return p
}

// The account of the demo.
const (
	demoUser     = "demo"
	demoPassword = "demo"
	demoAPIID    = 1
)

func (v demoVerb) Run(ctx context.Context, s streams) error {
	if v.Modems < 1 || v.Modems > 32 {
		return errors.New("--modems: 1 to 32")
	}
	for _, p := range v.Profile {
		if p != plainProfile && !slices.Contains(sim.Profiles(), p) {
			return fmt.Errorf("--profile %q: choose of %s, %s", p, plainProfile, strings.Join(sim.Profiles(), ", "))
		}
	}
	if !isAddress(v.SMTP) {
		return errors.New("--smtp: write host:port, like 127.0.0.1:2525")
	}
	if v.Smarthost != "" && !isAddress(v.Smarthost) {
		return errors.New("--smarthost: write host:port, like 127.0.0.1:25")
	}
	dir, remove, err := v.directory()
	if err != nil {
		return err
	}
	defer remove()
	show := &display{w: s.out}

	sink, err := v.sink(show)
	if err != nil {
		return err
	}
	mail := start(ctx, sink.serve)
	defer mail.stop()
	network := sim.NewNetwork(sim.NetworkOptions{ReportDelay: v.ReportDelay, Screen: show.screen, History: 1000})
	modems := v.modems(network)
	world := start(ctx, func(ctx context.Context) error { return simulate(ctx, modems, dir) })
	defer world.stop()

	file := filepath.Join(dir, "cellpost.toml")
	if err := v.writeConfig(file, dir, sink.address, modems); err != nil {
		return err
	}
	c, err := loadConfig(file)
	if err != nil {
		return err
	}
	if err := demoAccount(ctx, c); err != nil {
		return err
	}
	d := &daemon{
		config: c,
		log:    slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: v.LogLevel})),
		ready:  func() { show.print(welcome(file, v.SMTP, v.Modems)) },
	}
	return d.run(ctx)
}

// directory returns where the demo keeps its files, and how to clean up.
func (v demoVerb) directory() (dir string, remove func(), err error) {
	if v.Dir != "" {
		dir, err = filepath.Abs(v.Dir)
		return dir, func() {}, errors.Join(err, os.MkdirAll(v.Dir, 0o750))
	}
	dir, err = os.MkdirTemp("", "cellpost-demo-")
	return dir, func() { os.RemoveAll(dir) }, err
}

func devicePath(dir string, i int) string {
	return filepath.Join(dir, "modems", fmt.Sprintf("modem%d", i))
}

func demoMSISDN(i int) string { return fmt.Sprintf("4477009000%02d", i+1) }

func (v demoVerb) modems(n *sim.Network) []*sim.Modem {
	var all []*sim.Modem
	for i := range v.Modems {
		all = append(all, sim.NewModem(n, sim.Options{Name: fmt.Sprintf("m%d", i), MSISDN: demoMSISDN(i), AirTime: v.AirTime, Profile: v.profile(i)}))
	}
	return all
}

// simulate runs the modems on PTYs until ctx ends.
func simulate(ctx context.Context, modems []*sim.Modem, dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "modems"), 0o750); err != nil {
		return err
	}
	var serve []func(context.Context) error
	for i, m := range modems {
		serve = append(serve, func(ctx context.Context) error { return m.ServePTY(ctx, devicePath(dir, i)) })
	}
	return together(ctx, serve)
}

var demoConfig = template.Must(template.New("config").Parse(`# Made by cellpost demo. With real modems, change each device below.
data_dir = {{printf "%q" .Dir}}
country_prefix = "44"

[[smtp]]
listen = {{printf "%q" .SMTP}}

[mail_out]
smarthost = {{printf "%q" .Smarthost}}
from = "sms@cellpost.local"
{{range .Modems}}
[[modem]]
name = {{printf "%q" .Name}}
device = {{printf "%q" .Device}} # a real one: "/dev/ttyUSB2"
msisdn = {{printf "%q" .MSISDN}}
flow = {{printf "%q" .Flow}}
{{range .Slot}}
[[modem.slot]] # its second SIM, for when the first is in trouble
sim = {{printf "%q" .SIM}}
msisdn = {{printf "%q" .MSISDN}}
{{end}}{{end}}`))

// writeConfig writes the configuration that the demo runs on, for the
// operator's verbs and as an example.
func (v demoVerb) writeConfig(file, dir, smarthost string, modems []*sim.Modem) error {
	data := struct {
		Dir, SMTP, Smarthost string
		Modems               []modemEntry
	}{Dir: dir, SMTP: v.SMTP, Smarthost: smarthost}
	for i, m := range modems {
		e := modemEntry{Name: fmt.Sprintf("m%d", i), Device: devicePath(dir, i), Flow: noFlow}
		if m.Options().Profile == "tc35" { // it loses octets without
			e.Flow = rtsctsFlow
		}
		for slot, card := range m.Cards() {
			if slot == 0 {
				e.MSISDN = card.MSISDN
				continue
			}
			e.Slot = append(e.Slot, slotEntry{SIM: fmt.Sprintf("%s-sim%d", e.Name, slot+1), MSISDN: card.MSISDN})
		}
		data.Modems = append(data.Modems, e)
	}
	var text strings.Builder
	if err := demoConfig.Execute(&text, data); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text.String()), 0o640)
}

func demoAccount(ctx context.Context, c config) error {
	hash, err := ingress.HashPassword(demoPassword)
	if err != nil {
		return err
	}
	store, err := sqlite.Open(c.database(), c.rules(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	err = store.AddAccount(ctx, sms.Account{Name: demoUser, PasswordHash: hash, APIID: demoAPIID, Unlimited: true, Report: true, Concat: 3})
	if errors.Is(err, sms.ErrAccountExists) {
		err = nil
	}
	return errors.Join(err, store.Close())
}

func welcome(file, smtp string, modems int) string {
	self, err := os.Executable()
	if err != nil {
		self = "cellpost"
	}
	self, file = modem.ShellWord(self), modem.ShellWord(file)
	host, port, _ := net.SplitHostPort(smtp)
	if host == "" {
		host = "localhost"
	}
	return fmt.Sprintf(`Cellpost demo: %[1]d simulated modems, mail door at %[2]s. Ctrl-C ends it.

Send a mail from another terminal:

python3 - <<'END'
import smtplib
smtplib.SMTP("%[3]s", %[4]s).sendmail("me@example.com", "sms@messaging.clickatell.com", """\
Subject: test

user:%[5]s
password:%[6]s
api_id:%[7]d
to: 448311234567
reply:me@example.com
text:Meet me at home
""")
END

The message appears here as the handset shows it, and so does the answer by mail.
What became of it, and how the modems are:

%[8]s queue list --config %[9]s
%[8]s modem list --config %[9]s

`, modems, smtp, host, port, demoUser, demoPassword, demoAPIID, self, file)
}

// display prints what arrives, one thing at a time.
type display struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (d *display) print(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	io.WriteString(d.w, s)
}

// screen draws a handset.
func (d *display) screen(s sim.Screen) {
	title := "+" + s.To
	if s.Flash {
		title += " (flash)"
	}
	d.print(box("handset "+title, s.Text, fmt.Sprintf("from +%s, %s", s.From, s.At.Local().Format(time.TimeOnly+" MST"))))
}

const boxWidth = 60 // characters inside a box

// box frames a text with a line above and below it.
func box(head, text, foot string) string {
	var b strings.Builder
	edge := func(left, s, right string) {
		fmt.Fprintf(&b, "%s─ %s %s%s\n", left, s, strings.Repeat("─", max(0, boxWidth-1-utf8.RuneCountInString(s))), right)
	}
	edge("┌", head, "┐")
	for line := range strings.Lines(text) {
		for rest := []rune(strings.Map(visible, strings.TrimRight(line, "\r\n"))); ; {
			n := min(len(rest), boxWidth)
			fmt.Fprintf(&b, "│ %s%s │\n", string(rest[:n]), strings.Repeat(" ", boxWidth-n))
			if rest = rest[n:]; len(rest) == 0 {
				break
			}
		}
	}
	edge("└", foot, "┘")
	return b.String()
}

// visible keeps what a text may hold from moving the cursor.
func visible(r rune) rune {
	if unicode.IsControl(r) {
		return '·'
	}
	return r
}

// sink takes the mails that answer the customers, and shows them. With a
// smarthost of the user's own it is only the address.
type sink struct {
	address string
	serve   func(context.Context) error
}

func (v demoVerb) sink(show *display) (sink, error) {
	if v.Smarthost != "" {
		return sink{v.Smarthost, func(ctx context.Context) error { <-ctx.Done(); return nil }}, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return sink{}, err
	}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &shownMail{show: show}, nil }))
	return sink{l.Addr().String(), func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { srv.Close() })
		defer stop()
		return srv.Serve(l)
	}}, nil
}

// shownMail is one connection to the sink.
type shownMail struct {
	show *display
	to   string
}

func (m *shownMail) Reset()                                    { m.to = "" }
func (m *shownMail) Logout() error                             { return nil }
func (m *shownMail) Mail(string, *smtp.MailOptions) error      { return nil }
func (m *shownMail) Rcpt(to string, _ *smtp.RcptOptions) error { m.to = to; return nil }
func (m *shownMail) Data(r io.Reader) error {
	mail, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, body, _ := strings.Cut(string(mail), "\r\n\r\n")
	m.show.print(box("mail to "+m.to, body, time.Now().Format(time.TimeOnly+" MST")))
	return nil
}
