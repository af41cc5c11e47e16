// Package ingress is the one way into the queue. Every door turns what it was
// given into a [Submission]; the [Gate] checks the account, the limits and the
// numbers, fixes the parts, and stores.
package ingress

import (
	"context"
	"iter"
	"time"

	"cellpost/sms"
)

// Queue takes what the Gate has admitted.
type Queue interface {
	// Add stores a batch in one transaction; it is durable when Add returns.
	// [sms.ErrNoCredit] and [sms.ErrNoAccount] refuse it whole, and so does an
	// [*sms.Repeated], of a batch that is to be taken once.
	Add(ctx context.Context, b sms.Batch) error
}

// Submission is what one client asks for in one go: a text, or several, to
// numbers.
type Submission struct {
	Source string // door and peer, for the history: "smtp 192.168.1.9"
	Note   string // what a door got past, for the history: "2 lines ignored"
	Items  []Item
	Rest   iter.Seq[Item] // the items after Items, of which there may be many; they are drawn more than once. nil: none
	Params Params

	// Events, where not nil, says what the client is to be told of the outcome;
	// what it returns is stored in the same transaction as the messages.
	Events func(Receipt) []sms.Event
	// Audience, where not nil, says who hears what becomes of the messages later;
	// it is stored with them.
	Audience func(Receipt) []sms.Audience
}

// Item is one message of a submission.
type Item struct {
	To      string // as the client wrote it
	Text    string
	Content *Content // what is sent instead of Text, which then says in words what it is (empty: its Words); nil: Text
	Params  *Params  // what holds instead of the Params of the submission; nil: those
	Refusal *Refusal // of an item that its door could not read; nil: it could
	Whole   string   // what Text was cut from: the message shows it, and sends Text; empty: Text is whole
}

// Params hold for all items of a submission. Zero values are the defaults.
type Params struct {
	From     string
	ClientID string        // climsgid, up to 32 letters and digits
	Concat   int           // parts that a text may take, 1 to 35; 0: the account's default
	Priority int           // 1 to 3; 0: 3
	Escalate int           // 0 to 2
	Flash    bool          // class 0: shown at once, not kept
	Unicode  bool          // send as UCS2 whatever the text
	Report   bool          // ask the network for a status report
	NoReport bool          // do not ask for one that only the account wants
	SIM      string        // name of the SIM to send by, in place of what From says; empty: any
	Delay    time.Duration // 0 to 7 days
	At       time.Time     // when it is to leave, by the clock, up to 7 days ahead; past: at once; zero: after Delay
	FarIsNow bool          // an At further ahead means at once, as in Clickatell's specification; it is refused otherwise
	Validity time.Duration // 1 minute to 7 days, from the due time; 0: 24 hours
	MaxPrice sms.Credits   // a message that costs more fails at once, and is free; 0: whatever it costs
}

// Receipt answers a submission, item by item and in order.
type Receipt struct {
	Submission sms.ID
	Results    []Result
	Price      sms.Credits // of all that was accepted
}

// Result is what became of one item: an ID, or a refusal.
type Result struct {
	To      string // normalised where it could be, else as written
	ID      sms.ID
	Refusal *Refusal
	Same    bool // stands for an earlier item, with the same number and text: nothing is sent for it
	Repeat  bool // the same was submitted before, see [sms.Settings]: nothing is sent for it, and ID is that of then
}

// taken reports whether there is a message of the item's own.
func (r Result) taken() bool { return r.Refusal == nil && !r.Same && !r.Repeat }

// Accepted is how many messages were taken.
func (r Receipt) Accepted() int {
	n := 0
	for _, res := range r.Results {
		if res.taken() {
			n++
		}
	}
	return n
}

// Refusal is the first refusal of the receipt, nil when every item was accepted.
func (r Receipt) Refusal() *Refusal {
	for _, res := range r.Results {
		if res.Refusal != nil {
			return res.Refusal
		}
	}
	return nil
}
