package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// need skips a test without a program, and says what brings it.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if sbin := "/usr/sbin/" + program; err != nil {
		if path, err = exec.LookPath(sbin); err != nil {
			t.Skipf("no %s here; make test installs it where it can", program)
		}
	}
	return path
}

// queued counts the messages in the queue by their texts.
func (w *world) queued() map[string]int {
	w.t.Helper()
	count := make(map[string]int)
	lines := json.NewDecoder(strings.NewReader(w.cellpost("queue", "list", "--json", "--limit", "10000")))
	for lines.More() {
		var m message
		if err := lines.Decode(&m); err != nil {
			w.t.Fatal(err)
		}
		count[m.Text]++
	}
	return count
}

// submissionConfig is a listener of each kind, beside the one without TLS.
func submissionConfig(starttls, implicit string) string {
	return fmt.Sprintf("[[smtp]]\nlisten = %q\ntls = \"starttls\"\nrequire_auth = true\n[[smtp]]\nlisten = %q\ntls = \"implicit\"\nrequire_auth = true\n",
		starttls, implicit)
}

// TestClients: mail programs that people use, by relay, STARTTLS and implicit TLS,
// with AUTH where it is asked for.
func TestClients(t *testing.T) {
	t.Parallel()
	starttls, implicit := freeAddress(t), freeAddress(t)
	w := newWorld(t, setting{more: submissionConfig(starttls, implicit)})
	w.start()
	port := func(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
	const python = `
import smtplib, ssl, sys
from email.message import EmailMessage
kind, port, body = sys.argv[1], int(sys.argv[2]), open(sys.argv[3]).read()
context = ssl._create_unverified_context()
s = smtplib.SMTP_SSL("127.0.0.1", port, context=context) if kind == "implicit" else smtplib.SMTP("127.0.0.1", port)
if kind == "starttls":
    s.starttls(context=context)
if kind != "off":
    s.login("acme", "secret")
m = EmailMessage()
m["From"], m["To"], m["Subject"] = "me@example.com", "sms@gw", "test"
m.set_content(body)
s.send_message(m)
s.quit()
`
	swaks := []string{"swaks", "--server", "127.0.0.1", "--from", "me@example.com", "--to", "sms@gw", "--body", "@BODY", "--port"}
	auth := []string{"--auth-user", "acme", "--auth-password", "secret"}
	msmtp := []string{"msmtp", "--host=127.0.0.1", "--from=me@example.com", "--tls-certcheck=off", "--user=acme", "--passwordeval=echo secret"}
	curl := []string{"curl", "-sS", "-k", "--mail-from", "me@example.com", "--mail-rcpt", "sms@gw", "--upload-file", "MAIL"}
	for _, tt := range []struct {
		name    string
		command []string
	}{
		{"swaks", append(swaks[:len(swaks):len(swaks)], port(w.smtp), "--pipeline")},
		{"swaks TLS LOGIN", append(append(swaks[:len(swaks):len(swaks)], port(starttls), "--tls", "--pipeline", "--auth", "LOGIN"), auth...)},
		{"swaks smtps PLAIN", append(append(swaks[:len(swaks):len(swaks)], port(implicit), "--tls-on-connect", "--auth", "PLAIN"), auth...)},
		{"msmtp", append(msmtp[:len(msmtp):len(msmtp)], "--port="+port(w.smtp), "--auth=off", "sms@gw")},
		{"msmtp TLS plain", append(msmtp[:len(msmtp):len(msmtp)], "--port="+port(starttls), "--tls=on", "--auth=plain", "sms@gw")},
		{"msmtp smtps login", append(msmtp[:len(msmtp):len(msmtp)], "--port="+port(implicit), "--tls=on", "--tls-starttls=off", "--auth=login", "sms@gw")},
		{"curl", append(curl[:len(curl):len(curl)], "smtp://"+w.smtp)},
		{"curl TLS", append(curl[:len(curl):len(curl)], "--ssl-reqd", "--user", "acme:secret", "smtp://"+starttls)},
		{"curl smtps", append(curl[:len(curl):len(curl)], "--user", "acme:secret", "smtps://"+implicit)},
		{"python", []string{"python3", "-c", python, "off", port(w.smtp), "BODY"}},
		{"python TLS", []string{"python3", "-c", python, "starttls", port(starttls), "BODY"}},
		{"python smtps", []string{"python3", "-c", python, "implicit", port(implicit), "BODY"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			need(t, tt.command[0])
			text := "by " + tt.name
			// Lines as Unix programs write them.
			body := strings.ReplaceAll(script("to:448311234567", "text:"+text), "\r\n", "\n")
			dir := t.TempDir()
			for name, content := range map[string]string{"BODY": body, "MAIL": "From: me@example.com\nSubject: test\n\n" + body} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(tt.command[0], tt.command[1:]...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "HOME="+dir) // no settings of a person
			cmd.Stdin = strings.NewReader("From: me@example.com\nSubject: test\n\n" + body)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%q: %v\n%s", tt.command, err, out)
			}
			if n := w.queued()[text]; n != 1 {
				t.Errorf("%d messages", n)
			}
		})
	}
}
