package queue

import (
	"time"

	"cellpost/sms"
)

// Stats is what a store holds and has done.
type Stats struct {
	At      time.Time // of the store's clock
	Stored  []Count   // by account, State and priority; none is zero
	Lanes   []Waiting // lanes in which messages are queued, the longest wait first
	Totals  Totals
	Lately  int           // messages of which the network took something, of the last hand-overs
	Against time.Duration // how long those took, at most [LatelyMost]
}

// Count is how many messages of one kind there are.
type Count struct {
	Account  string
	State    sms.State
	Priority int
	N        int64
}

// Waiting is what waits in one lane.
type Waiting struct {
	Lane  sms.Lane
	N     int       // queued messages, those for later included; at most [CountMost]
	First sms.ID    // the one that is due first
	Since time.Time // its due time; it may be yet to come
}

// Totals never go down. A message counts whenever it becomes what they say: more
// than once if it was sent again, or if evidence showed that it was something else.
type Totals struct {
	Accepted   int64 // taken in, and debited
	Sent       int64 // the network has all of it
	Delivered  int64
	Failed     int64
	Expired    int64
	Cancelled  int64
	Unknown    int64
	Duplicates int64 // flagged as possible ones
	Retried    int64 // sent again by the operator

	// Hand-overs of parts by their outcome; claims given back are none. Cleared are
	// those of unknown outcome about which evidence came after all.
	HandedOver, Refused, InDoubt, NotSent, Cleared int64
}

const (
	// CountMost is how many queued messages of a lane are counted, so that the cost
	// is bounded.
	CountMost = 10_000
	// LatelyMost is how far back the rate of sending is looked at.
	LatelyMost = 10 * time.Minute
)
