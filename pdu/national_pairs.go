package pdu

import (
	"cmp"
	"slices"
)

// national returns the text in the best of the pairs, which are in the order of
// what they can give at best; ok is false when none takes fewer parts than under.
func (o SplitOptions) national(text string, pairs []pair, under int) (best form, ok bool) {
	var chosen pair
	for _, p := range pairs {
		if p.least >= under || ok && (p.least > best.parts || p.least == best.parts && p.rank(chosen) > 0) {
			break
		}
		f, err := form{parts: p.least}, error(nil)
		if p.least <= o.limit() { // else it is refused in any case
			f, err = o.gsm7(text, p.Tables)
		}
		if err == nil && f.parts < under && (!ok || f.parts < best.parts || f.parts == best.parts && p.rank(chosen) < 0) {
			best, chosen, ok = f, p, true
		}
	}
	return best, ok
}

// pair is a locking and a single shift table that together hold a text.
type pair struct {
	Tables
	septets int
	least   int // parts; where escapes fall badly it takes more
}

// rank compares two pairs that give as many parts, by what [Split] prefers.
func (p pair) rank(q pair) int {
	return cmp.Or(
		cmp.Compare(len(p.elements()), len(q.elements())),
		cmp.Compare(min(p.Locking, 1), min(q.Locking, 1)),
		cmp.Compare(p.languages(), q.languages()),
		cmp.Compare(p.septets, q.septets),
	)
}

func (p pair) languages() int {
	if p.Locking == NoLanguage || p.Single == NoLanguage || p.Locking == p.Single {
		return 1
	}
	return 2
}

// repertoire tells which tables have a character: bit l the locking, bit
// singleBit+l the single shift table of language l. The bits of NoLanguage are
// those of the tables that stand by themselves.
type repertoire [slots]uint32

const singleBit = 16

func newRepertoire(t Tables, languages []Language) *repertoire {
	known := new(repertoire)
	known.add(t.Locking.locking(), 0)
	known.add(t.Single.single(), singleBit)
	for _, l := range languages {
		if l.hasLocking() {
			known.add(l.locking(), int(l))
		}
		known.add(l.single(), singleBit+int(l))
	}
	return known
}

func (known *repertoire) add(table string, bit int) {
	for _, r := range entries(table) {
		known[slot(r)] |= 1 << bit
	}
}

func (known *repertoire) has(r rune) bool { return known[slot(r)] != 0 }

// pairs returns the pairs of the languages' tables that hold the text, the most
// promising first. However many pairs there are (182 for all languages), the
// text is read once; what is counted then are its characters that the same
// tables have.
func (known *repertoire) pairs(text string, languages []Language, o SplitOptions) []pair {
	census := make(map[uint32]int)
	for _, r := range text {
		census[known[slot(r)]]++
	}
	var pairs []pair
	all := append([]Language{NoLanguage}, languages...)
	for _, locking := range all {
		for _, single := range all {
			p := pair{Tables: Tables{Locking: locking, Single: single}}
			if p.Tables != (Tables{}) && p.check() == nil && p.measure(census, o) {
				pairs = append(pairs, p)
			}
		}
	}
	slices.SortStableFunc(pairs, func(p, q pair) int {
		return cmp.Or(cmp.Compare(p.least, q.least), p.rank(q))
	})
	return pairs
}

// measure counts what a text takes with the pair; false when it does not hold
// the text, or the header leaves no room for it.
func (p *pair) measure(census map[uint32]int, o SplitOptions) bool {
	for tables, n := range census {
		switch {
		case tables&(1<<p.Locking) != 0:
			p.septets += n
		case tables&(1<<(singleBit+p.Single)) != 0:
			p.septets += 2 * n
		default:
			return false
		}
	}
	header := append(slices.Clip(o.Header), p.elements()...)
	if p.septets <= room(GSM7, header) {
		p.least = 1
		return true
	}
	several := room(GSM7, append(header, o.concat().IE()))
	if several <= 0 {
		return false
	}
	p.least = (p.septets + several - 1) / several
	return true
}
