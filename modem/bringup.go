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
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"cellpost/modem/at"
)

// setup is what was agreed with the module.
type setup struct {
	acknowledge bool // AT+CSMS=1: what comes in directly waits for AT+CNMA
	cnmi        string
	memory      string // that messages are read from: "SM"
}

// bringUp takes a module from any condition to where it can register and send.
func (s *session) bringUp(ctx context.Context, cfun bool) error {
	if err := s.resync(ctx); err != nil {
		return fmt.Errorf("the module does not answer: %w", err)
	}
	s.m.learn(func(f *Facts) { f.Answering = true })
	if cfun {
		s.try(ctx, "+CFUN=0", slowTimeout)
		s.try(ctx, "+CFUN=1", slowTimeout)
	}
	return inOrder(ctx, s.dialect, s.identify, s.unlock, s.readCard, s.agree)
}

// agree makes the settings that a module forgets when it starts anew, and takes
// in what it stored. followUp must not run meanwhile.
func (s *session) agree(ctx context.Context) error {
	return inOrder(ctx, s.dialect, s.acknowledgeOwed, s.messageService, s.reception, s.watchNetwork, s.readNetwork, s.sweep)
}

// inOrder takes the steps one after the other, up to the first error.
func inOrder(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// must sends a command that has to succeed.
func (s *session) must(ctx context.Context, cmd string, timeout time.Duration) ([]string, error) {
	info, err := s.dialogue.Command(ctx, cmd, timeout)
	if err != nil {
		return nil, fmt.Errorf("AT%s: %w", cmd, err)
	}
	return info, nil
}

// try sends a command that a module may lack: it returns nothing then. What
// only informs is asked this way; a dialogue out of step shows in the next must.
func (s *session) try(ctx context.Context, cmd string, timeout time.Duration) []string {
	info, err := s.dialogue.Command(ctx, cmd, timeout)
	if err != nil {
		s.m.log.Debug("optional command", "cmd", strings.SplitN(cmd, "=", 2)[0], "err", err)
		return nil
	}
	return info
}

// dialect: no echo, verbose results, numeric errors, messages as TPDUs.
func (s *session) dialect(ctx context.Context) error {
	for _, cmd := range []string{"E0", "V1"} {
		if _, err := s.must(ctx, cmd, commandTimeout); err != nil {
			return err
		}
	}
	s.try(ctx, "+CMEE=1", commandTimeout)
	return nil
}

func (s *session) identify(ctx context.Context) error {
	manufacturer := answer(s.try(ctx, "+CGMI", commandTimeout))
	model := answer(s.try(ctx, "+CGMM", commandTimeout))
	revision := answer(s.try(ctx, "+CGMR", commandTimeout))
	imei, err := s.must(ctx, "+CGSN", commandTimeout)
	if err != nil {
		return err
	}
	s.m.learn(func(f *Facts) {
		f.Manufacturer, f.Model, f.Revision = manufacturer, model, revision
		f.IMEI = digits(answer(imei))
	})
	return nil
}

// answer is the text of an answer of one line, with or without the prefix that
// repeats the command, and without quotes.
func answer(info []string) string {
	if len(info) == 0 {
		return ""
	}
	line := info[0]
	if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "^") {
		if _, rest, ok := strings.Cut(line, ":"); ok {
			line = rest
		}
	}
	return strings.Trim(strings.TrimSpace(line), `"`)
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// How often a SIM is asked for: soon while it is busy, as it is for seconds
// after power on and after its PIN; now and then while a person has to help.
const (
	cardSoon = 500 * time.Millisecond
	cardSick = 5 * time.Second

	// A SIM that fails for so long may come back with the radio off and on.
	cardPatience = time.Minute
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
		s.m.learn(func(f *Facts) { f.Card = s.verdict(card) })
		if card == CardReady {
			return s.countPIN(false) // it was right, or there is another SIM
		}
		if (card == CardUnknown || card == CardFailed) && time.Since(began) > cardPatience {
			return errors.New("the SIM cannot be read")
		}
		wait := cardSick
		if card == CardUnknown {
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
	_, err := s.dialogue.Command(ctx, "+CIMI", slowTimeout)
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
	s.m.mu.Lock()
	tried := s.m.triedPIN
	s.m.mu.Unlock()
	if s.m.cfg.PIN == "" || tried {
		return false
	}
	given, _ := os.ReadFile(s.m.cfg.PINLog)
	if string(given) != s.pinMark() || s.triesLeft(ctx) >= pinTries {
		return true
	}
	s.m.log.Error("an earlier process gave this PIN and the SIM did not take it", "remembered", s.m.cfg.PINLog)
	s.m.mu.Lock()
	s.m.triedPIN = true
	s.m.mu.Unlock()
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
func (s *session) pinMark() string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(s.m.cfg.PIN)))
}

// countPIN notes that the PIN was given, or that it need not be held against the
// configuration.
func (s *session) countPIN(tried bool) error {
	s.m.mu.Lock()
	s.m.triedPIN = tried
	s.m.mu.Unlock()
	if s.m.cfg.PINLog == "" {
		return nil
	}
	if tried {
		return renameio.WriteFile(s.m.cfg.PINLog, []byte(s.pinMark()), 0o600)
	}
	if err := os.Remove(s.m.cfg.PINLog); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// verdict tells a PIN that was wrong from one that is missing. The caller holds
// Modem.mu.
func (s *session) verdict(c Card) Card {
	if c == CardPIN && s.m.triedPIN {
		return CardWrongPIN
	}
	return c
}

// givePIN gives the PIN once. It counts as wrong until the SIM is ready: where
// the answer is lost, nobody knows what the SIM thought of it.
// It is not given when that cannot be noted.
func (s *session) givePIN(ctx context.Context) error {
	if err := s.countPIN(true); err != nil {
		return fmt.Errorf("note the PIN before it is given: %w", err)
	}
	_, err := s.dialogue.Command(ctx, `+CPIN="`+s.m.cfg.PIN+`"`, slowTimeout)
	switch _, refused := errors.AsType[*at.CommandError](err); {
	case refused && cardState("", err) == CardUnknown:
		return s.countPIN(false) // the SIM was busy, and did not look at it
	case err != nil:
		s.m.log.Error("the SIM did not take its PIN; it is not tried again", "err", err)
	}
	return nil
}

func (s *session) readCard(ctx context.Context) error {
	imsi := digits(answer(s.try(ctx, "+CIMI", slowTimeout)))
	var iccid string
	for _, cmd := range []string{"+CCID", "+ICCID"} {
		if iccid = digits(answer(s.try(ctx, cmd, commandTimeout))); iccid != "" {
			break
		}
	}
	msisdn := s.m.cfg.MSISDN
	if own := fields(s.try(ctx, "+CNUM", slowTimeout)); msisdn == "" && len(own) > 1 {
		msisdn = digits(own[1])
	}
	s.m.learn(func(f *Facts) { f.IMSI, f.ICCID, f.MSISDN = imsi, iccid, msisdn })
	return nil
}

// fields splits the first line of an answer at its commas, outside quotes and
// parentheses.
func fields(info []string) []string {
	if len(info) == 0 {
		return nil
	}
	_, line, ok := strings.Cut(info[0], ":")
	if !ok {
		return nil
	}
	var out []string
	depth, quoted, start := 0, false, 0
	for i, r := range line {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case r == '(':
			depth++
		case r == ')':
			depth = max(depth-1, 0)
		case r == ',' && depth == 0:
			out = append(out, field(line[start:i]))
			start = i + 1
		}
	}
	return append(out, field(line[start:]))
}

func field(s string) string { return strings.Trim(strings.TrimSpace(s), `"`) }

// messageService: phase 2+ where offered, TPDUs, one memory, the service centre.
func (s *session) messageService(ctx context.Context) error {
	if _, err := s.dialogue.Command(ctx, "+CSMS=1", commandTimeout); err == nil {
		s.setup.acknowledge = true
	}
	if _, err := s.must(ctx, "+CMGF=0", commandTimeout); err != nil {
		return err
	}
	s.setup.memory = "ME"
	if offered := fields(s.try(ctx, "+CPMS=?", commandTimeout)); len(offered) > 0 && strings.Contains(offered[0], `"SM"`) {
		s.setup.memory = "SM"
	}
	mem := strconv.Quote(s.setup.memory)
	if _, err := s.must(ctx, "+CPMS="+mem+","+mem+","+mem, slowTimeout); err != nil {
		return err
	}
	s.readSMSC(ctx)
	return nil
}

func (s *session) readSMSC(ctx context.Context) {
	sca := fields(s.try(ctx, "+CSCA?", slowTimeout))
	s.m.learn(func(f *Facts) {
		if f.SMSC = ""; len(sca) > 0 {
			f.SMSC = sca[0]
		}
	})
}

// reception asks for messages and reports the surest way that the module
// offers: directly and acknowledged; else stored by it and announced.
func (s *session) reception(ctx context.Context) error {
	offers := fields(s.try(ctx, "+CNMI=?", commandTimeout))
	var choice [5]string
	for i, want := range [5][]int{
		{2, 1, 3, 0}, // mode: keep codes back while the link is busy
		{1, 2, 0},    // mt
		{0},          // bm: no cell broadcasts
		{2, 1, 0},    // ds
		{0, 1},       // bfr: deliver what was kept back
	} {
		if s.setup.acknowledge && i == 1 {
			want = []int{2, 1, 0}
		}
		if s.setup.acknowledge && i == 3 {
			want = []int{1, 2, 0}
		}
		offer := ""
		if i < len(offers) {
			offer = offers[i]
		}
		choice[i] = strconv.Itoa(choose(want, offer))
	}
	s.setup.cnmi = "+CNMI=" + strings.Join(choice[:], ",")
	if _, err := s.must(ctx, s.setup.cnmi, commandTimeout); err != nil {
		return err
	}
	s.m.learn(func(f *Facts) { f.Reception = s.setup.cnmi })
	return nil
}

// choose returns the first wish that an offer like "(0-2)" or "(0,1,3)" holds;
// the first where nothing is known of the offer.
func choose(want []int, offer string) int {
	var have []int
	for part := range strings.SplitSeq(strings.Trim(offer, "() "), ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.ParseUint(low, 10, 8)
		if err != nil {
			continue
		}
		b := a
		if isRange {
			if b, err = strconv.ParseUint(high, 10, 8); err != nil {
				continue
			}
		}
		for n := a; n <= b; n++ {
			have = append(have, int(n))
		}
	}
	for _, n := range want {
		if len(have) == 0 || slices.Contains(have, n) {
			return n
		}
	}
	return have[0]
}
