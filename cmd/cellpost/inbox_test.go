package main

import (
	"testing"

	"cellpost/ingress/httpd"
	"cellpost/sms"
)

func TestRemarks(t *testing.T) {
	for _, c := range []struct {
		in   httpd.Inbound
		want string
	}{
		{httpd.Inbound{Kind: sms.KindText, Parts: 1}, ""},
		{httpd.Inbound{Kind: sms.KindFlash, Parts: 1}, "[flash] "},
		{httpd.Inbound{Kind: sms.KindWaiting, Detail: "voicemail waiting (3)", Parts: 1}, "[waiting, voicemail waiting (3)] "},
		{httpd.Inbound{Kind: sms.KindText, Parts: 3, Missing: []int{2}}, "[2 of 3 parts] "},
		{httpd.Inbound{Kind: sms.KindText, Detail: "replace type 1", Parts: 1, ReplacedBy: 9}, "[replace type 1, replaced by a later one] "},
		{httpd.Inbound{Kind: sms.KindUnreadable, Detail: "\x1b[2J", Parts: 1}, "[unreadable, ·[2J] "},
	} {
		if got := remarks(c.in); got != c.want {
			t.Errorf("%+v: %q, want %q", c.in, got, c.want)
		}
	}
}
