package smart

import (
	"cmp"
	"fmt"
	"iter"
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
// Names may be written out: duration, octave, bpm or tempo, style, loop. Blanks
// and capitals make no difference, settings of other names are ignored.
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
	for c := range rtttlCommands("default", defaults, len(name)+1) {
		name, value, ok := strings.Cut(c.text, "=")
		if !ok {
			name, value = c.text[:1], c.text[1:]
		}
		if err := p.setting(c, name, value); err != nil {
			return Ringtone{}, err
		}
	}
	start := len(text) - len(melody)
	for c := range rtttlCommands("note", melody, start) {
		if err := p.command(c); err != nil {
			return Ringtone{}, err
		}
	}
	if len(p.notes) == 0 {
		return Ringtone{}, rtttlError("melody", start, "no notes; write them after the second colon: 8c,8d#6,p")
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

// rtttlCommand is what stands between two commas.
type rtttlCommand struct {
	field string // "note 3"
	text  string // lower case, without blanks, not empty
	at    int    // octets into the text
}

func (c rtttlCommand) errorf(format string, args ...any) error {
	return rtttlError(c.field, c.at, format, args...)
}

// rtttlCommands yields the commands of a section that starts at an offset.
// Nothing between two commas is no command.
func rtttlCommands(kind, section string, at int) iter.Seq[rtttlCommand] {
	return func(yield func(rtttlCommand) bool) {
		number := 0
		for text := range strings.SplitSeq(section, ",") {
			start := at + len(text) - len(strings.TrimLeftFunc(text, unicode.IsSpace))
			at += len(text) + len(",")
			text = strings.ToLower(strings.Join(strings.Fields(text), ""))
			if text == "" {
				continue
			}
			number++
			if !yield(rtttlCommand{fmt.Sprint(kind, " ", number), text, start}) {
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
func (p *rtttlParser) command(c rtttlCommand) error {
	name, value, ok := strings.Cut(c.text, "=")
	switch {
	case name == "l" && ok, name == "loop" && ok:
		return c.errorf("a loop among the notes; %s can only stand before the second colon", name)
	case ok && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") == "":
		return p.setting(c, name, value)
	case !ok && (name[0] == 'o' || name[0] == 's'):
		return p.setting(c, name[:1], name[1:])
	}
	return p.note(c)
}

var styleLetters = [...]string{Natural: "n", Continuous: "c", Staccato: "s"}

// setting takes the new value of a default.
func (p *rtttlParser) setting(c rtttlCommand, name, value string) error {
	n, err := strconv.Atoi(value)
	switch name {
	case "d", "duration":
		if err != nil || !isDuration(n) {
			return c.errorf("duration %.20q; it is 1, 2, 4, 8, 16 or 32", value)
		}
		p.duration = n
	case "o", "octave":
		if err != nil || n < 0 || n > highestWritten {
			return c.errorf("octave %.20q; it is 0 to %d", value, highestWritten)
		}
		p.octave = n
	case "b", "bpm", "tempo":
		if err != nil || n < tempos[0] || n > tempos[len(tempos)-1] {
			return c.errorf("tempo %.20q; it is %d to %d", value, tempos[0], tempos[len(tempos)-1])
		}
		p.tempo = tempos[nearestTempo(n)]
	case "l", "loop":
		if err != nil || n < 0 || n > Forever {
			return c.errorf("loop %.20q; it is 0 to %d", value, Forever)
		}
		p.loop = n
	case "s", "style":
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

// highestWritten is the highest octave that is read. Which are meant is known
// when the melody is moved.
const highestWritten = 9

// noteText is a note as it is written: 8c#6. is 8, c, #, 6 and a dot.
type noteText struct {
	duration, letter, accidentals, octave, specifier string
}

// cutNote cuts a note into its parts, in the order in which they may stand; ok
// is false when it is none.
func cutNote(text string) (n noteText, ok bool) {
	take := func(set string, most int) string {
		end := 0
		for end < min(most, len(text)) && strings.IndexByte(set, text[end]) >= 0 {
			end++
		}
		part := text[:end]
		text = text[end:]
		return part
	}
	const digits, marks = "0123456789", ".:;"
	n.duration = take(digits, len(text))
	n.specifier = take(marks, len(text))
	n.accidentals = take("#_", 1)
	n.letter = take("abcdefghp", 1)
	n.accidentals += take("#_b", 1)
	n.specifier += take(marks, len(text))
	n.octave = take(digits, len(text))
	n.specifier += take(marks, len(text))
	return n, n.letter != "" && text == ""
}

var specifiers = map[string]DurationSpecifier{"": Plain, ".": Dotted, "..": DoubleDotted, ":": DoubleDotted, ";": Triplet}

func (p *rtttlParser) note(c rtttlCommand) error {
	parts, ok := cutNote(c.text)
	if !ok {
		return c.errorf("%.20q is no note; it is written like 8c#6.", c.text)
	}
	n := Note{Duration: p.duration, Tempo: p.tempo}
	var err error
	if parts.duration != "" {
		n.Duration, err = strconv.Atoi(parts.duration)
	}
	if err != nil || !isDuration(n.Duration) {
		return c.errorf("duration %.20s; it is 1, 2, 4, 8, 16 or 32", parts.duration)
	}
	if n.Specifier, ok = specifiers[parts.specifier]; !ok {
		return c.errorf("%.20q has more than one specifier; it is one of . .. ; or :", c.text)
	}
	if parts.letter == "p" {
		if parts.accidentals != "" {
			return c.errorf("%q is a pause; it is neither sharp nor flat", c.text)
		}
		p.notes = append(p.notes, n)
		return nil
	}
	octave := p.octave
	if parts.octave != "" {
		octave, err = strconv.Atoi(parts.octave)
	}
	if err != nil || octave > highestWritten {
		return c.errorf("octave %.20s; it is 0 to %d", parts.octave, highestWritten)
	}
	n.Style = p.style
	n.Pitch, n.Octave = pitchOf(parts.letter, parts.accidentals, octave)
	return p.tone(c, n)
}

// pitchOf returns the pitch and octave of a letter with its accidentals: the
// flat C is the B of the octave below.
func pitchOf(letter, accidentals string, octave int) (int, int) {
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
func (p *rtttlParser) tone(c rtttlCommand, n Note) error {
	if !p.tones {
		p.tones, p.low, p.high = true, n.Octave, n.Octave
	}
	p.low, p.high = min(p.low, n.Octave), max(p.high, n.Octave)
	if p.high-p.low > highestOctave-lowestOctave {
		return c.errorf("octave %d in a melody from octave %d to %d; bring its notes into four", n.Octave, p.low, p.high)
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
