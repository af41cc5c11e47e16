package clickatell

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cellpost/ingress"
	"cellpost/sms"
)

// seed is the example of the page that the product was ordered from.
const seed = "user:xxxxx\npassword:xxxxx\napi_id:xxxxx\nto: 448311234567\nreply:youremail@yourdomain.com\ntext:Meet me at home\n"

// head is what every script has.
const head = "user:u\npassword:p\napi_id:1\nto:1\n"

func TestParse(t *testing.T) {
	who := ingress.Credentials{User: "u", Password: "p", APIID: "1"}
	timed := Script{Credentials: who, To: []string{"1"}, Text: "x", Params: ingress.Params{At: time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC), FarIsNow: true}}
	tests := []struct {
		name string
		body string
		want Script
	}{
		{"seed", seed, Script{
			Credentials: ingress.Credentials{User: "xxxxx", Password: "xxxxx", APIID: "xxxxx"},
			To:          []string{"448311234567"}, Reply: []string{"youremail@yourdomain.com"}, Text: "Meet me at home",
		}},
		{"keys in any case, blanks around the colon", "User : u\n\tPASSWORD:\tp \n Api_ID:1\nTo:1\nText: x", Script{Credentials: who, To: []string{"1"}, Text: "x"}},
		{"first colon", head + "text:see http://a/b: c", Script{Credentials: who, To: []string{"1"}, Text: "see http://a/b: c"}},
		{"password with a colon", "user:u\npassword:a:b\napi_id:1\nto:1\ntext:x", Script{
			Credentials: ingress.Credentials{User: "u", Password: "a:b", APIID: "1"}, To: []string{"1"}, Text: "x",
		}},
		{"byte order mark", "\ufeff" + head + "text:x", Script{Credentials: who, To: []string{"1"}, Text: "x"}},
		{"text before, many numbers", "text:x\nuser:u\npassword:p\napi_id:1\nto:1\nto:2, 3,,4 \n\nto:\n", Script{Credentials: who, To: []string{"1", "2", "3", "4"}, Text: "x"}},
		{"text loses one blank, and none at its end", head + "text:  two \ntext:\ttab", Script{Credentials: who, To: []string{"1"}, Text: " two \r\ntab"}},
		{"empty line in the text", head + "text:a\ntext:\ntext:b", Script{Credentials: who, To: []string{"1"}, Text: "a\r\n\r\nb"}},
		{"CR", strings.ReplaceAll(head, "\n", "\r") + "text:a\rtext:b\r", Script{Credentials: who, To: []string{"1"}, Text: "a\r\nb"}},
		{"LF CR", strings.ReplaceAll(head, "\n", "\n\r") + "text:a\n\rtext:b\n\r", Script{Credentials: who, To: []string{"1"}, Text: "a\r\nb"}},
		{"the last wins", "user:a\nuser:u\n" + head + "concat:2\nconcat:3\ntext:x", Script{Credentials: who, To: []string{"1"}, Text: "x", Params: ingress.Params{Concat: 3}}},
		{"empty is not given", head + "from:\nconcat:\nmsg_type:\ntext:x", Script{Credentials: who, To: []string{"1"}, Text: "x"}},
		{"ignored lines", head + "text:a line that was\nwrapped here: see\n\n-- \nRegards", Script{
			Credentials: who, To: []string{"1"}, Text: "a line that was", Ignored: 3, Quoted: []string{"wrapped here: see", "--", "Regards"},
		}},
		{"replies", head + "reply:a@b.c, Anna <d@e.f>;g@h.i\nreply:j@k.l\ntext:x", Script{
			Credentials: who, To: []string{"1"}, Text: "x", Reply: []string{"a@b.c", "d@e.f", "g@h.i", "j@k.l"},
		}},
		{"parameters", head + "text:x\nfrom:447700900001\nclimsgid:abc123\nconcat:3\nqueue:1\nescalate:1\ndeliv_ack:1\ndeliv_time:90\nvalidity:60\nmsg_type:SMS_FLASH", Script{
			Credentials: who, To: []string{"1"}, Type: "SMS_FLASH", Text: "x",
			Params: ingress.Params{
				From: "447700900001", ClientID: "abc123", Concat: 3, Priority: 1, Escalate: 1, Report: true,
				Delay: 90 * time.Minute, Validity: time.Hour, Flash: true,
			},
		}},
		{"scheduled_time", head + "text:x\nscheduled_time: 2026-03-02T01:00:00Z", timed},
		{"scheduled_time in seconds", head + "text:x\nscheduled_time:1772413200", timed},
		{"scheduled_time of a zone", head + "text:x\nscheduled_time:2026-03-02T03:30:00+0230", timed},
		{"scheduled_time of a zone, with a colon", head + "text:x\nscheduled_time:2026-03-01T20:00:00-05:00", timed},
		{"defaults, said", head + "text:x\nmsg_type:SMS_TEXT\nunicode:0\nmo:0\nbinary:0\nreq_feat:48\ncallback:0\ndata:", Script{Credentials: who, To: []string{"1"}, Text: "x"}},
		{"no report", head + "text:x\ndeliv_ack:0", Script{Credentials: who, To: []string{"1"}, Text: "x"}},
		{"callback asks for news", head + "text:x\ndeliv_ack:0\ncallback:3", Script{Credentials: who, To: []string{"1"}, Text: "x", Params: ingress.Params{Report: true}}},
		{"unicode", head + "unicode:1\ntext:03A9 03a8\ntext:D83DDE00", Script{Credentials: who, To: []string{"1"}, Text: "ΩΨ\r\n😀", Params: ingress.Params{Unicode: true}}},
	}
	for _, tt := range tests {
		got, err := Parse(tt.body)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v\nwant %+v", tt.name, got, err, tt.want)
		}
		if crlf, _ := Parse(strings.ReplaceAll(tt.body, "\n", "\r\n")); !reflect.DeepEqual(crlf, tt.want) && !strings.Contains(tt.name, "LF") {
			t.Errorf("%s, with CRLF: %+v", tt.name, crlf)
		}
	}
}

func TestParseRefused(t *testing.T) {
	const badPrice = "ERR: 101, Invalid or missing parameters (max_credits: a number above 0, like 1.5)"
	const badTime = "ERR: 120, Invalid delivery time (scheduled_time: 1790000000 or 2026-09-21T14:13:20Z)"
	tests := []struct {
		name string
		body string
		want string
	}{
		{"garbage", "Dear Anna,\nsee you at: noon\n", "ERR: 110, Error with email message (no script: a line like user:name is missing)"},
		{"nothing", "", "ERR: 110, Error with email message (no script: a line like user:name is missing)"},
		{"no to", "user:u\npassword:p\napi_id:1\ntext:x", "ERR: 101, Invalid or missing parameters (to is missing)"},
		{"concat", head + "concat:0", "ERR: 101, Invalid or missing parameters (concat: 1 to 255)"},
		{"queue", head + "queue:4", "ERR: 101, Invalid or missing parameters (queue: 1 to 3)"},
		{"escalate", head + "escalate:yes", "ERR: 101, Invalid or missing parameters (escalate: 0 to 2)"},
		{"validity", head + "validity:0", "ERR: 101, Invalid or missing parameters (validity: 1 to 10080)"},
		{"unicode flag", head + "unicode:2", "ERR: 101, Invalid or missing parameters (unicode: 0 to 1)"},
		{"deliv_ack", head + "deliv_ack:-1", "ERR: 101, Invalid or missing parameters (deliv_ack: 0 to 1)"},
		{"callback", head + "callback:8", "ERR: 101, Invalid or missing parameters (callback: 0 to 7)"},
		{"req_feat", head + "req_feat:1024", "ERR: 101, Invalid or missing parameters (req_feat: 1024 has an unknown feature)"},
		{"mo", head + "mo:2", "ERR: 101, Invalid or missing parameters (mo: 0 to 1)"},
		{"binary", head + "binary:x", "ERR: 101, Invalid or missing parameters (binary: 0 to 1)"},
		{"max_credits", head + "max_credits:0", badPrice},
		{"max_credits, negative", head + "max_credits:-1", badPrice},
		{"max_credits, no number", head + "max_credits:NaN", badPrice},
		{"max_credits, nothing left of it", head + "max_credits:0.0000001", badPrice},
		{"delimiter", head + "delimiter:||", "ERR: 101, Invalid or missing parameters (delimiter: one character)"},
		{"csvtemplate", head + "csvtemplate:to,password", "ERR: 101, Invalid or missing parameters (csvtemplate: there is no column \"password\")"},
		{"csvtemplate, field 100", head + "csvtemplate:to,field100", "ERR: 101, Invalid or missing parameters (csvtemplate: there is no column \"field100\")"},
		{"csvtemplate without to", head + "csvtemplate:text", "ERR: 101, Invalid or missing parameters (csvtemplate: to is missing)"},
		{"csvtemplate, twice", head + "csvtemplate:to,TEXT,text", "ERR: 101, Invalid or missing parameters (csvtemplate: text is there twice)"},
		{"reply", head + "reply:nobody", "ERR: 101, Invalid or missing parameters (reply: an address is not right)"},
		{"reply that breaks the header", head + "reply:\"a b\"@c.d", "ERR: 101, Invalid or missing parameters (reply: an address is not right)"},
		{"many replies", head + strings.Repeat("reply:a@b.c\n", 11), "ERR: 101, Invalid or missing parameters (reply: over 10 addresses)"},
		{"type in lower case", head + "msg_type:sms_flash", "ERR: 112, Invalid message type (msg_type: there is no such type, see SMS_TEXT, SMS_FLASH and the SMS_NOKIA_ ones)"},
		{"101 comes before 112", head + "msg_type:x\nqueue:9", "ERR: 101, Invalid or missing parameters (queue: 1 to 3)"},
		{"udh with a type", head + "msg_type:SMS_NOKIA_OLOGO\nudh:00\ntext:00", "ERR: 112, Invalid message type (msg_type makes the header by itself: leave udh out)"},
		{"udh that shines", head + "msg_type:SMS_FLASH\nudh:00\ntext:00", "ERR: 112, Invalid message type (msg_type makes the header by itself: leave udh out)"},
		{"unicode object", head + "msg_type:SMS_NOKIA_VCARD\nunicode:1\ntext:00", "ERR: 112, Invalid message type (unicode goes with SMS_TEXT and SMS_FLASH)"},
		{"unicode data", head + "udh:00\nunicode:1\ntext:0041", "ERR: 101, Invalid or missing parameters (unicode:1 is for text; leave it out with udh or binary)"},
		{"udh, odd", head + "udh:0605041\ntext:00", "ERR: 102, Invalid user data header (7 hexadecimal digits: an octet takes two, one is missing)"},
		{"udh, no hex", head + "udh:xy\ntext:00", "ERR: 102, Invalid user data header (these are no hexadecimal digits)"},
		{"udh, its length", head + "udh:0705041581000\nudh:07050415810000\ntext:00", "ERR: 102, Invalid user data header (UDH at octet 0: its length octet says 7, but 6 octets follow; it counts the octets after itself)"},
		{"udh, its elements", head + "udh:03000501\ntext:00", "ERR: 102, Invalid user data header (UDH at octet 1: the element that begins here does not fit into the header; its second octet counts its data)"},
		{"udh with text that is none", head + "udh:06050415810000\ntext:Meet me", "ERR: 102, Invalid user data header (what goes with udh: these are no hexadecimal digits)"},
		{"binary text", head + "binary:1\ntext:Meet me", "ERR: 101, Invalid or missing parameters (what goes with binary: these are no hexadecimal digits)"},
		{"text and data", head + "binary:1\ntext:00\ndata:00", "ERR: 101, Invalid or missing parameters (text and data: 8-bit content is in one of them)"},
		{"no ringtone", head + "msg_type:SMS_NOKIA_RINGTONE\ntext:00", "ERR: 101, Invalid or missing parameters (SMS_NOKIA_RINGTONE: "},
		{"no melody", head + "msg_type:SMS_NOKIA_RTTL\ntext:Meet me", "ERR: 101, Invalid or missing parameters (SMS_NOKIA_RTTL: "},
		{"no logo", head + "msg_type:SMS_NOKIA_OLOGO\ntext:0048", "ERR: 101, Invalid or missing parameters (SMS_NOKIA_OLOGO: "},
		{"no logo, odd", head + "msg_type:SMS_NOKIA_OLOGO\ntext:004", "ERR: 101, Invalid or missing parameters (SMS_NOKIA_OLOGO: 3 hexadecimal digits: an octet takes two, one is missing)"},
		{"no group logo", head + "msg_type:SMS_NOKIA_GLOGO\ntext:0048", "ERR: 101, Invalid or missing parameters (SMS_NOKIA_GLOGO: "},
		{"no picture", head + "msg_type:SMS_NOKIA_PICTURE\ntext:3002", "ERR: 101, Invalid or missing parameters (SMS_NOKIA_PICTURE: "},
		{"not clean", head + "msg_type:SMS_NOKIA_CLEAN\ntext:01", "ERR: 101, Invalid or missing parameters (SMS_NOKIA_CLEAN: its text is 00)"},
		{"no card", head + "msg_type:SMS_NOKIA_VCARD\ntext:Meet me", "ERR: 101, Invalid or missing parameters (SMS_NOKIA_VCARD: "},
		{"no appointment", head + "msg_type:SMS_NOKIA_VCAL\ntext:Meet me", "ERR: 101, Invalid or missing parameters (SMS_NOKIA_VCAL: "},
		{"the type comes before the header", head + "udh:xy\nmsg_type:x\ndeliv_time:x", "ERR: 112, Invalid message type (msg_type: there is no such type, see SMS_TEXT, SMS_FLASH and the SMS_NOKIA_ ones)"},
		{"the header before the time", head + "udh:xy\ndeliv_time:x", "ERR: 102, Invalid user data header (these are no hexadecimal digits)"},
		{"unicode before the time", head + "unicode:1\ntext:x\ndeliv_time:x", "ERR: 116, Invalid Unicode data (text: with unicode:1 it is four hexadecimal digits a character)"},
		{"unicode, not whole", head + "unicode:1\ntext:03A", "ERR: 116, Invalid Unicode data (text: with unicode:1 it is four hexadecimal digits a character)"},
		{"unicode, each line is whole", head + "unicode:1\ntext:03A9 03\ntext:A9", "ERR: 116, Invalid Unicode data (text: with unicode:1 it is four hexadecimal digits a character)"},
		{"unicode, no hex", head + "unicode:1\ntext:Meet", "ERR: 116, Invalid Unicode data (text: with unicode:1 it is four hexadecimal digits a character)"},
		{"lone surrogate", head + "unicode:1\ntext:D83D0041", "ERR: 116, Invalid Unicode data (text: with unicode:1 it is four hexadecimal digits a character)"},
		{"swapped surrogates", head + "unicode:1\ntext:DE00D83D", "ERR: 116, Invalid Unicode data (text: with unicode:1 it is four hexadecimal digits a character)"},
		{"deliv_time", head + "deliv_time:10081\ntext:x", "ERR: 120, Invalid delivery time (deliv_time: 0 to 10080 minutes)"},
		{"scheduled_time, no zone", head + "scheduled_time:2026-03-02T01:00:00\ntext:x", badTime},
		{"scheduled_time, no date", head + "scheduled_time:01:00\ntext:x", badTime},
		{"scheduled_time, no day", head + "scheduled_time:2026-02-30T01:00:00Z\ntext:x", badTime},
		{"scheduled_time, negative", head + "scheduled_time:-1\ntext:x", badTime},
		{"scheduled_time 0", head + "scheduled_time:0\ntext:x", badTime},
		{"deliv_time, no number", head + "deliv_time:soon\ntext:x", "ERR: 120, Invalid delivery time (deliv_time: 0 to 10080 minutes)"},
	}
	for _, tt := range tests {
		s, err := Parse(tt.body)
		// A want that ends in a colon has the words of another package behind it.
		if err == nil || err.Error() != tt.want && !(strings.HasSuffix(tt.want, ": ") && strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%s: %v\nwant %s", tt.name, err, tt.want)
			continue
		}
		if r, _ := errors.AsType[*ingress.Refusal](err); r.Code != ingress.CodeMail && s.Credentials.User != "u" {
			t.Errorf("%s: the account is lost: %+v", tt.name, s)
		}
	}
}

// A U+FFFD that was sent as such is no lone surrogate.
func TestReplacementCharacter(t *testing.T) {
	if s, ok := decodeUTF16("FFFD"); !ok || s != "\ufffd" {
		t.Errorf("%q, %v", s, ok)
	}
}

func TestAnswer(t *testing.T) {
	id := sms.ID{1}
	s, _ := Parse(head + "  wrapped\n" + strings.Repeat("é", 30) + strings.Repeat("\nmore", 6))
	got := s.Answer(ingress.Receipt{Results: []ingress.Result{
		{To: "448311234567", ID: id},
		{To: "letters", Refusal: ingress.Refuse(ingress.CodeDestination, "")},
		{To: "448311234567", ID: id, Same: true},
	}})
	want := "ID: 01000000000000000000000000000000 To: 448311234567\r\n" +
		"ERR: 105, Invalid destination address To: letters\r\n" +
		"ID: 01000000000000000000000000000000 To: 448311234567\r\n" +
		"\r\n1 number given more than once: sent once\r\n" +
		"\r\n8 lines ignored:\r\n  wrapped\r\n  éééééééééééééééééééééééé...\r\n  more\r\n  more\r\n  more\r\n"
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	alone := Line(ingress.Result{Refusal: ingress.Refuse(ingress.CodeAPIID, "")})
	if alone != "ERR: 108, Invalid or missing API ID" {
		t.Errorf("%q", alone)
	}
}

func TestStatus(t *testing.T) {
	tests := []struct {
		m    sms.Message
		want string
	}{
		{sms.Message{State: sms.Queued}, "008"},
		{sms.Message{State: sms.Sending}, "008"},
		{sms.Message{State: sms.Queued, Tries: 1}, "002"},
		{sms.Message{State: sms.Unknown}, "002"},
		{sms.Message{State: sms.Queued, WentAgain: true}, "002"},
		{sms.Message{State: sms.Scheduled}, "011"},
		{sms.Message{State: sms.Held}, "011"},
		{sms.Message{State: sms.Sent}, "003"},
		{sms.Message{State: sms.Delivered}, "004"},
		{sms.Message{State: sms.Cancelled}, "006"},
		{sms.Message{State: sms.Failed, Tries: 3}, "007"},
		{sms.Message{State: sms.Expired}, "010"},
		{sms.Message{State: sms.Failed, Fault: sms.FaultContent}, "005"},
		{sms.Message{State: sms.Failed, Fault: sms.FaultRoute}, "009"},
		{sms.Message{State: sms.Queued, Fault: sms.FaultRoute}, "009"},
		{sms.Message{State: sms.Failed, Fault: sms.FaultCredit}, "012"},
	}
	for _, tt := range tests {
		if got := Status(tt.m); got != tt.want {
			t.Errorf("%s after %d tries: %s, want %s", tt.m.State, tt.m.Tries, got, tt.want)
		}
	}
}

// Whatever the body, Parse does not panic, refuses by the codes of the format
// only, and takes a text that can be sent.
func FuzzParse(f *testing.F) {
	f.Add(seed)
	f.Add(head + "text:  x\nunicode:1\nreply:a@b.c\nfoo\n")
	f.Add(head + "unicode:1\ntext:D83DDE00")
	f.Fuzz(func(t *testing.T, body string) {
		s, err := Parse(body)
		if r, ok := errors.AsType[*ingress.Refusal](err); err != nil && (!ok || !slices.Contains([]int{101, 102, 110, 112, 113, 116, 120}, r.Code)) {
			t.Fatalf("%v", err)
		}
		if err == nil && s.Len() == 0 || utf8.ValidString(body) && !utf8.ValidString(s.Text) {
			t.Errorf("%+v", s)
		}
		for _, to := range s.To {
			if strings.ContainsAny(to, "\r\n,") || to != strings.TrimSpace(to) {
				t.Errorf("to %q", to)
			}
		}
		for _, a := range s.Reply {
			if strings.ContainsAny(a, "\r\n <>") {
				t.Errorf("reply %q", a)
			}
		}
	})
}

// What a client writes is what is read, whatever stands between.
func FuzzRoundTrip(f *testing.F) {
	f.Add("anna", "secret", "Meet me\nat home", "a signature", uint8(0), uint8(3))
	f.Add("a:b", "x ", "", "to nobody", uint8(3), uint8(0))
	f.Fuzz(func(t *testing.T, user, password, text, noise string, end, numbers uint8) {
		user, password = strings.TrimSpace(user), strings.TrimSpace(password)
		if user == "" || strings.ContainsAny(user+password, "\r\n") || strings.ContainsAny(text, "\r") || strings.ContainsAny(noise, ":\r\n") {
			return
		}
		lines := []string{"user:" + user, "password:" + password, "api_id:1", noise}
		var want []string
		for i := range numbers {
			want = append(want, fmt.Sprint(i))
			lines = append(lines, "to: "+fmt.Sprint(i))
		}
		for line := range strings.SplitSeq(text, "\n") {
			lines = append(lines, "text: "+line)
		}
		s, err := Parse(strings.Join(lines, []string{"\r\n", "\n", "\r", "\n\r"}[end%4]))
		if (err == nil) != (numbers > 0) {
			t.Fatalf("%v", err)
		}
		if s.Credentials.User != user || s.Credentials.Password != password || !slices.Equal(s.To, want) {
			t.Errorf("%+v", s)
		}
		if err == nil && s.Text != strings.ReplaceAll(text, "\n", "\r\n") {
			t.Errorf("text %q, want %q", s.Text, text)
		}
	})
}
