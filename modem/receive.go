package modem

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cellpost/modem/at"
	"cellpost/pdu"
	"cellpost/sms"
)

// codes are the unsolicited result codes that may come at any time. Those with
// a line after them bring a TPDU.
var codes = func() []at.Code {
	c := []at.Code{{Prefix: "+CMT", Lines: 1}, {Prefix: "+CDS", Lines: 1}, {Prefix: "+CBM", Lines: 1}}
	for _, prefix := range []string{
		"+CMTI", "+CDSI", "+CREG", "+CGREG", "+CEREG", "+CUSD", "+CLIP", "+CRING", "+CGEV", "+CPIN",
		"+CTZV", "+CTZE", "+CIEV", "RING", "NO CARRIER", "RDY", "Call Ready", "SMS Ready", "SMS DONE", "PB DONE",
		"^RSSI", "^HCSQ", "^MODE", "^BOOT", "^SIMST", "^SRVST", "^DSFLOWRPT", "^SYSSTART", "^STIN",
		"+ZUSIMR", "+ZDONR", "+ZPASR", "+QIND", "+QUSIM", "NORMAL POWER DOWN", "UNDER-VOLTAGE WARNING",
	} {
		c = append(c, at.Code{Prefix: prefix})
	}
	return c
}()

// banners are said by a module that has just started, or goes off. "SMS Ready"
// is none: it can come long after the module answers.
var banners = [...]string{"RDY", "^SYSSTART", "NORMAL POWER DOWN"}

// unsolicited takes one code. What it asks of the module is left to followUp:
// the next code must not wait for a hand-over to end.
func (s *session) unsolicited(lines []string, rebooted func()) {
	code, _, _ := strings.Cut(lines[0], ":")
	switch code {
	case "+CMT", "+CDS":
		if len(lines) < 2 {
			s.m.log.Warn("code without its TPDU", "code", code)
			return
		}
		if s.keep(s.ctx, lines[1]) {
			s.later(s.acknowledge)
		}
	case "+CMTI", "+CDSI":
		f := fields(lines)
		if len(f) == 2 {
			s.later(func(ctx context.Context) { s.fetch(ctx, f[0], f[1]) })
		}
	case "+CREG", "+CGREG", "+CEREG":
		s.registered(lines[0])
	}
	for _, b := range banners {
		if strings.HasPrefix(lines[0], b) && s.up.Load() {
			rebooted()
		}
	}
}

func (s *session) later(f func(context.Context)) {
	select {
	case s.follow <- f:
	case <-s.ctx.Done():
	}
}

// keep stores a TPDU from the network. false: it is not stored, and must
// neither be acknowledged nor deleted.
func (s *session) keep(ctx context.Context, line string) bool {
	tpdu, err := cutSMSC(line)
	if err != nil {
		s.m.log.Warn("unreadable TPDU from the modem", "err", err)
		return false
	}
	ctx = context.WithoutCancel(ctx)
	now := time.Now()
	mti, err := pdu.MessageType(tpdu)
	switch {
	case err == nil && mti == pdu.MTIStatusReport:
		err = s.m.inbox.Report(ctx, sms.Report{SIM: s.m.cfg.SIM, Modem: s.m.cfg.Name, TPDU: tpdu, Received: now})
	case err == nil:
		in := sms.Inbound{SIM: s.m.cfg.SIM, Modem: s.m.cfg.Name, TPDU: tpdu, Received: now}
		if d, _, err := pdu.ParseDeliver(tpdu); err == nil {
			in.From, in.Text = d.Originator.String(), d.UserData.Text(d.DCS)
		}
		err = s.m.inbox.Receive(ctx, in)
	}
	if err != nil {
		s.m.log.Error("not stored, the network will bring it again", "err", err)
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

// acknowledge confirms the code that came last. A module that was kept waiting
// too long stops reporting (3GPP TS 27.005, 3.4.4), so it is told again how to.
func (s *session) acknowledge(ctx context.Context) {
	if !s.setup.acknowledge {
		return
	}
	_, err := s.dialogue.Command(ctx, "+CNMA", commandTimeout)
	switch {
	case err == nil:
	case stalls(err):
		s.owes.Store(true)
	default:
		s.try(ctx, s.setup.cnmi, commandTimeout)
	}
}

// acknowledgeOwed makes up for the acknowledgement that a stall has swallowed.
func (s *session) acknowledgeOwed(ctx context.Context) error {
	if s.owes.Swap(false) {
		s.try(ctx, "+CNMA", commandTimeout)
	}
	return nil
}

// fetch reads one stored message, keeps it, and deletes it.
func (s *session) fetch(ctx context.Context, memory, index string) {
	if memory != s.setup.memory {
		s.try(ctx, "+CPMS="+strconv.Quote(memory), slowTimeout)
		defer s.try(ctx, "+CPMS="+strconv.Quote(s.setup.memory), slowTimeout)
	}
	info, err := s.dialogue.Command(ctx, "+CMGR="+index, slowTimeout)
	if err != nil || len(info) < 2 {
		s.m.log.Warn("announced message could not be read", "memory", memory, "err", err)
		s.leave()
		return
	}
	s.keepAndDelete(ctx, info[1], index)
}

// keepAndDelete takes in a message of the module's memory.
func (s *session) keepAndDelete(ctx context.Context, line, index string) {
	if s.keep(ctx, line) {
		s.try(ctx, "+CMGD="+index, slowTimeout)
		return
	}
	s.leave()
}

// leave notes that something stayed in the module's memory.
func (s *session) leave() {
	s.mu.Lock()
	s.left = true
	s.mu.Unlock()
}

// sweepAgain takes in what could not be kept when it was announced.
func (s *session) sweepAgain() {
	s.mu.Lock()
	left := s.left
	s.left = false
	s.mu.Unlock()
	if !left {
		return
	}
	s.later(func(ctx context.Context) {
		if err := s.sweep(ctx); err != nil {
			s.m.log.Debug("sweep", "err", err)
		}
	})
}

// sweep takes in what the module stored while nobody listened.
func (s *session) sweep(ctx context.Context) error {
	info, err := s.dialogue.Command(ctx, "+CMGL=4", slowTimeout)
	if _, refused := errors.AsType[*at.CommandError](err); refused {
		return nil
	}
	if err != nil {
		return fmt.Errorf("AT+CMGL=4: %w", err)
	}
	for i := 0; i+1 < len(info); i++ {
		f := fields(info[i : i+1])
		if !strings.HasPrefix(info[i], "+CMGL:") || len(f) < 2 {
			continue
		}
		// Drafts and what a telephone has sent (2 and 3) are no business of ours.
		if f[1] == "0" || f[1] == "1" {
			s.keepAndDelete(ctx, info[i+1], f[0])
		}
	}
	return nil
}
