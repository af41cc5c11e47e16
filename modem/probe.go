package modem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cellpost/modem/at"
	"cellpost/modem/profile"
	"cellpost/modem/usb"
)

const (
	askIn      = 2 * time.Second // for an answer to AT
	wakeIn     = 3 * time.Second // for a module that waits for the rest of a message, or was asleep
	tellIn     = 5 * time.Second // for an answer to AT+CGSN
	listenFor  = time.Second     // to ports that answer, for lines that nobody asked for
	maxProbed  = 32              // ports of a device, as many as it can have interfaces (USB 2.0, 9.6.5)
	shortIMEI  = 14              // digits of an IMEI without the check digit (3GPP TS 23.003, 6.2)
	longestSVN = 3               // digits that may follow: the check digit, or a software version
)

// finding is a module found behind a port.
type finding struct {
	imei string // empty: it answers, and does not tell
	port usb.Port
}

// prober finds out which ports of a USB device take commands, and whose they are.
type prober struct {
	tree  usb.Tree
	ports func(profile.ID) (profile.Ports, bool)
}

// layout is what is known of the ports of a device.
func (p prober) layout(d usb.Device) profile.Ports {
	if p.ports != nil {
		if known, ok := p.ports(profile.ID{Vendor: d.Vendor, Product: d.Product}); ok {
			return known
		}
	}
	return profile.Ports{Command: -1, Second: -1}
}

// command returns the port of a device that takes commands, as far as that is
// known without asking.
func (p prober) command(d usb.Device) (usb.Port, bool) {
	known := p.layout(d)
	ports := candidates(d, known)
	i := slices.IndexFunc(ports, func(port usb.Port) bool { return commands(known, port) })
	for _, c := range known.Also {
		if i >= 0 {
			break
		}
		i = slices.IndexFunc(ports, func(port usb.Port) bool { return isClass(c, port) })
	}
	if i < 0 {
		return usb.Port{}, false
	}
	return ports[i], true
}

// commands reports whether a port is the one that takes commands.
func commands(known profile.Ports, port usb.Port) bool {
	if known.Class != nil {
		return isClass(*known.Class, port)
	}
	return port.Interface == known.Command
}

func isClass(c profile.Class, port usb.Port) bool {
	return port.Class == c.Class && port.Protocol == c.Protocol && (c.Subclass == 0 || port.Subclass == c.Subclass)
}

// candidates are the ports of a device that may be opened.
func candidates(d usb.Device, known profile.Ports) []usb.Port {
	ports := slices.DeleteFunc(slices.Clone(d.Ports), func(p usb.Port) bool { return slices.Contains(known.Ignore, p.Interface) })
	return ports[:min(len(ports), maxProbed)]
}

// probe asks the ports of a device, and returns the modules that answer, by
// port. Adapters with several ports may have several. The port that is known to
// take commands is asked alone; the others when it does not answer.
func (p prober) probe(ctx context.Context, d usb.Device) ([]finding, error) {
	known := p.layout(d)
	ports := candidates(d, known)
	if first, ok := p.command(d); ok {
		found, err := findings(known, p.ask(ctx, []usb.Port{first}))
		if err == nil || isBarred(err) || len(ports) == 1 {
			return found, err
		}
		ports = slices.DeleteFunc(ports, func(p usb.Port) bool { return p == first })
	}
	return findings(known, p.ask(ctx, ports))
}

// reply is what came of asking a port.
type reply struct {
	port  usb.Port
	spoke bool   // it takes commands
	imei  string // empty: it did not tell
	extra bool   // it said what nobody had asked for
	err   error  // it could not be opened
}

// ask asks all ports at the same time. Those that answer stay open until the
// last has, or has not: some modules answer only while another port is open,
// and one that says much shows it.
func (p prober) ask(ctx context.Context, ports []usb.Port) []reply {
	replies := make([]reply, len(ports))
	over := make(chan struct{})
	var asked, closed sync.WaitGroup
	for i, port := range ports {
		asked.Add(1)
		closed.Go(func() { replies[i] = p.question(ctx, port, asked.Done, over) })
	}
	asked.Wait()
	if len(ports) > 1 {
		wait(ctx, listenFor)
	}
	close(over)
	closed.Wait()
	return replies
}

// question asks one port, calls asked, and keeps the port open until over if it
// answered.
func (p prober) question(ctx context.Context, port usb.Port, asked func(), over <-chan struct{}) reply {
	answered := sync.OnceFunc(asked)
	defer answered()
	r := reply{port: port}
	if r.err = p.bar(port.Node); r.err != nil {
		return r
	}
	stream, err := at.Open(port.Node, at.Mode{})
	if err != nil {
		r.err = err
		return r
	}
	var extra atomic.Bool
	d := at.New(stream, at.Config{Trace: func(dir byte, line string) {
		if dir == '<' && !expected(line) {
			extra.Store(true)
		}
	}})
	runCtx, stop := context.WithCancel(ctx)
	var run sync.WaitGroup
	run.Go(func() { d.Run(runCtx) })
	if r.imei, r.spoke = identity(ctx, d); r.spoke {
		answered()
		<-over
	}
	stop()
	run.Wait()
	r.extra = extra.Load()
	return r
}

// identity asks for an IMEI. ok tells whether the port takes commands.
func identity(ctx context.Context, d *at.Dialogue) (imei string, ok bool) {
	_, err := d.Command(ctx, "", askIn)
	if stalls(err) {
		wakeCtx, cancel := context.WithTimeout(ctx, wakeIn)
		err = d.Resync(wakeCtx)
		cancel()
	}
	if err != nil {
		return "", false
	}
	info, err := d.Command(ctx, "+CGSN", tellIn)
	for _, line := range info {
		if imei := findIMEI(line); imei != "" {
			return imei, true
		}
	}
	return "", !stalls(err)
}

// findIMEI returns the first run of digits in a line that can be an IMEI.
func findIMEI(line string) string {
	for run := range strings.FieldsFuncSeq(line, func(r rune) bool { return r < '0' || r > '9' }) {
		if len(run) >= shortIMEI && len(run) <= shortIMEI+longestSVN {
			return run
		}
	}
	return ""
}

// sameIMEI compares without the check digit, which some modules leave out, or
// tell as 0.
func sameIMEI(a, b string) bool {
	return len(a) >= shortIMEI && len(b) >= shortIMEI && a[:shortIMEI] == b[:shortIMEI]
}

// expected reports whether a line is of the dialogue of [identity].
func expected(line string) bool {
	return strings.HasPrefix(line, "AT") || strings.HasPrefix(line, "+CMEE:") || strings.HasPrefix(line, ">") ||
		line == "OK" || strings.Contains(line, "ERROR") || findIMEI(line) != ""
}

// findings takes one port for each module: the one that is known for commands,
// else a quiet one, else the first. The error says why there is none.
func findings(known profile.Ports, replies []reply) ([]finding, error) {
	rank := func(r reply) int {
		switch {
		case commands(known, r.port):
			return 0
		case r.port.Interface == known.Second:
			return 1
		case !r.extra:
			return 2
		}
		return 3
	}
	best := slices.Clone(replies)
	slices.SortStableFunc(best, func(a, b reply) int { return cmp.Compare(rank(a), rank(b)) })
	var found []finding
	for _, r := range best {
		if r.imei != "" && !slices.ContainsFunc(found, func(f finding) bool { return sameIMEI(f.imei, r.imei) }) {
			found = append(found, finding{r.imei, r.port})
		}
	}
	if i := slices.IndexFunc(best, func(r reply) bool { return r.spoke }); i >= 0 && len(found) == 0 {
		found = []finding{{port: best[i].port}}
	}
	if len(found) == 0 {
		return nil, unanswered(replies)
	}
	slices.SortStableFunc(found, func(a, b finding) int { return cmp.Compare(a.port.Interface, b.port.Interface) })
	return found, nil
}

// unanswered is why no port took commands: that a person can help with it counts more.
func unanswered(replies []reply) error {
	var names []string
	var failed error
	for _, r := range replies {
		names = append(names, filepath.Base(r.port.Node))
		if isBarred(r.err) {
			return r.err
		}
		if failed == nil && !errors.Is(r.err, fs.ErrNotExist) {
			failed = r.err
		}
	}
	switch {
	case failed != nil:
		return failed
	case len(names) == 0:
		return errors.New("it has no port that may take commands: correct its layout in the profiles")
	}
	return fmt.Errorf("%s: no answer to AT: wait while it starts, or unplug it for ten seconds", strings.Join(names, ", "))
}

// barredError is why a port that is there must not be opened: no reset of the
// module would help.
type barredError struct{ code, cause, step string }

func (e *barredError) Error() string { return e.cause + ": " + e.step }

// Codes of barred ports.
const (
	portHeld   = "device-held"   // another program has it open
	portShared = "device-shared" // another modem of this gateway is the same
	portUnfit  = "device-unfit"  // it is no serial port
)

// barred reports whether a modem is out of service for a barredError.
func (f Finding) barred() bool {
	return f.Code == portHeld || f.Code == portShared || f.Code == portUnfit
}

// isBarred reports whether err is a barredError.
func isBarred(err error) bool {
	_, ok := errors.AsType[*barredError](err)
	return ok
}

func heldBy(node string, by usb.Holder) error {
	step := "stop it, or keep it off this port"
	if by.Program == "ModemManager" {
		step = `systemctl disable --now ModemManager, or keep it off this device with ENV{ID_MM_DEVICE_IGNORE}="1"`
	}
	return &barredError{portHeld, fmt.Sprintf("%s: held by %v", node, by), step}
}

func sharedBy(what, name string) error {
	return &barredError{portShared, what + " is that of modem " + name, "take one of the two out of the configuration"}
}

// bar returns why a port must not be opened; nil: nothing is known against it. The
// lock of another program does not bind root.
func (p prober) bar(node string) error {
	if p.tree.NoPort(node) {
		return &barredError{portUnfit, node + " is no serial port", "correct device"}
	}
	for _, h := range p.tree.Holders(node) {
		if h.PID != os.Getpid() {
			return heldBy(node, h)
		}
	}
	return nil
}

// wait waits for d, and reports whether ctx lasted as long.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Find looks for a modem that no fleet looks after: by its USB path, or else by
// its IMEI among all devices. It returns the port that takes commands, or why the
// first device that does not answer does not.
func Find(ctx context.Context, tree usb.Tree, table *profile.Table, imei, path string) (Place, error) {
	devices, err := tree.Devices()
	if err != nil {
		return Place{}, err
	}
	p := prober{tree: tree, ports: table.Ports}
	failed := errAbsent
	for _, d := range devices {
		if path != "" && d.Path != path {
			continue
		}
		found, err := p.probe(ctx, d)
		if err != nil && failed == errAbsent {
			failed = fmt.Errorf("%v: %w", d, err)
		}
		for _, m := range found {
			if path != "" || sameIMEI(m.imei, imei) {
				return Place{Device: m.port.Node, USB: d.Path, ID: profile.ID{Vendor: d.Vendor, Product: d.Product}}, nil
			}
		}
	}
	return Place{}, failed
}
