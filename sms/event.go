package sms

import (
	"errors"
	"strings"
	"time"
)

// Event is news that a customer has to be told, kept until it was.
type Event struct {
	ID      int64
	Door    string // who delivers it: "mail"
	Account string
	Message ID     // that it is about; zero: about a submission, or an inbound message
	To      string // where it goes, in the terms of the door
	Subject string
	Ref     string // what it answers: the Message-ID of a mail
	Text    string
	Created time.Time
	Tries   int // deliveries that failed

	ReplyTo   string      // of a mail: where answers go; empty: to its sender
	Generated bool        // it answers nothing, see RFC 3834, 5: "auto-generated"
	Parts     []EventPart // of a mail: what comes after the text
	Surplus   bool        // beyond the rate of its address: it is counted, and one mail says later how many there were
	List      ID          // submission whose messages are listed when the mail leaves; zero: none
}

// EventPart is a part of a mail beside its text.
type EventPart struct {
	Type string `json:"type"`           // media type: "text/csv; charset=utf-8"
	Name string `json:"name,omitempty"` // of a file; empty: it is no attachment
	Data []byte `json:"data"`
}

// Cell is a text of a stranger as a cell of an attached table: a spreadsheet would carry
// out what looks like a formula.
func Cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// EventState is where the delivery of an event stands.
type EventState string

// States of the delivery of an event.
const (
	EventWaiting   EventState = "waiting" // to be tried, or to be tried again
	EventDelivered EventState = "delivered"
	EventDead      EventState = "dead" // given up; kept to be seen
)

// ErrNoEvent says that there is no such event, or it is not given up.
var ErrNoEvent = errors.New("no such event among those that were given up")

// Undeliverable is the error of a door that will never be able to deliver.
type Undeliverable struct{ Reason string }

func (e *Undeliverable) Error() string { return "undeliverable: " + e.Reason }

// Report is a status report, as it came off the air.
type Report struct {
	SIM      string
	Modem    string
	TPDU     []byte // SMS-STATUS-REPORT
	Received time.Time
}
