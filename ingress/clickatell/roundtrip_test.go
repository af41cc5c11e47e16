package clickatell

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"cellpost/ingress"
	"cellpost/pdu"
	"cellpost/sms"
)

// write writes a script that has no csv lines, as a client could.
func write(s Script) string {
	var b strings.Builder
	line := func(key, value string) { b.WriteString(key + ":" + value + "\r\n") }
	number := func(key string, n int) {
		if n != 0 {
			line(key, fmt.Sprint(n))
		}
	}
	p := s.Params
	line("user", s.Credentials.User)
	line("password", s.Credentials.Password)
	line("api_id", s.Credentials.APIID)
	for _, to := range s.To {
		line("to", to)
	}
	for _, a := range s.Reply {
		line("reply", a)
	}
	line("from", p.From)
	line("climsgid", p.ClientID)
	line("msg_type", s.Type)
	number("concat", p.Concat)
	number("queue", p.Priority)
	number("escalate", p.Escalate)
	number("validity", int(p.Validity/time.Minute))
	number("deliv_time", int(p.Delay/time.Minute))
	if !p.At.IsZero() {
		line("scheduled_time", p.At.Format(time.RFC3339))
	}
	if p.MaxPrice > 0 {
		line("max_credits", fmt.Sprintf("%d.%06d", p.MaxPrice/sms.Credit, p.MaxPrice%sms.Credit))
	}
	if p.Report {
		line("deliv_ack", "1")
	}
	switch c := s.Content; {
	case c == nil && p.Unicode:
		line("unicode", "1")
		ucs2, _ := pdu.EncodeUCS2(s.Text)
		line("data", hex.EncodeToString(ucs2))
	case c == nil:
		line("urltext", percent(s.Text))
	case isCard(s.Type):
		line("urltext", percent(string(c.Data)))
	default:
		if s.Type == "" {
			line("binary", "1")
			if c.Header != nil {
				var header []byte
				for _, ie := range c.Header {
					header = append(append(header, ie.ID, byte(len(ie.Data))), ie.Data...)
				}
				line("udh", hex.EncodeToString(append([]byte{byte(len(header))}, header...)))
			}
		}
		line("data", hex.EncodeToString(c.Data))
	}
	return b.String()
}

func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// FuzzWritten: a script written out of a parsed one is parsed to the same.
func FuzzWritten(f *testing.F) {
	f.Add(seed, false)
	f.Add(head+"text:  x\nqueue:1\nescalate:2\nconcat:3\nvalidity:60\nfrom:abc\nclimsgid:id1\nmax_credits:1.5\nreply:a@b.c\ncallback:1", true)
	f.Add(head+"unicode:1\ntext:D83DDE00\nscheduled_time:1772413200\nmsg_type:SMS_FLASH", false)
	f.Add(head+"udh:06050415810000\ndata:"+axelf, false)
	f.Add(head+"binary:1\ntext:00", false)
	f.Add(head+"msg_type:SMS_NOKIA_OLOGO\ntext:"+logo, false)
	f.Add(head+"msg_type:SMS_NOKIA_RINGTONE\ndata:"+axelf, false)
	f.Add(head+"msg_type:SMS_NOKIA_PICTURE\ndata:"+logo, false)
	f.Add(head+"msg_type:SMS_NOKIA_CLEAN", false)
	f.Add(head+"msg_type:SMS_NOKIA_VCARD\n"+card, false)
	f.Add(head+"urltext:%E9+%zz\ndata:  x\nwrapped", true)
	f.Fuzz(func(t *testing.T, body string, appending bool) {
		s, err := ParseFor(body, sms.Settings{Append: appending})
		if err != nil || s.table != nil {
			return
		}
		for _, a := range s.Reply {
			if strings.ContainsAny(a, ",;\"") {
				return // quoted: it is read bare
			}
		}
		s.Ignored, s.Quoted, s.Remarks = 0, nil, nil
		again, err := Parse(write(s))
		again.Remarks = nil
		if err != nil || !same(again, s) {
			t.Errorf("%+v\nagain %+v, %v", s, again, err)
		}
	})
}

// same compares scripts; a text that is no UTF-8 comes back as if it were ISO 8859-1.
func same(a, b Script) bool {
	if a.Text != b.Text {
		return b.Content == nil && strings.ToValidUTF8(b.Text, "") != b.Text
	}
	var none ingress.Content
	if a.Content != nil && b.Content != nil {
		if !reflect.DeepEqual(a.Content.Header, b.Content.Header) || string(a.Content.Data) != string(b.Content.Data) || a.Content.Logo != b.Content.Logo {
			return false
		}
		a.Content, b.Content = &none, &none
	}
	return reflect.DeepEqual(a, b)
}
