package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"cellpost/ingress"
	"cellpost/ingress/clickatell"
	"cellpost/ingress/httpd"
	"cellpost/ingress/mail"
	"cellpost/ingress/smtpd"
	"cellpost/queue"
	"cellpost/sms"
)

// mailPlan is what a mail becomes.
type mailPlan struct {
	kind       string // "script" or "numbers"
	account    sms.Account
	submission ingress.Submission
	ignored    []string // lines of a script
	elsewhere  []string // addresses that are no numbers, and why nothing goes there
}

// accountBook is where accounts are looked up.
type accountBook interface {
	Account(ctx context.Context, name string) (sms.Account, error)
	Accounts(ctx context.Context) ([]sms.Account, error)
}

// planMail reads a mail as the mail door does. The operator may name any account;
// otherwise a script has to open its own, and mail to numbers is the account's that
// has its sender, or the operator's.
func (c config) planMail(ctx context.Context, r httpd.MailRequest, book accountBook) (mailPlan, error) {
	m, err := mail.Parse(r.Mail)
	if err != nil && !errors.Is(err, mail.ErrNoText) {
		return mailPlan{}, err
	}
	var p mailPlan
	var numbers []mail.Address
	for _, to := range orHeader(r.To, m.To) {
		a, err := mail.ParseAddress(to)
		if !strings.Contains(to, "@") {
			a, err = mail.ParseAddress(to + "@localhost")
		}
		switch {
		case err != nil:
			p.elsewhere = append(p.elsewhere, to+": "+err.Error())
		case a.Kind == mail.Script:
			p.kind = "script"
		case a.Kind == mail.Number:
			numbers = append(numbers, a)
		default:
			p.elsewhere = append(p.elsewhere, to+": no number, and not sms@")
		}
	}
	switch {
	case p.kind != "" && err != nil:
		return p, err
	case p.kind != "":
		for _, a := range numbers {
			p.elsewhere = append(p.elsewhere, a.String()+": a script is alone in its mail")
		}
		return c.planScript(ctx, p, r.Account, m, book)
	case len(numbers) == 0:
		p.elsewhere = append([]string{"nobody to send to: name --to NUMBER, or --to sms@localhost for a script"}, p.elsewhere...)
		return p, errors.New(strings.Join(p.elsewhere, "; "))
	}
	p.kind = "numbers"
	if p.account, err = payer(ctx, r.Account, cmp.Or(r.From, m.From), book); err != nil {
		return p, err
	}
	plain, err := smtpd.NewPlain(m, p.account, numbers, c.MailIn.TextEnds)
	p.submission = ingress.Submission{Source: operator, Note: plain.Note(), Items: plain.Items, Params: plain.Params}
	return p, err
}

func orHeader(given, header []string) []string {
	if len(given) > 0 {
		return given
	}
	return header
}

// payer is the account of a mail to numbers.
func payer(ctx context.Context, name, from string, book accountBook) (sms.Account, error) {
	if name != "" {
		return book.Account(ctx, name)
	}
	accounts, err := book.Accounts(ctx)
	if err != nil {
		return sms.Account{}, err
	}
	if a, err := ingress.SenderOf(accounts, from); err == nil {
		return a, nil
	}
	a, err := book.Account(ctx, operator)
	if errors.Is(err, sms.ErrNoAccount) {
		return newOperator(), nil // the gateway never ran here
	}
	return a, err
}

// planScript looks at a script as if it came from a network of its account.
func (c config) planScript(ctx context.Context, p mailPlan, account string, m mail.Message, book accountBook) (mailPlan, error) {
	s, err := clickatell.Parse(m.Text)
	p.ignored = s.Quoted
	if refusal, ok := errors.AsType[*ingress.Refusal](err); ok && refusal.Code == ingress.CodeMail {
		return p, err
	}
	var accountErr error
	if account != "" {
		p.account, accountErr = book.Account(ctx, account)
	} else {
		peer := netip.IPv6Loopback()
		if a, err := book.Account(ctx, s.Credentials.User); err == nil && len(a.Networks) > 0 {
			peer = a.Networks[0].Addr()
		}
		p.account, accountErr = (&ingress.Gate{Accounts: book.Account}).Authenticate(ctx, s.Credentials, peer)
	}
	if accountErr == nil && (p.account.Settings.LF || p.account.Settings.Append) {
		s, err = clickatell.ParseFor(m.Text, p.account.Settings)
		p.ignored = s.Quoted
	}
	if err = cmp.Or(accountErr, err); err != nil {
		return p, err
	}
	if s.Len() > clickatell.RecipientsMax {
		return p, fmt.Errorf("a mail has %d numbers and csv lines at most", clickatell.RecipientsMax)
	}
	if err := smtpd.Attach(&s, m); err != nil {
		return p, err
	}
	p.submission = ingress.Submission{Source: operator, Note: s.Note(), Rest: s.All(), Params: s.Params}
	return p, nil
}

// mail submits a mail that an operator has in a file.
func (d *daemon) mail(ctx context.Context, r httpd.MailRequest) (ingress.Receipt, error) {
	p, err := d.config.planMail(ctx, r, d.store)
	if err != nil {
		return ingress.Receipt{}, err
	}
	return d.gate.Submit(ctx, p.account, p.submission)
}

// reply finds whom an answer by mail to a message from a handset is for.
func (d *daemon) reply(ctx context.Context, token string) (smtpd.Reply, error) {
	c, err := d.store.Conversation(ctx, token)
	if errors.Is(err, queue.ErrNoMessage) {
		return smtpd.Reply{}, smtpd.ErrNoReply
	}
	if err != nil {
		return smtpd.Reply{}, err
	}
	r := smtpd.Reply{Account: cmp.Or(c.Account, operator), To: c.To}
	if slices.Contains(d.gate.Rules.SIMs, c.SIM) { // else whichever the routes allow
		r.SIM = c.SIM
	}
	return r, nil
}

// mailMost is the most that a mail may have, in octets, as at the mail door.
const mailMost = 32 << 20

// mail reads the mail of the verb.
func (v sendVerb) mail(in io.Reader) ([]byte, error) {
	if v.Mail != "-" {
		f, err := os.Open(v.Mail)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, mailMost+1))
	if err != nil {
		return nil, fmt.Errorf("read the mail: %w", err)
	}
	if len(raw) > mailMost {
		return nil, fmt.Errorf("the mail has over %d octets", mailMost)
	}
	return raw, nil
}

// runMail sends a mail, or shows what it would become.
func (v sendVerb) runMail(ctx context.Context, c config, s streams) error {
	raw, err := v.mail(s.in)
	if err != nil {
		return err
	}
	r := httpd.MailRequest{Account: v.Account, From: v.From, To: v.To, Mail: raw}
	if v.DryRun {
		return v.dryRun(ctx, c, r, s)
	}
	ctx, cancel := context.WithTimeout(ctx, httpd.LargeTime+2*controlTime)
	defer cancel()
	var results []httpd.SendResult
	if err := c.call(ctx, http.MethodPost, "/v1/mails", r, &results); err != nil {
		return err
	}
	return v.print(s.out, results)
}

// dryRun works on the configuration and the database, whether the daemon runs or
// not.
func (v sendVerb) dryRun(ctx context.Context, c config, r httpd.MailRequest, s streams) error {
	store, err := c.openReader()
	if err != nil {
		return err
	}
	defer store.Close()
	p, err := c.planMail(ctx, r, store)
	if err != nil {
		return err
	}
	cards, err := store.Cards(ctx)
	if err != nil {
		return err
	}
	gate := &ingress.Gate{
		Rules: c.rules(), CountryPrefix: c.CountryPrefix, Blocked: c.Blocked,
		Sender: func(msisdn string) (sim string, ok bool) { return c.sender(msisdn, cards) },
	}
	view := p.view(gate.Quote(p.account, p.submission))
	if v.JSON {
		err = json.NewEncoder(s.out).Encode(view)
	} else {
		err = view.print(s.out)
	}
	for _, m := range view.Messages {
		if err == nil && m.Code != 0 {
			err = errors.New("not every message would be accepted")
		}
	}
	return err
}

// mailView is a dry run as programs read it.
type mailView struct {
	Kind      string            `json:"kind"` // script or numbers
	Account   string            `json:"account"`
	Messages  []mailMessageView `json:"messages"`
	Note      string            `json:"note,omitempty"`      // what the history of the messages would say
	Ignored   []string          `json:"ignored,omitempty"`   // the first lines of a script that have no key
	Elsewhere []string          `json:"elsewhere,omitempty"` // addresses to which nothing would be sent
}

type mailMessageView struct {
	Text  string `json:"text,omitempty"`
	Whole string `json:"whole,omitempty"` // what the text was cut from
	Data  int    `json:"data,omitempty"`  // octets of an object
	priceView
}

func (p mailPlan) view(quotes []ingress.Quote) mailView {
	v := mailView{Kind: p.kind, Account: p.account.Name, Note: p.submission.Note, Ignored: p.ignored, Elsewhere: p.elsewhere}
	next, stop := iter.Pull(p.submission.All())
	defer stop()
	for _, q := range quotes {
		m := mailMessageView{priceView: viewPrice(p.account, q)}
		if item, ok := next(); ok { // without an item there is a refusal all the same
			m.Text, m.Whole = item.Text, item.Whole
			if q.Text != "" && m.Whole == "" {
				m.Text = q.Text
			}
			if item.Content != nil {
				m.Data = len(item.Content.Data)
			}
		}
		v.Messages = append(v.Messages, m)
	}
	return v
}

func (v mailView) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	row("kind", v.Kind)
	row("account", strings.Map(visible, v.Account))
	row("note", strings.Map(visible, v.Note))
	row("ignored", strings.Map(visible, strings.Join(v.Ignored, " | ")))
	row("not to", strings.Map(visible, strings.Join(v.Elsewhere, " | ")))
	for _, m := range v.Messages {
		fmt.Fprintln(w)
		row("to", strings.Map(visible, m.To))
		for i, line := range strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(m.Text), "\n") {
			name := "text"
			if i > 0 {
				name = "  "
			}
			row(name, strings.Map(visible, line))
		}
		switch {
		case m.Code != 0:
			row("refused", fmt.Sprintf("ERR: %03d, %s", m.Code, m.Error))
			continue
		case m.Same:
			row("same", "named before, sent once")
			continue
		}
		if m.Data > 0 {
			row("data", fmt.Sprintf("%d octets", m.Data))
		}
		row("parts", fmt.Sprintf("%d, in %s", m.Parts, strings.ToUpper(m.Alphabet)))
		row("price", fmt.Sprintf("%g (%g a part)", m.Price, m.PartPrice))
		if m.Fails != "" {
			row("fails", m.Fails+": it gets an ID, is not sent, and is free")
		}
	}
	fmt.Fprintln(w, "\nNothing was stored or sent.")
	return w.Flush()
}

// health is the answer to mail to status@: what cellpost doctor says of the gateway
// that runs.
func (d *daemon) health(ctx context.Context) (string, error) {
	stats, err := d.stats(ctx)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d messages wait", statusLine(d.allFacts()), stats.Queued)
	if stats.Oldest != nil {
		fmt.Fprintf(&b, ", the oldest for %.0f s", stats.Oldest.Seconds)
	}
	b.WriteString("\n\n")
	found := append(lookAtDisk(d.config.DataDir), lookAtRescued(d.config)...)
	for _, m := range d.modemViews() {
		found = append(found, modemDiagnoses(m)...)
	}
	for _, f := range found {
		b.WriteString(f.String())
	}
	return strings.ReplaceAll(b.String(), "\n", "\r\n"), nil
}
