package test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"cellpost/ingress/httpd"
	"cellpost/pdu"
)

// tally counts what came of crashes, by name.
type tally map[string]int

func (t tally) add(o tally) {
	for name, n := range o {
		t[name] += n
	}
}

// Names in a tally that are told of messages; those of the second group are faults.
const (
	accepted    = "messages accepted"
	inDoubt     = "of unknown outcome for a time"
	doubled     = "taken twice and flagged"
	flaggedOnce = "flagged and taken once"
	forPerson   = "kept for the operator"

	lost         = "lost"
	silent       = "doubled in silence"
	believed     = "believed to be taken and not"
	unaccounted  = "taken without a trace"
	forgotten    = "cancelled and not"
	unflagged    = "in doubt and not flagged"
	reportsLost  = "reports lost"
	reportsTwice = "reports stored twice"
	inboundLost  = "from handsets lost"
	inboundTwice = "from handsets doubled"
)

// String is the summary.
func (t tally) String() string {
	var b strings.Builder
	for _, line := range [][]string{
		{"kills", "power cuts", "fsyncs before them"},
		{cutName(nothing), cutName(everything), cutName(some), cutName(torn)},
		{accepted, lost, silent, believed, unaccounted, forgotten},
		{inDoubt, unflagged, doubled, flaggedOnce, forPerson},
		{"delivered", "sent without a report", "refused for good", "cancelled", "scheduled"},
		{"reports", reportsLost, reportsTwice},
		{"messages from handsets", inboundLost, inboundTwice},
	} {
		for i, name := range line {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "%d %s", t[name], name)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func cutName(f fate) string {
	return "cuts with " + [...]string{"nothing", "everything", "some", "some sectors"}[f] + " under way written"
}

// wrong counts a fault, and tells of it.
func (a *act) wrong(name, format string, args ...any) {
	a.t.Helper()
	a.tally[name]++
	a.t.Errorf(name+": "+format, args...)
}

// judge starts the gateway a last time, and compares what it says with what happened.
func (a *act) judge() {
	a.t.Helper()
	g := a.start()
	list := a.settle(1, message.over)
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(a.dir, "data", "cellpost.db")+"?mode=ro")
	if err != nil {
		a.t.Fatal(err)
	}
	defer db.Close()
	a.judgeReports(db)
	a.judgeInbox()
	a.judgeMessages(a.peruse(list))
	g.stop(a.t)
	a.judgeFile(db)
}

// over reports whether nothing happens to a message any more by itself.
func (m message) over() bool {
	switch m.State {
	case "sent", "delivered", "failed", "cancelled", "expired", "scheduled":
		return true
	}
	return m.kept()
}

// kept reports whether so many gateways died with the message in hand that a
// person has to look: it is unknown for good.
func (m message) kept() bool {
	return m.State == "unknown" && m.Why == "outcome unknown again and again; kept for the operator"
}

// doubtful reports whether the outcome of a hand-over was unknown at some time.
func (m message) doubtful() bool { return strings.Contains(m.events(), "unknown") }

var tagPattern = regexp.MustCompile(`#[0-9.]+#`)

// copied names what a message is a copy of.
func (m message) copied() copied { return copied{tagPattern.FindString(m.Text), m.To} }

// taken counts the copies of each part that the network took.
type taken map[takenPart]int

type takenPart struct {
	copied
	part int
}

func (a *act) taken() taken {
	t := taken{}
	for _, e := range a.network.Ledger() {
		part := 1
		if c, ok := e.Submit.UserData.Concat(); ok {
			part = int(c.Seq)
		}
		tag := tagPattern.FindString(e.Submit.UserData.Text(e.Submit.DCS))
		t[takenPart{copied{tag, e.Submit.Destination.Digits()}, part}]++
	}
	return t
}

func (a *act) judgeMessages(list []message) {
	a.t.Helper()
	taken, stored := a.taken(), map[copied]bool{}
	for _, m := range list {
		if stored[m.copied()] {
			a.wrong(unaccounted, "%q to %s is stored twice", m.Text, m.To)
		}
		stored[m.copied()] = true
		least, most := a.judgeParts(m, taken)
		a.judgeState(m, least, most)
		a.judgeDoubt(m, most)
		if a.cancelled[m.ID] && m.State != "cancelled" && !m.doubtful() {
			a.wrong(forgotten, "%q is %s: %s", m.Text, m.State, m.events())
		}
	}
	for c := range a.told {
		if a.tally[accepted]++; !stored[c] {
			a.wrong(lost, "%s to %s was accepted and is not stored", c.tag, c.to)
		}
	}
	for p := range taken {
		if !stored[p.copied] {
			a.wrong(unaccounted, "%s to %s was taken and is not stored", p.tag, p.to)
		}
	}
}

// judgeParts compares the hand-overs of each part with what the network took, and
// returns how often it took the part that it took least, and the one it took most.
func (a *act) judgeParts(m message, taken taken) (least, most int) {
	a.t.Helper()
	for i, p := range m.Parts {
		n := taken[takenPart{m.copied(), p.N}]
		begun, known := 0, 0
		for _, at := range p.Attempts {
			if at.Outcome != "not sent" {
				begun++
			}
			if at.Outcome == "accepted" {
				known++
			}
		}
		if n > begun {
			a.wrong(unaccounted, "part %d of %q was taken %d times, and begun %d times: %s", p.N, m.Text, n, begun, m.events())
		}
		if known > n {
			a.wrong(believed, "part %d of %q was taken %d times, and %d are known: %s", p.N, m.Text, n, known, m.events())
		}
		if most = max(most, n); i == 0 || n < least {
			least = n
		}
	}
	return least, most
}

// judgeState compares the end of a message with how often the network took it.
func (a *act) judgeState(m message, least, most int) {
	a.t.Helper()
	refusable := strings.HasPrefix(m.To, refused)
	switch {
	case m.kept() && m.Duplicate && m.tries() > 3:
		a.tally[forPerson]++
	case m.State == "cancelled":
		a.tally["cancelled"]++
	case m.State == "failed" && refusable && most == 0:
		a.tally["refused for good"]++
	case m.State == "scheduled" && most == 0:
		a.tally["scheduled"]++
	case m.State == "delivered" && least > 0:
		a.tally["delivered"]++
	case m.State == "sent" && least > 0:
		a.tally["sent without a report"]++
	default:
		a.wrong(lost, "%q to %s is %s (%s) and was taken %d times: %s", m.Text, m.To, m.State, m.Why, least, m.events())
	}
}

// judgeDoubt looks that doubts are told.
func (a *act) judgeDoubt(m message, most int) {
	a.t.Helper()
	if m.doubtful() {
		a.tally[inDoubt]++
	}
	switch {
	case most > 1 && !(m.doubtful() && m.Duplicate):
		a.wrong(silent, "%q was taken %d times: %s", m.Text, most, m.events())
	case most > 1:
		a.tally[doubled]++
	case m.Duplicate:
		a.tally[flaggedOnce]++
	case m.stillInDoubt():
		a.wrong(unflagged, "%q: %s", m.Text, m.events())
	}
}

// stillInDoubt reports whether a part with an attempt of unknown outcome was handed
// over again.
func (m message) stillInDoubt() bool {
	for _, p := range m.Parts {
		unknown, others := 0, 0
		for _, at := range p.Attempts {
			switch at.Outcome {
			case "unknown":
				unknown++
			case "accepted":
				others++
			}
		}
		if unknown > 0 && unknown+others > 1 {
			return true
		}
	}
	return false
}

// reference is what a status report names.
type reference struct {
	sim string
	mr  byte
	to  string
}

// judgeReports waits until the store has the report on each message that the network
// took: it brings one until it is acknowledged, and not again then.
func (a *act) judgeReports(db *sql.DB) {
	a.t.Helper()
	var want, got map[reference]int
	await(patience, func() bool {
		want, got = map[reference]int{}, a.reports(db)
		for _, e := range a.network.Ledger() {
			want[reference{e.SIM, e.MR, e.Submit.Destination.Digits()}]++
		}
		for r, n := range want {
			if got[r] < n {
				return false
			}
		}
		return true
	})
	for r, n := range want {
		a.tally["reports"] += n
		if got[r] < n {
			a.wrong(reportsLost, "%d of %d on %+v are stored", got[r], n, r)
		}
	}
	for r, n := range got {
		if n > want[r] {
			a.wrong(reportsTwice, "%d on %+v are stored, and %d came", n, r, want[r])
		}
	}
}

// reports counts the reports in the store.
func (a *act) reports(db *sql.DB) map[reference]int {
	a.t.Helper()
	rows, err := db.Query("SELECT sim, tpdu FROM report")
	if err != nil {
		a.t.Fatal(err)
	}
	defer rows.Close()
	got := map[reference]int{}
	for rows.Next() {
		var sim string
		var tpdu []byte
		if err := rows.Scan(&sim, &tpdu); err != nil {
			a.t.Fatal(err)
		}
		r, _, err := pdu.ParseStatusReport(tpdu)
		if err != nil {
			a.t.Fatal(err)
		}
		got[reference{sim, r.Reference, r.Recipient.Digits()}]++
	}
	if err := rows.Err(); err != nil {
		a.t.Fatal(err)
	}
	return got
}

// judgeInbox waits until the inbox holds what the handsets sent.
func (a *act) judgeInbox() {
	a.t.Helper()
	var got map[string]int
	await(patience, func() bool {
		got = map[string]int{}
		for _, in := range ask[[]httpd.Inbound](a.control, "/v1/inbox?limit=10000") {
			got[in.Text]++
		}
		return !slices.ContainsFunc(a.inbound, func(text string) bool { return got[text] == 0 })
	})
	for _, text := range a.inbound {
		a.tally["messages from handsets"]++
		switch n := got[text]; {
		case n == 0:
			a.wrong(inboundLost, "%q is not in the inbox", text)
		case n > 1:
			a.wrong(inboundTwice, "%q is in the inbox %d times", text, n)
		}
		delete(got, text)
	}
	for text := range got {
		a.wrong(inboundTwice, "%q is in the inbox, and no handset sent it", text)
	}
}

// judgeFile looks that the database is whole, and the one that it was.
func (a *act) judgeFile(db *sql.DB) {
	a.t.Helper()
	var found string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&found); err != nil || found != "ok" {
		a.t.Errorf("the database is damaged: %s, %v", found, err)
	}
	if aside, _ := filepath.Glob(filepath.Join(a.dir, "data", "*corrupt*")); len(aside) > 0 {
		a.t.Errorf("the gateway found its database damaged: %q", aside)
	}
}
