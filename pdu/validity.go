package pdu

import (
	"errors"
	"fmt"
	"time"
)

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

// Bits of the functionality indicator that an enhanced TP-VP begins with, and
// the formats of what follows it. 3GPP TS 23.040, 9.2.3.12.3.
const (
	vpExtended   = 0x80 // another octet of functionality follows
	vpSingleShot = 0x40
	vpFormat     = 0x07

	vpNone     = 0
	vpRelative = 1 // one octet, as a relative TP-VP
	vpSeconds  = 2 // one octet
	vpClock    = 3 // hours, minutes and seconds in semi-octets
)

// EnhancedValidity returns an enhanced TP-VP of d, whole seconds rounded down,
// one at least; from 100 h on it has the steps of [RelativeValidity]. Once asks
// the service centre to try one time only. For d of zero or less the period is
// left out, and all of the field unless once is set.
func EnhancedValidity(d time.Duration, once bool) Validity {
	seconds := int64(max(d, time.Second) / time.Second)
	v := Validity{format: vpfEnhanced}
	v.octets[0] = flag(once, vpSingleShot)
	switch {
	case d <= 0 && !once:
		return Validity{}
	case d <= 0:
	case seconds <= 255:
		v.octets[0] |= vpSeconds
		v.octets[1] = byte(seconds)
	case seconds < 100*3600:
		v.octets[0] |= vpClock
		v.octets[1], v.octets[2], v.octets[3] = swapped(int(seconds/3600)), swapped(int(seconds/60%60)), swapped(int(seconds%60))
	default:
		v.octets[0] |= vpRelative
		v.octets[1] = RelativeValidity(d).octets[0]
	}
	return v
}

// AbsoluteValidity returns a TP-VP that ends at t, whole seconds rounded down,
// in the zone of t, which has to be whole quarters of an hour off UTC. The error
// says why t cannot be written.
func AbsoluteValidity(t time.Time) (Validity, error) {
	if t.IsZero() {
		return Validity{}, errors.New("TP-VP: the zero time; leave the field out instead")
	}
	b, err := appendTime(nil, t)
	if err != nil {
		return Validity{}, wrap("TP-VP", err)
	}
	return Validity{format: vpfAbsolute, octets: [7]byte(b)}, nil
}

// Duration returns the period of a relative or an enhanced validity; ok is
// false for one that is absent, absolute or reserved.
func (v Validity) Duration() (d time.Duration, ok bool) {
	if v.format == vpfRelative {
		return relativePeriod(v.octets[0]), true
	}
	at := 1
	if v.octets[0]&vpExtended != 0 {
		at++ // what a second octet of functionality would say is not defined
	}
	if v.format != vpfEnhanced {
		return 0, false
	}
	switch v.octets[0] & vpFormat {
	case vpRelative:
		return relativePeriod(v.octets[at]), true
	case vpSeconds:
		return time.Duration(v.octets[at]) * time.Second, v.octets[at] > 0
	case vpClock:
		h, m, s := unswapped(v.octets[at]), unswapped(v.octets[at+1]), unswapped(v.octets[at+2])
		return time.Duration(3600*h+60*m+s) * time.Second, h >= 0 && 0 <= m && m < 60 && 0 <= s && s < 60
	}
	return 0, false
}

func relativePeriod(value byte) (d time.Duration) {
	for _, s := range relativeSteps {
		if int(value) >= s.first {
			d = s.base + time.Duration(int(value)-s.first)*s.step
		}
	}
	return d
}

// Time returns the end of an absolute validity; ok is false for one in another
// format, or that is no date.
func (v Validity) Time() (t time.Time, ok bool) {
	if v.format != vpfAbsolute {
		return time.Time{}, false
	}
	s := scanner{b: v.octets[:]}
	t = s.time("TP-VP")
	return t, len(s.warnings) == 0
}

// Once reports whether the service centre is to try one time only, which an
// enhanced validity can ask for.
func (v Validity) Once() bool { return v.format == vpfEnhanced && v.octets[0]&vpSingleShot != 0 }

// String returns the validity in words: "relative, 24h0m0s".
func (v Validity) String() string {
	words := [...]string{"none", "enhanced", "relative", "absolute"}[v.format&3]
	if v.Once() {
		words += ", once"
	}
	if d, ok := v.Duration(); ok {
		return words + ", " + d.String()
	}
	if t, ok := v.Time(); ok {
		return words + ", " + t.Format(time.RFC3339)
	}
	if v.format == 0 || v.format == vpfEnhanced && v.octets[0]&vpFormat == vpNone {
		return words
	}
	return fmt.Sprintf("%s, unreadable % X", words, v.octets)
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
