// Package wap reads what a WAP push says: short messages to port 2948 that
// carry a link, a settings document or the notice that an MMS waits. It names
// every kind, and shows the ones that people are meant to read.
//
// The air is read leniently: a value, and warnings for whatever the sender got
// wrong or the way cut off. Nothing here writes a push, does I/O or reads a
// clock, and nothing follows a link.
package wap

import (
	"bytes"
	"fmt"
	"strings"

	"cellpost/pdu"
)

// PortPush is where WAP pushes and the notifications of MMS go, in the registry
// of IANA.
const PortPush uint16 = 2948

// maxData bounds a push: no concatenated short message has more than 255 parts
// of 140 octets. 3GPP TS 23.040, 9.2.3.24.
const maxData = 255 * 140

// maxWarnings bounds what is said about one push; more would tell nothing new.
const maxWarnings = 32

// Push is a WSP push, the octets that follow the user data header of a short
// message. WAP-230-WSP, 8.2.4.1.
type Push struct {
	TID         byte     // transaction identifier
	Confirmed   bool     // the sender wants to be told, which no SMS can do
	ContentType string   // media type in lower case; "0x0317" when its number has no name here
	Parameters  []Header // of the content type: Charset, SEC, MAC ...
	Headers     []Header // in the order they stand
	Body        []byte   // as it came, also when Content could be read

	// Content is a [ServiceIndication], [ServiceLoading], [MMSNotification],
	// [MMSDelivery] or [MMSMessage]; nil when the body is known by its content
	// type only.
	Content fmt.Stringer
}

// Header is a header or a parameter as text: numbers are decimal, dates as in
// RFC 3339, octets without a meaning here hexadecimal.
type Header struct {
	Name  string // as WAP-230-WSP writes it; "0x5C" when it has no name
	Value string
}

// PDU types. WAP-230-WSP, table 34.
const (
	typePush          = 0x06
	typeConfirmedPush = 0x07
)

// Parse reads the user data of a short message to a push port, without its
// header and joined with its other parts. What it returns shares no memory with
// data. The error is a [*pdu.DecodeError]: this is no push, or it ends before its
// content type. A body cut short gives what there is, and a warning; there are 32
// warnings at most.
func Parse(data []byte) (Push, pdu.Warnings, error) {
	if len(data) > maxData {
		return Push{}, nil, &pdu.DecodeError{Field: "Type", Offset: maxData, Err: fmt.Errorf("%d octets; no short message holds more than %d", len(data), maxData)}
	}
	var warnings pdu.Warnings
	s := scanner{b: data, warnings: &warnings}
	p := Push{TID: s.octet("TID")}
	at := s.offset()
	switch t := s.octet("Type"); {
	case s.err != nil:
	case t == typeConfirmedPush:
		p.Confirmed = true
	case t != typePush:
		s.fail("Type", at, fmt.Errorf("0x%02X; a push has 0x06 or 0x07, this is something else", t))
	}
	headers := s.part("HeadersLen", s.uintvar("HeadersLen"))
	if s.err != nil {
		return Push{}, nil, s.err
	}
	p.contentType(&headers)
	if headers.err != nil {
		return Push{}, nil, headers.err
	}
	p.headers(&headers)
	headers.forgive()
	body := s.part("Data", uint64(s.left()))
	p.Body = bytes.Clone(body.b)
	p.Content = p.content(&body)
	body.forgive()
	return p, warnings, nil
}

// contentType takes the content type. WAP-230-WSP, 8.4.2.24.
func (p *Push) contentType(s *scanner) {
	at := s.offset()
	v := s.value("ContentType")
	if v.kind == kindData {
		general := v.data
		p.ContentType = mediaType(general.value("ContentType"))
		p.parameters(&general)
		general.forgive()
	} else {
		p.ContentType = mediaType(v)
	}
	if s.err == nil && p.ContentType == "" {
		s.fail("ContentType", at, errNoContentType)
	}
}

// mediaType names a content type, which is empty when the value is none.
func mediaType(v value) string {
	if n, ok := v.integer(); ok {
		if n < uint64(len(contentTypes)) {
			return contentTypes[n]
		}
		if name, ok := registeredTypes[n]; ok {
			return name
		}
		return fmt.Sprintf("0x%04X", n)
	}
	// A text form with parameters, as HTTP has it, is against the format.
	name, _, _ := strings.Cut(toText(v.text), ";")
	return strings.ToLower(strings.TrimSpace(name))
}

// parameters takes the parameters of a content type. WAP-230-WSP, 8.4.2.4.
func (p *Push) parameters(s *scanner) {
	for s.left() > 0 && s.err == nil {
		name := s.value("Parameter")
		v := s.value("Parameter")
		if s.err != nil {
			return
		}
		h := Header{Name: nameOf(name, parameterNames), Value: v.String()}
		if mib, ok := v.integer(); ok && h.Name == "Charset" && charsets[mib] != "" {
			h.Value = charsets[mib]
		}
		p.Parameters = append(p.Parameters, h)
	}
}

// headers takes the headers. Code pages other than the default have no names
// here; their headers are passed over. WAP-230-WSP, 8.4.1.
func (p *Push) headers(s *scanner) {
	const shiftDelimiter, lastShortcut, defaultPage = 0x7F, 0x1F, 1
	page := byte(defaultPage)
	for s.left() > 0 && s.err == nil {
		switch c := s.peek(); {
		case c == shiftDelimiter:
			s.octet("Headers")
			page = s.octet("Headers")
			continue
		case c <= lastShortcut:
			page = s.octet("Headers")
			continue
		}
		name := nameOf(s.value("Headers"), headerNames)
		v := s.value(name)
		if s.err == nil && page == defaultPage {
			p.Headers = append(p.Headers, Header{Name: name, Value: s.headerValue(name, v)})
		}
	}
}

// headerValue shows the value of a header as text.
func (s *scanner) headerValue(name string, v value) string {
	n, isInteger := v.integer()
	switch name {
	case "X-Wap-Application-Id":
		if app := applications[n]; isInteger && app != "" {
			return app
		} else if isInteger {
			return fmt.Sprintf("0x%02X", n)
		}
	case "Date", "Expires", "Last-Modified":
		if t := s.date(name, v); !t.IsZero() {
			return formatTime(t)
		}
	}
	return v.String()
}

// nameOf names a header or parameter by its number or its text.
func nameOf(v value, names []string) string {
	n, ok := v.integer()
	switch {
	case !ok:
		return toText(v.text)
	case n < uint64(len(names)) && names[n] != "":
		return names[n]
	default:
		return fmt.Sprintf("0x%02X", n)
	}
}

// Parameter returns the parameter of the content type, "" when it has none of
// that name.
func (p Push) Parameter(name string) string { return find(p.Parameters, name) }

// Header returns the first header of that name, "" when there is none.
func (p Push) Header(name string) string { return find(p.Headers, name) }

func find(headers []Header, name string) string {
	for _, h := range headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// content reads the body by the content type.
func (p *Push) content(s *scanner) fmt.Stringer {
	switch p.ContentType {
	case "application/vnd.wap.sic":
		return s.serviceIndication(s.wbxml(siVocabulary))
	case "text/vnd.wap.si":
		return s.serviceIndication(s.xml())
	case "application/vnd.wap.slc":
		return s.serviceLoading(s.wbxml(slVocabulary))
	case "text/vnd.wap.sl":
		return s.serviceLoading(s.xml())
	case "application/vnd.wap.mms-message":
		return s.mms()
	}
	return nil
}
