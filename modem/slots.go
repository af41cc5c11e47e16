package modem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cellpost/modem/at"
	"cellpost/pdu"
	"cellpost/sms"
)

// slotState is a SIM slot and what was learnt of the SIM in it.
type slotState struct {
	Slot
	locked   string        // ICCID of the SIM that asked for its PIN last; empty: it did not tell
	key      Slot          // what is configured for that SIM, which may belong into another modem
	triedPIN bool          // the PIN of key was given and the SIM is not ready: two more tries lock it
	imsi     string        // of the SIM that was in it last
	card     string        // name of the SIM that was in it last; empty: none was
	number   string        // of that SIM
	smsc     string        // its service centre, as read last
	refusals int           // messages in a row that were refused to the SIM, whatever the number
	stalls   int           // hand-overs in a row that stalled
	dead     bool          // the SIM is there, and could not be read for as long as it may take
	taken    time.Time     // when this slot was taken, in place of another
	left     time.Time     // when another slot was taken for its sake; zero: it was not
	why      string        // it was left
	unusable string        // why it could not be selected last; empty: it could, or was not tried
	hold     time.Duration // how long it is left alone then
	forced   bool          // it was taken before that was over, for want of a better one
	spent    string        // why its SIM is not to be used for now, by limits of the operator; empty: it is
	unserved time.Time     // since when it has no network, whatever that says of it; zero: it has, or the module does not tell
}

// served takes note of a new state. A SIM that is denied, then searches, then is
// denied again has been without a network all that time.
func (s *slotState) served(state State, now time.Time) {
	switch state {
	case Searching, NoCoverage, Limited, Denied:
		if s.unserved.IsZero() {
			s.unserved = now
		}
	case Starting:
	default:
		s.unserved = time.Time{}
	}
}

// insert forgets what was learnt of the SIM when there is another in the slot.
func (s *slotState) insert(imsi string) {
	if imsi != "" && imsi != s.imsi {
		s.imsi, s.smsc, s.refusals, s.stalls, s.hold = imsi, "", 0, 0, 0
	}
}

// holdMost is the longest hold of a SIM that gets into trouble again and again,
// unless a longer one is configured.
const holdMost = 24 * time.Hour

// held reports whether the slot is to be left alone.
func (s slotState) held(now time.Time) bool {
	return !s.left.IsZero() && now.Sub(s.left) < s.hold && !now.Before(s.left)
}

// leave holds the slot, for twice as long as before when its SIM was tried again
// and was not well for as long as it had been held: each try costs messages, and
// a registration.
func (s *slotState) leave(why string, first time.Duration, now time.Time) {
	switch {
	case s.hold == 0 || now.Sub(s.taken) >= s.hold+networkTrouble: // which is part of the trouble
		s.hold = first
	case !s.forced:
		s.hold = min(2*s.hold, max(first, holdMost))
	}
	s.left, s.why = now, why
}

// take begins with the slot anew.
func (s *slotState) take(now time.Time) {
	s.forced = s.held(now)
	s.refusals, s.stalls, s.dead, s.unusable = 0, 0, false, ""
	s.taken, s.left, s.unserved = now, time.Time{}, time.Time{}
}

// How long a SIM may be out of service before the modem takes the other one.
const (
	cardTrouble    = 15 * time.Second // absent, locked, broken
	deniedTrouble  = 30 * time.Second
	networkTrouble = 3 * time.Minute // no network that it may use
	stallsTrouble  = 2               // in a row

	// A SIM that is held is taken again after so long, if all are. The network is
	// not to be asked for registration all the time by SIMs that it refuses.
	slotRest = 2 * time.Minute
)

// trouble says why another SIM should be taken; empty: for no reason.
func trouble(f Facts, s slotState, now time.Time) string {
	state, lasts := f.State(), now.Sub(f.Since)
	without := lasts
	if !s.unserved.IsZero() {
		without = now.Sub(s.unserved)
	}
	switch state {
	case NoSIM, PINMissing, PINWrong, PUK, Locked, SIMFailed, NoSMSC:
		if lasts >= cardTrouble {
			return string(state)
		}
	case Denied:
		if lasts >= deniedTrouble || without >= networkTrouble {
			return string(state)
		}
	case Searching, NoCoverage, Limited:
		if without >= networkTrouble {
			return string(state)
		}
	}
	switch {
	case s.dead:
		return errUnreadable.Error()
	case s.refusals >= refusalsMost:
		return fmt.Sprintf("the network refused %d messages in a row to this SIM", s.refusals)
	case s.stalls >= stallsTrouble:
		return fmt.Sprintf("%d hand-overs in a row got no answer", s.stalls)
	}
	return ""
}

// choose returns the slot to use: the first that is not held, when there is
// trouble with the active one or its hold is over; of slots that are all held
// the one that was left longest ago, unless that was just now. A SIM that is spent
// is well, and still good for queue 1: any that is not is better, and it is better
// than one in trouble.
func choose(slots []slotState, active int, trouble string, now time.Time) int {
	oldest, spare := -1, -1
	for i, s := range slots {
		switch {
		case i == active && trouble == "" && s.spent == "":
			return i
		case i == active:
		case !s.held(now) && s.spent == "":
			return i
		case !s.held(now):
			if spare < 0 {
				spare = i
			}
		case s.unusable != "":
		case now.Sub(s.left) >= slotRest && (oldest < 0 || s.left.Before(slots[oldest].left)):
			oldest = i
		}
	}
	switch {
	case trouble == "":
		return active
	case spare >= 0:
		return spare
	case oldest >= 0:
		return oldest
	}
	return active
}

// limits asks which SIMs are spent. It may wait for the disk, so that nothing is
// locked meanwhile.
func (m *Modem) limits() []string {
	spent := make([]string, len(m.slots))
	if m.cfg.Spent == nil {
		return spent
	}
	m.mu.Lock()
	slots := slices.Clone(m.slots)
	m.mu.Unlock()
	for i, s := range slots {
		spent[i] = m.cfg.Spent(context.Background(), cmp.Or(s.card, s.SIM))
	}
	return spent
}

// reviewSlot chooses the slot for the next session and reports whether it is
// another one. The SIM that has trouble is held. quiet says that nothing is
// being sent, so that a preferred SIM may be taken again, or one that is not spent.
func (m *Modem) reviewSlot(now time.Time, quiet bool) bool {
	if len(m.slots) == 1 {
		return false
	}
	spent := m.limits()
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.slots {
		m.slots[i].spent = spent[i]
	}
	why := trouble(m.facts, m.slots[m.slot], now)
	next := choose(m.slots, m.slot, why, now)
	from, to := &m.slots[m.slot], &m.slots[next]
	if next == m.slot || why == "" && !quiet { // what a spent SIM has begun it finishes
		return false
	}
	if why != "" {
		from.leave(why, m.cfg.SlotHold, now)
	} else {
		why = cmp.Or(from.spent, "it is preferred, and may be used again")
	}
	to.take(now)
	m.log.Warn("other SIM slot", "from", from.SIM, "to", to.SIM, "why", why)
	m.slot = next
	return true
}

// count keeps what the outcome of a hand-over says about the SIM, and reports
// whether the slot has to be looked at.
func (m *Modem) count(slot int, o sms.Outcome, stalled bool) (review bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.slots[slot]
	if o.Kind == sms.Accepted || o.Kind == sms.Refused {
		m.stalls = 0
	} else if stalled {
		m.stalls++
	}
	switch {
	case stalled:
		s.stalls++
	case o.Kind == sms.Accepted:
		s.refusals, s.stalls = 0, 0
	case o.Kind == sms.Refused && o.Cause.Class() == pdu.CauseOtherSIM:
		s.refusals++
	case o.Kind == sms.Refused:
		s.refusals, s.stalls = 0, 0
	}
	m.facts.CardRefused = s.refusals
	return s.refusals >= refusalsMost || s.stalls >= stallsTrouble
}

// stallsReset is how many hand-overs in a row may stall before the module is
// reset, though it answers all else.
const stallsReset = 3

func (m *Modem) stalling() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stalls >= stallsReset
}

// slotInUse returns the slot of the session, as it stands.
func (s *session) slotInUse() slotState {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.m.slots[s.slot]
}

// changeSlot changes what is known of the slot of the session.
func (s *session) changeSlot(change func(*slotState)) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	change(&s.m.slots[s.slot])
}

// selectSlot makes the module use the slot of the session. Where that cannot be
// done the modem works with one that can be selected, or with the SIM that is in
// use: what the configuration or the board lacks is no reason to stop.
func (s *session) selectSlot(ctx context.Context) error {
	if len(s.m.slots) == 1 {
		return nil
	}
	if slot := s.slotInUse(); slot.unusable != "" && slot.held(time.Now()) {
		return nil // none can be selected
	}
	way := s.switchInside
	if s.m.cfg.SelectSIM != nil {
		way = s.switchOutside
	}
	err := way(ctx, s.slot)
	if err == nil || stalls(err) || errors.Is(err, at.ErrGone) || ctx.Err() != nil {
		return err
	}
	s.m.log.Error("SIM slot not taken", "slot", s.slot+1, "err", err)
	if s.m.passOver(s.slot, err.Error(), time.Now()) {
		return errSlot
	}
	return nil
}

// passOver leaves a slot that cannot be selected, and reports whether there is
// another to work with.
func (m *Modem) passOver(slot int, why string, now time.Time) (another bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := &m.slots[slot]
	from.unusable = why
	from.leave(why, slotRest, now)
	m.slot = slices.IndexFunc(m.slots, func(s slotState) bool { return s.unusable == "" || !s.held(now) })
	if m.slot < 0 {
		m.slot = 0
	} else {
		m.slots[m.slot].take(now)
	}
	return m.slot != slot
}

// aside are the findings about slots that are not in use because something is
// wrong with them. The caller holds mu.
func (m *Modem) aside(now time.Time) []Finding {
	var all []Finding
	for i, s := range m.slots {
		switch until := s.left.Add(s.hold); {
		case i == m.slot:
		case s.unusable != "":
			all = append(all, Finding{Code: "slot-unusable", Since: s.left,
				Cause: fmt.Sprintf("SIM slot %d (%s) cannot be selected: %s", i+1, s.SIM, s.unusable),
				Step:  "correct [[modem.slot]], or sim_select in [[board.slot]]; or leave the slot out"})
		case s.held(now):
			all = append(all, Finding{Code: "sim-held", Since: s.left,
				Cause: fmt.Sprintf("SIM %s in slot %d is given up until %s: %s", cmp.Or(s.card, s.SIM), i+1, until.UTC().Format("2006-01-02 15:04 MST"), s.why),
				Step:  cmp.Or(complaints[State(s.why)].Step, askOperator)})
		}
	}
	return all
}

// switchInside chooses a slot by the commands of the family.
func (s *session) switchInside(ctx context.Context, slot int) error {
	how := s.profile.Slots
	if how == nil || slot >= len(how.Select) {
		return fmt.Errorf("the profile %q has no command for SIM slot %d: leave out the slot, or name lines for it in [board]", s.profile.Name, slot+1)
	}
	for _, cmd := range how.First {
		s.order(ctx, cmd, slowTimeout)
	}
	if s.slotNow(ctx) == slot {
		return nil
	}
	s.dropEarly()
	if _, err := s.patiently(ctx, how.Select[slot], slowTimeout); err != nil {
		return err
	}
	if err := s.settleSlot(ctx, how.Settle); err != nil {
		return err
	}
	if now := s.slotNow(ctx); now >= 0 && now != slot {
		return fmt.Errorf("the module was told to use SIM slot %d and uses %d", slot+1, now+1)
	}
	return nil
}

// dropEarly forgets what came from the SIM that is being left: it is not
// acknowledged, and the network brings it again.
func (s *session) dropEarly() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.early, s.spilt = nil, false
}

// settleSlot lets the module notice the other SIM. As soon as it speaks of it, it
// is told how to pass on what comes: with the registration comes all that has
// waited in the network, and a module that has forgotten AT+CNMI throws reports
// away.
func (s *session) settleSlot(ctx context.Context, d time.Duration) error {
	over := time.NewTimer(d)
	defer over.Stop()
	var again <-chan time.Time
	for told := s.m.cnmi == ""; ; {
		select {
		case <-s.m.changed:
		case <-again:
		case <-over.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		if again = nil; told {
			continue
		}
		_, err := s.dialogue.Command(ctx, s.m.cnmi, commandTimeout)
		if stalls(err) {
			return err
		}
		if told = err == nil; !told {
			again = time.After(busyAgain)
		}
		s.told.Store(told)
	}
}

// slotNow asks which slot is in use; -1: the module does not tell.
func (s *session) slotNow(ctx context.Context) int {
	how := s.profile.Slots
	if how.Query == "" || how.Answer == nil {
		return -1
	}
	answer := strings.Join(s.try(ctx, how.Query, commandTimeout), "\n")
	m := how.Answer.FindStringSubmatch(answer)
	if len(m) < 2 {
		return -1
	}
	return slices.Index(how.Names, m[1])
}

// switchOutside lets the board switch the SIM, unless it has. The module reads
// it when its radio comes on.
func (s *session) switchOutside(ctx context.Context, slot int) error {
	if s.m.outside == slot {
		return nil
	}
	off, on := s.radio()
	if off == "" {
		return fmt.Errorf("the profile %q does not let the radio be switched, so that the module would not notice the other SIM", s.profile.Name)
	}
	if _, err := s.dialogue.Command(ctx, off, slowTimeout); stalls(err) {
		return fmt.Errorf("AT%s: %w", off, err)
	}
	s.dropEarly()
	s.m.outside = -1
	chosen := s.m.cfg.SelectSIM(ctx, slot)
	if _, err := s.must(ctx, on, slowTimeout); err != nil {
		return err
	}
	if chosen != nil {
		return chosen
	}
	s.m.outside = slot
	return nil
}

// radio returns the commands that switch the radio off and on, empty where that
// does harm.
func (s *session) radio() (off, on string) {
	if r := s.profile.Radio; len(r) == 2 {
		return r[0], r[1]
	}
	return "", ""
}

// settle waits, unless ctx ends first.
func (s *session) settle(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// isBusy reports whether the module, or its SIM, will be ready soon: 3GPP TS
// 27.007, 9.2, 3GPP TS 27.005, 3.2.5, and what makers answer before "SMS Ready".
func isBusy(err error) bool {
	refusal, ok := errors.AsType[*at.CommandError](err)
	if !ok {
		return false
	}
	switch refusal.Set {
	case "CMS":
		return slices.Contains([]int{302, 314, 500, 512, 513, 514, 515}, refusal.Code)
	case "CME":
		return slices.Contains([]int{3, 14, 100, 515}, refusal.Code)
	}
	return false
}
