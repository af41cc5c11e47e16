package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"cellpost/queue/sqlite"
	"cellpost/sms"
)

// storeConfig is about the database.
type storeConfig struct {
	Snapshot pause `toml:"snapshot"` // how often a copy of it is made; 0s: never
}

// snapshotEvery is the least time between snapshots: each writes all of the
// database, and a disk bears only so much.
const snapshotEvery = time.Minute

// pause is a duration that may be "0s".
type pause time.Duration

func (p *pause) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no duration: write 1h, 30m or 0s", text)
	}
	*p = pause(v)
	return nil
}

func (p pause) String() string { return time.Duration(p).String() }

func (c *config) checkStore(s source) error {
	if p := c.Store.Snapshot; p != 0 && p < pause(snapshotEvery) { // a bare number is read as nanoseconds
		return s.at("store", 0, "snapshot", "snapshot: %s at least, with its unit (\"1h\", \"30m\"), or \"0s\" for none", snapshotEvery)
	}
	return nil
}

// snapshots is the directory of the copies of the database.
func (c config) snapshots() string { return filepath.Join(c.DataDir, "snapshots") }

// rescue opens the database for whoever has claimed the data.
func (c config) rescue(log *slog.Logger) *sqlite.Rescue {
	return &sqlite.Rescue{Database: c.database(), Snapshots: c.snapshots(), Rules: c.rules(), Log: log}
}

// openStore opens the database, or what can be had in its place, and reminds of
// what has been lost as long as nobody has looked.
func (d *daemon) openStore(ctx context.Context) (err error) {
	if d.store, err = d.config.rescue(d.log).Open(ctx); err != nil {
		return err
	}
	list, err := sqlite.ListRescued(d.config.database())
	if err != nil {
		d.log.Error("damaged databases", "err", err)
	}
	for _, r := range list {
		d.log.Error("the queue was damaged and has been replaced; cellpost doctor tells what to do", "at", r.At,
			"damaged", r.File, "why", r.Why, "snapshot", r.Snapshot, "unfinished", r.Unfinished)
	}
	return nil
}

// closeStore closes the database at the end of a process that ends with err. If
// that says it is damaged, the next start looks.
func (d *daemon) closeStore(err error) error {
	err = errors.Join(err, d.store.Close())
	if sqlite.IsDamaged(err) {
		err = errors.Join(err, sqlite.Suspect(d.config.database(), err))
	}
	return err
}

// keepSnapshots copies the database as often as is wanted.
func (d *daemon) keepSnapshots(ctx context.Context) error {
	every := time.Duration(d.config.Store.Snapshot)
	if every == 0 {
		<-ctx.Done()
		return nil
	}
	s := &sqlite.Snapshots{Database: d.config.database(), Dir: d.config.snapshots(), Every: every, Log: d.log}
	return s.Run(ctx)
}

// errAccountLost is no refusal: the sender keeps the mail.
var errAccountLost = errors.New("no such account, but the accounts may be older than they were: a damaged queue was replaced (see cellpost doctor)")

// account finds an account. One that is not there may have been lost with a
// damaged database, until a person has looked.
func (d *daemon) account(ctx context.Context, name string) (sms.Account, error) {
	a, err := d.store.Account(ctx, name)
	if !errors.Is(err, sms.ErrNoAccount) {
		return a, err
	}
	if list, lookErr := sqlite.ListRescued(d.config.database()); lookErr == nil && len(list) > 0 {
		return sms.Account{}, errAccountLost
	}
	return a, err
}
