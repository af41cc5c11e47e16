package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"cellpost/sms"
)

// Names beside that of the database. One file takes the place of another only by
// being renamed, and every step can be done again after a power cut.
const (
	suspectName = ".suspect"  // somebody found it damaged: check it
	makingName  = ".making"   // not ready
	nextName    = ".next."    // ready to take its place; what follows names what is moved aside
	noteName    = ".note."    // the note on it
	corruptName = "corrupt-"  // moved aside because it was damaged
	asideName   = "replaced-" // moved aside because a person wanted another
	noteEnd     = ".json"     // of the note beside what was moved aside
	asideTime   = "20060102T150405.000Z"
)

// damagedKept is how many damaged databases are kept: a bad disk must not be
// filled by them.
const damagedKept = 3

// errGone says that there were messages where there is no database.
var errGone = fmt.Errorf("%w: it is empty or gone, and there are snapshots of it", errUnsound)

// Rescued is a database that was damaged, and what took its place.
type Rescued struct {
	File       string    `json:"-"`          // the damaged one
	Why        string    `json:"why"`        // in words
	At         time.Time `json:"at"`         // when it was moved aside
	Snapshot   time.Time `json:"snapshot"`   // what was restored is as of then; zero: all began anew
	Unfinished int       `json:"unfinished"` // messages of the snapshot that may have been sent since
}

// Rescue opens the database for a service.
type Rescue struct {
	Database  string
	Snapshots string // their directory
	Rules     *sms.Rules
	Log       *slog.Logger
}

// Open is the function Open for the service, which must have the directory to
// itself. A database that is damaged, or that [Suspect] has marked and a check
// finds damaged, or that is gone where there are snapshots, is moved aside; the
// newest snapshot that is sound takes its place, or else an empty database. What
// was unfinished in the snapshot may have been sent since: it is unknown, and a
// possible duplicate. [ListRescued] tells of it until a person removes the files.
func (r *Rescue) Open(ctx context.Context) (*Store, error) {
	if err := complete(r.Database); err != nil {
		return nil, fmt.Errorf("put a restored queue in its place: %w", err)
	}
	damage, err := r.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("check the queue %s: %w", r.Database, explain(err))
	}
	if damage == nil {
		s, err := Open(r.Database, r.Rules, r.Log)
		if !IsDamaged(err) {
			return s, err
		}
		damage = err
	}
	if err := r.rescue(ctx, damage); err != nil {
		return nil, fmt.Errorf("the queue %s is damaged (%w), and no snapshot could be restored: %w", r.Database, damage, explain(err))
	}
	return Open(r.Database, r.Rules, r.Log)
}

// look returns the damage that can be told without opening the database for
// work, or nil.
func (r *Rescue) look(ctx context.Context) (damage, err error) {
	snapshots, err := ListSnapshots(r.Snapshots)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(r.Database)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case len(snapshots) > 0 && (err != nil || info.Size() == 0):
		return errGone, nil
	case err != nil:
		return nil, nil
	}
	why, err := os.ReadFile(r.Database + suspectName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r.Log.Warn("the queue is checked, for it was found damaged", "why", strings.TrimSpace(string(why)))
	err = checkAll(ctx, r.Database)
	if IsDamaged(err) {
		return err, nil
	}
	if err != nil {
		return nil, err
	}
	r.Log.Warn("the queue is sound after all: see what dmesg says of disk and memory")
	return nil, os.Remove(r.Database + suspectName)
}

// checkAll looks whether a database that nobody has open is sound, with its log.
func checkAll(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite3", dsn(path, writerOptions))
	if err != nil {
		return err
	}
	return errors.Join(check(ctx, db, "integrity_check"), db.Close())
}

// Suspect notes that the database was found damaged: the next [Rescue.Open] checks
// all of it first. It is for a process that ends for it.
func Suspect(database string, why error) error {
	return renameio.WriteFile(database+suspectName, []byte(why.Error()+"\n"), 0o600)
}

// rescue puts the newest sound snapshot in the place of the database.
func (r *Rescue) rescue(ctx context.Context, damage error) error {
	note := Rescued{Why: damage.Error(), At: time.Now().UTC()}
	making := r.Database + makingName
	if err := removeDatabase(making); err != nil {
		return err
	}
	var err error
	if note.Snapshot, note.Unfinished, err = r.newest(ctx, making); err != nil {
		return err
	}
	if _, err := replace(r.Database, making, corruptName, note.At, &note); err != nil {
		return err
	}
	if err := os.Remove(r.Database + suspectName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return forget(r.Database)
}

// newest makes a database of the newest snapshot that is sound, or an empty one.
func (r *Rescue) newest(ctx context.Context, making string) (at time.Time, unfinished int, err error) {
	list, err := ListSnapshots(r.Snapshots)
	if err != nil {
		return time.Time{}, 0, err
	}
	for _, snapshot := range list {
		// The snapshot is marked, not only the copy: if it is restored again, the
		// doubts about its messages add up, and are not sent without end.
		n, err := mark(ctx, snapshot.Path, snapshot.At, r.Rules, r.Log, func(s *Store) error { return s.Copy(ctx, making) })
		if err == nil {
			return snapshot.At, n, nil
		}
		if !IsDamaged(err) {
			return time.Time{}, 0, fmt.Errorf("%s: %w", snapshot.Path, err)
		}
		r.Log.Error("a snapshot of the queue is damaged, too", "file", snapshot.Path, "err", err)
	}
	s, err := open(making, r.Rules, r.Log)
	if err != nil {
		return time.Time{}, 0, err
	}
	return time.Time{}, 0, s.Close()
}

// mark checks a copy of the database, as of a time, and marks what is unfinished
// in it; then it may be used. It returns how many messages were marked.
func mark(ctx context.Context, path string, at time.Time, rules *sms.Rules, log *slog.Logger, use func(*Store) error) (n int, err error) {
	s, err := open(path, rules, log)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := check(ctx, s.Reader.db, "integrity_check"); err != nil {
		return 0, err
	}
	// Not before there is room for all: marks made in vain would add up, too.
	if err := roomFor(ctx, s.Reader.db, filepath.Dir(path), freeRoom); err != nil {
		return 0, err
	}
	if n, err = s.doubt(ctx, at); err != nil {
		return 0, err
	}
	return n, use(s)
}

// doubt marks every unfinished message of a database that is as of a time, and
// has been restored now: nobody knows whether it was handed over since. It is
// unknown, and the rules decide about it like about any other. One whose time has
// not come yet only loses its certainty, and one that is decided whatever becomes of
// what is on the air is not in doubt.
func (s *Store) doubt(ctx context.Context, at time.Time) (int, error) {
	return ask(ctx, s, func(t *tx) (int, error) {
		why := fmt.Sprintf(restoredAsOf+"%s: it may have been sent since", at.UTC().Format(time.RFC3339))
		now := millis(t.now)
		if err := t.settleDecided(why); err != nil {
			return 0, err
		}
		if _, err := t.exec(`INSERT INTO timeline (message, n, at, event, detail)
			SELECT seq, notes + 1, ?, 'restored', ? FROM message WHERE `+unfinished, now, why); err != nil {
			return 0, err
		}
		flagged, err := scalar[int64](t.row(`SELECT count(*) FROM message WHERE NOT duplicate AND ` + unfinished))
		if err != nil {
			return 0, err
		}
		t.total(totalDuplicate, flagged)
		n, err := t.exec(`UPDATE message SET duplicate = 1, notes = notes + 1, updated = ?1, why = ?2 WHERE `+unfinished, now, why)
		if err != nil {
			return 0, err
		}
		// No attempt from before is repeated as such: TP-RD asks for trust in what
		// the SIM has sent the number since. Nor is a report believed to be on it.
		open, err := t.exec(`UPDATE attempt SET outcome = 'unknown', detail = ?2, ended = ?1 WHERE outcome = 'open'`, now, why)
		if err != nil {
			return 0, err
		}
		t.total(totalHandover(sms.Ambiguous), open)
		if _, err := t.exec(`UPDATE attempt SET obsolete = 1 WHERE outcome = 'unknown'
			AND message IN (SELECT seq FROM message WHERE ` + unfinished + `)`); err != nil {
			return 0, err
		}
		// It stands for all that may have been since, so that no later evidence
		// makes the message certain; for that it may have gone again, too.
		if _, err := t.exec(`INSERT INTO attempt (message, part, sim, modem, repeat, asked, outcome, cause_set, cause_code, detail, obsolete, started, ended)
			SELECT message, n, '', '', 0, 0, 'unknown', 0, 0, ?2, 1, ?1, ?1 FROM part
			WHERE state IN ('queued', 'sending', 'unknown') AND message IN (SELECT seq FROM message WHERE `+doubtful+`)
			OR n = 1 AND message IN (SELECT seq FROM message WHERE `+unconfirmed+`)`, now, why); err != nil {
			return 0, err
		}
		if _, err := t.exec(`UPDATE part SET state = 'unknown' WHERE state = 'sending'`); err != nil {
			return 0, err
		}
		// What was given since may not be given again: handsets may have parts of it.
		if _, err := t.exec(`UPDATE reference SET last = last + ? & 255`, referenceSkip); err != nil {
			return 0, err
		}
		// One that nobody had confirmed may have gone again since.
		gone, err := t.exec(`UPDATE message SET duplicate = 1 WHERE ` + unconfirmed + ` AND NOT duplicate`)
		if err != nil {
			return 0, err
		}
		t.total(totalDuplicate, gone)
		fresh, err := scalar[int64](t.row(`SELECT count(*) FROM message WHERE state <> 'unknown' AND `+doubtful, now))
		if err != nil {
			return 0, err
		}
		t.total(string(sms.Unknown), fresh)
		if _, err := t.exec(`UPDATE message SET state = 'unknown', review = ?1, doubts = doubts + 1 WHERE `+doubtful, now); err != nil {
			return 0, err
		}
		if _, err := t.exec(doubtBatches); err != nil {
			return 0, err
		}
		return int(n), t.recountAll()
	})
}

// settleDecided ends what is on the air of messages of which earlier hand-overs have
// decided: their parts have arrived, or one could not. Nothing of them is to go.
func (t *tx) settleDecided(why string) error {
	open, err := all(t, scanAttempt, openQuery)
	if err != nil {
		return err
	}
	for _, a := range open {
		r, err := t.load(a.seq)
		if err != nil {
			return err
		}
		if t.rules.Progress(r.msg, t.now).State == sms.Sending {
			continue
		}
		if err := t.settle(a, r, sms.Outcome{Kind: sms.Ambiguous, Detail: why}); err != nil {
			return err
		}
	}
	return nil
}

// restoredAsOf begins the reason of a message that was marked.
const restoredAsOf = "restored as of "

const (
	unfinished  = `state IN ('queued', 'scheduled', 'held', 'sending', 'unknown')`
	unconfirmed = `state = 'sent' AND report_within > 0 AND NOT again`
	doubtful    = `(state IN ('queued', 'sending', 'unknown') OR state IN ('scheduled', 'held') AND due <= ?1)`
)

// Restored is what [Restore] has done.
type Restored struct {
	Aside      string // the database that was there before; empty: none was
	Unfinished int    // messages that may have been sent since the copy was made
}

// Restore puts a copy of the database, as of a time, in the place of the database,
// or of none. The copy has to be in the same directory, and is gone then. What is
// unfinished in it is marked as [Rescue.Open] does. Nobody else may have the
// directory. A snapshot is made at once: those that are there are of the database
// that was replaced.
func Restore(ctx context.Context, r *Rescue, copied string, at time.Time) (Restored, error) {
	if err := complete(r.Database); err != nil {
		return Restored{}, err
	}
	n, err := mark(ctx, copied, at, r.Rules, r.Log, func(*Store) error { return nil })
	if err != nil {
		return Restored{}, explain(err)
	}
	if _, err := os.Stat(copied + "-wal"); err == nil {
		return Restored{}, fmt.Errorf("%s-wal was not written into the copy: see what dmesg says of the disk", copied)
	}
	done := Restored{Unfinished: n}
	if done.Aside, err = replace(r.Database, copied, asideName, time.Now().UTC(), nil); err != nil {
		return Restored{}, err
	}
	if err := os.Remove(r.Database + suspectName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return done, err
	}
	return done, snapshotNow(ctx, r)
}

// snapshotNow makes a snapshot. Where it cannot, the older ones must not be
// restored any more.
func snapshotNow(ctx context.Context, r *Rescue) error {
	s := &Snapshots{Database: r.Database, Dir: r.Snapshots, Log: r.Log}
	err := s.reading(ctx, func(conn *sql.Conn) error {
		_, err := s.take(ctx, conn, -1)
		return err
	})
	if err == nil {
		return nil
	}
	return fmt.Errorf("no snapshot was made: %w; remove %s, for it is of the database before", err, r.Snapshots)
}

// replace puts the file making in the place of a database, which is moved aside,
// and returns what that is called now. A power cut leaves either all as it was, or
// what [complete] completes.
func replace(database, making, reason string, at time.Time, note *Rescued) (aside string, err error) {
	name := reason + at.Format(asideTime)
	if note != nil {
		text, err := json.MarshalIndent(note, "", "  ")
		if err != nil {
			return "", err
		}
		if err := renameio.WriteFile(database+noteName+name, text, 0o600); err != nil {
			return "", err
		}
	}
	if err := syncFile(making); err != nil {
		return "", err
	}
	if _, err := os.Stat(database); err == nil {
		aside = database + "." + name
	}
	if err := rename(making, database+nextName+name); err != nil { // from here on it is so
		return "", err
	}
	return aside, complete(database)
}

// pending returns the file that is about to take the place of a database; empty
// when there is none.
func pending(database string) (next string, err error) {
	names, err := beside(database, nextName)
	if err != nil || len(names) == 0 {
		return "", err
	}
	return names[len(names)-1], nil
}

// complete puts the file that is about to take the place of a database there.
func complete(database string) error {
	next, err := pending(database)
	if err != nil || next == "" {
		return err
	}
	name := strings.TrimPrefix(next, database+nextName)
	aside := database + "." + name
	moves := [][2]string{{database + noteName + name, aside + noteEnd}}
	for _, b := range besides {
		moves = append(moves, [2]string{database + b, aside + b})
	}
	for _, m := range moves {
		if err := os.Rename(m[0], m[1]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := syncDir(filepath.Dir(database)); err != nil {
		return err
	}
	return rename(next, database)
}

// beside lists the files in the directory of a database whose names continue its
// own like this, in order.
func beside(database, infix string) ([]string, error) {
	dir := filepath.Dir(database)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(database)+infix) {
			list = append(list, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(list)
	return list, nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// ListRescued returns the damaged databases that have been replaced and are still
// there, newest first: as long as there is one a person has to look.
func ListRescued(database string) ([]Rescued, error) {
	names, err := beside(database, "."+corruptName)
	if err != nil {
		return nil, err
	}
	var list []Rescued
	for _, name := range slices.Backward(names) {
		file, isNote := strings.CutSuffix(name, noteEnd)
		if !isNote {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		r := Rescued{File: file}
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// forget removes the oldest of the damaged databases, if there are too many.
func forget(database string) error {
	list, err := ListRescued(database)
	if err != nil {
		return err
	}
	for _, old := range list[min(len(list), damagedKept):] {
		if err := errors.Join(removeDatabase(old.File), os.Remove(old.File+noteEnd)); err != nil {
			return err
		}
	}
	return nil
}
