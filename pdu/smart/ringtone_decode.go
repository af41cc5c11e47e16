package smart

import (
	"errors"
	"fmt"
	"unicode/utf16"

	"cellpost/pdu"
)

// ParseRingtone reads the data that came to or goes to [PortRingtone]. The
// notes are those that a handset plays: what it assumes without an instruction
// is filled in, and reserved values are left out with a warning, as is what
// follows an instruction that does not exist, for its length is unknown.
//
// The error is a [*pdu.DecodeError], as are the warnings; it means that the
// data is no ringtone, is of another kind (MIDI, digitized), or has no note.
func ParseRingtone(data []byte) (Ringtone, pdu.Warnings, error) {
	d := ringtoneDecoder{b: data, state: assumed}
	if err := checkObject(data); err != nil {
		return Ringtone{}, nil, err
	}
	if err := d.song(); err != nil {
		return Ringtone{}, nil, err
	}
	if len(d.tone.Patterns) == 0 {
		return Ringtone{}, nil, bitFault("song", d.pos, "no notes; nothing can be played, add a pattern that has some")
	}
	if !d.lost {
		d.end()
	}
	return d.tone, d.warnings, nil
}

// ReadRingtone makes a ringtone from what people have: a melody (as
// [ParseRTTTL] takes it) or octets that [ParseRingtone] can read, which are sent
// as they are. They may be written as hexadecimal digits with white space
// anywhere.
func ReadRingtone(content []byte) (Object, error) {
	octets, err := readOctets(content)
	if err != nil {
		return Object{}, fmt.Errorf("no ringtone: %w", err)
	}
	// The first octet counts a few command parts, and no text starts so. The
	// next ones tell less: DJ: could be programming and a sound.
	if len(octets) == 0 || octets[0] >= '\t' {
		tone, err := ParseRTTTL(string(octets))
		if err != nil {
			return Object{}, err
		}
		return tone.Object()
	}
	if _, _, err := ParseRingtone(octets); err != nil {
		return Object{}, fmt.Errorf("no ringtone: %w", err)
	}
	return Object{Port: PortRingtone, Data: octets}, nil
}

// ringtoneDecoder takes the fields of a ringtone in order.
type ringtoneDecoder struct {
	b        []byte
	pos      int  // in bits
	short    bool // a field was asked for that is not there
	lost     bool // where the next field starts is not known
	wide     bool // the title has 16 bits a character
	state    ringtoneState
	defined  [patternIDs]bool
	tone     Ringtone
	warnings pdu.Warnings
}

// take returns the next field, or 0 and short when it is not there.
func (d *ringtoneDecoder) take(width int) int {
	if d.pos+width > 8*len(d.b) {
		d.short = true
		return 0
	}
	value := 0
	for range width {
		value = value<<1 | int(d.b[d.pos/8]>>(7-d.pos%8)&1)
		d.pos++
	}
	return value
}

// bitFault is about the field that starts at a bit.
func bitFault(field string, bit int, format string, args ...any) *pdu.DecodeError {
	err := fmt.Errorf("bit %d: %w", bit%8, fmt.Errorf(format, args...))
	return &pdu.DecodeError{Field: field, Offset: bit / 8, Err: err}
}

func (d *ringtoneDecoder) warn(field string, bit int, format string, args ...any) {
	d.warnings = appendWarnings(d.warnings, bitFault(field, bit, format, args...))
}

// errCut says that the data ends inside a field.
var errCut = errors.New("the data ends here; it was cut short on its way")

// song reads commands up to the sound, and the sound.
func (d *ringtoneDecoder) song() error {
	programming := false
	for parts := 0; ; parts-- {
		at := d.pos
		if parts == 0 {
			if parts = d.take(8); parts == 0 {
				return bitFault("command", at, "no sound; this is no ringtone")
			}
		}
		at = d.pos
		switch part := d.take(7); {
		case d.short:
			return bitFault("command part", at, "%w", errCut)
		case part == partProgramming:
			programming = true
		case !programming:
			return bitFault("command part", at, "%02X, not ringing tone programming (25); this is no ringtone", part)
		case part == partUnicode:
			d.wide = true
		case part == partCancel:
			if d.take(7) == partUnicode {
				d.wide = false
			}
		case part == partSound:
			return d.sound()
		default:
			return bitFault("command part", at, "%02X is none", part)
		}
		d.pos = (d.pos + 7) &^ 7
	}
}

func (d *ringtoneDecoder) sound() error {
	at := d.pos
	switch kind := d.take(3); kind {
	case songBasic:
		d.title()
	case songTemporary:
		d.tone.Temporary = true
	case songMIDI, songDigitized:
		return bitFault("song type", at, "%d, a MIDI or digitized song; only notes can be read", kind)
	default:
		return bitFault("song type", at, "%d is none", kind)
	}
	at = d.pos
	length := d.take(8)
	if d.short {
		return bitFault("song", at, "%w", errCut)
	}
	for i := 0; i < length && !d.lost; i++ {
		d.pattern(fmt.Sprint("pattern ", i+1))
	}
	return nil
}

func (d *ringtoneDecoder) title() {
	width := 8
	if d.wide {
		width = 16
	}
	units := make([]uint16, d.take(4))
	for i := range units {
		units[i] = uint16(d.take(width))
	}
	d.tone.Title = string(utf16.Decode(units))
}

// pattern reads a pattern header and the instructions of the pattern.
func (d *ringtoneDecoder) pattern(field string) {
	at := d.pos
	id := d.take(3)
	p := Pattern{ID: d.take(2), Loop: d.take(4)}
	length := d.take(8)
	if d.short || id != idPattern {
		d.lost = true
		d.warn(field, at, "no pattern header; the rest is left out")
		return
	}
	if length == 0 && !d.defined[p.ID] {
		d.warn(field, at, "pattern %c again, which has not been before; left out", 'A'+p.ID)
		return
	}
	for i := 0; i < length && !d.lost; i++ {
		p.Notes = d.instruction(p.Notes)
	}
	if length > 0 {
		d.defined[p.ID] = len(p.Notes) > 0
	}
	if !d.defined[p.ID] {
		d.warn(field, at, "no notes; left out")
		return
	}
	d.tone.Patterns = append(d.tone.Patterns, p)
}

// instruction reads a pattern instruction and appends the note that it is.
func (d *ringtoneDecoder) instruction(notes []Note) []Note {
	at := d.pos
	id := d.take(3)
	switch id {
	case idNote:
		pitch, duration, specifier := d.take(4), d.take(3), d.take(2)
		if !d.short {
			return d.note(notes, at, Note{Pitch: pitch, Duration: 1 << duration, Specifier: DurationSpecifier(specifier)})
		}
	case idScale:
		d.state.octave = lowestOctave + d.take(2)
	case idStyle:
		style := Style(d.take(2))
		if style > Staccato {
			d.warn("style", at, "%d is none; ignored", style)
			break
		}
		d.state.style = style
	case idTempo:
		d.state.tempo = tempos[d.take(5)]
	case idVolume:
		d.state.volume = d.take(4) - usualVolume
	default:
		if !d.short {
			d.lost = true
			d.warn("instruction", at, "%d is none; the rest is left out", id)
		}
	}
	if d.short {
		d.lost = true
		d.warn("instruction", at, "%w", errCut)
	}
	return notes
}

func (d *ringtoneDecoder) note(notes []Note, at int, n Note) []Note {
	if n.Pitch > highestPitch || !isDuration(n.Duration) {
		d.warn("note", at, "pitch %d, duration 1/%d: reserved; left out", n.Pitch, n.Duration)
		return notes
	}
	n.Tempo = d.state.tempo
	if n.Pitch != 0 {
		n.Octave, n.Style, n.Volume = d.state.octave, d.state.style, d.state.volume
	}
	return append(notes, n)
}

// end checks that filler bits, the end of the command and nothing else follow.
// Some senders append more octets of zero.
func (d *ringtoneDecoder) end() {
	at := d.pos
	if d.take(-d.pos&7) != 0 {
		d.warn("filler bits", at, "not zero; the instructions may have been counted wrongly")
	}
	rest := d.b[d.pos/8:]
	if len(rest) == 0 {
		d.warn("command end", d.pos, "missing")
	}
	for i, b := range rest {
		if b != 0 {
			d.warn("command end", d.pos+8*i, "%d octets follow the song", len(rest)-i)
			return
		}
	}
}
