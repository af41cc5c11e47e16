package sqlite

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"cellpost/pdu"
	"cellpost/queue"
	"cellpost/queue/queuetest"
	"cellpost/sms"
)

// TestStates: the page, the schema and the packages know the same states. What leads
// from one to the other is held to the page by [queuetest.Seen.Check].
func TestStates(t *testing.T) {
	table := queuetest.ReadStates(t, states)
	s := openTest(t, &sms.Rules{})
	month := monthOf(time.Now())
	if err := s.write(t.Context(), func(x *tx) error { return x.newMonth(month) }); err != nil {
		t.Fatal(err)
	}
	constants := constantsOf(t, "../../sms")
	var past, bygone []string
	for tr := range table.Transitions {
		if tr.Event == "purged" {
			past = append(past, string(tr.From))
		}
	}
	for _, state := range bygoneStates {
		bygone = append(bygone, string(state))
	}
	for _, c := range []struct {
		what string
		page []string
		has  map[string][]string
	}{
		{"a message", table.Message, map[string][]string{
			"schema": s.checked(t, "message", "state"), "package sms": constants["State"],
		}},
		{"a part", table.Part, map[string][]string{"schema": s.checked(t, "part", "state")}},
		{"an attempt", table.Outcome, map[string][]string{
			"schema": s.checked(t, "attempt", "outcome"), "package sms": constants["OutcomeKind"],
		}},
		{"a message that is purged", past, map[string][]string{"schema": s.checked(t, month, "state"), "package sqlite": bygone}},
	} {
		slices.Sort(c.page)
		if len(c.page) == 0 {
			t.Errorf("%s has no states of %s", states, c.what)
		}
		for where, has := range c.has {
			if slices.Sort(has); !slices.Equal(c.page, has) {
				t.Errorf("the states of %s are %q in %s, and %q in the %s", c.what, c.page, states, has, where)
			}
		}
	}
	known := func(where, state string) {
		if !slices.Contains(table.Message, state) {
			t.Errorf("%s: no message is %q: %s", states, state, where)
		}
	}
	for _, state := range table.Part {
		known("a part is", state)
	}
	for tr := range table.Transitions {
		for _, state := range []sms.State{tr.From, tr.To} {
			if state != queuetest.Nothing {
				known(fmt.Sprint(tr), string(state))
			}
		}
	}
}

// showRestored shows what becomes of messages that come back from a copy of the
// database: what was unfinished is unknown, unless its time is still to come.
func showRestored(t *testing.T, seen *queuetest.Seen) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	w := queuetest.Watch(s, seen)
	b := batch(5)
	now := time.Now()
	for i, due := range []time.Time{now.Add(-time.Minute), now.Add(time.Hour)} {
		m := &b.Messages[2+i]
		m.State, m.Due, m.Review = sms.Scheduled, due, due
	}
	b.Messages[4].At = now.Add(-time.Minute)
	if err := w.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Claim(t.Context(), queue.By{SIM: "a", Modem: "m"}); err != nil {
		t.Fatal(err)
	}
	restore(t, w, s)
	for i, want := range []sms.State{sms.Unknown, sms.Unknown, sms.Unknown, sms.Scheduled, sms.Unknown} {
		if m, _, err := w.Show(t.Context(), b.Messages[i].ID); err != nil || m.State != want || !m.Duplicate {
			t.Errorf("message %d: %s, possible duplicate %v, %v; want %s", i, m.State, m.Duplicate, err, want)
		}
	}
}

// showRestoredDecided shows what comes back from a copy that was made while a message was
// on the air of which earlier hand-overs had decided. No line is kept by it.
func showRestoredDecided(t *testing.T, seen *queuetest.Seen) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for status, want := range map[pdu.Status]sms.State{0x20: sms.Sent, 0x00: sms.Delivered, 0x41: sms.Failed} {
		s := openTest(t, &sms.Rules{})
		addShop(t, s)
		w := queuetest.Watch(s, seen)
		claim := func() queue.Claim {
			t.Helper()
			c, err := w.Claim(t.Context(), queue.By{SIM: "a", Modem: "m", Alone: true})
			must(err)
			return c
		}
		b := batch(1)
		m := &b.Messages[0]
		m.Resend = true
		if want == sms.Failed { // its first part: the second is on the air
			m.Parts = append(m.Parts, sms.Part{N: 2, TPDU: make([]byte, 40)})
		}
		must(w.Add(t.Context(), b))
		first := claim()
		if want == sms.Failed {
			_, err := w.PartSent(t.Context(), first, sms.Outcome{Kind: sms.Accepted, MR: 7})
			must(err)
		} else {
			must(w.Settle(t.Context(), first, sms.Outcome{Kind: sms.Ambiguous}))
			_, err := w.Overdue(t.Context(), nil)
			must(err)
			claim()
			must(w.Late(t.Context(), first.Attempt, sms.Outcome{Kind: sms.Accepted, MR: 7}))
		}
		tpdu, err := pdu.StatusReport{Reference: 7, Recipient: m.To.Address(), Discharge: time.Now(), Status: status}.AppendBinary(nil)
		must(err)
		_, err = w.Report(t.Context(), sms.Report{SIM: "a", Modem: "m", TPDU: tpdu, Received: time.Now()})
		must(err)
		restore(t, w, s)
		_, err = w.Overdue(t.Context(), nil)
		must(err)
		if got, timeline, err := w.Show(t.Context(), m.ID); err != nil || got.State != want {
			t.Errorf("%s, want %s; %v, %+v", got.State, want, err, timeline)
		}
		must(w.Add(t.Context(), batch(1)))
		claim()
	}
}

// restore does to a store what is done to a copy of it that takes its place.
func restore(t *testing.T, w *queuetest.Watched, s *Store) {
	t.Helper()
	if err := w.During(t.Context(), "restored", func() error {
		_, err := s.doubt(t.Context(), time.Now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// showTakenBack shows what was seen of a batch whose process died before all of it was
// in: each state that a message of it can have by then. copied says that the
// database was a copy of that moment.
func showTakenBack(t *testing.T, seen *queuetest.Seen, copied bool) {
	s := openTest(t, &sms.Rules{})
	w := queuetest.Watch(s, seen)
	b := batch(5)
	queued, scheduled, held, cancelled, expired := &b.Messages[0], &b.Messages[1], &b.Messages[2], &b.Messages[3], &b.Messages[4]
	now := time.Now()
	scheduled.State, scheduled.Due, scheduled.Review = sms.Scheduled, now.Add(time.Hour), now.Add(time.Hour)
	held.At = now.Add(time.Hour)
	expired.Expires, expired.Review = now, now
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.During(t.Context(), "admitted", func() error {
		stage(t, s, b)
		acceptAt(t, s, nil)
		return nil
	}))
	must(w.Cancel(t.Context(), cancelled.ID))
	_, err := w.Overdue(t.Context(), nil)
	must(err)
	if copied {
		restore(t, w, s)
	}
	want := map[*sms.Message]sms.State{queued: sms.Queued, scheduled: sms.Scheduled, held: sms.Held, cancelled: sms.Cancelled, expired: sms.Expired}
	if copied {
		want[queued] = sms.Unknown
	}
	for m, state := range want {
		if got, _, err := w.Show(t.Context(), m.ID); err != nil || got.State != state {
			t.Errorf("%s, want %s; %v", got.State, state, err)
		}
	}
	s.ends(b.Messages[0].ID) // as a process does that dies
	_, err = w.Reroute(t.Context())
	must(err)
	if list, err := w.List(t.Context(), queue.Filter{}); err != nil || len(list) != 0 {
		t.Errorf("left over: %+v, %v", list, err)
	}
}

// checked are the values that the schema allows in a column.
func (s *Store) checked(t *testing.T, table, column string) []string {
	t.Helper()
	schema, err := scalar[string](s.tx.row(`SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?`, table))
	if err != nil {
		t.Fatal(err)
	}
	// Either "state IN ('a', 'b')" or "state = 'a' OR state = 'b'".
	check := regexp.MustCompile(`(?s)\n\s*` + column + `\s+TEXT NOT NULL CHECK \(` + column + ` (?:IN \(|= )('[^)]*)\)`).FindStringSubmatch(schema)
	if check == nil {
		t.Fatalf("no CHECK on %s of %s:\n%s", column, table, schema)
	}
	var values []string
	for _, value := range regexp.MustCompile(`'(.*?)'`).FindAllStringSubmatch(check[1], -1) {
		values = append(values, value[1])
	}
	return values
}

// constantsOf are the values of the string constants in a package, by type.
func constantsOf(t *testing.T, dir string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no package in %s: %v", dir, err)
	}
	values := map[string][]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok {
				addTexts(values, v)
			}
			return true
		})
	}
	return values
}

// addTexts adds what is declared with a type and a string.
func addTexts(values map[string][]string, v *ast.ValueSpec) {
	kind, ok := v.Type.(*ast.Ident)
	if !ok {
		return
	}
	for _, value := range v.Values {
		if lit, ok := value.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, _ := strconv.Unquote(lit.Value) // the parser has seen that it is one
			values[kind.Name] = append(values[kind.Name], text)
		}
	}
}
