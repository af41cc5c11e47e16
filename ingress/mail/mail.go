// Package mail knows mail as people and programs send it: which text is meant, who
// wrote it, what is attached, and which addresses stand for numbers. It is pure: no
// I/O, no clock.
package mail

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	netmail "net/mail"
	"strings"

	gomessage "github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"

	"cellpost/ingress"
)

// Message is what there is to know of a mail.
type Message struct {
	ID          string   // Message-ID with its angle brackets; empty when it has none
	From        string   // first address of the header, bare; empty when there is none
	To          []string // addresses of To and Cc, bare
	Subject     string   // on one line
	Answers     bool     // it is an answer to another mail
	Automatic   bool     // a machine wrote it, and is not to be answered. RFC 3834, 5
	Bulk        bool     // it went to many, or asks for no automatic answer: no person wrote it to a number
	Received    int      // servers that it came through
	Text        string   // UTF-8
	LongestLine int      // octets

	Attachments []Attachment // the first of them
	Attached    int          // all of them
}

// Attachment is a part of a mail that is not its text.
type Attachment struct {
	Name string // of the file; may be empty
	Type string // media type, lower case: "image/png"
	Data []byte // nil: more than attachmentMax octets, or its encoding is broken
}

// Limits of a mail.
const (
	nestingMax     = 10      // parts inside of each other; mailers need three
	partsMax       = 1000    // of a mail, at all depths
	headerMax      = 1 << 20 // octets of a header
	attachmentsMax = 10      // that are kept
	attachmentMax  = 4 << 20 // octets of one: what smart.ReadImage takes
	nameMax        = 100     // octets of a file's name
)

// Errors of Parse: [ingress.Refusal] with code 110.
var (
	// ErrNoText is of a mail that may have a subject and attachments.
	ErrNoText = ingress.Refuse(ingress.CodeMail, "it has no text")

	errUnreadable = ingress.Refuse(ingress.CodeMail, "its encoding is broken")
)

// Parse finds the text of a mail: that of the first part which is plain text and
// no attachment, else of the first that is HTML, turned into text, and of those of
// its kind that are shown below it. Where the header cannot be read the body is taken
// as it stands. With [ErrNoText] comes all that there is beside a text.
func Parse(raw []byte) (Message, error) {
	in := bytes.NewReader(raw)
	limited := &io.LimitedReader{R: in, N: headerMax}
	buffered := bufio.NewReader(limited)
	fields, err := textproto.ReadHeader(buffered)
	if err != nil {
		return newMessage(rawBody(raw)), nil
	}
	header := gomessage.Header{Header: fields}
	body := raw[len(raw)-in.Len()-buffered.Buffered():]
	m := readHeader(header)
	w := walker{message: &m}
	err = w.part(header, bytes.NewReader(body), 0)
	if errors.Is(err, errUnreadable) && !isMultipart(header) {
		w.plain, err = rawBody(raw), nil // it was not encoded as it says
	}
	if err != nil {
		return Message{}, err
	}
	text := w.text()
	if blank(text) && header.Has("User") && header.Has("Password") {
		text = decode(raw, "") // nobody told the client that a mail begins with a header
	}
	m.setText(text)
	if !w.found {
		return m, ErrNoText
	}
	return m, nil
}

func newMessage(text string) Message {
	var m Message
	m.setText(text)
	return m
}

func (m *Message) setText(text string) {
	m.Text = text
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		m.LongestLine = max(m.LongestLine, len(line))
	}
}

// readHeader is all of a message that the header tells.
func readHeader(h gomessage.Header) Message {
	m := Message{
		ID:       MessageID(h.Get("Message-Id")),
		From:     firstAddress(h.Get("From")),
		To:       append(allAddresses(h.Get("To")), allAddresses(h.Get("Cc"))...),
		Subject:  oneLine(words(h.Get("Subject"))),
		Answers:  h.Has("In-Reply-To") || h.Has("References"),
		Received: len(h.Values("Received")),
	}
	auto := strings.TrimSpace(h.Get("Auto-Submitted"))
	kind, _ := contentType(h)
	m.Automatic = auto != "" && !strings.EqualFold(auto, "no") || kind == "multipart/report"
	switch strings.ToLower(strings.TrimSpace(h.Get("Precedence"))) {
	case "bulk", "junk", "list", "auto_reply":
		m.Bulk = true
	}
	suppress := strings.ToLower(h.Get("X-Auto-Response-Suppress"))
	m.Bulk = m.Bulk || strings.Contains(suppress, "all") || strings.Contains(suppress, "autoreply") ||
		h.Has("List-Id") || h.Has("List-Post") || h.Has("List-Unsubscribe")
	return m
}

// firstAddress is the first address of a header, "" where it cannot be read.
func firstAddress(s string) string {
	if list, err := netmail.ParseAddressList(s); err == nil {
		return list[0].Address
	}
	_, rest, ok := strings.Cut(s, "<")
	address, _, closed := strings.Cut(rest, ">")
	if !ok || !closed || strings.ContainsAny(address, " \t\r\n") || !strings.Contains(address, "@") {
		return ""
	}
	return address
}

// addressesMax is how many addresses of a header are kept.
const addressesMax = 100

func allAddresses(s string) []string {
	list, _ := netmail.ParseAddressList(s)
	var all []string
	for _, a := range list[:min(len(list), addressesMax)] {
		all = append(all, a.Address)
	}
	return all
}

// walker goes through the parts of a mail.
type walker struct {
	message     *Message
	parts       int
	plain, html string // of the first parts of their kind that are not blank
	found       bool   // a part that is text, blank or not
	said        bool   // one that is not
}

// text is the text that is meant.
func (w *walker) text() string {
	if blank(w.plain) && w.html != "" {
		return HTML(w.html)
	}
	return w.plain
}

// part reads a part and those inside of it. An unknown charset or encoding does not
// stop it: the octets are there, and most often they are ASCII.
func (w *walker) part(h gomessage.Header, body io.Reader, depth int) error {
	w.parts++
	if depth > nestingMax || w.parts > partsMax {
		return errUnreadable
	}
	kind, params := contentType(h)
	switch {
	case kind == "multipart/mixed":
		return w.mixed(params["boundary"], body, depth)
	case strings.HasPrefix(kind, "multipart/"):
		return w.multipart(params["boundary"], body, depth, func() {})
	}
	disposition := strings.ToLower(strings.TrimSpace(h.Get("Content-Disposition")))
	isText := strings.HasPrefix(kind, "text/") || !strings.Contains(kind, "/") // "text/pain", "plain"
	switch {
	case strings.HasPrefix(disposition, "attachment"), !isText, isCard(kind), w.said && kind == "text/plain" && fileName(h) != "":
		return w.attachment(h, kind, body)
	case kind == "text/html":
		return w.read(&w.html, h, params, body)
	}
	return w.read(&w.plain, h, params, body)
}

// isCard reports whether a text is made to be read by programs.
func isCard(kind string) bool {
	switch kind {
	case "text/vcard", "text/x-vcard", "text/directory", "text/calendar", "text/x-vcalendar", "text/rtttl", "text/csv":
		return true
	}
	return false
}

// mixed reads parts that are shown one below the other: a text may go on after a
// picture. Where the first is plain, so is all that counts, and else HTML: the same
// again in the other form, and what servers put below, is left out.
func (w *walker) mixed(boundary string, body io.Reader, depth int) error {
	plain, html := w.plain, w.html
	var texts, pages []string
	w.plain, w.html = "", ""
	err := w.multipart(boundary, body, depth, func() {
		switch {
		case !blank(w.plain) && len(pages) == 0:
			texts = append(texts, w.plain)
		case blank(w.plain) && w.html != "" && len(texts) == 0:
			pages = append(pages, w.html)
		}
		w.plain, w.html = "", ""
	})
	if blank(plain) {
		plain = strings.Join(texts, "\r\n")
	}
	if blank(html) {
		html = strings.Join(pages, "<p>")
	}
	w.plain, w.html = plain, html
	return err
}

// multipart reads parts up to the last boundary, or to the end where that is missing;
// each is called after each of them.
func (w *walker) multipart(boundary string, body io.Reader, depth int, each func()) error {
	if boundary == "" {
		return errUnreadable
	}
	parts := textproto.NewMultipartReader(body, boundary)
	for read := 0; ; read++ {
		p, err := parts.NextPart()
		switch {
		case errors.Is(err, io.EOF), err != nil && read > 0:
			return nil // what there was is read
		case err != nil:
			return errUnreadable
		}
		if err := w.part(gomessage.Header{Header: p.Header}, p, depth+1); err != nil {
			return err
		}
		each()
	}
}

// read keeps a text, unless there is one already.
func (w *walker) read(into *string, h gomessage.Header, params map[string]string, body io.Reader) error {
	w.found = true
	if !blank(*into) {
		return nil
	}
	octets, err := io.ReadAll(body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // the last boundary is missing; the text is whole
		return errUnreadable
	}
	octets, ok := transfer(octets, h.Get("Content-Transfer-Encoding"))
	if !ok {
		return errUnreadable
	}
	text := decode(octets, params["charset"])
	if strings.EqualFold(params["format"], "flowed") {
		text = unflow(text, strings.EqualFold(params["delsp"], "yes"))
	}
	*into, w.said = text, w.said || !blank(text)
	return nil
}

// attachment keeps the first attachments, and counts them all.
func (w *walker) attachment(h gomessage.Header, kind string, body io.Reader) error {
	w.message.Attached++
	if len(w.message.Attachments) == attachmentsMax {
		return nil
	}
	a := Attachment{Name: fileName(h), Type: kind}
	const encoded = attachmentMax/3*4 + attachmentMax/10 // base64 with its line ends
	octets, err := io.ReadAll(io.LimitReader(body, encoded+1))
	if len(octets) <= encoded && (err == nil || errors.Is(err, io.ErrUnexpectedEOF)) {
		if data, ok := transfer(octets, h.Get("Content-Transfer-Encoding")); ok && len(data) <= attachmentMax {
			a.Data = data
		}
	}
	w.message.Attachments = append(w.message.Attachments, a)
	return nil
}

// contentType is lenient: of a type with broken parameters it keeps the type.
func contentType(h gomessage.Header) (kind string, params map[string]string) {
	kind, params, err := h.ContentType()
	if err != nil {
		kind, _, _ = strings.Cut(kind, ";")
	}
	return strings.ToLower(strings.TrimSpace(kind)), params
}

func isMultipart(h gomessage.Header) bool {
	kind, _ := contentType(h)
	return strings.HasPrefix(kind, "multipart/")
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }

// rawBody is what stands after the first empty line, or all when there is none.
func rawBody(raw []byte) string {
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if _, body, ok := bytes.Cut(raw, []byte(end)); ok {
			return decode(body, "")
		}
	}
	return decode(raw, "")
}

// MessageID returns an RFC 5322 msg-id that may stand in another header, or "".
func MessageID(s string) string {
	const min, max = len("<a>"), 250 // longer ones would have to be folded
	s = strings.TrimSpace(s)
	printable := !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
	if len(s) < min || len(s) > max || !printable || !strings.HasPrefix(s, "<") || !strings.HasSuffix(s, ">") {
		return ""
	}
	return s
}
