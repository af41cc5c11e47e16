package ingress

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"cellpost/pdu"
	"cellpost/pdu/smart"
)

// Content is 8-bit data: an object for an application of the handset, or whatever
// its header says.
type Content struct {
	Header []pdu.IE // of each part, see [pdu.SplitOptions]
	Data   []byte
	Logo   bool // an operator logo that names no network: that of the account, or of the SIM that sends, is put in front
}

// NewContent is an object on its way to its port.
func NewContent(o smart.Object) Content {
	return Content{Header: []pdu.IE{pdu.Ports{Dest: o.Port, Bits: 16}.IE()}, Data: o.Data}
}

// NewLogo is an operator logo of which there is an OTA bitmap, and no network.
func NewLogo(ota []byte) Content {
	c := NewContent(smart.Object{Port: smart.PortOperatorLogo, Data: ota})
	c.Logo = true
	return c
}

// rawShown is how much of raw data is shown, in octets.
const rawShown = 40

// Words say what the content is: a ringtone with its title, a picture with its
// text, the lines of a card, or the beginning of the data in hexadecimal digits.
func (c Content) Words() string {
	ports, ok := (pdu.UserData{Header: c.Header}).Ports()
	if ok && len(c.Header) == 1 {
		if words := objectWords(ports.Dest, c); words != "" {
			return words
		}
	}
	words := fmt.Sprintf("%d octets of 8-bit data", len(c.Data))
	if ok {
		words += fmt.Sprintf(" for port %d", ports.Dest)
	}
	words += ": " + strings.ToUpper(hex.EncodeToString(c.Data[:min(len(c.Data), rawShown)]))
	if len(c.Data) > rawShown {
		words += "..."
	}
	return words
}

// objectWords are empty where the data is not what its port takes.
func objectWords(port uint16, c Content) string {
	switch port {
	case smart.PortRingtone:
		if r, _, err := smart.ParseRingtone(c.Data); err == nil {
			return fmt.Sprintf("ringtone %q", r.Title)
		}
	case smart.PortOperatorLogo:
		return logoWords(c)
	case smart.PortCLILogo:
		if b, _, err := smart.ParseCLILogo(c.Data); err == nil {
			return "logo of a caller group, " + dots(b)
		}
	case smart.PortPicture:
		if p, _, err := smart.ParsePicture(c.Data); err == nil {
			return strings.TrimSuffix("picture message, "+dots(p.Bitmap)+": "+p.Text, ": ")
		}
	case smart.PortVCard:
		return cardWords("business card", c.Data)
	case smart.PortVCalendar:
		return cardWords("appointment", c.Data)
	}
	return ""
}

func logoWords(c Content) string {
	if slices.Equal(c.Data, smart.CleanLogo().Data) {
		return "takes the operator logo away"
	}
	if b, _, err := smart.ParseBitmap(c.Data); err == nil && c.Logo {
		return "operator logo, " + dots(b)
	}
	if n, b, _, err := smart.ParseOperatorLogo(c.Data); err == nil {
		return "operator logo for the network " + n.String() + ", " + dots(b)
	}
	return ""
}

// cardShown is how many lines of a card are shown.
const cardShown = 20

func cardWords(what string, data []byte) string {
	lines, err := smart.DescribeVObject(data)
	if err != nil {
		return ""
	}
	return strings.Join(append([]string{what}, lines[:min(len(lines), cardShown)]...), "\n")
}

func dots(b smart.Bitmap) string {
	width, height := b.Size()
	return fmt.Sprintf("%d x %d dots", width, height)
}
