package pdu_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"cellpost/pdu"
)

func TestTransliterate(t *testing.T) {
	turkish := pdu.Tables{Single: pdu.Turkish}
	tests := []struct {
		name   string
		text   string
		tables pdu.Tables
		want   string // empty: cannot be, and is left as it is
	}{
		{"nothing to do", "Grüße, señor: 5 € @ Ω\r\n", pdu.Tables{}, "Grüße, señor: 5 € @ Ω\r\n"},
		{"typography", "“It’s” – «no»…", pdu.Tables{}, `"It's" - "no"...`},
		{"blanks", "a\u00a0b\u2009c\u202fd\te", pdu.Tables{}, "a b c d e"},
		{"accents", "ça, être, Őrség, naïve", pdu.Tables{}, "ca, etre, Orség, naive"},
		{"accents of two", "Việt Nam, ǭ", pdu.Tables{}, "Viet Nam, o"},
		{"an accent apart", "e\u0301 a\u0308 e\u0302 o\u0328\u0304", pdu.Tables{}, "é ä e o"},
		{"an accent that stands alone", "\u0301a", pdu.Tables{}, "a"},
		{"a heap of accents", "e\u0301" + strings.Repeat("\u0302", 200), pdu.Tables{}, "é"},
		{"signs of another code", "5 \u2126, 1 \u212B, 3 \u212A", pdu.Tables{}, "5 Ω, 1 Å, 3 K"},
		{"ligatures", "ﬁn, œuvre, Œ", pdu.Tables{}, "fin, oeuvre, OE"},
		{"full width", "ＡＢＣ　１２３！", pdu.Tables{}, "ABC 123!"},
		{"fractions", "½ 3½ a½ 3 ½ 12⅞", pdu.Tables{}, "1/2 3 1/2 a1/2 3 1/2 12 7/8"},
		{"digits after a number", "½3 3½4 ½½ 3²4 ¹5 m²5 5₂3 a₁2 ½٣", pdu.Tables{}, ""},
		{"digits after a number, all replaced", "½3 3½4 ½½ 3²4 ¹5 m²5 5₂3 a₁2 ½３ ²½", pdu.Tables{}, "1/2 3 3 1/2 4 1/2 1/2 3^2 4 ^1 5 m^2 5 5 2 3 a1 2 1/2 3 ^2 1/2"},
		{"a stroke is no accent", "5≮6", pdu.Tables{}, ""},
		{"raised and lowered", "m² 10² 10¹² H₂O x₁₂ 7₂", pdu.Tables{}, "m^2 10^2 10^12 H2O x12 7 2"},
		{"degrees", "20°C, 20 °C, 20℃", pdu.Tables{}, "20 degC, 20 degC, 20 degC"},
		{"units", "5 μg, 5 µg, 5 μ, μα", pdu.Tables{}, "5 ug, 5 ug, 5 M, MA"},
		{"greek", "Καλημέρα ΐ ς", pdu.Tables{}, "KAΛHMEPA I Σ"},
		{"money", "₹500, 5 ₽", pdu.Tables{}, "INR500, 5 RUB"},
		{"joiners of no emoji", "a\u200db\ufe0f\u200b", pdu.Tables{}, "ab"},
		{"keycap", "1\ufe0f\u20e3", pdu.Tables{}, "1"},
		{"cyrillic", "“да”", pdu.Tables{}, ""},
		{"cyrillic with an accent", "й", pdu.Tables{}, ""},
		{"emoji", "ok “" + emoji + "”", pdu.Tables{}, ""},
		{"hangul", "한", pdu.Tables{}, ""},
		{"no utf-8", "“\xff", pdu.Tables{}, ""},
		{"the replacement character", "\uFFFD", pdu.Tables{}, ""},
		{"nul", "\x00", pdu.Tables{}, ""},
		{"turkish stays", "ışık “ğ” ê", turkish, `ışık "ğ" e`},
		{"turkish apart", "s\u0327", turkish, "ş"},
		{"what the tables lack", "@", pdu.Tables{Locking: pdu.Hindi}, ""},
		{"capitals that the tables lack", "É", pdu.Tables{Locking: pdu.Hindi, Single: pdu.Hindi}, "E"},
		{"composed, which the table has", "\u0958", pdu.Tables{Locking: pdu.Hindi, Single: pdu.Hindi}, "\u0958"},
		{"composed, which the table lacks", "\u0958", pdu.Tables{Locking: pdu.Hindi}, "\u0915\u093c"},
		{"no such tables", "a", pdu.Tables{Single: 14}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := pdu.Transliterate(tt.text, tt.tables)
			if tt.want == "" {
				if ok || got != tt.text {
					t.Errorf("got %q, %v; want it as it is", got, ok)
				}
			} else if !ok || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, ok, tt.want)
			}
		})
	}
}

// TestTransliterationPage holds docs/transliteration.md to the code: what a row
// says is what happens, and what happens without a row is that a letter loses
// its accents.
func TestTransliterationPage(t *testing.T) {
	page := readPage(t)
	for r, want := range page {
		if want == "the plain form" {
			want = norm.NFKD.String(string(r))
		}
		if got, ok := pdu.Transliterate(string(r), pdu.Tables{}); !ok || got != want {
			t.Errorf("%U %q becomes %q, %v; the page says %q", r, r, got, ok, want)
		}
	}
	for r := range rune(0x20000) {
		text := string(r)
		got, ok := pdu.Transliterate(text, pdu.Tables{})
		if _, listed := page[r]; ok && got != text && !listed && norm.NFD.String(text) == text {
			t.Errorf("%U %q becomes %q, and is not on the page", r, r, got)
		}
	}
}

// TestTransliterateEnds lets every character be replaced as long as anything
// replaces it.
func TestTransliterateEnds(t *testing.T) {
	tables := pdu.Tables{Locking: pdu.Urdu, Single: pdu.Turkish} // with few Latin letters, and no Greek
	for r := range rune(0x3000) {
		got, ok := pdu.Transliterate(string(r), tables)
		if !ok {
			continue
		}
		if _, err := pdu.EncodeGSM7(got, tables); err != nil {
			t.Fatalf("%U becomes %q: %v", r, got, err)
		}
	}
}

var pageRow = regexp.MustCompile(`(?m)^\| (.+?) \| (.+) \|$`)

// readPage returns what the table of the page says of each character.
func readPage(t *testing.T) map[rune]string {
	t.Helper()
	text, err := os.ReadFile("../docs/transliteration.md")
	if err != nil {
		t.Fatal(err)
	}
	page := make(map[rune]string)
	for _, row := range pageRow.FindAllStringSubmatch(string(text), -1) {
		if row[1] == "Character" {
			continue
		}
		characters, _, _ := strings.Cut(row[1], " (")
		to := row[2]
		if to == "nothing" {
			to = ""
		} else if r, _ := readRange(to); r != 0 {
			to = string(r)
		}
		for field := range strings.FieldsSeq(characters) {
			first, last := readRange(field)
			if first == 0 {
				first, _ = utf8.DecodeRuneInString(field)
				last = first
			}
			for r := first; r <= last; r++ {
				if _, twice := page[r]; twice {
					t.Errorf("%U is on the page twice", r)
				}
				page[r] = to
			}
		}
	}
	if len(page) < 300 {
		t.Fatalf("%d characters on the page", len(page))
	}
	return page
}

// readRange reads U+2000 or U+2000..U+200A; 0 for what is neither.
func readRange(s string) (first, last rune) {
	if n, _ := fmt.Sscanf(s, "U+%X..U+%X", &first, &last); n == 1 {
		last = first
	}
	return first, last
}

func FuzzTransliterate(f *testing.F) {
	f.Add("“It’s” – ½ ﬁ ê e\u0302 μg Ωμέγα", byte(0), byte(0))
	f.Add("ışık", byte(1), byte(0))
	f.Add("\u0958\u0301\xff", byte(6), byte(6))
	f.Fuzz(func(t *testing.T, text string, locking, single byte) {
		tables := pdu.Tables{Locking: pdu.Language(locking % 16), Single: pdu.Language(single % 16)}
		changed, ok := pdu.Transliterate(text, tables)
		if !ok {
			if changed != text {
				t.Fatalf("%q was half changed to %q", text, changed)
			}
			return
		}
		if strays := (pdu.SplitOptions{Tables: tables}).Strays(changed); len(strays) > 0 {
			t.Fatalf("%q became %q, which has %+v", text, changed, strays)
		}
		if again, ok := pdu.Transliterate(changed, tables); !ok || norm.NFC.String(again) != norm.NFC.String(changed) {
			t.Fatalf("%q became %q, and that %q", text, changed, again)
		}
	})
}
