package modem

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cellpost/pdu"
)

// ClockSample is a time that came over a modem.
type ClockSample struct {
	Time   time.Time // UTC
	At     time.Time // when it was read, by the clock of this machine
	Modem  string    // that brought it
	Source string    // the code or field it stood in: "+CTZE", "TP-SCTS"
	Zone   bool      // the zone was told: without it Time is local time, of a zone unknown
}

// Names of sources that are not codes of the network.
const (
	sourceModuleClock = "+CCLK"   // a clock in the module, which may never have been set
	sourceMessage     = "TP-SCTS" // a message from the network: it may be late
)

// timeCode is a line that tells a time.
type timeCode struct {
	prefix string
	utc    bool // the time is UTC; otherwise it is local, and the zone is taken off
	dst    bool // the zone lacks summer time, whose hours come after it
}

// timeCodes are how modules tell the time of the network. *PSUTTZ of SIMCom and
// nitz of Cinterion tell UTC beside a zone; ^NWTIME of Huawei tells summer time
// apart; +CTZE and +CTZEU are 3GPP TS 27.007, 8.41, +CCLK is 8.15.
var timeCodes = [...]timeCode{
	{prefix: sourceModuleClock},
	{prefix: "+CTZV"},
	{prefix: "+CTZE"},
	{prefix: "+CTZEU", utc: true},
	{prefix: "+NITZ"},
	{prefix: "^NWTIME", dst: true},
	{prefix: "*PSUTTZ", utc: true},
	{prefix: "+CIEV", utc: true},
}

// Forms of a time. The zone stands at its end or in a field of its own, in
// quarters of an hour.
var (
	slashTime = regexp.MustCompile(`(\d{4}|\d{2})/(\d{1,2})/(\d{1,2}),\s?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\s?([+-]\d{1,3}))?(?:,0?([0-2]))?`)
	commaTime = regexp.MustCompile(`(\d{4}),\s*(\d{1,2}),\s*(\d{1,2}),\s*(\d{1,2}),\s*(\d{1,2}),\s*(\d{1,2})(?:,|$)`)
	zoneField = regexp.MustCompile(`^\s*"?([+-]?\d{1,3})"?\s*,|,\s*"?([+-]\d{1,3})(?:"|,|$)`)
)

// parseClock reads the time in a line of the modem, unasked for or the answer to
// AT+CCLK?. ok is false where there is none, as in a +CTZV that tells the zone
// alone, or none that can be.
func parseClock(line string, at time.Time) (s ClockSample, ok bool) {
	prefix, body, _ := strings.Cut(line, ":")
	i := slices.IndexFunc(timeCodes[:], func(c timeCode) bool { return c.prefix == prefix })
	if i < 0 {
		return s, false
	}
	m := slashTime.FindStringSubmatch(body)
	if m == nil {
		if m = commaTime.FindStringSubmatch(body); m == nil {
			return s, false
		}
		m = append(m, "", "")
	}
	t, ok := civil(m[1:7])
	s = ClockSample{Time: t, At: at, Source: prefix, Zone: timeCodes[i].utc}
	if !ok || s.Zone {
		return s, ok
	}
	zone := m[7]
	if zone == "" {
		if f := zoneField.FindStringSubmatch(body); f != nil {
			zone = f[1] + f[2]
		}
	}
	if zone == "" {
		return s, true
	}
	offset, ok := zoneOffset(zone)
	if ok && timeCodes[i].dst && m[8] != "" {
		offset += time.Duration(m[8][0]-'0') * time.Hour
	}
	s.Time, s.Zone = t.Add(-offset), true
	return s, ok
}

// civil reads year to second. Of years with two digits those from 70 are in the
// past: modules that were never told the time say 80, or 70.
func civil(fields []string) (time.Time, bool) {
	var n [6]int
	for i, f := range fields {
		n[i], _ = strconv.Atoi(f) // digits, four at most
	}
	if len(fields[0]) == 2 {
		n[0] += 1900
		if n[0] < 1970 {
			n[0] += 100
		}
	}
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
	// time.Date takes 30 February for 1 March.
	same := int(t.Month()) == n[1] && t.Day() == n[2] && t.Hour() == n[3] && t.Minute() == n[4] && t.Second() == n[5]
	return t, same
}

// zoneOffset reads a zone, +08 for two hours east. Zones reach from -12 to +14
// hours: what is beyond is a fault of the module (+104 has been seen).
func zoneOffset(s string) (time.Duration, bool) {
	quarters, err := strconv.Atoi(s)
	if err != nil || quarters < -48 || quarters > 56 {
		return 0, false
	}
	return time.Duration(quarters) * 15 * time.Minute, true
}

// messageClock takes the time out of a TPDU from the network: of a message the
// TP-SCTS, of a report TP-DT, for its TP-SCTS is that of the message it is about.
func messageClock(tpdu []byte, at time.Time) (s ClockSample, ok bool) {
	var warnings pdu.Warnings
	s = ClockSample{At: at, Source: sourceMessage, Zone: true}
	switch mti, err := pdu.MessageType(tpdu); {
	case err != nil:
		return s, false
	case mti == pdu.MTIDeliver:
		var d pdu.Deliver
		d, warnings, err = pdu.ParseDeliver(tpdu)
		s.Time, ok = d.Time.UTC(), err == nil && !d.Time.IsZero()
	case mti == pdu.MTIStatusReport:
		var r pdu.StatusReport
		r, warnings, err = pdu.ParseStatusReport(tpdu)
		s.Time, ok = r.Discharge.UTC(), err == nil && !r.Discharge.IsZero()
	}
	for _, w := range warnings {
		if w.Field == "TP-SCTS" || w.Field == "TP-DT" {
			return s, false // a zone that is none
		}
	}
	return s, ok
}

// ClockOffer is a time that may be trusted.
type ClockOffer struct {
	Offset time.Duration // to be added to the clock of this machine
	Source string        // where the time is from, and what agrees: "+CTZE of m1, TP-SCTS of m2"
	At     time.Time     // when it was read last, by the clock of this machine
}

const (
	sampleLasts = 24 * time.Hour   // in which the clock of this machine goes wrong by seconds
	floorYears  = 20               // how long after its build a release may be in use
	sampleGap   = 10 * time.Minute // between two samples of one source that count as two
	sampleKept  = 3                // of one source: two of them are always sampleGap apart
)

// clockTolerance is how wrong a time of the network may be. A message waits for
// the modem, and some service centres are a minute off.
func clockTolerance(source string) time.Duration {
	if source == sourceMessage {
		return 90 * time.Second
	}
	return 3 * time.Second
}

// clockRank orders sources, the best first: the time of the network, the clock
// of a module that was set by it, the time of a message.
func clockRank(source string) int {
	return slices.Index([]string{sourceModuleClock, sourceMessage}, source)
}

// clockJudge decides whether samples tell the time. Two have to agree, be from
// floor, the date of the build, to 20 years later, and be independent: see
// independent. Of several pairs that with the best source counts, then the newest.
//
// Samples are compared as of now, by the monotonic clock: it does not matter
// when the clock of this machine was set meanwhile.
func clockJudge(samples []ClockSample, floor, now time.Time) (o ClockOffer, ok bool) {
	fit := slices.DeleteFunc(slices.Clone(samples), func(s ClockSample) bool {
		age := now.Sub(s.At)
		return age < 0 || age > sampleLasts || s.Time.Before(floor) || s.Time.After(floor.AddDate(floorYears, 0, 0))
	})
	slices.SortStableFunc(fit, func(a, b ClockSample) int {
		return cmp.Or(cmp.Compare(clockRank(a.Source), clockRank(b.Source)), b.At.Compare(a.At), cmp.Compare(a.Modem, b.Modem))
	})
	for _, a := range fit {
		for _, b := range fit {
			if a.Zone && independent(a, b) && agree(a, b, now) {
				return ClockOffer{
					Offset: a.asOf(now).Sub(now),
					Source: a.Source + " of " + a.Modem + ", " + b.Source + " of " + b.Modem,
					At:     a.At,
				}, true
			}
		}
	}
	return o, false
}

// asOf is the time that a sample tells, had it been read now.
func (s ClockSample) asOf(now time.Time) time.Time { return s.Time.Add(now.Sub(s.At)) }

// independent reports whether two samples can confirm one another. The clock of
// one module agrees with itself whatever it says; messages that waited together
// are late together.
func independent(a, b ClockSample) bool {
	if a.Source == sourceMessage && b.Source == sourceMessage || a.Modem == b.Modem && a.Source == b.Source {
		return a.Source != sourceModuleClock && a.At.Sub(b.At).Abs() >= sampleGap
	}
	return true
}

// agree compares two samples. Where one lacks its zone they may be apart by any
// there is.
func agree(a, b ClockSample, now time.Time) bool {
	apart := a.asOf(now).Sub(b.asOf(now))
	if !b.Zone {
		apart -= apart.Round(15 * time.Minute)
	}
	return apart.Abs() <= clockTolerance(a.Source)+clockTolerance(b.Source)
}

// ClockWatch gathers what modems tell of the time and offers it once it can be
// trusted. It sets no clock. Safe for concurrent use.
type ClockWatch struct {
	floor time.Time

	mu      sync.Mutex
	samples map[clockSource][]ClockSample // the newest last
}

// clockSource is what tells a time again and again.
type clockSource struct{ modem, source string }

// NewClockWatch returns a watch that believes no time before floor, the date of
// the build.
func NewClockWatch(floor time.Time) *ClockWatch {
	return &ClockWatch{floor: floor, samples: map[clockSource][]ClockSample{}}
}

// Add takes a sample. Of samples of one source in quick succession the newest
// stays.
func (w *ClockWatch) Add(s ClockSample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := clockSource{s.Modem, s.Source}
	kept := w.samples[key]
	if n := len(kept); n > 1 && kept[n-1].At.Sub(kept[n-2].At) < sampleGap {
		kept = kept[:n-1]
	}
	if len(kept) == sampleKept {
		kept = slices.Delete(kept, 0, 1)
	}
	w.samples[key] = append(kept, s)
}

// Offer returns what the clock of this machine is wrong by; ok is false while
// the samples do not tell.
func (w *ClockWatch) Offer(now time.Time) (o ClockOffer, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return clockJudge(slices.Concat(slices.Collect(maps.Values(w.samples))...), w.floor, now)
}
