package profile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The values of profiles.toml. Each checks itself while it is decoded, so that
// the decoder knows the line of what is wrong. All are structs: the decoder sets
// strings and numbers without asking them.

// Limits of one value. Nothing that is known of any module comes near.
const (
	maxText    = 120 // characters of a command, or of an unsolicited line
	maxPattern = 500 // characters
	maxSpan    = 10 * time.Minute
)

type pattern struct{ *regexp.Regexp }

func (p *pattern) UnmarshalText(b []byte) (err error) {
	if len(b) > maxPattern {
		return fmt.Errorf("a regular expression of %d characters (write it shorter: %d at most)", len(b), maxPattern)
	}
	if strings.ContainsRune(string(b), '{') { // which makes a small text a big machine
		return errors.New(`a regular expression with { (write \d\d, not \d{2})`)
	}
	if p.Regexp, err = regexp.Compile(string(b)); err != nil {
		return fmt.Errorf("%w (see golang.org/s/re2syntax; single quotes keep a backslash as it is)", err)
	}
	return nil
}

type span struct{ time.Duration }

func (s *span) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	if err != nil || d < 0 || d > maxSpan {
		return fmt.Errorf("%.20q is no time to wait here (write 20s or 1m30s; 10m at most)", b)
	}
	s.Duration = d
	return nil
}

// text is what the values that stay text are made of.
type text struct{ s string }

func (t text) String() string { return t.s }

type command struct{ text }

func (c *command) UnmarshalText(b []byte) error {
	if err := checkText(b); err != nil {
		return fmt.Errorf("command %.20q: %w", b, err)
	}
	if strings.HasPrefix(strings.ToUpper(string(b)), "AT") {
		return fmt.Errorf("command %.20q begins with AT (leave the AT out)", b)
	}
	c.s = string(b)
	return nil
}

func checkText(b []byte) error {
	switch {
	case len(b) == 0:
		return errors.New("is empty (remove it)")
	case len(b) > maxText:
		return fmt.Errorf("is longer than %d characters (write it shorter)", maxText)
	case slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' }):
		return errors.New("holds something else than printable ASCII, such as CR or Ctrl-Z (write the text alone: line ends are added)")
	}
	return nil
}

// results answer a command: who took them for noise would wait for ever.
var results = [...]string{"OK", "ERROR", "+CMS ERROR", "+CME ERROR", "+CMGS", "+CMGR", "+CMGL", ">"}

// line is how an unsolicited line begins.
type line struct{ text }

func (l *line) UnmarshalText(b []byte) error {
	if err := checkText(b); err != nil {
		return fmt.Errorf("line %.20q: %w", b, err)
	}
	if s := string(b); s != strings.TrimSpace(s) || slices.Contains(results[:], s) {
		return fmt.Errorf("line %.20q is no unsolicited line (write its beginning, without blanks around it; not a result)", b)
	}
	l.s = string(b)
	return nil
}

// routing is what stands behind AT+CNMI=. 3GPP TS 27.005, 3.4.1.
type routing struct{ text }

func (r *routing) UnmarshalText(b []byte) error {
	fields := strings.Split(string(b), ",")
	bad := func(s string) bool { return len(s) != 1 || s < "0" || s > "9" }
	if len(fields) < 3 || len(fields) > 5 || slices.ContainsFunc(fields, bad) {
		return fmt.Errorf("cnmi %.20q (write 3 to 5 digits with commas: mode,mt,bm,ds,bfr, like 2,1,0,2,0)", b)
	}
	r.s = string(b)
	return nil
}

type memory struct{ text }

func (m *memory) UnmarshalText(b []byte) error {
	if len(b) != 2 || slices.ContainsFunc(b, func(c byte) bool { return c < 'A' || c > 'Z' }) {
		return fmt.Errorf("memory %.20q (write two capitals, like SM, ME, MT or SR)", b)
	}
	m.s = string(b)
	return nil
}

type form struct{ USSD }

func (f *form) UnmarshalText(b []byte) error {
	switch u := USSD(b); u {
	case "text":
		f.USSD = USSDText
	case USSDPacked, USSDGSM, USSDUCS2:
		f.USSD = u
	default:
		return fmt.Errorf("ussd %.20q (write text, packed, gsm or ucs2)", b)
	}
	return nil
}

type device struct{ ID }

func (d *device) UnmarshalText(b []byte) error {
	vendor, product, ok := strings.Cut(string(b), ":")
	v, err := hexDigits(vendor, 4)
	if err != nil || !ok || v == 0 {
		return badDevice(b)
	}
	if product == "*" {
		d.ID = ID{Vendor: uint16(v)}
		return nil
	}
	p, err := hexDigits(product, 4)
	if err != nil || p == 0 {
		return badDevice(b)
	}
	d.ID = ID{uint16(v), uint16(p)}
	return nil
}

func badDevice(b []byte) error {
	return fmt.Errorf("USB device %.20q (write it as lsusb does, 2c7c:0125, or 2c7c:* for all of a vendor)", b)
}

func hexDigits(s string, n int) (uint64, error) {
	if len(s) != n {
		return 0, hex.ErrLength
	}
	return strconv.ParseUint(s, 16, 4*n)
}

type octet struct{ byte }

func (o *octet) UnmarshalText(b []byte) error {
	n, err := hexDigits(string(b), 2)
	if err != nil {
		return fmt.Errorf("class %.20q (write two hexadecimal digits, as bInterfaceClass in sysfs)", b)
	}
	o.byte = byte(n)
	return nil
}
