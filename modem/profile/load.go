package profile

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

//go:embed profiles.toml
var builtIn []byte

// builtInFile is what errors call the table that comes with the program.
const builtInFile = "profiles.toml"

// generic is the profile that matches every module, and that the others take
// from what they do not say themselves.
const generic = "generic"

// Limits of an operator's file. The table that comes with the program takes an
// eighth of them; what is bigger was not written by a person.
const (
	maxFile    = 256 << 10 // octets
	maxEntries = 500       // profiles, and as many lists of ports
	maxList    = 100       // commands, or lines, of one key
)

// Load returns the table that comes with the program, corrected by an operator's
// file of the same form: a profile with a known name takes the place of that
// one, and is what the families like it take from; new ones come first, as do
// lists of ports. Name is what errors call the file. No octets: no corrections.
//
// Errors are of the form "file:line: what is wrong (what to do)".
func Load(name string, override []byte) (*Table, error) {
	base, err := parse(builtInFile, builtIn)
	if err != nil {
		return nil, err
	}
	over, err := parse(name, override)
	if err != nil {
		return nil, err
	}
	return join(base, over)
}

// join lays the corrections over the table.
func join(base, over *document) (t *Table, err error) {
	t = &Table{}
	if t.profiles, err = resolve(base.Profile, over.Profile); err != nil {
		return nil, err
	}
	for _, e := range slices.Concat(over.Ports, base.Ports) {
		p, err := e.ports()
		if err != nil {
			return nil, err
		}
		t.ports = append(t.ports, p)
	}
	t.noise = noise(t.profiles)
	return t, nil
}

// document is a file as it is written. What is not given is nil.
type document struct {
	Profile []entry      `toml:"profile"`
	Ports   []portsEntry `toml:"ports"`
}

type entry struct {
	Name  string      `toml:"name"`
	Title *words      `toml:"title"`
	Like  *string     `toml:"like"`
	Match *matchEntry `toml:"match"`

	Init    []command `toml:"init"`
	Flow    []command `toml:"flow"`
	Ready   []signal  `toml:"ready"`
	ReadyIn *span     `toml:"ready_in"`
	Started []signal  `toml:"started"`
	Noise   []line    `toml:"noise"`
	Full    []line    `toml:"full"`

	CNMI         []routing `toml:"cnmi"`
	NoAck        *bool     `toml:"no_ack"`
	Store        *memory   `toml:"store"`
	Sweep        []memory  `toml:"sweep"`
	ReportMemory *memory   `toml:"report_memory"`
	IndexBase    *int      `toml:"index_base"`
	ListEach     *bool     `toml:"list_each"`
	NoLink       *bool     `toml:"no_link"`
	KeepSMSC     *bool     `toml:"keep_smsc"`
	ResultIn     *span     `toml:"result_in"`

	USSD *form `toml:"ussd"`

	Radio    []command `toml:"radio"`
	Restart  []command `toml:"restart"`
	Back     *span     `toml:"back"`
	NoUSB    *bool     `toml:"no_usb"`
	BlindSIM *bool     `toml:"blind_sim"`

	Slots *slotsEntry  `toml:"slots"`
	Known []knownEntry `toml:"known"`

	place `toml:"-"`
}

type matchEntry struct {
	Manufacturer pattern  `toml:"manufacturer"`
	Model        pattern  `toml:"model"`
	Revision     pattern  `toml:"revision"`
	USB          []device `toml:"usb"`
}

type slotsEntry struct {
	Query  command   `toml:"query"`
	Answer pattern   `toml:"answer"`
	Names  []string  `toml:"names"`
	Select []command `toml:"select"`
	First  []command `toml:"first"`
	Settle span      `toml:"settle"`
}

type knownEntry struct {
	Revision pattern `toml:"revision"`
	Fault    words   `toml:"fault"`
	Step     words   `toml:"step"`
}

type portsEntry struct {
	USB     []device     `toml:"usb"`
	Command *int         `toml:"command"`
	Second  *int         `toml:"second"`
	Ignore  []int        `toml:"ignore"`
	Class   *classEntry  `toml:"class"`
	Also    []classEntry `toml:"also"`
	Delay   span         `toml:"delay"`

	place `toml:"-"`
}

type classEntry struct {
	Class    octet `toml:"class"`
	Subclass octet `toml:"subclass"`
	Protocol octet `toml:"protocol"`
}

// parse reads a file, and checks it as far as one entry can be checked alone.
func parse(name string, text []byte) (*document, error) {
	s := &source{name, text}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: %d octets (keep corrections only: %d at most)", name, len(text), maxFile)
	}
	d, err := decode(text)
	if err != nil {
		return nil, s.decodeError(err)
	}
	if max(len(d.Profile), len(d.Ports)) > maxEntries {
		return nil, fmt.Errorf("%s: more than %d entries (keep corrections only)", name, maxEntries)
	}
	seen := map[string]bool{}
	for i := range d.Profile {
		e := &d.Profile[i]
		e.place = place{s, "profile", i}
		if err := e.check(); err != nil {
			return nil, err
		}
		if seen[e.Name] {
			return nil, e.fault("name", "there are two profiles %q (rename one)", e.Name)
		}
		seen[e.Name] = true
	}
	listed := map[ID]bool{}
	for i := range d.Ports {
		e := &d.Ports[i]
		e.place = place{s, "ports", i}
		for _, id := range ids(e.USB) {
			if listed[id] {
				return nil, e.fault("usb", "%04x:%04x has two lists of ports (make one of them)", id.Vendor, id.Product)
			}
			listed[id] = true
		}
	}
	return d, nil
}

func decode(text []byte) (*document, error) {
	d := &document{}
	dec := toml.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return d, dec.Decode(d)
}

// source is a file and its name, for errors.
type source struct {
	name string
	text []byte
}

// decodeError puts the decoder's words into ours.
func (s *source) decodeError(err error) error {
	if e, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(e.Errors) > 0 {
		line, _ := e.Errors[0].Position()
		return fmt.Errorf("%s:%d: unknown key %s (docs/modems.md lists the keys)", s.name, line, strings.Join(e.Errors[0].Key(), "."))
	}
	e, ok := errors.AsType[*toml.DecodeError](err)
	if !ok {
		return fmt.Errorf("%s:%d: %w", s.name, s.lineWithout(), err)
	}
	line, _ := e.Position()
	text := strings.TrimPrefix(e.Error(), "toml: ")
	if what, _, ok := strings.Cut(text, " into struct field "); ok { // which is a name in this program
		text = fmt.Sprintf("%s: %s here (docs/modems.md tells what it takes)", strings.Join(e.Key(), "."), what)
	}
	return fmt.Errorf("%s:%d: %s", s.name, line, text)
}

// lineWithout finds the line of an error that the decoder gives without one, as
// it does for a number where a value wants text: the first line that a file may
// not end with.
func (s *source) lineWithout() int {
	lines := bytes.SplitAfter(s.text, []byte("\n"))
	return 1 + sort.Search(len(lines)-1, func(i int) bool {
		_, err := decode(bytes.Join(lines[:i+1], nil))
		_, unknown := errors.AsType[*toml.StrictMissingError](err)
		_, known := errors.AsType[*toml.DecodeError](err)
		return err != nil && !unknown && !known
	})
}

// place is the n-th (from 0) table of a name in a file.
type place struct {
	file  *source
	table string
	n     int
}

// fault returns an error at a key, or at the head of the table when it has none.
func (p place) fault(key, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", p.file.name, p.line(key), fmt.Sprintf(format, args...))
}

func (p place) line(key string) (line int) {
	var in unstable.Parser
	in.Reset(p.file.text)
	for n, own := -1, false; in.NextExpression(); {
		e := in.Expression()
		name := e.Key()
		name.Next()
		found := false
		switch {
		case e.Kind == unstable.KeyValue:
			found = own && string(name.Node().Data) == key
		case e.Kind == unstable.ArrayTable && name.IsLast() && string(name.Node().Data) == p.table:
			n++
			own, found = n == p.n, n == p.n
		default:
			own = false
		}
		if found {
			line = in.Shape(name.Node().Raw).Start.Line
		}
	}
	return line
}

// check looks at what the values cannot know of each other.
func (e *entry) check() error {
	if e.Name == "" || strings.Trim(e.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(e.Name) > maxText {
		return e.fault("name", "profile name %.40q (write small letters, digits and hyphens)", e.Name)
	}
	if e.Name == generic && e.Match != nil {
		return e.fault("match", "%s is for every module (remove match)", generic)
	}
	if e.IndexBase != nil && *e.IndexBase != 0 && *e.IndexBase != 1 {
		return e.fault("index_base", "index_base %d (write 0 or 1)", *e.IndexBase)
	}
	if e.Store != nil && e.Store.s == "SR" {
		return e.fault("store", "store of %s is SR, which holds reports (write SM, ME or MT)", e.Name)
	}
	for _, k := range e.Known {
		if k.Revision.Regexp == nil || k.Fault.s == "" || k.Step.s == "" {
			return e.fault("name", "profile %s has a known fault without its version or words (write revision, fault and step)", e.Name)
		}
	}
	return cmp.Or(e.checkLists(), e.checkSlots())
}

func (e *entry) checkLists() error {
	for _, list := range []struct {
		key string
		n   int
	}{
		{"init", len(e.Init)}, {"flow", len(e.Flow)}, {"ready", len(e.Ready)}, {"started", len(e.Started)}, {"noise", len(e.Noise)}, {"full", len(e.Full)},
		{"cnmi", len(e.CNMI)}, {"sweep", len(e.Sweep)}, {"restart", len(e.Restart)},
	} {
		if list.n > maxList {
			return e.fault(list.key, "%s of %s has %d entries (%d at most)", list.key, e.Name, list.n, maxList)
		}
	}
	if n := len(e.Radio); n != 0 && n != 2 {
		return e.fault("radio", "radio of %s has %d commands (write two, off and on; or none: [])", e.Name, n)
	}
	for i, r := range e.Ready {
		for j, other := range e.Ready {
			if i != j && strings.HasPrefix(other.s, r.s) {
				return e.fault("ready", "%q of ready is the beginning of %q, which would never be heard (remove one)", r.s, other.s)
			}
		}
	}
	return nil
}

func (e *entry) checkSlots() error {
	s := e.Slots
	switch {
	case s == nil || s.none() && s.Settle.Duration == 0:
	case len(s.Names) < 2 || len(s.Names) != len(s.Select):
		return e.fault("slots", "slots of %s: %d names and %d commands (write one name and one select for each of two slots or more)", e.Name, len(s.Names), len(s.Select))
	case slices.Contains(s.Names, "") || len(slices.Compact(slices.Sorted(slices.Values(s.Names)))) < len(s.Names):
		return e.fault("slots", "slots of %s: a name is empty or there twice (write what the answer calls each slot)", e.Name)
	case s.Query.s == "" && s.Answer.Regexp != nil:
		return e.fault("slots", "slots of %s: answer without a query (write query, or remove answer)", e.Name)
	case s.Query.s != "" && (s.Answer.Regexp == nil || s.Answer.NumSubexp() == 0):
		return e.fault("slots", "slots of %s: query without an answer that has a group (write answer = '...(\\d)')", e.Name)
	}
	return nil
}

// none tells whether all is left out, which takes away what would be inherited.
func (s *slotsEntry) none() bool {
	return s.Query.s == "" && s.Answer.Regexp == nil && len(s.Names)+len(s.Select)+len(s.First) == 0
}

// resolve joins the corrections to the table, and works out what each profile
// takes from another.
func resolve(base, over []entry) ([]Profile, error) {
	r := resolver{base: map[string]*entry{}, all: map[string]*entry{}, open: map[*entry]bool{}}
	for i, e := range base {
		r.base[e.Name] = &base[i]
	}
	maps.Copy(r.all, r.base)
	var order []string
	for i, e := range over {
		r.all[e.Name] = &over[i]
		if r.base[e.Name] == nil {
			order = append(order, e.Name)
		}
	}
	for _, e := range base {
		order = append(order, e.Name)
	}
	var profiles []Profile
	for _, name := range order {
		p, err := r.profile(r.all[name])
		if err != nil {
			return nil, err
		}
		profiles = append(profiles, p)
	}
	return profiles, nil
}

type resolver struct {
	base map[string]*entry // the table that comes with the program
	all  map[string]*entry // with corrections
	open map[*entry]bool   // being worked out
}

func (r *resolver) profile(e *entry) (Profile, error) {
	if r.open[e] {
		return Profile{}, e.fault("like", "%s is like itself (name another profile)", e.Name)
	}
	r.open[e] = true
	defer delete(r.open, e)
	p, err := r.parent(e)
	if err != nil {
		return Profile{}, err
	}
	if p.Name != e.Name { // not a correction: another family
		p.Title, p.Match = e.Name, Match{}
	}
	e.give(&p)
	if p.Match.empty() && p.Name != generic {
		return Profile{}, e.fault("match", "profile %s would be for every module (write match = { model = '...' })", e.Name)
	}
	return p, r.blame(e).checkWhole(p)
}

// blame returns the entry that is to be corrected when what e takes from others
// does not fit together: the nearest one of an operator's file.
func (r *resolver) blame(e *entry) *entry {
	for at := e; at != nil; {
		if r.base[at.Name] != at {
			return at
		}
		next := generic
		if at.Like != nil {
			next = *at.Like
		}
		if at = r.all[next]; at != nil && at.Name == generic && r.base[generic] == at {
			break
		}
	}
	return e
}

// checkWhole looks at what may come from several entries.
func (e *entry) checkWhole(p Profile) error {
	if len(p.Ready) > 0 && p.ReadyIn == 0 {
		return e.fault("ready", "profile %s has ready, and does not wait for it (write ready_in = \"20s\")", p.Name)
	}
	if len(p.Restart) > 0 && p.Back == 0 {
		return e.fault("back", "profile %s is restarted, and not waited for (write back = \"30s\")", p.Name)
	}
	for _, list := range []struct {
		key      string
		commands []string
	}{{"init", p.Init}, {"flow", p.Flow}} {
		for _, cmd := range list.commands {
			if strings.EqualFold(cmd, "+CFUN=1,1") || slices.Contains(p.Restart, cmd) {
				return e.fault(list.key, "%s of %s restarts the module at each start: %q (remove it)", list.key, p.Name, cmd)
			}
		}
	}
	return nil
}

// parent returns what a profile takes what it does not say from. One that is
// like its own name corrects the one that comes with the program.
func (r *resolver) parent(e *entry) (Profile, error) {
	name := generic
	if e.Like != nil {
		name = *e.Like
	} else if e.Name == generic {
		return Profile{}, nil
	}
	from := r.all[name]
	if name == e.Name {
		from = r.base[name]
	}
	if from == nil {
		return Profile{}, e.fault("like", "%s is like %.40q, which is no profile (docs/modems.md lists them)", e.Name, name)
	}
	return r.profile(from)
}

// give lays what the entry says over p.
func (e *entry) give(p *Profile) {
	p.Name = e.Name
	if e.Title != nil {
		p.Title = e.Title.s
	}
	if m := e.Match; m != nil {
		p.Match = Match{m.Manufacturer.Regexp, m.Model.Regexp, m.Revision.Regexp, ids(m.USB)}
	}
	texts(&p.Init, e.Init)
	texts(&p.Flow, e.Flow)
	texts(&p.Ready, e.Ready)
	texts(&p.Started, e.Started)
	texts(&p.Noise, e.Noise)
	texts(&p.Full, e.Full)
	texts(&p.CNMI, e.CNMI)
	texts(&p.Sweep, e.Sweep)
	texts(&p.Radio, e.Radio)
	texts(&p.Restart, e.Restart)
	if e.ReadyIn != nil {
		p.ReadyIn = e.ReadyIn.Duration
	}
	if e.Back != nil {
		p.Back = e.Back.Duration
	}
	pick(&p.NoAck, e.NoAck)
	if e.Store != nil {
		p.Store = e.Store.s
	}
	if e.ReportMemory != nil {
		p.ReportMemory = e.ReportMemory.s
	}
	pick(&p.IndexBase, e.IndexBase)
	pick(&p.ListEach, e.ListEach)
	pick(&p.NoLink, e.NoLink)
	pick(&p.KeepSMSC, e.KeepSMSC)
	if e.ResultIn != nil {
		p.ResultIn = e.ResultIn.Duration
	}
	if e.USSD != nil {
		p.USSD = e.USSD.USSD
	}
	pick(&p.NoUSB, e.NoUSB)
	pick(&p.BlindSIM, e.BlindSIM)
	if e.Slots != nil {
		p.Slots = e.Slots.slots()
	}
	if e.Known != nil {
		p.Known = nil
	}
	for _, k := range e.Known {
		p.Known = append(p.Known, Known{k.Revision.Regexp, k.Fault.s, k.Step.s})
	}
}

// pick takes over a value that is given.
func pick[T any](dst, given *T) {
	if given != nil {
		*dst = *given
	}
}

// texts takes over a list that is given; an empty one too.
func texts[T fmt.Stringer](dst *[]string, given []T) {
	if given == nil {
		return
	}
	*dst = nil
	for _, s := range given {
		*dst = append(*dst, s.String())
	}
}

func ids(devices []device) []ID {
	var out []ID
	for _, d := range devices {
		out = append(out, d.ID)
	}
	return out
}

func (s *slotsEntry) slots() *Slots {
	if s.none() {
		return nil
	}
	out := &Slots{Query: s.Query.s, Answer: s.Answer.Regexp, Names: s.Names, Settle: s.Settle.Duration}
	texts(&out.Select, s.Select)
	texts(&out.First, s.First)
	return out
}

// maxInterface is the highest bInterfaceNumber. USB 2.0, 9.6.5: one octet.
const maxInterface = 255

func (e *portsEntry) ports() (Ports, error) {
	p := Ports{USB: ids(e.USB), Command: -1, Second: -1, Ignore: e.Ignore, Delay: e.Delay.Duration}
	pick(&p.Command, e.Command)
	pick(&p.Second, e.Second)
	if e.Class != nil {
		p.Class = &Class{e.Class.Class.byte, e.Class.Subclass.byte, e.Class.Protocol.byte}
	}
	for _, c := range e.Also {
		p.Also = append(p.Also, Class{c.Class.byte, c.Subclass.byte, c.Protocol.byte})
	}
	if len(p.USB) == 0 {
		return Ports{}, e.fault("usb", "ports of no device (write usb = [\"1234:abcd\"])")
	}
	if e.Command == nil && e.Second == nil && e.Class == nil && len(e.Ignore) == 0 && p.Delay == 0 {
		return Ports{}, e.fault("usb", "ports that say nothing (write command = 2, with the bInterfaceNumber)")
	}
	if e.Class != nil && e.Class.Class.byte == 0 || slices.ContainsFunc(e.Also, func(c classEntry) bool { return c.Class.byte == 0 }) {
		return Ports{}, e.fault("class", "a class that is missing or 00 (write class = { class = \"ff\", protocol = \"02\" })")
	}
	if p.Command >= 0 && p.Command == p.Second {
		return Ports{}, e.fault("second", "second is the interface of command (remove second)")
	}
	if p.Command >= 0 && p.Class != nil || p.Class == nil && p.Also != nil {
		return Ports{}, e.fault("class", "command, or class and what comes also: not both (remove one)")
	}
	if e.Command != nil && p.Command < 0 || e.Second != nil && p.Second < 0 || len(p.Ignore) > 0 && slices.Min(p.Ignore) < 0 ||
		slices.Max(slices.Concat(p.Ignore, []int{p.Command, p.Second})) > maxInterface {
		return Ports{}, e.fault("usb", "ports with an interface out of 0 to %d (write a bInterfaceNumber, or leave the key out)", maxInterface)
	}
	if slices.Contains(p.Ignore, p.Command) || slices.Contains(p.Ignore, p.Second) {
		return Ports{}, e.fault("ignore", "an interface takes commands and is to be ignored (remove it from ignore)")
	}
	return p, nil
}
