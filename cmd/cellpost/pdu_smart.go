package main

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cellpost/pdu"
	"cellpost/pdu/smart"
	"cellpost/pdu/wap"
)

// smartContent is an object for an application of the handset: Smart names
// which, another field has what it is made of. A picture has a text beside.
type smartContent struct {
	Smart     string        `json:"smart"` // ringtone, oplogo, clilogo, picture, vcard, vcalendar or clean
	RTTTL     string        `json:"rtttl"`
	Image     *imageContent `json:"image"`
	MCC       networkDigits `json:"mcc"`
	MNC       networkDigits `json:"mnc"`
	VCard     string        `json:"vcard"`
	VCalendar string        `json:"vcalendar"`
}

// imageContent is a file. What it holds counts, not what Format calls it.
type imageContent struct {
	Format string `json:"format"` // png, bmp, gif or jpeg
	Base64 string `json:"base64"`
}

// networkDigits are an MCC or MNC, in JSON a string, or a number, of which 1 is
// 01.
type networkDigits string

func (d *networkDigits) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(d))
	}
	var n uint16
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("mcc, mnc: %.20s is neither a string of digits nor a number", b)
	}
	*d = networkDigits(fmt.Sprintf("%02d", n))
	return nil
}

// smartObject is an object with what it lost on its way from its source.
type smartObject struct {
	smart.Object
	remarks []string
}

// object makes the object; text is for a picture.
func (c smartContent) object(text string) (o smartObject, err error) {
	var remarks []smart.Remark
	switch c.Smart {
	case "ringtone":
		o.Object, err = smart.ReadRingtone([]byte(c.RTTTL))
	case "oplogo", "clilogo", "picture":
		o.Object, err = c.picture(text)
	case "vcard":
		o.Object, remarks, err = smart.VCard([]byte(c.VCard))
	case "vcalendar":
		o.Object, remarks, err = smart.VCalendar([]byte(c.VCalendar))
	case "clean":
		o.Object = smart.CleanLogo()
	default:
		return o, fmt.Errorf("there is no smart %q; it is ringtone, oplogo, clilogo, picture, vcard, vcalendar or clean", c.Smart)
	}
	if err != nil {
		return o, fmt.Errorf("%s: %w", c.Smart, err)
	}
	for _, r := range remarks {
		o.remarks = append(o.remarks, r.String())
	}
	return o, nil
}

// checkSources refuses what no object is made of, because another kind is asked
// for or none.
func (c smartContent) checkSources() error {
	for _, source := range []struct {
		name  string
		given bool
		kinds string // that are made of it
	}{
		{"rtttl", c.RTTTL != "", "ringtone"},
		{"image", c.Image != nil, "oplogo clilogo picture"},
		{"mcc", c.MCC != "", "oplogo"},
		{"mnc", c.MNC != "", "oplogo"},
		{"vcard", c.VCard != "", "vcard"},
		{"vcalendar", c.VCalendar != "", "vcalendar"},
	} {
		if source.given && !slices.Contains(strings.Fields(source.kinds), c.Smart) {
			return fmt.Errorf("%s is given, and smart is %q; leave it out, or ask for %s", source.name, c.Smart, source.kinds)
		}
	}
	return nil
}

// picture makes an object from an image.
func (c smartContent) picture(text string) (smart.Object, error) {
	if c.Image == nil {
		return smart.Object{}, errors.New("image is missing; it has a format and base64")
	}
	if !slices.Contains([]string{"", "png", "bmp", "gif", "jpeg", "jpg"}, c.Image.Format) {
		return smart.Object{}, fmt.Errorf("image: there is no format %q; it is png, bmp, gif or jpeg", c.Image.Format)
	}
	file, err := base64.StdEncoding.DecodeString(c.Image.Base64)
	if err != nil {
		return smart.Object{}, fmt.Errorf("image: %w", err)
	}
	switch c.Smart {
	case "oplogo":
		return smart.ReadOperatorLogo(file, smart.Network{MCC: string(c.MCC), MNC: string(c.MNC)})
	case "clilogo":
		return smart.ReadCLILogo(file)
	}
	return smart.ReadPicture(file, text)
}

// fromFile puts what a file holds where the kind of object wants it.
func (c *smartContent) fromFile(content []byte) {
	switch c.Smart {
	case "ringtone":
		c.RTTTL = string(content)
	case "vcard":
		c.VCard = string(content)
	case "vcalendar":
		c.VCalendar = string(content)
	default:
		c.Image = &imageContent{Base64: base64.StdEncoding.EncodeToString(content)}
	}
}

// preview is what a message to a port is, for people.
type preview struct {
	name  string // of the application
	lines []string
	png   []byte
	wav   []byte
}

// previewScale is how large a dot is in a preview.
const previewScale = 4

// newPreview shows what the application behind a port gets. Where nothing can
// be made of it, the preview has a name at most.
func newPreview(port uint16, data []byte) preview {
	p := preview{name: pdu.PortName(port)}
	if err := p.read(port, data); err != nil {
		p.lines = []string{err.Error()}
	}
	return p
}

func (p *preview) read(port uint16, data []byte) error {
	var bitmap smart.Bitmap
	var text string // below it
	var warnings pdu.Warnings
	var err error
	switch port {
	case smart.PortRingtone:
		var tone smart.Ringtone
		tone, warnings, err = smart.ParseRingtone(data)
		if err != nil {
			return err
		}
		p.lines, p.wav = []string{tone.RTTTL()}, tone.WAV()
	case smart.PortOperatorLogo:
		if slices.Equal(data, smart.CleanLogo().Data) {
			p.lines = []string{"takes the operator logo away"}
			return nil
		}
		var n smart.Network
		n, bitmap, warnings, err = smart.ParseOperatorLogo(data)
		p.lines = []string{"for the network " + n.String()}
	case smart.PortCLILogo:
		bitmap, warnings, err = smart.ParseCLILogo(data)
	case smart.PortPicture:
		var picture smart.Picture
		picture, warnings, err = smart.ParsePicture(data)
		bitmap, text = picture.Bitmap, picture.Text
	case smart.PortVCard, smart.PortVCalendar:
		p.lines, err = smart.DescribeVObject(data)
	default:
		return p.push(port, data)
	}
	if err != nil {
		return err
	}
	if art := strings.TrimSuffix(bitmap.Art(), "\n"); art != "" {
		p.lines, p.png = append(p.lines, strings.Split(art, "\n")...), bitmap.PNG(previewScale)
	}
	if text != "" {
		p.lines = append(p.lines, strings.Split(text, "\n")...)
	}
	for _, w := range warnings {
		p.lines = append(p.lines, "warning: "+w.Error())
	}
	return nil
}

func (p *preview) push(port uint16, data []byte) error {
	if port != wap.PortPush {
		return nil
	}
	push, warnings, err := wap.Parse(data)
	if err != nil {
		return err
	}
	p.lines = []string{push.String()}
	for _, w := range warnings {
		p.lines = append(p.lines, "warning: "+w.Error())
	}
	return nil
}

// previewOf returns the preview of a whole message; ok is false where it is for
// no application.
func previewOf(j pdu.Joined) (p preview, ok bool) {
	ports, ok := (pdu.UserData{Header: j.Header}).Ports()
	if !ok || j.DCS.Alphabet() != pdu.Octets || j.DCS.Compressed() {
		return p, false
	}
	p = newPreview(ports.Dest, j.Data)
	p.name = cmp.Or(p.name, fmt.Sprintf("port %d", ports.Dest))
	return p, true
}

// write writes the preview to a file, in the format that its name asks for; ok
// is false when the object has none of that kind.
func (p preview) write(file string) (ok bool, err error) {
	var content []byte
	switch strings.ToLower(filepath.Ext(file)) {
	case ".png":
		content = p.png
	case ".wav":
		content = p.wav
	default:
		return false, fmt.Errorf("--preview %s: name a .png for a logo or picture, a .wav for a ringtone", file)
	}
	if content == nil {
		return false, nil
	}
	return true, os.WriteFile(file, content, 0o644)
}

var errNoPreview = errors.New("--preview: there is nothing to draw (.png) or to play (.wav) in the message")
