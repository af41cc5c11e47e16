package pdu_test

import (
	"strings"
	"testing"
	"time"

	"github.com/warthog618/sms"
	"github.com/warthog618/sms/encoding/tpdu"

	"cellpost/pdu"
)

// The benchmarks run another implementation beside ours, so that a table by
// codec compares what one machine did in one run.

// encode makes TPDUs of a text.
func encode(b *testing.B, text string, parts int) {
	b.Run("codec=cellpost", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			seg, err := pdu.Split(text, pdu.SplitOptions{})
			if err != nil || len(seg.Parts) != parts {
				b.Fatal(len(seg.Parts), err)
			}
			for _, part := range seg.Parts {
				s := pdu.Submit{Destination: number, DCS: seg.DCS, UserData: part}
				if _, err := s.AppendBinary(nil); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("codec=warthog618", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			pdus, err := sms.Encode([]byte(text), sms.To(number.String()))
			if err != nil || len(pdus) != parts {
				b.Fatal(len(pdus), err)
			}
			for i := range pdus {
				if _, err := pdus[i].MarshalBinary(); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkEncodeOnePart(b *testing.B) { encode(b, strings.Repeat("Your code is 123456. ", 7), 1) }

func BenchmarkEncodeThreePartsUCS2(b *testing.B) {
	encode(b, strings.Repeat("Ваш код 123456. ", 12), 3)
}

// BenchmarkSplitLanguages is a text of 100 kB for which all pairs of tables of
// all languages are weighed, of which many could hold it.
func BenchmarkSplitLanguages(b *testing.B) {
	text := strings.Repeat("[a] {b} ^ç| ", 100_000/13)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pdu.Split(text, pdu.SplitOptions{Languages: all}); err == nil {
			b.Fatal("taken")
		}
	}
}

// BenchmarkSplitTurkish is a text that a table of its language saves a part of.
func BenchmarkSplitTurkish(b *testing.B) {
	text := strings.Repeat("Doğrulama kodunuz 123456. ", 5)
	b.ReportAllocs()
	for b.Loop() {
		seg, err := pdu.Split(text, pdu.SplitOptions{Languages: all})
		if err != nil || len(seg.Parts) != 1 {
			b.Fatal(len(seg.Parts), err)
		}
	}
}

func BenchmarkTransliterate(b *testing.B) {
	text := strings.Repeat("“Ça va être l’été” – ½ ", 7)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := pdu.Transliterate(text, pdu.Tables{}); !ok {
			b.Fatal("not changed")
		}
	}
}

func BenchmarkDecodeDeliver(b *testing.B) {
	data, err := pdu.EncodeGSM7(strings.Repeat("hello", 30), pdu.Tables{})
	if err != nil {
		b.Fatal(err)
	}
	octets, err := pdu.Deliver{Originator: number, Time: time.Date(2026, 6, 12, 21, 0, 0, 0, time.UTC), UserData: pdu.UserData{Data: data}}.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("codec=cellpost", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d, _, err := pdu.ParseDeliver(octets)
			if err != nil || len(d.UserData.Text(d.DCS)) != 150 {
				b.Fatal(err)
			}
		}
	})
	b.Run("codec=warthog618", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read, err := sms.Unmarshal(octets)
			if err != nil {
				b.Fatal(err)
			}
			text, err := sms.Decode([]*tpdu.TPDU{read})
			if err != nil || len(text) != 150 {
				b.Fatal(err)
			}
		}
	})
}
