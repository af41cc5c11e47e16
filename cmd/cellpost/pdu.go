package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"cellpost/pdu"
)

// pduVerb needs no gateway: it is for whoever looks at the hex of a modem.
type pduVerb struct {
	JSON bool `help:"Answer in JSON. Without a command: requests on standard input, see above."`

	Decode pduDecodeVerb `cmd:"" help:"Show what PDUs say, field by field."`
	Encode pduEncodeVerb `cmd:"" help:"Print the PDUs of a message, as one types them to a modem."`
	Lines  pduLinesVerb  `cmd:"" default:"1" hidden:""`
}

// Help is what cellpost pdu --help says beyond the list of its commands.
func (pduVerb) Help() string {
	return `Programs write one JSON request a line to cellpost pdu --json, and read one JSON answer a line:

  {"op":"encode","dest":"+4917...","text":"..","params":{..}}  -> {"segments":["<TPDU>",..]}
  {"op":"decode","pdu":"..","has_smsc":true}                   -> {"type":"deliver",..}
  {"op":"reassemble","pdus":[..],"has_smsc":false}             -> {"messages":[{"from","text"},..],"pending":0}

What is refused is answered {"error":"why"}. Hex is upper case.

Encode takes one of "text", and in hex "data", "text_utf16be" or "text_bytes" (UTF-8); or "smart": "ringtone" with "rtttl"; "oplogo" (with "mcc", "mnc"), "clilogo" or "picture" (perhaps with "text") with "image":{"format":"png","base64":".."}; "vcard" or "vcalendar" with a field of that name; "clean". "data" goes as 8-bit data; with "encoding":"ucs2" it is UTF-16. A text with "encoding":"8bit" goes as its UTF-8 octets.
"params" are, all as you like: "encoding" (auto, gsm7, ucs2, 8bit), "class", "mwi" (as decode shows it), "status_report", "validity_minutes" (never longer than asked, but for 5, the least that there is), "validity_absolute" (RFC 3339), "validity_seconds" and "once" (the enhanced TP-VP), "udh" (hex with its length octet), "dest_port", "src_port", "port_bits", "concat_ref", "concat_ref_bits", "nl_locking", "nl_single", "languages", "transliterate", "pid", "reply_path", "reject_duplicates", "smsc", "max_parts".
A number with + is international, one without of unknown type. A segment has no SC address and TP-MR 00; what "smsc" asks for is in "smsc" of the answer.

Decode and reassemble take PDUs without SC address unless "has_smsc" is true. The same PDU given twice to reassemble counts once. The "category" of a status report is "completed", "temporary" (the service centre still tries), "permanent", or "temporary-final" (it gave up).`
}

// pduLinesVerb is pdu without a command.
type pduLinesVerb struct{}

// Run answers requests, or prints the help of pdu where none was asked for.
func (pduLinesVerb) Run(p *pduVerb, k *kong.Context, s streams) error {
	if p.JSON {
		return answerLines(s.in, s.out)
	}
	k.Path = k.Path[:len(k.Path)-1] // the help of pdu, not of its hidden command
	return k.PrintUsage(false)
}

// parseHex reads hex digits. Between octets there may be blanks, colons and
// commas, and 0x before them.
func parseHex(s string) ([]byte, error) {
	b := make([]byte, 0, len(s)/2)
	half := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		digit := strings.IndexByte("0123456789abcdef", lower(c))
		switch {
		case !half && (strings.IndexByte(" \t:,", c) >= 0):
		case !half && c == '0' && i+2 < len(s) && lower(s[i+1]) == 'x' && s[i+2] != ' ':
			i++
		case digit < 0:
			return nil, fmt.Errorf("%q at octet %d is no hex digit", first(s[i:]), i)
		case half:
			b[len(b)-1] |= byte(digit)
			half = false
		default:
			b = append(b, byte(digit<<4))
			half = true
		}
	}
	if half {
		return nil, fmt.Errorf("an odd number of hex digits: the octet that begins at octet %d of the hex lacks its second", len(s)-1)
	}
	return b, nil
}

func first(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// reading is a PDU taken apart. Offsets are octets from its start, the SC
// address included.
type reading struct {
	octets   []byte
	smsc     bool // an SC address stands in front
	base     int  // where the TPDU begins
	sc       pdu.Address
	spans    []pdu.Span
	warnings pdu.Warnings

	message  any    // pdu.Deliver, pdu.Submit or pdu.StatusReport
	kind     string // "deliver", "submit" or "status-report"
	address  pdu.Address
	pid      pdu.PID
	dcs      pdu.DCS
	userData pdu.UserData

	broken string // the field that could not be read, when there is one
}

// readPDU takes a PDU apart. With an error the reading holds how far it got:
// the octets, where the fields stand, and what those before the broken one say.
func readPDU(octets []byte, smsc bool) (r reading, err error) {
	r.octets, r.smsc = octets, smsc
	tpdu := octets
	if smsc {
		if r.sc, tpdu, err = pdu.CutSMSC(octets); err != nil {
			return r, err
		}
		r.base = len(octets) - len(tpdu)
		r.spans = []pdu.Span{{Field: fieldSMSC, Size: r.base}}
	}
	for _, s := range pdu.Layout(tpdu) {
		s.Offset += r.base
		r.spans = append(r.spans, s)
	}
	if err = r.parse(tpdu); err != nil {
		return r, r.giveUp(tpdu, err)
	}
	for i, w := range r.warnings {
		r.warnings[i] = r.shifted(w)
	}
	return r, nil
}

// fieldSMSC is the name of the SC address as a field.
const fieldSMSC = "SC address"

// giveUp notes which field broke, and reads those before it as if octets of
// zero followed.
func (r *reading) giveUp(tpdu []byte, err error) error {
	e, ok := errors.AsType[*pdu.DecodeError](err)
	if !ok || len(tpdu) == 0 {
		return err
	}
	if r.parse(append(slices.Clone(tpdu), make([]byte, maxPDU)...)) != nil {
		r.message = nil
	}
	r.broken, r.warnings = e.Field, nil
	return r.shifted(e)
}

// shifted is a fault of the TPDU as one of the whole PDU.
func (r *reading) shifted(e *pdu.DecodeError) *pdu.DecodeError {
	return &pdu.DecodeError{Field: e.Field, Offset: r.base + e.Offset, Err: e.Err}
}

// parse reads a TPDU. Its type tells the direction too: what handsets send
// beside SMS-SUBMIT does not get here.
func (r *reading) parse(tpdu []byte) error {
	mti, err := pdu.MessageType(tpdu)
	if err != nil {
		return err
	}
	switch mti {
	case pdu.MTISubmit:
		m, warnings, err := pdu.ParseSubmit(tpdu)
		r.message, r.kind, r.warnings = m, "submit", warnings
		r.address, r.pid, r.dcs, r.userData = m.Destination, m.PID, m.DCS, m.UserData
		return err
	case pdu.MTIStatusReport:
		m, warnings, err := pdu.ParseStatusReport(tpdu)
		r.message, r.kind, r.warnings = m, "status-report", warnings
		r.address, r.pid, r.dcs, r.userData = m.Recipient, m.PID, m.DCS, m.UserData
		return err
	}
	m, warnings, err := pdu.ParseDeliver(tpdu)
	r.message, r.kind, r.warnings = m, "deliver", warnings
	r.address, r.pid, r.dcs, r.userData = m.Originator, m.PID, m.DCS, m.UserData
	return err
}

// field returns the octets of a field, nil when the PDU has none of that name.
func (r *reading) field(name string) []byte {
	for _, s := range r.spans {
		if s.Field == name {
			return r.octets[s.Offset : s.Offset+s.Size]
		}
	}
	return nil
}

// isText reports whether the user data is a text that can be read.
func (r *reading) isText() bool { return r.dcs.Alphabet() != pdu.Octets }

// categories are what a status report says, for programs.
var categories = [...]string{
	pdu.StatusDelivered: "completed",
	pdu.StatusTrying:    "temporary",
	pdu.StatusFailed:    "permanent",
	pdu.StatusGivenUp:   "temporary-final",
}
