package modem

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
)

func utc(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestParseClock(t *testing.T) {
	for _, tt := range []struct {
		line string
		want string // UTC; "local ..." without a zone; empty: no time
	}{
		{`+CCLK: "26/11/22,16:03:05+04"`, "2026-11-22 15:03:05"},
		{`+CCLK: "2026/11/22,16:03:05+04"`, "2026-11-22 15:03:05"}, // Huawei
		{`+CCLK: "26/11/22,16:03:05-22"`, "2026-11-22 21:33:05"},
		{`+CCLK: "26/11/22,00:03:05+04"`, "2026-11-21 23:03:05"},
		{`+CCLK: "26/11/22,16:03:05"`, "local 2026-11-22 16:03:05"},
		{`+CCLK: "26/11/22,16:03:05+104"`, ""},
		{`+CCLK: "80/01/06,00:00:07+00"`, "1980-01-06 00:00:07"},
		{`+CCLK: "70/01/01,00:00:07+00"`, "1970-01-01 00:00:07"},
		{`+CCLK: "00/01/01,00:00:07+00"`, "2000-01-01 00:00:07"},
		{`+CCLK: "04/01/01,00:00:07+00"`, "2004-01-01 00:00:07"},
		{`+CCLK: "26/02/30,16:03:05+04"`, ""},
		{`+CCLK: "26/11/22,24:03:05+04"`, ""},
		{`+CCLK: "00/00/00,00:00:00+00"`, ""},
		{`+CCLK: ""`, ""},
		{"+CTZV: +04", ""},
		{"+CTZV: +4,0", ""},
		{`+CTZV: "26/09/25,14:30:00+32,0"`, "2026-09-25 06:30:00"},
		{`+CTZV: 14/11/05,08:32:03,+04`, "2014-11-05 07:32:03"},
		{`+CTZE: +08,0,"2026/11/22,10:03:05"`, "2026-11-22 08:03:05"},
		{`+CTZE: "+28",0,"2026/07/17,10:32:46"`, "2026-07-17 03:32:46"},
		{`+CTZE: "-32",1,"2026/07/17,10:32:46"`, "2026-07-17 18:32:46"},
		{`+CTZE: "+08",1`, ""},
		{`+CTZEU: +08,0,"2026/11/22,10:03:05"`, "2026-11-22 10:03:05"},
		{`*PSUTTZ: 2017,1,22,21,7,29,"+4",0`, "2017-01-22 21:07:29"}, // beside +CCLK: "17/01/22,22:07:47+04"
		{`*PSUTTZ: 2025,04,01,15,12,10,"",1`, "2025-04-01 15:12:10"},
		{"*PSUTTZ: 2022,9,14,4,55,1", "2022-09-14 04:55:01"},
		{"*PSUTTZ: 2022,9,14,4,55", ""},
		{"^NWTIME: 14/08/05,04:00:21+40,00", "2014-08-04 18:00:21"}, // as ModemManager reads it
		{"^NWTIME: 14/08/05,04:00:21+40,02", "2014-08-04 16:00:21"},
		{"+NITZ: 26/06/04,09:04:18+32,0", "2026-06-04 01:04:18"},
		{"+NITZ: 2024/08/27,06:36:38+0, ", "2024-08-27 06:36:38"},
		{"+NITZ: PLMN Long Name: Simulated,", ""},
		{`+CIEV: nitz,"04/07/23,13:39:20",-28,1`, "2004-07-23 13:39:20"}, // Cinterion: UTC
		{`+CIEV: 10,"26003","Orange","Orange", 0, 0`, ""},
		{`+CMGL: 1,"REC READ","+447700900123",,"26/11/22,16:03:05+04"`, ""},
		{"", ""},
	} {
		s, ok := parseClock(tt.line, callsBegin)
		want, local := strings.CutPrefix(tt.want, "local ")
		switch {
		case ok != (want != ""):
			t.Errorf("%s: %+v, %v", tt.line, s, ok)
		case ok && (!s.Time.Equal(utc(want)) || s.Zone == local || s.Source != tt.line[:strings.IndexByte(tt.line, ':')] || !s.At.Equal(callsBegin)):
			t.Errorf("%s: %+v", tt.line, s)
		}
	}
}

func TestMessageClock(t *testing.T) {
	east := time.FixedZone("", 2*60*60)
	at := time.Date(2026, 11, 22, 16, 3, 5, 0, east)
	from, err := pdu.ParseAddress("+447700900123")
	if err != nil {
		t.Fatal(err)
	}
	deliver := pdu.Deliver{Originator: from, Time: at}
	report := pdu.StatusReport{Recipient: deliver.Originator, Time: at, Discharge: at.Add(time.Hour)}
	for _, tt := range []struct {
		name   string
		tpdu   func() ([]byte, error)
		mangle func([]byte)
		want   time.Time
	}{
		{"message", func() ([]byte, error) { return deliver.AppendBinary(nil) }, nil, at},
		{"report", func() ([]byte, error) { return report.AppendBinary(nil) }, nil, at.Add(time.Hour)},
		{"zone that is none", func() ([]byte, error) { return deliver.AppendBinary(nil) }, func(b []byte) { b[len(b)-2] = 0xFF }, time.Time{}},
		{"no date", func() ([]byte, error) { return pdu.Deliver{Originator: deliver.Originator}.AppendBinary(nil) }, nil, time.Time{}},
		{"nothing", func() ([]byte, error) { return nil, nil }, nil, time.Time{}},
		{"cut", func() ([]byte, error) { return []byte{0, 4}, nil }, nil, time.Time{}},
	} {
		tpdu, err := tt.tpdu()
		if err != nil {
			t.Fatal(err)
		}
		if tt.mangle != nil {
			tt.mangle(tpdu)
		}
		s, ok := messageClock(tpdu, callsBegin)
		if ok != !tt.want.IsZero() || ok && (!s.Time.Equal(tt.want) || s.Time.Location() != time.UTC || s.Source != sourceMessage || !s.Zone) {
			t.Errorf("%s: %+v, %v", tt.name, s, ok)
		}
	}
}

// TestClockWatch: times pass between samples, and the clock of the machine is
// wrong by ten days.
func TestClockWatch(t *testing.T) {
	const wrong = 10 * 24 * time.Hour
	type step struct {
		after         time.Duration
		modem, source string
		off           time.Duration // of the sample from the true time
		local         bool
	}
	for _, tt := range []struct {
		name  string
		steps []step
		want  time.Duration // the error of the offer
		from  string        // empty: no offer
	}{
		{"nothing", nil, 0, ""},
		{"one", []step{{0, "m1", "+CTZE", 0, false}}, 0, ""},
		{"two sources", []step{{0, "m1", "+CTZE", 0, false}, {time.Hour, "m1", "+CCLK", time.Second, false}}, 0, "+CTZE of m1, +CCLK of m1"},
		{"two that disagree", []step{{0, "m1", "+CTZE", 0, false}, {0, "m1", "+CCLK", time.Hour, false}}, 0, ""},
		{"two modems", []step{{0, "m1", "+CCLK", time.Second, false}, {time.Minute, "m2", "+CCLK", 2 * time.Second, false}}, 2 * time.Second, "+CCLK of m2, +CCLK of m1"},
		{"a clock that agrees with itself", []step{{0, "m1", "+CCLK", -wrong, false}, {time.Hour, "m1", "+CCLK", -wrong, false}}, 0, ""},
		{"network twice", []step{{0, "m1", "+CTZE", 0, false}, {time.Hour, "m1", "+CTZE", 0, false}}, 0, "+CTZE of m1, +CTZE of m1"},
		{"network twice at once", []step{{0, "m1", "+CTZE", 0, false}, {time.Second, "m1", "+CTZE", 0, false}}, 0, ""},
		{"messages that waited together", []step{{0, "m1", "TP-SCTS", -3 * time.Hour, false}, {time.Second, "m2", "TP-SCTS", -3*time.Hour - time.Second, false}}, 0, ""},
		{"messages", []step{{0, "m1", "TP-SCTS", -20 * time.Second, false}, {time.Hour, "m1", "TP-SCTS", -5 * time.Second, false}}, -5 * time.Second, "TP-SCTS of m1, TP-SCTS of m1"},
		{"message and clock: the clock counts", []step{{0, "m1", "TP-SCTS", -20 * time.Second, false}, {0, "m1", "+CCLK", time.Second, false}}, time.Second, "+CCLK of m1, TP-SCTS of m1"},
		{"one wrong of three", []step{{0, "m1", "+CTZE", -time.Hour, false}, {0, "m1", "TP-SCTS", -9 * time.Second, false}, {0, "m2", "+CCLK", 0, false}}, 0, "+CCLK of m2, TP-SCTS of m1"},
		{"without a zone", []step{{0, "m1", "+CCLK", 3 * time.Hour, true}, {0, "m2", "+CTZE", 0, false}}, 0, "+CTZE of m2, +CCLK of m1"},
		{"neither has a zone", []step{{0, "m1", "+CCLK", 0, true}, {0, "m2", "+CCLK", 0, true}}, 0, ""},
		{"before the build", []step{{0, "m1", "+CCLK", -3 * 366 * 24 * time.Hour, false}, {0, "m2", "+CCLK", -3 * 366 * 24 * time.Hour, false}}, 0, ""},
		{"too far on", []step{{0, "m1", "+CCLK", 21 * 366 * 24 * time.Hour, false}, {0, "m2", "+CCLK", 21 * 366 * 24 * time.Hour, false}}, 0, ""},
		{"too old", []step{{0, "m1", "+CTZE", 0, false}, {25 * time.Hour, "m2", "+CTZE", 0, false}}, 0, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			truth := func() time.Time { return time.Now().Add(wrong) }
			w := NewClockWatch(truth().AddDate(-1, 0, 0))
			for _, s := range tt.steps {
				time.Sleep(s.after)
				w.Add(ClockSample{Time: truth().Add(s.off).UTC(), At: time.Now(), Modem: s.modem, Source: s.source, Zone: !s.local})
			}
			time.Sleep(time.Minute)
			o, ok := w.Offer(time.Now())
			if ok != (tt.from != "") || ok && (o.Offset != wrong+tt.want || o.Source != tt.from) {
				t.Errorf("%s: %+v, %v", tt.name, o, ok)
			}
		})
	}
}

// TestClockWatchBusy: many messages do not push the rest out, and two that are
// far enough apart are always among them.
func TestClockWatchBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewClockWatch(time.Now().AddDate(-1, 0, 0))
		for i := range 100 {
			w.Add(ClockSample{Time: time.Now().UTC(), At: time.Now(), Modem: "m1", Source: sourceMessage, Zone: true})
			time.Sleep(time.Minute)
			if _, ok := w.Offer(time.Now()); ok != (i >= int(sampleGap/time.Minute)) {
				t.Fatalf("after %d minutes: %v", i, ok)
			}
		}
	})
}

// FuzzClock: whatever comes, the sample is a time in UTC that can be written
// and read again.
func FuzzClock(f *testing.F) {
	for _, line := range []string{
		`+CCLK: "26/11/22,16:03:05+04"`, `+CTZE: "+28",0,"2026/07/17,10:32:46"`, `*PSUTTZ: 2017,1,22,21,7,29,"+4",0`, "^NWTIME: 14/08/05,04:00:21+40,02",
		`+CIEV: nitz,"04/07/23,13:39:20",-28,1`, "+CTZV: +04", `+CCLK: "99/12/31,23:59:59-48"`, `+CCLK: "0000/01/01,00:00:00+56"`,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		s, ok := parseClock(line, callsBegin)
		if !ok {
			return
		}
		if s.Time.Location() != time.UTC || !strings.HasPrefix(line, s.Source+":") {
			t.Fatalf("%q: %+v", line, s)
		}
		if y := s.Time.Year(); y < 1000 || y > 9999 {
			return // cannot be written in four digits
		}
		again, ok := parseClock(`+CCLK: "`+s.Time.Format("2006/01/02,15:04:05")+`+00"`, callsBegin)
		if !ok || !again.Time.Equal(s.Time) {
			t.Fatalf("%q: %v, then %v", line, s.Time, again.Time)
		}
	})
}
