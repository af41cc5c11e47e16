package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pelletier/go-toml/v2"

	"cellpost/board"
	"cellpost/sms"
)

// config is the configuration file. What it leaves out is as in defaults.
type config struct {
	DataDir       string       `toml:"data_dir"`       // the database and the control socket
	CountryPrefix string       `toml:"country_prefix"` // for national numbers ("44"); empty: they are refused
	Blocked       []string     `toml:"blocked"`        // beginnings of numbers that nobody may send to: "4490"
	SMTP          []smtpConfig `toml:"smtp"`           // one per listener
	MailIn        mailInConfig `toml:"mail_in"`
	MailOut       mailConfig   `toml:"mail_out"`
	Modems        modemsConfig `toml:"modems"`
	Modem         []modemEntry `toml:"modem"`
	Board         board.Config `toml:"board"`     // the hardware that the modems sit on
	Route         []routeEntry `toml:"route"`     // longest prefix wins; none: every SIM in one tier
	SIM           []simEntry   `toml:"sim"`       // where and how much a SIM may send; none: everywhere, as much as it can
	TimeZone      string       `toml:"time_zone"` // of days and sending hours; empty: that of the machine
	Send          sendConfig   `toml:"send"`
	Inbox         inboxConfig  `toml:"inbox"`
	Store         storeConfig  `toml:"store"`
	Clock         clockConfig  `toml:"clock"`
	History       history      `toml:"history"` // what becomes of what is over
}

// mailInConfig is about mail to numbers.
type mailInConfig struct {
	TextEnds []string `toml:"text_ends"` // beginnings of lines at which a text ends, of disclaimers
}

// mailConfig says how mail leaves.
type mailConfig struct {
	Smarthost    string   `toml:"smarthost"` // host:port; empty: replies are kept, not sent
	From         string   `toml:"from"`
	Operator     string   `toml:"operator"`      // gets mail to postmaster@ and abuse@; empty: it is kept
	ReplyDomain  string   `toml:"reply_domain"`  // of addresses that answer a message from a handset; empty: that of from
	DelayAfter   duration `toml:"delay_after"`   // when a sender hears that a message has not left
	TLS          string   `toml:"tls"`           // off, starttls or implicit
	CA           string   `toml:"ca"`            // PEM file with who may vouch for the smarthost; empty: whom the system trusts
	Insecure     bool     `toml:"insecure"`      // any certificate will do
	User         string   `toml:"user"`          // for AUTH PLAIN or LOGIN; empty: none
	Password     string   `toml:"password"`      // with it
	PasswordFile string   `toml:"password_file"` // or the file that has it in its first line
}

// routeEntry says which SIMs carry the numbers with a prefix.
type routeEntry struct {
	Prefix string     `toml:"prefix"`
	Tiers  [][]string `toml:"tiers"`
	Price  *float64   `toml:"price"` // credits per part; default 1
}

// sendConfig has the deadlines of a hand-over and what follows them.
type sendConfig struct {
	PromptTimeout duration `toml:"prompt_timeout"` // AT+CMGS to the prompt
	ResultTimeout duration `toml:"result_timeout"` // Ctrl-Z to the final result
	UnknownWait   duration `toml:"unknown_wait"`   // how long evidence is awaited before on_unknown
	EscalateAfter duration `toml:"escalate_after"`
	OnUnknown     string   `toml:"on_unknown"` // resend or hold
}

// inboxConfig is about messages from handsets.
type inboxConfig struct {
	PartsWait duration `toml:"parts_wait"` // how long a message waits for its next part, before it is shown without
	Mail      []string `toml:"mail"`       // addresses that get those which belong to no account
}

// duration is written as "10s" or "1m30s".
type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 {
		return fmt.Errorf("%q is no duration: write 10s, 1m30s or 500ms", text)
	}
	*d = duration(v)
	return nil
}

func (d duration) String() string { return time.Duration(d).String() }

// network is written as "192.168.1.0/24" or "fd00::/8".
type network struct{ netip.Prefix }

func (n *network) UnmarshalText(text []byte) error {
	p, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is no network: write 192.168.1.0/24 or fd00::/8", text)
	}
	n.Prefix = p
	return nil
}

func prefixes(networks []network) []netip.Prefix {
	var all []netip.Prefix
	for _, n := range networks {
		all = append(all, n.Prefix)
	}
	return all
}

func defaults() config {
	return config{
		DataDir: "/var/lib/cellpost",
		MailIn:  mailInConfig{TextEnds: []string{}},
		Blocked: []string{},
		MailOut: mailConfig{From: "sms@cellpost.local", TLS: "off", DelayAfter: duration(sms.DelayDefault)},
		Send: sendConfig{
			PromptTimeout: duration(10 * time.Second), ResultTimeout: duration(time.Minute),
			UnknownWait: duration(30 * time.Second), EscalateAfter: duration(time.Minute), OnUnknown: "resend",
		},
		Inbox:   inboxConfig{PartsWait: duration(10 * time.Minute)},
		Store:   storeConfig{Snapshot: pause(time.Hour)},
		Clock:   clockConfig{Trust: trustAuto},
		History: history{Keep: defaultKeep},
	}
}

// standardConfig is the configuration that no flag and no variable names.
// systemd/cellpost.service runs the gateway on it.
const standardConfig = "/etc/cellpost/cellpost.toml"

// configError is a fault of a configuration file.
type configError struct {
	file string
	line int // from 1; 0: of the file as a whole
	text string
}

func (e *configError) Error() string {
	if e.line == 0 {
		return fmt.Sprintf("%s: %s", e.file, e.text)
	}
	return fmt.Sprintf("%s:%d: %s", e.file, e.line, e.text)
}

// loadConfig reads a configuration file and checks all of it.
func loadConfig(file string) (config, error) {
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return config{}, fmt.Errorf("%w (run this as root, or as the user of the gateway: sudo -u cellpost cellpost ...)", err)
	case err != nil:
		return config{}, fmt.Errorf("%w (write it as the README shows, or name another with --config or CELLPOST_CONFIG)", err)
	}
	c := defaults()
	dec := toml.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return config{}, tomlError(file, err)
	}
	if err := c.check(source{file, strings.Split(string(text), "\n")}); err != nil {
		return config{}, err
	}
	return c, nil
}

// laterKeys are keys of the documented file that this release does not have.
var laterKeys = []string{"http", "ftp", "smpp"}

// tomlError finds the line and the words for what the decoder did not like.
func tomlError(file string, err error) error {
	if e, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(e.Errors) > 0 {
		key := e.Errors[0].Key()
		line, _ := e.Errors[0].Position()
		hint := "see the README for the keys there are"
		if slices.Contains(laterKeys, key[0]) {
			hint = "this release does not have it yet: remove the line"
		}
		return &configError{file, line, fmt.Sprintf("unknown key %s (%s)", strings.Join(key, "."), hint)}
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := e.Position()
		text := strings.TrimPrefix(e.Error(), "toml: ")
		if what, _, ok := strings.Cut(text, " into struct field "); ok { // which is a name in this program
			text = fmt.Sprintf("%s: %s here (see the README for what it takes)", strings.Join(e.Key(), "."), what)
		}
		return &configError{file, line, text}
	}
	return &configError{file, 0, err.Error()}
}

// source finds the line of a key again, for faults that are not of syntax.
type source struct {
	file  string
	lines []string
}

// heading matches the line that begins a table, not the lines of an array.
var heading = regexp.MustCompile(`^\[\[?\s*([\w.-]+)\s*\]\]?\s*(#.*)?$`)

// at returns an error for a key in the n-th (from 0) table of a name; in the
// top level when the name is empty. Where the key does not stand, or is empty,
// the error is at the heading of the table.
func (s source) at(table string, n int, key, format string, args ...any) error {
	return &configError{s.file, s.line(table, n, key), fmt.Sprintf(format, args...)}
}

func (s source) line(table string, n int, key string) int {
	current, seen, begin := "", -1, 0
	for i, line := range s.lines {
		line = strings.TrimSpace(line)
		if m := heading.FindStringSubmatch(line); m != nil {
			if current = m[1]; current != table {
				continue
			}
			if seen++; seen == n {
				begin = i + 1
			}
			continue
		}
		name, _, ok := strings.Cut(line, "=")
		if ok && strings.TrimSpace(name) == key && current == table && (table == "" || seen == n) {
			return i + 1
		}
	}
	return begin
}

// socketPathMax is the longest name that the kernel gives a socket, in octets.
const socketPathMax = len(syscall.RawSockaddrUnix{}.Path) - 1

// isCountryPrefix: none, or up to four digits.
func isCountryPrefix(s string) bool { return strings.Trim(s, "0123456789") == "" && len(s) <= 4 }

// check looks at what the decoder cannot know.
func (c *config) check(s source) error {
	if c.DataDir == "" {
		return s.at("", 0, "data_dir", "data_dir is empty: name a directory that cellpost may write to")
	}
	if n := len(c.controlSocket()); n > socketPathMax {
		return s.at("", 0, "data_dir", "data_dir is %d octets too long for a socket in it: choose a shorter one", n-socketPathMax)
	}
	if !isCountryPrefix(c.CountryPrefix) {
		return s.at("", 0, "country_prefix", "country_prefix %q: digits only, without + or 00", c.CountryPrefix)
	}
	if i := slices.IndexFunc(c.Blocked, func(p string) bool { return p == "" || strings.Trim(p, "0123456789") != "" }); i >= 0 {
		return s.at("", 0, "blocked", "blocked %q: the beginning of a number, digits only, without + or 00", c.Blocked[i])
	}
	for _, check := range []func(source) error{c.checkSMTP, c.checkModems, c.checkBoard, c.checkRoutes, c.checkSIMs, c.checkSend, c.checkMailOut, c.checkStore, c.checkClock, c.checkHistory} {
		if err := check(s); err != nil {
			return err
		}
	}
	return nil
}

// isAddress reports whether s is host:port; the host may be empty.
func isAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil || port == "" {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}

func (c *config) checkRoutes(s source) error {
	sims := c.sims()
	seen := map[string]bool{}
	for i, r := range c.Route {
		switch {
		case strings.Trim(r.Prefix, "0123456789") != "":
			return s.at("route", i, "prefix", "prefix %q: digits only, without + or 00", r.Prefix)
		case seen[r.Prefix]:
			return s.at("route", i, "prefix", "prefix %q has a route already", r.Prefix)
		case len(r.Tiers) == 0:
			return s.at("route", i, "", "this route has no tiers: write tiers = [[\"sim\"]]")
		case slices.ContainsFunc(r.Tiers, func(t []string) bool { return len(t) == 0 }):
			return s.at("route", i, "tiers", "a tier is empty: name its SIMs, or take it out")
		case r.Price != nil && !(*r.Price >= 0 && *r.Price <= 1e6): // NaN is neither
			return s.at("route", i, "price", "price: 0 to 1000000 credits")
		}
		seen[r.Prefix] = true
		for _, sim := range slices.Concat(r.Tiers...) {
			if !slices.Contains(sims, sim) && !c.Modems.Discover { // what is discovered has names that nobody knows yet
				return s.at("route", i, "tiers", "no modem has a SIM named %q", sim)
			}
		}
	}
	return nil
}

func (c *config) checkSend(s source) error {
	for _, d := range []struct {
		table, key string
		value      duration
	}{
		{"send", "prompt_timeout", c.Send.PromptTimeout}, {"send", "result_timeout", c.Send.ResultTimeout},
		{"send", "unknown_wait", c.Send.UnknownWait}, {"send", "escalate_after", c.Send.EscalateAfter},
		{"inbox", "parts_wait", c.Inbox.PartsWait},
	} {
		if d.value < duration(time.Millisecond) { // a bare number is read as nanoseconds
			return s.at(d.table, 0, d.key, "%s: write it with its unit: \"10s\", \"1m30s\" or \"500ms\"", d.key)
		}
	}
	if c.Send.OnUnknown != "resend" && c.Send.OnUnknown != "hold" {
		return s.at("send", 0, "on_unknown", "on_unknown %q: resend or hold", c.Send.OnUnknown)
	}
	return nil
}

func (c *config) checkMailOut(s source) error {
	if h := c.MailOut.Smarthost; h != "" {
		if !isAddress(h) {
			return s.at("mail_out", 0, "smarthost", "smarthost %q: write host:port, like 127.0.0.1:25", h)
		}
	}
	if !strings.Contains(c.MailOut.From, "@") {
		return s.at("mail_out", 0, "from", "from %q: write a mail address", c.MailOut.From)
	}
	if checkAddress(c.MailOut.Operator, false) != nil {
		return s.at("mail_out", 0, "operator", "operator %q: write a mail address, or leave it out", c.MailOut.Operator)
	}
	for _, to := range c.Inbox.Mail {
		if err := checkAddress(to, false); err != nil || to == "" {
			return s.at("inbox", 0, "mail", "mail %q: write addresses like anna@example.org", to)
		}
	}
	return c.MailOut.check(s)
}

// database is the path of the queue's file.
func (c config) database() string { return filepath.Join(c.DataDir, "cellpost.db") }

// controlSocket is where the operator's verbs find the daemon.
func (c config) controlSocket() string { return filepath.Join(c.DataDir, "control.sock") }

// rules are the decisions that the configuration makes.
func (c config) rules() *sms.Rules {
	r := &sms.Rules{
		UnknownWait:   time.Duration(c.Send.UnknownWait),
		EscalateAfter: time.Duration(c.Send.EscalateAfter),
		Resend:        c.Send.OnUnknown == "resend",
		PartsWait:     time.Duration(c.Inbox.PartsWait),
		CountryPrefix: c.CountryPrefix,
		InboundTo:     c.Inbox.Mail,
		Lease:         sms.LeaseDefault + time.Duration(c.Send.PromptTimeout+c.Send.ResultTimeout),
	}
	if !c.Modems.Discover {
		r.SIMs = c.sims()
	}
	for _, e := range c.Route {
		price := sms.DefaultPrice
		if e.Price != nil {
			price = sms.Credits(*e.Price*float64(sms.Credit) + 0.5)
		}
		r.Routes = append(r.Routes, sms.Route{Prefix: e.Prefix, Tiers: e.Tiers, Price: price})
	}
	r.PerSIM = c.perSIM()
	return r
}
