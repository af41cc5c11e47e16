package sms

import (
	"fmt"
	"strings"
	"time"
)

// Audience is somebody who hears by mail what becomes of the messages of a
// submission.
type Audience struct {
	Account string
	To      string // address
	Form    Form
	Notify  Notify // what is told
	Message ID     // the one that is told of; zero: each of the submission
	Ref     string // Message-ID of the mail that the submission came by

	// Of a report by RFC 3464.
	Envelope  string // ENVID of the client
	Recipient string // as the client addressed it: "rfc822;+447700900123@gateway"; empty: the number
	Original  string // ORCPT of the client
	Header    []byte // of that mail, up to HeaderMost; returned with the report
}

// HeaderMost bounds what is kept of the header of a mail, in octets: a report
// brings it back.
const HeaderMost = 8 << 10

// Form is how somebody hears.
type Form string

// Forms. Each account chooses one in [Settings.Reports], but for InboundOnly.
const (
	PerMessage    Form = "message"    // one mail for each message
	PerSubmission Form = "submission" // one mail when all of it is over
	PerDSN        Form = "dsn"        // one report by RFC 3464 for each message
	InboundOnly   Form = "inbound"    // nothing, but what handsets send back
)

// Notify is what somebody wants to hear of. RFC 3461, 4.1.
type Notify struct {
	Success, Failure bool
	Delay            time.Duration // after how long one hears, once, that the message has not left; 0: never
}

// DelayDefault is a usual Notify.Delay.
const DelayDefault = 4 * time.Hour

// Unsent reports whether a message is late if its time has come: it is neither over,
// nor with the network, nor to wait for a time that was asked for.
func (m Message) Unsent() bool {
	return m.State == Queued || m.State == Sending || m.State == Held
}

// Concluded reports whether a message is at an end that is told: nothing more is
// sent of it, and no report of a handset is awaited. News may come all the same.
func (m Message) Concluded() bool {
	return m.Review.IsZero() && (m.State.Final() || m.State == Unknown)
}

// Outcome of a message, as a person is told of it.
type ending struct {
	failure bool
	title   string // of a mail
	words   string
	action  string // RFC 3464, 2.3.3
	status  string // RFC 3463
}

func (m Message) ending() ending {
	switch {
	case m.State == Delivered:
		return ending{false, "delivered", "The handset has received the message.", "delivered", "2.1.5"}
	case m.State == Sent && m.Report:
		return ending{false, "sent, no report came", "The network has accepted the message. No report on it came from the handset.", "relayed", "2.0.0"}
	case m.State == Sent:
		return ending{false, "sent", "The network has accepted the message. No report of the handset was asked for.", "relayed", "2.0.0"}
	case m.State == Expired:
		return ending{true, "expired", "The message was not sent: its validity was over.", "failed", "5.4.7"}
	case m.State == Cancelled:
		return ending{true, "cancelled", "The message was not sent: it was cancelled.", "failed", "5.7.0"}
	case m.State == Unknown:
		return ending{true, "outcome unknown", "It is not known whether the message has left. It waits for the operator.", "failed", "5.4.0"}
	case m.Fault == FaultContent:
		return ending{true, "failed", "The network refuses what the message carries.", "failed", "5.6.0"}
	case m.Fault == FaultRoute:
		return ending{true, "failed", "No SIM may send to this number.", "failed", "5.4.4"}
	case m.Fault == FaultCredit:
		return ending{true, "failed", "The account cannot pay for the message.", "failed", "5.7.0"}
	}
	return ending{true, "failed", "The message could not be delivered.", "failed", "5.1.1"}
}

// Hears reports whether somebody is told of a message that is concluded.
func (a Audience) Hears(m Message) bool {
	if a.Form != PerMessage && a.Form != PerDSN || !a.Message.IsZero() && a.Message != m.ID {
		return false
	}
	if m.ending().failure {
		return a.Notify.Failure
	}
	return a.Notify.Success
}

// Report is the mail about a message that is concluded.
func (a Audience) Report(m Message, now time.Time) Event { return a.mail(m, m.ending(), now) }

// Delayed is the mail about a message that has not left for longer than usual.
func (a Audience) Delayed(m Message, now time.Time) Event {
	until := m.Expires.UTC().Format(time.RFC1123Z)
	return a.mail(m, ending{false, "delayed", "The message has not been sent yet. The gateway goes on trying until " + until + ".", "delayed", "4.4.7"}, now)
}

func (a Audience) mail(m Message, end ending, now time.Time) Event {
	e := Event{
		Door: "mail", Account: m.Account, Message: m.ID, To: a.To, Ref: a.Ref, Generated: true, Created: now,
		Subject: fmt.Sprintf("SMS to %s: %s", m.To, end.title),
		Text:    fmt.Sprintf("%s\r\n\r\nID: %s To: %s\r\nState: %s\r\nReason: %s\r\n", end.words, m.ID, m.To, m.State, inLine(m.Why)),
	}
	if m.ClientID != "" {
		e.Text += "climsgid: " + m.ClientID + "\r\n"
	}
	if m.Duplicate {
		e.Text += "It may have arrived twice.\r\n"
	}
	if a.Form == PerDSN {
		e.Parts = []EventPart{{Type: "message/delivery-status", Data: a.status(m, end)}}
		if len(a.Header) > 0 {
			e.Parts = append(e.Parts, EventPart{Type: "text/rfc822-headers", Data: a.Header})
		}
	}
	return e
}

// status is the body of a message/delivery-status, without the field that names
// who reports: that is for whoever sends it. RFC 3464, 2.
func (a Audience) status(m Message, end ending) []byte {
	var b strings.Builder
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, inLine(value))
		}
	}
	field("Original-Envelope-Id", a.Envelope)
	field("Arrival-Date", m.Created.UTC().Format(time.RFC1123Z))
	b.WriteString("\r\n")
	field("Original-Recipient", a.Original)
	recipient := a.Recipient
	if recipient == "" {
		recipient = "x-sms; " + string(m.To)
	}
	field("Final-Recipient", recipient)
	field("Action", end.action)
	field("Status", end.status)
	field("Diagnostic-Code", "x-sms; "+m.Why)
	field("Last-Attempt-Date", m.Updated.UTC().Format(time.RFC1123Z))
	if end.action == "delayed" {
		field("Will-Retry-Until", m.Expires.UTC().Format(time.RFC1123Z))
	}
	return []byte(b.String())
}

// inLine is a text as it can stand in a line of ASCII: it may quote a modem.
func inLine(s string) string {
	if r := []rune(s); len(r) > tellMost {
		s = string(r[:tellMost])
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// Conversation is a message from a handset that a mail can answer.
type Conversation struct {
	Account string // that pays for the answer; empty: it belongs to none, so the operator's
	To      Number
	SIM     string // that the message came by
	Inbound int64  // ID of the message
	Expires time.Time
}

// ConversationLife is how long a message from a handset can be answered by mail.
const ConversationLife = 30 * 24 * time.Hour

// MailText is a message from a handset as the text of a mail, with what is known of
// it beside.
func (in Inbound) MailText() string {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(strings.ReplaceAll(in.Text, "\r\n", "\n"), "\n", "\r\n"))
	b.WriteString("\r\n\r\n-- \r\n")
	if in.Kind != KindText {
		fmt.Fprintf(&b, "Kind: %s %s\r\n", in.Kind, in.Detail)
	}
	fmt.Fprintf(&b, "SIM %s, modem %s, received %s\r\n", in.SIM, in.Modem, in.Received.UTC().Format(time.RFC3339))
	if !in.Sent.IsZero() {
		fmt.Fprintf(&b, "Sent %s\r\n", in.Sent.Format(time.RFC3339))
	}
	if len(in.Missing) > 0 {
		fmt.Fprintf(&b, "Parts missing: %s of %d\r\n", strings.Trim(fmt.Sprint(in.Missing), "[]"), in.Parts)
	}
	return b.String()
}
