package smtpd

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"cellpost/ingress"
	"cellpost/sms"
)

// Notify is what a client asks to hear of one address. RFC 3461, 4.
type Notify struct {
	Address string            // as it came at RCPT
	Result  int               // of the receipt that it stands for
	Options *smtp.RcptOptions // NOTIFY and ORCPT; nil: none
}

// Letter is what is known of a mail to numbers when it is stored.
type Letter struct {
	From      string // reverse path; empty: nobody is told
	ID        string // Message-ID
	Automatic bool   // a machine wrote it: nobody is told
	Header    []byte // as it came
	Options   *smtp.MailOptions
	To        []Notify

	DelayAfter time.Duration // when a delay is told; 0: [sms.DelayDefault]
}

// LetterAudience says who hears of the messages of a mail to numbers: as the settings
// of the account have it, and else by RFC 3461, where a sender who asks for nothing
// hears of failures.
func LetterAudience(a sms.Account, l Letter, r ingress.Receipt) []sms.Audience {
	if l.From == "" || l.Automatic {
		return reported(a, a.Settings.ReportsTo, l.ID)
	}
	list := []sms.Audience{{Account: a.Name, To: l.From, Form: sms.InboundOnly}}
	if form := sms.Form(a.Settings.Reports); form == sms.PerMessage || form == sms.PerSubmission || form == sms.PerDSN && len(a.Settings.ReportsTo) > 0 {
		to := a.Settings.ReportsTo
		if len(to) == 0 {
			to = []string{l.From}
		}
		list = append(list, reported(a, to, l.ID)...)
		if slices.Contains(to, l.From) {
			return list
		}
	}
	for _, n := range l.To {
		if n.Result >= len(r.Results) || r.Results[n.Result].Refusal != nil {
			continue
		}
		wanted, asked := n.wanted(cmp.Or(l.DelayAfter, sms.DelayDefault))
		if !asked && a.Settings.Reports == string(sms.PerDSN) && len(a.Settings.ReportsTo) == 0 {
			wanted.Success = true
		}
		if wanted == (sms.Notify{}) {
			continue
		}
		list = append(list, l.dsn(a, n, r.Results[n.Result].ID, wanted))
	}
	return list
}

// dsn is the report that one address brings.
func (l Letter) dsn(a sms.Account, n Notify, id sms.ID, wanted sms.Notify) sms.Audience {
	d := sms.Audience{
		Account: a.Name, To: l.From, Form: sms.PerDSN, Notify: wanted, Message: id, Ref: l.ID,
		Recipient: "rfc822; " + n.Address, Header: header(l.Header),
	}
	if l.Options != nil {
		d.Envelope = l.Options.EnvelopeID
	}
	if o := n.Options; o != nil && o.OriginalRecipient != "" {
		d.Original = strings.ToLower(string(o.OriginalRecipientType)) + "; " + o.OriginalRecipient
	}
	return d
}

// wanted reads NOTIFY; asked is false where there is none, which means failures and
// delays. RFC 3461, 4.1. NEVER is no outcome.
func (n Notify) wanted(delay time.Duration) (wanted sms.Notify, asked bool) {
	if n.Options == nil || len(n.Options.Notify) == 0 {
		return sms.Notify{Failure: true, Delay: delay}, false
	}
	wanted.Success = slices.Contains(n.Options.Notify, smtp.DSNNotifySuccess)
	wanted.Failure = slices.Contains(n.Options.Notify, smtp.DSNNotifyFailure)
	if slices.Contains(n.Options.Notify, smtp.DSNNotifyDelayed) {
		wanted.Delay = delay
	}
	return wanted, true
}

// reported are addresses that hear of all messages in the form that the account has
// chosen; nobody where it has chosen none.
func reported(a sms.Account, to []string, ref string) []sms.Audience {
	if a.Settings.Reports == "" {
		return nil
	}
	var list []sms.Audience
	for _, address := range to {
		list = append(list, sms.Audience{
			Account: a.Name, To: address, Form: sms.Form(a.Settings.Reports), Notify: sms.Notify{Success: true, Failure: true}, Ref: ref,
		})
	}
	return list
}

// scriptAudience says who hears of the messages of a script: who the account says,
// else the addresses of its reply.
func scriptAudience(a sms.Account, automatic bool, reply []string, ref string) []sms.Audience {
	to := a.Settings.ReportsTo
	if len(to) == 0 && !automatic {
		to = reply
	}
	return reported(a, to, ref)
}

// header is the header of a mail as a report returns it: whole fields, in ASCII.
func header(raw []byte) []byte {
	var b bytes.Buffer
	whole := 0 // octets of the fields that are
	for line := range bytes.Lines(raw) {
		text := ascii(string(bytes.TrimRight(line, "\r\n")))
		if !strings.HasPrefix(text, " ") && !strings.HasPrefix(text, "\t") {
			whole = b.Len()
		}
		if text == "" {
			break
		}
		if b.Len()+len(text)+2 > sms.HeaderMost {
			b.Truncate(whole)
			break
		}
		b.WriteString(text + "\r\n")
	}
	return b.Bytes()
}
