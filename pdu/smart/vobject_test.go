package smart_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"cellpost/pdu/smart"
)

// converter is what VCard and VCalendar are.
type converter func(text []byte) (smart.Object, []smart.Remark, error)

// vobjectKinds are the directories of testdata with what reads them.
var vobjectKinds = map[string]converter{"vcard": smart.VCard, "vcalendar": smart.VCalendar}

// TestVObjectVectors reads every file of testdata/vcard and testdata/vcalendar:
// a text (in) and what becomes of it (out, remarks, error). The texts have to
// give the same whichever line ends they come with.
func TestVObjectVectors(t *testing.T) {
	for kind, convert := range vobjectKinds {
		files, err := filepath.Glob("testdata/" + kind + "/*.txtar")
		if err != nil || len(files) < 15 {
			t.Fatalf("%d vectors: %v", len(files), err)
		}
		for _, file := range files {
			t.Run(kind+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				want := readVObject(t, file)
				in := want["in"]
				delete(want, "in")
				for _, text := range []string{in, crlf(in), strings.TrimSuffix(in, "\n"), "\ufeff" + in} {
					checkVObject(t, []byte(text), convert, want)
				}
			})
		}
	}
}

func readVObject(t testing.TB, file string) map[string]string {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil || !bytes.HasPrefix(archive.Comment, []byte("source: ")) {
		t.Fatalf("%s: %v, source %q", file, err, archive.Comment)
	}
	parts := make(map[string]string)
	for _, f := range archive.Files {
		parts[f.Name] = string(f.Data)
	}
	return parts
}

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

func checkVObject(t *testing.T, text []byte, convert converter, want map[string]string) {
	t.Helper()
	object, remarks, err := convert(text)
	got := map[string]string{"remarks": listed(remarks)}
	if err != nil {
		got["error"] = err.Error() + "\n"
	} else {
		got["out"] = string(object.Data)
	}
	for _, key := range []string{"out", "remarks", "error"} {
		expected := want[key]
		if key == "out" {
			expected = crlf(expected)
		}
		if got[key] != expected {
			t.Errorf("%s of %.60q:\n%s\nwant:\n%s", key, text, got[key], expected)
		}
	}
	checkConversion(t, text, convert)
}

func listed(remarks []smart.Remark) string {
	var b strings.Builder
	for _, r := range remarks {
		fmt.Fprintln(&b, r)
	}
	return b.String()
}

// checkConversion holds a conversion to its promises: it comes to an end with
// ASCII in lines that end in CRLF, which convert to themselves.
func checkConversion(t rapid.TB, text []byte, convert converter) {
	t.Helper()
	smart.DescribeVObject(text)
	object, remarks, err := convert(text)
	for _, r := range remarks {
		if s := r.String(); r.Line < 1 || r.Name == "" || strings.ContainsAny(s, "\r\n") {
			t.Fatalf("remark %q", s)
		}
	}
	if err != nil {
		if object.Data != nil || strings.ContainsAny(err.Error(), "\r\n") {
			t.Fatalf("error %q with %q", err, object.Data)
		}
		return
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(object.Data), "\r\n"), "\r\n") {
		if line == "" || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("line %q of %q", line, object.Data)
		}
	}
	again, remarks, err := convert(object.Data)
	if err != nil || len(remarks) > 0 || !bytes.Equal(again.Data, object.Data) || again.Port != object.Port {
		t.Fatalf("%q became %q, %v, %v", object.Data, again.Data, remarks, err)
	}
	if described, err := smart.DescribeVObject(object.Data); err != nil || len(described) < 3 {
		t.Fatalf("%q is described as %q, %v", object.Data, described, err)
	}
}

func TestVObjectRefusals(t *testing.T) {
	card := func(lines string) string { return "BEGIN:VCARD\nVERSION:3.0\nFN:x\n" + lines + "END:VCARD\n" }
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "line 1: no BEGIN; a card starts with BEGIN:VCARD, a calendar with BEGIN:VCALENDAR"},
		{"no card", "hello", `line 1: "hello" has no colon and so is no property; a line that goes on starts with a blank`},
		{"a calendar", "BEGIN:VCALENDAR\nVERSION:2.0\nEND:VCALENDAR\n", "line 1: a VCALENDAR where a VCARD was expected"},
		{"no version", "BEGIN:VCARD\nFN:x\nEND:VCARD\n", `VERSION "" of a VCARD is not known; it has to be one of 2.1, 3.0, 4.0`},
		{"another version", "BEGIN:VCARD\nVERSION:5.0\nEND:VCARD\n", `VERSION "5.0" of a VCARD is not known; it has to be one of 2.1, 3.0, 4.0`},
		{"no end", "BEGIN:VCARD\nVERSION:3.0\nFN:x\n", "line 1: the VCARD has no END; was the text cut short?"},
		{"another end", "BEGIN:VCARD\nVERSION:3.0\nEND:VEVENT\n", "line 3: END:VEVENT where END:VCARD was expected"},
		{"two", card("") + card(""), "line 5: BEGIN after the END of the VCARD; send one VCARD at a time"},
		{"no name", "BEGIN:VCARD\nVERSION:3.0\nTEL:1\nEND:VCARD\n", "the card has no name; give it an N, FN or ORG"},
		{"no colon", card("TEL;TYPE=HOME\n"), "line 4: TEL: no colon after the parameters, or a quotation mark without its pair"},
		{"open quotation", card("TEL;X=\"a:1\n"), "line 4: TEL: no colon after the parameters, or a quotation mark without its pair"},
		{"no property name", card(":1\n"), `line 4: ":1" does not start with the name of a property`},
		{"too many parameters", card("TEL" + strings.Repeat(";HOME", 33) + ":1\n"), "line 4: TEL: more than 32 parameters; take some out"},
		{"too deep", strings.Repeat("BEGIN:VCARD\n", 9) + "VERSION:3.0\n", "line 9: components more than 8 deep; take the innermost out"},
		{"too large", card("NOTE:" + strings.Repeat("x", 256<<10) + "\n"), "a text of 262189 octets, more than 262144; take photos and sounds out"},
		{"too many lines", card(strings.Repeat("NOTE:x\n", 4096)), "a text of more than 4096 lines; take photos and sounds out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := smart.VCard([]byte(c.text)); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestDescribeVObject(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{
			"BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCl=\r\nler;J=\r\nTEL;HOME;PREF:+1\r\nPHOTO;ENCODING=BASE64:\r\nAAAA\r\n\r\nEND:VCARD\r\n",
			[]string{"BEGIN: VCARD", "VERSION: 2.1", "N: Müller;JTEL;HOME;PREF:+1", "PHOTO: (0 characters)", "END: VCARD"},
		},
		{"BEGIN:VCALENDAR\nVERSION:2.0\nDESCRIPTION:a\\, b\\nc\nEND:VCALENDAR\n", []string{"BEGIN: VCALENDAR", "VERSION: 2.0", "DESCRIPTION: a, b / c", "END: VCALENDAR"}},
		{"BEGIN:VCARD\nTEL;HOME;PREF:+1\nNOTE;CHARSET=x:12\nEND:VCARD", []string{"BEGIN: VCARD", "TEL (HOME PREF): +1", "NOTE: (2 characters)", "END: VCARD"}},
	} {
		got, err := smart.DescribeVObject([]byte(c.text))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, %v", c.text, got, err)
		}
	}
	for _, text := range []string{"", "\r\n", "hello"} {
		if got, err := smart.DescribeVObject([]byte(text)); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestVObjectText sends any text through a card, in each version and character
// set, and looks for it on the other side.
func TestVObjectText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~äßéЖ中😀=;,\\]{1,200}`).Draw(t, "text")
		escaped := strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`).Replace(text)
		object, remarks, err := smart.VCard([]byte("BEGIN:VCARD\nVERSION:4.0\nFN:x\nNOTE:" + escaped + "\nEND:VCARD\n"))
		if err != nil || len(remarks) > 0 {
			t.Fatal(err, remarks)
		}
		described, err := smart.DescribeVObject(object.Data)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Trim(text, "; ") != "" && described[4] != "NOTE: "+text {
			t.Fatalf("%q is described as %q", object.Data, described)
		}
		for line := range strings.SplitSeq(string(object.Data), "\r\n") {
			if bytes.Contains(object.Data, []byte("QUOTED-PRINTABLE")) && len(line) > 76 {
				t.Fatalf("%d characters in line %q", len(line), line)
			}
		}
	})
}

// TestVObjectMangled breaks the vectors in the places that matter.
func TestVObjectMangled(t *testing.T) {
	for kind, convert := range vobjectKinds {
		files, err := filepath.Glob("testdata/" + kind + "/*.txtar")
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, file := range files {
			texts = append(texts, readVObject(t, file)["in"])
		}
		rapid.Check(t, func(r *rapid.T) {
			lines := strings.SplitAfter(rapid.SampledFrom(texts).Draw(r, "text"), "\n")
			for range rapid.IntRange(1, 4).Draw(r, "times") {
				i := rapid.IntRange(0, len(lines)-1).Draw(r, "line")
				at := rapid.IntRange(0, len(lines[i])).Draw(r, "at")
				switch rapid.IntRange(0, 3).Draw(r, "way") {
				case 0:
					lines[i] = ""
				case 1:
					lines[i] = lines[i][:at]
				case 2:
					lines[i] += rapid.SampledFrom(lines).Draw(r, "another line")
				case 3:
					lines[i] = lines[i][:at] + rapid.StringMatching(`[=;:,"\\\n\r\t .A0-9é\x80+#-]{1,3}`).Draw(r, "put in") + lines[i][at:]
				}
			}
			text := []byte(strings.Join(lines, ""))
			r.Logf("%q", text)
			checkConversion(r, text, convert)
		})
	}
}

// addVObjects seeds a fuzz target with the texts of testdata.
func addVObjects(f *testing.F) {
	for kind := range vobjectKinds {
		files, err := filepath.Glob("testdata/" + kind + "/*.txtar")
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			f.Add([]byte(readVObject(f, file)["in"]))
		}
	}
}

func FuzzVCard(f *testing.F) {
	addVObjects(f)
	f.Fuzz(func(t *testing.T, text []byte) { checkConversion(t, text, smart.VCard) })
}

func FuzzVCalendar(f *testing.F) {
	addVObjects(f)
	f.Fuzz(func(t *testing.T, text []byte) { checkConversion(t, text, smart.VCalendar) })
}
