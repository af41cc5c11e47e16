package pdu_test

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"pgregory.net/rapid"

	"cellpost/pdu"
)

const (
	emoji   = "😀"                                                             // two units of UTF-16
	england = "🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F" // a flag of seven tags, 14 units
)

var (
	ports8  = pdu.Ports{Dest: 240, Src: 241, Bits: 8}.IE()
	ports16 = pdu.Ports{Dest: 9204, Bits: 16}.IE()
	single  = pdu.IE{ID: pdu.IESingle, Data: []byte{byte(pdu.Turkish)}}
	locking = pdu.IE{ID: pdu.IELocking, Data: []byte{byte(pdu.Turkish)}}
)

// all are all languages that have tables.
var all = []pdu.Language{
	pdu.Turkish, pdu.Spanish, pdu.Portuguese, pdu.Bengali, pdu.Gujarati, pdu.Hindi, pdu.Kannada,
	pdu.Malayalam, pdu.Oriya, pdu.Punjabi, pdu.Tamil, pdu.Telugu, pdu.Urdu,
}

func TestSplit(t *testing.T) {
	ports := pdu.IE{ID: pdu.IEPorts16, Data: []byte{0x23, 0xF4, 0, 0}}
	tests := []struct {
		name  string
		text  string
		o     pdu.SplitOptions
		dcs   pdu.DCS
		sizes []int // of Data, by part
	}{
		{"empty", "", pdu.SplitOptions{}, 0x00, []int{0}},
		{"gsm7 full", strings.Repeat("a", 160), pdu.SplitOptions{}, 0x00, []int{160}},
		{"gsm7 two", strings.Repeat("a", 161), pdu.SplitOptions{}, 0x00, []int{153, 8}},
		{"gsm7 two full", strings.Repeat("a", 306), pdu.SplitOptions{}, 0x00, []int{153, 153}},
		{"gsm7 three", strings.Repeat("a", 307), pdu.SplitOptions{}, 0x00, []int{153, 153, 1}},
		{"gsm7 wide", strings.Repeat("a", 161), pdu.SplitOptions{Wide: true}, 0x00, []int{152, 9}},
		{"gsm7 header", strings.Repeat("a", 152), pdu.SplitOptions{Header: []pdu.IE{ports}}, 0x00, []int{152}},
		{"gsm7 header two", strings.Repeat("a", 153), pdu.SplitOptions{Header: []pdu.IE{ports}}, 0x00, []int{146, 7}},
		{"flash", "a", pdu.SplitOptions{Class: pdu.Class0}, 0x10, []int{1}},
		{"escapes count twice", strings.Repeat("€", 80), pdu.SplitOptions{}, 0x00, []int{160}},
		{"escape not torn", strings.Repeat("a", 152) + strings.Repeat("€", 5), pdu.SplitOptions{}, 0x00, []int{152, 10}},
		{"escape costs a part", strings.Repeat("€", 153), pdu.SplitOptions{}, 0x00, []int{152, 152, 2}},
		{"ucs2 by the text", "ы", pdu.SplitOptions{}, 0x08, []int{2}},
		{"ucs2 asked for", "a", pdu.SplitOptions{Alphabet: pdu.UCS2, Class: pdu.Class0}, 0x18, []int{2}},
		{"ucs2 full", strings.Repeat("ы", 70), pdu.SplitOptions{}, 0x08, []int{140}},
		{"ucs2 two", strings.Repeat("ы", 71), pdu.SplitOptions{}, 0x08, []int{134, 8}},
		{"ucs2 wide", strings.Repeat("ы", 71), pdu.SplitOptions{Wide: true}, 0x08, []int{132, 10}},
		{"surrogates full", strings.Repeat(emoji, 35), pdu.SplitOptions{}, 0x08, []int{140}},
		{"surrogates not torn", strings.Repeat(emoji, 36), pdu.SplitOptions{}, 0x08, []int{132, 12}},
		{"CRLF kept", strings.Repeat("a", 152) + "\r\n" + strings.Repeat("a", 20), pdu.SplitOptions{}, 0x00, []int{152, 22}},
		{"CRLF not worth a part", strings.Repeat("a", 152) + "\r\n" + strings.Repeat("a", 152), pdu.SplitOptions{}, 0x00, []int{153, 153}},
		{"accent kept", strings.Repeat("ы", 66) + "e\u0301" + strings.Repeat("ы", 10), pdu.SplitOptions{}, 0x08, []int{132, 24}},
		{"joined emoji kept", strings.Repeat("ы", 65) + "👩\u200d👧" + strings.Repeat("ы", 10), pdu.SplitOptions{}, 0x08, []int{130, 30}},
		{"skin tone kept", strings.Repeat("ы", 65) + "👍🏽" + strings.Repeat("ы", 10), pdu.SplitOptions{}, 0x08, []int{130, 28}},
		{"flags counted from the first", strings.Repeat("ы", 60) + strings.Repeat("🇬🇧", 4), pdu.SplitOptions{}, 0x08, []int{128, 24}},
		{"england kept", strings.Repeat("ы", 60) + england + strings.Repeat("ы", 10), pdu.SplitOptions{}, 0x08, []int{120, 48}},
		{"keycap kept", strings.Repeat("ы", 65) + "1\ufe0f\u20e3" + strings.Repeat("ы", 10), pdu.SplitOptions{}, 0x08, []int{130, 26}},
		{"jamo kept", strings.Repeat("ы", 65) + "\u1112\u1161\u11ab" + strings.Repeat("ы", 10), pdu.SplitOptions{}, 0x08, []int{130, 26}},
		{"a syllable of hindi kept", strings.Repeat("ы", 66) + "कि" + strings.Repeat("ы", 10), pdu.SplitOptions{}, 0x08, []int{132, 24}},
		{"a conjunct is two clusters in unicode 15.0", strings.Repeat("ы", 65) + "क्ष" + strings.Repeat("ы", 10), pdu.SplitOptions{}, 0x08, []int{134, 22}},
		{"prepended sign kept", strings.Repeat("ы", 66) + "\u0600\u0661" + strings.Repeat("ы", 10), pdu.SplitOptions{}, 0x08, []int{132, 24}},
		{"no cluster across letters", strings.Repeat("ы", 66) + "éß" + strings.Repeat("ы", 10), pdu.SplitOptions{}, 0x08, []int{134, 22}},
		{"a syllable kept with a locking table", strings.Repeat("क", 148) + "कि" + strings.Repeat("क", 10), pdu.SplitOptions{Tables: pdu.Tables{Locking: pdu.Hindi}}, 0x00, []int{148, 12}},
		{"a syllable not worth a part", strings.Repeat("क", 66) + "कि" + strings.Repeat("क", 66), pdu.SplitOptions{}, 0x08, []int{134, 134}},
		{"a heap of accents", "e" + strings.Repeat("\u0301", 80), pdu.SplitOptions{}, 0x08, []int{134, 28}},
		{"255 parts", strings.Repeat("a", 255*153), pdu.SplitOptions{}, 0x00, slices.Repeat([]int{153}, 255)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seg, err := pdu.Split(tt.text, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			var sizes []int
			for _, p := range seg.Parts {
				sizes = append(sizes, len(p.Data))
			}
			if seg.DCS != tt.dcs || !slices.Equal(sizes, tt.sizes) {
				t.Errorf("DCS %02X, sizes %v; want %02X, %v", seg.DCS, sizes, tt.dcs, tt.sizes)
			}
		})
	}
}

func TestSplitConcat(t *testing.T) {
	ports := pdu.IE{ID: pdu.IEPorts16, Data: []byte{0x23, 0xF4, 0, 0}}
	for _, wide := range []bool{false, true} {
		want := pdu.Concat{Reference: 0x34, Total: 3, Bits: 8}
		if wide {
			want.Reference, want.Bits = 0x1234, 16
		}
		seg, err := pdu.Split(strings.Repeat("a", 400), pdu.SplitOptions{Reference: 0x1234, Wide: wide, Header: []pdu.IE{ports}})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range seg.Parts {
			want.Seq++
			if got, ok := p.Concat(); !ok || got != want {
				t.Errorf("got %+v, %v; want %+v", got, ok, want)
			}
			if len(p.Header) != 2 || p.Header[0].ID != pdu.IEPorts16 {
				t.Errorf("header %+v; want the ports first", p.Header)
			}
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	long := pdu.IE{ID: 0x70, Data: make([]byte, 132)}
	tests := []struct {
		name string
		text string
		o    pdu.SplitOptions
		want error // compared by value where it has a type
	}{
		{"too long", strings.Repeat("a", 307), pdu.SplitOptions{MaxParts: 2}, &pdu.TooLongError{Parts: 3, Max: 2}},
		{"256 parts", strings.Repeat("a", 255*153+1), pdu.SplitOptions{}, &pdu.TooLongError{Parts: 256, Max: 255}},
		{"one part only", strings.Repeat("ы", 71), pdu.SplitOptions{MaxParts: 1}, &pdu.TooLongError{Parts: 2, Max: 1}},
		{"not in gsm7", "aы", pdu.SplitOptions{Alphabet: pdu.GSM7}, &pdu.AlphabetError{Alphabet: pdu.GSM7, Rune: 'ы', Offset: 1}},
		{"no utf-8", "é\xff", pdu.SplitOptions{}, &pdu.AlphabetError{Alphabet: pdu.UCS2, Rune: -1, Offset: 2}},
		{"no utf-8, gsm7", "a\xc3", pdu.SplitOptions{Alphabet: pdu.GSM7}, &pdu.AlphabetError{Alphabet: pdu.GSM7, Rune: -1, Offset: 1}},
		{"a surrogate in utf-8", "\xed\xa0\xbd", pdu.SplitOptions{}, &pdu.AlphabetError{Alphabet: pdu.UCS2, Rune: -1, Offset: 0}},
		{"no such alphabet", "a", pdu.SplitOptions{Alphabet: 9}, nil},
		{"two concatenation elements", strings.Repeat("a", 161), pdu.SplitOptions{Header: []pdu.IE{pdu.Concat{Total: 2, Seq: 1}.IE()}}, nil},
		{"parts over 255", "a", pdu.SplitOptions{MaxParts: 256}, nil},
		{"parts under 0", "a", pdu.SplitOptions{MaxParts: -1}, nil},
		{"no room", strings.Repeat("a", 10), pdu.SplitOptions{Header: []pdu.IE{long}}, nil},
		{"no room for an escape", strings.Repeat("a", 10), pdu.SplitOptions{Header: []pdu.IE{{ID: 0x70, Data: make([]byte, 131)}}}, nil},
		{"other tables in the header", "a", pdu.SplitOptions{Header: []pdu.IE{locking}, Tables: pdu.Tables{Single: pdu.Turkish}}, nil},
		{"no such table", "a", pdu.SplitOptions{Tables: pdu.Tables{Locking: pdu.Spanish}}, nil},
		{"no such table in the header", "a", pdu.SplitOptions{Header: []pdu.IE{{ID: pdu.IESingle, Data: []byte{14}}}}, nil},
		{"tables for ucs2", "a", pdu.SplitOptions{Alphabet: pdu.UCS2, Tables: pdu.Tables{Locking: pdu.Turkish}}, nil},
		{"tables for data", "a", pdu.SplitOptions{Alphabet: pdu.Octets, Tables: pdu.Tables{Locking: pdu.Turkish}}, nil},
		{"no such language", "a", pdu.SplitOptions{Languages: []pdu.Language{14}}, nil},
		{"no language", "a", pdu.SplitOptions{Languages: []pdu.Language{pdu.NoLanguage}}, nil},
		{"not in any language", "şы", pdu.SplitOptions{Alphabet: pdu.GSM7, Languages: all}, &pdu.AlphabetError{Alphabet: pdu.GSM7, Rune: 'ы', Offset: 2}},
		{"not to be transliterated", "“ы", pdu.SplitOptions{Alphabet: pdu.GSM7, Transliterate: true}, &pdu.AlphabetError{Alphabet: pdu.GSM7, Rune: 'ы', Offset: 3}},
		{"no utf-8 among languages", "ş\xff", pdu.SplitOptions{Languages: all, Transliterate: true}, &pdu.AlphabetError{Alphabet: pdu.UCS2, Rune: -1, Offset: 2}},
		{"too long for languages", strings.Repeat("ş", 400), pdu.SplitOptions{MaxParts: 2, Languages: all}, &pdu.TooLongError{Parts: 3, Max: 2}},
		{"too long for languages and gsm7", strings.Repeat("ş", 1<<16), pdu.SplitOptions{Alphabet: pdu.GSM7, Languages: all}, &pdu.TooLongError{Parts: 440, Max: 255}},
		{"tables and no room", "ş", pdu.SplitOptions{Alphabet: pdu.GSM7, Header: []pdu.IE{{ID: 0x70, Data: make([]byte, 136)}}, Languages: all}, nil},
		{"no room at all", "a", pdu.SplitOptions{Header: []pdu.IE{long, long}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seg, err := pdu.Split(tt.text, tt.o)
			if err == nil {
				t.Fatalf("taken: %+v", seg)
			}
			switch want := tt.want.(type) {
			case *pdu.TooLongError:
				if got, ok := errors.AsType[*pdu.TooLongError](err); !ok || *got != *want {
					t.Errorf("got %v, want %v", err, want)
				}
			case *pdu.AlphabetError:
				if got, ok := errors.AsType[*pdu.AlphabetError](err); !ok || *got != *want {
					t.Errorf("got %v, want %v", err, want)
				}
			}
		})
	}
}

func TestSplitTakesReplacementCharacter(t *testing.T) {
	seg, err := pdu.Split("\uFFFD", pdu.SplitOptions{})
	if err != nil || seg.Parts[0].Text(seg.DCS) != "\uFFFD" {
		t.Errorf("got %+v, %v", seg, err)
	}
}

func TestSetConcatReference(t *testing.T) {
	for _, wide := range []bool{false, true} {
		seg, err := pdu.Split(strings.Repeat("a", 200), pdu.SplitOptions{Reference: 1, Wide: wide})
		if err != nil {
			t.Fatal(err)
		}
		s := pdu.Submit{UserData: seg.Parts[1]}
		if !s.SetConcatReference(0x207) {
			t.Fatal("no part")
		}
		want := uint16(0x07)
		if wide {
			want = 0x207
		}
		if c, _ := s.UserData.Concat(); c.Reference != want || c.Seq != 2 || c.Total != 2 {
			t.Errorf("wide %v: got %+v, want reference %d of part 2/2", wide, c, want)
		}
		if c, _ := seg.Parts[1].Concat(); c.Reference != 1 {
			t.Errorf("wide %v: the old header was changed: %+v", wide, c)
		}
	}
	if (&pdu.Submit{}).SetConcatReference(1) {
		t.Error("a message of one part has no reference")
	}
}

func TestConcatIgnoresNonsense(t *testing.T) {
	tests := []struct {
		name   string
		header []pdu.IE
		want   pdu.Concat
		ok     bool
	}{
		{"none", nil, pdu.Concat{}, false},
		{"part 0", []pdu.IE{{ID: 0, Data: []byte{1, 2, 0}}}, pdu.Concat{}, false},
		{"part 3 of 2", []pdu.IE{{ID: 0, Data: []byte{1, 2, 3}}}, pdu.Concat{}, false},
		{"of no parts", []pdu.IE{{ID: 0, Data: []byte{1, 0, 0}}}, pdu.Concat{}, false},
		{"short", []pdu.IE{{ID: 0, Data: []byte{1, 2}}}, pdu.Concat{}, false},
		{"the last counts", []pdu.IE{{ID: 0, Data: []byte{1, 2, 1}}, {ID: 8, Data: []byte{1, 0, 3, 2}}},
			pdu.Concat{Reference: 256, Total: 3, Seq: 2, Bits: 16}, true},
		{"the last that makes sense", []pdu.IE{{ID: 0, Data: []byte{1, 2, 1}}, {ID: 8, Data: []byte{1, 0, 3, 4}}},
			pdu.Concat{Reference: 1, Total: 2, Seq: 1, Bits: 8}, true},
	}
	for _, tt := range tests {
		if got, ok := (pdu.UserData{Header: tt.header}).Concat(); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s: got %+v, %v; want %+v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

// TestSplitSizes has the room of a part by its header: worked out by hand from
// 3GPP TS 23.040, 9.2.3.24 (140 octets, of which the header takes its own and a
// length octet; what is left holds septets from the next septet boundary on),
// and by formula.
func TestSplitSizes(t *testing.T) {
	tests := []struct {
		header  []pdu.IE
		octets  int    // of the header
		one     [3]int // septets, octets, UTF-16 units in a single part
		several [3]int // in one of several, with an 8-bit reference
		wide    [3]int // with a 16-bit reference
	}{
		{nil, 0, [3]int{160, 140, 70}, [3]int{153, 134, 67}, [3]int{152, 133, 66}},
		{[]pdu.IE{ports8}, 5, [3]int{154, 135, 67}, [3]int{148, 130, 65}, [3]int{147, 129, 64}},
		{[]pdu.IE{ports16}, 7, [3]int{152, 133, 66}, [3]int{146, 128, 64}, [3]int{145, 127, 63}},
		{[]pdu.IE{single}, 4, [3]int{155, 136, 68}, [3]int{149, 131, 65}, [3]int{148, 130, 65}},
		{[]pdu.IE{locking}, 4, [3]int{155, 136, 68}, [3]int{149, 131, 65}, [3]int{148, 130, 65}},
		{[]pdu.IE{single, locking}, 7, [3]int{152, 133, 66}, [3]int{146, 128, 64}, [3]int{145, 127, 63}},
		{[]pdu.IE{ports8, single}, 8, [3]int{150, 132, 66}, [3]int{145, 127, 63}, [3]int{144, 126, 63}},
		{[]pdu.IE{ports16, single, locking}, 13, [3]int{145, 127, 63}, [3]int{139, 122, 61}, [3]int{138, 121, 60}},
	}
	for _, tt := range tests {
		for i, alphabet := range []pdu.Alphabet{pdu.GSM7, pdu.Octets, pdu.UCS2} {
			formula := func(octets int) int {
				if octets > 0 {
					octets++ // UDHL
				}
				return [3]int{(140*8 - octets*8) / 7, 140 - octets, (140 - octets) / 2}[i]
			}
			elements := max(tt.octets-1, 0)
			if tt.one[i] != formula(elements) || tt.several[i] != formula(elements+5) || tt.wide[i] != formula(elements+6) {
				t.Errorf("%d octets, %s: %d, %d, %d is not what the formula gives", tt.octets, alphabet, tt.one[i], tt.several[i], tt.wide[i])
			}
			checkRoom(t, tt.one[i], 1, pdu.SplitOptions{Alphabet: alphabet, Header: tt.header})
			checkRoom(t, tt.several[i], 3, pdu.SplitOptions{Alphabet: alphabet, Header: tt.header})
			checkRoom(t, tt.wide[i], 3, pdu.SplitOptions{Alphabet: alphabet, Header: tt.header, Wide: true})
		}
	}
}

// checkRoom fills so many parts to the last character, and then goes over.
func checkRoom(t *testing.T, characters, parts int, o pdu.SplitOptions) {
	t.Helper()
	for over := range 2 {
		seg, err := pdu.Split(strings.Repeat("a", characters*parts+over), o)
		if err != nil || len(seg.Parts) != parts+over {
			t.Errorf("%s, %+v: %d parts of %d characters and %d more are %d, %v", o.Alphabet, o.Header, parts, characters, over, len(seg.Parts), err)
			continue
		}
		s := pdu.Submit{Destination: number, DCS: seg.DCS, UserData: seg.Parts[0]}
		if _, err := s.AppendBinary(nil); err != nil {
			t.Errorf("%s, %+v: %v", o.Alphabet, o.Header, err)
		}
	}
}

// TestSplitForms tries what is chosen where there is a choice. The elements of
// tables are written as they stand in the header: 24 single, 25 locking.
func TestSplitForms(t *testing.T) {
	turkish := []pdu.Language{pdu.Turkish}
	tests := []struct {
		name     string
		text     string
		o        pdu.SplitOptions
		alphabet pdu.Alphabet
		tables   pdu.Tables
		sizes    []int
		want     string // the text that goes; empty: as it was
	}{
		{"tables by themselves", "ışık", pdu.SplitOptions{Tables: pdu.Tables{Single: pdu.Turkish}}, pdu.GSM7, pdu.Tables{Single: pdu.Turkish}, []int{7}, ""},
		{"tables that are not needed", "a", pdu.SplitOptions{Tables: pdu.Tables{Single: pdu.Turkish}}, pdu.GSM7, pdu.Tables{Single: pdu.Turkish}, []int{1}, ""},
		{"tables, full", strings.Repeat("ş", 76) + "aaa", pdu.SplitOptions{Tables: pdu.Tables{Single: pdu.Turkish}}, pdu.GSM7, pdu.Tables{Single: pdu.Turkish}, []int{155}, ""},
		{"tables, over", strings.Repeat("ş", 78), pdu.SplitOptions{Tables: pdu.Tables{Single: pdu.Turkish}}, pdu.GSM7, pdu.Tables{Single: pdu.Turkish}, []int{148, 8}, ""},
		{"both tables with ports", strings.Repeat("ş", 146), pdu.SplitOptions{Header: []pdu.IE{ports16}, Tables: pdu.Tables{Locking: pdu.Turkish, Single: pdu.Turkish}},
			pdu.GSM7, pdu.Tables{Locking: pdu.Turkish, Single: pdu.Turkish}, []int{139, 7}, ""},
		{"tables do not hold it", "ы", pdu.SplitOptions{Tables: pdu.Tables{Single: pdu.Turkish}}, pdu.UCS2, pdu.Tables{}, []int{2}, ""},
		{"tables of the header", "ş", pdu.SplitOptions{Header: []pdu.IE{locking}}, pdu.GSM7, pdu.Tables{Locking: pdu.Turkish}, []int{1}, ""},
		{"tables of both", "ş", pdu.SplitOptions{Header: []pdu.IE{locking}, Tables: pdu.Tables{Locking: pdu.Turkish}}, pdu.GSM7, pdu.Tables{Locking: pdu.Turkish}, []int{1}, ""},
		{"tables go before languages", "ışık", pdu.SplitOptions{Header: []pdu.IE{locking}, Languages: all}, pdu.GSM7, pdu.Tables{Locking: pdu.Turkish}, []int{4}, ""},

		{"languages not needed", strings.Repeat("a", 161), pdu.SplitOptions{Languages: all}, pdu.GSM7, pdu.Tables{}, []int{153, 8}, ""},
		{"ucs2 is as short", strings.Repeat("ş", 70), pdu.SplitOptions{Languages: turkish}, pdu.UCS2, pdu.Tables{}, []int{140}, ""},
		{"a language saves a part", strings.Repeat("ş", 71), pdu.SplitOptions{Languages: turkish}, pdu.GSM7, pdu.Tables{Single: pdu.Turkish}, []int{142}, ""},
		{"single holds no more", strings.Repeat("ş", 78), pdu.SplitOptions{Languages: turkish}, pdu.GSM7, pdu.Tables{Locking: pdu.Turkish}, []int{78}, ""},
		{"as good: the single table", strings.Repeat("a", 100) + "ş", pdu.SplitOptions{Languages: turkish}, pdu.GSM7, pdu.Tables{Single: pdu.Turkish}, []int{102}, ""},
		{"as good: fewer septets", strings.Repeat("a", 100) + "Êç", pdu.SplitOptions{Languages: all}, pdu.GSM7, pdu.Tables{Single: pdu.Portuguese}, []int{104}, ""},
		{"as good: the first language", strings.Repeat("a", 100) + "ç", pdu.SplitOptions{Languages: []pdu.Language{pdu.Spanish, pdu.Turkish}}, pdu.GSM7, pdu.Tables{Single: pdu.Spanish}, []int{102}, ""},
		{"as good: the first language, the other way", strings.Repeat("a", 100) + "ç", pdu.SplitOptions{Languages: []pdu.Language{pdu.Turkish, pdu.Spanish}}, pdu.GSM7, pdu.Tables{Single: pdu.Turkish}, []int{102}, ""},
		{"only both hold it", strings.Repeat("नम", 50) + "ABCDE", pdu.SplitOptions{Languages: all}, pdu.GSM7, pdu.Tables{Locking: pdu.Hindi, Single: pdu.Hindi}, []int{110}, ""},
		{"one language before two", strings.Repeat("నమ", 50) + "ABCDE", pdu.SplitOptions{Languages: all}, pdu.GSM7, pdu.Tables{Locking: pdu.Telugu, Single: pdu.Telugu}, []int{110}, ""},
		{"two languages", strings.Repeat("şã", 40), pdu.SplitOptions{Languages: all}, pdu.GSM7, pdu.Tables{Locking: pdu.Turkish, Single: pdu.Portuguese}, []int{120}, ""},
		{"default alphabet in more parts", strings.Repeat("^", 100), pdu.SplitOptions{Languages: all}, pdu.GSM7, pdu.Tables{Locking: pdu.Portuguese}, []int{100}, ""},
		{"no pair holds it", strings.Repeat("şक", 40) + "ఆ", pdu.SplitOptions{Languages: all}, pdu.UCS2, pdu.Tables{}, []int{134, 28}, ""},
		{"gsm7 is asked for", "ş", pdu.SplitOptions{Alphabet: pdu.GSM7, Languages: turkish}, pdu.GSM7, pdu.Tables{Single: pdu.Turkish}, []int{2}, ""},
		{"a language twice", "ş", pdu.SplitOptions{Alphabet: pdu.GSM7, Languages: append(turkish, pdu.Turkish)}, pdu.GSM7, pdu.Tables{Single: pdu.Turkish}, []int{2}, ""},

		{"transliterated", "“ê”", pdu.SplitOptions{Transliterate: true}, pdu.GSM7, pdu.Tables{}, []int{3}, `"e"`},
		{"transliterated for gsm7", "“ê”", pdu.SplitOptions{Alphabet: pdu.GSM7, Transliterate: true}, pdu.GSM7, pdu.Tables{}, []int{3}, `"e"`},
		{"transliteration not needed", "é", pdu.SplitOptions{Transliterate: true}, pdu.GSM7, pdu.Tables{}, []int{1}, ""},
		{"never half", "“ы”", pdu.SplitOptions{Transliterate: true}, pdu.UCS2, pdu.Tables{}, []int{6}, ""},
		{"transliteration of more parts", strings.Repeat("™", 70), pdu.SplitOptions{Transliterate: true}, pdu.UCS2, pdu.Tables{}, []int{140}, ""},
		{"ucs2 is asked for", "“ê”", pdu.SplitOptions{Alphabet: pdu.UCS2, Transliterate: true, Languages: turkish}, pdu.UCS2, pdu.Tables{}, []int{6}, ""},
		{"transliterated for tables", "“ş” ê", pdu.SplitOptions{Tables: pdu.Tables{Single: pdu.Turkish}, Transliterate: true}, pdu.GSM7, pdu.Tables{Single: pdu.Turkish}, []int{6}, `"ş" e`},
		{"a language's letters stay", "“" + strings.Repeat("ş", 75) + "”", pdu.SplitOptions{Languages: turkish, Transliterate: true}, pdu.GSM7, pdu.Tables{Single: pdu.Turkish}, []int{152}, `"` + strings.Repeat("ş", 75) + `"`},
		{"cut where it is transliterated", strings.Repeat("“", 161), pdu.SplitOptions{Transliterate: true}, pdu.GSM7, pdu.Tables{}, []int{153, 8}, strings.Repeat(`"`, 161)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seg, err := pdu.Split(tt.text, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			var sizes []int
			var text strings.Builder
			for _, p := range seg.Parts {
				sizes = append(sizes, len(p.Data))
				text.WriteString(p.Text(seg.DCS))
				if p.Tables() != tt.tables {
					t.Errorf("tables %v, want %v", p.Tables(), tt.tables)
				}
			}
			if seg.DCS.Alphabet() != tt.alphabet || !slices.Equal(sizes, tt.sizes) {
				t.Errorf("%s, sizes %v; want %s, %v", seg.DCS, sizes, tt.alphabet, tt.sizes)
			}
			if want := cmp.Or(tt.want, tt.text); text.String() != want {
				t.Errorf("got %q, want %q", text.String(), want)
			}
		})
	}
}

func TestSplitTablesInHeader(t *testing.T) {
	seg, err := pdu.Split(strings.Repeat("ş", 200), pdu.SplitOptions{
		Header: []pdu.IE{ports16}, Tables: pdu.Tables{Locking: pdu.Turkish, Single: pdu.Spanish}, Wide: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range seg.Parts {
		var ids []byte
		for _, ie := range p.Header {
			ids = append(ids, ie.ID)
		}
		if want := []byte{pdu.IEPorts16, pdu.IESingle, pdu.IELocking, pdu.IEConcat16}; !bytes.Equal(ids, want) {
			t.Errorf("elements % X, want % X", ids, want)
		}
	}
	seg, err = pdu.Split("ş", pdu.SplitOptions{Header: []pdu.IE{locking}, Tables: pdu.Tables{Locking: pdu.Turkish}})
	if err != nil || len(seg.Parts[0].Header) != 1 {
		t.Errorf("got %+v, %v; want the element once", seg, err)
	}
}

// TestSplitBounds has hostile texts of a mebibyte refused, or cut, in time that
// is in proportion to them: a quadratic step would take minutes.
func TestSplitBounds(t *testing.T) {
	const size = 1 << 20
	for _, unit := range []string{"\u0301", "🇬", "\u200d", "👩\u200d", "ş", "™", "\r\n", "ः", "μ", "ﬃ"} {
		huge := strings.Repeat(unit, size/len(unit))
		for _, o := range []pdu.SplitOptions{{}, {Languages: all, Transliterate: true}, {Alphabet: pdu.GSM7, Languages: all}} {
			if _, err := pdu.Split("e"+huge, o); err == nil && !o.Transliterate {
				t.Errorf("%q taken", unit)
			}
			most := "e" + strings.Repeat(unit, 255*60/max(1, len(utf16.Encode([]rune(unit)))))
			if _, err := pdu.Split(most, o); err != nil && o.Alphabet == pdu.Auto {
				t.Errorf("%q: %v", unit, err)
			}
		}
	}
}

// checkSplit holds what Split made of a text to its promises.
func checkSplit(t interface{ Fatalf(string, ...any) }, text string, o pdu.SplitOptions) {
	seg, err := pdu.Split(text, o)
	if err != nil {
		_, tooLong := errors.AsType[*pdu.TooLongError](err)
		_, alphabet := errors.AsType[*pdu.AlphabetError](err)
		if !tooLong && !alphabet || alphabet && o.Alphabet != pdu.GSM7 && utf8.ValidString(text) {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	var joined []byte
	var whole strings.Builder
	for i, p := range seg.Parts {
		c, ok := p.Concat()
		if ok != (len(seg.Parts) > 1) || ok && (int(c.Seq) != i+1 || int(c.Total) != len(seg.Parts)) {
			t.Fatalf("part %d of %d has %+v, %v", i+1, len(seg.Parts), c, ok)
		}
		if len(p.Header) < len(o.Header) || !slices.EqualFunc(p.Header[:len(o.Header)], o.Header, sameIE) {
			t.Fatalf("part %d has header %+v; want %+v in it", i+1, p.Header, o.Header)
		}
		if p.Tables() != seg.Parts[0].Tables() {
			t.Fatalf("part %d has tables %+v, the first one %+v", i+1, p.Tables(), seg.Parts[0].Tables())
		}
		s := pdu.Submit{Destination: pdu.Address{TON: 1, NPI: 1, Value: "447700900123"}, DCS: seg.DCS, UserData: p}
		if _, err := s.AppendBinary(nil); err != nil {
			t.Fatalf("part %d: %v", i+1, err)
		}
		joined = append(joined, p.Data...)
		whole.WriteString(p.Text(seg.DCS))
	}
	first := seg.Parts[0]
	got := pdu.UserData{Header: first.Header, Data: joined}.Text(seg.DCS)
	if got != whole.String() || got != text && (!o.Transliterate || seg.DCS.Alphabet() != pdu.GSM7) {
		t.Fatalf("%q came back as %q, part by part as %q", text, got, whole.String())
	}
	if n := len(seg.Parts); n > 1 && n > naiveParts(joined, seg.DCS.Alphabet(), first.Header) {
		t.Fatalf("%d parts where %d do", n, naiveParts(joined, seg.DCS.Alphabet(), first.Header))
	}
	if n := len(seg.Parts); n > 1 && bytes.Equal(seg.Parts[n-1].Data, nil) {
		t.Fatalf("the last part is empty")
	}
}

func sameIE(a, b pdu.IE) bool { return a.ID == b.ID && bytes.Equal(a.Data, b.Data) }

// naiveParts returns how many parts data takes that is cut as late as may be,
// with no regard to clusters.
func naiveParts(data []byte, a pdu.Alphabet, header []pdu.IE) (n int) {
	octets := 1
	for _, ie := range header {
		octets += 2 + len(ie.Data)
	}
	room := (140*8 - octets*8) / 7
	if a == pdu.UCS2 {
		room = (140 - octets) / 2 * 2
	}
	for ; len(data) > 0; n++ {
		end := min(room, len(data))
		switch {
		case end == len(data):
		case a == pdu.GSM7 && data[end-1] == 0x1B:
			end--
		case a == pdu.UCS2 && data[end]&0xFC == 0xDC:
			end -= 2
		}
		data = data[end:]
	}
	return n
}

// TestLettersStandAlone holds the library to what Split does not ask it: Latin,
// Greek and Cyrillic letters never join, but for CR and LF.
func TestLettersStandAlone(t *testing.T) {
	for r := range rune(0x483) {
		if 0x300 <= r && r < 0x370 {
			continue // accents
		}
		for _, text := range []string{"a" + string(r), string(r) + "a", string(r) + string(r), "\n" + string(r), string(r) + "\r"} {
			if n := uniseg.GraphemeClusterCount(text); n != 2 {
				t.Errorf("%q is %d clusters", text, n)
			}
		}
	}
}

// TestSplitTearsNoClusterNeedlessly cuts at clusters alone; where that takes no
// more parts, Split does not tear one either.
func TestSplitTearsNoClusterNeedlessly(t *testing.T) {
	pieces := []string{"ы", "🇬🇧", england, "👩\u200d👧", "e\u0301\u0302", "\r\n", "कि", "1\ufe0f\u20e3", strings.Repeat("ы", 30)}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 80).Draw(t, "text"), "")
		seg, err := pdu.Split(text, pdu.SplitOptions{Alphabet: pdu.UCS2})
		if err != nil {
			t.Fatal(err)
		}
		if len(seg.Parts) == 1 {
			return
		}
		parts, used := 1, 0
		for g := uniseg.NewGraphemes(text); g.Next(); {
			n := len(utf16.Encode(g.Runes()))
			if used += n; used > 67 {
				parts, used = parts+1, n
			}
		}
		if parts > len(seg.Parts) {
			return
		}
		ends := make(map[int]bool)
		at := 0
		for g := uniseg.NewGraphemes(text); g.Next(); {
			at += 2 * len(utf16.Encode(g.Runes()))
			ends[at] = true
		}
		at = 0
		for i, p := range seg.Parts {
			if at += len(p.Data); !ends[at] {
				t.Fatalf("%q: part %d ends inside a cluster", text, i+1)
			}
		}
	})
}

func TestSplitKeepsTheText(t *testing.T) {
	pieces := []string{"a", "€", "[", "\r\n", "ы", emoji, "e\u0301", "👩\u200d👧", "👍🏽", strings.Repeat("x", 60), strings.Repeat("я", 30), "ş", "ã", "“", "नम", "🇬🇧"}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 60).Draw(t, "text"), "")
		checkSplit(t, text, pdu.SplitOptions{
			Alphabet:  rapid.SampledFrom([]pdu.Alphabet{pdu.Auto, pdu.GSM7, pdu.UCS2}).Draw(t, "alphabet"),
			Class:     pdu.Class(rapid.IntRange(0, 4).Draw(t, "class")),
			Wide:      rapid.Bool().Draw(t, "wide"),
			Reference: rapid.Uint16().Draw(t, "reference"),
			Languages: rapid.SliceOf(rapid.SampledFrom(all)).Draw(t, "languages"),

			Transliterate: rapid.Bool().Draw(t, "transliterate"),
		})
	})
}

// TestSplitTearsFewest compares with the best of all ways to cut, in parts so
// small that all can be tried.
func TestSplitTearsFewest(t *testing.T) {
	const room = 5 // UTF-16 units of a part
	header := []pdu.IE{{ID: 0x70, Data: make([]byte, 140-2*room-5-1-2)}}
	pieces := []string{"ы", "🇬🇧", "👩\u200d👧", "e\u0301\u0302", "\r\n", "😀"}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 14).Draw(t, "text"), "")
		seg, err := pdu.Split(text, pdu.SplitOptions{Alphabet: pdu.UCS2, Header: header})
		if err != nil {
			t.Fatal(err)
		}
		if len(seg.Parts) == 1 { // which has more room
			return
		}
		costs := cutCosts(text)
		torn, at := 0, 0
		for _, p := range seg.Parts[:len(seg.Parts)-1] {
			at += len(p.Data) / 2
			torn += costs[at]
		}
		if best := fewestTorn(costs, room, len(seg.Parts)); torn != best {
			t.Fatalf("%q: %d clusters torn in %d parts, %d need be", text, torn, len(seg.Parts), best)
		}
	})
}

// cutCosts returns, for each UTF-16 unit of a text that a cut can go before, 1
// inside of a cluster, else 0; inside of a surrogate pair more than any sum.
func cutCosts(text string) []int {
	var costs []int
	for g := uniseg.NewGraphemes(text); g.Next(); {
		cost := 0
		for _, r := range g.Runes() {
			costs = append(costs, cost)
			cost = 1
			if r > 0xFFFF {
				costs = append(costs, 1000)
			}
		}
	}
	return costs
}

// fewestTorn returns the least sum of costs of cutting into so many parts.
func fewestTorn(costs []int, room, parts int) int {
	if len(costs) <= room {
		return 0
	}
	best := 1000
	if parts > 1 && len(costs) <= room*parts {
		for n := 1; n <= room; n++ {
			if cost := costs[n]; cost < best {
				best = min(best, cost+fewestTorn(costs[n:], room, parts-1))
			}
		}
	}
	return best
}
