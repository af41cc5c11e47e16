// Package mail knows mail as people and programs send it: which text is meant, and
// who wrote it. It is pure: no I/O, no clock.
package mail

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	gomessage "github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // all charsets that mail comes in
	"golang.org/x/text/encoding/charmap"

	"cellpost/ingress"
)

// Message is what there is to know of a mail.
type Message struct {
	ID          string // Message-ID with its angle brackets; empty when it has none
	Automatic   bool   // a machine wrote it, and is not to be answered. RFC 3834, 5
	Text        string // UTF-8
	LongestLine int    // octets
}

// nestingMax is how deep parts may be inside each other. Mailers need three.
const nestingMax = 10

// Parse finds the text of a mail: that of the first part which is text but
// not HTML and no attachment. Where the header cannot be read the body is taken
// as it stands. The error is an [ingress.Refusal] with code 110.
func Parse(raw []byte) (Message, error) {
	entity, _ := gomessage.Read(bytes.NewReader(raw))
	if entity == nil {
		return newMessage(rawBody(raw)), nil
	}
	header := entity.Header
	text, err := findText(entity)
	if errors.Is(err, errUnreadable) && !isMultipart(header) {
		text, err = rawBody(raw), nil // it was not encoded as it says
	}
	if err != nil {
		return Message{}, err
	}
	if strings.TrimSpace(text) == "" && header.Has("User") && header.Has("Password") {
		text = decode(raw) // nobody told the client that a mail begins with a header
	}
	m := newMessage(text)
	m.ID = MessageID(header.Get("Message-Id"))
	auto := strings.TrimSpace(header.Get("Auto-Submitted"))
	m.Automatic = auto != "" && !strings.EqualFold(auto, "no")
	return m, nil
}

func newMessage(text string) Message {
	m := Message{Text: text}
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		m.LongestLine = max(m.LongestLine, len(line))
	}
	return m
}

// Errors of findText. errFound only ends the search.
var (
	errFound      = errors.New("found")
	errUnreadable = ingress.Refuse(ingress.CodeMail, "its encoding is broken")
	errHTML       = ingress.Refuse(ingress.CodeMail, "HTML only; send it as plain text")
	errNoText     = ingress.Refuse(ingress.CodeMail, "it has no text")
)

// findText walks the parts of a mail. An unknown charset or encoding does not
// stop it: the octets are there, and most often they are ASCII.
func findText(entity *gomessage.Entity) (text string, err error) {
	var plain, html bool
	err = entity.Walk(func(path []int, part *gomessage.Entity, _ error) error {
		kind, params := contentType(part.Header)
		disposition, _, _ := part.Header.ContentDisposition()
		switch {
		case len(path) > nestingMax:
			return errUnreadable
		case strings.EqualFold(disposition, "attachment"):
		case kind == "text/html":
			html = true
		case strings.HasPrefix(kind, "text/") || !strings.Contains(kind, "/"): // "text/pain", "plain"
			plain = true
			if text, err = readText(part, params); err != nil {
				return err
			}
			if strings.TrimSpace(text) != "" {
				return errFound
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, errFound), err == nil && plain:
		return text, nil
	case err != nil:
		return "", errUnreadable
	case html:
		return "", errHTML
	}
	return "", errNoText
}

// contentType is lenient: of a type with broken parameters it keeps the type.
func contentType(h gomessage.Header) (kind string, params map[string]string) {
	kind, params, err := h.ContentType()
	if err != nil {
		kind, _, _ = strings.Cut(kind, ";")
		kind = strings.ToLower(strings.TrimSpace(kind))
	}
	return kind, params
}

func isMultipart(h gomessage.Header) bool {
	kind, _ := contentType(h)
	return strings.HasPrefix(kind, "multipart/")
}

// readText reads a part that is text.
func readText(part *gomessage.Entity, params map[string]string) (string, error) {
	octets, err := io.ReadAll(part.Body)
	base64 := strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "base64")
	if errors.Is(err, io.ErrUnexpectedEOF) && !base64 {
		err = nil // the last boundary is missing; the text is whole
	}
	if err != nil {
		return "", err
	}
	text := decode(octets)
	if strings.EqualFold(params["format"], "flowed") {
		text = unflow(text, strings.EqualFold(params["delsp"], "yes"))
	}
	return text, nil
}

// decode makes UTF-8 of octets that should be, and else are Windows-1252: what
// is not declared, or declared wrongly, comes from old Windows programs.
func decode(octets []byte) string {
	if utf8.Valid(octets) {
		return string(octets)
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(octets)
	if err != nil {
		return strings.ToValidUTF8(string(octets), "\ufffd")
	}
	return string(text)
}

// unflow joins lines that a mailer broke to show them. RFC 3676, 4.
func unflow(text string, deleteSpace bool) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		content := strings.TrimRight(line, "\r\n")
		content = strings.TrimPrefix(content, " ") // space-stuffed
		if content == "-- " || !strings.HasSuffix(content, " ") {
			b.WriteString(content + line[len(strings.TrimRight(line, "\r\n")):])
			continue
		}
		if deleteSpace {
			content = strings.TrimSuffix(content, " ")
		}
		b.WriteString(content)
	}
	return b.String()
}

// rawBody is what stands after the first empty line, or all when there is none.
func rawBody(raw []byte) string {
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if _, body, ok := bytes.Cut(raw, []byte(end)); ok {
			return decode(body)
		}
	}
	return decode(raw)
}

// MessageID returns an RFC 5322 msg-id that may stand in another header, or "".
func MessageID(s string) string {
	const max = 250 // longer ones would have to be folded
	s = strings.TrimSpace(s)
	printable := !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
	if len(s) > max || !printable || !strings.HasPrefix(s, "<") || !strings.HasSuffix(s, ">") {
		return ""
	}
	return s
}
