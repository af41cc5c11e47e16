package sim

import (
	"slices"
	"strings"
	"time"

	"cellpost/pdu"
)

// Screen is a whole message as a handset shows it, parts joined. A message that
// arrives twice is two screens.
type Screen struct {
	At    time.Time
	To    string // number of the handset, digits
	From  string // MSISDN of the SIM that sent it
	Text  string
	Flash bool // class 0: shown at once, not kept
	Parts int  // that it came in
}

// joinKey is what a handset joins parts by. 3GPP TS 23.040, 9.2.3.24.1.
type joinKey struct {
	to, from string
	ref      uint16
	bits     int
	total    byte
}

// joined is a message of which not all parts have come.
type joined struct {
	texts []string
	have  []bool
}

// deliver brings a message to its handset at the time of its last status, unless
// that is a failure.
func (n *Network) deliver(from string, s pdu.Submit, f Fault, outcomes []outcome) {
	var last outcome // NoReport: delivered at once
	if len(outcomes) > 0 {
		last = outcomes[len(outcomes)-1]
	}
	switch {
	case f.Kind == HandsetOff && last.after > 0:
		time.AfterFunc(last.after, func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.show(from, s)
		})
	case last.status.Class() == pdu.StatusDelivered:
		n.show(from, s)
	}
}

// show gives a part to the handset, which shows the message when it is whole.
func (n *Network) show(from string, s pdu.Submit) {
	screen := Screen{
		At:    time.Now(),
		To:    s.Destination.Digits(),
		From:  from,
		Text:  s.UserData.Text(s.DCS),
		Flash: s.DCS.Class() == pdu.Class0,
		Parts: 1,
	}
	if c, ok := s.UserData.Concat(); ok {
		text, whole := n.joinPart(joinKey{screen.To, from, c.Reference, c.Bits, c.Total}, c, screen.Text)
		if !whole {
			return
		}
		screen.Text, screen.Parts = text, int(c.Total)
	}
	n.screens = append(n.screens, screen)
	n.wake()
	if n.o.Screen != nil {
		n.o.Screen(screen)
	}
}

// joinPart adds a part to those that came and returns the text when all did.
func (n *Network) joinPart(key joinKey, c pdu.Concat, text string) (string, bool) {
	j := n.joining[key]
	if j == nil {
		j = &joined{make([]string, c.Total), make([]bool, c.Total)}
		n.joining[key] = j
	}
	j.texts[c.Seq-1], j.have[c.Seq-1] = text, true
	if slices.Contains(j.have, false) {
		return "", false
	}
	delete(n.joining, key)
	return strings.Join(j.texts, ""), true
}

// Screens returns every message that a handset showed, in order.
func (n *Network) Screens() []Screen {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.screens)
}
