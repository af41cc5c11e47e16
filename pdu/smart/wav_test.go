package smart_test

import (
	"encoding/binary"
	"math"
	"testing"

	"cellpost/pdu/smart"
)

// readWAV checks the header of a WAV file and returns its samples.
func readWAV(t *testing.T, file []byte) []int16 {
	t.Helper()
	if len(file) < 44 {
		t.Fatalf("%d octets", len(file))
	}
	le := binary.LittleEndian
	type header struct {
		riff, wave, format, data                        string
		size, formatSize, rate, octetsASecond, dataSize uint32
		coding, channels, octetsAFrame, bits            uint16
	}
	got := header{
		string(file[:4]), string(file[8:12]), string(file[12:16]), string(file[36:40]),
		le.Uint32(file[4:]), le.Uint32(file[16:]), le.Uint32(file[24:]), le.Uint32(file[28:]), le.Uint32(file[40:]),
		le.Uint16(file[20:]), le.Uint16(file[22:]), le.Uint16(file[32:]), le.Uint16(file[34:]),
	}
	want := header{"RIFF", "WAVE", "fmt ", "data", uint32(len(file) - 8), 16, 22050, 44100, uint32(len(file) - 44), 1, 1, 2, 16}
	if got != want {
		t.Fatalf("header %+v, want %+v", got, want)
	}
	samples := make([]int16, (len(file)-44)/2)
	for i := range samples {
		samples[i] = int16(le.Uint16(file[44+2*i:]))
	}
	return samples
}

// heard returns how many samples are before the silence at the end, and how
// often they cross zero upwards.
func heard(samples []int16) (length, cycles int) {
	for i, s := range samples {
		if s != 0 {
			length = i + 1
		}
		if i > 0 && samples[i-1] < 0 && s >= 0 {
			cycles++
		}
	}
	return length, cycles
}

func TestWAV(t *testing.T) {
	for _, test := range []struct {
		text    string
		seconds float64 // altogether
		heard   float64 // seconds
		hertz   float64
	}{
		{"x:b=25,s=c,o=4:2a", 4.8, 4.8, 440},
		{"x:b=25,o=4:2a", 4.8, 4.2, 440},
		{"x:b=25,s=s,o=7:2a", 4.8, 2.4, 3520},
		{"x:b=25,s=c,o=4:2c", 4.8, 4.8, 261.63},
		{"x:b=25,s=c,o=7:2b", 4.8, 4.8, 3951.07},
		{"x:b=125,s=c:a.", 0.72, 0.72, 1760},
		{"x:b=125,s=c:a..", 0.84, 0.84, 1760},
		{"x:b=125,s=c:a;", 0.32, 0.32, 1760},
		{"x:b=63:p", 60.0 / 63, 0, 0},
		{"x:b=25,s=c,o=4,l=15:1p,1p,1p,1p,1p,1p,1a,1a", 60, 60, 440.0 / 60 * 2.4},
	} {
		t.Run(test.text, func(t *testing.T) {
			tone, err := smart.ParseRTTTL(test.text)
			if err != nil {
				t.Fatal(err)
			}
			samples := readWAV(t, tone.WAV())
			if want := int(math.Round(test.seconds * 22050)); len(samples) != want {
				t.Errorf("%d samples, want %d", len(samples), want)
			}
			length, cycles := heard(samples)
			if want := test.heard * 22050; math.Abs(float64(length)-want) > 3 {
				t.Errorf("%d samples are heard, want %.0f", length, want)
			}
			if want := test.hertz * test.heard; math.Abs(float64(cycles)-want) > 1.5 {
				t.Errorf("%d cycles, want %.1f", cycles, want)
			}
		})
	}
}

// TestWAVDoesNotClick looks for steps where notes start and end.
func TestWAVDoesNotClick(t *testing.T) {
	tone, err := smart.ParseRTTTL("x:b=125,o=4,s=c:32c,32c#,32p,32a,sn,32a,ss,32a")
	if err != nil {
		t.Fatal(err)
	}
	before := int16(0)
	for i, s := range readWAV(t, tone.WAV()) {
		if step := math.Abs(float64(s) - float64(before)); step > 5000 {
			t.Fatalf("step of %.0f at sample %d", step, i)
		}
		before = s
	}
}

func TestWAVVolume(t *testing.T) {
	peak := func(volume int) (peak int16) {
		n := smart.Note{Pitch: 10, Octave: 4, Duration: 4, Tempo: 125, Volume: volume}
		for _, s := range readWAV(t, smart.Ringtone{Patterns: []smart.Pattern{{Notes: []smart.Note{n}}}}.WAV()) {
			peak = max(peak, s)
		}
		return peak
	}
	if off, usual, loud := peak(-7), peak(0), peak(8); off != 0 || usual < 10000 || loud < 2*usual {
		t.Errorf("peaks %d, %d, %d", off, usual, loud)
	}
}
