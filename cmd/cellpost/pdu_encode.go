package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"cellpost/pdu"
	"cellpost/pdu/smart"
)

type pduEncodeVerb struct {
	To       string         `help:"Number to send to; with + in front it is international." required:"" placeholder:"NUMBER"`
	Text     *string        `help:"What to send; default: what standard input holds. With --smart picture, what stands below it." xor:"content"`
	Data     *string        `help:"8-bit data to send." xor:"content" placeholder:"HEX"`
	Smart    string         `help:"Send what a file holds to an application of the handset: ringtone (RTTTL, or binary), oplogo, clilogo or picture (PNG, GIF, JPEG, BMP or OTA bitmap), binary ones also in hex, vcard, vcalendar; clean takes the operator logo away." enum:",ringtone,oplogo,clilogo,picture,vcard,vcalendar,clean" default:"" placeholder:"KIND"`
	File     string         `help:"File for --smart." placeholder:"FILE"`
	Network  string         `help:"Network whose name an oplogo stands for, as 262-01." placeholder:"MCC-MNC"`
	Preview  string         `help:"Write what --smart sends as FILE.png or FILE.wav." placeholder:"FILE"`
	Waiting  string         `help:"Light the lamp of a mailbox: voicemail, fax, email or other." enum:",voicemail,fax,email,other" default:"" placeholder:"MAILBOX"`
	Cleared  bool           `help:"Put the lamp of --waiting out instead."`
	Kept     bool           `help:"Have the handset keep the message that comes with --waiting."`
	Validity *time.Duration `help:"How long the service centre tries, as 24h; rounded down to what a relative TP-VP can say, 5m at least." placeholder:"TIME" xor:"validity"`
	Exactly  *time.Duration `help:"The same to the second, in an enhanced TP-VP, which not all service centres take." placeholder:"TIME" xor:"validity"`
	messageParams
}

// Run prints the PDUs on standard output, and what became of the text on
// standard error, so that the first can go to a modem.
func (v pduEncodeVerb) Run(p *pduVerb, s streams) error {
	m, err := v.message(s.in)
	if err != nil {
		return err
	}
	e, err := m.encode()
	if err != nil {
		return errors.New(asFlags.Replace(err.Error()))
	}
	if p.JSON {
		enc := json.NewEncoder(s.out)
		enc.SetEscapeHTML(false)
		return errors.Join(enc.Encode(e.answer()), v.writePreview(e))
	}
	if err := v.writePreview(e); err != nil {
		return err
	}
	for _, tpdu := range e.tpdus {
		if _, err := fmt.Fprintf(s.out, "AT+CMGS=%d\n%X%X\n", len(tpdu), e.smsc, tpdu); err != nil {
			return err
		}
	}
	_, err = fmt.Fprint(s.err, e.report())
	return err
}

// asFlags turns the names of a request, which the errors have, into those of the
// flags.
var asFlags = strings.NewReplacer(
	"dest_port", "--dest-port", "src_port", "--src-port", "port_bits", "--port-bits", "dest", "--to",
	"concat_ref_bits", "--ref-bits", "concat_ref", "--ref", "nl_locking", "--nl-locking", "nl_single", "--nl-single",
	"validity_minutes", "--validity", "validity_absolute", "--validity-until", "validity_seconds", "--exactly",
	"max_parts", "--max-parts",
)

// writePreview writes what a smart object looks or sounds like, if asked to.
func (v pduEncodeVerb) writePreview(e encoded) error {
	if v.Preview == "" {
		return nil
	}
	if p, ok := previewOf(e.joined()); ok {
		if drawn, err := p.write(v.Preview); err != nil || drawn {
			return err
		}
	}
	return errNoPreview
}

// joined is the message put together again.
func (e encoded) joined() pdu.Joined {
	var parts []pdu.Fragment
	for i, part := range e.Parts {
		parts = append(parts, pdu.Fragment{
			DCS: e.DCS, UserData: part, Concat: pdu.Concat{Total: byte(len(e.Parts)), Seq: byte(i + 1)},
		})
	}
	return pdu.Join(parts)
}

// maxText is how much of standard input is read, in octets: more than 255 parts
// can hold.
const maxText = 1 << 20

// message is what the flags ask for.
func (v pduEncodeVerb) message(in io.Reader) (message, error) {
	m := message{Dest: v.To, Text: v.Text, Data: v.Data, Params: v.messageParams}
	for _, d := range []*time.Duration{v.Validity, v.Exactly} {
		if d != nil && *d <= 0 {
			return m, errors.New("--validity and --exactly: longer than 0, as 24h")
		}
	}
	if v.Validity != nil {
		m.Params.ValidityMinutes = new(max(1, int64(*v.Validity/time.Minute)))
	}
	if v.Exactly != nil {
		m.Params.ValiditySeconds = new(max(1, int64(*v.Exactly/time.Second)))
	}
	if v.Waiting != "" {
		m.Params.MWI = &mwiView{Type: v.Waiting, Active: !v.Cleared, Store: v.Kept}
	} else if v.Cleared || v.Kept {
		return m, errors.New("--cleared and --kept go with --waiting")
	}
	switch {
	case v.Smart != "":
		return m, v.readFile(&m)
	case v.File != "" || v.Network != "" || v.Preview != "":
		return m, errors.New("--file, --network and --preview go with --smart")
	case m.Text == nil && m.Data == nil:
		b, err := readAtMost(in, maxText)
		if err != nil {
			return m, fmt.Errorf("text: %w", err)
		}
		m.Text = new(strings.TrimRight(string(b), "\r\n"))
	}
	return m, nil
}

// readFile puts the file of a smart object into the message.
func (v pduEncodeVerb) readFile(m *message) error {
	m.Smart = v.Smart
	if v.Network != "" {
		n, err := smart.ParseNetwork(v.Network)
		if err != nil {
			return fmt.Errorf("--network: %w", err)
		}
		m.MCC, m.MNC = networkDigits(n.MCC), networkDigits(n.MNC)
	}
	if v.Smart == "clean" {
		return nil
	}
	if v.File == "" {
		return fmt.Errorf("--smart %s: name a file with --file", v.Smart)
	}
	file, err := os.Open(v.File)
	if err != nil {
		return err
	}
	defer file.Close()
	content, err := readAtMost(file, maxFile)
	if err != nil {
		return fmt.Errorf("%s: %w", v.File, err)
	}
	m.fromFile(content)
	return nil
}

// maxFile is the most that is read of a file, in octets. Package smart takes no
// more either.
const maxFile = 4 << 20

// readAtMost reads all there is, and refuses more than limit octets.
func readAtMost(in io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, fmt.Errorf("more than %d MiB; give less", limit>>20)
	}
	return b, err
}

// report says what became of the message, and shows a smart object.
func (e encoded) report() string {
	a, last := e.DCS.Alphabet(), e.Parts[len(e.Parts)-1]
	lines := []string{fmt.Sprintf("%s%s, %s, %d %s left in the last", encodingName(a), tableWords(last.Tables()), count(len(e.Parts), "part"), last.Room(e.DCS)/octetsOf[a], units[a])}
	if len(e.strays) > 0 {
		lines = append(lines, "ucs2 because of "+strayWords(e.strays))
	}
	j := e.joined()
	if e.text != "" && a != pdu.Octets && j.Text != e.text {
		lines = append(lines, "sent as "+j.Text)
	}
	p, _ := previewOf(j)
	lines = append(append(lines, p.lines...), e.remarks...)
	var report strings.Builder
	for _, line := range lines {
		fmt.Fprintln(&report, strings.TrimRight(strings.Map(visible, line), " "))
	}
	return report.String()
}

// units are what the length of a message is counted in. A character of the
// extension table is two.
var units = map[pdu.Alphabet]string{pdu.GSM7: "characters", pdu.UCS2: "UTF-16 units", pdu.Octets: "octets"}

// octetsOf is how much Data one of these takes.
var octetsOf = map[pdu.Alphabet]int{pdu.GSM7: 1, pdu.UCS2: 2, pdu.Octets: 1}

func tableWords(t pdu.Tables) string {
	words := ""
	if t.Locking != pdu.NoLanguage {
		words += fmt.Sprintf(", %s locking table", t.Locking)
	}
	if t.Single != pdu.NoLanguage {
		words += fmt.Sprintf(", %s single shift table", t.Single)
	}
	return words
}

// strayWords lists the characters that gsm7 lacks.
func strayWords(strays []pdu.Stray) string {
	var words []string
	for _, s := range strays {
		word := fmt.Sprintf("%q at octet %d", s.Rune, s.Offset)
		if s.Count > 1 {
			word += fmt.Sprintf(" (%d times)", s.Count)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}
