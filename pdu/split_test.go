package pdu_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"cellpost/pdu"
)

const emoji = "😀" // two units of UTF-16

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
		s := pdu.Submit{Destination: pdu.Address{TON: 1, NPI: 1, Value: "447700900123"}, DCS: seg.DCS, UserData: p}
		if _, err := s.AppendBinary(nil); err != nil {
			t.Fatalf("part %d: %v", i+1, err)
		}
		joined = append(joined, p.Data...)
		whole.WriteString(p.Text(seg.DCS))
	}
	if got := (pdu.UserData{Data: joined}).Text(seg.DCS); got != text || whole.String() != text {
		t.Fatalf("%q came back as %q, part by part as %q", text, got, whole.String())
	}
	if n := len(seg.Parts); n > 1 && bytes.Equal(seg.Parts[n-1].Data, nil) {
		t.Fatalf("the last part is empty")
	}
}

func TestSplitKeepsTheText(t *testing.T) {
	pieces := []string{"a", "€", "[", "\r\n", "ы", emoji, "e\u0301", "👩\u200d👧", "👍🏽", strings.Repeat("x", 60), strings.Repeat("я", 30)}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 60).Draw(t, "text"), "")
		checkSplit(t, text, pdu.SplitOptions{
			Alphabet:  rapid.SampledFrom([]pdu.Alphabet{pdu.Auto, pdu.GSM7, pdu.UCS2}).Draw(t, "alphabet"),
			Class:     pdu.Class(rapid.IntRange(0, 4).Draw(t, "class")),
			Wide:      rapid.Bool().Draw(t, "wide"),
			Reference: rapid.Uint16().Draw(t, "reference"),
		})
	})
}
