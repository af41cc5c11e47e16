package pdu_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cellpost/pdu"
)

// number is a Destination that can be sent.
var number = pdu.Address{TON: pdu.TONInternational, NPI: pdu.NPITelephone, Value: "447700900123"}

func TestSubmitRefuses(t *testing.T) {
	header := func(sizes ...int) (h []pdu.IE) {
		for _, n := range sizes {
			h = append(h, pdu.IE{ID: 0x70, Data: make([]byte, n)})
		}
		return h
	}
	tests := []struct {
		name string
		s    pdu.Submit
		want string // start of the error
	}{
		{"no number", pdu.Submit{}, "TP-DA"},
		{"a name", pdu.Submit{Destination: pdu.Address{TON: pdu.TONAlphanumeric, Value: "Bank"}}, "TP-DA"},
		{"21 digits", pdu.Submit{Destination: pdu.Address{Value: strings.Repeat("1", 21)}}, "TP-DA"},
		{"a plus", pdu.Submit{Destination: pdu.Address{Value: "+44"}}, "TP-DA"},
		{"a letter at the end", pdu.Submit{Destination: pdu.Address{Value: "44x"}}, "TP-DA"},
		{"TON of 4 bits", pdu.Submit{Destination: pdu.Address{TON: 8, Value: "44"}}, "TP-DA"},
		{"NPI of 5 bits", pdu.Submit{Destination: pdu.Address{NPI: 16, Value: "44"}}, "TP-DA"},
		{"161 septets", pdu.Submit{Destination: number, UserData: pdu.UserData{Data: make([]byte, 161)}}, "TP-UD"},
		{"8 bits in a septet", pdu.Submit{Destination: number, UserData: pdu.UserData{Data: []byte{0x80}}}, "TP-UD"},
		{"141 octets", pdu.Submit{Destination: number, DCS: 4, UserData: pdu.UserData{Data: make([]byte, 141)}}, "TP-UD"},
		{"71 characters of UCS2", pdu.Submit{Destination: number, DCS: 8, UserData: pdu.UserData{Data: make([]byte, 142)}}, "TP-UD"},
		{"odd UCS2", pdu.Submit{Destination: number, DCS: 8, UserData: pdu.UserData{Data: make([]byte, 3)}}, "TP-UD"},
		{"header too large", pdu.Submit{Destination: number, UserData: pdu.UserData{Header: header(138)}}, "TP-UD"},
		{"element too large", pdu.Submit{Destination: number, UserData: pdu.UserData{Header: header(256)}}, "TP-UD"},
		{"header and septets", pdu.Submit{Destination: number, UserData: pdu.UserData{Header: header(3), Data: make([]byte, 154)}}, "TP-UD"},
		{"header and octets", pdu.Submit{Destination: number, DCS: 4, UserData: pdu.UserData{Header: header(3), Data: make([]byte, 135)}}, "TP-UD"},
	}
	for _, tt := range tests {
		b, err := tt.s.AppendBinary(nil)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want+":") {
			t.Errorf("%s: got %X, %v; want an error about %s", tt.name, b, err, tt.want)
		}
	}
}

func TestSubmitTakesTheLimits(t *testing.T) {
	element := []pdu.IE{{ID: 0x70, Data: []byte{1, 2, 3}}}
	tests := []struct {
		name string
		dcs  pdu.DCS
		ud   pdu.UserData
		size int // of the TPDU after TP-UDL
	}{
		{"160 septets", 0, pdu.UserData{Data: make([]byte, 160)}, 140},
		{"153 septets and a header", 0, pdu.UserData{Header: element, Data: make([]byte, 153)}, 140},
		{"a header alone", 0, pdu.UserData{Header: element}, 7},
		{"140 octets", 4, pdu.UserData{Data: make([]byte, 140)}, 140},
		{"134 octets and a header", 4, pdu.UserData{Header: element, Data: make([]byte, 134)}, 140},
		{"70 characters of UCS2", 8, pdu.UserData{Data: make([]byte, 140)}, 140},
		{"a header of all", 4, pdu.UserData{Header: []pdu.IE{{ID: 0x70, Data: make([]byte, 137)}}}, 140},
	}
	for _, tt := range tests {
		s := pdu.Submit{Destination: number, DCS: tt.dcs, UserData: tt.ud}
		b, err := s.AppendBinary([]byte("front"))
		const front = len("front") + 2 + 8 + 3 // to TP-UDL: first octet and TP-MR, TP-DA, the rest
		if err != nil || len(b)-front != tt.size || !bytes.HasPrefix(b, []byte("front")) {
			t.Errorf("%s: %d octets of user data, %v; want %d", tt.name, len(b)-front, err, tt.size)
			continue
		}
		if got, w, err := pdu.ParseSubmit(b[len("front"):]); err != nil || len(w) > 0 || !same(got, s) {
			t.Errorf("%s: came back as %+v, %v, %v", tt.name, got, w, err)
		}
	}
}

func TestDeliverRefuses(t *testing.T) {
	at := time.Date(2026, 6, 12, 21, 0, 0, 0, time.UTC)
	tests := []struct {
		name string
		d    pdu.Deliver
		want string
	}{
		{"a name of 12 letters", pdu.Deliver{Originator: pdu.Address{TON: pdu.TONAlphanumeric, Value: "Twelve chars"}}, "TP-OA"},
		{"a name not in the alphabet", pdu.Deliver{Originator: pdu.Address{TON: pdu.TONAlphanumeric, Value: "Банк"}}, "TP-OA"},
		{"the year 1989", pdu.Deliver{Time: at.AddDate(-37, 0, 0)}, "TP-SCTS"},
		{"the year 2090", pdu.Deliver{Time: at.AddDate(64, 0, 0)}, "TP-SCTS"},
		{"a zone of 10 minutes", pdu.Deliver{Time: at.In(time.FixedZone("", 600))}, "TP-SCTS"},
		{"a zone of 20 hours", pdu.Deliver{Time: at.In(time.FixedZone("", -20*3600))}, "TP-SCTS"},
		{"161 septets", pdu.Deliver{UserData: pdu.UserData{Data: make([]byte, 161)}}, "TP-UD"},
	}
	for _, tt := range tests {
		b, err := tt.d.AppendBinary(nil)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want+":") {
			t.Errorf("%s: got %X, %v; want an error about %s", tt.name, b, err, tt.want)
		}
	}
}

func TestAddressStrings(t *testing.T) {
	tests := []struct {
		a           pdu.Address
		str, digits string
	}{
		{number, "+447700900123", "447700900123"},
		{pdu.Address{TON: pdu.TONUnknown, NPI: pdu.NPITelephone, Value: "*100#"}, "*100#", "*100#"},
		{pdu.Address{TON: pdu.TONAlphanumeric, Value: "Bank 24"}, "Bank 24", ""},
		{pdu.Address{TON: pdu.TONInternational}, "", ""},
	}
	for _, tt := range tests {
		if s, d := tt.a.String(), tt.a.Digits(); s != tt.str || d != tt.digits {
			t.Errorf("%+v: got %q, %q; want %q, %q", tt.a, s, d, tt.str, tt.digits)
		}
	}
}

func TestAddressWarnings(t *testing.T) {
	tests := []struct {
		name, address, want string
		warns               bool
	}{
		{"odd", "03 91 21F3", "+123", false},
		{"all characters", "0F 81 2143658709BADCFE", "1234567890*#abc", false},
		{"no fill at the end of an odd one", "03 91 2103", "+123", false},
		{"fill inside", "04 91 2F43", "+234", true},
		{"22 digits", "16 81 2143658709214365870921", "1234567890123456789012", true},
		{"empty", "00 91", "", false},
		{"reserved type", "02 F1 21", "12", false},
		{"name of one letter", "02 D0 41", "A", false},
		{"name of eleven", "14 D0 C1E13038BC4E96CFEDF0", "", false},
	}
	for _, tt := range tests {
		raw, err := hex.DecodeString("04" + strings.ReplaceAll(tt.address, " ", "") + "0000" + "62602112000000" + "00")
		if err != nil {
			t.Fatal(err)
		}
		d, w, err := pdu.ParseDeliver(raw)
		if err != nil || len(w) > 0 != tt.warns || tt.want != "" && d.Originator.String() != tt.want {
			t.Errorf("%s: got %q, %v, %v; want %q, warnings: %v", tt.name, d.Originator, w, err, tt.want, tt.warns)
		}
	}
}

func TestSMSC(t *testing.T) {
	tests := []struct {
		name string
		a    pdu.Address
		want string
	}{
		{"none", pdu.Address{}, "00"},
		{"even", number, "0791447700091032"},
		{"odd", pdu.Address{TON: pdu.TONInternational, NPI: pdu.NPITelephone, Value: "123"}, "039121F3"},
		{"national", pdu.Address{TON: pdu.TONNational, NPI: pdu.NPITelephone, Value: "0123"}, "03A11032"},
	}
	for _, tt := range tests {
		b, err := pdu.AppendSMSC([]byte{0xAA}, tt.a)
		if got := strings.ToUpper(hex.EncodeToString(b)); err != nil || got != "AA"+tt.want {
			t.Errorf("%s: got %s, %v; want AA%s", tt.name, got, err, tt.want)
			continue
		}
		sc, rest, err := pdu.CutSMSC(append(b[1:], 1, 2))
		if err != nil || sc != tt.a || !bytes.Equal(rest, []byte{1, 2}) {
			t.Errorf("%s: read back as %+v, %X, %v", tt.name, sc, rest, err)
		}
	}
	for _, a := range []pdu.Address{
		{TON: pdu.TONInternational},
		{TON: pdu.TONAlphanumeric, Value: "SC"},
		{Value: "+1"},
		{Value: strings.Repeat("1", 21)},
	} {
		if b, err := pdu.AppendSMSC(nil, a); err == nil {
			t.Errorf("%+v: taken as %X", a, b)
		}
	}
}

func TestMessageType(t *testing.T) {
	for fo, want := range map[byte]pdu.MTI{0x04: pdu.MTIDeliver, 0x11: pdu.MTISubmit, 0x06: pdu.MTIStatusReport, 0xE7: pdu.MTIDeliver} {
		if got, err := pdu.MessageType([]byte{fo}); err != nil || got != want {
			t.Errorf("%02X: got %d, %v; want %d", fo, got, err, want)
		}
	}
	_, err := pdu.MessageType(nil)
	if e, ok := errors.AsType[*pdu.DecodeError](err); !ok || e.Error() == "" || e.Unwrap() == nil {
		t.Errorf("nothing: got %v", err)
	}
}

func TestDCS(t *testing.T) {
	tests := []struct {
		d          pdu.DCS
		alphabet   pdu.Alphabet
		class      pdu.Class
		compressed bool
	}{
		{0x00, pdu.GSM7, pdu.NoClass, false},
		{0x03, pdu.GSM7, pdu.NoClass, false}, // class bits without a class
		{0x04, pdu.Octets, pdu.NoClass, false},
		{0x08, pdu.UCS2, pdu.NoClass, false},
		{0x0C, pdu.GSM7, pdu.NoClass, false}, // reserved alphabet
		{0x10, pdu.GSM7, pdu.Class0, false},
		{0x12, pdu.GSM7, pdu.Class2, false},
		{0x15, pdu.Octets, pdu.Class1, false},
		{0x1B, pdu.UCS2, pdu.Class3, false},
		{0x20, pdu.Octets, pdu.NoClass, true},
		{0x38, pdu.Octets, pdu.Class0, true},
		{0x40, pdu.GSM7, pdu.NoClass, false}, // marked for automatic deletion
		{0x54, pdu.Octets, pdu.Class0, false},
		{0x79, pdu.Octets, pdu.Class1, true},
		{0x48, pdu.UCS2, pdu.NoClass, false},
		{0x80, pdu.GSM7, pdu.NoClass, false}, // reserved groups
		{0x94, pdu.GSM7, pdu.NoClass, false},
		{0xB8, pdu.GSM7, pdu.NoClass, false},
		{0xC8, pdu.GSM7, pdu.NoClass, false}, // message waiting, discard
		{0xD8, pdu.GSM7, pdu.NoClass, false}, // message waiting, store
		{0xE8, pdu.UCS2, pdu.NoClass, false}, // message waiting, store, UCS2
		{0xF0, pdu.GSM7, pdu.Class0, false},
		{0xF6, pdu.Octets, pdu.Class2, false},
	}
	for _, tt := range tests {
		if a, class, c := tt.d.Alphabet(), tt.d.Class(), tt.d.Compressed(); a != tt.alphabet || class != tt.class || c != tt.compressed {
			t.Errorf("%02X: got %v, %v, compressed %v; want %v, %v, %v", byte(tt.d), a, class, c, tt.alphabet, tt.class, tt.compressed)
		}
	}
}

func TestTextDCS(t *testing.T) {
	for _, a := range []pdu.Alphabet{pdu.GSM7, pdu.Octets, pdu.UCS2} {
		for class := pdu.NoClass; class <= pdu.Class3; class++ {
			d := pdu.TextDCS(a, class)
			if d.Alphabet() != a || d.Class() != class || d.Compressed() {
				t.Errorf("%v, %v: %02X is %v", a, class, byte(d), d)
			}
		}
	}
	if d := pdu.TextDCS(pdu.Auto, 5); d != 0 {
		t.Errorf("auto, no such class: got %02X, want 00", byte(d))
	}
}

func TestRelativeValidity(t *testing.T) {
	const (
		hour = time.Hour
		day  = 24 * hour
		week = 7 * day
	)
	tests := []struct{ d, want time.Duration }{
		{1, 5 * time.Minute},
		{5 * time.Minute, 5 * time.Minute},
		{10*time.Minute - 1, 5 * time.Minute},
		{10 * time.Minute, 10 * time.Minute},
		{12 * hour, 12 * hour},
		{12*hour + 29*time.Minute, 12 * hour},
		{12*hour + 30*time.Minute, 12*hour + 30*time.Minute},
		{24 * hour, 24 * hour},
		{47 * hour, 24 * hour},
		{2 * day, 2 * day},
		{30 * day, 30 * day},
		{35*day - 1, 30 * day},
		{5 * week, 5 * week},
		{63 * week, 63 * week},
		{1000 * week, 63 * week},
	}
	for _, tt := range tests {
		if got, ok := pdu.RelativeValidity(tt.d).Duration(); !ok || got != tt.want {
			t.Errorf("%v: got %v, %v; want %v", tt.d, got, ok, tt.want)
		}
	}
	for _, d := range []time.Duration{0, -time.Hour} {
		if v := pdu.RelativeValidity(d); v != (pdu.Validity{}) {
			t.Errorf("%v: got %+v, want none", d, v)
		}
	}
	if _, ok := (pdu.Validity{}).Duration(); ok {
		t.Error("no validity has a duration")
	}
}

// TestRelativeValidityValues reads all 256 values back.
func TestRelativeValidityValues(t *testing.T) {
	for value := range 256 {
		s, _, err := pdu.ParseSubmit([]byte{0x11, 0, 2, 0x91, 0x21, 0, 0, byte(value), 0})
		if err != nil {
			t.Fatal(err)
		}
		d, ok := s.Validity.Duration()
		if !ok || pdu.RelativeValidity(d) != s.Validity {
			t.Errorf("%d: %v, %v is written as %+v", value, d, ok, pdu.RelativeValidity(d))
		}
	}
}

func TestEnhancedValidity(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		d    time.Duration
		once bool
		want time.Duration // 0: none
		vp   string        // "": the field is left out
	}{
		{0, false, 0, ""},
		{-1, false, 0, ""},
		{0, true, 0, "40000000000000"},
		{1, false, time.Second, "02010000000000"},
		{90*time.Second + 999*time.Millisecond, false, 90 * time.Second, "025A0000000000"},
		{255 * time.Second, true, 255 * time.Second, "42FF0000000000"},
		{256 * time.Second, false, 256 * time.Second, "03004061000000"},
		{99*time.Hour + 59*time.Minute + 59*time.Second, false, 99*time.Hour + 59*time.Minute + 59*time.Second, "03999595000000"},
		{100 * time.Hour, false, 4 * day, "01AA0000000000"},
		{1000 * day, true, 63 * 7 * day, "41FF0000000000"},
	}
	for _, tt := range tests {
		v := pdu.EnhancedValidity(tt.d, tt.once)
		b, err := pdu.Submit{Destination: number, Validity: v}.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, w, err := pdu.ParseSubmit(b)
		d, _ := got.Validity.Duration()
		if err != nil || len(w) > 0 || d != tt.want || got.Validity.Once() != tt.once || !strings.HasSuffix(fmt.Sprintf("%X", b), "0000"+tt.vp+"00") {
			t.Errorf("%v, %v: %X is %v", tt.d, tt.once, b, got.Validity)
		}
	}
}

func TestAbsoluteValidity(t *testing.T) {
	end := time.Date(2026, 11, 22, 13, 14, 15, 999, time.FixedZone("", -5400))
	v, err := pdu.AbsoluteValidity(end)
	if got, ok := v.Time(); err != nil || !ok || !got.Equal(end.Truncate(time.Second)) || v.String() != "absolute, 2026-11-22T13:14:15-01:30" {
		t.Errorf("got %v, %v, %v", v, ok, err)
	}
	for _, refused := range []time.Time{{}, end.AddDate(-40, 0, 0), end.In(time.FixedZone("", 60))} {
		if v, err := pdu.AbsoluteValidity(refused); err == nil || !strings.HasPrefix(err.Error(), "TP-VP: ") {
			t.Errorf("%v: got %v, %v", refused, v, err)
		}
	}
	for tpdu, want := range map[string]string{
		"19000291210000FFFFFFFFFFFFFF00": "absolute, unreadable FF FF FF FF FF FF FF",
		"090002912100000700000000000000": "enhanced, unreadable 07 00 00 00 00 00 00",
		"090002912100000200000000000000": "enhanced, unreadable 02 00 00 00 00 00 00",
		"0900029121000082005A0000000000": "enhanced, 1m30s",
		"090002912100000000000000000000": "enhanced",
	} {
		b, err := hex.DecodeString(tpdu)
		if err != nil {
			t.Fatal(err)
		}
		s, _, err := pdu.ParseSubmit(b)
		if err != nil || s.Validity.String() != want {
			t.Errorf("%s: got %q, %v; want %q", tpdu, s.Validity, err, want)
		}
		if _, ok := s.Validity.Time(); ok {
			t.Errorf("%s: is a time", tpdu)
		}
	}
}

func TestGSM7(t *testing.T) {
	tests := []struct {
		name    string
		septets string
		text    string
		oneWay  bool // no encoder writes it so
	}{
		{"letters", "hellohello", "hellohello", false},
		{"first and last", "\x00\x7f", "@à", false},
		{"greek", "\x10\x12\x1a", "ΔΦΞ", false},
		{"large cedilla", "\x09", "Ç", false},
		{"extension", "\x1b\x0a\x1b\x14\x1b\x28\x1b\x29\x1b\x2f\x1b\x3c\x1b\x3d\x1b\x3e\x1b\x40\x1b\x65", "\f^{}\\[~]|€", false},
		{"escape at the end", "a\x1b", "a ", true},
		{"escape to nothing", "\x1ba", "a", true},
		{"two escapes", "\x1b\x1ba", " a", true},
		{"eighth bit", "\xe1", "a", true},
	}
	for _, tt := range tests {
		if got := pdu.DecodeGSM7([]byte(tt.septets), pdu.Tables{}); got != tt.text {
			t.Errorf("%s: read as %q, want %q", tt.name, got, tt.text)
		}
		if got, err := pdu.EncodeGSM7(tt.text, pdu.Tables{}); err != nil || !tt.oneWay && string(got) != tt.septets {
			t.Errorf("%s: written as %q, %v; want %q", tt.name, got, err, tt.septets)
		}
	}
	for _, text := range []string{"ç", "\x00", "\x1b", "`", "\u03ff", "\u0400", "ы", "\ufffd", "\xff"} {
		_, err := pdu.EncodeGSM7(text, pdu.Tables{})
		if e, ok := errors.AsType[*pdu.AlphabetError](err); !ok || e.Offset != 0 || e.Error() == "" {
			t.Errorf("%q: got %v, want an AlphabetError", text, err)
		}
	}
}

func TestTextOfOctets(t *testing.T) {
	if got := (pdu.UserData{Data: []byte("A\xe9\xff")}).Text(0x04); got != "Aéÿ" {
		t.Errorf("got %q", got)
	}
}

func TestTimeIsKept(t *testing.T) {
	for _, want := range []time.Time{
		time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2024, 2, 29, 23, 59, 59, 0, time.FixedZone("", 5*3600+45*60)),
		time.Date(2026, 11, 22, 1, 2, 3, 0, time.FixedZone("", -9*3600-30*60)),
		time.Date(2089, 12, 31, 0, 0, 0, 0, time.FixedZone("", 79*900)),
		{},
	} {
		b, err := pdu.Deliver{Originator: number, Time: want}.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		d, w, err := pdu.ParseDeliver(b)
		if err != nil || d.Time.Format(time.RFC3339) != want.Format(time.RFC3339) || len(w) > 0 != want.IsZero() {
			t.Errorf("%v came back as %v, %v, %v", want, d.Time, w, err)
		}
	}
}

func TestTimeOddities(t *testing.T) {
	tests := []struct {
		name, octets, want string // empty: no date
	}{
		{"30 February", "62200300000000", ""},
		{"month 13", "62311100000000", ""},
		{"hour 24", "62602142000000", ""},
		{"second 60", "62602112000600", ""},
		{"no digits", "FFFFFFFFFFFF00", ""},
		{"zone of no digits", "626021120000FF", "2026-06-12T21:00:00Z"},
		{"zone of -79", "6260211200009F", "2026-06-12T21:00:00-19:45"},
	}
	for _, tt := range tests {
		raw, err := hex.DecodeString("04" + "0291210000" + tt.octets + "00")
		if err != nil {
			t.Fatal(err)
		}
		d, w, err := pdu.ParseDeliver(raw)
		got := ""
		if !d.Time.IsZero() {
			got = d.Time.Format(time.RFC3339)
		}
		if err != nil || got != tt.want || len(w) == 0 != (tt.name == "zone of -79") {
			t.Errorf("%s: got %q, %v, %v; want %q", tt.name, got, w, err, tt.want)
		}
	}
}

// TestParsedSharesNoMemory guards what the doc comments promise.
func TestParsedSharesNoMemory(t *testing.T) {
	for _, dcs := range []pdu.DCS{0x00, 0x04, 0x08} {
		want := pdu.Deliver{Originator: number, DCS: dcs, UserData: pdu.UserData{
			Header: []pdu.IE{{ID: pdu.IEConcat8, Data: []byte{7, 2, 1}}},
			Data:   []byte("ab"),
		}}
		b, err := want.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := pdu.ParseDeliver(b)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			b[i] = 0xFF
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("DCS %02X: got %+v, want %+v", dcs, got, want)
		}
	}
}

func drawUserData(t *rapid.T, d pdu.DCS) pdu.UserData {
	var u pdu.UserData
	for range rapid.IntRange(0, 3).Draw(t, "elements") {
		u.Header = append(u.Header, drawElement(t))
	}
	switch d.Alphabet() {
	case pdu.GSM7:
		u.Data = rapid.SliceOfN(rapid.ByteRange(0, 0x7F), 0, 130).Draw(t, "septets")
	case pdu.UCS2:
		data, err := pdu.EncodeUCS2(rapid.StringN(0, 27, -1).Draw(t, "text"))
		if err != nil {
			t.Fatal(err)
		}
		u.Data = data
	default:
		u.Data = rapid.SliceOfN(rapid.Byte(), 0, 110).Draw(t, "octets")
	}
	return u
}

// drawElement draws one that is known and well formed, or one that is neither.
func drawElement(t *rapid.T) pdu.IE {
	ie := pdu.IE{ID: rapid.ByteRange(0x26, 0xFF).Draw(t, "id"), Data: rapid.SliceOfN(rapid.Byte(), 0, 6).Draw(t, "element")}
	return rapid.SampledFrom([]pdu.IE{
		ie, ie,
		pdu.Concat{Reference: 300, Total: 3, Seq: 2, Bits: 16}.IE(),
		pdu.Concat{Reference: 3, Total: 255, Seq: 255}.IE(),
		pdu.Ports{Dest: 0x1581, Bits: 16}.IE(), pdu.Ports{Dest: 226}.IE(),
		pdu.Waiting{Active: true, Count: 3}.IE(),
		{ID: pdu.IESingle, Data: []byte{1}}, {ID: pdu.IELocking, Data: []byte{3}},
	}).Draw(t, "element or a known one")
}

func TestSubmitComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dcs := pdu.DCS(rapid.Byte().Draw(t, "dcs"))
		want := pdu.Submit{
			RejectDuplicates: rapid.Bool().Draw(t, "rd"),
			ReplyPath:        rapid.Bool().Draw(t, "rp"),
			StatusReport:     rapid.Bool().Draw(t, "srr"),
			Reference:        rapid.Byte().Draw(t, "mr"),
			Destination: pdu.Address{
				TON:   pdu.TON(rapid.SampledFrom([]byte{0, 1, 2, 3, 4, 6, 7}).Draw(t, "ton")),
				NPI:   pdu.NPI(rapid.ByteRange(0, 15).Draw(t, "npi")),
				Value: rapid.StringMatching(`[0-9*#abc]{1,20}`).Draw(t, "da"),
			},
			PID:      pdu.PID(rapid.Byte().Draw(t, "pid")),
			DCS:      dcs,
			Validity: pdu.RelativeValidity(time.Duration(rapid.Int64Range(0, int64(70*7*24*time.Hour)).Draw(t, "vp"))),
			UserData: drawUserData(t, dcs),
		}
		b, err := want.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, w, err := pdu.ParseSubmit(b)
		if err != nil || len(w) > 0 || !same(got, want) {
			t.Fatalf("%+v came back as %+v, %v, %v", want, got, w, err)
		}
		again, err := got.AppendBinary(nil)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%X is then written as %X, %v", b, again, err)
		}
	})
}

func TestStatusReportComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dcs := pdu.DCS(rapid.Byte().Draw(t, "dcs"))
		at := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "time"), 0).UTC()
		want := pdu.StatusReport{
			MoreMessages: rapid.Bool().Draw(t, "mms"),
			ForCommand:   rapid.Bool().Draw(t, "srq"),
			Looping:      rapid.Bool().Draw(t, "lp"),
			Reference:    rapid.Byte().Draw(t, "mr"),
			Recipient:    pdu.Address{TON: pdu.TONNational, NPI: pdu.NPITelephone, Value: rapid.StringMatching(`[0-9]{0,20}`).Draw(t, "ra")},
			Time:         at,
			Discharge:    at.Add(time.Minute),
			Status:       pdu.Status(rapid.Byte().Draw(t, "st")),
			PID:          pdu.PID(rapid.Byte().Draw(t, "pid")),
			DCS:          dcs,
		}
		if rapid.Bool().Draw(t, "text") {
			want.UserData = drawUserData(t, dcs)
		}
		b, err := want.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, w, err := pdu.ParseStatusReport(b)
		if err != nil || len(w) > 0 || !same(got, want) {
			t.Fatalf("%+v came back as %+v, %v, %v", want, got, w, err)
		}
	})
}

func TestStatusReportRefuses(t *testing.T) {
	at := time.Date(2026, 6, 12, 21, 0, 0, 0, time.UTC)
	early := at.AddDate(-50, 0, 0)
	tests := []struct {
		r    pdu.StatusReport
		want string
	}{
		{pdu.StatusReport{Recipient: pdu.Address{Value: "x"}}, "TP-RA"},
		{pdu.StatusReport{Time: early}, "TP-SCTS"},
		{pdu.StatusReport{Time: at, Discharge: early}, "TP-DT"},
		{pdu.StatusReport{DCS: 4, UserData: pdu.UserData{Data: make([]byte, 141)}}, "TP-UD"},
	}
	for _, tt := range tests {
		b, err := tt.r.AppendBinary(nil)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want+":") {
			t.Errorf("got %X, %v; want an error about %s", b, err, tt.want)
		}
	}
}

// same compares by value; no Data and Data of no octets are the same.
func same(a, b any) bool {
	return reflect.DeepEqual(normal(a), normal(b))
}

func normal(v any) any {
	tidy := func(u *pdu.UserData) {
		u.Data = append([]byte{}, u.Data...)
		header := make([]pdu.IE, len(u.Header))
		for i, ie := range u.Header {
			header[i] = pdu.IE{ID: ie.ID, Data: append([]byte{}, ie.Data...)}
		}
		u.Header = header
	}
	switch v := v.(type) {
	case pdu.Submit:
		tidy(&v.UserData)
		return v
	case pdu.Deliver:
		tidy(&v.UserData)
		return v
	case pdu.StatusReport:
		tidy(&v.UserData)
		return v
	}
	return v
}
