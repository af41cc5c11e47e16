package test

import (
	"bytes"
	"fmt"
	"net/smtp"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"cellpost/ingress/httpd"
)

// output is what a process prints, for those who wait for it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed at the next octets
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.text.Write(b)
}

func (o *output) look() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.more
}

// await waits until the pattern is printed and returns its first group.
func (o *output) await(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.After(patience)
	for {
		text, more := o.look()
		if m := re.FindStringSubmatch(text); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("%s was not printed:\n%s", pattern, text)
		}
	}
}

// TestDemo does what the demo tells a newcomer to do, word for word.
func TestDemo(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	address := freeAddress(t)
	demo := resident("demo", "--smtp", address, "--air-time", "10ms", "--report-delay", "10ms")
	demo.Env = append(demo.Env, "TMPDIR="+tmp)
	out := newOutput()
	demo.Stdout, demo.Stderr = out, out
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { demo.Process.Kill(); demo.Wait() })

	out.await(t, `Cellpost demo: 2 simulated modems, mail door at `+regexp.QuoteMeta(address))
	snippet := out.await(t, `(?s)\n(python3 - <<'END'\n.*?\nEND\n)`)
	list, modems := out.await(t, `\n(\S+ queue list --config .+)\n`), out.await(t, `\n(\S+ modem list --config .+)\n`)
	if _, err := exec.LookPath("python3"); err == nil {
		shell(t, snippet)
	} else {
		mail := "Subject: test\r\n\r\nuser:demo\r\npassword:demo\r\napi_id:1\r\nto:448311234567\r\nreply:me@example.com\r\ntext:Meet me at home\r\n"
		if err := smtp.SendMail(address, nil, "me@example.com", []string{"sms@messaging.clickatell.com"}, []byte(mail)); err != nil {
			t.Fatal(err)
		}
	}
	out.await(t, `─ handset \+448311234567 ─+┐\n│ Meet me at home +│\n└─ from \+4477009000\d\d, `)
	if _, err := exec.LookPath("swaks"); err == nil {
		shell(t, strings.Replace(readmeMail(t), "127.0.0.1:2525", address, 1))
		out.await(t, `(?s)Meet me at home.*Meet me at home.*Meet me at home`) // the first is the snippet's
	}
	id := out.await(t, `─ mail to me@example.com ─+┐\n│ ID: ([0-9a-f]{32}) To: 448311234567 +│\n`)
	if got := shell(t, list); !strings.Contains(got, id) {
		t.Errorf("queue list does not have %s:\n%s", id, got)
	}
	if got := shell(t, modems); strings.Count(got, "\nm") != 2 {
		t.Errorf("modem list:\n%s", got)
	}

	if err := demo.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := demo.Wait(); err != nil {
		text, _ := out.look()
		t.Errorf("the demo ended with %v:\n%s", err, text)
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// readmeMail is the command of the README that sends a mail.
func readmeMail(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^swaks [^']*'[^']*'$`).FindString(string(readme))
	if command == "" {
		t.Fatal("the README has no mail to send with swaks")
	}
	return command
}

// TestDemoKeeps: with --dir the files stay, and the next demo goes on with them.
func TestDemoKeeps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/a demo"
	for _, queued := range []string{"", "448311234567"} {
		address := freeAddress(t)
		demo := resident("demo", "--smtp", address, "--dir", dir, "--modems", "1", "--air-time", "10ms")
		out := newOutput()
		demo.Stdout, demo.Stderr = out, out
		if err := demo.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { demo.Process.Kill(); demo.Wait() })
		list := out.await(t, `\n(\S+ queue list --config .+)\n`)
		if got := shell(t, list); !strings.Contains(got, queued) {
			t.Errorf("queue list lacks %q:\n%s", queued, got)
		}
		shell(t, strings.Replace(list, "queue list", "send --to 448311234567 --text hello", 1))
		out.await(t, `handset \+448311234567`)
		if err := demo.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := demo.Wait(); err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	}
}

// shell runs what a newcomer pastes.
func shell(t *testing.T, text string) string {
	t.Helper()
	sh := exec.Command("sh")
	sh.Stdin = strings.NewReader(text + "\n")
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", text, err, out)
	}
	return string(out)
}

// TestDemoProfiles: the families that are named are simulated, in turn, and found
// to be what they are.
func TestDemoProfiles(t *testing.T) {
	t.Parallel()
	address, dir := freeAddress(t), t.TempDir()
	demo := resident("demo", "--smtp", address, "--dir", dir, "--modems", "4", "--air-time", "10ms",
		"--profile", "e3372,plain", "--profile", "sim7600")
	out := newOutput()
	demo.Stdout, demo.Stderr = out, out
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { demo.Process.Kill(); demo.Wait() })
	list := out.await(t, `\n(\S+ queue list --config .+)\n`)
	shell(t, strings.Replace(list, "queue list", "send --to 448311234567 --text hello", 1))
	out.await(t, `handset \+448311234567`)
	shell(t, strings.Replace(list, "queue list", "send --to 99900028 --text refused", 1)) // a magic number
	gateway := newControl(t, dir)
	for i, want := range []string{"huawei-e3372", "generic", "sim7600", "huawei-e3372"} {
		gateway.awaitModem(fmt.Sprintf("m%d", i), "a "+want, func(m httpd.Modem) bool { return m.Profile == want })
	}
	if got := shell(t, strings.Replace(list, "queue list", "modem show m2", 1)); !regexp.MustCompile(`(?m)^profile +sim7600 `).MatchString(got) {
		t.Errorf("modem show:\n%s", got)
	}
	gateway.settle(2, func(m message) bool { return m.To != "99900028" || m.State == "failed" })

	wrong, err := exec.Command(binary, "demo", "--profile", "e3373").CombinedOutput()
	if err == nil || !strings.Contains(string(wrong), `--profile "e3373": choose of plain, `) || !strings.Contains(string(wrong), "e3372") {
		t.Errorf("%v: %s", err, wrong)
	}
}
