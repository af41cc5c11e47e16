package main

import (
	"time"

	"cellpost/pdu"
)

// pduFields is the answer to decode. What a PDU does not have is left out.
type pduFields struct {
	Type         string      `json:"type"` // deliver, submit or status-report
	Addr         string      `json:"addr"` // TP-OA, TP-DA or TP-RA, with + when it is international
	Alphanumeric bool        `json:"alphanumeric"`
	Text         *string     `json:"text,omitempty"`
	Data         *string     `json:"data,omitempty"` // hex of 8-bit data and of compressed text
	PID          *byte       `json:"pid,omitempty"`
	DCS          *byte       `json:"dcs,omitempty"`
	Class        *int        `json:"class,omitempty"` // 0 to 3
	MR           *byte       `json:"mr,omitempty"`
	ST           *byte       `json:"st,omitempty"`
	UDL          *byte       `json:"udl,omitempty"`  // as it stands: septets or octets, the header included
	SCTS         string      `json:"scts,omitempty"` // RFC 3339, as DT
	DT           string      `json:"dt,omitempty"`
	Concat       *concatView `json:"concat,omitempty"`
	Ports        *portsView  `json:"ports,omitempty"`
	MWI          *mwiView    `json:"mwi,omitempty"`
	MoreMWI      []mwiView   `json:"more_mwi,omitempty"` // where the header has several
	Category     string      `json:"category,omitempty"` // of a report: completed, temporary, permanent or temporary-final
	Compressed   bool        `json:"compressed"`

	Status           string   `json:"status,omitempty"`   // of a report, in words
	Validity         string   `json:"validity,omitempty"` // of a submit, in words
	UDH              string   `json:"udh,omitempty"`      // hex with its length octet
	StatusReport     bool     `json:"status_report,omitempty"`
	ReplyPath        bool     `json:"reply_path,omitempty"`
	RejectDuplicates bool     `json:"reject_duplicates,omitempty"`
	MoreMessages     bool     `json:"more_messages,omitempty"`
	SMSC             string   `json:"smsc,omitempty"`
	Warnings         []string `json:"warnings,omitempty"`
}

type concatView struct {
	Ref   uint16 `json:"ref"`
	Total byte   `json:"total"`
	Seq   byte   `json:"seq"`
	Bits  int    `json:"bits"`
}

type portsView struct {
	Dest uint16 `json:"dest"`
	Src  uint16 `json:"src"`
}

type mwiView struct {
	Type   string `json:"type"` // voicemail, fax, email, other; video or a number from a header
	Active bool   `json:"active"`
	Store  bool   `json:"store"`
	Count  byte   `json:"count,omitempty"`
}

// fields returns the PDU as programs want it.
func (r *reading) fields() pduFields {
	f := pduFields{
		Type: r.kind, Addr: r.address.String(), Alphanumeric: r.address.TON == pdu.TONAlphanumeric,
		Compressed: r.dcs.Compressed(), SMSC: r.sc.String(),
	}
	if r.field("TP-PID") != nil {
		f.PID = new(byte(r.pid))
	}
	if r.field("TP-DCS") != nil {
		f.DCS = new(byte(r.dcs))
	}
	if c := r.dcs.Class(); c != pdu.NoClass {
		f.Class = new(int(c - pdu.Class0))
	}
	f.addMessage(r)
	f.addUserData(r)
	for _, w := range r.warnings {
		f.Warnings = append(f.Warnings, w.Error())
	}
	return f
}

// addMessage adds what only one type of TPDU has.
func (f *pduFields) addMessage(r *reading) {
	switch m := r.message.(type) {
	case pdu.Deliver:
		f.SCTS = timeText(m.Time)
		f.StatusReport, f.ReplyPath, f.MoreMessages = m.StatusReport, m.ReplyPath, m.MoreMessages
	case pdu.Submit:
		f.MR, f.Validity = new(m.Reference), m.Validity.String()
		f.StatusReport, f.ReplyPath, f.RejectDuplicates = m.StatusReport, m.ReplyPath, m.RejectDuplicates
	case pdu.StatusReport:
		f.MR, f.ST, f.MoreMessages = new(m.Reference), new(byte(m.Status)), m.MoreMessages
		f.SCTS, f.DT = timeText(m.Time), timeText(m.Discharge)
		f.Category, f.Status = categories[m.Status.Class()], m.Status.String()
	}
}

// timeText is a time in RFC 3339, empty for none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

func (f *pduFields) addUserData(r *reading) {
	udl := r.field("TP-UDL")
	if udl == nil {
		return
	}
	f.UDL = new(udl[0])
	if r.isText() {
		f.Text = new(r.userData.Text(r.dcs))
	} else {
		f.Data = new(upperHex(r.userData.Data))
	}
	if len(r.userData.Header) > 0 {
		f.UDH = upperHex(pdu.AppendHeader(nil, r.userData.Header))
	}
	if c, ok := r.userData.Concat(); ok {
		f.Concat = &concatView{Ref: c.Reference, Total: c.Total, Seq: c.Seq, Bits: c.Bits}
	}
	if p, ok := r.userData.Ports(); ok {
		f.Ports = &portsView{Dest: p.Dest, Src: p.Src}
	}
	for _, w := range r.userData.Waiting(r.dcs) {
		view := mwiView{Type: w.Mailbox.String(), Active: w.Active, Store: w.Store, Count: w.Count}
		if f.MWI == nil {
			f.MWI = &view
		} else {
			f.MoreMWI = append(f.MoreMWI, view)
		}
	}
}
