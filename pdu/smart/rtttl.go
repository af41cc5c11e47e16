package smart

import (
	"cmp"
	"fmt"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"cellpost/pdu"
)

// maxRTTTL is the most octets of RTTTL that are read. All that they can say
// fits into 255 short messages.
const maxRTTTL = 32 << 10

// untitled is the title of a melody that came without: some handsets keep
// silent for a ringtone that has none.
const untitled = "Ringtone"

// ParseRTTTL reads a melody in the Ring Tone Text Transfer Language of Nokia,
// with what its successor RTX adds:
//
//	title : d=4, o=6, b=63, s=N, l=0 : 8c, 4c#6., p, s=S, 16a, b=125, ...
//
// A note is [duration] pitch [octave] [specifier]. Defaults come in any order,
// and are the ones shown where they are left out: duration, octave, tempo in
// quarter notes a minute, style (N natural, C continuous, S staccato), loop (0
// to 14 repeats, 15 forever). All but the loop may change among the notes.
// Blanks and capitals make no difference, defaults of other names are ignored.
//
// Melodies are written in many ways. These are read:
//
//   - The specifier is . for dotted, .. or : for double dotted, ; for a triplet
//     (2/3). It may also stand before the octave or before the pitch.
//   - B may be called h. A sharp is # or _, after its pitch or before. A b
//     after a pitch makes it flat: eb is d#.
//   - Octaves are 4 to 7. A melody that leaves them is moved as a whole, by
//     octaves, so that it fits: some count 5 to 8, and a tune is better known
//     an octave off than with single notes out of place.
//   - Tempos are 25 to 900. The nearest of the 32 that a ringtone can have is
//     taken, the slower of two: 120 is sent as 125.
//   - Of a longer title the first 15 characters are taken.
//
// What is returned can be sent. The error is a [*pdu.DecodeError] with the
// number of the note, counted by commas from 1, and octets into the text.
func ParseRTTTL(text string) (Ringtone, error) {
	if len(text) > maxRTTTL {
		return Ringtone{}, rtttlError("melody", 0, "%d octets; shorten it to %d", len(text), maxRTTTL)
	}
	name, rest, _ := strings.Cut(text, ":")
	defaults, melody, ok := strings.Cut(rest, ":")
	if !ok {
		return Ringtone{}, rtttlError("melody", len(text), "a colon is missing; the form is title:d=4,o=5,b=125:notes")
	}
	p := rtttlParser{duration: 4, octave: 6, tempo: assumed.tempo}
	for c := range commands("default", defaults, len(name)+1) {
		if err := p.setting(c, strings.TrimPrefix(c.text[1:], "=")); err != nil {
			return Ringtone{}, err
		}
	}
	start := len(text) - len(melody)
	for c := range commands("note", melody, start) {
		if err := p.command(c); err != nil {
			return Ringtone{}, err
		}
	}
	if len(p.notes) == 0 {
		return Ringtone{}, rtttlError("melody", start, "no notes")
	}
	p.move()
	patterns := cutPatterns(p.notes)
	if p.loop > 0 && len(patterns) > 1 {
		return Ringtone{}, rtttlError("melody", start, "too long to be repeated; leave l out or shorten it")
	}
	patterns[0].Loop = p.loop
	return Ringtone{Title: cutTitle(name), Patterns: patterns}, nil
}

func rtttlError(field string, at int, format string, args ...any) error {
	return &pdu.DecodeError{Field: field, Offset: at, Err: fmt.Errorf(format, args...)}
}

// cutTitle returns what of a name can be a title.
func cutTitle(name string) string {
	title, room := "", maxTitle
	for _, r := range cleanTitle(name) {
		if room -= utf16.RuneLen(r); room < 0 {
			break
		}
		title += string(r)
	}
	return cmp.Or(strings.TrimSpace(title), untitled)
}

// cleanTitle makes one blank of what would end the name in RTTTL, break its
// line, or show nothing.
func cleanTitle(name string) string {
	return strings.Join(strings.FieldsFunc(name, func(r rune) bool {
		return r == ':' || r == '\uFEFF' || r == utf8.RuneError || unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}

// command is what stands between two commas.
type command struct {
	field string // "note 3"
	text  string // lower case, without blanks, not empty
	at    int    // octets into the text
}

func (c command) errorf(format string, args ...any) error {
	return rtttlError(c.field, c.at, format, args...)
}

// commands yields the commands of a section that starts at an offset. Nothing
// between two commas is no command.
func commands(kind, section string, at int) iter.Seq[command] {
	return func(yield func(command) bool) {
		number := 0
		for text := range strings.SplitSeq(section, ",") {
			start := at + len(text) - len(strings.TrimLeftFunc(text, unicode.IsSpace))
			at += len(text) + len(",")
			text = strings.ToLower(strings.Join(strings.Fields(text), ""))
			if text == "" {
				continue
			}
			number++
			if !yield(command{fmt.Sprint(kind, " ", number), text, start}) {
				return
			}
		}
	}
}

// rtttlParser holds the defaults that are in force and the notes so far.
type rtttlParser struct {
	duration, octave, tempo, loop int
	style                         Style
	notes                         []Note
	low, high                     int // octaves of the notes so far, when there is a tone
	tones                         bool
}

// command takes a note or a change of a default. Without = only o and s are
// settings: the others could be pitches.
func (p *rtttlParser) command(c command) error {
	value, ok := strings.CutPrefix(c.text[1:], "=")
	switch {
	case c.text[0] == 'l' && ok:
		return c.errorf("a loop among the notes; l can only stand before the second colon")
	case ok || c.text[0] == 'o' || c.text[0] == 's':
		return p.setting(c, value)
	}
	return p.note(c)
}

var styleLetters = [...]string{Natural: "n", Continuous: "c", Staccato: "s"}

// setting takes the new value of a default.
func (p *rtttlParser) setting(c command, value string) error {
	n, err := strconv.Atoi(value)
	switch c.text[0] {
	case 'd':
		if err != nil || !isDuration(n) {
			return c.errorf("duration %.20q; it is 1, 2, 4, 8, 16 or 32", value)
		}
		p.duration = n
	case 'o':
		if err != nil || n < 0 || n > 9 {
			return c.errorf("octave %.20q; it is %d to %d", value, lowestOctave, highestOctave)
		}
		p.octave = n
	case 'b':
		if err != nil || n < tempos[0] || n > tempos[len(tempos)-1] {
			return c.errorf("tempo %.20q; it is %d to %d", value, tempos[0], tempos[len(tempos)-1])
		}
		p.tempo = tempos[nearestTempo(n)]
	case 'l':
		if err != nil || n < 0 || n > Forever {
			return c.errorf("loop %.20q; it is 0 to %d", value, Forever)
		}
		p.loop = n
	case 's':
		for style, letter := range styleLetters {
			if value == letter {
				p.style = Style(style)
				return nil
			}
		}
		return c.errorf("style %.20q; it is N, C or S", value)
	}
	return nil
}

var noteForm = regexp.MustCompile(`^(\d*)([.:;]*)([#_]?)([a-hp])([#_b]?)([.:;]*)(\d*)([.:;]*)$`)

var specifiers = map[string]DurationSpecifier{"": Plain, ".": Dotted, "..": DoubleDotted, ":": DoubleDotted, ";": Triplet}

func (p *rtttlParser) note(c command) error {
	form := noteForm.FindStringSubmatch(c.text)
	if form == nil {
		return c.errorf("%.20q is no note; it is written like 8c#6.", c.text)
	}
	n := Note{Duration: p.duration, Tempo: p.tempo}
	var err error
	if form[1] != "" {
		n.Duration, err = strconv.Atoi(form[1])
	}
	if err != nil || !isDuration(n.Duration) {
		return c.errorf("duration %.20s; it is 1, 2, 4, 8, 16 or 32", form[1])
	}
	var ok bool
	if n.Specifier, ok = specifiers[form[2]+form[6]+form[8]]; !ok {
		return c.errorf("%.20q has more than one specifier; it is one of . .. ; or :", c.text)
	}
	if form[4] == "p" {
		if form[3]+form[5] != "" {
			return c.errorf("%q is a pause; it is neither sharp nor flat", c.text)
		}
		p.notes = append(p.notes, n)
		return nil
	}
	octave := p.octave
	if form[7] != "" {
		octave, err = strconv.Atoi(form[7])
	}
	if err != nil || octave > 9 {
		return c.errorf("octave %.20s; it is %d to %d", form[7], lowestOctave, highestOctave)
	}
	n.Style = p.style
	n.Pitch, n.Octave = pitch(form[4], form[3]+form[5], octave)
	return p.tone(c, n)
}

// pitch returns the pitch and octave of a letter with its accidentals: the flat
// C is the B of the octave below.
func pitch(letter, accidentals string, octave int) (int, int) {
	semitone := map[string]int{"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11, "h": 11}[letter]
	semitone += len(accidentals) - 2*strings.Count(accidentals, "b")
	switch {
	case semitone < 0:
		return semitone + 13, octave - 1
	case semitone > 11:
		return semitone - 11, octave + 1
	}
	return semitone + 1, octave
}

// tone appends a note that is no pause.
func (p *rtttlParser) tone(c command, n Note) error {
	if !p.tones {
		p.tones, p.low, p.high = true, n.Octave, n.Octave
	}
	p.low, p.high = min(p.low, n.Octave), max(p.high, n.Octave)
	if p.high-p.low > highestOctave-lowestOctave {
		return c.errorf("octave %d in a melody from octave %d to %d; it can have four, 4 to 7", n.Octave, p.low, p.high)
	}
	p.notes = append(p.notes, n)
	return nil
}

// move moves the notes into the octaves that there are.
func (p *rtttlParser) move() {
	by := max(lowestOctave-p.low, 0) + min(highestOctave-p.high, 0)
	for i := range p.notes {
		if p.notes[i].Pitch != 0 {
			p.notes[i].Octave += by
		}
	}
}
