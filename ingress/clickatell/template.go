package clickatell

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cellpost/ingress"
	"cellpost/pdu"
)

// Limits of a template, so that a small mail does not become a very large one. What
// takes 35 parts is far below them.
const (
	fieldMax    = 99       // highest N of #fieldN#
	fieldsMax   = 1000     // fields of a text
	linesMax    = 10_000   // lines of text, data and urltext: more than 35 parts have characters
	templateMax = 32 << 10 // octets of text, data and urltext where there are csv lines
	expandedMax = 16 << 10 // octets of a text with its columns
	expandedAll = 64 << 20 // of the texts of all lines
)

// coding is how the lines of a message are written.
type coding int

const (
	codedText   coding = iota
	codedUTF16         // unicode:1: four hexadecimal digits a character
	codedOctets        // hexadecimal digits, or a melody: lines are joined without anything between
)

// template is what is sent, with the places where columns of a csv line come in.
type template []piece

// piece is a literal, or the column that a field stands for.
type piece struct {
	literal string
	field   int // 1 to 99; 0: the literal
}

// newTemplate joins the lines of a message. A line of text ends in a new line,
// unless it is the last; data has none. With unicode:1 each line of text is whole,
// and so are the lines of data that follow each other.
func newTemplate(body []bodyLine, s style, c coding) (template, error) {
	switch {
	case size(body) > templateMax && s.fields:
		return nil, ingress.Refuse(ingress.CodeParts, "with csv lines the text has 32 KiB at most")
	case len(body) > linesMax:
		return nil, ingress.Refuse(ingress.CodeParts, "a text has 10000 lines at most")
	}
	var t template
	var run strings.Builder // of lines of data
	flush := func(line string) (err error) {
		if line != "" {
			t, err = t.add(line, s.fields, c)
		}
		return err
	}
	for i, l := range body {
		if l.key == "data" {
			run.WriteString(l.value)
			continue
		}
		if err := flush(run.String()); err != nil {
			return nil, err
		}
		run.Reset()
		value := l.value
		if l.key == "urltext" {
			value = decodeURL(value)
		}
		if err := flush(value); err != nil {
			return nil, err
		}
		if i < len(body)-1 && c != codedOctets {
			t = t.literal(s.newline)
		}
	}
	if err := flush(run.String()); err != nil {
		return nil, err
	}
	if s.fields && len(t) > fieldsMax {
		return nil, bad(fmt.Sprintf("text: over %d fields and lines with csv", fieldsMax))
	}
	return t, nil
}

func size(body []bodyLine) (octets int) {
	for _, l := range body {
		octets += len(l.value)
	}
	return octets
}

// add appends a line with its fields.
func (t template) add(line string, fields bool, c coding) (template, error) {
	for line != "" {
		before, field, after := line, 0, ""
		if fields {
			before, field, after = cutField(line)
		}
		if c == codedUTF16 {
			text, ok := decodeUTF16(before)
			if !ok {
				return nil, ingress.Refuse(ingress.CodeUnicode, "text: with unicode:1 it is four hexadecimal digits a character")
			}
			before = text
		}
		t = t.literal(before)
		if field > 0 {
			t = append(t, piece{field: field})
		}
		line = after
	}
	return t, nil
}

func (t template) literal(s string) template {
	if s == "" {
		return t
	}
	return append(t, piece{literal: s})
}

// cutField splits a line at its first #fieldN#; field is 0 when there is none.
func cutField(line string) (before string, field int, after string) {
	const mark = "#field"
	for from := 0; ; {
		i := strings.Index(line[from:], mark)
		if i < 0 {
			return line, 0, ""
		}
		from += i + len(mark)
		digits, _, ok := strings.Cut(line[from:min(len(line), from+3)], "#")
		n, err := strconv.ParseUint(digits, 10, 8)
		if ok && err == nil && 1 <= n && n <= fieldMax {
			return line[:from-len(mark)], int(n), line[from+len(digits)+1:]
		}
	}
}

// varies reports whether the template has fields.
func (t template) varies() bool {
	for _, p := range t {
		if p.field > 0 {
			return true
		}
	}
	return false
}

// expand puts columns in.
func (t template) expand(column func(field int) (string, bool)) (string, error) {
	var b strings.Builder
	for _, p := range t {
		s := p.literal
		if p.field > 0 {
			var ok bool
			if s, ok = column(p.field); !ok {
				return "", bad(fmt.Sprintf("csv: the column of #field%d# is missing", p.field))
			}
		}
		if column != nil && b.Len()+len(s) > expandedMax {
			return "", ingress.Refuse(ingress.CodeParts, "with its columns the text has over 16 KiB")
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// decodeURL takes a percent-encoding off; + is a blank, and a % that begins no
// octet is a %. The octets are UTF-8, or else ISO 8859-1.
func decodeURL(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	octets := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' {
			c = ' '
		} else if c == '%' && i+2 < len(s) {
			if o, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				c = o[0]
				i += 2
			}
		}
		octets = append(octets, c)
	}
	if !utf8.Valid(octets) {
		return pdu.DecodeLatin1(octets)
	}
	return string(octets)
}

// decodeUTF16 reads big-endian UTF-16 in hexadecimal digits, white space
// ignored. It is not ok when a character is not whole, a surrogate lacks its
// other half, or a digit is none.
func decodeUTF16(digits string) (s string, ok bool) {
	octets, err := decodeHex(digits)
	if err != nil {
		return "", false
	}
	s, bad := pdu.DecodeUCS2(octets)
	return s, bad < 0
}

// decodeHex reads octets in hexadecimal digits, white space ignored.
func decodeHex(digits string) ([]byte, error) {
	digits = strings.Join(strings.FieldsFunc(digits, unicode.IsSpace), "")
	octets, err := hex.DecodeString(digits)
	switch {
	case errors.Is(err, hex.ErrLength):
		return nil, fmt.Errorf("%d hexadecimal digits: an octet takes two, one is missing", len(digits))
	case err != nil:
		return nil, errors.New("these are no hexadecimal digits")
	}
	return octets, nil
}
