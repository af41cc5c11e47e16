package main

import (
	"fmt"
	"strings"
	"time"

	"cellpost/pdu"
)

func isElement(field string) bool { return strings.HasPrefix(field, "UDH ") }

// words returns what a field says. It reads what was parsed, so that a PDU
// that broke off has no more than names.
func (r *reading) words(s pdu.Span) string {
	b := r.octets[s.Offset : s.Offset+s.Size]
	if isElement(s.Field) && len(b) >= 2 {
		return elementWords(pdu.IE{ID: b[0], Data: b[2:]})
	}
	switch s.Field {
	case fieldSMSC:
		if len(b) == 1 {
			return "none: that of the SIM"
		}
		return addressWords(r.sc)
	case "TP-MTI":
		return firstOctetWords(b[0], r.message)
	case "TP-UDHL":
		return count(int(b[0]), "octet") + " of header"
	case "after TP-UD":
		return "not of this PDU"
	}
	if r.message == nil || s.Field == r.broken {
		return ""
	}
	switch s.Field {
	case "TP-OA", "TP-DA", "TP-RA":
		return addressWords(r.address)
	case "TP-PID":
		return r.pid.String()
	case "TP-DCS":
		return r.dcs.String()
	case "TP-UDL":
		return r.lengthWords(b[0])
	case "TP-UD":
		return r.userDataWords()
	}
	return messageWords(s.Field, r.message)
}

// messageWords returns what the fields say that only some TPDUs have.
func messageWords(field string, message any) string {
	switch m := message.(type) {
	case pdu.Deliver:
		if field == "TP-SCTS" {
			return timeWords(m.Time)
		}
	case pdu.Submit:
		switch field {
		case "TP-MR":
			return fmt.Sprint(m.Reference)
		case "TP-VP":
			return m.Validity.String()
		}
	case pdu.StatusReport:
		switch field {
		case "TP-MR":
			return fmt.Sprint(m.Reference)
		case "TP-SCTS":
			return timeWords(m.Time)
		case "TP-DT":
			return timeWords(m.Discharge)
		case "TP-ST":
			return m.Status.String()
		case "TP-PI":
			return "which fields follow"
		}
	}
	return ""
}

func addressWords(a pdu.Address) string {
	value := a.String()
	if a.TON == pdu.TONAlphanumeric {
		value = fmt.Sprintf("%q", value)
	}
	return fmt.Sprintf("%s (type %s, plan %s)", value, a.TON, a.NPI)
}

func timeWords(t time.Time) string {
	if t.IsZero() {
		return "no date"
	}
	return t.Format("2006-01-02 15:04:05 -07:00")
}

// firstOctetWords returns the type of a TPDU and what its flags say.
func firstOctetWords(octet byte, message any) string {
	words := []string{[...]string{"SMS-DELIVER", "SMS-SUBMIT", "SMS-STATUS-REPORT", "reserved, as SMS-DELIVER"}[octet&3]}
	flag := func(on bool, what string) {
		if on {
			words = append(words, what)
		}
	}
	switch m := message.(type) {
	case pdu.Deliver:
		flag(m.MoreMessages, "TP-MMS more messages wait")
		flag(m.StatusReport, "TP-SRI the sender gets a report")
		flag(m.ReplyPath, "TP-RP reply path")
		flag(m.Looping, "TP-LP not to be forwarded")
	case pdu.Submit:
		flag(m.RejectDuplicates, "TP-RD reject duplicates")
		flag(m.Validity != pdu.Validity{}, "TP-VPF "+validityFormat(m.Validity))
		flag(m.StatusReport, "TP-SRR report wanted")
		flag(m.ReplyPath, "TP-RP reply path")
	case pdu.StatusReport:
		flag(m.MoreMessages, "TP-MMS more messages wait")
		flag(m.ForCommand, "TP-SRQ about a command")
		flag(m.Looping, "TP-LP not to be forwarded")
	}
	flag(message != nil && octet&0x40 != 0, "TP-UDHI header")
	return strings.Join(words, ", ")
}

// validityFormat is the first word of a validity: "relative".
func validityFormat(v pdu.Validity) string {
	format, _, _ := strings.Cut(v.String(), ",")
	return format
}

// elementWords returns the name of an information element, and what it says.
func elementWords(ie pdu.IE) string {
	words := ie.Name()
	u := pdu.UserData{Header: []pdu.IE{ie}}
	if c, ok := u.Concat(); ok {
		words += fmt.Sprintf(": part %d of %d, reference %d", c.Seq, c.Total, c.Reference)
	}
	if p, ok := u.Ports(); ok {
		words += ": " + portWords(p.Dest, p.Src)
	}
	for _, w := range u.Waiting(0) {
		words += ": " + w.String()
	}
	if t := u.Tables(); t != (pdu.Tables{}) {
		words += ": " + max(t.Locking, t.Single).String()
	}
	return words
}

func (r *reading) lengthWords(udl byte) string {
	if r.dcs.Alphabet() == pdu.GSM7 {
		return count(int(udl), "septet")
	}
	return count(int(udl), "octet")
}

// count is a number of things in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (r *reading) userDataWords() string {
	switch {
	case r.isText():
		return shorten(fmt.Sprintf("%q", r.userData.Text(r.dcs)))
	case r.dcs.Compressed():
		return "compressed text"
	}
	return count(len(r.userData.Data), "octet") + " of data"
}

func portWords(dest, src uint16) string {
	words := fmt.Sprintf("to %d", dest)
	if name := pdu.PortName(dest); name != "" {
		words += " (" + name + ")"
	}
	return fmt.Sprintf("%s, from %d", words, src)
}
