package smart_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cellpost/pdu"
	"cellpost/pdu/smart"
)

// TestBitmapVectors reads every file of testdata/bitmap: octets of a kind, and
// what they must give. Below an empty line is what the bitmap looks like.
// "canonical: no" says that we write the same otherwise.
func TestBitmapVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/bitmap/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, art := readBitmapVector(t, file)
			octets, err := hex.DecodeString(want["octets"])
			if err != nil {
				t.Fatal(err)
			}
			got, b, again := bitmapFields(octets, want["kind"])
			if want["canonical"] != "no" && want["error"] == "" && want["kind"] != "image" && !bytes.Equal(again, octets) {
				t.Errorf("written as %X", again)
			}
			for _, key := range []string{"error", "network", "size", "text", "warnings"} {
				if got[key] != want[key] {
					t.Errorf("%s: got %s, want %s", key, got[key], want[key])
				}
			}
			if got := trimRight(b.Art()); got != art {
				t.Errorf("looks like\n%s\nwant\n%s", got, art)
			}
		})
	}
}

func readBitmapVector(t testing.TB, file string) (fields map[string]string, art string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, art, _ := strings.Cut(string(text), "\n\n")
	fields = make(map[string]string)
	for line := range strings.Lines(head) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			t.Fatalf("line without a key: %q", line)
		}
		fields[key] = strings.TrimSpace(value)
	}
	return fields, art
}

// trimRight takes the blanks off the end of each line.
func trimRight(art string) string {
	var trimmed strings.Builder
	for line := range strings.Lines(art) {
		fmt.Fprintln(&trimmed, strings.TrimRight(line, " \n"))
	}
	return trimmed.String()
}

// bitmapFields returns what octets hold, as in a vector, and what is written of
// that.
func bitmapFields(octets []byte, kind string) (fields map[string]string, b smart.Bitmap, again []byte) {
	var w pdu.Warnings
	var err error
	fields = make(map[string]string)
	switch kind {
	case "operator":
		var n smart.Network
		n, b, w, err = smart.ParseOperatorLogo(octets)
		if err == nil {
			fields["network"] = n.String()
		}
		o, _ := smart.OperatorLogo(b, n)
		again = o.Data
	case "cli":
		b, w, err = smart.ParseCLILogo(octets)
		o, _ := smart.CLILogo(b)
		again = o.Data
	case "picture":
		var p smart.Picture
		p, w, err = smart.ParsePicture(octets)
		if b = p.Bitmap; p.Text != "" {
			fields["text"] = fmt.Sprintf("%q", p.Text)
		}
		o, _ := p.Object()
		again = o.Data
	case "image":
		b, err = smart.ReadImage(octets, 72, 14)
	default:
		b, w, err = smart.ParseBitmap(octets)
		again, _ = b.AppendBinary(nil)
	}
	if err != nil {
		fields["error"] = err.Error()
		if e, ok := errors.AsType[*pdu.DecodeError](err); ok {
			fields["error"] = fmt.Sprintf("%s at octet %d", e.Field, e.Offset)
		}
		return fields, b, nil
	}
	width, height := b.Size()
	fields["size"] = fmt.Sprintf("%dx%d", width, height)
	var names []string
	for _, warning := range w {
		names = append(names, warning.Field)
	}
	fields["warnings"] = strings.Join(names, " ")
	return fields, b, again
}

// anyBitmap draws a bitmap, often of one colour only.
func anyBitmap(t *rapid.T) smart.Bitmap {
	width := rapid.IntRange(1, 100).Draw(t, "width")
	height := rapid.IntRange(1, 40).Draw(t, "height")
	ink := rapid.SliceOfN(rapid.Bool(), width*height, width*height).Draw(t, "ink")
	b, err := smart.NewBitmap(width, height, func(x, y int) bool { return ink[y*width+x] })
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBitmapRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := anyBitmap(t)
		ota, err := b.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		again, w, err := smart.ParseBitmap(ota)
		if again != b || len(w) > 0 || err != nil {
			t.Fatalf("%X came back as %v, %v, %v", ota, again, w, err)
		}
		for n := range ota {
			if _, _, err := smart.ParseBitmap(ota[:n]); err == nil {
				t.Fatalf("%d of %d octets were enough", n, len(ota))
			}
		}
	})
}

func TestParseBitmap(t *testing.T) {
	for _, c := range []struct{ name, ota, warning, fault string }{
		{"rows are not padded", "00 05 03 01 AAAA", "", ""},
		{"16-bit sizes", "10 0005 0003 01 AAAA", "", ""},
		{"16-bit sizes that are too large", "10 0100 0003 01 AAAA", "", "size at octet 1"},
		{"an animation", "02 05 03 01 AAAA FFFF FFFF", "infofield at octet 0", ""},
		{"surplus", "00 05 03 01 AAAA 00", "bitmap at octet 6", ""},
		{"no depth", "00 05 03 00 AAAA", "depth at octet 3", ""},
		{"four colours", "00 05 03 02 AAAA AAAA", "", "depth at octet 3"},
		{"fields we do not know", "80 00 05 03 01 AAAA", "", "infofield at octet 0"},
		{"no dots", "00 00 03 01", "", "size at octet 1"},
		{"cut in the header", "00 05 03", "", "size at octet 1"},
		{"cut in the wide header", "10 0005 0003", "", "size at octet 1"},
		{"cut in the dots", "00 05 03 01 AA", "", "bitmap at octet 4"},
		{"nothing", "", "", "infofield at octet 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, w, err := smart.ParseBitmap(unhex(t, c.ota))
			if !faultIs(err, c.fault) {
				t.Fatalf("error %v, want %q", err, c.fault)
			}
			if len(w) > 1 || c.warning != "" && len(w) == 0 || len(w) == 1 && !faultIs(w[0], c.warning) {
				t.Errorf("warnings %v, want %q", w, c.warning)
			}
			if got, want := b.Art(), "▀▄▀▄▀\n▀ ▀ ▀\n"; err == nil && got != want {
				t.Errorf("looks like\n%s", got)
			}
		})
	}
}

// faultIs reports whether an error is of a field and octet; "" is no error.
func faultIs(err error, want string) bool {
	if want == "" {
		return err == nil
	}
	return err != nil && strings.HasPrefix(err.Error(), want+": ")
}

// unhex reads hexadecimal digits with blanks between.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBitmapWithoutDots(t *testing.T) {
	var none smart.Bitmap
	if _, err := none.AppendBinary(nil); err == nil {
		t.Error("written")
	}
	if none.Ink(0, 0) || none.Art() != "" || none.PNG(1) != nil {
		t.Error("it looks like something")
	}
	for _, size := range [][2]int{{0, 1}, {1, 0}, {-1, 1}, {256, 1}, {1, 256}} {
		if _, err := smart.NewBitmap(size[0], size[1], none.Ink); err == nil {
			t.Errorf("%v is a bitmap", size)
		}
		if _, err := smart.ReadImage(nil, size[0], size[1]); err == nil {
			t.Errorf("%v is a bitmap", size)
		}
	}
}

func TestPNG(t *testing.T) {
	b, _ := smart.NewBitmap(3, 2, func(x, y int) bool { return x == y })
	for scale, pixels := range map[int]int{-1: 1, 1: 1, 4: 4, 8: 8, 1000: 8} {
		again, err := smart.ReadImage(b.PNG(scale), 3*pixels, 2*pixels)
		want, _ := smart.NewBitmap(3*pixels, 2*pixels, func(x, y int) bool { return b.Ink(x/pixels, y/pixels) })
		if err != nil || again != want {
			t.Errorf("scale %d: %v\n%s", scale, err, again.Art())
		}
	}
}
