package profile

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOverride(t *testing.T) {
	t.Run("a correction", func(t *testing.T) {
		table := load(t, "[[profile]]\nname = 'sim7600'\nlike = 'sim7600'\nready_in = '2m'\nready = []\n")
		p := table.Match(Module{Model: "SIMCOM_SIM7600E-H"})
		if p.Name != "sim7600" || p.ReadyIn != 2*time.Minute || p.Ready != nil || p.CNMI[0] != "2,1,0,1,0" || p.Title == "sim7600" {
			t.Errorf("%+v", p)
		}
		child := table.Match(Module{Model: "A7670E-FASE"})
		if child.Name != "a76xx" || child.Ready != nil {
			t.Errorf("the family like it has not taken it over: %+v", child)
		}
		if !slices.Equal(table.Names(), load(t, "").Names()) {
			t.Errorf("another order: %q", table.Names())
		}
	})
	t.Run("a replacement", func(t *testing.T) {
		p, _ := load(t, "[[profile]]\nname = 'telit'\nmatch = { manufacturer = 'Telit' }\n").Named("telit")
		if p.Title != "telit" || p.Init != nil || p.Radio[0] != "+CFUN=0" {
			t.Errorf("kept something: %+v", p)
		}
	})
	t.Run("new ones, in order, before the others", func(t *testing.T) {
		table := load(t, "[[profile]]\nname = 'b'\nlike = 'a'\nmatch = { model = 'EC25-B' }\n"+
			"[[profile]]\nname = 'a'\nlike = 'quectel-ec25'\nmatch = { usb = ['2c7c:*'], model = 'EC25' }\nback = '1m'\n")
		if names := table.Names(); names[0] != "b" || names[1] != "a" {
			t.Errorf("%q", names)
		}
		for model, want := range map[string]string{"EC25-B": "b", "EC25": "a", "EC21": "quectel-ec25"} {
			p := table.Match(Module{"Quectel", model, "", ID{0x2c7c, 0x0125}})
			if p.Name != want || p.ReportMemory != "SR" {
				t.Errorf("%s is %s, want %s", model, p.Name, want)
			}
		}
		if p := table.Match(Module{"Quectel", "EC25", "", ID{0x1a86, 0x7523}}); p.Name != "quectel-ec25" {
			t.Errorf("on another USB device it is %s", p.Name)
		}
	})
	t.Run("generic", func(t *testing.T) {
		table := load(t, "[[profile]]\nname = 'generic'\nlike = 'generic'\nback = '10s'\n")
		if p := table.Match(Module{}); p.Name != generic || p.Back != 10*time.Second || p.Radio == nil {
			t.Errorf("%+v", p)
		}
	})
	t.Run("no slots", func(t *testing.T) {
		if p, _ := load(t, "[[profile]]\nname = 'fibocom'\nlike = 'fibocom'\nslots = {}\n").Named("fibocom"); p.Slots != nil {
			t.Errorf("%+v", p.Slots)
		}
	})
	t.Run("ports", func(t *testing.T) {
		table := load(t, "[[ports]]\nusb = ['12d1:1506', '1bc7:*']\ncommand = 7\ndelay = '5s'\n")
		for id, want := range map[ID]int{{0x12d1, 0x1506}: 7, {0x12d1, 0x1003}: -1, {0x1bc7, 0xffff}: 7, {0x1bc7, 0x1201}: 4} {
			if p, ok := table.Ports(id); !ok || p.Command != want {
				t.Errorf("Ports(%x) = %+v, want %d", id, p, want)
			}
		}
	})
}

// The operator's page names every profile and every key, and what it shows works.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/modems.md")
	if err != nil {
		t.Fatal(err)
	}
	want := load(t, "").Names()
	for _, s := range []any{entry{}, portsEntry{}} {
		for f := range reflect.TypeOf(s).Fields() {
			if key := f.Tag.Get("toml"); key != "-" && key != "known" {
				want = append(want, key)
			}
		}
	}
	for _, name := range want {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/modems.md lacks %s", name)
		}
	}
	blocks := strings.Split(string(page), "```toml\n")[1:]
	if len(blocks) < 2 {
		t.Errorf("%d examples", len(blocks))
	}
	for _, block := range blocks {
		example, _, _ := strings.Cut(block, "```")
		load(t, example)
	}
}

func TestLoadErrors(t *testing.T) {
	const head = "[[profile]]\nname = 'a'\nmatch = { model = 'x' }\n"
	for _, c := range []struct{ text, want string }{
		{"x", "mine.toml:1: "},
		{"\n[[profile]]\nname = 'a'\nnoize = ['X']\n", "mine.toml:4: unknown key profile.noize (docs/modems.md"},
		{"[[modem]]\n", "mine.toml:1: unknown key modem (docs"},
		{head + "init = 'ATZ'\n", "mine.toml:4: profile.init: cannot decode"},
		{head + "init = 5\n", "mine.toml:4: profile.init: cannot decode"},
		{head + "init = ['+CMEE=1',\n'ATZ']\n", `mine.toml:5: command "ATZ" begins with AT (leave`},
		{head + "init = ['at+cfun=1']\n", "mine.toml:4: command"},
		{head + `init = ["+CMGF=0\r"]` + "\n", "mine.toml:4: command \"+CMGF=0\\r\": holds something else"},
		{head + `radio = ["+CFUN=0\u001A"]` + "\n", "mine.toml:4: command"},
		{head + `restart = ["+CFUN=1\n"]` + "\n", "mine.toml:4: command"},
		{head + "restart = ['']\n", "mine.toml:4: command \"\": is empty (remove"},
		{head + "init = ['" + strings.Repeat("x", maxText+1) + "']\n", "mine.toml:4: command"},
		{head + "cnmi = ['2,1']\n", `mine.toml:4: cnmi "2,1" (write 3 to 5 digits`},
		{head + "cnmi = ['2,1,0,2,0,0']\n", "mine.toml:4: cnmi"},
		{head + "cnmi = ['2,1,0,2,x']\n", "mine.toml:4: cnmi"},
		{head + "cnmi = ['2,1,0,22,0']\n", "mine.toml:4: cnmi"},
		{head + "cnmi = ['2,,0']\n", "mine.toml:4: cnmi"},
		{head + "ready_in = '20'\n", `mine.toml:4: "20" is no time to wait here (write 20s`},
		{head + "ready_in = 20\n", `mine.toml:4: "20" is no time to wait here (write 20s`},
		{head + "back = '-1s'\n", "mine.toml:4: "},
		{head + "back = '1h'\n", "mine.toml:4: "},
		{head + "store = 'sim'\n", `mine.toml:4: memory "sim" (write SM, ME, MT, SR or TA)`},
		{head + "store = 'ZZ'\n", "mine.toml:4: memory"},
		{head + "store = 'SR'\n", "mine.toml:4: store of a is SR"},
		{head + "sweep = ['BM']\n", "mine.toml:4: memory"},
		{head + "sweep = ['SM', '']\n", "mine.toml:4: memory"},
		{head + "ussd = 'ascii'\n", `mine.toml:4: ussd "ascii" (write text,`},
		{head + "noise = ['X ']\n", "mine.toml:4: line \"X \": has blanks around it (remove"},
		{head + "noise = [' ']\n", "mine.toml:4: line"},
		{head + "noise = ['']\n", "mine.toml:4: line"},
		{head + "noise = [" + strings.Repeat("'+X', ", maxList+1) + "]\n", "mine.toml:4: noise of a has 101 entries (100 at most)"},
		{head + "ready = ['READY', 'READY FOR SMS']\nready_in = '5s'\n", `mine.toml:4: "READY" of ready is the beginning of "READY FOR SMS"`},
		{head + "ready = ['X', 'X']\nready_in = '5s'\n", "mine.toml:4: \"X\" of ready is"},
		{head + "ready = ['READY']\n", "mine.toml:4: profile a has ready, and does not wait for it (write ready_in"},
		{"[[profile]]\nname = 'telit'\nlike = 'telit'\nready = ['X']\nready_in = '0s'\n", "mine.toml:4: profile telit has ready"},
		{head + "like = 'telit'\nback = '0s'\n", "mine.toml:5: profile a is restarted, and not waited for (write back"},
		{head + "radio = ['+CFUN=1']\n", "mine.toml:4: radio of a has 1 commands (write two"},
		{head + "radio = ['+CFUN=0', '+CFUN=1', '+COPS=0']\n", "mine.toml:4: radio of a has 3"},
		{head + "flow = ['+CFUN=1,1']\n", "mine.toml:4: flow of a restarts the module at each start"},
		{head + "init = ['+CFUN=1,1']\n", "mine.toml:4: init of a restarts the module at each start"},
		{head + "init = ['#REBOOT']\nlike = 'telit'\n", "mine.toml:4: init of a restarts"},
		{"[[profile]]\nname = 'huawei'\nlike = 'huawei'\ninit = ['^RESET']\n", "mine.toml:4: init of huawei-me909 restarts"},
		{head + "init = ['D0123']\n", `mine.toml:4: command "D0123" makes or takes a call (remove it)`},
		{head + "init = ['+CMEE=1; +CMGS=20']\n", "mine.toml:4: command \"+CMEE=1; +CMGS=20\" sends a message"},
		{head + "init = ['+cpin=1234']\n", `mine.toml:4: command "+cpin=1234" gives a PIN, again and again (write pin`},
		{head + "init = ['Q1']\n", `mine.toml:4: command "Q1" makes the module mute`},
		{head + "init = ['+IPR=9600']\n", "mine.toml:4: command"},
		{head + "init = ['+CMEE=1 ']\n", "mine.toml:4: command \"+CMEE=1 \": has blanks"},
		{"[[profile]]\nname = 'a'\nmatch = { model = '' }\n", "mine.toml:3: an empty regular expression (leave"},
		{"[[profile]]\nname = 'a'\nmatch = { model = '.*', revision = 'x*' }\n", "mine.toml:3: profile a would be for every module"},
		{head + "title = ''\n", "mine.toml:4: \"\" (write a line of words"},
		{head + "title = \"a\\nb\"\n", "mine.toml:4: \"a\\nb\" (write a line"},
		{head + "index_base = 2\n", "mine.toml:4: index_base 2 (write 0 or 1)"},
		{head + "like = 'b'\n", `mine.toml:4: a is like "b", which is no profile (docs`},
		{head + "like = 'a'\n", `mine.toml:4: a is like "a", which is no profile`},
		{head + "like = 'b'\n[[profile]]\nname = 'b'\nlike = 'a'\nmatch = { model = 'y' }\n", "mine.toml:4: a is like itself"},
		{"[[profile]]\nname = 'a'\nmatch = { model = '(' }\n", "mine.toml:3: error parsing regexp: missing closing )"},
		{"[[profile]]\nname = 'a'\nmatch = { model = 'x{9}' }\n", "mine.toml:3: a regular expression with {"},
		{"[[profile]]\nname = 'a'\n[profile.match]\nusb = ['12d1']\n", `mine.toml:4: USB device "12d1" (write it as lsusb`},
		{"[[profile]]\nname = 'a'\nmatch = { usb = ['12d1:12g4'] }\n", "mine.toml:3: USB device"},
		{"[[profile]]\nname = 'a'\nmatch = { usb = ['0000:*'] }\n", "mine.toml:3: USB device"},
		{"[[profile]]\nname = 'a'\nmatch = { usb = ['+2d1:*'] }\n", "mine.toml:3: USB device"},
		{"[[profile]]\nname = 'a'\n", "mine.toml:1: profile a would be for every module"},
		{"[[profile]]\n\ntitle = 'a'\nname = 'A b'\n", `mine.toml:4: profile name "A b"`},
		{"\n[[profile]]\n", "mine.toml:2: profile name \"\""},
		{head + "\n[[profile]]\nname = 'a'\n", "mine.toml:6: there are two profiles \"a\" (rename one)"},
		{"[[profile]]\nname = 'generic'\nmatch = { model = 'x' }\n", "mine.toml:3: generic is for every module"},
		{head + "[[profile.known]]\nrevision = 'x'\nfault = 'bad'\n", "mine.toml:2: profile a has a known fault without its version or words"},
		{head + "[[profile.known]]\nfault = 'bad'\nstep = 'good'\n", "mine.toml:2: profile a has a known fault without its version"},
		{head + "[[profile.known]]\nrevision = 'x'\nfault = ' '\nstep = 'good'\n", "mine.toml:6: \" \" (write a line of words"},
		{head + "[[profile.known]]\nrevision = '('\n", "mine.toml:5: error parsing regexp"},
		{head + "slots = { select = ['+X=1'] }\n", "mine.toml:4: slots of a: 0 names and 1 commands"},
		{head + "slots = { names = ['1', '2'], select = ['+X=1', '+X=2'], query = '+X?', answer = 'x' }\n", "mine.toml:4: slots of a: query without"},
		{head + "slots = { settle = '5s' }\n", "mine.toml:4: slots of a: 0 names"},
		{head + "slots = { names = ['1', '1'], select = ['+X=1', '+X=2'] }\n", "mine.toml:4: slots of a: a name is empty or there twice"},
		{head + "slots = { names = ['1', '2'], select = ['+X=1', '+X=2'], answer = '(x)' }\n", "mine.toml:4: slots of a: answer without a query"},
		{"[[ports]]\nusb = ['1234:abcd']\n", "mine.toml:2: ports that say nothing"},
		{"[[ports]]\nusb = ['1234:abcd']\nclass = { protocol = '02' }\n", "mine.toml:3: a class that is missing or 00"},
		{"[[ports]]\nusb = ['1234:abcd']\ncommand = 2\nsecond = 2\n", "mine.toml:4: second is the interface of command"},
		{"[[ports]]\nusb = ['1234:abcd']\ncommand = 2\n[[ports]]\nusb = ['1234:0001', '1234:abcd']\ncommand = 3\n", "mine.toml:5: 1234:abcd has two lists of ports"},
		{"[[ports]]\ncommand = 1\n", "mine.toml:1: ports of no device"},
		{"[[ports]]\nusb = ['1234:abcd']\ncommand = 256\n", "mine.toml:2: ports with an interface out of 0 to 255"},
		{"[[ports]]\nusb = ['1234:abcd']\nignore = [-1]\n", "mine.toml:2: ports with an interface"},
		{"[[ports]]\nusb = ['1234:abcd']\ncommand = 1\nclass = { class = 'ff' }\n", "mine.toml:4: command, or class"},
		{"[[ports]]\nusb = ['1234:abcd']\nclass = { class = '0xff' }\n", `mine.toml:3: class "0xff" (write two`},
		{"[[ports]]\nusb = ['1234:abcd']\ncommand = 1\nignore = [1]\n", "mine.toml:4: an interface takes commands and is to be ignored"},
		{strings.Repeat("#", maxFile+1), "mine.toml: 262145 octets (keep"},
		{strings.Repeat("[[ports]]\n", maxEntries+1), "mine.toml: more than 500 entries"},
	} {
		table, err := Load("mine.toml", []byte(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%.150q: %v, want %s", c.text, err, c.want)
		}
		if table != nil {
			t.Errorf("%.150q: a table with an error", c.text)
		}
	}
}

// TestSwallowed: no line that is taken out of answers is one that the driver waits
// for, or the beginning of one.
func TestSwallowed(t *testing.T) {
	load := func(key, line string) error {
		text := "[[profile]]\nname = 'a'\nmatch = { model = 'x' }\nready_in = '5s'\n" + key + " = ['*READY', '" + line + "']\n"
		_, err := Load("mine.toml", []byte(text))
		return err
	}
	for _, key := range []string{"noise", "ready", "started", "full"} {
		for _, line := range []string{
			"OK", "ok", "O", "ERROR", "ERROR: 5", "COMMAND NOT", "+CMS", "+CMS ERROR:", "+CME ERROR: 10", "+cms error: 500", "CONNECT 9600", ">", "> ",
			"+", "+C", "+CMG", "+CMGS", "+CMGS:", "+cmgs: 1", "+CMGL: 1", "+CMGR", "+CPMS:", "+CNMI", "+CSCA: ", "+CGSN", "+CIMI", "+COPS",
			"+CMT", "+CMT:", "+CDS: 25", "+CDS:", "+CBM", "+CUSD", "+CUSD: 2", "AT", "at+x", "ATREADY", "0", "4", "07", "0791", "BAD", "dead",
		} {
			err := load(key, line)
			if err == nil || !strings.HasPrefix(err.Error(), "mine.toml:5: line ") || !strings.Contains(err.Error(), "(") {
				t.Errorf("%s = %q: %v", key, line, err)
			}
		}
		for _, line := range []string{"+CMTIX", "+CDSX", "+CMGSX", "+ACMERSSI", "^BOOT", "*ATREADY: 1", "+AT: READY", "BOOT", "+CUSATP", "+QIND: \"csq\"", "OVER-VOLTAGE"} {
			if err := load(key, line); err != nil {
				t.Errorf("%s = %q: %v", key, line, err)
			}
		}
	}
	for _, line := range []string{"RING", "+CREG", "+creg: 1", "+CMTI", "+CMTI:", "NO CARRIER", "+CLIP", "NO"} {
		for _, key := range []string{"ready", "started"} {
			if err := load(key, line); err == nil || !strings.Contains(err.Error(), "every day's work") {
				t.Errorf("%s = %q: %v", key, line, err)
			}
		}
		for _, key := range []string{"noise", "full"} {
			if err := load(key, line); err != nil {
				t.Errorf("%s = %q: %v", key, line, err)
			}
		}
	}
}

// Whatever an operator writes gives an error that names the file, or a table in
// which every module has a profile and every profile can be used.
func FuzzLoad(f *testing.F) {
	f.Add("")
	f.Add("[[profile]]\nname = 'sim7600'\nlike = 'sim7600'\nready_in = '2m'\n")
	f.Add("[[profile]]\nname = 'a'\nlike = 'quectel'\nmatch = { usb = ['2c7c:*'], model = '(?i)x' }\nslots = { names = ['1', '2'], select = ['+X=1', '+X=2'] }\n[[profile.known]]\nrevision = 'x'\nfault = 'f'\nstep = 's'\n")
	f.Add("[[profile]]\nname = 'huawei'\nlike = 'huawei'\ninit = ['^RESET']\nback = '0s'\n")
	f.Add("[[ports]]\nusb = ['1234:*']\nclass = { class = 'ff', protocol = '02' }\nalso = [{ class = '02' }]\nignore = [1, 2]\ndelay = '5s'\n")
	f.Add("profile = [{ name = 'a' }]\n")
	base, err := parse(builtInFile, builtIn)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		over, err := parse("mine.toml", []byte(text))
		var table *Table
		if err == nil {
			table, err = join(base, over)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "mine.toml:") {
				t.Errorf("%v", err)
			}
			return
		}
		names := table.Names()
		if names[len(names)-1] != generic || table.Match(Module{}).Name == "" {
			t.Fatalf("no generic profile at the end: %q", names)
		}
		for _, name := range names {
			p, ok := table.Named(name)
			if !ok || p.Name != name || name != generic && p.Match.empty() || p.IndexBase>>1 != 0 {
				t.Errorf("%q: %+v, %t", name, p, ok)
			}
			for _, cmd := range slices.Concat(p.Init, p.Flow, p.Radio, p.Restart) {
				if cmd == "" || strings.ContainsAny(cmd, "\r\n\x1a") || strings.HasPrefix(strings.ToUpper(cmd), "AT") {
					t.Errorf("%q: command %q", name, cmd)
				}
			}
			if n := len(p.Radio); n != 0 && n != 2 || len(p.Ready) > 0 && p.ReadyIn == 0 {
				t.Errorf("%q: radio %q, ready %q in %v", name, p.Radio, p.Ready, p.ReadyIn)
			}
			if s := p.Slots; s != nil && len(s.Names) != len(s.Select) {
				t.Errorf("%q: %+v", name, s)
			}
		}
	})
}
