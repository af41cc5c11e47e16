package sim

import (
	"fmt"
	"strconv"
	"time"

	"cellpost/pdu"
)

// Card describes a SIM card. Numbers left empty are made up.
type Card struct {
	IMSI     string // 15 digits
	ICCID    string // 19 or 20 digits
	MSISDN   string // the card's own number, digits with the country code
	PIN      string // empty: the card asks for none
	SMSC     string // what AT+CSCA says until it is set; empty: the number of the network, with +
	Capacity int    // of each of its memories, SM and SR; zero: Options.Slots of its first modem, or 20
	Trouble         // from the start; later see [Modem.SetTrouble]
}

// Trouble is what is wrong with a card. The zero value is a card that works.
type Trouble struct {
	Denied  bool // the network denies it registration: +CREG 3
	Refused int  // the network refuses each hand-over with this +CMS ERROR: 10 barred, 21 out of credit
	PUK     bool // it asks for the PUK
	Failure int  // whatever needs it fails with this +CME ERROR: 13 SIM failure, 15 wrong SIM
	Busy    bool // whatever needs it fails with +CME ERROR: 14
}

// withDefaults fills in what the k-th card was not given.
func (c Card) withDefaults(k, capacity int) Card {
	orNumber(&c.IMSI, "2341512%08d", k)
	orNumber(&c.ICCID, "8944150000%09d", k)
	orNumber(&c.MSISDN, "4477009%05d", k)
	if c.Capacity == 0 {
		c.Capacity = capacity
	}
	return c
}

// Made-up numbers of cards: those of the second slot are so far from those of
// the first, and those of cards without a slot from both.
const (
	slotNumbers  = 10_000
	looseNumbers = 90_000
)

// SIM is a card with what it holds: its messages, the SMSC, the count of TP-MR,
// the tries left for the PIN, and what the network keeps for it. It is in one
// slot at a time, or in none; see [Modem.Swap].
type SIM struct {
	card Card
	home *Modem // where it is; nil: in a drawer. Changed under the locks of both Modem and Network

	// Under the lock of home, or, without one, that of the network.
	out       bool // no contact
	starting  bool // power has come, it does not answer yet
	locked    bool
	tries     int // left for the PIN; none: the PUK is asked for
	busyUntil time.Time
	smsc      string      // AT+CSCA
	mr        byte        // TP-MR of the last hand-over
	sent      [256]string // TP-DA by TP-MR
	waiting   []arrival   // what the network keeps for it
	sm, sr    memory
}

// newSIM makes a card whose description is complete.
func newSIM(c Card) *SIM {
	return &SIM{
		card: c,
		smsc: c.SMSC,
		sm:   memory{name: "SM", slots: make([]stored, c.Capacity)},
		sr:   memory{name: "SR", slots: make([]stored, c.Capacity)},
	}
}

// noSIM is what an empty slot holds.
func noSIM() *SIM { return &SIM{out: true} }

func (s *SIM) missing() bool { return s.card == Card{} }

// Issue makes a card that is in no modem yet; [Modem.Swap] puts it into one. A
// card with the MSISDN of an older one takes the number over.
func (n *Network) Issue(c Card) *SIM {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.issued++
	return n.issue(c.withDefaults(looseNumbers+n.issued, defaultSlots))
}

// issue makes a card known to the network, whose lock is held.
func (n *Network) issue(c Card) *SIM {
	if c.SMSC == "" {
		c.SMSC = "+" + n.o.Number
	}
	s := newSIM(c)
	n.sims = append(n.sims, s)
	return s
}

// Swap takes the card out of a slot (from 0) and puts s there instead, with power
// on; nil is no card, both ways. With two modems, a card moves or two change
// places:
//
//	a := one.Swap(0, nil)
//	b := other.Swap(0, a)
//	one.Swap(0, b)
//
// It panics when s is in a modem already.
func (m *Modem) Swap(slot int, s *SIM) *SIM {
	m.mu.Lock()
	defer m.leave()
	was := m.slots[slot]
	if slot == m.slot {
		m.letGo()
	}
	m.slots[slot] = m.net.move(was, s, m)
	if slot == m.slot {
		m.powerSIM()
	}
	if was.missing() {
		return nil
	}
	return was
}

// move tells the network that was has left the modem to and s, if any, come. It
// returns what is in the slot now.
func (n *Network) move(was, s *SIM, to *Modem) *SIM {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s != nil && s.home != nil {
		panic(fmt.Sprintf("sim: card %s is in modem %s: take it out first", s.card.ICCID, s.home.o.Name))
	}
	was.home, was.starting = nil, false
	if s == nil {
		return noSIM()
	}
	s.home, s.out = to, false
	s.lock()
	return s
}

// Cards returns the cards in the slots; the zero Card stands for an empty slot.
func (m *Modem) Cards() []Card {
	m.mu.Lock()
	defer m.mu.Unlock()
	cards := make([]Card, len(m.slots))
	for i, s := range m.slots {
		cards[i] = s.card
	}
	return cards
}

// Slot returns which slot is in use, from 0.
func (m *Modem) Slot() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.slot
}

// SetTrouble changes what is wrong with the card in a slot (from 0). An empty
// slot has no trouble of its own.
func (m *Modem) SetTrouble(slot int, t Trouble) {
	m.mu.Lock()
	defer m.leave()
	s := m.slots[slot]
	if s.missing() {
		return
	}
	s.card.Trouble = t
	if s == m.sim && !s.starting {
		m.search()
		m.resume()
	}
}

// slotCommands are commands that choose a slot, with what each calls the first.
var slotCommands = map[string]int{
	"+CSUS":      0, // 3GPP TS 27.007, 8.66
	"+QDSIM":     0, // Quectel M66-DS, EC200, EG915
	"+GTDUALSIM": 0, // Fibocom
	"+QUIMSLOT":  1, // Quectel RM5xx, EM12
	"^SIMSLOT":   1, // MeiG
}

// selectSlot serves the command of Options.SlotCommand.
func (m *Modem) selectSlot(r request) pdu.Cause {
	first := slotCommands[r.name]
	switch r.verb {
	case test:
		m.info(fmt.Sprintf("%s: (%d-%d)", r.name, first, first+len(m.slots)-1))
		return success
	case read:
		m.info(fmt.Sprintf("%s: %d", r.name, first+m.slot))
		return success
	}
	name, err := strconv.Atoi(r.args)
	slot := name - first
	if err != nil || slot < 0 || slot >= len(m.slots) {
		return incorrect
	}
	if slot != m.slot {
		m.letGo()
		m.slot = slot
		m.powerSIM()
	}
	return success
}

// letGo ends what the modem does with the card in use.
func (m *Modem) letGo() {
	m.giveBack()
	m.dropCall()
	m.ussd = nil
	m.buffered = nil
}

// powerSIM starts with the card in the slot in use as if it were new: nothing is
// known of it, and AT+CNMI and AT+CPMS are forgotten, as in many modules.
func (m *Modem) powerSIM() {
	s := m.insert()
	def := m.defaults()
	m.set.cnmi, m.set.mem = def.cnmi, def.mem
	s.starting = true
	s.lock()
	m.starts++
	m.gated = m.gated || m.profile.name != "" // a plain modem has its start behind it
	m.search()
	m.note("+CPIN: NOT READY")
	m.started++
	started := m.started
	m.soon(m.o.SlotSettle, func() {
		if m.started != started {
			return
		}
		s.starting = false
		m.notePIN()
		m.search()
		m.resume()
	})
}

// insert makes the card in the slot in use the one that commands mean.
func (m *Modem) insert() *SIM {
	m.sim = m.slots[m.slot]
	m.memories[memSM], m.memories[memSR] = m.sim.sm, m.sim.sr
	for i := range m.memories {
		m.memories[i].base = m.profile.indexBase
	}
	m.fullSaid = false
	return m.sim
}

// giveBack returns to the network what the terminal did not acknowledge.
func (m *Modem) giveBack() {
	if m.unacked != nil {
		m.sim.waiting = append(m.sim.waiting, *m.unacked)
		m.unacked = nil
	}
}

// post gives a TPDU to a card, wherever that is.
func (n *Network) post(s *SIM, a arrival) {
	for {
		n.mu.Lock()
		m := s.home
		if m == nil {
			s.waiting = append(s.waiting, a)
		}
		n.mu.Unlock()
		if m == nil || m.receive(s, a) {
			return
		}
	}
}

// home returns the modem that a card is in; nil: none.
func (n *Network) home(s *SIM) *Modem {
	n.mu.Lock()
	defer n.mu.Unlock()
	return s.home
}

// lock is what power does to a card with a PIN. The tries left are kept in it.
func (s *SIM) lock() {
	if s.card.PIN == "" {
		return
	}
	if !s.locked {
		s.tries = pinTries
	}
	s.locked = true
}

func (s *SIM) needsPUK() bool { return s.card.PUK || s.locked && s.tries == 0 }

// cause says why the card cannot be used, as +CME ERROR. 3GPP TS 27.007, 9.2.
func (s *SIM) cause() pdu.Cause {
	code := 0
	switch {
	case s.out:
		code = 10
	case s.card.Failure != 0:
		code = s.card.Failure
	case s.starting || s.card.Busy:
		code = 14
	case s.needsPUK():
		code = 12
	case s.locked:
		code = 11
	case time.Now().Before(s.busyUntil):
		code = 14
	default:
		return success
	}
	return pdu.Cause{Set: pdu.CME, Code: code}
}

// smsCause is the same as +CMS ERROR. 3GPP TS 27.005, 3.2.5.
func (s *SIM) smsCause() pdu.Cause {
	c := s.cause()
	switch {
	case c == success:
		return c
	case c.Code == 12:
		return pdu.Cause{Set: pdu.CMS, Code: 316}
	}
	return pdu.Cause{Set: pdu.CMS, Code: 300 + c.Code}
}

// pinState is the answer of AT+CPIN?; ok is false when there is an error instead.
func (s *SIM) pinState() (text string, ok bool) {
	switch {
	case s.out || s.card.Failure != 0 || s.starting || s.card.Busy:
		return "", false
	case s.needsPUK():
		return "+CPIN: SIM PUK", true
	case s.locked:
		return "+CPIN: SIM PIN", true
	}
	return "+CPIN: READY", true
}
