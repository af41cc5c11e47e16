package smart

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

const vcardName = "VCARD"

// cardProperty is a property of a card that handsets understand.
type cardProperty struct {
	structured bool     // several parts, with semicolons between them
	once       bool     // a second one is left out
	types      []string // that go with it
}

// cardProperties are what a card keeps, of all that vCard 2.1 has: what old
// handsets show, at the price of as few short messages as can be.
var cardProperties = map[string]cardProperty{
	"N":     {structured: true, once: true},
	"FN":    {once: true},
	"TEL":   {types: []string{"PREF", "WORK", "HOME", "VOICE", "FAX", "MSG", "CELL", "PAGER", "BBS", "MODEM", "CAR", "ISDN", "VIDEO"}},
	"EMAIL": {types: []string{"PREF", "WORK", "HOME", "INTERNET", "X400"}},
	"ORG":   {structured: true},
	"TITLE": {},
	"ADR":   {structured: true, types: []string{"PREF", "WORK", "HOME", "DOM", "INTL", "POSTAL", "PARCEL"}},
	"URL":   {types: []string{"PREF", "WORK", "HOME"}},
	"NOTE":  {},
	"BDAY":  {once: true},
}

// VCard turns a business card, one vCard 2.1, 3.0 or 4.0 (RFC 2426, RFC 6350),
// into the vCard 2.1 that handsets take. Of a 2.1 card every line that is kept
// stays as it is, octet by octet; line ends become CRLF.
//
// The card keeps N, FN, TEL, EMAIL, ORG, TITLE, ADR, URL, NOTE and BDAY. The
// remarks name whatever else it had. A card without an N gets one of its FN or
// ORG. Several cards in one text are an error, for each is paid for.
func VCard(text []byte) (Object, []Remark, error) {
	c, version, err := readVObject(text, vcardName, "2.1", "3.0", "4.0")
	if err != nil {
		return Object{}, nil, err
	}
	card := cardWriter{versit: versit(version), seen: make(map[string]bool)}
	card.line("BEGIN:" + vcardName)
	card.line("VERSION:2.1")
	if err := card.name(c); err != nil {
		return Object{}, nil, err
	}
	for _, p := range c.properties {
		card.property(p)
	}
	for _, child := range c.children {
		card.leftOut(child.begin, "handsets take one card, not one within another")
	}
	card.line("END:" + vcardName)
	return Object{Port: PortVCard, Data: []byte(card.String())}, card.remarks, nil
}

// cardWriter is a vCard 2.1 in the making.
type cardWriter struct {
	versitWriter
	remarks
	versit bool // the source is vCard 2.1
	seen   map[string]bool
}

// name writes an N when the card lacks one, which vCard 2.1 asks for.
func (c *cardWriter) name(source vComponent) error {
	var names [3]string
	for _, p := range source.properties {
		if i := slices.Index([]string{"N", "FN", "ORG"}, p.name); i >= 0 && names[i] == "" {
			names[i], _ = c.value(p)
		}
	}
	if names[0] != "" {
		return nil
	}
	company := splitEscaped(names[2], ';')[0]
	name := joinVersit([]string{cmp.Or(names[1], company)})
	if strings.TrimSpace(name) == "" {
		return errors.New("the card has no name; give it an N, FN or ORG")
	}
	c.text("N", nil, name)
	return nil
}

func (c *cardWriter) property(p vProperty) {
	if p.name == "VERSION" {
		return
	}
	known, ok := cardProperties[p.name]
	if !ok {
		c.leftOut(p, "%s", whyNot(p))
		return
	}
	text, err := c.value(p)
	switch {
	case err != nil:
		c.leftOut(p, "%v", err)
		return
	case text == "":
		return // says nothing
	case known.once && c.seen[p.name]:
		c.leftOut(p, "the card has one before it")
		return
	case p.name == "BDAY" && !isBirthday(text):
		c.leftOut(p, "%q is no whole date, like 19800322", clip(text))
		return
	case c.versit && p.clean(known.types):
		c.line(p.source)
	default:
		c.text(p.name, typesOf(p, known.types), text)
	}
	c.seen[p.name] = true
}

// isBirthday reports whether a text is a date that vCard 2.1 can say: ISO 8601,
// whole, basic or extended, with a time or without.
func isBirthday(text string) bool {
	date, clock, timed := strings.Cut(text, "T")
	if !hasForm(date, "00000000") && !hasForm(date, "0000-00-00") {
		return false
	}
	if !timed {
		return true
	}
	clock, utc := strings.CutSuffix(clock, "Z")
	if at := strings.IndexAny(clock, "+-"); at >= 0 && !utc {
		if !madeOf(clock[at+1:], digits+":") {
			return false
		}
		clock = clock[:at]
	}
	return madeOf(clock, digits+":.")
}

// value returns the value of a property for vCard 2.1, "" when it is blank.
func (c *cardWriter) value(p vProperty) (string, error) {
	text, err := p.text()
	if err != nil {
		return "", err
	}
	if !c.versit {
		text = c.modern(p, text)
	}
	if strings.Trim(text, "; ") == "" {
		return "", nil
	}
	return text, nil
}

// modern turns a value of vCard 3.0 or 4.0 into one of vCard 2.1.
func (c *cardWriter) modern(p vProperty, text string) string {
	if cardProperties[p.name].structured {
		parts := splitEscaped(text, ';')
		for i, part := range parts {
			parts[i] = unescape(part)
		}
		return joinVersit(parts)
	}
	text = unescape(text)
	switch p.name {
	case "EMAIL":
		return trimScheme(text, "mailto:")
	case "TEL":
		number, rest, ok := strings.Cut(trimScheme(text, "tel:"), ";") // RFC 3966
		if ok {
			c.say(p, "sent without %q; handsets take a number alone", clip(rest))
		}
		return number
	}
	return text
}

// trimScheme takes the scheme of a URI off.
func trimScheme(uri, scheme string) string {
	if len(uri) > len(scheme) && strings.EqualFold(uri[:len(scheme)], scheme) {
		return uri[len(scheme):]
	}
	return uri
}

// typesOf returns those types of a property that vCard 2.1 has, each once. The
// PREF=1 of vCard 4.0 is one of them.
func typesOf(p vProperty, allowed []string) (types []string) {
	all := p.types()
	if p.param("PREF") == "1" {
		all = append(all, "PREF")
	}
	for _, t := range all {
		if slices.Contains(allowed, t) && !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return types
}

func whyNot(p vProperty) string {
	switch p.name {
	case "PHOTO", "LOGO", "SOUND", "KEY":
		return "it would take many short messages"
	}
	return "handsets do not show it"
}
