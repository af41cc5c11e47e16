package smart

import (
	"encoding/binary"
	"math"
)

// What a preview sounds like.
const (
	wavRate    = 22050 // samples a second
	wavSeconds = 60    // at most
	wavPeak    = 32000 // of 32767, at the loudest volume
	wavRamp    = 0.004 // seconds of attack and of release, so that a note does not click
)

// heardPart is the part of a note's duration that is heard. The specification
// names the styles, but no numbers.
var heardPart = [...]float64{Natural: 7.0 / 8, Continuous: 1, Staccato: 1.0 / 2}

// specifierFactor is what a specifier does to a duration.
var specifierFactor = [...]float64{Plain: 1, Dotted: 3.0 / 2, DoubleDotted: 7.0 / 4, Triplet: 2.0 / 3}

// WAV returns a preview for people: PCM of 16 bits, mono, 22,050 samples a
// second. Each pattern is played once, whatever its loop, and the melody ends
// after 60 seconds.
func (r Ringtone) WAV() []byte {
	samples := make([]int16, 0, wavRate)
	end := 0.0 // of the notes so far, in seconds: a sum that does not drift with the samples
	for n := range r.notes(false) {
		end += n.seconds()
		last := int(math.Round(min(end, wavSeconds) * wavRate))
		samples = n.appendSamples(samples, last-len(samples))
		if end >= wavSeconds {
			break
		}
	}
	return appendWAV(nil, samples)
}

// seconds returns the duration of the note with the rest that follows it.
func (n Note) seconds() float64 {
	const quarters, minute = 4, 60
	return minute * quarters / float64(n.Tempo*n.Duration) * specifierFactor[n.Specifier]
}

// hertz returns the frequency: the A of octave 4 has 440 Hz, each semitone the
// twelfth root of two more.
func (n Note) hertz() float64 {
	const a = 10
	return 440 * math.Exp2(float64(n.Octave-4)+float64(n.Pitch-a)/12)
}

// appendSamples appends the note as so many samples: a soft square wave, which
// is the tone and its third harmonic where that can be heard, then silence.
func (n Note) appendSamples(samples []int16, count int) []int16 {
	audible := 0
	if n.Pitch != 0 {
		audible = int(float64(count) * heardPart[n.Style])
	}
	ramp := min(wavRamp*wavRate, float64(audible)/2)
	peak := wavPeak * float64(usualVolume+n.Volume) / loudestVolume
	hertz, third := n.hertz(), 1.0/3
	if 3*hertz > wavRate/2 {
		third = 0
	}
	for i := range audible {
		phase := 2 * math.Pi * hertz * float64(i) / wavRate
		level := min(1, float64(i)/ramp, float64(audible-i)/ramp)
		samples = append(samples, int16(peak*level*(math.Sin(phase)+third*math.Sin(3*phase))))
	}
	return append(samples, make([]int16, count-audible)...)
}

// appendWAV appends a RIFF WAVE file of mono samples.
func appendWAV(b []byte, samples []int16) []byte {
	const header, format, octets, pcm, mono = 36, 16, 2, 1, 1
	size := octets * len(samples)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(header+size))
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, format)
	b = binary.LittleEndian.AppendUint16(b, pcm)
	b = binary.LittleEndian.AppendUint16(b, mono)
	b = binary.LittleEndian.AppendUint32(b, wavRate)
	b = binary.LittleEndian.AppendUint32(b, wavRate*octets)
	b = binary.LittleEndian.AppendUint16(b, octets)
	b = binary.LittleEndian.AppendUint16(b, 8*octets)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	for _, s := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}
