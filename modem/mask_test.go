package modem

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"cellpost/modem/at"
	"cellpost/modem/sim"
	"cellpost/pdu"
)

func TestMask(t *testing.T) {
	// Each case is a dialogue: lines with their direction, and what is kept.
	for _, tt := range []struct {
		name        string
		lines, want []string
	}{
		{"nothing to hide",
			[]string{">AT+CMEE=1", "<OK", "<+CSQ: 18,99", "<+CREG: 2,1", "<+CMS ERROR: 38", "<^RSSI:18", "<> ", "<RDY", `<+COPS: 0,2,"310260",7`, `<+CPMS: "SM",3,20,"SM",3,20`, "<+CMGS: 255", ">\x1b"},
			[]string{"AT+CMEE=1", "OK", "+CSQ: 18,99", "+CREG: 2,1", "+CMS ERROR: 38", "^RSSI:18", "> ", "RDY", `+COPS: 0,2,"310260",7`, `+CPMS: "SM",3,20,"SM",3,20`, "+CMGS: 255", "^"}},
		{"a message sent, with echo",
			[]string{">AT+CMGS=20", "<AT+CMGS=20", "<> ", ">0011000C914477009010320000AA05E8329BFD06", "<> 0011000C914477009010320000AA05E8329BFD06", "<0011000C914477009010320000AA05E8329BFD06"},
			[]string{"AT+CMGS=20", "AT+CMGS=20", "> ", "[TPDU, 20 octets]", "> [20 octets]", "[20 octets]"}},
		{"a text sent",
			[]string{`>AT+CMGS="+447700900123"`, ">Hello", `<AT+CMGS="+447700900123"`},
			[]string{`AT+CMGS="+44********23"`, "[5 characters]", `AT+CMGS="+44********23"`}},
		{"a message received",
			[]string{"<+CMT: ,24", "<07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07", "<+CMTI: \"SM\",1", "<RDY"},
			[]string{"+CMT: ,24", "[TPDU, 38 octets]", `+CMTI: "SM",1`, "RDY"}},
		{"a short report", []string{"<+CDS: 2", "<0006"}, []string{"+CDS: 2", "[TPDU, 2 octets]"}},
		{"texts listed, with a code between",
			[]string{`<+CMGL: 1,"REC UNREAD","+447700900123","Anna","26/11/22,16:03:05+04"`, "<Hello Bob", "<^RSSI:3", "<it is me", `<+CMGL: 2,1,"Bob",24`, "<07911326040000F0", "<OK", "<RDY"},
			[]string{`+CMGL: 1,"[10 characters]","+44********23","[4 characters]","26/11/22,16:03:05+04"`, "[9 characters]", "^RSSI:3", "[8 characters]", `+CMGL: 2,1,"[3 characters]",24`, "[TPDU, 8 octets]", "OK", "RDY"}},
		{"secrets",
			[]string{`>AT+CPIN="1234"`, ">AT+CPIN=1234", `<AT+CPIN="12345678","1234"`, `>AT+CPWD="SC","1234","4321"`, `>AT+CLCK="SC",1,"1234"`, `>at+cpin2="99"`, ">AT+CPIN?", "<+CPIN: SIM PIN", `>AT+CPINR="SIM PIN"`},
			[]string{"AT+CPIN=****", "AT+CPIN=****", "AT+CPIN=****", "AT+CPWD=****", "AT+CLCK=****", "[13 characters]", "AT+CPIN?", "+CPIN: SIM PIN", `AT+CPINR="SIM PIN"`}},
		{"identities",
			[]string{"<262011234567890", "<+CCID: 8944501234567890123", `<+CCID: "89445012345678901234"`, "<^ICCID: 8944501234567890123F", "<+CGSN: 490154203237518"},
			[]string{"26201********90", "+CCID: 894450***********23", `+CCID: "894450************34"`, "^ICCID: 894450***********23", "+CGSN: 49015********18"}},
		{"USSD",
			[]string{`>AT+CUSD=1,"*100#",15`, `<+CUSD: 0,"Balance 5, until 1,15",15`, "<+CUSD: 2", `<+CUSD: 1,"Anna, 5,12`, `<Bob's "4"`, `<1234",72`, "<+CUSD: 0,Balance 5,15", "<OK", ">AT+CUSD=2"},
			[]string{`AT+CUSD=1,"[5 characters]",15`, `+CUSD: 0,"[21 characters]",15`, "+CUSD: 2", "+CUSD: 1,[11 characters]", "[9 characters]", "[8 characters]", "+CUSD: 0,[12 characters]", "OK", "AT+CUSD=2"}},
		{"calls",
			[]string{`<+CLIP: "+447700900123",145,"",0,"Anna",0`, `<+CLIP: "12345",129`, "<+CLIP: 12345,129", "<MISSED_CALL: 12:03AM 07700900123", "<MISSED_CALL: 12:03AM 12345", `<+CLIP: "",128`},
			[]string{`+CLIP: "+44********23",145,"",0,"[4 characters]",0`, `+CLIP: "*****",129`, "+CLIP: *****,129", "MISSED_CALL: 12:03AM *********23", "MISSED_CALL: 12:03AM *****", `+CLIP: "",128`}},
		{"numbers",
			[]string{`<+CSCA: "+447785016005",145`, `<+CNUM: "me","+12025550123",145`, `<+CNUM: ,"+353861234567",145`, `<+CSCA: "002B003400340037",145`, `<+X: 447700900123`, `<+X: "0770090"`, "<+X: 123456789", `<+X: "123456`},
			[]string{`+CSCA: "+44********05",145`, `+CNUM: "[2 characters]","+1********23",145`, `+CNUM: ,"+353*******67",145`, `+CSCA: "[8 octets]",145`, "+X: **********23", `+X: "*****90"`, "+X: 123456789", `+X: "****56`}},
		{"no UTF-8, control characters", []string{"<a\xffb\x00c"}, []string{"a?b^c"}},
	} {
		var m mask
		for i, line := range tt.lines {
			if got := m.line(line[0], line[1:]); got != tt.want[i] {
				t.Errorf("%s: %q: %q, want %q", tt.name, line[1:], got, tt.want[i])
			}
		}
	}
}

// TestMaskProperty: numbers and texts are not found in what is masked, wherever
// in a dialogue they stand.
func TestMaskProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`[1-9][0-9]{9,13}`).Draw(t, "number")
		text := rapid.StringMatching(`[A-Za-z][A-Za-z ]{5,60}[a-z]`).Draw(t, "text")
		pin := rapid.StringMatching(`[0-9]{4,8}`).Draw(t, "pin")
		tpdu := rapid.StringMatching(`([0-9A-F]{2}){8,90}`).Draw(t, "tpdu")
		place := strings.NewReplacer("{number}", number, "{text}", text, "{pin}", pin, "{tpdu}", tpdu)
		dialogues := [][]string{
			{`>AT+CPIN="{pin}"`, `<AT+CPIN="{pin}"`}, {`>AT+CLCK="SC",0,"{pin}"`},
			{">AT+CMGS=20", "<AT+CMGS=20> {tpdu}", ">{tpdu}", "<{tpdu}", "<+CMGS: 17"}, {"<> {tpdu}"}, {"<{tpdu}"},
			{"<+CMT: ,24", "<{tpdu}"}, {"<+CDS: 24", "<^RSSI:1", "<{tpdu}"}, {"<+CMT: ,24"},
			{"<+CMGL: 1,1,,24", "<{tpdu}", "<^RSSI:1", "<+CMGL: 2,1,,24", "<{tpdu}", "<OK"}, {"<+CMGR: 0,\"{text}\",24", "<{tpdu}", "<OK"},
			{`<+CMGL: 1,"REC READ","+{number}"`, "<{text}", "<RING", "<{text}", "<OK"}, {`<+CMT: "+{number}",,"26/11/22,16:03:05+04"`, "<{text}", "<{number}", "<OK"},
			{`<+CLIP: "+{number}",145,"{text}",0,"{text}",0`}, {`<+CLIP: "{number}",129`}, {"<MISSED_CALL: 12:03AM {number}"},
			{`<+CNUM: "{text}","+{number}",145`}, {`<+CSCA: "+{number}",145`}, {"<+WIND: {number}"}, {`<+XYZ: 1,"{number}"`}, {"<+{number}"}, {"<{number}"},
			{`<+CUSD: 0,"{text}",15`}, {`<+CUSD: 1,"{text}`, "<{text}", `<{text}",15`}, {`>AT+CUSD=1,"{text}",15`}, {"<+CUSD: 0,{text},15"}, {"<OK"}, {"<RDY"},
		}
		var m mask
		for _, dialogue := range rapid.SliceOfN(rapid.SampledFrom(dialogues), 1, 30).Draw(t, "dialogues") {
			for _, line := range dialogue {
				line = place.Replace(line)
				got := m.line(line[0], line[1:])
				for what, secret := range map[string]string{"number": number, "text": text, "PIN": `"` + pin, "TPDU": tpdu} {
					if strings.Contains(got, secret) {
						t.Fatalf("%s in %q, from %q", what, got, line)
					}
				}
			}
		}
	})
}

// FuzzMask: no line holds ten digits running after it was masked, nor a long
// run of hexadecimal ones, and masking again changes no length to speak of.
func FuzzMask(f *testing.F) {
	f.Add("AT+CMGS=20\n0011000C914477009010320000AA05E8329BFD06", true)
	f.Add("+CMT: ,24\n07911326040000F0\n+CUSD: 1,\"a\nb\",15", false)
	f.Add("+CLIP: \"+447700900123\",145\n262011234567890\n+CCID: 8944501234567890123F\nMISSED_CALL: 12:03AM 07700900123", false)
	f.Fuzz(func(t *testing.T, lines string, sent bool) {
		dir := byte('<')
		if sent {
			dir = '>'
		}
		var m mask
		for line := range strings.SplitSeq(lines, "\n") {
			got := m.line(dir, line)
			if manyDigit.MatchString(got) || longHex.MatchString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' }) {
				t.Fatalf("%q: %q", line, got)
			}
		}
	})
}

// TestMaskDialogue: of a real dialogue, nothing of what people wrote or dialled
// is left in its trace.
func TestMaskDialogue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const text, number, pin, balance = "meet me at noon", "447700900123", "4711", "Balance of"
		n := sim.NewNetwork(sim.NetworkOptions{})
		m := sim.NewModem(n, sim.Options{PIN: pin})
		var trace Trace
		var raw sync.Map
		d := serveSim(t, m, at.Config{
			Unsolicited: []at.Code{{Prefix: "+CMT", Lines: 1}, {Prefix: "+CDS", Lines: 1}, {Prefix: "+CUSD"}, {Prefix: "+CMTI"}},
			Handler:     func([]string) {},
			Trace: func(dir byte, line string) {
				raw.Store(line, true)
				trace.add(dir, line, time.Now())
			},
		})
		for _, cmd := range []string{
			"+CMEE=1", `+CPIN="` + pin + `"`, "+CIMI", "+CCID", "+CGSN", "+CNUM", "+CSCA?", "+CMGF=0", "+CSMS=1", "+CNMI=2,2,0,1,0", `+CUSD=1,"*100#",15`,
		} {
			if _, err := d.Command(t.Context(), cmd, time.Second); err != nil {
				t.Fatalf("AT%s: %v", cmd, err)
			}
		}
		h := submitTo(t, number, text)
		if r := d.Submit(t.Context(), fmt.Sprintf("+CMGS=%d", len(h)), "00"+upperHex(h), at.Timeouts{}); r.Err != nil {
			t.Fatal(r.Err)
		}
		synctest.Wait()
		d.Command(t.Context(), "+CNMA", time.Second)
		if err := n.Send(m.Options().MSISDN, number, text); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		d.Command(t.Context(), "+CNMI=2,1,0,1,0", time.Second)
		d.Command(t.Context(), "+CNMA", time.Second)
		if err := n.Send(m.Options().MSISDN, number, text); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := d.Command(t.Context(), "+CMGL=4", time.Second); err != nil {
			t.Fatal(err)
		}
		o := m.Options()
		secrets := []string{text, number, pin, balance, o.MSISDN, o.IMSI, o.ICCID, o.IMEI, upperHex(h)}
		var seen strings.Builder
		for _, line := range trace.Lines() {
			seen.WriteString(line.Text + "\n")
			for _, secret := range secrets {
				if strings.Contains(line.Text, secret) {
					t.Errorf("%q in %q", secret, line.Text)
				}
			}
		}
		raw.Range(func(line, _ any) bool { // no TPDU came through
			if isHex(line.(string)) && len(line.(string)) > 15 && strings.Contains(seen.String(), line.(string)) {
				t.Errorf("not masked: %q", line)
			}
			return true
		})
		for _, want := range []string{"AT+CPIN=****\n", "[TPDU, ", "+CMT: ,", "+CDS: ", "+CMGL: 1,", `+CUSD: 0,"[`, "+CMGS: 1\n", "> \n"} {
			if !strings.Contains(seen.String(), want) {
				t.Errorf("no %q in:\n%s", want, &seen)
			}
		}
	})
}

// submitTo makes the TPDU of a message.
func submitTo(t *testing.T, number, text string) []byte {
	to, err := pdu.ParseAddress("+" + number)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := pdu.Split(text, pdu.SplitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tpdu, err := pdu.Submit{StatusReport: true, Destination: to, DCS: parts.DCS, UserData: parts.Parts[0]}.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return tpdu
}
