package clickatell

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cellpost/ingress"
)

// table has the messages of csv lines. Without columns the first is the number and
// the others are #field1#, #field2# ...
type table struct {
	lines     []string
	delimiter string
	columns   []string // named by csvtemplate
	own       bool     // a column other than the number and the fields is among them
	v         *values
	newline   string

	order   order // of all lines, if they have no columns of their own
	varies  bool  // its text has fields
	text    string
	content *ingress.Content
	remarks []string
}

// perMessage are the keys that may name a column, beside to and fieldN.
var perMessage = []string{
	"binary", "callback", "climsgid", "concat", "data", "deliv_ack", "deliv_time", "escalate", "from", "max_credits", "mo",
	"msg_type", "queue", "req_feat", "scheduled_time", "text", "udh", "unicode", "urltext", "validity",
}

// newTable reads what holds for all messages of a script, with csv lines or without.
func newTable(v *values, newline string) (*table, error) {
	t := &table{lines: v.csv, delimiter: ",", v: v, newline: newline}
	if d := v.get("delimiter"); d != "" {
		t.delimiter = d
	}
	if utf8.RuneCountInString(t.delimiter) != 1 {
		return nil, bad("delimiter: one character")
	}
	if err := t.name(v.get("csvtemplate")); err != nil {
		return nil, err
	}
	var err error
	if t.order, err = newOrder(v.get, v.body, t.style()); err != nil {
		return nil, err
	}
	if t.varies = t.order.body.varies(); t.varies {
		return t, nil
	}
	text, err := t.order.body.expand(nil)
	if err == nil {
		t.text, t.content, t.remarks, err = t.order.load(text)
	}
	return t, err
}

// style is how the lines become texts: without csv a #field1# is what it is.
func (t *table) style() style { return style{newline: t.newline, fields: len(t.lines) > 0} }

// name takes the names of columns.
func (t *table) name(columns string) error {
	if columns == "" {
		return nil
	}
	for name := range strings.SplitSeq(columns, t.delimiter) {
		name = strings.ToLower(strings.TrimSpace(name))
		field := fieldNumber(name)
		switch {
		case name != "to" && field == 0 && !slices.Contains(perMessage, name):
			return bad(fmt.Sprintf("csvtemplate: there is no column %q", cut(name, quotedLength)))
		case slices.Contains(t.columns, name):
			return bad("csvtemplate: " + name + " is there twice")
		}
		t.columns = append(t.columns, name)
		t.own = t.own || name != "to" && field == 0
	}
	if !slices.Contains(t.columns, "to") {
		return bad("csvtemplate: to is missing")
	}
	return nil
}

// fieldNumber is the N of "fieldN"; 0 when it is no such name.
func fieldNumber(name string) int {
	digits, ok := strings.CutPrefix(name, "field")
	n, err := strconv.ParseUint(digits, 10, 8)
	if !ok || err != nil || n > fieldMax || digits[0] == '0' {
		return 0
	}
	return int(n)
}

// row is a csv line.
type row struct {
	t     *table
	cells []string
}

// named returns the cell of a column with a name.
func (r row) named(name string) (string, bool) {
	i := slices.Index(r.t.columns, name)
	if r.t.columns == nil && name == "to" {
		i = 0
	}
	if i < 0 || i >= len(r.cells) {
		return "", false
	}
	return r.cells[i], true
}

// field returns the cell of #fieldN#.
func (r row) field(n int) (string, bool) {
	if r.t.columns != nil {
		return r.named("field" + strconv.Itoa(n))
	}
	if n >= len(r.cells) {
		return "", false
	}
	return r.cells[n], true
}

// get returns the line's own value of a key, or what holds for all of them.
func (r row) get(key string) string {
	if key != "to" && r.t.own {
		if s, ok := r.named(key); ok && strings.TrimSpace(s) != "" {
			return strings.TrimSpace(s)
		}
	}
	return r.t.v.get(key)
}

// body is the line's own text, or that of all of them.
func (r row) body() []bodyLine {
	for _, key := range []string{"text", "data", "urltext"} {
		if s, ok := r.named(key); ok && r.t.own && strings.TrimSpace(s) != "" {
			return []bodyLine{{key, s}}
		}
	}
	return r.t.v.body
}

// all makes the messages of the lines, until their texts are too much for one mail.
func (t *table) all(yield func(ingress.Item) bool) {
	octets := 0
	for i := range t.lines {
		item := t.item(i)
		if t.varies || t.own {
			octets += len(item.Text)
		}
		if octets > expandedAll {
			item = ingress.Item{To: item.To, Refusal: ingress.Refuse(ingress.CodeParameter, "csv: the texts of a mail have 64 MiB at most; send several")}
		}
		if !yield(item) {
			return
		}
	}
}

// item makes the message of the line at an index. What is wrong with it is its own
// refusal.
func (t *table) item(i int) ingress.Item {
	most := max(len(t.columns), fieldMax+1) + 1 // what is surplus may stay in one piece
	r := row{t, strings.SplitN(t.lines[i], t.delimiter, min(most, strings.Count(t.lines[i], t.delimiter)+1))}
	to, _ := r.named("to")
	item := ingress.Item{To: strings.TrimSpace(to)}
	if err := r.fill(&item); err != nil {
		item.Refusal = asRefusal(err)
	}
	if item.To == "" {
		item.Refusal = ingress.Refuse(ingress.CodeDestination, fmt.Sprintf("csv line %d has no number", i+1))
	}
	return item
}

// fill gives an item what the line says.
func (r row) fill(item *ingress.Item) error {
	t, o := r.t, r.t.order
	if len(r.cells) < len(t.columns) {
		return bad(fmt.Sprintf("csv: the column %s is missing", t.columns[len(r.cells)]))
	}
	if t.own {
		var err error
		if o, err = newOrder(r.get, r.body(), t.style()); err != nil {
			return err
		}
		item.Params = &o.params
	} else if !t.varies {
		item.Text, item.Content = t.text, t.content
		return nil
	}
	text, err := o.body.expand(r.field)
	if err == nil {
		item.Text, item.Content, _, err = o.load(text)
	}
	return err
}

// asRefusal is what all errors of this package are.
func asRefusal(err error) *ingress.Refusal {
	if r, ok := err.(*ingress.Refusal); ok {
		return r
	}
	return ingress.Refuse(ingress.CodeParameter, words(err))
}
