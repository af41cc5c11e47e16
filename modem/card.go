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
	"cellpost/sms"
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
	began := time.Now()
	for since := began; ; {
		card, err := s.readPIN(ctx)
		if err != nil {
			return err
		}
		if card == CardReady && s.cardBusy(ctx) {
			card = CardUnknown
		}
		if card == CardPIN {
			another, err := s.chooseKey(ctx)
			if err != nil {
				return err
			}
			if another {
				continue // the one that asked may be out
			}
		}
		if card == CardPIN && s.mayTryPIN(ctx) {
			if err := s.givePIN(ctx); err != nil {
				return err
			}
			s.unlocked = time.Now()
			card = CardUnknown
		}
		tried := s.slotInUse().triedPIN
		s.m.learn(func(f *Facts) { f.Card = verdict(card, tried) })
		if card == CardReady {
			s.changeSlot(func(s *slotState) { s.dead = false })
			return s.provedPIN(ctx)
		}
		late := (card == CardUnknown || card == CardFailed) && time.Since(began) > cardPatience
		s.changeSlot(func(s *slotState) { s.dead = late })
		if s.m.reviewSlot(time.Now(), true) {
			return errSlot
		}
		if card == CardAbsent && s.profile.BlindSIM && time.Since(began) > blindPatience {
			return errors.New("no SIM, and this module notices one that is put in only after its power was off")
		}
		if card == CardAbsent && time.Since(since) > searchMost {
			s.radioAnew(ctx, "no SIM")
			since = time.Now()
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
		switch refusal.Code { // 3GPP TS 27.007, 9.2; CMS errors from 310 of 3GPP TS 27.005, 3.2.5
		case 10, 310:
			return CardAbsent
		case 11, 311:
			return CardPIN
		case 12, 316:
			return CardPUK
		case 5, 6, 7, 40, 41, 42, 43, 44, 45, 46, 47, 312:
			return CardLocked
		case 13, 15, 313:
			return CardFailed
		case 14, 314, 515:
			return CardUnknown
		}
		return CardFailed
	}
	if strings.HasPrefix(answer, "PH-") { // 3GPP TS 27.007, 8.3: PH-NET PIN, PH-SIM PIN ...
		return CardLocked
	}
	switch answer {
	case "READY", "SIM PIN2", "SIM PUK2": // messages do not need the second PIN
		return CardReady
	case "SIM PIN":
		return CardPIN
	case "SIM PUK":
		return CardPUK
	case "NOT INSERTED":
		return CardAbsent
	case "NOT READY":
		return CardUnknown
	}
	return CardFailed
}

// readCard asks who the SIM is, and what it is called here.
func (s *session) readCard(ctx context.Context) error {
	info, err := s.dialogue.Command(ctx, "+CIMI", cardTimeout)
	if stalls(err) {
		return fmt.Errorf("AT+CIMI: %w", err)
	}
	imsi, iccid := digits(answer(info)), s.readICCID(ctx)
	number := s.readNumber(ctx)
	s.changeSlot(func(s *slotState) { s.insert(imsi) })
	name, warning, err := s.nameCard(ctx, Plugged{ICCID: iccid, IMSI: imsi, MSISDN: number})
	if err != nil {
		return err
	}
	msisdn := cmp.Or(s.configured(name).MSISDN, number)
	s.changeSlot(func(s *slotState) {
		if s.card != name || s.number != msisdn {
			s.card, s.number, s.smsc = name, msisdn, ""
		}
	})
	refusals := s.slotInUse().refusals
	s.m.learn(func(f *Facts) {
		f.IMSI, f.ICCID, f.MSISDN, f.SIM, f.CardWarning, f.CardRefused = imsi, iccid, msisdn, name, warning, refusals
	})
	s.takeEarly(name)
	return nil
}

// readICCID asks which SIM this is, in the ways of several makers; empty: it does
// not tell, or says nothing by it. Most modules tell before the SIM is unlocked, too.
func (s *session) readICCID(ctx context.Context) string {
	for _, cmd := range []string{"+CCID", "+ICCID", "^ICCID?", "+QCCID"} {
		if iccid := sms.TellingICCID(digits(answer(s.try(ctx, cmd, commandTimeout)))); iccid != "" {
			return iccid
		}
	}
	return ""
}

// readNumber asks for the SIM's own number; few operators write it there.
func (s *session) readNumber(ctx context.Context) string {
	own := fields(s.try(ctx, "+CNUM", cardTimeout))
	if len(own) < 2 {
		return ""
	}
	return digits(own[1])
}

// nameCard finds out which of the SIMs in the routes this is: one that was
// plugged in elsewhere keeps its messages and its reports.
func (s *session) nameCard(ctx context.Context, p Plugged) (name, warning string, err error) {
	slot := s.slotInUse()
	if s.m.cfg.NameCard == nil {
		return slot.SIM, "", nil
	}
	p.Modem, p.Slot, p.Configured = s.m.cfg.Name, s.slot, slot.SIM
	name, warning, err = s.m.cfg.NameCard(ctx, p)
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
func (s *session) takeEarly(name string) {
	s.mu.Lock()
	s.sim = name
	early := s.early
	s.early, s.spilt = nil, false
	s.mu.Unlock()
	for _, e := range early {
		if !s.take(e.tpdu) {
			continue
		}
		if s.unsaid = e.came; e.stale {
			s.unsaid = time.Time{}
			s.leave()
		}
	}
}
