package profile

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"
)

func load(t testing.TB, override string) *Table {
	t.Helper()
	table, err := Load("mine.toml", []byte(override))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// module is a file of testdata/modules: what a real module says of itself. What
// its source does not tell is empty, or assumed after others of the make.
type module struct {
	Source  string `toml:"source"`
	Assumed string `toml:"assumed"`
	Profile string `toml:"profile"`
	Fault   string `toml:"fault"` // part of the one that is known of the revision; none: empty

	Manufacturer string `toml:"manufacturer"`
	Model        string `toml:"model"`
	Revision     string `toml:"revision"`
	USB          device `toml:"usb"`
}

func TestModules(t *testing.T) {
	table := load(t, "")
	files, err := filepath.Glob("testdata/modules/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	reached, seen := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var m module
		if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&m); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if m.Source == "" {
			t.Errorf("%s names no source", file)
		}
		p := table.Match(Module{m.Manufacturer, m.Model, m.Revision, m.USB.ID})
		got := p.Name
		if got != m.Profile {
			t.Errorf("%s is %s, want %s", file, got, m.Profile)
		}
		reached[got] = true
		faults := p.KnownFaults(m.Revision)
		if m.Fault == "" && faults != nil || m.Fault != "" && (len(faults) != 1 || !strings.Contains(faults[0].Fault, m.Fault)) {
			t.Errorf("%s has the faults %+v, want %q", file, faults, m.Fault)
		}
		for _, k := range faults {
			seen[k.Revision.String()] = true
		}
	}
	for _, name := range table.Names() {
		p, _ := table.Named(name)
		for _, k := range p.Known {
			if !seen[k.Revision.String()] {
				t.Errorf("no module has the fault of %s %q: testdata/modules lacks it", name, k.Revision)
			}
		}
	}
	for _, name := range table.Names() {
		if !reached[name] {
			t.Errorf("no module reaches %s: one above hides it, or testdata/modules lacks it", name)
		}
	}
}

func TestBuiltIn(t *testing.T) {
	table := load(t, "")
	names := table.Names()
	if len(names) < 28 || names[len(names)-1] != generic {
		t.Errorf("%d families, the last is %s", len(names), names[len(names)-1])
	}
	for _, name := range names {
		p, ok := table.Named(name)
		if !ok || p.Name != name || p.Title == "" {
			t.Errorf("Named(%q) = %+v, %t", name, p, ok)
		}
		if p.Back == 0 || len(p.Ready) > 0 && p.ReadyIn == 0 {
			t.Errorf("%s: Back %s, Ready %q in %s", name, p.Back, p.Ready, p.ReadyIn)
		}
		// A stick that comes back as a CD-ROM is lost until somebody pulls it out.
		if (strings.HasPrefix(name, "huawei") || strings.HasPrefix(name, "zte") || name == generic) &&
			slices.ContainsFunc(p.Restart, func(c string) bool { return strings.HasPrefix(c, "+CFUN") }) {
			t.Errorf("%s is restarted by %q", name, p.Restart)
		}
	}
	if _, ok := table.Named("nobody"); ok {
		t.Error("there is a profile for nobody")
	}
}

func TestFacts(t *testing.T) {
	table := load(t, "")
	for _, c := range []struct {
		name string
		is   func(Profile) bool
		what string
	}{
		{"huawei-e1750", func(p Profile) bool { return p.ListEach && p.IndexBase == 0 && p.USSD == USSDPacked }, "lists each, from 0, packed"},
		{"huawei-e220", func(p Profile) bool { return p.KeepSMSC && p.USSD == USSDText && p.IndexBase == 0 }, "forgets the service centre"},
		{"huawei-e3372", func(p Profile) bool { return p.Restart == nil && len(p.CNMI) > 0 }, "no restart"},
		{"huawei-e353", func(p Profile) bool { return p.BlindSIM }, "blind to a late SIM"},
		{"zte", func(p Profile) bool { return p.CNMI[0][0] == '1' }, "mode 1"},
		{"sim800", func(p Profile) bool { return p.NoAck && p.IndexBase == 1 && p.CNMI[0] == "2,1,0,1,0" }, "no acknowledgement"},
		{"sim7600", func(p Profile) bool {
			return slices.Contains(p.Init, "&F") && slices.Contains(p.Ready, "SMS DONE") && p.ReadyIn == 40*time.Second
		}, "AT&F and SMS DONE"},
		{"quectel-ec25", func(p Profile) bool {
			return p.ReportMemory == "SR" && p.CNMI[0] == "2,1,0,1,0" && p.Slots == nil
		}, "reports direct, else from SR"},
		{"quectel-ep06", func(p Profile) bool { return p.ListEach && p.Slots.Query == "+QUIMSLOT?" }, "lists each"},
		{"quectel-2g", func(p Profile) bool { return p.CNMI == nil && p.Ready[0] == "Call Ready" }, "what it offers"},
		{"quectel-m66-ds", func(p Profile) bool { return p.Slots.Select[1] == "+QDSIM=1" && p.Ready[0] == "Call Ready" }, "+QDSIM"},
		{"siemens-tc35", func(p Profile) bool {
			return p.Flow[0] == `\Q3` && !slices.Contains(p.Init, `\Q3`) && p.CNMI[0] == "3,2,0,1,1"
		}, `AT\Q3`},
		{"wavecom", func(p Profile) bool { return p.ReportMemory == "SR" && slices.Equal(p.Sweep, []string{"SM", "SR"}) }, "SR is a memory"},
		{"wavecom", func(p Profile) bool { return p.Radio[1] == "+CFUN=1,0" && !slices.Contains(p.Restart, p.Radio[1]) }, "a radio that does not restart it"},
		{"huawei-e3372", func(p Profile) bool { return slices.Equal(p.Full, []string{"^SMMEMFULL"}) }, "^SMMEMFULL"},
		{"siemens-tc35", func(p Profile) bool { return slices.Contains(p.Init, "^SMGO=1") && slices.Contains(p.Full, "^SMGO: 2") }, "^SMGO"},
		{"cinterion-lte", func(p Profile) bool { return slices.Contains(p.Full, "+CIEV: smsfull,1") }, "smsfull"},
		{"a76xx", func(p Profile) bool { return slices.Equal(p.Full, []string{"+SMS FULL"}) }, "+SMS FULL"},
		{"quectel-ec25", func(p Profile) bool { return strings.Contains(p.Init[0], "smsfull") && len(p.Full) == 1 }, "smsfull"},
		{"ublox-toby-l4", func(p Profile) bool { return slices.Contains(p.Full, "+CIEV: 8,1") }, "the eighth indicator"},
		{"ublox-sara-r4", func(p Profile) bool { return p.CNMI[0] == "2,1,0,1,0" && p.Init[0] == "+UPSV=0" }, "2,1,0,1,0"},
		{"qualcomm", func(p Profile) bool { return p.CNMI[0][0] == '1' }, "mode 1"},
		{"neoway-m590", func(p Profile) bool { return p.BlindSIM && p.Radio == nil && p.Ready[0] == "+PBREADY" }, "radio stays on"},
		{"dual-csus", func(p Profile) bool { return p.Slots.Select[0] == "+CSUS=0" }, "+CSUS"},
		{generic, func(p Profile) bool { return p.Restart == nil && p.Radio[0] == "+CFUN=0" && p.Slots == nil }, "standards only"},
	} {
		if p, _ := table.Named(c.name); !c.is(p) {
			t.Errorf("%s: want %s: %+v", c.name, c.what, p)
		}
	}
}

func TestSlotAnswers(t *testing.T) {
	table := load(t, "")
	for _, c := range []struct{ profile, answer, slot string }{
		{"dual-csus", "+CSUS: 1", "1"},
		{"quectel-m66-ds", "+QDSIM: 0", "0"},
		{"quectel-ec200", "+QDSIM: 1", "1"},
		{"quectel-eg06", "+QUIMSLOT: 2", "2"},
		{"quectel-eg06", "+QUSIMSLOT: 1", "1"},
		{"sim8200", "+SMSIMCFG: 1,2", "2"},
		{"sim8200", "+SMSIMCFG: 1,1,1\n+SMSIMCFG: 1,2,0", "1"},
		{"sim8200", "+SMSIMCFG: 1,1,0\n+SMSIMCFG: 1,2,1", "2"},
		{"fibocom", `+GTDUALSIM : 1, "SUB1", "L"`, "1"},
		{"fibocom", `+GTDUALSIM: 0,"SUB1","No Service"`, "0"},
		{"meig", "^SIMSLOT: 1,1,1,0", "1"},
		{"meig", "^SIMSLOT: 1,0,1,1", "0"},
		{"huawei-5g", "^SCICHG: 0,1", "0"},
		{"sierra-mc", "!UIMS: 1", "1"},
		{"foxconn", "SIM2 ENABLE", "SIM2"},
		{"cinterion-lte", `^SCFG: "SIM/CS","SIM1"`, "1"},
		{"cinterion-lte", `^SCFG: "SIM/CS","SIM_2"`, "2"},
	} {
		p, _ := table.Named(c.profile)
		m := p.Slots.Answer.FindStringSubmatch(c.answer)
		if len(m) < 2 || m[1] != c.slot || !slices.Contains(p.Slots.Names, c.slot) {
			t.Errorf("%s: %q gives %q, want %s of %q", c.profile, c.answer, m, c.slot, p.Slots.Names)
		}
	}
}

func TestPorts(t *testing.T) {
	table := load(t, "")
	pcui := Ports{Command: -1, Second: -1, Class: &Class{0xff, 0, 2}, Also: []Class{{0xff, 0, 0x12}, {0xff, 0, 0x32}}}
	for _, c := range []struct {
		ids  []ID
		want Ports // without USB
	}{
		{[]ID{
			{0x2c7c, 0x0125}, {0x2c7c, 0x0121}, {0x2c7c, 0x0191}, {0x2c7c, 0x0195}, {0x2c7c, 0x0296},
			{0x2c7c, 0x0306}, {0x2c7c, 0x0512}, {0x2c7c, 0x0800}, {0x2c7c, 0x0801},
		}, Ports{Command: 2, Second: 3, Ignore: []int{0, 1}}},
		{[]ID{{0x2c7c, 0x0128}}, Ports{Command: 5, Second: -1, Ignore: []int{3, 4}}},
		{[]ID{{0x2c7c, 0x6002}}, Ports{Command: 3, Second: 4, Ignore: []int{2, 6}}},
		{[]ID{{0x1e0e, 0x9001}}, Ports{Command: 2, Second: 3, Ignore: []int{0, 1, 4}}},
		{[]ID{{0x1e0e, 0x9011}}, Ports{Command: 4, Second: 5, Ignore: []int{2}}},
		{[]ID{{0x1e0e, 0x9205}}, Ports{Command: 2, Second: 3, Ignore: []int{0, 1}}},
		{[]ID{{0x1e0e, 0x9206}}, Ports{Command: 2, Second: 5, Ignore: []int{0, 1, 3, 4}}},
		{[]ID{{0x1e0e, 0x9100}, {0x1e0e, 0x9200}}, Ports{Command: 3, Second: 1}},
		{[]ID{{0x1e0e, 0xcefe}}, Ports{Command: 2, Second: 0}},
		{[]ID{{0x12d1, 0x1003}, {0x12d1, 0x1506}, {0x12d1, 0x1573}}, pcui},
		{[]ID{{0x19d2, 0x0031}, {0x19d2, 0x2003}}, Ports{Command: 3, Second: 1}},
		{[]ID{{0x19d2, 0x0117}}, Ports{Command: 2, Second: 1}},
		{[]ID{{0x19d2, 0x0033}}, Ports{Command: 4, Second: 1}},
		{[]ID{{0x19d2, 0x0001}}, Ports{Command: 0, Second: 2}},
		{[]ID{{0x19d2, 0x0015}}, Ports{Command: 1, Second: 3}},
		{[]ID{{0x19d2, 0x0125}}, Ports{Command: 5, Second: 1}},
		{[]ID{{0x1bc7, 0x1201}}, Ports{Command: 4, Second: 5, Ignore: []int{0, 3, 6}}},
		{[]ID{{0x1bc7, 0x1041}}, Ports{Command: 5, Second: 6, Ignore: []int{0, 4, 7}, Delay: 40 * time.Second}},
		{[]ID{{0x1546, 0x1010}}, Ports{Command: 6, Second: -1, Ignore: []int{2, 4, 8}, Delay: 20 * time.Second}},
		{[]ID{{0x1546, 0x1141}, {0x1546, 0x1143}, {0x1546, 0x1146}}, Ports{Command: -1, Second: -1, Delay: 20 * time.Second}},
		{[]ID{{0x1546, 0x1102}}, Ports{Command: 0, Second: 2, Ignore: []int{6, 8, 10, 12}}},
		{[]ID{{0x1546, 0x1107}, {0x1546, 0x110a}}, Ports{Command: 0, Second: 2, Ignore: []int{6, 8, 10}}},
		{[]ID{{0x1546, 0x1104}}, Ports{Command: 0, Second: -1, Ignore: []int{2, 4, 6}}},
		{[]ID{{0x1e2d, 0x005b}, {0x1e2d, 0x005d}}, Ports{Command: 0, Second: 2, Ignore: []int{4, 6, 8}}},
		{[]ID{{0x1e2d, 0x0069}, {0x1e2d, 0x006f}}, Ports{Command: 0, Second: 2, Ignore: []int{4, 6}}},
		{[]ID{{0x1e2d, 0x0061}}, Ports{Command: 2, Second: 0, Ignore: []int{4, 6, 8}}},
		{[]ID{{0x1e2d, 0x00b3}, {0x1e2d, 0x00f1}}, Ports{Command: 2, Second: -1, Ignore: []int{4, 5}, Delay: 30 * time.Second}},
		{[]ID{{0x1199, 0x9071}, {0x1199, 0x9079}, {0x1199, 0x9091}, {0x1199, 0x68c0}}, Ports{Command: 3, Second: -1, Ignore: []int{0, 2}}},
		{[]ID{{0x1199, 0xc001}}, Ports{Command: 0, Second: 2, Ignore: []int{4}}},
	} {
		for _, id := range c.ids {
			got, ok := table.Ports(id)
			got.USB = nil
			if !ok || !reflect.DeepEqual(got, c.want) {
				t.Errorf("Ports(%04x:%04x) = %+v, %t, want %+v", id.Vendor, id.Product, got, ok, c.want)
			}
		}
	}
	for _, id := range []ID{{}, {0x1a86, 0x7523}, {0x19d2, 0xfff0}} {
		if p, ok := table.Ports(id); ok {
			t.Errorf("Ports(%v) = %+v", id, p)
		}
	}
	seen := map[ID]bool{}
	for _, p := range table.ports {
		for _, id := range p.USB {
			if seen[id] {
				t.Errorf("%04x:%04x has two lists of ports", id.Vendor, id.Product)
			}
			seen[id] = true
		}
	}
}

func TestNoise(t *testing.T) {
	table := load(t, "[[profile]]\nname = 'mine'\nmatch = { model = 'x' }\nready = ['HELLO']\nready_in = '5s'\nfull = ['NO ROOM']\nnoise = ['WORLD', 'RING']\n")
	all := table.Noise()
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("not sorted, or twice: %q", all)
	}
	for _, want := range strings.Split("HELLO|WORLD|NO ROOM|+SMS FULL|^SMGO: 2|RING|NO CARRIER|^RSSI|^SMMEMFULL|+ZUSIMR|*PSUTTZ|DST|PB DONE|SMS DONE|Call Ready|SMS Ready|RDY|"+
		"POWERED DOWN|+QUSIM|+PBREADY|+AT: READY|^SYSSTART|^SHUTDOWN|^SCKS|+WIND|#QSS|+CREG|+CMTI|+CDSI|+CIEV|MODEM:STARTUP", "|") {
		if !slices.Contains(all, want) {
			t.Errorf("%q is no noise", want)
		}
	}
	for _, tpdu := range []string{"+CMT", "+CDS", "+CBM", "+CUSD"} {
		if slices.Contains(all, tpdu) {
			t.Errorf("%s has further lines", tpdu)
		}
	}
	all[0] = "changed"
	if table.Noise()[0] == "changed" {
		t.Error("Noise gives its own slice away")
	}
}
