package mail

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"cellpost/ingress"
	"cellpost/pdu"
	"cellpost/pdu/smart"
)

// Kinds of objects that Convert makes.
const (
	Ringtone     = "ringtone"
	Picture      = "picture"
	OperatorLogo = "logo"
	CallerLogo   = "clilogo"
	Card         = "vcard"
	Appointment  = "vcalendar"
)

// Makes says what an attachment can be made into, "" for nothing: images are
// pictures. A text file is a melody if it reads like one.
func Makes(a Attachment) string {
	ext := strings.ToLower(path.Ext(a.Name))
	switch {
	case a.Data == nil:
		return ""
	case a.Type == "text/vcard", a.Type == "text/x-vcard", a.Type == "text/directory", ext == ".vcf":
		return Card
	case a.Type == "text/calendar", a.Type == "text/x-vcalendar", ext == ".ics", ext == ".vcs":
		return Appointment
	case a.Type == "audio/x-rtttl", a.Type == "audio/rtttl", a.Type == "text/rtttl", ext == ".rtttl", ext == ".rtx", ext == ".ott":
		return Ringtone
	case a.Type == "text/plain", ext == ".txt":
		if _, err := smart.ReadRingtone(a.Data); err == nil {
			return Ringtone
		}
	}
	switch strings.TrimPrefix(a.Type, "image/") {
	case "png", "gif", "jpeg", "jpg", "pjpeg", "bmp", "x-bmp", "x-ms-bmp", "x-windows-bmp":
		return Picture
	}
	switch ext {
	case ".png", ".gif", ".jpg", ".jpeg", ".bmp":
		return Picture
	}
	return ""
}

// Convert makes of an attachment what a handset takes. remarks say in words what
// the object is and what did not come with it. The error says what is wrong with the
// file.
func Convert(a Attachment, kind string) (c ingress.Content, remarks string, err error) {
	if a.Data == nil {
		return c, "", errors.New("it is too large, or its encoding is broken")
	}
	var o smart.Object
	var lost []smart.Remark
	switch kind {
	case Ringtone:
		o, err = smart.ReadRingtone(a.Data)
	case Picture:
		o, err = smart.ReadPicture(a.Data, "")
	case CallerLogo:
		o, err = smart.ReadCLILogo(a.Data)
	case OperatorLogo:
		return logo(a)
	case Card:
		o, lost, err = smart.VCard(a.Data)
	case Appointment:
		o, lost, err = smart.VCalendar(a.Data)
	default:
		err = fmt.Errorf("nothing can be made of %s", a)
	}
	if err != nil {
		return c, "", err
	}
	return content(o), describe(kind, a, lost), nil
}

// logo makes an operator logo of an image, which names no network.
func logo(a Attachment) (c ingress.Content, remarks string, err error) {
	const width, height = 72, 14
	b, err := smart.ReadImage(a.Data, width, height)
	if err != nil {
		return c, "", err
	}
	ota, err := b.AppendBinary(nil)
	if err != nil {
		return c, "", err
	}
	c = content(smart.Object{Port: smart.PortOperatorLogo, Data: ota})
	c.Logo = true
	return c, describe(OperatorLogo, a, nil), nil
}

func content(o smart.Object) ingress.Content {
	return ingress.Content{Header: []pdu.IE{pdu.Ports{Dest: o.Port, Bits: 16}.IE()}, Data: o.Data}
}

func describe(kind string, a Attachment, lost []smart.Remark) string {
	words := kind + " of " + a.String()
	for _, r := range lost {
		words += "; " + r.String()
	}
	return words
}

// String names an attachment for people.
func (a Attachment) String() string {
	if a.Name != "" {
		return a.Name
	}
	return a.Type
}
