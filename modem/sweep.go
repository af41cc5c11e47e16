package modem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cellpost/modem/at"
)

// Messages and reports that the module stores are taken in when it announces
// them, and when its memories are looked through: at the start, now and then,
// and when one is full.

// fetch reads one stored message, keeps it, and deletes it. where is what the code
// says: the memory and the index.
func (s *session) fetch(ctx context.Context, code string, where []string) {
	memory, n, ok := s.announced(code, where)
	if !ok {
		s.sweepNow(ctx)
		return
	}
	if err := s.read(ctx, memory); err != nil {
		s.informed(err)
		s.leave()
		return
	}
	_, tpdu, err := s.readIndex(ctx, n)
	if tpdu == nil {
		s.m.log.Warn("announced message could not be read", "memory", memory, "err", err)
		s.stalledBy(err)
		s.leave()
		return
	}
	if s.keepAndDelete(ctx, tpdu, n) == notKept {
		s.leave()
		return
	}
	s.tellTime(tpdu) // it has come just now
}

// announced reads where a message is; ok is false when the code does not say.
func (s *session) announced(code string, where []string) (memory string, index int, ok bool) {
	if len(where) != 2 {
		return "", 0, false
	}
	memory = where[0]
	if code == "+CDSI" && s.profile.ReportMemory != "" {
		memory = s.profile.ReportMemory
	}
	index, err := strconv.Atoi(where[1])
	return memory, index, memory != "" && err == nil && index >= s.profile.IndexBase
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

// readIndex reads one message and its status, once more where what came was not
// whole. There is none when the status is empty, and it cannot be read when only
// the TPDU is nil.
func (s *session) readIndex(ctx context.Context, index int) (stat string, tpdu []byte, err error) {
	var answer []string
	for range 2 {
		info, err := s.dialogue.Command(ctx, "+CMGR="+strconv.Itoa(index), cardTimeout)
		if _, refused := errors.AsType[*at.CommandError](err); refused {
			return "", nil, nil
		}
		if err != nil {
			return "", nil, fmt.Errorf("AT+CMGR=%d: %w", index, err)
		}
		i := slices.IndexFunc(info, func(line string) bool { return strings.HasPrefix(line, "+CMGR:") })
		if i < 0 || strings.HasSuffix(info[i], ",0") { // the place is empty
			return "", nil, nil
		}
		answer = info[i:]
		if tpdu = tpduIn(answer, true); tpdu != nil {
			return fields(answer)[0], tpdu, nil
		}
	}
	return fields(answer)[0], tpduIn(answer, false), nil
}

// tpduIn finds the TPDU in the answer for one message. Other lines may have come
// between: it is hexadecimal, and, in strict mode, as long as the first line says,
// which is not right in all modules. nil: it is not there. 3GPP TS 27.005, 4.2.
func tpduIn(answer []string, strict bool) []byte {
	head := fields(answer)
	for _, line := range answer[1:] {
		tpdu, err := cutSMSC(line)
		if err == nil && len(tpdu) > 0 && (!strict || strconv.Itoa(len(tpdu)) == head[len(head)-1]) {
			return tpdu
		}
	}
	return nil
}

// kept is what became of a stored message.
type kept int

const (
	notKept    kept = iota // it has to be taken in another time
	taken                  // it is stored here, and deleted there
	stuckThere             // it could not be deleted there, or cannot be read
)

// keepAndDelete takes in a message of the module's memory.
func (s *session) keepAndDelete(ctx context.Context, tpdu []byte, index int) kept {
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
	for _, entry := range entries(info) {
		f := fields(entry)
		if len(f) < 2 || !fromNetwork(f[1]) {
			continue
		}
		index, err := strconv.Atoi(f[0])
		if err != nil {
			continue
		}
		tpdu := tpduIn(entry, true)
		if tpdu == nil {
			if _, tpdu, err = s.readIndex(ctx, index); err != nil {
				return stuck, err
			}
		}
		if tpdu == nil {
			tpdu = tpduIn(entry, false)
		}
		stuck += s.sweepOne(ctx, tpdu, index)
	}
	return stuck, nil
}

// entries cuts the answer to AT+CMGL into those of the messages.
func entries(info []string) [][]string {
	var all [][]string
	for i, line := range info {
		if strings.HasPrefix(line, "+CMGL:") {
			all = append(all, info[i:i+1])
		} else if n := len(all); n > 0 {
			all[n-1] = all[n-1][:len(all[n-1])+1]
		}
	}
	return all
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

// sweepOne takes in a message; nil is one that cannot be read.
func (s *session) sweepOne(ctx context.Context, tpdu []byte, index int) (stuck int) {
	if tpdu == nil {
		s.m.log.Debug("message in the module cannot be read", "index", index)
		return 1
	}
	switch s.keepAndDelete(ctx, tpdu, index) {
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
		stat, tpdu, err := s.readIndex(ctx, index)
		if err != nil {
			return stuck, err
		}
		if stat == "" {
			continue
		}
		used--
		if fromNetwork(stat) {
			stuck += s.sweepOne(ctx, tpdu, index)
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
