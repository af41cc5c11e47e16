package pdu_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warthog618/sms"
	"github.com/warthog618/sms/encoding/tpdu"
	"pgregory.net/rapid"

	"cellpost/pdu"
)

// Another implementation has to read what we write, and to write the same. Its
// relative TP-VP is left out: it takes 0 for 5 minutes, as the clause has it,
// but writes 1 for them. So are septets of a header alone, whose TP-UDL it
// rounds down.

func TestOracleReadsSubmit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dcs := rapid.SampledFrom([]pdu.DCS{0x00, 0x04, 0x08, 0x10, 0x15, 0x1A}).Draw(t, "dcs")
		s := pdu.Submit{
			RejectDuplicates: rapid.Bool().Draw(t, "rd"),
			StatusReport:     rapid.Bool().Draw(t, "srr"),
			Reference:        rapid.Byte().Draw(t, "mr"),
			Destination:      pdu.Address{TON: 1, NPI: 1, Value: rapid.StringMatching(`[0-9*#abc]{1,20}`).Draw(t, "da")},
			DCS:              dcs,
			UserData:         drawUserData(t, dcs),
		}
		if len(s.UserData.Data) == 0 {
			s.UserData.Header = nil
		}
		ours, err := s.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		read, err := sms.Unmarshal(ours, sms.AsMO)
		if err != nil {
			t.Fatalf("%X: %v", ours, err)
		}
		if read.DA.Addr != s.Destination.Value || !bytes.Equal(read.UD, s.UserData.Data) || len(read.UDH) != len(s.UserData.Header) {
			t.Fatalf("%+v is read as %+v", s, read)
		}
		theirs, err := read.MarshalBinary()
		if err != nil || !bytes.Equal(theirs, ours) {
			t.Fatalf("%X is written as %X, %v", ours, theirs, err)
		}
	})
}

func TestOracleReadsDeliver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dcs := rapid.SampledFrom([]pdu.DCS{0x00, 0x04, 0x08}).Draw(t, "dcs")
		zone := time.FixedZone("", 900*rapid.IntRange(-48, 56).Draw(t, "zone"))
		d := pdu.Deliver{
			MoreMessages: rapid.Bool().Draw(t, "mms"),
			Originator:   pdu.Address{TON: pdu.TONAlphanumeric, Value: rapid.StringMatching(`[a-zA-Z0-9 éÄß]{1,11}`).Draw(t, "oa")},
			DCS:          dcs,
			Time:         time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "time"), 0).In(zone),
			UserData:     drawUserData(t, dcs),
		}
		ours, err := d.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		read, err := sms.Unmarshal(ours)
		if err != nil {
			t.Fatalf("%X: %v", ours, err)
		}
		if read.OA.Addr != d.Originator.Value || !read.SCTS.Time.Equal(d.Time) || !bytes.Equal(read.UD, d.UserData.Data) {
			t.Fatalf("%+v is read as %+v", d, read)
		}
	})
}

// TestOracleSplits compares the cuts of texts that have no clusters, which the
// other one does not keep together.
func TestOracleSplits(t *testing.T) {
	for _, letters := range [][]string{{"a", "€", "[", "é"}, {"ы", emoji, "a"}} {
		rapid.Check(t, func(t *rapid.T) {
			text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(letters), 1, 500).Draw(t, "text"), "")
			theirs, err := sms.Encode([]byte(text), sms.To("+447700900123"))
			if err != nil {
				t.Fatal(err)
			}
			seg, err := pdu.Split(text, pdu.SplitOptions{Reference: 1})
			if err != nil {
				t.Fatal(err)
			}
			same := slices.EqualFunc(seg.Parts, theirs, func(our pdu.UserData, their tpdu.TPDU) bool {
				return bytes.Equal(our.Data, their.UD)
			})
			if !same {
				t.Fatalf("%q: %d parts, theirs are %d", text, len(seg.Parts), len(theirs))
			}
		})
	}
}

// TestOracleAlphabet compares both tables, septet by septet.
func TestOracleAlphabet(t *testing.T) {
	for septet := range byte(0x80) {
		for _, septets := range [][]byte{{septet}, {0x1B, septet}} {
			text, err := tpdu.DecodeUserData(septets, nil, tpdu.Alpha7Bit)
			if err != nil {
				t.Fatal(err)
			}
			if septets[0] == 0x1B && septet == 0x0D {
				continue // a control character, CR2: a CR here, an LF there
			}
			if got := pdu.DecodeGSM7(septets, pdu.Tables{}); got != string(text) {
				t.Errorf("% X: got %q, theirs is %q", septets, got, text)
			}
		}
	}
}
