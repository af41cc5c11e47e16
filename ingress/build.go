package ingress

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"cellpost/pdu"
	"cellpost/sms"
)

// builder makes the messages of one submission.
type builder struct {
	gate       *Gate
	account    sms.Account
	submission Submission
	now        time.Time
	id         sms.ID // of the submission

	sim      string         // that From asks for
	segments map[string]cut // texts cut so far: most submissions have one
	seen     map[Item]int   // index of the result of a number and text
	spent    sms.Credits    // by the items so far
	messages []sms.Message
}

// cut is a text in parts, or why it cannot be.
type cut struct {
	pdu.Segments
	refusal *Refusal
}

// build goes through the items. A parameter that is wrong refuses them all; a
// submission without items has one result, which says so.
func (b *builder) build() (sms.Batch, Receipt) {
	receipt := Receipt{Submission: b.id}
	if len(b.submission.Items) == 0 {
		receipt.Results = []Result{{Refusal: Refuse(CodeParameter, "to is missing")}}
		return sms.Batch{}, receipt
	}
	sim, refusal := b.gate.check(b.submission.Params)
	b.sim = sim
	b.segments, b.seen = make(map[string]cut), make(map[Item]int)
	for _, item := range b.submission.Items {
		res := Result{To: item.To, Refusal: refusal}
		if refusal == nil {
			res = b.item(item, receipt.Results)
		}
		receipt.Results = append(receipt.Results, res)
	}
	return sms.Batch{Messages: b.messages}, receipt
}

// item makes the message of one item, or says why not. The order of the checks
// is what clients see when several things are wrong.
func (b *builder) item(item Item, results []Result) Result {
	if strings.TrimSpace(item.Text) == "" {
		return Result{To: item.To, Refusal: Refuse(CodeEmpty, "")}
	}
	to, err := ParseNumber(item.To, b.gate.CountryPrefix, b.account.ShortCodes)
	if err != nil {
		return Result{To: item.To, Refusal: Refuse(CodeDestination, "")}
	}
	key := Item{To: string(to), Text: item.Text}
	if i, ok := b.seen[key]; ok {
		same := results[i]
		same.Same = true
		return same
	}
	b.seen[key] = len(results)
	m, refusal := b.message(to, item.Text)
	if refusal != nil {
		return Result{To: string(to), Refusal: refusal}
	}
	b.messages = append(b.messages, m)
	return Result{To: string(to), ID: m.ID}
}

func (b *builder) message(to sms.Number, text string) (sms.Message, *Refusal) {
	m := b.blank(to, text)
	step, err := b.gate.Rules.Admit(m, b.now)
	if errors.Is(err, sms.ErrBarred) {
		return m, Refuse(CodeRoute, "the SIM of this sender may not send to this number")
	}
	if err != nil {
		return m, Refuse(CodeRoute, "")
	}
	c := b.cut(text)
	if c.refusal != nil {
		return m, c.refusal
	}
	if m.Parts, err = b.parts(m, c.Segments); err != nil {
		return m, Refuse(CodeParameter, err.Error())
	}
	price, err := b.gate.Rules.PartPrice(m)
	if err != nil {
		return m, Refuse(CodeRoute, "")
	}
	m.Price = price * sms.Credits(len(m.Parts))
	if !b.account.Unlimited && b.spent+m.Price > b.account.Credits {
		return m, Refuse(CodeCredit, "")
	}
	b.spent += m.Price
	if note := b.submission.Note; note != "" {
		step.Why += "; " + note
	}
	m.Apply(step)
	return m, nil
}

// blank is a message before the rules have seen it.
func (b *builder) blank(to sms.Number, text string) sms.Message {
	p := b.submission.Params
	due, at := b.now.Add(p.Delay), b.gate.at(p, b.now)
	if !at.IsZero() {
		due = at
	}
	validity := p.Validity
	if validity == 0 {
		validity = ValidityDefault
	}
	resend := b.account.OnUnknown == "resend"
	if b.account.OnUnknown == "" {
		resend = b.gate.Rules.Resend
	}
	priority := p.Priority
	if priority == 0 {
		priority = PriorityDefault
	}
	again := b.account.Again
	if again.To == to {
		again.To = "" // it is the second number: then by another SIM
	}
	return sms.Message{
		ID: sms.NewID(b.now), Submission: b.id, Account: b.account.Name, Source: b.submission.Source,
		To: to, From: p.From, ClientID: p.ClientID, Text: text,
		Priority: priority, Escalate: p.Escalate, OnlySIM: b.sim, Resend: resend, Report: p.Report || b.account.Report || again.Within > 0,
		Due: due, Expires: due.Add(validity), Created: b.now, Updated: b.now, At: at, Again: again,
	}
}

// cut splits a text, once for all its recipients.
func (b *builder) cut(text string) cut {
	if c, ok := b.segments[text]; ok {
		return c
	}
	p := b.submission.Params
	o := pdu.SplitOptions{
		MaxParts: b.concat(), Languages: b.account.Languages, Transliterate: b.account.NonGSM == "transliterate",
	}
	if b.account.NonGSM == "reject" {
		o.Alphabet = pdu.GSM7
	}
	if p.Flash {
		o.Class = pdu.Class0
	}
	if p.Unicode {
		o.Alphabet = pdu.UCS2
	}
	var c cut
	var err error
	c.Segments, err = pdu.Split(text, o)
	if long, ok := errors.AsType[*pdu.TooLongError](err); ok {
		c.refusal = Refuse(CodeParts, fmt.Sprintf("%d parts needed, concat is %d", long.Parts, long.Max))
	} else if err != nil {
		c.refusal = Refuse(CodeParameter, err.Error())
	}
	b.segments[text] = c
	return c
}

// concat is how many parts a text may take.
func (b *builder) concat() int {
	switch {
	case b.submission.Params.Concat > 0:
		return b.submission.Params.Concat
	case b.account.Concat > 0:
		return min(b.account.Concat, ConcatMax)
	}
	return 1
}

func (b *builder) parts(m sms.Message, s pdu.Segments) ([]sms.Part, error) {
	parts := make([]sms.Part, len(s.Parts))
	for i, ud := range s.Parts {
		submit := pdu.Submit{StatusReport: m.Report, Destination: m.To.Address(), DCS: s.DCS, UserData: ud}
		tpdu, err := submit.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		parts[i] = sms.Part{N: i + 1, TPDU: tpdu, State: sms.Queued}
	}
	return parts, nil
}
