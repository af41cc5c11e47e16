package sms

import (
	"regexp"
	"strings"
	"time"
)

// Retention is how long what is over is kept.
type Retention struct {
	Keep      int           // months from the end; 0: for ever
	Anonymise time.Duration // when numbers and texts are taken out, LiveFor at least; 0: never
}

// LiveFor is how long a message that is over stays where the scheduler decides:
// until then a report on it may come (the longest validity is seven days, then
// [ReportGrace]), and another message to its number may be taken for it by a
// service centre.
const LiveFor = 7*24*time.Hour + ReportGrace

// heldFor is how long an unknown outcome is kept for the operator.
const heldFor = 30 * 24 * time.Hour

// Over reports whether nothing more happens to a message, and nothing has
// happened to it lately. How long ago it was handed over is for the caller to
// look at: Updated may be of a clock that was wrong.
func (m Message) Over(now time.Time) bool {
	rest := LiveFor
	switch {
	case !m.Review.IsZero():
		return false
	case m.State == Unknown:
		rest = heldFor
	case !m.State.Final():
		return false
	}
	return !within(m.Updated, now, rest)
}

// within reports whether t is in the last d before now.
func within(t, now time.Time, d time.Duration) bool { return t.After(now.Add(-d)) && !t.After(now) }

// Bygone reports whether something that ended then has its numbers and texts no
// longer. What ended in the future ended by a wrong clock.
func (r Retention) Bygone(ended, now time.Time) bool {
	return r.Anonymise > 0 && !within(ended, now, r.Anonymise)
}

// Purged reports whether what ended in the month that begins then is not kept
// any more.
func (r Retention) Purged(month, now time.Time) bool {
	return r.Keep > 0 && !now.Before(month.AddDate(0, 1+r.Keep, 0))
}

// Anonymise takes out of a message, with its timeline, whom it went to and what
// it said. The last two digits of the number stay.
func (m *Message) Anonymise(timeline []Entry) {
	m.To, m.Text, m.Why = Number(MaskNumber(string(m.To))), "", Scrub(m.Why)
	m.Again.To = Number(MaskNumber(string(m.Again.To)))
	for i := range m.Parts {
		p := &m.Parts[i]
		p.TPDU = nil
		for j := range p.Attempts {
			o := &p.Attempts[j].Outcome
			o.Detail = Scrub(o.Detail)
		}
	}
	for i := range timeline {
		timeline[i].Detail = Scrub(timeline[i].Detail)
	}
}

// MaskNumber leaves the last two digits of a number: 447700900123 becomes *23. A
// name stays, and what is masked.
func MaskNumber(number string) string {
	if number == "" || strings.Trim(number, "+0123456789") != "" {
		return number
	}
	return "*" + number[max(0, len(number)-2):]
}

// longNumber is what may be a telephone number in words: E.164 has up to 15
// digits, and those of a subscriber are 7 at least.
var longNumber = regexp.MustCompile(`\+?\b[0-9]{7,}\b`)

// Scrub masks what may be a telephone number in words of ours, or of a modem.
func Scrub(words string) string { return longNumber.ReplaceAllStringFunc(words, MaskNumber) }
