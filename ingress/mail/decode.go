package mail

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	gomessage "github.com/emersion/go-message"
	"github.com/emersion/go-message/charset"
	"golang.org/x/text/encoding/charmap"

	"cellpost/pdu"
)

// decode makes UTF-8 of octets: by the charset that they are said to have, if it is
// known and none that is said where nobody has thought of it; else they are UTF-8
// where they can be, and Windows-1252 where not, for what is declared wrongly comes
// from old Windows programs.
func decode(octets []byte, name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "", "utf-8", "utf8", "us-ascii", "iso-8859-1", "latin1", "windows-1252", "cp1252":
	case "utf-7", "unicode-1-1-utf-7":
		return fromUTF7(octets)
	default:
		if r, err := charset.Reader(name, bytes.NewReader(octets)); err == nil {
			if text, err := io.ReadAll(r); err == nil {
				return strings.ToValidUTF8(string(text), "\ufffd")
			}
		}
	}
	if utf8.Valid(octets) {
		return string(octets)
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(octets)
	if err != nil {
		return strings.ToValidUTF8(string(octets), "\ufffd")
	}
	return string(text)
}

// fromUTF7 decodes UTF-7: from "+" on base64 of UTF-16, up to "-" or whatever else is
// no digit of it; "+-" is "+". RFC 2152.
func fromUTF7(octets []byte) string {
	var b strings.Builder
	for len(octets) > 0 {
		before, rest, ok := bytes.Cut(octets, []byte("+"))
		b.WriteString(decode(before, ""))
		if !ok {
			break
		}
		digits := rest[:len(rest)-len(bytes.TrimLeft(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))]
		octets = bytes.TrimPrefix(rest[len(digits):], []byte("-"))
		utf16, _ := base64.RawStdEncoding.AppendDecode(nil, digits)
		text, _ := pdu.DecodeUCS2(utf16[:len(utf16)&^1])
		if len(digits) == 0 {
			text = "+"
		}
		b.WriteString(text)
	}
	return b.String()
}

// transfer undoes a transfer encoding. ok is false where nothing can be made of it.
func transfer(octets []byte, encoding string) (decoded []byte, ok bool) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return fromBase64(octets)
	case "quoted-printable":
		return fromQuoted(octets, false), true
	}
	return octets, true
}

// fromBase64 decodes line by line, with padding anywhere or none. A line that is
// something else ends it, for relays append their notices; if it is the first, the
// octets were never encoded, which shows in their blanks and colons.
func fromBase64(octets []byte) (decoded []byte, ok bool) {
	digits := make([]byte, 0, len(octets))
	for line := range bytes.Lines(octets) {
		line = bytes.TrimSpace(line)
		if bytes.ContainsFunc(line, func(r rune) bool {
			return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '+' && r != '/' && r != '='
		}) {
			if len(digits) > 0 {
				break
			}
			return octets, bytes.ContainsAny(line, " :")
		}
		digits = append(digits, line...)
	}
	decoded = make([]byte, 0, len(digits)/4*3+3)
	for piece := range bytes.FieldsFuncSeq(digits, func(r rune) bool { return r == '=' }) {
		if len(piece)%4 == 1 {
			piece = piece[:len(piece)-1] // six bits are no octet
		}
		var err error
		if decoded, err = base64.RawStdEncoding.AppendDecode(decoded, piece); err != nil {
			return nil, false
		}
	}
	return decoded, true
}

// fromQuoted decodes quoted-printable; what is no code stands for itself. In a
// header "_" is a blank. RFC 2045, 6.7; RFC 2047, 4.2.
func fromQuoted(octets []byte, header bool) []byte {
	out := make([]byte, 0, len(octets))
	for i := 0; i < len(octets); i++ {
		c := octets[i]
		if c == '_' && header {
			c = ' '
		}
		if c != '=' {
			out = append(out, c)
			continue
		}
		if n := softBreak(octets[i+1:]); n > 0 {
			i += n
			continue
		}
		if i+2 < len(octets) && hexDigit(octets[i+1]) >= 0 && hexDigit(octets[i+2]) >= 0 {
			c = byte(hexDigit(octets[i+1])<<4 | hexDigit(octets[i+2]))
			i += 2
		}
		out = append(out, c)
	}
	return out
}

// softBreak returns the length of a line end, with blanks before it: 0 for none.
func softBreak(after []byte) int {
	const blanksMax = 76 // of a line
	for i, c := range after[:min(len(after), blanksMax)] {
		switch {
		case c == '\n':
			return i + 1
		case c != ' ' && c != '\t' && c != '\r':
			return 0
		}
	}
	return 0
}

func hexDigit(c byte) int {
	return strings.IndexByte("0123456789ABCDEF", byte(unicode.ToUpper(rune(c))))
}

// encodedWord is lenient: mailers leave blanks inside, and set them in quotes.
// RFC 2047, 2.
var encodedWord = regexp.MustCompile(`=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?\r\n]*)\?=`)

// words decodes the encoded words of a header. Those of one charset that stand side
// by side are decoded together, for some mailers cut a character in two.
func words(s string) string {
	if !utf8.ValidString(s) {
		s = decode([]byte(s), "")
	}
	var b strings.Builder
	var octets []byte
	var name string
	end := 0
	flush := func() {
		b.WriteString(decode(octets, name))
		octets = nil
	}
	for _, at := range encodedWord.FindAllStringSubmatchIndex(s, -1) {
		between, next := s[end:at[0]], s[at[2]:at[3]]
		if len(octets) > 0 && (!blank(between) || !strings.EqualFold(next, name)) {
			flush()
		}
		if end == 0 || !blank(between) {
			b.WriteString(between)
		}
		name, end = next, at[1]
		content := []byte(s[at[6]:at[7]])
		if strings.EqualFold(s[at[4]:at[5]], "b") {
			decoded, ok := fromBase64(bytes.ReplaceAll(content, []byte(" "), nil))
			if !ok {
				decoded = []byte(s[at[0]:at[1]])
			}
			octets = append(octets, decoded...)
		} else {
			octets = append(octets, fromQuoted(content, true)...)
		}
	}
	flush()
	return b.String() + s[end:]
}

// oneLine makes blanks of line ends and other controls.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// extended is a parameter in one piece with a charset. RFC 2231, 4.
var extended = regexp.MustCompile(`(?i)name\*(?:0\*)?=\s*([^'\s;]*)'[^']*'([^;\s]+)`)

// fileName is the name of an attachment, without folders; "" if it has none.
func fileName(h gomessage.Header) string {
	name := ""
	for _, key := range []string{"Content-Disposition", "Content-Type"} {
		if m := extended.FindStringSubmatch(h.Get(key)); m != nil && !strings.EqualFold(m[1], "utf-8") {
			if octets, err := url.PathUnescape(m[2]); err == nil { // charsets that the library does not read here
				name = decode([]byte(octets), m[1])
				break
			}
		}
		parse := h.ContentDisposition
		if key == "Content-Type" {
			parse = h.ContentType
		}
		_, params, err := parse()
		if name = params["filename"] + params["name"]; err == nil && name != "" {
			break
		}
	}
	name = oneLine(words(name))
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	if len(name) > nameMax {
		name = strings.ToValidUTF8(name[len(name)-nameMax:], "")
	}
	return name
}

// unflow joins lines that a mailer broke to show them, and keeps the depth of
// quotes. RFC 3676, 4.
func unflow(text string, deleteSpace bool) string {
	var b strings.Builder
	joined, depth := false, 0 // whether a line goes on, and how deep in quotes it is
	for line := range strings.Lines(text) {
		content := strings.TrimRight(line, "\r\n")
		end := line[len(content):]
		quotes := len(content) - len(strings.TrimLeft(content, ">"))
		marks, rest := content[:quotes], strings.TrimPrefix(content[quotes:], " ") // space-stuffed
		if joined && quotes != depth {
			b.WriteString("\r\n")
			joined = false
		}
		if !joined {
			b.WriteString(marks)
			if quotes > 0 {
				b.WriteString(" ")
			}
		}
		joined, depth = rest != "-- " && strings.HasSuffix(rest, " "), quotes
		switch {
		case !joined:
			b.WriteString(rest + end)
		case deleteSpace:
			b.WriteString(strings.TrimSuffix(rest, " "))
		default:
			b.WriteString(rest)
		}
	}
	return b.String()
}
