package sim

import (
	"strconv"
	"strings"
	"time"
)

// fates are the faults of +999 10 and +999 20; the table in the package comment.
var fates = map[string]Fault{
	"1000": {Kind: Silence},
	"1001": {Kind: Silence, Taken: true},
	"1002": {Kind: LateResult, For: 90 * time.Second},
	"1003": {Kind: Noise},
	"1004": {Kind: DoubleResult},
	"1005": {Kind: HangUp, For: 10 * time.Second},
	"1006": {Kind: HangUp, For: 10 * time.Second, Taken: true},
	"1007": {Kind: Reboot},
	"1008": {Kind: Reboot, Taken: true},
	"1009": {Kind: Freeze, For: 2 * time.Minute},
	"1010": {Kind: Freeze, For: 2 * time.Minute, Taken: true},
	"1011": {Kind: NoNetwork, For: 30 * time.Second},
	"1012": {Kind: Denied, For: time.Minute},
	"1013": {Kind: NoSIM, For: time.Minute},
	"1014": {Kind: EchoOn},
	"1015": {Kind: Storm, Count: 200},
	"1016": {Kind: LateOK, For: 10 * time.Second},
	"1017": {Kind: HangTyping, For: 2 * time.Minute},
	"1018": {Kind: MemoryFull},
	"1019": {Kind: SMSDown, For: time.Minute},
	"1020": {Kind: ResultOnly},
	"1021": {Kind: TextError},
	"1022": {Kind: GluedOK},
	"1023": {Kind: BrownOut},
	"1024": {Kind: BrownOut, Taken: true},
	"2000": {Kind: HandsetOff},
	"2001": {Kind: ReportFailed},
	"2002": {Kind: NoReport},
	"2003": {Kind: EarlyReport},
}

// magic reads the fault out of a number, and whether it is for once only.
func magic(digits string) (f Fault, once bool) {
	rest, ok := strings.CutPrefix(digits, "999")
	if !ok || len(rest) < 4 {
		return Fault{}, false
	}
	group := rest[:2]
	if group != "00" && group != "01" {
		return fates[rest[:4]], group == "10"
	}
	if len(rest) < 5 {
		return Fault{}, false
	}
	code, err := strconv.Atoi(rest[2:5])
	if err != nil {
		return Fault{}, false
	}
	return Fault{Kind: Refuse, Cause: code}, group == "01"
}

// fate is what happens to a hand-over to a number.
func (n *Network) fate(digits string) Fault {
	f, once := magic(digits)
	if !once {
		return f
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.struck[digits] {
		return Fault{}
	}
	n.struck[digits] = true
	return f
}
