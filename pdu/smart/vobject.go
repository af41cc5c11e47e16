package smart

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a card or calendar, which keep the work on any input small.
const (
	maxVObjectSize   = 256 << 10 // octets; holds any card with a photo that people export
	maxVObjectLines  = 4096      // such a photo in lines of 75 characters
	maxVObjectDepth  = 8         // components in each other; an alarm in an event in a calendar is 3
	maxVObjectParams = 32        // parameters of a property; those of an invited person are ten
)

// Remark is what became of a property that did not make it, or not unchanged,
// into what the handset gets.
type Remark struct {
	Line int    // of the text, from 1
	Name string // of the property or component: "PHOTO"
	Text string // "left out: ..."
}

func (r Remark) String() string { return fmt.Sprintf("line %d: %s %s", r.Line, r.Name, r.Text) }

// remarks collects what a conversion has to say.
type remarks []Remark

func (r *remarks) leftOut(p vProperty, format string, args ...any) {
	r.say(p, "left out: "+format, args...)
}

func (r *remarks) say(p vProperty, format string, args ...any) {
	*r = append(*r, Remark{Line: p.line, Name: clip(p.name), Text: fmt.Sprintf(format, args...)})
}

// vProperty is a content line: the line of a card or calendar, unfolded.
//
// The public decoders for RFC 6350 and RFC 5545 do not serve here. go-vcard
// takes the number out of `TEL;PREF:+1234` for a parameter, drops lines that it
// cannot read without a word, and undoes escapes before a value is cut at its
// semicolons; go-ical panics on `DTSTART;TZID=x` and on `X;A="a"b:c`, takes
// 15 seconds for a parameter of 256 KiB, and asks the system for time zones.
// Neither knows vCard 2.1 or vCalendar 1.0. Both are good writers, and as such
// stand against this reader in the tests.
type vProperty struct {
	line   int    // where it starts
	group  string // "item1" of "item1.TEL"
	name   string // in capitals
	params []vParam
	value  string // as it stands, soft line breaks of quoted-printable taken out
	source string // the line itself, with such breaks as CRLF; "" when it was folded
}

// vParam is a parameter. One without a name, `TEL;HOME`, is from vCard 2.1 or
// vCalendar 1.0.
type vParam struct{ name, value string }

// param returns the value of the first parameter of a name.
func (p vProperty) param(name string) string {
	for _, q := range p.params {
		if q.name == name {
			return q.value
		}
	}
	return ""
}

// types returns the values of TYPE, and parameters without a name, in capitals.
func (p vProperty) types() (types []string) {
	for _, q := range p.params {
		if q.name == "" || q.name == "TYPE" {
			types = append(types, strings.Split(strings.ToUpper(q.value), ",")...)
		}
	}
	return types
}

// vComponent is what stands between a BEGIN and its END.
type vComponent struct {
	begin      vProperty // its BEGIN; the name is that of the component
	properties []vProperty
	children   []vComponent
}

// first returns the first property of a name.
func (c vComponent) first(name string) (vProperty, bool) {
	for _, p := range c.properties {
		if p.name == name {
			return p, true
		}
	}
	return vProperty{}, false
}

// versit reports whether a text is in the old formats of the versit
// consortium, which fold, escape and encode otherwise than those of the IETF.
func versit(version string) bool { return version == "2.1" || version == "1.0" }

// readVObject reads a text that has to hold one component of a name in one of
// some versions.
func readVObject(text []byte, name string, versions ...string) (c vComponent, version string, err error) {
	properties, version, err := scanVObject(text)
	if err != nil {
		return vComponent{}, "", err
	}
	t := vBuilder{rest: properties}
	begin, _ := t.next()
	c, err = t.component(begin, 1)
	switch {
	case err != nil:
		return vComponent{}, "", err
	case c.begin.name != name:
		return vComponent{}, "", fmt.Errorf("line %d: a %s where a %s was expected", c.begin.line, clip(c.begin.name), name)
	case len(t.rest) > 0:
		p := t.rest[0]
		return vComponent{}, "", fmt.Errorf("line %d: %s after the END of the %s; send one %[3]s at a time", p.line, clip(p.name), name)
	}
	if !slices.Contains(versions, version) {
		return vComponent{}, "", fmt.Errorf("VERSION %q of a %s is not known; it has to be one of %s", clip(version), name, strings.Join(versions, ", "))
	}
	return c, version, nil
}

// vBuilder builds components of content lines.
type vBuilder struct{ rest []vProperty }

// next takes a content line; ok is false after the last.
func (t *vBuilder) next() (p vProperty, ok bool) {
	if len(t.rest) == 0 {
		return vProperty{}, false
	}
	p, t.rest = t.rest[0], t.rest[1:]
	return p, true
}

// component builds the component that begin has started.
func (t *vBuilder) component(begin vProperty, depth int) (vComponent, error) {
	c := vComponent{begin: begin}
	c.begin.name = componentName(begin)
	switch {
	case begin.name != "BEGIN":
		return c, fmt.Errorf("line %d: no BEGIN; a card starts with BEGIN:VCARD, a calendar with BEGIN:VCALENDAR", max(begin.line, 1))
	case depth > maxVObjectDepth:
		return c, fmt.Errorf("line %d: components more than %d deep; take the innermost out", begin.line, maxVObjectDepth)
	}
	for p, ok := t.next(); ok; p, ok = t.next() {
		switch p.name {
		case "BEGIN":
			child, err := t.component(p, depth+1)
			if err != nil {
				return c, err
			}
			c.children = append(c.children, child)
		case "END":
			if end := componentName(p); end != c.begin.name {
				return c, fmt.Errorf("line %d: END:%s where END:%s was expected", p.line, clip(end), clip(c.begin.name))
			}
			return c, nil
		default:
			c.properties = append(c.properties, p)
		}
	}
	return c, fmt.Errorf("line %d: the %s has no END; was the text cut short?", begin.line, clip(c.begin.name))
}

func componentName(p vProperty) string { return strings.ToUpper(strings.TrimSpace(p.value)) }

// scanVObject cuts a text into content lines. The version that the text names
// tells how its lines are folded.
func scanVObject(text []byte) (properties []vProperty, version string, err error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	switch {
	case len(text) > maxVObjectSize:
		return nil, "", fmt.Errorf("a text of %d octets, more than %d; take photos and sounds out", len(text), maxVObjectSize)
	case bytes.Count(text, []byte("\n")) > maxVObjectLines:
		return nil, "", fmt.Errorf("a text of more than %d lines; take photos and sounds out", maxVObjectLines)
	}
	l := vLines{rest: strings.Split(string(text), "\n")}
	version = l.version()
	for l.more() {
		line, folded := l.take(versit(version))
		if strings.TrimSpace(line) == "" {
			continue
		}
		p, err := parseVProperty(line)
		if err != nil {
			return nil, "", fmt.Errorf("line %d: %w", l.start, err)
		}
		p.line = l.start
		if folded {
			p.source = ""
		}
		if p.base64() {
			l.skipBase64()
		}
		properties = append(properties, p)
	}
	return properties, version, nil
}

// vLines takes content lines off a text.
type vLines struct {
	rest  []string
	taken int // lines
	start int // number of the line that the last content line started with
}

func (l *vLines) more() bool { return len(l.rest) > 0 }

// version returns what the first VERSION of the text says, "" without one.
func (l *vLines) version() string {
	for _, line := range l.rest {
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "VERSION") {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// physical takes one line, without its end. Exports that went through the
// wrong hands have CR CR LF.
func (l *vLines) physical() string {
	line := strings.TrimRight(l.rest[0], "\r")
	l.rest = l.rest[1:]
	l.taken++
	return line
}

// take returns a content line. A fold is a line end and one blank, of which
// RFC 5545 and RFC 6350 take both out and versit only the line end; a soft line
// break of quoted-printable stays, as CRLF.
func (l *vLines) take(versit bool) (line string, folded bool) {
	var b strings.Builder
	first := l.physical()
	l.start = l.taken
	b.WriteString(first)
	if header, _, ok := strings.Cut(first, ":"); ok && strings.Contains(strings.ToUpper(header), "QUOTED-PRINTABLE") {
		for last := first; strings.HasSuffix(last, "=") && l.more(); {
			last = l.physical()
			b.WriteString("\r\n" + last)
		}
		return b.String(), false
	}
	for l.more() && l.rest[0] != "" && strings.ContainsRune(" \t", rune(l.rest[0][0])) {
		next := l.physical()
		if !versit {
			next = next[1:]
		}
		b.WriteString(next)
		folded = true
	}
	return b.String(), folded
}

// skipBase64 skips lines of base64, which old programs do not indent.
func (l *vLines) skipBase64() {
	for l.more() && !strings.ContainsAny(l.rest[0], ":;") && strings.TrimSpace(l.rest[0]) != "" {
		l.physical()
	}
}

// parseProperty reads a content line. RFC 6350, 3.3; RFC 5545, 3.1; vCard 2.1,
// 2.1.1.
func parseVProperty(line string) (vProperty, error) {
	p := vProperty{source: line}
	at := strings.IndexAny(line, ":;")
	if at < 0 {
		return p, fmt.Errorf("%q has no colon and so is no property; a line that goes on starts with a blank", clip(line))
	}
	p.name = strings.ToUpper(strings.TrimSpace(line[:at]))
	if group, name, ok := strings.Cut(p.name, "."); ok {
		p.group, p.name = group, name
	}
	if p.name == "" {
		return p, fmt.Errorf("%q does not start with the name of a property", clip(line))
	}
	for line[at] == ';' {
		from := at + 1
		if at = paramEnd(line, from); at < 0 {
			return p, fmt.Errorf("%s: no colon after the parameters, or a quotation mark without its pair", clip(p.name))
		}
		if raw := line[from:at]; raw != "" {
			p.params = append(p.params, parseVParam(raw))
		}
		if len(p.params) > maxVObjectParams {
			return p, fmt.Errorf("%s: more than %d parameters; take some out", clip(p.name), maxVObjectParams)
		}
	}
	p.value = strings.ReplaceAll(line[at+1:], "=\r\n", "")
	return p, nil
}

// paramEnd returns where a parameter that starts at from ends, -1 when it does
// not.
func paramEnd(line string, from int) int {
	quoted := false
	for i := from; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ';' || c == ':'):
			return i
		}
	}
	return -1
}

func parseVParam(raw string) vParam {
	name, value, ok := strings.Cut(raw, "=")
	if !ok {
		name, value = "", name
	}
	return vParam{strings.ToUpper(strings.TrimSpace(name)), strings.ReplaceAll(value, `"`, "")}
}

// clip returns the start of a foreign text for a message.
func clip(s string) string {
	const most = 40
	tail := ""
	if len(s) > most {
		s, tail = s[:most], "..."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return '?'
	}, s) + tail
}

// DescribeVObject returns a card or calendar for people, one property a line:
// what a handset sent, and what is about to be sent. It reads all versions, and
// several cards in a row.
func DescribeVObject(data []byte) ([]string, error) {
	properties, version, err := scanVObject(data)
	if err != nil {
		return nil, err
	}
	if len(properties) == 0 {
		return nil, errors.New("no card or calendar: the data is empty")
	}
	described := make([]string, 0, len(properties))
	for _, p := range properties {
		described = append(described, p.describe(versit(version)))
	}
	return described, nil
}

func (p vProperty) describe(versit bool) string {
	text, err := p.text()
	if err != nil || p.base64() {
		text = fmt.Sprintf("(%d characters)", len(p.value))
	} else if !versit {
		text = unescape(text)
	}
	name := p.name
	if types := p.types(); len(types) > 0 {
		name += " (" + strings.Join(types, " ") + ")"
	}
	return name + ": " + strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' }), " / ")
}
