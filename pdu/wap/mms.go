package wap

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// MMSNotification says that a multimedia message waits to be fetched, an
// M-Notification.ind. OMA-MMS-ENC, 6.2.
type MMSNotification struct {
	TransactionID string
	Version       string // "1.2"
	From          string // as sent: "+4479...../TYPE=PLMN", an e-mail address, or "" when the sender hides
	Subject       string
	Class         string // "personal", "advertisement", "informational", "auto" or the network's own
	Size          uint64 // octets, about; 0 when not told
	Expiry        Expiry
	Location      string // where to fetch it, mostly inside the network only
}

// MMSDelivery says what became of a multimedia message, an M-Delivery.ind.
// OMA-MMS-ENC, 6.7.
type MMSDelivery struct {
	MessageID string
	Version   string
	To        string // as sent, see From of [MMSNotification]
	Date      time.Time
	Status    string // "retrieved", "expired", "rejected", "deferred", "unreachable" ...
}

// MMSMessage is another message of the MMS, known by its kind only.
type MMSMessage struct {
	Type string // "m-read-orig-ind"; "0x1F" when it has no name here
}

// Expiry is when something ends: at a time or so long after it was sent. The
// zero value is not told.
type Expiry struct {
	Until time.Time
	After time.Duration // when Until is zero
}

// At returns the end for what was sent at a time; zero when it is not told.
func (e Expiry) At(sent time.Time) time.Time {
	if !e.Until.IsZero() || e.After == 0 {
		return e.Until
	}
	return sent.Add(e.After)
}

// Numbers of the MMS header fields, without their highest bit.
// OMA-MMS-ENC, 7.4, table 12.
const (
	fieldLocation      = 0x03
	fieldContentType   = 0x04
	fieldDate          = 0x05
	fieldExpiry        = 0x08
	fieldFrom          = 0x09
	fieldClass         = 0x0A
	fieldMessageID     = 0x0B
	fieldType          = 0x0C
	fieldVersion       = 0x0D
	fieldSize          = 0x0E
	fieldStatus        = 0x15
	fieldSubject       = 0x16
	fieldTo            = 0x17
	fieldTransactionID = 0x18
)

var (
	mmsTypes = []string{
		"m-send-req", "m-send-conf", "m-notification-ind", "m-notifyresp-ind", "m-retrieve-conf", "m-acknowledge-ind",
		"m-delivery-ind", "m-read-rec-ind", "m-read-orig-ind", "m-forward-req", "m-forward-conf", "m-mbox-store-req",
		"m-mbox-store-conf", "m-mbox-view-req", "m-mbox-view-conf", "m-mbox-upload-req", "m-mbox-upload-conf",
		"m-mbox-delete-req", "m-mbox-delete-conf", "m-mbox-descr", "m-delete-req", "m-delete-conf", "m-cancel-req",
		"m-cancel-conf",
	}
	mmsClasses  = []string{"personal", "advertisement", "informational", "auto"}
	mmsStatuses = []string{
		"expired", "retrieved", "rejected", "deferred", "unrecognised", "indeterminate", "forwarded", "unreachable",
	}
)

// mms reads the header fields of an MMS PDU; nil when they do not show what it
// is. The body of one that has any is left alone.
func (s *scanner) mms() fmt.Stringer {
	var m mmsPDU
	for s.left() > 0 {
		if s.peek() < 0x80 { // a header of the sender's own: a name and a text
			s.line("X-Mms", 1)
			s.line("X-Mms", 1)
			continue
		}
		field := s.octet("X-Mms") & 0x7F
		if field == fieldContentType { // always the last, for the body follows
			break
		}
		name := mmsFields[field]
		if name == "" {
			name = fmt.Sprintf("X-Mms 0x%02X", field)
		}
		if v := s.value(name); s.err == nil {
			m.set(s, field, name, v)
		}
	}
	if m.kind == "" {
		s.warn("X-Mms-Message-Type", s.base, "there is none")
	}
	switch {
	case m.kind == "m-notification-ind", m.kind == "" && m.notification.Location != "":
		return m.notification
	case m.kind == "m-delivery-ind":
		return m.delivery
	case m.kind != "":
		return MMSMessage{Type: m.kind}
	}
	return nil
}

// mmsPDU is an MMS PDU whose kind may not be known yet.
type mmsPDU struct {
	kind         string
	notification MMSNotification
	delivery     MMSDelivery
}

// set puts a field where it belongs; those that nobody is shown are dropped.
func (m *mmsPDU) set(s *scanner, field byte, name string, v value) {
	n, d := &m.notification, &m.delivery
	switch field {
	case fieldType:
		m.kind = nameOf(v, mmsTypes)
	case fieldVersion:
		n.Version = mmsVersion(v)
		d.Version = n.Version
	case fieldTransactionID:
		n.TransactionID = toText(v.text)
	case fieldFrom:
		n.From = s.from(v)
	case fieldSubject:
		n.Subject = s.encodedString(name, v)
	case fieldClass:
		n.Class = nameOf(v, mmsClasses)
	case fieldSize:
		n.Size, _ = v.integer()
	case fieldExpiry:
		n.Expiry = s.expiry(v)
	case fieldLocation:
		n.Location = toText(v.text)
	case fieldMessageID:
		d.MessageID = toText(v.text)
	case fieldTo:
		d.To = s.encodedString(name, v)
	case fieldDate:
		d.Date = s.date(name, v)
	case fieldStatus:
		d.Status = nameOf(v, mmsStatuses)
	}
}

var mmsFields = map[byte]string{
	fieldLocation: "X-Mms-Content-Location", fieldDate: "Date", fieldExpiry: "X-Mms-Expiry", fieldFrom: "From",
	fieldClass: "X-Mms-Message-Class", fieldMessageID: "Message-ID", fieldType: "X-Mms-Message-Type",
	fieldVersion: "X-Mms-MMS-Version", fieldSize: "X-Mms-Message-Size", fieldStatus: "X-Mms-Status",
	fieldSubject: "Subject", fieldTo: "To", fieldTransactionID: "X-Mms-Transaction-Id",
}

// mmsVersion reads a major number of 3 bits and a minor one of 4, which is left
// out when all its bits are set. WAP-230-WSP, 8.4.2.3.
func mmsVersion(v value) string {
	n, ok := v.integer()
	switch major, minor := n>>4&7, n&15; {
	case !ok:
		return toText(v.text)
	case minor == 15:
		return fmt.Sprint(major)
	default:
		return fmt.Sprintf("%d.%d", major, minor)
	}
}

// from reads the sender, "" when it is to be put in by the network.
// OMA-MMS-ENC, 7.3.19.
func (s *scanner) from(v value) string {
	const present = 0x80
	if v.kind != kindData { // a text alone, against the format
		return toText(v.text)
	}
	if v.data.octet("From") != present || v.data.left() == 0 {
		return ""
	}
	address := s.encodedString("From", v.data.value("From"))
	v.data.forgive()
	return address
}

// expiry reads an end, absolute or relative. OMA-MMS-ENC, 7.3.17.
func (s *scanner) expiry(v value) Expiry {
	const absolute, field = 0x80, "X-Mms-Expiry"
	if v.kind != kindData {
		s.warn(field, v.at, "%s is neither a date nor a delay", v)
		return Expiry{}
	}
	isAbsolute := v.data.octet(field) == absolute
	end := v.data.value(field)
	if v.data.err != nil {
		v.data.forgive()
		return Expiry{}
	}
	if isAbsolute {
		return Expiry{Until: s.date(field, end)}
	}
	seconds, ok := end.integer()
	if !ok || seconds > math.MaxUint32 {
		s.warn(field, end.at, "%s is no number of seconds", end)
		return Expiry{}
	}
	return Expiry{After: time.Duration(seconds) * time.Second}
}

func (n MMSNotification) String() string {
	var b strings.Builder
	b.WriteString("MMS notification")
	if n.From != "" {
		b.WriteString(" from " + shown(address(n.From)))
	}
	if n.Subject != "" {
		b.WriteString(`, "` + shown(n.Subject) + `"`)
	}
	if n.Size > 0 {
		b.WriteString(", " + size(n.Size))
	}
	if n.Location != "" {
		b.WriteString(", fetch at " + shown(n.Location))
	}
	switch e := n.Expiry; {
	case !e.Until.IsZero():
		b.WriteString(" until " + e.Until.Format(time.DateOnly))
	case e.After > 0:
		b.WriteString(" within " + within(e.After))
	}
	return b.String()
}

func (d MMSDelivery) String() string {
	var b strings.Builder
	b.WriteString("MMS delivery report")
	if d.To != "" {
		b.WriteString(" for " + shown(address(d.To)))
	}
	if d.Status != "" {
		b.WriteString(": " + shown(d.Status))
	}
	if !d.Date.IsZero() {
		b.WriteString(" at " + formatTime(d.Date))
	}
	return b.String()
}

func (m MMSMessage) String() string { return "MMS message (" + shown(m.Type) + ")" }

// address cuts off what kind of address it is: "/TYPE=PLMN".
func address(s string) string {
	number, _, _ := strings.Cut(s, "/TYPE=")
	return number
}

// size shows a number of octets, about.
func size(n uint64) string {
	switch {
	case n == 1:
		return "1 octet"
	case n < 1000:
		return fmt.Sprintf("%d octets", n)
	case n < 1_000_000:
		return fmt.Sprintf("%d kB", (n+500)/1000)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}

// within shows a duration in the largest unit that leaves few wrong: 259199 s
// are 3 days.
func within(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d.Round(24*time.Hour)/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d.Round(time.Hour)/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d.Round(time.Minute)/time.Minute)
	default:
		return fmt.Sprintf("%d seconds", d/time.Second)
	}
}
