package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/creack/pty"
	"pgregory.net/rapid"
)

// ask writes a request and returns its answer, which has to be one line of JSON.
func ask(t testing.TB, line string) string {
	t.Helper()
	var out strings.Builder
	if err := answerLines(strings.NewReader(line+"\n"), &out); err != nil {
		t.Fatal(err)
	}
	reply, more, _ := strings.Cut(out.String(), "\n")
	if more != "" || !json.Valid([]byte(reply)) {
		t.Fatalf("%s: no line of JSON: %q", line, out.String())
	}
	return reply
}

func quote(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestRequestRefused: each refusal says what is wrong, and where.
func TestRequestRefused(t *testing.T) {
	encode := func(fields string) string { return `{"op":"encode","dest":"447700900123",` + fields + `}` }
	params := func(fields string) string { return encode(`"text":"x","params":{` + fields + `}`) }
	dest := func(number string) string { return `{"op":"encode","dest":"` + number + `","text":"x"}` }
	for _, c := range []struct {
		name, line, want string
	}{
		{"empty line", ``, "it ends before the request does"},
		{"garbage", `garbage`, "the line is no JSON: invalid character 'g' looking for beginning of value at octet 0"},
		{"half an object", `{"op":"enc`, "it ends before the request does"},
		{"a number", `7`, "the request is a JSON number; it has to be an object"},
		{"an array", `[]`, "a JSON array; it has to be an object"},
		{"null", `null`, "op is missing"},
		{"two requests", `{"op":"decode","pdu":"00"} {}`, "something follows the request at octet 27"},
		{"no op", `{}`, "op is missing; it is encode, decode or reassemble"},
		{"unknown op", `{"op":"explode"}`, `there is no op "explode"; it is encode, decode or reassemble`},
		{"unknown field", `{"op":"decode","pud":"00"}`, `unknown field "pud"`},
		{"unknown parameter", params(`"colour":1`), `unknown field "colour"`},
		{"wrong type", `{"op":"decode","pdu":7}`, "pdu: a JSON number where a string goes"},
		{"wrong type of a parameter", params(`"class":"0"`), "params.class: a JSON string where a whole number"},
		{"half a parameter", params(`"pid":0.5`), "params.pid: a JSON number 0.5 where a whole number"},
		{"deep", strings.Repeat("[", 20_000), "exceeded max depth"},

		{"lone high surrogate", encode(`"text":"a\ud83d"`), `octet 46 of the request: \ud83d is half a surrogate pair`},
		{"lone low surrogate", encode(`"text":"\uDE00a"`), `octet 45 of the request: \uDE00 is half a surrogate pair`},
		{"high and no low surrogate", encode(`"text":"\ud83d\u0041"`), `\ud83d is half a surrogate pair`},
		{"surrogates the wrong way round", encode(`"text":"\ude00\ud83d"`), `\ude00 is half a surrogate pair`},
		{"surrogate, then another escape", encode(`"text":"\ud83d\n"`), `\ud83d is half a surrogate pair`},
		{"no UTF-8", encode("\"text\":\"a\xff\""), "octet 46 of the request is no UTF-8"},
		{"UTF-8 cut short", encode("\"text\":\"a\xe2\x82\""), "octet 46 of the request is no UTF-8"},
		{"a surrogate in UTF-8", encode("\"text\":\"\xed\xa0\xbd\""), "octet 45 of the request is no UTF-8"},

		{"no dest", `{"op":"encode","text":"x"}`, "dest is missing"},
		{"letters", dest("44770x"), `dest: 'x' at octet 5 of the number`},
		{"a name", dest("CELLPOST"), `'C' at octet 0 of the number`},
		{"blanks", dest("+44 7700"), `' ' at octet 3 of the number`},
		{"a second plus", dest("++44"), `'+' at octet 1 of the number`},
		{"no digits", dest("+"), "no digit in the number"},
		{"signs and no digits", dest("*#"), "no digit in the number"},
		{"letters that are semi-octets", dest("+44abc"), "'a' at octet 3 of the number"},
		{"such letters in an SC address", encode(`"text":"x","params":{"smsc":"44c"}`), "smsc: 'c' at octet 2 of the number"},
		{"mwi without a type", encode(`"text":"x","params":{"mwi":{"active":true}}`), "mwi: there is no type \"\"; it is voicemail, fax, email or other"},
		{"mwi of a mailbox that TP-DCS lacks", encode(`"text":"x","params":{"mwi":{"type":"video"}}`), "mwi: there is no type \"video\""},
		{"mwi with a count", encode(`"text":"x","params":{"mwi":{"type":"fax","count":3}}`), "TP-DCS has no count"},
		{"mwi with a class", encode(`"text":"x","params":{"mwi":{"type":"fax"},"class":0}`), "mwi and class are both given"},
		{"mwi in ucs2 that is not kept", encode(`"text":"ы","params":{"mwi":{"type":"fax"}}`), "ask for that (store), or use gsm7"},
		{"mwi with data", encode(`"data":"00","params":{"mwi":{"type":"fax"}}`), "8-bit data"},
		{"21 digits", dest("+123456789012345678901"), "21 digits in the number; there is room for 20"},
		{"digits of another script", dest("٤٤٧"), "at octet 0 of the number"},

		{"no content", `{"op":"encode","dest":"44"}`, "0 of text, data, text_utf16be, text_bytes and smart are given; give one"},
		{"two contents", encode(`"text":"x","data":"00"`), "2 of text, data"},
		{"odd hex", encode(`"data":"ABC"`), "data: an odd number of hex digits: the octet that begins at octet 2"},
		{"no hex", encode(`"data":"AX"`), `data: 'X' at octet 1 is no hex digit`},
		{"no hex, and no ASCII", encode(`"data":"00é"`), `data: 'é' at octet 2 is no hex digit`},
		{"data in gsm7", encode(`"data":"41","params":{"encoding":"gsm7"}`), "encoding gsm7 is for characters; give text"},
		{"odd data in ucs2", encode(`"data":"004100","params":{"encoding":"ucs2"}`), "3 octets; UTF-16 takes two or four"},
		{"half a pair of data in ucs2", encode(`"data":"D83D","params":{"encoding":"ucs2"}`), "octet 0: D83D is half a surrogate pair"},
		{"odd UTF-16", encode(`"text_utf16be":"004"`), "text_utf16be: an odd number of hex digits"},
		{"UTF-16 cut short", encode(`"text_utf16be":"0041D8"`), "text_utf16be: 3 octets; UTF-16 takes two or four"},
		{"UTF-16, lone high surrogate", encode(`"text_utf16be":"0041D83D"`), "text_utf16be: octet 2: D83D is half a surrogate pair"},
		{"UTF-16, lone low surrogate", encode(`"text_utf16be":"DE000041"`), "text_utf16be: octet 0: DE00 is half a surrogate pair"},
		{"octets that are no UTF-8", encode(`"text_bytes":"4180"`), "text_bytes: octet 1 is no UTF-8"},
		{"gsm7 lacks it", encode(`"text":"aŁ","params":{"encoding":"gsm7"}`), `character 'Ł' at octet 1 is not in the alphabet gsm7`},
		{"256 parts", encode(`"text":"` + strings.Repeat("a", 255*153+1) + `"`), "the text takes 256 parts, 255 are allowed"},
		{"256 parts of data", encode(`"data":"` + strings.Repeat("00", 255*134+1) + `"`), "256 parts, 255 are allowed"},
		{"more parts than wanted", encode(`"text":"` + strings.Repeat("a", 400) + `","params":{"max_parts":2}`), "3 parts, 2 are allowed"},

		{"encoding", params(`"encoding":"utf8"`), `there is no encoding "utf8"; it is auto, gsm7, ucs2 or 8bit`},
		{"class 4", params(`"class":4`), "class 4; it is 0 to 3"},
		{"class -1", params(`"class":-1`), "class -1; it is 0 to 3"},
		{"pid 256", params(`"pid":256`), "pid 256; it is 0 to 255"},
		{"validity of zero", params(`"validity_minutes":0`), "validity_minutes 0; it is 1 or more"},
		{"two validities", params(`"validity_minutes":5,"validity_absolute":"2026-11-22T18:00:00Z"`), "given more than once; give one"},
		{"two validities, one enhanced", params(`"validity_seconds":5,"validity_absolute":"2026-11-22T18:00:00Z"`), "given more than once; give one"},
		{"no seconds", params(`"validity_seconds":0`), "validity_seconds 0; it is 1 or more"},
		{"port_bits 0", params(`"dest_port":1,"port_bits":0`), "port_bits 0; it is 8 or 16"},
		{"concat_ref_bits 0", params(`"concat_ref_bits":0`), "concat_ref_bits 0; it is 8 or 16"},
		{"max_parts 0", params(`"max_parts":0`), "max_parts 0; it is 1 to 255"},
		{"hex that is a prefix", encode(`"data":"0x"`), "'x' at octet 1 is no hex digit"},
		{"a melody without smart", encode(`"text":"x","rtttl":"a:d=4:c"`), "rtttl is given, and smart is \"\"; leave it out, or ask for ringtone"},
		{"a network of a CLI logo", encode(`"smart":"clilogo","image":{"base64":""},"mcc":"262"`), "mcc is given, and smart is \"clilogo\""},
		{"a text beyond all parts", encode(`"text":"` + strings.Repeat("x", 1<<20+1) + `"`), "a text of 1048577 octets"},
		{"no time", params(`"validity_absolute":"tomorrow"`), `validity_absolute "tomorrow" is no time; write it as`},
		{"30 February", params(`"validity_absolute":"2026-02-30T18:00:00Z"`), "is no time"},
		{"a zone of ten minutes", params(`"validity_absolute":"2026-11-22T18:00:00+00:10"`), "validity_absolute"},
		{"a year too far", params(`"validity_absolute":"2190-11-22T18:00:00Z"`), "the year 2190"},
		{"odd header", params(`"udh":"050"`), "udh: an odd number of hex digits: the octet that begins at octet 2"},
		{"header that lies", params(`"udh":"0605041581000"`), "udh: an odd number"},
		{"header that says too much", params(`"udh":"07050415810000"`), "udh: UDH at octet 0: its length octet says 7, but 6 octets follow"},
		{"header that says too little", params(`"udh":"05050415810000"`), "its length octet says 5, but 6 octets follow"},
		{"element that lies", params(`"udh":"06050515810000"`), "udh: UDH at octet 1: the element that begins here does not fit"},
		{"header that leaves no room", params(`"udh":"8BF089` + strings.Repeat("00", 0x89) + `"`), "the header leaves no room for text"},
		{"header with concatenation, and several parts", encode(`"text":"` + strings.Repeat("a", 161) + `","params":{"udh":"050003010201"}`), "the header has a concatenation element already"},
		{"ports twice", params(`"udh":"06050415810000","dest_port":5505`), "dest_port is given, and udh has ports already"},
		{"dest_port", params(`"dest_port":65536`), "dest_port 65536; it is 0 to 65535"},
		{"dest_port of eight bits", params(`"dest_port":256,"port_bits":8`), "dest_port 256; it is 0 to 255"},
		{"src_port", params(`"dest_port":1,"src_port":-1`), "src_port -1; it is 0 to 65535"},
		{"src_port alone", params(`"src_port":1`), "src_port is given without dest_port"},
		{"port_bits alone", params(`"port_bits":8`), "port_bits is given without dest_port"},
		{"port_bits", params(`"dest_port":1,"port_bits":7`), "port_bits 7; it is 8 or 16"},
		{"concat_ref", params(`"concat_ref":256`), "concat_ref 256; it is 0 to 255"},
		{"wide concat_ref", params(`"concat_ref":65536,"concat_ref_bits":16`), "concat_ref 65536; it is 0 to 65535"},
		{"concat_ref_bits", params(`"concat_ref_bits":9`), "concat_ref_bits 9; it is 8 or 16"},
		{"max_parts", params(`"max_parts":256`), "max_parts 256; it is 1 to 255"},
		{"nl_locking", params(`"nl_locking":256`), "nl_locking 256; it is 0 to 255"},
		{"a locking table that there is not", params(`"nl_locking":2`), "no locking"},
		{"a single shift table that there is not", params(`"nl_single":14`), "no single shift table for language 14"},
		{"tables of gsm7 in ucs2", params(`"nl_single":1,"encoding":"ucs2"`), "nl_locking and nl_single are tables of gsm7"},
		{"tables in the header and others", params(`"nl_single":1,"udh":"03240102"`), "the header calls for other national tables"},
		{"language", params(`"languages":["klingon"]`), `language "klingon"; there are turkish`},

		{"unknown smart", encode(`"smart":"game"`), `there is no smart "game"; it is ringtone, oplogo`},
		{"smart and data", encode(`"smart":"clean","data":"00"`), "2 of text, data"},
		{"smart and text", encode(`"smart":"clean","text":"x"`), "2 of text, data"},
		{"smart in ucs2", encode(`"smart":"clean","params":{"encoding":"ucs2"}`), "smart objects are octets; leave encoding out"},
		{"smart to another port", encode(`"smart":"clean","params":{"dest_port":1}`), "smart objects have a port of their own"},
		{"no melody", encode(`"smart":"ringtone"`), "ringtone: melody at octet 0"},
		{"no image", encode(`"smart":"clilogo"`), "clilogo: image is missing"},
		{"image of another format", encode(`"smart":"clilogo","image":{"format":"tiff"}`), `there is no format "tiff"; it is png, bmp, gif or jpeg`},
		{"image that is no base64", encode(`"smart":"clilogo","image":{"base64":"*"}`), "image: illegal base64 data at input byte 0"},
		{"image that is none", encode(`"smart":"picture","text":"x","image":{"base64":"AAAA"}`), "picture: "},
		{"logo of no network", encode(`"smart":"oplogo","image":{"base64":"AAgIAQAAAAAAAAAA"}`), "is no network"},
		{"network that is no number", encode(`"smart":"oplogo","mcc":{}`), "mcc, mnc: {} is neither a string of digits nor a number"},
		{"no card", encode(`"smart":"vcard","vcard":"x"`), "vcard: line 1"},
		{"no calendar", encode(`"smart":"vcalendar","vcalendar":"x"`), "vcalendar: line 1"},

		{"smsc", params(`"smsc":"+44 7785"`), `smsc: ' ' at octet 3 of the number`},
		{"long smsc", params(`"smsc":"123456789012345678901"`), "smsc: 21 digits in the number"},

		{"no pdu", `{"op":"decode"}`, "pdu is missing"},
		{"pdu of odd hex", `{"op":"decode","pdu":"049"}`, "pdu: an odd number of hex digits: the octet that begins at octet 2"},
		{"pdu that is no hex", `{"op":"decode","pdu":"04zz"}`, "pdu: 'z' at octet 2 is no hex digit"},
		{"pdu of blanks", `{"op":"decode","pdu":" "}`, "pdu: TP-MTI at octet 0: an empty TPDU"},
		{"pdu cut short", `{"op":"decode","pdu":"040B9113466100","has_smsc":false}`, "pdu: TP-OA at octet 3: the TPDU ends here"},
		{"pdu that is an SC address", `{"op":"decode","pdu":"0791132604","has_smsc":true}`, "pdu: SC address at octet 1"},
		{"pdu cut short behind the SC address", `{"op":"decode","pdu":"0004","has_smsc":true}`, "pdu: TP-OA at octet 2: the TPDU ends here"},
		{"one of the pdus", `{"op":"reassemble","pdus":["01000491947100100178","01"]}`, "pdus[1]: TP-MR at octet 1"},
		{"a report among the pdus", `{"op":"reassemble","pdus":["` + report + `"]}`, "pdus[0]: a status report has no text to join"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got struct{ Error string }
			if reply := ask(t, c.line); json.Unmarshal([]byte(reply), &got) != nil || !strings.Contains(got.Error, c.want) {
				t.Errorf("got %.300s, want %s", reply, c.want)
			}
		})
	}
}

// PDUs without SC address.
const (
	deliver = "040B911346610089F60000208062917314080CC8F71D14969741F977FD07" // "How are you?", from the web page of "dreamfabric"
	report  = "06190C91447700092143625012916380006250129163950000"
)

// TestRequestAnswered: requests and answers to the letter.
func TestRequestAnswered(t *testing.T) {
	encode := func(fields string) string { return `{"op":"encode","dest":"+4917",` + fields + `}` }
	params := func(fields string) string { return encode(`"text":"x","params":{` + fields + `}`) }
	decode := func(pdu string) string { return `{"op":"decode","pdu":"` + pdu + `"}` }
	gsm7 := func(tpdu string) string { return `{"segments":["` + tpdu + `"],"encoding":"gsm7"}` }
	for _, c := range []struct {
		name, line, want string
	}{
		{"text", encode(`"text":"x"`), gsm7("010004919471" + "0000" + "0178")},
		{"unknown type of number", `{"op":"encode","dest":"4917","text":"x"}`, gsm7("010004819471" + "0000" + "0178")},
		{"signs in a number", `{"op":"encode","dest":"*1#","text":"x"}`, gsm7("010003811AFB" + "0000" + "0178")},
		{"to the second", encode(`"text":"x","params":{"validity_seconds":90}`), gsm7("090004919471" + "0000" + "025A0000000000" + "0178")},
		{"one try only", encode(`"text":"x","params":{"once":true}`), gsm7("090004919471" + "0000" + "40000000000000" + "0178")},
		{"voicemail waits", encode(`"text":"","params":{"mwi":{"type":"voicemail","active":true}}`), gsm7("010004919471" + "00C8" + "00")},
		{"no e-mail waits, kept", encode(`"text":"x","params":{"mwi":{"type":"email","store":true}}`), gsm7("010004919471" + "00D2" + "0178")},
		{"empty text", encode(`"text":""`), gsm7("010004919471" + "0000" + "00")},
		{"text by escapes", encode(`"text":"\u0078"`), gsm7("010004919471" + "0000" + "0178")},
		{"empty parameters", encode(`"text":"x","params":{}`), gsm7("010004919471" + "0000" + "0178")},
		{"null is nothing", encode(`"text":"x","data":null,"params":{"class":null,"udh":""}`), gsm7("010004919471" + "0000" + "0178")},
		{"a pair by escapes", encode(`"text":"\ud83d\ude00"`), `{"segments":["010004919471` + "0008" + "04D83DDE00" + `"],"encoding":"ucs2","strays":["😀"]}`},
		{"an escaped backslash before u", encode(`"text":"\\ud83d"`), gsm7("010004919471" + "0000" + "07" + "9B579D8C9B9101")},
		{"UTF-16", encode(`"text_utf16be":"D83DDE00"`), `{"segments":["010004919471` + "0008" + "04D83DDE00" + `"],"encoding":"ucs2","strays":["😀"]}`},
		{"UTF-16 that gsm7 holds", encode(`"text_utf16be":"0078"`), gsm7("010004919471" + "0000" + "0178")},
		{"octets", encode(`"text_bytes":"C3A9"`), gsm7("010004919471" + "0000" + "0105")},
		{"data", encode(`"data":"00fF"`), `{"segments":["010004919471` + "0004" + "0200FF" + `"],"encoding":"8bit"}`},
		{"data, encoding auto", encode(`"data":"00fF","params":{"encoding":"auto"}`), `{"segments":["010004919471` + "0004" + "0200FF" + `"],"encoding":"8bit"}`},
		{"data in ucs2", encode(`"data":"0041","params":{"encoding":"ucs2"}`), `{"segments":["010004919471` + "0008" + "020041" + `"],"encoding":"ucs2"}`},
		{"text as octets", encode(`"text":"é","params":{"encoding":"8bit"}`), `{"segments":["010004919471` + "0004" + "02C3A9" + `"],"encoding":"8bit"}`},
		{"ucs2 asked for", params(`"encoding":"ucs2"`), `{"segments":["010004919471` + "0008" + "020078" + `"],"encoding":"ucs2"}`},
		{"class", params(`"class":0`), gsm7("010004919471" + "0010" + "0178")},
		{"flags", params(`"status_report":true,"reply_path":true,"reject_duplicates":true`), gsm7("A50004919471" + "0000" + "0178")},
		{"pid", params(`"pid":65`), gsm7("010004919471" + "4100" + "0178")},
		{"validity", params(`"validity_minutes":1440`), gsm7("110004919471" + "0000" + "A7" + "0178")},
		{"validity, never longer than asked", params(`"validity_minutes":1439`), gsm7("110004919471" + "0000" + "A6" + "0178")},
		{"validity, the shortest there is", params(`"validity_minutes":1`), gsm7("110004919471" + "0000" + "00" + "0178")},
		{"validity, the longest there is", params(`"validity_minutes":9223372036854775807`), gsm7("110004919471" + "0000" + "FF" + "0178")},
		{"validity, absolute", params(`"validity_absolute":"2026-11-22T18:00:00+01:00"`), gsm7("190004919471" + "0000" + "62112281000040" + "0178")},
		{"header", params(`"udh":"03240101"`), gsm7("410004919471" + "0000" + "06" + "03240101" + "C003")},
		{"ports", encode(`"data":"AA","params":{"dest_port":5505}`), `{"segments":["410004919471` + "0004" + "08" + "06050415810000" + "AA" + `"],"encoding":"8bit"}`},
		{"ports of eight bits", encode(`"data":"AA","params":{"dest_port":240,"src_port":1,"port_bits":8}`), `{"segments":["410004919471` + "0004" + "06" + "040402F001" + "AA" + `"],"encoding":"8bit"}`},
		{"a national table", encode(`"text":"ş","params":{"nl_single":1}`), gsm7("410004919471" + "0000" + "07" + "03240101" + "D8CC01")},
		{"an operator logo, MNC a number", encode(`"smart":"oplogo","mcc":262,"mnc":1,"image":{"format":"png","base64":"AAgIAQABAgMEBQYH"}`), `{"segments":["410004919471` + "0004" + "16" + "06050415820000" + "62F210" + "000808010001020304050607" + `"],"encoding":"8bit"}`},
		{"an operator logo, MNC of three digits", encode(`"smart":"oplogo","mcc":"310","mnc":"260","image":{"base64":"AAgIAQABAgMEBQYH"}`), `{"segments":["410004919471` + "0004" + "16" + "06050415820000" + "130062" + "000808010001020304050607" + `"],"encoding":"8bit"}`},
		{"a CLI logo", encode(`"smart":"clilogo","image":{"base64":"AAgIAQABAgMEBQYH"}`), `{"segments":["410004919471` + "0004" + "13" + "06050415830000" + "000808010001020304050607" + `"],"encoding":"8bit"}`},
		{"a picture with a text", encode(`"smart":"picture","text":"hi","image":{"base64":"AAgIAQABAgMEBQYH"}`), `{"segments":["410004919471` + "0004" + "1C" + "0605041" + "58A0000" + "30" + "02000C" + "000808010001020304050607" + "0000026869" + `"],"encoding":"8bit"}`},
		{"clean", encode(`"smart":"clean"`), `{"segments":["410004919471` + "0004" + "08" + "06050415820000" + "00" + `"],"encoding":"8bit"}`},
		{"a card that loses something", encode(`"smart":"vcard","vcard":"BEGIN:VCARD\nVERSION:3.0\nN:B;J\nPHOTO:x\nEND:VCARD\n"`), `{"segments":["410004919471` + "0004" + "33" + "06050423F40000" + fmt.Sprintf("%X", "BEGIN:VCARD\r\nVERSION:2.1\r\nN:B;J\r\nEND:VCARD\r\n") + `"],"encoding":"8bit","remarks":["line 4: PHOTO left out: it would take many short messages"]}`},
		{"a calendar", encode(`"smart":"vcalendar","vcalendar":"BEGIN:VCALENDAR\nVERSION:1.0\nBEGIN:VTODO\nSUMMARY:x\nEND:VTODO\nEND:VCALENDAR\n"`), `{"segments":["410004919471` + "0004" + "57" + "06050423F50000" + fmt.Sprintf("%X", "BEGIN:VCALENDAR\r\nVERSION:1.0\r\nBEGIN:VTODO\r\nSUMMARY:x\r\nEND:VTODO\r\nEND:VCALENDAR\r\n") + `"],"encoding":"8bit"}`},
		{"smsc", params(`"smsc":"+447785016005"`), `{"segments":["010004919471` + "0000" + "0178" + `"],"smsc":"0791447758100650","encoding":"gsm7"}`},
		{"not HTML", encode(`"text":"x","params":{"encoding":"<b>"}`), `{"error":"there is no encoding \"<b>\"; it is auto, gsm7, ucs2 or 8bit"}`},

		{"a deliver", decode(deliver), `{"type":"deliver","addr":"+31641600986","alphanumeric":false,"text":"How are you?","pid":0,"dcs":0,"udl":12,"scts":"2002-08-26T19:37:41Z","compressed":false}`},
		{"with blanks, colons and 0x", decode("04 0B:91,0x13 " + deliver[8:]), `{"type":"deliver","addr":"+31641600986","alphanumeric":false,"text":"How are you?","pid":0,"dcs":0,"udl":12,"scts":"2002-08-26T19:37:41Z","compressed":false}`},
		{"a report", decode(report), `{"type":"status-report","addr":"+447700901234","alphanumeric":false,"mr":25,"st":0,"scts":"2026-05-21T19:36:08Z","dt":"2026-05-21T19:36:59Z","category":"completed","compressed":false,"status":"received by the handset"}`},
		{"a submit", decode("110004919471" + "0014" + "A7" + "0100"), `{"type":"submit","addr":"+4917","alphanumeric":false,"data":"00","pid":0,"dcs":20,"class":0,"mr":0,"udl":1,"compressed":false,"validity":"relative, 24h0m0s"}`},
		{"a name", decode("0404D0613C" + "0000" + "62112281000040" + "00"), `{"type":"deliver","addr":"ax","alphanumeric":true,"text":"","pid":0,"dcs":0,"udl":0,"scts":"2026-11-22T18:00:00+01:00","compressed":false}`},
		{"parts and ports", decode("44" + "04919471" + "00F5" + "62112281000040" + "0D" + "0B05041581000000037F0201" + "AA"), `{"type":"deliver","addr":"+4917","alphanumeric":false,"data":"AA","pid":0,"dcs":245,"class":1,"udl":13,"scts":"2026-11-22T18:00:00+01:00","concat":{"ref":127,"total":2,"seq":1,"bits":8},"ports":{"dest":5505,"src":0},"compressed":false,"udh":"0B05041581000000037F0201"}`},
		{"voicemail by TP-DCS", decode("04" + "04919471" + "00C8" + "62112281000040" + "00"), `{"type":"deliver","addr":"+4917","alphanumeric":false,"text":"","pid":0,"dcs":200,"udl":0,"scts":"2026-11-22T18:00:00+01:00","mwi":{"type":"voicemail","active":true,"store":false},"compressed":false}`},
		{"fax and e-mail by the header, kept by TP-DCS", decode("44" + "04919471" + "00D0" + "62112281000040" + "0B" + "08010201030102" + "8200" + "00"), `{"type":"deliver","addr":"+4917","alphanumeric":false,"text":"","pid":0,"dcs":208,"udl":11,"scts":"2026-11-22T18:00:00+01:00","mwi":{"type":"fax","active":true,"store":true,"count":3},"more_mwi":[{"type":"email","active":false,"store":true}],"compressed":false,"udh":"080102010301028200"}`},
		{"compressed", decode("04" + "04919471" + "0020" + "62112281000040" + "01AA"), `{"type":"deliver","addr":"+4917","alphanumeric":false,"data":"AA","pid":0,"dcs":32,"udl":1,"scts":"2026-11-22T18:00:00+01:00","compressed":true}`},
		{"warnings", `{"op":"decode","pdu":"00` + deliver + `FF","has_smsc":true}`, `{"type":"deliver","addr":"+31641600986","alphanumeric":false,"text":"How are you?","pid":0,"dcs":0,"udl":12,"scts":"2002-08-26T19:37:41Z","compressed":false,"warnings":["TP-UD at octet 31: 1 octets follow it"]}`},

		{"nothing to join", `{"op":"reassemble"}`, `{"messages":[],"pending":0}`},
		{"one part", `{"op":"reassemble","pdus":["` + deliver + `"]}`, `{"messages":[{"from":"+31641600986","text":"How are you?"}],"pending":0}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ask(t, c.line); got != c.want {
				t.Errorf("\ngot  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestCategories: one name for each class of TP-ST.
func TestCategories(t *testing.T) {
	for status, want := range map[string]string{"00": "completed", "1F": "completed", "20": "temporary", "40": "permanent", "46": "permanent", "60": "temporary-final", "FF": "temporary-final"} {
		reply := ask(t, `{"op":"decode","pdu":"`+report[:len(report)-2]+status+`"}`)
		if !strings.Contains(reply, `"category":"`+want+`"`) {
			t.Errorf("TP-ST %s: no %s in %s", status, want, reply)
		}
	}
}

// TestReassemble: messages in the order in which they become whole.
func TestReassemble(t *testing.T) {
	segs := func(dest, text string, ref int) []string {
		m := message{Dest: dest, Text: &text, Params: messageParams{ConcatRef: ref}}
		e, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		return e.answer().Segments
	}
	a, b := strings.Repeat("a", 300)+"€", strings.Repeat("ы", 150)
	long, other, short := segs("+44", a, 1), segs("+44", b, 2), segs("+49", "hello", 0)
	again := segs("+44", strings.Repeat("x", 300)+"€", 1)
	for _, c := range []struct {
		name    string
		pdus    []string
		want    []string
		pending int
	}{
		{"in order", long, []string{a}, 0},
		{"the other way round", []string{long[1], long[0]}, []string{a}, 0},
		{"interleaved", []string{other[2], long[1], short[0], other[0], long[0], other[1]}, []string{"hello", a, b}, 0},
		{"each twice", []string{long[0], long[0], long[1], long[1], short[0], short[0]}, []string{a, "hello"}, 0},
		{"one again when all are there", []string{long[0], long[1], long[0]}, []string{a}, 0},
		{"one missing", []string{other[0], other[2], short[0]}, []string{"hello"}, 1},
		{"the reference again", append(slices.Clone(long), again...), []string{a, strings.Repeat("x", 300) + "€"}, 0},
		{"the reference again, the first message being cut short", append(long[:1:1], again...), []string{strings.Repeat("x", 300) + "€"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got struct {
				Messages []struct{ From, Text string }
				Pending  int
			}
			reply := ask(t, `{"op":"reassemble","has_smsc":false,"pdus":`+quote(t, c.pdus)+`}`)
			if err := json.Unmarshal([]byte(reply), &got); err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, m := range got.Messages {
				texts = append(texts, m.Text)
			}
			if !slices.Equal(texts, c.want) || got.Pending != c.pending {
				t.Errorf("got %s", reply)
			}
		})
	}
}

// TestLines: what is too long is refused, and the next line is read.
func TestLines(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"an empty line", "\n", []string{""}},
		{"no end", "a\nb", []string{"a", "b"}},
		{"as long as allowed", "12345678\nb\n", []string{"12345678", "b"}},
		{"as long as allowed, no end", "12345678", []string{"12345678"}},
		{"too long", "123456789\nb\n", []string{"?", "b"}},
		{"much too long", strings.Repeat("x", 100) + "\nb\n", []string{"?", "b"}},
		{"much too long, no end", strings.Repeat("x", 100), []string{"?"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := bufio.NewReaderSize(strings.NewReader(c.in), 16)
			var got []string
			for {
				line, err := readLine(r, 8)
				if errors.Is(err, io.EOF) {
					break
				}
				if errors.Is(err, errLongLine) {
					line = []byte("?")
				}
				got = append(got, string(line))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestEncodeDecode: what is encoded is decoded the same.
func TestEncodeDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		dest := rapid.StringMatching(`\+?[0-9][0-9*#]{0,19}`).Draw(t, "dest")
		m := message{Dest: dest, Text: &text, Params: messageParams{
			StatusReport: rapid.Bool().Draw(t, "report"), PID: rapid.IntRange(0, 255).Draw(t, "pid"),
			ConcatRef: rapid.IntRange(0, 0xFFFF).Draw(t, "ref"), ConcatRefBits: new(16),
		}}
		e, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		a := newAssembly()
		var got joinedMessage
		for i, tpdu := range e.tpdus {
			r, err := readPDU(tpdu, false)
			if err != nil || len(r.warnings) > 0 {
				t.Fatal(err, r.warnings)
			}
			f := r.fields()
			if *f.PID != byte(m.Params.PID) || f.StatusReport != m.Params.StatusReport || f.Addr != dest {
				t.Fatalf("got %+v", f)
			}
			parts, err := a.add(&r)
			if err != nil || (parts != nil) != (i == len(e.tpdus)-1) {
				t.Fatalf("part %d: %v, %v", i, parts, err)
			}
			if parts != nil {
				got = joined(parts)
			}
		}
		if got.Text != text || got.From != dest {
			t.Fatalf("got %+v", got)
		}
	})
}

// TestReadPDULines: PDUs among what a modem prints around them.
func TestReadPDULines(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []foundPDU
	}{
		{"nothing", "", nil},
		{"one", "0791", []foundPDU{{line: 1, octets: []byte{7, 0x91}}}},
		{"what a modem prints", "\r\n+CMT: ,24\r\n0791\r\n\r\nOK\r\n", []foundPDU{{line: 3, octets: []byte{7, 0x91}, length: 24}}},
		{"a list", "+CMGL: 1,0,,23\n0401\n+CMGL: 2,1,,25\n0402\n", []foundPDU{{line: 2, octets: []byte{4, 1}, length: 23}, {line: 4, octets: []byte{4, 2}, length: 25}}},
		{"a hand-over", "AT+CMGS=2\r\n> 000100\x1a\r\n+CMGS: 5\r\n", []foundPDU{{line: 2, octets: []byte{0, 1, 0}, length: 2}}},
		{"what people write", "0x07 0x91\n07:91\n", []foundPDU{{line: 1, octets: []byte{7, 0x91}}, {line: 2, octets: []byte{7, 0x91}}}},
		{"lower case", "0a fB", []foundPDU{{line: 1, octets: []byte{10, 0xFB}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readPDULines(strings.NewReader(c.in))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	for in, want := range map[string]string{
		"07\n0G":                           "'G' at octet 1 is no hex digit",
		"07\n079":                          "the octet that begins at octet 2 of the hex lacks its second",
		"07\n" + strings.Repeat("0", 1026): "more than 512 octets",
	} {
		got, err := readPDULines(strings.NewReader(in))
		if err != nil || len(got) != 2 || got[1].err == nil || !strings.Contains(got[1].err.Error(), want) {
			t.Errorf("%.10q: got %+v, %v", in, got, err)
		}
	}
}

// TestReadEither: whether there is an SC address in front is found out.
func TestReadEither(t *testing.T) {
	submit := "0100049194710000" + "0178"
	for _, c := range []struct {
		name, hex string
		length    int
		smsc      bool
	}{
		{"deliver with", "07911326040000F0" + deliver, 0, true},
		{"deliver without", deliver, 0, false},
		{"submit with that of the SIM", "00" + submit, 0, true},
		{"submit without", submit, 0, false},
		{"report with", "07911326040000F0" + report, 0, true},
		{"report without", report, 0, false},
		{"SC address alone, cut short", "0791132604", 0, true},
		{"with, cut short", "07911326040000F0040B91", 0, true},
		{"without, cut short", deliver[:20], 0, false},
		{"the length says with", "00" + deliver, len(deliver) / 2, true},
		{"the length says without", "00" + deliver, 1 + len(deliver)/2, false},
		{"a length that fits neither", deliver, 99, false},
		{"empty", "", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			octets, err := parseHex(c.hex)
			if err != nil {
				t.Fatal(err)
			}
			if r, _ := readEither(foundPDU{octets: octets, length: c.length}); r.smsc != c.smsc {
				t.Errorf("SC address in front: %v", r.smsc)
			}
		})
	}
}

// TestReport: what is left by hand, from 3GPP TS 23.040, 9.2.3.24.
func TestReport(t *testing.T) {
	for _, c := range []struct {
		text   string
		params messageParams
		want   string
	}{
		{"", messageParams{}, "gsm7, 1 part, 160 characters left in the last\n"},
		{strings.Repeat("a", 160), messageParams{}, "gsm7, 1 part, 0 characters left in the last\n"},
		{strings.Repeat("a", 161), messageParams{}, "gsm7, 2 parts, 145 characters left in the last\n"},
		{strings.Repeat("a", 161), messageParams{ConcatRefBits: new(16)}, "gsm7, 2 parts, 143 characters left in the last\n"},
		{strings.Repeat("a", 70), messageParams{Encoding: "ucs2"}, "ucs2, 1 part, 0 UTF-16 units left in the last\n"},
		{strings.Repeat("a", 71), messageParams{Encoding: "ucs2"}, "ucs2, 2 parts, 63 UTF-16 units left in the last\n"},
		{"x", messageParams{Encoding: "8bit"}, "8bit, 1 part, 139 octets left in the last\n"},
		{"x", messageParams{UDH: "06050415810000"}, "gsm7, 1 part, 151 characters left in the last\n"},
		{"aыşы", messageParams{NLSingle: 1}, "ucs2, 1 part, 66 UTF-16 units left in the last\nucs2 because of 'ы' at octet 1 (2 times)\n"},
		{"ş", messageParams{NLSingle: 1}, "gsm7, turkish single shift table, 1 part, 153 characters left in the last\n"},
		{"“ê”", messageParams{Transliterate: true}, "gsm7, 1 part, 157 characters left in the last\nsent as \"e\"\n"},
		{"“ы”", messageParams{Transliterate: true}, "ucs2, 1 part, 67 UTF-16 units left in the last\nucs2 because of 'ы' at octet 3\n"},
	} {
		e, err := message{Dest: "44", Text: &c.text, Params: c.params}.encode()
		if err != nil {
			t.Fatal(err)
		}
		if got := e.report(); got != c.want {
			t.Errorf("%.10q: got %q, want %q", c.text, got, c.want)
		}
	}
}

// TestColors: only where they are wanted.
func TestColors(t *testing.T) {
	for color, want := range map[string]bool{"auto": false, "never": false, "always": true} {
		var out, errs bytes.Buffer
		status := run(context.Background(), []string{"pdu", "decode", deliver, "--color", color}, streams{strings.NewReader(""), &out, &errs})
		if status != 0 || strings.Contains(out.String(), "\x1b[") != want {
			t.Errorf("%s: status %d\n%s%s", color, status, out.String(), errs.String())
		}
	}
}

// TestPalette: a terminal has colours, unless NO_COLOR is set.
func TestPalette(t *testing.T) {
	master, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer terminal.Close()
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	if !newPalette("auto", terminal).on || newPalette("never", terminal).on {
		t.Error("no colours on a terminal, or colours that were not wanted")
	}
	t.Setenv("NO_COLOR", "1")
	if newPalette("auto", terminal).on || !newPalette("always", terminal).on {
		t.Error("colours in spite of NO_COLOR, or none in spite of always")
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	if newPalette("auto", terminal).on {
		t.Error("colours on a dumb terminal")
	}
}

// FuzzPDURequest: any line is answered with one line of JSON, and no codec
// gives up.
func FuzzPDURequest(f *testing.F) {
	f.Add(`{"op":"encode","dest":"+4917","text":"x","params":{"udh":"06050415810000","class":1,"concat_ref_bits":16}}`)
	f.Add(`{"op":"decode","pdu":"` + deliver + `"}`)
	f.Add(`{"op":"decode","pdu":"07911326040000F0` + report + `","has_smsc":true}`)
	f.Add(`{"op":"reassemble","pdus":["` + deliver + `"]}`)
	f.Add(`{"op":"encode","dest":"1","text":"\ud83d\ude00"}`)
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, line string) {
		if strings.Contains(line, "\n") {
			t.Skip()
		}
		if reply := ask(t, line); strings.Contains(reply, "internal:") {
			t.Error(reply)
		}
	})
}

// FuzzPDUDecode: what a modem prints is shown, whatever it is.
func FuzzPDUDecode(f *testing.F) {
	f.Add("+CMT: ,24\n" + deliver + "\n07911326040000F0" + report)
	f.Add("410004919471" + "0000" + "06" + "03240101" + "00")
	f.Fuzz(func(t *testing.T, lines string) {
		var out strings.Builder
		v := pduDecodeVerb{SMSC: "auto", Color: "never"}
		v.Run(&pduVerb{}, streams{strings.NewReader(lines), &out, io.Discard}) // that PDUs cannot be read is to be expected
		for line := range strings.SplitSeq(out.String(), "\n") {
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7F }) {
				t.Errorf("moves the cursor: %s", strconv.Quote(line))
			}
		}
	})
}
