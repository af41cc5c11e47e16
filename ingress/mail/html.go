package mail

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Limits of HTML.
const (
	quotesMax = 3    // marks before a line, however deep its quotes are
	linkMax   = 2000 // octets of an address that is shown
	listsMax  = 100  // lists inside of each other that are numbered
)

// HTML turns HTML into text as a person reads it: paragraphs, lists, tables, quotes
// behind ">", and the addresses of links that do not show them. Styles, scripts and
// what is hidden are left out. It takes time in proportion to the length, and the
// text has 4 times the octets of the HTML, and 16, at most.
func HTML(source string) string {
	p := page{}
	z := html.NewTokenizer(strings.NewReader(source))
	for {
		switch z.Next() {
		case html.ErrorToken:
			p.endLink()
			return p.out.String()
		case html.TextToken:
			if p.hidden == 0 {
				p.text(string(z.Text()))
			}
		case html.StartTagToken:
			p.start(z.Token(), false)
		case html.SelfClosingTagToken:
			p.start(z.Token(), true)
		case html.EndTagToken:
			name, _ := z.TagName()
			p.end(atom.Lookup(name))
		}
	}
}

// page is a text that is being written.
type page struct {
	out      strings.Builder
	breaks   int    // line ends before what comes next
	space    bool   // a blank before it
	cell     bool   // a cell of a table has begun, and has no text yet: blocks in it begin no line
	mark     string // of a list item
	quotes   int
	pre      int
	lists    []int  // number of the last item; -1: no numbers
	begun    bool   // something is written
	link     string // address of the link that is open
	shown    []byte // its text
	hidden   int    // elements named hiddenBy that are open inside of a hidden one
	hiddenBy atom.Atom
}

// start opens an element. One that closes itself is still open for a browser, unless
// it is void; what is hidden by it is nothing.
func (p *page) start(t html.Token, closed bool) {
	name := t.DataAtom
	if p.hidden > 0 {
		if name == p.hiddenBy && !void(name) {
			p.hidden++
		}
		return
	}
	if hides(t) && !void(name) && !closed && name != 0 {
		p.hidden, p.hiddenBy = 1, name
		return
	}
	switch name {
	case atom.Br:
		p.breaks++
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Table:
		p.line(2)
	case atom.Ul, atom.Ol:
		p.line(1)
		number := -1
		if name == atom.Ol {
			number = 0
		}
		if len(p.lists) < listsMax {
			p.lists = append(p.lists, number)
		}
	case atom.Li:
		p.line(1)
		p.mark = "- "
		if n := len(p.lists); n > 0 && p.lists[n-1] >= 0 {
			p.lists[n-1]++
			p.mark = strconv.Itoa(p.lists[n-1]) + ". "
		}
	case atom.Tr:
		p.cell = false
		p.line(1)
	case atom.Td, atom.Th:
		p.space, p.cell = true, true
	case atom.Blockquote:
		p.line(1)
		p.quotes++
	case atom.Pre:
		p.line(1)
		p.pre++
	case atom.A:
		p.endLink()
		p.link = address(t)
	default:
		if block(name) {
			p.line(1)
		}
	}
}

func (p *page) end(name atom.Atom) {
	if p.hidden > 0 {
		if name == p.hiddenBy {
			p.hidden--
		}
		return
	}
	switch name {
	case atom.A:
		p.endLink()
	case atom.Td, atom.Th:
		if !p.cell {
			p.breaks = 0 // the row goes on
		}
		p.space, p.cell = true, false
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Table:
		p.line(2)
	case atom.Ul, atom.Ol:
		p.line(1)
		p.lists = p.lists[:max(len(p.lists)-1, 0)]
	case atom.Blockquote:
		p.line(1)
		p.quotes = max(p.quotes-1, 0)
	case atom.Pre:
		p.line(1)
		p.pre = max(p.pre-1, 0)
	default:
		if block(name) {
			p.line(1)
		}
	}
}

// line asks for line ends before what comes next: 2 leave a line empty.
func (p *page) line(n int) {
	if !p.cell {
		p.breaks = max(p.breaks, n)
	}
}

// text writes what stands between tags.
func (p *page) text(s string) {
	if p.pre > 0 {
		for i, line := range strings.Split(s, "\n") {
			if i > 0 {
				p.breaks++
			}
			if line = strings.TrimRight(line, "\r"); line != "" {
				p.write(line)
			}
		}
		return
	}
	for word := range strings.FieldsFuncSeq(s, isBlank) {
		if strings.IndexFunc(s, isBlank) == 0 {
			p.space = true
		}
		word, s = visible(word), s[strings.Index(s, word)+len(word):]
		if word != "" {
			p.write(word)
		}
	}
	if strings.TrimLeftFunc(s, isBlank) == "" && s != "" {
		p.space = true
	}
}

func isBlank(r rune) bool {
	return r == ' ' || r == '\t' || r == '\r' || r == '\n' || r == '\f' || r == '\u00a0'
}

// visible drops what mailers fill the preview of a mail with.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '\u00ad', '\u034f', '\u200b', '\u2060', '\ufeff', 0:
			return -1
		}
		return r
	}, s)
}

// write puts what is due before a word, and the word.
func (p *page) write(word string) {
	if p.link != "" {
		if p.space && len(p.shown) > 0 {
			p.shown = append(p.shown, ' ')
		}
		p.shown = append(p.shown, word...)
	}
	switch {
	case !p.begun || p.breaks > 0:
		if p.begun {
			p.out.WriteString(strings.Repeat("\n", min(p.breaks, 2)))
		}
		p.out.WriteString(strings.Repeat("> ", min(p.quotes, quotesMax)))
		p.out.WriteString(p.mark)
	case p.space:
		p.out.WriteString(" ")
	}
	p.begun, p.breaks, p.space, p.cell, p.mark = true, 0, false, false, ""
	p.out.WriteString(word)
}

// endLink writes the address of a link whose text is another.
func (p *page) endLink() {
	link, shown := p.link, string(p.shown)
	p.link, p.shown = "", nil
	if link == "" || shown == "" || bare(link) == bare(shown) {
		return
	}
	p.space = true
	p.write("(" + link + ")")
}

// bare is an address without what people leave out.
func bare(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	for _, prefix := range []string{"mailto:", "tel:", "https://", "http://", "www."} {
		s = strings.TrimPrefix(s, prefix)
	}
	return strings.TrimSuffix(s, "/")
}

// address is where a link leads, if that is a place to show.
func address(t html.Token) string {
	for _, a := range t.Attr {
		if a.Key != "href" {
			continue
		}
		link := oneLine(a.Val)
		if len(link) > linkMax || strings.Contains(link, " ") {
			return ""
		}
		for _, scheme := range []string{"http://", "https://", "mailto:", "tel:"} {
			if len(link) > len(scheme) && strings.EqualFold(link[:len(scheme)], scheme) {
				return link
			}
		}
	}
	return ""
}

// hides reports whether nobody sees what is inside of an element.
func hides(t html.Token) bool {
	switch t.DataAtom {
	case atom.Script, atom.Style, atom.Title, atom.Template, atom.Svg, atom.Object, atom.Select, atom.Noscript, atom.Iframe:
		return true
	}
	for _, a := range t.Attr {
		switch a.Key {
		case "hidden":
			return true
		case "style":
			style := strings.ToLower(strings.Join(strings.Fields(a.Val), ""))
			for _, rule := range []string{"display:none", "visibility:hidden", "mso-hide:all"} {
				if strings.Contains(style, rule) {
					return true
				}
			}
		}
	}
	return false
}

// void elements have no end.
func void(name atom.Atom) bool {
	switch name {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta, atom.Source, atom.Track, atom.Wbr:
		return true
	}
	return false
}

// block elements begin a line, and end it.
func block(name atom.Atom) bool {
	switch name {
	case atom.Div, atom.Tr, atom.Li, atom.Hr, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Address, atom.Center,
		atom.Dl, atom.Dt, atom.Dd, atom.Form, atom.Fieldset, atom.Caption, atom.Figure, atom.Figcaption, atom.Main, atom.Nav:
		return true
	}
	return false
}
