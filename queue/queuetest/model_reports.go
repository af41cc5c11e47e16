package queuetest

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"cellpost/pdu"
	"cellpost/sms"
)

func (r *ride) report() {
	h := one(r, r.hands(func(h *hand) bool { return h.outcome != sms.Refused || h.id%4 == 0 }), "hand-over")
	n := note{sim: h.sim, to: h.letter.To, mr: byte(h.mr), received: r.now()}
	n.status = rapid.SampledFrom([]pdu.Status{0x00, 0x00, 0x20, 0x30, 0x41, 0x46, 0x61}).Draw(r.T, "status")
	switch rapid.IntRange(0, 9).Draw(r.T, "kind") {
	case 0:
		n.mr = 250 // nobody's
	case 1:
		n.to = "447700999999"
	default:
		if h.mr < 0 {
			n.mr = r.next(h.sim)
			if h.outcome != sms.Open {
				r.mr[h.sim]++
			}
		}
	}
	r.discharge = r.discharge.Add(time.Second) // no two are the same
	p := pdu.StatusReport{Reference: n.mr, Recipient: n.to.Address(), Discharge: r.discharge, Status: n.status}
	tpdu, err := p.AppendBinary(nil)
	r.ok(err)
	key := n.sim + string(tpdu)
	matched, err := r.store.Report(r.t.Context(), sms.Report{SIM: n.sim, Modem: "modem-" + n.sim, TPDU: tpdu, Received: time.Now()})
	r.ok(err)
	r.tell("report by %s for %s, reference %d: %s", n.sim, n.to, n.mr, n.status)
	was, again := r.stored[key]
	if !again {
		was = r.match(&n)
		if !was {
			r.kept = append(r.kept, &n)
		}
	}
	r.stored[key] = was || r.stored[key]
	if matched != was && !again {
		r.failf("matched is %v, want %v", matched, was)
	}
}

// match finds the hand-over that a report without a time is about, as
// docs/decisions/0001-evidence.md says.
func (r *ride) match(n *note) bool {
	var named, waits, all []*hand
	reportable := r.now().Add(-reportGrace)
	for _, l := range r.letters {
		for _, h := range l.hands {
			if l.To != n.to || h.sim != n.sim || h.obsolete && h.outcome != sms.Open {
				continue
			}
			inTime := l.Expires.After(reportable)
			switch {
			case h.outcome == sms.Accepted && h.mr == int(n.mr) && (inTime || l.parts[h.part].state == sms.Sent):
				named, all = append(named, h), append(all, h)
				if l.parts[h.part].state == sms.Sent {
					waits = append(waits, h)
				}
			case h.outcome == sms.Open, h.outcome == sms.Ambiguous && inTime:
				all = append(all, h)
			}
		}
	}
	newest := func(list []*hand) *hand {
		return slices.MaxFunc(list, func(a, b *hand) int { return int(a.id - b.id) })
	}
	var h *hand
	switch {
	case len(waits) > 0:
		h = newest(waits)
	case len(named) > 0:
		h = newest(named)
	case len(all) == 1 && all[0].outcome != sms.Open:
		h = all[0]
	default:
		return false
	}
	r.reported(h, n.mr, n.status)
	return true
}

// matchKept looks again at the reports that were kept, when a hand-over has ended.
func (r *ride) matchKept(h *hand) {
	r.kept = slices.DeleteFunc(r.kept, func(n *note) bool {
		return n.sim == h.sim && n.to == h.letter.To && !n.received.Before(h.started.Add(-5*time.Second)) && r.match(n)
	})
}
