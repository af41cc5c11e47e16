package clickatell

import (
	"strconv"
	"time"

	"cellpost/ingress"
	"cellpost/pdu"
)

// order is what a script asks for in all its messages, or a csv line in one.
type order struct {
	kind   string // msg_type
	params ingress.Params
	octets bool     // what is sent is 8-bit data in hexadecimal digits
	header []pdu.IE // udh
	body   template
}

// style is how lines become what is sent.
type style struct {
	newline string // between lines of text
	fields  bool   // #field1# stands for a column
}

// newOrder reads what holds for a message. The order is that of the checks which
// clients see.
func newOrder(get source, body []bodyLine, s style) (order, error) {
	var o order
	if err := o.numbers(get); err != nil {
		return o, err
	}
	if err := o.setKind(get); err != nil {
		return o, err
	}
	if err := o.setBody(get("udh"), body, s); err != nil {
		return o, err
	}
	return o, o.times(get)
}

// numbers reads the parameters that are numbers, and those that are taken as they stand.
func (o *order) numbers(get source) error {
	p := &o.params
	p.From, p.ClientID = get("from"), get("climsgid")
	var err error
	number := func(key string, low, high int) (n int) {
		if err == nil {
			n, err = get.number(key, low, high)
		}
		return n
	}
	p.Concat = number("concat", 1, 255)
	p.Priority = number("queue", 1, 3)
	p.Escalate = number("escalate", 0, ingress.EscalateMax)
	p.Validity = time.Duration(number("validity", 1, int(ingress.ValidityMax/time.Minute))) * time.Minute
	p.Unicode = number("unicode", 0, 1) == 1
	o.octets = number("binary", 0, 1) == 1
	number("mo", 0, 1)
	// Accounts may ask for a report of every message; here is what the script
	// asks for. Callbacks go to an address that is set for the account; there
	// is none to set yet.
	ack := number("deliv_ack", 0, 1) == 1
	p.Report = number("callback", 0, 7) != 0 || ack
	if err == nil {
		err = get.features()
	}
	if err == nil {
		p.MaxPrice, err = get.maxCredits()
	}
	if err == nil && !ingress.IsClientID(p.ClientID) {
		err = bad("climsgid: up to 32 letters and digits")
	}
	return err
}

// setKind reads msg_type, and what does not go with it.
func (o *order) setKind(get source) error {
	o.kind = get("msg_type")
	if o.kind == typeRTTTL {
		o.kind = typeRTTL
	}
	udh := get("udh") != ""
	switch {
	case o.kind == typeText || o.kind == "":
		o.kind = ""
	case o.kind != typeFlash && !isObject(o.kind):
		return ingress.Refuse(ingress.CodeType, "msg_type: there is no such type, see SMS_TEXT, SMS_FLASH and the SMS_NOKIA_ ones")
	case udh:
		return ingress.Refuse(ingress.CodeType, "msg_type makes the header by itself: leave udh out")
	case o.kind == typeFlash:
		o.params.Flash = true
	case o.params.Unicode:
		return ingress.Refuse(ingress.CodeType, "unicode goes with SMS_TEXT and SMS_FLASH")
	}
	o.octets = o.octets && !isObject(o.kind) || udh
	if o.octets && o.params.Unicode {
		return bad("unicode:1 is for text; leave it out with udh or binary")
	}
	return nil
}

// setBody reads udh and what is sent.
func (o *order) setBody(udh string, body []bodyLine, s style) error {
	if (o.octets || isObject(o.kind)) && mixed(body) {
		return bad("text and data: 8-bit content is in one of them")
	}
	if udh != "" {
		octets, err := decodeHex(udh)
		if err == nil {
			o.header, err = pdu.ParseHeader(octets)
		}
		if err != nil {
			return ingress.Refuse(ingress.CodeHeader, words(err))
		}
	}
	var err error
	o.body, err = newTemplate(body, s, o.coding())
	return err
}

// coding says how lines are written.
func (o *order) coding() coding {
	switch {
	case o.params.Unicode:
		return codedUTF16
	case o.octets, isObject(o.kind) && !isCard(o.kind):
		return codedOctets
	}
	return codedText
}

// mixed reports whether there is something in both text and data.
func mixed(body []bodyLine) bool {
	var text, data bool
	for _, l := range body {
		text = text || l.key != "data" && l.value != ""
		data = data || l.key == "data"
	}
	return text && data
}

// times reads when a message is to leave.
func (o *order) times(get source) error {
	delay, err := get.number("deliv_time", 0, int(ingress.DelayMax/time.Minute))
	if err != nil {
		return ingress.Refuse(ingress.CodeDelay, "deliv_time: 0 to 10080 minutes")
	}
	o.params.Delay = time.Duration(delay) * time.Minute
	o.params.At, err = scheduledTime(get("scheduled_time"))
	o.params.FarIsNow = !o.params.At.IsZero()
	return err
}

// scheduledTime reads a time as their HTTP API has it: seconds since 1970, or date
// and time with Z for UTC. Their Z may also stand for an offset ("+0200"): that is
// taken, too. A time without a zone is anybody's guess, and refused.
func scheduledTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if seconds, err := strconv.ParseUint(s, 10, 63); err == nil && seconds > 0 {
		return time.Unix(int64(min(seconds, maxSeconds)), 0).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, ingress.Refuse(ingress.CodeDelay, "scheduled_time: 1790000000 or 2026-09-21T14:13:20Z")
}

// maxSeconds is in the year 9999: later times are not known apart from it.
const maxSeconds = 253402300799
