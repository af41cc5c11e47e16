package smart_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/bits"
	"os"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"pgregory.net/rapid"

	"cellpost/pdu/smart"
)

// imageOf draws a bitmap in two colours.
func imageOf(b smart.Bitmap, paper, ink color.Color) *image.Paletted {
	width, height := b.Size()
	img := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{paper, ink})
	for i := range img.Pix {
		if b.Ink(i%width, i/width) {
			img.Pix[i] = 1
		}
	}
	return img
}

// imageFiles returns an image as a file of each kind that keeps it as it is.
func imageFiles(t interface{ Fatal(...any) }, img *image.Paletted) map[string][]byte {
	files := map[string][]byte{"BMP, 1 bit": bmpFile(img, 1), "BMP, 4 bits": bmpFile(img, 4)}
	for kind, encode := range map[string]func(b *bytes.Buffer) error{
		"PNG":         func(b *bytes.Buffer) error { return png.Encode(b, img) },
		"GIF":         func(b *bytes.Buffer) error { return gif.Encode(b, img, nil) },
		"BMP, 8 bits": func(b *bytes.Buffer) error { return bmp.Encode(b, img) },
	} {
		var file bytes.Buffer
		if err := encode(&file); err != nil {
			t.Fatal(kind, err)
		}
		files[kind] = file.Bytes()
	}
	return files
}

// bmpFile writes a BMP of 1 or 4 bits a pixel, which nothing in Go does.
func bmpFile(img *image.Paletted, depth int) []byte {
	le := binary.LittleEndian
	size, row := img.Rect.Size(), (img.Rect.Dx()*depth+31)/32*4
	offset := 14 + 40 + 4*len(img.Palette)
	f := []byte("BM")
	f = le.AppendUint32(f, uint32(offset+row*size.Y))
	f = le.AppendUint32(f, 0)
	f = le.AppendUint32(f, uint32(offset))
	for _, v := range []int{40, size.X, size.Y, 1 | depth<<16, 0, row * size.Y, 2835, 2835, len(img.Palette), 0} {
		f = le.AppendUint32(f, uint32(v))
	}
	for _, c := range img.Palette {
		r, g, b, _ := c.RGBA()
		f = append(f, byte(b), byte(g), byte(r), 0)
	}
	for y := size.Y - 1; y >= 0; y-- {
		line := make([]byte, row)
		for x := range size.X {
			at := x * depth
			line[at/8] |= img.ColorIndexAt(x, y) << (8 - depth - at%8)
		}
		f = append(f, line...)
	}
	return f
}

// TestReadImageExact holds images of the right size and two colours to their
// dots, whatever the file and the colours.
func TestReadImageExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := anyBitmap(t)
		width, height := b.Size()
		for kind, file := range imageFiles(t, imageOf(b, color.White, color.Black)) {
			if again, err := smart.ReadImage(file, width, height); again != b {
				t.Fatalf("%s: %v\n%s\nwant\n%s", kind, err, again.Art(), b.Art())
			}
		}
	})
}

func TestReadImageColours(t *testing.T) {
	b, _ := smart.NewBitmap(72, 14, func(x, y int) bool { return x%7 == 1+y%3 })
	full, _ := smart.NewBitmap(72, 14, func(x, y int) bool { return true })
	none, _ := smart.NewBitmap(72, 14, func(x, y int) bool { return false })
	yellow, navy, grey := color.RGBA{255, 255, 0, 255}, color.RGBA{0, 0, 128, 255}, color.Gray{0xEE}
	for _, c := range []struct {
		name       string
		paper, ink color.Color
		bitmap     smart.Bitmap
		want       smart.Bitmap
	}{
		{"yellow on navy: the darker is ink", navy, yellow, b, bitmapInverse(b)},
		{"grey on white", color.White, grey, b, b},
		{"red on green, of the same brightness", color.RGBA{0, 131, 0, 255}, color.RGBA{253, 0, 11, 255}, b, b},
		{"black on nothing", color.Transparent, color.Black, b, b},
		{"white on nothing", color.Transparent, color.White, b, none},
		{"black alone", color.White, color.Black, full, full},
		{"white alone", color.White, color.Black, none, none},
		{"navy alone", color.White, navy, full, full},
		{"yellow alone", color.White, yellow, full, none},
	} {
		var file bytes.Buffer
		if err := png.Encode(&file, imageOf(c.bitmap, c.paper, c.ink)); err != nil {
			t.Fatal(err)
		}
		if got, err := smart.ReadImage(file.Bytes(), 72, 14); got != c.want {
			t.Errorf("%s: %v\n%s", c.name, err, got.Art())
		}
	}
}

// bitmapInverse returns the bitmap with ink and paper exchanged.
func bitmapInverse(b smart.Bitmap) smart.Bitmap {
	width, height := b.Size()
	inverse, _ := smart.NewBitmap(width, height, func(x, y int) bool { return !b.Ink(x, y) })
	return inverse
}

func TestReadImageOtherSizes(t *testing.T) {
	small, _ := smart.NewBitmap(20, 10, func(x, y int) bool { return x == y || x == 19 })
	frame, _ := smart.NewBitmap(72, 28, func(x, y int) bool { return x < 2 || y < 2 || x > 69 || y > 25 })
	for _, c := range []struct {
		name string
		file []byte
		ink  func(x, y int) bool
	}{
		{"smaller: in the middle", small.PNG(1), func(x, y int) bool { return small.Ink(x-26, y-2) }},
		{"twice as high: 36 x 14 in the middle", frame.PNG(1), func(x, y int) bool {
			return 18 <= x && x < 54 && (x == 18 || x == 53 || y == 0 || y == 13)
		}},
		{"a hair: one dot wide", hair(t), func(x, y int) bool { return x == 35 }},
	} {
		want, _ := smart.NewBitmap(72, 14, c.ink)
		if got, err := smart.ReadImage(c.file, 72, 14); got != want {
			t.Errorf("%s: %v\n%s", c.name, err, got.Art())
		}
	}
}

// hair is an image of 2 x 4,000 black pixels.
func hair(t *testing.T) []byte {
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 2, 4000))); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// photograph has a ramp from black to white behind a ball, in whole numbers, so
// that it is the same on every machine.
func photograph() *image.Gray {
	img := image.NewGray(image.Rect(0, 0, 72, 28))
	for i := range img.Pix {
		x, y := i%72, i/72
		img.Pix[i] = uint8(x * 255 / 71)
		if dx, dy := x-36, y-14; dx*dx+dy*dy < 144 {
			img.Pix[i] = uint8(160 - 6*dx - 6*dy)
		}
	}
	return img
}

func TestReadImageDithers(t *testing.T) {
	golden, err := os.ReadFile("testdata/bitmap/dithered.golden")
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := png.Encode(&file, photograph()); err != nil {
		t.Fatal(err)
	}
	b, err := smart.ReadImage(file.Bytes(), 72, 28)
	if err != nil {
		t.Fatal(err)
	}
	if got := trimRight(b.Art()); got != string(golden) {
		t.Errorf("looks like\n%s\nwant\n%s", got, golden)
	}
}

// TestReadImageJPEG has no exact dots to go by: black on white stays about that.
func TestReadImageJPEG(t *testing.T) {
	half, _ := smart.NewBitmap(72, 14, func(x, y int) bool { return x < 32 })
	var file bytes.Buffer
	if err := jpeg.Encode(&file, imageOf(half, color.White, color.Black), nil); err != nil {
		t.Fatal(err)
	}
	if b, err := smart.ReadImage(file.Bytes(), 72, 14); b != half {
		t.Errorf("%v\n%s", err, b.Art())
	}
}

// TestReadImageGIF: the first of many frames counts, where it is on its screen.
func TestReadImageGIF(t *testing.T) {
	palette := color.Palette{color.White, color.Black}
	frame := image.NewPaletted(image.Rect(70, 12, 72, 14), palette)
	frame.Pix = bytes.Repeat([]byte{1}, 4)
	film := gif.GIF{Config: image.Config{ColorModel: palette, Width: 72, Height: 14}}
	for range 300 {
		film.Image = append(film.Image, frame)
		film.Delay = append(film.Delay, 0)
		frame = image.NewPaletted(image.Rect(0, 0, 72, 14), palette)
	}
	var file bytes.Buffer
	if err := gif.EncodeAll(&file, &film); err != nil {
		t.Fatal(err)
	}
	want, _ := smart.NewBitmap(72, 14, func(x, y int) bool { return x >= 70 && y >= 12 })
	if b, err := smart.ReadImage(file.Bytes(), 72, 14); b != want {
		t.Errorf("%v\n%s", err, b.Art())
	}
}

// pngFile writes a PNG of 1 bit a pixel that claims a size, with so many octets
// of zeros for its pixels.
func pngFile(width, height uint32, octets int) []byte {
	var pixels bytes.Buffer
	z := zlib.NewWriter(&pixels)
	z.Write(make([]byte, octets))
	z.Close()
	head := binary.BigEndian.AppendUint32(nil, width)
	head = binary.BigEndian.AppendUint32(head, height)
	file := []byte("\x89PNG\r\n\x1a\n")
	for _, chunk := range []struct {
		kind string
		data []byte
	}{{"IHDR", append(head, 1, 0, 0, 0, 0)}, {"IDAT", pixels.Bytes()}, {"IEND", nil}} {
		file = binary.BigEndian.AppendUint32(file, uint32(len(chunk.data)))
		body := append([]byte(chunk.kind), chunk.data...)
		file = append(file, body...)
		file = binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(body))
	}
	return file
}

// bmpHead is the start of a BMP with a size, a depth and colours in its palette.
func bmpHead(width, height, depth, colours int) []byte {
	le := binary.LittleEndian
	f := append([]byte("BM"), make([]byte, 8)...)
	f = le.AppendUint32(f, uint32(14+40+4*colours))
	for _, v := range []int{40, width, height, 1 | depth<<16, 0, 0, 0, 0, colours, 0} {
		f = le.AppendUint32(f, uint32(v))
	}
	return append(f, make([]byte, 4*colours)...)
}

func TestReadImageHostile(t *testing.T) {
	logo, _ := smart.NewBitmap(72, 14, func(x, y int) bool { return x > y })
	files := imageFiles(t, imageOf(logo, color.White, color.Black))
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, photograph(), nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		file  []byte
		fault string
	}{
		{"nothing", nil, "known kind"},
		{"text", []byte("hello"), "known kind"},
		{"WebP", []byte("RIFF\x00\x00\x00\x00WEBP"), "known kind"},
		{"large file", append(bytes.Clone(files["PNG"]), make([]byte, 4<<20)...), "scale it down"},
		{"PNG of 2^31 pixels a side", pngFile(1<<31-1, 1<<31-1, 1), "save the image again"},
		{"PNG bomb", pngFile(60000, 60000, 1<<20), "scale it"},
		{"PNG too large by a row", pngFile(2048, 2049, 1), "scale it"},
		{"PNG with too many pixels in it", pngFile(72, 14, 1<<20), "save the image again"},
		{"GIF of a large screen", append([]byte("GIF89a"), 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0), "scale it"},
		{"BMP of a large size", bmpHead(1<<20, 1<<20, 1, 2), "scale it"},
		{"BMP without pixels", bmpHead(0, 14, 1, 2), "scale it"},
		{"BMP of a negative width", bmpHead(-72, 14, 1, 2), "save the image again"},
		{"BMP that ends early", bmpHead(72, 14, 1, 2), "save the image again"},
		{"JPEG of many scans", append(photo.Bytes(), bytes.Repeat([]byte{0xFF, 0xDA}, 101)...), "save the image again"},
		{"BMP with colours that it lacks", append(bmpHead(72, 14, 8, 2), bytes.Repeat([]byte{9}, 72*14)...), ""},
		{"PNG with surplus", append(bytes.Clone(files["PNG"]), "more"...), ""},
	} {
		_, err := smart.ReadImage(c.file, 72, 14)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	files["JPEG"] = photo.Bytes()
	for kind, file := range files {
		for n := range file {
			b, err := smart.ReadImage(file[:n], 72, 14)
			if width, _ := b.Size(); (err == nil) != (width == 72) {
				t.Fatalf("%s, %d octets: %v", kind, n, err)
			}
		}
	}
}

// TestReadImageRamp: the brighter a grey, the less ink.
func TestReadImageRamp(t *testing.T) {
	last := 0
	for level := 0; level < 256; level += 15 {
		img := image.NewGray(image.Rect(0, 0, 144, 28))
		for i := range img.Pix {
			img.Pix[i] = uint8(level)
		}
		img.Pix[0], img.Pix[1] = 0, 255 // more than two colours
		var file bytes.Buffer
		if err := png.Encode(&file, img); err != nil {
			t.Fatal(err)
		}
		b, err := smart.ReadImage(file.Bytes(), 72, 14)
		if err != nil {
			t.Fatal(err)
		}
		ota, _ := b.AppendBinary(nil)
		paper := 0
		for _, octet := range ota[4:] {
			paper += 8 - bits.OnesCount8(octet)
		}
		if paper < last-10 {
			t.Errorf("level %d: %d dots of paper after %d", level, paper, last)
		}
		last = paper
	}
	if last < 72*14-10 {
		t.Errorf("%d dots of paper in a white image", last)
	}
}

// FuzzImage reads any file as an image: it is refused with words, or gives a
// bitmap of the size asked for.
func FuzzImage(f *testing.F) {
	logo, _ := smart.NewBitmap(20, 7, func(x, y int) bool { return x > y })
	for _, file := range imageFiles(f, imageOf(logo, color.White, color.Black)) {
		f.Add(file, byte(72), byte(14))
	}
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, photograph(), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(photo.Bytes(), byte(72), byte(28))
	f.Add(append(bmpHead(72, 14, 8, 2), bytes.Repeat([]byte{9}, 72*14)...), byte(1), byte(255))
	f.Fuzz(func(t *testing.T, file []byte, width, height byte) {
		b, err := smart.ReadImage(file, int(width), int(height))
		if err != nil {
			if b != (smart.Bitmap{}) || !strings.Contains(err.Error(), "; ") {
				t.Fatalf("%v, %v", b, err)
			}
			return
		}
		if w, h := b.Size(); w != int(width) || h != int(height) {
			t.Fatalf("%d x %d dots, want %d x %d", w, h, width, height)
		}
		again, err := smart.ReadImage(b.PNG(1), int(width), int(height))
		if err != nil || again != b {
			t.Fatalf("%v: came back as\n%s", err, again.Art())
		}
	})
}
