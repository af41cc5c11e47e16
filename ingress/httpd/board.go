package httpd

// Board is the hardware that the modems sit on.
type Board struct {
	Facts  []string    `json:"facts"` // which board it is, then what it has and has not
	Slots  []BoardSlot `json:"slots,omitempty"`
	Health []Finding   `json:"health,omitempty"` // what is missing to know it
}

// BoardSlot is what a modem sits in.
type BoardSlot struct {
	Name   string    `json:"name"`
	Facts  []string  `json:"facts"`            // what it can do, and for which modem
	Health []Finding `json:"health,omitempty"` // what is configured and missing
}
