package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"
)

// Migrations go forward only: file 0001 makes version 1 of an empty database,
// and a file that a release carried is never edited again.
//
//go:embed migrations/*.sql
var migrations embed.FS

// Options of the connections. The build of the driver would set a database in
// WAL mode to synchronous=NORMAL, and lose the last commits in a power cut. A cache
// larger than 2 MB made no hand-over faster that could be measured.
const (
	writerOptions = "_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate&_foreign_keys=on&_cache_size=-2000"
	readerOptions = "mode=ro&_query_only=true&_busy_timeout=5000"
)

// readers is how many connections read side by side.
const readers = 4

func dsn(path, options string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + options
}

// create makes sure that the file is there, and that only its owner reads it:
// it holds texts and password hashes. The files beside it inherit that.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// querier is a database, a connection or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// version reads the version of the schema, 0 for an empty database.
func version(ctx context.Context, q querier) (int, error) {
	v, err := pragma(ctx, q, "user_version")
	return int(v), err
}

// latest lists the migrations, in order: the length is the version of today.
func latest() ([]string, error) {
	return fs.Glob(migrations, "migrations/*.sql")
}

// migrate brings the database to the version of today. Each version is one
// transaction, so that a power cut leaves a whole one.
func migrate(ctx context.Context, conn *sql.Conn, log *slog.Logger) error {
	files, err := latest()
	if err != nil {
		return err
	}
	for {
		done, err := migrateOne(ctx, conn, files, log)
		if err != nil || done {
			return err
		}
	}
}

func migrateOne(ctx context.Context, conn *sql.Conn, files []string, log *slog.Logger) (done bool, err error) {
	tx, err := conn.BeginTx(ctx, nil) // immediate: two processes do not migrate at once
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	from, err := version(ctx, tx)
	if err != nil {
		return false, err
	}
	if err := checkVersion(from, len(files)); err != nil || from == len(files) {
		return true, err
	}
	text, err := migrations.ReadFile(files[from])
	if err != nil {
		return false, err
	}
	if err := change(ctx, tx, string(text)); err != nil {
		return false, fmt.Errorf("migration to version %d: %w", from+1, err)
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", from+1)); err != nil {
		return false, err
	}
	if err := tx.Commit(); err != nil {
		return false, err
	}
	log.Info("database migrated", "version", from+1)
	return false, nil
}

// eachMonth parts a migration: what follows is for every table of the history,
// which it calls monthName.
const (
	eachMonth = "\n-- Each month:\n"
	monthName = "history_month"
)

// change carries out a migration.
func change(ctx context.Context, tx *sql.Tx, text string) error {
	once, monthly, _ := strings.Cut(text, eachMonth)
	if _, err := tx.ExecContext(ctx, once); err != nil {
		return err
	}
	if monthly == "" {
		return nil
	}
	months, err := readAll(ctx, tx, scalar[string], monthsQuery)
	if err != nil {
		return err
	}
	for _, month := range months {
		if _, err := tx.ExecContext(ctx, strings.ReplaceAll(monthly, monthName, month)); err != nil {
			return err
		}
	}
	return nil
}

// monthsQuery lists the tables of the history, newest first.
const monthsQuery = `SELECT name FROM sqlite_schema
	WHERE type = 'table' AND name GLOB 'history_[0-9][0-9][0-9][0-9]_[0-9][0-9]' ORDER BY name DESC`

// newMonth makes a table of the history as the migrations would have left it.
func (t *tx) newMonth(month string) error {
	files, err := latest()
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := migrations.ReadFile(file)
		if err != nil {
			return err
		}
		_, monthly, _ := strings.Cut(string(text), eachMonth)
		if _, err := t.conn.ExecContext(background, strings.ReplaceAll(monthly, monthName, month)); err != nil {
			return fmt.Errorf("make %s: %w", month, err)
		}
	}
	return nil
}

func checkVersion(have, want int) error {
	if have > want {
		return fmt.Errorf("the database has version %d, this program knows up to %d: use the newer program again", have, want)
	}
	return nil
}
