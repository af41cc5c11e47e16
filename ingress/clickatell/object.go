package clickatell

import (
	"fmt"
	"strings"

	"cellpost/ingress"
	"cellpost/pdu/smart"
)

// Values of msg_type. They are case-sensitive. HTTP API specification 2.3.8, 5.2.15.
const (
	typeText     = "SMS_TEXT"
	typeFlash    = "SMS_FLASH"
	typeRingtone = "SMS_NOKIA_RINGTONE"
	typeRTTL     = "SMS_NOKIA_RTTL"
	typeRTTTL    = "SMS_NOKIA_RTTTL" // what clients made of it
	typeOLogo    = "SMS_NOKIA_OLOGO"
	typeGLogo    = "SMS_NOKIA_GLOGO"
	typePicture  = "SMS_NOKIA_PICTURE"
	typeClean    = "SMS_NOKIA_CLEAN"
	typeVCard    = "SMS_NOKIA_VCARD"
	typeVCal     = "SMS_NOKIA_VCAL"
)

// isObject reports whether a msg_type is one of an object for an application of
// the handset.
func isObject(kind string) bool {
	switch kind {
	case typeRingtone, typeRTTL, typeOLogo, typeGLogo, typePicture, typeClean, typeVCard, typeVCal:
		return true
	}
	return false
}

// isCard reports whether the object is written as text, line by line.
func isCard(kind string) bool { return kind == typeVCard || kind == typeVCal }

// load makes of the text of a message what is sent: the text, or the content and
// what it is in words, and what was left out of it. What is empty stays so: that is
// for the gate to refuse.
func (o order) load(text string) (string, *ingress.Content, []string, error) {
	switch {
	case !o.octets && !isObject(o.kind):
		return text, nil, nil, nil
	case strings.TrimSpace(text) == "" && o.kind != typeClean:
		return "", nil, nil, nil
	case o.octets:
		data, err := decodeHex(text)
		if err != nil && o.header != nil {
			return "", nil, nil, ingress.Refuse(ingress.CodeHeader, "what goes with udh: "+words(err))
		}
		if err != nil {
			return "", nil, nil, bad("what goes with binary: " + words(err))
		}
		c := &ingress.Content{Header: o.header, Data: data}
		return c.Words(), c, nil, nil
	}
	c, remarks, err := makeObject(o.kind, text)
	if err != nil {
		return "", nil, nil, bad(o.kind + ": " + words(err))
	}
	return c.Words(), &c, remarks, nil
}

// makeObject makes the object of a msg_type: of hexadecimal digits, a melody, a card
// or an appointment.
func makeObject(kind, text string) (c ingress.Content, remarks []string, err error) {
	var o smart.Object
	var left []smart.Remark
	content := []byte(text)
	switch kind {
	case typeRingtone, typeRTTL:
		o, err = smart.ReadRingtone(content)
	case typeOLogo:
		return operatorLogo(text)
	case typeGLogo:
		o, err = smart.ReadCLILogo(content)
	case typePicture:
		o, err = smart.ReadPicture(content, "")
	case typeClean:
		o = smart.CleanLogo()
		if digits := strings.TrimSpace(text); digits != "" && digits != "00" {
			err = fmt.Errorf("its text is 00")
		}
	case typeVCard:
		o, left, err = smart.VCard(cardText(text))
	case typeVCal:
		o, left, err = smart.VCalendar(cardText(text))
	}
	for _, r := range left[:min(len(left), quotedMax)] {
		remarks = append(remarks, words(r))
	}
	return ingress.NewContent(o), remarks, err
}

// operatorLogo reads a logo with its network, or the OTA bitmap alone.
func operatorLogo(digits string) (ingress.Content, []string, error) {
	octets, err := decodeHex(digits)
	if err != nil {
		return ingress.Content{}, nil, err
	}
	if _, _, bitmapErr := smart.ParseBitmap(octets); bitmapErr == nil {
		return ingress.NewLogo(octets), nil, nil
	} else if _, _, _, err := smart.ParseOperatorLogo(octets); err != nil {
		return ingress.Content{}, nil, bitmapErr
	}
	return ingress.NewContent(smart.Object{Port: smart.PortOperatorLogo, Data: octets}), nil, nil
}

// cardText returns the lines of a card. One that was percent-encoded into text, as
// the XML API's examples are, is decoded.
func cardText(text string) []byte {
	text = strings.TrimSpace(text)
	if !strings.ContainsAny(text, "\r\n") && strings.Contains(strings.ToUpper(text), "%0A") {
		text = decodeURL(text)
	}
	return []byte(text)
}

// wordsMax bounds the words of others in a refusal, in runes.
const wordsMax = 200

// words are those of a fault, on one line.
func words(v any) string {
	return cut(strings.Join(strings.Fields(fmt.Sprint(v)), " "), wordsMax)
}
