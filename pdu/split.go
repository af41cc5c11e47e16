package pdu

import (
	"errors"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf16"
)

// SplitOptions says how a text is to be cut. The zero value: alphabet chosen by
// the text, no class, 8-bit reference 0, up to 255 parts.
type SplitOptions struct {
	Alphabet  Alphabet // Octets: the text is data and goes as it stands
	Class     Class
	Header    []IE   // in every part, before the elements that Split adds
	Reference uint16 // of a concatenated message; its low octet unless Wide
	Wide      bool   // 16-bit reference
	MaxParts  int    // 1 to 255; 0: 255
}

// Segments is a text ready to be sent.
type Segments struct {
	DCS   DCS
	Parts []UserData // at least one; their Data is one piece of memory
}

// maxTotal is the most parts that a concatenation element can count.
const maxTotal = 255

// TooLongError is a text that takes more parts than are allowed.
type TooLongError struct{ Parts, Max int }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("the text takes %d parts, %d are allowed; shorten it", e.Parts, e.Max)
}

// Split encodes a text and cuts it into as few parts as hold it. A single part
// has no concatenation element of ours. No cut goes through an escaped character or a
// surrogate pair, and where it costs no further part none parts a CR from its
// LF or a character from what combines with it.
//
// The error is an [*AlphabetError] when the text has a character that the
// alphabet asked for lacks, or is no UTF-8 (U+FFFD itself may be sent); a
// [*TooLongError]; or about options that make no sense, such as a Header that
// leaves no room, or one with a concatenation element when it takes another.
func Split(text string, o SplitOptions) (Segments, error) {
	if o.MaxParts < 0 || o.MaxParts > maxTotal {
		return Segments{}, fmt.Errorf("at most %d parts; ask for 1 to %d", o.MaxParts, maxTotal)
	}
	alphabet, data, err := encode(text, o.Alphabet)
	if err != nil {
		return Segments{}, err
	}
	seg := Segments{DCS: TextDCS(alphabet, o.Class)}
	if len(data) <= room(alphabet, o.Header) {
		seg.Parts = []UserData{{Header: slices.Clone(o.Header), Data: data}}
		return seg, nil
	}
	seg.Parts, err = concatenate(alphabet, data, o)
	return seg, err
}

// encode returns the text in the alphabet asked for, and which one that is.
func encode(text string, want Alphabet) (Alphabet, []byte, error) {
	switch want {
	case GSM7:
		data, err := EncodeGSM7(text, Tables{})
		return GSM7, data, err
	case UCS2:
		data, err := encodeUCS2(text)
		return UCS2, data, err
	case Auto:
		if data, err := EncodeGSM7(text, Tables{}); err == nil {
			return GSM7, data, nil
		}
		return encode(text, UCS2)
	case Octets:
		return Octets, []byte(text), nil
	}
	return 0, nil, fmt.Errorf("there is no alphabet %d; ask for gsm7, ucs2, octets or auto", want)
}

// room returns how much Data a part can have besides its header.
func room(a Alphabet, header []IE) int {
	size := headerSize(header)
	switch a {
	case GSM7:
		return maxSeptets - headerSeptets(size)
	case UCS2:
		return (maxOctets - size) &^ 1
	}
	return maxOctets - size
}

// concatenate cuts data, which is longer than one part, into parts with a
// concatenation element.
func concatenate(a Alphabet, data []byte, o SplitOptions) ([]UserData, error) {
	if _, ok := (UserData{Header: o.Header}).Concat(); ok {
		return nil, errors.New("the text takes several parts, and the header has a concatenation element already; leave that out")
	}
	c := Concat{Reference: o.Reference, Bits: 8}
	if o.Wide {
		c.Bits = 16
	}
	k := cutter{data: data, alphabet: a, unit: unit(a), room: room(a, append(slices.Clip(o.Header), c.IE()))}
	if k.room < 2*k.unit {
		return nil, errors.New("the header leaves no room for text; shorten it")
	}
	total, limit := k.count(0), o.MaxParts
	if limit == 0 {
		limit = maxTotal
	}
	if total > limit {
		return nil, &TooLongError{Parts: total, Max: limit}
	}
	c.Total = byte(total)
	parts := make([]UserData, total)
	from := 0
	for i := range parts {
		c.Seq++
		end := k.cut(from, total-i)
		parts[i].Header = append(slices.Clip(o.Header), c.IE())
		parts[i].Data = data[from:end:end]
		from = end
	}
	return parts, nil
}

// unit returns how many octets of Data are the least that can be cut off.
func unit(a Alphabet) int {
	if a == UCS2 {
		return 2
	}
	return 1
}

// cutter finds where to cut data. Positions are octets of data.
type cutter struct {
	data     []byte
	alphabet Alphabet
	unit     int // 2 for UCS2, else 1
	room     int // of one part, at least two units
}

// cut returns the end of the part that starts at from, when so many parts are
// left for the rest.
func (k cutter) cut(from, left int) int {
	last := k.last(from)
	for at := last; at > from; at -= k.unit {
		if k.tears(at) || k.joined(at) {
			continue
		}
		if at == last || k.count(at) < left {
			return at
		}
		break
	}
	return last
}

// count returns how many parts the text from a position on takes at least.
func (k cutter) count(from int) int {
	n := 0
	for ; from < len(k.data); n++ {
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
	case at == len(k.data), k.alphabet == Octets:
		return false
	case k.alphabet == GSM7:
		return k.data[at-1] == escape
	}
	return k.data[at]&0xFC == 0xDC // a low surrogate, whose high one is before it
}

const zeroWidthJoiner = 0x200D

// joined reports whether a cut, which tears no character, parts two that belong
// together.
func (k cutter) joined(at int) bool {
	if at == len(k.data) || k.alphabet == Octets {
		return false
	}
	before, after := k.around(at)
	switch {
	case before == '\r':
		return after == '\n'
	case before == zeroWidthJoiner, after == zeroWidthJoiner:
		return true
	case 0x1F3FB <= after && after <= 0x1F3FF: // emoji modifiers
		return true
	}
	return unicode.Is(unicode.M, after)
}

// around returns the characters on both sides of a cut.
func (k cutter) around(at int) (before, after rune) {
	if k.alphabet == GSM7 {
		return unescaped[k.data[at-1]], unescaped[k.data[at]]
	}
	before, after = k.at(at-2), k.at(at)
	if utf16.IsSurrogate(before) {
		before = utf16.DecodeRune(k.at(at-4), before)
	}
	if utf16.IsSurrogate(after) {
		after = utf16.DecodeRune(after, k.at(at+2))
	}
	return before, after
}

// at returns the UTF-16 unit at a position.
func (k cutter) at(pos int) rune { return rune(k.data[pos])<<8 | rune(k.data[pos+1]) }
