package smart

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"slices"

	"golang.org/x/image/bmp"
	"golang.org/x/image/draw"
)

// Bounds on what an image may cost, checked before it is decoded.
const (
	maxImageFile   = 4 << 20 // octets
	maxImageSide   = 4096    // pixels
	maxImagePixels = 4 << 20 // of 20 octets at worst while a JPEG is decoded
	maxImageScans  = 100     // of a JPEG, each a pass over all its pixels; about 10 are usual
)

// imageFormat is a kind of image file and how its files start.
type imageFormat struct {
	name   string
	magic  string
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

// sniffImage tells by its first octets what kind of image a file is; ok is
// false when it is none. No OTA bitmap and nothing with one starts so.
func sniffImage(file []byte) (f imageFormat, ok bool) {
	for _, f := range []imageFormat{
		{"PNG", "\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode},
		{"GIF", "GIF87a", gif.DecodeConfig, gif.Decode},
		{"GIF", "GIF89a", gif.DecodeConfig, gif.Decode},
		{"JPEG", "\xFF\xD8\xFF", jpeg.DecodeConfig, jpeg.Decode},
		{"BMP", "BM", bmp.DecodeConfig, bmp.Decode},
	} {
		if bytes.HasPrefix(file, []byte(f.magic)) {
			return f, true
		}
	}
	return imageFormat{}, false
}

// ReadImage makes a bitmap of a size, 1 to 255 dots a side, from a PNG, GIF
// (its first frame), JPEG or BMP file (uncompressed); the name of the file does
// not matter. What is transparent becomes paper.
//
// An image of at most two colours, the darker of which is ink, is kept dot for
// dot and put into the middle if it fits. Any other is scaled to fit, in the
// middle, and dithered unless it has two colours only. A single colour is ink
// when it is nearer to black.
//
// The error says what is wrong with the file and what to do: it is no image,
// damaged, above 4 MiB, 4,096 pixels a side or 4 million pixels in all.
func ReadImage(file []byte, width, height int) (Bitmap, error) {
	if err := checkDots(width, height); err != nil {
		return Bitmap{}, err
	}
	img, err := decodeImage(file)
	if err != nil {
		return Bitmap{}, err
	}
	dark, light, two := twoColours(img)
	size := img.Bounds().Size()
	if two && size.X <= width && size.Y <= height {
		at := centreDots(size, width, height)
		return NewBitmap(width, height, func(x, y int) bool {
			p := image.Pt(x, y)
			return p.In(at) && overWhite(img.At(x-at.Min.X, y-at.Min.Y)) == dark
		})
	}
	grey := scaleImage(img, width, height)
	if two {
		middle := (brightness(dark) + brightness(light)) / 2
		return NewBitmap(width, height, func(x, y int) bool { return brightness(grey.At(x, y)) < middle })
	}
	dots := ditherImage(grey)
	return NewBitmap(width, height, func(x, y int) bool { return dots.ColorIndexAt(x, y) == 1 })
}

// decodeImage decodes an image file, (0, 0) at its top left.
func decodeImage(file []byte) (image.Image, error) {
	if len(file) > maxImageFile {
		return nil, fmt.Errorf("an image file of %d octets; scale it down, %d are allowed", len(file), maxImageFile)
	}
	f, ok := sniffImage(file)
	if !ok {
		return nil, errors.New("no image file of a known kind; give PNG, GIF, JPEG or BMP")
	}
	c, err := f.config(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("a damaged %s: %w; save the image again, as PNG", f.name, err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxImageSide || c.Height > maxImageSide || c.Width*c.Height > maxImagePixels {
		return nil, fmt.Errorf("an image of %d x %d pixels; scale it to the size of the handset's display", c.Width, c.Height)
	}
	if scans := bytes.Count(file, []byte{0xFF, 0xDA}); scans > maxImageScans && file[0] == 0xFF {
		return nil, fmt.Errorf("a JPEG of about %d scans; save the image again, as PNG", scans)
	}
	img, err := f.decode(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("a damaged %s: %w; save the image again, as PNG", f.name, err)
	}
	if p, ok := img.(*image.Paletted); ok {
		// A BMP may use colours that its palette lacks.
		p.Palette = slices.Concat(p.Palette, slices.Repeat(color.Palette{color.Black}, 256-len(p.Palette)))
	}
	canvas := image.Rect(0, 0, c.Width, c.Height)
	if img.Bounds() == canvas {
		return img, nil
	}
	// The frame of a GIF may cover a part only.
	whole := image.NewRGBA(canvas)
	draw.Draw(whole, img.Bounds(), img, img.Bounds().Min, draw.Src)
	return whole, nil
}

// twoColours returns the colours of an image when they are two at most. Of a
// single one the other is black or white, whichever is farther.
func twoColours(img image.Image) (dark, light color.RGBA64, ok bool) {
	r := img.Bounds()
	dark = overWhite(img.At(0, 0))
	light = dark
	for y := range r.Dy() {
		for x := range r.Dx() {
			c := overWhite(img.At(x, y))
			switch {
			case c == dark || c == light:
			case dark == light:
				light = c
			default:
				return dark, light, false
			}
		}
	}
	switch {
	case dark == light && brightness(dark) < 0x8000:
		light = overWhite(color.White)
	case dark == light:
		dark = overWhite(color.Black)
	case brightness(dark) >= brightness(light): // the same: the corner is paper
		dark, light = light, dark
	}
	return dark, light, true
}

// overWhite returns what is seen of a colour on white paper.
func overWhite(c color.Color) color.RGBA64 {
	r, g, b, a := c.RGBA()
	paper := 0xFFFF - a
	return color.RGBA64{R: uint16(r + paper), G: uint16(g + paper), B: uint16(b + paper), A: 0xFFFF}
}

// brightness returns how bright a colour is seen, 0 to 0xFFFF.
func brightness(c color.Color) int { return int(color.Gray16Model.Convert(c).(color.Gray16).Y) }

// scaleImage returns the image in the middle of so many dots of white paper.
func scaleImage(img image.Image, width, height int) *image.Gray {
	grey := image.NewGray(image.Rect(0, 0, width, height))
	draw.Draw(grey, grey.Rect, image.White, image.Point{}, draw.Src)
	draw.CatmullRom.Scale(grey, fitDots(img.Bounds().Size(), width, height), img, img.Bounds(), draw.Over, nil)
	return grey
}

// ditherImage returns the image in two colours, white and black. The contrast is
// raised before, by half: with so few dots, strokes of a drawing come out whole
// that way and photographs lose little. Ordered dithering frays both.
func ditherImage(grey *image.Gray) *image.Paletted {
	for i, level := range grey.Pix {
		grey.Pix[i] = uint8(min(max((int(level)-128)*3/2+128, 0), 255))
	}
	dots := image.NewPaletted(grey.Rect, color.Palette{color.White, color.Black})
	draw.FloydSteinberg.Draw(dots, dots.Rect, grey, image.Point{})
	return dots
}

// fitDots returns where an image goes that is scaled until it touches two sides.
func fitDots(size image.Point, width, height int) image.Rectangle {
	if size.X*height > size.Y*width {
		return centreDots(image.Pt(width, max(1, size.Y*width/size.X)), width, height)
	}
	return centreDots(image.Pt(max(1, size.X*height/size.Y), height), width, height)
}

// centreDots returns the middle of so many dots.
func centreDots(size image.Point, width, height int) image.Rectangle {
	corner := image.Pt((width-size.X)/2, (height-size.Y)/2)
	return image.Rectangle{corner, corner.Add(size)}
}
