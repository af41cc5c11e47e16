package sim

import (
	"errors"
	"fmt"
	"strings"

	"cellpost/pdu"
)

// Message is what a handset or a service sends to a SIM. Whoever needs more
// says it in a [pdu.Deliver].
type Message struct {
	From  string    // digits or a name of up to 11 characters
	Text  string    // cut in parts if need be
	Class pdu.Class // Class0: a flash message
	PID   pdu.PID   // such as PIDType0 and the replace types

	// Port, when not zero, is the application that it is for, and Text then 8-bit
	// data as it stands: a WAP push or an MMS notification with 2948.
	Port uint16

	// Waiting, when not nil, is an indication that something waits: in TP-DCS when
	// that has a code for it, else, as with a Count, in an information element.
	Waiting *pdu.Waiting
}

// Send sends a text from a handset to the SIM with the number to (digits, or
// with +). from is digits or a name of up to 11 characters. A SIM that is out of
// reach or not in use, full or owes an acknowledgement gets it later.
func (n *Network) Send(to, from, text string) error {
	return n.SendMessage(to, Message{From: from, Text: text})
}

// SendFlash is [Network.Send] for a message of class 0.
func (n *Network) SendFlash(to, from, text string) error {
	return n.SendMessage(to, Message{From: from, Text: text, Class: pdu.Class0})
}

// SendMessage is [Network.Send] for messages of every kind.
func (n *Network) SendMessage(to string, msg Message) error {
	n.mu.Lock()
	n.ref++
	ref := n.ref
	n.mu.Unlock()
	segments, err := msg.split(ref & 0xff)
	if err != nil {
		return fmt.Errorf("send to %s: %w", to, err)
	}
	for i, part := range segments.Parts {
		err := n.Deliver(to, pdu.Deliver{
			MoreMessages: i < len(segments.Parts)-1,
			Originator:   telephone(msg.From),
			PID:          msg.PID,
			DCS:          segments.DCS,
			Time:         n.o.Clock(),
			UserData:     part,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// split cuts a message in parts.
func (msg Message) split(ref uint16) (pdu.Segments, error) {
	o := pdu.SplitOptions{Reference: ref, Class: msg.Class}
	if msg.Port != 0 {
		o.Alphabet = pdu.Octets
		o.Header = []pdu.IE{pdu.Ports{Dest: msg.Port, Src: msg.Port, Bits: 16}.IE()}
	}
	w := msg.Waiting
	if w != nil && w.Count > 0 {
		o.Header = append(o.Header, w.IE())
	}
	segments, err := pdu.Split(msg.Text, o)
	if err != nil || w == nil || w.Count > 0 {
		return segments, err
	}
	if dcs, err := pdu.WaitingDCS(segments.DCS.Alphabet(), *w); err == nil {
		segments.DCS = dcs
		return segments, nil
	}
	o.Header = append(o.Header, w.IE())
	return pdu.Split(msg.Text, o)
}

// Deliver sends one SMS-DELIVER to the SIM with the number to, like [Network.Send].
func (n *Network) Deliver(to string, d pdu.Deliver) error {
	tpdu, err := d.AppendBinary(nil)
	if err != nil {
		return fmt.Errorf("send to %s: %w", to, err)
	}
	s, err := n.find(to)
	if err != nil {
		return fmt.Errorf("send to %s: %w", to, err)
	}
	n.post(s, arrival{tpdu: tpdu, class: d.DCS.Class()})
	return nil
}

// find returns the card with a number, the newest if several have it.
func (n *Network) find(number string) (*SIM, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := len(n.sims) - 1; i >= 0; i-- {
		if n.sims[i].card.MSISDN == strings.TrimPrefix(number, "+") {
			return n.sims[i], nil
		}
	}
	return nil, errors.New("no SIM has that number: give it as Options.MSISDN or Card.MSISDN")
}
