package sms

import (
	"encoding/binary"
	"fmt"
	"time"

	"cellpost/pdu"
)

// Again is what an account asks for a message that no handset confirms: it goes
// again, once, by another SIM or to a second number. The zero Again asks for
// nothing.
type Again struct {
	Within time.Duration // the report has to be there this long after the network took the last part; 0: whenever it comes
	To     Number        // second number; empty: the same one, by another SIM
}

// How soon an account may want the report: sooner few handsets have answered,
// and later than this no message is valid.
const (
	WithinMin = 30 * time.Second
	WithinMax = 7 * 24 * time.Hour
)

// Fault is why a message ended, or waits, as far as a customer is told apart. The
// zero Fault says nothing.
type Fault string

// Faults of a message.
const (
	FaultContent Fault = "content" // the network refuses what the message carries
	FaultRoute   Fault = "route"   // no SIM may send to the number
	FaultCredit  Fault = "credit"  // the account cannot pay
)

// contentCauses are the refusals that are about what a TPDU carries: its protocol
// identifier, coding, class, form or validity. 3GPP TS 24.011, Annex E; 23.040,
// 9.2.3.22; 27.005, 3.2.5.
var contentCauses = map[int]bool{
	95: true, 96: true, 97: true, 98: true, 99: true,
	128: true, 129: true, 130: true, 143: true, 144: true, 145: true, 159: true, 176: true, 198: true, 199: true,
	304: true, 305: true,
}

// fault is what a refusal for good says.
func (o Outcome) fault() Fault {
	if o.Kind == Refused && o.Cause.Set == pdu.CMS && contentCauses[o.Cause.Code] {
		return FaultContent
	}
	return ""
}

// jitter lengthens a wait by less than a quarter, so that many do not come back
// as one: by the ID, and anew for each try, for those that meet once must not do so
// for ever.
func (m Message) jitter(wait time.Duration) time.Duration {
	const random, tries = 6, 5 // the octets of an ID from there on, two for a try
	at := random + 2*min(m.Tries, tries-1)
	return wait + wait/4*time.Duration(binary.BigEndian.Uint16(m.ID[at:]))>>16
}

// GoesAgain reports whether the message is still to go again, should nobody
// confirm it.
func (m Message) GoesAgain() bool { return m.Again.Within > 0 && !m.WentAgain }

// goesElsewhere reports whether a second message may still come of this one.
func (m Message) goesElsewhere() bool { return m.GoesAgain() && m.Again.To != "" }

// elsewhere has a message that has failed go to its second number, at once: no
// report is to be waited for. Another SIM would not make the handset a better one.
func (m Message) elsewhere(s Step) Step {
	s.Again = m.goesElsewhere()
	return s
}

// validity is how long the second copy is valid: as long as the first was when it
// left, for its text was worth that much, but no less than the first had to arrive.
func (m Message) validity() time.Duration { return max(m.Expires.Sub(m.Due), m.Again.Within) }

// reviewSent decides about a message without a report: it goes again, or there is
// nothing more to wait for.
func (r *Rules) reviewSent(m Message, now time.Time, s *Step) {
	if !m.GoesAgain() {
		s.Why = "no report came"
		return
	}
	s.Again, s.Review = true, m.Expires.Add(ReportGrace)
	s.Why = fmt.Sprintf("no report from the handset in %s", m.Again.Within)
	if m.Again.To == "" {
		r.bySecondSIM(m, now, s)
	}
}

// bySecondSIM queues all parts again for other SIMs than the one that carried
// them; where none works, it may take them once more. The tiers of the route are
// preferences, so the account's wish opens them all, if it needs to.
func (r *Rules) bySecondSIM(m Message, now time.Time, s *Step) {
	first := m.Parts[0].SIM
	lane, err := r.firstLane(m)
	if err != nil {
		s.Fault = FaultRoute
		s.Why += ": " + err.Error() + ", so it does not go again"
		return
	}
	if m.OnlySIM == "" && !r.others(lane, first) {
		path := r.path(m.To)
		lane = path[len(path)-1]
	}
	s.State, s.Due, s.Lane, s.StartOver, s.Duplicate = Queued, now, lane, true, true
	s.Expires = later(m.Expires, now.Add(m.validity()))
	if r.others(lane, first) {
		s.Avoid, s.AvoidUntil = first, now.Add(max(r.EscalateAfter, m.Again.Within))
		s.Why += ": again, by another SIM than " + first
	} else {
		s.Why += ": again by " + first + ", no other SIM may send it"
	}
	m.Expires, m.Parts = s.Expires, nil
	s.Review = r.nextReview(m, *s, now)
}

// Second is the message that goes to the second number in place of m. One that
// cannot go, because no SIM may send to the number, has failed and says so. An error
// says that a part of m is no SMS-SUBMIT.
func (r *Rules) Second(m Message, id ID, now time.Time) (Message, error) {
	second := Message{
		ID: id, Submission: m.Submission, Account: m.Account, Source: m.Source, To: m.Again.To, From: m.From,
		ClientID: m.ClientID, OnlySIM: m.OnlySIM, Text: m.Text, Priority: m.Priority, Escalate: m.Escalate, Resend: m.Resend,
		Report: true, Due: now, Expires: now.Add(m.validity()), Duplicate: m.Duplicate, Created: now, Updated: now,
	}
	for _, p := range m.Parts {
		tpdu, err := readdress(p.TPDU, second.To)
		if err != nil {
			return Message{}, err
		}
		second.Parts = append(second.Parts, Part{N: p.N, TPDU: tpdu, State: Queued})
	}
	step, err := r.Admit(second, now)
	var price Credits
	if err == nil {
		price, err = r.PartPrice(second)
	}
	if err != nil {
		second.Refuse(FaultRoute, err.Error())
		return second, nil
	}
	second.Price = price * Credits(len(second.Parts))
	second.Apply(step)
	return second, nil
}

// Refuse ends a message that was never sent, and costs nothing.
func (m *Message) Refuse(f Fault, why string) {
	m.Price = 0
	m.Apply(Step{State: Failed, Due: m.Due, Fault: f, Why: why})
}

// readdress is a part for another number.
func readdress(tpdu []byte, to Number) ([]byte, error) {
	s, _, err := pdu.ParseSubmit(tpdu)
	if err != nil {
		return nil, err
	}
	s.Destination, s.StatusReport = to.Address(), true
	return s.AppendBinary(nil)
}

// tellMost bounds a reason in news: it may quote a modem.
const tellMost = 200

// News is what the customer is told of a message, in the lines of its answer.
func (m Message) News(why string) string {
	if r := []rune(why); len(r) > tellMost {
		why = string(r[:tellMost])
	}
	return fmt.Sprintf("ID: %s To: %s\r\n\r\n%s\r\n", m.ID, m.To, why)
}
