package pdu

import (
	"errors"
	"fmt"
	"time"
)

// The two digits of a year stand for one of these hundred years. Short messages
// are younger than the first.
const (
	firstYear = 1990
	lastYear  = firstYear + 99
)

// quarter is the unit of the zone of a TP-SCTS.
const (
	quarter     = 15 * time.Minute
	maxQuarters = 79
)

// appendTime appends a TP-SCTS or TP-DT in the zone of t, whole seconds; the
// zero time is seven octets of zero, which are no date. 3GPP TS 23.040, 9.2.3.11.
func appendTime(b []byte, t time.Time) ([]byte, error) {
	if t.IsZero() {
		return append(b, 0, 0, 0, 0, 0, 0, 0), nil
	}
	if t.Year() < firstYear || t.Year() > lastYear {
		return nil, fmt.Errorf("the year %d; it is %d to %d", t.Year(), firstYear, lastYear)
	}
	_, offset := t.Zone()
	quarters, sign := offset/int(quarter/time.Second), byte(0)
	if quarters < 0 {
		quarters, sign = -quarters, 0x08
	}
	if offset%int(quarter/time.Second) != 0 || quarters > maxQuarters {
		return nil, fmt.Errorf("a zone %d s off UTC; it is whole quarters of an hour, %d at most", offset, maxQuarters)
	}
	for _, n := range [...]int{t.Year() % 100, int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()} {
		b = append(b, swapped(n))
	}
	return append(b, swapped(quarters)|sign), nil
}

// swapped returns a number of two digits as semi-octets, the tens low.
func swapped(n int) byte { return byte(n%10<<4 | n/10) }

// unswapped reads what swapped returned; it is -1 when that are no two digits.
func unswapped(b byte) int {
	tens, ones := int(b&15), int(b>>4)
	if tens > 9 || ones > 9 {
		return -1
	}
	return 10*tens + ones
}

// time takes a TP-SCTS or TP-DT. It is zero, with a warning, when it is no
// date, and in UTC, with a warning, when only the zone is none.
func (s *scanner) time(field string) time.Time {
	at := s.pos
	b := s.take(field, 7)
	if b == nil {
		return time.Time{}
	}
	zone, err := decodeZone(b[6])
	if err != nil {
		s.warn(field, at, "%w; taken for UTC", err)
	}
	t, err := decodeTime(b[:6], zone)
	if err != nil {
		s.warn(field, at, "%w", err)
	}
	return t
}

func decodeZone(b byte) (*time.Location, error) {
	quarters := unswapped(b &^ 0x08)
	switch {
	case quarters < 0 || quarters > maxQuarters:
		return time.UTC, fmt.Errorf("%02X is no zone", b)
	case quarters == 0:
		return time.UTC, nil
	case b&0x08 != 0:
		quarters = -quarters
	}
	return time.FixedZone("", quarters*int(quarter/time.Second)), nil
}

var errNoDate = errors.New("no date")

// decodeTime reads year, month, day, hour, minute and second.
func decodeTime(b []byte, zone *time.Location) (time.Time, error) {
	var n [6]int
	for i := range n {
		if n[i] = unswapped(b[i]); n[i] < 0 {
			return time.Time{}, errNoDate
		}
	}
	year := firstYear + (n[0]+100-firstYear%100)%100
	t := time.Date(year, time.Month(n[1]), n[2], n[3], n[4], n[5], 0, zone)
	// time.Date takes 30 February for 1 March.
	if int(t.Month()) != n[1] || t.Day() != n[2] || t.Hour() != n[3] || t.Minute() != n[4] || t.Second() != n[5] {
		return time.Time{}, errNoDate
	}
	return t, nil
}
