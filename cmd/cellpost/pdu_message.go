package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"cellpost/pdu"
)

// message is what to encode. One of Text, Data, TextUTF16BE, TextBytes and
// Smart says it; a smart picture has a text beside.
type message struct {
	Dest        string  `json:"dest"`
	Text        *string `json:"text"`
	Data        *string `json:"data"`         // hex; goes as 8-bit data
	TextUTF16BE *string `json:"text_utf16be"` // hex
	TextBytes   *string `json:"text_bytes"`   // hex of UTF-8
	smartContent
	Params messageParams `json:"params"`
}

// messageParams is how to encode it: "params" of a request, and the flags of
// the verb. What has a zero of its own is a pointer; nil asks for nothing.
type messageParams struct {
	Encoding         string   `json:"encoding" help:"Alphabet: auto, gsm7, ucs2 or 8bit." enum:",auto,gsm7,ucs2,8bit" default:"" placeholder:"NAME"`
	MWI              *mwiView `json:"mwi" kong:"-"` // message waiting, in TP-DCS
	Class            *int     `json:"class" help:"Message class, 0 to 3; 0 is shown at once." placeholder:"N"`
	StatusReport     bool     `json:"status_report" help:"Ask for a status report."`
	ValidityMinutes  *int64   `json:"validity_minutes" kong:"-"`
	ValiditySeconds  *int64   `json:"validity_seconds" kong:"-"` // enhanced TP-VP
	Once             bool     `json:"once" help:"Have the service centre try one time only (an enhanced TP-VP)."`
	ValidityAbsolute string   `json:"validity_absolute" name:"validity-until" help:"End of the validity, as 2026-11-22T18:00:00+01:00." placeholder:"TIME"`
	UDH              string   `json:"udh" name:"udh" help:"User data header with its length octet." placeholder:"HEX"`
	DestPort         *int     `json:"dest_port" help:"Application port of the recipient." placeholder:"N"`
	SrcPort          *int     `json:"src_port" help:"Application port of the sender; default 0." placeholder:"N"`
	PortBits         *int     `json:"port_bits" help:"Width of the ports, 8 or 16; default 16." placeholder:"N"`
	ConcatRef        int      `json:"concat_ref" name:"ref" help:"Reference of a message of several parts; default 0." placeholder:"N"`
	ConcatRefBits    *int     `json:"concat_ref_bits" name:"ref-bits" help:"Width of the reference, 8 or 16; default 8." placeholder:"N"`
	NLLocking        int      `json:"nl_locking" help:"National locking shift table by its number: 1 Turkish, 3 Portuguese, 4 to 13." placeholder:"N"`
	NLSingle         int      `json:"nl_single" help:"National single shift table: 1 Turkish, 2 Spanish, 3 Portuguese, 4 to 13." placeholder:"N"`
	Languages        []string `json:"languages" name:"language" help:"National tables that may be used where they save parts, as turkish,spanish." placeholder:"NAME"`
	Transliterate    bool     `json:"transliterate" help:"Replace what gsm7 lacks by what it has, where all of it can be."`
	PID              int      `json:"pid" name:"pid" help:"TP-PID, 0 to 255." placeholder:"N"`
	ReplyPath        bool     `json:"reply_path" help:"Set TP-RP."`
	RejectDuplicates bool     `json:"reject_duplicates" help:"Set TP-RD."`
	SMSC             string   `json:"smsc" name:"smsc" help:"Number of the service centre; default: that of the SIM." placeholder:"NUMBER"`
	MaxParts         *int     `json:"max_parts" help:"Refuse what takes more parts; default 255." placeholder:"N"`
}

// encoded is a message as TPDUs.
type encoded struct {
	pdu.Segments
	smsc  []byte // 00 for that of the SIM
	tpdus [][]byte

	text    string      // as it was given; empty for octets
	strays  []pdu.Stray // what made it ucs2 where it might have been gsm7
	remarks []string    // what a smart object lost
}

// encode returns the TPDUs of the message, with TP-MR 00. The errors name the
// field that cannot be sent.
func (m message) encode() (encoded, error) {
	template, err := m.Params.submit()
	if err != nil {
		return encoded{}, err
	}
	if m.Dest == "" {
		return encoded{}, errors.New("dest is missing; it is the number to send to")
	}
	if template.Destination, err = parseNumber(m.Dest); err != nil {
		return encoded{}, fmt.Errorf("dest: %w", err)
	}
	var e encoded
	if e.smsc, err = m.Params.smsc(); err != nil {
		return encoded{}, err
	}
	if err = m.split(&e); err != nil {
		return encoded{}, err
	}
	if err = m.Params.addWaiting(&e); err != nil {
		return encoded{}, err
	}
	template.DCS = e.DCS
	for _, part := range e.Parts {
		template.UserData = part
		tpdu, err := template.AppendBinary(nil)
		if err != nil {
			return encoded{}, err
		}
		e.tpdus = append(e.tpdus, tpdu)
	}
	return e, nil
}

// split cuts the content into parts.
func (m message) split(e *encoded) error {
	o, err := m.Params.splitOptions()
	if err != nil {
		return err
	}
	if err := m.checkContent(); err != nil {
		return err
	}
	if m.Smart != "" {
		return m.splitSmart(e, o)
	}
	text, data, err := m.content()
	switch {
	case err != nil:
		return err
	case data == nil:
	case o.Alphabet == pdu.GSM7:
		return errors.New("data is octets, and encoding gsm7 is for characters; give text, or leave encoding out")
	case o.Alphabet == pdu.UCS2:
		if text, err = decodeUTF16(data); err != nil {
			return fmt.Errorf("data with encoding ucs2: %w", err)
		}
	default:
		text, o.Alphabet = string(data), pdu.Octets
	}
	e.Segments, err = pdu.Split(text, o)
	if o.Alphabet != pdu.Octets {
		e.text = text
	}
	if o.Alphabet == pdu.Auto && err == nil && e.DCS.Alphabet() == pdu.UCS2 {
		e.strays = o.Strays(text)
	}
	return err
}

// splitSmart makes the object of the message and cuts it into parts. Its port
// is known.
func (m message) splitSmart(e *encoded, o pdu.SplitOptions) error {
	if o.Alphabet != pdu.Auto && o.Alphabet != pdu.Octets {
		return errors.New("smart objects are octets; leave encoding out")
	}
	if _, has := (pdu.UserData{Header: o.Header}).Ports(); has {
		return errors.New("smart objects have a port of their own; leave dest_port, and ports in udh, out")
	}
	text := ""
	if m.Text != nil {
		text = *m.Text
	}
	object, err := m.object(text)
	if err != nil {
		return err
	}
	e.remarks = object.remarks
	e.Segments, err = object.Split(o)
	return err
}

// checkContent refuses a message without a content, or with two.
func (m message) checkContent() error {
	given := 0
	for _, field := range []*string{m.Text, m.Data, m.TextUTF16BE, m.TextBytes} {
		if field != nil {
			given++
		}
	}
	if m.Smart == "picture" && m.Text != nil {
		given--
	}
	if m.Smart != "" {
		given++
	}
	switch {
	case given != 1:
		return fmt.Errorf("%d of text, data, text_utf16be, text_bytes and smart are given; give one", given)
	case m.Text != nil && len(*m.Text) > maxText:
		return fmt.Errorf("a text of %d octets; 255 parts hold much less, give %d at most", len(*m.Text), maxText)
	}
	return m.checkSources()
}

// content returns the text of the message, or the octets of its data, which are
// nil when it has a text.
func (m message) content() (text string, data []byte, err error) {
	switch {
	case m.Text != nil:
		return *m.Text, nil, nil
	case m.Data != nil:
		data, err = fieldHex("data", *m.Data)
	case m.TextUTF16BE != nil:
		text, err = fieldText("text_utf16be", *m.TextUTF16BE, decodeUTF16)
	default:
		text, err = fieldText("text_bytes", *m.TextBytes, decodeUTF8)
	}
	return text, data, err
}

// fieldHex reads a field of hex; its octets are never nil.
func fieldHex(name, digits string) ([]byte, error) {
	octets, err := parseHex(digits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return octets, nil
}

func fieldText(name, digits string, decode func([]byte) (string, error)) (string, error) {
	octets, err := fieldHex(name, digits)
	if err != nil {
		return "", err
	}
	text, err := decode(octets)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

func decodeUTF8(b []byte) (string, error) {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return "", fmt.Errorf("octet %d is no UTF-8", i)
		}
		i += size
	}
	return string(b), nil
}

// decodeUTF16 reads UTF-16, big-endian, strictly.
func decodeUTF16(b []byte) (string, error) {
	if len(b)%2 != 0 {
		return "", fmt.Errorf("%d octets; UTF-16 takes two or four a character", len(b))
	}
	text, bad := pdu.DecodeUCS2(b)
	if bad >= 0 {
		return "", fmt.Errorf("octet %d: %X is half a surrogate pair and no character; send both halves", bad, b[bad:bad+2])
	}
	return text, nil
}

// submit returns the TPDU but for its destination and user data.
func (p messageParams) submit() (s pdu.Submit, err error) {
	if err := within("pid", p.PID, 0, 255); err != nil {
		return s, err
	}
	s = pdu.Submit{StatusReport: p.StatusReport, ReplyPath: p.ReplyPath, RejectDuplicates: p.RejectDuplicates, PID: pdu.PID(p.PID)}
	s.Validity, err = p.validity()
	return s, err
}

// validity returns the TP-VP in the format that the fields ask for.
func (p messageParams) validity() (pdu.Validity, error) {
	relative, absolute := p.ValidityMinutes != nil, p.ValidityAbsolute != ""
	enhanced := p.ValiditySeconds != nil || p.Once
	switch {
	case relative && (absolute || enhanced), absolute && enhanced:
		return pdu.Validity{}, errors.New("the validity is given more than once; give one of validity_minutes, validity_absolute, and validity_seconds with or without once")
	case relative:
		return relativeValidity(*p.ValidityMinutes)
	case absolute:
		return absoluteValidity(p.ValidityAbsolute)
	case p.ValiditySeconds == nil:
		return pdu.EnhancedValidity(0, p.Once), nil
	case *p.ValiditySeconds < 1:
		return pdu.Validity{}, fmt.Errorf("validity_seconds %d; it is 1 or more, leave it out for what the service centre has", *p.ValiditySeconds)
	}
	return pdu.EnhancedValidity(time.Duration(min(*p.ValiditySeconds, 60*maxValidity))*time.Second, p.Once), nil
}

// maxValidity is the longest that a relative TP-VP can say, in minutes.
const maxValidity = 63 * 7 * 24 * 60

// relativeValidity returns the longest validity that is not longer than asked,
// see [pdu.RelativeValidity].
func relativeValidity(minutes int64) (pdu.Validity, error) {
	if minutes < 1 {
		return pdu.Validity{}, fmt.Errorf("validity_minutes %d; it is 1 or more, leave it out for what the service centre has", minutes)
	}
	return pdu.RelativeValidity(time.Duration(min(minutes, maxValidity)) * time.Minute), nil
}

func absoluteValidity(s string) (pdu.Validity, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return pdu.Validity{}, fmt.Errorf("validity_absolute %q is no time; write it as 2026-11-22T18:00:00+01:00", s)
	}
	v, err := pdu.AbsoluteValidity(t)
	if err != nil {
		return v, fmt.Errorf("validity_absolute %q: %w", s, err)
	}
	return v, nil
}

// smsc returns the SC address as it stands before a TPDU.
func (p messageParams) smsc() ([]byte, error) {
	if p.SMSC == "" {
		return pdu.AppendSMSC(nil, pdu.Address{})
	}
	a, err := parseNumber(p.SMSC)
	if err != nil {
		return nil, fmt.Errorf("smsc: %w", err)
	}
	return pdu.AppendSMSC(nil, a)
}

// parseNumber reads a number without the letters that a semi-octet could hold:
// nobody dials them, and those that stand in a number are slips.
func parseNumber(number string) (pdu.Address, error) {
	if i := strings.IndexAny(number, "abc"); i >= 0 {
		return pdu.Address{}, fmt.Errorf("%q at octet %d of the number; it is made of digits, * and #, after a + or none", number[i], i)
	}
	return pdu.ParseAddress(number)
}

// mailboxes are those that a TP-DCS can name.
var mailboxes = []pdu.Mailbox{pdu.Voicemail, pdu.FaxMailbox, pdu.EmailMailbox, pdu.OtherMailbox}

// addWaiting puts the message waiting indication into the TP-DCS.
func (p messageParams) addWaiting(e *encoded) (err error) {
	if p.MWI == nil {
		return nil
	}
	if p.MWI.Count != 0 {
		return errors.New("mwi: TP-DCS has no count; put that into udh, as an element 01")
	}
	if p.Class != nil {
		return errors.New("mwi and class are both given, and TP-DCS has room for one; leave either out")
	}
	for _, mailbox := range mailboxes {
		if p.MWI.Type == mailbox.String() {
			e.DCS, err = pdu.WaitingDCS(e.DCS.Alphabet(), pdu.Waiting{Mailbox: mailbox, Active: p.MWI.Active, Store: p.MWI.Store})
			return err
		}
	}
	return fmt.Errorf("mwi: there is no type %q; it is voicemail, fax, email or other", p.MWI.Type)
}

// splitOptions returns how to cut the message.
func (p messageParams) splitOptions() (o pdu.SplitOptions, err error) {
	if o.Alphabet, err = parseEncoding(p.Encoding); err != nil {
		return o, err
	}
	if p.Class != nil {
		if err := within("class", *p.Class, 0, 3); err != nil {
			return o, err
		}
		o.Class = pdu.Class0 + pdu.Class(*p.Class)
	}
	if p.MaxParts != nil {
		if err := within("max_parts", *p.MaxParts, 1, 255); err != nil {
			return o, err
		}
		o.MaxParts = *p.MaxParts
	}
	most, err := widest("concat_ref_bits", p.ConcatRefBits, 8)
	if err != nil {
		return o, err
	}
	if err := within("concat_ref", p.ConcatRef, 0, most); err != nil {
		return o, err
	}
	o.Reference, o.Wide = uint16(p.ConcatRef), most == 0xFFFF
	if err := p.national(&o); err != nil {
		return o, err
	}
	o.Header, err = p.header()
	return o, err
}

// national adds the national tables, and what else makes a text fit gsm7.
func (p messageParams) national(o *pdu.SplitOptions) error {
	if err := errors.Join(within("nl_locking", p.NLLocking, 0, 255), within("nl_single", p.NLSingle, 0, 255)); err != nil {
		return err
	}
	o.Tables = pdu.Tables{Locking: pdu.Language(p.NLLocking), Single: pdu.Language(p.NLSingle)}
	for _, name := range p.Languages {
		l, err := pdu.ParseLanguage(name)
		if err != nil {
			return err
		}
		o.Languages = append(o.Languages, l)
	}
	o.Transliterate = p.Transliterate
	if (o.Alphabet == pdu.UCS2 || o.Alphabet == pdu.Octets) && o.Tables != (pdu.Tables{}) {
		return fmt.Errorf("nl_locking and nl_single are tables of gsm7; leave them out, or encoding %s", encodingName(o.Alphabet))
	}
	return nil
}

// encodings are the names of the alphabets.
var encodings = map[string]pdu.Alphabet{"": pdu.Auto, "auto": pdu.Auto, "gsm7": pdu.GSM7, "ucs2": pdu.UCS2, "8bit": pdu.Octets}

func parseEncoding(name string) (pdu.Alphabet, error) {
	a, ok := encodings[name]
	if !ok {
		return 0, fmt.Errorf("there is no encoding %q; it is auto, gsm7, ucs2 or 8bit", name)
	}
	return a, nil
}

func encodingName(a pdu.Alphabet) string {
	if a == pdu.Octets {
		return "8bit"
	}
	return a.String()
}

// header returns the elements that each part is to have: those of the header
// that was given, then the ports.
func (p messageParams) header() ([]pdu.IE, error) {
	var header []pdu.IE
	if p.UDH != "" {
		octets, err := fieldHex("udh", p.UDH)
		if err != nil {
			return nil, err
		}
		if header, err = pdu.ParseHeader(octets); err != nil {
			return nil, fmt.Errorf("udh: %w", err)
		}
	}
	switch _, has := (pdu.UserData{Header: header}).Ports(); {
	case p.DestPort == nil && p.SrcPort != nil:
		return nil, errors.New("src_port is given without dest_port; give both")
	case p.DestPort == nil && p.PortBits != nil:
		return nil, errors.New("port_bits is given without dest_port; give both")
	case p.DestPort == nil:
		return header, nil
	case has:
		return nil, errors.New("dest_port is given, and udh has ports already; give one")
	}
	ie, err := p.ports()
	return append(header, ie), err
}

func (p messageParams) ports() (pdu.IE, error) {
	most, err := widest("port_bits", p.PortBits, 16)
	if err != nil {
		return pdu.IE{}, err
	}
	ports := pdu.Ports{Bits: 16}
	if most == 0xFF {
		ports.Bits = 8
	}
	src := 0
	if p.SrcPort != nil {
		src = *p.SrcPort
	}
	if err := errors.Join(within("dest_port", *p.DestPort, 0, most), within("src_port", src, 0, most)); err != nil {
		return pdu.IE{}, err
	}
	ports.Dest, ports.Src = uint16(*p.DestPort), uint16(src)
	return ports.IE(), nil
}

// widest returns the greatest number of a width in bits, nil being the usual one.
func widest(name string, bits *int, usual int) (int, error) {
	if bits == nil {
		bits = &usual
	}
	switch *bits {
	case 8:
		return 0xFF, nil
	case 16:
		return 0xFFFF, nil
	}
	return 0, fmt.Errorf("%s %d; it is 8 or 16", name, *bits)
}

func within(name string, n, least, most int) error {
	if n < least || n > most {
		return fmt.Errorf("%s %d; it is %d to %d", name, n, least, most)
	}
	return nil
}
