package ingress

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cellpost/pdu"
	"cellpost/pdu/smart"
	"cellpost/sms"
)

// builder makes the messages of one submission.
type builder struct {
	gate       *Gate
	account    sms.Account
	submission Submission
	now        time.Time
	id         sms.ID // of the submission
	onceFree   bool   // what has a ClientID may be a repetition, which costs nothing: the store looks at the credit for it

	terms    terms        // of items without their own
	last     cutting      // what was cut last: most submissions have one text
	lastCut  *cut         // what came of it
	seen     map[load]int // index of the result of a number and what goes there
	spent    sms.Credits  // by the items so far
	messages []sms.Message
	beyond   int // index of the first item whose message was not kept; 0: all were

	text    string      // of the last item without a content
	content *Content    // of the last that had one; nil: it had none
	what    fingerprint // of either
}

// fingerprint stands for a text or a content: those themselves would all be in memory at
// once.
type fingerprint [sha256.Size]byte

// load is what goes to a number.
type load struct {
	to   sms.Number
	what fingerprint
}

// cutting is what the parts of a message depend on.
type cutting struct {
	what           fingerprint
	flash, unicode bool
	concat         int
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
	if b.submission.empty() {
		receipt.Results = []Result{{Refusal: Refuse(CodeParameter, "to is missing")}}
		return sms.Batch{}, receipt
	}
	b.terms = b.gate.terms(b.account, b.submission.Params)
	b.seen = make(map[load]int)
	for item := range b.submission.All() {
		res := Result{To: item.To, Refusal: b.terms.refusal}
		if b.terms.refusal == nil {
			res = b.item(item, receipt.Results)
		}
		receipt.Results = append(receipt.Results, res)
		b.keep(len(receipt.Results) - 1)
	}
	receipt.Price = b.spent
	b.seen = nil // the rest is made without
	return sms.Batch{
		Messages: b.messages, Rest: b.rest(receipt.Results), Beyond: receipt.Accepted() - len(b.messages),
		Once: b.account.Settings.Idempotent,
	}, receipt
}

// item makes the message of one item, or says why not. The order of the checks
// is what clients see when several things are wrong.
func (b *builder) item(item Item, results []Result) Result {
	t := b.terms
	if item.Params != nil {
		t = b.gate.terms(b.account, *item.Params)
	}
	switch {
	case item.Refusal != nil:
		return Result{To: item.To, Refusal: item.Refusal}
	case t.refusal != nil:
		return Result{To: item.To, Refusal: t.refusal}
	case item.Content == nil && strings.TrimSpace(item.Text) == "", item.Content != nil && len(item.Content.Data) == 0:
		return Result{To: item.To, Refusal: Refuse(CodeEmpty, "")}
	}
	to, err := ParseNumber(item.To, b.gate.countryPrefix(b.account), b.account.ShortCodes)
	if err != nil {
		return Result{To: item.To, Refusal: Refuse(CodeDestination, "")}
	}
	if b.gate.blocked(to) {
		return Result{To: string(to), Refusal: Refuse(CodeBlocked, "")}
	}
	if item.Content == nil {
		item.Text = t.prefix + item.Text
	} else if item.Text == "" {
		item.Text = item.Content.Words()
	}
	key := load{to, b.fingerprint(item)}
	if i, ok := b.seen[key]; ok {
		same := results[i]
		same.Same = true
		return same
	}
	b.seen[key] = len(results)
	m, refusal := b.message(to, item, t)
	if refusal != nil {
		return Result{To: string(to), Refusal: refusal}
	}
	if item.Whole != "" {
		m.Text = item.Whole
	}
	b.messages = append(b.messages, m)
	return Result{To: string(to), ID: m.ID}
}

// fingerprint tells what is sent apart from anything else. Most items have that of the one
// before.
func (b *builder) fingerprint(item Item) fingerprint {
	c := item.Content
	switch {
	case b.what != fingerprint{} && c == b.content && (c != nil || item.Text == b.text):
	case c == nil:
		b.what = sha256.Sum256([]byte("text " + item.Text))
	default:
		b.what = sha256.Sum256(fmt.Appendf(nil, "content %t %X %X", c.Logo, c.Header, c.Data))
	}
	b.text, b.content = item.Text, c
	return b.what
}

func (b *builder) message(to sms.Number, item Item, t terms) (sms.Message, *Refusal) {
	m := b.blank(to, item.Text, t)
	step, err := b.gate.Rules.Admit(m, b.now)
	if errors.Is(err, sms.ErrBarred) {
		return m, Refuse(CodeRoute, "the SIM of this sender may not send to this number")
	}
	if err != nil {
		return m, Refuse(CodeRoute, "")
	}
	c := b.cut(item, t)
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
	if t.MaxPrice > 0 && m.Price > t.MaxPrice {
		m.Refuse(sms.FaultRoute, "it costs "+amount(m.Price)+" credits, and max_credits is "+amount(t.MaxPrice))
		return m, nil
	}
	if may := b.onceFree && m.ClientID != ""; !may && !b.account.Unlimited && b.spent+m.Price > b.account.Credits {
		return m, Refuse(CodeCredit, "")
	}
	b.spent += m.Price
	for _, note := range []string{b.submission.Note, t.note} {
		if note != "" {
			step.Why += "; " + note
		}
	}
	m.Apply(step)
	return m, nil
}

// blank is a message before the rules have seen it.
func (b *builder) blank(to sms.Number, text string, t terms) sms.Message {
	p := t.Params
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
		Priority: priority, Escalate: p.Escalate, OnlySIM: cmp.Or(p.SIM, t.sim), Resend: resend, Report: p.Report || b.account.Report && !p.NoReport || again.Within > 0,
		Due: due, Expires: due.Add(validity), Created: b.now, Updated: b.now, At: at, Again: again,
	}
}

// cut splits what an item sends, once for all that follow with the same.
func (b *builder) cut(item Item, t terms) *cut {
	key := cutting{b.fingerprint(item), t.Flash, t.Unicode, b.concat(t)}
	if b.lastCut == nil || key != b.last {
		c := b.cutText
		if item.Content != nil {
			c = b.cutContent
		}
		cut := c(item, t)
		b.last, b.lastCut = key, &cut
	}
	return b.lastCut
}

func (b *builder) cutText(item Item, t terms) (c cut) {
	o := options(b.account, b.concat(t))
	o.Class = class(t)
	if t.Unicode {
		o.Alphabet = pdu.UCS2
	}
	var err error
	c.Segments, err = pdu.Split(item.Text, o)
	if long, ok := errors.AsType[*pdu.TooLongError](err); ok {
		c.refusal = Refuse(CodeParts, fmt.Sprintf("%d parts needed, concat is %d", long.Parts, long.Max))
	} else if err != nil {
		c.refusal = Refuse(CodeParameter, err.Error())
	}
	return c
}

// cutContent splits 8-bit data, into as many parts as it takes: concat is for text.
func (b *builder) cutContent(item Item, t terms) (c cut) {
	content := *item.Content
	if content.Logo {
		logo, err := b.logo(content.Data)
		if err != nil {
			return cut{refusal: Refuse(CodeParameter, err.Error())}
		}
		content.Data = logo
	}
	var err error
	c.Segments, err = pdu.Split(string(content.Data), pdu.SplitOptions{
		Alphabet: pdu.Octets, Header: content.Header, MaxParts: ConcatMax, Class: class(t),
	})
	_, isPart := (pdu.UserData{Header: content.Header}).Concat()
	long, tooLong := errors.AsType[*pdu.TooLongError](err)
	switch {
	case tooLong:
		c.refusal = Refuse(CodeParts, fmt.Sprintf("%d parts needed, %d are allowed", long.Parts, long.Max))
	case err != nil && isPart:
		c.refusal = Refuse(CodeParts, "udh makes it one part of several, and it is too long for one")
	case err != nil:
		c.refusal = Refuse(CodeHeader, err.Error())
	}
	return c
}

// logo is an OTA bitmap as an operator logo: of the network that the account
// names, or with room for that of the SIM that will send it.
func (b *builder) logo(ota []byte) ([]byte, error) {
	if b.account.Settings.LogoNetwork == "" {
		return smart.Nameless(ota).Data, nil
	}
	n, err := smart.ParseNetwork(b.account.Settings.LogoNetwork)
	if err != nil {
		return nil, err
	}
	octets, err := n.AppendBinary(nil)
	return append(octets, ota...), err
}

func amount(c sms.Credits) string {
	return strconv.FormatFloat(float64(c)/float64(sms.Credit), 'f', -1, 64)
}

func class(t terms) pdu.Class {
	if t.Flash {
		return pdu.Class0
	}
	return pdu.NoClass
}

// concat is how many parts a text may take.
func (b *builder) concat(t terms) int {
	switch {
	case t.Concat > 0:
		return t.Concat
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
