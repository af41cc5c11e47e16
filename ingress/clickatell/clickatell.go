// Package clickatell knows the mail format of the Clickatell SMTP API: the
// key:value script, what its parameters allow, and the lines and codes that
// answer it. It is pure: no I/O, no clock. docs/script.md is its reference.
package clickatell

import (
	"iter"
	"strings"

	"cellpost/ingress"
	"cellpost/sms"
)

// Limits of a script.
const (
	RecipientsMax = 100_000 // numbers and csv lines of one mail
	repliesMax    = 10      // addresses that get the answer
)

// Script is what a mail asks for.
type Script struct {
	Credentials ingress.Credentials
	Reply       []string // addresses that get the answer, bare: "a@example.org"
	To          []string // numbers as written; those of csv lines are not among them
	Type        string   // msg_type; empty: SMS_TEXT
	Text        string   // what is sent to the numbers; of Content what it is, in words
	Content     *ingress.Content
	Params      ingress.Params
	Ignored     int      // lines that are no "key:" of the format
	Quoted      []string // how the first of them begin
	Remarks     []string // what was left out of a card or an appointment: "line 3: PHOTO: left out: ..."

	table *table // of csv lines; nil: there are none
}

// Len is how many messages the script asks for.
func (s Script) Len() int {
	if s.table == nil {
		return len(s.To)
	}
	return len(s.To) + len(s.table.lines)
}

// All has the messages of the script one by one: its text to each of its numbers,
// then those of the csv lines. A line that is not right has its refusal.
func (s Script) All() iter.Seq[ingress.Item] {
	return func(yield func(ingress.Item) bool) {
		item := ingress.Item{Text: s.Text, Content: s.Content}
		if s.table != nil && s.table.varies {
			item.Refusal = ingress.Refuse(ingress.CodeParameter, "to: the text has a #field#; give the number in a csv line")
		}
		for _, item.To = range s.To {
			if !yield(item) {
				return
			}
		}
		if s.table != nil {
			s.table.all(yield)
		}
	}
}

// Wants reports whether the script announces an object for the handset, by its
// msg_type, that is not in it: an attached file may be meant.
func (s Script) Wants() bool {
	return isObject(s.Type) && s.Content == nil && s.table == nil
}

// Attach has the script send an object that came beside it.
func (s *Script) Attach(c ingress.Content) {
	s.Content, s.Text = &c, c.Words()
}

// Note says what was ignored or left out, for people; empty when nothing was.
func (s Script) Note() string {
	var notes []string
	if s.Ignored > 0 {
		notes = append(notes, count(s.Ignored, "line")+" ignored")
	}
	return strings.Join(append(notes, s.Remarks...), "; ")
}

// Parse is [ParseFor] an account that has agreed about nothing.
func Parse(body string) (Script, error) { return ParseFor(body, sms.Settings{}) }

// ParseFor reads the body of a mail as an account wants it. An error is an
// [ingress.Refusal]: code 110 when the body is no script, and then there is nothing
// else; else of the first parameter that is wrong, and then the script has its
// credentials and its reply addresses all the same, because who may hear of it is
// asked first.
//
// Keys may be in any case and order, with blanks around the colon; lines may end
// in CRLF, LF, CR or LF CR. A line that is no known key is ignored, as it always
// was: mail is wrapped and signed on its way. With Append it goes on with the text,
// data or urltext above, as if that key stood before it.
//
// mo is read and changes nothing: whatever SIM a message leaves by, handsets can
// answer it.
func ParseFor(body string, settings sms.Settings) (Script, error) {
	v := readValues(body, settings)
	s := Script{Ignored: v.ignore.count, Quoted: v.ignore.begin}
	s.Credentials = ingress.Credentials{User: v.get("user"), Password: v.get("password"), APIID: v.get("api_id")}
	if s.Credentials == (ingress.Credentials{}) {
		return s, ingress.Refuse(ingress.CodeMail, "no script: a line like user:name is missing")
	}
	var err error
	if s.Reply, err = addresses(v.reply); err != nil {
		return s, err
	}
	if s.To = v.to; len(v.to)+len(v.csv) == 0 {
		return s, bad("to is missing")
	}
	newline := "\r\n"
	if settings.LF {
		newline = "\n"
	}
	t, err := newTable(v, newline)
	if err != nil {
		return s, err
	}
	if len(v.csv) > 0 {
		s.table = t
	}
	s.Type, s.Params, s.Remarks = t.order.kind, t.order.params, t.remarks
	s.Text, s.Content = t.text, t.content
	return s, nil
}
