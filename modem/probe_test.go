package modem

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cellpost/modem/at"
	"cellpost/modem/profile"
	"cellpost/modem/usb"
)

func TestFindIMEI(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"358912000000017", "358912000000017"},
		{"+CGSN: 358912000000017", "358912000000017"},
		{`+CGSN: "358912000000017"`, "358912000000017"},
		{"IMEI: 35891200000001", "35891200000001"},
		{"358912000000017,78", "358912000000017"},
		{"3589120000000178", "3589120000000178"},
		{"89441500000000000012", ""}, // ICCID
		{"+CSQ: 12,99", ""},
		{"0x8051AABB", ""},
		{"", ""},
	} {
		if got := findIMEI(tt.line); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.line, got, tt.want)
		}
	}
}

func TestSameIMEI(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"358912000000017", "358912000000017", true},
		{"358912000000017", "358912000000010", true},
		{"358912000000017", "35891200000001", true},
		{"358912000000017", "3589120000000178", true},
		{"358912000000017", "358912000000025", false},
		{"", "", false},
		{"1", "1", false},
	} {
		if got := sameIMEI(tt.a, tt.b); got != tt.want {
			t.Errorf("%q, %q: %v", tt.a, tt.b, got)
		}
	}
}

func TestFindings(t *testing.T) {
	at := func(n int) usb.Port { return usb.Port{Node: "/dev/ttyUSB" + string(rune('0'+n)), Interface: n} }
	nothing := profile.Ports{Command: -1, Second: -1}
	held := heldBy("/dev/ttyUSB1", usb.Holder{PID: 612, Program: "ModemManager"})
	for _, tt := range []struct {
		name    string
		known   profile.Ports
		replies []reply
		want    []finding
		err     string
	}{
		{"the first of two", nothing, []reply{{port: at(1), spoke: true, imei: "358912000000017"}, {port: at(2), spoke: true, imei: "358912000000017"}},
			[]finding{{"358912000000017", at(1)}}, ""},
		{"the quiet one", nothing, []reply{{port: at(1), spoke: true, imei: "358912000000017", extra: true}, {port: at(2), spoke: true, imei: "358912000000017"}},
			[]finding{{"358912000000017", at(2)}}, ""},
		{"the known one", profile.Ports{Command: 3, Second: 2}, []reply{{port: at(2), spoke: true, imei: "358912000000017"}, {port: at(3), spoke: true, imei: "358912000000017", extra: true}},
			[]finding{{"358912000000017", at(3)}}, ""},
		{"the second known", profile.Ports{Command: 3, Second: 2}, []reply{{port: at(1), spoke: true, imei: "358912000000017"}, {port: at(2), spoke: true, imei: "358912000000017", extra: true}},
			[]finding{{"358912000000017", at(2)}}, ""},
		{"one tells its IMEI", nothing, []reply{{port: at(1), spoke: true}, {port: at(2), spoke: true, imei: "358912000000017", extra: true}},
			[]finding{{"358912000000017", at(2)}}, ""},
		{"none does", nothing, []reply{{port: at(1)}, {port: at(2), spoke: true}}, []finding{{"", at(2)}}, ""},
		{"two modules", nothing, []reply{{port: at(2), spoke: true, imei: "358912000000025"}, {port: at(1), spoke: true, imei: "358912000000017", extra: true}},
			[]finding{{"358912000000017", at(1)}, {"358912000000025", at(2)}}, ""},
		{"silence", nothing, []reply{{port: at(1)}, {port: at(2)}}, nil, "ttyUSB1, ttyUSB2: no answer to AT"},
		{"held", nothing, []reply{{port: at(0), err: fs.ErrPermission}, {port: at(1), err: held}}, nil,
			`/dev/ttyUSB1: held by ModemManager (pid 612): systemctl disable --now ModemManager, or keep it off this device with ENV{ID_MM_DEVICE_IGNORE}="1"`},
		{"held, another answers", nothing, []reply{{port: at(1), err: held}, {port: at(2), spoke: true}}, []finding{{"", at(2)}}, ""},
		{"no right", nothing, []reply{{port: at(1)}, {port: at(2), err: fs.ErrPermission}}, nil, "permission denied"},
		{"gone", nothing, []reply{{port: at(1), err: fs.ErrNotExist}}, nil, "no answer"},
		{"no port", nothing, nil, nil, "correct its layout"},
	} {
		got, err := findings(tt.known, tt.replies)
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
	}
}

func TestHeldByOthers(t *testing.T) {
	err := heldBy("/dev/ttyUSB1", usb.Holder{PID: 7, Program: "gpsd"})
	if want := "/dev/ttyUSB1: held by gpsd (pid 7): stop it, or keep it off this port"; err.Error() != want || !isBarred(err) || isBarred(errors.New(want)) {
		t.Errorf("got %v", err)
	}
}

// TestBarred: nothing is done to a module whose port must not be opened.
func TestBarred(t *testing.T) {
	step := Step{Name: "power", Do: func(context.Context) error { return nil }}
	for _, tt := range []struct {
		name  string
		place error
		err   error
		want  bool
	}{
		{"not there", errAbsent, errAbsent, true},
		{"held", heldBy("/dev/ttyUSB1", usb.Holder{}), errAbsent, false},
		{"that of another", sharedBy("/dev/ttyUSB1", "a"), errAbsent, false},
		{"no port", &barredError{code: portUnfit}, errAbsent, false},
		{"no port, found out late", nil, elsewhereError{at.ErrNoPort}, false},
	} {
		m := New(Config{Name: "m", Steps: []Step{step}}, nil, nil, slog.New(slog.DiscardHandler))
		m.misplace(Misplaced(tt.place))
		var l ladder
		taken := false
		for range 2 * reopenings {
			take, _ := m.afterSession(&l, false, tt.err)
			taken = taken || take != nil
		}
		if f := m.Facts(); taken != tt.want || f.State() != Absent {
			t.Errorf("%s: a step is taken: %v; %s", tt.name, taken, f.State())
		}
	}
}

func TestExamineWait(t *testing.T) {
	for _, tt := range []struct {
		n      int
		since  time.Duration
		likely bool
		want   time.Duration
	}{
		{0, 0, false, 500 * time.Millisecond},
		{1, 3 * time.Second, false, time.Second},
		{2, 9 * time.Second, false, 2 * time.Second},
		{3, 15 * time.Second, false, 5 * time.Second},
		{9, 60 * time.Second, false, 5 * time.Second},
		{9, 60 * time.Second, true, 5 * time.Second},
		{10, 66 * time.Second, false, time.Minute},
		{11, 131 * time.Second, false, 2 * time.Minute},
		{12, 256 * time.Second, false, 5 * time.Minute},
		{13, 561 * time.Second, false, 15 * time.Minute},
		{14, 25 * time.Minute, false, time.Hour},
		{90, 1000 * time.Hour, false, time.Hour},
		{90, 1000 * time.Hour, true, time.Minute},
	} {
		if got := examineWait(tt.n, tt.since, tt.likely); got != tt.want {
			t.Errorf("attempt %d after %v, likely %v: %v, want %v", tt.n, tt.since, tt.likely, got, tt.want)
		}
	}
}

// TestIsHome: what is missing may be what is silent where it was.
func TestIsHome(t *testing.T) {
	f := &Fleet{seats: []*seat{{last: "1-1"}, {last: "1-2", plug: &plug{}}, {}}}
	for path, want := range map[string]bool{"1-1": true, "1-2": false, "1-3": false} {
		if got := f.isHome(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// TestAssign: what was somewhere stays or comes back there, whichever answers first.
func TestAssign(t *testing.T) {
	const imei = "358912000000017"
	module := func(path string, imeis ...string) *plug {
		p := &plug{device: usb.Device{Path: path}}
		for i, imei := range imeis {
			port := usb.Port{Interface: i}
			p.device.Ports = append(p.device.Ports, port)
			p.modules = append(p.modules, finding{imei, port})
		}
		if len(imeis) == 0 { // not examined
			p.device.Ports = []usb.Port{{}}
		}
		return p
	}
	for _, tt := range []struct {
		name     string
		discover bool
		seats    []*seat
		plugs    []*plug
		want     string // USB paths of the seats, in order, the found ones included
		twins    int    // of the first
	}{
		{"home of two", false, []*seat{{Entry: Entry{IMEI: imei}, last: "1-2"}}, []*plug{module("1-1", imei), module("1-2", imei)}, "1-2", 1},
		{"home is not examined yet", false, []*seat{{Entry: Entry{IMEI: imei}, last: "1-2"}}, []*plug{module("1-1", imei), module("1-2")}, "-", 1},
		{"home is another's now", false, []*seat{{Entry: Entry{IMEI: imei}, last: "1-2"}}, []*plug{module("1-1", imei), module("1-2", "358912000000025")}, "1-1", 0},
		{"home is empty", false, []*seat{{Entry: Entry{IMEI: imei}, last: "1-2"}}, []*plug{module("1-1", imei)}, "1-1", 0},
		{"first of two", false, []*seat{{Entry: Entry{IMEI: imei}}}, []*plug{module("1-1", imei), module("1-2", imei)}, "1-1", 1},
		{"found twin before the other", true,
			[]*seat{{Entry: Entry{Name: imei, IMEI: imei}, found: true, last: "1-2"}, {Entry: Entry{Name: imei + "@1-1", IMEI: imei}, found: true, only: "1-1", last: "1-1"}},
			[]*plug{module("1-1", imei)}, "- 1-1", 0},
		{"found, home is not examined yet", true, []*seat{{Entry: Entry{Name: imei, IMEI: imei}, found: true, last: "1-2"}},
			[]*plug{module("1-1", imei), module("1-2")}, "-", 0},
		{"two found at once", true, nil, []*plug{module("1-1", imei), module("1-2", imei)}, "1-1 1-2", 0},
		{"usb has its device alone", true, []*seat{{Entry: Entry{Name: "u", USB: "1-1"}}}, []*plug{module("1-1", imei)}, "1-1", 0},
		{"usb and imei", false, []*seat{{Entry: Entry{IMEI: imei}}, {Entry: Entry{USB: "1-1"}}}, []*plug{module("1-1", imei), module("1-2", imei)}, "1-2 1-1", 0},
		{"tells no IMEI", true, nil, []*plug{module("1-1", "")}, "", 0},
	} {
		f := &Fleet{c: FleetConfig{Discover: tt.discover, Modems: make([]Entry, 1), Log: slog.New(slog.DiscardHandler)}, seats: tt.seats, plugs: map[string]*plug{}}
		for _, p := range tt.plugs {
			f.plugs[p.device.Path] = p
		}
		f.assign()
		var got []string
		for _, s := range f.seats {
			if s.plug == nil {
				got = append(got, "-")
			} else {
				got = append(got, s.plug.device.Path)
			}
		}
		if strings.Join(got, " ") != tt.want || len(f.seats) > 0 && len(f.seats[0].twins) != tt.twins {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.want)
		}
	}
}

func TestSamePlug(t *testing.T) {
	port := func(node string, n int) usb.Port { return usb.Port{Node: node, Interface: n} }
	device := usb.Device{Path: "1-1", Number: 4, Vendor: 1, Product: 2, Ports: []usb.Port{port("a", 0), port("b", 1)}}
	answered := []finding{{"358912000000017", port("b", 1)}}
	for _, tt := range []struct {
		name    string
		modules []finding
		change  func(*usb.Device)
		want    bool
	}{
		{"nothing changed", nil, func(*usb.Device) {}, true},
		{"plugged in again", answered, func(d *usb.Device) { d.Number++ }, false},
		{"another product", answered, func(d *usb.Device) { d.Product++ }, false},
		{"one more port", nil, func(d *usb.Device) { d.Ports = append(d.Ports, port("c", 2)) }, false},
		{"one more port, answered", answered, func(d *usb.Device) { d.Ports = append(d.Ports, port("c", 2)) }, true},
		{"renumbered", answered, func(d *usb.Device) { d.Ports[1].Node = "c" }, false},
	} {
		d := device
		d.Ports = slices.Clone(d.Ports)
		tt.change(&d)
		if got := (&plug{device: device, modules: tt.modules}).same(d); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
