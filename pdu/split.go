package pdu

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
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

	// Tables are the national tables that GSM7 is to be written in, where
	// Alphabet is GSM7 or Auto. Split adds the elements that call for them,
	// after Header. A Header that has such elements gives the tables itself;
	// Tables is then empty or the same.
	Tables Tables

	// Languages are those whose national tables may be taken where Alphabet is
	// GSM7 or Auto, and neither Tables nor Header names any. See [Split].
	Languages []Language

	// Transliterate replaces what cannot be written in GSM7 by what can, as
	// [Transliterate] does, where Alphabet is GSM7 or Auto. What a table of
	// Languages holds is left alone. Where a character remains that has no
	// replacement, nothing is replaced.
	Transliterate bool
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
// has no concatenation element of ours. No cut goes through an escaped character
// or a surrogate pair, and as few as can be without a further part go through a
// grapheme cluster, which is what people take for one character (Unicode 15.0,
// UAX #29): a letter with its marks, a flag, a family of emoji, CR with LF.
//
// Auto, or GSM7 with Languages, takes the form of fewest parts. Of those that
// take as many, it is the first of
//
//  1. GSM7 with the default alphabet, or with Tables;
//  2. UCS2, if Alphabet is Auto;
//  3. GSM7 with tables of Languages: first those with fewer octets of header
//     (one table, not two); then a single shift table alone before a locking
//     one (handsets that know neither can still read most of it), and two
//     tables of one language before those of two; then those that give fewer
//     septets; then by the order of Languages, that of the locking table first.
//
// So tables of Languages are used only where they save parts, or where GSM7 is
// asked for and the default alphabet cannot hold the text.
//
// The error is an [*AlphabetError] when the text has a character that the
// alphabet asked for lacks, or is no UTF-8 (U+FFFD itself may be sent); a
// [*TooLongError]; or about options that make no sense, such as a Header that
// leaves no room, or one with a concatenation element when it takes another.
func Split(text string, o SplitOptions) (Segments, error) {
	if o.MaxParts < 0 || o.MaxParts > maxTotal {
		return Segments{}, fmt.Errorf("at most %d parts; ask for 1 to %d", o.MaxParts, maxTotal)
	}
	f, err := o.choose(text)
	if err != nil {
		return Segments{}, err
	}
	if f.parts > o.limit() {
		return Segments{}, &TooLongError{Parts: f.parts, Max: o.limit()}
	}
	seg := Segments{DCS: TextDCS(f.alphabet, o.Class)}
	if f.parts == 1 {
		seg.Parts = []UserData{{Header: slices.Clone(f.header), Data: f.data}}
		return seg, nil
	}
	seg.Parts = f.concatenate(o.concat())
	return seg, nil
}

// limit returns how many parts the text may take.
func (o SplitOptions) limit() int {
	if o.MaxParts == 0 {
		return maxTotal
	}
	return o.MaxParts
}

// concat returns the concatenation element of the parts, but for their numbers.
func (o SplitOptions) concat() Concat {
	if o.Wide {
		return Concat{Reference: o.Reference, Bits: 16}
	}
	return Concat{Reference: o.Reference, Bits: 8}
}

// choose encodes a text in the form of fewest parts, as [Split] says.
func (o SplitOptions) choose(text string) (form, error) {
	switch o.Alphabet {
	case Auto, GSM7:
		return o.fewest(text)
	case UCS2, Octets:
		if o.Tables != (Tables{}) {
			return form{}, fmt.Errorf("national tables go with gsm7, not with %s; leave either out", o.Alphabet)
		}
		if o.Alphabet == UCS2 {
			return o.ucs2(text)
		}
		return form{text: text, alphabet: Octets, header: o.Header, data: []byte(text)}.measured(o.concat())
	}
	return form{}, fmt.Errorf("there is no alphabet %d; ask for gsm7, ucs2, octets or auto", o.Alphabet)
}

// fewest encodes a text in GSM7, or what else takes fewer parts.
func (o SplitOptions) fewest(text string) (form, error) {
	t, err := o.tables()
	if err != nil {
		return form{}, err
	}
	languages, err := o.languages(t)
	if err != nil {
		return form{}, err
	}
	f, err := o.gsm7(text, t)
	if err == nil && (f.parts == 1 || len(languages) == 0) {
		return f, nil
	}
	if _, foreign := errors.AsType[*AlphabetError](err); err != nil && !foreign {
		return form{}, err
	}
	return o.search(text, t, languages, f, err)
}

// tables returns the tables asked for, in Tables or in Header.
func (o SplitOptions) tables() (Tables, error) {
	t := UserData{Header: o.Header}.Tables()
	switch {
	case o.Tables == (Tables{}):
		return t, t.check()
	case t != (Tables{}) && t != o.Tables:
		return t, errors.New("the header calls for other national tables than are asked for; leave either out")
	}
	return o.Tables, o.Tables.check()
}

// languages returns those whose tables may be tried, each once.
func (o SplitOptions) languages(t Tables) ([]Language, error) {
	if t != (Tables{}) || len(o.Languages) == 0 {
		return nil, nil
	}
	var languages []Language
	for _, l := range o.Languages {
		if !l.hasSingle() {
			return nil, fmt.Errorf("there are no national tables for %s; leave it out", l)
		}
		if !slices.Contains(languages, l) {
			languages = append(languages, l)
		}
	}
	return languages, nil
}

func (o SplitOptions) ucs2(text string) (form, error) {
	data, err := EncodeUCS2(text)
	if err != nil {
		return form{}, err
	}
	return form{text: text, alphabet: UCS2, header: o.Header, data: data}.measured(o.concat())
}

// gsm7 encodes a text with tables, whose elements are added to the header where
// it has none of its own.
func (o SplitOptions) gsm7(text string, t Tables) (form, error) {
	data, err := EncodeGSM7(text, t)
	if err != nil {
		return form{}, err
	}
	header := o.Header
	if t != (UserData{Header: header}.Tables()) {
		header = append(slices.Clip(header), t.elements()...)
	}
	return form{text: text, alphabet: GSM7, header: header, data: data}.measured(o.concat())
}

// search tries whatever else the options allow, after f, or err, came of the
// text in the tables asked for.
func (o SplitOptions) search(text string, t Tables, languages []Language, f form, err error) (form, error) {
	var known *repertoire
	if o.Transliterate || len(languages) > 0 {
		known = newRepertoire(t, languages)
	}
	plain := text
	if err != nil && known != nil {
		at := strings.IndexFunc(text, func(r rune) bool { return !known.has(r) })
		if o.Transliterate {
			plain, at = transliterate(text, known.has)
		}
		if at >= 0 {
			err = alphabetError(text, at, GSM7)
		} else if plain != text {
			f, err = o.gsm7(plain, t)
		}
	}
	if o.Alphabet == Auto {
		u, failed := o.ucs2(text)
		if failed == nil && (err != nil || u.parts < f.parts) {
			f, err = u, nil
		} else if err != nil {
			err = failed
		}
	}
	if len(languages) == 0 {
		return f, err
	}
	under := math.MaxInt
	if err == nil {
		under = f.parts
	}
	if n, ok := o.national(plain, known.pairs(plain, languages, o), under); ok {
		return n, nil
	}
	return f, err
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

// form is a text encoded in one of the ways it can be sent.
type form struct {
	text     string
	alphabet Alphabet
	header   []IE // of each part, but for concatenation
	data     []byte
	room     int // for data in one of several parts
	parts    int
}

// measured returns the form with its room and parts. The error is about the
// header.
func (f form) measured(c Concat) (form, error) {
	if len(f.data) <= room(f.alphabet, f.header) {
		f.parts = 1
		return f, nil
	}
	if _, ok := (UserData{Header: f.header}).Concat(); ok {
		return form{}, errors.New("the text takes several parts, and the header has a concatenation element already; leave that out")
	}
	f.room = room(f.alphabet, append(slices.Clip(f.header), c.IE()))
	if f.room < 2*unit(f.alphabet) {
		return form{}, errors.New("the header leaves no room for text; shorten it")
	}
	f.parts = f.cutter().count()
	return f, nil
}

// concatenate cuts a form of several parts, and numbers them.
func (f form) concatenate(c Concat) []UserData {
	c.Total = byte(f.parts)
	parts := make([]UserData, f.parts)
	n := len(f.header) + 1
	headers := make([]IE, 0, n*f.parts) // of all parts, in one piece of memory
	from := 0
	for i, end := range f.cutter().ends(f.text, f.parts) {
		c.Seq++
		headers = append(append(headers, f.header...), c.IE())
		parts[i].Header = headers[n*i : n*(i+1) : n*(i+1)]
		parts[i].Data = f.data[from:end:end]
		from = end
	}
	return parts
}
