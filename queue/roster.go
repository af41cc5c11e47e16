package queue

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"cellpost/sms"
)

// roster is the lines in service, and what each is doing.
type roster struct {
	mu      sync.Mutex // guards what follows, and the status of every worker
	workers []*worker
}

// status is what the others have to know about a worker; roster.mu guards it.
type status struct {
	hungry   bool      // it found nothing to claim, and waits to be woken
	idle     bool      // its line is free
	rests    time.Time // since when, if idle
	yielding bool      // it has held a claim for long while its line was busy
	held     int       // priority of the claim that it holds; 0: none
	missed   int       // the most urgent priority that came since it asked, and found no free line; 0: none
	busy     time.Time // since when its line has a part on the air, if it has

	until  time.Time // when its SIM is held by its limits: the end of that
	urgent bool      // until then it takes queue 1
}

func (r *roster) add(w *worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.workers = append(r.workers, w)
}

func (r *roster) remove(w *worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.workers = slices.DeleteFunc(r.workers, func(o *worker) bool { return o == w })
}

// update changes a worker's status.
func (r *roster) update(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// alone reports whether no other line in service works in a lane of w's, and
// whether those that do are held to queue 1.
func (r *roster) alone(w *worker) (alone, othersRest bool) {
	alone = true
	r.mu.Lock()
	defer r.mu.Unlock()
	othersRest = true
	for _, o := range r.workers {
		if o == w || !w.meets(o) {
			continue
		}
		alone = false
		if !o.urgent || !time.Now().Before(o.until) {
			othersRest = false
		}
	}
	return alone, othersRest
}

// meets reports whether two lines work in a lane in common.
func (w *worker) meets(o *worker) bool {
	for l := range w.ranks {
		if _, ok := o.ranks[l]; ok {
			return true
		}
	}
	return false
}

// fits reports whether a line may take messages of a lane and a priority now, and
// how well it suits them: see [sms.Rules.Rank]. One that its limits hold may not.
func (w *worker) fits(l sms.Lane, priority int) (rank int, ok bool) {
	if time.Now().Before(w.until) && !(w.urgent && priority == 1) {
		return 0, false
	}
	rank, ok = w.ranks[l]
	return rank, ok
}

// serving returns the SIMs in service.
func (r *roster) serving() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var sims []string
	for _, w := range r.workers {
		sims = append(sims, w.by.SIM)
	}
	return sims
}

// wake calls a line to each message that has come. Where none is free, those that
// hold something less urgent are to look again.
func (r *roster) wake(work []Work) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range work {
		k.Count -= r.call(k.Count, func(w *worker) (int, bool) { return w.fits(k.Lane, k.Priority) })
		r.outrank(k)
	}
}

// urge is wake for lines that hold something less urgent.
func (r *roster) urge(work []Work) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range work {
		r.outrank(k)
	}
}

// outrank has as many lines as there are messages give back what they hold for
// them: those first that will be free first, as far as one can tell. A part that
// has been on the air for very long is no good sign. A line that holds nothing may
// be getting something less urgent right now, so it is told what it misses.
func (r *roster) outrank(k Work) {
	if k.Count <= 0 {
		return
	}
	var fit []*worker
	for _, w := range r.workers {
		_, ok := w.fits(k.Lane, k.Priority)
		switch {
		case !ok:
		case w.held > k.Priority:
			fit = append(fit, w)
		case w.held == 0 && (w.missed == 0 || w.missed > k.Priority):
			w.missed = k.Priority
		}
	}
	long := func(w *worker) int {
		if time.Since(w.busy) > holdMost {
			return 1
		}
		return 0
	}
	slices.SortFunc(fit, func(a, b *worker) int { return cmp.Or(long(a)-long(b), a.busy.Compare(b.busy)) })
	for _, w := range fit[:min(k.Count, len(fit))] {
		w.held = 0
		poke(w.urge)
	}
}

// pass calls a free line to a message that w has given back. Others may have
// asked w for it in vain, so they ask once more.
func (r *roster) pass(m sms.Message, w *worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.call(1, func(o *worker) (int, bool) {
		rank, ok := r.suits(m, o)
		return rank, ok && o != w && (o.idle || !o.hungry)
	})
	r.askAll()
}

// call has n of the lines that fit look for work: free ones before busy ones,
// the preferred tier before the next, and who has rested longest first
// (rotation). Workers that are claiming right now may just have missed it, so
// they are told to look once more. It returns how many free ones were called.
func (r *roster) call(n int, fits func(*worker) (rank int, ok bool)) (free int) {
	type candidate struct {
		*worker
		rank int
	}
	var fit []candidate
	for _, w := range r.workers {
		rank, ok := fits(w)
		switch {
		case !ok:
		case w.hungry:
			fit = append(fit, candidate{w, rank})
		default:
			poke(w.work)
		}
	}
	slices.SortFunc(fit, func(a, b candidate) int {
		if a.idle != b.idle {
			if a.idle {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.rank, b.rank), a.rests.Compare(b.rests))
	})
	for _, c := range fit[:min(n, len(fit))] {
		c.hungry = false
		poke(c.work)
		if c.idle {
			free++
		}
	}
	return free
}

// wakeAll makes every worker look for work.
func (r *roster) wakeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.workers {
		w.hungry = false
		poke(w.work)
	}
}

// idleFor reports whether a free line with nothing to do could take a message
// off w.
func (r *roster) idleFor(m sms.Message, w *worker) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.workers, func(o *worker) bool {
		_, ok := r.suits(m, o)
		return ok && o != w && o.hungry && o.idle
	})
}

// suits reports whether a line could take a message now, and how well.
func (r *roster) suits(m sms.Message, w *worker) (rank int, ok bool) {
	if w.by.SIM == m.Avoid && time.Now().Before(m.AvoidUntil) {
		return 0, false
	}
	return w.fits(m.Lane, m.Priority)
}

// recall asks a worker that sits on a claim which w could carry to give it back.
func (r *roster) recall(w *worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ask(w)
}

// recallAll is recall for every free line with nothing to do.
func (r *roster) recallAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.askAll()
}

func (r *roster) askAll() {
	for _, w := range r.workers {
		if w.hungry && w.idle {
			r.ask(w)
		}
	}
}

func (r *roster) ask(w *worker) {
	for _, o := range r.workers {
		if _, ok := r.suits(o.claim, w); ok && o != w && o.yielding {
			o.yielding = false
			poke(o.yield)
			return
		}
	}
}
