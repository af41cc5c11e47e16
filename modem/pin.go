package modem

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"

	"cellpost/modem/at"
	"cellpost/sms"
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

// mayTryPIN reports whether there is a PIN that the SIM has not turned down.
func (s *session) mayTryPIN(ctx context.Context) bool {
	slot := s.slotInUse()
	if slot.key.PIN == "" || slot.triedPIN {
		return false
	}
	if !pinLog(slot.key.PINLog).has(slot.key.PIN, slot.locked) || s.triesLeft(ctx) >= pinTries {
		return true
	}
	s.m.log.Error("an earlier process gave this PIN and the SIM did not take it", "remembered", slot.key.PINLog)
	s.changeSlot(func(s *slotState) { s.triedPIN = true })
	return false
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
	if err := pinLog(slot.key.PINLog).add(slot.key.PIN, slot.locked); err != nil {
		return pinLogError(err)
	}
	s.changeSlot(func(s *slotState) { s.triedPIN = true })
	_, err := s.dialogue.Command(ctx, `+CPIN="`+slot.key.PIN+`"`, cardTimeout)
	switch _, refused := errors.AsType[*at.CommandError](err); {
	case refused && cardState("", err) == CardUnknown:
		return s.excusePIN(slot.locked) // the SIM was busy, and did not look at it
	case err != nil:
		s.m.log.Error("the SIM did not take its PIN; it is not tried again", "err", err)
	}
	return nil
}

// provedPIN takes note of a SIM that is ready: its PIN was right, or it has none.
func (s *session) provedPIN(ctx context.Context) error {
	slot := s.slotInUse()
	if !slot.triedPIN && !pinLog(slot.key.PINLog).exists() {
		return nil
	}
	return s.excusePIN(cmp.Or(s.readICCID(ctx), slot.locked))
}

// excusePIN forgets that a SIM was given its PIN.
func (s *session) excusePIN(iccid string) error {
	if err := pinLog(s.slotInUse().key.PINLog).clear(iccid); err != nil {
		return pinLogError(err)
	}
	s.changeSlot(func(s *slotState) { s.triedPIN = s.triedPIN && !mayBe(s.locked, iccid) })
	return nil
}

func pinLogError(err error) error {
	return elsewhereError{fmt.Errorf("note what became of the PIN: %w: make data_dir writable", err)}
}

// verdict tells a PIN that was wrong from one that is missing.
func verdict(c Card, tried bool) Card {
	if c == CardPIN && tried {
		return CardWrongPIN
	}
	return c
}

// pinLog is a file that remembers PINs which were given and not proved right: a
// line for each, with a digest of the PIN and the ICCID of the SIM where it told
// that before it was unlocked. The empty path remembers nothing.
type pinLog string

// has reports whether a PIN was given to a SIM. One that does not tell who it is
// may be any.
func (l pinLog) has(pin, iccid string) bool {
	return slices.ContainsFunc(l.lines(), func(line string) bool {
		digest, to, _ := strings.Cut(line, " ")
		return digest == pinDigest(pin) && mayBe(to, iccid)
	})
}

func (l pinLog) exists() bool { return len(l.lines()) > 0 }

// pinLogMost bounds the file: nobody carries so many SIMs with wrong PINs to one
// slot.
const pinLogMost = 32

// add remembers a PIN before it is given.
func (l pinLog) add(pin, iccid string) error {
	if l == "" || slices.Contains(l.lines(), pinLine(pin, iccid)) {
		return nil
	}
	all := append(l.lines(), pinLine(pin, iccid))
	return l.write(all[max(0, len(all)-pinLogMost):])
}

// clear forgets what was given to a SIM. One that does not tell who it is may be
// any.
func (l pinLog) clear(iccid string) error {
	all := l.lines()
	left := slices.DeleteFunc(slices.Clone(all), func(line string) bool {
		_, to, _ := strings.Cut(line, " ")
		return mayBe(to, iccid)
	})
	switch {
	case len(left) == len(all):
		return nil
	case len(left) > 0:
		return l.write(left)
	}
	if err := os.Remove(string(l)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (l pinLog) lines() []string {
	text, _ := os.ReadFile(string(l)) // what cannot be read cannot be written either, and then no PIN is given
	return slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool { return line == "" })
}

func (l pinLog) write(lines []string) error {
	return renameio.WriteFile(string(l), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

func pinLine(pin, iccid string) string { return strings.TrimSpace(pinDigest(pin) + " " + iccid) }

// pinDigest stands for a PIN: another may be tried.
func pinDigest(pin string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(pin))) }

// mayBe reports whether two ICCIDs, empty for one that is not known, may be those
// of one SIM.
func mayBe(a, b string) bool {
	return a == "" || b == "" || sms.Card{ICCID: a}.Is(sms.Card{ICCID: b})
}
