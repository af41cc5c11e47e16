package sms

import (
	"math"
	"slices"
	"time"
)

// Candidate is a hand-over by the SIM of a status report to the number that it
// names.
type Candidate struct {
	Named   bool // it has the TP-MR of the report; else it has none, or not yet
	Open    bool // it is under way
	Waits   bool // its part waits for a report
	Started time.Time
	Ended   time.Time // now, while it is under way
}

// ServiceCentre is the clock of a service centre, as reports have shown it.
type ServiceCentre struct {
	Ahead time.Duration // of ours
	Sure  bool          // enough reports have shown it
}

// How exactly the time of a report tells hand-overs apart. A service centre
// stamps what it takes within seconds of the result; 256 hand-overs, after which
// a TP-MR comes again, take a SIM minutes.
const (
	stampSlack = 2 * time.Minute  // the most that a stamp lies beside its hand-over
	stampClear = 10 * time.Second // how much nearer it has to be to mean one and not the other
	stampTick  = time.Second      // stamps count whole seconds
)

// clockSamples is how many reports have to show the clock of a service centre.
const clockSamples = 5

// NewServiceCentre judges a clock by how much later than the hand-overs, by
// ours, the stamps of earlier reports were. A single one may be far off: one
// report was taken for another, one result came late.
func NewServiceCentre(later []time.Duration) ServiceCentre {
	if len(later) == 0 {
		return ServiceCentre{}
	}
	slices.Sort(later)
	return ServiceCentre{Ahead: later[len(later)/2], Sure: len(later) >= clockSamples}
}

// MatchReport returns which of the candidates, newest first, a report is about
// on what the service centre took at the time sent, its TP-SCTS; -1 when that
// cannot be told, or not before one that is under way has ended. A TP-MR comes
// round every 256 hand-overs, reports come hours late, or before the result: so
// the time decides, where it can. Taken for the wrong one, a report would lose
// a message.
func MatchReport(list []Candidate, sent time.Time, sc ServiceCentre) int {
	if sent.IsZero() {
		return byReference(list)
	}
	distance := func(c Candidate) time.Duration { return c.distance(sent.Add(-sc.Ahead)) }
	named, other := time.Duration(math.MaxInt64/2), time.Duration(math.MaxInt64/2)
	for _, c := range list {
		if c.Named {
			named = min(named, distance(c))
		} else {
			other = min(other, distance(c))
		}
	}
	switch {
	case min(named, other) > stampSlack && sc.Sure:
		return only(list)
	case min(named, other) > stampSlack:
		return byReference(list)
	case named > other+stampClear:
		return single(list, func(c Candidate) bool { return !c.Named && distance(c) <= other+stampClear })
	}
	return awaited(list, func(c Candidate) bool { return c.Named && distance(c) <= named+stampTick })
}

// distance is how far a time lies beside a hand-over.
func (c Candidate) distance(t time.Time) time.Duration {
	return max(c.Started.Sub(t), t.Sub(c.Ended), 0)
}

// byReference decides where the time tells nothing: the TP-MR counts, or that
// nothing else can be meant.
func byReference(list []Candidate) int {
	if i := awaited(list, func(c Candidate) bool { return c.Named }); i >= 0 {
		return i
	}
	return single(list, func(Candidate) bool { return true })
}

// only decides where no time fits: the clock was set, or what the report is
// about is not among them.
func only(list []Candidate) int {
	if len(list) == 1 && list[0].Named && list[0].Waits {
		return 0
	}
	return -1
}

// awaited returns the newest that is meant and waits for a report, else the
// newest that is meant.
func awaited(list []Candidate, meant func(Candidate) bool) int {
	if i := slices.IndexFunc(list, func(c Candidate) bool { return c.Waits && meant(c) }); i >= 0 {
		return i
	}
	return slices.IndexFunc(list, meant)
}

// single returns the one that is meant, if it is one and has ended.
func single(list []Candidate, meant func(Candidate) bool) int {
	i := slices.IndexFunc(list, meant)
	if i < 0 || list[i].Open || slices.IndexFunc(list[i+1:], meant) >= 0 {
		return -1
	}
	return i
}
