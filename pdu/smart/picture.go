package smart

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"

	"cellpost/pdu"
)

// Picture is a picture message: an image with a text.
type Picture struct {
	Bitmap Bitmap // 72 x 28 in handsets of the time
	Text   string // up to 120 characters; may be empty
}

// Dots of a picture in handsets of the time.
const (
	pictureWidth  = 72
	pictureHeight = 28
)

// maxPictureText is how many characters of text handsets take, counted in
// UTF-16: what three short messages have room for in ISO 8859-1.
const maxPictureText = 120

// pictureVersion starts a picture message.
const pictureVersion = 0x30

// Items of a picture message: a kind, a length of 16 bits, and so many octets.
const (
	pictureLatin1 = 0x00
	pictureUCS2   = 0x01
	pictureBitmap = 0x02
)

// pictureItemHeader is how many octets are in front of the content of an item.
const pictureItemHeader = 3

// Object makes the picture message: its version, the OTA bitmap, then the text
// if there is one, in ISO 8859-1 where that holds it, else in UCS2. At 72 x 28
// it takes three short messages, or four with more than 60 characters of UCS2.
// The error is about an empty bitmap or about the text.
func (p Picture) Object() (Object, error) {
	ota, err := p.Bitmap.AppendBinary(nil)
	if err != nil {
		return Object{}, err
	}
	return pictureObject(ota, p.Text)
}

// pictureObject makes the picture message of an OTA bitmap, which [checkObject]
// keeps below what the 16 bits of its length can say.
func pictureObject(ota []byte, text string) (Object, error) {
	data := append(appendPictureItem([]byte{pictureVersion}, pictureBitmap, len(ota)), ota...)
	kind, octets, err := encodePictureText(text)
	if err != nil {
		return Object{}, err
	}
	if len(octets) > 0 {
		data = append(appendPictureItem(data, kind, len(octets)), octets...)
	}
	if err := checkObject(data); err != nil {
		return Object{}, err
	}
	return Object{Port: PortPicture, Data: data}, nil
}

func appendPictureItem(b []byte, kind byte, n int) []byte {
	return binary.BigEndian.AppendUint16(append(b, kind), uint16(n))
}

// encodePictureText returns a text and the kind of item that it is.
func encodePictureText(text string) (kind byte, octets []byte, err error) {
	ucs2, err := pdu.EncodeUCS2(text)
	if err != nil {
		return 0, nil, errors.New("the text of the picture is no UTF-8; convert it")
	}
	if n := len(ucs2) / 2; n > maxPictureText {
		return 0, nil, fmt.Errorf("the text of the picture has %d characters; shorten it to %d", n, maxPictureText)
	}
	latin1 := make([]byte, 0, len(ucs2)/2)
	for i := 0; i < len(ucs2); i += 2 {
		if ucs2[i] != 0 {
			return pictureUCS2, ucs2, nil
		}
		latin1 = append(latin1, ucs2[i+1])
	}
	return pictureLatin1, latin1, nil
}

// ParsePicture reads a picture message, its items in any order. Of several
// bitmaps and several texts it takes the first, and it leaves out items of other
// kinds (ringing tones, names of profiles), with a warning. The error is a
// [*pdu.DecodeError].
func ParsePicture(data []byte) (Picture, pdu.Warnings, error) {
	var p Picture
	var warnings pdu.Warnings
	if err := checkObject(data); err != nil {
		return p, nil, err
	}
	if len(data) == 0 || data[0] != pictureVersion {
		return p, nil, octetFault("version", 0, "no picture message of a known version; it starts with 30")
	}
	var hasBitmap, hasText bool
	for at := 1; at < len(data); {
		item, err := cutPictureItem(data, at)
		if err != nil {
			return Picture{}, nil, err
		}
		end := at + pictureItemHeader + len(item)
		switch kind := data[at]; {
		case kind == pictureBitmap && !hasBitmap:
			hasBitmap = true
			b, w, err := parseBitmap(data[:end], at+pictureItemHeader)
			if err != nil {
				return Picture{}, nil, err
			}
			p.Bitmap, warnings = b, appendWarnings(warnings, w...)
		case (kind == pictureLatin1 || kind == pictureUCS2) && !hasText:
			hasText = true
			p.Text = decodePictureText(kind, item)
			if w := checkPictureText(kind, p.Text, item, at); w != nil {
				warnings = appendWarnings(warnings, w)
			}
		default:
			warnings = appendWarnings(warnings, octetFault("item", at, "another item of kind %02X; left out", kind))
		}
		at = end
	}
	if !hasBitmap {
		return Picture{}, nil, octetFault("item", len(data), "there is no bitmap; add an item of kind 02")
	}
	return p, warnings, nil
}

// cutPictureItem returns the content of the item that starts at an octet.
func cutPictureItem(data []byte, at int) ([]byte, error) {
	rest := data[at:]
	if len(rest) < pictureItemHeader || len(rest)-pictureItemHeader < int(binary.BigEndian.Uint16(rest[1:])) {
		return nil, octetFault("item", at, "the picture message ends inside of it; it was cut short on its way")
	}
	return rest[pictureItemHeader:][:binary.BigEndian.Uint16(rest[1:])], nil
}

func decodePictureText(kind byte, item []byte) string {
	if kind == pictureUCS2 {
		text, _ := pdu.DecodeUCS2(item)
		return text
	}
	return pdu.DecodeLatin1(item)
}

// checkPictureText says what is wrong with a text that was read; nil if
// nothing is.
func checkPictureText(kind byte, text string, item []byte, at int) *pdu.DecodeError {
	if kind == pictureUCS2 && len(item)%2 != 0 {
		return octetFault("text", at, "an odd number of octets; UCS2 takes two a character")
	}
	if n := len(utf16.Encode([]rune(text))); n > maxPictureText {
		return octetFault("text", at, "%d characters where handsets take %d", n, maxPictureText)
	}
	return nil
}

// ReadPicture makes a picture message from what people have: an image file (as
// [ReadImage] takes it, made 72 x 28) or an OTA bitmap, with a text that may be
// empty; or a whole picture message, without a further text. Octets, which may
// be written as hexadecimal digits with white space anywhere, are sent as they
// are, after a look at whether they can be read.
func ReadPicture(content []byte, text string) (Object, error) {
	if _, isImage := sniffImage(content); isImage {
		b, err := ReadImage(content, pictureWidth, pictureHeight)
		if err != nil {
			return Object{}, err
		}
		return Picture{Bitmap: b, Text: text}.Object()
	}
	octets, err := readOctets(content)
	if err != nil {
		return Object{}, fmt.Errorf("no picture: %w", err)
	}
	if len(octets) > 0 && octets[0] == pictureVersion {
		return readWholePicture(octets, text)
	}
	if _, _, err := ParseBitmap(octets); err != nil {
		return Object{}, fmt.Errorf("no picture: %w", err)
	}
	return pictureObject(octets, text)
}

func readWholePicture(octets []byte, text string) (Object, error) {
	if text != "" {
		return Object{}, errors.New("a picture message has its text inside; leave the other out")
	}
	if _, _, err := ParsePicture(octets); err != nil {
		return Object{}, fmt.Errorf("no picture message: %w", err)
	}
	return Object{Port: PortPicture, Data: octets}, nil
}
