package smtpd

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"cellpost/ingress/mail"
	"cellpost/sms"
)

// compose writes the mail of an event. Its Message-ID is always the same for
// one event: who gets it twice can tell.
func (m *Mailer) compose(e sms.Event, to string) ([]byte, error) {
	var b bytes.Buffer
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	field("From", address822(m.From))
	field("To", address822(to))
	field("Subject", mime.QEncoding.Encode("utf-8", e.Subject))
	field("Date", e.Created.Format(time.RFC1123Z))
	field("Message-ID", fmt.Sprintf("<event.%d.%d@%s>", e.ID, e.Created.UnixMilli(), m.domain()))
	if e.ReplyTo != "" {
		field("Reply-To", address822(m.replyTo(e.ReplyTo)))
	}
	// RFC 3834, 5: what answers nothing has no In-Reply-To.
	auto := "auto-generated"
	if ref := mail.MessageID(e.Ref); ref != "" {
		if !e.Generated {
			field("In-Reply-To", ref)
		}
		field("References", ref)
	}
	if !e.Generated {
		auto = "auto-replied"
	}
	field("Auto-Submitted", auto)
	field("MIME-Version", "1.0")
	if len(e.Parts) == 0 {
		err := writePart(&b, sms.EventPart{Type: plainType, Data: []byte(e.Text)}, nil)
		return b.Bytes(), err
	}
	return m.multipart(&b, e)
}

// plainType is the media type of a text.
const plainType = "text/plain; charset=utf-8"

// statusType is the media type of what makes a mail a report. RFC 6522, 3.
const statusType = "message/delivery-status"

// multipart writes the text of an event and its further parts.
func (m *Mailer) multipart(b *bytes.Buffer, e sms.Event) ([]byte, error) {
	w := multipart.NewWriter(b)
	// A mail that is sent again is the same, octet by octet.
	if err := w.SetBoundary(fmt.Sprintf("event_%d_%d_cellpost", e.ID, e.Created.UnixMilli())); err != nil {
		return nil, err
	}
	kind := "multipart/mixed"
	params := map[string]string{"boundary": w.Boundary()}
	if slices.ContainsFunc(e.Parts, func(p sms.EventPart) bool { return p.Type == statusType }) {
		kind, params["report-type"] = "multipart/report", "delivery-status"
	}
	fmt.Fprintf(b, "Content-Type: %s\r\n\r\n", mime.FormatMediaType(kind, params))
	for _, p := range append([]sms.EventPart{{Type: plainType, Data: []byte(e.Text)}}, e.Parts...) {
		if p.Type == statusType { // RFC 3464, 2.2.2: what names the reporter is not known before
			p.Data = append([]byte("Reporting-MTA: dns; "+orDefault(m.Hostname, m.domain())+"\r\n"), p.Data...)
		}
		if err := writePart(b, p, w); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// writePart writes a part with its header; w is nil where it is the whole body.
func writePart(b *bytes.Buffer, p sms.EventPart, w *multipart.Writer) error {
	header := textproto.MIMEHeader{"Content-Type": {p.Type}}
	if p.Name != "" { // RFC 2183, with a name as RFC 2231 has it
		header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": p.Name}))
	}
	encoding := transferEncoding(p)
	header.Set("Content-Transfer-Encoding", encoding)
	out := io.Writer(b)
	if w != nil {
		part, err := w.CreatePart(header)
		if err != nil {
			return err
		}
		out = part
	} else {
		fmt.Fprintf(b, "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", p.Type, encoding)
	}
	return encode(out, encoding, p.Data)
}

// transferEncoding is how a part travels. Programs read it, and some do not decode:
// what can stand as it is does. RFC 6522, 3 wants nothing else of a report.
func transferEncoding(p sms.EventPart) string {
	switch {
	case plain(string(p.Data)) && p.Name == "", p.Type == statusType:
		return "7bit"
	case strings.HasPrefix(p.Type, "text/") && p.Name == "":
		return "quoted-printable"
	}
	return "base64"
}

// lineBase64 is how many octets make a line of base64. RFC 2045, 6.8.
const lineBase64 = 57

func encode(out io.Writer, encoding string, data []byte) error {
	switch encoding {
	case "quoted-printable":
		w := quotedprintable.NewWriter(out)
		if _, err := w.Write(data); err != nil {
			return err
		}
		return w.Close()
	case "base64":
		for chunk := range slices.Chunk(data, lineBase64) {
			if _, err := io.WriteString(out, base64.StdEncoding.EncodeToString(chunk)+"\r\n"); err != nil {
				return err
			}
		}
		return nil
	}
	_, err := out.Write(data)
	return err
}

// replyTo completes an address that has no domain: it is one of ours.
func (m *Mailer) replyTo(address string) string {
	if strings.Contains(address, "@") {
		return address
	}
	return address + "@" + orDefault(m.ReplyDomain, m.domain())
}

func address822(a string) string { return (&netmail.Address{Address: a}).String() }

// lineMost is how long a line of mail may be, in octets. RFC 5322, 2.1.1.
const lineMost = 998

// plain reports whether a text can stand in a mail as it is: ASCII in lines of
// CRLF that are not too long. RFC 2045, 2.7.
func plain(text string) bool {
	for line := range strings.SplitSeq(text, "\r\n") {
		if len(line) > lineMost || strings.ContainsFunc(line, func(r rune) bool { return r > '~' || r < ' ' && r != '\t' }) {
			return false
		}
	}
	return true
}
