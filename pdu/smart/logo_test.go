package smart_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cellpost/pdu"
	"cellpost/pdu/smart"
)

var testNetwork = smart.Network{MCC: "262", MNC: "01"}

// officialLogo is the sample operator logo of an interface description, without
// a network. It must go out octet for octet.
func officialLogo(t testing.TB) []byte {
	fields, _ := readBitmapVector(t, "testdata/bitmap/bitmap-mixed-case.txt")
	return unhex(t, fields["octets"])
}

// hexLines returns octets as people have them in a file: digits of both cases
// on lines that end inside an octet.
func hexLines(octets []byte) []byte {
	text := fmt.Sprintf("%X\t\r\n%x", octets[:len(octets)/2], octets[len(octets)/2:])
	return []byte(text[:5] + "\n " + text[5:] + "\n")
}

func TestNetwork(t *testing.T) {
	for _, c := range []struct{ text, network, octets string }{
		{"26201", "262-01", "62F210"},
		{"262-01", "262-01", "62F210"},
		{"262 01", "262-01", "62F210"},
		{" 262-01\n", "262-01", "62F210"},
		{"310260", "310-260", "130062"},
		{"310-260", "310-260", "130062"},
		{"00101", "001-01", "00F110"},
		{"23410", "234-10", "32F401"}, // Kannel users' list, message 00404
		{"30237", "302-37", "03F273"}, // Kannel developers' list, message 01080
		{"302720", "302-720", "030227"},
	} {
		n, err := smart.ParseNetwork(c.text)
		if err != nil || n.String() != c.network {
			t.Errorf("%q is %v, %v", c.text, n, err)
			continue
		}
		octets, err := n.AppendBinary(nil)
		if got := hex.EncodeToString(octets); !strings.EqualFold(got, c.octets) || err != nil {
			t.Errorf("%s is written as %s, %v; want %s", n, got, err, c.octets)
		}
	}
	for _, text := range []string{"", "262", "2620", "26-201", "262-1", "262-0101", "2620101", "D1", "262-0a", "262-01-1", "-26201", "٢٦٢01"} {
		if n, err := smart.ParseNetwork(text); err == nil {
			t.Errorf("%q is %v", text, n)
		}
		if _, err := (smart.Network{MCC: text}).AppendBinary(nil); err == nil {
			t.Errorf("MCC %q is written", text)
		}
	}
}

func TestReadOperatorLogo(t *testing.T) {
	bare := officialLogo(t)
	front := append(unhex(t, "62F210"), bare...)
	spec := append(unhex(t, "30 62F210 0A"), bare...)
	b, _, err := smart.ParseBitmap(bare)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		content []byte
		network smart.Network
		want    []byte
	}{
		{"bare", bare, testNetwork, front},
		{"bare, 16-bit sizes", append(unhex(t, "10 0048 000E 01"), bare[4:]...), testNetwork,
			append(unhex(t, "62F210 10 0048 000E 01"), bare[4:]...)},
		{"bare, 72 x 21", append(unhex(t, "00 48 15 01 0101"), make([]byte, 187)...), testNetwork,
			append(unhex(t, "62F210 00 48 15 01 0101"), make([]byte, 187)...)},
		{"hexadecimal", []byte("00480e01" + strings.Repeat("\n0fC0", 63)), testNetwork,
			append(unhex(t, "62F210 00480E01"), bytes.Repeat([]byte{0x0F, 0xC0}, 63)...)},
		{"hexadecimal with a network", hexLines(front), smart.Network{}, front},
		{"with a network", front, smart.Network{}, front},
		{"with another network", front, smart.Network{MCC: "310", MNC: "260"}, front},
		{"as specified", spec, smart.Network{}, spec},
		{"with surplus", append(bytes.Clone(front), 0), testNetwork, append(bytes.Clone(front), 0)},
		{"image", b.PNG(1), testNetwork, front},
		{"image, three times as large", b.PNG(3), testNetwork, front},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := smart.ReadOperatorLogo(c.content, c.network)
			if err != nil || o.Port != smart.PortOperatorLogo || !bytes.Equal(o.Data, c.want) {
				t.Errorf("%X, %v; want %X", o.Data, err, c.want)
			}
		})
	}
	for _, c := range []struct {
		name    string
		content []byte
		network smart.Network
	}{
		{"nothing", nil, testNetwork},
		{"what removes a logo", []byte{0}, testNetwork},
		{"bare, no network", bare, smart.Network{}},
		{"image, no network", b.PNG(1), smart.Network{}},
		{"damaged image", b.PNG(1)[:40], testNetwork},
		{"cut short", bare[:129], testNetwork},
		{"cut short, with a network", front[:132], testNetwork},
		{"no digits in front", append(unhex(t, "6AF210"), bare...), testNetwork},
		{"too few hexadecimal digits", []byte("00480E01"), testNetwork},
		{"half an octet", hexLines(bare)[1:], testNetwork},
		{"text", []byte("logo"), testNetwork},
		{"too long with the network", append(bytes.Clone(bare), make([]byte, 255*140-len(bare))...), testNetwork},
	} {
		if o, err := smart.ReadOperatorLogo(c.content, c.network); err == nil {
			t.Errorf("%s: %X", c.name, o.Data)
		}
	}
}

// TestObjectsOwnTheirData changes what an object was made of.
func TestObjectsOwnTheirData(t *testing.T) {
	bare := officialLogo(t)
	front := append(unhex(t, "62F210"), bare...)
	dot := unhex(t, "30 02 0005 00010101 80")
	operator, _ := smart.ReadOperatorLogo(front, smart.Network{})
	cli, _ := smart.ReadCLILogo(bare)
	picture, _ := smart.ReadPicture(dot, "")
	front[0], bare[0], dot[0] = 0xFF, 0xFF, 0xFF
	for _, o := range []smart.Object{operator, cli, picture} {
		if o.Data[0] == 0xFF {
			t.Errorf("port %04X: the data is the caller's memory", o.Port)
		}
	}
}

// TestLogoFitsOneMessage holds an operator logo to the octets of one short
// message with the ports in its header.
func TestLogoFitsOneMessage(t *testing.T) {
	o, err := smart.ReadOperatorLogo(officialLogo(t), testNetwork)
	if err != nil || len(o.Data)+7 != 140 {
		t.Errorf("%d octets, %v", len(o.Data), err)
	}
}

func TestReadCLILogo(t *testing.T) {
	bare := officialLogo(t)
	versioned := append([]byte{0x30}, bare...)
	b, _, err := smart.ParseBitmap(bare)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ content, want []byte }{
		"bare":         {bare, bare},
		"with version": {versioned, versioned},
		"hexadecimal":  {hexLines(versioned), versioned},
		"image":        {b.PNG(1), bare},
	} {
		o, err := smart.ReadCLILogo(c.content)
		if err != nil || o.Port != smart.PortCLILogo || !bytes.Equal(o.Data, c.want) {
			t.Errorf("%s: %X, %v", name, o.Data, err)
		}
	}
	for name, content := range map[string][]byte{
		"nothing": nil, "version alone": {0x30}, "cut short": bare[:129], "half an octet": hexLines(bare)[1:], "damaged image": b.PNG(1)[:40],
	} {
		if o, err := smart.ReadCLILogo(content); err == nil {
			t.Errorf("%s: %X", name, o.Data)
		}
	}
}

func TestCleanLogo(t *testing.T) {
	o := smart.CleanLogo()
	if o.Port != 0x1582 || !bytes.Equal(o.Data, []byte{0}) {
		t.Errorf("%+v", o)
	}
	if _, _, _, err := smart.ParseOperatorLogo(o.Data); err == nil {
		t.Error("it holds a logo")
	}
}

func TestLogoOfNothing(t *testing.T) {
	if o, err := smart.OperatorLogo(smart.Bitmap{}, testNetwork); err == nil {
		t.Errorf("%X", o.Data)
	}
	if o, err := smart.CLILogo(smart.Bitmap{}); err == nil {
		t.Errorf("%X", o.Data)
	}
}

// FuzzLogo reads octets as each kind of logo. What can be read can be written,
// and is then read as the same.
func FuzzLogo(f *testing.F) {
	addBitmapVectors(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		n, b, w, err := smart.ParseOperatorLogo(data)
		checkOctetFaults(t, data, w, err)
		if err == nil {
			o, err := smart.OperatorLogo(b, n)
			n2, b2, w, err2 := smart.ParseOperatorLogo(o.Data)
			if err != nil || err2 != nil || n2 != n || b2 != b || len(w) > 0 {
				t.Errorf("%X, %v came back as %v, %v, %v", o.Data, err, n2, w, err2)
			}
		}
		b, w, err = smart.ParseCLILogo(data)
		checkOctetFaults(t, data, w, err)
		if err == nil {
			o, err := smart.CLILogo(b)
			b2, w, err2 := smart.ParseCLILogo(o.Data)
			if err != nil || err2 != nil || b2 != b || len(w) > 0 {
				t.Errorf("%X, %v came back as %v, %v", o.Data, err, w, err2)
			}
		}
		if o, err := smart.ReadOperatorLogo(data, testNetwork); err == nil {
			if _, _, _, err := smart.ParseOperatorLogo(o.Data); err != nil {
				t.Errorf("%X cannot be read: %v", o.Data, err)
			}
		}
	})
}

// addBitmapVectors seeds a fuzz target with octets of testdata/bitmap and
// the same further arguments for all.
func addBitmapVectors(f *testing.F, args ...any) {
	for _, name := range []string{"operator-kannel", "operator-specification", "operator-gif-inside", "cli-kannel",
		"cli-version-and-surplus", "bitmap-mixed-case", "picture-kannel", "picture-empty-text", "picture-text-first"} {
		fields, _ := readBitmapVector(f, "testdata/bitmap/"+name+".txt")
		f.Add(append([]any{unhex(f, fields["octets"])}, args...)...)
	}
}

// checkOctetFaults holds warnings and an error to their form.
func checkOctetFaults(t *testing.T, data []byte, w pdu.Warnings, err error) {
	if err != nil {
		e, ok := errors.AsType[*pdu.DecodeError](err)
		if !ok || len(w) > 0 {
			t.Fatalf("error %#v, warnings %v", err, w)
		}
		w = pdu.Warnings{e}
	}
	for _, e := range w {
		if e.Field == "" || e.Offset < 0 || e.Offset > len(data) {
			t.Fatalf("fault %#v", e)
		}
	}
}
