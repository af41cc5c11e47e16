package sim

import (
	"fmt"
	"slices"
	"strings"

	"cellpost/pdu"
)

// profile is how one module differs from a plain modem: data where that is
// enough, wrapped commands where it is not.
type profile struct {
	name                          string
	manufacturer, model, revision string // answers of AT+CGMI, AT+CGMM and AT+CGMR, as they stand

	// After a start.
	start     []string      // said at once; cpin stands for the state of the SIM
	ready     []string      // said Options.Ready later, when the SIM can be used
	gate      pdu.Cause     // what gated commands answer until then
	gated     []string      // names of commands
	factory   bool          // AT+CMGS answers ERROR until AT&F
	forgetful bool          // the service centre is gone
	chat      chatter       // what it says all the time
	unknown   string        // result of commands that it does not know; empty: as AT+CMEE says
	full      string        // said when a message finds no place
	commands  func(wrapped) // changes the table of commands; may be nil

	// Messages.
	cnmi       [5]string // digits that AT+CNMI takes, by parameter
	offer      [5]string // digits that AT+CNMI=? shows; none: those that it takes
	cnmiStart  [5]int    // after a start
	cnmiCause  pdu.Cause // refuses the others
	direct3    bool      // +CMT and +CDS need phase 2+ and mode 3
	discards   bool      // mode 1 throws codes away while a hand-over is under way
	noAck      bool      // +CMT and +CDS want no AT+CNMA in phase 2+
	unroutes   bool      // +CMT and +CDS that got no AT+CNMA in time set mt and ds of AT+CNMI to 0
	csms       string    // answer of AT+CSMS?, with a number for the service; where it differs
	cds        string    // form of +CDS: length and PDU
	cdsi       string    // all that +CDSI says, wherever the report is
	reports    int       // index of the memory that +CDSI means
	memories   [3][]int  // what AT+CPMS takes, by parameter; the first are chosen
	twoLists   bool      // AT+CPMS knows two memories, and lists in double parentheses
	indexBase  int       // first index of a memory
	buffer     int       // digits of a TPDU it takes without flow control; 0: any
	slowRefuse bool      // what the network refuses is +CMS ERROR: 350, Options.Slow late

	// Defaults of the Options with the same names.
	slotCommand string // not empty: there are two slots
	ussd        string
	timeCode    string
	missedCall  bool
}

// cpin stands for the state of the SIM in the lines of a start.
const cpin = "+CPIN"

// wrapped is a table of commands that a profile changes.
type wrapped map[string]command

// accept adds commands that are taken, and have no effect here.
func (w wrapped) accept(names ...string) {
	for _, name := range names {
		w[name] = func(*Modem, request) pdu.Cause { return success }
	}
}

// plain is a modem that follows the standards.
func plain() profile {
	return profile{
		manufacturer: "Cellpost",
		model:        "Simulated modem",
		revision:     "Revision: 1",
		start:        []string{"RDY", "+CFUN: 1", cpin},
		ready:        []string{"SMS Ready"},
		cnmi:         [5]string{"012", "0123", "023", "012", "01"},
		cnmiCause:    cmsNotSupported,
		csms:         "+CSMS: %d,1,1,1",
		cds:          "+CDS: %d\r\n%s",
		reports:      memSR,
		memories:     [3][]int{{memSM, memME, memSR}, {memSM, memME}, {memSM, memME}},
		indexBase:    1,
	}
}

// Profiles returns the names that [Options.Profile] takes.
func Profiles() []string {
	var names []string
	for _, p := range profiles() {
		names = append(names, p.name)
	}
	return names
}

// profileNamed returns the profile, a plain one for no name. It panics when there
// is none.
func profileNamed(name string) profile {
	if name == "" {
		return plain()
	}
	all := profiles()
	i := slices.IndexFunc(all, func(p profile) bool { return p.name == name })
	if i < 0 {
		panic(fmt.Sprintf("sim: no profile %q: choose one of %s", name, strings.Join(Profiles(), ", ")))
	}
	return all[i]
}

// table is the commands of a modem with this profile.
func (p *profile) table() map[string]command {
	t := commandTable()
	if p.name != "" {
		t["+CPIN"] = settles(t["+CPIN"])
	}
	if p.chat.off != "" {
		t[p.chat.off] = hush
	}
	if p.commands != nil {
		p.commands(t)
	}
	return t
}

// shown is what AT+CNMI=? answers.
func (p *profile) shown() string {
	digits := p.offer
	if digits[0] == "" {
		digits = p.cnmi
	}
	var lists []string
	for _, d := range digits {
		lists = append(lists, "("+span(d)+")")
	}
	return "+CNMI: " + strings.Join(lists, ",")
}

// span writes digits as a list, or as a range of three and more.
func span(digits string) string {
	first, last := digits[0], digits[len(digits)-1]
	if len(digits) > 2 && int(last-first) == len(digits)-1 {
		return string(first) + "-" + string(last)
	}
	return strings.Join(strings.Split(digits, ""), ",")
}

// takes reports whether AT+CNMI works with these parameters in a phase.
func (p *profile) takes(next [5]int, csms int) bool {
	for i, n := range next {
		if !strings.ContainsRune(p.cnmi[i], rune('0'+n)) {
			return false
		}
	}
	direct := next[cnmiMT] > 1 || next[cnmiDS] == 1
	return !p.direct3 || !direct || csms == 1 && next[cnmiMode] == 3
}

// named writes the memories that AT+CPMS takes.
func (m *Modem) named() string {
	var lists []string
	for _, list := range m.profile.memories {
		var names []string
		for _, k := range list {
			names = append(names, `"`+m.memories[k].name+`"`)
		}
		lists = append(lists, "("+strings.Join(names, ",")+")")
	}
	if m.profile.twoLists {
		return "+CPMS: (" + strings.Join(lists[:2], ",") + ")"
	}
	return "+CPMS: " + strings.Join(lists, ",")
}
