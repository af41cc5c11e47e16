package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

type pduDecodeVerb struct {
	Hex     []string `arg:"" optional:"" help:"PDUs in hex, as a modem prints them; default: the lines of standard input."`
	SMSC    string   `name:"smsc" help:"Whether the SC address stands in front: auto, yes or no." enum:"auto,yes,no" default:"auto"`
	Preview string   `help:"Write the first logo, picture or ringtone as FILE.png or FILE.wav." placeholder:"FILE"`
	Color   string   `help:"Colours: auto, always or never." enum:"auto,always,never" default:"auto"`
}

// maxPDU is how many octets of hex are looked at: more than any PDU has, which
// is 176 octets and an SC address of 12.
const maxPDU = 512

// Run shows every PDU, and each message when its last part was shown.
func (v pduDecodeVerb) Run(p *pduVerb, s streams) error {
	in := s.in
	if len(v.Hex) > 0 {
		in = strings.NewReader(v.lines())
	}
	found, err := readPDULines(in)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errors.New("no PDU; give its hex: cellpost pdu decode HEX")
	}
	w := bufio.NewWriter(s.out)
	if p.JSON && v.Preview != "" {
		return errors.New("--preview goes without --json")
	}
	if p.JSON {
		err = v.answer(w, found)
	} else {
		err = v.show(view{w: w, palette: newPalette(v.Color, s.out)}, found)
	}
	return errors.Join(w.Flush(), err)
}

// answer prints one JSON object a PDU.
func (v pduDecodeVerb) answer(w io.Writer, found []foundPDU) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	bad := 0
	for _, f := range found {
		var reply any
		r, err := v.read(f)
		if err != nil {
			bad++
			reply = refusal{err.Error()}
		} else {
			reply = r.fields()
		}
		if err := enc.Encode(reply); err != nil {
			return err
		}
	}
	return unread(bad, len(found))
}

// show prints the PDUs for people.
func (v pduDecodeVerb) show(view view, found []foundPDU) error {
	a := newAssembly()
	file := v.Preview
	bad := 0
	for i, f := range found {
		r, err := v.read(f)
		view.pdu(f, i, len(found), r, err)
		if err != nil {
			bad++
			continue
		}
		whole, err := a.add(&r)
		if err != nil || whole == nil { // a report, or a part that others have to join
			continue
		}
		if drawn, err := view.whole(whole, file); err != nil {
			return err
		} else if drawn {
			file = ""
		}
	}
	view.pending(a)
	if file != "" {
		return errNoPreview
	}
	return unread(bad, len(found))
}

// unread is the error about PDUs that could not be read.
func unread(bad, all int) error {
	if bad == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d PDUs cannot be read", bad, all)
}

// lines returns the arguments as lines. Where all are no more than an octet
// they are one PDU, for its blanks were not quoted.
func (v pduDecodeVerb) lines() string {
	if slices.ContainsFunc(v.Hex, func(arg string) bool { return len(strings.TrimPrefix(arg, "0x")) > 2 }) {
		return strings.Join(v.Hex, "\n")
	}
	return strings.Join(v.Hex, " ")
}

// foundPDU is a PDU as it was printed, or why it is none.
type foundPDU struct {
	line   int // it stands there
	octets []byte
	length int // of the TPDU in octets, as a line before it says; 0: none does
	err    error
}

// maxPDULines is how much is read, in octets.
const maxPDULines = 16 << 20

// lineEnds makes one of the line ends there are.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// readPDULines finds PDUs among what a modem prints around them.
func readPDULines(in io.Reader) ([]foundPDU, error) {
	b, err := readAtMost(in, maxPDULines)
	if err != nil {
		return nil, fmt.Errorf("read the PDUs: %w", err)
	}
	var found []foundPDU
	length, n := 0, 0
	for line := range strings.SplitSeq(lineEnds.Replace(string(b)), "\n") {
		n++
		digits := strings.Trim(line, " \t\x1a")
		digits = strings.TrimLeft(digits, "> ") // the prompt
		if isTalk(digits) {
			length = cmp.Or(tpduLength(digits), length)
			continue
		}
		f := foundPDU{line: n, length: length}
		if f.octets, f.err = parseHex(digits); len(f.octets) > maxPDU {
			f.octets, f.err = nil, fmt.Errorf("more than %d octets; a PDU has 188 at most", maxPDU)
		}
		found = append(found, f)
		length = 0
	}
	return found, nil
}

// isTalk reports whether a line is of the dialogue around a PDU.
func isTalk(line string) bool {
	for _, prefix := range []string{"+", "^", "#", "AT", "at", "OK", "ERROR", "RING"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return line == ""
}

// tpduLength returns the number that a line like "+CMT: ,24" or "AT+CMGS=24"
// ends in: the length of the TPDU. It is 0 when the line has none.
func tpduLength(line string) int {
	announces := func(command string) bool { return strings.Contains(strings.ToUpper(line), command) }
	if !slices.ContainsFunc([]string{"+CMT:", "+CDS:", "+CMGL:", "+CMGR:", "+CMGS=", "+CMGW="}, announces) {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(line[strings.LastIndexAny(line, ",:=")+1:]))
	if err != nil {
		return 0
	}
	return n
}

// read takes a PDU apart, with or without an SC address in front.
func (v pduDecodeVerb) read(f foundPDU) (reading, error) {
	if f.err != nil {
		return reading{}, f.err
	}
	switch v.SMSC {
	case "yes":
		return readPDU(f.octets, true)
	case "no":
		return readPDU(f.octets, false)
	}
	return readEither(f)
}

// readEither finds out whether a PDU has an SC address in front: the length of
// the TPDU tells, where it was printed; else it has one when it reads no worse
// with it than without, and its first octets can be one.
func readEither(f foundPDU) (reading, error) {
	b := f.octets
	switch {
	case len(b) == 0, f.length == len(b):
		return readPDU(b, false)
	case f.length > 0 && f.length+1+int(b[0]) == len(b):
		return readPDU(b, true)
	}
	without, errWithout := readPDU(b, false)
	if !plausibleSMSC(b) {
		return without, errWithout
	}
	with, errWith := readPDU(b, true)
	if faults(with, errWith) <= faults(without, errWithout) {
		return with, errWith
	}
	return without, errWithout
}

// faults ranks readings: one that fails is worse than any with warnings.
func faults(r reading, err error) int {
	if err != nil {
		return 1 << 10
	}
	return len(r.warnings)
}

// maxSMSC is how long an SC address is at most: its type and 20 digits.
// 3GPP TS 24.011, 8.2.5.2.
const maxSMSC = 11

// plausibleSMSC reports whether b can begin with an SC address: none, or a type
// and digits.
func plausibleSMSC(b []byte) bool {
	n := int(b[0])
	switch {
	case n == 0:
		return true
	case n < 2 || n > maxSMSC || len(b) < 2 || b[1]&0x80 == 0:
		return false
	}
	for i, octet := range b[2:min(1+n, len(b))] {
		last := i == n-2
		if octet&15 > 9 || octet>>4 > 9 && (!last || octet>>4 != 15) {
			return false
		}
	}
	return true
}
