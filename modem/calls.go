package modem

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"cellpost/modem/at"
)

// Call is an incoming call. Nobody takes it: who calls the number of a gateway
// wants to be known, at most.
type Call struct {
	From     string    // as the network gave it, + before a country code; empty: withheld, or not told
	At       time.Time // when it rang first
	Rings    int
	Rejected bool
}

const (
	maxCalls  = 20               // that are kept
	ringApart = 12 * time.Second // networks ring every 4 to 6 s; after two that are missing it is another call
	ringLate  = 3 * time.Second  // after the one before: a ring that was under way when we hung up
	missedIn  = 2 * time.Minute  // from the last ring to the line that says that nobody answered
	maxCaller = 32               // octets of a number that are kept; E.164 has 15 digits
)

// callLog is the list of the last calls. The zero value is ready.
type callLog struct {
	mu      sync.Mutex // guards what follows
	calls   []Call     // the last one is the newest
	last    time.Time  // the last ring
	ringing bool       // the newest has not ended
	due     bool       // its rejection has been asked for
}

// heard takes a line of the modem that may be about a call. It returns true once
// for each call, when as much is known of it as will be: now is the time to
// reject it, if that is wanted. The number comes after the first ring, or not at
// all.
func (l *callLog) heard(line string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	code, _, _ := strings.Cut(line, ":")
	switch code {
	case "RING", "+CRING":
		c := l.ring("", now)
		c.Rings++
		return l.isDue(c.Rings > 1)
	case "+CLIP":
		l.ring(caller(fields([]string{line})), now)
		return l.isDue(true)
	case "MISSED_CALL":
		l.missed(missedCaller.FindString(line), now)
	case "NO CARRIER", "VOICE CALL":
		l.ringing = l.ringing && strings.Contains(line, "BEGIN")
	}
	return false
}

// ring finds the call that rings, or begins one.
func (l *callLog) ring(from string, now time.Time) *Call {
	if l.ringing {
		c := &l.calls[len(l.calls)-1]
		most := ringApart
		if c.Rejected {
			most = ringLate // who calls again is rejected again
		}
		if now.Sub(l.last) <= most && sameCaller(c.From, from) {
			if c.From == "" {
				c.From = from
			}
			l.last = now
			return c
		}
	}
	return l.begin(from, now)
}

// sameCaller compares numbers as far as they were told. Some lines have the + of
// an international number, and others of the same call lack it.
func sameCaller(a, b string) bool {
	return a == "" || b == "" || strings.TrimPrefix(a, "+") == strings.TrimPrefix(b, "+")
}

func (l *callLog) begin(from string, now time.Time) *Call {
	if len(l.calls) == maxCalls {
		l.calls = slices.Delete(l.calls, 0, 1)
	}
	l.calls = append(l.calls, Call{From: from, At: now})
	l.last, l.ringing, l.due = now, true, false
	return &l.calls[len(l.calls)-1]
}

// missed takes a line that comes when the caller has given up. Some modules say
// nothing else.
func (l *callLog) missed(from string, now time.Time) {
	rang := len(l.calls) > 0 && now.Sub(l.last) <= missedIn
	if !rang || !sameCaller(l.calls[len(l.calls)-1].From, from) {
		l.begin(from, now)
	}
	if c := &l.calls[len(l.calls)-1]; c.From == "" {
		c.From = from
	}
	l.ringing = false
	l.last = time.Time{} // the next such line is about another call
}

func (l *callLog) isDue(known bool) bool {
	was := l.due
	l.due = was || known
	return l.due && !was
}

// list returns the calls, the newest first.
func (l *callLog) list() []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := slices.Clone(l.calls)
	slices.Reverse(calls)
	return calls
}

// reject hangs up, and marks the newest call. Modules without AT+CHUP know ATH.
func (l *callLog) reject(ctx context.Context, d *at.Dialogue) error {
	_, err := d.Command(ctx, "+CHUP", commandTimeout)
	if _, refused := errors.AsType[*at.CommandError](err); refused {
		_, err = d.Command(ctx, "H", commandTimeout)
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.calls); n > 0 {
		l.calls[n-1].Rejected = true
	}
	return nil
}

// missedCaller finds the number in "MISSED_CALL: 12:03AM 07700900123".
var missedCaller = regexp.MustCompile(`\+?[0-9]{3,15}$`)

// international is the type of an address with a country code.
// 3GPP TS 24.008, 10.5.4.7.
const international = "145"

// caller reads the number of +CLIP: <number>,<type>,... 3GPP TS 27.007, 7.6.
func caller(f []string) string {
	if len(f) == 0 || len(f[0]) > maxCaller || strings.Trim(f[0], "+*#0123456789") != "" {
		return ""
	}
	if len(f) > 1 && f[1] == international && f[0] != "" && f[0][0] != '+' {
		return "+" + f[0]
	}
	return f[0]
}
