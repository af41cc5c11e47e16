package wap_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"cellpost/pdu"
	"cellpost/pdu/wap"
)

// checkParse holds Parse to its promises: no panic; an error is a pdu.DecodeError
// inside the push; warnings are few; texts are UTF-8; the line for people is
// short and cannot move a cursor; nothing is shared with the input.
func checkParse(t *testing.T, data []byte) (wap.Push, pdu.Warnings, error) {
	t.Helper()
	own := bytes.Clone(data)
	p, warnings, err := wap.Parse(own)
	if err != nil {
		if e, ok := errors.AsType[*pdu.DecodeError](err); !ok || e.Field == "" || e.Offset < 0 || e.Offset > len(data) {
			t.Fatalf("error %#v", err)
		}
		return p, warnings, err
	}
	if len(warnings) > 32 {
		t.Fatalf("%d warnings", len(warnings))
	}
	for _, w := range warnings {
		if w.Offset < 0 || w.Offset > len(data) || w.Error() == "" {
			t.Fatalf("warning %#v", w)
		}
	}
	line := p.String()
	if len(line) > 8000 || !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		t.Fatalf("line %q", line)
	}
	if si, ok := p.Content.(wap.ServiceIndication); ok && len(si.Text)+len(si.Href)+len(si.ID) > 1<<18 {
		t.Fatalf("%d octets of text", len(si.Text)+len(si.Href)+len(si.ID))
	}
	clear(own)
	if again, _, _ := wap.Parse(data); !reflect.DeepEqual(again, p) {
		t.Fatalf("%+v changed with the input to %+v", again, p)
	}
	return p, warnings, err
}

func FuzzPush(f *testing.F) {
	for _, file := range vectorFiles(f) {
		f.Add(vectorData(f, readVector(f, file)))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkParse(t, data) })
}

// TestCutShort cuts every vector at every octet: once the content type can be
// read there is a value, and a body that ends inside a text or an element is
// warned of.
func TestCutShort(t *testing.T) {
	for _, file := range vectorFiles(t) {
		data := vectorData(t, readVector(t, file))
		read := false
		for n := range data {
			_, _, err := checkParse(t, data[:n])
			if read && err != nil {
				t.Fatalf("%s: %d octets were read, %d are an error: %v", file, n-1, n, err)
			}
			read = err == nil
		}
	}
	p, warnings, err := wap.Parse([]byte("\x01\x06\x01\xAE\x02\x05\x6A\x00\x45\xC6\x0C\x03wap.exam"))
	if si, _ := p.Content.(wap.ServiceIndication); si.Href != "http://wap.exam" || len(warnings) != 2 || err != nil {
		t.Errorf("%+v, %v, %v", p, warnings, err)
	}
}

// TestHostile is about pushes that nobody sends by mistake, and forms of the
// format that no vector has.
func TestHostile(t *testing.T) {
	const si = "000601AE" + "03056A00"
	many := strings.Repeat
	for _, test := range []struct{ name, data, line, warning string }{
		{"deep", si + many("46", 100), "WAP push (service indication)", "Body at octet 24: more than 16 elements deep"},
		{"long text by string table", "000601AE03056A" + "CE20" + many("41", 9999) + "00" + "C6" + many("8300", 10) + "01", "", "Body"},
		{"many attributes", si + "45C6" + many("0A", 5000), "WAP push (service indication)", "Body"},
		{"many values", si + "45C60B" + many("85", 30000), "", "more than 65536 octets of text"},
		{"string beyond the table", si + "45468309", "WAP push (service indication)", "StringTable at octet 12: no string at 9; it has 0 octets"},
		{"public identifier in the table", "000601AE" + "0300006A0141" + "45460341000101", "WAP push (service indication): A", ""},
		{"endless number", "0006" + "8F8F8F8F8F8F", "", "HeadersLen at octet 2: a number of more than 32 bits"},
		{"extension", si + "4546034100C0", "WAP push (service indication): A", "token 0xC0 has no place"},
		{"literal names", "000601AE" + "03056A" + "10" + "696E6469636174696F6E006872656600" + "C400040B036800010341000 1", "WAP push (service indication): A <h>", ""},
		{"entity", si + "4546022A02824C0101", "WAP push (service indication): *Ō", ""},
		{"two-octet characters", "000601AE" + "0305876800" + "4546" + "03005A00FC00000101", "WAP push (service indication): Zü", ""},
		{"unknown character set", "000601AE" + "03057100" + "4546034100" + "0101", "WAP push (service indication): A", "character set 113 is not known"},
		{"latin characters", "000601AE" + "03050400" + "454603E400" + "0101", "WAP push (service indication): ä", ""},
		{"no date", si + "45C60AC302FFFF" + "0103410001 01", "WAP push (service indication): A", `created at octet 4: "FFFF" is no date`},
		{"control characters", si + "454603411B5B4A0D0AE280AE4200" + "0101", "WAP push (service indication): A [J   B", ""},
		{"code page", "000605AE" + "05AF8402" + "02066A0001", "", "Body"},
		{"XML of no kind", "000601AD" + hex.EncodeToString([]byte("<a><b>")), "WAP push (service indication)", "unexpected EOF"},
		{"XML in latin letters", "000601AD" + hex.EncodeToString([]byte("<?xml version='1.0' encoding='ISO-8859-1'?><si><indication>\xE4</indication></si>")), "WAP push (service indication): ä", ""},
		{"XML deep", "000601AD" + hex.EncodeToString([]byte(many("<a>", 100))), "WAP push (service indication)", "more than 16 elements deep"},
		{"text content type", "00060D" + hex.EncodeToString([]byte("Text/Plain;x\x00")) + "41", "WAP push (text/plain), 1 octet", ""},
		{"expiry without an end", "000601BE" + "8C828882" + "8801", "MMS notification", "X-Mms-Expiry"},
		{"expiry of no number", "000601BE" + "8C82" + "880481024142", "MMS notification within 5 hours", ""},
		{"centuries", "000601BE" + "8C82" + "880B8109FFFFFFFFFFFFFFFFFF", "MMS notification", "X-Mms-Expiry"},
		{"year 10000", "000601BE" + "8C86" + "8508FFFFFFFFFFFFFFFF", "MMS delivery report", "Date at octet 7: 18446744073709551615 is no date"},
		{"version and class of its own", "000601BE" + "8C82" + "8D9F" + "8A78797A00", "MMS notification", ""},
		{"sender without a length", "000601BE" + "8C82" + "8941424300" + "8E01018E0400FFFFFF", "MMS notification from ABC, 16.8 MB", ""},
		{"another code page", "000605AE" + "7F1081" + "82" + si[8:] + "01", "", "Body"},
		{"unnamed header and parameter", "00060803AEA181" + "DC8102" + "42" + "03056A00" + "4546034100" + "0101", "WAP push (service indication): A", "Headers"},
		{"attributes of no name", si + "45C67A034100" + "0004" + "F0" + "01034200" + "0101", "WAP push (service indication): B", ""},
		{"extension among attributes", si + "45C640034100", "WAP push (service indication)", "token 0x40 has no place"},
		{"sender hidden", "000601BE" + "8C82" + "890181", "MMS notification", ""},
		{"subject of an unknown set", "000601BE" + "8C82" + "9604F1414200", `MMS notification, "AB"`, "character set 113 is not known"},
		{"too long", many("00", 255*140+1), "", "Type at octet 35700: 35701 octets"},
	} {
		t.Run(test.name, func(t *testing.T) {
			data, err := hex.DecodeString(strings.ReplaceAll(test.data, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			p, warnings, err := checkParse(t, data)
			var said []string
			for _, w := range warnings {
				said = append(said, w.Error())
			}
			if err != nil {
				said = append(said, err.Error())
			}
			if all := strings.Join(said, "\n"); !strings.Contains(all, test.warning) || test.warning == "" && all != "" {
				t.Errorf("warnings: %s\nwanted: %s", all, test.warning)
			}
			if err == nil && test.line != "" && p.String() != test.line {
				t.Errorf("line: %s\nwanted: %s", p, test.line)
			}
		})
	}
}

// TestRead has texts of all kinds come through both forms that carry them.
func TestRead(t *testing.T) {
	text := rapid.String().Filter(func(s string) bool {
		return s != "" && !strings.ContainsRune(s, 0) && strings.TrimSpace(s) == s && s[0] > 31 && s[0] < 127 && len(s) < 200
	})
	rapid.Check(t, func(t *rapid.T) {
		s, href := text.Draw(t, "text"), text.Draw(t, "href")
		si := "\x07\x06\x01\xAE\x02\x05\x6A\x00\x45\xC6\x0B\x03" + href + "\x00\x08\x01\x03" + s + "\x00\x01\x01"
		p, warnings, err := wap.Parse([]byte(si))
		want := wap.ServiceIndication{Text: s, Href: href, Action: "signal-high"}
		if err != nil || len(warnings) > 0 || p.TID != 7 || p.Content != want {
			t.Fatalf("%+v, %v, %v", p.Content, warnings, err)
		}
		subject := "\xEA" + s + "\x00"
		mms := "\x00\x06\x01\xBE\x8C\x82\x96\x1F" + string(rune(len(subject)&0x7F)) + subject
		if len(subject) > 127 {
			mms = "\x00\x06\x01\xBE\x8C\x82\x96\x1F\x81" + string(rune(len(subject)-128)) + subject
		}
		p, warnings, err = wap.Parse([]byte(mms))
		if err != nil || len(warnings) > 0 || p.Content != (wap.MMSNotification{Subject: s}) {
			t.Fatalf("%+v, %v, %v", p.Content, warnings, err)
		}
	})
}

func TestHeaders(t *testing.T) {
	p, _, err := wap.Parse([]byte("\x01\x06\x07\x03\xAE\x81\xEA\xAF\x82\x8D"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ got, want string }{
		{p.Parameter("charset"), "UTF-8"},
		{p.Parameter("MAC"), ""},
		{p.Header("X-WAP-Application-ID"), "x-wap-application:wml.ua"},
		{p.Header("Date"), ""},
	} {
		if test.got != test.want {
			t.Errorf("%q, wanted %q", test.got, test.want)
		}
	}
}

func TestExpiry(t *testing.T) {
	sent := time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC)
	until := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		expiry wap.Expiry
		want   time.Time
		line   string
	}{
		{wap.Expiry{}, time.Time{}, "MMS notification"},
		{wap.Expiry{Until: until}, until, "MMS notification until 2026-11-25"},
		{wap.Expiry{After: 72*time.Hour - time.Second}, sent.Add(72*time.Hour - time.Second), "MMS notification within 3 days"},
		{wap.Expiry{After: 90 * time.Minute}, sent.Add(90 * time.Minute), "MMS notification within 90 minutes"},
		{wap.Expiry{After: time.Second}, sent.Add(time.Second), "MMS notification within 1 seconds"},
	} {
		if got := test.expiry.At(sent); !got.Equal(test.want) {
			t.Errorf("%+v ends at %v, wanted %v", test.expiry, got, test.want)
		}
		if got := (wap.MMSNotification{Expiry: test.expiry}).String(); got != test.line {
			t.Errorf("%s, wanted %s", got, test.line)
		}
	}
	n := wap.MMSNotification{From: "+447912345678/TYPE=PLMN", Size: 23_400, Location: "http://mmsc/1", Expiry: wap.Expiry{Until: until}}
	if got, want := n.String(), "MMS notification from +447912345678, 23 kB, fetch at http://mmsc/1 until 2026-11-25"; got != want {
		t.Errorf("%s, wanted %s", got, want)
	}
}
