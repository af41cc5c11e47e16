package main

import (
	"fmt"
	"net/mail"
	"strings"

	"cellpost/ingress"
	"cellpost/pdu/smart"
	"cellpost/sms"
)

// settingFlags change what an account has agreed about its scripts and its mail.
// Where a flag takes several, what it names stands in place of what there was.
type settingFlags struct {
	CountryPrefix *string   `help:"Country of its national numbers, digits: 44; empty: as the configuration says." placeholder:"DIGITS"`
	Newline       *string   `group:"Scripts:" help:"What lines of text are joined with: crlf (two characters) or lf (one)." enum:"crlf,lf"`
	Continuation  *string   `group:"Scripts:" help:"What becomes of a line without a key: ignore, or append it to the text above." enum:"ignore,append"`
	ForeignSender *string   `group:"Scripts:" help:"What becomes of a from that no SIM here has: reject, ignore, or prefix it to the text." enum:"reject,ignore,prefix"`
	Idempotent    *bool     `group:"Scripts:" help:"The same climsgid, number and content within 24 hours is sent once." negatable:""`
	LogoNetwork   *string   `group:"Scripts:" help:"Network of operator logos that name none, MCC and MNC: 26201; empty: that of the SIM that sends."`
	Sender        *[]string `group:"Mail:" help:"Address, or @domain, whose mail to number@host is this account's without a login; repeat it for more; empty: none." placeholder:"ADDRESS"`
	Automatic     *bool     `group:"Mail:" help:"Mail that a machine has written is sent, too." negatable:""`
	PlainConcat   *int      `group:"Mail:" help:"Parts of a message by mail to number@host, 1 to 35; it is cut there."`
	Template      *string   `group:"Mail:" help:"Its text, with {subject}, {body} and {from}; empty: the body, or the subject where there is none."`
	Convert       *bool     `group:"Mail:" help:"Attached melodies, pictures, cards and appointments are sent as such." negatable:""`
	ReportMail    *string   `group:"Mail:" help:"Delivery reports by mail: none, submission (one for all of it), message, or dsn (RFC 3464)." enum:"none,submission,message,dsn"`
	ReportTo      *[]string `group:"Mail:" help:"Address that gets them; repeat it for more; empty: whoever was answered, or wrote." placeholder:"ADDRESS"`
	InboundTo     *[]string `group:"Mail:" help:"Address that gets what handsets send; repeat it for more; empty: whoever wrote last to the number." placeholder:"ADDRESS"`
}

// check looks at the values before an account is touched.
func (f settingFlags) check() error {
	if f.PlainConcat != nil && (*f.PlainConcat < 1 || *f.PlainConcat > ingress.ConcatMax) {
		return fmt.Errorf("--plain-concat: 1 to %d", ingress.ConcatMax)
	}
	if f.CountryPrefix != nil && !isCountryPrefix(*f.CountryPrefix) {
		return fmt.Errorf("--country-prefix %q: digits only, without + or 00", *f.CountryPrefix)
	}
	if f.LogoNetwork != nil && *f.LogoNetwork != "" {
		if _, err := smart.ParseNetwork(*f.LogoNetwork); err != nil {
			return fmt.Errorf("--logo-network: %w", err)
		}
	}
	for _, list := range []struct {
		flag   string
		values *[]string
		domain bool
	}{{"--sender", f.Sender, true}, {"--report-to", f.ReportTo, false}, {"--inbound-to", f.InboundTo, false}} {
		if list.values == nil {
			continue
		}
		for _, value := range *list.values {
			if err := checkAddress(value, list.domain); err != nil {
				return fmt.Errorf("%s: %w", list.flag, err)
			}
		}
	}
	return nil
}

// checkAddress takes a bare address, "a@example.org", and "@example.org" where a
// domain may stand; empty stands for none.
func checkAddress(s string, domain bool) error {
	whole := s
	if domain && strings.HasPrefix(s, "@") {
		whole = "any" + s
	}
	a, err := mail.ParseAddress(whole)
	if s != "" && (err != nil || a.Address != whole) {
		return fmt.Errorf("%q is no address: write it like anna@example.org", s)
	}
	return nil
}

// apply changes what was named.
func (f settingFlags) apply(s *sms.Settings) {
	if f.Newline != nil {
		s.LF = *f.Newline == "lf"
	}
	if f.Continuation != nil {
		s.Append = *f.Continuation == "append"
	}
	if f.ReportMail != nil {
		s.Reports = strings.TrimSuffix(*f.ReportMail, "none")
	}
	set(&s.CountryPrefix, f.CountryPrefix)
	set(&s.ForeignSender, f.ForeignSender)
	set(&s.Idempotent, f.Idempotent)
	set(&s.LogoNetwork, f.LogoNetwork)
	set(&s.Automatic, f.Automatic)
	set(&s.PlainParts, f.PlainConcat)
	set(&s.Template, f.Template)
	set(&s.Convert, f.Convert)
	for _, list := range []struct{ field, values *[]string }{
		{&s.Senders, f.Sender}, {&s.ReportsTo, f.ReportTo}, {&s.Inbound, f.InboundTo},
	} {
		if list.values != nil {
			*list.field = strings.Fields(strings.Join(*list.values, " ")) // addresses have no blanks
		}
	}
}
