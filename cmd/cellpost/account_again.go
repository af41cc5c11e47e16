package main

import (
	"fmt"
	"time"

	"cellpost/ingress"
	"cellpost/sms"
)

// againFlags say what follows where no handset confirms a message.
type againFlags struct {
	ReportWithin *time.Duration `help:"Send a message again that no handset has confirmed this long after the network took it, 30s to 168h; 0: never. Asks for a report of every message." placeholder:"TIME"`
	Then         *string        `help:"How: sim, by another SIM, or the second number that it goes to." placeholder:"sim|NUMBER"`
}

// thenSIM stands for another SIM where a number could stand.
const thenSIM = "sim"

// second checks the flags, and returns the second number: empty for another SIM,
// nil where nothing was said.
func (f againFlags) second(config string) (*sms.Number, error) {
	if d := f.ReportWithin; d != nil && *d != 0 && (*d < sms.WithinMin || *d > sms.WithinMax) {
		return nil, fmt.Errorf("--report-within: %s to %s, or 0", sms.WithinMin, sms.WithinMax)
	}
	if f.Then == nil {
		return nil, nil
	}
	to := new(sms.Number)
	if *f.Then == thenSIM {
		return to, nil
	}
	c, err := loadConfig(config)
	if err != nil {
		return nil, err
	}
	*to, err = ingress.ParseNumber(*f.Then, c.CountryPrefix, true)
	if err != nil {
		return nil, fmt.Errorf("--then %s: %w: write sim, or a number with its country code", *f.Then, err)
	}
	if _, err := c.rules().Admit(sms.Message{To: *to}, time.Now()); err != nil {
		return nil, fmt.Errorf("--then %s: %w: give it one (docs/routes.md)", *f.Then, err)
	}
	return to, nil
}

// noReport says what the account has for a message that no handset confirms.
func (a accountView) noReport() string {
	if a.Within == "" {
		return "-"
	}
	return "after " + a.Within + ": " + a.Then
}
