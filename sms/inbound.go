package sms

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"cellpost/pdu"
	"cellpost/pdu/smart"
	"cellpost/pdu/wap"
)

// Kind is what a message from a handset or the network is.
type Kind string

// Kinds of messages.
const (
	KindText       Kind = "text"
	KindFlash      Kind = "flash"      // of class 0: shown at once, not kept by a handset
	KindSilent     Kind = "silent"     // of type 0: a handset acknowledges it and shows nothing
	KindWaiting    Kind = "waiting"    // lights the lamp of a mailbox, or puts it out
	KindWAPPush    Kind = "wap push"   // a link, or settings
	KindMMS        Kind = "mms"        // says that a multimedia message waits, or what became of one
	KindData       Kind = "data"       // 8-bit data, or for an application behind a port
	KindSIM        Kind = "sim"        // for the SIM: of class 2, or SIM data download
	KindUnreadable Kind = "unreadable" // no SMS-DELIVER that could be read
)

// Inbound is a message from a handset or the network, with all its parts, or
// with those that came. Whoever takes a TPDU off the air sets SIM, Modem, TPDU
// and Received; [Read] tells the rest.
type Inbound struct {
	ID       int64
	SIM      string
	Modem    string
	TPDU     []byte // SMS-DELIVER as it came; of several parts, the first that there is
	Received time.Time

	From       string // for people; what decides is the TPDU
	Text       string // hexadecimal for data that cannot be read
	Kind       Kind
	Detail     string  // more about the kind: "voicemail waiting (3)"; "" for plain text
	PID        pdu.PID // one of the replace types makes it take the place of the last such message
	Parts      int     // that the message has
	Missing    []int   // parts that did not come in time; one that comes later takes its place
	Sent       time.Time
	ReplacedBy int64 // ID of the message that took its place; 0: none
}

// Read says what a message is, by the TPDUs of its parts in any order. Where
// none of them can be read, it is shown as what it is.
func Read(tpdus [][]byte) Inbound {
	var parts []pdu.Fragment
	var first pdu.Deliver
	lowest := 256
	for _, tpdu := range tpdus {
		d, _, err := pdu.ParseDeliver(tpdu)
		if err != nil {
			continue
		}
		f := fragment(d, Inbound{})
		parts = append(parts, f)
		if int(f.Concat.Seq) < lowest {
			first, lowest = d, int(f.Concat.Seq)
		}
	}
	if len(parts) == 0 {
		return unreadable(tpdus)
	}
	j := pdu.Join(parts)
	in := Inbound{
		From: first.Originator.String(), Text: j.Text, Kind: KindText, PID: first.PID,
		Parts: int(parts[0].Concat.Total), Sent: first.Time,
	}
	for _, n := range j.Missing {
		in.Missing = append(in.Missing, int(n))
	}
	in.classify(j)
	if w, ok := cphsWaiting(first.Originator); ok {
		in.Kind, in.Detail = KindWaiting, w.String()
	}
	return in
}

// cphsWaiting returns the voice mail indication of older networks, which is in
// TP-OA: two characters, the first of which is the state of the lamp. Common PCN
// Handset Specification 4.2, B.4.2.
func cphsWaiting(oa pdu.Address) (w pdu.Waiting, ok bool) {
	const on, off = '_', 'Δ' // 11 and 10 in GSM 7-bit
	name := []rune(oa.Value)
	ok = oa.TON == pdu.TONAlphanumeric && len(name) == 2 && (name[0] == on || name[0] == off)
	return pdu.Waiting{Mailbox: pdu.Voicemail, Active: ok && name[0] == on, Store: true}, ok
}

func unreadable(tpdus [][]byte) Inbound {
	in := Inbound{Kind: KindUnreadable, Parts: 1}
	for _, tpdu := range tpdus {
		_, _, err := pdu.ParseDeliver(tpdu)
		in.Text, in.Detail = fmt.Sprintf("%X", tpdu), err.Error()
	}
	return in
}

// classify names the kind. 3GPP TS 23.040, 9.2.3.9 and 9.2.3.24, 23.038, clause 4.
func (in *Inbound) classify(j pdu.Joined) {
	octets := j.DCS.Alphabet() == pdu.Octets
	if octets {
		in.Kind, in.Text = KindData, in.hex(j.Data)
	}
	if in.PID != pdu.PIDNone {
		in.Detail = in.PID.String()
	}
	if j.DCS.Compressed() {
		in.Detail = "compressed text"
	}
	u := pdu.UserData{Header: j.Header}
	ports, toPort := u.Ports()
	waiting := u.Waiting(j.DCS)
	switch {
	case in.PID == pdu.PIDType0:
		in.Kind = KindSilent
	case in.PID == pdu.PIDSIMData, j.DCS.Class() == pdu.Class2 && !toPort:
		in.Kind, in.Detail = KindSIM, cmp.Or(in.Detail, j.DCS.Class().String())
	case len(waiting) > 0:
		var words []string
		for _, w := range waiting {
			words = append(words, w.String())
		}
		in.Kind, in.Detail = KindWaiting, strings.Join(words, ", ")
	case toPort:
		in.Kind, in.Detail = KindData, portWords(ports.Dest)
		if octets && !j.DCS.Compressed() && len(in.Missing) == 0 {
			in.object(ports.Dest, j.Data)
		}
	case j.DCS.Class() == pdu.Class0 && !octets:
		in.Kind = KindFlash
	}
}

// hex shows data, and names the parts that are missing.
func (in *Inbound) hex(data []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%X", data)
	for _, n := range in.Missing {
		fmt.Fprintf(&b, "[part %d of %d is missing]", n, in.Parts)
	}
	return b.String()
}

func portWords(port uint16) string {
	if name := pdu.PortName(port); name != "" {
		return fmt.Sprintf("to port %d (%s)", port, name)
	}
	return fmt.Sprintf("to port %d", port)
}

// object reads what an application gets, as far as people can: else it stays
// hexadecimal, and Detail says why.
func (in *Inbound) object(port uint16, data []byte) {
	text, err := "", error(nil)
	if port == wap.PortPush {
		var push wap.Push
		in.Kind = KindWAPPush
		push, _, err = wap.Parse(data)
		switch push.Content.(type) {
		case wap.MMSNotification, wap.MMSDelivery, wap.MMSMessage:
			in.Kind = KindMMS
		}
		text = push.String()
	} else {
		text, err = smartWords(port, data)
	}
	switch {
	case err != nil:
		in.Detail += ": " + err.Error()
	case text != "":
		in.Text = text
	}
}

// smartWords shows an object of Nokia Smart Messaging; "" where there is nothing
// to read.
func smartWords(port uint16, data []byte) (string, error) {
	switch port {
	case smart.PortRingtone:
		tone, _, err := smart.ParseRingtone(data)
		if err != nil {
			return "", err
		}
		return tone.RTTTL(), nil
	case smart.PortOperatorLogo:
		network, _, _, err := smart.ParseOperatorLogo(data)
		if err != nil {
			return "", err
		}
		return "operator logo for the network " + network.String(), nil
	case smart.PortPicture:
		picture, _, err := smart.ParsePicture(data)
		return picture.Text, err
	case smart.PortVCard, smart.PortVCalendar:
		lines, err := smart.DescribeVObject(data)
		return strings.Join(lines, "\n"), err
	}
	return "", nil
}

// partsWithin is how much later than the others, by its TP-SCTS, a part of a
// message may have been sent. The 255 parts of the longest take half an hour on a
// slow line, and are tried for a day where the sender had no network.
const partsWithin = 24 * time.Hour

// Fragment returns what has come as a part of a concatenated message; ok is
// false when it is none, or cannot be read. Its time is when it was sent, where
// that is known: the service centre may hold one part back for days.
func (in Inbound) Fragment() (f pdu.Fragment, ok bool) {
	d, _, err := pdu.ParseDeliver(in.TPDU)
	if err != nil {
		return pdu.Fragment{}, false
	}
	f = fragment(d, in)
	return f, f.Concat.Total > 1
}

// fragment returns a message as a part, a whole one as the first of one.
func fragment(d pdu.Deliver, in Inbound) pdu.Fragment {
	at := d.Time
	if at.IsZero() {
		at = in.Received
	}
	f, ok := d.Fragment(in.SIM, at)
	if !ok {
		f.Concat = pdu.Concat{Total: 1, Seq: 1}
	}
	return f
}

// Join says how a part goes with those that were kept of the last message with
// its key, see [pdu.Fragment.Fit], and until when the others are awaited; zero
// when nothing is.
func (r *Rules) Join(f pdu.Fragment, kept []pdu.Fragment, now time.Time) (fit pdu.Fit, due time.Time) {
	fit = f.Fit(kept, partsWithin)
	if fit == pdu.FitDuplicate || fit == pdu.FitCompletes {
		return fit, time.Time{}
	}
	return fit, now.Add(cmp.Or(r.PartsWait, defaultPartsWait))
}

const defaultPartsWait = 10 * time.Minute

// Replaces reports whether a message takes the place of earlier ones from the
// same originator with the same TP-PID. 3GPP TS 23.040, 9.2.3.9.
func (in Inbound) Replaces() bool {
	return in.From != "" && pdu.PIDReplace1 <= in.PID && in.PID <= pdu.PIDReplace7
}

// bitMMS of the first octet is TP-MMS: more messages wait in the service centre.
const bitMMS = 0x04

// Fingerprint tells one TPDU from the network from another. When the network
// brings one again, TP-MMS may have changed, so it does not count.
func Fingerprint(tpdu []byte) [sha256.Size]byte {
	if len(tpdu) > 0 && tpdu[0]&bitMMS != 0 {
		tpdu = Twin(tpdu)
	}
	return sha256.Sum256(tpdu)
}

// Twin is an SMS-DELIVER or SMS-STATUS-REPORT as it would come with the other
// value of TP-MMS.
func Twin(tpdu []byte) []byte {
	t := slices.Clone(tpdu)
	if len(t) > 0 {
		t[0] ^= bitMMS
	}
	return t
}
