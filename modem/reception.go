package modem

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setup is what was agreed with the module.
type setup struct {
	acknowledge bool     // AT+CSMS=1: what comes in directly waits for AT+CNMA
	cnmi        string   // "+CNMI=2,1,0,2,0"; empty: the module announces nothing, and is asked
	memory      string   // that messages are stored in: "SM"
	sweep       []string // memories that may hold messages and reports
	reading     string   // memory that AT+CMGL and AT+CMGR read now
}

// How often the memories of a module are looked through: in case an announcement
// was lost, and where there is none.
const (
	sweepEvery = 10 * time.Minute
	pollEvery  = 15 * time.Second
)

func (s *setup) sweepEvery() time.Duration {
	if !s.announced() {
		return pollEvery
	}
	return sweepEvery
}

// announced reports whether the module tells of all that comes in. What it does
// not announce, or keeps back, it stores: 3GPP TS 27.005, 3.4.1.
func (s *setup) announced() bool {
	mode, message := s.parameter(0), s.parameter(1)
	silent := mode == "" || mode == "0" || message == "" || message == "0"
	return !silent && !(s.reports() == "0" && slices.Contains(s.sweep, "SR"))
}

// messageService: phase 2+ where offered, TPDUs, one memory, the service centre.
func (s *session) messageService(ctx context.Context) error {
	s.setup.acknowledge = false
	if !s.profile.NoAck {
		_, err := s.dialogue.Command(ctx, "+CSMS=1", commandTimeout)
		s.setup.acknowledge = err == nil
	}
	if !s.setup.acknowledge {
		// Another program, or another profile, may have left it waiting for
		// acknowledgements: after the first report it would pass on no more.
		s.order(ctx, "+CSMS=0", commandTimeout)
	}
	s.acknowledges.Store(s.setup.acknowledge)
	if _, err := s.patiently(ctx, "+CMGF=0", commandTimeout); err != nil {
		return err
	}
	if err := s.chooseMemories(ctx); err != nil {
		return err
	}
	s.serviceCentre(ctx)
	return nil
}

// chooseMemories takes one memory for all, and notes those that can be read.
func (s *session) chooseMemories(ctx context.Context) error {
	offered := fields(s.try(ctx, "+CPMS=?", commandTimeout))
	if len(offered) == 0 { // it may be busy yet
		if _, err := s.patiently(ctx, "+CPMS?", cardTimeout); isBusy(err) || stalls(err) {
			return err
		}
		offered = fields(s.try(ctx, "+CPMS=?", commandTimeout))
	}
	var readable []string
	if len(offered) > 0 {
		readable = names(offered[0])
	}
	if err := s.setMemories(ctx, readable); err != nil {
		return err
	}
	s.setup.sweep = []string{s.setup.memory}
	wanted := s.profile.Sweep
	if len(wanted) == 0 {
		wanted = []string{"SM", "ME", "SR"}
	}
	for _, mem := range wanted {
		if slices.Contains(readable, mem) && mem != s.setup.memory {
			s.setup.sweep = append(s.setup.sweep, mem)
		}
	}
	return nil
}

// stores are the memories that messages may be stored in, the best first: the
// family's, SM, ME, and what else the module offers.
func (s *session) stores(readable []string) []string {
	var all []string
	for _, mem := range append([]string{s.profile.Store, "SM", "ME"}, readable...) {
		offered := len(readable) == 0 || mem == s.profile.Store || slices.Contains(readable, mem)
		// Reports and cell broadcasts have SR and BM to themselves.
		if mem != "" && mem != "SR" && mem != "BM" && offered && !slices.Contains(all, mem) {
			all = append(all, mem)
		}
	}
	return all
}

// setMemories takes the first memory that the module does not refuse and that
// has room for a message: many SIMs for machines have none. Where none has room
// the first that is not refused has to do.
func (s *session) setMemories(ctx context.Context, readable []string) error {
	var first string
	var failed error
	for _, mem := range s.stores(readable) {
		s.setup.memory = mem
		room, err := s.setMemory(ctx)
		switch {
		case stalls(err) || isBusy(err) || ctx.Err() != nil:
			return err
		case err != nil:
			failed = err
			continue
		case room:
			return nil
		}
		first = cmp.Or(first, mem)
	}
	if first == "" {
		return failed
	}
	s.m.log.Warn("no memory for messages has room", "taken", first)
	s.setup.memory = first
	_, err := s.setMemory(ctx)
	return err
}

// names are the names in an offer like ("SM","ME"), which some modules put into
// a second pair of parentheses.
func names(offer string) []string {
	var all []string
	for name := range strings.SplitSeq(offer, ",") {
		if name = strings.Trim(name, `() "`); name != "" {
			all = append(all, name)
		}
	}
	return all
}

// setMemory makes the chosen memory that of reading, writing and receiving, and
// reports whether it can hold a message, as far as the module tells. Some modules
// take fewer of the three.
func (s *session) setMemory(ctx context.Context) (room bool, err error) {
	mem := strconv.Quote(s.setup.memory)
	info, err := s.patiently(ctx, "+CPMS="+mem+","+mem+","+mem, cardTimeout)
	for _, fewer := range []string{mem + "," + mem, mem} {
		if err == nil || stalls(err) {
			break
		}
		info, err = s.must(ctx, "+CPMS="+fewer, cardTimeout)
	}
	s.setup.reading = s.setup.memory
	f := fields(info) // used and total of each memory
	return len(f) < 2 || f[len(f)-1] != "0", err
}

// serviceCentre reads the number of the service centre, and sets it where the
// configuration or an earlier reading knows better.
func (s *session) serviceCentre(ctx context.Context) {
	now := s.readSMSC(ctx)
	want := s.configured(s.simName()).SMSC
	if want == "" && now == "" {
		want = s.slotInUse().smsc
	}
	if want != "" && (want != now || s.profile.KeepSMSC) {
		s.order(ctx, "+CSCA="+strconv.Quote(want), cardTimeout)
		now = s.readSMSC(ctx)
	}
	if now != "" {
		s.changeSlot(func(s *slotState) { s.smsc = now })
	}
	s.m.learn(func(f *Facts) { f.SMSCRefused, f.SMSC = f.SMSCRefused && f.SMSC == now, now })
}

func (s *session) readSMSC(ctx context.Context) string {
	info, _ := s.dialogue.Command(ctx, "+CSCA?", cardTimeout) // not left out, whatever it does: nothing is sent without
	sca := fields(info)
	if len(sca) == 0 {
		return ""
	}
	return sca[0]
}

// reception asks for messages and reports the surest way that the module
// offers: directly and acknowledged; else stored by it and announced; else it is
// asked for them now and then.
func (s *session) reception(ctx context.Context) error {
	s.setup.cnmi = ""
	for _, parameters := range s.candidates(ctx) {
		_, err := s.dialogue.Command(ctx, "+CNMI="+parameters, commandTimeout)
		if err == nil {
			s.setup.cnmi = "+CNMI=" + parameters
			break
		}
		if stalls(err) {
			return fmt.Errorf("AT+CNMI=%s: %w", parameters, err)
		}
	}
	s.m.cnmi = s.setup.cnmi
	s.told.Store(true)
	s.m.learn(func(f *Facts) {
		f.Reception, f.Setup, f.NoReports = s.setup.cnmi, s.agreed(), s.setup.reports() == "0"
	})
	return nil
}

// reports is the parameter of AT+CNMI that says where reports go; empty: unset.
func (s *setup) reports() string { return s.parameter(3) }

// parameter is one of AT+CNMI, from 0; empty: unset.
func (s *setup) parameter(i int) string {
	f := strings.Split(strings.TrimPrefix(s.cnmi, "+CNMI="), ",")
	if i >= len(f) {
		return ""
	}
	return f[i]
}

// agreed tells people what was agreed with the module.
func (s *session) agreed() []string {
	all := []string{s.setup.cnmi, "messages stored in " + s.setup.memory, "looked through: " + strings.Join(s.setup.sweep, ", ")}
	switch {
	case s.setup.cnmi == "":
		all[0] = "announces nothing, asked every " + pollEvery.String()
	case !s.setup.announced():
		all[0] += ", which does not announce all: asked every " + pollEvery.String()
	}
	if s.setup.acknowledge {
		all = append(all, "acknowledged with AT+CNMA")
	}
	return all
}

// candidates are the parameters of AT+CNMI to try: the family's, else those that
// the module offers, the surest first. What a module offers is not always what
// it takes.
func (s *session) candidates(ctx context.Context) []string {
	if len(s.profile.CNMI) > 0 {
		return s.profile.CNMI
	}
	offers := fields(s.try(ctx, "+CNMI=?", commandTimeout))
	offer := func(i int) string {
		if i < len(offers) {
			return offers[i]
		}
		return ""
	}
	message, reports := []int{1, 2, 0}, []int{2, 1}
	if s.setup.acknowledge {
		message, reports = []int{2, 1, 0}, []int{1, 2}
	}
	var all []string
	for _, ds := range append(offered(reports, offer(3)), 0) {
		for _, mode := range offered([]int{2, 1, 3, 0}, offer(0)) { // 2: keep codes back while the link is busy
			c := fmt.Sprintf("%d,%d,%d,%d,%d", mode, offered(message, offer(1))[0], offered([]int{0}, offer(2))[0], ds,
				offered([]int{0, 1}, offer(4))[0])
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}
