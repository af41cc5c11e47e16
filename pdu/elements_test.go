package pdu_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cellpost/pdu"
)

func TestParseHeader(t *testing.T) {
	tests := []struct {
		name, udh string
		want      []pdu.IE
		offset    int // of the error; -1: none
		words     string
	}{
		{"port of a ringtone", "06050415810000", []pdu.IE{{ID: 5, Data: []byte{0x15, 0x81, 0, 0}}}, -1, ""},
		{"two elements", "0B05041582000000030A0201", []pdu.IE{{ID: 5, Data: []byte{0x15, 0x82, 0, 0}}, {ID: 0, Data: []byte{10, 2, 1}}}, -1, ""},
		{"an element of no octets", "027000", []pdu.IE{{ID: 0x70}}, -1, ""},
		{"no element", "00", nil, -1, ""},
		{"nothing", "", nil, 0, "empty"},
		{"length too short", "05050415810000", nil, 0, "says 5, but 6"},
		{"length too long", "07050415810000", nil, 0, "says 7, but 6"},
		{"element runs over", "0405041581", nil, 1, "does not fit"},
		{"second element runs over", "0700030A02010002", nil, 6, "does not fit"},
		{"half an element", "0600030A020105", nil, 6, "does not fit"},
	}
	for _, tt := range tests {
		b, err := hex.DecodeString(tt.udh)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pdu.ParseHeader(b)
		if tt.offset < 0 {
			if err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("%s: got %v, %v; want %v", tt.name, got, err, tt.want)
			}
			continue
		}
		e, ok := errors.AsType[*pdu.DecodeError](err)
		if !ok || e.Field != "UDH" || e.Offset != tt.offset || !strings.Contains(e.Error(), tt.words) {
			t.Errorf("%s: got %v, %v; want %q at octet %d", tt.name, got, err, tt.words, tt.offset)
		}
	}
}

// FuzzParseHeader: a header that is read is written as it was.
func FuzzParseHeader(f *testing.F) {
	f.Add([]byte{0x06, 0x05, 0x04, 0x15, 0x81, 0, 0})
	f.Add([]byte{0x03, 0x24, 0x01, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		header, err := pdu.ParseHeader(b)
		if err != nil || len(header) == 0 || len(b) > 140 {
			return
		}
		s := pdu.Submit{Destination: number, DCS: 0x04, UserData: pdu.UserData{Header: header}}
		tpdu, err := s.AppendBinary(nil)
		if err != nil || !bytes.HasSuffix(tpdu, b) {
			t.Fatalf("%X is written as %X, %v", b, tpdu, err)
		}
	})
}

func TestPorts(t *testing.T) {
	for _, want := range []pdu.Ports{{Dest: 0x1581, Bits: 16}, {Dest: 2948, Src: 9200, Bits: 16}, {Dest: 226, Src: 240, Bits: 8}} {
		u := pdu.UserData{Header: []pdu.IE{pdu.Concat{Total: 1, Seq: 1}.IE(), want.IE()}}
		if got, ok := u.Ports(); !ok || got != want {
			t.Errorf("%+v came back as %+v, %v", want, got, ok)
		}
	}
	both := pdu.UserData{Header: []pdu.IE{pdu.Ports{Dest: 1, Bits: 16}.IE(), pdu.Ports{Dest: 2, Bits: 8}.IE()}}
	if got, ok := both.Ports(); !ok || got.Dest != 2 {
		t.Errorf("two elements: got %+v, %v; the last counts", got, ok)
	}
	for _, ie := range []pdu.IE{{ID: pdu.IEPorts8, Data: []byte{1}}, {ID: pdu.IEPorts16, Data: []byte{1, 2, 3}}, {ID: 0x70}} {
		if got, ok := (pdu.UserData{Header: []pdu.IE{ie}}).Ports(); ok {
			t.Errorf("%+v: got %+v", ie, got)
		}
	}
}

func TestWaiting(t *testing.T) {
	tests := []struct {
		dcs      pdu.DCS
		alphabet pdu.Alphabet
		w        pdu.Waiting
		words    string
	}{
		{0xC8, pdu.GSM7, pdu.Waiting{Active: true}, "voicemail waiting, not kept"},
		{0xC0, pdu.GSM7, pdu.Waiting{}, "no voicemail waiting, not kept"},
		{0xD9, pdu.GSM7, pdu.Waiting{Mailbox: pdu.FaxMailbox, Active: true, Store: true}, "fax waiting"},
		{0xEA, pdu.UCS2, pdu.Waiting{Mailbox: pdu.EmailMailbox, Active: true, Store: true}, "email waiting"},
		{0xE3, pdu.UCS2, pdu.Waiting{Mailbox: pdu.OtherMailbox, Store: true}, "no other waiting"},
	}
	for _, tt := range tests {
		if got, err := pdu.WaitingDCS(tt.alphabet, tt.w); err != nil || got != tt.dcs {
			t.Errorf("%+v: got %02X, %v; want %02X", tt.w, byte(got), err, byte(tt.dcs))
		}
		got, ok := tt.dcs.Waiting()
		if !ok || got != tt.w || got.String() != tt.words || tt.dcs.Alphabet() != tt.alphabet {
			t.Errorf("%02X: got %v, %v; want %q", byte(tt.dcs), got, ok, tt.words)
		}
	}
	for _, dcs := range []pdu.DCS{0x00, 0x48, 0xBF, 0xF0} {
		if w, ok := dcs.Waiting(); ok {
			t.Errorf("%02X: got %v", byte(dcs), w)
		}
	}
	for _, refused := range []struct {
		a pdu.Alphabet
		w pdu.Waiting
	}{
		{pdu.UCS2, pdu.Waiting{}}, {pdu.Octets, pdu.Waiting{Store: true}}, {pdu.GSM7, pdu.Waiting{Mailbox: pdu.VideoMailbox}},
	} {
		if d, err := pdu.WaitingDCS(refused.a, refused.w); err == nil {
			t.Errorf("%+v: got %02X", refused, byte(d))
		}
	}
}

func TestWaitingElement(t *testing.T) {
	tests := []struct {
		w    pdu.Waiting
		data string
		back pdu.Waiting
	}{
		{pdu.Waiting{Active: true, Count: 3, Store: true}, "\x80\x03", pdu.Waiting{Active: true, Count: 3, Store: true}},
		{pdu.Waiting{Mailbox: pdu.VideoMailbox, Active: true}, "\x07\x01", pdu.Waiting{Mailbox: pdu.VideoMailbox, Active: true, Count: 1}},
		{pdu.Waiting{Mailbox: pdu.EmailMailbox, Count: 9}, "\x02\x00", pdu.Waiting{Mailbox: pdu.EmailMailbox}},
	}
	for _, tt := range tests {
		ie := tt.w.IE()
		got := pdu.UserData{Header: []pdu.IE{{ID: pdu.IEWaiting}, ie}}.Waiting(0)
		if string(ie.Data) != tt.data || !slices.Equal(got, []pdu.Waiting{tt.back}) {
			t.Errorf("%+v: written as % X, came back as %+v", tt.w, ie.Data, got)
		}
	}
	if got := (pdu.Waiting{Mailbox: 9, Active: true, Count: 2, Store: true}).String(); got != "mailbox 9 waiting (2)" {
		t.Errorf("got %q", got)
	}
}

func TestTables(t *testing.T) {
	header := []pdu.IE{
		{ID: pdu.IESingle, Data: []byte{3}},
		{ID: pdu.IELocking, Data: []byte{1}},
		{ID: pdu.IELocking, Data: []byte{2, 2}}, // ill-formed, ignored
		{ID: pdu.IESingle, Data: []byte{1}},
	}
	if got := (pdu.UserData{Header: header}).Tables(); got != (pdu.Tables{Locking: pdu.Turkish, Single: pdu.Turkish}) {
		t.Errorf("got %+v", got)
	}
}

// TestElementNames: every identifier has a name, and those of one name are the
// ranges of the standard.
func TestElementNames(t *testing.T) {
	for id, want := range map[byte]string{
		0x00: "concatenation, 8-bit reference", 0x05: "application ports, 16 bit", 0x25: "national language locking shift",
		0x02: "reserved element", 0x70: "SIM toolkit security header", 0x7F: "SIM toolkit security header",
		0x80: "SME to SME specific", 0xA0: "reserved element", 0xC5: "service centre specific", 0xE0: "reserved element",
	} {
		if got := (pdu.IE{ID: id}).Name(); got != want {
			t.Errorf("%02X: got %q, want %q", id, got, want)
		}
	}
}

func TestPID(t *testing.T) {
	for p, want := range map[pdu.PID]string{
		0x00: "none", 0x01: "short message protocol 1", 0x22: "telematic: fax group 3", 0x32: "telematic: internet mail",
		0x2E: "reserved", 0x40: "type 0, not shown", 0x41: "replace type 1", 0x47: "replace type 7", 0x48: "device triggering",
		0x49: "reserved", 0x5F: "return call", 0x7F: "SIM data download", 0x80: "reserved", 0xC0: "specific to the service centre",
	} {
		if got := p.String(); got != want {
			t.Errorf("%02X: got %q, want %q", byte(p), got, want)
		}
	}
}

func TestDCSWords(t *testing.T) {
	for d, want := range map[pdu.DCS]string{
		0x00: "gsm7", 0x18: "ucs2, class 0", 0x15: "octets, class 1", 0x2A: "ucs2, compressed", 0x52: "gsm7, class 2, marked for deletion",
		0x0C: "gsm7 (a reserved coding)", 0x80: "gsm7 (a reserved coding)", 0xC8: "gsm7, voicemail waiting, not kept",
		0xE8: "ucs2, voicemail waiting", 0xF7: "octets, class 3", 0xF8: "gsm7, class 0 (a reserved coding)",
	} {
		if got := d.String(); got != want {
			t.Errorf("%02X: got %q, want %q", byte(d), got, want)
		}
	}
}

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]pdu.Address{
		"+447700900123":        {TON: pdu.TONInternational, NPI: pdu.NPITelephone, Value: "447700900123"},
		"07700900123":          {NPI: pdu.NPITelephone, Value: "07700900123"},
		"1":                    {NPI: pdu.NPITelephone, Value: "1"},
		"*100#":                {NPI: pdu.NPITelephone, Value: "*100#"},
		"12345678901234567890": {NPI: pdu.NPITelephone, Value: "12345678901234567890"},
		"1abc":                 {NPI: pdu.NPITelephone, Value: "1abc"},
	} {
		if got, err := pdu.ParseAddress(in); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"": "no digit", "+": "no digit", "*#": "no digit", "abc": "no digit", "+44x": "octet 3", "Bank": "octet 0", "44 77": "octet 2",
		"++44": "octet 1", "123456789012345678901": "21 digits", "+123456789012345678901": "21 digits", "1A": "octet 1", "١٢": "octet 0",
	} {
		if got, err := pdu.ParseAddress(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v; want %q", in, got, err, want)
		}
	}
}

// TestLayout: the fields cover the TPDU without a gap, and bear the names that
// the errors have.
func TestLayout(t *testing.T) {
	b, err := hex.DecodeString("5100049121430000AA0B0500030A020141E19A3C")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range pdu.Layout(append(b[:0:0], b...)) {
		got = append(got, fmt.Sprintf("%s %d+%d", s.Field, s.Offset, s.Size))
	}
	want := "TP-MTI 0+1, TP-MR 1+1, TP-DA 2+4, TP-PID 6+1, TP-DCS 7+1, TP-VP 8+1, TP-UDL 9+1, TP-UDHL 10+1, UDH 00 11+5, TP-UD 16+4"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	if pdu.Layout(nil) != nil {
		t.Error("nothing has a layout")
	}
	rapid.Check(t, func(t *rapid.T) {
		checkLayout(t, rapid.SliceOfN(rapid.Byte(), 1, 60).Draw(t, "tpdu"))
	})
}

// checkLayout returns where the fields end, which follow each other without a
// gap.
func checkLayout(t rapid.TB, tpdu []byte) int {
	next := 0
	for _, s := range pdu.Layout(tpdu) {
		if s.Field == "" || s.Offset != next || s.Size < 1 {
			t.Fatalf("%X: %+v after octet %d", tpdu, s, next)
		}
		next += s.Size
	}
	if next > len(tpdu) {
		t.Fatalf("%X: fields end at octet %d", tpdu, next)
	}
	return next
}

// TestPortName has the ports that IANA registers, those of Smart Messaging 3.0
// and those of JSR 120, A.6.0.
func TestPortName(t *testing.T) {
	for port, want := range map[uint16]string{
		0: "", 226: "vCard", 228: "vCalendar", 240: "an application's own", 255: "an application's own", 256: "",
		2948: "WAP push", 2949: "WAP push, secure", 5505: "ringing tone", 0x1582: "operator logo", 0x1583: "CLI logo",
		0x158A: "picture or other multipart message", 9200: "WAP", 0x23F4: "vCard", 0x23F5: "vCalendar", 9207: "vCalendar, secure",
		15999: "", 16000: "an application's own", 16999: "an application's own", 17000: "",
		49996: "SyncML settings", 49999: "browser and MMS settings", 65535: "",
	} {
		if got := pdu.PortName(port); got != want {
			t.Errorf("port %d: %q, wanted %q", port, got, want)
		}
	}
}
