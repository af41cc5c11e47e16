package pdu

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// cutter finds where to cut data into parts. Positions are octets of data.
type cutter struct {
	data     []byte
	alphabet Alphabet
	national bool // GSM7 with national tables
	unit     int  // octets of data that are the least to cut off: 2 for UCS2, else 1
	room     int  // of one part, at least two units
}

func (f form) cutter() cutter {
	national := UserData{Header: f.header}.Tables() != Tables{}
	return cutter{data: f.data, alphabet: f.alphabet, national: national, unit: unit(f.alphabet), room: f.room}
}

func unit(a Alphabet) int {
	if a == UCS2 {
		return 2
	}
	return 1
}

// count returns how many parts the data takes at least.
func (k cutter) count() int {
	n := 0
	for from := 0; from < len(k.data); n++ {
		from = k.last(from)
	}
	return n
}

// last returns the latest end of the part that starts at from.
func (k cutter) last(from int) int {
	end := min(from+k.room, len(k.data))
	if k.tears(end) {
		end -= k.unit
	}
	return end
}

// tears reports whether a cut goes through a character.
func (k cutter) tears(at int) bool {
	switch {
	case at == 0, at == len(k.data), k.alphabet == Octets:
		return false
	case k.alphabet == GSM7:
		return k.data[at-1] == escape
	}
	return k.data[at]&0xFC == 0xDC // a low surrogate, whose high one is before it
}

// ends returns where the parts end, of which count says how many there are. The
// data is that of the text. Each part is as full as can be, unless that tears
// clusters which other ends leave whole: to look for those costs most texts
// nothing.
func (k cutter) ends(text string, parts int) []int {
	ends := make([]int, 0, parts)
	whole := true
	for from := 0; from < len(k.data); {
		from = k.last(from)
		whole = whole && k.apart(from)
		ends = append(ends, from)
	}
	if !whole {
		k.spare(ends, k.insides(text))
	}
	return ends
}

// never is the cost of an end that cannot be.
const never = math.MaxInt / 2

// spare moves ends, each of which is the latest that can be, so that as few as
// can be are inside of a cluster; and of several ways to do that so that the
// first parts are the fullest. No part has more than 160 ends to choose from,
// so the work is bounded by their squares.
func (k cutter) spare(ends []int, inside []bool) {
	first := k.earliest(ends)
	// costs[i][j] is how many clusters are torn by part i and those after it when
	// it ends at first[i] + j units.
	costs := make([][]int, len(ends))
	next := func(i, from int) (end, cost int) {
		end, cost = ends[i], never
		for j, c := range costs[i] {
			if at := first[i] + j*k.unit; from < at && at <= k.last(from) && c <= cost {
				end, cost = at, c
			}
		}
		return end, cost
	}
	for i := len(ends) - 1; i >= 0; i-- {
		costs[i] = make([]int, (ends[i]-first[i])/k.unit+1)
		for j := range costs[i] {
			at := first[i] + j*k.unit
			switch {
			case k.tears(at):
				costs[i][j] = never
				continue
			case inside[at/k.unit]:
				costs[i][j] = 1
			}
			if i+1 < len(ends) {
				_, after := next(i+1, at)
				costs[i][j] += after
			}
		}
	}
	from := 0
	for i := range ends {
		ends[i], _ = next(i, from)
		from = ends[i]
	}
}

// earliest returns the earliest end of each part with which the rest still fits
// into the parts after it.
func (k cutter) earliest(ends []int) []int {
	first := make([]int, len(ends))
	end := len(k.data)
	for i := len(ends) - 1; i >= 0; i-- {
		first[i] = end
		for end = max(0, end-k.room); k.tears(end) || k.last(end) < first[i]; {
			end += k.unit
		}
	}
	return first
}

// apart reports whether the characters around a position are such that they are
// never of one cluster; false leaves it open.
func (k cutter) apart(at int) bool {
	switch {
	case at == len(k.data), k.alphabet == Octets:
		return true
	case k.alphabet == GSM7:
		return !k.national && (k.data[at-1] != '\r' || k.data[at] != '\n')
	}
	before, after := rune(binary.BigEndian.Uint16(k.data[at-2:])), rune(binary.BigEndian.Uint16(k.data[at:]))
	return parted(before, after)
}

// insides tells of every position, in units, whether it is inside of a cluster
// of the text.
func (k cutter) insides(text string) []bool {
	inside := make([]bool, len(k.data)/k.unit+1)
	for at := 0; text != ""; {
		n := cluster(text)
		for i := range text[:n] {
			inside[at/k.unit] = i > 0
			at += k.size(at)
		}
		text = text[n:]
	}
	return inside
}

// size returns how many octets of data the character at a position takes.
func (k cutter) size(at int) int {
	if k.alphabet == GSM7 && k.data[at] == escape || k.alphabet == UCS2 && k.data[at]&0xFC == 0xD8 {
		return 2 * k.unit
	}
	return k.unit
}

// cluster returns how many octets of a text its first grapheme cluster takes.
// For a letter before a letter, of most texts all, it need not be looked up.
func cluster(text string) int {
	r, size := utf8.DecodeRuneInString(text)
	if size == len(text) {
		return size
	}
	next, _ := utf8.DecodeRuneInString(text[size:])
	if parted(r, next) {
		return size
	}
	first, _, _, _ := uniseg.FirstGraphemeClusterInString(text, -1)
	return len(first)
}

// parted reports whether two characters, one after the other, are such that
// they are never of one cluster.
func parted(before, after rune) bool {
	return alone(before) && alone(after) && !(before == '\r' && after == '\n')
}

// alone reports whether a character is of the Latin, Greek or Cyrillic ones that
// never join, but for CR and LF.
func alone(r rune) bool { return r < 0x300 || 0x370 <= r && r < 0x483 }
