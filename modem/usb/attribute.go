package usb

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
)

const (
	maxAttribute = 4 << 10 // octets: the kernel shows a page at most
	maxText      = 256     // octets of a name: a USB string has up to 126 characters
)

// attributes reads the files of a directory of sysfs.
type attributes struct {
	dir    string
	failed bool // one that has to be there is not, or not a number
}

func (a *attributes) read(name string) (string, error) {
	f, err := os.Open(filepath.Join(a.dir, name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxAttribute))
	return string(b), err
}

// hex reads a number that has to be there.
func (a *attributes) hex(name string, bits int) uint64 {
	s, err := a.read(name)
	if err != nil {
		a.failed = true
		return 0
	}
	n, ok := parseHex(s, bits)
	a.failed = a.failed || !ok
	return n
}

func parseHex(s string, bits int) (n uint64, ok bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 16, bits)
	if err != nil {
		return 0, false
	}
	return n, true
}

// decimal reads a number that may be missing; it is 0 then.
func (a *attributes) decimal(name string) int {
	s, err := a.read(name)
	if err != nil {
		return 0
	}
	return parseDecimal(s)
}

func parseDecimal(s string) int {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// text reads a name that may be missing.
func (a *attributes) text(name string) string {
	s, err := a.read(name)
	if err != nil {
		return ""
	}
	return parseText(s)
}

// parseText makes what a device says fit to be printed: it may hold anything.
func parseText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsGraphic(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxText {
		s = strings.TrimSpace(strings.ToValidUTF8(s[:maxText], ""))
	}
	return s
}
