package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	if group := read(t, root+"/etc/group"); !regexp.MustCompile(`(?m)^dialout:.*:cellpost$`).MatchString(group) {
		t.Errorf("cellpost is not in dialout: %s", group)
	}
	for path, mode := range map[string]os.FileMode{config: 0o640, filepath.Dir(config): 0o750} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want mode %o", path, info.Mode(), err, mode)
		}
	}
}

const rules = "60-cellpost-modem.rules"

func TestRulesVerify(t *testing.T) {
	tool(t, "udevadm")
	if err := exec.Command("udevadm", "verify", "--help").Run(); err != nil {
		t.Skip("udevadm verify is missing: it came with systemd 254")
	}
	run(t, "udevadm", "verify", rules)
}

// The rules are a list of jumps: one to a label that is not there, or back,
// would skip the rest in silence.
func TestRulesJump(t *testing.T) {
	text := read(t, rules)
	for _, m := range regexp.MustCompile(`GOTO="(\w+)"`).FindAllStringSubmatchIndex(text, -1) {
		label := `LABEL="` + text[m[2]:m[3]] + `"`
		if !strings.Contains(text[m[1]:], label) {
			t.Errorf("%s is not followed by %s", text[m[0]:m[1]], label)
		}
	}
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
