package sim

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCalls(t *testing.T) {
	const clip = `|+CLIP: "+447700900123",145,,,,0`
	tests := []struct {
		name  string
		o     Options
		setup string
		from  string
		rings []string // every five seconds
		send  string   // then
		want  string
		after time.Duration
		late  string
		end   CallEnd
		count int
	}{
		{"given up", quiet, "AT", handset, []string{"RING", "RING"}, "AT", "OK", 5 * time.Second, "NO CARRIER", Missed, 2},
		{"with the number", quiet, "AT+CLIP=1", handset, []string{"RING" + clip, "RING" + clip}, "AT+CHUP", "OK", time.Hour, "", Rejected, 2},
		{"withheld", quiet, "AT+CLIP=1;+CRC=1", "", []string{`+CRING: VOICE|+CLIP: "",128,,,,1`}, "ATH", "OK", time.Hour, "", Rejected, 1},
		{"ATH0", quiet, "AT", handset, []string{"RING"}, "ATH0", "OK", time.Hour, "", Rejected, 1},
		{"listed", quiet, "AT", handset, []string{"RING"}, "AT+CLCC;+CHUP;+CLCC", `+CLCC: 1,1,4,0,0,"+447700900123",145|OK`, time.Hour, "", Rejected, 1},
		{"SIMCom", Options{NoEcho: true, MissedCall: true}, "AT", handset, []string{"RING", "RING"}, "AT", "OK", 5 * time.Second, "NO CARRIER|MISSED_CALL: 12:00AM 447700900123", Missed, 2},
		{"restart", quiet, "AT", handset, []string{"RING"}, "AT+CFUN=1,1", "OK|RDY|+CFUN: 1|+CPIN: READY|SMS Ready", time.Hour, "", Unreachable, 1},
		{"radio off", quiet, "AT", handset, []string{"RING"}, "AT+CFUN=4", "OK", time.Hour, "", Unreachable, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(NetworkOptions{Ring: 10 * time.Second})
				m := NewModem(n, tt.o)
				x := connect(t, m)
				x.expect(tt.setup+"\r", "OK")
				if err := n.Call("+"+own, tt.from); err != nil {
					t.Fatal(err)
				}
				for i, want := range tt.rings {
					x.passes(min(time.Duration(i), 1)*ringEvery, want)
				}
				x.expect(tt.send+"\r", tt.want)
				x.passes(tt.after, tt.late)
				err := n.WaitForCalls(t.Context(), func(calls []Call) bool { return len(calls) == 1 })
				if err != nil {
					t.Fatal(err)
				}
				c := n.Calls()[0]
				if c.End != tt.end || c.Rings != tt.count || c.From != tt.from || c.To != own || c.Card != m.o.ICCID || c.Ended.Before(c.At) {
					t.Errorf("call %+v", c)
				}
			})
		})
	}
}

// TestUnanswerable: calls that do not ring.
func TestUnanswerable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		m := NewModem(n, quiet)
		x := connect(t, m)
		call := func() {
			t.Helper()
			if err := n.Call(own, handset); err != nil {
				t.Fatal(err)
			}
		}
		x.expect("AT+CLIP?;+CRC?\r", "+CLIP: 0,1|+CRC: 0|OK")
		m.SetService(LimitedService)
		call()
		m.SetService(FullService)
		call()
		call()
		x.passes(0, "RING")
		m.Swap(0, nil)
		call()
		x.passes(0, "+CPIN: NOT READY")
		if err := n.Call("1", handset); err == nil || !strings.Contains(err.Error(), "Card.MSISDN") {
			t.Errorf("called no SIM: %v", err)
		}
		var ends []CallEnd
		for _, c := range n.Calls() {
			ends = append(ends, c.End)
		}
		if got, want := fmt.Sprint(ends), fmt.Sprint([]CallEnd{Unreachable, Busy, Unreachable, Unreachable}); got != want {
			t.Errorf("ends %s, want %s", got, want)
		}
	})
}

// TestRingDuringHandOver: rings wait for the end of a hand-over.
func TestRingDuringHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		m := NewModem(n, Options{NoEcho: true, AirTime: 7 * time.Second})
		x := connect(t, m)
		command, data := cmgs(t, submission(t, handset, "hi"))
		x.expect(command, "> ")
		if err := n.Call(own, handset); err != nil {
			t.Fatal(err)
		}
		x.expect(data, "")
		x.passes(7*time.Second, "+CMGS: 1|OK|RING|RING")
	})
}
