package pdu_test

import (
	"bytes"
	endian "encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"cellpost/pdu"
)

// TestTshark has Wireshark's dissector read what we write.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed: apt-get install tshark")
	}
	all := samples(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "samples.pcap")
	if err := os.WriteFile(file, capture(all), 0o600); err != nil {
		t.Fatal(err)
	}
	// Each part by itself, and 8-bit data as it is, whatever its port.
	cmd := exec.Command(tshark, "-n", "-r", file, "-T", "ek", "-x", "-J", "gsm_sms", "-o", "gsm_sms.reassemble:FALSE",
		"--disable-protocol", "ALL", "--enable-protocol", "frame",
		"--enable-protocol", "exported_pdu", "--enable-protocol", "gsm_sms")
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "WIRESHARK_CONFIG_DIR="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	compare(t, all, dissected, dissections(t, out), tsharkErrs)
}

// tsharkErrs are what Wireshark 4.0 gets wrong.
var tsharkErrs = []exception{
	{
		"malformed TP-UDL UDHL elements concat ports waiting others single locking text data",
		func(s sample) bool {
			return strings.HasPrefix(s.validity(), "enhanced") && strings.Contains(s.validity(), "relative")
		}, nil,
		"of an enhanced TP-VP with a relative period it takes two octets, not the seven of 23.040, 9.2.3.12.3",
	},
	{
		"malformed", func(s sample) bool {
			a := s.number()
			return a.TON == pdu.TONInternational && a.NPI == pdu.NPITelephone && len(a.Value) <= 2
		}, func(sample) string { return "true" },
		"an international number can end inside its country code, which 23.040, 9.1.2.5 allows",
	},
	{
		"text data", func(s sample) bool {
			m, ok := s.says.(pdu.StatusReport)
			return ok && m.DCS == 0 && len(m.UserData.Data) > 0
		}, nil,
		"without a TP-DCS it takes the text for 8-bit data, where 23.040, 9.2.3.27 has the default alphabet",
	},
	{
		"text", inNationalTables, func(s sample) string {
			return defaultText(s, func(string) string { return "\uFFFD" })
		},
		"it shows no national tables, of 23.038, 6.2.1.2",
	},
}

// inNationalTables reports whether a sample needs national tables.
func inNationalTables(s sample) bool {
	_, u := s.content()
	return u.Tables() != pdu.Tables{}
}

// defaultText returns the text of a sample for a decoder that knows no national
// tables, and how it shows a character after an escape that leads nowhere.
func defaultText(s sample, nowhere func(char string) string) string {
	_, u := s.content()
	text := ""
	for d := u.Data; len(d) > 0; {
		n := 1
		if d[0] == 0x1B && len(d) > 1 {
			n = 2
		}
		char := pdu.DecodeGSM7(d[:n], pdu.Tables{})
		if n == 2 && char == pdu.DecodeGSM7(d[1:n], pdu.Tables{}) {
			char = nowhere(char)
		}
		text += char
		d = d[n:]
	}
	return text
}

// capture returns a pcap file of TPDUs.
func capture(all []sample) []byte {
	const (
		magic    = 0xA1B2C3D4
		version  = 4<<16 | 2
		linkType = 252 // a PDU for the dissector named in front of it
	)
	var b []byte
	put := func(numbers ...uint32) {
		for _, n := range numbers {
			b = endian.LittleEndian.AppendUint32(b, n)
		}
	}
	put(magic, version, 0, 0, 0xFFFF, linkType)
	for _, s := range all {
		toMobile, toNetwork := byte(0), byte(1)
		direction := toMobile
		if _, ok := s.says.(pdu.Submit); ok {
			direction = toNetwork
		}
		// Tags of 4 octets and their values: the dissector, the direction, the end.
		packet := []byte("\x00\x0c\x00\x08gsm_sms\x00" + "\x00\x23\x00\x04\x00\x00\x00")
		packet = append(packet, direction, 0, 0, 0, 0)
		packet = append(packet, s.tpdu...)
		put(0, 0, uint32(len(packet)), uint32(len(packet)))
		b = append(b, packet...)
	}
	return b
}

// layer is what tshark prints of one TPDU.
type layer map[string]any

// ekPrefix is what the names of all fields begin with.
const ekPrefix = "gsm_sms_gsm_sms_"

// dissections reads the output of tshark.
func dissections(t *testing.T, out []byte) []fields {
	var all []fields
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var packet struct {
			Layers *struct {
				SMS       layer `json:"gsm_sms"`
				Malformed any   `json:"_ws_malformed"`
			}
		}
		err := d.Decode(&packet)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if packet.Layers != nil {
			l := packet.Layers.SMS
			f := l.fields()
			f.set("malformed", packet.Layers.Malformed != nil || l["_ws_malformed"] != nil)
			all = append(all, f)
		}
	}
}

// has reports whether the layer has a field.
func (l layer) has(field string) bool {
	_, ok := l[ekPrefix+field]
	return ok
}

// get returns the values of a field, separated by blanks.
func (l layer) get(field string) string { return strings.Trim(fmt.Sprint(l[ekPrefix+field]), "[]") }

// dissectorFields are the fields of ours by those of the dissector.
var dissectorFields = map[string][]string{
	"TP-MTI": {"tp-mti"}, "TP-MR": {"tp-mr"}, "TP-RD": {"tp-rd"}, "TP-RP": {"tp-rp"}, "TP-SRR": {"tp-srr"},
	"TP-UDHI": {"tp-udhi"}, "TP-MMS": {"tp-mms"}, "TP-SRI": {"tp-sri"}, "TP-SRQ": {"tp-srq"},
	"TP-DA": {"tp-da"}, "TP-OA": {"tp-oa"}, "TP-RA": {"tp-ra"},
	"type-of-number": {"dis_field_addr_num_type", "dis_field_addr_num_plan", "dis_field_addr_length"},
	"TP-PID":         {"tp-pid"}, "TP-DCS": {"tp-dcs"}, "TP-PI": {"tp_parameter_indicator"},
	"TP-ST":    {"dis_field_definition", "dis_field_st_error", "dis_field_st_reason"},
	"TP-UDL":   {"tp_user_data_length"},
	"UDHL":     {"dis_field_udh_user_data_header_length"},
	"elements": {"ie_identifier", "dis_field_ud_iei_length"},
	"concat":   {"udh_mm_msg_id", "udh_mm_msg_part", "udh_mm_msg_parts"},
	"ports":    {"destination_port", "originator_port"},
	"single":   {"dis_iei_lang_single_shift"},
	"locking":  {"dis_iei_lang_locking_shift"},
	"waiting":  {"msg_ind_type_and_stor", "msg_ind_type", "msg_count"},
	"others":   {"ie_data"},
	"data":     {"sms_body"},
}

// fields returns the fields of a TPDU, named as dissected names them.
func (l layer) fields() fields {
	f := make(fields)
	for name, parts := range dissectorFields {
		if !l.has(parts[0]) {
			continue
		}
		var values []string
		for _, part := range parts {
			values = append(values, l.get(part))
		}
		f.put(name, strings.Join(values, " "), "")
	}
	if text, ok := l[ekPrefix+"sms_text"].(string); ok {
		f.put("text", text, "")
	}
	if l.has("tp-dcs") {
		f["coding"] = l.coding()
	}
	switch {
	case l.has("tp-vpf"):
		f["TP-VP"] = l.validity()
	case l.has("tp-ra"):
		f["TP-SCTS"], f["TP-DT"] = l.time(0), l.time(1)
	default:
		f["TP-SCTS"] = l.time(0)
	}
	return f
}

// coding returns what a TP-DCS is taken for.
func (l layer) coding() string {
	alphabet, class := pdu.GSM7, pdu.NoClass
	alphabets := map[string]pdu.Alphabet{"0x00": pdu.GSM7, "0x01": pdu.Octets, "0x02": pdu.UCS2}
	switch group := l.get("coding_group_bits4"); {
	case l.has("dcs_character_set"):
		alphabet = alphabets[l.get("dcs_character_set")]
	case group == "14":
		alphabet = pdu.UCS2
	case l.get("dcs_message_coding") == "true":
		alphabet = pdu.Octets
	}
	if l.get("dcs_message_class_defined") == "true" || l.has("dcs_message_coding") {
		class = pdu.Class0 + pdu.Class(decimal(l.get("dcs_message_class")))
	}
	words := alphabet.String() + " " + class.String()
	if l.has("dcs_message_waiting") {
		words += fmt.Sprintf(" waiting %s %d", l.get("dcs_indication_sense"), decimal(l.get("dcs_message_waiting")))
	}
	return words
}

// decimal reads a number as tshark prints it, with or without 0x.
func decimal(s string) int {
	n, _ := strconv.ParseInt(s, 0, 0)
	return int(n)
}

// time returns the nth time of a TPDU as stamp does. The sign of its zone is
// only in the octet.
func (l layer) time(n int) string {
	var v []any
	for _, unit := range []string{"year", "month", "day", "hour", "minutes", "seconds", "timezone", "timezone_raw"} {
		values := strings.Fields(l.get("scts_" + unit))
		if n >= len(values) {
			return "no " + unit
		}
		v = append(v, decimal(values[n]))
	}
	const west = 0x08
	octets := strings.Fields(l.get("scts_timezone_raw"))
	if octet, err := strconv.ParseUint(octets[n], 16, 8); err == nil && octet&west != 0 {
		v[6] = -v[6].(int)
	}
	return fmt.Sprintf("%d-%d-%d %d:%d:%d %+d", v[:7]...)
}

// validity returns a TP-VP as a sample has it.
func (l layer) validity() string {
	switch l.get("tp-vpf") {
	case "0":
		return "none"
	case "2":
		return "relative " + l.get("vp_validity_period")
	case "3":
		return "absolute " + l.time(0)
	}
	words := "enhanced once=" + l.get("vp_single_shot_sm") + " "
	switch l.get("vp_validity_period_format") {
	case "1":
		words += "relative " + l.get("vp_validity_period")
	case "2":
		words += "seconds " + l.get("vp_validity_period")
	case "3":
		words += "clock " + l.get("vp_validity_period_hour") + ":" + l.get("vp_validity_period_minutes") + ":" + l.get("vp_validity_period_seconds")
	}
	return words
}

// dissected returns the fields that tshark has to find in a sample.
func dissected(s sample) fields {
	f := fields{"malformed": "false"}
	maps.Copy(f, s.made)
	switch m := s.says.(type) {
	case pdu.Submit:
		f.set("TP-MTI", 1, "TP-MR", m.Reference, "TP-RD", m.RejectDuplicates, "TP-RP", m.ReplyPath, "TP-SRR", m.StatusReport,
			"TP-DA", m.Destination.Value, "TP-PID", m.PID, "TP-DCS", m.DCS, "coding", codingWords(m.DCS))
		f.number(m.Destination)
		f.userData(m.UserData, m.DCS)
	case pdu.Deliver:
		f.set("TP-MTI", 0, "TP-MMS", !m.MoreMessages, "TP-RP", m.ReplyPath, "TP-SRI", m.StatusReport,
			"TP-OA", m.Originator.Value, "TP-PID", m.PID, "TP-DCS", m.DCS, "coding", codingWords(m.DCS), "TP-SCTS", stamp(m.Time))
		f.number(m.Originator)
		f.userData(m.UserData, m.DCS)
	case pdu.StatusReport:
		f.set("TP-MTI", 2, "TP-MR", m.Reference, "TP-MMS", !m.MoreMessages, "TP-SRQ", m.ForCommand, "TP-RA", m.Recipient.Value,
			"TP-SCTS", stamp(m.Time), "TP-DT", stamp(m.Discharge), "TP-ST", fmt.Sprintf("false %d %d", m.Status>>5&3, m.Status&31))
		f.number(m.Recipient)
		f.set("TP-UDHI", len(m.UserData.Header) > 0)
		f.optional(m)
	}
	return f
}

// optional puts what follows TP-ST.
func (f fields) optional(r pdu.StatusReport) {
	pi := 0
	if r.PID != 0 {
		pi |= 1
		f.set("TP-PID", r.PID)
	}
	if r.DCS != 0 {
		pi |= 2
		f.set("TP-DCS", r.DCS, "coding", codingWords(r.DCS))
	}
	if len(r.UserData.Header)+len(r.UserData.Data) > 0 {
		pi |= 4
		f.userData(r.UserData, r.DCS)
	}
	if pi != 0 {
		f.set("TP-PI", fmt.Sprintf("0x%02x", pi))
	}
}

// set puts values under their names.
func (f fields) set(pairs ...any) {
	for ; len(pairs) > 0; pairs = pairs[2:] {
		value := pairs[1]
		switch v := value.(type) {
		case pdu.PID:
			value = byte(v)
		case pdu.DCS:
			value = byte(v)
		}
		f[pairs[0].(string)] = fmt.Sprint(value)
	}
}

// number puts the type of an address and its length in semi-octets.
func (f fields) number(a pdu.Address) {
	size := len(a.Value)
	if a.TON == pdu.TONAlphanumeric {
		size = (7*utf8.RuneCountInString(a.Value) + 3) / 4
	}
	f.set("type-of-number", fmt.Sprint(byte(a.TON), byte(a.NPI), size))
}

// userData puts TP-UDL and TP-UD.
func (f fields) userData(u pdu.UserData, d pdu.DCS) {
	size, ids, lengths := 0, "", ""
	for _, ie := range u.Header {
		size += 2 + len(ie.Data)
		ids += fmt.Sprintf("0x%02x ", ie.ID)
		lengths += fmt.Sprintf(" %d", len(ie.Data))
		f.element(ie)
	}
	if size > 0 {
		f.set("UDHL", size, "elements", ids+lengths[1:])
		size++
	}
	if d.Alphabet() == pdu.GSM7 {
		size = (8*size + 6) / 7
	}
	f.set("TP-UDHI", len(u.Header) > 0, "TP-UDL", size+len(u.Data))
	if d.Alphabet() == pdu.Octets {
		f.put("data", colons(u.Data), "")
		return
	}
	f.put("text", u.Text(d), "")
}

// element puts what an information element says that the sample does not know.
func (f fields) element(ie pdu.IE) {
	switch ie.ID {
	case pdu.IEConcat8, pdu.IEConcat16, pdu.IEPorts8, pdu.IEPorts16, pdu.IEWaiting:
	case pdu.IESingle:
		f.set("single", ie.Data[0])
	case pdu.IELocking:
		f.set("locking", ie.Data[0])
	default:
		f.put("others", colons(ie.Data), "")
	}
}

// colons returns octets as tshark prints them.
func colons(b []byte) string { return strings.ReplaceAll(fmt.Sprintf("% x", b), " ", ":") }

// codingWords returns what a TP-DCS says.
func codingWords(d pdu.DCS) string {
	words := d.Alphabet().String() + " " + d.Class().String()
	if w, ok := d.Waiting(); ok {
		words += fmt.Sprintf(" waiting %v %d", w.Active, w.Mailbox)
	}
	return words
}
