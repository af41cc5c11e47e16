package wap

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of a document. A service indication is 3 elements deep; the string
// table can make 2 octets into a long text, so what is read is counted.
const (
	maxDepth = 16
	maxText  = 1 << 16
)

var (
	errDeep = fmt.Errorf("more than %d elements deep; this is no push that a handset would read", maxDepth)
	errLong = fmt.Errorf("more than %d octets of text; this is no push that a handset would read", maxText)
)

// element is an element of a document, with the text right inside it.
type element struct {
	name       string
	attributes map[string][]byte
	text       []byte
}

// vocabulary gives the tokens of a document type, code page 0, their names.
type vocabulary struct {
	tags   []string // from token 0x05
	starts []start  // from token 0x05
	values []string // from token 0x85
}

// start is a name of an attribute and how its value begins.
type start struct{ name, value string }

// wbxml reads a document of WAP Binary XML into its elements, in the order in
// which they start. What stops it is a warning; what was read until there is
// returned. WAP-192-WBXML, 5.
func (s *scanner) wbxml(v vocabulary) []element {
	d := document{scanner: s, vocabulary: v}
	d.octet("Version")
	if d.uintvar("PublicID") == 0 { // then a string of the table names it
		d.uintvar("PublicID")
	}
	d.charset = d.uintvar("Charset")
	table := d.part("StringTable", d.uintvar("StringTable"))
	d.table = table.b
	for d.left() > 0 {
		d.content()
		if len(d.open) == 0 && len(d.elements) > 0 {
			break
		}
	}
	if d.err == nil && len(d.open) > 0 {
		d.fail("Body", d.offset(), errShort)
	}
	if d.err == nil && d.left() > 0 {
		d.warn("Body", d.offset(), "%d octets follow the document", d.left())
	}
	return d.elements
}

// document is a WBXML document being read.
type document struct {
	*scanner
	vocabulary
	charset  uint64
	table    []byte
	elements []element
	open     []int // those not ended, by index
	size     int   // of the text read
}

// Global tokens. WAP-192-WBXML, 7.1.
const (
	tokenSwitchPage = 0x00
	tokenEnd        = 0x01
	tokenEntity     = 0x02
	tokenString     = 0x03 // inline
	tokenLiteral    = 0x04
	tokenTable      = 0x83 // a string of the table
	tokenOpaque     = 0xC3

	bitAttributes = 0x80
	bitContent    = 0x40
	maskTag       = 0x3F

	firstToken = 0x05
	firstValue = 0x85
)

// content takes one token of the content of an element.
func (d *document) content() {
	at, token := d.offset(), d.octet("Body")
	switch text, ok := d.text(token); {
	case d.err != nil:
	case ok:
		if len(d.open) > 0 {
			e := &d.elements[d.open[len(d.open)-1]]
			e.text = append(e.text, text...)
		}
	case token == tokenSwitchPage:
		d.octet("Body")
	case token == tokenEnd:
		if len(d.open) > 0 {
			d.open = d.open[:len(d.open)-1]
		}
	case token&maskTag < tokenLiteral:
		d.misplaced(token, at)
	default:
		d.element(token, at)
	}
}

// element takes the start of an element with its attributes.
func (d *document) element(token byte, at int) {
	var name string
	if token&maskTag == tokenLiteral {
		name = d.fromTable(d.uintvar("Body"))
	} else if i := int(token&maskTag) - firstToken; i < len(d.tags) {
		name = d.tags[i]
	}
	e := element{name: name}
	if token&bitAttributes != 0 {
		e.attributes = d.attributes()
	}
	d.elements = append(d.elements, e)
	if token&bitContent == 0 {
		return
	}
	if len(d.open) == maxDepth {
		d.fail("Body", at, errDeep)
		return
	}
	d.open = append(d.open, len(d.elements)-1)
}

// attributes takes the attributes of an element, with the token that ends them.
// An attribute without a name here is passed over.
func (d *document) attributes() map[string][]byte {
	attributes := make(map[string][]byte)
	name := ""
	for d.err == nil {
		at, token := d.offset(), d.octet("Body")
		text, ok := d.text(token)
		switch i, j := int(token)-firstToken, int(token)-firstValue; {
		case d.err != nil || token == tokenEnd:
			return attributes
		case token == tokenSwitchPage:
			d.octet("Body")
		case token == tokenLiteral:
			name = d.fromTable(d.uintvar("Body"))
			delete(attributes, name)
		case 0 <= j && j < len(d.values):
			text, ok = d.keep(d.values[j]), true
		case 0 <= i && i < len(d.starts):
			name = d.starts[i].name
			attributes[name] = []byte(d.starts[i].value)
		case !ok && token&maskTag < tokenLiteral:
			d.misplaced(token, at)
		case firstToken <= token && token < bitAttributes:
			name = ""
		}
		if ok && name != "" {
			attributes[name] = append(attributes[name], text...)
		}
	}
	return attributes
}

// misplaced stops the reading at an extension or a processing instruction,
// which the document types read here do not have.
func (d *document) misplaced(token byte, at int) {
	d.fail("Body", at, fmt.Errorf("token 0x%02X has no place in this document", token))
}

// text takes the rest of a token that stands for text; ok is false when this
// one does not.
func (d *document) text(token byte) (text string, ok bool) {
	switch token {
	case tokenString:
		return d.keep(d.decode("Body", d.line("Body", widthOf(d.charset)), d.charset)), true
	case tokenTable:
		return d.fromTable(d.uintvar("Body")), true
	case tokenEntity: // a character; one that Unicode has not becomes U+FFFD
		return d.keep(string(rune(min(d.uintvar("Body"), 0x110000)))), true
	case tokenOpaque:
		opaque := d.part("Body", d.uintvar("Body"))
		return d.keep(opaqueDate(opaque.b)), true
	}
	return "", false
}

// keep counts a text that is read.
func (d *document) keep(text string) string {
	if d.size += len(text); d.size > maxText {
		d.fail("Body", d.offset(), errLong)
	}
	return text
}

// fromTable returns the string of the table at an offset.
func (d *document) fromTable(at uint64) string {
	if d.err == nil && at >= uint64(len(d.table)) {
		d.warn("StringTable", d.offset(), "no string at %d; it has %d octets", at, len(d.table))
	}
	if d.err != nil || at >= uint64(len(d.table)) {
		return ""
	}
	entry := scanner{b: d.table[at:], base: d.offset(), warnings: d.warnings}
	return d.keep(d.decode("StringTable", entry.line("StringTable", widthOf(d.charset)), d.charset))
}

// opaqueDate writes an opaque date as XML has it: its digits YYYYMMDDhhmmss two an
// octet, zeros at its end left out. Other octets come out in hexadecimal.
// WAP-167-ServiceInd, 8.2.2.
func opaqueDate(b []byte) string {
	digits := fmt.Sprintf("%X", b)
	if len(digits) < 8 || len(digits) > 14 || strings.ContainsAny(digits, "ABCDEF") {
		return digits
	}
	digits += "000000"
	return fmt.Sprintf("%s-%s-%sT%s:%s:%sZ", digits[:4], digits[4:6], digits[6:8], digits[8:10], digits[10:12], digits[12:14])
}

// xml reads a document in plain XML into its elements. What stops it is a
// warning.
func (s *scanner) xml() []element {
	at := s.offset()
	decoder := xml.NewDecoder(bytes.NewReader(s.rest()))
	decoder.Strict = false
	decoder.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) {
		b, err := io.ReadAll(r)
		return strings.NewReader(toText(b)), err
	}
	var elements []element
	var open []int
	for {
		token, err := decoder.Token()
		if err != nil {
			if !errors.Is(err, io.EOF) || len(open) > 0 {
				s.warn("Body", at+int(decoder.InputOffset()), "%v", err)
			}
			return elements
		}
		switch token := token.(type) {
		case xml.StartElement:
			if len(open) == maxDepth {
				s.fail("Body", at+int(decoder.InputOffset()), errDeep)
				return elements
			}
			e := element{name: token.Name.Local, attributes: make(map[string][]byte)}
			for _, a := range token.Attr {
				e.attributes[a.Name.Local] = []byte(a.Value)
			}
			open = append(open, len(elements))
			elements = append(elements, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				e := &elements[open[len(open)-1]]
				e.text = append(e.text, token...)
			}
		}
	}
}
