package smart

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
)

// maxQuoted is how long a line of quoted-printable gets. RFC 2045, 6.7 (5).
const maxQuoted = 76

// Encodings as `NOTE;ENCODING=x` and `NOTE;x` name them.
const (
	encodingQuoted = "QUOTED-PRINTABLE"
	encodingBase64 = "BASE64"
)

// quoted reports whether the value is in quoted-printable.
func (p vProperty) quoted() bool {
	return strings.EqualFold(p.param("ENCODING"), encodingQuoted) || slices.Contains(p.types(), encodingQuoted)
}

// base64 reports whether the value is in base64, and so is no text.
func (p vProperty) base64() bool {
	encoding := strings.ToUpper(p.param("ENCODING"))
	return encoding == encodingBase64 || encoding == "B" || slices.Contains(p.types(), encodingBase64)
}

// text returns the value in UTF-8, its encoding undone and its escapes left.
// Octets that are no UTF-8, where no other character set is named, are read as
// Windows-1252, of which ISO 8859-1 is a part.
func (p vProperty) text() (string, error) {
	if p.base64() {
		return "", errors.New("binary data")
	}
	value := p.value
	if p.quoted() {
		value, _ = decodeQuoted(value)
	}
	charset := p.param("CHARSET")
	switch strings.ToUpper(charset) {
	case "", "UTF-8", "US-ASCII":
		if utf8.ValidString(value) {
			return value, nil
		}
		return charmap.Windows1252.NewDecoder().String(value)
	}
	e, err := htmlindex.Get(charset)
	if err != nil {
		return "", fmt.Errorf("character set %q is not known", clip(charset))
	}
	return e.NewDecoder().String(value)
}

// decodeQuoted undoes quoted-printable. What is none stays, and ok is false.
func decodeQuoted(s string) (decoded string, ok bool) {
	b := make([]byte, 0, len(s))
	ok = true
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(c))
				i += 2
				continue
			}
		}
		ok = ok && s[i] != '='
		b = append(b, s[i])
	}
	return string(b), ok
}

// printable reports whether a value needs no encoding: printable ASCII.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

const digits = "0123456789"

// madeOf reports whether a text has some characters, and no others.
func madeOf(s, characters string) bool { return s != "" && strings.Trim(s, characters) == "" }

// hasForm reports whether a text has the characters of a form, in which 0 is any
// digit: "0000-00-00".
func hasForm(s, form string) bool {
	if len(s) != len(form) {
		return false
	}
	for i := range len(s) {
		isDigit := '0' <= s[i] && s[i] <= '9'
		if s[i] != form[i] && !(form[i] == '0' && isDigit) {
			return false
		}
	}
	return true
}

// clean reports whether a line of vCard 2.1 or vCalendar 1.0 is one as we would
// send it, but perhaps for the choice of what is quoted and where it breaks. It
// then goes out octet by octet as it came.
func (p vProperty) clean(types []string) bool {
	header := p.name
	for _, q := range p.params {
		switch {
		case q.name == "CHARSET", q.name == "ENCODING" && q.value == encodingQuoted:
			header += ";" + q.name + "=" + q.value
		case q.name == "" && slices.Contains(types, q.value):
			header += ";" + q.value
		default:
			return false
		}
	}
	breaks := strings.HasSuffix(p.source, "\n") || strings.Contains(p.source, "\n ")
	if breaks || !strings.HasPrefix(p.source, header+":") || !printable(header) || !printable(p.value) {
		return false
	}
	if !p.quoted() {
		return p.param("CHARSET") == ""
	}
	_, ok := decodeQuoted(p.value)
	return ok
}

// versitWriter writes vCard 2.1 and vCalendar 1.0: ASCII in lines that end in
// CRLF. Lines are not folded, for versit folds only where a blank is, and old
// handsets not at all.
type versitWriter struct{ strings.Builder }

func (w *versitWriter) line(s string) {
	w.WriteString(s)
	w.WriteString("\r\n")
}

// text writes a property. Text that is not printable ASCII goes as UTF-8 in
// quoted-printable, whatever ISO 8859-1 holds: one way for all languages, and
// what handsets themselves send.
func (w *versitWriter) text(name string, types []string, text string) {
	header := strings.Join(append([]string{name}, types...), ";")
	if printable(text) {
		w.line(header + ":" + text)
		return
	}
	w.line(quote(header+";CHARSET=UTF-8;ENCODING="+encodingQuoted+":", text))
}

// quote appends a text in quoted-printable to a header. RFC 2045, 6.7; line
// ends are encoded as well, and a blank that starts a line, lest it be taken for
// a fold. vCard 2.1, 2.1.5.
func quote(header, text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	var b strings.Builder
	b.WriteString(header)
	column := len(header)
	for i := range len(text) {
		c := text[i]
		plain := ' ' <= c && c <= '~' && c != '='
		if column+3 >= maxQuoted {
			b.WriteString("=\r\n")
			column = 0
		}
		if plain && !(c == ' ' && (column == 0 || i == len(text)-1)) {
			b.WriteByte(c)
			column++
			continue
		}
		fmt.Fprintf(&b, "=%02X", c)
		column += 3
	}
	return b.String()
}

// unescape undoes the escapes of RFC 6350, 3.4 and RFC 5545, 3.3.11, and those
// of colon and quotation mark, which common programs add. A backslash before
// anything else stays.
func unescape(s string) string { return unescaper.Replace(s) }

var unescaper = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\N`, "\n", `\,`, ",", `\;`, ";", `\:`, ":", `\"`, `"`)

// splitEscaped cuts a value at a separator without a backslash before it. The
// parts keep their escapes.
func splitEscaped(s string, separator byte) (parts []string) {
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

// joinVersit joins parts by semicolons as versit wants them, where nothing but a
// semicolon can be escaped. A backslash that ends a part would escape the
// separator and goes.
func joinVersit(parts []string) string {
	joined := make([]string, len(parts))
	for i, part := range parts {
		joined[i] = strings.ReplaceAll(strings.TrimRight(part, `\`), ";", `\;`)
	}
	return strings.Join(joined, ";")
}
