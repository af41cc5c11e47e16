package modem

import (
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
	triedPIN bool      // the configured PIN was given and the SIM is not ready: two more tries lock it
	imsi     string    // of the SIM that was in it last
	card     string    // name of the SIM that was in it last; empty: none was
	number   string    // of that SIM
	smsc     string    // its service centre, as read last
	refusals int       // messages in a row that were refused to the SIM, whatever the number
	stalls   int       // hand-overs in a row that stalled
	left     time.Time // when another slot was taken for its sake; zero: it was not
}

// insert forgets what was learnt of the SIM when there is another in the slot.
func (s *slotState) insert(imsi string) {
	if imsi != "" && imsi != s.imsi {
		s.imsi, s.smsc, s.refusals, s.stalls = imsi, "", 0, 0
	}
}

// How long a SIM may be out of service before the modem takes the other one.
const (
	cardTrouble    = 15 * time.Second // absent, locked, broken
	deniedTrouble  = 30 * time.Second
	networkTrouble = 3 * time.Minute // no network that it may use
	stallsTrouble  = 2               // in a row
)

// trouble says why another SIM should be taken; empty: for no reason.
func trouble(f Facts, s slotState, now time.Time) string {
	state, lasts := f.State(), now.Sub(f.Since)
	switch state {
	case NoSIM, PINMissing, PINWrong, PUK, SIMFailed, NoSMSC:
		if lasts >= cardTrouble {
			return string(state)
		}
	case Denied:
		if lasts >= deniedTrouble {
			return string(state)
		}
	case Searching, NoCoverage, Limited:
		if lasts >= networkTrouble {
			return string(state)
		}
	}
	switch {
	case s.refusals >= refusalsMost:
		return fmt.Sprintf("the network refused %d messages in a row to this SIM", s.refusals)
	case s.stalls >= stallsTrouble:
		return fmt.Sprintf("%d hand-overs in a row got no answer", s.stalls)
	}
	return ""
}

// choose returns the slot to use: the first that is not held, when there is
// trouble with the active one or its hold is over; of slots that are all held
// the one that was left longest ago.
func choose(slots []slotState, active int, trouble string, hold time.Duration, now time.Time) int {
	held := func(s slotState) bool { return !s.left.IsZero() && now.Sub(s.left) < hold && !now.Before(s.left) }
	oldest := -1
	for i, s := range slots {
		switch {
		case i == active && trouble == "":
			return i
		case i == active:
		case !held(s):
			return i
		case oldest < 0 || s.left.Before(slots[oldest].left):
			oldest = i
		}
	}
	if oldest < 0 {
		return active
	}
	return oldest
}

// reviewSlot chooses the slot for the next session and reports whether it is
// another one. The SIM that has trouble is held. quiet says that nothing is
// being sent, so that a preferred SIM may be taken again.
func (m *Modem) reviewSlot(now time.Time, quiet bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.slots) == 1 {
		return false
	}
	why := trouble(m.facts, m.slots[m.slot], now)
	next := choose(m.slots, m.slot, why, m.cfg.SlotHold, now)
	if next == m.slot || why == "" && !quiet {
		return false
	}
	from, to := &m.slots[m.slot], &m.slots[next]
	if why != "" {
		from.left = now
	} else {
		why = "its hold is over"
	}
	to.refusals, to.stalls, to.left = 0, 0, time.Time{}
	m.log.Warn("other SIM slot", "from", from.SIM, "to", to.SIM, "why", why)
	m.slot = next
	return true
}

// count keeps what the outcome of a hand-over says about the SIM, and reports
// whether the slot has to be looked at.
func (m *Modem) count(o sms.Outcome, stalled bool) (review bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.slots[m.slot]
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

// slotInUse returns the slot in use, as it stands.
func (m *Modem) slotInUse() slotState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.slots[m.slot]
}

// changeSlot changes what is known of the slot in use.
func (m *Modem) changeSlot(change func(*slotState)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.slots[m.slot])
}

// selectSlot makes the module use the chosen SIM slot.
func (s *session) selectSlot(ctx context.Context) error {
	if len(s.m.slots) == 1 {
		return nil
	}
	s.m.mu.Lock()
	slot := s.m.slot
	s.m.mu.Unlock()
	if s.m.cfg.SelectSIM != nil {
		return s.switchOutside(ctx, slot)
	}
	how := s.profile.Slots
	if how == nil || slot >= len(how.Select) {
		return fmt.Errorf("the profile %q has no command for SIM slot %d: leave out the slot, or name lines for it in [board]", s.profile.Name, slot+1)
	}
	for _, cmd := range how.First {
		s.try(ctx, cmd, slowTimeout)
	}
	if s.slotNow(ctx) == slot {
		return nil
	}
	if _, err := s.must(ctx, how.Select[slot], slowTimeout); err != nil {
		return err
	}
	return s.settle(ctx, how.Settle)
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

// switchOutside lets the board switch the SIM. The module reads it when its
// radio comes on.
func (s *session) switchOutside(ctx context.Context, slot int) error {
	off, on := s.radio()
	if off == "" {
		return fmt.Errorf("the profile %q does not let the radio be switched, so that the module would not notice the other SIM", s.profile.Name)
	}
	s.try(ctx, off, slowTimeout)
	if err := s.m.cfg.SelectSIM(ctx, slot); err != nil {
		return fmt.Errorf("select SIM slot %d: %w", slot+1, err)
	}
	_, err := s.must(ctx, on, slowTimeout)
	return err
}

// radio returns the commands that switch the radio off and on, empty where that
// does harm.
func (s *session) radio() (off, on string) {
	if r := s.profile.Radio; len(r) == 2 {
		return r[0], r[1]
	}
	return "", ""
}

// settle lets the module notice what was done to it. It may say so, so that
// what it says ends nothing.
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
