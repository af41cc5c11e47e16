package smart

import (
	"errors"
	"fmt"
	"math/bits"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Command parts, song types and instruction identifiers of the ringing tone
// programming language. Smart Messaging Specification 3.0, ringing tone.
const (
	partCancel      = 0x05
	partSound       = 0x1D
	partUnicode     = 0x22
	partProgramming = 0x25

	songBasic     = 1
	songTemporary = 2
	songMIDI      = 3
	songDigitized = 4

	idPattern = 0
	idNote    = 1
	idScale   = 2
	idStyle   = 3
	idTempo   = 4
	idVolume  = 5
)

// ringtoneState is what instructions have set for the notes that follow. It
// lasts from one pattern to the next.
type ringtoneState struct {
	octave, tempo, volume int
	style                 Style
}

// assumed is what a handset has to assume before any instruction, the defaults
// of the specification: Scale-2, natural style, 63 bpm, level 7.
var assumed = ringtoneState{octave: 5, tempo: 63, style: Natural}

// unsure agrees with no note but in its volume, so that tempo, style and scale
// are all said before the first note. Not every handset can be trusted to start
// with the defaults: Nokia's converter of Series 60, used twice, keeps the scale
// and style of the ringtone before. It costs 18 bits at most.
var unsure = ringtoneState{style: -1}

// trusting returns the state with what is still unsure as it is assumed to be.
func (s ringtoneState) trusting() ringtoneState {
	if s.tempo == unsure.tempo {
		s.tempo = assumed.tempo
	}
	if s.style == unsure.style {
		s.style = assumed.style
	}
	if s.octave == unsure.octave {
		s.octave = assumed.octave
	}
	return s
}

// ringtoneInstruction is a pattern instruction: a 3-bit identifier and its
// value.
type ringtoneInstruction struct {
	id, value, width int
}

// appendNote appends the instructions that a note takes after those before:
// what changes, then the note itself. To a pause only the tempo matters.
func (s *ringtoneState) appendNote(list []ringtoneInstruction, n Note) []ringtoneInstruction {
	if n.Tempo != s.tempo {
		s.tempo = n.Tempo
		list = append(list, ringtoneInstruction{idTempo, nearestTempo(n.Tempo), 5})
	}
	if n.Pitch != 0 {
		list = s.appendTone(list, n)
	}
	note := n.Pitch<<5 | bits.TrailingZeros(uint(n.Duration))<<2 | int(n.Specifier)
	return append(list, ringtoneInstruction{idNote, note, 9})
}

func (s *ringtoneState) appendTone(list []ringtoneInstruction, n Note) []ringtoneInstruction {
	if n.Style != s.style {
		s.style = n.Style
		list = append(list, ringtoneInstruction{idStyle, int(n.Style), 2})
	}
	if n.Octave != s.octave {
		s.octave = n.Octave
		list = append(list, ringtoneInstruction{idScale, n.Octave - lowestOctave, 2})
	}
	if n.Volume != s.volume {
		s.volume = n.Volume
		list = append(list, ringtoneInstruction{idVolume, usualVolume + n.Volume, 4})
	}
	return list
}

// appendNotes appends the instructions of all notes.
func (s *ringtoneState) appendNotes(list []ringtoneInstruction, notes []Note) []ringtoneInstruction {
	for _, n := range notes {
		list = s.appendNote(list, n)
	}
	return list
}

// cutPatterns makes patterns of notes, as few as hold them. Each holds as many
// instructions as a pattern can.
func cutPatterns(notes []Note) []Pattern {
	var patterns []Pattern
	state, from, used := unsure, 0, 0
	var list []ringtoneInstruction
	for i, n := range notes {
		list = state.appendNote(list[:0], n)
		if used+len(list) > maxInstructions {
			patterns = append(patterns, Pattern{ID: len(patterns) % patternIDs, Notes: notes[from:i:i]})
			from, used = i, 0
		}
		used += len(list)
	}
	return append(patterns, Pattern{ID: len(patterns) % patternIDs, Notes: notes[from:]})
}

// Object encodes the ringtone in as few octets as it takes when tempo, style
// and scale are said at the start, and later where they change. A title is
// sent as ISO 8859-1 when that holds it, else with 16 bits a character.
//
// The error says what of the ringtone cannot be sent. How many short messages
// a ringtone may take is left to [Object.Split]; handsets of the time took
// three or four.
func (r Ringtone) Object() (Object, error) {
	title, wide, err := encodeTitle(r.Title)
	if err != nil {
		return Object{}, err
	}
	if r.Temporary && r.Title != "" {
		return Object{}, errors.New("a temporary ringtone has no title; leave it out")
	}
	patterns, err := r.patterns()
	if err != nil {
		return Object{}, err
	}
	w := new(bitWriter)
	w.commandParts(wide)
	if r.Temporary {
		w.put(songTemporary, 3)
	} else {
		w.put(songBasic, 3)
		w.title(title, wide)
	}
	w.put(len(patterns), 8)
	for i, list := range patterns {
		w.pattern(r.Patterns[i], list)
	}
	w.align()
	w.put(0, 8)
	return Object{Port: PortRingtone, Data: w.b}, nil
}

// encodeTitle returns the characters of a title, and whether one of them takes
// 16 bits.
func encodeTitle(title string) (units []uint16, wide bool, err error) {
	if !utf8.ValidString(title) {
		return nil, false, errors.New("the title is no UTF-8; convert it")
	}
	units = utf16.Encode([]rune(title))
	if len(units) > maxTitle {
		return nil, false, fmt.Errorf("the title has %d characters; shorten it to %d", len(units), maxTitle)
	}
	for _, u := range units {
		wide = wide || u > unicode.MaxLatin1
	}
	return units, wide, nil
}

// patterns returns the instructions of each pattern; none for one that is
// played again.
func (r Ringtone) patterns() ([][]ringtoneInstruction, error) {
	if len(r.Patterns) == 0 {
		return nil, errors.New("a ringtone without notes; add a pattern that has some")
	}
	if len(r.Patterns) > maxPatterns {
		return nil, fmt.Errorf("%d patterns; a ringtone has %d at most, shorten it", len(r.Patterns), maxPatterns)
	}
	var defined [patternIDs]bool
	state := unsure
	patterns := make([][]ringtoneInstruction, len(r.Patterns))
	for i, p := range r.Patterns {
		if err := p.check(&defined); err != nil {
			return nil, fmt.Errorf("pattern %d: %w", i+1, err)
		}
		before := state
		patterns[i] = state.appendNotes(nil, p.Notes)
		if len(patterns[i]) > maxInstructions {
			// What handsets are said to assume is no reason to fail.
			state = before.trusting()
			patterns[i] = state.appendNotes(nil, p.Notes)
		}
		if n := len(patterns[i]); n > maxInstructions {
			return nil, fmt.Errorf("pattern %d: %d instructions; it has %d at most, cut it in two", i+1, n, maxInstructions)
		}
	}
	return patterns, nil
}

// check returns what keeps a pattern from being sent, after those whose IDs
// are defined.
func (p Pattern) check(defined *[patternIDs]bool) error {
	switch {
	case p.ID < 0 || p.ID >= patternIDs:
		return fmt.Errorf("ID %d; it is 0 to %d", p.ID, patternIDs-1)
	case p.Loop < 0 || p.Loop > Forever:
		return fmt.Errorf("loop %d; it is 0 to %d", p.Loop, Forever)
	case len(p.Notes) == 0 && !defined[p.ID]:
		return fmt.Errorf("no notes, and no pattern before has the ID %d; give it some", p.ID)
	}
	defined[p.ID] = true
	for i, n := range p.Notes {
		if err := n.check(); err != nil {
			return fmt.Errorf("note %d: %w", i+1, err)
		}
	}
	return nil
}

// bitWriter writes fields of bits, the most significant first.
type bitWriter struct {
	b    []byte
	free int // bits of the last octet that are not written yet
}

func (w *bitWriter) put(value, width int) {
	for width > 0 {
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		n := min(width, w.free)
		width -= n
		w.free -= n
		w.b[len(w.b)-1] |= byte(value >> width & (1<<n - 1) << w.free)
	}
}

// align fills the octet with filler bits.
func (w *bitWriter) align() { w.free = 0 }

func (w *bitWriter) commandParts(wide bool) {
	parts := []int{partProgramming, partSound}
	if wide {
		parts = []int{partProgramming, partUnicode, partSound}
	}
	w.put(len(parts), 8)
	for _, p := range parts {
		w.align()
		w.put(p, 7)
	}
}

func (w *bitWriter) title(units []uint16, wide bool) {
	width := 8
	if wide {
		width = 16
	}
	w.put(len(units), 4)
	for _, u := range units {
		w.put(int(u), width)
	}
}

func (w *bitWriter) pattern(p Pattern, list []ringtoneInstruction) {
	w.put(idPattern, 3)
	w.put(p.ID, 2)
	w.put(p.Loop, 4)
	w.put(len(list), 8)
	for _, in := range list {
		w.put(in.id, 3)
		w.put(in.value, in.width)
	}
}
