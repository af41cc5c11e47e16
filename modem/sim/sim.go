// Package sim is a simulated GSM modem and the mobile network behind it.
//
// A [Modem] speaks plain 3GPP TS 27.005 (PDU mode) and 27.007 over any stream,
// or behind a PTY; a driver written for such modems cannot tell. A [Network]
// joins several modems: it keeps a ledger of every SMS-SUBMIT it accepted, shows
// whole messages on the screens of simulated handsets, makes status reports and
// sends messages to the SIMs.
//
// # Faults
//
// [Modem.Inject] makes the next hand-overs go wrong, [Modem.Strike] breaks
// something at once. Where code cannot reach the modem, as in a demo, the number
// dialled does it: no country has the code 999. Any digits may follow those in
// the table, so that several numbers share a fate; "once" is once per number, so
// that a second attempt succeeds.
//
//	+999 00 ccc   refused each time with +CMS ERROR: ccc (99900028: unidentified subscriber)
//	+999 01 ccc   refused once with +CMS ERROR: ccc (99901038: network out of order)
//	+999 10 00    once: no result, the network never gets it
//	+999 10 01    once: no result, the network has taken it
//	+999 10 02    once: the result comes 90 s late
//	+999 10 03    once: unsolicited lines before +CMGS, and between it and OK
//	+999 10 04    once: the +CMGS line comes twice
//	+999 10 05    once: unplugged for 10 s, the network never gets it
//	+999 10 06    once: unplugged for 10 s, the network has taken it
//	+999 10 07    once: the modem restarts, the network never gets it
//	+999 10 08    once: the modem restarts, the network has taken it
//	+999 10 09    once: the modem freezes for 2 min, the network never gets it
//	+999 10 10    once: the modem freezes for 2 min, the network has taken it
//	+999 10 11    once: the network is lost for 30 s (+CMS ERROR: 331)
//	+999 10 12    once: registration is denied for 60 s (+CMS ERROR: 331)
//	+999 10 13    once: the SIM is out for 60 s (+CMS ERROR: 310)
//	+999 10 14    once: the echo comes on
//	+999 10 15    once: 200 unsolicited lines before the result
//	+999 10 16    once: OK comes 10 s after +CMGS
//	+999 20 00    the handset is off: a temporary status, then delivered
//	+999 20 01    the report says failed for good (TP-ST 0x43)
//	+999 20 02    no report
//	+999 20 03    the report comes before +CMGS
package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"cellpost/pdu"
)

// Options of a modem. The zero value is a registered modem without a PIN that
// sends in no time; each modem of a network gets numbers of its own.
type Options struct {
	Name   string // in the ledger; "m0", "m1", ... by default
	IMEI   string // 15 digits
	IMSI   string // 15 digits
	ICCID  string // 19 or 20 digits
	MSISDN string // the SIM's own number, digits with the country code
	PIN    string // empty: the SIM asks for none

	Manufacturer, Model string // AT+CGMI, AT+CGMM

	NoEcho   bool          // start with ATE0; the standard is ATE1
	AirTime  time.Duration // from Ctrl-Z until the network decides
	Register time.Duration // from a ready SIM to registration; zero: registered when made
	SIMBusy  time.Duration // how long the SIM is busy (+CME ERROR: 14) after the PIN
	Boot     time.Duration // how long a restart takes
	AckTime  time.Duration // how long +CMT and +CDS wait for AT+CNMA; default 15 s
	Slots    int           // capacity of each message memory; default 20

	Linked func(link string)  // called by [Modem.ServePTY] each time the link stands
	Heard  func(at time.Time) // called with the time of the first octet of each AT+CMGS, and must not call the modem; may be nil

	// Wrap, when set, stands between the modem and each port of [Modem.ServePTY],
	// to watch or to change what passes: a module with answers of its own.
	Wrap func(port io.ReadWriteCloser) io.ReadWriteCloser
}

const (
	defaultAckTime = 15 * time.Second
	defaultSlots   = 20
	maxUnwritten   = 64 << 10 // octets said to a port that takes none; more are lost, as on a UART
	maxHeld        = 4 << 10  // octets that wait for a hand-over to end
)

// Modem is a simulated modem with its SIM. Safe for concurrent use.
type Modem struct {
	o        Options
	net      *Network
	commands map[string]command

	mu      sync.Mutex    // taken before that of the network, never after
	port    *port         // nil: unplugged
	out     []byte        // said, not yet written
	spare   []byte        // the buffer that out takes turns with
	writing bool          // somebody writes to port
	away    time.Duration // how long a hang-up lasts

	state  state
	life   int           // counts restarts: what was under way before one is dropped
	frozen bool          // hears nothing, says nothing
	jam    chan struct{} // not nil: reads nothing until it is closed
	line   []byte        // command line so far
	long   bool          // it was too long
	lineAt time.Time     // when its first octet came
	held   []byte        // octets that came during a hand-over
	set    settings
	notes  []string // unsolicited codes that wait for the end of a command

	sim      simCard
	radio    int // AT+CFUN
	stat     int // registration, as in +CREG
	searches int // counts searches and losses, so that the newest wins

	job      handover
	mr       byte        // TP-MR of the last hand-over
	sent     [256]string // TP-DA by TP-MR: what the SIM sent
	faults   []Fault     // for the next hand-overs
	counts   Counters
	finalAt  time.Time // of the last hand-over; zero once AT+CMGS followed
	gaps     []time.Duration
	waiting  []arrival // what the network holds for this SIM
	unacked  *arrival  // waits for AT+CNMA
	buffered []string  // indications kept in AT+CNMI mode 0
	memories [3]memory // SM, ME, SR
}

// state is what the modem does with the octets it gets.
type state int

const (
	ready   state = iota // takes command lines
	typing               // takes a TPDU, up to Ctrl-Z or ESC
	busy                 // keeps them until the hand-over ends
	booting              // loses them
)

// settings are what ATZ puts back.
type settings struct {
	echo, numeric bool   // ATE, ATV0
	cmee          int    // form of errors
	csms, cmms    int    // phase 2+ acknowledgement, link kept open
	cusd          int    // USSD shown
	creg          [3]int // +CREG, +CGREG, +CEREG
	cnmi          [5]int // mode, mt, bm, ds, bfr
	mem           [3]int // indexes into memories: read, write, receive
	format        int    // AT+CMGF; PDU mode only
}

// Counters say what a modem was asked.
type Counters struct {
	Commands  int // command lines with AT
	HandOvers int // AT+CMGS with a length
}

// NewModem makes a modem with a SIM of the network n. It was switched on some
// time ago: there is no banner to come.
func NewModem(n *Network, o Options) *Modem {
	m := &Modem{net: n, commands: commandTable(), radio: 1}
	m.mu.Lock() // once it has joined, others may send to it
	defer m.mu.Unlock()
	n.join(m, o)
	for i, name := range []string{"SM", "ME", "SR"} {
		m.memories[i] = memory{name: name, slots: make([]stored, m.o.Slots)}
	}
	m.set = m.defaults()
	m.sim.lock(m.o.PIN)
	m.search()
	return m
}

// withDefaults fills in what the k-th modem of a network was not given.
func (o Options) withDefaults(k int) Options {
	def := func(s *string, format string) {
		if *s == "" {
			*s = fmt.Sprintf(format, k)
		}
	}
	def(&o.Name, "m%d")
	def(&o.IMEI, "3589120%08d")
	def(&o.IMSI, "2341512%08d")
	def(&o.ICCID, "8944150000%09d")
	def(&o.MSISDN, "4477009%05d")
	if o.Manufacturer == "" {
		o.Manufacturer = "Cellpost"
	}
	if o.Model == "" {
		o.Model = "Simulated modem"
	}
	if o.AckTime == 0 {
		o.AckTime = defaultAckTime
	}
	if o.Slots == 0 {
		o.Slots = defaultSlots
	}
	return o
}

func (m *Modem) defaults() settings { return settings{echo: !m.o.NoEcho} }

// Options returns the options with what was left out filled in.
func (m *Modem) Options() Options { return m.o }

// Counters returns what the modem was asked so far.
func (m *Modem) Counters() Counters {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts
}

// Gaps returns, for each AT+CMGS but the first, the time from the final result
// of the hand-over before (as its writing began) to the first octet of the
// command line: what the driver's own work costs.
func (m *Modem) Gaps() []time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.gaps)
}

// Serve speaks on rw until ctx ends, the other side closes or the modem is
// unplugged, closes rw and returns nil. PIN, registration, settings and memories
// outlast it, as in a module that stays powered. A modem has one port: a second
// Serve at the same time is an error.
func (m *Modem) Serve(ctx context.Context, rw io.ReadWriteCloser) error {
	p := &port{rw}
	if !m.plug(p) {
		return fmt.Errorf("modem %s is connected already: end the other Serve first", m.o.Name)
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		rw.Close()
		close(closed)
	})
	defer func() {
		if !stop() {
			<-closed
		}
	}()
	defer m.unplug(p)
	err := m.listen(ctx, rw)
	if ctx.Err() != nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return fmt.Errorf("read the port of modem %s: %w", m.o.Name, err)
}

// listen reads rw until that fails.
func (m *Modem) listen(ctx context.Context, rw io.Reader) error {
	b := make([]byte, 1024)
	for {
		n, err := rw.Read(b)
		jam := m.hear(b[:n], time.Now())
		if err != nil {
			return err
		}
		if jam == nil {
			continue
		}
		select {
		case <-jam:
		case <-ctx.Done():
		}
	}
}

// port is what one Serve speaks on.
type port struct{ io.ReadWriteCloser }

func (m *Modem) plug(p *port) bool {
	m.mu.Lock()
	defer m.leave()
	if m.port != nil {
		return false
	}
	m.port, m.away = p, 0
	return true
}

// hear takes what was read. It returns the jam, if any, that has to end before
// more is read.
func (m *Modem) hear(b []byte, at time.Time) (jam <-chan struct{}) {
	m.mu.Lock()
	defer m.leave()
	m.input(b, at)
	return m.jam
}

func (m *Modem) unplug(p *port) {
	p.Close()
	m.mu.Lock()
	defer m.leave()
	if m.port == p {
		m.port = nil
	}
}

// leave ends a turn at the modem: it announces what is due, writes what was said
// and unlocks. Nobody holds the lock while writing, and one writes at a time, so
// that the order stays and a port that blocks stops no one else.
func (m *Modem) leave() {
	m.pump()
	for len(m.out) > 0 && !m.writing {
		b, p := m.out, m.port
		m.out = m.spare[:0]
		if p != nil {
			m.writing = true
			m.mu.Unlock()
			p.Write(b) // that it is gone shows in Read
			m.mu.Lock()
			m.writing = false
		}
		m.spare = b
	}
	m.mu.Unlock()
}

// say puts s on the way to the other side.
func (m *Modem) say(s string) {
	if m.frozen || len(m.out) > maxUnwritten {
		return
	}
	m.out = append(m.out, s...)
}

// later runs f in a turn at the modem, after d.
func (m *Modem) later(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		m.mu.Lock()
		defer m.leave()
		f()
	})
}

// after runs f after d, at once when d is zero, unless the modem is restarted or
// frozen first; then it reads what was kept meanwhile.
func (m *Modem) after(d time.Duration, f func()) {
	if d <= 0 {
		f()
		return
	}
	life := m.life
	m.later(d, func() {
		if m.life != life {
			return
		}
		f()
		held := m.held
		m.held = nil
		m.input(held, time.Now())
	})
}

// arrival is a TPDU from the network to this SIM.
type arrival struct {
	tpdu   []byte
	report bool
	class  pdu.Class
}

// receive takes a TPDU from the network.
func (m *Modem) receive(a arrival) {
	m.mu.Lock()
	defer m.leave()
	m.waiting = append(m.waiting, a)
}

// receiveReports takes the reports of one message, each at its time.
func (m *Modem) receiveReports(reports []report) {
	for _, r := range reports {
		a := arrival{tpdu: r.tpdu, report: true}
		if r.after <= 0 {
			m.waiting = append(m.waiting, a)
			continue
		}
		m.later(r.after, func() { m.waiting = append(m.waiting, a) })
	}
}
