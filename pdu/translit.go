package pdu

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Transliterate replaces the characters of a text that GSM7 with the tables
// lacks by some that it has: “ by ", ê by e, œ by oe, α by A. Where one remains
// that has no replacement, the text is returned as it is, and ok is false: a
// text is never half changed. Tables that there are not hold nothing.
//
// docs/transliteration.md lists what is replaced by what. Cyrillic and other
// scripts that GSM7 has no letters of are left alone: there are several ways to
// write them in Latin letters, and their readers are better served by UCS2.
func Transliterate(text string, t Tables) (changed string, ok bool) {
	a, err := t.alphabet()
	if err != nil {
		return text, false
	}
	changed, at := transliterate(text, a.has)
	return changed, at < 0
}

// transliterate replaces what has says no to; at is where the first character
// is that cannot be replaced, or -1. The text is then returned as it is.
func transliterate(text string, has func(rune) bool) (changed string, at int) {
	w := transliterator{b: make([]byte, 0, len(text)), has: has}
	for i := 0; i < len(text); {
		n := i + letter(text[i:])
		s := text[i:n]
		if s == "μ" && n < len(text) && isLatin(text[n]) {
			s = "µ" // μg is a unit, not Greek
		}
		if !w.letter(s) {
			return text, i
		}
		i = n
	}
	return string(w.b), -1
}

// letter returns how many octets the first character of a text takes with the
// accents after it.
func letter(text string) int {
	_, n := utf8.DecodeRuneInString(text)
	for n < len(text) {
		r, size := utf8.DecodeRuneInString(text[n:])
		if !isAccent(r) {
			break
		}
		n += size
	}
	return n
}

func isLatin(c byte) bool  { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isAccent(r rune) bool { return 0x300 <= r && r <= 0x36F && !isOverlay(r) }

// isOverlay reports whether a combining character strikes through what it is
// on: ≮ is no < with an accent, but its opposite.
func isOverlay(r rune) bool { return 0x334 <= r && r <= 0x338 }

func isRaised(r rune) bool {
	return r == '¹' || r == '²' || r == '³' || r == '⁰' || '⁴' <= r && r <= '⁹'
}
func isLowered(r rune) bool { return '₀' <= r && r <= '₉' }
func isFraction(r rune) bool {
	return r == '¼' || r == '½' || r == '¾' || 0x2150 <= r && r <= 0x215E
}

// isNumber reports whether a character is a number that digits beside it are no
// part of.
func isNumber(r rune) bool { return isRaised(r) || isLowered(r) || isFraction(r) }

// transliterator writes a text character by character.
type transliterator struct {
	b    []byte
	has  func(rune) bool
	last rune // the character before, as it was
}

// letter writes a character with its accents, or what replaces it; false when
// nothing does.
func (w *transliterator) letter(s string) bool {
	start, before := len(w.b), w.last
	if !w.writeLetter(s) {
		return false
	}
	if isNumber(before) && !isNumber(w.last) && len(w.b) > start && isDigit(w.b[start]) {
		w.b = slices.Insert(w.b, start, ' ')
	}
	return true
}

func (w *transliterator) writeLetter(s string) bool {
	if r, size := utf8.DecodeRuneInString(s); size == len(s) && w.has(r) {
		w.b = append(w.b, s...)
		w.last = r
		return true
	}
	for _, r := range norm.NFC.String(s) {
		if !w.replace(r) {
			return false
		}
		w.last = r
	}
	return true
}

// replace writes a character, or what replaces it, which may have to be replaced
// in turn: ά by α, and α by A.
func (w *transliterator) replace(r rune) bool {
	if w.has(r) {
		w.b = utf8.AppendRune(w.b, r)
		return true
	}
	s, ok := replacement(r)
	if !ok {
		return false
	}
	for _, c := range s[w.needless(r, s):] {
		if !w.replace(c) {
			return false
		}
	}
	return true
}

// needless returns how much in front of a replacement is not needed: a space
// where no number ends, and what sets a raised or lowered digit apart from one
// that is so as well.
func (w *transliterator) needless(r rune, s string) int {
	switch {
	case isRaised(r) && isRaised(w.last), isLowered(r) && isLowered(w.last):
		return 1
	case len(s) > 1 && s[0] == ' ' && (len(w.b) == 0 || !isDigit(w.b[len(w.b)-1])):
		return 1
	}
	return 0
}

// replacement returns what stands for a character. A space in front of more is
// meant to keep numbers apart, and goes where there is none before it.
func replacement(r rune) (s string, ok bool) {
	for _, table := range [...]func(rune) (string, bool){replacedMark, replacedSign, replacedNumber, replacedLatin, replacedGreek} {
		if s, ok = table(r); ok {
			return s, true
		}
	}
	switch {
	case isAccent(r):
		return "", true
	case 0xFB00 <= r && r <= 0xFB06, 0xFF01 <= r && r <= 0xFF5E, 0x2160 <= r && r <= 0x217F: // ligatures, full-width forms, Roman numerals
		return norm.NFKD.String(string(r)), true
	}
	s = norm.NFD.String(string(r))
	return s, s != string(r)
}

// replacedMark is about punctuation and blanks.
func replacedMark(r rune) (string, bool) {
	switch r {
	case '“', '”', '„', '‟', '«', '»', '″', '¨':
		return `"`, true
	case '‘', '’', '‚', '‛', '‹', '›', '′', '´', '`', 'ʹ', 'ʻ', 'ʼ', 'ʽ', 'ˈ':
		return "'", true
	case '‐', '‑', '‒', '–', '—', '―', '−', '﹣', '¯':
		return "-", true
	case '…':
		return "...", true
	case '‥':
		return "..", true
	case '‼':
		return "!!", true
	case '⁇':
		return "??", true
	case '⁈':
		return "?!", true
	case '⁉':
		return "!?", true
	case '•', '‣', '∙', '●', '○', '◦', '▪', '▫', '■', '□', '◆', '◇', '∗':
		return "*", true
	case '·':
		return ".", true
	case '¸':
		return ",", true
	case '¦':
		return "|", true
	case '⁄', '∕':
		return "/", true
	case '∖':
		return `\`, true
	case '∶':
		return ":", true
	case '˜', '∼':
		return "~", true
	case 'ˆ':
		return "^", true
	case '\t', '\u00A0', '\u202F', '\u205F', '\u3000':
		return " ", true
	case '\v', '\u0085', '\u2028', '\u2029':
		return "\n", true
	case '\u00AD', '\u2060', '\uFEFF', '\u20E3': // soft hyphen, word joiner, byte order mark, keycap
		return "", true
	}
	switch {
	case 0x2000 <= r && r <= 0x200A: // blanks of all widths
		return " ", true
	case 0x200B <= r && r <= 0x200F, 0x202A <= r && r <= 0x202E, 0x2066 <= r && r <= 0x2069, 0xFE00 <= r && r <= 0xFE0F: // joiners, directions, variants
		return "", true
	}
	return "", false
}

// replacedSign is about trade marks, units, arithmetic and money.
func replacedSign(r rune) (string, bool) {
	switch r {
	case '™':
		return "(TM)", true
	case '℠':
		return "(SM)", true
	case '©':
		return "(C)", true
	case '®':
		return "(R)", true
	case '℗':
		return "(P)", true
	case '°':
		return " deg", true
	case '℃':
		return " degC", true
	case '℉':
		return " degF", true
	case 'µ':
		return "u", true
	case 'ℓ':
		return "l", true
	case '№':
		return "No.", true
	case 'ª':
		return "a", true
	case 'º':
		return "o", true
	case '×':
		return "x", true
	case '÷':
		return "/", true
	case '±':
		return "+/-", true
	case '≤':
		return "<=", true
	case '≥':
		return ">=", true
	case '≠':
		return "!=", true
	case '≈':
		return "~", true
	case '→':
		return "->", true
	case '←':
		return "<-", true
	case '↔':
		return "<->", true
	case '⇒':
		return "=>", true
	}
	return replacedMoney(r)
}

// replacedMoney gives currencies their ISO 4217 code, which no reader mistakes.
func replacedMoney(r rune) (string, bool) {
	switch r {
	case '¢':
		return "c", true
	case '₤':
		return "£", true
	case '₡':
		return "CRC", true
	case '₦':
		return "NGN", true
	case '₩':
		return "KRW", true
	case '₪':
		return "ILS", true
	case '₫':
		return "VND", true
	case '₱':
		return "PHP", true
	case '₲':
		return "PYG", true
	case '₴':
		return "UAH", true
	case '₵':
		return "GHS", true
	case '₸':
		return "KZT", true
	case '₹':
		return "INR", true
	case '₺':
		return "TRY", true
	case '₼':
		return "AZN", true
	case '₽':
		return "RUB", true
	case '₾':
		return "GEL", true
	case '฿':
		return "THB", true
	}
	return "", false
}

// replacedNumber is about fractions, and digits above and below the line. None
// may run into the digits before it: 3½ is not 31/2, nor 10² 102.
func replacedNumber(r rune) (string, bool) {
	switch {
	case isFraction(r):
		return " " + strings.ReplaceAll(norm.NFKD.String(string(r)), "⁄", "/"), true
	case isRaised(r):
		return "^" + norm.NFKD.String(string(r)), true
	case isLowered(r):
		return " " + norm.NFKD.String(string(r)), true
	}
	return "", false
}

// replacedLatin is about Latin letters that are none with an accent; those lose
// it.
func replacedLatin(r rune) (string, bool) {
	const (
		single = "ıłŁđðɗĐÐƊħĦŧŦŋŊſəɛƏƐɔƆɓƁƙƘƴƳƒ"
		plain  = "ilLdddDDDhHtTnNseeEEoObBkKyYf"
	)
	switch r {
	case 'þ':
		return "th", true
	case 'Þ':
		return "Th", true
	case 'œ':
		return "oe", true
	case 'Œ':
		return "OE", true
	case 'ĳ':
		return "ij", true
	case 'Ĳ':
		return "IJ", true
	case 'ŉ':
		return "'n", true
	case 'ẞ':
		return "SS", true
	}
	return counterpart(r, single, plain)
}

// replacedGreek makes capitals of Greek letters: those that GSM7 has, and Latin
// ones that look the same.
func replacedGreek(r rune) (string, bool) {
	const (
		small    = "αβγδεζηθικλμνξοπρσςτυφχψω" + "ϑϕ"
		capitals = "ABΓΔEZHΘIKΛMNΞOΠPΣΣTYΦXΨΩ" + "ΘΦ"
		greek    = "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"
		latin    = "ABEZHIKMNOPTYX"
	)
	if s, ok := counterpart(r, small, capitals); ok {
		return s, true
	}
	return counterpart(r, greek, latin)
}

// counterpart returns the character of to that stands where r stands in from.
func counterpart(r rune, from, to string) (string, bool) {
	at := strings.IndexRune(from, r)
	if at < 0 {
		return "", false
	}
	return string([]rune(to)[utf8.RuneCountInString(from[:at])]), true
}
