package smart_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cellpost/pdu/smart"
)

func TestPictureRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := smart.Picture{Bitmap: anyBitmap(t), Text: rapid.StringN(0, 60, -1).Draw(t, "text")}
		o, err := p.Object()
		if err != nil {
			t.Fatal(err)
		}
		again, w, err := smart.ParsePicture(o.Data)
		if again != p || len(w) > 0 || err != nil {
			t.Fatalf("%X came back as %+v, %v, %v", o.Data, again, w, err)
		}
		for n := range o.Data {
			smart.ParsePicture(o.Data[:n])
		}
	})
}

func TestPictureObject(t *testing.T) {
	dot, _ := smart.NewBitmap(1, 1, func(x, y int) bool { return true })
	const bitmap = "30 02 0005 00010101 80"
	for _, c := range []struct{ name, text, want string }{
		{"no text", "", bitmap},
		{"ISO 8859-1", "Grüße", bitmap + "00 0005 4772FCDF65"},
		{"UCS2", "€ü", bitmap + "01 0004 20AC00FC"},
		{"beyond the first plane", "👩", bitmap + "01 0004 D83DDC69"},
		{"no UTF-8", "\xFF", ""},
		{"120 characters", strings.Repeat("ä", 120), bitmap + "00 0078" + strings.Repeat("E4", 120)},
		{"121 characters", strings.Repeat("ä", 121), ""},
		{"61 pairs of surrogates", strings.Repeat("👩", 61), ""},
	} {
		o, err := smart.Picture{Bitmap: dot, Text: c.text}.Object()
		if (err == nil) != (c.want != "") || !bytes.Equal(o.Data, unhex(t, c.want)) {
			t.Errorf("%s: %X, %v", c.name, o.Data, err)
		}
	}
	if o, err := (smart.Picture{Text: "no image"}).Object(); err == nil {
		t.Errorf("%X", o.Data)
	}
}

func TestParsePicture(t *testing.T) {
	const dot = "02 0005 00010101 80"
	for _, c := range []struct{ name, octets, text, warning, fault string }{
		{"text behind", "30" + dot + "00 0002 6869", "hi", "", ""},
		{"text in front", "30 00 0002 6869" + dot, "hi", "", ""},
		{"two texts", "30 00 0002 6869 01 0002 0041" + dot, "hi", "item at octet 6", ""},
		{"two bitmaps", "30" + dot + "02 0005 00010101 00", "", "item at octet 9", ""},
		{"a ringing tone", "30 03 0001 00" + dot, "", "item at octet 1", ""},
		{"odd UCS2", "30 01 0003 004100" + dot, "A\uFFFD", "text at octet 1", ""},
		{"a long text", "30 00 0079" + strings.Repeat("41", 121) + dot, strings.Repeat("A", 121), "text at octet 1", ""},
		{"surplus in the bitmap", "30 02 0006 00010101 80 00", "", "bitmap at octet 9", ""},
		{"nothing", "", "", "", "version at octet 0"},
		{"another version", "31" + dot, "", "", "version at octet 0"},
		{"no items", "30", "", "", "item at octet 1"},
		{"no bitmap", "30 00 0002 6869", "", "", "item at octet 6"},
		{"cut in an item's head", "30" + dot + "00 00", "", "", "item at octet 9"},
		{"cut in an item", "30" + dot + "00 0002 68", "", "", "item at octet 9"},
		{"a bitmap that is too long for its item", "30 02 0004 00010101 80", "", "", "bitmap at octet 8"},
	} {
		p, w, err := smart.ParsePicture(unhex(t, c.octets))
		if !faultIs(err, c.fault) || p.Text != c.text || (err == nil) != p.Bitmap.Ink(0, 0) {
			t.Errorf("%s: %+v, %v", c.name, p, err)
		}
		if len(w) > 1 || c.warning != "" && len(w) == 0 || len(w) == 1 && !faultIs(w[0], c.warning) {
			t.Errorf("%s: warnings %v, want %q", c.name, w, c.warning)
		}
	}
}

func TestReadPicture(t *testing.T) {
	fields, _ := readBitmapVector(t, "testdata/bitmap/picture-kannel.txt")
	whole := unhex(t, fields["octets"])
	bare := whole[4:]
	b, _, err := smart.ParseBitmap(bare)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		content []byte
		text    string
		want    string
	}{
		{"whole", whole, "", fields["octets"]},
		{"whole, hexadecimal", hexLines(whole), "", fields["octets"]},
		{"bare", bare, "", fields["octets"]},
		{"bare, hexadecimal, with text", hexLines(bare), "hi", fields["octets"] + "00 0002 6869"},
		{"bare, with text", bare, "hi", fields["octets"] + "00 0002 6869"},
		{"bare, 16-bit sizes", append(unhex(t, "10 0048 001C 01"), bare[4:]...), "", "30 02 0102 10 0048 001C 01" + hex.EncodeToString(bare[4:])},
		{"image", b.PNG(1), "", fields["octets"]},
		{"image, with text", b.PNG(2), "hi", fields["octets"] + "00 0002 6869"},
	} {
		o, err := smart.ReadPicture(c.content, c.text)
		if err != nil || o.Port != smart.PortPicture || !bytes.Equal(o.Data, unhex(t, c.want)) {
			t.Errorf("%s: %X, %v", c.name, o.Data, err)
		}
	}
	for _, c := range []struct {
		name    string
		content []byte
		text    string
	}{
		{"nothing", nil, ""},
		{"whole, with another text", whole, "hi"},
		{"whole, hexadecimal, with another text", hexLines(whole), "hi"},
		{"half an octet", hexLines(bare)[1:], ""},
		{"too long with the text", append(bytes.Clone(bare), make([]byte, 255*140-len(bare))...), "hi"},
		{"whole, cut short", whole[:200], ""},
		{"bare, cut short", bare[:200], ""},
		{"bare, far too long", append(bytes.Clone(bare), make([]byte, 1<<16)...), ""},
		{"damaged image", b.PNG(1)[:40], ""},
		{"long text", bare, strings.Repeat("a", 121)},
	} {
		if o, err := smart.ReadPicture(c.content, c.text); err == nil {
			t.Errorf("%s: %X", c.name, o.Data)
		}
	}
}

// FuzzPicture: what is read without a warning can be written, and is then read
// as the same.
func FuzzPicture(f *testing.F) {
	addBitmapVectors(f, "hi")
	f.Add(unhex(f, "30 01 0003 004100 02 0005 00010101 80"), "")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		p, w, err := smart.ParsePicture(data)
		checkOctetFaults(t, data, w, err)
		if err == nil {
			o, err := p.Object()
			if err != nil && len(w) == 0 {
				t.Fatalf("read without a warning, not to be written: %v", err)
			}
			if err == nil {
				again, w, err := smart.ParsePicture(o.Data)
				if err != nil || again != p || len(w) > 0 {
					t.Fatalf("%X came back as %+v, %v, %v", o.Data, again, w, err)
				}
			}
		}
		if o, err := smart.ReadPicture(data, text); err == nil {
			if p, _, err := smart.ParsePicture(o.Data); err != nil || text != "" && p.Text != text {
				t.Fatalf("%X is read as %+v, %v", o.Data, p, err)
			}
		}
	})
}
