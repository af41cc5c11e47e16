package main

import (
	"fmt"
	"slices"
)

type checkVerb struct{ configFlag }

func (v checkVerb) Run(s streams) error {
	c, err := loadConfig(v.Config)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s is valid: %d mail doors, %d modems, %d routes\n", v.Config, len(c.SMTP), len(c.Modem), len(c.Route))
	if len(c.Modem) == 0 && !c.Modems.Discover {
		fmt.Fprintln(s.out, "note: without a [[modem]] messages are taken and wait")
	}
	for _, m := range c.Modem {
		if !checkDigit(m.IMEI) {
			fmt.Fprintf(s.out, "note: modem %s: the last digit of imei %s does not fit the others; compare it with the label or AT+CGSN\n", m.Name, m.IMEI)
		}
	}
	for _, note := range c.portNotes() {
		fmt.Fprintf(s.out, "note: %s\n", note)
	}
	for _, sim := range c.strangers() {
		fmt.Fprintf(s.out, "note: a route names the SIM %q, which no [[modem]] has: it waits for one that is discovered\n", sim)
	}
	if c.MailOut.Smarthost == "" {
		fmt.Fprintln(s.out, "note: without mail_out.smarthost replies are kept, not sent")
	}
	return nil
}

// strangers are the SIMs of routes that no modem of the configuration has.
func (c config) strangers() []string {
	var names []string
	for _, r := range c.Route {
		for _, sim := range slices.Concat(r.Tiers...) {
			if !slices.Contains(c.sims(), sim) && !slices.Contains(names, sim) {
				names = append(names, sim)
			}
		}
	}
	return names
}
