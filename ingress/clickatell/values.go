package clickatell

import (
	"fmt"
	"net/mail"
	"strconv"
	"strings"

	"cellpost/ingress"
	"cellpost/sms"
)

// keys are those of the format. docs/script.md has a row for each.
var keys = map[string]bool{
	"api_id": true, "binary": true, "callback": true, "climsgid": true, "concat": true, "csv": true, "csvtemplate": true,
	"data": true, "deliv_ack": true, "deliv_time": true, "delimiter": true, "escalate": true, "from": true,
	"max_credits": true, "mo": true, "msg_type": true, "password": true, "queue": true, "reply": true, "req_feat": true,
	"scheduled_time": true, "text": true, "to": true, "udh": true, "unicode": true, "urltext": true, "user": true,
	"validity": true,
}

// keyMax is the length of the longest key with room for blanks: what is longer is
// not looked up.
const keyMax = 64

// values are what stands behind the keys of a body. They are pieces of it.
type values struct {
	last   map[string]string // of keys that have one value: the last that is not empty
	to     []string
	reply  []string
	csv    []string
	body   []bodyLine
	ignore ignored
}

// bodyLine is a line of what is sent.
type bodyLine struct {
	key   string // text, data or urltext
	value string
}

// ignored are the lines that are no "key:" of the format.
type ignored struct {
	count int
	begin []string // of the first of them
}

// readValues takes a body apart.
func readValues(body string, s sms.Settings) *values {
	v := &values{last: make(map[string]string)}
	above := "" // key of the line above, where lines without one may go on with it
	body = strings.TrimPrefix(body, "\ufeff")
	for line := range strings.FieldsFuncSeq(body, func(r rune) bool { return r == '\r' || r == '\n' }) {
		key, value, ok := cutKey(line)
		switch {
		case ok:
			v.add(key, value)
			above = key
		case strings.TrimSpace(line) == "":
		case s.Append && isBody(above):
			v.line(above, line)
		default:
			v.ignore.add(line)
		}
	}
	return v
}

// cutKey splits a line at its first colon; ok is false when no known key stands
// before it.
func cutKey(line string) (key, value string, ok bool) {
	name, value, ok := strings.Cut(line, ":")
	if !ok || len(name) > keyMax {
		return "", "", false
	}
	key = strings.ToLower(strings.TrimSpace(name))
	return key, value, keys[key]
}

func isBody(key string) bool { return key == "text" || key == "data" || key == "urltext" }

// add takes a value in. Only text, line by line, may be empty.
func (v *values) add(key, value string) {
	trimmed := strings.TrimSpace(value)
	switch {
	case key == "text" || key == "urltext":
		v.line(key, cutBlank(value))
	case key == "delimiter" && strings.Contains(value, "\t") && trimmed == "":
		v.last[key] = "\t"
	case trimmed == "":
	case key == "data":
		v.line(key, value)
	case key == "csv" && v.room() > 0:
		v.csv = append(v.csv, value) // a column at its end may be empty, and the delimiter a tab
	case key == "csv":
	case key == "to":
		v.to = append(v.to, fields(trimmed, ",", v.room())...)
	case key == "reply" && len(v.reply) <= repliesMax:
		v.reply = append(v.reply, trimmed)
	case key == "reply":
	default:
		v.last[key] = trimmed
	}
}

// line takes a line of what is sent, up to one that is too many.
func (v *values) line(key, value string) {
	if len(v.body) <= linesMax {
		v.body = append(v.body, bodyLine{key, value})
	}
}

// room is how many numbers and csv lines more are kept: one that is too many tells
// that they are.
func (v *values) room() int { return RecipientsMax + 1 - len(v.to) - len(v.csv) }

// get returns the value of a key that has one; empty when it was not given.
func (v *values) get(key string) string { return v.last[key] }

// cutBlank takes off one blank: people write "text: hello", and who writes two
// means one of them.
func cutBlank(s string) string {
	if s != "" && (s[0] == ' ' || s[0] == '\t') {
		return s[1:]
	}
	return s
}

// What is shown of ignored lines: enough to find them, and little enough that a
// mail which is mostly something else is not sent about.
const (
	quotedMax    = 5
	quotedLength = 24 // runes
)

func (i *ignored) add(line string) {
	i.count++
	if i.count > quotedMax {
		return
	}
	i.begin = append(i.begin, cut(strings.TrimSpace(line), quotedLength))
}

// cut shortens a text to so many runes.
func cut(s string, most int) string {
	n := 0
	for at := range s {
		if n++; n > most {
			return s[:at] + "..."
		}
	}
	return s
}

// source has the values of one message.
type source func(key string) string

// number reads a value from low to high; 0 when the key is not there.
func (get source) number(key string, low, high int) (int, error) {
	s := get(key)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || int(n) < low || int(n) > high {
		return 0, bad(fmt.Sprintf("%s: %d to %d", key, low, high))
	}
	return int(n), nil
}

// features reads req_feat, a sum of features that the route must have. The modems
// have them all but senders of one's own choice, of which [sms.Settings] say what
// becomes.
func (get source) features() error {
	const known = 1 + 2 + 4 + 8 + 16 + 32 + 512 + 8192 + 16384
	n, err := get.number("req_feat", 0, known)
	if err != nil {
		return err
	}
	if n&^known != 0 {
		return bad("req_feat: " + strconv.Itoa(n) + " has an unknown feature")
	}
	return nil
}

// maxCredits reads the most that a message may cost; 0 when the key is not there.
func (get source) maxCredits() (sms.Credits, error) {
	const most = 1_000_000 // as a price in the configuration
	s := get("max_credits")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(s, 64)
	c := sms.Credits(n*float64(sms.Credit) + 0.5)
	if err != nil || !(n > 0 && n <= most) || c == 0 {
		return 0, bad("max_credits: a number above 0, like 1.5")
	}
	return c, nil
}

// addresses reads the addresses for the answer. They are ASCII: a smarthost on
// a closed site may know nothing else.
func addresses(lines []string) ([]string, error) {
	var all []string
	for _, line := range lines {
		for _, s := range fields(line, ",;", repliesMax+1) {
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

// fields splits at any of the separators and drops what is empty, and what is past so
// many.
func fields(s, separators string, most int) []string {
	var all []string
	for f := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		if len(all) == most {
			break
		}
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
