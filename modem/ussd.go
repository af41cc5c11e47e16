package modem

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"cellpost/modem/at"
	"cellpost/modem/profile"
)

// USSDAnswer is what the network says to a USSD request, or unasked.
type USSDAnswer struct {
	Text string
	Open bool // the network waits for an answer to this: the next request is one
}

// ussdWait is how long an answer may take: networks give up sooner.
const ussdWait = time.Minute

// ussdSession holds the USSD requests of a session: one at a time, since the
// network keeps one dialogue per SIM.
type ussdSession struct {
	form profile.USSD
	note func(USSDAnswer) // gets what the network says unasked; must not block
	turn chan struct{}    // holds a token while no request is under way

	mu        sync.Mutex // guards what follows
	waiting   chan cusd  // not nil: a request waits for its answer
	open      bool       // the network waits for an answer
	cancelled time.Time  // when we ended the dialogue: the module may say so for cancelEcho
}

// cancelEcho is how long after AT+CUSD=2 a module may say that the dialogue has
// ended. Later it is the network that ended one.
const cancelEcho = 3 * time.Second

func newUSSDSession(form profile.USSD, note func(USSDAnswer)) *ussdSession {
	u := &ussdSession{form: form, note: note, turn: make(chan struct{}, 1)}
	u.turn <- struct{}{}
	return u
}

// request sends a code, or the answer to an open menu, and waits up to
// [ussdWait] for what the network says. The dialogue is free meanwhile: messages
// go out. ctx must end with the session. An error that stalls reports of is one
// of the dialogue; otherwise it says what to do.
func (u *ussdSession) request(ctx context.Context, d *at.Dialogue, code string) (USSDAnswer, error) {
	text, dcs, err := encodeUSSD(code, u.form)
	if err != nil {
		return USSDAnswer{}, fmt.Errorf("USSD code: %w", err)
	}
	select {
	case <-u.turn:
	case <-ctx.Done():
		return USSDAnswer{}, ctx.Err()
	}
	defer func() { u.turn <- struct{}{} }()
	if u.isOpen() && isServiceCode(code) {
		u.cancel(ctx, d) // else it would be taken for an answer to the menu
	}
	return u.exchange(ctx, d, fmt.Sprintf(`+CUSD=1,"%s",%d`, text, dcs))
}

// isServiceCode tells a new request from an answer to a menu. 3GPP TS 22.030,
// 6.5.2: it begins with * or # and ends with #.
func isServiceCode(code string) bool {
	return strings.HasSuffix(code, "#") && (code[0] == '*' || code[0] == '#')
}

// exchange sends the command and takes the answer: from among its lines, where
// the module brings it before OK, or later and unasked.
func (u *ussdSession) exchange(ctx context.Context, d *at.Dialogue, cmd string) (USSDAnswer, error) {
	heard := u.listen()
	defer u.unlisten()
	info, err := d.Command(ctx, cmd, cardTimeout) // messages wait meanwhile
	if err != nil {
		return USSDAnswer{}, fmt.Errorf("AT+CUSD: %w", err)
	}
	if lines := cusdLines(info); len(lines) > 0 {
		u.heard(lines)
	}
	late := time.NewTimer(ussdWait)
	defer late.Stop()
	select {
	case c := <-heard:
		return c.answer(u.form)
	case <-late.C:
		err = fmt.Errorf("the network gave no answer within %v: check the code, and try again later", ussdWait)
	case <-ctx.Done():
		err = ctx.Err()
	}
	u.cancel(ctx, d)
	return USSDAnswer{}, err
}

// cancel ends the dialogue with the network. Some modules refuse that when
// there is none, and some at all: then the network ends it in its own time.
func (u *ussdSession) cancel(ctx context.Context, d *at.Dialogue) {
	_, _ = d.Command(context.WithoutCancel(ctx), "+CUSD=2", commandTimeout)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.open, u.cancelled = false, time.Now()
}

func (u *ussdSession) isOpen() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.open
}

func (u *ussdSession) listen() <-chan cusd {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.waiting = make(chan cusd, 1)
	return u.waiting
}

func (u *ussdSession) unlisten() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.waiting = nil
}

// heard takes the lines of a +CUSD code. It answers the request that waits, or
// is noted. It never blocks.
func (u *ussdSession) heard(lines []string) {
	c, ok := parseCUSD(lines)
	if !ok {
		return
	}
	to, mine := u.receiver(c)
	if mine {
		return // no answer to the request after it
	}
	if to != nil {
		to <- c // has room
		return
	}
	if a, err := c.answer(u.form); err == nil && a.Text != "" {
		u.note(a)
	}
}

// receiver returns who waits for a code, nil for nobody, and whether the code is
// but the echo of our own cancel.
func (u *ussdSession) receiver(c cusd) (to chan<- cusd, mine bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	mine = time.Since(u.cancelled) < cancelEcho && c.m == 2 && c.text == ""
	u.cancelled = time.Time{}
	if mine {
		return nil, true
	}
	u.open = c.m == 1
	to = u.waiting
	u.waiting = nil // what comes after the answer is unasked
	return to, false
}

// cusd is a +CUSD code: <m>[,<str>,<dcs>]. 3GPP TS 27.007, 7.15.
type cusd struct {
	m    int
	text string // as the module gives it
	dcs  int
}

// answer is what a +CUSD code means.
func (c cusd) answer(form profile.USSD) (USSDAnswer, error) {
	a := USSDAnswer{Text: decodeUSSD(c.text, c.dcs, form), Open: c.m == 1}
	switch {
	case c.m <= 1, c.m == 2 && a.Text != "": // many networks give the balance with their good-bye
		return a, nil
	case c.m == 2:
		return a, errors.New("the network ended the USSD dialogue: dial the code again")
	case c.m == 3:
		return a, errors.New("another program took the USSD answer: stop what else uses this modem, ModemManager perhaps")
	case c.m == 4:
		return a, errors.New("the network or this modem does not support the USSD code: ask the operator for the right one")
	}
	return a, errors.New("the network did not answer the USSD code in time: try again")
}

const (
	cusdPrefix   = "+CUSD:"
	maxCUSDLines = 32 // of one code: a menu has ten entries, and 182 characters at most
)

// cusdTail is what follows the text: the closing quote, and perhaps the DCS.
var cusdTail = regexp.MustCompile(`"\s*(?:,\s*(\d{0,3})\s*)?$`)

// cusdWhole reports whether the lines of a +CUSD code are all there. Networks
// send texts of several lines, and modules pass the line breaks on. A quote at
// the end of a line, without a DCS, may be one of the text: they come in pairs.
func cusdWhole(lines []string) bool {
	all := strings.Join(lines, "\n")
	first := strings.IndexByte(all, '"')
	if first < 0 || len(lines) >= maxCUSDLines {
		return true
	}
	tail := cusdTail.FindStringSubmatchIndex(all[first+1:])
	return tail != nil && (tail[2] >= 0 || strings.Count(all, `"`)%2 == 0)
}

// cusdLines finds a +CUSD code among the lines of an answer; none: nil.
func cusdLines(info []string) []string {
	for i, line := range info {
		if !strings.HasPrefix(line, cusdPrefix) {
			continue
		}
		for n := i + 1; n < len(info); n++ {
			if cusdWhole(info[i:n]) {
				return info[i:n]
			}
		}
		return info[i:]
	}
	return nil
}

// parseCUSD reads a +CUSD code. The text may lack its quotes, or the last of
// them, may hold quotes of its own, and the DCS may be missing.
func parseCUSD(lines []string) (c cusd, ok bool) {
	body, ok := strings.CutPrefix(strings.Join(lines, "\n"), cusdPrefix)
	if !ok {
		return c, false
	}
	first, rest, _ := strings.Cut(body, ",")
	m, err := strconv.ParseUint(strings.TrimSpace(first), 10, 8)
	if err != nil {
		return c, false
	}
	c = cusd{m: int(m), dcs: dcsGSM}
	rest = strings.TrimLeft(rest, " ")
	quoted, inQuotes := strings.CutPrefix(rest, `"`)
	switch tail := cusdTail.FindStringSubmatchIndex(quoted); {
	case inQuotes && tail != nil:
		c.text = quoted[:tail[0]]
		if tail[2] >= 0 {
			c.dcs = dcsNumber(quoted[tail[2]:tail[3]])
		}
	case inQuotes:
		c.text = quoted
	default:
		c.text, c.dcs = cutDCS(rest)
	}
	return c, true
}

// cutDCS takes the DCS off the end of a text without quotes.
func cutDCS(s string) (text string, dcs int) {
	if i := strings.LastIndexByte(s, ','); i >= 0 {
		if n, err := strconv.ParseUint(strings.TrimSpace(s[i+1:]), 10, 8); err == nil {
			return strings.TrimSpace(s[:i]), int(n)
		}
	}
	return strings.TrimSpace(s), dcsGSM
}

// dcsNumber reads a DCS; one that there is not counts as missing.
func dcsNumber(s string) int {
	if n, err := strconv.ParseUint(s, 10, 8); err == nil {
		return int(n)
	}
	return dcsGSM
}
