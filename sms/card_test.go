package sms

import (
	"strings"
	"testing"
	"time"
)

// ICCIDs of the tests.
const (
	iccidA = "8944500102198304826"
	iccidB = "8944500102198311111"
	iccidC = "8944500102198322222"
)

func card(id int64, name, iccid, modem, configured string) Card {
	return Card{ID: id, Name: name, ICCID: iccid, Modem: modem, Configured: configured, At: time.Unix(0, 0)}
}

func TestNameCard(t *testing.T) {
	a, b := card(1, "a", iccidA, "m1", "a"), card(2, "b", iccidB, "m2", "b")
	short := a
	short.ICCID = iccidA[:18]
	byIMSI := card(1, "a", "", "m1", "a")
	byIMSI.IMSI = "234501234567890"
	moved := card(1, "a", iccidA, "m2", "b")
	makeshift := card(3, "a-2222", iccidC, "m1", "a")
	makeshift.Makeshift = true
	nameless, away := a, a
	nameless.Name, nameless.Modem, away.Modem = "", "", ""
	in := func(iccid, modem, configured string) Card {
		return Card{ICCID: iccid, Modem: modem, Configured: configured}
	}
	const zeros, fillers, nines = "00000000000000000000", "FFFFFFFFFFFFFFFFFFFF", "9999999999999999999f"
	const imsiA, imsiB = "234501234567890", "234501234567891"
	is := func(imsi string, c Card) Card { c.IMSI = imsi; return c }
	twin := is(imsiB, card(2, "b", iccidA, "m2", "b"))
	slot := func(n int, c Card) Card { c.Slot = n; return c }
	imsi := func(c Card) Card { c.IMSI = byIMSI.IMSI; return c }
	for _, c := range []struct {
		name      string
		known     []Card
		here      Card
		busy      []string
		want      string
		id        int64
		makeshift bool
		warns     string // part of the warning; "" for none
	}{
		{name: "the first ever", here: in(iccidA, "m1", "a"), want: "a"},
		{name: "where nothing is configured, by its modem", here: in(iccidA, "m1", ""), want: "m1"},
		{name: "where it was", known: []Card{a, b}, here: in(iccidA, "m1", "a"), want: "a", id: 1},
		{name: "moved", known: []Card{a, b}, here: in(iccidA, "m2", "b"), want: "a", id: 1},
		{name: "moved, and the other is not seen yet", known: []Card{a, b}, here: in(iccidA, "m2", "b"), busy: []string{"a"}, want: "a", id: 1},
		{name: "moved to where nothing is configured", known: []Card{a}, here: in(iccidA, "m9", ""), want: "a", id: 1},
		{name: "without check digit", known: []Card{a}, here: in(iccidA[:18], "m2", "b"), want: "a", id: 1},
		{name: "with check digit", known: []Card{short}, here: in(iccidA, "m2", "b"), want: "a", id: 1},
		{name: "with filler", known: []Card{a}, here: in(iccidA+"f", "m2", "b"), want: "a", id: 1},
		{name: "by its IMSI", known: []Card{byIMSI}, here: imsi(in(iccidA, "m2", "b")), want: "a", id: 1},
		{name: "another ICCID, whatever its IMSI", known: []Card{imsi(a)}, here: imsi(in(iccidB, "m1", "a")), want: "a", warns: "takes over"},
		{name: "a new one for one that is gone", known: []Card{away}, here: in(iccidC, "m1", "a"), want: "a", warns: "...2222 takes over the name \"a\" from the SIM ...4826"},
		{name: "a new one in its slot", known: []Card{a}, here: in(iccidC, "m1", "a"), want: "a", warns: "takes over"},
		{name: "a new one beside it", known: []Card{a}, here: slot(1, in(iccidC, "m1", "a")), want: "a-2222", makeshift: true, warns: "last seen in m1"},
		{name: "a new one, it has moved", known: []Card{moved}, here: in(iccidC, "m1", "a"), want: "a-2222", makeshift: true, warns: "last seen in m2 on 1970-01-01"},
		{name: "a new one, it is in service elsewhere", known: []Card{a}, here: in(iccidC, "m1", "a"), busy: []string{"a"}, want: "a-2222", makeshift: true, warns: "in service in another modem"},
		{name: "a new one, the made-up name is taken", known: []Card{moved}, here: in(iccidC, "m1", "a"), busy: []string{"a-2222", "a-22222"}, want: "a-322222", makeshift: true, warns: `is called "a-322222", not "a"`},
		{name: "makeshift, while the name is taken", known: []Card{moved, makeshift}, here: in(iccidC, "m1", "a"), want: "a-2222", id: 3, makeshift: true, warns: "stays"},
		{name: "makeshift, the name is free", known: []Card{away, makeshift}, here: in(iccidC, "m1", "a"), want: "a", id: 3, warns: "is now \"a\""},
		{name: "back without its name", known: []Card{nameless, card(3, "a", iccidC, "m1", "a")}, here: in(iccidA, "m2", "b"), want: "b", id: 1},
		{name: "back in its slot without its name", known: []Card{nameless, card(3, "a", iccidC, "m1", "a")}, here: in(iccidA, "m1", "a"), want: "a", id: 1, warns: "takes over"},
		{name: "renamed in the configuration", known: []Card{a}, here: in(iccidA, "m1", "main"), want: "main", id: 1, warns: "no more \"a\""},
		{name: "renamed to what another has", known: []Card{a, b}, here: in(iccidA, "m1", "b"), want: "a", id: 1, makeshift: true, warns: "stays"},
		{name: "zeros tell nothing, nor to another", known: []Card{card(1, "a", zeros, "m1", "a")}, here: in(zeros, "m2", "b"), want: "b"},
		{name: "zeros, by its IMSI", known: []Card{is(imsiA, a)}, here: is(imsiA, in(zeros, "m2", "b")), want: "a", id: 1},
		{name: "fillers, another IMSI", known: []Card{is(imsiA, card(1, "a", fillers, "m1", "a"))}, here: is(imsiB, in(fillers, "m2", "b")), want: "b"},
		{name: "nines, another IMSI", known: []Card{is(imsiA, card(1, "a", nines, "m1", "a"))}, here: is(imsiB, in(nines, "m2", "b")), want: "b"},
		{name: "the same ICCID in two modems", known: []Card{is(imsiA, a)}, here: is(imsiB, in(iccidA, "m2", "b")), busy: []string{"a"}, want: "b"},
		{name: "the same ICCID, the IMSI not known", known: []Card{is(imsiA, a)}, here: in(iccidA, "m2", "b"), busy: []string{"a"}, want: "a", id: 1},
		{name: "the same ICCID, one after the other", known: []Card{is(imsiA, a)}, here: is(imsiB, in(iccidA, "m1", "a")), want: "a", id: 1},
		{name: "the same ICCID, each known: the first", known: []Card{is(imsiA, a), twin}, here: is(imsiA, in(iccidA, "m1", "a")), want: "a", id: 1},
		{name: "the same ICCID, each known: the second", known: []Card{is(imsiA, a), twin}, here: is(imsiB, in(iccidA, "m2", "b")), want: "b", id: 2},
		{name: "the same ICCID, each known, moved", known: []Card{is(imsiA, a), twin}, here: is(imsiB, in(iccidA, "m1", "a")), want: "b", id: 2},
		{name: "the same ICCID, each known, locked in its place", known: []Card{is(imsiA, a), twin}, here: in(iccidA, "m2", "b"), want: "b", id: 2},
		{name: "tells nothing", known: []Card{b}, here: in("", "m1", "a"), want: "a"},
		{name: "tells nothing, and the name is taken", known: []Card{moved}, here: in("", "m1", "a"), want: "a-m1", makeshift: true, warns: "does not tell"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, warning := NameCard(c.known, c.here, c.busy)
			if got.Name != c.want || got.ID != c.id || got.Makeshift != c.makeshift || got.Modem != c.here.Modem || got.Configured != c.here.Configured {
				t.Errorf("got %+v", got)
			}
			if c.warns == "" && warning != "" || !strings.Contains(warning, c.warns) {
				t.Errorf("warning %q, want %q", warning, c.warns)
			}
		})
	}
}
