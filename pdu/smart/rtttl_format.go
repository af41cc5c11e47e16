package smart

import (
	"fmt"
	"strconv"
	"strings"
)

// maxWritten is the most notes of a ringtone that RTTTL writes: as many as 255
// patterns of 255 notes have without a repeat.
const maxWritten = maxPatterns * maxInstructions

// RTTTL writes the ringtone in the form that [ParseRTTTL] reads: first what
// most notes have as defaults, then notes as short as can be. What was parsed
// from RTTTL is parsed as the same again.
//
// RTTTL has one loop for all notes and no volume. So several patterns are
// written out as they are played, to 65,025 notes at most, and one that is
// repeated forever ends the melody; the volume is left out.
func (r Ringtone) RTTTL() string {
	single := len(r.Patterns) == 1
	var notes []Note
	for n := range r.notes(!single) {
		if notes = append(notes, n); len(notes) == maxWritten {
			break
		}
	}
	w := newRTTTLWriter(notes)
	fmt.Fprintf(&w.text, "%s:d=%d,o=%d,b=%d", cleanTitle(r.Title), w.duration, w.octave, w.tempo)
	if w.style != Natural {
		w.text.WriteString(",s=" + styleName(w.style))
	}
	if single && r.Patterns[0].Loop > 0 {
		fmt.Fprintf(&w.text, ",l=%d", r.Patterns[0].Loop)
	}
	for i, n := range notes {
		w.note(i, n)
	}
	return w.text.String()
}

func styleName(s Style) string { return strings.ToUpper(styleLetters[s]) }

// rtttlWriter writes notes after the defaults that are in force.
type rtttlWriter struct {
	text                    strings.Builder
	duration, octave, tempo int
	style                   Style
}

// newRTTTLWriter chooses the defaults: the duration and octave that most notes
// have, the tempo and style of the first.
func newRTTTLWriter(notes []Note) *rtttlWriter {
	w := &rtttlWriter{tempo: assumed.tempo}
	var durations [shortest + 1]int
	var octaves [highestOctave + 1]int
	for i, n := range notes {
		durations[n.Duration]++
		if i == 0 {
			w.tempo = n.Tempo
		}
		if n.Pitch != 0 {
			if octaves == [highestOctave + 1]int{} {
				w.style = n.Style
			}
			octaves[n.Octave]++
		}
	}
	w.duration = mostFrequent(durations[:], 4)
	w.octave = mostFrequent(octaves[:], assumed.octave)
	return w
}

// mostFrequent returns the place of the highest count, the first of several,
// or what is usual when nothing was counted.
func mostFrequent(counts []int, usual int) int {
	best := usual
	for i, n := range counts {
		if n > counts[best] {
			best = i
		}
	}
	return best
}

var pitchNames = [...]string{"p", "c", "c#", "d", "d#", "e", "f", "f#", "g", "g#", "a", "a#", "b"}

// note writes the note at a place in the melody, after what changes with it.
func (w *rtttlWriter) note(i int, n Note) {
	separator := byte(',')
	if i == 0 {
		separator = ':'
	}
	w.text.WriteByte(separator)
	if n.Tempo != w.tempo {
		w.tempo = n.Tempo
		fmt.Fprintf(&w.text, "b=%d,", n.Tempo)
	}
	if n.Pitch != 0 && n.Style != w.style {
		w.style = n.Style
		w.text.WriteString("s=" + styleName(n.Style) + ",")
	}
	if n.Duration != w.duration {
		w.text.WriteString(strconv.Itoa(n.Duration))
	}
	w.text.WriteString(pitchNames[n.Pitch])
	if n.Pitch != 0 && n.Octave != w.octave {
		w.text.WriteString(strconv.Itoa(n.Octave))
	}
	w.text.WriteString([...]string{Plain: "", Dotted: ".", DoubleDotted: "..", Triplet: ";"}[n.Specifier])
}
