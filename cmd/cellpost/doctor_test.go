package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"cellpost/ingress/httpd"
	"cellpost/modem/usb"
)

func TestJudgeDisk(t *testing.T) {
	for _, c := range []struct {
		name string
		d    disk
		want string // code and a part of the cause
	}{
		{"room", disk{free: 20 << 30, files: 1e6, counts: true}, "ok 20 GB free on /data"},
		{"some room", disk{free: 64 << 20, files: 100, counts: true}, "ok 64 MB free"},
		{"no limit of files", disk{free: 1 << 30}, "ok 1024 MB free"},
		{"full", disk{free: 64<<20 - 1, files: 1e6, counts: true}, "disk-full 63 MB free on /data"},
		{"quite full", disk{free: 2048}, "disk-full 2 KB free"},
		{"no files", disk{free: 1 << 30, files: 99, counts: true}, "disk-full only 99 files"},
		{"read-only", disk{free: 1 << 30, readOnly: true, denied: true}, "disk-read-only /data is on"},
		{"denied", disk{free: 1 << 30, denied: true}, "data-denied this user"},
	} {
		checkDiagnosis(t, c.name, judgeDisk("/data", c.d), c.want)
	}
}

// checkDiagnosis compares code and cause; what is wrong has a next step.
func checkDiagnosis(t *testing.T, name string, f diagnosis, want string) {
	t.Helper()
	if got := f.Code + " " + f.Cause; !strings.HasPrefix(got, want) || (f.NextStep == "") != (f.Code == allRight) {
		t.Errorf("%s: %q, want %q; next step %q", name, got, want, f.NextStep)
	}
}

func TestLookAtDisk(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir: "", file: "data-no-directory ", file + "/x": "data-denied ", filepath.Join(dir, "none"): "data-missing " + dir + "/none is not there",
	} {
		f := lookAtDisk(path)
		if len(f) != 1 {
			t.Fatalf("%s: %v", path, f)
		}
		checkDiagnosis(t, path, f[0], want)
	}
}

func TestJudgeQueue(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	message := func(id string, ago time.Duration) httpd.Message {
		return httpd.Message{ID: id, Due: now.Add(-ago), Created: now.Add(-ago), Why: "for any"}
	}
	for _, c := range []struct {
		name            string
		queued, unknown []httpd.Message
		want            []string
	}{
		{"empty", nil, nil, []string{"ok no message waits"}},
		{"busy", []httpd.Message{message("b", time.Second), message("a", 9*time.Minute), message("c", -time.Minute)}, []httpd.Message{message("u", time.Minute)},
			[]string{"ok 3 messages wait, the oldest for 9m0s"}},
		{"backing off", []httpd.Message{message("a", -time.Minute)}, nil, []string{"ok 1 messages wait, the oldest for 0s"}},
		{"stuck and unknown", []httpd.Message{message("b", time.Second), message("a", 11*time.Minute)}, []httpd.Message{message("u", 2*time.Hour)},
			[]string{"queue-stuck 1 messages are due for more than 10m0s and no modem takes them; the oldest is a, for any", "queue-unknown of 1 messages"}},
	} {
		found := judgeQueue(c.queued, c.unknown, now)
		if len(found) != len(c.want) {
			t.Fatalf("%s: %v", c.name, found)
		}
		for i, f := range found {
			checkDiagnosis(t, c.name, f, c.want[i])
		}
	}
}

// TestLookAtDevice: what keeps a device from being opened is named with its cure.
func TestLookAtDevice(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	port := filepath.Join(dir, "port") // a link, as those of udev
	if err := os.Symlink(slave.Name(), port); err != nil {
		t.Fatal(err)
	}
	sys := filepath.Join(dir, "sys")
	class, null := filepath.Join(sys, "class", "mem"), filepath.Join(sys, "dev", "char", "1:3")
	if err := errors.Join(os.MkdirAll(class, 0o700), os.MkdirAll(null, 0o700), os.Symlink(class, filepath.Join(null, "subsystem"))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, device, holder string
		want, step           string
	}{
		{"missing", dir + "/none", "", "device-missing " + dir + "/none is not there", "no modem is on USB"},
		{"a file", file, "", "device-wrong ", "correct the path"},
		{"a directory", dir, "", "device-wrong " + dir + " is no serial device", "correct the path"},
		{"no port, and held", os.DevNull, "bash", "device-wrong /dev/null is no serial device", "correct the path"},
		{"free", port, "", "", ""},
		{"ModemManager", port, "ModemManager", "device-held " + port + " is held by ModemManager (pid 612)", "systemctl disable --now ModemManager"},
		{"this program", port, "cellpost", "device-held ", "cellpost doctor --config FILE"},
		{"another", port, "minicom", "device-held " + port + " is held by minicom (pid 612)", "systemctl status 612"},
	} {
		d := &doctor{tree: usb.Tree{Sys: sys, Proc: holding(t, node(t, c.device), c.holder)}}
		f, wrong := d.lookAtDevice(c.device)
		if wrong != (c.want != "") || !strings.HasPrefix(f.Code+" "+f.Cause, c.want) || !strings.Contains(f.NextStep, c.step) {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

// node is where a path leads; what is not there leads nowhere.
func node(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return path
}

// holding makes a /proc in which a program has a node open; empty: none has.
func holding(t *testing.T, node, program string) string {
	t.Helper()
	proc := t.TempDir()
	if program == "" {
		return proc
	}
	fd := filepath.Join(proc, "612", "fd")
	if err := os.MkdirAll(fd, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(node, filepath.Join(fd, "3")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(proc, "612", "comm"), []byte(program+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return proc
}

// TestDoctorGateway: a gateway that runs and does not answer is told from one
// that does not run, and its modems are left alone.
func TestDoctorGateway(t *testing.T) {
	for _, c := range []struct {
		name    string
		claimed bool
		want    string
		wrong   string // in the modem's line
	}{
		{"none", false, "it does not run: its modems are asked directly", "device-missing"},
		{"hanging", true, "[gateway-silent]", ""},
	} {
		dir := t.TempDir()
		file := write(t, fmt.Sprintf("data_dir = %q\n[[modem]]\nname = \"m0\"\ndevice = \"/nonexistent/modem\"\n", dir))
		if c.claimed {
			claimed, err := claim(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer claimed.Close()
		}
		var out, err bytes.Buffer
		exit := run(t.Context(), []string{"doctor", "--config", file}, streams{strings.NewReader(""), &out, &err})
		if exit != 1 || !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "modem m0:") != (c.wrong != "") || !strings.Contains(out.String(), c.wrong) {
			t.Errorf("%s: exit %d\n%s%s", c.name, exit, &out, &err)
		}
	}
}
