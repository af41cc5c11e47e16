package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"cellpost/pdu"
)

// view shows PDUs to people.
type view struct {
	w       *bufio.Writer
	palette palette
}

// palette puts colours around a text, or nothing where there are none.
type palette struct{ on bool }

// newPalette decides on colours: auto has them on a terminal, unless NO_COLOR
// is set.
func newPalette(color string, out io.Writer) palette {
	if color != "auto" {
		return palette{on: color == "always"}
	}
	file, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return palette{}
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return palette{on: err == nil}
}

func (p palette) paint(code, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// What is shown in which colour.
const (
	paintDim     = "2"
	paintField   = "1"
	paintWarning = "33"
	paintFault   = "1;31"
)

// Columns of the view.
const (
	rowOctets  = 8
	hexWidth   = 3*rowOctets - 1
	fieldWidth = 12
	nameWidth  = 10
	wordsMost  = 60 // characters of a text shown beside its octets
)

// pdu shows one PDU, number i of n.
func (v view) pdu(f foundPDU, i, n int, r reading, err error) {
	if n > 1 {
		v.rule(fmt.Sprintf("PDU %d, line %d", i+1, f.line))
	}
	if r.octets == nil {
		v.summaryIn(paintFault, "error", err.Error())
	} else {
		v.rows(r, marks(r, err))
		fmt.Fprintln(v.w)
		v.summaries(r, err)
	}
	fmt.Fprintln(v.w)
}

// whole shows a message that has all its parts: their text, where they are
// several, and what the application gets that it is for. That is written to a
// file, when one is named; drawn is false when it has nothing to write.
func (v view) whole(parts []pdu.Fragment, file string) (drawn bool, err error) {
	j := pdu.Join(parts)
	if len(parts) > 1 {
		v.rule(fmt.Sprintf("%d parts are one message", len(parts)))
		v.message(parts[0].Originator, j)
	}
	p, ok := previewOf(j)
	if !ok {
		return false, nil
	}
	v.rule(p.name)
	for _, line := range p.lines {
		fmt.Fprintln(v.w, strings.TrimRight(strings.Map(visible, line), " "))
	}
	fmt.Fprintln(v.w)
	if file == "" {
		return false, nil
	}
	return p.write(file)
}

// message shows what parts are together.
func (v view) message(originator pdu.Address, j pdu.Joined) {
	v.summary("address", originator.String())
	if j.DCS.Alphabet() == pdu.Octets {
		v.text("data", upperHex(j.Data))
	} else {
		v.text("text", j.Text)
	}
	fmt.Fprintln(v.w)
}

// pending shows the messages that lack parts.
func (v view) pending(a *assembly) {
	pending := a.pending()
	slices.SortStableFunc(pending, func(a, b []pdu.Fragment) int {
		return cmp.Or(strings.Compare(a[0].Originator.Value, b[0].Originator.Value), cmp.Compare(a[0].Concat.Reference, b[0].Concat.Reference))
	})
	for _, parts := range pending {
		f := parts[0]
		v.rule(fmt.Sprintf("%d of %d parts, reference %d: the others are not here", len(parts), f.Concat.Total, f.Concat.Reference))
		v.message(f.Originator, pdu.Join(parts))
	}
}

func (v view) rule(title string) {
	fmt.Fprintln(v.w, v.palette.paint(paintField, "== "+title+" =="))
}

// mark is a remark about an octet.
type mark struct {
	offset int
	color  string
	words  string
}

// marks are the remarks about a PDU.
func marks(r reading, err error) []mark {
	var all []mark
	for _, w := range r.warnings {
		all = append(all, mark{w.Offset, paintWarning, w.Field + ": " + w.Err.Error()})
	}
	if e, ok := errors.AsType[*pdu.DecodeError](err); ok {
		all = append(all, mark{e.Offset, paintFault, e.Field + ": " + e.Err.Error()})
	}
	return all
}

// rows shows the octets, field by field.
func (v view) rows(r reading, marks []mark) {
	end := 0
	for _, s := range r.spans {
		v.field(r, s, r.words(s), marks)
		end = s.Offset + s.Size
	}
	if rest := len(r.octets) - end; rest > 0 {
		v.field(r, pdu.Span{Field: "?", Offset: end, Size: rest}, "not read", marks)
	}
	for _, m := range marks {
		if m.offset >= len(r.octets) {
			v.mark(m, 0)
		}
	}
}

// field shows a field in rows of octets.
func (v view) field(r reading, s pdu.Span, words string, marks []mark) {
	name := s.Field
	for at := s.Offset; at < s.Offset+s.Size; at += rowOctets {
		end := min(at+rowOctets, s.Offset+s.Size)
		v.row(at, r.octets[at:end], name, words)
		name, words = "", ""
		for _, m := range marks {
			if at <= m.offset && m.offset < end {
				v.mark(m, m.offset-at)
			}
		}
	}
}

func (v view) row(at int, octets []byte, name, words string) {
	row := fmt.Sprintf("%s  %-*s", v.palette.paint(paintDim, fmt.Sprintf("%4d", at)), hexWidth, fmt.Sprintf("% X", octets))
	if name != "" {
		row += "  " + v.label(name, fieldWidth) + "  " + words
	}
	fmt.Fprintln(v.w, strings.TrimRight(row, " "))
}

// label is a name, filled up to a width.
func (v view) label(name string, width int) string {
	return v.palette.paint(paintField, name) + strings.Repeat(" ", max(0, width-len(name)))
}

// mark shows a remark under the octet number column of a row.
func (v view) mark(m mark, column int) {
	fmt.Fprintf(v.w, "%*s%s\n", 6+3*column, "", v.palette.paint(m.color, "^^ "+m.words))
}

// summaries shows what the PDU says.
func (v view) summaries(r reading, err error) {
	front := "without SC address in front"
	if r.smsc {
		front = "with SC address in front"
	}
	v.summary("read", front)
	if err != nil {
		v.summaryIn(paintFault, "error", err.Error())
		return
	}
	f := r.fields()
	v.summary("SC address", f.SMSC)
	who := "from"
	if f.Type != "deliver" {
		who = "to"
	}
	v.summary(who, f.Addr)
	v.summary("sent", f.SCTS)
	if f.Type == "status-report" {
		v.summary("settled", f.DT)
		v.summary("reference", fmt.Sprint(*f.MR))
		v.summary("status", f.Status+" ("+f.Category+")")
	}
	if c := f.Concat; c != nil {
		v.summary("part", fmt.Sprintf("%d of %d, reference %d of %d bits", c.Seq, c.Total, c.Ref, c.Bits))
	}
	if p := f.Ports; p != nil {
		v.summary("ports", portWords(p.Dest, p.Src))
	}
	for _, w := range r.userData.Waiting(r.dcs) {
		v.summary("waiting", w.String())
	}
	if f.Text != nil {
		v.text("text", *f.Text)
	}
	if f.Data != nil {
		v.text("data", *f.Data)
	}
	for _, w := range f.Warnings {
		v.summaryIn(paintWarning, "warning", w)
	}
}

// summary shows a line, unless there is nothing to show.
func (v view) summary(name, value string) {
	if value != "" {
		v.text(name, value)
	}
}

// text shows a text line by line, without what moves the cursor.
func (v view) text(name, text string) {
	text = strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintln(v.w, strings.TrimRight(v.label(name, nameWidth)+"  "+strings.Map(visible, line), " "))
		name = ""
	}
}

func (v view) summaryIn(color, name, value string) {
	fmt.Fprintf(v.w, "%s\n", v.palette.paint(color, fmt.Sprintf("%-*s  %s", nameWidth, name, strings.Map(visible, value))))
}

// shorten cuts a text that is shown beside its octets.
func shorten(s string) string {
	if utf8.RuneCountInString(s) <= wordsMost {
		return s
	}
	return string([]rune(s)[:wordsMost]) + "…"
}
