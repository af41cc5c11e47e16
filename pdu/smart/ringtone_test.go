package smart_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cellpost/pdu"
	"cellpost/pdu/smart"
)

// ringtoneVectors returns the files of testdata/ringtone: a melody as rtttl, as
// data, or as both, and what has to come of it. Where it is both, agree counts
// the notes from the first that are the same in both. Keys are those of MIDI,
// 60 for the C of octave 4, 0 for a pause; all the numbers were made by another
// program.
func ringtoneVectors(t testing.TB) map[string]map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/ringtone/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	vectors := make(map[string]map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		v := make(map[string]string)
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			v[key] = value
		}
		vectors[strings.TrimSuffix(filepath.Base(file), ".txt")] = v
	}
	return vectors
}

func TestRingtoneVectors(t *testing.T) {
	for name, v := range ringtoneVectors(t) {
		t.Run(name, func(t *testing.T) {
			got := make(map[string]string)
			var tones []smart.Ringtone
			if text := v["rtttl"]; text != "" {
				tone, err := smart.ParseRTTTL(text)
				if err != nil {
					t.Fatal(err)
				}
				tones = append(tones, tone)
				checkSent(t, tone)
			}
			if data := v["data"]; data != "" {
				tone, warnings, err := smart.ParseRingtone(ringtoneHex(t, data))
				if err != nil {
					t.Fatal(err)
				}
				if len(warnings) > 0 {
					got["warnings"] = strconv.Itoa(len(warnings))
				}
				tones = append(tones, tone)
			}
			if len(tones) == 2 {
				got["agree"] = strconv.Itoa(agree(tones[0], tones[1]))
			}
			describe(got, tones[0])
			for key, want := range v {
				if key != "source" && key != "rtttl" && key != "data" && got[key] != want {
					t.Errorf("%s: got %s, want %s", key, got[key], want)
				}
			}
			if v["warnings"] != got["warnings"] {
				t.Errorf("warnings: %s", got["warnings"])
			}
		})
	}
}

func describe(got map[string]string, tone smart.Ringtone) {
	var keys []string
	seconds := 0.0
	for _, n := range allNotes(tone) {
		key := 0
		if n.Pitch != 0 {
			key = 11 + 12*n.Octave + n.Pitch
		}
		keys = append(keys, strconv.Itoa(key))
		seconds += 240 / float64(n.Tempo) / float64(n.Duration) * []float64{1, 1.5, 1.75, 2.0 / 3}[n.Specifier]
	}
	got["keys"] = strings.Join(keys, " ")
	got["title"] = tone.Title
	got["tempo"] = strconv.Itoa(allNotes(tone)[0].Tempo)
	got["loop"] = strconv.Itoa(tone.Patterns[0].Loop)
	got["milliseconds"] = strconv.Itoa(int(1000*seconds + 0.5))
}

// allNotes returns the notes of all patterns.
func allNotes(tone smart.Ringtone) []smart.Note {
	var notes []smart.Note
	for _, p := range tone.Patterns {
		notes = append(notes, p.Notes...)
	}
	return notes
}

// agree returns how many notes from the first have the same pitch, octave,
// duration and tempo.
func agree(a, b smart.Ringtone) int {
	x, y := allNotes(a), allNotes(b)
	for i := range min(len(x), len(y)) {
		n, m := x[i], y[i]
		n.Style, n.Volume, m.Style, m.Volume = 0, 0, 0, 0
		if n != m {
			return i
		}
	}
	return min(len(x), len(y))
}

// checkSent holds a ringtone that can be sent to being read as the same.
func checkSent(t testing.TB, tone smart.Ringtone) {
	t.Helper()
	o, err := tone.Object()
	if err != nil {
		t.Fatalf("%s: %v", brief(tone), err)
	}
	again, warnings, err := smart.ParseRingtone(o.Data)
	if err != nil || len(warnings) > 0 || !sameRingtone(again, tone) {
		t.Fatalf("%s came back as %s, %v, %v", brief(tone), brief(again), warnings, err)
	}
}

// brief prints what a failure needs of a ringtone.
func brief(tone smart.Ringtone) string { return fmt.Sprintf("%.1000s", fmt.Sprintf("%+v", tone)) }

func sameRingtone(a, b smart.Ringtone) bool {
	if a.Title != b.Title || a.Temporary != b.Temporary || len(a.Patterns) != len(b.Patterns) {
		return false
	}
	for i, p := range a.Patterns {
		q := b.Patterns[i]
		if p.ID != q.ID || p.Loop != q.Loop || len(p.Notes) != len(q.Notes) {
			return false
		}
	}
	return slices.Equal(allNotes(a), allNotes(b))
}

func hexOf(data []byte) string { return strings.ToUpper(hex.EncodeToString(data)) }

func ringtoneHex(t testing.TB, s string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// ringtoneBits packs binary digits, blanks between them, as a ringtone: after the
// programming command part, and before the end of the command.
func ringtoneBits(digits string) []byte { return packed([]byte{2, 0x4A}, digits) }

func packed(data []byte, digits string) []byte {
	digits = strings.ReplaceAll(digits, " ", "")
	for len(digits)%8 != 0 {
		digits += "0"
	}
	for ; digits != ""; digits = digits[8:] {
		b, err := strconv.ParseUint(digits[:8], 2, 8)
		if err != nil {
			panic(err)
		}
		data = append(data, byte(b))
	}
	return append(data, 0)
}

// Parts of songs for ringtoneBits.
const (
	basic     = "0011101 001 0000 " // sound, basic song, no title
	temporary = "0011101 010 "
	quarterC  = "001 0001 010 00 "
	halfPause = "001 0000 001 01 " // dotted
)

func TestParseRingtone(t *testing.T) {
	c := smart.Note{Pitch: 1, Octave: 5, Duration: 4, Tempo: 63}
	with := func(change func(n *smart.Note)) smart.Note {
		n := c
		change(&n)
		return n
	}
	pause := smart.Note{Duration: 2, Specifier: smart.Dotted, Tempo: 63}
	song := func(patterns ...smart.Pattern) smart.Ringtone { return smart.Ringtone{Patterns: patterns} }
	notes := func(notes ...smart.Note) smart.Ringtone { return song(smart.Pattern{Notes: notes}) }
	for _, test := range []struct {
		name     string
		data     []byte
		want     smart.Ringtone
		warnings string // all of them
	}{
		{"what handsets assume", ringtoneBits(basic + "00000001 000 00 0000 00000010" + quarterC + halfPause), notes(c, pause), ""},
		{"scale, style, tempo and volume", ringtoneBits(basic + "00000001 000 00 0000 00000110 010 11 011 10 100 11111 101 1111" + quarterC + halfPause),
			notes(with(func(n *smart.Note) { n.Octave, n.Style, n.Tempo, n.Volume = 7, smart.Staccato, 900, 8 }),
				smart.Note{Duration: 2, Specifier: smart.Dotted, Tempo: 900}), ""},
		{"temporary", ringtoneBits(temporary + "00000001 000 00 1111 00000001" + quarterC),
			smart.Ringtone{Temporary: true, Patterns: []smart.Pattern{{Loop: smart.Forever, Notes: []smart.Note{c}}}}, ""},
		{"a pattern again", ringtoneBits(basic + "00000010 000 01 0010 00000001" + quarterC + "000 01 0001 00000000"),
			song(smart.Pattern{ID: 1, Loop: 2, Notes: []smart.Note{c}}, smart.Pattern{ID: 1, Loop: 1}), ""},
		{"the scale lasts", ringtoneBits(basic + "00000010 000 00 0000 00000010 010 00" + quarterC + "000 01 0000 00000001" + quarterC),
			song(smart.Pattern{Notes: []smart.Note{with(func(n *smart.Note) { n.Octave = 4 })}},
				smart.Pattern{ID: 1, Notes: []smart.Note{with(func(n *smart.Note) { n.Octave = 4 })}}), ""},
		{"a 16-bit title", packed([]byte{3, 0x4A, 0x44}, "0011101 001 0010 00100110 01101010 00000000 01100001 00000001 000 00 0000 00000001"+quarterC),
			smart.Ringtone{Title: "♪a", Patterns: []smart.Pattern{{Notes: []smart.Note{c}}}}, ""},
		{"unicode, cancelled by another command", packed([]byte{2, 0x4A, 0x44, 2}, "0000101 0100010 00 0011101 001 0001 01100001 00000001 000 00 0000 00000001"+quarterC),
			smart.Ringtone{Title: "a", Patterns: []smart.Pattern{{Notes: []smart.Note{c}}}}, ""},
		{"an unknown pattern again", ringtoneBits(basic + "00000010 000 10 0000 00000000 000 00 0000 00000001" + quarterC), notes(c),
			"pattern 1 at octet 4: bit 6: pattern C again, which has not been before; left out"},
		{"reserved values", ringtoneBits(basic + "00000001 000 00 0000 00000100 001 1101 010 00 001 0001 111 00 011 11" + quarterC), notes(c),
			"note at octet 6: bit 7: pitch 13, duration 1/4: reserved; left out\n" +
				"note at octet 8: bit 3: pitch 1, duration 1/128: reserved; left out\n" +
				"style at octet 9: bit 7: 3 is none; ignored"},
		{"an instruction that there is not", ringtoneBits(basic + "00000001 000 00 0000 00000011" + quarterC + "111 00000000" + quarterC), notes(c),
			"instruction at octet 8: bit 3: 7 is none; the rest is left out"},
		{"cut short", ringtoneBits(basic + "00000001 000 00 0000 00001000" + quarterC + "001 0001")[:9], notes(c),
			"instruction at octet 8: bit 3: the data ends here; it was cut short on its way"},
		{"no second header", ringtoneBits(basic + "00000010 000 00 0000 00000001" + quarterC + "101"), notes(c),
			"pattern 2 at octet 8: bit 3: no pattern header; the rest is left out"},
		{"an empty pattern", ringtoneBits(basic + "00000010 000 01 0000 00000001 010 00 000 00 0000 00000001 001 0000 001 01"), notes(pause),
			"pattern 1 at octet 4: bit 6: no notes; left out"},
		{"filler bits", ringtoneBits(basic + "00000001 000 00 0000 00000001" + quarterC + "11"), notes(c),
			"filler bits at octet 8: bit 3: not zero; the instructions may have been counted wrongly"},
		{"more after it", append(ringtoneBits(basic+"00000001 000 00 0000 00000001"+quarterC), 0, 7), notes(c),
			"command end at octet 11: bit 0: 1 octets follow the song"},
		{"no end", ringtoneBits(basic + "00000001 000 00 0000 00000001" + quarterC)[:9], notes(c), "command end at octet 9: bit 0: missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, warnings, err := smart.ParseRingtone(test.data)
			if err != nil {
				t.Fatal(err)
			}
			if !sameRingtone(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			var lines []string
			for _, w := range warnings {
				lines = append(lines, w.Error())
			}
			if s := strings.Join(lines, "\n"); s != test.warnings {
				t.Errorf("warnings:\n%s\nwant:\n%s", s, test.warnings)
			}
			checkSent(t, got)
		})
	}
}

func TestParseRingtoneRefuses(t *testing.T) {
	for _, test := range []struct {
		data []byte
		want string
	}{
		{nil, "command at octet 0: bit 0: no sound; this is no ringtone"},
		{[]byte{2}, "command part at octet 1: bit 0: the data ends here; it was cut short on its way"},
		{ringtoneHex(t, "00480E01"), "command at octet 0: bit 0: no sound; this is no ringtone"},
		{ringtoneHex(t, "023A"), "command part at octet 1: bit 0: 1D, not ringing tone programming (25); this is no ringtone"},
		{ringtoneHex(t, "014A00"), "command at octet 2: bit 0: no sound; this is no ringtone"},
		{ringtoneHex(t, "024AFE"), "command part at octet 2: bit 0: 7F is none"},
		{ringtoneHex(t, "024A3A"), "song type at octet 2: bit 7: 0 is none"},
		{ringtoneBits("0011101 011"), "song type at octet 2: bit 7: 3, a MIDI or digitized song; only notes can be read"},
		{ringtoneHex(t, "024A3A55"), "song at octet 3: bit 6: the data ends here; it was cut short on its way"},
		{ringtoneBits(basic + "00000000"), "song at octet 4: bit 6: no notes; nothing can be played, add a pattern that has some"},
	} {
		_, _, err := smart.ParseRingtone(test.data)
		if err == nil || err.Error() != test.want {
			t.Errorf("%.20X: %v, want %s", test.data, err, test.want)
		}
	}
}

func TestReadRingtone(t *testing.T) {
	axelf := ringtoneVectors(t)["axelf"]["data"]
	octets := ringtoneHex(t, axelf)
	const melody = "DJ:d=4,o=5,b=160:f#,8a." // starts as a ringtone could: 74 command parts, programming, sound
	tone, err := smart.ParseRTTTL(melody)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := tone.Object()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, content string
		want          []byte
	}{
		{"octets", string(octets), octets},
		{"hexadecimal", axelf, octets},
		{"lines cut inside an octet", axelf[:55] + "\r\n" + axelf[55:] + "\n", octets},
		{"melody", melody, sent.Data},
		{"melody on lines", "\n" + melody + "\n", sent.Data},
	} {
		o, err := smart.ReadRingtone([]byte(test.content))
		if err != nil || o.Port != smart.PortRingtone || !bytes.Equal(o.Data, test.want) {
			t.Errorf("%s: %X, %v; want %X", test.name, o.Data, err, test.want)
		}
	}
	for _, test := range []struct{ content, want string }{
		{"", "melody at octet 0: a colon is missing; the form is title:d=4,o=5,b=125:notes"},
		{"x::c,i", `note 2 at octet 5: "i" is no note; it is written like 8c#6.`},
		{"024A3A5", "no ringtone: 7 hexadecimal digits; an octet takes two, add the one that is missing"},
		{"024A3A55", "no ringtone: song at octet 3: bit 6: the data ends here; it was cut short on its way"},
		{"\x02\x4A\x3A\x55", "no ringtone: song at octet 3: bit 6: the data ends here; it was cut short on its way"},
	} {
		_, err := smart.ReadRingtone([]byte(test.content))
		if err == nil || err.Error() != test.want {
			t.Errorf("%q: %v, want %s", test.content, err, test.want)
		}
	}
}

func TestObject(t *testing.T) {
	c := smart.Note{Pitch: 1, Octave: 5, Duration: 4, Tempo: 63}
	one := func(n smart.Note) smart.Ringtone {
		return smart.Ringtone{Patterns: []smart.Pattern{{Notes: []smart.Note{n}}}}
	}
	many := func(n int) []smart.Note {
		notes := make([]smart.Note, n)
		for i := range notes {
			notes[i] = c
		}
		return notes
	}
	for _, test := range []struct {
		name string
		tone smart.Ringtone
		want string // hexadecimal, or what is wrong
	}{
		{"assumed values are said first", one(c), hexOf(ringtoneBits(basic + "00000001 000 00 0000 00000100 100 01000 011 00 010 01" + quarterC))},
		{"empty", smart.Ringtone{}, "a ringtone without notes; add a pattern that has some"},
		{"long title", smart.Ringtone{Title: "0123456789abcdef"}, "the title has 16 characters; shorten it to 15"},
		{"title", smart.Ringtone{Title: "\xff"}, "the title is no UTF-8; convert it"},
		{"temporary with title", smart.Ringtone{Title: "x", Temporary: true}, "a temporary ringtone has no title; leave it out"},
		{"patterns", smart.Ringtone{Patterns: make([]smart.Pattern, 256)}, "256 patterns; a ringtone has 255 at most, shorten it"},
		{"ID", smart.Ringtone{Patterns: []smart.Pattern{{ID: 4}}}, "pattern 1: ID 4; it is 0 to 3"},
		{"loop", smart.Ringtone{Patterns: []smart.Pattern{{Loop: 16}}}, "pattern 1: loop 16; it is 0 to 15"},
		{"undefined", smart.Ringtone{Patterns: []smart.Pattern{{ID: 2}}}, "pattern 1: no notes, and no pattern before has the ID 2; give it some"},
		{"full", smart.Ringtone{Patterns: []smart.Pattern{{Notes: many(256)}}}, "pattern 1: 256 instructions; it has 255 at most, cut it in two"},
		{"pitch", one(smart.Note{Pitch: 13}), "pattern 1: note 1: pitch 13; it is 0 to 12"},
		{"pause", one(smart.Note{Octave: 5}), "pattern 1: note 1: a pause with octave 5, style 0, volume 0; leave them 0"},
		{"octave", one(smart.Note{Pitch: 1, Octave: 3}), "pattern 1: note 1: octave 3; it is 4 to 7"},
		{"duration", one(smart.Note{Duration: 64}), "pattern 1: note 1: duration 64; it is 1, 2, 4, 8, 16 or 32"},
		{"specifier", one(smart.Note{Duration: 4, Specifier: 4}), "pattern 1: note 1: duration specifier 4; it is 0 to 3"},
		{"style", one(smart.Note{Pitch: 1, Octave: 4, Duration: 4, Style: 3}), "pattern 1: note 1: style 3; it is 0 to 2"},
		{"volume", one(smart.Note{Pitch: 1, Octave: 4, Duration: 4, Volume: 9}), "pattern 1: note 1: volume 9; it is -7 to 8"},
		{"tempo", one(smart.Note{Duration: 4, Tempo: 120}), "pattern 1: note 1: tempo 120; the nearest that there is is 125"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, err := test.tone.Object()
			got := hexOf(o.Data)
			if err != nil {
				got = err.Error()
			} else if o.Port != smart.PortRingtone {
				t.Errorf("port %X", o.Port)
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			// What cannot be sent must not break what people look at.
			_, _ = test.tone.RTTTL(), test.tone.WAV()
		})
	}
	// A pattern may be full of notes when handsets can be trusted.
	checkSent(t, smart.Ringtone{Patterns: []smart.Pattern{{Notes: many(255)}}})
}

// drawRingtone draws a ringtone that can be sent.
func drawRingtone(t *rapid.T) smart.Ringtone {
	title := []rune(rapid.StringN(0, 7, -1).Draw(t, "title")) // 14 units at most
	tone := smart.Ringtone{Title: strings.ToValidUTF8(string(title), "?")}
	if rapid.Bool().Draw(t, "temporary") {
		tone = smart.Ringtone{Temporary: true}
	}
	var defined [4]bool
	for range rapid.IntRange(1, 6).Draw(t, "patterns") {
		p := smart.Pattern{ID: rapid.IntRange(0, 3).Draw(t, "ID"), Loop: rapid.IntRange(0, 15).Draw(t, "loop")}
		if !defined[p.ID] || rapid.Bool().Draw(t, "new") {
			p.Notes = rapid.SliceOfN(rapid.Custom(drawNote), 1, 40).Draw(t, "notes")
			defined[p.ID] = true
		}
		tone.Patterns = append(tone.Patterns, p)
	}
	return tone
}

func drawNote(t *rapid.T) smart.Note {
	n := smart.Note{
		Pitch:     rapid.IntRange(0, 12).Draw(t, "pitch"),
		Duration:  1 << rapid.IntRange(0, 5).Draw(t, "duration"),
		Specifier: smart.DurationSpecifier(rapid.IntRange(0, 3).Draw(t, "specifier")),
		Tempo:     rapid.SampledFrom([]int{25, 63, 125, 900}).Draw(t, "tempo"),
	}
	if n.Pitch != 0 {
		n.Octave = rapid.IntRange(4, 7).Draw(t, "octave")
		n.Style = smart.Style(rapid.IntRange(0, 2).Draw(t, "style"))
		n.Volume = rapid.IntRange(-7, 8).Draw(t, "volume")
	}
	return n
}

func TestRingtoneComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tone := drawRingtone(t)
		o, err := tone.Object()
		if err != nil {
			t.Fatal(err)
		}
		again, warnings, err := smart.ParseRingtone(o.Data)
		if err != nil || len(warnings) > 0 || !sameRingtone(again, tone) {
			t.Fatalf("%s came back as %s, %v, %v", brief(tone), brief(again), warnings, err)
		}
	})
}

// FuzzRingtone holds the parser to its promises: no panic at any length; an
// error or warning is inside the data; what was read without a warning can be
// sent, and what can be sent is read as the same again. What people may have
// becomes an object that can be read.
func FuzzRingtone(f *testing.F) {
	for _, v := range ringtoneVectors(f) {
		if data := v["data"]; data != "" {
			f.Add(ringtoneHex(f, data))
		}
	}
	f.Add([]byte("024A3A40 0440000444000000"))
	f.Add([]byte("DJ:d=4,o=5,b=160:c,8d#6."))
	f.Add(ringtoneBits(temporary + "00000010 000 01 0010 00000001" + quarterC + "000 01 0001 00000000"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for n := range data {
			smart.ParseRingtone(data[:n])
		}
		if o, err := smart.ReadRingtone(data); err == nil {
			if _, _, err := smart.ParseRingtone(o.Data); err != nil {
				t.Fatalf("%X cannot be read: %v", o.Data, err)
			}
		}
		tone, warnings, err := smart.ParseRingtone(data)
		if err != nil {
			if e, ok := errors.AsType[*pdu.DecodeError](err); !ok || e.Field == "" || e.Offset < 0 || e.Offset > len(data) {
				t.Fatalf("error %#v", err)
			}
			return
		}
		for _, w := range warnings {
			if w.Field == "" || w.Offset < 0 || w.Offset > len(data) {
				t.Fatalf("warning %#v", w)
			}
		}
		if text := tone.RTTTL(); text == "" {
			t.Fatal("no RTTTL")
		}
		o, err := tone.Object()
		if err != nil {
			if len(warnings) == 0 {
				t.Fatalf("read without a warning, not to be sent: %v", err)
			}
			return
		}
		checkSent(t, tone)
		if twice, err := tone.Object(); err != nil || !bytes.Equal(twice.Data, o.Data) {
			t.Fatalf("%X, then %X, %v", o.Data, twice.Data, err)
		}
	})
}
