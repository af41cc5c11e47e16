package pdu_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"cellpost/pdu"
)

// gammuScript answers each line of JSON with one: {"pdu": hex} with the fields
// of the message, {"text": ..., "kind": ..., "unicode": ...} with its PDUs.
const gammuScript = `
import gammu, json, sys

def plain(value):
    return value.hex() if isinstance(value, bytes) else value.isoformat()

def decode(job):
    return gammu.DecodePDU(bytes.fromhex(job["pdu"]), True)

def encode(job):
    entry = {"ID": job["kind"], "Buffer": job["text"]}
    parts = gammu.EncodeSMS({"Class": -1, "Unicode": job["unicode"], "Entries": [entry]})
    for sms in parts:
        sms.update(Number="+447700900123", SMSC={"Number": "+447785016005"})
    return {"PDUs": [gammu.EncodePDU(sms) for sms in parts]}

for line in sys.stdin.buffer:
    job = json.loads(line)
    try:
        answer = decode(job) if "pdu" in job else encode(job)
    except gammu.GSMError as error:
        answer = {"Error": error.args[0]["Text"]}
    print(json.dumps(answer, default=plain))
`

// gammuJob is a line for gammuScript.
type gammuJob struct {
	PDU     string `json:"pdu,omitempty"`
	Text    string `json:"text,omitempty"`
	Kind    string `json:"kind,omitempty"`
	Unicode bool   `json:"unicode"`
}

// gammuSMS is an answer of gammuScript; octets are in hex.
type gammuSMS struct {
	Error string
	PDUs  []string

	SMSC struct{ Number, Validity string }
	UDH  struct {
		Type, Text                            string
		ID8bit, ID16bit, PartNumber, AllParts int
	}
	Type, Number, Coding, Text                              string
	DateTime, SMSCDateTime                                  string
	Class, MessageReference, ReplaceMessage, DeliveryStatus int
}

// runGammu has libgammu do the jobs, or skips the test where it is missing.
func runGammu(t *testing.T, jobs []gammuJob) []gammuSMS {
	t.Helper()
	const python = "/usr/bin/python3" // Debian's, whose packages are Debian's
	if err := exec.Command(python, "-c", "import gammu").Run(); err != nil {
		t.Skip("python3-gammu is not installed: apt-get install python3-gammu")
	}
	var in, stderr bytes.Buffer
	lines := json.NewEncoder(&in)
	for _, job := range jobs {
		if err := lines.Encode(job); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(python, "-c", gammuScript)
	cmd.Stdin, cmd.Stderr = &in, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	var all []gammuSMS
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var sms gammuSMS
		err := d.Decode(&sms)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sms)
	}
	if len(all) != len(jobs) {
		t.Fatalf("%d answers to %d jobs: %s", len(all), len(jobs), stderr.Bytes())
	}
	return all
}

// TestGammuDecodes has libgammu read what we write, the address of the service
// centre included.
func TestGammuDecodes(t *testing.T) {
	all := samples(t)
	var jobs []gammuJob
	for _, s := range all {
		b, err := pdu.AppendSMSC(nil, s.sc)
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, gammuJob{PDU: fmt.Sprintf("%X", append(b, s.tpdu...))})
	}
	var got []fields
	for _, sms := range runGammu(t, jobs) {
		got = append(got, sms.fields())
	}
	compare(t, all, gammuFields, got, gammuErrs)
}

// gammuErrs are what libgammu 1.42 gets wrong.
var gammuErrs = []exception{
	{
		"*", func(s sample) bool { return strings.HasPrefix(s.validity(), "enhanced") }, nil,
		"it refuses an enhanced TP-VP, of 23.040, 9.2.3.12.3, as reserved",
	},
	{
		"class", func(s sample) bool { return s.dcs()&0xD0 == 0x50 },
		func(sample) string { return "-1" },
		"of a message marked for deletion it drops the class, where 23.038, 4 has bits 5 to 0 as in the general group",
	},
	{
		"number", func(s sample) bool {
			return strings.ContainsAny(s.number().Value, "*#abc") && s.number().TON != pdu.TONAlphanumeric
		},
		func(s sample) string {
			return strings.Map(func(r rune) rune {
				if strings.ContainsRune("*#abc", r) {
					return -1
				}
				return r
			}, s.number().String())
		},
		"it drops the semi-octets * # a b c of 23.040, 9.1.2.3",
	},
	{
		"number", func(s sample) bool { return s.number().TON == pdu.TONAlphanumeric },
		func(s sample) string {
			septets, _ := pdu.EncodeGSM7(s.number().Value, pdu.Tables{})
			name, _, _ := strings.Cut(string(septets), "\x00")
			return name
		},
		"it takes the septets of a name for ASCII, where 23.040, 9.1.2.5 has the default alphabet",
	},
	{
		"text", func(s sample) bool { return s.dcs().Alphabet() == pdu.UCS2 && strings.Contains(s.text(), "~") },
		func(s sample) string {
			size := len(utf16.Encode([]rune(s.text())))
			doubled := utf16.Encode([]rune(strings.ReplaceAll(s.text(), "~", "~~")))
			if doubled[size-1]&0xFC00 == 0xD800 {
				size++
			}
			return string(utf16.Decode(doubled[:size]))
		},
		"it doubles a tilde in UCS2, as the handsets of one maker want it, and cuts the text to the length it had",
	},
	{
		"text", inNationalTables, func(s sample) string {
			return defaultText(s, func(char string) string { return "¹" + char })
		},
		"it knows no national tables, of 23.038, 6.2.1.2",
	},
	{
		"coding", func(s sample) bool {
			m, ok := s.says.(pdu.StatusReport)
			return ok && m.PID == 0 && m.DCS == 0 && len(m.UserData.Data) == 0
		},
		func(sample) string { return "Unicode_No_Compression" },
		"of a report without a TP-PI, which has no text, it says another coding than the TP-DCS of 0 in 23.040, 9.2.3.27",
	},
	{
		"UDH concat text", func(s sample) bool {
			m, ok := s.says.(pdu.StatusReport)
			return ok && len(m.UserData.Header) > 0
		}, nil,
		"it takes the header in a report for text, whatever its TP-UDHI, of 23.040, 9.2.2.3",
	},
}

// fields returns the fields of a message, named as gammuFields names them.
func (m gammuSMS) fields() fields {
	f := make(fields)
	if m.Error != "" {
		f.set("read", m.Error)
		return f
	}
	f.set("read", "ok", "SC address", m.SMSC.Number, "type", m.Type, "number", m.Number)
	f.put("TP-MR", m.MessageReference, "0")
	f.put("replace", m.ReplaceMessage, "0")
	f.put("UDH", m.UDH.Text, "")
	switch m.UDH.Type {
	case "ConcatenatedMessages":
		f.set("concat", fmt.Sprint(m.UDH.ID8bit, m.UDH.PartNumber, m.UDH.AllParts))
	case "ConcatenatedMessages16bit":
		f.set("concat", fmt.Sprint(m.UDH.ID16bit, m.UDH.PartNumber, m.UDH.AllParts))
	}
	f.put("text", m.text(), "")
	switch m.Type {
	case "Submit":
		f.set("coding", m.Coding, "class", m.Class, "TP-VP", m.validity())
	case "Deliver":
		f.set("coding", m.Coding, "class", m.Class, "TP-SCTS", m.DateTime)
	case "Status_Report":
		f.set("coding", m.Coding, "TP-SCTS", m.DateTime, "TP-DT", m.SMSCDateTime, "TP-ST", m.DeliveryStatus)
	}
	return f
}

// text returns the text without what is behind its end: the binding counts an
// escaped character twice.
func (m gammuSMS) text() string {
	text, _, _ := strings.Cut(m.Text, "\x00")
	return text
}

// validity returns a relative TP-VP as time.Duration writes it.
func (m gammuSMS) validity() string {
	const day = 24 * time.Hour
	switch v := m.SMSC.Validity; v {
	case "NA":
		return "none"
	case "Max":
		return (63 * 7 * day).String()
	default:
		n, _ := strconv.Atoi(v[:len(v)-1])
		unit := map[byte]time.Duration{'M': time.Minute, 'D': day, 'W': 7 * day}[v[len(v)-1]]
		return (time.Duration(n) * unit).String()
	}
}

// gammuFields returns the fields that libgammu has to find in a sample.
func gammuFields(s sample) fields {
	f := make(fields)
	f.set("read", "ok", "SC address", s.sc)
	if _, u := s.content(); len(u.Header) == 1 {
		f.put("concat", s.made["concat"], "") // it finds no other elements beside this one
	}
	switch m := s.says.(type) {
	case pdu.Submit:
		validity := "none"
		if d, ok := m.Validity.Duration(); ok {
			validity = d.String()
		}
		f.set("type", "Submit", "number", m.Destination, "TP-VP", validity)
		f.put("TP-MR", m.Reference, "0")
		f.gammuText(m.PID, m.DCS, m.UserData)
		f.set("class", int(m.DCS.Class())-1)
	case pdu.Deliver:
		f.set("type", "Deliver", "number", m.Originator, "TP-SCTS", m.Time.Format(gammuTime))
		f.gammuText(m.PID, m.DCS, m.UserData)
		f.set("class", int(m.DCS.Class())-1)
	case pdu.StatusReport:
		f.set("type", "Status_Report", "number", m.Recipient, "TP-SCTS", m.Time.Format(gammuTime),
			"TP-DT", m.Discharge.Format(gammuTime), "TP-ST", byte(m.Status))
		f.put("TP-MR", m.Reference, "0")
		f.gammuText(m.PID, m.DCS, m.UserData)
		if len(m.UserData.Data) == 0 {
			f.set("text", gammuStatus(m.Status))
		}
	}
	return f
}

// gammuTime is how the binding writes a time, whose zone it drops.
const gammuTime = "2006-01-02T15:04:05"

// gammuStatus is what libgammu puts in place of a text that a report lacks.
func gammuStatus(s pdu.Status) string {
	switch {
	case s <= 2:
		return "Delivered"
	case s&0x40 != 0:
		return "Failed"
	case s&0x20 != 0:
		return "Pending"
	}
	return "Unknown"
}

// gammuText puts what libgammu tells of the fields that messages share.
func (f fields) gammuText(p pdu.PID, d pdu.DCS, u pdu.UserData) {
	f.set("coding", map[pdu.Alphabet]string{
		pdu.GSM7: "Default_No_Compression", pdu.Octets: "8bit", pdu.UCS2: "Unicode_No_Compression",
	}[d.Alphabet()])
	if pdu.PIDReplace1 <= p && p <= pdu.PIDReplace7 {
		f.set("replace", byte(p-pdu.PIDType0))
	}
	header := ""
	for _, ie := range u.Header {
		header += fmt.Sprintf("%02x%02x%x", ie.ID, len(ie.Data), ie.Data)
	}
	if header != "" {
		f.set("UDH", fmt.Sprintf("%02x", len(header)/2)+header)
	}
	if d.Alphabet() == pdu.Octets {
		f.put("text", fmt.Sprintf("%x", u.Data), "")
		return
	}
	f.put("text", u.Text(d), "")
}

// TestGammuEncodes has libgammu write texts, long ones in parts, and wants ours
// to be the same to the octet.
func TestGammuEncodes(t *testing.T) {
	g := newGenerator(t)
	var jobs []gammuJob
	for i := range 120 {
		job := gammuJob{Kind: pick(g, []string{"ConcatenatedTextLong", "ConcatenatedTextLong16bit"})}
		// It would part a CR from its LF.
		if job.Text = strings.ReplaceAll(g.septets(), "\r\n", "\n"); i%2 != 0 {
			job.Text, job.Unicode = g.draw(1+g.rnd.IntN(260), letters("Привет, 漢字!😀")), true
		}
		if job.Text != "" {
			jobs = append(jobs, job)
		}
	}
	parts := 0
	for i, theirs := range runGammu(t, jobs) {
		if theirs.Error != "" {
			t.Errorf("%q: %s", jobs[i].Text, theirs.Error)
			continue
		}
		ours := likeGammu(t, jobs[i], theirs.PDUs[0])
		parts += len(ours)
		if !slices.Equal(ours, theirs.PDUs) {
			t.Errorf("%q is written as\n%s\nwant\n%s", jobs[i].Text, strings.Join(ours, "\n"), strings.Join(theirs.PDUs, "\n"))
		}
	}
	t.Logf("%d texts, %d parts", len(jobs), parts)
}

// likeGammu writes a text with the reference that its first PDU has, and with
// what libgammu puts into each field else.
func likeGammu(t *testing.T, job gammuJob, first string) []string {
	t.Helper()
	raw, err := hex.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}
	sc, tpdu, err := pdu.CutSMSC(raw)
	if err != nil {
		t.Fatal(err)
	}
	s, warnings, err := pdu.ParseSubmit(tpdu)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%s: %v, %v", first, err, warnings)
	}
	c, _ := s.UserData.Concat()
	o := pdu.SplitOptions{Alphabet: pdu.GSM7, Reference: c.Reference, Wide: c.Bits == 16}
	if job.Unicode {
		o.Alphabet = pdu.UCS2
	}
	seg, err := pdu.Split(job.Text, o)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, u := range seg.Parts {
		s := pdu.Submit{Destination: number, DCS: seg.DCS, Validity: pdu.RelativeValidity(5 * time.Minute), UserData: u}
		b, err := pdu.AppendSMSC(nil, sc)
		if err != nil {
			t.Fatal(err)
		}
		tpdu, err := s.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, hex.EncodeToString(append(b, tpdu...)))
	}
	return all
}
