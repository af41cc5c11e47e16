package mail

import (
	"errors"
	"net/netip"
	"strings"
)

// Kind is what an address stands for.
type Kind int

// Kinds of addresses.
const (
	Nobody   Kind = iota // no such mailbox
	Script               // sms@: the body says all
	Number               // a number
	Reply                // reply+TOKEN@: an answer to a message from a handset
	Status               // status@: asks how the gateway is
	Operator             // postmaster@, abuse@: for a person
)

// Address is a recipient of a mail, taken apart.
type Address struct {
	Kind    Kind
	Local   string // without quotes
	Domain  string // or the literal of an IP address, in brackets; empty: none, as in RCPT TO:<postmaster>
	Number  string // as written: "+48 600 100 200"
	Token   string // of Reply
	Options Options
}

// Options are the suffixes of a number, in any order and any case.
type Options struct {
	Flash    bool   // .flash: shown at once, not kept
	Priority int    // .q1 to .q3; 0: none
	Ack      *bool  // .ack and .noack: whether a status report is asked for; nil: as the account has it
	Picture  string // .picture, .logo, .clilogo: what an attached image becomes; empty: a picture
}

// Errors of ParseAddress.
var (
	ErrAddress = errors.New("not an address")                  // its syntax
	ErrNumber  = errors.New("not a number with known options") // it begins like one
)

// ParseAddress reads an address as RCPT has it, without its angle brackets. Of an
// error, the Address has what was read before it.
func ParseAddress(s string) (Address, error) {
	local, domain, err := splitAddress(s)
	a := Address{Local: local, Domain: domain}
	if err != nil {
		return a, err
	}
	lower := strings.ToLower(local)
	switch {
	case lower == "postmaster", lower == "abuse" && domain != "":
		a.Kind = Operator
	case domain == "":
		return a, ErrAddress
	case lower == "sms":
		a.Kind = Script
	case lower == "status":
		a.Kind = Status
	case strings.HasPrefix(lower, "reply+"):
		a.Kind, a.Token = Reply, local[len("reply+"):]
	default:
		a.Number, a.Options, err = number(local)
		if err == nil {
			a.Kind = Number
		} else if !looksLikeNumber(local) {
			err = nil
		}
	}
	return a, err
}

// splitAddress takes the quotes off a local part. RFC 5321, 4.1.2 and 4.1.3.
func splitAddress(s string) (local, domain string, err error) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.LastIndexByte(s, '@')
		if i < 0 {
			return s, "", nil
		}
		local, domain = s[:i], s[i+1:]
		if local == "" || !isDomain(domain) {
			return local, domain, ErrAddress
		}
		return local, domain, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '"':
			rest, ok := strings.CutPrefix(s[i+1:], "@")
			if b.Len() == 0 || !ok || !isDomain(rest) {
				return b.String(), rest, ErrAddress
			}
			return b.String(), rest, nil
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", ErrAddress
}

// isDomain is lenient with names: whether a domain is taken is asked elsewhere.
func isDomain(s string) bool {
	inside, literal := strings.CutPrefix(s, "[")
	if !literal {
		return s != "" && !strings.ContainsAny(s, " \t\r\n<>\"@[]")
	}
	inside, closed := strings.CutSuffix(inside, "]")
	if len(inside) > 5 && strings.EqualFold(inside[:5], "IPv6:") {
		inside = inside[5:]
	}
	_, err := netip.ParseAddr(inside)
	return closed && err == nil
}

// number reads a number and its options: digits with separators, "+" or "p" for it in
// front, and then suffixes.
func number(local string) (digits string, o Options, err error) {
	parts := strings.Split(local, ".")
	n := len(parts)
	for n > 1 && o.set(strings.ToLower(parts[n-1])) {
		n--
	}
	digits = strings.TrimSpace(strings.Join(parts[:n], "."))
	if len(digits) > 1 && (digits[0] == 'p' || digits[0] == 'P') {
		if digits = digits[1:]; digits[0] != '+' {
			digits = "+" + digits
		}
	}
	if !strings.ContainsAny(digits, "0123456789") || strings.Trim(strings.TrimPrefix(digits, "+"), "0123456789 -.()") != "" {
		return "", Options{}, ErrNumber
	}
	return digits, o, nil
}

// set takes one option. One that was named already is not taken again: which of two
// is meant nobody knows.
func (o *Options) set(name string) bool {
	yes := name == "ack"
	switch name {
	case "flash":
		if o.Flash {
			return false
		}
		o.Flash = true
	case "q1", "q2", "q3":
		if o.Priority != 0 {
			return false
		}
		o.Priority = int(name[1] - '0')
	case "ack", "noack":
		if o.Ack != nil {
			return false
		}
		o.Ack = &yes
	case "picture", "logo", "clilogo":
		if o.Picture != "" {
			return false
		}
		o.Picture = name
	default:
		return false
	}
	return true
}

// looksLikeNumber tells a wrong number from a name: most of it is digits.
func looksLikeNumber(local string) bool {
	head, _, _ := strings.Cut(strings.TrimPrefix(strings.ToLower(local), "p"), ".")
	digits := 0
	for i := range len(head) {
		if head[i] >= '0' && head[i] <= '9' {
			digits++
		}
	}
	return digits > 0 && digits*2 >= len(head)
}

// String writes an address of a number in one way: options behind it in the order
// flash, q, ack, picture. Others come out as they are, in quotes if they need some.
func (a Address) String() string {
	local := a.Local
	if a.Kind == Number {
		local = a.Number + a.Options.suffix()
	}
	if strings.ContainsFunc(local, func(r rune) bool { return !atext(r) }) || strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		local = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(local) + `"`
	}
	if a.Domain == "" {
		return local
	}
	return local + "@" + a.Domain
}

func (o Options) suffix() string {
	var s string
	if o.Flash {
		s += ".flash"
	}
	if o.Priority != 0 {
		s += ".q" + string(rune('0'+o.Priority))
	}
	if o.Ack != nil && *o.Ack {
		s += ".ack"
	} else if o.Ack != nil {
		s += ".noack"
	}
	if o.Picture != "" {
		s += "." + o.Picture
	}
	return s
}

// atext are the characters of a local part without quotes. RFC 5321, 4.1.2.
func atext(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r > 0x7f || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)
}
