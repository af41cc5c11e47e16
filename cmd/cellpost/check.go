package main

import "fmt"

type checkVerb struct{ configFlag }

func (v checkVerb) Run(s streams) error {
	c, err := loadConfig(v.Config)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s is valid: %d mail doors, %d modems, %d routes\n", v.Config, len(c.SMTP), len(c.Modem), len(c.Route))
	if len(c.Modem) == 0 {
		fmt.Fprintln(s.out, "note: without a [[modem]] messages are taken and wait")
	}
	if c.MailOut.Smarthost == "" {
		fmt.Fprintln(s.out, "note: without mail_out.smarthost replies are kept, not sent")
	}
	return nil
}
