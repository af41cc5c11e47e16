package modem

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/google/renameio/v2"

	"cellpost/modem/at"
)

// How often a SIM is asked for: soon while it is busy, as it is for seconds
// after power on and after its PIN; now and then while a person has to help.
const (
	cardSoon = 500 * time.Millisecond
	cardSick = 5 * time.Second

	cardStarts = 20 * time.Second // in which a SIM is ready, as a rule

	// A SIM that fails for so long may come back with the radio off and on.
	cardPatience = time.Minute

	// Some modules never notice a SIM that is put in later.
	blindPatience = 5 * time.Minute
)

// unlock waits until the SIM is ready, and gives it its PIN if it wants one.
// The wrong PIN is never given twice: the third locks the SIM.
func (s *session) unlock(ctx context.Context) error {
	for began := time.Now(); ; {
		card, err := s.readPIN(ctx)
		if err != nil {
			return err
		}
		if card == CardReady && s.cardBusy(ctx) {
			card = CardUnknown
		}
		if card == CardPIN && s.mayTryPIN(ctx) {
			if err := s.givePIN(ctx); err != nil {
				return err
			}
			card = CardUnknown
		}
		tried := s.slotInUse().triedPIN
		s.m.learn(func(f *Facts) { f.Card = verdict(card, tried) })
		if card == CardReady {
			s.changeSlot(func(s *slotState) { s.dead = false })
			return s.countPIN(false) // it was right, or there is another SIM
		}
		late := (card == CardUnknown || card == CardFailed) && time.Since(began) > cardPatience
		s.changeSlot(func(s *slotState) { s.dead = late })
		if s.m.reviewSlot(time.Now(), true) {
			return errSlot
		}
		if card == CardAbsent && s.profile.BlindSIM && time.Since(began) > blindPatience {
			return errors.New("no SIM, and this module notices one that is put in only after its power was off")
		}
		if late {
			return errUnreadable
		}
		wait := cardSick
		if card == CardUnknown && time.Since(began) < cardStarts {
			wait = cardSoon
		}
		select {
		case <-time.After(wait): // few modules announce a SIM that has become ready
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readPIN asks what the SIM waits for. An error means that the dialogue is out
// of step.
func (s *session) readPIN(ctx context.Context) (Card, error) {
	info, err := s.dialogue.Command(ctx, "+CPIN?", commandTimeout)
	if _, refused := errors.AsType[*at.CommandError](err); err != nil && !refused {
		return CardUnknown, fmt.Errorf("AT+CPIN?: %w", err)
	}
	return cardState(answer(info), err), nil
}

// cardBusy reports whether a SIM that is ready cannot be read yet. Until then
// its number is unknown, and what the message service says of itself is wrong.
func (s *session) cardBusy(ctx context.Context) bool {
	_, err := s.dialogue.Command(ctx, "+CIMI", cardTimeout)
	return err != nil && cardState("", err) == CardUnknown
}

// cardState reads the answer to AT+CPIN?. CardUnknown: it will be another soon.
func cardState(answer string, err error) Card {
	if refusal, ok := errors.AsType[*at.CommandError](err); ok {
		switch refusal.Code { // 3GPP TS 27.007, 9.2; CMS errors 310, 313 to 315 of 3GPP TS 27.005, 3.2.5
		case 10, 310:
			return CardAbsent
		case 13, 15, 313:
			return CardFailed
		case 14, 314, 515:
			return CardUnknown
		}
		return CardFailed
	}
	switch answer {
	case "READY":
		return CardReady
	case "SIM PIN":
		return CardPIN
	case "SIM PUK", "SIM PUK2":
		return CardPUK
	case "NOT INSERTED":
		return CardAbsent
	case "NOT READY":
		return CardUnknown
	}
	return CardFailed
}

// mayTryPIN reports whether there is a PIN that the SIM has not turned down.
func (s *session) mayTryPIN(ctx context.Context) bool {
	slot := s.slotInUse()
	if slot.PIN == "" || slot.triedPIN {
		return false
	}
	given, _ := os.ReadFile(slot.PINLog)
	if string(given) != pinMark(slot.PIN) || s.triesLeft(ctx) >= pinTries {
		return true
	}
	s.m.log.Error("an earlier process gave this PIN and the SIM did not take it", "remembered", slot.PINLog)
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

// pinMark stands for the PIN in PINLog: another PIN may be tried.
func pinMark(pin string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(pin))) }

// countPIN notes that the PIN was given, or that it need not be held against the
// configuration.
func (s *session) countPIN(tried bool) error {
	slot := s.slotInUse()
	var err error
	switch {
	case slot.PINLog == "":
	case tried:
		err = renameio.WriteFile(slot.PINLog, []byte(pinMark(slot.PIN)), 0o600)
	default:
		err = os.Remove(slot.PINLog)
	}
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && !tried) {
		return elsewhereError{fmt.Errorf("note what became of the PIN: %w: make data_dir writable", err)}
	}
	s.changeSlot(func(s *slotState) { s.triedPIN = tried })
	return nil
}

// verdict tells a PIN that was wrong from one that is missing.
func verdict(c Card, tried bool) Card {
	if c == CardPIN && tried {
		return CardWrongPIN
	}
	return c
}

// givePIN gives the PIN once. It counts as wrong until the SIM is ready: where
// the answer is lost, nobody knows what the SIM thought of it.
// It is not given when that cannot be noted.
func (s *session) givePIN(ctx context.Context) error {
	if err := s.countPIN(true); err != nil {
		return err
	}
	_, err := s.dialogue.Command(ctx, `+CPIN="`+s.slotInUse().PIN+`"`, cardTimeout)
	switch _, refused := errors.AsType[*at.CommandError](err); {
	case refused && cardState("", err) == CardUnknown:
		return s.countPIN(false) // the SIM was busy, and did not look at it
	case err != nil:
		s.m.log.Error("the SIM did not take its PIN; it is not tried again", "err", err)
	}
	return nil
}

// readCard asks who the SIM is, and what it is called here.
func (s *session) readCard(ctx context.Context) error {
	info, err := s.dialogue.Command(ctx, "+CIMI", cardTimeout)
	if stalls(err) {
		return fmt.Errorf("AT+CIMI: %w", err)
	}
	imsi := digits(answer(info))
	var iccid string
	for _, cmd := range []string{"+CCID", "+ICCID", "^ICCID?", "+QCCID"} {
		if iccid = digits(answer(s.try(ctx, cmd, commandTimeout))); iccid != "" {
			break
		}
	}
	s.changeSlot(func(s *slotState) { s.insert(imsi) })
	slot := s.slotInUse()
	name, warning, err := s.nameCard(ctx, slot, iccid, imsi)
	if err != nil {
		return err
	}
	msisdn := s.configured(name).MSISDN
	if own := fields(s.try(ctx, "+CNUM", cardTimeout)); msisdn == "" && len(own) > 1 {
		msisdn = digits(own[1])
	}
	s.changeSlot(func(s *slotState) {
		if s.card != name || s.number != msisdn {
			s.card, s.number, s.smsc = name, msisdn, ""
		}
	})
	s.m.learn(func(f *Facts) {
		f.IMSI, f.ICCID, f.MSISDN, f.SIM, f.CardWarning, f.CardRefused = imsi, iccid, msisdn, name, warning, slot.refusals
	})
	s.takeEarly(name)
	return nil
}

// nameCard finds out which of the SIMs in the routes this is: one that was
// plugged in elsewhere keeps its messages and its reports.
func (s *session) nameCard(ctx context.Context, slot slotState, iccid, imsi string) (name, warning string, err error) {
	if s.m.cfg.NameCard == nil {
		return slot.SIM, "", nil
	}
	f := s.m.Facts()
	name, warning, err = s.m.cfg.NameCard(ctx, Plugged{ICCID: iccid, IMSI: imsi, Modem: f.Name, Slot: f.Slot, Configured: slot.SIM})
	if err != nil {
		return "", "", elsewhereError{fmt.Errorf("find the SIM's name: %w", err)}
	}
	if warning != "" {
		s.m.log.Warn("name of the SIM", "sim", name, "warning", warning)
	}
	return name, warning, nil
}

// configured is what the configuration says of the SIM with a name, which may be
// in another slot than it was meant for.
func (s *session) configured(name string) Slot {
	all := append([]Slot{s.slotInUse().Slot}, s.m.cfg.SIMs...)
	if i := slices.IndexFunc(all, func(s Slot) bool { return s.SIM == name }); i >= 0 {
		return all[i]
	}
	return Slot{}
}

// sameCard returns an error when the SIM is not the one of this session: it
// asks for its PIN, is out, or was exchanged with the power on.
func (s *session) sameCard(ctx context.Context) error {
	card, err := s.readPIN(ctx)
	if err != nil {
		return err
	}
	imsi := digits(answer(s.try(ctx, "+CIMI", cardTimeout)))
	if card != CardReady || imsi != "" && imsi != s.m.Facts().IMSI {
		return errCardLost
	}
	return nil
}

// simName is the name of the SIM in routes; empty until it is known.
func (s *session) simName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sim
}

// takeEarly gives the SIM its name, and takes in what came before it had one.
// followUp does not run yet: what is to be acknowledged is owed.
func (s *session) takeEarly(name string) {
	s.mu.Lock()
	s.sim = name
	early := s.early
	s.early = nil
	s.mu.Unlock()
	for _, tpdu := range early {
		if s.take(tpdu) {
			s.owes.Store(true)
		}
	}
}
