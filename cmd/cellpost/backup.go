package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

type backupVerb struct {
	configFlag
	File string `arg:"" help:"The backup that is written; one of this name is replaced." type:"path"`
}

// Names in a backup, a tar file, in this order: the configuration, small files of
// data_dir, the database.
const (
	backupConfig   = "cellpost.toml"
	backupData     = "data/"
	backupDatabase = "cellpost.db"
)

// isKept reports whether a file of data_dir belongs in a backup: it is small, and
// nothing makes it anew.
func isKept(name string) bool {
	return name == "pins" || name == "discovered" || name == "tls.pem" || strings.HasPrefix(name, "suspended-")
}

// keptMost bounds a small file, and the configuration, in octets.
const keptMost = 1 << 20

// Run writes a backup, beside a gateway or without one.
func (v backupVerb) Run(ctx context.Context, s streams) (err error) {
	c, err := loadConfig(v.Config)
	if err != nil {
		return err
	}
	reader, err := c.openReader()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	// The copy is made where the backup goes: that disk has to have room for both.
	copied := v.File + ".making"
	if err := os.Remove(copied); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	at := time.Now()
	if err := reader.Copy(ctx, copied); err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(copied)) }()
	out, err := renameio.NewPendingFile(v.File, renameio.WithTempDir(filepath.Dir(v.File)), renameio.WithPermissions(0o600))
	if err != nil {
		return err
	}
	defer out.Cleanup()
	n, err := c.pack(out, v.Config, copied, at)
	if err != nil {
		return err
	}
	if err := out.CloseAtomicallyReplace(); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s has the database as of %s, the configuration %s and %d files of %s\n", v.File, at.Format(clock), v.Config, n, c.DataDir)
	fmt.Fprintln(s.out, "PINs, texts and password hashes are in it: keep it where nobody else reads it")
	return nil
}

// pack writes a backup, and returns how many small files are in it.
func (c config) pack(w io.Writer, configFile, database string, at time.Time) (kept int, err error) {
	t := tar.NewWriter(w)
	if err := packFile(t, backupConfig, configFile, time.Time{}, keptMost); err != nil {
		return 0, err
	}
	entries, err := os.ReadDir(c.DataDir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !isKept(e.Name()) {
			continue
		}
		err := packFile(t, backupData+e.Name(), filepath.Join(c.DataDir, e.Name()), time.Time{}, keptMost)
		if errors.Is(err, fs.ErrNotExist) { // the gateway removed it meanwhile
			continue
		}
		if err != nil {
			return 0, err
		}
		kept++
	}
	if err := packFile(t, backupDatabase, database, at, 1<<62); err != nil {
		return 0, err
	}
	return kept, t.Close()
}

// packFile adds a file of a time, by default of its own.
func packFile(t *tar.Writer, name, path string, at time.Time, most int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > most {
		return fmt.Errorf("%s has %d octets, and %d at most belong in a backup: is it the right file?", path, info.Size(), most)
	}
	if at.IsZero() {
		at = info.ModTime()
	}
	h := &tar.Header{Name: name, Size: info.Size(), Mode: 0o600, ModTime: at, Format: tar.FormatPAX}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(t, f, info.Size())
	return err
}
