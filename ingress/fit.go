package ingress

import (
	"errors"
	"unicode/utf8"

	"cellpost/pdu"
	"cellpost/sms"
)

// fitMost is more than fits into [ConcatMax] parts, in octets of UTF-8: of what comes
// after it nothing is looked at.
const fitMost = 4 * 160 * ConcatMax

// Fit cuts a text of an account so that it goes into a number of parts, 1 to 35. It
// is cut at a blank if there is one near the end, and a mark says so: "..." where
// the parts are of GSM 7-bit, else an ellipsis. What cannot be split at all is
// left as it is, for [Gate.Submit] to refuse.
func Fit(a sms.Account, text string, parts int) (fitted string, cut bool) {
	parts = min(max(parts, 1), ConcatMax)
	if fits(a, text, parts) {
		return text, false
	}
	most := text[:min(len(text), fitMost)]
	for !utf8.ValidString(most) && len(most) > 0 && len(most) < len(text) {
		most = most[:len(most)-1]
	}
	ends := wordEnds(most)
	best := longest(a, most, ends, "...", parts)
	if s, err := pdu.Split(best, options(a, parts)); err == nil && s.DCS.Alphabet() == pdu.UCS2 {
		best = longest(a, most, ends, "\u2026", parts)
	}
	if best == "" {
		return text, false
	}
	return best, true
}

// longest is the longest beginning, with a mark, that fits; "" if none does. A longer
// beginning never takes fewer parts, as long as its alphabet does not change; where
// it does, what is found fits all the same.
func longest(a sms.Account, text string, ends []int, mark string, parts int) string {
	low, high := 0, len(ends) // ends[low-1] fits, ends[high] does not
	for low < high {
		mid := (low + high) / 2
		if fits(a, text[:ends[mid]]+mark, parts) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == 0 {
		return ""
	}
	return text[:ends[low-1]] + mark
}

// wordEnds are where a text may be cut: at the ends of words; in a word, or a script
// without blanks, after wordMost characters at each.
func wordEnds(text string) []int {
	const wordMost = 20 // a longer word is cut
	var ends []int
	run := 0
	for i, r := range text {
		if r == ' ' || r == '\n' {
			if run > 0 {
				ends = append(ends, i)
			}
			run = 0
			continue
		}
		if run++; run > wordMost {
			ends = append(ends, i)
		}
	}
	return ends
}

func fits(a sms.Account, text string, parts int) bool {
	if len(text) > fitMost {
		return false
	}
	_, err := pdu.Split(text, options(a, parts))
	_, long := errors.AsType[*pdu.TooLongError](err)
	return !long
}

// options are how an account has its texts split.
func options(a sms.Account, parts int) pdu.SplitOptions {
	o := pdu.SplitOptions{MaxParts: parts, Languages: a.Languages, Transliterate: a.NonGSM == "transliterate"}
	if a.NonGSM == "reject" {
		o.Alphabet = pdu.GSM7
	}
	return o
}
