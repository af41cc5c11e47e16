package queuetest

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"cellpost/queue"
	"cellpost/sms"
)

// Nothing is the state of a message before it is accepted, and when it is gone.
const Nothing sms.State = "-"

// Transition is a change of the state of a message, and what brought it about.
type Transition struct {
	From  sms.State
	Event string // as docs/states.md names it
	To    sms.State
}

// Seen is what stores have done to messages under test. It is for one test at a time.
type Seen struct {
	transitions map[Transition]bool
	timeline    map[string]bool
	tests       int // 0: every test has come to its end
}

// NewSeen returns one that has seen nothing.
func NewSeen() *Seen {
	return &Seen{transitions: map[Transition]bool{}, timeline: map[string]bool{}}
}

// Run runs a test that shows rows of docs/states.md. Before all of these have come to
// their end no row is missed.
func (s *Seen) Run(t *testing.T, name string, run func(t *testing.T)) {
	s.tests--
	t.Run(name, func(t *testing.T) {
		run(t)
		s.tests++
	})
}

// note adds a change of a state.
func (s *Seen) note(tr Transition) {
	s.transitions[tr] = true
}

// told adds the events of a timeline.
func (s *Seen) told(timeline []sms.Entry) {
	for _, e := range timeline {
		s.timeline[e.Event] = true
	}
}

// Check holds what was seen against docs/states.md: each change of a state is in
// its table, and each event of a timeline in the other. If all tests have run,
// each row was seen, too.
func (s *Seen) Check(t *testing.T, path string) {
	t.Helper()
	table := ReadStates(t, path)
	for _, tr := range s.Transitions() {
		if !table.Transitions[tr] {
			t.Errorf("%s has no row for what was seen: %s | %s | %s", path, tr.From, tr.Event, tr.To)
		}
	}
	for _, event := range s.Timeline() {
		if !slices.Contains(table.Timeline, event) {
			t.Errorf("%s does not say what %q means in a timeline", path, event)
		}
	}
	if s.tests != 0 || t.Failed() {
		return
	}
	for tr := range table.Transitions {
		if !s.transitions[tr] {
			t.Errorf("no test shows this row of %s: %s | %s | %s", path, tr.From, tr.Event, tr.To)
		}
	}
	for _, event := range table.Timeline {
		if !s.timeline[event] {
			t.Errorf("no test shows %q in a timeline, as %s has it", event, path)
		}
	}
}

// States are the tables of docs/states.md.
type States struct {
	Transitions map[Transition]bool
	Message     []string // states of a message
	Part        []string // states of a part
	Outcome     []string // outcomes of an attempt
	Timeline    []string // events of a timeline
}

// ReadStates reads docs/states.md: its tables have the columns "from, event, to",
// "state", "state of a part", "outcome of an attempt" and "in the timeline". Cells may list
// several, with commas.
func ReadStates(t *testing.T, path string) States {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	message, _, _ := strings.Cut(string(text), "# States of a modem")
	table := States{Transitions: map[Transition]bool{}}
	into := map[string]*[]string{"state": &table.Message, "state of a part": &table.Part, "outcome of an attempt": &table.Outcome, "in the timeline": &table.Timeline}
	head := ""
	for line := range strings.Lines(message) {
		row, ok := strings.CutPrefix(strings.TrimSpace(line), "| ")
		switch cells := strings.Split(row, " | "); {
		case !ok && !strings.HasPrefix(row, "|"):
			head = ""
		case !ok: // the rule below the head
		case head == "":
			head = strings.TrimSuffix(cells[0], " |")
		case head == "from":
			table.add(t, cells)
		case into[head] != nil:
			*into[head] = append(*into[head], names(cells[0])...)
		}
	}
	return table
}

// add takes a row of transitions: every event of it in every state of it may lead
// to every state of it.
func (s States) add(t *testing.T, cells []string) {
	if len(cells) < 3 {
		t.Fatalf("a row needs from, event and to: %q", cells)
	}
	for _, from := range names(cells[0]) {
		for _, event := range names(cells[1]) {
			for _, to := range names(cells[2]) {
				tr := Transition{sms.State(from), event, sms.State(to)}
				if s.Transitions[tr] {
					t.Errorf("twice: %v", tr)
				}
				s.Transitions[tr] = true
			}
		}
	}
}

// names are what a cell lists.
func names(cell string) []string {
	var list []string
	for name := range strings.SplitSeq(strings.TrimSuffix(cell, " |"), ",") {
		list = append(list, strings.Trim(name, " `"))
	}
	return list
}

// lookBack has all timelines told, for what a test has not asked for.
func (e *env) lookBack() {
	list, err := e.store.List(e.ctx, queue.Filter{Limit: watchMost})
	e.ok(err)
	for _, m := range list {
		e.show(m.ID)
	}
}

// Transitions are those that were seen, sorted.
func (s *Seen) Transitions() []Transition {
	return slices.SortedFunc(maps.Keys(s.transitions), func(a, b Transition) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Event, b.Event), cmp.Compare(a.To, b.To))
	})
}

// Timeline are the events that timelines told, sorted.
func (s *Seen) Timeline() []string {
	return slices.Sorted(maps.Keys(s.timeline))
}
