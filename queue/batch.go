package queue

import (
	"time"

	"cellpost/sms"
)

// Batch is a submission of several messages, and how far it has come. A message to
// a second number counts, too.
type Batch struct {
	ID      sms.ID // of the submission
	Account string
	Source  string
	Created time.Time
	Coming  bool // in: it is not accepted yet

	Waiting, Sent, Delivered, Unknown, Failed, Expired, Cancelled int64 // messages by state; waiting are scheduled, held, queued and sending
}

// Total is how many messages it has.
func (b Batch) Total() int64 {
	return b.Waiting + b.Left() + b.Unknown + b.Failed + b.Expired + b.Cancelled
}

// Left is how many the network has taken.
func (b Batch) Left() int64 { return b.Sent + b.Delivered }
