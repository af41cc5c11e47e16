package test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// postfix is a Postfix of its own: its configuration, queue and log are in a
// directory of the test, and it listens on loopback alone.
type postfix struct {
	t       testing.TB
	dir     string
	address string
}

// relaysTo and holds are what a postfix does with what it gets.
func relaysTo(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return fmt.Sprintf("relayhost = [%s]:%s", host, port)
}

const holds = "smtpd_data_restrictions = check_client_access static:HOLD"

// newPostfix starts one. Its master has to be root.
func newPostfix(t testing.TB, transport string) *postfix {
	t.Helper()
	need(t, "postfix")
	if os.Geteuid() != 0 {
		t.Skip("only root starts a Postfix")
	}
	dir, err := os.MkdirTemp("", "cellpost-postfix-") // its processes are of another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &postfix{t: t, dir: dir, address: freeAddress(t)}
	services, err := os.ReadFile("/etc/postfix/master.cf")
	if errors.Is(err, os.ErrNotExist) {
		services, err = os.ReadFile("/usr/share/postfix/master.cf.dist")
	}
	if err != nil {
		t.Fatal(err)
	}
	services = bytes.Replace(services, []byte("\nsmtp      inet "), []byte("\n"+p.address+" inet "), 1)
	services = append(services, "\npostlog unix-dgram n - n - 1 postlogd\n"...)
	main := fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file_prefixes = %[1]s
maillog_file = %[1]s/log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = relay.example.com
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
smtpd_relay_restrictions = permit_mynetworks, reject
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
minimal_backoff_time = 1s
queue_run_delay = 3s
%[2]s
`, dir, transport)
	for _, err := range []error{
		os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "queue"), 0o755), os.Mkdir(filepath.Join(dir, "data"), 0o755),
		os.WriteFile(filepath.Join(dir, "main.cf"), []byte(main), 0o644), os.WriteFile(filepath.Join(dir, "master.cf"), services, 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "postfix", filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v\n%s", err, out)
	}
	p.run("check")
	p.run("start")
	t.Cleanup(func() {
		p.run("stop")
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("log of Postfix:\n%s", log[max(0, len(log)-10_000):])
		}
	})
	up := func() bool {
		c, err := smtp.Dial(p.address)
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	if !await(patience, up) {
		t.Fatal("Postfix does not listen")
	}
	return p
}

func (p *postfix) run(verb string) {
	p.t.Helper()
	if out, err := exec.Command(need(p.t, "postfix"), "-c", p.dir, verb).CombinedOutput(); err != nil {
		p.t.Fatalf("postfix %s: %v\n%s", verb, err, out)
	}
}

// queue is what postqueue -p prints.
func (p *postfix) queue() string {
	out, _ := exec.Command(need(p.t, "postqueue"), "-c", p.dir, "-p").CombinedOutput()
	return string(out)
}

// TestPostfix: a relay keeps 1,000 mails while the gateway is down, and has none left
// when it is up; each was accepted once.
func TestPostfix(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{})
	p := newPostfix(t, relaysTo(w.smtp))
	c, err := smtp.Dial(p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const mails = 1000
	for i := range mails {
		if err := deliver(c, script("to:448311234567", fmt.Sprintf("text:relayed %d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(p.queue(), "Mail queue is empty") { // how many it tells is not sure, while it moves them
		t.Fatal("Postfix has nothing to relay")
	}
	w.start()
	p.run("flush")
	if !await(5*patience, func() bool { return strings.Contains(p.queue(), "Mail queue is empty") }) {
		got := p.queue()
		t.Fatalf("queue of Postfix:\n%s", got[max(0, len(got)-1000):])
	}
	count := w.queued()
	for i := range mails {
		if n := count[fmt.Sprintf("relayed %d", i)]; n != 1 {
			t.Errorf("mail %d was accepted %d times", i, n)
		}
	}
	if len(count) != mails {
		t.Errorf("%d messages of %d mails", len(count), mails)
	}
}
