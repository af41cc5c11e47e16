package ingress

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"cellpost/sms"
)

func TestFit(t *testing.T) {
	word := strings.Repeat("word ", 200)
	tests := []struct {
		name, text string
		account    sms.Account
		parts      int
		end        string // of what fits
		octets     int    // 0: all of it, uncut
	}{
		{"fits", "Meet me at home", sms.Account{}, 1, "home", 0},
		{"160 septets", strings.Repeat("x", 160), sms.Account{}, 1, "x", 0},
		{"161 septets", strings.Repeat("x", 161), sms.Account{}, 1, "x...", 160},
		{"at a word", word, sms.Account{}, 1, "word...", 157},
		{"three parts", word, sms.Account{}, 3, "word...", 457},
		{"UCS2 at a word", strings.Repeat("слово ", 30), sms.Account{}, 1, "слово…", 11*10 + 10 + 3},
		{"no blank in UCS2", strings.Repeat("字", 71), sms.Account{}, 1, "字…", 69*3 + 3},
		{"transliterated", strings.Repeat("żółw ", 60), sms.Account{NonGSM: "transliterate"}, 1, "żółw...", 0},
		{"cannot be written", strings.Repeat("字", 71), sms.Account{NonGSM: "reject"}, 1, "字", 0},
	}
	for _, tt := range tests {
		got, cut := Fit(tt.account, tt.text, tt.parts)
		if !strings.HasSuffix(got, tt.end) || !fits(tt.account, got, tt.parts) {
			t.Errorf("%s: %q, cut %v", tt.name, got, cut)
		}
		if cut != (got != tt.text) || tt.octets > 0 && len(got) != tt.octets {
			t.Errorf("%s: %d octets, want %d, cut %v", tt.name, len(got), tt.octets, cut)
		}
	}
}

// Whatever the text, what comes out fits, and begins as the text does.
func TestFitAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab €ż字😀\n[")), 0, 1200, -1).Draw(t, "text")
		parts := rapid.IntRange(1, 5).Draw(t, "parts")
		got, cut := Fit(sms.Account{}, text, parts)
		if !fits(sms.Account{}, got, parts) || !utf8.ValidString(got) {
			t.Fatalf("%q in %d parts", got, parts)
		}
		head := strings.TrimSuffix(strings.TrimSuffix(got, "..."), "…")
		if !strings.HasPrefix(text, head) || !cut && got != text {
			t.Fatalf("%q of %q, cut %v", got, text, cut)
		}
	})
}
