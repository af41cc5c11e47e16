package pdu_test

import (
	"strings"
	"testing"
	"time"

	"cellpost/pdu"
)

// BenchmarkSubmit is one message from its text to its TPDU.
func BenchmarkSubmit(b *testing.B) {
	text := strings.Repeat("Your code is 123456. ", 7)
	b.ReportAllocs()
	for b.Loop() {
		seg, err := pdu.Split(text, pdu.SplitOptions{})
		if err != nil {
			b.Fatal(err)
		}
		s := pdu.Submit{
			StatusReport: true,
			Destination:  number,
			DCS:          seg.DCS,
			Validity:     pdu.RelativeValidity(24 * time.Hour),
			UserData:     seg.Parts[0],
		}
		if _, err := s.AppendBinary(nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSplitUCS2Three(b *testing.B) {
	text := strings.Repeat("Ваш код 123456. ", 12)
	b.ReportAllocs()
	for b.Loop() {
		seg, err := pdu.Split(text, pdu.SplitOptions{})
		if err != nil || len(seg.Parts) != 3 {
			b.Fatal(len(seg.Parts), err)
		}
	}
}

func BenchmarkParseDeliver(b *testing.B) {
	data, err := pdu.EncodeGSM7(strings.Repeat("hello", 30), pdu.Tables{})
	if err != nil {
		b.Fatal(err)
	}
	tpdu, err := pdu.Deliver{Originator: number, Time: time.Date(2026, 6, 12, 21, 0, 0, 0, time.UTC), UserData: pdu.UserData{Data: data}}.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := pdu.ParseDeliver(tpdu); err != nil {
			b.Fatal(err)
		}
	}
}
