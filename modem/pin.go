package modem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"cellpost/modem/at"
)

// chooseKey settles which PIN the SIM in the slot gets: its own, where it tells who
// it is before it is unlocked and is known, else that of the slot. another tells
// that it is not the SIM that asked before.
func (s *session) chooseKey(ctx context.Context) (another bool, err error) {
	slot, iccid := s.slotInUse(), s.readICCID(ctx)
	if iccid == "" || iccid == slot.locked {
		return false, nil
	}
	name, _, err := s.nameCard(ctx, Plugged{ICCID: iccid})
	if err != nil {
		return false, err
	}
	key := slot.Slot
	if own := s.configured(name); own.PIN != "" {
		key = own
	}
	s.changeSlot(func(s *slotState) { s.locked, s.key, s.triedPIN = iccid, key, false })
	return true, nil
}

// mayTryPIN reports whether there is a PIN that the SIM has not turned down. The
// last try is left to a person.
func (s *session) mayTryPIN(ctx context.Context) bool {
	slot := s.slotInUse()
	if slot.key.PIN == "" || slot.triedPIN {
		return false
	}
	left, refused := s.triesLeft(ctx), s.m.cfg.PINs.has(slot.key.PIN, s.cardNow())
	last := left == 1 || left == 0 && s.m.cfg.PINs.tried(s.cardNow()) >= pinTries-1
	if !last && !(refused && left < pinTries) {
		return true
	}
	s.m.log.Error("the PIN is not given", "tries_left", left, "given_before", refused)
	s.changeSlot(func(s *slotState) { s.triedPIN = true })
	return false
}

// cardNow is the SIM that asks for its PIN, as far as it is known.
func (s *session) cardNow() lockedSIM {
	return lockedSIM{s.slotInUse().locked, fmt.Sprintf("%s,%d", url.PathEscape(s.m.cfg.Name), s.slot+1)}
}

// pinTries is how many wrong PINs a fresh SIM bears. 3GPP TS 31.101, 9.5.1.
const pinTries = 3

// triesLeft asks the SIM how many wrong PINs it still bears; 0 where the module
// cannot tell. 3GPP TS 27.007, 8.65.
func (s *session) triesLeft(ctx context.Context) int {
	f := fields(s.try(ctx, `+CPINR="SIM PIN"`, commandTimeout))
	if len(f) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(f[1])
	return n
}

// givePIN gives the PIN once. It counts as wrong until the SIM is ready: where
// the answer is lost, nobody knows what the SIM thought of it.
// It is not given when that cannot be noted.
func (s *session) givePIN(ctx context.Context) error {
	slot := s.slotInUse()
	if err := s.m.cfg.PINs.add(slot.key.PIN, s.cardNow()); err != nil {
		return pinsError(err)
	}
	s.changeSlot(func(s *slotState) { s.triedPIN = true })
	_, err := s.dialogue.Command(ctx, `+CPIN="`+slot.key.PIN+`"`, cardTimeout)
	switch _, refused := errors.AsType[*at.CommandError](err); {
	case refused && cardState("", err) == CardUnknown:
		return s.excusePIN(s.cardNow()) // the SIM was busy, and did not look at it
	case err != nil:
		s.m.log.Error("the SIM did not take its PIN; it is not tried again", "err", err)
	}
	return nil
}

// provedPIN takes note of a SIM that is ready: its PIN was right, or it has none.
func (s *session) provedPIN(ctx context.Context) error {
	card := s.cardNow()
	if !s.slotInUse().triedPIN && !s.m.cfg.PINs.any() {
		return nil
	}
	card.iccid = cmp.Or(s.readICCID(ctx), card.iccid)
	return s.excusePIN(card)
}

// excusePIN forgets that a SIM was given its PIN.
func (s *session) excusePIN(card lockedSIM) error {
	if err := s.m.cfg.PINs.clear(card); err != nil {
		return pinsError(err)
	}
	asked := s.cardNow()
	s.changeSlot(func(s *slotState) { s.triedPIN = s.triedPIN && !card.is(asked) })
	return nil
}

func pinsError(err error) error {
	return elsewhereError{fmt.Errorf("note what became of the PIN: %w: make data_dir writable", err)}
}

// verdict tells a PIN that was wrong from one that is missing.
func verdict(c Card, tried bool) Card {
	if c == CardPIN && tried {
		return CardWrongPIN
	}
	return c
}
