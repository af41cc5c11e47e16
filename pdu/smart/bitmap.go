package smart

import (
	"encoding/binary"
	"errors"
	"fmt"

	"cellpost/pdu"
)

// Bitmap is an image of dots that are ink or paper: what Smart Messaging calls
// an OTA bitmap. It never changes, and two are == when they look the same. The
// zero Bitmap has no dots and cannot be sent.
type Bitmap struct {
	width, height int
	dots          string // of AppendBinary, bits after the last dot 0
}

// maxDots is the most dots of a side; an octet counts them.
const maxDots = 255

// NewBitmap makes a bitmap of a size, 1 to 255 dots a side, from a function
// that says which dots are ink. (0, 0) is at the top left.
func NewBitmap(width, height int, ink func(x, y int) bool) (Bitmap, error) {
	if err := checkDots(width, height); err != nil {
		return Bitmap{}, err
	}
	dots := make([]byte, dotOctets(width, height))
	for i := range width * height {
		if ink(i%width, i/width) {
			dots[i/8] |= 0x80 >> (i % 8)
		}
	}
	return Bitmap{width, height, string(dots)}, nil
}

func checkDots(width, height int) error {
	if width < 1 || width > maxDots || height < 1 || height > maxDots {
		return fmt.Errorf("%d x %d dots; a bitmap has 1 to %d a side", width, height, maxDots)
	}
	return nil
}

// dotOctets is how many octets the dots take.
func dotOctets(width, height int) int { return (width*height + 7) / 8 }

// Size returns how many dots the bitmap has.
func (b Bitmap) Size() (width, height int) { return b.width, b.height }

// Ink reports whether a dot is ink. There is none outside of the bitmap.
func (b Bitmap) Ink(x, y int) bool {
	if x < 0 || x >= b.width || y < 0 || y >= b.height {
		return false
	}
	i := y*b.width + x
	return b.dots[i/8]&(0x80>>(i%8)) != 0
}

// AppendBinary appends the OTA bitmap: an infofield of 00, width, height, a
// depth of 1, and the dots row by row, 1 for ink, the first in bit 7. Rows are
// not padded: where the width is no multiple of 8, a row starts inside of an
// octet. The error says that the bitmap has no dots.
func (b Bitmap) AppendBinary(o []byte) ([]byte, error) {
	if b.dots == "" {
		return nil, errors.New("the bitmap has no dots; make one of 1 x 1 at least")
	}
	o = append(o, 0, byte(b.width), byte(b.height), 1)
	return append(o, b.dots...), nil
}

// Bits of an infofield.
const (
	infoAnimations = 0x0F // how many images follow the first
	infoWide       = 0x10 // width and height take two octets each
)

// ParseBitmap reads an OTA bitmap. Of an animation it reads the first image,
// with a warning; images with more than one bit a dot, a palette or compression
// are refused, for no handset is known to take them. The error is a
// [*pdu.DecodeError].
func ParseBitmap(ota []byte) (Bitmap, pdu.Warnings, error) { return parseBitmap(ota, 0) }

// parseBitmap reads the OTA bitmap that starts at an octet of an object and
// ends where it ends.
func parseBitmap(object []byte, at int) (b Bitmap, w pdu.Warnings, err error) {
	if err := checkObject(object); err != nil {
		return b, nil, err
	}
	o := object[at:]
	if len(o) == 0 {
		return b, nil, octetFault("infofield", at, "there is no bitmap")
	}
	info := o[0]
	if info&^(infoAnimations|infoWide) != 0 {
		return b, nil, octetFault("infofield", at, "%02X asks for compression, a palette or further fields; give a plain bitmap, which starts with 00", info)
	}
	head := 4
	if info&infoWide != 0 {
		head = 6
	}
	if len(o) < head {
		return b, nil, octetFault("size", at+1, "the bitmap ends here; it was cut short on its way")
	}
	width, height := int(o[1]), int(o[2])
	if info&infoWide != 0 {
		width, height = int(binary.BigEndian.Uint16(o[1:])), int(binary.BigEndian.Uint16(o[3:]))
	}
	if err := checkDots(width, height); err != nil {
		return b, nil, &pdu.DecodeError{Field: "size", Offset: at + 1, Err: err}
	}
	switch depth := o[head-1]; depth {
	case 1:
	case 0: // so in a widespread example
		w = append(w, octetFault("depth", at+head-1, "0 bits a dot; read as 1"))
	default:
		return b, nil, octetFault("depth", at+head-1, "%d bits a dot; give a bitmap in black and white", depth)
	}
	n := dotOctets(width, height)
	rest := o[head:]
	switch {
	case len(rest) < n:
		return b, nil, octetFault("bitmap", at+head, "%d octets where %d x %d dots take %d; it was cut short on its way", len(rest), width, height, n)
	case info&infoAnimations != 0:
		w = append(w, octetFault("infofield", at, "an animation; only its first image is read"))
	case len(rest) > n:
		w = append(w, octetFault("bitmap", at+head+n, "%d octets too many; ignored", len(rest)-n))
	}
	b, err = NewBitmap(width, height, Bitmap{width, height, string(rest[:n])}.Ink)
	return b, w, err
}
