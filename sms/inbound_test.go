package sms

import (
	"bufio"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cellpost/pdu"
)

// vector reads the TPDU of a message that networks have sent.
func vector(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.Open(filepath.Join("../pdu/testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		digits, ok := strings.CutPrefix(lines.Text(), "pdu: ")
		if !ok {
			continue
		}
		octets, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		_, tpdu, err := pdu.CutSMSC(octets)
		if err != nil {
			t.Fatal(err)
		}
		return tpdu
	}
	t.Fatalf("%s has no PDU", name)
	return nil
}

// TestRead names what networks have sent, by the vectors of package pdu.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		vectors string // names, separated by spaces
		kind    Kind
		detail  string
		text    string
		missing []int
	}{
		{vectors: "deliver-braces", kind: KindText},
		{vectors: "deliver-class0", kind: KindFlash, text: "This is a flash!"},
		{vectors: "deliver-dcs-f8", kind: KindFlash, text: "A"},
		{vectors: "deliver-type0", kind: KindSilent, detail: "type 0, not shown"},
		{vectors: "deliver-mwi-voicemail", kind: KindWaiting, detail: "voicemail waiting, not kept"},
		{vectors: "deliver-mwi-two", kind: KindWaiting, detail: "voicemail waiting (3), fax waiting (5), not kept"},
		{vectors: "deliver-mwi-none-left", kind: KindWaiting, detail: "no voicemail waiting"},
		{vectors: "deliver-dcs-e8", kind: KindWaiting, detail: "voicemail waiting", text: "A"},
		{vectors: "deliver-cphs-voicemail-set", kind: KindWaiting, detail: "voicemail waiting", text: " "},
		{vectors: "deliver-cphs-voicemail-clear", kind: KindWaiting, detail: "no voicemail waiting", text: " "},
		{vectors: "deliver-cphs-voicemail-clear-delta", kind: KindWaiting, detail: "no voicemail waiting", text: " "},
		{vectors: "deliver-capture-40", kind: KindMMS, detail: "to port 2948 (WAP push)",
			text: "MMS notification from +33333493211, 97 kB, fetch at http://mts/?id=81460494 within 3 days"},
		{vectors: "deliver-mms-notification-part2 deliver-mms-notification-part1", kind: KindMMS, detail: "to port 2948 (WAP push)"},
		{vectors: "deliver-concat16-and-ports", kind: KindData, detail: "to port 2948 (WAP push)",
			text: "000102[part 2 of 2 is missing]", missing: []int{2}},
		{vectors: "deliver-mms-port-one-part", kind: KindWAPPush, text: "0102030405060708090A0B0C0D0E0F",
			detail: "to port 2948 (WAP push): Type at octet 1: 0x02; a push has 0x06 or 0x07, this is something else"},
		{vectors: "deliver-vcard", kind: KindData, detail: "to port 9204 (vCard)", text: "BEGIN: VCARD\nVERSION: 2.1\nN: Smith\nEND: VCARD"},
		{vectors: "deliver-ports16-text", kind: KindData, detail: "to port 1234", text: "A"},
		{vectors: "deliver-ports8", kind: KindData, detail: "to port 100", text: "CAFE"},
		{vectors: "deliver-dcs-05", kind: KindData, text: "41"},
		{vectors: "deliver-dcs-20", kind: KindData, detail: "compressed text", text: "41"},
		{vectors: "deliver-dcs-f2", kind: KindSIM, detail: "class 2", text: "A"},
		{vectors: "deliver-sim-toolkit", kind: KindSIM, detail: "class 2", text: "00110D0001"},
		{vectors: "deliver-german-part2 deliver-german-part1", kind: KindText, detail: "telematic: specific to the service centre"},
		{vectors: "deliver-german-part2", kind: KindText, detail: "telematic: specific to the service centre",
			text: "[part 1 of 2 is missing]rhalten möchten, wählen Sie kostenlos +4917212220. Viel Spaß im Ausland.", missing: []int{1}},
		{vectors: "deliver-ends-in-address", kind: KindUnreadable, text: "040B9113",
			detail: "TP-OA at octet 3: the TPDU ends here; it was cut short on its way"},
		{vectors: "deliver-is-report", kind: KindUnreadable, text: "06",
			detail: "TP-MTI at octet 0: type 2 where 0 was expected; this is another kind of TPDU"},
	} {
		t.Run(c.vectors, func(t *testing.T) {
			var tpdus [][]byte
			for name := range strings.FieldsSeq(c.vectors) {
				tpdus = append(tpdus, vector(t, name))
			}
			in := Read(tpdus)
			if in.Kind != c.kind || in.Detail != c.detail || c.text != "" && in.Text != c.text || !slices.Equal(in.Missing, c.missing) {
				t.Errorf("%s, detail %q, text %q, missing %d", in.Kind, in.Detail, in.Text, in.Missing)
			}
			if in.Parts < 1 || in.Parts < len(tpdus) {
				t.Errorf("%d parts", in.Parts)
			}
		})
	}
	if in := Read(nil); in.Kind != KindUnreadable || in.Parts != 1 {
		t.Errorf("nothing is read as %+v", in)
	}
}

// TestReadSIMData has a command for the SIM that is of no class.
func TestReadSIMData(t *testing.T) {
	tpdu, err := pdu.Deliver{PID: pdu.PIDSIMData, DCS: pdu.TextDCS(pdu.Octets, pdu.NoClass), UserData: pdu.UserData{Data: []byte{1, 2}}}.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if in := Read([][]byte{tpdu}); in.Kind != KindSIM || in.Detail != "SIM data download" || in.Text != "0102" {
		t.Errorf("%+v", in)
	}
}

func TestFingerprint(t *testing.T) {
	tpdu := vector(t, "deliver-class0")
	if Fingerprint(tpdu) != Fingerprint(Twin(tpdu)) || !slices.Equal(Twin(Twin(tpdu)), tpdu) {
		t.Error("TP-MMS counts")
	}
	other := slices.Clone(tpdu)
	other[len(other)-1] ^= 1
	if Fingerprint(tpdu) == Fingerprint(other) || Fingerprint(nil) == Fingerprint([]byte{0}) {
		t.Error("what differs has one fingerprint")
	}
}

// FuzzRead reads whatever the air brings, as a message and as two parts: it
// names a kind, and in the schema's bounds.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"deliver-class0", "deliver-mwi-two", "deliver-capture-40", "deliver-vcard", "deliver-german-part1", "deliver-is-report"} {
		f.Add(vector(f, name), vector(f, "deliver-german-part2"))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, tpdus := range [][][]byte{{a}, {a, b}, {b, a}} {
			in := Read(tpdus)
			if in.Kind == "" || in.Parts < 1 || in.Parts > 255 || len(in.Missing) >= in.Parts {
				t.Errorf("%+v", in)
			}
		}
		in := Inbound{SIM: "a", TPDU: a}
		part, ok := in.Fragment()
		if ok && part.Concat.Total < 2 {
			t.Errorf("a part of %d", part.Concat.Total)
		}
	})
}
