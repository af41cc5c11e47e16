package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"cellpost/pdu"
	"cellpost/sms"
)

const accountColumns = `name, password_hash, api_id, credits, unlimited, networks, report, short_codes, concat, on_unknown, non_gsm, languages, created, report_within, report_then, settings`

func scanAccount(s scanner) (a sms.Account, err error) {
	var networks, languages string
	err = s.Scan(&a.Name, &a.PasswordHash, &a.APIID, &a.Credits, &a.Unlimited, &networks, &a.Report, &a.ShortCodes,
		&a.Concat, &a.OnUnknown, &a.NonGSM, &languages, moment{&a.Created},
		span{&a.Again.Within}, &a.Again.To, document{&a.Settings})
	if err != nil {
		return sms.Account{}, err
	}
	for _, text := range strings.Fields(networks) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return sms.Account{}, fmt.Errorf("account %s: %w: set its networks again", a.Name, err)
		}
		a.Networks = append(a.Networks, p)
	}
	for _, name := range strings.Fields(languages) {
		l, err := pdu.ParseLanguage(name)
		if err != nil {
			return sms.Account{}, fmt.Errorf("account %s: %w: set its languages again", a.Name, err)
		}
		a.Languages = append(a.Languages, l)
	}
	return a, nil
}

// list writes what an account has several of as the database keeps it.
func list[T fmt.Stringer](items []T) string {
	var b strings.Builder
	for i, item := range items {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(item.String())
	}
	return b.String()
}

const accountQuery = `SELECT ` + accountColumns + ` FROM account WHERE name = ?`

func oneAccount(s scanner) (sms.Account, error) {
	a, err := scanAccount(s)
	if errors.Is(err, sql.ErrNoRows) {
		err = sms.ErrNoAccount
	}
	return a, err
}

// Account returns the account of this name; [sms.ErrNoAccount] when there is
// none.
func (r *Reader) Account(ctx context.Context, name string) (sms.Account, error) {
	a, err := oneAccount(r.account.QueryRowContext(ctx, name))
	return a, r.damage.notice(explain(err))
}

// Accounts returns all accounts, by name.
func (r *Reader) Accounts(ctx context.Context) ([]sms.Account, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT `+accountColumns+` FROM account ORDER BY name`)
	if err != nil {
		return nil, err
	}
	return collect(rows, scanAccount)
}

// AddAccount makes an account; [sms.ErrAccountExists] when the name is taken.
// A zero Created becomes the time of now.
func (s *Store) AddAccount(ctx context.Context, a sms.Account) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.exec(`INSERT INTO account (`+accountColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (name) DO NOTHING`,
			a.Name, a.PasswordHash, a.APIID, a.Credits, a.Unlimited, list(a.Networks), a.Report, a.ShortCodes,
			a.Concat, a.OnUnknown, a.NonGSM, list(a.Languages), millis(cmp.Or(a.Created, t.now)),
			a.Again.Within.Milliseconds(), a.Again.To, document{&a.Settings})
		if err == nil && n == 0 {
			err = sms.ErrAccountExists
		}
		return err
	})
}

// SetAccount lets change alter an account, in one transaction with the reading
// of it. Its Name and Created stay. [sms.ErrNoAccount] when there is none.
func (s *Store) SetAccount(ctx context.Context, name string, change func(*sms.Account)) error {
	return s.write(ctx, func(t *tx) error {
		a, err := oneAccount(t.row(accountQuery, name))
		if err != nil {
			return err
		}
		change(&a)
		_, err = t.exec(`UPDATE account SET password_hash = ?, api_id = ?, credits = ?, unlimited = ?, networks = ?,
			report = ?, short_codes = ?, concat = ?, on_unknown = ?, non_gsm = ?, languages = ?, report_within = ?, report_then = ?, settings = ? WHERE name = ?`,
			a.PasswordHash, a.APIID, a.Credits, a.Unlimited, list(a.Networks),
			a.Report, a.ShortCodes, a.Concat, a.OnUnknown, a.NonGSM, list(a.Languages),
			a.Again.Within.Milliseconds(), a.Again.To, document{&a.Settings}, name)
		return err
	})
}

// RemoveAccount takes an account away; its messages stay. [sms.ErrNoAccount]
// when there is none.
func (s *Store) RemoveAccount(ctx context.Context, name string) error {
	return s.changeAccount(ctx, `DELETE FROM account WHERE name = ?`, name)
}

// TopUp adds credit to an account, or takes it where by is negative.
// [sms.ErrNoAccount] when there is none.
func (s *Store) TopUp(ctx context.Context, name string, by sms.Credits) error {
	return s.changeAccount(ctx, `UPDATE account SET credits = credits + ?2 WHERE name = ?1`, name, by)
}

func (s *Store) changeAccount(ctx context.Context, query string, args ...any) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.exec(query, args...)
		if err == nil && n == 0 {
			err = sms.ErrNoAccount
		}
		return err
	})
}
