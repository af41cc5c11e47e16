package sim

import (
	"slices"
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

// partsKept is how long a handset waits for the other parts of a message.
const partsKept = 24 * time.Hour

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
	d := pdu.Deliver{Originator: telephone(from), DCS: s.DCS, UserData: s.UserData}
	if f, ok := d.Fragment(screen.To, screen.At); ok {
		parts := n.gather(f)
		if parts == nil {
			return
		}
		screen.Text, screen.Parts = pdu.Join(parts).Text, len(parts)
	}
	n.screens = trim(append(n.screens, screen), n.o.History)
	n.wake()
	if n.o.Screen != nil {
		n.o.Screen(screen)
	}
}

// gather adds a part to those that came and returns them when all did.
func (n *Network) gather(f pdu.Fragment) []pdu.Fragment {
	key := f.Key()
	switch f.Fit(n.parts[key], partsKept) {
	case pdu.FitDuplicate:
		return nil
	case pdu.FitOther:
		delete(n.parts, key)
		return n.gather(f)
	case pdu.FitCompletes:
		defer delete(n.parts, key)
		return append(n.parts[key], f)
	}
	n.parts[key] = append(n.parts[key], f)
	return nil
}

// Screens returns every message that a handset showed, in order.
func (n *Network) Screens() []Screen {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.screens)
}
