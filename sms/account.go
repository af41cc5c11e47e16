package sms

import (
	"errors"
	"net/netip"
	"time"

	"cellpost/pdu"
)

// Account is a customer: who may submit, and within which limits.
type Account struct {
	Name         string
	PasswordHash string // bcrypt
	APIID        int64
	Credits      Credits
	Unlimited    bool           // credits are counted, never refused
	Networks     []netip.Prefix // it may submit from; none: from anywhere
	Report       bool           // a status report is asked for every message
	ShortCodes   bool           // may send to numbers of three to six digits
	Concat       int            // parts of a script message that says no concat; 0: 1
	OnUnknown    string         // "resend", "hold"; empty: as the configuration says
	NonGSM       string         // what becomes of text that GSM 7-bit lacks: "ucs2", "transliterate", "reject"; empty: ucs2
	Languages    []pdu.Language // whose national tables may be used where they save parts
	Created      time.Time
	Again        Again // what follows where no report comes; then one is always asked for
	Settings     Settings
}

// Errors of an account.
var (
	ErrNoAccount     = errors.New("no such account")
	ErrAccountExists = errors.New("an account of this name exists")
	ErrNoCredit      = errors.New("not enough credit")
)
