// Package sim is a simulated GSM modem and the mobile network behind it.
//
// A [Modem] speaks plain 3GPP TS 27.005 (PDU mode) and 27.007 over any stream,
// or behind a PTY; a driver written for such modems cannot tell. A [Network]
// joins several modems: it keeps a ledger of every SMS-SUBMIT it accepted, shows
// whole messages on the screens of simulated handsets, makes status reports and
// sends messages to the SIMs.
//
// # Profiles
//
// With [Options.Profile] a modem is one of the modules that people own, with its
// names, unsolicited lines and quirks:
//
//	sim900     no messages before "Call Ready" (+CMS ERROR: 302); MISSED_CALL
//	e220       ^RSSI and ^BOOT every 300 ms and inside answers; no service centre after a start; indexes from 0; ^NWTIME
//	e3372      AT+CFUN=1,1 makes it a CD-ROM until [Modem.Replug]; indexes from 0; packed USSD; ^NWTIME
//	mf190      an empty field in +CDS; AT+CNMI mode 1 only, whatever it offers; +ZUSIMR:2, +ZPASR
//	sim800l    like sim900; ds 0 and 1 only; no AT+CNMA; see [BrownOut]
//	sim7600    AT+CMGS gets ERROR before "SMS DONE", and before AT&F; +CNSMOD, *PSUTTZ, +CTZV, MISSED_CALL
//	ec25       reports in SR, announced as +CDSI: "SM",0; AT+CNMA takes 300 ms; +QIND
//	eg06       a refusal is +CMS ERROR: 350 after 135 s; AT+CMGL gets +CMS ERROR: 303
//	tc35       AT+CNMI 3,2,0,1,1 in phase 2+ only, bfr 1 only, 3,0,0,0,1 after a missing AT+CNMA; loses octets without AT\Q3; ^SYSSTART
//	wavecom    reports in SR; AT+CPMS takes two parameters and lists in double parentheses; +WIND
//	sara-r4    starts with AT+CNMI 1,0; mode 1 throws codes away during a hand-over
//	msm        offers AT+CNMI mode 2 and refuses it; ME first; no AT+CUSD=2
//	e1750      AT+CMGL hangs the modem for 2 min; indexes from 0; packed USSD; ^NWTIME
//	m66-ds     no messages before "Call Ready"; two SIMs, AT+QDSIM
//	dual-csus  plain; two SIMs, AT+CSUS
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
//	+999 10 17    once: the modem takes the PDU and hangs for 2 min, the network never gets it
//	+999 10 18    once: the memory is full of old messages (+CMS ERROR: 322)
//	+999 10 19    once: each command for messages gets +CMS ERROR: 500 for 60 s
//	+999 10 20    once: OK never comes after +CMGS
//	+999 10 21    once: refused in words (+CMS ERROR: SMS type not supported)
//	+999 10 22    once: OK in the line of +CMGS
//	+999 10 23    once: the modem restarts and says "SMS Ready" only, the network never gets it
//	+999 10 24    once: the same, the network has taken it
//	+999 20 00    the handset is off: a temporary status, then delivered
//	+999 20 01    the report says failed for good (TP-ST 0x43)
//	+999 20 02    no report
//	+999 20 03    the report comes before +CMGS
//
// # Cards
//
// A modem may have several slots, each with a [Card]; Options.SlotCommand chooses
// the one in use. Only that one receives; the network keeps what comes for the
// others. Messages in SM and SR, the SMSC and the count of TP-MR go with the card.
// [Modem.Swap] moves cards between modems, [Modem.SetTrouble] makes them fail.
//
// # USSD
//
// Unless NetworkOptions.USSD says otherwise, AT+CUSD gets:
//
//	*100#   the balance
//	*123#   a menu of three lines: 1 the balance, 2 another menu, 0 the end
//	*124#   nothing, until AT+CUSD=2 or two minutes have passed
//	*125#   +CUSD: 2, ended by the network
//	*127#   the balance in UCS2 (coding 72)
//	*128#   +CME ERROR: 100
//	*129#   +CUSD: 5, time out, after 30 s
//	other   +CUSD: 4, not supported
package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
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

	Profile             string // one of [Profiles], which changes the defaults below; empty: a plain modem
	Manufacturer, Model string // AT+CGMI, AT+CGMM; empty: as the profile says

	NoEcho   bool          // start with ATE0; the standard is ATE1
	AirTime  time.Duration // from Ctrl-Z until the network decides
	Register time.Duration // from a ready SIM to registration; zero: registered when made
	SIMBusy  time.Duration // how long the SIM is busy (+CME ERROR: 14) after the PIN
	Boot     time.Duration // how long a restart takes
	Ready    time.Duration // from there to messages, where the profile has a sign for it ("SMS Ready")
	Slow     time.Duration // how late profile eg06 tells a refusal; default 135 s
	AckTime  time.Duration // how long +CMT and +CDS wait for AT+CNMA; default 15 s
	Slots    int           // capacity of each message memory; default 20
	MR       byte          // TP-MR of the last message before, of the first card; from 255 it wraps

	Cards       []Card        // by slot; none: one with IMSI, ICCID, MSISDN and PIN above, which else are those of the first, and a second where the profile has two slots
	SlotCommand string        // that chooses the slot: "+CSUS", "+QDSIM", "+GTDUALSIM", "+QUIMSLOT", "^SIMSLOT"; empty: none
	SlotSettle  time.Duration // from a change of the card in use to +CPIN: READY

	Operator    string    // name in AT+COPS?; default "Simulated"
	USSD        string    // form of the text in AT+CUSD, both ways: "" as AT+CSCS says, "packed" (GSM 7-bit in hexadecimal), "gsm" (its octets), "ucs2" (in hexadecimal)
	MissedCall  bool      // MISSED_CALL after NO CARRIER, as SIMCom has it
	KeepReports bool      // reports that AT+CNMI does not want (ds 0) are kept in SR, unsaid
	PowerOn     time.Time // what the clock says when power comes: 1980 or 2004, say; zero: a battery keeps the clock right
	TimeCode    string    // unsolicited code that tells the time of the network: "*PSUTTZ", "^NWTIME"; empty: none

	Linked func(link string)  // called by [Modem.ServePTY] each time the link stands
	Heard  func(at time.Time) // called with the time of the first octet of each AT+CMGS, and must not call the modem; may be nil

	// Wrap, when set, stands between the modem and each port of [Modem.ServePTY],
	// to watch or to change what passes: a module with answers of its own.
	Wrap func(port io.ReadWriteCloser) io.ReadWriteCloser
}

const (
	defaultAckTime = 15 * time.Second
	defaultSlow    = 135 * time.Second
	defaultSlots   = 20
	maxUnwritten   = 64 << 10 // octets said to a port that takes none; more are lost, as on a UART
	maxHeld        = 4 << 10  // octets that wait for a hand-over to end
)

// Modem is a simulated modem with its SIMs. Safe for concurrent use.
type Modem struct {
	o        Options
	net      *Network
	profile  profile
	commands map[string]command
	back     chan struct{} // ends a hang-up; holds one

	mu      sync.Mutex    // taken before that of the network, never after
	port    *port         // nil: unplugged
	out     []byte        // said, not yet written
	spare   []byte        // the buffer that out takes turns with
	writing bool          // somebody writes to port
	away    time.Duration // how long a hang-up lasts

	state     state
	life      int           // counts restarts: what was under way before one is dropped
	frozen    bool          // hears nothing, says nothing
	unstarted bool          // froze while it started
	jam       chan struct{} // not nil: reads nothing until it is closed
	line      []byte        // command line so far
	long      bool          // it was too long
	lineAt    time.Time     // when its first octet came
	held      []byte        // octets that came during a hand-over
	set       settings
	notes     []string // unsolicited codes that wait for the end of a command

	slots   []*SIM // never nil; see noSIM
	slot    int    // in use
	sim     *SIM   // in that slot
	started int    // counts SIMs that got power, so that the newest wins

	cdrom       bool    // a CD-ROM without ports
	cold        bool    // has no power until the next port
	gated       bool    // the last lines of the start are to come
	reset       bool    // AT&F was sent since the start
	starts      int     // counts them, so that the last lines are those of the newest
	said        int     // lines of chatter
	fullSaid    bool    // that a memory is full
	smsDown     trouble // the message service
	undeletable trouble // messages
	bare        trouble // lines without CR

	radio    int // AT+CFUN
	service  Service
	rssi     int // AT+CSQ
	stat     int // registration, as in +CREG
	searches int // counts searches and losses, so that the newest wins

	job      handover
	faults   []Fault // for the next hand-overs
	counts   Counters
	finalAt  time.Time // of the last hand-over; zero once AT+CMGS followed
	gaps     []time.Duration
	unacked  *arrival  // waits for AT+CNMA
	buffered []string  // indications kept in AT+CNMI mode 0
	memories [3]memory // SM, ME, SR; the first and the last are the SIM's
	clock    clock
	ctzu     int   // AT+CTZU; outlasts a restart
	call     *call // that rings; nil: none
	ussd     *ussdSession
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
	cscs          string // alphabet of texts
	cmee          int    // form of errors
	cops          int    // form of the operator's name
	csms, cmms    int    // phase 2+ acknowledgement, link kept open
	cusd          int    // USSD shown
	clip, crc     int    // number of the caller shown, long form of RING
	ctzr          int    // time of the network told
	creg          [3]int // +CREG, +CGREG, +CEREG
	cnmi          [5]int // mode, mt, bm, ds, bfr
	mem           [3]int // indexes into memories: read, write, receive
	format        int    // AT+CMGF; PDU mode only
	flow          int    // AT\Q
	hushed        bool   // no chatter
}

// Counters say what a modem was asked.
type Counters struct {
	Commands  int // command lines with AT
	HandOvers int // AT+CMGS with a length
}

// NewModem makes a modem with a SIM of the network n, or several. It was switched
// on some time ago: there is no banner to come, unless after the PIN. It panics on
// an o.Profile, o.SlotCommand, o.USSD or o.TimeCode that there is not.
func NewModem(n *Network, o Options) *Modem {
	m := &Modem{net: n, profile: profileNamed(o.Profile), radio: 1, rssi: defaultSignal, back: make(chan struct{}, 1)}
	m.commands = m.profile.table()
	m.mu.Lock() // once it has joined, others may send to it
	defer m.mu.Unlock()
	n.join(m, o)
	m.o.check()
	if m.o.SlotCommand != "" {
		m.commands[m.o.SlotCommand] = (*Modem).selectSlot
	}
	m.memories[memME] = memory{name: "ME", slots: make([]stored, m.o.Slots)}
	m.set = m.defaults()
	for _, s := range m.slots {
		s.lock()
	}
	m.slots[0].mr = m.o.MR
	m.insert()
	m.gated = m.profile.name != "" && m.sim.shut()
	m.startClock()
	m.search()
	m.notes = nil
	return m
}

// withDefaults fills in what the k-th modem of a network was not given.
func (o Options) withDefaults(k int) Options {
	orNumber(&o.Name, "m%d", k)
	orNumber(&o.IMEI, "3589120%08d", k)
	if o.Operator == "" {
		o.Operator = "Simulated"
	}
	o = o.withProfile(profileNamed(o.Profile))
	if o.Slow == 0 {
		o.Slow = defaultSlow
	}
	if o.AckTime == 0 {
		o.AckTime = defaultAckTime
	}
	if o.Slots == 0 {
		o.Slots = defaultSlots
	}
	o.Cards = slices.Clone(o.Cards)
	if len(o.Cards) == 0 {
		o.Cards = []Card{{IMSI: o.IMSI, ICCID: o.ICCID, MSISDN: o.MSISDN, PIN: o.PIN}}
		if profileNamed(o.Profile).slotCommand != "" {
			o.Cards = append(o.Cards, Card{})
		}
	}
	for i, c := range o.Cards {
		o.Cards[i] = c.withDefaults(k+i*slotNumbers, o.Slots)
	}
	first := o.Cards[0]
	o.IMSI, o.ICCID, o.MSISDN, o.PIN = first.IMSI, first.ICCID, first.MSISDN, first.PIN
	return o
}

// withProfile fills in what the profile has a value for.
func (o Options) withProfile(p profile) Options {
	o.Manufacturer = cmp.Or(o.Manufacturer, p.manufacturer)
	o.Model = cmp.Or(o.Model, p.model)
	o.SlotCommand = cmp.Or(o.SlotCommand, p.slotCommand)
	o.USSD = cmp.Or(o.USSD, p.ussd)
	o.TimeCode = cmp.Or(o.TimeCode, p.timeCode)
	o.MissedCall = o.MissedCall || p.missedCall
	return o
}

// check panics on a choice that there is not.
func (o Options) check() {
	oneOf := func(field, value string, known ...string) {
		if value != "" && !slices.Contains(known, value) {
			panic(fmt.Sprintf("sim: Options.%s %q: use one of %q, or none", field, value, known))
		}
	}
	oneOf("SlotCommand", o.SlotCommand, slices.Sorted(maps.Keys(slotCommands))...)
	oneOf("USSD", o.USSD, ussdPacked, ussdGSM, ussdHex)
	oneOf("TimeCode", o.TimeCode, psuttz, nwtime)
}

// orNumber makes an empty text one that the number k makes unlike others.
func orNumber(s *string, format string, k int) {
	if *s == "" {
		*s = fmt.Sprintf(format, k)
	}
}

func (m *Modem) defaults() settings {
	s := settings{echo: !m.o.NoEcho, cscs: alphabetIRA, cnmi: m.profile.cnmiStart}
	for i, list := range m.profile.memories {
		s.mem[i] = list[0]
	}
	return s
}

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
	return m.serve(ctx, rw, func() {})
}

// serve is [Modem.Serve]; it calls plugged once what unplugs the modem closes rw.
func (m *Modem) serve(ctx context.Context, rw io.ReadWriteCloser, plugged func()) error {
	p := &port{rw}
	if err := m.plug(p); err != nil {
		return err
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
	plugged()
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

func (m *Modem) plug(p *port) error {
	m.mu.Lock()
	defer m.leave()
	switch {
	case m.port != nil:
		return fmt.Errorf("modem %s is connected already: end the other Serve first", m.o.Name)
	case m.cdrom:
		return fmt.Errorf("modem %s is a CD-ROM and has no port: call Replug first", m.o.Name)
	}
	m.port, m.away = p, 0
	if m.cold {
		m.powerUp()
	}
	m.chat(p)
	return nil
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
	m.out = append(m.out, m.bareText(s)...)
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

// soon is [Modem.later], or at once when d is zero and the turn is under way.
func (m *Modem) soon(d time.Duration, f func()) {
	if d <= 0 {
		f()
		return
	}
	m.later(d, f)
}

// arrival is a TPDU from the network to a SIM.
type arrival struct {
	tpdu   []byte
	report bool
	class  pdu.Class
}

// receive takes a TPDU from the network, unless the SIM has left.
func (m *Modem) receive(s *SIM, a arrival) bool {
	m.mu.Lock()
	defer m.leave()
	if !slices.Contains(m.slots, s) {
		return false
	}
	s.waiting = append(s.waiting, a)
	return true
}

// receiveReports takes the reports of one message, each at its time.
func (m *Modem) receiveReports(reports []report) {
	s := m.sim
	for _, r := range reports {
		a := arrival{tpdu: r.tpdu, report: true}
		if r.after <= 0 {
			s.waiting = append(s.waiting, a)
			continue
		}
		time.AfterFunc(r.after, func() { m.net.post(s, a) })
	}
}
