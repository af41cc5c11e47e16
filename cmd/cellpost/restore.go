package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"cellpost/queue/sqlite"
)

type restoreVerb struct {
	configFlag
	File  string `arg:"" help:"A backup, or a bare database: a snapshot, or what a person has rescued." type:"existingfile"`
	Force bool   `help:"Replace the database that is there; it is moved aside."`
}

// keptFiles bounds the small files of a backup.
const keptFiles = 1000

// backup is what was read of one, before its database.
type backup struct {
	config   []byte            // nil: it has none
	kept     map[string][]byte // small files of data_dir
	database io.Reader
	at       time.Time // of the database
}

// Run restores a backup; no gateway may work on the data.
func (v restoreVerb) Run(ctx context.Context, s streams) error {
	f, err := os.Open(v.File)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := readBackup(f)
	if err != nil {
		return fmt.Errorf("%s: %w", v.File, err)
	}
	if err := v.restoreConfig(s, b); err != nil {
		return err
	}
	c, err := loadConfig(v.Config)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	claimed, err := claim(c.DataDir)
	if err != nil {
		return err
	}
	defer claimed.Close()
	if _, err := os.Stat(c.database()); err == nil && !v.Force {
		return fmt.Errorf("%s is there: with --force it is moved aside and replaced", c.database())
	}
	done, err := v.restoreDatabase(ctx, s, c, b)
	if err != nil {
		return err
	}
	if done.Aside != "" {
		fmt.Fprintf(s.out, "the database that was there is now %s: remove it when it is needed no more\n", done.Aside)
	}
	fmt.Fprintf(s.out, "restored the database as of %s; %d unfinished messages may have been sent since: they are marked as possible duplicates\n",
		b.at.Local().Format(clock), done.Unfinished)
	return v.restoreKept(s, c, b)
}

// readBackup reads what comes before the database of a backup. A bare database is
// one as well.
func readBackup(f *os.File) (*backup, error) {
	const magic = "SQLite format 3\x00"
	in := bufio.NewReader(f)
	if head, _ := in.Peek(len(magic)); string(head) == magic {
		at, err := snapshotAt(f)
		return &backup{database: in, at: at}, err
	}
	b := &backup{kept: map[string][]byte{}}
	t := tar.NewReader(in)
	for {
		h, err := t.Next()
		if err != nil {
			return nil, fmt.Errorf("no backup that cellpost backup has written, or a part of one: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			return nil, fmt.Errorf("%q is no file: this is no backup that cellpost backup has written", h.Name)
		}
		if h.Name == backupDatabase {
			b.database, b.at = t, h.ModTime
			return b, nil
		}
		name, kept := strings.CutPrefix(h.Name, backupData)
		if h.Name != backupConfig && !(kept && isKept(name) && !strings.Contains(name, "/")) || h.Size > keptMost || len(b.kept) == keptFiles {
			return nil, fmt.Errorf("%q of %d octets: this is no backup that cellpost backup has written", h.Name, h.Size)
		}
		text, err := io.ReadAll(t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
		if kept {
			b.kept[name] = text
		} else {
			b.config = text
		}
	}
}

// snapshotAt is the time of a bare database: its name has it, or the file.
func snapshotAt(f *os.File) (time.Time, error) {
	list, err := sqlite.ListSnapshots(filepath.Dir(f.Name()))
	for _, s := range list {
		if filepath.Base(s.Path) == filepath.Base(f.Name()) {
			return s.At, nil
		}
	}
	info, statErr := f.Stat()
	if err := errors.Join(err, statErr); err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// restoreConfig writes the configuration where none is. One that is there says
// where the data are, and stays.
func (v restoreVerb) restoreConfig(s streams, b *backup) error {
	here, err := os.ReadFile(v.Config)
	switch {
	case err == nil && b.config != nil && !bytes.Equal(here, b.config):
		beside := v.Config + ".from-backup"
		fmt.Fprintf(s.out, "%s stays as it is; the one in the backup differs, see %s\n", v.Config, beside)
		return renameio.WriteFile(beside, b.config, 0o600)
	case err == nil, !errors.Is(err, fs.ErrNotExist), b.config == nil:
		return nil // loadConfig tells what is wrong
	}
	if err := renameio.WriteFile(v.Config, b.config, 0o640); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "restored the configuration %s\n", v.Config)
	return handOver(filepath.Dir(v.Config), v.Config)
}

// restoreDatabase brings the database into data_dir and puts it in its place.
func (v restoreVerb) restoreDatabase(ctx context.Context, s streams, c config, b *backup) (done sqlite.Restored, err error) {
	copied := c.database() + ".restoring"
	for _, old := range []string{copied, copied + "-wal", copied + "-shm"} {
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return sqlite.Restored{}, err
		}
	}
	if err := unpack(copied, b.database); err != nil {
		return sqlite.Restored{}, errors.Join(fmt.Errorf("%s: %w", v.File, err), os.Remove(copied))
	}
	done, err = sqlite.Restore(ctx, c.rescue(slog.New(slog.NewTextHandler(s.err, nil))), copied, b.at)
	if err != nil {
		os.Remove(copied) // if it is still there
		return done, fmt.Errorf("%s: %w", v.File, err)
	}
	if err := handOver(c.DataDir, c.database()); err != nil {
		return done, err
	}
	list, err := sqlite.ListSnapshots(c.snapshots())
	if err != nil {
		return done, err
	}
	err = handOver(c.DataDir, c.snapshots())
	for _, snapshot := range list {
		err = errors.Join(err, handOver(c.DataDir, snapshot.Path))
	}
	return done, err
}

func unpack(path string, from io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Sync(), f.Close())
}

// restoreKept writes the small files that are not there. Those that are know more:
// a PIN that was wrong must not be tried again.
func (v restoreVerb) restoreKept(s streams, c config, b *backup) error {
	n := 0
	for name, text := range b.kept {
		file := filepath.Join(c.DataDir, name)
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := errors.Join(renameio.WriteFile(file, text, 0o600), handOver(c.DataDir, file)); err != nil {
			return err
		}
		n++
	}
	fmt.Fprintf(s.out, "restored %d of %d other files of %s; those that are there stay\n", n, len(b.kept), c.DataDir)
	return nil
}
