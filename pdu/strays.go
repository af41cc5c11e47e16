package pdu

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// maxStrays is how many different characters are listed: enough to name them
// all to a person, and a bound for texts of another script.
const maxStrays = 16

// Stray is a character of a text that an alphabet lacks.
type Stray struct {
	Rune   rune // -1: octets that are no UTF-8
	Offset int  // of the first one, octets into the text
	Count  int  // of all of them
}

// Strays returns the characters because of which [Split] takes UCS2 for a text:
// those that none of the tables allowed has, and that Transliterate, if asked
// for, cannot replace. Where there are none of these, and UCS2 just takes no more
// parts or no pair of tables has all, it returns those that the default alphabet
// (or Tables) lacks. Each comes once, in the order in which they first come up,
// 16 at most. Tables that there are not count as the default.
func (o SplitOptions) Strays(text string) []Stray {
	t, err := o.tables()
	var languages []Language
	if err == nil {
		languages, _ = o.languages(t)
	}
	known := newRepertoire(t, languages)
	has := known.has
	if o.Transliterate {
		has = func(r rune) bool {
			w := transliterator{has: known.has}
			return w.replace(r)
		}
	}
	if strays := straysOf(text, has); len(strays) > 0 {
		return strays
	}
	return straysOf(text, newRepertoire(t, nil).has)
}

func straysOf(text string, has func(rune) bool) []Stray {
	var strays []Stray
	for i, r := range text {
		if has(r) {
			continue
		}
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			r = -1
		}
		at := slices.IndexFunc(strays, func(s Stray) bool { return s.Rune == r })
		switch {
		case at >= 0:
			strays[at].Count++
		case len(strays) < maxStrays:
			strays = append(strays, Stray{Rune: r, Offset: i, Count: 1})
		}
	}
	return strays
}
