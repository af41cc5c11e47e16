package pdu

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Fragment is one part of a concatenated message that a SIM received.
type Fragment struct {
	SIM        string // whichever name the receiver has for it
	Originator Address
	Concat     Concat
	DCS        DCS
	UserData   UserData
	Sent       time.Time // its TP-SCTS; zero when that is no date
	At         time.Time // when it was received; zero when nobody knows
}

// FragmentKey is what the parts of one message have in common. 3GPP TS 23.040,
// 9.2.3.24.1: originator, reference and total; and our SIM, because a reference
// counts what was sent to one recipient.
type FragmentKey struct {
	SIM        string
	Originator Address
	Bits       int // 8-bit and 16-bit references are counted apart
	Reference  uint16
	Total      byte
}

// Fragment returns the message as a part; ok is false when it is none.
func (d Deliver) Fragment(sim string, at time.Time) (f Fragment, ok bool) {
	c, ok := d.UserData.Concat()
	return Fragment{SIM: sim, Originator: d.Originator, Concat: c, DCS: d.DCS, UserData: d.UserData, Sent: d.Time, At: at}, ok
}

// Key returns what the other parts of the message have too.
func (f Fragment) Key() FragmentKey {
	return FragmentKey{SIM: f.SIM, Originator: f.Originator, Bits: f.Concat.Bits, Reference: f.Concat.Reference, Total: f.Concat.Total}
}

// Fit is how a part goes with those that were kept.
type Fit int

// Fits.
const (
	FitWaits     Fit = iota // keep it: others are still missing
	FitCompletes            // keep it: now the message is whole
	FitDuplicate            // it is kept already: drop it
	FitOther                // it begins another message with the same key: those kept get no more parts
)

// Fit says how a part goes with the ones that are kept under its key. A
// reference comes round again sooner or later, after 256 messages or with each:
// so a part is of another message when its number is taken by something else,
// when it comes later than timeout after the newest that is kept, or when those
// kept are whole and it was sent at another time. A part that is still awaited
// may come twice with two times: senders repeat what they are not sure of.
func (f Fragment) Fit(kept []Fragment, timeout time.Duration) Fit {
	var newest time.Time
	var same *Fragment
	distinct := make(map[byte]bool)
	for i, k := range kept {
		distinct[k.Concat.Seq] = true
		if k.At.After(newest) {
			newest = k.At
		}
		if k.Concat.Seq == f.Concat.Seq {
			same = &kept[i]
		}
	}
	whole := len(distinct) == int(f.Concat.Total)
	switch {
	case !f.At.IsZero() && !newest.IsZero() && f.At.Sub(newest) > timeout:
		return FitOther
	case same != nil && !f.repeats(*same, whole):
		return FitOther
	case same != nil:
		return FitDuplicate
	case len(distinct)+1 == int(f.Concat.Total):
		return FitCompletes
	}
	return FitWaits
}

// repeats reports whether the part is the kept one once more.
func (f Fragment) repeats(kept Fragment, whole bool) bool {
	if whole && !f.Sent.IsZero() && !kept.Sent.IsZero() && !f.Sent.Equal(kept.Sent) {
		return false
	}
	return f.DCS == kept.DCS && bytes.Equal(f.UserData.Data, kept.UserData.Data)
}

// Joined is a message put together from its parts.
type Joined struct {
	DCS     DCS    // of the first part there is
	Header  []IE   // of the same, without its concatenation elements
	Text    string // "[part 2 of 3 is missing]" stands where one is
	Data    []byte // of 8-bit messages, without the missing parts
	Missing []byte // numbers of the missing parts
}

// Join puts parts with one key together, in whatever order they came; of two
// with the same number the first counts. A character that the sender tore in
// two, by cutting through an escape or a surrogate pair, becomes whole. Join of
// nothing is the zero Joined.
func Join(parts []Fragment) Joined {
	if len(parts) == 0 {
		return Joined{}
	}
	bySeq := make([]*Fragment, int(parts[0].Concat.Total)+1)
	for i := range parts {
		if p := &parts[i]; int(p.Concat.Seq) < len(bySeq) && bySeq[p.Concat.Seq] == nil {
			bySeq[p.Concat.Seq] = p
		}
	}
	var j Joined
	var text strings.Builder
	var run UserData // what is to be read in one: the same alphabet and tables, no gap
	var runDCS DCS
	read := func() {
		text.WriteString(run.Text(runDCS))
		run = UserData{}
	}
	first := true
	for seq, p := range bySeq[1:] {
		if p == nil {
			read()
			fmt.Fprintf(&text, "[part %d of %d is missing]", seq+1, len(bySeq)-1)
			j.Missing = append(j.Missing, byte(seq+1))
			continue
		}
		if first {
			j.DCS, j.Header, first = p.DCS, p.UserData.withoutConcat(), false
		}
		if p.DCS.Alphabet() != runDCS.Alphabet() || p.UserData.Tables() != run.Tables() {
			read()
		}
		run.Header, runDCS = p.UserData.Header, p.DCS
		run.Data = append(run.Data, p.UserData.Data...)
		if p.DCS.Alphabet() == Octets {
			j.Data = append(j.Data, p.UserData.Data...)
		}
	}
	read()
	j.Text = text.String()
	return j
}

// withoutConcat returns the header without its concatenation elements.
func (u UserData) withoutConcat() []IE {
	return slices.DeleteFunc(slices.Clone(u.Header), func(ie IE) bool {
		_, is := ie.concat()
		return is
	})
}
