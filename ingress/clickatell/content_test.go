package clickatell

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cellpost/ingress"
	"cellpost/pdu"
	"cellpost/pdu/smart"
	"cellpost/sms"
)

// Payloads that the documentation of the interface has.
const (
	axelf = "024A3A5585E195B198040042D9049741A69761781B6176156174288B525D85E0A26C24C49A617628930BB125E055856049865885D200"
	logo  = "00480e010FC0000000000000003FF00000000000000070380F9B006000001B601818DB006000C01BCF0C3058006000C01BDF8C301B3E66F9EF9BDF8C301B626C8CD8DBDF8C301B60787CDFDBCF0C305B6078CCD81B601818DB626C8CD8DB70380F9B3E66FCEF9B3FF0000000000000000FC000000000000000000000000000000000"
	card  = "text:BEGIN:VCARD\ntext:VERSION:2.1\ntext:N:Bloggs;Joe\ntext:TEL;PREF:+1234567890\ntext:END:VCARD"
)

// cardLines is the object of card.
const cardLines = "BEGIN:VCARD\r\nVERSION:2.1\r\nN:Bloggs;Joe\r\nTEL;PREF:+1234567890\r\nEND:VCARD\r\n"

func TestText(t *testing.T) {
	for _, tt := range []struct {
		name, body, want string
		settings         sms.Settings
	}{
		{"lines of text", "text:a\ntext:b", "a\r\nb", sms.Settings{}},
		{"joined with LF", "text:a\ntext:b", "a\nb", sms.Settings{LF: true}},
		{"lines of data", "data:This long sentence was cut\ndata: by the mail client", "This long sentence was cut by the mail client", sms.Settings{}},
		{"data keeps its blanks", "data:  a \ndata: b", "  a  b", sms.Settings{}},
		{"text, then data", "text:a\ndata:b\ndata:c", "a\r\nbc", sms.Settings{}},
		{"data, then text", "data:a\ntext:b", "ab", sms.Settings{}},
		{"urltext", "urltext: Hi%2C+you%0D%0A100%25", "Hi, you\r\n100%", sms.Settings{}},
		{"urltext in ISO 8859-1", "urltext:%C7a+va%2C+mon+%E9l%E8ve", "Ça va, mon élève", sms.Settings{}},
		{"urltext in UTF-8", "urltext:%C3%87a+%e2%82%ac", "Ça €", sms.Settings{}},
		{"urltext that is none", "urltext:100% of %zz %4", "100% of %zz %4", sms.Settings{}},
		{"text and urltext", "text:a+b\nurltext:a+b", "a+b\r\na b", sms.Settings{}},
		{"unicode, data in pieces", "unicode:1\ndata:00480\ndata:069", "Hi", sms.Settings{}},
		{"unicode with LF", "unicode:1\ntext:0048\ntext:0069", "H\ni", sms.Settings{LF: true}},
		{"appended to text", "text:a\nb\n\nSee: c", "a\r\nb\r\nSee: c", sms.Settings{Append: true}},
		{"appended to data", "data:a\n b\nconcat:3\nc", "a b", sms.Settings{Append: true}},
		{"a field, without csv", "text:#field1#", "#field1#", sms.Settings{}},
		{"an empty card", "msg_type:SMS_NOKIA_VCARD", "", sms.Settings{}},
	} {
		s, err := ParseFor(head+tt.body, tt.settings)
		if err != nil || s.Text != tt.want || s.Content != nil {
			t.Errorf("%s: %q, %v, %v; want %q", tt.name, s.Text, s.Content, err, tt.want)
		}
	}
}

func TestContent(t *testing.T) {
	half := axelf[:55]
	ringtone, _ := smart.ReadRingtone([]byte("axelf:d=4,o=5,b=63:8c,d"))
	for _, tt := range []struct {
		name, body string
		port       uint16 // 0: the header is in the body
		data       string // octets in hexadecimal digits, or text
		words      string
	}{
		{"ringtone, cut within an octet", "msg_type:SMS_NOKIA_RINGTONE\ndata:" + half + "\ndata:" + axelf[55:], 0x1581, axelf, `ringtone "axelf"`},
		{"ringtone as text", "msg_type:SMS_NOKIA_RINGTONE\ntext:" + half + "\ntext: " + axelf[55:], 0x1581, axelf, `ringtone "axelf"`},
		{"ringtone by hand", "udh:06050415810000\ndata:" + half + "\ndata:" + axelf[55:], 0x1581, axelf, `ringtone "axelf"`},
		{"melody", "msg_type:SMS_NOKIA_RTTL\ntext:axelf:d=4,o=5,\ntext:b=63:8c,d", 0x1581, hex.EncodeToString(ringtone.Data), `ringtone "axelf"`},
		{"melody, as clients call it", "msg_type:SMS_NOKIA_RTTTL\ndata:axelf:d=4,o=5,b=63:8c,d", 0x1581, hex.EncodeToString(ringtone.Data), `ringtone "axelf"`},
		{"melody, which is 8-bit anyhow", "binary:1\nmsg_type:SMS_NOKIA_RTTL\ndata:axelf:d=4,o=5,b=63:8c,d", 0x1581, hex.EncodeToString(ringtone.Data), `ringtone "axelf"`},
		{"operator logo", "msg_type:SMS_NOKIA_OLOGO\ntext:" + logo, 0x1582, logo, "operator logo, 72 x 14 dots"},
		{"operator logo of a network", "msg_type:SMS_NOKIA_OLOGO\ntext:62F210" + logo, 0x1582, "62F210" + logo, "operator logo for the network 262-01, 72 x 14 dots"},
		{"group logo", "msg_type:SMS_NOKIA_GLOGO\ndata:" + logo, 0x1583, logo, "logo of a caller group, 72 x 14 dots"},
		{"picture of a bitmap", "msg_type:SMS_NOKIA_PICTURE\ndata:" + logo, 0x158A, "300200" + "82" + logo, "picture message, 72 x 14 dots"},
		{"picture with its text", "msg_type:SMS_NOKIA_PICTURE\ndata:300200" + "82" + logo + "0000024869", 0x158A, "30020082" + logo + "0000024869", "picture message, 72 x 14 dots: Hi"},
		{"clean", "msg_type:SMS_NOKIA_CLEAN\ntext:00", 0x1582, "00", "takes the operator logo away"},
		{"clean, without a word", "msg_type:SMS_NOKIA_CLEAN", 0x1582, "00", "takes the operator logo away"},
		{"card", "msg_type:SMS_NOKIA_VCARD\n" + card, 0x23F4, cardLines, "business card\n"},
		{"card, encoded", "msg_type:SMS_NOKIA_VCARD\nurltext:BEGIN%3AVCARD%0D%0AVERSION:2.1%0D%0AN%3ABloggs;Joe%0D%0ATEL;PREF:%2B1234567890%0D%0AEND:VCARD%0D%0A", 0x23F4, cardLines, "business card\n"},
		{"card, encoded as text", "msg_type:SMS_NOKIA_VCARD\ntext:BEGIN:VCARD%0D%0AVERSION:2.1%0D%0AN:Bloggs;Joe%0D%0ATEL;PREF:%2B1234567890%0D%0AEND:VCARD", 0x23F4, cardLines, "business card\n"},
		{"task", "msg_type:SMS_NOKIA_VCAL\ntext:BEGIN:VCALENDAR\ntext:VERSION:1.0\ntext:BEGIN:VTODO\ntext:SUMMARY:Meet\ntext:DTSTART:20030301T133000\ntext:END:VTODO\ntext:END:VCALENDAR",
			0x23F5, "BEGIN:VCALENDAR\r\nVERSION:1.0\r\nBEGIN:VTODO\r\nSUMMARY:Meet\r\nDTSTART:20030301T133000\r\nEND:VTODO\r\nEND:VCALENDAR\r\n", "appointment\n"},
		{"data with a header", "binary:1\nudh:040402F1F2\ndata:000102030405060708090A0B0C0D0E0F", 0xF1, "000102030405060708090A0B0C0D0E0F", "16 octets of 8-bit data for port 241: 000102030405060708090A0B0C0D0E0F"},
		{"data without one", "binary:1\ntext: 00 01\ntext:02", 0, "000102", "3 octets of 8-bit data: 000102"},
		{"much of it", "binary:1\ntext:" + strings.Repeat("ab", 50), 0, strings.Repeat("ab", 50), "50 octets of 8-bit data: " + strings.Repeat("AB", 40) + "..."},
	} {
		s, err := Parse(head + tt.body)
		if err != nil || s.Content == nil {
			t.Errorf("%s: %+v, %v", tt.name, s, err)
			continue
		}
		ports, _ := (pdu.UserData{Header: s.Content.Header}).Ports()
		got := hex.EncodeToString(s.Content.Data)
		if !strings.EqualFold(got, tt.data) && string(s.Content.Data) != tt.data || ports.Dest != tt.port {
			t.Errorf("%s: to port %X, %s\nwant %s, %q", tt.name, ports.Dest, got, tt.data, s.Content.Data)
		}
		if s.Text != tt.words && !(strings.HasSuffix(tt.words, "\n") && strings.HasPrefix(s.Text, tt.words)) {
			t.Errorf("%s: %q, want %q", tt.name, s.Text, tt.words)
		}
		if unnamed := tt.port == 0x1582 && strings.EqualFold(got, logo); s.Content.Logo != unnamed {
			t.Errorf("%s: Logo %v", tt.name, s.Content.Logo)
		}
	}
}

// What handsets do not take of a card is said.
func TestRemarks(t *testing.T) {
	s, err := Parse(head + "msg_type:SMS_NOKIA_VCARD\n" + strings.Replace(card, "text:END", "text:PHOTO;VALUE=URL:http://a/b\ntext:END", 1))
	if err != nil || len(s.Remarks) != 1 || !strings.Contains(s.Remarks[0], "PHOTO") || s.Note() != s.Remarks[0] ||
		!strings.Contains(s.Answer(ingress.Receipt{}), s.Remarks[0]) {
		t.Errorf("%q, %v, %q", s.Remarks, err, s.Note())
	}
}

func TestAttach(t *testing.T) {
	s, err := Parse(head + "msg_type:SMS_NOKIA_OLOGO")
	if err != nil || !s.Wants() {
		t.Fatalf("%+v, %v", s, err)
	}
	ota, _ := hex.DecodeString(logo)
	s.Attach(ingress.NewLogo(ota))
	if items := slices.Collect(s.All()); s.Wants() || len(items) != 1 || items[0].Content == nil || items[0].Text != "operator logo, 72 x 14 dots" {
		t.Errorf("%+v", items)
	}
	if s, _ := Parse(head + "msg_type:SMS_FLASH"); s.Wants() {
		t.Error("a text is no attachment")
	}
}

// show writes an item on one line.
func show(i ingress.Item) string {
	s := fmt.Sprintf("%s %q", i.To, i.Text)
	if i.Content != nil {
		s += fmt.Sprintf(" %x", i.Content.Data)
	}
	if i.Params != nil {
		s += fmt.Sprintf(" from=%s id=%s queue=%d unicode=%v", i.Params.From, i.Params.ClientID, i.Params.Priority, i.Params.Unicode)
	}
	if i.Refusal != nil {
		s = i.To + " " + i.Refusal.Error()
	}
	return s
}

func TestCSV(t *testing.T) {
	const who = "user:u\npassword:p\napi_id:1\n"
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"of the documentation", "text:Hi #field1#, your balance is #field2#, please come to the office on #field3#\ndelimiter:|\ncsv:1234567891|Fred|€15.50|Mondays,Wednesdays,Fridays",
			[]string{`1234567891 "Hi Fred, your balance is €15.50, please come to the office on Mondays,Wednesdays,Fridays"`}},
		{"key order is free", "csv:1|a: b\nCSV: 2 | c,d\ntext:#field1#\nDelimiter:|", []string{`1 "a: b"`, `2 " c,d"`}},
		{"comma, and what is surplus", "text:#field2#\ncsv:1,a,Mondays,Wednesdays", []string{`1 "Mondays"`}},
		{"missing", "text:#field3#\ncsv:1,a\ncsv:2,a,b,c", []string{`1 ERR: 101, Invalid or missing parameters (csv: the column of #field3# is missing)`, `2 "c"`}},
		{"empty column at the end", "text:[#field1#]\ncsv:1,", []string{`1 "[]"`}},
		{"no number", "text:x\ncsv:,a", []string{` ERR: 105, Invalid destination address (csv line 1 has no number)`}},
		{"no fields", "text:x\nto:3\ncsv:1\ncsv:2,a", []string{`3 "x"`, `1 "x"`, `2 "x"`}},
		{"to, and fields", "text:#field1#\nto:3\ncsv:1,a", []string{`3 ERR: 101, Invalid or missing parameters (to: the text has a #field#; give the number in a csv line)`, `1 "a"`}},
		{"no text", "csv:1,a", []string{`1 ""`}},
		{"what is no field", "text:#field0# #field100# #field# field1# #field1##field1# #field1\ncsv:1,a", []string{`1 "#field0# #field100# #field# field1# aa #field1"`}},
		{"tab", "text:#field1#-#field2#\ndelimiter:\t\ncsv:1\ta b\t", []string{`1 "a b-"`}},
		{"a letter", "text:#field1#\ndelimiter:ß\ncsv:1ßaßb", []string{`1 "a"`}},
		{"unicode", "unicode:1\ntext:00480069 #field1#\ntext:#field2#0021\ncsv:1,ы,0041", []string{`1 "Hiы\r\n0041!"`}},
		{"field 99", "text:#field99#\ncsv:1" + strings.Repeat(",x", 98) + ",y", []string{`1 "y"`}},
		{"named columns", "text:#field2# #field1#\ncsvtemplate: field1, TO ,field2,climsgid\ncsv:a,1,b,id1\ncsv:c,2,d,",
			[]string{`1 "b a" from= id=id1 queue=0 unicode=false`, `2 "d c" from= id= queue=0 unicode=false`}},
		{"own text", "text:all #field1#\nqueue:2\nfrom:x\ncsvtemplate:to;from;text;queue;field1\ndelimiter:;\ncsv:1;me;hi #field1#;1;f\ncsv:2;;;;f",
			[]string{`1 "hi f" from=me id= queue=1 unicode=false`, `2 "all f" from=x id= queue=2 unicode=false`}},
		{"own text in unicode", "csvtemplate:to,unicode,text\ncsv:1,1,0048\ncsv:2,1,004\ncsv:3,,004",
			[]string{`1 "H" from= id= queue=0 unicode=true`, `2 ERR: 116, Invalid Unicode data (text: with unicode:1 it is four hexadecimal digits a character)`, `3 "004" from= id= queue=0 unicode=false`}},
		{"too few of them", "text:x\ncsvtemplate:to,from\ncsv:1", []string{`1 ERR: 101, Invalid or missing parameters (csv: the column from is missing)`}},
		{"own parameter that is wrong", "text:x\ncsvtemplate:to,queue\ncsv:1,4\ncsv:2,3",
			[]string{`1 ERR: 101, Invalid or missing parameters (queue: 1 to 3)`, `2 "x" from= id= queue=3 unicode=false`}},
		{"data of fields", "binary:1\ndata:00#field1#\ncsv:1,0102\ncsv:2,x", []string{`1 "3 octets of 8-bit data: 000102" 000102`, `2 ERR: 101, Invalid or missing parameters (what goes with binary: these are no hexadecimal digits)`}},
		{"melodies", "msg_type:SMS_NOKIA_RTTL\ntext:#field1#:d=4:#field2#\ndelimiter:|\ncsv:1|a|c,d", []string{`1 "ringtone \"a\"" 024a3a` + "..."}},
	} {
		s, err := Parse(who + tt.body)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		items := slices.Collect(s.All())
		if len(items) != len(tt.want) || s.Len() != len(tt.want) {
			t.Errorf("%s: %+v", tt.name, items)
			continue
		}
		for i, item := range items {
			got, want := show(item), tt.want[i]
			if before, ok := strings.CutSuffix(want, "..."); ok && strings.HasPrefix(got, before) {
				continue // the octets are another test's
			}
			if got != want {
				t.Errorf("%s: %s\nwant %s", tt.name, got, want)
			}
		}
	}
}

// FuzzCSV: whatever the lines, each is one item, with a refusal or as the template
// says, no longer than template and line can make it.
func FuzzCSV(f *testing.F) {
	f.Add("Hi #field1#, #field2#", "1|Fred|x\n2|Anna", "|", "")
	f.Add("#field1#", "a,1,4", ",", "field1,to,queue")
	f.Add("00#field1#", "1,00", ",", "to,field1,binary")
	f.Fuzz(func(t *testing.T, text, lines, delimiter, columns string) {
		if strings.ContainsAny(text+delimiter+columns, "\r\n") {
			return
		}
		body := "user:u\npassword:p\napi_id:1\ntext:" + text + "\ndelimiter:" + delimiter + "\ncsvtemplate:" + columns
		n := 0
		for line := range strings.FieldsFuncSeq(lines, func(r rune) bool { return r == '\r' || r == '\n' }) {
			body += "\ncsv:" + line
			if strings.TrimSpace(line) != "" {
				n++
			}
		}
		s, err := Parse(body)
		if err != nil {
			return
		}
		items := slices.Collect(s.All())
		if len(items) != n || s.Len() != n {
			t.Fatalf("%d items of %d lines", len(items), n)
		}
		for _, item := range items {
			if item.Content == nil && len(item.Text) > (len(text)+8)*(len(lines)+8) {
				t.Errorf("%d octets", len(item.Text))
			}
			if item.To == "" && item.Refusal == nil {
				t.Errorf("%+v", item)
			}
		}
	})
}

// TestExpansion: a small mail does not become a very large one.
func TestExpansion(t *testing.T) {
	const who = "user:u\npassword:p\napi_id:1\n"
	if _, err := Parse(who + "csv:1,x\ntext:" + strings.Repeat("x", templateMax+1)); err == nil || !strings.HasPrefix(err.Error(), "ERR: 113") {
		t.Errorf("a long template: %v", err)
	}
	if _, err := Parse(who + "csv:1,x\ntext:" + strings.Repeat("#field1#", fieldsMax+1)); err == nil || !strings.HasPrefix(err.Error(), "ERR: 101") {
		t.Errorf("many fields: %v", err)
	}
	s, err := Parse(who + "text:" + strings.Repeat("x", expandedMax-1) + "#field1#\ncsv:1,xy\n" + strings.Repeat("csv:2,x\n", expandedAll/expandedMax+1))
	if err != nil {
		t.Fatal(err)
	}
	items := slices.Collect(s.All())
	last := len(items) - 1
	if items[0].Refusal == nil || items[0].Refusal.Code != ingress.CodeParts || items[1].Refusal != nil || items[last-1].Refusal != nil ||
		items[last].Refusal == nil || items[last].Refusal.Code != ingress.CodeParameter || items[last].Text != "" {
		t.Errorf("%v, %v, %v", items[0].Refusal, items[1].Refusal, items[last].Refusal)
	}
}

func BenchmarkCSV(b *testing.B) {
	var body strings.Builder
	body.WriteString("user:u\npassword:p\napi_id:1\ntext:Hi #field1#, your balance is #field2#\n")
	for i := range RecipientsMax {
		fmt.Fprintf(&body, "csv:4477%08d,Fred,%d\n", i, i)
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := Parse(body.String())
		if err != nil {
			b.Fatal(err)
		}
		for item := range s.All() {
			if item.Refusal != nil {
				b.Fatal(item.Refusal)
			}
		}
	}
}
