package pdu_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"path/filepath"
	"testing"

	"cellpost/pdu"
)

// binary is what the three TPDUs have in common for a test.
type binary interface {
	AppendBinary(b []byte) ([]byte, error)
}

// addVectors seeds a fuzz target with the TPDUs of testdata.
func addVectors(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := hex.DecodeString(readVector(f, file)["pdu"])
		if err != nil {
			f.Fatal(err)
		}
		if _, tpdu, err := pdu.CutSMSC(raw); err == nil {
			f.Add(tpdu)
		}
	}
}

// checkParse holds a parser to its promises: no panic at any length; an error
// is a DecodeError inside the TPDU; what was read without a warning can be
// written; and what was written is read as the same again.
func checkParse[T binary](t *testing.T, tpdu []byte, parse func([]byte) (T, pdu.Warnings, error)) {
	for n := range tpdu {
		parse(tpdu[:n])
	}
	value, warnings, err := parse(tpdu)
	if err != nil {
		e, ok := errors.AsType[*pdu.DecodeError](err)
		if !ok || e.Field == "" || e.Offset < 0 || e.Offset > len(tpdu) {
			t.Fatalf("error %#v", err)
		}
		return
	}
	checkLayout(t, tpdu)
	for _, w := range warnings {
		if w.Field == "" || w.Offset < 0 || w.Offset > len(tpdu) {
			t.Fatalf("warning %#v", w)
		}
	}
	written, err := value.AppendBinary(nil)
	if err != nil {
		if len(warnings) == 0 {
			t.Fatalf("read without a warning, not to be written: %v", err)
		}
		return
	}
	again, _, err := parse(written)
	if err != nil || !same(again, value) {
		t.Fatalf("%+v came back as %+v, %v", value, again, err)
	}
	if twice, err := again.AppendBinary(nil); err != nil || !bytes.Equal(twice, written) {
		t.Fatalf("%X is then written as %X, %v", written, twice, err)
	}
}

func FuzzParseSubmit(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, tpdu []byte) { checkParse(t, tpdu, pdu.ParseSubmit) })
}

func FuzzParseDeliver(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, tpdu []byte) { checkParse(t, tpdu, pdu.ParseDeliver) })
}

func FuzzParseStatusReport(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, tpdu []byte) { checkParse(t, tpdu, pdu.ParseStatusReport) })
}

func FuzzSplit(f *testing.F) {
	f.Add("hello", uint16(0), uint16(0), byte(0), byte(0), uint16(0))
	f.Add("€[]{}\r\n", uint16(0x1234), uint16(0x21), byte(0), byte(0), uint16(0))
	f.Add("e\u0301"+emoji+"👩\u200d👧", uint16(7), uint16(2), byte(0), byte(0), uint16(0))
	f.Add("\xff", uint16(0), uint16(0), byte(0), byte(0), uint16(0))
	f.Add("ışık “ğ” 🇬🇧"+england, uint16(0), uint16(0x40), byte(0), byte(0), uint16(0x1FFF))
	f.Add("नमस्ते।", uint16(0), uint16(0x9), byte(6), byte(6), uint16(0))
	f.Add("şã", uint16(0), uint16(0x19), byte(1), byte(3), uint16(0))
	f.Fuzz(func(t *testing.T, text string, ref, options uint16, locking, single byte, languages uint16) {
		o := pdu.SplitOptions{
			Alphabet:  []pdu.Alphabet{pdu.Auto, pdu.GSM7, pdu.UCS2}[options&0xF%3],
			Wide:      options&0x20 != 0,
			Reference: ref,

			Transliterate: options&0x40 != 0,
		}
		if options&0x10 != 0 {
			o.Header = append(o.Header, ports16)
		}
		for i, l := range all {
			if languages&(1<<i) != 0 {
				o.Languages = append(o.Languages, l)
			}
		}
		tables := pdu.Tables{Locking: pdu.Language(locking % 14), Single: pdu.Language(single % 14)}
		switch {
		case o.Alphabet == pdu.UCS2, tables.Locking == pdu.Spanish:
		case options&0x80 != 0:
			o.Header = append(o.Header, pdu.IE{ID: pdu.IESingle, Data: []byte{byte(tables.Single)}}, pdu.IE{ID: pdu.IELocking, Data: []byte{byte(tables.Locking)}})
		default:
			o.Tables = tables
		}
		checkSplit(t, text, o)
		// A fuzzer seldom finds long texts by itself.
		checkSplit(t, text+text+text+text+text+text+text+text, o)
	})
}
