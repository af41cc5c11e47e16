package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"cellpost/pdu"
)

// NetworkOptions say how a network behaves. The zero value reports at once. The
// functions may be nil; they are called one at a time and in order, and must not
// call the network or its modems.
type NetworkOptions struct {
	Number      string        // of the SMSC, digits with the country code
	ReportFrom  string        // of the SMSC that status reports come from; default Number
	ReportDelay time.Duration // from acceptance to the status report
	National    string        // country code whose numbers are reported in national form: 07700900123
	History     int           // of entries, screens, calls and gaps at least so many, the newest, are kept, and twice as many at most; zero: all
	Seen        func(Entry)   // called for each message accepted
	Screen      func(Screen)  // called for each message that a handset shows

	Clock  func() time.Time // the time of the network, in its zone; safe for concurrent use; nil: time.Now
	NoTime bool             // it tells no modem the time

	// USSD answers what was said in a dialogue so far, the code first; nil: as the
	// package comment says. It is given the card that says it.
	USSD     func(card Card, said []string) USSDAnswer
	USSDTime time.Duration // until a dialogue ends in which nobody says anything; default 2 min
	Ring     time.Duration // how long a caller waits; default 30 s
}

const (
	defaultSMSC     = "447785016005"
	defaultValidity = 24 * time.Hour // of a message without TP-VP
	nationalPrefix  = "0"
)

// RP-causes that the network refuses with. 3GPP TS 24.011, Annex E.
var (
	invalid   = pdu.Cause{Set: pdu.CMS, Code: 96}  // invalid mandatory information
	duplicate = pdu.Cause{Set: pdu.CMS, Code: 197} // TP-FCS; 3GPP TS 23.040, 9.2.3.22
)

// Network is a simulated operator. It takes what modems send, shows it on
// handsets, makes status reports and sends messages to SIMs. Safe for
// concurrent use.
type Network struct {
	o    NetworkOptions
	smsc []byte // the SMSC as it stands before a TPDU

	reportSMSC []byte // the same, before a report

	mu      sync.Mutex
	modems  []*Modem
	sims    []*SIM
	issued  int // cards made by Issue
	calls   []Call
	ledger  []Entry
	screens []Screen
	changed chan struct{}                      // closed at the next entry or screen; nil: nobody waits
	held    map[heldKey]time.Time              // until when the SC knows a message
	copies  map[string]bool                    // what was accepted, without TP-MR
	parts   map[pdu.FragmentKey][]pdu.Fragment // at the handsets, of messages that are not whole
	struck  map[string]bool                    // magic numbers whose fault is over
	ref     uint16                             // of concatenated messages sent
}

// Entry is one SMS-SUBMIT that the network accepted.
type Entry struct {
	At        time.Time
	SIM       string     // Options.Name of the modem
	Card      string     // ICCID
	MR        byte       // TP-MR as the network got it
	Submit    pdu.Submit // decoded; shared, not to be changed
	TPDU      []byte     // as it came; shared, not to be changed
	Duplicate bool       // same number, text and part as an entry before that is kept, whichever SIM and reference
}

// heldKey is what TP-RD compares. 3GPP TS 23.040, 9.2.3.25.
type heldKey struct {
	sim string
	to  string
	mr  byte
}

// NewNetwork makes a network without modems; see [NewModem]. It panics when
// o.Number or o.ReportFrom cannot be the number of an SMSC.
func NewNetwork(o NetworkOptions) *Network {
	if o.Number == "" {
		o.Number = defaultSMSC
	}
	if o.ReportFrom == "" {
		o.ReportFrom = o.Number
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.USSD == nil {
		o.USSD = defaultUSSD
	}
	if o.USSDTime == 0 {
		o.USSDTime = defaultUSSDTime
	}
	if o.Ring == 0 {
		o.Ring = defaultRing
	}
	return &Network{
		o:      o,
		smsc:   mustSMSC(o.Number),
		held:   map[heldKey]time.Time{},
		copies: map[string]bool{},
		parts:  map[pdu.FragmentKey][]pdu.Fragment{},
		struck: map[string]bool{},

		reportSMSC: mustSMSC(o.ReportFrom),
	}
}

func mustSMSC(number string) []byte {
	smsc, err := pdu.AppendSMSC(nil, telephone(number))
	if err != nil {
		panic(fmt.Sprintf("sim: SMSC number %q: %v", number, err))
	}
	return smsc
}

// telephone is a number as an address: international, of unknown type for a
// short code, alphanumeric for a name. 3GPP TS 23.040, 9.1.2.5.
func telephone(number string) pdu.Address {
	const shortCode = 6
	digits := strings.TrimPrefix(number, "+")
	a := pdu.Address{TON: pdu.TONInternational, NPI: pdu.NPITelephone, Value: digits}
	switch {
	case strings.Trim(digits, "0123456789*#") != "":
		return pdu.Address{TON: pdu.TONAlphanumeric, Value: number}
	case len(number) <= shortCode:
		a.TON = pdu.TONUnknown
	}
	return a
}

// join takes the modem in and fills in its options.
func (n *Network) join(m *Modem, o Options) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m.o = o.withDefaults(len(n.modems))
	for _, c := range m.o.Cards {
		s := n.issue(c)
		s.home = m
		m.slots = append(m.slots, s)
	}
	n.modems = append(n.modems, m)
}

// accept takes a message from a modem, or refuses it. It returns the reports to
// come.
func (n *Network) accept(m *Modem, h handover) ([]report, pdu.Cause) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now, s := time.Now(), h.submit
	to := s.Destination.Digits()
	if len(h.warnings) > 0 {
		return nil, invalid
	}
	card := m.sim.card
	key := heldKey{card.IMSI, to, s.Reference}
	if s.RejectDuplicates && now.Before(n.held[key]) {
		return nil, duplicate
	}
	validity, ok := s.Validity.Duration()
	if !ok {
		validity = defaultValidity
	}
	n.held[key] = now.Add(validity)
	n.enter(Entry{At: now, SIM: m.o.Name, Card: card.ICCID, MR: s.Reference, Submit: s, TPDU: h.tpdu})
	outcomes := n.outcomes(h.fault)
	n.deliver(card.MSISDN, s, h.fault, outcomes)
	if !s.StatusReport {
		return nil, success
	}
	return n.reports(s, n.o.Clock(), outcomes), success
}

func (n *Network) enter(e Entry) {
	id := identity(e.Submit)
	e.Duplicate = n.copies[id]
	n.copies[id] = true
	n.ledger = append(n.ledger, e)
	if kept := trim(n.ledger, n.o.History); len(kept) < len(n.ledger) {
		n.ledger = kept
		n.forget(e.At)
	}
	n.wake()
	if n.o.Seen != nil {
		n.o.Seen(e)
	}
}

// trim drops the oldest of a list once it is twice as long as is to be kept. Who
// reads the list that was is not disturbed.
func trim[T any](list []T, keep int) []T {
	if keep <= 0 || len(list) < 2*keep {
		return list
	}
	return slices.Clone(list[len(list)-keep:])
}

// forget drops what the network knows besides of messages that are not kept.
func (n *Network) forget(now time.Time) {
	clear(n.copies)
	for _, e := range n.ledger {
		n.copies[identity(e.Submit)] = true
	}
	maps.DeleteFunc(n.held, func(_ heldKey, until time.Time) bool { return now.After(until) })
	maps.DeleteFunc(n.parts, func(_ pdu.FragmentKey, parts []pdu.Fragment) bool {
		return now.Sub(parts[len(parts)-1].At) > partsKept
	})
}

// identity is what makes two messages copies: number, coding, part and content.
// TP-MR, TP-VP and the reference of the parts differ between copies.
func identity(s pdu.Submit) string {
	b := append([]byte(s.Destination.Digits()), ' ', byte(s.DCS))
	if c, ok := s.UserData.Concat(); ok {
		b = append(b, c.Total, c.Seq)
	}
	return string(append(b, s.UserData.Data...))
}

// outcome is a status of a message, and when it is known.
type outcome struct {
	status pdu.Status
	after  time.Duration
}

const (
	delivered     pdu.Status = 0x00
	noResponse    pdu.Status = 0x22
	notObtainable pdu.Status = 0x43
)

// outcomes are the statuses of a message in order. 3GPP TS 23.040, 9.2.3.15.
func (n *Network) outcomes(f Fault) []outcome {
	d := n.o.ReportDelay
	switch f.Kind {
	case HandsetOff:
		return []outcome{{noResponse, d}, {delivered, 2*d + f.For}}
	case ReportFailed:
		if f.Status == delivered {
			f.Status = notObtainable
		}
		return []outcome{{f.Status, d}}
	case NoReport:
		return nil
	case EarlyReport:
		d = 0
	}
	return []outcome{{delivered, d}}
}

// report is a TPDU for the SIM that sent the message, and when it leaves.
type report struct {
	after time.Duration
	tpdu  []byte
}

func (n *Network) reports(s pdu.Submit, now time.Time, outcomes []outcome) []report {
	var reports []report
	for _, o := range outcomes {
		r := pdu.StatusReport{
			Reference: s.Reference,
			Recipient: n.recipient(s.Destination),
			Time:      now,
			Discharge: now.Add(o.after),
			Status:    o.status,
		}
		if tpdu, err := r.AppendBinary(nil); err == nil { // it is an address that a TPDU held
			reports = append(reports, report{o.after, tpdu})
		}
	}
	return reports
}

// recipient is a TP-RA in the format of this network.
func (n *Network) recipient(a pdu.Address) pdu.Address {
	rest, ok := strings.CutPrefix(a.Value, n.o.National)
	if n.o.National == "" || !ok || a.TON != pdu.TONInternational {
		return a
	}
	return pdu.Address{TON: pdu.TONUnknown, NPI: pdu.NPITelephone, Value: nationalPrefix + rest}
}

// Ledger returns every message that the network accepted, in order.
func (n *Network) Ledger() []Entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.ledger)
}

// WaitFor returns nil as soon as what the ledger holds fulfils the condition, or
// the error of ctx. The condition must not change the slice.
func (n *Network) WaitFor(ctx context.Context, fulfilled func(ledger []Entry) bool) error {
	return n.wait(ctx, func(s sights) bool { return fulfilled(s.ledger) })
}

// WaitForScreens is [Network.WaitFor] for the screens of the handsets.
func (n *Network) WaitForScreens(ctx context.Context, fulfilled func([]Screen) bool) error {
	return n.wait(ctx, func(s sights) bool { return fulfilled(s.screens) })
}

// WaitForCalls is [Network.WaitFor] for the calls that are over.
func (n *Network) WaitForCalls(ctx context.Context, fulfilled func([]Call) bool) error {
	return n.wait(ctx, func(s sights) bool { return fulfilled(s.calls) })
}

// sights are what can be waited for. None of it is changed, so that what is there
// can be read without the lock.
type sights struct {
	ledger  []Entry
	screens []Screen
	calls   []Call
}

func (n *Network) wait(ctx context.Context, fulfilled func(sights) bool) error {
	for {
		n.mu.Lock()
		if n.changed == nil {
			n.changed = make(chan struct{})
		}
		changed := n.changed
		seen := sights{slices.Clip(n.ledger), slices.Clip(n.screens), slices.Clip(n.calls)}
		n.mu.Unlock()
		if fulfilled(seen) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wake tells those who wait that something was added.
func (n *Network) wake() {
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}
