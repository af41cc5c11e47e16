package pdu_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"cellpost/pdu"
)

// sample is a TPDU that other decoders read, and what it says.
type sample struct {
	says any // a pdu.Submit, pdu.Deliver or pdu.StatusReport
	sc   pdu.Address
	tpdu []byte
	made fields // what went into TP-VP, concat, ports and waiting before we encoded them
}

// validity returns what the TP-VP has to say, worked out by the clause.
func (s sample) validity() string { return s.made["TP-VP"] }

// number returns the address in the TPDU.
func (s sample) number() pdu.Address {
	switch m := s.says.(type) {
	case pdu.Submit:
		return m.Destination
	case pdu.Deliver:
		return m.Originator
	}
	return s.says.(pdu.StatusReport).Recipient
}

// content returns the TP-DCS and the user data.
func (s sample) content() (pdu.DCS, pdu.UserData) {
	switch m := s.says.(type) {
	case pdu.Submit:
		return m.DCS, m.UserData
	case pdu.Deliver:
		return m.DCS, m.UserData
	}
	m := s.says.(pdu.StatusReport)
	return m.DCS, m.UserData
}

func (s sample) dcs() pdu.DCS {
	d, _ := s.content()
	return d
}

func (s sample) text() string {
	d, u := s.content()
	return u.Text(d)
}

// generator makes the same samples every time, out of the values where encoders
// go wrong. TestGenerated says which there are.
type generator struct {
	t   testing.TB
	rnd *rand.Rand
}

func newGenerator(t testing.TB) generator {
	return generator{t, rand.New(rand.NewPCG(23040, 23038))}
}

// samples returns messages of all kinds; the parts of one are next to each
// other.
func samples(t testing.TB) []sample {
	g := newGenerator(t)
	var all []sample
	for i := range 720 {
		all = append(all, g.message(i)...)
	}
	for i := range 120 {
		all = append(all, g.deliver(i), g.report(i))
	}
	for _, n := range nationals {
		const everywhere = "abc xyz 123"
		all = append(all, g.national(n.tables, everywhere)...)
		all = append(all, g.national(n.tables, n.word)...)
	}
	return all
}

// message returns the parts of SMS-SUBMIT number i.
func (g generator) message(i int) []sample {
	alphabet := []pdu.Alphabet{pdu.GSM7, pdu.GSM7, pdu.UCS2, pdu.Octets}[i%4]
	text, shown := g.text(alphabet)
	s := g.submit(i)
	s.DCS = pick(g, codings(alphabet))
	return g.parts(s, text, shown, nil)
}

func (g generator) split(text string, o pdu.SplitOptions) pdu.Segments {
	seg, err := pdu.Split(text, o)
	if err != nil {
		g.t.Fatalf("%q, %+v: %v", text, o, err)
	}
	return seg
}

// submit returns all of an SMS-SUBMIT but its user data and TP-VP.
func (g generator) submit(i int) pdu.Submit {
	return pdu.Submit{
		RejectDuplicates: g.flag(), ReplyPath: g.flag(), StatusReport: g.flag(),
		Reference: byte(g.rnd.Uint32()), Destination: g.number(i), PID: pick(g, pids),
	}
}

// parts returns one sample a part. Our reading of them all is what was shown,
// so that a decoder that agrees with it has read the text that was given.
func (g generator) parts(s pdu.Submit, text, shown string, tables []pdu.IE) []sample {
	header, made := g.header()
	s.Validity, made["TP-VP"] = g.validity()
	o := pdu.SplitOptions{
		Alphabet: s.DCS.Alphabet(), Header: slices.Concat(tables, header), Reference: uint16(g.rnd.Uint32()), Wide: g.flag(),
	}
	seg := g.split(text, o)
	reference := o.Reference
	if !o.Wide {
		reference &= 0xFF
	}
	all := make([]sample, 0, len(seg.Parts))
	joined := ""
	for i, u := range seg.Parts {
		if len(seg.Parts) > 1 {
			made = maps.Clone(made)
			made["concat"] = fmt.Sprint(reference, i+1, len(seg.Parts))
		}
		s.UserData = u
		all = append(all, g.sample(s, made))
		joined += u.Text(s.DCS)
		s.Reference++
	}
	if joined != shown {
		g.t.Fatalf("%q is cut into %q", shown, joined)
	}
	return all
}

func (g generator) sample(m binary, made fields) sample {
	tpdu, err := m.AppendBinary(nil)
	if err != nil {
		g.t.Fatalf("%+v: %v", m, err)
	}
	sc := pdu.Address{TON: pdu.TON(g.rnd.IntN(2)), NPI: pdu.NPITelephone, Value: g.draw(1+g.rnd.IntN(20), letters("0123456789"))}
	return sample{says: m, sc: pick(g, []pdu.Address{{}, sc, sc}), tpdu: tpdu, made: made}
}

func (g generator) flag() bool { return g.rnd.IntN(2) == 0 }

func pick[T any](g generator, from []T) T { return from[g.rnd.IntN(len(from))] }

// draw returns n letters in one text.
func (g generator) draw(n int, letters []string) string {
	var b strings.Builder
	for range n {
		b.WriteString(pick(g, letters))
	}
	return b.String()
}

func letters(s string) []string { return strings.Split(s, "") }

var pids = []pdu.PID{
	pdu.PIDNone, pdu.PIDType0, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x20, 0x21, 0x22, 0x32, 0x38, 0x3F,
	0x01, 0x1F, 0x48, pdu.PIDReturnCall, 0x7C, pdu.PIDSIMData, 0x80, 0xC0, 0xFF,
}

// codings returns every TP-DCS of a text in the alphabet: classes, message
// waiting, marked for deletion, and the group F.
func codings(a pdu.Alphabet) []pdu.DCS {
	var all []pdu.DCS
	for c := pdu.NoClass; c <= pdu.Class3; c++ {
		d := pdu.TextDCS(a, c)
		all = append(all, d, d|0x40)
		if c != pdu.NoClass && a != pdu.UCS2 {
			all = append(all, d|0xF0)
		}
	}
	for bits := range 16 {
		w := pdu.Waiting{Mailbox: pdu.Mailbox(bits & 3), Active: bits&4 != 0, Store: bits&8 != 0}
		if d, err := pdu.WaitingDCS(a, w); err == nil {
			all = append(all, d)
		}
	}
	return all
}

// number returns an address of 1 to 20 digits.
func (g generator) number(i int) pdu.Address {
	a := pdu.Address{
		TON: pick(g, []pdu.TON{
			pdu.TONInternational, pdu.TONInternational, pdu.TONUnknown, pdu.TONNational,
			pdu.TONNetwork, pdu.TONSubscriber, pdu.TONAbbreviated,
		}),
		NPI: pick(g, []pdu.NPI{pdu.NPITelephone, pdu.NPITelephone, pdu.NPIUnknown, 8, 9}),
	}
	digits := letters("0123456789")
	if i%6 == 0 && a.TON != pdu.TONInternational {
		digits = letters("0123456789*#abc")
	}
	a.Value = g.draw(1+i%20, digits)
	return a
}

// header returns the elements before those of Split, and what was put into them.
func (g generator) header() ([]pdu.IE, fields) {
	custom := pdu.IE{ID: pick(g, []byte{0x70, 0x7F, 0x80, 0x9F, 0xC0, 0xDF, 0xA1}), Data: make([]byte, g.rnd.IntN(9))}
	for i := range custom.Data {
		custom.Data[i] = byte(g.rnd.Uint32())
	}
	ports := pdu.Ports{Dest: uint16(g.rnd.Uint32()), Src: uint16(g.rnd.Uint32()), Bits: 16}
	if g.flag() {
		ports = pdu.Ports{Dest: ports.Dest & 0xFF, Src: ports.Src & 0xFF, Bits: 8}
	}
	w := pdu.Waiting{Mailbox: pdu.Mailbox(g.rnd.IntN(4)), Active: true, Count: byte(1 + g.rnd.IntN(255)), Store: g.flag()}
	header := pick(g, [][]pdu.IE{nil, nil, nil, {ports.IE()}, {custom}, {w.IE()}, {custom, ports.IE()}, {ports.IE(), w.IE(), custom}})
	made := make(fields)
	for _, ie := range header {
		switch ie.ID {
		case pdu.IEPorts8, pdu.IEPorts16:
			made["ports"] = fmt.Sprint(ports.Dest, ports.Src)
		case pdu.IEWaiting:
			made["waiting"] = fmt.Sprint(w.Store, byte(w.Mailbox), w.Count)
		}
	}
	return header, made
}

// text returns a text of a length where packing or cutting goes wrong, and how
// it is shown, which for 8-bit data is as ISO 8859-1.
func (g generator) text(a pdu.Alphabet) (text, shown string) {
	switch a {
	case pdu.GSM7:
		text = g.septets()
	case pdu.UCS2:
		text = g.units()
	default:
		octets := make([]byte, pick(g, []int{0, 1, 7, 8, 60, 128, 133, 134, 139, 140, 141, 266, 400, 500}))
		for i := range octets {
			octets[i] = byte(g.rnd.Uint32())
			shown += string(rune(octets[i]))
		}
		return string(octets), shown
	}
	return text, text
}

// extensionTable is what takes two septets.
const extensionTable = "\f^{}\\[~]|€"

// defaultAlphabet is the default alphabet.
const defaultAlphabet = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"

// septets returns a text in GSM 7-bit; many end in what a decoder might drop or
// tear.
func (g generator) septets() string {
	left := pick(g, []int{0, 1, 2, 6, 7, 8, 9, 15, 16, 17, 64, 127, 146, 152, 153, 154, 159, 160, 161, 306, 307, 459, 460, 600})
	end := pick(g, []string{"", "", "", "", "@", "\r", "€", "[", "\r\n", "@@@@@@@"})
	from := pick(g, [][]string{letters(defaultAlphabet), letters(defaultAlphabet), letters("abc xyz"), letters(extensionTable + "a"), {"@"}, {"€"}})
	size := func(s string) (n int) {
		for _, r := range s {
			n++
			if strings.ContainsRune(extensionTable, r) {
				n++
			}
		}
		return n
	}
	if left < size(end) {
		end = ""
	}
	left -= size(end)
	text := ""
	for left > 0 {
		letter := pick(g, from)
		if size(letter) > left {
			letter = "x"
		}
		text += letter
		left -= size(letter)
	}
	return text + end
}

// units returns a text for UCS2.
func (g generator) units() string {
	return g.draw(pick(g, []int{0, 1, 2, 7, 34, 35, 63, 66, 67, 68, 69, 70, 71, 133, 134, 135, 201, 260}), pick(g, [][]string{
		letters("Привет, мир! щёЪ"),
		letters("漢字かな交じり文。~\u202e"),
		{"a", "ы", "😀", "e\u0301", "👍🏽", "\r\n", "~", "\n"},
		letters("😀"),
	}))
}

// nationals are words in national tables. 3GPP TS 23.038, annex A.
var nationals = []struct {
	tables pdu.Tables
	word   string
}{
	{pdu.Tables{Single: pdu.Turkish}, "Şişli ığdır €"},
	{pdu.Tables{Locking: pdu.Turkish}, "Çağrı şöför İ€"},
	{pdu.Tables{Single: pdu.Turkish, Locking: pdu.Turkish}, "ğüşiöç["},
	{pdu.Tables{Single: pdu.Spanish}, "ÁÍÓÚ áíóú ç{"},
	{pdu.Tables{Single: pdu.Portuguese}, "ação Ê~"},
	{pdu.Tables{Locking: pdu.Portuguese}, "São ação ÚÍ"},
	{pdu.Tables{Locking: pdu.Bengali}, "নমস্কার 1"},
	{pdu.Tables{Locking: pdu.Gujarati}, "નમસ્તે a"},
	{pdu.Tables{Locking: pdu.Hindi, Single: pdu.Hindi}, "नमस्ते !"},
	{pdu.Tables{Locking: pdu.Kannada}, "ನಮಸ್ಕಾರ "},
	{pdu.Tables{Locking: pdu.Malayalam}, "നമസ്കാരം"},
	{pdu.Tables{Locking: pdu.Oriya}, "ନମସ୍କାର 23"},
	{pdu.Tables{Locking: pdu.Punjabi}, "ਸਤ ਸਰੀ"},
	{pdu.Tables{Locking: pdu.Tamil}, "வணக்கம்"},
	{pdu.Tables{Locking: pdu.Telugu}, "నమస్కారం x"},
	{pdu.Tables{Locking: pdu.Urdu, Single: pdu.Urdu}, "سلام 0"},
}

// national returns SMS-SUBMITs of one to three parts in the national tables.
func (g generator) national(tables pdu.Tables, word string) []sample {
	var header []pdu.IE
	if tables.Single != pdu.NoLanguage {
		header = append(header, pdu.IE{ID: pdu.IESingle, Data: []byte{byte(tables.Single)}})
	}
	if tables.Locking != pdu.NoLanguage {
		header = append(header, pdu.IE{ID: pdu.IELocking, Data: []byte{byte(tables.Locking)}})
	}
	var all []sample
	for i, times := range []int{1, 9, 30} {
		text := strings.Repeat(word, times)
		s := g.submit(i)
		s.DCS = pick(g, codings(pdu.GSM7))
		all = append(all, g.parts(s, text, text, header)...)
	}
	return all
}

// deliver returns an SMS-DELIVER.
func (g generator) deliver(i int) sample {
	a := []pdu.Alphabet{pdu.GSM7, pdu.UCS2, pdu.Octets}[i%3]
	text, _ := g.text(a)
	header, made := g.header()
	d := pdu.Deliver{
		MoreMessages: g.flag(), ReplyPath: g.flag(), StatusReport: g.flag(), Looping: g.flag(),
		Originator: g.number(i), PID: pick(g, pids), DCS: pick(g, codings(a)), Time: g.time(),
		UserData: g.part(text, a, header, made),
	}
	if i%2 == 0 {
		d.Originator = pdu.Address{TON: pdu.TONAlphanumeric, Value: g.draw(1+i/2%11, letters(pick(g, []string{defaultAlphabet, "Bank 24"})))}
	}
	return g.sample(d, made)
}

// part returns the first part of a text.
func (g generator) part(text string, a pdu.Alphabet, header []pdu.IE, made fields) pdu.UserData {
	parts := g.split(text, pdu.SplitOptions{Alphabet: a, Header: header}).Parts
	if len(parts) > 1 {
		made["concat"] = fmt.Sprint(0, 1, len(parts))
	}
	return parts[0]
}

// report returns an SMS-STATUS-REPORT; every second one has the fields after
// TP-ST.
func (g generator) report(i int) sample {
	header, made := g.header()
	r := pdu.StatusReport{
		MoreMessages: g.flag(), ForCommand: g.flag(),
		Reference: byte(g.rnd.Uint32()), Recipient: g.number(i), Time: g.time(), Discharge: g.time(),
		Status: pick(g, []pdu.Status{0x00, 0x01, 0x02, 0x10, 0x20, 0x25, 0x30, 0x40, 0x46, 0x49, 0x50, 0x60, 0x65, 0x70}),
	}
	if i%2 == 0 {
		r.PID = pick(g, pids)
		if i%8 != 0 {
			r.DCS = pick(g, codings(pdu.GSM7))
		}
		r.UserData = g.part(g.septets(), pdu.GSM7, header, made)
		return g.sample(r, made)
	}
	return g.sample(r, nil)
}

// validity returns a TP-VP and what it has to say: its format and its value,
// worked out by the clause. 3GPP TS 23.040, 9.2.3.12.
func (g generator) validity() (v pdu.Validity, period string) {
	const day = 24 * time.Hour
	d := pick(g, []time.Duration{
		5 * time.Minute, 10 * time.Minute, 45 * time.Minute, 12 * time.Hour, 12*time.Hour + 30*time.Minute,
		13 * time.Hour, day, 2 * day, 30 * day, 5 * 7 * day, 62 * 7 * day, 63 * 7 * day,
	})
	switch g.rnd.IntN(8) {
	case 0, 1:
		return pdu.Validity{}, "none"
	case 2, 3, 4:
		return pdu.RelativeValidity(d), fmt.Sprint("relative ", relativeValue(d))
	case 5, 6:
		end := g.time()
		v, err := pdu.AbsoluteValidity(end)
		if err != nil {
			g.t.Fatal(err)
		}
		return v, "absolute " + stamp(end)
	}
	once := g.flag()
	period = fmt.Sprintf("enhanced once=%v ", once)
	d = pick(g, []time.Duration{0, time.Second, 255 * time.Second, 256 * time.Second, 99*time.Hour + 59*time.Minute + 58*time.Second, 5 * day})
	switch v = pdu.EnhancedValidity(d, once); {
	case d == 0 && !once:
		period = "none"
	case d == 0:
	case d < 256*time.Second:
		period += fmt.Sprintf("seconds %d", d/time.Second)
	case d < 100*time.Hour:
		period += fmt.Sprintf("clock %d:%d:%d", d/time.Hour, d/time.Minute%60, d/time.Second%60)
	default:
		period += fmt.Sprint("relative ", relativeValue(d))
	}
	return v, period
}

// relativeValue returns the value of a relative TP-VP for a period that has one.
// 3GPP TS 23.040, 9.2.3.12.1.
func relativeValue(d time.Duration) int64 {
	const day = 24 * time.Hour
	switch {
	case d <= 12*time.Hour:
		return int64(d/(5*time.Minute)) - 1
	case d <= day:
		return int64((d-12*time.Hour)/(30*time.Minute)) + 143
	case d <= 30*day:
		return int64(d/day) + 166
	}
	return int64(d/(7*day)) + 192
}

// stamp returns a time as a TP-SCTS says it, its zone in quarters of an hour.
func stamp(t time.Time) string {
	_, offset := t.Zone()
	return fmt.Sprintf("%d-%d-%d %d:%d:%d %+d", t.Year()%100, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), offset/900)
}

// time returns a time in a zone of -12:00 to +14:00.
func (g generator) time() time.Time {
	zone := time.FixedZone("", 900*(g.rnd.IntN(105)-48))
	return time.Unix(1e9+g.rnd.Int64N(2e9), 0).In(zone)
}

// exception is what another decoder gets wrong, by the standard.
type exception struct {
	fields string // separated by blanks; "*": all
	when   func(s sample) bool
	says   func(s sample) string // what it makes of the fields; nil: this or that
	why    string
}

// excuses reports whether the exception is about this value of this field.
func (e exception) excuses(s sample, field, value string) bool {
	return (e.fields == "*" || slices.Contains(strings.Fields(e.fields), field)) &&
		e.when(s) && (e.says == nil || e.says(s) == value)
}

// compare holds what another decoder reads out of each sample to what that
// says: they have to name the same fields, and to agree on each. It logs how
// often the exceptions were needed; where a newer decoder needs one no more, it
// can go.
func compare(t *testing.T, all []sample, want func(s sample) fields, got []fields, known []exception) {
	t.Helper()
	if len(got) != len(all) {
		t.Fatalf("%d TPDUs are read, there are %d", len(got), len(all))
	}
	needed, checked := make([]int, len(known)), 0
	for i, s := range all {
		want := want(s)
		names := maps.Clone(want)
		maps.Copy(names, got[i])
		excused := make(map[int]bool)
		for _, field := range slices.Sorted(maps.Keys(names)) {
			checked++
			value := got[i][field]
			if value == want[field] {
				continue
			}
			k := slices.IndexFunc(known, func(e exception) bool { return e.excuses(s, field, value) })
			if k < 0 {
				t.Errorf("%X: %s: is read as %q, want %q", s.tpdu, field, value, want[field])
				continue
			}
			excused[k] = true
		}
		for k := range excused {
			needed[k]++
		}
	}
	t.Logf("%d TPDUs, %d fields compared", len(all), checked)
	for k, e := range known {
		tried := 0
		for _, s := range all {
			if e.when(s) {
				tried++
			}
		}
		t.Logf("%s: wrong in %d of %d TPDUs: %s", e.fields, needed[k], tried, e.why)
		if tried == 0 {
			t.Errorf("no sample tries the exception %q; make one, or take it out", e.why)
		}
	}
}

// TestGenerated checks that the samples have what they are made for.
func TestGenerated(t *testing.T) {
	seen := make(map[string]int)
	for _, s := range samples(t) {
		d, u := s.content()
		_, submit := s.says.(pdu.Submit)
		c, ok := u.Concat()
		if submit && (!ok || c.Seq == 1) {
			seen["messages"]++
			seen[fmt.Sprintf("%d digits", len(s.number().Value))]++
		}
		seen[fmt.Sprintf("%v %d/%d %d", d.Alphabet(), c.Seq, c.Total, c.Bits)]++
		seen[fmt.Sprintf("dcs %02X", byte(d))]++
		seen[fmt.Sprintf("%T", s.says)]++
		kind, _, _ := strings.Cut(s.validity(), " ")
		seen[kind]++
		if text := s.text(); d.Alphabet() == pdu.GSM7 && text != "" {
			seen[fmt.Sprintf("%d septets", len(u.Data))]++
			seen["ends in "+text[len(text)-1:]]++
		}
	}
	for _, what := range []string{
		"1 digits", "2 digits", "11 digits", "12 digits", "19 digits", "20 digits",
		"dcs 00", "dcs 04", "dcs 08", "dcs 10", "dcs 13", "dcs 1B", "dcs 40", "dcs 53", "dcs C8", "dcs D9", "dcs E8", "dcs F0", "dcs F7",
		"pdu.Deliver", "pdu.StatusReport", "none", "relative", "enhanced", "absolute",
		"1 septets", "7 septets", "8 septets", "152 septets", "153 septets", "159 septets", "160 septets",
		"ends in @", "ends in \r", "ends in ]", "ends in \n",
		"gsm7 5/5 8", "gsm7 4/4 16", "ucs2 3/3 8", "ucs2 2/2 16", "octets 4/4 8", "octets 4/4 16",
	} {
		if seen[what] == 0 {
			t.Errorf("no sample of %s", what)
		}
	}
	if seen["messages"] < 600 {
		t.Errorf("%d SMS-SUBMITs, want 600 at least", seen["messages"])
	}
}
