package sms

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Card is a SIM, and where it is.
type Card struct {
	ID         int64
	ICCID      string
	IMSI       string
	Number     string // digits; "" when it has not told, then or later
	Name       string // in routes; "" when another has taken it over
	Makeshift  bool   // it is to have the name of the configuration when that is free
	Modem      string // that it was last seen in; "" when another has been seen in its slot since
	Slot       int
	Configured string    // name that the configuration has for the slot
	At         time.Time // when it was last seen
}

// place is a slot of a modem.
type place struct {
	modem string
	slot  int
}

func (c Card) place() place { return place{c.Modem, c.Slot} }

// Is reports whether two are one SIM: by the ICCID, or by the IMSI where a modem
// has not told both ICCIDs.
func (c Card) Is(o Card) bool {
	a, b := digits(c.ICCID), digits(o.ICCID)
	if a != "" && b != "" {
		return sameICCID(a, b)
	}
	return c.IMSI != "" && c.IMSI == o.IMSI
}

// iccidCore is how many digits of an ICCID all modems tell: some leave out the
// check digit, or end with the filler F. ITU-T E.118, 4.1.
const iccidCore = 18

func sameICCID(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return a == b || len(a) >= iccidCore && strings.HasPrefix(b, a)
}

// digits are those of an ICCID without its filler; "" for one that says nothing.
func digits(iccid string) string {
	d := strings.TrimRight(strings.ToUpper(iccid), "F")
	if strings.Trim(d, "0") == "" || strings.Trim(d, "9") == "" {
		return ""
	}
	return d
}

// TellingICCID is the ICCID as a modem told it; "" for one of zeros, nines or fillers
// alone, which many a cheap SIM or reader has.
func TellingICCID(told string) string {
	if digits(told) == "" {
		return ""
	}
	return told
}

// find returns the index in known of the SIM that is here; -1: it is new. Several
// may tell one ICCID: the one whose IMSI fits goes first, then the one that was in
// this slot last.
func (c Card) find(known []Card, busy []string) int {
	best, at := stranger, -1
	for i, k := range known {
		if l := c.likeness(k, busy); l > best {
			best, at = l, i
		}
	}
	return at
}

// How much speaks for two being one SIM.
const (
	stranger = iota
	sameNumber
	samePlace
	sameSubscriber
)

// likeness compares a SIM that is seen with one that is known. One that is in
// service in another modem with another IMSI only tells the same ICCID.
func (c Card) likeness(known Card, busy []string) int {
	told := c.IMSI != "" && known.IMSI != ""
	switch {
	case !c.Is(known):
		return stranger
	case told && c.IMSI == known.IMSI:
		return sameSubscriber
	case told && slices.Contains(busy, known.Name):
		return stranger
	case c.place() == known.place():
		return samePlace
	}
	return sameNumber
}

// NameCard decides what a SIM is called that is seen in a slot. A SIM that is
// known keeps its name wherever it is plugged, unless the configuration of the
// slot that it stays in has changed. Any other gets the name that the
// configuration has for the slot, which the SIM that had it loses (it is dead,
// or lies in a drawer); while that one is in use elsewhere, a name is made up.
// busy are the names of the SIMs in service in other modems. warning is for the
// operator, "" when nothing is out of the ordinary.
//
// What is returned is here with its name, and with the ID that the SIM has in
// known. One that tells neither ICCID nor IMSI gets ID 0, and is not to be kept.
func NameCard(known []Card, here Card, busy []string) (named Card, warning string) {
	want := cmp.Or(here.Configured, here.Modem)
	here.ID, here.Name, here.Makeshift, here.ICCID = 0, "", false, TellingICCID(here.ICCID)
	if here.ICCID == "" && here.IMSI == "" {
		return anonymous(known, here, want, busy)
	}
	i := here.find(known, busy)
	if i < 0 {
		return newcomer(known, here, want, busy)
	}
	old := known[i]
	here.ID, here.Name, here.Makeshift = old.ID, old.Name, old.Makeshift
	here.ICCID, here.IMSI, here.Number = cmp.Or(here.ICCID, old.ICCID), cmp.Or(here.IMSI, old.IMSI), cmp.Or(here.Number, old.Number)
	renamed := old.place() == here.place() && old.Configured != here.Configured
	if old.Name == want || old.Name != "" && !old.Makeshift && !renamed {
		here.Makeshift = false
		return here, ""
	}
	return newcomer(known, here, want, busy)
}

// newcomer names a SIM by the configuration, if it can have that name.
func newcomer(known []Card, here Card, want string, busy []string) (Card, string) {
	holder, why := taken(known, here, want, busy)
	before := here.Name
	switch {
	case why != "" && before != "":
		here.Makeshift = true // until it can have the other
		return here, fmt.Sprintf("the SIM %s stays %q, not %q: %s", here.last(), before, want, why)
	case why != "":
		here.Name, here.Makeshift = makeshift(known, here, want, busy), true
		return here, fmt.Sprintf("the SIM %s is called %q, not %q: %s", here.last(), here.Name, want, why)
	}
	here.Name, here.Makeshift = want, false
	switch {
	case before != "":
		return here, fmt.Sprintf("the SIM %s is now %q and no more %q, as the configuration says", here.last(), want, before)
	case holder.ID != 0:
		return here, fmt.Sprintf("the SIM %s takes over the name %q from the SIM %s, which is not in use", here.last(), want, holder.last())
	}
	return here, ""
}

// taken returns the SIM that has a name, and why it keeps it; "" when it does
// not.
func taken(known []Card, here Card, name string, busy []string) (holder Card, why string) {
	i := slices.IndexFunc(known, func(c Card) bool { return c.Name == name && c.ID != here.ID })
	if i >= 0 {
		holder = known[i]
	}
	switch {
	case slices.Contains(busy, name):
		return holder, "that name is in service in another modem"
	case holder.Modem != "" && holder.place() != here.place():
		return holder, fmt.Sprintf("that is the SIM %s, last seen in %s on %s", holder.last(), holder.Modem, holder.At.UTC().Format(time.DateOnly))
	}
	return holder, ""
}

// makeshift makes up a name that nobody has, of as few digits as tell it apart.
func makeshift(known []Card, here Card, want string, busy []string) string {
	id := cmp.Or(digits(here.ICCID), here.IMSI)
	for n := min(lastDigits, len(id)); ; n++ {
		name := want + "-" + id[max(0, len(id)-n):]
		if n > len(id) {
			name += fmt.Sprintf("-%d", n-len(id))
		}
		has := func(c Card) bool { return c.Name == name && c.ID != here.ID }
		if !slices.ContainsFunc(known, has) && !slices.Contains(busy, name) {
			return name
		}
	}
}

// anonymous names a SIM that tells nothing of itself by its place alone.
func anonymous(known []Card, here Card, want string, busy []string) (Card, string) {
	here.Name = want
	if _, why := taken(known, here, want, busy); why != "" {
		here.Name, here.Makeshift = want+"-"+here.Modem, true
		return here, fmt.Sprintf("the SIM in %s does not tell its number and is called %q, not %q: %s", here.Modem, here.Name, want, why)
	}
	return here, ""
}

// lastDigits are as many of an ICCID as tell the SIMs of one owner apart.
const lastDigits = 4

// last are the last digits, as they are shown to people.
func (c Card) last() string {
	id := cmp.Or(digits(c.ICCID), c.IMSI)
	return "..." + id[max(0, len(id)-lastDigits):]
}
