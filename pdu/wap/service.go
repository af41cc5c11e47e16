package wap

import (
	"strings"
	"time"
	"unicode"
)

// ServiceIndication tells the user of something, with a link to more.
// WAP-167-ServiceInd.
type ServiceIndication struct {
	Text    string
	Href    string
	ID      string // si-id; Href stands for it when it is empty
	Action  string // "signal-none", "signal-low", "signal-medium", "signal-high" or "delete"
	Created time.Time
	Expires time.Time
}

// ServiceLoading makes the handset load a page. WAP-168-ServiceLoad.
type ServiceLoading struct {
	Href   string
	Action string // "execute-low", "execute-high" or "cache"
}

// WAP-167-ServiceInd, 8.3 and 8.4.
var siVocabulary = vocabulary{
	tags: []string{"si", "indication", "info", "item"},
	starts: []start{
		{"action", "signal-none"}, {"action", "signal-low"}, {"action", "signal-medium"}, {"action", "signal-high"},
		{"action", "delete"}, {"created", ""}, {"href", ""}, {"href", "http://"}, {"href", "http://www."},
		{"href", "https://"}, {"href", "https://www."}, {"si-expires", ""}, {"si-id", ""}, {"class", ""},
	},
	values: []string{".com/", ".edu/", ".net/", ".org/"},
}

// WAP-168-ServiceLoad, 9.3.
var slVocabulary = vocabulary{
	tags: []string{"sl"},
	starts: []start{
		{"action", "execute-low"}, {"action", "execute-high"}, {"action", "cache"}, {"href", ""}, {"href", "http://"},
		{"href", "http://www."}, {"href", "https://"}, {"href", "https://www."},
	},
	values: siVocabulary.values,
}

// serviceIndication reads the element of that name. What it does not say has
// the value that the document type gives it.
func (s *scanner) serviceIndication(elements []element) ServiceIndication {
	e := s.first(elements, "indication")
	indication := ServiceIndication{
		Text:    strings.TrimSpace(string(e.text)),
		Href:    string(e.attributes["href"]),
		ID:      string(e.attributes["si-id"]),
		Action:  string(e.attributes["action"]),
		Created: s.dateTime("created", e),
		Expires: s.dateTime("si-expires", e),
	}
	if indication.Action == "" {
		indication.Action = "signal-medium"
	}
	return indication
}

func (s *scanner) serviceLoading(elements []element) ServiceLoading {
	e := s.first(elements, "sl")
	loading := ServiceLoading{Href: string(e.attributes["href"]), Action: string(e.attributes["action"])}
	if loading.Action == "" {
		loading.Action = "execute-low"
	}
	return loading
}

// first returns the first element of that name; an empty one, with a warning,
// when there is none.
func (s *scanner) first(elements []element, name string) element {
	for _, e := range elements {
		if e.name == name {
			return e
		}
	}
	s.warn("Body", s.base, "no element %q; the document was cut short, or is of another kind", name)
	return element{}
}

// dateTime reads an attribute, zero when it is missing or, with a warning, no
// date.
func (s *scanner) dateTime(name string, e element) time.Time {
	text := string(e.attributes[name])
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		s.warn(name, s.base, "%.40q is no date", text)
		return time.Time{}
	}
	return t
}

// String returns the push in one line for people, with nothing in it that could
// move a cursor: "WAP push (service indication): You have 4 new emails <URL>".
func (p Push) String() string {
	if p.Content != nil {
		return p.Content.String()
	}
	name := kinds[p.ContentType]
	if name == "" {
		name = shown(p.ContentType)
	}
	line := "WAP push (" + name + "), " + size(uint64(len(p.Body)))
	if pin := pins[p.Parameter("SEC")]; pin != "" {
		line += ", to be confirmed with " + pin
	}
	return line
}

// pins are the ways in which settings are secured. WAP-184-PROVBOOT, 5.3.
var pins = map[string]string{
	"0": "the IMSI", "1": "a user PIN", "2": "the IMSI and a user PIN", "3": "a code that the sender gives the user",
}

func (i ServiceIndication) String() string {
	kind := "service indication"
	if i.Action == "delete" {
		kind += " withdrawn"
	}
	return line(kind, i.Text, i.Href)
}

func (l ServiceLoading) String() string {
	return line("service loading, "+shown(l.Action), "", l.Href)
}

func line(kind, text, href string) string {
	line := "WAP push (" + kind + ")"
	if text != "" || href != "" {
		line += ":"
	}
	if text != "" {
		line += " " + shown(text)
	}
	if href != "" {
		line += " <" + shown(href) + ">"
	}
	return line
}

// maxShown bounds a text in a line for people, in characters.
const maxShown = 500

// shown returns a text as one line can show it: characters that control a
// display or its direction become spaces, and a long text is cut.
func shown(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > maxShown {
			b.WriteString("…")
			break
		}
		if !unicode.IsGraphic(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
