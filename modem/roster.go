package modem

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
)

// roster is a file that remembers the discovered modems: a line for each, with
// its name and the USB path where it was last. The empty name remembers nothing.
type roster struct {
	file   string
	kept   string // what it holds
	failed bool   // it does not hold what it should, which was told
}

// berth is where a discovered modem was last. Its name begins with its IMEI; @
// and another text may follow.
type berth struct{ name, path string }

const (
	maxBerthPath = 64       // octets: a USB path has 5 hubs at most (USB 2.0, 4.1.1)
	maxRoster    = 16 << 10 // octets, more than maxDiscovered lines have
)

// load returns what is remembered. Without a file that is nothing.
func (r *roster) load() ([]berth, error) {
	if r.file == "" {
		return nil, nil
	}
	f, err := os.Open(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRoster+1))
	if err != nil {
		return nil, err
	}
	all, err := parseRoster(string(text))
	if err == nil {
		r.kept = string(text)
	}
	return all, err
}

// save makes the file hold what is given. The error tells what keeps it from
// that, the first time.
func (r *roster) save(all []berth) error {
	text := formatRoster(all)
	if r.file == "" || text == r.kept {
		return nil
	}
	err, told := renameio.WriteFile(r.file, []byte(text), 0o640), r.failed
	if r.failed = err != nil; !r.failed {
		r.kept = text
	}
	if err == nil || told {
		return nil
	}
	return fmt.Errorf("%w: make data_dir writable", err)
}

// parseRoster is the inverse of formatRoster. The error names the line.
func parseRoster(text string) ([]berth, error) {
	if len(text) > maxRoster {
		return nil, fmt.Errorf("longer than %d octets", maxRoster)
	}
	var all []berth
	n := 0
	for line := range strings.Lines(text) {
		n++
		name, path, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		b := berth{name, path}
		if !b.valid() {
			return nil, fmt.Errorf("line %d: %q is not the name of a discovered modem and its USB path", n, line)
		}
		if slices.ContainsFunc(all, b.clashes) {
			return nil, fmt.Errorf("line %d: %q: its name, or its place, is that of an earlier line", n, line)
		}
		if all = append(all, b); len(all) > maxDiscovered {
			return nil, fmt.Errorf("more than %d lines", maxDiscovered)
		}
	}
	return all, nil
}

func formatRoster(all []berth) string {
	var text strings.Builder
	for _, b := range all {
		fmt.Fprintf(&text, "%s %s\n", b.name, b.path)
	}
	return text.String()
}

// imei is what the name begins with.
func (b berth) imei() string {
	imei, _, _ := strings.Cut(b.name, "@")
	return imei
}

func (b berth) valid() bool {
	_, where, twin := strings.Cut(b.name, "@")
	return b.imei() != "" && findIMEI(b.imei()) == b.imei() && (!twin || isBerthPath(where)) && isBerthPath(b.path)
}

// isBerthPath reports whether a text can be a USB path: "1-1.3".
func isBerthPath(s string) bool {
	return s != "" && len(s) <= maxBerthPath && strings.Trim(s, "0123456789-.") == ""
}

// clashes reports whether two modems cannot both be where they are said to be.
func (b berth) clashes(o berth) bool {
	return b.name == o.name || b.path == o.path && sameIMEI(b.imei(), o.imei())
}
