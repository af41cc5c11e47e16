package modem

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cellpost/modem/usb"
)

func TestParseRoster(t *testing.T) {
	const imei = "358912000000017"
	line := func(n int) string { return fmt.Sprintf("%015d 1-1.%d\n", n, n) }
	var full strings.Builder
	for n := range maxDiscovered {
		full.WriteString(line(n))
	}
	for _, tt := range []struct{ name, text, err string }{
		{"empty", "", ""},
		{"one", imei + " 1-1\n", ""},
		{"twins", imei + " 1-1\n" + imei + "@1-2.3 1-2.3\n", ""},
		{"moved twin", imei + "@1-2.3 1-4\n", ""},
		{"two behind one adapter", imei + " 1-1\n358912000000025 1-1\n", ""},
		{"full", full.String(), ""},
		{"too full", full.String() + line(maxDiscovered), "more than 64 lines"},
		{"too long", strings.Repeat("x", maxRoster+1), "longer than"},
		{"no path", imei + " 1-1\n358912000000025\n", "line 2"},
		{"empty path", imei + " \n", "line 1"},
		{"path of something else", imei + " ../../etc\n", "line 1"},
		{"long path", imei + " 1-1" + strings.Repeat(".1", maxBerthPath) + "\n", "line 1"},
		{"one word more", imei + " 1-1 1-2\n", "line 1"},
		{"no IMEI", "m0 1-1\n", "line 1"},
		{"too short", "3589120000000 1-1\n", "line 1"},
		{"twin of nothing", "@1-1 1-1\n", "line 1"},
		{"twin nowhere", imei + "@ 1-1\n", "line 1"},
		{"empty line", "\n", "line 1"},
		{"same name", imei + " 1-1\n" + imei + " 1-2\n", "line 2"},
		{"same place", imei + " 1-1\n" + imei + "@1-1 1-1\n", "line 2"},
		{"zeros after a crash", "\x00\x00\x00\x00", "line 1"},
	} {
		all, err := parseRoster(tt.text)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
		if err == nil && formatRoster(all) != tt.text {
			t.Errorf("%s: %q, want %q", tt.name, formatRoster(all), tt.text)
		}
	}
}

func FuzzRoster(f *testing.F) {
	f.Add("358912000000017 1-1\n358912000000017@1-2.3 1-2.3\n")
	f.Add("358912000000017 1-1")
	f.Add("358912000000017 1-1\r\n")
	f.Add("\x00")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseRoster(text)
		if err != nil {
			return
		}
		again, err := parseRoster(formatRoster(all))
		if err != nil || !slices.Equal(all, again) {
			t.Errorf("%q: %v, then %v, %v", text, all, again, err)
		}
	})
}

// TestRemember: what an earlier process discovered has its name again.
func TestRemember(t *testing.T) {
	const imei = "358912000000017"
	var full []string
	for n := range maxDiscovered {
		full = append(full, fmt.Sprintf("%015d 9-%d", n, n))
	}
	for _, tt := range []struct {
		name   string
		file   string // lines with commas for ends, A for the IMEI
		modems []Entry
		plugs  string // path:IMEI, path: for one that was not examined
		want   string // name=path of those in service
		after  string // what the file is to be then
	}{
		{"nothing", "", nil, "1-1:A", "A=1-1", "A 1-1"},
		{"where it was", "A 1-1", nil, "1-1:A", "A=1-1", "A 1-1"},
		{"moved", "A 1-1", nil, "1-2:A", "A=1-2", "A 1-2"},
		{"moved, with a twin's name", "A@1-1 1-1", nil, "1-2:A", "A@1-1=1-2", "A@1-1 1-2"},
		{"another tells the check digit", "A 1-1", nil, "1-1:358912000000010", "A=1-1", "A 1-1"},
		{"not there", "A 1-1", nil, "", "", "A 1-1"},
		{"a new twin", "A 1-1", nil, "1-1:A 1-2:A", "A=1-1 A@1-2=1-2", "A 1-1,A@1-2 1-2"},
		{"a new twin answers first", "A 1-2", nil, "1-1:A 1-2:", "", "A 1-2"},
		{"twins, the second alone", "A 1-1,A@1-2 1-2", nil, "1-2:A", "A@1-2=1-2", "A 1-1,A@1-2 1-2"},
		{"twins, the first alone", "A 1-1,A@1-2 1-2", nil, "1-1:A", "A=1-1", "A 1-1,A@1-2 1-2"},
		{"twins, one elsewhere", "A 1-1,A@1-2 1-2", nil, "1-2:A 1-3:A", "A@1-2=1-2 A@1-3=1-3", "A 1-1,A@1-2 1-2,A@1-3 1-3"},
		{"configured by imei", "A 1-1", []Entry{{Name: "a", IMEI: imei}}, "1-1:A", "a=1-1", ""},
		{"its name is configured", "A 1-1", []Entry{{Name: imei, USB: "1-2"}}, "1-1:A", "A@1-1=1-1", "A@1-1 1-1"},
		{"damaged", "A 1-1,A 1-1", nil, "1-2:A", "A=1-2", "A 1-2"},
		{"full", strings.Join(full, ","), nil, "1-1:A", "A=1-1", strings.Join(full[1:], ",") + ",A 1-1"},
	} {
		long := strings.NewReplacer("A", imei, ",", "\n")
		file := filepath.Join(t.TempDir(), "discovered")
		if tt.file != "" {
			if err := os.WriteFile(file, []byte(long.Replace(tt.file)+"\n"), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		f := &Fleet{
			c:      FleetConfig{Discover: true, Names: file, Modems: tt.modems, Log: slog.New(slog.NewTextHandler(&log, nil))},
			roster: roster{file: file}, plugs: map[string]*plug{},
		}
		for _, e := range tt.modems {
			f.seats = append(f.seats, &seat{Entry: e})
		}
		f.remember()
		for s := range strings.FieldsSeq(tt.plugs) {
			path, imei, _ := strings.Cut(long.Replace(s), ":")
			p := &plug{device: usb.Device{Path: path, Ports: []usb.Port{{}}}}
			if imei != "" {
				p.modules = []finding{{imei, usb.Port{}}}
			}
			f.plugs[path] = p
		}
		f.assign()
		f.keepNames()
		var got []string
		for _, s := range f.seats {
			if s.plug != nil {
				got = append(got, s.Name+"="+s.plug.device.Path)
			}
		}
		if strings.Join(got, " ") != long.Replace(tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.want)
		}
		after, _ := os.ReadFile(file)
		if want := long.Replace(tt.after); strings.TrimSuffix(string(after), "\n") != want {
			t.Errorf("%s: the file has %q, want %q", tt.name, after, want)
		}
		if damaged := strings.Contains(log.String(), "are forgotten"); damaged != (tt.name == "damaged") {
			t.Errorf("%s: %s", tt.name, log.String())
		}
	}
}

// TestRosterFails: a file that cannot be written is told once, and written when
// it can be.
func TestRosterFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	r := roster{file: filepath.Join(dir, "discovered")}
	all := []berth{{"358912000000017", "1-1"}}
	if err := r.save(all); err == nil || !strings.Contains(err.Error(), "make data_dir writable") {
		t.Errorf("got %v", err)
	}
	if err := r.save(all); err != nil {
		t.Errorf("told again: %v", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := r.save(all); err != nil {
		t.Error(err)
	}
	if got, err := (&roster{file: r.file}).load(); err != nil || !slices.Equal(got, all) {
		t.Errorf("got %v, %v", got, err)
	}
}
