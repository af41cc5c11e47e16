package pdu

import "time"

// Validity is a TP-VP with its format; the zero value means that the field is
// absent. 3GPP TS 23.040, 9.2.3.12.
type Validity struct {
	format byte // TP-VPF
	octets [7]byte
}

// Values of TP-VPF; 0 is an absent TP-VP. 3GPP TS 23.040, 9.2.3.3.
const (
	vpfEnhanced = 1
	vpfRelative = 2
	vpfAbsolute = 3
)

// relativeSteps is what the values of a relative TP-VP stand for: from value
// first on, each is a step more than base. 3GPP TS 23.040, 9.2.3.12.1.
var relativeSteps = [...]struct {
	first      int
	base, step time.Duration
}{
	{0, 5 * time.Minute, 5 * time.Minute},
	{144, 12*time.Hour + 30*time.Minute, 30 * time.Minute},
	{168, 2 * 24 * time.Hour, 24 * time.Hour},
	{197, 5 * 7 * 24 * time.Hour, 7 * 24 * time.Hour},
	{256, 0, 0},
}

// RelativeValidity returns the longest period that a relative TP-VP can say and
// that is not longer than d: up to 12 h in steps of 5 min, up to 24 h of 30 min,
// up to 30 days of a day, up to 63 weeks of a week. So 47 h become 24 h. What is
// shorter than 5 min becomes 5 min, and d of zero or less the zero Validity.
func RelativeValidity(d time.Duration) Validity {
	if d <= 0 {
		return Validity{}
	}
	value := 0
	for i, s := range relativeSteps[:len(relativeSteps)-1] {
		if d >= s.base {
			value = min(s.first+int((d-s.base)/s.step), relativeSteps[i+1].first-1)
		}
	}
	return Validity{format: vpfRelative, octets: [7]byte{byte(value)}}
}

// Duration returns the period of a relative validity; ok is false for one that
// is absent or in another format.
func (v Validity) Duration() (d time.Duration, ok bool) {
	if v.format != vpfRelative {
		return 0, false
	}
	value := int(v.octets[0])
	for _, s := range relativeSteps {
		if value >= s.first {
			d = s.base + time.Duration(value-s.first)*s.step
		}
	}
	return d, true
}

// size is how many octets the field takes.
func (v Validity) size() int {
	switch v.format {
	case vpfRelative:
		return 1
	case vpfEnhanced, vpfAbsolute:
		return len(v.octets)
	}
	return 0
}

// validity takes a TP-VP in the given format, whatever it says.
func (s *scanner) validity(format byte) Validity {
	v := Validity{format: format}
	copy(v.octets[:], s.take("TP-VP", v.size()))
	return v
}
