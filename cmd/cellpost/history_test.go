package main

import (
	"strings"
	"testing"
	"time"

	"cellpost/sms"
)

func TestHistoryConfig(t *testing.T) {
	for _, tt := range []struct {
		lines string
		want  sms.Retention
		err   string // part of it; empty: none
	}{
		{"", sms.Retention{Keep: 13}, ""},
		{`keep = "24mo"`, sms.Retention{Keep: 24}, ""},
		{`keep = "0"`, sms.Retention{}, ""},
		{`anonymise_after = "30d"`, sms.Retention{Keep: 13, Anonymise: 30 * 24 * time.Hour}, ""},
		{`anonymise_after = "8d"`, sms.Retention{Keep: 13, Anonymise: 8 * 24 * time.Hour}, ""},
		{`anonymise_after = "0"`, sms.Retention{Keep: 13}, ""},
		{`anonymise_after = "7d"`, sms.Retention{}, ":2: anonymise_after: 8d at least"},
		{`anonymise_after = "720h"`, sms.Retention{}, "is no number of days: write 30d"},
		{`anonymise_after = "-8d"`, sms.Retention{}, "is no number of days"},
		{`anonymise_after = "99999d"`, sms.Retention{}, "is no number of days"},
		{`keep = "13m"`, sms.Retention{}, "is no number of months: write 13mo"},
		{`keep = "-1mo"`, sms.Retention{}, "is no number of months"},
		{`keep = "1201mo"`, sms.Retention{}, "is no number of months"},
		{`keep = -1`, sms.Retention{}, ":2: keep"},
	} {
		c, err := loadConfig(write(t, "[history]\n"+tt.lines+"\n"))
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", tt.lines, err, tt.err)
		}
		if got := c.History.retention(); err == nil && got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.lines, got, tt.want)
		}
	}
}
