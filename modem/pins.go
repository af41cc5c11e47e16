package modem

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/google/renameio/v2"

	"cellpost/sms"
)

// PINs remembers which PINs were given to which SIMs and not proved right, in a
// file that all modems share: no process gives a wrong one again. nil remembers
// nothing.
type PINs struct {
	path string
	mu   sync.Mutex // guards the file
}

// NewPINs returns the memory in a file, which need not be there.
func NewPINs(path string) *PINs { return &PINs{path: path} }

// lockedSIM is a SIM that asks for its PIN.
type lockedSIM struct {
	iccid string // empty: it does not tell before it is unlocked
	place string // modem and slot, without blanks
}

// is reports whether two may be one: by the ICCID, or by the place where not both
// tell theirs.
func (c lockedSIM) is(o lockedSIM) bool {
	if c.iccid != "" && o.iccid != "" {
		return sms.Card{ICCID: c.iccid}.Is(sms.Card{ICCID: o.iccid})
	}
	return c.place == o.place
}

// pinGiven is a line of the file: digest of the PIN, place, ICCID.
type pinGiven struct {
	digest string // so that another PIN may be tried
	card   lockedSIM
}

func digestPIN(pin string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(pin))) }

// pinsMost bounds the file: nobody has so many SIMs with wrong PINs.
const pinsMost = 64

// has reports whether a PIN was given to a SIM. Any may have been, if the file
// cannot be read.
func (p *PINs) has(pin string, card lockedSIM) bool {
	all, err := p.read()
	return err != nil || slices.ContainsFunc(all, func(g pinGiven) bool { return g.digest == digestPIN(pin) && g.card.is(card) })
}

// tried is how many PINs were given to a SIM.
func (p *PINs) tried(card lockedSIM) int {
	all, _ := p.read()
	return len(slices.DeleteFunc(all, func(g pinGiven) bool { return !g.card.is(card) }))
}

func (p *PINs) any() bool {
	all, err := p.read()
	return err != nil || len(all) > 0
}

// add remembers a PIN before it is given.
func (p *PINs) add(pin string, card lockedSIM) error {
	return p.change(func(all []pinGiven) []pinGiven {
		g := pinGiven{digestPIN(pin), card}
		if slices.Contains(all, g) {
			return all
		}
		all = append(all, g)
		return all[max(0, len(all)-pinsMost):]
	})
}

// clear forgets what was given to a SIM.
func (p *PINs) clear(card lockedSIM) error {
	return p.change(func(all []pinGiven) []pinGiven {
		return slices.DeleteFunc(all, func(g pinGiven) bool { return g.card.is(card) })
	})
}

func (p *PINs) read() ([]pinGiven, error) {
	if p == nil {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines()
}

func (p *PINs) change(edit func([]pinGiven) []pinGiven) error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	was, err := p.lines()
	if err != nil {
		return err
	}
	now := edit(slices.Clone(was))
	if slices.Equal(was, now) {
		return nil
	}
	if len(now) == 0 {
		if err := os.Remove(p.path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	var text strings.Builder
	for _, g := range now {
		fmt.Fprintln(&text, g.digest, g.card.place, g.card.iccid)
	}
	return renameio.WriteFile(p.path, []byte(text.String()), 0o600)
}

// lines reads the file, which need not be there.
func (p *PINs) lines() ([]pinGiven, error) {
	text, err := os.ReadFile(p.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []pinGiven
	for line := range strings.Lines(string(text)) {
		f := append(strings.Fields(line), "")
		if len(f) < 3 {
			continue
		}
		all = append(all, pinGiven{f[0], lockedSIM{place: f[1], iccid: f[2]}})
	}
	return all, nil
}
