package main

import (
	"errors"
	"slices"
	"time"

	"cellpost/pdu"
)

// joinWithin is how much later than the others a part of a message may have
// been sent, by its TP-SCTS. The 255 parts of the longest take half an hour on
// a slow line, and are tried for a day where the handset was off.
const joinWithin = 24 * time.Hour

// assembly joins the parts of messages, given one after another. It holds all
// that it is given.
type assembly struct {
	seen map[string]bool // TPDUs
	kept map[pdu.FragmentKey][]pdu.Fragment
	lost [][]pdu.Fragment // messages that gave their key to another before they were whole
}

func newAssembly() *assembly {
	return &assembly{seen: make(map[string]bool), kept: make(map[pdu.FragmentKey][]pdu.Fragment)}
}

// errReport is a PDU that is no part of any message.
var errReport = errors.New("a status report has no text to join; leave it out")

// add takes the next PDU. When it makes a message whole, that is returned with
// its parts; parts is nil otherwise. The same TPDU again is dropped.
func (a *assembly) add(r *reading) (parts []pdu.Fragment, err error) {
	if r.kind == "status-report" {
		return nil, errReport
	}
	tpdu := string(r.octets[r.base:])
	if a.seen[tpdu] {
		return nil, nil
	}
	a.seen[tpdu] = true
	f := r.fragment()
	key := f.Key()
	kept := a.kept[key]
	fit := f.Fit(kept, joinWithin)
	switch fit {
	case pdu.FitDuplicate:
		return nil, nil
	case pdu.FitOther:
		if lacks(kept) {
			a.lost = append(a.lost, kept)
		}
		kept = nil
		fit = f.Fit(nil, joinWithin)
	}
	kept = append(kept, f)
	if f.Concat.Total == 1 { // nothing is to come, and no reference tells it from others
		return kept, nil
	}
	a.kept[key] = kept
	if fit == pdu.FitCompletes {
		return kept, nil
	}
	return nil, nil
}

// fragment returns the message as a part, one of a single part as the first of
// one.
func (r *reading) fragment() pdu.Fragment {
	d, ok := r.message.(pdu.Deliver)
	if !ok {
		d = pdu.Deliver{Originator: r.address, DCS: r.dcs, UserData: r.userData}
	}
	f, ok := d.Fragment("", d.Time)
	if !ok {
		f.Concat = pdu.Concat{Total: 1, Seq: 1}
	}
	return f
}

// lacks reports whether parts are missing. Of each number there is one.
func lacks(kept []pdu.Fragment) bool {
	return len(kept) > 0 && len(kept) < int(kept[0].Concat.Total)
}

// pending returns the parts of each message that is not whole.
func (a *assembly) pending() [][]pdu.Fragment {
	pending := slices.Clone(a.lost)
	for _, kept := range a.kept {
		if lacks(kept) {
			pending = append(pending, kept)
		}
	}
	return pending
}
