package pdu_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cellpost/pdu"
)

// TestVectors reads every file of testdata: what a modem prints (pdu, SC
// address first), and each field that it must give. Fields that a file leaves
// out have to be zero; only the type of the address need not be given. Octets
// are given as data or as text. The key dcs is there when TP-DCS says more than
// alphabet and class, and udh holds the elements that no other key tells.
// "canonical: no" says that we write the same otherwise.
func TestVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) { testVector(t, readVector(t, file)) })
	}
}

func readVector(t testing.TB, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			t.Fatalf("line without a key: %q", line)
		}
		want[key] = strings.TrimSpace(value)
	}
	return want
}

func testVector(t *testing.T, want map[string]string) {
	raw, err := hex.DecodeString(want["pdu"])
	if err != nil {
		t.Fatal(err)
	}
	got, tpdu, again := decode(raw, want["kind"])
	canonical := want["canonical"] != "no"
	for _, key := range []string{"data", "type"} {
		if _, given := want[key]; !given {
			delete(got, key)
		}
	}
	if _, given := got["data"]; given {
		delete(got, "text")
	}
	for _, key := range []string{"source", "kind", "pdu", "canonical"} {
		delete(want, key)
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if got[key] != want[key] {
			t.Errorf("%s: got %s, want %s", key, got[key], want[key])
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("not given: %v", want)
	}
	if got["error"] == "" && bytes.Equal(tpdu, again) != canonical {
		t.Errorf("TPDU %X is written as %X, canonical: %v", tpdu, again, canonical)
	}
}

// fields are those of a PDU that are not zero, under their names in a vector.
type fields map[string]string

func (f fields) put(key string, value any, zero string) {
	if s := fmt.Sprint(value); s != zero {
		f[key] = s
	}
}

func (f fields) flag(name string, on bool) {
	if on {
		f["flags"] = strings.TrimSpace(f["flags"] + " " + name)
	}
}

func (f fields) time(key string, t time.Time) {
	if !t.IsZero() {
		f[key] = t.Format(time.RFC3339)
	}
}

func (f fields) address(a pdu.Address) {
	text := a.String()
	if quoted := strconv.Quote(text); strings.TrimSpace(text) != text || quoted != `"`+text+`"` {
		text = quoted
	}
	f.put("address", text, "")
	f.put("type", fmt.Sprintf("TON %d, NPI %d", a.TON, a.NPI), "")
}

func (f fields) text(ud pdu.UserData, dcs pdu.DCS, pid pdu.PID) {
	f.put("pid", fmt.Sprintf("%02X %v", byte(pid), pid), "00 none")
	f.put("text", strconv.Quote(ud.Text(dcs)), "")
	f.put("alphabet", dcs.Alphabet(), "gsm7")
	f.put("class", dcs.Class(), "no class")
	f.put("dcs", dcs, pdu.TextDCS(dcs.Alphabet(), dcs.Class()).String())
	if dcs.Alphabet() == pdu.Octets {
		f.put("data", fmt.Sprintf("%X", ud.Data), "")
	}
	f.header(ud)
}

func (f fields) header(ud pdu.UserData) {
	if c, ok := ud.Concat(); ok {
		f.put("concat", fmt.Sprintf("%d %d/%d%s", c.Reference, c.Seq, c.Total, width(c.Bits)), "")
	}
	if p, ok := ud.Ports(); ok {
		f.put("ports", fmt.Sprintf("%d from %d%s", p.Dest, p.Src, width(p.Bits)), "")
	}
	t := ud.Tables()
	f.put("tables", fmt.Sprintf("locking %d, single %d", t.Locking, t.Single), "locking 0, single 0")
	var waiting, rest []string
	for _, w := range ud.Waiting(0) {
		waiting = append(waiting, w.String())
	}
	for _, ie := range ud.Header {
		if !told(ie) {
			rest = append(rest, fmt.Sprintf("%02X=%X", ie.ID, ie.Data))
		}
	}
	f.put("mwi", strings.Join(waiting, "; "), "")
	f.put("udh", strings.Join(rest, " "), "")
}

// width names what is wider than usual.
func width(bits int) string {
	if bits == 16 {
		return ", 16 bits"
	}
	return ""
}

// told reports whether an element has a key of its own.
func told(ie pdu.IE) bool {
	alone := pdu.UserData{Header: []pdu.IE{ie}}
	_, concat := alone.Concat()
	_, ports := alone.Ports()
	return concat || ports || alone.Tables() != pdu.Tables{} || len(alone.Waiting(0)) > 0
}

// decode returns the fields of a PDU, its TPDU, and the TPDU that is written
// from the fields; nil when it is refused.
func decode(raw []byte, kind string) (f fields, tpdu, again []byte) {
	f = make(fields)
	sc, tpdu, err := pdu.CutSMSC(raw)
	if err != nil {
		f.fault("error", err)
		return f, nil, nil
	}
	f.put("smsc", sc, "")
	parse := map[string]func(fields, []byte) (pdu.Warnings, []byte, error){
		"submit": submitFields, "deliver": deliverFields, "report": reportFields,
	}[kind]
	warnings, again, err := parse(f, tpdu)
	if err != nil {
		f = make(fields)
		f.fault("error", err)
		return f, nil, nil
	}
	var names []string
	for _, w := range warnings {
		names = append(names, w.Field)
	}
	f.put("warnings", strings.Join(names, " "), "")
	return f, tpdu, again
}

func (f fields) fault(key string, err error) {
	f[key] = "no DecodeError: " + err.Error()
	if e, ok := errors.AsType[*pdu.DecodeError](err); ok {
		f[key] = fmt.Sprintf("%s at octet %d", e.Field, e.Offset)
	}
}

func submitFields(f fields, tpdu []byte) (pdu.Warnings, []byte, error) {
	s, w, err := pdu.ParseSubmit(tpdu)
	if err != nil {
		return nil, nil, err
	}
	f.address(s.Destination)
	f.put("reference", s.Reference, "0")
	f.flag("RejectDuplicates", s.RejectDuplicates)
	f.flag("StatusReport", s.StatusReport)
	f.flag("ReplyPath", s.ReplyPath)
	f.put("validity", s.Validity, "none")
	f.text(s.UserData, s.DCS, s.PID)
	again, _ := s.AppendBinary(nil)
	return w, again, nil
}

func deliverFields(f fields, tpdu []byte) (pdu.Warnings, []byte, error) {
	d, w, err := pdu.ParseDeliver(tpdu)
	if err != nil {
		return nil, nil, err
	}
	f.address(d.Originator)
	f.time("time", d.Time)
	f.flag("MoreMessages", d.MoreMessages)
	f.flag("StatusReport", d.StatusReport)
	f.flag("Looping", d.Looping)
	f.flag("ReplyPath", d.ReplyPath)
	f.text(d.UserData, d.DCS, d.PID)
	again, _ := d.AppendBinary(nil)
	return w, again, nil
}

func reportFields(f fields, tpdu []byte) (pdu.Warnings, []byte, error) {
	r, w, err := pdu.ParseStatusReport(tpdu)
	if err != nil {
		return nil, nil, err
	}
	f.address(r.Recipient)
	f.put("reference", r.Reference, "0")
	f.time("time", r.Time)
	f.time("discharge", r.Discharge)
	f.put("status", strconv.Quote(r.Status.String()), "")
	f.flag("MoreMessages", r.MoreMessages)
	f.flag("ForCommand", r.ForCommand)
	f.flag("Looping", r.Looping)
	f.text(r.UserData, r.DCS, r.PID)
	again, _ := r.AppendBinary(nil)
	return w, again, nil
}
