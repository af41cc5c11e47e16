package httpd

import (
	"fmt"
	"time"

	"cellpost/ingress/clickatell"
	"cellpost/sms"
)

// Message is a message as operators and programs see it.
type Message struct {
	ID        string    `json:"id"`
	To        string    `json:"to"`
	Account   string    `json:"account"`
	State     sms.State `json:"state"`
	Status    string    `json:"status"` // three digits, as the Clickatell interfaces count
	Parts     []Part    `json:"parts"`
	Timeline  []Entry   `json:"timeline,omitzero"` // nil: not asked for
	Duplicate bool      `json:"possible_duplicate"`
	Created   time.Time `json:"created"`
	Due       time.Time `json:"due,omitzero"` // from when a modem may take it
	Text      string    `json:"text"`
	Queue     int       `json:"queue"`
	Why       string    `json:"why,omitempty"`
	At        time.Time `json:"at,omitzero"`     // when it was to leave, where its sender named a time
	Waits     string    `json:"waits,omitempty"` // the SIMs that may not send it now by their limits, and why
}

// Part is one TPDU of a message.
type Part struct {
	N        int       `json:"n"`
	State    sms.State `json:"state"`
	Attempts []Attempt `json:"attempts,omitzero"` // nil: not asked for
}

// Attempt is one hand-over of a part.
type Attempt struct {
	SIM     string    `json:"sim"`
	Modem   string    `json:"modem"`
	MR      *int      `json:"mr"` // null: not known
	Outcome string    `json:"outcome"`
	Cause   string    `json:"cause"`
	At      time.Time `json:"at"`
}

// Entry is a line of the timeline.
type Entry struct {
	At     time.Time `json:"at"`
	Event  string    `json:"event"`
	Detail string    `json:"detail"`
}

// View makes a message presentable. A nil timeline says that the history was not
// asked for; then it shows no attempts either.
func View(m sms.Message, timeline []sms.Entry) Message {
	v := Message{
		ID: m.ID.String(), To: string(m.To), Account: m.Account, State: m.State, Status: clickatell.Status(m),
		Duplicate: m.Duplicate, Created: m.Created, Due: m.Due, Text: m.Text, Queue: m.Priority, Why: m.Why, At: m.At,
	}
	v.Parts = make([]Part, len(m.Parts))
	for i, p := range m.Parts {
		v.Parts[i] = viewPart(p, timeline != nil)
	}
	if timeline == nil {
		return v
	}
	v.Timeline = make([]Entry, len(timeline))
	for i, e := range timeline {
		v.Timeline[i] = Entry(e)
	}
	return v
}

func viewPart(p sms.Part, history bool) Part {
	v := Part{N: p.N, State: p.State}
	if !history {
		return v
	}
	v.Attempts = make([]Attempt, len(p.Attempts))
	for i, a := range p.Attempts {
		v.Attempts[i] = viewAttempt(a)
	}
	return v
}

func viewAttempt(a sms.Attempt) Attempt {
	v := Attempt{SIM: a.SIM, Modem: a.Modem, Outcome: string(a.Outcome.Kind), Cause: a.Outcome.Detail, At: a.Started}
	if a.Outcome.Kind == sms.Accepted {
		mr := int(a.Outcome.MR)
		v.MR = &mr
	}
	return v
}

// Inbound is a message from a handset.
type Inbound struct {
	ID         int64     `json:"id"`
	From       string    `json:"from"`
	Text       string    `json:"text"`
	Kind       sms.Kind  `json:"kind"`
	Detail     string    `json:"detail,omitempty"` // more about the kind
	SIM        string    `json:"sim"`
	Modem      string    `json:"modem"`
	Received   time.Time `json:"received"`
	Sent       time.Time `json:"sent,omitzero"`         // by the service centre
	Parts      int       `json:"parts"`                 // that the message has
	Missing    []int     `json:"missing,omitempty"`     // parts that have not come
	ReplacedBy int64     `json:"replaced_by,omitempty"` // ID of the message that took its place
	TPDU       string    `json:"tpdu"`                  // hexadecimal, of the first part that there is
}

// ViewInbound makes a message from a handset presentable.
func ViewInbound(m sms.Inbound) Inbound {
	return Inbound{
		ID: m.ID, From: m.From, Text: m.Text, Kind: m.Kind, Detail: m.Detail, SIM: m.SIM, Modem: m.Modem,
		Received: m.Received, Sent: m.Sent, Parts: m.Parts, Missing: m.Missing, ReplacedBy: m.ReplacedBy,
		TPDU: fmt.Sprintf("%X", m.TPDU),
	}
}
