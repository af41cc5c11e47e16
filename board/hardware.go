package board

import (
	"errors"
	"fmt"
	"strings"
)

// Hardware is the board with its slots, its lines held.
type Hardware struct {
	Board Board
	Slots []*Slot // in the order of the configuration

	problem error // of the detection
}

// Open takes the hardware of a configuration into use below root ("/"): all
// lines are requested, inactive, and held until [Hardware.Close]. Hardware that
// is missing is no error: [Hardware.Problems] and [Slot.Problems] tell of it, and
// operations try it anew. An error is a [*Fault] of the configuration.
func Open(c Config, root string) (*Hardware, error) { return open(c, root, openGPIO) }

func open(c Config, root string, gpio opener) (*Hardware, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	h := &Hardware{}
	h.Board, h.problem = c.board(root)
	for _, sc := range c.Slot {
		s := newSlot(sc, root, gpio)
		if sc.USB != "" && sc.USB == h.Board.Master && len(c.Slot) > 1 {
			s.gang = fmt.Sprintf("port %s of this board switches the supply of all its ports, so it is not switched for one modem: use another port, or a hub with switched ports", sc.USB)
		}
		s.look() // what is missing is told when somebody asks
		h.Slots = append(h.Slots, s)
	}
	return h, nil
}

// board is the configured board, or the one that is found.
func (c Config) board(root string) (Board, error) {
	switch c.Type {
	case "", "auto":
		return Detect(root)
	case none:
		return Board{Model: none}, nil
	}
	b, _ := named(c.Type) // checked
	b.Watchdog = watchdog(root)
	return b, nil
}

// Slot returns the slot that a modem sits in; nil: none is configured.
func (h *Hardware) Slot(modem string) *Slot {
	for _, s := range h.Slots {
		if modem != "" && s.cfg.Modem == modem {
			return s
		}
	}
	return nil
}

// Problems returns what is missing to tell which board this is.
func (h *Hardware) Problems() []Problem {
	if h.problem == nil {
		return nil
	}
	return []Problem{problem(h.problem)}
}

// Problem is something that is configured and missing, or cannot be used.
type Problem struct {
	Cause string
	Cure  string // empty: none is known
}

func (p Problem) String() string {
	if p.Cure == "" {
		return p.Cause
	}
	return fmt.Sprintf("%s (%s)", p.Cause, p.Cure)
}

// curable is an error with what a person can do about it.
type curable struct {
	error
	cure string
}

func (c curable) Error() string { return Problem{c.error.Error(), c.cure}.String() }

func (c curable) Unwrap() error { return c.error }

// problem takes an error apart for people.
func problem(err error) Problem {
	p := Problem{Cause: strings.ReplaceAll(err.Error(), "\n", "; ")}
	if c, ok := errors.AsType[curable](err); ok {
		p.Cause, p.Cure = strings.TrimSuffix(p.Cause, " ("+c.cure+")"), c.cure
	}
	return p
}

// Close waits for the operations under way and gives the lines back, which may
// float from then on.
func (h *Hardware) Close() error {
	var failed error
	for _, s := range h.Slots {
		failed = errors.Join(failed, s.close())
	}
	return failed
}
