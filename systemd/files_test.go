package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tool skips the test where this machine lacks the program that judges.
func tool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed: apt-get install systemd udev", name)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestUnitVerify(t *testing.T) {
	tool(t, "systemd-analyze")
	const binary = "/usr/bin/cellpost" // verify asks that it is there
	text := read(t, "cellpost.service")
	if !strings.Contains(text, "ExecStart="+binary+" serve ") {
		t.Fatalf("the unit does not start %s", binary)
	}
	unit := filepath.Join(t.TempDir(), "cellpost.service")
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(text, binary, os.Args[0])), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit)
	out, err := cmd.CombinedOutput()
	// It says of an unknown key that it ignores it, and exits 0.
	if err != nil || strings.Contains(string(out), unit) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

func TestUnitSecurity(t *testing.T) {
	tool(t, "systemd-analyze")
	run(t, "systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", "cellpost.service")
}

func TestUsersAndFiles(t *testing.T) {
	tool(t, "systemd-sysusers")
	tool(t, "systemd-tmpfiles")
	if os.Getuid() != 0 {
		t.Skip("systemd-sysusers and systemd-tmpfiles are tried as root only")
	}
	root := t.TempDir()
	config := filepath.Join(root, "etc/cellpost/cellpost.toml")
	if err := os.MkdirAll(filepath.Dir(config), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	run(t, "systemd-sysusers", "--root="+root, filepath.Join(here, "cellpost.sysusers.conf"))
	run(t, "systemd-tmpfiles", "--root="+root, "--create", filepath.Join(here, "cellpost.tmpfiles.conf"))
	if passwd := read(t, root+"/etc/passwd"); !strings.HasPrefix(passwd, "cellpost:") {
		t.Errorf("no user cellpost: %s", passwd)
	}
	for _, name := range []string{"dialout", "gpio"} {
		if group := read(t, root+"/etc/group"); !regexp.MustCompile(`(?m)^` + name + `:.*:cellpost$`).MatchString(group) {
			t.Errorf("cellpost is not in %s: %s", name, group)
		}
	}
	for path, mode := range map[string]os.FileMode{config: 0o640, filepath.Dir(config): 0o750} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want mode %o", path, info.Mode(), err, mode)
		}
	}
}

// The unit names the groups that the user is in: one that is missing would keep
// the service from starting.
func TestUnitGroups(t *testing.T) {
	unit, users := read(t, "cellpost.service"), read(t, "cellpost.sysusers.conf")
	groups := strings.Fields(regexp.MustCompile(`(?m)^SupplementaryGroups=(.*)$`).FindStringSubmatch(unit)[1])
	var members []string
	for _, m := range regexp.MustCompile(`(?m)^m cellpost (\w+)$`).FindAllStringSubmatch(users, -1) {
		members = append(members, m[1])
	}
	if !slices.Equal(groups, members) {
		t.Errorf("the unit has groups %q, the user is in %q", groups, members)
	}
}

// What the board needs is left open by the unit: docs/board.md.
func TestUnitBoard(t *testing.T) {
	unit := read(t, "cellpost.service")
	for _, line := range []string{"DeviceAllow=char-gpiochip rw", "ReadWritePaths=-/sys/devices"} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("the unit lacks %s", line)
		}
	}
}

const (
	rules      = "60-cellpost-modem.rules"
	boardRules = "61-cellpost-board.rules"
)

func TestRulesVerify(t *testing.T) {
	tool(t, "udevadm")
	if err := exec.Command("udevadm", "verify", "--help").Run(); err != nil {
		t.Skip("udevadm verify is missing: it came with systemd 254")
	}
	run(t, "udevadm", "verify", "--resolve-names=never", rules, boardRules)
}

// The rules are a list of jumps: one to a label that is not there, or back,
// would skip the rest in silence.
func TestRulesJump(t *testing.T) {
	for _, name := range []string{rules, boardRules} {
		text := read(t, name)
		for _, m := range regexp.MustCompile(`GOTO="(\w+)"`).FindAllStringSubmatchIndex(text, -1) {
			label := `LABEL="` + text[m[2]:m[3]] + `"`
			if !strings.Contains(text[m[1]:], label) {
				t.Errorf("%s: %s is not followed by %s", name, text[m[0]:m[1]], label)
			}
		}
	}
}

// TestRulesRun runs what the rules run, each on a device of its kind: the group
// may then write what the board switches, and nothing else.
func TestRulesRun(t *testing.T) {
	for _, tt := range []struct {
		rule        string // how it begins
		open, still []string
	}{
		{`SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device"`, []string{"authorized"}, []string{"bConfigurationValue"}},
		{`SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_interface"`, []string{"1-1-port1/disable", "1-1-port12/disable"}, []string{"authorized", "1-1-port1/quirks"}},
		{`SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_interface"`, nil, []string{"usb1-port1/quirks"}}, // before Linux 6.0
		{`SUBSYSTEM=="leds"`, []string{"brightness"}, []string{"trigger"}},
	} {
		dir := t.TempDir()
		for _, name := range slices.Concat(tt.open, tt.still) {
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		run(t, "/bin/sh", "-c", ruleCommand(t, tt.rule, dir))
		for mode, names := range map[os.FileMode][]string{0o664: tt.open, 0o644: tt.still} {
			for _, name := range names {
				if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
					t.Errorf("%s: %v, %v, want mode %o", name, info.Mode(), err, mode)
				}
			}
		}
	}
}

// ruleCommand returns what a rule has the shell do, for a device in a directory
// and the group of this process.
func ruleCommand(t *testing.T, rule, dir string) string {
	t.Helper()
	for line := range strings.Lines(read(t, boardRules)) {
		if m := regexp.MustCompile(`RUN\+="/bin/sh -c '([^'"]*)'"$`).FindStringSubmatch(strings.TrimSpace(line)); m != nil && strings.HasPrefix(line, rule) {
			return strings.NewReplacer("$sys$devpath", dir, "$$", "$", "cellpost", strconv.Itoa(os.Getgid())).Replace(m[1])
		}
	}
	t.Fatalf("no rule begins with %s and runs something", rule)
	return ""
}

// Every vendor whose port layout is known to the modem profiles is listed.
func TestRulesVendors(t *testing.T) {
	text := read(t, rules)
	for vendor, id := range map[string]string{
		"Cinterion": "1e2d", "Huawei": "12d1", "Quectel": "2c7c", "Sierra": "1199",
		"SIMCom": "1e0e", "Telit": "1bc7", "u-blox": "1546", "ZTE": "19d2",
	} {
		if !regexp.MustCompile(`idVendor}=="([0-9a-f]{4}\|)*` + id).MatchString(text) {
			t.Errorf("%s (%s) is missing", vendor, id)
		}
	}
}
