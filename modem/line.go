package modem

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"cellpost/modem/at"
	"cellpost/pdu"
	"cellpost/sms"
)

// Line is a modem in service with its SIM: what can carry a message now. It
// lasts from one stall, loss of network or unplugging to the next.
type Line struct {
	s   *session
	sim string

	linked time.Time // until when the network keeps the radio link of the last message
}

// Name is the modem's name.
func (l *Line) Name() string { return l.s.m.cfg.Name }

// SIM is the name of its SIM in routes.
func (l *Line) SIM() string { return l.sim }

// linkKept is how long AT+CMMS=1 holds at least. 3GPP TS 27.005, 3.5.6: the
// link is closed 1 to 5 s after the last final result.
const linkKept = time.Second

// Submit hands one TPDU to the network, and returns within PromptTimeout plus
// ResultTimeout whatever the modem does, or up to ten seconds later where it has
// to be asked something first. ctx only keeps a hand-over from
// beginning; when the line has ended, Submit returns with it. One caller at a
// time.
func (l *Line) Submit(ctx context.Context, h sms.Handover) sms.Outcome {
	s := l.s
	if o, ok := s.awake(ctx); !ok {
		return o
	}
	if h.More && !s.profile.NoLink && time.Now().After(l.linked) {
		s.try(ctx, "+CMMS=1", commandTimeout) // a modem that lacks it sends all the same, slower
	}
	tpdu, err := s.named(ctx, h.TPDU)
	if err != nil {
		return sms.Outcome{Kind: sms.Refused, Cause: invalidPDU, Detail: err.Error()}
	}
	s.m.learn(func(f *Facts) { f.InSend = true })
	r := s.dialogue.Submit(ctx, "+CMGS="+strconv.Itoa(len(tpdu)), "00"+strings.ToUpper(hex.EncodeToString(tpdu)), at.Timeouts{
		Prompt: s.m.cfg.PromptTimeout, Result: s.m.cfg.ResultTimeout,
		Late: func(lines []string) { s.late(h.Attempt, lines) },
	})
	if l.linked = (time.Time{}); h.More && r.Err == nil {
		l.linked = time.Now().Add(linkKept)
	}
	o := outcome(r)
	if o.Kind == sms.Ambiguous && stalls(r.Err) {
		s.m.owe(h.Attempt)
	}
	s.ended(o, r.Err)
	if errors.Is(r.Err, at.ErrOutOfStep) || errors.Is(r.Err, at.ErrGone) {
		// The line is at its end: nothing more is to be tried on it.
		<-ctx.Done()
	}
	return o
}

// rested is how long a module may be silent before it is asked whether it is what
// it was: one that started anew unheard would take the TPDU for a text, and its
// length for a number.
const rested = 10 * time.Second

// awake asks a module that has rested. ok is false when it is not fit to send;
// then the message was not sent.
func (s *session) awake(ctx context.Context) (o sms.Outcome, ok bool) {
	if !s.hasRested() {
		return sms.Outcome{}, true
	}
	info, err := s.dialogue.Command(ctx, "+CMGF?", commandTimeout)
	if _, refused := errors.AsType[*at.CommandError](err); err != nil && !refused {
		o = sms.Outcome{Kind: sms.NotSent, Detail: err.Error()}
		s.ended(o, err)
		return o, false
	}
	if f := fields(info); len(f) > 0 && f[0] == textMode {
		s.end(errRebooted)
		return sms.Outcome{Kind: sms.NotSent, Detail: errRebooted.Error()}, false
	}
	return sms.Outcome{}, true
}

// textMode is the mode of messages that modules start in. 3GPP TS 27.005, 3.2.3.
const textMode = "1"

func (s *session) hasRested() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.lastHeard) > rested
}

// heardNow notes that the module was found as it should be.
func (s *session) heardNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastHeard = time.Now()
}

// stalls reports whether the dialogue is out of step, so that the session has
// to recover before anything else is sent.
func stalls(err error) bool {
	return errors.Is(err, at.ErrTimeout) || errors.Is(err, at.ErrOutOfStep) || errors.Is(err, at.ErrHung)
}

// outcome reads the end of an AT+CMGS dialogue.
func outcome(r at.Result) sms.Outcome {
	mr, named := reference(r.Info)
	refusal, refusedIt := errors.AsType[*at.CommandError](r.Err)
	switch {
	case r.Err == nil && !named:
		return sms.Outcome{Kind: sms.Accepted, NoMR: true, Detail: "accepted without a reference: a report cannot be matched"}
	case r.Err == nil:
		return sms.Outcome{Kind: sms.Accepted, MR: mr}
	case refusedIt:
		return refused(refusal)
	case named: // the network has it; only the OK is missing
		return sms.Outcome{Kind: sms.Accepted, MR: mr, Detail: "accepted, then " + r.Err.Error()}
	}
	if r.Written {
		return sms.Outcome{Kind: sms.Ambiguous, Detail: "handed over, then " + r.Err.Error()}
	}
	return sms.Outcome{Kind: sms.NotSent, Detail: r.Err.Error()}
}

// refused gives an error of the modem or the network its cause.
func refused(e *at.CommandError) sms.Outcome {
	o := sms.Outcome{Kind: sms.Refused, Detail: e.Error()}
	switch {
	case e.Set == "CMS" && e.Code >= 0:
		o.Cause = pdu.Cause{Set: pdu.CMS, Code: e.Code}
	case e.Set == "CME" && e.Code >= 0:
		o.Cause = pdu.Cause{Set: pdu.CME, Code: e.Code}
	default:
		return o
	}
	o.Detail = o.Cause.String()
	return o
}

// reference finds the TP-MR in the answer to AT+CMGS. Some modems split a
// message themselves and print several: the last one counts.
func reference(info []string) (mr byte, ok bool) {
	for _, line := range info {
		rest, found := strings.CutPrefix(line, "+CMGS:")
		if !found {
			continue
		}
		first, _, _ := strings.Cut(rest, ",")
		if n, err := strconv.ParseUint(strings.TrimSpace(first), 10, 8); err == nil {
			mr, ok = byte(n), true
		}
	}
	return mr, ok
}

// ended keeps the count, sends the session into recovery after a stall, and sees
// to what a refusal says about the modem.
func (s *session) ended(o sms.Outcome, err error) {
	// One that was out of step was not begun: the stall before it is counted.
	stalled := stalls(err)
	begun := !errors.Is(err, at.ErrOutOfStep)
	s.mu.Lock()
	s.lastSend, s.lastHeard = time.Now(), time.Now()
	if o.Kind == sms.Accepted {
		s.confused = nil
		s.smscRefused.Store(0)
	}
	s.mu.Unlock()
	s.m.learn(func(f *Facts) {
		f.InSend = false
		switch o.Kind {
		case sms.Accepted:
			f.Sent++
			f.LastSent = time.Now()
			f.Problem = ""
		case sms.Refused:
			f.Refused++
			f.Problem = o.Detail
		}
		if stalled {
			f.stall(o.Detail)
		}
	})
	if begun && s.m.count(s.slot, o, stalled) {
		poke(s.m.changed)
	}
	if o.Kind == sms.Refused {
		s.heed(o.Cause)
	}
}

// heed does what a refusal asks of the modem. What it asks of the message is for
// the rules.
func (s *session) heed(c pdu.Cause) {
	switch c.Class() {
	case pdu.CauseFull:
		s.later(s.sweepNow)
	case pdu.CauseSMSC:
		s.later(s.serviceCentreAgain)
	case pdu.CauseRadio:
		s.networkSoon()
	case pdu.CauseSIM:
		s.later(s.cardAgain)
	case pdu.CauseModem:
		s.confuse(time.Now())
	}
}

// informed takes the error of what only informs: nobody else hears of a stall
// until the next message.
func (s *session) informed(err error) {
	if err != nil {
		s.m.log.Debug("look at the modem", "err", err)
	}
	s.stalledBy(err)
}

// networkSoon has the network looked for between hand-overs. Codes may come by the
// dozen: one look that waits is for all of them.
func (s *session) networkSoon() {
	if !s.looks.Swap(true) {
		s.later(s.networkAgain)
	}
}

func (s *session) networkAgain(ctx context.Context) {
	s.looks.Store(false)
	s.informed(s.readNetwork(ctx))
}

// smscRest is how long a modem is out of service whose messages are refused for
// the service centre.
const smscRest = 10 * time.Minute

// serviceCentreAgain sets the service centre once more. A modem whose messages
// are refused for it all the same leaves service until it is another, or for
// [smscRest].
func (s *session) serviceCentreAgain(ctx context.Context) {
	before := s.m.Facts().SMSC
	s.serviceCentre(ctx)
	s.m.learn(func(f *Facts) { f.SMSCRefused = f.SMSC == before && s.smscRefused.Add(1) > 1 })
}

// cardAgain ends the session when the SIM is not what it was.
func (s *session) cardAgain(ctx context.Context) {
	err := s.sameCard(ctx)
	if errors.Is(err, errCardLost) {
		s.end(err)
	}
	s.informed(err)
}

// The module is brought up anew when it refuses so many messages in a row for
// reasons of its own within so long.
const (
	confusedMost   = 3
	confusedWithin = 10 * time.Minute
)

// confuse takes note of a refusal that is the module's own.
func (s *session) confuse(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confused = slices.DeleteFunc(append(s.confused, now), func(t time.Time) bool { return now.Sub(t) > confusedWithin })
	if len(s.confused) >= confusedMost {
		s.end(errConfused)
	}
}

// owe notes the attempt whose result a module that is busy with it may tell when
// its port has been opened anew.
func (m *Modem) owe(attempt int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owed = attempt
}

// owed returns what takes the result that the module owes from an earlier
// session; nil where it owes none. One that started anew has forgotten it.
func (s *session) owed() func(lines []string) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.fresh {
		s.m.owed = 0
	}
	attempt := s.m.owed
	if attempt == 0 {
		return nil
	}
	return func(lines []string) { s.late(attempt, lines) }
}

// late takes the lines that a hand-over brought after its deadline.
func (s *session) late(attempt int64, lines []string) {
	o, ok := lateOutcome(lines)
	if !ok {
		return
	}
	s.m.log.Info("late result", "attempt", attempt, "outcome", o.Kind)
	if err := s.m.inbox.Late(context.WithoutCancel(s.ctx), attempt, o); err != nil {
		s.m.log.Error("late result not recorded", "attempt", attempt, "err", err)
	}
}

// lateOutcome reads a late result: only a +CMGS line or an error of the message
// service says anything about the message.
func lateOutcome(lines []string) (sms.Outcome, bool) {
	if mr, ok := reference(lines); ok {
		return sms.Outcome{Kind: sms.Accepted, MR: mr, Detail: "result came late"}, true
	}
	err := at.Final(lines[len(lines)-1])
	if refusal, ok := errors.AsType[*at.CommandError](err); ok && refusal.Set == "CMS" {
		return refused(refusal), true
	}
	return sms.Outcome{}, false
}
