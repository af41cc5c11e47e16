// Package sms knows what a message is and what may happen to it: its states,
// its parts and attempts, and the operator's rules for routing, retry,
// escalation and price. It is pure: time is an argument, and every decision is
// a [Step] with a reason.
package sms

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"time"

	"cellpost/pdu"
)

// ID names a message or a submission. It prints as 32 lower-case hexadecimal
// digits, the form of a Clickatell apiMsgId.
type ID [16]byte

// NewID returns an ID that nobody can guess. Its first six octets count
// milliseconds, so that an index on it grows at its end.
func NewID(now time.Time) ID {
	var id ID
	rand.Read(id[6:])
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}

// ParseID reads what String printed. An error says that s is no ID.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, errors.New("a message ID is 32 hexadecimal digits")
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, errors.New("a message ID is 32 hexadecimal digits")
	}
	return id, nil
}

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements [encoding.TextMarshaler], as String prints.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// Time is when the ID was made, by the clock of then.
func (id ID) Time() time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}

// IsZero reports whether the ID was never set.
func (id ID) IsZero() bool { return id == ID{} }

// State is where a message stands. docs/states.md has the table.
type State string

// States of a message.
const (
	Queued    State = "queued"    // waits for a line, now or (after a refusal) at its due time
	Scheduled State = "scheduled" // accepted for later
	Held      State = "held"      // has an absolute time, and the clock is not trusted
	Sending   State = "sending"   // an attempt is open
	Sent      State = "sent"      // the network accepted every part
	Delivered State = "delivered" // the handset confirmed every part
	Unknown   State = "unknown"   // handed over, outcome not known
	Failed    State = "failed"    // refused for good
	Expired   State = "expired"   // validity over before it was sent
	Cancelled State = "cancelled"
)

// Final reports whether nothing more is going to be sent. A sent message is
// final in this sense although its report may still come.
func (s State) Final() bool {
	switch s {
	case Sent, Delivered, Failed, Expired, Cancelled:
		return true
	}
	return false
}

// Message is one short message to one number, whatever number of parts it
// leaves in.
type Message struct {
	ID         ID
	Submission ID // shared by all that came in together
	Account    string
	Source     string // door and peer: "smtp 192.168.1.9"
	To         Number
	From       string // sender asked for; a GSM network shows the SIM's own number
	ClientID   string // climsgid
	OnlySIM    string // name of the SIM that From selects; empty: any that the routes allow
	Text       string
	Priority   int  // 1 to 3, 1 first
	Escalate   int  // 0 to 2: how far beyond the first tier it may go
	Resend     bool // an unknown outcome is sent again; false: it is kept for the operator
	Report     bool // a status report is asked for

	State      State
	Due        time.Time // from when a line may take it
	Review     time.Time // when the rules look at it again by themselves; zero: never
	Expires    time.Time // end of validity
	Lane       Lane      // which SIMs may take it
	Avoid      string    // SIM that passes it over until AvoidUntil
	AvoidUntil time.Time
	Tries      int     // refused hand-overs; moves that cost nothing do not count
	Doubts     int     // hand-overs whose outcome was not known
	Price      Credits // debited from the account
	Why        string  // reason of the last step
	Duplicate  bool    // sent again although it may have left, or part of it had: the handset may show it twice

	Again     Again // as the account had it
	WentAgain bool  // it did: that is done once
	Fault     Fault // of the last step

	Parts   []Part
	Created time.Time
	Updated time.Time

	At time.Time // time of the clock at which it is to leave; zero: none was asked for
}

// Part is one TPDU of a message.
type Part struct {
	N        int       // from 1
	TPDU     []byte    // SMS-SUBMIT; TP-MR 0, no TP-VP: both are set when it leaves, as is the network of an operator logo without one
	State    State     // queued, sending, sent, delivered, unknown or failed
	SIM      string    // that took it
	MR       byte      // valid when State is sent, delivered or failed after being sent
	Attempts []Attempt // only where history was asked for
}

// Attempt is one hand-over of one part to one SIM.
type Attempt struct {
	ID      int64
	Part    int // N of the part
	SIM     string
	Modem   string
	Outcome Outcome // Kind is Open while it is under way
	Started time.Time
	Ended   time.Time
}

// History says of an attempt that has ended who had the part, for how long, and how
// it ended: "m1 (sim-a), which had it for 45s: no result within 45s".
func (a Attempt) History() string {
	why := a.Outcome.Detail
	if why == "" {
		why = string(a.Outcome.Kind)
	}
	verb := "had it for"
	if a.Outcome.Kind == Ambiguous {
		verb = "stalled for"
	}
	return fmt.Sprintf("%s (%s), which %s %s: %s", a.Modem, a.SIM, verb, a.Ended.Sub(a.Started).Round(100*time.Millisecond), why)
}

// OutcomeKind is how a hand-over ended.
type OutcomeKind string

// Outcomes of a hand-over: the three that count, the one of an attempt that
// never began, and the one of an attempt under way.
const (
	Open      OutcomeKind = "open"
	Accepted  OutcomeKind = "accepted" // the network answered with a TP-MR
	Refused   OutcomeKind = "refused"  // it answered with an error
	Ambiguous OutcomeKind = "unknown"  // the TPDU left, no answer came
	NotSent   OutcomeKind = "not sent" // the TPDU never left
)

// Outcome is the result of a hand-over.
type Outcome struct {
	Kind   OutcomeKind
	MR     byte      // TP-MR given by the modem; of an accepted hand-over
	NoMR   bool      // the modem gave none: no report can name the message
	Cause  pdu.Cause // of a refused one
	Detail string    // in words: "no prompt within 10s", "CMS 38: network out of order"
	Alone  bool      // no other line was in service that could have taken it
	OfSIM  bool      // of a refused one: the SIM is refused whatever the number, so it says nothing about this one
}

// Entry is a line of a message's timeline.
type Entry struct {
	At     time.Time
	Event  string
	Detail string
}

// Errors of a message.
var (
	ErrNoMessage = errors.New("no such message")
	ErrTooLate   = errors.New("too late: the message is past that")
	ErrTooEarly  = errors.New("the batch is still coming in: try again in a minute")
)

// Credits is an amount of prepaid credit in millionths.
type Credits int64

// Credit is one credit.
const Credit Credits = 1_000_000

// Batch is what one submission brings, to be stored in one transaction.
type Batch struct {
	Messages []Message
	Events   []Event
	Audience []Audience // who hears what becomes of the messages
	Once     bool       // a message with a ClientID is not taken where the same was within [OnceWithin]; [Repeated] then refuses the batch

	// Rest has the messages that come after Messages, where there are so many that
	// each is made as it is drawn; nil: none. It can be drawn anew. An error ends it,
	// and refuses the batch.
	Rest   iter.Seq2[Message, error]
	Beyond int // how many messages Rest has
}

// Len is how many messages the batch has.
func (b Batch) Len() int { return len(b.Messages) + b.Beyond }

// All has every message of the batch.
func (b Batch) All() iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for _, m := range b.Messages {
			if !yield(m, nil) {
				return
			}
		}
		if b.Rest != nil {
			b.Rest(yield)
		}
	}
}

// OnceWithin is how long a submission is remembered for the sake of its repetition.
const OnceWithin = 24 * time.Hour

// Repeated is the refusal of a batch: messages of it had been submitted before, by the
// same account and ClientID, to the same number, with the same text or data.
type Repeated struct {
	First map[ID]ID // the ID of a message of the batch, and of the one before
}

func (e *Repeated) Error() string {
	return fmt.Sprintf("%d messages were submitted before", len(e.First))
}

// Handover is one TPDU on its way to a modem.
type Handover struct {
	Attempt int64  // names the hand-over when its result comes late
	TPDU    []byte // SMS-SUBMIT, as it is to leave
	More    bool   // another follows at once: keep the radio link
}
