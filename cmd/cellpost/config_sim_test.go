package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"cellpost/sms"
)

const twoSIMs = "[[modem]]\nname = \"m0\"\ndevice = \"/dev/ttyUSB0\"\nsim = \"a\"\n[[modem]]\nname = \"b\"\ndevice = \"/dev/ttyUSB1\"\n" // seven lines

func TestSIMConfig(t *testing.T) {
	c, err := loadConfig(write(t, "time_zone = \"Europe/London\"\n"+twoSIMs+`
[[sim]]
name = "a"
allow = ["44", "60999"]
deny = ["4470"]
per_minute = 8
per_hour = 200
per_day = 1000
per_month = 5000
quota_day = 15
gap = "2s"
jitter = "500ms"
hours = "22:30-06:00"
days = ["mon", "sun"]
[[sim]]
name = "b"
deny = [""]
hours = "00:00-24:00"
`))
	if err != nil {
		t.Fatal(err)
	}
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]sms.SIM{
		"a": {Allow: []string{"44", "60999"}, Deny: []string{"4470"}, Limits: sms.Limits{
			PerMinute: 8, PerHour: 200, PerDay: 1000, PerMonth: 5000, QuotaDay: 15, Gap: 2 * time.Second, Jitter: 500 * time.Millisecond,
			Hours: sms.Hours{From: 22*time.Hour + 30*time.Minute, Until: 6 * time.Hour, Days: []time.Weekday{time.Monday, time.Sunday}}, Zone: london,
		}},
		"b": {Deny: []string{""}, Limits: sms.Limits{Zone: london}},
	}
	if got := c.rules().PerSIM; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTimeZone(t *testing.T) {
	for text, want := range map[string]*time.Location{"": time.Local, "UTC": time.UTC} {
		c := config{TimeZone: text}
		if got := c.zone(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestDiscoveredSIM(t *testing.T) {
	for _, name := range []string{"490154203237518", "490154203237518@1-2", "490154203237518-4711", "a"} {
		if _, err := loadConfig(write(t, "[modems]\ndiscover = true\n"+twoSIMs+"[[sim]]\nname = \""+name+"\"\n")); err != nil {
			t.Error(err)
		}
	}
}

// TestMakeshiftSIM: a SIM that is in the place of another may have limits.
func TestMakeshiftSIM(t *testing.T) {
	for name, known := range map[string]bool{"a-4711": true, "a-4711-1": true, "a-47": false, "c-4711": false, "a-x": false} {
		if _, err := loadConfig(write(t, twoSIMs+"[[sim]]\nname = \""+name+"\"\n")); (err == nil) != known {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSIMFaults(t *testing.T) {
	const sim = twoSIMs + "[[sim]]\nname = \"a\"\n" // nine lines
	lists := ""                                     // of many SIMs, each of its own
	for i := range 10 {
		lists += fmt.Sprintf("[[modem]]\nname = \"m%d\"\ndevice = \"/dev/m%d\"\n[[sim]]\nname = \"m%d\"\ndeny = [", i, i, i)
		for j := range 100 {
			if j>>i&1 == 1 {
				lists += fmt.Sprintf("\"44%03d\", ", j)
			}
		}
		lists += "]\n"
	}
	for _, c := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"time zone", "time_zone = \"Londinium\"", 1, "write it like Europe/London"},
		{"no name", twoSIMs + "[[sim]]\nper_day = 5", 8, "this SIM has no name"},
		{"the name of a modem whose SIM has another", twoSIMs + "[[sim]]\nname = \"m0\"", 9, "no modem has a SIM named \"m0\""},
		{"misspelt, with discovery", "[modems]\ndiscover = true\n[[sim]]\nname = \"sim-a\"", 4, "has the name of its IMEI"},
		{"twice", sim + "[[sim]]\nname = \"a\"", 11, "has limits in [[sim]] number 1"},
		{"unknown key", sim + "per_year = 5", 10, "unknown key sim.per_year"},
		{"allow with +", sim + "allow = [\"44\", \"+44\"]", 10, "allow \"+44\": digits only"},
		{"deny too long", sim + "deny = [\"1234567890123456\"]", 10, "digits only"},
		{"too many", sim + "deny = [" + strings.Repeat("\"1\",", 201) + "]", 10, "up to 200 prefixes"},
		{"in both", sim + "allow = [\"44\"]\ndeny = [\"44\"]", 11, "\"44\" is in allow and in deny"},
		{"zero", sim + "per_day = 0", 10, "per_day: 1 to 10000000; leave it out"},
		{"below zero", sim + "per_minute = -1", 10, "per_minute: 1 to"},
		{"too large", sim + "per_month = 99999999999", 10, ""},
		{"text", sim + "per_hour = \"5\"", 10, "sim.per_hour: cannot decode TOML string here"},
		{"quota day", sim + "quota_day = 32", 10, "quota_day: 1 to 31"},
		{"gap without unit", sim + "gap = 2", 10, "gap: write it with its unit"},
		{"gap of words", sim + "gap = \"long\"", 10, "is no duration"},
		{"gap below zero", sim + "gap = \"-2s\"", 10, "is no duration"},
		{"long gap", sim + "gap = \"61m\"", 10, "set per_hour or per_day"},
		{"long jitter", sim + "jitter = \"2h\"", 10, "jitter: up to 1h"},
		{"hours", sim + "hours = \"8-20\"", 10, "write 08:00-20:00"},
		{"hours that there are not", sim + "hours = \"08:00-24:30\"", 10, "write 08:00-20:00"},
		{"no hours", sim + "hours = \"08:00-08:00\"", 10, "begin when they end"},
		{"days", sim + "days = [\"mon\", \"tuesday\"]", 10, "mon, tue, wed"},
		{"nobody left in a route", sim + "allow = [\"44\"]\n[[route]]\ntiers = [[\"a\", \"b\"]]\n[[route]]\nprefix = \"49\"\ntiers = [[\"a\"]]", 15, "none of these SIMs may send"},
		{"too many kinds of numbers", lists, 1 + 6*9 + 3, "kinds by the SIMs that may send to them, and 64 are the most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := loadConfig(write(t, c.text))
			fault, ok := errors.AsType[*configError](err)
			if !ok {
				t.Fatalf("error %v, want a configError", err)
			}
			if fault.line != c.line || !strings.Contains(fault.text, c.want) {
				t.Errorf("%v, want line %d with %q", err, c.line, c.want)
			}
		})
	}
}

// TestRoutesPage: what docs/routes.md has people write is understood.
func TestRoutesPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/routes.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```toml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 4 {
		t.Fatalf("%d configurations", len(blocks))
	}
	const modems = "[[modem]]\nname = \"sim-a\"\ndevice = \"/dev/a\"\n[[modem]]\nname = \"sim-b\"\ndevice = \"/dev/b\"\n[[modem]]\nname = \"sim-c\"\ndevice = \"/dev/c\"\n"
	for _, b := range blocks {
		if _, err := loadConfig(write(t, b[1]+modems)); err != nil {
			t.Errorf("%v in\n%s", err, b[1])
		}
	}
}
