package httpd

import (
	"time"

	"cellpost/sms"
)

// QueueStats is what waits, and what there was altogether. The daemon alone
// knows which SIMs are in service.
type QueueStats struct {
	At       time.Time      `json:"at"`
	Running  bool           `json:"running"`           // the daemon runs
	Serving  []string       `json:"serving,omitempty"` // SIMs in service
	Queued   int64          `json:"queued"`            // messages for which a SIM is needed, those that wait for another try included
	Oldest   *Oldest        `json:"oldest,omitempty"`  // of those that are due
	States   []StateCount   `json:"states"`            // all, in the order of a message's life
	Accounts []AccountCount `json:"accounts"`          // the 20 that most waits for
	More     int            `json:"more_accounts,omitempty"`
	Lanes    []LaneCount    `json:"lanes"`
	Totals   QueueTotals    `json:"totals"`

	Rate    float64 `json:"rate_per_minute,omitempty"`  // messages that left lately; 0: none
	EmptyIn float64 `json:"empty_in_seconds,omitempty"` // at that rate; 0: not known
}

// Oldest is the message that has been due for longest.
type Oldest struct {
	ID      string    `json:"id"`
	Due     time.Time `json:"due"`
	Seconds float64   `json:"seconds"` // since then
}

// StateCount is how many messages are in one state, by queue.
type StateCount struct {
	State  sms.State `json:"state"`
	Queue1 int64     `json:"queue1"`
	Queue2 int64     `json:"queue2"`
	Queue3 int64     `json:"queue3"`
	All    int64     `json:"all"`
}

// AccountCount is what is unfinished of one account.
type AccountCount struct {
	Account string `json:"account"`
	Queued  int64  `json:"queued"`
	Later   int64  `json:"later"` // scheduled or held
	Sending int64  `json:"sending"`
	Unknown int64  `json:"unknown"`
}

// LaneCount is what is queued for the same SIMs.
type LaneCount struct {
	Lane     string    `json:"lane"`
	SIMs     []string  `json:"sims,omitempty"` // that may take it; none: any
	Queued   int       `json:"queued"`
	AtLeast  bool      `json:"at_least,omitempty"` // there are more
	Due      time.Time `json:"due"`                // of the first of them
	Unserved bool      `json:"unserved,omitempty"` // the daemon runs, and none of the SIMs is in service
}

// QueueTotals count messages whenever they become what is said, since the
// database was made.
type QueueTotals struct {
	Accepted   int64          `json:"accepted"`
	Sent       int64          `json:"sent"`
	Delivered  int64          `json:"delivered"`
	Failed     int64          `json:"failed"`
	Expired    int64          `json:"expired"`
	Cancelled  int64          `json:"cancelled"`
	Unknown    int64          `json:"unknown"`
	Duplicates int64          `json:"possible_duplicates"`
	Retried    int64          `json:"retried"`
	Handovers  HandoverTotals `json:"handovers"` // of parts
}

// HandoverTotals count hand-overs of parts by their outcome.
type HandoverTotals struct {
	Accepted int64 `json:"accepted"`
	Refused  int64 `json:"refused"`
	Unknown  int64 `json:"unknown"`
	NotSent  int64 `json:"not_sent"`
	Cleared  int64 `json:"cleared"` // unknown ones about which evidence came
}
