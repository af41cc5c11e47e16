package sms

import (
	"errors"
	"time"
)

// Rules are what the operator has set: where messages may go, how long to wait
// for what, and what to do then. They are not changed after start.
type Rules struct {
	Routes        []Route       // longest prefix wins
	UnknownWait   time.Duration // how long evidence about an unknown outcome is awaited
	EscalateAfter time.Duration // how long a message of escalation level 2 waits in its tier
	Resend        bool          // unknown outcomes are sent again, unless the account says otherwise
}

// Route says which SIMs carry messages to numbers with a prefix.
type Route struct {
	Prefix string     // digits; empty: every number
	Tiers  [][]string // names of SIMs; the second tier is for messages that may escalate
	Price  Credits    // per part
}

// Lane names the set of SIMs that may take a message: "44/0" is the first tier
// of the route 44, "44/1" its first two, "sim:a" one SIM alone.
type Lane string

// Step is a decision about a message: the state that it goes to, and why.
type Step struct {
	State      State
	Due        time.Time
	Review     time.Time
	Lane       Lane
	Avoid      string
	AvoidUntil time.Time
	Duplicate  bool   // from now on the handset may show it twice
	Refund     bool   // nothing was sent: the account gets its price back
	Tried      bool   // the hand-over counts as a try
	Why        string // for the timeline, in words
}

// ErrNoRoute is the refusal of a number that no route carries.
var ErrNoRoute = errors.New("no route carries this number")
