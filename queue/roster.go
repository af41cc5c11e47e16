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
	rules *sms.Rules

	mu      sync.Mutex // guards what follows, and the status of every worker
	workers []*worker
}

// status is what the others have to know about a worker; roster.mu guards it.
type status struct {
	hungry   bool      // it found nothing to claim, and waits to be woken
	idle     bool      // its line is free
	rests    time.Time // since when, if idle
	yielding bool      // it has held a claim for long while its line was busy
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

func (r *roster) alone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.workers) == 1
}

// wake calls n lines to work that has come to a lane: free ones before busy
// ones, the preferred tier before the next, and who has rested longest first
// (rotation). Workers that are claiming right now may just have missed it, so
// they are told to look once more.
func (r *roster) wake(lane sms.Lane, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	type candidate struct {
		*worker
		rank int
	}
	var fit []candidate
	for _, w := range r.workers {
		rank, ok := r.rules.Rank(lane, w.by.SIM)
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
	}
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
		return o != w && o.hungry && o.idle && o.by.SIM != m.Avoid && r.serves(m.Lane, o)
	})
}

func (r *roster) serves(lane sms.Lane, w *worker) bool {
	_, ok := r.rules.Rank(lane, w.by.SIM)
	return ok
}

// recall asks a worker that sits on a claim which w could carry to give it back.
func (r *roster) recall(w *worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.workers {
		if o != w && o.yielding && r.serves(o.held, w) {
			o.yielding = false
			poke(o.yield)
			return
		}
	}
}
