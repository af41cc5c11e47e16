package sim

import (
	"fmt"
	"strings"
	"time"

	"cellpost/pdu"
)

// clock is the module's own: what it said, and when that was set.
type clock struct {
	value time.Time
	at    time.Time
}

func (c clock) now() time.Time { return c.value.Add(time.Since(c.at)) }

func (m *Modem) setClock(t time.Time) { m.clock = clock{t.Round(0), time.Now()} }

// startClock is what power does to the clock.
func (m *Modem) startClock() {
	switch {
	case !m.o.PowerOn.IsZero():
		m.setClock(m.o.PowerOn)
	case m.clock.at.IsZero():
		m.setClock(m.net.o.Clock().UTC())
	}
}

// Unsolicited codes of Options.TimeCode.
const (
	psuttz = "*PSUTTZ" // SIMCom: universal time, and the zone
	nwtime = "^NWTIME" // Huawei: local time, and the zone
)

// TellTime makes the network tell its time to every modem that is registered, as
// it also does at each registration.
func (n *Network) TellTime() {
	n.mu.Lock()
	modems := n.modems[:len(n.modems):len(n.modems)]
	n.mu.Unlock()
	for _, m := range modems {
		m.mu.Lock()
		if m.inService() {
			m.hearTime()
		}
		m.leave()
	}
}

// hearTime takes the time of the network: into the clock with AT+CTZU=1, and to
// the terminal as AT+CTZR says. 3GPP TS 27.007, 8.40, 8.41.
func (m *Modem) hearTime() {
	if m.net.o.NoTime {
		return
	}
	t := m.net.o.Clock()
	if m.ctzu == 1 {
		m.setClock(t)
	}
	const layout = "2006/01/02,15:04:05"
	switch m.set.ctzr {
	case 1:
		m.note("+CTZV: " + quarters(t))
	case 2:
		m.note(fmt.Sprintf("+CTZE: %s,0,%q", quarters(t), t.Format(layout)))
	case 3:
		m.note(fmt.Sprintf("+CTZEU: %s,0,%q", quarters(t), t.UTC().Format(layout)))
	}
	switch m.o.TimeCode {
	case psuttz:
		u := t.UTC()
		m.note(fmt.Sprintf(`%s: %s,%d,%d,%d,"%+d",0`, psuttz, u.Format("2006,1,2"), u.Hour(), u.Minute(), u.Second(), zone(t)))
	case nwtime:
		m.note(nwtime + ": " + t.Format(clockLayout) + quarters(t) + ",00")
	}
}

// zone is how far the zone of t is ahead, in quarters of an hour.
func zone(t time.Time) int {
	const quarter = 15 * 60
	_, seconds := t.Zone()
	return seconds / quarter
}

// quarters is the zone with its sign and two digits.
func quarters(t time.Time) string { return fmt.Sprintf("%+03d", zone(t)) }

const clockLayout = "06/01/02,15:04:05"

// cclk reads or sets the clock. 3GPP TS 27.007, 8.15.
func (m *Modem) cclk(r request) pdu.Cause {
	switch r.verb {
	case read:
		t := m.clock.now()
		m.info(fmt.Sprintf(`+CCLK: "%s%s"`, t.Format(clockLayout), quarters(t)))
	case set:
		t, ok := parseClock(strings.Trim(r.args, `"`))
		if !ok {
			return incorrect
		}
		m.setClock(t)
	}
	return success
}

// parseClock reads a time with a zone in quarters of an hour: 26/11/22,16:03:05+04.
func parseClock(s string) (time.Time, bool) {
	if len(s) != len(clockLayout)+len("+00") {
		return time.Time{}, false
	}
	local, err := time.Parse(clockLayout, s[:len(clockLayout)])
	var n int
	if _, bad := fmt.Sscanf(s[len(clockLayout):], "%d", &n); err != nil || bad != nil || n < -48 || n > 56 {
		return time.Time{}, false
	}
	ahead := time.Duration(n) * 15 * time.Minute
	return local.Add(-ahead).In(time.FixedZone("", int(ahead.Seconds()))), true
}
