package sim

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"cellpost/pdu"
)

// memory is a message store. 3GPP TS 27.005, 3.1.
type memory struct {
	name  string
	base  int // first index
	slots []stored
}

// stored is a message in a memory, with its status. 3GPP TS 27.005, 3.1.
type stored struct {
	pdu  []byte // SMSC and TPDU; nil: free
	len  int    // octets of the TPDU
	read bool
}

// Indexes into Modem.memories.
const (
	memSM = iota
	memME
	memSR
)

// put stores a message and returns its index; false: the memory is full.
func (m *memory) put(s stored) (int, bool) {
	i := slices.IndexFunc(m.slots, func(s stored) bool { return s.pdu == nil })
	if i >= 0 {
		m.slots[i] = s
	}
	return i + m.base, i >= 0
}

func (m *memory) used() int {
	n := 0
	for _, s := range m.slots {
		if s.pdu != nil {
			n++
		}
	}
	return n
}

// at returns the message with an index written in decimal, nil when there is none.
func (m *memory) at(index string) *stored {
	i, ok := inRange(index, m.base+len(m.slots)-1)
	if !ok || i < m.base || index == "" {
		return nil
	}
	return &m.slots[i-m.base]
}

// status is REC UNREAD or REC READ.
func (s stored) status() int {
	if s.read {
		return 1
	}
	return 0
}

// take reads the message: its status, its length and the PDU, as AT+CMGR and
// AT+CMGL write them. It is read from now on.
func (s *stored) take() string {
	text := fmt.Sprintf("%d,,%d\r\n%s", s.status(), s.len, hexOf(s.pdu))
	s.read = true
	return text
}

func hexOf(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

// csms chooses the message service. 3GPP TS 27.005, 3.2.1.
func (m *Modem) csms(r request) pdu.Cause {
	switch r.verb {
	case test:
		m.info("+CSMS: (0,1)")
	case read:
		m.info(m.phase())
	default:
		n, ok := inRange(r.args, 1)
		if !ok {
			return cmsNotSupported
		}
		m.set.csms = n
		m.info("+CSMS: 1,1,1")
	}
	return success
}

// phase is the answer of AT+CSMS?.
func (m *Modem) phase() string {
	if !strings.Contains(m.profile.csms, "%d") {
		return m.profile.csms
	}
	return fmt.Sprintf(m.profile.csms, m.set.csms)
}

// csca sets the number of the SMSC. 3GPP TS 27.005, 3.3.1.
func (m *Modem) csca(r request) pdu.Cause {
	if c := m.sim.smsCause(); c != success {
		return c
	}
	switch r.verb {
	case read:
		m.info(fmt.Sprintf(`+CSCA: "%s",145`, m.sim.smsc))
	case set:
		sc := r.fields()[0]
		if _, err := pdu.AppendSMSC(nil, telephone(sc)); err != nil && sc != "" {
			return badPDU
		}
		m.sim.smsc = sc
	}
	return success
}

// cpms chooses the memories. 3GPP TS 27.005, 3.2.2.
func (m *Modem) cpms(r request) pdu.Cause {
	if c := m.sim.smsCause(); c != success {
		return c
	}
	switch r.verb {
	case test:
		m.info(m.named())
		return success
	case read:
		m.info("+CPMS: " + m.usage(true))
		return success
	}
	chosen := m.set.mem
	names := r.fields()
	if len(names) > len(chosen) || len(names) > 2 && m.profile.twoLists {
		return incorrect
	}
	for i, name := range names {
		k := slices.IndexFunc(m.memories[:], func(m memory) bool { return m.name == name })
		if !slices.Contains(m.profile.memories[i], k) {
			return cmsNotSupported
		}
		chosen[i] = k
	}
	m.set.mem = chosen
	m.info("+CPMS: " + m.usage(false))
	return success
}

// usage is what each chosen memory holds and can hold.
func (m *Modem) usage(named bool) string {
	var parts []string
	chosen := m.set.mem[:]
	if m.profile.twoLists {
		chosen = chosen[:2]
	}
	for _, k := range chosen {
		mem := &m.memories[k]
		if named {
			parts = append(parts, `"`+mem.name+`"`)
		}
		parts = append(parts, fmt.Sprintf("%d,%d", mem.used(), len(mem.slots)))
	}
	return strings.Join(parts, ",")
}

// cmgl lists messages by their status: 0 unread, 1 read, 2 and 3 stored by the
// terminal (there are none), 4 all. 3GPP TS 27.005, 4.1.
func (m *Modem) cmgl(r request) pdu.Cause {
	if c := m.sim.smsCause(); c != success {
		return c
	}
	if r.verb == test {
		m.info("+CMGL: (0-4)")
		return success
	}
	want, ok := inRange(r.args, 4)
	if !ok {
		return badPDU
	}
	mem := &m.memories[m.set.mem[0]]
	for i := range mem.slots {
		s := &mem.slots[i]
		if s.pdu != nil && (want == 4 || want == s.status()) {
			m.info(fmt.Sprintf("+CMGL: %d,%s", i+mem.base, s.take()))
		}
	}
	return success
}

// cmgr reads a message. 3GPP TS 27.005, 4.2.
func (m *Modem) cmgr(r request) pdu.Cause {
	if c := m.sim.smsCause(); c != success {
		return c
	}
	if r.verb == test {
		return success
	}
	s := m.memories[m.set.mem[0]].at(r.args)
	if s == nil || s.pdu == nil {
		return noSuchIndex
	}
	m.info("+CMGR: " + s.take())
	return success
}

// cmgd deletes a message, or many: delflag 1 to 3 those that were read, 4 all.
// 3GPP TS 27.005, 3.5.4.
func (m *Modem) cmgd(r request) pdu.Cause {
	if c := m.sim.smsCause(); c != success {
		return c
	}
	mem := &m.memories[m.set.mem[0]]
	if r.verb == test {
		m.info(fmt.Sprintf("+CMGD: (%d-%d),(0-4)", mem.base, mem.base+len(mem.slots)-1))
		return success
	}
	f := r.fields()
	flag, ok := 0, len(f) <= 2
	if ok && len(f) == 2 {
		flag, ok = inRange(f[1], 4)
	}
	if !ok {
		return badPDU
	}
	m.fullSaid = false
	if flag > 0 {
		mem.purge(flag == 4)
		return success
	}
	s := mem.at(f[0])
	if s == nil {
		return noSuchIndex
	}
	*s = stored{}
	return success
}

// purge deletes the messages that were read, or all.
func (m *memory) purge(all bool) {
	for i, s := range m.slots {
		if all || s.read {
			m.slots[i] = stored{}
		}
	}
}
