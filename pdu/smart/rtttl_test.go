package smart_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cellpost/pdu"
	"cellpost/pdu/smart"
)

// TestRTTTL parses melodies and writes them canonically.
func TestRTTTL(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"defaults", "x::c,8d5", "x:d=4,o=5,b=63:c6,8d"},
		{"their order", "x:b=125,o=7,d=8:c", "x:d=8,o=7,b=125:c"},
		{"no signs", "x:D8,O4,B100,SS:C", "x:d=8,o=4,b=100,s=S:c"},
		{"unknown", "x:v=10,o=4,=,d=8:c", "x:d=8,o=4,b=63:c"},
		{"names written out", "x:Duration=8,octave=5,BPM=125,style=s,loop=2:c", "x:d=8,o=5,b=125,s=S,l=2:c"},
		{"tempo", "x:tempo=125:c,tempo=63,octave=5,duration=8,style=c,bpm=160,d", "x:d=4,o=5,b=125:c6,b=160,s=C,8d"},
		{"names that only start so", "x:default=1,os=x,bars=3,length=2,sound=4:c,volume=3,size=1", "x:d=4,o=6,b=63:c"},
		{"blanks", "\ufeff My\n tune : d = 8 ,\to=5 ,b=100:\r\n c , 4 d # 6 . ,,p,\n", "My tune:d=8,o=5,b=100:c,4d#6.,p"},
		{"dots", "x:o=5:8.c6,8c.6,8c6.,8c#.,p.", "x:d=8,o=6,b=63:c.,c.,c.,c#5.,4p."},
		{"specifiers", "x:o=5:c..,c:,c.6.,c;,2p;", "x:d=4,o=5,b=63:c..,c..,c6..,c;,2p;"},
		{"B", "x:o=5:b,h,B,H6", "x:d=4,o=5,b=63:b,b,b,b6"},
		{"sharps", "x:o=5:c#,#c,c_,_c6,e#,b#,h#4", "x:d=4,o=5,b=63:c#,c#,c#,c#6,f,c6,c"},
		{"flats", "x:o=5:db,eb6,bb,hb,ab.,cb,fb,#fb", "x:d=4,o=5,b=63:c#,d#6,a#,a#,g#.,b4,e,f"},
		{"a pause has no octave", "x::p6,8p5.", "x:d=4,o=5,b=63:p,8p."},
		{"moved up", "x:o=3:c,c6", "x:d=4,o=4,b=63:c,c7"},
		{"moved down", "x:o=8:a,a5,p", "x:d=4,o=4,b=63:a7,a,p"},
		{"moved far", "x:o=0:c", "x:d=4,o=4,b=63:c"},
		{"tempos", "x:b=120:c,b=900,c,b=26,p,b=27,p,b=95,c", "x:d=4,o=6,b=125:c,b=900,c,b=25,p,b=28,p,b=90,c"},
		{"changes", "x:d=4,o=5:c,o=6,d=8,c,ss,c,s=n,p,s=C,c,o4,c", "x:d=8,o=6,b=63:4c5,c,s=S,c,p,s=C,c,c4"},
		{"style", "x:s=c:p,c,p", "x:d=4,o=6,b=63,s=C:p,c,p"},
		{"style of no note", "x:s=c:p,sn,c", "x:d=4,o=6,b=63:p,c"},
		{"loop", "x:l=15:c", "x:d=4,o=6,b=63,l=15:c"},
		{"long title", "The Good, the Bad and the Ugly::c", "The Good, the B:d=4,o=6,b=63:c"},
		{"title cut at a blank", "Fourteen runes and::c", "Fourteen runes:d=4,o=6,b=63:c"},
		{"title outside the BMP", "♪🎵🎵🎵🎵🎵🎵🎵🎵::c", "♪🎵🎵🎵🎵🎵🎵🎵:d=4,o=6,b=63:c"},
		{"no title", " ::c", "Ringtone:d=4,o=6,b=63:c"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tone, err := smart.ParseRTTTL(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := tone.RTTTL(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			checkRTTTL(t, tone)
		})
	}
}

// checkRTTTL holds what came from RTTTL to being the same through RTTTL and
// through the air.
func checkRTTTL(t testing.TB, tone smart.Ringtone) {
	t.Helper()
	text := tone.RTTTL()
	again, err := smart.ParseRTTTL(text)
	if err != nil || !sameRingtone(again, tone) {
		t.Fatalf("%s came back as %s, %v, from %.500s", brief(tone), brief(again), err, text)
	}
	if twice := again.RTTTL(); twice != text {
		t.Fatalf("%.500s is then written as %.500s", text, twice)
	}
	checkSent(t, tone)
}

func TestParseRTTTLRefuses(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "melody at octet 0: a colon is missing; the form is title:d=4,o=5,b=125:notes"},
		{"x:c,d", "melody at octet 5: a colon is missing; the form is title:d=4,o=5,b=125:notes"},
		{"x::", "melody at octet 3: no notes; write them after the second colon: 8c,8d#6,p"},
		{"x:: ,s=s", "melody at octet 3: no notes; write them after the second colon: 8c,8d#6,p"},
		{"x:o=5, d=5:c", `default 2 at octet 7: duration "5"; it is 1, 2, 4, 8, 16 or 32`},
		{"x:o=10:c", `default 1 at octet 2: octave "10"; it is 0 to 9`},
		{"x:b=24:c", `default 1 at octet 2: tempo "24"; it is 25 to 900`},
		{"x:b=901:c", `default 1 at octet 2: tempo "901"; it is 25 to 900`},
		{"x:b=:c", `default 1 at octet 2: tempo ""; it is 25 to 900`},
		{"x:l=16:c", `default 1 at octet 2: loop "16"; it is 0 to 15`},
		{"x:s=4:c", `default 1 at octet 2: style "4"; it is N, C or S`},
		{"x::c,d,64e", "note 3 at octet 7: duration 64; it is 1, 2, 4, 8, 16 or 32"},
		{"x::99999999999999999999c", "note 1 at octet 3: duration 99999999999999999999; it is 1, 2, 4, 8, 16 or 32"},
		{"x::0c", "note 1 at octet 3: duration 0; it is 1, 2, 4, 8, 16 or 32"},
		{"x::c10", "note 1 at octet 3: octave 10; it is 0 to 9"},
		{"x::c3, c6,\nc7", "note 3 at octet 11: octave 7 in a melody from octave 3 to 7; bring its notes into four"},
		{"x::c,i", `note 2 at octet 5: "i" is no note; it is written like 8c#6.`},
		{"x::c-", `note 1 at octet 3: "c-" is no note; it is written like 8c#6.`},
		{"x::c.;", `note 1 at octet 3: "c.;" has more than one specifier; it is one of . .. ; or :`},
		{"x::p#", `note 1 at octet 3: "p#" is a pause; it is neither sharp nor flat`},
		{"x::c,l=2", "note 2 at octet 5: a loop among the notes; l can only stand before the second colon"},
		{"x::c,loop=2", "note 2 at octet 5: a loop among the notes; loop can only stand before the second colon"},
		{"x::c,octave=x", `note 2 at octet 5: octave "x"; it is 0 to 9`},
		{"x:duration=5:c", `default 1 at octet 2: duration "5"; it is 1, 2, 4, 8, 16 or 32`},
		{"x::c,8d=", `note 2 at octet 5: "8d=" is no note; it is written like 8c#6.`},
		{"x::c,=4", `note 2 at octet 5: "=4" is no note; it is written like 8c#6.`},
		{"x::#", `note 1 at octet 3: "#" is no note; it is written like 8c#6.`},
		{"x::8", `note 1 at octet 3: "8" is no note; it is written like 8c#6.`},
		{"x::cbb", `note 1 at octet 3: "cbb" is no note; it is written like 8c#6.`},
		{"x::c6.6", `note 1 at octet 3: "c6.6" is no note; it is written like 8c#6.`},
		{"x::c,b=1", `note 2 at octet 5: tempo "1"; it is 25 to 900`},
		{"x:l=1:" + strings.Repeat("c,", 300), "melody at octet 6: too long to be repeated; leave l out or shorten it"},
		{"x::" + strings.Repeat("c,", 1<<14), "melody at octet 0: 32771 octets; shorten it to 32768"},
	} {
		_, err := smart.ParseRTTTL(test.text)
		if err == nil || err.Error() != test.want {
			t.Errorf("%.40q: %v, want %s", test.text, err, test.want)
		}
	}
}

// TestEveryTempo checks the table against the one of the specification and the
// nearest of it for what lies between.
func TestEveryTempo(t *testing.T) {
	table := strings.Fields("25 28 31 35 40 45 50 56 63 70 80 90 100 112 125 140 160 180 200 225 250 285 320 355 400 450 500 565 635 715 800 900")
	for i, bpm := range table {
		tone, err := smart.ParseRTTTL("x:b=" + bpm + ":c")
		if err != nil {
			t.Fatal(err)
		}
		o, err := tone.Object()
		if err != nil {
			t.Fatal(err)
		}
		// The tempo instruction starts 10+4+8+8+17 bits after the first two octets.
		if place := int(o.Data[2+47/8]&0x01)<<8 | int(o.Data[3+47/8]); place>>1&0xFF != 0x80|i {
			t.Errorf("%s bpm is sent in %X", bpm, o.Data)
		}
	}
}

// TestLongMelodies checks that a melody may have as many notes as a text holds.
func TestLongMelodies(t *testing.T) {
	for _, note := range []string{"c,", "c4,c5,", "ss,c5,sn,c,", "b=25,c,b=28,c,"} {
		tone, err := smart.ParseRTTTL("x:o=4:" + strings.Repeat(note, (1<<15-6)/len(note)))
		if err != nil {
			t.Fatal(err)
		}
		if len(tone.Patterns) < 2 {
			t.Errorf("%s: %d patterns", note, len(tone.Patterns))
		}
		checkSent(t, tone)
	}
}

// TestRTTTLOfPatterns writes what only the air brings.
func TestRTTTLOfPatterns(t *testing.T) {
	c, d := smart.Note{Pitch: 1, Octave: 5, Duration: 4, Tempo: 63, Volume: 3}, smart.Note{Pitch: 3, Octave: 5, Duration: 4, Tempo: 63}
	tone := smart.Ringtone{Title: "a:b\nc\x00", Patterns: []smart.Pattern{
		{ID: 0, Loop: 1, Notes: []smart.Note{c}}, {ID: 1, Notes: []smart.Note{d}}, {ID: 0}, {ID: 1, Loop: smart.Forever}, {ID: 0},
	}}
	const want = "a b c:d=4,o=5,b=63:c,c,d,c,d"
	if got := tone.RTTTL(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for range 254 {
		tone.Patterns[0].Notes = append(tone.Patterns[0].Notes, c)
	}
	tone.Patterns = tone.Patterns[:1]
	for range 254 {
		tone.Patterns = append(tone.Patterns, smart.Pattern{Loop: 14})
	}
	if n := strings.Count(tone.RTTTL(), ",c") + 1; n != 65025 {
		t.Errorf("%d notes written", n)
	}
}

func TestRTTTLComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tone := drawRingtone(t)
		text := tone.RTTTL()
		again, err := smart.ParseRTTTL(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if twice := again.RTTTL(); tone.Title != "" && again.Title == tone.Title && twice != text {
			t.Fatalf("%s came back as %s", text, twice)
		}
	})
}

// FuzzRTTTL holds the parser to its promises: no panic; an error has a place in
// the text; what was parsed is the same through RTTTL and through the air.
func FuzzRTTTL(f *testing.F) {
	for _, v := range ringtoneVectors(f) {
		if text := v["rtttl"]; text != "" {
			f.Add(text)
		}
	}
	f.Add("x:l=15,s=c:8.c_6;,cb0,p:,o9,b=30,hb")
	f.Fuzz(func(t *testing.T, text string) {
		tone, err := smart.ParseRTTTL(text)
		if err != nil {
			if e, ok := errors.AsType[*pdu.DecodeError](err); !ok || e.Field == "" || e.Offset < 0 || e.Offset > len(text) {
				t.Fatalf("error %#v", err)
			}
			return
		}
		checkRTTTL(t, tone)
	})
}
