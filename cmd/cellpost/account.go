package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"unicode"

	"cellpost/ingress"
	"cellpost/pdu"
	"cellpost/queue/sqlite"
	"cellpost/sms"
)

// accountVerb works on the files, whether the daemon runs or not: it reads the
// account anew for every mail.
type accountVerb struct {
	Add    accountAddVerb    `cmd:"" help:"Add an account."`
	List   accountListVerb   `cmd:"" help:"List the accounts."`
	Set    accountSetVerb    `cmd:"" help:"Change an account; what is not named stays."`
	Remove accountRemoveVerb `cmd:"" help:"Remove an account; its messages stay."`
	Topup  accountTopupVerb  `cmd:"" help:"Add credits to an account."`
}

// newCredits are what an account begins with, to try the gateway.
const newCredits = 10.0

type accountAddVerb struct {
	configFlag
	Name          string    `arg:"" help:"User name."`
	APIID         int64     `name:"api-id" help:"The api_id that its scripts name." required:"" placeholder:"N"`
	PasswordStdin bool      `help:"Read the password from standard input; else one is made and printed."`
	Credits       *float64  `help:"Prepaid credits; default 10." xor:"credit"`
	Unlimited     bool      `help:"Count credits, never refuse." xor:"credit"`
	Network       []network `help:"Network it may submit from; repeat it for more. None: any." placeholder:"CIDR"`
	Reports       bool      `help:"Ask the network for a status report of every message." default:"true" negatable:""`
	ShortCodes    bool      `help:"May send to numbers of three to six digits."`
	Concat        int       `help:"Parts of a text whose script says no concat, 1 to 35." default:"1"`
	NonGSM        string    `name:"non-gsm" help:"What becomes of characters that GSM 7-bit lacks: ucs2, transliterate, reject." enum:"ucs2,transliterate,reject" default:"ucs2"`
	Languages     languages `help:"Languages whose national tables may be used where they save parts: turkish, spanish, portuguese, ..." placeholder:"NAME,..."`
}

func (v accountAddVerb) Run(ctx context.Context, s streams) error {
	if v.Concat < 1 || v.Concat > ingress.ConcatMax {
		return fmt.Errorf("--concat: 1 to %d", ingress.ConcatMax)
	}
	if v.Name == "" || strings.TrimSpace(v.Name) != v.Name || strings.ContainsFunc(v.Name, unicode.IsControl) {
		return fmt.Errorf("account name %q: a script could not carry it; leave out blanks at the ends and control characters", v.Name)
	}
	amount := newCredits
	set(&amount, v.Credits)
	credits, err := toCredits(amount)
	if err != nil {
		return err
	}
	password, made, err := newPassword(v.PasswordStdin, s.in)
	if err != nil {
		return err
	}
	hash, err := ingress.HashPassword(password)
	if err != nil {
		return err
	}
	err = v.withStore(func(store *sqlite.Store) error {
		return store.AddAccount(ctx, sms.Account{
			Name: v.Name, PasswordHash: hash, APIID: v.APIID, Credits: credits, Unlimited: v.Unlimited,
			Networks: prefixes(v.Network), Report: v.Reports, ShortCodes: v.ShortCodes, Concat: v.Concat,
			NonGSM: v.NonGSM, Languages: v.Languages,
		})
	})
	if err != nil {
		return err
	}
	if made {
		fmt.Fprintf(s.out, "password: %s\n", password)
	}
	return nil
}

// newPassword reads a password, or makes one.
func newPassword(read bool, in io.Reader) (password string, made bool, err error) {
	if !read {
		return rand.Text(), true, nil
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", false, fmt.Errorf("read the password: %w", err)
	}
	if password = strings.TrimRight(line, "\r\n"); password == "" {
		return "", false, errors.New("no password on standard input")
	}
	return password, false, nil
}

// creditsMost keeps sums of credits far from the limits of their type.
const creditsMost = 1e9

func toCredits(n float64) (sms.Credits, error) {
	if math.IsNaN(n) || n < -creditsMost || n > creditsMost {
		return 0, fmt.Errorf("credits: a number up to %d", int64(creditsMost))
	}
	return sms.Credits(math.Round(n * float64(sms.Credit))), nil
}

// withReader opens the database to look at it.
func (f configFlag) withReader(look func(*sqlite.Reader) error) error {
	c, err := loadConfig(f.Config)
	if err != nil {
		return err
	}
	store, err := sqlite.OpenReader(c.database())
	if err != nil {
		return err
	}
	return errors.Join(look(store), store.Close())
}

// withStore opens the database for a change. Run by root it leaves the files to
// the owner of the directory, for the daemon has to write to them.
func (f configFlag) withStore(change func(*sqlite.Store) error) error {
	c, err := loadConfig(f.Config)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	store, err := sqlite.Open(c.database(), c.rules(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	err = change(store)
	switch {
	case errors.Is(err, sms.ErrNoAccount):
		err = fmt.Errorf("%w (see cellpost account list)", err)
	case errors.Is(err, sms.ErrAccountExists):
		err = fmt.Errorf("%w (change it with cellpost account set)", err)
	}
	return errors.Join(err, store.Close(), handOver(c.DataDir, c.database()))
}

// handOver gives a file made by root to the owner of its directory.
func handOver(dir, file string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Chown(file, int(owner.Uid), int(owner.Gid))
}

type accountListVerb struct {
	configFlag
	JSON bool `help:"Print one JSON object a line."`
}

// accountView is an account as the verbs print it.
type accountView struct {
	Name       string         `json:"name"`
	APIID      int64          `json:"api_id"`
	Credits    float64        `json:"credits"`
	Unlimited  bool           `json:"unlimited"`
	Networks   []netip.Prefix `json:"networks,omitempty"`
	Reports    bool           `json:"reports"`
	ShortCodes bool           `json:"short_codes"`
	Concat     int            `json:"concat"`
	OnUnknown  string         `json:"on_unknown,omitempty"`
	NonGSM     string         `json:"non_gsm"`
	Languages  []string       `json:"languages,omitempty"`
	Within     string         `json:"report_within,omitempty"` // "5m0s"
	Then       string         `json:"then,omitempty"`          // "sim", or a number
	Settings   sms.Settings   `json:"settings,omitzero"`       // of scripts and mail
}

func (v accountListVerb) Run(ctx context.Context, s streams) error {
	var views []accountView
	err := v.withReader(func(store *sqlite.Reader) error {
		accounts, err := store.Accounts(ctx)
		for _, a := range accounts {
			views = append(views, accountView{
				Name: a.Name, APIID: a.APIID, Credits: float64(a.Credits) / float64(sms.Credit), Unlimited: a.Unlimited,
				Networks: a.Networks, Reports: a.Report, ShortCodes: a.ShortCodes, Concat: max(a.Concat, 1), OnUnknown: a.OnUnknown,
				NonGSM: cmp.Or(a.NonGSM, "ucs2"), Languages: names(a.Languages), Settings: a.Settings,
			})
			if again := a.Again; again.Within > 0 {
				last := &views[len(views)-1]
				last.Within, last.Then = again.Within.String(), cmp.Or(string(again.To), thenSIM)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if v.JSON {
		return printLines(s.out, views)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tAPI_ID\tCREDITS\tNETWORKS\tNO REPORT")
	for _, a := range views {
		credits := strconv.FormatFloat(a.Credits, 'f', -1, 64)
		if a.Unlimited {
			credits = "unlimited"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%v\t%s\n", a.Name, a.APIID, credits, a.Networks, a.noReport())
	}
	return w.Flush()
}

type accountSetVerb struct {
	configFlag
	Name          string     `arg:"" help:"User name."`
	APIID         *int64     `name:"api-id" help:"The api_id that its scripts name." placeholder:"N"`
	PasswordStdin bool       `help:"Read a new password from standard input."`
	Unlimited     *bool      `help:"Count credits, never refuse." negatable:""`
	Network       []network  `help:"Networks it may submit from, in place of those it has." placeholder:"CIDR"`
	AnyNetwork    bool       `help:"It may submit from anywhere."`
	Reports       *bool      `help:"Ask the network for a status report of every message." negatable:""`
	ShortCodes    *bool      `help:"May send to numbers of three to six digits." negatable:""`
	Concat        *int       `help:"Parts of a text whose script says no concat, 1 to 35."`
	OnUnknown     *string    `help:"What follows an unknown outcome: resend, hold, or empty for what the configuration says." enum:"resend,hold,"`
	NonGSM        *string    `name:"non-gsm" help:"What becomes of characters that GSM 7-bit lacks: ucs2, transliterate, reject." enum:"ucs2,transliterate,reject"`
	Languages     *languages `help:"Languages whose national tables may be used, in place of those it has; empty for none." placeholder:"NAME,..."`
	againFlags
	settingFlags
}

func (v accountSetVerb) Run(ctx context.Context, s streams) error {
	if err := v.check(); err != nil {
		return err
	}
	if v.Concat != nil && (*v.Concat < 1 || *v.Concat > ingress.ConcatMax) {
		return fmt.Errorf("--concat: 1 to %d", ingress.ConcatMax)
	}
	then, err := v.second(v.Config)
	if err != nil {
		return err
	}
	var hash string
	if v.PasswordStdin {
		password, _, err := newPassword(true, s.in)
		if err != nil {
			return err
		}
		if hash, err = ingress.HashPassword(password); err != nil {
			return err
		}
	}
	return v.withStore(func(store *sqlite.Store) error {
		return store.SetAccount(ctx, v.Name, func(a *sms.Account) {
			if hash != "" {
				a.PasswordHash = hash
			}
			if v.AnyNetwork || len(v.Network) > 0 {
				a.Networks = prefixes(v.Network)
			}
			set(&a.APIID, v.APIID)
			set(&a.Unlimited, v.Unlimited)
			set(&a.Report, v.Reports)
			set(&a.ShortCodes, v.ShortCodes)
			set(&a.Concat, v.Concat)
			set(&a.OnUnknown, v.OnUnknown)
			set(&a.NonGSM, v.NonGSM)
			if v.Languages != nil {
				a.Languages = *v.Languages
			}
			set(&a.Again.Within, v.ReportWithin)
			set(&a.Again.To, then)
			v.settingFlags.apply(&a.Settings)
		})
	})
}

// languages is a list of names on the command line.
type languages []pdu.Language

// UnmarshalText reads names with commas between them; nothing is no language.
func (l *languages) UnmarshalText(text []byte) error {
	*l = languages{}
	for name := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return r == ',' || r == ' ' }) {
		language, err := pdu.ParseLanguage(name)
		if err != nil {
			return err
		}
		*l = append(*l, language)
	}
	return nil
}

// names are the languages as they are typed.
func names(l []pdu.Language) []string {
	var all []string
	for _, language := range l {
		all = append(all, language.String())
	}
	return all
}

// set changes a field where a new value was given.
func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

type accountRemoveVerb struct {
	configFlag
	Name string `arg:"" help:"User name."`
}

func (v accountRemoveVerb) Run(ctx context.Context) error {
	if v.Name == operator {
		return errors.New("the account operator is the gateway's own: it stays")
	}
	return v.withStore(func(store *sqlite.Store) error { return store.RemoveAccount(ctx, v.Name) })
}

type accountTopupVerb struct {
	configFlag
	Name    string  `arg:"" help:"User name."`
	Credits float64 `arg:"" help:"Credits to add; to take away, write -- before a negative number."`
}

func (v accountTopupVerb) Run(ctx context.Context) error {
	credits, err := toCredits(v.Credits)
	if err != nil {
		return err
	}
	return v.withStore(func(store *sqlite.Store) error { return store.TopUp(ctx, v.Name, credits) })
}
