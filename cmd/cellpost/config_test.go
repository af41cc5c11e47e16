package main

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cellpost/modem"
	"cellpost/modem/at"
	"cellpost/sms"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cellpost.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestDefaults(t *testing.T) {
	c, err := loadConfig(write(t, `
[[smtp]]
listen = ":2525"
[[modem]]
name = "m0"
device = "/dev/ttyUSB0"
[[modem]]
name = "m1"
device = "/dev/ttyUSB1"
sim = "blue"
[send]
result_timeout = "90s"
`))
	if err != nil {
		t.Fatal(err)
	}
	inClear := true
	want := config{
		DataDir: "/var/lib/cellpost",
		Blocked: []string{},
		MailIn:  mailInConfig{TextEnds: []string{}},
		SMTP: []smtpConfig{{
			Listen: ":2525", TLS: "off", ClearAuth: &inClear,
			Networks:       []network{{netip.MustParsePrefix("127.0.0.0/8")}, {netip.MustParsePrefix("::1/128")}},
			MaxConnections: 512, MaxRecipients: 100, IdleTimeout: duration(5 * time.Minute), MailTimeout: duration(10 * time.Minute),
		}},
		MailOut: mailConfig{From: "sms@cellpost.local", TLS: "off", DelayAfter: duration(4 * time.Hour)},
		Modem: []modemEntry{
			{Name: "m0", Device: "/dev/ttyUSB0", Baud: 115200, Flow: "none", SIM: "m0", SlotHold: duration(30 * time.Minute)},
			{Name: "m1", Device: "/dev/ttyUSB1", Baud: 115200, Flow: "none", SIM: "blue", SlotHold: duration(30 * time.Minute)},
		},
		Send: sendConfig{
			PromptTimeout: duration(10 * time.Second), ResultTimeout: duration(90 * time.Second),
			UnknownWait: duration(30 * time.Second), EscalateAfter: duration(time.Minute), OnUnknown: "resend",
		},
		Inbox:   inboxConfig{PartsWait: duration(10 * time.Minute)},
		Store:   storeConfig{Snapshot: pause(time.Hour)},
		Clock:   clockConfig{Trust: "auto"},
		History: history{Keep: defaultKeep},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if got := c.database(); got != "/var/lib/cellpost/cellpost.db" {
		t.Errorf("database %s", got)
	}
}

// TestConfigFaults: the line that an error names is the one to change.
func TestConfigFaults(t *testing.T) {
	const modem = "[[modem]]\nname = \"a\"\ndevice = \"/dev/ttyUSB0\"\n" // three lines
	const mux = "[[board.slot]]\nname = \"left\"\nmodem = \"a\"\nsim_select = [\"GPIO22\"]\n"
	const route = modem + "[[route]]\nprefix = \"44\"\n" // five
	for _, c := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"syntax", "data_dir = ", 1, ""},
		{"wrong type", "country_prefix = 44", 1, "country_prefix: cannot decode TOML integer here (see the README"},
		{"unknown key", "# a comment\n\ncolour = 1", 3, "unknown key colour (see the README"},
		{"unknown table", "[sned]\n", 1, "unknown key sned"},
		{"unknown key in a table", "[send]\nprompt = \"1s\"", 2, "unknown key send.prompt"},
		{"later table, a", "[http]\nlisten = \":80\"", 1, "does not have it yet"},
		{"later table", "[ftp]\nlisten = \":2121\"", 1, "does not have it yet"},
		{"key twice", "data_dir = \"/a\"\ndata_dir = \"/b\"", 2, ""},

		{"no data_dir", "country_prefix = \"44\"\ndata_dir = \"\"", 2, "data_dir is empty"},
		{"long data_dir", "data_dir = \"/" + strings.Repeat("x", 94) + "\"", 1, "1 octets too long"},
		{"country_prefix with +", "country_prefix = \"+44\"", 1, "digits only"},
		{"clock", "[clock]\ntrust = \"never\"", 2, "auto or always"},
		{"blocked with +", "country_prefix = \"44\"\nblocked = [\"4490\", \"+44\"]", 2, "blocked \"+44\""},
		{"blocked, all of them", "blocked = [\"\"]", 1, "blocked \"\""},
		{"country_prefix too long", "country_prefix = \"44770\"", 1, "digits only"},

		{"no listen", "[[smtp]]\ntls = \"off\"\n[[smtp]]\nlisten = \":25\"", 1, "write host:port"},
		{"listen without port", "[[smtp]]\nlisten = \":25\"\n[[smtp]]\nlisten = \"localhost\"", 4, "write host:port"},
		{"listen with an empty port", "[[smtp]]\nlisten = \"localhost:\"", 2, "write host:port"},
		{"port too high", "[[smtp]]\nlisten = \"localhost:65536\"", 2, "write host:port"},
		{"tls", "[[smtp]]\nlisten = \":25\"\ntls = \"ssl\"", 3, "off, starttls or implicit"},
		{"cert alone", "[[smtp]]\nlisten = \":25\"\ncert = \"/x\"", 3, "go together"},
		{"key alone", "[[smtp]]\nlisten = \":25\"\nkey = \"/x\"", 1, "go together"},
		{"legacy with TLS", "[[smtp]]\nlisten = \":25\"\ntls = \"starttls\"\nlegacy = true", 4, "legacy goes with tls = \"off\""},
		{"nobody can log in", "[[smtp]]\nlisten = \":25\"\nrequire_auth = true\nauth_without_tls = false", 4, "nobody can log in here"},
		{"connections", "[[smtp]]\nlisten = \":25\"\nmax_connections = -1", 3, "1 or more"},
		{"rate", "[[smtp]]\nlisten = \":25\"\nmails_per_minute = -1", 3, "0 or more"},
		{"idle", "[[smtp]]\nlisten = \":25\"\nidle_timeout = \"5ms\"", 3, "with its unit"},
		{"network", "[[smtp]]\nlisten = \":25\"\nnetworks = [\"10.0.0.1\"]", 3, "write 192.168.1.0/24"},

		{"no name", modem + "[[modem]]\ndevice = \"/dev/ttyUSB1\"", 4, "no name"},
		{"name of dots", "[[modem]]\ndevice = \"/dev/ttyUSB1\"\nname = \"..\"", 3, "name \"..\": choose one without"},
		{"name with a slash", "[[modem]]\nname = \"a/b\"\ndevice = \"/dev/ttyUSB1\"", 2, "name \"a/b\": choose one without"},
		{"name with a control character", "[[modem]]\nname = \"a\\u001Bb\"", 2, "choose one without"},
		{"baud", modem + "baud = 9601", 4, "baud 9601: one of 9600 19200 "},
		{"baud below zero", modem + "baud = -9600", 4, "one of 9600"},
		{"baud without device", "[[modem]]\nname = \"a\"\nusb = \"1-1.3\"\nbaud = 9600", 4, "write device instead"},
		{"flow", modem + "flow = \"xonxoff\"", 4, "none, or rtscts where the cable has"},
		{"no device", modem + "  [[modem]]   # the second\nname = \"b\"", 4, "modem b has no device"},
		{"name twice", modem + "[[ modem ]]\ndevice = \"/dev/ttyUSB1\"\nname = \"a\"", 6, "taken by modem number 1"},
		{"device twice", modem + "[[modem]]\nname = \"b\"\ndevice = \"/dev/ttyUSB0\"", 6, "is that of modem a"},
		{"SIM twice", modem + "[[modem]]\nname = \"b\"\ndevice = \"/dev/ttyUSB1\"\nsim = \"a\"", 7, "is in modem a"},
		{"profile", modem + "profile = \"nokia\"", 4, "profile \"nokia\": auto, or one of "},
		{"profiles that are not there", "[modems]\nprofiles = \"/nonexistent/p.toml\"", 2, "profiles: open /nonexistent/p.toml: no such file"},
		{"unknown key of all modems", "[modems]\ndiscovery = true", 2, "unknown key modems.discovery"},

		{"device and usb", modem + "usb = \"1-1.3\"", 4, "modem a has device and usb: one of them"},
		{"imei and usb", "[[modem]]\nname = \"a\"\nusb = \"1-1.3\"\nimei = \"490154203237518\"", 3, "modem a has imei and usb: one of them"},
		{"short imei", "[[modem]]\nname = \"a\"\nimei = \"4901542032375\"", 3, "15 digits"},
		{"imei of letters", "[[modem]]\nname = \"a\"\nimei = \"49015420323751x\"", 3, "15 digits"},
		{"imei twice", "[[modem]]\nname = \"a\"\nimei = \"490154203237518\"\n[[modem]]\nname = \"b\"\nimei = \"4901542032375123\"", 6, "is that of modem a"},
		{"usb", "[[modem]]\nname = \"a\"\nusb = \"/dev/ttyUSB0\"", 3, "like 1-1.3"},
		{"usb twice", "[[modem]]\nname = \"a\"\nusb = \"1-1.3\"\n[[modem]]\nname = \"b\"\nusb = \"1-1.3\"", 6, "is that of modem a"},
		{"slot_hold without unit", modem + "slot_hold = 30", 4, "slot_hold: write it with its unit"},
		{"smsc", modem + "smsc = \"447785016005\"", 4, "like +447785016005"},

		{"slot without sim", modem + "[[modem.slot]]\npin = \"1234\"", 4, "slot 2 of modem a has no sim"},
		{"SIM of a slot twice", modem + "[[modem.slot]]\nsim = \"b\"\n[[modem]]\nname = \"b\"\ndevice = \"/dev/ttyUSB1\"", 6, "SIM \"b\" is in modem a"},
		{"slot of the second modem", modem + "[[modem.slot]]\nsim = \"x\"\n[[modem]]\nname = \"b\"\ndevice = \"/dev/ttyUSB1\"\n[[modem.slot]]\nsim = \"y\"\npin = \"1\"", 11, "four to eight digits"},
		{"msisdn of a slot", modem + "[[modem.slot]]\nsim = \"b\"\nmsisdn = \"0770\"\n[[modem.slot]]\nsim = \"c\"\nmsisdn = \"+44\"", 9, "digits only"},
		{"slot of a profile without", modem + "profile = \"sim7600\"\n[[modem.slot]]\nsim = \"b\"", 6, "slot 2 of modem a: profile \"sim7600\" has no commands for SIM slots: take this slot out, or write sim_select"},
		{"third slot of a profile with two", modem + "profile = \"sim8200\"\n[[modem.slot]]\nsim = \"b\"\n[[modem.slot]]\nsim = \"c\"", 8, "profile \"sim8200\" has commands for 2 SIM slots"},
		{"third slot of a multiplexer with one line", modem + "[[modem.slot]]\nsim = \"b\"\n[[modem.slot]]\nsim = \"c\"\n" + mux, 7, "sim_select in its [[board.slot]] chooses among 2 SIMs: write a further line"},
		{"multiplexer and a radio that stays on", modem + "profile = \"siemens-tc35\"\n[[modem.slot]]\nsim = \"b\"\n" + mux, 6, "the radio of profile \"siemens-tc35\" is not switched"},
		{"unknown key of a slot", modem + "[[modem.slot]]\ndevice = \"/dev/ttyUSB1\"", 5, "unknown key modem.slot.device"},

		{"board", "[board]\ntype = \"abacus\"", 2, "board type \"abacus\""},
		{"slot of the board", modem + "[[board.slot]]\nname = \"left\"\nusb = \"tty\"", 6, "no port"},
		{"slot of the board without a modem", modem + "[[board.slot]]\nname = \"left\"\nusb = \"1-1\"\nmodem = \"b\"", 7, "no modem is named \"b\""},
		{"msisdn", modem + "msisdn = \"+447700900001\"", 4, "digits only"},
		{"pin of letters", modem + "pin = \"abcd\"", 4, "four to eight digits"},
		{"short pin", modem + "pin = \"123\"", 4, "four to eight digits"},
		{"long pin", modem + "pin = \"123456789\"", 4, "four to eight digits"},

		{"prefix", modem + "[[route]]\nprefix = \"+44\"\ntiers = [[\"a\"]]", 5, "digits only"},
		{"prefix twice", route + "tiers = [[\"a\"]]\n[[route]]\nprefix = \"44\"\ntiers = [[\"a\"]]", 8, "has a route already"},
		{"no tiers", route, 4, "has no tiers"},
		{"empty tier", route + "tiers = [[\"a\"], []]", 6, "a tier is empty"},
		{"SIM of no modem", route + "tiers = [\n [\"a\"],\n [\"b\"] ]", 6, "no modem has a SIM named \"b\""},
		{"price below zero", route + "tiers = [\n[\"a\"]\n]\nprice = -0.5", 9, "0 to 1000000"},
		{"price too high", route + "tiers = [[\"a\"]]\nprice = 1e7", 7, "0 to 1000000"},
		{"price is no number", route + "tiers = [[\"a\"]]\nprice = nan", 7, "0 to 1000000"},

		{"duration without unit", "[send]\nunknown_wait = \"30\"", 2, "write 10s, 1m30s or 500ms"},
		{"duration of zero", "[send]\nescalate_after = \"0s\"", 2, "write 10s, 1m30s or 500ms"},
		{"duration below zero", "[send]\nescalate_after = \"-1s\"", 2, "write 10s, 1m30s or 500ms"},
		{"duration that is a number", "[send]\nprompt_timeout = 10", 2, "write it with its unit"},
		{"on_unknown", "[send]\non_unknown = \"drop\"", 2, "resend or hold"},

		{"smarthost without port", "[mail_out]\nsmarthost = \"mail.example.com\"", 2, "write host:port"},
		{"from", "[mail_out]\nfrom = \"cellpost\"", 2, "write a mail address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := write(t, c.text)
			_, err := loadConfig(file)
			fault, ok := errors.AsType[*configError](err)
			if !ok {
				t.Fatalf("error %v, want a configError", err)
			}
			if fault.file != file || fault.line != c.line || !strings.Contains(fault.text, c.want) {
				t.Errorf("%v, want line %d with %q", err, c.line, c.want)
			}
		})
	}
}

func TestNoConfig(t *testing.T) {
	_, err := loadConfig(filepath.Join(t.TempDir(), "none.toml"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "--config") {
		t.Errorf("error %v", err)
	}
}

func TestRules(t *testing.T) {
	c, err := loadConfig(write(t, `
[[modem]]
name = "a"
device = "/dev/ttyUSB0"
[[route]]
prefix = "44"
tiers = [["a"]]
[[route]]
prefix = "49"
tiers = [["a"]]
price = 0.7
[[route]]
tiers = [["a"]]
price = 0
[send]
unknown_wait = "5s"
on_unknown = "hold"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &sms.Rules{
		Routes: []sms.Route{
			{Prefix: "44", Tiers: [][]string{{"a"}}, Price: sms.Credit},
			{Prefix: "49", Tiers: [][]string{{"a"}}, Price: 700_000},
			{Tiers: [][]string{{"a"}}},
		},
		SIMs: []string{"a"}, UnknownWait: 5 * time.Second, EscalateAfter: time.Minute, PartsWait: 10 * time.Minute,
		Lease: 11*time.Minute + 10*time.Second,
	}
	if got := c.rules(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestSIMs: a SIM in a second slot is a SIM like others; what is discovered is not
// known beforehand, so that no SIM counts as the only one.
func TestSIMs(t *testing.T) {
	const modem = "[[modem]]\nname = \"a\"\ndevice = \"/dev/ttyUSB0\"\n"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"one", modem, []string{"a"}},
		{"two slots", modem + "[[modem.slot]]\nsim = \"b\"\n[[route]]\ntiers = [[\"a\"], [\"b\"]]", []string{"a", "b"}},
		{"discovered", "[modems]\ndiscover = true\n" + modem + "[[route]]\ntiers = [[\"a\"], [\"490154203237518\"]]", nil},
	} {
		conf, err := loadConfig(write(t, c.text))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := conf.rules().SIMs; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestSlots: SIM slots that a module may choose are taken as they are.
func TestSlots(t *testing.T) {
	const modem = "[[modem]]\nname = \"a\"\ndevice = \"/dev/ttyUSB0\"\n"
	const slots = "[[modem.slot]]\nsim = \"b\"\n"
	for _, text := range []string{
		modem + slots, modem + "profile = \"auto\"\n" + slots, modem + "profile = \"sim8200\"\n" + slots,
		modem + "profile = \"sim7600\"\n" + slots + "[[board.slot]]\nname = \"left\"\nmodem = \"a\"\nsim_select = [\"GPIO22\"]\n",
	} {
		if _, err := loadConfig(write(t, text)); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
}

func TestModemConfig(t *testing.T) {
	c, err := loadConfig(write(t, `
data_dir = "/data"
[[modem]]
name = "a b"
device = "/dev/ttyS0"
baud = 9600
flow = "rtscts"
pin = "1234"
smsc = "+447785016005"
reject_calls = true
slot_hold = "5m"
[[modem.slot]]
sim = "second"
pin = "5678"
msisdn = "447700900002"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := modem.Config{
		Name: "a b", Device: "/dev/ttyS0", Mode: at.Mode{Baud: 9600, RTSCTS: true},
		SIM: "a b", PIN: "1234", SMSC: "+447785016005", RejectCalls: true,
		Slots:    []modem.Slot{{SIM: "second", PIN: "5678", MSISDN: "447700900002"}},
		SlotHold: 5 * time.Minute, PromptTimeout: 10 * time.Second, ResultTimeout: time.Minute,
	}
	if got := c.modem(c.Modem[0], nil); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestCheckDigit(t *testing.T) {
	for imei, want := range map[string]bool{
		"490154203237518": true, "490154203237517": false, "49015420323751": true, "4901542032375112": true, "": true,
	} {
		if got := checkDigit(imei); got != want {
			t.Errorf("%s: %t", imei, got)
		}
	}
}

// TestPortNotes: two ways to one port are told, and what is none.
func TestPortNotes(t *testing.T) {
	dir := t.TempDir()
	byID := filepath.Join(dir, "by-id")
	if err := errors.Join(os.Symlink("/dev/full", byID), os.Symlink("nowhere", filepath.Join(dir, "gone"))); err != nil {
		t.Fatal(err)
	}
	c := config{Modems: modemsConfig{Sys: dir}, Modem: []modemEntry{
		{Name: "a", Device: "/dev/full"}, {Name: "b", Device: byID}, {Name: "c", USB: "1-1"}, {Name: "d", IMEI: "490154203237518"},
		{Name: "e", Device: dir}, {Name: "f", Device: filepath.Join(dir, "gone")}, {Name: "g", Device: filepath.Join(dir, "nowhere")},
	}}
	want := []string{
		"modem b: device " + byID + " leads to /dev/full, as that of modem a does: take one of the two out, or correct device",
		"modem e: device " + dir + " is no serial port: correct device",
	}
	if got := c.portNotes(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestSuspendedNote(t *testing.T) {
	c := config{DataDir: t.TempDir()}
	for _, on := range []bool{false, true, true, false, false} {
		if err := c.setSuspended("../m 0", on); err != nil || c.suspended("../m 0") != on {
			t.Errorf("%t: %v", on, err)
		}
	}
}

// TestReadme: the configurations of the README are valid, and the values that it
// calls defaults are those of a file that leaves them out.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []config
	for _, m := range regexp.MustCompile("(?ms)^( *)```toml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		c, err := loadConfig(write(t, m[2]))
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, c)
	}
	if len(blocks) != 2 {
		t.Fatalf("%d configurations, want an example and the one with every key", len(blocks))
	}
	bare, err := loadConfig(write(t, `
[[smtp]]
listen = "127.0.0.1:2525"
domains = ["*"]
[[modem]]
name = "m0"
device = "/dev/ttyUSB2"
profile = "auto"
[board]
type = "auto"
[[route]]
prefix = "44"
tiers = [["m0"]]
price = 1.0
`))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(blocks[1], bare) {
		t.Errorf("documented %+v\ndefaults   %+v", blocks[1], bare)
	}
}

// TestReadmeCommands: what the README has people type is understood.
func TestReadmeCommands(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	word := regexp.MustCompile(`'[^']*'|\S+`)
	commands := regexp.MustCompile("(?m)^cellpost [^\\[|\n]+$|`cellpost [^`]+`").FindAllString(string(text), -1)
	if len(commands) < 12 {
		t.Errorf("only %d commands: %q", len(commands), commands)
	}
	for _, command := range commands {
		command, _, _ = strings.Cut(strings.Trim(command, "`"), "  #")
		var args []string
		for _, w := range word.FindAllString(command, -1)[1:] {
			args = append(args, strings.Trim(w, "'"))
		}
		parser, err := newParser(streams{strings.NewReader(""), io.Discard, io.Discard}, func(int) {})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
}
