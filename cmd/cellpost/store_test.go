package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cellpost/queue/sqlite"
	"cellpost/sms"
)

func TestStoreConfig(t *testing.T) {
	for value, want := range map[string]string{ // part of the error; empty: none
		`"1h"`: "", `"1m"`: "", `"0s"`: "", `"59s"`: ":2: snapshot: 1m0s at least", `"-1h"`: "is no duration", `"often"`: "is no duration",
		"60": ":2: snapshot: 1m0s at least",
	} {
		_, err := loadConfig(write(t, "[store]\nsnapshot = "+value+"\n"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", value, err, want)
		}
	}
}

// TestAlarm: a damaged database is told of, and its accounts are not refused, until
// its files are gone.
func TestAlarm(t *testing.T) {
	d := &daemon{config: defaults(), log: slog.New(slog.DiscardHandler)}
	d.config.DataDir = t.TempDir()
	open := func() {
		t.Helper()
		if err := d.openStore(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	account := func(want error) {
		t.Helper()
		if _, err := d.account(t.Context(), "shop"); !errors.Is(err, want) {
			t.Errorf("account: %v, want %v", err, want)
		}
	}
	open()
	if err := d.store.AddAccount(t.Context(), sms.Account{Name: "shop"}); err != nil {
		t.Fatal(err)
	}
	account(nil)
	name := filepath.Join(d.config.snapshots(), "000001-"+time.Now().UTC().Format("20060102T150405Z")+".db")
	if err := errors.Join(os.Mkdir(d.config.snapshots(), 0o700), d.store.Copy(t.Context(), name)); err != nil {
		t.Fatal(err)
	}
	if found := lookAtRescued(d.config); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
	if err := d.closeStore(nil); err != nil {
		t.Fatal(err)
	}
	suspect := func(want bool) {
		t.Helper()
		if _, err := os.Stat(d.config.database() + ".suspect"); (err == nil) != want {
			t.Errorf("suspect: %v, want %v", err, want)
		}
	}
	suspect(false)

	rubbish := func() {
		t.Helper()
		if err := os.WriteFile(d.config.database(), []byte("rubbish"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rubbish()
	open()
	account(nil)
	found := lookAtRescued(d.config)
	if len(found) != 1 || !strings.Contains(found[0].Cause, "The snapshot of "+time.Now().Format("2006-01-02")) || !strings.Contains(found[0].NextStep, "rm ") {
		t.Fatalf("found %+v", found)
	}
	checkDiagnosis(t, "restored", found[0], "queue-rescued the database was damaged")
	_, damage := sqlite.OpenReader(writeRubbish(t))
	if err := d.closeStore(damage); !sqlite.IsDamaged(err) {
		t.Errorf("closed with %v", err)
	}
	suspect(true)

	if err := os.RemoveAll(d.config.snapshots()); err != nil {
		t.Fatal(err)
	}
	rubbish()
	open()
	defer func() { d.closeStore(nil) }()
	suspect(false)
	account(errAccountLost)
	found = lookAtRescued(d.config)
	if len(found) != 2 || !strings.Contains(found[0].Cause, "there was no snapshot: all began anew") {
		t.Fatalf("found %+v", found)
	}
	files, err := filepath.Glob(d.config.database() + ".corrupt-*")
	for _, name := range files {
		err = errors.Join(err, os.Remove(name))
	}
	if err != nil {
		t.Fatal(err)
	}
	account(sms.ErrNoAccount)
}

func writeRubbish(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "queue.db")
	if err := os.WriteFile(file, []byte(strings.Repeat("rubbish\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
