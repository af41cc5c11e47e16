package queuetest

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"cellpost/pdu"
	"cellpost/sms"
)

// The model is a second opinion: what docs/states.md says may happen to a
// message. It asks [sms.Rules] nothing once a message is admitted. It keeps its
// own time, which runs on whatever is done to the clock on the wall.

// waits of the model, as docs/states.md has them.
const (
	radioWait   = 5 * time.Second
	radioOff    = 15 * time.Second
	simWait     = time.Minute // of a SIM that every number is refused to
	busyWait    = 2 * time.Second
	reportGrace = 24 * time.Hour
	doubtsMost  = 3 // how often an unknown outcome is sent again
	triesMost   = 5 // of a message that one SIM alone is refused with
	inARow      = 5 // numbers that a SIM is refused until it is the SIM
	jitter      = 4 // a back-off is longer by up to a fourth
)

var backOffs = []time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute}

// span is when something may be: from and to, both included.
type span struct{ from, to time.Time }

func moment(t time.Time) span { return span{t, t} }

// longer is when a wait from now on may be over: it is drawn.
func longer(now time.Time, wait time.Duration) span {
	return span{now.Add(wait), now.Add(wait + wait/jitter)}
}

func (s span) add(d time.Duration) span { return span{s.from.Add(d), s.to.Add(d)} }

func (s span) has(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

// letter is what the model knows of a message.
type letter struct {
	sms.Message // as it was added: what nothing changes
	arrival     int

	state    sms.State
	due      span
	lane     lane
	avoid    string
	until    span // of avoid
	tries    int
	doubts   int
	everDup  bool
	refunded bool
	parts    []sheet
	hands    []*hand
	wait     time.Time // unknown: until when evidence is awaited; zero: kept for the operator
	over     span      // when all parts may start over, and when they have to
	rerouted bool      // the service was started again, perhaps with other routes
	set      bool      // the clock was set when nothing more was to happen to it
}

// sheet is a part.
type sheet struct {
	state sms.State
	sim   string
}

// hand is a hand-over.
type hand struct {
	id       int64
	letter   *letter
	part     int // index
	sim      string
	outcome  sms.OutcomeKind
	mr       int // -1: not known
	asked    byte
	concat   uint16 // of a message of several parts
	repeat   bool
	obsolete bool
	status   int // -1: none
	started  time.Time
}

func (l *letter) taken(i int) bool {
	return l.parts[i].state == sms.Sent || l.parts[i].state == sms.Delivered
}

// pinned is the SIM that parts have left by.
func (l *letter) pinned() string {
	for i, p := range l.parts {
		if l.taken(i) {
			return p.sim
		}
	}
	return ""
}

func (l *letter) count(s sms.State) int {
	n := 0
	for _, p := range l.parts {
		if p.state == s {
			n++
		}
	}
	return n
}

// maybeGone counts the copies of a part that the network may have.
func (l *letter) maybeGone(part int) int {
	n := 0
	for _, h := range l.hands {
		if (part < 0 || h.part == part) && (h.outcome == sms.Accepted || h.outcome == sms.Ambiguous) {
			n++
		}
	}
	return n
}

// mustFlag reports whether the handset may show a part twice, or is about to.
func (l *letter) mustFlag() bool {
	for i, p := range l.parts {
		gone := l.maybeGone(i)
		if gone > 1 || gone == 1 && (p.state == sms.Queued || p.state == sms.Sending) {
			return true
		}
	}
	return false
}

func (l *letter) flag() { l.everDup = true }

func (l *letter) openHand() *hand {
	for _, h := range l.hands {
		if h.outcome == sms.Open {
			return h
		}
	}
	return nil
}

// queueAgain puts it back: due when, off a SIM for so long where there are others.
func (o *opinion) queueAgain(l *letter, due span, sim string, off span) {
	l.state, l.due = sms.Queued, due
	l.avoid, l.until = "", span{}
	for i := range l.parts {
		if l.parts[i].state == sms.Unknown {
			l.parts[i].state = sms.Queued
		}
	}
	if p := l.pinned(); p != "" {
		l.lane = lane{only: p}
	} else if sim != "" && o.rules.others(l.lane, sim) {
		l.avoid, l.until = sim, off
	}
	o.startOverFrom(l)
}

// startOverFrom says when a message that waits for the SIM of its first parts
// may go elsewhere.
func (o *opinion) startOverFrom(l *letter) {
	l.over = span{}
	sim := l.pinned()
	if sim == "" || l.lane != (lane{only: sim}) || l.OnlySIM != "" {
		return
	}
	path := o.rules.path(l.To)
	if len(path) == 0 || !o.rules.others(o.first(l), sim) {
		return
	}
	to := later(l.due.to, o.now())
	// A message that was only given back has kept its due time, which counts.
	l.over = span{l.due.from.Add(escalateAfter), to.Add(escalateAfter)}
}

func (o *opinion) first(l *letter) lane {
	path := o.rules.path(l.To)
	switch {
	case l.OnlySIM != "":
		return lane{only: l.OnlySIM}
	case l.Escalate == 1:
		return path[len(path)-1]
	}
	return path[0]
}

// byParts is what the parts alone make of a message; false when they decide nothing.
func (o *opinion) byParts(l *letter) bool {
	n := len(l.parts)
	switch {
	case l.count(sms.Failed) > 0:
		o.fail(l, false)
	case l.count(sms.Delivered) == n:
		l.state = sms.Delivered
	case l.count(sms.Delivered)+l.count(sms.Sent) == n:
		l.state = sms.Sent
	default:
		return false
	}
	return true
}

func (o *opinion) fail(l *letter, refund bool) {
	l.state = sms.Failed
	for i := range l.parts {
		if !l.taken(i) {
			l.parts[i].state = sms.Failed
		}
	}
	if refund && l.maybeGone(-1) == 0 {
		l.refunded = true
	}
}

// rest is what becomes of a message that nothing is on the air of, and that has
// parts to go.
func (o *opinion) rest(l *letter) {
	o.queueAgain(l, o.place(l), "", span{})
}

// place is the due time of a message that keeps its place, and its back-off.
func (o *opinion) place(l *letter) span {
	if now := o.now(); l.state != sms.Queued && l.due.to.After(now) { // the clock was set back a little meanwhile
		return span{now, l.due.to}
	}
	return l.due
}

// settle is the end of a hand-over.
func (o *opinion) settle(h *hand, out sms.Outcome) {
	l := h.letter
	p := &l.parts[h.part]
	class := out.Cause.Class()
	refusedCopy := out.Kind == sms.Refused && h.repeat && class == pdu.CauseDuplicate
	h.end(out)
	out.OfSIM = o.ofSIM(h, out)
	switch {
	case out.Kind == sms.Accepted || refusedCopy:
		if p.state == sms.Sending || p.state == sms.Sent {
			*p = sheet{sms.Sent, h.sim}
		}
	case p.state == sms.Sent && o.undeliverable(h):
		p.state = sms.Failed
	case p.state != sms.Sending: // news of an earlier copy stands
	case out.Kind == sms.Ambiguous:
		*p = sheet{sms.Unknown, h.sim}
	default:
		p.state = sms.Queued
	}
	switch {
	case o.byParts(l):
	case l.taken(h.part):
		o.rest(l)
	default:
		o.after(l, h.sim, out)
	}
}

// undeliverable reports whether a part has not arrived, and will not: there were reports on
// all copies that the network took, now that the last that was on the air is none.
func (o *opinion) undeliverable(ended *hand) bool {
	some := false
	for _, h := range ended.letter.hands {
		if h == ended || h.part != ended.part || h.obsolete || h.outcome != sms.Accepted {
			continue
		}
		if h.status < 0x40 {
			return false
		}
		some = true
	}
	return some
}

func (h *hand) end(out sms.Outcome) {
	h.outcome, h.mr = out.Kind, -1
	if out.Kind == sms.Accepted && !out.NoMR {
		h.mr = int(out.MR)
	}
}

// ofSIM takes note of an outcome, and reports whether it is a refusal of the SIM, as
// that was refused with so many numbers in a row.
func (o *opinion) ofSIM(h *hand, out sms.Outcome) bool {
	switch {
	case out.Kind == sms.Accepted:
		delete(o.refused, h.sim)
	case out.Kind == sms.Refused && out.Cause.Class() == pdu.CauseOtherSIM:
		if o.refused[h.sim] == nil {
			o.refused[h.sim] = map[sms.Number]bool{}
		}
		o.refused[h.sim][h.letter.To] = true
		return len(o.refused[h.sim]) >= inARow
	}
	return false
}

// after is the table "The end of a hand-over".
func (o *opinion) after(l *letter, sim string, out sms.Outcome) {
	now, others := o.now(), o.rules.others(l.lane, sim)
	switch out.Kind {
	case sms.Ambiguous:
		l.state, l.wait = sms.Unknown, now.Add(unknownWait)
		l.doubts++
		l.avoid, l.until = "", span{}
		if others {
			l.avoid, l.until = sim, moment(now.Add(unknownWait+escalateAfter))
		}
	case sms.NotSent:
		due := o.place(l)
		if !others { // behind the others
			due = span{later(due.from, now), later(due.to, now)}
		}
		o.queueAgain(l, due, sim, moment(now.Add(escalateAfter)))
	default:
		o.afterRefusal(l, sim, out)
	}
}

// afterRefusal is the part of the table that goes by causes.
func (o *opinion) afterRefusal(l *letter, sim string, out sms.Outcome) {
	now, first := o.now(), l.tries == 0
	wait := backOffs[min(l.tries, len(backOffs)-1)]
	back := longer(now, wait)
	switch class := out.Cause.Class(); {
	case class == pdu.CauseOtherSIM && out.OfSIM: // not a try
		o.queueAgain(l, o.elsewhere(l, sim, out, simWait), sim, moment(now.Add(simWait+escalateAfter)))
		return
	case class == pdu.CauseRadio, class == pdu.CauseSIM: // not a try
		o.queueAgain(l, o.elsewhere(l, sim, out, radioWait), sim, moment(now.Add(radioOff)))
		return
	case class == pdu.CausePermanent, class == pdu.CauseOtherSIM && o.lastWord(l, sim):
		o.fail(l, true)
	case class == pdu.CauseOtherSIM:
		o.queueAgain(l, o.elsewhere(l, sim, out, wait), sim, back.add(escalateAfter))
	case class == pdu.CauseFull && first:
		o.queueAgain(l, o.place(l), "", span{})
	case class == pdu.CauseModem && first:
		o.queueAgain(l, moment(now.Add(busyWait)), "", span{})
	default:
		o.queueAgain(l, back, sim, back.add(escalateAfter))
	}
	l.tries++
}

// elsewhere is when a message is due that a SIM was refused with which is not sound:
// at once for others, unless there are none, or were no better.
func (o *opinion) elsewhere(l *letter, sim string, out sms.Outcome, wait time.Duration) span {
	switch now := o.now(); {
	case l.pinned() != "", !o.rules.others(l.lane, sim), l.avoid != "" && l.until.to.After(now):
		return longer(now, wait)
	case out.Alone:
		return longer(now, min(wait, radioWait))
	}
	return o.place(l)
}

// lastWord reports whether one more refusal by a SIM is the number's: another SIM was
// refused with it before, there is no other, or it was tried often enough. That the
// same SIM says it again is no second opinion.
func (o *opinion) lastWord(l *letter, sim string) bool {
	if l.tries+1 >= triesMost {
		return true
	}
	same := l.avoid == sim && o.rules.others(l.lane, sim)
	return l.tries > 0 && !same
}

// givenBack is the end of a claim that never began.
func (o *opinion) givenBack(h *hand) {
	l := h.letter
	h.outcome = sms.NotSent
	switch p := &l.parts[h.part]; {
	case p.state == sms.Sending:
		p.state = sms.Queued
	case p.state == sms.Sent && o.undeliverable(h):
		p.state = sms.Failed
	}
	switch {
	case o.byParts(l):
	case l.pinned() != "":
		o.rest(l)
	default:
		l.state = sms.Queued
	}
}

// late is a result that comes when its attempt had been given up.
func (o *opinion) late(h *hand, out sms.Outcome) {
	l := h.letter
	if h.outcome == sms.Open {
		o.settle(h, out)
		return
	}
	h.end(out)
	if h.obsolete {
		return
	}
	p := &l.parts[h.part]
	waits := p.state == sms.Unknown || p.state == sms.Queued
	if out.Kind == sms.Accepted || out.Kind == sms.Refused && h.repeat && out.Cause.Class() == pdu.CauseDuplicate {
		if waits || p.state == sms.Sending || p.state == sms.Failed {
			*p = sheet{sms.Sent, h.sim}
			o.news(l)
		}
		return
	}
	if !waits || l.state != sms.Unknown && l.state != sms.Queued {
		return
	}
	for _, other := range l.hands {
		if other.part == h.part && other.outcome == sms.Ambiguous && !other.obsolete {
			return
		}
	}
	p.state = sms.Queued
	o.after(l, h.sim, out)
}

// news is what follows from news about a part. While a hand-over is open, its
// end decides.
func (o *opinion) news(l *letter) {
	if l.state == sms.Sending || o.byParts(l) {
		return
	}
	if l.count(sms.Unknown) == 0 && (l.state == sms.Unknown || l.state == sms.Queued) {
		o.rest(l)
	}
}

// reported is a status report on a hand-over.
func (o *opinion) reported(h *hand, mr byte, st pdu.Status) {
	l := h.letter
	if h.outcome == sms.Ambiguous {
		h.outcome, h.mr = sms.Accepted, int(mr)
	}
	h.status = int(st)
	p := &l.parts[h.part]
	next := sms.State("")
	switch class := st.Class(); {
	case p.state == sms.Delivered:
	case class == pdu.StatusDelivered:
		next = sms.Delivered
	case p.state == sms.Failed:
	case class == pdu.StatusTrying:
		if p.state != sms.Sent {
			next = sms.Sent
		}
	case !slices.ContainsFunc(l.hands, func(other *hand) bool {
		return other != h && other.part == h.part && !other.obsolete &&
			(other.outcome == sms.Open || other.outcome == sms.Accepted && other.status < 0x40)
	}):
		next = sms.Failed
	}
	if next == "" {
		return
	}
	if p.state != sms.Sent { // the rest is where it was sent again
		p.sim = h.sim
	}
	p.state = next
	o.news(l)
}

// tick is what the clock alone does to a message, when the clerk has looked.
func (o *opinion) tick(l *letter, serving []string) {
	now := o.now()
	switch l.state {
	case sms.Scheduled:
		if !l.due.from.After(now) {
			l.state = sms.Queued
			o.tick(l, serving)
		}
	case sms.Unknown:
		o.tickUnknown(l, serving)
	case sms.Queued:
		if !l.Expires.After(now) {
			l.state = sms.Expired
			l.refunded = l.refunded || l.maybeGone(-1) == 0
			return
		}
		o.tickTiers(l)
	}
}

func (o *opinion) tickUnknown(l *letter, serving []string) {
	now := o.now()
	if l.wait.IsZero() || l.wait.After(now) {
		return
	}
	l.wait = time.Time{}
	if !l.Resend || !l.Expires.After(now) || l.doubts > doubtsMost {
		return
	}
	avoid, until := l.avoid, l.until
	l.flag()
	o.queueAgain(l, l.due, "", span{})
	if l.pinned() == "" {
		l.avoid, l.until = avoid, until
	}
	o.tick(l, serving)
}

// tickTiers opens the tiers that a message of level 2 has waited for.
func (o *opinion) tickTiers(l *letter) {
	if l.Escalate != 2 || l.lane.only != "" {
		return
	}
	path := o.rules.path(l.To)
	for {
		i := slices.IndexFunc(path, func(p lane) bool { return p.prefix == l.lane.prefix && p.tier == l.lane.tier && p.any == l.lane.any })
		if i < 0 || i+1 >= len(path) || l.due.to.Add(time.Duration(i+1)*escalateAfter).After(o.now()) {
			return
		}
		l.lane = path[i+1]
	}
}

// mayRetry reports whether the operator may have a message sent again.
func (o *opinion) mayRetry(l *letter) bool {
	switch l.state {
	case sms.Failed, sms.Expired, sms.Cancelled:
		return true
	case sms.Unknown:
		return l.wait.IsZero()
	case sms.Sent:
		return !l.Expires.After(o.now())
	}
	return false
}

// retryValidity is how long a message is valid that the operator sends again.
const retryValidity = 24 * time.Hour

// retried begins a message anew: all parts, if one had left or it has failed; of one
// whose outcome is unknown the missing ones.
func (o *opinion) retried(l *letter) {
	if l.maybeGone(-1) > 0 {
		l.flag()
	}
	begun, was := l.pinned() != "", l.state
	if was == sms.Failed || begun && was != sms.Unknown {
		l.anew()
	}
	l.Expires, l.wait, l.tries, l.doubts, l.refunded = o.now().Add(retryValidity), time.Time{}, 0, 0, false
	l.lane = o.first(l)
	o.queueAgain(l, moment(o.now()), "", span{})
}

// anew has all parts leave again. What was handed over means nothing more.
func (l *letter) anew() {
	for i := range l.parts {
		l.parts[i] = sheet{state: sms.Queued}
	}
	for _, h := range l.hands {
		h.obsolete = true
	}
}

// startedOver is what the store may have done when the SIM of the first parts did
// not come: all parts leave again.
func (o *opinion) startedOver(l *letter) {
	l.anew()
	l.lane, l.over = o.first(l), span{}
	l.flag()
	o.tickTiers(l)
}

// wakes is when the clock has to look at a message at the latest; false: never.
func (o *opinion) wakes(l *letter) (time.Time, bool) {
	switch l.state {
	case sms.Scheduled:
		return l.due.to, true
	case sms.Queued:
		return l.Expires, true
	case sms.Unknown:
		return l.wait, !l.wait.IsZero()
	}
	return time.Time{}, false
}

// opinion is the model of a store.
type opinion struct {
	*rapid.T
	rules   *country
	set     time.Duration // by which the clock on the wall was set so far
	letters []*letter
	share   map[int]*turns
	refused map[string]map[sms.Number]bool // by SIM: the numbers that it was refused with in a row
}

// turns are whose turn it is in a queue: start-time fair queueing, by hand-overs.
type turns struct {
	had   map[string]int
	level int
}

// now is the time of the model: as if nobody had ever set the clock.
func (o *opinion) now() time.Time { return time.Now().UTC().Add(-o.set) }

// model turns a time of the store into one of the model.
func (o *opinion) model(t time.Time) time.Time { return t.Add(-o.set) }

func (o *opinion) turn(l *letter) int {
	q := o.share[l.Priority]
	if q == nil {
		return 0
	}
	return max(q.had[l.Account], q.level)
}

// served charges an account for a part.
func (o *opinion) served(l *letter) {
	q := o.share[l.Priority]
	if q == nil {
		q = &turns{had: map[string]int{}}
		o.share[l.Priority] = q
	}
	q.level = max(q.had[l.Account], q.level)
	q.had[l.Account] = q.level + 1
}

// claimable are the messages that a SIM may take now, the first one first.
func (o *opinion) claimable(sim string, alone bool) []*letter {
	now := o.now()
	var list []*letter
	for _, l := range o.letters {
		if l.state == sms.Queued && !l.due.from.After(now) && l.Expires.After(now) && o.rules.works(l.lane, sim) &&
			(alone || l.avoid != sim || !l.until.to.After(now)) {
			list = append(list, l)
		}
	}
	slices.SortStableFunc(list, func(a, b *letter) int {
		for _, d := range []int{a.Priority - b.Priority, o.turn(a) - o.turn(b), a.due.from.Compare(b.due.from), a.arrival - b.arrival} {
			if d != 0 {
				return d
			}
		}
		return 0
	})
	return list
}

// repeats returns the hand-over that the next one of a part by a SIM would
// repeat, if the service centre may be asked to drop a second copy.
func (o *opinion) repeats(l *letter, part int, sim string) *hand {
	var earlier *hand
	for _, h := range l.hands {
		if h.part == part && h.sim == sim && h.outcome == sms.Ambiguous && !h.obsolete {
			earlier = h
		}
	}
	if earlier == nil {
		return nil
	}
	week := o.now().Add(-7 * 24 * time.Hour)
	for _, other := range o.letters {
		for _, h := range other.hands {
			if other.To == l.To && h.sim == sim && !h.started.Before(week) && !(other == l && h.part == part) &&
				(h.outcome == sms.Accepted || h.outcome == sms.Ambiguous || h.outcome == sms.Open) {
				return nil
			}
		}
	}
	return earlier
}
