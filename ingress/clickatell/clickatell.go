// Package clickatell knows the mail format of the Clickatell SMTP API: the
// key:value script, what its parameters allow, and the lines and codes that
// answer it. It is pure: no I/O, no clock.
package clickatell

import (
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"cellpost/ingress"
)

// Limits of a script.
const (
	RecipientsMax = 100_000 // numbers of one mail
	repliesMax    = 10      // addresses that get the answer
)

// Script is what a mail asks for.
type Script struct {
	Credentials ingress.Credentials
	Reply       []string // addresses that get the answer, bare: "a@example.org"
	To          []string // numbers as written
	Text        string
	Params      ingress.Params
	Ignored     int      // lines that are no "key:" of the format
	Quoted      []string // how the first of them begin
}

// Items are the messages of the script: its text to each of its numbers.
func (s Script) Items() []ingress.Item {
	items := make([]ingress.Item, len(s.To))
	for i, to := range s.To {
		items[i] = ingress.Item{To: to, Text: s.Text}
	}
	return items
}

// Note says what was ignored, for people; empty when nothing was.
func (s Script) Note() string {
	if s.Ignored == 0 {
		return ""
	}
	return count(s.Ignored, "line") + " ignored"
}

// Parse reads the body of a mail. An error is an [ingress.Refusal]: code 110
// when the body is no script, and then there is nothing else; else of the first
// parameter that is wrong, and then the script has its credentials and its reply
// addresses all the same, because who may hear of it is asked first.
//
// Keys may be in any case and order, with blanks around the colon; lines may end
// in CRLF, LF, CR or LF CR. A line that is no known key is ignored, as it always
// was: mail is wrapped and signed on its way. A known key that this release
// cannot carry out is refused, never ignored.
func Parse(body string) (Script, error) {
	var s Script
	values := s.read(body)
	if values["user"] == nil && values["password"] == nil && values["api_id"] == nil {
		return s, ingress.Refuse(ingress.CodeMail, "no script: a line like user:name is missing")
	}
	s.Credentials = ingress.Credentials{User: values.last("user"), Password: values.last("password"), APIID: values.last("api_id")}
	replies, repliesErr := addresses(values["reply"])
	s.Reply = replies
	for _, line := range values["to"] {
		s.To = append(s.To, fields(line, ",")...)
	}
	if err := values.checkRefused(); err != nil {
		return s, err
	}
	if repliesErr != nil {
		return s, repliesErr
	}
	if err := s.parameters(values); err != nil {
		return s, err
	}
	return s, nil
}

// parameters reads what holds for all recipients. The order is that of the
// checks which clients see.
func (s *Script) parameters(v values) error {
	p := &s.Params
	p.From, p.ClientID = v.last("from"), v.last("climsgid")
	if len(s.To) == 0 {
		return bad("to is missing")
	}
	var err error
	number := func(key string, low, high int) (n int) {
		if err == nil {
			n, err = v.number(key, low, high)
		}
		return n
	}
	p.Concat = number("concat", 1, 255)
	p.Priority = number("queue", 1, 3)
	p.Escalate = number("escalate", 0, ingress.EscalateMax)
	p.Validity = time.Duration(number("validity", 1, int(ingress.ValidityMax/time.Minute))) * time.Minute
	p.Unicode = number("unicode", 0, 1) == 1
	// Accounts may ask for a report of every message; here is what the script
	// asks for. Callbacks go to an address that is set for the account; there
	// is none to set yet.
	ack := number("deliv_ack", 0, 1) == 1
	p.Report = number("callback", 0, 7) != 0 || ack
	if err != nil {
		return err
	}
	switch kind := v.last("msg_type"); kind {
	case "", "SMS_TEXT":
	case "SMS_FLASH":
		p.Flash = true
	default:
		return ingress.Refuse(ingress.CodeType, "msg_type: this release has SMS_TEXT and SMS_FLASH")
	}
	if s.Text, err = text(v["text"], p.Unicode); err != nil {
		return err
	}
	delay, err := v.number("deliv_time", 0, int(ingress.DelayMax/time.Minute))
	if err != nil {
		return ingress.Refuse(ingress.CodeDelay, "deliv_time: 0 to 10080 minutes")
	}
	p.Delay = time.Duration(delay) * time.Minute
	p.At, err = scheduledTime(v.last("scheduled_time"))
	p.FarIsNow = !p.At.IsZero()
	return err
}

// scheduledTime reads a time as their HTTP API has it: seconds since 1970, or date
// and time with Z for UTC. Their Z may also stand for an offset ("+0200"): that is
// taken, too. A time without a zone is anybody's guess, and refused.
func scheduledTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if seconds, err := strconv.ParseUint(s, 10, 63); err == nil && seconds > 0 {
		return time.Unix(int64(min(seconds, maxSeconds)), 0).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, ingress.Refuse(ingress.CodeDelay, "scheduled_time: 1790000000 or 2026-09-21T14:13:20Z")
}

// maxSeconds is in the year 9999: later times are not known apart from it.
const maxSeconds = 253402300799

// values are the values of each key, in the order in which they stand. Only
// text keeps those that are empty.
type values map[string][]string

// Keys of the format: those that this release carries out, and those that it
// has to refuse, in alphabetical order so that one mail always gets one answer.
var (
	carried = []string{
		"api_id", "callback", "climsgid", "concat", "deliv_ack", "deliv_time", "escalate", "from", "msg_type",
		"password", "queue", "reply", "req_feat", "scheduled_time", "text", "to", "unicode", "user", "validity",
	}
	refused = []string{
		"binary", "csv", "csvtemplate", "data", "delimiter", "max_credits", "mo", "udh", "urltext",
	}
)

// read takes a body apart into the values of its keys, and counts the lines
// that have none.
func (s *Script) read(body string) values {
	v := make(values)
	body = strings.TrimPrefix(body, "\ufeff")
	for line := range strings.FieldsFuncSeq(body, func(r rune) bool { return r == '\r' || r == '\n' }) {
		name, value, ok := strings.Cut(line, ":")
		key := strings.ToLower(strings.TrimSpace(name))
		switch {
		case strings.TrimSpace(line) == "":
		case !ok || !slices.Contains(carried, key) && !slices.Contains(refused, key):
			s.ignore(line)
		case key == "text":
			v[key] = append(v[key], cutBlank(value))
		case strings.TrimSpace(value) != "":
			v[key] = append(v[key], strings.TrimSpace(value))
		}
	}
	return v
}

// What is shown of ignored lines: enough to find them, and little enough that a
// mail which is mostly something else is not sent about.
const (
	quotedMax    = 5
	quotedLength = 24 // runes
)

func (s *Script) ignore(line string) {
	s.Ignored++
	if s.Ignored > quotedMax {
		return
	}
	line = strings.TrimSpace(line)
	if runes := []rune(line); len(runes) > quotedLength {
		line = string(runes[:quotedLength]) + "..."
	}
	s.Quoted = append(s.Quoted, line)
}

// cutBlank takes off one blank: people write "text: hello", and who writes two
// means one of them.
func cutBlank(s string) string {
	if s != "" && (s[0] == ' ' || s[0] == '\t') {
		return s[1:]
	}
	return s
}

// last returns the value of a key that has one only; of several the last wins.
func (v values) last(key string) string {
	if all := v[key]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// number reads a value from low to high; 0 when the key is not there.
func (v values) number(key string, low, high int) (int, error) {
	s := v.last(key)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || int(n) < low || int(n) > high {
		return 0, bad(fmt.Sprintf("%s: %d to %d", key, low, high))
	}
	return int(n), nil
}

// checkRefused refuses the keys that ask for what cannot be done.
func (v values) checkRefused() error {
	for _, key := range refused {
		asked := v.last(key)
		if flag := key == "mo" || key == "binary"; asked == "" || flag && asked == "0" {
			continue
		}
		return bad("this release does not carry " + key)
	}
	return v.checkFeatures()
}

// checkFeatures reads req_feat, a sum of features that the route must have. The
// modems have them all but alphanumeric senders, and those are refused where
// they are asked for, at from.
func (v values) checkFeatures() error {
	const known = 1 + 2 + 4 + 8 + 16 + 32 + 512 + 8192 + 16384
	n, err := v.number("req_feat", 0, known)
	if err != nil {
		return err
	}
	if n&^known != 0 {
		return bad("req_feat: " + strconv.Itoa(n) + " has an unknown feature")
	}
	return nil
}

// addresses reads the addresses for the answer. They are ASCII: a smarthost on
// a closed site may know nothing else.
func addresses(lines []string) ([]string, error) {
	var all []string
	for _, line := range lines {
		for _, s := range fields(line, ",;") {
			a, err := mail.ParseAddress(s)
			if err != nil || strings.ContainsFunc(a.Address, func(r rune) bool { return r <= ' ' || r > '~' }) {
				return all, bad("reply: an address is not right")
			}
			if all = append(all, a.Address); len(all) > repliesMax {
				return nil, bad("reply: over " + strconv.Itoa(repliesMax) + " addresses")
			}
		}
	}
	return all, nil
}

// fields splits at any of the separators and drops what is empty.
func fields(s, separators string) []string {
	var all []string
	for f := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		if f = strings.TrimSpace(f); f != "" {
			all = append(all, f)
		}
	}
	return all
}

func bad(detail string) error { return ingress.Refuse(ingress.CodeParameter, detail) }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
