package test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cellpost/modem/sim"
)

// stand is a modem for a program that knows nothing of us, and its network.
type stand struct {
	t       *testing.T
	dir     string
	device  string
	network *sim.Network
	modem   sim.Options
}

// newStand makes a stand. Each program has its own: what one leaves in the modem
// is not for the next.
func newStand(t *testing.T, o sim.Options) *stand {
	t.Helper()
	s := &stand{t: t, dir: t.TempDir(), network: sim.NewNetwork(sim.NetworkOptions{})}
	s.device = filepath.Join(s.dir, "modem")
	linked := make(chan struct{})
	var once sync.Once
	o.Linked = func(string) { once.Do(func() { close(linked) }) }
	m := sim.NewModem(s.network, o)
	s.modem = m.Options()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.ServePTY(ctx, s.device) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-linked
	return s
}

// send sends a text to the SIM.
func (s *stand) send(from, text string) {
	s.t.Helper()
	if err := s.network.Send(s.modem.MSISDN, from, text); err != nil {
		s.t.Fatal(err)
	}
}

// file writes a file of the stand and returns its path.
func (s *stand) file(name, content string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// folder makes a directory of the stand and returns its path.
func (s *stand) folder(name string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// program is a stranger's program that runs.
type program struct {
	*exec.Cmd
	t     *testing.T
	lines chan string // that it prints
	said  strings.Builder
}

// run starts a program, in English. It prints into one pipe.
func (s *stand) run(stdin, name string, args ...string) *program {
	s.t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		s.t.Fatalf("%s is not installed: make test does that", name)
	}
	p := &program{Cmd: exec.Command(name, args...), t: s.t, lines: make(chan string)}
	p.Stdin = strings.NewReader(stdin)
	p.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // smsd has children
	out, err := p.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	p.Stderr = p.Stdout
	if err := p.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			p.lines <- scan.Text()
		}
	}()
	s.t.Cleanup(func() {
		if p.ProcessState == nil {
			syscall.Kill(-p.Process.Pid, syscall.SIGKILL)
			p.end()
		}
		if s.t.Failed() {
			s.t.Logf("%s %s printed:\n%s", name, strings.Join(args, " "), &p.said)
		}
	})
	return p
}

// await reads what the program prints until all of want have come, in any order.
func (p *program) await(want ...string) {
	p.t.Helper()
	deadline := time.After(patience)
	for len(want) > 0 {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("%s ended without a word of %q", p.Path, want)
			}
			fmt.Fprintln(&p.said, line)
			want = slices.DeleteFunc(want, func(w string) bool { return strings.Contains(line, w) })
		case <-deadline:
			p.t.Fatalf("%s did not say %q", p.Path, want)
		}
	}
}

// end reads the rest and returns the exit status. What a module says by itself can
// make a program wait for ever.
func (p *program) end() int {
	late := time.AfterFunc(2*patience, func() {
		p.t.Errorf("%s does not end", p.Path)
		syscall.Kill(-p.Process.Pid, syscall.SIGKILL)
	})
	defer late.Stop()
	for line := range p.lines {
		fmt.Fprintln(&p.said, line)
	}
	p.Wait()
	return p.ProcessState.ExitCode()
}

// stop asks the program to end, which has to have that exit status.
func (p *program) stop(s os.Signal, status int) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	if code := p.end(); code != status {
		p.t.Errorf("%s ended with status %d, not %d", p.Path, code, status)
	}
}

// says reports an error unless the program printed all of want, in that order.
func (p *program) says(want ...string) {
	p.t.Helper()
	rest := p.said.String()
	for _, w := range want {
		_, after, ok := strings.Cut(rest, w)
		if !ok {
			p.t.Errorf("%s did not print %q, or not in time", p.Path, w)
			continue
		}
		rest = after
	}
}

// shown reports an error unless these screens, by number, and no more were shown.
func (s *stand) shown(want ...sim.Screen) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.network.WaitForScreens(ctx, func(all []sim.Screen) bool { return len(all) >= len(want) }); err != nil {
		s.t.Errorf("wait for %d screens: %v", len(want), err)
	}
	got := s.network.Screens()
	for i := range got {
		got[i].At, got[i].From = time.Time{}, ""
	}
	slices.SortFunc(got, func(a, b sim.Screen) int { return strings.Compare(a.To, b.To) })
	if !slices.Equal(got, want) {
		s.t.Errorf("screens %+v\nnot     %+v", got, want)
	}
}

// Connections of gammu. The first writes an octet at a time and waits after each
// line, the second writes whole lines; nothing else differs at a serial port.
const (
	byOctets = "at115200"
	byLines  = "dku2at"
)

// gammurc is the configuration of gammu, and of its daemon with more.
func (s *stand) gammurc(connection, more string) string {
	return s.file("gammurc", fmt.Sprintf("[gammu]\ndevice = %s\nconnection = %s\n%s", s.device, connection, more))
}

// TestGammu runs what gammu can do with SMS in one session, and what needs a
// session of its own.
func TestGammu(t *testing.T) {
	t.Parallel()
	s := newStand(t, sim.Options{})
	rc := s.gammurc(byOctets, "")
	const (
		short    = "Hello {}€ @£"
		question = "Did the first one arrive? "
		greeting = "Привет, мир €. "
	)
	long, foreign := strings.Repeat(question, 16), strings.Repeat(greeting, 10)
	s.send("447911000001", short)
	s.send("447911000002", long)
	s.send("447911000003", greeting)

	session := s.run(strings.Join([]string{
		"identify",
		"networkinfo",
		"getsmsc 1",
		"geteachsms",
		"getsms 1 1",
		"deletesms 1 1",
		"getallsms",
		"deleteallsms 1",
		"getallsms",
		fmt.Sprintf(`sendsms TEXT +447700900001 -report -text "%s"`, short),
		fmt.Sprintf(`sendsms TEXT +447700900002 -len 500 -text "%s"`, long),
		fmt.Sprintf(`sendsms TEXT +447700900003 -unicode -len 500 -text "%s"`, foreign),
		"reset SOFT",
	}, "\n"), "gammu", "-c", rc, "batch")
	if code := session.end(); code != 0 {
		t.Errorf("gammu ended with status %d", code)
	}
	session.says(
		": "+s.modem.Manufacturer, s.modem.Model, ": "+s.modem.IMEI, ": "+s.modem.IMSI,
		"home network", "001 01", `"Simulated"`, "attached",
		`"+447785016005"`,
		`"+447911000001"`, short, `"+447911000002"`, long, `"+447911000003"`, greeting, "5 SMS parts in 3 SMS sequences",
		"Location 1,", short,
		"Location 2,", "4 SMS parts in 4 SMS sequences",
		"0 SMS parts",
		"SMS 1/1", "reference=1",
		"SMS 3/3", "reference=4",
		"SMS 3/3", "reference=7",
	)
	s.shown(
		sim.Screen{To: "447700900001", Text: short, Parts: 1},
		sim.Screen{To: "447700900002", Text: long, Parts: 3},
		sim.Screen{To: "447700900003", Text: foreign, Parts: 3},
	)
	for _, e := range s.network.Ledger() {
		if report := e.MR == 1; e.Submit.StatusReport != report {
			t.Errorf("message %d asks for a report: %t", e.MR, !report)
		}
	}

	// The modem has restarted. Interrupted, gammu says that it was.
	const aborted = 170
	ussd := s.run("", "gammu", "-c", rc, "getussd", "*100#")
	ussd.await("Balance of " + s.modem.MSISDN)
	ussd.stop(os.Interrupt, aborted) // it would wait for more

	refused := s.run("", "gammu", "-c", rc, "sendsms", "TEXT", "+99900028", "-text", "nobody")
	if code := refused.end(); code == 0 {
		t.Error("gammu takes a refusal for success")
	}
	refused.says("error 28")
}

// TestGammuProfiles runs gammu with modules that it knows how to use. Others need
// what it does not do, as AT&F before all else or flow control.
//
// gammu writes by lines here. By octets, a line that an e220 says unasked may come
// between two of them and cut the echo of a command in two, as a real module may
// (manual of the SARA-R4, 2.2.5.1). gammu takes the answer for an unknown frame
// then, and before 1.44 each line that follows starts its time-out anew (its issue
// 392): every third session waited for ever.
func TestGammuProfiles(t *testing.T) {
	for _, profile := range []string{"sim800l", "e220", "ec25", "wavecom"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, sim.Options{Profile: profile})
			s.send("447911000001", "To you")
			session := s.run("identify\ngeteachsms\ndeleteallsms 1\ngetallsms\nsendsms TEXT +447700900001 -text \"From you\"\n",
				"gammu", "-c", s.gammurc(byLines, ""), "batch")
			if code := session.end(); code != 0 {
				t.Errorf("gammu ended with status %d", code)
			}
			session.says(s.modem.Model, s.modem.IMEI, "To you", "0 SMS parts", "SMS 1/1", "reference=1")
			s.shown(sim.Screen{To: "447700900001", Text: "From you", Parts: 1})
		})
	}
}

// TestGammuDaemon lets the daemon of gammu receive a message, send one and get
// its report.
func TestGammuDaemon(t *testing.T) {
	t.Parallel()
	s := newStand(t, sim.Options{})
	in, sent := s.folder("in"), s.folder("sent")
	// The report comes with +CDS: of one in the memory SR it keeps an empty file.
	rc := s.gammurc(byOctets, fmt.Sprintf("atgen_setcnmi = ,,,1\n[smsd]\nservice = files\nlogfile = stdout\n"+
		"inboxpath = %s/\noutboxpath = %s/\nsentsmspath = %s/\nerrorsmspath = %s/\ninboxformat = standard\n"+
		"deliveryreport = sms\nreceivefrequency = 1\ncommtimeout = 1\nloopsleep = 1\nstatusfrequency = 0\n",
		in, s.folder("out"), sent, s.folder("error")))
	inject := s.run("", "gammu-smsd-inject", "-c", rc, "TEXT", "+447700900001", "-report", "-text", "From a daemon")
	if code := inject.end(); code != 0 {
		t.Fatalf("gammu-smsd-inject ended with status %d", code)
	}
	s.send("447911000001", "To a daemon")

	smsd := s.run("", "gammu-smsd", "-c", rc)
	smsd.await("Received IN", "Transmitted ", "Delivery report ")
	smsd.stop(os.Interrupt, 0)
	s.shown(sim.Screen{To: "447700900001", Text: "From a daemon", Parts: 1})
	contents(t, in, "To a daemon", "Delivered")
	contents(t, sent, "MessageReference = 1")
}

// TestSMSTools lets smsd of the SMS Server Tools do the same, with messages of
// several parts and the report read from the memory SR.
func TestSMSTools(t *testing.T) {
	t.Parallel()
	s := newStand(t, sim.Options{})
	in, out, sent := s.folder("in"), s.folder("out"), s.folder("sent")
	config := s.file("smsd.conf", fmt.Sprintf("devices = stranger\nlogfile = 1\nloglevel = 5\ndelaytime = 1\n"+
		"incoming = %s\noutgoing = %s\nsent = %s\nchecked = %s\nfailed = %s\ninfofile = %s\npidfile = %s\n"+
		"incoming_utf8 = yes\nautosplit = 3\n"+
		"[stranger]\ndevice = %s\ninit = AT+CNMI=2,1,0,2,0\nprimary_memory = SM\nsecondary_memory = SR\nincoming = yes\n",
		in, out, sent, s.folder("checked"), s.folder("failed"), filepath.Join(s.dir, "info"), filepath.Join(s.dir, "pid"), s.device))
	question := strings.Repeat("Is this €5 too long? ", 12)
	s.send("447911000001", question)
	s.file("out/one", "To: 447700900001\nReport: yes\n\nFrom the tools")
	statement := strings.Repeat("A text of three parts. ", 17) + "Its end"
	s.file("out/two", "To: 447700900002\n\n"+statement)

	smsd := s.run("", "smsd", "-c"+config, "-t")
	smsd.await("IMEI: "+s.modem.IMEI, "IMSI: "+s.modem.IMSI,
		"SMS sent, ", "SMS sent (part 3/3)", "SMS received (part 2/2), From: 447911000001", "SMS received (report, Message_id: ")
	smsd.stop(syscall.SIGTERM, 0)
	contents(t, in, question, "Status: 0,Ok")
	contents(t, sent, "From the tools", statement)
	s.shown(
		sim.Screen{To: "447700900001", Text: "From the tools", Parts: 1},
		sim.Screen{To: "447700900002", Text: statement, Parts: 3},
	)
}

// contents reports an error unless the files of a directory hold all of want.
func contents(t *testing.T, dir string, want ...string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	for _, w := range want {
		if !strings.Contains(all.String(), w) {
			t.Errorf("%d files in %s, none with %q:\n%s", len(files), dir, w, &all)
		}
	}
}
