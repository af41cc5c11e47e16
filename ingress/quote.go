package ingress

import (
	"iter"

	"cellpost/pdu"
	"cellpost/sms"
)

// Quote is what one item of a submission would cost.
type Quote struct {
	To       string // as in a [Result]
	Refusal  *Refusal
	Same     bool   // stands for an earlier item: nothing would be sent for it
	Text     string // of the message, as the account has it: with what stands for a From that cannot be shown
	Parts    int
	Alphabet pdu.Alphabet
	Way      sms.Way
	Price    sms.Credits // of all parts
	Fails    string      // why it gets an ID and has failed at once, free of charge, with status 009; empty: it has not
	Left     sms.Credits // credit of the account after this item; below zero only where it is unlimited
}

// Quote says what [Gate.Submit] would answer now, item by item, and what the
// messages would cost. Nothing is stored, and nothing is debited.
func (g *Gate) Quote(a sms.Account, s Submission) []Quote {
	now := g.now()
	b := &builder{gate: g, account: a, submission: s, now: now, id: sms.NewID(now)}
	batch, receipt := b.build()
	left, quotes := a.Credits, make([]Quote, len(receipt.Results))
	next, stop := iter.Pull2(batch.All())
	defer stop()
	for i, res := range receipt.Results {
		q := &quotes[i]
		q.To, q.Refusal, q.Same = res.To, res.Refusal, res.Same
		if q.Refusal == nil && !q.Same {
			m, err, _ := next()
			if err != nil {
				q.Refusal = Refuse(CodeParameter, err.Error())
				continue
			}
			left -= m.Price
			q.Refusal = g.quote(m, q)
		}
		q.Left = left
	}
	return quotes
}

// quote fills in what there is to say of a message.
func (g *Gate) quote(m sms.Message, q *Quote) *Refusal {
	way, err := g.Rules.Way(m)
	if err != nil {
		return Refuse(CodeRoute, "")
	}
	submit, _, err := pdu.ParseSubmit(m.Parts[0].TPDU)
	if err != nil {
		return Refuse(CodeParameter, err.Error())
	}
	q.Text = m.Text
	q.Parts, q.Alphabet, q.Way, q.Price = len(m.Parts), submit.DCS.Alphabet(), way, m.Price
	if m.State == sms.Failed {
		q.Fails = m.Why
	}
	return nil
}
