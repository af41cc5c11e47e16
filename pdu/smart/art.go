package smart

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"strings"
)

// Art returns the bitmap as text for people: two rows of dots a line, one
// column a dot, drawn with block elements. A logo is 7 lines of 72 columns.
func (b Bitmap) Art() string {
	var art strings.Builder
	for y := 0; y < b.height; y += 2 {
		for x := range b.width {
			art.WriteRune(blockElement(b.Ink(x, y), b.Ink(x, y+1)))
		}
		art.WriteByte('\n')
	}
	return art.String()
}

// blockElement returns the character that shows two dots, one above the other.
func blockElement(upper, lower bool) rune {
	switch {
	case upper && lower:
		return '█'
	case upper:
		return '▀'
	case lower:
		return '▄'
	}
	return ' '
}

// maxPreviewScale keeps the largest preview at 2,040 pixels a side.
const maxPreviewScale = 8

// PNG returns the bitmap as a PNG file, black on white, each dot scale pixels
// wide and high: 1 to 8, what is beyond counts as the nearest. It is nil for
// the zero Bitmap.
func (b Bitmap) PNG(scale int) []byte {
	scale = min(max(scale, 1), maxPreviewScale)
	img := image.NewPaletted(image.Rect(0, 0, b.width*scale, b.height*scale), color.Palette{color.White, color.Black})
	for i := range img.Pix {
		if b.Ink(i%img.Stride/scale, i/img.Stride/scale) {
			img.Pix[i] = 1
		}
	}
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		return nil // an image without pixels; a buffer takes everything
	}
	return file.Bytes()
}
