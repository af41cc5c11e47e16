package smart

import (
	"fmt"
	"iter"
	"math/bits"
)

// Ringtone is a melody of one voice. Nokia Smart Messaging Specification 3.0,
// ringing tone.
type Ringtone struct {
	Title     string    // 15 UTF-16 units at most; some handsets keep silent when there is none
	Temporary bool      // to be played at once and not kept; it has no title
	Patterns  []Pattern // 1 to 255, in the order they are played
}

// Pattern is a song pattern, a part of the melody that can be repeated.
type Pattern struct {
	ID    int    // 0 to 3, which is A to D; defined again it means the new notes
	Loop  int    // how often it is repeated: 0 to 14, or Forever
	Notes []Note // none: the notes that this ID had last, once more
}

// Forever is the Loop of a pattern that is repeated until the call is taken.
const Forever = 15

// Note is a note or a pause with all that says how it sounds. A pause has no
// octave, style or volume: they are zero.
type Note struct {
	Pitch     int               // 0 is a pause, 1 is C, 2 is C sharp, up to 12, which is B
	Octave    int               // 4 to 7; the A of octave 4, Scale-1 of the specification, has 440 Hz
	Duration  int               // the part of a whole note: 1, 2, 4, 8, 16 or 32
	Specifier DurationSpecifier // makes the duration longer or shorter
	Tempo     int               // quarter notes a minute: 25, 28, 31, 35, 40 and so on to 900, see tempos
	Style     Style             // how much of the duration is heard
	Volume    int               // -7, which is off, to 8; 0 is the usual level
}

// DurationSpecifier changes the duration of a note.
type DurationSpecifier int

const (
	Plain        DurationSpecifier = iota
	Dotted                         // 3/2 of the duration
	DoubleDotted                   // 7/4 of the duration
	Triplet                        // 2/3 of the duration
)

// Style says how notes follow each other.
type Style int

const (
	Natural    Style = iota // a short rest between notes
	Continuous              // no rest
	Staccato                // short notes, long rests
)

// tempos are those that a ringtone can have; one is sent as its place here.
var tempos = [32]int{
	25, 28, 31, 35, 40, 45, 50, 56, 63, 70, 80, 90, 100, 112, 125, 140,
	160, 180, 200, 225, 250, 285, 320, 355, 400, 450, 500, 565, 635, 715, 800, 900,
}

// nearestTempo returns the place in tempos of the one nearest to bpm, the
// slower of two.
func nearestTempo(bpm int) int {
	nearest := 0
	for i, t := range tempos {
		if max(t-bpm, bpm-t) < max(tempos[nearest]-bpm, bpm-tempos[nearest]) {
			nearest = i
		}
	}
	return nearest
}

// Limits of the fields of a ringtone.
const (
	maxTitle        = 15  // UTF-16 units
	maxPatterns     = 255 // of a song
	maxInstructions = 255 // of a pattern
	patternIDs      = 4
	highestPitch    = 12
	lowestOctave    = 4
	highestOctave   = 7
	usualVolume     = 7 // the level that Volume counts from
	loudestVolume   = 15
	shortest        = 32 // the Duration of the shortest note
)

// check returns what keeps a handset from playing the note.
func (n Note) check() error {
	switch {
	case n.Pitch < 0 || n.Pitch > highestPitch:
		return fmt.Errorf("pitch %d; it is 0 to %d", n.Pitch, highestPitch)
	case n.Pitch == 0 && (n.Octave != 0 || n.Style != 0 || n.Volume != 0):
		return fmt.Errorf("a pause with octave %d, style %d, volume %d; leave them 0", n.Octave, n.Style, n.Volume)
	case n.Pitch != 0 && (n.Octave < lowestOctave || n.Octave > highestOctave):
		return fmt.Errorf("octave %d; it is %d to %d", n.Octave, lowestOctave, highestOctave)
	case !isDuration(n.Duration):
		return fmt.Errorf("duration %d; it is 1, 2, 4, 8, 16 or 32", n.Duration)
	case n.Specifier < Plain || n.Specifier > Triplet:
		return fmt.Errorf("duration specifier %d; it is %d to %d", n.Specifier, Plain, Triplet)
	case n.Style < Natural || n.Style > Staccato:
		return fmt.Errorf("style %d; it is %d to %d", n.Style, Natural, Staccato)
	case n.Volume < -usualVolume || n.Volume > loudestVolume-usualVolume:
		return fmt.Errorf("volume %d; it is %d to %d", n.Volume, -usualVolume, loudestVolume-usualVolume)
	}
	if t := tempos[nearestTempo(n.Tempo)]; t != n.Tempo {
		return fmt.Errorf("tempo %d; the nearest that there is is %d", n.Tempo, t)
	}
	return nil
}

func isDuration(d int) bool { return 1 <= d && d <= shortest && bits.OnesCount(uint(d)) == 1 }

// notes yields the notes as they are played, with the repeats of the patterns
// or each pattern once; those that cannot be played are left out. After a
// repeat forever nothing is played.
func (r Ringtone) notes(repeats bool) iter.Seq[Note] {
	return func(yield func(Note) bool) {
		defined := make(map[int][]Note, patternIDs)
		for _, p := range r.Patterns {
			if len(p.Notes) > 0 {
				defined[p.ID] = p.Notes
			}
			times := 1
			if repeats && p.Loop != Forever {
				times += min(p.Loop, Forever)
			}
			for range times {
				for _, n := range defined[p.ID] {
					if n.check() == nil && !yield(n) {
						return
					}
				}
			}
			if repeats && p.Loop == Forever {
				return
			}
		}
	}
}
