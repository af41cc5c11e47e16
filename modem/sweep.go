package modem

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cellpost/modem/at"
)

// Messages and reports that the module stores are taken in when it announces
// them, and when its memories are looked through: at the start, now and then,
// and when one is full.

// fetch reads one stored message, keeps it, and deletes it.
func (s *session) fetch(ctx context.Context, code, memory, index string) {
	if code == "+CDSI" && s.profile.ReportMemory != "" {
		memory = s.profile.ReportMemory
	}
	n, err := strconv.Atoi(index)
	if memory == "" || err != nil || n < s.profile.IndexBase {
		s.sweepNow(ctx) // it does not say where
		return
	}
	if err := s.read(ctx, memory); err != nil {
		s.informed(err)
		s.leave()
		return
	}
	line, err := s.readIndex(ctx, n)
	if err != nil || line == "" {
		s.m.log.Warn("announced message could not be read", "memory", memory, "err", err)
		s.stalledBy(err)
		s.leave()
		return
	}
	if s.keepAndDelete(ctx, line, n) == notKept {
		s.leave()
		return
	}
	if tpdu, err := cutSMSC(line); err == nil {
		s.tellTime(tpdu) // it has come just now
	}
}

// read makes a memory the one that is read.
func (s *session) read(ctx context.Context, memory string) error {
	if s.setup.reading == memory {
		return nil
	}
	if _, err := s.must(ctx, "+CPMS="+strconv.Quote(memory), cardTimeout); err != nil {
		return err
	}
	s.setup.reading = memory
	return nil
}

// readIndex reads one message; it is empty when there is none.
func (s *session) readIndex(ctx context.Context, index int) (string, error) {
	info, err := s.dialogue.Command(ctx, "+CMGR="+strconv.Itoa(index), cardTimeout)
	if _, refused := errors.AsType[*at.CommandError](err); refused || err == nil && len(info) < 2 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("AT+CMGR=%d: %w", index, err)
	}
	return info[1], nil
}

// kept is what became of a stored message.
type kept int

const (
	notKept    kept = iota // it has to be taken in another time
	taken                  // it is stored here, and deleted there
	stuckThere             // it could not be deleted there, or cannot be read
)

// keepAndDelete takes in a message of the module's memory.
func (s *session) keepAndDelete(ctx context.Context, line string, index int) kept {
	tpdu, err := cutSMSC(line)
	if err != nil {
		s.m.log.Debug("message in the module cannot be read", "index", index, "err", err)
		return stuckThere
	}
	if !s.keep(tpdu) {
		return notKept
	}
	if _, err := s.dialogue.Command(ctx, "+CMGD="+strconv.Itoa(index), cardTimeout); err != nil {
		s.m.log.Debug("message not deleted from the module", "index", index, "err", err)
		s.stalledBy(err)
		return stuckThere
	}
	return taken
}

// leave notes that something stayed in the module's memory.
func (s *session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = time.Now()
}

// ackMost is how long modules wait for an acknowledgement, at most.
const ackMost = 30 * time.Second

// sweepLeft takes in what could not be kept when it was announced. It does so
// until the module has waited in vain, for then it has to be told anew to announce.
func (s *session) sweepLeft() {
	s.mu.Lock()
	left := !s.left.IsZero()
	if time.Since(s.left) > ackMost {
		s.left = time.Time{}
	}
	s.mu.Unlock()
	if left {
		s.later(s.announceAgain)
		s.later(s.sweepNow)
	}
}

// sweepNow looks through the memories between hand-overs.
func (s *session) sweepNow(ctx context.Context) { s.informed(s.sweep(ctx)) }

// sweep takes in what the module stored while nobody listened, and learns
// whether there is room for more. An error means that the dialogue is out of step.
func (s *session) sweep(ctx context.Context) error {
	stuck, full := 0, ""
	for _, memory := range s.setup.sweep {
		if err := s.read(ctx, memory); stalls(err) {
			return err
		} else if err != nil {
			continue // offered, and not there
		}
		left, err := s.sweepMemory(ctx)
		if err != nil {
			return err
		}
		if stuck += left; left > 0 || memory == s.setup.memory {
			if used, total := s.usage(ctx); total > 0 && used >= total {
				full = fmt.Sprintf("%s %d/%d", memory, used, total)
			}
		}
	}
	if err := s.read(ctx, s.setup.memory); stalls(err) {
		return err
	}
	if before := s.m.Facts().Stuck; stuck > before {
		s.m.log.Warn("messages stay in the module: they cannot be deleted, or not be read", "messages", stuck)
	}
	s.m.learn(func(f *Facts) { f.Stuck, f.Memory = stuck, full })
	return nil
}

// sweepMemory takes in what the memory holds that is being read, and returns how
// many messages stay there for good.
func (s *session) sweepMemory(ctx context.Context) (stuck int, err error) {
	if s.profile.ListEach || s.m.shunned("+CMGL") {
		return s.sweepEach(ctx)
	}
	info, err := s.dialogue.Command(ctx, "+CMGL=4", listTimeout(s.usage(ctx)))
	s.m.blame("+CMGL", err, deafMost)
	if _, refused := errors.AsType[*at.CommandError](err); refused {
		return s.sweepEach(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("AT+CMGL=4: %w", err)
	}
	for i := 0; i+1 < len(info); i++ {
		f := fields(info[i : i+1])
		if !strings.HasPrefix(info[i], "+CMGL:") || len(f) < 2 {
			continue
		}
		index, err := strconv.Atoi(f[0])
		if err == nil && fromNetwork(f[1]) {
			stuck += s.sweepOne(ctx, info[i+1], index)
		}
	}
	return stuck, nil
}

// listEach is how long a slow module takes to list one message.
const listEach = 500 * time.Millisecond

// listTimeout is for an answer to AT+CMGL: a module that hangs from it, or lost
// it, is not waited for longer than what it holds makes plausible.
func listTimeout(used, total int) time.Duration {
	if total == 0 {
		return slowTimeout
	}
	return min(commandTimeout+time.Duration(used)*listEach, slowTimeout)
}

// fromNetwork tells what was received (0 and 1) from drafts and what a telephone
// has sent (2 and 3), which are no business of ours.
func fromNetwork(stat string) bool { return stat == "0" || stat == "1" }

func (s *session) sweepOne(ctx context.Context, line string, index int) (stuck int) {
	switch s.keepAndDelete(ctx, line, index) {
	case notKept:
		s.leave()
	case stuckThere:
		return 1
	}
	return 0
}

// sweepEach reads a memory index by index, until all that it is said to hold was
// found.
func (s *session) sweepEach(ctx context.Context) (stuck int, err error) {
	used, total := s.usage(ctx)
	for index := s.profile.IndexBase; used > 0 && index < s.profile.IndexBase+total; index++ {
		info, err := s.dialogue.Command(ctx, "+CMGR="+strconv.Itoa(index), cardTimeout)
		if stalls(err) {
			return stuck, fmt.Errorf("AT+CMGR=%d: %w", index, err)
		}
		if err != nil || len(info) < 2 {
			continue
		}
		used--
		if f := fields(info[:1]); len(f) > 0 && fromNetwork(f[0]) {
			stuck += s.sweepOne(ctx, info[1], index)
		}
	}
	return stuck, nil
}

// usage is how many messages the memory that is being read holds, and how many
// it has room for; zeroes where the module does not tell.
func (s *session) usage(ctx context.Context) (used, total int) {
	info, _ := s.dialogue.Command(ctx, "+CPMS?", cardTimeout)
	f := fields(info)
	if len(f) < 3 {
		return 0, 0
	}
	used, _ = strconv.Atoi(f[1])
	total, _ = strconv.Atoi(f[2])
	return used, min(total, memoryMost)
}

// memoryMost is more than any module has room for.
const memoryMost = 1000
