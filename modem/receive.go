package modem

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"cellpost/modem/at"
	"cellpost/modem/profile"
	"cellpost/pdu"
	"cellpost/sms"
)

// codes are the unsolicited result codes that may come at any time: those of the
// standards, and those of every family, for they come before the family is known.
// Some have a line after them that brings a TPDU.
func codes(families *profile.Table) []at.Code {
	c := []at.Code{{Prefix: "+CMT", Lines: 1}, {Prefix: "+CDS", Lines: 1}, {Prefix: "+CBM", Lines: 1}, {Prefix: "+CUSD", Until: cusdWhole}}
	own := []string{"+CMTI", "+CDSI", "+CREG", "+CGREG", "+CEREG", "+CLIP", "+CRING", "+CGEV", "+CPIN",
		"+CTZV", "+CTZE", "+CIEV", "RING", "NO CARRIER", "RDY", "Call Ready", "SMS Ready", "NORMAL POWER DOWN", "^RSSI", "^SMMEMFULL",
		"*PSUTTZ", "^NWTIME", "+NITZ", "+CTZEU", "DST", "MISSED_CALL", "VOICE CALL", "+CCWA"}
	if families != nil {
		own = append(own, families.Noise()...)
	}
	slices.Sort(own)
	for _, prefix := range slices.Compact(own) {
		if !slices.ContainsFunc(c, func(k at.Code) bool { return k.Prefix == prefix }) {
			c = append(c, at.Code{Prefix: prefix})
		}
	}
	return c
}

// startLines are what a module says unasked that means something: at its start, and
// when it has no room.
type startLines struct {
	started []string // one that starts in the middle of work
	ready   []string // what it has to say before it takes messages
	readyIn time.Duration
	full    []string // without blanks
}

// startsOf returns the lines of a family, which may not be known yet. The first
// ones of each list are those that modules of several makers say.
func startsOf(p profile.Profile) startLines {
	started := []string{"RDY", "^SYSSTART", "NORMAL POWER DOWN"}
	ready := []string{"Call Ready", "SMS Ready"}
	full := slices.Clone(p.Full)
	for i := range full {
		full[i] = strings.ReplaceAll(full[i], " ", "")
	}
	return startLines{append(started, p.Started...), append(ready, p.Ready...), cmp.Or(p.ReadyIn, anyReadyIn), full}
}

// anyReadyIn is how late after its start a module may say that it is ready that is
// not known to say so.
const anyReadyIn = 30 * time.Second

// begins returns the one of some signals that a line begins with; empty: none.
func begins(line string, signals []string) string {
	for _, signal := range signals {
		if strings.HasPrefix(line, signal) {
			return signal
		}
	}
	return ""
}

// unsolicited takes one code. What it asks of the module is left to followUp:
// the next code must not wait for a hand-over to end.
func (s *session) unsolicited(lines []string, rebooted func()) {
	code, _, _ := strings.Cut(lines[0], ":")
	switch code {
	case "+CMT", "+CDS":
		s.received(lines)
	case "+CMTI", "+CDSI":
		s.later(func(ctx context.Context) { s.fetch(ctx, code, fields(lines)) })
	case "+CREG", "+CGREG", "+CEREG":
		s.registered(lines[0])
	case "+CPIN":
		poke(s.m.changed)
		if s.up.Load() {
			s.later(s.cardAgain)
		}
	case "+CUSD":
		s.heardUSSD(lines)
	}
	if s.noRoom(lines[0]) {
		s.later(s.sweepNow)
	}
	s.m.learnTime(parseClock(lines[0], time.Now()))
	if s.m.calls.heard(lines[0], time.Now()) {
		s.called()
	}
	if s.startSaid(lines[0]) {
		rebooted()
	}
}

// noRoom tells whether a line says that a memory for messages is full. Some modules
// put blanks between its fields, some do not.
func (s *session) noRoom(line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return begins(strings.ReplaceAll(line, " ", ""), s.starts.full) != ""
}

// startSaid takes note of what a module says when it starts, and reports
// whether that cannot be the start which this session began with.
func (s *session) startSaid(line string) bool {
	s.mu.Lock()
	signal := begins(line, s.starts.ready)
	up, first := s.up.Load(), false
	anew := up && begins(line, s.starts.started) != ""
	if signal != "" {
		// The last of them may come when the module has long been answering.
		anew = up && (s.heard[signal] || time.Since(s.began) > s.starts.readyIn)
		first = up && !anew && !s.restarted
	}
	if anew && !s.restarted {
		s.restarted, s.heard = true, map[string]bool{}
	}
	if signal != "" {
		s.heard[signal], s.lately[signal] = true, true
		poke(s.said)
	}
	s.mu.Unlock()
	if first {
		s.m.learn(func(f *Facts) {
			if f.Ready { // it may be all that is said of a start, too: what was agreed is agreed again
				f.Stalled, f.Problem = true, "the module may have started anew"
			}
		})
	}
	return anew
}

// received takes a message or report that came directly, and acknowledges it
// when it is stored. What comes before the SIM's name is known waits for it.
func (s *session) received(lines []string) {
	if len(lines) < 2 {
		s.m.log.Warn("code without its TPDU", "code", lines[0])
		s.leave()
		return
	}
	tpdu, err := cutSMSC(lines[1])
	if err != nil {
		s.m.log.Warn("unreadable TPDU from the modem", "err", err)
		s.leave()
		return
	}
	s.mu.Lock()
	waits := s.sim == ""
	spilt := waits && len(s.early) >= earlyMost
	if waits && !spilt {
		s.early = append(s.early, earlyTPDU{tpdu, time.Now(), !s.told.Load()})
	}
	first := spilt && !s.spilt
	s.spilt = s.spilt || spilt
	s.mu.Unlock()
	if first {
		s.m.log.Error("messages or reports dropped: too many came before the name of the SIM was known", "kept", earlyMost)
	}
	if waits || !s.take(tpdu) {
		return
	}
	if !s.told.Load() {
		s.leave() // it may have come to an earlier process, and the module waits for it no more
		return
	}
	came := time.Now()
	s.later(func(ctx context.Context) { s.acknowledge(ctx, came) })
}

// ackWithin is how late a message is acknowledged at most. The shortest wait of a
// module is 15 s: what comes later would be taken for the next message, which is
// not stored.
const ackWithin = 10 * time.Second

// earlyTPDU waits for the name of its SIM.
type earlyTPDU struct {
	tpdu  []byte
	came  time.Time
	stale bool // it may have come to an earlier process
}

// take keeps a TPDU that came directly, and reports whether it is to be acknowledged.
func (s *session) take(tpdu []byte) bool {
	if !s.keep(tpdu) {
		if !s.acknowledges.Load() {
			s.m.putBack(unkept{s.simName(), tpdu})
		}
		s.leave()
		return false
	}
	s.tellTime(tpdu)
	return true
}

// tellTime takes the time out of a TPDU that has just come.
func (s *session) tellTime(tpdu []byte) { s.m.learnTime(messageClock(tpdu, time.Now())) }

// earlyMost is how many TPDUs wait for the name of the SIM. The network brings
// those again that are not acknowledged.
const earlyMost = 64

// keep stores a TPDU from the network. false: it is not stored, and must
// neither be acknowledged nor deleted.
func (s *session) keep(tpdu []byte) bool {
	return s.m.store(s.ctx, unkept{s.simName(), tpdu})
}

// unkept is a TPDU that a SIM got, and that is not in the store.
type unkept struct {
	sim  string
	tpdu []byte
}

// unkeptMost is how many TPDUs are kept in memory for a store that fails.
const unkeptMost = 256

// putBack keeps a TPDU in memory that the network will not bring again, because
// the module takes no acknowledgement.
func (m *Modem) putBack(u unkept) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.unkept) < unkeptMost {
		m.unkept = append(m.unkept, u)
		return
	}
	if !m.spills {
		m.log.Error("messages or reports dropped: the store has failed for too long", "kept", unkeptMost)
	}
	m.spills = true
}

// keepLeft tries to store what is kept in memory, the oldest first, up to the
// first failure: each may take a while. One caller at a time.
func (m *Modem) keepLeft(ctx context.Context) {
	for {
		u, ok := m.firstLeft()
		if !ok || !m.store(ctx, u) {
			return
		}
		m.mu.Lock()
		m.unkept = m.unkept[1:]
		m.mu.Unlock()
	}
}

func (m *Modem) firstLeft() (u unkept, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.unkept) == 0 {
		m.spills = false
		return unkept{}, false
	}
	return m.unkept[0], true
}

// keepLast is the last chance of what is kept in memory.
func (m *Modem) keepLast(ctx context.Context) {
	m.keepLeft(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if lost := len(m.unkept); lost > 0 {
		m.log.Error("messages or reports lost: they could not be stored before the end", "lost", lost)
	}
}

func (m *Modem) store(ctx context.Context, u unkept) bool {
	var err error
	ctx = context.WithoutCancel(ctx)
	now := time.Now()
	if mti, e := pdu.MessageType(u.tpdu); e == nil && mti == pdu.MTIStatusReport {
		err = m.inbox.Report(ctx, sms.Report{SIM: u.sim, Modem: m.cfg.Name, TPDU: u.tpdu, Received: now})
	} else {
		err = m.inbox.Receive(ctx, sms.Inbound{SIM: u.sim, Modem: m.cfg.Name, TPDU: u.tpdu, Received: now})
	}
	if err != nil {
		m.log.Error("not stored, and not acknowledged or deleted in the module", "err", err)
	}
	return err == nil
}

// cutSMSC reads a line of hexadecimal digits and takes off the address of the
// service centre.
func cutSMSC(line string) ([]byte, error) {
	octets, err := hex.DecodeString(strings.TrimSpace(line))
	if err != nil {
		return nil, err
	}
	_, tpdu, err := pdu.CutSMSC(octets)
	return tpdu, err
}

// acknowledge confirms the code that came last.
func (s *session) acknowledge(ctx context.Context, came time.Time) {
	if !s.setup.acknowledge {
		return
	}
	if time.Since(came) > ackWithin {
		s.leave()
		return
	}
	_, err := s.dialogue.Command(ctx, "+CNMA", commandTimeout)
	switch {
	case err == nil:
	case stalls(err), ctx.Err() != nil:
		s.unsaid = came // after the resync, if that is soon
		s.stalledBy(err)
	default:
		s.announceAgain(ctx)
	}
}

// acknowledgeOwed confirms what came before the name of the SIM was known, or when
// the module stalled. followUp does not run meanwhile.
func (s *session) acknowledgeOwed(ctx context.Context) error {
	came := s.unsaid
	s.unsaid = time.Time{}
	if !came.IsZero() {
		s.acknowledge(ctx, came)
	}
	return nil
}

// announceAgain tells the module again how to report. One that was kept waiting
// for an acknowledgement has stopped: 3GPP TS 27.005, 3.4.4.
func (s *session) announceAgain(ctx context.Context) {
	if s.setup.acknowledge && s.setup.cnmi != "" {
		s.order(ctx, s.setup.cnmi, commandTimeout)
	}
}
