package sms

// Settings are what an account has agreed about its scripts and its mail. The zero
// value is what a new account has. They are stored as JSON: a field that is renamed
// needs a migration.
type Settings struct {
	CountryPrefix string `json:"country_prefix,omitempty"` // of its national numbers, digits; empty: as the configuration says

	// Of scripts.
	LF            bool   `json:"lf,omitempty"`             // lines of text are joined with LF, one septet, not CRLF
	Append        bool   `json:"append,omitempty"`         // a line without a key goes on with the text above it; else it is ignored
	ForeignSender string `json:"foreign_sender,omitempty"` // what becomes of a from that no SIM has: "reject", "ignore", "prefix"; empty: reject
	Idempotent    bool   `json:"idempotent,omitempty"`     // the same climsgid, number and content within 24 hours is sent once
	LogoNetwork   string `json:"logo_network,omitempty"`   // MCC and MNC of operator logos that have none, "26201"; empty: of the SIM that sends

	// Of mail to number@host.
	Senders    []string `json:"senders,omitempty"`     // addresses, or "@domain", whose mail is the account's without a login
	Automatic  bool     `json:"automatic,omitempty"`   // mail that a machine has written is sent, too
	PlainParts int      `json:"plain_parts,omitempty"` // parts of such a message; 0: 3
	Template   string   `json:"template,omitempty"`    // of its text, with {subject}, {body} and {from}; empty: the body, or the subject where that is empty
	Convert    bool     `json:"convert,omitempty"`     // attached melodies, pictures, cards and appointments are sent

	// What it is told by mail.
	Reports   string   `json:"reports,omitempty"`    // delivery reports: "submission", "message" or "dsn" (RFC 3464); empty: none
	ReportsTo []string `json:"reports_to,omitempty"` // addresses; none: whom the answer went to, or who wrote
	Inbound   []string `json:"inbound,omitempty"`    // addresses that get what handsets send; none: who wrote last to the number
}
