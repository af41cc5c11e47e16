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
	"unicode"
)

// The values of profiles.toml. Each checks itself while it is decoded, so that
// the decoder knows the line of what is wrong. All are structs: the decoder sets
// strings and numbers without asking them.

// Limits of one value. Nothing that is known of any module comes near.
const (
	maxText    = 120 // characters of a command, or of an unsolicited line
	maxWords   = 400 // octets of a text for people
	maxPattern = 500 // characters
	maxSpan    = 10 * time.Minute
)

type pattern struct{ *regexp.Regexp }

func (p *pattern) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		return errors.New("an empty regular expression (leave the key out)")
	}
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
	for part := range strings.SplitSeq(strings.ToUpper(string(b)), ";") {
		if why := unfit(strings.TrimSpace(part)); why != "" {
			return fmt.Errorf("command %.20q %s", b, why)
		}
	}
	c.s = string(b)
	return nil
}

// unfit tells why a command, in capitals, does harm wherever it stands; empty: it
// does not.
func unfit(cmd string) string {
	if strings.HasPrefix(cmd, "D") || cmd == "A" {
		return "makes or takes a call (remove it)"
	}
	for _, p := range [...]string{"+CMGS=", "+CMGW=", "+CMGC=", "+CMSS=", "+CNMA="} {
		if strings.HasPrefix(cmd, p) {
			return "sends a message, or waits for one (remove it)"
		}
	}
	for _, p := range [...]string{"Q1", "+IPR=", "+CMUX="} {
		if strings.HasPrefix(cmd, p) {
			return "makes the module mute, or speak otherwise (remove it)"
		}
	}
	if strings.HasPrefix(cmd, "+CPIN=") || strings.HasPrefix(cmd, "+CPWD=") {
		return "gives a PIN, again and again (write pin = \"...\" in the configuration of the modem)"
	}
	return ""
}

func checkText(b []byte) error {
	switch {
	case len(b) == 0:
		return errors.New("is empty (remove it)")
	case len(b) > maxText:
		return fmt.Errorf("is longer than %d characters (write it shorter)", maxText)
	case slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' }):
		return errors.New("holds something else than printable ASCII, such as CR or Ctrl-Z (write the text alone: line ends are added)")
	case string(b) != strings.TrimSpace(string(b)):
		return errors.New("has blanks around it (remove them)")
	}
	return nil
}

// words are for people.
type words struct{ text }

func (w *words) UnmarshalText(b []byte) error {
	s := string(b)
	if len(s) > maxWords || strings.TrimSpace(s) == "" || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("%.20q (write a line of words: %d octets at most)", b, maxWords)
	}
	w.s = s
	return nil
}

// What ends a command, and what answers one that the driver sends. Whoever took
// one of them for an unsolicited line would wait for the answer for ever. Not
// among them are those that come unasked as well, such as +CREG and +CPIN: they
// are told apart by the command that waits.
var (
	results = [...]string{"OK", "ERROR", "COMMAND NOT SUPPORT", "TOO MANY PARAMETERS", "+CMS ERROR", "+CME ERROR", "CONNECT", ">"}
	answers = [...]string{
		"+CMGS", "+CMGL", "+CMGR", "+CMGD", "+CMGF", "+CMMS", "+CPMS", "+CNMI", "+CNMA", "+CSCA", "+CSCS", "+CSMS", "+CMEE",
		"+CGMI", "+CGMM", "+CGMR", "+CGSN", "+GSN", "+CIMI", "+CNUM", "+COPS", "+CCID", "+ICCID", "+QCCID", "^ICCID",
	}
)

// longer are codes whose next lines belong to them. The driver knows them; a
// line that begins like one would cut its message off.
var longer = [...]string{"+CMT", "+CDS", "+CBM", "+CUSD"}

// line is how an unsolicited line begins.
type line struct{ text }

func (l *line) UnmarshalText(b []byte) error {
	if err := checkText(b); err != nil {
		return fmt.Errorf("line %.20q: %w", b, err)
	}
	if what := swallows(strings.ToUpper(string(b))); what != "" {
		return fmt.Errorf("line %.20q would swallow %s (write the beginning of a line that comes unasked, as far as it is always the same)", b, what)
	}
	l.s = string(b)
	return nil
}

// swallows tells what the driver waits for begins like a line, in capitals, or
// the line like it; empty: nothing.
func swallows(s string) string {
	for _, r := range results {
		if strings.HasPrefix(s, r) || strings.HasPrefix(r, s) {
			return "the result " + r
		}
	}
	for _, a := range answers {
		if strings.HasPrefix(a, s) || beginsWith(s, a) {
			return "the answer " + a
		}
	}
	for _, c := range longer {
		if strings.HasPrefix(c, s) || beginsWith(s, c) {
			return "the message behind " + c
		}
	}
	switch {
	case strings.HasPrefix(s, "AT"):
		return "the echo of a command"
	case s[0] >= '0' && s[0] <= '9' || strings.Trim(s, "0123456789ABCDEF") == "":
		return "a result as a number (ATV0), or a message in hexadecimal digits"
	}
	return ""
}

// beginsWith tells whether s begins with a code, and not with a longer one.
func beginsWith(s, code string) bool {
	rest, ok := strings.CutPrefix(s, code)
	return ok && (rest == "" || rest[0] < '0' || rest[0] > '9' && rest[0] < 'A' || rest[0] > 'Z')
}

// everyday lines come at any time: they cannot tell that a module has started.
var everyday = [...]string{
	"RING", "NO CARRIER", "+CRING", "+CLIP", "+CCWA", "+CMTI", "+CDSI", "+CBMI", "+CREG", "+CGREG", "+CEREG", "+C5GREG", "+CGEV", "+CSQ",
}

// signal is how a line begins that a module says when it starts.
type signal struct{ line }

func (l *signal) UnmarshalText(b []byte) error {
	if err := l.line.UnmarshalText(b); err != nil {
		return err
	}
	s := strings.ToUpper(string(b))
	for _, e := range everyday {
		if strings.HasPrefix(e, s) || beginsWith(s, e) {
			return fmt.Errorf("line %.20q comes in every day's work, as %s (write what only a start brings)", b, e)
		}
	}
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

// memory is one that holds messages. 3GPP TS 27.005, 3.1; broadcasts (BM) are no
// messages.
type memory struct{ text }

func (m *memory) UnmarshalText(b []byte) error {
	switch s := string(b); s {
	case "SM", "ME", "MT", "SR", "TA":
		m.s = s
		return nil
	}
	return fmt.Errorf("memory %.20q (write SM, ME, MT, SR or TA)", b)
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
