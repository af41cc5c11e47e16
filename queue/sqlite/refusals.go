package sqlite

import (
	"slices"

	"cellpost/pdu"
	"cellpost/sms"
)

// refusals tells a SIM that is barred, or out of credit, from numbers that nobody
// can reach: the network says the same of both ("21: short message transfer
// rejected"). By SIM, it holds the numbers that were refused in a row. A process
// begins anew.
type refusals map[string][]sms.Number

// refusalsMost is how many numbers a SIM may be refused in a row before it is the SIM.
const refusalsMost = 5

// judge takes note of an outcome, and marks a refusal that is the SIM's doing.
func (r refusals) judge(sim string, to sms.Number, o sms.Outcome) sms.Outcome {
	switch {
	case o.Kind == sms.Accepted:
		delete(r, sim)
	case o.Kind == sms.Refused && o.Cause.Class() == pdu.CauseOtherSIM:
		if list := r[sim]; len(list) < refusalsMost && !slices.Contains(list, to) {
			r[sim] = append(list, to)
		}
		o.OfSIM = len(r[sim]) >= refusalsMost
	}
	return o
}
