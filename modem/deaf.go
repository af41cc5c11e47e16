package modem

import (
	"errors"
	"time"

	"cellpost/modem/at"
)

// Some modules answer nothing any more after a command that they should know.
// What they can do without is left out then, for a day, or until another module
// is in their place.

const (
	deafMost = 2 // how often in a row a module may go deaf from a command
	deafFor  = 24 * time.Hour
)

// deafness is what a command did to the module.
type deafness struct {
	times int
	last  time.Time
}

// blame takes note of what a command did to the module. The weight of a failure
// is deafMost where there is another way.
func (m *Modem) blame(command string, err error, weight int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, refused := errors.AsType[*at.CommandError](err)
	switch {
	case err == nil || refused:
		delete(m.deaf, command)
		return
	case !errors.Is(err, at.ErrTimeout):
		return // it was not sent, or the port is gone: that tells nothing
	}
	d := m.deaf[command]
	d.times, d.last = d.times+weight, time.Now()
	m.deaf[command] = d
	if d.times >= deafMost {
		m.log.Warn("the module goes deaf from this command: it is left out", "cmd", command, "for", deafFor)
	}
}

// shunned reports whether a command is left out.
func (m *Modem) shunned(command string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.deaf[command]
	return d.times >= deafMost && time.Since(d.last) < deafFor
}

// hears forgets what commands did to another module.
func (m *Modem) hears() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.deaf)
}
