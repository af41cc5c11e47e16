package modem

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/modem/at"
)

var callsBegin = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func TestCalls(t *testing.T) {
	// A step is a second, "|" and a line; "!" before it: the call is due to be
	// rejected now.
	for _, tt := range []struct {
		name  string
		steps []string
		want  string // number@second*rings, the newest first
	}{
		{"one with a number", []string{"0|RING", `!0|+CLIP: "+447700900123",145,"",0,"",0`, "5|RING", `5|+CLIP: "+447700900123",145`, "10|RING", "14|NO CARRIER"}, "+447700900123@0*3"},
		{"extended ring", []string{"0|+CRING: VOICE", "!5|+CRING: VOICE", "10|+CRING: VOICE"}, "@0*3"},
		{"number withheld", []string{"0|RING", `!0|+CLIP: "",128,,,,1`, "5|RING"}, "@0*2"},
		{"number without quotes or +", []string{"0|RING", "!0|+CLIP: 447700900123,145"}, "+447700900123@0*1"},
		{"number that is none", []string{"0|RING", `!0|+CLIP: "; drop",129`}, "@0*1"},
		{"number first", []string{`!0|+CLIP: "07700900123",129`, "0|RING"}, "07700900123@0*1"},
		{"another after the end", []string{"0|RING", `!0|+CLIP: "1234",129`, "3|NO CARRIER", "4|RING", `!4|+CLIP: "1234",129`}, "1234@4*1 1234@0*1"},
		{"another after a pause", []string{"0|RING", "!5|RING", "30|RING"}, "@30*1 @0*2"},
		{"another number", []string{"0|RING", `!0|+CLIP: "1234",129`, `!4|+CLIP: "5678",129`}, "5678@4*0 1234@0*1"},
		{"SIMCom, missed", []string{"0|RING", "!5|RING", "9|MISSED_CALL: 12:03AM 07700900123"}, "07700900123@0*2"},
		{"SIMCom, missed and known", []string{"0|RING", `!0|+CLIP: "+447700900123",145`, "9|NO CARRIER", "9|MISSED_CALL: 12:03AM +447700900123"}, "+447700900123@0*1"},
		{"SIMCom, missed and known, without +", []string{"0|RING", `!0|+CLIP: "+447700900123",145`, "9|NO CARRIER", "9|MISSED_CALL: 12:03AM 447700900123"}, "+447700900123@0*1"},
		{"SIMCom, missed only", []string{"0|MISSED_CALL: 12:03AM 07700900123", "9|MISSED_CALL: 12:03AM 07700900123"}, "07700900123@9*0 07700900123@0*0"},
		{"SIMCom, withheld", []string{"0|MISSED_CALL: 12:03AM "}, "@0*0"},
		{"missed another", []string{"0|RING", `!0|+CLIP: "1234",129`, "9|MISSED_CALL: 12:03AM 5678"}, "5678@9*0 1234@0*1"},
		{"nothing to do with calls", []string{"0|NO CARRIER", "0|RINGING", "0|+CREG: 1", "0|VOICE CALL: END: 000017"}, ""},
		{"ended in words", []string{"0|RING", "!4|RING", "5|VOICE CALL: END: 000005", "6|RING"}, "@6*1 @0*2"},
	} {
		var log callLog
		for _, step := range tt.steps {
			step, due := strings.CutPrefix(step, "!")
			var second int
			fmt.Sscanf(step, "%d", &second)
			_, line, _ := strings.Cut(step, "|")
			if got := log.heard(line, callsBegin.Add(time.Duration(second)*time.Second)); got != due {
				t.Errorf("%s: %q is due: %v", tt.name, step, got)
			}
		}
		var got []string
		for _, c := range log.list() {
			got = append(got, fmt.Sprintf("%s@%.0f*%d", c.From, c.At.Sub(callsBegin).Seconds(), c.Rings))
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestCallsKept(t *testing.T) {
	var log callLog
	for i := range 3 * maxCalls {
		log.heard("RING", callsBegin.Add(time.Duration(i)*time.Minute))
	}
	if got := log.list(); len(got) != maxCalls || !got[0].At.Equal(callsBegin.Add((3*maxCalls-1)*time.Minute)) {
		t.Errorf("%d calls, the newest %+v", len(got), got[0])
	}
}

func TestReject(t *testing.T) {
	for _, tt := range []struct {
		lacks string // a command that the module does not know
		want  []string
		ok    bool
	}{
		{"none", []string{"AT+CHUP"}, true},
		{"AT+CHUP", []string{"AT+CHUP", "ATH"}, true},
		{"AT", []string{"AT+CHUP", "ATH"}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, p := dial(t, at.Config{}, func(cmd string) string {
				if strings.HasPrefix(cmd, tt.lacks) {
					return "\r\nERROR\r\n"
				}
				return "\r\nOK\r\n"
			})
			var log callLog
			begun := time.Now()
			log.heard("RING", begun)
			log.heard(`+CLIP: "1234",129`, begun)
			err := log.reject(t.Context(), d)
			if (err == nil) != tt.ok || log.list()[0].Rejected != tt.ok || !slices.Equal(p.heard(), tt.want) {
				t.Errorf("%v after %q: %+v", err, p.heard(), log.list())
			}
			if !tt.ok {
				return
			}
			log.heard("RING", begun.Add(time.Second)) // it was under way
			log.heard("RING", begun.Add(5*time.Second))
			if !log.heard(`+CLIP: "1234",129`, begun.Add(5*time.Second)) {
				t.Error("who calls again is let ring")
			}
			if got := log.list(); len(got) != 2 || got[1].Rings != 2 {
				t.Errorf("calls: %+v", got)
			}
		})
	}
}

// FuzzCalls: whatever is heard, the list stays short, and holds numbers only.
func FuzzCalls(f *testing.F) {
	f.Add("RING\n+CLIP: \"+447700900123\",145\nNO CARRIER", uint8(3))
	f.Add("MISSED_CALL: 12:03AM 07700900123\n+CRING: VOICE\nVOICE CALL: END: 000017", uint8(200))
	f.Fuzz(func(t *testing.T, lines string, apart uint8) {
		var log callLog
		now := callsBegin
		for line := range strings.SplitSeq(lines, "\n") {
			log.heard(line, now)
			now = now.Add(time.Duration(apart) * time.Second)
		}
		calls := log.list()
		if len(calls) > maxCalls {
			t.Fatalf("%d calls", len(calls))
		}
		for _, c := range calls {
			if len(c.From) > maxCaller+1 || strings.Trim(c.From, "+*#0123456789") != "" {
				t.Fatalf("%q: %+v", lines, c)
			}
		}
	})
}
