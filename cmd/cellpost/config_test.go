package main

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

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
	want := config{
		DataDir: "/var/lib/cellpost",
		SMTP: []smtpConfig{{Listen: ":2525", TLS: "off", Networks: []network{
			{netip.MustParsePrefix("127.0.0.0/8")}, {netip.MustParsePrefix("::1/128")},
		}}},
		MailOut: mailConfig{From: "sms@cellpost.local"},
		Modem: []modemEntry{
			{Name: "m0", Device: "/dev/ttyUSB0", SIM: "m0"},
			{Name: "m1", Device: "/dev/ttyUSB1", SIM: "blue"},
		},
		Send: sendConfig{
			PromptTimeout: duration(10 * time.Second), ResultTimeout: duration(90 * time.Second),
			UnknownWait: duration(30 * time.Second), EscalateAfter: duration(time.Minute), OnUnknown: "resend",
		},
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
	const route = modem + "[[route]]\nprefix = \"44\"\n"                 // five
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
		{"later table", "[ftp]\nlisten = \":2121\"", 1, "does not have it yet"},
		{"later key", modem + "usb = \"1-1.3\"", 4, "does not have it yet"},
		{"key twice", "data_dir = \"/a\"\ndata_dir = \"/b\"", 2, ""},

		{"no data_dir", "country_prefix = \"44\"\ndata_dir = \"\"", 2, "data_dir is empty"},
		{"long data_dir", "data_dir = \"/" + strings.Repeat("x", 94) + "\"", 1, "1 octets too long"},
		{"country_prefix with +", "country_prefix = \"+44\"", 1, "digits only"},
		{"country_prefix too long", "country_prefix = \"44770\"", 1, "digits only"},

		{"no listen", "[[smtp]]\ntls = \"off\"\n[[smtp]]\nlisten = \":25\"", 1, "write host:port"},
		{"listen without port", "[[smtp]]\nlisten = \":25\"\n[[smtp]]\nlisten = \"localhost\"", 4, "write host:port"},
		{"listen with an empty port", "[[smtp]]\nlisten = \"localhost:\"", 2, "write host:port"},
		{"port too high", "[[smtp]]\nlisten = \"localhost:65536\"", 2, "write host:port"},
		{"tls", "[[smtp]]\nlisten = \":25\"\ntls = \"ssl\"", 3, "off, starttls or implicit"},
		{"cert alone", "[[smtp]]\nlisten = \":25\"\ncert = \"/x\"", 3, "go together"},
		{"key alone", "[[smtp]]\nlisten = \":25\"\nkey = \"/x\"", 1, "go together"},
		{"network", "[[smtp]]\nlisten = \":25\"\nnetworks = [\"10.0.0.1\"]", 3, "write 192.168.1.0/24"},

		{"no name", modem + "[[modem]]\ndevice = \"/dev/ttyUSB1\"", 4, "no name"},
		{"no device", modem + "  [[modem]]   # the second\nname = \"b\"", 4, "modem b has no device"},
		{"name twice", modem + "[[ modem ]]\ndevice = \"/dev/ttyUSB1\"\nname = \"a\"", 6, "taken by modem number 1"},
		{"device twice", modem + "[[modem]]\nname = \"b\"\ndevice = \"/dev/ttyUSB0\"", 6, "is that of modem a"},
		{"SIM twice", modem + "[[modem]]\nname = \"b\"\ndevice = \"/dev/ttyUSB1\"\nsim = \"a\"", 7, "is in modem a"},
		{"profile", modem + "profile = \"huawei\"", 4, "auto"},
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
		SIMs: []string{"a"}, UnknownWait: 5 * time.Second, EscalateAfter: time.Minute,
	}
	if got := c.rules(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
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
